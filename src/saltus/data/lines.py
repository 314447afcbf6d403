"""A table with times as regular series: its time and key columns found, gaps filled from the past, repeats refused.
Above `schema` and `frequency`, below `series`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from saltus.base.errors import DataError, unknown_name
from saltus.data.column import ColumnPlan, ParsedColumn, RawColumn, parse
from saltus.data.frequency import Frequency, infer_frequency, parse_frequency
from saltus.data.glance import glance
from saltus.data.lazy import LazyModule
from saltus.data.read import Table
from saltus.data.records import Change, counted
from saltus.data.schema import Override, Reading, inspect

if TYPE_CHECKING:
    import polars as pl
else:
    pl = LazyModule("polars")

REPEATS = ("error", "mean", "last", "sum")
_FEWEST_ROWS = 12
_SORTED = 0.8  # share of rows later than the one before, from which rows are in the order of time
_ONCE = 0.9  # share of times that come once, from which those that come twice are mistakes
_KEYS = ("category", "identifier", "text", "boolean")


@dataclass(frozen=True)
class Line:
    """One series on its grid.

    Attributes:
        name: its key; empty when there is only one.
        start: number of its first step; see `Frequency.number`.
        values: float64 (T,), the target, a missing value being that before it.
        seen: bool (T,), where the target was measured.
        others: float64 (T, C), the other columns, filled likewise; NaN before their first value.
    """

    name: str
    start: int
    values: np.ndarray
    seen: np.ndarray
    others: np.ndarray

    @property
    def last(self) -> int:
        """Place of the last measured value."""
        return int(len(self.seen) - 1 - np.argmax(self.seen[::-1]))


@dataclass(frozen=True)
class Layout:
    """Which columns a table of series has, and how they are read.

    Attributes:
        time, key, target: columns; the key "" for a single series.
        others: further columns of numbers.
        plans: how the columns are read; a year is a number.
        frequency: the step of time.
        repeated: what is done with several values of one time: one of `REPEATS`.
    """

    time: str
    key: str
    target: str
    others: tuple[str, ...]
    plans: Mapping[str, ColumnPlan]
    frequency: Frequency
    repeated: str = "error"

    def to_config(self) -> dict[str, Any]:
        """The layout as plain values."""
        return {
            "time": self.time, "key": self.key, "target": self.target, "others": list(self.others), "repeated": self.repeated,
            "plans": {name: plan.to_config() for name, plan in self.plans.items()}, "frequency": self.frequency.to_config(),
        }  # fmt: skip

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Layout:
        """The layout that `to_config` wrote."""
        plans = {name: ColumnPlan.from_config(plan) for name, plan in config["plans"].items()}
        return cls(**{**config, "others": tuple(config["others"]), "plans": plans, "frequency": Frequency(**config["frequency"])})


def find_layout(
    table: Table, *, target: str | None, time: str | None, key: str | None, frequency: str | None, repeated: str,
    overrides: Mapping[str, Any],
) -> tuple[Layout, list[Change]]:  # fmt: skip
    """Find the columns of series, and their frequency.

    Args:
        table: the table.
        target: the column to forecast; None takes the last column of numbers.
        time: the column of times; None takes the first column of dates.
        key: the column that tells series apart; None finds one when times repeat.
        frequency: such as "day" or "15 minutes"; None finds it.
        repeated: what to do with several values of one time.
        overrides: how single columns are read; see `TableEncoder.fit`.

    Returns:
        The layout, and what there is to say.

    Raises:
        UnknownNameError: a column, frequency or word that is not known.
        DataError: no times, repeated or irregular ones, or no numbers.
    """
    frame = table.frame
    for what, name in (("target column", target), ("time column", time), ("key column", key)):
        if name and name not in frame.columns:
            raise unknown_name(what, name, frame.columns)
    if repeated not in REPEATS:
        raise unknown_name("way with repeated times", repeated, REPEATS)
    forced = dict(overrides) | ({target: "number"} if target else {}) | ({time: "date"} if time and not _is_year(frame, time) else {})
    schema, parsed = inspect(table, {name: Override.of(name, how) for name, how in forced.items()}, Reading(), target)
    time = time or next((c.plan.name for c in parsed.values() if c.plan.kind == "date" or _is_year(frame, c.plan.name)), None)
    if time is None:
        kinds = ", ".join(f"{c.plan.name!r} ({c.plan.kind})" for c in parsed.values())
        raise DataError(f"{table.name} has no column of times; its columns are {kinds}", fix="name it: --time COL")
    times = _times(parsed[time], table.name)
    if key is None and repeated == "error":
        key = _key(times, {name: c for name, c in parsed.items() if name not in (time, target) and c.plan.kind in _KEYS})
    numbers = [n for n, c in parsed.items() if c.plan.kind in ("number", "boolean") and n not in (time, key)]
    if target is None and not numbers:
        raise DataError(f"{table.name} has no column of numbers to forecast", fix="check how its numbers are written")
    target = target or numbers[-1]
    others = tuple(name for name in numbers if name != target)
    used = [time, *([key] if key else []), target, *others]
    layout = Layout(time, key or "", target, others, {n: parsed[n].plan for n in used}, Frequency("day"), repeated)
    groups = [(name, rows) for name, rows in _groups(parsed, layout, times)]
    if frequency:
        layout = replace(layout, frequency=parse_frequency(frequency))
    else:
        for name, rows in groups:
            _need_single(times[rows], rows, name, layout, table.name)
        distinct = [np.unique(times[rows]) for _, rows in groups]
        layout = replace(layout, frequency=infer_frequency(distinct, [name for name, _ in groups], table.name))
    left = [name for name in frame.columns if name not in used and overrides.get(name) != "drop"]
    notes = [c for c in schema.changes if c.column in used]
    if left:
        text = f"{counted(len(left), 'column')} not of numbers ignored"
        notes.append(Change("", "ignored columns", len(left), text, tuple(map(repr, left[:5]))))
    return layout, notes


def read_lines(table: Table, layout: Layout) -> tuple[list[Line], list[Change]]:
    """The series of a table, each on its regular grid.

    Returns:
        The series, and what was filled.

    Raises:
        DataError: a column is missing, a cell cannot be read, or a time comes twice; named.
    """
    lacking = [name for name in layout.plans if name not in table.frame.columns]
    if lacking:
        what = f"{table.name} has no column {', '.join(map(repr, lacking))}; there are {', '.join(map(repr, table.frame.columns))}"
        raise DataError(what, fix="give the columns of the training data")
    parsed = _parsed(table.frame, layout, table.name)
    times = _times(parsed[layout.time], table.name)
    columns = np.stack([parsed[name].values.astype(np.float64) for name in (layout.target, *layout.others)], axis=1)
    lines, notes, gaps, spans = [], [], 0, []
    for name, rows in _groups(parsed, layout, times):
        numbers, off = layout.frequency.number(times[rows], within=layout.repeated != "error")
        if off.any() and layout.repeated == "error":
            at = rows[int(np.argmax(off))]
            what = f"{table.name}, row {at + 1:,}: {times[at]!s:.19} does not lie on the grid of one value every {layout.frequency.name}"
            notes.append(Change(layout.time, "off the grid", int(off.sum()), what + "; put to its nearest step"))
        start, values = _on_grid(numbers, columns[rows], layout, name, table.name, times[rows])
        known = ~np.isnan(values[:, 0])
        if not known.any():
            continue
        first = int(np.argmax(known))
        start, values, known = start + first, values[first:], known[first:]
        filled = _carried(values)
        line = Line(name, start, filled[:, 0], known, filled[:, 1:])
        hollow = np.flatnonzero(~known[: line.last])
        gaps += len(hollow)
        if len(hollow) and len(spans) < 3:
            spans.append(f"{layout.frequency.times(np.array([start + hollow[0]]))[0]!s:.10}{' of ' + name if name else ''}")
        lines.append(line)
    if not lines:
        raise DataError(f"{table.name}: the column {layout.target!r} has no values", fix="give rows with values to forecast from")
    if gaps:
        text = f"{counted(gaps, 'value')} missing inside the series: the value before stands in, and none of them is predicted or judged by"
        notes.append(Change(layout.target, "gaps", gaps, text, tuple(spans)))
    return lines, notes


def _is_year(frame: pl.DataFrame, name: str) -> bool:
    """Whether a column holds bare years, such as 1959."""
    if name.strip().lower() not in ("year", "years", "jahr"):
        return False
    years = frame[name].cast(pl.Float64, strict=False).drop_nulls().to_numpy()
    return len(years) > 1 and bool((years % 1 == 0).all() and 1000 <= years.min() <= years.max() <= 2200)


def _times(column: ParsedColumn, table: str) -> np.ndarray:
    values = column.values
    if values.dtype.kind == "f":
        values = (np.nan_to_num(values, nan=-1e6).astype(np.int64) - 1970).astype("datetime64[Y]").astype("datetime64[us]")
        values[np.isnan(column.values)] = np.datetime64("NaT")
    gone = np.isnat(values)
    if gone.any():
        row = int(np.argmax(gone)) + 1
        raise DataError(f"{table}, column {column.plan.name!r}, row {row:,} has no time", fix="leave out rows without a time")
    return values


def _groups(parsed: Mapping[str, ParsedColumn], layout: Layout, times: np.ndarray) -> list[tuple[str, np.ndarray]]:
    """Name and rows of each series, by time; rows of equal times stay in the order of the table."""
    order = np.argsort(times, kind="stable")
    if not layout.key:
        return [("", order)]
    column = parsed[layout.key]
    values = column.values if column.words is not None else np.where(column.missing, -1, column.values).astype(np.int64)
    codes = np.unique(values[values >= 0]).tolist()
    made = [(column.words[c] if column.words is not None else str(c), order[values[order] == c]) for c in codes]
    return sorted(made, key=lambda pair: pair[0])


def _key(times: np.ndarray, candidates: Mapping[str, ParsedColumn]) -> str | None:
    """The column, of those with the fewest values, within whose values no time comes twice; None where none is needed."""
    if len(np.unique(times)) == len(times):
        return None
    for name, column in sorted(candidates.items(), key=lambda pair: pair[1].plan.distinct):
        pairs = pl.DataFrame({"time": times, "value": column.values})
        if not column.missing.any() and not pairs.is_duplicated().any():
            return name
    return None


def _need_single(times: np.ndarray, rows: np.ndarray, name: str, layout: Layout, table: str) -> None:
    """Refuse times that come twice in one series."""
    same = np.flatnonzero(times[1:] == times[:-1])
    if len(same) and layout.repeated == "error":
        title = f" of {name!r}" if name else ""
        first, second = rows[same[0]], rows[same[0] + 1]
        what = f"{table}: the time {times[same[0]]!s:.19}{title} comes twice, in the rows {first + 1:,} and {second + 1:,}"
        more = f" ({counted(len(same), 'such row')})" if len(same) > 1 else ""
        fix = "name the column that tells series apart with --key, or make one of them: --set repeated=mean, last or sum"
        raise DataError(what + more, fix=fix)


def _on_grid(
    numbers: np.ndarray, columns: np.ndarray, layout: Layout, name: str, table: str, times: np.ndarray
) -> tuple[int, np.ndarray]:
    """First step, and a row a step (T, columns) with NaN where there is none."""
    if layout.repeated == "error":
        if (numbers[1:] == numbers[:-1]).any():
            at = int(np.argmax(numbers[1:] == numbers[:-1]))
            _need_single(np.array([times[at], times[at]]), np.array([at, at + 1]), name, layout, table)
        made = np.full((int(numbers[-1] - numbers[0]) + 1, columns.shape[1]), np.nan)
        made[numbers - numbers[0]] = columns
        return int(numbers[0]), made
    size = int(numbers[-1] - numbers[0]) + 1
    made = np.full((size, columns.shape[1]), np.nan)
    for place in range(columns.shape[1]):
        known = ~np.isnan(columns[:, place])
        at, values = (numbers - numbers[0])[known], columns[known, place]
        if layout.repeated == "last":
            made[at, place] = values
            continue
        counts = np.bincount(at, minlength=size)
        sums = np.bincount(at, values, minlength=size)
        made[:, place] = np.where(counts > 0, sums / np.maximum(counts, 1) if layout.repeated == "mean" else sums, np.nan)
    return int(numbers[0]), made


def _carried(values: np.ndarray) -> np.ndarray:
    """Missing values replaced by the last one before; NaN stays where there is none before."""
    known = ~np.isnan(values)
    place = np.maximum.accumulate(np.where(known, np.arange(len(values))[:, None], 0), axis=0)
    return np.take_along_axis(values, place, axis=0)


def holds_series(path: Path) -> bool:
    """Whether a file holds series, by a glance inside: regular times, and besides numbers only what tells series apart.

    Args:
        path: a file that exists.
    """
    try:
        frame = glance(path)
        if frame is None or frame.height < _FEWEST_ROWS:
            return False
        columns = {"target": None, "time": None, "key": None, "frequency": None}
        try:
            layout, _ = find_layout(Table(frame, str(path)), **columns, repeated="error", overrides={})
        except DataError:  # some times that come twice by mistake: the reader will name them
            layout, _ = find_layout(Table(frame, str(path)), **columns, repeated="mean", overrides={})
            if frame[layout.time].n_unique() < _ONCE * frame.height:
                return False
    except Exception:  # not for us to complain: its reader does
        return False
    used = (layout.time, layout.key, layout.target, *layout.others)
    words = [name for name in frame.columns if name not in used and frame[name].n_unique() > 1]
    steps = np.diff(layout.frequency.number(_times(_parsed(frame, layout)[layout.time], str(path)))[0])
    return not words and bool((steps > 0).mean() > _SORTED or (steps < 0).mean() > _SORTED)


def _parsed(frame: pl.DataFrame, layout: Layout, table: str = "") -> dict[str, ParsedColumn]:
    missing = Reading().missing
    return {name: parse(RawColumn(frame[name], missing), plan, table) for name, plan in layout.plans.items()}


def describe_lines(lines: Sequence[Line], layout: Layout) -> str:
    """One line on what the series are."""
    first = min(line.start for line in lines)
    last = max(line.start + line.last for line in lines)
    low, high = (f"{t!s:.10}" for t in layout.frequency.times(np.array([first, last])))
    return f"{counted(len(lines), 'series', 'series')}, a value every {layout.frequency.name}, from {low} to {high}"
