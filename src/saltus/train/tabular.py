"""From a raw table to a model that takes raw rows: split, encode, build a network, train, judge. Above `model` and `data`.

    model = fit_table("customers.csv", "churned")
    model.predict("new.csv")
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from saltus import nn, optim
from saltus.base.errors import ArgumentError, ModelFileError, unknown_name
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
        validation: share of the rest by which training is stopped and the best weights are chosen; 0 for none.
        network: a network of one's own; it gets numbers (N, F) and categories (N, C), or what there is of the two.
        hidden: units of the hidden layers.
        activation: of the hidden layers.
        dropout: share of hidden units left out in training.
        optimizer: name or optimizer; one given as an object keeps its own rate.
        learning_rate: the highest rate.
        schedule: "one_cycle" rises and falls over the epochs; "constant" stays.
        weight_decay: see `sl.optim.Optimizer`.
        batch_size: rows of a batch; None chooses by the number of rows.
        epochs: at most; None chooses by the number of rows.
        patience: epochs without a better validation loss after which the training ends.
        balanced: every class counts the same in all, however rare.
        seed: of split, weights, order and dropout.
        callbacks: further ones.
        verbose: as in `Model.fit`.
        checkpoint, checkpoint_seconds, resume: as in `Model.fit`.
    """

    task: str | None = None
    overrides: Mapping[str, Any] | None = None
    encoder: TableEncoder | None = None
    test: Any = 0.2
    validation: float = 0.1
    network: nn.Layer | None = None
    hidden: Sequence[int] = (128, 64)
    activation: Any = "relu"
    dropout: float = 0.1
    optimizer: Any = "adamw"
    learning_rate: float = 1e-3
    schedule: str = "one_cycle"
    weight_decay: float | None = None
    batch_size: int | str | None = None
    epochs: int | None = None
    patience: int = 10
    balanced: bool = False
    seed: int = 0
    callbacks: Sequence[Callback] = ()
    verbose: int | str = "auto"
    checkpoint: str | Path | None = None
    checkpoint_seconds: float = 10.0
    resume: bool = False


