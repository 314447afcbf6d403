"""PyTorch on the networks, as modules: eager with images in either order in memory, or through torch.compile."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from workloads import layers as data
from workloads.layers import Layer, Network
from workloads.network_work import NetworkInference, NetworkTraining

from systems import Prepared, mean_magnitude
from systems.torch_eager_worker import optimizer

VERSION = torch.__version__


class Mean(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean((2, 3) if x.dim() == 4 else 1)


class Residual(nn.Module):
    def __init__(self, inside: nn.Module, shortcut: nn.Module) -> None:
        super().__init__()
        self.inside, self.shortcut = inside, shortcut

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inside(x) + self.shortcut(x)


class Last(nn.Module):
    """The last output of a recurrent module."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner(x)[0][:, -1]


def rows_first(kernel: np.ndarray) -> np.ndarray:
    """A convolution's kernel (height, width, a, b) as (b, a, height, width)."""
    return kernel.transpose(3, 2, 0, 1)


def filled(module: nn.Module, values: dict[str, np.ndarray]) -> nn.Module:
    with torch.no_grad():
        for name, value in values.items():
            module.get_parameter(name).copy_(torch.from_numpy(np.ascontiguousarray(value)))
    return module


def biased(values: dict[str, np.ndarray], weight: np.ndarray) -> dict[str, np.ndarray]:
    return {"weight": weight} | ({"bias": values["bias"]} if "bias" in values else {})


def gates(values: np.ndarray, order: tuple[int, ...]) -> np.ndarray:
    """The columns of all gates as rows, the gates in another order."""
    parts = np.split(values, len(order), axis=-1)
    return np.concatenate([parts[i] for i in order], axis=-1).T


def recurrent(layer: data.Lstm, values: dict[str, np.ndarray], features: int) -> nn.Module:
    """PyTorch has two biases, of which an LSTM needs one; its GRU has the reset gate first."""
    kind, order = (nn.GRU, (1, 0, 2)) if isinstance(layer, data.Gru) else (nn.LSTM, (0, 1, 2, 3))
    own, inner = np.atleast_2d(values["bias"]), kind(features, layer.units, batch_first=True)
    biases = {"bias_ih_l0": own[0], "bias_hh_l0": own[1] if len(own) > 1 else np.zeros_like(own[0])}
    kernels = {"weight_ih_l0": values["kernel"], "weight_hh_l0": values["recurrent_kernel"]}
    filled(inner, {name: gates(value, order) for name, value in (kernels | biases).items()})
    inner.bias_hh_l0.requires_grad_(len(own) > 1)
    return Last(inner)


def encoder(layer: data.Encoder, values: dict[str, np.ndarray], width: int) -> nn.Module:
    made = nn.TransformerEncoderLayer(
        width, layer.heads, layer.hidden, 0.0, layer_norm_eps=layer.epsilon, batch_first=True
    )
    joined = [np.concatenate([values[f"{n}_{kind}"] for n in ("query", "key", "value")], -1) for kind in ("kernel", "bias")]
    return filled(
        made,
        {
            "self_attn.in_proj_weight": joined[0].T, "self_attn.in_proj_bias": joined[1],
            "self_attn.out_proj.weight": values["output_kernel"].T,
            "self_attn.out_proj.bias": values["output_bias"],
            "linear1.weight": values["up_kernel"].T, "linear1.bias": values["up_bias"],
            "linear2.weight": values["down_kernel"].T, "linear2.bias": values["down_bias"],
            "norm1.weight": values["attention_gamma"], "norm1.bias": values["attention_beta"],
            "norm2.weight": values["hidden_gamma"], "norm2.bias": values["hidden_beta"],
        },
    )


ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid}


