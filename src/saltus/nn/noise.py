"""Layers that disturb training on purpose: dropout and noise. In: layer. At prediction each returns its input.

Masks are drawn from a counter-based key, so a mask is a function of (key, layer, call), the same on every engine and for any number of
threads. Whether a program keeps it for the gradient (one bool an element) or draws it again is the engine's choice; it keeps it, since
reading a bool costs less than drawing one.
"""

from __future__ import annotations

import math
from dataclasses import KW_ONLY
from typing import Any, ClassVar

from saltus.base import dtypes as dt
from saltus.base.errors import ArgumentError, ShapeError
from saltus.ir.spec import OPS
from saltus.nn.checks import number, whole
from saltus.nn.config import register
from saltus.nn.layer import Layer
from saltus.nn.scope import Scope
from saltus.tensor import random
from saltus.tensor.creation import asarray
from saltus.tensor.elementwise import where
from saltus.tensor.manipulation import broadcast_to
from saltus.tensor.operands import as_tensor
from saltus.tensor.tensor import Tensor, of_node
from saltus.tensor.tracing import here

_SATURATED = -1.0507009873554805 * 1.6732632423543772  # SELU far below 0


def _key(scope: Scope, seed: int | None) -> Tensor:
    key = scope.key()
    return key if seed is None else random.fold_in(key, seed)


def keep(key: Tensor, shape: tuple[int, ...], rate: float) -> Tensor:
    """True with probability 1 - rate, from 32 random bits an element: those of `random.random_bits(key,
    shape)`.

    The counter of each element is worked out in the shape of the mask itself, so that the mask becomes part
    of the kernel that uses it.
    """
    counter, stride = asarray(0, dtype="uint64"), 1
    for axis in reversed(range(len(shape))):
        counter = counter + of_node(OPS["iota"](shape=shape, axis=axis, dtype=dt.uint64)) * stride
        stride *= shape[axis]
    drawn = of_node(OPS["random_bits"](broadcast_to(key, shape).node, broadcast_to(counter, shape).node, width=32))
    return drawn >= min(round(rate * 2**32), 2**32 - 1)


@register
class Dropout(Layer):
    """Sets a random share of the values to 0 while training, and scales the others up, so that no unit can
    rely on another.

    Args:
        rate: share that is dropped; typically 0.2.
        noise_shape: shape of the mask, 1 or None where it is shared or as long as the input: (None, 1,
            None) drops whole features.
        seed: tells streams apart for the same key.

    Source: Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting", 2014.

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> out = nn.apply(nn.Dropout(0.5), {}, {}, sl.ones((1, 1000)), training=True, key=sl.random.key(0)).output
        >>> sorted(set(out[0].tolist()))
        [0.0, 2.0]
    """

    keeps_steps: ClassVar = True
    passes_on: ClassVar = True
    rate: float = 0.2
    _: KW_ONLY
    noise_shape: Any = None
    seed: int | None = None

    def __post_init__(self) -> None:
        number(self, "rate", self.rate, low=0, high=1, open_high=True)
        if self.noise_shape is not None:
            self._set(noise_shape=tuple(self.noise_shape))
        if self.seed is not None:
            whole(self, "seed", self.seed, low=0)

    def call(self, scope: Scope, x: Any) -> Tensor:
        tensor = as_tensor(x)
        if not scope.training or not self.rate:
            return tensor
        kept = keep(_key(scope, self.seed), self._mask_shape(tensor.shape), self.rate)
        return where(broadcast_to(kept, tensor.shape), tensor * (1 / (1 - self.rate)), 0.0)

    def _mask_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        if self.noise_shape is None:
            return shape
        if len(self.noise_shape) != len(shape) or any(n not in (None, 1, d) for n, d in zip(self.noise_shape, shape, strict=True)):
            raise ArgumentError(
                f"noise_shape {self.noise_shape} does not fit the input's shape {shape}",
                fix="use None or 1 for each axis",
            )
        return tuple(d if n is None else n for n, d in zip(self.noise_shape, shape, strict=True))


@register
class AlphaDropout(Dropout):
    """Dropout for networks of SELU: dropped values get the value SELU saturates at, and all are moved and scaled so that mean and
    variance stay 0 and 1.

    Args:
        rate, noise_shape, seed: as for `Dropout`.

    Source: Klambauer, Unterthiner, Mayr and Hochreiter, "Self-normalizing neural networks", 2017.

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> x = sl.random.normal(sl.random.key(0), (1000, 100))
        >>> out = nn.apply(nn.AlphaDropout(0.3), {}, {}, x, training=True, key=sl.random.key(1)).output
        >>> abs(float(sl.mean(out))) < 0.01, abs(float(sl.std(out)) - 1) < 0.01
        (True, True)
    """

    def call(self, scope: Scope, x: Any) -> Tensor:
        tensor = as_tensor(x)
        if not scope.training or not self.rate:
            return tensor
        kept = broadcast_to(keep(_key(scope, self.seed), self._mask_shape(tensor.shape), self.rate), tensor.shape)
        spread = 1.0 / math.sqrt((1 - self.rate) * (1 + self.rate * _SATURATED**2))
        return where(kept, tensor, _SATURATED) * spread - spread * _SATURATED * self.rate


