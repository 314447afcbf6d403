"""More rows of rare classes, made before a training: SMOTE. Works on arrays that are encoded already."""

from __future__ import annotations

from typing import Any

import numpy as np

from saltus.base.errors import ArgumentError, DataError

Array = np.ndarray[Any, Any]
_AT_ONCE = 512  # rows whose distances are worked out together


def smote(x: Any, y: Any, *, neighbours: int = 5, seed: int = 0, wanted: dict[int, int] | None = None) -> tuple[Array, Array]:
    """Rows of rare classes made up between real ones, until every class has as many as the largest.

    A made-up row lies at a random place of the line between a row and one of its nearest neighbours of the same class. Only training
    rows may be given: made-up rows say nothing about a model.

    Args:
        x: numbers (N, features), on one scale.
        y: whole numbers (N,), the classes.
        neighbours: nearest rows of its class that a row may be joined with.
        seed: of the choice.
        wanted: class -> rows it is to have; None makes all as many as the largest.

    Returns:
        The rows given, followed by those made up, and their classes.

    Raises:
        DataError: a class has a single row, so that there is no neighbour.

    Source: Chawla, Bowyer, Hall and Kegelmeyer, "SMOTE: synthetic minority over-sampling technique", 2002.

    Example:
        >>> x, y = smote([[0.0], [1.0], [2.0], [10.0], [11.0]], [0, 0, 0, 1, 1])
        >>> y.tolist()
        [0, 0, 0, 1, 1, 1]
        >>> bool(10 <= x[5, 0] <= 11)
        True
    """
    rows, labels = np.asarray(x), np.asarray(y)
    if rows.ndim != 2 or rows.dtype.kind not in "fiu" or labels.shape != rows.shape[:1] or labels.dtype.kind not in "iu":
        raise ArgumentError(
            f"smote takes numbers (N, features) and classes (N,), got {rows.dtype} {rows.shape} and {labels.dtype} {labels.shape}",
            fix="encode categories as numbers first, and give class numbers",
        )
    if neighbours < 1:
        raise ArgumentError(f"smote: neighbours must be a whole number from 1 on, got {neighbours}")
    values = rows if rows.dtype.kind == "f" else rows.astype(np.float64)
    classes, counts = np.unique(labels, return_counts=True)
    target = dict.fromkeys(classes.tolist(), int(counts.max())) | (wanted or {})
    rng = np.random.default_rng(seed)
    made, named = [values], [labels]
    for label, count in zip(classes.tolist(), counts.tolist(), strict=True):
        missing = target[label] - count
        if missing <= 0:
            continue
        own = values[labels == label]
        if count < 2:
            raise DataError(f"smote: class {label} has a single row, and so no neighbour", fix="leave the class out, or repeat its row")
        near = _nearest(own, min(neighbours, count - 1))
        first = rng.integers(0, count, missing)
        other = near[first, rng.integers(0, near.shape[1], missing)]
        share = rng.random((missing, 1)).astype(own.dtype)
        made.append(own[first] + (own[other] - own[first]) * share)
        named.append(np.full(missing, label, labels.dtype))
    return np.concatenate(made), np.concatenate(named)


def _nearest(rows: Array, count: int) -> Array:
    """Numbers of the nearest other rows, (N, count)."""
    exact = rows.astype(np.float64)
    squares = (exact**2).sum(axis=1)
    found = np.empty((len(rows), count), np.int64)
    for begin in range(0, len(rows), _AT_ONCE):
        part = exact[begin : begin + _AT_ONCE]
        distance = squares - 2 * part @ exact.T
        distance[np.arange(len(part)), np.arange(begin, begin + len(part))] = np.inf
        found[begin : begin + len(part)] = np.argpartition(distance, count - 1, axis=1)[:, :count]
    return found
