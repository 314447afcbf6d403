"""Losses of how samples lie to each other: triplets, pairs, order. In: losses.base. Names and arguments follow PyTorch, and
TensorFlow's add-ons where it has none.
"""

from __future__ import annotations

from dataclasses import KW_ONLY
from typing import Any

import numpy as np

from saltus.base.errors import DataError, ShapeError
from saltus.nn.checks import number, one_of
from saltus.nn.config import register
from saltus.nn.losses.base import Loss, floats, vectors_of_classes
from saltus.nn.losses.classification import like
from saltus.nn.losses.regression import cosine
from saltus.tensor.creation import eye
from saltus.tensor.elementwise import (
    abs,
    logical_and,
    logical_not,
    maximum,
    minimum,
    pow,
    rsqrt,
    softplus,
    sqrt,
    square,
    stop_gradient,
    where,
)
from saltus.tensor.manipulation import expand_dims, matrix_transpose
from saltus.tensor.products import matmul
from saltus.tensor.reduction import any as any_of
from saltus.tensor.reduction import max as max_of
from saltus.tensor.reduction import min as min_of
from saltus.tensor.reduction import sum
from saltus.tensor.tensor import Tensor
from saltus.tensor.tracing import here

_TINY = 1e-12  # under a square root, so that its slope at 0 is finite


def _side_by_side(loss: Loss, y_true: Any, y_pred: Any, count: int, words: str, vectors: bool) -> None:
    """Predictions must hold `count` vectors (or numbers) a sample, and targets one number."""
    floats(loss.title, y_pred)
    pred = tuple(y_pred.shape)
    if len(pred) == (3 if vectors else 2) and pred[1] == count and tuple(y_true.shape) == pred[:1]:
        return
    raise ShapeError(
        f"{loss.title}: expected {words} of each sample as predictions of shape (N, {count}{', width' if vectors else ''}) and one number "
        f"a sample as target, (N,); got {pred} and {tuple(y_true.shape)}",
        site=here(), fix="bring them together: sl.stack([first, second], axis=1), or nn.Network with nn.Concatenate and nn.Reshape",
    )  # fmt: skip


def _only(loss: Loss, y_true: Any, allowed: tuple[int, ...], fix: str | None = None) -> None:
    """Refuse targets that are none of a few numbers, naming the first."""
    values = np.asarray(y_true)
    wrong = ~np.isin(values, allowed)
    if wrong.any():
        row = int(np.argwhere(wrong)[0][0])
        words = " or ".join(map(str, allowed))
        raise DataError(f"{loss.title}: targets must be {words}, but that of row {row} is {values[row]}", fix=fix)


def _distance(a: Tensor, b: Tensor, p: float, shift: float) -> Tensor:
    """The p-norm of a - b + shift along the last axis."""
    apart = a - b + shift if shift else a - b
    if p == 2:
        return sqrt(maximum(sum(square(apart), axis=-1), _TINY))
    return sum(abs(apart), axis=-1) if p == 1 else pow(maximum(sum(pow(abs(apart), p), axis=-1), _TINY), 1 / p)


@register(aliases=("triplet_margin_loss", "triplet"))
class TripletMargin(Loss):
    """max(|anchor - like| - |anchor - other| + margin, 0): an anchor is to lie nearer to its like than to another, by the margin.

    Args:
        margin: by how much.
        p: of which norm the distances are.
        eps: added to the differences, as PyTorch does.
        swap: take the distance of like and other where it is the smaller one.

    Returns:
        For predictions (N, 3, width) of anchor, like and other: (N,). Targets (N,) are not looked at; give zeros.

    Source: Balntas, Riba, Ponsa and Mikolajczyk, "Learning local feature descriptors with triplets and shallow convolutional
        neural networks", 2016.

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> near = [[[0.0, 0.0], [0.0, 1.0], [0.0, 1.5]]]
        >>> nn.losses.TripletMargin()(sl.zeros(1), sl.asarray(near)).tolist()
        [0.5]
    """

    margin: float = 1.0
    p: float = 2.0
    _: KW_ONLY
    eps: float = 1e-6
    swap: bool = False

    def __post_init__(self) -> None:
        Loss.__post_init__(self)
        number(self, "margin", self.margin, low=0)
        number(self, "p", self.p, low=0, open_low=True)

    def check(self, y_true: Any, y_pred: Any, network: Any = None) -> None:
        _side_by_side(self, y_true, y_pred, 3, "anchor, like and other", True)

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        anchor, alike, other = (y_pred[:, k] for k in range(3))
        far = _distance(anchor, other, self.p, self.eps)
        if self.swap:
            far = minimum(far, _distance(alike, other, self.p, self.eps))
        return maximum(_distance(anchor, alike, self.p, self.eps) - far + self.margin, 0.0)