def module_of(layer: Layer, path: str, shape: tuple[int, ...], weights: data.Weights) -> nn.Module:
    """A module for one layer of the data; `shape` is (..., channels), though PyTorch's images are (channels, ...)."""
    values, channels = weights.get(path, {}), shape[-1]
    match layer:
        case data.Dense(units, bias):
            made = nn.Linear(channels, units, bias=bias)
            return filled(made, biased(values, values["kernel"].T))
        case data.Conv(filters, kernel, stride, _, bias):
            made = nn.Conv2d(channels, filters, kernel, stride, layer.border, bias=bias)
            return filled(made, biased(values, rows_first(values["kernel"])))
        case data.Depthwise(kernel, stride):
            made = nn.Conv2d(channels, channels, kernel, stride, layer.border, groups=channels, bias=False)
            return filled(made, {"weight": values["kernel"].transpose(2, 3, 0, 1)})
        case data.ConvTranspose(filters, kernel, stride, bias):
            made = nn.ConvTranspose2d(channels, filters, kernel, stride, layer.border, layer.extra, bias=bias)
            return filled(made, biased(values, rows_first(values["kernel"])))
        case data.BatchNorm(epsilon, momentum):
            kind = nn.BatchNorm2d if len(shape) == 3 else nn.BatchNorm1d
            made = kind(channels, eps=epsilon, momentum=1 - momentum)
            return filled(made, {"weight": values["gamma"], "bias": values["beta"]})
        case data.Activation(function):
            return ACTIVATIONS[function]()
        case data.MaxPool():
            return nn.MaxPool2d(2)
        case data.Mean():
            return Mean()
        case data.Flatten():
            return nn.Flatten()
        case data.Reshape(target):
            return nn.Unflatten(1, (target[-1], *target[:-1]))
        case data.Residual(inside, shortcut):
            parts = (
                sequence(part, f"{path}.{name}.", shape, weights)
                for name, part in (("inside", inside), ("shortcut", shortcut))
            )
            return Residual(*parts)
        case data.Lstm() | data.Gru():
            return recurrent(layer, values, channels)
        case data.Encoder():
            return encoder(layer, values, channels)
    raise NotImplementedError(type(layer).__name__)


def sequence(layers: tuple[Layer, ...], path: str, shape: tuple[int, ...], weights: data.Weights) -> nn.Sequential:
    made = []
    for name, layer in data.named(layers, path):
        made.append(module_of(layer, name, shape, weights))
        shape = layer.out(shape)
    return nn.Sequential(*made)


def channels_first(network: Network, weights: data.Weights) -> data.Weights:
    """Weights of Dense layers next to Flatten and Reshape, for images whose channels come first."""
    changed, steps = dict(weights), list(data.walk(network.layers, network.input))
    for (_, before, shape), (path, layer, _) in pairwise(steps):
        if isinstance(before, data.Flatten) and isinstance(layer, data.Dense):
            kernel = weights[path]["kernel"].reshape(*shape, -1)
            changed[path] = weights[path] | {"kernel": np.moveaxis(kernel, 2, 0).reshape(-1, layer.units)}
    for (path, before, _), (_, layer, _) in pairwise(steps):
        if isinstance(before, data.Dense) and isinstance(layer, data.Reshape):
            kernel = weights[path]["kernel"].reshape(-1, *layer.shape)
            changed[path] = weights[path] | {"kernel": np.moveaxis(kernel, -1, 1).reshape(kernel.shape[0], -1)}
    return changed


def built(work: NetworkTraining | NetworkInference, mode: str, threads: int) -> tuple[nn.Module, torch.memory_format]:
    torch.set_num_threads(threads)
    network = work.network
    net = sequence(network.layers, "", network.input, channels_first(network, work.weights()))
    form = torch.channels_last if "channels_last" in mode else torch.contiguous_format
    return net.to(memory_format=form), form


def tensor(array: np.ndarray, form: torch.memory_format) -> torch.Tensor:
    """A batch as PyTorch has it: images with their channels first."""
    made = torch.from_numpy(array)
    return made.permute(0, 3, 1, 2).contiguous(memory_format=form) if made.dim() == 4 else made


def wrapper(mode: str) -> Callable:
    return torch.compile if "compiled" in mode else lambda function: function


def network_training(work: NetworkTraining, mode: str, threads: int) -> Prepared:
    net, form = built(work, mode, threads)
    xs, ys = work.data()
    classes = work.target == "classes"
    batches = [
        (tensor(x, form), torch.from_numpy(y).long() if classes else tensor(y, form))
        for x, y in zip(xs, ys, strict=True)
    ]
    wanted = [p for p in net.parameters() if p.requires_grad]
    updates, measure = optimizer(wanted, work.adam, fused=True), F.cross_entropy if classes else F.mse_loss
    loss_of, done, last = wrapper(mode)(lambda x, y: measure(net(x), y)), 0, torch.zeros(())

    def run(n: int) -> None:
        nonlocal done, last
        for i in range(done, done + n):
            updates.zero_grad()
            last = loss_of(*batches[i % len(batches)])
            last.backward()
            updates.step()
        done += n

    return Prepared(run, lambda: float(last.detach()))


def network_inference(work: NetworkInference, mode: str, threads: int) -> Prepared:
    net, form = built(work, mode, threads)
    call, x, last = wrapper(mode)(net.eval()), work.inputs(), np.zeros(1)

    def run(n: int) -> None:
        nonlocal last
        with torch.inference_mode():
            for _ in range(n):
                last = call(tensor(x, form)).numpy()

    return Prepared(run, lambda: mean_magnitude(last))
