"""Members trained one after the other, each on what the ones before left: AdaBoost and gradient boosting. Above
`corpus`, below `ensembles`.

All members share one compiled step: what changes from one to the next are the values of weights or targets.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from saltus.base.errors import ArgumentError
from saltus.train.corpus import CLASSIFYING, Corpus
from saltus.train.fit import Options
from saltus.train.members import Member, link_of, shares_of
from saltus.train.model import Model
from saltus.train.program import Library, using
from saltus.train.side import Halt
from saltus.train.weights import unwatched

Array = np.ndarray[Any, Any]

# One over the largest curvature of the loss: a step of residual * this never overshoots (Böhning, "Multinomial logistic regression
# algorithm", 1992).
_STEP = {"none": 1.0, "sigmoid": 4.0, "softmax": 2.0}


def adaboost_members(
    model: Model, corpus: Corpus, options: Options, members: int, learning_rate: float, halt: Halt | None
) -> tuple[list[Model], list[Member]]:
    """Networks with the weights of their votes; see `ensembles.adaboost`."""
    if not learning_rate > 0:
        raise ArgumentError(f"learning_rate is {learning_rate!r}, expected a number above 0")
    labels, rows = np.asarray(corpus.labels).astype(np.int64), np.arange(corpus.rows)
    given = corpus.data.get("weight")
    weight = np.full(corpus.rows, 1.0) if given is None else np.asarray(given[0], np.float64)
    weight = weight / weight.mean()
    trained: list[Model] = []
    facts: list[Member] = []
    with using(Library()):
        for number in range(members):
            own = model.clone(seed=model.seed + number)
            history = corpus.train(own, rows, options, halt=halt, weight=weight)
            shares = shares_of(corpus.predict(own, rows), link_of(own))
            single = shares.ndim == 1 or shares.shape[1] == 1
            classes = 2 if single else shares.shape[1]
            wrong = (shares.reshape(-1) > 0.5 if single else shares.argmax(axis=1)) != labels
            error = float((weight * wrong).sum() / weight.sum())
            if error >= 1 - 1 / classes and trained:
                break
            vote = learning_rate * (np.log((1 - max(error, 1e-10)) / max(error, 1e-10)) + np.log(classes - 1))
            trained.append(own)
            facts.append(Member(history, own.seed, max(float(vote), 1e-6), {"error": error}))
            if error <= 0 or error >= 1 - 1 / classes or (halt is not None and halt.why):
                break
            weight = weight * np.exp(vote * wrong)
            weight = weight / weight.mean()
    return trained, facts


def gradient_members(
    model: Model, corpus: Corpus, options: Options, members: int, learning_rate: float, halt: Halt | None
) -> tuple[list[Model], list[Member], list[float], str]:
    """Networks, facts, what the sum begins with, and the link from sum to prediction; see `ensembles.gradient_boosting`."""
    if not 0 < learning_rate <= 1:
        raise ArgumentError(f"learning_rate is {learning_rate!r}, expected a number above 0 and up to 1")
    loss, output = corpus.built.task.goals[0].loss, corpus.built.task.description.output
    classes = isinstance(loss, CLASSIFYING)
    link = "none"
    if classes:
        probe = model.clone()
        probe.build(corpus.inputs(np.arange(1)))
        link = link_of(probe)
        if link == "none":
            raise ArgumentError(
                "boosting adds up scores, but the network ends in probabilities", fix="leave the softmax or sigmoid out of its last layer"
            )
    rows = np.arange(corpus.rows)
    shape = (corpus.rows, *output.shape[1:])
    true = _wide(np.asarray(corpus.targets), shape)
    mean = true.astype(np.float64).mean(axis=0)
    share = np.clip(mean, 1e-6, 1 - 1e-6)
    start = {"none": mean, "softmax": np.log(share), "sigmoid": np.log(share / (1 - share))}[link]
    total = np.tile(start.astype(np.float32), (corpus.rows, *[1] * start.ndim)).reshape(shape)
    trained: list[Model] = []
    facts: list[Member] = []
    # a member's own losses say nothing of the sum: the validation rows choose how many members stay
    quiet = replace(options, class_weight=None, validation=None, callbacks=unwatched(options.callbacks))
    judge = _Judge(options.validation, start, link, learning_rate, output.shape)
    with using(Library()):
        for number in range(members):
            own = model.clone(seed=model.seed + number, loss="mse", metrics=(), weighted_metrics=())
            missing = ((true - shares_of(total, link)) * _STEP[link]).astype(np.float32)
            history = corpus.train(own, rows, quiet, halt=halt, targets=np.ascontiguousarray(missing))
            total = total + np.float32(learning_rate) * corpus.predict(own, rows)
            left = float(np.sqrt(np.mean((true - shares_of(total, link)) ** 2)))
            trained.append(own)
            facts.append(Member(history, own.seed, learning_rate, {"left": left, **judge.after(own)}))
            if left < 1e-7 or (halt is not None and halt.why):
                break
    count = judge.best or len(trained)
    return trained[:count], facts[:count], [float(v) for v in np.atleast_1d(start).reshape(-1)], link


class _Judge:
    """How good the sum is on rows of the validation, member by member.

    Attributes:
        best: how many members were best; 0 without a validation.
    """

    def __init__(self, given: Any, start: Array, link: str, learning_rate: float, shape: tuple[int, ...]) -> None:
        self.x, self.best, self.lowest, self.count, self.link, self.rate = None, 0, np.inf, 0, link, learning_rate
        if isinstance(given, (tuple, list)):
            self.x = given[0]
            self.true = _wide(np.asarray(given[1]), shape)
            self.total = np.tile(start.astype(np.float32), (len(self.true), *[1] * start.ndim)).reshape(self.true.shape)

    def after(self, member: Model) -> dict[str, float]:
        """The root mean square error of the sum with one more member."""
        if self.x is None:
            return {}
        self.count += 1
        self.total = self.total + np.float32(self.rate) * member.predict(self.x)
        left = float(np.sqrt(np.mean((self.true - shares_of(self.total, self.link)) ** 2)))
        if left < self.lowest:
            self.lowest, self.best = left, self.count
        return {"val_left": left}


def _wide(targets: Array, shape: tuple[int, ...]) -> Array:
    """Targets in the shape of the outputs (N, ...): class numbers as one-hot rows."""
    if targets.ndim == 1 and len(shape) == 2 and shape[1] > 1:
        return np.eye(shape[1], dtype=np.float32)[targets]
    return targets.reshape(len(targets), *shape[1:]).astype(np.float32)
