"""What is measured: one file a workload, in the order of the report."""

from workloads import (
    autoencoder,
    chains,
    cnn,
    cnn_one,
    compile,
    compile_networks,
    contention,
    gemm,
    generator,
    gru,
    imports,
    lstm,
    memory,
    memory_networks,
    mlp,
    mlp_epoch,
    predict_one,
    resnet,
    scaling,
    separable,
    tiny,
    tiny_epoch,
    transformer,
    vgg16,
    vgg16_one,
)
from workloads.base import Case, Workload

DENSE = (mlp, tiny, mlp_epoch, tiny_epoch, gemm, chains, predict_one, compile, imports, memory, contention)
NETWORKS = (
    *(cnn, resnet, separable, lstm, gru, transformer, generator, autoencoder, vgg16, vgg16_one, cnn_one),
    *(compile_networks, memory_networks, scaling),
)
WORKLOADS: dict[str, Workload] = {module.WORKLOAD.name: module.WORKLOAD for module in (*DENSE, *NETWORKS)}
SETS = {"all": list(WORKLOADS), "dense": [m.WORKLOAD.name for m in DENSE], "networks": [m.WORKLOAD.name for m in NETWORKS]}


def find_case(workload: str, name: str) -> Case:
    """The case with this name."""
    return next(case for case in WORKLOADS[workload].cases() if case.name == name)
