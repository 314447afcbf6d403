"""compile: from weights in NumPy to the end of the first training step, with an empty and a filled cache."""

from workloads import mlp, tiny
from workloads.base import Case, Workload

WORKLOAD = Workload(
    name="compile",
    title="First training step of either MLP in a new process after import, cold and from a cache on disk",
    groups=(
        (Case("compile, mlp", mlp.STEP),),
        (Case("compile, tiny", tiny.STEP),),
        (Case("compile, mlp, loop inside", mlp.LOOP, ("saltus", "jax"), in_short=False),),
        (Case("compile, tiny, loop inside", tiny.LOOP, ("saltus", "jax"), in_short=False),),
    ),
    goal="under 1 s cold, under 0.1 s from the cache",
    shows="first step",
    rounds=3,
)
