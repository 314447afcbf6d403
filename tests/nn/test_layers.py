"""What each layer computes, the shapes it makes, and what it refuses."""

import numpy as np
import pytest

import saltus as sl
from saltus import nn
from saltus.base.errors import ArgumentError, DTypeError, ShapeError, UnknownNameError

KEY = sl.random.key(0)
X = np.arange(12, dtype="float32").reshape(2, 3, 2)


def run(layer, *inputs, training=False, key=None):
    params, state = nn.init(layer, *inputs, key=KEY)
    return nn.apply(layer, params, state, *inputs, training=training, key=key).output.numpy()


def test_dense_is_activation_of_product_and_bias():
    x = np.random.default_rng(0).normal(size=(5, 3)).astype("float32")
    layer = nn.Dense(2, activation="relu", bias_initializer="ones")
    params, _ = nn.init(layer, x, key=KEY)
    np.testing.assert_allclose(run(layer, x), np.maximum(x @ params["kernel"].numpy() + 1, 0), rtol=1e-5, atol=1e-6)
    assert sorted(nn.init(nn.Dense(2, use_bias=False), x, key=KEY).params) == ["kernel"]


def test_dense_works_on_the_last_of_several_axes():
    params, _ = nn.init(nn.Dense(4), X, key=KEY)
    np.testing.assert_allclose(run(nn.Dense(4), X), X @ params["kernel"].numpy(), rtol=1e-5)


def test_layers_that_change_the_shape():
    assert run(nn.Flatten(), X).tolist() == X.reshape(2, 6).tolist()
    assert run(nn.Flatten(), X[:, 0, 0]).shape == (2, 1)
    assert run(nn.Reshape((2, 3)), X).tolist() == X.reshape(2, 2, 3).tolist()
    assert run(nn.Reshape((-1, 2)), X).shape == (2, 3, 2)
    assert run(nn.Reshape(()), X[:, 0, :1]).shape == (2,)
    assert run(nn.Permute((2, 1)), X).tolist() == X.transpose(0, 2, 1).tolist()
    assert run(nn.RepeatVector(3), X[:, 0]).tolist() == np.repeat(X[:, :1], 3, axis=1).tolist()
    assert run(nn.Identity(), X).tolist() == X.tolist()


def test_rescaling_makes_floats_of_pixels():
    made = run(nn.Rescaling(1 / 127.5, offset=-1), np.array([[0, 255]], "uint8"))
    assert made.dtype == np.float32
    np.testing.assert_allclose(made, [[-1, 1]], atol=1e-6)
    np.testing.assert_allclose(run(nn.Rescaling((1.0, 10.0), (0.0, 1.0)), np.array([[1.0, 2.0]])), [[1, 21]])


def test_a_function_is_a_layer():
    assert run(nn.Lambda(lambda x: x * 2), X).tolist() == (X * 2).tolist()
    assert run(nn.Lambda("relu"), -X).max() == 0


def test_activations_with_options_as_layers():
    x = np.array([[-2.0, -0.5, 0.0, 1.0, 9.0]], "float32")
    np.testing.assert_allclose(run(nn.ReLU(6.0, negative_slope=0.5), x), [[-1, -0.25, 0, 1, 6]])
    np.testing.assert_allclose(run(nn.ReLU(threshold=1.0), x), [[0, 0, 0, 1, 9]])
    np.testing.assert_allclose(run(nn.LeakyReLU(), x), [[-0.02, -0.005, 0, 1, 9]], rtol=1e-6)
    np.testing.assert_allclose(run(nn.PReLU(nn.initializers.Constant(0.25)), x), [[-0.5, -0.125, 0, 1, 9]])
    np.testing.assert_allclose(run(nn.ELU(2.0), x), np.where(x > 0, x, 2 * np.expm1(x)), rtol=1e-6)
    np.testing.assert_allclose(run(nn.Softmax(), x).sum(), 1, rtol=1e-6)
    np.testing.assert_allclose(run(nn.Step("straight_through"), x), [[0, 0, 0, 1, 1]])
    np.testing.assert_allclose(run(nn.Activation("tanh"), x), np.tanh(x), rtol=1e-6)


