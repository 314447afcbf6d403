"""The functions of the namespace agree with NumPy, promote as the standard says, and refuse what they do not take."""

import math

import numpy as np
import pytest
import scipy.special
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import saltus as sl
from saltus.base.errors import ArgumentError, AxisError, DTypeError, ShapeError

# name -> (NumPy's function, lowest operand, highest operand)
ONE = {
    "abs": (np.abs, -3, 3), "acos": (np.arccos, -1, 1), "acosh": (np.arccosh, 1, 9), "asin": (np.arcsin, -1, 1),
    "asinh": (np.arcsinh, -9, 9), "atan": (np.arctan, -9, 9), "atanh": (np.arctanh, -0.9, 0.9), "cbrt": (np.cbrt, -9, 9),
    "ceil": (np.ceil, -9, 9), "cos": (np.cos, -9, 9), "cosh": (np.cosh, -5, 5), "erf": (scipy.special.erf, -3, 3),
    "erfc": (scipy.special.erfc, -3, 6), "erfinv": (scipy.special.erfinv, -0.99, 0.99), "exp": (np.exp, -9, 9),
    "exp2": (np.exp2, -9, 9), "expm1": (np.expm1, -5, 5), "floor": (np.floor, -9, 9), "log": (np.log, 0.01, 99),
    "log10": (np.log10, 0.01, 99), "log1p": (np.log1p, -0.9, 9), "log2": (np.log2, 0.01, 99), "negative": (np.negative, -3, 3),
    "positive": (np.positive, -3, 3), "reciprocal": (np.reciprocal, 0.5, 3), "round": (np.round, -9, 9), "sign": (np.sign, -3, 3),
    "relu": (lambda x: np.maximum(x, 0), -3, 3), "rsqrt": (lambda x: 1 / np.sqrt(x), 0.1, 9), "sigmoid": (scipy.special.expit, -9, 9),
    "sin": (np.sin, -9, 9), "sinh": (np.sinh, -5, 5), "softplus": (lambda x: np.logaddexp(x, 0), -9, 9), "sqrt": (np.sqrt, 0, 9),
    "square": (np.square, -3, 3), "tan": (np.tan, -1.4, 1.4), "tanh": (np.tanh, -5, 5), "trunc": (np.trunc, -9, 9),
    "isfinite": (np.isfinite, -1, 1), "isinf": (np.isinf, -1, 1), "isnan": (np.isnan, -1, 1), "signbit": (np.signbit, -1, 1),
    "gelu": (lambda x: x * (1 + scipy.special.erf(x / math.sqrt(2))) / 2, -4, 4), "silu": (lambda x: x * scipy.special.expit(x), -9, 9),
}  # fmt: skip
TWO = {
    "add": np.add, "atan2": np.arctan2, "copysign": np.copysign, "divide": np.divide, "equal": np.equal, "greater": np.greater,
    "greater_equal": np.greater_equal, "hypot": np.hypot, "less": np.less, "less_equal": np.less_equal, "logaddexp": np.logaddexp,
    "maximum": np.maximum, "minimum": np.minimum, "multiply": np.multiply, "not_equal": np.not_equal, "remainder": np.remainder,
    "subtract": np.subtract, "floor_divide": np.floor_divide, "nextafter": np.nextafter,
}  # fmt: skip
NUMERIC = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "float32", "float64", "complex64", "complex128"]
RANDOM = np.random.default_rng(0)


def numbers(low, high, shape, dtype="float32"):
    return RANDOM.uniform(low, high, shape).astype(dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ONE)
def test_functions_of_one_operand_agree_with_numpy(name, dtype):
    expected, low, high = ONE[name]
    x = numbers(low, high, (3, 17), dtype)
    found = np.asarray(getattr(sl, name)(sl.asarray(x)))
    wanted = expected(x)
    assert found.dtype == wanted.astype(dtype if wanted.dtype != bool else bool).dtype
    np.testing.assert_allclose(found, wanted, rtol=2e-5 if dtype == "float32" else 1e-12, atol=1e-6 if dtype == "float32" else 1e-14)