class _SpatialDropout(Dropout):
    """Dropout of whole channels over `rank` axes."""

    rank: ClassVar[int]

    def _mask_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        if len(shape) != self.rank + 2:
            raise ShapeError(f"the input must have {self.rank + 2} axes (N, ..., channels), got {shape}", site=here())
        return (shape[0], *(1,) * self.rank, shape[-1])


@register
class SpatialDropout1D(_SpatialDropout):
    """Sets whole channels of sequences to 0 while training: neighbouring steps are too alike for single ones to matter.

    Args:
        rate: share of the channels that is dropped.
        seed: tells streams apart for the same key.

    Returns:
        `call` takes (N, steps, channels).

    Source: Tompson et al., "Efficient object localization using convolutional networks", 2015.

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> out = nn.apply(nn.SpatialDropout1D(0.5), {}, {}, sl.ones((2, 3, 4)), training=True, key=sl.random.key(0)).output
        >>> bool((out[:, 0] == out[:, 2]).all())
        True
    """

    rank: ClassVar[int] = 1


@register
class SpatialDropout2D(_SpatialDropout):
    """Sets whole channels of images to 0 while training: neighbouring pixels are too alike for single ones to matter.

    Args:
        rate: share of the channels that is dropped.
        seed: tells streams apart for the same key.

    Returns:
        `call` takes (N, height, width, channels).

    Source: Tompson et al., "Efficient object localization using convolutional networks", 2015.

    Example:
        >>> from saltus import nn
        >>> nn.SpatialDropout2D(0.3)
        SpatialDropout2D(0.3)
    """

    rank: ClassVar[int] = 2


@register
class SpatialDropout3D(_SpatialDropout):
    """Sets whole channels of volumes to 0 while training.

    Args:
        rate: share of the channels that is dropped.
        seed: tells streams apart for the same key.

    Returns:
        `call` takes (N, depth, height, width, channels).

    Source: Tompson et al., "Efficient object localization using convolutional networks", 2015.

    Example:
        >>> from saltus import nn
        >>> nn.SpatialDropout3D(0.3)
        SpatialDropout3D(0.3)
    """

    rank: ClassVar[int] = 3


@register
class GaussianDropout(Layer):
    """Multiplies by random numbers around 1, with the variance that Dropout of this rate has.

    Args:
        rate: the corresponding share.
        seed: tells streams apart for the same key.

    Source: Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting", 2014.

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> nn.apply(nn.GaussianDropout(), {}, {}, sl.ones((1, 2))).output.tolist()  # not training
        [[1.0, 1.0]]
    """

    keeps_steps: ClassVar = True
    passes_on: ClassVar = True
    rate: float = 0.2
    _: KW_ONLY
    seed: int | None = None

    def __post_init__(self) -> None:
        number(self, "rate", self.rate, low=0, high=1, open_high=True)

    def call(self, scope: Scope, x: Any) -> Tensor:
        tensor = scope.cast(x)
        if not scope.training or not self.rate:
            return tensor
        spread = math.sqrt(self.rate / (1 - self.rate))
        return tensor * random.normal(_key(scope, self.seed), tensor.shape, mean=1.0, std=spread, dtype=tensor.dtype)


@register
class GaussianNoise(Layer):
    """Adds normally distributed noise while training.

    Args:
        stddev: its standard deviation.
        seed: tells streams apart for the same key.

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> noisy = nn.apply(nn.GaussianNoise(0.1), {}, {}, sl.zeros((100, 100)), training=True, key=sl.random.key(0))
        >>> 0.09 < float(noisy.output.std()) < 0.11
        True
    """

    keeps_steps: ClassVar = True
    passes_on: ClassVar = True
    stddev: float
    _: KW_ONLY
    seed: int | None = None

    def __post_init__(self) -> None:
        number(self, "stddev", self.stddev, low=0)

    def call(self, scope: Scope, x: Any) -> Tensor:
        tensor = scope.cast(x)
        if not scope.training or not self.stddev:
            return tensor
        return tensor + random.normal(_key(scope, self.seed), tensor.shape, std=self.stddev, dtype=tensor.dtype)
