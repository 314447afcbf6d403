"""What a contraction does with finished sums: the operations fused behind it, from the sums in registers to the arrays it writes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from saltus.backend.cpu.emit import Emitter, Value
from saltus.backend.cpu.lower import Environment, ItemEmitter, compute_type
from saltus.base import dtypes as dt
from saltus.ir.node import Node
from saltus.schedule.loops import Access, LoopKernel, Write, constant_word, is_literal

_LIGHT_FLOPS, _LIGHT_ACCESSES = 8, 4  # of an epilogue that is written out for every register of a tile


class Epilogue(ItemEmitter):
    """Items over (batch, row, column) applied to finished sums while they are in registers.

    An access has three strides, or where the rows of a convolution or a batch of matrices are several axes that are not one run, one for
    each of them.
    """

    def __init__(self, accesses: list[Access], items: list[Any], writes: list[Write], first_slot: int, axes: tuple[int, ...],
                 batched: bool) -> None:  # fmt: skip
        """`axes` are those of the batch, or of the rows."""
        super().__init__(None, items)  # type: ignore[arg-type]
        self.accesses, self.writes, self.axes = accesses, writes, axes
        self.split = 0 if batched else 1  # which of batch and rows is several axes
        self.digits: tuple[str, list[Value]] = ("", [])
        self.everywhere: Environment | None = None
        self.slots: list[tuple[int, dict[int, int]]] = []
        at = first_slot
        for a in accesses:
            pointer, at = at, at + 1
            strides = {}
            for axis, s in enumerate(a.strides):
                if s and not (axis == len(a.strides) - 1 and s == 1):
                    strides[axis], at = at, at + 1
            self.slots.append((pointer, strides))
        self.extents = range(at, at + (len(axes) if any(len(a.strides) > 3 for a in accesses) else 0))
        at += len(self.extents)
        self.constants = {}
        self.ramps: dict[int, dict[int, int]] = {}  # item -> slots of its strides, and at -1 of its offset
        for number, item in enumerate(items):
            if item.kind == "const" and not is_literal(item):
                self.constants[number], at = at, at + 1
            elif item.kind == "ramp":
                axes = [-1, *[axis for axis, stride in enumerate(item.strides) if stride]]
                self.ramps[number] = {axis: at + k for k, axis in enumerate(axes)}
                at += len(axes)
        self.count = at

    def constant_slot(self, number: int) -> int:
        return self.constants[number]

    def key(self) -> str:
        kinds = [
            a.dtype.name + "".join("0" if s == 0 else "1" if s == 1 and k == len(a.strides) - 1 else "s" for k, s in enumerate(a.strides))
            for a in self.accesses
        ]
        shell = LoopKernel((), 0, False, [], self.items, self.writes, [], 32)
        return ",".join(kinds) + (" batched " if self.split == 0 and self.extents else "") + shell.key()

    def words(self) -> tuple[list[int], list[tuple[int, Node, int]]]:
        """Argument words from the first free slot on, with pointers as (slot, buffer, byte offset)."""
        words = [0] * self.count
        pointers = []
        for a, (pointer, strides) in zip(self.accesses, self.slots, strict=True):
            pointers.append((pointer, a.base, a.offset * a.dtype.itemsize))
            for axis, slot in strides.items():
                words[slot] = a.strides[axis]
        for slot, extent in zip(self.extents, self.axes, strict=False):
            words[slot] = extent
        for number, slot in self.constants.items():
            words[slot] = constant_word(self.items[number])
        for number, slots in self.ramps.items():
            item = self.items[number]
            for axis, slot in slots.items():
                words[slot] = item.offset if axis == -1 else item.strides[axis]
        return words, pointers

    def begin(self, b: Emitter) -> None:
        """Compute what is the same everywhere (an optimizer's step size), before any loop."""
        self.b = b
        self.everywhere = Environment(None, 1, None)
        for number, item in enumerate(self.items):
            if item.level == 0 and item.kind in ("load", "op", "const"):
                self.get(number, self.everywhere)

    def __call__(self, b: Emitter, acc: Value, batch: Value, row: Value, column: Value, mask: Value | None) -> None:
        self.b = b
        env = Environment(self.everywhere, acc.lanes, mask)
        env.indices = {0: batch, 1: row, 2: column}
        for number, item in enumerate(self.items):
            if item.kind == "acc":
                env.values[number] = acc
        values = [self.wide(w.item, env) for w in self.writes]  # all before the first store: it may go where one is read
        for w, value in zip(self.writes, values, strict=True):
            a = self.accesses[w.access]
            pointer = self._pointer(w.access, env)
            if a.strides[-1] == 1 or value.lanes == 1:
                b.store(value, pointer, a.dtype, mask)
            else:
                stride = (
                    b.splat(b.argument(self.slots[w.access][1][len(a.strides) - 1], dt.int64), value.lanes)
                    if a.strides[-1]
                    else b.const(0, dt.int64, value.lanes)
                )
                b.scatter(value, pointer, b.mul(b.iota(value.lanes), stride), a.dtype, mask)

    def ahead(self, b: Emitter, batch: Value, row: Value, column: Value) -> None:
        """Ask for the lines that the epilogue of these sums will read and write."""
        self.b = b
        env = Environment(None, 1, None)
        env.indices = {0: batch, 1: row, 2: column}
        for number, a in enumerate(self.accesses):
            if (len(a.strides) == 3 or self.split == 0) and a.strides[-1] == 1 and a.strides[-2]:
                b.prefetch(self._pointer(number, env), 2)  # into the second cache: the first is full of what the tile reads meanwhile

    def _pointer(self, access: int, env: Environment) -> Value:
        known = env.pointers.get(access)
        if known is not None:
            return known
        b, a = self.b, self.accesses[access]
        slot, strides = self.slots[access]
        if not any(a.strides):
            return b.argument(slot)
        shift: Value | None = None
        indices = [env.indices[0], env.indices[1], env.indices[2]]
        if len(a.strides) > 3:
            indices[self.split : self.split + 1] = self._digits(env.indices[self.split])
        for axis, index in enumerate(indices):
            if a.strides[axis] == 0:
                continue
            step = b.mul(index, b.argument(strides[axis], dt.int64)) if axis in strides else index
            shift = step if shift is None else b.add(shift, step)
        pointer = b.argument(slot)
        env.pointers[access] = b.offset(pointer, shift, a.dtype) if shift is not None else pointer
        return env.pointers[access]

    def matrix(self, b: Emitter, batch: Value) -> None:
        """Prepare for a matrix of the batch: its indices are worked out once."""
        self.b = b
        if self.split == 0 and self.extents:
            self._digits(batch)

    def _digits(self, number: Value) -> list[Value]:
        """A row or a matrix of the batch as indices of its axes."""
        b, ref = self.b, number.ref
        if self.digits[0] != ref:  # the registers of one row ask one after another
            found = []
            for slot in reversed(self.extents[1:]):
                extent = b.argument(slot, dt.int64)
                found.append(b.rem(number, extent))
                number = b.div(number, extent)
            self.digits = (ref, [number, *reversed(found)])
        return self.digits[1]

    def load(self, number: int, env: Environment, lanes: int) -> Value:
        b, item = self.b, self.items[number]
        a = self.accesses[item.access]
        pointer = self._pointer(item.access, env)
        if lanes == 1 or a.strides[-1] == 0:
            return b.load(pointer, a.dtype)
        if a.strides[-1] == 1:
            return b.load(pointer, a.dtype, lanes, env.mask)
        stride = b.argument(self.slots[item.access][1][len(a.strides) - 1], dt.int64)
        return b.gather(pointer, b.mul(b.iota(lanes), b.splat(stride, lanes)), a.dtype, env.mask)

    def ramp(self, number: int, env: Environment, lanes: int) -> Value:
        b, slots = self.b, self.ramps[number]
        value = b.argument(slots[-1], dt.int64)
        for axis, slot in slots.items():
            if axis >= 0:
                value = b.add(value, b.mul(env.indices[axis], b.argument(slot, dt.int64)))
        value = b.splat(value, lanes)
        if 2 in slots and lanes > 1:
            value = b.add(value, b.mul(b.iota(lanes), b.splat(b.argument(slots[2], dt.int64), lanes)))
        return b.convert(value, compute_type(self.items[number].dtype))

    # --- whole tiles --------------------------------------------------------------------------------------------
    @property
    def light(self) -> bool:
        """Whether it is worth writing out once for each register of a tile: short, and every access runs along the columns."""
        simple = all(a.strides[-1] in (0, 1) and a.index is None and (len(a.strides) == 3 or self.split == 0) for a in self.accesses)
        simple = simple and all(self.accesses[w.access].strides[-1] == 1 for w in self.writes)
        work = sum(i.node.op.flops for i in self.items if i.kind == "op" and i.level and i.node is not None)
        return simple and not self.ramps and work <= _LIGHT_FLOPS and len(self.accesses) <= _LIGHT_ACCESSES

    def tile(self, b: Emitter, sums: Sequence[Value], rows: int, batch: Value, row: Value, column: Value) -> None:
        """The epilogue of a whole tile straight from its registers; `sums` row by row."""
        self.b = b
        vectors, lanes = len(sums) // rows, sums[0].lanes
        corner = Environment(self.everywhere, lanes, None)
        corner.indices = {0: batch, 1: row, 2: column}
        pointers = {number: b.opaque(self._pointer(number, corner)) for number, a in enumerate(self.accesses) if any(a.strides)}
        columns = [Environment(self.everywhere, lanes, None) for _ in range(vectors)]  # what all rows have in common
        for r in range(rows):
            for v in range(vectors):
                env = Environment(columns[v], lanes, None)
                for number, pointer in pointers.items():
                    a = self.accesses[number]
                    place = b.offset(pointer, v * lanes, a.dtype) if a.strides[-1] else pointer
                    (env if a.strides[-2] else columns[v]).pointers[number] = place
                if r == 0:
                    for number, item in enumerate(self.items):
                        if item.kind == "load" and item.level >= 2 and not self.accesses[item.access].strides[-2]:
                            self.get(number, columns[v])
                for number, item in enumerate(self.items):
                    if item.kind == "acc":
                        env.values[number] = sums[r * vectors + v]
                values = [self.wide(w.item, env) for w in self.writes]
                for w, value in zip(self.writes, values, strict=True):
                    b.store(value, env.find("pointers", w.access), self.accesses[w.access].dtype)
            for number in pointers:
                stride = self.slots[number][1].get(len(self.accesses[number].strides) - 2)
                if stride is not None and r + 1 < rows:
                    step = b.argument(stride, dt.int64)
                    pointers[number] = b.opaque(b.offset(pointers[number], step, self.accesses[number].dtype))


__all__ = ["Epilogue"]
