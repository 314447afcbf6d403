"""mlp_epoch: a shuffled epoch of 60,000 samples through each system's usual loop."""

from workloads.base import EVERY, Case, Epoch, Workload
from workloads.mlp import BATCH, SIZES

WORKLOAD = Workload(
    name="mlp_epoch",
    title="One epoch of the MLP 784-256-256-10 over 60,000 samples (DataLoader, Keras fit, NumPy batches, fit)",
    groups=((Case("mlp_epoch", Epoch(SIZES, BATCH, samples=60_000), EVERY),),),
    goal="3 times faster than the usual loop over a DataLoader",
    against=("torch", "torch.compile", "tensorflow"),
    rounds=5,
    unit="epoch",
)
