"""Functions over axes: sums and extremes, statistics, running sums, any and all, positions of extremes."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from typing import Any

from saltus.base import dtypes as dt
from saltus.base.dtypes import DType
from saltus.base.errors import DTypeError, ShapeError
from saltus.ir.node import Node, full
from saltus.ir.spec import OPS
from saltus.ops import composite
from saltus.ops import movement as move
from saltus.ops.arithmetic import convert
from saltus.tensor.operands import as_tensor, axes_of, drop, one_axis
from saltus.tensor.tensor import Tensor, of_node
from saltus.tensor.tracing import here

Axis = int | Sequence[int] | None


def summed(dtype: DType, wanted: Any) -> DType:
    """The type of a sum: small integers become 64 bits wide."""
    if wanted is not None:
        return dt.as_dtype(wanted)
    if dtype.kind in "bi":
        return dt.int64
    return dt.uint64 if dtype.kind == "u" else dtype


def sum(x: Any, /, *, axis: Axis = None, dtype: Any = None, keepdims: bool = False) -> Tensor:
    """Sum over axes; small integers and bools add up in 64 bits.

    Args:
        x: numbers or bools.
        axis: axis or axes; None means all.
        dtype: type to add in; None keeps floats and widens integers.
        keepdims: keep summed axes with length 1.

    Example:
        >>> import saltus as sl
        >>> sl.sum(sl.asarray([[1.0, 2.0], [3.0, 4.0]]), axis=0)
        Tensor([4., 6.], shape=(2,), dtype=float32)
    """
    return _reduced("sum", x, axis, keepdims, dtype)


def prod(x: Any, /, *, axis: Axis = None, dtype: Any = None, keepdims: bool = False) -> Tensor:
    """Product over axes; small integers and bools multiply in 64 bits.

    Args:
        x: numbers or bools.
        axis: axis or axes; None means all.
        dtype: type to multiply in; None keeps floats and widens integers.
        keepdims: keep reduced axes with length 1.

    Example:
        >>> import saltus as sl
        >>> sl.prod(sl.asarray([2, 3, 4]))
        Tensor(24, shape=(), dtype=int64)
    """
    return _reduced("prod", x, axis, keepdims, dtype)


def _reduced(name: str, x: Any, axis: Axis, keepdims: bool, dtype: Any) -> Tensor:
    tensor = as_tensor(x)
    axes = axes_of(name, axis, tensor.ndim)
    node = convert(tensor.node, summed(tensor.dtype, dtype))
    return of_node(drop(OPS[name](node, axes=axes) if axes else node, axes, keepdims))


def _extreme(name: str, x: Any, axis: Axis, keepdims: bool) -> Tensor:
    tensor = as_tensor(x)
    axes = axes_of(name, axis, tensor.ndim)
    if any_zero := [i for i in axes if tensor.shape[i] == 0]:
        raise ShapeError(f"{name}: axis {any_zero[0]} of shape {tensor.shape} is empty, so it has no {name}", site=here())
    return of_node(drop(OPS[name](tensor.node, axes=axes) if axes else tensor.node, axes, keepdims))


def max(x: Any, /, *, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Largest element over axes; NaN wins.

    Args:
        x: real numbers.
        axis: axis or axes; None means all.
        keepdims: keep reduced axes with length 1.

    Example:
        >>> import saltus as sl
        >>> sl.max(sl.asarray([1.0, 3.0, 2.0]))
        Tensor(3., shape=(), dtype=float32)
    """
    return _extreme("max", x, axis, keepdims)


