"""One column under its plan: the kinds there are, and reading raw cells into clean values; below `schema`.

The same function reads the training column and every later one, so a stored plan always gives the same
values.
"""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from saltus.base.errors import DataError
from saltus.data.dates import NOT_A_TIME, DateRule, read_dates
from saltus.data.dictionary import Dictionary
from saltus.data.lazy import LazyModule
from saltus.data.quantities import NumberRule, WrittenNumbers, read_numbers
from saltus.data.records import counted, shorten
from saltus.data.spelling import CategoryRule, is_missing, merge_spellings, read_booleans

if TYPE_CHECKING:
    import polars as pl
else:
    pl = LazyModule("polars")

Rule = NumberRule | DateRule | CategoryRule

# kind -> what a cell of it is called in a message
KINDS = {
    "number": "a number",
    "boolean": "yes or no",
    "category": "a category",
    "date": "a date",
    "time": "a time of day",
    "text": "a text",
    "image": "an image file",
    "identifier": "an identifier",
    "constant": "a constant",
    "empty": "nothing",
}
USED = ("number", "boolean", "category", "date", "time", "text", "image")
_RULES: dict[str, type[Rule]] = {
    "number": NumberRule,
    "date": DateRule,
    "time": DateRule,
    "category": CategoryRule,
    "text": CategoryRule,
    "image": CategoryRule,
}


@dataclass(frozen=True)
class ColumnPlan:
    """What a column means and how it is read.

    Attributes:
        name: the column.
        kind: one of `KINDS`.
        rule: how its cells are written, None where the kind needs no rule.
        missing: share of its training cells without a value.
        distinct: how many different values the training cells hold.
        example: one value, as it was written.
        reason: why this kind was chosen.
    """

    name: str
    kind: str
    rule: Rule | None = None
    missing: float = 0.0
    distinct: int = 0
    example: str = ""
    reason: str = ""

    def to_config(self) -> dict[str, Any]:
        """The plan as a plain dict."""
        rule = None if self.rule is None else {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self.rule).items()}
        fields = {name: getattr(self, name) for name in ("name", "kind", "missing", "distinct", "example", "reason")}
        return {**fields, "rule": rule}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> ColumnPlan:
        """The plan that `to_config` wrote."""
        rule = config["rule"]
        if rule is not None:
            fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in rule.items()}
            rule = _RULES[config["kind"]](**fields)
        return cls(**{**config, "rule": rule})


@dataclass(frozen=True)
class ParsedColumn:
    """Clean values of a column.

    Attributes:
        plan: how they were read.
        values: (N,): float64 with NaN for numbers and yes/no; datetime64[us] with NaT for dates and times;
            int32 positions in `words`, -1 for missing, for categories, texts and images.
        words: Polars series of distinct texts for categories, texts and images (their files), else None.
        rows: int64 (N,), number of each cell's row in the table that was read.
    """

    plan: ColumnPlan
    values: np.ndarray
    words: pl.Series | None = None
    rows: np.ndarray | None = None

    @property
    def missing(self) -> np.ndarray:
        """bool (N,): the rows without a value."""
        kind = self.values.dtype.kind
        return np.isnan(self.values) if kind == "f" else np.isnat(self.values) if kind == "M" else self.values < 0

    def take(self, rows: np.ndarray) -> ParsedColumn:
        """The same column with only these rows."""
        return replace(self, values=self.values[rows], rows=rows if self.rows is None else self.rows[rows])


