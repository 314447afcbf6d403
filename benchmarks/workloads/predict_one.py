"""predict_one: the answer for a single row, from NumPy to NumPy, as a service would ask for it."""

from workloads import mlp, tiny
from workloads.base import EVERY, Case, Prediction, Workload

WORKLOAD = Workload(
    name="predict_one",
    title="Prediction of one row through either MLP, NumPy in and out, inside Python",
    groups=tuple(
        (Case(f"predict_one, {name}", Prediction(sizes), EVERY),)
        for name, sizes in (("mlp", mlp.SIZES), ("tiny", tiny.SIZES))
    ),
    against=EVERY[1:],
    goal="under 30 microseconds",
    unit="row",
)
