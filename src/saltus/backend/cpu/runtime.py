"""Runs launch tables on worker threads: the driver (itself compiled) and the pool.

The whole program is one table of phases. A worker claims chunks of the current phase from one atomic word (phase << 32 | next chunk);
who finishes the last chunk of a phase opens the next one, and steps loops. There is no barrier to arrive at: a worker that
the system holds back delays nobody unless it holds a chunk, and one that wakes late joins in the middle. Which worker runs a
chunk changes nothing in the result.

Words of the state:      0 claim   8 chunks done   16 workers inside   24 phase table   25 launch table   26 loop table
                         27 scratch   28 scratch bytes a worker   29 number of phases   30 abort
Words of a phase (4):    kind (0 compute, 1 loop begin, 2 loop end), first launch or loop, launches, chunks
Words of a launch (4):   function, arguments, chunks, -
Words of a loop (8):     counter, length, reverse, first phase inside, phase after, patches, number of patches, -
Words of a patch (4):    destination word, base word, bytes a step, -
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import platform
import sys
import threading
from typing import Any

import numpy as np

from saltus.backend.cpu import compile as machine
from saltus.base import settings

CLAIM, DONE, INSIDE = 0, 8, 16
PHASES, LAUNCHES, LOOPS, SCRATCH, SCRATCH_BYTES, COUNT, ABORT = 24, 25, 26, 27, 28, 29, 30
STATE_WORDS = 40
END = 0x7FFFFFFF

# (declaration, call) of giving the core away, and of sleeping a moment
_YIELD, _SLEEP = {
    "win32": (
        ("declare i32 @SwitchToThread()", "%y = call i32 @SwitchToThread()"),
        ("declare void @Sleep(i32)", "call void @Sleep(i32 1)"),
    ),
}.get(
    sys.platform,
    (("declare i32 @sched_yield()", "%y = call i32 @sched_yield()"), ("declare i32 @usleep(i32)", "%u = call i32 @usleep(i32 100)")),
)


def _pause() -> tuple[str, str]:
    name = platform.machine().lower()
    if name in ("x86_64", "amd64"):
        return "declare void @llvm.x86.sse2.pause()", "call void @llvm.x86.sse2.pause()"
    if name in ("aarch64", "arm64"):
        return "declare void @llvm.aarch64.hint(i32)", "call void @llvm.aarch64.hint(i32 1)"
    return "", ""


def driver_text() -> str:
    """LLVM IR of the driver: `saltus_run(state, worker)` and `saltus_wait(word, old, turns)`."""
    declare_pause, pause = _pause()
    return f"""
{declare_pause}
{_YIELD[0]}
{_SLEEP[0]}

; the next phase that computes from `from` on, applying loop marks on the way; {END} when there is none
define internal i64 @seek(ptr %state, i64 %from) {{
entry:
  %phases.p = getelementptr i64, ptr %state, i64 {PHASES}
  %phases = load ptr, ptr %phases.p
  %loops.p = getelementptr i64, ptr %state, i64 {LOOPS}
  %loops = load ptr, ptr %loops.p
  %count.p = getelementptr i64, ptr %state, i64 {COUNT}
  %count = load i64, ptr %count.p
  %abort.p = getelementptr i64, ptr %state, i64 {ABORT}
  br label %next
next:
  %at = phi i64 [ %from, %entry ], [ %first, %resume ], [ %after, %leave ], [ %past, %empty ]
  %over = icmp sge i64 %at, %count
  %abort = load i64, ptr %abort.p
  %stopped = icmp ne i64 %abort, 0
  %finish = or i1 %over, %stopped
  br i1 %finish, label %end, label %look
look:
  %word = shl i64 %at, 2
  %phase = getelementptr i64, ptr %phases, i64 %word
  %kind = load i64, ptr %phase
  %arg.p = getelementptr i64, ptr %phase, i64 1
  %arg = load i64, ptr %arg.p
  %lw = shl i64 %arg, 3
  switch i64 %kind, label %open [ i64 1, label %begin
                                   i64 2, label %back ]
open:
  ret i64 %at
begin:
  %bl = getelementptr i64, ptr %loops, i64 %lw
  %bn.p = getelementptr i64, ptr %bl, i64 1
  %bn = load i64, ptr %bn.p
  %none = icmp sle i64 %bn, 0
  br i1 %none, label %empty, label %again
empty:
  %past.p = getelementptr i64, ptr %bl, i64 4
  %past = load i64, ptr %past.p
  br label %next
back:
  %el = getelementptr i64, ptr %loops, i64 %lw
  %old = load i64, ptr %el
  %new = add i64 %old, 1
  %en.p = getelementptr i64, ptr %el, i64 1
  %en = load i64, ptr %en.p
  %more = icmp slt i64 %new, %en
  br i1 %more, label %again, label %leave
leave:
  %after = add i64 %at, 1
  br label %next
again:
  %loop = phi ptr [ %bl, %begin ], [ %el, %back ]
  %counter = phi i64 [ 0, %begin ], [ %new, %back ]
  store i64 %counter, ptr %loop
  %n.p = getelementptr i64, ptr %loop, i64 1
  %n = load i64, ptr %n.p
  %rev.p = getelementptr i64, ptr %loop, i64 2
  %rev = load i64, ptr %rev.p
  %isrev = icmp ne i64 %rev, 0
  %last = sub i64 %n, 1
  %mirror = sub i64 %last, %counter
  %t = select i1 %isrev, i64 %mirror, i64 %counter
  %first.p = getelementptr i64, ptr %loop, i64 3
  %first = load i64, ptr %first.p
  %patch.p = getelementptr i64, ptr %loop, i64 5
  %patches = load ptr, ptr %patch.p
  %np.p = getelementptr i64, ptr %loop, i64 6
  %np = load i64, ptr %np.p
  br label %patch
patch:
  %k = phi i64 [ 0, %again ], [ %k2, %apply ]
  %mp = icmp slt i64 %k, %np
  br i1 %mp, label %apply, label %resume
apply:
  %pw = shl i64 %k, 2
  %p = getelementptr i64, ptr %patches, i64 %pw
  %dst = load ptr, ptr %p
  %src.p = getelementptr i64, ptr %p, i64 1
  %src = load ptr, ptr %src.p
  %step.p = getelementptr i64, ptr %p, i64 2
  %step = load i64, ptr %step.p
  %base = load i64, ptr %src
  %move = mul i64 %t, %step
  %address = add i64 %base, %move
  store i64 %address, ptr %dst
  %k2 = add i64 %k, 1
  br label %patch
resume:
  br label %next
end:
  ret i64 {END}
}}

