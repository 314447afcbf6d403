"""Writes images.npz: what PyTorch gives for pooling, resizing and sampling, inputs included. Run with PyTorch installed (2.13 was)."""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

RNG = np.random.default_rng(0)
found: dict[str, np.ndarray] = {}


def first(a: np.ndarray) -> torch.Tensor:
    """Channels first."""
    return torch.tensor(np.moveaxis(a, -1, 1))


def last(t: torch.Tensor) -> np.ndarray:
    """Channels last."""
    return np.moveaxis(t.numpy(), 1, -1)


image = RNG.normal(size=(2, 7, 10, 2)).round(3)
found["image"] = image
for size in ((3, 4), (7, 3), (5, 13), (1, 1)):
    found[f"adaptive_average {size[0]} {size[1]}"] = last(F.adaptive_avg_pool2d(first(image), size))
    found[f"adaptive_max {size[0]} {size[1]}"] = last(F.adaptive_max_pool2d(first(image), size))
    for method, theirs in (("nearest", "nearest-exact"), ("bilinear", "bilinear"), ("bicubic", "bicubic")):
        found[f"resize {method} {size[0]} {size[1]}"] = last(F.interpolate(first(image), size, mode=theirs))
        if method != "nearest":
            made = F.interpolate(first(image), size, mode=theirs, antialias=True)
            found[f"resize {method} antialias {size[0]} {size[1]}"] = last(made)

theta = np.array([[[0.8137, -0.5219, 0.1071], [0.4133, 1.1117, -0.2093]], [[1.5171, 0.0113, 0.6131], [0.3197, -1.2239, 0.9173]]])
found["theta"] = theta
grid = F.affine_grid(torch.tensor(theta), [2, 2, 5, 6], align_corners=False)
found["grid"] = grid.numpy()
for method in ("bilinear", "nearest"):
    for padding in ("zeros", "border", "reflection"):
        x, g = first(image).requires_grad_(), grid.clone().requires_grad_()
        made = F.grid_sample(x, g, mode=method, padding_mode=padding, align_corners=False)
        made.square().sum().backward()
        found[f"sample {method} {padding}"] = last(made.detach())
        found[f"sample {method} {padding} image"] = last(x.grad)
        found[f"sample {method} {padding} grid"] = g.grad.numpy()

ties = RNG.integers(0, 3, size=(2, 7, 9, 2)).astype("float64")  # many of them
found["ties"] = ties
x = first(ties).requires_grad_()
made, index = F.max_pool2d(x, (3, 2), stride=(2, 3), padding=(1, 0), return_indices=True)
(made * torch.arange(made.numel()).reshape(made.shape)).sum().backward()
found["max"], found["max index"], found["max gradient"] = last(made.detach()), last(index), last(x.grad)
np.savez_compressed(Path(__file__).with_name("images.npz"), **{k: v.round(10) for k, v in found.items()})
