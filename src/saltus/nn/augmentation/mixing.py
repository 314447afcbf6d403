"""Augmentations that make one sample of two, targets included. In: base. Used through `Model.fit(augment=...)`, where targets are known.

The partner of a sample is another one of its batch; targets that are class numbers become shares of classes before.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from saltus.base import dtypes as dt
from saltus.base import tree
from saltus.base.errors import ShapeError
from saltus.nn.augmentation.base import Batch, Mixing
from saltus.nn.augmentation.color import rectangle
from saltus.nn.augmentation.draws import Draws
from saltus.nn.checks import number
from saltus.nn.config import register
from saltus.ops.gather import take
from saltus.tensor.creation import asarray, ramp
from saltus.tensor.elementwise import floor, maximum, where
from saltus.tensor.manipulation import reshape
from saltus.tensor.reduction import mean
from saltus.tensor.tensor import Tensor, of_node
from saltus.tensor.tracing import here

_KNOTS = 256


@functools.lru_cache(maxsize=32)
def beta_quantiles(alpha: float) -> tuple[float, ...]:
    """Values below which 0/256, 1/256, ... of Beta(alpha, alpha) lie.

    With t = x^alpha the density is smooth up to the middle; the other half mirrors it.
    """
    t = np.linspace(0.0, 0.5**alpha, 20_001)
    height = (1 - t ** (1 / alpha)) ** (alpha - 1)
    below = np.concatenate([[0.0], np.cumsum((height[1:] + height[:-1]) / 2)])
    half = np.interp(np.arange(_KNOTS // 2 + 1) / _KNOTS, below / below[-1] / 2, t ** (1 / alpha))
    return (*half.tolist(), *(1 - half[-2::-1]).tolist())


def beta(draws: Draws, alpha: float) -> Tensor:
    """float32 (N,) from Beta(alpha, alpha), between the quantiles in straight lines."""
    place = draws.uniform() * _KNOTS
    low = floor(place)
    table = asarray(np.array(beta_quantiles(alpha), np.float32))
    index = low.astype("int32")
    first, last = (of_node(take(table.node, (index + step).node, axis=0)) for step in (0, 1))
    return first + (last - first) * (place - low)


def partners(draws: Draws) -> Tensor:
    """int32 (N,): for each sample another one of the batch."""
    count = draws.count
    shift = draws.shared().whole(high=max(count - 1, 1)) + (1 if count > 1 else 0)
    place = of_node(ramp((count,), 0, dt.int32)) + shift
    return where(place >= count, place - count, place)


def mixed(values: Any, partner: Tensor, share: Tensor) -> Any:
    """share * own + (1 - share) * partner's of all floats in a tree; whole numbers stay as they are."""

    def mix(value: Tensor) -> Tensor:
        if not value.dtype.is_float:
            return value
        own = reshape(share, (-1, *(1,) * (value.ndim - 1))).astype(value.dtype)
        return value * own + of_node(take(value.node, partner.node, axis=0)) * (1 - own)

    return tree.map(mix, values)


def _floats(values: Any) -> Any:
    """Bytes of images as floats; other whole numbers, such as categories, cannot be mixed."""
    return tree.map(lambda v: v.astype("float32") if v.dtype is dt.uint8 else v, values)


@register
class MixUp(Mixing):
    """Adds samples up in pairs, inputs and targets alike: a network learns to behave linearly between samples.

    Each sample keeps a share of at least one half, drawn from Beta(alpha, alpha). Whole numbers among the inputs (categories) stay.

    Args:
        alpha: the larger, the more equal the shares; 0.2 for images, up to 1 elsewhere.

    Source: Zhang, Cisse, Dauphin and Lopez-Paz, "mixup: beyond empirical risk minimization", 2017.

    Example:
        >>> from saltus import nn
        >>> nn.MixUp(0.4)
        MixUp(0.4)
    """

    alpha: float = 0.2

    def __post_init__(self) -> None:
        number(self, "alpha", self.alpha, low=0.01, high=100)

    def on_batch(self, draws: Draws, batch: Batch) -> Batch:
        partner, share = partners(draws), beta(draws, float(self.alpha))
        share = maximum(share, 1 - share)
        x, rest = _floats(batch["x"]), {name: value for name, value in batch.items() if name != "x"}
        return {"x": mixed(x, partner, share), **mixed(rest, partner, share)}


@register
class CutMix(Mixing):
    """Covers a rectangle of each image by that of another one; the targets are mixed by the areas.

    Args:
        factor: the share that an image keeps is drawn from Beta(factor, factor).

    Source: Yun et al., "CutMix: regularization strategy to train strong classifiers with localizable features", 2019.

    Example:
        >>> from saltus import nn
        >>> nn.CutMix()
        CutMix()
    """

    factor: float = 1.0

    def __post_init__(self) -> None:
        number(self, "factor", self.factor, low=0.01, high=100)

    def on_batch(self, draws: Draws, batch: Batch) -> Batch:
        x = batch["x"]
        if not isinstance(x, Tensor) or x.ndim != 4:
            shape = x.shape if isinstance(x, Tensor) else f"{len(tree.leaves(x))} inputs"
            raise ShapeError(f"CutMix takes images (N, height, width, channels), got {shape}", site=here(),
                             fix="for other data use nn.MixUp")  # fmt: skip
        x = x if x.dtype.is_float else x.astype("float32")
        partner = partners(draws)
        covered = rectangle(draws, 1 - beta(draws, float(self.factor)), (*x.shape[:3], 1), square=True)
        share = 1 - mean(covered.astype("float32"), axis=(1, 2, 3))
        rest = {name: value for name, value in batch.items() if name != "x"}
        return {"x": where(covered, of_node(take(x.node, partner.node, axis=0)), x), **mixed(rest, partner, share)}
