"""contention: one and two threads while other processes keep one core, or both, busy."""

from workloads.base import Case, Workload
from workloads.mlp import STEP


def case(threads: int, busy: int) -> Case:
    cores = "one core busy" if busy == 1 else "both cores busy"
    name = f"contention, {cores}, {threads} thread{'s' if threads > 1 else ''}"
    return Case(name, STEP, ("saltus", "torch"), threads, busy, in_short=False)


WORKLOAD = Workload(
    name="contention",
    title="Training step of the MLP 784-256-256-10 beside processes that never rest",
    groups=tuple(tuple(case(threads, busy) for threads in (1, 2)) for busy in (1, 2)),
    goal="two threads never slower than one by more than 10 %",
    rounds=15,
)
