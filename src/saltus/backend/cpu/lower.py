"""Loops to LLVM IR: writes the kernel of a `LoopKernel`.

`void k(ptr args, i64 chunk, ptr scratch)`: a chunk is a range of rows and a range of the parallel vector axis. Values are emitted at
their level, once; vectors run along one axis with a masked last step, sums keep several accumulators that are combined in a
fixed order.
"""

from __future__ import annotations

from typing import Any

from saltus.backend.cpu.emit import Emitter, Value
from saltus.base import dtypes as dt
from saltus.base.dtypes import DType
from saltus.base.errors import EngineError
from saltus.ir.node import constant_value
from saltus.schedule.loops import Item, LoopKernel, Write, is_literal

_ABREAST, _LIGHT_COLUMN = 4, 12  # registers of a strip side by side, and the operations an element up to which they are
PARAMETERS = [("args", "ptr"), ("chunk", "i64"), ("scratch", "ptr")]


def compute_type(dtype: DType) -> DType:
    """The type a value is held in: half floats are computed as float32."""
    return dt.float32 if dtype in (dt.float16, dt.bfloat16) else dtype


class Environment:
    """Values known at a place in the nest, with those of the enclosing places; splats are made once a place."""

    def __init__(self, parent: Environment | None, lanes: int = 1, mask: Value | None = None) -> None:
        self.parent, self.lanes, self.mask = parent, lanes, mask
        self.values: dict[int, Value] = {}
        self.splats: dict[int, Value] = {}
        self.pointers: dict[int, Value] = {}
        self.ramps: dict[int, Value] = {}
        self.indices: dict[int, Value] = parent.indices.copy() if parent else {}

    def find(self, table: str, key: int) -> Value | None:
        place: Environment | None = self
        while place is not None:
            found: Value | None = getattr(place, table).get(key)
            if found is not None:
                return found
            place = place.parent
        return None


class ItemEmitter:
    """Emits items of a kernel's value list; shared by loop kernels and the epilogues of contractions."""

    def __init__(self, b: Emitter, items: list[Item]) -> None:
        self.b, self.items = b, items

    def load(self, number: int, env: Environment, lanes: int) -> Value:
        raise NotImplementedError

    def ramp(self, number: int, env: Environment, lanes: int) -> Value:
        raise NotImplementedError

    def constant(self, number: int) -> Value:
        """A constant: part of the code, or an argument."""
        item = self.items[number]
        if is_literal(item):
            assert item.node is not None
            return self.b.const(constant_value(item.node), compute_type(item.dtype))
        return self.b.argument(self.constant_slot(number), compute_type(item.dtype))

    def constant_slot(self, number: int) -> int:
        raise NotImplementedError

    def get(self, number: int, env: Environment) -> Value:
        """The value of an item here: found, splat or computed."""
        item = self.items[number]
        lanes = env.lanes if item.level >= 2 else 1
        found = env.find("values", number)
        if found is None:
            found = self._compute(number, item, env, lanes)
            env.values[number] = found
        return found

    def wide(self, number: int, env: Environment) -> Value:
        """The value in as many lanes as this place has."""
        value = self.get(number, env)
        if value.lanes == env.lanes:
            return value
        known = env.splats.get(number)
        if known is None:
            known = env.splats[number] = self.b.splat(value, env.lanes)
        return known

    def _compute(self, number: int, item: Item, env: Environment, lanes: int) -> Value:
        b = self.b
        if item.kind == "const":
            return self.constant(number)
        if item.kind == "load":
            return self.load(number, env, lanes)
        if item.kind == "ramp":
            return self.ramp(number, env, lanes)
        if item.kind == "op":
            assert item.node is not None
            take = self.wide if lanes > 1 else self.get
            args = [take(a, env) for a in item.args]
            value: Value = item.node.op.cpu(b, *args, **item.node.kwargs)
            return value
        raise EngineError(f"kernel emission: {item.kind} {number} is not known here")


