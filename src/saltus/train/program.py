"""Compiled programs of a task, on flat lists of arrays: many training steps in one call, one step,
evaluation, prediction.

The state of a training is one list of arrays whose memory the programs overwrite, so a call costs no more
Python than the list is long. `step.py` says what is computed; this file says in which calls.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from saltus.backend.base import compile_graph
from saltus.base import dtypes as dt
from saltus.base import tree
from saltus.nn.augmentation import sample_keys
from saltus.tensor import random
from saltus.tensor.creation import arange
from saltus.tensor.indexing import take
from saltus.tensor.jit import jit
from saltus.tensor.loop import scan
from saltus.tensor.manipulation import reshape
from saltus.tensor.storage import fresh
from saltus.tensor.tensor import Tensor, of_array
from saltus.train import step as steps
from saltus.train.augment import Augmenter
from saltus.train.step import Task

Array = np.ndarray[Any, Any]
Run = Callable[[Sequence[Array]], list[Array]]


def compiled(name: str, function: Callable[[list[Tensor]], list[Tensor]], inputs: Sequence[Tensor], donate: int = 0) -> Run:
    """A function from Tensors to Tensors as a program from arrays to arrays.

    Args:
        name: for messages and reports.
        function: what to compute.
        inputs: Tensors of the shapes and types that will come.
        donate: so many of the first inputs are overwritten; results of the same shape and type take their
            memory over.
    """

    def program(first: list[Tensor], rest: list[Tensor]) -> list[Tensor]:
        return function([*first, *rest])

    program.__qualname__ = name
    lowered = jit(program, donate=(0,)).lower(list(inputs[:donate]), list(inputs[donate:]))
    run = compile_graph(lowered.inputs, lowered.outputs, donate=lowered.donated, name=name)
    if not lowered.captured:
        return run

    def with_captured(arrays: Sequence[Array]) -> list[Array]:
        return run([*arrays, *lowered.captured])

    with_captured.executable = run  # type: ignore[attr-defined]
    return with_captured


def short_way(run: Any, state: list[Array], key: Array, names: Sequence[str]) -> Callable[[Any, Any], dict[str, float] | None] | None:
    """A training step of (x, y) without what need be done only once, or None where the program does not allow it.

    Args:
        run: a program of `Programs.one` for a batch of two arrays.
        state: what it trains; the list may change later.
        key: for random numbers.
        names: of the results after the state.

    Returns:
        A function that gives the results by name, or None for a batch that is not what the program was made for.
    """
    if not hasattr(run, "short_way") or not run.in_place(len(state)):
        return None
    results = [np.empty(shape, dtype) for shape, dtype in run.results[len(state) :]]
    short = run.short_way([*state, *results])
    if short is None:
        return None
    named = list(zip(names, results, strict=True))

    def step(x: Any, y: Any) -> dict[str, float] | None:
        if short([*state, key, x, y]):
            return {name: result.item() for name, result in named}
        return None

    return step


def own_arrays(values: Any) -> list[Array]:
    """The values of a tree of Tensors in arrays that nobody else holds."""
    made = [v for v in tree.leaves(values) if isinstance(v, Tensor)]
    drawn = iter(fresh([v.node for v in made if v._array is None]))
    return [next(drawn) if v._array is None else v._values().copy() for v in made]


class Feed:
    """Arrays that programs read, in a tree.

    Args:
        values: a tree of arrays and Tensors; they are used as they are, not copied.
    """

    def __init__(self, values: Any) -> None:
        self.tree = values
        self.tensors = [v if isinstance(v, Tensor) else of_array(v, dt.as_dtype(v.dtype)) for v in tree.leaves(values)]
        self.arrays: list[Array] = [t._values() for t in self.tensors]
        paths = tuple(tree.format_path(p) for p, _ in tree.paths(values))
        self.form = (paths, tuple((t.shape, t.dtype.name) for t in self.tensors))

    def rebuilt(self, values: list[Tensor]) -> Any:
        """The tree with other leaves."""
        return tree.unflatten(self.tree, values)


CAPTURING = threading.RLock()  # one thread at a time makes graphs


@dataclass(frozen=True)
class Change:
    """An augmentation at work.

    Attributes:
        how: what it does.
        key: of the epoch.
        first: place of the first sample in the order of the epoch.
    """

    how: Augmenter
    key: Array
    first: int


class Library:
    """Programs that several models share: those of equal networks, goals and optimizers, whatever their weights, rates
    and `Optimizer.adjustable` numbers.
    """

    def __init__(self) -> None:
        self._held: dict[Any, Programs] = {}

    def programs(self, task: Task, state: steps.State, step: steps.Step) -> Programs:
        """Those of an earlier model of the same form, or new ones."""
        form = tuple((tree.format_path(p), t.shape, t.dtype.name) for p, t in tree.paths(state))
        key = (replace(task, optimizer=task.optimizer.structure(), description=None), form, step)
        try:
            hash(key)
        except TypeError:  # a network that holds arrays or the like cannot be recognised
            return Programs(task, state, step)
        with CAPTURING:
            if key not in self._held:
                self._held[key] = Programs(task, state, step)
            return self._held[key]


_library: ContextVar[Library | None] = ContextVar("library", default=None)


@contextmanager
def using(library: Library) -> Iterator[Library]:
    """Models built in this block share their programs through a library."""
    mark = _library.set(library)
    try:
        yield library
    finally:
        _library.reset(mark)


def programs_of(task: Task, state: steps.State, step: steps.Step) -> Programs:
    """Programs of a task, from the library in use if there is one."""
    library = _library.get()
    return Programs(task, state, step) if library is None else library.programs(task, state, step)


class Programs:
    """The programs of a task, each compiled when it is first needed.

    Args:
        task: what is trained.
        state: its first state; shapes and types count.
        step: the training step.
    """

    def __init__(self, task: Task, state: steps.State, step: steps.Step = steps.train_step) -> None:
        self.task, self.step = task, step
        self.shapes = [of_array(np.empty(t.shape, t.dtype.numpy), t.dtype) for t in tree.leaves(state)]
        self.form = tree.unflatten(state, self.shapes)  # keeps none of its values
        self.zeros = steps.first_totals(task) if task.goals else {}
        self.first_totals = [of_array(a, t.dtype) for a, t in zip(own_arrays(self.zeros), tree.leaves(self.zeros), strict=True)]
        self.names = task.names()
        self.paths = [p for p, _ in tree.paths(state)]
        self.used = [i for i, p in enumerate(self.paths) if p[0] in ("params", "frozen", "state")]
        self.clock = [
            i for i, p in enumerate(self.paths)
            if p in (("step",), ("optimizer", "learning_rate")) or p[:2] == ("optimizer", "adjustable")
        ]  # fmt: skip
        self._made: dict[Any, Any] = {}
        self._seconds = threading.local()

    @property
    def compiling(self) -> float:
        """Seconds this thread has spent on making programs so far, or on waiting until another had made them."""
        return getattr(self._seconds, "spent", 0.0)

    def _get(self, kind: Any, make: Callable[[], Any]) -> Any:
        """A program that was made before, or is made now."""
        if kind not in self._made:
            begin = time.perf_counter()
            with CAPTURING:
                if kind not in self._made:
                    self._made[kind] = make()
            self._seconds.spent = self.compiling + time.perf_counter() - begin
        return self._made[kind]

    def new_totals(self) -> list[Array]:
        """Totals before the first batch."""
        return [t._values().copy() for t in self.first_totals]

    def _state(self, values: list[Tensor]) -> Any:
        return tree.unflatten(self.form, values)

    # -- many steps in one call ----------------------------------------------------------------------------------------

    def train(self, state: list[Array], totals: list[Array], key: Array, rows: Array, feed: Feed, change: Change | None = None) -> float:
        """Train on rows[t] of the feed in step t; state and totals are replaced in place.

        Args:
            state, totals: before and after.
            key: of random numbers in the network.
            rows: (steps, batch).
            feed: the data.
            change: augmentation.

        Returns:
            Seconds it took, without compiling.
        """
        how, drawn = (None, []) if change is None else (change.how, [change.key, np.asarray(change.first, np.int64)])
        run = self._get(("train", rows.shape, rows.dtype.char, feed.form, how), lambda: self._train(rows, feed, how))
        begin = time.perf_counter()
        made = run([*state, *totals, key, rows, *drawn, *feed.arrays])
        state[:], totals[:] = made[: len(state)], made[len(state) :]
        return time.perf_counter() - begin

    def _train(self, rows: Array, feed: Feed, how: Augmenter | None = None) -> Run:
        n, m, drawn = len(self.shapes), len(self.first_totals), 0 if how is None else 2
        losses = [goal.loss for goal in self.task.goals]

        def function(values: list[Tensor]) -> list[Tensor]:
            key, order, data = values[n + m], values[n + m + 1], feed.rebuilt(values[n + m + 2 + drawn :])
            numbers = None if how is None else values[n + m + 3] + reshape(arange(rows.size), rows.shape)

            def body(carry: Any, own: Any) -> Any:
                (picked, places), (state, sums) = own if how is not None else (own, None), carry
                batch = tree.map(lambda a: take(a, picked, axis=0), data)
                if how is not None:
                    widths = [v.shape[-1] if len(v.shape) > 1 else 1 for v in tree.leaves(self.task.description.output)]
                    batch = how(batch, sample_keys(values[n + m + 2], places), losses, widths)
                state, seen = self.step(self.task, state, batch, random.fold_in(key, state["step"]))
                return (state, steps.tally(self.task, sums, seen)), None

            start = (self._state(values[:n]), tree.unflatten(self.zeros, values[n : n + m]))
            after, _ = scan(body, start, order if how is None else (order, numbers))
            return tree.leaves(after)

        extra = [] if how is None else [random.key(0), of_array(np.zeros((), np.int64), dt.int64)]
        inputs = [*self.shapes, *self.first_totals, random.key(0), _like(rows), *extra, *feed.tensors]
        return compiled("training", function, inputs, donate=n + m)

    def arena(self, batch_size: int, feed: Feed) -> int | None:
        """Bytes that a training step on so many rows takes besides the state, by its plan; None where the engine states none."""
        rows = np.zeros((1, batch_size), np.int32)
        run = self._get(("train", rows.shape, rows.dtype.char, feed.form, None), lambda: self._train(rows, feed))
        plan = getattr(getattr(run, "executable", run), "plan", None)
        return None if plan is None else int(plan.arena)

    def test(self, state: list[Array], totals: list[Array], rows: Array, feed: Feed) -> None:
        """Add rows[t] of the feed, batch by batch, to totals, which are replaced in place."""
        run = self._get(("test", rows.shape, rows.dtype.char, feed.form), lambda: self._test(rows, feed))
        totals[:] = run([*totals, *[state[i] for i in self.used], rows, *feed.arrays])

    def _test(self, rows: Array, feed: Feed) -> Run:
        m, n = len(self.first_totals), len(self.used)

        def function(values: list[Tensor]) -> list[Tensor]:
            order, data, state = values[m + n], feed.rebuilt(values[m + n + 1 :]), self._inference(values[m : m + n])

            def body(sums: Any, picked: Tensor) -> Any:
                batch = tree.map(lambda a: take(a, picked, axis=0), data)
                return steps.tally(self.task, sums, steps.test_step(self.task, state, batch)), None

            after, _ = scan(body, tree.unflatten(self.zeros, values[:m]), order)
            return tree.leaves(after)

        inputs = [*self.first_totals, *[self.shapes[i] for i in self.used], _like(rows), *feed.tensors]
        return compiled("evaluation", function, inputs, donate=m)

    def report(self, state: list[Array], totals: list[Array]) -> tuple[dict[str, float], float]:
        """Loss and metrics by name from totals, and the learning rate of the last step."""
        m = len(self.first_totals)

        def function(values: list[Tensor]) -> list[Tensor]:
            own = self._clock(values[m:])
            rate = self.task.optimizer.rate(own["optimizer"], own["step"] - 1)
            return [*steps.report(self.task, tree.unflatten(self.zeros, values[:m])), rate]

        inputs = [*self.first_totals, *[self.shapes[i] for i in self.clock]]
        run = self._get("report", lambda: compiled("report", function, inputs))
        *values, rate = [float(v) for v in run([*totals, *[state[i] for i in self.clock]])]
        return dict(zip(self.names, values, strict=True)), rate

    def _clock(self, values: Sequence[Any]) -> Any:
        """Step and what the learning rate comes from, as in the state."""
        own: dict[str, Any] = {"optimizer": {}}
        for place, value in zip(self.clock, values, strict=True):
            *words, last = self.paths[place]
            inner = own
            for word in words:
                inner = inner.setdefault(word, {})
            inner[last] = value
        return own

    def clock_of(self, state: list[Array]) -> Any:
        """Step and learning rate of a state, as in its tree."""
        return self._clock([of_array(state[i].copy(), self.shapes[i].dtype) for i in self.clock])

    def _inference(self, values: list[Tensor]) -> Any:
        """The parts of the state that the network itself needs."""
        part = {k: self.form[k] for k in ("frozen", "params", "state")}
        return tree.unflatten(part, values)

    # -- one batch -----------------------------------------------------------------------------------------------------

    def one(self, feed: Feed) -> Run:
        """A program (state, key, batch) -> (state, loss and metrics of the batch)."""
        n = len(self.shapes)

        def function(values: list[Tensor]) -> list[Tensor]:
            state, batch = self._state(values[:n]), feed.rebuilt(values[n + 1 :])
            state, seen = self.step(self.task, state, batch, random.fold_in(values[n], state["step"]))
            totals = steps.tally(self.task, steps.first_totals(self.task), seen)
            return [*tree.leaves(state), *steps.report(self.task, totals)]

        inputs = [*self.shapes, random.key(0), *feed.tensors]
        return self._get(("one", feed.form), lambda: compiled("training step", function, inputs, donate=n))  # type: ignore[no-any-return]

    def test_one(self, feed: Feed) -> Run:
        """A program (network's part of the state, batch) -> loss and metrics of the batch."""
        n = len(self.used)

        def function(values: list[Tensor]) -> list[Tensor]:
            seen = steps.test_step(self.task, self._inference(values[:n]), feed.rebuilt(values[n:]))
            return steps.report(self.task, steps.tally(self.task, steps.first_totals(self.task), seen))

        inputs = [*[self.shapes[i] for i in self.used], *feed.tensors]
        return self._get(("test one", feed.form), lambda: compiled("evaluation of a batch", function, inputs))  # type: ignore[no-any-return]

    def predict(self, feed: Feed) -> tuple[Run, Any]:
        """A program (network's part of the state, inputs) -> outputs, and the tree of their types."""
        n = len(self.used)
        form: list[Any] = []

        def function(values: list[Tensor]) -> list[Tensor]:
            applied = steps.run_network(self.task, self._inference(values[:n]), feed.rebuilt(values[n:]))
            form.append(tree.map(lambda v: v.dtype, applied.output))
            return tree.leaves(applied.output)

        inputs = [*[self.shapes[i] for i in self.used], *feed.tensors]
        return self._get(("predict", feed.form), lambda: (compiled("prediction", function, inputs), form[-1]))  # type: ignore[no-any-return]


def _like(array: Array) -> Tensor:
    return of_array(array, dt.as_dtype(array.dtype))
