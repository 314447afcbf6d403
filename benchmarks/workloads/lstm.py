"""lstm: 64 steps of 64 features through 256 units, in batches of 64."""

from workloads.base import training_workload
from workloads.network_work import NetworkTraining
from workloads.networks import LSTM

STEP = NetworkTraining(LSTM, 64)

WORKLOAD = training_workload(
    "lstm",
    "Training step of an LSTM, 64 steps x 64 -> 256, batch 64, Adam",
    STEP,
    goal="1.6 times faster than the fastest peer",
)
