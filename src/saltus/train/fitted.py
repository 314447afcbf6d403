"""What every kind of data has in common on its way from a file to a model: options, the training itself, figures
beside a trivial baseline, files. Above `model`, below `tabular`, `images` and whatever else data can be.

A kind of data brings an encoder, fitted on the training part: it turns what users have into arrays
(`transform`), and what the network says back into labels or values (`decode_target`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self, TypeVar

import numpy as np

from saltus import nn, optim
from saltus.base import tree
from saltus.base.errors import ArgumentError, DataError, ModelFileError, unknown_name
from saltus.data.lazy import LazyModule
from saltus.data.normalise import shortest
from saltus.data.seen import share_seen, sketch
from saltus.data.spool import SpooledRows
from saltus.data.supply import Rows
from saltus.data.window_rows import WindowRows
from saltus.train.callbacks import Callback, EarlyStopping
from saltus.train.ensembles import distill, train_ensemble
from saltus.train.model import Model, load
from saltus.train.plan import training_plan
from saltus.train.presets import prepared, wanted
from saltus.train.record import History
from saltus.train.scores import classification_scores, confusions, regression_scores
from saltus.train.sources import Source, source_of
from saltus.train.streamed_ensembles import streamed_ensemble

if TYPE_CHECKING:
    import polars as pl
else:
    pl = LazyModule("polars")

Array = np.ndarray[Any, Any]

_MANY_SEEN = 0.1  # share of samples that were trained on, from which an evaluation says so
_AT_ONCE = 1024  # samples that are read and predicted at a time, where they are not in memory


class Report(Protocol):
    """What was found in data and done to them: text for people, plain values for files."""

    def __str__(self) -> str: ...
    def facts(self) -> dict[str, Any]: ...


class Encoded(Protocol):
    """Data as a network takes them.

    Attributes:
        inputs: an array, a tuple of them, or `Rows` or a `Source` that hold the targets too.
        target: class numbers or standardised values, a row a sample, or None where they are not known.
        notes: what was noticed.
    """

    target: Any
    notes: tuple[Any, ...]

    @property
    def inputs(self) -> Any: ...
    def __len__(self) -> int: ...


class Encoder(Protocol):
    """Turns data of a kind into arrays, and predictions back; kept in the model file."""

    @property
    def task(self) -> Any: ...
    @property
    def classes(self) -> tuple[Any, ...]: ...
    def transform(self, source: Any, *, target: bool | None = None) -> Any: ...
    def decode_target(self, predictions: Any) -> Array: ...
    def describe(self) -> Report: ...
    def to_config(self) -> dict[str, Any]: ...


@dataclass(frozen=True)
class FitOptions:
    """How a network is trained on any kind of data; the defaults suit most.

    Attributes:
        test: share of the samples held out to judge the result, other data for that, or None.
        validation: share of the rest by which training is stopped and the best weights are chosen; 0 for
            none.
        network: a network of one's own.
        dropout: share of units left out in training.
        optimizer: name or optimizer; one given as an object keeps its own rate.
        learning_rate: the highest rate.
        schedule: "one_cycle" rises and falls over the epochs, "cosine" rises shortly and falls along a
            cosine; "constant" stays.
        weight_decay: see `sl.optim.Optimizer`.
        batch_size: samples of a batch; None chooses by their number.
        epochs: at most; None chooses by the number of samples.
        patience: epochs without a better validation loss after which the training ends; None chooses by
            the number of epochs.
        balanced: every class counts the same in all, however rare.
        seed: of split, weights, order and dropout.
        callbacks: further ones.
        verbose: as in `Model.fit`.
        checkpoint, checkpoint_seconds, resume: as in `Model.fit`.
        told: called with the fitted encoder before the training begins, to show what was done to the data.
        judged: called at the end with the encoded samples that the figures are from, and the judgement with what the
            network says of them.
        ensemble: train several networks and let them answer as one: "bagging", "adaboost", "boosting" (of the
            gradient), "snapshot", "averaging" (of the weights along one training), "voting" or "stacking"; None trains
            one network.
        members: networks of the ensemble.
        distill: teach one network what the ensemble says, and keep that one.
        ema: keep a moving average of the weights, of which so large a share stays at each step (such as 0.999; less where
            there are few steps): it is what is validated and kept.
        augment: changes of the training samples, by names (see `presets.names`) with commas between, or as for
            `Model.fit`.
    """

    test: Any = 0.2
    validation: float = 0.1
    network: nn.Layer | None = None
    dropout: float = 0.1
    optimizer: Any = "adamw"
    learning_rate: float = 1e-3
    schedule: str = "one_cycle"
    weight_decay: float | None = None
    batch_size: int | str | None = None
    epochs: int | None = None
    patience: int | None = None
    balanced: bool = False
    seed: int = 0
    callbacks: Sequence[Callback] = ()
    verbose: int | str = "auto"
    checkpoint: str | Path | None = None
    checkpoint_seconds: float = 10.0
    resume: bool = False
    told: Callable[[Any], None] | None = None
    judged: Callable[[Any, Any], None] | None = None
    ensemble: str | None = None
    members: int = 10
    distill: bool = False
    ema: float | None = None
    augment: Any = None


Given = TypeVar("Given", bound=FitOptions)


def with_changes(options: Given, changes: dict[str, Any]) -> Given:
    """Options with single ones changed.

    Raises:
        UnknownNameError: no option of that name.
    """
    known = [f.name for f in fields(options)]
    for name in changes:
        if name not in known:
            raise unknown_name("option", name, known)
    return replace(options, **changes)


@dataclass(frozen=True)
class Judgement:
    """Figures on some samples beside those of predicting nothing in particular.

    Attributes:
        rows: their number.
        scores: accuracy, balanced_accuracy, log_loss, auc (of two classes); or rmse, mae, r2 in the target's
            unit.
        baseline: the same for always giving the training rows' class shares, or their mean.
        confused: which classes were taken for which others, (true, predicted, how many), the most frequent
            first.
        notes: what was noticed in the data.
        others: the same figures of further simple methods, by their names.
        true, said: what was judged: class numbers (N,) and probabilities (N, classes), or values (N,) twice; of series
            (N, horizons) twice.
    """

    rows: int
    scores: dict[str, float]
    baseline: dict[str, float]
    confused: tuple[tuple[Any, Any, int], ...] = ()
    notes: tuple[str, ...] = ()
    others: dict[str, dict[str, float]] = field(default_factory=dict)
    true: Array | None = field(default=None, repr=False, compare=False)
    said: Array | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True)
class Predictions:
    """Predictions as a table.

    Attributes:
        frame: a Polars frame: the prediction and, for classes, the probability of each.
        given: a frame with what there is to show of each sample beside it.
        notes: what was noticed in the data.
    """

    frame: pl.DataFrame
    given: pl.DataFrame
    notes: tuple[str, ...] = ()

    @property
    def beside(self) -> pl.DataFrame:
        """What was given with the predictions behind it; columns of the same name become "... (new)"."""
        taken = self.given.columns
        return self.given.hstack(self.frame.rename({c: f"{c} (new)" for c in self.frame.columns if c in taken}))


@dataclass(eq=False)
class Fitted:
    """A network with the encoder of its data: what users have in, labels or values out.

    Attributes:
        model: the network.
        encoder: how raw data become its inputs.
        history: the record of the training.
        trivial: share of each class in the training rows, or (their mean,): what the baseline predicts.
        rows: numbers of samples by part: "train", "validation", "test".
        scores, baseline: figures on the test part (on the validation part when there is none, or else on
            the training part), beside those of the baseline; see `Judgement`.
        confused, others: as in `Judgement`, of the same part.
        seen: by what samples of the training part are known again; see `data.seen`.
    """

    kind: ClassVar[str]  # the name under which `kinds` knows it, also in the model file
    title: ClassVar[str]  # "a table", for messages
    beside: ClassVar[str] = "baseline"  # what the figures stand beside
    encoders: ClassVar[Any]  # the class of its encoders; has `from_config`

    model: Model
    encoder: Any
    history: History = field(default_factory=History)
    trivial: tuple[float, ...] = ()
    rows: dict[str, int] = field(default_factory=dict)
    scores: dict[str, float] = field(default_factory=dict)
    baseline: dict[str, float] = field(default_factory=dict)
    confused: tuple[tuple[Any, Any, int], ...] = ()
    others: dict[str, dict[str, float]] = field(default_factory=dict)
    seen: str = ""

    @property
    def target(self) -> str:
        """Name of what is predicted."""
        raise NotImplementedError

    @property
    def at_once(self) -> int | None:
        """Samples that go through the network in one call; None leaves it to the model."""
        return None

    @property
    def measured_on(self) -> str:
        """The part of the samples that `scores` were measured on."""
        return next(part for part in ("test", "validation", "train") if self.rows.get(part) or part == "train")

    @property
    def task(self) -> str:
        """ "classification" or "regression"."""
        return str(self.encoder.task)

    @property
    def classes(self) -> tuple[Any, ...]:
        """Labels of the classes, in the order of `predict_proba`."""
        return tuple(self.encoder.classes)

    # -- using ---------------------------------------------------------------------------------------------------------

    def predict(self, source: Any) -> Array:
        """The most probable label of each sample, or its value.

        Args:
            source: data as they are, with or without what is to be predicted.

        Returns:
            Labels (N,), or float64 values (N,).

        Raises:
            DataError: something is missing or cannot be read; it is named.
        """
        return self.encoder.decode_target(self.outputs(self.encoder.transform(source, target=False)))  # type: ignore[no-any-return]

    def predict_proba(self, source: Any) -> Array:
        """The probability of each class.

        Args:
            source: as for `predict`.

        Returns:
            (N, classes), in the order of `classes`.

        Raises:
            ArgumentError: the target is a number.
        """
        if self.task != "classification":
            raise ArgumentError(f"{self.target!r} is a number: it has no classes, and so no probabilities", fix="use predict")
        return self.outputs(self.encoder.transform(source, target=False))

    def predictions(self, source: Any) -> Predictions:
        """Predictions as a table, beside what identifies each sample.

        Args:
            source: as for `predict`.

        Raises:
            DataError: as `predict`.
        """
        raise NotImplementedError

    def as_frame(self, outputs: Array) -> pl.DataFrame:
        """A frame with the prediction and, for classes, the probability of each."""
        said = self.encoder.decode_target(outputs)
        made: dict[str, Any] = {f"{self.target} (predicted)": (said if self.classes else shortest(said)).tolist()}
        for place, label in enumerate(self.classes):
            made[f"probability of {label}"] = outputs[:, place].astype(np.float64).round(6)
        return pl.DataFrame(made)

    def evaluate(self, source: Any) -> Judgement:
        """Figures on samples whose target is known, beside those of a trivial baseline.

        Args:
            source: as for `predict`, with the target.

        Raises:
            DataError: something is missing or cannot be read, or no sample has a target.
        """
        encoded = self.encoder.transform(source, target=True)
        judgement = self.judge(encoded)
        parts = next(_parts_of(encoded), None)
        coarse = any(change.action == "repeated rows" for change in getattr(self.encoder, "changes", ()))  # rows repeat by chance
        share = share_seen(self.seen, parts) if self.seen and parts and not coarse else 0.0
        if share < _MANY_SEEN:
            return judgement
        many = "all" if share > 0.995 else f"{'about ' if share < 0.95 else ''}{share:.0%}"
        text = f"{many} of these samples were trained on: the figures are better than they will be on new ones"
        return replace(judgement, notes=(*judgement.notes, text))

    def outputs(self, encoded: Encoded) -> Array:
        """What the network says of encoded samples: probabilities (N, classes), or standardised values."""
        if not len(encoded):
            return np.zeros((0, len(self.classes)) if self.classes else (0,), np.float32)
        if isinstance(encoded.inputs, Rows):
            parts = np.array_split(np.arange(len(encoded)), -(-len(encoded) // _AT_ONCE))
            made = np.concatenate([self.model.predict(encoded.inputs.take(part)[0], batch_size=self.at_once) for part in parts])
            return probabilities(made) if self.classes else made
        return self.outputs_of(encoded.inputs)

    def outputs_of(self, inputs: Any) -> Array:
        """As `outputs`, of arrays as the network takes them."""
        made = self.model.predict(inputs, batch_size=self.at_once)
        return probabilities(made) if self.classes else made  # type: ignore[no-any-return]

    def judge(self, encoded: Encoded) -> Judgement:
        """As `evaluate`, of encoded samples."""
        if encoded.target is None or not len(encoded):
            raise DataError(f"no row has a value of the target {self.target!r}", fix="use rows whose target is known")
        outputs, trivial = self.outputs(encoded), np.asarray(self.trivial)
        notes = tuple(str(note) for note in encoded.notes)
        if self.classes:
            scores = classification_scores(encoded.target, outputs)
            always = classification_scores(encoded.target, np.tile(trivial, (len(encoded), 1)))
            confused = tuple((self.classes[t], self.classes[p], n) for t, p, n in confusions(encoded.target, outputs.argmax(axis=1)))
            return Judgement(len(encoded), scores, always, confused, notes, true=np.asarray(encoded.target), said=outputs)
        true = self.encoder.decode_target(encoded.target)
        found = self.encoder.decode_target(outputs)
        always = regression_scores(true, np.full(len(true), trivial[0]))
        return Judgement(len(encoded), regression_scores(true, found), always, (), notes, true=true, said=found)

    def arranged(self, encoded: Encoded, inputs: Any, target: Any) -> Source | None:
        """What a training takes encoded samples from, where that is not simply their arrays in any order."""
        return None

    def describe(self) -> Report:
        """What the model predicts from, and how the data are prepared."""
        return self.encoder.describe()  # type: ignore[no-any-return]

    # -- making --------------------------------------------------------------------------------------------------------

    def learn(
        self, learnt: Encoded, checked: Encoded | None, test: Encoded | None, options: FitOptions, size: int | str, epochs: int
    ) -> None:
        """Train on one part, choose the epoch by the second, and keep the figures on the third."""
        self.model, self.history = _train(self, learnt, checked, options, size, epochs)
        self.judged_on(learnt, checked, test, options)

    def judged_on(self, learnt: Encoded, checked: Encoded | None, test: Encoded | None, options: FitOptions) -> None:
        """Take what is known once the network is trained: the parts' sizes, the baseline and the figures."""
        self.trivial = _trivial(self.encoder, learnt)
        self.seen = sketch(_parts_of(learnt))
        self.rows = {"train": len(learnt), "validation": len(checked or ()), "test": len(test or ())}
        self.settle(checked)
        part = test or checked or learnt
        judgement = self.judge(part)
        self.keep(judgement)
        if options.judged is not None:
            options.judged(part, judgement)

    def settle(self, checked: Encoded | None) -> None:
        """Choose what a kind of data chooses on the validation part once the network is trained."""

    def keep(self, result: Judgement) -> None:
        """Keep figures as the model's own."""
        self.scores, self.baseline, self.confused, self.others = result.scores, result.baseline, result.confused, result.others

    # -- keeping -------------------------------------------------------------------------------------------------------

    def save(self, path: str | Path) -> None:
        """Write model and encoder to one file.

        Raises:
            StorageError: it cannot be written; an older file of that name is unharmed.
        """
        self.model.preprocessing = {
            "kind": self.kind,
            "encoder": self.encoder.to_config(),
            "trivial": list(self.trivial),
            "rows": self.rows,
            "scores": self.scores,
            "baseline": self.baseline,
            "confused": [list(c) for c in self.confused],
            "others": self.others,
            "seen": self.seen,
        }
        self.model.save(path)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """The model that `save` wrote.

        Raises:
            StorageError: there is no such file.
            ModelFileError: it is damaged, or a model of something else.
        """
        return cls.of_model(load(path), str(path))

    @classmethod
    def of_model(cls, model: Model, name: str) -> Self:
        """The data's side of a model that was loaded.

        Args:
            model: what `sl.load` gave.
            name: of its file, for messages.

        Raises:
            ModelFileError: it was not trained on this kind of data.
        """
        kept = model.preprocessing
        if not isinstance(kept, dict) or kept.get("kind") != cls.kind:
            raise ModelFileError(
                f"{name} holds a network that was not trained on {cls.title}", fix="open it with sl.load, and predict on arrays"
            )
        try:
            encoder = cls.encoders.from_config(kept["encoder"])
            confused = tuple((t, p, n) for t, p, n in kept.get("confused", ()))
            figures = (kept["scores"], kept["baseline"], confused, kept.get("others", {}), kept.get("seen", ""))
            return cls(model, encoder, model.history, tuple(kept["trivial"]), kept["rows"], *figures)
        except KeyError as error:
            raise ModelFileError(f"{name} is damaged: its description lacks {error}", fix="take another copy, or save it again") from error

    def __repr__(self) -> str:
        figures = ", ".join(f"{k}={v:.4g}" for k, v in self.scores.items())
        return f"{type(self).__name__}({self.task}, {self.rows.get('train', 0):,} rows{', ' + figures if figures else ''})"


