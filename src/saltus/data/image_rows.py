"""Image files as rows of arrays, decoded when they are asked for: folders that are larger than memory. Above
`encode_images` and `supply`.
"""

from __future__ import annotations

import zlib
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from saltus.base.errors import DataError
from saltus.data.encode_images import EncodedImages, ImageEncoder, histogram
from saltus.data.images import ImageSet, read_images
from saltus.data.supply import Rows

Array = np.ndarray[Any, Any]

_AT_ONCE = 512  # images that are decoded at a time to look at them


class ImageRows(Rows):
    """Images of a set in the form of an encoder, with their class numbers.

    Args:
        encoder: fitted.
        images: with labels.
        rows: numbers of the images, in order.

    Raises:
        DataError: a class that the encoder does not know; files that cannot be read, when they are taken.

    Example:
        >>> images, encoder = read_images((np.zeros((4, 6, 8), "uint8"), ["cat", "dog"] * 2)), ImageEncoder()
        >>> encoder.fit(images, np.arange(4))
        >>> pixels, labels = ImageRows(encoder, images, np.arange(4)).take(np.array([3, 0]))
        >>> pixels.shape, labels.tolist()
        ((2, 6, 8, 1), [1, 0])
    """

    def __init__(self, encoder: ImageEncoder, images: ImageSet, rows: Array) -> None:
        self.encoder, self.images, self.rows = encoder, images, np.asarray(rows)
        self._codes = encoder.codes(images, self.rows)

    @classmethod
    def of_folder(cls, folder: Path) -> ImageRows:
        """All images of root/<class>/<file>, in the size that suits them."""
        images, encoder = read_images(folder), ImageEncoder()
        rows = images.rows("train") if "train" in images.parts else np.arange(len(images))
        encoder.fit(images, rows)
        return cls(encoder, images, rows)

    def __len__(self) -> int:
        return len(self.rows)

    def labels(self) -> Array:
        return self._codes

    def take(self, rows: Array) -> tuple[Array, Array]:
        made = self.encoder.encode(self.images, self.rows[rows], target=False)
        if made.unreadable:
            raise DataError(
                "images could be read before the training and cannot be read now: "
                + "; ".join(f"{n}: {w}" for n, w in made.unreadable[:5]),
                fix="put them back; a training with a checkpoint can be resumed",
            )
        return made.pixels, self._codes[rows]

    def mark(self) -> Any:
        some = self.images.names(self.rows[:: max(1, len(self.rows) // 64)])
        names = "\n".join(Path(name).name for name in some)  # the folder may be named differently to resume
        return {"images": len(self), "names": zlib.crc32(names.encode()), "labels": zlib.crc32(self._codes.tobytes())}


@dataclass(frozen=True)
class Pixels:
    """The pixels of single images by number, decoded when they are asked for."""

    rows: ImageRows

    def __getitem__(self, row: int) -> Array:
        pixels, _ = self.rows.take(np.array([row]))
        return np.asarray(pixels[0])


@dataclass(frozen=True)
class StreamedImages:
    """Images that were all decoded once, and will be again whenever they are needed; as `EncodedImages`, without pixels.

    Attributes:
        inputs: the images.
        target, names, notes, treated, unreadable: as in `EncodedImages`.
        histogram: int64 (channels, 256), how often each value occurs.
    """

    inputs: ImageRows
    target: Array
    names: tuple[str, ...]
    notes: tuple[str, ...]
    treated: Counter[str]
    unreadable: tuple[tuple[str, str], ...]
    histogram: Array

    def __len__(self) -> int:
        return len(self.names)

    @property
    def pixels(self) -> Pixels:
        """Single images, for those who show some."""
        return Pixels(self.inputs)


def streamed(encoder: ImageEncoder, images: ImageSet, rows: Array) -> StreamedImages:
    """Images that stay in their files: decoded once, some at a time, to find those that cannot be read and how bright the
    others are.

    Args:
        encoder: fitted.
        images: with labels.
        rows: numbers of those wanted, in order.

    Raises:
        DataError: a class that the encoder does not know.
    """
    parts: list[EncodedImages] = []
    kept, seen = [], np.zeros((encoder.need_form().channels, 256), np.int64)
    for begin in range(0, len(rows), _AT_ONCE):
        asked = rows[begin : begin + _AT_ONCE]
        part = encoder.encode(images, asked, target=True)
        bad = {name for name, _ in part.unreadable}
        kept.append(np.array([row for row, name in zip(asked, images.names(asked), strict=True) if name not in bad], np.int64))
        seen += histogram(part.pixels)
        parts.append(replace(part, pixels=part.pixels[:0]))
    return StreamedImages(
        ImageRows(encoder, images, np.concatenate(kept)),
        np.concatenate([part.target for part in parts if part.target is not None]),
        tuple(name for part in parts for name in part.names),
        images.notes,
        sum((part.treated for part in parts), Counter()),
        tuple(pair for part in parts for pair in part.unreadable),
        seen,
    )
