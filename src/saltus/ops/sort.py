"""Order: sorting, its permutation, the largest few, and places in a sorted row. Host calls.

Sorting is stable and NaN comes last, whichever the direction.
"""

from __future__ import annotations

from typing import Any

from saltus.base import dtypes as dt
from saltus.base.dtypes import DType
from saltus.base.errors import DTypeError, ShapeError
from saltus.ir.node import Node, full
from saltus.ir.spec import OPS, Kind, Op, Sample, Shape, define, first_dtype
from saltus.ops.gather import scatter_along_axis, take_along_axis
from saltus.ops.movement import slice_

REAL = "biuf"
PLACES = "the result is places, whole numbers"


def _key(a: Any, descending: bool) -> Any:
    """Numbers in the opposite order, exactly and undone by itself; NaN stays NaN, so it sorts last both ways."""
    if not descending:
        return a
    return -a if a.dtype.kind == "f" else ~a


def _along(s: Shape, axis: int) -> int:
    if not 0 <= axis < len(s):
        raise ShapeError(f"cannot sort along axis {axis}: shape {s} has {len(s)} axes")
    return s[axis]


def _same(s: Shape, axis: int, descending: bool) -> Shape:
    _along(s, axis)
    return s


def _argsort(xp: Any, a: Any, axis: int, descending: bool) -> Any:
    return xp.argsort(_key(a, descending), axis=axis, stable=True)


_SAMPLES = (
    Sample(((7,),), {"axis": 0, "descending": False}),
    Sample(((4, 9),), {"axis": 1, "descending": True}),
    Sample(((3, 5, 2),), {"axis": 1, "descending": False}),
    Sample(((9, 2),), {"axis": 0, "descending": True}),
)

argsort: Op = define(
    Op(
        "argsort",
        Kind.HOST,
        "the order that sorts along an axis (int64), equal elements in place",
        _argsort,
        _same,
        lambda d, axis, descending: dt.int64,
        None,
        samples=_SAMPLES,
        kinds=REAL,
        no_gradient=PLACES,
        laws=(
            lambda o, a, axis, descending: (
                take_along_axis(a, o, axis),
                sort(a, axis=axis, descending=descending),
            ),
        ),
    )
)


def _sort_vjp(g: Node, o: Node, a: Node, axis: int, descending: bool) -> tuple[Node]:
    """The order of the order is the inverse permutation: it brings each gradient back to its element."""
    order = argsort(a, axis=axis, descending=descending)
    return (take_along_axis(g, argsort(order, axis=axis, descending=False), axis),)


def _neighbours(o: Node, a: Node, axis: int, descending: bool) -> tuple[Node, Node]:
    """Law: no element comes before a smaller one (a larger one, descending)."""
    if o.dtype is dt.bool_:
        return o, o
    n = o.shape[axis]
    first = slice_(o, (0,) * len(o.shape), tuple(n - 1 if k == axis else d for k, d in enumerate(o.shape)))
    second = slice_(o, tuple(int(k == axis) for k in range(len(o.shape))), o.shape)
    return OPS["minimum" if descending else "maximum"](first, second), second


sort: Op = define(
    Op(
        "sort",
        Kind.HOST,
        "elements in order along an axis",
        lambda xp, a, axis, descending: _key(
            xp.sort(_key(a, descending), axis=axis, stable=True), descending
        ),
        _same,
        first_dtype,
        _sort_vjp,
        samples=_SAMPLES,
        laws=(_neighbours,),
        kinds=REAL,
    )
)


def _top_shape(s: Shape, k: int, axis: int, largest: bool) -> tuple[Shape, Shape]:
    if not 0 <= k <= _along(s, axis):
        raise ShapeError(f"top_k: cannot take {k} of the {s[axis]} elements along axis {axis} of shape {s}")
    kept = tuple(k if i == axis else d for i, d in enumerate(s))
    return kept, kept


def _top_eval(xp: Any, a: Any, k: int, axis: int, largest: bool) -> tuple[Any, Any]:
    order = _argsort(xp, a, axis, largest)
    first = order[(slice(None),) * axis + (slice(0, k),)]
    return xp.take_along_axis(a, first, axis=axis), first


def _top_vjp(
    g: tuple[Node, Node], o: tuple[Node, Node], a: Node, k: int, axis: int, largest: bool
) -> tuple[Node]:
    return (scatter_along_axis(full(a.shape, 0, a.dtype), o[1], g[0], axis),)


top_k = define(
    Op(
        "top_k",
        Kind.HOST,
        "the k largest (or smallest) elements along an axis in order, and their places (int64)",
        _top_eval,
        _top_shape,
        lambda d, k, axis, largest: (d, dt.int64),
        _top_vjp,
        samples=(
            Sample(((4, 9),), {"k": 3, "axis": 1, "largest": True}),
            Sample(((6, 2),), {"k": 6, "axis": 0, "largest": False}),
        ),
        laws=(lambda o, a, k, axis, largest: (take_along_axis(a, o[1], axis), o[0]),),
        outputs=2,
        kinds=REAL,
    )
)


def _search_shape(s: Shape, values: Shape, side: str) -> Shape:
    if len(s) != 1:
        raise ShapeError(f"searchsorted looks in a row of numbers, got shape {s}")
    return values


def _search_dtype(d: DType, values: DType, side: str) -> DType:
    if d is not values:
        raise DTypeError(
            f"searchsorted: the row is {d.name} and the values are {values.name}; they must be of one type"
        )
    return dt.int64


searchsorted = define(
    Op(
        "searchsorted",
        Kind.HOST,
        "where values belong in a sorted row, before (left) or after (right) equal ones (int64)",
        lambda xp, a, values, side: xp.searchsorted(a, values, side=side),
        _search_shape,
        _search_dtype,
        None,
        samples=tuple(
            Sample(
                ((11,), (3, 4)), {"side": side}, prepare=lambda a, v: (sort(a, axis=0, descending=False), v)
            )
            for side in ("left", "right")
        ),
        kinds=REAL,
        no_gradient=PLACES,
    )
)
