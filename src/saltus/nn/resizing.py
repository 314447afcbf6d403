"""Layers that change the size of sequences, images and volumes. In: tensor.images. Channels come last."""

from __future__ import annotations

import dataclasses
from dataclasses import KW_ONLY
from typing import Any, ClassVar

from saltus.base.errors import ArgumentError
from saltus.nn.checks import channels_last, lengths, one_of, whole
from saltus.nn.config import register
from saltus.nn.convolution import require_rank
from saltus.nn.layer import Layer
from saltus.nn.scope import Scope
from saltus.tensor.images import METHODS, resize
from saltus.tensor.manipulation import pad
from saltus.tensor.tensor import Tensor


@dataclasses.dataclass(frozen=True, repr=False)
class _UpSampling(Layer):
    """`size` times as large along `rank` axes."""

    rank: ClassVar[int]
    size: Any = 2
    data_format: Any = None
    interpolation: str = "nearest"

    def __post_init__(self) -> None:
        channels_last(self, self.data_format)
        one_of(self, "interpolation", self.interpolation, METHODS)
        self._set(size=lengths(self, "size", self.size, self.rank))

    def call(self, scope: Scope, x: Any) -> Tensor:
        tensor = scope.cast(x)
        require_rank(tensor, self.rank)
        wanted = tuple(n * k for n, k in zip(tensor.shape[1:-1], self.size, strict=True))
        return resize(tensor, wanted, method=self.interpolation)


@register
class UpSampling1D(_UpSampling):
    """Sequences `size` times as long.

    Args:
        size: how often each step is repeated.
        data_format: "channels_last" or None.
        interpolation: "nearest" (repeats), "bilinear" or "bicubic".

    Returns:
        `call` takes (N, steps, channels) and returns (N, steps * size, channels).

    Example:
        >>> from saltus import nn
        >>> nn.describe(nn.UpSampling1D(3), nn.Spec((1, 4, 2))).output.shape
        (1, 12, 2)
    """

    rank: ClassVar[int] = 1


@register
class UpSampling2D(_UpSampling):
    """Images `size` times as high and wide.

    Args:
        size: factors of height and width, or one number for both.
        data_format: "channels_last" or None.
        interpolation: "nearest" (repeats), "bilinear" or "bicubic".

    Returns:
        `call` takes (N, height, width, channels) and returns (N, height * size, width * size, channels).

    Example:
        >>> from saltus import nn
        >>> nn.describe(nn.UpSampling2D((2, 3)), nn.Spec((1, 4, 5, 2))).output.shape
        (1, 8, 15, 2)
    """

    rank: ClassVar[int] = 2


@register
class UpSampling3D(_UpSampling):
    """Volumes `size` times as large along every axis.

    Args:
        size: one factor an axis, or one for all.
        data_format: "channels_last" or None.
        interpolation: "nearest" (repeats), "bilinear" (linear along each axis) or "bicubic".

    Returns:
        `call` takes (N, depth, height, width, channels) and returns the same, larger.

    Example:
        >>> from saltus import nn
        >>> nn.describe(nn.UpSampling3D(2), nn.Spec((1, 2, 3, 4, 2))).output.shape
        (1, 4, 6, 8, 2)
    """

    rank: ClassVar[int] = 3


@register
class Resizing(Layer):
    """Images of one size, whatever theirs was.

    Args:
        height, width: of the result.
        interpolation: "nearest", "bilinear" or "bicubic".
        crop_to_aspect_ratio: cut the middle part of the result's proportions out first, so that nothing is distorted.
        pad_to_aspect_ratio: add a border on both sides first, so that nothing is distorted or lost.
        fill_value: of that border.
        data_format: "channels_last" or None.
        antialias: when images shrink, let every pixel see all that falls to it.

    Returns:
        `call` takes (N, any height, any width, channels) and returns (N, height, width, channels).

    Raises:
        ArgumentError: both a crop and a border, or an unknown interpolation.

    Example:
        >>> from saltus import nn
        >>> nn.describe(nn.Resizing(24, 32, crop_to_aspect_ratio=True), nn.Spec((1, 50, 60, 3))).output.shape
        (1, 24, 32, 3)
    """

    height: int
    width: int
    interpolation: str = "bilinear"
    crop_to_aspect_ratio: bool = False
    pad_to_aspect_ratio: bool = False
    fill_value: float = 0.0
    data_format: Any = None
    _: KW_ONLY
    antialias: bool = False

    def __post_init__(self) -> None:
        channels_last(self, self.data_format)
        one_of(self, "interpolation", self.interpolation, METHODS)
        if self.crop_to_aspect_ratio and self.pad_to_aspect_ratio:
            raise ArgumentError("Resizing: choose one of crop_to_aspect_ratio and pad_to_aspect_ratio")
        self._set(height=whole(self, "height", self.height), width=whole(self, "width", self.width))

    def call(self, scope: Scope, x: Any) -> Tensor:
        tensor = scope.cast(x)
        require_rank(tensor, 2)
        rows, columns = tensor.shape[1:3]
        if self.crop_to_aspect_ratio:
            # the largest box of the wanted proportions
            high = min(rows, max(1, columns * self.height // self.width))
            wide = min(columns, max(1, rows * self.width // self.height))
            top, left = (rows - high) // 2, (columns - wide) // 2
            tensor = tensor[:, top : top + high, left : left + wide]
        elif self.pad_to_aspect_ratio:
            high = max(rows, columns * self.height // self.width)
            wide = max(columns, rows * self.width // self.height)
            top, left = (high - rows) // 2, (wide - columns) // 2
            around = ((0, 0), (top, high - rows - top), (left, wide - columns - left), (0, 0))
            tensor = pad(tensor, around, value=self.fill_value)
        return resize(tensor, (self.height, self.width), method=self.interpolation, antialias=self.antialias)
