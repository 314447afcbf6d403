"""Groups to a plan: which kernels run in which order, what may run side by side, and where every buffer lies.

A plan is a flat list of steps. A `Phase` holds launches that are independent of each other; a phase ends when all its chunks are done.
`LoopBegin` and `LoopEnd` enclose the steps of a scan. Buffers are placed in one arena by lifetime; updates happen in place where
every other reader of the old value can run first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from saltus.base import dtypes as dt
from saltus.ir.node import Node, placeholder, topological
from saltus.ir.spec import Kind
from saltus.schedule.fuse import Fuser, Group, Store, describe
from saltus.schedule.loops import Access, Item, LoopKernel, Write, loop_kernels
from saltus.schedule.steps import Kernel, Launch, LoopBegin, LoopEnd, Phase, Place, Plan, Step
from saltus.schedule.view import View, identity, strides_over

ALIGN = 64


class Target(Protocol):
    """The part of planning that depends on the instruction set."""

    def kernels(self, fuser: Fuser, group: Group, label: str) -> list[list[Kernel]]:
        """The stages of a contraction, scatter, cumulative or host group; kernels of a stage are independent."""
        ...

    def suited(self, kernel: LoopKernel) -> Kernel:
        """A kernel that does what a plain loop does, if there is a better one."""
        ...


@dataclass(eq=False)
class _Task:
    """Kernels to run together, or a loop; `after` are tasks that must be done first."""

    kernels: list[Kernel]
    after: set[int]
    loop: list[Step] | None = None


class Planner:
    """Plans one program; scans are planned inside it, in the same arena."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.places: dict[Node, Place] = {}
        self.outside: set[Node] = set()  # nodes whose memory is given
        self.loops = 0
        self.scratch = 0
        self.count = 0
        self.groups: list[str] = []

    # --- a block: the program, or the body of a scan ------------------------------------------------------------
    def block(self, outputs: Sequence[Node], given: Sequence[Node], targets: Sequence[Place | None], reuse: dict[int, Node],
              instead: dict[int, Node] | None = None) -> list[Step]:  # fmt: skip
        """Steps that compute outputs into places.

        Args:
            outputs: nodes to compute.
            given: nodes that have places already.
            targets: where each output must end up (None: anywhere).
            reuse: output number -> given node whose memory it should take over, in place if that is possible.
            instead: output number -> given node whose memory it takes over if that is possible in place, and whose memory is not its
                target; those for which it is not possible are removed.
        """
        outputs = [_stripped(o, set(given)) for o in outputs]
        fuser = Fuser(outputs, given)
        groups = fuser.run()
        self.groups += [f"{describe(g)} {list(g.domain)}: {g.why}" for g in groups]
        copies: list[tuple[Node, Place, Node | None]] = []  # (value, destination, old value that must have been read)
        taken: set[Node] = set()
        # old values that become the new ones of others: copied at the end, so nobody may write over them before
        passed_on = {o for n, o in enumerate(outputs) if o in fuser.given and reuse.get(n, o) is not o}
        for number, (node, target) in enumerate(zip(outputs, targets, strict=True)):
            if target is None:
                continue
            old = reuse.get(number)
            if node in self.places and self.places[node].same(target):
                continue  # it is there already
            own = node not in fuser.given and node not in taken and node in fuser.writers
            if instead and number in instead:
                if own and instead[number] not in passed_on and self._take_over(fuser, node, instead[number]):
                    old = instead[number]
                    target = self.places[old]
                else:
                    del instead[number]
            if own and (old is None or (old not in passed_on and self._take_over(fuser, node, old))):
                self.places[node] = target
                taken.add(node)
                if old is not None:
                    self._hold_back(fuser, node, old)
            else:
                copies.append((node, target, old))
        early = [c for c in copies if c[0] in fuser.given and c[2] is None]  # before anything is written over them
        tasks: list[_Task] = []
        for node, target, _ in early:
            destination = placeholder(node.shape, node.dtype)
            self.places[destination] = target
            tasks.append(_Task([copy_kernel(node, destination, "copy")], set()))
        writers = {w.number for n in (*reuse, *(instead or ())) if outputs[n] in taken for w in fuser.writers[outputs[n]]}
        self._tasks(fuser, groups, tasks, {n: set(range(len(early))) for n in writers})
        self._copies(fuser, [c for c in copies if c not in early], tasks)
        return self._phases(tasks)

    def _take_over(self, fuser: Fuser, node: Node, old: Node) -> bool:
        """Whether a new value may be written over an old one: its writer reads the old one only at the element it writes,
        and every other reader can run before."""
        writers = fuser.writers[node]
        if old.shape != node.shape or old.dtype is not node.dtype:
            return False
        if len(writers) > 1:  # pieces: then none of those who write one may read the old value
            alone = all(w.kind == "loop" and old not in w.reads for w in writers)
            return alone and not any(r.before & w.bit for w in writers for r in self._readers(fuser, old, w))
        (writer,) = writers
        if writer.kind == "scan":  # the loop's state may live where its start was, if nothing else of the loop reads that
            assert writer.core is not None
            used = [i for i, s in enumerate(writer.core.src) if fuser.view_of(s).base is old]  # type: ignore[union-attr]
            if used != [node.attr("index")]:
                return False
        elif writer.kind not in ("loop", "contract"):
            if old in writer.reads:
                return False
        elif not self._same_index(fuser, writer, node, old):
            return False
        return all(not r.before & writer.bit for r in self._readers(fuser, old, writer))

    def _same_index(self, fuser: Fuser, writer: Group, node: Node, old: Node) -> bool:
        """Whether a kernel reads the old value only at the element where it writes the new one."""
        if node.op.name == "concat":
            return self._same_points(fuser, writer, node, old)
        store = writer.made(node)
        if store is None:
            return False
        if writer.core is not None and any(fuser.view_of(s).base is old for s in writer.core.src):  # type: ignore[union-attr]
            return False
        if _read_again(writer, node, old):
            return False
        for s in (*writer.stores, *writer.inside):
            if s.value is writer.core:
                continue
            fold = s.value.op.kind is Kind.REDUCE and s.value is s.target
            inner = s.value.src[0] if fold else s.value
            for leaf, at in fuser.leaves(inner, identity(inner.shape), top=not fold and s.value is s.target):
                elsewhere = at is None or at != identity(old.shape) or s.value.shape != node.shape
                if leaf is old and (elsewhere or (fold and bool(writer.reduced))):
                    return False
        return True

    def _same_points(self, fuser: Fuser, writer: Group, node: Node, old: Node) -> bool:
        """Whether a kernel that writes all pieces of a value reads the old one only where it writes at the same point of its loops."""
        stores, axes = (*writer.stores, *writer.inside), len(writer.domain)
        if writer.kind != "loop" or writer.reduced or any(s.value.shape != writer.domain for s in stores):
            return False
        own = identity(writer.domain)
        places = {strides_over(s.view, own, axes) for s in stores if s.target is node}
        reads = [at for s in stores for leaf, at in fuser.leaves(s.value, own, top=s.value is s.target) if leaf is old]
        return all(at is not None and strides_over(View.whole(old), at, axes) in places for at in reads)

    def _readers(self, fuser: Fuser, node: Node, without: Group) -> list[Group]:
        return [g for g in fuser.groups if g.stores and g is not without and node in g.reads]

    def _hold_back(self, fuser: Fuser, node: Node, old: Node) -> None:
        """Make those who write in place wait for the other readers of the old value."""
        for writer in fuser.writers[node]:
            for reader in self._readers(fuser, old, writer):
                writer.before |= reader.before | reader.bit
            for other in fuser.groups:
                if other.before & writer.bit:
                    other.before |= writer.before

    def _tasks(self, fuser: Fuser, groups: list[Group], tasks: list[_Task], wait: dict[int, set[int]]) -> None:
        """Append the tasks of groups; `wait` gives tasks some groups must also come after."""
        last: dict[int, int] = {}  # group -> its final task
        for group in sorted(groups, key=lambda g: (g.before.bit_count(), g.number)):
            after = {last[n] for n in last if group.before >> n & 1} | wait.get(group.number, set())
            self.count += 1
            label = f"{self.count}.{'+'.join(_names(group))}"
            if group.kind == "scan":
                tasks.append(_Task([], after, loop=self._scan(fuser, group)))
            else:
                stages: list[list[Kernel]]
                if group.kind == "loop":
                    stages = [[self.target.suited(kernel)] for kernel in loop_kernels(fuser, group, label)]
                else:
                    stages = self.target.kernels(fuser, group, label)
                for k, stage in enumerate(stages):
                    tasks.append(_Task(list(stage), after if k == 0 else {len(tasks) - 1}))
            last[group.number] = len(tasks) - 1

    def _copies(self, fuser: Fuser, copies: list[tuple[Node, Place, Node | None]], tasks: list[_Task]) -> None:
        """Outputs that could not be written where they belong are copied there at the end."""
        if not copies:
            return
        done = set(range(len(tasks)))
        moved = [(node, target) for node, target, _ in copies]
        overwritten = {target.root for _, target in moved}
        staged = []
        for node, target in moved:
            if self._place(node).root in overwritten and node in fuser.given:  # a swap: through a temporary
                temporary = placeholder(node.shape, node.dtype)
                tasks.append(_Task([copy_kernel(node, temporary, "copy")], set(done)))
                staged.append((temporary, target))
            else:
                staged.append((node, target))
        before = set(range(len(tasks)))
        for node, target in staged:
            destination = placeholder(node.shape, node.dtype)
            self.places[destination] = target
            tasks.append(_Task([copy_kernel(node, destination, "copy")], set(before)))

    def _place(self, node: Node) -> Place:
        if node not in self.places:
            self.places[node] = Place(node)
        return self.places[node]

    def _phases(self, tasks: list[_Task]) -> list[Step]:
        """Tasks by depth: what does not depend on each other shares a phase."""
        launches = [[x for kernel in task.kernels if (x := self._launch(kernel))] for task in tasks]
        depth = self._depths(tasks, launches)
        levels: list[list[int]] = [[] for _ in range(max(depth, default=-1) + 1)]
        for number, level in enumerate(depth):
            levels[level].append(number)
        steps: list[Step] = []
        for here in levels:
            phase = Phase(sorted((x for number in here for x in launches[number]), key=_chunk_cost, reverse=True))
            if phase.launches:
                steps.append(phase)
            for number in here:  # the steps of a loop stay together
                steps.extend(tasks[number].loop or ())
        return steps

    def _depths(self, tasks: list[_Task], launches: list[list[Launch]]) -> list[int]:
        """The phase of each task: the first it can run in, or a later one if buffers are needed for a shorter time then.

        What only fills a buffer (the zeros of padding, a turned kernel) would otherwise be there from the beginning on.
        """
        depth: list[int] = []
        follow: list[list[int]] = [[] for _ in tasks]
        for number, task in enumerate(tasks):
            depth.append(1 + max((depth[a] for a in task.after), default=-1))
            for a in task.after:
                follow[a].append(number)
        used: list[list[Node]] = []
        users: dict[Node, list[int]] = {}
        for number, task in enumerate(tasks):
            inner = [x for s in task.loop or () if isinstance(s, Phase) for x in s.launches]
            roots = {place.root: None for x in (*launches[number], *inner) for _, place in x.pointers}
            used.append([root for root in roots if root not in self.outside])
            for root in used[-1]:
                users.setdefault(root, []).append(number)
        for number in sorted(range(len(tasks)), key=lambda n: -depth[n]):
            now, last = depth[number], min((depth[n] for n in follow[number]), default=0) - 1
            if last <= now or tasks[number].loop is not None:
                continue
            spans = []  # (bytes, first, last use by others)
            for root in used[number]:
                others = [depth[n] for n in users[root] if n != number]
                if others:
                    spans.append((root.nbytes, min(others), max(others)))
            turns = {now, last, *(d for _, *ends in spans for d in ends if now < d < last)}
            depth[number] = min(sorted(turns, reverse=True), key=lambda d: sum(size * (max(b, d) - min(a, d)) for size, a, b in spans))
        return depth

    def _launch(self, kernel: Kernel) -> Launch | None:
        """A kernel with its arguments, unless it has nothing to do."""
        words, pointers, chunks = kernel.words()
        self.scratch = max(self.scratch, kernel.scratch)
        return Launch(kernel, words, [(slot, self._moved(n, o)) for slot, n, o in pointers], chunks) if chunks else None

    def _moved(self, node: Node, offset: int) -> Place:
        place = self._place(node)
        return Place(place.root, place.offset + offset, place.moves)

    # --- scans --------------------------------------------------------------------------------------------------
    def _scan(self, fuser: Fuser, group: Group) -> list[Step]:
        node = group.core
        assert node is not None
        body, length, carry, xs = node.attr("body"), node.attr("length"), node.attr("carry"), node.attr("xs")
        loop = self.loops
        self.loops += 1
        stored = {s.value.attr("index"): s.value for s in group.stores}
        results = [stored.get(i) or placeholder(shape, dtype) for i, (shape, dtype) in enumerate(node.parts)]
        begin: list[Step] = []
        phase = Phase()
        histories = self._histories(node, loop, results)
        inside: dict[Node, Place] = {}  # a body sees its inputs only; a node it shares with its surroundings is made anew
        for i, parameter in enumerate(body.inputs):
            view = fuser.view_of(node.src[i])
            assert view is not None and view.dense
            source = self._moved(view.base, view.offset * node.src[i].dtype.itemsize)
            if i < carry:
                home = self._place(results[i])
                inside[parameter], first = histories[i][::2] if i in histories else (home, home)
                if not first.same(source):
                    begins = placeholder(parameter.shape, parameter.dtype)
                    self.places[begins] = first
                    phase.launches += [x] if (x := self._launch(copy_kernel(view.base, begins, "carry", offset=view.offset))) else []
            elif i < carry + xs:
                inside[parameter] = Place(source.root, source.offset, (*source.moves, (loop, parameter.nbytes)))
            else:
                inside[parameter] = source
        targets: list[Place | None] = []
        for i, out in enumerate(body.outputs):
            home = self._place(results[i])
            state = histories[i][1] if i in histories else home
            targets.append(state if i < carry else Place(home.root, home.offset, (*home.moves, (loop, out.nbytes))))
        reuse = {i: body.inputs[i] for i in range(carry) if i not in histories}
        freed = self._freed(fuser, group, results)
        instead = {i: body.inputs[k] for i, k in freed.items()}
        outside, self.places = self.places, inside
        inner = self.block(body.outputs, body.inputs, targets, reuse, instead) if length else []
        self.places = outside
        for i in instead:
            self.places[results[i]] = self._place(node.src[freed[i]])
        if phase.launches:
            begin.append(phase)
        if not length:
            return begin
        return [*begin, LoopBegin(loop, length, node.attr("reverse")), *inner, LoopEnd(loop)]

    def _histories(self, node: Node, loop: int, results: Sequence[Node]) -> dict[int, tuple[Place, Place, Place]]:
        """State of which every step's value is kept lives where it is kept: each step reads one and writes the next one.

        Returns:
            For the number of such a state, its places before a step, after it, and before the first one.
        """
        body, length, carry = node.attr("body"), node.attr("length"), node.attr("carry")
        states = {parameter: c for c, parameter in enumerate(body.inputs[:carry]) if body.outputs[c] is not parameter}
        found: dict[int, tuple[Place, Place, Place]] = {}
        for i, kept in enumerate(body.outputs[carry:], carry):
            c = states.pop(kept, None)
            if c is None or not length or results[c] in self.places or results[i] in self.places:
                continue
            size = kept.nbytes
            root, ends = placeholder(((length + 1) * size,), dt.uint8), [0, length * size]
            before, after = 0, size
            if node.attr("reverse"):
                before, after, ends = size, 0, ends[::-1]
            self.places[results[i]] = Place(root, before)
            self.places[results[c]] = Place(root, ends[1])
            found[c] = Place(root, before, ((loop, size),)), Place(root, after, ((loop, size),)), Place(root, ends[0])
        return found

    def _freed(self, fuser: Fuser, group: Group, results: Sequence[Node]) -> dict[int, int]:
        """Stacked results of a loop, each with an array that it reads step by step and that nobody reads after it: the results may
        take its place, step by step."""
        node = group.core
        assert node is not None
        first, last = node.attr("carry"), node.attr("carry") + node.attr("xs")
        read = [view.base for s in node.src if (view := fuser.view_of(s))]
        found: dict[int, int] = {}
        for k in range(first, last):
            array = node.src[k]
            own = array in fuser.stored and array not in fuser.given and array not in fuser.outputs and self._place(array).root is array
            others = self._readers(fuser, array, group)
            if not own or array in self.outside or read.count(array) > 1 or any(not r.bit & group.before for r in others):
                continue
            for i in range(first, len(results)):
                same = results[i].shape == array.shape and results[i].dtype is array.dtype
                if same and i not in found and results[i] not in fuser.outputs and self._place(results[i]).root is results[i]:
                    found[i] = k
                    break
        return found

    # --- memory -------------------------------------------------------------------------------------------------
    def arena(self, steps: list[Step]) -> tuple[dict[Node, int], int]:
        """Offsets of all buffers that nobody outside sees: first fit by size, free again after their last use."""
        spans: list[tuple[int, int]] = []  # (begin, end) of every loop
        starts: list[int] = []
        for i, s in enumerate(steps):
            if isinstance(s, LoopBegin):
                starts.append(i)
            elif isinstance(s, LoopEnd):
                spans.append((starts.pop(), i))
        life: dict[Node, list[int]] = {}
        for i, s in enumerate(steps):
            if not isinstance(s, Phase):
                continue
            for launch in s.launches:
                for _, place in launch.pointers:
                    if place.root not in self.outside:
                        known = life.setdefault(place.root, [i, i])
                        known[1] = i
        for span in life.values():
            for begin, end in sorted(spans):
                if span[0] < begin <= span[1] <= end:  # made before the loop, read in it: needed to its end
                    span[1] = end
                elif begin < span[0] <= end < span[1]:  # made in the loop, read after it
                    span[0] = begin
        placed: list[tuple[int, int, int, int]] = []  # (offset, size, first, last)
        offsets: dict[Node, int] = {}
        top = 0
        for node, (first, final) in sorted(life.items(), key=lambda kv: -kv[0].nbytes):
            size = -(-max(node.nbytes, 1) // ALIGN) * ALIGN
            at = 0
            for offset, other, a, b in placed:  # kept sorted by offset
                if a <= final and first <= b:
                    if at + size <= offset:
                        break
                    at = max(at, offset + other)
            offsets[node] = at
            placed.append((at, size, first, final))
            placed.sort()
            top = max(top, at + size)
        return offsets, top


def _stripped(node: Node, given: set[Node]) -> Node:
    """A reshaped output is the same bytes as what it reshapes: that is what gets computed into its place."""
    while node not in given and node.op.name == "reshape":
        node = node.src[0]
    return node


def _read_again(group: Group, node: Node, old: Node) -> bool:
    """Whether a group reads an old value in a pass over the row after the one that writes `node`: a fold takes one pass, what needs
    it the next, and there everything but folds is computed anew."""
    stores = (*group.stores, *group.inside)
    folds = {s.value for s in stores if s.value.op.kind is Kind.REDUCE and s.value is not group.core}
    if not folds:
        return False
    edge = {old, *group.reads} | ({group.core} if group.core is not None else set())
    known: dict[Node, tuple[int, bool]] = {}  # the pass in which a value is computed, and whether the old one is read for it there
    for value in topological([s.value for s in stores], stop=edge.__contains__):
        below = [] if value in edge else [(known[s][0] + 1, False) if s in folds else known[s] for s in value.src]
        known[value] = (max((turn for turn, _ in below), default=0), value is old or any(reads for _, reads in below))
    first = known[node][0]
    return any(turn > first and reads for turn, reads in (known[s.value] for s in stores))


def _chunk_cost(launch: Launch) -> float:
    """About the cycles of a chunk. The longest of a phase run first, so that the last ones, which threads wait for, are short."""
    return (launch.kernel.flops / 16 + launch.kernel.nbytes / 8) / launch.chunks


def _names(group: Group) -> list[str]:
    names = [group.core.op.name] if group.core is not None else []
    for s in group.stores:
        name = s.value.op.name
        if name not in names and s.value.op.kind is not Kind.PART:
            names.append(name)
    return names[:5]


def copy_kernel(source: Node, target: Node, label: str, *, offset: int = 0) -> LoopKernel:
    """A dense copy of all of `target` from `source`, starting at element `offset`."""
    bits = min(target.dtype.itemsize, 8) * 8
    carrier = {8: dt.uint8, 16: dt.uint16, 32: dt.uint32, 64: dt.uint64}[bits]  # moved as they lie, whatever they mean
    words = target.dtype.itemsize // carrier.itemsize
    accesses = [Access(source, carrier, offset * words, (1,)), Access(target, carrier, 0, (1,))]
    items = [Item("load", carrier, 2, access=0)]
    extents = (target.size * words,)
    why = "brings a value to its place"
    return LoopKernel(extents, 0, True, accesses, items, [Write(0, 1)], [], bits, why=why, label=label)


def make_plan(inputs: Sequence[Node], outputs: Sequence[Node], donate: Sequence[int], target: Target) -> tuple[Plan, list[str]]:
    """Plan a program.

    Args:
        inputs: placeholder nodes.
        outputs: nodes to compute.
        donate: positions of inputs whose memory outputs may take over.
        target: kernels of the instruction set.

    Returns:
        The plan, and a line about each group.
    """
    planner = Planner(target)
    for node in inputs:
        planner.places[node] = Place(node)
    homes = [placeholder(o.shape, o.dtype) for o in outputs]
    aliases: dict[int, int] = {}
    free = {(inputs[i].shape, inputs[i].dtype): [] for i in donate}  # type: ignore[var-annotated]
    for i in donate:
        free[inputs[i].shape, inputs[i].dtype].append(i)
    targets: list[Place | None] = []
    reuse: dict[int, Node] = {}
    for number, o in enumerate(outputs):
        candidates = free.get((o.shape, o.dtype), [])
        if candidates and o.size:
            aliases[number] = candidates.pop(0)
            reuse[number] = inputs[aliases[number]]
            targets.append(Place(inputs[aliases[number]]))
        else:
            targets.append(Place(homes[number]))
    planner.outside = {*inputs, *homes}
    steps = planner.block(outputs, inputs, targets, reuse)
    offsets, top = planner.arena(steps)
    return Plan(steps, list(inputs), homes, offsets, top, planner.scratch, aliases, planner.loops), planner.groups


__all__ = [
    "Kernel",
    "Launch",
    "LoopBegin",
    "LoopEnd",
    "Phase",
    "Place",
    "Plan",
    "Planner",
    "Store",
    "Target",
    "View",
    "copy_kernel",
    "make_plan",
]