@pytest.mark.parametrize("name", TWO)
def test_functions_of_two_operands_broadcast_and_agree_with_numpy(name):
    a, b = numbers(-3, 3, (4, 1, 5)), numbers(0.5, 3, (3, 1))
    found = np.asarray(getattr(sl, name)(sl.asarray(a), sl.asarray(b)))
    np.testing.assert_allclose(found, TWO[name](a, b), rtol=2e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (lambda x: x + 1, "float32"), (lambda x: 2 * x, "float32"), (lambda x: 1.5 - x, "float32"), (lambda x: x / 2, "float32"),
        (lambda x: x**2, "float32"), (lambda x: 2.0**x, "float32"), (lambda x: x * 1j, "complex64"), (lambda x: x // 2, "float32"),
        (lambda x: x % 2, "float32"), (lambda x: x > 0, "bool"), (lambda x: -x, "float32"), (lambda x: abs(x), "float32"),
        (lambda x: x @ x, "float32"), (lambda x: x.astype("int8") + 1, "int8"), (lambda x: x.astype("int32") + 1.5, "float32"),
        (lambda x: x.astype("int64") / 2, "float32"), (lambda x: x.astype("float16") + 1.0, "float16"),
        (lambda x: x.astype("float64") * 0.1, "float64"), (lambda x: x.astype("bfloat16") + x.astype("float16"), "float32"),
        (lambda x: x + np.float64(1), "float32"), (lambda x: x + np.float32(1), "float32"), (lambda x: (x > 0) & True, "bool"),
        (lambda x: ~(x > 0), "bool"), (lambda x: x.astype("uint8") << 1, "uint8"),
        (lambda x: x.astype("int8") + sl.ones(2, dtype="uint8"), "int16"),
    ],
)  # fmt: skip
def test_types_of_expressions(expression, expected):
    assert expression(sl.ones(2)).dtype == expected


@given(st.sampled_from(NUMERIC),
       st.sampled_from(NUMERIC))  # fmt: skip
def test_promotion_follows_numpy_where_the_standard_defines_it(a, b):
    floating = {d[0] for d in (a, b)} & set("fc")
    whole = {d[0] for d in (a, b)} & set("iu")
    found = (sl.ones(1, dtype=a) + sl.ones(1, dtype=b)).dtype.name
    if floating and whole:  # NumPy goes to float64; here the float stays as it is
        assert found == next(d for d in (a, b) if d[0] in "fc")
    else:
        assert found == np.promote_types(a, b).name
    assert sl.result_type(sl.ones(1, dtype=a), b).name == found


class TestRefusals:
    def test_bools_do_not_mix_with_numbers(self):
        flags = sl.asarray([True, False])
        for wrong in (lambda: flags + 1, lambda: flags * sl.ones(2), lambda: -flags, lambda: sl.ones(2) + True):
            with pytest.raises(DTypeError):
                wrong()

    def test_float_functions_do_not_take_integers(self):
        with pytest.raises(DTypeError, match="exp does not take int64") as error:
            sl.exp(sl.asarray([1, 2]))
        assert "test_functions.py" in str(error.value)

    def test_shapes_that_do_not_fit_are_shown(self):
        with pytest.raises(ShapeError, match=r"add: shapes \(2, 3\) and \(4,\) do not fit together"):
            sl.ones((2, 3)) + sl.ones(4)

    def test_numbers_outside_the_type_are_refused(self):
        with pytest.raises(ArgumentError, match="300 does not fit uint8"):
            sl.ones(2, dtype="uint8") + 300

    def test_matmul_names_the_inner_lengths(self):
        with pytest.raises(ShapeError, match=r"inner lengths differ, 3 .* and 4"):
            sl.ones((2, 3)) @ sl.ones((4, 5))

    def test_axes_that_do_not_exist(self):
        for wrong in (lambda: sl.sum(sl.ones(3), axis=1), lambda: sl.softmax(sl.ones(3), axis=-2), lambda: sl.flip(sl.ones(3), axis=5)):
            with pytest.raises(AxisError, match="does not exist; there are 1 axes"):
                wrong()

    def test_an_operator_with_something_foreign_is_a_type_error(self):
        with pytest.raises(TypeError, match="unsupported operand"):
            sl.ones(2) + "a"
        with pytest.raises(TypeError):
            assert sl.ones(2) < [1, 2]

    def test_in_place_operators_keep_type_and_shape(self):
        x = sl.ones(2)
        x += 1
        assert x.tolist() == [2, 2]
        whole = sl.ones(2, dtype="int32")
        with pytest.raises(ArgumentError, match="write x = x /"):
            whole /= 2
        with pytest.raises(ArgumentError, match=r"shape \(3, 2\)"):
            x += sl.ones((3, 2))


