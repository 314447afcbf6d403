"""Data of each kind as samples that can be dealt into folds. Above `tabular`, `images`, `texts` and `series`; below `kinds`.

A sample is a row of a table, a text, an image, or a step of a series from which forecasts are made.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from saltus.base.errors import ArgumentError, DataError, unknown_name
from saltus.data import Table, TableEncoder, TableFiles, read_table
from saltus.data.images import ImageSet, read_images
from saltus.data.lazy import LazyModule
from saltus.data.records import counted
from saltus.data.schema import Reading
from saltus.data.texts import FILE
from saltus.train.images import ImageOptions, prepare_images
from saltus.train.larger import too_large
from saltus.train.prepared import Prepared
from saltus.train.series import SeriesOptions, prepare_lines, series_encoder
from saltus.train.splits import Split, k_fold
from saltus.train.tabular import TableOptions, chosen_target, prepare_table
from saltus.train.texts import TextOptions, opened_texts, prepare_texts

if TYPE_CHECKING:
    import polars as pl
else:
    pl = LazyModule("polars")

Array = np.ndarray[Any, Any]

_FEWEST = 8  # windows of a fold of series


class Samples:
    """Data of one kind, as samples by number.

    Attributes:
        options: how each fold is learnt.
        count: of all samples, also of those that no fold judges.
        labels: what folds are dealt by: the targets.
    """

    options: Any
    count: int
    labels: Any

    def splits(self, folds: int, seed: int, how: dict[str, Any]) -> list[Split]:
        """The folds; `how` has the other arguments of `k_fold`, where columns can be named."""
        raise NotImplementedError

    def prepare(self, split: Split, options: Any) -> Prepared[Any]:
        """The samples of a split, encoded by what its training part says."""
        raise NotImplementedError

    def rows(self, split: Split, prepared: Prepared[Any]) -> Array:
        """Numbers of the samples that the split's test part came to hold, in its order."""
        raise NotImplementedError

    def named(self, rows: Array) -> dict[str, Any]:
        """Columns that tell which samples these are."""
        raise NotImplementedError

    def frame(self, rows: Array, true: Array, said: Array, classes: tuple[Any, ...]) -> pl.DataFrame:
        """A row a sample: which it is, what is true, and what was said of it by networks that had not seen it.

        Args:
            rows: numbers of the samples (n,).
            true: class numbers or values (n,).
            said: probabilities (n, classes), or values (n,).
            classes: their labels; empty for values.
        """
        if not classes:
            return pl.DataFrame({**self.named(rows), "true": true, "predicted": np.asarray(said, np.float64)})
        labels = [str(label) for label in classes]
        made = {"true": [labels[code] for code in true], "predicted": [labels[code] for code in said.argmax(axis=1)]}
        shares = {f"probability of {label}": said[:, code].astype(np.float32) for code, label in enumerate(labels)}
        return pl.DataFrame({**self.named(rows), **made, **shares})


# -- tables and texts --------------------------------------------------------------------------------------------------


class TableSamples(Samples):
    """Rows of a table whose target is known."""

    def __init__(self, source: Any, target: str | None, options: TableOptions) -> None:
        if isinstance(source, TableFiles) or too_large(source, options.memory):
            raise ArgumentError("folds need their table in memory, but this one is read in blocks", fix="raise memory, or leave folds out")
        read = read_table(source)
        self._take(read, chosen_target(read, target), options)

    def _take(self, read: Table, target: str, options: TableOptions) -> None:
        self.target, self.options = target, options
        column = read.frame[target]
        known = column.is_not_null()
        if column.dtype == pl.String:
            known &= ~column.str.strip_chars().str.to_lowercase().is_in(list(Reading().missing))
        rows = known.arg_true().to_numpy().astype(np.int64)
        if not len(rows):
            raise DataError(f"no row has a value of the target {target!r}", fix="use rows whose target is known")
        self.read = replace(read, frame=read.frame[rows], rows=read.rows_of(rows))
        self.count = len(rows)
        self.labels = self.read.frame[target].to_numpy()

    def splits(self, folds: int, seed: int, how: dict[str, Any]) -> list[Split]:
        frame, groups = self.read.frame, how.get("groups")
        if isinstance(groups, str):  # what tells the groups apart is not known of new rows
            self.options = replace(self.options, overrides={**(self.options.overrides or {}), groups: "drop"})
        how = {**how, "groups": _column(frame, groups, "groups"), "time": _ordered(frame, how.get("time"))}
        if how.get("stratify") is None:
            ordered = how["time"] is not None and how["time"] is not False
            how["stratify"] = groups is None and not ordered and _task(frame, self.target, self.options) == "classification"
        return k_fold(self.labels, folds, seed=seed, **how)

    def prepare(self, split: Split, options: Any) -> Prepared[Any]:
        return prepare_table(self._part(split.train), self.target, replace(options, test=self._part(split.test)))

    def rows(self, split: Split, prepared: Prepared[Any]) -> Array:
        return np.searchsorted(self.read.rows_of(np.arange(self.count)), prepared.test.rows)

    def named(self, rows: Array) -> dict[str, Any]:
        return {"row": self.read.rows_of(rows) + 1}

    def _part(self, rows: Array) -> Table:
        return replace(self.read, frame=self.read.frame[rows], rows=self.read.rows_of(rows))


