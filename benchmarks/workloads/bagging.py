"""bagging: twenty small networks on samples drawn with repetition, beside a loop in PyTorch."""

from workloads.base import Case, Workload
from workloads.jobs import Bagging

WORKLOAD = Workload(
    name="bagging",
    title="Twenty bagged networks 20-64-32-2 on 2,000 rows, five epochs each",
    groups=((Case("bagging", Bagging(), ("saltus", "torch"), checked=1, within=0.02),),),
    goal="5 times faster than a loop in PyTorch",
    against=("torch",),
    rounds=5,
    unit="job",
)
