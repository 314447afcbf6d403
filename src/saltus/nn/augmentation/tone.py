"""Augmentations that change how tones of a picture are spread: inverted, sharpened, stretched, made even. In: color. Names and meanings
of ranges are those of Keras.
"""

from __future__ import annotations

from dataclasses import KW_ONLY
from typing import Any

from saltus.base import dtypes as dt
from saltus.nn.augmentation.color import Coloring
from saltus.nn.augmentation.draws import Draws, wide
from saltus.nn.augmentation.geometry import span
from saltus.nn.augmentation.picture import Picture
from saltus.nn.checks import number, whole
from saltus.nn.config import register
from saltus.ops.gather import take
from saltus.tensor.creation import arange, ramp
from saltus.tensor.elementwise import clip, floor, maximum, where
from saltus.tensor.elementwise import round as nearest_whole
from saltus.tensor.indexing import take_along_axis
from saltus.tensor.manipulation import expand_dims, reshape
from saltus.tensor.reduction import cumulative_sum, sum
from saltus.tensor.reduction import max as largest
from saltus.tensor.reduction import min as smallest
from saltus.tensor.tensor import Tensor, of_node


@register
class RandomInvert(Coloring):
    """Turns light into dark.

    Args:
        factor: share of the images that are inverted.
        value_range: lowest and highest value of a pixel.

    Example:
        >>> from saltus import nn
        >>> nn.RandomInvert(0.5)
        RandomInvert(0.5)
    """

    factor: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        number(self, "factor", self.factor, low=0, high=1)

    def alter(self, draws: Draws, picture: Picture) -> None:
        low, high = self.value_range
        turned = wide(draws.happens(self.factor))
        picture.planes = [where(turned, low + high - p, p) for p in picture.planes]


@register
class RandomSharpness(Coloring):
    """Sharpens or softens images.

    Args:
        factor: range of how sharp, within [0, 1]: 0 softens by a window of 3 x 3 pixels, 1/2 leaves the image, 1 adds as much again; one
            number f stands for (0, f). Beyond the edges the last pixel goes on. (In Keras it is black there.)
        value_range: lowest and highest value of a pixel.

    Example:
        >>> from saltus import nn
        >>> nn.RandomSharpness((0.3, 0.9))
        RandomSharpness((0.3, 0.9))
    """

    factor: Any

    def __post_init__(self) -> None:
        super().__post_init__()
        given = (0.0, self.factor) if isinstance(self.factor, (int, float)) else self.factor
        self._set(factor=span(self, "factor", given, low=0.0, high=1.0))

    def alter(self, draws: Draws, picture: Picture) -> None:
        share = wide(1.0 - 2.0 * draws.uniform(low=self.factor[0], high=self.factor[1]))
        picture.planes = [self.clipped(p + share * (_softened(p) - p)) for p in picture.planes]


def _softened(plane: Tensor) -> Tensor:
    """Each pixel five times and its eight neighbours once, over 13."""
    box = plane
    for axis in (1, 2):
        place = of_node(ramp((plane.shape[axis],), 0, dt.int32))
        beside = [of_node(take(box.node, clip(place + step, 0, plane.shape[axis] - 1).node, axis=axis)) for step in (-1, 1)]
        box = box + beside[0] + beside[1]
    return (box + plane * 4.0) * (1 / 13)


@register
class AutoContrast(Coloring):
    """Stretches each channel of each image over the whole range of values; a channel of one value stays as it is.

    Args:
        value_range: lowest and highest value of a pixel.

    Example:
        >>> from saltus import nn
        >>> nn.AutoContrast(value_range=(0, 1))
        AutoContrast(value_range=(0.0, 1.0))
    """

    def alter(self, draws: Draws, picture: Picture) -> None:
        low, high = self.value_range

        def stretched(plane: Tensor) -> Tensor:
            darkest, brightest = smallest(plane, axis=(1, 2, 3)), largest(plane, axis=(1, 2, 3))
            varies = brightest > darkest
            factor = (high - low) / where(varies, brightest - darkest, 1.0)
            return where(wide(varies), self.clipped((plane - wide(darkest)) * wide(factor) + low), plane)

        picture.planes = [stretched(p) for p in picture.planes]


@register
class Equalization(Coloring):
    """Spreads the tones of each channel of each image so that all are about equally frequent.

    Args:
        value_range: lowest and highest value of a pixel.
        bins: how many tones are told apart.

    Source: Hummel, "Image enhancement by histogram transformation", 1977.

    Example:
        >>> from saltus import nn
        >>> nn.Equalization()
        Equalization()
    """

    _: KW_ONLY
    bins: int = 256

    def __post_init__(self) -> None:
        super().__post_init__()
        whole(self, "bins", self.bins, low=2)

    def alter(self, draws: Draws, picture: Picture) -> None:
        picture.planes = [self._even(p) for p in picture.planes]

    def _even(self, plane: Tensor) -> Tensor:
        low, high = self.value_range
        count, pixels = plane.shape[0], plane.size // max(1, plane.shape[0])
        place = (reshape(plane, (count, pixels)) - low) * ((self.bins - 1) / (high - low))
        tone = clip(floor(place + 1e-3), 0, self.bins - 1).astype("int32")
        held = sum((expand_dims(tone, axis=2) == arange(self.bins, dtype="int32")).astype("int32"), axis=1)
        below = cumulative_sum(held, axis=1).astype("float32")
        # the darkest tone there is becomes the lowest value, the brightest the highest
        first = smallest(where(held > 0, below, float(pixels)), axis=1, keepdims=True)
        table = nearest_whole((below - first) * (self.bins - 1) / maximum(pixels - first, 1.0)) * ((high - low) / (self.bins - 1)) + low
        found = reshape(take_along_axis(table, tone.astype("int64"), axis=1), plane.shape)
        one_tone = wide(reshape(first, (count,)) >= pixels)
        return where(one_tone, plane, found.astype(plane.dtype))
