"""Functions about order and occurrence: sorting, the largest few, places in a sorted row, positions, distinct values.

Functions whose result's length depends on values (nonzero, unique_*) compute at once, so they have no place inside a capture.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from saltus.base import dtypes as dt
from saltus.base.errors import ArgumentError, DTypeError, ShapeError
from saltus.ir.node import parts
from saltus.ir.spec import OPS
from saltus.ops.arithmetic import convert
from saltus.tensor.manipulation import same_type
from saltus.tensor.operands import as_tensor, node_of, one_axis
from saltus.tensor.tensor import Tensor, of_array, of_node
from saltus.tensor.tracing import here


def argsort(x: Any, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Tensor:
    """The positions that put elements in order along an axis; NaN comes last, equal elements keep their order.

    Args:
        x: real numbers or bools.
        axis: the axis.
        descending: largest first.
        stable: accepted for the standard's sake: sorting here is always stable.

    Returns:
        An int64 Tensor of the shape of x.

    Example:
        >>> import saltus as sl
        >>> sl.argsort(sl.asarray([3.0, 1.0, 2.0])).tolist()
        [1, 2, 0]
    """
    node = node_of(x)
    return of_node(OPS["argsort"](node, axis=one_axis("argsort", axis, len(node.shape)), descending=bool(descending)))


def sort(x: Any, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Tensor:
    """Elements in order along an axis; NaN comes last.

    Args:
        x: real numbers or bools.
        axis: the axis.
        descending: largest first.
        stable: accepted for the standard's sake: sorting here is always stable.

    Example:
        >>> import saltus as sl
        >>> sl.sort(sl.asarray([3.0, 1.0, 2.0]), descending=True).tolist()
        [3.0, 2.0, 1.0]
    """
    node = node_of(x)
    return of_node(OPS["sort"](node, axis=one_axis("sort", axis, len(node.shape)), descending=bool(descending)))


class TopK(NamedTuple):
    """The largest (or smallest) elements and where they stand."""

    values: Tensor
    indices: Tensor


def top_k(x: Any, /, k: int, *, axis: int = -1, largest: bool = True) -> TopK:
    """The k largest (or smallest) elements along an axis, in order, and their positions.

    Args:
        x: real numbers.
        k: how many.
        axis: the axis.
        largest: False takes the smallest.

    Returns:
        values, of the type of x, and indices, int64; the axis has length k in both.

    Example:
        >>> import saltus as sl
        >>> sl.top_k(sl.asarray([3.0, 1.0, 2.0]), 2).indices.tolist()
        [0, 2]
    """
    node = node_of(x)
    place = one_axis("top_k", axis, len(node.shape))
    return TopK(*[of_node(p) for p in parts(OPS["top_k"](node, k=int(k), axis=place, largest=bool(largest)))])


def searchsorted(x1: Any, x2: Any, /, *, side: str = "left", sorter: Any = None) -> Tensor:
    """Where values belong in a sorted vector so that it stays sorted.

    Args:
        x1: a vector in ascending order (or in any order, with `sorter`).
        x2: values; both promote to one type.
        side: "left" stands before equal elements, "right" after them.
        sorter: positions that put x1 in order, as argsort gives them.

    Returns:
        An int64 Tensor of the shape of x2.

    Example:
        >>> import saltus as sl
        >>> sl.searchsorted(sl.asarray([1.0, 2.0, 3.0]), sl.asarray([2.5, 0.0])).tolist()
        [2, 0]
    """
    if side not in ("left", "right"):
        raise ArgumentError(f"searchsorted: side must be 'left' or 'right', got {side!r}", site=here())
    row, values = same_type((x1, x2))
    if sorter is not None:
        row = OPS["take"](row, convert(node_of(sorter), dt.int64), axis=0)
    return of_node(OPS["searchsorted"](row, values, side=side))


def nonzero(x: Any, /) -> tuple[Tensor, ...]:
    """Where elements are not 0 (or are True): one vector of positions an axis, in row-major order.

    Args:
        x: numbers or bools with at least one axis.

    Returns:
        int64 Tensors of one length.

    Raises:
        TracingError: inside a capture, where the number of positions is not known.

    Example:
        >>> import saltus as sl
        >>> sl.nonzero(sl.asarray([0, 3, 0, 5]))[0].tolist()
        [1, 3]
    """
    tensor = as_tensor(x)
    if not tensor.ndim:
        raise ShapeError(f"nonzero: a scalar has no positions, got shape {tensor.shape}", site=here())
    return tuple(_whole(p) for p in np.nonzero(tensor.numpy()))


def _whole(positions: np.ndarray[Any, Any]) -> Tensor:
    return of_array(np.asarray(positions, np.int64, order="C"), dt.int64)


class UniqueAll(NamedTuple):
    """Distinct values, where each stands first, which of them each element is, and how often each occurs."""

    values: Tensor
    indices: Tensor
    inverse_indices: Tensor
    counts: Tensor


class UniqueCounts(NamedTuple):
    """Distinct values, and how often each occurs."""

    values: Tensor
    counts: Tensor


class UniqueInverse(NamedTuple):
    """Distinct values, and which of them each element is."""

    values: Tensor
    inverse_indices: Tensor


def unique_all(x: Any, /) -> UniqueAll:
    """Distinct values in order, first positions, inverse and counts. Each NaN is a value of its own.

    Args:
        x: an array; it counts as flat.

    Returns:
        values; indices of first occurrence; inverse_indices of the shape of x, with values[inverse_indices] == x; counts.

    Raises:
        TracingError: inside a capture, where the number of values is not known.

    Example:
        >>> import saltus as sl
        >>> sl.unique_all(sl.asarray([3, 1, 3])).counts.tolist()
        [1, 2]
    """
    tensor = as_tensor(x)
    if tensor.dtype is dt.bfloat16:
        raise DTypeError("unique does not take bfloat16", fix="x.astype('float32')", site=here())
    array = tensor.numpy()
    values, indices, inverse, counts = np.unique(array, return_index=True, return_inverse=True, return_counts=True, equal_nan=False)
    return UniqueAll(of_array(values, tensor.dtype), _whole(indices), _whole(inverse.reshape(array.shape)), _whole(counts))


def unique_counts(x: Any, /) -> UniqueCounts:
    """Distinct values in order, and how often each occurs. Each NaN is a value of its own.

    Args:
        x: an array; it counts as flat.

    Example:
        >>> import saltus as sl
        >>> sl.unique_counts(sl.asarray([3, 1, 3])).counts.tolist()
        [1, 2]
    """
    found = unique_all(x)
    return UniqueCounts(found.values, found.counts)


def unique_inverse(x: Any, /) -> UniqueInverse:
    """Distinct values in order, and which of them each element is. Each NaN is a value of its own.

    Args:
        x: an array; it counts as flat for the values.

    Example:
        >>> import saltus as sl
        >>> sl.unique_inverse(sl.asarray([3, 1, 3])).inverse_indices.tolist()
        [1, 0, 1]
    """
    found = unique_all(x)
    return UniqueInverse(found.values, found.inverse_indices)


def unique_values(x: Any, /) -> Tensor:
    """Distinct values in order. Each NaN is a value of its own.

    Args:
        x: an array; it counts as flat.

    Example:
        >>> import saltus as sl
        >>> sl.unique_values(sl.asarray([3, 1, 3])).tolist()
        [1, 3]
    """
    return unique_all(x).values
