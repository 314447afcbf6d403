"""fashion: the network that `saltus fit` trains on Fashion-MNIST, beside PyTorch with the same network and recipe."""

from workloads.base import Case, Workload
from workloads.jobs import Fashion

WORKLOAD = Workload(
    name="fashion",
    title="An epoch of the network of `saltus fit` on Fashion-MNIST, six of which reach 0.925 of the test images "
    "(generated images without `make results`)",
    groups=((Case("fashion", Fashion(), ("saltus", "torch"), within=0.01),),),
    goal="0.925 within 3 minutes",
    against=("torch",),
    rounds=3,
    unit="epoch",
)
