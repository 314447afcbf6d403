"""Convolutions in the form the native engine has kernels for.

That form is `conv` and `conv_weight` of one group, products whose left operand is made of patches. Here the rest is expressed by it:
input gradients are convolutions of the output's gradient with the turned kernel, one a phase of the stride; groups are taken apart;
one channel a group is a sum over windows; a kernel of one element is a matrix product. Where a result has very few channels, its vectors
would be nearly empty: then one product computes all elements of the kernel side by side, and the sum over them follows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

from saltus.ir.node import Node, at, broadcast, full, rebuild, topological
from saltus.ir.spec import OPS, Kind, Shape
from saltus.ops import movement as move
from saltus.ops.contract import matmul
from saltus.ops.convolution import conv, conv_input, conv_weight, interleave, out_size, reach
from saltus.ops.windows import fold
from saltus.transform.loops import SCAN, Loop
from saltus.transform.tiles import LEAST_GAIN, gain, tile_products


def lower_convolutions(outputs: Sequence[Node]) -> list[Node]:
    """The graph with every convolution, also those inside loops, in the engine's form."""
    if not any(n.op in _RULES or n.op is SCAN for n in topological(outputs)):
        return list(outputs)
    done: dict[Node, Node] = {}
    for node in topological(outputs):
        src = tuple([done[s] for s in node.src])
        with at(node.site):
            if node.op in _RULES:
                done[node] = _RULES[node.op](*src, **node.kwargs)
            elif node.op is SCAN:
                loop = Loop.of(rebuild(node, src))
                done[node] = loop.with_results(lower_convolutions(loop.results)).build()
            else:
                done[node] = rebuild(node, src)
    return [done[o] for o in outputs]


# --- small helpers --------------------------------------------------------------------------------------------------
def _channels(a: Node, first: int, count: int) -> Node:
    """A range of the last axis."""
    start = (0,) * (len(a.shape) - 1)
    return move.slice_(a, (*start, first), (*a.shape[:-1], first + count))


def _by_groups(groups: int, parts: Callable[[int], Node], axis: int) -> Node:
    return move.concat([parts(k) for k in range(groups)], axis)


def _cropped(g: Node, low: Sequence[int], high: Sequence[int]) -> tuple[Node, Shape, Shape]:
    """A map whose negative padding is cut off, with the padding that is left."""
    start = (0, *[max(0, -i) for i in low], 0)
    stop = (g.shape[0], *[n - max(0, -j) for n, j in zip(g.shape[1:-1], high, strict=True)], g.shape[-1])
    return move.slice_(g, start, stop), tuple(max(0, i) for i in low), tuple(max(0, j) for j in high)


def _windows(x: Node, kernel: Shape, stride: Shape, dilation: Shape, low: Shape, high: Shape) -> Node:
    """Patches (N, *O, *K, C) of a padded map, as a view."""
    rank = len(kernel)
    padded = move.pad(x, (0, *low, 0), (0, *high, 0))
    found = OPS["windows"](padded, axes=tuple(range(1, rank + 1)), size=kernel, step=stride, dilation=dilation)  # (N, *O, C, *K)
    return move.permute(found, (*range(rank + 1), *range(rank + 2, 2 * rank + 2), rank + 1))


AGAIN_FLOPS = 8  # an element


def _again(x: Node) -> Node:
    """A value whose arithmetic is done once more where that is little, rather than kept (padded, even) since the forward pass."""
    done: dict[Node, Node] = {}
    flops = 0
    for node in topological([x], stop=lambda n: n.op.kind is not Kind.ELEMENTWISE or n.op is OPS["barrier"] or n.size < x.size):
        if node.size < x.size or node.op.name == "broadcast_to":
            done[node] = node  # a value a channel
        elif node.op.kind is Kind.ELEMENTWISE and node.op is not OPS["barrier"]:
            done[node] = rebuild(node, tuple([done[s] for s in node.src]))
            flops += node.op.flops
        else:
            done[node] = OPS["barrier"](node, token=-1)  # what is computed from it is told apart from the forward pass's
    return done[x] if 0 < flops <= AGAIN_FLOPS else x


def _one_channel(x_channels: int, filters: int, groups: int) -> bool:
    return groups == x_channels == filters and groups > 1


def _narrow(result: int, other: int) -> bool:
    """Whether channels of a result are too few to fill vectors."""
    return result <= 8 and other >= 16


