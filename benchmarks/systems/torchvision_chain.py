"""Augmentation by torchvision v2 as its users write it: a chain of transforms an image, here or in the workers of a DataLoader."""

from __future__ import annotations

import torch
from workloads.jobs import Augmentation

from systems import Prepared, repeated


def transforms(work: Augmentation) -> torch.nn.Module:
    """The chain: moved and turned by one sampling, as torchvision offers it."""
    known = torch.library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):  # a build for another torch lacks its compiled operators; no transform uses them
        try:
            known.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        except RuntimeError:
            continue  # known already
    from torchvision.transforms import v2

    return v2.Compose([
        v2.RandomHorizontalFlip(),
        v2.RandomAffine(
            degrees=360 * work.turn, translate=(work.shift, work.shift), interpolation=v2.InterpolationMode.BILINEAR
        ),
        v2.ColorJitter(brightness=work.brightness, contrast=work.contrast),
    ])  # fmt: skip


class Changed(torch.utils.data.Dataset):
    """Images (N, channels, height, width), each changed when it is asked for."""

    def __init__(self, x: torch.Tensor, work: Augmentation) -> None:
        self.x, self.chain = x, transforms(work)

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, number: int) -> torch.Tensor:
        return self.chain(self.x[number])


def image_by_image(work: Augmentation, workers: int) -> Prepared:
    torch.set_num_threads(1)  # more are slower at single small images
    images = Changed(torch.from_numpy(work.data()).permute(0, 3, 1, 2).contiguous(), work)
    if not workers:
        return repeated(lambda: float(torch.stack([images[k] for k in range(work.batch)]).mean()), checked=False)
    loader = torch.utils.data.DataLoader(images, work.batch // workers, num_workers=workers, persistent_workers=True)
    return repeated(lambda: float(torch.cat(list(loader)).mean()), checked=False)
