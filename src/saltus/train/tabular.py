"""From a raw table to a model that takes raw rows: split, encode, build a network, train, judge. Above
`fitted` and `data`.

    model = fit_table("customers.csv", "churned")
    model.predict("new.csv")
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

import numpy as np

from saltus.base.errors import DataError, unknown_name
from saltus.data import Change, EncodedTable, Table, TableEncoder, TableFiles, read_table, split_rows
from saltus.data.lengths import Lengths, sorted_by_length
from saltus.data.records import counted
from saltus.data.redundancy import shared_rows
from saltus.data.spool import SpooledTable
from saltus.data.strays import forgive
from saltus.train import larger
from saltus.train.buckets import InBuckets
from saltus.train.fitted import FitOptions, Fitted, Judgement, Predictions, chosen_plan, optimizer_of, with_changes
from saltus.train.model import Model
from saltus.train.plan import training_plan
from saltus.train.prepared import Prepared
from saltus.train.sources import InBlocks, Source
from saltus.train.table_network import READERS, at_once, network_of

Array = np.ndarray[Any, Any]



@dataclass(frozen=True)
class TableOptions(FitOptions):
    """How a table is learnt: `FitOptions`, and what only tables have. The defaults suit most tables.

    Attributes:
        task: "classification" or "regression"; None finds it from the target.
        overrides: how single columns are read, by name; see `TableEncoder.fit`.
        encoder: a TableEncoder with other options, not fitted yet.
        network: a network of one's own; it gets numbers (N, F), categories (N, C), a text's words (N, L) each and a
            column's images (N, H, W, C) each, or what there is of them.
        hidden: units of the hidden layers; None chooses by the number of rows.
        activation: of the hidden layers.
        reader: how long texts are read: "bag" (words and pairs of them, in any order), "convolution" (neighbouring
            words) or "recurrent" (a GRU over the words, both ways).
        size: height and width that the images of columns of file names get; None takes their median, bounded to 128.
        skip_corrupt: take images that cannot be read for missing ones; otherwise they are refused, with their rows.
        memory: bytes of Parquet, Arrow, CSV or TSV files that are read as a whole. Larger ones, or several, are read in
            blocks while the training runs: what is learnt about columns comes from some of the rows, validation
            and test take 100,000 rows each at most (4,096 with images), and about a gigabyte of memory is used however large
            they are.
    """

    task: str | None = None
    overrides: Mapping[str, Any] | None = None
    encoder: TableEncoder | None = None
    hidden: Sequence[int] | None = None
    activation: Any = "relu"
    reader: str = "bag"
    size: tuple[int, int] | None = None
    skip_corrupt: bool = False
    memory: float = 1e9


class TabularModel(Fitted):
    """A network with the encoder of its table: raw rows in, labels or values out. See `Fitted`.

    Rows are whatever `read_table` takes: a file, frame, dict of columns or list of dicts.
    """

    kind = "table"
    title = "a table"
    encoders = TableEncoder

    @property
    def target(self) -> str:
        """Name of the column that is predicted."""
        assert self.encoder.target is not None
        return str(self.encoder.target.name)

    @property
    def at_once(self) -> int | None:
        return at_once([encoder.form for encoder in self.encoder.encoders if encoder.plan.kind == "image"])

    def arranged(self, encoded: Any, inputs: Any, target: Any) -> Source | None:
        lengths = self._lengths(encoded)
        if lengths is None:
            return None
        if not isinstance(encoded, SpooledTable):
            return InBuckets({"x": inputs, "y": target}, encoded.text_places, lengths)
        x, y = inputs.take(np.arange(min(2, len(inputs))))
        data = {"x": encoded.leaves if len(encoded.leaves) > 1 else encoded.leaves[0], "y": encoded.target}
        return InBuckets(data, encoded.text_places, lengths, example={"x": x, "y": y}, mark=inputs.mark())

    def _lengths(self, encoded: Any) -> Lengths | None:
        """Buckets of the texts of encoded rows; None where there are none, or the network wants one length."""
        if not isinstance(encoded, EncodedTable) or not all(self.model.takes(place, (None,)) for place in encoded.text_places):
            return None
        return sorted_by_length(encoded.texts)

    def outputs(self, encoded: Any) -> Array:
        lengths = self._lengths(encoded)
        if lengths is None:
            return super().outputs(encoded)
        source = self.arranged(encoded, encoded.inputs, encoded.rows)
        assert isinstance(source, InBuckets)
        parts = [(rows, self.outputs_of(source.inputs(bucket, rows))) for bucket, rows in source.whole(_AT_ONCE)]
        made = np.empty((len(encoded), *parts[0][1].shape[1:]), parts[0][1].dtype)
        for rows, values in parts:
            made[rows] = values
        return made

    def judge(self, encoded: Any) -> Judgement:
        """As `evaluate`, of encoded rows; of a table that is read in blocks, of the rows that its encoder was fitted on."""
        return super().judge(encoded.some if isinstance(encoded, larger.StreamedTable) else encoded)

    def predictions(self, source: Any) -> Predictions:
        read = read_table(source)
        rows = self.encoder.transform(read, target=False)
        return Predictions(self.as_frame(self.outputs(rows)), read.frame, tuple(str(note) for note in rows.notes))


_AT_ONCE = 8_192  # rows that are predicted together, where they differ in length
Made = TypeVar("Made", bound=TabularModel)


def fit_table(source: Any, target: str | None = None, options: TableOptions | None = None, **changes: Any) -> TabularModel:
    """Train a network on a table.

    The rows are split first; everything that is learnt from data (how columns are read, rescaled and
    numbered, too) is learnt from the training part only.

    Args:
        source: anything `read_table` takes: a CSV, Parquet, JSON lines or Arrow file, a frame, a dict of
            columns. Or a list of files, or a file larger than `memory`: they are read in blocks.
        target: the column to predict; None takes the last one.
        options: how; None for the defaults.
        changes: single options by name.

    Returns:
        The trained model, with its figures on the held-out rows.

    Raises:
        UnknownNameError: no such column or option; the nearest names are in the message.
        DataError: the table or its target cannot be learnt from.
        Interrupted: Ctrl-C or SIGTERM came; the checkpoint is written when there is a folder for it.

    Example:
        >>> from saltus.data import sets
        >>> model = fit_table(sets.path("penguins"), "species", verbose=0)
        >>> model.scores["accuracy"] > model.baseline["accuracy"]
        True
    """
    return prepare_table(source, target, with_changes(options or TableOptions(), changes)).fit()


def prepare_table(source: Any, target: str | None, options: TableOptions) -> Prepared[TabularModel]:
    """A table split and encoded; see `fit_table`."""
    if isinstance(source, TableFiles) or larger.too_large(source, options.memory):
        return prepare_files(source if isinstance(source, TableFiles) else larger.table_files(source, target), options)
    table = read_table(source)
    return prepare_read(TabularModel, table, chosen_target(table, target), options, _sizes)


def prepare_read(
    kind: type[Made], table: Table, target: str, options: TableOptions, sizes: Callable[[int, Any], tuple[int | str, int]]
) -> Prepared[Made]:
    """As `prepare_table`, of a table that was read.

    Args:
        kind: what to make.
        table: the table.
        target: the column to predict.
        options: how.
        sizes: (rows, options) -> batch size and epochs.
    """
    train, held, test = drawn_parts(table, target, options)
    encoder = options.encoder if options.encoder is not None else table_encoder(options, text_width=_text_width(train.frame.height))
    learnt = encoder.fit_transform(train, target, task=options.task, overrides=options.overrides)
    for name, part in (("validation", held), ("test", test)):
        if part is not None and part.rows is not None:  # drawn from this table, no other file
            forgive(encoder, part, name)
    checked = None if held is None else encoder.transform(held, target=True)
    judged = None if test is None else encoder.transform(test, target=True)
    encoder.changes += tuple(_in_two_parts(encoder, train, held, test))
    lengths = sorted_by_length(learnt.texts) if options.network is None and options.ensemble is None else None
    if lengths is not None:
        encoder.changes += (Change(", ".join(learnt.text_names), "lengths", len(learnt), str(lengths)),)
    if options.told is not None:
        options.told(encoder)
    size, epochs = (_image_sizes if learnt.images else sizes)(len(learnt), options)
    return Prepared(kind, encoder, learnt, checked, judged, options, size, epochs, partial(build_model, encoder, learnt))


def prepare_files(files: TableFiles, options: TableOptions) -> Prepared[TabularModel]:
    """As `prepare_table`, of files that are read in blocks while the training runs; see `larger`."""
    other = options.test is not None and not isinstance(options.test, (int, float))
    most = larger.most_rows(files)
    spans = larger.spans_of(sum(files.sizes), 0.0 if other else float(options.test or 0), options.validation, most)
    seed = options.seed
    some = larger.with_all_classes(files, larger.collected(files, spans.train, seed, most), spans.train, seed)
    encoder = options.encoder if options.encoder is not None else table_encoder(options, text_width=_text_width(sum(files.sizes)))
    fitted = encoder.fit_transform(some, files.target, task=options.task, overrides=options.overrides)
    said = f"{counted(sum(files.sizes), 'row')} in {counted(len(files.files), 'file')} are read in blocks of {max(files.sizes):,}"
    text = f"{said}; what is said of columns comes from {some.frame.height:,} of them"
    encoder.changes += (Change("", "read in blocks", sum(files.sizes), text),)
    larger.encode_with(files, encoder)
    held = larger.collected(files, spans.validation, seed, most) if spans.validation[1] > spans.validation[0] else None
    test = larger.collected(files, spans.test, seed, most) if spans.test[1] > 0 else read_table(options.test) if other else None
    files.shown = next(part for part in (None if other else test, held, some) if part is not None)  # the rows that are judged
    learnt = larger.StreamedTable(InBlocks(files, spans.train, seed), fitted)
    checked, judged = (None if part is None else encoder.transform(part, target=True) for part in (held, test))
    if options.told is not None:
        options.told(encoder)
    size, epochs = (_image_sizes if fitted.images else _sizes)(len(learnt), options)
    build = partial(build_model, encoder, fitted, rows=len(learnt))
    return Prepared(TabularModel, encoder, learnt, checked, judged, options, size, epochs, build)


def _in_two_parts(encoder: TableEncoder, train: Table, held: Table | None, test: Table | None) -> list[Change]:
    """What to say of rows that are trained on and judged by; nothing where so coarse columns repeat by chance."""
    if any(change.action == "repeated rows" for change in encoder.changes):
        return []
    made = []
    for name, part in (("validation", held), ("test", test)):
        count = 0 if part is None else int(shared_rows(train.frame, part.frame).sum())
        if count and part is not None:
            share = f"{counted(count, 'row')} of the {name} part ({count / part.frame.height:.1%})"
            text = f"{share} {'stands' if count == 1 else 'stand'} in the training part too: its figures are that much too good"
            made.append(Change("", "rows in two parts", count, text))
    return made


def table_encoder(options: TableOptions, **how: Any) -> TableEncoder:
    """An encoder as the options' reader of texts needs it, not fitted yet."""
    if options.reader not in READERS:
        raise unknown_name("reader of texts", options.reader, READERS)
    return TableEncoder(**how, ordered=options.reader != "bag", image_size=options.size, skip_corrupt=options.skip_corrupt)


