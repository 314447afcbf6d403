"""The native engine's front: graph to program. Plans, compiles what is not in the store, lays out the tables, runs."""

from __future__ import annotations

import sys
import threading
import time
import weakref
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from saltus.backend.cpu import compile as machine
from saltus.backend.cpu import kernels as native
from saltus.backend.cpu import runtime
from saltus.base import settings
from saltus.ir.node import Node
from saltus.schedule.plan import Kernel, Launch, LoopBegin, LoopEnd, Phase, Place, Plan, make_plan
from saltus.transform.pipeline import prepare

Array = np.ndarray[Any, Any]
ALONE = 150_000  # cycles of shareable work below which waking helpers costs more than they bring
SHARED_PHASE = 30_000  # cycles below which a phase is done before another core has seen it
RECYCLED = 1 << 18  # bytes from which the memory of a result is kept for the next call
PARALLEL_COMPILE = 3  # kernels to compile from which two threads pay


_addresses: dict[str, int] = {}
_addresses_lock = threading.Lock()


def function_addresses(kernels: Sequence[Kernel]) -> list[int]:
    """Machine code of kernels: from this process, from the store, or compiled now, side by side."""
    bits = machine.vector_bits()
    fixed = [native.fixed_address(k) for k in kernels]
    keys = [k.key() if f is None else "" for k, f in zip(kernels, fixed, strict=True)]
    with _addresses_lock:
        missing = {key: k for key, k in zip(keys, kernels, strict=True) if key and key not in _addresses}
        fresh: list[tuple[str, str, Kernel]] = []
        for key, kernel in missing.items():
            symbol = machine.symbol_of(key)
            code = machine.read_stored(symbol)
            if code is None:
                fresh.append((key, symbol, kernel))
            else:
                _addresses[key] = machine.load(symbol, code)

        def build(job: tuple[str, str, Kernel]) -> bytes:
            return machine.object_code(native.emit(job[2], job[1], bits))

        if len(fresh) >= PARALLEL_COMPILE and settings.threads() > 1:
            with ThreadPoolExecutor(min(settings.threads(), 8)) as threads:
                codes = list(threads.map(build, fresh))
        else:
            codes = [build(job) for job in fresh]
        for (key, symbol, _), code in zip(fresh, codes, strict=True):
            machine.write_stored(symbol, code)
            _addresses[key] = machine.load(symbol, code)
        return [_addresses[key] if f is None else f for key, f in zip(keys, fixed, strict=True)]


def aligned(nbytes: int, align: int = 64) -> Array:
    """Zeroed bytes starting at a multiple of `align`."""
    raw = np.zeros(nbytes + align, np.uint8)
    shift = -raw.ctypes.data % align
    # the array owns its slice through a memoryview, so that references to it can be counted
    return np.frombuffer(memoryview(raw)[shift : shift + nbytes], np.uint8)


def _nothing() -> None:
    """Stands for a reference to an array not seen yet."""


