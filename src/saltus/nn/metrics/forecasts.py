"""Metrics of forecasts: errors relative to sizes, to naive forecasts, and of quantiles. In: metrics.base, losses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from saltus.base.errors import DataError
from saltus.nn.checks import number, whole
from saltus.nn.config import register
from saltus.nn.losses.base import same_shape
from saltus.nn.losses.likelihood import Quantile
from saltus.nn.metrics.base import EXACT, Averaged, Metric, per_sample, ratio, weights_of
from saltus.tensor.creation import zeros
from saltus.tensor.elementwise import abs, sqrt, square, where
from saltus.tensor.operands import as_tensor
from saltus.tensor.reduction import sum
from saltus.tensor.tensor import Tensor


def naive_scale(series: Any, season: int = 1, *, squared: bool = False) -> float:
    """The error that the seasonal naive forecast makes in training: what MASE and RMSSE divide by.

    Args:
        series: values in their order, (time,) or (time, series) for the mean over several; NaN where nothing was measured.
        season: steps after which the series is taken to repeat.
        squared: the mean of squares, for RMSSE, instead of sizes.

    Raises:
        DataError: the series is too short, or never changes.

    Example:
        >>> naive_scale([1.0, 2.0, 4.0, 5.0])
        1.3333333333333333
    """
    values = np.asarray(series, dtype=np.float64)
    whole("naive_scale", "season", season)
    if values.ndim == 0 or len(values) <= season:
        raise DataError(
            f"naive_scale: a season of {season} needs more than {season} values, got {values.size}", fix="give a longer series, or season=1"
        )
    steps = values[season:] - values[:-season]
    made = float(np.nanmean(steps**2 if squared else np.abs(steps)))
    if not made > 0:
        raise DataError("naive_scale: the series never changes, so that nothing can be measured against it", fix="leave it out")
    return made


@register(aliases=("symmetric_mean_absolute_percentage_error",))
class SMAPE(Averaged):
    """Mean of 200 |t - y| / (|t| + |y|): from 0 to 200 percent; 0 where both are 0.

    Source: Makridakis, "Accuracy measures: theoretical and practical concerns", 1993.

    Example:
        >>> from saltus import nn
        >>> float(nn.metrics.SMAPE()([[1.0], [2.0]], [[3.0], [2.0]]))
        50.0
    """

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        same_shape(self.title, y_true, y_pred)
        true = y_true.astype(y_pred.dtype)
        size = abs(true) + abs(y_pred)
        some = size > 0
        return where(some, abs(true - y_pred) * 200.0 / where(some, size, 1.0), 0.0)


class _Share(Metric):
    """Base: one sum over another."""

    def init(self) -> Any:
        return {"part": zeros((), dtype=EXACT), "whole": zeros((), dtype=EXACT)}

    def _sums(self, true: Tensor, pred: Tensor) -> tuple[Tensor, Tensor]:
        """Of each sample, the mean of what is counted and of what it is counted against."""
        raise NotImplementedError

    def update(self, state: Any, y_true: Any, y_pred: Any, weight: Any = None) -> Any:
        true, pred = as_tensor(y_true), as_tensor(y_pred)
        part, against = (per_sample(v.astype(EXACT)) for v in self._sums(true.astype(pred.dtype), pred))
        weight = weights_of(self.title, weight, pred.shape[0])
        if weight is not None:
            own = weight.astype(EXACT)
            part, against = (where(own != 0, v * own, 0.0) for v in (part, against))
        return {"part": state["part"] + sum(part), "whole": state["whole"] + sum(against)}


@register(aliases=("weighted_absolute_percentage_error",))
class WAPE(_Share):
    """100 sum |t - y| / sum |t|: the error in percent of the whole, which zeros among the targets do not spoil.

    Example:
        >>> from saltus import nn
        >>> float(nn.metrics.WAPE()([[0.0], [4.0]], [[1.0], [3.0]]))
        50.0
    """

    def _sums(self, true: Tensor, pred: Tensor) -> tuple[Tensor, Tensor]:
        same_shape(self.title, true, pred)
        return abs(true - pred), abs(true)

    def result(self, state: Any) -> Tensor:
        return ratio(state["part"] * 100.0, state["whole"])


@register(aliases=("weighted_quantile_loss",))
class WQL(_Share):
    """2 sum of quantile losses / sum |t|, the mean over the quantiles; predictions are laid out as for `nn.losses.Quantile`.

    Args:
        quantiles: the shares of the targets that are to lie below.

    Source: Gasthaus et al., "Probabilistic forecasting with spline quantile function RNNs", 2019.

    Example:
        >>> from saltus import nn
        >>> float(nn.metrics.WQL((0.1, 0.9))([[1.0], [3.0]], [[0.0, 2.0], [3.0, 3.0]]))
        0.05
    """

    quantiles: Any = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)

    def __post_init__(self) -> None:
        self._set(quantiles=Quantile(self.quantiles).quantiles)

    def _sums(self, true: Tensor, pred: Tensor) -> tuple[Tensor, Tensor]:
        return Quantile(self.quantiles, name=self.title)(true, pred) * 2.0, abs(true)

    def result(self, state: Any) -> Tensor:
        return ratio(state["part"], state["whole"])


@dataclass(frozen=True, repr=False)
class _Scaled(Averaged):
    """Base: errors beside those of the naive forecast in training."""

    scale: float

    def __post_init__(self) -> None:
        number(self, "scale", self.scale, low=0, open_low=True)


@register(aliases=("mean_absolute_scaled_error",))
class MASE(_Scaled):
    """Mean of |t - y| over the error of the naive forecast in training: below 1 is better than naive.

    Args:
        scale: that error, `nn.metrics.naive_scale(series, season)`.

    Source: Hyndman and Koehler, "Another look at measures of forecast accuracy", 2006.

    Example:
        >>> from saltus import nn
        >>> float(nn.metrics.MASE(nn.metrics.naive_scale([1.0, 3.0, 5.0]))([[6.0]], [[7.0]]))
        0.5
    """

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        same_shape(self.title, y_true, y_pred)
        return abs(y_true.astype(y_pred.dtype) - y_pred) / self.scale


@register(aliases=("root_mean_squared_scaled_error",))
class RMSSE(_Scaled):
    """Square root of the mean of (t - y)^2 over the mean squared error of the naive forecast in training.

    Args:
        scale: that mean, `nn.metrics.naive_scale(series, season, squared=True)`.

    Source: Hyndman and Koehler, "Another look at measures of forecast accuracy", 2006.

    Example:
        >>> from saltus import nn
        >>> float(nn.metrics.RMSSE(nn.metrics.naive_scale([1.0, 3.0, 5.0], squared=True))([[6.0]], [[7.0]]))
        0.5
    """

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        same_shape(self.title, y_true, y_pred)
        return square(y_true.astype(y_pred.dtype) - y_pred) / self.scale

    def result(self, state: Any) -> Tensor:
        return sqrt(ratio(state["total"], state["count"]))
