"""Reads delimited text (CSV and kin); encoding, delimiter, quote mark and header are found; below `read`.

Every cell stays text: what a column means is decided in `schema`, by the same rules for every source.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from saltus.base.errors import DataError
from saltus.data.lazy import LazyModule
from saltus.data.records import Change, counted, shorten

if TYPE_CHECKING:
    import polars as pl
else:
    pl = LazyModule("polars")

DELIMITERS = ("\t", ";", "|", ",")  # of two that fit alike, the rarer one in ordinary text is meant
_NAMES = {"\t": "tab", ";": "semicolon", "|": "bar", ",": "comma", " ": "space"}
_SAMPLE = 1 << 16
_CHUNK = 1 << 24
_MARKS = (
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)


@dataclass(frozen=True)
class Dialect:
    """How a delimited text is written: delimiter, quote mark, and whether the first row names the columns."""

    delimiter: str
    quote: str
    header: bool


def decode(data: bytes, name: str, encoding: str | None = None) -> tuple[bytes, str]:
    """The text as UTF-8 bytes without a byte order mark, and the encoding it was found in.

    Args:
        data: the file's bytes.
        name: the file, for messages.
        encoding: a Python codec name; None tries a byte order mark, UTF-8, UTF-16 without a mark,
            Windows-1252.

    Raises:
        DataError: the bytes are no text, or not in the encoding given.

    Example:
        >>> decode("naïve".encode("latin-1"), "names.csv")[1]
        'cp1252'
    """
    found = encoding or next((codec for mark, codec in _MARKS if data.startswith(mark)), None)
    if found is None:
        found = "utf-8"
        if b"\0" in data[:_SAMPLE]:
            found = "utf-16-le" if data[1:2] == b"\0" else "utf-16-be" if data[:1] == b"\0" else "binary"
        else:
            try:
                data.decode("utf-8")
            except UnicodeDecodeError:
                found = "cp1252"
    try:
        if found == "binary":
            zero = data.index(b"\0")
            raise UnicodeDecodeError(*("utf-8", data, zero, zero + 1, "a zero byte"))
        text = data.decode(found)
    except LookupError:
        raise DataError(f"{name}: there is no encoding named {encoding!r}", fix="try 'utf-8', 'cp1252' or 'utf-16'") from None
    except UnicodeDecodeError as error:
        row = data.count(b"\n", 0, error.start) + 1
        where = f"byte {error.start:,} (line {row:,}) is 0x{data[error.start]:02x}"
        tried = f"is not {encoding}" if encoding else "is in no encoding that saltus can tell from its bytes"
        raise DataError(f"{name} {tried}: {where}", fix="pass encoding=... with the encoding the file was saved in") from None
    plain = data if found == "utf-8" else text.encode("utf-8")
    if b"\n" not in plain and b"\r" in plain:
        plain = plain.replace(b"\r", b"\n")
    return plain, found


def sniff(data: bytes, *, delimiter: str | None = None, header: bool | None = None) -> Dialect:
    """Find out how a delimited text is written, from its beginning.

    Example:
        >>> sniff(b"name;height\\nAnn;1,71\\nBob;1,82\\n")
        Dialect(delimiter=';', quote='"', header=True)
    """
    sample = data[:_SAMPLE]
    if len(data) > _SAMPLE:
        sample = sample[: sample.rfind(b"\n") + 1] or sample
    text = sample.decode("utf-8", errors="replace")
    quote = '"'
    if '"' not in text and len(re.findall(r"(?m)(?:^|[\t;|,])'[^'\n]*'(?=[\t;|,]|\r?$)", text)) > 1:
        quote = "'"
    candidates = (delimiter,) if delimiter else DELIMITERS
    best, best_rows, best_score = ",", list(_rows(text, ",", quote)), (0.0, 0)
    for mark in candidates:
        rows = [row for row in _rows(text, mark, quote) if row]
        widths = Counter(len(row) for row in rows)
        width, count = max(widths.items(), key=lambda item: (item[1], item[0]), default=(1, 0))
        share = count / max(len(rows), 1)
        score = (share, 0) if share == 1.0 else (share, width)
        if delimiter or (width > 1 and score > best_score):
            best, best_rows, best_score = mark, rows, score
    named = _has_header([row for row in best_rows if row]) if header is None else header
    return Dialect(best, quote, named)


def _rows(text: str, delimiter: str, quote: str) -> Iterable[list[str]]:
    return csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, quotechar=quote, skipinitialspace=True)


def _is_number(cell: str) -> bool:
    try:
        float(cell.strip().replace(",", "."))
    except ValueError:
        return False
    return True


def _has_header(rows: list[list[str]]) -> bool:
    """Whether the first row names the columns: not when it holds numbers just where the columns do."""
    first, body = rows[0] if rows else [], rows[1:50]
    if not body or not all(cell.strip() for cell in first[1:]):
        return True
    columns = [[row[i] for row in body if i < len(row) and row[i].strip()] for i in range(len(first))]
    numeric = [i for i, cells in enumerate(columns) if cells and all(map(_is_number, cells))]
    if not numeric or not all(_is_number(first[i]) for i in numeric):
        return True
    years = [first[i].strip() for i in numeric]
    return len(years) > 1 and all(y.isdigit() and 1800 <= int(y) <= 2200 for y in years) and years == sorted(set(years))


def _odd_widths(data: bytes, dialect: Dialect, width: int) -> bool:
    """Whether a record seems to have other than `width` fields; quick, and misled by stray quotes."""
    delimiter, quote = ord(dialect.delimiter), ord(dialect.quote)
    whole = np.frombuffer(data if data.endswith(b"\n") else data + b"\n", dtype=np.uint8)
    inside, carried, last = (
        0,
        0,
        -1,
    )  # open quote, fields of the record that the block before cut, end of the last record
    for start in range(0, len(whole), _CHUNK):
        block = whole[start : start + _CHUNK]
        ends, marks, quotes = block == 10, block == delimiter, block == quote
        if inside or quotes.any():
            level = (np.cumsum(quotes, dtype=np.int32) + inside) & 1
            ends &= level == 0
            marks &= level == 0
            inside = int(level[-1])
        places, end_places = np.flatnonzero(marks), np.flatnonzero(ends)
        if len(end_places):
            before = np.searchsorted(places, end_places)
            fields = np.diff(before, prepend=0) + 1
            fields[0] += carried
            length = np.diff(end_places + start, prepend=last) - 1
            blank = (length == 0) | ((length == 1) & (whole[end_places + start - 1] == 13))
            if bool(((fields != width) & ~blank).any()):
                return True
            last, carried = int(end_places[-1]) + start, len(places) - int(before[-1])
        else:
            carried += len(places)
    return bool(inside)


def _exact_rows(data: bytes, dialect: Dialect) -> Any:
    text = io.TextIOWrapper(io.BytesIO(data), encoding="utf-8", newline="")
    return csv.reader(text, delimiter=dialect.delimiter, quotechar=dialect.quote, skipinitialspace=True)


def _is_blank(cells: list[str], width: int) -> bool:
    """A line with nothing in it; in a table of one column that is a row with a missing value."""
    return len(cells) <= 1 < width and not "".join(cells).strip()


def _refuse_ragged(data: bytes, dialect: Dialect, name: str, width: int) -> None:
    """Refuse the first record of another width: the slow, exact way, used on suspicion."""
    reader = _exact_rows(data, dialect)
    number, wrong, shown = 0, [], None
    try:
        for cells in reader:
            if _is_blank(cells, width):
                continue
            number += 1
            if len(cells) != width:
                shown = shown or (number, reader.line_num, cells)
                wrong.append(len(cells))
    except csv.Error as error:
        raise DataError(f"{name}, near line {reader.line_num:,}: {error}", fix="is a quote mark opened and never closed?") from None
    if shown is None:
        return
    row, line, cells = shown
    row -= dialect.header
    mark = _NAMES.get(dialect.delimiter, repr(dialect.delimiter))
    start = shorten(dialect.delimiter.join(cells), 60)
    fix = f"is a field with a {mark} in it missing its quotes, or the line cut short? correct the row"
    if any("\n" in cell for cell in cells):
        fix = "is a quote mark opened in this row, or one above, and never closed?"
    elif set(wrong) == {width + 1} and 1 < len(wrong) == number - dialect.header:
        fix = "every row has one field more than the header: give the unnamed column a name"
    elif len(wrong) > number // 2 and len(set(wrong)) == 1:
        fix = f"most rows have {wrong[0]} fields: does the header lack names, or the table start further down?"
    elif len(wrong) > number // 2:
        fix = f"is {mark} the delimiter? pass delimiter=..."
    also = f"; {counted(len(wrong) - 1, 'more row')} like it" if len(wrong) > 1 else ""
    raise DataError(
        f"{name}, row {row:,} (line {line:,}): {counted(len(cells), 'field')}, expected {width} ({start!r}){also}",
        fix=fix,
    )


def read_delimited(
    data: bytes,
    name: str,
    *,
    delimiter: str | None = None,
    encoding: str | None = None,
    header: bool | None = None,
) -> tuple[pl.DataFrame, list[Change]]:
    """Read delimited text into a frame of text columns.

    Args:
        data: the file's bytes.
        name: the file, for messages.
        delimiter: one character; None finds it among tab, semicolon, bar and comma.
        encoding: a Python codec name; None finds it.
        header: whether the first row names the columns; None finds out.

    Returns:
        The frame, and what there is to say about the reading.

    Raises:
        DataError: nothing in the file, bytes that are no text, or a row with more or fewer fields than the
            header.
    """
    plain, found = decode(data, name, encoding)
    if not plain.strip():
        raise DataError(f"{name} is empty", fix="a table needs a line of column names and at least one row")
    plain = plain[len(plain) - len(plain.lstrip(b"\r\n")) :]
    dialect = sniff(plain, delimiter=delimiter, header=header)
    notes = []
    if found not in ("utf-8", "utf-8-sig"):
        notes.append(Change("", "encoding", 1, f"read as {found}"))
    if dialect.delimiter != ",":
        notes.append(
            Change(
                "",
                "delimiter",
                1,
                f"fields are separated by a {_NAMES.get(dialect.delimiter, repr(dialect.delimiter))}",
            )
        )
    first = next(row for row in _exact_rows(plain[: max(_SAMPLE, plain.find(b"\n") + 1)], dialect) if row)
    frame = _quick_frame(plain, dialect, len(first))
    if frame is None:
        _refuse_ragged(plain, dialect, name, len(first))
        frame = _patient_frame(plain, dialect, len(first))
    names, changes = _column_names(first, dialect)
    frame = frame.rename(dict(zip(frame.columns, names, strict=True)))
    if not frame.height:
        raise DataError(f"{name} has column names but no rows", fix="give at least one row of values")
    if len(names) > 1:  # in a single column a blank line is a missing value
        blank = frame.select(pl.all_horizontal(pl.all().is_null())).to_series()
        if blank.any():
            notes.append(Change("", "blank rows", int(blank.sum()), f"{counted(int(blank.sum()), 'blank row')} left out"))
            frame = frame.filter(~blank)
    return frame, [*notes, *changes]


def _quick_frame(data: bytes, dialect: Dialect, width: int) -> pl.DataFrame | None:
    """The frame as Polars reads it; None for ragged rows, and for quote marks that stand where they should not."""
    spaced = [f"{mark} {dialect.quote}".encode() for mark in (dialect.delimiter, "\n")]
    if any(mark in data for mark in spaced) or _odd_widths(data, dialect, width):
        return None
    try:
        frame = pl.read_csv(
            data,
            has_header=dialect.header,
            separator=dialect.delimiter,
            quote_char=dialect.quote,
            infer_schema=False,
        )
    except pl.exceptions.PolarsError:
        return None
    return frame if frame.width == width else None


def _patient_frame(data: bytes, dialect: Dialect, width: int) -> pl.DataFrame:
    """The frame read record by record, with any quote marks."""
    rows = [row for row in _exact_rows(data, dialect) if not _is_blank(row, width)][dialect.header :]
    columns = zip(*rows, strict=True) if rows else [()] * width
    cells = {f"column_{i}": [cell or None for cell in column] for i, column in enumerate(columns)}
    return pl.DataFrame(cells, schema=dict.fromkeys(cells, pl.String))


def _column_names(first: list[str], dialect: Dialect) -> tuple[list[str], list[Change]]:
    if not dialect.header:
        names = [f"column_{i + 1}" for i in range(len(first))]
        return names, [
            Change(
                "",
                "header",
                1,
                f"the first row holds values, so the columns are named {names[0]} to {names[-1]}",
            )
        ]
    names, changes = [], []
    for place, cell in enumerate(first, 1):
        name = " ".join(cell.split()) or f"unnamed_{place}"
        if name in names:
            original, copy = name, 2
            while name in names:
                name, copy = f"{original}_{copy}", copy + 1
            changes.append(
                Change(
                    name,
                    "header",
                    1,
                    f"the name {original!r} stands twice in the header, column {place} is called {name!r}",
                )
            )
        names.append(name)
    return names, changes
