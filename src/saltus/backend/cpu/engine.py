"""The native engine's front: graph to program. Takes plan and machine code from the store or has them made (`building.py`), lays out the
tables, runs."""

from __future__ import annotations

import contextlib
import copy
import ctypes
import importlib
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from operator import itemgetter
from typing import Any

import numpy as np

from saltus.backend.cpu import binding, plans, runtime
from saltus.backend.cpu import compile as machine
from saltus.base import settings
from saltus.ir.node import Node
from saltus.schedule.steps import Kernel, Launch, LoopBegin, LoopEnd, Phase, Place, Plan, calls_host

Array = np.ndarray[Any, Any]
ALONE = 150_000  # cycles of shareable work below which waking helpers costs more than they bring
SHARED_PHASE = 30_000  # cycles below which a phase is done before another core has seen it
RECYCLED = 1 << 18  # bytes from which the memory of a result is kept for the next call
BRIEF = 100_000  # cycles of a program up to which it keeps Python's lock: giving it away and getting it back costs more than it brings
PARALLEL_COMPILE = 3  # kernels to compile from which two threads pay


_addresses: dict[str, int] = {}  # symbol -> function
_addresses_lock = threading.Lock()


def function_addresses(kernels: Sequence[Kernel]) -> list[int]:
    """Machine code of kernels: from this process, from the store, or compiled now, side by side.

    Raises:
        Lost: a kernel of a kept plan has none.
    """
    fixed = [k.address() if calls_host(k) else None for k in kernels]  # type: ignore[attr-defined]
    symbols = [plans.symbol_of(k) if f is None else "" for k, f in zip(kernels, fixed, strict=True)]
    with _addresses_lock:
        missing = {symbol: k for symbol, k in zip(symbols, kernels, strict=True) if symbol and symbol not in _addresses}
        fresh: list[tuple[str, Kernel]] = []
        for symbol, kernel in missing.items():
            code = machine.read_stored(symbol)
            if code is not None:
                _addresses[symbol] = machine.load(symbol, code)
            elif isinstance(kernel, plans.KnownKernel):
                raise plans.Lost
            else:
                fresh.append((symbol, kernel))

        build = _building().object_of if fresh else None
        if len(fresh) >= PARALLEL_COMPILE and settings.threads() > 1:
            with ThreadPoolExecutor(min(settings.threads(), 8)) as threads:
                codes = list(threads.map(build, *zip(*fresh, strict=True)))
        else:
            codes = [build(symbol, kernel) for symbol, kernel in fresh]
        for (symbol, _), code in zip(fresh, codes, strict=True):
            machine.write_stored(symbol, code)
            _addresses[symbol] = machine.load(symbol, code)
        return [_addresses[symbol] if f is None else f for symbol, f in zip(symbols, fixed, strict=True)]


def aligned(nbytes: int, align: int = 64) -> Array:
    """Zeroed bytes starting at a multiple of `align`."""
    raw = np.zeros(nbytes + align, np.uint8)
    shift = -raw.ctypes.data % align
    # the array owns its slice through a memoryview, so that references to it can be counted
    return np.frombuffer(memoryview(raw)[shift : shift + nbytes], np.uint8)