class TextSamples(TableSamples):
    """Texts whose target is known."""

    def __init__(self, source: Any, target: str | None, options: TextOptions) -> None:
        read, text, column = opened_texts(source, target, options)
        self._take(read, column, replace(options, text=text))

    def prepare(self, split: Split, options: Any) -> Prepared[Any]:
        return prepare_texts(self._part(split.train), self.target, replace(options, test=self._part(split.test)))

    def named(self, rows: Array) -> dict[str, Any]:
        frame = self.read.frame
        return {"file": frame[FILE][rows].to_list()} if FILE in frame.columns and self.target != FILE else super().named(rows)


def _task(frame: pl.DataFrame, target: str, options: TableOptions) -> str | None:
    """What kind of target it is, by all its values."""
    if options.task is not None:
        return options.task
    beside = frame.select(target).with_row_index("row of the table")
    return TableEncoder(drop_duplicates=False).fit(beside, target, overrides={"row of the table": "number"}).task


def _column(frame: pl.DataFrame, given: Any, what: str) -> Any:
    """A column by its name, or what else was given."""
    if not isinstance(given, str):
        return given
    if given not in frame.columns:
        raise unknown_name(f"column of {what}", given, frame.columns)
    return frame[given].to_numpy()


def _ordered(frame: pl.DataFrame, given: Any) -> Any:
    """Values to order rows by."""
    if not isinstance(given, str):
        return given
    _column(frame, given, "time")
    column = frame[given]
    if gone := column.null_count():
        raise DataError(f"the time column {given!r} has {counted(gone, 'empty cell')}", fix="leave out rows without a time")
    if column.dtype == pl.String:  # every cell of a delimited file is text
        try:
            column = column.cast(pl.Float64)
        except pl.exceptions.PolarsError:
            try:
                column = column.str.to_datetime()
            except pl.exceptions.PolarsError as error:
                raise DataError(
                    f"the time column {given!r} holds texts such as {column[0]!r}, which are no dates",
                    fix="write dates as 2024-12-31, or use a number",
                ) from error
    return column.to_physical().to_numpy()


# -- images ------------------------------------------------------------------------------------------------------------


class ImageSamples(Samples):
    """Images with their classes; a test part of the source's own stays out of the folds."""

    def __init__(self, source: Any, target: str | None, options: ImageOptions) -> None:
        self.images, self.options = read_images(source), options
        kept = [place for place, part in enumerate(self.images.parts) if part != "test"] or list(range(len(self.images)))
        self.places = np.array(kept, np.int64)
        self.count = len(self.places)
        assert self.images.labels is not None
        self.labels = np.array([str(self.images.labels[place]) for place in self.places])

    def splits(self, folds: int, seed: int, how: dict[str, Any]) -> list[Split]:
        for name in ("groups", "time"):
            if isinstance(how.get(name), str):
                raise ArgumentError(f"{name}={how[name]!r} names a column, but images have none", fix=f"leave {name} out, or give values")
        return k_fold(self.labels, folds, seed=seed, **how)

    def prepare(self, split: Split, options: Any) -> Prepared[Any]:
        rows = np.concatenate([split.train, split.test])
        parts = ("train",) * len(split.train) + ("test",) * len(split.test)
        return prepare_images(self._set(rows, parts), options)

    def _set(self, rows: Array, parts: tuple[str, ...]) -> ImageSet:
        images, places = self.images, self.places[rows]
        assert images.labels is not None
        return ImageSet(
            images.name, tuple(images.files[place] for place in places) if images.files else (),
            None if images.pixels is None else images.pixels[places], tuple(images.labels[place] for place in places), parts, images.notes,
        )  # fmt: skip

    def rows(self, split: Split, prepared: Prepared[Any]) -> Array:
        bad = {name for name, _ in prepared.test.unreadable}
        if not bad:
            return split.test
        return np.array([row for row in split.test if str(self.images.files[self.places[row]]) not in bad], np.int64)

    def named(self, rows: Array) -> dict[str, Any]:
        places = self.places[rows]
        return {"file": self.images.names(places)} if self.images.files else {"row": places + 1}


