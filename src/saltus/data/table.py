"""Tables for networks: fitted on training rows, stored as a plain dict, applied alike to later rows.

The way of a table: `read` -> `schema` (what columns mean) -> `redundancy` -> an encoder a column -> arrays.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from saltus.base.errors import ArgumentError, DataError, ModelFileError, nearest, unknown_name
from saltus.data.column import USED, ColumnPlan, ParsedColumn, RawColumn, parse
from saltus.data.encode import encoder_from_config, fit_encoder
from saltus.data.features import EncodeOptions, Encoder, Features
from saltus.data.lazy import LazyModule
from saltus.data.read import Table, read_table
from saltus.data.records import Change, aligned, counted
from saltus.data.redundancy import repeated_columns, repeated_rows, same_partition
from saltus.data.schema import Override, Reading, inspect, treatment
from saltus.data.spelling import MISSING
from saltus.data.target import TargetPlan, fit_target
from saltus.data.tokens import MOST_FEATURES

if TYPE_CHECKING:
    import polars as pl
else:
    pl = LazyModule("polars")

_FORMAT = 1


@dataclass(frozen=True)
class EncodedTable:
    """A table as a network takes it.

    Attributes:
        numbers: float32 (N, F).
        categories: int32 (N, C); column j holds codes below `cardinalities[j]`, 0 standing for unseen values.
        number_names: F names.
        category_names: C names.
        cardinalities: C numbers of codes.
        target: int32 class numbers (N,), standardised float32 values (N,), or None without a target.
        rows: int64 (N,), the row of the source (from 0) that each row came from; see `Table.rows`.
        notes: what was noticed in this table: ignored columns, rows left out, values unseen in training.
        texts: one int32 (N, length) a free text that is read word by word: numbers of its words, 0 filling up.
        text_names: their names.
        vocabularies: how many numbers each has, with 0.
        images: one uint8 (N, height, width, channels) a column of image files.
        image_names: their names.
    """

    numbers: np.ndarray
    categories: np.ndarray
    number_names: tuple[str, ...]
    category_names: tuple[str, ...]
    cardinalities: tuple[int, ...]
    target: np.ndarray | None
    rows: np.ndarray
    notes: tuple[Change, ...] = ()
    texts: tuple[np.ndarray, ...] = ()
    text_names: tuple[str, ...] = ()
    vocabularies: tuple[int, ...] = ()
    images: tuple[np.ndarray, ...] = ()
    image_names: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def inputs(self) -> Any:
        """Numbers, categories, texts and images, or what there is of them."""
        parts = tuple(a for a in (self.numbers, self.categories, *self.texts, *self.images) if a.shape[1])
        return parts if len(parts) > 1 else parts[0]

    @property
    def text_places(self) -> range:
        """Which of the inputs are texts."""
        first = sum(a.shape[1] > 0 for a in (self.numbers, self.categories))
        return range(first, first + len(self.texts))


@dataclass(frozen=True)
class TableReport:
    """What was done to a table.

    Attributes:
        columns: one dict a column: name, kind, missing share, distinct values, example, treatment.
        changes: everything that was changed or noticed.
    """

    columns: tuple[dict[str, Any], ...]
    changes: tuple[Change, ...]

    def records(self) -> list[dict[str, Any]]:
        """The changes as plain dicts."""
        return [change.to_config() for change in self.changes]

    def facts(self) -> dict[str, Any]:
        """Columns and changes as plain values."""
        return {"columns": list(self.columns), "changes": self.records()}

    def __str__(self) -> str:
        rows = [{**c, "missing": f"{c['missing']:.1%}", "distinct": f"{c['distinct']:,}"} for c in self.columns]
        return "\n".join([aligned(rows), *(f"- {change}" for change in self.changes)])


class TableEncoder:
    """Turns tables into arrays; fitted on the training rows only.

    Args:
        max_categories: known categories a column keeps; the rest are read as unseen ones.
        rare_share: categories in a smaller share of the training rows (and in less than 50) are read as
            unseen ones, as far as they make up a tenth of the rows together.
        text_width: features that a free text is hashed into, when it is short or there are few.
        tokenizer: reads every free text word by word (long ones are in any case): "words", "characters", "bpe",
            "wordpiece", or a tokenizer.json; the last three need the extra `text`.
        tokenizer_size: tokens of a bpe or wordpiece tokenizer at most.
        grams: neighbouring words that are numbered together, at most.
        longest: words of a text that are read, from its beginning.
        most_words: words and groups that get a number, at most.
        ordered: keep the order of the words, for networks that read it; single words only.
        image_size: height and width of the images that a column names; None takes their median, bounded to 128.
        skip_corrupt: take images that cannot be read for missing ones; otherwise they are refused, with their rows.
        drop_duplicates: leave out training rows that repeat another one.
        decimal: "." or "," to settle texts such as "1,200"; by default the data decide.
        day_first: settles dates such as "3/4/2020"; by default the data decide.
        missing: further texts that stand for "no value", such as "not asked".

    Example:
        >>> encoder = TableEncoder()
        >>> rows = {
        ...     "mass": ["3,5 kg", "4 kg", "4200 g", "?"],
        ...     "sex": ["male", "MALE", "female", "female"],
        ...     "y": [1, 0, 1, 0],
        ... }
        >>> table = encoder.fit_transform(rows, "y")
        >>> table.number_names, table.categories[:, 0].tolist(), table.target.tolist()
        (('mass', 'mass (missing)'), [1, 1, 2, 2], [1, 0, 1, 0])
    """

    def __init__(
        self,
        *,
        max_categories: int = 10_000,
        rare_share: float = 0.0005,
        text_width: int = 128,
        tokenizer: str = "",
        tokenizer_size: int = 8_000,
        grams: int = 2,
        longest: int = 400,
        most_words: int = MOST_FEATURES,
        ordered: bool = False,
        image_size: tuple[int, int] | None = None,
        skip_corrupt: bool = False,
        drop_duplicates: bool = True,
        decimal: str | None = None,
        day_first: bool | None = None,
        missing: tuple[str, ...] | list[str] = (),
    ) -> None:
        if max_categories < 1 or text_width < 1 or not 0.0 <= rare_share < 1.0:
            raise ArgumentError(
                f"max_categories={max_categories}, text_width={text_width}, rare_share={rare_share}: "
                "expected two numbers from 1 on and a share from 0 up to 1",
                fix="leave them out for the defaults",
            )
        if min(tokenizer_size, grams, longest, most_words) < 1:
            raise ArgumentError(
                f"tokenizer_size={tokenizer_size}, grams={grams}, longest={longest}, most_words={most_words}: expected numbers from 1 on",
                fix="leave them out for the defaults",
            )
        words = (str(tokenizer), tokenizer_size, grams, longest, most_words, ordered)
        if image_size is not None and (len(image_size) != 2 or min(image_size) < 1):
            raise ArgumentError(f"image_size is {image_size!r}, expected (height, width) in pixels", fix="for instance (64, 64)")
        size = None if image_size is None else (int(image_size[0]), int(image_size[1]))
        self.options = EncodeOptions(max_categories, rare_share, text_width, *words, size, skip_corrupt)
        self.reading = Reading(MISSING | {text.strip().lower() for text in missing}, decimal or "", day_first)
        self.drop_duplicates = drop_duplicates
        self.target: TargetPlan | None = None
        self.encoders: tuple[Encoder, ...] = ()
        self.dropped: tuple[ColumnPlan, ...] = ()
        self.changes: tuple[Change, ...] = ()
        self.columns: tuple[str, ...] = ()
        self.fitted = False

    # ------------------------------------------------------------------ fitting

    def fit(
        self,
        source: Any,
        target: str | None = None,
        *,
        task: str | None = None,
        overrides: Mapping[str, Any] | None = None,
    ) -> TableEncoder:
        """Learn from the training rows how to read, rescale and number every column.

        Args:
            source: the training rows: anything `read_table` takes.
            target: the column to predict; None for a table without one.
            task: "classification" or "regression"; None finds it from the target.
            overrides: for single columns, by name: a kind ("number", "category", "date", "text", ...),
                "drop", a scaler ("standard", "minmax", "robust", "quantile", "log", "none"), or a dict with
                kind, scaler, decimal, day_first.

        Returns:
            The encoder itself.

        Raises:
            UnknownNameError: a target or an overridden column that is not there, with the nearest names.
            DataError: the table cannot be read, a target that cannot be learnt, or no column left to learn
                from.
        """
        self.fit_transform(source, target, task=task, overrides=overrides)
        return self

    def fit_transform(
        self,
        source: Any,
        target: str | None = None,
        *,
        task: str | None = None,
        overrides: Mapping[str, Any] | None = None,
    ) -> EncodedTable:
        """Fit, and return the training rows encoded, without copies of rows and rows that have no target.

        Arguments, errors: as in `fit`.
        """
        table = _with_rows(source)
        frame = table.frame
        if target is not None and target not in frame.columns:
            raise unknown_name("target column", target, frame.columns)
        given = {name: Override.of(name, value) for name, value in (overrides or {}).items()}
        if target in given and given[target].kind in ("drop", "identifier", "constant", "empty"):
            raise ArgumentError(f"the target {target!r} cannot be set aside", fix="take it out of overrides")
        scalers = {name: override.scaler for name, override in given.items()}
        schema, parsed = inspect(table, given, self.reading, target)
        changes, plan = list(schema.changes), None
        if target is not None:
            raw = RawColumn(frame[target], self.reading.missing, table.rows)
            plan, parsed[target], more = fit_target(raw, parsed[target], task, scalers.get(target, ""))
            changes += more
        rows = self._training_rows(parsed, plan, changes)
        if len(rows) < frame.height:
            parsed = {name: column.take(rows) for name, column in parsed.items()}
        used = [column for name, column in parsed.items() if name != target and column.plan.kind in USED]
        repeated = repeated_columns(used)
        aside = [replace(parsed[name].plan, reason=why) for name, why in repeated.items()]
        changes += [Change(p.name, "duplicate column", 1, f"dropped: {p.reason}") for p in aside]
        aside += [p for p in schema.columns if p.name != target and p.kind not in USED]
        used = [column for column in used if column.plan.name not in repeated]
        if not used:
            reasons = "; ".join(f"{p.name}: {p.reason}" for p in aside) or "the target is the only column"
            raise DataError(
                f"{table.name} has no column left to learn from ({reasons})",
                fix="give more columns; overrides={'name': 'category'} keeps one that was set aside",
            )
        if plan is not None and plan.task == "classification":
            changes += [_leak(c, plan) for c in used if same_partition(c, parsed[plan.name])]
        encoders, features = [], []
        for column in used:
            encoder, more = fit_encoder(column, self.options, scalers.get(column.plan.name, ""))
            encoders.append(encoder)
            features.append(encoder.encode(column))
            changes += more
        self.target, self.encoders, self.dropped = plan, tuple(encoders), tuple(aside)
        self.columns, self.changes, self.fitted = tuple(frame.columns), tuple(changes), True
        labels = plan.of_column(parsed[plan.name])[0] if plan is not None else None
        return _stack(features, labels, table.rows_of(rows), self.changes)

    def classes_of(
        self, source: Any, target: str, *, task: str | None = None, overrides: Mapping[str, Any] | None = None
    ) -> np.ndarray | None:
        """The class of every row, to draw parts with the same share of each; learns nothing.

        Args:
            source, target, task, overrides: as in `fit`.

        Returns:
            int32 class numbers (N,), -1 without a target; None where the target is an amount.

        Raises:
            UnknownNameError, DataError: as in `fit`.
        """
        table = _with_rows(source)
        if target not in table.frame.columns:
            raise unknown_name("target column", target, table.frame.columns)
        given = {name: how for name, how in (overrides or {}).items() if name == target}
        alone = Table(table.frame.select(target), table.name, rows=table.rows)
        _, parsed = inspect(alone, given, self.reading, target)
        plan, column, _ = fit_target(RawColumn(alone.frame[target], self.reading.missing, table.rows), parsed[target], task)
        if plan.task == "regression":
            return None
        codes, gone = plan.of_column(column)
        return np.where(gone, np.int32(-1), codes)

    def _training_rows(self, parsed: dict[str, ParsedColumn], target: TargetPlan | None, changes: list[Change]) -> np.ndarray:
        """The rows to learn from: those with a target, each once."""
        keep = np.ones(len(next(iter(parsed.values())).values), dtype=bool)
        if target is not None:
            gone = parsed[target.name].missing
            keep &= ~gone
            if gone.any():
                count = int(gone.sum())
                changes.append(
                    Change(
                        target.name,
                        "rows without target",
                        count,
                        f"{counted(count, 'row')} without a target left out",
                    )
                )
        if self.drop_duplicates:
            copies, chance = repeated_rows(list(parsed.values()))
            copies &= keep
            count = int(copies.sum())
            if count and chance:
                text = f"{counted(count, 'row')} equal to an earlier one kept: so coarse columns repeat"
                changes.append(Change("", "repeated rows", count, text))
            elif count:
                changes.append(
                    Change(
                        "",
                        "duplicate rows",
                        count,
                        f"{counted(count, 'row')} equal to an earlier one left out of training",
                    )
                )
                keep &= ~copies
        return np.flatnonzero(keep)

    # ------------------------------------------------------------------ applying

    def transform(self, source: Any, *, target: bool | None = None) -> EncodedTable:
        """Encode rows exactly as the training rows were.

        Args:
            source: anything `read_table` takes, with the training columns in any order; dropped ones may
                lack.
            target: whether to read the target too; None reads it where it is there. Rows without one are
                then left out.

        Returns:
            The encoded table; no row is left out when no target is read.

        Raises:
            DataError: a column is missing, or a cell is not of its column's kind; both named.
        """
        self._need_fitted()
        table = _with_rows(source)
        wanted = [encoder.plan.name for encoder in self.encoders]
        with_target = self.target is not None and (target or (target is None and self.target.name in table.frame.columns))
        if target and self.target is None:
            raise ArgumentError("this encoder was fitted without a target", fix="leave target out")
        if with_target and self.target is not None:
            wanted.append(self.target.name)
        self._need_columns(table, wanted)
        notes = self._notes_on_columns(table)
        rows, labels = np.arange(table.frame.height), None
        frame = table.frame
        if with_target and self.target is not None:
            labels, gone = self.target.encode(RawColumn(frame[self.target.name], self.reading.missing, table.rows), table.name)
            if gone.any():
                rows = np.flatnonzero(~gone)
                count = int(gone.sum())
                notes.append(
                    Change(
                        self.target.name,
                        "rows without target",
                        count,
                        f"{counted(count, 'row')} without a target left out",
                    )
                )
                labels = labels[rows]
        features = []
        for encoder in self.encoders:
            column = parse(RawColumn(frame[encoder.plan.name], self.reading.missing, table.rows, table.folder), encoder.plan, table.name)
            notes += _notes_on_cells(encoder, column)
            features.append(encoder.encode(column.take(rows) if len(rows) < frame.height else column))
            notes += features[-1].notes
        return _stack(features, labels, table.rows_of(rows), tuple(notes))

    def encode_target(self, values: Any) -> np.ndarray:
        """Targets as the network takes them: int32 class numbers (N,) or standardised float32 values (N,).

        Args:
            values: one label or number a row, as a list, an array or a Polars series.

        Raises:
            DataError: an unknown label, a cell that is no number, or a missing target, with its row.
        """
        target = self._need_target()
        frame = read_table({target.name: values}).frame
        codes, gone = target.encode(RawColumn(frame[target.name], self.reading.missing))
        if gone.any():
            raise DataError(
                f"target {target.name!r}, row {int(np.argmax(gone)) + 1:,} has no value",
                fix="leave out rows without a target",
            )
        return codes

    def decode_target(self, predictions: Any) -> np.ndarray:
        """Predictions of the network in the target's own labels or unit; see `TargetPlan.decode`."""
        return self._need_target().decode(predictions)

    @property
    def classes(self) -> tuple[Any, ...]:
        """The labels of the classes in the order of their numbers; empty without classes."""
        return self.target.labels if self.target else ()

    @property
    def task(self) -> str | None:
        """ "classification", "regression", or None without a target."""
        return self.target.task if self.target else None

    # ------------------------------------------------------------------ telling

    def describe(self) -> TableReport:
        """What each column was taken for and what was done to it; print it, or take its records."""
        self._need_fitted()
        how = {encoder.plan.name: (encoder.plan, encoder.treatment()) for encoder in self.encoders}
        how |= {plan.name: (plan, f"dropped: {plan.reason}" if plan.kind in USED else treatment(plan)) for plan in self.dropped}
        if self.target is not None:
            kind = f"target, {len(self.target.labels)} classes" if self.target.labels else "target, standardised"
            how[self.target.name] = (self.target.plan, kind)
        columns = tuple(
            {
                "name": name,
                "kind": plan.kind,
                "missing": plan.missing,
                "distinct": plan.distinct,
                "example": plan.example,
                "treatment": done,
            }
            for name, (plan, done) in ((name, how[name]) for name in self.columns)
        )
        return TableReport(columns, self.changes)

    def to_config(self) -> dict[str, Any]:
        """The fitted encoder as a dict of plain JSON values, from which `from_config` makes an equal one."""
        self._need_fitted()
        options, reading = self.options, self.reading
        return {
            "format": _FORMAT,
            "options": {
                **asdict(options),
                "drop_duplicates": self.drop_duplicates,
                "decimal": reading.decimal or None,
                "day_first": reading.day_first,
            },
            "missing": sorted(reading.missing),
            "columns": list(self.columns),
            "encoders": [encoder.to_config() for encoder in self.encoders],
            "dropped": [plan.to_config() for plan in self.dropped],
            "target": self.target.to_config() if self.target else None,
            "changes": [change.to_config() for change in self.changes],
        }  # fmt: skip

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> TableEncoder:
        """The encoder that `to_config` wrote, also after a way through JSON.

        Raises:
            ModelFileError: the dict is of a later format, or is not an encoder's.
        """
        if config.get("format") != _FORMAT:
            raise ModelFileError(
                f"the table encoder has the format {config.get('format')!r}, this saltus reads {_FORMAT}",
                fix="use the version of saltus that wrote it, or a later one",
            )
        try:
            made = cls(**config["options"])
            made.reading = replace(made.reading, missing=frozenset(config["missing"]))
            made.columns = tuple(config["columns"])
            made.encoders = tuple(encoder_from_config(encoder) for encoder in config["encoders"])
            made.dropped = tuple(ColumnPlan.from_config(plan) for plan in config["dropped"])
            made.target = TargetPlan.from_config(config["target"]) if config["target"] else None
            made.changes = tuple(Change.from_config(change) for change in config["changes"])
        except (KeyError, TypeError, AttributeError) as error:
            raise ModelFileError(f"the table encoder's configuration is damaged: {error!r}", fix="save the model again") from error
        made.fitted = True
        return made

    # ------------------------------------------------------------------ checks

    def _need_fitted(self) -> None:
        if not self.fitted:
            raise ArgumentError("the table encoder has not seen training rows yet", fix="call fit(frame, target) first")

    def _need_target(self) -> TargetPlan:
        self._need_fitted()
        if self.target is None:
            raise ArgumentError("this encoder was fitted without a target", fix="fit(frame, target) names one")
        return self.target

    def _need_columns(self, table: Table, wanted: list[str]) -> None:
        there = table.frame.columns
        lacking = [name for name in wanted if name not in there]
        if not lacking:
            return
        others = [name for name in there if name not in wanted]
        close = {name: nearest(name, others, 1) for name in lacking}
        hints = [f"{found[0]!r} for {name!r}" for name, found in close.items() if found]
        verb = "is" if len(lacking) == 1 else "are"
        raise DataError(
            f"{table.name}: {counted(len(lacking), 'column')} of the training data {verb} missing: "
            f"{', '.join(map(repr, lacking))}; those there: {', '.join(map(repr, there))}",
            fix=f"is it {', '.join(hints)}? rename it" if hints else "add the column; blank cells are allowed",
        )

    def _notes_on_columns(self, table: Table) -> list[Change]:
        extra = [name for name in table.frame.columns if name not in self.columns]
        if not extra:
            return []
        shown = tuple(map(repr, extra[:5]))
        return [
            Change(
                "",
                "ignored columns",
                len(extra),
                f"{counted(len(extra), 'column')} unknown from training ignored",
                shown,
            )
        ]


