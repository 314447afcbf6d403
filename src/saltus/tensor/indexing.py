"""`x[key]`, `x[key] = value` and the functions that pick by index.

Whole numbers, slices, `...` and None cut a box out of x. Integer arrays pick; several broadcast against each other, and their axes stand
where the first of them stood, or first when something lies between them (NumPy's rules). A bool mask has to be known: its result's shape
depends on its values. An index array that is known is checked; inside a capture an index outside its axis is moved to the nearest end.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from saltus.base import dtypes as dt
from saltus.base.errors import DTypeError, IndexingError, ShapeError
from saltus.ir.node import Node, broadcast, full, scalar, topological
from saltus.ir.spec import OPS, Shape
from saltus.ops import gather
from saltus.ops import movement as move
from saltus.ops.arithmetic import convert
from saltus.tensor.operands import NUMBERS, as_tensor, common_shape, number_kind, one_axis
from saltus.tensor.storage import storage
from saltus.tensor.tensor import Tensor, of_array, of_node
from saltus.tensor.tracing import here


def known(node: Node) -> bool:
    """Whether the value of a node can be computed now."""
    return all(n.op.name != "input" or n in storage for n in topological([node], stop=storage.__contains__))


@dataclass(frozen=True)
class _Plan:
    """An index in steps: a box of x, axes to flip, the shape with the new axes, and arrays that pick on some of them."""

    start: Shape
    stop: Shape
    step: Shape
    flips: tuple[int, ...]
    shape: Shape  # after single elements are dropped and new axes are in
    arrays: tuple[tuple[int, Node], ...]  # (axis of that shape, index)
    first: bool  # the picked axes come first in the result


def _fail(text: str, fix: str | None = None) -> IndexingError:
    return IndexingError(text, site=here(), fix=fix)


def _expand(key: Any, rank: int) -> list[Any]:
    """The key as a list with masks turned into positions and `...` written out."""
    entries = list(key) if isinstance(key, tuple) else [key]
    spelled: list[Any] = []
    for entry in entries:
        if isinstance(entry, (list, np.ndarray, np.generic)) and not isinstance(entry, (int, bool)):
            entry = of_array(np.zeros(0, np.int64), dt.int64) if isinstance(entry, list) and not entry else as_tensor(entry)
        if isinstance(entry, bool):
            entry = as_tensor(entry)
        spelled.append(entry)
    used = sum(e.ndim if _is_mask(e) else 0 if e is None or e is Ellipsis else 1 for e in spelled)
    dots = sum(e is Ellipsis for e in spelled)
    if dots > 1:
        raise _fail("an index may hold one '...' only")
    if used > rank:
        raise _fail(f"{used} indices for an array with {rank} axes")
    rest = [slice(None)] * (rank - used)
    if dots:
        at = next(i for i, e in enumerate(spelled) if e is Ellipsis)
        return [*spelled[:at], *rest, *spelled[at + 1 :]]
    return spelled + rest


def _is_mask(entry: Any) -> bool:
    return isinstance(entry, Tensor) and entry.dtype is dt.bool_


def _single(entry: Any, axis: int, shape: Shape) -> int:
    """A position counted from 0."""
    n, i = shape[axis], entry.__index__()
    if not -n <= i < n:
        raise _fail(
            f"index {i} lies outside axis {axis} of length {n} (shape {shape})",
            f"use {-n} to {n - 1}" if n else "the axis is empty",
        )
    return i % n


def _checked(index: Tensor, axis: int, shape: Shape) -> Node:
    """An index array counted from 0; known ones are refused when they reach outside."""
    if not index.dtype.is_integer:
        raise DTypeError(
            f"an index must be whole numbers or bools, got {index.dtype.name}", site=here(),
            fix="convert it: index.astype('int64')",
        )  # fmt: skip
    n = shape[axis]
    if index._array is not None or known(index.node):
        values = index.numpy()
        if values.size:
            low, high = int(values.min()), int(values.max())
            if low < -n or high >= n:
                wrong = low if low < -n else high
                raise _fail(
                    f"index {wrong} lies outside axis {axis} of length {n} (shape {shape})",
                    f"use {-n} to {n - 1}",
                )
            if low >= 0:
                return convert(index.node, dt.int64)
        return of_array(np.where(values < 0, values.astype(np.int64) + n, values.astype(np.int64)), dt.int64).node
    node = convert(index.node, dt.int64)
    if index.dtype.kind == "u":
        return node
    return OPS["where"](OPS["less"](node, full(node.shape, 0, dt.int64)), node + n, node)


def _plan(key: Any, shape: Shape) -> _Plan:
    entries = _expand(key, len(shape))
    start, stop, step, flips = [0] * len(shape), list(shape), [1] * len(shape), []
    new: list[int] = []
    arrays: list[tuple[int, Node]] = []
    picked: list[int] = []  # places, in the key, of entries that pick
    has_array = any(isinstance(e, Tensor) and (e.ndim > 0 or _is_mask(e)) for e in entries)
    axis = 0
    for place, entry in enumerate(entries):
        if entry is None:
            new.append(1)
        elif isinstance(entry, slice):
            parts = [None if p is None else p.__index__() for p in (entry.start, entry.stop, entry.step)]
            if parts[2] == 0:
                raise _fail(f"a slice of axis {axis} has step 0")
            i, j, k = slice(*parts).indices(shape[axis])
            count = len(range(i, j, k))
            if k < 0:
                i, k = i + (count - 1) * k if count else 0, -k
                flips.append(axis)
            start[axis], stop[axis], step[axis] = (i, i + (count - 1) * k + 1, k) if count else (0, 0, 1)
            new.append(count)
            axis += 1
        elif _is_mask(entry):
            if not entry.ndim:  # one bool picks all or nothing along a new axis
                arrays.append((len(new), of_array(np.zeros(int(bool(entry)), np.int64), dt.int64).node))
                new.append(1)
            for offset, positions in enumerate(_positions(entry, axis, shape)):
                arrays.append((len(new), positions))
                new.append(shape[axis + offset])
            picked.append(place)
            axis += entry.ndim
        elif (isinstance(entry, Tensor) and has_array) or (isinstance(entry, Tensor) and not known(entry.node)):
            arrays.append((len(new), _checked(entry, axis, shape)))
            picked.append(place)
            new.append(shape[axis])
            axis += 1
        elif hasattr(entry, "__index__"):
            i = _single(entry, axis, shape)
            if has_array:  # beside arrays a single number picks like an array of shape ()
                arrays.append((len(new), scalar(i, dt.int64)))
                picked.append(place)
                new.append(shape[axis])
            else:
                start[axis], stop[axis] = i, i + 1
            axis += 1
        else:
            raise _fail(
                f"{type(entry).__name__} {entry!r} is not an index",
                "use whole numbers, slices, ..., None, bool masks or integer arrays",
            )
    first = bool(picked) and picked[-1] - picked[0] + 1 != len(picked)
    return _Plan(tuple(start), tuple(stop), tuple(step), tuple(flips), tuple(new), tuple(arrays), first)


def _positions(mask: Tensor, axis: int, shape: Shape) -> list[Node]:
    """Where a mask is True, as one index array for each of its axes."""
    if not mask.ndim:
        return []
    covered = shape[axis : axis + mask.ndim]
    if len(covered) < mask.ndim or any(k not in (n, 0) for n, k in zip(covered, mask.shape, strict=True)):
        raise _fail(f"a mask of shape {mask.shape} does not fit axes {axis} to {axis + mask.ndim - 1} of shape {shape}")
    return [of_array(np.ascontiguousarray(p), dt.int64).node for p in np.nonzero(mask.numpy())]


def getitem(x: Tensor, key: Any) -> Tensor:
    """x[key]."""
    plan = _plan(key, x.shape)
    box = move.flip(move.slice_(x.node, plan.start, plan.stop, plan.step), plan.flips)
    node = move.reshape(box, plan.shape)
    if not plan.arrays:
        return of_node(node)
    front, merged, others, position = _merge(node, plan)
    taken = move.reshape(OPS["take"](front, merged, axis=0), (*position.shape, *others))
    return of_node(_place(taken, position, plan))


def _merge(node: Node, plan: _Plan) -> tuple[Node, Node, Shape, Node]:
    """The picked axes in front and in one; the position in it, flat; the lengths of the other axes; the position in its own shape."""
    axes = [a for a, _ in plan.arrays]
    shape = common_shape("index", [i.shape for _, i in plan.arrays])
    position: Node = full(shape, 0, dt.int64)
    for axis, index in plan.arrays:
        position = position * node.shape[axis] + broadcast(index, shape)
    rest = [a for a in range(len(node.shape)) if a not in axes]
    turned = move.permute(node, (*axes, *rest))
    others = tuple(node.shape[a] for a in rest)
    front = move.reshape(turned, (math.prod(node.shape[a] for a in axes), *others))
    return front, move.reshape(position, (position.size,)), others, position


def _place(taken: Node, position: Node, plan: _Plan) -> Node:
    """Picked axes from the front to where they belong."""
    if plan.first:
        return taken
    before = plan.arrays[0][0]
    width = len(position.shape)
    order = (*range(width, width + before), *range(width), *range(width + before, len(taken.shape)))
    return move.permute(taken, order)


_WIDTH = {"b": 0, "i": 1, "u": 1, "f": 2, "c": 3}
_WORDS = {"i": "integers", "u": "integers", "f": "real numbers", "c": "complex numbers"}


def setitem(x: Tensor, key: Any, value: Any) -> None:
    """x[key] = value: this Tensor becomes a new array; the value takes the type of x. Of repeated positions the last one wins."""
    own = x.node
    if isinstance(value, NUMBERS):
        kind, node = number_kind(value), None
    else:
        kind, node = as_tensor(value).dtype.kind, as_tensor(value).node
    if _WIDTH[kind] > _WIDTH[x.dtype.kind]:
        raise DTypeError(
            f"{_WORDS[kind]} would be cut to fit an array of {x.dtype.name}", site=here(),
            fix=f"convert them: value.astype('{x.dtype.name}')",
        )  # fmt: skip
    plan = _plan(key, own.shape)
    node = scalar(value, x.dtype) if node is None else convert(node, x.dtype)
    made = _set_picked(own, plan, node) if plan.arrays else _set_box(own, plan, node)
    replaced = of_node(made)
    x._node, x._array, x._form = replaced._node, replaced._array, None


def _fit(value: Node, shape: Shape) -> Node:
    while len(value.shape) > len(shape) and value.shape[0] == 1:
        value = move.reshape(value, value.shape[1:])
    try:
        return broadcast(value, shape)
    except ShapeError:
        raise ShapeError(f"a value of shape {value.shape} does not fit the {shape} elements it is assigned to", site=here()) from None


def _set_box(own: Node, plan: _Plan, value: Node) -> Node:
    box = tuple(max(0, -(-(j - i) // k)) for i, j, k in zip(plan.start, plan.stop, plan.step, strict=True))
    # the shape a user sees lacks the axes of single elements and has new ones: all of length 1, so the elements are the same
    return _into_box(own, plan, move.reshape(_fit(value, plan.shape), box))


def _into_box(own: Node, plan: _Plan, box: Node) -> Node:
    """own with its box replaced."""
    turned = move.flip(box, plan.flips)
    if turned.shape == own.shape:
        return turned
    if not turned.size:
        return own
    interior = tuple(k - 1 for k in plan.step)
    high = tuple(n - (i + (d - 1) * k + 1) for n, i, d, k in zip(own.shape, plan.start, turned.shape, plan.step, strict=True))
    inside = move.pad(full(turned.shape, True, dt.bool_), plan.start, high, interior, value=False)
    return OPS["where"](inside, move.pad(turned, plan.start, high, interior), own)


def _set_picked(own: Node, plan: _Plan, value: Node) -> Node:
    box = move.flip(move.slice_(own, plan.start, plan.stop, plan.step), plan.flips)
    node = move.reshape(box, plan.shape)
    front, merged, others, position = _merge(node, plan)
    width, before = len(position.shape), plan.arrays[0][0]
    if plan.first:
        wide = _fit(value, (*position.shape, *others))
    else:
        shown = _fit(value, (*others[:before], *position.shape, *others[before:]))
        order = (*range(before, before + width), *range(before), *range(before + width, len(shown.shape)))
        wide = move.permute(shown, order)
    rows = move.reshape(wide, (merged.size, *others))
    made = _replace_rows(front, merged, rows)
    axes = [a for a, _ in plan.arrays]
    order = (*axes, *[a for a in range(len(node.shape)) if a not in axes])
    back = move.permute(move.reshape(made, tuple(node.shape[a] for a in order)), move.inverse(order))
    return _into_box(own, plan, move.reshape(back, box.shape))


def _replace_rows(base: Node, index: Node, rows: Node) -> Node:
    """base with base[index[i]] = rows[i], the last of equal positions winning."""
    if not index.size or not base.size:
        return base
    last = of_array(_last(of_node(index).numpy()), dt.bool_).node if known(index) else _last_traced(index)
    shape = (index.size, *[1] * (len(rows.shape) - 1))
    kept = broadcast(move.reshape(last, shape), rows.shape)
    numeric = rows if rows.dtype is not dt.bool_ else convert(rows, dt.uint8)
    rows = OPS["where"](kept, numeric, full(rows.shape, 0, numeric.dtype))
    zero = full(base.shape, 0, numeric.dtype)
    hits = OPS["scatter_add"](full((base.shape[0],), 0, dt.int32), index, full((index.size,), 1, dt.int32), axis=0)
    hit = OPS["greater"](hits, full(hits.shape, 0, dt.int32))
    hit = broadcast(move.reshape(hit, (base.shape[0], *[1] * (len(base.shape) - 1))), base.shape)
    return OPS["where"](hit, convert(OPS["scatter_add"](zero, index, rows, axis=0), base.dtype), base)


def _last(index: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Which entries are the last of their value."""
    _, from_end = np.unique(index[::-1], return_index=True)
    last = np.zeros(index.size, np.bool_)
    last[index.size - 1 - from_end] = True
    return last


