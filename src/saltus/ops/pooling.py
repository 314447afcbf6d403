"""Pooling of windows, and its gradients as gathers: composites on nodes of shape (N, *size, channels).

The gradient never scatters. An element of the input looks at the windows over it, and takes what each has for it; where windows do
not overlap that is one window, and the pass over the input can be joined with what follows.
"""

from __future__ import annotations

from saltus.base import dtypes as dt
from saltus.ir.node import Node, broadcast, full
from saltus.ir.spec import OPS, Shape
from saltus.ops.arithmetic import convert, where
from saltus.ops.movement import pad, reshape, slice_
from saltus.ops.reduce import lowest, max, min, sum
from saltus.ops.windows import blocks, fold, windows

HALVES = (dt.float16, dt.bfloat16)


def _ramp(shape: Shape, axis: int, dtype: dt.DType = dt.int32) -> Node:
    """The index along an axis."""
    if shape[axis] == 1:
        return full(shape, 0, dtype)
    return OPS["iota"](shape=shape, axis=axis, dtype=dtype)


def _spatial(a: Node) -> tuple[int, ...]:
    return tuple(range(1, len(a.shape) - 1))


def _around(values: Shape) -> Shape:
    """Numbers of the spatial axes, with 0 for batch and channels."""
    return (0, *values, 0)


def _flat(places: list[Node], lengths: Shape) -> Node:
    """Row-major position of one index an axis."""
    made = places[0]
    for place, n in zip(places[1:], lengths[1:], strict=True):
        made = made * n + place
    return made


def _covered(size: Shape, step: Shape) -> Shape:
    """Windows as whole blocks of a step: places in a window are counted as if it were that large, so no two places share a number."""
    return tuple(d * s for d, s in zip(blocks(size, step), step, strict=True))


def _dropped(a: Node, count: int) -> Node:
    """Without `count` last axes, which have length 1."""
    return reshape(a, a.shape[: len(a.shape) - count])


def largest(x: Node, size: Shape, step: Shape, dilation: Shape, low: Shape, high: Shape) -> tuple[Node, Node]:
    """The largest element of each window, and where in the window it is first (int32, as `_covered` counts); borders never win."""
    padded = pad(x, _around(low), _around(high), value=lowest(x.dtype))
    w = windows(padded, _spatial(x), size, step, dilation)
    axes = tuple(range(len(x.shape), len(w.shape)))
    top = max(w, axes=axes)
    place = _flat([_ramp(w.shape, k) for k in axes], _covered(size, step))
    return _dropped(top, len(size)), _dropped(_first(w, top, place), len(size))


