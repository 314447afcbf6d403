"""Data that do not lie in memory as arrays: what a training asks of them. Above `records`; `table_files`, `image_rows` and
users fill it in, `train.sources` gives them an order.

    Rows      any rows, by their numbers        image files, a database
    Blocks    blocks of rows, one as a whole    Parquet, Arrow and CSV files
    Batches   what comes comes                  generators
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np

from saltus.base.errors import ArgumentError, DataError
from saltus.data.records import counted

Array = np.ndarray[Any, Any]

_NAMED = 10  # missing files that a message names


class Rows(ABC):
    """Samples that can be had by their numbers, in any order.

    A subclass says how many there are and gets some of them. The order of a training is then exactly that of arrays
    in memory: the weights are equal, bit for bit.

    Example:
        >>> class Squares(Rows):
        ...     def __len__(self):
        ...         return 1000
        ...
        ...     def take(self, rows):
        ...         x = rows[:, None].astype("float32")
        ...         return x, x * x
        >>> x, y = Squares().take(np.array([2, 3]))
        >>> y.tolist()
        [[4.0], [9.0]]
    """

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def take(self, rows: Array) -> Sequence[Any]:
        """Some samples, in the order of their numbers; called in a thread.

        Args:
            rows: int32 or int64 (N,).

        Returns:
            (x, y) or (x, y, weights), N rows each.
        """

    def labels(self) -> Array | None:
        """Class numbers (N,) of all samples where they are known without reading the samples, else None."""
        return None

    def mark(self) -> Any:
        """Plain values that tell these data from others; a checkpoint keeps them."""
        return {"rows": len(self)}


class Blocks(ABC):
    """Samples in blocks, each of which is read as a whole.

    Attributes:
        sizes: rows of each block.
    """

    sizes: tuple[int, ...]

    @abstractmethod
    def read(self, block: int) -> Sequence[Any]:
        """A block as (x, y) or (x, y, weights); called in a thread."""

    def place(self, block: int) -> str:
        """Where a block lies, for messages."""
        return f"block {block}"

    def mark(self) -> Any:
        """Plain values that tell these data from others; a checkpoint keeps them."""
        return {"blocks": len(self.sizes), "rows": sum(self.sizes)}


class Batches:
    """Batches that somebody else makes, in whatever order they come.

    Args:
        given: a function of the epoch (or of nothing) that returns an iterable of batches; an iterable, which
            is gone through again in each epoch; or an iterator or generator, which goes on from one epoch
            to the next. A batch is (x, y) or (x, y, weights). They are made in a thread ahead of training.
        steps_per_epoch: batches of an epoch; a list needs none.

    A training that is resumed asks for the same batches again and leaves out those it has seen, so it is exact if
    the same batches come: a generator has to draw from a seed.

    Raises:
        ArgumentError: the number of batches is not known, or what was given gives none.

    Example:
        >>> def batches(epoch):
        ...     rng = np.random.default_rng(epoch)
        ...     while True:
        ...         x = rng.normal(size=(32, 4))
        ...         yield x, x.sum(axis=1)
        >>> [x.shape for x, y in Batches(batches, steps_per_epoch=3).epoch(0, 1)]
        [(32, 4), (32, 4)]
    """

    def __init__(self, given: Any, steps_per_epoch: int | None = None) -> None:
        steps = len(given) if steps_per_epoch is None and hasattr(given, "__len__") else steps_per_epoch
        if steps is None:
            raise ArgumentError(
                "how many batches an epoch has is not known", fix="pass steps_per_epoch=, so many batches are taken in each epoch"
            )
        if isinstance(steps, bool) or not isinstance(steps, (int, np.integer)) or steps < 1:
            raise ArgumentError(f"steps_per_epoch is {steps!r}, expected a whole number from 1 on")
        self.steps = int(steps)
        self._given, self._drawn = given, 0
        self._endless: Iterator[Any] | None = given if isinstance(given, Iterator) else None

    def first(self) -> Any:
        """The first batch; it will come again."""
        if self._endless is not None:
            found = list(islice(self._endless, 1))
            self._endless = chain(found, self._endless)
        else:
            found = list(islice(self._begun(0), 1))
        if not found:
            raise DataError("the batches end before the first one", fix="check what the generator or iterable gives")
        return found[0]

    def epoch(self, number: int, position: int) -> Iterator[Any]:
        """The batches of an epoch from a position on.

        Raises:
            DataError: they end too early.
        """
        if self._endless is None:
            batches, skip = self._begun(number), position
        else:
            batches, skip = self._endless, number * self.steps + position - self._drawn
        place = position - max(skip, 0)
        for batch in batches:
            self._drawn += 1
            place += 1
            if place > position:
                yield batch
            if place == self.steps:
                return
        raise DataError(
            f"the batches of epoch {number + 1} end after {max(place, 0):,}, expected {self.steps:,}",
            fix="lower steps_per_epoch, or pass a function that makes the batches anew in each epoch",
        )

    def _begun(self, epoch: int) -> Iterator[Any]:
        """The batches of an epoch from its beginning."""
        given: Any = self._given
        if callable(given):
            given = given(epoch) if _takes_one(given) else given()
        if not isinstance(given, Iterable):
            raise ArgumentError(f"the function of batches returned a {type(given).__name__}", fix="return a list or generator of (x, y)")
        return iter(given)

    def mark(self) -> Any:
        """Plain values that tell these data from others; a checkpoint keeps them."""
        return {"steps_per_epoch": self.steps}


def _takes_one(function: Callable[..., Any]) -> bool:
    try:
        places = [p for p in inspect.signature(function).parameters.values() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    except (TypeError, ValueError):
        return False
    return len(places) >= 1 and all(p.default is not p.empty for p in places[1:]) and places[0].default is places[0].empty


def need_files(files: Sequence[Path]) -> None:
    """Refuse files that are not there.

    Raises:
        DataError: with their number and names.
    """
    gone = [str(file) for file in files if not file.exists()]
    if gone:
        shown = ", ".join(gone[:_NAMED]) + (f" and {len(gone) - _NAMED:,} more" if len(gone) > _NAMED else "")
        raise DataError(
            f"{len(gone):,} of {counted(len(files), 'file')} {'is' if len(gone) == 1 else 'are'} not there: {shown}",
            fix="check the list, and the folder it counts from",
        )
