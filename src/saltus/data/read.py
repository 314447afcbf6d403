"""Reads a table from a file or takes one from memory, as a Polars frame; the first step.

Files: delimited text (also compressed), Parquet, Arrow/Feather, JSON lines and JSON. In memory: Polars and
    pandas
frames, Arrow tables, a dict of columns, a list of dicts.
"""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from saltus.base.errors import ArgumentError, DataError, SaltusError, nearest, unknown_name
from saltus.data.delimited import read_delimited
from saltus.data.lazy import LazyModule
from saltus.data.records import Change, shorten

if TYPE_CHECKING:
    import polars as pl
else:
    pl = LazyModule("polars")

_PACKED: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.decompress,
    ".bz2": bz2.decompress,
    ".xz": lzma.decompress,
}
_FORMATS = {
    ".csv": "csv", ".tsv": "csv", ".tab": "csv", ".txt": "csv", ".data": "csv",
    ".parquet": "parquet", ".pq": "parquet",
    ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "json",
    ".arrow": "arrow", ".feather": "arrow", ".ipc": "arrow",
}  # fmt: skip
FORMATS = tuple(dict.fromkeys(_FORMATS.values()))


@dataclass(frozen=True)
class Table:
    """A table as it was read, nothing decided yet about its meaning.

    Attributes:
        frame: a Polars frame; every cell of a delimited file is text.
        name: the file, or what the table was taken from; for messages.
        notes: what there is to say about the reading.
        rows: of a part of another table, int64 (N,), which rows of it these are; None where it is a whole one.
        folder: where names of files in its cells count from.
    """

    frame: pl.DataFrame
    name: str
    notes: tuple[Change, ...] = ()
    rows: np.ndarray | None = field(default=None, repr=False, compare=False)
    folder: str = ""

    def rows_of(self, places: np.ndarray) -> np.ndarray:
        """Numbers of some of its rows in the table they were first read from."""
        return places if self.rows is None else self.rows[places]


def read_table(
    source: Any,
    *,
    format: str | None = None,
    delimiter: str | None = None,
    encoding: str | None = None,
    header: bool | None = None,
) -> Table:
    """Read a table from a file, or take one from memory.

    Args:
        source: a path (CSV, TSV, Parquet, Arrow/Feather, JSON lines, JSON; each also as .gz, .bz2, .xz), a
            Polars or pandas frame, an Arrow table, a dict of columns, a list of dicts (rows), or a Table.
        format: one of "csv", "parquet", "jsonl", "json", "arrow"; by default the file's extension decides.
        delimiter: the character between fields of a delimited file; None finds it.
        encoding: a codec name of a delimited file; None finds it.
        header: whether the first row of a delimited file names the columns; None finds out.

    Returns:
        The table.

    Raises:
        DataError: the file is missing, empty, ragged, not readable as its format or of an unknown kind;
            columns of unequal lengths; a name that stands twice.

    Example:
        >>> read_table({"height": [1.71, 1.82], "name": ["Ann", "Bob"]}).frame.shape
        (2, 2)
    """
    if isinstance(source, Table):
        return source
    if hasattr(source, "some_rows"):  # files that are too large to be read as a whole
        return source.some_rows()  # type: ignore[no-any-return]
    if isinstance(source, str | os.PathLike):
        return _read_file(Path(source), format=format, delimiter=delimiter, encoding=encoding, header=header)
    for option, value in (
        ("format", format),
        ("delimiter", delimiter),
        ("encoding", encoding),
        ("header", header),
    ):
        if value is not None:
            raise ArgumentError(f"{option}={value!r} is for files, and the table comes from memory", fix=f"leave {option} out")
    frame, name = _from_memory(source)
    if not frame.width:
        raise DataError(f"{name} has no columns", fix="give at least one column and one row")
    return Table(_flat(frame), name)


