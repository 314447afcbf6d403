"""Results as plain records: text for people, a frame for more work; a low file of `train`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from saltus.data.lazy import LazyModule

if TYPE_CHECKING:
    import polars as pl
else:
    pl = LazyModule("polars")


class Table(Sequence[dict[str, Any]]):
    """Rows of a result, each a dict of plain values.

    Args:
        rows: they have the same names in the same order.
        title: what they are, for the text form.

    Example:
        >>> print(Table([{"fold": 0, "loss": 0.25}, {"fold": 1, "loss": 0.5}]))
        fold    loss
           0  0.2500
           1  0.5000
    """

    def __init__(self, rows: Sequence[dict[str, Any]], title: str = "") -> None:
        self.rows, self.title = list(rows), title

    def __getitem__(self, place: Any) -> Any:
        return self.rows[place]

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.rows)

    def column(self, name: str) -> list[Any]:
        """The values of one name."""
        return [row[name] for row in self.rows]

    def to_frame(self) -> pl.DataFrame:
        """The rows as a Polars frame."""
        return pl.DataFrame(self.rows, infer_schema_length=None)

    def __str__(self) -> str:
        if not self.rows:
            return self.title or "(nothing)"
        names = list(dict.fromkeys(name for row in self.rows for name in row))
        cells = [names, *([_text(row.get(name)) for name in names] for row in self.rows)]
        widths = [max(len(line[k]) for line in cells) for k in range(len(names))]
        lines = ["  ".join(text.rjust(width) for text, width in zip(line, widths, strict=True)).rstrip() for line in cells]
        return "\n".join([*([self.title] if self.title else []), *lines])

    def __repr__(self) -> str:
        return str(self)


def _text(value: Any) -> str:
    if isinstance(value, float):
        return "-" if math.isnan(value) else f"{value:.4f}" if 1e-3 <= abs(value) < 1e5 or value == 0 else f"{value:.3g}"
    return "-" if value is None else str(value)
