"""saltus on the networks: `sl.Model` over its own layers, `train_on_batch` and `predict_on_batch`."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Any

import numpy as np
from workloads import layers as data
from workloads.layers import Layer, Network
from workloads.network_work import NetworkInference, NetworkTraining

import saltus as sl
from saltus import nn
from systems import Prepared, mean_magnitude

VERSION = sl.__version__
ENCODER = {  # our names of an encoder's weights, and where saltus has them
    **{f"{n}_{kind}": ("self_attention", f"{n}_{kind}") for n in ("query", "key", "value", "output") for kind in ("kernel", "bias")},
    **{f"attention_{kind}": ("self_attention_norm", kind) for kind in ("gamma", "beta")},
    **{f"hidden_{kind}": ("feedforward_norm", kind) for kind in ("gamma", "beta")},
    **{f"up_{kind}": ("intermediate", kind) for kind in ("kernel", "bias")},
    **{f"down_{kind}": ("output", kind) for kind in ("kernel", "bias")},
}


def mean_of(shape: tuple[int, ...]) -> nn.Layer:
    return nn.GlobalAveragePooling2D() if len(shape) == 3 else nn.GlobalAveragePooling1D()


def border_of(layer: data.Conv | data.Depthwise) -> object:
    """Even padding by its name where that is the same."""
    return "same" if layer.stride == 1 and layer.border else (layer.border and ((layer.border,) * 2,) * 2) or "valid"


def layer_of(layer: Layer, path: str, shape: tuple[int, ...]) -> nn.Layer:
    """A layer of saltus for one of the data, by the same name as in the data's weights."""
    name = path.rpartition(".")[2]
    match layer:
        case data.Dense(units, bias):
            return nn.Dense(units, use_bias=bias, name=name)
        case data.Conv(filters, kernel, stride, _, bias):
            return nn.Conv2D(filters, kernel, strides=stride, padding=border_of(layer), use_bias=bias, name=name)
        case data.Depthwise(kernel, stride):
            return nn.DepthwiseConv2D(kernel, strides=stride, padding=border_of(layer), use_bias=False, name=name)
        case data.ConvTranspose(filters, kernel, stride, bias):
            options = {"padding": ((layer.border,) * 2,) * 2, "output_padding": layer.extra} if layer.extra else {"padding": "same"}
            return nn.Conv2DTranspose(filters, kernel, strides=stride, use_bias=bias, name=name, **options)
        case data.BatchNorm(epsilon, momentum):
            return nn.BatchNormalization(epsilon=epsilon, momentum=momentum, name=name)
        case data.Activation(function):
            return nn.Activation(function, name=name)
        case data.MaxPool():
            return nn.MaxPooling2D(2, name=name)
        case data.Mean():
            return mean_of(shape)
        case data.Flatten():
            return nn.Flatten(name=name)
        case data.Reshape(target):
            return nn.Reshape(target, name=name)
        case data.Residual(inside, shortcut):
            way = sequence(shortcut, f"{path}.shortcut.", shape) if shortcut else None
            return nn.Residual(sequence(inside, f"{path}.inside.", shape), shortcut=way, name=name)
        case data.Gru(units):
            return nn.GRU(units, name=name)
        case data.Lstm(units):
            return nn.LSTM(units, name=name)
        case data.Encoder(heads, hidden, epsilon):
            return nn.TransformerEncoder(
                intermediate_dim=hidden, num_heads=heads, activation="relu", layer_norm_epsilon=epsilon, name=name
            )


def sequence(layers: tuple[Layer, ...], path: str, shape: tuple[int, ...]) -> nn.Sequential:
    made = []
    for name, layer in data.named(layers, path):
        made.append(layer_of(layer, name, shape))
        shape = layer.out(shape)
    return nn.Sequential(made)


def model(network: Network, weights: data.Weights, x: np.ndarray, **options: object) -> sl.Model:
    """The network as `sl.Model`, holding the given weights."""
    params: dict[str, Any] = {}
    for path, own in weights.items():
        place = params
        for part in path.replace("inside", "layers").split("."):
            place = place.setdefault(part, {})
        for name, value in own.items():
            if name in ENCODER:
                inner, last = ENCODER[name]
                place.setdefault(inner, {})[last] = value
            else:
                place[name] = value
    made = sl.Model(sequence(network.layers, "", network.input), **options)
    made.build(x, {"params": params})
    return made


def trained(work: NetworkTraining, x: np.ndarray) -> sl.Model:
    """The model of a training workload."""
    loss = nn.losses.SparseCategoricalCrossentropy(from_logits=True) if work.target == "classes" else "mean_squared_error"
    return model(work.network, work.weights(), x, loss=loss, optimizer=sl.optim.Adam(**asdict(work.adam)))


def training_program(work: NetworkTraining) -> tuple[Any, list[np.ndarray]]:
    """The compiled training step, and arrays it can run on; beneath the public names, since these do not show it."""
    xs, ys = work.data()
    net = trained(work, xs[0])
    net.train_on_batch(xs[0], ys[0])
    program, batch = net._one("train", xs[0], ys[0], None)
    return program, [*net._built.state, net._key, *batch]


def network_training(work: NetworkTraining, mode: str, threads: int) -> Prepared:
    xs, ys = work.data()
    net = trained(work, xs[0])
    begun = time.perf_counter()
    net._one("train", xs[0], ys[0], None)  # beneath the public names: the first step would do it
    compile_s = time.perf_counter() - begun
    batches, done, last = list(zip(xs, ys, strict=True)), 0, 0.0

    def run(n: int) -> None:
        nonlocal last, done
        for i in range(done, done + n):
            last = net.train_on_batch(*batches[i % len(batches)])["loss"]
        done += n

    return Prepared(run, lambda: last, compile_s=compile_s)


def network_inference(work: NetworkInference, mode: str, threads: int) -> Prepared:
    x, last = work.inputs(), np.zeros(1)
    net = model(work.network, work.weights(), x)

    def run(n: int) -> None:
        nonlocal last
        for _ in range(n):
            last = net.predict_on_batch(x)

    return Prepared(run, lambda: mean_magnitude(last))
