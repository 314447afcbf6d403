"""jpeg_folder: an epoch over JPEG files that are decoded while training, beside a DataLoader with two workers."""

from workloads.base import Case, Workload
from workloads.jobs import JpegFolder

WORKLOAD = Workload(
    name="jpeg_folder",
    title="An epoch over 1,000 JPEG files of 240 x 180, decoded and resized to 64 x 64",
    groups=((Case("jpeg_folder", JpegFolder(), ("saltus", "torch"), checked=1),),),
    goal="1.2 times faster than a DataLoader with two workers",
    against=("torch",),
    rounds=5,
    unit="epoch",
)
