"""Named formulas against SciPy and NumPy, at ordinary numbers and where a naive formula fails."""

import math

import numpy as np
import pytest
from scipy import special

from saltus.base import dtypes as dt
from saltus.ir.differentiate import backward
from saltus.ir.node import full, placeholder
from saltus.ops import complex, composite, gather

INF, NAN = math.inf, math.nan
ROWS = {
    "ordinary": [0.3, -1.2, 2.5, 0.0],
    "large": [1e4, 9.99e3, -1e4, 1e4 - 3],
    "huge": [3e38, 1e38, -3e38, 0.0],
    "tiny": [1e-30, 2e-30, -1e-38, 0.0],
    "one excluded": [-INF, 1.0, 2.0, -1.0],
    "all but one excluded": [-INF, -INF, 5.0, -INF],
    "equal": [7.0, 7.0, 7.0, 7.0],
    "with NaN": [NAN, 1.0, 2.0, 3.0],
}


@pytest.fixture(params=[dt.float32, dt.float64], ids=lambda d: d.name)
def on_rows(request, engine):
    """Applies a formula to the rows above: on_rows(formula) -> (result, the rows in float64)."""
    dtype = request.param

    def run(formula):
        x = np.array(list(ROWS.values()), dtype.numpy)
        node = placeholder(x.shape, dtype)
        return engine([formula(node)], {node: x})[0], x.astype(np.float64)

    return run


def agree(found, expected, *, units=4, but=()):
    """Equal to a few units in the last place of the largest number of each row; NaN and infinities in place."""
    eps = np.finfo(found.dtype).eps
    for name, a, e in zip(ROWS, found, expected, strict=True):
        if name in but:
            continue
        with np.errstate(over="ignore"):
            e = e.astype(found.dtype).astype(np.float64)
        size = np.abs(e[np.isfinite(e)]).max(initial=0.0)
        np.testing.assert_allclose(a, e, rtol=units * eps, atol=units * eps * size, err_msg=name)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # SciPy's own, at the rows with infinities and NaN
def test_softmax_and_log_softmax_are_scipys(on_rows):
    found, x = on_rows(lambda a: composite.softmax(a, (1,)))
    agree(found, special.softmax(x, axis=1), units=16)
    found, x = on_rows(lambda a: composite.log_softmax(a, (1,)))
    agree(found, special.log_softmax(x, axis=1), units=16)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_logsumexp_is_scipys(on_rows):
    found, x = on_rows(lambda a: composite.logsumexp(a, (1,)))
    agree(found, special.logsumexp(x, axis=1, keepdims=True), units=16)


def test_logsumexp_of_nothing_but_minus_infinity_is_minus_infinity(engine):
    x = placeholder((2, 3), dt.float32)
    rows = np.array([[-INF] * 3, [INF, 0, 1]], np.float32)
    np.testing.assert_array_equal(engine([composite.logsumexp(x, (1,))], {x: rows})[0], [[-INF], [INF]])


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_gelu_is_its_definition(on_rows):
    found, x = on_rows(composite.gelu)
    agree(found, x * special.ndtr(x), units=16)
    found, x = on_rows(lambda a: composite.gelu(a, approximate=True))
    agree(found, 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))), units=16)


def test_silu_is_its_definition(on_rows):
    found, x = on_rows(composite.silu)
    with np.errstate(invalid="ignore"):
        agree(found, x * special.expit(x))


def test_mean_and_variance_are_numpys(on_rows):
    """Where a sum may overflow on the way, it depends on the order whether it does."""
    with np.errstate(invalid="ignore", over="ignore"):
        found, x = on_rows(lambda a: composite.mean(a, (1,)))
        agree(found, np.mean(x, axis=1, keepdims=True), but=("huge",))
        for correction in (0, 1):
            found, x = on_rows(lambda a, c=correction: composite.variance(a, (1,), c))
            agree(found, np.var(x, axis=1, ddof=correction, keepdims=True), but=("huge",))


@pytest.mark.parametrize("value", [3.0, 0.1, 1e-20, 7e30])
@pytest.mark.parametrize("count", [3, 49, 1000])
def test_the_mean_of_equal_numbers_is_that_number_and_its_variance_nothing(engine, value, count):
    x = placeholder((count,), dt.float64)
    mean, variance = engine([composite.mean(x, (0,)), composite.variance(x, (0,))], {x: np.full(count, value)})
    np.testing.assert_allclose(mean, value, rtol=1e-14)
    assert variance[0] <= (1e-14 * value) ** 2


