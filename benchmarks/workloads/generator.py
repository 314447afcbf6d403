"""generator: transposed convolutions from 100 numbers to 32 x 32 pixels, as in a DCGAN, in batches of 64."""

from workloads.base import training_workload
from workloads.network_work import NetworkTraining
from workloads.networks import GENERATOR

STEP = NetworkTraining(GENERATOR, 64, "numbers")

WORKLOAD = training_workload(
    "generator",
    "Training step of a DCGAN generator, 100 -> 32x32x3, batch 64, Adam",
    STEP,
    goal="1.5 times faster than the fastest peer",
)
