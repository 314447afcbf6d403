"""Every activation computes what its formula says, has the derivative and range it claims, and agrees with another library."""

import functools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import saltus as sl
from saltus import nn
from saltus.base.errors import ArgumentError, DTypeError, ShapeError, UnknownNameError
from saltus.nn import activations
from saltus.nn.activations.formulas import NAMES

ROWS = ("softmax", "log_softmax", "sparsemax", "glu")
SINGLE = [n for n in NAMES if n not in ROWS]
POINTS = [-4.0, -1.5, -0.75, -0.25, 0.0, 0.25, 0.75, 1.5, 4.0]

# torch.nn.functional, PyTorch 2.13, on POINTS in float64, ten digits.
PYTORCH = {
    "relu": [0.0, 0.0, 0.0, 0.0, 0.0, 0.25, 0.75, 1.5, 4.0],
    "leaky_relu": [-0.04, -0.015, -0.0075, -0.0025, 0.0, 0.25, 0.75, 1.5, 4.0],
    "relu6": [0.0, 0.0, 0.0, 0.0, 0.0, 0.25, 0.75, 1.5, 4.0],
    "elu": [-0.9816843611, -0.7768698399, -0.5276334473, -0.2211992169, 0.0, 0.25, 0.75, 1.5, 4.0],
    "celu": [-0.9816843611, -0.7768698399, -0.5276334473, -0.2211992169, 0.0, 0.25, 0.75, 1.5, 4.0],
    "selu": [-1.725898628, -1.365814353, -0.9276320158, -0.3888901975, 0.0, 0.2626752468, 0.7880257405, 1.576051481, 4.202803949],
    "gelu": [-0.0001266849673, -0.1002108019, -0.1699705143, -0.1003234186, 0.0, 0.1496765814, 0.5800294857, 1.399789198, 3.999873315],
    "silu": [-0.07194483985, -0.2736382857, -0.2406159756, -0.1094558748, 0.0, 0.1405441252, 0.5093840244, 1.226361714, 3.92805516],
    "mish": [-0.07259174079, -0.2980997422, -0.2764947145, -0.1299269637, 0.0, 0.1695724097, 0.6100183352, 1.403378266, 3.997412807],
    "sigmoid": [0.01798620996, 0.1824255238, 0.3208213008, 0.4378234991, 0.5, 0.5621765009, 0.6791786992, 0.8175744762, 0.98201379],
    "log_sigmoid": [-4.018149928, -1.701413278, -1.136871006, -0.8259394199, -0.6931471806,
        -0.5759394199, -0.3868710061, -0.201413278, -0.01814992792],
    "tanh": [-0.9993292997, -0.9051482536, -0.6351489524, -0.2449186624, 0.0, 0.2449186624, 0.6351489524, 0.9051482536, 0.9993292997],
    "softplus": [0.01814992792, 0.201413278, 0.3868710061, 0.5759394199, 0.6931471806, 0.8259394199, 1.136871006, 1.701413278, 4.018149928],
    "softsign": [-0.8, -0.6, -0.4285714286, -0.2, 0.0, 0.2, 0.4285714286, 0.6, 0.8],
    "hard_sigmoid": [0.0, 0.25, 0.375, 0.4583333333, 0.5, 0.5416666667, 0.625, 0.75, 1.0],
    "hard_silu": [-0.0, -0.375, -0.28125, -0.1145833333, 0.0, 0.1354166667, 0.46875, 1.125, 4.0],
    "hard_tanh": [-1.0, -1.0, -0.75, -0.25, 0.0, 0.25, 0.75, 1.0, 1.0],
    "hard_shrink": [-4.0, -1.5, -0.75, 0.0, 0.0, 0.0, 0.75, 1.5, 4.0],
    "soft_shrink": [-3.5, -1.0, -0.25, 0.0, 0.0, 0.0, 0.25, 1.0, 3.5],
    "tanh_shrink": [-3.0006707, -0.5948517464, -0.1148510476, -0.005081337596, 0.0, 0.005081337596, 0.1148510476, 0.5948517464, 3.0006707],
    "softmax": [0.0002818940827, 0.00343417296, 0.007270144214, 0.01198644141, 0.01539089542,
        0.01976230091, 0.03258252586, 0.06897720779, 0.8403144174],
    "log_softmax": [-8.173979151, -5.673979151, -4.923979151, -4.423979151, -4.173979151,
        -3.923979151, -3.423979151, -2.673979151, -0.1739791508],
}  # fmt: skip

