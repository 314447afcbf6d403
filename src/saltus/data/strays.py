"""Cells of validation and test parts that are not of their column's kind: treated as those of the training part are, which
count as missing. Above `table`.

Which part a row falls into is chance. A text in a column of dates therefore must not end a fit in one part and pass in
another; in other files, whose author can correct them, it is refused.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from saltus.data.column import ColumnPlan, RawColumn, unread
from saltus.data.dates import DateRule
from saltus.data.lazy import LazyModule
from saltus.data.quantities import NumberRule
from saltus.data.read import Table
from saltus.data.records import Change, counted
from saltus.data.table import TableEncoder

if TYPE_CHECKING:
    import polars as pl
else:
    pl = LazyModule("polars")

_SHOWN = 3


def forgive(encoder: TableEncoder, table: Table, part: str) -> None:
    """Let a fitted encoder read a part of the table that it was fitted on: what is no number or date counts as missing.

    Args:
        encoder: gets the texts that count as missing, and says so.
        table: the part.
        part: its name, for what is said.

    Example:
        >>> encoder = TableEncoder()
        >>> encoder = encoder.fit({"day": ["2020-01-01", "2020-02-01"] * 9, "y": [0, 1] * 9}, "y")
        >>> later = Table(pl.DataFrame({"day": ["2020-03-01", "later"], "y": [0, 1]}), "the table")
        >>> forgive(encoder, later, "test")
        >>> print(encoder.changes[-1])
        day: 1 value of the test part is not a date and counts as missing (row 2: 'later')
    """
    made: list[Any] = []
    for one in encoder.encoders:
        plan = _with_strays(encoder, one.plan, table, part)
        made.append(one if plan is one.plan else replace(one, plan=plan))  # type: ignore[type-var]
    encoder.encoders = tuple(made)
    if encoder.target is not None and encoder.target.task == "regression":
        plan = _with_strays(encoder, encoder.target.plan, table, part)
        encoder.target = encoder.target if plan is encoder.target.plan else replace(encoder.target, plan=plan)


def _with_strays(encoder: TableEncoder, plan: ColumnPlan, table: Table, part: str) -> ColumnPlan:
    if plan.kind not in ("number", "date", "time") or plan.name not in table.frame.columns:
        return plan
    raw = RawColumn(table.frame[plan.name], encoder.reading.missing, table.rows)
    bad = np.flatnonzero(unread(raw, plan)) if raw.is_text else np.zeros(0, np.int64)
    if not len(bad):
        return plan
    rule: Any = plan.rule or (NumberRule() if plan.kind == "number" else DateRule(clock=plan.kind == "time"))
    texts = raw.stripped.gather(bad).str.to_lowercase().unique().to_list()
    kind = {"number": "number", "date": "date", "time": "time of day"}[plan.kind]
    verb = f"is not a {kind} and counts" if len(bad) == 1 else f"are not {kind}s and count"
    text = f"{counted(len(bad), 'value')} of the {part} part {verb} as missing"
    shown = tuple(f"row {raw.row(row)}: {raw.stripped[int(row)]!r}" for row in bad[:_SHOWN])
    encoder.changes += (Change(plan.name, f"not a {kind}", len(bad), text, shown),)
    return replace(plan, rule=replace(rule, strays=tuple(sorted({*rule.strays, *texts}))))
