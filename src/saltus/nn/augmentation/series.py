"""Augmentations of numbers: rows (N, features) and series (N, steps, features). In: base."""

from __future__ import annotations

from dataclasses import KW_ONLY
from typing import ClassVar

from saltus.base import dtypes as dt
from saltus.base.errors import ShapeError
from saltus.nn.augmentation.base import Augmentation
from saltus.nn.augmentation.draws import Draws
from saltus.nn.checks import number, whole
from saltus.nn.config import register
from saltus.ops.gather import take
from saltus.tensor.creation import ramp
from saltus.tensor.elementwise import clip, exp, floor, where
from saltus.tensor.images import resize
from saltus.tensor.manipulation import broadcast_to, reshape
from saltus.tensor.reduction import cumulative_sum
from saltus.tensor.tensor import Tensor, of_node
from saltus.tensor.tracing import here


def floats(x: Tensor) -> Tensor:
    return x if x.dtype.is_float else x.astype("float32")


@register
class RandomNoise(Augmentation):
    """Adds normally distributed noise, each sample its own: the jitter of series, the noise of tables.

    `GaussianNoise` does the same inside a network; here a sample's noise does not depend on its batch.

    Args:
        stddev: its standard deviation, in the unit of the inputs.

    Example:
        >>> from saltus import nn
        >>> nn.RandomNoise(0.05)
        RandomNoise(0.05)
    """

    stddev: float = 0.1

    def __post_init__(self) -> None:
        number(self, "stddev", self.stddev, low=0)

    def augment(self, draws: Draws, x: Tensor) -> Tensor:
        x = floats(x)
        return x + draws.normal(*x.shape[1:], std=float(self.stddev)).astype(x.dtype)


@register
class RandomScaling(Augmentation):
    """Multiplies each sample by numbers around 1, one a feature.

    Args:
        stddev: their standard deviation.

    Example:
        >>> from saltus import nn
        >>> nn.RandomScaling(0.2)
        RandomScaling(0.2)
    """

    stddev: float = 0.1

    def __post_init__(self) -> None:
        number(self, "stddev", self.stddev, low=0)

    def augment(self, draws: Draws, x: Tensor) -> Tensor:
        x = floats(x)
        factor = 1.0 + draws.normal(x.shape[-1], std=float(self.stddev)).astype(x.dtype)
        return x * reshape(factor, (x.shape[0], *(1,) * (x.ndim - 2), x.shape[-1]))


@register
class RandomFeatureDropout(Augmentation):
    """Hides whole features of a sample, so that a network does not rely on one alone; unlike `Dropout` the others are not scaled up.

    Args:
        rate: share of the features.
        fill_value: what stands in their place; 0 is the mean of standardised features.

    Example:
        >>> from saltus import nn
        >>> nn.RandomFeatureDropout(0.2)
        RandomFeatureDropout(0.2)
    """

    rate: float = 0.1
    _: KW_ONLY
    fill_value: float = 0.0

    def __post_init__(self) -> None:
        number(self, "rate", self.rate, low=0, high=1)
        number(self, "fill_value", self.fill_value)

    def augment(self, draws: Draws, x: Tensor) -> Tensor:
        x = floats(x)
        hidden = reshape(draws.happens(self.rate, x.shape[-1]), (x.shape[0], *(1,) * (x.ndim - 2), x.shape[-1]))
        return where(broadcast_to(hidden, x.shape), float(self.fill_value), x)


class SeriesAugmentation(Augmentation):
    """Base of augmentations of series."""

    keeps_steps: ClassVar = False

    def need_series(self, x: Tensor) -> Tensor:
        if x.ndim != 3 or x.shape[1] < 2:
            raise ShapeError(f"{type(self).__name__} takes series (N, steps, features) of two steps at least, got {x.shape}", site=here(),
                             fix="one feature is an axis too: x[..., None]")  # fmt: skip
        return floats(x)


