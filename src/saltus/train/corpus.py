"""Arrays that several trainings use at once, each its own rows of them: checked once, copied never. Above `model`;
below `validation`, `ensembles` and `tuning`.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from saltus import nn
from saltus.base import tree
from saltus.base.errors import ArgumentError, unknown_name
from saltus.tensor.tensor import Tensor
from saltus.train import fit
from saltus.train.callbacks import Callback
from saltus.train.model import EVALUATE_ROWS, Model
from saltus.train.record import History
from saltus.train.side import Halt
from saltus.train.sources import InMemory

Array = np.ndarray[Any, Any]

_PLAIN = fit.Options(
    epochs=1, batch_size=32, validation=None, shuffle=True, class_weight=None, sample_weight=None, callbacks=(), verbose=0,
    checkpoint=None, checkpoint_seconds=10.0, resume=False, initial_epoch=0, seed=0,
)  # fmt: skip
CLASSIFYING = (
    nn.losses.SparseCategoricalCrossentropy, nn.losses.CategoricalCrossentropy, nn.losses.BinaryCrossentropy, nn.losses.Hinge,
    nn.losses.SquaredHinge, nn.losses.CategoricalHinge, nn.losses.Perceptron,
)  # fmt: skip
_GIVEN = ("epochs", "batch_size", "validation", "shuffle", "class_weight", "sample_weight", "augment", "callbacks")


def fit_options(given: dict[str, Any]) -> fit.Options:
    """Arguments of `Model.fit` that suit many trainings of one kind.

    Raises:
        UnknownNameError: another argument.
        ArgumentError: a validation that is no share.
    """
    for name in given:
        if name not in _GIVEN:
            raise unknown_name("argument of fit", name, _GIVEN)
    options = replace(_PLAIN, **{**given, "callbacks": tuple(given.get("callbacks", ()))})
    if not (options.validation is None or isinstance(options.validation, (int, float, tuple, list))):
        raise ArgumentError(f"validation is a {type(options.validation).__name__}", fix="use a share such as 0.1, or (x, y)")
    return options


def fresh(callback: Callback) -> Callback:
    """A copy for another training, without the model it was last used with."""
    return copy.deepcopy(callback, {id(getattr(callback, "model", None)): None})


class Corpus:
    """Inputs and targets for many trainings.

    Args:
        model: of the kind that will be trained; it stays as it is.
        x, y: as for `Model.fit`.
        sample_weight: a weight a sample, (N,).

    Raises:
        DataError, ShapeError, DTypeError: as `Model.fit`.
    """

    def __init__(self, model: Model, x: Any, y: Any, sample_weight: Any = None) -> None:
        model._need_loss()
        self.data = fit.gathered(model, x, y, sample_weight=sample_weight)
        probe = model.clone()
        self.built = fit.accepted(probe, self.data)
        self.rows = fit._rows_of(self.data)

    @property
    def targets(self) -> Any:
        """The targets, an array or a tree of them."""
        return tree.map(lambda v: v._values() if isinstance(v, Tensor) else v, self.data["y"])

    @property
    def labels(self) -> Array | None:
        """Class numbers (N,), or None where the targets are not classes."""
        if not all(isinstance(goal.loss, CLASSIFYING) for goal in self.built.task.goals):
            return None
        return fit._classes(self.built, self.data)

    def inputs(self, rows: Array) -> Any:
        """The inputs of some rows, copied."""
        return tree.map(lambda v: (v._values() if isinstance(v, Tensor) else v)[rows], self.data["x"])

    def train(
        self, model: Model, rows: Array, options: fit.Options, *, test: Array | None = None, halt: Halt | None = None,
        callbacks: Sequence[Callback] = (), weight: Array | None = None, targets: Any = None,
    ) -> History:  # fmt: skip
        """Train a model on some rows.

        Args:
            model: changed.
            rows: row numbers; they may repeat.
            options: its callbacks are copied for this training; a validation share is drawn from `rows`.
            test: rows to measure on after each epoch when options name no validation.
            halt: ends the training early.
            callbacks: further ones, used as they are.
            weight: a weight a row of the corpus, in place of its own.
            targets: in place of the corpus's own.
        """
        data = self.data if targets is None else {**self.data, "y": targets}
        if weight is not None:
            data = {**data, "weight": [np.ascontiguousarray(weight, np.float32)]}
        model._need(self.data["x"])
        own = (*map(fresh, options.callbacks), *callbacks, *([] if halt is None else [halt.own()]))
        held = None if test is None else InMemory(self.data, test)
        if isinstance(options.validation, (tuple, list)):
            other = fit.gathered(model, options.validation[0], options.validation[1])
            fit.check_shapes(model, model._need(), other)
            held = InMemory(other, np.arange(fit._rows_of(other)))
        elif options.validation:
            labels = self.labels
            kept, off = fit.split_rows(
                len(rows) if labels is None else labels[rows],
                float(options.validation),
                seed=model.seed,
                stratify=None if labels is not None else False,
            )
            rows, held = rows[np.sort(kept)], InMemory(self.data, rows[np.sort(off)])
        return fit.fit_rows(model, data, rows, held, replace(options, callbacks=own, seed=model.seed))

    def measure(self, model: Model, rows: Array) -> dict[str, float]:
        """Loss and metrics of a model over some rows."""
        return fit.measured(model._need(), InMemory(self.data, rows), EVALUATE_ROWS)

    def predict(self, model: Model, rows: Array) -> Any:
        """What a model says of some rows."""
        return model.predict(self.inputs(rows))
