"""From a name to a metric, as Keras does it: "accuracy" takes the form that fits the loss and the output.
In: metrics.
"""

from __future__ import annotations

from typing import Any

from saltus.base.errors import ArgumentError, UnknownNameError
from saltus.nn.config import Record, alias, lookup, names, plain
from saltus.nn.losses import classification as c
from saltus.nn.losses.base import FunctionLoss, Loss
from saltus.nn.losses.base import get as get_loss
from saltus.nn.metrics.accuracy import BinaryAccuracy, CategoricalAccuracy, SparseCategoricalAccuracy
from saltus.nn.metrics.base import FunctionMetric, Metric
from saltus.nn.metrics.confusion import AUC, F1Score

# scikit-learn's words
alias("metrics", "roc_auc", AUC)
alias("metrics", "average_precision", lambda: AUC(curve="PR"))
for _average in ("macro", "micro", "weighted"):
    alias("metrics", f"f1_{_average}", lambda average=_average: F1Score(average=average))


def get(given: Any, loss: Any = None, output_shape: Any = None, where: str = "metric") -> Metric:
    """The metric for a name, a class, a stored form, a function (y_true, y_pred) -> one number a sample, or
    an object.

    Args:
        given: what to find.
        loss: the loss it stands beside (as for `nn.losses.get`), by which "accuracy" is told apart.
        output_shape: shape of the predictions, the batch first.
        where: the argument, for messages.

    Raises:
        UnknownNameError: no metric has this name; the nearest names are in the message.

    Example:
        >>> from saltus import nn
        >>> nn.metrics.get("accuracy", loss="sparse_categorical_crossentropy")
        SparseCategoricalAccuracy(name='accuracy')
    """
    if isinstance(given, str) and given.lower().startswith("neg_") and plain(given[4:]) in {plain(n) for n in names("metrics")}:
        raise UnknownNameError(
            f"{where}: unknown metric {given!r}", fix=f"use {given[4:]!r}: that less of it is better is known by its name"
        )  # fmt: skip
    if isinstance(given, str) and plain(given) in ("accuracy", "acc"):
        return _accuracy(None if loss is None else get_loss(loss), output_shape, given)
    if callable(given) and not isinstance(given, (type, Record)):
        made: Metric = FunctionMetric(function=given)
    else:
        made = lookup("metrics", Metric, given, where)
    if isinstance(given, str) and plain(given) != plain(type(made).__name__):
        made = made.replace(name=given)  # logs show the word the user chose
    return made.fitted(output_shape)  # type: ignore[no-any-return]


def _accuracy(loss: Loss | None, shape: Any, name: str) -> Metric:
    if isinstance(loss, c.SparseCategoricalCrossentropy):
        return SparseCategoricalAccuracy(name=name, ignore_class=loss.ignore_class)
    if isinstance(loss, c.BinaryCrossentropy):
        return BinaryAccuracy(name=name, from_logits=loss.from_logits)
    if isinstance(loss, c.Perceptron):
        return BinaryAccuracy(name=name, from_logits=False)
    if isinstance(loss, (c.Hinge, c.SquaredHinge)):
        return BinaryAccuracy(0.0, name=name, from_logits=False)
    if isinstance(loss, (c.CategoricalCrossentropy, c.CategoricalHinge, c.KLDivergence)):
        return CategoricalAccuracy(name=name)
    width = shape[-1] if shape is not None and len(shape) > 1 else 1
    if loss is None and shape is None:
        raise ArgumentError(
            "metric 'accuracy' depends on the loss and the output",
            fix="name it: 'sparse_categorical_accuracy', 'binary_accuracy', ...",
        )
    if loss is None or isinstance(loss, FunctionLoss) or width > 1:
        return CategoricalAccuracy(name=name) if width > 1 else BinaryAccuracy(name=name)
    raise ArgumentError(
        f"metric 'accuracy' counts right classes, but the loss {loss.title} is for numbers",
        fix="use 'mae', 'rmse' or 'r2_score' beside it",
    )
