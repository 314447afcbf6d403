"""Small matrix products: one kernel written for its extents, strides and epilogue.

The general kernel (`gemm.py`) serves every shape with one code, and pays for it with tests, copies and a buffer between sums and epilogue,
which for matrices of a few dozen rows cost more than the multiplications. Here widths, strides and what is done with the sums are part of
the code; only rows and depth are words, so that another batch size compiles nothing.

A product of fewer columns than a register holds is computed turned, C' = B' A', where A lies so that this is possible. Where columns do not
fill registers and all arrays of the epilogue lie like the result, finished sums go to a buffer that the epilogue walks as one line.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from saltus.backend.cpu.emit import Emitter, Value
from saltus.backend.cpu.gemm_tiles import transpose
from saltus.backend.cpu.lower import PARAMETERS, Environment, ItemEmitter, compute_type
from saltus.base import dtypes as dt
from saltus.base.dtypes import DType
from saltus.ir.node import Node
from saltus.schedule.loops import Access, Item, LoopKernel, Write, constant_word, is_literal

LARGEST = 64 * 64 * 64  # multiplications of a product that counts as small
WIDEST = 128  # rows and columns of it
NARROW = 32  # columns or depth below which the general kernel leaves registers empty or ends before it has begun
LARGEST_NARROW, WIDEST_NARROW = 4 * LARGEST, 1024  # on one core as fast as that one on two
_LONG = 256  # depth from which a few results are better computed as dot products
_SUMS = {512: 24, 256: 12, 128: 16}  # registers of sums that leave enough for factors
_UNROLL = 4  # steps of depth in one turn
_ROWS, _TILES, _DEPTH, _REST, _FIRST = range(5)  # words: rows, whole tiles of them, turns of depth, steps after them; pointers follow


@dataclass(frozen=True)
class _Shape:
    """What of a product is part of its code.

    Attributes:
        m, k: rows and depth where they are part of the code, else -1.
        n: columns.
        rows, vectors: of a tile.
        a, b: strides of A (row, step) and of B (step, column).
        flat: the epilogue walks the result as one line.
        turned: rows and columns have changed places.
    """

    dtype: DType
    m: int
    n: int
    k: int
    rows: int
    vectors: int
    a: tuple[int, int]
    b: tuple[int, int]
    flat: bool
    turned: bool


def suits(count: int, m: int, n: int, k: int, accesses: Sequence[Access], items: Sequence[Item]) -> bool:
    """Whether a product is written for its extents: small, one matrix, and an epilogue over rows and columns."""
    narrow = min(n, k) < NARROW and m >= 8
    largest, widest = (LARGEST_NARROW, WIDEST_NARROW) if narrow else (LARGEST, WIDEST)
    if count != 1 or m * n * k > largest or max(m, n) > widest or k < 1 or (k > _LONG and m * n < _LONG):
        return False
    plain = all(len(a.strides) == 3 and a.index is None for a in accesses)
    return plain and all(i.kind in ("acc", "load", "const", "op") or (i.kind == "ramp" and len(i.strides) == 3) for i in items)


class SmallKernel(ItemEmitter):
    """The kernel of one small product."""

    def __init__(self, extents: tuple[int, int, int], dtype: DType, a: tuple[Node, int], b: tuple[Node, int],
                 a_strides: Sequence[int], b_strides: Sequence[int], accesses: list[Access], items: list[Item],
                 writes: list[Write], vector_bits: int, label: str, why: str) -> None:  # fmt: skip
        super().__init__(None, items)  # type: ignore[arg-type]
        m, n, k = extents
        self.label, self.why, self.accesses, self.writes = label, why, accesses, writes
        self.flops = 2 * m * n * k
        self.nbytes = dtype.itemsize * (m * k + k * n + m * n)
        lanes = vector_bits // dtype.bits
        while lanes * dtype.bits > 128 and lanes >= 2 * n and not (a_strides[-2] == 1 and m >= lanes):
            lanes //= 2  # narrow registers for few columns: cheaper, and more of them an instant
        self.lanes = lanes
        a_at, b_at = (a_strides[-2], a_strides[-1]), (b_strides[-2], b_strides[-1])
        dense = all(x.strides[1:] in ((0, 0), (n if m > 1 else x.strides[1], 1), (1, 0) if n == 1 else (0, 0)) for x in accesses)
        dense = dense and not any(i.kind == "ramp" for i in items)
        flat = dense and n % lanes != 0
        turned = flat and n < lanes <= m and a_at[0] == 1
        self.factors = (b, a) if turned else (a, b)
        if turned:
            m, n, a_at, b_at = n, m, (b_at[1], b_at[0]), (a_at[1], a_at[0])
        self.m, self.n, self.k, self.packs = m, n, k, b_at[1] != 1 and n > 1
        rows, vectors = _tile(m, -(-n // lanes), _SUMS[vector_bits], turned)
        self.shape = _Shape(dtype, m if turned else -1, n, k if self.packs else -1, rows, vectors, a_at, b_at, flat, turned)
        self.width = -(-n // lanes) * lanes
        buffered = (m * n + self.width) * (flat + turned)
        self.scratch = dtype.itemsize * (self.width * k * self.packs + buffered + 16)
        at = _FIRST + 2
        self.pointers = list(range(at, at + len(accesses)))
        at += len(accesses)
        self.constants = {}
        for number, item in enumerate(items):
            if item.kind == "const" and not is_literal(item):
                self.constants[number], at = at, at + 1
        self.count = at

    # --- as a kernel of a plan ----------------------------------------------------------------------------------
    def key(self) -> str:
        lie = ",".join(f"{a.dtype.name}{a.strides[1:]}" for a in self.accesses)
        ramps = [(i.strides, i.offset) for i in self.items if i.kind == "ramp"]
        return f"small {self.shape} {lie} {ramps} {LoopKernel((), 0, False, [], self.items, self.writes, [], 32).key()}"

    def words(self) -> tuple[list[int], list[tuple[int, Node, int]], int]:
        words = [0] * self.count
        words[_ROWS], words[_TILES] = self.m, self.m // self.shape.rows
        words[_DEPTH], words[_REST] = divmod(self.k, _UNROLL)
        for number, slot in self.constants.items():
            words[slot] = constant_word(self.items[number])
        pointers = [(_FIRST + k, *factor) for k, factor in enumerate(self.factors)]
        pointers += [(slot, a.base, a.offset * a.dtype.itemsize) for slot, a in zip(self.pointers, self.accesses, strict=True)]
        return words, pointers, 1

    def show(self) -> str:
        return f"{self.label}: {self.shape}"

    # --- code ---------------------------------------------------------------------------------------------------
    def emit(self, symbol: str, vector_bits: int, math_functions: dict[str, Any]) -> str:
        """LLVM IR text of `void symbol(ptr args, i64 chunk, ptr scratch)`."""
        b = self.b = Emitter(symbol, PARAMETERS, vector_bits, math_functions=math_functions)
        s, dtype = self.shape, self.shape.dtype
        self.kernel, self.at = Environment(None), (0, 0)
        self.kernel.indices = {1: b.index(0), 2: b.index(0)}
        for number, item in enumerate(self.items):  # what is the same everywhere, before the loops
            if item.level == 0 and item.kind in ("load", "op", "const"):
                self.get(number, self.kernel)
        wide = [w.item for w in self.writes] + [a for i in self.items if i.level >= 2 for a in i.args]
        env = Environment(self.kernel, self.lanes)
        for number in sorted({n for n in wide if self.items[n].level == 0 and self.items[n].kind != "ramp"}):
            self.wide(number, env)
        self.splats = env.splats
        first, second, free = b.argument(_FIRST), b.argument(_FIRST + 1), b.parameters[2]
        self.line = s.b[0]
        if self.packs:
            self._pack(second, free)
            second, self.line, free = free, self.width, b.offset(free, self.width * self.k, dtype)
        self.buffer = free
        whole, step = s.n // self.lanes // s.vectors, s.vectors * self.lanes
        panels = [(0, whole, s.vectors, False)] if whole else []
        at = whole * step
        if left := (s.n - at) // self.lanes:
            panels.append((at, 1, left, False))
            at += left * self.lanes
        if at < s.n:  # first, since in the buffer of a flat epilogue it spills into columns of the next row
            panels.insert(0, (at, 1, 1, True))
        tiles = b.argument(_TILES, dt.int64) if s.m < 0 else b.index(s.m // s.rows)
        rest = b.mul(tiles, b.index(s.rows))
        for begin, turns, vectors, partial in panels:
            with b.loop(0, turns) as panel:
                column = b.opaque(b.add(b.mul(panel.index, b.index(step)), b.index(begin)))
                columns = b.offset(second, column if self.line == self.width or s.b[1] == 1 else b.mul(column, b.index(s.b[1])), dtype)
                with b.loop(0, tiles) as tile:
                    self._tile(b.mul(tile.index, b.index(s.rows)), column, s.rows, vectors, partial, first, columns)
                if s.m < 0:
                    with b.loop(rest, b.argument(_ROWS, dt.int64)) as row:
                        self._tile(row.index, column, 1, vectors, partial, first, columns)
                elif s.m % s.rows:
                    self._tile(rest, column, s.m % s.rows, vectors, partial, first, columns)
        if s.flat:
            self._flat()
        return b.text()

    def _pack(self, source: Value, target: Value) -> None:
        """Lines of B that lie along depth, turned to lines along columns: squares in registers, what is left one by one."""
        b, s, dtype, lanes = self.b, self.shape, self.shape.dtype, self.lanes
        deep, wide = self.k // lanes * lanes, s.n // lanes * lanes
        if s.b[0] != 1:
            deep = wide = 0
        if deep and wide:
            with b.loop(0, wide, lanes) as column, b.loop(0, deep, lanes) as depth:
                origin = b.opaque(b.offset(b.offset(source, b.mul(column.index, b.index(s.b[1])), dtype), depth.index, dtype))
                square = [b.load(b.offset(origin, c * s.b[1], dtype), dtype, lanes) for c in range(lanes)]
                goal = b.opaque(b.offset(b.offset(target, b.mul(depth.index, b.index(self.width)), dtype), column.index, dtype))
                for r, line in enumerate(transpose(b, square)):
                    b.store(line, b.offset(goal, r * self.width, dtype), dtype)
        for start, stop, begin in ((0, wide, deep), (wide, s.n, 0)):
            if start == stop or begin == self.k:
                continue
            with b.loop(start, stop) as column:
                origin = b.opaque(b.offset(source, b.mul(column.index, b.index(s.b[1])), dtype))
                goal = b.opaque(b.offset(target, column.index, dtype))
                if self.k - begin <= 8:
                    values = [b.load(b.offset(origin, d * s.b[0], dtype), dtype) for d in range(begin, self.k)]
                    for d, value in enumerate(values, begin):
                        b.store(value, b.offset(goal, d * self.width, dtype), dtype)
                    continue
                with b.loop(begin, self.k) as depth:
                    value = b.load(b.offset(origin, b.mul(depth.index, b.index(s.b[0])), dtype), dtype)
                    b.store(value, b.offset(goal, b.mul(depth.index, b.index(self.width)), dtype), dtype)

    def _tile(self, row: Value, column: Value, rows: int, vectors: int, partial: bool, first: Value, columns: Value) -> None:
        b, s, dtype, lanes = self.b, self.shape, self.shape.dtype, self.lanes
        mask = b.vector([c < s.n % lanes for c in range(lanes)], dt.bool_) if partial else None
        a = b.opaque(b.offset(first, b.mul(row, b.index(s.a[0])), dtype))
        sums = self._multiply(rows, vectors, None if self.packs else mask, a, columns)
        if s.flat:
            goal = b.opaque(b.offset(b.offset(self.buffer, b.mul(row, b.index(s.n)), dtype), column, dtype))
            for r in range(rows):
                for v in range(vectors):  # a partial register spills into the next row, which is written after it
                    b.store(sums[r * vectors + v], b.offset(goal, r * s.n + v * lanes, dtype), dtype)
            return
        place = Environment(self.kernel)
        for number, access in enumerate(self.accesses):
            _, over_row, over_column = access.strides
            shift = b.add(b.mul(row, b.index(over_row)), b.mul(column, b.index(over_column)))
            place.pointers[number] = b.opaque(b.offset(b.argument(self.pointers[number]), shift, access.dtype))
        for r in range(rows):
            line = Environment(place)
            line.indices = {1: b.add(row, b.index(r)), 2: column}
            for v in range(vectors):
                self._finish(sums[r * vectors + v], Environment(line, lanes, mask), r, v * lanes)

    def _multiply(self, rows: int, vectors: int, mask: Value | None, a: Value, columns: Value) -> list[Value]:
        """Sums over depth of a tile."""
        b, s, dtype, lanes = self.b, self.shape, self.shape.dtype, self.lanes
        sums = [b.const(0.0, dtype, lanes)] * (rows * vectors)

        def step(a: Value, line: Value, sums: list[Value], d: int) -> list[Value]:
            def factor(r: int) -> Value:
                return b.splat(b.load(b.offset(a, r * s.a[0] + d * s.a[1], dtype), dtype), lanes)

            def register(v: int) -> Value:
                return b.load(b.offset(line, d * self.line + v * lanes, dtype), dtype, lanes, mask)

            made = list(sums)
            if rows < vectors:
                factors = [factor(r) for r in range(rows)]
                for v in range(vectors):
                    y = register(v)
                    for r, x in enumerate(factors):
                        made[r * vectors + v] = b.fma(x, y, made[r * vectors + v])
                return made
            registers = [register(v) for v in range(vectors)]
            for r in range(rows):
                x = factor(r)
                for v, y in enumerate(registers):
                    made[r * vectors + v] = b.fma(x, y, made[r * vectors + v])
            return made

        if 0 < s.k <= _UNROLL:
            for d in range(s.k):
                sums = step(a, columns, sums, d)
            return sums
        steps = [b.index(x) for x in divmod(s.k, _UNROLL)] if s.k > 0 else [b.argument(x, dt.int64) for x in (_DEPTH, _REST)]
        carried = [*sums, a, columns]
        for turns, together in zip(steps, (_UNROLL, 1), strict=True):
            if turns.ref == "0":
                continue
            with b.loop(0, turns, 1, carried) as loop:
                here, line = b.opaque(loop.carried[-2]), b.opaque(loop.carried[-1])
                made = list(loop.carried[:-2])
                for d in range(together):
                    made = step(here, line, made, d)
                loop.next([*made, b.offset(here, together * s.a[1], dtype), b.offset(line, together * self.line, dtype)])
            carried = loop.results
        return carried[:-2]

    # --- the epilogue -------------------------------------------------------------------------------------------
    def _flat(self) -> None:
        """The epilogue over the buffer as one line."""
        b, s, dtype, lanes = self.b, self.shape, self.shape.dtype, self.lanes
        source = self.buffer
        total = b.index(s.m * s.n) if s.turned else b.mul(b.argument(_ROWS, dt.int64), b.index(s.n))
        if s.turned:
            source = b.offset(self.buffer, s.m * s.n + self.width, dtype)
            with b.loop(0, s.n) as column:
                origin = b.opaque(b.offset(self.buffer, column.index, dtype))
                goal = b.opaque(b.offset(source, b.mul(column.index, b.index(s.m)), dtype))
                for r in range(s.m):
                    b.store(b.load(b.offset(origin, r * s.n, dtype), dtype), b.offset(goal, r, dtype), dtype)

        def run(index: Value, mask: Value | None) -> None:
            env = Environment(self.kernel, lanes, mask)
            for number, access in enumerate(self.accesses):
                pointer = b.argument(self.pointers[number])
                env.pointers[number] = b.offset(pointer, index, access.dtype) if access.strides[1:] != (0, 0) else pointer
            self._finish(b.load(b.offset(source, index, dtype), dtype, lanes, mask), env, 0, 0)

        even = b.and_(total, b.index(-lanes))
        with b.loop(0, even, lanes) as loop:
            run(b.opaque(loop.index), None)
        with b.when(b.less(even, total)):
            run(even, b.lane_mask(b.sub(total, even), lanes))

    def _finish(self, sums: Value, env: Environment, row: int, column: int) -> None:
        """The epilogue for one register."""
        b = self.b
        self.at, env.splats = (row, column), dict(self.splats)
        for number, item in enumerate(self.items):
            if item.kind == "acc":
                env.values[number] = sums
        values = [self.wide(w.item, env) for w in self.writes]  # all before the first store: it may go where one is read
        for w, value in zip(self.writes, values, strict=True):
            a, pointer = self.accesses[w.access], self._pointer(w.access, env)
            stride = 1 if self.shape.flat else a.strides[2]
            if stride == 1:
                b.store(value, pointer, a.dtype, env.mask)
            else:
                b.scatter(value, pointer, b.vector([stride * c for c in range(value.lanes)], dt.int64), a.dtype, env.mask)

    def _pointer(self, access: int, env: Environment) -> Value:
        """Where an access is at the register being finished."""
        b, a = self.b, self.accesses[access]
        pointer = env.find("pointers", access) or b.argument(self.pointers[access])
        return b.offset(pointer, self.at[0] * a.strides[1] + self.at[1] * a.strides[2], a.dtype)

    def constant_slot(self, number: int) -> int:
        return self.constants[number]

    def load(self, number: int, env: Environment, lanes: int) -> Value:
        b, a = self.b, self.accesses[self.items[number].access]
        if env is self.kernel:
            return b.load(b.argument(self.pointers[self.items[number].access]), a.dtype)
        pointer = self._pointer(self.items[number].access, env)
        stride = 1 if self.shape.flat and a.strides[1:] != (0, 0) else a.strides[2]
        if lanes == 1:
            return b.load(pointer, a.dtype)
        if stride == 0:
            return b.splat(b.load(pointer, a.dtype), lanes)
        if stride == 1:
            return b.load(pointer, a.dtype, lanes, env.mask)
        return b.gather(pointer, b.vector([stride * c for c in range(lanes)], dt.int64), a.dtype, env.mask)

    def ramp(self, number: int, env: Environment, lanes: int) -> Value:
        b, item = self.b, self.items[number]
        _, over_row, over_column = item.strides
        row, column = (b.add(env.indices[axis], b.index(shift)) for axis, shift in ((1, 0), (2, self.at[1])))
        value = b.add(b.add(b.index(item.offset), b.mul(row, b.index(over_row))), b.mul(column, b.index(over_column)))
        if lanes > 1:
            value = b.add(b.splat(value, lanes), b.vector([over_column * c for c in range(lanes)], dt.int64))
        return b.convert(value, compute_type(item.dtype))


def _tile(m: int, vectors: int, sums: int, turned: bool) -> tuple[int, int]:
    """Rows and registers of columns of a tile: eight sums hide the latency of additions, more need fewer loads."""
    if turned:
        rows = min(m, 4)
        return rows, min(vectors, sums // rows)
    rows = 8 if sums > 16 or vectors == 1 else 4
    while rows > m:
        rows //= 2
    return rows, min(vectors, max(2, 8 // rows))


__all__ = ["SmallKernel", "suits"]