class TestMovement:
    def test_shapes(self):
        x = sl.arange(24).reshape(2, 3, 4)
        array = np.arange(24).reshape(2, 3, 4)
        pairs = [
            (x.reshape((4, -1)), array.reshape(4, -1)), (x.mT, array.swapaxes(1, 2)), (x.flatten(), array.ravel()),
            (sl.permute_dims(x, (2, 0, 1)), array.transpose(2, 0, 1)), (sl.moveaxis(x, 0, -1), np.moveaxis(array, 0, -1)),
            (sl.swapaxes(x, 0, 2), array.swapaxes(0, 2)), (sl.flip(x, axis=(0, 2)), np.flip(array, (0, 2))),
            (sl.roll(x, (1, -2), axis=(0, 2)), np.roll(array, (1, -2), (0, 2))), (sl.roll(x, 5), np.roll(array, 5)),
            (sl.tile(x, (2, 1, 1, 3)), np.tile(array, (2, 1, 1, 3))), (sl.repeat(x, 2, axis=1), np.repeat(array, 2, 1)),
            (sl.repeat(x, sl.asarray([0, 2, 1]), axis=1), np.repeat(array, [0, 2, 1], 1)),
            (sl.concat([x, x * 2], axis=-1), np.concatenate([array, array * 2], -1)),
            (sl.stack([x, x], axis=1), np.stack([array, array], 1)),
            (sl.pad(x, ((1, 0), (0, 2), (1, 1)), value=7), np.pad(array, ((1, 0), (0, 2), (1, 1)), constant_values=7)),
            (sl.expand_dims(x, (0, -1)), array[None, ..., None]), (sl.squeeze(x[:1], 0), array[0]),
            (sl.split(x, 2, axis=2)[1], array[..., 2:]),
            (sl.split(x, [1, 3], axis=2)[1], array[..., 1:3]), (sl.unstack(x, axis=1)[2], array[:, 2]), (x.transpose(), array.T),
        ]  # fmt: skip
        for found, expected in pairs:
            np.testing.assert_array_equal(np.asarray(found), expected)

    def test_concat_promotes(self):
        assert sl.concat([sl.ones(1, dtype="int8"), sl.ones(1, dtype="float64")]).dtype == sl.float64

    @pytest.mark.parametrize(
        ("wrong", "words"),
        [
            (lambda x: x.reshape(5), "cannot reshape"), (lambda x: x.reshape(-1, -1), "only one length"),
            (lambda x: x.reshape(4, -1), "do not fill"),
            (lambda x: sl.squeeze(x, 0), "has length 2"), (lambda x: sl.stack([x, x[0]]), "equal shapes"),
            (lambda x: sl.concat([x, x[:, :1]]), "differ outside axis 0"), (lambda x: sl.permute_dims(x, (0, 0)), "not an order"),
            (lambda x: sl.broadcast_to(x, (2, 4)), "cannot broadcast"), (lambda x: sl.split(x, 2, axis=1), "not 2 equal parts"),
        ],
    )  # fmt: skip
    def test_refusals(self, wrong, words):
        with pytest.raises(ShapeError, match=words):
            wrong(sl.zeros((2, 3)))


