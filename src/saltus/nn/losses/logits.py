"""Whether predictions are probabilities or logits, read from the graph that made them. Used by the losses
and metrics of classification.

A softmax or sigmoid at the end of a network, followed by a logarithm, loses digits; the loss of the numbers
before it does not. Since the
program is a graph, these numbers can be found: the last operation of the predictions says what they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from saltus.base.errors import ArgumentError
from saltus.ir.node import Node
from saltus.nn.losses.base import floats
from saltus.ops.composite import softmax as softmax_of
from saltus.tensor.elementwise import sigmoid as to_sigmoid
from saltus.tensor.neural import softmax as to_softmax
from saltus.tensor.tensor import Tensor, of_node
from saltus.tensor.tracing import captures, here

Link = Literal["softmax", "sigmoid"]


@dataclass(frozen=True)
class Predictions:
    """Predictions of a classifier in the form that keeps most digits.

    Attributes:
        logits: numbers before the softmax or sigmoid, or None when only probabilities are there.
        given: what was given.
        link: "softmax" or "sigmoid".
    """

    logits: Tensor | None
    given: Tensor
    link: Link
    axis: int = -1

    @property
    def probabilities(self) -> Tensor:
        """The predictions as probabilities."""
        if self.logits is None or self.logits is not self.given:
            return self.given
        return to_softmax(self.given, axis=self.axis) if self.link == "softmax" else to_sigmoid(self.given)


_VIEWS = {"reshape", "permute", "barrier", "cast", "broadcast_to"}


def _inner(node: Node) -> Node:
    """What a node shows in another shape or type."""
    while node.op.name in _VIEWS:
        node = node.src[0]
    return node


def _before_softmax(node: Node, axis: int) -> Node | None:
    """The x of which `node` is softmax(x), or None. Equal graphs are one node, so rebuilding the softmax of
    a candidate tells.
    """
    if node.op.name != "multiply":
        return None
    candidate = node
    for _ in range(4):
        if not candidate.src or candidate.src[0].shape != node.shape or not candidate.src[0].dtype.is_float:
            return None
        candidate = candidate.src[0]
        if softmax_of(candidate, (axis,)) is node:
            return candidate
    return None


_LINEAR = {"add", "subtract", "multiply", "divide", "negative", "concat"}


def _is_dense(node: Node) -> bool:
    """Whether numbers come from a product with weights, so that nothing keeps them between 0 and 1.

    A product of two softmax results (a mixture of probabilities) is not meant.
    """
    node = _inner(node)
    if node.op.name == "matmul":
        return not all(made_by(of_node(_inner(s))) in ("softmax", "sigmoid") for s in node.src)
    return node.op.name in _LINEAR and any(_is_dense(s) for s in node.src)


def made_by(y_pred: Tensor, axis: int = -1) -> str:
    """What made predictions: "softmax", "sigmoid", "dense" (a product with weights, also shifted or
    scaled), or "" for anything else.
    """
    node = y_pred.node
    if node.op.name == "sigmoid":
        return "sigmoid"
    if node.shape and _before_softmax(node, axis % len(node.shape)) is not None:
        return "softmax"
    return "dense" if _is_dense(node) else ""


def predictions(title: str, y_pred: Tensor, from_logits: bool | None, link: Link, axis: int = -1) -> Predictions:
    """Predictions, and their logits where they are known.

    Args:
        title: the loss, for messages.
        y_pred: predictions.
        from_logits: True: they are logits; False: probabilities; None: the graph tells. Then a softmax or
            sigmoid is looked through. Inside sl.jit and sl.grad the result of a Dense layer without
            activation is taken as logits, everything else as probabilities. Outside, where a Tensor may
            have forgotten how it was made, the values must lie between 0 and 1.
        link: what turns logits into probabilities.
        axis: the axis of the classes.

    Raises:
        ArgumentError: from_logits is True, but the predictions come from a softmax or sigmoid; or they
            cannot be probabilities.
    """
    floats(title, y_pred)
    node = y_pred.node
    if link == "softmax":
        before = _before_softmax(node, axis % len(node.shape))
    else:
        before = node.src[0] if node.op.name == "sigmoid" else None
    if before is not None and from_logits:
        raise ArgumentError(
            f"{title}: from_logits=True, but the predictions come from a {link}; they would go through it twice", site=here(),
            fix=f"leave the {link} out of the last layer, or leave from_logits out: the loss finds the logits itself",
        )  # fmt: skip
    if from_logits or (from_logits is None and before is None and captures.open and _is_dense(node)):
        return Predictions(y_pred, y_pred, link, axis)
    if from_logits is None and before is None and not captures.open:
        _in_range(title, y_pred)
    return Predictions(None if before is None else of_node(before), y_pred, link, axis)


def _in_range(title: str, y_pred: Tensor) -> None:
    values = y_pred.numpy()
    if values.size and not (values.min() >= -1e-3 and values.max() <= 1 + 1e-3) and not np.isnan(values).any():
        raise ArgumentError(
            f"{title}: predictions from {values.min():.4g} to {values.max():.4g} are no probabilities", site=here(),
            fix="if they are logits (a last layer without activation), say so: from_logits=True",
        )  # fmt: skip
