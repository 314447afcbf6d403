"""Metrics of masks: how much of predicted and true areas lies upon each other. In: metrics.base. Names follow Keras."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY
from typing import Any, ClassVar

from saltus.base.errors import ArgumentError, DTypeError, ShapeError
from saltus.nn.checks import number, whole
from saltus.nn.config import register
from saltus.nn.losses.base import shape_fix
from saltus.nn.losses.logits import predictions
from saltus.nn.metrics.base import EXACT, Metric, weights_of
from saltus.tensor.creation import asarray, one_hot, zeros
from saltus.tensor.elementwise import where
from saltus.tensor.manipulation import broadcast_to, matrix_transpose, reshape
from saltus.tensor.operands import as_tensor
from saltus.tensor.products import matmul
from saltus.tensor.reduction import argmax, sum
from saltus.tensor.tensor import Tensor
from saltus.tensor.tracing import here


class _Overlap(Metric):
    """Base: a table of true by predicted classes, and the intersections over unions in it."""

    def _settle(self) -> None:
        """Check the classes that count, and keep them as a tuple."""
        if self.target_class_ids is not None:
            given = self.target_class_ids
            chosen = tuple(given) if isinstance(given, Sequence) else (given,)
            wrong = [c for c in chosen if isinstance(c, bool) or not isinstance(c, int) or not 0 <= c < self.num_classes]
            if wrong or not chosen:
                raise ArgumentError(
                    f"{type(self).__name__}: target_class_ids is {given!r}", fix=f"use class numbers from 0 to {self.num_classes - 1}"
                )
            self._set(target_class_ids=chosen)

    def _classes(self, y_true: Tensor, y_pred: Tensor) -> tuple[Tensor, Tensor]:
        """Class numbers of both."""
        raise NotImplementedError

    def init(self) -> Any:
        return {"confusion": zeros((self.num_classes, self.num_classes), dtype=EXACT)}

    def update(self, state: Any, y_true: Any, y_pred: Any, weight: Any = None) -> Any:
        true, pred = self._classes(as_tensor(y_true), as_tensor(y_pred))
        if true.shape != pred.shape:
            raise ShapeError(
                f"{self.title}: targets of shape {true.shape} and predictions of shape {pred.shape} are not of the same places",
                site=here(), fix=shape_fix(true.shape, pred.shape),
            )  # fmt: skip
        if not true.dtype.is_integer or not pred.dtype.is_integer:
            bad = "targets" if not true.dtype.is_integer else "predictions"
            fix = "convert them: .astype('int64'); one-hot targets need sparse_y_true=False, scores sparse_y_pred=False"
            raise DTypeError(f"{self.title}: the {bad} are no class numbers", site=here(), fix=fix)
        weight = weights_of(self.title, weight, true.shape[0] if true.shape else 0)
        count = true.size
        flat_true, flat_pred = reshape(true, (count,)), reshape(pred, (count,))
        each = None
        if weight is not None:
            lead = reshape(weight, (weight.shape[0], *(1,) * (true.ndim - 1)))
            each = reshape(broadcast_to(lead, true.shape), (count,)).astype("float32")
        if self.ignore_class is not None:
            counts = (flat_true != self.ignore_class).astype("float32")
            each = counts if each is None else each * counts
        rows = one_hot(flat_true, self.num_classes, dtype="float32")
        rows = rows if each is None else rows * each[:, None]
        made = matmul(matrix_transpose(rows), one_hot(flat_pred, self.num_classes, dtype="float32"))
        return {"confusion": state["confusion"] + made.astype(EXACT)}

    def result(self, state: Any) -> Tensor:
        table = state["confusion"]
        own = one_hot(asarray(list(range(self.num_classes))), self.num_classes, dtype=EXACT)
        hits = sum(table * own, axis=1)
        union = sum(table, axis=0) + sum(table, axis=1) - hits
        chosen = range(self.num_classes) if self.target_class_ids is None else self.target_class_ids
        counted = asarray([1.0 if c in chosen else 0.0 for c in range(self.num_classes)], dtype=EXACT) * (union > 0).astype(EXACT)
        shares = where(union > 0, hits / where(union > 0, union, 1.0), 0.0)
        total = sum(counted)
        return where(total > 0, sum(shares * counted) / where(total > 0, total, 1.0), 0.0).astype("float32")


@register
class IoU(_Overlap):
    """Intersection over union: places where class c is both true and predicted, over places where it is one of them; the mean
    over some classes.

    Args:
        num_classes: how many classes there are.
        target_class_ids: which of them count; None for all.
        ignore_class: true class that does not count, such as 255 for an edge; None for none.
        sparse_y_true: targets are class numbers; False: one-hot.
        sparse_y_pred: predictions are class numbers; False: scores of classes, of which the largest counts; None: scores when
            they have one axis more than the targets.
        axis: axis of the classes, of one-hot targets and scores.

    Returns:
        `result`: a float32 Tensor of shape (); classes that occur nowhere are left out of the mean.

    Example:
        >>> from saltus import nn
        >>> float(nn.metrics.IoU(2, [0])([0, 0, 1, 1], [0, 1, 0, 1]))
        0.3333
    """

    num_classes: int
    target_class_ids: Any = None
    _: KW_ONLY
    ignore_class: int | None = None
    sparse_y_true: bool = True
    sparse_y_pred: bool | None = None
    axis: int = -1

    def __post_init__(self) -> None:
        whole(self, "num_classes", self.num_classes)
        self._settle()

    def _classes(self, y_true: Tensor, y_pred: Tensor) -> tuple[Tensor, Tensor]:
        """Class numbers of both."""
        scores = y_pred.ndim > y_true.ndim if self.sparse_y_pred is None else not self.sparse_y_pred
        true = y_true if self.sparse_y_true else argmax(y_true, axis=self.axis)
        pred = argmax(y_pred, axis=self.axis) if scores or (self.sparse_y_pred is None and not self.sparse_y_true) else y_pred
        return true, pred


@register
class MeanIoU(IoU):
    """Intersection over union, the mean over all classes.

    Args:
        num_classes, ignore_class, sparse_y_true, sparse_y_pred, axis: as for `IoU`.

    Example:
        >>> from saltus import nn
        >>> float(nn.metrics.MeanIoU(2)([0, 0, 1, 1], [0, 1, 0, 1]))
        0.3333
    """


@register
class OneHotIoU(IoU):
    """Intersection over union for one-hot targets and scores.

    Args:
        num_classes, target_class_ids, ignore_class, axis: as for `IoU`.

    Example:
        >>> from saltus import nn
        >>> float(nn.metrics.OneHotIoU(2, [1])([[1, 0], [0, 1]], [[0.3, 0.7], [0.1, 0.9]]))
        0.5
    """

    _: KW_ONLY
    sparse_y_true: bool = False
    sparse_y_pred: bool | None = False


@register
class OneHotMeanIoU(OneHotIoU):
    """Intersection over union for one-hot targets and scores, the mean over all classes.

    Args:
        num_classes, ignore_class, axis: as for `IoU`.

    Example:
        >>> from saltus import nn
        >>> float(nn.metrics.OneHotMeanIoU(2)([[1, 0], [0, 1]], [[0.3, 0.7], [0.1, 0.9]]))
        0.25
    """


@register
class BinaryIoU(_Overlap):
    """Intersection over union for masks of 0 and 1 and probabilities.

    Args:
        target_class_ids: (0, 1) for the mean of both, (1,) for that of the mask alone.
        threshold: probabilities above it count as 1.
        from_logits: True: predictions are logits; False: probabilities; None: found out from the network.

    Example:
        >>> from saltus import nn
        >>> float(nn.metrics.BinaryIoU([1])([[0, 1, 1]], [[0.1, 0.8, 0.4]]))
        0.5
    """

    num_classes: ClassVar[int] = 2
    ignore_class: ClassVar[None] = None
    target_class_ids: Any = (0, 1)
    threshold: float = 0.5
    _: KW_ONLY
    from_logits: bool | None = None

    def __post_init__(self) -> None:
        self._settle()
        number(self, "threshold", self.threshold, low=0, high=1)

    def _classes(self, y_true: Tensor, y_pred: Tensor) -> tuple[Tensor, Tensor]:
        chance = predictions(self.title, y_pred, self.from_logits, "sigmoid").probabilities
        truth = y_true if y_true.dtype == "bool" else y_true > 0.5
        return truth.astype("int64"), (chance > self.threshold).astype("int64")