def chosen_target(table: Table, target: str | None) -> str:
    """The column to predict: the named one, else the last.

    Raises:
        UnknownNameError: no column of that name.
        DataError: there are no two columns.
    """
    columns = table.frame.columns
    if len(columns) < 2:
        what = f"one column, {columns[0]!r}" if columns else "no columns"
        raise DataError(f"{table.name} has {what}: there is nothing to predict from", fix="check how its columns are separated")
    if target is not None and target not in columns:
        raise unknown_name("target column", target, columns)
    return columns[-1] if target is None else target


def drawn_parts(table: Table, target: str, options: TableOptions) -> tuple[Table, Table | None, Table | None]:
    """Rows to train on, to validate on and to judge by, drawn with the same share of every class.

    Raises:
        DataError: the target cannot be learnt, or there are too few rows for so many parts.
    """
    frame = table.frame
    encoder = TableEncoder() if options.encoder is None else options.encoder
    classes = encoder.classes_of(table, target, task=options.task, overrides=options.overrides)
    drawn = isinstance(options.test, (int, float)) and options.test > 0
    names = ["learn from", *(["validate by"] if options.validation else []), *(["test by"] if drawn else [])]
    if frame.height <= len(names):  # two rows to learn from at least
        what = f"{table.name} has {counted(frame.height, 'row')}: too few to {', to '.join(names)}"
        raise DataError(what, fix="give more rows, or hold out less: validation=0 and test=0 learn from all of them")

    def share_off(rows: Array, share: float, seed: int) -> tuple[Array, Array]:
        kept, off = split_rows(len(rows) if classes is None else classes[rows], share, seed=seed, stratify=classes is not None)
        return rows[np.sort(kept)], rows[np.sort(off)]

    def part(rows: Array) -> Table:
        return replace(table, frame=frame[rows], rows=table.rows_of(rows))

    rows, test, held = np.arange(frame.height), None, None
    if isinstance(options.test, (int, float)) and not isinstance(options.test, bool):
        if options.test:
            rows, off = share_off(rows, float(options.test), options.seed)
            test = part(off)
    elif options.test is not None:
        test = read_table(options.test)
    if options.validation:
        rows, off = share_off(rows, options.validation, options.seed + 1)
        held = part(off)
    return part(rows), held, test


