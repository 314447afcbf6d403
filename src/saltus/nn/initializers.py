"""First values of parameters: pure functions of a key, a shape and a type. In: config. Used by every layer
through its scope.

Without random, unequal first values all units of a layer would stay equal: they get the same gradient. How
large the values may be follows from the number of inputs (fan in) and outputs (fan out) of a unit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from saltus.base import dtypes as dt
from saltus.base.errors import ArgumentError, ShapeError, unknown_name
from saltus.ir.node import parts
from saltus.ir.spec import OPS
from saltus.nn.checks import number, one_of
from saltus.nn.config import Record, lookup, register
from saltus.tensor import creation, random
from saltus.tensor.manipulation import matrix_transpose, reshape
from saltus.tensor.operands import as_tensor
from saltus.tensor.tensor import Tensor, of_node

Shape = tuple[int, ...]

# Axes of a kernel by its rank: (fan in, fan out). From rank 3 on, all axes but the last two are a window that every unit sees through.
FANS: dict[int, Callable[[Shape], tuple[float, float]]] = {
    0: lambda s: (1, 1),
    1: lambda s: (s[0], s[0]),
    2: lambda s: (s[0], s[1]),
}


def fans(shape: Sequence[int]) -> tuple[float, float]:
    """Number of inputs and outputs of a unit, for a kernel of this shape.

    Args:
        shape: (inputs, outputs), or (*window, inputs, outputs).

    Example:
        >>> from saltus.nn import initializers
        >>> initializers.fans((3, 3, 16, 32))
        (144, 288)
    """
    shape = tuple(shape)
    if len(shape) in FANS:
        return FANS[len(shape)](shape)
    window = math.prod(shape[:-2])
    return window * shape[-2], window * shape[-1]


_GAINS: dict[str, float] = {
    "linear": 1.0, "sigmoid": 1.0, "softmax": 1.0, "tanh": 5 / 3, "relu": math.sqrt(2), "selu": 0.75,
}  # fmt: skip


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """By how much the spread of weights should grow to make up for what an activation takes away.

    Args:
        nonlinearity: linear, sigmoid, softmax, tanh, relu, leaky_relu or selu.
        param: the slope of leaky_relu, 0.01 when None.

    Raises:
        UnknownNameError: another name.

    Example:
        >>> from saltus.nn import initializers
        >>> initializers.calculate_gain("tanh")
        1.6666666666666667
    """
    if nonlinearity == "leaky_relu":
        return math.sqrt(2 / (1 + (0.01 if param is None else param) ** 2))
    if nonlinearity not in _GAINS:
        raise unknown_name("activation for a gain", nonlinearity, [*_GAINS, "leaky_relu"])
    return _GAINS[nonlinearity]


class Initializer(Record):
    """Base of all initializers; derive from it and put @nn.register above."""

    kind: ClassVar[str] = "initializers"

    def __call__(self, key: Any, shape: Shape, dtype: Any = "float32") -> Tensor:
        """The first values.

        Args:
            key: a random key.
            shape: lengths.
            dtype: a floating type.
        """
        raise ArgumentError(f"{type(self).__name__} has no __call__(self, key, shape, dtype)")


def _stream(key: Any, seed: int | None) -> Any:
    return key if seed is None else random.key(seed)


@register
class Zeros(Initializer):
    """All 0: for biases. A kernel of zeros cannot learn, since all its units stay equal.

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> nn.initializers.Zeros()(sl.random.key(0), (2,)).tolist()
        [0.0, 0.0]
    """

    def __call__(self, key: Any, shape: Shape, dtype: Any = "float32") -> Tensor:
        return creation.zeros(shape, dtype=dtype)


@register
class Ones(Initializer):
    """All 1.

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> nn.initializers.Ones()(sl.random.key(0), (2,)).tolist()
        [1.0, 1.0]
    """

    def __call__(self, key: Any, shape: Shape, dtype: Any = "float32") -> Tensor:
        return creation.ones(shape, dtype=dtype)


@register
class Constant(Initializer):
    """One number, or an array of exactly the parameter's shape.

    Args:
        value: a number, or nested lists or an array of numbers.

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> nn.initializers.Constant(0.5)(sl.random.key(0), (2,)).tolist()
        [0.5, 0.5]
    """

    value: Any = 0.0

    def __post_init__(self) -> None:
        if not isinstance(self.value, (int, float)):
            self._set(value=_tuples(as_tensor(self.value).tolist()))

    def __call__(self, key: Any, shape: Shape, dtype: Any = "float32") -> Tensor:
        if isinstance(self.value, (int, float)):
            return creation.full(shape, self.value, dtype=dtype)
        made = as_tensor(self.value).astype(dtype)
        if made.shape != tuple(shape):
            raise ShapeError(f"Constant: the values have the shape {made.shape}, the parameter {tuple(shape)}")
        return made


def _tuples(value: Any) -> Any:
    return tuple(_tuples(v) for v in value) if isinstance(value, list) else value


@register(aliases=("normal",))
class RandomNormal(Initializer):
    """Normally distributed.

    Args:
        mean, stddev: centre and standard deviation.
        seed: a fixed stream instead of the place's own.

    Example:
        >>> from saltus import nn
        >>> nn.Dense(8, kernel_initializer="normal").kernel_initializer
        RandomNormal()
    """

    mean: float = 0.0
    stddev: float = 0.05
    seed: int | None = None

    def __call__(self, key: Any, shape: Shape, dtype: Any = "float32") -> Tensor:
        return random.normal(_stream(key, self.seed), shape, mean=self.mean, std=self.stddev, dtype=dtype)


@register(aliases=("uniform",))
class RandomUniform(Initializer):
    """Spread evenly.

    Args:
        minval, maxval: ends.
        seed: a fixed stream instead of the place's own.

    Example:
        >>> from saltus import nn
        >>> nn.Dense(8, kernel_initializer="uniform").kernel_initializer
        RandomUniform()
    """

    minval: float = -0.05
    maxval: float = 0.05
    seed: int | None = None

    def __call__(self, key: Any, shape: Shape, dtype: Any = "float32") -> Tensor:
        return random.uniform(_stream(key, self.seed), shape, low=self.minval, high=self.maxval, dtype=dtype)


@register(aliases=("trunc_normal",))
class TruncatedNormal(Initializer):
    """Normally distributed, without what lies further than two standard deviations out.

    Args:
        mean, stddev: centre and standard deviation before cutting.
        seed: a fixed stream instead of the place's own.

    Example:
        >>> from saltus import nn
        >>> nn.Dense(8, kernel_initializer="truncated_normal").kernel_initializer
        TruncatedNormal()
    """

    mean: float = 0.0
    stddev: float = 0.05
    seed: int | None = None

    def __call__(self, key: Any, shape: Shape, dtype: Any = "float32") -> Tensor:
        return random.truncated_normal(_stream(key, self.seed), shape, mean=self.mean, std=self.stddev, dtype=dtype)


_CUT = 0.87962566103423978  # standard deviation of a standard normal number that is kept within 2


def scaled(key: Any, shape: Shape, dtype: Any, scale: float, mode: str, distribution: str) -> Tensor:
    """Random values with variance scale / fan."""
    into, out = fans(shape)
    fan = {"fan_in": into, "fan_out": out, "fan_avg": (into + out) / 2}[mode]
    variance = scale / max(1.0, fan)
    if distribution == "uniform":
        limit = math.sqrt(3 * variance)
        return random.uniform(key, shape, low=-limit, high=limit, dtype=dtype)
    if distribution == "truncated_normal":
        return random.truncated_normal(key, shape, std=math.sqrt(variance) / _CUT, dtype=dtype)
    return random.normal(key, shape, std=math.sqrt(variance), dtype=dtype)


@register
class VarianceScaling(Initializer):
    """Random with variance scale / fan, so that signals keep their size from layer to layer.

    Args:
        scale: factor of the variance.
        mode: "fan_in", "fan_out" or "fan_avg".
        distribution: "truncated_normal" (also "normal"), "untruncated_normal" or "uniform".
        seed: a fixed stream instead of the place's own.

    Source: He, Zhang, Ren and Sun, "Delving deep into rectifiers", 2015.

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> made = nn.initializers.VarianceScaling(2.0, "fan_in", "uniform")(sl.random.key(0), (600, 2))
        >>> bool(sl.max(abs(made)) <= 0.1)
        True
    """

    scale: float = 1.0
    mode: str = "fan_in"
    distribution: str = "truncated_normal"
    seed: int | None = None

    def __post_init__(self) -> None:
        number(self, "scale", self.scale, low=0, open_low=True)
        one_of(self, "mode", self.mode, ("fan_in", "fan_out", "fan_avg"))
        if self.distribution == "normal":
            self._set(distribution="truncated_normal")
        one_of(self, "distribution", self.distribution, ("truncated_normal", "untruncated_normal", "uniform"))

    def __call__(self, key: Any, shape: Shape, dtype: Any = "float32") -> Tensor:
        return scaled(_stream(key, self.seed), shape, dtype, self.scale, self.mode, self.distribution)


class _Scaled(Initializer):
    """A named case of VarianceScaling."""

    rule: ClassVar[tuple[float, str, str]]

    def __call__(self, key: Any, shape: Shape, dtype: Any = "float32") -> Tensor:
        return scaled(_stream(key, self.seed), shape, dtype, *self.rule)  # type: ignore[attr-defined]


@register(aliases=("xavier_uniform",))
class GlorotUniform(_Scaled):
    """Even within +-sqrt(6 / (fan in + fan out)): for tanh, sigmoid, softmax and linear layers (Glorot and
    Bengio 2010).

    Example:
        >>> from saltus import nn
        >>> nn.Dense(8, kernel_initializer="xavier_uniform").kernel_initializer
        GlorotUniform()
    """

    rule: ClassVar = (1.0, "fan_avg", "uniform")
    seed: int | None = None


@register(aliases=("xavier_normal",))
class GlorotNormal(_Scaled):
    """Normal with variance 2 / (fan in + fan out), cut at two deviations (Glorot and Bengio 2010).

    Example:
        >>> from saltus import nn
        >>> nn.Dense(8, kernel_initializer="xavier_normal").kernel_initializer
        GlorotNormal()
    """

    rule: ClassVar = (1.0, "fan_avg", "truncated_normal")
    seed: int | None = None


@register(aliases=("kaiming_uniform",))
class HeUniform(_Scaled):
    """Even within +-sqrt(6 / fan in): for relu and its kin (He, Zhang, Ren and Sun 2015).

    Example:
        >>> from saltus import nn
        >>> nn.Dense(8, kernel_initializer="kaiming_uniform").kernel_initializer
        HeUniform()
    """

    rule: ClassVar = (2.0, "fan_in", "uniform")
    seed: int | None = None


@register(aliases=("kaiming_normal",))
class HeNormal(_Scaled):
    """Normal with variance 2 / fan in, cut at two deviations: for relu and its kin (He, Zhang, Ren and Sun
    2015).

    Example:
        >>> from saltus import nn
        >>> nn.Dense(8, kernel_initializer="he_normal").kernel_initializer
        HeNormal()
    """

    rule: ClassVar = (2.0, "fan_in", "truncated_normal")
    seed: int | None = None


@register
class LecunUniform(_Scaled):
    """Even within +-sqrt(3 / fan in) (LeCun, Bottou, Orr and Müller 1998).

    Example:
        >>> from saltus import nn
        >>> nn.Dense(8, kernel_initializer="lecun_uniform").kernel_initializer
        LecunUniform()
    """

    rule: ClassVar = (1.0, "fan_in", "uniform")
    seed: int | None = None


@register
class LecunNormal(_Scaled):
    """Normal with variance 1 / fan in, cut at two deviations: for selu (Klambauer et al. 2017).

    Example:
        >>> from saltus import nn
        >>> nn.Dense(8, kernel_initializer="lecun_normal").kernel_initializer
        LecunNormal()
    """

    rule: ClassVar = (1.0, "fan_in", "truncated_normal")
    seed: int | None = None


@register
class Orthogonal(Initializer):
    """A matrix whose rows or columns are orthonormal, times a gain; of more axes, all but the last are one.

    Args:
        gain: factor.
        seed: a fixed stream instead of the place's own.

    Source: Saxe, McClelland and Ganguli, "Exact solutions to the nonlinear dynamics of learning in deep
        linear neural networks", 2014.

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> q = nn.initializers.Orthogonal()(sl.random.key(0), (3, 2))
        >>> sl.round(abs(q.mT @ q)).tolist()
        [[1.0, 0.0], [0.0, 1.0]]
    """

    gain: float = 1.0
    seed: int | None = None

    def __call__(self, key: Any, shape: Shape, dtype: Any = "float32") -> Tensor:
        shape = tuple(shape)
        if len(shape) < 2:
            raise ShapeError(
                f"Orthogonal needs at least two axes, got the shape {shape}",
                fix="use another initializer for vectors",
            )
        rows, columns = math.prod(shape[:-1]), shape[-1]
        work = "float64" if dt.as_dtype(dtype) is dt.float64 else "float32"
        drawn = random.normal(_stream(key, self.seed), (max(rows, columns), min(rows, columns)), dtype=work)
        q, r = (of_node(n) for n in parts(OPS["qr"](drawn.node, mode="reduced")))
        # the signs of R's diagonal make the factorisation unique, and q evenly distributed
        signs = ((r * creation.eye(min(rows, columns), dtype=work)).sum(axis=0) >= 0).astype(work) * 2.0 - 1.0
        made = q * signs
        made = matrix_transpose(made) if rows < columns else made
        return (reshape(made, shape) * self.gain).astype(dtype)


@register(aliases=("eye",))
class Identity(Initializer):
    """The identity matrix, times a gain; further rows or columns are 0.

    Args:
        gain: factor.

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> nn.initializers.Identity()(sl.random.key(0), (2, 2)).tolist()
        [[1.0, 0.0], [0.0, 1.0]]
    """

    gain: float = 1.0

    def __call__(self, key: Any, shape: Shape, dtype: Any = "float32") -> Tensor:
        if len(shape) != 2:
            raise ShapeError(f"Identity makes matrices, got the shape {tuple(shape)}")
        return creation.eye(shape[0], shape[1], dtype=dtype) * self.gain


# What "auto" takes, by the activation that follows; all others get glorot_uniform.
CHOICES = {
    "he_normal": ("relu", "leaky_relu", "relu6", "elu", "celu", "gelu", "silu", "mish", "softplus", "squareplus", "hard_silu", "threshold",
                  "sparse_plus"),
    "lecun_normal": ("selu",),
}  # fmt: skip


@register
class Auto(Initializer):
    """he_normal before relu and its kin, lecun_normal before selu, glorot_uniform before everything else.

    Args:
        activation: name of the activation that follows; None lets the network find it.

    Example:
        >>> from saltus import nn
        >>> nn.initializers.Auto().chosen("relu")
        HeNormal()
    """

    activation: str | None = None

    def chosen(self, activation: str | None) -> Initializer:
        """The initializer for an activation."""
        word = self.activation or activation
        name = next((n for n, words in CHOICES.items() if word in words), "glorot_uniform")
        return get(name)

    def __call__(self, key: Any, shape: Shape, dtype: Any = "float32") -> Tensor:
        return self.chosen(None)(key, shape, dtype)


def get(given: Any, where: str = "initializer") -> Any:
    """The initializer for a name, a class, a stored form or an object; functions (key, shape, dtype) ->
    Tensor pass.

    Raises:
        UnknownNameError: no initializer has this name; the nearest names are in the message.

    Example:
        >>> from saltus.nn import initializers
        >>> initializers.get("xavier_uniform")
        GlorotUniform()
    """
    if callable(given) and not isinstance(given, (type, Record)):
        return given
    return lookup("initializers", Initializer, given, where)


__all__ = [
    "Auto", "Constant", "GlorotNormal", "GlorotUniform", "HeNormal", "HeUniform", "Identity", "Initializer", "LecunNormal", "LecunUniform",
    "Ones", "Orthogonal", "RandomNormal", "RandomUniform", "TruncatedNormal", "VarianceScaling", "Zeros", "calculate_gain", "fans", "get",
]  # fmt: skip
