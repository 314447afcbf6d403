"""What ensembles know of their members: how they end, what they say, how far they agree. Above `corpus`, below
`ensembles`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from saltus import nn
from saltus.base import tree
from saltus.base.errors import ArgumentError
from saltus.data.lazy import LazyModule
from saltus.nn.losses.logits import made_by
from saltus.tensor.creation import asarray
from saltus.tensor.jit import jit
from saltus.tensor.tensor import Tensor
from saltus.train import step
from saltus.train.model import Model
from saltus.train.program import CAPTURING, Library, using
from saltus.train.record import History

if TYPE_CHECKING:
    import polars as pl
else:
    pl = LazyModule("polars")

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Member:
    """One network of an ensemble.

    Attributes:
        history: record of its training.
        seed: it began with.
        weight: of its vote, or share of its result in the sum.
        scores: figures on rows it was not trained on, where there are such rows.
    """

    history: History
    seed: int
    weight: float
    scores: dict[str, float]

    def facts(self, number: int) -> dict[str, Any]:
        """The member as a row of a table."""
        last = self.history.records[-1] if self.history.records else {}
        return {
            "member": number,
            "seed": self.seed,
            "weight": self.weight,
            "epochs": len(self.history),
            "loss": last.get("loss"),
            **self.scores,
        }


@dataclass(frozen=True)
class Spread:
    """How far members agree, a value a sample.

    Attributes:
        mean: of their probabilities or values.
        std: their standard deviation, of the shape of `mean`.
        entropy: of the mean, in nats (classes only, else None).
        disagreement: the part of the entropy that comes from members contradicting each other; the rest they all agree is
            uncertain (classes only, else None).
    """

    mean: Array
    std: Array
    entropy: Array | None = None
    disagreement: Array | None = None

    def to_frame(self) -> pl.DataFrame:
        """A row a sample."""
        wide = {"mean": self.mean.reshape(len(self.mean), -1), "std": self.std.reshape(len(self.std), -1)}
        made: dict[str, Any] = {f"{n}_{k}" if v.shape[1] > 1 else n: v[:, k] for n, v in wide.items() for k in range(v.shape[1])}
        if self.entropy is not None:
            made |= {"entropy": self.entropy, "disagreement": self.disagreement}
        return pl.DataFrame(made)

    def __str__(self) -> str:
        said = f"{len(self.mean)} samples: standard deviation {float(self.std.mean()):.4f} in the mean, {float(self.std.max()):.4f} at most"
        return said if self.disagreement is None else f"{said}; disagreement {float(self.disagreement.mean()):.4f} nats"


def link_of(model: Model) -> str:
    """What makes probabilities of a model's outputs: "softmax", "sigmoid", or "none" where they are, or are values.

    Args:
        model: built.
    """
    built = model._need()
    loss = built.task.goals[0].loss
    given = getattr(loss, "from_logits", False)
    if given is False:
        return "none"
    binary = isinstance(loss, nn.losses.BinaryCrossentropy)
    link = "sigmoid" if binary else "softmax"
    if given:
        return link
    found: list[str] = []

    def look(state: Any, inputs: Any) -> Tensor:
        output = step.run_network(built.task, state, inputs).output
        found.append(made_by(output))
        return output  # type: ignore[no-any-return]

    with CAPTURING:
        parts = {name: built.programs.form[name] for name in ("params", "frozen", "state")}
        rows = tree.map(lambda spec: np.zeros(spec.shape, spec.dtype), built.specs)
        jit(look).lower(parts, tree.map(asarray, rows))
    return link if found[-1] == "dense" else "none"


def shares_of(outputs: Any, link: str) -> Array:
    """Outputs as probabilities, or values as they are.

    Args:
        outputs: (N, ...).
        link: see `link_of`.
    """
    values = np.asarray(outputs)
    if link == "softmax":
        shifted = np.exp(values - values.max(axis=-1, keepdims=True))
        return shifted / shifted.sum(axis=-1, keepdims=True)  # type: ignore[no-any-return]
    if link == "sigmoid":
        return 0.5 * (1 + np.tanh(values / 2))  # type: ignore[no-any-return]
    return values


def loss_for(pattern: Model, classes: bool) -> Any:
    """The loss of a pattern, for a network that gives probabilities where the pattern may give logits."""
    loss = pattern._need().task.goals[0].loss if pattern._built is not None else nn.losses.get(pattern._loss)
    return replace(loss, from_logits=False) if classes and hasattr(loss, "from_logits") else loss


def members_of(model: Model) -> list[Model]:
    """The members of an ensemble as models of their own.

    Args:
        model: an ensemble, also one that was loaded.

    Raises:
        ArgumentError: it is no ensemble.
    """
    network = model.network
    if not isinstance(network, nn.Ensemble):
        raise ArgumentError(f"{network!r} is no ensemble", fix="make one: sl.train.bagging(model, x, y, members=10)")
    built, own = model._need(), model.snapshot()
    made = []
    with using(Library()):
        for number, layer in enumerate(network.members):
            member = Model(layer, seed=model.seed)
            member.build(built.specs)
            member.restore({name: own[name].get(f"member_{number}", {}) for name in own})
            made.append(member)
    return made


def spread_of(model: Model, x: Any) -> Spread:
    """See `ensembles.uncertainty`."""
    network: Any = model.network
    members = members_of(model)
    weights = np.asarray(network.weights or [1.0] * len(members))
    if network.combine == "sum":
        raise ArgumentError(
            "the members of a boosted sum are no opinions of the same thing: they do not agree or disagree",
            fix="use bagging for uncertainty",
        )
    weights = weights / weights.sum()
    said = np.stack([shares_of(m.predict(x), network.link) for m in members]).astype(np.float64)
    mean = np.tensordot(weights, said, 1)
    std = np.sqrt(np.tensordot(weights, (said - mean) ** 2, 1))
    if getattr(_loss(model), "from_logits", None) is not False:
        return Spread(mean.astype(np.float32), std.astype(np.float32))
    entropy = _entropy(mean)
    inner = np.tensordot(weights, np.stack([_entropy(p) for p in said]), 1)
    return Spread(*(v.astype(np.float32) for v in (mean, std, entropy, np.maximum(entropy - inner, 0.0))))


def _loss(model: Model) -> Any:
    return model._need().task.goals[0].loss if model._need().task.goals else None


def _entropy(shares: Array) -> Array:
    """Of the last axis; of one probability, that of it and the rest."""
    if shares.ndim == 1 or shares.shape[-1] == 1:
        flat = shares.reshape(len(shares))
        shares = np.stack([1 - flat, flat], axis=-1)
    return -(shares * np.log(np.clip(shares, 1e-12, 1.0))).sum(axis=-1)  # type: ignore[no-any-return]
