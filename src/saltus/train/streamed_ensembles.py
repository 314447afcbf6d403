"""Ensembles of data that are read while the training runs: their members train one after the other, each on all cores. Above
`ensembles` and `sources`; below `fitted`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from saltus import optim
from saltus.base import tree
from saltus.base.errors import ArgumentError, unknown_name
from saltus.train.callbacks import Callback
from saltus.train.corpus import fresh
from saltus.train.ensembles import AVERAGING, METHODS, Ensemble, joined, need_count, voting
from saltus.train.members import Member
from saltus.train.model import Model
from saltus.train.sources import Source
from saltus.train.weights import Keep, highest_rate, mean_of, unwatched

STREAMED = ("bagging", "voting", "snapshot", "averaging")


def streamed_ensemble(method: str, model: Model, source: Source, members: int, **training: Any) -> Ensemble:
    """As `ensembles.train_ensemble`, of data that are read while the training runs.

    Args:
        method: one of `STREAMED`. Rows of "bagging" are drawn within each block; there are no out-of-bag figures.
        model, members: as there.
        source: the data.
        training: arguments of `Model.fit`.

    Raises:
        UnknownNameError: another method.
        ArgumentError: one that needs its data in memory, or data that cannot be drawn from.
    """
    if method not in METHODS:
        raise unknown_name("kind of ensemble", method, METHODS)
    if method not in STREAMED:
        raise ArgumentError(
            f"{method} needs its data in memory, but these are read while the training runs",
            fix=f"raise memory, or use one of {', '.join(STREAMED)}",
        )
    count, made = need_count(members), {"snapshot": _snapshots, "averaging": _averaged}.get(method)
    if made is not None:
        return made(model, source, count, **training)
    trained = []
    for number in range(count):
        own = model.clone(seed=model.seed + number)
        own.fit(source if method == "voting" else source.drawn(own.seed), **_quiet(training))
        trained.append(own)
    ensemble = voting(trained)
    ensemble.method = method
    return ensemble


def _quiet(training: dict[str, Any], *more: Callback) -> dict[str, Any]:
    """Arguments of one of several trainings, with callbacks of its own."""
    return {**training, "verbose": 0, "callbacks": [*map(fresh, training.get("callbacks", ())), *more]}


def _kept(model: Model, source: Source, epochs: Sequence[int], training: dict[str, Any]) -> tuple[Model, Keep]:
    """A training, and its states at the ends of some epochs."""
    keep = Keep(epochs)
    training = {**training, "callbacks": unwatched(training.get("callbacks", ()))}
    model.fit(source, **_quiet(training, keep))
    return model, keep


def _snapshots(model: Model, source: Source, count: int, *, epochs: int, **training: Any) -> Ensemble:
    """See `ensembles.snapshot`."""
    if epochs < count:
        raise ArgumentError(f"{epochs} epochs cannot make {count} cycles", fix="give more epochs, at least some for each member")
    cycle = epochs // count
    steps = source.plan(training.get("batch_size") or 32, 1).iterations * cycle
    rate = optim.CosineDecayRestarts(highest_rate(model), first_decay_steps=max(1, steps), t_mul=1.0)
    own = model.clone(optimizer=replace(model.optimizer, learning_rate=rate, adjustable=()))
    ends = [cycle * (k + 1) - 1 for k in range(count)]
    own, keep = _kept(own, source, ends, {**training, "epochs": cycle * count})
    trained = []
    for state, _ in keep.kept:
        member = model.clone()
        member.build(own._need().specs)
        member.restore(state)
        trained.append(member)
    made = joined(model, trained)
    made.history = own.history
    facts = [{name: value for name, value in logs.items() if name.startswith("val_")} for _, logs in keep.kept]
    return Ensemble(made, "snapshot", [Member(own.history, own.seed, 1.0, scores) for scores in facts])


def _averaged(model: Model, source: Source, count: int, *, epochs: int, **training: Any) -> Ensemble:
    """See `weights.stochastic_weight_averaging`; a constant rate, and the mean of states of the later half."""
    if epochs < 2 * count:
        fix = f"use {2 * count} epochs, or fewer members"
        raise ArgumentError(f"{epochs} epochs are too few to average {count} of their states", fix=fix)
    every = epochs // (2 * count)
    own = model.clone(optimizer=replace(model.optimizer, learning_rate=highest_rate(model) / 2, adjustable=()))
    own, keep = _kept(own, source, [epochs - 1 - every * k for k in range(count)], {**training, "epochs": epochs})
    history = own.history
    own.restore(mean_of([state for state, _ in keep.kept]))
    if tree.leaves(own.variables.state):  # statistics of batch normalization belong to the averaged weights
        still = own.clone(optimizer=optim.SGD(0.0))
        still.build(own._need().specs)
        still.restore(own.snapshot())
        still.fit(source, **_quiet({**training, "epochs": 1, "validation": None, "callbacks": ()}))
        own.restore({**own.snapshot(), "state": still.snapshot()["state"]})
    own.history = history
    return Ensemble(own, AVERAGING, [Member(history, own.seed, 1.0, {})])
