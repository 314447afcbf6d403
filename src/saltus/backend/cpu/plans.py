"""Finished plans on disk, beside the machine code: a program that was planned before is read instead of planned again.

A plan's name is the hash of everything that decides it: the captured graph, which inputs are donated, the CPU, and the sources
of the engine. What is kept is what the tables of a program are made from (argument words, places in memory, chunks) with the
names of its kernels' machine code; it is JSON with a checksum (`compile.py`). Whatever is damaged, of another form, or lacks its
machine code is planned again. Small programs are planned as quickly as they are read, and host calls are functions of this process:
neither is kept.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from saltus.backend.cpu import compile as machine
from saltus.base import dtypes as dt
from saltus.base import settings
from saltus.base.dtypes import DType
from saltus.ir.node import Body, Node, at, placeholder, topological
from saltus.schedule.steps import Kernel, Launch, LoopBegin, LoopEnd, Phase, Place, Plan, Step, calls_host

LEAST = 64  # nodes of a graph from which its plan is kept
_NOWHERE = ("", 0)


@dataclass(frozen=True)
class KnownKernel:
    """What a kept plan says of a kernel; its machine code is in the store under `symbol`."""

    symbol: str
    label: str
    why: str
    flops: int
    nbytes: int
    scratch: int = 0

    def key(self) -> str:
        return self.symbol

    def show(self) -> str:
        return self.label

    def words(self) -> tuple[list[int], list[tuple[int, Node, int]], int]:
        raise NotImplementedError("the plan that was kept has them")


class Lost(Exception):
    """Machine code that a kept plan needs is not in the store any more."""


def symbol_of(kernel: Kernel) -> str:
    """The name of a kernel's machine code."""
    return kernel.symbol if isinstance(kernel, KnownKernel) else machine.symbol_of(kernel.key())


# --- the name of a plan -----------------------------------------------------------------------------------------
class _Unknown(Exception):
    """A graph holds a value whose text does not decide what it is."""


class _Writer:
    """A graph as text that is equal for equal graphs, in any process."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._tokens: dict[Any, int] = {}

    def graph(self, inputs: Sequence[Node], order: Sequence[Node], outputs: Sequence[Node]) -> None:
        number: dict[Node, int] = {}
        for node in inputs:
            number.setdefault(node, len(number))
            self.lines.append(f"{number[node]} {node.dtype.name}{node.shape}")
        for node in order:
            if node in number:
                continue
            name = node.op.name
            if name == "input":
                raise _Unknown
            operands = [number[s] for s in node.src]
            if name == "barrier":  # its token tells copies apart; which number it is does not matter
                attributes = [str(self._tokens.setdefault(node.attr("token"), len(self._tokens)))]
            else:
                attributes = [f"{key}={self._text(value)}" for key, value in node.attrs]
            number[node] = len(number)
            self.lines.append(f"{name}{operands}{attributes}")
        self.lines.append(str([number[o] for o in outputs]))

    def _text(self, value: Any) -> str:
        kind = type(value)
        if kind is tuple:
            return f"({','.join([self._text(v) for v in value])})"
        if kind in (int, bool, float, complex, str, bytes, type(None)):
            return repr(value)
        if isinstance(value, DType):
            return value.name
        if kind is Body:
            self.graph(value.inputs, topological(value.outputs), value.outputs)
            return f"body {len(self.lines)}"
        raise _Unknown


def name_of(inputs: Sequence[Node], outputs: Sequence[Node], donate: Sequence[int]) -> str | None:
    """The name under which a program's plan is kept; None where none is."""
    if settings.verify() or settings.show() or machine.store_folder() is None:
        return None
    order = topological(outputs)
    if len(order) < LEAST:
        return None
    writer = _Writer()
    try:
        writer.graph(inputs, order, outputs)
    except _Unknown:
        return None
    return machine.symbol_of("\n".join([str(tuple(donate)), *writer.lines])) + ".plan"


# --- keeping and reading ----------------------------------------------------------------------------------------
def keep(name: str, plan: Plan, groups: Sequence[str]) -> None:
    """Keep a plan, unless it has host calls."""
    if any(calls_host(launch.kernel) for launch in plan.launches()):
        return
    given = {node: k for k, node in enumerate([*plan.inputs, *plan.outputs])}

    def place_of(place: Place) -> list[Any]:
        number = given.get(place.root, -1)
        return [number, place.offset + (plan.offsets[place.root] if number < 0 else 0), place.moves]

    steps: list[Any] = []
    for step in plan.steps:
        if isinstance(step, Phase):
            launches = []
            for x in step.launches:
                k = x.kernel
                about = [symbol_of(k), k.label, k.why, int(k.flops), int(k.nbytes)]
                launches.append([about, [int(w) for w in x.words], [[slot, *place_of(p)] for slot, p in x.pointers], int(x.chunks)])
            steps.append(launches)
        elif isinstance(step, LoopBegin):
            steps.append({"begin": [step.loop, step.length, step.reverse]})
        else:
            steps.append({"end": step.loop})
    values = {
        "steps": steps, "arena": plan.arena, "scratch": plan.scratch, "loops": plan.loops,
        "aliases": list(plan.aliases.items()), "groups": list(groups),
    }  # fmt: skip
    machine.write_entry(name, json.dumps(values, separators=(",", ":")).encode())
    machine.trim()


def read(name: str, inputs: Sequence[Node], outputs: Sequence[Node]) -> tuple[Plan, list[str]] | None:
    """The plan kept under a name for a graph, and its groups; None where there is none that can be used."""
    data = machine.read_entry(name)
    if data is None:
        return None
    try:
        values = json.loads(data)
        with at(_NOWHERE):
            homes = [placeholder(o.shape, o.dtype) for o in outputs]
            arena = placeholder((values["arena"],), dt.uint8)
        roots = [*inputs, *homes, arena]  # -1 is the arena
        steps = [_step(step, roots) for step in values["steps"]]
        aliases = {int(k): int(v) for k, v in values["aliases"]}
        plan = Plan(steps, list(inputs), homes, {arena: 0}, values["arena"], values["scratch"], aliases, values["loops"])
        return plan, values["groups"]
    except (ValueError, KeyError, TypeError, IndexError, AttributeError):
        return None


def _step(step: Any, roots: Sequence[Node]) -> Step:
    if isinstance(step, dict):
        return LoopBegin(*step["begin"]) if "begin" in step else LoopEnd(step["end"])
    launches = []
    for about, words, pointers, chunks in step:
        places = [(slot, Place(roots[root], offset, tuple(map(tuple, moves)))) for slot, root, offset, moves in pointers]
        launches.append(Launch(KnownKernel(*about), words, places, chunks))
    return Phase(launches)
