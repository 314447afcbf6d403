"""cnn_one: the answer of the small CNN for one image on one thread, NumPy in and out."""

from workloads.base import EVERY, Case, Workload
from workloads.network_work import NetworkInference
from workloads.networks import CNN

WORKLOAD = Workload(
    name="cnn_one",
    title="One image through the CNN 28x28x1 on one thread, NumPy in and out",
    groups=((Case("cnn_one", NetworkInference(CNN), EVERY, threads=1, checked=1),),),
    goal="under half of PyTorch's time",
    against=("torch", "torch.compile"),
    rounds=9,
    seconds=10,
    together=True,
    unit="image",
)
