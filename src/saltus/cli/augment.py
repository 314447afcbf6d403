"""`saltus augment`: a sheet of images and what an augmentation makes of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import numpy as np

from saltus.base.errors import ArgumentError, DataError, StorageError
from saltus.cli.fit import source_of
from saltus.cli.options import values_of
from saltus.data.decode import Form
from saltus.data.images import read_images
from saltus.train import kinds
from saltus.train.augment import preview as previewed
from saltus.train.images import ImageOptions, encoder_of
from saltus.train.presets import names, suited, wanted

_GAP = 2  # pixels between the images of a sheet
_SMALLEST = 64  # images are shown at least so high and wide, in whole multiples of their pixels
Array = np.ndarray[Any, Any]


def run(data: str, augment: str, preview: str, images: int, copies: int, size: str | None, seed: int) -> None:
    """See the help of `saltus augment`."""
    source = source_of(data)
    kind = kinds.infer(source)
    if kind is not kinds.IMAGES:
        raise ArgumentError(f"a sheet of examples can be drawn of images, but this is {kind.fitted.title}", fix="give a folder of images")
    if wanted(kind.name, augment)[1] is None:
        raise ArgumentError("nothing would be changed", fix=f"choose among {', '.join(names(kind.name)[1:])}")
    asked = values_of([("size", size)], kind).get("size") if size else None
    pixels, form = some_images(source, images, asked, seed)
    chosen, said = suited(augment, form)
    layers = wanted(kind.name, chosen)[1]
    sheet = drawn(pixels, previewed(layers, pixels, copies, seed=seed))
    write(sheet, Path(preview))
    click.echo("\n".join(filter(None, [f"{preview}: {len(pixels)} images, {copies} copies of each, augmentation {augment}", said])))


def some_images(source: Any, count: int, size: tuple[int, int] | None, seed: int) -> tuple[Array, Form]:
    """Images drawn from a source, as they go into a network: uint8 (N, height, width, channels), and their form."""
    found = read_images(source, labelled=False)
    encoder = encoder_of(ImageOptions(size=size, skip_corrupt=True))
    rows = np.sort(np.random.default_rng(seed).permutation(len(found))[:count])
    encoder.fit(found, rows, labelled=False)
    pixels = encoder.encode(found, rows, target=False).pixels
    if not len(pixels):
        raise DataError(f"{found.name}: none of the {len(rows)} images drawn can be read", fix="give another --seed")
    return pixels, encoder.need_form()


def drawn(pixels: Array, changed: Array) -> Array:
    """One picture: each image, and its copies beside it; uint8 (height, width, 3)."""
    shown = np.concatenate([pixels[:, None].astype(np.float32), changed], axis=1)
    shown = np.clip(np.rint(shown), 0, 255).astype(np.uint8)
    shown = np.repeat(shown, 3, axis=-1) if shown.shape[-1] == 1 else shown
    times = max(1, -(-_SMALLEST // max(shown.shape[2:4])))
    shown = shown.repeat(times, axis=2).repeat(times, axis=3)
    rows, columns, height, width, _ = shown.shape
    sheet = np.full((rows * (height + _GAP) + _GAP, columns * (width + _GAP) + _GAP, 3), 255, np.uint8)
    for row in range(rows):
        for column in range(columns):
            top, left = _GAP + row * (height + _GAP), _GAP + column * (width + _GAP)
            sheet[top : top + height, left : left + width] = shown[row, column]
    return sheet


def write(sheet: Array, path: Path) -> None:
    """Write a picture in the format of its ending."""
    from PIL import Image

    try:
        Image.fromarray(sheet).save(path)
    except ValueError as error:
        raise ArgumentError(f"{path}: {error}", fix="name a file such as preview.png") from None
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror or error}", fix="name a file in a folder that exists") from None
