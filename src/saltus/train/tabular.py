"""From a raw table to a model that takes raw rows: split, encode, build a network, train, judge. Above
`model` and `data`.

    model = fit_table("customers.csv", "churned")
    model.predict("new.csv")
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from saltus import nn, optim
from saltus.base.errors import ArgumentError, DataError, ModelFileError, unknown_name
from saltus.data import EncodedTable, Table, TableEncoder, read_table, split_rows
from saltus.train.callbacks import Callback, EarlyStopping
from saltus.train.model import Model, load
from saltus.train.plan import training_plan
from saltus.train.record import History
from saltus.train.scores import classification_scores, regression_scores

Array = np.ndarray[Any, Any]

_KIND = "table"


@dataclass(frozen=True)
class TableOptions:
    """How a table is learnt; the defaults suit most tables.

    Attributes:
        task: "classification" or "regression"; None finds it from the target.
        overrides: how single columns are read, by name; see `TableEncoder.fit`.
        encoder: a TableEncoder with other options, not fitted yet.
        test: share of the rows held out to judge the result, another table for that, or None.
        validation: share of the rest by which training is stopped and the best weights are chosen; 0 for
            none.
        network: a network of one's own; it gets numbers (N, F) and categories (N, C), or what there is of
            the two.
        hidden: units of the hidden layers; None chooses by the number of rows.
        activation: of the hidden layers.
        dropout: share of hidden units left out in training.
        optimizer: name or optimizer; one given as an object keeps its own rate.
        learning_rate: the highest rate.
        schedule: "one_cycle" rises and falls over the epochs; "constant" stays.
        weight_decay: see `sl.optim.Optimizer`.
        batch_size: rows of a batch; None chooses by the number of rows.
        epochs: at most; None chooses by the number of rows.
        patience: epochs without a better validation loss after which the training ends; None chooses by the number of epochs.
        balanced: every class counts the same in all, however rare.
        seed: of split, weights, order and dropout.
        callbacks: further ones.
        verbose: as in `Model.fit`.
        checkpoint, checkpoint_seconds, resume: as in `Model.fit`.
        told: called with the fitted encoder before the training begins, to show what was done to the table.
    """

    task: str | None = None
    overrides: Mapping[str, Any] | None = None
    encoder: TableEncoder | None = None
    test: Any = 0.2
    validation: float = 0.1
    network: nn.Layer | None = None
    hidden: Sequence[int] | None = None
    activation: Any = "relu"
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
    told: Callable[[TableEncoder], None] | None = None


@dataclass(frozen=True)
class Judgement:
    """Figures on some rows beside those of predicting nothing in particular.

    Attributes:
        rows: their number.
        scores: accuracy, balanced_accuracy, log_loss, auc (of two classes); or rmse, mae, r2 in the target's
            unit.
        baseline: the same for always giving the training rows' class shares, or their mean.
    """

    rows: int
    scores: dict[str, float]
    baseline: dict[str, float]


@dataclass(eq=False)
class TabularModel:
    """A network with the encoder of its table: raw rows in, labels or values out.

    Attributes:
        model: the network.
        encoder: how raw rows become its inputs.
        history: the record of the training.
        trivial: share of each class in the training rows, or (their mean,): what the baseline predicts.
        rows: numbers of rows by part: "train", "validation", "test".
        scores, baseline: figures on the test rows (on the validation rows when there are none, or else on
            the training rows), beside those of the baseline; see `Judgement`.
    """

    model: Model
    encoder: TableEncoder
    history: History = field(default_factory=History)
    trivial: tuple[float, ...] = ()
    rows: dict[str, int] = field(default_factory=dict)
    scores: dict[str, float] = field(default_factory=dict)
    baseline: dict[str, float] = field(default_factory=dict)

    @property
    def target(self) -> str:
        """Name of the column that is predicted."""
        assert self.encoder.target is not None
        return self.encoder.target.name

    @property
    def measured_on(self) -> str:
        """The part of the rows that `scores` were measured on."""
        return next(part for part in ("test", "validation", "train") if self.rows.get(part) or part == "train")

    @property
    def task(self) -> str:
        """ "classification" or "regression"."""
        return str(self.encoder.task)

    @property
    def classes(self) -> tuple[Any, ...]:
        """Labels of the classes, in the order of `predict_proba`."""
        return self.encoder.classes

    def predict(self, source: Any) -> Array:
        """The most probable label of each row, or its value.

        Args:
            source: rows as they are: a file, frame, dict of columns or list of dicts, without the target or
                with it.

        Returns:
            Labels (N,), or float64 values (N,).

        Raises:
            DataError: a column is missing, or a cell cannot be read; both named.
        """
        return self.encoder.decode_target(self.outputs(self.encoder.transform(source, target=False)))

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

    def evaluate(self, source: Any) -> Judgement:
        """Figures on rows with a target, beside those of a trivial baseline.

        Args:
            source: as for `predict`, with the target.

        Raises:
            DataError: a column is missing, a cell cannot be read, or no row has a target.
        """
        return self.judge(self.encoder.transform(source, target=True))

    def outputs(self, table: EncodedTable) -> Array:
        """What the network says of encoded rows: probabilities (N, classes), or standardised values (N,)."""
        if not len(table):
            return np.zeros((0, len(self.classes)) if self.classes else (0,), np.float32)
        made = self.model.predict(_inputs(table))
        return _probabilities(made) if self.classes else made  # type: ignore[no-any-return]

    def judge(self, table: EncodedTable) -> Judgement:
        """As `evaluate`, of encoded rows."""
        if table.target is None or not len(table):
            raise DataError(f"no row has a value of the target {self.target!r}", fix="use rows whose target is known")
        outputs, trivial = self.outputs(table), np.asarray(self.trivial)
        if self.classes:
            always = np.tile(trivial, (len(table), 1))
            return Judgement(len(table), classification_scores(table.target, outputs), classification_scores(table.target, always))
        true = self.encoder.decode_target(table.target)
        found = self.encoder.decode_target(outputs)
        return Judgement(len(table), regression_scores(true, found), regression_scores(true, np.full(len(true), trivial[0])))

    def save(self, path: str | Path) -> None:
        """Write model and encoder to one file.

        Raises:
            StorageError: it cannot be written; an older file of that name is unharmed.
        """
        self.model.preprocessing = {
            "kind": _KIND,
            "encoder": self.encoder.to_config(),
            "trivial": list(self.trivial),
            "rows": self.rows,
            "scores": self.scores,
            "baseline": self.baseline,
        }
        self.model.save(path)

    @classmethod
    def load(cls, path: str | Path) -> TabularModel:
        """The model that `save` wrote.

        Raises:
            StorageError: there is no such file.
            ModelFileError: it is damaged, or not the model of a table.
        """
        return cls.of_model(load(path), str(path))

    @classmethod
    def of_model(cls, model: Model, name: str) -> TabularModel:
        """The table's side of a model that was loaded.

        Args:
            model: what `sl.load` gave.
            name: of its file, for messages.

        Raises:
            ModelFileError: it was not trained on a table.
        """
        kept = model.preprocessing
        if not isinstance(kept, dict) or kept.get("kind") != _KIND:
            raise ModelFileError(
                f"{name} holds a network that was not trained on a table", fix="open it with sl.load, and predict on arrays"
            )
        try:
            encoder = TableEncoder.from_config(kept["encoder"])
            return cls(model, encoder, model.history, tuple(kept["trivial"]), kept["rows"], kept["scores"], kept["baseline"])
        except KeyError as error:
            raise ModelFileError(f"{name} is damaged: its description lacks {error}", fix="take another copy, or save it again") from error

    def __repr__(self) -> str:
        figures = ", ".join(f"{k}={v:.4g}" for k, v in self.scores.items())
        return f"TabularModel({self.task}, {self.rows.get('train', 0):,} rows{', ' + figures if figures else ''})"


def fit_table(source: Any, target: str | None = None, options: TableOptions | None = None, **changes: Any) -> TabularModel:
    """Train a network on a table.

    The rows are split first; everything that is learnt from data (how columns are read, rescaled and
    numbered, too) is learnt from the training part only.

    Args:
        source: anything `read_table` takes: a CSV, Parquet, JSON lines or Arrow file, a frame, a dict of
            columns.
        target: the column to predict; None takes the last one.
        options: how; None for the defaults.
        changes: single options by name.

    Returns:
        The trained model, with its figures on the held-out rows.

    Raises:
        UnknownNameError: no such column or option; the nearest names are in the message.
        DataError: the table or its target cannot be learnt from.
        Interrupted: Ctrl-C or SIGTERM came; the checkpoint is written when there is a folder for it.

    Example:
        >>> from saltus.data import sets
        >>> model = fit_table(sets.path("penguins"), "species", verbose=0)
        >>> model.scores["accuracy"] > model.baseline["accuracy"]
        True
    """
    known = [f.name for f in fields(TableOptions)]
    for name in changes:
        if name not in known:
            raise unknown_name("option", name, known)
    options = replace(options or TableOptions(), **changes)
    table = read_table(source)
    target = chosen_target(table, target)
    train, held, test = _parts(table, target, options)
    encoder = options.encoder if options.encoder is not None else TableEncoder(text_width=_text_width(train.frame.height))
    learnt = encoder.fit_transform(train, target, task=options.task, overrides=options.overrides)
    checked = None if held is None else encoder.transform(held, target=True)
    judged = None if test is None else encoder.transform(test, target=True)
    if options.told is not None:
        options.told(encoder)
    made = TabularModel(_model(encoder, learnt, options), encoder, trivial=_trivial(encoder, learnt))
    made.rows = {"train": len(learnt), "validation": len(checked or ()), "test": len(judged or ())}
    made.history = _train(made.model, learnt, checked, options, classes=bool(encoder.classes))
    result = made.judge(judged or checked or learnt)
    made.scores, made.baseline = result.scores, result.baseline
    return made


def chosen_target(table: Table, target: str | None) -> str:
    """The column to predict: the named one, else the last.

    Raises:
        UnknownNameError: no column of that name.
        DataError: there are no two columns.
    """
    columns = table.frame.columns
    if len(columns) < 2:
        what = f"one column, {columns[0]!r}" if columns else "no columns"
        raise DataError(f"{table.name} has {what}: there is nothing to predict from", fix="check how its columns are separated")
    if target is not None and target not in columns:
        raise unknown_name("target column", target, columns)
    return columns[-1] if target is None else target


def _parts(table: Table, target: str, options: TableOptions) -> tuple[Table, Table | None, Table | None]:
    """Rows to train on, to validate on and to judge by, drawn with the same share of every class."""
    frame = table.frame

    def share_off(rows: Array, share: float, seed: int) -> tuple[Array, Array]:
        stratify = {"classification": True, "regression": False, None: None}.get(options.task)
        kept, off = split_rows(frame[target][rows].to_numpy(), share, seed=seed, stratify=stratify)
        return rows[np.sort(kept)], rows[np.sort(off)]

    def part(rows: Array) -> Table:
        return Table(frame[rows], table.name, table.notes)

    rows, test, held = np.arange(frame.height), None, None
    if isinstance(options.test, (int, float)) and not isinstance(options.test, bool):
        if options.test:
            rows, off = share_off(rows, float(options.test), options.seed)
            test = part(off)
    elif options.test is not None:
        test = read_table(options.test)
    if options.validation:
        rows, off = share_off(rows, options.validation, options.seed + 1)
        held = part(off)
    return part(rows), held, test


def _text_width(rows: int) -> int:
    """Features of a free text that so many rows can fill: more of them only learn the training rows by heart."""
    return int(min(128, max(8, 2 ** round(np.log2(max(rows, 1) / 20)))))


def _inputs(table: EncodedTable) -> Any:
    """Numbers and categories, or what there is of the two."""
    parts = tuple(a for a in (table.numbers, table.categories) if a.shape[1])
    return parts if len(parts) > 1 else parts[0]


def _sizes(rows: int, options: TableOptions) -> tuple[int | str, int]:
    """Batch size and epochs: small tables get small batches and many epochs, so that there are enough
    updates.
    """
    size = options.batch_size or min(1024, max(32, 2 ** round(np.log2(max(rows, 1) / 200))))
    if options.epochs is not None:
        return size, options.epochs
    return size, int(min(300, max(20, -(-4000 // training_plan(rows, size).iterations))))


def _model(encoder: TableEncoder, table: EncodedTable, options: TableOptions) -> Model:
    """An untrained model for an encoded table."""
    size, epochs = _sizes(len(table), options)
    network = options.network
    if network is None:
        layers: list[nn.Layer] = [nn.TableInput(table.cardinalities, names=_unique(table.category_names))]
        for units in _widths(len(table)) if options.hidden is None else options.hidden:
            layers += [nn.Dense(int(units), activation=options.activation), nn.Dropout(options.dropout)]
        layers += [nn.Dense(len(encoder.classes))] if encoder.classes else [nn.Dense(1), nn.Reshape(())]
        network = nn.Sequential(layers)
    loss = "sparse_categorical_crossentropy" if encoder.classes else "mse"
    optimizer = _optimizer(options, training_plan(len(table), size, epochs).updates)
    metrics = ["accuracy"] if encoder.classes else ["mae"]
    return Model(network, loss=loss, optimizer=optimizer, metrics=metrics, seed=options.seed)


def _widths(rows: int) -> tuple[int, ...]:
    """Hidden layers that so many rows can fill."""
    return (64, 32) if rows < 5_000 else (128, 64)


def _unique(names: Sequence[str]) -> list[str]:
    """Names for paths of parameters: no slashes, none twice."""
    made: list[str] = []
    for name in names:
        clean = name.replace("/", "_") or "column"
        while clean in made:
            clean += "_"
        made.append(clean)
    return made


def _optimizer(options: TableOptions, updates: int) -> optim.Optimizer:
    if not isinstance(options.optimizer, str):
        return optim.get(options.optimizer)
    if options.schedule not in ("one_cycle", "constant"):
        raise unknown_name("schedule", options.schedule, ("one_cycle", "constant"))
    cycle = options.schedule == "one_cycle" and updates > 10
    rate: Any = optim.OneCycleLR(options.learning_rate, updates) if cycle else options.learning_rate
    decay = {} if options.weight_decay is None else {"weight_decay": options.weight_decay}
    return replace(optim.get(options.optimizer), learning_rate=rate, **decay)


def _train(model: Model, table: EncodedTable, checked: EncodedTable | None, options: TableOptions, *, classes: bool) -> History:
    size, epochs = _sizes(len(table), options)
    callbacks = list(options.callbacks)
    if checked is not None and len(checked):
        callbacks.insert(0, EarlyStopping(patience=options.patience or max(10, epochs // 10), restore_best_weights=True))
    return model.fit(
        _inputs(table),
        table.target,
        epochs=epochs,
        batch_size=size,
        validation=(_inputs(checked), checked.target) if checked is not None and len(checked) else None,
        class_weight="balanced" if options.balanced and classes else None,
        callbacks=callbacks,
        verbose=options.verbose,
        checkpoint=options.checkpoint,
        checkpoint_seconds=options.checkpoint_seconds,
        resume=options.resume,
        seed=options.seed,
    )


def _trivial(encoder: TableEncoder, learnt: EncodedTable) -> tuple[float, ...]:
    """The classes' shares in the training rows, or their mean."""
    assert learnt.target is not None
    if encoder.classes:
        return tuple((np.bincount(learnt.target, minlength=len(encoder.classes)) / len(learnt)).tolist())
    return (float(np.mean(encoder.decode_target(learnt.target))),)


def _probabilities(scores: Array) -> Array:
    """The network's scores as probabilities, unless they are (a network of one's own may end with a
    softmax).
    """
    if len(scores) and scores.min() >= 0 and np.abs(scores.sum(axis=1) - 1).max() < 1e-4:
        return scores
    shifted = np.exp(scores - scores.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)
