"""How a network runs: `init` makes parameters, `apply` uses them, `describe` lists them. In: layer, scope.
Out: trees of Tensors.

A layer is configuration only. Its `call` asks the scope it is handed for parameters, state and random keys;
the scope creates them under `init` and looks them up under `apply`. Both are pure functions, so they work
inside sl.jit, sl.grad and sl.scan.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from saltus.base import dtypes as dt
from saltus.base import tree
from saltus.base.errors import ArgumentError, DTypeError
from saltus.ir.node import placeholder
from saltus.nn.layer import Declared, Layer, Spec
from saltus.nn.scope import LayerUse, Parameter, Path, Run, Scope, specs
from saltus.tensor import random
from saltus.tensor.operands import as_tensor
from saltus.tensor.tensor import Tensor, of_node, realise
from saltus.tensor.tracing import capture, captures, here


class Variables(NamedTuple):
    """What `nn.init` makes.

    Attributes:
        params: tree of Tensors that training changes.
        state: tree of Tensors that running in training mode changes (moving averages).
    """

    params: Any
    state: Any


class Applied(NamedTuple):
    """What `nn.apply` returns.

    Attributes:
        output: the network's result.
        state: the state after the call, a tree like the one given.
        losses: numbers to add to the loss (regularizers, activity regularizers), a tuple of Tensors of
            shape ().
    """

    output: Any
    state: Any
    losses: tuple[Tensor, ...]


@dataclass(frozen=True)
class Description:
    """What a network is made of, for inputs of given shapes.

    Attributes:
        parameters: every parameter.
        state: path -> Spec of every moving average and the like.
        layers: every call of a layer, in the order of calls ending.
        output: tree of Specs.

    Example:
        >>> from saltus import nn
        >>> print(nn.describe(nn.Sequential([nn.Dense(8), nn.Dense(1)]), nn.Spec((1, 4))))
        layer           output  parameters
        dense    Dense  (N, 8)          40
        dense_1  Dense  (N, 1)           9
        49 parameters, 49 trainable
    """

    parameters: tuple[Parameter, ...]
    state: dict[str, Spec]
    layers: tuple[LayerUse, ...]
    output: Any

    def trainable(self) -> Any:
        """A tree like the parameters, True where training changes them."""
        return nested({tuple(p.path.split("/")): p.trainable for p in self.parameters})

    def constrain(self, params: Any) -> Any:
        """The parameters after their constraints, for use after each update, inside the step."""
        held = {p.path: p.constraint for p in self.parameters if p.constraint is not None and p.trainable}
        if not held:
            return params
        values = [held[path](v) if (path := tree.format_path(p)) in held else v for p, v in tree.paths(params)]
        return tree.unflatten(params, values)

    @property
    def count(self) -> int:
        """Elements of all parameters."""
        return sum(p.count for p in self.parameters)

    def __str__(self) -> str:
        """A table: each layer that holds no other one, with its output's shape (N for the batch) and its number of parameters."""
        around = {u.path.rpartition("/")[0] for u in self.layers if u.path}
        rows = [("layer", "", "output", "parameters")]
        rows += [
            (u.path or "network", type(u.layer).__name__, _shapes(u.output), f"{u.count:,}")
            for u in self.layers
            if u.path not in around or u.count
        ]
        widths = [max(len(r[i]) for r in rows) for i in range(4)]
        lines = ["  ".join((*(c.ljust(w) for c, w in zip(r[:3], widths, strict=False)), r[3].rjust(widths[3]))) for r in rows]
        frozen = sum(p.count for p in self.parameters if not p.trainable)
        return "\n".join([*lines, f"{self.count:,} parameters, {self.count - frozen:,} trainable"])


def _shapes(values: Any) -> str:
    return ", ".join(f"({', '.join(['N', *map(str, s.shape[1:])])})" for s in tree.leaves(values))


def nested(flat: Mapping[Path, Any]) -> Any:
    """A tree of dicts from paths."""
    made: dict[str, Any] = {}
    for path, value in flat.items():
        place = made
        for word in path[:-1]:
            place = place.setdefault(word, {})
        place[path[-1]] = value
    return made


def _flat(what: str, values: Any) -> dict[Path, Tensor]:
    if not isinstance(values, Mapping):
        raise ArgumentError(f"nn.apply: {what} must be the tree that nn.init made, got {type(values).__name__}")
    return {tuple(map(str, path)): as_tensor(v) for path, v in tree.paths(values)}


def _stand_in(value: Any) -> Tensor:
    """An input without values, of the shape and type of an array or Spec."""
    if not isinstance(value, Spec):
        given = as_tensor(value)
        value = Spec(given.shape, given.dtype)
    return of_node(placeholder(value.shape, dt.as_dtype(value.dtype)))


