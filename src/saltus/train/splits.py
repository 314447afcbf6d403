"""Which rows are trained on and which judge the result: hold-out, folds, bootstrap. Pure functions of a seed; a low
file of `train`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from saltus.base.errors import ArgumentError, DataError
from saltus.data.split import split_rows

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class Split:
    """Rows to train on and rows to judge by.

    Attributes:
        train: row numbers (n,), int64; a bootstrap repeats some.
        test: row numbers (m,), none of them in `train`.
        fold: number of the split within its repetition, from 0.
        repeat: number of the repetition, from 0.
    """

    train: Array
    test: Array
    fold: int = 0
    repeat: int = 0


def _generator(seed: int, repeat: int = 0) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=[seed & 0xFFFFFFFFFFFFFFFF, repeat]))


def _count(rows: Any) -> int:
    """The number of rows, given as such or by their targets."""
    count = int(rows) if isinstance(rows, (int, np.integer)) else len(rows)
    if count < 1:
        raise DataError("there are no rows to split", fix="pass at least two rows")
    return count


def class_codes(rows: Any, stratify: bool | None) -> Array | None:
    """Class numbers (N,) by which rows are dealt, or None where they are not classes.

    Args:
        rows: the number of rows, or their targets.
        stratify: as for `k_fold`.
    """
    if isinstance(rows, (int, np.integer)):
        if stratify:
            raise ArgumentError("stratify=True needs the targets", fix="pass the targets in place of the number of rows")
        return None
    values = np.asarray(rows.to_numpy() if hasattr(rows, "to_numpy") else rows)
    if values.ndim == 2 and values.shape[1] > 1 and values.dtype.kind in "iuf" and bool((values.sum(axis=1) == 1).all()):
        values = values.argmax(axis=1)
    if stratify is False or values.size == 0 or values.ndim > 2 or (values.ndim == 2 and values.shape[1] != 1):
        return None
    values = values.reshape(len(values))
    if values.dtype.kind == "O":
        values = values.astype(str)
    found, codes = np.unique(values, return_inverse=True)
    if stratify is None and (len(found) > max(2, len(values) // 10) or (values.dtype.kind == "f" and bool((found % 1).any()))):
        return None
    return codes.reshape(-1)


def hold_out(rows: Any, share: float = 0.2, *, seed: int = 0, stratify: bool | None = None, groups: Any = None) -> Split:
    """One split: a share of the rows, drawn at random, judges the result.

    Args:
        rows: the number of rows, or their targets (N,).
        share: of the rows to hold out, between 0 and 1.
        seed: the same seed gives the same split.
        stratify: keep the classes' shares; None does so for targets that look like classes.
        groups: a label a row (N,); rows of one group stay on one side.

    Raises:
        ArgumentError: a share outside (0, 1), or too few rows or groups.

    Example:
        >>> split = hold_out(10, 0.3)
        >>> len(split.train), len(split.test)
        (7, 3)
    """
    if groups is None:
        train, test = split_rows(rows, share, seed=seed, stratify=stratify)
        return Split(np.sort(train), np.sort(test))
    codes = _group_codes(groups, _count(rows))
    kept, _ = split_rows(int(codes.max()) + 1, share, seed=seed)
    inside = np.isin(codes, kept)
    return Split(np.flatnonzero(inside), np.flatnonzero(~inside))


def k_fold(
    rows: Any, folds: int = 5, *, seed: int = 0, stratify: bool | None = None, groups: Any = None, time: Any = None, repeats: int = 1
) -> list[Split]:
    """Folds: every row judges once in each repetition, and is trained on in the other folds.

    Folds differ by one row at most, in all and in each class, so that their trainings share compiled programs.

    Args:
        rows: the number of rows, or their targets (N,).
        folds: how many, from 2 on.
        seed: the same seed gives the same folds.
        stratify: deal each class evenly; None does so for targets that look like classes.
        groups: a label a row (N,), such as a patient; rows of one group are in one fold.
        time: True where rows are ordered by time, or a value a row (N,) to order by: each fold is then judged by the rows
            that follow those it is trained on, and the first part of the rows never judges.
        repeats: repetitions with other folds.

    Returns:
        folds * repeats splits.

    Raises:
        ArgumentError: fewer rows, groups or rows of a class than folds; or arguments that exclude each other.

    Example:
        >>> [split.test.tolist() for split in k_fold(6, 3, time=True)]
        [[3], [4], [5]]
        >>> sorted(int(row) for split in k_fold(["a", "b"] * 4, 4) for row in split.test)
        [0, 1, 2, 3, 4, 5, 6, 7]
    """
    for name, value, low in (("folds", folds, 2), ("repeats", repeats, 1)):
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < low:
            raise ArgumentError(f"{name} is {value!r}, expected a whole number from {low} on")
    count = _count(rows)
    if count < folds + (time is not None and time is not False):
        raise ArgumentError(
            f"{count} rows cannot make {folds} folds{' ordered by time' if time is not None and time is not False else ''}",
            fix=f"use at most {max(count, 2)} folds, or give more rows",
        )
    if time is not None and time is not False:
        if groups is not None or repeats > 1:
            raise ArgumentError(
                "folds ordered by time cannot be grouped or repeated: their order is given", fix="leave out groups and repeats, or time"
            )
        return _forward(count, int(folds), time)
    made = []
    for repeat in range(repeats):
        fold = _dealt(rows, count, int(folds), _generator(seed, repeat), stratify, groups)
        made += [Split(np.flatnonzero(fold != k), np.flatnonzero(fold == k), k, repeat) for k in range(folds)]
    return made


def _dealt(rows: Any, count: int, folds: int, generator: np.random.Generator, stratify: bool | None, groups: Any) -> Array:
    """The fold of each row (N,)."""
    order = generator.permutation(count)
    fold = np.empty(count, np.int64)
    if groups is not None:
        codes = _group_codes(groups, count)
        sizes = np.bincount(codes)
        if len(sizes) < folds:
            raise ArgumentError(f"{len(sizes)} groups cannot make {folds} folds", fix=f"use at most {len(sizes)} folds")
        loads, place = np.zeros(folds, np.int64), np.empty(len(sizes), np.int64)
        shuffled = generator.permutation(len(sizes))
        for group in shuffled[np.argsort(-sizes[shuffled], kind="stable")]:  # large groups first, each into the emptiest fold
            place[group] = loads.argmin()
            loads[place[group]] += sizes[group]
        return place[codes]
    codes = class_codes(rows, stratify)
    if codes is not None:
        sizes = np.bincount(codes)
        small = np.flatnonzero(sizes < folds)
        if len(small):
            few = int(sizes[small[0]])
            label = np.asarray(rows)[codes == small[0]][0] if np.ndim(rows) == 1 else small[0]
            raise ArgumentError(
                f"the class {label!s} has {few} row{'s' * (few != 1)}, fewer than the {folds} folds",
                fix=f"use at most {max(int(sizes.min()), 2)} folds, give more rows of it, or pass stratify=False",
            )
        order = order[np.argsort(codes[order], kind="stable")]  # class after class, dealt round: even in each class and in all
    fold[order] = np.arange(count) % folds
    return fold


def _group_codes(groups: Any, count: int) -> Array:
    values = np.asarray(groups.to_numpy() if hasattr(groups, "to_numpy") else groups)
    if values.shape != (count,):
        raise ArgumentError(f"groups have the shape {values.shape}, expected ({count},)", fix="give one label a row")
    return np.unique(values.astype(str) if values.dtype.kind == "O" else values, return_inverse=True)[1].reshape(-1)  # type: ignore[no-any-return]


def _forward(count: int, folds: int, time: Any) -> list[Split]:
    """Each fold trained on everything before the rows that judge it."""
    if time is True:
        order = np.arange(count)
    else:
        values = np.asarray(time.to_numpy() if hasattr(time, "to_numpy") else time)
        if values.shape != (count,):
            raise ArgumentError(f"time has the shape {values.shape}, expected ({count},)", fix="give one value a row, or True")
        order = np.argsort(values, kind="stable")
    size = max(count // (folds + 1), 1)
    begin = count - folds * size
    return [
        Split(order[: begin + k * size], order[begin + k * size : begin + (k + 1) * size], k)
        for k in range(folds)
    ]  # fmt: skip


def bootstrap(rows: Any, samples: int = 10, *, seed: int = 0, size: int | None = None, groups: Any = None) -> list[Split]:
    """Rows drawn with repetition; those never drawn judge the result.

    Args:
        rows: the number of rows, or their targets (N,).
        samples: how many splits.
        seed: the same seed gives the same draws.
        size: rows drawn each time; None for as many as there are.
        groups: a label a row (N,); whole groups are drawn.

    Raises:
        ArgumentError: numbers below 1.

    Source: Efron and Tibshirani, "An introduction to the bootstrap", 1993.

    Example:
        >>> split = bootstrap(100, 1)[0]
        >>> len(split.train), bool(set(split.train) & set(split.test))
        (100, False)
    """
    count = _count(rows)
    size = count if size is None else size
    if samples < 1 or size < 1:
        raise ArgumentError(f"samples={samples}, size={size}: expected numbers from 1 on")
    made = []
    for k in range(samples):
        generator = _generator(seed, k)
        if groups is None:
            train = generator.integers(0, count, size)
        else:
            codes = _group_codes(groups, count)
            drawn = generator.integers(0, int(codes.max()) + 1, int(codes.max()) + 1)
            train = np.concatenate([np.flatnonzero(codes == g) for g in drawn])
        made.append(Split(train, np.setdiff1d(np.arange(count), train), 0, k))
    return made


def given_splits(splits: Iterable[Any], count: int) -> list[Split]:
    """Splits a user made: `Split`s, or (train, test) pairs of row numbers.

    Raises:
        DataError: a row that does not exist, or one on both sides.
    """
    made = []
    for number, given in enumerate(splits):
        pair: Sequence[Any] = (given.train, given.test) if isinstance(given, Split) else given
        train, test = (np.flatnonzero(v) if np.asarray(v).dtype.kind == "b" else np.asarray(v, np.int64) for v in pair)
        both = np.concatenate([train, test])
        if not len(train) or not len(test) or both.min() < 0 or both.max() >= count:
            raise DataError(
                f"split {number} has {len(train)} training and {len(test)} test rows, or one outside 0 to {count - 1}",
                fix="give pairs of row numbers (train, test)",
            )
        if np.intersect1d(train, test).size:
            raise DataError(
                f"split {number} has the row {np.intersect1d(train, test)[0]} on both sides",
                fix="rows that are trained on cannot judge the result",
            )
        made.append(given if isinstance(given, Split) else Split(train, test, number))
    if not made:
        raise DataError("there are no splits", fix="give at least one pair (train, test)")
    return made
