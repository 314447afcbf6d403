"""What the table pipeline tells its user: one record a change, and plain-text tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Change:
    """One thing the pipeline did to the data, or noticed in it.

    Attributes:
        column: the column's name; empty when it concerns whole rows or the whole file.
        action: a short code such as "missing", "units", "case", "dates", "dropped", "duplicate rows".
        count: how many cells, rows or columns it concerns.
        text: one sentence for the user.
        examples: a few "before -> after" or plain values.
    """

    column: str
    action: str
    count: int
    text: str
    examples: tuple[str, ...] = ()

    def __str__(self) -> str:
        where = f"{self.column}: " if self.column else ""
        shown = f" ({'; '.join(self.examples)})" if self.examples else ""
        return f"{where}{self.text}{shown}"

    def to_config(self) -> dict[str, Any]:
        """The change as a plain dict."""
        return {**asdict(self), "examples": list(self.examples)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Change:
        """The change that `to_config` wrote."""
        return cls(**{**config, "examples": tuple(config["examples"])})


def counted(count: int, one: str, many: str | None = None) -> str:
    """A number with its noun, such as "1 row" or "1,200 rows".

    >>> counted(1, "row"), counted(1200, "row"), counted(2, "category", "categories")
    ('1 row', '1,200 rows', '2 categories')
    """
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def shorten(value: object, width: int = 40) -> str:
    """A value as one line of at most `width` characters.

    >>> shorten("a very long text indeed", 12)
    'a very lo...'
    """
    text = " ".join(str(value).split())
    return text if len(text) <= width else text[: width - 3] + "..."


def aligned(rows: Sequence[dict[str, Any]], columns: Iterable[str] | None = None) -> str:
    """Rows of equal keys as text in aligned columns.

    Args:
        rows: dicts with the same keys.
        columns: the keys to show, in order; all of the first row by default.

    Returns:
        One line a row under a header; empty text for no rows.

    Example:
        >>> print(aligned([{"name": "age", "kind": "number"}, {"name": "sex", "kind": "category"}]))
        name  kind
        ----  --------
        age   number
        sex   category
    """
    if not rows:
        return ""
    keys = list(columns or rows[0])
    cells = [keys, *([shorten(row[key], 100) for key in keys] for row in rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(keys))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])
