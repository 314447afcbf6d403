"""The kinds of data `saltus fit` knows, one record each: how a path of that kind looks, how it is read, learnt and
used. Above all of `train`; the command line asks here and knows no kind by name.

A new kind is a record in `KINDS`: a subclass of `Fitted` with its options, and two functions. The first
kind that recognises a path gets it; `--kind` overrides.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from saltus.base.errors import ArgumentError, DataError, ModelFileError, unknown_name
from saltus.data import read_table
from saltus.data.images import ImageSet, holds_images, read_images
from saltus.data.lines import holds_series
from saltus.data.texts import holds_texts
from saltus.train import spaces
from saltus.train.fitted import FitOptions, Fitted
from saltus.train.images import ImageModel, ImageOptions, encoder_of, prepare_images
from saltus.train.larger import table_files, too_large
from saltus.train.model import Model, load
from saltus.train.prepared import Prepared
from saltus.train.samples import Divide, ImageSamples, SeriesSamples, TableSamples, TextSamples
from saltus.train.series import SeriesModel, SeriesOptions, prepare_series, series_encoder
from saltus.train.space import Dimension
from saltus.train.tabular import TableOptions, TabularModel, chosen_target, prepare_table
from saltus.train.text_streams import text_blocks
from saltus.train.texts import TextModel, TextOptions, opened_texts, prepare_texts

COMMON = (
    "epochs", "batch_size", "learning_rate", "schedule", "optimizer", "weight_decay", "validation", "test", "patience", "balanced", "seed",
    "ensemble", "members", "distill", "ema", "augment",
)  # fmt: skip


@dataclass(frozen=True)
class Opened:
    """Data that were opened, before anything is learnt.

    Attributes:
        data: what the kind's `fit` takes.
        target: what is to be predicted.
        said: a line on what was found.
    """

    data: Any
    target: str | None
    said: str


@dataclass(frozen=True)
class Kind:
    """One kind of data.

    Attributes:
        fitted: its models; the kind's name and title stand there.
        looks: what its files are, for messages.
        options: how it is learnt; `fit` takes such a record.
        own: options of its own that the command line sets by name, next to `COMMON`; "overrides" is
            --column.
        recognises: whether a path that exists holds this kind, by its name and a glance inside.
        open: (source, target or None, options) -> Opened; refuses what cannot be learnt from at all.
        prepare: (data, target, options) -> the data ready to be learnt from.
        divide: (data, target, options) -> the data as samples that folds are made of.
        space: what a search chooses from when it is not told.
        sample: a word for one of its samples.
        example: what to write for new data, such as NEW.csv.
        several: whether `predict` takes several files in one call, as a list.
    """

    fitted: type[Fitted]
    looks: str
    options: type[FitOptions]
    own: tuple[str, ...]
    recognises: Callable[[Path], bool]
    open: Callable[[Any, str | None, Any], Opened]
    prepare: Callable[[Any, str | None, Any], Prepared[Any]]
    divide: Divide
    space: dict[str, Dimension]
    sample: str
    example: str
    several: bool = False

    @property
    def name(self) -> str:
        """As in --kind and in model files."""
        return self.fitted.kind

    @property
    def keys(self) -> tuple[str, ...]:
        """Names of the options that the command line sets."""
        return (*self.own, *COMMON)

    def fit(self, data: Any, target: str | None, options: Any) -> Fitted:
        """Train a network, and judge it."""
        return self.prepare(data, target, options).fit()  # type: ignore[no-any-return]


# -- tables ------------------------------------------------------------------------------------------------------------


def _open_table(source: Any, target: str | None, options: TableOptions) -> Opened:
    if too_large(source, options.memory):
        files = table_files(source, target)
        said = "" if target else " (the last column; choose another with --target)"
        rows = f"{sum(files.sizes):,} rows, {len(files.columns)} columns, read in blocks of {max(files.sizes):,} rows"
        return Opened(files, files.target, f"{files.files[0]}: {rows}; target {files.target!r}{said}")
    read = read_table(source)
    column = chosen_target(read, target)
    said = "" if target else " (the last column; choose another with --target)"
    return Opened(read, column, f"{read.name}: {read.frame.height:,} rows, {read.frame.width} columns; target {column!r}{said}")


TABLE = Kind(
    TabularModel, "a CSV, Parquet, JSON lines or Arrow file", TableOptions,
    ("task", "hidden", "activation", "dropout", "overrides", "reader", "size", "skip_corrupt", "memory"),
    recognises=Path.is_file, open=_open_table, prepare=prepare_table, divide=TableSamples, space=spaces.DENSE,
    sample="row", example="NEW.csv",
)  # fmt: skip

# -- texts -------------------------------------------------------------------------------------------------------------


def _open_texts(source: Any, target: str | None, options: TextOptions) -> Opened:
    blocks = text_blocks(source, target, options)
    if blocks is not None:
        said = f"{blocks.name}: {sum(blocks.sizes):,} texts, read in blocks of {max(blocks.sizes):,}; target {blocks.target!r}"
        return Opened(blocks, blocks.target, said)
    read, text, column = opened_texts(source, target, options)
    said = f"{read.name}: {read.frame.height:,} texts in the column {text!r}; target {column!r}"
    return Opened(read, column, said)


TEXTS = Kind(
    TextModel, "a folder of text files by class, or a table of texts and labels", TextOptions,
    (
        "task", "hidden", "activation", "dropout", "overrides", "reader", "text", "tokenizer", "tokenizer_size", "grams", "longest",
        "encoding", "size", "skip_corrupt", "memory",
    ),
    recognises=holds_texts, open=_open_texts, prepare=prepare_texts, divide=TextSamples, space=spaces.TEXTS,
    sample="text", example="NEW.txt", several=True,
)  # fmt: skip

# -- time series -------------------------------------------------------------------------------------------------------


def _open_series(source: Any, target: str | None, options: SeriesOptions) -> Opened:
    read = read_table(source)
    encoder = series_encoder(target, options)
    lines, _ = encoder.open(read)
    column = encoder.columns.target
    said = "" if target else " (the last column of numbers; choose another with --target)"
    ahead = f", {', '.join(encoder.labels)} ahead"
    return Opened(read, column, f"{read.name}: {encoder.told(lines)}; target {column!r}{said}{ahead}")


SERIES = Kind(
    SeriesModel, "a table of regular times and numbers", SeriesOptions,
    ("horizon", "window", "time", "key", "frequency", "repeated", "known", "hidden", "activation", "dropout", "overrides", "memory"),
    recognises=holds_series, open=_open_series, prepare=prepare_series, divide=SeriesSamples, space=spaces.SERIES,
    sample="time", example="NEW.csv",
)  # fmt: skip

# -- images ------------------------------------------------------------------------------------------------------------


def _open_images(source: Any, target: str | None, options: ImageOptions) -> Opened:
    if target is not None:
        raise ArgumentError("images have no columns: their class is what is predicted", fix="leave --target out")
    encoder_of(options)
    found = read_images(source)
    sizes = Counter(part for part in found.parts if part)
    parts = f" ({', '.join(f'{part} {count:,}' for part, count in sizes.items())})" if sizes else ""
    return Opened(found, None, f"{found.name}: {len(found):,} images{parts} in {len(set(found.labels or ()))} classes")


def _prepared_images(source: Any, target: str | None, options: ImageOptions) -> Prepared[ImageModel]:
    return prepare_images(source, options)


IMAGES = Kind(
    ImageModel, "a folder <class>/<file> of PNG, JPEG, WebP, BMP, GIF or TIFF files, IDX files, or an NPZ file", ImageOptions,
    ("dropout", "filters", "blocks", "activation", "size", "resize", "channels", "skip_corrupt", "label_smoothing", "memory"),
    recognises=holds_images, open=_open_images, prepare=_prepared_images, divide=ImageSamples, space=spaces.IMAGES,
    sample="image", example="FILES", several=True,
)  # fmt: skip

# -- all of them -------------------------------------------------------------------------------------------------------

KINDS = (IMAGES, TEXTS, SERIES, TABLE)  # in the order in which a path is offered to them; tables take any file


def names() -> tuple[str, ...]:
    """The kinds there are.

    Example:
        >>> "table" in names()
        True
    """
    return tuple(kind.name for kind in KINDS)


def named(name: str) -> Kind:
    """The kind of a name.

    Raises:
        UnknownNameError: there is none of that name.
    """
    if name not in names():
        raise unknown_name("kind of data", name, names())
    return next(kind for kind in KINDS if kind.name == name)


def infer(source: Any) -> Kind:
    """The kind of data that a path holds.

    Args:
        source: a path; one that does not exist counts as a table, whose reader says what is missing.

    Raises:
        DataError: no kind recognises it.
    """
    path = Path(source)
    if not path.exists():
        return TABLE
    for kind in KINDS:
        if kind.recognises(path):
            return kind
    looks = "; ".join(f"{kind.name}: {kind.looks}" for kind in KINDS)
    what = "is an empty folder" if path.is_dir() and not any(path.iterdir()) else "holds nothing that saltus can learn from"
    raise DataError(f"{path} {what}", fix=f"give one of these ({looks}), or name the kind with --kind to be told what is missing")


def of_data(source: Any, kind: str | None = None, options: Any = None) -> Kind:
    """The kind of data that a library call was given.

    Args:
        source: a path, or data in memory: arrays (x, y) and image sets are images, all others a table.
        kind: its name, if it is told.
        options: of its fit, if they are given.

    Raises:
        UnknownNameError: no kind of that name.
        DataError: a path holds none.
    """
    if kind is not None:
        return named(kind)
    if options is not None:
        return next(known for known in KINDS if type(options) is known.options)
    if isinstance(source, (str, os.PathLike)):
        return infer(source)
    pair = isinstance(source, tuple) and len(source) == 2 and hasattr(source[0], "shape")
    return IMAGES if pair or isinstance(source, ImageSet) else TABLE


def of_model(model: Model, name: str) -> Fitted:
    """A model that was loaded, with its data's side.

    Args:
        model: what `sl.load` gave.
        name: of its file, for messages.

    Raises:
        ModelFileError: it was not made by `saltus fit`, or is of a kind that this version does not know.
    """
    kept = model.preprocessing
    kind = kept.get("kind") if isinstance(kept, dict) else None
    if kind is None:
        raise ModelFileError(
            f"{name} holds a network without the preparation of its data", fix="open it with sl.load, and predict on arrays"
        )
    if kind not in names():
        raise ModelFileError(
            f"{name} holds a model of the kind {kind!r}; this saltus knows {', '.join(names())}", fix="use a later version of saltus"
        )
    return named(kind).fitted.of_model(model, name)


def load_fitted(path: str | Path) -> Fitted:
    """The model that `saltus fit` left in a file, whatever its kind.

    Raises:
        StorageError: there is no such file.
        ModelFileError: it is damaged, or was not made by `saltus fit`.
    """
    return of_model(load(path), str(path))