def min(x: Any, /, *, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Smallest element over axes; NaN wins.

    Args:
        x: real numbers.
        axis: axis or axes; None means all.
        keepdims: keep reduced axes with length 1.

    Example:
        >>> import saltus as sl
        >>> sl.min(sl.asarray([1.0, 3.0, 2.0]))
        Tensor(1., shape=(), dtype=float32)
    """
    return _extreme("min", x, axis, keepdims)


def _floating(tensor: Tensor) -> Node:
    """Bools and integers as float32: a share or a mean of counts is what is wanted of them."""
    return tensor.node if tensor.dtype.is_inexact else convert(tensor.node, dt.float32)


def mean(x: Any, /, *, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Arithmetic mean over axes; bools and integers give float32.

    Args:
        x: numbers or bools.
        axis: axis or axes; None means all.
        keepdims: keep reduced axes with length 1.

    Example:
        >>> import saltus as sl
        >>> sl.mean(sl.asarray([True, False, True, True]))
        Tensor(0.75, shape=(), dtype=float32)
    """
    tensor = as_tensor(x)
    axes = axes_of("mean", axis, tensor.ndim)
    return of_node(drop(composite.mean(_floating(tensor), axes), axes, keepdims))


def var(x: Any, /, *, axis: Axis = None, correction: float = 0.0, keepdims: bool = False) -> Tensor:
    """Variance over axes: the mean squared distance from the mean.

    Args:
        x: real numbers.
        axis: axis or axes; None means all.
        correction: taken from the number of elements before dividing (1 gives the estimate from a sample).
        keepdims: keep reduced axes with length 1.

    Example:
        >>> import saltus as sl
        >>> sl.var(sl.asarray([1.0, 2.0, 3.0]), correction=1)
        Tensor(1., shape=(), dtype=float32)
    """
    tensor = as_tensor(x)
    axes = axes_of("var", axis, tensor.ndim)
    return of_node(drop(composite.variance(_floating(tensor), axes, correction), axes, keepdims))


def std(x: Any, /, *, axis: Axis = None, correction: float = 0.0, keepdims: bool = False) -> Tensor:
    """Standard deviation over axes: the square root of the variance.

    Args:
        x: real numbers.
        axis: axis or axes; None means all.
        correction: taken from the number of elements before dividing (1 gives the estimate from a sample).
        keepdims: keep reduced axes with length 1.

    Example:
        >>> import saltus as sl
        >>> sl.std(sl.asarray([1.0, 3.0]))
        Tensor(1., shape=(), dtype=float32)
    """
    return of_node(OPS["sqrt"](var(x, axis=axis, correction=correction, keepdims=keepdims).node))


def _logical(name: str, x: Any, axis: Axis, keepdims: bool) -> Tensor:
    tensor = as_tensor(x)
    axes = axes_of(name, axis, tensor.ndim)
    node = tensor.node
    if tensor.dtype is not dt.bool_:
        node = OPS["not_equal"](node, full(tensor.shape, 0, tensor.dtype))
    return of_node(drop(OPS[name](node, axes=axes) if axes else node, axes, keepdims))


def all(x: Any, /, *, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Whether every element over axes is True (or not 0).

    Args:
        x: bools or numbers.
        axis: axis or axes; None means all.
        keepdims: keep reduced axes with length 1.

    Example:
        >>> import saltus as sl
        >>> bool(sl.all(sl.asarray([True, False])))
        False
    """
    return _logical("all", x, axis, keepdims)


def any(x: Any, /, *, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Whether some element over axes is True (or not 0).

    Args:
        x: bools or numbers.
        axis: axis or axes; None means all.
        keepdims: keep reduced axes with length 1.

    Example:
        >>> import saltus as sl
        >>> bool(sl.any(sl.asarray([True, False])))
        True
    """
    return _logical("any", x, axis, keepdims)


def _running(name: str, function: str, x: Any, axis: int | None, dtype: Any, include_initial: bool, start: int) -> Tensor:
    tensor = as_tensor(x)
    if axis is None:
        if tensor.ndim != 1:
            raise ShapeError(f"{name} needs an axis for shape {tensor.shape}", site=here())
        axis = 0
    place = one_axis(name, axis, tensor.ndim)
    node = OPS[function](convert(tensor.node, summed(tensor.dtype, dtype)), axis=place, reverse=False)
    if include_initial:
        low = tuple(int(i == place) for i in range(tensor.ndim))
        node = move.pad(node, low, (0,) * tensor.ndim, value=start)
    return of_node(node)


def cumulative_sum(x: Any, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False) -> Tensor:
    """Running sum along an axis.

    Args:
        x: numbers or bools.
        axis: the axis; may be left out for a vector.
        dtype: type to add in; None keeps floats and widens integers.
        include_initial: begin with a 0, making the axis longer by one.

    Example:
        >>> import saltus as sl
        >>> sl.cumulative_sum(sl.asarray([1, 2, 3]))
        Tensor([1, 3, 6], shape=(3,), dtype=int64)
    """
    return _running("cumulative_sum", "cumsum", x, axis, dtype, include_initial, 0)


def cumulative_prod(x: Any, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False) -> Tensor:
    """Running product along an axis.

    Args:
        x: numbers or bools.
        axis: the axis; may be left out for a vector.
        dtype: type to multiply in; None keeps floats and widens integers.
        include_initial: begin with a 1, making the axis longer by one.

    Example:
        >>> import saltus as sl
        >>> sl.cumulative_prod(sl.asarray([1, 2, 3]))
        Tensor([1, 2, 6], shape=(3,), dtype=int64)
    """
    return _running("cumulative_prod", "cumprod", x, axis, dtype, include_initial, 1)


def _position(name: str, x: Any, axis: int | None, keepdims: bool, smallest: bool) -> Tensor:
    tensor = as_tensor(x)
    if tensor.dtype.kind == "c":
        raise DTypeError(f"{name} does not take {tensor.dtype.name}: complex numbers have no order", site=here())
    if not tensor.size:
        raise ShapeError(f"{name}: an array of shape {tensor.shape} has no elements", site=here())
    if axis is None:
        found = composite.argmax(move.reshape(tensor.node, (tensor.size,)), 0, smallest=smallest)
        return of_node(move.reshape(found, (1,) * tensor.ndim if keepdims else ()))
    place = one_axis(name, axis, tensor.ndim)
    return of_node(drop(composite.argmax(tensor.node, place, smallest=smallest), (place,), keepdims))


def argmax(x: Any, /, *, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """Position of the first largest element; a NaN counts as largest.

    Args:
        x: real numbers.
        axis: the axis; None searches the elements in row-major order.
        keepdims: keep the axis with length 1.

    Returns:
        An int64 Tensor.

    Example:
        >>> import saltus as sl
        >>> sl.argmax(sl.asarray([[1.0, 5.0], [4.0, 2.0]]), axis=1)
        Tensor([1, 0], shape=(2,), dtype=int64)
    """
    return _position("argmax", x, axis, keepdims, False)


def argmin(x: Any, /, *, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """Position of the first smallest element; a NaN counts as smallest.

    Args:
        x: real numbers.
        axis: the axis; None searches the elements in row-major order.
        keepdims: keep the axis with length 1.

    Returns:
        An int64 Tensor.

    Example:
        >>> import saltus as sl
        >>> sl.argmin(sl.asarray([[1.0, 5.0], [4.0, 2.0]]), axis=1)
        Tensor([0, 1], shape=(2,), dtype=int64)
    """
    return _position("argmin", x, axis, keepdims, True)


def count_nonzero(x: Any, /, *, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Number of elements that are not 0.

    Args:
        x: numbers or bools.
        axis: axis or axes; None means all.
        keepdims: keep reduced axes with length 1.

    Returns:
        An int64 Tensor.

    Example:
        >>> import saltus as sl
        >>> sl.count_nonzero(sl.asarray([0, 3, 0, 5]))
        Tensor(2, shape=(), dtype=int64)
    """
    tensor = as_tensor(x)
    hit = tensor.node if tensor.dtype is dt.bool_ else OPS["not_equal"](tensor.node, full(tensor.shape, 0, tensor.dtype))
    return sum(of_node(hit), axis=axis, keepdims=keepdims)


def diff(x: Any, /, *, axis: int = -1, n: int = 1, prepend: Any = None, append: Any = None) -> Tensor:
    """Differences of neighbours along an axis, n times.

    Args:
        x: numbers.
        axis: the axis.
        n: how often.
        prepend, append: arrays to put before and after x first.

    Example:
        >>> import saltus as sl
        >>> sl.diff(sl.asarray([1.0, 4.0, 9.0]))
        Tensor([3., 5.], shape=(2,), dtype=float32)
    """
    node = as_tensor(x).node
    place = one_axis("diff", axis, len(node.shape))
    parts = [as_tensor(p).node for p in (prepend, x, append) if p is not None]
    node = move.concat([convert(p, node.dtype) for p in parts], place)
    for _ in range(n):
        shorter = builtins.max(node.shape[place] - 1, 0)
        stop = tuple(shorter if i == place else d for i, d in enumerate(node.shape))
        start = tuple(node.shape[place] - shorter if i == place else 0 for i in range(len(node.shape)))
        upper, lower = move.slice_(node, start, node.shape), move.slice_(node, (0,) * len(stop), stop)
        node = OPS["not_equal"](upper, lower) if node.dtype is dt.bool_ else upper - lower
    return of_node(node)