def test_merges():
    a, b = X, X[::-1].copy()
    for layer, expected in (
        (nn.Add(), a + b), (nn.Subtract(), a - b), (nn.Multiply(), a * b), (nn.Average(), (a + b) / 2),
        (nn.Maximum(), np.maximum(a, b)), (nn.Minimum(), np.minimum(a, b)), (nn.Concatenate(), np.concatenate([a, b], axis=-1)),
        (nn.Concatenate(1), np.concatenate([a, b], axis=1)), (nn.Dot(), (a * b).sum(axis=-1, keepdims=True)),
    ):  # fmt: skip
        np.testing.assert_allclose(run(layer, a, b), expected, rtol=1e-6)
        np.testing.assert_allclose(run(layer, [a, b]), expected, rtol=1e-6)
    np.testing.assert_allclose(run(nn.Average(), a, a, b), (2 * a + b) / 3, rtol=1e-6)
    cosine = (a * b).sum(axis=-1) / np.linalg.norm(a, axis=-1) / np.linalg.norm(b, axis=-1)
    np.testing.assert_allclose(run(nn.Dot(normalize=True), a, b)[..., 0], cosine, rtol=1e-5)


# -- noise ------------------------------------------------------------------------------------------------------------


def test_dropout_keeps_the_mean_and_the_share():
    x = np.ones((200, 500), "float32")
    made = run(nn.Dropout(0.3), x, training=True, key=KEY)
    assert (made == 0).mean() == pytest.approx(0.3, abs=0.006)
    np.testing.assert_allclose(np.unique(made), [0, 1 / 0.7], rtol=1e-6)
    assert run(nn.Dropout(0.3), x).min() == 1
    assert nn.Dropout().rate == 0.2


def test_masks_follow_from_the_key_alone():
    x = sl.ones((4, 50))
    network = nn.Sequential([nn.Dropout(0.5), nn.Dropout(0.5)])

    def made(seed, network=network):
        return nn.apply(network, {}, {}, x, training=True, key=sl.random.key(seed)).output.numpy()

    np.testing.assert_array_equal(made(1), made(1))
    compiled = sl.jit(lambda key: nn.apply(network, {}, {}, x, training=True, key=key).output)
    np.testing.assert_array_equal(compiled(sl.random.key(1)).numpy(), made(1))
    assert not np.array_equal(made(1), made(2))
    assert (made(1) != 0).mean() == pytest.approx(0.25, abs=0.1)  # two masks, not one
    assert not np.array_equal(made(1, nn.Dropout(0.5, seed=1)), made(1, nn.Dropout(0.5, seed=2)))


def test_the_gradient_of_dropout_uses_the_same_mask():
    x = sl.ones((3, 40))

    @sl.jit
    def both(x, key):
        return sl.value_and_grad(
            lambda x: (made := nn.apply(nn.Dropout(0.5), {}, {}, x, training=True, key=key).output).sum() + 0 * made.max()
        )(x)[1], nn.apply(nn.Dropout(0.5), {}, {}, x, training=True, key=key).output

    gradient, output = both(x, KEY)
    np.testing.assert_array_equal(gradient.numpy(), output.numpy())


def test_a_shared_mask_drops_whole_features():
    made = run(nn.Dropout(0.5, noise_shape=(None, 1, None)), np.ones((20, 7, 5), "float32"), training=True, key=KEY)
    assert (made == made[:, :1]).all()
    assert 0.2 < (made == 0).mean() < 0.8


def test_gaussian_noise_and_dropout():
    x = np.full((300, 300), 2.0, "float32")
    noisy = run(nn.GaussianNoise(0.5), x, training=True, key=KEY)
    assert noisy.mean() == pytest.approx(2, abs=0.01)
    assert noisy.std() == pytest.approx(0.5, rel=0.02)
    dropped = run(nn.GaussianDropout(0.2), x, training=True, key=KEY)
    assert dropped.mean() == pytest.approx(2, abs=0.02)
    assert dropped.std() == pytest.approx(2 * np.sqrt(0.25), rel=0.02)
    assert run(nn.GaussianNoise(0.5), x).tolist() == x.tolist()


