"""Who is measured: one file a system, run by that system's own interpreter; here are the modes of each.

A worker file has a function for each kind of work it can do (`training`, `epoch`, `prediction`, `product`, `chain`;
in the files of networks `network_training` and `network_inference`, in those of jobs the jobs' names): it takes the
record of the work, the mode and the number of threads, and returns a `Prepared` whose `run(n)` does n units and waits for them.
Every mode is measured; the table shows the fastest of each system.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from workloads.base import Chain, Epoch, Prediction, Product, Training, Work
from workloads.jobs import Augmentation, Bagging, CrossValidation, Fashion, Job, Search
from workloads.network_work import NetworkInference, NetworkTraining

OWN, PEERS, TENSORFLOW = "own", "peers", "tensorflow"


@dataclass(frozen=True)
class Prepared:
    """Work made ready by a worker.

    Args:
        run: does n units and returns when they are done.
        value: one number that the last unit of `run` produced, for example its loss.
        check: pairs (units done, value) from a fresh start that all must agree on; None takes those of `run`.
        per_call: units that one call does at least.
        compile_s: seconds of making ready that went into compiling, where a system can tell.
    """

    run: Callable[[int], None]
    value: Callable[[], float]
    check: Callable[[], list[tuple[int, float]]] | None = None
    per_call: int = 1
    compile_s: float | None = None


@dataclass(frozen=True)
class System:
    """A system as the table names it, the environment it runs in, the module it is, and the package that brings it."""

    label: str
    environment: str
    module: str
    package: str


SYSTEMS = {
    "saltus": System("saltus", OWN, "saltus", "saltus"),
    "torch": System("PyTorch", PEERS, "torch", "torch"),
    "torch.compile": System("torch.compile", PEERS, "torch", "torch"),
    "tensorflow": System("TensorFlow", TENSORFLOW, "tensorflow", "tensorflow-cpu"),
    "jax": System("JAX", PEERS, "jax", "jax"),
    "numpy": System("NumPy", OWN, "numpy", "numpy"),
    "sklearn": System("scikit-learn", PEERS, "sklearn", "scikit-learn"),
    "python": System("Python", OWN, "", ""),
}


def worker_module(system: str, work: Work) -> str:
    """The module of this folder that does a system's work of this kind."""
    if isinstance(work, NetworkTraining | NetworkInference):
        return f"systems.{system.split('.')[0]}_networks"
    if isinstance(work, Job):
        return f"systems.{system}_jobs"
    return "systems." + {"torch": "torch_eager"}.get(system, system.replace(".", "_")) + "_worker"


def builder(work: Work) -> str:
    """The function of a worker module that makes this kind of work ready: `network_training` for NetworkTraining."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(work).__name__).lower()


def modes(system: str, work: Work) -> tuple[str, ...]:
    """The modes that compete for a system's place in the table; the first where one is enough."""
    match system, work:
        case _, NetworkTraining(network) | NetworkInference(network):
            return network_modes(system, images=any(len(shape) == 3 for shape in network.shapes()))
        case "torch", Bagging():
            return ("DataLoader", "batches by index", "batches by index, one thread")
        case "torch", Search():
            return ("DataLoader", "batches by index", "batches by index, one thread", "batches by index, two at a time")
        case "torch", Augmentation():
            return ("torchvision v2", "torchvision v2, workers", "by hand, channels_last", "by hand, NCHW")
        case "torch", Fashion():
            return ("channels_last",)  # ahead on every network of images
        case "sklearn", CrossValidation():
            return ("processes", "threads")
        case "torch", Training():
            return ("fused Adam", "foreach Adam")
        case "torch", Epoch():
            return ("DataLoader, fused Adam", "DataLoader, foreach Adam")
        case "torch", Chain("adam"):
            return ("fused", "foreach")
        case "torch", Chain("gelu" | "softmax"):
            return ("new result", "result reused")
        case "torch.compile", Training():
            return ("default", "optimizer compiled", "max-autotune")
        case "torch.compile", Epoch():
            return ("DataLoader, default", "DataLoader, optimizer compiled")
        case "torch.compile", Prediction():
            return ("default", "max-autotune")
        case "tensorflow", Training() | Prediction():
            return ("tf.function", "tf.function, XLA")
        case "tensorflow", Epoch():
            return ("Keras fit", "Keras fit, XLA")
        case "jax", Training(per_call=1):
            return ("jit", "ahead of time")
        case "jax", Training():
            return ("scan",)
        case "jax", Epoch():
            return ("NumPy batches",)
        case "saltus", Training(per_call=1):
            return ("jit", "train_on_batch")
        case "saltus", Training():
            return ("fit", "scan")
        case "saltus", Epoch():
            return ("fit",)
        case "saltus", Prediction():
            return ("jit", "predict_on_batch")
        case _, Product():
            return ("matmul",)
        case "torch.compile", _:
            return ("default",)
        case "jax", _:
            return ("jit",)
        case _:
            return ("default",)


def network_modes(system: str, *, images: bool) -> tuple[str, ...]:
    """The modes in which a system runs a network given as data; `images`: whether it has images somewhere."""
    match system:
        case "torch":
            return ("channels_last", "NCHW") if images else ("default",)
        case "torch.compile":
            return ("compiled, channels_last",) if images else ("compiled",)
        case "tensorflow":
            return ("tf.function",) if images else ("tf.function", "tf.function, XLA")  # images: XLA was much slower
        case "jax":
            return ("jit",)
        case _:
            return ("default",)


def repeated(once: Callable[[], float], *, checked: bool = True) -> Prepared:
    """Work whose unit is one call; `checked`: whether its values must agree with those of other systems."""
    last = 0.0

    def run(n: int) -> None:
        nonlocal last
        for _ in range(n):
            last = once()

    return Prepared(run, lambda: last, None if checked else list)


def mean_magnitude(array: object) -> float:
    """The number by which results of products and chains are compared: the mean of the absolute values."""
    return float(np.abs(np.asarray(array), dtype=np.float64).mean())