class TestReductions:
    @pytest.mark.parametrize("axis", [None, 0, -1, (0, 2), ()])
    @pytest.mark.parametrize("keepdims", [False, True])
    @pytest.mark.parametrize("name", ["sum", "prod", "max", "min", "mean", "var", "std"])
    def test_agree_with_numpy(self, name, axis, keepdims):
        x = numbers(0.5, 1.5, (2, 3, 4))
        found = getattr(sl, name)(sl.asarray(x), axis=axis, keepdims=keepdims)
        np.testing.assert_allclose(np.asarray(found), getattr(np, name)(x, axis=axis, keepdims=keepdims), rtol=1e-5, atol=1e-6)

    def test_small_integers_add_up_in_64_bits(self):
        assert int(sl.sum(sl.full(300, 100, dtype="int8"))) == 30000
        assert sl.sum(sl.ones(2, dtype="uint8")).dtype == sl.uint64
        assert sl.sum(sl.asarray([True, True])).item() == 2

    def test_the_mean_of_hits_is_a_share(self):
        assert float((sl.arange(4) < 1).mean()) == 0.25

    def test_correction_of_the_variance(self):
        x = numbers(0, 1, 10)
        np.testing.assert_allclose(float(sl.var(sl.asarray(x), correction=1)), np.var(x, ddof=1), rtol=1e-5)

    def test_positions_of_extremes(self):
        x = np.array([[1.0, 5.0, 5.0], [np.nan, 2.0, 9.0]], np.float32)
        assert sl.argmax(sl.asarray(x), axis=1).tolist() == [1, 0]
        assert int(sl.argmin(sl.asarray(x[0]))) == 0
        assert sl.argmax(sl.asarray(x), axis=0, keepdims=True).shape == (1, 3)

    def test_running_sums(self):
        x = numbers(0, 1, (3, 4))
        np.testing.assert_allclose(np.asarray(sl.cumulative_sum(sl.asarray(x), axis=1)), np.cumsum(x, 1), rtol=1e-5)
        assert sl.cumulative_prod(sl.asarray([2, 3]), include_initial=True).tolist() == [1, 2, 6]

    def test_empty_arrays(self):
        assert float(sl.sum(sl.zeros(0))) == 0
        assert bool(sl.all(sl.zeros(0)))
        assert math.isnan(float(sl.mean(sl.zeros(0))))
        with pytest.raises(ShapeError, match="empty"):
            sl.max(sl.zeros((0, 3)), axis=0)

    def test_differences(self):
        x = numbers(0, 1, (3, 5))
        np.testing.assert_allclose(np.asarray(sl.diff(sl.asarray(x), n=2)), np.diff(x, n=2), atol=1e-6)
        assert sl.diff(sl.asarray([1, 4]), prepend=sl.asarray([0]), append=sl.asarray([9])).tolist() == [1, 3, 5]


class TestOrder:
    @given(hnp.arrays(np.float32, hnp.array_shapes(max_dims=3, max_side=6), elements=st.floats(-9, 9, width=32)), st.booleans())
    def test_sorting_agrees_with_numpy(self, x, descending):
        expected = -np.sort(-x, axis=-1) if descending else np.sort(x, axis=-1)
        np.testing.assert_array_equal(np.asarray(sl.sort(sl.asarray(x), descending=descending)), expected)
        order = sl.argsort(sl.asarray(x), descending=descending)
        np.testing.assert_array_equal(np.take_along_axis(x, np.asarray(order), -1), expected)

    def test_top_k_and_its_gradient(self):
        x = sl.asarray([3.0, 1.0, 2.0])
        values, indices = sl.top_k(x, 2)
        assert (values.tolist(), indices.tolist()) == ([3, 2], [0, 2])
        assert sl.grad(lambda x: (sl.top_k(x, 2).values * sl.asarray([1.0, 10.0])).sum())(x).tolist() == [1, 0, 10]

    def test_searchsorted_and_nonzero_and_unique(self):
        assert sl.searchsorted(sl.asarray([1.0, 3.0]), sl.asarray([3.0]), side="right").tolist() == [2]
        assert [p.tolist() for p in sl.nonzero(sl.asarray([[0, 2], [3, 0]]))] == [[0, 1], [1, 0]]
        values, indices, inverse, counts = sl.unique_all(sl.asarray([[3, 1], [3, 2]]))
        assert (values.tolist(), indices.tolist(), inverse.tolist(), counts.tolist()) == ([1, 2, 3], [1, 3, 0], [[2, 0], [2, 1]], [1, 1, 2])
        assert sl.unique_values(sl.asarray([math.nan, math.nan])).shape == (2,)

    def test_lengths_that_depend_on_values_have_no_place_in_a_capture(self):
        with pytest.raises(TypeError, match="only its shape and type are known"):
            sl.jit(sl.nonzero)(sl.ones(3))