def test_a_large_offset_does_not_swallow_the_variance(engine):
    x = placeholder((1000,), dt.float32)
    numbers = (1e4 + np.random.default_rng(0).standard_normal(1000)).astype(np.float32)
    found = engine([composite.variance(x, (0,))], {x: numbers})[0]
    np.testing.assert_allclose(found, np.var(numbers.astype(np.float64)), rtol=1e-3)


def test_statistics_of_half_types_are_computed_in_float32(engine):
    """100 000 ones add up to more than float16 holds; their mean is 1 all the same."""
    x = placeholder((100_000,), dt.float16)
    ones = np.ones(100_000, np.float16)
    mean, total = engine([composite.mean(x, (0,)), composite.logsumexp(x, (0,))], {x: ones})
    assert mean[0] == 1
    assert total[0] == np.float16(1 + math.log(100_000))


def test_nothing_has_a_mean_of_nan(engine):
    x = placeholder((0, 3), dt.float32)
    env = {x: np.zeros((0, 3), np.float32)}
    mean, variance = engine([composite.mean(x, (0,)), composite.variance(x, (0,), 1.0)], env)
    assert np.isnan(mean).all()
    assert np.isnan(variance).all()


def test_argmax_takes_the_first_and_counts_nan_as_largest(engine):
    x = placeholder((4, 4), dt.float32)
    rows = np.array([[1, 3, 3, 2], [NAN, 5, 6, 7], [0, NAN, NAN, 9], [-INF] * 4], np.float32)
    largest, smallest = engine([composite.argmax(x, 1), composite.argmax(x, 1, smallest=True)], {x: rows})
    np.testing.assert_array_equal(largest.ravel(), np.argmax(rows, 1))
    np.testing.assert_array_equal(smallest.ravel(), np.argmin(rows, 1))


@pytest.mark.parametrize(
    "formula",
    [
        lambda a: composite.softmax(a, (1,)),
        lambda a: composite.log_softmax(a, (0, 1)),
        lambda a: composite.logsumexp(a, (0,)),
        composite.gelu,
        lambda a: composite.gelu(a, approximate=True),
        composite.silu,
        lambda a: composite.mean(a, (1,)),
        lambda a: composite.variance(a, (0,), 1.0),
        lambda a: composite.clip(a, full(a.shape, -0.5, a.dtype), full(a.shape, 0.5, a.dtype)),
    ],
)
def test_gradients_of_formulas(check_gradient, formula):
    x = placeholder((3, 4), dt.float64)
    numbers = np.random.default_rng(5).uniform(-2, 2, (3, 4))
    assert check_gradient([formula(x)], {x: numbers}, what="formula", order=2) == 1


def test_the_gradient_of_softmax_is_finite_at_excluded_places(engine):
    x, g = placeholder((2, 4), dt.float32), placeholder((2, 4), dt.float32)
    rows = np.array([ROWS["one excluded"], ROWS["all but one excluded"]], np.float32)
    for formula in (composite.softmax, composite.log_softmax):
        found = backward([formula(x, (1,))], [g], [x])[0]
        value = engine([found], {x: rows, g: np.float32([[0, 1, 2, 3], [0, 0, 1, 0]])})[0]
        assert np.isfinite(value).all()


def test_clip_passes_the_gradient_inside_and_at_the_bounds(engine):
    x = placeholder((5,), dt.float32)
    out = composite.clip(x, full((5,), -1, dt.float32), full((5,), 1, dt.float32))
    env = {x: np.float32([-2, -1, 0.5, 1, NAN])}
    value, gradient = engine([out, backward([out], [full((5,), 1, dt.float32)], [x])[0]], env)
    np.testing.assert_array_equal(value, [-1, -1, 0.5, 1, NAN])
    np.testing.assert_array_equal(gradient, [0, 1, 1, 1, 1])


def test_one_hot_counts_classes_beyond_the_type_of_its_index(engine):
    index = placeholder((3,), dt.int8)
    found = engine([gather.one_hot(index, 300, dt.float32)], {index: np.int8([0, 44, -1])})[0]
    assert found.shape == (3, 300)
    assert [row.nonzero()[0].tolist() for row in found] == [[0], [44], []]


def test_the_angle_of_a_complex_number_is_numpys(engine, check_gradient):
    z = placeholder((6,), dt.complex128)
    numbers = np.array([1, 1j, -1, -1j, 3 - 4j, -0.5 + 0.1j])
    np.testing.assert_allclose(engine([complex.angle(z)], {z: numbers})[0], np.angle(numbers), rtol=1e-15)
    check_gradient([complex.angle(z)], {z: numbers * (1 + 0.3j)}, what="angle", order=2)
