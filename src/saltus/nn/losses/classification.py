"""Losses of classifiers: cross-entropies and their focal forms, hinges, divergence. In: losses.base. Names
and arguments follow Keras.
"""

from __future__ import annotations

from dataclasses import KW_ONLY
from typing import Any

import numpy as np

from saltus.base import dtypes as dt
from saltus.base.errors import ArgumentError, DataError, DTypeError, ShapeError
from saltus.nn.checks import number
from saltus.nn.config import register
from saltus.nn.losses.base import SMALL, Loss, floats, same_shape, shape_fix
from saltus.nn.losses.logits import Predictions, predictions
from saltus.tensor.creation import asarray, one_hot
from saltus.tensor.elementwise import (
    clip,
    exp,
    log,
    logical_and,
    logical_or,
    maximum,
    pow,
    softplus,
    stop_gradient,
    where,
)
from saltus.tensor.manipulation import moveaxis
from saltus.tensor.operands import as_tensor
from saltus.tensor.reduction import all as all_of
from saltus.tensor.reduction import max as max_of
from saltus.tensor.reduction import mean, sum
from saltus.tensor.tensor import Tensor
from saltus.tensor.tracing import here


def log_shares(y: Predictions, axis: int) -> Tensor:
    """log of the probability of each class: from logits exactly, from probabilities after they are made to
    add up to 1 and kept off 0.
    """
    if y.logits is not None:
        shifted = y.logits - stop_gradient(max_of(y.logits, axis=axis, keepdims=True))
        return shifted - log(sum(exp(shifted), axis=axis, keepdims=True))
    return log(clip(y.given / sum(y.given, axis=axis, keepdims=True), SMALL, 1 - SMALL))


def like(true: Tensor, pred: Tensor) -> Tensor:
    """Targets in the type of the predictions."""
    return true if true.dtype is pred.dtype else true.astype(pred.dtype)


def rows_of(title: str, y_pred: Any) -> None:
    """Class scores must have an axis for the classes besides the batch."""
    floats(title, y_pred)
    if len(y_pred.shape) < 2:
        raise ShapeError(
            f"{title}: the predictions must have an axis of classes, (N, classes), got {tuple(y_pred.shape)}", site=here(),
            fix="end the network with Dense(classes); for two classes and one output use binary_crossentropy",
        )  # fmt: skip


def not_single(title: str, shape: Any, axis: int) -> None:
    """A softmax over one class is always 1."""
    if shape[axis] == 1:
        raise ShapeError(
            f"{title}: there is only one class in predictions of shape {tuple(shape)}, so nothing can be learned", site=here(),
            fix="for one output with two classes use binary_crossentropy; else widen the last Dense layer to the number of classes",
        )  # fmt: skip


