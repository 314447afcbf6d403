"""A layer for bags of words: the vectors of all tokens of a text, taken together. In: layer, embedding."""

from __future__ import annotations

from dataclasses import KW_ONLY
from typing import Any

from saltus.base.errors import DTypeError, ShapeError
from saltus.nn.checks import one_of, whole
from saltus.nn.config import register
from saltus.nn.core import settle
from saltus.nn.embedding import look_up
from saltus.nn.layer import Layer
from saltus.nn.scope import Scope
from saltus.tensor.elementwise import maximum, sqrt
from saltus.tensor.operands import as_tensor
from saltus.tensor.reduction import sum as sum_of
from saltus.tensor.tensor import Tensor
from saltus.tensor.tracing import here

COMBINERS = ("mean", "sum", "sqrtn")


@register
class EmbeddingBag(Layer):
    """One vector for a set of tokens: the vectors of its members, combined; 0 fills up short sets and has none.

    Args:
        input_dim: how many tokens there are, with 0.
        output_dim: length of a vector.
        combiner: "mean", "sum", or "sqrtn" (the sum by the root of the number of members).
        embeddings_initializer, embeddings_regularizer, embeddings_constraint: for the vectors.

    Returns:
        `call` takes whole numbers (N, length) and returns (N, output_dim); zeros for a row of zeros, NaN for a number
        outside 0 .. input_dim - 1.

    Source: Joulin et al., "Bag of Tricks for Efficient Text Classification", 2016.

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> bag = nn.EmbeddingBag(10, 4)
        >>> params, state = nn.init(bag, nn.Spec((1, 3), "int32"), key=sl.random.key(0))
        >>> made = nn.apply(bag, params, state, sl.asarray([[3, 7, 0], [7, 3, 0], [0, 0, 0]])).output
        >>> made.shape, bool(sl.all(made[0] == made[1])), float(sl.sum(sl.abs(made[2])))
        ((3, 4), True, 0.0)
    """

    input_dim: int
    output_dim: int
    _: KW_ONLY
    combiner: str = "mean"
    embeddings_initializer: Any = "random_uniform"
    embeddings_regularizer: Any = None
    embeddings_constraint: Any = None

    def __post_init__(self) -> None:
        self._set(
            input_dim=whole(self, "input_dim", self.input_dim),
            output_dim=whole(self, "output_dim", self.output_dim),
            combiner=one_of(self, "combiner", self.combiner, COMBINERS),
        )
        settle(self, "embeddings_initializer", "embeddings_regularizer", "embeddings_constraint")

    def call(self, scope: Scope, x: Any) -> Tensor:
        tokens = as_tensor(x)
        if not tokens.dtype.is_integer:
            raise DTypeError(f"tokens must be whole numbers, got {tokens.dtype.name}", site=here(), fix="convert them: x.astype('int32')")
        if tokens.ndim != 2:
            raise ShapeError(f"the input must have the shape (N, length), got {tokens.shape}", site=here(), fix="give one row a text")
        table = scope.param(
            "embeddings", (self.input_dim, self.output_dim), self.embeddings_initializer, regularizer=self.embeddings_regularizer,
            constraint=self.embeddings_constraint,
        )  # fmt: skip
        there = scope.cast(tokens != 0)
        total = sum_of(look_up(table, tokens) * there[:, :, None], axis=1)
        if self.combiner == "sum":
            return total
        count = maximum(sum_of(there, axis=1, keepdims=True), 1.0)
        return total / (count if self.combiner == "mean" else sqrt(count))
