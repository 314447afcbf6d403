"""Losses of numbers: squared, absolute and relative errors and their robust forms. In: losses.base. Names
and arguments follow Keras.
"""

from __future__ import annotations

import math
from dataclasses import KW_ONLY
from typing import Any

from saltus.base.errors import ShapeError
from saltus.nn.checks import number
from saltus.nn.config import register
from saltus.nn.losses.base import SMALL, Loss, floats, same_shape
from saltus.nn.losses.classification import like
from saltus.tensor.elementwise import abs, log, log1p, maximum, rsqrt, softplus, square, where
from saltus.tensor.reduction import sum
from saltus.tensor.tensor import Tensor
from saltus.tensor.tracing import here


@register(aliases=("mse", "squared_error"))
class MeanSquaredError(Loss):
    """(t - y)^2.

    Returns:
        For targets and predictions (N, ...): (N,).

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> nn.losses.get("mse")(sl.asarray([1.0, 2.0]), sl.asarray([1.5, 2.0]))
        Tensor([0.25, 0.  ], shape=(2,), dtype=float32)
    """

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return square(y_pred - like(y_true, y_pred))


@register(aliases=("mae", "absolute_error"))
class MeanAbsoluteError(Loss):
    """|t - y|.

    Returns:
        For targets and predictions (N, ...): (N,).

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> nn.losses.MeanAbsoluteError()(sl.asarray([[1.0, 2.0]]), sl.asarray([[2.0, 4.0]])).tolist()
        [1.5]
    """

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return abs(y_pred - like(y_true, y_pred))


@register(aliases=("mape",))
class MeanAbsolutePercentageError(Loss):
    """100 |t - y| / |t|, with |t| not below 1e-7.

    Returns:
        For targets and predictions (N, ...): (N,).

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> nn.losses.MeanAbsolutePercentageError()(sl.asarray([[1.0, 2.0]]), sl.asarray([[2.0, 4.0]])).tolist()
        [100.0]
    """

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        true = like(y_true, y_pred)
        return abs(true - y_pred) / maximum(abs(true), SMALL) * 100.0


@register(aliases=("msle",))
class MeanSquaredLogarithmicError(Loss):
    """(log(1 + t) - log(1 + y))^2, with t and y not below 1e-7.

    Returns:
        For targets and predictions (N, ...): (N,).

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> nn.losses.MeanSquaredLogarithmicError()(sl.asarray([[1.0, 2.0]]), sl.asarray([[2.0, 4.0]])).tolist()
        [0.2127]
    """

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return square(log1p(maximum(y_pred, SMALL)) - log1p(maximum(like(y_true, y_pred), SMALL)))


@register(aliases=("huber_loss",))
class Huber(Loss):
    """e^2 / 2 for errors up to delta, delta (|e| - delta / 2) beyond: outliers pull less.

    Args:
        delta: where it turns from squared to straight.

    Returns:
        For targets and predictions (N, ...): (N,).

    Source: Huber, "Robust estimation of a location parameter", 1964.

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> nn.losses.Huber()(sl.asarray([[1.0, 2.0]]), sl.asarray([[2.0, 4.0]])).tolist()
        [1.0]
    """

    delta: float = 1.0

    def __post_init__(self) -> None:
        Loss.__post_init__(self)
        number(self, "delta", self.delta, low=0, open_low=True)

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        size = abs(y_pred - like(y_true, y_pred))
        return where(size <= self.delta, square(size) * 0.5, size * self.delta - 0.5 * self.delta**2)


@register(aliases=("smooth_l1_loss",))
class SmoothL1(Loss):
    """Huber divided by its delta: slope 1 far out, whatever beta is.

    Args:
        beta: where it turns from squared to straight.

    Returns:
        For targets and predictions (N, ...): (N,).

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> nn.losses.SmoothL1()(sl.asarray([[1.0, 2.0]]), sl.asarray([[2.0, 4.0]])).tolist()
        [1.0]
    """

    beta: float = 1.0

    def __post_init__(self) -> None:
        Loss.__post_init__(self)
        number(self, "beta", self.beta, low=0, open_low=True)

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        size = abs(y_pred - like(y_true, y_pred))
        return where(size < self.beta, square(size) * (0.5 / self.beta), size - 0.5 * self.beta)


@register
class LogCosh(Loss):
    """log(cosh(t - y)): about e^2 / 2 for small errors and |e| - log 2 for large ones.

    Returns:
        For targets and predictions (N, ...): (N,).

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> nn.losses.LogCosh()(sl.asarray([[1.0, 2.0]]), sl.asarray([[2.0, 4.0]])).tolist()
        [0.8794]
    """

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        size = abs(y_pred - like(y_true, y_pred))
        return size + softplus(size * -2.0) - math.log(2)


@register
class Poisson(Loss):
    """y - t log(y), for counts t and expected counts y.

    Returns:
        For targets and predictions (N, ...): (N,).

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> nn.losses.Poisson()(sl.asarray([[1.0, 2.0]]), sl.asarray([[2.0, 4.0]])).tolist()
        [1.2671]
    """

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return y_pred - like(y_true, y_pred) * log(y_pred + SMALL)


@register
class CosineSimilarity(Loss):
    """-cosine of the angle between target and prediction: -1 same direction, 1 opposite.

    Args:
        axis: the axis of the vectors.

    Returns:
        For targets and predictions (N, ...): (N,).

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> nn.losses.CosineSimilarity()(sl.asarray([[1.0, 2.0]]), sl.asarray([[2.0, 4.0]])).tolist()
        [-1.0]
    """

    _: KW_ONLY
    axis: int = -1

    def check(self, y_true: Any, y_pred: Any, network: Any = None) -> None:
        floats(self.title, y_pred)
        same_shape(self.title, y_true, y_pred)
        if len(y_pred.shape) < 2:
            raise ShapeError(
                f"{self.title} compares vectors, got predictions of the shape {tuple(y_pred.shape)}",
                site=here(),
                fix="use shape (N, features)",
            )

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return -cosine(like(y_true, y_pred), y_pred, self.axis)


def cosine(a: Tensor, b: Tensor, axis: int) -> Tensor:
    """Cosine of the angle between vectors along an axis; 0 for a vector of zeros."""
    scale = rsqrt(maximum(sum(square(a), axis=axis), 1e-12)) * rsqrt(maximum(sum(square(b), axis=axis), 1e-12))
    return sum(a * b, axis=axis) * scale
