"""Places where formulas break: zeros in products, ends of number ranges, small index types, derivatives at kinks."""

import math

import numpy as np
import pytest

from saltus.base import dtypes as dt
from saltus.base.errors import DTypeError, ShapeError
from saltus.ir.differentiate import backward
from saltus.ir.evaluate import evaluate
from saltus.ir.node import OPS, full, placeholder, topological

INF, NAN = math.inf, math.nan


def gradient(node, *inputs):
    return backward([node], [full(node.shape, 1, node.dtype)], list(inputs))


@pytest.mark.parametrize("numbers", [[2, 3, 4], [2, 0, 4], [0, 3, 0], [0, 0, 0]])
@pytest.mark.parametrize("name", ["prod", "cumprod"])
def test_products_have_exact_derivatives_at_zeros(check_gradient, name, numbers):
    """In the second order too, where each pair of zeros has a derivative of its own."""
    x = placeholder((3,), dt.float64)
    attrs = [{"axes": (0,)}] if name == "prod" else [{"axis": 0, "reverse": r} for r in (False, True)]
    for more in attrs:
        check_gradient([OPS[name](x, **more)], {x: np.array(numbers, float)}, what=name, order=2, tolerance=1e-5)


def test_extremes_share_the_gradient_among_ties(engine):
    x, y = placeholder((4,), dt.float32), placeholder((4,), dt.float32)
    env = {x: np.float32([1, 3, 3, 2]), y: np.float32([1, 4, 0, 2])}
    found = engine([*gradient(OPS["max"](x, axes=(0,)), x), *gradient(OPS["maximum"](x, y), x, y)], env)
    np.testing.assert_array_equal(found, [[0, 0.5, 0.5, 0], [0.5, 0, 1, 0.5], [0.5, 1, 0, 0.5]])


def test_derivatives_at_kinks_and_poles_are_finite(engine):
    """relu, abs, sign, hypot, atan2, power and complex abs at 0: 0, or what is usual, never NaN."""
    x, y, z = placeholder((1,), dt.float64), placeholder((1,), dt.float64), placeholder((1,), dt.complex128)
    zero = {x: np.zeros(1), y: np.zeros(1), z: np.zeros(1, complex)}
    nodes = [
        *gradient(OPS["relu"](x), x),
        *gradient(OPS["abs"](x), x),
        *gradient(OPS["hypot"](x, y), x, y),
        *gradient(OPS["atan2"](x, y), x, y),
        *gradient(OPS["power"](x, full((1,), 2, dt.float64)), x),
        *gradient(OPS["power"](x, full((1,), 0, dt.float64)), x),
        *gradient(OPS["power"](full((1,), 0, dt.float64), y), y),
        *gradient(OPS["abs"](z), z),
        *gradient(OPS["sign"](z), z),
    ]
    for value in engine(nodes, zero):
        np.testing.assert_array_equal(value, [0])


def test_gradients_follow_the_conjugate_convention(engine):
    """Ascending a real loss along the gradient: of |z|^2 it is 2z, of the real part 1, of the imaginary part i."""
    z = placeholder((2,), dt.complex128)
    array = np.array([3 + 4j, -1j])
    size = OPS["abs"](z)
    found = engine([*gradient(size * size, z), *gradient(OPS["real"](z), z), *gradient(OPS["imag"](z), z)], {z: array})
    np.testing.assert_allclose(found[0], 2 * array)
    np.testing.assert_array_equal(found[1:], [[1, 1], [1j, 1j]])


@pytest.mark.parametrize("dtype", [dt.uint8, dt.int8, dt.uint64, dt.int32], ids=lambda d: d.name)
def test_an_index_type_smaller_than_the_axis_picks_and_adds_right(engine, dtype):
    x, index = placeholder((300,), dt.float32), placeholder((3,), dtype)
    numbers = np.arange(300, dtype=np.float32)
    taken = OPS["take"](x, index, axis=0)
    added = OPS["scatter_add"](full((300,), 0, dt.float32), index, taken, axis=0)
    first, second = engine([taken, added], {x: numbers, index: np.array([0, 100, 127], dtype.numpy)})
    np.testing.assert_array_equal(first, [0, 100, 127])
    assert np.flatnonzero(second).tolist() == [100, 127]


