"""Whole jobs by PyTorch, as its users write them: a loop over members, Optuna around a training, a DataLoader over files."""

from __future__ import annotations

import copy
import math
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from workloads.jobs import Augmentation, Bagging, Fashion, JpegFolder, Search

from systems import Prepared, repeated
from systems.torchvision_chain import image_by_image

VERSION = torch.__version__


def dense(columns: int, hidden: tuple[int, ...]) -> torch.nn.Sequential:
    layers: list[torch.nn.Module] = []
    for inputs, units in zip((columns, *hidden), hidden, strict=False):
        layers += [torch.nn.Linear(inputs, units), torch.nn.ReLU()]
    return torch.nn.Sequential(*layers, torch.nn.Linear(hidden[-1], 2))


def tensors(data: tuple[np.ndarray, np.ndarray]) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.from_numpy(data[0]), torch.from_numpy(data[1]).long()


def batches(x: torch.Tensor, y: torch.Tensor, size: int, mode: str) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """An epoch in a new order: by a DataLoader, or by the faster way of indexing with a permutation."""
    if "DataLoader" in mode:
        yield from torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, y), batch_size=size, shuffle=True)
        return
    for rows in torch.randperm(len(x)).split(size):
        yield x[rows], y[rows]


def train(net: torch.nn.Module, updates: torch.optim.Optimizer, x: torch.Tensor, y: torch.Tensor, size: int, mode: str) -> None:
    """An epoch."""
    for batch_x, batch_y in batches(x, y, size, mode):
        updates.zero_grad()
        F.cross_entropy(net(batch_x), batch_y).backward()
        updates.step()


def accuracy(outputs: torch.Tensor, y: torch.Tensor) -> float:
    return float((outputs.argmax(-1) == y).float().mean())


def bagging(work: Bagging, mode: str, threads: int) -> Prepared:
    torch.set_num_threads(1 if "one thread" in mode else threads)
    (x, y), (other_x, other_y) = tensors(work.data()), tensors(work.others())

    def once() -> float:
        total = torch.zeros(len(other_x), 2)
        for member in range(work.members):
            torch.manual_seed(member)
            net = dense(work.columns, work.hidden)
            updates = torch.optim.Adam(net.parameters(), lr=work.learning_rate, fused=True)
            drawn = torch.randint(len(x), (len(x),))
            own_x, own_y = x[drawn], y[drawn]
            for _ in range(work.epochs):
                train(net, updates, own_x, own_y, work.batch, mode)
            with torch.inference_mode():
                total += torch.softmax(net(other_x), -1)
        return accuracy(total, other_y)

    return repeated(once)


def search(work: Search, mode: str, threads: int) -> Prepared:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    at_once = 2 if "two at a time" in mode else 1
    torch.set_num_threads(1 if at_once > 1 or "one thread" in mode else threads)
    (x, y), (judge_x, judge_y), (other_x, other_y) = (tensors(d) for d in (work.data(), work.judging(), work.others()))

    def once() -> float:
        best: tuple[float, torch.nn.Module | None] = (math.inf, None)

        def trial_loss(trial: optuna.Trial) -> float:
            nonlocal best
            rate = trial.suggest_float("learning_rate", *work.rates, log=True)
            momentum = trial.suggest_float("momentum", *work.momenta)
            size = trial.suggest_categorical("batch_size", work.batches)
            net = dense(work.columns, work.hidden)
            updates = torch.optim.SGD(net.parameters(), lr=rate, momentum=momentum, fused=True)
            lowest = math.inf
            for _ in range(work.epochs):
                train(net, updates, x, y, size, mode)
                with torch.inference_mode():
                    loss = float(F.cross_entropy(net(judge_x), judge_y))
                lowest = min(lowest, loss) if not math.isnan(loss) else lowest
                if loss < best[0]:
                    best = loss, copy.deepcopy(net)
            return lowest if lowest < math.inf else 1e9

        torch.manual_seed(0)
        study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0))
        study.optimize(trial_loss, n_trials=work.trials, n_jobs=at_once)
        assert best[1] is not None
        with torch.inference_mode():
            return accuracy(best[1](other_x), other_y)

    return repeated(once)