def _read_file(path: Path, *, format: str | None, delimiter: str | None, encoding: str | None, header: bool | None) -> Table:
    if path.is_dir():
        raise DataError(
            f"{path} is a folder, expected a table in one file",
            fix=f"give a file with one of: {', '.join(_FORMATS)}",
        )
    if not path.exists():
        raise _missing_file(path)
    suffixes = [suffix.lower() for suffix in path.suffixes]
    packed = suffixes[-1] if suffixes and suffixes[-1] in _PACKED else None
    suffix = (suffixes[-2:-1] if packed else suffixes[-1:]) or [""]
    kind = format or _FORMATS.get(suffix[0])
    if kind is None:
        known = ", ".join(_FORMATS)
        ending = f"the extension {suffix[0]!r}" if suffix[0] else "a file without an extension"
        raise DataError(
            f"{path}: {ending} does not tell how to read it",
            fix=f"pass format= one of {', '.join(map(repr, FORMATS))}, or rename it to one of: {known}",
        )
    if kind not in FORMATS:
        raise unknown_name("format", kind, FORMATS)
    try:
        data = path.read_bytes()
        data = _PACKED[packed](data) if packed else data
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise DataError(f"{path} cannot be read: {error}", fix="is the file complete, and may you read it?") from error
    if not data:
        raise _empty(str(path))
    notes: list[Change] = []
    try:
        if kind == "csv":
            frame, notes = read_delimited(data, str(path), delimiter=delimiter, encoding=encoding, header=header)
        elif kind in ("json", "jsonl"):
            frame = _read_json(data, str(path), lines=kind == "jsonl")
        else:
            frame = pl.read_parquet(io.BytesIO(data)) if kind == "parquet" else _read_arrow(data)
    except SaltusError:
        raise
    except Exception as error:  # any reader's own complaint about the bytes
        reason = shorten(str(error).splitlines()[0] if str(error) else type(error).__name__, 160)
        raise DataError(
            f"{path} cannot be read as {kind}: {reason}",
            fix="is it complete, and of the format its name says?",
        ) from error
    if not frame.height:
        raise DataError(f"{path} has columns but no rows", fix="give at least one row of values")
    return Table(_flat(frame), str(path), tuple(notes), folder=str(path.parent))


def read_stream(data: bytes, name: str) -> Table:
    """Delimited text that came from elsewhere than a file, such as standard input.

    Args:
        data: the bytes; their delimiter and encoding are found.
        name: where they are from, for messages.

    Raises:
        DataError: there are none, no rows, or they are no table.

    Example:
        >>> read_stream(b"a,b\\n1,2\\n", "standard input").frame.shape
        (1, 2)
    """
    if not data.strip():
        raise _empty(name)
    frame, notes = read_delimited(data, name)
    return Table(frame, name, tuple(notes))


def _empty(name: str) -> DataError:
    return DataError(f"{name} is empty (0 bytes)", fix="a table needs a line of column names and at least one row")


def _missing_file(path: Path) -> DataError:
    folder = path.parent
    if not folder.is_dir():
        return DataError(f"{path} does not exist, nor does its folder {folder}", fix="check the path")
    names = sorted(entry.name for entry in folder.iterdir())
    close = nearest(path.name, names) or [name for name in names if Path(name).suffix.lower() in _FORMATS][:5]
    fix = f"did you mean {' or '.join(repr(str(folder / name)) for name in close)}?" if close else f"{folder} holds no table"
    return DataError(f"{path} does not exist", fix=fix)


def _read_arrow(data: bytes) -> pl.DataFrame:
    # a file starts with its magic word; anything else is Arrow's stream form
    return pl.read_ipc(io.BytesIO(data)) if data.startswith(b"ARROW1") else pl.read_ipc_stream(io.BytesIO(data))


def _read_json(data: bytes, name: str, *, lines: bool) -> pl.DataFrame:
    if not lines:
        parsed = json.loads(data)
        if isinstance(parsed, dict) and all(isinstance(value, list) for value in parsed.values()):
            return _from_columns(parsed)
        if not isinstance(parsed, list):
            raise DataError(
                f"{name} holds one JSON {type(parsed).__name__}, expected a list of rows",
                fix="give [{...}, {...}]",
            )
        return _from_rows(parsed, name)
    try:
        return pl.read_ndjson(io.BytesIO(data), infer_schema_length=None)
    except Exception:  # find the row at fault, or the mixed types that only Polars minds
        rows = []
        for number, line in enumerate(data.decode("utf-8-sig", errors="replace").splitlines(), 1):
            if line.strip():
                try:
                    rows.append(json.loads(line))
                except json.JSONDecodeError as error:
                    place = f"{name}, line {number:,}, column {error.colno}"
                    raise DataError(f"{place}: {error.msg} ({shorten(line, 60)!r})", fix="each line is one JSON object") from None
        return _from_rows(rows, name)


def _from_memory(source: Any) -> tuple[pl.DataFrame, str]:
    module = type(source).__module__.partition(".")[0]
    if module == "polars":
        if isinstance(source, pl.LazyFrame):
            source = source.collect()
        if isinstance(source, pl.DataFrame):
            return source, "the frame"
    elif module == "pandas" and hasattr(source, "columns"):
        return _from_pandas(source), "the frame"
    elif module == "pyarrow":
        found = pl.from_arrow(source)
        if isinstance(found, pl.DataFrame):
            return found, "the Arrow table"
    elif isinstance(source, Mapping):
        return _from_columns(source), "the table"
    elif isinstance(source, Sequence) and not isinstance(source, str | bytes):
        return _from_rows(source, "the table"), "the table"
    raise ArgumentError(
        f"a {type(source).__module__}.{type(source).__name__} is no table",
        fix="give a path, a Polars or pandas frame, an Arrow table, a dict of columns or a list of dicts",
    )


