"""Copies that turn an axis: squares of registers are read along one axis and written along the other.

A plain loop would gather or scatter every element. What is copied may have more axes; two of them matter.
"""

from __future__ import annotations

import math
from typing import Any

from saltus.backend.cpu.emit import Emitter, Value
from saltus.backend.cpu.gemm_tiles import transpose
from saltus.backend.cpu.lower import PARAMETERS
from saltus.base import dtypes as dt
from saltus.ir.node import Node
from saltus.schedule.loops import LoopKernel

_WORDS = ("source", "target", "along", "across", "read_step", "write_step", "block", "blocks")
_CHUNK_ELEMENTS = 32768
_LEAST = 8  # elements of either axis


class TransposeKernel:
    """target[..., p, q] = source[..., q, p], with q contiguous in the target and p in the source.

    Attributes:
        along, across: lengths of p and q.
        outer: (length, source stride, target stride) of the other axes.
    """

    scratch = 0
    flops = 0

    def __init__(self, kernel: LoopKernel, axis: int) -> None:
        (load,), (write,) = kernel.items, kernel.writes
        self.source, self.target = kernel.accesses[load.access], kernel.accesses[write.access]
        self.label, self.why, self.nbytes = kernel.label, kernel.why, kernel.nbytes
        self.dtype = self.source.dtype
        strip = kernel.rows
        self.along, self.across = kernel.extents[axis], kernel.extents[strip]
        self.steps = (self.source.strides[strip], self.target.strides[axis])
        self.outer = [(kernel.extents[k], self.source.strides[k], self.target.strides[k]) for k in range(kernel.rows) if k != axis]
        self.block = max(64, -(-_CHUNK_ELEMENTS // max(self.across, 1)) // 64 * 64)
        self.blocks = -(-self.along // self.block)

    @staticmethod
    def of(kernel: LoopKernel) -> TransposeKernel | None:
        """The kernel that does what a loop kernel does, if that is a turn."""
        if len(kernel.items) != 1 or len(kernel.writes) != 1 or kernel.items[0].kind != "load" or kernel.inner or not kernel.strip:
            return None
        source, target = kernel.accesses[kernel.items[0].access], kernel.accesses[kernel.writes[0].access]
        strip = kernel.rows
        if source.index is not None or source.dtype is not target.dtype or source.dtype not in (dt.float32, dt.float64):
            return None
        if source.strides[strip] in (0, 1) or target.strides[strip] != 1 or kernel.extents[strip] < _LEAST:
            return None
        found = [k for k in range(kernel.rows) if source.strides[k] == 1 and target.strides[k] and kernel.extents[k] >= _LEAST]
        return TransposeKernel(kernel, found[-1]) if found else None

    def key(self) -> str:
        return f"transpose {self.dtype.name} {len(self.outer)}"

    def words(self) -> tuple[list[int], list[tuple[int, Node, int]], int]:
        words = [0, 0, self.along, self.across, *self.steps, self.block, self.blocks]
        for axis in self.outer:
            words += axis
        size = self.dtype.itemsize
        pointers = [(0, self.source.base, self.source.offset * size), (1, self.target.base, self.target.offset * size)]
        return words, pointers, math.prod(n for n, _, _ in self.outer) * self.blocks if self.across else 0

    def show(self) -> str:
        return f"{self.label}: turn of {self.along} x {self.across}, {math.prod(n for n, _, _ in self.outer)} times"

    def emit(self, symbol: str, vector_bits: int, functions: dict[str, Any]) -> str:
        """LLVM IR text of the kernel."""
        b = Emitter(symbol, PARAMETERS, vector_bits)
        dtype, lanes = self.dtype, vector_bits // self.dtype.bits
        w = b.arguments(_WORDS, ("source", "target"))
        number = b.parameters[1]
        first = b.mul(b.rem(number, w["blocks"]), w["block"])
        last = b.minimum(b.add(first, w["block"]), w["along"])
        number = b.div(number, w["blocks"])
        source, target = w["source"], w["target"]
        for k in reversed(range(len(self.outer))):
            length, read, write = (b.argument(len(_WORDS) + 3 * k + i, dt.int64) for i in range(3))
            place = b.rem(number, length)
            number = b.div(number, length)
            source, target = b.offset(source, b.mul(place, read), dtype), b.offset(target, b.mul(place, write), dtype)

        def square(p: Value, q: Value, whole: bool) -> list[Value]:
            mask = None if whole else b.lane_mask(b.sub(last, p), lanes)
            left = b.sub(w["across"], q)
            lines = [b.index(i) if whole else b.minimum(b.index(i), b.sub(left, b.index(1))) for i in range(lanes)]
            origin = b.offset(source, b.add(b.mul(q, w["read_step"]), p), dtype)
            rows = [b.load(b.offset(origin, b.mul(i, w["read_step"]), dtype), dtype, lanes, mask) for i in lines]
            goal = b.offset(target, b.add(b.mul(p, w["write_step"]), q), dtype)
            for i, value in enumerate(transpose(b, rows)):
                place = b.offset(goal, b.mul(b.index(i), w["write_step"]), dtype)
                if whole:
                    b.store(value, place, dtype)
                else:
                    exists = b.less(b.add(p, b.index(i)), last)
                    b.store(value, place, dtype, b.lane_mask(b.select(exists, left, b.index(0)), lanes))
            return []

        with b.loop(first, last, lanes) as row, b.loop(0, w["across"], lanes) as column:
            p, q = row.index, column.index
            step = b.index(lanes)
            fits = b.and_(b.less_equal(b.add(p, step), last), b.less_equal(b.add(q, step), w["across"]))
            b.either(fits, lambda: square(p, q, True), lambda: square(p, q, False))
        return b.text()


__all__ = ["TransposeKernel"]
