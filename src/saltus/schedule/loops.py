"""A group as loops: axes, reads, writes, accumulators and the values between them; no instruction set yet.

The nest of a kernel is: outer parallel axes (flattened to "rows"), then the vector axis if it is parallel ("strip"), then the
reduced axes, the last of which carries the vectors if no parallel axis does. Each value lives at the shallowest level it can:

    0 kernel   same everywhere        2 strip   varies along a parallel vector axis
    1 row      varies between rows    3 inner   varies along reduced axes

A row may need several passes over its reduced axes (softmax: maximum, sum, quotient); `stage` is the pass a value belongs to.
The structure decides the machine code; extents, strides and addresses are arguments, so another batch size compiles nothing.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from saltus.base.dtypes import DType
from saltus.ir.node import Node, constant_value, placeholder
from saltus.ir.spec import Kind, Shape
from saltus.schedule.fuse import Fuser, Group, Store
from saltus.schedule.stored import ASSEMBLED
from saltus.schedule.view import ZERO, Map, View, along, identity, strides_over, through

CHUNK_COST = 40_000  # of one chunk, about cycles: long against claiming it, short against a phase
KEPT_FLOPS = 8  # an operation this costly is kept for a row's next pass rather than done again
SHORT_ROW = 6  # elements of a row up to which vectors run across rows
SPLIT_LENGTH = 16384  # most elements of a long reduction that one chunk folds
SPLIT_WORK = 65536  # elements of all its rows together
_BESIDE = 4  # arrays that are written between each other at once
_LANES = 64  # of the widest vector of the smallest elements


@dataclass(eq=False)
class Access:
    """A strided read or write: the address at a point of the loops, in elements from the buffer's start."""

    base: Node
    dtype: DType
    offset: int
    strides: tuple[int, ...]
    index: int | None = None  # item whose value (clamped to `limit`) times `index_stride` is added
    index_stride: int = 0
    limit: int = 0

    @property
    def narrow(self) -> bool:
        """Whether 32 bits hold every place an index leads to: twice as many lanes then, and a gather of 32-bit offsets."""
        reach = self.limit * abs(self.index_stride) + sum(abs(s) for s in self.strides) * _LANES
        return self.index is not None and max(reach, self.limit) < 1 << 31


@dataclass(eq=False)
class Item:
    """One value: a load, constant, ramp, operation or folded result."""

    kind: str  # "load" "const" "ramp" "op" "fold" "acc" (a finished sum of a matrix product)
    dtype: DType
    level: int
    stage: int = 0
    node: Node | None = None
    args: tuple[int, ...] = ()
    access: int = -1
    strides: tuple[int, ...] = ()  # of a ramp
    offset: int = 0  # of a ramp


LITERALS = frozenset((0, 1, -1, 2, 0.5, math.inf, -math.inf))


def is_literal(item: Item) -> bool:
    """Whether a constant is part of the code. Others are arguments: 1 / batch size must not make a new kernel."""
    value = constant_value(item.node) if item.node is not None else None
    return item.dtype.kind == "b" or value != value or value in LITERALS


def constant_word(item: Item) -> int:
    """The bits of a constant argument, in the type it is computed with."""
    held = np.float32 if item.dtype.is_float and item.dtype.bits == 16 else item.dtype.numpy
    raw = np.asarray(constant_value(item.node), held).tobytes()  # type: ignore[arg-type]
    return int.from_bytes(raw.ljust(8, b"\0"), "little", signed=True)


@dataclass(eq=False)
class Write:
    item: int
    access: int


