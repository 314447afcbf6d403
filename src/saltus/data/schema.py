"""Finds out what each column of a table means, and shows it; between `column` and `table`.

The order of questions for a column of text: no value? yes and no? numbers? dates? codes that name each row?
categories or free text? one value only? Doubt keeps the text as it is: codes with leading zeros stay codes,
mixed currencies stay text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from saltus.base.errors import ArgumentError, unknown_name
from saltus.data.column import KINDS, ColumnPlan, ParsedColumn, RawColumn, Rule, parse
from saltus.data.dates import DateRule, learn_dates
from saltus.data.dictionary import Dictionary
from saltus.data.image_column import finds_images
from saltus.data.lazy import LazyModule
from saltus.data.normalise import SCALERS
from saltus.data.quantities import (
    NumberRule,
    decimal_evidence,
    has_codes,
    learn_numbers,
    only_doubtful_points,
)
from saltus.data.read import Table, read_table
from saltus.data.records import Change, aligned, counted, shorten
from saltus.data.spelling import MISSING, CategoryRule, is_missing, kept_words, learn_booleans, learn_categories

if TYPE_CHECKING:
    import polars as pl
else:
    pl = LazyModule("polars")

_ID_NAME = re.compile(
    r"^(?i:unnamed(_|: ?)[0-9]+|index|id|uuid|guid|.*[ _-]id|id[ _-].*|row[ _-]?(no|nr|num|id|names?)?)$"
    r"|[a-z]I[dD]$"
)
_ID_ROWS = 20  # fewer rows say nothing about uniqueness
_COUNTER_ROWS = 100
_TEXT_WORDS = 4.0
_TEXT_VALUES = 50
_TEXT_SHARE = 0.3
_LONGEST_FIGURE = 60


@dataclass(frozen=True)
class Reading:
    """What settles doubtful cells, for all columns of a table.

    Attributes:
        missing: texts, in lower case, that stand for "no value".
        decimal: "." or "," for texts such as "1,200"; "" lets the column, then the whole table decide.
        day_first: whether "3/4/2020" is in April; None lets the column decide.
    """

    missing: frozenset[str] = MISSING
    decimal: str = ""
    day_first: bool | None = None

    def __post_init__(self) -> None:
        if self.decimal not in ("", ".", ","):
            raise ArgumentError(
                f"decimal is {self.decimal!r}, expected '.' or ','",
                fix="leave it out to find it from the data",
            )


@dataclass(frozen=True)
class Override:
    """What the user says about a column, in place of what would be inferred."""

    kind: str = ""
    scaler: str = ""
    decimal: str = ""
    day_first: bool | None = None

    @classmethod
    def of(cls, column: str, given: Any) -> Override:
        """Read one override: a kind, a scaler, "drop", or a dict of kind, scaler, decimal, day_first.

        Example:
            >>> Override.of("age", "log")
            Override(kind='number', scaler='log', decimal='', day_first=None)
        """
        if isinstance(given, Override):
            return given
        if isinstance(given, str):
            given = {"scaler": given} if given in SCALERS else {"kind": given}
        if not isinstance(given, Mapping):
            raise ArgumentError(
                f"the override of column {column!r} is {given!r}, expected a name or a dict",
                fix='such as "category" or "log"',
            )
        for key in given:
            if key not in ("kind", "scaler", "decimal", "day_first"):
                raise unknown_name(
                    f"key in the override of column {column!r}",
                    key,
                    ("kind", "scaler", "decimal", "day_first"),
                )
        made = cls(**given)
        kinds = [*KINDS, "drop"]
        if made.kind and made.kind not in kinds:
            raise unknown_name(f"kind or scaler for column {column!r}", made.kind, [*kinds, *SCALERS])
        if made.scaler and made.scaler not in SCALERS:
            raise unknown_name(f"scaler for column {column!r}", made.scaler, SCALERS)
        return replace(made, kind=made.kind or ("number" if made.scaler else ""))


@dataclass(frozen=True)
class Schema:
    """What the columns of a table mean.

    Attributes:
        columns: one plan a column, in the order of the table.
        changes: what reading them this way changes.
        rows: how many rows it was inferred from.
    """

    columns: tuple[ColumnPlan, ...]
    changes: tuple[Change, ...] = ()
    rows: int = 0

    def __getitem__(self, name: str) -> ColumnPlan:
        for plan in self.columns:
            if plan.name == name:
                return plan
        raise unknown_name("column", name, [plan.name for plan in self.columns])

    def records(self) -> list[dict[str, Any]]:
        """One dict a column: name, kind, missing share, distinct values, example, treatment."""
        return [
            {
                "name": p.name,
                "kind": p.kind,
                "missing": p.missing,
                "distinct": p.distinct,
                "example": p.example,
                "treatment": treatment(p),
            }
            for p in self.columns
        ]

    def __str__(self) -> str:
        rows = [{**record, "missing": f"{record['missing']:.1%}", "distinct": f"{record['distinct']:,}"} for record in self.records()]
        return "\n".join([aligned(rows), *(f"- {change}" for change in self.changes)])


def treatment(plan: ColumnPlan) -> str:
    """What will become of a column of this plan, in a few words."""
    words = {
        "number": "rescaled",
        "boolean": "zero or one",
        "category": "embedded",
        "date": "calendar features",
        "time": "time of day features",
        "text": "hashed words or letter groups",
        "image": "decoded",
        "identifier": "dropped",
        "constant": "dropped",
        "empty": "dropped",
    }[plan.kind]
    return f"{words} ({plan.reason})" if plan.reason else words


@dataclass
class _Finding:
    """What is known of a column so far."""

    raw: RawColumn
    override: Override
    changes: list[Change] = field(default_factory=list)

    def learnt(self, kind: str, rule: Rule | None = None, changes: Sequence[Change] = (), reason: str = "") -> ColumnPlan:
        self.changes += changes
        return ColumnPlan(self.raw.name, kind, rule, reason=reason)


def infer_schema(
    source: Any,
    *,
    overrides: Mapping[str, Any] | None = None,
    reading: Reading | None = None,
    target: str | None = None,
) -> Schema:
    """Find out what each column of a table means.

    Args:
        source: anything `read_table` takes.
        overrides: for single columns, by name: a kind, a scaler, or a dict (see `Override`).
        reading: what settles doubtful cells.
        target: a column that is to be predicted, and therefore never an identifier or a constant.

    Returns:
        The schema; print it to see it.

    Raises:
        UnknownNameError: an override names no column, kind or scaler.
        DataError: the table cannot be read, or an override does not fit its column.

    Example:
        >>> schema = infer_schema({"mass": ["12 kg", "500 g", "?"], "sex": ["M", "F", "M"]})
        >>> [(plan.name, plan.kind) for plan in schema.columns]
        [('mass', 'number'), ('sex', 'category')]
    """
    return inspect(read_table(source), overrides or {}, reading or Reading(), target)[0]


def inspect(
    table: Table, overrides: Mapping[str, Any], reading: Reading, target: str | None = None
) -> tuple[Schema, dict[str, ParsedColumn]]:
    """The schema of a table, and its columns as read by it (those of a kind that is used, and the target)."""
    frame = table.frame
    for name in overrides:
        if name not in frame.columns:
            raise unknown_name("column in overrides", name, frame.columns)
    findings = {
        name: _Finding(RawColumn(frame[name], reading.missing, table.rows, table.folder), Override.of(name, overrides.get(name, {})))
        for name in frame.columns
    }
    if not reading.decimal:
        reading = replace(reading, decimal=_decimal_of_table(findings.values()))
    plans, parsed, changes = [], {}, list(table.notes)
    for name, finding in findings.items():
        plan = _infer(finding, reading)
        if name == target and plan.kind in ("text", "identifier", "image") and not finding.override.kind:
            plan = _classes(finding)
        column = parse(finding.raw, plan, table.name)
        plan = _described(plan, finding.raw, column)
        if not finding.override.kind:
            plan = _set_aside(plan, column, is_target=name == target)
        elif finding.override.kind == "drop":
            plan = replace(plan, kind="identifier", rule=None, reason="as asked")
        plans.append(plan)
        parsed[name] = replace(column, plan=plan)
        changes += finding.changes
        changes += _cell_changes(finding.raw, plan, column, reading)
        if plan.kind in ("identifier", "constant", "empty"):
            changes.append(Change(name, "dropped", 1, f"dropped: {plan.reason}"))
    padded = {name: count for name, finding in findings.items() if (count := _padded(finding.raw))}
    if padded:
        count = sum(padded.values())
        text = f"space around {counted(count, 'value')} in {counted(len(padded), 'column')} removed"
        changes.append(Change("", "spaces", count, text, tuple(map(repr, list(padded)[:5]))))
    return Schema(tuple(plans), tuple(changes), frame.height), parsed


def _looks_like_figures(present: Dictionary) -> bool:
    """Whether nearly every row holds a digit and is short: the cheap question before the dear ones."""
    words = present.words
    hit = (words.str.contains(r"[0-9]") & (words.str.len_chars() <= _LONGEST_FIGURE)).to_numpy()
    return bool(present.counts[hit].sum() >= 0.95 * max(present.counts.sum(), 1))


def _decimal_of_table(findings: Any) -> str:
    """A comma where some column can only be read with a decimal comma, and none only with a point; else nothing."""
    points = commas = 0
    for finding in findings:
        raw = finding.raw
        if raw.is_text and not finding.override.kind.startswith("text"):
            if not len(raw.plain[1]):
                points += int(raw.stripped.str.contains(r"^-?(?:[0-9]{4,}|0)?\.[0-9]|\.(?:[0-9]{1,2}|[0-9]{4,})$").sum())
            elif _looks_like_figures(raw.present):
                point, comma = decimal_evidence(raw.present, raw.written)
                points, commas = points + point, commas + comma
    return "," if commas and not points else ""


def _infer(finding: _Finding, reading: Reading) -> ColumnPlan:
    raw, override = finding.raw, finding.override
    day_first = reading.day_first if override.day_first is None else override.day_first
    reading = replace(reading, decimal=override.decimal or reading.decimal, day_first=day_first)
    if override.kind in ("identifier", "constant", "empty", "drop"):
        return finding.learnt("category", CategoryRule(), reason="as asked")
    if override.kind:
        return _as_asked(finding, override.kind, reading)
    if not raw.is_text:
        return _typed(finding, reading)
    images, changes = finds_images(raw)
    finding.changes += changes
    if images:
        return finding.learnt("image", CategoryRule(), reason="names of image files")
    numbers, left = raw.plain
    plain = not len(left) and not np.isnan(numbers).all() and not has_codes(raw.stripped)
    if plain and (reading.decimal != "," or not only_doubtful_points(raw.stripped)):
        return _number_or_date(finding, NumberRule(), reading)
    if not len(raw.present.words):
        return finding.learnt("empty", reason="no values")
    booleans = learn_booleans(raw.name, raw.present)
    if booleans is not None:
        return finding.learnt("boolean", None, booleans)
    if _looks_like_figures(raw.present):
        rule, changes = learn_numbers(raw.name, raw.present, raw.written, reading.decimal)
        if rule is not None:
            finding.changes += changes
            return _number_or_date(finding, rule, reading)
        finding.changes += changes
        dates, changes = learn_dates(raw.name, raw.present, day_first=reading.day_first)
        if dates is not None:
            return finding.learnt("time" if dates.clock else "date", dates, changes)
    return _words(finding)


def _as_asked(finding: _Finding, kind: str, reading: Reading) -> ColumnPlan:
    raw = finding.raw
    if kind == "number" and raw.is_text:
        rule, changes = learn_numbers(raw.name, raw.present, raw.written, reading.decimal, forced=True)
        return finding.learnt(kind, rule or NumberRule(), changes if rule else (), "as asked")
    if kind in ("date", "time"):
        dates, changes = learn_dates(raw.name, raw.present, day_first=reading.day_first, forced=True)
        dates = dates or DateRule(clock=kind == "time")
        return finding.learnt("time" if dates.clock else "date", dates, changes, "as asked")
    if kind == "category":
        return replace(_classes(finding), reason="as asked")
    if kind in ("text", "image"):
        return finding.learnt(kind, CategoryRule(), reason="as asked")
    return finding.learnt(kind, NumberRule() if kind == "number" else None, reason="as asked")


def _typed(finding: _Finding, reading: Reading) -> ColumnPlan:
    """The plan of a column that comes with a type of its own."""
    raw = finding.raw
    if raw.is_temporal:
        clock = raw.series.dtype == pl.Time
        return finding.learnt("time" if clock else "date", DateRule(clock=clock))
    if raw.series.dtype == pl.Boolean:
        return finding.learnt("boolean")
    return _number_or_date(finding, NumberRule(), reading)


def _number_or_date(finding: _Finding, rule: NumberRule, reading: Reading) -> ColumnPlan:
    raw = finding.raw
    known = raw.plain[0] if rule.plain else np.zeros(0)
    known = known[~np.isnan(known)]
    if len(known) and (known.min(), known.max()) == (0.0, 1.0) and bool(np.isin(known, (0.0, 1.0)).all()):
        return finding.learnt("boolean")
    if len(known) and known.min() >= 19000101 and known.max() <= 21001231 and not (known % 1).any():
        dates, changes = learn_dates(raw.name, raw.present, day_first=reading.day_first)
        if dates is not None and not dates.strays:
            return finding.learnt("date", dates, changes, "eight digits, all of them calendar days")
    return finding.learnt("number", rule)


def _words(finding: _Finding) -> ColumnPlan:
    """Category, free text or identifier, from how often texts repeat and how long they are."""
    raw = finding.raw
    kept = kept_words(raw.every.words, raw.missing)
    present = raw.present
    distinct, rows, counts = len(present.words), int(present.counts.sum()), present.counts
    lengths = (present.words.str.count_matches(r"\s+") + 1).to_numpy()
    words = float((lengths * counts).sum() / rows)
    unique = distinct >= 0.99 * rows and rows >= _ID_ROWS
    if unique and (words < 1.5 or _ID_NAME.match(raw.name)):
        return finding.learnt("identifier", reason="a different value in every row")
    if distinct > 20 and words >= _TEXT_WORDS and distinct > 0.05 * rows:
        return finding.learnt("text", CategoryRule(), reason=f"{words:.0f} words on average")
    if distinct > _TEXT_VALUES and distinct > _TEXT_SHARE * rows:
        return finding.learnt("text", CategoryRule(), reason="most values are rare")
    rule, changes = learn_categories(raw.name, present, kept)
    codes = "codes with leading zeros or too many digits for a number" if has_codes(present.words) else ""
    return finding.learnt("category", rule, changes, codes)


def _classes(finding: _Finding) -> ColumnPlan:
    """A column of categories, however many they are."""
    raw = finding.raw
    rule, changes = learn_categories(raw.name, raw.present, kept_words(raw.every.words, raw.missing))
    return finding.learnt("category", rule, changes)


def _described(plan: ColumnPlan, raw: RawColumn, column: ParsedColumn) -> ColumnPlan:
    missing = column.missing
    rows = max(len(missing), 1)
    first = int(np.argmin(missing)) if not missing.all() else -1
    example = shorten(raw.series[first], 30) if first >= 0 else ""
    if column.words is not None:
        distinct = len(np.unique(column.values[~missing]))
    else:
        distinct = int(pl.Series(column.values[~missing]).n_unique())
    return replace(plan, missing=float(missing.sum()) / rows, distinct=distinct, example=example)


def _set_aside(plan: ColumnPlan, column: ParsedColumn, *, is_target: bool) -> ColumnPlan:
    """The plan as a column that is dropped, where it tells nothing; a target never is."""
    if is_target:
        return plan
    if plan.distinct == 0:
        return replace(plan, kind="empty", rule=None, reason="no values")
    if plan.distinct == 1 and plan.missing == 0.0:
        return replace(plan, kind="constant", rule=None, reason=f"always {plan.example!r}")
    if plan.kind == "number" and _is_counter(plan, column.values):
        return replace(plan, kind="identifier", rule=None, reason="numbers the rows")
    return plan


def _is_counter(plan: ColumnPlan, values: np.ndarray) -> bool:
    """Whether a column numbers the rows: whole, all different, and called an id or running from zero."""
    known = values[~np.isnan(values)]
    if len(known) < _ID_ROWS or plan.distinct < 0.99 * len(known) or (known % 1).any():
        return False
    low, high = float(known.min()), float(known.max())
    named = _ID_NAME.match(plan.name) is not None
    return named or (len(known) >= _COUNTER_ROWS and plan.missing == 0 and 0 <= low <= 0.05 * len(known) and high - low <= 1.7 * len(known))


def _padded(raw: RawColumn) -> int:
    """How many cells have space around their text."""
    return int((raw.series.str.len_bytes() > raw.stripped.str.len_bytes()).sum()) if raw.is_text else 0


def _cell_changes(raw: RawColumn, plan: ColumnPlan, column: ParsedColumn, reading: Reading) -> list[Change]:
    """What happened to cells apart from their kind's rule: infinite numbers, and words for "no value"."""
    changes: list[Change] = []
    if not raw.is_text:
        if plan.kind == "number":
            infinite = raw.series.cast(pl.Float64).is_infinite().sum()
            if infinite:
                changes.append(
                    Change(
                        plan.name,
                        "infinite",
                        int(infinite),
                        f"{counted(int(infinite), 'infinite value')} taken as missing",
                    )
                )
        return changes
    kept = plan.rule.kept if isinstance(plan.rule, CategoryRule) else ()
    if column.missing.any():
        unread = Dictionary.of(raw.stripped.filter(pl.Series(column.missing)))
        words = is_missing(unread.words, reading.missing - set(kept))
        if words.any():
            count = int(unread.counts[words].sum())
            changes.append(Change(plan.name, "missing", count, f"{counted(count, 'value')} taken as missing", unread.examples(words)))
    if kept:
        changes.append(
            Change(
                plan.name,
                "kept",
                len(kept),
                "taken as categories, not as missing",
                tuple(repr(word) for word in kept),
            )
        )
    return changes