class TestNetworksFunctions:
    def test_softmax_and_kin_survive_large_numbers(self):
        x = sl.asarray([[1000.0, 1001.0], [-1000.0, -1000.0]])
        expected = scipy.special.softmax(np.asarray(x), axis=-1)
        np.testing.assert_allclose(np.asarray(sl.softmax(x)), expected, rtol=1e-6)
        np.testing.assert_allclose(np.asarray(sl.log_softmax(x)), scipy.special.log_softmax(np.asarray(x), axis=-1), rtol=1e-6)
        np.testing.assert_allclose(np.asarray(sl.logsumexp(x, axis=-1)), scipy.special.logsumexp(np.asarray(x), axis=-1), rtol=1e-6)
        assert float(sl.logsumexp(sl.asarray([-math.inf, -math.inf]))) == -math.inf

    def test_one_hot_leaves_out_what_is_outside(self):
        assert sl.one_hot(sl.asarray([1, 5]), 3).tolist() == [[0, 1, 0], [0, 0, 0]]

    def test_clip_keeps_the_type(self):
        assert sl.clip(sl.asarray([-5, 5]), -1, 1).tolist() == [-1, 1]
        assert sl.clip(sl.asarray([-5.0, 5.0]), max=2.0).tolist() == [-5, 2]
        assert sl.clip(sl.zeros(2, dtype="float16"), 0, 1).dtype == sl.float16

    def test_products(self):
        a, b = numbers(-1, 1, (2, 3, 4)), numbers(-1, 1, (4, 5))
        for left, right in ((a, b), (a[0], b), (a[0, 0], b), (a[0], b[:, 0]), (a[0, 0], b[:, 0]), (a, numbers(-1, 1, (2, 4, 3)))):
            np.testing.assert_allclose(np.asarray(sl.asarray(left) @ sl.asarray(right)), left @ right, atol=1e-6)
        np.testing.assert_allclose(np.asarray(sl.asarray(b).mT @ sl.asarray(a[0]).T), b.T @ a[0].T, atol=1e-6)
        np.testing.assert_allclose(
            np.asarray(sl.tensordot(sl.asarray(a), sl.asarray(b), axes=((2,), (0,)))), np.tensordot(a, b, ((2,), (0,))), atol=1e-6
        )

    def test_linear_algebra_and_fourier(self):
        a = numbers(-1, 1, (3, 3)) + 3 * np.eye(3, dtype=np.float32)
        x = sl.asarray(a)
        np.testing.assert_allclose(np.asarray(sl.linalg.inv(x) @ x), np.eye(3), atol=1e-5)
        np.testing.assert_allclose(np.asarray(sl.linalg.solve(x, sl.ones(3))), np.linalg.solve(a, np.ones(3)), rtol=1e-4)
        np.testing.assert_allclose(float(sl.linalg.det(x)), np.linalg.det(a), rtol=1e-4)
        np.testing.assert_allclose(np.asarray(sl.fft.irfft(sl.fft.rfft(x[0]), n=3)), a[0], atol=1e-6)
        np.testing.assert_allclose(np.asarray(sl.fft.fftfreq(5)), np.fft.fftfreq(5), atol=1e-7)
        with pytest.raises(ArgumentError, match="singular"):
            np.asarray(sl.linalg.inv(sl.zeros((2, 2))))


class TestCreation:
    @given(st.integers(-20, 20), st.integers(-20, 20), st.integers(-5, 5).filter(bool))
    def test_arange_of_whole_numbers(self, start, stop, step):
        assert sl.arange(start, stop, step).tolist() == list(range(start, stop, step))

    def test_ramps_and_grids(self):
        np.testing.assert_allclose(np.asarray(sl.arange(0, 1, 0.1)), np.arange(0, 1, 0.1), atol=1e-6)
        np.testing.assert_allclose(np.asarray(sl.linspace(0, 1, 7, endpoint=False)), np.linspace(0, 1, 7, endpoint=False), atol=1e-7)
        np.testing.assert_array_equal(np.asarray(sl.eye(3, 4, k=1)), np.eye(3, 4, 1))
        np.testing.assert_array_equal(np.asarray(sl.tril(sl.ones((3, 3)), k=-1)), np.tril(np.ones((3, 3)), -1))
        assert [g.shape for g in sl.meshgrid(sl.arange(2), sl.arange(3), indexing="ij")] == [(2, 3), (2, 3)]

    def test_refusals(self):
        with pytest.raises(ArgumentError, match="step must not be 0"):
            sl.arange(0, 3, 0)
        with pytest.raises(ShapeError, match="negative"):
            sl.zeros((2, -1))
        with pytest.raises(ShapeError, match="whole numbers"):
            sl.zeros(2.5)
