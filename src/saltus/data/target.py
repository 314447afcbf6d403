"""What is to be predicted: the task, the classes and labels, or the scale of an amount; below `table`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from saltus.base.errors import DataError, ShapeError, unknown_name
from saltus.data.column import ColumnPlan, ParsedColumn, RawColumn, parse
from saltus.data.lazy import LazyModule
from saltus.data.normalise import Scaler
from saltus.data.records import Change, counted, shorten
from saltus.data.spelling import CategoryRule, keys_of, read_booleans

if TYPE_CHECKING:
    import polars as pl
else:
    pl = LazyModule("polars")

TASKS = ("classification", "regression")
_MOST_INTEGER_CLASSES = 20

Label = str | int | float | bool


@dataclass(frozen=True)
class TargetPlan:
    """A fitted target.

    Attributes:
        plan: how the column is read.
        task: "classification" or "regression".
        labels: the classes, in the order of their numbers; empty for regression.
        scaler: the standard scaler of a regression target, None for classification.
    """

    plan: ColumnPlan
    task: str
    labels: tuple[Label, ...] = ()
    scaler: Scaler | None = None

    @property
    def name(self) -> str:
        return self.plan.name

    def encode(self, raw: RawColumn, table: str = "") -> tuple[np.ndarray, np.ndarray]:
        """Read targets as the network takes them.

        Returns:
            int32 class numbers or standardised float32 (N,), and a bool mask (N,) of rows without a target.

        Raises:
            DataError: a label outside the classes, or a cell that is no number, with its row.
        """
        codes, gone = self.of_column(parse(raw, self.plan, table))
        unknown = (codes < 0) & ~gone if self.scaler is None else np.zeros(len(gone), dtype=bool)
        if unknown.any():
            row = int(np.flatnonzero(unknown)[0])
            known = ", ".join(map(repr, self.labels[:10])) + (", ..." if len(self.labels) > 10 else "")
            where = f"{table}, " if table else ""
            found = f"{shorten(raw.series[row])!r} is none of the {len(self.labels)} classes of the training data"
            raise DataError(f"{where}target {self.name!r}, row {raw.row(row)}: {found}", fix=f"the classes are {known}")
        return codes, gone

    def of_column(self, column: ParsedColumn) -> tuple[np.ndarray, np.ndarray]:
        """As `encode`, of a column that is read already; an unknown label gives -1."""
        gone = column.missing
        if self.scaler is not None:
            return self.scaler.apply(np.where(gone, 0.0, column.values)).astype(np.float32), gone
        return np.where(gone, 0, self._codes(column)).astype(np.int32), gone

    def _codes(self, column: ParsedColumn) -> np.ndarray:
        """Class numbers (N,), -1 for a missing or unknown label."""
        if column.words is None:
            values = np.array([float(v) for v in _values(self)])
            codes = np.searchsorted(values, column.values).clip(0, len(values) - 1)
            return np.where(values[codes] == column.values, codes, -1)
        rule = self.plan.rule if isinstance(self.plan.rule, CategoryRule) else CategoryRule()
        known = keys_of(pl.Series([str(label) for label in self.labels]), rule)
        new = pl.Series(np.arange(len(known), dtype=np.int32))
        places = keys_of(column.words, rule).replace_strict(known, new, default=-1, return_dtype=pl.Int32).to_numpy()
        return np.append(places, np.int32(-1))[column.values]

    def decode(self, predictions: Any) -> np.ndarray:
        """Predictions in the target's own labels or unit.

        Args:
            predictions: class numbers (N,) or scores (N, classes) for classification; standardised values
                (N,) or (N, 1) for regression.

        Returns:
            Labels (N,), or float64 values (N,).

        Raises:
            ShapeError: another shape, or a class number that does not exist.
        """
        array = np.asarray(predictions)
        if self.scaler is not None:
            if array.ndim == 2 and array.shape[1] == 1:
                array = array[:, 0]
            if array.ndim != 1:
                raise ShapeError(
                    f"predictions of {self.name!r} have the shape {array.shape}, expected (N,) or (N, 1)",
                    fix="give one value a row",
                )
            return self.scaler.invert(array)
        labels = np.array(self.labels, dtype=object if isinstance(self.labels[0], str) else None)
        if array.ndim == 2 and array.shape[1] == len(labels):
            array = array.argmax(axis=1)
        if array.ndim != 1 or array.dtype.kind not in "iu" or (len(array) and not 0 <= array.min() <= array.max() < len(labels)):
            raise ShapeError(
                f"predictions of {self.name!r} have the shape {array.shape} and type {array.dtype}, expected "
                f"class numbers (N,) below {len(labels)} or scores (N, {len(labels)})",
                fix="give the network's output as it is",
            )
        return labels[array]

    def to_config(self) -> dict[str, Any]:
        """The target as a plain dict."""
        scaler = self.scaler.to_config() if self.scaler else None
        return {
            "plan": self.plan.to_config(),
            "task": self.task,
            "labels": list(self.labels),
            "scaler": scaler,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> TargetPlan:
        """The target that `to_config` wrote."""
        scaler = Scaler.from_config(config["scaler"]) if config["scaler"] else None
        return cls(ColumnPlan.from_config(config["plan"]), config["task"], tuple(config["labels"]), scaler)


def _values(target: TargetPlan) -> tuple[Any, ...]:
    return (0.0, 1.0) if target.plan.kind == "boolean" else target.labels


def fit_target(raw: RawColumn, column: ParsedColumn, task: str | None, scaler: str = "") -> tuple[TargetPlan, ParsedColumn, list[Change]]:
    """Find the task of a target column, and its classes or scale.

    Args:
        raw: its cells.
        column: the same cells read by the schema.
        task: "classification" or "regression"; None finds it: text, yes/no and few distinct whole numbers are
            classes.
        scaler: the rescaling of a regression target; standard by default.

    Returns:
        The fitted target, the column read for this task, and what there is to say.

    Raises:
        DataError: no values, one value only, a date, nothing that repeats, or no numbers for a regression.
    """
    plan, name = column.plan, column.plan.name
    if task is not None and task not in TASKS:
        raise unknown_name("task", task, TASKS)
    known = ~column.missing
    rows = int(known.sum())
    if not rows:
        raise DataError(
            f"target {name!r} has no value in any of the {len(known):,} rows",
            fix="choose another target, or fill in its values",
        )
    if plan.kind in ("date", "time"):
        raise DataError(
            f"target {name!r} holds {plan.kind}s ({plan.example!r}), not numbers or classes",
            fix="turn it into a number first, such as the days until that date",
        )
    if plan.distinct < 2:
        raise DataError(
            f"target {name!r} has one value, {plan.example!r}, in all {rows:,} rows: nothing to learn",
            fix="choose another target, or more varied rows",
        )
    numeric = column.words is None
    whole = numeric and not (column.values[known] % 1).any()
    if task is None:
        few = whole and plan.distinct <= _MOST_INTEGER_CLASSES and plan.distinct * 2 <= known.sum()
        task = "classification" if not numeric or plan.kind == "boolean" or few else "regression"
    if task == "regression":
        if not numeric:
            plan = replace(plan, kind="number", rule=None)
            column = replace(parse(raw, plan), plan=plan)  # names the first cell that is no number
        values = column.values[~column.missing]
        fitted = Scaler.fit(values, scaler or "standard")
        text = f"regression of {name!r}: {values.min():.6g} to {values.max():.6g}, mean {values.mean():.6g}"
        return TargetPlan(plan, task, (), fitted), column, [Change(name, "target", 1, text)]
    if plan.distinct > 2 and plan.distinct * 2 > known.sum():
        raise DataError(
            f"target {name!r} has {plan.distinct:,} values in {rows:,} rows: classes have to repeat",
            fix="choose another target, or task='regression' if they are amounts",
        )
    target = TargetPlan(plan, task, _labels(raw, column, whole=whole))
    return (
        target,
        column,
        [Change(name, "target", len(target.labels), _class_text(target, target._codes(column)[known]))],
    )


def _labels(raw: RawColumn, column: ParsedColumn, *, whole: bool) -> tuple[Label, ...]:
    known = column.values[~column.missing]
    if column.words is not None:
        return tuple(sorted(column.words.gather(np.unique(known).tolist()).to_list()))
    if column.plan.kind == "boolean":
        if raw.series.dtype == pl.Boolean:
            return (False, True)
        if raw.is_text:
            values = read_booleans(raw.present.words)
            usual = [raw.present.words[int(np.argmax(np.where(values == side, raw.present.counts, -1)))] for side in (0.0, 1.0)]
            if not all(_is_digit(word) for word in usual):
                return tuple(usual)
        return (0, 1)
    return tuple((int(v) if whole else float(v)) for v in np.unique(known).tolist())


def _is_digit(word: str) -> bool:
    return word.replace(".", "", 1).isdigit()


def _class_text(target: TargetPlan, codes: np.ndarray) -> str:
    counts = np.bincount(codes, minlength=len(target.labels))
    order = np.argsort(-counts, kind="stable")[:5]
    shown = ", ".join(f"{target.labels[i]!r} {counts[i] / counts.sum():.1%}" for i in order.tolist())
    rest = f", and {len(counts) - 5} more" if len(counts) > 5 else ""
    single = int((counts == 1).sum())
    alone = f"; {counted(single, 'class', 'classes')} with a single row" if single else ""
    return f"classification of {target.name!r} into {len(counts)} classes: {shown}{rest}{alone}"