class NativeProgram:
    """A planned and compiled graph. Calls that overlap, from several threads of Python, get a copy of the arena each."""

    def __init__(self, plan: Plan, groups: list[str], name: str, results: Sequence[Node]) -> None:
        self.plan, self.groups, self.name = plan, groups, name
        self.results = [(r.shape, r.dtype.numpy) for r in results]
        launches = plan.launches()
        self._functions = function_addresses([x.kernel for x in launches])
        self._hosts = [x.kernel for x in launches if calls_host(x.kernel)]
        self._twins: list[NativeProgram] = []
        self._twins_lock = threading.Lock()
        self._allocate()
        self.alone = self._shareable() < ALONE
        self._new = [(k, *form) for k, form in enumerate(self.results) if k not in plan.aliases]
        taken = [plan.aliases.get(k, -1) for k in range(len(plan.outputs))]  # the input whose memory a result takes over
        several = len(taken) > 1 and plan.inputs
        self._pick: Any = itemgetter(*taken) if several else lambda arrays: [arrays[k] if k >= 0 else None for k in taken]
        natively = binding.functions()
        self._bind_natively = natively["bind"] if natively else None
        self._call_natively = natively["call"] if natively and self.alone and self._brief() else None

    def _brief(self) -> bool:
        """Whether the whole program is done before another thread would miss Python's lock."""
        if self._hosts or any(isinstance(s, LoopBegin) for s in self.plan.steps):
            return False
        return sum(x.kernel.flops / 16 + x.kernel.nbytes / 8 for x in self.plan.launches()) < BRIEF

    def _allocate(self) -> None:
        """Memory of one run at a time: arena, scratch and tables."""
        plan = self.plan
        self._lock = threading.Lock()
        self._arena = aligned(plan.arena)
        self._scratch_bytes = -(-plan.scratch // 64) * 64 + 64
        self._scratch = aligned(self._scratch_bytes * settings.threads())
        self._tables(plan.launches(), self._functions)
        forms = [(n.shape, n.dtype.numpy) for n in plan.inputs]
        self._binding = binding.Binding(self._state_address, forms, len(plan.outputs), self._places)
        self._failure: list[BaseException] = []
        self._spare: dict[int, list[Array]] = {}

    def _free(self) -> NativeProgram:
        """This program or a copy of it, locked for the caller."""
        if self._lock.acquire(blocking=False):
            return self
        if self._hosts or not settings.crowded():  # a host call knows one listener; and without a crowd cores are busy anyway
            self._lock.acquire()
            return self
        with self._twins_lock:
            for twin in self._twins:
                if twin._lock.acquire(blocking=False):
                    return twin
            twin = copy.copy(self)
            twin._allocate()
            twin._lock.acquire()
            self._twins.append(twin)
            return twin

    def _shareable(self) -> float:
        """Work, in rough cycles, that helpers could take over: that of phases with several chunks."""
        total, turns = 0.0, [1]
        for s in self.plan.steps:
            if isinstance(s, LoopBegin):
                turns.append(turns[-1] * s.length)
            elif isinstance(s, LoopEnd):
                turns.pop()
            elif sum(x.chunks for x in s.launches) > 1:
                cost = [x.kernel.flops / 16 + x.kernel.nbytes / 8 for x in s.launches]
                if sum(cost) > SHARED_PHASE:
                    total += turns[-1] * sum(cost)
        return total

    def _tables(self, launches: list[Launch], functions: list[int]) -> None:
        """Arguments of all launches in one block, and the tables of runtime.py."""
        external = {node: k for k, node in enumerate([*self.plan.inputs, *self.plan.outputs])}
        for output, given in self.plan.aliases.items():
            external[self.plan.outputs[output]] = given
        total = sum(len(x.words) for x in launches)
        moving = sum(len(p.moves) for x in launches for _, p in x.pointers)
        words = np.zeros(total + moving + 8, np.int64)
        base = words.ctypes.data
        arena = self._arena.ctypes.data
        self._places: list[tuple[int, int, int]] = []  # (address of the word, number of the array, offset)
        patches: dict[int, list[list[int]]] = {}
        starts, at = [], 0
        extra = total
        for x in launches:
            starts.append(at)
            words[at : at + len(x.words)] = x.words
            for slot, place in x.pointers:
                word = at + slot
                chain = [word]
                for _ in place.moves:
                    chain.append(extra)
                    extra += 1
                # chain[-1] holds the address before any loop moves it; each loop writes the next one
                for (loop, step), target, source in zip(place.moves, reversed(chain[:-1]), reversed(chain[1:]), strict=True):
                    patches.setdefault(loop, []).append([base + 8 * target, base + 8 * source, step, 0])
                first = chain[-1]
                if place.root in external:
                    self._places.append((base + 8 * first, external[place.root], place.offset))
                else:
                    words[first] = arena + self.plan.offsets[place.root] + place.offset
            at += len(x.words)
        self._words = words
        phases: list[list[int]] = []
        rows = []
        begins: dict[int, tuple[int, LoopBegin]] = {}
        ends: dict[int, int] = {}
        index = 0
        for s in self.plan.steps:
            if isinstance(s, Phase):
                count = len(s.launches)
                phases.append([0, index, count, sum(x.chunks for x in s.launches)])
                for x in s.launches:
                    rows.append([functions[index], base + 8 * starts[index], x.chunks, 0])
                    index += 1
            elif isinstance(s, LoopBegin):
                begins[s.loop] = (len(phases), s)
                phases.append([1, s.loop, 0, 0])
            elif isinstance(s, LoopEnd):
                ends[s.loop] = len(phases)
                phases.append([2, s.loop, 0, 0])
        self._patches = {k: np.array(v, np.int64) for k, v in patches.items()}
        loops = np.zeros((max(self.plan.loops, 1), 8), np.int64)
        for k, (where, begin) in begins.items():
            table = self._patches.get(k)
            loops[k] = [
                0,
                begin.length,
                int(begin.reverse),
                where + 1,
                ends[k] + 1,
                0 if table is None else table.ctypes.data,
                0 if table is None else len(table),
                0,
            ]
        self._phase_table = np.array(phases or [[0, 0, 0, 0]], np.int64)
        self._launch_table = np.array(rows or [[0, 0, 0, 0]], np.int64)
        self._loop_table = loops
        raw = aligned(8 * runtime.STATE_WORDS)
        state = raw.view(np.int64)
        state[runtime.CLAIM] = runtime.END << 32
        state[runtime.PHASES] = self._phase_table.ctypes.data
        state[runtime.LAUNCHES] = self._launch_table.ctypes.data
        state[runtime.LOOPS] = self._loop_table.ctypes.data
        state[runtime.SCRATCH] = self._scratch.ctypes.data
        state[runtime.SCRATCH_BYTES] = self._scratch_bytes
        state[runtime.COUNT] = len(phases)
        self._state = state
        self._state_address = state.ctypes.data

    def __call__(self, arrays: Sequence[Array]) -> list[Array]:
        """Run once: arrays in C order, one an input; donated ones are overwritten and returned."""
        if type(arrays) is not list:
            arrays = list(arrays)
        program = self if self._lock.acquire(False) else self._free()
        try:
            outputs: list[Array] = [*self._pick(arrays)]
            for k, shape, dtype in self._new:
                outputs[k] = program._result(k, shape, dtype)
            call = program._call_natively if program.alone else None
            if call is None or call(program._binding.address, arrays, outputs):
                program._run(arrays, outputs)
        finally:
            program._lock.release()
        return outputs

    def in_place(self, count: int) -> bool:
        """Whether each of the first `count` results takes over the memory of the input of its number."""
        return all(self.plan.aliases.get(k) == k for k in range(count))

    def short_way(self, outputs: list[Array]) -> Callable[[list[Array]], bool] | None:
        """Calls with the least delay, or None if the program is not made for them.

        Args:
            outputs: where results go, each time; those of results that take over an input's memory are not looked at.

        Returns:
            A function that runs once on a list of arrays; it gives False, with nothing done, where they are not what the
            program was compiled for, or somebody else is running it.
        """
        if self._call_natively is None:
            return None
        call, table = self._call_natively, self._binding.address
        acquire, release = self._lock.acquire, self._lock.release

        def run(arrays: list[Array]) -> bool:
            if not acquire(False):
                return False
            try:
                return not call(table, arrays, outputs)
            finally:
                release()

        return run

    def exclusive_way(self, references: int) -> Callable[[list[Array]], list[Array] | None] | None:
        """As `short_way`, for inputs that may be overwritten only where nobody else sees them.

        Args:
            references: to each overwritten array, beside those of the lists of inputs and results.

        Returns:
            A function from a list of arrays to results; None, with nothing done, where the long way must decide.
        """
        if self._call_natively is None:
            return None
        forms = [(n.shape, n.dtype.numpy) for n in self.plan.inputs]
        limits = dict.fromkeys(self.plan.aliases.values(), references + 2)
        table = binding.Binding(self._state_address, forms, len(self.plan.outputs), self._places, limits)
        call, pick, new, result = self._call_natively, self._pick, self._new, self._result
        acquire, release = self._lock.acquire, self._lock.release

        def run(arrays: list[Array]) -> list[Array] | None:
            outputs = [*pick(arrays)]
            for k, shape, dtype in new:
                outputs[k] = result(k, shape, dtype)
            if not acquire(False):
                return None
            try:
                return None if call(table.address, arrays, outputs) else outputs
            finally:
                release()

        return run

    def _run(self, arrays: list[Array], outputs: list[Array]) -> None:
        """The way through Python: for arrays that the short way refuses, host calls, and whatever takes long."""
        self._bind(arrays, outputs)
        for host in self._hosts:
            host.listen(self._failed)
        runtime.run(self._state_address, self, alone=self.alone)
        if self._failure:
            error, self._failure = self._failure[0], []
            self._state[runtime.ABORT] = 0
            raise error

    def _result(self, number: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        """Memory for an output. Large ones come back: fresh pages cost more than the arithmetic that fills them.

        Those of the first call do not: many a program runs once, and must not hold what it gave.
        """
        if not shape:
            return np.empty(shape, dtype)
        nbytes = dtype.itemsize
        for n in shape:
            nbytes *= n
        if nbytes < RECYCLED:
            return np.empty(shape, dtype)
        spare = self._spare.get(number)
        if spare is None:
            self._spare[number] = []
            return aligned(nbytes).view(dtype).reshape(shape)
        for base in spare:
            if sys.getrefcount(base) == 3:  # this loop, the list and the call: nobody looks at it any more
                return base.view(dtype).reshape(shape)
        base = aligned(nbytes)
        if len(spare) < 2:
            spare.append(base)
        return base.view(dtype).reshape(shape)

    def _bind(self, arrays: list[Array], outputs: list[Array]) -> None:
        """Write the addresses of arrays into the argument words."""
        if self._bind_natively is not None and not self._bind_natively(self._binding.address, arrays, outputs):
            return
        addresses = [a.__array_interface__["data"][0] for a in (*arrays, *outputs)]
        for word, number, offset in self._places:
            ctypes.c_int64.from_address(word).value = addresses[number] + offset

    def profile(self, arrays: Sequence[Array] | None = None, seconds: float = 0.002) -> list[float]:
        """Seconds of each kernel on one thread, in the order of the plan.

        Args:
            arrays: inputs to run on; donated ones change. None makes arrays of zeros.
            seconds: time to spend on each kernel.
        """
        given = [np.zeros(n.shape, n.dtype.numpy) for n in self.plan.inputs] if arrays is None else list(arrays)
        self(given)
        outputs = [given[self.plan.aliases[k]] if k in self.plan.aliases else np.empty(*form) for k, form in enumerate(self.results)]
        times = []
        with self._lock:
            self._bind(given, outputs)
            for x, (function, arguments, chunks, _) in zip(self.plan.launches(), self._launch_table.tolist(), strict=False):
                turns, spent = 1, 0.0
                while True:
                    begin = time.perf_counter()
                    runtime.repeat(function, arguments, chunks, self._scratch.ctypes.data, turns)
                    spent = time.perf_counter() - begin
                    if spent >= seconds or turns >= 1 << 16 or calls_host(x.kernel):
                        break
                    turns *= 4
                times.append(spent / turns)
        return times

    def _failed(self, error: BaseException) -> None:
        """A host call raised: the program stops at the end of the phase, and the caller gets the error."""
        self._failure.append(error)
        self._state[runtime.ABORT] = 1

    def explain(self, *, timed: bool = True) -> str:
        """Kernels in order with time on one thread, chunks, bytes, flops, and why each begins where it does."""
        who = "one thread" if self.alone else "all threads"
        lines = [f"{self.name}: arena {self.plan.arena:,} bytes, {len(self.plan.launches())} kernels, {who}"]
        times = iter(self.profile() if timed else [])
        depth = 0
        for s in self.plan.steps:
            depth -= isinstance(s, LoopEnd)
            pad = "  " * (depth + 1)
            if isinstance(s, Phase):
                for x in s.launches:
                    k, t = x.kernel, next(times, None)
                    spent = "" if t is None else f"{t * 1e6:>10,.2f} us"
                    lines.append(f"{pad}{k.label:<40}{spent} {x.chunks:>5} chunks {k.nbytes:>12,} bytes {k.flops:>14,} flops  {k.why}")
            elif isinstance(s, LoopBegin):
                lines.append(f"{pad}loop of {s.length} steps")
                depth += 1
        return "\n".join(lines)


def _building() -> Any:
    """What plans and compiles: loaded when there is something new, since a program that was planned before needs none of it."""
    return importlib.import_module("saltus.backend.cpu.building")


def compile_graph(inputs: tuple[Node, ...], outputs: tuple[Node, ...], *, donate: tuple[int, ...], name: str) -> NativeProgram:
    """See backend.base.compile_graph."""
    kept = plans.name_of(inputs, outputs, donate)
    found = None if kept is None else plans.read(kept, inputs, outputs)
    if found is not None:
        with contextlib.suppress(plans.Lost):
            return NativeProgram(*found, name, outputs)
    plan, groups = _building().planned(inputs, outputs, donate, name)
    program = NativeProgram(plan, groups, name, outputs)
    if kept is not None:
        plans.keep(kept, plan, groups)  # after its machine code
    return program


__all__ = ["NativeProgram", "Place", "compile_graph"]
