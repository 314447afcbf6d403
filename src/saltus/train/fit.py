"""What `model.fit` does around the loop: data checked and split, program and pace chosen, events passed to
callbacks, progress and checkpoints. Above `loop`, `program` and `callbacks`; below `model`.
"""

from __future__ import annotations

import functools
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from saltus import nn
from saltus.base import tree
from saltus.base.errors import ArgumentError, DataError, StorageError
from saltus.data.split import split_rows
from saltus.data.table_files import is_streamable
from saltus.tensor import random
from saltus.tensor.tensor import Tensor
from saltus.train import arrays, progress, step
from saltus.train.augment import augmenter_of, epoch_key
from saltus.train.augment import described as described_augmenter
from saltus.train.callbacks import BackupAndRestore, Callback, CallbackList
from saltus.train.checkpoint import Checkpoints, as_tensors
from saltus.train.interrupt import Interrupted, Signals
from saltus.train.loop import CallBegin, CallEnd, EpochBegin, EpochEnd, Run, training
from saltus.train.opening import opened
from saltus.train.plan import Pace, TrainingPlan
from saltus.train.program import Change, Feed
from saltus.train.record import History
from saltus.train.sources import InMemory, Order, Piece, Source, class_weigher

if TYPE_CHECKING:
    from saltus.train.model import Built, Model

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Options:
    """Arguments of `model.fit`, which describes them."""

    epochs: int
    batch_size: int | str
    validation: Any
    shuffle: bool
    class_weight: Any
    sample_weight: Any
    callbacks: tuple[Callback, ...]
    verbose: int | str
    checkpoint: Path | None
    checkpoint_seconds: float
    resume: bool
    initial_epoch: int
    seed: int
    steps_per_epoch: int | None = None
    target: str | None = None
    augment: Any = None


# -- data --------------------------------------------------------------------------------------------------------------


def gathered(model: Model, x: Any, y: Any, *, sample_weight: Any = None) -> dict[str, Any]:
    """Inputs, targets and weights as one tree of arrays with equally many rows.

    Raises:
        DataError, DTypeError: they cannot be used, or their lengths differ.
    """
    return arrays.gathered(x, y, sample_weight=sample_weight)


def check_shapes(model: Model, built: Built, data: dict[str, Any]) -> None:
    """Refuse inputs of another width than the model's, and targets that do not fit its outputs.

    Raises:
        ShapeError, DTypeError, ArgumentError: with the likeliest fix.
    """
    model._check_inputs(data["x"])
    outputs, targets = tree.leaves(built.task.description.output), arrays.named(data["y"], "y")
    if len(targets) != len(built.task.goals):
        names = ", ".join(g.name or "output" for g in built.task.goals)
        raise ArgumentError(
            f"y holds {len(targets)} arrays, but the network has {len(built.task.goals)} outputs: {names}",
            fix="pass a tuple or dict with one target for each output, in their order",
        )
    for goal, output, (_, target) in zip(built.task.goals, outputs, targets, strict=True):
        rows = target.shape[0]
        goal.loss.check(nn.Spec(target.shape, target.dtype), nn.Spec((rows, *output.shape[1:]), output.dtype), model.network)


def check_values(built: Built, data: dict[str, Any]) -> None:
    """Refuse NaN, infinity, and labels outside the classes.

    Raises:
        DataError: with array, row and column.
    """
    arrays.need_finite([*arrays.named(data["x"], "x"), *arrays.named(data["y"], "y")])
    outputs = tree.leaves(built.task.description.output)
    for goal, output, target in zip(built.task.goals, outputs, tree.leaves(data["y"]), strict=True):
        values = target._values() if isinstance(target, Tensor) else target
        goal.loss.check_targets(values, output.shape[-1] if len(output.shape) > 1 else 1)


def _rows_of(data: dict[str, Any]) -> int:
    return arrays.rows_of(arrays.named(data["x"], "x"))


def _classes(built: Built, data: dict[str, Any]) -> Array | None:
    """Class numbers of single-output targets, or None where they are not classes."""
    leaves = tree.leaves(data["y"])
    if len(leaves) != 1:
        return None
    values = leaves[0]._values() if isinstance(leaves[0], Tensor) else leaves[0]
    if values.ndim == 2:
        one_hot = values.shape[1] > 1 and bool(((values == 0) | (values == 1)).all() and (values.sum(axis=1) == 1).all())
        values = values.argmax(axis=1) if one_hot else values[:, 0] if values.shape[1] == 1 else values
    if values.ndim != 1 or (values.dtype.kind == "f" and (values % 1).any()):
        return None
    return values  # type: ignore[no-any-return]


