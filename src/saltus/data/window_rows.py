"""Windows of series that are cut when they are asked for: as many as there are steps take no more memory than the series
themselves. Above `series` and `supply`.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from saltus.data.lines import Line
from saltus.data.series import SeriesEncoder, SeriesWindows
from saltus.data.supply import Rows

Array = np.ndarray[Any, Any]

SOME = 100_000  # windows that are kept as arrays, to choose the epoch by and to judge by
_LOOKED_AT = 1_024


class WindowRows(Rows):
    """The windows of some series, by number: by series, and in each by time.

    Args:
        encoder: fitted.
        lines: the series.
        places: for each, the last steps that its windows see.

    Example:
        >>> from saltus.data import read_table
        >>> rows = {"day": np.arange("2024-01-01", "2024-03-01", dtype="datetime64[D]"), "sold": np.arange(60.0) % 7}
        >>> encoder = SeriesEncoder(window=14)
        >>> lines, _ = encoder.open(read_table(rows))
        >>> encoder.fit(lines)
        >>> whole, cut = encoder.windows(lines), WindowRows(encoder, lines, encoder.places(lines))
        >>> len(cut) == len(whole), bool((cut.take(np.array([7, 3]))[0] == whole.numbers[[7, 3]]).all())
        (True, True)
    """

    def __init__(self, encoder: SeriesEncoder, lines: Sequence[Line], places: Sequence[Array]) -> None:
        self.encoder, self.lines = encoder, lines
        self.place = np.concatenate([np.asarray(at, np.int32) for at in places])
        self.ends = np.cumsum([len(at) for at in places])

    def __len__(self) -> int:
        return len(self.place)

    def windows(self, rows: Array) -> SeriesWindows:
        """Some windows as arrays.

        Args:
            rows: their numbers, rising.
        """
        line = np.searchsorted(self.ends, rows, side="right")
        used = np.unique(line)
        made = self.encoder.windows_at([self.lines[k] for k in used], [self.place[rows[line == k]] for k in used])
        return replace(made, line=used[made.line])

    def take(self, rows: Array) -> tuple[Any, Array]:
        order = np.argsort(rows, kind="stable")
        back = np.empty(len(rows), np.int64)
        back[order] = np.arange(len(rows))
        made = self.windows(np.asarray(rows)[order])
        assert made.target is not None
        parts = tuple(part[back] for part in (made.numbers, made.codes) if part.shape[1])
        return parts if len(parts) > 1 else parts[0], made.target[back]

    def mark(self) -> Any:
        values = [zlib.crc32(line.values.tobytes()) for line in self.lines]
        return {"windows": len(self), "series": len(values), "values": zlib.crc32(np.array(values, np.int64).tobytes())}

    def some(self) -> SeriesWindows:
        """At most SOME of the windows as arrays, evenly through all of them."""
        count = min(SOME, len(self))
        return self.windows(np.linspace(0, len(self) - 1, count).astype(np.int64) if count else np.zeros(0, np.int64))


@dataclass(frozen=True)
class StreamedWindows:
    """As `SeriesWindows`, with windows that are cut when they are asked for.

    Attributes:
        inputs: all windows.
        shown: some of them as arrays.
    """

    inputs: WindowRows
    shown: SeriesWindows

    @classmethod
    def of(cls, rows: WindowRows) -> StreamedWindows:
        """All windows of a supply."""
        return cls(rows, rows.windows(np.arange(min(_LOOKED_AT, len(rows)))))

    @property
    def numbers(self) -> Array:
        return self.shown.numbers

    @property
    def codes(self) -> Array:
        return self.shown.codes

    @property
    def target(self) -> Array | None:
        return self.shown.target

    @property
    def notes(self) -> tuple[Any, ...]:
        return self.shown.notes

    def __len__(self) -> int:
        return len(self.inputs)
