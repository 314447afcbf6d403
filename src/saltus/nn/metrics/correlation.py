"""Metrics of how targets and predictions go together: Pearson's and the concordance correlation. In: metrics.base."""

from __future__ import annotations

from dataclasses import KW_ONLY
from typing import Any

from saltus.base.errors import ShapeError
from saltus.nn.checks import whole
from saltus.nn.config import register
from saltus.nn.losses.base import same_shape
from saltus.nn.metrics.base import EXACT, Metric, weights_of
from saltus.tensor.creation import zeros
from saltus.tensor.elementwise import sqrt, square, where
from saltus.tensor.manipulation import reshape
from saltus.tensor.operands import as_tensor
from saltus.tensor.reduction import mean, sum
from saltus.tensor.tensor import Tensor
from saltus.tensor.tracing import here


@register
class PearsonCorrelation(Metric):
    """Covariance of target and prediction over the product of their standard deviations: 1 where they lie on a rising line.

    Args:
        axis: 0 for the correlation over all samples (the mean over outputs); -1 for that of the values within each sample (the
            mean over samples), as Keras has it.
        outputs: how many outputs there are, for axis 0; None is filled in from the network's output.

    Returns:
        `result`: a float32 Tensor of shape (); what does not vary has the correlation 0.

    Example:
        >>> from saltus import nn
        >>> float(nn.metrics.PearsonCorrelation(axis=0)([1.0, 2.0, 3.0], [10.0, 20.0, 30.0]))
        1.0
    """

    axis: int = 0
    _: KW_ONLY
    outputs: int | None = None

    def __post_init__(self) -> None:
        if self.outputs is not None:
            whole(self, "outputs", self.outputs)

    def fitted(self, output_shape: Any) -> Any:
        """The metric for predictions of a shape."""
        if self.outputs is not None or output_shape is None or self.axis != 0:
            return self
        return self.replace(outputs=output_shape[-1] if len(output_shape) > 1 else 1)

    def __call__(self, y_true: Any, y_pred: Any, weight: Any = None) -> Tensor:
        fitted = self.fitted(as_tensor(y_pred).shape)
        return fitted.result(fitted.update(fitted.init(), y_true, y_pred, weight))  # type: ignore[no-any-return]

    def init(self) -> Any:
        if self.axis != 0:
            return {"total": zeros((), dtype=EXACT), "count": zeros((), dtype=EXACT)}
        n = self.outputs or 1
        return {k: zeros((n,), dtype=EXACT) for k in ("t", "p", "tt", "pp", "tp")} | {"count": zeros((), dtype=EXACT)}

    def update(self, state: Any, y_true: Any, y_pred: Any, weight: Any = None) -> Any:
        true, pred = as_tensor(y_true), as_tensor(y_pred)
        same_shape(self.title, true, pred)
        weight = weights_of(self.title, weight, pred.shape[0])
        if self.axis != 0:
            return self._update_within(state, true, pred, weight)
        width = 1 if pred.ndim == 1 else pred.shape[-1]
        t, p = (reshape(v.astype(EXACT), (v.size // max(1, width), width)) for v in (true, pred))
        if weight is None:
            each: Any = 1.0
            count: Any = float(t.shape[0])
        else:
            repeats = t.shape[0] // max(1, pred.shape[0])
            each = reshape(weight.astype(EXACT)[:, None] + zeros((1, repeats), dtype=EXACT), (t.shape[0], 1))
            count = sum(each)
        sums = {"t": t, "p": p, "tt": square(t), "pp": square(p), "tp": t * p}
        return {k: state[k] + sum(v * each, axis=0) for k, v in sums.items()} | {"count": state["count"] + count}

    def _update_within(self, state: Any, true: Tensor, pred: Tensor, weight: Tensor | None) -> Any:
        if pred.ndim < 2 or pred.shape[self.axis] < 2:
            raise ShapeError(
                f"{self.title}: there is one value a sample, in predictions of shape {pred.shape}", site=here(),
                fix="use axis=0 for the correlation over the samples",
            )  # fmt: skip
        t, p = true.astype(EXACT), pred.astype(EXACT)
        mt, mp = (mean(v, axis=self.axis, keepdims=True) for v in (t, p))
        found = self._score(
            mt, mp, mean(square(t - mt), axis=self.axis, keepdims=True), mean(square(p - mp), axis=self.axis, keepdims=True),
            mean((t - mt) * (p - mp), axis=self.axis, keepdims=True),
        )  # fmt: skip
        each = mean(reshape(found, (found.shape[0], found.size // max(1, found.shape[0]))), axis=1)
        if weight is None:
            return {"total": state["total"] + sum(each), "count": state["count"] + float(pred.shape[0])}
        own = weight.astype(EXACT)
        return {"total": state["total"] + sum(each * own), "count": state["count"] + sum(own)}

    def result(self, state: Any) -> Tensor:
        some = state["count"] > 0
        count = where(some, state["count"], 1.0)
        if self.axis != 0:
            return (state["total"] / count).astype("float32")
        mt, mp = state["t"] / count, state["p"] / count
        vt, vp = (_spread(state[k] / count, m) for k, m in (("tt", mt), ("pp", mp)))
        return mean(self._score(mt, mp, vt, vp, state["tp"] / count - mt * mp)).astype("float32")

    def _score(self, mt: Tensor, mp: Tensor, vt: Tensor, vp: Tensor, together: Tensor) -> Tensor:
        """The correlation from means, variances and covariance."""
        scale = sqrt(vt * vp)
        return where(scale > 0, together / where(scale > 0, scale, 1.0), 0.0)


def _spread(squares: Tensor, middle: Tensor) -> Tensor:
    """A variance from the mean of squares and the mean; what is lost in rounding counts as 0."""
    found = squares - square(middle)
    return where(found > squares * 1e-14, found, 0.0)


@register
class ConcordanceCorrelation(PearsonCorrelation):
    """2 covariance / (both variances + squared difference of means): 1 only where predictions equal targets.

    Args:
        axis, outputs: as for `PearsonCorrelation`.

    Source: Lin, "A concordance correlation coefficient to evaluate reproducibility", 1989.

    Example:
        >>> from saltus import nn
        >>> float(nn.metrics.ConcordanceCorrelation(axis=0)([1.0, 2.0, 3.0], [2.0, 3.0, 4.0]))
        0.5714
    """

    def _score(self, mt: Tensor, mp: Tensor, vt: Tensor, vp: Tensor, together: Tensor) -> Tensor:
        scale = vt + vp + square(mt - mp)
        return where(scale > 0, 2.0 * together / where(scale > 0, scale, 1.0), 0.0)