; opens the next phase that computes
define internal void @advance(ptr %state, i64 %from) {{
entry:
  %at = call i64 @seek(ptr %state, i64 %from)
  %done.p = getelementptr i64, ptr %state, i64 {DONE}
  store atomic i64 0, ptr %done.p monotonic, align 8
  %claim = shl i64 %at, 32
  store atomic i64 %claim, ptr %state release, align 8
  ret void
}}

define void @saltus_run(ptr %state, i64 %worker) {{
entry:
  %inside.p = getelementptr i64, ptr %state, i64 {INSIDE}
  %in = atomicrmw add ptr %inside.p, i64 1 acq_rel
  %phases.p = getelementptr i64, ptr %state, i64 {PHASES}
  %phases = load ptr, ptr %phases.p
  %launches.p = getelementptr i64, ptr %state, i64 {LAUNCHES}
  %launches = load ptr, ptr %launches.p
  %scratch.p = getelementptr i64, ptr %state, i64 {SCRATCH}
  %scratch0 = load ptr, ptr %scratch.p
  %sbytes.p = getelementptr i64, ptr %state, i64 {SCRATCH_BYTES}
  %sbytes = load i64, ptr %sbytes.p
  %soff = mul i64 %sbytes, %worker
  %scratch = getelementptr i8, ptr %scratch0, i64 %soff
  %done.p = getelementptr i64, ptr %state, i64 {DONE}
  br label %look
look:
  %turns = phi i64 [ 0, %entry ], [ 0, %ran ], [ %turns2, %waited ], [ %turns, %late ]
  %seen = load atomic i64, ptr %state acquire, align 8
  %phase = lshr i64 %seen, 32
  %ended = icmp eq i64 %phase, {END}
  br i1 %ended, label %out, label %check
check:
  %low = and i64 %seen, 4294967295
  %pw = shl i64 %phase, 2
  %p = getelementptr i64, ptr %phases, i64 %pw
  %total.p = getelementptr i64, ptr %p, i64 3
  %total = load i64, ptr %total.p
  %free = icmp ult i64 %low, %total
  br i1 %free, label %claim, label %wait
wait:
  {pause}
  %turns2 = add i64 %turns, 1
  %long = icmp ugt i64 %turns2, 3000
  br i1 %long, label %yield, label %waited
yield:
  {_YIELD[1]}
  %idle = icmp ugt i64 %turns2, 20000
  br i1 %idle, label %sleep, label %waited
sleep:
  {_SLEEP[1]}
  br label %waited
waited:
  br label %look
claim:
  %got = atomicrmw add ptr %state, i64 1 acq_rel
  %gphase = lshr i64 %got, 32
  %gended = icmp eq i64 %gphase, {END}
  br i1 %gended, label %out, label %mine
mine:
  %chunk = and i64 %got, 4294967295
  %gw = shl i64 %gphase, 2
  %gp = getelementptr i64, ptr %phases, i64 %gw
  %gt.p = getelementptr i64, ptr %gp, i64 3
  %gt = load i64, ptr %gt.p
  %ok = icmp ult i64 %chunk, %gt
  br i1 %ok, label %find, label %late
late:
  br label %look
find:
  %fl.p = getelementptr i64, ptr %gp, i64 1
  %fl = load i64, ptr %fl.p
  br label %scan
scan:
  %l = phi i64 [ %fl, %find ], [ %l2, %skip ]
  %c = phi i64 [ %chunk, %find ], [ %c2, %skip ]
  %lw = shl i64 %l, 2
  %lp = getelementptr i64, ptr %launches, i64 %lw
  %n.p = getelementptr i64, ptr %lp, i64 2
  %n = load i64, ptr %n.p
  %here = icmp ult i64 %c, %n
  br i1 %here, label %run, label %skip
skip:
  %c2 = sub i64 %c, %n
  %l2 = add i64 %l, 1
  br label %scan
run:
  %fn = load ptr, ptr %lp
  %args.p = getelementptr i64, ptr %lp, i64 1
  %args = load ptr, ptr %args.p
  call void %fn(ptr %args, i64 %c, ptr %scratch)
  %d = atomicrmw add ptr %done.p, i64 1 acq_rel
  %d1 = add i64 %d, 1
  %last = icmp eq i64 %d1, %gt
  br i1 %last, label %step, label %ran
step:
  %np = add i64 %gphase, 1
  call void @advance(ptr %state, i64 %np)
  br label %ran
ran:
  br label %look
out:
  %left = atomicrmw sub ptr %inside.p, i64 1 acq_rel
  ret void
}}