def _text_width(rows: int) -> int:
    """Features of a free text that so many rows can fill: more of them only learn the training rows by heart."""
    return int(min(128, max(8, 2 ** round(np.log2(max(rows, 1) / 20)))))


def _sizes(rows: int, options: TableOptions) -> tuple[int | str, int]:
    """Batch size and epochs: small tables get small batches and many epochs, so that there are enough
    updates.
    """
    return chosen_plan(rows, options, min(1024, max(32, 2 ** round(np.log2(max(rows, 1) / 200)))), updates=4000, low=20, high=300)


def _image_sizes(rows: int, options: TableOptions) -> tuple[int | str, int]:
    """As `_sizes`, for tables with images: passes are dear, and each image tells more than a row of numbers does."""
    return chosen_plan(rows, options, min(128, max(16, 2 ** round(np.log2(max(rows, 1) / 50)))), updates=2000, low=8, high=60)


def build_model(
    encoder: TableEncoder, table: EncodedTable, options: TableOptions, size: int | str, epochs: int, rows: int | None = None
) -> Model:
    """An untrained model for an encoded table, or for so many rows like its own."""
    rows = len(table) if rows is None else rows
    network = options.network if options.network is not None else network_of(table, options, len(encoder.classes), rows)
    loss = "sparse_categorical_crossentropy" if encoder.classes else "mse"
    optimizer = optimizer_of(options, training_plan(rows, size, epochs).updates)
    metrics = ["accuracy"] if encoder.classes else ["mae"]
    return Model(network, loss=loss, optimizer=optimizer, metrics=metrics, seed=options.seed)
