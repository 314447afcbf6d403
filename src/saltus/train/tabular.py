"""From a table to a trained network that predicts raw rows; above `model`, and `data` beside it.

The rows are split first; what the table needs is then learned from the training part alone and kept in the model file, so a prediction
reads, converts and rescales rows exactly as training did.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from saltus import nn, optim
from saltus.base.errors import ArgumentError, DataError, ModelFileError, unknown_name
from saltus.data import EncodedTable, TableEncoder, read_table, split_rows
from saltus.train.callbacks import Callback, EarlyStopping
from saltus.train.model import Model, load
from saltus.train.record import History

Array = np.ndarray[Any, Any]
_LEAST = 1e-7  # probabilities are kept this far from 0 in a logarithm


@dataclass
class TabularModel:
    """A network with the preparation of its table.

    Attributes:
        model: the network and its training.
        encoder: the fitted preparation.
        facts: rows used, target, baseline and the like: plain values.
    """

    model: Model
    encoder: TableEncoder
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def task(self) -> str:
        """ "classification" or "regression"."""
        return self.encoder.task or "regression"

    @property
    def target(self) -> str:
        """Name of the column that is predicted."""
        assert self.encoder.target is not None
        return self.encoder.target.name

    @property
    def history(self) -> History:
        return self.model.history

    def _outputs(self, table: EncodedTable) -> Array:
        return np.asarray(self.model.predict(_inputs(table)))

    def probabilities(self, source: Any) -> Array:
        """Probability of each class for raw rows, (N, classes), in the order of `encoder.classes`.

        Args:
            source: anything `read_table` takes.
        """
        if self.task != "classification":
            raise ArgumentError(f"{self.target!r} is a number, it has no classes")
        return _softmax(self._outputs(self.encoder.transform(source, target=False)))

    def predict(self, source: Any) -> Array:
        """Labels or values for raw rows, (N,).

        Args:
            source: anything `read_table` takes; the target column may be missing.

        Raises:
            DataError: columns are missing, or cells cannot be read; names them.
        """
        outputs = self._outputs(self.encoder.transform(source, target=False))
        return self.encoder.decode_target(outputs)

    def evaluate(self, source: Any) -> dict[str, float]:
        """Figures on raw rows whose target is known, each with that of a trivial baseline ("baseline_...").

        Args:
            source: anything `read_table` takes, with the target column.

        Returns:
            For classes: rows, accuracy, log_loss, f1 (mean over classes), for two classes roc_auc. For numbers: rows, rmse, mae, r2.
        """
        table = self.encoder.transform(source, target=True)
        if table.target is None or not len(table):
            raise DataError(f"no row has a value of the target {self.target!r}", fix="evaluate needs rows whose target is known")
        outputs = self._outputs(table)
        if self.task == "classification":
            return _classes_judged(_softmax(outputs), table.target, np.asarray(self.facts["class_shares"]))
        true = np.asarray(self.encoder.decode_target(table.target), np.float64)
        found = np.asarray(self.encoder.decode_target(outputs), np.float64)
        return _values_judged(found, true, float(self.facts["mean"]))

    def save(self, path: str | Path) -> None:
        """Write one file that holds network, weights and preparation; replaced whole or not at all."""
        self.model.preprocessing = {"kind": "table", "encoder": self.encoder.to_config(), "facts": self.facts}
        self.model.save(path)

    @classmethod
    def load(cls, path: str | Path) -> TabularModel:
        """Read such a file.

        Raises:
            ModelFileError: it is damaged, foreign, or holds a network without a table's preparation.
        """
        return cls.of_model(load(path), str(path))

    @classmethod
    def of_model(cls, model: Model, name: str) -> TabularModel:
        """The table side of a model that was loaded."""
        kept = model.preprocessing
        if not isinstance(kept, dict) or kept.get("kind") != "table":
            raise ModelFileError(f"{name} holds a network without the preparation of a table", fix="use sl.load and predict on arrays")
        return cls(model, TableEncoder.from_config(kept["encoder"]), kept["facts"])


def fit_table(
    source: Any,
    target: str | None = None,
    *,
    task: str | None = None,
    epochs: int = 50,
    batch_size: int | str | None = None,
    learning_rate: float = 1e-3,
    optimizer: str = "adamw",
    hidden: Sequence[int] | None = None,
    activation: str = "relu",
    dropout: float = 0.1,
    weight_decay: float = 4e-3,
    validation: float = 0.15,
    patience: int = 8,
    balanced: bool = False,
    overrides: dict[str, Any] | None = None,
    seed: int = 0,
    verbose: int | str = "auto",
    checkpoint: str | Path | None = None,
    resume: bool = False,
    callbacks: Sequence[Callback] = (),
    told: Any = None,
) -> TabularModel:
    """Train a network on a table.

    Args:
        source: anything `read_table` takes.
        target: column to predict; None takes the last one.
        task: "classification" or "regression"; None finds it from the target.
        epochs: passes over the data at most.
        batch_size: rows of a step, or "full"; None chooses by the number of rows.
        learning_rate, optimizer, weight_decay: of the training.
        hidden: widths of the hidden layers; None chooses by the number of rows.
        activation, dropout: of the hidden layers.
        validation: share of the rows held out to stop and to choose by; 0 for none.
        patience: epochs without a better validation loss after which the training ends; the best weights are kept.
        balanced: whether all classes weigh the same together.
        overrides: how single columns are read; see `TableEncoder.fit`.
        seed: of the split, the weights, the order and dropout.
        verbose, checkpoint, resume, callbacks: see `Model.fit`.
        told: called with the fitted encoder before the training, to show what was done to the table.

    Returns:
        The trained network with its preparation.

    Raises:
        DataError: the table cannot be read or learnt from.
        UnknownNameError: no column of the target's name.

    Example:
        >>> from saltus.data import sets
        >>> model = fit_table(sets.path("penguins"), "species", epochs=20, verbose=0)
        >>> model.evaluate(sets.path("penguins"))["accuracy"] > 0.9
        True
    """
    frame = read_table(source).frame
    target = chosen_target(frame.columns, target)
    train, held = _split(frame, target, validation, seed)
    encoder = TableEncoder()
    rows = encoder.fit_transform(frame[train], target, task=task, overrides=overrides)
    kept = encoder.transform(frame[held], target=True) if len(held) else None
    if told is not None:
        told(encoder)
    classes = len(encoder.classes)
    network = table_network(rows, classes or 1, hidden=hidden, activation=activation, dropout=dropout)
    arguments = {"weight_decay": weight_decay} if optimizer == "adamw" else {}
    chosen = type(optim.get(optimizer))(learning_rate, **arguments)
    loss = nn.losses.SparseCategoricalCrossentropy(from_logits=True) if classes else "mse"
    model = Model(network, loss=loss, optimizer=chosen, metrics=["accuracy"] if classes else ["mae"], seed=seed)
    facts = _facts(encoder, rows, frame.height, 0 if kept is None else len(kept))
    model.fit(
        _inputs(rows), _targets(rows, classes), epochs=epochs, batch_size=batch_size or default_batch_size(len(rows)),
        validation=None if kept is None else (_inputs(kept), _targets(kept, classes)),
        class_weight="balanced" if balanced and classes else None, seed=seed, verbose=verbose, checkpoint=checkpoint, resume=resume,
        callbacks=[*callbacks, *([EarlyStopping("val_loss", patience=patience, restore_best_weights=True)] if kept is not None else [])],
    )  # fmt: skip
    return TabularModel(model, encoder, facts)


def chosen_target(columns: Sequence[str], target: str | None) -> str:
    """The target column: the named one, else the last.

    Raises:
        UnknownNameError: no column of that name.
        DataError: there is only one column.
    """
    if len(columns) < 2:
        raise DataError(f"the table has one column, {columns[0]!r}: there is nothing to predict it from" if columns else "the table has no columns")
    if target is None:
        return columns[-1]
    if target not in columns:
        raise unknown_name("column", target, columns)
    return target


def default_batch_size(rows: int) -> int:
    """More rows a step for more rows, so that an epoch keeps some hundreds of steps."""
    for limit, size in ((1_000, 16), (4_000, 32), (16_000, 64), (64_000, 128), (256_000, 256)):
        if rows <= limit:
            return size
    return 1024


def table_network(rows: EncodedTable, outputs: int, *, hidden: Sequence[int] | None, activation: str, dropout: float) -> nn.Layer:
    """Embeddings beside the numbers, hidden layers, one output a class or value.

    Args:
        rows: encoded training rows, for the widths.
        outputs: classes, or 1.
        hidden: widths; None chooses.
        activation, dropout: of the hidden layers.
    """
    if hidden is None:
        hidden = (32, 32) if len(rows) < 1_000 else (64, 64) if len(rows) < 10_000 else (128, 64)
    layers: list[nn.Layer] = [nn.TableInput(rows.cardinalities, names=rows.category_names)]
    for width in hidden:
        layers.append(nn.Dense(width, activation=activation))
        if dropout:
            layers.append(nn.Dropout(dropout))
    return nn.Sequential([*layers, nn.Dense(outputs)])


def _split(frame: Any, target: str, share: float, seed: int) -> tuple[Array, Array]:
    """Row numbers of the training and the validation part; rows without a target are in neither."""
    if not 0 <= share < 1:
        raise ArgumentError(f"validation is {share!r}, expected a share from 0 to below 1")
    known = np.flatnonzero(frame[target].is_not_null().to_numpy())
    if share == 0 or len(known) < 10:
        return known, known[:0]
    values = frame[target][known]
    train, held = split_rows(values.to_numpy(), share, seed=seed)
    return np.sort(known[train]), np.sort(known[held])


def _inputs(table: EncodedTable) -> Any:
    """What the network takes: numbers, categories, or both."""
    if not table.categories.shape[1]:
        return table.numbers
    return (table.numbers, table.categories) if table.numbers.shape[1] else table.categories


def _targets(table: EncodedTable, classes: int) -> Array:
    assert table.target is not None
    return table.target if classes else table.target[:, None]


def _facts(encoder: TableEncoder, rows: EncodedTable, total: int, held: int) -> dict[str, Any]:
    """What evaluation and reports need of the training data."""
    assert rows.target is not None
    facts: dict[str, Any] = {"rows": total, "training_rows": len(rows), "validation_rows": held}
    if encoder.classes:
        shares = np.bincount(rows.target, minlength=len(encoder.classes)) / max(len(rows), 1)
        return {**facts, "class_shares": shares.tolist()}
    return {**facts, "mean": float(np.mean(np.asarray(encoder.decode_target(rows.target), np.float64)))}


def _softmax(outputs: Array) -> Array:
    e = np.exp(outputs - outputs.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def _classes_judged(probabilities: Array, true: Array, shares: Array) -> dict[str, float]:
    n, found = len(true), probabilities.argmax(axis=1)
    common = int(shares.argmax())
    f1 = []
    for k in range(len(shares)):
        hit, said, was = np.sum((found == k) & (true == k)), np.sum(found == k), np.sum(true == k)
        if said + was:
            f1.append(2 * hit / (said + was))
    picked = np.clip(probabilities[np.arange(n), true], _LEAST, 1)
    result = {
        "rows": n, "accuracy": float(np.mean(found == true)), "baseline_accuracy": float(np.mean(true == common)),
        "log_loss": float(-np.mean(np.log(picked))), "baseline_log_loss": float(-np.mean(np.log(np.clip(shares[true], _LEAST, 1)))),
        "f1": float(np.mean(f1)),
    }  # fmt: skip
    if len(shares) == 2 and 0 < true.sum() < n:
        result["roc_auc"] = _auc(probabilities[:, 1], true)
    return result


def _auc(score: Array, true: Array) -> float:
    """Share of (positive, negative) pairs in the right order, ties half: the Mann-Whitney statistic."""
    _, place, count = np.unique(score, return_inverse=True, return_counts=True)
    rank = (np.cumsum(count) - (count - 1) / 2)[place]
    positive = int(true.sum())
    return float((rank[true == 1].sum() - positive * (positive + 1) / 2) / (positive * (len(true) - positive)))


def _values_judged(found: Array, true: Array, mean: float) -> dict[str, float]:
    error, trivial = found - true, mean - true
    spread = float(np.sum((true - true.mean()) ** 2))
    return {
        "rows": len(true), "rmse": float(np.sqrt(np.mean(error**2))), "baseline_rmse": float(np.sqrt(np.mean(trivial**2))),
        "mae": float(np.mean(np.abs(error))), "baseline_mae": float(np.mean(np.abs(trivial))),
        "r2": 1.0 - float(np.sum(error**2)) / spread if spread else float("nan"),
    }  # fmt: skip
