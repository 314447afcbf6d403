"""Linear algebra (array API linalg extension): factorisations and solvers as host calls, norms and powers from them.

Leading axes are a batch and must agree. Gradients hold for hermitian operands as if every change stayed hermitian.
"""

from __future__ import annotations

import builtins
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from saltus.base import dtypes as dt
from saltus.base.errors import ArgumentError, GradientError, ShapeError
from saltus.ir.node import Node, broadcast, full
from saltus.ir.spec import OPS, Kind, Op, Sample, Shape, define, first_dtype
from saltus.ops._elementwise import real_dtype, same_dtype
from saltus.ops.arithmetic import abs, conj, convert, no_zeros, real, where, zeros_like
from saltus.ops.contract import matmul
from saltus.ops.math import exp, power, sqrt
from saltus.ops.matrix import adjoint, diagonal, diagonal_matrix, eye, last_sum, product, tril, triu
from saltus.ops.movement import reshape, slice_
from saltus.ops.reduce import max, min, sum

INEXACT = "fc"


def _host(name: str, **fixed: Any) -> Callable[..., Any]:
    """A function of xp.linalg; a matrix it cannot take is the user's to know of."""

    def run(xp: Any, *arrays: Any, **attrs: Any) -> Any:
        try:
            return getattr(xp.linalg, name)(*arrays, **fixed, **attrs)
        except np.linalg.LinAlgError as error:
            raise ArgumentError(
                f"{name}: {str(error).lower()}, among operands of shape {arrays[0].shape}"
            ) from error

    return run


def _square(s: Shape, *_: Shape, **__: Any) -> Shape:
    if len(s) < 2 or s[-1] != s[-2]:
        raise ShapeError(f"expected square matrices, got shape {s}")
    return s


def _matrix(s: Shape) -> tuple[Shape, int, int, int]:
    """Batch, rows, columns and the smaller of the two."""
    if len(s) < 2:
        raise ShapeError(f"expected a matrix or a batch of them, got shape {s}")
    return s[:-2], s[-2], s[-1], builtins.min(s[-2:])


# --- samples and laws -----------------------------------------------------------------------------
def _identity_like(a: Node) -> Node:
    return broadcast(eye(a.shape[-2], a.shape[-1], a.dtype), a.shape)


def hermitian(a: Node) -> Node:
    """The part of a square matrix that equals its conjugate transpose."""
    return (a + adjoint(a)) * 0.5


def _positive(a: Node) -> tuple[Node]:
    return (product(a, adjoint(a)) + _identity_like(a),)


def _regular(a: Node, *others: Node) -> tuple[Node, ...]:
    """Away from singular, without being symmetric."""
    return (a + _identity_like(a) * 5.0, *others)


def _magnitudes(*results: Node) -> tuple[Node, ...]:
    """What no choice of signs or phases changes."""
    return tuple(abs(r) for r in results)


def _samples(*shapes: Shape, prepare: Any = None, observe: Any = None, **attrs: Any) -> tuple[Sample, ...]:
    return tuple(Sample((s,), attrs, -1.0, 1.0, None, 256.0, prepare, observe) for s in shapes)


# --- inverses and determinants --------------------------------------------------------------------
def _cholesky_vjp(g: Node, o: Node, a: Node) -> tuple[Node]:
    """Murray, "Differentiation of the Cholesky decomposition" (2016), equation 10."""
    inner = tril(matmul(conj(o), g, ta=True, tb=False))
    half = inner - diagonal_matrix(diagonal(inner)) * 0.5
    left = adjoint(o)
    return (hermitian(adjoint(solve(left, adjoint(solve(left, half))))),)


cholesky: Op = define(
    Op(
        "cholesky",
        Kind.HOST,
        "the lower triangular L with L L^H = a, for positive definite a",
        _host("cholesky"),
        _square,
        first_dtype,
        _cholesky_vjp,
        samples=_samples((4, 4), (2, 3, 3), prepare=_positive),
        laws=(lambda o, a: (product(o, adjoint(o)), a), lambda o, a: (o, tril(o))),
        kinds=INEXACT,
    )
)