def making(what: str, network: Layer, inputs: tuple[Any, ...], key: Any, dtype: Any) -> tuple[Run, Any]:
    """One pass that makes parameters, and the network's result; nothing is computed."""
    if not isinstance(network, Layer):
        raise ArgumentError(
            f"{what} takes a layer or network, got {type(network).__name__}",
            fix="e.g. nn.Sequential([nn.Dense(3)])",
        )
    if not inputs:
        inputs = network.specs() if isinstance(network, Declared) else ()
        if not inputs:
            raise ArgumentError(
                f"{what}: sizes are worked out from the first input, but none was given", site=here(),
                fix="pass an array, nn.Spec((1, width)), or begin the network with nn.Input((width,))",
            )  # fmt: skip
    wanted = dt.as_dtype(dtype)
    if not wanted.is_float:
        raise DTypeError(f"{what}: parameters are real floats, not {wanted.name}")
    run = Run(params=None, state={}, key=key, training=False, dtype=wanted)
    with capture(what):
        output = Scope(run, (), network).call(*tree.map(_stand_in, list(inputs)))
    return run, output


def init(network: Layer, *inputs: Any, key: Any, dtype: Any = "float32") -> Variables:
    """Make the parameters and state of a network; sizes are worked out from the inputs' shapes.

    Args:
        network: a layer or network.
        inputs: arrays, Tensors or Specs with the batch first; only shape and type count. None, when the
            network begins with nn.Input.
        key: a random key, sl.random.key(seed): the same key gives the same values.
        dtype: type of the parameters.

    Returns:
        Variables(params, state), trees of Tensors.

    Raises:
        ShapeError, ArgumentError: an input does not fit a layer; the message names the layer.

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> params, state = nn.init(nn.Dense(2), nn.Spec((1, 3)), key=sl.random.key(0))
        >>> params["kernel"].shape, params["bias"].shape
        ((3, 2), (2,))
    """
    made, _ = drawn(network, *inputs, key=key, dtype=dtype)
    if not captures.open:
        realise([v for v in tree.leaves(made)])
    return made


def drawn(network: Layer, *inputs: Any, key: Any, dtype: Any = "float32") -> tuple[Variables, Description]:
    """What `init` and `describe` say, from one pass; nothing is computed until somebody looks at it."""
    run, output = making("nn.init", network, inputs, key, dtype)
    return Variables(nested(run.params), nested(run.state)), _description(run, output)


def describe(network: Layer, *inputs: Any, dtype: Any = "float32") -> Description:
    """What a network is made of: each parameter and each layer's output, without computing anything.

    Args:
        network: a layer or network.
        inputs, dtype: as for `init`.

    Returns:
        A Description.

    Example:
        >>> from saltus import nn
        >>> network = nn.Sequential([nn.Dense(2, activation="relu"), nn.Dense(1)])
        >>> [(p.path, p.shape) for p in nn.describe(network, nn.Spec((1, 3))).parameters]
        [('dense/kernel', (3, 2)), ('dense/bias', (2,)), ('dense_1/kernel', (2, 1)), ('dense_1/bias', (1,))]
    """
    return _description(*making("nn.describe", network, inputs, random.key(0), dtype))


def _description(run: Run, output: Any) -> Description:
    state = {"/".join(p): Spec(v.shape, v.dtype) for p, v in run.state.items()}
    return Description(tuple(run.parameters.values()), state, tuple(run.layers), specs(output))


def apply(network: Layer, params: Any, state: Any, *inputs: Any, training: bool = False, key: Any = None) -> Applied:
    """Run a network.

    Args:
        network: a layer or network.
        params, state: trees as `init` made them.
        inputs: arrays or Tensors, the batch first.
        training: True in a training step: dropout draws, batch normalisation uses the batch.
        key: a random key, another one for each step; needed where a layer draws random numbers.

    Returns:
        Applied(output, state, losses).

    Raises:
        ArgumentError, ShapeError: parameters or inputs do not fit the network; the message names the layer.

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> network = nn.Dense(1, kernel_initializer="ones")
        >>> params, state = nn.init(network, nn.Spec((1, 2)), key=sl.random.key(0))
        >>> nn.apply(network, params, state, sl.asarray([[1.0, 2.0]])).output
        Tensor([[3.]], shape=(1, 1), dtype=float32)
    """
    flat, before = _flat("params", params), _flat("state", state)
    dtype = next((v.dtype for v in flat.values() if v.dtype.is_float), dt.float32)
    run = Run(params=flat, state=dict(before), key=key, training=bool(training), dtype=dtype)
    output = Scope(run, (), network).call(*tree.map(as_tensor, list(inputs)))
    after = tree.unflatten(state, [run.state[p] for p in before])
    return Applied(output, after, tuple(run.losses))
