"""`saltus.linalg`: factorisations, solvers, norms (array API linalg extension). Leading axes are a batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from saltus.base import dtypes as dt
from saltus.base.errors import ArgumentError, DTypeError, ShapeError
from saltus.ir.node import Node, broadcast, full, parts
from saltus.ir.spec import OPS
from saltus.ops import linalg as records
from saltus.ops import matrix
from saltus.ops import movement as move
from saltus.ops.arithmetic import convert
from saltus.tensor.manipulation import matrix_transpose, same_type
from saltus.tensor.operands import axes_of, common_shape, drop, node_of
from saltus.tensor.products import matmul, outer, tensordot, vecdot
from saltus.tensor.reduction import summed
from saltus.tensor.tensor import Tensor, of_node
from saltus.tensor.tracing import here


def _inexact(name: str, x: Any) -> Node:
    node = node_of(x)
    if not node.dtype.is_inexact:
        raise DTypeError(f"{name} takes floats, got {node.dtype.name}", site=here(), fix="x.astype('float32')")
    return node


class EighResult(NamedTuple):
    """Eigenvalues in ascending order, and eigenvectors as columns."""

    eigenvalues: Tensor
    eigenvectors: Tensor


class QRResult(NamedTuple):
    """Orthonormal Q and upper triangular R."""

    Q: Tensor
    R: Tensor


class SlogdetResult(NamedTuple):
    """Sign of the determinant, and the logarithm of its magnitude."""

    sign: Tensor
    logabsdet: Tensor


class SVDResult(NamedTuple):
    """U, singular values in descending order, and V^H."""

    U: Tensor
    S: Tensor
    Vh: Tensor


def cholesky(x: Any, /, *, upper: bool = False) -> Tensor:
    """The triangular factor of positive definite matrices: x = L L^H, or x = U^H U.

    Args:
        x: shape (..., M, M), hermitian.
        upper: return U.

    Raises:
        ArgumentError: a matrix is not positive definite.

    Example:
        >>> import saltus as sl
        >>> sl.linalg.cholesky(sl.asarray([[4.0, 2.0], [2.0, 5.0]])).tolist()
        [[2.0, 0.0], [1.0, 2.0]]
    """
    factor = OPS["cholesky"](_inexact("cholesky", x))
    return of_node(matrix.adjoint(factor) if upper else factor)


def cross(x1: Any, x2: Any, /, *, axis: int = -1) -> Tensor:
    """Vector product of three-dimensional vectors.

    Args:
        x1, x2: numbers; the other axes broadcast.
        axis: the axis of length 3, counted from the end.

    Example:
        >>> import saltus as sl
        >>> sl.linalg.cross(sl.asarray([1.0, 0.0, 0.0]), sl.asarray([0.0, 1.0, 0.0])).tolist()
        [0.0, 0.0, 1.0]
    """
    a, b = same_type((x1, x2))
    shape = common_shape("cross", [a.shape, b.shape])
    place = axis % len(shape) if -len(shape) <= axis < len(shape) else -1
    if place < 0 or any(len(n.shape) < len(shape) - place or n.shape[place - len(shape)] != 3 for n in (a, b)):
        raise ShapeError(f"cross takes vectors of 3 elements along axis {axis}, got {a.shape} and {b.shape}", site=here())
    return of_node(matrix.cross(broadcast(a, shape), broadcast(b, shape), place))


def det(x: Any, /) -> Tensor:
    """Determinant.

    Args:
        x: shape (..., M, M).

    Example:
        >>> import saltus as sl
        >>> float(sl.linalg.det(sl.asarray([[1.0, 2.0], [3.0, 4.0]])))
        -2.0000
    """
    return of_node(OPS["det"](_inexact("det", x)))


def diagonal(x: Any, /, *, offset: int = 0) -> Tensor:
    """Elements of a diagonal.

    Args:
        x: shape (..., M, N).
        offset: which: 0 the main one, above it positive.

    Example:
        >>> import saltus as sl
        >>> sl.linalg.diagonal(sl.asarray([[1, 2], [3, 4]])).tolist()
        [1, 4]
    """
    return of_node(matrix.diagonal(node_of(x), offset))


def eigh(x: Any, /) -> EighResult:
    """Eigenvalues and eigenvectors of hermitian matrices.

    Args:
        x: shape (..., M, M), hermitian.

    Returns:
        eigenvalues in ascending order, shape (..., M), and eigenvectors, the columns of shape (..., M, M).

    Example:
        >>> import saltus as sl
        >>> sl.linalg.eigh(sl.asarray([[2.0, 0.0], [0.0, 1.0]])).eigenvalues.tolist()
        [1.0, 2.0]
    """
    return EighResult(*[of_node(p) for p in parts(OPS["eigh"](_inexact("eigh", x)))])


def eigvalsh(x: Any, /) -> Tensor:
    """Eigenvalues of hermitian matrices in ascending order.

    Args:
        x: shape (..., M, M), hermitian.

    Example:
        >>> import saltus as sl
        >>> sl.linalg.eigvalsh(sl.asarray([[2.0, 0.0], [0.0, 1.0]])).tolist()
        [1.0, 2.0]
    """
    return of_node(OPS["eigvalsh"](_inexact("eigvalsh", x)))


def inv(x: Any, /) -> Tensor:
    """Inverse matrix.

    Args:
        x: shape (..., M, M).

    Raises:
        ArgumentError: a matrix is singular.

    Example:
        >>> import saltus as sl
        >>> sl.linalg.inv(sl.asarray([[2.0, 0.0], [0.0, 4.0]])).tolist()
        [[0.5, 0.0], [0.0, 0.25]]
    """
    return of_node(OPS["inv"](_inexact("inv", x)))


def matrix_norm(x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> Tensor:
    """Norm of matrices.

    Args:
        x: shape (..., M, N).
        keepdims: keep the last two axes with length 1.
        ord: "fro" (Frobenius), "nuc" (sum of singular values), or 1, 2, inf and their negatives.

    Example:
        >>> import saltus as sl
        >>> float(sl.linalg.matrix_norm(sl.asarray([[3.0, 0.0], [0.0, 4.0]])))
        5.0
    """
    node = _inexact("matrix_norm", x)
    norm = records.matrix_norm(node, ord)
    return of_node(move.reshape(norm, (*norm.shape, 1, 1)) if keepdims else norm)


def matrix_power(x: Any, n: int, /) -> Tensor:
    """The product of n copies of a square matrix; of its inverse, when n is negative.

    Args:
        x: shape (..., M, M).
        n: a whole number.

    Example:
        >>> import saltus as sl
        >>> sl.linalg.matrix_power(sl.asarray([[1.0, 1.0], [0.0, 1.0]]), 3).tolist()
        [[1.0, 3.0], [0.0, 1.0]]
    """
    return of_node(records.matrix_power(_inexact("matrix_power", x), int(n)))


def matrix_rank(x: Any, /, *, rtol: Any = None) -> Tensor:
    """Number of singular values above rtol times the largest one.

    Args:
        x: shape (..., M, N).
        rtol: one number, or one a matrix; None: the larger side times the type's epsilon.

    Returns:
        int64, shape (...).

    Example:
        >>> import saltus as sl
        >>> int(sl.linalg.matrix_rank(sl.asarray([[1.0, 2.0], [2.0, 4.0]])))
        1
    """
    node = _inexact("matrix_rank", x)
    if rtol is None or isinstance(rtol, (int, float)):
        return of_node(records.matrix_rank(node, rtol))
    values = svdvals(x)
    limits = values.max(axis=-1) * of_node(convert(node_of(rtol), values.dtype))  # type: ignore[attr-defined]
    return (values > limits[..., None]).astype(dt.int64).sum(axis=-1)  # type: ignore[no-any-return]


def pinv(x: Any, /, *, rtol: Any = None) -> Tensor:
    """Pseudo-inverse (Moore, Penrose).

    Args:
        x: shape (..., M, N).
        rtol: singular values up to rtol times the largest count as 0; None: the larger side times the type's epsilon.

    Returns:
        Shape (..., N, M).

    Example:
        >>> import saltus as sl
        >>> sl.linalg.pinv(sl.asarray([[2.0, 0.0], [0.0, 4.0]])).tolist()
        [[0.5, 0.0], [0.0, 0.25]]
    """
    node = _inexact("pinv", x)
    if rtol is None or isinstance(rtol, (int, float)):
        return of_node(records.pinv(node, rtol))
    u, s, vh = svd(x, full_matrices=False)
    limits = s.max(axis=-1, keepdims=True) * of_node(convert(node_of(rtol), s.dtype))[..., None]  # type: ignore
    kept = (s > limits).node
    zero, one = (full(s.shape, v, s.dtype) for v in (0, 1))
    inverse = of_node(OPS["where"](kept, one / OPS["where"](kept, s.node, one), zero))
    return matmul(
        of_node(matrix.adjoint(vh.node)) * inverse[..., None, :],
        of_node(matrix.adjoint(u.node)),  # type: ignore
    )


def qr(x: Any, /, *, mode: str = "reduced") -> QRResult:
    """Orthonormal Q and upper triangular R with x = Q R.

    Args:
        x: shape (..., M, N).
        mode: "reduced" (K = min(M, N) columns of Q) or "complete" (K = M).

    Returns:
        Q, shape (..., M, K), and R, shape (..., K, N).

    Example:
        >>> import saltus as sl
        >>> q, r = sl.linalg.qr(sl.asarray([[1.0, 2.0], [3.0, 4.0]]))
        >>> bool(sl.all(abs(q @ r - sl.asarray([[1.0, 2.0], [3.0, 4.0]])) < 1e-5))
        True
    """
    return QRResult(*[of_node(p) for p in parts(OPS["qr"](_inexact("qr", x), mode=mode))])


def slogdet(x: Any, /) -> SlogdetResult:
    """Sign and logarithm of the magnitude of the determinant.

    Args:
        x: shape (..., M, M).

    Example:
        >>> import saltus as sl
        >>> float(sl.linalg.slogdet(sl.asarray([[2.0, 0.0], [0.0, -3.0]])).sign)
        -1.0
    """
    return SlogdetResult(*[of_node(p) for p in parts(OPS["slogdet"](_inexact("slogdet", x)))])


def solve(x1: Any, x2: Any, /) -> Tensor:
    """The x with x1 @ x = x2.

    Args:
        x1: shape (..., M, M).
        x2: shape (M,), or (..., M, K); leading axes broadcast.

    Raises:
        ArgumentError: a matrix is singular.

    Example:
        >>> import saltus as sl
        >>> sl.linalg.solve(sl.asarray([[2.0, 0.0], [0.0, 4.0]]), sl.asarray([2.0, 2.0])).tolist()
        [1.0, 0.5]
    """
    a, b = same_type((_tensor("solve", x1), _tensor("solve", x2)))
    if len(a.shape) < 2 or not b.shape:
        raise ShapeError(f"solve takes matrices and right sides, got shapes {a.shape} and {b.shape}", site=here())
    columns = move.reshape(b, (*b.shape, 1)) if len(b.shape) == 1 else b
    lead = common_shape("solve", [a.shape[:-2], columns.shape[:-2]])
    made = OPS["solve"](broadcast(a, (*lead, *a.shape[-2:])), broadcast(columns, (*lead, *columns.shape[-2:])))
    return of_node(move.reshape(made, made.shape[:-1]) if len(b.shape) == 1 else made)


def _tensor(name: str, x: Any) -> Tensor:
    return of_node(_inexact(name, x))


def svd(x: Any, /, *, full_matrices: bool = True) -> SVDResult:
    """Singular value decomposition: x = U diag(S) V^H.

    Args:
        x: shape (..., M, N).
        full_matrices: square U and V; False keeps K = min(M, N) columns.

    Example:
        >>> import saltus as sl
        >>> sl.linalg.svd(sl.asarray([[3.0, 0.0], [0.0, 4.0]])).S.tolist()
        [4.0, 3.0]
    """
    node = OPS["svd"](_inexact("svd", x), full_matrices=bool(full_matrices))
    return SVDResult(*[of_node(p) for p in parts(node)])


def svdvals(x: Any, /) -> Tensor:
    """Singular values in descending order.

    Args:
        x: shape (..., M, N).

    Example:
        >>> import saltus as sl
        >>> sl.linalg.svdvals(sl.asarray([[3.0, 0.0], [0.0, 4.0]])).tolist()
        [4.0, 3.0]
    """
    return of_node(OPS["svdvals"](_inexact("svdvals", x)))


def trace(x: Any, /, *, offset: int = 0, dtype: Any = None) -> Tensor:
    """Sum along a diagonal; small integers add up in 64 bits.

    Args:
        x: shape (..., M, N).
        offset: which diagonal: 0 the main one, above it positive.
        dtype: type to add in.

    Example:
        >>> import saltus as sl
        >>> int(sl.linalg.trace(sl.asarray([[1, 2], [3, 4]])))
        5
    """
    node = node_of(x)
    return of_node(matrix.trace(convert(node, summed(node.dtype, dtype)), offset))


def vector_norm(x: Any, /, *, axis: int | Sequence[int] | None = None, keepdims: bool = False, ord: Any = 2) -> Tensor:
    """Norm of vectors, (sum |x|^ord)^(1/ord).

    Args:
        x: floats.
        axis: axis or axes; None takes all elements as one vector.
        keepdims: keep reduced axes with length 1.
        ord: a number; inf and -inf give the extremes of |x|, 0 the number of elements that are not 0.

    Example:
        >>> import saltus as sl
        >>> float(sl.linalg.vector_norm(sl.asarray([3.0, 4.0])))
        5.0
    """
    node = _inexact("vector_norm", x)
    if isinstance(ord, str):
        raise ArgumentError(f"vector_norm: ord must be a number, got {ord!r}", site=here())
    axes = axes_of("vector_norm", axis, len(node.shape))
    return of_node(drop(records.vector_norm(node, axes, ord), axes, keepdims))


__all__ = [
    "cholesky", "cross", "det", "diagonal", "eigh", "eigvalsh", "inv", "matmul", "matrix_norm", "matrix_power",
    "matrix_rank", "matrix_transpose", "outer", "pinv", "qr", "slogdet", "solve", "svd", "svdvals", "tensordot",
    "trace", "vecdot", "vector_norm",
]  # fmt: skip


def __dir__() -> list[str]:
    return sorted(__all__)
