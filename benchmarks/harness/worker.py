"""The process of one system doing one case: it prepares the work, then does as much of it as it is told.

    python benchmarks/harness/worker.py SYSTEM MODE WORKLOAD CASE

One JSON object a line on standard input and output: after the first line, which reports the preparation,
every request {"do": name, ...} is answered by one line. What libraries print goes to standard error.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import sys
import time
from pathlib import Path

sys.path[0] = str(Path(__file__).parents[1])
if hasattr(os, "sched_setaffinity") and "BENCHMARK_CORES" in os.environ:
    # Before anything is loaded: libraries count the cores when they are imported.
    os.sched_setaffinity(0, map(int, os.environ["BENCHMARK_CORES"].split(",")))

from systems import Prepared, builder, worker_module  # noqa: E402
from workloads import find_case  # noqa: E402
from workloads.network_work import NetworkInference, NetworkTraining  # noqa: E402

from harness.memory import Growth  # noqa: E402

CALIBRATION_SECONDS = 0.02


class Worker:
    """One prepared piece of work and what can be asked of it."""

    def __init__(self, system: str, mode: str, workload: str, case_name: str) -> None:
        case = find_case(workload, case_name)
        self.module = importlib.import_module(worker_module(system, case.work))
        self.checked = case.checked
        build = vars(self.module)
        if case.warm_up is not None:
            build[builder(case.warm_up)](case.warm_up, mode, case.threads).run(1)
        if isinstance(case.work, NetworkTraining | NetworkInference):
            case.work.weights()  # millions of random numbers are no part of a first step
        self.memory = Growth()
        start = time.perf_counter()
        self.work: Prepared = build[builder(case.work)](case.work, mode, case.threads)
        self.work.run(self.work.per_call)
        self.first_step_s = time.perf_counter() - start
        self.first_value = self.work.value()

    def started(self) -> dict:
        return {"version": self.module.VERSION, "first_step_s": self.first_step_s, "compile_s": self.work.compile_s}

    def check(self) -> dict:
        """Pairs (units done, value) that systems must agree on: the first ones, or what the work offers."""
        if self.work.check is not None:
            return {"values": self.work.check()}
        values, after = [(self.work.per_call, self.first_value)], self.work.per_call
        while after < self.checked:
            self.work.run(self.work.per_call)
            after += self.work.per_call
            values.append((after, self.work.value()))
        return {"values": values}

    def calibrate(self, seconds: float) -> dict:
        """Finds how many units take about this long; the work is warm afterwards."""
        n = self.work.per_call
        while (taken := self._timed(n)) < CALIBRATION_SECONDS and n < 10**7:
            n *= 2
        calls = max(1, round(seconds / taken * n / self.work.per_call))
        self.count = calls * self.work.per_call
        return {"count": self.count}

    def time(self) -> dict:
        """Seconds a unit takes, over as many as fill a round; an eighth as many before them do not count."""
        if warm := self.count // 8 // self.work.per_call * self.work.per_call:
            self._timed(warm)
        return {"seconds_a_unit": self._timed(self.count) / self.count}

    def peak(self) -> dict:
        return {"peak_bytes": self.memory.peak()}

    def _timed(self, n: int) -> float:
        gc.collect()
        gc.disable()
        start = time.perf_counter()
        self.work.run(n)
        taken = time.perf_counter() - start
        gc.enable()
        return taken


def main() -> None:
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    worker = Worker(*sys.argv[1:5])
    print(json.dumps(worker.started()), file=answers)
    for line in sys.stdin:
        request = json.loads(line)
        reply = getattr(worker, request.pop("do"))(**request)
        print(json.dumps(reply), file=answers)


if __name__ == "__main__":
    main()
