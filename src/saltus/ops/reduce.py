"""Reductions and cumulative forms. A reduced axis keeps length 1 in the graph; dropping it is a reshape."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from saltus.base.dtypes import DType
from saltus.base.errors import ShapeError
from saltus.ir.node import Node, broadcast, full
from saltus.ir.spec import OPS, Kind, Op, Sample, Shape, define, first_dtype
from saltus.ops.arithmetic import conj
from saltus.ops.loop import scan_nodes
from saltus.ops.movement import inverse, pad, permute, reshape, slice_

Axes = tuple[int, ...]

_SAMPLES = (
    Sample(((4, 5),), {"axes": (1,)}),
    Sample(((3, 4, 2),), {"axes": (0, 2)}),
    Sample(((7, 40),), {"axes": (0,)}),
    Sample(((70,),), {"axes": (0,)}),
    Sample(((3, 2),), {"axes": ()}),
)


def reduced(s: Shape, axes: Axes) -> Shape:
    """The shape with length 1 along some axes."""
    return tuple(1 if i in axes else d for i, d in enumerate(s))


def _not_empty(s: Shape, axes: Axes) -> Shape:
    """Shape rule of reductions that have no value over nothing."""
    out = reduced(s, axes)
    if 0 in s and 0 not in out:
        raise ShapeError(f"the largest or smallest of no elements: axes {axes} of shape {s} are empty")
    return out


def _reduce(
    name: str,
    doc: str,
    identity: Any,
    combine: Any,
    vjp: Any,
    *,
    kinds: str = "iuf",
    shape: Any = reduced,
    typed: bool = False,
    **more: Any,
) -> Op:
    """Declare a reduction by its NumPy name; a `typed` one is told to compute in the operand's own type."""

    def run(xp: Any, a: Any, axes: Axes) -> Any:
        return getattr(xp, name)(a, axis=axes, keepdims=True, **({"dtype": a.dtype} if typed else {}))

    return define(
        Op(
            name,
            Kind.REDUCE,
            doc,
            run,
            shape,
            first_dtype,
            vjp,
            (identity, combine),
            _SAMPLES,
            kinds=kinds,
            **more,
        )
    )


def lowest(dtype: DType) -> float | int:
    """The identity of max."""
    return -math.inf if dtype.kind == "f" else int(np.iinfo(dtype.numpy).min)


def highest(dtype: DType) -> float | int:
    """The identity of min."""
    return math.inf if dtype.kind == "f" else int(np.iinfo(dtype.numpy).max)


def _extreme_vjp(g: Node, o: Node, a: Node, axes: Axes) -> tuple[Node]:
    """Elements that tie for the extreme share the gradient."""
    hit = OPS["cast"](OPS["equal"](a, broadcast(o, a.shape)), dtype=a.dtype)
    return (hit * broadcast(g / sum(hit, axes=axes), a.shape),)


def _shifted(a: Node, axis: int, value: float, *, ahead: bool) -> Node:
    """`a` moved by one along an axis, `value` coming in; `ahead` brings each element its successor."""
    n = a.shape[axis]
    start = [int(k == axis and ahead) for k in range(len(a.shape))]
    stop = [n - 1 if k == axis and not ahead else d for k, d in enumerate(a.shape)]
    low = tuple(int(k == axis and not ahead) for k in range(len(a.shape)))
    return pad(slice_(a, tuple(start), tuple(stop)), low, tuple(start), value=value)


def _prod_vjp(g: Node, o: Node, a: Node, axes: Axes) -> tuple[Node]:
    """The others' product, from both sides: exact where elements are 0, in every order of derivative."""
    order = (*[k for k in range(len(a.shape)) if k not in axes], *axes)
    row = permute(a, order)
    flat = reshape(row, (*row.shape[: len(order) - len(axes)], math.prod(a.shape[k] for k in axes)))
    last = len(flat.shape) - 1
    if flat.shape[last] == 0:
        return (a,)
    before = cumprod(_shifted(flat, last, 1, ahead=False), axis=last, reverse=False)
    after = cumprod(_shifted(flat, last, 1, ahead=True), axis=last, reverse=True)
    others = permute(reshape(before * after, row.shape), inverse(order))
    return (broadcast(g, a.shape) * conj(others),)


