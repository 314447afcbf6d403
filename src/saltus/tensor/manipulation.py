"""Functions that move elements without changing them: shapes, axes, joining, cutting, types."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from saltus.base import dtypes as dt
from saltus.base.errors import ArgumentError, DTypeError, ShapeError
from saltus.ir.node import Node, broadcast
from saltus.ir.spec import OPS, Shape
from saltus.ops import movement as move
from saltus.ops.arithmetic import convert
from saltus.tensor.creation import check_device, shape_of
from saltus.tensor.operands import as_tensor, axes_of, common, common_shape, node_of, one_axis
from saltus.tensor.tensor import Tensor, of_array, of_node
from saltus.tensor.tracing import here


def astype(x: Any, dtype: Any, /, *, copy: bool = True, device: Any = None) -> Tensor:
    """x with another element type; floats lose their fraction in integers, and saturate at their ends.

    Args:
        x: an array.
        dtype: element type.
        copy: False may return x itself.
        device: "cpu" or None.

    Example:
        >>> import saltus as sl
        >>> sl.astype(sl.asarray([1.7, -1.7]), sl.int32)
        Tensor([ 1, -1], shape=(2,), dtype=int32)
    """
    check_device(device)
    tensor = as_tensor(x)
    wanted = dt.as_dtype(dtype)
    if tensor.dtype.kind == "c" and wanted.kind != "c":
        raise DTypeError(
            f"{tensor.dtype.name} does not become {wanted.name} by itself", site=here(),
            fix="say which part: sl.real(x), sl.imag(x) or sl.abs(x)",
        )  # fmt: skip
    return tensor if not copy and wanted is tensor.dtype else of_node(convert(tensor.node, wanted))


def reshape(x: Any, /, shape: Any, *, copy: bool | None = None) -> Tensor:
    """The elements of x, in row-major order, in another shape.

    Args:
        x: an array.
        shape: the new lengths; one of them may be -1 and is worked out.
        copy: accepted for the standard's sake; nobody can see the difference.

    Raises:
        ShapeError: the numbers of elements differ.

    Example:
        >>> import saltus as sl
        >>> sl.reshape(sl.arange(6), (2, -1)).shape
        (2, 3)
    """
    node = node_of(x)
    given = tuple(int(d) for d in (shape if isinstance(shape, (tuple, list)) else (shape,)))
    if given.count(-1) > 1:
        raise ShapeError(f"reshape: only one length can be -1, got {given}", site=here())
    if -1 in given:
        known = math.prod(d for d in given if d != -1)
        if known == 0 or node.size % known:
            raise ShapeError(f"reshape: {node.size} elements of shape {node.shape} do not fill {given}", site=here())
        given = tuple(node.size // known if d == -1 else d for d in given)
    return of_node(move.reshape(node, shape_of(given)))


def broadcast_to(x: Any, /, shape: Any) -> Tensor:
    """x repeated to a shape.

    Args:
        x: an array whose lengths are those of the shape, counted from the end, or 1.
        shape: the new lengths.

    Example:
        >>> import saltus as sl
        >>> sl.broadcast_to(sl.arange(2), (2, 2))
        Tensor([[0, 1],
                [0, 1]], shape=(2, 2), dtype=int64)
    """
    return of_node(broadcast(node_of(x), shape_of(shape)))


def broadcast_arrays(*arrays: Any) -> list[Tensor]:
    """Arrays repeated to their common shape.

    Args:
        arrays: arrays whose shapes fit together.

    Example:
        >>> import saltus as sl
        >>> [a.shape for a in sl.broadcast_arrays(sl.zeros((2, 1)), sl.zeros(3))]
        [(2, 3), (2, 3)]
    """
    nodes = [node_of(a) for a in arrays]
    shape = common_shape("broadcast_arrays", [n.shape for n in nodes])
    return [of_node(broadcast(n, shape)) for n in nodes]


def broadcast_shapes(*shapes: Any) -> Shape:
    """The shape that several shapes broadcast to.

    Args:
        shapes: shapes.

    Example:
        >>> import saltus as sl
        >>> sl.broadcast_shapes((2, 1), (3,))
        (2, 3)
    """
    return common_shape("broadcast_shapes", [shape_of(s) for s in shapes])


def permute_dims(x: Any, /, axes: Sequence[int]) -> Tensor:
    """Axes in another order: axis k of the result is axis axes[k] of x.

    Args:
        x: an array.
        axes: every axis once.

    Example:
        >>> import saltus as sl
        >>> sl.permute_dims(sl.zeros((1, 2, 3)), (2, 0, 1)).shape
        (3, 1, 2)
    """
    node = node_of(x)
    order = tuple(one_axis("permute_dims", a, len(node.shape)) for a in axes)
    if sorted(order) != list(range(len(node.shape))):
        raise ShapeError(
            f"permute_dims: {tuple(axes)} is not an order of the {len(node.shape)} axes of shape {node.shape}",
            site=here(),
        )
    return of_node(move.permute(node, order))


def transpose(x: Any, /, axes: Sequence[int] | None = None) -> Tensor:
    """Axes in another order; all reversed when none is given.

    Args:
        x: an array.
        axes: every axis once, or None.

    Example:
        >>> import saltus as sl
        >>> sl.transpose(sl.zeros((2, 3))).shape
        (3, 2)
    """
    tensor = as_tensor(x)
    return permute_dims(tensor, tuple(range(tensor.ndim))[::-1] if axes is None else axes)


def matrix_transpose(x: Any, /) -> Tensor:
    """The last two axes exchanged.

    Args:
        x: shape (..., M, N).

    Example:
        >>> import saltus as sl
        >>> sl.matrix_transpose(sl.zeros((5, 2, 3))).shape
        (5, 3, 2)
    """
    node = node_of(x)
    rank = len(node.shape)
    if rank < 2:
        raise ShapeError(f"matrix_transpose needs matrices, got shape {node.shape}", site=here())
    return of_node(move.permute(node, (*range(rank - 2), rank - 1, rank - 2)))


def swapaxes(x: Any, axis1: int, axis2: int, /) -> Tensor:
    """Two axes exchanged.

    Args:
        x: an array.
        axis1, axis2: the axes.

    Example:
        >>> import saltus as sl
        >>> sl.swapaxes(sl.zeros((2, 3, 4)), 0, 2).shape
        (4, 3, 2)
    """
    node = node_of(x)
    a, b = (one_axis("swapaxes", i, len(node.shape)) for i in (axis1, axis2))
    order = list(range(len(node.shape)))
    order[a], order[b] = b, a
    return of_node(move.permute(node, tuple(order)))


def moveaxis(x: Any, source: Any, destination: Any, /) -> Tensor:
    """Axes moved to other places; the others keep their order.

    Args:
        x: an array.
        source: axis or axes to move.
        destination: where each goes.

    Example:
        >>> import saltus as sl
        >>> sl.moveaxis(sl.zeros((2, 3, 4)), 0, -1).shape
        (3, 4, 2)
    """
    node = node_of(x)
    rank = len(node.shape)
    start = [one_axis("moveaxis", a, rank) for a in ((source,) if isinstance(source, int) else source)]
    end = [one_axis("moveaxis", a, rank) for a in ((destination,) if isinstance(destination, int) else destination)]
    if len(start) != len(end) or len(set(start)) != len(start) or len(set(end)) != len(end):
        raise ShapeError(f"moveaxis: {source} and {destination} do not pair up", site=here())
    order = [a for a in range(rank) if a not in start]
    for place, axis in sorted(zip(end, start, strict=True)):
        order.insert(place, axis)
    return of_node(move.permute(node, tuple(order)))


def expand_dims(x: Any, /, axis: int | Sequence[int] = 0) -> Tensor:
    """New axes of length 1.

    Args:
        x: an array.
        axis: where the new axes stand in the result.

    Raises:
        AxisError: no such place.

    Example:
        >>> import saltus as sl
        >>> sl.expand_dims(sl.zeros(3), axis=-1).shape
        (3, 1)
    """
    node = node_of(x)
    given = (axis,) if isinstance(axis, int) else tuple(axis)
    rank = len(node.shape) + len(given)
    places = axes_of("expand_dims", given, rank)
    lengths = iter(node.shape)
    return of_node(move.reshape(node, tuple(1 if i in places else next(lengths) for i in range(rank))))


def squeeze(x: Any, /, axis: int | Sequence[int]) -> Tensor:
    """Without axes of length 1.

    Args:
        x: an array.
        axis: axis or axes to drop.

    Raises:
        ShapeError: an axis is longer than 1.

    Example:
        >>> import saltus as sl
        >>> sl.squeeze(sl.zeros((1, 3)), 0).shape
        (3,)
    """
    node = node_of(x)
    places = axes_of("squeeze", axis, len(node.shape))
    for i in places:
        if node.shape[i] != 1:
            raise ShapeError(f"squeeze: axis {i} of shape {node.shape} has length {node.shape[i]}, not 1", site=here())
    return of_node(move.reshape(node, tuple(d for i, d in enumerate(node.shape) if i not in places)))


def flatten(x: Any, /) -> Tensor:
    """All elements in one axis, row by row.

    Args:
        x: an array.

    Example:
        >>> import saltus as sl
        >>> sl.flatten(sl.zeros((2, 3))).shape
        (6,)
    """
    return reshape(x, -1) if as_tensor(x).size else reshape(x, 0)


def flip(x: Any, /, *, axis: int | Sequence[int] | None = None) -> Tensor:
    """Elements in reverse order along axes.

    Args:
        x: an array.
        axis: axis or axes; None means all.

    Example:
        >>> import saltus as sl
        >>> sl.flip(sl.arange(3))
        Tensor([2, 1, 0], shape=(3,), dtype=int64)
    """
    node = node_of(x)
    return of_node(move.flip(node, axes_of("flip", axis, len(node.shape))))


def roll(x: Any, /, shift: int | Sequence[int], *, axis: int | Sequence[int] | None = None) -> Tensor:
    """Elements moved round along axes; what leaves at one end enters at the other.

    Args:
        x: an array.
        shift: places to move by, one for all axes or one an axis.
        axis: axis or axes; None rolls the elements in row-major order.

    Example:
        >>> import saltus as sl
        >>> sl.roll(sl.arange(4), 1)
        Tensor([3, 0, 1, 2], shape=(4,), dtype=int64)
    """
    node = node_of(x)
    if axis is None:
        flat = move.reshape(node, (node.size,))
        return of_node(move.reshape(move.roll(flat, int(shift), 0), node.shape))  # type: ignore[arg-type]
    axes = [axis] if isinstance(axis, int) else list(axis)
    shifts = [shift] * len(axes) if isinstance(shift, int) else list(shift)
    if len(axes) != len(shifts):
        raise ArgumentError(f"roll: {len(shifts)} shifts for {len(axes)} axes", site=here())
    for a, by in zip(axes, shifts, strict=True):
        node = move.roll(node, int(by), one_axis("roll", a, len(node.shape)))
    return of_node(node)


def _span(node: Node, axis: int, start: int, stop: int) -> Node:
    """Elements start to stop of one axis."""
    return move.slice_(
        node,
        tuple(start if i == axis else 0 for i in range(len(node.shape))),
        tuple(stop if i == axis else d for i, d in enumerate(node.shape)),
    )


def concat(arrays: Sequence[Any], /, *, axis: int | None = 0) -> Tensor:
    """Arrays one after another along an axis.

    Args:
        arrays: arrays of equal shape but for the axis; they promote to one type.
        axis: the axis; None joins them flattened.

    Example:
        >>> import saltus as sl
        >>> sl.concat([sl.zeros(1), sl.ones(2)])
        Tensor([0., 1., 1.], shape=(3,), dtype=float32)
    """
    if not arrays:
        raise ArgumentError("concat needs at least one array", site=here())
    nodes = same_type(arrays)
    if axis is None:
        return of_node(move.concat([move.reshape(n, (n.size,)) for n in nodes], 0))
    return of_node(move.concat(nodes, one_axis("concat", axis, len(nodes[0].shape))))


def same_type(arrays: Sequence[Any]) -> list[Node]:
    """Nodes promoted to one type, their shapes untouched."""
    tensors = [as_tensor(a) for a in arrays]
    wanted = tensors[0].dtype
    for t in tensors[1:]:
        wanted = dt.promote(wanted, t.dtype)
    return [convert(t.node, wanted) for t in tensors]


def stack(arrays: Sequence[Any], /, *, axis: int = 0) -> Tensor:
    """Arrays of one shape along a new axis.

    Args:
        arrays: arrays; they promote to one type.
        axis: where the new axis stands in the result.

    Example:
        >>> import saltus as sl
        >>> sl.stack([sl.zeros(2), sl.ones(2)])
        Tensor([[0., 0.],
                [1., 1.]], shape=(2, 2), dtype=float32)
    """
    if not arrays:
        raise ArgumentError("stack needs at least one array", site=here())
    nodes = same_type(arrays)
    shapes = {n.shape for n in nodes}
    if len(shapes) != 1:
        raise ShapeError(f"stack needs equal shapes, got {', '.join(str(n.shape) for n in nodes)}", site=here())
    place = one_axis("stack", axis, len(nodes[0].shape) + 1)
    wide = [move.reshape(n, (*n.shape[:place], 1, *n.shape[place:])) for n in nodes]
    return of_node(move.concat(wide, place))


def unstack(x: Any, /, *, axis: int = 0) -> tuple[Tensor, ...]:
    """The slices along an axis, one by one.

    Args:
        x: an array with at least one axis.
        axis: the axis to cut.

    Example:
        >>> import saltus as sl
        >>> [int(t) for t in sl.unstack(sl.arange(3))]
        [0, 1, 2]
    """
    node = node_of(x)
    if not node.shape:
        raise ShapeError("unstack: a Tensor of shape () has no axis to cut", site=here())
    place = one_axis("unstack", axis, len(node.shape))
    rest = (*node.shape[:place], *node.shape[place + 1 :])
    return tuple(of_node(move.reshape(_span(node, place, i, i + 1), rest)) for i in range(node.shape[place]))


def split(x: Any, /, sections: int | Sequence[int], *, axis: int = 0) -> tuple[Tensor, ...]:
    """x cut along an axis.

    Args:
        x: an array.
        sections: number of equal parts, or the positions of the cuts.
        axis: the axis to cut.

    Example:
        >>> import saltus as sl
        >>> [p.shape for p in sl.split(sl.zeros(6), 3)]
        [(2,), (2,), (2,)]
    """
    node = node_of(x)
    place = one_axis("split", axis, len(node.shape))
    n = node.shape[place]
    if isinstance(sections, int):
        if sections < 1 or n % sections:
            raise ShapeError(f"split: axis {place} of shape {node.shape} is not {sections} equal parts", site=here())
        cuts = list(range(0, n + 1, n // sections)) if n else [0] * (sections + 1)
    else:
        cuts = [0, *sections, n]
    return tuple(of_node(_span(node, place, a, b)) for a, b in itertools.pairwise(cuts))


def tile(x: Any, repetitions: Sequence[int], /) -> Tensor:
    """x repeated whole, a number of times along each axis.

    Args:
        x: an array.
        repetitions: one number an axis, counted from the last.

    Example:
        >>> import saltus as sl
        >>> sl.tile(sl.arange(2), (2,))
        Tensor([0, 1, 0, 1], shape=(4,), dtype=int64)
    """
    node = node_of(x)
    rank = max(len(node.shape), len(repetitions))
    shape = (1,) * (rank - len(node.shape)) + node.shape
    times = (1,) * (rank - len(repetitions)) + tuple(repetitions)
    single = move.reshape(node, tuple(v for d in shape for v in (1, d)))
    wide = broadcast(single, tuple(v for d, t in zip(shape, times, strict=True) for v in (t, d)))
    return of_node(move.reshape(wide, tuple(d * t for d, t in zip(shape, times, strict=True))))


def repeat(x: Any, repeats: Any, /, *, axis: int | None = None) -> Tensor:
    """Each element several times in a row.

    Args:
        x: an array.
        repeats: how often: one number, or one for each element of the axis (then it has to be known).
        axis: the axis; None repeats the elements of the flattened array.

    Example:
        >>> import saltus as sl
        >>> sl.repeat(sl.asarray([1, 2]), 2).tolist()
        [1, 1, 2, 2]
    """
    node = node_of(x)
    if axis is None:
        node, axis = move.reshape(node, (node.size,)), 0
    place = one_axis("repeat", axis, len(node.shape))
    n = node.shape[place]
    times = np.asarray(repeats)
    if times.dtype.kind not in "iu" or times.size not in (1, n) or (times.size and times.min() < 0):
        raise ArgumentError(
            f"repeat: repeats must be one number, or {n} of them, not negative; got {times.tolist()}",
            site=here(),
        )
    if times.size == 1:
        wide = (*node.shape[: place + 1], int(times.reshape(())), *node.shape[place + 1 :])
        spread = broadcast(move.reshape(node, (*node.shape[: place + 1], 1, *node.shape[place + 1 :])), wide)
        return of_node(move.reshape(spread, (*node.shape[:place], n * wide[place + 1], *node.shape[place + 1 :])))
    index = of_array(np.repeat(np.arange(n), times), dt.int64)
    return of_node(OPS["take"](node, index.node, axis=place))


def pad(x: Any, width: Any, /, *, value: float = 0) -> Tensor:
    """x with a border of a constant.

    Args:
        x: an array.
        width: elements before and after: one number, a pair, or a pair an axis.
        value: the constant.

    Example:
        >>> import saltus as sl
        >>> sl.pad(sl.ones(2), (1, 0))
        Tensor([0., 1., 1.], shape=(3,), dtype=float32)
    """
    node = node_of(x)
    if isinstance(width, int):
        width = (width, width)
    if len(width) == 2 and all(isinstance(w, int) for w in width):
        width = [tuple(width)] * len(node.shape)
    if len(width) != len(node.shape):
        raise ShapeError(f"pad: {len(width)} widths for the {len(node.shape)} axes of shape {node.shape}", site=here())
    return of_node(move.pad(node, tuple(w[0] for w in width), tuple(w[1] for w in width), value=value))


__all__ = [
    "astype", "broadcast_arrays", "broadcast_shapes", "broadcast_to", "common", "concat", "expand_dims", "flatten", "flip",
    "matrix_transpose", "moveaxis", "pad", "permute_dims", "reshape", "roll", "same_type", "split", "squeeze", "stack", "swapaxes",
    "tile", "transpose", "unstack",
]  # fmt: skip
