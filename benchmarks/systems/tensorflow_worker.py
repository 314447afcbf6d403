"""TensorFlow on dense networks: the same layers and steps as on other networks, and Keras's `fit`."""

from __future__ import annotations

from types import SimpleNamespace

import keras
from workloads.base import Epoch, Prediction, Training
from workloads.layers import Activation, Dense, Network

from systems import Prepared
from systems.tensorflow_networks import VERSION, network, network_inference, network_training, optimizer


def as_network(work: Training | Epoch | Prediction, **more: object) -> SimpleNamespace:
    """The work of a dense network, as that of a network given as data."""
    layers = [layer for units in work.sizes[1:] for layer in (Dense(units), Activation("relu"))][:-1]
    weights = {str(2 * i): {"kernel": kernel, "bias": bias} for i, (kernel, bias) in enumerate(work.weights())}
    made = Network(work.sizes[:1], tuple(layers))
    return SimpleNamespace(network=made, weights=lambda: weights, target="classes", **more)


def training(work: Training, mode: str, threads: int) -> Prepared:
    return network_training(as_network(work, data=work.data, adam=work.adam), mode, threads)


def prediction(work: Prediction, mode: str, threads: int) -> Prepared:
    return network_inference(as_network(work, inputs=work.row), mode, threads)


def epoch(work: Epoch, mode: str, threads: int) -> Prepared:
    x, y = work.data()

    def made():
        net = network(as_network(work), threads)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        net.compile(optimizer(work.adam), loss, jit_compile="XLA" in mode)
        return net

    net, mean_loss = made(), 0.0

    def run(n: int) -> None:
        nonlocal mean_loss
        mean_loss = net.fit(x, y, work.batch, epochs=n, verbose=0).history["loss"][-1]

    def check() -> list[tuple[int, float]]:
        return [(1, made().fit(x, y, work.batch, shuffle=False, verbose=0).history["loss"][-1])]

    return Prepared(run, lambda: mean_loss, check)


__all__ = ["VERSION", "epoch", "prediction", "training"]