inv: Op = define(
    Op(
        "inv",
        Kind.HOST,
        "the inverse matrix",
        _host("inv"),
        _square,
        first_dtype,
        lambda g, o, a: (
            -product(adjoint(o), g, adjoint(o)),
        ),  # Giles, "Matrix derivative results" (2008), section 2.2.3
        samples=_samples((4, 4), (2, 3, 3), prepare=_regular),
        laws=(lambda o, a: (product(a, o), _identity_like(a)),),
        kinds=INEXACT,
    )
)


def _solve_shape(a: Shape, b: Shape) -> Shape:
    _square(a)
    if len(b) != len(a) or b[:-1] != a[:-1]:
        raise ShapeError(f"solve: right hand sides of shape {b} do not fit matrices of shape {a}")
    return b


def _solve_vjp(g: Node, o: Node, a: Node, b: Node) -> tuple[Node, Node]:
    """Giles (2008), section 2.3.1."""
    gb = solve(adjoint(a), g)
    return -product(gb, adjoint(o)), gb


solve: Op = define(
    Op(
        "solve",
        Kind.HOST,
        "x with a x = b, for matrices b",
        _host("solve"),
        _solve_shape,
        same_dtype,
        _solve_vjp,
        samples=(
            Sample(((4, 4), (4, 2)), {}, -1.0, 1.0, None, 256.0, _regular),
            Sample(((2, 3, 3), (2, 3, 1)), {}, -1.0, 1.0, None, 256.0, _regular),
        ),
        laws=(lambda o, a, b: (product(a, o), b),),
        kinds=INEXACT,
    )
)


def _spread(g: Node, a: Node) -> Node:
    """One number a matrix, repeated to the shape of the matrix."""
    return broadcast(reshape(g, (*g.shape, 1, 1)), a.shape)


det = define(
    Op(
        "det",
        Kind.HOST,
        "the determinant",
        _host("det"),
        lambda s: _square(s)[:-2],
        first_dtype,
        # Jacobi's formula; it needs the inverse, so a singular matrix has no gradient here
        lambda g, o, a: (_spread(g * conj(o), a) * adjoint(inv(a)),),
        samples=_samples((4, 4), (2, 3, 3), prepare=_regular),
        laws=(lambda o, a: (o, _from_logarithm(*_two(slogdet(a)))),),
        kinds=INEXACT,
    )
)


def _two(node: Node) -> tuple[Node, Node]:
    return OPS["part"](node, index=0), OPS["part"](node, index=1)


def _from_logarithm(sign: Node, logarithm: Node) -> Node:
    return sign * convert(exp(logarithm), sign.dtype)


def _slogdet_vjp(g: tuple[Node, Node], o: tuple[Node, Node], a: Node) -> tuple[Node]:
    """d log det = trace(a^-1 da): its real part moves the logarithm, its imaginary part turns the sign."""
    scale = convert(g[1], a.dtype)
    if a.dtype.kind == "c":
        turn = OPS["imag"](g[0] * conj(o[0]))
        scale = scale + OPS["complex"](zeros_like(turn), turn)
    return (_spread(scale, a) * adjoint(inv(a)),)


slogdet: Op = define(
    Op(
        "slogdet",
        Kind.HOST,
        "sign (or phase) of the determinant, and the logarithm of its magnitude",
        _host("slogdet"),
        lambda s: (_square(s)[:-2],) * 2,
        lambda d: (d, real_dtype(d)),
        _slogdet_vjp,
        samples=_samples((4, 4), (2, 3, 3), prepare=_regular),
        outputs=2,
        kinds=INEXACT,
    )
)


def _pinv_shape(s: Shape, rtol: float) -> Shape:
    batch, rows, columns, _ = _matrix(s)
    return (*batch, columns, rows)


def _pinv_vjp(g: Node, o: Node, a: Node, rtol: float) -> tuple[Node]:
    """Golub and Pereyra, "The differentiation of pseudo-inverses" (1973), for a rank that does not change."""
    back, h = adjoint(o), adjoint(g)
    outside = product(h, o, back)
    inside = product(back, o, h)
    return (outside - product(a, o, outside) + inside - product(inside, o, a) - product(back, g, back),)


