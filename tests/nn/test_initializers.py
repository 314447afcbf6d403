"""First values have the spread their rule states, differ from place to place, and repeat with the same key."""

import math

import numpy as np
import pytest

import saltus as sl
from saltus import nn
from saltus.base.errors import ArgumentError, ShapeError, UnknownNameError
from saltus.nn import initializers

SHAPE = (400, 300)


def made(given, shape=SHAPE, seed=0, dtype="float32"):
    return initializers.get(given)(sl.random.key(seed), shape, dtype).numpy()


@pytest.mark.parametrize(
    ("name", "variance", "bound"),
    [
        ("glorot_uniform", 2 / 700, math.sqrt(6 / 700)),
        ("xavier_uniform", 2 / 700, math.sqrt(6 / 700)),
        ("he_uniform", 2 / 400, math.sqrt(6 / 400)),
        ("lecun_uniform", 1 / 400, math.sqrt(3 / 400)),
        ("glorot_normal", 2 / 700, 2 * math.sqrt(2 / 700) / 0.8796),
        ("xavier_normal", 2 / 700, 2 * math.sqrt(2 / 700) / 0.8796),
        ("he_normal", 2 / 400, 2 * math.sqrt(2 / 400) / 0.8796),
        ("kaiming_normal", 2 / 400, 2 * math.sqrt(2 / 400) / 0.8796),
        ("lecun_normal", 1 / 400, 2 * math.sqrt(1 / 400) / 0.8796),
        ("random_normal", 0.05**2, math.inf),
        ("random_uniform", 0.05**2 / 3, 0.05),
        ("truncated_normal", (0.05 * 0.8796) ** 2, 0.1),
        (initializers.VarianceScaling(3.0, "fan_out", "untruncated_normal"), 3 / 300, math.inf),
        (initializers.VarianceScaling(3.0, "fan_avg", "uniform"), 3 / 350, math.sqrt(9 / 350)),
        (initializers.VarianceScaling(3.0, "fan_in", "normal"), 3 / 400, 2 * math.sqrt(3 / 400) / 0.8796),
    ],
)
def test_spread_and_bounds_follow_the_fans(name, variance, bound):
    values = made(name)
    assert values.dtype == np.float32
    assert abs(values.mean()) < 5 * math.sqrt(variance / values.size)
    assert values.var() == pytest.approx(variance, rel=0.03)
    assert np.abs(values).max() <= bound * 1.0001


def test_fans_of_kernels_of_any_rank():
    assert initializers.fans(()) == (1, 1)
    assert initializers.fans((5,)) == (5, 5)
    assert initializers.fans((5, 7)) == (5, 7)
    assert initializers.fans((3, 3, 16, 32)) == (144, 288)


def test_gains_are_those_of_pytorch():
    # torch.nn.init.calculate_gain, PyTorch 2.13
    for name, gain in {"linear": 1, "sigmoid": 1, "tanh": 1.6666666666666667, "relu": 1.4142135623730951, "selu": 0.75}.items():
        assert initializers.calculate_gain(name) == pytest.approx(gain)
    assert initializers.calculate_gain("leaky_relu") == pytest.approx(1.4141428569978354)
    assert initializers.calculate_gain("leaky_relu", 0.2) == pytest.approx(1.3867504905630728)
    with pytest.raises(UnknownNameError, match="activation for a gain 'gelu2'"):
        initializers.calculate_gain("gelu2")


@pytest.mark.parametrize("shape", [(5, 5), (7, 3), (3, 7), (2, 2, 3)])
def test_orthogonal_matrices_are_orthonormal(shape):
    matrix = made(initializers.Orthogonal(2.0), shape, dtype="float64").reshape(-1, shape[-1])
    square = matrix.T @ matrix if matrix.shape[0] >= matrix.shape[1] else matrix @ matrix.T
    np.testing.assert_allclose(square, 4 * np.eye(len(square)), atol=1e-12)


def test_plain_values():
    assert made("zeros", (2, 2)).tolist() == [[0, 0], [0, 0]]
    assert made("ones", (2,)).tolist() == [1, 1]
    assert made(initializers.Constant(0.5), (2,)).tolist() == [0.5, 0.5]
    assert made(initializers.Constant([[1, 2], [3, 4]]), (2, 2)).tolist() == [[1, 2], [3, 4]]
    assert made("identity", (2, 3)).tolist() == [[1, 0, 0], [0, 1, 0]]
    assert made(initializers.Identity(3.0), (2, 2)).tolist() == [[3, 0], [0, 3]]


