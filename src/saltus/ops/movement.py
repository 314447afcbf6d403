"""Movement: the same elements at other places. The scheduler makes most of these free (strides), none is arithmetic."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from saltus.base.errors import ShapeError
from saltus.ir.node import Node, broadcast, full
from saltus.ir.spec import OPS, Kind, Op, Sample, Shape, define, first_dtype
from saltus.ops._elementwise import same_dtype
from saltus.ops._namespace import companion, is_numpy

ANY = "biufc"


def _broadcast_shape(s: Shape, shape: Shape) -> Shape:
    if len(s) > len(shape) or any(d not in (1, e) for d, e in zip(s[::-1], shape[::-1], strict=False)):
        raise ShapeError(f"cannot broadcast shape {s} to {shape}")
    return tuple(shape)


def _broadcast_vjp(g: Node, o: Node, a: Node, shape: Shape) -> tuple[Node]:
    lead = len(shape) - len(a.shape)
    axes = tuple(range(lead)) + tuple(
        lead + i for i, d in enumerate(a.shape) if d == 1 and shape[lead + i] != 1
    )
    return (reshape(OPS["sum"](g, axes=axes) if axes else g, shape=a.shape),)


broadcast_to = define(
    Op(
        "broadcast_to",
        Kind.MOVE,
        "a repeated along new axes and along axes of length 1",
        lambda xp, a, shape: xp.broadcast_to(a, shape),
        _broadcast_shape,
        first_dtype,
        _broadcast_vjp,
        samples=(
            Sample(((4, 1),), {"shape": (4, 5)}),
            Sample(((),), {"shape": (2, 3)}),
            Sample(((3, 1, 2),), {"shape": (2, 3, 4, 2)}),
        ),
        kinds=ANY,
    )
)


def _reshape_shape(s: Shape, shape: Shape) -> Shape:
    if math.prod(s) != math.prod(shape):
        raise ShapeError(
            f"cannot reshape {s} ({math.prod(s)} elements) to {shape} ({math.prod(shape)} elements)"
        )
    return tuple(shape)


_reshape: Op = define(
    Op(
        "reshape",
        Kind.MOVE,
        "the elements of a, in row-major order, in another shape",
        lambda xp, a, shape: xp.reshape(a, shape),
        _reshape_shape,
        first_dtype,
        lambda g, o, a, shape: (reshape(g, shape=a.shape),),
        samples=(
            Sample(((4, 5),), {"shape": (2, 10)}),
            Sample(((2, 3, 4),), {"shape": (6, 4)}),
            Sample(((1, 1),), {"shape": ()}),
        ),
        kinds=ANY,
    )
)


def reshape(a: Node, shape: Shape) -> Node:
    """Another shape (no node where it is the same)."""
    if a.shape == tuple(shape):
        return a
    while a.op is _reshape:
        a = a.src[0]
    return a if a.shape == tuple(shape) else _reshape(a, shape=tuple(shape))


def _permute_shape(s: Shape, axes: tuple[int, ...]) -> Shape:
    if sorted(axes) != list(range(len(s))):
        raise ShapeError(f"axes {axes} are not an order of the {len(s)} axes of shape {s}")
    return tuple(s[a] for a in axes)


def inverse(axes: tuple[int, ...]) -> tuple[int, ...]:
    """The order that undoes an order of axes."""
    return tuple(sorted(range(len(axes)), key=axes.__getitem__))


_permute: Op = define(
    Op(
        "permute",
        Kind.MOVE,
        "axes in another order: out axis k is axis axes[k] of a",
        lambda xp, a, axes: xp.transpose(a, axes),
        _permute_shape,
        first_dtype,
        lambda g, o, a, axes: (permute(g, inverse(axes)),),
        samples=(Sample(((2, 3, 4),), {"axes": (2, 0, 1)}), Sample(((5, 33),), {"axes": (1, 0)})),
        kinds=ANY,
    )
)


def permute(a: Node, axes: tuple[int, ...]) -> Node:
    """Axes in another order (no node where the order is the same)."""
    return a if axes == tuple(range(len(axes))) else _permute(a, axes=tuple(axes))


def _slice_shape(s: Shape, start: Shape, stop: Shape, step: Shape) -> Shape:
    if not len(s) == len(start) == len(stop) == len(step):
        raise ShapeError(f"slice of shape {s} needs {len(s)} bounds, got {len(start)}")
    for axis, (n, i, j, k) in enumerate(zip(s, start, stop, step, strict=True)):
        if not (0 <= i <= n and 0 <= j <= n and k >= 1):
            raise ShapeError(f"slice {i}:{j}:{k} does not lie in axis {axis} of shape {s}")
    return tuple(max(0, -(-(j - i) // k)) for i, j, k in zip(start, stop, step, strict=True))


def _slice_vjp(g: Node, o: Node, a: Node, start: Shape, stop: Shape, step: Shape) -> tuple[Node]:
    reach = [i + max(0, (d - 1) * k + 1) if d else i for i, d, k in zip(start, o.shape, step, strict=True)]
    high = tuple(n - r for n, r in zip(a.shape, reach, strict=True))
    return (pad(g, low=tuple(start), high=high, interior=tuple(k - 1 for k in step), value=0),)


_slice = define(
    Op(
        "slice",
        Kind.MOVE,
        "a[start:stop:step] on every axis, steps positive",
        lambda xp, a, start, stop, step: a[
            tuple(slice(i, j, k) for i, j, k in zip(start, stop, step, strict=True))
        ],
        _slice_shape,
        first_dtype,
        _slice_vjp,
        samples=(
            Sample(((6, 9),), {"start": (1, 0), "stop": (5, 9), "step": (2, 3)}),
            Sample(((7,),), {"start": (2,), "stop": (2,), "step": (1,)}),
        ),
        kinds=ANY,
    )
)


def slice_(a: Node, start: Shape, stop: Shape, step: Shape | None = None) -> Node:
    """A box of a (no node where it is all of a)."""
    step = step or (1,) * len(a.shape)
    if all(i == 0 for i in start) and tuple(stop) == a.shape and all(k == 1 for k in step):
        return a
    return _slice(a, start=tuple(start), stop=tuple(stop), step=tuple(step))


def _pad_shape(s: Shape, low: Shape, high: Shape, interior: Shape, value: float) -> Shape:
    if not len(s) == len(low) == len(high) == len(interior):
        raise ShapeError(f"padding of shape {s} needs {len(s)} entries, got {len(low)}")
    out = tuple(
        i + (d + (d - 1) * k if d else 0) + j for d, i, j, k in zip(s, low, high, interior, strict=True)
    )
    if min((*low, *high, *interior, 0)) < 0:
        raise ShapeError(f"padding must not be negative, got low {low}, high {high}")
    return out


def _pad_eval(xp: Any, a: Any, low: Shape, high: Shape, interior: Shape, value: float) -> Any:
    if not is_numpy(xp):
        edges = list(zip(low, high, interior, strict=True))
        return companion(xp, "lax").pad(a, xp.asarray(value, a.dtype), edges)
    out = np.full(_pad_shape(a.shape, low, high, interior, value), value, a.dtype)
    spans = zip(a.shape, low, interior, strict=True)
    out[tuple(slice(i, i + (d - 1) * (k + 1) + 1 if d else i, k + 1) for d, i, k in spans)] = a
    return out


def _pad_vjp(
    g: Node, o: Node, a: Node, low: Shape, high: Shape, interior: Shape, value: float
) -> tuple[Node]:
    stop = tuple(n - j for n, j in zip(o.shape, high, strict=True))
    return (slice_(g, low, stop, tuple(k + 1 for k in interior)),)


_pad = define(
    Op(
        "pad",
        Kind.MOVE,
        "a with a border of a constant, and `interior` constants between neighbours",
        _pad_eval,
        _pad_shape,
        first_dtype,
        _pad_vjp,
        samples=(
            Sample(((3, 4),), {"low": (1, 0), "high": (0, 2), "interior": (0, 0), "value": 0}),
            Sample(
                ((3, 4),),
                {"low": (1, 2), "high": (1, 2), "interior": (1, 0), "value": 1.5},
                dtypes=("float32",),
            ),
        ),
        kinds=ANY,
    )
)


def pad(a: Node, low: Shape, high: Shape, interior: Shape | None = None, value: float = 0) -> Node:
    """A border of a constant (no node where it is empty); -0 counts as 0."""
    interior = interior or (0,) * len(a.shape)
    value = 0 if value == 0 else value
    if not any((*low, *high, *interior)):
        return a
    return _pad(a, low=tuple(low), high=tuple(high), interior=tuple(interior), value=value)


def _concat_shape(*shapes: Shape, axis: int) -> Shape:
    first = shapes[0]
    for s in shapes:
        if len(s) != len(first) or any(s[k] != first[k] for k in range(len(s)) if k != axis):
            raise ShapeError(f"shapes differ outside axis {axis}: {', '.join(map(str, shapes))}")
    return (*first[:axis], sum(s[axis] for s in shapes), *first[axis + 1 :])


def _concat_vjp(g: Node, o: Node, *inputs: Node, axis: int) -> list[Node]:
    out, at = [], 0
    for a in inputs:
        start = tuple(at if k == axis else 0 for k in range(len(g.shape)))
        stop = tuple(at + a.shape[axis] if k == axis else n for k, n in enumerate(g.shape))
        out.append(slice_(g, start, stop))
        at += a.shape[axis]
    return out


_concat = define(
    Op(
        "concat",
        Kind.MOVE,
        "arrays one after another along an axis",
        lambda xp, *arrays, axis: xp.concatenate(arrays, axis=axis),
        _concat_shape,
        same_dtype,
        _concat_vjp,
        samples=(Sample(((2, 3), (4, 3)), {"axis": 0}), Sample(((2, 3), (2, 1), (2, 5)), {"axis": 1})),
        kinds=ANY,
    )
)


def concat(arrays: list[Node], axis: int) -> Node:
    """Arrays one after another."""
    return arrays[0] if len(arrays) == 1 else _concat(*arrays, axis=axis)


_flip: Op = define(
    Op(
        "flip",
        Kind.MOVE,
        "the order of elements reversed along axes",
        lambda xp, a, axes: xp.flip(a, axes),
        lambda s, axes: s,
        first_dtype,
        lambda g, o, a, axes: (flip(g, axes),),
        samples=(Sample(((3, 5),), {"axes": (1,)}), Sample(((3, 20, 2),), {"axes": (0, 2)})),
        kinds=ANY,
    )
)


def flip(a: Node, axes: tuple[int, ...]) -> Node:
    """Reversed along axes (no node where there are none)."""
    return _flip(a, axes=tuple(axes)) if axes else a


def roll(a: Node, shift: int, axis: int) -> Node:
    """Elements moved along an axis, the last coming in first."""
    n = a.shape[axis]
    cut = -shift % n if n else 0
    if not cut:
        return a
    start = tuple(cut if k == axis else 0 for k in range(len(a.shape)))
    stop = tuple(cut if k == axis else d for k, d in enumerate(a.shape))
    return concat([slice_(a, start, a.shape), slice_(a, (0,) * len(stop), stop)], axis)


__all__ = [
    "broadcast",
    "broadcast_to",
    "concat",
    "flip",
    "full",
    "inverse",
    "pad",
    "permute",
    "reshape",
    "roll",
    "slice_",
]
