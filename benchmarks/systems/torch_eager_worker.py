"""PyTorch as it runs by default: operation by operation; also the pieces that the compiled form shares."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from workloads.base import Adam, Chain, Epoch, Prediction, Product, Training, Weights

from systems import Prepared, mean_magnitude

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
VERSION = torch.__version__


def network(weights: Weights) -> torch.nn.Sequential:
    """Dense layers with relu between them, holding copies of the given weights."""
    layers: list[torch.nn.Module] = []
    for kernel, bias in weights:
        layer = torch.nn.Linear(*kernel.shape)
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(kernel.T))
            layer.bias.copy_(torch.from_numpy(bias))
        layers += [layer, torch.nn.ReLU()]
    return torch.nn.Sequential(*layers[:-1])


def optimizer(parameters, settings: Adam, **options: bool) -> torch.optim.Adam:
    betas = (settings.beta_1, settings.beta_2)
    return torch.optim.Adam(
        parameters, lr=settings.learning_rate, betas=betas, eps=settings.epsilon, **options
    )


def adam_options(mode: str) -> dict[str, bool]:
    """The implementation of Adam that a mode names; torch.compile can only compile the unfused one."""
    return {"foreach": True} if "foreach" in mode or "optimizer compiled" in mode else {"fused": True}


def make_step(
    weights: Weights, adam: Adam, mode: str
) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    """The usual training step as a function of a batch; it returns the loss."""
    net = network(weights)
    updates = optimizer(net.parameters(), adam, **adam_options(mode))

    def step(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        updates.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        updates.step()
        return loss

    return step


def training(work: Training, mode: str, threads: int, make_step=make_step) -> Prepared:
    torch.set_num_threads(threads)
    xs, ys = work.data()
    batches = [(torch.from_numpy(x), torch.from_numpy(y).long()) for x, y in zip(xs, ys, strict=True)]
    step, done, last = make_step(work.weights(), work.adam, mode), 0, torch.zeros(())

    def run(n: int) -> None:
        nonlocal done, last
        for i in range(done, done + n):
            last = step(*batches[i % len(batches)])
        done += n

    return Prepared(run, lambda: float(last))


def epoch(work: Epoch, mode: str, threads: int, make_step=make_step) -> Prepared:
    torch.set_num_threads(threads)
    x, y = work.data()
    samples = torch.utils.data.TensorDataset(torch.from_numpy(x), torch.from_numpy(y).long())
    mean_loss = 0.0

    def one_epoch(step, loader) -> float:
        total = 0.0
        for batch_x, batch_y in loader:
            total += step(batch_x, batch_y).item() * len(batch_x)
        return total / work.samples

    shuffled = torch.utils.data.DataLoader(samples, batch_size=work.batch, shuffle=True)
    ordered = torch.utils.data.DataLoader(samples, batch_size=work.batch, shuffle=False)
    step = make_step(work.weights(), work.adam, mode)

    def run(n: int) -> None:
        nonlocal mean_loss
        for _ in range(n):
            mean_loss = one_epoch(step, shuffled)

    def check() -> list[tuple[int, float]]:
        return [(1, one_epoch(make_step(work.weights(), work.adam, mode), ordered))]

    return Prepared(run, lambda: mean_loss, check)


def prediction(work: Prediction, mode: str, threads: int, wrap: Callable = lambda net: net) -> Prepared:
    torch.set_num_threads(threads)
    net, row, last = wrap(network(work.weights()).eval()), work.row(), np.zeros(1)

    def run(n: int) -> None:
        nonlocal last
        with torch.inference_mode():
            for _ in range(n):
                last = net(torch.from_numpy(row)).numpy()

    return Prepared(run, lambda: mean_magnitude(last))


def product(work: Product, mode: str, threads: int) -> Prepared:
    torch.set_num_threads(threads)
    pairs = [(torch.from_numpy(a), torch.from_numpy(b)) for a, b in work.pairs()]
    results = [torch.empty(work.m, work.n) for _ in pairs]

    def run(n: int) -> None:
        for _ in range(n):
            for (a, b), result in zip(pairs, results, strict=True):
                torch.matmul(a, b, out=result)

    return Prepared(run, lambda: mean_magnitude(results[-1]))


def operation(work: Chain) -> Callable[[torch.Tensor], torch.Tensor]:
    """The chain's operation on an array (rows, columns)."""
    scale, shift = (torch.from_numpy(a) for a in work.scale_and_shift())
    return {
        "gelu": F.gelu,
        "softmax": lambda x: torch.softmax(x, -1),
        "layer_norm": lambda x: F.layer_norm(x, (work.columns,), scale, shift, work.epsilon),
    }[work.operation]


def chain(work: Chain, mode: str, threads: int, wrap: Callable = lambda function: function) -> Prepared:
    torch.set_num_threads(threads)
    values = torch.from_numpy(work.array())
    if work.operation == "adam":
        return adam_chain(work, values, optimizer([values], work.adam, **adam_options(mode)), wrap)
    result = torch.empty_like(values)
    into = {
        "gelu": lambda: torch._C._nn.gelu(values, out=result),
        "softmax": lambda: torch.softmax(values, -1, out=result),
    }
    function = wrap(operation(work))
    once = into[work.operation] if mode == "result reused" else lambda: function(values)

    def run(n: int) -> None:
        nonlocal result
        with torch.no_grad():
            for _ in range(n):
                result = once()

    return Prepared(run, lambda: mean_magnitude(result))


def adam_chain(work: Chain, values: torch.Tensor, updates: torch.optim.Adam, wrap: Callable) -> Prepared:
    """Updates of `values` in place, with the same gradient each time."""
    values.grad = torch.from_numpy(work.array(offset=1))
    update = wrap(updates.step)

    def run(n: int) -> None:
        for _ in range(n):
            update()

    return Prepared(run, lambda: mean_magnitude(values))
