"""The loss by which one network learns what another says. In: losses.classification."""

from __future__ import annotations

from dataclasses import KW_ONLY
from typing import Any

from saltus.nn.checks import number
from saltus.nn.config import register
from saltus.nn.losses.base import SMALL, Loss, same_shape
from saltus.nn.losses.classification import like, not_single, rows_of
from saltus.nn.losses.logits import predictions
from saltus.tensor.elementwise import clip, log
from saltus.tensor.neural import log_softmax, softmax
from saltus.tensor.reduction import sum
from saltus.tensor.tensor import Tensor


@register
class Distillation(Loss):
    """temperature^2 * cross-entropy of a teacher's probabilities and one's own, both made flatter by the temperature.

    Args:
        temperature: above 1 the classes that the teacher holds for unlikely count more.
        from_logits: True: predictions are logits; False: probabilities; None: found out from the network.

    Returns:
        For probabilities (N, classes) of the teacher and predictions (N, classes): (N,).

    Source: Hinton, Vinyals and Dean, "Distilling the knowledge in a neural network", 2015.

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> loss = nn.losses.Distillation(1.0, from_logits=False)
        >>> loss(sl.asarray([[0.0, 1.0]]), sl.asarray([[0.5, 0.5]]))
        Tensor([0.6931472], shape=(1,), dtype=float32)
    """

    temperature: float = 2.0
    _: KW_ONLY
    from_logits: bool | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        number(self, "temperature", self.temperature, low=0, open_low=True)

    def check(self, y_true: Any, y_pred: Any, network: Any = None) -> None:
        rows_of(self.title, y_pred)
        not_single(self.title, y_pred.shape, -1)
        same_shape(self.title, y_true, y_pred)

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        y = predictions(self.title, y_pred, self.from_logits, "softmax", -1)
        own = y.logits if y.logits is not None else log(clip(y.given, SMALL, 1.0))
        taught = softmax(log(clip(like(y_true, y_pred), SMALL, 1.0)) / self.temperature)
        return -sum(taught * log_softmax(own / self.temperature), axis=-1) * self.temperature**2
