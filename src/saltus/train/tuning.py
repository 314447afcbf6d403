"""Searching hyperparameters: many trainings side by side, each with other settings, and the best of them. Above
`study` and `corpus`.

Trials that differ in numbers only (learning rate, momentum, weight decay) share one compiled step; another batch size or network
is planned once.
"""

from __future__ import annotations

import copy
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from saltus import optim
from saltus.base import settings
from saltus.base.errors import ArgumentError, unknown_name
from saltus.data.lazy import LazyModule
from saltus.optim.optimizers import ADJUSTABLE
from saltus.train import study as studies
from saltus.train.callbacks import Callback, EarlyStopping
from saltus.train.corpus import Corpus, fit_options
from saltus.train.fit import Options
from saltus.train.interrupt import Interrupted
from saltus.train.model import Model
from saltus.train.program import Library, using
from saltus.train.record import History, grows
from saltus.train.records import Table
from saltus.train.side import Halt
from saltus.train.space import Dimension, space_of
from saltus.train.splits import hold_out

if TYPE_CHECKING:
    import polars as pl
else:
    pl = LazyModule("polars")

Array = np.ndarray[Any, Any]
Build = Callable[[dict[str, Any]], Model]

Changes = Callable[[dict[str, Any]], dict[str, Any]]

TRAINING = ("batch_size", "epochs")  # of a trial's training, not of its model
TRUNCATED = "time is up"
REPORTS = 30  # of a trial to the pruner


@dataclass(frozen=True)
class Trial:
    """One training of a search.

    Attributes:
        number: from 0.
        params: what was chosen.
        value: the figure searched by, of the trial's best epoch; NaN where there is none.
        state: "complete", "pruned" (ended early as hopeless), "stopped" (by the time limit) or "failed".
        history: record of the training; empty for trials of an earlier session.
        seconds: it took.
    """

    number: int
    params: dict[str, Any]
    value: float
    state: str
    history: History
    seconds: float


@dataclass(eq=False)
class Tuning:
    """What a search found.

    Attributes:
        trials: in their order, with those of earlier sessions of the study.
        best: the best trial.
        model: its trained model.
        monitor: the figure searched by.
        space: what was chosen from.
        stopped: why the search ended before its last trial, or "".
    """

    trials: tuple[Trial, ...]
    best: Trial
    model: Model
    monitor: str
    space: dict[str, Dimension]
    stopped: str
    _study: Any

    @property
    def params(self) -> dict[str, Any]:
        """What the best trial chose."""
        return self.best.params

    @property
    def value(self) -> float:
        """The best figure."""
        return self.best.value

    def importance(self) -> dict[str, float]:
        """How much each dimension mattered, adding up to 1; empty with few trials."""
        return studies.importance_of(self._study, self.space)

    def table(self) -> Table:
        """A row a trial."""
        return Table([{"trial": t.number, **t.params, self.monitor: t.value, "state": t.state, "seconds": t.seconds} for t in self.trials])

    def progress(self) -> Table:
        """The best figure so far after each trial."""
        best, sign, rows = math.nan, 1.0 if grows(self.monitor) else -1.0, []
        for t in self.trials:
            if not math.isnan(t.value) and t.state == "complete" and (math.isnan(best) or sign * t.value > sign * best):
                best = t.value
            rows.append({"trial": t.number, self.monitor: t.value, "best": best})
        return Table(rows)

    def curves(self) -> Table:
        """The monitored figure of every trial, epoch by epoch."""
        rows = [{"trial": t.number, "epoch": r["epoch"], self.monitor: r.get(self.monitor)} for t in self.trials for r in t.history.records]
        return Table(rows)

    def to_frame(self) -> pl.DataFrame:
        """A row a trial, as a Polars frame."""
        rows = [{**row, **{n: str(row[n]) for n in self.space if not isinstance(row.get(n), (int, float))}} for row in self.table()]
        return Table(rows).to_frame()

    def __str__(self) -> str:
        counts = {s: sum(t.state == s for t in self.trials) for s in ("complete", "pruned", "stopped", "failed")}
        said = ", ".join(f"{n} {s}" for s, n in counts.items() if n)
        chosen = "\n".join(f"  {name} = {_short(value)}" for name, value in self.params.items())
        matter = "".join(f"\n  {name} {share:.0%}" for name, share in self.importance().items())
        return (
            f"{len(self.trials)} trials ({said}); best {self.monitor} {self.value:.4f}, trial {self.best.number}:\n{chosen}"
            + (f"\nwhat mattered:{matter}" if matter else "")
            + (f"\nended early: {self.stopped}" if self.stopped else "")
        )

    __repr__ = __str__


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


