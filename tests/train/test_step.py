"""A training step does what calculus says, for weights, frozen layers, constraints, several outputs."""

import numpy as np
import pytest

import saltus as sl
from saltus import nn
from saltus.base.errors import ArgumentError, ShapeError
from saltus.train import Model

RNG = np.random.default_rng(0)
X = RNG.normal(size=(12, 3)).astype("float32")
Y = (X @ np.array([[1.0], [-2.0], [0.5]]) + 0.3).astype("float32")


def linear(**more):
    return Model(nn.Sequential([nn.Dense(1, kernel_initializer="zeros")]), loss="mse", optimizer=sl.optim.SGD(0.1), **more)


def test_a_step_of_gradient_descent_equals_the_formula():
    model = linear()
    logs = model.train_on_batch(X, Y)
    error = -Y
    assert logs["loss"] == pytest.approx(float((error**2).mean()), rel=1e-6)
    np.testing.assert_allclose(model.params["dense"]["kernel"], -0.1 * 2 / 12 * X.T @ error, rtol=1e-5)
    np.testing.assert_allclose(model.params["dense"]["bias"], -0.1 * 2 * error.mean(axis=0), rtol=1e-5)


def test_sample_weights_scale_each_samples_gradient():
    weights = RNG.random(12).astype("float32")
    model = linear()
    model.train_on_batch(X, Y, sample_weight=weights)
    np.testing.assert_allclose(model.params["dense"]["kernel"], 0.2 / 12 * X.T @ (Y * weights[:, None]), rtol=1e-5)


def test_a_sample_without_weight_might_as_well_be_missing():
    weights = np.ones(12, "float32")
    weights[6:] = 0.0
    weighted, short = linear(), linear()
    for _ in range(3):
        weighted.train_on_batch(X, Y, sample_weight=2 * weights)  # the mean is over twelve rows
        short.train_on_batch(X[:6], Y[:6])
    np.testing.assert_allclose(weighted.params["dense"]["kernel"], short.params["dense"]["kernel"], rtol=1e-4)


def test_regularization_is_part_of_the_loss():
    network = nn.Sequential([nn.Dense(1, kernel_initializer="ones", kernel_regularizer=nn.regularizers.L2(0.5))])
    model = Model(network, loss="mse", optimizer=sl.optim.SGD(0.1))
    logs = model.test_on_batch(X, Y)
    assert logs["loss"] == pytest.approx(float(((X.sum(axis=1, keepdims=True) - Y) ** 2).mean()) + 0.5 * 3, rel=1e-5)


def test_frozen_layers_stay_and_the_others_learn():
    network = nn.Sequential([nn.Dense(4, trainable=False), nn.BatchNormalization(trainable=False), nn.Dense(1)])
    model = Model(network, loss="mse")
    model.build(X)
    before = model.variables
    model.fit(X, Y, epochs=3, verbose=0)
    after = model.variables
    assert (before.params["dense"]["kernel"].numpy() == after.params["dense"]["kernel"].numpy()).all()
    assert (before.params["dense_1"]["kernel"].numpy() != after.params["dense_1"]["kernel"].numpy()).all()
    moving = "batch_normalization", "moving_mean"
    assert (before.state[moving[0]][moving[1]].numpy() == after.state[moving[0]][moving[1]].numpy()).all()


def test_moving_averages_follow_the_batches_while_training_only():
    model = Model(nn.Sequential([nn.BatchNormalization(momentum=0.5), nn.Dense(1)]), loss="mse")
    model.build(X)
    model.evaluate(X, Y)
    assert model.variables.state["batch_normalization"]["moving_mean"].tolist() == [0, 0, 0]
    model.train_on_batch(X, Y)
    np.testing.assert_allclose(model.variables.state["batch_normalization"]["moving_mean"], 0.5 * X.mean(axis=0), rtol=1e-4)


def test_constraints_hold_after_every_step():
    network = nn.Sequential([nn.Dense(4, kernel_constraint=nn.constraints.NonNeg()), nn.Dense(1)])
    model = Model(network, loss="mse", optimizer=sl.optim.SGD(0.05))
    model.fit(X, Y, epochs=3, batch_size=4, verbose=0)
    assert float(model.params["dense"]["kernel"].min()) >= 0


def test_a_network_with_nothing_to_train_is_refused():
    for network in (nn.Sequential([nn.Dense(1, trainable=False)]), nn.Sequential([nn.Flatten()])):
        with pytest.raises(ArgumentError, match="nothing to train"):
            Model(network, loss="mse").fit(X, X if len(network.layers) and isinstance(network.layers[0], nn.Flatten) else Y, verbose=0)


def two_outputs(**more):
    entry = nn.Input((3,))
    hidden = nn.Dense(8, activation="relu")(entry)
    network = nn.Network(entry, {"value": nn.Dense(1, name="v")(hidden), "kind": nn.Dense(2, name="k")(hidden)})
    return Model(network, loss={"value": "mse", "kind": "sparse_categorical_crossentropy"}, metrics={"kind": ["accuracy"]}, **more)


def test_several_outputs_are_trained_together():
    kind = (Y[:, 0] > 0).astype("int64")
    model = two_outputs(loss_weights={"value": 0.5})
    run = model.fit(X, {"value": Y, "kind": kind}, epochs=60, batch_size=4, verbose=0)
    assert set(run.names) == {"loss", "kind_loss", "value_loss", "kind_accuracy", "learning_rate", "seconds"}
    assert run["loss"][-1] == pytest.approx(run["kind_loss"][-1] + 0.5 * run["value_loss"][-1], rel=1e-5)
    assert run["kind_loss"][-1] < run["kind_loss"][0]
    assert run["value_loss"][-1] < run["value_loss"][0]
    made = model.predict(X)
    assert made["value"].shape == (12, 1)
    assert made["kind"].shape == (12, 2)


def test_outputs_and_losses_must_match():
    with pytest.raises(ArgumentError, match="has no loss"):
        Model(two_outputs().network, loss={"value": "mse"}).build(X)
    with pytest.raises(ArgumentError, match="outputs"):
        two_outputs().fit(X, Y, verbose=0)


def test_a_training_step_can_be_ones_own():
    def careful(task, state, batch, key):
        after, seen = sl.train.train_step(task, state, batch, key)
        slower = {k: 0.5 * (after["params"]["dense"][k] + state["params"]["dense"][k]) for k in ("bias", "kernel")}
        return {**after, "params": {"dense": slower}}, seen

    own, usual = linear(train_step=careful), linear()
    own.train_on_batch(X, Y)
    usual.train_on_batch(X, Y)
    np.testing.assert_allclose(2 * own.params["dense"]["kernel"].numpy(), usual.params["dense"]["kernel"], rtol=1e-6)


def test_metrics_can_be_measured_with_and_without_sample_weights():
    y = np.array([0, 1] * 6)
    model = Model(nn.Sequential([nn.Dense(2, kernel_initializer="zeros")]), loss="sparse_categorical_crossentropy",
                  metrics=["accuracy"], weighted_metrics=[nn.metrics.SparseCategoricalAccuracy(name="weighted")])  # fmt: skip
    logs = model.evaluate(X, y, sample_weight=np.where(y == 0, 3.0, 1.0))
    assert logs["accuracy"] == 0.5
    assert logs["weighted"] == 0.75


def test_a_scalar_output_is_no_batch():
    with pytest.raises(ShapeError):
        Model(nn.Sequential([nn.Dense(1), nn.Lambda(sl.mean)]), loss="mse").fit(X, Y, verbose=0)
