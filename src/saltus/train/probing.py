"""Choosing a learning rate and a batch size by short probes on a copy, and looking at a step: network, optimizer, order
and random state stay exactly as they were. A part of `Model`, above `program` and `fit`.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from saltus.base import tree
from saltus.base.errors import ArgumentError, StorageError
from saltus.data.lazy import LazyModule
from saltus.train import fit
from saltus.train.opening import opened
from saltus.train.plan import Pace, epoch_order, row_numbers, training_plan
from saltus.train.program import Feed
from saltus.train.records import Table
from saltus.train.sources import Order

if TYPE_CHECKING:
    import polars as pl
else:
    pl = LazyModule("polars")

Array = np.ndarray[Any, Any]

_DIVERGED = 4.0  # times the losses it began with, which differ from batch to batch
_PLANNED_WITH = 64  # rows of data that are read while a training runs, to plan batches with
_SHARE = 0.5  # of the free memory a training may take, when nothing is said


@dataclass(frozen=True)
class RateRange:
    """What a learning-rate range test found.

    Attributes:
        rates: tried, rising.
        losses: of the batches, smoothed.
        suggestion: where the loss falls fastest.
        highest: a tenth below where it begins to rise: the top for a schedule.
    """

    rates: Array
    losses: Array
    suggestion: float
    highest: float

    def to_frame(self) -> pl.DataFrame:
        """A row a rate."""
        return pl.DataFrame({"learning_rate": self.rates, "loss": self.losses})

    def __str__(self) -> str:
        places = np.unique(np.linspace(0, len(self.rates) - 1, 10).astype(int))
        rows = Table([{"learning_rate": float(self.rates[k]), "loss": float(self.losses[k])} for k in places])
        return f"{rows}\nsuggested learning rate {self.suggestion:.2e}, at most {self.highest:.2e}"


@dataclass(frozen=True)
class BatchSizes:
    """Which batch sizes fit into memory, by the plans of the training step.

    Attributes:
        batch_size: the largest power of two that fits.
        memory: bytes a training may take.
        sizes: a row a size: batch_size, bytes, fits.
    """

    batch_size: int
    memory: int
    sizes: Table

    def to_frame(self) -> pl.DataFrame:
        """A row a size."""
        return self.sizes.to_frame()

    def __str__(self) -> str:
        return f"{self.sizes}\nbatch size {self.batch_size:,} of at most {self.memory:,} bytes"


class Probing:
    """The probes of a model."""

    def training_plan(self, samples: int, batch_size: int | str = 32, epochs: int = 1) -> Any:
        """How many iterations a training takes; see `sl.train.training_plan`."""
        return training_plan(samples, batch_size, epochs)

    def explain(self: Any, x: Any, y: Any = None) -> str:
        """The kernels of a training step on a batch, with time, bytes and operations, and why each was cut there; nothing is trained.

        Args:
            x, y: a batch; without y the kernels of a prediction.

        Example:
            >>> import saltus as sl
            >>> from saltus import nn
            >>> model = sl.Model(nn.Sequential([nn.Input((4,)), nn.Dense(1)]), loss="mse")
            >>> print(model.explain([[1.0, 2.0, 3.0, 4.0]]))  # doctest: +ELLIPSIS
            prediction: arena ...
        """
        if y is None:
            program, _ = self._need(given := self._inputs(x)).programs.predict(Feed(given))
        else:
            program, _ = self._one("train", x, y, None)
        return str(program.explain())

    def find_learning_rate(
        self: Any, x: Any, y: Any = None, *, low: float = 1e-7, high: float = 10.0, steps: int = 100, batch_size: int = 32,
        seed: int | None = None,
    ) -> RateRange:  # fmt: skip
        """Train a copy with a learning rate that rises from batch to batch, and see where the loss falls and where it bursts.

        Args:
            x, y: as for `fit`, also data that are read while the training runs.
            low, high: the first and the last rate.
            steps: batches.
            batch_size: rows of a batch.
            seed: of the order; None takes the model's.

        Returns:
            Rates with losses, and the rate where the loss falls fastest. The model stays as it was.

        Raises:
            ArgumentError: no range, or fewer than 10 steps.
            DataError, ShapeError: the data do not fit.

        Source: Smith, "Cyclical learning rates for training neural networks", 2017.

        Example:
            >>> import numpy as np, saltus as sl
            >>> from saltus import nn
            >>> x = np.linspace(-1, 1, 64, dtype="float32")[:, None]
            >>> model = sl.Model(nn.Sequential([nn.Dense(1)]), loss="mse", optimizer="sgd")
            >>> found = model.find_learning_rate(x, 2 * x)
            >>> 1e-4 < found.suggestion < 1
            True
        """
        if not 0 < low < high or steps < 10:
            raise ArgumentError(f"low={low!r}, high={high!r}, steps={steps!r}: expected 0 < low < high and at least 10 steps")
        self._need_loss()
        probe = self.clone(optimizer=replace(self.optimizer, learning_rate=float(low)), metrics=(), weighted_metrics=())
        data, _ = _some(probe, x, y, steps * batch_size, self.seed if seed is None else seed)
        built = fit.accepted(probe, data)
        if self._built is not None:
            probe.restore(self.snapshot())
        feed, rows = Feed(data), fit._rows_of(data)
        plan = training_plan(rows, batch_size)
        key, chosen = fit.step_key(self.seed), self.seed if seed is None else seed
        rates, losses, smooth = [], [], 0.0
        order = np.arange(0)
        for number in range(steps):
            if len(order) < plan.batch_size:
                order = row_numbers(epoch_order(np.arange(rows), chosen, number, shuffle=True))
            batch, order = order[: plan.batch_size], order[plan.batch_size :]
            rate = low * (high / low) ** (number / (steps - 1))
            probe.learning_rate = rate
            totals = built.programs.new_totals()
            built.programs.train(built.state, totals, key, batch[None], feed)
            loss = built.programs.report(built.state, totals)[0]["loss"]
            if not math.isfinite(loss):
                break
            smooth = 0.9 * smooth + 0.1 * loss
            rates.append(rate)
            losses.append(smooth / (1 - 0.9 ** (number + 1)))
            if number > steps // 10 and losses[-1] > _DIVERGED * max(losses[: steps // 10 + 1]):
                break
        return _read(np.array(rates), np.array(losses))

    def find_batch_size(self: Any, x: Any, y: Any = None, *, memory: int | None = None, largest: int | None = None) -> BatchSizes:
        """The largest batch that fits into memory, by planning the training step and not by running it.

        Args:
            x, y: as for `fit`, also data that are read while the training runs.
            memory: bytes for the training; None takes half of what is free.
            largest: at most so many rows; None for all there are.

        Returns:
            The sizes that were planned, and the largest that fits. The model stays as it was.

        Raises:
            ArgumentError: not even one row fits, or the engine states no plan.

        Example:
            >>> import numpy as np, saltus as sl
            >>> from saltus import nn
            >>> x = np.arange(512 * 16, dtype="float32").reshape(512, 16)
            >>> model = sl.Model(nn.Sequential([nn.Dense(64), nn.Dense(1)]), loss="mse")
            >>> small, large = (model.find_batch_size(x, x[:, :1], memory=m).batch_size for m in (100_000, 10_000_000))
            >>> small < large == 512
            True
        """
        self._need_loss()
        memory = int(_SHARE * free_memory()) if memory is None else int(memory)
        probe = self.clone()
        data, rows = _some(probe, x, y, _PLANNED_WITH, self.seed)
        fit.accepted(probe, data)
        programs, feed = probe._built.programs, Feed(data)
        fixed = sum(a.nbytes for a in probe._built.state)
        most = min(rows, rows if largest is None else int(largest))
        table: list[dict[str, Any]] = []
        size = 1
        while size <= most:
            arena = programs.arena(size, feed)
            if arena is None:
                raise ArgumentError("the engine in use states no memory plan", fix="use the native engine: SALTUS_BACKEND=native")
            table.append({"batch_size": size, "bytes": arena + fixed, "fits": arena + fixed <= memory})
            if not table[-1]["fits"]:
                break
            size = size * 8 if size < 8 else size * 2
        fitting = [row["batch_size"] for row in table if row["fits"]]
        if not fitting:
            need = table[0]["bytes"]
            raise ArgumentError(f"not even a batch of one row fits into {memory:,} bytes: it takes {need:,}", fix="give more memory")
        return BatchSizes(max(fitting), memory, Table(table))


def _some(model: Any, x: Any, y: Any, wanted: int, seed: int) -> tuple[dict[str, Any], int]:
    """Data in memory, or of those that are read while a training runs so many rows; and how many there are in all."""
    x, y, source = opened(x, y)
    if source is None:
        data = fit.gathered(model, x, y)
        return data, fit._rows_of(data)
    plan = source.plan(32, 1)
    parts: list[Any] = []
    for piece in source.pieces(plan, Pace(plan.full_batches, 0.0), Order(seed, shuffle=True), 0, 0):
        rows = piece.rows.reshape(-1)
        parts.append(tree.map(lambda v, rows=rows: np.asarray(v)[rows], piece.feed.tree))
        if sum(fit._rows_of(part) for part in parts) >= wanted:
            break
    return tree.map(lambda *pieces: np.concatenate(pieces), *parts), plan.samples


def _read(rates: Array, losses: Array) -> RateRange:
    """The fastest fall and the lowest point of a curve of losses; of one that does not fall, of a network that is trained already,
    where it begins to rise, and a tenth of that.
    """
    if len(rates) < 5:
        raise ArgumentError("the loss burst at once", fix="begin lower: find_learning_rate(x, y, low=1e-10)")
    lowest = int(np.argmin(losses))
    if lowest <= len(rates) // 10:
        level, spread = np.median(losses[: len(losses) // 2 + 1]), np.ptp(losses[: len(losses) // 2 + 1])
        calm = np.flatnonzero(losses <= level + spread)
        highest = float(rates[calm[-1]]) * 0.9
        return RateRange(rates, losses, highest / 10, highest)
    slope = np.gradient(losses, np.log(rates))
    skip = min(len(rates) // 10, lowest)
    fastest = skip + int(np.argmin(slope[skip : max(lowest, skip) + 1]))
    highest = float(rates[lowest]) * 0.9
    return RateRange(rates, losses, min(float(rates[fastest]), highest), highest)


def free_memory() -> int:
    """Bytes that new arrays may take, by what the system says.

    Raises:
        StorageError: it does not say.
    """
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            for line in file:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    except (ValueError, OSError, AttributeError):
        raise StorageError("the system does not say how much memory is free", fix="give it: find_batch_size(..., memory=4 << 30)") from None
