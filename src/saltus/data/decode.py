"""One image file to one array: every mode, rotation and depth to 8-bit grey or colour, in the size asked for; below
`images`. Pillow is loaded when the first file is opened.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any
from warnings import catch_warnings, simplefilter

import numpy as np

from saltus.base import settings
from saltus.base.errors import ArgumentError, DataError
from saltus.data.lazy import LazyModule

if TYPE_CHECKING:
    from PIL import Image, ImageOps
else:
    Image, ImageOps = LazyModule("PIL.Image"), LazyModule("PIL.ImageOps")

Array = np.ndarray[Any, Any]

ENDINGS = (
    ".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".bmp", ".dib", ".gif", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm", ".tga",
    ".ico", ".pcx", ".jp2", ".avif",
)  # fmt: skip
RESIZES = ("crop", "pad", "stretch")

_GREY, _DEEP = ("1", "L", "LA", "La"), ("I", "F")
_SWAPPED = (5, 6, 7, 8)  # values of EXIF's orientation that turn by a quarter
_ORIENTATION = 0x0112
_TREATED = {
    "alpha": "transparent: laid on white",
    "palette": "with a palette: read as colours",
    "CMYK": "CMYK: read as RGB",
    "rotated": "turned upright by their EXIF orientation",
    "deep": "deeper than 8 bits: reduced to 8",
    "animated": "animated or of several pages: the first is taken",
}


def need_pillow() -> None:
    """Refuse early when Pillow is missing.

    Raises:
        ArgumentError: with the command that installs it.
    """
    try:
        Image.open  # noqa: B018  loads it
    except ImportError as error:
        raise ArgumentError(
            "image files are read with Pillow, which is not installed", fix='pip install "saltus[images]", or: pip install pillow'
        ) from error
_AT_ONCE = 8  # files a thread takes at a time


def is_image_name(name: str) -> bool:
    """Whether a file's name is that of an image."""
    return name.lower().endswith(ENDINGS)


@dataclass(frozen=True)
class Form:
    """The form in which a network takes images.

    Attributes:
        height, width: in pixels.
        channels: 1 for grey, 3 for colour.
        resize: "crop" fills the form and cuts off what is beyond, "pad" shows all on a border of the image's
            mean colour, "stretch" changes the proportions.
        white: the value that stands for white in files and arrays that are not of 8 bits, such as 1.0, 4095 or 65535;
            None goes by the values of each.
    """

    height: int
    width: int
    channels: int
    resize: str = "crop"
    white: float | None = None


@dataclass(frozen=True)
class Glance:
    """What the header of an image file says.

    Attributes:
        height, width: upright, after its EXIF orientation.
        grey: whether it has no colours.
        deep: whether its values have more than 8 bits.
    """

    height: int
    width: int
    grey: bool
    deep: bool


@dataclass(frozen=True)
class Decoded:
    """Files as arrays.

    Attributes:
        pixels: uint8 (K, height, width, channels), of the files that could be read, in their order.
        kept: int64 (K,), which of the files they are.
        unreadable: (place of the file, why) of the others.
        treated: how many were treated in which way; see `told`.
    """

    pixels: Array
    kept: Array
    unreadable: tuple[tuple[int, str], ...]
    treated: Counter[str]


def told(treated: Counter[str]) -> list[str]:
    """What was done to images, a line a treatment."""
    return [f"{treated[key]:,} images {words}" for key, words in _TREATED.items() if treated[key]]


def glances(files: Sequence[Path]) -> list[Glance | None]:
    """The headers of files, None for those that have none."""
    return _in_threads(_glance, files)


def decode(files: Sequence[Path], form: Form) -> Decoded:
    """Read files in threads; the result is in their order whatever the number of threads.

    Args:
        files: of images.
        form: what they become.
    """
    pixels = np.empty((len(files), form.height, form.width, form.channels), np.uint8)

    def one(place: int) -> list[str] | str:
        try:
            pixels[place], treated = _read(files[place], form)
        except _Unreadable as error:
            return str(error)
        return treated

    made = _in_threads(one, range(len(files)))
    bad = tuple((place, why) for place, why in enumerate(made) if isinstance(why, str))
    kept = np.array([place for place, why in enumerate(made) if not isinstance(why, str)], np.int64)
    treated = Counter(word for words in made if not isinstance(words, str) for word in words)
    return Decoded(pixels if not bad else pixels[kept], kept, bad, treated)


def resized(image: Array, form: Form) -> Array:
    """An image of another size or other channels in a form.

    Args:
        image: uint8 (H, W) or (H, W, C) with 1 to 4 channels: grey, grey and alpha, RGB, RGBA.
        form: what it becomes.

    Returns:
        uint8 (height, width, channels).

    Raises:
        DataError: other channels.
    """
    if image.ndim == 3 and image.shape[2] == 1:
        image = image[:, :, 0]
    if image.ndim == 3 and image.shape[2] not in (2, 3, 4):
        raise DataError(
            f"an image has {image.shape[2]} channels; what can be converted has 1 (grey), 2 (with alpha), 3 (RGB) or 4 (RGBA)",
            fix=f"give images with {form.channels}, of {form.height} x {form.width} pixels",
        )
    need_pillow()
    return _formed(_plain(Image.fromarray(image), form)[0], form)


def white_of(values: Array) -> float:
    """What stands for white in values that are not of 8 bits: 1 or 255 for real numbers, else the largest number of
    8, 10, 12, 14 or 16 bits that they need.

    >>> white_of(np.array([0.0, 0.9])), white_of(np.array([0, 3000], "uint16"))
    (1.0, 4095.0)
    """
    top = float(values.max(initial=0))
    if values.dtype.kind == "f" and top <= 1:
        return 1.0
    return next((float(2**bits - 1) for bits in (8, 10, 12, 14) if top < 1 << bits), 65535.0)


