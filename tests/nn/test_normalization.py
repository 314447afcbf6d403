"""Normalisation of images and groups of channels against formulas in NumPy, the digits it keeps, and the passes it takes."""

import numpy as np
import pytest

import saltus as sl
from saltus import nn
from saltus.base.errors import ArgumentError, ShapeError

KEY = sl.random.key(0)
RNG = np.random.default_rng(0)
X = RNG.normal(size=(3, 4, 5, 6)) * 3 + 2


def run(layer, x, **options):
    params, state = nn.init(layer, x, key=KEY, dtype=x.dtype.name)
    return nn.apply(layer, params, state, x, **options)


def normalised(x, axes, epsilon=1e-3):
    return (x - x.mean(axis=axes, keepdims=True)) / np.sqrt(x.var(axis=axes, keepdims=True) + epsilon)


def test_batch_statistics_of_images_go_over_samples_and_pixels():
    made = run(nn.BatchNormalization(momentum=0.5), X, training=True)
    np.testing.assert_allclose(made.output.numpy(), normalised(X, (0, 1, 2)), rtol=1e-9)
    np.testing.assert_allclose(made.state["moving_mean"].numpy(), X.mean(axis=(0, 1, 2)) / 2, rtol=1e-9)
    np.testing.assert_allclose(made.state["moving_variance"].numpy(), (1 + X.var(axis=(0, 1, 2))) / 2, rtol=1e-9)


