"""The gradient of a kernel that sees one channel at a time (depthwise convolution).

Each element of the kernel sums products of two maps over all places. A row of places is read once for up to nine elements, whose sums
stay in registers; parts of the rows run side by side and are added in order.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product
from typing import Any

from saltus.backend.cpu.emit import Emitter, Value
from saltus.backend.cpu.lower import PARAMETERS
from saltus.base import dtypes as dt
from saltus.ir.node import Node
from saltus.schedule.patches import Patches

_WORDS = (
    "x", "g", "partials", "rows", "span", "channels", "out", "step", "batch_stride", "out0", "step0", "out1", "step1",
)  # fmt: skip
_COMBINE_WORDS = ("partials", "parts", "taps", "channels")
_TOGETHER = 9  # elements of the kernel whose sums are in registers at once
_MOST_PARTS = 16


class DepthwiseKernel:
    """Partial sums [part][element of the kernel][channel]."""

    scratch = 0

    def __init__(self, patches: Patches, x: tuple[Node, int], g: tuple[Node, int], label: str, why: str) -> None:
        self.patches, self.x, self.g, self.label, self.why = patches, x, g, label, why
        self.dtype = x[0].dtype
        outer = patches.axes[:-1]
        self.taps = math.prod(a.kernel for a in patches.axes)
        self.rows = patches.batch * math.prod(a.out for a in outer)
        self.span = -(-self.rows // _MOST_PARTS)
        self.parts = -(-self.rows // self.span)
        self.partial_bytes = self.parts * self.taps * patches.channels * self.dtype.itemsize
        self.partials: Node | None = None
        self.flops = 2 * patches.rows * patches.columns
        self.nbytes = self.dtype.itemsize * patches.channels * (patches.rows + patches.batch * math.prod(a.size for a in patches.axes))

    def key(self) -> str:
        return f"depthwise gradient {self.dtype.name} {len(self.patches.axes)} {self.taps}"

    def words(self) -> tuple[list[int], list[tuple[int, Node, int]], int]:
        assert self.partials is not None
        p = self.patches
        *outer, last = p.axes
        words = [0, 0, 0, self.rows, self.span, p.channels, last.out, last.stride * last.step, p.batch_stride]
        for k in range(2):
            words += [outer[k].out, outer[k].stride * outer[k].step] if k < len(outer) else [1, 0]
        for place in product(*[range(a.kernel) for a in p.axes]):
            words.append(sum(k * a.dilation * a.step for k, a in zip(place, p.axes, strict=True)))
        return words, [(0, *self.x), (1, *self.g), (2, self.partials, 0)], self.parts

    def show(self) -> str:
        return f"{self.label}: {self.taps} elements, {self.rows} rows in {self.parts} parts"

    def emit(self, symbol: str, vector_bits: int, functions: dict[str, Any]) -> str:
        """LLVM IR text of the kernel."""
        b = Emitter(symbol, PARAMETERS, vector_bits)
        dtype, lanes = self.dtype, vector_bits // self.dtype.bits
        w = b.arguments(_WORDS, ("x", "g", "partials"))
        shifts = [b.argument(len(_WORDS) + k, dt.int64) for k in range(self.taps)]
        begin = b.mul(b.parameters[1], w["span"])
        end = b.minimum(b.add(begin, w["span"]), w["rows"])
        sums_of = b.offset(w["partials"], b.mul(b.parameters[1], b.mul(w["channels"], b.index(self.taps))), dtype)
        with b.loop(begin, end) as row:
            number = row.index
            places = []
            for k in reversed(range(len(self.patches.axes) - 1)):
                places.insert(0, b.rem(number, w[f"out{k}"]))
                number = b.div(number, w[f"out{k}"])
            start = b.mul(number, w["batch_stride"])
            for k, place in enumerate(places):
                start = b.add(start, b.mul(place, w[f"step{k}"]))
            left = b.offset(w["x"], start, dtype)
            right = b.offset(w["g"], b.mul(b.mul(row.index, w["out"]), w["channels"]), dtype)
            fresh = b.equal(row.index, begin)

            def channels(first: Value, mask: Value | None, left: Value = left, right: Value = right, fresh: Value = fresh) -> None:
                for low in range(0, self.taps, _TOGETHER):
                    group = shifts[low : low + _TOGETHER]
                    at = b.offset(sums_of, first, dtype)
                    places = [b.offset(at, b.mul(w["channels"], b.index(low + k)), dtype) for k in range(len(group))]
                    sums = self._row(b, left, right, first, mask, group, places, fresh, w)
                    for value, place in zip(sums, places, strict=True):
                        b.store(value, place, dtype, mask)

            even = b.and_(w["channels"], b.index(-lanes))
            with b.loop(0, even, lanes) as most:
                channels(most.index, None)
            with b.when(b.less(even, w["channels"])):
                channels(even, b.lane_mask(b.sub(w["channels"], even), lanes))
        return b.text()

    def _row(self, b: Emitter, left: Value, right: Value, first: Value, mask: Value | None, shifts: Sequence[Value],
             places: Sequence[Value], fresh: Value, w: dict[str, Value]) -> list[Value]:  # fmt: skip
        """Sums of one row of places on top of those so far."""
        dtype, lanes = self.dtype, b.vector_bits // self.dtype.bits
        zero = [b.const(0.0, dtype, lanes)] * len(places)
        start = b.either(fresh, lambda: zero, lambda: [b.load(p, dtype, lanes, mask) for p in places])
        pointers = [b.offset(left, first, dtype), b.offset(right, first, dtype)]
        with b.loop(0, w["out"], 1, [*start, *pointers]) as turn:
            *sums, x, g = turn.carried
            y = b.load(g, dtype, lanes, mask)
            sums = [b.fma(b.load(b.offset(x, s, dtype), dtype, lanes, mask), y, t) for t, s in zip(sums, shifts, strict=True)]
            turn.next([*sums, b.offset(x, w["step"], dtype), b.offset(g, w["channels"], dtype)])
        return turn.results[: len(places)]


class DepthwiseCombineKernel:
    """Adds the parts in order and hands them to the epilogue."""

    scratch = 0
    flops = 0

    def __init__(self, gradient: DepthwiseKernel, epilogue: Any, label: str) -> None:
        self.gradient, self.epilogue, self.label = gradient, epilogue, label + " (combine)"
        self.why = "adds the parts of a kernel's gradient"
        self.nbytes = gradient.partial_bytes

    def key(self) -> str:
        return f"depthwise combine {self.gradient.dtype.name} {self.epilogue.key()}"

    def words(self) -> tuple[list[int], list[tuple[int, Node, int]], int]:
        g = self.gradient
        assert g.partials is not None
        words = [0, g.parts, g.taps, g.patches.channels]
        more, extra = self.epilogue.words()
        return words + more[len(words) :], [(0, g.partials, 0), *extra], 1

    def show(self) -> str:
        return f"{self.label}: {self.gradient.parts} parts"

    def emit(self, symbol: str, vector_bits: int, functions: dict[str, Any]) -> str:
        """LLVM IR text of the kernel."""
        b = Emitter(symbol, PARAMETERS, vector_bits, math_functions=functions)
        self.epilogue.begin(b)
        dtype, lanes = self.gradient.dtype, vector_bits // self.gradient.dtype.bits
        w = b.arguments(_COMBINE_WORDS, ("partials",))
        part = b.mul(w["taps"], w["channels"])
        even = b.and_(w["channels"], b.index(-lanes))
        with b.loop(0, w["taps"]) as tap:
            line = b.offset(w["partials"], b.mul(tap.index, w["channels"]), dtype)

            def channels(first: Value, mask: Value | None, line: Value = line, row: Value = tap.index) -> None:
                at = b.offset(line, first, dtype)
                with b.loop(1, w["parts"], 1, [b.load(at, dtype, lanes, mask)]) as turn:
                    other = b.load(b.offset(at, b.mul(turn.index, part), dtype), dtype, lanes, mask)
                    turn.next([b.add(turn.carried[0], other)])
                self.epilogue(b, turn.results[0], b.index(0), row, first, mask)

            with b.loop(0, even, lanes) as most:
                channels(most.index, None)
            with b.when(b.less(even, w["channels"])):
                channels(even, b.lane_mask(b.sub(w["channels"], even), lanes))
        return b.text()


__all__ = ["DepthwiseCombineKernel", "DepthwiseKernel"]
