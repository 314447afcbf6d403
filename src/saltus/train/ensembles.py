"""Ensembles: several networks that answer as one model, trained side by side where they do not wait for each other.
Above `corpus`; below `fitted`.

An ensemble is a `Model` whose network is `nn.Ensemble`: it predicts, evaluates, saves and loads as any other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from saltus import nn
from saltus.base.errors import ArgumentError, unknown_name
from saltus.data.lazy import LazyModule
from saltus.train.boosting import adaboost_members, gradient_members
from saltus.train.corpus import CLASSIFYING, Corpus, fit_options
from saltus.train.members import Member, Spread, link_of, loss_for, members_of, shares_of, spread_of
from saltus.train.model import Model
from saltus.train.record import History
from saltus.train.records import Table
from saltus.train.side import Halt, side_by_side
from saltus.train.splits import Split, bootstrap, k_fold
from saltus.train.weights import highest_rate, snapshot_members, stochastic_weight_averaging, unwatched

if TYPE_CHECKING:
    import polars as pl
else:
    pl = LazyModule("polars")

Array = np.ndarray[Any, Any]

AVERAGING = "weight averaging"


@dataclass(eq=False)
class Ensemble:
    """What the training of an ensemble gave.

    Attributes:
        model: all members as one; `save` it, and `sl.load` gives it back.
        method: how it was made.
        members: what is known of each.
        out_of_bag: figures on rows that members had not drawn, each judged by those members only ("bagging").
    """

    model: Model
    method: str
    members: list[Member] = field(default_factory=list)
    out_of_bag: dict[str, float] = field(default_factory=dict)

    @property
    def history(self) -> History:
        """One record a member, the last of its training; of averaged weights one an epoch."""
        if self.method == AVERAGING:
            return self.model.history
        last = [m.history.records[-1] if m.history.records else {} for m in self.members]
        return History([{**r, "epoch": k + 1, "epochs": len(self.members[k].history)} for k, r in enumerate(last)])

    def predict(self, x: Any) -> Any:
        """See `Model.predict`."""
        return self.model.predict(x)

    def evaluate(self, x: Any, y: Any) -> dict[str, float]:
        """See `Model.evaluate`."""
        return self.model.evaluate(x, y)

    def uncertainty(self, x: Any) -> Spread:
        """How far the members agree; see `uncertainty`."""
        return uncertainty(self.model, x)

    def save(self, path: str | Path) -> None:
        """See `Model.save`."""
        self.model.save(path)

    def table(self) -> Table:
        """A row a member."""
        return Table([member.facts(number) for number, member in enumerate(self.members)])

    def to_frame(self) -> pl.DataFrame:
        """A row a member, as a Polars frame."""
        return self.table().to_frame()

    def __str__(self) -> str:
        said = "  ".join(f"{name} {value:.4f}" for name, value in self.out_of_bag.items())
        return f"{self.method} of {len(self.members)} networks\n{self.table()}" + (f"\nout of bag: {said}" if said else "")

    __repr__ = __str__


def uncertainty(model: Model, x: Any) -> Spread:
    """How far the members of an ensemble agree on each sample.

    Args:
        model: an ensemble, also one that was loaded.
        x: inputs.

    Returns:
        For classes the entropy of the mean, and the part of it that is disagreement; for values their
        standard deviation.

    Raises:
        ArgumentError: the model is no ensemble.

    Source: Lakshminarayanan, Pritzel and Blundell, "Simple and scalable predictive uncertainty estimation
    using deep ensembles", 2017.
    """
    return spread_of(model, x)


def _joined(pattern: Model, models: Sequence[Model], classes: bool, **settings: Any) -> Model:
    """Trained models as one, with a loss and metrics that suit what it says."""
    network = nn.Ensemble([m.network for m in models], **settings)
    made = Model(network, loss=loss_for(pattern, classes), optimizer="adam", metrics=pattern._metrics, seed=pattern.seed)
    made.build(models[0]._need().specs)
    parts: dict[str, Any] = {name: {} for name in ("params", "frozen", "state")}
    for number, model in enumerate(models):
        for name, values in model.snapshot().items():
            if values:
                parts[name][f"member_{number}"] = values
    if network.final is not None:
        own = made.snapshot()
        for name in parts:
            if "final" in own[name]:
                parts[name]["final"] = own[name]["final"]
    made.restore(parts)
    return made


def joined(pattern: Model, models: Sequence[Model]) -> Model:
    """Trained models of one network as their mean."""
    return _joined(pattern, models, _is_classes(models[0]), combine="mean", link=link_of(models[0]))


def _is_classes(model: Model) -> bool:
    goals = model._need().task.goals
    if len(goals) != 1:
        raise ArgumentError(f"an ensemble needs a network with one output, this one has {len(goals)}")
    return isinstance(goals[0].loss, CLASSIFYING)


def need_count(members: Any) -> int:
    """A number of members, checked."""
    if isinstance(members, bool) or not isinstance(members, int) or members < 1:
        raise ArgumentError(f"members is {members!r}, expected a whole number from 1 on")
    return members


# -- bagging -----------------------------------------------------------------------------------------------------------


def bagging(
    model: Model, x: Any, y: Any, members: int = 10, *, share: float = 1.0, vote: str = "soft", workers: int | None = None,
    halt: Halt | None = None, **training: Any,
) -> Ensemble:  # fmt: skip
    """Networks trained on samples drawn with repetition, and their mean.

    Args:
        model: what to train, as a pattern that stays as it is; member k begins with its seed + k.
        x, y: as for `Model.fit`.
        members: how many.
        share: rows drawn for each, as a share of all.
        vote: "soft": the mean of probabilities; "hard": the share of members that choose a class.
        workers: trainings at once; None for one a core.
        halt: ends the trainings early.
        training: arguments of `Model.fit`; callbacks are copied for each member.

    Returns:
        The ensemble, with its out-of-bag figures: each row judged by the members that had not drawn it.

    Raises:
        ArgumentError, DataError, ShapeError: as `Model.fit`.

    Source: Breiman, "Bagging predictors", 1996.

    Example:
        >>> import numpy as np, saltus as sl
        >>> from saltus import nn
        >>> x = np.linspace(-1, 1, 80, dtype="float32")[:, None]
        >>> model = sl.Model(nn.Sequential([nn.Dense(1)]), loss="mse", optimizer=sl.optim.SGD(0.1))
        >>> made = bagging(model, x, 2 * x, members=3, epochs=30)
        >>> len(made.members), made.out_of_bag["loss"] < 0.01
        (3, True)
    """
    if not 0 < share <= 1:
        raise ArgumentError(f"share is {share!r}, expected a number above 0 and up to 1", fix="1.0 draws as many rows as there are")
    options, corpus, halt = fit_options(training), Corpus(model, x, y, training.get("sample_weight")), halt or Halt()
    draws = bootstrap(corpus.rows, need_count(members), seed=model.seed, size=max(1, round(share * corpus.rows)))

    def job(number: int, draw: Split) -> Callable[[], tuple[Model, Member, Any]]:
        def run() -> tuple[Model, Member, Any]:
            own = model.clone(seed=model.seed + number)
            history = corpus.train(own, draw.train, options, halt=halt)
            outside = corpus.predict(own, draw.test) if len(draw.test) else None
            scores = {} if outside is None else _own_score(corpus, draw.test, outside)
            return own, Member(history, own.seed, 1.0, scores), outside

        return run

    made = side_by_side([job(k, d) for k, d in enumerate(draws)], workers=workers, halt=halt)
    trained = [m for m, *_ in made]
    classes = _is_classes(trained[0])
    link = link_of(trained[0])
    result = _joined(model, trained, classes, combine=_voting(vote, classes), link=link)
    ensemble = Ensemble(result, "bagging", [member for _, member, _ in made])
    ensemble.out_of_bag = _out_of_bag(result, corpus, draws, [outside for *_, outside in made], link)
    return ensemble


def _voting(vote: str, classes: bool) -> str:
    if vote not in ("soft", "hard"):
        raise unknown_name("vote", vote, ("soft", "hard"))
    if vote == "hard" and not classes:
        raise ArgumentError("values cannot be voted on", fix='use vote="soft", their mean')
    return "mean" if vote == "soft" else "vote"


def _own_score(corpus: Corpus, rows: Array, said: Any) -> dict[str, float]:
    """How good one member is on rows it had not drawn."""
    true = (corpus.targets if corpus.labels is None else corpus.labels)[rows]
    if corpus.labels is None:
        return {"oob_rmse": float(np.sqrt(np.mean((said - true.reshape(said.shape)) ** 2)))}
    wide = said.ndim > 1 and said.shape[1] > 1
    if not wide:
        return {}
    return {"oob_accuracy": float(np.mean(said.argmax(axis=1) == true))}


def _out_of_bag(result: Model, corpus: Corpus, draws: Sequence[Split], outside: Sequence[Any], link: str) -> dict[str, float]:
    """Loss and metrics of the mean of members that had not drawn a row, over the rows that have such members."""
    first = next((o for o in outside if o is not None), None)
    if first is None:
        return {}
    total, times = np.zeros((corpus.rows, *first.shape[1:]), np.float64), np.zeros(corpus.rows)
    for draw, said in zip(draws, outside, strict=True):
        if said is not None:
            total[draw.test] += shares_of(said, link)
            times[draw.test] += 1
    rows = np.flatnonzero(times)
    mean = (total[rows] / times[rows].reshape(-1, *[1] * (first.ndim - 1))).astype(np.float32)
    judge = Model(nn.Identity(), loss=result._loss, metrics=result._metrics)
    return {**judge.evaluate(mean, corpus.targets[rows]), "rows": float(len(rows))}


# -- voting, stacking, snapshots, boosting ---------------------------------------------------------------------------------


def voting(models: Sequence[Model], *, vote: str = "soft", weights: Sequence[float] | None = None) -> Ensemble:
    """Trained models as one.

    Args:
        models: of any networks with equal inputs and outputs.
        vote: "soft": the mean of probabilities or values; "hard": the share of models that choose a class.
        weights: of the models.

    Raises:
        ArgumentError: there are none, or their outputs are of different kinds.
    """
    if not models or any(m._built is None for m in models):
        raise ArgumentError("voting needs trained models", fix="fit them first; bagging(...) trains and joins")
    classes = {_is_classes(m) for m in models}
    if len(classes) > 1:
        raise ArgumentError("some of the models predict classes and some values: they cannot be joined")
    links = {link_of(m) for m in models}
    if len(links) > 1:
        raise ArgumentError(
            f"the models end in different ways ({', '.join(sorted(links))}): some give probabilities, some logits", fix="end all alike"
        )
    made = _joined(models[0], models, classes == {True}, combine=_voting(vote, classes == {True}), link=links.pop(), weights=weights)
    return Ensemble(
        made, "voting", [Member(m.history, m.seed, 1.0 if weights is None else float(weights[k]), {}) for k, m in enumerate(models)]
    )


def stacking(
    models: Sequence[Model], x: Any, y: Any, *, final: nn.Layer | None = None, folds: int = 5, workers: int | None = None,
    halt: Halt | None = None, final_epochs: int = 100, **training: Any,
) -> Ensemble:  # fmt: skip
    """Networks, and one more that learns from their out-of-fold predictions whom to trust when.

    Args:
        models: what to train, as patterns.
        x, y: as for `Model.fit`.
        final: the layer that decides; None takes one Dense layer.
        folds: in which the predictions for the last layer are made.
        workers: trainings at once; None for one a core.
        halt: ends the trainings early.
        final_epochs: of the last layer.
        training: arguments of `Model.fit` for the members.

    Raises:
        ArgumentError, DataError, ShapeError: as `Model.fit` and `k_fold`.

    Source: Wolpert, "Stacked generalization", 1992.
    """
    if not models:
        raise ArgumentError("stacking needs at least one model")
    options, corpus, halt = fit_options(training), Corpus(models[0], x, y, training.get("sample_weight")), halt or Halt()
    splits = k_fold(corpus.rows if corpus.labels is None else corpus.labels, folds, seed=models[0].seed)
    every = np.arange(corpus.rows)

    def job(model: Model, split: Split | None) -> Callable[[], tuple[Model, Any, Any]]:
        def run() -> tuple[Model, Any, Any]:
            own = model.clone()
            history = corpus.train(own, every if split is None else split.train, options, halt=halt)
            return own, history, None if split is None else corpus.predict(own, split.test)

        return run

    made = side_by_side([job(model, split) for model in models for split in [*splits, None]], workers=workers, halt=halt)
    each = [made[k : k + len(splits) + 1] for k in range(0, len(made), len(splits) + 1)]
    trained = [group[-1][0] for group in each]
    classes = _is_classes(trained[0])
    links = {link_of(model) for model in trained}
    if len(links) > 1:
        raise ArgumentError(
            f"the models end in different ways ({', '.join(sorted(links))})", fix="end all with logits, or all with softmax"
        )
    link = links.pop()
    columns = []
    for group in each:
        said = np.concatenate([np.atleast_2d(shares_of(outputs, link).reshape(len(outputs), -1)) for _, _, outputs in group[:-1]])
        columns.append(said[np.argsort(np.concatenate([s.test for s in splits]))])
    outputs = trained[0]._need().task.description.output
    width = outputs.shape[1] if len(outputs.shape) > 1 else 1
    if final is None:
        ending: list[nn.Layer] = [nn.Dense(width)]
        if classes:
            ending.append(nn.Activation("softmax" if width > 1 else "sigmoid"))
        final = nn.Sequential([*ending, *([nn.Reshape(())] if len(outputs.shape) == 1 else [])])
    last = Model(final, loss=loss_for(models[0], classes), optimizer="adam", metrics=models[0]._metrics, seed=models[0].seed)
    history = last.fit(np.concatenate(columns, axis=1).astype(np.float32), corpus.targets, epochs=final_epochs, batch_size=32, verbose=0)
    result = _joined(models[0], trained, classes, combine="stack", link=link, final=final)
    learnt = last.snapshot()
    held = result.snapshot()
    result.restore({name: {**held[name], **({"final": learnt[name]} if learnt[name] else {})} for name in held})
    result.history = history
    return Ensemble(result, "stacking", [Member(group[-1][1], m.seed, 1.0, {}) for group, m in zip(each, trained, strict=True)])


def snapshot(
    model: Model, x: Any, y: Any, members: int = 5, *, epochs: int = 50, learning_rate: float | None = None, halt: Halt | None = None,
    **training: Any,
) -> Ensemble:  # fmt: skip
    """The states of one training at the end of each of several cycles of its learning rate, joined: an ensemble for the price of one.

    Args:
        model: what to train, as a pattern.
        x, y: as for `Model.fit`.
        members: cycles.
        epochs: in all.
        learning_rate: at the begin of each cycle; None takes the optimizer's.
        halt: ends the training early.
        training: arguments of `Model.fit`; callbacks that watch the validation are left out.

    Raises:
        ArgumentError: fewer epochs than members; or as `Model.fit`.

    Source: Huang et al., "Snapshot ensembles: train 1, get M for free", 2017.
    """
    corpus = Corpus(model, x, y, training.get("sample_weight"))
    options = fit_options({**training, "epochs": epochs})
    options = replace(options, callbacks=unwatched(options.callbacks))  # each cycle is worse than the end of the one before, at first
    trained, facts = snapshot_members(model, corpus, options, need_count(members), learning_rate, halt)
    classes = _is_classes(trained[0])
    result = _joined(model, trained, classes, combine="mean", link=link_of(trained[0]))
    result.history = facts[-1].history
    return Ensemble(result, "snapshot", facts)


def adaboost(
    model: Model, x: Any, y: Any, members: int = 10, *, learning_rate: float = 1.0, halt: Halt | None = None, **training: Any
) -> Ensemble:
    """Networks trained one after the other, each with more weight on what the ones before had wrong (SAMME).

    Args:
        model: what to train, as a pattern: a classifier.
        x, y: as for `Model.fit`.
        members: at most; it ends early when nothing is wrong any more, or a member is no better than chance.
        learning_rate: how far weights change each time.
        halt: ends the trainings early.
        training: arguments of `Model.fit`.

    Raises:
        ArgumentError: the model predicts no classes; or as `Model.fit`.

    Source: Zhu, Zou, Rosset and Hastie, "Multi-class AdaBoost", 2009.
    """
    corpus = Corpus(model, x, y, training.get("sample_weight"))
    if corpus.labels is None:
        raise ArgumentError("AdaBoost needs classes, but the model predicts values", fix="use gradient_boosting (--ensemble boosting)")
    trained, facts = adaboost_members(model, corpus, fit_options(training), need_count(members), learning_rate, halt)
    result = _joined(model, trained, True, combine="vote", link=link_of(trained[0]), weights=[f.weight for f in facts])
    return Ensemble(result, "adaboost", facts)


def gradient_boosting(
    model: Model, x: Any, y: Any, members: int = 10, *, learning_rate: float = 0.3, halt: Halt | None = None, **training: Any
) -> Ensemble:
    """Networks trained one after the other, each on what is still missing in the sum of the ones before.

    Args:
        model: what to train, as a pattern: the members have its network and optimizer, and the squared error as loss.
        x, y: as for `Model.fit`.
        members: how many at most; rows given as validation=(x, y) choose how many stay.
        learning_rate: the share of each member's result that is added.
        halt: ends the trainings early.
        training: arguments of `Model.fit`; callbacks that watch the validation are left out.

    Raises:
        ArgumentError: a network that ends in a softmax or sigmoid; or as `Model.fit`.

    Source: Friedman, "Greedy function approximation: a gradient boosting machine", 2001.
    """
    corpus = Corpus(model, x, y, training.get("sample_weight"))
    trained, facts, start, link = gradient_members(model, corpus, fit_options(training), need_count(members), learning_rate, halt)
    result = _joined(
        model, trained, link != "none", combine="sum", link=link, weights=[learning_rate] * len(trained), start=start
    )  # fmt: skip
    return Ensemble(result, "gradient boosting", facts)


# -- by name -----------------------------------------------------------------------------------------------------------

METHODS: dict[str, Callable[..., Ensemble]] = {
    "bagging": bagging, "adaboost": adaboost, "boosting": gradient_boosting, "snapshot": snapshot,
    "averaging": lambda model, x, y, members, **training: _averaged(model, x, y, members, **training),
    "voting": lambda model, x, y, members, **training: _by_seeds(model, x, y, members, **training),
    "stacking": lambda model, x, y, members, **training: stacking(_seeded(model, members), x, y, **training),
}  # fmt: skip


def _seeded(model: Model, members: int) -> list[Model]:
    return [model.clone(seed=model.seed + k) for k in range(need_count(members))]


def _by_seeds(model: Model, x: Any, y: Any, members: int, **training: Any) -> Ensemble:
    """Networks that differ in their seeds only, all trained on all rows."""
    options, corpus, halt = fit_options(training), Corpus(model, x, y, training.get("sample_weight")), Halt()
    models = _seeded(model, members)
    rows = np.arange(corpus.rows)
    side_by_side([lambda own=own: corpus.train(own, rows, options, halt=halt) for own in models], halt=halt)
    return voting(models)


def _averaged(model: Model, x: Any, y: Any, members: int, *, epochs: int, **training: Any) -> Ensemble:
    """One network with the mean weights of several states of its training at a constant rate, in the later half of it."""
    count = need_count(members)
    if epochs < 2 * count:
        fix = f"use {2 * count} epochs, or fewer members"
        raise ArgumentError(f"{epochs} epochs are too few to average {count} of their states", fix=fix)
    every = epochs // (2 * count)
    steady = model.clone(optimizer=replace(model.optimizer, learning_rate=highest_rate(model) / 2, adjustable=()))
    start = (epochs - every * (count - 1) - 1) / epochs
    training["callbacks"] = unwatched(training.get("callbacks", ()))
    made = stochastic_weight_averaging(steady, x, y, epochs=epochs, start=start, every=every, **training)
    return Ensemble(made, AVERAGING, [Member(made.history, made.seed, 1.0, {})])


def train_ensemble(method: str, model: Model, x: Any, y: Any, members: int, **training: Any) -> Ensemble:
    """An ensemble by the name of its method.

    Args:
        method: "bagging", "adaboost", "boosting" (of the gradient), "snapshot", "averaging" (of the weights of one training),
            "voting" (networks that differ in their seeds) or "stacking".
        model, x, y, members, training: as for that method.

    Raises:
        UnknownNameError: another method.
    """
    if method not in METHODS:
        raise unknown_name("kind of ensemble", method, METHODS)
    return METHODS[method](model, x, y, members, **training)


# -- one network of many -----------------------------------------------------------------------------------------------


def distill(
    teacher: Any, student: Model, x: Any, y: Any = None, *, temperature: float = 2.0, hard_share: float = 0.0, **training: Any
) -> Model:
    """Teach one network what an ensemble, or any model, says.

    Args:
        teacher: an Ensemble or a trained Model.
        student: a model with an own network; it keeps its loss and metrics, and gets new weights.
        x: inputs; they need no targets.
        y: true targets, for `hard_share`.
        temperature: above 1 the student learns more of what the teacher holds for unlikely; only for two and more
            outputs of classes.
        hard_share: share of the true targets in what the student learns, from 0 to 1.
        training: arguments of `Model.fit`; of a validation (x, y) the student is judged by what the teacher says of x.

    Returns:
        The student.

    Raises:
        ArgumentError: hard_share without y; or as `Model.fit`.

    Source: Hinton, Vinyals and Dean, "Distilling the knowledge in a neural network", 2015.
    """
    source: Model = teacher.model if isinstance(teacher, Ensemble) else teacher
    if hard_share and y is None:
        raise ArgumentError("hard_share needs the true targets y", fix="pass y, or leave hard_share out")
    if not 0 <= hard_share <= 1 or not temperature > 0:
        raise ArgumentError(f"hard_share={hard_share!r}, temperature={temperature!r}: expected a share, and a number above 0")
    classes = _is_classes(source)
    link = link_of(source)
    soft = shares_of(source.predict(x), link)
    held = training.get("validation")
    if isinstance(held, (tuple, list)):
        training["validation"] = (held[0], shares_of(source.predict(held[0]), link).astype(np.float32))
    width = soft.shape[1] if soft.ndim > 1 else 1
    own = student._loss if not classes else nn.losses.Distillation(temperature) if width > 1 else nn.losses.BinaryCrossentropy()
    hard = soft if y is None else _as_shares(np.asarray(y), soft.shape)
    targets = ((1 - hard_share) * soft + hard_share * hard).astype(np.float32)
    pupil = student.clone(loss=own, metrics=())
    history = pupil.fit(x, targets, **{"verbose": 0, **training})
    if student._built is None:
        student.build(pupil._need().specs)
    student.restore(pupil.snapshot())
    student.history = history
    return student


def _as_shares(y: Array, shape: tuple[int, ...]) -> Array:
    """Class numbers as one-hot rows, everything else as it is."""
    if len(shape) == 2 and shape[1] > 1 and y.ndim == 1:
        return np.eye(shape[1], dtype=np.float32)[y]
    return y.reshape(shape).astype(np.float32)


__all__ = [
    "METHODS", "Ensemble", "adaboost", "bagging", "distill", "gradient_boosting", "members_of", "snapshot", "stacking", "train_ensemble",
    "uncertainty", "voting",
]  # fmt: skip
