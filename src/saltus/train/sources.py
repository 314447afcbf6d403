"""What a training takes its data from, piece by piece: one interface over arrays in memory and data that are read while
the training runs. Above `program` and `plan`, below `fit`.

A piece is what one native call trains on: some steps, each on some rows of arrays. Which rows those are is a pure
function of (seed, epoch, position), so a training can go on anywhere:

    InMemory    arrays: rows in the order of `epoch_order`
    TakenRows   `data.Rows`: the same order, bit for bit the same weights
    InBlocks    `data.Blocks`: the blocks in an order of the epoch; as many as fit into BUFFER bytes are read together,
                and their rows are shuffled
    InBatches   `data.Batches`: as they come

Pieces that are read are made in a thread, while the training computes; with the piece in use there are `ahead.DEPTH` + 1
of them in memory at most, each of one batch or of up to PIECE bytes; InBlocks holds two buffers besides.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from saltus.base import tree
from saltus.base.errors import ArgumentError, DataError
from saltus.data.ahead import ahead
from saltus.data.split import split_rows
from saltus.data.supply import Batches, Blocks, Rows
from saltus.tensor.tensor import Tensor
from saltus.train import arrays
from saltus.train.plan import Pace, TrainingPlan, epoch_order, row_numbers, training_plan
from saltus.train.program import Feed

Array = np.ndarray[Any, Any]
Data = dict[str, Any]  # {"x", "y"} and maybe "weight": trees of arrays with equally many rows

BUFFER = 128 << 20  # bytes of blocks whose rows are shuffled together
PIECE = 64 << 20  # bytes of a piece that holds more than one batch


class Piece(NamedTuple):
    """What one native call trains on.

    Attributes:
        rows: (steps, batch), rows of the feed.
        feed: the arrays.
    """

    rows: Array
    feed: Feed


class Order(NamedTuple):
    """In which order rows come: a seed, and whether they are shuffled at all."""

    seed: int
    shuffle: bool


class Source(ABC):
    """Data that a training takes piece by piece.

    Attributes:
        example: a few rows, to build and to check a model with.
        weigh: adds class weights to data; set by `fit`.
    """

    example: Data
    weigh: Callable[[Data], Data] | None = None
    check: Callable[[Data], None] | None = None

    @abstractmethod
    def plan(self, batch_size: int | str, epochs: int) -> TrainingPlan:
        """How many batches an epoch has."""

    @abstractmethod
    def pieces(self, plan: TrainingPlan, pace: Pace, order: Order, epoch: int, position: int) -> Iterator[Piece]:
        """What is left of an epoch, from a position (in batches) on."""

    @abstractmethod
    def mark(self) -> Any:
        """Plain values that tell these data from others."""

    def labels(self) -> Array | None:
        """Class numbers of all rows where they are known without reading the rows, else None."""
        return None

    def parted(self, share: float, seed: int) -> tuple[Source, Source]:
        """A source to train on, and a share held out."""
        raise ArgumentError(
            "a share of data that come as batches cannot be held out: they are not known before", fix="pass validation=(x, y)"
        )

    def drawn(self, seed: int) -> Source:
        """As many rows, drawn from these with repetition; a pure function of the seed."""
        raise ArgumentError("rows of data that come in an order of their own cannot be drawn anew", fix="use voting in place of bagging")

    # -- what those that read have in common ---------------------------------------------------------------------------

    def _ready(self, given: Any, place: str = "") -> Data:
        """A batch or block as data, checked; errors say its place."""
        if isinstance(given, Mapping) or not isinstance(given, Sequence) or len(given) not in (2, 3):
            size = f" of {len(given)}" if isinstance(given, Sequence) else ""
            raise DataError(f"data came as a {type(given).__name__}{size}, expected (x, y) or (x, y, weights)", fix="give such a tuple")
        data = arrays.gathered(given[0], given[1], sample_weight=given[2] if len(given) == 3 else None)
        if self.check is not None:
            try:
                self.check(data)
            except DataError as error:
                raise DataError(f"{place}: {error.what}" if place else error.what, fix=error.fix) from None
        return data if self.weigh is None else self.weigh(data)

    def _most(self, batch_size: int) -> int:
        """Steps of a piece at most."""
        return max(1, PIECE // (bytes_of_row(self.example) * batch_size))


def bytes_of_row(data: Data) -> int:
    """Bytes that a row of data takes."""
    leaves = tree.leaves(data)
    return max(1, int(sum(_values(leaf).nbytes for leaf in leaves)) // max(1, int(leaves[0].shape[0])))


def _drawn(count: int, seed: int, block: int) -> Array:
    """As many places as there are, drawn with repetition, in order."""
    if not count:
        return np.arange(0)
    return np.sort(np.random.Generator(np.random.Philox(key=[seed & 0xFFFFFFFFFFFFFFFF, block])).integers(0, count, count))


def _local(steps: int, batch: int) -> Array:
    """Row numbers of a piece whose rows lie in order."""
    return row_numbers(steps * batch).reshape(steps, batch)


class InMemory(Source):
    """Some rows of arrays.

    Args:
        data: trees of arrays; not copied.
        rows: which; they may repeat.
    """

    def __init__(self, data: Data, rows: Array) -> None:
        self.feed, self.rows, self.example = Feed(data), row_numbers(rows), data

    def plan(self, batch_size: int | str, epochs: int) -> TrainingPlan:
        return training_plan(len(self.rows), batch_size, epochs)

    def pieces(self, plan: TrainingPlan, pace: Pace, order: Order, epoch: int, position: int) -> Iterator[Piece]:
        rows = epoch_order(self.rows, order.seed, epoch, shuffle=order.shuffle)
        return (Piece(part, self.feed) for part in pace.pieces(rows, plan.batch_size, position))

    def mark(self) -> Any:
        return arrays.data_mark(self.feed.tree, len(tree.leaves(self.feed.tree)[0]))


class TakenRows(Source):
    """Some rows of `data.Rows`, taken while the training runs.

    Args:
        supply: where they come from.
        rows: which; None for all.
    """

    def __init__(self, supply: Rows, rows: Array | None = None) -> None:
        if not len(supply):
            raise DataError(f"{type(supply).__name__} has no rows", fix="give at least one")
        self.supply, self.rows = supply, row_numbers(len(supply) if rows is None else rows)
        self.example = self._ready(supply.take(self.rows[: min(2, len(self.rows))]))

    def plan(self, batch_size: int | str, epochs: int) -> TrainingPlan:
        return training_plan(len(self.rows), batch_size, epochs)

    def labels(self) -> Array | None:
        labels = self.supply.labels()
        return None if labels is None else labels[self.rows]

    def parted(self, share: float, seed: int) -> tuple[Source, Source]:
        labels = self.labels()
        train, held = split_rows(len(self.rows) if labels is None else labels, share, seed=seed, stratify=None if labels is None else True)
        return TakenRows(self.supply, self.rows[np.sort(train)]), TakenRows(self.supply, self.rows[np.sort(held)])

    def drawn(self, seed: int) -> Source:
        return TakenRows(self.supply, self.rows[_drawn(len(self.rows), seed, 0)])

    def pieces(self, plan: TrainingPlan, pace: Pace, order: Order, epoch: int, position: int) -> Iterator[Piece]:
        pace.most = self._most(plan.batch_size)
        rows = epoch_order(self.rows, order.seed, epoch, shuffle=order.shuffle)
        return ahead(self._taken(part) for part in pace.pieces(rows, plan.batch_size, position))

    def _taken(self, rows: Array) -> Piece:
        first = ", ".join(map(str, rows.reshape(-1)[:3]))
        data = self._ready(self.supply.take(rows.reshape(-1)), f"of the rows {first}, ...")
        found = tree.leaves(data)[0].shape[0]
        if found != rows.size:
            raise DataError(f"{type(self.supply).__name__}.take gave {found:,} rows for {rows.size:,} numbers", fix="give all of them")
        return Piece(_local(*rows.shape), Feed(data))

    def mark(self) -> Any:
        return {"rows": len(self.rows), "supply": self.supply.mark()}


class InBlocks(Source):
    """Rows of `data.Blocks`, read while the training runs.

    Args:
        supply: where they come from.
        span: every row draws a number from 0 to 1; those are taken whose number lies in the span.
        seed: of these numbers.
        draw: seed of a drawing with repetition from the rows of each block; None for each row once.
    """

    def __init__(self, supply: Blocks, span: tuple[float, float] = (0.0, 1.0), seed: int = 0, draw: int | None = None) -> None:
        self.supply, self.span, self.seed, self.draw = supply, span, seed, draw
        self.sizes = np.array([len(self.own(block)) for block in range(len(supply.sizes))], np.int64)
        if not self.sizes.sum():
            raise DataError(f"{type(supply).__name__} has too few rows: none fell into a part of {span[1] - span[0]:.0%}", fix="give more")
        first = int(np.flatnonzero(self.sizes)[0])
        self.example = _sliced(self._block(first), 0, min(256, int(self.sizes[first])))

    def own(self, block: int) -> Array:
        """Rows of a block that belong here: a pure function of (seed, block)."""
        rows = rows_of_span(self.supply.sizes[block], self.span, self.seed, block)
        return rows if self.draw is None else rows[_drawn(len(rows), self.draw, block)]

    def drawn(self, seed: int) -> Source:
        return InBlocks(self.supply, self.span, self.seed, seed)

    def _block(self, block: int) -> Data:
        data = self._ready(self.supply.read(block), self.supply.place(block))
        found = tree.leaves(data)[0].shape[0]
        if found != self.supply.sizes[block]:
            what = f"block {block} has {found:,} rows, expected {self.supply.sizes[block]:,}"
            raise DataError(what, fix="did the data change since the training began?")
        own = self.own(block)
        return _picked(data, own) if len(own) < found or self.draw is not None else data

    def plan(self, batch_size: int | str, epochs: int) -> TrainingPlan:
        return training_plan(int(self.sizes.sum()), batch_size, epochs)

    def parted(self, share: float, seed: int) -> tuple[Source, Source]:
        if not 0.0 < share < 1.0:
            raise ArgumentError(f"share is {share!r}, expected a number between 0 and 1", fix="0.2 holds out a fifth of the rows")
        low, high = self.span
        middle = low + share * (high - low)
        return InBlocks(self.supply, (middle, high), seed), InBlocks(self.supply, (low, middle), seed)

    def pieces(self, plan: TrainingPlan, pace: Pace, order: Order, epoch: int, position: int) -> Iterator[Piece]:
        pace.most = self._most(plan.batch_size)
        return ahead(self._cut(plan, pace, self._chunks(order, epoch, position * plan.batch_size), position))

    def _chunks(self, order: Order, epoch: int, skip: int) -> Iterator[Data]:
        """Shuffled blocks, without the first rows of the epoch."""
        blocks = epoch_order(np.flatnonzero(self.sizes), order.seed, epoch, shuffle=order.shuffle)
        together = max(1, int(BUFFER // (bytes_of_row(self.example) * int(self.sizes.max()))))
        for number, begin in enumerate(range(0, len(blocks), together)):
            group = blocks[begin : begin + together]
            rows = int(self.sizes[group].sum())
            if skip >= rows:
                skip -= rows
                continue
            data = _joined([self._block(int(block)) for block in group])
            picked = np.arange(rows)
            if order.shuffle:
                key = [order.seed & 0xFFFFFFFFFFFFFFFF, epoch]
                picked = np.random.RandomState(np.random.Philox(counter=[0, 0, 0, number + 1], key=key)).permutation(rows)
            if order.shuffle or skip:
                data = _picked(data, picked[skip:])
            skip = 0
            yield data

    def _cut(self, plan: TrainingPlan, pace: Pace, chunks: Iterator[Data], position: int) -> Iterator[Piece]:
        """Pieces of whole batches, cut across chunks."""
        held: list[tuple[Data, int]] = []  # data, and how many of their rows are gone
        while position < plan.iterations:
            steps, batch = pace.take(position), plan.batch_size
            if position >= plan.full_batches:
                steps, batch = 1, plan.last_batch
            wanted, parts = steps * batch, []
            while wanted:
                if not held:
                    held.append((next(chunks), 0))
                data, gone = held.pop()
                there = tree.leaves(data)[0].shape[0] - gone
                taken = min(there, wanted)
                parts.append(_sliced(data, gone, gone + taken))
                wanted -= taken
                if taken < there:
                    held.append((data, gone + taken))
            yield Piece(_local(steps, batch), Feed(_joined(parts)))
            position += steps

    def mark(self) -> Any:
        return {"rows": int(self.sizes.sum()), "span": list(self.span), "supply": self.supply.mark()}


class InBatches(Source):
    """Batches of `data.Batches`, in the order in which they come.

    Args:
        supply: where they come from.
    """

    def __init__(self, supply: Batches) -> None:
        self.supply = supply
        self.example = self._ready(supply.first())

    def plan(self, batch_size: int | str, epochs: int) -> TrainingPlan:
        rows = tree.leaves(self.example)[0].shape[0]
        return training_plan(self.supply.steps * rows, rows, epochs)

    def pieces(self, plan: TrainingPlan, pace: Pace, order: Order, epoch: int, position: int) -> Iterator[Piece]:
        pace.most = self._most(plan.batch_size)
        return ahead(self._grouped(pace, epoch, position))

    def _grouped(self, pace: Pace, epoch: int, position: int) -> Iterator[Piece]:
        """Neighbouring batches of the same form as one piece, where there are enough of them; others alone."""
        batches = (
            self._ready(batch, f"batch {number + 1:,} of epoch {epoch + 1}")
            for number, batch in enumerate(self.supply.epoch(epoch, position), position)
        )
        waiting: list[Data] = []
        while True:
            steps = pace.take(position)
            waiting += islice(batches, max(0, steps - len(waiting)))
            if not waiting:
                return
            alike = len(waiting) == steps and all(_form(one) == _form(waiting[0]) for one in waiting[1:])
            group, waiting = (waiting, []) if alike else (waiting[:1], waiting[1:])
            position += len(group)
            yield Piece(_local(len(group), tree.leaves(group[0])[0].shape[0]), Feed(_joined(group)))

    def mark(self) -> Any:
        return {"first batch": arrays.data_mark(self.example, tree.leaves(self.example)[0].shape[0]), "supply": self.supply.mark()}


def rows_of_span(rows: int, span: tuple[float, float], seed: int, block: int) -> Array:
    """The rows of a block whose number lies in a span; see `InBlocks`."""
    if span == (0.0, 1.0):
        return np.arange(rows)
    drawn = np.random.RandomState(np.random.Philox(key=[seed & 0xFFFFFFFFFFFFFFFF, block])).random_sample(rows)
    return np.flatnonzero((span[0] <= drawn) & (drawn < span[1]))


def source_of(supply: Rows | Blocks | Batches) -> Source:
    """A supply of data as a source."""
    if isinstance(supply, Rows):
        return TakenRows(supply)
    return InBlocks(supply) if isinstance(supply, Blocks) else InBatches(supply)


def class_weigher(given: Any, source: Source) -> Callable[[Data], Data]:
    """What multiplies class weights into the weights of data as they come.

    Args:
        given: {class: weight}, or "balanced".
        source: of the training; "balanced" needs one that knows its labels.

    Raises:
        ArgumentError: the labels are not known.
    """
    labels = source.labels()
    if labels is not None:
        classes, first = np.unique(labels, return_index=True)
        weights = arrays.class_weights(given, labels, np.arange(len(labels)))[first]
        given = dict(zip(classes.tolist(), weights.tolist(), strict=True))
    if not isinstance(given, Mapping):
        raise ArgumentError(
            f"class_weight={given!r} needs the labels of all rows, which are read only while the training runs",
            fix="give {class: weight}",
        )

    def weigh(data: Data) -> Data:
        targets, before = tree.leaves(data["y"]), data.get("weight")
        made = []
        for place, target in enumerate(targets):
            classes, codes = np.unique(_values(target), return_inverse=True)
            weights = np.array([given.get(label, 1.0) for label in classes.tolist()], np.float32)[codes.reshape(-1)]
            made.append(weights if before is None else weights * before[place])
        return {**data, "weight": made}

    return weigh


# -- data ---------------------------------------------------------------------------------------------------------------


def _values(leaf: Any) -> Array:
    return leaf._values() if isinstance(leaf, Tensor) else leaf


def _sliced(data: Data, begin: int, end: int) -> Data:
    return tree.map(lambda leaf: _values(leaf)[begin:end], data)  # type: ignore[no-any-return]


def _picked(data: Data, rows: Array) -> Data:
    return tree.map(lambda leaf: _values(leaf)[rows], data)  # type: ignore[no-any-return]


def _joined(parts: Sequence[Data]) -> Data:
    if len(parts) == 1:
        return parts[0]
    return tree.map(lambda *leaves: np.concatenate([_values(leaf) for leaf in leaves]), *parts)  # type: ignore[no-any-return]


def _form(data: Data) -> Any:
    return [(path, leaf.shape, str(leaf.dtype)) for path, leaf in tree.paths(data)]
