"""transformer: four encoder blocks over 128 tokens, in batches of 16."""

from workloads.base import training_workload
from workloads.network_work import NetworkTraining
from workloads.networks import TRANSFORMER

STEP = NetworkTraining(TRANSFORMER, 16)

WORKLOAD = training_workload(
    "transformer",
    "Training step of a Transformer encoder 4 x (256, 4 heads, 1024), 128 tokens, batch 16, Adam",
    STEP,
    goal="1.2 times faster than the fastest peer",
)
