"""resnet: residual blocks of 32, 64 and 128 filters with batch normalisation, 32 x 32 pixels, in batches of 64."""

from workloads.base import training_workload
from workloads.network_work import NetworkTraining
from workloads.networks import RESNET

STEP = NetworkTraining(RESNET, 64)

WORKLOAD = training_workload(
    "resnet",
    "Training step of a residual network of 32, 64 and 128 filters, 32x32x3, batch 64, Adam",
    STEP,
    goal="1.3 times faster than the fastest peer",
)
