"""The networks that are measured, written once for all systems."""

from __future__ import annotations

from workloads.layers import (
    Activation,
    BatchNorm,
    Conv,
    ConvTranspose,
    Dense,
    Depthwise,
    Encoder,
    Flatten,
    Gru,
    Layer,
    Lstm,
    MaxPool,
    Mean,
    Network,
    Reshape,
    Residual,
)

RELU = Activation("relu")


def normalised(layer: Layer, *, activation: bool = True) -> tuple[Layer, ...]:
    """A layer, batch normalisation, relu."""
    return (layer, BatchNorm(), RELU) if activation else (layer, BatchNorm())


def residual(filters: int, stride: int = 1) -> tuple[Layer, ...]:
    inside = (*normalised(Conv(filters, 3, stride, bias=False)), *normalised(Conv(filters, bias=False), activation=False))
    shortcut = normalised(Conv(filters, 1, stride, bias=False), activation=False) if stride > 1 else ()
    return Residual(inside, shortcut), RELU


def separable(filters: int, stride: int = 1) -> tuple[Layer, ...]:
    return Depthwise(3, stride), *normalised(Conv(filters, 1, bias=False))


def vgg16(pixels: int) -> Network:
    blocks = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
    layers = [layer for filters, times in blocks for layer in (*(Conv(filters), RELU) * times, MaxPool())]
    return Network((pixels, pixels, 3), (*layers, Flatten(), Dense(4096), RELU, Dense(4096), RELU, Dense(1000)))


CNN = Network(
    (28, 28, 1),
    (
        *(Conv(32, padding="valid"), RELU, MaxPool(), Conv(64, padding="valid"), RELU, MaxPool()),
        *(Flatten(), Dense(128), RELU, Dense(10)),
    ),
)
RESNET = Network(
    (32, 32, 3),
    (*normalised(Conv(32, bias=False)), *residual(32), *residual(64, 2), *residual(128, 2), Mean(), Dense(10)),
)
SEPARABLE = Network(
    (64, 64, 3),
    (
        *normalised(Conv(32, 3, 2, bias=False)),
        *(*separable(64), *separable(128, 2), *separable(128), *separable(256, 2), *separable(256)),
        *(Mean(), Dense(10)),
    ),
)
LSTM = Network((64, 64), (Lstm(256), Dense(10)))
GRU = Network((64, 64), (Gru(256), Dense(10)))
TRANSFORMER = Network((128, 256), (*(Encoder(4, 1024),) * 4, Mean(), Dense(10)))
GENERATOR = Network(
    (100,),
    (
        *(Dense(4 * 4 * 256, bias=False), Reshape((4, 4, 256)), BatchNorm(), RELU),
        *(*normalised(ConvTranspose(128, bias=False)), *normalised(ConvTranspose(64, bias=False))),
        *(ConvTranspose(3), Activation("tanh")),
    ),
)
CONVOLUTIONAL_AUTOENCODER = Network(
    (28, 28, 1),
    (
        *(Conv(32, 3, 2), RELU, Conv(16, 3, 2), RELU),
        *(ConvTranspose(16, 3), RELU, ConvTranspose(32, 3), RELU, Conv(1), Activation("sigmoid")),
    ),
)
DENSE_AUTOENCODER = Network(
    (784,), (Dense(128), RELU, Dense(32), RELU, Dense(128), RELU, Dense(784), Activation("sigmoid"))
)
SMALL = Network((8, 8, 1), (Conv(16), RELU, MaxPool(), Flatten(), Dense(10)))
