"""separable: depthwise separable convolutions after Xception, 64 x 64 pixels, in batches of 32."""

from workloads.base import training_workload
from workloads.network_work import NetworkTraining
from workloads.networks import SEPARABLE

STEP = NetworkTraining(SEPARABLE, 32)

WORKLOAD = training_workload(
    "separable",
    "Training step of a network of depthwise separable convolutions, 64x64x3, batch 32, Adam",
    STEP,
    goal="1.5 times faster than the fastest peer",
)