def _need_known_labels(built: Built, data: dict[str, Any], other: dict[str, Any]) -> None:
    """Refuse classes that only the validation has: nothing can be learnt of them, and what they cost hides the rest."""
    if len(built.task.goals) != 1 or not isinstance(built.task.goals[0].loss, nn.losses.SparseCategoricalCrossentropy):
        return
    known, asked = _classes(built, data), _classes(built, other)
    if known is None or asked is None:
        return
    alone, counts = np.unique(asked[~np.isin(asked, known)], return_counts=True)
    if len(alone):
        raise DataError(
            f"the class {alone[0]} is in {counts[0]} rows of the validation and in none of the training rows"
            + (f" (so are {', '.join(map(str, alone[1:5]))})" if len(alone) > 1 else ""),
            fix="draw both from the same rows: validation=0.2 keeps every class in both; or leave those rows out",
        )


def _split(model: Model, built: Built, data: dict[str, Any], options: Options) -> tuple[Array, Source | None]:
    """Rows to train on, and what to validate on (None for no validation)."""
    rows, share = _rows_of(data), options.validation
    if share is None or (isinstance(share, (int, float)) and share == 0):
        return np.arange(rows), None
    if isinstance(share, (int, float)):
        labels = _classes(built, data)
        stratify = None if labels is not None else False
        train, test = split_rows(labels if labels is not None else rows, float(share), seed=options.seed, stratify=stratify)
        return np.sort(train), InMemory(data, np.sort(test))
    held = _given(model, built, options)
    if isinstance(held, InMemory):
        _need_known_labels(built, data, held.example)
    return np.arange(rows), held


def _given(model: Model, built: Built, options: Options) -> Source:
    """Validation data that were given."""
    given = options.validation
    weights = given[2] if isinstance(given, (tuple, list)) and len(given) == 3 else None
    if isinstance(given, (tuple, list)) and len(given) in (2, 3) and not isinstance(given[0], (str, Path)):
        x, y, source = given[0], given[1], None
    elif isinstance(given, str) and not is_streamable(given) and not Path(given).is_dir():
        x, y, source = None, None, None
    else:
        x, y, source = opened(given, None, options.target)
    if source is not None:
        source.check = _checker(model, built)
        source.check(source.example)
        return source
    if y is None:
        raise ArgumentError(f"validation is a {type(given).__name__}", fix="use a share such as 0.2, or (x, y)")
    other = gathered(model, x, y, sample_weight=weights)
    _checker(model, built)(other)
    return InMemory(other, np.arange(_rows_of(other)))


def _checker(model: Model, built: Built) -> Callable[[dict[str, Any]], None]:
    """Refuses data that do not fit the model."""

    def check(data: dict[str, Any]) -> None:
        check_shapes(model, built, data)
        check_values(built, data)

    return check


def _weigh(data: dict[str, Any], options: Options, train: Array, names: list[str]) -> dict[str, Any]:
    """The data with class weights multiplied into the sample weights."""
    given = options.class_weight
    if given is None:
        return data
    targets = tree.leaves(data["y"])
    per_goal = given if isinstance(given, dict) and set(given) <= set(names) and len(names) > 1 else dict.fromkeys(names, given)
    weights = list(data.get("weight") or [None] * len(targets))
    for place, (name, target) in enumerate(zip(names, targets, strict=True)):
        if per_goal.get(name) is not None:
            made = arrays.class_weights(per_goal[name], target, train)
            weights[place] = made if weights[place] is None else weights[place] * made
    return {**data, "weight": weights}


# -- measuring ---------------------------------------------------------------------------------------------------------