@dataclass(eq=False)
class TableModel:
    """A network with the encoder of its table: raw rows in, labels or values out.

    Attributes:
        model: the network.
        encoder: how raw rows become its inputs.
        history: the record of the training.
        rows: numbers of rows by part: "train", "validation", "test".
        scores: figures on the held-out rows; empty when none were held out.
        baseline: the same figures for the most frequent class, or the mean.
    """

    model: Model
    encoder: TableEncoder
    history: History = field(default_factory=History)
    rows: dict[str, int] = field(default_factory=dict)
    scores: dict[str, float] = field(default_factory=dict)
    baseline: dict[str, float] = field(default_factory=dict)

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
            source: rows as they are: a file, frame, dict of columns or list of dicts, without the target or with it.

        Returns:
            Labels (N,), or float64 values (N,).

        Raises:
            DataError: a column is missing, or a cell cannot be read; both named.
        """
        return self.encoder.decode_target(self._outputs(self.encoder.transform(source, target=False)))

    def predict_proba(self, source: Any) -> Array:
        """The probability of each class.

        Args:
            source: as for `predict`.

        Returns:
            (N, classes), in the order of `classes`.
        """
        if self.task != "classification":
            raise ArgumentError("there are no probabilities in regression", fix="use predict")
        return _probabilities(self._outputs(self.encoder.transform(source, target=False)))

    def evaluate(self, source: Any) -> dict[str, float]:
        """Figures on rows with a target.

        Args:
            source: as for `predict`, with the target.

        Returns:
            accuracy, balanced_accuracy, log_loss, auc for classes; rmse, mae, r2 (in the target's unit) for values.
        """
        return self._judge(self.encoder.transform(source, target=True))

    def _outputs(self, table: EncodedTable) -> Array:
        if not len(table):
            return np.zeros((0, max(len(self.classes), 1)) if self.classes else (0,), np.float32)
        return self.model.predict(_inputs(table))  # type: ignore[no-any-return]

    def _judge(self, table: EncodedTable) -> dict[str, float]:
        outputs = self._outputs(table)
        assert table.target is not None
        if self.task == "classification":
            return classification_scores(table.target, _probabilities(outputs))
        return regression_scores(self.encoder.decode_target(table.target), self.encoder.decode_target(outputs))

    def save(self, path: str | Path) -> None:
        """Write model and encoder to one file.

        Raises:
            StorageError: it cannot be written; an older file of that name is unharmed.
        """
        self.model.preprocessing = {
            "kind": _KIND,
            "encoder": self.encoder.to_config(),
            "rows": self.rows,
            "scores": self.scores,
            "baseline": self.baseline,
        }
        self.model.save(path)

    @classmethod
    def load(cls, path: str | Path) -> TableModel:
        """The model that `save` wrote.

        Raises:
            StorageError: there is no such file.
            ModelFileError: it is damaged, or not the model of a table.
        """
        model = load(path)
        kept = model.preprocessing
        if not isinstance(kept, dict) or kept.get("kind") != _KIND:
            raise ModelFileError(f"{path} holds a network that was not trained on a table", fix="open it with sl.load")
        encoder = TableEncoder.from_config(kept["encoder"])
        return cls(model, encoder, model.history, dict(kept["rows"]), dict(kept["scores"]), dict(kept["baseline"]))

    def __repr__(self) -> str:
        figures = ", ".join(f"{k}={v:.4g}" for k, v in self.scores.items())
        return f"TableModel({self.task}, {self.rows.get('train', 0):,} rows{', ' + figures if figures else ''})"


def fit_table(source: Any, target: str, options: TableOptions | None = None, **changes: Any) -> TableModel:
    """Train a network on a table.

    The rows are split first; everything that is learnt from data (how columns are read, rescaled and numbered, too) is learnt
    from the training part only.

    Args:
        source: anything `read_table` takes: a CSV, Parquet, JSON lines or Arrow file, a frame, a dict of columns.
        target: the column to predict.
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
    if target not in table.frame.columns:
        raise unknown_name("target column", target, table.frame.columns)
    train, held, test = _parts(table, target, options)
    encoder = options.encoder if options.encoder is not None else TableEncoder()
    learnt = encoder.fit_transform(train, target, task=options.task, overrides=options.overrides)
    checked = None if held is None else encoder.transform(held, target=True)
    judged = None if test is None else encoder.transform(test, target=True)
    made = TableModel(_model(encoder, learnt, options), encoder)
    made.rows = {"train": len(learnt), "validation": len(checked or ()), "test": len(judged or ())}
    made.history = _train(made.model, learnt, checked, options, classes=bool(encoder.classes))
    if judged is not None and len(judged):
        made.scores, made.baseline = made._judge(judged), _trivial(encoder, learnt, judged)
    return made


def _parts(table: Table, target: str, options: TableOptions) -> tuple[Table, Table | None, Table | None]:
    """Rows to train on, to validate on and to judge by, drawn with the same share of every class."""
    frame = table.frame

    def share_off(rows: Array, share: float, seed: int) -> tuple[Array, Array]:
        values = frame[target][rows]
        classes = options.task != "regression" and values.n_unique() * 2 <= len(values)
        kept, off = split_rows(values.to_numpy() if classes else len(rows), share, seed=seed, stratify=True if classes else None)
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


def _inputs(table: EncodedTable) -> Any:
    """Numbers and categories, or what there is of the two."""
    parts = tuple(a for a in (table.numbers, table.categories) if a.shape[1])
    return parts if len(parts) > 1 else parts[0]


def _sizes(rows: int, options: TableOptions) -> tuple[int | str, int]:
    """Batch size and epochs: small tables get small batches and many epochs, so that there are enough updates."""
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
        for units in options.hidden:
            layers += [nn.Dense(int(units), activation=options.activation), nn.Dropout(options.dropout)]
        layers += [nn.Dense(len(encoder.classes))] if encoder.classes else [nn.Dense(1), nn.Reshape(())]
        network = nn.Sequential(layers)
    loss = "sparse_categorical_crossentropy" if encoder.classes else "mse"
    optimizer = _optimizer(options, training_plan(len(table), size, epochs).updates)
    metrics = ["accuracy"] if encoder.classes else ["mae"]
    return Model(network, loss=loss, optimizer=optimizer, metrics=metrics, seed=options.seed)


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
        callbacks.insert(0, EarlyStopping(patience=options.patience, restore_best_weights=True))
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


def _trivial(encoder: TableEncoder, learnt: EncodedTable, judged: EncodedTable) -> dict[str, float]:
    """The figures of always predicting the classes' shares, or the mean."""
    assert learnt.target is not None
    assert judged.target is not None
    if encoder.classes:
        shares = np.bincount(learnt.target, minlength=len(encoder.classes)) / len(learnt)
        return classification_scores(judged.target, np.tile(shares, (len(judged), 1)))
    mean = np.mean(encoder.decode_target(learnt.target))
    true = encoder.decode_target(judged.target)
    return regression_scores(true, np.full(len(true), mean))


def _probabilities(scores: Array) -> Array:
    """The network's scores as probabilities, unless they are (a network of one's own may end with a softmax)."""
    if len(scores) and scores.min() >= 0 and np.abs(scores.sum(axis=1) - 1).max() < 1e-4:
        return scores
    shifted = np.exp(scores - scores.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)
