"""Augmentations of texts as token numbers (N, length), where 0 is padding. In: base.

Tokens that go or come move the ones behind them; a text that grows beyond its row loses its end.
"""

from __future__ import annotations

from dataclasses import KW_ONLY
from typing import Any

import numpy as np

from saltus.base import dtypes as dt
from saltus.base.errors import ArgumentError, DTypeError
from saltus.ir.node import full
from saltus.nn.augmentation.base import Augmentation
from saltus.nn.augmentation.draws import Draws
from saltus.nn.checks import number, whole
from saltus.nn.config import register
from saltus.ops.gather import scatter_add, take
from saltus.tensor.creation import asarray, ramp
from saltus.tensor.elementwise import clip, floor, maximum, minimum, where
from saltus.tensor.manipulation import concat, reshape
from saltus.tensor.reduction import cumulative_sum
from saltus.tensor.reduction import sum as total
from saltus.tensor.tensor import Tensor, of_node
from saltus.tensor.tracing import here


class TokenAugmentation(Augmentation):
    """Base of augmentations of token numbers."""

    def need_tokens(self, x: Tensor) -> Tensor:
        if x.ndim != 2 or not x.dtype.is_integer:
            raise DTypeError(
                f"{type(self).__name__} takes token numbers, integers (N, length), got {x.dtype.name} {x.shape}", site=here(),
                fix="put it before the embedding",
            )  # fmt: skip
        return x

    def suits(self, x: Tensor) -> bool:
        return False  # categories look like tokens: which input holds texts must be said


def _places(shape: tuple[int, ...], axis: int) -> Tensor:
    return of_node(ramp(shape, axis, dt.int32))


def placed(tokens: Tensor, places: Tensor, length: int) -> Tensor:
    """Tokens put to places of new rows, (N, length); a place outside drops them."""
    count = tokens.shape[0]
    inside = (places >= 0) & (places < length)
    index = where(inside, places, length) + _places(tokens.shape, 0) * (length + 1)
    empty = full((count * (length + 1),), 0, tokens.dtype)
    made = scatter_add(empty, reshape(index, (-1,)).node, reshape(tokens, (-1,)).node, axis=0)
    return reshape(of_node(made), (count, length + 1))[:, :length]


@register
class RandomTokenDeletion(TokenAugmentation):
    """Leaves tokens out; what follows moves up. A text keeps its first token if all were to go.

    Args:
        rate: share of the tokens.

    Source: Wei and Zou, "EDA: easy data augmentation techniques for boosting performance on text classification tasks", 2019.

    Example:
        >>> from saltus import nn
        >>> nn.RandomTokenDeletion(0.1)
        RandomTokenDeletion()
    """

    rate: float = 0.1

    def __post_init__(self) -> None:
        number(self, "rate", self.rate, low=0, high=1)

    def augment(self, draws: Draws, x: Tensor) -> Tensor:
        x = self.need_tokens(x)
        kept = (x != 0) & ~draws.happens(self.rate, x.shape[1])
        none_left = total(kept.astype("int32"), axis=1, keepdims=True) == 0
        kept = kept | (none_left & (_places(x.shape, 1) == 0))
        order = cumulative_sum(kept.astype("int32"), axis=1, dtype="int32") - 1
        return placed(x, where(kept, order, -1), x.shape[1])


@register
class RandomTokenSwap(TokenAugmentation):
    """Lets neighbouring tokens change places.

    Args:
        rate: share of the pairs of neighbours.

    Source: as for RandomTokenDeletion, there with tokens anywhere in the text.

    Example:
        >>> from saltus import nn
        >>> nn.RandomTokenSwap(0.05)
        RandomTokenSwap(0.05)
    """

    rate: float = 0.1

    def __post_init__(self) -> None:
        number(self, "rate", self.rate, low=0, high=1)

    def augment(self, draws: Draws, x: Tensor) -> Tensor:
        x = self.need_tokens(x)
        length, zero = x.shape[1], x[:, :1] * 0
        place = _places(x.shape, 1)
        starts = (place + draws.whole(high=2)[:, None]) % 2 == 0  # pairs begin at even or at odd places, so that none overlap
        after = concat([x[:, 1:], zero], axis=1)
        begins = starts & draws.happens(self.rate, length) & (x != 0) & (after != 0)
        begun = concat([zero, begins.astype(x.dtype)[:, :-1]], axis=1) != 0
        before = concat([zero, x[:, :-1]], axis=1)
        return where(begins, after, where(begun, before, x))


@register
class RandomTokenInsertion(TokenAugmentation):
    """Puts tokens of the same text in at random places.

    Args:
        rate: inserted tokens a token.

    Source: as for RandomTokenDeletion, there with synonyms of the text's words.

    Example:
        >>> from saltus import nn
        >>> nn.RandomTokenInsertion(0.05)
        RandomTokenInsertion(0.05)
    """

    rate: float = 0.1

    def __post_init__(self) -> None:
        number(self, "rate", self.rate, low=0, high=1)

    def augment(self, draws: Draws, x: Tensor) -> Tensor:
        x = self.need_tokens(x)
        length, present = x.shape[1], x != 0
        follows = present & draws.happens(self.rate, length)
        moved = cumulative_sum(follows.astype("int32"), axis=1, dtype="int32")
        place = _places(x.shape, 1) + moved - follows.astype("int32")
        extent = maximum(total(present.astype("int32"), axis=1, keepdims=True), 1)
        chosen = minimum((draws.uniform(length) * extent.astype("float32")).astype("int32"), extent - 1)
        row = _places(x.shape, 0) * length
        new = of_node(take(reshape(x, (-1,)).node, (row + chosen).node, axis=0))
        tokens = concat([x, where(follows, new, 0)], axis=1)
        places = concat([where(present, place, -1), where(follows, place + 1, -1)], axis=1)
        return placed(tokens, places, length)