class RawColumn:
    """A column as it came: its cells as stripped text, distinct texts and numbers, each found when needed.

    Args:
        series: a Polars series of any kind.
        missing: the texts, in lower case, that stand for "no value".
        rows: of a part of a table, the number in it of each cell's row, int64 (N,); for messages.
        folder: where the names of files count from.
    """

    def __init__(self, series: pl.Series, missing: frozenset[str], rows: np.ndarray | None = None, folder: str = "") -> None:
        kind = series.dtype
        if isinstance(kind, pl.Categorical | pl.Enum) or kind == pl.Null:
            series = series.cast(pl.String)
        elif isinstance(kind, pl.Duration):
            series = series.dt.total_microseconds() / 1e6
        elif isinstance(kind, pl.Decimal):
            series = series.cast(pl.Float64)
        elif kind == pl.Binary or kind == pl.Object:
            raise DataError(
                f"column {series.name!r} holds {kind} cells, which are neither numbers, texts nor dates",
                fix="leave the column out, or convert it to one of these",
            )
        self.series, self.name, self.missing, self.rows, self.folder = series, series.name, missing, rows, folder

    def row(self, place: int) -> str:
        """A cell's row as messages name it: counted from 1, in the table that was read."""
        return f"{int(place if self.rows is None else self.rows[place]) + 1:,}"

    @property
    def is_text(self) -> bool:
        return self.series.dtype == pl.String

    @property
    def is_temporal(self) -> bool:
        return self.series.dtype.is_temporal()

    @cached_property
    def stripped(self) -> pl.Series:
        """The cells as text without space around them; blank ones are null."""
        if self.is_text:
            return self.series.str.strip_chars().replace("", None)
        if self.series.dtype.is_float():
            whole = (self.series == self.series.floor()) & (self.series.abs() < 2**53)
            frame = pl.DataFrame({"x": self.series, "whole": whole})
            text = pl.when("whole").then(pl.col("x").cast(pl.Int64, strict=False).cast(pl.String)).otherwise(pl.col("x").cast(pl.String))
            return frame.select(pl.when(pl.col("x").is_finite()).then(text)).to_series().alias(self.name)
        return self.series.cast(pl.String)

    @cached_property
    def every(self) -> Dictionary:
        """The distinct stripped texts, those that stand for "no value" among them."""
        return Dictionary.of(self.stripped)

    @cached_property
    def present(self) -> Dictionary:
        """The distinct stripped texts that are values."""
        return without(self.every, is_missing(self.every.words, self.missing))

    @cached_property
    def written(self) -> WrittenNumbers:
        """The texts of `present` taken apart as numbers."""
        return WrittenNumbers(self.present.words)

    @cached_property
    def plain(self) -> tuple[np.ndarray, pl.Series]:
        """The cells as float64 (N,), and the distinct texts that are neither plain numbers nor "no value"."""
        if not self.is_text:
            numbers = self.series.cast(pl.Float64).fill_null(np.nan).to_numpy().copy()
            numbers[~np.isfinite(numbers)] = np.nan
            return numbers, pl.Series([], dtype=pl.String)
        cast = self.stripped.cast(pl.Float64, strict=False)
        left = self.stripped.filter(cast.is_null() & self.stripped.is_not_null()).unique(maintain_order=True)
        numbers = cast.fill_null(np.nan).to_numpy().copy()
        numbers[~np.isfinite(numbers)] = np.nan
        return numbers, left.filter(pl.Series(~is_missing(left, self.missing), dtype=pl.Boolean))


def without(dictionary: Dictionary, gone: np.ndarray) -> Dictionary:
    """The dictionary with the words marked in `gone` (D,) made missing."""
    if not gone.any():
        return dictionary
    kept = np.flatnonzero(~gone)
    places = np.full(len(gone) + 1, -1, np.int32)
    places[kept] = np.arange(len(kept), dtype=np.int32)
    return Dictionary(dictionary.words.gather(kept), places[dictionary.codes])


def parse(raw: RawColumn, plan: ColumnPlan, table: str = "") -> ParsedColumn:
    """Read the cells of a column as its plan says.

    Args:
        raw: the cells.
        plan: kind and rule.
        table: where the column comes from, for messages.

    Raises:
        DataError: a cell that is not of the column's kind, with its row and value.
    """
    if plan.kind in _READERS:
        values, bad = _READERS[plan.kind](raw, plan)
    else:
        rule = plan.rule if isinstance(plan.rule, CategoryRule) else CategoryRule()
        texts = without(raw.every, is_missing(raw.every.words, raw.missing - frozenset(rule.kept)))
        if plan.kind == "image":
            return ParsedColumn(plan, texts.codes, in_folder(texts.words, raw.folder), raw.rows)
        texts = merge_spellings(texts, rule) if plan.kind != "text" else texts
        return ParsedColumn(plan, texts.codes, texts.words)
    if bad.any():
        raise _refusal(raw, plan, np.flatnonzero(bad), table)
    return ParsedColumn(plan, values)