def _narrow_conv(x: Node, w: Node, stride: Shape, dilation: Shape, low: Shape, high: Shape) -> Node:
    """out[o, f] = sum over k of z[o * stride + k * dilation - low, k, f] with z[i, k, f] = x[i] w[k, :, f]"""
    rank, kernel = len(stride), w.shape[:-2]
    weights = move.reshape(move.permute(w, (rank, *range(rank), rank + 1)), (w.shape[-2], math.prod(kernel) * w.shape[-1]))
    z = matmul(move.reshape(x, (math.prod(x.shape[:-1]), x.shape[-1])), weights, ta=False, tb=False)
    z = move.reshape(z, (*x.shape[:-1], *kernel, w.shape[-1]))
    none = (0,) * (rank + 1)
    z = move.pad(z, (0, *low, *none), (0, *high, *none))
    found = OPS["windows"](z, axes=tuple(range(1, rank + 1)), size=kernel, step=stride, dilation=dilation)  # (N, *O, *K, F, *K)
    for k in range(rank):
        found = OPS["diagonal"](found, axis1=rank + 1 + k, axis2=2 * rank + 2)
    made = OPS["sum"](found, axes=tuple(range(rank + 1, 2 * rank + 1)))
    return move.reshape(made, (*made.shape[: rank + 1], w.shape[-1]))


def _narrow_input(g: Node, w: Node, size: Shape, stride: Shape, dilation: Shape, low: Shape, high: Shape) -> Node:
    """What each element of the kernel gives, then the sum where they meet."""
    rank, kernel, depth = len(stride), w.shape[:-2], w.shape[-2]
    if max(dilation) == 1 and min(stride) > 1 and all(k % s == 0 for k, s in zip(kernel, stride, strict=True)):
        return _narrow_blocks(g, w, size, stride, low)
    flat = move.reshape(g, (math.prod(g.shape[:-1]), g.shape[-1]))
    made = matmul(flat, move.reshape(w, (math.prod(kernel) * depth, w.shape[-1])), ta=False, tb=True)
    made = move.reshape(made, (*g.shape[:-1], *kernel, depth))
    made = move.permute(made, (*range(rank + 1), 2 * rank + 1, *range(rank + 1, 2 * rank + 1)))
    whole = tuple(n + i + j for n, i, j in zip(size, low, high, strict=True))
    folded = fold(made, whole, tuple(range(1, rank + 1)), stride, dilation)
    stop = tuple(i + n for i, n in zip(low, size, strict=True))
    return move.slice_(folded, (0, *low, 0), (g.shape[0], *stop, depth))


