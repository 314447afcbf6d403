"""Few charts as SVG text: lines, dots, columns, a matrix, sparklines. Knows nothing of runs; colours and fonts are classes
that the page's style gives a meaning, light and dark.

A `Plot` is a frame with axes to which layers are added; `figure()` makes it a figure with a caption and a key.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from itertools import pairwise
from typing import Any

import numpy as np

Numbers = Sequence[float] | np.ndarray[Any, Any]

WIDTH, HEIGHT = 440, 268
MANY = 12  # classes; a matrix of more of them is wide
_RIGHT, _TOP, _BOTTOM = 12, 20, 38
_POINTS = 400  # of a line at most


# -- axes --------------------------------------------------------------------------------------------------------------


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Round numbers from low to high, `most` of them at most.

    Example:
        >>> ticks(0.0, 1.0)
        [0.0, 0.25, 0.5, 0.75, 1.0]
        >>> ticks(3.0, 47.0)
        [10.0, 20.0, 30.0, 40.0]
    """
    if not low < high:
        return [low]
    power = 10.0 ** math.floor(math.log10((high - low) / most))
    for step in (power * factor for factor in (1, 2, 2.5, 5, 10, 20, 25)):
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if last - first < most:
            break
    return [k * step for k in range(first, last + 1)]


def labels(values: Sequence[float]) -> list[str]:
    """Numbers of an axis with as many digits as tell them apart.

    Example:
        >>> labels([0.0, 0.25, 0.5]), labels([0, 20_000]), labels([1e-7, 2e-7])
        (['0', '0.25', '0.5'], ['0', '20,000'], ['1e-07', '2e-07'])
    """
    largest = max((abs(v) for v in values), default=0.0)
    if largest >= 1e7 or 0 < largest < 1e-4:
        return [f"{v:.3g}" for v in values]
    gaps = [b - a for a, b in pairwise(values)]
    digits = max(0, 1 - math.floor(math.log10(min(gaps)))) if gaps else 3
    made = [f"{v:,.{digits}f}" for v in values]
    return [text.rstrip("0").rstrip(".") if "." in text else text for text in made]


# Unit of time, days above which it is too fine, and how many of it there may be from tick to tick.
_UNITS = (
    ("Y", 1e9, (50, 20, 10, 5, 2, 1)), ("M", 4e3, (6, 3, 1)), ("D", 200, (14, 7, 2, 1)), ("h", 6, (12, 6, 3, 1)),
    ("m", 0.3, (30, 15, 5, 1)), ("s", 0.01, (15, 5, 1)),
)  # fmt: skip


def time_ticks(low: float, high: float, most: int = 52) -> tuple[list[float], list[str]]:
    """Round times between two, in seconds since 1970, and what to call them, in so many letters at most.

    Example:
        >>> time_ticks(0.0, 86_400.0 * 365 * 3)[1]
        ['1970', '1971', '1972']
    """
    best: tuple[list[float], list[str]] = ([low], [str(np.datetime64(int(low), "s"))])
    begin, end = np.datetime64(math.floor(low), "s"), np.datetime64(math.ceil(high), "s")
    days = (end - begin) / np.timedelta64(1, "D")
    for unit, _, steps in (one for one in _UNITS if days <= one[1]):
        every = np.arange(begin.astype(f"datetime64[{unit}]"), end.astype(f"datetime64[{unit}]") + 1)
        numbers = every.astype(np.int64) - (np.datetime64("2001-01-01", unit).astype(np.int64) if unit == "D" else 0)
        for step in steps:
            taken = every[numbers % step == 0]
            taken = taken[(taken.astype("datetime64[s]") >= begin) & (taken.astype("datetime64[s]") <= end)]
            if len(taken) and len(taken) * (len(str(taken[0])) + 1) > most:
                break
            if len(taken) > 1:
                best = (taken.astype("datetime64[s]").astype(np.float64).tolist(), [str(t).replace("T", " ") for t in taken])
        if len(best[0]) > 2:
            break
    return best


def extent(*parts: Numbers, pad: float = 0.04) -> tuple[float, float]:
    """The range of all finite numbers, a little wider.

    Example:
        >>> extent([1.0, float("nan"), 3.0], pad=0)
        (1.0, 3.0)
    """
    values = np.concatenate([np.asarray(part, np.float64).reshape(-1) for part in parts]) if parts else np.zeros(0)
    values = values[np.isfinite(values)]
    if not len(values):
        return 0.0, 1.0
    low, high = float(values.min()), float(values.max())
    room = (high - low) * pad or (abs(low) * 0.1 or 0.5) * (low == high)
    return low - room, high + room


