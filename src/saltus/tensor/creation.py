"""Functions that make Tensors: from data, constants, ramps, grids, triangles."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from saltus.base import dtypes as dt
from saltus.base.dtypes import DType
from saltus.base.errors import ArgumentError, ShapeError
from saltus.ir.node import Node, broadcast
from saltus.ir.node import full as full_node
from saltus.ir.spec import OPS, Shape
from saltus.ops import gather, matrix
from saltus.ops.arithmetic import convert
from saltus.ops.movement import reshape
from saltus.tensor.operands import as_tensor, common_shape, node_of
from saltus.tensor.tensor import Tensor, of_array, of_node, to_array
from saltus.tensor.tracing import here


def check_device(device: Any) -> None:
    """Refuse any device but the CPU."""
    if device not in (None, "cpu"):
        raise ArgumentError(f"device must be 'cpu' or None, got {device!r}", site=here())


def shape_of(shape: Any) -> Shape:
    """A shape from a length or several."""
    given = shape if isinstance(shape, (tuple, list)) else (shape,)
    try:
        lengths = tuple(int(d.__index__()) for d in given)
    except AttributeError:
        raise ShapeError(f"a shape is made of whole numbers, got {shape!r}", site=here()) from None
    if any(d < 0 for d in lengths):
        raise ShapeError(f"lengths must not be negative, got {lengths}", site=here())
    return lengths


def asarray(obj: Any, /, *, dtype: Any = None, device: Any = None, copy: bool | None = None) -> Tensor:
    """A Tensor of numbers, nested sequences or an array.

    Args:
        obj: numbers, nested lists, a NumPy array, a Tensor, or anything with the array or buffer protocol.
        dtype: element type; None takes that of the data (Python floats: float32, Python ints: int64).
        device: "cpu" or None.
        copy: None copies what its owner could still change; False shares memory (then do not change it) or fails; True copies.

    Returns:
        A Tensor.

    Raises:
        DTypeError, ShapeError: the data are not numbers, or ragged.
        ArgumentError: copy=False, but a copy is needed.

    Example:
        >>> import saltus as sl
        >>> sl.asarray([[1, 2], [3, 4]], dtype=sl.float32)
        Tensor([[1., 2.],
                [3., 4.]], shape=(2, 2), dtype=float32)
    """
    check_device(device)
    if isinstance(obj, Tensor) and not copy and (dtype is None or dt.as_dtype(dtype) is obj.dtype):
        return obj
    if isinstance(obj, Tensor) and copy is not False:
        return of_node(convert(node_of(obj), dt.as_dtype(dtype or obj.dtype)))
    return of_array(*to_array(obj, dtype, copy))


def from_dlpack(x: Any, /, *, device: Any = None, copy: bool | None = None) -> Tensor:
    """A Tensor of another library's array, sharing its memory; do not change it afterwards.

    Args:
        x: anything with `__dlpack__` on the CPU.
        device: "cpu" or None.
        copy: True copies; False fails where a copy is needed; None copies only then.

    Returns:
        A Tensor.

    Example:
        >>> import numpy as np, saltus as sl
        >>> sl.from_dlpack(np.arange(3.0))
        Tensor([0., 1., 2.], shape=(3,), dtype=float64)
    """
    check_device(device)
    array = x.numpy() if isinstance(x, Tensor) else np.from_dlpack(x)
    lend = copy is False or (array.flags.c_contiguous and not copy)
    return of_array(*to_array(array, None, not lend))


def empty(shape: Any, *, dtype: Any = None, device: Any = None) -> Tensor:
    """Zeros: there is no uninitialised memory here.

    Args:
        shape: a length, or a tuple of lengths.
        dtype: element type, float32 when None.
        device: "cpu" or None.

    Example:
        >>> import saltus as sl
        >>> sl.empty(2).shape
        (2,)
    """
    return full(shape, 0, dtype=dtype or dt.float32, device=device)


def zeros(shape: Any, *, dtype: Any = None, device: Any = None) -> Tensor:
    """An array of zeros.

    Args:
        shape: a length, or a tuple of lengths.
        dtype: element type, float32 when None.
        device: "cpu" or None.

    Example:
        >>> import saltus as sl
        >>> sl.zeros(2)
        Tensor([0., 0.], shape=(2,), dtype=float32)
    """
    return full(shape, 0, dtype=dtype or dt.float32, device=device)


def ones(shape: Any, *, dtype: Any = None, device: Any = None) -> Tensor:
    """An array of ones.

    Args:
        shape: a length, or a tuple of lengths.
        dtype: element type, float32 when None.
        device: "cpu" or None.

    Example:
        >>> import saltus as sl
        >>> sl.ones((1, 2), dtype="int32")
        Tensor([[1, 1]], shape=(1, 2), dtype=int32)
    """
    return full(shape, 1, dtype=dtype or dt.float32, device=device)


def full(shape: Any, fill_value: Any, *, dtype: Any = None, device: Any = None) -> Tensor:
    """An array of one value.

    Args:
        shape: a length, or a tuple of lengths.
        fill_value: a number, or a Tensor of shape ().
        dtype: element type; None takes that of the value (Python float: float32, int: int64).
        device: "cpu" or None.

    Example:
        >>> import saltus as sl
        >>> sl.full(3, 2.5)
        Tensor([2.5, 2.5, 2.5], shape=(3,), dtype=float32)
    """
    check_device(device)
    lengths = shape_of(shape)
    if isinstance(fill_value, (bool, int, float, complex)):
        wanted = dt.as_dtype(dtype if dtype is not None else type(fill_value))
        return of_node(full_node(lengths, fill_value, wanted))
    value = as_tensor(fill_value)
    return of_node(broadcast(convert(value.node, dt.as_dtype(dtype) if dtype is not None else value.dtype), lengths))


def _like(x: Any, value: Any, dtype: Any, device: Any) -> Tensor:
    tensor = as_tensor(x)
    return full(tensor.shape, value, dtype=tensor.dtype if dtype is None else dtype, device=device)


def empty_like(x: Any, /, *, dtype: Any = None, device: Any = None) -> Tensor:
    """Zeros of the shape of x.

    Args:
        x: an array.
        dtype: element type, that of x when None.
        device: "cpu" or None.

    Example:
        >>> import saltus as sl
        >>> sl.empty_like(sl.ones(2)).dtype
        saltus.float32
    """
    return _like(x, 0, dtype, device)


def zeros_like(x: Any, /, *, dtype: Any = None, device: Any = None) -> Tensor:
    """Zeros of the shape of x.

    Args:
        x: an array.
        dtype: element type, that of x when None.
        device: "cpu" or None.

    Example:
        >>> import saltus as sl
        >>> sl.zeros_like(sl.ones(2))
        Tensor([0., 0.], shape=(2,), dtype=float32)
    """
    return _like(x, 0, dtype, device)


def ones_like(x: Any, /, *, dtype: Any = None, device: Any = None) -> Tensor:
    """Ones of the shape of x.

    Args:
        x: an array.
        dtype: element type, that of x when None.
        device: "cpu" or None.

    Example:
        >>> import saltus as sl
        >>> sl.ones_like(sl.zeros(2))
        Tensor([1., 1.], shape=(2,), dtype=float32)
    """
    return _like(x, 1, dtype, device)


def full_like(x: Any, /, fill_value: Any, *, dtype: Any = None, device: Any = None) -> Tensor:
    """One value in the shape of x.

    Args:
        x: an array.
        fill_value: a number.
        dtype: element type, that of x when None.
        device: "cpu" or None.

    Example:
        >>> import saltus as sl
        >>> sl.full_like(sl.zeros(2), 7)
        Tensor([7., 7.], shape=(2,), dtype=float32)
    """
    return _like(x, fill_value, dtype, device)


def ramp(shape: Shape, axis: int, dtype: DType) -> Node:
    """The index along one axis."""
    return OPS["iota"](shape=shape, axis=axis, dtype=dtype)


def arange(start: Any, /, stop: Any = None, step: Any = 1, *, dtype: Any = None, device: Any = None) -> Tensor:
    """Evenly spaced numbers start, start + step, ... below stop.

    Args:
        start: first number (or, given alone, the stop of a range from 0).
        stop: end, not included.
        step: distance, not 0.
        dtype: element type; None: int64 for whole numbers, float32 otherwise.
        device: "cpu" or None.

    Example:
        >>> import saltus as sl
        >>> sl.arange(1, 7, 2)
        Tensor([1, 3, 5], shape=(3,), dtype=int64)
    """
    check_device(device)
    if stop is None:
        start, stop = 0, start
    numbers = [n.item() if isinstance(n, (Tensor, np.generic)) else n for n in (start, stop, step)]
    if numbers[2] == 0:
        raise ArgumentError("arange: the step must not be 0", site=here())
    whole = all(isinstance(n, int) for n in numbers)
    wanted = dt.as_dtype(dtype) if dtype is not None else dt.int64 if whole else dt.float32
    first, last, by = numbers
    count = max(0, -((first - last) // by) if whole else math.ceil((last - first) / by))
    if wanted.is_integer:
        return of_array(*to_array(np.arange(count, dtype=np.int64) * by + first if whole else np.arange(first, last, by), wanted))
    values = first + np.arange(count, dtype=np.float64) * by
    return of_array(*to_array(values, wanted))


def linspace(start: Any, stop: Any, /, num: int, *, dtype: Any = None, device: Any = None, endpoint: bool = True) -> Tensor:
    """`num` evenly spaced numbers from start to stop.

    Args:
        start, stop: first and last number.
        num: how many.
        dtype: element type, float32 when None (complex64 for complex ends).
        device: "cpu" or None.
        endpoint: whether stop is the last number.

    Example:
        >>> import saltus as sl
        >>> sl.linspace(0, 1, 5)
        Tensor([0.  , 0.25, 0.5 , 0.75, 1.  ], shape=(5,), dtype=float32)
    """
    check_device(device)
    if num < 0:
        raise ArgumentError(f"linspace: num must not be negative, got {num}", site=here())
    ends = [n.item() if isinstance(n, (Tensor, np.generic)) else n for n in (start, stop)]
    default = dt.complex64 if any(isinstance(e, complex) for e in ends) else dt.float32
    wanted = dt.as_dtype(dtype) if dtype is not None else default
    values = np.linspace(*ends, num, endpoint=endpoint)
    return of_array(*to_array(values, wanted))


def eye(n_rows: int, n_cols: int | None = None, /, *, k: int = 0, dtype: Any = None, device: Any = None) -> Tensor:
    """Ones on a diagonal, zeros elsewhere.

    Args:
        n_rows: rows.
        n_cols: columns, n_rows when None.
        k: which diagonal: 0 the main one, above it positive.
        dtype: element type, float32 when None.
        device: "cpu" or None.

    Example:
        >>> import saltus as sl
        >>> sl.eye(2)
        Tensor([[1., 0.],
                [0., 1.]], shape=(2, 2), dtype=float32)
    """
    check_device(device)
    rows, columns = shape_of((n_rows, n_rows if n_cols is None else n_cols))
    return of_node(matrix.eye(rows, columns, dt.as_dtype(dtype or dt.float32), max(-rows, min(k, columns))))


def tril(x: Any, /, *, k: int = 0) -> Tensor:
    """The lower triangle of matrices; zeros above.

    Args:
        x: shape (..., M, N).
        k: the diagonal above which elements become 0.

    Example:
        >>> import saltus as sl
        >>> sl.tril(sl.ones((2, 2)))
        Tensor([[1., 0.],
                [1., 1.]], shape=(2, 2), dtype=float32)
    """
    return of_node(matrix.tril(node_of(x), k))


def triu(x: Any, /, *, k: int = 0) -> Tensor:
    """The upper triangle of matrices; zeros below.

    Args:
        x: shape (..., M, N).
        k: the diagonal below which elements become 0.

    Example:
        >>> import saltus as sl
        >>> sl.triu(sl.ones((2, 2)))
        Tensor([[1., 1.],
                [0., 1.]], shape=(2, 2), dtype=float32)
    """
    return of_node(matrix.triu(node_of(x), k))


def meshgrid(*arrays: Any, indexing: str = "xy") -> list[Tensor]:
    """Coordinate grids from vectors.

    Args:
        arrays: vectors of one element type.
        indexing: "xy" (the first two axes swapped, as in a picture) or "ij".

    Returns:
        One grid a vector.

    Example:
        >>> import saltus as sl
        >>> sl.meshgrid(sl.arange(2), sl.arange(2))[0]
        Tensor([[0, 1],
                [0, 1]], shape=(2, 2), dtype=int64)
    """
    if indexing not in ("xy", "ij"):
        raise ArgumentError(f"meshgrid: indexing must be 'xy' or 'ij', got {indexing!r}", site=here())
    nodes = [node_of(a) for a in arrays]
    if any(len(n.shape) > 1 for n in nodes):
        raise ShapeError(f"meshgrid takes vectors, got shapes {[n.shape for n in nodes]}", site=here())
    order = list(range(len(nodes)))
    if indexing == "xy" and len(nodes) > 1:
        order[0], order[1] = 1, 0
    rows = [reshape(n, tuple(n.size if k == axis else 1 for k in range(len(nodes)))) for n, axis in zip(nodes, order, strict=True)]
    shape = common_shape("meshgrid", [r.shape for r in rows]) if rows else ()
    return [of_node(broadcast(r, shape)) for r in rows]


def one_hot(x: Any, /, num_classes: int, *, dtype: Any = None) -> Tensor:
    """A new last axis with 1 at the index and 0 elsewhere (zeros only, where the index is outside).

    Args:
        x: class numbers, integers of any shape.
        num_classes: length of the new axis.
        dtype: element type, float32 when None.

    Example:
        >>> import saltus as sl
        >>> sl.one_hot(sl.asarray([0, 2]), 3)
        Tensor([[1., 0., 0.],
                [0., 0., 1.]], shape=(2, 3), dtype=float32)
    """
    return of_node(gather.one_hot(node_of(x), num_classes, dt.as_dtype(dtype or dt.float32)))
