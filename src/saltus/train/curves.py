"""Judging classifiers beyond one figure: confusion, ROC and precision-recall curves, calibration, thresholds, worst
errors. Pure functions of targets and probabilities; a low file of `train`.

Every result is a record with a text form and `to_frame()`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from saltus.base.errors import ArgumentError, DataError, ShapeError, unknown_name
from saltus.data.lazy import LazyModule
from saltus.train.records import Table

if TYPE_CHECKING:
    import polars as pl
else:
    pl = LazyModule("polars")

Array = np.ndarray[Any, Any]


def _checked(codes: Any, probabilities: Any) -> tuple[Array, Array]:
    """Class numbers (N,) and probabilities (N, classes)."""
    true, shares = np.asarray(codes), np.asarray(probabilities, np.float64)
    if shares.ndim == 2 and shares.shape[1] == 1:
        shares = shares[:, 0]
    if shares.ndim == 1:
        shares = np.stack([1 - shares, shares], axis=1)
    if true.ndim == 2 and true.shape[1] == 1:
        true = true[:, 0]
    if true.ndim != 1 or shares.ndim != 2 or len(true) != len(shares):
        raise ShapeError(
            f"targets {np.shape(codes)} and probabilities {np.shape(probabilities)} do not fit, expected (N,) and (N, classes)",
            fix="pass class numbers, and one probability a class (or that of class 1)",
        )
    seen = ~np.isnan(shares).any(axis=1)  # rows that no fold judged
    true, shares = true[seen], shares[seen]
    if not len(true):
        raise DataError("there are no rows to judge", fix="pass at least one row")
    if true.dtype.kind not in "iub" or true.min() < 0 or true.max() >= shares.shape[1]:
        raise DataError(
            f"targets run from {true.min()} to {true.max()}, expected class numbers from 0 to {shares.shape[1] - 1}",
            fix="number the classes: classes, codes = numpy.unique(labels, return_inverse=True)",
        )
    if shares.min() < -1e-6 or shares.max() > 1 + 1e-6 or np.abs(shares.sum(axis=1) - 1).max() > 1e-3:
        raise DataError(
            f"these are no probabilities: values from {shares.min():.3g} to {shares.max():.3g}",
            fix="end the network with a softmax, or pass saltus.train.probabilities(scores)",
        )
    return true.astype(np.int64), np.clip(shares, 0.0, 1.0)


def _of_class(codes: Any, probabilities: Any, positive: int) -> tuple[Array, Array]:
    """Whether rows are of a class, and its probability."""
    true, shares = _checked(codes, probabilities)
    if not -shares.shape[1] <= positive < shares.shape[1]:
        raise ArgumentError(f"positive is {positive}, but there are the classes 0 to {shares.shape[1] - 1}")
    hit = true == positive % shares.shape[1]
    if hit.all() or not hit.any():
        which = "all" if hit.all() else "none"
        raise DataError(
            f"{which} of the {len(hit)} rows are of class {positive}, so nothing can be told apart",
            fix="judge on rows of both kinds",
        )
    return hit, shares[:, positive]


# -- confusion ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Confusion:
    """Which classes were taken for which.

    Attributes:
        counts: (classes, classes); row: true class, column: predicted one.
        labels: of the classes.
    """

    counts: Array
    labels: tuple[Any, ...]

    def table(self) -> Table:
        """A row a class: precision, recall, F1 and rows."""
        hits = np.diag(self.counts).astype(np.float64)
        rows, said = self.counts.sum(axis=1), self.counts.sum(axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            precision, recall = hits / said, hits / rows
            f1 = np.where(hits > 0, 2 * precision * recall / (precision + recall), 0.0)
        return Table(
            [
                {
                    "class": str(label), "precision": float(precision[k]), "recall": float(recall[k]), "f1": float(f1[k]),
                    "rows": int(rows[k]), "predicted": int(said[k]),
                }
                for k, label in enumerate(self.labels)
            ]
        )  # fmt: skip

    @property
    def accuracy(self) -> float:
        """The share of right predictions."""
        return float(np.trace(self.counts) / self.counts.sum())

    def to_frame(self) -> pl.DataFrame:
        """The counts, a row a true class."""
        return pl.DataFrame(
            {"true": [str(v) for v in self.labels], **{f"predicted {v}": self.counts[:, k].tolist() for k, v in enumerate(self.labels)}}
        )

    def __str__(self) -> str:
        rows = [{"true": str(v), **{str(w): int(self.counts[k, j]) for j, w in enumerate(self.labels)}} for k, v in enumerate(self.labels)]
        return f"{Table(rows)}\n\n{self.table()}"


def confusion_matrix(codes: Any, predicted: Any, labels: Sequence[Any] = ()) -> Confusion:
    """Count which classes were taken for which.

    Args:
        codes: true class numbers (N,).
        predicted: predicted class numbers (N,), or probabilities (N, classes).
        labels: names of the classes in order.

    Raises:
        ShapeError, DataError: they do not fit.

    Example:
        >>> confusion_matrix([0, 1, 1], [0, 1, 0]).counts.tolist()
        [[1, 0], [1, 1]]
    """
    said = np.asarray(predicted)
    true = np.asarray(codes)
    if said.ndim == 2 and said.shape[1] > 1:
        true, said = true[~np.isnan(said).any(axis=1)], said[~np.isnan(said).any(axis=1)].argmax(axis=1)
    if true.shape != said.shape or true.ndim != 1 or not len(true):
        raise ShapeError(f"targets {true.shape} and predictions {said.shape} do not fit", fix="pass one class number a row for each")
    count = max(len(labels), int(true.max()) + 1, int(said.max()) + 1)
    counts = np.bincount(true.astype(np.int64) * count + said.astype(np.int64), minlength=count * count).reshape(count, count)
    return Confusion(counts, tuple(labels) if labels else tuple(range(count)))


# -- curves ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Curve:
    """A curve over all decision thresholds.

    Attributes:
        kind: "roc" or "precision_recall".
        x, y: false and true positive rate; or recall and precision.
        thresholds: a row counts as positive from here on.
        area: under the curve; for precision and recall the average precision.
    """

    kind: str
    x: Array
    y: Array
    thresholds: Array
    area: float

    @property
    def names(self) -> tuple[str, str]:
        """What x and y are."""
        return ("false_positive_rate", "true_positive_rate") if self.kind == "roc" else ("recall", "precision")

    def to_frame(self) -> pl.DataFrame:
        """A row a threshold."""
        return pl.DataFrame({"threshold": self.thresholds, self.names[0]: self.x, self.names[1]: self.y})

    def __str__(self) -> str:
        places = np.unique(np.linspace(0, len(self.x) - 1, 9).astype(int))
        first, second = self.names
        rows = [{"threshold": float(self.thresholds[k]), first: float(self.x[k]), second: float(self.y[k])} for k in places]
        return f"area {self.area:.4f}\n{Table(rows)}"


def _steps(hit: Array, scores: Array) -> tuple[Array, Array, Array]:
    """True and false positives from each distinct threshold on, highest first."""
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    true = np.cumsum(hit[order])[ends]
    return true, ends + 1 - true, scores[order][ends]


def roc_curve(codes: Any, probabilities: Any, positive: int = 1) -> Curve:
    """True against false positives over all thresholds.

    Args:
        codes: true class numbers (N,).
        probabilities: (N, classes), or (N,) of class 1.
        positive: the class that counts as positive.

    Raises:
        DataError: rows of one kind only.

    Source: Fawcett, "An introduction to ROC analysis", 2006.

    Example:
        >>> roc_curve([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]).area
        0.75
    """
    hit, scores = _of_class(codes, probabilities, positive)
    true, false, thresholds = _steps(hit, scores)
    x, y = np.append(0.0, false / (~hit).sum()), np.append(0.0, true / hit.sum())
    return Curve("roc", x, y, np.append(np.inf, thresholds), float(np.sum(np.diff(x) * (y[1:] + y[:-1]) / 2)))


def precision_recall_curve(codes: Any, probabilities: Any, positive: int = 1) -> Curve:
    """Precision against recall over all thresholds; its area is the average precision.

    Args:
        codes, probabilities, positive: as for `roc_curve`.

    Raises:
        DataError: rows of one kind only.

    Example:
        >>> round(precision_recall_curve([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]).area, 4)
        0.8333
    """
    hit, scores = _of_class(codes, probabilities, positive)
    true, false, thresholds = _steps(hit, scores)
    recall, precision = true / hit.sum(), true / (true + false)
    area = float(np.sum(np.diff(np.append(0.0, recall)) * precision))
    return Curve("precision_recall", np.append(0.0, recall), np.append(1.0, precision), np.append(np.inf, thresholds), area)


# -- calibration -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Calibration:
    """Whether probabilities come true.

    Attributes:
        bins: a row a bin: from, to, rows, confidence (the mean probability), accuracy (how often it came true).
        ece: expected calibration error: the mean distance of the two, by rows.
        mce: the largest distance.
        brier: mean squared error of the probabilities, summed over classes.
    """

    bins: Table
    ece: float
    mce: float
    brier: float

    def to_frame(self) -> pl.DataFrame:
        """A row a bin."""
        return self.bins.to_frame()

    def __str__(self) -> str:
        return f"{self.bins}\nexpected calibration error {self.ece:.4f}, largest {self.mce:.4f}, Brier score {self.brier:.4f}"


def calibration(codes: Any, probabilities: Any, bins: int = 10, positive: int | None = None) -> Calibration:
    """Compare probabilities with how often they come true.

    Args:
        codes: true class numbers (N,).
        probabilities: (N, classes), or (N,) of class 1.
        bins: of equal width.
        positive: look at the probability of this class; None looks at that of the predicted one.

    Raises:
        DataError: these are no probabilities.

    Source: Guo, Pleiss, Sun and Weinberger, "On calibration of modern neural networks", 2017.

    Example:
        >>> round(calibration([0, 1], [[0.75, 0.25], [0.25, 0.75]]).ece, 2)
        0.25
    """
    true, shares = _checked(codes, probabilities)
    if bins < 1:
        raise ArgumentError(f"bins is {bins!r}, expected a whole number from 1 on")
    if positive is None:
        confidence, hit = shares.max(axis=1), shares.argmax(axis=1) == true
    else:
        confidence, hit = shares[:, positive], true == positive % shares.shape[1]
    place = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    rows = np.bincount(place, minlength=bins)
    with np.errstate(invalid="ignore", divide="ignore"):
        said = np.bincount(place, confidence, bins) / rows
        came = np.bincount(place, hit, bins) / rows
    gaps = np.where(rows > 0, np.abs(said - came), 0.0)
    table = Table(
        [
            {"from": k / bins, "to": (k + 1) / bins, "rows": int(rows[k]), "confidence": float(said[k]), "accuracy": float(came[k])}
            for k in range(bins)
        ]
    )
    brier = float(((shares - np.eye(shares.shape[1])[true]) ** 2).sum(axis=1).mean())
    return Calibration(table, float((gaps * rows).sum() / len(true)), float(gaps.max()), brier)


def temperature(codes: Any, probabilities: Any) -> float:
    """The temperature that makes probabilities come true best: above 1 for a network that is too sure.

    Args:
        codes: true class numbers (N,) of rows that were not trained on.
        probabilities: (N, classes), or (N,) of class 1.

    Returns:
        The number for `with_temperature`, from 0.05 to 20.

    Raises:
        DataError: these are no probabilities.

    Source: Guo, Pleiss, Sun and Weinberger, "On calibration of modern neural networks", 2017.

    Example:
        >>> sure = [[0.99, 0.01]] * 4
        >>> temperature([0, 0, 0, 1], sure) > 1
        True
    """
    true, shares = _checked(codes, probabilities)
    logits = np.log(np.clip(shares, 1e-12, 1.0))

    def loss(power: float) -> float:
        scaled = logits / np.exp(power)
        top = scaled.max(axis=1)
        return float((top + np.log(np.exp(scaled - top[:, None]).sum(axis=1)) - scaled[np.arange(len(true)), true]).mean())

    low, high = np.log(0.05), np.log(20.0)
    golden = (np.sqrt(5) - 1) / 2
    for _ in range(60):  # the loss is convex in 1/T, so a golden section finds its one minimum
        a, b = high - golden * (high - low), low + golden * (high - low)
        low, high = (low, b) if loss(a) <= loss(b) else (a, high)
    return float(np.exp((low + high) / 2))


def with_temperature(probabilities: Any, temperature: float) -> Array:
    """Probabilities made flatter (above 1) or sharper (below 1).

    Args:
        probabilities: (N, classes).
        temperature: above 0.

    Example:
        >>> with_temperature(np.array([[0.9, 0.1]]), 2.0).round(2).tolist()
        [[0.75, 0.25]]
    """
    if not temperature > 0:
        raise ArgumentError(f"temperature is {temperature!r}, expected a number above 0")
    given = np.asarray(probabilities)
    scaled = np.clip(given.astype(np.float64), 1e-12, 1.0) ** (1.0 / temperature)
    return (scaled / scaled.sum(axis=-1, keepdims=True)).astype(given.dtype if given.dtype.kind == "f" else np.float64)


# -- decisions ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Threshold:
    """From which probability on a row should count as positive.

    Attributes:
        value: the threshold.
        by: what it is best for: "f1", "youden" or "cost".
        score: F1, Youden's J or the mean cost of a row there.
        precision, recall, specificity: there.
        at_half: the score at 0.5, to compare.
    """

    value: float
    by: str
    score: float
    precision: float
    recall: float
    specificity: float
    at_half: float

    def to_frame(self) -> pl.DataFrame:
        """One row."""
        return pl.DataFrame([self.__dict__])

    def __str__(self) -> str:
        return (
            f"threshold {self.value:.4f}: {self.by} {self.score:.4f} ({self.at_half:.4f} at 0.5), precision {self.precision:.4f}, "
            f"recall {self.recall:.4f}, specificity {self.specificity:.4f}"
        )


def best_threshold(
    codes: Any, probabilities: Any, by: str = "f1", *, positive: int = 1, cost: tuple[float, float] = (1.0, 1.0)
) -> Threshold:
    """The decision threshold that serves a purpose best; choose it on rows that were not trained on.

    Args:
        codes, probabilities, positive: as for `roc_curve`.
        by: "f1"; "youden" for recall + specificity - 1; "cost" for the lowest cost.
        cost: of a false positive, and of a false negative.

    Raises:
        UnknownNameError: another purpose.
        DataError: rows of one kind only.

    Source: Youden, "Index for rating diagnostic tests", 1950.

    Example:
        >>> best_threshold([0, 0, 1, 1], [0.1, 0.3, 0.4, 0.8]).value
        0.4
    """
    if by not in ("f1", "youden", "cost"):
        raise unknown_name("purpose of a threshold", by, ("f1", "youden", "cost"))
    if min(cost) < 0 or max(cost) <= 0:
        raise ArgumentError(f"cost is {cost!r}, expected (of a false positive, of a false negative), from 0 on and not both 0")
    hit, scores = _of_class(codes, probabilities, positive)
    count, positives = len(hit), int(hit.sum())

    def figures(true: Array, false: Array) -> dict[str, Array]:
        missed, right = positives - true, count - positives - false
        return {
            "f1": 2 * true / np.maximum(2 * true + false + missed, 1),
            "youden": true / positives + right / (count - positives) - 1,
            "cost": (false * cost[0] + missed * cost[1]) / count,
            "precision": true / np.maximum(true + false, 1),
            "recall": true / positives,
            "specificity": right / (count - positives),
        }

    true, false, thresholds = _steps(hit, scores)
    none = np.nextafter(thresholds[0], np.inf)  # nothing is positive
    true, false, thresholds = np.append(0, true), np.append(0, false), np.append(none, thresholds)
    made = figures(true, false)
    place = int(np.argmin(made["cost"]) if by == "cost" else np.argmax(made[by]))
    half = figures(np.array(int((hit & (scores >= 0.5)).sum())), np.array(int((~hit & (scores >= 0.5)).sum())))
    return Threshold(
        float(thresholds[place]), by, *(float(made[name][place]) for name in (by, "precision", "recall", "specificity")), float(half[by])
    )


# -- single rows -------------------------------------------------------------------------------------------------------


def worst_errors(targets: Any, predictions: Any, count: int = 10, *, labels: Sequence[Any] = ()) -> Table:
    """The rows that were predicted worst.

    Args:
        targets: class numbers (N,) with probabilities (N, classes), or values (N,) with values (N,).
        predictions: probabilities or values.
        count: rows to give.
        labels: names of the classes.

    Returns:
        A row each: row, true, predicted, and the loss (classes) or the error (values).

    Raises:
        ShapeError, DataError: they do not fit.

    Example:
        >>> worst_errors([0, 1], [[0.9, 0.1], [0.8, 0.2]], 1)[0]["row"]
        1
    """
    said = np.asarray(predictions)
    if said.ndim == 2 and said.shape[1] > 1:
        seen = np.flatnonzero(~np.isnan(said).any(axis=1))
        true, shares = _checked(np.asarray(targets)[seen], said[seen])
        own = shares[np.arange(len(true)), true]
        names = list(labels) if labels else list(range(shares.shape[1]))
        losses = -np.log(np.clip(own, 1e-12, 1.0))
        order = np.argsort(-losses, kind="stable")[:count]
        guesses = shares.argmax(axis=1)
        return Table(
            [
                {
                    "row": int(seen[k]), "true": names[true[k]], "predicted": names[guesses[k]], "probability_of_true": float(own[k]),
                    "loss": float(losses[k]),
                }
                for k in order
            ]
        )  # fmt: skip
    values, said = np.asarray(targets, np.float64).reshape(len(said), -1)[:, 0], said.astype(np.float64).reshape(len(said), -1)[:, 0]
    error = said - values
    order = np.argsort(-np.nan_to_num(np.abs(error)), kind="stable")[:count]
    return Table([{"row": int(k), "true": float(values[k]), "predicted": float(said[k]), "error": float(error[k])} for k in order])
