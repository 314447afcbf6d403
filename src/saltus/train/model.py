"""`Model`: a network with its weights and everything needed to train, judge, use and keep it. Above
`program`, below `fit`.

A mutable convenience over pure parts: `nn` says what is computed, `step` what a training step is, `program`
compiles it. The weights live in arrays that training overwrites; whatever a model hands out is a copy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from saltus import nn, optim
from saltus.base import dtypes as dt
from saltus.base import tree
from saltus.base.elsewhere import missing
from saltus.base.errors import ArgumentError, ShapeError, unknown_name
from saltus.nn.layer import Declared
from saltus.nn.module import drawn
from saltus.tensor import random
from saltus.tensor.tensor import of_array
from saltus.train import arrays, fit, step, store
from saltus.train.callbacks import Callback, CallbackList
from saltus.train.given import PARTS, Given, with_given
from saltus.train.goals import check_names, goals_of
from saltus.train.plan import training_plan
from saltus.train.probing import Probing
from saltus.train.program import CAPTURING, Feed, Programs, own_arrays, programs_of, short_way
from saltus.train.record import History
from saltus.train.step import Task

Array = np.ndarray[Any, Any]

PREDICT_ROWS = 1024  # rows of one call of `predict`
EVALUATE_ROWS = 256  # rows of a batch of `evaluate`, when none are given


@dataclass(eq=False)
class Built:
    """What a model has once the shapes of its inputs are known."""

    specs: Any
    task: Task
    programs: Programs
    state: list[Array]


class Model(Probing):
    """A network that can be trained, judged, used and saved.

    Args:
        network: a layer, Sequential or Network.
        loss: name, Loss or function (y_true, y_pred) -> one number a sample; for several outputs a list or
            dict of them. None for a network that is only used.
        optimizer: name or optimizer.
        metrics: names, metrics or functions; for several outputs a dict or list of such lists.
        weighted_metrics: as `metrics`, but measured with sample and class weights.
        loss_weights: shares of the losses of several outputs, a list or dict.
        seed: of initial weights, order and dropout; the same seed gives the same result, bit for bit.
        preprocessing: plain values (JSON) that are kept with the model, such as `TableEncoder.to_config()`.
        train_step: a training step of one's own, (task, state, batch, key) -> (state, Seen); see
            `sl.train.train_step`.
        dtype: type of the weights and of what is computed with them: "float32" or "float64".

    Example:
        >>> import numpy as np
        >>> import saltus as sl
        >>> from saltus import nn
        >>> x = np.array([[0.0], [1.0], [2.0], [3.0]], "float32")
        >>> model = Model(nn.Sequential([nn.Dense(1)]), loss="mse", optimizer=sl.optim.SGD(0.1))
        >>> run = model.fit(x, 2 * x + 1, epochs=200, batch_size="full", verbose=0)
        >>> model.predict(np.array([[4.0]], "float32")).round(1)
        array([[9.]], dtype=float32)
    """

    def __init__(
        self,
        network: nn.Layer,
        *more: Any,
        loss: Any = None,
        optimizer: Any = "adam",
        metrics: Any = (),
        weighted_metrics: Any = (),
        loss_weights: Any = None,
        seed: int = 0,
        preprocessing: Any = None,
        train_step: step.Step = step.train_step,
        dtype: Any = "float32",
    ) -> None:
        if more or not isinstance(network, nn.Layer):
            got = ", ".join(type(v).__name__ for v in (network, *more))
            fix = "sl.Model(nn.Network(inputs, outputs), loss=...)" if more else "e.g. nn.Sequential([nn.Dense(3)])"
            raise ArgumentError(f"Model takes one network and then arguments by name, got {got}", fix=fix)
        check_names(loss, metrics, weighted_metrics)
        self.network, self.seed, self.preprocessing = network, seed, preprocessing
        self._loss, self._metrics, self._weighted = loss, metrics, weighted_metrics
        self._shares, self._train_step = loss_weights, train_step
        self.dtype = dt.as_dtype(dtype).name
        self.optimizer = optim.get(optimizer)
        self.history = History()
        self.stop_training: bool | str = False
        self._built: Built | None = None
        self._fast: dict[Any, Any] = {}
        self._short: Any = None  # train_on_batch for batches like the last one

    # -- building ------------------------------------------------------------------------------------------------------

    def build(self, x: Any, weights: Mapping[str, Any] | None = None) -> None:
        """Make the weights for inputs of a shape; `fit` and `predict` do it by themselves.

        Args:
            x: inputs, or nn.Spec with the batch first, a tuple of them for several.
            weights: what to begin with in place of drawn values, as `snapshot` gives it or as trees of arrays of that form:
                {"params": {"dense": {"kernel": ...}}}. A part that is left out is drawn.

        Raises:
            ShapeError, ArgumentError: they do not fit the network; the message names the layer.
        """
        given = x if any(isinstance(v, nn.Spec) for v in tree.leaves(x)) else arrays.as_tree(x, "x")
        specs = tree.map(lambda v: v if isinstance(v, nn.Spec) else nn.Spec(v.shape, v.dtype), given)
        inputs = specs if isinstance(specs, tuple) else (specs,)
        with CAPTURING:
            key = random.fold_in(random.key(self.seed), 1)
            variables, description = drawn(self.network, *inputs, key=key, dtype=self.dtype)
            task = Task(self.network, self._goals(description), self.optimizer, description)
            variables = variables if weights is None else with_given(variables, weights)
            self._take(specs, task, step.first_state(task, variables))

    def _take(self, specs: Any, task: Task, state: step.State) -> None:
        programs = programs_of(task, state, self._train_step)
        self._built = Built(specs, task, programs, own_arrays(state))
        self._fast, self._short = {}, None

    def _goals(self, description: nn.Description) -> tuple[step.Goal, ...]:
        return goals_of(description.output, loss=self._loss, shares=self._shares, metrics=self._metrics, weighted_metrics=self._weighted)

    def _need(self, x: Any = None) -> Built:
        """The built model, built for x now if it is not yet."""
        if self._built is None:
            declared = self.network.specs() if x is None and isinstance(self.network, Declared) else ()
            if x is None and not declared:
                raise ArgumentError(
                    "the model has no weights yet: the shapes of its inputs are not known",
                    fix="call fit, or build(x) first, or begin the network with nn.Input",
                )
            self.build(x if x is not None else declared[0] if len(declared) == 1 else declared)
        return self._built  # type: ignore[return-value]

    def _need_loss(self) -> None:
        if self._loss is None:
            raise ArgumentError("the model has no loss", fix='Model(network, loss="mse"), or whichever fits the task')

    def compile(self, optimizer: Any = None, loss: Any = None, *, metrics: Any = None, loss_weights: Any = None) -> None:
        """Change how the model is trained; its weights stay, the optimizer begins afresh.

        Args:
            optimizer, loss, metrics, loss_weights: as for Model; None keeps what there is.
        """
        self.optimizer = self.optimizer if optimizer is None else optim.get(optimizer)
        check_names(loss, metrics, ())
        self._loss = self._loss if loss is None else loss
        self._metrics = self._metrics if metrics is None else metrics
        self._shares = self._shares if loss_weights is None else loss_weights
        if self._built is not None:
            variables, old = self.variables, self._built
            goals = self._goals(old.task.description)
            task = Task(self.network, goals, self.optimizer, old.task.description)
            self._take(old.specs, task, step.first_state(task, variables))

    def clone(self, **changes: Any) -> Model:
        """A model of the same network and settings, without weights.

        Args:
            changes: arguments of Model that differ, such as seed=1.

        Example:
            >>> from saltus import nn
            >>> Model(nn.Sequential([nn.Dense(3)]), loss="mse").clone(seed=7).seed
            7
        """
        own = {
            "loss": self._loss, "optimizer": self.optimizer, "metrics": self._metrics, "weighted_metrics": self._weighted,
            "loss_weights": self._shares, "seed": self.seed, "preprocessing": self.preprocessing, "train_step": self._train_step,
            "dtype": self.dtype,
        }  # fmt: skip
        return Model(changes.pop("network", self.network), **{**own, **changes})

    # -- weights -------------------------------------------------------------------------------------------------------

    def state(self) -> step.State:
        """A copy of everything training changes, as a tree of Tensors: params, frozen, state, optimizer, step."""
        return self._copy()

    def _copy(self, *parts: str, state: list[Array] | None = None) -> step.State:
        """A copy of the whole state, or of some parts of it."""
        programs = self._need().programs
        form = {name: programs.form[name] for name in parts} if parts else programs.form
        places = [k for k, path in enumerate(programs.paths) if not parts or path[0] in parts]
        state = self._built.state if state is None else state  # type: ignore[union-attr]
        return tree.unflatten(form, [of_array(state[k].copy(), programs.shapes[k].dtype) for k in places])  # type: ignore[no-any-return]

    @property
    def variables(self) -> nn.Variables:
        """Parameters and state of the network, as `nn.apply` takes them. A copy."""
        own = self._copy(*PARTS)
        return nn.Variables(step.joined(own["params"], own["frozen"]), own["state"])

    @property
    def params(self) -> Any:
        """Parameters of the network, a tree of Tensors. A copy."""
        return self.variables.params

    def snapshot(self, *, averaged: bool = False) -> dict[str, Any]:
        """Parameters and state of the network to come back to: give it to `restore`.

        Args:
            averaged: while a training runs, the average that its optimizer keeps, where it keeps one.
        """
        return self._copy(*PARTS, state=fit.ending(self._need()) if averaged else None)

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Set parameters and state of the network.

        Args:
            snapshot: what `snapshot` returned, or trees of arrays of that form.

        Raises:
            ShapeError: an array has another shape, or there are more or fewer.
        """
        built, given = self._need(), Given({name: snapshot[name] for name in PARTS}, parted=True)
        paths, shapes, used = built.programs.paths, built.programs.shapes, built.programs.used
        values = [given.take(paths[k], shapes[k].shape, shapes[k].dtype) for k in used]
        given.finish()
        for place, value in zip(used, values, strict=True):
            built.state[place][...] = value  # in place: large weights are not held twice

    @property
    def learning_rate(self) -> float:
        """The learning rate of the next step; it can be set, unless the optimizer has a schedule."""
        built = self._need()
        own = built.programs.clock_of(built.state)
        return float(self.optimizer.rate(own["optimizer"], own["step"]))

    @learning_rate.setter
    def learning_rate(self, value: float) -> None:
        self.require_changeable_rate("the model")
        built = self._need()
        place = built.programs.paths.index(("optimizer", "learning_rate"))
        if not np.isfinite(value) or value < 0:
            raise ArgumentError(f"learning_rate is {value!r}, expected a number from 0 on")
        built.state[place] = np.asarray(value, np.float64)

    def require_changeable_rate(self, who: str) -> None:
        """Refuse to change the rate of an optimizer that has a schedule."""
        if callable(self.optimizer.learning_rate):
            raise ArgumentError(
                f"{who} cannot set the learning rate: the optimizer has the schedule {self.optimizer.learning_rate!r}",
                fix="give the optimizer a number, or leave this out",
            )

    # -- training ------------------------------------------------------------------------------------------------------

    def fit(
        self, x: Any, y: Any = None, *, target: str | None = None, steps_per_epoch: int | None = None, epochs: int = 1,
        batch_size: int | str = 32, validation: Any = None, shuffle: bool = True, class_weight: Any = None, sample_weight: Any = None,
        augment: Any = None, callbacks: Sequence[Callback] = (), verbose: int | str = "auto", checkpoint: str | Path | None = None,
        checkpoint_seconds: float = 10.0, resume: bool = False, initial_epoch: int = 0, seed: int | None = None, **others: Any,
    ) -> History:  # fmt: skip
        """Train the network.

        The same seed gives the same weights, bit for bit, for any number of threads, and also when the
        training was stopped and resumed in between.

        Args:
            x: inputs, samples along the first axis; a tuple or dict of arrays for several. They are used in
                their own type and not copied. Or a frame with the column `target`; and, read while the training
                runs: paths of Parquet, Arrow or CSV files with it, a folder of images by class, `sl.data.Rows`
                or `Blocks`, or a generator, iterable or function of batches; see `sl.data.Batches`.
            y: targets, one row a sample; an autoencoder takes x again. None where x holds them.
            target: the column of a frame or of files to predict.
            steps_per_epoch: batches of an epoch, of a generator.
            epochs: how often each sample is seen.
            batch_size: samples of an update; "full" for all of them. The last batch of an epoch may be
                smaller.
            validation: a share of the samples to hold out (drawn at random, classes in proportion), or (x,
                y) or (x, y, sample_weight), or what else x can be.
            shuffle: another order in each epoch; False keeps that of x. Files are mixed in blocks, and rows in a
                buffer of blocks; batches of a generator stay as they come.
            class_weight: {class: weight}, or "balanced" to give all classes the same weight together.
            sample_weight: a weight a sample, (N,).
            augment: changes of the samples, compiled into the training step, such as [nn.RandomFlip("horizontal"),
                nn.MixUp()]: augmentation layers, a tuple or dict of them for several inputs, or a function
                (x, y, key) -> (x, y) of Tensors. A sample's change follows from seed, epoch and its place in the
                order alone; there is none in validation and `evaluate`.
            callbacks: told what happens; see `sl.train.Callback`.
            verbose: 0 silent, 1 a bar on a terminal and lines elsewhere, 2 a line for every epoch, "auto" as
                1.
            checkpoint: a folder to keep the state of the training in.
            checkpoint_seconds: time between two checkpoints at least; one at the end, or when interrupted,
                comes in any case.
            resume: go on from the checkpoint, if there is one.
            initial_epoch: number of the first epoch, for a training that continues another.
            seed: of order and dropout; None takes the model's.
            others: Keras's validation_split and validation_data are taken for validation.

        Returns:
            The record of the epochs; also kept as `model.history`.

        Raises:
            DataError, ShapeError, DTypeError: the data do not fit; array, row and column are named.
            UnknownNameError: a callback monitors a name that will not be there.
            Interrupted: Ctrl-C or SIGTERM came; the checkpoint is written, and the model has the weights so
                far.
        """
        for name, value in others.items():
            if name not in ("validation_split", "validation_data"):
                raise unknown_name("argument of fit", name, [*fit.Options.__dataclass_fields__, "x", "y"])
            validation = value if validation is None else validation
        options = fit.Options(
            epochs=epochs, batch_size=batch_size, validation=validation, shuffle=shuffle, class_weight=class_weight,
            sample_weight=sample_weight, callbacks=tuple(callbacks), verbose=verbose,
            checkpoint=None if checkpoint is None else Path(checkpoint), checkpoint_seconds=checkpoint_seconds, resume=resume,
            initial_epoch=initial_epoch, seed=self.seed if seed is None else seed, steps_per_epoch=steps_per_epoch, target=target,
            augment=augment,
        )  # fmt: skip
        self.history = fit.fit(self, x, y, options)
        return self.history

    def train_on_batch(self, x: Any, y: Any = None, *, sample_weight: Any = None, augment: Any = None) -> dict[str, float]:
        """One training step.

        Args:
            x, y: the batch.
            sample_weight: a weight a sample, (N,).
            augment: changes of the samples, as for `fit`; they follow from seed and step alone.

        Returns:
            Loss and metrics of the batch, as measured in the step.
        """
        if augment is not None:
            self._need_loss()
            return fit.augmented_step(self, fit.gathered(self, x, y, sample_weight=sample_weight), augment)
        if self._short is not None and sample_weight is None:
            seen = self._short(x, y)
            if seen is not None:
                return seen  # type: ignore[no-any-return]
        run, batch = self._one("train", x, y, sample_weight)
        built = self._built
        if sample_weight is None and len(batch) == 2:
            self._short = short_way(run, built.state, self._key, built.programs.names)  # type: ignore[union-attr]
        made = run([*built.state, self._key, *batch])  # type: ignore[union-attr]
        count = len(built.state)  # type: ignore[union-attr]
        built.state[:] = made[:count]  # type: ignore[union-attr]
        return dict(zip(built.programs.names, [float(v) for v in made[count:]], strict=True))  # type: ignore[union-attr]

    def test_on_batch(self, x: Any, y: Any = None, *, sample_weight: Any = None) -> dict[str, float]:
        """Loss and metrics of a batch, without training.

        Args:
            x, y: the batch.
            sample_weight: a weight a sample, (N,).
        """
        run, batch = self._one("test", x, y, sample_weight)
        built = self._built
        made = run([*[built.state[i] for i in built.programs.used], *batch])  # type: ignore[union-attr]
        return dict(zip(built.programs.names, [float(v) for v in made], strict=True))  # type: ignore[union-attr]

    def _one(self, what: str, x: Any, y: Any, weight: Any) -> tuple[Any, list[Array]]:
        """The program of one batch, and the arrays of that batch; short, since it runs at every call."""
        if type(x) is np.ndarray and type(y) is np.ndarray and weight is None:
            run = self._fast.get((what, x.shape, x.dtype, y.shape, y.dtype))
            if run is not None and x.flags.c_contiguous and y.flags.c_contiguous:
                return run, [x, y]
        self._need_loss()
        batch = fit.gathered(self, x, y, sample_weight=weight)
        built = self._need(batch["x"])
        self._key = fit.step_key(self.seed)
        feed = Feed(batch)
        fit.check_shapes(self, built, batch)
        run = built.programs.one(feed) if what == "train" else built.programs.test_one(feed)
        if len(feed.arrays) == 2 and feed.arrays[0] is x and feed.arrays[1] is y:
            self._fast[what, x.shape, x.dtype, y.shape, y.dtype] = run
        return run, feed.arrays

    # -- judging and using ---------------------------------------------------------------------------------------------

    def evaluate(
        self, x: Any, y: Any = None, *, batch_size: int | str | None = None, sample_weight: Any = None,
        target: str | None = None, steps_per_epoch: int | None = None, callbacks: Sequence[Callback] = (),
    ) -> dict[str, float]:  # fmt: skip
        """Loss and metrics over data, exact over all of it.

        Args:
            x, y, target, steps_per_epoch: the data, as for `fit`.
            batch_size: rows of a batch; it does not change the result but for rounding.
            sample_weight: a weight a sample, (N,).
            callbacks: told by on_test_begin and on_test_end.

        Returns:
            name -> value.

        Raises:
            DataError, ShapeError: the data do not fit.
        """
        source = fit.judged(self, x, y, sample_weight, target, steps_per_epoch)
        told = CallbackList(callbacks, self)
        told.call("on_test_begin", {})
        logs = fit.measured(self._need(), source, batch_size or EVALUATE_ROWS)
        told.call("on_test_end", logs)
        return logs

    def predict(self, x: Any, *, batch_size: int | None = None, callbacks: Sequence[Callback] = ()) -> Any:
        """The network's results.

        Args:
            x: inputs.
            batch_size: rows of one call, at most 1024 when not given. The rows of a call do not influence
                each other.
            callbacks: told by on_predict_begin and on_predict_end.

        Returns:
            A NumPy array with a row a sample; a tuple or dict of them for several outputs.

        Raises:
            ShapeError: the inputs are of another width than in training.
        """
        told = CallbackList(callbacks, self)
        told.call("on_predict_begin", {})
        given = self._inputs(x)
        count = arrays.rows_of(arrays.named(given, "x"))
        size = PREDICT_ROWS if batch_size is None else training_plan(max(count, 1), batch_size).batch_size
        parts = []
        for begin in range(0, count, size):
            rows = min(size, count - begin)
            # a rest is filled up to a power of two, so that few programs serve every number of rows
            full = size if rows == size else min(size, 1 << (rows - 1).bit_length())
            piece = tree.map(lambda a, begin=begin, rows=rows, full=full: arrays.filled(a, begin, rows, full), given)
            made = self._predict(piece)
            parts.append(tree.map(lambda a, rows=rows: a[:rows], made))
        told.call("on_predict_end", {})
        return parts[0] if len(parts) == 1 else tree.map(lambda *pieces: np.concatenate(pieces), *parts)

    def predict_on_batch(self, x: Any) -> Any:
        """The network's results for one batch, in one call, with the least delay.

        Args:
            x: inputs; a C-ordered array of a shape that came before takes some microseconds.

        Returns:
            As `predict`.
        """
        if type(x) is np.ndarray:
            run = self._fast.get((x.shape, x.dtype))
            if run is not None and x.flags.c_contiguous:
                state = self._built.state  # type: ignore[union-attr]
                return run([*[state[i] for i in self._built.programs.used], x])[0]  # type: ignore[union-attr]
        given = self._inputs(x)
        made = self._predict(given)
        if given is x and isinstance(made, np.ndarray) and made.dtype != np.uint16:
            self._fast[x.shape, x.dtype] = self._need().programs.predict(Feed(x))[0]
        return made

    __call__ = predict_on_batch

    def _inputs(self, x: Any) -> Any:
        given = arrays.as_tree(x, "x")
        self._need(given)
        self._check_inputs(given)
        return given

    def _predict(self, given: Any) -> Any:
        built, feed = self._need(), Feed(given)
        run, form = built.programs.predict(feed)
        made = run([*[built.state[i] for i in built.programs.used], *feed.arrays])
        pairs = zip(made, tree.leaves(form), strict=True)
        return tree.unflatten(form, [dt.from_bfloat16(a) if d is dt.bfloat16 else a for a, d in pairs])

    def _check_inputs(self, given: Any) -> None:
        """Inputs must have the shapes the model was built for, but for the number of samples."""
        expected = list(tree.paths(self._need().specs))
        found = list(tree.paths(given))
        if [p for p, _ in expected] != [p for p, _ in found]:
            want = ", ".join(tree.format_path(p) for p, _ in expected) or "one array"
            got = ", ".join(tree.format_path(p) for p, _ in found) or "one array"
            raise ArgumentError(f"the model was built for the inputs {want}, got {got}", fix="pass inputs as in training")
        for place, ((path, spec), (_, array)) in enumerate(zip(expected, found, strict=True)):
            if tuple(array.shape[1:]) != tuple(spec.shape[1:]) or not array.shape:
                if self.takes(place, array.shape[1:]):
                    continue
                name = "x" + "".join(f"[{p!r}]" for p in path)
                want = ", ".join(["N", *map(str, spec.shape[1:])])
                fix = (
                    "for one sample add an axis: x[None]"
                    if tuple(array.shape) == tuple(spec.shape[1:])
                    else "pass the columns used in training"
                )
                raise ShapeError(f"{name} has the shape {tuple(array.shape)}, but the model was built for ({want})", fix=fix)

    def takes(self, place: int, lengths: Sequence[int | None]) -> bool:
        """Whether the network declares that an input may have these lengths, None standing for any: nn.Input((None,))."""
        if not isinstance(self.network, nn.Network) or place >= len(self.network.inputs):
            return False
        declared = self.network.inputs[place].shape
        return len(declared) == len(lengths) and all(d in (None, n) for d, n in zip(declared, lengths, strict=True))

    # -- keeping -------------------------------------------------------------------------------------------------------

    def save(self, path: str | Path, *, include_optimizer: bool = True) -> None:
        """Write the model to one file: network, weights, loss, metrics, optimizer with its state,
        preprocessing.

        Args:
            path: the file (safetensors with JSON in its header). It is replaced only when the new one is
                whole.
            include_optimizer: keep the optimizer's state too, so that training can go on exactly.

        Raises:
            StorageError: the disk is full, or the place cannot be written.
            ArgumentError: the network holds a function that no file can keep.

        Example:
            >>> import tempfile
            >>> from saltus import nn
            >>> model = Model(nn.Sequential([nn.Input((4,)), nn.Dense(3)]), loss="mse")
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     model.save(f"{folder}/iris.saltus")
            ...     load(f"{folder}/iris.saltus").network
            Sequential([InputLayer((4,)), Dense(3)])
        """
        store.save(self, Path(path), include_optimizer=include_optimizer)

    def save_weights(self, path: str | Path) -> None:
        """Write parameters and state of the network only.

        Args:
            path: the file.

        Raises:
            StorageError: it cannot be written.
        """
        store.save_weights(self, Path(path))

    def load_weights(self, path: str | Path) -> None:
        """Take parameters and state that `save_weights` or `save` wrote for the same network.

        Args:
            path: the file.

        Raises:
            ModelFileError: it is damaged or of another kind.
            ShapeError: its weights belong to another network.
        """
        self.restore(store.read_weights(Path(path)))

    def to_config(self) -> dict[str, Any]:
        """The model without its weights, as plain values."""
        return store.config_of(self)

    @property
    def count(self) -> int:
        """Number of parameters."""
        return int(self._need().task.description.count)

    def summary(self, batch_size: int = 32) -> nn.Summary:
        """Layers with shapes, parameters, operations and memory, see `nn.summary`; printed, it is a table.

        Example:
            >>> model = Model(nn.Sequential([nn.Input((4,)), nn.Dense(3)]))
            >>> model.build(nn.Spec((1, 4)))
            >>> model.summary().parameters
            15
        """
        built = self._need()
        inputs = built.specs if isinstance(built.specs, tuple) else (built.specs,)
        state_bytes = sum(a.nbytes for a in built.state)
        return nn.summary(self.network, *inputs, batch_size=batch_size).replace(state_bytes=state_bytes)

    def __getattr__(self, name: str) -> Any:
        raise missing("Model", name)

    def __repr__(self) -> str:
        built = "not built yet" if self._built is None else f"{self.count:,} parameters"
        return f"Model({self.network!r}, loss={self._loss!r}, {built})"


def load(path: str | Path) -> Model:
    """The network of a model file, without what stands around it; see `saltus.train.loading.load`.

    Args:
        path: the file, or the folder of a run.

    Raises:
        StorageError: there is no such file.
        ModelFileError: it is damaged, of a later version, or not a model of saltus.
    """
    return store.read_model(Path(path), Model)
