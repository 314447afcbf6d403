"""Reads texts from where they lie: folders of files by class, a text a line, columns of a table. Above `read`; what
comes out is a table again, so that all that holds for tables holds for texts.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from saltus.base.errors import DataError, unknown_name
from saltus.data.glance import GLANCE, glance
from saltus.data.lazy import LazyModule
from saltus.data.read import Table, read_table
from saltus.data.records import Change, counted

if TYPE_CHECKING:
    import polars as pl
else:
    pl = LazyModule("polars")

TEXT, CLASS, FILE = "text", "class", "file"
_LEAST_WORDS = 6.0
_ENDINGS = (".txt", ".text", ".md")
_USUAL_TARGETS = ("label", "class", "target", "category", "topic", "sentiment", "rating", "stars", "score", "y")


def read_texts(source: Any, *, encoding: str | None = None) -> Table:
    """Read texts, with their classes where these are known.

    Args:
        source: a folder root/<class>/*.txt (the columns are then text, class and file); a folder of text files, a
            list of such files, or one .txt file with a text a line (text and file, or text); or anything that
            `read_table` takes.
        encoding: of text files; None takes UTF-8, with or without a mark.

    Returns:
        The table.

    Raises:
        DataError: a file is missing, empty or not text in that encoding (each is named), or there are no texts.

    Example:
        >>> read_texts({"text": ["good", "bad"], "class": [1, 0]}).frame.columns
        ['text', 'class']
    """
    if isinstance(source, str | os.PathLike):
        path = Path(source)
        if path.is_dir():
            return _folder(path, encoding)
        if path.suffix.lower() in _ENDINGS and path.is_file() and not _delimited(path):
            lines = [line for line in _decoded([path], encoding)[0].splitlines() if line.strip()]
            if not lines:
                raise DataError(f"{path} holds no text", fix="give a file with a text a line")
            return Table(pl.DataFrame({TEXT: lines}), str(path))
    if isinstance(source, list | tuple) and source and all(isinstance(f, str | os.PathLike) for f in source):
        files = [Path(f) for f in source]
        return Table(pl.DataFrame({TEXT: _decoded(files, encoding), FILE: [str(f) for f in files]}), counted(len(files), "file"))
    return read_table(source, encoding=encoding)


def _folder(root: Path, encoding: str | None) -> Table:
    labels, files = laid_out(root)
    texts = _decoded(files, encoding)
    columns: dict[str, Any] = {TEXT: texts, **({} if labels is None else {CLASS: labels}), FILE: [str(f.relative_to(root)) for f in files]}
    empty = sum(not text.strip() for text in texts) if labels is not None else 0
    notes = (Change(TEXT, "empty", empty, f"{counted(empty, 'file')} without a word"),) if empty else ()
    return Table(pl.DataFrame(columns), str(root), notes)


def laid_out(root: Path) -> tuple[list[str] | None, list[Path]]:
    """Classes and text files of a folder root/<class>/*.txt, or files alone; in the order of their names.

    Raises:
        DataError: there are none, or they are not laid out so that their classes can be known.
    """
    classes = sorted(entry for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    loose = _files(root, deep=False)
    if loose and any(_files(folder) for folder in classes):
        raise DataError(
            f"{root} has text files beside the folders of its classes, such as {loose[0].name}",
            fix="put every file into the folder of its class",
        )
    if loose:
        return None, loose
    found = {folder.name: _files(folder) for folder in classes}
    blank = [name for name, files in found.items() if not files]
    if len(blank) == len(found):
        raise DataError(f"{root} holds no text files ({', '.join(_ENDINGS)})", fix=f"lay them out as {root}/<class>/<name>.txt")
    if blank:
        raise DataError(f"{root}: no text file in the class {', '.join(map(repr, blank[:5]))}", fix="add texts, or remove the folder")
    files = [(name, file) for name, inside in found.items() for file in inside]
    return [name for name, _ in files], [file for _, file in files]


class TextFiles:
    """The texts of a folder root/<class>/*.txt in blocks of files, one of which is in memory at a time.

    Args:
        root: the folder.
        encoding: of the files; None takes UTF-8.
        rows: files of a block.

    Attributes:
        name: the folder.
        sizes: files of each block.
        bytes: of all files.
        shown: some rows to show, or None.

    Raises:
        DataError: as `read_texts`.
    """

    columns, target = (TEXT, CLASS), CLASS

    def __init__(self, root: Path, encoding: str | None = None, rows: int = 2_048) -> None:
        labels, self.files = laid_out(root)
        if labels is None:
            raise DataError(f"{root} has texts, but nothing to predict from them", fix=f"lay them out as {root}/<class>/<name>.txt")
        self.name, self.labels, self.encoding, self.rows = str(root), labels, encoding, rows
        self.sizes = tuple(min(rows, len(self.files) - at) for at in range(0, len(self.files), rows))
        self.shown: Table | None = None

    @property
    def bytes(self) -> int:
        return sum(file.stat().st_size for file in self.files)

    def frame(self, block: int) -> pl.DataFrame:
        """The texts and classes of a block."""
        own = slice(block * self.rows, (block + 1) * self.rows)
        return pl.DataFrame({TEXT: _decoded(self.files[own], self.encoding), CLASS: self.labels[own]})

    def labelled(self) -> pl.DataFrame:
        """The classes of all files."""
        return pl.DataFrame({CLASS: self.labels})

    def part(self, block: int, rows: Any) -> Table:
        """Some rows of a block as a table."""
        return Table(self.frame(block)[rows], self.name, rows=rows + block * self.rows)

    def some_rows(self) -> Table:
        """Rows to show for all of them: those set aside as `shown`, or the first block."""
        return Table(self.frame(0), self.name) if self.shown is None else self.shown


def _files(folder: Path, *, deep: bool = True) -> list[Path]:
    found = folder.rglob("*") if deep else folder.iterdir()
    return sorted(f for f in found if f.suffix.lower() in _ENDINGS and f.is_file() and not f.name.startswith("."))


def _decoded(files: Sequence[Path], encoding: str | None) -> list[str]:
    """The texts of files; those that cannot be read are named, all at once."""
    texts, missing, wrong = [], [], []
    for file in files:
        try:
            texts.append(file.read_bytes().decode(encoding or "utf-8-sig"))
        except OSError as error:
            missing.append(f"{file} ({error.strerror or error})")
        except UnicodeDecodeError as error:
            wrong.append(f"{file} (byte {error.start:,})")
        except LookupError:
            raise unknown_name("encoding", encoding, ("utf-8", "latin-1", "cp1252", "utf-16")) from None
    for bad, what, fix in (
        (missing, "cannot be read", "check the names"),
        (wrong, f"not text in {encoding or 'UTF-8'}", "name the encoding: --set encoding=latin-1 takes any file; or convert them"),
    ):
        if bad:
            more = f" and {len(bad) - 5:,} more" if len(bad) > 5 else ""
            raise DataError(f"{counted(len(bad), 'file')} {what}: {', '.join(bad[:5])}{more}", fix=fix)
    return texts


# -- which columns hold what -------------------------------------------------------------------------------------------


def text_column(frame: pl.DataFrame) -> str | None:
    """The column of free text: the one with the most words a cell, from six on and mostly different; or None."""
    best, most = None, _LEAST_WORDS
    for name, kind in frame.schema.items():
        if kind != pl.String:
            continue
        known = frame[name].drop_nulls().head(1_000)
        words = (known.str.count_matches(r"\S+").mean() or 0.0) if len(known) else 0.0
        if float(words) >= most and known.n_unique() > 0.5 * len(known):  # type: ignore[arg-type]
            best, most = name, float(words)  # type: ignore[arg-type]
    return best


def target_column(table: Table, text: str, target: str | None) -> str:
    """The column to predict from a text: the named one, or the only other one, or one of a usual name.

    Raises:
        UnknownNameError: no column of that name.
        DataError: there is no other column, or it cannot be told which.
    """
    others = [name for name in table.frame.columns if name not in (text, FILE)]
    if target is not None:
        if target not in table.frame.columns:
            raise unknown_name("target column", target, table.frame.columns)
        return target
    usual = [name for name in others if name.lower() in _USUAL_TARGETS]
    if len(others) == 1 or len(usual) == 1:
        return (usual or others)[0]
    if not others:
        what = f"{table.name} has texts, but nothing to predict from them"
        raise DataError(what, fix="lay files out as <folder>/<class>/<name>.txt, or give a table with a column of labels")
    raise DataError(f"{table.name}: which column is to be predicted, {', '.join(map(repr, others))}?", fix=f"--target {others[-1]}")


def holds_texts(path: Path) -> bool:
    """Whether a path holds texts to learn from, by its names and a glance inside.

    Args:
        path: a folder with text files, or a table of two or three columns of which one is free text.
    """
    if path.is_dir():
        return any(_files(folder) for folder in path.iterdir() if folder.is_dir())
    try:
        frame = glance(path)
    except Exception:  # not for us to complain: its reader does
        return False
    return frame is not None and 2 <= frame.width <= 3 and text_column(frame) is not None


def _delimited(path: Path) -> bool:
    """Whether a .txt file is a table: several columns by a tab."""
    with path.open("rb") as file:
        return b"\t" in file.readline(GLANCE)
