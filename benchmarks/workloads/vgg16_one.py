"""vgg16_one: the answer of VGG-16 for one image of 224 x 224 pixels, NumPy in and out."""

from workloads.base import EVERY, Case, Workload
from workloads.network_work import NetworkInference
from workloads.networks import vgg16

WORKLOAD = Workload(
    name="vgg16_one",
    title="One image of 224 x 224 pixels through VGG-16, NumPy in and out",
    groups=((Case("vgg16_one", NetworkInference(vgg16(224)), EVERY, checked=1),),),
    goal="1.2 times faster than the fastest peer",
    against=EVERY[1:],
    seconds=10,
    together=True,
    unit="image",
)
