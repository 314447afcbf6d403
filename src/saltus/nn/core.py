"""The plain layers: dense, activation, change of shape, functions as layers. In: module. Out: layers for
containers.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import KW_ONLY
from typing import Any, ClassVar

from saltus.base.errors import ArgumentError, ShapeError
from saltus.nn import activations, constraints, initializers, regularizers
from saltus.nn.activations.functions import Bound, canonical
from saltus.nn.checks import whole
from saltus.nn.config import register
from saltus.nn.layer import Layer
from saltus.nn.regularizers import Regularizer
from saltus.nn.scope import Scope
from saltus.tensor.manipulation import broadcast_to, permute_dims, reshape
from saltus.tensor.operands import as_tensor
from saltus.tensor.products import matmul
from saltus.tensor.tensor import Tensor
from saltus.tensor.tracing import here


def activation_name(given: Any) -> str | None:
    """The name of an activation as a layer keeps it."""
    return given.activation if isinstance(given, Bound) else given if isinstance(given, str) else None


def penalise(scope: Scope, regularizer: Regularizer | None, output: Tensor) -> None:
    """Add the penalty of a layer's output, per sample, so that it does not grow with the batch."""
    if regularizer is not None:
        scope.add_loss(regularizer(output) * (1 / max(1, output.shape[0])))


