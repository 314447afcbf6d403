"""Sliding windows and diagonals: the same elements read again at other places, for pooling, depthwise convolution and their gradients.

Both are free in the native engine: an index that is a sum of two loop indices (`schedule/view.py`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from saltus.base import dtypes as dt
from saltus.base.errors import ShapeError
from saltus.ir.node import Node, broadcast, full
from saltus.ir.spec import OPS, Kind, Op, Sample, Shape, define, first_dtype
from saltus.ops._namespace import is_numpy
from saltus.ops.arithmetic import where
from saltus.ops.movement import flip, pad, permute, reshape, slice_
from saltus.ops.reduce import sum

Axes = tuple[int, ...]


def window_counts(lengths: Shape, size: Shape, step: Shape, dilation: Shape) -> Shape:
    """How many windows lie in axes of these lengths (0 where not one does)."""
    spans = [(k - 1) * d + 1 for k, d in zip(size, dilation, strict=True)]
    return tuple(max(0, (n - r) // s + 1) for n, r, s in zip(lengths, spans, step, strict=True))


def _windows_shape(s: Shape, axes: Axes, size: Shape, step: Shape, dilation: Shape) -> Shape:
    if not len(axes) == len(size) == len(step) == len(dilation) or len(set(axes)) != len(axes):
        raise ShapeError(f"windows: axes {axes} need one size, step and dilation each, got {size}, {step}, {dilation}")
    if any(not 0 <= k < len(s) for k in axes):
        raise ShapeError(f"windows: axes {axes} do not all exist in shape {s}")
    if min((*size, *step, *dilation, 1)) < 1:
        raise ShapeError(f"windows: sizes, steps and dilations must be at least 1, got {size}, {step}, {dilation}")
    out = list(s)
    for k, n in zip(axes, window_counts(tuple(s[k] for k in axes), size, step, dilation), strict=True):
        out[k] = n
    return (*out, *size)


def _windows_eval(xp: Any, a: Any, axes: Axes, size: Shape, step: Shape, dilation: Shape) -> Any:
    shape = _windows_shape(a.shape, axes, size, step, dilation)
    if is_numpy(xp):
        strides = [n * step[axes.index(k)] if k in axes else n for k, n in enumerate(a.strides)]
        strides += [a.strides[k] * d for k, d in zip(axes, dilation, strict=True)]
        return np.lib.stride_tricks.as_strided(a, shape, strides, writeable=False) if 0 not in shape else np.zeros(shape, a.dtype)
    for i, k in enumerate(axes):
        places = np.arange(shape[k])[:, None] * step[i] + np.arange(size[i]) * dilation[i]
        a = xp.moveaxis(xp.take(a, places, axis=k), k + 1, -1)
    return a


def _windows_vjp(g: Node, o: Node, a: Node, axes: Axes, size: Shape, step: Shape, dilation: Shape) -> tuple[Node]:
    return (fold(g, tuple(a.shape[k] for k in axes), axes, step, dilation),)


_windows: Op = define(
    Op(
        "windows",
        Kind.MOVE,
        "sliding windows: axis k counts the windows, element j of window i is a[i * step + j * dilation]; window axes come last",
        _windows_eval,
        _windows_shape,
        first_dtype,
        _windows_vjp,
        samples=(
            Sample(((7, 3),), {"axes": (0,), "size": (3,), "step": (1,), "dilation": (1,)}),
            Sample(((2, 6, 4, 3),), {"axes": (1, 2), "size": (2, 2), "step": (2, 2), "dilation": (1, 1)}),
            Sample(((2, 11, 9, 2),), {"axes": (1, 2), "size": (3, 2), "step": (2, 1), "dilation": (1, 3)}),
            Sample(((3, 12),), {"axes": (1,), "size": (2,), "step": (5,), "dilation": (1,)}),
        ),
        kinds="biufc",
    )
)


def windows(a: Node, axes: Axes, size: Shape, step: Shape, dilation: Shape) -> Node:
    """Sliding windows of some axes: each becomes the number of windows, and the window axes are appended in the same order.

    Raises:
        ShapeError: an axis that does not exist, or a size, step or dilation below 1.
    """
    return _windows(a, axes=tuple(axes), size=tuple(size), step=tuple(step), dilation=tuple(dilation))


def _diagonal_shape(s: Shape, axis1: int, axis2: int) -> Shape:
    if not 0 <= axis1 < axis2 < len(s):
        raise ShapeError(f"diagonal: axes {axis1} < {axis2} do not exist in shape {s}")
    if s[axis1] != s[axis2]:
        raise ShapeError(f"diagonal: axes {axis1} and {axis2} of shape {s} have different lengths")
    return (*s[:axis2], *s[axis2 + 1 :])


def _diagonal_eval(xp: Any, a: Any, axis1: int, axis2: int) -> Any:
    return xp.moveaxis(xp.diagonal(a, axis1=axis1, axis2=axis2), -1, axis1)


def _diagonal_vjp(g: Node, o: Node, a: Node, axis1: int, axis2: int) -> tuple[Node]:
    wide = broadcast(reshape(g, (*g.shape[:axis2], 1, *g.shape[axis2:])), a.shape)
    first, second = (OPS["iota"](shape=a.shape, axis=k, dtype=dt.int32) for k in (axis1, axis2))
    return (where(OPS["equal"](first, second), wide, full(a.shape, 0, a.dtype)),)


_diagonal: Op = define(
    Op(
        "diagonal",
        Kind.MOVE,
        "the elements with one index on two axes: out[.., i, ..] = a[.., i, .., i, ..], axis2 goes",
        _diagonal_eval,
        _diagonal_shape,
        first_dtype,
        _diagonal_vjp,
        samples=(Sample(((4, 4),), {"axis1": 0, "axis2": 1}), Sample(((3, 5, 2, 5),), {"axis1": 1, "axis2": 3})),
        kinds="biufc",
    )
)


def diagonal(a: Node, axis1: int, axis2: int) -> Node:
    """The elements with one index on both axes; the result has it at the first of them, the other goes."""
    return _diagonal(a, axis1=min(axis1, axis2), axis2=max(axis1, axis2))


def blocks(lengths: Shape, step: Shape) -> Shape:
    """Steps that cover axes of these lengths."""
    return tuple(-(-n // s) for n, s in zip(lengths, step, strict=True))


def fold(g: Node, lengths: Shape, axes: Axes, step: Shape, dilation: Shape) -> Node:
    """The adjoint of windows: the elements of all windows added up where they came from.

    It gathers instead of scattering: an element sums what the windows over it hold of it.

    Args:
        g: windows, shaped as `windows` makes them.
        lengths: of the axes before they were cut into windows.
        axes, step, dilation: of the windows.
    """
    rank = len(g.shape) - len(axes)
    whole = list(g.shape[:rank])
    for k, n in zip(axes, lengths, strict=True):
        whole[k] = n
    if 0 in g.shape:
        return full(tuple(whole), 0, g.dtype)
    if any(d != 1 for d in dilation):
        return _fold_apart(g, lengths, axes, step, dilation)
    return slice_(_fold_blocks(g, lengths, axes, step), (0,) * rank, tuple(whole))


def _fold_apart(g: Node, lengths: Shape, axes: Axes, step: Shape, dilation: Shape) -> Node:
    """Windows with gaps.

    Element h takes element j of window i where i * step + j * dilation = h: with zeros put between the windows, a row of windows again.
    """
    rank, size = len(g.shape) - len(axes), g.shape[len(g.shape) - len(axes) :]
    low = {k: (n - 1) * d for k, n, d in zip(axes, size, dilation, strict=True)}
    high = {k: n - 1 - (g.shape[k] - 1) * s for k, n, s in zip(axes, lengths, step, strict=True)}
    padded = pad(g, _at(g, low), _at(g, high), _at(g, {k: s - 1 for k, s in zip(axes, step, strict=True)}))
    inside = tuple(range(rank, rank + len(axes)))
    met = windows(flip(padded, inside), axes, size, (1,) * len(axes), dilation)
    for k in inside:
        met = diagonal(met, k, rank + len(axes))
    return _summed(met, inside)


def _fold_blocks(g: Node, lengths: Shape, axes: Axes, step: Shape) -> Node:
    """Windows without gaps: the elements of a block of one step take part in the same windows."""
    count = len(axes)
    rank, size = len(g.shape) - count, g.shape[len(g.shape) - count :]
    rows, depth = blocks(lengths, step), blocks(size, step)
    low = {k: d - 1 for k, d in zip(axes, depth, strict=True)}
    high = {k: r - g.shape[k] for k, r in zip(axes, rows, strict=True)}
    high |= {rank + i: d * s - n for i, (d, s, n) in enumerate(zip(depth, step, size, strict=True))}
    g = pad(g, _at(g, low), _at(g, high))
    pairs = [n for pair in zip(depth, step, strict=True) for n in pair]
    g = reshape(g, (*g.shape[:rank], *pairs))  # .., then of each window axis: which block, which element of it
    outer = tuple(rank + 2 * i for i in range(count))
    if max(depth) > 1:
        g = windows(flip(g, outer), axes, depth, (1,) * count, (1,) * count)
        for k in outer:
            g = diagonal(g, k, rank + 2 * count)
    g = _summed(g, outer)
    order: list[int] = []
    for k in range(rank):
        order += [k, rank + axes.index(k)] if k in axes else [k]
    g = permute(g, tuple(order))
    whole = [n * step[axes.index(k)] if k in axes else n for k, n in enumerate(_without(g.shape, order, rank))]
    return reshape(g, tuple(whole))


def _without(shape: Shape, order: list[int], rank: int) -> Shape:
    """The lengths of those axes that come from the first `rank`."""
    return tuple(n for n, k in zip(shape, order, strict=True) if k < rank)


def _summed(a: Node, axes: Axes) -> Node:
    """The sum over axes, without the axes."""
    return reshape(sum(a, axes=axes), tuple(n for k, n in enumerate(a.shape) if k not in axes))


def _at(a: Node, values: dict[int, int]) -> Shape:
    """One number an axis: those given, else 0."""
    return tuple(values.get(k, 0) for k in range(len(a.shape)))


__all__ = ["blocks", "diagonal", "fold", "window_counts", "windows"]
