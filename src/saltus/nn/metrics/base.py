"""What every metric is: sums that grow batch by batch, inside the compiled step, and a number made of them.
In: config, losses.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar

from saltus.base.errors import ArgumentError, ShapeError
from saltus.nn.config import Record, register, snake
from saltus.tensor.creation import zeros
from saltus.tensor.elementwise import where
from saltus.tensor.operands import as_tensor
from saltus.tensor.reduction import mean, sum
from saltus.tensor.tensor import Tensor
from saltus.tensor.tracing import here

EXACT = "float64"  # sums over an epoch: counts stay exact up to 2^53


@dataclass(frozen=True, repr=False)
class Metric(Record):
    """Base of all metrics: pure functions on a state; derive from it and put @nn.register above.

    Args:
        name: for logs; None takes the name of the class.

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> metric = nn.metrics.SparseCategoricalAccuracy()
        >>> state = metric.init()
        >>> state = metric.update(state, sl.asarray([0, 1]), sl.asarray([[0.9, 0.1], [0.8, 0.2]]))
        >>> float(metric.result(state))
        0.5
    """

    kind: ClassVar[str] = "metrics"
    _: KW_ONLY
    name: str | None = None

    def fitted(self, output_shape: Any) -> Any:
        """The metric for predictions of a shape, where it must know their number."""
        return self

    def init(self) -> Any:
        """The state before the first batch: a tree of Tensors."""
        raise ArgumentError(f"{type(self).__name__} has no method init(self)")

    def update(self, state: Any, y_true: Any, y_pred: Any, weight: Any = None) -> Any:
        """The state after a batch.

        Args:
            state: the state before.
            y_true, y_pred: targets and predictions, the batch first.
            weight: (batch,), the weight of each sample, or None.

        Returns:
            A state of the same form.
        """
        raise ArgumentError(f"{type(self).__name__} has no method update(self, state, y_true, y_pred, weight)")

    def result(self, state: Any) -> Tensor:
        """The metric over all batches so far."""
        raise ArgumentError(f"{type(self).__name__} has no method result(self, state)")

    def __call__(self, y_true: Any, y_pred: Any, weight: Any = None) -> Tensor:
        """The metric of one batch."""
        return self.result(self.update(self.init(), y_true, y_pred, weight))

    @property
    def title(self) -> str:
        """Its name in logs and messages."""
        return self.name or snake(type(self).__name__)


def ratio(part: Tensor, whole: Tensor) -> Tensor:
    """part / whole as float32, and 0 where nothing was counted."""
    some = whole != 0
    return where(some, part / where(some, whole, 1.0), 0.0).astype("float32")


def per_sample(values: Tensor) -> Tensor:
    """The mean over all axes but the batch."""
    return values if values.ndim == 1 else mean(values, axis=tuple(range(1, values.ndim)))


def weights_of(title: str, weight: Any, count: int) -> Tensor | None:
    """Sample weights, checked."""
    if weight is None:
        return None
    made = as_tensor(weight)
    if made.shape != (count,):
        raise ShapeError(
            f"{title}: sample weights have the shape {made.shape}, expected ({count},)",
            site=here(),
            fix="give one weight a sample",
        )
    return made


class Averaged(Metric):
    """A metric that is the weighted mean of one number a sample."""

    def init(self) -> Any:
        return {"total": zeros((), dtype=EXACT), "count": zeros((), dtype=EXACT)}

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """The number of each sample, (batch,) or with more axes to take the mean over."""
        raise ArgumentError(f"{type(self).__name__} has no method values(self, y_true, y_pred)")

    def counted(self, y_true: Tensor) -> Tensor | None:
        """(batch,) floats, 0 for samples that are left out, or None."""
        return None

    def update(self, state: Any, y_true: Any, y_pred: Any, weight: Any = None) -> Any:
        true, pred = as_tensor(y_true), as_tensor(y_pred)
        values = per_sample(self.values(true, pred))
        values = values if values.dtype.is_float else values.astype("float32")
        weight = weights_of(self.title, weight, values.shape[0])
        counted = self.counted(true)
        if counted is not None:
            weight = counted if weight is None else counted * weight.astype(counted.dtype)
        if weight is None:
            total, count = sum(values), float(values.shape[0])
            return {"total": state["total"] + total.astype(EXACT), "count": state["count"] + count}
        weight = weight.astype(values.dtype)
        # a sample that does not count must not spoil the sum, whatever its value is
        total = sum(where(weight != 0, values * weight, 0.0))
        return {
            "total": state["total"] + total.astype(EXACT),
            "count": state["count"] + sum(weight).astype(EXACT),
        }

    def result(self, state: Any) -> Tensor:
        return ratio(state["total"], state["count"])


@register
class FunctionMetric(Averaged):
    """The mean of a function of (y_true, y_pred) that returns one number a sample, or more axes to take the
    mean over.

    Args:
        function: of two Tensors. To be stored, it must be registered: @nn.register.

    Example:
        >>> from saltus import nn
        >>> float(nn.metrics.get(lambda y_true, y_pred: abs(y_true - y_pred))([1.0, 2.0], [1.0, 3.0]))
        0.5
    """

    function: Callable[..., Any] | None = None

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        made = self.function(y_true, y_pred)  # type: ignore[misc]
        if not isinstance(made, Tensor) or made.shape[:1] != y_pred.shape[:1]:
            what = f"the shape {made.shape}" if isinstance(made, Tensor) else type(made).__name__
            raise ShapeError(
                f"the metric {self.title} must return one number a sample, shape ({y_pred.shape[0]},), got {what}", site=here(),
                fix="leave the mean over the batch out; it is taken later",
            )  # fmt: skip
        return made

    @property
    def title(self) -> str:
        return self.name or getattr(self.function, "__name__", "metric")