def _with_rows(source: Any) -> Table:
    table = read_table(source)
    if not table.frame.height:
        raise DataError(f"{table.name} has no rows", fix="give at least one row of values")
    return table


def _leak(column: ParsedColumn, target: TargetPlan) -> Change:
    text = f"tells the classes of {target.name!r} apart without a fault: will it be known when predicting?"
    return Change(column.plan.name, "leak", 1, text)


def _notes_on_cells(encoder: Encoder, column: ParsedColumn) -> list[Change]:
    """What the model has never seen: values missing where none was, and new categories."""
    name, notes = encoder.plan.name, []
    gone = int(column.missing.sum())
    if gone and encoder.plan.missing == 0.0:
        notes.append(Change(name, "missing", gone, f"{counted(gone, 'value')} missing, where the training rows had none"))
    if column.words is not None and encoder.plan.kind == "category":
        codes = encoder.encode(column).categories[name][0]
        unseen = (codes == 0) & ~column.missing
        if unseen.any():
            words = column.words.gather(np.unique(column.values[unseen])[:3].tolist()).to_list()
            notes.append(
                Change(
                    name,
                    "unseen",
                    int(unseen.sum()),
                    f"{counted(int(unseen.sum()), 'value')} unseen or rare in training",
                    tuple(map(repr, words)),
                )
            )
    return notes