class _Batch(Loss):
    """Base of losses that make their triplets from the classes of a batch."""

    margin: float
    distance_metric: str

    def __post_init__(self) -> None:
        Loss.__post_init__(self)
        number(self, "margin", self.margin, low=0)
        one_of(self, "distance_metric", self.distance_metric, ("L2", "squared-L2", "angular"))

    def check(self, y_true: Any, y_pred: Any, network: Any = None) -> None:
        vectors_of_classes(self.title, y_true, y_pred)

    @staticmethod
    def _apart(x: Tensor, metric: str) -> Tensor:
        """Distances of all vectors from all."""
        if metric == "angular":
            unit = x * rsqrt(maximum(sum(square(x), axis=1, keepdims=True), _TINY))
            return 1.0 - matmul(unit, matrix_transpose(unit))
        sizes = sum(square(x), axis=1)
        squares = maximum(expand_dims(sizes, axis=1) + expand_dims(sizes, axis=0) - matmul(x, matrix_transpose(x)) * 2.0, 0.0)
        if metric == "squared-L2":
            return squares
        some = squares > _TINY
        return where(some, sqrt(where(some, squares, 1.0)), 0.0)


@register
class TripletSemiHard(_Batch):
    """Triplets within a batch: each pair of one class with the nearest sample of another class that lies farther than the pair,
    or the farthest one where none does.

    Args:
        margin: by how much the other is to lie farther.
        distance_metric: "L2", "squared-L2" or "angular" (1 - cosine).

    Returns:
        For class numbers (N,) and vectors (N, width): (N,), scaled so that the mean over the batch is the mean over all pairs of one
        class. Vectors should have length 1: end with nn.UnitNormalization().

    Source: Schroff, Kalenichenko and Philbin, "FaceNet: a unified embedding for face recognition and clustering", 2015.

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> loss = nn.losses.TripletSemiHard()
        >>> float(sl.mean(loss(sl.asarray([0, 0, 1]), sl.asarray([[0.0], [1.0], [1.5]]))))
        1.0
    """

    margin: float = 1.0
    distance_metric: str = "L2"

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        apart = self._apart(y_pred, self.distance_metric)
        alike = expand_dims(y_true, axis=1) == expand_dims(y_true, axis=0)
        others = logical_not(alike)
        top = stop_gradient(max_of(apart)) + 1.0
        # (anchor, like, other): others that lie farther from the anchor than its like
        beyond = logical_and(expand_dims(others, axis=1), expand_dims(apart, axis=1) > expand_dims(apart, axis=2))
        nearest = min_of(where(beyond, expand_dims(apart, axis=1), top), axis=2)
        farthest = max_of(where(others, apart, 0.0), axis=1, keepdims=True)
        chosen = where(any_of(beyond, axis=2), nearest, farthest)
        pairs = logical_and(alike, logical_not(eye(y_true.shape[0], dtype="bool"))).astype(apart.dtype)
        lost = sum(maximum(apart - chosen + self.margin, 0.0) * pairs, axis=1)
        return lost * (y_true.shape[0] / maximum(sum(pairs), 1.0))


@register
class TripletHard(_Batch):
    """Triplets within a batch: each sample with the farthest of its class and the nearest of another.

    Args:
        margin: by how much the other is to lie farther.
        soft: log(1 + exp(near - far)) instead, which has no margin.
        distance_metric: "L2", "squared-L2" or "angular" (1 - cosine).

    Returns:
        For class numbers (N,) and vectors (N, width): (N,).

    Source: Hermans, Beyer and Leibe, "In defense of the triplet loss for person re-identification", 2017.

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> nn.losses.TripletHard()(sl.asarray([0, 0, 1]), sl.asarray([[0.0], [1.0], [1.5]])).tolist()
        [0.5, 1.5, 0.5]
    """

    margin: float = 1.0
    soft: bool = False
    distance_metric: str = "L2"

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        apart = self._apart(y_pred, self.distance_metric)
        alike = expand_dims(y_true, axis=1) == expand_dims(y_true, axis=0)
        top = stop_gradient(max_of(apart)) + 1.0
        far = max_of(where(alike, apart, 0.0), axis=1)
        near = min_of(where(alike, top, apart), axis=1)
        return softplus(far - near) if self.soft else maximum(far - near + self.margin, 0.0)


