"""Images at other places: resizing along any axes, and sampling on a grid. Channels come last. In: linear, ops.gather."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from saltus.base.errors import ArgumentError, DTypeError, ShapeError
from saltus.ops.gather import take
from saltus.tensor.creation import asarray
from saltus.tensor.elementwise import abs as absolute
from saltus.tensor.elementwise import clip, floor
from saltus.tensor.elementwise import round as nearest_whole
from saltus.tensor.linear import apply_along
from saltus.tensor.manipulation import broadcast_to, reshape
from saltus.tensor.operands import as_tensor, node_of
from saltus.tensor.pooling import per_axis, pooled
from saltus.tensor.products import matmul
from saltus.tensor.tensor import Tensor, of_node
from saltus.tensor.tracing import here

METHODS = ("nearest", "bilinear", "bicubic")
BORDERS = ("zeros", "border", "reflection")


def _one_of(function: str, name: str, value: str, allowed: Sequence[str]) -> None:
    if value not in allowed:
        raise ArgumentError(f"{function}: {name} must be one of {', '.join(map(repr, allowed))}, got {value!r}", site=here())


# --- resizing -------------------------------------------------------------------------------------------------------
def _triangle(x: float, sharpness: float) -> float:
    return max(0.0, 1 - abs(x))


def _cubic(x: float, sharpness: float) -> float:
    """Keys' kernel; `sharpness` is its slope at 1."""
    x, a = abs(x), sharpness
    if x < 1:
        return ((a + 2) * x - (a + 3)) * x * x + 1
    return ((x - 5) * x + 8) * x * a - 4 * a if x < 2 else 0.0


KERNELS: dict[str, tuple[Callable[[float, float], float], int]] = {"bilinear": (_triangle, 1), "bicubic": (_cubic, 2)}


@functools.lru_cache(maxsize=64)
def resizing_matrix(length: int, count: int, method: str, antialias: bool) -> np.ndarray:
    """Weights (count, length) of an axis' elements in its resized ones; element centres lie at halves.

    Without antialias a place beyond an end takes the last element, and Keys' slope is -0.75; with it the kernel widens as the axis shrinks,
    its slope is -0.5, and weights beyond an end are left out.
    """
    kernel, support = KERNELS[method]
    ratio = length / count
    made = np.zeros((count, length))
    for i, row in enumerate(made):
        centre = (i + 0.5) * ratio - 0.5
        if not antialias:
            first = math.floor(centre) - support + 1
            for j in range(first, first + 2 * support):
                row[min(max(j, 0), length - 1)] += kernel(centre - j, -0.75)
            continue
        wide = max(ratio, 1.0)
        near = range(max(0, math.floor(centre - support * wide)), min(length, math.ceil(centre + support * wide) + 1))
        for j in near:
            row[j] = kernel((centre - j) / wide, -0.5)
        row /= row.sum()
    return made


