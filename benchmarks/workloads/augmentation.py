"""augmentation: images changed on their way into a step, beside torchvision and Keras."""

from workloads.base import Case, Workload
from workloads.jobs import Augmentation

WORKLOAD = Workload(
    name="augmentation",
    title="256 images of 32 x 32 x 3 flipped, moved, turned, brightened and changed in contrast "
    "(PyTorch by torchvision v2, and by one sampling of the batch written by hand)",
    groups=((Case("augmentation", Augmentation(), ("saltus", "torch", "tensorflow"), checked=1),),),
    goal="3 times faster",
    against=("torch", "tensorflow"),
    unit="batch",
)
