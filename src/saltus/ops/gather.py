"""Rows picked and rows added by index. An index outside an axis is moved to its nearest end: callers check where it matters."""

from __future__ import annotations

from typing import Any

import numpy as np

from saltus.base.dtypes import DType
from saltus.base.errors import DTypeError, ShapeError
from saltus.ir.node import Node, full
from saltus.ir.spec import OPS, Kind, Op, Sample, Shape, define


def _index_dtype(index: DType) -> None:
    if not index.is_integer:
        raise DTypeError(f"an index must be an integer, got {index.name}", fix="convert it: index.astype('int64')")


def _take_shape(a: Shape, index: Shape, axis: int) -> Shape:
    if not 0 <= axis < len(a):
        raise ShapeError(f"take: axis {axis} does not exist in shape {a}")
    if a[axis] == 0 and 0 not in index:
        raise ShapeError(f"take: axis {axis} of shape {a} is empty")
    return (*a[:axis], *index, *a[axis + 1 :])


def _take_dtype(a: DType, index: DType, axis: int) -> DType:
    _index_dtype(index)
    return a


def _take_vjp(g: Node, o: Node, a: Node, index: Node, axis: int) -> tuple[Node, None]:
    if not a.dtype.is_inexact:
        return None, None  # type: ignore[return-value]
    return scatter_add(full(a.shape, 0, a.dtype), index, g, axis=axis), None


take = define(
    Op("take", Kind.GATHER, "out[.., i, ..] = a[.., index[i], ..] along an axis",
       lambda xp, a, index, axis: xp.take(a, xp.clip(index, 0, max(a.shape[axis] - 1, 0)), axis=axis),
       _take_shape, _take_dtype, _take_vjp,
       samples=(Sample(((5, 3), (7,)), {"axis": 0}, 0, 4, ("float32", "int64")), Sample(((3, 5, 2), (2, 2)), {"axis": 1}, 0, 4, ("float64", "int32")),
                Sample(((4, 37), (6,)), {"axis": 1}, 0, 36, ("float32", "int64"))), kinds="biufc")
)  # fmt: skip


def _scatter_shape(base: Shape, index: Shape, updates: Shape, axis: int) -> Shape:
    expected = (*base[:axis], *index, *base[axis + 1 :])
    if updates != expected:
        raise ShapeError(f"scatter_add: updates must have shape {expected}, got {updates}")
    return base


def _scatter_dtype(base: DType, index: DType, updates: DType, axis: int) -> DType:
    _index_dtype(index)
    if base is not updates:
        raise DTypeError(f"scatter_add: base and updates must have one type, got {base.name} and {updates.name}")
    return base


def _scatter_eval(xp: Any, base: Any, index: Any, updates: Any, axis: int) -> Any:
    index = xp.clip(index, 0, max(base.shape[axis] - 1, 0))
    where = (slice(None),) * axis + (index,)
    if xp is not np:
        return base.at[where].add(updates)
    out = np.array(base)
    np.add.at(out, where, updates)
    return out


scatter_add = define(
    Op("scatter_add", Kind.SCATTER, "base with updates[.., i, ..] added at [.., index[i], ..]; repeats add up in order", _scatter_eval,
       _scatter_shape, _scatter_dtype, lambda g, o, base, index, updates, axis: (g, None, take(g, index, axis=axis)),
       samples=(Sample(((5, 3), (7,), (7, 3)), {"axis": 0}, 0, 4, ("float32", "int64", "float32")),
                Sample(((3, 5, 2), (2, 2), (3, 2, 2, 2)), {"axis": 1}, 0, 4, ("float64", "int32", "float64"))), kinds="iufc")
)  # fmt: skip


def one_hot(index: Node, classes: int, dtype: DType) -> Node:
    """A new last axis with 1 at the index and 0 elsewhere (all 0 for an index outside)."""
    shape = (*index.shape, classes)
    ramp = OPS["iota"](shape=shape, axis=len(shape) - 1, dtype=index.dtype)
    wide = OPS["broadcast_to"](OPS["reshape"](index, shape=(*index.shape, 1)), shape=shape)
    return OPS["cast"](OPS["equal"](ramp, wide), dtype=dtype)
