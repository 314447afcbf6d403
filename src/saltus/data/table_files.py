"""Tables in files, read in blocks: what is larger than memory. Above `read` and `supply`.

Where each block lies is found once: Parquet and Arrow files know their rows; text files are read through for the ends
of lines, of which only the ends of blocks are kept.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from saltus.base.errors import DataError, SaltusError, unknown_name
from saltus.data.lazy import LazyModule
from saltus.data.read import Table
from saltus.data.records import shorten
from saltus.data.supply import Blocks, need_files

if TYPE_CHECKING:
    import polars as pl
else:
    pl = LazyModule("polars")

Array = np.ndarray[Any, Any]

BLOCK_ROWS = 16_384  # rows of a block
_LOOK = 1 << 22  # bytes of a text file that are searched for ends of lines at a time
_SCANNED = {".parquet": "parquet", ".pq": "parquet", ".arrow": "arrow", ".feather": "arrow", ".ipc": "arrow"}
_TEXT = (".csv", ".tsv", ".tab")
ENDINGS = (*_SCANNED, *_TEXT)


@dataclass(frozen=True)
class Span:
    """Where a block lies: rows of a Parquet or Arrow file, bytes of a text file.

    Attributes:
        file: number of the file.
        begin, end: rows or bytes.
        first: number of its first row in the file.
        rows: how many it has.
    """

    file: int
    begin: int
    end: int
    first: int
    rows: int


def is_streamable(source: Any) -> bool:
    """Whether a path, or all of a list of them, is a file that can be read in blocks."""
    if isinstance(source, (str, os.PathLike)):
        return Path(source).suffix.lower() in ENDINGS
    return isinstance(source, Sequence) and bool(source) and all(isinstance(s, (str, os.PathLike)) and is_streamable(s) for s in source)


class TableFiles(Blocks):
    """Rows of Parquet, Arrow/Feather, CSV or TSV files in blocks; one block is in memory at a time.

    Args:
        source: a path, or several of files with the same columns.
        target: the column to predict; None takes the last one.
        encode: (frame, name, first row) -> (x, y) of a block; None takes all columns as numbers. A frame of a
            text file holds text.
        rows: of a block.

    Attributes:
        shown: some rows to show, or None.

    Raises:
        DataError: a file is missing, empty, has other columns than the first, or is packed.
        UnknownNameError: no such target.

    Example:
        >>> import tempfile
        >>> import polars
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     polars.DataFrame({"a": [1.0, 2.0, 3.0], "y": [0, 1, 1]}).write_parquet(f"{folder}/t.parquet")
        ...     files = TableFiles(f"{folder}/t.parquet", "y", rows=2)
        ...     files.sizes, files.read(1)[1].tolist()
        ((2, 1), [1])
    """

    def __init__(
        self, source: Any, target: str | None = None, *, encode: Callable[[Any, str, int], Any] | None = None, rows: int = BLOCK_ROWS
    ) -> None:  # fmt: skip
        given = [source] if isinstance(source, (str, os.PathLike)) else source
        self.files = tuple(Path(file) for file in given)
        need_files(self.files)
        self.columns = self._columns(self.files[0])
        if target is not None and target not in self.columns:
            raise unknown_name("target column", target, self.columns)
        self.shown: Table | None = None
        self.target, self.encode = target or self.columns[-1], encode or self._numbers
        self.spans = tuple(span for number in range(len(self.files)) for span in self._spans(number, rows))
        self.sizes = tuple(span.rows for span in self.spans)
        if not self.sizes:
            raise DataError(f"{self.files[0]} has columns but no rows", fix="give at least one row of values")

    def mark(self) -> Any:
        return {"files": [(file.name, file.stat().st_size) for file in self.files], "rows": sum(self.sizes)}

    def frame(self, block: int) -> pl.DataFrame:
        """A block as a frame."""
        span = self.spans[block]
        file = self.files[span.file]
        try:
            if file.suffix.lower() in _SCANNED:
                return self._scan(file).slice(span.begin, span.rows).collect()
            with file.open("rb") as opened:
                opened.seek(span.begin)
                data = opened.read(span.end - span.begin)
            return self._text(data, span)
        except SaltusError:
            raise
        except Exception as error:  # any reader's own complaint about the bytes
            why = shorten(str(error).splitlines()[0] if str(error) else type(error).__name__, 160)
            what = f"{file}, rows {span.first + 1:,} to {span.first + span.rows:,} cannot be read: {why}"
            raise DataError(what, fix="is the file complete, and did it change since the training began?") from error

    @property
    def name(self) -> str:
        """The first file."""
        return str(self.files[0])

    def labelled(self) -> pl.DataFrame:
        """The target of all rows."""
        return pl.concat([frame.select(self.target) for frame in self.frames()])

    def part(self, block: int, rows: Array) -> Table:
        """Some rows of a block as a table, with their numbers in its file."""
        span = self.spans[block]
        file = self.files[span.file]
        return Table(self.frame(block)[rows], str(file), rows=rows + span.first, folder=str(file.parent))

    def place(self, block: int) -> str:
        span = self.spans[block]
        return f"{self.files[span.file]}, counted from row {span.first + 1:,}"

    def read(self, block: int) -> Sequence[Any]:
        span = self.spans[block]
        return self.encode(self.frame(block), str(self.files[span.file]), span.first)

    def frames(self) -> Iterator[pl.DataFrame]:
        """All blocks in order."""
        return (self.frame(block) for block in range(len(self.spans)))

    def some_rows(self) -> Table:
        """Rows to show for all of them: those set aside as `shown`, or the first block; what `read_table` makes of files."""
        return self.table(self.frame(0)) if self.shown is None else self.shown

    def table(self, frame: pl.DataFrame) -> Table:
        """Some of the rows as a table."""
        return Table(frame, str(self.files[0]), folder=str(self.files[0].parent))

    # -- where blocks lie ----------------------------------------------------------------------------------------------

    def _scan(self, file: Path) -> pl.LazyFrame:
        return pl.scan_parquet(file) if _SCANNED[file.suffix.lower()] == "parquet" else pl.scan_ipc(file)

    def _columns(self, file: Path) -> list[str]:
        ending = file.suffix.lower()
        try:
            if ending in _SCANNED:
                return list(self._scan(file).collect_schema().names())
            if ending in _TEXT:
                with file.open("rb") as opened:
                    head = opened.readline()
                if not head.strip():
                    raise DataError(f"{file} is empty", fix="a table needs a line of column names and at least one row")
                return list(pl.read_csv(io.BytesIO(head), separator=self._delimiter, infer_schema=False).columns)
        except SaltusError:
            raise
        except Exception as error:
            why = shorten(str(error).splitlines()[0] if str(error) else type(error).__name__, 160)
            raise DataError(f"{file} cannot be read as its ending says: {why}", fix="is it complete, and of that format?") from error
        raise DataError(f"{file} cannot be read in blocks", fix=f"give files with one of {', '.join(ENDINGS)}; unpack what is packed first")

    def _spans(self, number: int, rows: int) -> list[Span]:
        file = self.files[number]
        columns = self._columns(file)
        if columns != self.columns:
            differ = next((f"{a!r} where {self.files[0]} has {b!r}" for a, b in zip(columns, self.columns, strict=False) if a != b), None)
            raise DataError(
                f"{file} has {differ or f'{len(columns)} columns, and {self.files[0]} has {len(self.columns)}'}",
                fix="give files with the same columns in the same order",
            )
        if file.suffix.lower() in _SCANNED:
            count = int(self._scan(file).select(pl.len()).collect().item())
            return [Span(number, at, min(at + rows, count), at, min(rows, count - at)) for at in range(0, count, rows)]
        return [Span(number, *found) for found in _line_spans(file, rows)]

    # -- blocks as arrays ----------------------------------------------------------------------------------------------

    @cached_property
    def _delimiter(self) -> str:
        """The character between the fields of text files: the most frequent one in the first line."""
        with self.files[0].open("rb") as opened:
            head = opened.readline().decode("utf-8-sig", errors="replace")
        return max(",;\t|", key=head.count)

    def _text(self, data: bytes, span: Span) -> pl.DataFrame:
        frame = pl.read_csv(io.BytesIO(data), separator=self._delimiter, has_header=False, infer_schema=False)
        if frame.shape != (span.rows, len(self.columns)):
            raise DataError(
                f"{self.files[span.file]}, rows {span.first + 1:,} to {span.first + span.rows:,}: found {frame.height:,} rows of "
                f"{frame.width} fields, expected {span.rows:,} of {len(self.columns)}",
                fix="does every line have as many fields as the first, and did the file change since the training began?",
            )
        frame.columns = self.columns
        return frame

    def _numbers(self, frame: pl.DataFrame, name: str, first: int) -> Sequence[Any]:
        """All columns as numbers: float32 (N, F), and the target as it is."""
        made: dict[str, Array] = {}
        for column in self.columns:
            values = frame[column]
            if values.dtype == pl.String:
                values = values.str.strip_chars().cast(pl.Float64, strict=False)
            if not (values.dtype.is_numeric() or values.dtype == pl.Boolean) or values.null_count():
                bad = values.is_null() if values.dtype.is_numeric() else None
                row = 0 if bad is None else int(bad.arg_true()[0])
                cell = frame[column][row]
                found = "has no value" if cell is None else f"is {shorten(str(cell))!r}, expected a number"
                raise DataError(
                    f"{name}: the column {column!r} in row {first + row + 1:,} {found}",
                    fix="sl.train.fit_table reads text, dates and missing values; or prepare the file first",
                )
            made[column] = values.to_numpy().astype(np.uint8) if values.dtype == pl.Boolean else values.to_numpy()
        y = made.pop(self.target)
        x = np.empty((frame.height, len(made)), np.float32)
        for place, array in enumerate(made.values()):
            x[:, place] = array
        if y.dtype.kind == "f" and self._whole_target:
            whole = y.astype(np.int64)
            if not (whole == y).all():
                what = f"{name}: {self.target!r} is {y[np.argmax(whole != y)]}, but whole numbers were in the first rows"
                raise DataError(what, fix="classes are whole numbers; write amounts with a decimal point from the first row on")
            return x, whole
        return x, y if y.dtype.kind in "iu" else y.astype(np.float32)

    @cached_property
    def _whole_target(self) -> bool:
        """Whether a text file's target holds whole numbers: the first block decides for all of them."""
        first = self.frame(0)[self.target]
        return first.dtype == pl.String and bool(first.str.strip_chars().str.contains(r"^[+-]?\d+$").all())


def _line_spans(file: Path, rows: int) -> Iterator[tuple[int, int, int, int]]:
    """(first byte, last byte, first row, rows) of each block of a text file; an end of line inside quotes is none."""
    with file.open("rb") as opened:
        begin = place = len(opened.readline())
        first = count = 0
        inside, last = False, b""
        while data := opened.read(_LOOK):
            values = np.frombuffer(data, np.uint8)
            quoted = (np.cumsum(values == 34) + inside) % 2
            ends = np.flatnonzero((values == 10) & (quoted == 0))
            taken = 0
            while len(ends) - taken >= rows - count:
                taken += rows - count
                end = place + int(ends[taken - 1]) + 1
                yield begin, end, first, rows
                begin, first, count = end, first + rows, 0
            count += len(ends) - taken
            inside, place, last = bool(quoted[-1]), place + len(data), data[-1:]
        if place > begin:
            yield begin, place, first, count + (last != b"\n")
