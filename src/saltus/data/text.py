"""Texts as hashed counts of their words or letter groups, so that a network on a table does not lose them.

The hash is our own arithmetic on UTF-8 bytes, so a stored model reads the same text the same way for ever.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from saltus.data.lazy import LazyModule

if TYPE_CHECKING:
    import polars as pl
else:
    pl = LazyModule("polars")

_BASE = np.uint64(0x100000001B3)
_CHUNK = 4_000_000  # cells of the count table made at once, a bound on memory beside the result
GRAM = 3


def _powers(count: int) -> np.ndarray:
    with np.errstate(over="ignore"):
        return np.concatenate([[np.uint64(1)], np.cumprod(np.full(max(count - 1, 0), _BASE, dtype=np.uint64))]).astype(np.uint64)


def mix(hashes: np.ndarray) -> np.ndarray:
    """Spread every bit of a hash over all bits (the finaliser of splitmix64)."""
    with np.errstate(over="ignore"):
        hashes = (hashes ^ (hashes >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        hashes = (hashes ^ (hashes >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return hashes ^ (hashes >> np.uint64(31))


def _bytes_of(texts: pl.Series) -> tuple[np.ndarray, np.ndarray]:
    """All UTF-8 bytes of the texts end to end, and the offset at which each starts (one more at the end)."""
    sizes = texts.str.len_bytes().to_numpy()
    joined = texts.str.join("").item() if len(texts) else ""
    return np.frombuffer(joined.encode(), dtype=np.uint8), np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)


def hash_words(words: pl.Series) -> np.ndarray:
    """A 64-bit hash of each text, uint64 (D,): a polynomial over its bytes, mixed.

    Example:
        >>> import polars
        >>> hash_words(polars.Series(["cat", "dog", "cat"])).tolist().count(hash_words(polars.Series(["cat"]))[0])
        2
    """
    letters, starts = _bytes_of(words)
    sizes = np.diff(starts)
    position = np.arange(len(letters)) - np.repeat(starts[:-1], sizes)
    with np.errstate(over="ignore"):
        terms = (letters.astype(np.uint64) + np.uint64(1)) * _powers(int(sizes.max(initial=0)) or 1)[position]
        sums = np.concatenate([[np.uint64(0)], np.cumsum(terms, dtype=np.uint64)])
        return mix(sums[starts[1:]] - sums[starts[:-1]])


def word_tokens(texts: pl.Series) -> tuple[np.ndarray, np.ndarray]:
    """The words of each text in lower case, as (number of the text, hash of the word) pairs."""
    frame = pl.DataFrame({"text": texts}).with_row_index("row")
    tokens = frame.with_columns(pl.col("text").str.to_lowercase().str.extract_all(r"\w+")).explode("text").drop_nulls("text")
    return _hashed(tokens)


def character_tokens(texts: pl.Series) -> tuple[np.ndarray, np.ndarray]:
    """The characters of each text in lower case, as (number of the text, hash of the character) pairs."""
    frame = pl.DataFrame({"text": texts}).with_row_index("row")
    tokens = frame.with_columns(pl.col("text").str.to_lowercase().str.split("")).explode("text").filter(pl.col("text") != "")
    return _hashed(tokens)


def _hashed(tokens: pl.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Rows and hashes of tokens; every distinct one is hashed once."""
    words = tokens["text"].unique(maintain_order=True)
    hashes = pl.Series(hash_words(words))
    found = tokens["text"].replace_strict(words, hashes, return_dtype=pl.UInt64) if len(words) else hashes
    return tokens["row"].to_numpy().astype(np.int64), found.to_numpy()


def gram_tokens(texts: pl.Series) -> tuple[np.ndarray, np.ndarray]:
    """Every GRAM neighbouring bytes of each text in lower case, as (number of the text, hash) pairs."""
    framed = "\x02" + texts.str.to_lowercase() + "\x03"
    letters, starts = _bytes_of(framed.fill_null(""))
    if len(letters) < GRAM:
        return np.zeros(0, np.int64), np.zeros(0, np.uint64)
    wide, powers, count = letters.astype(np.uint64) + np.uint64(1), _powers(GRAM), len(letters) - GRAM + 1
    with np.errstate(over="ignore"):
        hashes = sum((wide[i : i + count] * powers[i] for i in range(1, GRAM)), wide[:count] * powers[0])
    owner = np.repeat(np.arange(len(framed)), np.diff(starts))
    within = owner[:count] == owner[GRAM - 1 :]
    return owner[:count][within], mix(hashes[within])


def hashed_counts(texts: pl.Series, width: int, *, grams: bool) -> np.ndarray:
    """Texts as `width` numbers each (feature hashing with signs, Weinberger et al. 2009).

    Every word (or letter group) adds +1 or -1 to the one place its hash names; the counts are damped by a
    logarithm and each row is scaled to length one: a text weighs as much as one other column does, and no more.

    Args:
        texts: Polars String series (N,); a missing text gives zeros.
        width: numbers a text.
        grams: count groups of three letters instead of words.

    Returns:
        float32 (N, width).

    Example:
        >>> import polars
        >>> x = hashed_counts(polars.Series(["good film", "film good", None]), 8, grams=False)
        >>> bool((x[0] == x[1]).all()), x[2].any().item()
        (True, False)
    """
    rows, hashes = (gram_tokens if grams else word_tokens)(texts)
    place = (hashes % np.uint64(width)).astype(np.int64)
    sign = np.where((hashes >> np.uint64(63)) == 1, 1.0, -1.0)
    table = np.zeros((len(texts), width), np.float32)
    step = max(_CHUNK // width, 1)
    for first in range(0, len(texts), step):
        low, high = np.searchsorted(rows, (first, first + step))
        size = min(step, len(texts) - first)
        cells = np.bincount((rows[low:high] - first) * width + place[low:high], sign[low:high], minlength=size * width)
        counts = cells.reshape(size, width)
        counts = np.sign(counts) * np.log1p(np.abs(counts))
        length = np.sqrt(np.sum(counts**2, axis=1, keepdims=True))
        table[first : first + size] = counts / np.where(length > 0, length, 1.0)
    return table
