"""Reductions and cumulative forms. A reduced axis keeps length 1 in the graph; dropping it is a reshape."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from saltus.base.dtypes import DType
from saltus.ir.node import Node, broadcast, full
from saltus.ir.spec import OPS, Kind, Op, Sample, Shape, define, first_dtype

_SAMPLES = (Sample(((4, 5),), {"axes": (1,)}), Sample(((3, 4, 2),), {"axes": (0, 2)}), Sample(((7, 40),), {"axes": (0,)}), Sample(((70,),), {"axes": (0,)}))


def _shape(s: Shape, axes: tuple[int, ...]) -> Shape:
    return tuple(1 if i in axes else d for i, d in enumerate(s))


def _reduce(name: str, doc: str, eval: Any, identity: Any, combine: Any, vjp: Any, kinds: str = "iuf", **more: Any) -> Op:
    def run(xp: Any, a: Any, axes: tuple[int, ...]) -> Any:
        return eval(xp, a, axes)

    return define(Op(name, Kind.REDUCE, doc, run, _shape, first_dtype, vjp, (identity, combine), _SAMPLES, kinds=kinds, **more))


def _sum(xp: Any, a: Any, axes: tuple[int, ...]) -> Any:
    return xp.sum(a, axis=axes, keepdims=True, dtype=a.dtype)


def lowest(dtype: DType) -> float | int:
    """The identity of max."""
    return -math.inf if dtype.kind == "f" else int(np.iinfo(dtype.numpy).min)


def highest(dtype: DType) -> float | int:
    """The identity of min."""
    return math.inf if dtype.kind == "f" else int(np.iinfo(dtype.numpy).max)


def _extreme_vjp(g: Node, o: Node, a: Node, axes: tuple[int, ...]) -> tuple[Node]:
    hit = OPS["cast"](OPS["equal"](a, broadcast(o, a.shape)), dtype=a.dtype)
    return (hit * broadcast(g / sum(hit, axes=axes), a.shape),)


def _prod_vjp(g: Node, o: Node, a: Node, axes: tuple[int, ...]) -> tuple[Node]:
    zero, one = full(a.shape, 0, a.dtype), full(a.shape, 1, a.dtype)
    is_zero = OPS["equal"](a, zero)
    count = broadcast(sum(OPS["cast"](is_zero, dtype=a.dtype), axes=axes), a.shape)
    filled = OPS["where"](is_zero, one, a)
    others = broadcast(prod(filled, axes=axes), a.shape)  # the product without its zeros
    alone = OPS["where"](OPS["equal"](count, one), OPS["where"](is_zero, others, zero), zero)
    return (broadcast(g, a.shape) * OPS["where"](OPS["equal"](count, zero), others / filled, alone),)


sum = _reduce("sum", "sum over axes", _sum, lambda d: 0, lambda b, x, y: b.add(x, y), lambda g, o, a, axes: (broadcast(g, a.shape),), kinds="iufc")
prod = _reduce("prod", "product over axes", lambda xp, a, axes: xp.prod(a, axis=axes, keepdims=True, dtype=a.dtype), lambda d: 1, lambda b, x, y: b.mul(x, y), _prod_vjp, kinds="iufc")
max = _reduce("max", "largest over axes; NaN wins", lambda xp, a, axes: xp.max(a, axis=axes, keepdims=True), lowest, lambda b, x, y: b.maximum(x, y), _extreme_vjp)
min = _reduce("min", "smallest over axes; NaN wins", lambda xp, a, axes: xp.min(a, axis=axes, keepdims=True), highest, lambda b, x, y: b.minimum(x, y), _extreme_vjp)
any = _reduce("any", "whether one holds", lambda xp, a, axes: xp.any(a, axis=axes, keepdims=True), lambda d: False, lambda b, x, y: b.or_(x, y), None, kinds="b", no_gradient="the result is bool")
all = _reduce("all", "whether every one holds", lambda xp, a, axes: xp.all(a, axis=axes, keepdims=True), lambda d: True, lambda b, x, y: b.and_(x, y), None, kinds="b", no_gradient="the result is bool")


_CUMULATIVE = (Sample(((4, 5),), {"axis": 1, "reverse": False}, 0.5, 1.5), Sample(((4, 33),), {"axis": 0, "reverse": True}, 0.5, 1.5))


def _cumulate(name: str) -> Any:
    def run(xp: Any, a: Any, axis: int, reverse: bool) -> Any:
        function = getattr(xp, name)
        if not reverse:
            return function(a, axis=axis, dtype=a.dtype)
        return xp.flip(function(xp.flip(a, axis), axis=axis, dtype=a.dtype), axis)

    return run


cumsum = define(
    Op("cumsum", Kind.CUMULATIVE, "running sum along an axis", _cumulate("cumsum"), lambda s, axis, reverse: s, first_dtype,
       lambda g, o, a, axis, reverse: (cumsum(g, axis=axis, reverse=not reverse),), (lambda d: 0, lambda b, x, y: b.add(x, y)), _CUMULATIVE, kinds="iufc")
)  # fmt: skip


def _cumprod_vjp(g: Node, o: Node, a: Node, axis: int, reverse: bool) -> tuple[Node]:
    """dx_i = (product before i) * s_i with s_i = g_i + a_(i+1) s_(i+1): exact where elements are 0 too."""
    if reverse:
        flip = OPS["flip"]
        return (flip(_cumprod_vjp(flip(g, axes=(axis,)), flip(o, axes=(axis,)), flip(a, axes=(axis,)), axis, False)[0], axes=(axis,)),)
    n = a.shape[axis]
    if n <= 1:
        return (g,)

    def shifted(x: Node, by: int, value: float) -> Node:
        """x moved by one along the axis, `value` coming in."""
        start = [0] * len(x.shape)
        stop = list(x.shape)
        low, high = [0] * len(x.shape), [0] * len(x.shape)
        if by > 0:
            stop[axis], low[axis] = n - 1, 1
        else:
            start[axis], high[axis] = 1, 1
        cut = OPS["slice"](x, start=tuple(start), stop=tuple(stop), step=(1,) * len(start))
        return OPS["pad"](cut, low=tuple(low), high=tuple(high), interior=(0,) * len(low), value=value)

    before = cumprod(shifted(a, 1, 1), axis=axis, reverse=False)
    ahead = shifted(a, -1, 0)
    order = (axis, *[k for k in range(len(a.shape)) if k != axis])
    rows = [OPS["permute"](x, axes=order) if axis else x for x in (g, ahead)]
    s = linear_recurrence(rows[0], rows[1])
    back = tuple(sorted(range(len(order)), key=order.__getitem__))
    return (before * (OPS["permute"](s, axes=back) if axis else s),)


def linear_recurrence(g: Node, a: Node) -> Node:
    """s_i = g_i + a_i * s_(i+1) along axis 0, from the end."""
    from saltus.ops.loop import scan_nodes

    start = full(g.shape[1:], 0, g.dtype)
    _, ys = scan_nodes(lambda s, gi, ai: ((gi + ai * s,), (gi + ai * s,)), (start,), (g, a), reverse=True)
    return ys[0]


cumprod = define(
    Op("cumprod", Kind.CUMULATIVE, "running product along an axis", _cumulate("cumprod"), lambda s, axis, reverse: s, first_dtype,
       _cumprod_vjp, (lambda d: 1, lambda b, x, y: b.mul(x, y)), _CUMULATIVE, kinds="iufc")
)  # fmt: skip
