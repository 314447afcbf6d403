"""Data of any kind, split and encoded, with the way to networks for them: what a fit trains once, a cross-validation once a
fold, and a search once a trial. Above `fitted`; below `tabular`, `images`, `texts` and `series`, which make it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from saltus.train.fitted import FitOptions, Fitted
from saltus.train.model import Model
from saltus.train.record import History

Made = TypeVar("Made", bound=Fitted)


@dataclass(frozen=True)
class Prepared(Generic[Made]):
    """Data that are ready to be learnt from.

    Attributes:
        fitted: what the training makes.
        encoder: fitted on the training part.
        learnt, checked, test: the encoded parts to train on, to choose the epoch by, and to judge by; None where there
            is none.
        options: how the network is trained.
        size, epochs: samples of a batch and passes, chosen where the options leave them open.
        build: (options, batch size, epochs) -> an untrained model.
    """

    fitted: type[Made]
    encoder: Any
    learnt: Any
    checked: Any
    test: Any
    options: FitOptions
    size: int | str
    epochs: int
    build: Callable[[Any, int | str, int], Model]

    def fit(self) -> Made:
        """Train a network, and judge it."""
        made = self.fitted(self.build(self.options, self.size, self.epochs), self.encoder)
        made.learn(self.learnt, self.checked, self.test, self.options, self.size, self.epochs)
        return made

    def judged(self, model: Model, history: History) -> Made:
        """A network that was trained elsewhere on these data, judged as `fit` does."""
        made = self.fitted(model, self.encoder, history)
        made.judged_on(self.learnt, self.checked, self.test, self.options)
        return made
