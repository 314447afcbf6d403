"""Strided views of buffers, and index maps from a loop's axes to a node's axes."""

from __future__ import annotations

import math
from collections.abc import Iterable
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
        """Row-major without gaps (axes of length 1 do not matter, and without elements there is nothing between gaps)."""
        if 0 in self.shape:
            return True
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
            case "windows":
                axes, step, dilation = (node.attr(name) for name in ("axes", "step", "dilation"))
                counts = [s * step[axes.index(k)] if k in axes else s for k, s in enumerate(self.strides)]
                inside = [self.strides[k] * d for k, d in zip(axes, dilation, strict=True)]
                return View(self.base, self.offset, node.shape, (*counts, *inside))
            case "diagonal":
                first, second = node.attr("axis1"), node.attr("axis2")
                both = [s + self.strides[second] if k == first else s for k, s in enumerate(self.strides)]
                return View(self.base, self.offset, node.shape, (*both[:second], *both[second + 1 :]))
            case "reshape":
                strides_or_none = reshaped(self.shape, self.strides, node.shape)
                return None if strides_or_none is None else View(self.base, self.offset, node.shape, strides_or_none)
        return None


def reshaped(shape: Shape, strides: tuple[int, ...], target: Shape) -> tuple[int, ...] | None:
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
# (terms, offset): index = sum of scale * loop index over the terms (loop axis, scale) + offset.
Entry = tuple[tuple[tuple[int, int], ...], int]
Map = tuple[Entry, ...]
ZERO: Entry = ((), 0)


def along(axis: int) -> Entry:
    """Read at a loop axis' own index."""
    return ((axis, 1),), 0


def affine(parts: Iterable[tuple[int, Entry]], offset: int = 0) -> Entry:
    """The sum of scale * entry, and an offset."""
    terms: dict[int, int] = {}
    for scale, (inner, shift) in parts:
        offset += scale * shift
        for axis, step in inner:
            terms[axis] = terms.get(axis, 0) + scale * step
    return tuple(sorted((axis, step) for axis, step in terms.items() if step)), offset


def identity(shape: Shape) -> Map:
    """Read at the loop's own index (axes of length 1 at 0)."""
    return tuple(along(k) if n != 1 else ZERO for k, n in enumerate(shape))


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
            return tuple(affine([(k, entry)], i) for entry, i, k in zip(where, start, step, strict=True))
        case "flip":
            axes = node.attr("axes")
            return tuple(affine([(-1, entry)], src[k] - 1) if k in axes else entry for k, entry in enumerate(where))
        case "windows":
            axes, step, dilation = (node.attr(name) for name in ("axes", "step", "dilation"))
            out = list(where[: len(src)])
            for i, k in enumerate(axes):
                out[k] = affine([(step[i], where[k]), (dilation[i], where[len(src) + i])])
            return tuple(out)
        case "diagonal":
            first, second = node.attr("axis1"), node.attr("axis2")
            kept = list(where)
            kept.insert(second, where[first])
            return tuple(kept)
        case "reshape":
            return _split(src, node.shape, where)
    return None


def _split(src: Shape, target: Shape, where: Map) -> Map | None:
    """Where `src` is read for a reshape that cuts its axes into several; None where it makes one of several."""
    if 0 in target:
        return (ZERO,) * len(src)
    found: list[Entry] = []
    pieces = [(n, entry) for n, entry in zip(target, where, strict=True) if n != 1]
    for n in src:
        parts, left = [], n
        while left > 1:
            if not pieces or left % pieces[0][0]:
                return None
            length, entry = pieces.pop(0)
            left //= length
            parts.append((left, entry))
        found.append(affine(parts))
    return tuple(found)


def strides_over(view: View, where: Map, axes: int) -> tuple[int, tuple[int, ...]]:
    """Offset and strides over `axes` loop axes of a view read at `where`."""
    offset, strides = view.offset, [0] * axes
    for (terms, shift), s in zip(where, view.strides, strict=True):
        offset += shift * s
        for axis, scale in terms:
            strides[axis] += scale * s
    return offset, tuple(strides)
