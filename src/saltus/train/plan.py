"""What an epoch is made of: how many batches, in which order, cut into how many calls. Pure arithmetic; a
low file of `train`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from saltus.base.errors import ArgumentError

Array = np.ndarray[Any, Any]

CALL_SECONDS = 0.2  # an epoch that takes longer is cut into calls of about this time, so that the user can see and stop it
_OVERHEAD = 2e-5  # seconds a step takes at least
_SPEED = 2e10  # multiply-adds a second, for a first guess


@dataclass(frozen=True)
class TrainingPlan:
    """Epochs, batches and iterations of a training.

    Attributes:
        samples: rows trained on.
        batch_size: rows of a batch.
        epochs: how often each row is seen.
        iterations: batches, and so updates, an epoch.
        last_batch: rows of an epoch's last batch.
        updates: updates in all.
    """

    samples: int
    batch_size: int
    epochs: int = 1

    @property
    def full_batches(self) -> int:
        return self.samples // self.batch_size

    @property
    def iterations(self) -> int:
        return -(-self.samples // self.batch_size)

    @property
    def last_batch(self) -> int:
        return self.samples % self.batch_size or self.batch_size

    @property
    def updates(self) -> int:
        return self.iterations * self.epochs

    def __str__(self) -> str:
        last = "" if self.last_batch == self.batch_size else f" (the last one of {self.last_batch:,})"
        epochs = f"{self.epochs:,} epoch{'s' * (self.epochs != 1)}"
        return (
            f"{self.samples:,} samples in batches of {self.batch_size:,}: {self.iterations:,} "
            f"iteration{'s' * (self.iterations != 1)} an epoch{last}; {epochs}, {self.updates:,} updates in all"
        )


def training_plan(samples: int, batch_size: int | str = 32, epochs: int = 1) -> TrainingPlan:
    """How many iterations a training takes.

    One epoch sees every sample once; one iteration is one batch and one update of the weights.

    Args:
        samples: rows trained on.
        batch_size: rows of a batch; "full" takes all of them.
        epochs: how often each row is seen.

    Raises:
        ArgumentError: a number below 1.

    Example:
        >>> print(training_plan(10_000, 200))
        10,000 samples in batches of 200: 50 iterations an epoch; 1 epoch, 50 updates in all
    """
    for name, value in (("samples", samples), ("epochs", epochs)):
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < (1 if name == "samples" else 0):
            raise ArgumentError(f"{name} is {value!r}, expected a whole number from {1 if name == 'samples' else 0} on")
    if batch_size == "full":
        batch_size = int(samples)
    if isinstance(batch_size, (bool, str)) or not isinstance(batch_size, (int, np.integer)) or batch_size < 1:
        raise ArgumentError(f"batch_size is {batch_size!r}", fix='use a whole number from 1 on, or "full" for all rows at once')
    return TrainingPlan(int(samples), min(int(batch_size), int(samples)), int(epochs))


def epoch_order(rows: Array, seed: int, epoch: int, *, shuffle: bool = True) -> Array:
    """The order in which an epoch takes its rows: a pure function of (seed, epoch).

    Args:
        rows: row numbers to train on.
        seed: of the training.
        epoch: counted from 0.
        shuffle: False keeps the rows as they are.

    Returns:
        The same numbers in another order.
    """
    if shuffle:
        # RandomState's streams are frozen for good, so a checkpoint resumes under any version of NumPy
        generator = np.random.RandomState(np.random.Philox(key=[seed & 0xFFFFFFFFFFFFFFFF, epoch]))
        rows = rows[generator.permutation(len(rows))]
    return rows


def row_numbers(rows: Any) -> Array:
    """Row numbers in the smallest type that programs take: int32 where they fit, else int64.

    Args:
        rows: their number, or the row numbers themselves.
    """
    array = np.arange(rows) if isinstance(rows, int) else np.asarray(rows)
    small = not array.size or int(array.max()) < 2**31
    return np.ascontiguousarray(array, np.int32 if small else np.int64)


class Pace:
    """How many steps a call makes: as many as fit into `CALL_SECONDS`, with few different numbers, since
    each is a program.

    Args:
        steps: full batches an epoch.
        work: multiply-adds of a step, for the first guess.
        single: one step a call, for callbacks that look at every batch.

    Attributes:
        most: steps of a call at most, where memory bounds them.
    """

    def __init__(self, steps: int, work: float, *, single: bool = False) -> None:
        self.steps, self.single, self.most = steps, single, steps
        self.length = 1 if single else self._even(CALL_SECONDS / (_OVERHEAD + work / _SPEED))
        self._changes = 0

    def _even(self, wanted: float) -> int:
        """The length near the wanted one that leaves the fewest steps over."""
        parts = max(1, round(self.steps / max(wanted, 1.0)))
        near = range(max(1, parts // 2), 2 * parts + 1) if parts > 1 else (1,)
        return max(1, self.steps // min(near, key=lambda p: (self.steps % p, abs(p - parts))))

    def learn(self, steps: int, seconds: float) -> None:
        """Take the time of a call into account: the length changes when it is far off, and at most twice."""
        if self.single or steps != min(self.length, self.most) or self._changes >= 2:
            return
        slow, quick = seconds > 2.5 * CALL_SECONDS and steps > 1, seconds < 0.2 * CALL_SECONDS and steps < self.steps
        if slow or quick:
            self.length = self._even(CALL_SECONDS * steps / max(seconds, 1e-9))
            self._changes += 1

    def take(self, position: int) -> int:
        """Steps of the call at a position: a full call's, or one where fewer than that are left."""
        length = max(1, min(self.length, self.most))
        return length if self.steps - position >= length else 1

    def pieces(self, order: Array, batch_size: int, position: int) -> Iterator[Array]:
        """Row numbers of the calls that are left of an epoch, each (steps, batch).

        Args:
            order: row numbers (N,).
            batch_size: rows of a batch.
            position: batches of this epoch that are done.
        """
        full = order[: self.steps * batch_size].reshape(self.steps, batch_size)
        rest = order[self.steps * batch_size :]
        while position < self.steps:
            take = self.take(position)
            yield full[position : position + take]
            position += take
        if len(rest) and position == self.steps:
            yield rest[None]
