"""Rows picked and rows added by index. An index outside an axis is moved to its nearest end: callers check where it matters."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from saltus.base import dtypes as dt
from saltus.base.dtypes import DType
from saltus.base.errors import DTypeError, ShapeError
from saltus.ir.node import Node, full
from saltus.ir.spec import OPS, Kind, Op, Sample, Shape, define
from saltus.ops._namespace import is_numpy
from saltus.ops.arithmetic import convert
from saltus.ops.movement import inverse, permute, reshape


def _index_dtype(index: DType) -> None:
    if not index.is_integer:
        raise DTypeError(
            f"an index must be an integer, got {index.name}", fix="convert it: index.astype('int64')"
        )


def inside(xp: Any, index: Any, length: int) -> Any:
    """The index moved to the nearest end of an axis where it lies outside."""
    if index.dtype.kind == "u":
        index = xp.minimum(index.astype(xp.uint64), np.uint64(max(length - 1, 0)))
    return xp.clip(index.astype(xp.int64), 0, max(length - 1, 0))


def _take_shape(a: Shape, index: Shape, axis: int) -> Shape:
    if not 0 <= axis < len(a):
        raise ShapeError(f"take: axis {axis} does not exist in shape {a}")
    if a[axis] == 0 and 0 not in index:
        raise ShapeError(f"take: axis {axis} of shape {a} is empty")
    return (*a[:axis], *index, *a[axis + 1 :])


def _take_dtype(a: DType, index: DType, axis: int) -> DType:
    _index_dtype(index)
    return a


def _take_vjp(g: Node, o: Node, a: Node, index: Node, axis: int) -> tuple[Node | None, None]:
    if not a.dtype.is_inexact:
        return None, None
    return scatter_add(full(a.shape, 0, a.dtype), index, g, axis=axis), None


take: Op = define(
    Op(
        "take",
        Kind.GATHER,
        "out[.., i, ..] = a[.., index[i], ..] along an axis",
        lambda xp, a, index, axis: xp.take(a, inside(xp, index, a.shape[axis]), axis=axis),
        _take_shape,
        _take_dtype,
        _take_vjp,
        samples=(
            Sample(((5, 3), (7,)), {"axis": 0}, 0, 4, ("float32", "int64")),
            Sample(((3, 5, 2), (2, 2)), {"axis": 1}, 0, 4, ("float64", "int32")),
            Sample(((4, 37), (6,)), {"axis": 1}, 0, 36, ("float32", "int64")),
        ),
        kinds="biufc",
    )
)


def _scatter_shape(base: Shape, index: Shape, updates: Shape, axis: int) -> Shape:
    expected = (*base[:axis], *index, *base[axis + 1 :])
    if updates != expected:
        raise ShapeError(f"scatter_add: updates must have shape {expected}, got {updates}")
    return base


def _scatter_dtype(base: DType, index: DType, updates: DType, axis: int) -> DType:
    _index_dtype(index)
    if base is not updates:
        raise DTypeError(
            f"scatter_add: base and updates must have one type, got {base.name} and {updates.name}"
        )
    return base


def _scatter_eval(xp: Any, base: Any, index: Any, updates: Any, axis: int) -> Any:
    where = (slice(None),) * axis + (inside(xp, index, base.shape[axis]),)
    if not is_numpy(xp):
        return base.at[where].add(updates)
    out = np.array(base)
    np.add.at(out, where, updates)
    return out


scatter_add: Op = define(
    Op(
        "scatter_add",
        Kind.SCATTER,
        "base with updates[.., i, ..] added at [.., index[i], ..]; repeats add up in order",
        _scatter_eval,
        _scatter_shape,
        _scatter_dtype,
        lambda g, o, base, index, updates, axis: (g, None, take(g, index, axis=axis)),
        samples=(
            Sample(((5, 3), (7,), (7, 3)), {"axis": 0}, 0, 4, ("float32", "int64", "float32")),
            Sample(((3, 5, 2), (2, 2), (3, 2, 2, 2)), {"axis": 1}, 0, 4, ("float64", "int32", "float64")),
        ),
        kinds="iufc",
    )
)


def one_hot(index: Node, classes: int, dtype: DType) -> Node:
    """A new last axis with 1 at the index and 0 elsewhere (all 0 for an index outside)."""
    if index.dtype.bits < 32:  # its type may be too small to count the classes
        index = convert(index, dt.int64)
    shape = (*index.shape, classes)
    ramp = OPS["iota"](shape=shape, axis=len(shape) - 1, dtype=index.dtype)
    wide = OPS["broadcast_to"](OPS["reshape"](index, shape=(*index.shape, 1)), shape=shape)
    return OPS["cast"](OPS["equal"](ramp, wide), dtype=dtype)


def _rows(a: Node, axis: int) -> tuple[Node, tuple[int, ...]]:
    """`axis` moved last and all others made one, with the order of axes that leads there."""
    order = (*[k for k in range(len(a.shape)) if k != axis], axis)
    moved = permute(a, order)
    return reshape(moved, (math.prod(moved.shape[:-1]), moved.shape[-1])), order


def _places(index: Node, width: int) -> Node:
    """Row-major places of index[row, k] in a matrix of this width, as int64."""
    row = OPS["iota"](shape=index.shape, axis=0, dtype=dt.int64)
    return reshape(convert(index, dt.int64) + row * width, (index.size,))


def take_along_axis(a: Node, index: Node, axis: int) -> Node:
    """out[.., k, ..] = a[.., index[.., k, ..], ..]: an index of its own for each row. Indices must lie inside."""
    rows, order = _rows(a, axis)
    picks, _ = _rows(index, axis)
    flat = take(reshape(rows, (rows.size,)), _places(picks, rows.shape[1]), axis=0)
    shape = tuple(index.shape[k] for k in order)
    return permute(reshape(flat, shape), inverse(order))


def scatter_along_axis(base: Node, index: Node, updates: Node, axis: int) -> Node:
    """base with updates[.., k, ..] added at [.., index[.., k, ..], ..]; the transpose of take_along_axis."""
    rows, order = _rows(base, axis)
    picks, _ = _rows(index, axis)
    values, _ = _rows(updates, axis)
    flat = scatter_add(
        reshape(rows, (rows.size,)), _places(picks, rows.shape[1]), reshape(values, (values.size,)), axis=0
    )
    return permute(reshape(flat, tuple(base.shape[k] for k in order)), inverse(order))