# The names that the Keras 3 documentation lists for activations.
KERAS = [
    "celu", "elu", "exponential", "gelu", "glu", "hard_shrink", "hard_sigmoid", "hard_silu", "hard_swish", "hard_tanh",
    "leaky_relu", "linear", "log_sigmoid", "log_softmax", "mish", "relu", "relu6", "selu", "sigmoid", "silu", "soft_shrink",
    "softmax", "softplus", "softsign", "sparse_plus", "sparse_sigmoid", "sparsemax", "squareplus", "swish", "tanh",
    "tanh_shrink", "threshold",
]  # fmt: skip


def doubles(values):
    return sl.asarray(np.asarray(values, "float64"))


@pytest.mark.parametrize("name", [*KERAS, "step"])
def test_every_name_is_known_and_described(name):
    found = activations.describe(name)
    assert activations.get(name) is activations.get(found.name)
    assert name == found.name or name in found.aliases
    text = str(found)
    assert found.formula in text
    assert found.derivative in text


@pytest.mark.parametrize("name", sorted(PYTORCH))
def test_values_equal_those_of_pytorch(name):
    np.testing.assert_allclose(activations.get(name)(doubles(POINTS)).numpy(), PYTORCH[name], rtol=1e-9, atol=1e-12)


def test_the_tanh_form_of_gelu_and_glu_equal_those_of_pytorch():
    # torch.nn.functional.gelu(approximate="tanh") and glu, as above
    expected = [-7.024594819e-05, -0.100428423, -0.1700394448, -0.1003246493, 0.0, 0.1496753507, 0.5799605552, 1.399571577, 3.999929754]
    np.testing.assert_allclose(activations.gelu(doubles(POINTS), approximate=True).numpy(), expected, rtol=1e-9)
    halves = activations.glu(doubles([-2.0, -0.5, 0.5, 1.0, 2.0, 3.0])).numpy()
    np.testing.assert_allclose(halves, [-1.4621171572600098, -0.44039853898894116, 0.4762870634112167], rtol=1e-9)


@pytest.mark.parametrize("name", SINGLE)
def test_derivatives_equal_differences_and_the_stated_formula(name):
    found = activations.describe(name)
    function = activations.get(name)
    x = np.linspace(-7.3, 7.3, 93)
    x = x[np.all(np.abs(x[:, None] - np.array([*found.kinks, 99.0])) > 1e-3, axis=1)]
    step = 1e-6
    differences = (function(doubles(x + step)).numpy() - function(doubles(x - step)).numpy()) / (2 * step)
    gradient = sl.grad(lambda v: function(v).sum())(doubles(x)).numpy()
    np.testing.assert_allclose(gradient, differences, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(np.broadcast_to(found.slope(doubles(x)).numpy(), x.shape), gradient, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ROWS)
def test_derivatives_of_rows_equal_differences(name, slopes):
    function = activations.get(name)
    x = np.array([[0.3, -0.2, 0.9, 0.15], [2.0, 0.1, -1.0, 0.4]])
    weight = np.arange(1.0, 9.0).reshape(2, 4)[:, : 2 if name == "glu" else 4]

    def total(v):
        return (function(v) * doubles(weight)).sum()

    gradient = sl.grad(total)(doubles(x)).numpy()
    np.testing.assert_allclose(gradient, slopes(lambda v: total(doubles(v)), x), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("name", NAMES)
def test_values_fill_the_stated_range(name):
    found = activations.describe(name)
    x = np.concatenate([-np.geomspace(700, 1e-3, 400), np.linspace(-3, 3, 20000), np.geomspace(1e-3, 700, 400)])
    rows = np.stack([x, np.full_like(x, 50.0)], axis=-1) if name == "glu" else np.stack([x, np.zeros_like(x)], axis=-1)
    y = activations.get(name)(doubles(rows if name in ROWS else x)).numpy()
    assert y.min() >= found.low - 1e-12
    assert y.max() <= found.high + 1e-12
    near = 1e-2  # softsign comes near its ends slowly
    assert y.min() < -5 if found.low == -np.inf else y.min() < found.low + near
    assert y.max() > 5 if found.high == np.inf else y.max() > found.high - near


@pytest.mark.parametrize("name", NAMES)
def test_extreme_inputs_give_no_nan_and_finite_slopes(name):
    function = activations.get(name)
    x = sl.asarray(np.array([[-80.0, -30.0, 30.0, 80.0]], "float32"))
    assert np.isfinite(function(x).numpy()).all()
    assert np.isfinite(sl.grad(lambda v: function(v).sum())(x).numpy()).all()


@given(st.floats(-30, 30))
def test_the_derivative_of_swish_is_y_plus_sigmoid_times_one_minus_y(x):
    y = float(activations.silu(doubles(x)))
    s = float(sl.sigmoid(doubles(x)))
    slope = float(sl.grad(lambda v: activations.silu(v))(doubles(x)))
    assert slope == pytest.approx(y + s * (1 - y), rel=1e-12, abs=1e-14)


def test_the_step_has_three_derivatives():
    x = doubles([-2.0, 0.0, 0.5])
    assert activations.step(x).tolist() == [0.0, 0.0, 1.0]
    gradient = {b: sl.grad(lambda v, b=b: activations.step(v, b).sum())(x).numpy() for b in ("zero", "straight_through", "sigmoid")}
    assert gradient["zero"].tolist() == [0.0, 0.0, 0.0]
    assert gradient["straight_through"].tolist() == [1.0, 1.0, 1.0]
    s = 1 / (1 + np.exp(-x.numpy()))
    np.testing.assert_allclose(gradient["sigmoid"], s * (1 - s), rtol=1e-12)


def test_a_network_of_steps_learns_through_a_surrogate(trained):
    x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], "float32")
    y = np.array([[0.0], [1.0], [1.0], [0.0]], "float32")
    network = nn.Sequential([nn.Dense(8, activation=activations.get("step", backward="sigmoid")), nn.Dense(1, activation="sigmoid")])
    params, state, _ = trained(network, "binary_crossentropy", x, y, steps=600, rate=1.0, seed=3)
    assert (nn.apply(network, params, state, x).output.numpy() > 0.5).astype(int).ravel().tolist() == [0, 1, 1, 0]


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=8))
def test_sparsemax_is_the_nearest_point_of_the_simplex(values):
    x = np.array(values)
    y = activations.sparsemax(doubles([x])).numpy()[0]
    assert y.sum() == pytest.approx(1, abs=1e-9)
    assert y.min() >= 0
    # optimality of the projection: x - y is the same for what is kept, and not larger for what became 0
    kept = y > 1e-12
    tau = (x - y)[kept].max()
    np.testing.assert_allclose((x - y)[kept], tau, atol=1e-9)
    assert (x[~kept] <= tau + 1e-9).all()


