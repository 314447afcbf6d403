"""Share of right predictions, in each form targets come in. In: metrics.base."""

from __future__ import annotations

from dataclasses import KW_ONLY
from typing import Any

from saltus.base.errors import ShapeError
from saltus.ir.node import parts
from saltus.ir.spec import OPS
from saltus.nn.checks import number, whole
from saltus.nn.config import register
from saltus.nn.losses.base import same_shape, shape_fix
from saltus.nn.losses.logits import predictions
from saltus.nn.metrics.base import Averaged
from saltus.tensor.elementwise import equal
from saltus.tensor.manipulation import expand_dims
from saltus.tensor.operands import as_tensor
from saltus.tensor.reduction import any as any_of
from saltus.tensor.reduction import argmax
from saltus.tensor.tensor import Tensor, of_node
from saltus.tensor.tracing import here


def class_numbers(title: str, y_true: Tensor, y_pred: Tensor) -> None:
    """Targets must be class numbers for predictions (N, ..., classes)."""
    if y_true.shape != y_pred.shape[:-1]:
        fix = (
            "drop the last axis of the targets: y[:, 0]"
            if y_true.shape == (*y_pred.shape[:-1], 1)
            else shape_fix(y_true.shape, y_pred.shape)
        )
        fix = "for one-hot targets use categorical_accuracy" if y_true.shape == y_pred.shape else fix
        raise ShapeError(
            f"{title}: predictions of shape {y_pred.shape} need class numbers of shape {y_pred.shape[:-1]}, got {y_true.shape}",
            site=here(),
            fix=fix,
        )


@register
class Accuracy(Averaged):
    """Share of predictions that equal their target exactly. By the name "accuracy" a model takes the form
    that fits its loss instead.

    Returns:
        `result`: a float32 Tensor of shape ().

    Example:
        >>> from saltus import nn
        >>> float(nn.metrics.Accuracy()([1.0, 2.0], [1.0, 3.0]))
        0.5
    """

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        if y_true.shape != y_pred.shape:
            raise ShapeError(
                f"{self.title}: the targets have the shape {y_true.shape}, the predictions {y_pred.shape}; they must be equal", site=here(),
                fix=shape_fix(y_true.shape, y_pred.shape),
            )  # fmt: skip
        return equal(y_true.astype(y_pred.dtype), y_pred).astype("float32")


@register
class BinaryAccuracy(Averaged):
    """Share of outputs on the right side of the threshold; targets are 0 and 1.

    Args:
        threshold: probability from which on (not included) 1 is predicted.
        from_logits: True: predictions are logits; False: probabilities; None: found out from the network
            (see `nn.losses`).

    Returns:
        `result`: a float32 Tensor of shape ().

    Example:
        >>> from saltus import nn
        >>> float(nn.metrics.BinaryAccuracy()([0, 1], [0.2, 0.4]))
        0.5
    """

    threshold: float = 0.5
    _: KW_ONLY
    from_logits: bool | None = None

    def __post_init__(self) -> None:
        number(self, "threshold", self.threshold)

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        same_shape(self.title, y_true, y_pred)
        positive = predictions(self.title, y_pred, self.from_logits, "sigmoid").probabilities > self.threshold
        return equal(positive, y_true.astype("float32") > 0.5).astype("float32")


@register
class CategoricalAccuracy(Averaged):
    """Share of rows whose largest score belongs to the class that the one-hot target names.

    Returns:
        `result`: a float32 Tensor of shape ().

    Example:
        >>> from saltus import nn
        >>> float(nn.metrics.CategoricalAccuracy()([[0, 1], [1, 0]], [[0.1, 0.9], [0.2, 0.8]]))
        0.5
    """

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        same_shape(self.title, y_true, y_pred)
        return equal(argmax(y_true, axis=-1), argmax(y_pred, axis=-1)).astype("float32")


@register
class SparseCategoricalAccuracy(Averaged):
    """Share of rows whose largest score belongs to the class with the target's number.

    Args:
        ignore_class: a class number that does not count, or None.

    Returns:
        `result`: a float32 Tensor of shape ().

    Example:
        >>> from saltus import nn
        >>> float(nn.metrics.SparseCategoricalAccuracy()([1, 0], [[0.1, 0.9], [0.2, 0.8]]))
        0.5
    """

    _: KW_ONLY
    ignore_class: int | None = None

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        class_numbers(self.title, y_true, y_pred)
        return equal(argmax(y_pred, axis=-1), y_true.astype("int64")).astype("float32")

    def counted(self, y_true: Tensor) -> Tensor | None:
        if self.ignore_class is None or y_true.ndim != 1:
            return None
        return (y_true != self.ignore_class).astype("float32")


def top(y_pred: Tensor, k: int) -> Tensor:
    """Places of the k largest scores of each row."""
    _, places = parts(OPS["top_k"](y_pred.node, k=min(k, y_pred.shape[-1]), axis=y_pred.ndim - 1, largest=True))
    return of_node(places)


@register
class SparseTopKCategoricalAccuracy(Averaged):
    """Share of rows where the class with the target's number is among the k largest scores.

    Args:
        k: how many.

    Returns:
        `result`: a float32 Tensor of shape ().

    Example:
        >>> from saltus import nn
        >>> float(nn.metrics.SparseTopKCategoricalAccuracy(2)([1, 2], [[0.1, 0.2, 0.7], [0.5, 0.3, 0.2]]))
        0.5
    """

    k: int = 5

    def __post_init__(self) -> None:
        whole(self, "k", self.k)

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        class_numbers(self.title, y_true, y_pred)
        hits = equal(top(y_pred, self.k), expand_dims(y_true.astype("int64"), -1))
        return any_of(hits, axis=-1).astype("float32")


@register
class TopKCategoricalAccuracy(SparseTopKCategoricalAccuracy):
    """Share of rows where the class that the one-hot target names is among the k largest scores.

    Args:
        k: how many.

    Returns:
        `result`: a float32 Tensor of shape ().

    Example:
        >>> from saltus import nn
        >>> float(nn.metrics.TopKCategoricalAccuracy(2)([[0, 1, 0]], [[0.1, 0.2, 0.7]]))
        1.0
    """

    def values(self, y_true: Any, y_pred: Any) -> Tensor:
        same_shape(self.title, as_tensor(y_true), as_tensor(y_pred))
        return SparseTopKCategoricalAccuracy.values(self, argmax(y_true, axis=-1), y_pred)