def in_folder(names: pl.Series, folder: str) -> pl.Series:
    """Names of files as they are found from here; those with a full path stay."""
    return pl.Series(names.name, [os.path.join(folder, name) for name in names.to_list()], dtype=pl.String)


def _numbers(raw: RawColumn, plan: ColumnPlan) -> tuple[np.ndarray, np.ndarray]:
    rule = plan.rule if isinstance(plan.rule, NumberRule) else NumberRule()
    if raw.is_temporal:
        return np.zeros(0), raw.series.is_not_null().to_numpy()
    if raw.is_text and not rule.plain:
        values, wrong = read_numbers(raw.present, rule, raw.written)
        return raw.present.take(values, np.nan), raw.present.take(wrong, missing=False)
    numbers, left = raw.plain
    if not len(left):
        return numbers, np.zeros(len(numbers), dtype=bool)
    texts = Dictionary.of(pl.select(pl.when(raw.stripped.is_in(left.to_list())).then(raw.stripped)).to_series())
    values, wrong = read_numbers(texts, rule)
    return np.where(texts.codes < 0, numbers, texts.take(values, np.nan)), texts.take(wrong, missing=False)


def _booleans(raw: RawColumn, plan: ColumnPlan) -> tuple[np.ndarray, np.ndarray]:
    """Yes and no as 1 and 0; a column that was 0 and 1 in the training rows may be a count, and later hold a 2."""
    if raw.is_temporal:
        return np.zeros(0), raw.series.is_not_null().to_numpy()
    numeric = plan.example.replace(".", "", 1).isdigit()
    if not raw.is_text:
        numbers = raw.plain[0]
        return numbers, ~np.isnan(numbers) & (numbers != 0) & (numbers != 1) & (not numeric)
    words = raw.present.words
    values = read_booleans(words)
    if numeric:
        plain = words.cast(pl.Float64, strict=False).fill_null(np.nan).to_numpy()
        values = np.where(np.isnan(values) & np.isfinite(plain), plain, values)
    return raw.present.take(values, np.nan), raw.present.take(np.isnan(values), missing=False)


def _dates(raw: RawColumn, plan: ColumnPlan) -> tuple[np.ndarray, np.ndarray]:
    rule = plan.rule if isinstance(plan.rule, DateRule) else DateRule()
    if raw.is_temporal:
        series = raw.series
        if rule.clock != (series.dtype == pl.Time):
            return np.zeros(0), series.is_not_null().to_numpy()
        if rule.clock:
            series = (series.cast(pl.Int64) // 1000).cast(pl.Datetime("us"))
        elif getattr(series.dtype, "time_zone", None):
            series = series.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
        times = series.cast(pl.Datetime("us")).to_numpy().astype("datetime64[us]")
        return times, np.zeros(len(times), dtype=bool)
    times, wrong = read_dates(raw.present, rule)
    return raw.present.take(times, NOT_A_TIME), raw.present.take(wrong, missing=False)


_READERS = {"number": _numbers, "boolean": _booleans, "date": _dates, "time": _dates}


def unread(raw: RawColumn, plan: ColumnPlan) -> np.ndarray:
    """bool (N,): cells that are not of the kind of a plan, whose kind is number, boolean, date or time."""
    return _READERS[plan.kind](raw, plan)[1]


def _refusal(raw: RawColumn, plan: ColumnPlan, rows: np.ndarray, table: str) -> DataError:
    where = f"{table}, " if table else ""
    first = int(rows[0])
    more = ""
    if len(rows) > 1:
        others = ", ".join(f"row {raw.row(int(row))}: {shorten(raw.series[int(row)], 30)!r}" for row in rows[1:3])
        more = f" ({counted(len(rows) - 1, 'more cell')} like it: {others}{', ...' if len(rows) > 3 else ''})"
    found = f"{shorten(raw.series[first])!r} is not {KINDS[plan.kind]}"
    what = f"{where}column {plan.name!r}, row {raw.row(first)}: {found}{more}"
    like = f" such as {plan.example!r}" if plan.example else ""
    fix = f"the column holds {plan.kind}s{like}; correct the cell, or leave it blank if the value is not known"
    return DataError(what, fix=fix.replace("categorys", "categories"))
