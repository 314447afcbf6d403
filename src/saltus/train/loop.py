"""The training loop. It computes, and tells what happened as events; whoever reads them may set `run.stop`.
Above `sources` and `record`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from saltus.train.plan import Pace, TrainingPlan
from saltus.train.record import History
from saltus.train.sources import Piece

Array = np.ndarray[Any, Any]


@dataclass
class Run:
    """Where a training stands: all that is needed to go on from here.

    Attributes:
        state: arrays of the training state, overwritten by each call.
        totals: sums over the running epoch.
        epoch: epochs that are over.
        position: batches of the running epoch that are over.
        history: record of each epoch.
        stop: why to end, when somebody wants that.
    """

    state: list[Array]
    totals: list[Array]
    epoch: int = 0
    position: int = 0
    history: History = field(default_factory=History)
    stop: str = ""


@dataclass(frozen=True)
class EpochBegin:
    epoch: int


@dataclass(frozen=True)
class CallBegin:
    epoch: int
    position: int


@dataclass(frozen=True)
class CallEnd:
    epoch: int
    position: int
    batches: int
    seconds: float


@dataclass(frozen=True)
class EpochEnd:
    epoch: int
    logs: dict[str, Any]


Event = EpochBegin | CallBegin | CallEnd | EpochEnd


def training(
    run: Run,
    plan: TrainingPlan,
    pace: Pace,
    *,
    pieces: Callable[[int, int], Iterator[Piece]],
    advance: Callable[[Run, Piece], float],
    finish: Callable[[Run], dict[str, Any]],
    totals: Callable[[], list[Array]],
) -> Iterator[Event]:
    """Train, from wherever `run` stands to the end of the plan.

    Args:
        run: changed as the training goes on.
        plan: epochs and batches.
        pace: how many batches a call makes.
        pieces: (epoch, position) -> what is left of the epoch, cut into calls.
        advance: trains on a piece in one call, and returns its seconds.
        finish: loss, metrics and validation of an epoch that is over.
        totals: fresh sums for a new epoch.

    Yields:
        EpochBegin, then CallBegin and CallEnd for each call, then EpochEnd.
    """
    while run.epoch < plan.epochs and not run.stop:
        yield EpochBegin(run.epoch)
        for piece in pieces(run.epoch, run.position):
            yield CallBegin(run.epoch, run.position)
            seconds, steps = advance(run, piece), len(piece.rows)
            run.position += steps
            pace.learn(steps, seconds)
            yield CallEnd(run.epoch, run.position, steps, seconds)
            del piece  # before the next one is made
            if run.stop:
                break
        logs = finish(run)
        run.epoch, run.position, run.totals = run.epoch + 1, 0, totals()
        run.history.append({"epoch": run.epoch, **logs})
        yield EpochEnd(run.epoch - 1, logs)
