"""What is measured: one file a workload, in the order of the report."""

from workloads import (
    chains,
    compile,
    contention,
    gemm,
    imports,
    memory,
    mlp,
    mlp_epoch,
    predict_one,
    tiny,
    tiny_epoch,
)
from workloads.base import Case, Workload

MODULES = (mlp, tiny, mlp_epoch, tiny_epoch, gemm, chains, predict_one, compile, imports, memory, contention)
WORKLOADS: dict[str, Workload] = {module.WORKLOAD.name: module.WORKLOAD for module in MODULES}


def find_case(workload: str, name: str) -> Case:
    """The case with this name."""
    return next(case for case in WORKLOADS[workload].cases() if case.name == name)