def test_sparsemax_keeps_all_of_equal_scores():
    np.testing.assert_allclose(activations.sparsemax(doubles([[1.0, 1.0, 1.0], [0.0, 3.0, 3.0]])).numpy(), [[1 / 3] * 3, [0, 0.5, 0.5]])


def test_softmax_and_sparsemax_take_another_axis():
    x = doubles(np.random.default_rng(0).normal(size=(4, 3)))
    for function in (activations.softmax, activations.sparsemax, activations.log_softmax):
        np.testing.assert_allclose(function(x, 0).numpy(), function(x.T).numpy().T, rtol=1e-12)


def test_options_reach_the_function_and_stay_with_the_layer():
    layer = nn.Dense(2, activation=activations.get("leaky_relu", negative_slope=0.5))
    assert layer == nn.from_config(nn.to_config(layer))
    assert layer == nn.Dense(2, activation=functools.partial(activations.leaky_relu, negative_slope=0.5))
    assert activations.get("leaky_relu", negative_slope=0.5)(doubles(-2.0)).item() == -1.0
    assert activations.relu(doubles([-1.0, 2.0, 9.0]), negative_slope=0.5, max_value=6.0).tolist() == [-0.5, 2.0, 6.0]


def test_a_misspelt_name_is_refused_with_the_nearest():
    with pytest.raises(UnknownNameError, match="unknown activation 'rleu'") as caught:
        nn.Dense(3, activation="rleu")
    assert "'relu'" in str(caught.value)
    assert "Dense: activation" in str(caught.value)


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: activations.get("elu", slope=2.0), ArgumentError, "elu has no option 'slope'"),
        (lambda: activations.get(3), ArgumentError, "must be a name or a function"),
        (lambda: activations.step(doubles(1.0), "round"), UnknownNameError, "backward"),
        (lambda: activations.gelu(sl.asarray([1, 2])), DTypeError, "takes real floats, got int64"),
        (lambda: activations.glu(doubles([1.0, 2.0, 3.0])), ShapeError, "length is odd"),
        (lambda: activations.softmax(doubles(1.0)), ShapeError, r"has the shape \(\)"),
        (lambda: activations.describe("step_up"), UnknownNameError, "step"),
    ],
)
def test_wrong_use_is_refused(make, error, words):
    with pytest.raises(error, match=words):
        make()