def _first(w: Node, top: Node, place: Node) -> Node:
    """The least place of an element that is not less than the largest (NaN is not less than anything)."""
    axes = tuple(range(len(w.shape) // 2 + 1, len(w.shape)))
    hit = OPS["logical_not"](OPS["less"](w, broadcast(top, w.shape)))
    return min(where(hit, place, full(w.shape, 2**31 - 1, place.dtype)), axes=axes)


def largest_position(x: Node, size: Shape, step: Shape, dilation: Shape, low: Shape, high: Shape) -> Node:
    """Where in the image (row-major over the spatial axes, int64) the first largest element of each window is."""
    padded = pad(x, _around(low), _around(high), value=lowest(x.dtype))
    w = windows(padded, _spatial(x), size, step, dilation)
    axes = tuple(range(len(x.shape), len(w.shape)))
    places, real = [], None
    for i, (k, n) in enumerate(zip(axes, x.shape[1:-1], strict=True)):
        place = _ramp(w.shape, i + 1, dt.int64) * step[i] + _ramp(w.shape, k, dt.int64) * dilation[i] - low[i]
        places.append(place)
        if low[i] or high[i]:
            zero, length = (full(w.shape, v, dt.int64) for v in (0, n))
            fits = OPS["logical_and"](OPS["greater_equal"](place, zero), OPS["less"](place, length))
            real = fits if real is None else OPS["logical_and"](real, fits)
    position = _flat(places, x.shape[1:-1])
    if real is not None:
        position = where(real, position, full(w.shape, 2**31 - 1, dt.int64))
    return _dropped(_first(w, max(w, axes=axes), position), len(size))


def largest_gradient(
    g: Node, index: Node, lengths: Shape, size: Shape, step: Shape, dilation: Shape, low: Shape, high: Shape
) -> Node:
    """The gradient of `largest` in x: each window's goes to the element at its index."""
    padded = tuple(n + i + j for n, i, j in zip(lengths, low, high, strict=True))
    if any(d != 1 for d in dilation):
        shape = (*g.shape, *size)
        axes = range(len(g.shape), len(shape))
        g, index = (broadcast(reshape(a, (*a.shape, *[1] * len(size))), shape) for a in (g, index))
        hit = OPS["equal"](index, _flat([_ramp(shape, k) for k in axes], _covered(size, step)))
        whole = fold(where(hit, g, full(shape, 0, g.dtype)), padded, tuple(range(1, len(size) + 1)), step, dilation)
    else:
        whole = gathered(g, index, padded, size, step)
    return _inside(whole, low, lengths)


def _inside(a: Node, low: Shape, lengths: Shape) -> Node:
    stop = tuple(i + n for i, n in zip(low, lengths, strict=True))
    return slice_(a, _around(low), (a.shape[0], *stop, a.shape[-1]))


def gathered(g: Node, index: Node | None, lengths: Shape, size: Shape, step: Shape) -> Node:
    """For each element, the sum of g over the windows that have it at `index` (that have it at all, without an index).

    Elements are computed a step's block at a time: axis by axis (block, element of the block), and a block is in as many windows as a
    window has steps, whose number are the last axes.
    """
    rank = len(size)
    depth, rows = blocks(size, step), blocks(lengths, step)
    low = tuple(d - 1 for d in depth)
    high = tuple(r - n for r, n in zip(rows, g.shape[1:-1], strict=True))
    pairs = tuple(n for pair in zip(rows, step, strict=True) for n in pair)
    shape = (g.shape[0], *pairs, g.shape[-1], *depth)
    thin = (g.shape[0], *[n for r in rows for n in (r, 1)], g.shape[-1], *depth)

    def met(a: Node) -> Node:
        w = windows(pad(a, _around(low), _around(high)), _spatial(g), depth, (1,) * rank, (1,) * rank)
        return broadcast(reshape(w, thin), shape)

    # element p of a block is place p + back * step of the window that began `back` blocks before: that is one number from p, one from `back`
    inside = [_ramp(shape, 2 + 2 * i) for i in range(rank)]
    back = [_ramp(shape, 2 * rank + 2 + i) * -s + (d - 1) * s for i, (d, s) in enumerate(zip(depth, step, strict=True))]
    hit = None
    if index is not None:
        covered = _covered(size, step)
        hit = OPS["equal"](met(index), _flat(inside, covered) + _flat(back, covered))
    elif _covered(size, step) != size:
        for p, b, n in zip(inside, back, size, strict=True):
            held = OPS["less"](b, full(shape, n, dt.int32) - p)
            hit = held if hit is None else OPS["logical_and"](hit, held)
    value = met(g) if hit is None else where(hit, met(g), full(shape, 0, g.dtype))
    axes = tuple(range(2 * rank + 2, 3 * rank + 2))
    if any(d > 1 for d in depth):
        value = sum(value, axes=axes)
    return reshape(value, (g.shape[0], *[r * s for r, s in zip(rows, step, strict=True)], g.shape[-1]))


def _shares(shape: Shape, dtype: dt.DType, lengths: Shape, size: Shape, step: Shape, low: Shape) -> Node:
    """1 / elements of each window that are not border."""
    made = None
    for i, n in enumerate(lengths):
        start = _ramp(shape, i + 1) * step[i] - low[i]
        stop = OPS["minimum"](start + size[i], full(shape, n, dt.int32))
        count = convert(stop - OPS["maximum"](start, full(shape, 0, dt.int32)), dtype)
        made = count if made is None else made * count
    assert made is not None
    return 1.0 / made


def average(x: Node, size: Shape, step: Shape, low: Shape, high: Shape) -> Node:
    """The mean of each window, over what of it lies inside the image."""
    wide = convert(x, dt.float32) if x.dtype in HALVES else x
    w = windows(pad(wide, _around(low), _around(high)), _spatial(x), size, step, (1,) * len(size))
    total = _dropped(sum(w, axes=tuple(range(len(x.shape), len(w.shape)))), len(size))
    return convert(_weighted(total, x.shape[1:-1], size, step, low, high), x.dtype)


def _weighted(a: Node, lengths: Shape, size: Shape, step: Shape, low: Shape, high: Shape) -> Node:
    if any((*low, *high)):
        return a * _shares(a.shape, a.dtype, lengths, size, step, low)
    count = 1
    for n in size:
        count *= n
    return a * (1 / count)


def average_gradient(g: Node, lengths: Shape, size: Shape, step: Shape, low: Shape, high: Shape) -> Node:
    """The gradient of `average` in x."""
    wide = convert(g, dt.float32) if g.dtype in HALVES else g
    padded = tuple(n + i + j for n, i, j in zip(lengths, low, high, strict=True))
    whole = gathered(_weighted(wide, lengths, size, step, low, high), None, padded, size, step)
    return convert(_inside(whole, low, lengths), g.dtype)
