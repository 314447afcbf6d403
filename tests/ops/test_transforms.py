"""Fourier transforms, linear algebra and sorting as composites give them: NumPy's values for every argument, and clear refusals."""

import itertools
import math

import numpy as np
import pytest

from saltus.base import dtypes as dt
from saltus.base.errors import ArgumentError, DTypeError, GradientError, ShapeError, UnknownNameError
from saltus.ir.differentiate import backward
from saltus.ir.node import OPS, full, parts, placeholder
from saltus.ops import fft, linalg, matrix
from saltus.ops.sort import argsort, searchsorted, sort, top_k

RNG = np.random.default_rng(3)
INF, NAN = math.inf, math.nan


def real(*shape):
    return placeholder(shape, dt.float64), RNG.uniform(-1, 1, shape)


def complex_(*shape):
    return placeholder(shape, dt.complex128), RNG.uniform(-1, 1, shape) + 1j * RNG.uniform(-1, 1, shape)


def same(engine, node, x, array, expected):
    found = engine([node], {x: array})[0]
    assert found.shape == np.shape(expected)
    assert found.dtype == np.asarray(expected).dtype
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


# --- Fourier transforms ----------------------------------------------------------------------------
NORMS = ("backward", "ortho", "forward")


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("name", ["fft", "ifft", "irfft", "hfft", "rfft", "ihfft"])
def test_one_dimension_at_any_length(engine, name, norm):
    for n, axis in itertools.product((None, 1, 4, 5, 6, 9), (-1, 0)):
        x, array = real(5, 6) if name in ("rfft", "ihfft") else complex_(5, 6)
        expected = getattr(np.fft, name)(array, n, axis, norm)
        same(engine, getattr(fft, name)(x, n, axis, norm), x, array, expected)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("name", ["fftn", "ifftn", "rfftn", "irfftn"])
def test_several_dimensions_and_sizes(engine, name, norm):
    for s, axes in ((None, None), (None, (0, 2)), ((4, 7), (2, 1)), ((3, 5, 2), (0, 1, 2)), (None, (-1,))):
        x, array = real(3, 4, 5) if name == "rfftn" else complex_(3, 4, 5)
        expected = getattr(np.fft, name)(array, s, axes, norm)
        same(engine, getattr(fft, name)(x, s, axes, norm), x, array, expected)


def test_real_numbers_may_be_given_where_complex_ones_are_transformed(engine):
    x, array = real(6)
    same(engine, fft.fft(x), x, array, np.fft.fft(array))
    same(engine, fft.irfft(x), x, array, np.fft.irfft(array))


@pytest.mark.parametrize("name", ["hfft", "ihfft"])
def test_gradients_pass_through_the_hermitian_forms(check_gradient, name):
    x, array = real(5) if name == "ihfft" else complex_(5)
    check_gradient([getattr(fft, name)(x, 7)], {x: array}, what=name, order=2)


def test_what_cannot_be_transformed_is_refused():
    x = placeholder((4, 6), dt.float32)
    with pytest.raises(UnknownNameError, match="ortho"):
        fft.fft(x, norm="orto")
    with pytest.raises(ArgumentError, match="at least 1"):
        fft.fft(x, n=0)
    with pytest.raises(ArgumentError, match=r"shape \(4, 6\)"):
        fft.fft(x, axis=2)
    with pytest.raises(ArgumentError, match="3 sizes for 2 axes"):
        fft.fftn(x, (1, 2, 3), (0, 1))
    with pytest.raises(ArgumentError, match="at least 1"):
        fft.rfft(placeholder((0,), dt.float32))
    with pytest.raises(DTypeError, match="float16"):
        fft.rfft(placeholder((4,), dt.float16))


# --- linear algebra --------------------------------------------------------------------------------
def test_products_of_vectors_and_tensors(engine):
    (x, a), (y, b) = real(3), real(4)
    np.testing.assert_allclose(engine([matrix.outer(x, y)], {x: a, y: b})[0], np.outer(a, b))
    (x, a), (y, b) = complex_(2, 3, 4), complex_(2, 3, 4)
    for axis in (-1, 0, 1):
        expected = np.vecdot(a, b, axis=axis)
        np.testing.assert_allclose(engine([matrix.vecdot(x, y, axis)], {x: a, y: b})[0], expected)
    np.testing.assert_allclose(engine([matrix.cross(x, y, 1)], {x: a, y: b})[0], np.cross(a, b, axis=1))
    (y, b) = complex_(4, 3, 5)
    for axes in (0, 1, ((1, 2), (1, 0)), ((-2,), (-2,)), ((), ())):
        expected = np.tensordot(a, b, axes)
        np.testing.assert_allclose(engine([matrix.tensordot(x, y, axes)], {x: a, y: b})[0], expected)


