"""cnn: a small convolutional network for 28 x 28 pixels in batches of 128."""

from workloads.base import training_workload
from workloads.network_work import NetworkTraining
from workloads.networks import CNN

STEP = NetworkTraining(CNN, 128)

WORKLOAD = training_workload(
    "cnn",
    "Training step of a CNN 28x28x1: conv 32, pool, conv 64, pool, 128, 10, batch 128, Adam",
    STEP,
    goal="1.7 times faster than the fastest peer",
)