def _narrow_blocks(g: Node, w: Node, size: Shape, stride: Shape, low: Shape) -> Node:
    """The same for kernels of whole strides: blocks of `stride` outputs lie together, and a sum of shifted maps fills them at once."""
    rank, depth, filters = len(stride), w.shape[-2], w.shape[-1]
    taps = tuple(k // s for k, s in zip(w.shape, stride, strict=False))
    cells = move.reshape(w, (*[n for pair in zip(taps, stride, strict=True) for n in pair], depth, filters))
    rows = move.permute(cells, (*range(0, 2 * rank, 2), *range(1, 2 * rank, 2), 2 * rank, 2 * rank + 1))
    flat = move.reshape(g, (math.prod(g.shape[:-1]), filters))
    made = matmul(flat, move.reshape(rows, (math.prod(w.shape[:-1]), filters)), ta=False, tb=True)
    around, block = tuple(t - 1 for t in taps), (*stride, depth)
    made = move.reshape(made, (*g.shape[:-1], *taps, *block))
    made = move.pad(made, (0, *around, *[0] * (2 * rank + 1)), (0, *around, *[0] * (2 * rank + 1)))
    grid = tuple(n + t for n, t in zip(g.shape[1:-1], around, strict=True))
    parts = []
    for tap in product(*map(range, taps)):
        start = (0, *[a - t for a, t in zip(around, tap, strict=True)], *tap, *[0] * (rank + 1))
        stop = (g.shape[0], *[a - t + n for a, t, n in zip(around, tap, grid, strict=True)], *[t + 1 for t in tap], *block)
        parts.append(move.reshape(move.slice_(made, start, stop), (g.shape[0], *grid, *block)))
    total = parts[0]
    for part in parts[1:]:
        total = OPS["add"](total, part)
    beside = [k for pair in zip(range(1, rank + 1), range(rank + 1, 2 * rank + 1), strict=True) for k in pair]
    return _placed(move.permute(total, (0, *beside, 2 * rank + 1)), size, stride, low)


def _placed(cells: Node, size: Shape, stride: Shape, low: Shape) -> Node:
    """Blocks (n, block, element of it, ... for each axis, channel) as a map, cut to its size; what no block reaches is 0."""
    rank = len(stride)
    reached = tuple(cells.shape[1 + 2 * k] * s for k, s in enumerate(stride))
    whole = move.reshape(cells, (cells.shape[0], *reached, cells.shape[-1]))
    missing = [max(0, i + m - n) for i, m, n in zip(low, size, reached, strict=True)]
    whole = move.pad(whole, (0,) * (rank + 2), (0, *missing, 0))
    return move.slice_(whole, (0, *low, 0), (cells.shape[0], *[i + n for i, n in zip(low, size, strict=True)], cells.shape[-1]))


def _narrow_weight(x: Node, g: Node, kernel: Shape, stride: Shape, dilation: Shape, low: Shape) -> Node:
    """sum over i of x[i, c] * y[i, k, f] with y[i, k, f] = g[(i + low - k * dilation) / stride, f]"""
    rank, filters = len(stride), g.shape[-1]
    spread = move.pad(g, (0,) * (rank + 2), (0,) * (rank + 2), (0, *[s - 1 for s in stride], 0))
    spans = reach(kernel, dilation)
    before = [r - 1 - i for r, i in zip(spans, low, strict=True)]
    after = [n + i - m for n, i, m in zip(x.shape[1:-1], low, spread.shape[1:-1], strict=True)]
    cut, first, last = _cropped(spread, before, after)
    padded = move.pad(cut, (0, *first, 0), (0, *last, 0))
    places = OPS["windows"](padded, axes=tuple(range(1, rank + 1)), size=kernel, step=(1,) * rank, dilation=dilation)  # (N, *S, F, *K)
    places = move.flip(places, tuple(range(rank + 2, 2 * rank + 2)))
    y = move.permute(places, (*range(rank + 1), *range(rank + 2, 2 * rank + 2), rank + 1))
    count = math.prod(x.shape[:-1])
    left, right = move.reshape(x, (count, x.shape[-1])), move.reshape(y, (count, math.prod(kernel) * filters))
    made = move.reshape(matmul(left, right, ta=True, tb=False), (x.shape[-1], *kernel, filters))
    return move.permute(made, (*range(1, rank + 1), 0, rank + 1))


def _even(kernel: Shape, stride: Shape, dilation: Shape, out: Shape, channels: int, filters: int) -> bool:
    """Whether a strided convolution is one of neighbouring blocks that the engine computes with fewer multiplications."""
    known = all(k == 2 * s and s > 1 for k, s in zip(kernel, stride, strict=True)) and max(dilation) == 1
    return known and len(kernel) == 2 and channels % 16 == 0 and filters % 16 == 0 and min(out) > 0 and gain(2, out) >= LEAST_GAIN


def _blocks(x: Node, out: Shape, stride: Shape, low: Shape) -> Node:
    """The blocks of `stride` elements of a padded map as channels: one more block an axis than there are places of the kernel."""
    (down, across), (a, b) = stride, ((out[0] + 1) * stride[0], (out[1] + 1) * stride[1])
    high = [n - m - i for n, m, i in zip((a, b), x.shape[1:-1], low, strict=True)]
    cut, _, after = _cropped(x, low, high)
    padded = move.pad(cut, (0, *low, 0), (0, *after, 0))
    cells = move.reshape(padded, (x.shape[0], out[0] + 1, down, out[1] + 1, across, x.shape[-1]))
    return move.reshape(move.permute(cells, (0, 1, 3, 2, 4, 5)), (x.shape[0], out[0] + 1, out[1] + 1, down * across * x.shape[-1]))


def _blocks_of_kernel(w: Node, stride: Shape) -> Node:
    """A kernel (2 s, 2 t, C, F) as (2, 2, s t C, F)."""
    cells = move.reshape(w, (2, stride[0], 2, stride[1], *w.shape[2:]))
    return move.reshape(move.permute(cells, (0, 2, 1, 3, 4, 5)), (2, 2, math.prod(stride) * w.shape[2], w.shape[3]))


def _even_input(g: Node, w: Node, size: Shape, stride: Shape, low: Shape) -> Node:
    """All phases of the stride as filters of one convolution, then put beside each other."""
    (s, t), depth = stride, w.shape[2]
    cells = move.reshape(w, (2, s, 2, t, *w.shape[2:]))
    turned = move.permute(move.flip(cells, (0, 2)), (0, 2, 5, 1, 3, 4))
    weights = move.reshape(turned, (2, 2, w.shape[3], s * t * depth))
    made = _conv(g, weights, stride=(1, 1), dilation=(1, 1), low=(1, 1), high=(1, 1), groups=1)
    n, rows, columns = made.shape[:3]
    cells = move.permute(move.reshape(made, (n, rows, columns, s, t, depth)), (0, 1, 3, 2, 4, 5))
    return _placed(cells, size, stride, low)


# --- the three ------------------------------------------------------------------------------------------------------
def _conv(x: Node, w: Node, *, stride: Shape, dilation: Shape, low: Shape, high: Shape, groups: int) -> Node:
    attrs: dict[str, Any] = {"stride": stride, "dilation": dilation, "low": low, "high": high}
    kernel, rank = w.shape[:-2], len(stride)
    if _one_channel(x.shape[-1], w.shape[-1], groups):
        patches = _windows(x, kernel, **attrs)
        weights = broadcast(move.reshape(w, (*kernel, groups)), patches.shape)
        axes = tuple(range(rank + 1, 2 * rank + 1))
        made = OPS["sum"](OPS["multiply"](patches, weights), axes=axes)
        return move.reshape(made, (*patches.shape[: rank + 1], groups))
    if groups > 1:
        depth, filters = w.shape[-2], w.shape[-1] // groups

        def part(k: int) -> Node:
            return _conv(_channels(x, k * depth, depth), _channels(w, k * filters, filters), groups=1, **attrs)

        return _by_groups(groups, part, rank + 1)
    if math.prod(kernel) == 1 and not any((*low, *high)):
        rows = move.slice_(x, (0,) * (rank + 2), x.shape, (1, *stride, 1))
        flat = move.reshape(rows, (math.prod(rows.shape[:-1]), x.shape[-1]))
        made = matmul(flat, move.reshape(w, w.shape[-2:]), ta=False, tb=False)
        return move.reshape(made, (*rows.shape[:-1], w.shape[-1]))
    if _narrow(w.shape[-1], w.shape[-2]) and max(stride) == 1:
        return _narrow_conv(x, w, **attrs)
    out = out_size(x.shape[1:-1], kernel, stride, dilation, low, high)
    if _even(kernel, stride, dilation, out, x.shape[-1], w.shape[-1]):
        blocks = _blocks(x, out, stride, low)
        return conv(blocks, _blocks_of_kernel(w, stride), stride=(1, 1), dilation=(1, 1), low=(0, 0), high=(0, 0), groups=1)
    return conv(x, w, groups=1, **attrs)


def _conv_input(
    g: Node, w: Node, *, size: Shape, stride: Shape, dilation: Shape, low: Shape, high: Shape, groups: int
) -> Node:
    rank, kernel = len(stride), w.shape[:-2]
    if groups > 1 and not _one_channel(w.shape[-2] * groups, w.shape[-1], groups):
        filters = w.shape[-1] // groups
        attrs: dict[str, Any] = {"size": size, "stride": stride, "dilation": dilation, "low": low, "high": high, "groups": 1}

        def part(k: int) -> Node:
            return _conv_input(_channels(g, k * filters, filters), _channels(w, k * filters, filters), **attrs)

        return _by_groups(groups, part, rank + 1)
    if groups == 1 and _narrow(w.shape[-2], w.shape[-1]):
        return _narrow_input(g, w, size, stride, dilation, low, high)
    if groups == 1 and _even(kernel, stride, dilation, g.shape[1:-1], w.shape[-2], w.shape[-1]):
        given = g.shape[1:-1]
        if tile_products(2, (given[0] + 1, given[1] + 1)) <= tile_products(2, given):  # else the phases have fewer, one by one
            return _even_input(g, w, size, stride, low)
    # out[i] = sum over k of g[(i + low - k * dilation) / stride]: outputs i = stride * j + p use the kernel elements that make it whole
    shape = (g.shape[0], *size, w.shape[-2] * groups)
    phases = [[_phase(p, *axis) for p in range(axis[2])] for axis in zip(size, kernel, stride, dilation, low, g.shape[1:-1], strict=True)]
    parts = []
    for phase in product(*phases):
        counts = tuple(p.count for p in phase)
        if any(p.taps == 0 or p.count == 0 for p in phase):
            parts.append(full((g.shape[0], *counts, shape[-1]), 0, g.dtype))
            continue
        picked = move.slice_(
            w, (*[p.first for p in phase], 0, 0), (*[p.first + (p.taps - 1) * p.every + 1 for p in phase], *w.shape[-2:]),
            (*[p.every for p in phase], 1, 1),
        )  # fmt: skip
        turned = move.flip(picked, tuple(range(rank)))
        if groups == 1:
            turned = move.permute(turned, (*range(rank), rank + 1, rank))
        cut, before, after = _cropped(g, [p.low for p in phase], [p.high for p in phase])
        parts.append(
            _conv(cut, turned, stride=(1,) * rank, dilation=tuple(p.dilation for p in phase), low=before, high=after, groups=groups)
        )
    return parts[0] if len(parts) == 1 else interleave(*parts, shape=shape, step=(1, *stride, 1))


class _phase:
    """One axis of the outputs i = stride * j + p of an input gradient.

    Attributes:
        count: how many there are.
        first, every, taps: the kernel elements they use.
        dilation: of those in the gradient.
        low, high: padding of the gradient (negative: elements that nobody uses).
    """

    def __init__(self, p: int, size: int, kernel: int, stride: int, dilation: int, low: int, given: int) -> None:
        self.count = max(0, -(-(size - p) // stride))
        common = math.gcd(stride, dilation)
        self.every, self.dilation = stride // common, dilation // common
        whole = [k for k in range(min(kernel, self.every)) if (p + low - k * dilation) % stride == 0]
        self.first = whole[0] if whole else 0
        self.taps = len(range(self.first, kernel, self.every)) if whole else 0
        start = (p + low - self.first * dilation) // stride  # of g, for j = 0 and the first tap; later taps lie before it
        self.low = (self.taps - 1) * self.dilation - start
        self.high = self.count - 1 + start - (given - 1)


def _conv_weight(
    x: Node, g: Node, *, kernel: Shape, stride: Shape, dilation: Shape, low: Shape, high: Shape, groups: int
) -> Node:
    rank = len(stride)
    attrs: dict[str, Any] = {"kernel": kernel, "stride": stride, "dilation": dilation, "low": low, "high": high}
    if _one_channel(x.shape[-1], g.shape[-1], groups):
        padded = move.pad(_again(x), (0, *low, 0), (0, *high, 0))
        return conv_weight(padded, g, kernel=kernel, stride=stride, dilation=dilation, low=(0,) * rank, high=(0,) * rank, groups=groups)
    if groups > 1:
        depth, filters = x.shape[-1] // groups, g.shape[-1] // groups

        def part(k: int) -> Node:
            return _conv_weight(_channels(x, k * depth, depth), _channels(g, k * filters, filters), groups=1, **attrs)

        return _by_groups(groups, part, rank + 1)
    if math.prod(kernel) == 1 and not any((*low, *high)):
        rows = move.slice_(x, (0,) * (rank + 2), x.shape, (1, *stride, 1))
        rows = move.slice_(rows, (0,) * (rank + 2), (x.shape[0], *g.shape[1:-1], x.shape[-1]))
        count = math.prod(rows.shape[:-1])
        left, right = move.reshape(rows, (count, x.shape[-1])), move.reshape(g, (count, g.shape[-1]))
        return move.reshape(matmul(left, right, ta=True, tb=False), (*kernel, x.shape[-1], g.shape[-1]))
    if _narrow(g.shape[-1], x.shape[-1]):
        return _narrow_weight(x, g, kernel, stride, dilation, low)
    many = math.prod(stride) * x.shape[-1] * g.shape[-1] > 512 * 256
    if not many and _even(kernel, stride, dilation, g.shape[1:-1], x.shape[-1], g.shape[-1]):
        plain: dict[str, Any] = {"stride": (1, 1), "dilation": (1, 1), "low": (0, 0), "high": (0, 0)}
        made = conv_weight(_blocks(x, g.shape[1:-1], stride, low), g, kernel=(2, 2), groups=1, **plain)
        cells = move.permute(move.reshape(made, (2, 2, *stride, x.shape[-1], g.shape[-1])), (0, 2, 1, 3, 4, 5))
        return move.reshape(cells, (*kernel, x.shape[-1], g.shape[-1]))
    return conv_weight(x, g, groups=1, **attrs)


_RULES: dict[Any, Callable[..., Node]] = {conv: _conv, conv_input: _conv_input, conv_weight: _conv_weight}
__all__ = ["lower_convolutions"]
