"""Networks for images, sized by the images and their number; below `images`, above `nn`.

The plan of all of them: a stem at full size, then stages that halve the image and widen, each a convolution
with batch normalisation and, where there are enough images, a residual pair; then the mean over the image, dropout and
one dense layer.
"""

from __future__ import annotations

from typing import Any

from saltus import nn


def network_for(height: int, width: int, channels: int, classes: int, images: int, dropout: float) -> nn.Sequential:
    """A convolutional network.

    Args:
        height, width, channels: of the images.
        classes: how many there are; the network ends with as many logits.
        images: how many there are to learn from: few images get a narrow network.
        dropout: share of the last features left out in training.

    Example:
        >>> network = network_for(28, 28, 1, 10, 60_000, 0.1)
        >>> nn.describe(network, nn.Spec((1, 28, 28, 1))).output
        Spec(shape=(1, 10), dtype='float32')
    """
    side = max(height, width)
    wide = 32 if images >= 2_000 else 16
    layers: list[nn.Layer] = []
    if side > 48:  # large images: the first convolution strides, so that later ones are affordable
        layers += _convolution(wide, size=5, strides=2)
        side = -(-side // 2)
    else:
        layers += _convolution(wide)
    filters = wide
    while side > 8:
        layers.append(nn.MaxPooling2D(2, padding="same"))
        side = -(-side // 2)
        filters = min(2 * filters, 8 * wide)
        layers += _convolution(filters)
    layers.append(nn.Residual([*_convolution(filters), *_convolution(filters, activation=None)]))
    layers += [nn.Activation("relu"), nn.GlobalAveragePooling2D(), nn.Dropout(dropout), nn.Dense(classes)]
    return nn.Sequential(layers)


def _convolution(filters: int, *, size: int = 3, strides: int = 1, activation: str | None = "relu") -> list[nn.Layer]:
    """Convolution and batch normalisation, and an activation."""
    made: list[Any] = [nn.Conv2D(filters, size, strides=strides, padding="same", use_bias=False), nn.BatchNormalization(momentum=0.9)]
    return [*made, nn.Activation(activation)] if activation else made