@register
class RandomTokenCutoff(TokenAugmentation):
    """Blanks a run of neighbouring tokens.

    Args:
        rate: share of the text.
        value: what stands in their place: 0 is padding, or the number of an unknown token.

    Source: Shen, Zheng, Shen, Qu and Chen, "A simple but tough-to-beat data augmentation approach for natural language understanding and
        generation", 2020.

    Example:
        >>> from saltus import nn
        >>> nn.RandomTokenCutoff(0.2, value=1)
        RandomTokenCutoff(0.2, value=1)
    """

    rate: float = 0.1
    _: KW_ONLY
    value: int = 0

    def __post_init__(self) -> None:
        number(self, "rate", self.rate, low=0, high=1)
        whole(self, "value", self.value, low=0)

    def augment(self, draws: Draws, x: Tensor) -> Tensor:
        x = self.need_tokens(x)
        extent = total((x != 0).astype("int32"), axis=1).astype("float32")
        size = floor(extent * self.rate + 0.5)
        first = floor(draws.uniform() * (extent - size + 1.0))
        place = _places(x.shape, 1).astype("float32")
        inside = (place >= first[:, None]) & (place < (first + size)[:, None]) & (x != 0)
        return where(inside, int(self.value), x)


@register
class RandomSynonyms(TokenAugmentation):
    """Replaces tokens by others of like meaning.

    Args:
        table: (tokens, choices) of token numbers: what may stand for each token; a row of its own number, or of 0, leaves a token as it is.
            `nearest_tokens` makes one from learned vectors.
        rate: share of the tokens.

    Source: as for RandomTokenDeletion.

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> swap = nn.RandomSynonyms(((0,), (2,), (1,)), rate=1.0)
        >>> nn.apply(swap, {}, {}, sl.asarray([[1, 2, 0]]), training=True, key=sl.random.key(0)).output.tolist()
        [[2, 1, 0]]
    """

    table: Any
    rate: float = 0.1

    def __post_init__(self) -> None:
        number(self, "rate", self.rate, low=0, high=1)
        found = np.asarray(self.table)
        if found.ndim != 2 or not found.size or found.dtype.kind not in "iu" or found.min() < 0 or found.max() >= len(found):
            raise ArgumentError(
                f"RandomSynonyms: table must hold token numbers below its length, (tokens, choices), got {found.shape} of {found.dtype}",
                fix="one row a token; fill rows that are shorter with the token's own number",
            )
        self._set(table=tuple(map(tuple, found.tolist())))

    def augment(self, draws: Draws, x: Tensor) -> Tensor:
        x = self.need_tokens(x)
        table = np.asarray(self.table, x.dtype.numpy)
        tokens, choices = table.shape
        known = (x >= 0) & (x < tokens)
        index = clip(x.astype("int32"), 0, tokens - 1) * choices + draws.whole(x.shape[1], high=choices)
        other = of_node(take(asarray(table.reshape(-1)).node, index.node, axis=0))
        return where(known & (x != 0) & (other != 0) & draws.happens(self.rate, x.shape[1]), other, x)


def nearest_tokens(vectors: Any, count: int = 4, *, least: float = 0.5) -> tuple[tuple[int, ...], ...]:
    """For each token those with the most similar vectors, as `RandomSynonyms` takes them.

    Args:
        vectors: (tokens, width), such as the table of a trained `Embedding`; row 0 is padding.
        count: how many.
        least: cosine of the angle between two vectors from which on tokens count as similar; others get their own number.

    Returns:
        (tokens, count) of token numbers.

    Example:
        >>> nearest_tokens([[0.0, 0.0], [1.0, 0.0], [1.0, 0.1], [0.0, 1.0]], 1)
        ((0,), (2,), (1,), (3,))
    """
    table = np.asarray(vectors, np.float64)
    if table.ndim != 2:
        raise ArgumentError(f"nearest_tokens takes vectors of the shape (tokens, width), got {table.shape}")
    length = np.linalg.norm(table, axis=1, keepdims=True)
    units = table / np.where(length > 0, length, 1.0)
    own = np.arange(len(table))
    made = np.tile(own[:, None], (1, count))
    for begin in range(0, len(table), 1024):
        like = units[begin : begin + 1024] @ units.T
        like[np.arange(len(like)), own[begin : begin + 1024]] = -2.0
        like[:, 0] = -2.0
        best = np.argsort(-like, axis=1, kind="stable")[:, :count]
        near = np.take_along_axis(like, best, axis=1) >= least
        made[begin : begin + 1024, : best.shape[1]] = np.where(near, best, own[begin : begin + 1024, None])
    made[0] = 0
    return tuple(map(tuple, made.tolist()))