_pinv: Op = define(
    Op(
        "pinv",
        Kind.HOST,
        "the pseudo-inverse (Moore, Penrose); singular values up to rtol times the largest count as 0",
        _host("pinv"),
        _pinv_shape,
        first_dtype,
        _pinv_vjp,
        samples=_samples((4, 3), (2, 3, 5), rtol=1e-5),
        laws=(lambda o, a, rtol: (product(a, o, a), a),),
        kinds=INEXACT,
    )
)


# --- factorisations -------------------------------------------------------------------------------
def _qr_shape(s: Shape, mode: str) -> tuple[Shape, Shape]:
    batch, rows, columns, inner = _matrix(s)
    if mode not in ("reduced", "complete"):
        raise ArgumentError(f"qr: mode must be reduced or complete, got {mode!r}")
    inner = rows if mode == "complete" else inner
    return (*batch, rows, inner), (*batch, inner, columns)


def _qr_vjp(g: tuple[Node, Node], o: tuple[Node, Node], a: Node, mode: str) -> tuple[Node]:
    """Roberts and Roberts, "QR and LQ decomposition matrix backpropagation algorithms for square, wide, and deep matrices"
    (2020): a wide matrix is its square part and columns that R carries along.
    """
    (gq, gr), (q, r), (_, rows, columns, _) = g, o, _matrix(a.shape)
    if mode == "complete" and rows > columns:
        raise GradientError(
            "qr: the complete factor of a tall matrix is not unique, so it has no derivative",
            fix="mode='reduced'",
        )
    rest = None
    if columns > rows:
        lead = (0,) * (len(a.shape) - 1)
        stop = (*a.shape[:-1], rows)
        others = slice_(a, (*lead, rows), a.shape)
        g_others = slice_(gr, (*lead, rows), gr.shape)
        gq = gq + product(others, adjoint(g_others))
        rest = product(q, g_others)
        r, gr = slice_(r, (0,) * len(stop), stop), slice_(gr, (0,) * len(stop), stop)
    inner = triu(product(gr, adjoint(r)) - matmul(conj(q), gq, ta=True, tb=False))
    both = inner + adjoint(inner)
    mirrored = both - diagonal_matrix(diagonal(both)) * 0.5
    square = adjoint(solve(r, adjoint(gq + product(q, mirrored))))
    return (square if rest is None else OPS["concat"](square, rest, axis=len(a.shape) - 1),)


qr = define(
    Op(
        "qr",
        Kind.HOST,
        "orthonormal q and upper triangular r with q r = a",
        _host("qr"),
        _qr_shape,
        lambda d, mode: (d, d),
        _qr_vjp,
        samples=(
            *_samples((4, 4), (5, 3), (2, 3, 4), observe=_magnitudes, mode="reduced"),
            *_samples((3, 4), observe=_magnitudes, mode="complete"),
        ),
        laws=(lambda o, a, mode: (product(*o), a), lambda o, a, mode: (o[1], triu(o[1]))),
        outputs=2,
        kinds=INEXACT,
    )
)


def _gaps(values: Node) -> Node:
    """1 / (x_j - x_i) at [.., i, j], 0 where the two are equal: there the gradient exists only if its factor is 0 too."""
    n = values.shape[-1]
    shape = (*values.shape, n)
    difference = broadcast(reshape(values, (*values.shape[:-1], 1, n)), shape) - broadcast(
        reshape(values, (*values.shape, 1)), shape
    )
    zero = zeros_like(difference)
    return where(OPS["equal"](difference, zero), zero, 1.0 / no_zeros(difference))


def _columns(scale: Node, a: Node) -> Node:
    """Each column of `a` times its number."""
    wide = reshape(scale, (*scale.shape[:-1], 1, scale.shape[-1]))
    return a * convert(broadcast(wide, a.shape), a.dtype)


def _eigh_vjp(g: tuple[Node, Node], o: tuple[Node, Node], a: Node) -> tuple[Node]:
    """Giles (2008), section 3.1, for hermitian matrices."""
    (gw, gv), (w, v) = g, o
    turned = matmul(conj(v), gv, ta=True, tb=False) * convert(_gaps(w), a.dtype)
    return (hermitian(product(v, turned + diagonal_matrix(convert(gw, a.dtype)), adjoint(v))),)


def _hermitian_sample(a: Node) -> tuple[Node]:
    return (hermitian(a),)


