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
    for i in reversed(range(len(axes))):
        g = _fold_axis(g, lengths[i], axes[i], step[i], dilation[i])
    return g


def _fold_axis(g: Node, length: int, axis: int, step: int, dilation: int) -> Node:
    """The adjoint of windows of one axis, whose window axis is the last of g."""
    last = len(g.shape) - 1
    count, size = g.shape[axis], g.shape[last]
    if 0 in g.shape:
        return full((*g.shape[:axis], length, *g.shape[axis + 1 : last]), 0, g.dtype)
    if dilation == 1:
        return _fold_blocks(g, length, axis, step)
    # element h takes element j of window i where i * step + j * dilation = h: with zeros between windows that is a row of windows again
    low, high = (size - 1) * dilation, length - 1 - (count - 1) * step
    padded = pad(g, _at(g, {axis: low}), _at(g, {axis: high}), _at(g, {axis: step - 1}))
    met = windows(padded, (axis,), (size,), (1,), (dilation,))
    met = diagonal(flip(met, (last,)), last, last + 1)
    return _summed(met, last)


def _fold_blocks(g: Node, length: int, axis: int, step: int) -> Node:
    """Windows without gaps: `step` neighbours at a time, each of which takes part in the same windows."""
    last = len(g.shape) - 1
    count, size = g.shape[axis], g.shape[last]
    (rows,), (depth,) = blocks((length,), (step,)), blocks((size,), (step,))
    g = pad(g, _at(g, {axis: depth - 1}), _at(g, {axis: rows - count, last: depth * step - size}))
    g = reshape(g, (*g.shape[:last], depth, step))  # .., window, .., which block of it, element of the block
    if depth > 1:
        met = windows(g, (axis,), (depth,), (1,), (1,))
        met = diagonal(flip(met, (last,)), last, last + 2)
        g = _summed(met, last)
    else:
        g = reshape(g, (*g.shape[:last], step))
    order = (*range(axis + 1), last, *range(axis + 1, last))
    g = permute(g, order)
    g = reshape(g, (*g.shape[:axis], rows * step, *g.shape[axis + 2 :]))
    return slice_(g, (0,) * len(g.shape), tuple(length if k == axis else n for k, n in enumerate(g.shape)))


def _summed(a: Node, axis: int) -> Node:
    """The sum over an axis, without the axis."""
    return reshape(sum(a, axes=(axis,)), (*a.shape[:axis], *a.shape[axis + 1 :]))


def _at(a: Node, values: dict[int, int]) -> Shape:
    """One number an axis: those given, else 0."""
    return tuple(values.get(k, 0) for k in range(len(a.shape)))


__all__ = ["blocks", "diagonal", "fold", "window_counts", "windows"]