def _from_pandas(frame: Any) -> pl.DataFrame:
    columns: dict[str, Any] = {}
    for place in range(frame.shape[1]):
        column = frame.iloc[:, place]
        name = str(frame.columns[place])
        if name in columns:
            raise DataError(f"the frame has two columns named {name!r}", fix="rename one of them")
        if column.dtype.kind in "iufb" and isinstance(column.dtype, np.dtype):
            columns[name] = column.to_numpy()
        elif column.dtype.kind == "M":
            utc = column.dt.tz_convert("UTC").dt.tz_localize(None) if getattr(column.dtype, "tz", None) else column
            columns[name] = utc.to_numpy("datetime64[us]")
        else:  # text, objects, categories, and numbers with pandas' own missing value
            columns[name] = [None if gone else value for value, gone in zip(column.tolist(), column.isna().tolist(), strict=True)]
    return _from_columns(columns)


def _from_rows(rows: Sequence[Any], name: str) -> pl.DataFrame:
    for number, row in enumerate(rows, 1):
        if not isinstance(row, Mapping):
            raise DataError(
                f"{name}, row {number:,} is a {type(row).__name__}, expected a dict of names and values",
                fix='give rows such as {"age": 39, "sex": "F"}',
            )
    names = list(dict.fromkeys(str(key) for row in rows for key in row))
    by_text = [{str(key): value for key, value in row.items()} for row in rows]
    return _from_columns({key: [row.get(key) for row in by_text] for key in names})


def _from_columns(columns: Mapping[Any, Any]) -> pl.DataFrame:
    series = [_series(str(name), values) for name, values in columns.items()]
    lengths = {s.name: len(s) for s in series}
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"{name!r} has {length:,}" for name, length in list(lengths.items())[:6])
        raise DataError(f"the columns differ in length: {shown}", fix="every column needs one value a row")
    return pl.DataFrame(series)


def _series(name: str, values: Any) -> pl.Series:
    """One column of any Python values; a mixture of kinds becomes text, so that no value is lost."""
    if isinstance(values, pl.Series):
        return values.alias(name)
    array = values if isinstance(values, np.ndarray) else None
    if array is not None and array.ndim != 1:
        raise DataError(f"column {name!r} has the shape {array.shape}, expected (N,)", fix="give one value a row")
    if array is not None and array.dtype.kind in "iufb":
        return pl.Series(name, array.astype(np.float32) if array.dtype == np.float16 else array)
    if array is not None and array.dtype.kind == "M":
        return pl.Series(name, array.astype("datetime64[us]"))
    if isinstance(values, str | bytes) or not hasattr(values, "__iter__"):
        raise DataError(
            f"column {name!r} is {shorten(repr(values))}, expected one value a row",
            fix=f"give {name!r}: [{values!r}]",
        )
    cells = [None if value is None or value != value else value for value in (array.tolist() if array is not None else values)]
    kinds = {type(value) for value in cells if value is not None}
    if kinds and all(issubclass(kind, int | float | np.number) and kind is not bool for kind in kinds):
        whole = all(issubclass(kind, int | np.integer) for kind in kinds)
        fits = whole and all(value is None or -(2**63) <= value < 2**63 for value in cells)
        return pl.Series(name, cells, dtype=pl.Int64 if fits else pl.Float64, strict=False)
    if len(kinds) <= 1:
        try:
            return pl.Series(name, cells)
        except (TypeError, ValueError, OverflowError, pl.exceptions.PolarsError):
            pass
    return pl.Series(name, [None if value is None else str(value) for value in cells], dtype=pl.String)


def _flat(frame: pl.DataFrame) -> pl.DataFrame:
    """Nested records as columns of their own ("address.city"), lists as text with spaces between."""
    while nested := [name for name, kind in frame.schema.items() if isinstance(kind, pl.Struct)]:
        for name in nested:
            inner = frame[name].struct.unnest()
            inner = inner.rename({field: f"{name}.{field}" for field in inner.columns})
            place = frame.columns.index(name)
            frame = frame.drop(name)
            for offset, column in enumerate(inner.get_columns()):
                frame = frame.insert_column(place + offset, column)
    lists = [name for name, kind in frame.schema.items() if isinstance(kind, pl.List | pl.Array)]
    texts = [pl.col(name).cast(pl.List(pl.String)).list.join(" ", ignore_nulls=True) for name in lists]
    return frame.with_columns(texts) if lists else frame
