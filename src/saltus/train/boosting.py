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
    targets = np.asarray(corpus.targets)
    true = np.eye(shape[1], dtype=np.float32)[targets] if classes and targets.ndim == 1 and len(shape) == 2 and shape[1] > 1 else targets
    true = true.reshape(shape).astype(np.float32)
    mean = true.astype(np.float64).mean(axis=0)
    share = np.clip(mean, 1e-6, 1 - 1e-6)
    start = {"none": mean, "softmax": np.log(share), "sigmoid": np.log(share / (1 - share))}[link]
    total = np.tile(start.astype(np.float32), (corpus.rows, *[1] * start.ndim)).reshape(shape)
    trained: list[Model] = []
    facts: list[Member] = []
    quiet = replace(options, class_weight=None, validation=None)
    with using(Library()):
        for number in range(members):
            own = model.clone(seed=model.seed + number, loss="mse", metrics=(), weighted_metrics=())
            missing = ((true - shares_of(total, link)) * _STEP[link]).astype(np.float32)
            history = corpus.train(own, rows, quiet, halt=halt, targets=np.ascontiguousarray(missing))
            total = total + np.float32(learning_rate) * corpus.predict(own, rows)
            left = float(np.sqrt(np.mean((true - shares_of(total, link)) ** 2)))
            trained.append(own)
            facts.append(Member(history, own.seed, learning_rate, {"left": left}))
            if left < 1e-7 or (halt is not None and halt.why):
                break
    return trained, facts, [float(v) for v in np.atleast_1d(start).reshape(-1)], link
