"""Pooling: the largest or the mean of sliding windows, of bins, and back. Channels come last. In: ops.pooling."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from saltus.base import dtypes as dt
from saltus.base.errors import ArgumentError, DTypeError, ShapeError
from saltus.ir.node import Node, full
from saltus.ir.spec import OPS
from saltus.ops import pooling as ops
from saltus.ops.arithmetic import convert
from saltus.ops.convolution import conv_padding, reach
from saltus.ops.gather import scatter_add, take
from saltus.ops.movement import reshape
from saltus.ops.reduce import max as max_of
from saltus.tensor.linear import apply_along
from saltus.tensor.operands import node_of
from saltus.tensor.rules import custom_vjp
from saltus.tensor.tensor import Tensor, of_node
from saltus.tensor.tracing import here

Shape = tuple[int, ...]
INT32, INT64 = dt.int32, dt.int64
NAMES = {1: ("steps",), 2: ("height", "width"), 3: ("depth", "height", "width")}


def per_axis(name: str, value: int | Sequence[int], rank: int, least: int = 1) -> Shape:
    """One whole number an axis, given as such or as one for all.

    Raises:
        ArgumentError: another count of them, or one below `least`.
    """
    found = (value,) * rank if isinstance(value, int) else tuple(value)
    if len(found) != rank or any(isinstance(v, bool) or not isinstance(v, int) or v < least for v in found):
        raise ArgumentError(f"{name} must be a whole number from {least} on, or {rank} of them, got {value!r}", site=here())
    return found


def pooled(name: str, x: Any) -> tuple[Node, int]:
    """The operand, and how many spatial axes it has.

    Raises:
        DTypeError, ShapeError: no real floats, or not (N, one to three axes, channels).
    """
    a = node_of(x)
    if not a.dtype.is_float:
        raise DTypeError(f"{name} takes real floats, got {a.dtype.name}", site=here(), fix="convert: x.astype('float32')")
    rank = len(a.shape) - 2
    if rank not in NAMES:
        raise ShapeError(
            f"{name} takes (N, axes, channels) with one to three axes, got {a.shape}", site=here(),
            fix="images are (N, height, width, channels), also one image and grey ones: x[None, ..., None]",
        )  # fmt: skip
    return a, rank


def _settled(
    name: str, x: Any, size: Any, stride: Any, dilation: Any, padding: Any
) -> tuple[Node, Shape, Shape, Shape, Shape, Shape]:
    """Operand, size, step, dilation, border before and after; refuses windows that do not fit."""
    a, rank = pooled(name, x)
    sizes, gaps = per_axis("size", size, rank), per_axis("dilation", dilation, rank)
    steps = sizes if stride is None else per_axis("stride", stride, rank)
    if padding == "causal":
        raise ArgumentError(f'{name}: padding must be "valid", "same" or numbers, got "causal"', site=here())
    lengths = a.shape[1:-1]
    low, high = conv_padding(padding, lengths, sizes, steps, gaps)
    spans = reach(sizes, gaps)
    for axis, n, span, i, j in zip(NAMES[rank], lengths, spans, low, high, strict=True):
        if span > n + i + j:
            border = f" with {i + j} of padding" if i + j else ""
            raise ShapeError(
                f"{name}: the window is larger than the input: along {axis} it spans {span}, the input {a.shape} has only {n}{border}",
                site=here(), fix='use padding="same", a smaller window, or fewer strides and poolings before',
            )  # fmt: skip
        if padding != "same" and max(i, j) >= span:
            raise ShapeError(
                f"{name}: {max(i, j)} of padding along {axis} would make windows of {span} that hold no element", site=here(),
                fix=f"use at most {span - 1}",
            )  # fmt: skip
    return a, sizes, steps, gaps, low, high


def max_pool(
    x: Any,
    size: int | Sequence[int],
    /,
    *,
    stride: int | Sequence[int] | None = None,
    dilation: int | Sequence[int] = 1,
    padding: Any = "valid",
    return_indices: bool = False,
) -> Any:
    """The largest element of each window.

    Args:
        x: real floats of shape (N, *size, channels), one to three axes of size.
        size: of the windows, one number or one an axis.
        stride: steps from one window to the next; None: windows side by side.
        dilation: distance of a window's elements.
        padding: "valid"; "same", where the result has ceil(length / stride) elements; or numbers, or pairs (before, after) an axis.
        return_indices: also return where each was found.

    Returns:
        Shape (N, *out, channels). With return_indices a pair with positions in the image (int64, row-major over the spatial axes); of
        several largest elements, the first. The gradient goes to it alone.

    Raises:
        ShapeError: a window larger than the input, or another number of axes.

    Example:
        >>> import saltus as sl
        >>> sl.max_pool(sl.asarray([[[1.0], [3.0], [2.0], [0.0]]]), 2)[0, :, 0].tolist()
        [3.0, 2.0]
    """
    a, sizes, steps, gaps, low, high = _settled("max_pool", x, size, stride, dilation, padding)
    form = {"size": sizes, "step": steps, "dilation": gaps, "low": low, "high": high}

    def forward(x: Tensor) -> tuple[Tensor, Tensor]:
        top, index = ops.largest(x.node, **form)
        return of_node(top), of_node(index)

    def backward(g: tuple[Tensor, Tensor], out: tuple[Tensor, Tensor], x: Tensor) -> Tensor:
        return of_node(ops.largest_gradient(g[0].node, out[1].node, x.shape[1:-1], **form))

    top = custom_vjp(forward, backward)(of_node(a))[0]
    return (top, of_node(ops.largest_position(a, **form))) if return_indices else top


def average_pool(
    x: Any, size: int | Sequence[int], /, *, stride: int | Sequence[int] | None = None, padding: Any = "valid"
) -> Tensor:
    """The mean of each window, over those of its elements that are not padding.

    Args:
        x, size, stride, padding: as for `max_pool`.

    Returns:
        Shape (N, *out, channels).

    Raises:
        ShapeError: a window larger than the input, or another number of axes.

    Example:
        >>> import saltus as sl
        >>> sl.average_pool(sl.asarray([[[1.0], [3.0], [2.0]]]), 2, padding="same")[0, :, 0].tolist()
        [2.0, 2.0]
    """
    a, sizes, steps, _, low, high = _settled("average_pool", x, size, stride, 1, padding)
    form = {"size": sizes, "step": steps, "low": low, "high": high}

    def backward(g: Tensor, out: Tensor, x: Tensor) -> Tensor:
        return of_node(ops.average_gradient(g.node, x.shape[1:-1], **form))

    return custom_vjp(lambda x: of_node(ops.average(x.node, **form)), backward)(of_node(a))  # type: ignore[no-any-return]


@functools.lru_cache(maxsize=256)
def bins(length: int, count: int) -> tuple[tuple[int, int], ...]:
    """(start, stop) of `count` bins that cover an axis: floor(i * length / count) to ceil((i + 1) * length / count)."""
    return tuple((i * length // count, -(-(i + 1) * length // count)) for i in range(count))


def _bin_counts(name: str, a: Node, rank: int, size: Any) -> Shape:
    """Bins of each axis."""
    lengths = a.shape[1:-1]
    given = (size,) * rank if isinstance(size, int) else tuple(size)
    if len(given) == rank:
        given = tuple(n if v is None else v for n, v in zip(lengths, given, strict=True))
    found = per_axis("output_size", given, rank)
    if 0 in lengths:
        raise ShapeError(f"{name}: the input {a.shape} has no elements to pool", site=here())
    return found


def adaptive_average_pool(x: Any, output_size: int | Sequence[int | None], /) -> Tensor:
    """The means of bins that cover the input, for any number of bins.

    Bin i of m covers elements floor(i n / m) to ceil((i + 1) n / m) of n, PyTorch's rule; bins overlap where m does not divide n.

    Args:
        x: real floats of shape (N, *size, channels), one to three axes of size.
        output_size: bins, one number or one an axis; None keeps an axis.

    Returns:
        Shape (N, *output_size, channels).

    Example:
        >>> import saltus as sl
        >>> sl.adaptive_average_pool(sl.asarray([[[1.0], [3.0], [5.0]]]), 2)[0, :, 0].tolist()
        [2.0, 4.0]
    """
    a, rank = pooled("adaptive_average_pool", x)
    counts = _bin_counts("adaptive_average_pool", a, rank, output_size)
    lengths = a.shape[1:-1]
    if all(n % m == 0 for n, m in zip(lengths, counts, strict=True)):
        return average_pool(x, tuple(n // m for n, m in zip(lengths, counts, strict=True)))
    made = of_node(a)
    for axis, (n, m) in enumerate(zip(lengths, counts, strict=True), 1):
        if n != m:
            made = apply_along(made, _bin_means(n, m), axis)
    return made


@functools.lru_cache(maxsize=64)
def _bin_means(length: int, count: int) -> np.ndarray:
    """The matrix whose rows take the means of bins."""
    made = np.zeros((count, length))
    for row, (start, stop) in zip(made, bins(length, count), strict=True):
        row[start:stop] = 1 / (stop - start)
    return made


def adaptive_max_pool(x: Any, output_size: int | Sequence[int | None], /) -> Tensor:
    """The largest elements of bins that cover the input, for any number of bins.

    Args:
        x, output_size: as for `adaptive_average_pool`.

    Returns:
        Shape (N, *output_size, channels).

    Example:
        >>> import saltus as sl
        >>> sl.adaptive_max_pool(sl.asarray([[[1.0], [3.0], [5.0]]]), 2)[0, :, 0].tolist()
        [3.0, 5.0]
    """
    a, rank = pooled("adaptive_max_pool", x)
    counts = _bin_counts("adaptive_max_pool", a, rank, output_size)
    lengths = a.shape[1:-1]
    if all(n % m == 0 for n, m in zip(lengths, counts, strict=True)):
        return max_pool(x, tuple(n // m for n, m in zip(lengths, counts, strict=True)))  # type: ignore[no-any-return]
    for axis, (n, m) in enumerate(zip(lengths, counts, strict=True), 1):
        if n == m:
            continue
        spans = bins(n, m)
        widest = max(stop - start for start, stop in spans)
        # a bin shorter than the widest meets its last element again, which changes no largest one
        places = np.asarray([[min(start + k, stop - 1) for k in range(widest)] for start, stop in spans], np.int32)
        met = of_node(take(a, node_of(places), axis=axis))
        a = _largest_along(met, axis + 1).node
    return of_node(a)


def _largest_along(x: Tensor, axis: int) -> Tensor:
    """The largest along an axis, which goes; the gradient goes to the first of several."""

    def forward(x: Tensor) -> tuple[Tensor, Tensor]:
        top = max_of(x.node, axes=(axis,))
        index = OPS["iota"](shape=x.shape, axis=axis, dtype=INT32)
        hit = OPS["equal"](x.node, OPS["broadcast_to"](top, shape=x.shape))
        first = OPS["min"](OPS["where"](hit, index, full(x.shape, x.shape[axis], INT32)), axes=(axis,))
        return of_node(top), of_node(first)

    def backward(g: tuple[Tensor, Tensor], out: tuple[Tensor, Tensor], x: Tensor) -> Tensor:
        index = OPS["iota"](shape=x.shape, axis=axis, dtype=INT32)
        hit = OPS["equal"](index, OPS["broadcast_to"](out[1].node, shape=x.shape))
        return of_node(OPS["where"](hit, OPS["broadcast_to"](g[0].node, shape=x.shape), full(x.shape, 0, x.dtype)))

    top = custom_vjp(forward, backward)(x)[0].node
    return of_node(reshape(top, tuple(n for k, n in enumerate(x.shape) if k != axis)))


def max_unpool(x: Any, indices: Any, output_size: int | Sequence[int], /) -> Tensor:
    """Elements put back where `max_pool` found them, 0 elsewhere; where windows overlapped and found the same one, they add up.

    Args:
        x: real floats of shape (N, *size, channels).
        indices: positions in the image from `max_pool(..., return_indices=True)`, shaped like x.
        output_size: of the image, one number or one an axis.

    Returns:
        Shape (N, *output_size, channels).

    Raises:
        ShapeError: x and indices have different shapes.

    Source: Zeiler and Fergus, "Visualizing and understanding convolutional networks", 2013.

    Example:
        >>> import saltus as sl
        >>> top, where = sl.max_pool(sl.asarray([[[1.0], [3.0], [2.0], [0.0]]]), 2, return_indices=True)
        >>> sl.max_unpool(top, where, 4)[0, :, 0].tolist()
        [0.0, 3.0, 2.0, 0.0]
    """
    a, rank = pooled("max_unpool", x)
    index = node_of(indices)
    if index.shape != a.shape:
        raise ShapeError(f"max_unpool: indices must be shaped like x, {a.shape}, got {index.shape}", site=here(),
                         fix="take both from one call: sl.max_pool(x, size, return_indices=True)")  # fmt: skip
    if not index.dtype.is_integer:
        raise DTypeError(f"max_unpool: indices must be integers, got {index.dtype.name}", site=here())
    lengths = per_axis("output_size", output_size, rank)
    shape = (a.shape[0], *lengths, a.shape[-1])
    rows, channels = (OPS["iota"](shape=a.shape, axis=k, dtype=INT64) for k in (0, rank + 1))
    flat = (rows * math.prod(lengths) + convert(index, INT64)) * a.shape[-1] + channels
    base = full((math.prod(shape),), 0, a.dtype)
    made = scatter_add(base, reshape(flat, (flat.size,)), reshape(a, (a.size,)), axis=0)
    return of_node(reshape(made, shape))


__all__ = [
    "adaptive_average_pool",
    "adaptive_max_pool",
    "average_pool",
    "max_pool",
    "max_unpool",
]