# -- normalisation ----------------------------------------------------------------------------------------------------

ROWS = np.array([[1.0, 2.0], [3.0, -1.0], [0.0, 4.0], [2.0, 2.0]])
WEIGHTS = np.arange(1.0, 9.0).reshape(4, 2)
SCALED = {"gamma": np.array([1.5, 0.5]), "beta": np.array([0.1, -0.2])}


def test_batch_normalization_equals_that_of_pytorch():
    # torch.nn.BatchNorm1d(2, eps=1e-3, momentum=0.01), weight [1.5, 0.5], bias [0.1, -0.2] (rounded to float32), PyTorch 2.13
    # in float64: output, running mean, and gradients of sum(output * WEIGHTS) by input, weight and bias
    layer = nn.BatchNormalization()
    _, state = nn.init(layer, ROWS, key=KEY, dtype="float64")

    def total(params, x):
        made = nn.apply(layer, params, state, x, training=True)
        return (made.output * sl.asarray(WEIGHTS)).sum(), made

    (_, made), (by_params, by_x) = sl.value_and_grad(total, argnums=(0, 1), has_aux=True)(SCALED, ROWS)
    np.testing.assert_allclose(made.output.numpy().ravel(), [
        -0.5705522245, -0.1299969788, 2.111656679, -0.9700332691, -1.911656676, 0.4300272148, 0.7705522275, -0.1299969788,
    ], rtol=1e-7, atol=1e-8)  # fmt: skip
    np.testing.assert_allclose(made.state["moving_mean"].numpy(), [0.015, 0.0175], rtol=1e-12)
    np.testing.assert_allclose(made.state["moving_variance"].numpy(), 0.99 + 0.01 * ROWS.var(axis=0), rtol=1e-12)
    np.testing.assert_allclose(by_x.numpy().ravel(), [
        -4.023313356, -0.867479847, -1.341104452, 0.02186702591, 1.341104452, 0.03302008731, 4.023313356, 0.8125927337,
    ], rtol=1e-7, atol=1e-8)  # fmt: skip
    np.testing.assert_allclose(by_params["gamma"].numpy(), [0.0, 2.800120968], rtol=1e-7, atol=1e-8)
    np.testing.assert_allclose(by_params["beta"].numpy(), [16.0, 20.0], rtol=1e-12)


def test_layer_normalization_equals_that_of_pytorch():
    # torch.nn.LayerNorm(2, eps=1e-3), otherwise as above
    layer = nn.LayerNormalization()

    def total(params, x):
        made = nn.apply(layer, params, {}, x).output
        return (made * sl.asarray(WEIGHTS)).sum(), made

    (_, made), (by_params, by_x) = sl.value_and_grad(total, argnums=(0, 1), has_aux=True)(SCALED, ROWS)
    np.testing.assert_allclose(made.numpy().ravel(), [
        -1.397008969, 0.2990029871, 1.599812537, -0.6999375147, -1.399812534, 0.2999375087, 0.1000000015, -0.200000003,
    ], rtol=1e-7, atol=1e-8)  # fmt: skip
    np.testing.assert_allclose(by_x.numpy().ravel(), [
        0.001988059721, -0.001988059721, 0.0001561914246, -0.0001561914246, 0.0002811445642, -0.0002811445642, 102.774024, -102.774024,
    ], rtol=1e-6, atol=1e-12)  # fmt: skip
    np.testing.assert_allclose(by_params["gamma"].numpy(), [-2.997756027, 3.995762007], rtol=1e-8)


