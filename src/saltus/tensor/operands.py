"""From what a user passes to nodes that fit each other: conversion, promotion, broadcasting."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from saltus.base import dtypes as dt
from saltus.base.dtypes import DType
from saltus.base.errors import ArgumentError, AxisError, DTypeError, ShapeError
from saltus.ir.node import Node, broadcast, scalar
from saltus.ir.spec import Shape
from saltus.ops.arithmetic import convert
from saltus.ops.movement import reshape
from saltus.tensor.tensor import Tensor, of_array, to_array
from saltus.tensor.tracing import here

NUMBERS = (bool, int, float, complex)


def as_tensor(value: Any) -> Tensor:
    """A Tensor of anything a function takes; a Python number gets its default type."""
    if isinstance(value, Tensor):
        return strong(value) if value._weak else value
    return of_array(*to_array(value))


def is_number(value: Any) -> bool:
    """Whether a leaf of a tree stands for numbers: a Tensor, an array or a Python number."""
    return isinstance(value, (Tensor, np.ndarray, np.generic, int, float, complex)) and not isinstance(value, bool)


def strong(value: Tensor) -> Tensor:
    """A number seen by sl.jit, with the default type of its kind."""
    made = Tensor.__new__(Tensor)
    kind = value._dtype.kind
    wanted = dt.float32 if kind == "f" else dt.complex64 if kind == "c" else value._dtype
    made._node, made._array, made._dtype = convert(value.node, wanted), None, wanted
    made._weak, made._form = False, None
    return made


def node_of(value: Any) -> Node:
    """The node of one operand."""
    return as_tensor(value).node


def meet(dtype: DType, kind: str, value: object, name: str) -> DType:
    """The type in which an array of `dtype` meets a Python number of a kind ("b", "i", "f" or "c")."""
    own = dtype.kind
    if kind == "b" or own == "b":
        if kind == own:
            return dtype
        raise DTypeError(
            f"{name}: cannot combine {dtype.name} with the Python {type(value).__name__} {value!r}", site=here(),
            fix="convert first: x.astype(...) (bool does not mix with numbers)",
        )  # fmt: skip
    if kind == "i":
        if own in "iu" and isinstance(value, int):
            info = np.iinfo(dtype.numpy)
            if not info.min <= value <= info.max:
                raise ArgumentError(f"{name}: {value} does not fit {dtype.name}", site=here())
        return dtype
    if kind == "f":
        return dtype if own in "fc" else dt.float32
    if own == "c":
        return dtype
    return dt.complex128 if dtype is dt.float64 else dt.complex64


def number_kind(value: Any) -> str:
    if isinstance(value, bool):
        return "b"
    return "i" if isinstance(value, int) else "f" if isinstance(value, float) else "c"


def common(name: str, values: Sequence[Any]) -> tuple[list[Node], bool]:
    """Nodes of one type and one shape for the operands of an elementwise function, and whether all of them were numbers.

    Raises:
        DTypeError, ShapeError: they do not fit together.
    """
    nodes: list[Node | None] = []
    dtype: DType | None = None
    weak: list[tuple[str, Any]] = []
    for value in values:
        if isinstance(value, NUMBERS):
            nodes.append(None)
            weak.append((number_kind(value), value))
            continue
        tensor = value if isinstance(value, Tensor) else as_tensor(value)
        nodes.append(tensor.node)
        if tensor._weak:
            weak.append((tensor._dtype.kind, tensor))
        elif dtype is None:
            dtype = tensor._dtype
        elif dtype is not tensor._dtype:
            dtype = _promote(name, dtype, tensor._dtype)
    all_weak = dtype is None
    if dtype is None:
        dtype = _weak_type([k for k, _ in weak], all(n is None for n in nodes))
    else:
        for kind, value in weak:
            dtype = meet(dtype, kind, value, name)
    shape = common_shape(name, [n.shape for n in nodes if n is not None])
    out = []
    for node, value in zip(nodes, values, strict=True):
        made = scalar(value, dtype) if node is None else convert(node, dtype)
        out.append(broadcast(made, shape))
    return out, all_weak


def _weak_type(kinds: list[str], plain: bool) -> DType:
    """Numbers only: as Python computes them (in full precision while captured), or the defaults when no capture is involved."""
    kind = "c" if "c" in kinds else "f" if "f" in kinds else "i" if "i" in kinds else "b"
    wide = {"c": dt.complex128, "f": dt.float64, "i": dt.int64, "b": dt.bool_}
    default = {"c": dt.complex64, "f": dt.float32, "i": dt.int64, "b": dt.bool_}
    return (default if plain else wide)[kind]


def _promote(name: str, a: DType, b: DType) -> DType:
    try:
        return dt.promote(a, b)
    except DTypeError as error:
        raise DTypeError(f"{name}: {error.what}", site=here(), fix=error.fix) from None


def common_shape(name: str, shapes: Sequence[Shape]) -> Shape:
    """The shape all broadcast to.

    Raises:
        ShapeError: two of them do not fit.
    """
    result: Shape = ()
    for shape in shapes:
        if shape == result:
            continue
        if not result:
            result = shape
            continue
        lead = len(result) - len(shape)
        long, short = (result, shape) if lead >= 0 else (shape, result)
        lead = abs(lead)
        made = list(long)
        for i, d in enumerate(short, lead):
            if made[i] == d or d == 1:
                continue
            if made[i] != 1:
                raise ShapeError(
                    f"{name}: shapes {' and '.join(str(s) for s in shapes)} do not fit together",
                    site=here(),
                    fix="lengths must be equal or 1, counted from the last axis; insert axes with x[:, None]",
                )
            made[i] = d
        result = tuple(made)
    return result


def axes_of(name: str, axis: int | Sequence[int] | None, rank: int) -> tuple[int, ...]:
    """Axes as whole numbers from 0, sorted; None means all.

    Raises:
        ShapeError: an axis does not exist or is named twice.
    """
    if axis is None:
        return tuple(range(rank))
    given = (axis,) if isinstance(axis, int) else tuple(axis)
    found = tuple(one_axis(name, a, rank) for a in given)
    if len(set(found)) != len(found):
        raise ShapeError(f"{name}: an axis is named twice in {given}", site=here())
    return tuple(sorted(found))


def one_axis(name: str, axis: int, rank: int) -> int:
    """One axis counted from 0; negative ones count from the end."""
    number = axis.__index__()
    if not -rank <= number < rank:
        raise AxisError(
            f"{name}: axis {axis} does not exist; there are {rank} axes", site=here(),
            fix=f"use {-rank} to {rank - 1}" if rank else "a scalar has no axes",
        )  # fmt: skip
    return number % rank


def drop(node: Node, axes: Sequence[int], keepdims: bool) -> Node:
    """A reduced node without its axes of length 1, unless they are kept."""
    if keepdims or not axes:
        return node
    return reshape(node, tuple(d for i, d in enumerate(node.shape) if i not in axes))
