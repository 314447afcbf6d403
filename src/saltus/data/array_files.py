"""IDX files (the form of MNIST and its kin) and NPZ files of images, as named arrays by part; below `images`.

IDX: two zero bytes, a byte for the type, a byte for the number of axes, each length as a big-endian 32-bit
integer, then the values, big-endian. Source: LeCun, Cortes and Burges, "The MNIST database of handwritten
digits", 1998.
"""

from __future__ import annotations

import gzip
import re
import struct
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from saltus.base.errors import DataError

Array = np.ndarray[Any, Any]

_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_NAME = re.compile(r"(.*?)(images|labels)[-._]idx\d[-._]ubyte(\.gz)?", re.IGNORECASE)
_PARTS = (("train", "train"), ("t10k", "test"), ("test", "test"), ("val", "validation"))


def is_idx_name(name: str) -> bool:
    """Whether a file is named as IDX files are, such as train-images-idx3-ubyte.gz."""
    return _NAME.fullmatch(name) is not None


def read_idx(path: Path) -> Array:
    """The array of an IDX file, also packed with gzip.

    Args:
        path: the file.

    Raises:
        DataError: it cannot be read, is no IDX file, or is cut off.
    """
    try:
        data = path.read_bytes()
        if data[:2] == b"\x1f\x8b":
            data = gzip.decompress(data)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}", fix="check the file, or take another copy") from error
    except (EOFError, zlib.error) as error:
        raise DataError(f"{path} is damaged: its compressed data end too early", fix="take another copy") from error
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] not in _TYPES or len(data) < 4 + 4 * data[3]:
        raise DataError(f"{path} is not an IDX file: it begins with {data[:4].hex(' ')}", fix="give a file such as train-images-idx3-ubyte")
    shape = struct.unpack(f">{data[3]}I", data[4 : 4 + 4 * data[3]])
    kind = np.dtype(_TYPES[data[2]])
    body, wanted = len(data) - 4 - 4 * data[3], int(np.prod(shape, dtype=np.int64)) * kind.itemsize
    if body != wanted:
        raise DataError(
            f"{path} is damaged: its header promises {' x '.join(map(str, shape))} values of {kind.itemsize} bytes, "
            f"that is {wanted:,} bytes, but {body:,} follow",
            fix="take another copy",
        )
    return np.frombuffer(data, kind, offset=4 + 4 * data[3]).reshape(shape).astype(kind.newbyteorder("="))


def idx_parts(files: Iterable[Path], *, labelled: bool) -> list[tuple[str, Array, Array | None]]:
    """Images with their labels from files named as MNIST's are.

    Args:
        files: images and labels, in any order; a file of images alone looks for its labels beside it.
        labelled: whether images need labels.

    Returns:
        (part, images, labels or None): part is "train", "validation", "test", or "" where the name says none.

    Raises:
        DataError: labels are missing, of another number, or two files hold the same part.
    """
    found: list[tuple[str, Array, Array | None]] = []
    for path in sorted(files):
        match = _NAME.fullmatch(path.name)
        if match is None or match[2].lower() != "images":
            continue
        part = next((part for word, part in _PARTS if word in match[1].lower()), "")
        if any(part == other for other, _, _ in found):
            raise DataError(f"{path.parent} holds several files of {part or 'images'}: {path.name} is one", fix="give a folder a data set")
        beside = _labels_of(path)
        if beside is None and labelled:
            raise DataError(f"{path.name} has no labels: there is no such file of labels beside it", fix="put its labels-idx1 file there")
        images, labels = read_idx(path), None if beside is None else read_idx(beside)
        if labels is not None and (labels.ndim != 1 or len(labels) != len(images)):
            raise DataError(
                f"{path.name} has {len(images):,} images, but {beside.name if beside else ''} has labels of the shape {labels.shape}",
                fix="take both files from one data set",
            )
        found.append((part, images, labels))
    return found


def _labels_of(images: Path) -> Path | None:
    """The file of labels beside one of images, packed or not."""
    match = _NAME.fullmatch(images.name)
    for path in sorted(images.parent.iterdir()):
        other = _NAME.fullmatch(path.name)
        if match and other and other[2].lower() == "labels" and other[1].lower() == match[1].lower():
            return path
    return None


_SPLITS = {"train": ("train", "training", "tr"), "validation": ("val", "valid", "validation"), "test": ("test", "testing")}
_INPUTS, _TARGETS = ("images", "image", "x", "data", "imgs"), ("labels", "label", "y", "target", "targets", "classes")


def npz_parts(path: Path, *, labelled: bool) -> list[tuple[str, Array, Array | None]]:
    """Images with their labels from an NPZ file: x_train/y_train/x_test/y_test, train_images/train_labels,
    images/labels or x/y, in either case.

    Args:
        path: the file.
        labelled: whether images need labels.

    Returns:
        As `idx_parts`.

    Raises:
        DataError: it cannot be read, or has no such arrays.
    """
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            kept = {name: file[name] for name in file.files}
    except FileNotFoundError as error:
        raise DataError(f"there is no file {path}", fix="check its name") from error
    except ValueError as error:
        if "pickle" in str(error):
            raise DataError(
                f"{path} holds Python objects, which are never loaded: they could run any code",
                fix="save plain arrays of numbers: numpy.savez(file, x_train=..., y_train=...)",
            ) from error
        raise DataError(f"{path} is damaged: {error}", fix="take another copy") from error
    except (OSError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{path} is not an NPZ file, or damaged: {error}", fix="take another copy, or save it with numpy.savez") from error
    return array_parts(str(path), kept, labelled=labelled)


def array_parts(source: str, kept: Mapping[str, Array], *, labelled: bool) -> list[tuple[str, Array, Array | None]]:
    """As `npz_parts`, of arrays by name.

    Args:
        source: where they are from, for messages.
        kept: the arrays.
        labelled: whether images need labels.
    """
    arrays = {name.lower(): array for name, array in kept.items()}
    found = []
    for part, words in (*_SPLITS.items(), ("", ("",))):
        x, y = (_first(arrays, words, names) for names in (_INPUTS, _TARGETS))
        if x is None:
            continue
        if y is None and labelled:
            raise DataError(f"{source}: {x} has no labels among {', '.join(kept)}", fix=f"add an array {x.replace('x', 'y')!r} of labels")
        found.append((part, arrays[x], None if y is None else arrays[y]))
    if not found:
        raise DataError(
            f"{source} holds {', '.join(f'{n} {a.shape}' for n, a in kept.items()) or 'nothing'}: none is named as images are",
            fix="name the arrays x_train, y_train, x_test, y_test; or images and labels; or x and y",
        )
    return found


def _first(arrays: dict[str, Array], words: tuple[str, ...], names: tuple[str, ...]) -> str | None:
    """The first of the usual names that is there."""
    for name in names:
        for word in words:
            for key in (f"{name}_{word}", f"{word}_{name}", f"{name}{word}", f"{word}{name}"):
                if key.strip("_") in arrays:
                    return key.strip("_")
    return None
