"""Products of vectors and matrices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from saltus.base import dtypes as dt
from saltus.base.errors import DTypeError, ShapeError
from saltus.ir.node import Node, broadcast
from saltus.ir.spec import OPS
from saltus.ops import matrix
from saltus.ops import movement as move
from saltus.tensor.manipulation import same_type
from saltus.tensor.operands import common_shape, one_axis
from saltus.tensor.tensor import Tensor, of_node
from saltus.tensor.tracing import here


def _numbers(name: str, x1: Any, x2: Any) -> tuple[Node, Node]:
    a, b = same_type((x1, x2))
    if a.dtype is dt.bool_:
        raise DTypeError(f"{name} takes numbers, got bool", site=here(), fix="convert first: x.astype(...)")
    return a, b


def _matrix(node: Node) -> tuple[Node, bool]:
    """A node without an exchange of its last two axes, and whether there was one: the product can read it either way."""
    rank = len(node.shape)
    if node.op.name == "permute" and node.attr("axes") == (*range(rank - 2), rank - 1, rank - 2):
        return node.src[0], True
    return node, False


def product(a: Node, b: Node) -> Node:
    """Matrix product of nodes with equal leading axes."""
    (a, ta), (b, tb) = _matrix(a), _matrix(b)
    return OPS["matmul"](a, b, ta=ta, tb=tb)


def matmul(x1: Any, x2: Any, /) -> Tensor:
    """Matrix product; leading axes broadcast, a vector counts as one row on the left and one column on the right.

    Args:
        x1: shape (..., M, K) or (K,).
        x2: shape (..., K, N) or (K,).

    Returns:
        Shape (..., M, N), without M or N where the operand was a vector.

    Raises:
        ShapeError: the inner lengths differ.

    Example:
        >>> import saltus as sl
        >>> sl.matmul(sl.asarray([[1.0, 2.0]]), sl.asarray([[3.0], [4.0]]))
        Tensor([[11.]], shape=(1, 1), dtype=float32)
    """
    a, b = _numbers("matmul", x1, x2)
    left, right = a.shape, b.shape
    if not left or not right:
        raise ShapeError(f"matmul takes vectors and matrices, got shapes {left} and {right}", site=here(), fix="use *")
    inner = right[-2] if len(right) > 1 else right[0]
    if left[-1] != inner:
        raise ShapeError(
            f"matmul: the inner lengths differ, {left[-1]} of shape {left} and {inner} of shape {right}", site=here(),
            fix="the last axis of the left operand must be as long as the second last of the right one; x.T or x.mT exchanges axes",
        )  # fmt: skip
    rows = move.reshape(a, (1, *left)) if len(left) == 1 else a
    columns = move.reshape(b, (*right, 1)) if len(right) == 1 else b
    if len(columns.shape) == 2 and len(rows.shape) > 2:  # one matrix for all: the leading axes are rows of one product
        flat = move.reshape(rows, (math.prod(rows.shape[:-1]), rows.shape[-1]))
        made = move.reshape(product(flat, columns), (*rows.shape[:-1], columns.shape[-1]))
    else:
        lead = common_shape("matmul", [rows.shape[:-2], columns.shape[:-2]])
        made = product(_leading(rows, lead), _leading(columns, lead))
    shape = made.shape
    if len(left) == 1:
        shape = (*shape[:-2], shape[-1])
    if len(right) == 1:
        shape = shape[:-1]
    return of_node(move.reshape(made, shape))


def _leading(node: Node, lead: tuple[int, ...]) -> Node:
    return broadcast(node, (*lead, *node.shape[-2:]))


def tensordot(x1: Any, x2: Any, /, *, axes: int | Sequence[Sequence[int]] = 2) -> Tensor:
    """Sum of products over pairs of axes.

    Args:
        x1, x2: numbers.
        axes: how many axes at the end of x1 and the beginning of x2 to sum over, or a pair of lists of axes.

    Returns:
        The remaining axes of x1, then those of x2.

    Example:
        >>> import saltus as sl
        >>> sl.tensordot(sl.ones((2, 3)), sl.ones((3, 4)), axes=1).shape
        (2, 4)
    """
    a, b = _numbers("tensordot", x1, x2)
    if not isinstance(axes, int):
        first = [one_axis("tensordot", i, len(a.shape)) for i in axes[0]]
        second = [one_axis("tensordot", i, len(b.shape)) for i in axes[1]]
        return of_node(matrix.tensordot(a, b, (first, second)))
    return of_node(matrix.tensordot(a, b, axes))


def vecdot(x1: Any, x2: Any, /, *, axis: int = -1) -> Tensor:
    """Dot product of vectors along an axis (the complex conjugate of x1 is taken).

    Args:
        x1, x2: numbers; all axes but this one broadcast.
        axis: a negative axis, from the end.

    Example:
        >>> import saltus as sl
        >>> sl.vecdot(sl.asarray([1.0, 2.0]), sl.asarray([3.0, 4.0]))
        Tensor(11., shape=(), dtype=float32)
    """
    a, b = _numbers("vecdot", x1, x2)
    if axis >= 0 and len(a.shape) == len(b.shape):
        axis -= len(a.shape)
    if not -min(len(a.shape), len(b.shape)) <= axis < 0:
        raise ShapeError(f"vecdot: axis {axis} does not exist in shapes {a.shape} and {b.shape}", site=here())
    if a.shape[axis] != b.shape[axis]:
        raise ShapeError(
            f"vecdot: axis {axis} has length {a.shape[axis]} in shape {a.shape} and {b.shape[axis]} in shape {b.shape}",
            site=here(),
        )
    shape = common_shape("vecdot", [a.shape, b.shape])
    return of_node(matrix.vecdot(broadcast(a, shape), broadcast(b, shape), axis))


def outer(x1: Any, x2: Any, /) -> Tensor:
    """Every product of an element of x1 with one of x2.

    Args:
        x1: shape (M,).
        x2: shape (N,).

    Returns:
        Shape (M, N).

    Example:
        >>> import saltus as sl
        >>> sl.linalg.outer(sl.asarray([1.0, 2.0]), sl.asarray([3.0, 4.0]))
        Tensor([[3., 4.],
                [6., 8.]], shape=(2, 2), dtype=float32)
    """
    a, b = _numbers("outer", x1, x2)
    return of_node(matrix.outer(a, b))