_SPAN = 5.0  # an average of weights spans at most one in so many updates
SCHEDULES = ("one_cycle", "cosine", "constant")


def optimizer_of(options: FitOptions, updates: int) -> optim.Optimizer:
    """The optimizer with its schedule over so many updates."""
    longest = 1.0 - min(1.0, _SPAN / max(updates, 1))  # a short training would keep its first weights in the average to the end
    average = {} if options.ema is None else {"use_ema": True, "ema_momentum": min(options.ema, longest)}
    if not isinstance(options.optimizer, str):
        return replace(optim.get(options.optimizer), **average)
    if options.schedule not in SCHEDULES:
        raise unknown_name("schedule", options.schedule, SCHEDULES)
    rate: Any = options.learning_rate
    if options.schedule == "one_cycle" and updates > 10:
        rate = optim.OneCycleLR(rate, updates)
    elif options.schedule == "cosine" and updates > 10:
        warm = max(1, min(updates // 10, 500))
        rate = optim.CosineDecay(0.0, updates - warm, alpha=0.0, warmup_target=rate, warmup_steps=warm)
    decay = {} if options.weight_decay is None else {"weight_decay": options.weight_decay}
    return replace(optim.get(options.optimizer), learning_rate=rate, **decay, **average)


def chosen_plan(rows: int, options: FitOptions, size: int, updates: int, low: int, high: int) -> tuple[int | str, int]:
    """Batch size and epochs: those asked for, else `size` and as many epochs as make `updates`, from `low` to `high`."""
    taken = options.batch_size or size
    if options.epochs is not None:
        return taken, options.epochs
    return taken, int(min(high, max(low, -(-updates // training_plan(rows, taken).iterations))))


def _train(
    made: Fitted, learnt: Encoded, checked: Encoded | None, options: FitOptions, size: int | str, epochs: int
) -> tuple[Model, History]:
    kind, model = made.kind, made.model
    if options.distill and options.ensemble is None:
        raise ArgumentError("distill teaches a network what an ensemble says, but there is none", fix="name one: --ensemble bagging")
    callbacks = list(options.callbacks)
    held = checked if checked is not None and len(checked) else None
    if held is not None:
        callbacks.insert(0, EarlyStopping(patience=options.patience or max(10, epochs // 10), restore_best_weights=True))
    streamed = isinstance(learnt.inputs, (Rows, Source))
    made_up = (learnt.inputs, learnt.target, wanted(kind, options.augment)[1])
    inputs, target, augment = made_up if streamed else prepared(kind, options.augment, learnt.inputs, learnt.target, options.seed)
    shared: dict[str, Any] = {
        "epochs": epochs, "batch_size": size, "validation": None if held is None else _given(held),
        "class_weight": "balanced" if options.balanced and made.classes else None, "callbacks": callbacks,
        "augment": augment,
    }  # fmt: skip
    if options.ensemble is not None and streamed:
        if options.distill:
            raise ArgumentError("distill needs its data in memory, but these are read while the training runs", fix="raise memory")
        source = made.arranged(learnt, inputs, target) or (source_of(inputs) if isinstance(inputs, Rows) else inputs)
        several = streamed_ensemble(options.ensemble, model, source, options.members, **shared)
        return several.model, several.history
    if options.ensemble is not None:
        many = train_ensemble(options.ensemble, model, inputs, target, options.members, **shared)
        if options.distill:
            pupil = distill(many, model, inputs, **{**shared, "class_weight": None}, verbose=options.verbose, seed=options.seed)
            return pupil, pupil.history
        return many.model, many.history
    source = made.arranged(learnt, inputs, target)
    if held is not None:
        shared["validation"] = made.arranged(held, held.inputs, held.target) or shared["validation"]
    history = model.fit(
        *((source,) if source is not None else (inputs,) if streamed else (inputs, target)),
        **shared,
        verbose=options.verbose,
        checkpoint=options.checkpoint,
        checkpoint_seconds=options.checkpoint_seconds,
        resume=options.resume,
        seed=options.seed,
    )
    return model, history


def _parts_of(encoded: Encoded) -> Iterator[list[Array]]:
    """The arrays of encoded samples by which they are known again, so many at a time; none of those that are dear to read."""
    inputs = encoded.inputs
    if isinstance(inputs, (SpooledRows, WindowRows)):
        pieces = (inputs.take(np.arange(at, min(at + _AT_ONCE, len(inputs)))) for at in range(0, len(inputs), _AT_ONCE))
    else:
        there = not isinstance(inputs, (Rows, Source)) and encoded.target is not None and len(encoded)
        pieces = iter([(inputs, encoded.target)] if there else [])
    return ([*(np.asarray(part) for part in tree.leaves(x)), np.asarray(y)] for x, y in pieces)


def _given(encoded: Encoded) -> Any:
    """Encoded samples as `Model.fit` takes them."""
    return encoded.inputs if isinstance(encoded.inputs, Rows) else (encoded.inputs, encoded.target)


def _trivial(encoder: Any, learnt: Encoded) -> tuple[float, ...]:
    """The classes' shares in the training part, or their mean."""
    if encoder.classes:
        return tuple((np.bincount(learnt.target, minlength=len(encoder.classes)) / len(learnt)).tolist())
    return (float(np.mean(encoder.decode_target(learnt.target))),)


def probabilities(scores: Array) -> Array:
    """The network's scores as probabilities, unless they are (a network of one's own may end with a
    softmax).
    """
    if len(scores) and scores.min() >= 0 and np.abs(scores.sum(axis=1) - 1).max() < 1e-4:
        return scores
    shifted = np.exp(scores - scores.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)
