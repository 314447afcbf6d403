"""Matrices and vectors in terms of primitives: triangles, diagonals, products. Leading axes are a batch."""

from __future__ import annotations

import math
from collections.abc import Sequence

from saltus.base import dtypes as dt
from saltus.base.dtypes import DType
from saltus.base.errors import ArgumentError, ShapeError
from saltus.ir.node import Node, broadcast
from saltus.ir.spec import OPS, Shape
from saltus.ops.arithmetic import conj, convert, where, zeros_like
from saltus.ops.contract import matmul
from saltus.ops.movement import permute, reshape, roll, slice_
from saltus.ops.reduce import sum


def _needs_matrix(a: Node, name: str) -> None:
    if len(a.shape) < 2:
        raise ShapeError(f"{name} takes a matrix or a batch of them, got shape {a.shape}")


def _below(shape: Shape, offset: int) -> Node:
    """Row number plus offset minus column number, of each place of a matrix."""
    row = OPS["iota"](shape=shape, axis=len(shape) - 2, dtype=dt.int64)
    return row + offset - OPS["iota"](shape=shape, axis=len(shape) - 1, dtype=dt.int64)


def eye(rows: int, columns: int, dtype: DType, offset: int = 0) -> Node:
    """1 on a diagonal, 0 elsewhere."""
    distance = _below((rows, columns), offset)
    return convert(OPS["equal"](distance, zeros_like(distance)), dtype)


def tril(a: Node, offset: int = 0) -> Node:
    """The elements on and below a diagonal; 0 above."""
    _needs_matrix(a, "tril")
    distance = _below(a.shape, offset)
    return where(OPS["greater_equal"](distance, zeros_like(distance)), a, zeros_like(a))


def triu(a: Node, offset: int = 0) -> Node:
    """The elements on and above a diagonal; 0 below."""
    _needs_matrix(a, "triu")
    distance = _below(a.shape, offset)
    return where(OPS["less_equal"](distance, zeros_like(distance)), a, zeros_like(a))


def matrix_transpose(a: Node) -> Node:
    """The last two axes exchanged."""
    _needs_matrix(a, "matrix_transpose")
    n = len(a.shape)
    return permute(a, (*range(n - 2), n - 1, n - 2))


def adjoint(a: Node) -> Node:
    """The conjugate transpose."""
    return matrix_transpose(conj(a))


def product(*factors: Node) -> Node:
    """The matrix product of several, from the left."""
    out = factors[0]
    for f in factors[1:]:
        out = matmul(out, f, ta=False, tb=False)
    return out


def diagonal(a: Node, offset: int = 0) -> Node:
    """The elements a[.., i, i + offset]: a strided slice of the flattened matrix."""
    _needs_matrix(a, "diagonal")
    rows, columns = a.shape[-2:]
    count = max(0, min(rows, columns - offset) if offset >= 0 else min(rows + offset, columns))
    flat = reshape(a, (*a.shape[:-2], rows * columns))
    first = offset if offset >= 0 else -offset * columns
    if not count:
        first = 0
    lead = len(flat.shape) - 1
    stop = first + (count - 1) * (columns + 1) + 1 if count else first
    return slice_(flat, (*(0,) * lead, first), (*flat.shape[:lead], stop), (*(1,) * lead, columns + 1))


def diagonal_matrix(a: Node) -> Node:
    """Square matrices with the last axis of `a` on their diagonals."""
    n = a.shape[-1]
    wide = broadcast(reshape(a, (*a.shape, 1)), (*a.shape, n))
    distance = _below(wide.shape, 0)
    return where(OPS["equal"](distance, zeros_like(distance)), wide, zeros_like(wide))


def trace(a: Node, offset: int = 0) -> Node:
    """The sum along a diagonal."""
    return last_sum(diagonal(a, offset))


def last_sum(a: Node) -> Node:
    """The sum over the last axis, which is dropped."""
    return reshape(sum(a, axes=(len(a.shape) - 1,)), a.shape[:-1])


def outer(a: Node, b: Node) -> Node:
    """a_i b_j of two vectors."""
    if len(a.shape) != 1 or len(b.shape) != 1:
        raise ShapeError(f"outer takes two vectors, got shapes {a.shape} and {b.shape}")
    shape = (a.shape[0], b.shape[0])
    return broadcast(reshape(a, (shape[0], 1)), shape) * broadcast(reshape(b, (1, shape[1])), shape)


def cross(a: Node, b: Node, axis: int) -> Node:
    """The vector product of three-dimensional vectors along an axis; the shapes are equal."""
    if a.shape != b.shape or a.shape[axis] != 3:
        raise ShapeError(
            f"cross takes vectors of 3 elements along axis {axis}, got shapes {a.shape} and {b.shape}"
        )
    return roll(a, -1, axis) * roll(b, 1, axis) - roll(a, 1, axis) * roll(b, -1, axis)


def vecdot(a: Node, b: Node, axis: int) -> Node:
    """sum of conj(a) * b along an axis, which is dropped; the shapes are equal."""
    axis %= len(a.shape)
    return reshape(sum(conj(a) * b, axes=(axis,)), tuple(d for k, d in enumerate(a.shape) if k != axis))


def tensordot(a: Node, b: Node, axes: int | tuple[Sequence[int], Sequence[int]]) -> Node:
    """Sum of products over pairs of axes: the last n of `a` with the first n of `b`, or those named."""
    if isinstance(axes, int):
        if not 0 <= axes <= min(len(a.shape), len(b.shape)):
            raise ArgumentError(f"tensordot over {axes} axes of shapes {a.shape} and {b.shape}")
        axes = (range(len(a.shape) - axes, len(a.shape)), range(axes))
    left, right = (tuple(k % len(x.shape) for k in pair) for x, pair in zip((a, b), axes, strict=True))
    lengths = [tuple(x.shape[k] for k in pair) for x, pair in ((a, left), (b, right))]
    if lengths[0] != lengths[1]:
        raise ShapeError(
            f"tensordot: axes {left} of shape {a.shape} have lengths {lengths[0]}, axes {right} of {b.shape} {lengths[1]}"
        )
    outside_a = tuple(k for k in range(len(a.shape)) if k not in left)
    outside_b = tuple(k for k in range(len(b.shape)) if k not in right)
    rows, columns = tuple(a.shape[k] for k in outside_a), tuple(b.shape[k] for k in outside_b)
    inner = math.prod(lengths[0])
    flat_a = reshape(permute(a, outside_a + left), (math.prod(rows), inner))
    flat_b = reshape(permute(b, right + outside_b), (inner, math.prod(columns)))
    return reshape(product(flat_a, flat_b), rows + columns)
