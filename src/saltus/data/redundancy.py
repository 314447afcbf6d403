"""Finds what tells nothing new: copies of rows, columns that repeat another in any form; below `table`."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

from saltus.data.column import ParsedColumn
from saltus.data.lazy import LazyModule

if TYPE_CHECKING:
    import polars as pl
else:
    pl = LazyModule("polars")

_CHANCE = 0.1  # copies are by chance when independent columns would give at least this share of them
_SAME_ROWS = 30  # fewer rows, or fewer than five rows a value, may agree by chance
_ROWS_A_VALUE = 5
_CORRELATION_ROWS = 20_000
_CORRELATION_COLUMNS = 1000


def _whole(column: ParsedColumn) -> np.ndarray:
    return column.values.view(np.int64) if column.values.dtype.kind == "M" else column.values


def repeated_rows(columns: list[ParsedColumn]) -> tuple[np.ndarray, bool]:
    """Rows that repeat an earlier row in every column.

    A table of few coarse columns repeats rows by nature: whether the copies are more than chance is judged
    by the number of equal pairs that independent columns with the same values would give.

    Args:
        columns: all columns of the table, the target and identifiers among them.

    Returns:
        bool (N,), true for each copy; and whether the copies are what chance gives, so observations of their
        own.
    """
    frame = pl.DataFrame({str(i): _whole(column) for i, column in enumerate(columns)})
    hashes = frame.hash_rows()
    copies = np.zeros(frame.height, dtype=bool)
    if hashes.n_unique() == frame.height:
        return copies, False
    suspects = np.flatnonzero(hashes.is_duplicated().to_numpy())
    first = frame[suspects].select(pl.struct(pl.all()).is_first_distinct()).to_series().to_numpy()
    copies[suspects[~first]] = True
    rows = frame.height
    chance = 1.0
    for name in frame.columns:
        counts = frame[name].value_counts()["count"].to_numpy().astype(float)
        chance *= float(((counts / rows) ** 2).sum())
    sizes = frame[suspects].group_by(pl.all()).len()["len"].to_numpy().astype(float)
    pairs = float((sizes * (sizes - 1) / 2).sum())
    return copies, chance * rows * (rows - 1) / 2 >= _CHANCE * pairs


def shared_rows(known: pl.DataFrame, others: pl.DataFrame) -> np.ndarray:
    """Which rows of a table stand in another one too.

    Args:
        known: a table.
        others: another, compared in the columns that both have.

    Returns:
        bool, one a row of `others`.

    Example:
        >>> import polars
        >>> first, second = polars.DataFrame({"a": [1, 2], "b": "x"}), polars.DataFrame({"b": "x", "a": [2, 3]})
        >>> shared_rows(first, second).tolist()
        [True, False]
    """
    columns = [name for name in known.columns if name in others.columns]
    return others.select(columns).hash_rows().is_in(known.select(columns).hash_rows().implode()).to_numpy()


def _first_seen(column: ParsedColumn) -> np.ndarray:
    """The column's values numbered in order of first appearance (missing is a value too), int32 (N,)."""
    series = pl.Series(_whole(column))
    if column.values.dtype.kind == "f":
        series = series.fill_nan(None)
    distinct = series.unique(maintain_order=True)
    order = pl.Series(np.arange(len(distinct), dtype=np.int32))
    return series.replace_strict(distinct, order, return_dtype=pl.Int32).to_numpy()


def same_partition(a: ParsedColumn, b: ParsedColumn) -> bool:
    """Whether two columns tell the same rows apart, and do so too often for chance.

    Such columns hold the same information in two forms, as the years of schooling and the name of the degree
    do.
    """
    rows = len(a.values)
    if a.plan.distinct != b.plan.distinct or a.plan.missing != b.plan.missing:
        return False
    if rows < _SAME_ROWS or a.plan.distinct * _ROWS_A_VALUE > rows:
        return False
    return bool((_first_seen(a) == _first_seen(b)).all())


def repeated_columns(columns: list[ParsedColumn]) -> dict[str, str]:
    """Columns that hold what another column holds.

    Args:
        columns: the columns that are used, in order.

    Returns:
        name -> why it is not needed, with the name of the column that stays.
    """
    found: dict[str, str] = {}
    groups: dict[tuple[int, float], list[ParsedColumn]] = defaultdict(list)
    for column in columns:
        groups[column.plan.distinct, column.plan.missing].append(column)
    for group in groups.values():
        for i, late in enumerate(group):
            for early in group[:i]:
                if early.plan.name not in found and late.plan.name not in found:
                    found.update(_compare(early, late))
    numbers = [c for c in columns if c.plan.kind == "number" and c.plan.distinct > 2 and c.plan.name not in found]
    return found | _linear(numbers[:_CORRELATION_COLUMNS])


def _compare(early: ParsedColumn, late: ParsedColumn) -> dict[str, str]:
    a, b = early.plan, late.plan
    if {a.kind, b.kind} <= {"number", "boolean", "date", "time"}:
        same = early.values.dtype == late.values.dtype and np.array_equal(
            _whole(early), _whole(late), equal_nan=early.values.dtype.kind == "f"
        )
        return {b.name: f"the same values as {a.name!r}"} if same and a.kind == b.kind else {}
    worded = early.words is not None and late.words is not None and early.words.equals(late.words)
    if worded and np.array_equal(early.values, late.values):
        return {b.name: f"the same values as {a.name!r}"}
    if {"text", "image"} & {a.kind, b.kind} or not same_partition(early, late):
        return {}
    stays, goes = (b, a) if a.kind == "category" and b.kind in ("number", "boolean") else (a, b)
    return {goes.name: f"the same information as {stays.name!r} in another form ({a.distinct:,} values each)"}


def _linear(numbers: list[ParsedColumn]) -> dict[str, str]:
    """Numbers that are another number in another unit: exactly factor * x + offset."""
    if len(numbers) < 2:
        return {}
    rows = len(numbers[0].values)
    sample = np.linspace(0, rows - 1, min(rows, _CORRELATION_ROWS)).astype(np.int64)
    table = np.stack([column.values[sample] for column in numbers])
    known = ~np.isnan(table)
    mean = np.where(known, table, 0.0).sum(axis=1, keepdims=True) / np.maximum(known.sum(axis=1, keepdims=True), 1)
    centred = np.where(known, table - mean, 0.0)
    centred /= np.maximum(np.abs(centred).max(axis=1, keepdims=True), np.finfo(float).tiny)
    centred /= np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), np.finfo(float).tiny)
    correlation = np.abs(centred @ centred.T)
    found: dict[str, str] = {}
    for i, j in zip(*np.nonzero(np.triu(correlation > 1.0 - 1e-9, 1)), strict=True):
        early, late = numbers[i], numbers[j]
        if early.plan.name in found or late.plan.name in found or not np.array_equal(early.missing, late.missing):
            continue
        x, y = early.values[~early.missing], late.values[~late.missing]
        if len(x) < 3 or early.plan.distinct < 3:
            continue
        low, high = int(np.argmin(x)), int(np.argmax(x))
        factor = (y[high] - y[low]) / (x[high] - x[low])
        if np.max(np.abs(y[low] + factor * (x - x[low]) - y)) <= 1e-9 * np.ptp(y):
            found[late.plan.name] = f"{early.plan.name!r} times {factor:.6g}: the same values in another unit"
    return found