@register(aliases=("contrastive_loss",))
class Contrastive(Loss):
    """t d^2 + (1 - t) max(margin - d, 0)^2 for the distance d of two samples: pairs that belong together (1) come close, others (0)
    go at least `margin` apart.

    Args:
        margin: how far.

    Returns:
        For targets 0 and 1 (N,), and predictions that are distances (N,) or the two vectors (N, 2, width): (N,).

    Source: Hadsell, Chopra and LeCun, "Dimensionality reduction by learning an invariant mapping", 2006.

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> nn.losses.Contrastive()(sl.asarray([1.0, 0.0]), sl.asarray([0.5, 0.5])).tolist()
        [0.25, 0.25]
    """

    margin: float = 1.0

    def __post_init__(self) -> None:
        Loss.__post_init__(self)
        number(self, "margin", self.margin, low=0, open_low=True)

    def check(self, y_true: Any, y_pred: Any, network: Any = None) -> None:
        if len(y_pred.shape) == 3 or tuple(y_true.shape) != tuple(y_pred.shape):
            _side_by_side(self, y_true, y_pred, 2, "the two vectors", True)
        floats(self.title, y_pred)

    def check_targets(self, y_true: Any, outputs: int) -> None:
        _only(self, y_true, (0, 1), "1 means that the two belong together")

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        true = like(y_true, y_pred)
        apart = _distance(y_pred[:, 0], y_pred[:, 1], 2, 0.0) if y_pred.ndim == 3 else y_pred
        return true * square(apart) + (1.0 - true) * square(maximum(self.margin - apart, 0.0))


@register(aliases=("cosine_embedding_loss",))
class CosineEmbedding(Loss):
    """1 - cosine of two vectors that belong together (1), max(cosine - margin, 0) of others (-1).

    Args:
        margin: the cosine that others may have.

    Returns:
        For targets 1 and -1 (N,), and predictions (N, 2, width): (N,).

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> pairs = sl.asarray([[[1.0, 0.0], [0.0, 2.0]], [[1.0, 1.0], [2.0, 2.0]]])
        >>> nn.losses.CosineEmbedding()(sl.asarray([1.0, -1.0]), pairs).tolist()
        [1.0, 1.0]
    """

    margin: float = 0.0

    def __post_init__(self) -> None:
        Loss.__post_init__(self)
        number(self, "margin", self.margin, low=-1, high=1)

    def check(self, y_true: Any, y_pred: Any, network: Any = None) -> None:
        _side_by_side(self, y_true, y_pred, 2, "the two vectors", True)

    def check_targets(self, y_true: Any, outputs: int) -> None:
        _only(self, y_true, (1, -1), "1 means that the two belong together")

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        found = cosine(y_pred[:, 0], y_pred[:, 1], -1)
        return where(y_true > 0, 1.0 - found, maximum(found - self.margin, 0.0))


@register(aliases=("margin_ranking_loss",))
class MarginRanking(Loss):
    """max(-t (a - b) + margin, 0): a is to be larger than b where t is 1, smaller where it is -1.

    Args:
        margin: by how much.

    Returns:
        For targets 1 and -1 (N,), and predictions (N, 2): (N,).

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> nn.losses.MarginRanking()(sl.asarray([1.0, -1.0]), sl.asarray([[3.0, 1.0], [3.0, 1.0]])).tolist()
        [0.0, 2.0]
    """

    margin: float = 0.0

    def __post_init__(self) -> None:
        Loss.__post_init__(self)
        number(self, "margin", self.margin)

    def check(self, y_true: Any, y_pred: Any, network: Any = None) -> None:
        _side_by_side(self, y_true, y_pred, 2, "the two numbers", False)

    def check_targets(self, y_true: Any, outputs: int) -> None:
        _only(self, y_true, (1, -1), "1 means that the first is to be larger")

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return maximum(self.margin - like(y_true, y_pred) * (y_pred[:, 0] - y_pred[:, 1]), 0.0)
