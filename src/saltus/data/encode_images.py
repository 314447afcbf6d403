"""Images as a network takes them: one size, one number of channels, 8 bits; fitted on the training part and kept in
the model file. Above `images` and `decode`.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from saltus.base.errors import ArgumentError, DataError, unknown_name
from saltus.data.decode import RESIZES, Decoded, Form, decode, eight_bits, glances, resized, told, white_of, whitest
from saltus.data.images import ImageSet, counts, read_images
from saltus.data.records import aligned, counted, shorten

Array = np.ndarray[Any, Any]

LARGEST = 128  # pixels of the longer side, when no size is asked for
_CROPPED = 0.35  # share of an image that may be cut off; more than that in a twentieth of them is too much
_DEEP_LOOKED_AT = 64
_SHOWN = 20  # names of files in a message


@dataclass(frozen=True)
class EncodedImages:
    """Images in the form of a network.

    Attributes:
        pixels: uint8 (N, height, width, channels).
        target: int32 class numbers (N,), or None where they are not known.
        names: N files, or places in an array.
        notes: what was noticed.
        treated: how many images were treated in which way.
        unreadable: (file, why) of what was left out, or has to be.
    """

    pixels: Array
    target: Array | None
    names: tuple[str, ...]
    notes: tuple[str, ...] = ()
    treated: Counter[str] = field(default_factory=Counter)
    unreadable: tuple[tuple[str, str], ...] = ()

    @property
    def inputs(self) -> Array:
        """What the network takes."""
        return self.pixels

    @functools.cached_property
    def histogram(self) -> Array:
        """How often each value occurs, int64 (channels, 256)."""
        return histogram(self.pixels)

    def __len__(self) -> int:
        return len(self.pixels)


def histogram(pixels: Array) -> Array:
    """How often each value occurs in each channel.

    Args:
        pixels: uint8 (N, H, W, C).

    Returns:
        int64 (C, 256).
    """
    return np.stack([np.bincount(pixels[..., channel].reshape(-1), minlength=256) for channel in range(pixels.shape[3])])


@dataclass(frozen=True)
class ImageReport:
    """What was found in images and done to them.

    Attributes:
        form: of the network's inputs.
        classes: how many images each has, in all parts.
        changes: what was done, a sentence each.
        skipped: files that could not be read and were left out.
    """

    form: Form
    classes: dict[Any, int]
    changes: tuple[str, ...]
    skipped: tuple[str, ...] = ()

    def facts(self) -> dict[str, Any]:
        """All of it as plain values."""
        classes = [{"class": label, "images": n} for label, n in self.classes.items()]
        return {"images": asdict(self.form), "classes": classes, "changes": list(self.changes), "skipped": list(self.skipped)}

    def __str__(self) -> str:
        total = max(1, sum(self.classes.values()))
        rows = [{"class": str(c), "images": f"{n:,}", "share": f"{n / total:.1%}"} for c, n in list(self.classes.items())[:_SHOWN]]
        more = [f"and {len(self.classes) - _SHOWN} more classes"] * (len(self.classes) > _SHOWN)
        return "\n".join([aligned(rows), *more, *(f"- {change}" for change in self.changes)])


class ImageEncoder:
    """Turns images of any size and mode into arrays; fitted on the training part only.

    Args:
        size: height and width of the result; None takes the median of the training images, bounded to 128.
        resize: "crop", "pad" or "stretch" (see `Form`); None crops unless much would be lost.
        channels: 1 for grey, 3 for colour; None takes grey when all training images are.
        skip_corrupt: leave out files that cannot be read; otherwise they are refused by name.

    Example:
        >>> x = np.zeros((4, 6, 8, 3), "uint8")
        >>> encoder = ImageEncoder()
        >>> encoder.fit(read_images((x, ["cat", "dog", "cat", "dog"])), np.arange(4))
        >>> encoder.transform(x[:1], target=False).pixels.shape
        (1, 6, 8, 3)
    """

    task = "classification"

    def __init__(
        self, *, size: tuple[int, int] | None = None, resize: str | None = None, channels: int | None = None, skip_corrupt: bool = False
    ) -> None:
        if resize is not None and resize not in RESIZES:
            raise unknown_name("resize", resize, RESIZES)
        if channels not in (None, 1, 3):
            raise ArgumentError(f"channels is {channels!r}", fix="use 1 for grey, 3 for colour, or leave it out")
        if size is not None and (len(size) != 2 or min(size) < 1):
            raise ArgumentError(f"size is {size!r}, expected (height, width) in pixels", fix="for instance (64, 64)")
        self.size, self.resize, self.channels, self.skip_corrupt = size, resize, channels, skip_corrupt
        self.form: Form | None = None
        self.classes: tuple[Any, ...] = ()
        self.report = ImageReport(Form(0, 0, 0), {}, ())

    # -- fitting -------------------------------------------------------------------------------------------------------

    def fit(self, images: ImageSet, rows: Array, *, labelled: bool = True) -> None:
        """Choose size, channels and classes.

        Args:
            images: all of them.
            rows: numbers of those to learn from.
            labelled: whether the classes are needed.

        Raises:
            DataError: none can be read, or there are not two classes.
        """
        if labelled and images.labels is None:
            raise DataError(f"the classes of {images.name} are not known", fix="give a folder root/<class>/<file>, or (x, y)")
        self.classes = tuple(sorted({images.labels[row] for row in rows})) if labelled else ()
        if labelled and len(self.classes) < 2:
            raise DataError(f"{images.name} has one class, {self.classes[0]!r}: there is nothing to learn", fix="add images of others")
        changes = list(images.notes)
        if images.pixels is None:
            files = [images.files[row] for row in rows]
            form, more = form_of_files(files, images.name, len(images), self.size, self.resize, self.channels)
            changes += more
        else:
            form = self._form_of_arrays(images.pixels, rows, changes)
        self.form = form
        self.report = ImageReport(form, counts(images.labels or ()), tuple(changes))

    def _form_of_arrays(self, pixels: Array, rows: Array, changes: list[str]) -> Form:
        _, height, width, channels = pixels.shape
        white = None if pixels.dtype == np.uint8 else white_of(pixels[rows])
        if white is not None:
            changes.append(f"values from 0 to {white:g} were brought to 8 bits")
        wanted = self.channels or (channels if channels not in (2, 4) else 1 if channels == 2 else 3)
        if channels in (2, 4):
            changes.append("images with an alpha channel were laid on white")
        size = self.size or _bounded(height, width)
        resize = self.resize or "crop"
        if size != (height, width):
            changes.append(f"resized from {height} x {width} to {size[0]} x {size[1]} ({resize})")
        changes.append(f"{counted(len(pixels), 'image')} of {size[0]} x {size[1]} pixels, {_channels(wanted)}")
        return Form(*size, wanted, resize, white)

    def tell(self, parts: list[EncodedImages]) -> None:
        """Take what was found while decoding all parts into the report, or refuse.

        Raises:
            DataError: files cannot be read, and skip_corrupt is off.
        """
        bad = [pair for part in parts for pair in part.unreadable]
        notes = self.left_out(bad, sum(map(len, parts)) + len(bad))
        treated = sum((part.treated for part in parts), Counter())
        changes = [*self.report.changes, *told(treated), *notes]
        skipped = tuple(f"{name}: {why}" for name, why in bad)
        found = Counter(self.classes[code] for part in parts if part.target is not None for code in part.target.tolist())
        classes = {label: found[label] for label in self.classes}
        self.report = ImageReport(self.report.form, classes, tuple(changes), skipped)

    def left_out(self, bad: Sequence[tuple[str, str]], count: int) -> list[str]:
        """What to say of files that cannot be read; they are refused, by name, unless they are to be left out.

        Args:
            bad: (file, why).
            count: how many files there were.

        Raises:
            DataError: with the files and why.
        """
        if bad and not self.skip_corrupt:
            raise DataError(
                f"{len(bad):,} of {counted(count, 'image file')} cannot be read: {_listed(bad)}",
                fix="repair or remove them; a fit can leave them out: saltus fit --skip-corrupt, skip_corrupt=True",
            )
        return [f"{counted(len(bad), 'file')} that cannot be read left out: {_listed(bad)}"] if bad else []

    # -- transforming --------------------------------------------------------------------------------------------------

    def encode(self, images: ImageSet, rows: Array, *, target: bool) -> EncodedImages:
        """Decode some images; files that cannot be read are in the result's `unreadable`.

        Args:
            images: all of them.
            rows: numbers of those wanted, in order.
            target: whether the classes are wanted too.

        Raises:
            DataError: a class that was not in the training part.
        """
        made = self._decoded(images, rows)
        kept = rows[made.kept]
        names = images.names(rows)
        bad = tuple((names[place], why) for place, why in made.unreadable)
        codes = self.codes(images, kept) if target else None
        return EncodedImages(made.pixels, codes, tuple(images.names(kept)), images.notes, made.treated, bad)

    def transform(self, source: Any, *, target: bool | None = None) -> EncodedImages:
        """Decode images of any source.

        Args:
            source: anything `read_images` takes; of a source divided into parts, the test part is measured
                (target=True).
            target: whether the classes are wanted too.

        Raises:
            DataError: files cannot be read, and skip_corrupt is off; or a class is not known.
        """
        images = read_images(source, labelled=bool(target))
        rows, notes = np.arange(len(images)), []
        for part in ("test", "validation"):
            if target and part in images.parts:
                rows, notes = images.rows(part), [f"{images.name}: its {part} part, {len(images.rows(part)):,} of {len(images):,} images"]
                break
        made = self.encode(images, rows, target=bool(target))
        return replace(made, notes=(*made.notes, *notes, *self.left_out(made.unreadable, len(rows))))

    def _decoded(self, images: ImageSet, rows: Array) -> Decoded:
        form = self.need_form()
        if images.pixels is None:
            return decode([images.files[row] for row in rows], form)
        pixels = eight_bits(images.pixels[rows] if len(rows) < len(images) else images.pixels, form.white)
        if pixels.shape[1:] != (form.height, form.width, form.channels):
            made = np.empty((len(pixels), form.height, form.width, form.channels), np.uint8)
            for place, image in enumerate(pixels):
                made[place] = resized(image, form)
            pixels = made
        return Decoded(pixels, np.arange(len(pixels)), (), Counter())

    def codes(self, images: ImageSet, rows: Array) -> Array:
        """Class numbers (N,) of some images.

        Raises:
            DataError: a class that was not in the training part.
        """
        assert images.labels is not None
        numbers = {label: code for code, label in enumerate(self.classes)}
        numbers |= {str(label): code for label, code in numbers.items() if str(label) not in numbers}
        codes = np.empty(len(rows), np.int32)
        for place, row in enumerate(rows):
            label = images.labels[row]
            code = numbers.get(label, numbers.get(str(label)))
            if code is None:
                shown = ", ".join(map(repr, self.classes[:10])) + (", ..." if len(self.classes) > 10 else "")
                what = f"{images.names([row])[0]} is of the class {shorten(label)!r}, which no training image has"
                raise DataError(what, fix=f"the classes are {shown}")
            codes[place] = code
        return codes

    def decode_target(self, predictions: Any) -> Array:
        """Labels of class numbers (N,) or scores (N, classes)."""
        array = np.asarray(predictions)
        codes = array.argmax(axis=1) if array.ndim == 2 else array
        return np.array(self.classes, dtype=object if isinstance(self.classes[0], str) else None)[codes]

    # -- keeping -------------------------------------------------------------------------------------------------------

    def need_form(self) -> Form:
        """The form of the images, once it is fitted."""
        if self.form is None:
            raise ArgumentError("the ImageEncoder is not fitted", fix="call fit first")
        return self.form

    def describe(self) -> ImageReport:
        """What was found and done."""
        return self.report

    def to_config(self) -> dict[str, Any]:
        """The encoder as plain values."""
        return {
            "form": asdict(self.need_form()), "classes": list(self.classes), "skip_corrupt": self.skip_corrupt,
            "counts": list(self.report.classes.values()), "changes": list(self.report.changes), "skipped": list(self.report.skipped),
        }  # fmt: skip

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> ImageEncoder:
        """The encoder that `to_config` wrote."""
        made = cls(skip_corrupt=config["skip_corrupt"])
        made.form, made.classes = Form(**config["form"]), tuple(config["classes"])
        classes = dict(zip(made.classes, config["counts"], strict=True))
        made.report = ImageReport(made.form, classes, tuple(config["changes"]), tuple(config["skipped"]))
        return made


def form_of_files(
    files: Sequence[Path], name: str, count: int, size: tuple[int, int] | None = None, resize: str | None = None,
    channels: int | None = None,
) -> tuple[Form, list[str]]:  # fmt: skip
    """The form that suits image files, and what to say of it.

    Args:
        files: to learn from.
        name: where they are from, for messages.
        count: how many there are in all.
        size, resize, channels: as of `ImageEncoder`.

    Raises:
        DataError: none can be read.
    """
    changes: list[str] = []
    seen = [(file, glance) for file, glance in zip(files, glances(files), strict=True) if glance is not None]
    if not seen:
        what = f"none of the {len(files):,} files in {name} can be read as an image"
        raise DataError(what, fix=f"check the first: {files[0]}")
    heights, widths = np.array([g.height for _, g in seen]), np.array([g.width for _, g in seen])
    typical = (int(np.median(heights)), int(np.median(widths)))
    alike = bool((heights == heights[0]).all() and (widths == widths[0]).all())
    size = size or _bounded(*typical, alike=alike)
    channels = channels or (1 if all(g.grey for _, g in seen) else 3)
    lost = 1 - np.minimum(heights * size[1], widths * size[0]) / np.maximum(heights * size[1], widths * size[0])
    resize = resize or ("pad" if (lost > _CROPPED).mean() > 0.05 else "crop")
    deep = [file for file, g in seen if g.deep]
    white = whitest(deep[:: -(-len(deep) // _DEEP_LOOKED_AT)]) if deep else None
    if alike and size == typical:
        changes.append(f"{counted(count, 'image')} of {size[0]} x {size[1]} pixels, {_channels(channels)}")
    else:
        spread = f"{heights.min()} x {widths.min()}" if alike else f"{heights.min()}-{heights.max()} x {widths.min()}-{widths.max()}"
        how = {
            "crop": f"what is beyond is cut off, {lost.mean():.0%} on average",
            "pad": "all is kept, on a border of the mean colour",
            "stretch": "proportions change",
        }[resize]
        changes.append(
            f"{counted(count, 'image')} of {spread} pixels (height x width) become {size[0]} x {size[1]}, "
            f"{_channels(channels)}; {resize}: {how}"
        )
    if channels == 3 and any(g.grey for _, g in seen):
        changes.append(f"{sum(g.grey for _, g in seen):,} grey images among colours: read as colours")
    if white is not None:
        changes.append(f"{counted(len(deep), 'image')} deeper than 8 bits: {white:g} is taken for white")
    return Form(*size, channels, resize, white), changes


def _bounded(height: int, width: int, *, alike: bool = True) -> tuple[int, int]:
    """A size in the proportions of height and width with no side above LARGEST. Small images that are all alike keep
    theirs; otherwise a side is made of whole eights, so that halving leaves no rest.
    """
    if alike and max(height, width) <= LARGEST // 2:
        return height, width
    part = min(1.0, LARGEST / max(height, width))
    return tuple(max(1, 8 * round(n * part / 8)) for n in (height, width))  # type: ignore[return-value]


def _channels(channels: int) -> str:
    return {1: "grey", 3: "colour"}.get(channels, f"{channels} channels")


def _listed(bad: Sequence[tuple[str, str]]) -> str:
    """Files and why they cannot be read, a line each."""
    lines = [f"\n    {name}: {why}" for name, why in bad[:_SHOWN]]
    return "".join(lines) + (f"\n    and {len(bad) - _SHOWN:,} more" if len(bad) > _SHOWN else "")