sum: Op = _reduce(
    "sum",
    "sum over axes",
    lambda d: 0,
    lambda b, x, y: b.add(x, y),
    lambda g, o, a, axes: (broadcast(g, a.shape),),
    kinds="iufc",
    typed=True,
)
prod = _reduce(
    "prod",
    "product over axes",
    lambda d: 1,
    lambda b, x, y: b.mul(x, y),
    _prod_vjp,
    kinds="iufc",
    typed=True,
)
max = _reduce(
    "max",
    "largest over axes; NaN wins",
    lowest,
    lambda b, x, y: b.maximum(x, y),
    _extreme_vjp,
    shape=_not_empty,
    laws=(lambda o, a, axes: (o, -min(-a, axes=axes)) if a.dtype.is_float else (o, o),),
)
min: Op = _reduce(
    "min",
    "smallest over axes; NaN wins",
    highest,
    lambda b, x, y: b.minimum(x, y),
    _extreme_vjp,
    shape=_not_empty,
)
any = _reduce(
    "any",
    "whether one holds",
    lambda d: False,
    lambda b, x, y: b.or_(x, y),
    None,
    kinds="b",
    no_gradient="the result is bool",
    laws=(lambda o, a, axes: (o, OPS["logical_not"](all(OPS["logical_not"](a), axes=axes))),),
)
all: Op = _reduce(
    "all",
    "whether every one holds",
    lambda d: True,
    lambda b, x, y: b.and_(x, y),
    None,
    kinds="b",
    no_gradient="the result is bool",
)


_CUMULATIVE = (
    Sample(((4, 5),), {"axis": 1, "reverse": False}, 0.5, 1.5),
    Sample(((4, 33),), {"axis": 0, "reverse": True}, 0.5, 1.5),
    Sample(((2, 3, 4),), {"axis": 1, "reverse": True}, -1.5, 1.5),
)


def _cumulate(name: str) -> Any:
    def run(xp: Any, a: Any, axis: int, reverse: bool) -> Any:
        function = getattr(xp, name)
        if not reverse:
            return function(a, axis=axis, dtype=a.dtype)
        return xp.flip(function(xp.flip(a, axis), axis=axis, dtype=a.dtype), axis)

    return run


def _last(o: Node, axis: int, reverse: bool) -> Node:
    """The end of a cumulative result, which is the plain reduction."""
    n = o.shape[axis]
    start = tuple(0 if k != axis or reverse else n - 1 for k in range(len(o.shape)))
    stop = tuple(1 if k == axis and reverse else d for k, d in enumerate(o.shape))
    return slice_(o, start, stop)


cumsum: Op = define(
    Op(
        "cumsum",
        Kind.CUMULATIVE,
        "running sum along an axis",
        _cumulate("cumsum"),
        lambda s, axis, reverse: s,
        first_dtype,
        lambda g, o, a, axis, reverse: (cumsum(g, axis=axis, reverse=not reverse),),
        (lambda d: 0, lambda b, x, y: b.add(x, y)),
        _CUMULATIVE,
        (lambda o, a, axis, reverse: (_last(o, axis, reverse), sum(a, axes=(axis,))),),
        kinds="iufc",
    )
)


def _cumprod_vjp(g: Node, o: Node, a: Node, axis: int, reverse: bool) -> tuple[Node]:
    """dx_i = (product before i) * s_i with s_i = g_i + a_(i+1) s_(i+1): exact where elements are 0 too."""
    if a.shape[axis] <= 1:
        return (g,)
    before = cumprod(_shifted(a, axis, 1, ahead=reverse), axis=axis, reverse=reverse)
    following = _shifted(a, axis, 0, ahead=not reverse)
    return (conj(before) * linear_recurrence(g, conj(following), axis, reverse=not reverse),)


def linear_recurrence(g: Node, a: Node, axis: int, *, reverse: bool) -> Node:
    """s_i = g_i + a_i * s_(i-1) along an axis, or with s_(i+1) from the end."""
    order = (axis, *[k for k in range(len(a.shape)) if k != axis])
    g, a = permute(g, order), permute(a, order)
    start = full(g.shape[1:], 0, g.dtype)

    def step(s: Node, gi: Node, ai: Node) -> tuple[tuple[Node], tuple[Node]]:
        made = gi + ai * s
        return (made,), (made,)

    _, (rows,) = scan_nodes(step, (start,), (g, a), reverse=reverse)
    return permute(rows, inverse(order))


cumprod: Op = define(
    Op(
        "cumprod",
        Kind.CUMULATIVE,
        "running product along an axis",
        _cumulate("cumprod"),
        lambda s, axis, reverse: s,
        first_dtype,
        _cumprod_vjp,
        (lambda d: 1, lambda b, x, y: b.mul(x, y)),
        _CUMULATIVE,
        (lambda o, a, axis, reverse: (_last(o, axis, reverse), prod(a, axes=(axis,))),),
        kinds="iufc",
    )
)
