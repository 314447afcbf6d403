"""Encoded rows on disk: texts that were turned into numbers once, to be read in any order as often as wanted. Above
`supply` and `table`; `train.text_streams` fills it.

A text takes as many numbers as it has, one after the other in a file that vanishes with its last reader; where each begins
stays in memory (8 bytes a text), and so do the columns beside the texts.
"""

from __future__ import annotations

import tempfile
import weakref
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from saltus.base.errors import StorageError
from saltus.data.lengths import lengths_of
from saltus.data.supply import Rows
from saltus.data.table import EncodedTable

Array = np.ndarray[Any, Any]


class Ragged:
    """Rows of unequal length in a file, read as if they were an array that zeros fill up.

    Args:
        folder: for the file; None takes the system's place for such files.
        width: length of the rows as an array.

    Example:
        >>> words = Ragged(None, 4)
        >>> words.append(np.array([[3, 1, 0, 0], [5, 0, 0, 0]], "int32"))
        >>> words.append(np.array([[7, 8, 9, 0]], "int32"))
        >>> words.shape, words[np.array([2, 1])].tolist(), words[np.array([1]), :2].tolist()
        ((3, 4), [[7, 8, 9, 0], [5, 0, 0, 0]], [[5, 0]])
    """

    dtype, ndim = np.dtype(np.int32), 2

    def __init__(self, folder: Path | None, width: int) -> None:
        self.folder = folder
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  open as long as these rows are used
        weakref.finalize(self, self._file.close)
        self._width = width
        self._parts: list[Array] = []
        self._starts: Array | None = None
        self._numbers: Array = np.zeros(0, np.int32)

    def append(self, rows: Array) -> None:
        """Add rows (N, L) at the end, L being at most the width.

        Raises:
            StorageError: there is no room.
        """
        ends = lengths_of(rows)
        try:
            self._file.write(np.ascontiguousarray(rows, np.int32)[np.arange(rows.shape[1]) < ends[:, None]].tobytes())
            self._file.flush()
        except OSError as error:
            where = self.folder or tempfile.gettempdir()
            what = f"the encoded texts cannot be kept in {where}: {error.strerror or error}"
            raise StorageError(what, fix="make room there, or set TMPDIR to another place") from error
        self._parts.append(ends)
        self._starts = None

    @property
    def ends(self) -> Array:
        """Length of each row, int64 (N,)."""
        return np.concatenate([np.zeros(0, np.int64), *self._parts])

    @property
    def shape(self) -> tuple[int, int]:
        return sum(map(len, self._parts)), self._width

    @property
    def size(self) -> int:
        return self.shape[0] * self._width

    def __getitem__(self, key: Any) -> Array:
        """Rows by their numbers, and maybe their first places: rows, or (rows, slice)."""
        rows, cut = key if isinstance(key, tuple) else (key, slice(None))
        width = len(range(*cut.indices(self._width)))
        if self._starts is None:
            self._parts = [self.ends]
            self._starts = np.concatenate([[0], np.cumsum(self._parts[0])])
            total = int(self._starts[-1])
            self._numbers = np.memmap(self._file, np.int32, "r", shape=(total,)) if total else np.zeros(0, np.int32)  # type: ignore[call-overload]
        rows = np.asarray(rows)
        taken = np.minimum(self._parts[0][rows], width)
        made = np.zeros((len(rows), width), np.int32)
        inside = np.arange(width) < taken[:, None]
        places = np.repeat(self._starts[rows] - (np.cumsum(taken) - taken), taken) + np.arange(int(taken.sum()))
        made[inside] = self._numbers[places]
        return made

    def mark(self) -> int:
        """A number that tells these rows from others."""
        return zlib.crc32(self.ends.tobytes())


class SpooledRows(Rows):
    """The rows of a `SpooledTable` with their targets."""

    def __init__(self, leaves: Sequence[Any], target: Array) -> None:
        self.leaves, self.target = tuple(leaves), target

    def __len__(self) -> int:
        return len(self.target)

    def labels(self) -> Array | None:
        return self.target if self.target.dtype.kind in "iu" else None

    def take(self, rows: Array) -> tuple[Any, Array]:
        parts = tuple(leaf[rows] for leaf in self.leaves)
        return parts if len(parts) > 1 else parts[0], self.target[rows]

    def mark(self) -> Any:
        texts = [leaf.mark() for leaf in self.leaves if isinstance(leaf, Ragged)]
        return {"rows": len(self), "texts": texts, "target": zlib.crc32(np.ascontiguousarray(self.target).tobytes())}


@dataclass(frozen=True)
class SpooledTable(EncodedTable):
    """As `EncodedTable`, with texts that lie on disk; its inputs are `Rows`."""

    @property
    def leaves(self) -> tuple[Any, ...]:
        """The inputs, each by its row numbers."""
        return tuple(a for a in (self.numbers, self.categories, *self.texts) if a.shape[1])

    @property
    def inputs(self) -> SpooledRows:
        assert self.target is not None
        return SpooledRows(self.leaves, self.target)


@dataclass
class Spool:
    """Encoded blocks that become one table.

    Attributes:
        folder: for the files of texts; see `Ragged`.
    """

    folder: Path | None = None
    texts: list[Ragged] = field(default_factory=list)
    blocks: list[EncodedTable] = field(default_factory=list)

    def append(self, block: EncodedTable) -> None:
        """Add the rows of a block.

        Raises:
            StorageError: there is no room.
        """
        if not self.texts:
            self.texts = [Ragged(self.folder, text.shape[1]) for text in block.texts]
        for ragged, text in zip(self.texts, block.texts, strict=True):
            ragged.append(text)
        values = {f.name: getattr(block, f.name) for f in fields(block)}
        self.blocks.append(EncodedTable(**{**values, "texts": ()}))

    def table(self) -> SpooledTable:
        """All of them, their rows counted from 0 on."""
        first = self.blocks[0]
        values = {f.name: getattr(first, f.name) for f in fields(first)}
        for name in ("numbers", "categories", "target"):
            values[name] = np.concatenate([getattr(block, name) for block in self.blocks])
        notes = tuple(dict.fromkeys(note for block in self.blocks for note in block.notes))
        self.blocks = []
        rows = np.arange(len(values["target"]))
        return SpooledTable(**{**values, "texts": tuple(self.texts), "notes": notes, "rows": rows})
