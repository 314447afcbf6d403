"""PyTorch through torch.compile: the loss compiled with its gradient, in one mode the optimizer as well."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from workloads.base import Adam, Chain, Epoch, Prediction, Training, Weights

from systems import Prepared, torch_eager_worker
from systems.torch_eager_worker import adam_options, network, optimizer

VERSION = torch.__version__


def compiled(mode: str) -> Callable:
    """torch.compile with the effort a mode names."""
    return partial(torch.compile, mode="max-autotune" if "max-autotune" in mode else None)


def make_step(
    weights: Weights, adam: Adam, mode: str
) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    """A training step around a compiled loss; "optimizer compiled" compiles the update too."""
    net = network(weights)
    updates = optimizer(net.parameters(), adam, **adam_options(mode))
    loss_of = compiled(mode)(lambda x, y: F.cross_entropy(net(x), y))
    update = compiled(mode)(updates.step) if "optimizer compiled" in mode else updates.step

    def step(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        updates.zero_grad()
        loss = loss_of(x, y)
        loss.backward()
        update()
        return loss

    return step


def training(work: Training, mode: str, threads: int) -> Prepared:
    return torch_eager_worker.training(work, mode, threads, make_step)


def epoch(work: Epoch, mode: str, threads: int) -> Prepared:
    return torch_eager_worker.epoch(work, mode, threads, make_step)


def prediction(work: Prediction, mode: str, threads: int) -> Prepared:
    return torch_eager_worker.prediction(work, mode, threads, compiled(mode))


def chain(work: Chain, mode: str, threads: int) -> Prepared:
    implementation = "foreach" if work.operation == "adam" else mode
    return torch_eager_worker.chain(work, implementation, threads, compiled(mode))