@register(aliases=("cross_entropy_sparse",))
class SparseCategoricalCrossentropy(Loss):
    """-log of the probability given to the true class; targets are class numbers.

    Args:
        from_logits: True: predictions are logits; False: probabilities; None: found out from the network
            (see `nn.losses`).
        ignore_class: a class number that does not count, or None.
        label_smoothing: share of the targets that is spread over all classes.
        axis: the axis of the classes.

    Returns:
        For targets (N, ...) of whole numbers and predictions (N, ..., classes): (N,). NaN where a class
        number does not exist.

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> loss = nn.losses.SparseCategoricalCrossentropy()
        >>> loss(sl.asarray([1]), sl.asarray([[0.25, 0.5, 0.25]]))
        Tensor([0.6931472], shape=(1,), dtype=float32)
    """

    from_logits: bool | None = None
    _: KW_ONLY
    ignore_class: int | None = None
    label_smoothing: float = 0.0
    axis: int = -1

    def __post_init__(self) -> None:
        Loss.__post_init__(self)
        number(self, "label_smoothing", self.label_smoothing, low=0, high=1)

    def check(self, y_true: Any, y_pred: Any, network: Any = None) -> None:
        rows_of(self.title, y_pred)
        pred = list(y_pred.shape)
        place = self.axis % len(pred)
        if place == 0:
            raise ArgumentError(f"{self.title}: axis {self.axis} is the batch")
        not_single(self.title, pred, place)
        expected = tuple(pred[:place] + pred[place + 1 :])
        dtype = dt.as_dtype(y_true.dtype)
        if tuple(y_true.shape) != expected:
            got = tuple(y_true.shape)
            fix = (
                "these look like one-hot targets: use categorical_crossentropy, or y.argmax(axis=-1)"
                if got == tuple(pred)
                else "drop the last axis of the targets: y[:, 0]" if got == (*expected, 1) else shape_fix(got, tuple(pred))
            )  # fmt: skip
            raise ShapeError(
                f"{self.title}: predictions of shape {tuple(pred)} need class numbers of shape {expected}, got {got}",
                site=here(),
                fix=fix,
            )
        if not dtype.is_integer:
            raise DTypeError(
                f"{self.title}: class numbers must be whole numbers, got {dtype.name}", site=here(),
                fix="convert: y.astype('int64'); for one-hot targets use categorical_crossentropy",
            )  # fmt: skip

    def of_shares(self) -> CategoricalCrossentropy:
        """The same loss of targets that are shares of classes, as mixing of samples makes them."""
        return CategoricalCrossentropy(
            self.from_logits, label_smoothing=self.label_smoothing, axis=self.axis, reduction=self.reduction, name=self.name
        )

    def check_targets(self, y_true: Any, outputs: int) -> None:
        values = np.asarray(y_true)
        wrong = (values < 0) | (values >= outputs)
        if self.ignore_class is not None:
            wrong &= values != self.ignore_class
        if wrong.any():
            row = np.argwhere(wrong)[0]
            found = sorted(set(values[wrong].tolist()))
            raise DataError(
                f"{self.title}: the network has {outputs} outputs, so classes are 0 to {outputs - 1}, but the target of row {row[0]} is "
                f"{values[tuple(row)]} (outside: {', '.join(map(str, found[:5]))}{' ...' if len(found) > 5 else ''}, "
                f"{int(wrong.sum())} in all)",
                fix=f"widen the last layer to {int(values.max()) + 1} units, or number the classes from 0"
                if values.min() >= 0 else "number the classes from 0; for a value that means 'no class' set ignore_class",
            )  # fmt: skip

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        axis = self.axis % y_pred.ndim
        y = predictions(self.title, y_pred, self.from_logits, "softmax", axis)
        hit = self._hit(y_true, y_pred)
        if y.logits is not None:
            # one pass over the row: log of the sum less the true one, both shifted by the largest
            shifted = y.logits - stop_gradient(max_of(y.logits, axis=axis, keepdims=True))
            lost = log(sum(exp(shifted), axis=axis)) - self._picked(hit, shifted, axis)
        else:
            lost = -self._picked(hit, log_shares(y, axis), axis)
        return self._counted(lost, y_true, y_pred.shape[axis])

    def _hit(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Where the true class stands among the predictions."""
        axis = self.axis % y_pred.ndim
        hit = one_hot(y_true, y_pred.shape[axis], dtype="bool")
        return hit if axis == y_pred.ndim - 1 else moveaxis(hit, -1, axis)

    def _counted(self, lost: Tensor, y_true: Tensor, classes: int) -> Tensor:
        """Losses without those of the class that does not count: 0, and left out of the mean over the places of a sample."""
        counted = logical_and(y_true >= 0, y_true < classes)
        lost = where(counted, lost, float("nan"))  # a class that does not exist must not pass for a loss of 0
        if self.ignore_class is None:
            return lost
        valid = y_true != self.ignore_class
        lost = where(valid, lost, 0.0)
        if lost.ndim == 1:
            return lost
        rest = tuple(range(1, lost.ndim))
        return sum(lost, axis=rest) / maximum(sum(valid.astype(lost.dtype), axis=rest), 1.0)

    def _picked(self, hit: Tensor, values: Tensor, axis: int) -> Tensor:
        """The values of the true classes; with smoothing a share of the mean over all classes in them."""
        picked = sum(where(hit, values, 0.0), axis=axis)
        return picked if not self.label_smoothing else picked * (1 - self.label_smoothing) + mean(values, axis=axis) * self.label_smoothing

    def valid(self, y_true: Any) -> Tensor | None:
        if self.ignore_class is None:
            return None
        counted = (as_tensor(y_true) != self.ignore_class).astype("float32")
        return counted if counted.ndim == 1 else max_of(counted, axis=tuple(range(1, counted.ndim)))


@register
class CategoricalCrossentropy(Loss):
    """-sum(target * log(probability)) over the classes; targets are one-hot or probabilities.

    Args:
        from_logits: True: predictions are logits; False: probabilities; None: found out from the network
            (see `nn.losses`).
        label_smoothing: share of the targets that is spread over all classes.
        axis: the axis of the classes.

    Returns:
        For targets and predictions (N, ..., classes): (N,).

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> nn.losses.CategoricalCrossentropy()(sl.asarray([[0.0, 1.0]]), sl.asarray([[0.5, 0.5]]))
        Tensor([0.6931472], shape=(1,), dtype=float32)
    """

    from_logits: bool | None = None
    _: KW_ONLY
    label_smoothing: float = 0.0
    axis: int = -1

    def __post_init__(self) -> None:
        Loss.__post_init__(self)
        number(self, "label_smoothing", self.label_smoothing, low=0, high=1)

    def check(self, y_true: Any, y_pred: Any, network: Any = None) -> None:
        rows_of(self.title, y_pred)
        not_single(self.title, y_pred.shape, self.axis)
        one_hot_shape(self.title, y_true, y_pred)

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        y = predictions(self.title, y_pred, self.from_logits, "softmax", self.axis)
        return -sum(self._targets(y_true, y_pred) * log_shares(y, self.axis), axis=self.axis)

    def _targets(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        true = like(y_true, y_pred)
        if not self.label_smoothing:
            return true
        return true * (1 - self.label_smoothing) + self.label_smoothing / y_pred.shape[self.axis]


def one_hot_shape(title: str, y_true: Any, y_pred: Any) -> None:
    """Targets must be one-hot; class numbers get a fix of their own."""
    if tuple(y_true.shape) == tuple(y_pred.shape)[:-1]:
        raise ShapeError(
            f"{title}: the targets have the shape {tuple(y_true.shape)}, the predictions {tuple(y_pred.shape)}; they must be equal",
            site=here(),
            fix="for class numbers use sparse_categorical_crossentropy, or one-hot them: sl.one_hot(y, classes)",
        )  # fmt: skip
    same_shape(title, y_true, y_pred)


@register(aliases=("cat_focal",))
class CategoricalFocalCrossentropy(CategoricalCrossentropy):
    """Categorical cross-entropy that pays less attention to what is predicted well: times alpha (1 -
    p)^gamma.

    Args:
        alpha: factor.
        gamma: how much less; 0 gives the plain loss times alpha.
        from_logits, label_smoothing, axis: as for CategoricalCrossentropy.

    Source: Lin, Goyal, Girshick, He and Dollár, "Focal loss for dense object detection", 2017.

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> nn.losses.CategoricalFocalCrossentropy()(sl.asarray([[0.0, 1.0]]), sl.asarray([[0.5, 0.5]])).tolist()
        [0.0433]
    """

    _: KW_ONLY
    alpha: float = 0.25
    gamma: float = 2.0

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        y = predictions(self.title, y_pred, self.from_logits, "softmax", self.axis)
        shares = log_shares(y, self.axis)
        weight = pow(1.0 - exp(shares), self.gamma) * self.alpha
        return -sum(self._targets(y_true, y_pred) * weight * shares, axis=self.axis)


@register(aliases=("bce",))
class BinaryCrossentropy(Loss):
    """-(t log p + (1 - t) log(1 - p)) for each output; targets are 0, 1 or between.

    Args:
        from_logits: True: predictions are logits; False: probabilities; None: found out from the network
            (see `nn.losses`).
        label_smoothing: share by which targets are moved towards 1/2.
        pos_weight: how often a target of 1 counts, where they are few; a number, or one for each output.

    Returns:
        For targets and predictions (N, ...): (N,), the mean over all outputs.

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> nn.losses.BinaryCrossentropy()(sl.asarray([1.0]), sl.asarray([0.5]))
        Tensor([0.6931472], shape=(1,), dtype=float32)
    """

    from_logits: bool | None = None
    _: KW_ONLY
    label_smoothing: float = 0.0
    pos_weight: Any = None

    def __post_init__(self) -> None:
        Loss.__post_init__(self)
        number(self, "label_smoothing", self.label_smoothing, low=0, high=1)
        if self.pos_weight is not None:
            several = np.ndim(self.pos_weight) > 0
            given = [float(v) for v in np.ravel(self.pos_weight)] if several else [self.pos_weight]
            for value in given:
                number(self, "pos_weight", value, low=0, open_low=True)
            self._set(pos_weight=tuple(given) if several else float(given[0]))

    def check(self, y_true: Any, y_pred: Any, network: Any = None) -> None:
        same_shape(self.title, y_true, y_pred)
        if isinstance(self.pos_weight, tuple) and (len(y_pred.shape) < 2 or y_pred.shape[-1] != len(self.pos_weight)):
            raise ShapeError(
                f"{self.title}: pos_weight has {len(self.pos_weight)} numbers for predictions of shape {tuple(y_pred.shape)}", site=here(),
                fix="give one number, or one for each output",
            )  # fmt: skip

    def check_targets(self, y_true: Any, outputs: int) -> None:
        Loss.check_targets(self, y_true, outputs)
        values = np.asarray(y_true)
        wrong = (values < 0) | (values > 1) if values.dtype.kind != "b" else np.zeros(values.shape, bool)
        if wrong.any():
            row = np.argwhere(wrong)[0]
            raise DataError(
                f"{self.title}: targets must lie between 0 and 1, but that of row {row[0]} is {values[tuple(row)]}",
                fix="for labels -1 and 1 use hinge, for class numbers sparse_categorical_crossentropy",
            )

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        true = self._targets(y_true, y_pred)
        return self._crossentropy(true, predictions(self.title, y_pred, self.from_logits, "sigmoid"))

    def _targets(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        true = like(y_true, y_pred)
        return true * (1 - self.label_smoothing) + self.label_smoothing / 2 if self.label_smoothing else true

    def _crossentropy(self, true: Tensor, y: Predictions) -> Tensor:
        rest = 1.0 - true
        if self.pos_weight is None:
            hit, both = true, None
        else:
            hit = true * (asarray(self.pos_weight, dtype=true.dtype) if isinstance(self.pos_weight, tuple) else self.pos_weight)
            both = rest + hit
        if y.logits is not None:
            return softplus(y.logits) - true * y.logits if both is None else rest * y.logits + both * softplus(-y.logits)
        p = clip(y.given, SMALL, 1 - SMALL)
        return -(hit * log(p) + rest * log(1.0 - p))


@register
class BinaryFocalCrossentropy(BinaryCrossentropy):
    """Binary cross-entropy that pays less attention to what is predicted well: times (1 - p_t)^gamma.

    Args:
        apply_class_balancing: weigh targets of 1 by alpha and of 0 by 1 - alpha.
        alpha: that weight.
        gamma: how much less; 0 gives the plain loss.
        from_logits, label_smoothing: as for BinaryCrossentropy.

    Source: Lin, Goyal, Girshick, He and Dollár, "Focal loss for dense object detection", 2017.

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> nn.losses.BinaryFocalCrossentropy()(sl.asarray([[1.0]]), sl.asarray([[0.5]])).tolist()
        [0.1733]
    """

    _: KW_ONLY
    apply_class_balancing: bool = False
    alpha: float = 0.25
    gamma: float = 2.0

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        true = self._targets(y_true, y_pred)
        y = predictions(self.title, y_pred, self.from_logits, "sigmoid")
        p = y.probabilities
        lost = self._crossentropy(true, y) * pow(1.0 - (true * p + (1.0 - true) * (1.0 - p)), self.gamma)
        return lost * (true * self.alpha + (1.0 - true) * (1 - self.alpha)) if self.apply_class_balancing else lost


def signed(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """Targets as -1 and 1; where all of them are 0 or 1, 0 means -1."""
    true = like(y_true, y_pred)
    binary = all_of(logical_or(true == 0, true == 1))
    return where(binary, true * 2.0 - 1.0, true)


@register
class Hinge(Loss):
    """max(1 - t y, 0) for targets -1 and 1 (0 and 1 are taken as such).

    Returns:
        For targets and predictions (N, ...): (N,).

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> nn.losses.Hinge()(sl.asarray([[-1.0], [1.0]]), sl.asarray([[0.5], [0.5]])).tolist()
        [1.5, 0.5]
    """

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return maximum(1.0 - signed(y_true, y_pred) * y_pred, 0.0)


@register
class SquaredHinge(Loss):
    """max(1 - t y, 0)^2 for targets -1 and 1 (0 and 1 are taken as such).

    Returns:
        For targets and predictions (N, ...): (N,).

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> nn.losses.SquaredHinge()(sl.asarray([[-1.0], [1.0]]), sl.asarray([[0.5], [0.5]])).tolist()
        [2.25, 0.25]
    """

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return pow(maximum(1.0 - signed(y_true, y_pred) * y_pred, 0.0), 2)


@register
class CategoricalHinge(Loss):
    """max(largest score of a wrong class - score of the true one + 1, 0); targets are one-hot.

    Returns:
        For targets and predictions (N, ..., classes): (N,).

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> nn.losses.CategoricalHinge()(sl.asarray([[0.0, 1.0]]), sl.asarray([[0.25, 0.5]])).tolist()
        [0.75]
    """

    def check(self, y_true: Any, y_pred: Any, network: Any = None) -> None:
        rows_of(self.title, y_pred)
        one_hot_shape(self.title, y_true, y_pred)

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        true = like(y_true, y_pred)
        right = sum(true * y_pred, axis=-1)
        wrong = max_of((1.0 - true) * y_pred, axis=-1)
        return maximum(wrong - right + 1.0, 0.0)


@register(aliases=("kld", "kullback_leibler_divergence"))
class KLDivergence(Loss):
    """sum(t log(t / p)) over the last axis: how far probabilities p are from t.

    Returns:
        For targets and predictions (N, ..., classes): (N,).

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> nn.losses.KLDivergence()(sl.asarray([[0.5, 0.5]]), sl.asarray([[0.25, 0.75]])).tolist()
        [0.1438]
    """

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        true, pred = clip(like(y_true, y_pred), SMALL, 1.0), clip(y_pred, SMALL, 1.0)
        return sum(true * log(true / pred), axis=-1) if true.ndim > 1 else true * log(true / pred)


@register
class Perceptron(Loss):
    """(y - t)^2 / 2 for step outputs y and targets t of 0 and 1: half the number of wrong outputs.

    With the step's straight-through gradient its derivative by the weights is (y - t) x, so plain gradient
    descent on it is the perceptron
    rule: only wrong samples move the weights.

    Returns:
        For targets and predictions (N, ...): (N,).

    Source: Rosenblatt, "The perceptron: a probabilistic model for information storage and organization in
    the brain", 1958.

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> nn.losses.Perceptron()(sl.asarray([[1.0], [0.0]]), sl.asarray([[1.0], [1.0]])).tolist()
        [0.0, 0.5]
    """

    def check_targets(self, y_true: Any, outputs: int) -> None:
        values = np.asarray(y_true)
        wrong = (values != 0) & (values != 1)
        if wrong.any():
            row = np.argwhere(wrong)[0]
            raise DataError(f"{self.title}: targets must be 0 or 1, but that of row {row[0]} is {values[tuple(row)]}")

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        wrong = pow(y_pred - like(y_true, y_pred), 2) * 0.5
        return wrong if wrong.ndim == 1 else sum(wrong, axis=tuple(range(1, wrong.ndim)))