def test_batch_normalization_predicts_with_its_moving_averages():
    layer = nn.BatchNormalization(momentum=0.5)
    params, state = nn.init(layer, ROWS, key=KEY)
    for _ in range(30):
        state = nn.apply(layer, params, state, ROWS, training=True).state
    np.testing.assert_allclose(state["moving_mean"].numpy(), ROWS.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(state["moving_variance"].numpy(), ROWS.var(axis=0), rtol=1e-5)
    single = nn.apply(layer, params, state, ROWS[:1]).output.numpy()
    np.testing.assert_allclose(single, (ROWS[:1] - ROWS.mean(axis=0)) / np.sqrt(ROWS.var(axis=0) + 1e-3), rtol=1e-4)


@pytest.mark.parametrize(
    "network", [nn.BatchNormalization(trainable=False), nn.Sequential([nn.BatchNormalization()], trainable=False)], ids=["itself", "around"]
)
def test_frozen_batch_normalization_uses_and_keeps_its_averages(network):
    params, state = nn.init(network, ROWS, key=KEY)
    made = nn.apply(network, params, state, ROWS, training=True)
    np.testing.assert_allclose(made.output.numpy(), ROWS / np.sqrt(1.001), rtol=1e-5)
    averages = made.state.get("batch_normalization", made.state)
    assert averages["moving_mean"].tolist() == [0.0, 0.0]


def test_normalization_along_other_axes():
    x = np.random.default_rng(0).normal(size=(4, 3, 5))
    made = run(nn.BatchNormalization(1, center=False, scale=False), x, training=True)
    np.testing.assert_allclose(made.mean(axis=(0, 2)), 0, atol=1e-6)
    made = run(nn.LayerNormalization((1, 2), epsilon=1e-9), x)
    np.testing.assert_allclose(made.mean(axis=(1, 2)), 0, atol=1e-6)
    np.testing.assert_allclose(made.std(axis=(1, 2)), 1, rtol=1e-5)


# -- categories -------------------------------------------------------------------------------------------------------


def test_an_embedding_is_a_row_of_its_table():
    layer = nn.Embedding(5, 3)
    index = np.array([[0, 4], [2, 2]])
    params, state = nn.init(layer, index, key=KEY)
    np.testing.assert_array_equal(run(layer, index), params["embeddings"].numpy()[index])
    gradient = sl.grad(lambda p: nn.apply(layer, p, state, index).output.sum())(params)["embeddings"].numpy()
    assert gradient.tolist() == [[1] * 3, [0] * 3, [2] * 3, [0] * 3, [1] * 3]


def test_a_category_that_does_not_exist_gives_nan():
    made = run(nn.Embedding(3, 2), np.array([-1, 0, 3]))
    assert np.isnan(made).all(axis=1).tolist() == [True, False, True]


def test_a_table_puts_numbers_and_vectors_of_categories_side_by_side():
    layer = nn.TableInput((2, 10), names=("sex", "work/class"))
    numbers, categories = np.array([[0.5, 1.0, 2.0], [3.0, 4.0, 5.0]]), np.array([[0, 7], [1, 9]], "int32")
    params, _ = nn.init(layer, numbers, categories, key=KEY)
    assert {k: v.shape for k, v in params.items()} == {"sex": (2, 2), "work_class": (10, 6)}
    made = run(layer, numbers, categories)
    expected = np.concatenate([numbers, params["sex"].numpy()[[0, 1]], params["work_class"].numpy()[[7, 9]]], axis=1)
    np.testing.assert_allclose(made, expected, rtol=1e-6)


def test_a_table_may_have_numbers_or_categories_only():
    numbers, categories = np.ones((4, 3)), np.zeros((4, 2), "int64")
    assert run(nn.TableInput(), numbers).shape == (4, 3)
    assert run(nn.TableInput((5, 5), widths=4), categories).shape == (4, 8)
    assert run(nn.TableInput((5, 5), widths=(1, 2)), np.ones((4, 0)), categories).shape == (4, 3)
    assert run(nn.TableInput(), numbers, np.zeros((4, 0), "int32")).shape == (4, 3)


def test_a_row_with_a_category_that_does_not_exist_is_nan():
    made = run(nn.TableInput((3, 4)), np.ones((4, 1)), np.array([[0, 0], [3, 0], [0, -1], [2, 3]], "int32"))
    assert np.isnan(made).all(axis=1).tolist() == [False, True, True, False]
    assert np.isnan(made).any(axis=1).tolist() == [False, True, True, False]


@pytest.mark.parametrize("dtype", ["int8", "uint8", "uint64", "int64"])
def test_categories_of_any_integer_type_are_taken(dtype):
    index = np.array([[3], [100]], dtype)
    assert np.isfinite(run(nn.Embedding(300, 2), index)).all()
    assert np.isfinite(run(nn.TableInput((300,)), index)).all()


def test_the_width_of_vectors_grows_with_the_number_of_categories():
    assert [nn.embedding_width(n) for n in (1, 2, 10, 100, 1000, 10**6)] == [2, 2, 6, 21, 77, 600]


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: run(nn.Reshape((4,)), X), ShapeError, r"Reshape\(\(4,\)\): a sample of shape \(3, 2\) has 6 numbers"),
        (lambda: run(nn.Reshape((-1, 4)), X), ShapeError, "6 numbers, which do not fill"),
        (lambda: nn.Reshape((-1, -1)), ArgumentError, "at most one of them -1"),
        (lambda: nn.Permute((0, 1)), ArgumentError, "an order of 1 .. n"),
        (lambda: run(nn.Permute((2, 1)), X[:, 0]), ShapeError, "1 axes besides the batch"),
        (lambda: run(nn.RepeatVector(2), X), ShapeError, r"\(N, features\), got \(2, 3, 2\)"),
        (lambda: nn.Lambda(3), ArgumentError, "Lambda takes a function"),
        (lambda: nn.Dropout(1.0), ArgumentError, r"Dropout: rate must be a number in \[0, 1\), got 1.0"),
        (lambda: nn.Dropout(20), ArgumentError, "rate must be a number"),
        (lambda: run(nn.Dropout(0.5, noise_shape=(1, 4, None)), X, training=True, key=KEY), ArgumentError, "noise_shape"),
        (lambda: nn.GaussianNoise(-1.0), ArgumentError, "stddev"),
        (lambda: nn.BatchNormalization(momentum=2.0), ArgumentError, "momentum"),
        (lambda: run(nn.BatchNormalization(0), X), ShapeError, "with axis 0"),
        (lambda: run(nn.LayerNormalization((0, 1)), X), ShapeError, r"with axis \(0, 1\)"),
        (lambda: run(nn.Embedding(3, 2), np.ones((4,), "float32")), DTypeError, "whole numbers, got float32"),
        (lambda: nn.Embedding(0, 2), ArgumentError, "input_dim"),
        (lambda: nn.TableInput((2, 3), widths=(1,)), ArgumentError, "2 cardinalities but 1 widths"),
        (lambda: nn.TableInput((2, 3), names=("a", "a")), ArgumentError, "a name stands twice"),
        (
            lambda: run(nn.TableInput((2,)), np.ones((4, 3)), np.zeros((4, 2), "int32")),
            ShapeError,
            "2 categorical columns, but 1 cardinalities",
        ),
        (lambda: run(nn.TableInput((2,)), np.ones((4, 3)), np.zeros((5, 1), "int32")), ShapeError, "4 rows of numbers and 5 of categories"),
        (lambda: run(nn.TableInput((2,)), np.ones((4, 3)), np.zeros((4, 1))), DTypeError, "whole numbers"),
        (lambda: run(nn.TableInput(), np.ones((4, 0))), ShapeError, "neither a number nor a category"),
        (lambda: run(nn.TableInput(), np.ones(4)), ShapeError, r"\(N, columns\)"),
        (lambda: run(nn.Add(), X, X[:, :1]), ShapeError, "they must be equal"),
        (lambda: run(nn.Subtract(), X), ShapeError, "at least 2 inputs"),
        (lambda: run(nn.Concatenate(), X, X[:, :1]), ShapeError, "may differ along axis -1 only"),
        (lambda: run(nn.Concatenate(), X, X[:, 0]), ShapeError, "may differ along axis -1 only"),
        (lambda: nn.Step("round"), UnknownNameError, "Step backward 'round'"),
        (lambda: run(nn.Perceptron(), X), ShapeError, r"\(N, inputs\)"),
    ],
)
def test_wrong_use_is_refused(make, error, words):
    with pytest.raises(error, match=words):
        make()