def augmentation(work: Augmentation, mode: str, threads: int) -> Prepared:
    """torchvision's transforms image by image, or one sampling of the whole batch by hand with a matrix for each image."""
    if mode.startswith("torchvision"):
        return image_by_image(work, threads if mode.endswith("workers") else 0)
    torch.set_num_threads(threads)
    x = torch.from_numpy(work.data()).permute(0, 3, 1, 2)
    x = x.contiguous(memory_format=torch.channels_last if mode.endswith("channels_last") else torch.contiguous_format)

    def between(low: float, high: float) -> torch.Tensor:
        return torch.rand(work.batch) * (high - low) + low

    def once() -> float:
        flip = torch.where(torch.rand(work.batch) < 0.5, -1.0, 1.0)
        angle = between(-work.turn, work.turn) * 2 * math.pi
        cos, sin = torch.cos(angle), torch.sin(angle)
        across, down = between(-2 * work.shift, 2 * work.shift), between(-2 * work.shift, 2 * work.shift)
        matrix = torch.stack([torch.stack([cos * flip, -sin, across], -1), torch.stack([sin * flip, cos, down], -1)], 1)
        grid = F.affine_grid(matrix, list(x.shape), align_corners=False)
        made = F.grid_sample(x, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
        made = (made + between(-work.brightness, work.brightness)[:, None, None, None]).clamp(0, 1)
        mean = made.mean((2, 3), keepdim=True)
        factor = between(1 - work.contrast, 1 + work.contrast)[:, None, None, None]
        return float(((made - mean) * factor + mean).clamp(0, 1).mean())

    return repeated(once, checked=False)


class JpegFiles(torch.utils.data.Dataset):
    """Image files as tensors (3, size, size) from 0 to 1, with their class."""

    def __init__(self, folder: Path, size: int) -> None:
        self.files = sorted(folder.glob("*/*.jpg"))
        self.size = size

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, number: int) -> tuple[torch.Tensor, int]:
        from PIL import Image

        with Image.open(self.files[number]) as image:
            short = min(image.size)
            left, top = (image.width - short) // 2, (image.height - short) // 2
            image.draft("RGB", (self.size, self.size))  # decode smaller, as far as the format allows
            scale = image.width / (short + 2 * left)
            box = tuple(edge * scale for edge in (left, top, left + short, top + short))
            small = image.convert("RGB").resize((self.size, self.size), Image.Resampling.BILINEAR, box=box)
        pixels = torch.from_numpy(np.array(small)).permute(2, 0, 1)
        return pixels.float() / 255, int(self.files[number].parent.name.rpartition("_")[2])


def jpeg_folder(work: JpegFolder, mode: str, threads: int) -> Prepared:
    torch.set_num_threads(threads)
    place = tempfile.TemporaryDirectory()  # removed when the process ends
    work.write(Path(place.name))
    net = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(3, 4))
    updates = torch.optim.Adam(net.parameters(), fused=True)
    loader = torch.utils.data.DataLoader(
        JpegFiles(Path(place.name), work.size), batch_size=work.batch, shuffle=True, num_workers=2, persistent_workers=True
    )

    def once() -> float:
        assert place
        total = 0.0
        for x, y in loader:
            updates.zero_grad()
            loss = F.cross_entropy(net(x), y)
            loss.backward()
            updates.step()
            total += loss.item()
        return total / len(loader)

    return repeated(once, checked=False)


class Past(torch.nn.Module):
    """Layers with a way past them."""

    def __init__(self, *layers: torch.nn.Module) -> None:
        super().__init__()
        self.layers = torch.nn.Sequential(*layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(x + self.layers(x))


def convolution(inputs: int, outputs: int, *after: torch.nn.Module) -> list[torch.nn.Module]:
    return [torch.nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), torch.nn.BatchNorm2d(outputs), *after]


def fashion(work: Fashion, mode: str, threads: int) -> Prepared:
    torch.set_num_threads(threads)
    form = torch.channels_last if mode == "channels_last" else torch.contiguous_format
    (x, y), (test_x, test_y) = work.data()
    mean, spread = float(x.mean()), float(x.std())
    images, test_images = (torch.from_numpy(np.array(part)).permute(0, 3, 1, 2) for part in (x, test_x))
    classes, test_classes = (torch.from_numpy(part).long() for part in (y, test_y))
    whole, warm = work.updates(len(x))

    def prepared(batch: torch.Tensor) -> torch.Tensor:
        return ((batch.float() - mean) / spread).contiguous(memory_format=form)

    def begin() -> tuple[torch.nn.Module, torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
        torch.manual_seed(0)
        relu, pool = torch.nn.ReLU(), torch.nn.MaxPool2d(2, ceil_mode=True)
        net = torch.nn.Sequential(
            *convolution(1, 32, relu), pool, *convolution(32, 64, relu), pool, *convolution(64, 128, relu), pool,
            Past(*convolution(128, 128, relu), *convolution(128, 128)),
            torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Dropout(work.dropout), torch.nn.Linear(128, 10),
        ).to(memory_format=form)  # fmt: skip
        updates = torch.optim.AdamW(net.parameters(), lr=work.learning_rate, weight_decay=work.weight_decay, fused=True)

        def share(step: int) -> float:
            return min((step + 1) / warm, (1 + math.cos(math.pi * min(1.0, max(0, step - warm) / (whole - warm)))) / 2)

        return net, updates, torch.optim.lr_scheduler.LambdaLR(updates, share)

    def epoch(net: torch.nn.Module, updates: torch.optim.Optimizer, rate: torch.optim.lr_scheduler.LRScheduler) -> float:
        net.train()
        for rows in torch.randperm(len(images)).split(work.batch):
            updates.zero_grad()
            loss = F.cross_entropy(net(prepared(images[rows])), classes[rows], label_smoothing=work.label_smoothing)
            loss.backward()
            updates.step()
            rate.step()
        return loss.item()

    def judged() -> list[tuple[int, float]]:
        trained = begin()
        for _ in range(work.epochs):
            epoch(*trained)
        net = trained[0].eval()
        with torch.inference_mode():
            outputs = torch.cat([net(prepared(part)) for part in test_images.split(1000)])
        return [(work.epochs, accuracy(outputs, test_classes))]

    running = begin()
    made = repeated(lambda: epoch(*running))
    return Prepared(made.run, made.value, judged)