class NativeProgram:
    """A planned and compiled graph. Calls are serialised: the program owns its arena."""

    def __init__(self, plan: Plan, groups: list[str], name: str, results: Sequence[Node]) -> None:
        self.plan, self.groups, self.name = plan, groups, name
        self._lock = threading.Lock()
        self._results = [(r.shape, r.dtype.numpy) for r in results]
        launches = plan.launches()
        functions = function_addresses([x.kernel for x in launches])
        workers = settings.threads()
        self._arena = aligned(plan.arena)
        self._scratch_bytes = -(-plan.scratch // 64) * 64 + 64
        self._scratch = aligned(self._scratch_bytes * workers)
        self._tables(launches, functions)
        self._known: list[Any] = [_nothing] * len(plan.inputs)
        self._addresses = np.zeros(len(plan.inputs) + len(plan.outputs), np.int64)
        for output, given in plan.aliases.items():  # their words refer to the input
            self._dynamic_external[self._dynamic_external == len(plan.inputs) + output] = given
        self.alone = self._shareable() < ALONE
        self._failure: list[BaseException] = []
        self._spare: dict[int, list[Array]] = {}
        self._hosts = [x.kernel for x in launches if isinstance(x.kernel, native.HostKernel)]

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
        total = sum(len(x.words) for x in launches)
        moving = sum(len(p.moves) for x in launches for _, p in x.pointers)
        words = np.zeros(total + moving + 8, np.int64)
        base = words.ctypes.data
        arena = self._arena.ctypes.data
        dynamic: list[tuple[int, int, int]] = []  # (word, external, offset)
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
                    dynamic.append((first, external[place.root], place.offset))
                else:
                    words[first] = arena + self.plan.offsets[place.root] + place.offset
            at += len(x.words)
        self._words = words
        self._dynamic_words = np.array([d[0] for d in dynamic], np.int64)
        self._dynamic_external = np.array([d[1] for d in dynamic], np.int64)
        self._dynamic_offset = np.array([d[2] for d in dynamic], np.int64)
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
        aliases = self.plan.aliases
        outputs = [arrays[aliases[k]] if k in aliases else self._result(k, *form) for k, form in enumerate(self._results)]
        with self._lock:
            self._bind(arrays, outputs)
            for host in self._hosts:
                host.listen(self._failed)
            runtime.run(self._state_address, self, alone=self.alone)
            if self._failure:
                error, self._failure = self._failure[0], []
                self._state[runtime.ABORT] = 0
                raise error
        return outputs

    def _result(self, number: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        """Memory for an output. Large ones come back: fresh pages cost more than the arithmetic that fills them."""
        nbytes = dtype.itemsize
        for n in shape:
            nbytes *= n
        if nbytes < RECYCLED:
            return np.empty(shape, dtype)
        spare = self._spare.setdefault(number, [])
        for base in spare:
            if sys.getrefcount(base) == 3:  # this loop, the list and the call: nobody looks at it any more
                return base.view(dtype).reshape(shape)
        base = aligned(nbytes)
        if len(spare) < 2:
            spare.append(base)
        return base.view(dtype).reshape(shape)

    def _bind(self, arrays: Sequence[Array], outputs: Sequence[Array]) -> None:
        """Write the addresses of arrays into the argument words; state that comes back each call is recognised at once."""
        known, addresses = self._known, self._addresses
        for k, array in enumerate(arrays):
            if known[k]() is not array:
                known[k] = weakref.ref(array)
                addresses[k] = array.__array_interface__["data"][0]
        at = len(arrays)
        for k, array in enumerate(outputs):
            if k not in self.plan.aliases:
                addresses[at + k] = array.__array_interface__["data"][0]
        self._words[self._dynamic_words] = addresses[self._dynamic_external] + self._dynamic_offset

    def profile(self, arrays: Sequence[Array] | None = None, seconds: float = 0.002) -> list[float]:
        """Seconds of each kernel on one thread, in the order of the plan.

        Args:
            arrays: inputs to run on; donated ones change. None makes arrays of zeros.
            seconds: time to spend on each kernel.
        """
        given = [np.zeros(n.shape, n.dtype.numpy) for n in self.plan.inputs] if arrays is None else list(arrays)
        self(given)
        outputs = [given[self.plan.aliases[k]] if k in self.plan.aliases else np.empty(*form) for k, form in enumerate(self._results)]
        times = []
        with self._lock:
            self._bind(given, outputs)
            for x, (function, arguments, chunks, _) in zip(self.plan.launches(), self._launch_table.tolist(), strict=False):
                turns, spent = 1, 0.0
                while True:
                    begin = time.perf_counter()
                    runtime.repeat(function, arguments, chunks, self._scratch.ctypes.data, turns)
                    spent = time.perf_counter() - begin
                    if spent >= seconds or turns >= 1 << 16 or isinstance(x.kernel, native.HostKernel):
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


def _show(plan: Plan, groups: list[str], name: str) -> None:
    """Print the stages SALTUS_SHOW asks for, beyond the graph."""
    stages = settings.show()
    if not stages:
        return
    out = sys.stderr
    if "groups" in stages:
        print(f"--- groups of {name}", *groups, sep="\n", file=out)
    bits = machine.vector_bits()
    seen = set()
    for x in plan.launches():
        key = x.kernel.key()
        if key in seen or isinstance(x.kernel, native.HostKernel):
            continue
        seen.add(key)
        if "loops" in stages:
            print(f"--- loops\n{x.kernel.show()}", file=out)
        if stages & {"llvm", "asm"}:
            text = native.emit(x.kernel, machine.symbol_of(key), bits)
            if "llvm" in stages:
                print(f"--- llvm of {x.kernel.label}\n{text}", file=out)
            if "asm" in stages:
                print(f"--- asm of {x.kernel.label}\n{machine.assembly(text)}", file=out)
    if "plan" in stages:
        print(f"--- plan of {name}\n{plan.show()}", file=out)


def compile_graph(inputs: tuple[Node, ...], outputs: tuple[Node, ...], *, donate: tuple[int, ...], name: str) -> NativeProgram:
    """See backend.base.compile_graph."""
    prepared = prepare(inputs, outputs, name)
    plan, groups = make_plan(inputs, prepared, donate, native.NativeTarget(machine.vector_bits()))
    _show(plan, groups, name)
    return NativeProgram(plan, groups, name, outputs)


__all__ = ["NativeProgram", "Place", "compile_graph"]
