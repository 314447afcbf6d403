"""Losses of overlap, for masks of images: Dice and Tversky. In: losses.logits. Names and arguments follow Keras."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY
from typing import Any

from saltus.base.errors import ArgumentError
from saltus.nn.checks import number
from saltus.nn.config import register
from saltus.nn.losses.base import SMALL, Loss, floats, same_shape
from saltus.nn.losses.classification import like
from saltus.nn.losses.logits import predictions
from saltus.tensor.reduction import sum
from saltus.tensor.tensor import Tensor
from saltus.tensor.tracing import here


@register
class Tversky(Loss):
    """1 - hits / (hits + alpha * false positives + beta * false negatives), with probabilities in place of counts.

    Args:
        alpha: weight of false positives.
        beta: weight of false negatives; above alpha, what is missed costs more than what is invented.
        axis: axes that are counted together; None for all but the batch, so that every sample has one overlap. (Keras counts
            the batch too.)
        from_logits: True: predictions are logits; False: probabilities; None: found out from the network (see `nn.losses`).

    Returns:
        For targets between 0 and 1 and predictions (N, ...): (N,).

    Source: Salehi, Erdogmus and Gholipour, "Tversky loss function for image segmentation using 3D fully convolutional deep
        networks", 2017.

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> nn.losses.Tversky(0.3, 0.7)(sl.asarray([[1.0, 1.0, 0.0]]), sl.asarray([[1.0, 0.0, 0.0]])).tolist()
        [0.4117]
    """

    alpha: float = 0.5
    beta: float = 0.5
    _: KW_ONLY
    axis: Any = None
    from_logits: bool | None = None

    def __post_init__(self) -> None:
        Loss.__post_init__(self)
        number(self, "alpha", self.alpha, low=0)
        number(self, "beta", self.beta, low=0)
        if self.axis is not None:
            self._set(axis=tuple(self.axis) if isinstance(self.axis, Sequence) else (self.axis,))

    def check(self, y_true: Any, y_pred: Any, network: Any = None) -> None:
        floats(self.title, y_pred)
        same_shape(self.title, y_true, y_pred)
        if self.axis is not None and any(axis % len(y_pred.shape) == 0 for axis in self.axis):
            raise ArgumentError(f"{self.title}: axis {self.axis} counts the batch", site=here(), fix="leave axis 0 out")

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        true, chance = like(y_true, y_pred), predictions(self.title, y_pred, self.from_logits, "sigmoid").probabilities
        axes = tuple(range(1, y_pred.ndim)) if self.axis is None else self.axis
        hits = sum(true * chance, axis=axes) if axes else true * chance
        invented = sum((1.0 - true) * chance, axis=axes) if axes else (1.0 - true) * chance
        missed = sum(true * (1.0 - chance), axis=axes) if axes else true * (1.0 - chance)
        return 1.0 - (hits + SMALL) / (hits + invented * self.alpha + missed * self.beta + SMALL)


@register
class Dice(Tversky):
    """1 - 2 hits / (size of the target + size of the prediction): Tversky's loss with both weights 1/2.

    Args:
        axis, from_logits: as for `Tversky`.

    Returns:
        For targets between 0 and 1 and predictions (N, ...): (N,).

    Source: Milletari, Navab and Ahmadi, "V-Net: fully convolutional neural networks for volumetric medical image segmentation",
        2016, without its squares.

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> nn.losses.Dice()(sl.asarray([[1.0, 1.0, 0.0]]), sl.asarray([[1.0, 0.0, 0.0]])).tolist()
        [0.3333]
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.alpha, self.beta) != (0.5, 0.5):
            raise ArgumentError("Dice has the weights 1/2", fix="use Tversky for others")
