"""Augmentations that move the pixels of images: each says where its pixels come from, and `Picture` samples once for all of them.
In: base. Names, arguments and meanings of ranges are those of Keras.
"""

from __future__ import annotations

import math
from dataclasses import KW_ONLY, dataclass
from typing import Any

from saltus.base.errors import ArgumentError, ShapeError
from saltus.nn.augmentation.base import ImageAugmentation
from saltus.nn.augmentation.draws import Draws
from saltus.nn.augmentation.picture import FILLS, INTERPOLATIONS, Border, Matrix, Picture
from saltus.nn.checks import lengths, number, one_of, whole
from saltus.nn.config import register
from saltus.tensor.elementwise import cos, sin, where
from saltus.tensor.elementwise import round as nearest_whole
from saltus.tensor.images import resize
from saltus.tensor.manipulation import broadcast_to, reshape
from saltus.tensor.tensor import Tensor
from saltus.tensor.tracing import here

MODES = ("horizontal", "vertical", "horizontal_and_vertical")


def span(layer: Any, name: str, value: Any, *, low: float = -math.inf, high: float = math.inf) -> tuple[float, float]:
    """A range from a pair of numbers, or from one number f, for (-f, f)."""
    pair = tuple(value) if isinstance(value, (tuple, list)) else (-value, value) if isinstance(value, (int, float)) else ()
    numbers = len(pair) == 2 and all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in pair)
    if not numbers or not low <= pair[0] <= pair[1] <= high:
        bounds = "" if low == -math.inf else f" within [{low:g}, {high:g}]"
        raise ArgumentError(
            f"{type(layer).__name__}: {name} must be a number or a pair (lower, upper){bounds}, got {value!r}",
            fix=f"e.g. {name}=(-0.1, 0.1)",
        )
    return float(pair[0]), float(pair[1])


@dataclass(frozen=True, repr=False)
class Geometric(ImageAugmentation):
    """Base of augmentations with an outside: fill_mode, fill_value and interpolation."""

    _: KW_ONLY
    fill_mode: str = "reflect"
    fill_value: float = 0.0
    interpolation: str = "bilinear"

    def __post_init__(self) -> None:
        one_of(self, "fill_mode", self.fill_mode, FILLS)
        one_of(self, "interpolation", self.interpolation, INTERPOLATIONS)
        number(self, "fill_value", self.fill_value)

    @property
    def border(self) -> Border:
        return Border(self.fill_mode, float(self.fill_value), self.interpolation)


@register
class RandomFlip(ImageAugmentation):
    """Mirrors images, each with probability one half a direction.

    Args:
        mode: "horizontal" (left and right change places), "vertical" or "horizontal_and_vertical".

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> out = nn.apply(nn.RandomFlip("horizontal"), {}, {}, sl.asarray([[[[1.0], [2.0]]]]), training=True, key=sl.random.key(1)).output
        >>> sorted(out[0, 0, :, 0].tolist())
        [1.0, 2.0]
    """

    mode: str = "horizontal_and_vertical"

    def __post_init__(self) -> None:
        one_of(self, "mode", self.mode, MODES)

    def alter(self, draws: Draws, picture: Picture) -> None:
        def turned(asked: bool) -> Any:
            return where(draws.happens(0.5), -1.0, 1.0) if asked else 1.0

        across, down = turned("horizontal" in self.mode), turned("vertical" in self.mode)
        picture.move(((across, 0.0, 0.0), (0.0, down, 0.0), (0.0, 0.0, 1.0)), None, exact=True)