def test_every_place_has_a_stream_of_its_own_that_a_seed_repeats():
    network = nn.Sequential([nn.Dense(4), nn.Dense(4), nn.Dense(4, kernel_initializer=initializers.GlorotUniform(seed=3))])
    first = nn.init(network, nn.Spec((1, 4)), key=sl.random.key(0)).params
    again = nn.init(network, nn.Spec((1, 4)), key=sl.random.key(0)).params
    other = nn.init(network, nn.Spec((1, 4)), key=sl.random.key(1)).params
    kernel = {name: first[name]["kernel"].numpy() for name in first}
    assert not np.array_equal(kernel["dense"], kernel["dense_1"])
    for name in first:
        np.testing.assert_array_equal(kernel[name], again[name]["kernel"].numpy())
    assert not np.array_equal(kernel["dense"], other["dense"]["kernel"].numpy())
    np.testing.assert_array_equal(kernel["dense_2"], other["dense_2"]["kernel"].numpy())


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ([nn.Dense(300, activation="relu", kernel_initializer="auto")], "he_normal"),
        ([nn.Dense(300, activation="swish", kernel_initializer="auto")], "he_normal"),
        ([nn.Dense(300, activation="selu", kernel_initializer="auto")], "lecun_normal"),
        ([nn.Dense(300, activation="tanh", kernel_initializer="auto")], "glorot_uniform"),
        ([nn.Dense(300, kernel_initializer="auto")], "glorot_uniform"),
        ([nn.Dense(300, kernel_initializer="auto"), nn.BatchNormalization(), nn.Activation("relu")], "he_normal"),
        ([nn.Dense(300, kernel_initializer="auto"), nn.Dropout(0.5), nn.LeakyReLU(0.2)], "he_normal"),
        ([nn.Dense(300, kernel_initializer="auto"), nn.Dense(3, activation="relu")], "glorot_uniform"),
        ([nn.Sequential([nn.Dense(300, kernel_initializer="auto")]), nn.Activation("relu")], "he_normal"),
    ],
)
def test_auto_chooses_by_the_activation_that_follows(layers, expected):
    params = nn.init(nn.Sequential(layers), nn.Spec((1, 400)), key=sl.random.key(0)).params
    kernel = params["sequential"]["dense"]["kernel"] if "sequential" in params else params["dense"]["kernel"]
    assert float(kernel.numpy().var()) == pytest.approx(made(expected).var(), rel=0.03)


def test_auto_finds_the_activation_in_a_graph():
    x = nn.Input((400,))
    hidden = nn.Dense(300, kernel_initializer="auto", name="hidden")(x)
    network = nn.Network(x, nn.Dense(2)(nn.Activation("relu")(nn.BatchNormalization()(hidden))))
    kernel = nn.init(network, key=sl.random.key(0)).params["hidden"]["kernel"].numpy()
    assert kernel.var() == pytest.approx(2 / 400, rel=0.03)


def test_a_function_is_an_initializer():
    def ramp(key, shape, dtype):
        return sl.reshape(sl.arange(shape[0] * shape[1], dtype=dtype), shape)

    params = nn.init(nn.Dense(2, kernel_initializer=ramp), nn.Spec((1, 2)), key=sl.random.key(0)).params
    assert params["kernel"].tolist() == [[0, 1], [2, 3]]


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: nn.Dense(2, kernel_initializer="he_norml"), UnknownNameError, "Dense: kernel_initializer: unknown initializer 'he_norml'"),
        (lambda: initializers.VarianceScaling(mode="fan"), UnknownNameError, "VarianceScaling mode 'fan'"),
        (lambda: initializers.VarianceScaling(-1.0), ArgumentError, "scale must be a number"),
        (lambda: made("orthogonal", (3,)), ShapeError, "at least two axes"),
        (lambda: made("identity", (3,)), ShapeError, "Identity makes matrices"),
        (lambda: made(initializers.Constant([1.0, 2.0]), (3,)), ShapeError, r"values have the shape \(2,\), the parameter \(3,\)"),
        (
            lambda: nn.init(nn.Dense(2, kernel_initializer=lambda k, s, d: sl.zeros(3)), nn.Spec((1, 2)), key=sl.random.key(0)),
            ShapeError,
            r"made the shape \(3,\) for 'kernel', expected \(2, 2\)",
        ),
    ],
)
def test_wrong_use_is_refused(make, error, words):
    with pytest.raises(error, match=words):
        make()
