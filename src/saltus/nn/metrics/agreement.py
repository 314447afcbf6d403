"""Metrics of how far a classifier agrees with the truth beyond chance, from the whole confusion matrix. In: metrics.base."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np

from saltus.base.errors import ArgumentError, ShapeError
from saltus.nn.checks import one_of, whole
from saltus.nn.config import register
from saltus.nn.losses.base import shape_fix
from saltus.nn.losses.logits import predictions
from saltus.nn.metrics.base import EXACT, Metric, weights_of
from saltus.tensor.creation import asarray, one_hot, zeros
from saltus.tensor.elementwise import sqrt, square, where
from saltus.tensor.manipulation import broadcast_to, expand_dims, matrix_transpose, reshape
from saltus.tensor.operands import as_tensor
from saltus.tensor.products import matmul
from saltus.tensor.reduction import argmax, sum
from saltus.tensor.tensor import Tensor
from saltus.tensor.tracing import here


@dataclass(frozen=True, repr=False)
class _Agreement(Metric):
    """Base: a table of true by predicted classes."""

    num_classes: int | None = None
    _: KW_ONLY
    from_logits: bool | None = None

    def __post_init__(self) -> None:
        if self.num_classes is not None:
            whole(self, "num_classes", self.num_classes, low=2)

    def fitted(self, output_shape: Any) -> Any:
        if self.num_classes is not None or output_shape is None:
            return self
        width = output_shape[-1] if len(output_shape) > 1 else 1
        return self.replace(num_classes=max(2, width))

    def __call__(self, y_true: Any, y_pred: Any, weight: Any = None) -> Tensor:
        fitted = self.fitted(as_tensor(y_pred).shape)
        return fitted.result(fitted.update(fitted.init(), y_true, y_pred, weight))  # type: ignore[no-any-return]

    def init(self) -> Any:
        count = self.num_classes
        if count is None:
            raise ArgumentError(
                f"{self.title} must know the number of classes", fix=f"nn.metrics.{type(self).__name__}(num_classes=...)"
            )  # fmt: skip
        return {"table": zeros((count, count), dtype=EXACT)}

    def _classes(self, true: Tensor, pred: Tensor) -> tuple[Tensor, Tensor]:
        """Class numbers of both."""
        scores = pred.ndim > 1 and pred.shape[-1] > 1
        if scores and true.shape == pred.shape:
            return argmax(true, axis=-1), argmax(pred, axis=-1)
        if scores and true.shape == pred.shape[:-1]:
            return true, argmax(pred, axis=-1)
        if true.size == pred.size and true.shape[:1] == pred.shape[:1]:
            chance = predictions(self.title, pred, self.from_logits, "sigmoid").probabilities
            return reshape(true, (true.size,)), reshape((chance > 0.5).astype("int64"), (pred.size,))
        raise ShapeError(
            f"{self.title}: targets of shape {true.shape} do not fit predictions of shape {pred.shape}", site=here(),
            fix=shape_fix(true.shape, pred.shape),
        )  # fmt: skip

    def update(self, state: Any, y_true: Any, y_pred: Any, weight: Any = None) -> Any:
        true, pred = as_tensor(y_true), as_tensor(y_pred)
        weight = weights_of(self.title, weight, pred.shape[0] if pred.shape else 0)
        found_true, found = self._classes(true, pred)
        count = state["table"].shape[0]
        rows = one_hot(reshape(found_true, (found_true.size,)).astype("int64"), count, dtype="float32")
        if weight is not None:
            lead = reshape(weight, (weight.shape[0], *(1,) * (found.ndim - 1)))
            shape = (weight.shape[0], found.size // max(1, weight.shape[0]))
            each = broadcast_to(reshape(lead, (weight.shape[0], 1)), shape)
            rows = rows * expand_dims(reshape(each, (found.size,)).astype("float32"), axis=1)
        made = matmul(matrix_transpose(rows), one_hot(reshape(found, (found.size,)), count, dtype="float32"))
        return {"table": state["table"] + made.astype(EXACT)}


def _over(part: Tensor, whole_: Tensor) -> Tensor:
    some = whole_ > 0
    return where(some, part / where(some, whole_, 1.0), 0.0).astype("float32")


@register(aliases=("mcc", "matthews_corrcoef"))
class MatthewsCorrelation(_Agreement):
    """Correlation of true and predicted classes: 1 for all right, 0 for chance, and not led astray by classes of unequal size.

    Args:
        num_classes: how many there are; None is filled in from the network's output.
        from_logits: of one output: True: logits; False: probabilities; None: found out from the network.

    Returns:
        `result`: a float32 Tensor of shape (); 0 where only one class occurs.

    Source: Gorodkin, "Comparing two K-category assignments by a K-category correlation coefficient", 2004.

    Example:
        >>> from saltus import nn
        >>> float(nn.metrics.MatthewsCorrelation()([0, 1, 1, 0], [0.2, 0.7, 0.6, 0.6]))
        0.5774
    """

    def result(self, state: Any) -> Tensor:
        table = state["table"]
        own = one_hot(asarray(list(range(table.shape[0]))), table.shape[0], dtype=EXACT)
        hits, total = sum(table * own), sum(table)
        said, truth = sum(table, axis=0), sum(table, axis=1)
        together = hits * total - sum(said * truth)
        return _over(together, sqrt((square(total) - sum(square(said))) * (square(total) - sum(square(truth)))))


@register(aliases=("kappa",))
class CohenKappa(_Agreement):
    """Agreement beyond what chance gives: (share agreed - share by chance) / (1 - share by chance).

    Args:
        num_classes: how many there are; None is filled in from the network's output.
        weightage: "linear" or "quadratic": classes in order, errors count by how far they are apart; None: all alike.
        from_logits: of one output: True: logits; False: probabilities; None: found out from the network.

    Source: Cohen, "A coefficient of agreement for nominal scales", 1960, and "Weighted kappa", 1968.

    Example:
        >>> from saltus import nn
        >>> float(nn.metrics.CohenKappa()([0, 1, 1, 0], [0.2, 0.7, 0.6, 0.6]))
        0.5
    """

    weightage: str | None = None

    def __post_init__(self) -> None:
        _Agreement.__post_init__(self)
        if self.weightage is not None:
            one_of(self, "weightage", self.weightage, ("linear", "quadratic"))

    def result(self, state: Any) -> Tensor:
        table = state["table"]
        place = np.arange(table.shape[0], dtype=np.float64)
        apart = np.abs(place[:, None] - place[None, :])
        cost = asarray({None: (apart > 0) * 1.0, "linear": apart, "quadratic": apart**2}[self.weightage], dtype=EXACT)
        total = sum(table)
        chance = expand_dims(sum(table, axis=1), axis=1) * expand_dims(sum(table, axis=0), axis=0)
        wrong, expected = sum(table * cost) * total, sum(chance * cost)
        return _over(expected - wrong, expected)


@register
class BalancedAccuracy(_Agreement):
    """Share of right predictions in each true class, the mean over the classes that occur.

    Args:
        num_classes: how many there are; None is filled in from the network's output.
        from_logits: of one output: True: logits; False: probabilities; None: found out from the network.

    Source: Brodersen, Ong, Stephan and Buhmann, "The balanced accuracy and its posterior distribution", 2010.

    Example:
        >>> from saltus import nn
        >>> float(nn.metrics.BalancedAccuracy()([0, 1, 1, 1], [0.7, 0.7, 0.6, 0.6]))
        0.5
    """

    def result(self, state: Any) -> Tensor:
        table = state["table"]
        own = one_hot(asarray(list(range(table.shape[0]))), table.shape[0], dtype=EXACT)
        truth = sum(table, axis=1)
        some = truth > 0
        return _over(sum(where(some, sum(table * own, axis=1) / where(some, truth, 1.0), 0.0)), sum(some.astype(EXACT)))
