"""Networks for images, sized by the images and their number; below `images`, above `nn`.

The plan of all of them: a convolution at full size, then stages that halve the image and double the features, then
two convolutions with a way past them on the smallest image; every convolution with batch normalisation. Then the mean
over the image, dropout and one dense layer. Each stage costs about the same, and most of it is spent in
convolutions of 32 and more channels, which the engine runs near the machine's peak.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from saltus import nn

Array = np.ndarray[Any, Any]

_ENOUGH = 2_000  # images that can fill a network of full width


def network_for(
    height: int, width: int, channels: int, classes: int, images: int, dropout: float, filters: int | None = None, blocks: int = 1,
    activation: str = "relu",
) -> nn.Sequential:  # fmt: skip
    """A convolutional network.

    Args:
        height, width, channels: of the images.
        classes: how many there are; the network ends with as many logits.
        images: how many there are to learn from: few images get a narrow network.
        dropout: share of the last features left out in training.
        filters: of the first convolution; None chooses.
        blocks: pairs of convolutions with a way past them, on the smallest image.
        activation: after the convolutions.

    Example:
        >>> network = network_for(28, 28, 1, 10, 60_000, 0.1)
        >>> nn.describe(network, nn.Spec((1, 28, 28, 1))).output
        Spec(shape=(1, 10), dtype='float32')
    """
    return nn.Sequential([*features_of(height, width, images, filters, blocks, activation), nn.Dropout(dropout), nn.Dense(classes)])


def features_of(
    height: int, width: int, images: int, filters: int | None = None, blocks: int = 1, activation: str = "relu"
) -> list[nn.Layer]:
    """The layers of such a network that make one vector of an image: all but the last two.

    Args:
        height, width, images, filters, blocks, activation: as of `network_for`.
    """
    side, now = max(height, width), filters or (32 if images >= _ENOUGH else 16)
    most = 8 * now
    if side > 48:  # large images: the first convolution strides, so that later ones are affordable
        layers, side = _convolution(now, activation, size=5, strides=2), -(-side // 2)
    else:
        layers = _convolution(now, activation)
    while side > 8:
        now, side = min(2 * now, most), -(-side // 2)
        layers += [nn.MaxPooling2D(2, padding="same"), *_convolution(now, activation)]
    if side > 4:
        layers.append(nn.MaxPooling2D(2, padding="same"))
    for _ in range(blocks):
        layers += [nn.Residual([*_convolution(now, activation), *_convolution(now, None)]), nn.Activation(activation)]
    return [*layers, nn.GlobalAveragePooling2D()]


def _convolution(filters: int, activation: str | None, *, size: int = 3, strides: int = 1) -> list[nn.Layer]:
    """Convolution and batch normalisation, and an activation."""
    made: list[Any] = [nn.Conv2D(filters, size, strides=strides, padding="same", use_bias=False), nn.BatchNormalization(momentum=0.9)]
    return [*made, nn.Activation(activation)] if activation else made


def moments(histogram: Array) -> tuple[Array, Array]:
    """Mean and standard deviation of each channel.

    Args:
        histogram: (C, 256), how often each value occurs.

    Returns:
        float64 (C,) and (C,); a channel that never changes has the deviation 1.

    Example:
        >>> moments(np.eye(256)[[0]] + np.eye(256)[[10]])
        (array([5.]), array([5.]))
    """
    values = np.arange(256.0)
    mean, spread = np.empty(len(histogram)), np.empty(len(histogram))
    for channel, counts in enumerate(histogram):
        shares = counts / max(1, counts.sum())
        mean[channel] = shares @ values
        spread[channel] = np.sqrt(shares @ (values - mean[channel]) ** 2) or 1.0
    return mean, spread
