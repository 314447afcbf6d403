"""What bases and rarely met places say when they are used wrongly; the refusals of each family stand in its own test file."""

import numpy as np
import pytest

import saltus as sl
from saltus import nn, optim
from saltus.base.errors import ArgumentError, SaltusError, ShapeError, UnknownNameError

KEY = sl.random.key(0)
X = np.ones((2, 3), "float32")


def run(layer, *inputs):
    params, state = nn.init(layer, *inputs, key=KEY)
    return nn.apply(layer, params, state, *inputs)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: nn.losses.Loss()(X, X), r"Loss has no method values\(self, y_true, y_pred\)"),
        (lambda: nn.metrics.Metric().init(), r"Metric has no method init\(self\)"),
        (lambda: nn.metrics.Metric().update({}, X, X), r"Metric has no method update"),
        (lambda: nn.metrics.Metric().result({}), r"Metric has no method result\(self, state\)"),
        (lambda: nn.regularizers.Regularizer()(X), r"Regularizer has no __call__\(self, x\)"),
        (lambda: nn.constraints.Constraint()(X), r"Constraint has no __call__\(self, x\)"),
        (lambda: nn.initializers.Initializer()(KEY, (2,)), r"Initializer has no __call__\(self, key, shape, dtype\)"),
    ],
)
def test_a_base_used_by_itself_says_what_is_missing(make, words):
    with pytest.raises(ArgumentError, match=words):
        make()


@nn.register
class Vague(nn.Layer):
    """A layer whose state is asked for in another shape than it was made."""

    width: int

    def call(self, scope, x):
        return x + scope.state("s", (self.width,)).sum()


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: nn.activations.get(np.tanh, slope=1.0), ArgumentError, "options need the name of an activation"),
        (lambda: nn.to_config(nn.Lambda(nn.Dense(2).call)), ArgumentError, "the function call cannot be stored"),
        (lambda: nn.to_config(nn.Rescaling(1.0).replace(name={1: 2})), ArgumentError, "no plain form"),
        (lambda: run(nn.Sequential([nn.Dense(2, name="a/b")]), X), ArgumentError, "text without '/', got 'a/b'"),
        (lambda: run(nn.Sequential([nn.Dense(2, name=3)]), X), ArgumentError, "text without '/', got 3"),
        (lambda: run(nn.Flatten(), np.float32(1.0)), ShapeError, r"must have the shape \(N, ...\), got \(\)"),
        (lambda: run(nn.TableInput(), X, X, X), ShapeError, "got 3 inputs"),
        (lambda: run(nn.Subtract(), X, X, X), ShapeError, "Subtract takes two inputs, got 3"),
        (lambda: run(nn.Dot(), X, X, X), ShapeError, "Dot takes two inputs, got 3"),
        (lambda: nn.apply(Vague(3), {}, {"s": sl.zeros(2)}, X), ShapeError, r"state 's' has the shape \(2,\), but this input needs \(3,\)"),
        (
            lambda: nn.losses.SparseCategoricalCrossentropy(axis=0).check(nn.Spec((3,), "int64"), nn.Spec((2, 3))),
            ArgumentError,
            "axis 0 is the batch",
        ),
        (lambda: nn.metrics.Accuracy()(X[:, 0], X), ShapeError, "they must be equal"),
        (lambda: nn.metrics.F1Score()(np.ones((2, 2), "int64"), X), ShapeError, "they must be equal"),
    ],
)
def test_wrong_use_is_refused(make, error, words):
    with pytest.raises(error, match=words):
        make()


def test_a_description_of_a_symbol_and_a_network_with_lengths_that_vary():
    x = nn.Input((None, 2))
    assert repr(nn.Dense(3)(x)) == "<result of Dense(3)>"
    network = nn.Network(x, nn.Dense(3)(x))
    with pytest.raises(ArgumentError, match="none was given"):
        nn.init(network, key=KEY)
    assert run(network, np.ones((4, 7, 2), "float32")).output.shape == (4, 7, 3)


