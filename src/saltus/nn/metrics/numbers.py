"""Metrics of numbers, and losses as metrics. In: metrics.base, losses."""

from __future__ import annotations

import dataclasses
from dataclasses import KW_ONLY
from typing import Any, ClassVar

from saltus.nn.checks import one_of
from saltus.nn.config import register
from saltus.nn.losses import classification as c
from saltus.nn.losses import regression as r
from saltus.nn.losses.base import Loss, same_shape
from saltus.nn.metrics.base import EXACT, Averaged, Metric, ratio, weights_of
from saltus.tensor.creation import zeros
from saltus.tensor.elementwise import sqrt, square, where
from saltus.tensor.manipulation import reshape
from saltus.tensor.operands import as_tensor
from saltus.tensor.reduction import mean, sum
from saltus.tensor.tensor import Tensor


class _OfLoss(Averaged):
    """Base of metrics that are the mean of a loss; its fields are those of the loss."""

    loss: ClassVar[type[Loss]]

    def _made(self) -> Loss:
        own = {f.name for f in dataclasses.fields(type(self).loss)} - {"name", "reduction"}
        return type(self).loss(**{n: getattr(self, n) for n in own}, name=self.title)

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return self._made()(y_true, y_pred)

    def counted(self, y_true: Tensor) -> Tensor | None:
        return self._made().valid(y_true)


@register(aliases=("mse",))
class MeanSquaredError(_OfLoss):
    """Mean of (t - y)^2.

    Example:
        >>> from saltus import nn
        >>> float(nn.metrics.MeanSquaredError()([[1.0], [2.0]], [[1.0], [4.0]]))
        2.0
    """

    loss: ClassVar = r.MeanSquaredError


@register(aliases=("rmse",))
class RootMeanSquaredError(_OfLoss):
    """Square root of the mean of (t - y)^2, in the unit of the target.

    Example:
        >>> from saltus import nn
        >>> float(nn.metrics.RootMeanSquaredError()([[1.0], [2.0]], [[1.0], [4.0]]))
        1.4142
    """

    loss: ClassVar = r.MeanSquaredError

    def result(self, state: Any) -> Tensor:
        return sqrt(ratio(state["total"], state["count"]))


@register(aliases=("mae",))
class MeanAbsoluteError(_OfLoss):
    """Mean of |t - y|, in the unit of the target.

    Example:
        >>> from saltus import nn
        >>> float(nn.metrics.MeanAbsoluteError()([[1.0], [2.0]], [[1.0], [4.0]]))
        1.0
    """

    loss: ClassVar = r.MeanAbsoluteError


@register(aliases=("mape",))
class MeanAbsolutePercentageError(_OfLoss):
    """Mean of 100 |t - y| / |t|.

    Example:
        >>> from saltus import nn
        >>> float(nn.metrics.MeanAbsolutePercentageError()([[1.0], [2.0]], [[1.0], [4.0]]))
        50.0
    """

    loss: ClassVar = r.MeanAbsolutePercentageError


@register(aliases=("msle",))
class MeanSquaredLogarithmicError(_OfLoss):
    """Mean of (log(1 + t) - log(1 + y))^2.

    Example:
        >>> from saltus import nn
        >>> float(nn.metrics.MeanSquaredLogarithmicError()([[1.0], [2.0]], [[1.0], [4.0]]))
        0.1305
    """

    loss: ClassVar = r.MeanSquaredLogarithmicError


@register(aliases=("log_cosh", "logcosh"))
class LogCoshError(_OfLoss):
    """Mean of log(cosh(t - y)).

    Example:
        >>> from saltus import nn
        >>> float(nn.metrics.LogCoshError()([[1.0], [2.0]], [[1.0], [4.0]]))
        0.6625
    """

    loss: ClassVar = r.LogCosh