def _last_traced(index: Node) -> Node:
    """The same in the graph: in a stable order by value, an entry is the last where the next one differs."""
    n = index.size
    order = OPS["argsort"](index, axis=0, descending=False)
    ordered = OPS["take"](index, order, axis=0)
    differs = OPS["not_equal"](move.slice_(ordered, (0,), (n - 1,)), move.slice_(ordered, (1,), (n,)))
    ends = convert(move.pad(differs, (0,), (1,), value=True), dt.int32)
    return OPS["greater"](OPS["scatter_add"](full((n,), 0, dt.int32), order, ends, axis=0), full((n,), 0, dt.int32))


def take(x: Any, indices: Any, /, *, axis: int | None = None) -> Tensor:
    """Slices of x at positions along an axis.

    Args:
        x: an array.
        indices: whole numbers of any shape; negative ones count from the end.
        axis: the axis; may be left out for a vector.

    Returns:
        A Tensor in which the axis is replaced by the axes of `indices`.

    Raises:
        IndexingError: a position lies outside the axis.

    Example:
        >>> import saltus as sl
        >>> sl.take(sl.asarray([10.0, 20.0, 30.0]), sl.asarray([2, 0]))
        Tensor([30., 10.], shape=(2,), dtype=float32)
    """
    tensor = as_tensor(x)
    if axis is None:
        if tensor.ndim != 1:
            raise ShapeError(f"take needs an axis for shape {tensor.shape}", site=here())
        axis = 0
    place = one_axis("take", axis, tensor.ndim)
    index = _checked(as_tensor(indices), place, tensor.shape)
    return of_node(OPS["take"](tensor.node, index, axis=place))


