"""Where images and their classes come from: folders, files, IDX, NPZ, arrays; all become one record, `ImageSet`.
Nothing is decoded here but IDX and NPZ; `encode_images` does it. Above `decode` and `array_files`.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from saltus.base.errors import DataError
from saltus.data.array_files import array_parts, idx_parts, is_idx_name, npz_parts
from saltus.data.decode import is_image_name
from saltus.data.records import counted
from saltus.data.supply import need_files

Array = np.ndarray[Any, Any]

PARTS = {
    "train": "train", "training": "train", "val": "validation", "valid": "validation", "validation": "validation", "dev": "validation",
    "test": "test", "testing": "test",
}  # fmt: skip
_GLANCES = 2000  # names looked at to see what a folder holds


@dataclass(frozen=True)
class ImageSet:
    """Images as they were found, nothing decoded yet.

    Attributes:
        name: file or folder, for messages.
        files: N files, or empty when there are pixels.
        pixels: numbers from 0 on, (N, H, W, C), or None when there are files.
        labels: N labels, text or whole numbers, or None where they are not known.
        parts: N names: "train", "validation", "test", or "" where the source is not divided.
        notes: what there is to say about the reading.
    """

    name: str
    files: tuple[Path, ...] = ()
    pixels: Array | None = None
    labels: tuple[Any, ...] | None = None
    parts: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.files) if self.pixels is None else len(self.pixels)

    def rows(self, part: str) -> Array:
        """Numbers of the images of a part."""
        return np.array([place for place, name in enumerate(self.parts) if name == part], np.int64)

    def names(self, rows: Iterable[int]) -> list[str]:
        """Files of some images, or their numbers."""
        return [str(self.files[row]) if self.files else f"{self.name} [{row}]" for row in rows]


def holds_images(path: Path) -> bool:
    """Whether a path looks like images: a folder with some in it, an image, an IDX or NPZ file."""
    if path.is_file():
        return is_image_name(path.name) or is_idx_name(path.name) or path.suffix.lower() == ".npz"
    looked = 0
    for _, folders, files in os.walk(path, followlinks=True):
        folders.sort()
        if any(is_image_name(name) or is_idx_name(name) for name in files):
            return True
        looked += len(files) + 1
        if looked > _GLANCES:
            break
    return False


def read_images(source: Any, *, labelled: bool = True) -> ImageSet:
    """Find the images of a source, and their classes.

    Args:
        source: a folder root/<class>/<file>, or root/train|val|test/<class>/<file>; an IDX file or a folder of
            them named as MNIST's are; an NPZ file; a list of image files; an array (N, H, W) or
            (N, H, W, C); arrays (x, y), or a dict with NPZ's names; an ImageSet.
        labelled: whether the classes are needed; without, a folder's images are taken wherever they lie.

    Returns:
        The images in order: of classes by name, and of files by name.

    Raises:
        DataError: nothing is there, or it is not arranged so that the classes can be known.
    """
    if isinstance(source, ImageSet):
        return _with_labels(source) if labelled else source
    if isinstance(source, (str, os.PathLike)):
        return _of_path(Path(source), labelled=labelled)
    if isinstance(source, Mapping):
        arrays = {name: np.asarray(array) for name, array in source.items()}
        return _of_arrays("the dict", array_parts("the dict", arrays, labelled=labelled))
    if isinstance(source, tuple) and len(source) == 2 and hasattr(source[0], "shape"):
        return _of_arrays("the arrays", [("", np.asarray(source[0]), np.asarray(source[1]))])
    if isinstance(source, Sequence) and source and all(isinstance(v, (str, os.PathLike)) for v in source):
        need_files([Path(v) for v in source])
        found = [_of_path(Path(v), labelled=False) for v in source]
        if labelled or any(one.pixels is not None for one in found):
            raise DataError(f"a list of {len(source)} files says nothing of classes", fix="give a folder root/<class>/<file>, or (x, y)")
        return ImageSet("the files", tuple(file for one in found for file in one.files), parts=("",) * sum(map(len, found)))
    if hasattr(source, "shape"):
        if labelled:
            raise DataError("an array of images has no classes", fix="give (x, y)")
        return _of_arrays("the array", [("", np.asarray(source), None)])
    raise DataError(f"images cannot be read from a {type(source).__name__}", fix="give a folder, a list of files, an array, or (x, y)")


def _with_labels(found: ImageSet) -> ImageSet:
    if found.labels is None:
        raise DataError(f"the classes of {found.name} are not known", fix="give a folder root/<class>/<file>, or (x, y)")
    return found


def _of_path(path: Path, *, labelled: bool) -> ImageSet:
    if not path.exists():
        raise DataError(f"there is no file or folder {path}", fix="check its name")
    if path.is_dir():
        files = sorted(p for p in path.iterdir() if is_idx_name(p.name))
        if files:
            return _of_arrays(str(path), idx_parts(files, labelled=labelled), files[0].name)
        return _of_tree(path) if labelled else _of_files(path)
    if is_idx_name(path.name):
        if "labels" in path.name.lower():
            raise DataError(f"{path} holds labels, no images", fix="give the file of images, or the folder of both")
        return _of_arrays(str(path), idx_parts([path], labelled=labelled), path.name)
    if path.suffix.lower() == ".npz":
        return _of_arrays(str(path), npz_parts(path, labelled=labelled))
    if labelled:
        raise DataError(f"{path} is one image: classes are learnt from a folder of them", fix="give a folder root/<class>/<file>")
    return ImageSet(str(path), (path,), parts=("",))


# -- folders -----------------------------------------------------------------------------------------------------------


def _hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"


def _below(folder: Path) -> tuple[list[Path], int]:
    """All images in a folder, also in folders inside it, in the order of their paths; and how many other files."""
    images, others = [], 0
    for where, folders, files in os.walk(folder, followlinks=True):
        folders[:] = sorted(name for name in folders if not _hidden(name))
        for name in sorted(files):
            if is_image_name(name) and not _hidden(name):
                images.append(Path(where) / name)
            else:
                others += not _hidden(name)
    return images, others


def _of_files(root: Path) -> ImageSet:
    """The images of a folder, wherever they lie."""
    files, _ = _below(root)
    if not files:
        raise DataError(f"{root} holds no images", fix="give a folder with PNG, JPEG, WebP, BMP, GIF or TIFF files")
    return ImageSet(str(root), tuple(files), parts=("",) * len(files))


def _of_tree(root: Path) -> ImageSet:
    """The images of root/<class>/<file>, or of root/<part>/<class>/<file>."""
    folders = sorted(p for p in root.iterdir() if p.is_dir() and not _hidden(p.name))
    parts = {p: PARTS.get(p.name.lower(), "") for p in folders}
    divided = "train" in parts.values() and all(parts.values())
    tops = [(parts[p], p) for p in folders] if divided else [("", root)]
    _need_inside(root, divided=divided)
    files, labels, places, others = [], [], [], 0
    for part, top in tops:
        if divided:
            _need_inside(top, divided=False)
        for folder in sorted(p for p in top.iterdir() if p.is_dir() and not _hidden(p.name)):
            found, strange = _below(folder)
            others += strange
            if not found:
                raise _empty(root, top, strange)
            files += found
            labels += [folder.name] * len(found)
            places += [part] * len(found)
    notes = [f"{counted(others, 'file')} left out that {'is' if others == 1 else 'are'} no image"] if others else []
    _need_classes(root, labels, files)
    return ImageSet(str(root), tuple(files), None, tuple(labels), tuple(places), tuple(notes))


def _need_inside(top: Path, *, divided: bool) -> None:
    """Refuse images that lie beside the folders of the classes."""
    loose = sorted(p.name for p in top.iterdir() if p.is_file() and is_image_name(p.name) and not _hidden(p.name))
    if not loose:
        return
    shown = ", ".join(loose[:5]) + (f" and {len(loose) - 5:,} more" if len(loose) > 5 else "")
    what = f"{counted(len(loose), 'image')} in {top} {'is' if len(loose) == 1 else 'are'} in no class folder: {shown}"
    raise DataError(what, fix=f"move them to {top}/<class>/, or out of {top}")


def _empty(root: Path, top: Path, others: int) -> DataError:
    """The error for class folders without images."""
    folders = sorted(p for p in top.iterdir() if p.is_dir() and not _hidden(p.name))
    empty = [p.name for p in folders if not _below(p)[0]]
    if len(empty) == len(folders):
        return DataError(f"{top} holds no images", fix="put PNG, JPEG, WebP, BMP, GIF or TIFF files into a folder for each class")
    shown = ", ".join(map(repr, empty[:10]))
    only = " (there are other files in it)" if others else ""
    return DataError(
        f"{root}: the class folder{'s' if len(empty) > 1 else ''} {shown} hold{'s' if len(empty) == 1 else ''} no images{only}",
        fix="fill or remove it" if len(empty) == 1 else "fill or remove them",
    )


def _need_classes(root: Path, labels: list[str], files: list[Path]) -> None:
    """Refuse fewer than two classes."""
    classes = sorted(set(labels))
    if not classes:
        raise DataError(f"{root} holds no class folders", fix="put the images of each class into a folder of its name")
    if len(classes) > 1:
        return
    inner = sorted({p.relative_to(root).parts[1] for p in files if len(p.relative_to(root).parts) > 2})
    fix = "add a folder for each other class"
    if len(inner) > 1:
        fix = f"if {inner[0]}, {inner[1]}, ... are the classes, give {root / classes[0]}"
    raise DataError(f"{root} has one class, {classes[0]!r}: there is nothing to tell apart", fix=fix)


# -- arrays ------------------------------------------------------------------------------------------------------------


def _of_arrays(name: str, parts: list[tuple[str, Array, Array | None]], first: str = "") -> ImageSet:
    """Arrays of one or more parts as one."""
    if not parts:
        raise DataError(f"{name} holds labels, but no images{f' (there is {first})' if first else ''}", fix="put the files of images there")
    notes: list[str] = []
    pixels = [_as_images(f"{name}{f', {part}' if part else ''}", x, notes) for part, x, _ in parts]
    forms = {a.shape[1:] for a in pixels}
    if len(forms) > 1:
        raise DataError(f"{name}: the parts have images of different forms, {' and '.join(map(str, sorted(forms)))}", fix="make them equal")
    labels = None
    if all(y is not None for _, _, y in parts):
        labels = tuple(v for (part, x, y) in parts for v in _as_labels(f"{name}{f', {part}' if part else ''}", np.asarray(y), len(x)))
    whole = pixels[0] if len(pixels) == 1 else np.concatenate(pixels)
    places = tuple(part for (part, _, _), x in zip(parts, pixels, strict=True) for _ in range(len(x)))
    if not len(whole):
        raise DataError(f"{name} holds no images: its shape is {whole.shape}", fix="give at least two images of each class")
    return ImageSet(name, (), whole, labels, places, tuple(dict.fromkeys(notes)))


def _as_images(name: str, x: Array, notes: list[str]) -> Array:
    """An array as (N, H, W, C), in its own type."""
    if x.dtype.kind not in "biuf":
        raise DataError(f"{name} holds {x.dtype}, expected numbers", fix="give pixels as uint8, or as floats from 0 to 1")
    if x.ndim == 2:
        side = round(x.shape[1] ** 0.5)
        if side * side != x.shape[1]:
            raise DataError(f"{name} has the shape {x.shape}, expected (N, H, W) or (N, H, W, C)", fix="reshape it to images")
        notes.append(f"rows of {x.shape[1]} values were taken for images of {side} x {side}")
        x = x.reshape(len(x), side, side)
    if x.ndim == 3:
        x = x[..., None]
    if x.ndim != 4 or 0 in x.shape[1:]:
        raise DataError(f"{name} has the shape {x.shape}, expected (N, H, W) or (N, H, W, C)", fix="give one image a row")
    if x.shape[1] in (1, 3) and x.shape[3] > 4:
        notes.append(f"the shape {x.shape} was taken for (N, C, H, W)")
        x = np.ascontiguousarray(np.moveaxis(x, 1, 3))
    if x.dtype.kind == "b":
        return x.astype(np.uint8) * np.uint8(255)
    bad = ~np.isfinite(x).reshape(len(x), -1).all(axis=1) if x.dtype.kind == "f" else np.zeros(0, bool)
    if bad.any():
        what = f"{name}: {counted(int(bad.sum()), 'image')} hold NaN or infinity, the first is number {int(np.argmax(bad))}"
        raise DataError(what, fix="leave them out, or replace these values")
    if x.dtype.kind != "u" and x.min(initial=0) < 0:
        what = f"{name} has values from {x.min()} to {x.max()}, expected from 0 (black) to 1, 255 or 65535 (white)"
        raise DataError(what, fix="shift them first, for instance (x - x.min()) / (x.max() - x.min())")
    return x


def _as_labels(name: str, y: Array, rows: int) -> list[Any]:
    """An array of labels as a list of text or whole numbers."""
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim == 2 and ((y == 0) | (y == 1)).all() and (y.sum(axis=1) == 1).all():
        y = y.argmax(axis=1)
    if y.ndim != 1 or len(y) != rows:
        raise DataError(f"{name} has {rows:,} images, but labels of the shape {y.shape}", fix="give one label an image, (N,)")
    if y.dtype.kind == "f":
        if not (np.isfinite(y).all() and (y % 1 == 0).all()):
            raise DataError(f"{name} has labels that are no classes, such as {y[np.argmax(y % 1 != 0)]}", fix="give class numbers or names")
        y = y.astype(np.int64)
    if y.dtype.kind not in "biuU":
        raise DataError(f"{name} has labels of the type {y.dtype}", fix="give class numbers or names")
    return y.tolist()  # type: ignore[no-any-return]


def counts(labels: Iterable[Any]) -> dict[Any, int]:
    """How many images each class has, the classes in order."""
    found = Counter(labels)
    return {label: found[label] for label in sorted(found)}
