"""Sequences of like length together: which lengths batches are cut to, and which rows go into which. Below `train.buckets`,
which makes the batches.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

MOST = 6  # different lengths: each is a program of its own
ROWS = 1_000  # of each of them at least, on average
_CANDIDATES = 32
_GAIN = 0.85  # of the cells, at most, for lengths to be worth while
_AT_ONCE = 1 << 16


@dataclass(frozen=True)
class Lengths:
    """Some lengths, and rows sorted into them.

    Attributes:
        edges: for each sequence its length in each bucket, rising.
        of_row: int8 (N,), the bucket of each row: the shortest that holds all its sequences.
        padding: share of cells that hold nothing, when each row is cut to its bucket.
        before: the same, when all rows have one length.
    """

    edges: tuple[tuple[int, ...], ...]
    of_row: Array
    padding: float
    before: float

    def __str__(self) -> str:
        shown = " and ".join(", ".join(f"{n:,}" for n in dict.fromkeys(own)) for own in self.edges)
        return f"like lengths go together, cut to {shown}: {self.padding:.0%} of it is padding, {self.before:.0%} in one length"


def lengths_of(sequence: Array) -> Array:
    """Where each row ends: int64 (N,), one more than the place of its last number that is not 0.

    Example:
        >>> lengths_of(np.array([[3, 1, 0], [0, 2, 0], [0, 0, 0]])).tolist()
        [2, 2, 0]
    """
    if hasattr(sequence, "ends"):  # it knows them
        return sequence.ends  # type: ignore[no-any-return]
    made = np.zeros(len(sequence), np.int64)
    for begin in range(0, len(sequence), _AT_ONCE):
        there = sequence[begin : begin + _AT_ONCE] != 0
        made[begin : begin + _AT_ONCE] = np.where(there.any(axis=1), there.shape[1] - there[:, ::-1].argmax(axis=1), 0)
    return made


def sorted_by_length(sequences: Sequence[Array], *, most: int = MOST) -> Lengths | None:
    """Buckets that leave as little padding as so many lengths can; None where they would not be worth while.

    Args:
        sequences: int (N, L) each, 0 filling up short rows at their end.
        most: buckets at most.

    Example:
        >>> x = np.zeros((4000, 100), "int32")
        >>> x[:3000, :20] = 1
        >>> x[3000:] = 1
        >>> found = sorted_by_length([x])
        >>> found.edges, found.padding, round(found.before, 2)
        (((24, 100),), 0.0698, 0.6)
    """
    rows = sequences[0].shape[0] if sequences else 0
    most = min(most, rows // ROWS)
    if most < 2:
        return None
    ends = [lengths_of(sequence) for sequence in sequences]
    edges = [_edges(end, sequence.shape[1], most) for end, sequence in zip(ends, sequences, strict=True)]
    count = max(map(len, edges))
    full = tuple((*own, *[own[-1]] * (count - len(own))) for own in edges)
    of_row = np.max([np.searchsorted(own, end) for own, end in zip(full, ends, strict=True)], axis=0)
    tokens = sum(int(end.sum()) for end in ends)
    cells = sum(int(np.array(own)[of_row].sum()) for own in full)
    whole = sum(sequence.size for sequence in sequences)
    if cells > _GAIN * whole:
        return None
    return Lengths(full, of_row.astype(np.int8), round(1 - tokens / max(cells, 1), 4), 1 - tokens / whole)


def _edges(ends: Array, width: int, most: int) -> tuple[int, ...]:
    """At most so many lengths, the last of them the width, with the least cells in all; by dynamic programming."""
    found = np.quantile(ends, np.linspace(0, 1, _CANDIDATES + 1)[1:], method="higher")
    candidates = np.unique(np.minimum(np.maximum(-(-found.astype(np.int64) // 8) * 8, 8), width))
    candidates = np.unique([*candidates, width])
    below = np.concatenate([[0], np.searchsorted(np.sort(ends), candidates, side="right")])
    count = len(candidates)
    best, before = np.full((most + 1, count + 1), np.inf), np.zeros((most + 1, count + 1), int)
    best[:, 0] = 0.0
    for used in range(1, most + 1):
        for last in range(1, count + 1):
            costs = best[used - 1, :last] + (below[last] - below[:last]) * candidates[last - 1]
            before[used, last] = int(np.argmin(costs))
            best[used, last] = costs[before[used, last]]
    made, last, used = [], count, most
    while last:
        made.append(int(candidates[last - 1]))
        last, used = int(before[used, last]), used - 1
    return tuple(reversed(made))