@dataclass(frozen=True)
class Search:
    """How to search; see `data_search.tune`."""

    trials: int
    method: str
    pruner: str
    monitor: str
    study: Path | None
    resume: bool
    time_limit: float | None
    workers: int
    seed: int | None
    told: Callable[[Trial], None] | None
    begin: float = field(default_factory=time.monotonic)  # the time limit counts from here

    def __post_init__(self) -> None:
        if isinstance(self.trials, bool) or not isinstance(self.trials, int) or self.trials < 1:
            raise ArgumentError(f"trials is {self.trials!r}, expected a whole number from 1 on")
        if self.time_limit is not None and not self.time_limit > 0:
            raise ArgumentError(f"time_limit is {self.time_limit!r}, expected seconds above 0")


def tune_model(
    model: Model | Build, x: Any, y: Any, space: Mapping[str, Any] | None, how: Search, validation: Any, training: dict[str, Any]
) -> Tuning:
    """See `data_search.tune`, of a pattern or a function that builds models."""
    if x is None or y is None:
        raise ArgumentError("x and y are missing", fix="tune(model, x, y, space=...)")
    chosen = space_of(space or {})
    build = _varied(model, chosen) if isinstance(model, Model) else model
    options = fit_options(training)
    pattern = model if isinstance(model, Model) else _first(build, chosen)
    corpus = Corpus(pattern, x, y, training.get("sample_weight"))
    rows, test = np.arange(corpus.rows), None
    if isinstance(validation, (int, float)):
        split = hold_out(corpus.rows if corpus.labels is None else corpus.labels, float(validation), seed=pattern.seed)
        rows, test = split.train, split.test
    else:
        options = replace(options, validation=validation)
    how = replace(how, seed=pattern.seed if how.seed is None else how.seed)
    return search(build, corpus, rows, test, options, chosen, how)


# -- models from what was chosen -----------------------------------------------------------------------------------------


def _first(build: Build, space: dict[str, Dimension]) -> Model:
    """A model of the middle of the space, to check the data with."""
    made = build({name: getattr(d, "values", None)[0] if hasattr(d, "values") else d.grid(3)[1] for name, d in space.items()})  # type: ignore[index]
    if not isinstance(made, Model):
        raise ArgumentError(f"the function to tune gave a {type(made).__name__}", fix="return an untrained Model")
    return made


def _varied(pattern: Model, space: dict[str, Dimension]) -> Build:
    """A function from what was chosen to a model like the pattern."""
    optimizer = pattern.optimizer
    own = [f.name for f in fields(optimizer) if f.metadata.get("number") or f.name == "learning_rate"]
    for name in space:
        if name not in own and name not in (*TRAINING, "optimizer"):
            raise unknown_name("dimension of the search", name, [*own, *TRAINING, "optimizer"])

    def build(params: dict[str, Any]) -> Model:
        given = optim.get(params["optimizer"]) if "optimizer" in params else optimizer
        return pattern.clone(optimizer=with_numbers(given, params))

    return build


def with_numbers(optimizer: optim.Optimizer, params: Mapping[str, Any]) -> optim.Optimizer:
    """An optimizer with numbers that were chosen, as far as it has them; a schedule keeps its shape."""
    changes = {n: v for n, v in params.items() if n in {f.name for f in fields(optimizer)} and n != "optimizer"}
    rate = optimizer.learning_rate
    if "learning_rate" in changes and callable(rate):
        peak = "max_lr" if hasattr(rate, "max_lr") else "initial_learning_rate"
        if not hasattr(rate, peak):
            raise ArgumentError(f"the optimizer has the schedule {rate!r}, whose height cannot be searched", fix="give it a number")
        changes["learning_rate"] = replace(rate, **{peak: changes["learning_rate"]})
    return replace(optimizer, **changes)


def shared(model: Model, space: Mapping[str, Any]) -> Model:
    """The model with an optimizer whose searched numbers stand in its state, so that trials share its compiled step."""
    optimizer = model.optimizer
    names = [n for n in ADJUSTABLE if n in space and isinstance(getattr(optimizer, n, None), (int, float))]
    rate = optimizer.learning_rate
    if callable(rate) and hasattr(rate, "max_lr"):
        names.append("learning_rate.max_lr")
    if model._built is not None or not names:
        return model
    return model.clone(optimizer=replace(optimizer, adjustable=tuple(dict.fromkeys([*optimizer.adjustable, *names]))))


# -- the search ----------------------------------------------------------------------------------------------------------