def test_traces_and_diagonals(engine):
    x, a = real(2, 3, 4)
    for offset in (-3, -1, 0, 2, 5):
        same(engine, matrix.trace(x, offset), x, a, np.trace(a, offset, -2, -1))
    v, b = real(2, 3)
    same(engine, matrix.diagonal_matrix(v), v, b, np.array([np.diag(row) for row in b]))
    for k in (-1, 0, 2):
        np.testing.assert_array_equal(engine([matrix.eye(3, 4, dt.int8, k)], {})[0], np.eye(3, 4, k, np.int8))


@pytest.mark.parametrize("order", [0, 1, 2, 3, 0.5, INF, -INF])
def test_vector_norms(engine, check_gradient, order):
    for x, a in (real(3, 4), complex_(3, 4)):
        for axes in ((0,), (1,)):
            expected = np.linalg.norm(a, order, axes[0], keepdims=True)
            same(engine, linalg.vector_norm(x, axes, order), x, a, expected)
        if order:
            check_gradient([linalg.vector_norm(x, (0, 1), order)], {x: a}, what=f"norm {order}", order=2)


def test_the_gradient_of_a_norm_at_zero_is_zero(engine):
    x = placeholder((3,), dt.float64)
    for order in (2, 3):
        norm = linalg.vector_norm(x, (0,), order)
        gradient = backward([norm], [full((1,), 1, dt.float64)], [x])[0]
        np.testing.assert_array_equal(engine([gradient], {x: np.zeros(3)})[0], np.zeros(3))


@pytest.mark.parametrize("order", ["fro", "nuc", 1, -1, 2, -2, INF, -INF])
def test_matrix_norms(engine, check_gradient, order):
    for x, a in (real(2, 3, 4), complex_(2, 3, 4)):
        same(engine, linalg.matrix_norm(x, order), x, a, np.linalg.norm(a, order, (-2, -1)))
        check_gradient([linalg.matrix_norm(x, order)], {x: a}, what=f"norm {order}")


def test_rank_power_and_pseudo_inverse(engine):
    x, a = real(2, 4, 4)
    a[1, 3] = a[1, 0] + a[1, 1]
    same(engine, linalg.matrix_rank(x), x, a, np.linalg.matrix_rank(a))
    same(engine, linalg.pinv(x), x, a, np.linalg.pinv(a))
    y, b = real(3, 3)
    for n in (-3, -1, 0, 1, 2, 5):
        same(engine, linalg.matrix_power(y, n), y, b, np.linalg.matrix_power(b, n))


def test_factors_of_full_size(engine):
    x, a = real(4, 3)
    q, r = engine(parts(linalg.qr(x, mode="complete")), {x: a})
    assert q.shape == (4, 4)
    np.testing.assert_allclose(q @ r, a, atol=1e-12)
    u, s, vh = engine(parts(linalg.svd(x, full_matrices=True)), {x: a})
    np.testing.assert_allclose(u[:, :3] * s @ vh, a, atol=1e-12)
    for node in (linalg.qr(x, mode="complete"), linalg.svd(x, full_matrices=True)):
        first = parts(node)[0]
        with pytest.raises(GradientError, match="not unique"):
            backward([first], [full(first.shape, 1, dt.float64)], [x])


def test_the_gradient_of_equal_eigenvalues_is_that_of_their_sum(engine):
    """The sum of squares of all eigenvalues is the sum of squares of all elements, however many are equal."""
    x = placeholder((3, 3), dt.float64)
    w, v = parts(linalg.eigh(x))
    rebuilt = matrix.product(linalg._columns(w, v), matrix.adjoint(v))
    for out in (w * w, rebuilt * rebuilt):
        loss = OPS["sum"](out, axes=tuple(range(len(out.shape))))
        gradient = backward([loss], [full(loss.shape, 1, dt.float64)], [x])[0]
        np.testing.assert_allclose(engine([gradient], {x: np.eye(3) * 2})[0], np.eye(3) * 4, atol=1e-12)


