"""vgg16: a large network, trained on 64 x 64 pixels in batches of 8."""

from workloads.adam import Adam
from workloads.base import training_workload
from workloads.network_work import NetworkTraining
from workloads.networks import vgg16

# Systems add epsilon to the root with or without the correction of its bias. Where gradients are as small as here, that shows after
# two steps; so small an epsilon leaves no difference.
STEP = NetworkTraining(vgg16(64), 8, adam=Adam(learning_rate=1e-4, epsilon=1e-14))

WORKLOAD = training_workload(
    "vgg16",
    "Training step of VGG-16 at 64 x 64 pixels, batch 8, Adam",
    STEP,
    goal="1.2 times faster than the fastest peer",
    checked=2,  # later every system is a thousandth from every other: sixteen layers deep, rounding grows quickly
)
