"""A text column as its distinct values and a code a row, so that a rule looks at each distinct value once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from saltus.data.lazy import LazyModule

if TYPE_CHECKING:
    import polars as pl
else:
    pl = LazyModule("polars")


@dataclass(frozen=True)
class Dictionary:
    """Distinct texts of a column and where they stand.

    Attributes:
        words: Polars String series (D,) of distinct values, none missing, in order of first appearance.
        codes: int32 (N,), the position in `words` of each row's value; -1 where the row is missing.
    """

    words: pl.Series
    codes: np.ndarray

    @classmethod
    def of(cls, texts: pl.Series) -> Dictionary:
        """The dictionary of a Polars String series (nulls are missing).

        Example:
            >>> import polars
            >>> d = Dictionary.of(polars.Series(["b", "a", None, "b"]))
            >>> d.words.to_list(), d.codes.tolist()
            (['b', 'a'], [0, 1, -1, 0])
        """
        words = texts.drop_nulls().unique(maintain_order=True)
        order = pl.Series(np.arange(len(words), dtype=np.int32))
        codes = texts.replace_strict(words, order, default=-1, return_dtype=pl.Int32) if len(words) else None
        array = np.full(len(texts), -1, np.int32) if codes is None else codes.to_numpy()
        return cls(words, np.ascontiguousarray(array, dtype=np.int32))

    @cached_property
    def counts(self) -> np.ndarray:
        """Rows of each distinct value, int64 (D,)."""
        return np.bincount(self.codes[self.codes >= 0], minlength=len(self.words))

    def take(self, values: np.ndarray, missing: Any) -> np.ndarray:
        """Spread one value a word over the rows; `missing` goes where the row is missing."""
        return np.append(values, np.asarray([missing], dtype=values.dtype))[self.codes]

    def renamed(self, words: pl.Series) -> Dictionary:
        """The dictionary with `words` (D,) in place of its own; equal words become one, null ones missing."""
        merged = Dictionary.of(words)
        return Dictionary(merged.words, np.append(merged.codes, np.int32(-1))[self.codes])

    def examples(self, chosen: np.ndarray, after: Callable[[int], str] | None = None, limit: int = 3) -> tuple[str, ...]:
        """Up to `limit` of the words marked in `chosen` (D,), the most frequent first, with what each became.

        Args:
            chosen: bool mask over the words.
            after: the text that word number i became; None shows the words alone.
            limit: the largest number of examples.
        """
        places = np.flatnonzero(chosen)
        best = places[np.argsort(-self.counts[places], kind="stable")[:limit]].tolist()
        words = [repr(word if len(word) <= 40 else word[:37] + "...") for word in self.words.gather(best).to_list()]
        return tuple(f"{w} -> {after(i)}" if after else w for w, i in zip(words, best, strict=True))

    def rows(self, chosen: np.ndarray) -> np.ndarray:
        """The rows whose word is marked in `chosen` (D,), in order."""
        return np.flatnonzero(self.take(chosen.astype(bool), missing=False))
