"""memory_networks: how much a process grows at its peak while it prepares and does training steps of larger networks.

A small network is trained and dropped before: compilers, thread pools and caches are not charged to the step.
"""

from workloads import cnn, generator, lstm, resnet, separable, transformer, vgg16
from workloads.base import Case, Workload
from workloads.network_work import NetworkTraining
from workloads.networks import SMALL

MODULES = (cnn, resnet, separable, lstm, transformer, generator, vgg16)
WARM_UP = NetworkTraining(SMALL, 8)

WORKLOAD = Workload(
    name="memory_networks",
    title="Peak memory of training steps: weights, optimizer state, batches, activations, gradients",
    groups=tuple(
        (Case(f"memory, {m.WORKLOAD.name}", m.STEP, ("saltus", "torch"), warm_up=WARM_UP, checked=3),) for m in MODULES
    ),
    goal="not more than PyTorch",
    against=("torch",),
    shows="memory",
    rounds=1,
)
