"""Layers for categories: a vector a category, and the input of a table with numbers and categories. In:
layer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY
from typing import Any

from saltus.base.errors import ArgumentError, DTypeError, ShapeError
from saltus.nn.checks import whole
from saltus.nn.config import register
from saltus.nn.core import settle
from saltus.nn.layer import Layer
from saltus.nn.scope import Scope
from saltus.tensor.creation import asarray
from saltus.tensor.elementwise import logical_and, where
from saltus.tensor.indexing import take
from saltus.tensor.manipulation import concat
from saltus.tensor.operands import as_tensor
from saltus.tensor.reduction import all as all_of
from saltus.tensor.tensor import Tensor
from saltus.tensor.tracing import here


def look_up(table: Tensor, index: Tensor) -> Tensor:
    """Rows of a table by number; a number that does not exist gives NaN, so that it cannot go unnoticed
    inside a compiled program.
    """
    index = index.astype("int64")
    inside = logical_and(index >= 0, index < table.shape[0])
    return where(inside[..., None], take(table, where(inside, index, 0), axis=0), float("nan"))


def _whole_numbers(x: Any) -> Tensor:
    tensor = as_tensor(x)
    if not tensor.dtype.is_integer:
        raise DTypeError(
            f"categories must be whole numbers, got {tensor.dtype.name}",
            site=here(),
            fix="number them from 0 and convert: x.astype('int64')",
        )
    return tensor


@register
class Embedding(Layer):
    """A vector of learned numbers for each category.

    Args:
        input_dim: how many categories there are, numbered from 0.
        output_dim: length of a vector.
        embeddings_initializer, embeddings_regularizer, embeddings_constraint: for the vectors.
        mask_zero: True makes number 0 mean that a step of a sequence (N, T) is not there: recurrent layers pass over it.

    Returns:
        `call` takes whole numbers (N, ...) and returns (N, ..., output_dim); NaN for a number outside 0 ..
        input_dim - 1.

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> params, state = nn.init(nn.Embedding(10, 4), nn.Spec((1,), "int64"), key=sl.random.key(0))
        >>> nn.apply(nn.Embedding(10, 4), params, state, sl.asarray([3, 3, 7])).output.shape
        (3, 4)
    """

    input_dim: int
    output_dim: int
    _: KW_ONLY
    embeddings_initializer: Any = "random_uniform"
    embeddings_regularizer: Any = None
    embeddings_constraint: Any = None
    mask_zero: bool = False

    def __post_init__(self) -> None:
        self._set(
            input_dim=whole(self, "input_dim", self.input_dim),
            output_dim=whole(self, "output_dim", self.output_dim),
        )
        settle(self, "embeddings_initializer", "embeddings_regularizer", "embeddings_constraint")

    def call(self, scope: Scope, x: Any) -> Tensor:
        table = scope.param(
            "embeddings", (self.input_dim, self.output_dim), self.embeddings_initializer, regularizer=self.embeddings_regularizer,
            constraint=self.embeddings_constraint,
        )  # fmt: skip
        numbers = _whole_numbers(x)
        made = look_up(table, numbers)
        if self.mask_zero:
            if numbers.ndim != 2:
                raise ShapeError(f"with mask_zero the input must have the shape (N, T), got {numbers.shape}", site=here())
            scope.set_mask(made, numbers != 0)
        return made


def embedding_width(categories: int) -> int:
    """The length of the vectors for a column: 1.6 * categories^0.56, rounded, from 1 to 600.

    The power is the rule of thumb of Howard and Gugger, "fastai: a layered API for deep learning", 2020: 2
    for two categories, 6 for ten, 21 for a hundred, 77 for a thousand.

    Args:
        categories: how many there are.

    Example:
        >>> from saltus import nn
        >>> nn.embedding_width(100)
        21
    """
    return max(1, min(600, round(1.6 * categories**0.56)))


@register(aliases=("feature_columns",))
class TableInput(Layer):
    """Rows of a table as one Tensor: the numbers as they are, each category as a vector of learned numbers,
    side by side.

    Args:
        cardinalities: how many categories each categorical column has; () when there are none.
        widths: length of the vectors: one number for all columns, one a column, or None for
            `embedding_width`.
        names: names of the categorical columns, for the paths of the parameters; None numbers them.
        embeddings_initializer, embeddings_regularizer, embeddings_constraint: for the vectors.

    Returns:
        `call` takes numbers (N, F) and categories (N, C), whole numbers from 0, or one of the two; it
        returns (N, F + sum of widths), NaN in rows with a category that does not exist.

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> table = nn.TableInput((2, 10))
        >>> specs = nn.Spec((1, 3)), nn.Spec((1, 2), "int32")
        >>> nn.describe(table, *specs).output
        Spec(shape=(1, 11), dtype='float32')
    """

    cardinalities: Any = ()
    _: KW_ONLY
    widths: Any = None
    names: Any = None
    embeddings_initializer: Any = "random_uniform"
    embeddings_regularizer: Any = None
    embeddings_constraint: Any = None

    def __post_init__(self) -> None:
        counts = tuple(whole(self, "each of cardinalities", n) for n in self.cardinalities)
        if self.widths is None:
            widths = tuple(embedding_width(n) for n in counts)
        elif isinstance(self.widths, Sequence):
            widths = tuple(whole(self, "each of widths", n) for n in self.widths)
        else:
            widths = (whole(self, "widths", self.widths),) * len(counts)
        names = tuple(f"category_{i}" for i in range(len(counts))) if self.names is None else tuple(map(str, self.names))
        for what, values in (("widths", widths), ("names", names)):
            if len(values) != len(counts):
                raise ArgumentError(f"TableInput: there are {len(counts)} cardinalities but {len(values)} {what}")
        if len(set(names)) != len(names):
            raise ArgumentError(f"TableInput: a name stands twice in {names}")
        self._set(cardinalities=counts, widths=widths, names=tuple(n.replace("/", "_") for n in names))
        settle(self, "embeddings_initializer", "embeddings_regularizer", "embeddings_constraint")

    def call(self, scope: Scope, *inputs: Any) -> Tensor:
        numbers, categories = self._inputs([as_tensor(x) for x in inputs])
        made = [] if numbers is None else [scope.cast(numbers)]
        if categories is None or not self.cardinalities:
            return made[0]
        categories = categories.astype("int64")
        inside = logical_and(categories >= 0, categories < asarray(self.cardinalities))
        codes = where(inside, categories, 0)
        for column, (count, width, name) in enumerate(zip(self.cardinalities, self.widths, self.names, strict=True)):
            table = scope.param(
                name,
                (count, width),
                self.embeddings_initializer,
                regularizer=self.embeddings_regularizer,
                constraint=self.embeddings_constraint,
            )
            made.append(take(table, codes[:, column], axis=0))
        side_by_side = concat(made, axis=-1) if len(made) > 1 else made[0]
        return where(all_of(inside, axis=1, keepdims=True), side_by_side, float("nan"))

    def _inputs(self, given: list[Tensor]) -> tuple[Tensor | None, Tensor | None]:
        """Numbers and categories, checked."""
        if len(given) == 1:
            only = given[0]
            given = [only] if not self.cardinalities else [None, only]  # type: ignore[list-item]
        if len(given) not in (1, 2):
            raise ShapeError(f"the inputs are numbers (N, F) and categories (N, C), got {len(given)} inputs", site=here())
        numbers, categories = given[0], given[1] if len(given) == 2 else None
        for what, tensor in (("numbers", numbers), ("categories", categories)):
            if tensor is not None and tensor.ndim != 2:
                raise ShapeError(
                    f"{what} must have the shape (N, columns), got {tensor.shape}",
                    site=here(),
                    fix="give one row a sample",
                )
        if numbers is not None and categories is not None and numbers.shape[0] != categories.shape[0]:
            raise ShapeError(
                f"there are {numbers.shape[0]} rows of numbers and {categories.shape[0]} of categories",
                site=here(),
            )
        columns = 0 if categories is None else categories.shape[1]
        if columns != len(self.cardinalities):
            raise ShapeError(
                f"there are {columns} categorical columns, but {len(self.cardinalities)} cardinalities",
                site=here(),
            )
        if categories is not None and columns:
            _whole_numbers(categories)
        if numbers is not None and numbers.shape[1] == 0:
            numbers = None
        if numbers is None and not columns:
            raise ShapeError("there is neither a number nor a category in the table", site=here())
        return numbers, categories