def _nearest(x: Tensor, counts: Sequence[int]) -> Tensor:
    """Whole factors repeat, all axes at once; other lengths pick."""
    for axis, (length, count) in enumerate(zip(x.shape[1:-1], counts, strict=True), 1):
        if count % length:
            places = (np.arange(count) * 2 + 1) * length // (2 * count)
            x = of_node(take(x.node, node_of(places), axis=axis))
    pairs = [(length, count // length) for length, count in zip(x.shape[1:-1], counts, strict=True)]
    count, channels = x.shape[0], x.shape[-1]
    apart = reshape(x, (count, *[n for length, _ in pairs for n in (length, 1)], channels))
    wide = broadcast_to(apart, (count, *[n for pair in pairs for n in pair], channels))
    return reshape(wide, (count, *counts, channels))


def resize(x: Any, size: int | Sequence[int], /, *, method: str = "bilinear", antialias: bool = False) -> Tensor:
    """Sequences, images or volumes of another size.

    Centres of elements lie at halves, as in TensorFlow and in PyTorch with align_corners=False; "nearest" is PyTorch's "nearest-exact",
    "bicubic" has PyTorch's slope (-0.75, with antialias -0.5).

    Args:
        x: real floats of shape (N, *size, channels), one to three axes of size.
        size: the new size, one number or one an axis.
        method: "nearest", "bilinear" (linear along every axis) or "bicubic".
        antialias: when it shrinks, let every element see all that falls to it (bilinear and bicubic).

    Returns:
        Shape (N, *size, channels).

    Raises:
        ArgumentError: an unknown method, or a size below 1.
        ShapeError: another number of axes, or nothing to resize.

    Source: Keys, "Cubic convolution interpolation for digital image processing", 1981.

    Example:
        >>> import saltus as sl
        >>> sl.resize(sl.asarray([[[0.0], [4.0]]]), 4)[0, :, 0].tolist()
        [0.0, 1.0, 3.0, 4.0]
    """
    _one_of("resize", "method", method, METHODS)
    a, rank = pooled("resize", x)
    counts = per_axis("size", size, rank)
    if 0 in a.shape[1:-1]:
        raise ShapeError(f"resize: the input {a.shape} has no elements", site=here())
    made = of_node(a)
    if method == "nearest":
        return _nearest(made, counts)
    # axes that shrink go first: the others then cost less
    for axis in sorted(range(1, rank + 1), key=lambda k: counts[k - 1] / a.shape[k]):
        length, count = made.shape[axis], counts[axis - 1]
        if length != count:
            made = apply_along(made, resizing_matrix(length, count, method, antialias), axis)
    return made


# --- sampling -------------------------------------------------------------------------------------------------------
def affine_grid(theta: Any, size: Sequence[int], /) -> Tensor:
    """Where each pixel of a result lies in the source, for `grid_sample`: theta @ (x, y, 1).

    Args:
        theta: shape (N, 2, 3); [[1, 0, 0], [0, 1, 0]] changes nothing. It leads from the result to the source.
        size: (height, width) of the result.

    Returns:
        Shape (N, height, width, 2): (x, y), where -1 and 1 are the outer edges of the image.

    Raises:
        ShapeError: theta has another shape.

    Source: Jaderberg et al., "Spatial transformer networks", 2015.

    Example:
        >>> import saltus as sl
        >>> sl.affine_grid(sl.asarray([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]]), (1, 2)).tolist()
        [[[[-0.5, 0.0], [0.5, 0.0]]]]
    """
    t = as_tensor(theta)
    if t.ndim != 3 or t.shape[1:] != (2, 3):
        raise ShapeError(f"affine_grid takes theta of shape (N, 2, 3), got {t.shape}", site=here(),
                         fix="give the 2 x 3 matrix of one image an axis in front: theta[None]")  # fmt: skip
    height, width = per_axis("size", size, 2)
    ys, xs = ((2 * np.arange(n) + 1) / n - 1 for n in (height, width))
    base = np.stack([np.tile(xs, height), np.repeat(ys, width), np.ones(height * width)])
    made = matmul(t, asarray(base.astype(t.dtype.numpy)))
    return reshape(made.mT, (t.shape[0], height, width, 2))


def grid_sample(x: Any, grid: Any, /, *, method: str = "bilinear", padding: str = "zeros") -> Tensor:
    """Images looked up at any places: rotation, zoom, warping.

    Args:
        x: real floats of shape (N, height, width, channels).
        grid: shape (N, new height, new width, 2): (x, y), where -1 and 1 are the outer edges of the image.
        method: "bilinear" or "nearest".
        padding: what lies outside: "zeros", "border" (the nearest pixel) or "reflection" (mirrored at the edges).

    Returns:
        Shape (N, new height, new width, channels). It can be differentiated in x and, if bilinear, in grid. PyTorch's
        align_corners=False.

    Raises:
        ArgumentError: an unknown method or padding.
        ShapeError: shapes that do not go together.

    Example:
        >>> import saltus as sl
        >>> image = sl.asarray([[[[1.0], [3.0]]]])
        >>> float(sl.grid_sample(image, sl.asarray([[[[0.0, 0.0]]]]))[0, 0, 0, 0])
        2.0
    """
    _one_of("grid_sample", "method", method, ("bilinear", "nearest"))
    _one_of("grid_sample", "padding", padding, BORDERS)
    image, places = as_tensor(x), as_tensor(grid)
    if image.ndim != 4 or not image.dtype.is_float:
        raise ShapeError(
            f"grid_sample takes real floats of shape (N, height, width, channels), got {image.dtype} {image.shape}", site=here()
        )
    if places.ndim != 4 or places.shape[-1] != 2 or places.shape[0] != image.shape[0]:
        raise ShapeError(f"grid_sample: the grid must have the shape ({image.shape[0]}, height, width, 2), got {places.shape}", site=here(),
                         fix="make it with sl.affine_grid")  # fmt: skip
    if not places.dtype.is_float:
        raise DTypeError(f"grid_sample: the grid must hold floats, got {places.dtype}", site=here())
    if 0 in image.shape[1:3]:
        raise ShapeError(f"grid_sample: the image {image.shape} has no pixels", site=here())
    axes = [_place(places[..., k], image.shape[2 - k], padding) for k in (0, 1)]
    if method == "nearest":
        return _picked(image, [nearest_whole(v) for v in axes], padding)
    low = [floor(v) for v in axes]
    shares = [v - b for v, b in zip(axes, low, strict=True)]
    made = None
    for dy in (0, 1):
        for dx in (0, 1):
            weight = (shares[0] if dx else 1 - shares[0]) * (shares[1] if dy else 1 - shares[1])
            part = _picked(image, [low[0] + dx, low[1] + dy], padding) * weight[..., None].astype(image.dtype)
            made = part if made is None else made + part
    assert made is not None
    return made


def _place(g: Tensor, length: int, padding: str) -> Tensor:
    """Pixel index (a float) of a place from -1 to 1."""
    at = ((g + 1) * length - 1) * 0.5
    if padding == "border":
        return clip(at, 0, length - 1)
    if padding == "reflection":
        # a wave of period 2 * length between the outer edges -0.5 and length - 0.5
        turned = absolute(at + 0.5)
        phase = turned - floor(turned * (1 / (2 * length))) * (2 * length)
        return clip(length - absolute(phase - length) - 0.5, 0, length - 1)
    return at


def _picked(image: Tensor, index: list[Tensor], padding: str) -> Tensor:
    """Pixels at whole places (as floats), 0 outside where that is asked for."""
    count, height, width, channels = image.shape
    x, y = (clip(v, 0, n - 1).astype("int64") for v, n in zip(index, (width, height), strict=True))
    rows = asarray(np.arange(count, dtype=np.int64).reshape(count, 1, 1))
    flat = (rows * height + y) * width + x
    found = of_node(take(reshape(image, (count * height * width, channels)).node, flat.node, axis=0))
    if padding != "zeros":
        return found
    inside = (index[0] >= 0) & (index[0] <= width - 1) & (index[1] >= 0) & (index[1] <= height - 1)
    return found * inside[..., None].astype(image.dtype)


__all__ = ["affine_grid", "grid_sample", "resize"]
