"""The training loop. It computes, and tells what happened as events; whoever reads them may set `run.stop`.
Above `plan` and `record`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from saltus.train.plan import Pace, TrainingPlan
from saltus.train.record import History

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
    order: Callable[[int], Array],
    advance: Callable[[Run, Array], float],
    finish: Callable[[Run], dict[str, Any]],
    totals: Callable[[], list[Array]],
) -> Iterator[Event]:
    """Train, from wherever `run` stands to the end of the plan.

    Args:
        run: changed as the training goes on.
        plan: epochs and batches.
        pace: how many batches a call makes.
        order: epoch -> row numbers in the order in which they are taken.
        advance: trains on rows (steps, batch) in one call, and returns its seconds.
        finish: loss, metrics and validation of an epoch that is over.
        totals: fresh sums for a new epoch.

    Yields:
        EpochBegin, then CallBegin and CallEnd for each call, then EpochEnd.
    """
    while run.epoch < plan.epochs and not run.stop:
        yield EpochBegin(run.epoch)
        for rows in pace.pieces(order(run.epoch), plan.batch_size, run.position):
            yield CallBegin(run.epoch, run.position)
            seconds = advance(run, rows)
            run.position += len(rows)
            pace.learn(len(rows), seconds)
            yield CallEnd(run.epoch, run.position, len(rows), seconds)
            if run.stop:
                break
        logs = finish(run)
        run.epoch, run.position, run.totals = run.epoch + 1, 0, totals()
        run.history.append({"epoch": run.epoch, **logs})
        yield EpochEnd(run.epoch - 1, logs)
