"""What is measured: one file a workload, in the order of the report."""

from workloads import (
    augmentation,
    autoencoder,
    bagging,
    chains,
    cnn,
    cnn_one,
    compile,
    compile_networks,
    contention,
    cross_validation,
    fashion,
    gemm,
    generator,
    gru,
    imports,
    input_share,
    jpeg_folder,
    lstm,
    memory,
    memory_networks,
    mlp,
    mlp_epoch,
    predict_one,
    resnet,
    scaling,
    search,
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
JOBS = (cross_validation, bagging, search, input_share, augmentation, jpeg_folder, fashion)
WORKLOADS: dict[str, Workload] = {module.WORKLOAD.name: module.WORKLOAD for module in (*DENSE, *NETWORKS, *JOBS)}
SETS = {"all": list(WORKLOADS)} | {
    name: [module.WORKLOAD.name for module in modules]
    for name, modules in (("dense", DENSE), ("networks", NETWORKS), ("jobs", JOBS))
}


def find_case(workload: str, name: str) -> Case:
    """The case with this name."""
    return next(case for case in WORKLOADS[workload].cases() if case.name == name)
