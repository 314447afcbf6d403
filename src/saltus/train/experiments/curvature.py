"""How sharply a loss bends at the weights a training found: the largest eigenvalue of its Hessian. Above `model`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from saltus.base import tree
from saltus.base.errors import ArgumentError
from saltus.tensor.creation import asarray
from saltus.tensor.jit import jit
from saltus.tensor.reduction import sum
from saltus.tensor.tensor import Tensor
from saltus.tensor.transforms import grad
from saltus.train import arrays, step
from saltus.train.model import Model

Array = np.ndarray[Any, Any]


def sharpness(
    model: Model, x: Any, y: Any, *, rows: int = 512, steps: int = 100, tolerance: float = 1e-3, seed: int = 0
) -> float:  # fmt: skip
    """The largest eigenvalue of the Hessian of the loss, by power iteration: small at a flat minimum, large at a sharp one.

    Gradient descent with a rate above 2 / sharpness leaves such a minimum.

    Args:
        model: built, with a loss; as at prediction (no dropout).
        x, y: samples and targets.
        rows: so many of them at most, drawn at random.
        steps: products with the Hessian at most.
        tolerance: relative change at which the iteration ends.
        seed: of the drawn rows and the first direction.

    Returns:
        The eigenvalue; NaN where the loss is not finite.

    Raises:
        ArgumentError: the model was not built.

    Source: Keskar et al., "On large-batch training for deep learning: generalization gap and sharp minima", 2017;
        the product with the Hessian is that of Pearlmutter, 1994.

    Example:
        >>> import numpy as np, saltus as sl
        >>> from saltus import nn
        >>> x = np.array([[1.0, 0.0], [0.0, 3.0]], "float32")
        >>> model = sl.Model(nn.Sequential([nn.Dense(1, use_bias=False)]), loss="mse")
        >>> model.build(x)
        >>> round(sharpness(model, x, x[:, :1]), 3)  # of (w1 - 1)^2 / 2 + 9 w2^2 / 2
        9.0
    """
    if model._built is None:
        raise ArgumentError("sharpness needs a model with weights", fix="call fit, or build(x) first")
    task, own = model._built.task, model.state()
    x, y = arrays.as_tree(x, "x"), arrays.as_tree(y, "y")
    count = arrays.rows_of([*arrays.named(x, "x"), *arrays.named(y, "y")])
    rng = np.random.default_rng(seed)
    if count > rows:
        chosen = np.sort(rng.permutation(count)[:rows])
        x, y = (tree.map(lambda a: np.ascontiguousarray(_values(a)[chosen]), part) for part in (x, y))
    batch = {"x": tree.map(_tensor, x), "y": tree.map(_tensor, y)}
    rest = {name: value for name, value in own.items() if name != "optimizer"}

    def slope(params: Any, rest: Any, batch: Any) -> Any:
        def loss(p: Any) -> Tensor:
            return step.loss_of(task, step.run_network(task, rest, batch["x"], params=p), batch).loss

        return grad(loss)(params)

    @jit
    def product(params: Any, along: Any, rest: Any, batch: Any) -> Any:
        def inner(p: Any) -> Tensor:
            pairs = zip(tree.leaves(slope(p, rest, batch)), tree.leaves(along), strict=True)
            total: Any = 0.0
            for g, v in pairs:
                total = total + sum(g * v)
            return total

        return grad(inner)(params)

    params = own["params"]
    shapes = [leaf.shape for leaf in tree.leaves(params)]
    kind = tree.leaves(params)[0].dtype.numpy

    def times(flat: Array) -> Array:
        made = product(params, tree.unflatten(params, _cut(flat, shapes, kind)), rest, batch)
        return np.concatenate([np.asarray(leaf, np.float64).reshape(-1) for leaf in tree.leaves(made)])

    size = int(np.sum([math.prod(shape) for shape in shapes]))
    value = _power(times, rng.normal(size=size), steps, tolerance)
    if value < 0:  # the largest in size is negative: look again with all eigenvalues moved above zero
        value += _power(lambda v, low=value: times(v) - low * v, rng.normal(size=size), steps, tolerance)
    return value


def _power(times: Any, vector: Array, steps: int, tolerance: float) -> float:
    """The eigenvalue of the largest size, with its sign."""
    value = math.nan
    for _ in range(steps):
        length = np.linalg.norm(vector)
        if not math.isfinite(length):
            return math.nan
        if length == 0:
            return 0.0
        vector = vector / length
        after = times(vector)
        last, value = value, float(vector @ after)
        if abs(value - last) <= tolerance * abs(value):
            break
        vector = after
    return value


def _cut(flat: Array, shapes: list[tuple[int, ...]], kind: Any) -> list[Tensor]:
    ends = np.cumsum([math.prod(shape) for shape in shapes])
    return [_tensor(piece.reshape(shape).astype(kind)) for piece, shape in zip(np.split(flat, ends[:-1]), shapes, strict=True)]


def _values(value: Any) -> Array:
    return value._values() if isinstance(value, Tensor) else np.asarray(value)


def _tensor(value: Any) -> Tensor:
    return value if isinstance(value, Tensor) else asarray(np.ascontiguousarray(value))
