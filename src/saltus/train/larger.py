"""Tables larger than memory: which rows are learnt from, checked and judged by, and what the encoder is fitted on. Above
`sources`, below `tabular`.

Every row draws a number from (seed, block, row): the lowest belong to the test part, the next to the validation, the rest
is trained on. Of the first two at most SOME rows each are kept in memory; the encoder is fitted on as many rows of
the training part, with a row of every class that these lack.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from saltus.base.errors import DataError
from saltus.data import EncodedTable, Table, TableEncoder
from saltus.data.column import RawColumn
from saltus.data.image_column import finds_images
from saltus.data.lazy import LazyModule
from saltus.data.spelling import MISSING
from saltus.data.table_files import TableFiles, is_streamable
from saltus.train.sources import InBlocks, rows_of_span

if TYPE_CHECKING:
    import polars as pl
else:
    pl = LazyModule("polars")

Array = np.ndarray[Any, Any]

SOME = 100_000  # rows of the test part, of the validation part, and of those that the encoder is fitted on, at most
PICTURES = 4_096  # the same where a column names images
_GLANCED = 500
_CLASSES = 1_000  # more different targets than that are not looked for one by one


@dataclass(frozen=True)
class StreamedTable:
    """A table that is read in blocks; as `EncodedTable`, but what is said of single rows is said of some.

    Attributes:
        inputs: the source of its rows.
        some: the rows that the encoder was fitted on.
    """

    inputs: InBlocks
    some: EncodedTable

    @property
    def target(self) -> Any:
        return self.some.target

    @property
    def rows(self) -> Array:
        return self.some.rows

    @property
    def notes(self) -> tuple[Any, ...]:
        return self.some.notes

    def __len__(self) -> int:
        return int(self.inputs.sizes.sum())


def too_large(source: Any, memory: float) -> bool:
    """Whether files are to be read in blocks: several, or one of more bytes than `memory`."""
    if not is_streamable(source):
        return False
    if not isinstance(source, (str, os.PathLike)):
        return True
    return Path(source).is_file() and Path(source).stat().st_size > memory


@dataclass(frozen=True)
class Spans:
    """Numbers of the rows of each part; see `InBlocks`."""

    train: tuple[float, float]
    validation: tuple[float, float]
    test: tuple[float, float]


def table_files(source: Any, target: str | None) -> TableFiles:
    """Files in blocks; of tables that name images in smaller ones, since these are decoded with their block."""
    files = TableFiles(source, target)
    return TableFiles(source, target, rows=PICTURES // 4) if most_rows(files) < SOME else files


def most_rows(files: TableFiles) -> int:
    """Rows of a part that are in memory at most: SOME, or PICTURES where a column names images."""
    first = files.table(files.frame(0).head(_GLANCED))
    cells = (RawColumn(first.frame[name], MISSING, folder=first.folder) for name, kind in first.frame.schema.items() if kind == pl.String)
    return PICTURES if any(finds_images(raw)[0] for raw in cells) else SOME


def spans_of(rows: int, test: float, validation: float, most: int = SOME) -> Spans:
    """The parts of so many rows, the last two of at most `most` rows each.

    >>> spans_of(1_000, 0.2, 0.5).test, spans_of(10_000_000, 0.2, 0.5).test
    ((0.0, 0.2), (0.0, 0.01))
    """
    judged = min(test, most / rows)
    held = min(validation * (1 - judged), most / rows)
    return Spans((judged + held, 1.0), (judged, judged + held), (0.0, judged))


def collected(files: TableFiles, span: tuple[float, float], seed: int, most: int = SOME) -> Table:
    """Rows of a part as one table, from as many blocks as are needed, spread evenly through the files.

    Args:
        files: the table.
        span: the part.
        seed: of the rows' numbers.
        most: rows at most.
    """
    share = max(span[1] - span[0], 1e-9)
    blocks = len(files.sizes)
    needed = int(min(blocks, max(1, np.ceil(1.2 * most / (share * max(files.sizes))))))
    parts, count = [], 0
    for block in np.unique(np.linspace(0, blocks - 1, needed).round().astype(int)):
        rows = rows_of_span(files.sizes[block], span, seed, int(block))[: max(0, most - count)]
        parts.append(files.frame(int(block))[rows])
        count += len(rows)
    if not count:
        raise DataError(f"{files.files[0]} has no row in a part of {share:.1%}", fix="give more rows, or a larger share")
    return files.table(pl.concat(parts))


def with_all_classes(files: TableFiles, table: Table, span: tuple[float, float], seed: int) -> Table:
    """A table with a row of every value of the target that it lacks; reads through all of the target.

    Raises:
        DataError: a row has no target.
    """
    target, found = files.target, [table.frame]
    seen = table.frame[target].unique()
    for block, frame in enumerate(files.frames()):
        column = frame[target]
        gone = column.is_null()
        if gone.any():
            place = files.spans[block]
            row = place.first + int(gone.arg_true()[0]) + 1
            raise DataError(
                f"{files.files[place.file]}, row {row:,} has no value of the target {target!r}", fix="leave out rows without a target"
            )
        if len(seen) > _CLASSES:
            continue
        own = frame[rows_of_span(frame.height, span, seed, block)]
        new = own.filter(~own[target].is_in(seen.implode())).unique(subset=target, keep="first", maintain_order=True)
        if new.height:
            found.append(new)
            seen = pl.concat([seen, new[target]])
    return table if len(seen) > _CLASSES or len(found) == 1 else replace(table, frame=pl.concat(found))


def encode_with(files: TableFiles, encoder: TableEncoder) -> None:
    """Let files give their blocks as a fitted encoder says."""

    def encode(frame: Any, name: str, first: int) -> Sequence[Any]:
        made: EncodedTable = encoder.transform(
            Table(frame, f"{name}, counted from row {first + 1:,}", folder=str(Path(name).parent)), target=True
        )
        return made.inputs, made.target

    files.encode = encode
