"""mlp: the network for handwritten digits, 784-256-256-10 in batches of 128: arithmetic decides."""

from workloads.base import EVERY, Case, Training, Workload

SIZES, BATCH = (784, 256, 256, 10), 128
STEP = Training(SIZES, BATCH)
LOOP = Training(SIZES, BATCH, per_call=16)

WORKLOAD = Workload(
    name="mlp",
    title="Training step of an MLP 784-256-256-10, batch 128, Adam",
    groups=((Case("mlp", STEP, EVERY),), (Case("mlp, loop inside", LOOP, ("saltus", "torch", "jax")),)),
    against=EVERY[1:],
    goal="1.5 times faster than the fastest peer",
)
