"""vgg16: a large network, trained on 64 x 64 pixels in batches of 8."""

from workloads.adam import Adam
from workloads.base import training_workload
from workloads.network_work import NetworkTraining
from workloads.networks import vgg16

STEP = NetworkTraining(vgg16(64), 8, adam=Adam(learning_rate=1e-4))

WORKLOAD = training_workload(
    "vgg16",
    "Training step of VGG-16 at 64 x 64 pixels, batch 8, Adam",
    STEP,
    goal="1.2 times faster than the fastest peer",
)