@register
class Poisson(_OfLoss):
    """Mean of y - t log(y).

    Example:
        >>> from saltus import nn
        >>> float(nn.metrics.Poisson()([[1.0], [2.0]], [[1.0], [4.0]]))
        1.1137
    """

    loss: ClassVar = r.Poisson


@register
class Hinge(_OfLoss):
    """Mean of max(1 - t y, 0).

    Example:
        >>> from saltus import nn
        >>> float(nn.metrics.Hinge()([[-1.0], [1.0]], [[0.5], [0.5]]))
        1.0
    """

    loss: ClassVar = c.Hinge


@register
class SquaredHinge(_OfLoss):
    """Mean of max(1 - t y, 0)^2.

    Example:
        >>> from saltus import nn
        >>> float(nn.metrics.SquaredHinge()([[-1.0], [1.0]], [[0.5], [0.5]]))
        1.25
    """

    loss: ClassVar = c.SquaredHinge


@register
class CategoricalHinge(_OfLoss):
    """Mean of max(largest wrong score - right score + 1, 0).

    Example:
        >>> from saltus import nn
        >>> float(nn.metrics.CategoricalHinge()([[0.0, 1.0]], [[0.25, 0.5]]))
        0.75
    """

    loss: ClassVar = c.CategoricalHinge


@register(aliases=("kld",))
class KLDivergence(_OfLoss):
    """Mean of sum(t log(t / p)).

    Example:
        >>> from saltus import nn
        >>> float(nn.metrics.KLDivergence()([[0.5, 0.5]], [[0.25, 0.75]]))
        0.1438
    """

    loss: ClassVar = c.KLDivergence


@register(aliases=("bce",))
class BinaryCrossentropy(_OfLoss):
    """Mean binary cross-entropy.

    Args:
        from_logits, label_smoothing, pos_weight: as for the loss.

    Example:
        >>> from saltus import nn
        >>> float(nn.metrics.BinaryCrossentropy()([[1.0]], [[0.5]]))
        0.6931
    """

    loss: ClassVar = c.BinaryCrossentropy
    from_logits: bool | None = None
    _: KW_ONLY
    label_smoothing: float = 0.0
    pos_weight: Any = None


@register
class CategoricalCrossentropy(_OfLoss):
    """Mean cross-entropy of one-hot targets.

    Args:
        from_logits, label_smoothing, axis: as for the loss.

    Example:
        >>> from saltus import nn
        >>> float(nn.metrics.CategoricalCrossentropy()([[0.0, 1.0]], [[0.5, 0.5]]))
        0.6931
    """

    loss: ClassVar = c.CategoricalCrossentropy
    from_logits: bool | None = None
    _: KW_ONLY
    label_smoothing: float = 0.0
    axis: int = -1


@register(aliases=("log_loss",))
class SparseCategoricalCrossentropy(_OfLoss):
    """Mean cross-entropy of class numbers.

    Args:
        from_logits, ignore_class, label_smoothing, axis: as for the loss.

    Example:
        >>> from saltus import nn
        >>> float(nn.metrics.SparseCategoricalCrossentropy()([1], [[0.5, 0.5]]))
        0.6931
    """

    loss: ClassVar = c.SparseCategoricalCrossentropy
    from_logits: bool | None = None
    _: KW_ONLY
    ignore_class: int | None = None
    label_smoothing: float = 0.0
    axis: int = -1


@register
class CosineSimilarity(Averaged):
    """Mean cosine of the angle between target and prediction.

    Args:
        axis: the axis of the vectors.

    Example:
        >>> from saltus import nn
        >>> float(nn.metrics.CosineSimilarity()([[1.0, 0.0]], [[3.0, 4.0]]))
        0.6
    """

    _: KW_ONLY
    axis: int = -1

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return -r.CosineSimilarity(axis=self.axis, name=self.title)(y_true, y_pred)


@register
class Mean(Averaged):
    """Mean of the predictions; the targets do not count.

    Example:
        >>> from saltus import nn
        >>> float(nn.metrics.Mean()([[1.0], [2.0]], [[1.0], [4.0]]))
        2.5
    """

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return y_pred