def test_an_index_outside_goes_to_the_nearest_end(engine):
    x, low, high = placeholder((4,), dt.float32), placeholder((2,), dt.int64), placeholder((1,), dt.uint64)
    env = {x: np.float32([10, 11, 12, 13]), low: np.array([-9, 9]), high: np.array([2**64 - 1], np.uint64)}
    a, b = engine([OPS["take"](x, low, axis=0), OPS["take"](x, high, axis=0)], env)
    assert a.tolist() == [10, 13]
    assert b.tolist() == [13]


def test_integer_powers_wrap_and_drop_fractions(engine):
    x, n = placeholder((7,), dt.int32), placeholder((7,), dt.int32)
    env = {x: np.int32([3, 3, 2, 1, -1, -1, 0]), n: np.int32([21, -2, -1, -5, -3, -4, 0])}
    found = engine([OPS["power"](x, n)], env)[0]
    assert found.tolist() == [3**21 - 2 * 2**32 - (2**32 if 3**21 - 2 * 2**32 >= 2**31 else 0), 0, 0, 1, -1, 1, 1]


@pytest.mark.parametrize("source", [dt.float32, dt.float64], ids=lambda d: d.name)
def test_casts_saturate_and_make_nan_zero(engine, source):
    x = placeholder((6,), source)
    array = np.array([NAN, INF, -INF, 1e30, -1e30, -1.9], source.numpy)
    for target in (dt.int8, dt.uint8, dt.int32, dt.uint32, dt.int64, dt.uint64):
        low, high = np.iinfo(target.numpy).min, np.iinfo(target.numpy).max
        found = engine([OPS["cast"](x, dtype=target)], {x: array})[0]
        assert found.tolist() == [0, high, low, high, low, -1 if low else 0]


def test_casts_to_bfloat16_round_to_even_and_back(engine):
    x = placeholder((5,), dt.float32)
    array = np.float32([1.0, 1 + 2**-8, 1 + 3 * 2**-8, INF, NAN])
    back = OPS["cast"](OPS["cast"](x, dtype=dt.bfloat16), dtype=dt.float32)
    np.testing.assert_array_equal(engine([back], {x: array})[0], [1.0, 1.0, 1 + 4 * 2**-8, INF, NAN])


def test_ramps_of_half_types_count_right(engine):
    for dtype in (dt.float16, dt.bfloat16):
        ramp = OPS["iota"](shape=(2, 100), axis=1, dtype=dtype)
        found = engine([OPS["cast"](ramp, dtype=dt.float32)], {})[0]
        np.testing.assert_array_equal(found, np.tile(np.arange(100), (2, 1)))


def test_extremes_of_nothing_are_refused_and_sums_of_nothing_are_zero(engine):
    x = placeholder((0, 3), dt.float32)
    with pytest.raises(ShapeError, match=r"no elements.*\(0, 3\)"):
        OPS["max"](x, axes=(0,))
    assert OPS["max"](x, axes=(1,)).shape == (0, 1)
    found = engine([OPS["sum"](x, axes=(0,)), OPS["prod"](x, axes=(0,))], {x: np.zeros((0, 3), np.float32)})
    np.testing.assert_array_equal(found, [[[0, 0, 0]], [[1, 1, 1]]])


def test_halves_have_no_neighbours_and_no_complex_partner():
    h = placeholder((2,), dt.float16)
    with pytest.raises(DTypeError, match="float16"):
        OPS["nextafter"](h, h)
    with pytest.raises(DTypeError, match="float16"):
        OPS["complex"](h, h)


def test_a_complex_number_of_infinite_parts_has_no_nan(engine):
    x, y = placeholder((2,), dt.float64), placeholder((2,), dt.float64)
    env = {x: np.array([1.0, INF]), y: np.array([INF, 2.0])}
    z = engine([OPS["complex"](x, y)], env)[0]
    np.testing.assert_array_equal(z.real, env[x])
    np.testing.assert_array_equal(z.imag, env[y])


def test_a_very_deep_graph_is_walked_and_freed():
    """Depth is no recursion: 50 000 nodes in a row are evaluated, differentiated and let go."""
    x = placeholder((), dt.float64)
    node = x
    for _ in range(50_000):
        node = node + 1.0
    assert float(evaluate([node], {x: np.float64(0)})[0]) == 50_000
    assert gradient(node, x)[0] is full((), 1, dt.float64)
    assert len(topological([node])) == 50_002
    del node