eigh: Op = define(
    Op(
        "eigh",
        Kind.HOST,
        "ascending eigenvalues w and eigenvectors v of hermitian a: a v = v diag(w)",
        _host("eigh"),
        lambda s: (_square(s)[:-1], s),
        lambda d: (real_dtype(d), d),
        _eigh_vjp,
        samples=_samples((4, 4), (2, 3, 3), prepare=_hermitian_sample, observe=lambda w, v: (w, abs(v))),
        laws=(lambda o, a: (product(a, o[1]), _columns(o[0], o[1])),),
        outputs=2,
        kinds=INEXACT,
    )
)


def _eigvalsh_vjp(g: Node, o: Node, a: Node) -> tuple[Node]:
    _, v = _two(eigh(a))
    return (product(_columns(g, v), adjoint(v)),)


eigvalsh = define(
    Op(
        "eigvalsh",
        Kind.HOST,
        "ascending eigenvalues of hermitian a",
        _host("eigvalsh"),
        lambda s: _square(s)[:-1],
        real_dtype,
        _eigvalsh_vjp,
        samples=_samples((4, 4), (2, 3, 3), prepare=_hermitian_sample),
        laws=(lambda o, a: (last_sum(o), real(last_sum(diagonal(a)))),),
        kinds=INEXACT,
    )
)


def _svd_shape(s: Shape, full_matrices: bool) -> tuple[Shape, Shape, Shape]:
    batch, rows, columns, inner = _matrix(s)
    left, right = (rows, columns) if full_matrices else (inner, inner)
    return (*batch, rows, left), (*batch, inner), (*batch, right, columns)


def _svd_vjp(g: tuple[Node, ...], o: tuple[Node, ...], a: Node, full_matrices: bool) -> tuple[Node]:
    """Townsend, "Differentiating the singular value decomposition" (2016); for complex numbers Wan and Zhang,
    "Automatic differentiation for complex valued SVD" (2019).
    """
    (gu, gs, gvh), (u, s, vh) = g, o
    _, rows, columns, inner = _matrix(a.shape)
    if full_matrices and rows != columns:
        raise GradientError(
            "svd: the full factor of a matrix that is not square is not unique, so it has no derivative",
            fix="full_matrices=False",
        )
    v, gv = adjoint(vh), adjoint(gvh)
    gaps = convert(_gaps(s * s), a.dtype)
    j = matmul(conj(u), gu, ta=True, tb=False)
    k = matmul(conj(v), gv, ta=True, tb=False)
    middle = (
        _columns(s, gaps * (j - adjoint(j)))
        + adjoint(_columns(s, adjoint(gaps * (k - adjoint(k)))))
        + diagonal_matrix(convert(gs, a.dtype))
    )
    if a.dtype.kind == "c":  # the common phase of a pair of vectors
        phase = diagonal(j)
        middle = middle + diagonal_matrix((phase - conj(phase)) * 0.5 / convert(s, a.dtype))
    out = product(u, middle, vh)
    if rows > inner:
        scaled = _columns(1.0 / s, gu)
        out = out + product(scaled - product(u, matmul(conj(u), scaled, ta=True, tb=False)), vh)
    if columns > inner:
        scaled = _columns(1.0 / s, gv)
        out = out + product(u, adjoint(scaled - product(v, matmul(conj(v), scaled, ta=True, tb=False))))
    return (out,)


def _svd_observe(u: Node, s: Node, vh: Node) -> tuple[Node, ...]:
    return abs(u), s, abs(vh)


svd: Op = define(
    Op(
        "svd",
        Kind.HOST,
        "u, descending s and v^H with u diag(s) v^H = a",
        _host("svd"),
        _svd_shape,
        lambda d, full_matrices: (d, real_dtype(d), d),
        _svd_vjp,
        samples=(
            *_samples((4, 4), (5, 3), (2, 3, 4), observe=_svd_observe, full_matrices=False),
            *_samples((3, 3), observe=_svd_observe, full_matrices=True),
        ),
        laws=(lambda o, a, full_matrices: (product(_columns(o[1], o[0]), o[2]), a),),
        outputs=3,
        kinds=INEXACT,
    )
)


def _svdvals_vjp(g: Node, o: Node, a: Node) -> tuple[Node]:
    node = svd(a, full_matrices=False)
    return (product(_columns(g, OPS["part"](node, index=0)), OPS["part"](node, index=2)),)