@register
class Sum(Mean):
    """Sum of the predictions, of each sample the mean; the targets do not count.

    Example:
        >>> from saltus import nn
        >>> float(nn.metrics.Sum()([[1.0], [2.0]], [[1.0], [4.0]]))
        5.0
    """

    def result(self, state: Any) -> Tensor:
        return state["total"].astype("float32")


@register(aliases=("r2",))
class R2Score(Metric):
    """1 - (sum of squared errors) / (sum of squared distances from the mean target): 1 is perfect, 0 as
    good as the mean.

    Args:
        class_aggregation: over several outputs: "uniform_average", "variance_weighted_average", or None for
            one number an output.
        outputs: how many outputs there are; None is filled in from the network's output.

    Returns:
        `result`: a float32 Tensor of shape (), or (outputs,). An output whose targets are all equal gives 0.

    Example:
        >>> from saltus import nn
        >>> float(nn.metrics.R2Score()([[1.0], [2.0]], [[1.0], [4.0]]))
        -7.0
    """

    class_aggregation: str | None = "uniform_average"
    _: KW_ONLY
    outputs: int | None = None

    def __post_init__(self) -> None:
        if self.class_aggregation is not None:
            one_of(self, "class_aggregation", self.class_aggregation, ("uniform_average", "variance_weighted_average"))

    def fitted(self, output_shape: Any) -> R2Score:
        """The metric for predictions of a shape."""
        if self.outputs is not None or output_shape is None:
            return self
        return self.replace(outputs=output_shape[-1] if len(output_shape) > 1 else 1)

    def init(self) -> Any:
        n = self.outputs or 1
        return {k: zeros((n,), dtype=EXACT) for k in ("error", "total", "squares")} | {"count": zeros((), dtype=EXACT)}

    def __call__(self, y_true: Any, y_pred: Any, weight: Any = None) -> Tensor:
        fitted = self.fitted(as_tensor(y_pred).shape)
        return fitted.result(fitted.update(fitted.init(), y_true, y_pred, weight))

    def update(self, state: Any, y_true: Any, y_pred: Any, weight: Any = None) -> Any:
        true, pred = as_tensor(y_true), as_tensor(y_pred)
        same_shape(self.title, true, pred)
        # squares of large targets differ in late digits only, so they are added in double precision from the start
        shape = (pred.shape[0], 1) if pred.ndim == 1 else (pred.size // max(1, pred.shape[-1]), pred.shape[-1])
        t, p = reshape(true.astype(EXACT), shape), reshape(pred.astype(EXACT), shape)
        weight = weights_of(self.title, weight, pred.shape[0])
        if weight is None:
            each: Any = 1.0
            count: Any = float(shape[0])
        else:
            repeats = shape[0] // max(1, pred.shape[0])
            each = reshape(weight.astype(EXACT)[:, None] * _ones(repeats), (shape[0], 1))
            count = sum(each)
        return {
            "error": state["error"] + sum(square(t - p) * each, axis=0),
            "total": state["total"] + sum(t * each, axis=0),
            "squares": state["squares"] + sum(square(t) * each, axis=0),
            "count": state["count"] + count,
        }

    def result(self, state: Any) -> Tensor:
        some = state["count"] > 0
        spread = state["squares"] - square(state["total"]) / where(some, state["count"], 1.0)
        spread = where(spread > state["squares"] * 1e-14, spread, 0.0)
        varies = spread > 0
        score = where(varies, 1.0 - state["error"] / where(varies, spread, 1.0), 0.0)
        if self.class_aggregation == "uniform_average":
            score = mean(score)
        elif self.class_aggregation == "variance_weighted_average":
            score = ratio(sum(score * spread), sum(spread))
        return score.astype("float32")


def _ones(n: int) -> Tensor:
    return zeros((1, n), dtype=EXACT) + 1.0