# -- series ------------------------------------------------------------------------------------------------------------


class SeriesSamples(Samples):
    """Steps of series; a fold is a span of time, judged by a network that learnt from all the time before."""

    labels = None

    def __init__(self, source: Any, target: str | None, options: SeriesOptions) -> None:
        self.source, self.options = read_table(source), options
        self.encoder = series_encoder(target, options)
        self.lines, _ = self.encoder.open(self.source)
        self.target = self.encoder.columns.target
        self.offsets = np.concatenate([[0], np.cumsum([len(line.values) for line in self.lines])])
        self.count = int(self.offsets[-1])
        self.at = np.concatenate([line.start + np.arange(len(line.values)) for line in self.lines])
        self.cuts: list[int] = []

    def splits(self, folds: int, seed: int, how: dict[str, Any]) -> list[Split]:
        for name in ("groups", "stratify"):
            if how.get(name):
                raise ArgumentError(f"folds of time series follow their time: {name} cannot be had", fix=f"leave {name} out")
        if how.get("repeats", 1) > 1:
            raise ArgumentError("folds of time series cannot be repeated: their order is given", fix="leave repeats out, or ask more folds")
        numbers = np.sort(np.concatenate([line.start + np.flatnonzero(line.seen) for line in self.lines]))
        furthest = self.encoder.steps[-1]
        spans = k_fold(len(numbers), folds, time=True)
        self.cuts = [int(numbers[split.test[0]]) for split in spans] + [int(numbers[-1]) + 1]
        short = min(after - before for before, after in zip(self.cuts, self.cuts[1:], strict=False))
        if short < furthest:
            raise ArgumentError(
                f"a fold of {folds} spans {counted(short, 'step')}, less than the horizon of {furthest}",
                fix="use fewer folds, a nearer horizon, or give more rows",
            )
        made = []
        for fold, (begin, end) in enumerate(zip(self.cuts, self.cuts[1:], strict=False)):
            train = np.flatnonzero(self.at + furthest < begin)
            made.append(Split(train, np.flatnonzero((self.at >= begin - 1) & (self.at + furthest < end)), fold))
        return made

    def prepare(self, split: Split, options: Any) -> Prepared[Any]:
        middle, end = self.cuts[split.fold], self.cuts[split.fold + 1]
        encoder = series_encoder(self.target, options)
        lines, notes = encoder.open(self.source)
        encoder.notes = tuple(notes)
        numbers = np.sort(np.concatenate([line.start + np.flatnonzero(line.seen) for line in lines]))
        before = numbers[numbers < middle]
        begin = int(before[int(len(before) * (1 - options.validation))]) if options.validation and len(before) else middle
        made = prepare_lines(encoder, lines, replace(options, test=0.5), begin, middle, end)
        if len(made.learnt) < _FEWEST:
            what = f"fold {split.fold + 1} of the series learns from {counted(len(made.learnt), 'window')}, too few"
            raise DataError(what, fix="use fewer folds, a shorter window (--set window=N), or give more rows")
        return made

    def rows(self, split: Split, prepared: Prepared[Any]) -> Array:
        starts = np.array([line.start for line in self.lines])
        line = prepared.test.line
        return self.offsets[line] + prepared.test.origin - starts[line]  # type: ignore[no-any-return]

    def frame(self, rows: Array, true: Array, said: Array, classes: tuple[Any, ...]) -> pl.DataFrame:
        steps, labels = np.array(self.encoder.steps), self.encoder.labels
        times = self.encoder.columns.frequency.times((self.at[rows, None] + steps).reshape(-1))
        line = np.searchsorted(self.offsets, rows, side="right") - 1
        which: dict[str, Any] = {"series": [self.lines[k].name for k in line for _ in steps]} if len(self.lines) > 1 else {}
        days = times.astype("datetime64[D]")
        which |= {"time": days if bool((times == days).all()) else times, "ahead": list(labels) * len(rows)}
        return pl.DataFrame({**which, "true": true.reshape(-1), "predicted": np.asarray(said, np.float64).reshape(-1)})


Divide = Callable[[Any, str | None, Any], Samples]

__all__ = ["Divide", "ImageSamples", "Samples", "SeriesSamples", "TableSamples", "TextSamples"]
