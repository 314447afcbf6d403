"""tiny: a network for a small table, 16-32-32-3 in batches of 32: overhead decides."""

from workloads.base import EVERY, Case, Training, Workload

SIZES, BATCH = (16, 32, 32, 3), 32
STEP = Training(SIZES, BATCH)
LOOP = Training(SIZES, BATCH, per_call=16)

WORKLOAD = Workload(
    name="tiny",
    title="Training step of an MLP 16-32-32-3, batch 32, Adam",
    groups=((Case("tiny", STEP, EVERY),), (Case("tiny, loop inside", LOOP, ("saltus", "torch", "jax")),)),
    against=EVERY[1:],
    goal="10 times faster than the fastest peer",
)
