"""Several states of one network's weights: snapshots along a training, and their average. Above `corpus`, below
`ensembles`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from saltus import optim
from saltus.base import tree
from saltus.base.errors import ArgumentError, ShapeError
from saltus.tensor.tensor import of_array
from saltus.train.callbacks import Callback
from saltus.train.corpus import Corpus, fit_options
from saltus.train.fit import Options
from saltus.train.members import Member
from saltus.train.model import Model
from saltus.train.plan import training_plan
from saltus.train.program import Library, using
from saltus.train.record import grows
from saltus.train.side import Halt


class Keep(Callback):
    """Keeps the weights at the end of some epochs.

    Args:
        epochs: their numbers, from 0.
    """

    def __init__(self, epochs: Sequence[int]) -> None:
        self.epochs, self.kept = set(epochs), []  # type: ignore[var-annotated]
        self.model: Any = None

    def on_epoch_end(self, epoch: int, logs: dict[str, Any]) -> None:
        if epoch in self.epochs:
            self.kept.append((self.model.snapshot(averaged=True), dict(logs)))


def unwatched(callbacks: Sequence[Callback]) -> tuple[Callback, ...]:
    """Without those that watch the validation: they would end a training that is meant to get worse for a while."""
    return tuple(c for c in callbacks if not any(name.startswith("val_") for name in c.monitors()))


def highest_rate(model: Model) -> float:
    """The learning rate of a model's optimizer, the highest where it has a schedule.

    Raises:
        ArgumentError: it is a function, whose highest value is not known.
    """
    rate = model.optimizer.learning_rate
    if not callable(rate):
        return float(rate)
    known = [getattr(rate, name, None) for name in ("max_lr", "warmup_target", "initial_learning_rate", "maximal_learning_rate")]
    found = [float(v) for v in known if v is not None]
    if not found:
        raise ArgumentError(f"the optimizer has the schedule {rate!r}, whose highest rate is not known", fix="pass learning_rate=0.01")
    return max(found)


def snapshot_members(
    model: Model, corpus: Corpus, options: Options, members: int, learning_rate: float | None, halt: Halt | None
) -> tuple[list[Model], list[Member]]:
    """See `ensembles.snapshot`."""
    if options.epochs < members:
        raise ArgumentError(
            f"{options.epochs} epochs cannot make {members} cycles", fix="give more epochs, at least some for each member"
        )  # fmt: skip
    rate = highest_rate(model) if learning_rate is None else learning_rate
    cycle = options.epochs // members
    share = options.validation if isinstance(options.validation, (int, float)) and options.validation else 0
    plan = training_plan(max(1, corpus.rows - round(corpus.rows * share)), options.batch_size)
    restarts = optim.CosineDecayRestarts(rate, first_decay_steps=max(1, plan.iterations * cycle), t_mul=1.0)
    own = model.clone(optimizer=replace(model.optimizer, learning_rate=restarts, adjustable=()))
    keep = Keep([cycle * (k + 1) - 1 for k in range(members)])
    with using(Library()):
        history = corpus.train(own, np.arange(corpus.rows), replace(options, epochs=cycle * members), halt=halt, callbacks=[keep])
        made = []
        for state, _ in keep.kept or [(own.snapshot(), {})]:
            member = model.clone()
            member.build(own._need().specs)
            member.restore(state)
            made.append(member)
    return made, [
        Member(history, own.seed, 1.0, {k: v for k, v in logs.items() if k.startswith("val_")}) for _, logs in keep.kept or [({}, {})]
    ]


def mean_of(states: Sequence[Any]) -> Any:
    """The mean of trees of Tensors; whole numbers are taken from the last."""

    def one(*leaves: Any) -> Any:
        values = [leaf._values() for leaf in leaves]
        if values[0].dtype.kind != "f":
            return leaves[-1]
        return of_array(np.mean([v.astype(np.float64) for v in values], axis=0).astype(values[0].dtype), leaves[0].dtype)

    return tree.map(one, *states)


def average_weights(models: Sequence[Model], x: Any = None, y: Any = None, *, monitor: str = "loss") -> Model:
    """One model with the mean of the weights of several ("model soup").

    Args:
        models: trained, of one network, and from the same initial weights: otherwise their mean means nothing.
        x, y: with these the soup is greedy: models are tried from the best on, and only those that improve it are taken.
        monitor: by which figure.

    Returns:
        A new model with the network of the models.

    Raises:
        ArgumentError: there are no models.
        ShapeError: their networks differ.

    Source: Wortsman et al., "Model soups: averaging weights of multiple fine-tuned models improves accuracy without increasing
    inference time", 2022.

    Example:
        >>> from saltus import nn
        >>> first, second = (Model(nn.Sequential([nn.Input((2,)), nn.Dense(1)]), loss="mse") for _ in range(2))
        >>> for model in (first, second):
        ...     model.build(nn.Spec((1, 2)))
        >>> average_weights([first, second]).count
        3
    """
    if not models:
        raise ArgumentError("there are no models to average", fix="pass at least one trained model")
    if any(m.network != models[0].network for m in models):
        raise ShapeError(
            "the models have different networks: their weights have no mean", fix="use sl.train.voting, which keeps them apart"
        )
    made = models[0].clone()
    made.build(models[0]._need().specs)
    states = [m.snapshot() for m in models]
    if x is None:
        made.restore(mean_of(states))
        return made
    sign = 1.0 if grows(monitor) else -1.0
    scores = [sign * m.evaluate(x, y)[monitor] for m in models]
    taken: list[Any] = []
    best = -np.inf
    for place in sorted(range(len(models)), key=lambda k: -scores[k]):
        made.restore(mean_of([*taken, states[place]]))
        score = sign * made.evaluate(x, y)[monitor]
        if score >= best:
            taken, best = [*taken, states[place]], score
    made.restore(mean_of(taken))
    return made


def stochastic_weight_averaging(
    model: Model, x: Any, y: Any, *, epochs: int = 20, start: float = 0.5, every: int = 1, **training: Any
) -> Model:
    """Train, and take the mean of the weights at the ends of the later epochs.

    Statistics of batch normalization are gathered anew for the averaged weights, in one pass over the data.

    Args:
        model: what to train, as a pattern; a constant and not too small learning rate suits it best.
        x, y: as for `Model.fit`.
        epochs: in all.
        start: the share of the epochs after which averaging begins.
        every: epochs between two states that are averaged.
        training: arguments of `Model.fit`.

    Returns:
        A new model.

    Raises:
        ArgumentError: as `Model.fit`.

    Source: Izmailov et al., "Averaging weights leads to wider optima and better generalization", 2018.
    """
    if not 0 <= start < 1 or every < 1:
        raise ArgumentError(f"start={start!r}, every={every!r}: expected a share from 0 up to 1, and a whole number from 1 on")
    corpus = Corpus(model, x, y, training.get("sample_weight"))
    options = fit_options({**training, "epochs": epochs})
    keep = Keep([e for e in range(epochs) if e >= int(start * epochs) and (epochs - 1 - e) % every == 0])
    own, rows = model.clone(), np.arange(corpus.rows)
    history = corpus.train(own, rows, options, callbacks=[keep])
    if keep.kept:
        own.restore(mean_of([state for state, _ in keep.kept]))
    if tree.leaves(own.variables.state):
        still = own.clone(optimizer=optim.SGD(0.0))
        still.build(own._need().specs)
        still.restore(own.snapshot())
        corpus.train(still, rows, replace(options, epochs=1, validation=None, callbacks=()))
        own.restore({**own.snapshot(), "state": still.snapshot()["state"]})
    own.history = history
    return own