; runs the whole program on this thread: nobody to share with, nothing to claim
define void @saltus_alone(ptr %state) {{
entry:
  %phases.p = getelementptr i64, ptr %state, i64 {PHASES}
  %phases = load ptr, ptr %phases.p
  %launches.p = getelementptr i64, ptr %state, i64 {LAUNCHES}
  %launches = load ptr, ptr %launches.p
  %scratch.p = getelementptr i64, ptr %state, i64 {SCRATCH}
  %scratch = load ptr, ptr %scratch.p
  br label %next
next:
  %from = phi i64 [ 0, %entry ], [ %after, %done ]
  %at = call i64 @seek(ptr %state, i64 %from)
  %after = add i64 %at, 1
  %over = icmp eq i64 %at, {END}
  br i1 %over, label %out, label %phase
phase:
  %pw = shl i64 %at, 2
  %p = getelementptr i64, ptr %phases, i64 %pw
  %first.p = getelementptr i64, ptr %p, i64 1
  %first = load i64, ptr %first.p
  %count.p = getelementptr i64, ptr %p, i64 2
  %count = load i64, ptr %count.p
  %fw = shl i64 %first, 2
  %start = getelementptr i64, ptr %launches, i64 %fw
  %lw = shl i64 %count, 2
  %stop = getelementptr i64, ptr %start, i64 %lw
  br label %look
look:
  %l = phi ptr [ %start, %phase ], [ %l2, %ran ]
  %more = icmp ne ptr %l, %stop
  br i1 %more, label %launch, label %done
launch:
  %fn = load ptr, ptr %l
  %args.p = getelementptr i64, ptr %l, i64 1
  %args = load ptr, ptr %args.p
  %n.p = getelementptr i64, ptr %l, i64 2
  %n = load i64, ptr %n.p
  %l2 = getelementptr i64, ptr %l, i64 4
  br label %chunk
chunk:
  %c = phi i64 [ 0, %launch ], [ %c2, %call ]
  %left = icmp ult i64 %c, %n
  br i1 %left, label %call, label %ran
call:
  call void %fn(ptr %args, i64 %c, ptr %scratch)
  %c2 = add i64 %c, 1
  br label %chunk
ran:
  br label %look
done:
  br label %next
out:
  ret void
}}

define void @saltus_start(ptr %state) {{
entry:
  call void @advance(ptr %state, i64 0)
  ret void
}}

; runs all chunks of one launch, `turns` times: for profiles
define void @saltus_repeat(ptr %fn, ptr %args, i64 %chunks, ptr %scratch, i64 %turns) {{
entry:
  br label %outer
outer:
  %k = phi i64 [ 0, %entry ], [ %k2, %next ]
  %more = icmp slt i64 %k, %turns
  br i1 %more, label %inner, label %out
inner:
  %c = phi i64 [ 0, %outer ], [ %c2, %call ]
  %left = icmp slt i64 %c, %chunks
  br i1 %left, label %call, label %next
call:
  call void %fn(ptr %args, i64 %c, ptr %scratch)
  %c2 = add i64 %c, 1
  br label %inner
next:
  %k2 = add i64 %k, 1
  br label %outer
out:
  ret void
}}

