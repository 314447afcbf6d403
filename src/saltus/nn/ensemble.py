"""Several networks that answer as one. In: containers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY
from functools import reduce
from typing import Any

from saltus.base.errors import ArgumentError, ShapeError
from saltus.nn.checks import one_of
from saltus.nn.config import register
from saltus.nn.containers import layer_of
from saltus.nn.layer import Layer
from saltus.nn.scope import Scope
from saltus.tensor.creation import asarray, one_hot
from saltus.tensor.elementwise import add, sigmoid
from saltus.tensor.manipulation import concat
from saltus.tensor.neural import softmax
from saltus.tensor.reduction import argmax
from saltus.tensor.tensor import Tensor
from saltus.tensor.tracing import here

COMBINE, LINKS = ("mean", "vote", "sum", "stack"), ("none", "softmax", "sigmoid")


@register
class Ensemble(Layer):
    """Several networks on the same input, and what they say made one.

    Args:
        members: networks with outputs of one shape; each has parameters of its own.
        combine: "mean" of their results; "vote": the share of members that choose a class; "sum" for boosting; "stack":
            `final` decides.
        link: what makes probabilities of a member's results ("sum": of their sum): "softmax", "sigmoid", or "none" where they
            are probabilities, or values.
        weights: of the members; None for equal ones.
        start: "sum" begins here, a number an output.
        final: for "stack", a layer on the members' results side by side.

    Example:
        >>> from saltus import nn
        >>> both = nn.Ensemble([nn.Dense(3), nn.Dense(3)], link="softmax")
        >>> nn.describe(both, nn.Spec((1, 4))).output
        Spec(shape=(1, 3), dtype='float32')
    """

    members: Any
    _: KW_ONLY
    combine: str = "mean"
    link: str = "none"
    weights: Any = None
    start: Any = None
    final: Any = None

    def __post_init__(self) -> None:
        if not isinstance(self.members, Sequence) or isinstance(self.members, str) or not self.members:
            raise ArgumentError(f"Ensemble takes a list of networks, got {self.members!r}", site=here(), fix="nn.Ensemble([first, second])")
        self._set(members=tuple(layer_of("Ensemble", m) for m in self.members))
        one_of(self, "combine", self.combine, COMBINE)
        one_of(self, "link", self.link, LINKS)
        for name in ("weights", "start"):
            if getattr(self, name) is not None:
                self._set(**{name: tuple(float(v) for v in getattr(self, name))})
        if self.weights is not None and (len(self.weights) != len(self.members) or (self.combine != "sum" and sum(self.weights) <= 0)):
            raise ArgumentError(
                f"Ensemble: {len(self.weights)} weights for {len(self.members)} members, adding up to {sum(self.weights)}",
                site=here(), fix="give one weight a member, not all 0",
            )  # fmt: skip
        if (self.combine == "stack") != isinstance(self.final, Layer):
            raise ArgumentError(
                'Ensemble: combine="stack" and final=... go together', site=here(), fix="give final a layer, e.g. nn.Dense(3)"
            )

    def call(self, scope: Scope, *inputs: Any) -> Tensor:
        made = [scope.run(member, *inputs, name=f"member_{k}") for k, member in enumerate(self.members)]
        wrong = [v for v in made if not isinstance(v, Tensor) or v.shape != made[0].shape]
        if wrong:
            found = ", ".join(str(getattr(v, "shape", "several results")) for v in made[:5])
            raise ShapeError(f"Ensemble: the members' results are {found}; they must be of one shape", site=here())
        if self.combine == "sum":
            total = reduce(add, [v * w for v, w in zip(made, self.weights or [1.0] * len(made), strict=True)])
            return self._linked(total if self.start is None else total + asarray(self.start, dtype=total.dtype.name))
        said = [self._linked(v) for v in made]
        if self.combine == "stack":
            wide = [v if v.ndim > 1 else v.reshape((*v.shape, 1)) for v in said]
            return scope.run(self.final, concat(wide, axis=-1), name="final")  # type: ignore[no-any-return]
        if self.combine == "vote":
            said = [self._vote(v) for v in said]
        weights = self.weights or [1.0] * len(made)
        return reduce(add, [v * (w / sum(weights)) for v, w in zip(said, weights, strict=True)])

    def _linked(self, value: Tensor) -> Tensor:
        return {"softmax": softmax, "sigmoid": sigmoid, "none": lambda v: v}[self.link](value)  # type: ignore[operator]

    def _vote(self, shares: Tensor) -> Tensor:
        if shares.ndim < 2 or shares.shape[-1] == 1:
            return (shares > 0.5).astype(shares.dtype.name)
        return one_hot(argmax(shares, axis=-1), shares.shape[-1], dtype=shares.dtype.name)
