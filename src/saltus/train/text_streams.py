"""Texts larger than memory: read in blocks, turned into numbers once, and trained on from disk. Above `tabular` and
`data.spool`, below `texts`.

The parts are drawn from the targets alone, as they are of texts in memory. Words are numbered from LOOKED_AT texts of the
training part; where it has no more than these, the network that comes out is the one that training in memory gives, bit for bit.
Validation and test take LOOKED_AT texts each at most. In memory are: a block of texts with its words (some 100 MB), the texts that
words are numbered from, the texts of the test part, the columns beside the texts, and 16 bytes a text.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from saltus.base.errors import DataError
from saltus.data import Change, Table, TableFiles
from saltus.data.lazy import LazyModule
from saltus.data.lengths import sorted_by_length
from saltus.data.records import counted
from saltus.data.spool import Spool, SpooledTable
from saltus.data.strays import forgive
from saltus.data.texts import TextFiles, target_column, text_column
from saltus.train import larger
from saltus.train.prepared import Prepared
from saltus.train.tabular import Made, TableOptions, build_model, drawn_parts

if TYPE_CHECKING:
    import polars as pl
else:
    pl = LazyModule("polars")

Array = np.ndarray[Any, Any]

LOOKED_AT = 20_000  # texts that words are numbered from, and of validation and test, at most
BLOCK = 2_048  # texts that are cut into words at a time


def text_blocks(source: Any, target: str | None, options: Any) -> TableFiles | TextFiles | None:
    """The blocks of a source that is not read as a whole; None of one that is.

    Args:
        source: as `fit_texts` takes it.
        target: the column to predict; None finds it.
        options: `TextOptions`.
    """
    if isinstance(source, (TableFiles, TextFiles)):
        return source
    if isinstance(source, (str, Path)) and Path(source).is_dir():
        folder = Path(source)
        if not any(entry.is_dir() for entry in folder.iterdir()):
            return None  # its reader says what is wrong with it
        files = TextFiles(folder, options.encoding, BLOCK)
        return files if files.bytes > options.memory else None
    if not larger.too_large(source, options.memory):
        return None
    blocks = TableFiles(source, target, rows=BLOCK)
    if target is None:
        first = Table(blocks.frame(0), blocks.name)
        text = options.text or text_column(first.frame)
        if text is None:
            raise DataError(f"{blocks.name} has no column of free text in its first rows", fix="name it: text=, or --set text=")
        blocks.target = target_column(first, text, None)
    return blocks


def prepare_blocks(
    kind: type[Made], blocks: TableFiles | TextFiles, options: TableOptions, sizes: Callable[[int, Any], tuple[int | str, int]]
) -> Prepared[Made]:
    """As `prepare_read`, of texts that are read in blocks.

    Args:
        kind: what to make.
        blocks: the texts.
        options: how, with the encoder.
        sizes: (rows, options) -> batch size and epochs.
    """
    encoder = options.encoder
    assert encoder is not None
    labels = Table(blocks.labelled(), blocks.name)
    train, held, other = drawn_parts(labels, blocks.target, options)
    drawn = other is not None and other.rows is not None
    chosen = {"train": train.rows, "validation": None if held is None else _some(held.rows), "test": _some(other.rows) if drawn else None}
    looked_at = _some(train.rows)
    some, shown = _gathered(blocks, looked_at), _gathered(blocks, chosen["test"]) if drawn else None
    encoder.fit(some, blocks.target, task=options.task, overrides=options.overrides)
    text = f"{counted(sum(blocks.sizes), 'text')} are read in blocks of {max(blocks.sizes):,} and kept on disk as numbers"
    words = f"; words are numbered from {len(looked_at):,} of them" if len(looked_at) < len(train.rows) else ""
    encoder.changes += (Change("", "read in blocks", sum(blocks.sizes), text + words),)
    learnt, checked, judged = _spooled(blocks, encoder, chosen, options)
    assert learnt is not None
    if other is not None and not drawn:
        judged = encoder.transform(other, target=True)
    lengths = sorted_by_length(learnt.texts) if options.network is None else None
    if lengths is not None:
        encoder.changes += (Change(", ".join(learnt.text_names), "lengths", len(learnt), str(lengths)),)
    blocks.shown = shown if shown is not None else _gathered(blocks, chosen["validation"]) if checked is not None else some
    if options.told is not None:
        options.told(encoder)
    size, epochs = sizes(len(learnt), options)
    return Prepared(kind, encoder, learnt, checked, judged, options, size, epochs, partial(build_model, encoder, learnt))


def _some(rows: Any) -> Array:
    """At most LOOKED_AT row numbers, evenly from those given."""
    return np.asarray(rows) if len(rows) <= LOOKED_AT else np.asarray(rows)[np.linspace(0, len(rows) - 1, LOOKED_AT).astype(np.int64)]


def _dealt(blocks: Any, rows: Array) -> list[tuple[int, Array]]:
    """Blocks, and the places in them, of rising row numbers."""
    edges = np.concatenate([[0], np.cumsum(blocks.sizes)])
    cuts = np.searchsorted(rows, edges)
    return [(block, rows[low:high] - edges[block]) for block, (low, high) in enumerate(pairwise(cuts.tolist())) if high > low]


def _gathered(blocks: Any, rows: Any) -> Table:
    """Some rows as one table."""
    parts = [blocks.part(block, places) for block, places in _dealt(blocks, np.asarray(rows))]
    numbers = np.concatenate([part.rows for part in parts])
    return Table(pl.concat([part.frame for part in parts]), blocks.name, rows=numbers, folder=parts[0].folder)


def _spooled(blocks: Any, encoder: Any, chosen: dict[str, Any], options: TableOptions) -> list[SpooledTable | None]:
    """The encoded parts on disk; each block is read once."""
    folder = None if options.checkpoint is None else Path(options.checkpoint)
    spools = {name: Spool(folder) for name, rows in chosen.items() if rows is not None}
    places = {name: dict(_dealt(blocks, np.asarray(chosen[name]))) for name in spools}
    for block in range(len(blocks.sizes)):
        for name, spool in spools.items():
            if block in places[name]:
                part = blocks.part(block, places[name][block])
                forgive(encoder, part, name)
                spool.append(encoder.transform(part, target=True))
    return [spools[name].table() if name in spools else None for name in ("train", "validation", "test")]