def measured(built: Built, source: Source, batch_size: int | str, state: list[Array] | None = None) -> dict[str, float]:
    """Loss and metrics over data, without training.

    Args:
        built: the model.
        source: the data.
        batch_size: rows of a batch; "full" for all.
        state: in place of the model's own.
    """
    state = built.state if state is None else state
    plan, totals = source.plan(batch_size, 1), built.programs.new_totals()
    pace = Pace(plan.full_batches, 0.0)
    pace.length = max(1, min(plan.full_batches, 64))
    for piece in source.pieces(plan, pace, Order(0, shuffle=False), 0, 0):
        built.programs.test(state, totals, piece.rows, piece.feed)
    return built.programs.report(state, totals)[0]


def ending(built: Built) -> list[Array]:
    """The state that a training would leave if it ended now: an average that the optimizer keeps in place of the parameters.

    The arrays are those of the state, not copies.
    """
    state = tree.unflatten(built.programs.form, list(built.state))
    averaged = built.task.optimizer.averaged(state["optimizer"])
    return built.state if averaged is None else tree.leaves({**state, "params": averaged})


def augmented_step(model: Model, batch: dict[str, Any], augment: Any) -> dict[str, float]:
    """One training step on a batch that is changed first, as in the first epoch of a `fit` that keeps the order of its data."""
    built, count = model._need(batch["x"]), _rows_of(batch)
    check_shapes(model, built, batch)
    programs, totals = built.programs, built.programs.new_totals()
    how = augmenter_of(augment)
    assert how is not None
    change = Change(how, epoch_key(model.seed, 0), int(programs.clock_of(built.state)["step"]) * count)
    programs.train(built.state, totals, step_key(model.seed), np.arange(count, dtype=np.int32)[None], Feed(batch), change)
    return programs.report(built.state, totals)[0]


# -- fit ---------------------------------------------------------------------------------------------------------------


def fit(model: Model, x: Any, y: Any, options: Options) -> History:
    """See `Model.fit`."""
    model._need_loss()
    x, y, source = opened(x, y, options.target, options.steps_per_epoch)
    if source is not None:
        return _fit_source(model, source, options)
    data = gathered(model, x, y, sample_weight=options.sample_weight)
    built = accepted(model, data)
    train, held = _split(model, built, data, options)
    return fit_rows(model, data, train, held, options)


def _fit_source(model: Model, source: Source, options: Options) -> History:
    """Train on data that are read while the training runs."""
    if options.sample_weight is not None:
        raise ArgumentError("sample_weight belongs to arrays", fix="give the weights with the data, as (x, y, weights)")
    built = model._need(source.example["x"])
    step.need_trainable(built.task)
    source.check = _checker(model, built)
    source.check(source.example)
    share, held = options.validation, None
    if isinstance(share, (int, float)) and share:
        source, held = source.parted(float(share), options.seed)
        source.check = held.check = _checker(model, built)
    elif share is not None and not isinstance(share, (int, float)):
        held, labels = _given(model, built, options), source.labels()
        if isinstance(held, InMemory) and labels is not None:
            _need_known_labels(built, {"y": labels}, held.example)
    if options.class_weight is not None:
        source.weigh = class_weigher(options.class_weight, source)
    return _trained(model, built, source, held, options)


def judged(model: Model, x: Any, y: Any, weights: Any, target: str | None, steps: int | None) -> Source:
    """Data to evaluate a model on."""
    model._need_loss()
    x, y, source = opened(x, y, target, steps)
    if source is None:
        data = gathered(model, x, y, sample_weight=weights)
        source = InMemory(data, np.arange(_rows_of(data)))
    source.check = _checker(model, model._need(source.example["x"]))
    source.check(source.example)
    return source


def accepted(model: Model, data: dict[str, Any]) -> Built:
    """The model built for data, after all that can be wrong with them was looked for."""
    built = model._need(data["x"])
    step.need_trainable(built.task)
    check_shapes(model, built, data)
    check_values(built, data)
    arrays.need_variety(arrays.named(data["y"], "y"), _rows_of(data))
    return built


def fit_rows(model: Model, data: dict[str, Any], train: Array, held: Source | None, options: Options) -> History:
    """Train on some rows of accepted data.

    Args:
        model: built.
        data: what `gathered` gave.
        train: row numbers; they may repeat.
        held: data to validate on, or None.
        options: as of `fit`, but for the validation.
    """
    built = model._need()
    data = _weigh(data, options, train, [g.name for g in built.task.goals])
    return _trained(model, built, InMemory(data, train), held, options)