; waits until the word differs from `old`, at most `turns` turns
define void @saltus_wait(ptr %word, i64 %old, i64 %turns) {{
entry:
  br label %look
look:
  %k = phi i64 [ 0, %entry ], [ %k2, %again ]
  %now = load atomic i64, ptr %word acquire, align 8
  %changed = icmp ne i64 %now, %old
  %tired = icmp uge i64 %k, %turns
  %stop = or i1 %changed, %tired
  br i1 %stop, label %out, label %again
again:
  {pause}
  %k2 = add i64 %k, 1
  br label %look
out:
  ret void
}}
"""


@functools.cache
def _driver() -> dict[str, Any]:
    text = driver_text()
    symbol = machine.symbol_of(text)
    code = machine.read_stored(symbol)
    if code is None:
        code = machine.object_code(text)
        machine.write_stored(symbol, code)
    run = machine.load("saltus_run", code)
    c = ctypes
    return {
        "run": c.CFUNCTYPE(None, c.c_void_p, c.c_int64)(run),
        "alone": c.CFUNCTYPE(None, c.c_void_p)(machine.address("saltus_alone")),
        "start": c.CFUNCTYPE(None, c.c_void_p)(machine.address("saltus_start")),
        "repeat": c.CFUNCTYPE(None, c.c_void_p, c.c_void_p, c.c_int64, c.c_void_p, c.c_int64)(machine.address("saltus_repeat")),
        "wait": c.CFUNCTYPE(None, c.c_void_p, c.c_int64, c.c_int64)(machine.address("saltus_wait")),
    }


def prepare() -> None:
    """Load the driver, whose functions other native code may then call."""
    _driver()


class Pool:
    """Worker threads that help whichever program runs. They spin briefly for the next program, then sleep."""

    SPIN = 3000  # turns before sleeping: some tens of microseconds, so that a loop of calls keeps its workers awake

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self.lock = threading.Lock()  # one program at a time has the helpers; others run alone
        self._generation = np.zeros(8, np.int64)
        self._job: tuple[int, Any] | None = None  # (state address, its owner)
        self._asleep: list[threading.Lock | None] = [None] * workers
        self._busy = 0
        for k in range(workers):
            threading.Thread(target=self._work, args=(k + 1,), name=f"saltus-{k + 1}", daemon=True).start()

    def _work(self, worker: int) -> None:
        driver = _driver()
        word, seen, gate = self._generation.ctypes.data, 0, threading.Lock()
        gate.acquire()
        while True:
            driver["wait"](word, seen, self.SPIN)
            if int(self._generation[0]) == seen:
                self._asleep[worker - 1] = gate
                if int(self._generation[0]) == seen:
                    gate.acquire()
                elif self._asleep[worker - 1] is None:
                    gate.acquire()  # released meanwhile
                self._asleep[worker - 1] = None
            seen = int(self._generation[0])
            job = self._job
            if job is not None:
                driver["run"](job[0], worker)
                job = None

    def begin(self, state: int, owner: Any) -> None:
        """Offer a program to the workers."""
        self._job = (state, owner)
        self._generation[0] += 1
        for k, gate in enumerate(self._asleep):
            if gate is not None:
                self._asleep[k] = None
                with contextlib.suppress(RuntimeError):  # it was woken already and has not slept since
                    gate.release()

    def end(self) -> None:
        self._job = None


_pools: dict[int, Pool] = {}
_pool_lock = threading.Lock()


def pool() -> Pool | None:
    """The helpers of this process, or None when one thread is all there is."""
    helpers = settings.threads() - 1
    if helpers <= 0:
        return None
    with _pool_lock:
        if helpers not in _pools:
            _pools[helpers] = Pool(helpers)
        return _pools[helpers]


def _forget() -> None:
    """After a fork the helper threads are gone: make new ones when they are needed."""
    _pools.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def repeat(function: int, arguments: int, chunks: int, scratch: int, turns: int) -> None:
    """Run all chunks of one launch on this thread, several times."""
    _driver()["repeat"](function, arguments, chunks, scratch, turns)


def run(address: int, owner: Any, *, alone: bool) -> None:
    """Run the program of the state block at an address to its end, with helpers unless it is too small for them."""
    driver = _driver()
    helpers = None if alone or settings.crowded() else pool()
    if helpers is None or not helpers.lock.acquire(blocking=False):
        driver["alone"](address)
        return
    try:
        driver["start"](address)
        helpers.begin(address, owner)
        driver["run"](address, 0)
    finally:
        helpers.end()
        helpers.lock.release()