@register
class RandomCrop(ImageAugmentation):
    """Cuts a part out of images at random; at evaluation the middle.

    Args:
        height, width: of the part.
        padding: pixels that the part may reach beyond the edges, where it holds fill_value; with the image's own height and width this
            is the usual augmentation of small images.
        fill_value: of the padding.

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> nn.apply(nn.RandomCrop(4, 4), {}, {}, sl.ones((2, 8, 8, 1)), training=True, key=sl.random.key(0)).output.shape
        (2, 4, 4, 1)
    """

    height: int
    width: int
    _: KW_ONLY
    padding: Any = 0
    fill_value: float = 0.0

    def __post_init__(self) -> None:
        self._set(height=whole(self, "height", self.height), width=whole(self, "width", self.width))
        self._set(padding=lengths(self, "padding", self.padding, 2, low=0))
        number(self, "fill_value", self.fill_value)

    def _need(self, size: tuple[int, int]) -> None:
        if self.height > size[0] + 2 * self.padding[0] or self.width > size[1] + 2 * self.padding[1]:
            raise ShapeError(f"RandomCrop: a part of {self.height} x {self.width} pixels does not fit into images of {size[0]} x {size[1]}",
                             site=here(), fix="take a smaller part, give padding=, or enlarge with nn.Resizing before")  # fmt: skip

    def alter(self, draws: Draws, picture: Picture) -> None:
        self._need(picture.size)
        shifts: list[Any] = []
        for length, part, beyond in zip(picture.size, (self.height, self.width), self.padding, strict=True):
            first = draws.whole(high=length - part + 2 * beyond + 1).astype("float32") - float(beyond)
            shifts.append(first + (part - length) / 2)
        border = Border("constant", float(self.fill_value)) if any(self.padding) else None
        matrix = ((1.0, 0.0, shifts[1]), (0.0, 1.0, shifts[0]), (0.0, 0.0, 1.0))
        picture.move(matrix, border, exact=True, size=(self.height, self.width))

    def still(self, x: Tensor) -> Tensor:
        self._need(x.shape[1:3])
        top, left = (x.shape[1] - self.height) // 2, (x.shape[2] - self.width) // 2
        if top < 0 or left < 0:
            raise ShapeError(f"RandomCrop: images of {x.shape[1]} x {x.shape[2]} pixels are smaller than the part", site=here())
        return super().still(x[:, top : top + self.height, left : left + self.width])


@register
class RandomTranslation(Geometric):
    """Shifts images.

    Args:
        height_factor, width_factor: range of the shift down and to the right, as shares of height and width; one number f stands for
            (-f, f).
        fill_mode: what comes in: "reflect" (mirrored at the edges), "wrap", "constant" or "nearest".
        fill_value: of "constant".
        interpolation: "bilinear"; with "nearest" shifts are whole pixels, and cost less.

    Example:
        >>> from saltus import nn
        >>> nn.RandomTranslation(0.1, 0.1)
        RandomTranslation((-0.1, 0.1), width_factor=(-0.1, 0.1))
    """

    height_factor: Any
    width_factor: Any

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set(height_factor=span(self, "height_factor", self.height_factor), width_factor=span(self, "width_factor", self.width_factor))

    def alter(self, draws: Draws, picture: Picture) -> None:
        exact = self.interpolation == "nearest"
        down, across = (
            -draws.uniform(low=low, high=high) * length
            for (low, high), length in zip((self.height_factor, self.width_factor), picture.size, strict=True)
        )
        if exact:
            down, across = nearest_whole(down), nearest_whole(across)
        picture.move(((1.0, 0.0, across), (0.0, 1.0, down), (0.0, 0.0, 1.0)), self.border, exact=exact)


@register
class RandomRotation(Geometric):
    """Turns images around their middle.

    Args:
        factor: range of the angle, as share of a whole turn, counter-clockwise; one number f stands for (-f, f).
        fill_mode, fill_value, interpolation: as for RandomTranslation.

    Example:
        >>> from saltus import nn
        >>> nn.RandomRotation(0.05)  # up to 18 degrees either way
        RandomRotation((-0.05, 0.05))
    """

    factor: Any

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set(factor=span(self, "factor", self.factor))

    def alter(self, draws: Draws, picture: Picture) -> None:
        angle = draws.uniform(low=self.factor[0], high=self.factor[1]) * (2 * math.pi)
        picture.move(turning(angle), self.border)


def turning(angle: Tensor) -> Matrix:
    """Of a counter-clockwise turn; rows of an image count downwards."""
    c, s = cos(angle), sin(angle)
    return ((c, -s, 0.0), (s, c, 0.0), (0.0, 0.0, 1.0))


@register
class RandomZoom(Geometric):
    """Enlarges or shrinks images around their middle.

    Args:
        height_factor: range of the change; 0.2 shows a fifth more of the scene (smaller), -0.2 a fifth less (larger); one number f stands
            for (-f, f).
        width_factor: the same for the width; None takes that of the height, so that shapes stay.
        fill_mode, fill_value, interpolation: as for RandomTranslation.

    Example:
        >>> from saltus import nn
        >>> nn.RandomZoom((-0.3, 0.0))
        RandomZoom((-0.3, 0.0))
    """

    height_factor: Any
    width_factor: Any = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set(height_factor=span(self, "height_factor", self.height_factor, low=-0.99, high=100.0))
        if self.width_factor is not None:
            self._set(width_factor=span(self, "width_factor", self.width_factor, low=-0.99, high=100.0))

    def alter(self, draws: Draws, picture: Picture) -> None:
        down = draws.uniform(low=self.height_factor[0], high=self.height_factor[1]) + 1.0
        across = down if self.width_factor is None else draws.uniform(low=self.width_factor[0], high=self.width_factor[1]) + 1.0
        picture.move(((across, 0.0, 0.0), (0.0, down, 0.0), (0.0, 0.0, 1.0)), self.border)


