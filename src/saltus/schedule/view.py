"""Strided views of buffers, and index maps from a loop's axes to a node's axes."""

from __future__ import annotations

import math
from dataclasses import dataclass

from saltus.ir.node import Node
from saltus.ir.spec import Shape


def row_major(shape: Shape) -> tuple[int, ...]:
    """Strides, in elements, of a dense array."""
    strides, step = [], 1
    for n in reversed(shape):
        strides.append(step)
        step *= max(n, 1)
    return tuple(reversed(strides))


@dataclass(frozen=True, slots=True)
class View:
    """A box of a buffer: element (i0, i1, ...) lies at offset + sum(i * stride), in elements.

    `base` is the stored node whose buffer it is.
    """

    base: Node
    offset: int
    shape: Shape
    strides: tuple[int, ...]

    @staticmethod
    def whole(node: Node) -> View:
        return View(node, 0, node.shape, row_major(node.shape))

    @property
    def dense(self) -> bool:
        """Row-major without gaps (axes of length 1 do not matter)."""
        expected = 1
        for n, s in zip(reversed(self.shape), reversed(self.strides), strict=True):
            if n != 1 and s != expected:
                return False
            expected *= n
        return True

    def move(self, node: Node) -> View | None:
        """The view a movement op makes of this one, or None where strides cannot express it."""
        match node.op.name:
            case "broadcast_to":
                lead = len(node.shape) - len(self.shape)
                kept = zip(self.shape, self.strides, node.shape[lead:], strict=True)
                strides = (0,) * lead + tuple(0 if n != m else s for n, s, m in kept)
                return View(self.base, self.offset, node.shape, strides)
            case "permute":
                axes = node.attr("axes")
                return View(self.base, self.offset, node.shape, tuple(self.strides[a] for a in axes))
            case "slice":
                start, step = node.attr("start"), node.attr("step")
                offset = self.offset + sum(i * s for i, s in zip(start, self.strides, strict=True))
                return View(self.base, offset, node.shape, tuple(k * s for k, s in zip(step, self.strides, strict=True)))
            case "flip":
                axes = node.attr("axes")
                offset = self.offset + sum((self.shape[a] - 1) * self.strides[a] for a in axes if self.shape[a])
                strides = tuple(-s if i in axes else s for i, s in enumerate(self.strides))
                return View(self.base, offset, node.shape, strides)
            case "reshape":
                strides_or_none = _reshaped(self.shape, self.strides, node.shape)
                return None if strides_or_none is None else View(self.base, self.offset, node.shape, strides_or_none)
        return None


def _reshaped(shape: Shape, strides: tuple[int, ...], target: Shape) -> tuple[int, ...] | None:
    """Strides of a reshaped view: runs of axes that lie densely in each other may be cut anew."""
    if math.prod(target) == 0:
        return row_major(target)
    runs: list[list[int]] = []  # [extent, stride of the innermost]
    for n, s in zip(shape, strides, strict=True):
        if n == 1:
            continue
        if runs and runs[-1][1] == n * s:
            runs[-1] = [runs[-1][0] * n, s]
        else:
            runs.append([n, s])
    out: list[int] = []
    at = len(runs) - 1
    left, step = (runs[at][0], runs[at][1]) if runs else (1, 0)
    for n in reversed(target):
        if n == 1:
            out.append(0)
            continue
        if left == 1 and at > 0:
            at -= 1
            left, step = runs[at]
        if left % n:
            return None
        out.append(step)
        left, step = left // n, step * n
    return tuple(reversed(out)) if left == 1 and at <= 0 else None


# An index map says where a node is read for a point of a loop: one entry an axis of the node,
# (loop axis or None, scale, offset): index = scale * loop index + offset.
Entry = tuple[int | None, int, int]
Map = tuple[Entry, ...]
ZERO: Entry = (None, 0, 0)


def identity(shape: Shape) -> Map:
    """Read at the loop's own index (axes of length 1 at 0)."""
    return tuple((k, 1, 0) if n != 1 else ZERO for k, n in enumerate(shape))


def through(node: Node, where: Map) -> Map | None:
    """Where the operand of a movement op is read, for the op read at `where`; None where maps cannot express it."""
    src = node.src[0].shape
    match node.op.name:
        case "broadcast_to":
            lead = len(node.shape) - len(src)
            return tuple(where[lead + k] if n != 1 else ZERO for k, n in enumerate(src))
        case "permute":
            axes = node.attr("axes")
            return tuple(where[axes.index(k)] for k in range(len(src)))
        case "slice":
            start, step = node.attr("start"), node.attr("step")
            return tuple((a, c * k, o * k + i) for (a, c, o), i, k in zip(where, start, step, strict=True))
        case "flip":
            axes = node.attr("axes")
            return tuple((a, -c, src[k] - 1 - o) if k in axes else (a, c, o) for k, (a, c, o) in enumerate(where))
        case "reshape":
            kept = [e for e, n in zip(where, node.shape, strict=True) if n != 1]
            if tuple(n for n in node.shape if n != 1) != tuple(n for n in src if n != 1):
                return None
            it = iter(kept)
            return tuple(next(it) if n != 1 else ZERO for n in src)
    return None


def strides_over(view: View, where: Map, axes: int) -> tuple[int, tuple[int, ...]]:
    """Offset and strides over `axes` loop axes of a view read at `where`."""
    offset, strides = view.offset, [0] * axes
    for (axis, scale, shift), s in zip(where, view.strides, strict=True):
        offset += shift * s
        if axis is not None:
            strides[axis] += scale * s
    return offset, tuple(strides)
