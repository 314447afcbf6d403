"""search: fifty trials over learning rate, momentum and batch size, beside PyTorch under Optuna."""

from workloads.base import Case, Workload
from workloads.jobs import Search

WORKLOAD = Workload(
    name="search",
    title="Fifty trials over learning rate, momentum and batch size of a network 20-64-32-2 on 2,000 rows, five epochs each",
    groups=((Case("search", Search(), ("saltus", "torch"), checked=1, within=0.03),),),
    goal="5 times faster than PyTorch under Optuna",
    against=("torch",),
    rounds=5,
    unit="job",
)