def _trained(model: Model, built: Built, source: Source, held: Source | None, options: Options) -> History:
    plan = source.plan(options.batch_size, options.epochs)
    options, backup = _with_backup(options)
    callbacks = CallbackList(options.callbacks, model)
    training = Training(model, built, source, held, plan, options, callbacks)
    history = training.run()
    model.history = history
    if backup is not None and backup.delete_checkpoint and training.checkpoints is not None:
        training.checkpoints.path.unlink(missing_ok=True)
    return history


def _with_backup(options: Options) -> tuple[Options, BackupAndRestore | None]:
    """A BackupAndRestore callback is a checkpoint folder."""
    backup = next((c for c in options.callbacks if isinstance(c, BackupAndRestore)), None)
    if backup is None:
        return options, None
    every = 0.0 if isinstance(backup.save_freq, str) else float(backup.save_freq)
    return replace(options, checkpoint=backup.backup_dir, checkpoint_seconds=every, resume=True), backup


class Training:
    """One call of `fit`, from its first event to its last."""

    def __init__(
        self, model: Model, built: Built, source: Source, held: Source | None, plan: TrainingPlan, options: Options,
        callbacks: CallbackList,
    ) -> None:  # fmt: skip
        self.model, self.built, self.source, self.held = model, built, source, held
        self.plan, self.options, self.callbacks = plan, options, callbacks
        self.key, self.augmenter = step_key(options.seed), augmenter_of(options.augment)
        self.checkpoints = self._checkpoints()
        self.reporter = progress.reporter(options.verbose)
        self.started = self.now()
        work = built.task.description.count * plan.batch_size * 3.0
        self.pace = Pace(plan.full_batches, work, single=callbacks.per_batch)

    def _checkpoints(self) -> Checkpoints | None:
        options, built = self.options, self.built
        if options.checkpoint is None:
            if options.resume:
                raise ArgumentError("resume=True needs the folder of the checkpoint", fix='fit(..., checkpoint="folder", resume=True)')
            return None
        terms = {
            "data": self.source.mark(),
            "validation": None if self.held is None else self.held.plan("full", 1).samples,
            "network": described(lambda: nn.to_config(self.model.network), self.model.network),
            "optimizer": described(built.task.optimizer.to_config, built.task.optimizer),
            "batch_size": self.plan.batch_size,
            "shuffle": options.shuffle,
            "seed": options.seed,
        }
        if self.augmenter is not None:
            terms["augment"] = described(lambda: described_augmenter(self.augmenter), self.augmenter)
        return Checkpoints(options.checkpoint, options.checkpoint_seconds, terms)

    # -- what the loop calls -------------------------------------------------------------------------------------------

    def now(self) -> float:
        """Seconds on a clock that stands still while programs are compiled."""
        return time.perf_counter() - self.built.programs.compiling

    def pieces(self, epoch: int, position: int) -> Iterator[Piece]:
        self.started = self.now()
        return self.source.pieces(self.plan, self.pace, Order(self.options.seed, self.options.shuffle), epoch, position)

    def advance(self, run: Run, piece: Piece) -> float:
        change = None
        if self.augmenter is not None:
            change = Change(self.augmenter, epoch_key(self.options.seed, run.epoch), run.position * self.plan.batch_size)
        return self.built.programs.train(run.state, run.totals, self.key, piece.rows, piece.feed, change)

    def finish(self, run: Run) -> dict[str, Any]:
        logs, rate = self.built.programs.report(run.state, run.totals)
        if self.held is not None:
            self.callbacks.call("on_test_begin", {})
            found = measured(self.built, self.held, max(self.plan.batch_size, 256), ending(self.built))
            self.callbacks.call("on_test_end", found)
            logs |= {f"val_{name}": value for name, value in found.items()}
        return {**logs, "learning_rate": rate, "seconds": self.now() - self.started}

    # -- the run -------------------------------------------------------------------------------------------------------

    def names(self) -> list[str]:
        """Names in the logs of an epoch."""
        own = self.built.task.names()
        return [*own, *(f"val_{n}" for n in own if self.held is not None), "learning_rate", "seconds"]

    def run(self) -> History:
        options, plan, model = self.options, self.plan, self.model
        run = Run(self.built.state, self.built.programs.new_totals(), epoch=options.initial_epoch)
        resumed = self.checkpoints is not None and options.resume and self.checkpoints.path.exists()
        kept = self.checkpoints.load(run) if resumed and self.checkpoints is not None else []
        model.stop_training = False
        params = {
            "epochs": plan.epochs,
            "steps": plan.iterations,
            "samples": plan.samples,
            "batch_size": plan.batch_size,
            "resumed": resumed,
        }
        self.callbacks.begin(params, self.names())
        self.callbacks.restore(kept)
        self.reporter.begin(plan, run.epoch * plan.iterations + run.position)
        words = ""
        try:
            with Signals() as signals:
                fresh = self.built.programs.new_totals
                for event in training(run, plan, self.pace, pieces=self.pieces, advance=self.advance, finish=self.finish, totals=fresh):
                    self.tell(run, event)
                    if model.stop_training:
                        run.stop = model.stop_training if isinstance(model.stop_training, str) else "a callback asked for it"
                    if self.checkpoints is not None and isinstance(event, (CallEnd, EpochEnd)) and self.checkpoints.due():
                        self.save(run)
                    if signals.caught and isinstance(event, (CallEnd, EpochEnd)):
                        raise self.interrupted(run, signals.caught)
            if self.checkpoints is not None:
                self.save(run)
            self._average()
            run.history.stopped = run.stop
            words = f"stopped after epoch {run.epoch}: {run.stop}" if run.stop else ""
            words = "\n".join(w for w in (words, progress.lost(run.history)) if w)
            self.callbacks.call("on_train_end", run.history.records[-1] if run.history.records else {})
        finally:
            self.model.history = run.history
            self.reporter.end(words)
        return run.history

    def tell(self, run: Run, event: Any) -> None:
        """Pass an event on to callbacks and reporter."""
        call = self.callbacks.call
        if isinstance(event, EpochBegin):
            call("on_epoch_begin", event.epoch, {})
        elif isinstance(event, CallBegin):
            call("on_train_batch_begin", event.position, {})
        elif isinstance(event, CallEnd):
            wanted = self.callbacks.written("on_train_batch_end") or self.callbacks.written("on_progress")
            if wanted or self.reporter.wants_progress():
                logs = self.built.programs.report(run.state, run.totals)[0]
                call("on_train_batch_end", event.position - 1, logs)
                call("on_progress", event.position - 1, logs)
                if self.reporter.wants_progress():
                    self.reporter.progress(event.epoch, event.position, logs)
        elif isinstance(event, EpochEnd):
            call("on_epoch_end", event.epoch, event.logs)
            self.reporter.epoch_end(event.epoch, event.logs)

    def save(self, run: Run) -> None:
        """Write the checkpoint."""
        programs = self.built.programs
        assert self.checkpoints is not None
        state, totals = as_tensors(run.state, programs.shapes), as_tensors(run.totals, programs.first_totals)
        try:
            self.checkpoints.save(run, state, totals, self.callbacks.state())
        except StorageError as error:
            if not self.checkpoints.path.exists():
                raise
            fix = "make room on the disk, then resume: the training goes on from the older file, with its history and nothing lost but time"
            raise StorageError(error.what, fix=fix) from error

    def interrupted(self, run: Run, name: str) -> Interrupted:
        """Save what there is, and make the exception."""
        where = f"epoch {run.epoch + 1}, batch {run.position} of {self.plan.iterations}"
        if self.checkpoints is None:
            return Interrupted(f"stopped by {name} in {where}; the model has the weights so far")
        self.save(run)
        return Interrupted(
            f"stopped by {name} in {where}; {self.checkpoints.path} is written, resume=True goes on from there", self.checkpoints.path
        )

    def _average(self) -> None:
        """At the end of a training the average that an optimizer keeps takes the parameters' place."""
        for held, value in zip(self.built.state, ending(self.built), strict=True):
            if held is not value:
                held[...] = value


@functools.cache
def step_key(seed: int) -> Array:
    """The key from which every step of a training folds its own."""
    return random.fold_in(random.key(seed), 2)._values()


def described(make: Callable[[], Any], value: Any) -> Any:
    """Something as plain values, or as text where it holds functions that cannot be stored."""
    try:
        return make()
    except ArgumentError:
        return re.sub(r" at 0x[0-9a-f]+", "", repr(value))  # an address says nothing in the next process