def test_a_chain_of_layers_may_be_called_on_symbols_too():
    x = nn.Input((3,))
    left, right = nn.Sequential([nn.Dense(2), nn.Parallel([nn.Dense(1), nn.Dense(1)], merge="none")])(x)
    assert nn.describe(nn.Network(x, nn.Add()([left, right]))).count == 8 + 6


def test_a_stored_form_may_stand_where_a_name_may():
    assert nn.losses.get({"class": "losses.Huber", "delta": 2.0}) == nn.losses.Huber(2.0)
    assert nn.Dense(2, kernel_initializer={"class": "initializers.HeNormal"}) == nn.Dense(2, kernel_initializer="he_normal")


def test_auto_outside_a_network_is_glorot_unless_told_otherwise():
    bound = np.sqrt(6 / 200)
    assert np.abs(nn.initializers.Auto()(KEY, (100, 100)).numpy()).max() <= bound
    assert nn.initializers.Auto("relu").chosen(None) == nn.initializers.HeNormal()


def test_r2_by_the_variance_of_each_output():
    true = np.array([[0.0, 0.0], [1.0, 10.0], [2.0, 20.0]], "float32")
    pred = true + np.array([[0.5, 0.0]], "float32")
    spread = ((true - true.mean(axis=0)) ** 2).sum(axis=0)
    each = 1 - ((true - pred) ** 2).sum(axis=0) / spread
    made = float(nn.metrics.R2Score("variance_weighted_average", outputs=2)(true, pred))
    assert made == pytest.approx((each * spread).sum() / spread.sum())


def test_activating_layers_tell_initializers_what_they_are():
    following = [
        layer.following for layer in (nn.ReLU(), nn.LeakyReLU(), nn.PReLU(), nn.ELU(), nn.Softmax(), nn.Step(), nn.Activation("selu"))
    ]
    assert following == ["relu", "leaky_relu", "relu", "elu", "softmax", "step", "selu"]


def test_an_unknown_argument_is_named_with_the_nearest():
    with pytest.raises(UnknownNameError, match=r"argument of Dense 'activaton'[\s\S]*'activation'"):
        nn.Dense(8, activaton="relu")


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: nn.Dense(in_features=3, units=4), "a layer finds the width of its input by itself"),
        (lambda: nn.Dense(3, input_shape=(4,)), "nn.Input(shape)"),
        (lambda: nn.Dropout(p=0.5), "here it is rate"),
        (lambda: nn.Conv2D(8, 3, stride=2), "here it is strides"),
        (lambda: nn.LSTM(8)(nn.Input((3, 2)), initial_state=[]), "layer(x, h, c)"),
        (lambda: nn.Dense(8)(nn.Input((3,)), training=True), "nn.apply(..., training=True)"),
        (lambda: nn.Input((3,)) + nn.Input((3,)), "nn.Add()([a, b])"),
        (lambda: nn.Input((3,)).shape, "nn.describe(network)"),
        (lambda: setattr(nn.Dense(3), "trainable", False), "dense.replace(trainable=...)"),
        (lambda: optim.Adam({"w": 1}), "takes the learning rate first"),
        (lambda: optim.Adam().step, "optimizer.update(gradients, state, params, step)"),
        (lambda: optim.adam, "optim.Adam"),
        (lambda: sl.random.randn, "sl.random.normal(key, shape)"),
        (lambda: sl.load_model, "sl.load(path)"),
    ],
)
def test_habits_of_other_systems_are_answered_with_what_to_write(call, words):
    with pytest.raises((SaltusError, AttributeError)) as caught:
        call()
    assert words in str(caught.value)


def test_layers_of_one_s_own_are_answered_when_they_are_written_as_elsewhere():
    class Bare(nn.Layer):
        units: int

    with pytest.raises(ArgumentError, match=r"put @nn.register above class Bare$"):
        Bare(3)
    with pytest.raises(ArgumentError, match="takes no scope"):

        @nn.register
        class NoScope(nn.Layer):
            def call(self, x):
                return x

    with pytest.raises(ArgumentError, match="none named call"):

        @nn.register
        class Forward(nn.Layer):
            def forward(self, x):
                return x
