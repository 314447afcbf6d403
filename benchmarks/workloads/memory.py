"""memory: how much a process grows at its peak while it prepares and does training steps.

A tiny network is trained and dropped before: compilers, thread pools and caches are not charged to the step.
"""

from workloads import mlp, tiny
from workloads.base import Case, Training, Workload

WIDE = Training((784, 1024, 1024, 10), batch=2048, batches=4)

WORKLOAD = Workload(
    name="memory",
    title="Peak memory of training steps: weights, optimizer state, batches, activations, gradients",
    groups=(
        (Case("memory, mlp", mlp.STEP, warm_up=tiny.STEP),),
        (Case("memory, 784-1024-1024-10, batch 2048", WIDE, warm_up=tiny.STEP),),
    ),
    goal="not more than PyTorch",
    against=("torch",),
    shows="memory",
    rounds=3,
)