def _stack(features: list[Features], target: np.ndarray | None, rows: np.ndarray, notes: tuple[Change, ...]) -> EncodedTable:
    numbers = [(name, array) for feature in features for name, array in feature.numbers.items()]
    categories = [(name, *pair) for feature in features for name, pair in feature.categories.items()]
    texts = [(name, *pair) for feature in features for name, pair in feature.texts.items()]
    images = [(name, array) for feature in features for name, array in feature.images.items()]
    names: list[str] = []
    table = np.empty((len(rows), sum(1 if array.ndim == 1 else array.shape[1] for _, array in numbers)), np.float32)
    for name, array in numbers:
        place = len(names)
        if array.ndim == 1:
            table[:, place] = array
            names.append(name)
        else:
            table[:, place : place + array.shape[1]] = array
            names += [f"{name} {i}" for i in range(array.shape[1])]
    codes = np.empty((len(rows), len(categories)), np.int32)
    for place, (_, array, _) in enumerate(categories):
        codes[:, place] = array
    return EncodedTable(
        table,
        codes,
        tuple(names),
        tuple(name for name, _, _ in categories),
        tuple(size for _, _, size in categories),
        target,
        rows,
        notes,
        tuple(array for _, array, _ in texts),
        tuple(name for name, _, _ in texts),
        tuple(size for _, _, size in texts),
        tuple(array for _, array in images),
        tuple(name for name, _ in images),
    )