svdvals: Op = define(
    Op(
        "svdvals",
        Kind.HOST,
        "descending singular values",
        _host("svd", compute_uv=False),
        lambda s: (*_matrix(s)[0], _matrix(s)[3]),
        real_dtype,
        _svdvals_vjp,
        samples=_samples((4, 4), (5, 3), (2, 3, 4)),
        laws=(lambda o, a: (last_sum(o * o), last_sum(last_sum(real(a * conj(a))))),),
        kinds=INEXACT,
    )
)


# --- formulas over these --------------------------------------------------------------------------
def default_tolerance(a: Node) -> float:
    """The larger side of the matrix times the type's epsilon: what counts as 0 beside the largest singular value."""
    return float(builtins.max(a.shape[-2:]) * dt.finfo(real_dtype(a.dtype)).eps)


def pinv(a: Node, rtol: float | None = None) -> Node:
    """The pseudo-inverse."""
    return _pinv(a, rtol=default_tolerance(a) if rtol is None else rtol)


def matrix_rank(a: Node, rtol: float | None = None) -> Node:
    """The number of singular values above rtol times the largest (int64)."""
    s = svdvals(a)
    if s.shape[-1] == 0:
        return full(s.shape[:-1], 0, dt.int64)
    smallest = max(s, axes=(len(s.shape) - 1,)) * (default_tolerance(a) if rtol is None else rtol)
    return last_sum(convert(OPS["greater"](s, broadcast(smallest, s.shape)), dt.int64))


def matrix_power(a: Node, n: int) -> Node:
    """The product of n copies of a square matrix, of its inverse for a negative n, by squaring."""
    _square(a.shape)
    if n == 0:
        return _identity_like(a)
    base, rest = (a, n) if n > 0 else (inv(a), -n)
    out: Node | None = None
    while rest:
        if rest & 1:
            out = base if out is None else product(out, base)
        rest >>= 1
        base = product(base, base) if rest else base
    assert out is not None
    return out


def _root(total: Node, p: float) -> Node:
    """total^(1/p), with gradient 0 at 0, where a norm has none."""
    at_zero = OPS["equal"](total, zeros_like(total))
    safe = no_zeros(total)
    return where(
        at_zero, zeros_like(total), sqrt(safe) if p == 2 else power(safe, full(safe.shape, 1 / p, safe.dtype))
    )


def vector_norm(a: Node, axes: tuple[int, ...], order: float = 2) -> Node:
    """The norm (sum |a|^order)^(1/order) over axes, which keep length 1; inf and -inf are extremes, 0 counts non-zeros."""
    if order == 2:
        return _root(sum(real(a * conj(a)), axes=axes), 2)
    size = abs(a)
    if math.isinf(order):
        return (max if order > 0 else min)(size, axes=axes)
    if order == 0:
        return sum(convert(OPS["not_equal"](size, zeros_like(size)), size.dtype), axes=axes)
    if order == 1:
        return sum(size, axes=axes)
    return _root(sum(power(size, full(size.shape, order, size.dtype)), axes=axes), order)


def matrix_norm(a: Node, order: float | str = "fro") -> Node:
    """A norm of the last two axes, which are dropped: "fro", "nuc", or 1, 2, inf and their negatives."""
    last = len(a.shape) - 1
    if order == "fro":
        return reshape(vector_norm(a, (last - 1, last)), a.shape[:-2])
    if order == "nuc":
        return last_sum(svdvals(a))
    if isinstance(order, str) or builtins.abs(order) not in (1, 2, math.inf):
        raise ArgumentError(
            f"matrix_norm knows the orders 'fro', 'nuc', 1, -1, 2, -2, inf and -inf, got {order!r}"
        )
    if builtins.abs(order) == 2:
        values = svdvals(a)
        lines, axis = values, len(values.shape) - 1
    else:  # sums over columns or rows
        inner = last - 1 if builtins.abs(order) == 1 else last
        lines, axis = sum(abs(a), axes=(inner,)), 2 * last - 1 - inner
    extreme = (max if order > 0 else min)(lines, axes=(axis,))
    return reshape(extreme, a.shape[:-2])
