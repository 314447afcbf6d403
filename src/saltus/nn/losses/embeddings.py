"""A loss of vectors: those of one class are to lie close together, others apart. In: losses.base."""

from __future__ import annotations

from typing import Any

from saltus.nn.checks import number
from saltus.nn.config import register
from saltus.nn.losses.base import Loss, vectors_of_classes
from saltus.tensor.creation import eye
from saltus.tensor.elementwise import logical_and, logical_not, maximum, rsqrt, softplus, square, stop_gradient, where
from saltus.tensor.manipulation import matrix_transpose
from saltus.tensor.neural import logsumexp
from saltus.tensor.products import matmul
from saltus.tensor.reduction import sum
from saltus.tensor.tensor import Tensor

_NONE = -1e9  # stands for the logarithm of 0


@register
class Circle(Loss):
    """log(1 + sum exp(gamma a_n (s_n - margin)) sum exp(-gamma a_p (s_p - 1 + margin))), over the cosines s_p to samples of the
    same class and s_n to others; a_p and a_n grow with their distance from where they should be.

    Args:
        gamma: scale.
        margin: how far both kinds of cosines are let off.
        remove_diagonal: a sample is no partner of itself.

    Returns:
        For class numbers (N,) and vectors (N, width), which are brought to length 1: (N,), 0 for a sample alone in its class.

    Source: Sun et al., "Circle loss: a unified perspective of pair similarity optimization", 2020.

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> loss = nn.losses.Circle(gamma=8)
        >>> apart = loss(sl.asarray([0, 0, 1]), sl.asarray([[1.0, 0.0], [1.0, 0.1], [-1.0, 0.0]]))
        >>> mixed = loss(sl.asarray([0, 1, 0]), sl.asarray([[1.0, 0.0], [1.0, 0.1], [-1.0, 0.0]]))
        >>> float(sl.sum(apart)) < float(sl.sum(mixed))
        True
    """

    gamma: float = 80.0
    margin: float = 0.4
    remove_diagonal: bool = True

    def __post_init__(self) -> None:
        Loss.__post_init__(self)
        number(self, "gamma", self.gamma, low=0, open_low=True)
        number(self, "margin", self.margin, low=0, high=1)

    def check(self, y_true: Any, y_pred: Any, network: Any = None) -> None:
        vectors_of_classes(self.title, y_true, y_pred)

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        unit = y_pred * rsqrt(maximum(sum(square(y_pred), axis=1, keepdims=True), 1e-12))
        cosine = matmul(unit, matrix_transpose(unit))
        alike = y_true[:, None] == y_true[None, :]
        partner = logical_and(alike, logical_not(eye(y_true.shape[0], dtype="bool"))) if self.remove_diagonal else alike
        far = stop_gradient(maximum(1 + self.margin - cosine, 0.0))
        near = stop_gradient(maximum(cosine + self.margin, 0.0))
        pull = where(partner, -self.gamma * far * (cosine - (1 - self.margin)), _NONE)
        push = where(alike, _NONE, self.gamma * near * (cosine - self.margin))
        return softplus(logsumexp(pull, axis=1) + logsumexp(push, axis=1))
