"""Graph to groups: which stored values are computed together in one kernel.

`stored.py` says what has a buffer. Every stored value is written by a group; a
group becomes one kernel. Each group notes why it was cut from the groups it reads.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import product

from saltus.ir.node import Node, full, topological
from saltus.ir.spec import Kind, Shape
from saltus.schedule.stored import ASSEMBLED, ROW_REUSE, SHARE_FLOPS, Values
from saltus.schedule.view import Map, View, identity, reshaped

# Beyond these a second pass over a row would leave the cache (256 KB), so the reduction is cut from its users.
ROW_LIMIT, COLUMN_LIMIT = 65536, 4096
ACCESS_LIMIT = 24  # arrays one kernel reads and writes: address registers run out beyond
EPILOGUE_LIMIT = 14  # arrays of a matrix product with its epilogue
_ORDER_KINDS = (Kind.CONTRACT, Kind.HOST, Kind.SCAN, Kind.SCATTER, Kind.CUMULATIVE)


@dataclass(eq=False)
class Store:
    """One value a group writes: `value` over its own shape, to `view` of the buffer of `target`."""

    value: Node
    target: Node
    view: View
    axes: tuple[int | None, ...] = ()  # the loop axis of each axis of the value


@dataclass(eq=False)
class Group:
    """What becomes one kernel (or one call).

    Attributes:
        kind: "loop", "contract", "scatter", "cumulate", "host" or "scan".
        domain: extents of the loop axes.
        reduced: loop axes that are summed (or otherwise folded) away.
        core: the node of a group that is not a plain loop.
        stores: what it writes.
        reads: stored nodes it reads.
        why: the reason for which it does not continue one of the groups it reads.
    """

    number: int
    kind: str
    domain: Shape
    reduced: frozenset[int] = frozenset()
    core: Node | None = None
    stores: list[Store] = field(default_factory=list)
    inside: list[Store] = field(default_factory=list)  # made here for the group's own use, not written
    reads: set[Node] = field(default_factory=set)
    before: int = 0  # bit set of the groups that must run first
    why: str = ""

    @property
    def bit(self) -> int:
        return 1 << self.number

    def made(self, node: Node) -> Store | None:
        """The store of a value made in this group under its own name."""
        for s in (*self.stores, *self.inside):
            if s.value is node and s.target is node:
                return s
        return None


def multi_pass(domain: Shape, reduced: Iterable[int]) -> bool:
    """Whether a row (or strip of columns) stays in cache, so that several passes over it may share a kernel."""
    reduced = set(reduced)
    rows = math.prod(n for k, n in enumerate(domain) if k not in reduced)
    inner = math.prod(domain[k] for k in reduced)
    last = max((k for k, n in enumerate(domain) if n != 1), default=None)
    if last in reduced:
        return inner <= ROW_LIMIT and (rows >= 8 or inner <= 8192)
    return inner <= COLUMN_LIMIT and (rows >= 1024 or rows * inner <= 65536)  # few columns make too few chunks for several threads


class Fuser(Values):
    """Makes the groups of one graph."""

    def __init__(self, outputs: Sequence[Node], given: Sequence[Node]) -> None:
        super().__init__(outputs, given)
        self.groups: list[Group] = []
        self.writers: dict[Node, list[Group]] = {}
        self.costly: dict[Group, set[Node]] = {}

    # --- grouping -----------------------------------------------------------------------------------------------
    def _needs(self, reads: Iterable[Node], without: Group | None = None) -> int:
        bits = 0
        for node in reads:
            for g in self.writers.get(node, ()):
                if g is not without:
                    bits |= g.before | g.bit
        return bits

    def _new(self, kind: str, domain: Shape, reads: set[Node], core: Node | None = None, why: str = "") -> Group:
        group = Group(len(self.groups), kind, domain, core=core, reads=reads, before=self._needs(reads), why=why)
        self.groups.append(group)
        return group

    def _write(self, group: Group, store: Store) -> None:
        group.stores.append(store)
        writers = self.writers.setdefault(store.target, [])
        if group not in writers:
            writers.append(group)

    def _join(self, group: Group, reads: set[Node], under: Iterable[Group] = ()) -> None:
        """Add reads to a group and keep everyone's `before` closed."""
        group.before |= self._needs(reads, without=group)
        for g in under:
            group.before |= g.before | g.bit
        group.reads |= reads
        for other in self.groups:
            if other.before & group.bit:
                other.before |= group.before

    def _cyclic(self, group: Group, reads: Iterable[Node]) -> bool:
        return any(g is not group and g.before & group.bit for n in reads for g in self.writers.get(n, ()))

    def _aligned(self, group: Group, leaves: list[tuple[Node, Map | None]], axes: tuple[int | None, ...]) -> bool:
        """Whether what the value takes from the group itself is read at the loop's own index."""
        for node, at in leaves:
            own = group.made(node)
            if own is None and group.core is not node:
                if any(s.target is node for s in group.stores):
                    return False
                continue
            if at is None:
                return False
            own_axes = own.axes if own else tuple(range(len(node.shape)))
            for (terms, shift), n, loop_axis in zip(at, node.shape, own_axes, strict=True):
                if n == 1:
                    continue
                if len(terms) != 1 or shift != 0 or terms[0][1] != 1 or axes[terms[0][0]] != loop_axis:
                    return False
        return True

    def _row_axes(self, group: Group, shape: Shape) -> tuple[int | None, ...] | None:
        """Loop axes of a value that has one element a row of the group, or None if it has another shape."""
        kept = [k for k, n in enumerate(group.domain) if k not in group.reduced and n != 1]
        if [n for n in shape if n != 1] != [group.domain[k] for k in kept]:
            return None
        it = iter(kept)
        return tuple(next(it) if n != 1 else None for n in shape)

    def _fit(self, group: Group, value: Node, leaves: list[tuple[Node, Map | None]]) -> tuple[frozenset[int], tuple[int | None, ...]] | str:
        """The group's reduced axes and the value's loop axes if it can be computed there, else why not."""
        reads = {n for n, _ in leaves}
        full = tuple(range(len(value.shape)))
        if self._cyclic(group, reads):
            return "it also needs a later result"
        if group.kind == "contract":
            if (value.op.kind is not Kind.ELEMENTWISE and value is not group.core) or value.shape != group.domain:
                return "another shape"
            conv = group.core is not None and group.core.op.name != "matmul"
            if self._indexes(value, conv) or len(group.reads | reads) + len(group.stores) > EPILOGUE_LIMIT:
                return "too many arrays for an epilogue"
            if not self._aligned(group, leaves, full) or any(at is None for _, at in leaves):
                return "read at another index"
            if self.flops(value) > 60:
                return "too much arithmetic for an epilogue"
            return frozenset(), full
        if group.kind != "loop":
            return f"{group.kind} is a call"
        # what has one number for many elements is read outside the inner loop, and needs no register there
        few = math.prod(group.domain) // ROW_REUSE
        if sum(n.size > few for n in (*(group.reads | reads), *(s.value for s in group.stores), value)) > ACCESS_LIMIT:
            return "too many arrays"
        if value.op.kind is Kind.REDUCE:
            return self._fit_reduce(group, value, leaves)
        folded = any(s.value.op.kind is Kind.REDUCE for s in group.stores)
        if value.shape == group.domain:
            if folded and not multi_pass(group.domain, group.reduced):
                return "a row does not stay in cache"
            return (group.reduced, full) if self._aligned(group, leaves, full) else "read at another index"
        if folded and multi_pass(group.domain, group.reduced):
            axes = self._row_axes(group, value.shape)
            if axes is not None and any(group.made(n) for n, _ in leaves):
                return (group.reduced, axes) if self._aligned(group, leaves, axes) else "read at another index"
        return "another shape"

    def _fit_reduce(
        self, group: Group, value: Node, leaves: list[tuple[Node, Map | None]]
    ) -> tuple[frozenset[int], tuple[int | None, ...]] | str:
        domain, reduced = value.src[0].shape, frozenset(k for k in value.attr("axes") if value.src[0].shape[k] != 1)
        if domain != group.domain or (group.reduced and group.reduced != reduced):
            return "another shape"
        inside = any(group.made(n) for n, _ in leaves)
        alone = all(s.value.op.kind is Kind.REDUCE for s in group.stores)
        if not (alone and not inside) and not multi_pass(domain, reduced):
            return "a row does not stay in cache"
        if not alone and not group.reduced and max((k for k, n in enumerate(domain) if n != 1), default=0) not in reduced:
            return "its axis runs across the rows"  # a strip-wise kernel would lose the producer's streaming order
        axes = tuple(k if k not in reduced else None for k in range(len(domain)))
        return (reduced, axes) if self._aligned(group, leaves, tuple(range(len(domain)))) else "read at another index"

    def _indexes(self, value: Node, conv: bool) -> bool:
        """Whether a value picks by index, or counts along one of several batch axes: neither fits an epilogue."""
        inside = topological([value], stop=lambda n: n in self.stored and n is not value)
        return any(n.op.kind is Kind.GATHER or (n.op.name == "iota" and (len(value.shape) > 3 or conv)) for n in inside)

    def _remade(self, value: Node) -> bool:
        """Whether a value is computed again so that it need not be kept: it does not go with whoever computed it first."""
        return any(n.op.name == "barrier" for n in topological([value], stop=lambda n: n in self.stored and n is not value))

    def _place(self, store: Store) -> None:
        """Put a computed value into a group that reads the same, or into one of its own."""
        value = store.value
        reduce = value.op.kind is Kind.REDUCE and value is store.target
        inner = value.src[0] if reduce else value
        leaves = self.leaves(inner, identity(inner.shape), top=not reduce and value is store.target)
        reads = {n for n, _ in leaves}
        writers = [g for n in reads for g in self.writers.get(n, ())]
        # what is laid over a filled buffer comes after the filling
        under = set(self.writers.get(store.target, ())) if store.target.op.name == "pad" else set()
        near = sorted(set(writers), key=lambda g: -g.number)
        wide = {n for n, at in leaves if at is not None and n.size >= inner.size > 1}
        costly = self._costly(inner)
        alike = [g for g in reversed(self.groups) if g not in near and g.kind == "loop" and g.domain == inner.shape]
        alike = [g for g in alike if wide & g.reads or costly & self.costly.get(g, set())]
        if alike and self._remade(inner):
            alike = [g for g in alike if any(g.before & other.bit for other in alike)]
        near += alike
        why = ""
        for group in near:
            if group in under or any(g.before & group.bit for g in under):
                continue
            turned = self._turned(group, store)
            if turned is not None and not self._cyclic(group, reads):
                self._join(group, set(), under)
                self._write(group, turned)
                return
            fit = self._fit(group, value, leaves)
            if isinstance(fit, str):
                why = why or f"not with {describe(group)}: {fit}"
                continue
            group.reduced, store.axes = fit
            self._join(group, reads, under)
            self._write(group, store)
            self.costly.setdefault(group, set()).update(costly)
            return
        group = self._new("loop", inner.shape, reads, why=why or "reads inputs only")
        for g in under:
            group.before |= g.before | g.bit
        if reduce:
            group.reduced = frozenset(k for k in value.attr("axes") if inner.shape[k] != 1)
            store.axes = tuple(k if k not in group.reduced else None for k in range(len(inner.shape)))
        else:
            store.axes = tuple(range(len(value.shape)))
        self._write(group, store)
        self.costly[group] = costly

    def _turned(self, group: Group, store: Store) -> Store | None:
        """The store that writes a matrix product where its permuted result is wanted, if that is all the stored value is."""
        core, node, view = group.core, store.value, store.view
        if core is None or core.op.name != "matmul" or node is core or len(core.shape) < 3:
            return None
        while node is not core:
            if (node in self.stored and node is not store.value) or node.op.name not in ("permute", "reshape"):
                return None
            source = node.src[0]
            if node.op.name == "permute":
                places = dict(zip(node.attr("axes"), view.strides, strict=True))
                strides: tuple[int, ...] | None = tuple(places[k] for k in range(len(places)))
            else:
                strides = reshaped(view.shape, view.strides, source.shape)
            if strides is None:
                return None
            node, view = source, View(view.base, view.offset, source.shape, strides)
        if (view.strides[-1] != 1 and core.shape[-1] != 1) or len(group.reads) + len(group.stores) >= EPILOGUE_LIMIT:
            return None
        return Store(core, store.target, view, tuple(range(len(core.shape))))

    def _costly(self, inner: Node) -> set[Node]:
        """What is costly among the values that a value is computed from, over the same axes: a group that has one saves its cost."""
        if self.flops(inner) < SHARE_FLOPS:
            return set()
        inside = topological([inner], stop=lambda n: n in self.stored and n is not inner)
        same = [n for n in inside if n.op.kind is Kind.ELEMENTWISE and n.shape == inner.shape and n.size > 1]
        return {n for n in same if self.flops(n) >= SHARE_FLOPS}

    def _call(self, node: Node) -> None:
        kinds = {Kind.CONTRACT: "contract", Kind.SCAN: "scan", Kind.SCATTER: "scatter", Kind.CUMULATIVE: "cumulate"}
        kind = "host" if node in self.host else kinds[node.op.kind]
        reads = set()
        for s in node.src:
            view = self.view_of(s)
            assert view is not None
            reads.add(view.base)
        group = self._new(kind, node.shape, reads, node, why=f"{node.op.name} is a kernel of its own")
        if node.parts:
            for p in self.order:
                if p.op.kind is Kind.PART and p.src[0] is node:
                    self._write(group, Store(p, p, View.whole(p)))
        else:
            self._write(group, Store(node, node, View.whole(node), tuple(range(len(node.shape)))))

    def _assemble(self, node: Node) -> None:
        """concat, pad and interleave: pieces written into one buffer by whoever computes them."""
        whole = View.whole(node)
        if node.op.name == "concat":
            axis, at = node.attr("axis"), 0
            for s in node.src:
                if s.size:
                    part = View(node, at * whole.strides[axis], s.shape, whole.strides)
                    self._place(Store(s, node, part))
                at += s.shape[axis]
            return
        if node.op.name == "interleave":
            step = node.attr("step")
            strides = tuple(s * k for s, k in zip(whole.strides, step, strict=True))
            for begin, piece in zip(product(*map(range, step)), node.src, strict=True):
                if piece.size:
                    offset = sum(i * s for i, s in zip(begin, whole.strides, strict=True))
                    self._place(Store(piece, node, View(node, offset, piece.shape, strides)))
            return
        low, interior = node.attr("low"), node.attr("interior")
        self._place(Store(full(node.shape, node.attr("value"), node.dtype), node, whole))
        if node.src[0].size:
            offset = sum(i * s for i, s in zip(low, whole.strides, strict=True))
            strides = tuple(s * (k + 1) for s, k in zip(whole.strides, interior, strict=True))
            self._place(Store(node.src[0], node, View(node, offset, node.src[0].shape, strides)))

    def _share(self) -> None:
        """Store what is costly and computed in several groups, in the first of them."""
        homes: dict[Node, list[tuple[Group, Store]]] = {}
        for group in self.groups:
            if group.kind not in ("loop", "contract"):
                continue
            for store in list(group.stores):
                inner = store.value.src[0] if store.value.op.kind is Kind.REDUCE and store.value is store.target else store.value
                for n in topological([inner], stop=lambda n, v=store.value: n in self.stored and n is not v):  # type: ignore[misc]
                    if n.op.kind is Kind.ELEMENTWISE and n not in self.stored and n.shape == inner.shape and n.size > 1:
                        known = homes.setdefault(n, [])
                        if all(g is not group for g, _ in known):
                            known.append((group, store))
        for node in sorted((n for n, g in homes.items() if len(g) > 1), key=lambda n: -self.position.get(n, 0)):
            if self.flops(node) < SHARE_FLOPS or node in self.stored:
                continue
            groups = [g for g, _ in homes[node]]
            first = next((g for g in groups if not any(g.before & o.bit for o in groups if o is not g)), None)
            if first is None or node.shape != first.domain:
                continue
            if first.kind == "loop" and first.reduced and not multi_pass(first.domain, first.reduced):
                continue
            leaves = self.leaves(node, identity(node.shape))
            if any(at is None or strange(at) for _, at in leaves) or len(first.stores) >= EPILOGUE_LIMIT:
                continue
            store = Store(node, node, View.whole(node), tuple(range(len(node.shape))))
            self.stored.add(node)
            first.stores.append(store)
            users = [g for g in self.groups if g is not first and self._reads(g, node)]
            if any(first.before & g.bit for g in users) or not all(self._reads_here(first, s) for s in first.stores if s is not store):
                first.stores.remove(store)  # elsewhere it is read at another index: before it is made, or while it is
                self.stored.discard(node)
                continue
            first.stores.remove(store)
            self._write(first, store)
            for g in users:
                self._join(g, {node})

    def store_leaves(self, store: Store) -> list[tuple[Node, Map | None]]:
        """What a store reads, by the values stored so far."""
        reduce = store.value.op.kind is Kind.REDUCE and store.value is store.target
        inner = store.value.src[0] if reduce else store.value
        return self.leaves(inner, identity(inner.shape), top=not reduce and store.value is store.target)

    def _reads(self, group: Group, node: Node) -> bool:
        if group.kind not in ("loop", "contract"):
            return False
        return any(n is node for s in group.stores if s.value is not group.core for n, _ in self.store_leaves(s))

    def _reads_here(self, group: Group, store: Store) -> bool:
        """Whether a store takes what its own group makes at the loop's own index."""
        if store.value is group.core:
            return True
        reduce = store.value.op.kind is Kind.REDUCE and store.value is store.target
        axes = tuple(range(len(store.value.src[0].shape))) if reduce else store.axes
        return self._aligned(group, self.store_leaves(store), axes)

    def run(self) -> list[Group]:
        """The groups in an order in which they can run."""
        self.mark()
        for node in self.order:
            if node not in self.stored or node in self.given or node.op.kind is Kind.PART:
                continue
            if node in self.host or node.op.kind in _ORDER_KINDS:
                self._call(node)
            elif node.op.name in ASSEMBLED:
                self._assemble(node)
            elif node.size or node.op.kind is Kind.REDUCE:
                self._place(Store(node, node, View.whole(node)))
        self._share()
        self._settle()
        return self._ordered()

    def _settle(self) -> None:
        """Recompute reads now that all is decided, and drop stores that nobody outside reads."""
        for group in self.groups:
            if group.kind in ("loop", "contract"):
                reads: set[Node] = set()
                if group.core is not None:
                    reads |= {self.view_of(s).base for s in group.core.src}  # type: ignore[union-attr]
                for store in group.stores:
                    if store.value is group.core:
                        continue
                    reduce = store.value.op.kind is Kind.REDUCE and store.value is store.target
                    inner = store.value.src[0] if reduce else store.value
                    own = not reduce and store.value is store.target
                    reads |= {n for n, _ in self.leaves(inner, identity(inner.shape), top=own)}
                group.reads = reads
        wanted = set(self.outputs)
        for group in self.groups:
            for node in group.reads:
                if any(w is not group for w in self.writers.get(node, ())) or node in self.given:
                    wanted.add(node)
        for group in self.groups:
            if group.kind in ("loop", "contract"):
                group.inside = [s for s in group.stores if s.target not in wanted]
                group.stores = [s for s in group.stores if s.target in wanted]
            group.reads = {n for n in group.reads if n in self.given or any(w is not group for w in self.writers.get(n, ()))}

    def _ordered(self) -> list[Group]:
        done, order, waiting = 0, [], [g for g in self.groups if g.stores]
        empty = sum(g.bit for g in self.groups if not g.stores)
        done |= empty
        while waiting:
            ready = next((g for g in waiting if g.before & ~done == 0), None)
            assert ready is not None, "groups depend on each other in a circle"
            order.append(ready)
            waiting.remove(ready)
            done |= ready.bit
        return order


def strange(at: Map) -> bool:
    return any(len(terms) > 1 or shift != 0 or terms[0][1] != 1 for terms, shift in at if terms)


def describe(group: Group) -> str:
    """A group in a few words, for reports."""
    names = [s.value.op.name for s in group.stores]
    head = group.core.op.name if group.core is not None else "loop"
    return f"{head} #{group.number} ({', '.join(names[:4])}{', ...' if len(names) > 4 else ''})"
