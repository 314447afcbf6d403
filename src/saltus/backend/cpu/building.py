"""What is new is made here: a graph becomes a plan, a kernel becomes machine code. Below `engine`, which loads this file when it must."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from saltus.backend.cpu import compile as machine
from saltus.backend.cpu import kernels as native
from saltus.base import settings
from saltus.ir.node import Node
from saltus.schedule.plan import make_plan
from saltus.schedule.steps import Kernel, Plan, calls_host
from saltus.transform.pipeline import prepare


def planned(inputs: Sequence[Node], outputs: Sequence[Node], donate: Sequence[int], name: str) -> tuple[Plan, list[str]]:
    """The plan of a graph, and a line about each group; printed where SALTUS_SHOW asks for it."""
    prepared = prepare(inputs, outputs, name, native=True)
    plan, groups = make_plan(inputs, prepared, donate, native.NativeTarget(machine.vector_bits()))
    _show(plan, groups, name)
    return plan, groups


def object_of(symbol: str, kernel: Kernel) -> bytes:
    """Machine code of a kernel as a relocatable object."""
    return machine.object_code(native.emit(kernel, symbol, machine.vector_bits()))


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
        if key in seen or calls_host(x.kernel):
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


__all__ = ["object_of", "planned"]
