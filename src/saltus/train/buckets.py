"""Training on sequences of unequal lengths: batches of like length, each cut to one of a few lengths. A source beside those of
`sources`; `data.lengths` says which rows belong together.

The batches of an epoch follow from (seed, epoch): the rows are shuffled, each bucket takes its own in this order, what does not
fill a batch goes on to the next longer one, and the batches are shuffled. So there are as many batches as without buckets, and
only the last one is smaller.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from saltus.base import tree
from saltus.data.ahead import ahead
from saltus.data.lengths import Lengths
from saltus.train import arrays
from saltus.train.plan import Pace, TrainingPlan, epoch_order, row_numbers, training_plan
from saltus.train.program import Feed
from saltus.train.sources import Data, Order, Piece, Source

Array = np.ndarray[Any, Any]


class InBuckets(Source):
    """Arrays in memory, some of whose inputs are sequences with zeros at their ends.

    Args:
        data: {"x", "y"} and maybe "weight": trees of NumPy arrays, or of what gives arrays by row numbers; not copied.
        places: which of the leaves of x are the sequences (N, L).
        lengths: of these sequences.
        example: a few rows of data that are no arrays.
        mark: tells such data from others.
    """

    def __init__(self, data: Data, places: Sequence[int], lengths: Lengths, *, example: Data | None = None, mark: Any = None) -> None:
        self.data, self.places, self.lengths = data, tuple(places), lengths
        self.example, self._mark = data if example is None else example, mark
        self.rows = row_numbers(len(lengths.of_row))

    def plan(self, batch_size: int | str, epochs: int) -> TrainingPlan:
        return training_plan(len(self.rows), batch_size, epochs)

    def labels(self) -> Array | None:
        target = tree.leaves(self.data["y"])
        return target[0] if len(target) == 1 and target[0].dtype.kind in "iu" else None

    def pieces(self, plan: TrainingPlan, pace: Pace, order: Order, epoch: int, position: int) -> Iterator[Piece]:
        pace.most = 1  # neighbouring batches have different lengths
        return ahead(self._cut(bucket, rows) for bucket, rows in self.batches(plan.batch_size, order, epoch)[position:])

    def batches(self, size: int, order: Order, epoch: int) -> list[tuple[int, Array]]:
        """Bucket and row numbers of each batch of an epoch, the smaller one last."""
        rows = epoch_order(self.rows, order.seed, epoch, shuffle=order.shuffle)
        own, rest, made = self.lengths.of_row[rows], rows[:0], []
        for bucket in range(len(self.lengths.edges[0])):
            line = np.concatenate([rest, rows[own == bucket]])
            whole = len(line) // size * size
            made += [(bucket, part) for part in line[:whole].reshape(-1, size)]
            rest = line[whole:]
        if order.shuffle:
            generator = np.random.RandomState(np.random.Philox(counter=[0, 0, 0, 1], key=[order.seed & 0xFFFFFFFFFFFFFFFF, epoch]))
            made = [made[k] for k in generator.permutation(len(made))]
        return [*made, (len(self.lengths.edges[0]) - 1, rest)] if len(rest) else made

    def whole(self, most: int) -> Iterator[tuple[int, Array]]:
        """Bucket and row numbers of all rows, at most so many at a time."""
        for bucket in range(len(self.lengths.edges[0])):
            rows = np.flatnonzero(self.lengths.of_row == bucket)
            yield from ((bucket, rows[at : at + most]) for at in range(0, len(rows), most))

    def inputs(self, bucket: int, rows: Array) -> Any:
        """The inputs of some rows, cut to the length of a bucket."""
        leaves = tree.leaves(self.data["x"])
        widths: dict[int, int | None] = {place: own[bucket] for place, own in zip(self.places, self.lengths.edges, strict=True)}
        x = [leaf[rows, : widths[place]] if place in widths else leaf[rows] for place, leaf in enumerate(leaves)]
        return tree.unflatten(self.data["x"], [np.ascontiguousarray(part) for part in x])

    def _cut(self, bucket: int, rows: Array) -> Piece:
        """A batch in arrays of its own."""
        others = {key: tree.map(lambda leaf: leaf[rows], value) for key, value in self.data.items() if key != "x"}
        data: Data = {"x": self.inputs(bucket, rows), **others}
        return Piece(row_numbers(len(rows))[None], Feed(data if self.weigh is None else self.weigh(data)))

    def mark(self) -> Any:
        mark = arrays.data_mark(self.data, len(self.rows)) if self._mark is None else self._mark
        return {"arrays": mark, "lengths": [list(own) for own in self.lengths.edges]}
