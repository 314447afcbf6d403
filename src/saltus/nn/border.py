"""Layers that add or take away the border of sequences, images and volumes. In: convolution. Channels come last."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

from saltus.base.errors import ShapeError
from saltus.nn.checks import channels_last, lengths
from saltus.nn.config import register
from saltus.nn.convolution import AXES, require_rank
from saltus.nn.layer import Layer
from saltus.nn.scope import Scope
from saltus.tensor.manipulation import pad
from saltus.tensor.operands import as_tensor
from saltus.tensor.tensor import Tensor
from saltus.tensor.tracing import here

Pairs = tuple[tuple[int, ...], ...]


def pairs(layer: Layer, name: str, rank: int) -> Pairs:
    """Elements before and after each axis: from one number, one an axis, or a pair an axis. Along one axis, a pair is that pair."""
    value = getattr(layer, name)
    if rank == 1 and isinstance(value, (tuple, list)) and len(value) == 2:
        value = (value,)
    if isinstance(value, (tuple, list)) and any(isinstance(v, (tuple, list)) for v in value) and len(value) == rank:
        return tuple(lengths(layer, name, v, 2, low=0) for v in value)
    return tuple((n, n) for n in lengths(layer, name, value, rank, low=0))


@dataclasses.dataclass(frozen=True, repr=False)
class _ZeroPadding(Layer):
    """Zeros around `rank` axes."""

    rank: ClassVar[int]
    padding: Any = 1
    data_format: Any = None

    def __post_init__(self) -> None:
        channels_last(self, self.data_format)
        self._set(padding=pairs(self, "padding", self.rank))

    def call(self, scope: Scope, x: Any) -> Tensor:
        tensor = as_tensor(x)
        require_rank(tensor, self.rank)
        return pad(tensor, ((0, 0), *self.padding, (0, 0)))


@register
class ZeroPadding1D(_ZeroPadding):
    """Zeros before and after a sequence.

    Args:
        padding: steps on both sides, or (before, after).
        data_format: "channels_last" or None.

    Returns:
        `call` takes (N, steps, channels).

    Example:
        >>> from saltus import nn
        >>> nn.describe(nn.ZeroPadding1D((2, 0)), nn.Spec((1, 5, 3))).output.shape
        (1, 7, 3)
    """

    rank: ClassVar[int] = 1


@register
class ZeroPadding2D(_ZeroPadding):
    """Zeros around images.

    Args:
        padding: pixels on all sides, (rows, columns), or ((top, bottom), (left, right)).
        data_format: "channels_last" or None.

    Returns:
        `call` takes (N, height, width, channels).

    Example:
        >>> from saltus import nn
        >>> nn.describe(nn.ZeroPadding2D(((1, 0), (2, 2))), nn.Spec((1, 5, 5, 3))).output.shape
        (1, 6, 9, 3)
    """

    rank: ClassVar[int] = 2


@register
class ZeroPadding3D(_ZeroPadding):
    """Zeros around volumes.

    Args:
        padding: points on all sides, one number an axis, or a pair (before, after) an axis.
        data_format: "channels_last" or None.

    Returns:
        `call` takes (N, depth, height, width, channels).

    Example:
        >>> from saltus import nn
        >>> nn.describe(nn.ZeroPadding3D(2), nn.Spec((1, 5, 5, 5, 1))).output.shape
        (1, 9, 9, 9, 1)
    """

    rank: ClassVar[int] = 3


@dataclasses.dataclass(frozen=True, repr=False)
class _Cropping(Layer):
    """Takes the border of `rank` axes away."""

    rank: ClassVar[int]
    cropping: Any = 1
    data_format: Any = None

    def __post_init__(self) -> None:
        channels_last(self, self.data_format)
        self._set(cropping=pairs(self, "cropping", self.rank))

    def call(self, scope: Scope, x: Any) -> Tensor:
        tensor = as_tensor(x)
        require_rank(tensor, self.rank)
        sizes = tensor.shape[1:-1]
        for axis, size, (low, high) in zip(AXES[self.rank], sizes, self.cropping, strict=True):
            if low + high >= size:
                raise ShapeError(
                    f"cropping takes {low} and {high} away along {axis}, and the input {tensor.shape} has {size}; nothing is left",
                    site=here(),
                    fix="crop less",
                )
        inside = tuple(slice(low, size - high) for size, (low, high) in zip(sizes, self.cropping, strict=True))
        return tensor[(slice(None), *inside)]


@register
class Cropping1D(_Cropping):
    """A sequence without its first and last steps.

    Args:
        cropping: steps on both sides, or (before, after).
        data_format: "channels_last" or None.

    Returns:
        `call` takes (N, steps, channels).

    Example:
        >>> from saltus import nn
        >>> nn.describe(nn.Cropping1D((2, 1)), nn.Spec((1, 5, 3))).output.shape
        (1, 2, 3)
    """

    rank: ClassVar[int] = 1
    cropping: Any = (1, 1)


@register
class Cropping2D(_Cropping):
    """Images without their border.

    Args:
        cropping: pixels on all sides, (rows, columns), or ((top, bottom), (left, right)).
        data_format: "channels_last" or None.

    Returns:
        `call` takes (N, height, width, channels).

    Example:
        >>> from saltus import nn
        >>> nn.describe(nn.Cropping2D(((1, 0), (2, 2))), nn.Spec((1, 6, 9, 3))).output.shape
        (1, 5, 5, 3)
    """

    rank: ClassVar[int] = 2
    cropping: Any = ((0, 0), (0, 0))


@register
class Cropping3D(_Cropping):
    """Volumes without their border.

    Args:
        cropping: points on all sides, one number an axis, or a pair (before, after) an axis.
        data_format: "channels_last" or None.

    Returns:
        `call` takes (N, depth, height, width, channels).

    Example:
        >>> from saltus import nn
        >>> nn.describe(nn.Cropping3D(2), nn.Spec((1, 9, 9, 9, 1))).output.shape
        (1, 5, 5, 5, 1)
    """

    rank: ClassVar[int] = 3
    cropping: Any = 1
