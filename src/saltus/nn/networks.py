"""Known networks for images, written out: a start for one's own, and what tests and benchmarks run. In: the layers. Each is an
`nn.Sequential` that knows the shape of its input.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from saltus.base.errors import ArgumentError
from saltus.nn.adaptive_pooling import GlobalAveragePooling2D
from saltus.nn.checks import whole
from saltus.nn.containers import Residual, Sequential
from saltus.nn.convolution import Conv2D
from saltus.nn.convolution_transpose import Conv2DTranspose
from saltus.nn.core import Activation, Dense, Flatten, Reshape
from saltus.nn.depthwise import SeparableConv2D
from saltus.nn.graph import Input
from saltus.nn.layer import Layer, Shape
from saltus.nn.noise import Dropout
from saltus.nn.normalization import BatchNormalization
from saltus.nn.pooling import MaxPooling2D


def _image(name: str, shape: Sequence[int], least: int) -> Shape:
    """The shape of an image that stays large enough through all poolings and strides."""
    made = tuple(whole(name, "input_shape", n) for n in shape)
    if len(made) != 3 or min(made[:2]) < least:
        raise ArgumentError(
            f"{name}: input_shape must be (height, width, channels) with at least {least} x {least} pixels, got {tuple(shape)}",
            fix=f"resize the images, e.g. to ({max(least, 32)}, {max(least, 32)}, {made[-1] if made else 3})",
        )
    return made


def _normalised(layer: Layer, activation: str | None = "relu") -> list[Layer]:
    """A layer without bias or activation, batch normalisation, activation."""
    return [layer, BatchNormalization()] + ([Activation(activation)] if activation else [])


def cnn(classes: int = 10, input_shape: Sequence[int] = (28, 28, 1), *, filters: Sequence[int] = (32, 64), units: int = 128,
        dropout: float = 0.0) -> Sequential:  # fmt: skip
    """A small convolutional network: for each number of filters a convolution and a pooling that halves the image, then two Dense layers.

    Args:
        classes: outputs (logits).
        input_shape: (height, width, channels).
        filters: of the convolutions.
        units: of the hidden Dense layer.
        dropout: before the last layer.

    Source: after LeCun, Bottou, Bengio and Haffner, "Gradient-based learning applied to document recognition", 1998.

    Example:
        >>> from saltus import nn
        >>> nn.describe(nn.networks.cnn()).count
        421642
    """
    shape = _image("cnn", input_shape, 2 ** len(filters))
    layers: list[Layer] = []
    for n in filters:
        layers += [Conv2D(n, 3, padding="same", activation="relu", kernel_initializer="he_normal"), MaxPooling2D()]
    drop = [Dropout(dropout)] if dropout else []
    return Sequential([Input(shape), *layers, Flatten(), Dense(units, activation="relu"), *drop, Dense(classes)])


def vgg16(classes: int = 1000, input_shape: Sequence[int] = (224, 224, 3), *, units: int = 4096, dropout: float = 0.0) -> Sequential:
    """VGG-16: thirteen convolutions of 3 x 3 in five blocks, each ended by a pooling, and three Dense layers.

    Args:
        classes: outputs (logits).
        input_shape: (height, width, channels), from 32 x 32 pixels on.
        units: of the two hidden Dense layers.
        dropout: after each of these; the paper has 0.5.

    Source: Simonyan and Zisserman, "Very deep convolutional networks for large-scale image recognition", 2015.

    Example:
        >>> from saltus import nn
        >>> f"{nn.describe(nn.networks.vgg16()).count:,}"
        '138,357,544'
    """
    shape = _image("vgg16", input_shape, 32)
    layers: list[Layer] = []
    for filters, times in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        layers += [Conv2D(filters, 3, padding="same", activation="relu", kernel_initializer="he_normal") for _ in range(times)]
        layers.append(MaxPooling2D())
    layers.append(Flatten())
    for _ in range(2):
        layers += [Dense(units, activation="relu", kernel_initializer="he_normal")] + ([Dropout(dropout)] if dropout else [])
    return Sequential([Input(shape), *layers, Dense(classes)])


def resnet(classes: int = 10, input_shape: Sequence[int] = (32, 32, 3), *, filters: Sequence[int] = (32, 64, 128),
           blocks: int = 2) -> Sequential:  # fmt: skip
    """A residual network with batch normalisation: stages of blocks of two convolutions with a way past; each stage halves the image.

    Args:
        classes: outputs (logits).
        input_shape: (height, width, channels).
        filters: of each stage; the first one keeps the size of the image.
        blocks: in each stage.

    Source: He, Zhang, Ren and Sun, "Deep residual learning for image recognition", 2016.

    Example:
        >>> from saltus import nn
        >>> nn.describe(nn.networks.resnet()).output.shape
        (1, 10)
    """
    shape = _image("resnet", input_shape, 2 ** (len(filters) - 1))
    layers = _normalised(_plain(filters[0], 3))
    before = filters[0]
    for stage, n in enumerate(filters):
        for block in range(whole("resnet", "blocks", blocks)):
            stride = 2 if stage and not block else 1
            shortcut = _normalised(_plain(n, 1, stride), None) if stride > 1 or n != before else None
            inside = [*_normalised(_plain(n, 3, stride)), *_normalised(_plain(n, 3), None)]
            layers += [Residual(inside, shortcut=shortcut), Activation("relu")]
            before = n
    return Sequential([Input(shape), *layers, GlobalAveragePooling2D(), Dense(classes)])


def _plain(filters: int, kernel: int, stride: int = 1) -> Conv2D:
    return Conv2D(filters, kernel, strides=stride, padding="same", use_bias=False, kernel_initializer="he_normal")


def xception_like(classes: int = 10, input_shape: Sequence[int] = (64, 64, 3), *, filters: Sequence[int] = (64, 128, 256),
                  middle: int = 2) -> Sequential:  # fmt: skip
    """A network of depthwise separable convolutions in residual blocks, after Xception: a stem, blocks that halve the image, blocks that
    keep it.

    Args:
        classes: outputs (logits).
        input_shape: (height, width, channels).
        filters: of each block that halves the image.
        middle: blocks of three separable convolutions that keep its size.

    Source: Chollet, "Xception: deep learning with depthwise separable convolutions", 2017.

    Example:
        >>> from saltus import nn
        >>> nn.describe(nn.networks.xception_like()).output.shape
        (1, 10)
    """
    shape = _image("xception_like", input_shape, 2 ** (len(filters) + 1))
    layers = [*_normalised(_plain(32, 3, 2)), *_normalised(_plain(filters[0], 3))]
    for n in filters:
        inside = [*_normalised(_separable(n)), *_normalised(_separable(n), None), MaxPooling2D(3, strides=2, padding="same")]
        layers += [Residual(inside, shortcut=_normalised(_plain(n, 1, 2), None)), Activation("relu")]
    for _ in range(middle):
        parts = [layer for _ in range(3) for layer in [Activation("relu"), *_normalised(_separable(filters[-1]), None)]]
        layers.append(Residual(parts))
    return Sequential([Input(shape), *layers, GlobalAveragePooling2D(), Dense(classes)])


def _separable(filters: int) -> SeparableConv2D:
    return SeparableConv2D(filters, 3, padding="same", use_bias=False, depthwise_initializer="he_normal", pointwise_initializer="he_normal")


def dcgan_generator(latent: int = 100, output_shape: Sequence[int] = (32, 32, 3), *, filters: Sequence[int] = (256, 128, 64)) -> Sequential:
    """The generator of a DCGAN: random numbers in, images from -1 to 1 out, through transposed convolutions that double the size.

    Args:
        latent: how many numbers go in.
        output_shape: (height, width, channels); height and width are multiples of 2 ** len(filters).
        filters: at each size, the smallest first.

    Source: Radford, Metz and Chintala, "Unsupervised representation learning with deep convolutional generative adversarial
        networks", 2016.

    Example:
        >>> from saltus import nn
        >>> nn.describe(nn.networks.dcgan_generator()).output.shape
        (1, 32, 32, 3)
    """
    height, width, channels = _image("dcgan_generator", output_shape, 2 ** len(filters))
    times = 2 ** len(filters)
    if height % times or width % times:
        raise ArgumentError(
            f"dcgan_generator: {len(filters)} doublings cannot make {height} x {width} pixels",
            fix=f"use a multiple of {times}, or another number of filters",
        )
    start = (height // times, width // times, filters[0])
    layers: list[Layer] = [Dense(math.prod(start), use_bias=False), Reshape(start), BatchNormalization(), Activation("relu")]
    for n in filters[1:]:
        layers += _normalised(Conv2DTranspose(n, 4, strides=2, padding="same", use_bias=False))
    last = Conv2DTranspose(channels, 4, strides=2, padding="same", activation="tanh")
    return Sequential([Input((latent,)), *layers, last])


def convolutional_autoencoder(input_shape: Sequence[int] = (28, 28, 1), *, filters: Sequence[int] = (32, 16)) -> Sequential:
    """Convolutions that make an image smaller, and transposed ones that bring it back, values from 0 to 1.

    Args:
        input_shape: (height, width, channels); height and width are multiples of 2 ** len(filters).
        filters: at each size on the way down.

    Example:
        >>> from saltus import nn
        >>> nn.describe(nn.networks.convolutional_autoencoder()).output.shape
        (1, 28, 28, 1)
    """
    shape = _image("convolutional_autoencoder", input_shape, 2 ** len(filters))
    if any(n % 2 ** len(filters) for n in shape[:2]):
        raise ArgumentError(
            f"convolutional_autoencoder: {shape[0]} x {shape[1]} pixels cannot be halved {len(filters)} times",
            fix=f"use a multiple of {2 ** len(filters)}, or fewer filters",
        )
    down: list[Layer] = [Conv2D(n, 3, strides=2, padding="same", activation="relu") for n in filters]
    up: list[Layer] = [Conv2DTranspose(n, 3, strides=2, padding="same", activation="relu") for n in reversed(filters)]
    return Sequential([Input(shape), *down, *up, Conv2D(shape[-1], 3, padding="same", activation="sigmoid")])


def dense_autoencoder(width: int = 784, *, units: Sequence[int] = (128, 32)) -> Sequential:
    """Dense layers that become narrower, and the same back again, values from 0 to 1.

    Args:
        width: of an input.
        units: of each layer on the way down.

    Source: Hinton and Salakhutdinov, "Reducing the dimensionality of data with neural networks", 2006.

    Example:
        >>> from saltus import nn
        >>> nn.describe(nn.networks.dense_autoencoder()).output.shape
        (1, 784)
    """
    hidden = [Dense(n, activation="relu") for n in (*units, *reversed(units[:-1]))]
    return Sequential([Input((width,)), *hidden, Dense(width, activation="sigmoid")])


__all__ = ["cnn", "convolutional_autoencoder", "dcgan_generator", "dense_autoencoder", "resnet", "vgg16", "xception_like"]