def test_the_gradient_of_batch_normalization(slopes):
    layer, x, weights = nn.BatchNormalization(), X[:2, :2, :2, :2], RNG.normal(size=(2, 2, 2, 2))
    params, state = nn.init(layer, x, key=KEY, dtype="float64")

    def total(x):
        return (nn.apply(layer, params, state, x, training=True).output * weights).sum()

    np.testing.assert_allclose(sl.grad(total)(sl.asarray(x)).numpy(), slopes(total, x), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("offset", [0.0, 1e3, -1e5])
def test_statistics_keep_their_digits_far_from_zero(offset):
    x = (RNG.normal(size=(64, 8, 8, 3)) + offset).astype("float32")
    made = sl.jit(lambda x: run(nn.BatchNormalization(epsilon=0.0), x, training=True).output)(x)
    exact = normalised(x.astype("float64"), (0, 1, 2), 0.0)
    np.testing.assert_allclose(made.numpy(), exact, rtol=1e-4, atol=1e-4)


def test_prediction_keeps_its_digits_far_from_zero():
    x = (RNG.normal(size=(100, 3)) + 1e5).astype("float32")
    params, state = nn.init(nn.BatchNormalization(epsilon=0.0), x, key=KEY)
    state = {"moving_mean": sl.asarray(x.mean(axis=0)), "moving_variance": state["moving_variance"]}
    made = nn.apply(nn.BatchNormalization(epsilon=0.0), params, state, x).output
    np.testing.assert_allclose(made.numpy(), x - x.mean(axis=0), rtol=1e-6, atol=1e-6)


def test_one_outlier_does_not_spoil_the_statistics():
    x = RNG.normal(size=(1000, 2)).astype("float32")
    x[0] = 1e4  # the value that sums are taken around
    made = run(nn.BatchNormalization(epsilon=0.0), x, training=True).output
    np.testing.assert_allclose(made.numpy(), normalised(x.astype("float64"), 0, 0.0), rtol=2e-3, atol=1e-4)


def test_a_constant_feature_becomes_beta():
    made = run(nn.BatchNormalization(beta_initializer=nn.initializers.Constant(0.5)), np.full((8, 3), 1e6, "float32"), training=True)
    np.testing.assert_array_equal(made.output.numpy(), np.full((8, 3), 0.5))


def test_a_training_step_passes_twice_over_the_activation_in_each_direction():
    """Statistics, then result; sums, then gradient: counted in kernels that touch as much memory as the activation has."""
    network = nn.Sequential([nn.BatchNormalization(), nn.Activation("relu")])
    x = sl.asarray(RNG.normal(size=(32, 16, 16, 16)).astype("float32"))
    params, state = nn.init(network, x, key=KEY)

    def forward(params, x):
        return nn.apply(network, params, state, x, training=True).output

    @sl.jit
    def both(params, x, gradient):
        made, pull = sl.vjp(forward, params, x)
        return made, pull(gradient)

    both(params, x, x)
    lines = [line for line in both.explain().splitlines() if " bytes " in line and " chunks " in line]
    large = [line for line in lines if int(line.split(" chunks ")[1].split()[0].replace(",", "")) >= x.size * 4]
    assert len(large) == 4, "\n".join(lines)


# -- groups and channels ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("groups", [1, 2, 3, 6])
def test_groups_of_channels_are_normalised_sample_by_sample(groups):
    made = run(nn.GroupNormalization(groups), X).output.numpy()
    parts = X.reshape(3, 4, 5, groups, 6 // groups)
    np.testing.assert_allclose(made, normalised(parts, (1, 2, 4)).reshape(X.shape), rtol=1e-9)


def test_group_normalization_with_weights_equals_that_of_pytorch():
    """torch.nn.functional.group_norm of arange(8) as (1, 4 channels, 2), 2 groups, weight 1..4, bias 0..3."""
    x = np.arange(8.0).reshape(1, 4, 2).transpose(0, 2, 1)
    layer = nn.GroupNormalization(2, epsilon=1e-5)
    params = {"gamma": sl.asarray([1.0, 2.0, 3.0, 4.0]).astype("float64"), "beta": sl.asarray([0.0, 1.0, 2.0, 3.0]).astype("float64")}
    made = nn.apply(layer, params, {}, x).output.numpy()[0].T
    expected = [[-1.341635, -0.447212], [1.894424, 3.683271], [-2.024906, 0.658365], [4.788848, 8.366542]]
    np.testing.assert_allclose(made, expected, atol=1e-5)


def test_instances_are_groups_of_one_channel():
    made = run(nn.InstanceNormalization(), X).output.numpy()
    np.testing.assert_allclose(made, normalised(X, (1, 2)), rtol=1e-9)
    np.testing.assert_array_equal(made, run(nn.GroupNormalization(-1), X).output.numpy())


def test_groups_along_another_axis():
    made = run(nn.GroupNormalization(2, axis=1), X).output.numpy()
    np.testing.assert_allclose(made, normalised(X.reshape(3, 2, 2, 5, 6), (2, 3, 4)).reshape(X.shape), rtol=1e-9)


def test_gradients_of_group_normalization(slopes):
    layer, x, weights = nn.GroupNormalization(2), X[:1, :2, :2, :4], RNG.normal(size=(1, 2, 2, 4))
    params, _ = nn.init(layer, x, key=KEY, dtype="float64")

    def total(x):
        return (nn.apply(layer, params, {}, x).output * weights).sum()

    np.testing.assert_allclose(sl.grad(total)(sl.asarray(x)).numpy(), slopes(total, x), rtol=1e-5, atol=1e-7)


def test_unit_vectors():
    made = run(nn.UnitNormalization(), X).output.numpy()
    np.testing.assert_allclose(np.linalg.norm(made, axis=-1), 1, rtol=1e-6)
    made = run(nn.UnitNormalization((1, 2)), X).output.numpy()
    np.testing.assert_allclose(made, X / np.sqrt((X**2).sum(axis=(1, 2), keepdims=True)), rtol=1e-5)
    assert run(nn.UnitNormalization(), np.zeros((1, 3))).output.tolist() == [[0.0, 0.0, 0.0]]


# -- spectral normalisation -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("layer", "shape"), [(nn.Dense(5), (2, 7)), (nn.Conv2D(4, 3), (1, 6, 6, 2))])
def test_spectral_normalization_brings_the_largest_singular_value_to_one(layer, shape):
    x = RNG.normal(size=shape)
    wrapped = nn.SpectralNormalization(layer, power_iterations=60)
    params, state = nn.init(wrapped, x, key=KEY, dtype="float64")
    made = nn.apply(wrapped, params, state, x, training=True)
    kernel = params["layer"]["kernel"].numpy()
    largest = np.linalg.svd(kernel.reshape(-1, kernel.shape[-1]), compute_uv=False)[0]
    expected = nn.apply(layer, {**params["layer"], "kernel": sl.asarray(kernel / largest)}, {}, x).output.numpy()
    np.testing.assert_allclose(made.output.numpy(), expected, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(nn.apply(wrapped, params, made.state, x).output.numpy(), expected, rtol=1e-6, atol=1e-9)
    assert nn.from_config(nn.to_config(wrapped)) == wrapped


def test_power_iteration_goes_on_from_step_to_step_and_stops_when_frozen():
    x = RNG.normal(size=(2, 7))
    wrapped = nn.SpectralNormalization(nn.Dense(5))
    params, state = nn.init(wrapped, x, key=KEY, dtype="float64")
    largest = np.linalg.svd(params["layer"]["kernel"].numpy(), compute_uv=False)[0]
    for _ in range(80):
        out, state, _ = nn.apply(wrapped, params, state, x, training=True)
    np.testing.assert_allclose(out.numpy(), x @ params["layer"]["kernel"].numpy() / largest, rtol=1e-5)
    frozen = nn.apply(wrapped.replace(trainable=False), params, nn.init(wrapped, x, key=KEY, dtype="float64").state, x, training=True)
    np.testing.assert_array_equal(
        frozen.state["kernel_vector"].numpy(), nn.init(wrapped, x, key=KEY, dtype="float64").state["kernel_vector"].numpy()
    )


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: run(nn.GroupNormalization(4), X), ShapeError, "(?s)4 groups do not divide the 6 channels.*groups=3"),
        (lambda: run(nn.GroupNormalization(1, axis=0), X), ShapeError, "axis 0"),
        (lambda: nn.GroupNormalization(0), ArgumentError, "groups must be a whole number from 1 on"),
        (lambda: nn.InstanceNormalization(epsilon=-1), ArgumentError, "epsilon must be a number"),
        (lambda: nn.SpectralNormalization(3), ArgumentError, "takes a layer, got 3"),
        (lambda: run(nn.SpectralNormalization(nn.Flatten()), X), ArgumentError, "Flatten has no kernel of its own"),
    ],
)
def test_wrong_use_is_refused(make, error, words):
    with pytest.raises(error, match=words):
        make()