def test_matrices_that_have_no_answer_are_refused_by_name(engine):
    x = placeholder((2, 3, 3), dt.float64)
    zeros = {x: np.zeros((2, 3, 3))}
    with pytest.raises(ArgumentError, match=r"inv: singular matrix.*\(2, 3, 3\)"):
        engine([linalg.inv(x)], zeros)
    with pytest.raises(ArgumentError, match="cholesky: matrix is not positive definite"):
        engine([linalg.cholesky(x)], zeros)
    with pytest.raises(ShapeError, match=r"square.*\(3, 4\)"):
        linalg.inv(placeholder((3, 4), dt.float64))
    with pytest.raises(ShapeError, match=r"\(2, 4\).*\(3, 3\)"):
        linalg.solve(placeholder((3, 3), dt.float64), placeholder((2, 4), dt.float64))
    with pytest.raises(ArgumentError, match="'frobenius'"):
        linalg.matrix_norm(x, "frobenius")
    with pytest.raises(ShapeError, match="3 elements"):
        matrix.cross(x, placeholder((2, 3, 4), dt.float64), 2)
    with pytest.raises(ShapeError, match=r"\(4,\)"):
        matrix.tensordot(placeholder((3,), dt.float64), placeholder((4,), dt.float64), 1)


# --- order -----------------------------------------------------------------------------------------
def test_nan_comes_last_both_ways(engine):
    x = placeholder((6,), dt.float32)
    a = np.float32([NAN, 1, -INF, NAN, INF, 0])
    up, down = engine([sort(x, axis=0, descending=d) for d in (False, True)], {x: a})
    np.testing.assert_array_equal(up, [-INF, 0, 1, INF, NAN, NAN])
    np.testing.assert_array_equal(down, [INF, 1, 0, -INF, NAN, NAN])
    places = engine([argsort(x, axis=0, descending=True)], {x: a})[0]
    assert places.tolist() == [4, 1, 5, 2, 0, 3]


@pytest.mark.parametrize("dtype", [dt.int8, dt.uint8, dt.bool_, dt.float64], ids=lambda d: d.name)
def test_equal_elements_keep_their_order_both_ways(engine, dtype):
    x = placeholder((8,), dtype)
    a = np.array([1, 0, 1, 0, 1, 1, 0, 0]).astype(dtype.numpy)
    up, down = engine([argsort(x, axis=0, descending=d) for d in (False, True)], {x: a})
    assert up.tolist() == [1, 3, 6, 7, 0, 2, 4, 5]
    assert down.tolist() == [0, 2, 4, 5, 1, 3, 6, 7]


@pytest.mark.parametrize("dtype", [dt.int64, dt.uint64, dt.int8], ids=lambda d: d.name)
def test_the_extremes_of_whole_numbers_sort_right_downwards(engine, dtype):
    low, high = np.iinfo(dtype.numpy).min, np.iinfo(dtype.numpy).max
    x = placeholder((4,), dtype)
    found = engine([sort(x, axis=0, descending=True)], {x: np.array([5, low, high, 0], dtype.numpy)})[0]
    assert found.tolist() == sorted([5, low, high, 0], reverse=True)


def test_zeros_keep_their_signs(engine):
    x = placeholder((3,), dt.float32)
    found = engine([sort(x, axis=0, descending=True)], {x: np.float32([-0.0, 0.0, 1.0])})[0]
    np.testing.assert_array_equal(np.signbit(found), [False, True, False])


def test_the_largest_few(engine):
    x, a = real(3, 7)
    values, places = engine(parts(top_k(x, k=3, axis=1, largest=True)), {x: a})
    np.testing.assert_array_equal(values, -np.sort(-a, 1)[:, :3])
    np.testing.assert_array_equal(np.take_along_axis(a, places, 1), values)
    assert engine(parts(top_k(x, k=0, axis=1, largest=True)), {x: a})[0].shape == (3, 0)


def test_searchsorted_has_two_sides(engine):
    row, v = placeholder((4,), dt.int32), placeholder((2, 2), dt.int32)
    env = {row: np.int32([1, 2, 2, 5]), v: np.int32([[2, 0], [5, 9]])}
    left, right = engine([searchsorted(row, v, side=s) for s in ("left", "right")], env)
    assert left.tolist() == [[1, 0], [3, 4]]
    assert right.tolist() == [[3, 0], [4, 4]]