@register(aliases=("linear",))
class Dense(Layer):
    """activation(x @ kernel + bias): every output depends on every input.

    Args:
        units: width of the output.
        activation: a name, a function of a Tensor, or None.
        use_bias: whether a bias is added.
        kernel_initializer, bias_initializer: first values; "auto" chooses by the activation.
        kernel_regularizer, bias_regularizer, activity_regularizer: penalties on kernel, bias and output.
        kernel_constraint, bias_constraint: bounds after each update.

    Returns:
        `call` takes (N, ..., inputs) and returns (N, ..., units). The kernel has the shape (inputs, units).

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> params, state = nn.init(nn.Dense(2, activation="relu"), nn.Spec((1, 3)), key=sl.random.key(0))
        >>> nn.apply(nn.Dense(2, activation="relu"), params, state, sl.ones((4, 3))).output.shape
        (4, 2)
    """

    keeps_steps: ClassVar = True
    units: int
    activation: Any = None
    _: KW_ONLY
    use_bias: bool = True
    kernel_initializer: Any = "glorot_uniform"
    bias_initializer: Any = "zeros"
    kernel_regularizer: Any = None
    bias_regularizer: Any = None
    activity_regularizer: Any = None
    kernel_constraint: Any = None
    bias_constraint: Any = None

    def __post_init__(self) -> None:
        self._set(
            units=whole(self, "units", self.units),
            activation=canonical(self.activation, "Dense: activation"),
        )
        settle(self, "kernel_initializer", "bias_initializer", "kernel_regularizer", "bias_regularizer", "activity_regularizer",
               "kernel_constraint", "bias_constraint")  # fmt: skip

    @property
    def following(self) -> str | None:
        return activation_name(self.activation)

    def call(self, scope: Scope, x: Any) -> Tensor:
        x = scope.cast(x)
        if x.ndim < 2:
            raise ShapeError(
                f"the input must have the shape (N, ..., inputs), got {x.shape}",
                site=here(),
                fix="give rows: x[:, None] or x[None, :]",
            )
        kernel = scope.param(
            "kernel",
            (x.shape[-1], self.units),
            self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        rows = x if x.ndim == 2 else reshape(x, (math.prod(x.shape[:-1]), x.shape[-1]))
        made = matmul(rows, kernel)
        if self.use_bias:
            made = made + scope.param(
                "bias",
                (self.units,),
                self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )
        made = made if x.ndim == 2 else reshape(made, (*x.shape[:-1], self.units))
        made = activations.get(self.activation)(made)
        penalise(scope, self.activity_regularizer, made)
        return made


_GETTERS: dict[str, Callable[..., Any]] = {
    "initializer": initializers.get, "regularizer": regularizers.get, "constraint": constraints.get,
}  # fmt: skip


def settle(layer: Layer, *names: str) -> None:
    """Turn names of initializers, regularizers and constraints into records, so that a misspelt one is
    refused where it is written.
    """
    for name in names:
        get = _GETTERS[name.rpartition("_")[2]]
        layer._set(**{name: get(getattr(layer, name), f"{type(layer).__name__}: {name}")})


class Activating(Layer):
    """Base of layers that are an activation."""

    keeps_steps: ClassVar = True


@register
class Activation(Activating):
    """An activation as a layer of its own.

    Args:
        activation: a name, a function of a Tensor, or `activations.get(name, option=...)`.

    Example:
        >>> from saltus import nn
        >>> nn.Activation("swish")
        Activation('silu')
    """

    activation: Any
    _: KW_ONLY
    activity_regularizer: Any = None

    def __post_init__(self) -> None:
        self._set(activation=canonical(self.activation, "Activation") or "linear")
        settle(self, "activity_regularizer")

    @property
    def following(self) -> str | None:
        return activation_name(self.activation)

    def call(self, scope: Scope, x: Any) -> Tensor:
        made = activations.get(self.activation)(x)
        penalise(scope, self.activity_regularizer, made)
        return made


@register
class Identity(Layer):
    """The input itself.

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> nn.apply(nn.Identity(), {}, {}, sl.asarray([[-1.0, 2.0]])).output.tolist()
        [[-1.0, 2.0]]
    """

    keeps_steps: ClassVar = True
    passes_on: ClassVar = True

    def call(self, scope: Scope, x: Any) -> Any:
        return x


@register
class Flatten(Layer):
    """All axes but the batch become one: (N, a, b, ...) -> (N, a * b * ...).

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> nn.apply(nn.Flatten(), {}, {}, sl.zeros((2, 3, 4))).output.shape
        (2, 12)
    """

    passes_on: ClassVar = True

    def call(self, scope: Scope, x: Any) -> Tensor:
        tensor = as_tensor(x)
        if not tensor.ndim:
            raise ShapeError("the input must have the shape (N, ...), got ()", site=here())
        return reshape(tensor, (tensor.shape[0], math.prod(tensor.shape[1:])))


@register
class Reshape(Layer):
    """The same numbers in another shape; the batch stays.

    Args:
        target_shape: lengths without the batch; one of them may be -1 and is worked out. () makes (N,) of
            (N, 1).

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> nn.apply(nn.Reshape((2, -1)), {}, {}, sl.zeros((5, 6))).output.shape
        (5, 2, 3)
    """

    passes_on: ClassVar = True

    target_shape: Any

    def __post_init__(self) -> None:
        shape = (self.target_shape,) if isinstance(self.target_shape, int) else tuple(self.target_shape)
        if not all(isinstance(n, int) for n in shape) or any(n < -1 for n in shape) or shape.count(-1) > 1:
            raise ArgumentError(f"Reshape: target_shape must hold lengths, at most one of them -1, got {self.target_shape!r}")
        self._set(target_shape=shape)

    def call(self, scope: Scope, x: Any) -> Tensor:
        tensor = as_tensor(x)
        have = math.prod(tensor.shape[1:])
        known = math.prod(n for n in self.target_shape if n != -1)
        if (have % known if known else have) if -1 in self.target_shape else have != known:
            raise ShapeError(
                f"a sample of shape {tensor.shape[1:]} has {have} numbers, which do not fill {self.target_shape}",
                site=here(),
            )
        lengths = tuple(have // known if n == -1 and known else max(n, 0) for n in self.target_shape)
        return reshape(tensor, (tensor.shape[0], *lengths))


@register
class Permute(Layer):
    """Axes in another order; the batch stays first.

    Args:
        dims: the order, counted from 1 without the batch: (2, 1) exchanges two axes.

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> nn.apply(nn.Permute((2, 1)), {}, {}, sl.zeros((2, 3, 4))).output.shape
        (2, 4, 3)
    """

    dims: Any

    def __post_init__(self) -> None:
        self._set(dims=tuple(self.dims))
        if sorted(self.dims) != list(range(1, len(self.dims) + 1)):
            raise ArgumentError(f"Permute: dims must be an order of 1 .. n, got {self.dims}", fix="e.g. (2, 1)")

    def call(self, scope: Scope, x: Any) -> Tensor:
        tensor = as_tensor(x)
        if tensor.ndim != len(self.dims) + 1:
            raise ShapeError(
                f"the input has {tensor.ndim - 1} axes besides the batch, dims name {len(self.dims)}",
                site=here(),
            )
        return permute_dims(tensor, (0, *self.dims))


@register
class RepeatVector(Layer):
    """Each row n times: (N, features) -> (N, n, features).

    Args:
        n: how often.

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> nn.apply(nn.RepeatVector(3), {}, {}, sl.zeros((2, 4))).output.shape
        (2, 3, 4)
    """

    n: int

    def __post_init__(self) -> None:
        self._set(n=whole(self, "n", self.n))

    def call(self, scope: Scope, x: Any) -> Tensor:
        tensor = as_tensor(x)
        if tensor.ndim != 2:
            raise ShapeError(f"the input must have the shape (N, features), got {tensor.shape}", site=here())
        return broadcast_to(tensor[:, None, :], (tensor.shape[0], self.n, tensor.shape[1]))


@register
class Rescaling(Layer):
    """x * scale + offset, in floats: whole numbers (pictures) are converted.

    Args:
        scale, offset: numbers, or tuples of one number a feature.

    Example:
        >>> from saltus import nn
        >>> pixels = nn.Rescaling(1 / 127.5, offset=-1)
    """

    keeps_steps: ClassVar = True
    scale: Any
    offset: Any = 0.0

    def __post_init__(self) -> None:
        for name in ("scale", "offset"):
            value = getattr(self, name)
            if not isinstance(value, (int, float)):
                value = as_tensor(value).tolist()
                self._set(**{name: tuple(value) if isinstance(value, list) else value})

    def call(self, scope: Scope, x: Any) -> Tensor:
        return scope.cast(x) * _constant(scope, self.scale) + _constant(scope, self.offset)


def _constant(scope: Scope, value: Any) -> Any:
    return value if isinstance(value, (int, float)) else scope.cast(as_tensor(value))


@register
class Lambda(Layer):
    """A function of Tensors as a layer; it has no parameters.

    Args:
        function: takes the inputs and returns a Tensor, a tuple or a dict of Tensors. To be stored, it must
            be registered: @nn.register.

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> squares = nn.Lambda(lambda x: sl.concat([x, x * x], axis=-1))
    """

    function: Any

    def __post_init__(self) -> None:
        if isinstance(self.function, str):
            self._set(function=activations.get(self.function, "Lambda"))
        if not callable(self.function):
            raise ArgumentError(f"Lambda takes a function of Tensors, got {self.function!r}")

    def call(self, scope: Scope, *inputs: Any) -> Any:
        return self.function(*inputs)


@register
class ActivityRegularization(Layer):
    """The input itself, with a penalty on its size added to the loss.

    Args:
        l1, l2: factors of sum(|x|) and sum(x^2), for each sample.

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> made = nn.apply(nn.ActivityRegularization(l1=0.5), {}, {}, sl.asarray([[-1.0, 2.0]]))
        >>> float(made.losses[0])
        1.5
    """

    keeps_steps: ClassVar = True
    passes_on: ClassVar = True

    l1: float = 0.0
    l2: float = 0.0

    def call(self, scope: Scope, x: Any) -> Tensor:
        tensor = as_tensor(x)
        penalise(scope, regularizers.L1L2(l1=self.l1, l2=self.l2), tensor)
        return tensor