def whitest(files: Sequence[Path]) -> float:
    """`white_of` of all values in files."""

    def white(file: Path) -> float:
        try:
            with _opened(file) as image:
                return white_of(np.asarray(image))
        except _Unreadable:
            return 0.0

    return max(_in_threads(white, files), default=0.0) or 65535.0


class _Unreadable(Exception):
    """Why a file cannot be read, in words."""


def _in_threads(function: Any, items: Sequence[Any]) -> list[Any]:
    """function of each, in order; Pillow lets other threads run while it decodes."""
    need_pillow()
    Image.init()
    parts = [items[begin : begin + _AT_ONCE] for begin in range(0, len(items), _AT_ONCE)]
    with catch_warnings():  # around all threads: filters are shared by them
        simplefilter("ignore")
        # one more than cores, since now and then they wait for each other's Python
        with ThreadPoolExecutor(settings.threads() + 1, thread_name_prefix="saltus-decode") as pool:
            return [made for part in pool.map(lambda part: [function(item) for item in part], parts) for made in part]


@contextmanager
def _opened(file: Path) -> Iterator[Any]:
    """An image file, open. Damaged files make decoders raise all kinds of errors: each becomes _Unreadable."""
    try:
        # in one piece: dozens of small reads would each hand the interpreter from thread to thread
        with Image.open(BytesIO(file.read_bytes())) as image:
            yield image
    except Exception as error:
        raise _Unreadable(_why(file, error)) from error


def _why(file: Path, error: BaseException) -> str:
    name, text = type(error).__name__, str(error)
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    if isinstance(error, PermissionError):
        return "no permission to read it"
    if file.is_dir():
        return "it is a folder"
    if not file.stat().st_size:
        return "the file is empty"
    if name == "UnidentifiedImageError":
        return "not an image, or damaged at its beginning"
    if name == "DecompressionBombError":
        return "too large to be a real image (more than 179 million pixels)"
    if "truncated" in text.lower() or isinstance(error, EOFError):
        return "it ends too early (truncated)"
    return f"damaged ({text or name})"


def _glance(file: Path) -> Glance | None:
    try:
        with _opened(file) as image:
            width, height = image.size
            # Pillow decodes all of a PNG to look for its EXIF, which may stand at the end
            if image.format != "PNG" and image.getexif().get(_ORIENTATION) in _SWAPPED:
                width, height = height, width
            deep = image.mode in _DEEP or image.mode.startswith("I;16")
            return Glance(height, width, deep or image.mode in _GREY, deep)
    except _Unreadable:
        return None


def _read(file: Path, form: Form) -> tuple[Array, list[str]]:
    """A file as an array, and how it was treated."""
    with _opened(file) as image:
        treated = ["animated"] if getattr(image, "n_frames", 1) > 1 else []
        if image.format == "JPEG":  # lets the decoder leave out detail that resizing would average away
            longest = max(form.height, form.width)
            image.draft(None, (longest, longest))
        image.load()
        if image.getexif().get(_ORIENTATION, 1) != 1:
            treated.append("rotated")
            image = ImageOps.exif_transpose(image)
    plain, more = _plain(image, form)
    return _formed(plain, form), treated + more


def _plain(image: Any, form: Form) -> tuple[Any, list[str]]:
    """An image in mode L or RGB, and how it was treated."""
    treated = []
    if image.mode == "P":
        treated.append("palette")
    if image.mode == "CMYK":
        treated.append("CMYK")
    if image.mode in _DEEP or image.mode.startswith("I;16"):
        treated.append("deep")
        image = Image.fromarray(eight_bits(np.asarray(image), form.white))
    if image.mode in ("RGBA", "RGBa", "LA", "La", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        if image.getextrema()[3][0] < 255:
            treated.append("alpha")
            white = Image.new("RGBA", image.size, (255, 255, 255, 255))
            image = Image.alpha_composite(white, image)
    wanted = "L" if form.channels == 1 else "RGB"
    return (image if image.mode == wanted else image.convert(wanted)), treated


def eight_bits(values: Array, white: float | None) -> Array:
    """Values from 0 to white as uint8; None is `white_of` the values."""
    if values.dtype == np.uint8:
        return values
    top = white_of(values) if white is None else white
    return np.rint(np.clip(values, 0, top) * (255 / top)).astype(np.uint8)


def _formed(image: Any, form: Form) -> Array:
    """An image in mode L or RGB in the size of a form."""
    size, (width, height) = (form.width, form.height), image.size
    if image.size != size:
        how = Image.Resampling.BILINEAR  # with averaging where an image gets smaller
        if form.resize == "stretch":
            image = image.resize(size, how, reducing_gap=2.0)
        elif form.resize == "crop":
            part = min(width / form.width, height / form.height)
            cut = ((width - form.width * part) / 2, (height - form.height * part) / 2)
            box = (cut[0], cut[1], width - cut[0], height - cut[1])
            image = image.resize(size, how, box=box, reducing_gap=2.0)
        else:
            part = min(form.width / width, form.height / height)
            inner = (max(1, round(width * part)), max(1, round(height * part)))
            small = image.resize(inner, how, reducing_gap=2.0)
            mean = np.asarray(small.resize((1, 1), Image.Resampling.BOX)).reshape(-1)
            canvas = Image.new(image.mode, size, int(mean[0]) if mean.size == 1 else tuple(int(v) for v in mean))
            canvas.paste(small, ((form.width - inner[0]) // 2, (form.height - inner[1]) // 2))
            image = canvas
    return np.asarray(image).reshape(form.height, form.width, form.channels)
