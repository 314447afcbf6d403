"""Augmentations that choose others at random. In: color, geometry.

Each image would need every operation computed and one chosen. Instead operations are chosen by their numbers: one matrix an image holds
whatever change of place it got, and one formula of values, v -> clip(a v + b grey + c), whatever change of colour; an operation that an
image did not get has the numbers that change nothing. Turning over and dropping bits are formulas of their own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass

from saltus.nn.augmentation.color import Coloring, grey
from saltus.nn.augmentation.draws import Draws, wide
from saltus.nn.augmentation.geometry import turning
from saltus.nn.augmentation.picture import FILLS, INTERPOLATIONS, Border, Picture
from saltus.nn.checks import number, one_of, whole
from saltus.nn.config import register
from saltus.tensor.elementwise import clip, exp2, floor, log, where
from saltus.tensor.elementwise import round as nearest_whole
from saltus.tensor.reduction import max as largest
from saltus.tensor.reduction import mean
from saltus.tensor.reduction import min as smallest
from saltus.tensor.tensor import Tensor

OPERATIONS = (
    "identity", "rotate", "shear_x", "shear_y", "translate_x", "translate_y", "brightness", "contrast", "color", "posterize", "solarize",
    "autocontrast",
)  # fmt: skip


@dataclass(frozen=True)
class Strength:
    """Changes at full strength; a magnitude is a share of these."""

    rotate: float  # share of a turn
    shear: float
    translate: float  # share of the side
    factor: float  # of brightness, contrast and colour around 1
    bits: float  # dropped


def operate(
    picture: Picture, rounds: Sequence[tuple[Draws, Tensor]], full: Strength, border: Border, values: tuple[float, float]
) -> None:  # fmt: skip
    """One randomly chosen operation an image and round; changes of place come first, so that they are one sampling.

    Args:
        picture: what is changed.
        rounds: random numbers of each round, and the magnitude of its operation, (N,) from 0 to 1.
        full: the changes of magnitude 1.
        border: what lies outside.
        values: range of the pixels.
    """
    height, width = picture.size
    colours = []
    for draws, magnitude in rounds:
        chosen = draws.whole(high=len(OPERATIONS))
        signed = magnitude * where(draws.happens(0.5), -1.0, 1.0)

        def on(name: str, value: Tensor, chosen: Tensor = chosen) -> Tensor:
            return where(chosen == OPERATIONS.index(name), value, 0.0)

        picture.move(turning(on("rotate", signed * (full.rotate * 2 * math.pi))), border)
        slant = ((1.0, on("shear_x", signed * full.shear), on("translate_x", signed * (full.translate * width))),
                 (on("shear_y", signed * full.shear), 1.0, on("translate_y", signed * (full.translate * height))),
                 (0.0, 0.0, 1.0))  # fmt: skip
        picture.move(slant, border)
        colours.append((chosen, magnitude, 1.0 + signed * full.factor))
    for chosen, magnitude, factor in colours:
        _recolour(picture, chosen, magnitude, factor, full, values)


def _recolour(
    picture: Picture, chosen: Tensor, magnitude: Tensor, factor: Tensor, full: Strength, values: tuple[float, float]
) -> None:  # fmt: skip
    low, high = values

    def asked(name: str) -> Tensor:
        return chosen == OPERATIONS.index(name)

    planes = picture.planes
    base = grey(planes) if len(planes) in (1, 3) else planes[0]
    # the share of the image's own value, of its grey, and what is added
    own = where(asked("brightness") | asked("contrast") | asked("color"), factor, 1.0)
    greyed = where(asked("color"), 1.0 - factor, 0.0)
    middle = mean(base, axis=(1, 2, 3))
    added = where(asked("contrast"), middle * (1.0 - factor), where(asked("brightness"), low * (1.0 - factor), 0.0))
    limit = where(asked("solarize"), high - (high - low) * magnitude, high + 1.0)
    step = exp2(nearest_whole(magnitude * full.bits)) * ((high - low) / 255)
    made = []
    for plane in planes:
        darkest, brightest = smallest(plane, axis=(1, 2, 3)), largest(plane, axis=(1, 2, 3))
        stretches = asked("autocontrast") & (brightest > darkest)
        stretch = where(stretches, (high - low) / where(brightest > darkest, brightest - darkest, 1.0), own)
        shift = where(stretches, low - darkest * stretch, added)
        value = clip(plane * wide(stretch) + base * wide(greyed) + wide(shift), low, high)
        value = where(value > wide(limit), high + low - value, value)
        coarse = floor((value - low) / wide(step) + 1e-4) * wide(step) + low
        made.append(where(wide(asked("posterize")), coarse, value))
    picture.planes = made


@dataclass(frozen=True, repr=False)
class Policy(Coloring):
    """Base of policies: the outside of moved images."""

    _: KW_ONLY
    fill_mode: str = "constant"
    fill_value: float = 0.0
    interpolation: str = "bilinear"

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of(self, "fill_mode", self.fill_mode, FILLS)
        one_of(self, "interpolation", self.interpolation, INTERPOLATIONS)
        number(self, "fill_value", self.fill_value)

    @property
    def border(self) -> Border:
        return Border(self.fill_mode, float(self.fill_value), self.interpolation)


@register
class RandAugment(Policy):
    """A few operations, chosen anew for every image, all of about the same strength.

    They are: rotate, shear, translate, brightness, contrast, colour, posterize, solarize, autocontrast, or none.

    Args:
        num_ops: operations an image.
        factor: strength from 0 to 1; each image varies by `factor_std` around it.
        factor_std: standard deviation of the strength.
        value_range: lowest and highest value of a pixel.
        fill_mode, fill_value, interpolation: as for RandomTranslation.

    Source: Cubuk, Zoph, Shlens and Le, "RandAugment: practical automated data augmentation with a reduced search space", 2019; without the
        operations that need an image's histogram (equalize) or a filter (sharpness).

    Example:
        >>> from saltus import nn
        >>> nn.RandAugment(factor=0.3)
        RandAugment(factor=0.3)
    """

    num_ops: int = 2
    factor: float = 0.5
    _: KW_ONLY
    factor_std: float = 0.15

    def __post_init__(self) -> None:
        super().__post_init__()
        whole(self, "num_ops", self.num_ops)
        number(self, "factor", self.factor, low=0, high=1)
        number(self, "factor_std", self.factor_std, low=0)

    def alter(self, draws: Draws, picture: Picture) -> None:
        full = Strength(rotate=30 / 360, shear=0.3, translate=0.3, factor=0.9, bits=4.0)
        own = [draws.at(str(turn)) for turn in range(self.num_ops)]
        rounds = [(d, clip(self.factor + d.normal(std=float(self.factor_std)), 0.0, 1.0)) for d in own]
        operate(picture, rounds, full, self.border, self.value_range)


@register
class TrivialAugment(Policy):
    """One operation an image at any strength: nothing to choose, and yet as good as searched policies. See RandAugment for the operations.

    Args:
        value_range: lowest and highest value of a pixel.
        fill_mode, fill_value, interpolation: as for RandomTranslation.

    Source: Müller and Hutter, "TrivialAugment: tuning-free yet state-of-the-art data augmentation", 2021.

    Example:
        >>> from saltus import nn
        >>> nn.TrivialAugment()
        TrivialAugment()
    """

    def alter(self, draws: Draws, picture: Picture) -> None:
        full = Strength(rotate=135 / 360, shear=0.99, translate=0.5, factor=0.99, bits=6.0)
        operate(picture, [(draws, draws.uniform())], full, self.border, self.value_range)


@register
class AugMix(Policy):
    """Several chains of operations, added up with random shares, and added to the image itself.

    Args:
        num_chains: chains of one to three operations; see RandAugment for these.
        factor: largest strength of an operation, from 0 to 1.
        value_range: lowest and highest value of a pixel.
        fill_mode, fill_value, interpolation: as for RandomTranslation.

    Source: Hendrycks et al., "AugMix: a simple data processing method to improve robustness and uncertainty", 2019.

    Example:
        >>> from saltus import nn
        >>> nn.AugMix(2)
        AugMix(2)
    """

    num_chains: int = 3
    factor: float = 0.3

    def __post_init__(self) -> None:
        super().__post_init__()
        whole(self, "num_chains", self.num_chains)
        number(self, "factor", self.factor, low=0, high=1)

    def alter(self, draws: Draws, picture: Picture) -> None:
        full = Strength(rotate=30 / 360, shear=0.3, translate=0.3, factor=0.9, bits=4.0)
        own = draws.uniform()
        totals = [plane * wide(own) for plane in picture.planes]
        for chain, share in enumerate(_simplex(draws, self.num_chains)):
            inside, branch = draws.at(str(chain)), picture.copy()
            depth = inside.whole(high=3) + 1
            stages = [inside.at(str(turn)) for turn in range(3)]
            rounds = [(d, where(depth > turn, d.uniform() * float(self.factor), 0.0)) for turn, d in enumerate(stages)]
            operate(branch, rounds, full, self.border, self.value_range)
            totals = [t + p * wide(share * (1.0 - own)) for t, p in zip(totals, branch.planes, strict=True)]
        picture.planes = totals


def _simplex(draws: Draws, parts: int) -> Sequence[Tensor]:
    """Shares (N,) that add up to 1, spread evenly over all such shares."""
    weights = [-log(draws.uniform() + 2.0**-25) for _ in range(parts)]
    total = weights[0]
    for weight in weights[1:]:
        total = total + weight
    return [weight / total for weight in weights]
