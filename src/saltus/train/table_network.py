"""Networks for tables: a branch for the numbers and categories, one for each text, one for each column of images; below
`tabular`, above `image_network`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from saltus import nn
from saltus.data import EncodedTable
from saltus.data.decode import Form
from saltus.data.encode_images import histogram
from saltus.train.image_network import features_of, moments

READERS = ("bag", "convolution", "recurrent")
WORD_WIDTH = 16  # length of the vector of a word in a bag
_ORDERED_WIDTH, _FILTERS, _STATES = 32, 128, 32
_FEATURES = 64 << 20  # bytes of the first layer's features, in prediction
_IMAGES_LOOKED_AT = 4_096  # for their mean and spread


def network_of(table: EncodedTable, options: Any, classes: int, rows: int) -> nn.Layer:
    """Vectors for categories, words and images beside the numbers, then dense layers.

    Args:
        table: encoded rows of the training part.
        options: `TableOptions`.
        classes: of the target; 0 for a number.
        rows: of the training part.
    """
    layers: list[nn.Layer] = []
    for units in widths(rows) if options.hidden is None else options.hidden:
        layers += [nn.Dense(int(units), activation=options.activation), nn.Dropout(options.dropout)]
    layers += [nn.Dense(classes)] if classes else [nn.Dense(1), nn.Reshape(())]
    columns = nn.TableInput(table.cardinalities, names=_unique(table.category_names))
    if not table.texts and not table.images:
        return nn.Sequential([columns, *layers])
    if not options.hidden and options.hidden is not None:
        layers.insert(0, nn.Dropout(options.dropout))
    inputs, parts = [], []
    if table.numbers.shape[1]:
        inputs.append(nn.Input((table.numbers.shape[1],)))
    if table.cardinalities:
        inputs.append(nn.Input((len(table.cardinalities),), "int32"))
    if inputs:
        parts.append(columns(*inputs))
    for size, name in zip(table.vocabularies, _unique(table.text_names), strict=True):
        inputs.append(nn.Input((None,), "int32"))
        parts.append(_reader(options.reader, size, f"words of {name}")(inputs[-1]))
    for pixels, name in zip(table.images, _unique(table.image_names), strict=True):
        inputs.append(nn.Input(pixels.shape[1:], "uint8"))
        parts.append(_viewer(pixels, f"images of {name}")(inputs[-1]))
    joined = nn.Concatenate()(*parts) if len(parts) > 1 else parts[0]
    return nn.Network(inputs, nn.Sequential(layers)(joined))


def _viewer(pixels: np.ndarray, name: str) -> nn.Layer:
    """The layers that make one vector of an image, whose pixels are bytes."""
    mean, spread = moments(histogram(pixels[:: max(1, len(pixels) // _IMAGES_LOOKED_AT)]))
    normalise = nn.Rescaling(tuple((1 / spread).tolist()), tuple((-mean / spread).tolist()))
    return nn.Sequential([normalise, *features_of(*pixels.shape[1:3], len(pixels))], name=name)


def at_once(forms: Sequence[Form]) -> int | None:
    """Rows that go through the network in one call so that its images' features stay small; None without images."""
    if not forms:
        return None
    return int(np.clip(_FEATURES // (sum(form.height * form.width for form in forms) * 32 * 4), 8, 512))


def _reader(reader: str, size: int, name: str) -> nn.Layer:
    """The layers that make one vector of a text, whatever fills it up."""
    if reader == "bag":
        return nn.EmbeddingBag(size, WORD_WIDTH, combiner="sqrtn", name=name)
    words = nn.Embedding(size, _ORDERED_WIDTH, mask_zero=True)
    if reader == "recurrent":
        return nn.Sequential([words, nn.Bidirectional(nn.GRU(_STATES))], name=name)
    return nn.Sequential([words, nn.Conv1D(_FILTERS, 3, padding="same", activation="relu"), nn.GlobalMaxPooling1D()], name=name)


def widths(rows: int) -> tuple[int, ...]:
    """Hidden layers that so many rows can fill."""
    return (64, 32) if rows < 5_000 else (128, 64)


def _unique(names: Sequence[str]) -> list[str]:
    """Names for paths of parameters: no slashes, none twice."""
    made: list[str] = []
    for name in names:
        clean = name.replace("/", "_") or "column"
        while clean in made:
            clean += "_"
        made.append(clean)
    return made