@dataclass(eq=False)
class LoopKernel:
    """The loops of one kernel: its structure, and the numbers of this use of it."""

    extents: tuple[int, ...]  # of the nest axes, outermost first
    rows: int  # how many leading axes are flattened to rows
    strip: bool  # whether the axis after them is the parallel vector axis
    accesses: list[Access]
    items: list[Item]
    writes: list[Write]
    folds: list[int]  # items of kind "fold"
    lanes_bits: int  # bits an element takes in a vector register
    ragged: int = 0  # > 0: the first reduced axis is cut into pieces of this length, the pieces being the first row axis
    ragged_total: int = 0
    why: str = ""
    label: str = ""

    @functools.cached_property
    def interleaved(self) -> list[list[int]]:
        """Writes that lie between each other without gaps along the vector axis (the channels of a pixel), in the order of memory."""
        axis, found = self.vector, []
        if axis is None:
            return []
        by_place: dict[Any, dict[int, int]] = {}
        for n, w in enumerate(self.writes):
            a = self.accesses[w.access]
            if 2 <= a.strides[axis] <= _BESIDE and a.dtype.kind == "f" and a.dtype.bits == self.lanes_bits:
                by_place.setdefault((a.base, a.strides, self.items[w.item].stage), {})[a.offset] = n
        for (_, strides, _), places in by_place.items():
            beside = [places[at] for at in range(min(places), min(places) + strides[axis]) if at in places]
            if len(beside) == len(places) == strides[axis]:
                found.append(beside)
        return found

    @functools.cached_property
    def kept(self) -> dict[int, int]:
        """Costly inner values that a later pass needs again, with the pass that first computes them: they stay in a row of scratch."""
        if self.strip or not self.inner or self.ragged:
            return {}
        passes = 1 + max((i.stage for i in self.items), default=0)
        roots: list[list[int]] = [[] for _ in range(passes)]
        for f in self.folds:
            roots[self.items[f].stage - 1] += self.items[f].args
        for w in self.writes:
            if self.items[w.item].level == 3:
                roots[self.items[w.item].stage].append(w.item)
        found: dict[int, int] = {}
        seen: dict[int, int] = {}
        for stage, wanted in enumerate(roots):
            stack, here = list(wanted), set()
            while stack:
                n = stack.pop()
                item = self.items[n]
                if n in here or item.level != 3 or item.kind == "fold":
                    continue
                here.add(n)
                if item.kind == "op" and item.dtype.kind != "b" and self._inner_flops(n) >= KEPT_FLOPS:
                    if n in seen:  # a second pass wants it: from now on it is read, and what it is made of is not needed for it
                        found[n] = seen[n]
                        continue
                    seen[n] = stage
                stack += item.args
        return found

    def _inner_flops(self, number: int) -> int:
        """What computing a value costs an inner point, up to KEPT_FLOPS; reading by index costs as much as several operations."""
        total, stack, known = 0, [number], set()
        while stack and total < KEPT_FLOPS:
            n = stack.pop()
            item = self.items[n]
            if n in known or item.level != 3:
                continue
            known.add(n)
            if item.kind == "op" and item.node is not None:
                total += item.node.op.flops
            elif item.kind == "load" and item.args:
                total += KEPT_FLOPS // 2
            stack += item.args
        return total

    @property
    def kept_bytes(self) -> int:
        """Bytes of one row of a kept value, and of the lanes beyond its end."""
        return -(-(math.prod(self.extents[k] for k in self.inner) + _LANES) // _LANES) * _LANES * 8 if self.kept else 0

    @property
    def scratch(self) -> int:
        return self.kept_bytes * len(self.kept)

    @property
    def inner(self) -> tuple[int, ...]:
        """Positions of the reduced axes."""
        return tuple(range(self.rows + self.strip, len(self.extents)))

    @property
    def vector(self) -> int | None:
        """The axis that carries vectors."""
        if self.strip:
            return self.rows
        return len(self.extents) - 1 if self.inner else None

    def stride_class(self, access: Access, axis: int) -> str:
        """ "0" none, "1" unit along the vector axis, "s" any: what of a stride is compiled in."""
        s = access.strides[axis]
        if s == 0:
            return "0"
        return "1" if s == 1 and axis == self.vector else "s"

    def key(self) -> str:
        """Everything the machine code depends on."""
        accesses = [
            f"{a.dtype.name}:{''.join(self.stride_class(a, k) for k in range(len(self.extents)))}"
            + (f"@{a.index}{'n' * a.narrow}{'1' * (a.index_stride == 1)}" if a.index is not None else "")
            for a in self.accesses
        ]
        items = []
        for i in self.items:
            attrs = ",".join(f"{k}={v}" for k, v in i.node.attrs) if i.node is not None and i.kind == "op" else ""
            ramp = "".join("0" if s == 0 else "s" for s in i.strides)
            value = i.node.attr("bits").hex() if i.kind == "const" and i.node is not None and is_literal(i) else ""
            name = i.node.op.name if i.node is not None and i.kind in ("op", "fold") else i.kind
            items.append(f"{name}({','.join(map(str, i.args))};{attrs}{value}{ramp};{i.access}):{i.dtype.name}/{i.level}.{i.stage}")
        writes = [f"{w.item}>{w.access}" for w in self.writes]
        head = f"loop rows={self.rows} strip={int(self.strip)} inner={len(self.inner)} bits={self.lanes_bits} ragged={int(self.ragged > 0)}"
        return "\n".join([head, *accesses, *items, *writes, *(f"beside {places}" for places in self.interleaved)])

    # --- run-time arguments: slot numbers are a function of the structure --------------------------------------
    HEADER = 4  # rows in a chunk, vector elements in a chunk, vector chunks, rows

    def slots(self) -> tuple[list[int], list[tuple[int, dict[int, int]]], list[dict[int, int]], int]:
        """Slots of extents, of (pointer, stride slots, index stride and limit) per access, of ramps and constants, and their number."""
        at = self.HEADER
        extents = list(range(at, at + len(self.extents)))
        at += len(self.extents) + 3  # ragged length and total, bytes of a kept row
        accesses: list[tuple[int, dict[int, int]]] = []
        for a in self.accesses:
            pointer, at = at, at + 1
            strides = {}
            for k in range(len(self.extents)):
                if self.stride_class(a, k) == "s":
                    strides[k], at = at, at + 1
            if a.index is not None:
                strides[-1], strides[-2], at = at, at + 1, at + 2
            accesses.append((pointer, strides))
        ramps = []
        for i in self.items:
            slots = {}
            if i.kind == "const" and not is_literal(i):
                slots[-1], at = at, at + 1
            if i.kind == "ramp":
                slots[-1], at = at, at + 1
                for k, s in enumerate(i.strides):
                    if s:
                        slots[k], at = at, at + 1
            ramps.append(slots)
        return extents, accesses, ramps, at

    def chunking(self) -> tuple[int, int, int, int]:
        """Rows a chunk, vector elements a chunk, vector chunks, chunks: a function of shapes and structure only."""
        rows = math.prod(self.extents[: self.rows])
        width = self.extents[self.rows] if self.strip else 1
        inner = self.ragged or math.prod(self.extents[k] for k in self.inner)
        if self.ragged:
            inner *= math.prod(self.extents[k] for k in self.inner[1:])
        flops = sum(i.node.op.flops for i in self.items if i.kind == "op" and i.node is not None)
        weight = 0.12 * flops + 0.35 * len(self.accesses)
        passes = 1 + max((i.stage for i in self.items), default=0)
        row_cost = max(1.0, weight * width * max(inner, 1) * (1 + 0.5 * (passes - 1))) + 8
        if rows == 0 or width == 0:
            return 1, 1, 1, 0
        vec = width
        if self.strip and row_cost > 2 * CHUNK_COST:
            pieces = math.ceil(row_cost / CHUNK_COST)
            vec = max(64, -(-math.ceil(width / pieces) // 64) * 64)
        vec_chunks = -(-width // vec)
        per = 1 if vec_chunks > 1 else max(1, min(rows, round(CHUNK_COST / row_cost)))
        return per, vec, vec_chunks, -(-rows // per) * vec_chunks

    def words(self) -> tuple[list[int], list[tuple[int, Node, int]], int]:
        """Argument words, the (word, buffer, byte offset) of each pointer among them, and the number of chunks."""
        extents, accesses, ramps, count = self.slots()
        words = [0] * count
        per, vec, vec_chunks, chunks = self.chunking()
        words[:4] = [per, vec, vec_chunks, math.prod(self.extents[: self.rows])]
        for slot, n in zip(extents, self.extents, strict=True):
            words[slot] = n
        words[self.HEADER + len(self.extents)] = self.ragged
        words[self.HEADER + len(self.extents) + 1] = self.ragged_total
        words[self.HEADER + len(self.extents) + 2] = self.kept_bytes
        pointers = []
        for a, (pointer, strides) in zip(self.accesses, accesses, strict=True):
            pointers.append((pointer, a.base, a.offset * a.dtype.itemsize))
            for axis, slot in strides.items():
                words[slot] = a.index_stride if axis == -1 else a.limit if axis == -2 else a.strides[axis]
        for item, slots in zip(self.items, ramps, strict=True):
            for axis, slot in slots.items():
                words[slot] = constant_word(item) if item.kind == "const" else item.offset if axis == -1 else item.strides[axis]
        return words, pointers, chunks

    @property
    def flops(self) -> int:
        n = math.prod(self.extents)
        return n * sum(i.node.op.flops for i in self.items if i.kind in ("op", "fold") and i.node is not None and i.level >= 2)

    @property
    def nbytes(self) -> int:
        total = 0
        for a in self.accesses:
            total += a.dtype.itemsize * math.prod(n for n, s in zip(self.extents, a.strides, strict=True) if s)
        return total

    def show(self) -> str:
        """The loops in readable form."""
        names = [f"row{k}" for k in range(self.rows)] + (["strip"] if self.strip else []) + [f"in{k}" for k in range(len(self.inner))]
        lines = [f"{self.label}: " + " ".join(f"{n}<{e}" for n, e in zip(names, self.extents, strict=True))]
        for k, a in enumerate(self.accesses):
            terms = " + ".join(f"{s}*{n}" for n, s in zip(names, a.strides, strict=True) if s) or "0"
            extra = f" + {a.index_stride}*v{a.index}" if a.index is not None else ""
            lines.append(f"  a{k}: {a.dtype.name} of {a.base} at {a.offset} + {terms}{extra}")
        for k, i in enumerate(self.items):
            args = ", ".join(f"v{x}" for x in i.args)
            what = {"load": f"load a{i.access}", "const": f"{constant_value(i.node) if i.node else 0}", "ramp": f"ramp {i.strides}"}
            text = what.get(i.kind) or f"{'fold ' if i.kind == 'fold' else ''}{i.node.op.name if i.node else ''}({args})"
            lines.append(f"  v{k} = {text}  [level {i.level}, pass {i.stage}]")
        lines += [f"  a{w.access} <- v{w.item}" for w in self.writes]
        return "\n".join(lines)


class LoopBuilder:
    """Turns the stores of a group into items over nest axes."""

    def __init__(self, fuser: Fuser, group: Group, *, axes: Shape | None = None) -> None:
        self.fuser, self.group = fuser, group
        domain = axes if axes is not None else group.domain
        self.domain = domain
        live = [k for k, n in enumerate(domain) if n != 1]
        last = live[-1] if live else None
        parallel = [k for k in live if k not in group.reduced]
        inner = [k for k in live if k in group.reduced]
        # rows of a few elements would leave most lanes empty: then the vectors run across the rows
        short = bool(inner and parallel) and math.prod(domain[k] for k in inner) <= SHORT_ROW and domain[parallel[-1]] >= 8
        if inner and parallel and group.kind == "loop":
            dense = self._dense_reads()
            wide = [k for k in parallel if dense[k] and domain[k] >= 8]
            if wide and not dense[parallel[-1]]:  # what is read most lies along another axis (windows, one channel after another)
                parallel.append(parallel.pop(parallel.index(max(wide, key=dense.__getitem__))))
            short = short or (bool(wide) and not dense[inner[-1]])
        self.strip = bool(parallel) and (last not in group.reduced or short)
        self.nest = [*parallel, *inner]
        self.rows = len(parallel) - self.strip
        self.accesses: list[Access] = []
        self.items: list[Item] = []
        self.memo: dict[Any, int] = {}

    def _dense_reads(self) -> list[int]:
        """Elements of the arrays read without gaps along each loop axis; what is read once a row does not count."""
        sizes = [0] * len(self.domain)
        leaves = {leaf for store in self.group.stores for leaf in self.fuser.store_leaves(store)}
        for node, where in leaves:
            if where is not None:
                _, strides = strides_over(View.whole(node), where, len(self.domain))
                if any(strides[k] for k in self.group.reduced):
                    sizes = [n + node.size * (abs(s) == 1) for n, s in zip(sizes, strides, strict=True)]
        return sizes

    # --- levels -------------------------------------------------------------------------------------------------
    def _level(self, strides: tuple[int, ...]) -> int:
        level = 0
        for k, axis in enumerate(self.nest):
            if strides[axis]:
                level = max(level, 1 if k < self.rows else 2 if self.strip and k == self.rows else 3)
        return level

    def _add(self, key: Any, item: Item) -> int:
        self.items.append(item)
        self.memo[key] = len(self.items) - 1
        return len(self.items) - 1

    def _access(self, view: View, where: Map, dtype: DType) -> tuple[int, tuple[int, ...]]:
        offset, strides = strides_over(view, where, len(self.domain))
        key = ("access", view.base, offset, strides)
        if key not in self.memo:
            self.accesses.append(Access(view.base, dtype, offset, strides))
            self.memo[key] = len(self.accesses) - 1
        return self.memo[key], strides

    # --- values -------------------------------------------------------------------------------------------------
    def value(self, node: Node, where: Map, own: Node | None = None) -> int:
        """The item of a node read at a map over loop axes; `own` is computed even though it is stored."""
        key = (node, where)
        if key in self.memo:
            return self.memo[key]
        if node is self.group.core:
            return self._add(key, Item("acc", node.dtype, 2))
        if node in self.fuser.stored and node is not own:
            if self.group.made(node) is None:
                return self._load(View.whole(node), where, node.dtype, key)
            # made in this very kernel: use the value, not the memory
            if node.op.kind is Kind.REDUCE:
                return self._fold(node)
        kind = node.op.kind
        if kind is Kind.MOVE and node.op.name not in ASSEMBLED:
            below = through(node, where)
            if below is not None:
                found = self.value(node.src[0], below)
                self.memo[key] = found
                return found
            view = self.fuser.view_of(node.src[0])
            assert view is not None
            moved = view.move(node)
            assert moved is not None, f"{node} was not given a view"
            return self._load(moved, where, node.dtype, key)
        if kind is Kind.SOURCE:
            if node.op.name == "const":
                return self._add(key, Item("const", node.dtype, 0, node=node))
            strides = [0] * len(self.domain)
            terms, shift = where[node.attr("axis")] if node.shape else ZERO
            for axis, scale in terms:
                strides[axis] = scale
            return self._add(key, Item("ramp", node.dtype, self._level(tuple(strides)), strides=tuple(strides), offset=shift, node=node))
        if kind is Kind.GATHER:
            return self._gather(node, where, key)
        assert kind is Kind.ELEMENTWISE, f"{node} cannot be computed in a loop"
        args = tuple(self.value(s, where) for s in node.src)
        level = max((self.items[a].level for a in args), default=0)
        stage = max((self.items[a].stage for a in args), default=0)
        return self._add(key, Item("op", node.dtype, level, stage, node, args))

    def _load(self, view: View, where: Map, dtype: DType, key: Any) -> int:
        access, strides = self._access(view, where, dtype)
        return self._add(key, Item("load", dtype, self._level(strides), access=access))

    def _gather(self, node: Node, where: Map, key: Any) -> int:
        axis, index = node.attr("axis"), node.src[1]
        rank = len(index.shape)
        at = self.value(index, where[axis : axis + rank])
        view = self.fuser.view_of(node.src[0])
        assert view is not None
        rest = (*where[:axis], ZERO, *where[axis + rank :])
        offset, strides = strides_over(view, rest, len(self.domain))
        access = Access(view.base, node.dtype, offset, strides, at, view.strides[axis], view.shape[axis])
        self.accesses.append(access)
        level = max(self._level(strides), self.items[at].level)
        return self._add(key, Item("load", node.dtype, level, self.items[at].stage, access=len(self.accesses) - 1, args=(at,)))

    def _fold(self, node: Node) -> int:
        """The result of a reduction over the group's reduced axes."""
        key = ("fold", node)
        if key in self.memo:
            return self.memo[key]
        inner = node.src[0]
        item = self.value(inner, identity(inner.shape))
        if all(inner.shape[k] == 1 for k in node.attr("axes")):
            self.memo[key] = item
            return item
        return self._add(key, Item("fold", node.dtype, 2 if self.strip else 1, self.items[item].stage + 1, node, (item,)))

    # --- the kernel ---------------------------------------------------------------------------------------------
    def build(self, label: str) -> LoopKernel:
        """All stores of the group, folds first where others use them."""
        writes: list[Write] = []
        pending = list(self.group.stores)
        for store in pending:
            reduce = store.value.op.kind is Kind.REDUCE and store.value is store.target
            if reduce:
                item = self._fold(store.value)
            else:
                own = store.value if store.value is store.target else None
                item = self.value(store.value, self._where(store), own)
            writes.append(self._write(item, store))
        return self._collapse(writes, label)

    def _where(self, store: Store) -> Map:
        """Where a stored value is computed: its own axes, as loop axes."""
        return tuple(
            along(axis) if axis is not None and n != 1 else ZERO for axis, n in zip(store.axes, store.value.shape, strict=True)
        )

    def _write(self, item: int, store: Store) -> Write:
        where = self._where(store)
        offset, strides = strides_over(store.view, where, len(self.domain))
        self.accesses.append(Access(store.target, store.target.dtype, offset, strides))
        return Write(item, len(self.accesses) - 1)

    def _collapse(self, writes: list[Write], label: str) -> LoopKernel:
        """Merge axes that every access walks as one, and order strides by the nest."""
        runs: list[list[int]] = []
        for position, axis in enumerate(self.nest):
            own_part = position >= self.rows + self.strip
            if runs and (runs[-1][0] in self.group.reduced) == own_part and self._mergeable(runs[-1][-1], axis):
                runs[-1].append(axis)
            else:
                runs.append([axis])
        extents = tuple(math.prod(self.domain[a] for a in run) for run in runs)
        parallel = sum(1 for run in runs if run[0] not in self.group.reduced)
        last = [run[-1] for run in runs]
        for a in self.accesses:
            a.strides = tuple(a.strides[k] for k in last)
        for i in self.items:
            if i.kind == "ramp":
                i.strides = tuple(i.strides[k] for k in last)
        bits = vector_element_bits(self.items, self.accesses)
        return LoopKernel(extents, parallel - self.strip, self.strip, self.accesses, self.items, writes,
                          [k for k, i in enumerate(self.items) if i.kind == "fold"], bits, why=self.group.why, label=label)  # fmt: skip

    def _mergeable(self, a: int, b: int) -> bool:
        n = self.domain[b]
        walked = [x.strides for x in self.accesses] + [i.strides for i in self.items if i.kind == "ramp"]
        return all(s[a] == s[b] * n for s in walked)


def vector_element_bits(items: list[Item], accesses: list[Access]) -> int:
    """Element width the vectors are sized for: that of the floats computed with, else of what is stored."""
    floats = [max(i.dtype.bits, 32) for i in items if i.dtype.is_float and i.level >= 2]
    if floats:
        return max(floats)
    return max((a.dtype.bits for a in accesses), default=32) if accesses else 32


def loop_kernels(fuser: Fuser, group: Group, label: str) -> Iterator[LoopKernel]:
    """The kernel of a loop group; two where a long reduction is cut into pieces that are then combined."""
    kernel = LoopBuilder(fuser, group).build(label)
    inner = math.prod(kernel.extents[k] for k in kernel.inner)
    rows = math.prod(kernel.extents[: kernel.rows + kernel.strip])
    pure = all(s.value.op.kind is Kind.REDUCE and s.value is s.target for s in group.stores)
    length = min(SPLIT_LENGTH, max(256, SPLIT_WORK // max(rows, 1)))
    if not (pure and kernel.inner and inner >= 2 * length and rows <= 4096 and kernel.chunking()[3] < 8):
        yield kernel
        return
    yield from _split(kernel, length)


def _split(kernel: LoopKernel, most: int) -> Iterator[LoopKernel]:
    """Fold pieces of the first reduced axis side by side, then the pieces in order."""
    first = kernel.inner[0]
    other = math.prod(kernel.extents[k] for k in kernel.inner[1:])
    length = max(1, most // max(other, 1))
    total = kernel.extents[first]
    pieces = -(-total // length)
    outer = kernel.extents[: kernel.rows + kernel.strip]
    count = math.prod(outer)
    dense, step = [], 1
    for n in reversed(outer):
        dense.append(step)
        step *= n
    dense.reverse()
    accesses = [
        Access(a.base, a.dtype, a.offset, (a.strides[first] * length, *a.strides), a.index, a.index_stride, a.limit)
        for a in kernel.accesses
    ]
    combine: list[tuple[Access, Node, Node]] = []
    for w in kernel.writes:
        old = kernel.accesses[w.access]
        fold = kernel.items[w.item].node
        assert fold is not None
        part = placeholder((pieces, count), old.dtype)
        accesses[w.access] = Access(part, old.dtype, 0, (count, *dense, *[0] * len(kernel.inner)))
        combine.append((old, part, fold))
    items = [
        Item(i.kind, i.dtype, i.level, i.stage, i.node, i.args, i.access,
             (i.strides[first] * length, *i.strides) if i.kind == "ramp" else (), i.offset)
        for i in kernel.items
    ]  # fmt: skip
    extents = (pieces, *outer, length, *[kernel.extents[k] for k in kernel.inner[1:]])
    yield LoopKernel(extents, kernel.rows + 1, kernel.strip, accesses, items, kernel.writes, kernel.folds, kernel.lanes_bits,
                     ragged=length, ragged_total=total, why=kernel.why, label=kernel.label + " (pieces)")  # fmt: skip
    # the pieces lie [pieces, count]; with one row the vectors run along the pieces, else along the rows
    strip = count > 1
    for old, part, fold in combine:
        out_strides = old.strides[: kernel.rows + kernel.strip]
        reads = Access(part, part.dtype, 0, (*(dense if strip else ()), count if strip else 1))
        write = Access(old.base, old.dtype, old.offset, (*(out_strides if strip else ()), 0))
        load = Item("load", part.dtype, 3, access=0)
        folded = Item("fold", old.dtype, 2 if strip else 1, 1, fold, (0,))
        extents = (*(outer if strip else ()), pieces)
        rows = len(outer) - 1 if strip else 0
        why, label = "combines the pieces in order", kernel.label + " (combine)"
        yield LoopKernel(
            extents, rows, strip, [reads, write], [load, folded], [Write(1, 1)], [1], kernel.lanes_bits, why=why, label=label
        )


__all__ = ["Access", "Item", "LoopBuilder", "LoopKernel", "Write", "loop_kernels"]