class LoopLowering(ItemEmitter):
    """Writes one loop kernel."""

    def __init__(self, kernel: LoopKernel, symbol: str, vector_bits: int, math_functions: dict[str, Any]) -> None:
        super().__init__(Emitter(symbol, PARAMETERS, vector_bits, math_functions=math_functions), kernel.items)
        self.k = kernel
        self.lanes = max(1, vector_bits // kernel.lanes_bits)
        self.extent_slots, self.access_slots, self.ramp_slots, _ = kernel.slots()
        self.uses = self._uses()
        self.stage = 0  # the pass being written
        heavy = sum(i.node.op.flops for i in kernel.items if i.kind == "op" and i.node is not None and i.level == 3)
        self.abreast = self._abreast(heavy)
        self.unroll = 1 if not kernel.folds or kernel.strip else 4 if heavy <= 12 else 2 if heavy <= 60 else 1

    def _abreast(self, heavy: int) -> int:
        """Registers of a strip that walk down the reduced axis together, where there are few values of each."""
        k = self.k
        plain = all(a.index is None and (k.vector is None or k.stride_class(a, k.vector) in "01") for a in k.accesses)
        few = len(k.folds) <= 2 and heavy <= _LIGHT_COLUMN and max((i.stage for i in k.items), default=0) <= 1
        return _ABREAST if k.strip and k.folds and plain and few else 1

    def _uses(self) -> dict[int, set[int]]:
        """For each item, the levels at which it is used."""
        uses: dict[int, set[int]] = {}
        for i in self.items:
            for a in i.args:
                uses.setdefault(a, set()).add(3 if i.kind == "fold" else i.level)
        for w in self.k.writes:
            uses.setdefault(w.item, set()).add(-1)
        return uses

    def constant_slot(self, number: int) -> int:
        return self.ramp_slots[number][-1]

    def get(self, number: int, env: Environment) -> Value:
        """A kept value is computed and stored in its first pass, and read in later ones."""
        first = self.k.kept.get(number)
        if first is None or env.find("values", number) is not None:
            return super().get(number, env)
        b = self.b
        row = b.mul(b.argument(self.k.HEADER + len(self.k.extents) + 2, dt.int64), b.index(list(self.k.kept).index(number)))
        held = compute_type(self.items[number].dtype)
        at = env.indices[self.k.inner[0]]
        for axis in self.k.inner[1:]:
            at = b.add(b.mul(at, self._extent(axis)), env.indices[axis])
        place = b.offset(b.offset_bytes(b.parameters[2], row), at, held)
        if self.stage == first:
            value = super().get(number, env)
            b.store(value, place, held)  # the row has room for the lanes beyond its end
        else:
            value = env.values[number] = b.load(place, held, env.lanes)
        return value

    # --- addresses ----------------------------------------------------------------------------------------------
    def _extent(self, axis: int) -> Value:
        return self.b.argument(self.extent_slots[axis], dt.int64)

    def _stride(self, access: int, axis: int) -> Value | None:
        """The stride of an access along an axis: None for 0."""
        kind = self.k.stride_class(self.k.accesses[access], axis)
        if kind == "0":
            return None
        return self.b.index(1) if kind == "1" else self.b.argument(self.access_slots[access][1][axis], dt.int64)

    def _pointer(self, access: int, env: Environment, axes: list[int]) -> None:
        """Extend the pointer of an access by the axes fixed at this place."""
        b, dtype = self.b, self.k.accesses[access].dtype
        base = env.find("pointers", access) or b.argument(self.access_slots[access][0])
        moved = False
        for axis in axes:
            stride = self._stride(access, axis)
            if stride is not None:
                step = env.indices[axis] if stride.ref == "1" else b.mul(env.indices[axis], stride)
                base, moved = b.offset(base, step, dtype), True
        if moved:
            env.pointers[access] = base

    def _place(self, env: Environment, axes: list[int]) -> None:
        """Addresses and ramps after these axes got an index."""
        for a in range(len(self.k.accesses)):
            self._pointer(a, env, axes)
        for number, slots in enumerate(self.ramp_slots):
            if self.items[number].kind != "ramp":
                continue
            value = env.find("ramps", number) or self.b.argument(slots[-1], dt.int64)
            moved = False
            for axis in axes:
                if axis in slots:
                    value = self.b.add(value, self.b.mul(env.indices[axis], self.b.argument(slots[axis], dt.int64)))
                    moved = True
            if moved:
                env.ramps[number] = value

    def _at(self, access: int, env: Environment) -> Value:
        return env.find("pointers", access) or self.b.argument(self.access_slots[access][0])

    def load(self, number: int, env: Environment, lanes: int) -> Value:
        item, b = self.items[number], self.b
        a = self.k.accesses[item.access]
        pointer = self._at(item.access, env)
        kind = self.k.stride_class(a, self.k.vector) if self.k.vector is not None and lanes > 1 else "0"
        mask = env.mask
        if a.index is not None:
            return self._indirect(item, env, lanes, pointer, kind)
        if lanes == 1:
            return b.load(pointer, a.dtype)
        if kind == "0":  # varies along an outer reduced axis only
            return b.splat(b.load(pointer, a.dtype), lanes)
        if kind == "1":
            return b.load(pointer, a.dtype, lanes, mask)
        stride = self._stride(item.access, self.k.vector)  # type: ignore[arg-type]
        assert stride is not None
        return b.gather(pointer, b.mul(b.iota(lanes), b.splat(stride, lanes)), a.dtype, mask)

    def _indirect(self, item: Item, env: Environment, lanes: int, pointer: Value, kind: str) -> Value:
        """A load whose address depends on an index item, clamped into the array."""
        b, a = self.b, self.k.accesses[item.access]
        assert a.index is not None
        index = self.get(a.index, env)
        if index.dtype is dt.uint64:  # beyond the signed range an index is large, not negative
            index = b.minimum(index, b.const(2**63 - 1, dt.uint64, index.lanes))
        # a type that holds every value of the index while it is clamped, and one that holds every place
        assert index.dtype is not None
        small = a.narrow and (index.dtype.bits < 32 or index.dtype is dt.int32)
        clamped, placed = (dt.int32 if small else dt.int64), (dt.int32 if a.narrow else dt.int64)
        index, n = b.convert(index, clamped), index.lanes
        slots = self.access_slots[item.access][1]
        last = b.convert(b.sub(b.argument(slots[-2], dt.int64), b.index(1)), clamped)
        shift = b.convert(b.maximum(b.minimum(index, b.splat(last, n)), b.const(0, clamped, n)), placed)
        if a.index_stride != 1:
            shift = b.mul(shift, b.splat(b.convert(b.argument(slots[-1], dt.int64), placed), n))
        if n == 1:
            pointer = b.offset(pointer, shift, a.dtype)
            if lanes == 1 or kind == "0":
                return b.splat(b.load(pointer, a.dtype), lanes)
            if kind == "1":
                return b.load(pointer, a.dtype, lanes, env.mask)
            shift = b.const(0, shift.dtype, lanes)
        if kind != "0":
            stride = self._stride(item.access, self.k.vector)  # type: ignore[arg-type]
            assert stride is not None
            shift = b.add(shift, b.convert(b.mul(b.iota(lanes), b.splat(stride, lanes)), placed))
        return b.gather(pointer, shift, a.dtype, env.mask)

    def ramp(self, number: int, env: Environment, lanes: int) -> Value:
        b, item = self.b, self.items[number]
        slots = self.ramp_slots[number]
        value = env.find("ramps", number) or b.argument(slots[-1], dt.int64)
        kind = compute_type(item.dtype)
        held = kind if kind.kind in "iu" and kind.bits == 32 else dt.int64  # wraps as the wide one does when it is cut
        value = b.convert(value, held)
        if lanes > 1:
            value = b.splat(value, lanes)
            axis = self.k.vector
            if axis in slots:
                step = b.convert(b.argument(slots[axis], dt.int64), held)
                value = b.add(value, b.mul(b.iota(lanes, held), b.splat(step, lanes)))
        return b.convert(value, kind)

    def _store(self, item: int, access: int, env: Environment) -> None:
        b, a = self.b, self.k.accesses[access]
        level = self.items[item].level
        pointer = self._at(access, env)
        if env.lanes == 1:
            b.store(self.get(item, env), pointer, a.dtype)
            return
        value = self.wide(item, env) if level < 2 else self.get(item, env)
        axis = self.k.vector
        assert axis is not None
        kind = self.k.stride_class(a, axis)
        if kind == "1":
            b.store(value, pointer, a.dtype, env.mask)
        elif kind == "0":
            b.store(b.extract(value, 0), pointer, a.dtype)
        else:
            stride = self._stride(access, axis)
            assert stride is not None
            b.scatter(value, pointer, b.mul(b.iota(env.lanes), b.splat(stride, env.lanes)), a.dtype, env.mask)

    # --- the nest -----------------------------------------------------------------------------------------------
    def text(self) -> str:
        """LLVM IR of the kernel."""
        b, k = self.b, self.k
        kernel = Environment(None)
        kernel.indices = {}
        self._emit_level(0, 0, kernel)
        chunk = b.parameters[1]
        per, vec, vec_chunks, rows = (b.argument(s, dt.int64) for s in range(4))
        if k.strip:
            row_chunk, vec_chunk = b.div(chunk, vec_chunks), b.rem(chunk, vec_chunks)
        else:
            row_chunk, vec_chunk = chunk, b.index(0)
        if not k.rows:
            self._row(Environment(kernel), vec_chunk, vec)
            return b.text()
        first = b.mul(row_chunk, per)
        last = b.minimum(b.add(first, per), rows)
        with b.loop(first, last) as loop:
            env = Environment(kernel)
            rest = loop.index
            for axis in reversed(range(k.rows)):
                if axis == 0:
                    env.indices[0] = rest
                else:
                    n = self._extent(axis)
                    env.indices[axis], rest = b.rem(rest, n), b.div(rest, n)
            self._place(env, list(range(k.rows)))
            self._row(env, vec_chunk, vec)
        return b.text()

    def _emit_level(self, level: int, stage: int, env: Environment) -> None:
        """Values of this level and pass that deeper levels use, so that they are computed outside the inner loops."""
        for number, item in enumerate(self.items):
            here = item.level == level and item.stage == stage and item.kind not in ("fold", "const")
            if here and any(u > level for u in self.uses.get(number, ())):
                self.get(number, env)

    def _row(self, env: Environment, vec_chunk: Value, vec: Value) -> None:
        b, k = self.b, self.k
        self._emit_level(1, 0, env)
        if not k.strip:
            self._passes(env)
            return
        n = self._extent(k.rows)
        start = b.mul(vec_chunk, vec)
        stop = b.minimum(b.add(start, vec), n)
        whole = b.add(start, b.mul(b.div(b.sub(stop, start), b.index(self.lanes)), b.index(self.lanes)))
        if self.lanes > 1:
            if self.abreast > 1:  # a row is read in longer runs
                block = self.lanes * self.abreast
                wide = b.add(start, b.mul(b.div(b.sub(stop, start), b.index(block)), b.index(block)))
                with b.loop(start, wide, block) as loop:
                    self._strip(env, loop.index, block, None)
                start = wide
            with b.loop(start, whole, self.lanes) as loop:
                self._strip(env, loop.index, self.lanes, None)
            with b.when(b.less(whole, stop)):
                self._strip(env, whole, self.lanes, b.lane_mask(b.sub(stop, whole), self.lanes))
        else:
            with b.loop(start, stop) as loop:
                self._strip(env, loop.index, 1, None)

    def _strip(self, env: Environment, index: Value, lanes: int, mask: Value | None) -> None:
        inside = Environment(env, lanes, mask)
        inside.indices[self.k.rows] = index
        self._place(inside, [self.k.rows])
        if not self.k.inner:
            self._store_all(self.k.writes, inside)
            return
        self._emit_level(2, 0, inside)
        self._passes(inside)

    def _passes(self, env: Environment) -> None:
        """The reduced axes, as often as values depend on results of earlier passes."""
        k = self.k
        outer_level = 2 if k.strip else 1
        last = max((i.stage for i in self.items), default=0)
        if not k.inner:
            self._store_all(k.writes, env)
            return
        for stage in range(last + 1):
            self.stage = stage
            folds = [f for f in k.folds if self.items[f].stage == stage + 1]
            writes = [w for w in k.writes if self.items[w.item].stage == stage and self._is_inner(w.access)]
            if folds or writes:
                for f, value in zip(folds, self._pass(env, folds, writes), strict=True):
                    env.values[f] = value
            if stage < last:
                self._emit_level(outer_level, stage + 1, env)
        self._store_all([w for w in k.writes if not self._is_inner(w.access)], env)

    def _store_all(self, writes: list[Write], env: Environment) -> None:
        """Compute every value before the first store: a store may go where another value is read."""
        for w in writes:
            self.get(w.item, env)
        done: set[int] = set()
        for places in self.k.interleaved if env.lanes > 1 and env.mask is None else ():
            beside = [self.k.writes[n] for n in places]
            if all(w in writes for w in beside):
                self._store_beside(beside, env)
                done |= {id(w) for w in beside}
        for w in writes:
            if id(w) not in done:
                self._store(w.item, w.access, env)

    def _store_beside(self, writes: list[Write], env: Environment) -> None:
        """Vectors whose elements take turns in memory, by whole vectors."""
        b, n, lanes = self.b, len(writes), env.lanes
        values = [self.wide(w.item, env) for w in writes]
        pointer, dtype = self._at(writes[0].access, env), self.k.accesses[writes[0].access].dtype
        for part in range(n):
            turns = [divmod(part * lanes + lane, n) for lane in range(lanes)]  # element and vector of each lane
            made = values[0]
            for k in range(1, n):
                kept = [element if k == 1 else lane for lane, (element, _) in enumerate(turns)]
                made = b.shuffle(made, values[k], [lanes + e if turn == k else own for own, (e, turn) in zip(kept, turns, strict=True)])
            b.store(made, b.offset(pointer, part * lanes, dtype), dtype)

    def _is_inner(self, access: int) -> bool:
        """Whether a write happens at every inner point (all of its box), not once a row."""
        return any(self.k.accesses[access].strides[axis] for axis in self.k.inner)

    def _fold_type(self, item: Item) -> DType:
        return compute_type(item.dtype)

    def _pass(self, env: Environment, folds: list[int], writes: list[Write]) -> list[Value]:
        """One sweep over the reduced axes; returns the folded values (a scalar a row, or a vector a strip)."""
        b, k = self.b, self.k
        vector = not k.strip and self.lanes > 1
        lanes = self.lanes if vector else env.lanes
        start = [b.const(self._identity(f), self._fold_type(self.items[f]), lanes) for f in folds for _ in range(self.unroll)]
        results = self._sweep(env, list(k.inner), folds, writes, start)
        combined = []
        for n, f in enumerate(folds):
            combine = self._combine(f)
            accumulators = results[n * self.unroll : (n + 1) * self.unroll]
            while len(accumulators) > 1:
                accumulators = [combine(x, y) for x, y in zip(accumulators[::2], accumulators[1::2], strict=True)]
            combined.append(b.fold(accumulators[0], combine) if vector else accumulators[0])
        return combined

    def _identity(self, fold: int) -> float | int | bool:
        item = self.items[fold]
        assert item.node is not None
        return item.node.op.cpu[0](compute_type(item.dtype))  # type: ignore[no-any-return]

    def _combine(self, fold: int) -> Any:
        node = self.items[fold].node
        assert node is not None
        return lambda x, y: node.op.cpu[1](self.b, x, y)

    def _sweep(self, env: Environment, axes: list[int], folds: list[int], writes: list[Write], state: list[Value]) -> list[Value]:
        b, k = self.b, self.k
        axis, rest = axes[0], axes[1:]
        n = self._extent(axis)
        if k.ragged and axis == k.inner[0]:
            length = b.argument(k.HEADER + len(k.extents), dt.int64)
            total = b.argument(k.HEADER + len(k.extents) + 1, dt.int64)
            n = b.minimum(length, b.sub(total, b.mul(env.indices[0], length)))
        if rest or k.strip or self.lanes == 1:
            with b.loop(0, n, 1, state) as loop:
                inside = Environment(env, env.lanes, env.mask)
                inside.indices[axis] = loop.index
                self._place(inside, [axis])
                if rest:
                    loop.next(self._sweep(inside, rest, folds, writes, loop.carried))
                else:
                    loop.next(self._body(inside, folds, writes, loop.carried))
            return loop.results
        return self._vector_sweep(env, axis, n, folds, writes, state)

    def _vector_sweep(
        self, env: Environment, axis: int, n: Value, folds: list[int], writes: list[Write], state: list[Value]
    ) -> list[Value]:
        """The innermost reduced axis by vectors: several at a time, then single ones, the last one masked."""
        b, lanes, unroll = self.b, self.lanes, self.unroll

        def place(index: Value, mask: Value | None) -> Environment:
            inside = Environment(env, lanes, mask)
            inside.indices[axis] = index
            self._place(inside, [axis])
            return inside

        at: Value = b.index(0)
        if unroll > 1:
            block = lanes * unroll
            stop = b.mul(b.div(n, b.index(block)), b.index(block))
            with b.loop(0, stop, block, state) as loop:
                following = list(loop.carried)
                for u in range(unroll):
                    inside = place(b.add(loop.index, b.index(u * lanes)) if u else loop.index, None)
                    picked = [following[f * unroll + u] for f in range(len(folds))]
                    for f, value in enumerate(self._body(inside, folds, writes, picked)):
                        following[f * unroll + u] = value
                loop.next(following)
            state, at = loop.results, stop
        first = [state[f * unroll] for f in range(len(folds))]
        stop = b.mul(b.div(n, b.index(lanes)), b.index(lanes))
        with b.loop(at, stop, lanes, first) as loop:
            loop.next(self._body(place(loop.index, None), folds, writes, loop.carried))
        first = loop.results
        before = b.here
        rest_block, end = b.block("rest"), b.block("done")
        b.branch(b.less(stop, n), rest_block, end)
        b.at(rest_block)
        made = self._body(place(stop, b.lane_mask(b.sub(n, stop), lanes)), folds, writes, first)
        after = b.here
        b.jump(end)
        b.at(end)
        for f, (old, new) in enumerate(zip(first, made, strict=True)):
            state = [*state]
            state[f * unroll] = b.phi(old.dtype, old.lanes, [(old, before), (new, after)])
        return state

    def _body(self, env: Environment, folds: list[int], writes: list[Write], state: list[Value]) -> list[Value]:
        b = self.b
        self._store_all(writes, env)
        following = []
        for f, accumulated in zip(folds, state, strict=True):
            value = self.wide(self.items[f].args[0], env) if env.lanes > 1 else self.get(self.items[f].args[0], env)
            if env.mask is not None and not self.k.strip:
                value = b.select(env.mask, value, b.const(self._identity(f), self._fold_type(self.items[f]), env.lanes))
            following.append(self._combine(f)(accumulated, value))
        return following


def lower(kernel: LoopKernel, symbol: str, vector_bits: int, math_functions: dict[str, Any]) -> str:
    """LLVM IR text of a loop kernel."""
    return LoopLowering(kernel, symbol, vector_bits, math_functions).text()
