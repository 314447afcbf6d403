"""`make bench KERNELS=1 WORKLOADS=cnn`: the kernels of saltus's training steps beside the peak of a core.

    python benchmarks/kernels.py [--workloads cnn,resnet] [--least 0.01]

Each kernel runs alone on one thread, on what the kernels before it left. The peak is that of multiply-adds on
registers, measured in the same run. Operations are those a kernel does: Winograd's products do fewer than a direct
convolution, and their shares are of what they do; divisions and functions of single elements count as several.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from harness import report
from systems import saltus_networks
from workloads import SETS, WORKLOADS
from workloads.network_work import NetworkTraining

from saltus.backend.cpu.peak import multiply_add_peak
from saltus.schedule.plan import LoopBegin, LoopEnd, Phase


@dataclass(frozen=True)
class Kernel:
    """A launch of a program: how often a step runs it, seconds and operations of one run."""

    label: str
    calls: int
    seconds: float
    flops: int

    @property
    def total(self) -> float:
        return self.calls * self.seconds


def kernels_of(work: NetworkTraining) -> list[Kernel]:
    """The kernels of a training step, in the order of the plan, timed on one thread."""
    program, arrays = saltus_networks.training_program(work)
    seconds = iter(program.profile(arrays))
    return [Kernel(launch.kernel.label, calls, next(seconds), launch.kernel.flops) for launch, calls in launches(program.plan)]


def launches(plan) -> Iterator[tuple]:
    """Launches in order, each with how often the loops around it repeat it."""
    times = [1]
    for step in plan.steps:
        if isinstance(step, LoopBegin):
            times.append(times[-1] * step.length)
        elif isinstance(step, LoopEnd):
            times.pop()
        elif isinstance(step, Phase):
            yield from ((launch, times[-1]) for launch in step.launches)


def table(kernels: list[Kernel], peak: float, least: float) -> str:
    """Kernels that take at least this share of the step, and the sums of all."""
    whole = sum(k.total for k in kernels)
    shown = [k for k in kernels if k.total >= least * whole]
    body = [
        [
            k.label,
            str(k.calls),
            f"{k.seconds * 1e6:.1f}",
            f"{k.total / whole:.1%}",
            f"{k.flops / k.seconds / 1e9:.1f}" if k.flops else "-",
            f"{k.flops / k.seconds / peak:.0%}" if k.flops else "-",
        ]
        for k in shown
    ]
    rest = whole - sum(k.total for k in shown)
    if len(shown) < len(kernels):
        body.append([f"{len(kernels) - len(shown)} smaller ones", "", f"{rest * 1e6:.1f}", f"{rest / whole:.1%}", "", ""])
    flops = sum(k.calls * k.flops for k in kernels)
    body.append(["all", "", f"{whole * 1e6:.1f}", "100.0%", f"{flops / whole / 1e9:.1f}", f"{flops / whole / peak:.0%}"])
    return report.aligned(["kernel", "calls", "us a call", "of the step", "GFLOP/s", "of the peak"], body)


def main() -> int:
    parser = argparse.ArgumentParser(description="The kernels of saltus's training steps beside the peak of a core.")
    parser.add_argument("--workloads", default="cnn", help="some of " + ",".join(SETS["networks"]))
    parser.add_argument("--least", type=float, default=0.0, help="share of the step from which on a kernel is listed")
    chosen = parser.parse_args()
    wanted = [name for part in chosen.workloads.split(",") for name in SETS.get(part, [part])]
    if unknown := [name for name in wanted if name not in WORKLOADS]:
        raise SystemExit(f"no workload named {', '.join(unknown)}; there are: {', '.join(SETS['networks'])}")
    cases = [case for name in wanted if WORKLOADS[name].shows == "time" for case in WORKLOADS[name].cases()]
    cases = [case for case in cases if isinstance(case.work, NetworkTraining)]
    if not cases:
        raise SystemExit("kernels are shown of training steps of networks, e.g. --workloads cnn,resnet")
    for case in cases:
        peak = multiply_add_peak()
        print(f"**{case.name}**: one thread, peak of multiply-adds {peak / 1e9:.1f} GFLOP/s\n")
        print(table(kernels_of(case.work), peak, chosen.least), end="\n\n", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