@register
class RandomShear(Geometric):
    """Slants images: each row is shifted by its height, each column by its place.

    Args:
        x_factor, y_factor: range of the slant, in pixels a pixel; one number f stands for (-f, f).
        fill_mode, fill_value, interpolation: as for RandomTranslation.

    Example:
        >>> from saltus import nn
        >>> nn.RandomShear(0.2, 0.1)
        RandomShear((-0.2, 0.2), y_factor=(-0.1, 0.1))
    """

    x_factor: Any = 0.0
    y_factor: Any = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set(x_factor=span(self, "x_factor", self.x_factor), y_factor=span(self, "y_factor", self.y_factor))

    def alter(self, draws: Draws, picture: Picture) -> None:
        across = draws.uniform(low=self.x_factor[0], high=self.x_factor[1]) if any(self.x_factor) else 0.0
        down = draws.uniform(low=self.y_factor[0], high=self.y_factor[1]) if any(self.y_factor) else 0.0
        picture.move(((1.0, across, 0.0), (down, 1.0, 0.0), (0.0, 0.0, 1.0)), self.border)


@register
class RandomPerspective(Geometric):
    """Shows images from aside: as planes tilted around their middle.

    Args:
        factor: share of the images that are changed.
        scale: largest tilt: a scale s makes the far edge up to (1 - s) / (1 + s) as long as the near one.
        fill_mode, fill_value, interpolation: as for RandomTranslation.

    Example:
        >>> from saltus import nn
        >>> nn.RandomPerspective(0.5, scale=0.1)
        RandomPerspective(0.5, scale=0.1)
    """

    factor: float = 1.0
    _: KW_ONLY
    scale: float = 0.2

    def __post_init__(self) -> None:
        super().__post_init__()
        number(self, "factor", self.factor, low=0, high=1)
        number(self, "scale", self.scale, low=0, high=0.5, open_high=True)

    def alter(self, draws: Draws, picture: Picture) -> None:
        asked = draws.happens(self.factor)
        height, width = picture.size
        across = where(asked, draws.uniform(low=-self.scale, high=self.scale) * (2 / width), 0.0)
        down = where(asked, draws.uniform(low=-self.scale, high=self.scale) * (2 / height), 0.0)
        picture.move(((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (across, down, 1.0)), self.border)


@register
class RandomElasticTransform(Geometric):
    """Bends images as if drawn on rubber: places move by a smooth random field.

    Args:
        factor: share of the images that are changed.
        scale: standard deviation of the shift, as share of height and width.
        cells: knots of the field along an axis; between them it is a cubic.
        fill_mode, fill_value, interpolation: as for RandomTranslation.

    Source: Simard, Steinkraus and Platt, "Best practices for convolutional neural networks applied to visual document analysis", 2003;
        with a field of cubics in place of smoothed noise, which costs less.

    Example:
        >>> from saltus import nn
        >>> nn.RandomElasticTransform(scale=0.04)
        RandomElasticTransform(scale=0.04)
    """

    factor: float = 1.0
    _: KW_ONLY
    scale: float = 0.02
    cells: int = 5

    def __post_init__(self) -> None:
        super().__post_init__()
        number(self, "factor", self.factor, low=0, high=1)
        number(self, "scale", self.scale, low=0)
        whole(self, "cells", self.cells, low=2)

    def alter(self, draws: Draws, picture: Picture) -> None:
        height, width = picture.size
        asked = where(draws.happens(self.factor), self.scale, 0.0)
        knots = draws.normal(self.cells, self.cells, 2) * broadcast_to(reshape(asked, (draws.count, 1, 1, 1)), (draws.count, 1, 1, 2))
        field = resize(knots, (height, width), method="bicubic")
        shift = field[..., :1] * float(width), field[..., 1:] * float(height)
        picture.warp(lambda x, y: (x + shift[0], y + shift[1]), self.border)


__all__ = [
    "Geometric", "RandomCrop", "RandomElasticTransform", "RandomFlip", "RandomPerspective", "RandomRotation", "RandomShear",
    "RandomTranslation", "RandomZoom", "span", "turning",
]  # fmt: skip
