"""Augmentations that change the values of pixels, not their places: one formula over the planes of a picture, which the compiler joins with
the sampling before it. In: base. Names and meanings of ranges are those of Keras.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any

from saltus.base import dtypes as dt
from saltus.base.errors import ShapeError
from saltus.nn.augmentation.base import ImageAugmentation
from saltus.nn.augmentation.draws import Draws, wide
from saltus.nn.augmentation.geometry import span
from saltus.nn.augmentation.picture import Picture
from saltus.nn.checks import lengths, number
from saltus.nn.config import register
from saltus.ops.gather import take
from saltus.tensor.creation import ramp
from saltus.tensor.elementwise import clip, exp, floor, maximum, minimum, where
from saltus.tensor.reduction import mean
from saltus.tensor.tensor import Tensor, of_node
from saltus.tensor.tracing import here

LUMA = (0.299, 0.587, 0.114)  # of red, green and blue in what looks equally bright (ITU-R BT.601)


def grey(planes: Sequence[Tensor]) -> Tensor:
    """Brightness of pixels; one of several colour channels."""
    if len(planes) == 1:
        return planes[0]
    red, green, blue = planes
    return red * LUMA[0] + green * LUMA[1] + blue * LUMA[2]


@dataclass(frozen=True, repr=False)
class Coloring(ImageAugmentation):
    """Base of augmentations of values: `value_range` is the range of the pixels, to which results are clipped."""

    _: KW_ONLY
    value_range: Any = (0, 255)

    def __post_init__(self) -> None:
        self._set(value_range=span(self, "value_range", self.value_range))

    def clipped(self, plane: Tensor) -> Tensor:
        return clip(plane, *self.value_range)

    def colours(self, picture: Picture) -> list[Tensor]:
        """The three planes of colour, or a single one of grey."""
        if picture.channels not in (1, 3):
            raise ShapeError(f"{type(self).__name__} takes images of 1 or 3 channels, got {picture.channels}", site=here(),
                             fix="leave it out for other images")  # fmt: skip
        return picture.planes


@register
class RandomBrightness(Coloring):
    """Makes images brighter or darker by adding a number.

    Args:
        factor: range of the number, as share of the value range, within [-1, 1]; one number f stands for (-f, f).
        value_range: lowest and highest value of a pixel; (0, 255) for bytes.

    Example:
        >>> from saltus import nn
        >>> nn.RandomBrightness(0.2)
        RandomBrightness((-0.2, 0.2))
    """

    factor: Any

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set(factor=span(self, "factor", self.factor, low=-1.0, high=1.0))

    def alter(self, draws: Draws, picture: Picture) -> None:
        low, high = self.value_range
        more = wide(draws.uniform(low=self.factor[0], high=self.factor[1]) * (high - low))
        picture.planes = [self.clipped(plane + more) for plane in picture.planes]


def _around_one(layer: Any, name: str, value: Any) -> tuple[float, float]:
    """Range of a factor from a pair (lower, upper) or one number: (1 - lower, 1 + upper)."""
    pair = tuple(value) if isinstance(value, (tuple, list)) else (value, value)
    for part in pair:
        number(layer, name, part, low=0)
    if len(pair) != 2 or pair[0] > 1:
        number(layer, name, pair[0], low=0, high=1)
    return 1.0 - pair[0], 1.0 + pair[1]


@register
class RandomContrast(Coloring):
    """Stretches or shrinks the distance of pixels from the mean of their image and channel.

    Args:
        factor: the distance is multiplied by a number between 1 - factor and 1 + factor; or (lower, upper).
        value_range: lowest and highest value of a pixel.

    Example:
        >>> from saltus import nn
        >>> nn.RandomContrast(0.3)
        RandomContrast(0.3)
    """

    factor: Any

    def __post_init__(self) -> None:
        super().__post_init__()
        _around_one(self, "factor", self.factor)

    def alter(self, draws: Draws, picture: Picture) -> None:
        low, high = _around_one(self, "factor", self.factor)
        strength = wide(draws.uniform(low=low, high=high))
        picture.planes = [self.clipped((p - m) * strength + m) for p in picture.planes for m in [wide(mean(p, axis=(1, 2, 3)))]]


@register
class RandomSaturation(Coloring):
    """Makes colours paler or stronger: the distance of each pixel from its grey is multiplied by f / (1 - f).

    Args:
        factor: range of f within [0, 1]: 0 is grey, 0.5 changes nothing, 0.75 is three times the colour; one number f stands for
            (0.5 - f / 2, 0.5 + f / 2).
        value_range: lowest and highest value of a pixel.

    Example:
        >>> from saltus import nn
        >>> nn.RandomSaturation(0.3)
        RandomSaturation((0.35, 0.65))
    """

    factor: Any

    def __post_init__(self) -> None:
        super().__post_init__()
        given = self.factor
        pair = (0.5 - given / 2, 0.5 + given / 2) if isinstance(given, (int, float)) else given
        self._set(factor=span(self, "factor", pair, low=0.0, high=1.0))

    def alter(self, draws: Draws, picture: Picture) -> None:
        planes = self.colours(picture)
        share = draws.uniform(low=self.factor[0], high=self.factor[1])
        if len(planes) > 1:
            picture.planes = saturated(self, planes, wide(share / maximum(1 - share, 1e-3)))


def saturated(layer: Coloring, planes: list[Tensor], strength: Tensor) -> list[Tensor]:
    base = grey(planes)
    return [layer.clipped(base + (p - base) * strength) for p in planes]


@register
class RandomHue(Coloring):
    """Turns colours around the colour circle: red becomes yellow, green, ...

    Args:
        factor: range of the turn, 1 for half the circle, within [-1, 1]; one number f stands for (-f, f).
        value_range: lowest and highest value of a pixel.

    Source: Smith, "Color gamut transform pairs", 1978 (hue, saturation, value).

    Example:
        >>> from saltus import nn
        >>> nn.RandomHue(0.1)
        RandomHue((-0.1, 0.1))
    """

    factor: Any

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set(factor=span(self, "factor", self.factor, low=-1.0, high=1.0))

    def alter(self, draws: Draws, picture: Picture) -> None:
        planes = self.colours(picture)
        turn = draws.uniform(low=self.factor[0], high=self.factor[1]) * 3.0
        if len(planes) > 1:
            picture.planes = hued(planes, wide(turn))


def hued(planes: list[Tensor], sixths: Tensor) -> list[Tensor]:
    """Colours whose hue is turned by so many sixths of the circle."""
    red, green, blue = planes
    top, low = maximum(maximum(red, green), blue), minimum(minimum(red, green), blue)
    spread = top - low
    safe = where(spread > 0.0, spread, 1.0)
    hue = where(
        red >= maximum(green, blue), (green - blue) / safe, where(green >= blue, (blue - red) / safe + 2.0, (red - green) / safe + 4.0)
    )
    hue = hue + sixths

    def channel(place: float) -> Tensor:
        at = hue + place
        at = at - floor(at * (1 / 6)) * 6.0
        return top - spread * clip(minimum(at, 4.0 - at), 0.0, 1.0)

    return [channel(5.0), channel(3.0), channel(1.0)]


@register
class RandomGrayscale(Coloring):
    """Takes the colour out of some images; the number of channels stays.

    Args:
        factor: share of the images.

    Example:
        >>> from saltus import nn
        >>> nn.RandomGrayscale(0.1)
        RandomGrayscale(0.1)
    """

    factor: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        number(self, "factor", self.factor, low=0, high=1)

    def alter(self, draws: Draws, picture: Picture) -> None:
        planes = self.colours(picture)
        asked = wide(draws.happens(self.factor))
        if len(planes) > 1:
            base = grey(planes)
            picture.planes = [where(asked, base, p) for p in planes]


@register
class RandomColorJitter(Coloring):
    """Brightness, contrast, saturation and hue at once, in this order.

    Args:
        brightness_factor, contrast_factor, saturation_factor, hue_factor: as `factor` of RandomBrightness, RandomContrast,
            RandomSaturation and RandomHue; None leaves that alone.
        value_range: lowest and highest value of a pixel.

    Example:
        >>> from saltus import nn
        >>> nn.RandomColorJitter(0.2, 0.2, 0.2, 0.05)
        RandomColorJitter(0.2, contrast_factor=0.2, saturation_factor=0.2, hue_factor=0.05)
    """

    brightness_factor: Any = None
    contrast_factor: Any = None
    saturation_factor: Any = None
    hue_factor: Any = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self._parts()

    def _parts(self) -> list[Coloring]:
        kinds = (RandomBrightness, RandomContrast, RandomSaturation, RandomHue)
        given = (self.brightness_factor, self.contrast_factor, self.saturation_factor, self.hue_factor)
        return [kind(f, value_range=self.value_range) for kind, f in zip(kinds, given, strict=True) if f is not None]

    def alter(self, draws: Draws, picture: Picture) -> None:
        for part in self._parts():
            part.alter(draws.at(type(part).__name__), picture)


@register
class RandomPosterization(Coloring):
    """Keeps only so many steps of brightness: the lowest bits of bytes are dropped.

    Args:
        factor: bits that are kept, 1 to 8.
        value_range: lowest and highest value of a pixel.

    Example:
        >>> from saltus import nn
        >>> nn.RandomPosterization(4)
        RandomPosterization(4)
    """

    factor: int

    def __post_init__(self) -> None:
        super().__post_init__()
        number(self, "factor", self.factor, low=1, high=8)

    def alter(self, draws: Draws, picture: Picture) -> None:
        low, high = self.value_range
        step = (high - low) / 255 * 2.0 ** (8 - self.factor)
        picture.planes = [floor((p - low) * (1 / step) + 1e-4) * step + low for p in picture.planes]


@register
class Solarization(Coloring):
    """Turns values above a threshold over, as overexposed film does.

    Args:
        threshold_factor: range of the threshold, as share of the value range, within [0, 1]; one number f stands for (1 - f, 1).
        value_range: lowest and highest value of a pixel.

    Example:
        >>> from saltus import nn
        >>> nn.Solarization(0.5)
        Solarization((0.5, 1.0))
    """

    threshold_factor: Any = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        given = self.threshold_factor
        pair = (1.0 - given, 1.0) if isinstance(given, (int, float)) else given
        self._set(threshold_factor=span(self, "threshold_factor", pair, low=0.0, high=1.0))

    def alter(self, draws: Draws, picture: Picture) -> None:
        low, high = self.value_range
        limit = wide(draws.uniform(low=self.threshold_factor[0], high=self.threshold_factor[1]) * (high - low) + low)
        picture.planes = [where(p > limit, high + low - p, p) for p in picture.planes]


@register
class RandomGaussianBlur(Coloring):
    """Blurs images.

    Args:
        factor: share of the images that are blurred.
        kernel_size: odd, pixels that go into one along an axis; one number or (height, width).
        sigma: the largest width of the bell, in pixels; each image gets its own between a tenth of it and all of it.

    Example:
        >>> from saltus import nn
        >>> nn.RandomGaussianBlur(0.5, kernel_size=5, sigma=1.5)
        RandomGaussianBlur(0.5, kernel_size=(5, 5), sigma=1.5)
    """

    factor: float = 1.0
    kernel_size: Any = 3
    sigma: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        number(self, "factor", self.factor, low=0, high=1)
        self._set(kernel_size=lengths(self, "kernel_size", self.kernel_size, 2))
        number(self, "sigma", self.sigma, low=0, open_low=True)
        for size in self.kernel_size:
            if size % 2 == 0:
                lengths(self, "kernel_size (odd)", (), 1)

    def alter(self, draws: Draws, picture: Picture) -> None:
        width = where(draws.happens(self.factor), draws.uniform(low=0.1 * self.sigma, high=self.sigma), 1e-3)
        planes = picture.planes
        for axis, size in zip((2, 1), reversed(self.kernel_size), strict=True):
            planes = [blurred(p, width, axis, size // 2) for p in planes]
        picture.planes = planes


def blurred(plane: Tensor, width: Tensor, axis: int, reach: int) -> Tensor:
    """A plane smoothed along an axis; beyond the edges the last pixel goes on."""
    bell = [exp(-float(k * k) / (2 * width * width)) for k in range(reach + 1)]
    total = bell[0]
    for part in bell[1:]:
        total = total + part * 2.0
    made = plane * wide(bell[0] / total)
    place = of_node(ramp((plane.shape[axis],), 0, dt.int32))
    for k in range(1, reach + 1):
        beside = [of_node(take(plane.node, clip(place + step, 0, plane.shape[axis] - 1).node, axis=axis)) for step in (-k, k)]
        made = made + (beside[0] + beside[1]) * wide(bell[k] / total)
    return made


@register
class RandomErasing(Coloring):
    """Covers a rectangle of each image, so that no single part of it can be relied on; also known as cutout.

    Args:
        factor: share of the images.
        scale: range of the rectangle's share of the image.
        fill_value: what covers it; None takes random noise.
        value_range: lowest and highest value of a pixel, for the noise.

    Source: Zhong, Zheng, Kang, Li and Yang, "Random erasing data augmentation", 2017; sides lie between half and twice a square's.

    Example:
        >>> from saltus import nn
        >>> nn.RandomErasing(0.5, fill_value=0.0)
        RandomErasing(0.5, fill_value=0.0)
    """

    factor: float = 1.0
    scale: Any = (0.02, 0.33)
    fill_value: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        number(self, "factor", self.factor, low=0, high=1)
        self._set(scale=span(self, "scale", self.scale, low=0.0, high=1.0))

    def alter(self, draws: Draws, picture: Picture) -> None:
        height, width = picture.size
        area = draws.uniform(low=self.scale[0], high=self.scale[1])
        covered = rectangle(draws, area, (draws.count, height, width, 1)) & wide(draws.happens(self.factor))
        low, high = self.value_range
        made = []
        for plane in picture.planes:
            fill: Any = self.fill_value if self.fill_value is not None else draws.uniform(height, width, 1, low=low, high=high)
            made.append(where(covered, fill, plane))
        picture.planes = made


def rectangle(draws: Draws, area: Tensor, shape: tuple[int, ...], *, square: bool = False) -> Tensor:
    """bool (N, height, width, 1): True inside a random rectangle that covers a share of each image."""
    side = area**0.5
    stretch = 1.0 if square else exp(draws.uniform(low=-math.log(2.0), high=math.log(2.0)))
    inside: Tensor | None = None
    for axis, share in ((1, minimum(side * stretch, 1.0)), (2, minimum(side / stretch, 1.0))):
        length = shape[axis]
        size = floor(share * length + 0.5)
        first = floor(draws.uniform() * (length - size + 1.0))
        place = of_node(ramp(shape, axis, dt.int32)).astype("float32")
        within = (place >= wide(first)) & (place < wide(first + size))
        inside = within if inside is None else inside & within
    assert inside is not None
    return inside


__all__ = [
    "Coloring", "RandomBrightness", "RandomColorJitter", "RandomContrast", "RandomErasing", "RandomGaussianBlur", "RandomGrayscale",
    "RandomHue", "RandomPosterization", "RandomSaturation", "Solarization", "blurred", "grey", "hued", "rectangle", "saturated",
]  # fmt: skip
