"""Image files as rows of arrays, decoded when they are asked for; above `encode_images` and `supply`."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import numpy as np

from saltus.base.errors import DataError
from saltus.data.encode_images import ImageEncoder
from saltus.data.images import ImageSet, read_images
from saltus.data.supply import Rows

Array = np.ndarray[Any, Any]


class ImageRows(Rows):
    """Images of a set in the form of an encoder, with their class numbers.

    Args:
        encoder: fitted.
        images: with labels.
        rows: numbers of the images, in order.

    Raises:
        DataError: a class that the encoder does not know; files that cannot be read, when they are taken.
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
        names = "\n".join(self.images.names(self.rows[:: max(1, len(self.rows) // 64)]))
        return {"images": len(self), "names": zlib.crc32(names.encode()), "labels": zlib.crc32(self._codes.tobytes())}