def take_along_axis(x: Any, indices: Any, /, *, axis: int = -1) -> Tensor:
    """One element of x for each index, along an axis: out[i, j] = x[indices[i, j], j] for axis 0.

    Args:
        x: an array.
        indices: whole numbers; as many axes as x, and lengths that fit those of x but for the axis.
        axis: the axis.

    Example:
        >>> import saltus as sl
        >>> sl.take_along_axis(sl.asarray([[1.0, 2.0], [3.0, 4.0]]), sl.asarray([[1], [0]]), axis=1)
        Tensor([[2.],
                [3.]], shape=(2, 1), dtype=float32)
    """
    tensor, given = as_tensor(x), as_tensor(indices)
    place = one_axis("take_along_axis", axis, tensor.ndim)
    if given.ndim != tensor.ndim:
        raise ShapeError(
            f"take_along_axis: indices of shape {given.shape} need as many axes as x of shape {tensor.shape}",
            site=here(),
        )
    outside = [tuple(1 if i == place else d for i, d in enumerate(s)) for s in (tensor.shape, given.shape)]
    shape = common_shape("take_along_axis", outside)
    source = broadcast(tensor.node, tuple(tensor.shape[i] if i == place else d for i, d in enumerate(shape)))
    index = _checked(given, place, tensor.shape)
    index = broadcast(index, tuple(given.shape[i] if i == place else d for i, d in enumerate(shape)))
    return of_node(gather.take_along_axis(source, index, place))