def thinned(count: int, most: int = _POINTS) -> np.ndarray[Any, Any]:
    """Places of points that stay of a line of so many."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(np.int64)) if count else np.zeros(0, np.int64)


# -- one plot ----------------------------------------------------------------------------------------------------------


class Plot:
    """A frame with two axes; layers are drawn in the order in which they are added.

    Args:
        title: what it shows, also for readers that cannot see it.
        x, y: ranges.
        across, up: names of the axes.
        log: a logarithmic y axis.
        time: x is seconds since 1970.
        whole: x is counted.
        note: a sentence under the title.

    Example:
        >>> plot = Plot("Loss", (1, 3), (0, 1), across="epoch")
        >>> plot.line([1, 2, 3], [0.9, 0.5, 0.4], name="training")
        >>> plot.svg().count("<path")
        7
    """

    def __init__(
        self, title: str, x: tuple[float, float], y: tuple[float, float], *, across: str = "", up: str = "", log: bool = False,
        time: bool = False, whole: bool = False, note: str = "", width: int = WIDTH, height: int = HEIGHT,
    ) -> None:  # fmt: skip
        self.title, self.note, self.across, self.up, self.log, self.time, self.whole = title, note, across, up, log, time, whole
        self.width, self.height = width, height
        self.x = x if x[0] < x[1] else (x[0] - 0.5, x[1] + 0.5)
        low, high = y if y[0] < y[1] else (y[0] - 0.5, y[1] + 0.5)
        self.y = (math.log10(max(low, 1e-12)), math.log10(max(high, 1e-12))) if log else (low, high)
        self.heights, self.texts = self._heights()
        self.left = max(34.0, 12 + 6.4 * max(map(len, self.texts), default=0))
        self.layers: list[str] = []
        self.keys: list[tuple[str, str]] = []

    def _x(self, value: float) -> float:
        return self.left + (value - self.x[0]) / (self.x[1] - self.x[0]) * (self.width - self.left - _RIGHT)

    def _y(self, value: float) -> float:
        value = math.log10(max(value, 1e-12)) if self.log else value
        return self.height - _BOTTOM - (value - self.y[0]) / (self.y[1] - self.y[0]) * (self.height - _TOP - _BOTTOM)

    def _key(self, style: str, name: str) -> None:
        if name and (style, name) not in self.keys:
            self.keys.append((style, name))

    # -- layers --------------------------------------------------------------------------------------------------------

    def line(self, xs: Numbers, ys: Numbers, style: str = "a", name: str = "") -> None:
        """A line; it is broken where a value is not finite.

        Args:
            xs, ys: points in order.
            style: "a" (blue), "b" (orange, dashed), "c" (green, dotted) or "n" (grey).
            name: in the key.
        """
        path, pen = [], "M"
        for k in thinned(len(xs)):
            if not (math.isfinite(xs[k]) and math.isfinite(ys[k])):
                pen = "M"
                continue
            path.append(f"{pen}{self._x(xs[k]):.1f} {self._y(ys[k]):.1f}")
            pen = "L"
        self.layers.append(f'<path class="line {style}" d="{"".join(path)}"/>')
        self._key(style, name)

    def dots(self, xs: Numbers, ys: Numbers, style: str = "a", name: str = "", *, titles: Sequence[str] = (), large: bool = False) -> None:
        """Points; `titles` appear under the pointer."""
        kind, radius = ("dot solid", 4) if large else ("dot", 2.4)
        for k in range(len(xs)):
            if math.isfinite(xs[k]) and math.isfinite(ys[k]):
                at = f'cx="{self._x(xs[k]):.1f}" cy="{self._y(ys[k]):.1f}"'
                self.layers.append(f'<circle class="{kind} {style}" {at} r="{radius}">{_under(titles, k)}</circle>')
        self._key(f"{style} round", name)

    def columns(self, edges: Numbers, counts: Numbers, style: str = "a", name: str = "", *, titles: Sequence[str] = ()) -> None:
        """Columns from the axis up, between neighbouring edges."""
        floor = self._y(10 ** self.y[0] if self.log else max(self.y[0], 0.0))
        for k, count in enumerate(counts):
            left, right, top = self._x(edges[k]), self._x(edges[k + 1]), self._y(count)
            if count:
                self.layers.append(
                    f'<rect class="column {style}" x="{left + 0.5:.1f}" y="{top:.1f}" width="{max(right - left - 1, 0.6):.1f}" '
                    f'height="{max(floor - top, 0.5):.1f}">{_under(titles, k)}</rect>'
                )
        self._key(style, name)

    def upright(self, x: float, name: str) -> None:
        """A vertical line with its name at the top."""
        at = self._x(x)
        anchor = "end" if at > self.width * 0.72 else "start" if at < self.width * 0.28 else "middle"
        self.layers.append(f'<path class="mark" d="M{at:.1f} {_TOP}V{self.height - _BOTTOM}"/>' + _text(at, _TOP - 5, name, anchor, "said"))

    def level(self, y: float, name: str = "") -> None:
        """A horizontal line, such as that of guessing."""
        self.layers.append(f'<path class="line n" d="M{self.left:.1f} {self._y(y):.1f}H{self.width - _RIGHT}"/>')
        self._key("n", name)

    def diagonal(self, name: str = "") -> None:
        """The line of equal x and y, as far as both axes reach."""
        low, high = max(self.x[0], self.y[0]), min(self.x[1], self.y[1])
        if low < high:
            self.layers.append(f'<path class="line n" d="M{self._x(low):.1f} {self._y(low):.1f}L{self._x(high):.1f} {self._y(high):.1f}"/>')
            self._key("n", name)

    def shade(self, begin: float, end: float, name: str) -> None:
        """A part of the x axis, behind everything, with its name."""
        left, right = self._x(max(begin, self.x[0])), self._x(min(end, self.x[1]))
        if right > left:
            box = f'x="{left:.1f}" y="{_TOP}" width="{right - left:.1f}" height="{self.height - _TOP - _BOTTOM}"'
            self.layers.insert(0, f'<rect class="shade" {box}/>' + _text((left + right) / 2, _TOP - 6, name, "middle", "said"))

    # -- drawing -------------------------------------------------------------------------------------------------------

    def _heights(self) -> tuple[list[float], list[str]]:
        """Ticks of the y axis, and what to call them."""
        if not self.log:
            heights = ticks(*self.y)
            return heights, labels(heights)
        powers = list(range(math.ceil(self.y[0] - 1e-9), math.floor(self.y[1] + 1e-9) + 1))
        if len(powers) > 1:
            heights = [10.0**k for k in powers[:: -(-len(powers) // 6)]]
        else:
            heights = [v for v in ticks(10 ** self.y[0], 10 ** self.y[1]) if v > 0]
        return heights, [f"{v:g}" for v in heights]

    def _axes(self) -> str:
        bottom, right = self.height - _BOTTOM, self.width - _RIGHT
        parts = [
            f'<path class="grid" d="M{self.left:.1f} {self._y(v):.1f}H{right}"/>' + _text(self.left - 6, self._y(v) + 3.5, t, "end")
            for v, t in zip(self.heights, self.texts, strict=True)
        ]
        if self.time:
            places, names = time_ticks(*self.x)
        else:
            places = [v for v in ticks(*self.x, 6) if not self.whole or v == int(v)]
            names = labels(places)
        parts += [_text(self._x(v), bottom + 15, t, "middle") for v, t in zip(places, names, strict=True)]
        parts.append(f'<path class="axis" d="M{self.left:.1f} {bottom}H{right}"/>')
        if self.across:
            parts.append(_text(right, bottom + 31, self.across, "end", "name"))
        if self.up:
            parts.append(_text(4, _TOP - 8, self.up, kind="name"))
        return "".join(parts)

    def svg(self) -> str:
        """The picture."""
        return (
            f'<svg class="plot" viewBox="0 0 {self.width} {self.height}" role="img" aria-label="{escape(self.title)}">'
            f"{self._axes()}{''.join(self.layers)}</svg>"
        )

    def figure(self) -> str:
        """The picture with its title and key."""
        return figure(self.title, self.svg(), self.keys, self.note)


def figure(title: str, picture: str, keys: Sequence[tuple[str, str]] = (), note: str = "") -> str:
    """A figure: title, key and note above a picture.

    Args:
        title, note: text.
        picture: markup.
        keys: (style, name) of what is drawn.
    """
    said = "".join(f'<span class="key"><i class="{style}"></i>{escape(name)}</span>' for style, name in keys)
    row = f'<span class="keys">{said}</span>' if said else ""
    about = f"<small>{escape(note)}</small>" if note else ""
    return f"<figure><figcaption><b>{escape(title)}</b>{row}{about}</figcaption>{picture}</figure>"


# -- other pictures ----------------------------------------------------------------------------------------------------


def matrix(counts: np.ndarray[Any, Any], names: Sequence[str]) -> str:
    """A confusion matrix: right ones on the diagonal in one colour, wrong ones in another, darker for larger shares of a row.

    Args:
        counts: (classes, classes), a row a true class.
        names: of the classes.

    Example:
        >>> matrix(np.array([[3, 1], [0, 2]]), ["no", "yes"]).count("<rect")
        4
    """
    classes = len(names)
    short = [_short(name, 14 if classes <= MANY else 10) for name in names]
    left = 22 + min(96, 6.4 * max(map(len, short)))
    cell = min(84.0, ((WIDTH if classes <= MANY else 720) - left - 8) / classes)
    level = cell >= 6.6 * max(map(len, short))  # names of columns fit without turning them
    top = 34.0 if level else 24 + min(78, 5.6 * max(map(len, short)))
    width, height = left + cell * classes + (8 if level else 48), top + cell * classes + 6
    size = min(13.0, cell * 0.42)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    parts = [_text(left, 11, "predicted", kind="name"), _text(4, top - 8, "true", kind="name")]
    for k, name in enumerate(short):
        middle = left + (k + 0.5) * cell
        turned = "" if level else f'transform="rotate(-55 {middle:.1f} {top - 6:.1f})"'
        parts.append(_text(middle, top - 8 if level else top - 6, name, "middle" if level else "start", more=turned))
        parts.append(_text(left - 7, top + (k + 0.5) * cell + 4, name, "end"))
    for k, j in np.ndindex(classes, classes):
        count, share = int(counts[k, j]), float(shares[k, j])
        x, y = left + j * cell, top + k * cell
        kind, over = "a" if k == j else "b", " over" if share > 0.55 else ""
        said = escape(f"true {names[k]}, predicted {names[j]}: {count:,} ({share:.1%} of its rows)")
        box = f'x="{x + 1:.1f}" y="{y + 1:.1f}" width="{cell - 2:.1f}" height="{cell - 2:.1f}" rx="2"'
        parts.append(f'<g><title>{said}</title><rect class="cell {kind}" {box} fill-opacity="{0.03 + 0.97 * share:.2f}"/>')
        if size >= 6 and (count or classes <= 8):
            more = f'style="font-size:{size:.1f}px"'
            parts.append(_text(x + cell / 2, y + cell / 2 + size * 0.36, f"{count:,}", "middle", f"count{over}", more=more))
        parts.append("</g>")
    least = f";min-width:{0.8 * width:.0f}px" if classes > MANY else ""
    about = f'style="max-width:{width:.0f}px{least}" role="img" aria-label="confusion matrix"'
    return f'<svg class="plot" viewBox="0 0 {width:.0f} {height:.0f}" {about}>{"".join(parts)}</svg>'


def spark(counts: Sequence[float], titles: Sequence[str], width: int = 132, height: int = 26) -> str:
    """Small columns side by side, for a cell of a table.

    Example:
        >>> spark([1, 2], ["one", "two"]).count("<rect")
        2
    """
    most, step = max(max(counts, default=0), 1e-12), width / max(len(counts), 1)
    gap = 1.0 if step > 3 else 0.4
    boxes = "".join(
        f'<rect x="{k * step:.1f}" y="{height - max(1.0, height * count / most):.1f}" width="{step - gap:.1f}" '
        f'height="{max(1.0, height * count / most):.1f}"><title>{escape(titles[k])}</title></rect>'
        for k, count in enumerate(counts)
    )
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    return f'<svg class="spark" {size} role="img" aria-label="distribution">{boxes}</svg>'


def _text(x: float, y: float, words: str, anchor: str = "", kind: str = "", *, more: str = "") -> str:
    about = [f'class="{kind}"'] * bool(kind) + [f'text-anchor="{anchor}"'] * (anchor not in ("", "start")) + [more] * bool(more)
    return f'<text x="{x:.1f}" y="{y:.1f}"{"".join(f" {word}" for word in about)}>{escape(words)}</text>'


def _under(titles: Sequence[str], place: int) -> str:
    """What appears under the pointer."""
    return f"<title>{escape(titles[place])}</title>" if titles else ""


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
