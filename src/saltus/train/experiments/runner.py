"""The runner all experiments share: train each variant on the same samples, and note the same figures. Above `problem`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from saltus.base.errors import ArgumentError
from saltus.train.callbacks import Callback
from saltus.train.experiments.problem import Problem
from saltus.train.experiments.record import Experiment, Panel
from saltus.train.model import Model
from saltus.train.plan import training_plan
from saltus.train.record import History
from saltus.train.side import Halt, side_by_side

WORSE = 1.05  # times the highest of the lowest losses: a loss that all variants reached
DIVERGED = 1.1  # times the loss before the training


@dataclass(frozen=True)
class Variant:
    """One of the things compared.

    Attributes:
        name: for table and plots.
        model: to train; not built yet.
        batch_size: rows of a step, or "full".
        facts: further columns of the table.
        callbacks: of the training.
    """

    name: str
    model: Model
    batch_size: int | str = 32
    facts: dict[str, Any] = field(default_factory=dict)
    callbacks: tuple[Callback, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """What became of a variant.

    Attributes:
        variant, history: what was trained, and its record.
        row: its figures.
        detail: whatever `before` and `after` noted besides.
    """

    variant: Variant
    history: History
    row: dict[str, Any]
    detail: dict[str, Any]

    @property
    def diverged(self) -> bool:
        """Whether the training made the loss worse than it was, or no number at all."""
        return bool(self.row["diverged"])


Look = Callable[[Model], tuple[dict[str, Any], dict[str, Any]]]


def run(
    problem: Problem, variants: Sequence[Variant], *, epochs: int, seed: int = 0, workers: int = 1, before: Look | None = None,
    after: Look | None = None,
) -> list[Outcome]:  # fmt: skip
    """Train variants on a problem.

    Args:
        problem: the samples.
        variants: what to train.
        epochs: of each.
        seed: of the order; models have their own for weights.
        workers: trainings at once; seconds mean most with 1.
        before, after: called with the model before and after its training; give further columns, and further details.

    Returns:
        An outcome a variant; `epochs_to_same_loss` is the first epoch with a training loss that all of them reached.

    Raises:
        ArgumentError: no variants, or epochs below 1.
    """
    if not variants:
        raise ArgumentError("there is nothing to compare", fix="leave the argument out for the usual choice")
    if isinstance(epochs, bool) or not isinstance(epochs, int) or epochs < 1:
        raise ArgumentError(f"epochs is {epochs!r}, expected a whole number from 1 on")
    halt = Halt()

    def job(variant: Variant) -> Callable[[], Outcome]:
        return lambda: _one(problem, variant, epochs, seed, before, after, halt)

    outcomes = side_by_side([job(variant) for variant in variants], workers=workers, halt=halt)
    lowest = [min(losses) for o in outcomes if not o.diverged and (losses := [v for v in o.history["loss"] if math.isfinite(v)])]
    goal = WORSE * max(lowest) if lowest else math.nan
    for outcome in outcomes:
        reached = [epoch for epoch, loss in zip(outcome.history.epoch, outcome.history["loss"], strict=True) if loss <= goal]
        outcome.row["epochs_to_same_loss"] = reached[0] if reached else None
    return outcomes


def _one(
    problem: Problem, variant: Variant, epochs: int, seed: int, before: Look | None, after: Look | None, halt: Halt
) -> Outcome:  # fmt: skip
    model = variant.model
    model.build(problem.x)
    first = model.evaluate(problem.x, problem.y)["loss"]
    noted, detail = before(model) if before is not None else ({}, {})
    history = model.fit(
        problem.x, problem.y, epochs=epochs, batch_size=variant.batch_size, validation=problem.held, seed=seed, verbose=0,
        callbacks=[halt.own(), *variant.callbacks],
    )  # fmt: skip
    found, held = model.evaluate(problem.x, problem.y), model.evaluate(*problem.held)
    plan = training_plan(len(problem.x), variant.batch_size, len(history))
    diverged = not math.isfinite(found["loss"]) or found["loss"] > DIVERGED * first
    row = {
        "variant": variant.name, **variant.facts, "parameters": model.count, "updates": plan.updates,
        "seconds": float(sum(history["seconds"])), "loss": found["loss"], "val_loss": held["loss"],
        problem.metric: found[problem.metric], f"val_{problem.metric}": held[problem.metric], "diverged": diverged, **noted,
    }  # fmt: skip
    late, more = after(model) if after is not None else ({}, {})
    row |= late
    return Outcome(variant, history, row, {**detail, **more})


# -- words and pictures ------------------------------------------------------------------------------------------------


def panels_of(problem: Problem, outcomes: Sequence[Outcome]) -> tuple[Panel, ...]:
    """Losses and held-out figures over the epochs."""
    losses = {o.variant.name: (o.history.epoch, o.history["loss"]) for o in outcomes}
    figure = f"val_{problem.metric}"
    held = {o.variant.name: (o.history.epoch, o.history[figure]) for o in outcomes}
    return (
        Panel("training loss", "epoch", "loss", losses, log_y=True),
        Panel("samples not trained on", "epoch", problem.metric.replace("_", " "), held),
    )


def best(outcomes: Sequence[Outcome], name: str, *, largest: bool = True) -> Outcome:
    """The outcome with the largest (or smallest) figure of a name, among those that did not diverge if there are any."""
    known = [o for o in outcomes if not o.diverged and math.isfinite(o.row[name])] or list(outcomes)
    sign = 1 if largest else -1
    return max(known, key=lambda o: sign * o.row[name] if math.isfinite(o.row[name]) else -math.inf)


def listed(names: Sequence[str]) -> str:
    """Names in a sentence: a, b and c."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def figure(problem: Problem, outcome: Outcome) -> str:
    """The held-out figure of an outcome in words."""
    value = outcome.row[f"val_{problem.metric}"]
    return f"{value:.1%} right" if problem.classes else f"R² {value:.3f}"


def winner(problem: Problem, outcomes: Sequence[Outcome]) -> str:
    """Which variant did best on samples not trained on."""
    key = f"val_{problem.metric}"
    if all(o.diverged for o in outcomes):
        return "None of them learnt anything: the loss ended above where it began, or is no number."
    top = best(outcomes, key)
    alike = [o.variant.name for o in outcomes if not o.diverged and o.row[key] >= top.row[key] - 1e-9]
    return f"On samples not trained on {listed(alike)} did best: {figure(problem, top)}."


def made(
    name: str, problem: Problem, outcomes: Sequence[Outcome], findings: Sequence[str], *, more: tuple[Panel, ...] = (),
    details: dict[str, Any] | None = None, notes: tuple[str, ...] = (),
) -> Experiment:  # fmt: skip
    """The experiment of some outcomes."""
    return Experiment(
        name, [o.row for o in outcomes], tuple(findings), (*problem.notes, *notes), (*panels_of(problem, outcomes), *more), details or {},
        {o.variant.name: o.history for o in outcomes},
    )  # fmt: skip