class _Report(Callback):
    """Tells a study how a trial goes, and ends it when the study calls it hopeless.

    Args:
        trial, monitor, lock: whom to tell what, one thread at a time.
        every: epochs between two reports, each of which may write to a disk; 0 for none.
    """

    def __init__(self, trial: Any, monitor: str, lock: threading.Lock, every: int) -> None:
        self.trial, self.monitor, self.lock, self.every = trial, monitor, lock, every
        self.model: Any = None
        self.pruned = False
        self.begun = time.monotonic()
        self.start = 0.0  # seconds until the first native call had ended: tracing, planning, compiling

    def monitors(self) -> list[str]:
        return [self.monitor]

    def on_progress(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self.start = self.start or time.monotonic() - self.begun

    def on_epoch_end(self, epoch: int, logs: dict[str, Any]) -> None:
        self.on_progress(0)
        value = float(logs[self.monitor])
        self.pruned = not math.isfinite(value)
        if not self.pruned and self.every and (epoch + 1) % self.every == 0:
            with self.lock:
                self.trial.report(value, epoch + 1)
                self.pruned = self.trial.should_prune()
        if self.pruned:
            self.model.stop_training = "the search gave it up"


@dataclass(frozen=True)
class _Done:
    """What a trial left."""

    model: Model
    history: History
    value: float
    state: str
    seconds: float


def search(
    build: Build, corpus: Corpus, rows: Array, test: Array | None, options: Options, space: dict[str, Dimension], how: Search,
    changes: Changes | None = None,
) -> Tuning:  # fmt: skip
    """Run a search; see `data_search.tune`.

    Args:
        build: from what was chosen to an untrained model.
        corpus, rows, test: data, rows to train on, rows that judge (None: the options name others).
        options: of each training, as far as nothing else is chosen.
        space, how: what to choose, and how.
        changes: from what was chosen to options of the training; None takes those of `TRAINING`.
    """
    store = studies.Store(how.study, resume=how.resume)
    try:
        study = studies.open_study(
            store, space, method=how.method, pruner=how.pruner, grows=grows(how.monitor), seed=how.seed or 0, epochs=options.epochs,
            monitor=how.monitor,
        )  # fmt: skip
        with studies.kept_in(store):
            return _Searching(build, corpus, rows, test, options, space, how, changes or _changes, study).run()
    finally:
        store.close()


def _changes(params: dict[str, Any]) -> dict[str, Any]:
    return {name: params[name] for name in TRAINING if name in params}


class _Searching:
    """One search from its first trial to its last. Optuna is asked and told by one thread, in the order of the trials."""

    def __init__(
        self, build: Build, corpus: Corpus, rows: Array, test: Array | None, options: Options, space: dict[str, Dimension], how: Search,
        changes: Changes, study: Any,
    ) -> None:  # fmt: skip
        self.changes = changes
        self.build, self.corpus, self.rows, self.test, self.options = build, corpus, rows, test, options
        self.space, self.how, self.study = space, how, study
        self.sign = 1.0 if grows(how.monitor) else -1.0
        self.halt, self.lock, self.crowd, self.library = Halt(), threading.Lock(), settings.Crowd(), Library()
        self.done: dict[int, Trial] = {}
        self.starts: deque[float] = deque(maxlen=2 * how.workers)  # seconds that the last trials took to begin
        self.best: tuple[float, _Done] | None = None
        self.states = studies.optuna().trial.TrialState

    def run(self) -> Tuning:
        how = self.how
        left = how.trials - sum(t.state in (self.states.COMPLETE, self.states.PRUNED) for t in self.study.get_trials(deepcopy=False))
        timer = None
        if how.time_limit is not None:
            timer = threading.Timer(max(how.time_limit - (time.monotonic() - how.begin), 0.0), self._time_is_up)
            timer.daemon = True
            timer.start()
            threading.Thread(target=studies.load_importance, daemon=True).start()  # seconds that would come after the time is up
        waiting: deque[tuple[Any, dict[str, Any], Future[_Done]]] = deque()
        try:
            with ThreadPoolExecutor(how.workers, "saltus-trial") as pool:
                try:
                    while waiting or (left > 0 and not self.halt.why):
                        while left > 0 and len(waiting) < how.workers and not self.halt.why:
                            if waiting and self._too_late():
                                break
                            trial = self._ask()
                            if trial is None:
                                left = 0
                                break
                            params = {name: d.suggest(trial, name) for name, d in self.space.items()}
                            waiting.append((trial, params, pool.submit(self._train, trial, params)))
                            left -= 1
                        if waiting:
                            self._tell(*waiting.popleft())
                        if not waiting and self._too_late():
                            self._time_is_up()
                except BaseException:
                    self.halt.why = self.halt.why or "interrupted"
                    raise
        except KeyboardInterrupt as stopped:
            kept = "" if how.study is None else f"; {how.study} has the trials so far, resume goes on from there"
            raise Interrupted(f"the search was stopped after {len(self.done)} trials{kept}", how.study) from stopped
        finally:
            if timer is not None:
                timer.cancel()
        return self._result()

    def _too_late(self) -> bool:
        """Whether the time left would end before a new trial could begin to learn."""
        limit = self.how.time_limit
        return limit is not None and limit - (time.monotonic() - self.how.begin) < max(self.starts, default=0.0)

    def _time_is_up(self) -> None:
        self.halt.why = TRUNCATED

    def _ask(self) -> Any:
        """The next trial; None where a grid has no more."""
        with self.lock:
            if self.how.method == "grid":
                points = math.prod(len(d.grid(studies.GRID_POINTS)) for d in self.space.values())
                failed = self.states.FAIL
                if sum(t.state != failed for t in self.study.get_trials(deepcopy=False)) >= points:
                    return None
            return self.study.ask()

    def _train(self, trial: Any, params: dict[str, Any]) -> _Done:
        """One training, on a thread of its own."""
        with self.crowd.member(), using(self.library):
            every = 0 if self.how.pruner == "none" else max(1, params.get("epochs", self.options.epochs) // REPORTS)
            report = _Report(trial, self.how.monitor, self.lock, every)
            made = self.trained(params, report)
            self.starts.append(report.start)
            return made

    def trained(self, params: dict[str, Any], report: _Report | None) -> _Done:
        """Train with what was chosen."""
        begin, monitor = time.monotonic(), self.how.monitor
        given = self.build(params)
        model = shared(given, self.space)
        options = replace(self.options, **self.changes(params))
        keep = EarlyStopping(monitor=monitor, patience=max(options.epochs, 1), restore_best_weights=True)
        # the keeper comes after the user's own: what they stop by ends the trial, its best weights stay
        callbacks = [keep, *([] if report is None else [report])]
        history = self.corpus.train(model, self.rows, options, test=self.test, halt=self.halt, callbacks=callbacks)
        values = [v for v in (float(r.get(monitor, math.nan)) for r in history.records) if math.isfinite(v)]
        value = self.sign * max((self.sign * v for v in values), default=math.nan) if values else math.nan
        cut = history.stopped == self.halt.why and bool(self.halt.why)
        state = "failed" if not values else "stopped" if cut else "pruned" if report is not None and report.pruned else "complete"
        return _Done(model, copy.copy(history), value, state, time.monotonic() - begin)

    def _tell(self, trial: Any, params: dict[str, Any], future: Future[_Done]) -> None:
        """Wait for a trial and tell the study."""
        made = future.result()
        states = {"complete": self.states.COMPLETE, "pruned": self.states.PRUNED, "stopped": self.states.PRUNED, "failed": self.states.FAIL}
        with self.lock:
            self.study.tell(trial, made.value if made.state == "complete" else None, state=states[made.state])
        record = Trial(trial.number, params, made.value, made.state, made.history, made.seconds)
        self.done[trial.number] = record
        # a trial that was cut short counts only while nothing better is known
        if made.state != "failed" and (self.best is None or self._rank(made) > self.best[0]):
            self.best = (self._rank(made), made)
            self.best_number = trial.number
        if self.how.told is not None:
            self.how.told(record)

    def _rank(self, made: _Done) -> float:
        return self.sign * made.value

    def _result(self) -> Tuning:
        every = [self.done.get(t.number) or self._earlier(t) for t in self.study.get_trials(deepcopy=False)]
        usable = [t for t in every if not math.isnan(t.value)]
        if not usable:
            why = f"none of the {len(every)} trials gave a figure" + (f": {self.halt.why}" if self.halt.why else "")
            raise ArgumentError(why, fix="give more time, or a lower range of learning rates")
        best = max(usable, key=lambda t: (self.sign * t.value, -t.number))
        if self.best is not None and self.best_number == best.number:
            model = self.best[1].model
        else:  # found in an earlier session: the same settings give the same weights
            self.halt = Halt()
            with using(self.library):
                model = self.trained(best.params, None).model
        return Tuning(tuple(every), best, model, self.how.monitor, self.space, self.halt.why, self.study)

    def _earlier(self, trial: Any) -> Trial:
        """A trial of an earlier session."""
        names = {self.states.COMPLETE: "complete", self.states.PRUNED: "pruned"}
        value = trial.value if trial.value is not None and trial.state == self.states.COMPLETE else math.nan
        seconds = trial.duration.total_seconds() if trial.duration is not None else math.nan
        return Trial(trial.number, studies.values_of(trial.params, self.space), value, names.get(trial.state, "failed"), History(), seconds)


__all__ = ["Search", "Trial", "Tuning", "search", "shared", "tune_model", "with_numbers"]
