"""Activation functions: Tensors in, Tensors out, gradients by the engine. In: tensor. Used by layers;
`formulas` describes each one.

Names and arguments follow Keras. A layer takes a name ("relu"), one of these functions, any function of a
Tensor, or `get(name, option=...)`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

from saltus.base.errors import ArgumentError, DTypeError, ShapeError, UnknownNameError
from saltus.ir.spec import OPS
from saltus.nn.checks import one_of
from saltus.nn.config import Record, find, known, register
from saltus.tensor import elementwise as e
from saltus.tensor import neural
from saltus.tensor.creation import arange
from saltus.tensor.elementwise import where
from saltus.tensor.manipulation import reshape, split
from saltus.tensor.operands import as_tensor, one_axis
from saltus.tensor.reduction import cumulative_sum, sum
from saltus.tensor.rules import custom_vjp
from saltus.tensor.tensor import Tensor, of_node
from saltus.tensor.tracing import here


def _floats(name: str, x: Any) -> Tensor:
    tensor = as_tensor(x)
    if not tensor.dtype.is_float:
        raise DTypeError(
            f"{name} takes real floats, got {tensor.dtype.name}",
            site=here(),
            fix="convert: x.astype('float32')",
        )
    return tensor


@register(aliases=("identity",))
def linear(x: Any) -> Tensor:
    """x itself: no activation.

    Args:
        x: real floats.
    """
    return as_tensor(x)


@register
def step(x: Any, backward: str = "zero") -> Tensor:
    """1 where x > 0, else 0: the perceptron's activation.

    Args:
        x: real floats.
        backward: the derivative to use: "zero" (the true one), "straight_through" (1, as if the step were
            not there), or "sigmoid" (that of sigmoid(x), which fades away from the threshold).

    Source: Bengio, Léonard and Courville, "Estimating or propagating gradients through stochastic neurons",
        2013 (straight_through).
    """
    tensor = _floats("step", x)
    one_of("step", "backward", backward, _BACKWARD)
    return _STEPS[backward](tensor)


def _step(x: Tensor) -> Tensor:
    return (x > 0).astype(x.dtype)


def _sigmoid_slope(g: Tensor, out: Tensor, x: Tensor) -> tuple[Tensor]:
    s = e.sigmoid(x)
    return (g * s * (1.0 - s),)


_STEPS: dict[str, Callable[..., Tensor]] = {
    "zero": _step,
    "straight_through": custom_vjp(_step, lambda g, out, x: (g,)),
    "sigmoid": custom_vjp(_step, _sigmoid_slope),
}
_BACKWARD = tuple(_STEPS)


@register
def relu(x: Any, negative_slope: float = 0.0, max_value: float | None = None, threshold: float = 0.0) -> Tensor:
    """max(x, 0), the rectified linear unit.

    Args:
        x: real floats.
        negative_slope: slope below the threshold.
        max_value: upper bound, or None.
        threshold: values below it are taken as negative.
    """
    tensor = _floats("relu", x)
    if negative_slope == 0 and threshold == 0:
        made = e.relu(tensor)
    else:
        made = where(tensor >= threshold if threshold else tensor > 0, tensor, (tensor - threshold) * negative_slope)
    return made if max_value is None else e.minimum(made, max_value)


@register
def leaky_relu(x: Any, negative_slope: float = 0.01) -> Tensor:
    """x above 0, negative_slope * x below: units with negative input keep learning.

    Args:
        x: real floats.
        negative_slope: slope below 0; 0.01 as in the first publication (Keras' function has 0.2, its layer
            0.3).

    Source: Maas, Hannun and Ng, "Rectifier nonlinearities improve neural network acoustic models", 2013.
    """
    tensor = _floats("leaky_relu", x)
    return where(tensor > 0, tensor, tensor * negative_slope)


@register
def relu6(x: Any) -> Tensor:
    """min(max(x, 0), 6).

    Args:
        x: real floats.
    """
    return e.minimum(e.relu(_floats("relu6", x)), 6.0)


def _negative(x: Tensor) -> Tensor:
    """x below 0, else 0: keeps exponentials of large numbers out of the branch that is not taken."""
    return where(x > 0, 0.0, x)


@register
def elu(x: Any, alpha: float = 1.0) -> Tensor:
    """x above 0, alpha (e^x - 1) below.

    Args:
        x: real floats.
        alpha: how far it goes below 0.

    Source: Clevert, Unterthiner and Hochreiter, "Fast and accurate deep network learning by exponential
        linear units", 2016.
    """
    tensor = _floats("elu", x)
    return where(tensor > 0, tensor, e.expm1(_negative(tensor)) * alpha)


@register
def celu(x: Any, alpha: float = 1.0) -> Tensor:
    """x above 0, alpha (e^(x / alpha) - 1) below: smooth at 0 for every alpha.

    Args:
        x: real floats.
        alpha: how far it goes below 0.

    Source: Barron, "Continuously differentiable exponential linear units", 2017.
    """
    tensor = _floats("celu", x)
    return where(tensor > 0, tensor, e.expm1(_negative(tensor) * (1 / alpha)) * alpha)


_SELU_SCALE, _SELU_ALPHA = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717


@register
def selu(x: Any) -> Tensor:
    """1.0507 x above 0, 1.0507 * 1.6733 (e^x - 1) below: keeps mean 0 and variance 1 from layer to layer.

    Args:
        x: real floats.

    Source: Klambauer, Unterthiner, Mayr and Hochreiter, "Self-normalizing neural networks", 2017.
    """
    return elu(_floats("selu", x), _SELU_ALPHA) * _SELU_SCALE


@register
def gelu(x: Any, approximate: bool = False) -> Tensor:
    """x times the normal distribution function of x.

    Args:
        x: real floats.
        approximate: use the tanh form.

    Source: Hendrycks and Gimpel, "Gaussian error linear units", 2016.
    """
    return neural.gelu(_floats("gelu", x), approximate=approximate)


@register(aliases=("swish",))
def silu(x: Any) -> Tensor:
    """x sigmoid(x), also called swish; its derivative is y + sigmoid(x) (1 - y).

    Args:
        x: real floats.

    Source: Ramachandran, Zoph and Le, "Searching for activation functions", 2017.
    """
    return neural.silu(_floats("silu", x))


@register
def mish(x: Any) -> Tensor:
    """x tanh(softplus(x)).

    Args:
        x: real floats.

    Source: Misra, "Mish: a self regularized non-monotonic activation function", 2019.
    """
    tensor = _floats("mish", x)
    return tensor * e.tanh(e.softplus(tensor))


@register
def sigmoid(x: Any) -> Tensor:
    """1 / (1 + e^-x).

    Args:
        x: real floats.
    """
    return e.sigmoid(_floats("sigmoid", x))


@register(aliases=("logsigmoid",))
def log_sigmoid(x: Any) -> Tensor:
    """log(sigmoid(x)), exact where the sigmoid is tiny.

    Args:
        x: real floats.
    """
    return -e.softplus(-_floats("log_sigmoid", x))


@register
def tanh(x: Any) -> Tensor:
    """Hyperbolic tangent.

    Args:
        x: real floats.
    """
    return e.tanh(_floats("tanh", x))


@register
def softplus(x: Any) -> Tensor:
    """log(1 + e^x), a smooth relu.

    Args:
        x: real floats.
    """
    return e.softplus(_floats("softplus", x))


@register
def softsign(x: Any) -> Tensor:
    """x / (1 + |x|).

    Args:
        x: real floats.
    """
    tensor = _floats("softsign", x)
    return tensor / (1.0 + e.abs(tensor))


@register(aliases=("exp",))
def exponential(x: Any) -> Tensor:
    """e^x.

    Args:
        x: real floats.
    """
    return e.exp(_floats("exponential", x))


@register
def hard_sigmoid(x: Any) -> Tensor:
    """relu6(x + 3) / 6: the sigmoid in three straight pieces.

    Args:
        x: real floats.
    """
    return relu6(_floats("hard_sigmoid", x) + 3.0) * (1 / 6)


@register(aliases=("hard_swish",))
def hard_silu(x: Any) -> Tensor:
    """x hard_sigmoid(x).

    Args:
        x: real floats.

    Source: Howard et al., "Searching for MobileNetV3", 2019.
    """
    tensor = _floats("hard_silu", x)
    return tensor * hard_sigmoid(tensor)


@register
def hard_tanh(x: Any) -> Tensor:
    """x moved into [-1, 1].

    Args:
        x: real floats.
    """
    return e.clip(_floats("hard_tanh", x), -1.0, 1.0)


@register
def hard_shrink(x: Any, threshold: float = 0.5) -> Tensor:
    """x where |x| > threshold, else 0.

    Args:
        x: real floats.
        threshold: half the width of the flat part.
    """
    tensor = _floats("hard_shrink", x)
    return where(e.abs(tensor) > threshold, tensor, 0.0)


@register
def soft_shrink(x: Any, threshold: float = 0.5) -> Tensor:
    """x moved towards 0 by the threshold, 0 where |x| is smaller.

    Args:
        x: real floats.
        threshold: half the width of the flat part.
    """
    tensor = _floats("soft_shrink", x)
    return where(tensor > threshold, tensor - threshold, where(tensor < -threshold, tensor + threshold, 0.0))


@register
def tanh_shrink(x: Any) -> Tensor:
    """x - tanh(x).

    Args:
        x: real floats.
    """
    tensor = _floats("tanh_shrink", x)
    return tensor - e.tanh(tensor)


@register
def threshold(x: Any, threshold: float = 0.0, default_value: float = 0.0) -> Tensor:
    """x above the threshold, else a fixed value.

    Args:
        x: real floats.
        threshold: where it begins.
        default_value: what stands below.
    """
    tensor = _floats("threshold", x)
    return where(tensor > threshold, tensor, float(default_value))


@register
def squareplus(x: Any, b: float = 4.0) -> Tensor:
    """(x + sqrt(x^2 + b)) / 2, a smooth relu without exponentials.

    Args:
        x: real floats.
        b: how round the corner is.

    Source: Barron, "Squareplus: a softplus-like algebraic rectifier", 2021.
    """
    tensor = _floats("squareplus", x)
    return (tensor + e.sqrt(e.square(tensor) + b)) * 0.5


@register
def sparse_plus(x: Any) -> Tensor:
    """0 up to -1, (x + 1)^2 / 4 up to 1, then x: a softplus that reaches 0.

    Args:
        x: real floats.
    """
    tensor = _floats("sparse_plus", x)
    return where(tensor <= -1.0, 0.0, where(tensor < 1.0, e.square(tensor + 1.0) * 0.25, tensor))


@register
def sparse_sigmoid(x: Any) -> Tensor:
    """(x + 1) / 2 between -1 and 1, 0 below and 1 above: the derivative of sparse_plus.

    Args:
        x: real floats.
    """
    return e.clip((_floats("sparse_sigmoid", x) + 1.0) * 0.5, 0.0, 1.0)


@register
def glu(x: Any, axis: int = -1) -> Tensor:
    """The first half of an axis times the sigmoid of the second half.

    Args:
        x: real floats; the axis has an even length.
        axis: the axis.

    Source: Dauphin, Fan, Auli and Grangier, "Language modeling with gated convolutional networks", 2017.
    """
    tensor = _floats("glu", x)
    place = one_axis("glu", axis, tensor.ndim)
    if tensor.shape[place] % 2:
        raise ShapeError(f"glu halves axis {axis}, whose length is odd in the shape {tensor.shape}", site=here())
    value, gate = split(tensor, 2, axis=place)
    return value * e.sigmoid(gate)


def _rows(name: str, x: Any) -> Tensor:
    tensor = _floats(name, x)
    if not tensor.ndim:
        raise ShapeError(f"{name} works along an axis, but the input has the shape ()", site=here())
    return tensor


@register
def softmax(x: Any, axis: int = -1) -> Tensor:
    """e^x / sum(e^x): numbers between 0 and 1 that add up to 1, for the output of a classifier.

    Args:
        x: real floats.
        axis: along which they add up to 1.
    """
    return neural.softmax(_rows("softmax", x), axis=axis)


@register
def log_softmax(x: Any, axis: int = -1) -> Tensor:
    """log(softmax(x)), exact where the share is tiny.

    Args:
        x: real floats.
        axis: along which the shares add up to 1.
    """
    return neural.log_softmax(_rows("log_softmax", x), axis=axis)


@register
def sparsemax(x: Any, axis: int = -1) -> Tensor:
    """The nearest point whose numbers are not negative and add up to 1: a softmax with exact zeros.

    Args:
        x: real floats.
        axis: along which they add up to 1.

    Source: Martins and Astudillo, "From softmax to sparsemax", 2016.
    """
    tensor = _rows("sparsemax", x)
    place = one_axis("sparsemax", axis, tensor.ndim)
    n = tensor.shape[place]
    shape = tuple(n if i == place else 1 for i in range(tensor.ndim))
    fixed = e.stop_gradient(tensor)
    falling = of_node(OPS["sort"](fixed.node, axis=place, descending=True))
    rank = reshape(arange(1, n + 1, dtype=tensor.dtype), shape)
    kept = sum(
        (falling * rank + 1.0 > cumulative_sum(falling, axis=place)).astype(tensor.dtype),
        axis=place,
        keepdims=True,
    )
    # the kept ones are the `kept` largest; the mean excess over 1 of these is taken from all
    last = sum(where(rank == kept, falling, 0.0), axis=place, keepdims=True)
    support = fixed >= last
    excess = (sum(where(support, tensor, 0.0), axis=place, keepdims=True) - 1.0) / sum(
        support.astype(tensor.dtype), axis=place, keepdims=True
    )
    return where(support, tensor - excess, 0.0)


@register
class Bound(Record):
    """An activation with options, made by `get(name, option=...)`.

    Args:
        activation: its name.
        options: dict of its arguments.
    """

    kind: ClassVar[str] = "activations"
    activation: str
    options: Any

    def __post_init__(self) -> None:
        given = self.options.items() if isinstance(self.options, dict) else [tuple(pair) for pair in self.options]
        self._set(options=tuple(sorted(given)))

    def __call__(self, x: Any) -> Tensor:
        return find("functions", self.activation)(x, **dict(self.options))  # type: ignore[no-any-return]


Activation = str | Bound | Callable[[Any], Tensor]


def get(given: Any, where: str = "activation", **options: Any) -> Callable[[Any], Tensor]:
    """The function for a name; with options, the function with those options set.

    Args:
        given: a name, a function of a Tensor, or None for none.
        where: the argument, for messages.
        options: arguments of the activation.

    Raises:
        UnknownNameError: no activation has this name; the nearest names are in the message.

    Example:
        >>> import saltus as sl
        >>> from saltus.nn import activations
        >>> activations.get("step", backward="sigmoid")(sl.asarray([-1.0, 2.0]))
        Tensor([0., 1.], shape=(2,), dtype=float32)
    """
    kept = canonical(given, where)
    if options:
        if not isinstance(kept, str):
            raise ArgumentError(f"{where}: options need the name of an activation, got {given!r}")
        return _check_options(Bound(kept, options), where)
    return linear if kept is None else find("functions", kept) if isinstance(kept, str) else kept  # type: ignore[no-any-return]


def canonical(given: Any, where: str = "activation") -> Activation | None:
    """The one form in which a layer keeps its activation: None, a name, a Bound, or a function that has no
    name here.
    """
    if given is None or isinstance(given, Bound):
        return given
    if isinstance(given, str):
        found = _find(given, where)
        return None if found is linear else found.__name__
    if isinstance(given, partial) and not given.args and _name_of(given.func):
        return _check_options(Bound(_name_of(given.func), dict(given.keywords)), where)
    if not callable(given) or isinstance(given, (type, Record)):
        raise ArgumentError(f"{where} must be a name or a function of a Tensor, got {given!r}", fix='e.g. "relu"')
    if given is linear:
        return None
    return _name_of(given) or given


def _find(name: str, where: str) -> Any:
    """The function of a name."""
    try:
        return find("functions", name)
    except UnknownNameError as error:
        raise UnknownNameError(f"{where}: unknown activation {name!r}", fix=error.fix) from None


def _name_of(function: Any) -> str:
    """The name under which a function is registered, or ""."""
    name = getattr(function, "__name__", "")
    return name if known(function) else ""


def _check_options(made: Bound, where: str) -> Bound:
    """Refuse options that the activation does not have, before any data comes."""
    options = list(inspect.signature(find("functions", made.activation)).parameters)[1:]
    if unknown := [k for k, _ in made.options if k not in options]:
        raise ArgumentError(
            f"{where}: {made.activation} has no option {unknown[0]!r}",
            fix=f"it has: {', '.join(options) or 'none'}",
        )
    return made