def curve(draws: Draws, knots: int, steps: int, features: int, stddev: float) -> Tensor:
    """Smooth random curves around 0, (N, steps, features): cubics through normally distributed knots."""
    return resize(draws.normal(knots, features, std=stddev), steps, method="bicubic")


def looked_up(x: Tensor, places: Tensor) -> Tensor:
    """Series at any places (N, steps), counted in steps, in straight lines between steps."""
    count, steps, features = x.shape
    at = clip(places, 0.0, steps - 1.0)
    low = floor(at)
    share = (at - low)[..., None].astype(x.dtype)
    row = of_node(ramp(places.shape, 0, dt.int32)) * steps
    index = low.astype("int32")
    flat = reshape(x, (count * steps, features))
    first, last = (of_node(take(flat.node, (row + clip(index + step, 0, steps - 1)).node, axis=0)) for step in (0, 1))
    return first + (last - first) * share


@register
class RandomMagnitudeWarp(SeriesAugmentation):
    """Multiplies series by a smooth curve around 1, each feature by its own.

    Args:
        stddev: standard deviation of the curve's knots.
        knots: how many there are.

    Source: Um et al., "Data augmentation of wearable sensor data for Parkinson's disease monitoring using convolutional neural
        networks", 2017.

    Example:
        >>> from saltus import nn
        >>> nn.RandomMagnitudeWarp(0.2)
        RandomMagnitudeWarp()
    """

    stddev: float = 0.2
    knots: int = 4

    def __post_init__(self) -> None:
        number(self, "stddev", self.stddev, low=0)
        whole(self, "knots", self.knots, low=2)

    def augment(self, draws: Draws, x: Tensor) -> Tensor:
        x = self.need_series(x)
        return x * (1.0 + curve(draws, self.knots, x.shape[1], x.shape[2], float(self.stddev))).astype(x.dtype)


@register
class RandomTimeWarp(SeriesAugmentation):
    """Lets time run faster here and slower there; first and last step stay.

    Args:
        stddev: standard deviation of the logarithm of the speed at the knots.
        knots: how many there are.

    Source: as for RandomMagnitudeWarp.

    Example:
        >>> from saltus import nn
        >>> nn.RandomTimeWarp(0.3, knots=5)
        RandomTimeWarp(0.3, knots=5)
    """

    stddev: float = 0.2
    knots: int = 4

    def __post_init__(self) -> None:
        number(self, "stddev", self.stddev, low=0)
        whole(self, "knots", self.knots, low=2)

    def augment(self, draws: Draws, x: Tensor) -> Tensor:
        x = self.need_series(x)
        steps = x.shape[1]
        speed = exp(curve(draws, self.knots, steps - 1, 1, float(self.stddev)))[..., 0]
        passed = cumulative_sum(speed, axis=1, include_initial=True)
        return looked_up(x, passed * (steps - 1.0) / passed[:, -1:])


@register
class RandomWindowSlice(SeriesAugmentation):
    """Takes a window of each series and stretches it to the whole length.

    Args:
        ratio: share of the steps that the window has.

    Source: Le Guennec, Malinowski and Tavenard, "Data augmentation for time series classification using convolutional neural
        networks", 2016.

    Example:
        >>> from saltus import nn
        >>> nn.RandomWindowSlice(0.8)
        RandomWindowSlice(0.8)
    """

    ratio: float = 0.9

    def __post_init__(self) -> None:
        number(self, "ratio", self.ratio, low=0, high=1, open_low=True)

    def augment(self, draws: Draws, x: Tensor) -> Tensor:
        x = self.need_series(x)
        last = x.shape[1] - 1.0
        first = draws.uniform() * (last * (1.0 - self.ratio))
        place = of_node(ramp(x.shape[:2], 1, dt.int32)).astype("float32")
        return looked_up(x, first[:, None] + place * float(self.ratio))
