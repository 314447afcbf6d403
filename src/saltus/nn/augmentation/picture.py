"""A batch of images on its way through several augmentations: planes of one channel each, and the places the pixels will be fetched from.

Changes of place are not carried out one by one: they are composed, matrices into one matrix, and the image is sampled once when its values
are first needed. Channels are kept apart, so that a chain of changes becomes one loop over pixels with one gather a corner and channel;
with the channels innermost, every place would be computed three times, in strips of three. Above `draws`; the layers use it.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from saltus.base import dtypes as dt
from saltus.base.errors import ShapeError
from saltus.nn.augmentation.draws import wide
from saltus.ops.gather import take
from saltus.tensor.creation import ramp
from saltus.tensor.elementwise import abs as absolute
from saltus.tensor.elementwise import clip, floor, maximum, minimum
from saltus.tensor.elementwise import round as nearest_whole
from saltus.tensor.manipulation import concat, reshape
from saltus.tensor.tensor import Tensor, of_node
from saltus.tensor.tracing import here

FILLS = ("reflect", "wrap", "constant", "nearest")
INTERPOLATIONS = ("bilinear", "nearest")

Entry = Any  # a float, or a Tensor (N,)
Matrix = tuple[tuple[Entry, Entry, Entry], tuple[Entry, Entry, Entry], tuple[Entry, Entry, Entry]]
Warp = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
Fetch = Callable[[Tensor, Tensor, int, int], Tensor]

IDENTITY: Matrix = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))


def product(a: Matrix, b: Matrix) -> Matrix:
    """a @ b, without work for zeros and ones."""

    def entry(row: int, column: int) -> Entry:
        total: Entry = 0.0
        for left, right in ((a[row][k], b[k][column]) for k in range(3)):
            if _is(left, 0.0) or _is(right, 0.0):
                continue
            part = right if _is(left, 1.0) else left if _is(right, 1.0) else left * right
            total = part if _is(total, 0.0) else total + part
        return total

    rows = [tuple(entry(r, c) for c in range(3)) for r in range(3)]
    return tuple(rows)  # type: ignore[return-value]


def _is(value: Entry, number: float) -> bool:
    return isinstance(value, (int, float)) and value == number


@dataclass(frozen=True)
class Border:
    """What lies outside an image, and what lies between its pixels.

    Args:
        mode: "reflect", "wrap", "constant" or "nearest".
        value: of "constant", in the image's own range.
        interpolation: "bilinear" or "nearest".
    """

    mode: str = "reflect"
    value: float = 0.0
    interpolation: str = "bilinear"


class Picture:
    """A batch of images, channels apart.

    Args:
        x: (N, height, width, channels) of any real type.

    Raises:
        ShapeError: x has other axes.
    """

    def __init__(self, x: Tensor) -> None:
        if x.ndim != 4 or 0 in x.shape[1:]:
            raise ShapeError(f"images have the shape (N, height, width, channels), got {x.shape}", site=here(),
                             fix="put the channels last, also a single one: x[..., None]")  # fmt: skip
        self._whole: Tensor | None = x
        self._planes: list[Tensor] = []
        self._source = self.size = (x.shape[1], x.shape[2])
        self.count, self.channels = x.shape[0], x.shape[3]
        self._matrix, self._exact = IDENTITY, True
        self._warps: list[Warp] = []
        self._pending = False
        self._border: Border | None = None  # of what is pending; None when nothing from outside is fetched

    # -- places --------------------------------------------------------------------------------------------------------

    def move(self, matrix: Matrix, border: Border | None, *, exact: bool = False, size: tuple[int, int] | None = None) -> None:
        """Fetch every pixel from another place.

        Args:
            matrix: leads from (x, y, 1) of the result to that of the image as it is now; both count pixels from the image's middle.
            border: what lies outside; None when nothing is fetched from there.
            exact: every pixel comes from the middle of a pixel, so that nothing is to be interpolated.
            size: (height, width) of the result; None keeps it.
        """
        self._prepare(border)
        self._matrix, self._exact = product(self._matrix, matrix), self._exact and exact
        self.size = size or self.size

    def warp(self, change: Warp, border: Border) -> None:
        """Fetch every pixel from a place that a function of (x, y), counted from the middle, gives."""
        self._prepare(border)
        self._warps = [*self._warps, _through(self._matrix), change]
        self._matrix, self._exact = IDENTITY, False

    def _prepare(self, border: Border | None) -> None:
        """Sample now if what is pending has another border."""
        if border is not None and self._border is not None and self._border != border:
            self.planes  # noqa: B018  # sampling is what it does
        self._pending, self._border = True, border or self._border

    # -- values --------------------------------------------------------------------------------------------------------

    @property
    def planes(self) -> list[Tensor]:
        """One float32 Tensor (N, height, width, 1) a channel, with all changes so far."""
        if self._pending:
            self._planes, self._whole = self._sampled(self._border or Border("nearest")), None
            self._matrix, self._warps, self._exact, self._border, self._pending = IDENTITY, [], True, None, False
            self._source = self.size
        elif self._whole is not None:
            self._planes = [self._whole[..., c : c + 1].astype("float32") for c in range(self.channels)]
            self._whole = None
        return self._planes

    @planes.setter
    def planes(self, values: Sequence[Tensor]) -> None:
        self._planes, self._whole = list(values), None
        self.channels = len(self._planes)

    def copy(self) -> Picture:
        """The same images, to be changed apart."""
        return copy.copy(self)

    def array(self) -> Tensor:
        """float32 (N, height, width, channels)."""
        if self._whole is not None and not self._pending:
            return self._whole.astype("float32")
        return self.planes[0] if self.channels == 1 else concat(self.planes, axis=-1)

    # -- sampling ------------------------------------------------------------------------------------------------------

    def _sampled(self, border: Border) -> list[Tensor]:
        shape = (self.count, *self.size, 1)
        across = _ramp(shape, 2) - (self.size[1] - 1) / 2
        down = _ramp(shape, 1) - (self.size[0] - 1) / 2
        across, down = _through(self._matrix)(across, down)
        for change in reversed(self._warps):
            across, down = change(across, down)
        height, width = self._source
        places = (across + (width - 1) / 2, down + (height - 1) / 2)
        axes = [_axis(at, length, border, self._exact) for at, length in zip(places, (width, height), strict=True)]
        return [self._fetch(fetch, axes, border) for fetch in self._fetchers(shape)]

    def _fetchers(self, shape: tuple[int, ...]) -> list[Fetch]:
        """One function a channel, (column, row, columns on, rows on) -> its pixels there."""
        height, width = self._source
        number = _iota(shape, 0)
        if self._whole is not None:
            flat, step = reshape(self._whole, (-1,)), self.channels
            parts = [(flat, channel) for channel in range(self.channels)]
        else:
            parts, step = [(reshape(p, (-1,)), 0) for p in self._planes], 1

        def fetcher(flat: Tensor, offset: int) -> Fetch:
            def fetch(column: Tensor, row: Tensor, right: int, below: int) -> Tensor:
                index = ((number * height + row) * width + column) * step  # the same for all corners and channels
                begin = offset + (below * width + right) * step
                return of_node(take((flat[begin:] if begin else flat).node, index.node, axis=0)).astype("float32")

            return fetch

        return [fetcher(flat, offset) for flat, offset in parts]

    def _fetch(self, fetch: Fetch, axes: list[_Axis], border: Border) -> Tensor:
        across, down = axes
        total: Tensor | None = None
        for row, below, tall in down.corners:
            for column, right, broad in across.corners:
                share = tall if broad is None else broad if tall is None else tall * broad
                part = fetch(column, row, right, below)
                part = part if share is None else part * share
                total = part if total is None else total + part
        assert total is not None
        if border.mode == "constant" and border.value:
            total = total + (1 - _covered(across) * _covered(down)) * border.value
        return total


@dataclass(frozen=True)
class _Axis:
    """Where along an axis a pixel's values come from: (index, steps on from it, weight); None is a weight of 1."""

    corners: list[tuple[Tensor, int, Tensor | None]]


