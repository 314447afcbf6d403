"""tiny_epoch: a shuffled epoch of 10,000 samples through each system's usual loop."""

from workloads.base import EVERY, Case, Epoch, Workload
from workloads.tiny import BATCH, SIZES

WORKLOAD = Workload(
    name="tiny_epoch",
    title="One epoch of the MLP 16-32-32-3 over 10,000 samples (DataLoader, Keras fit, NumPy batches, fit)",
    groups=((Case("tiny_epoch", Epoch(SIZES, BATCH, samples=10_000), EVERY),),),
    goal="30 times faster than the usual loop over a DataLoader",
    against=("torch", "torch.compile", "tensorflow"),
    rounds=7,
    unit="epoch",
)
