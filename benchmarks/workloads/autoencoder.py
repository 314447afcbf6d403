"""autoencoder: a convolutional and a dense one for 28 x 28 pixels in batches of 128."""

from workloads.base import training_workload
from workloads.network_work import NetworkTraining
from workloads.networks import CONVOLUTIONAL_AUTOENCODER, DENSE_AUTOENCODER

WORKLOAD = training_workload(
    "autoencoder",
    "Training step of autoencoders, 28x28: convolutions 32, 16 and back; Dense 784-128-32-128-784; batch 128, Adam",
    NetworkTraining(CONVOLUTIONAL_AUTOENCODER, 128, "input"),
    NetworkTraining(DENSE_AUTOENCODER, 128, "input"),
    names=("autoencoder, convolutional", "autoencoder, dense"),
    goal="1.5 times faster than the fastest peer",
)