def _covered(axis: _Axis) -> Any:
    """Share of a place that lies inside."""
    total: Any = 0.0
    for _, _, weight in axis.corners:
        total = 1.0 if weight is None else total + weight
    return total


def _axis(at: Tensor, length: int, border: Border, exact: bool) -> _Axis:
    whole = exact or border.interpolation == "nearest"
    if border.mode == "constant":
        return _fading(at, length, whole)
    if border.mode == "wrap":
        at = at - floor(at * (1 / length)) * length
    elif border.mode == "reflect":  # a wave of period 2 * length between the outer edges
        turned = absolute(at + 0.5)
        phase = turned - floor(turned * (1 / (2 * length))) * (2.0 * length)
        at = length - 0.5 - absolute(phase - length)
    if whole:
        place = nearest_whole(at)
        return _Axis([(_wrapped(place, length) if border.mode == "wrap" else _index(place, length), 0, None)])
    if border.mode == "wrap":
        low = floor(at)
        share = at - low
        return _Axis([(_index(low, length), 0, 1 - share), (_wrapped(low + 1.0, length), 0, share)])
    if length == 1:
        return _Axis([(_index(at, 1), 0, None)])
    at = clip(at, 0.0, length - 1.0)
    low = minimum(floor(at), length - 2.0)  # so that the next pixel is always there
    share = at - low
    return _Axis([(low.astype("int32"), 0, 1 - share), (low.astype("int32"), 1, share)])


def _fading(at: Tensor, length: int, whole: bool) -> _Axis:
    """Places beyond the ends count less and less, from a pixel beyond on nothing."""
    if whole:
        place = nearest_whole(clip(at, -2.0, length + 1.0))
        return _Axis([(_index(place, length), 0, ((place >= 0.0) & (place <= length - 1.0)).astype("float32"))])
    at = clip(at, -1.0, float(length))
    low = clip(floor(at), 0.0, max(length - 2.0, 0.0))
    index = low.astype("int32")
    near = [(index, step, maximum(1.0 - absolute(at - low - float(step)), 0.0)) for step in range(min(length, 2))]
    return _Axis(near)


def _index(place: Tensor, length: int) -> Tensor:
    return clip(place, 0.0, length - 1.0).astype("int32")


def _wrapped(place: Tensor, length: int) -> Tensor:
    return _index(place - (place >= float(length)).astype("float32") * float(length), length)


def _through(matrix: Matrix) -> Warp:
    """A matrix as a change of places."""

    def change(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        def row(entries: tuple[Entry, Entry, Entry]) -> Any:
            total: Any = 0.0
            for value, factor in zip((x, y, 1.0), (e if isinstance(e, (int, float)) else wide(e) for e in entries), strict=True):
                if _is(factor, 0.0):
                    continue
                part = value if _is(factor, 1.0) else factor if _is(value, 1.0) else value * factor
                total = part if _is(total, 0.0) else total + part
            return total

        across, down, depth = (row(entries) for entries in matrix)
        return (across, down) if _is(depth, 1.0) else (across / depth, down / depth)

    return change


def _iota(shape: tuple[int, ...], axis: int) -> Tensor:
    return of_node(ramp(shape, axis, dt.int32))


def _ramp(shape: tuple[int, ...], axis: int) -> Tensor:
    return _iota(shape, axis).astype("float32")
