"""A model computes in float64 where it is asked to, and keeps that in its file."""

import numpy as np
import pytest

import saltus as sl
from saltus import nn
from saltus.base.errors import ArgumentError, DTypeError
from saltus.train import Model

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 3))
Y = X.sum(axis=1, keepdims=True)


def model(**how):
    network = nn.Sequential([nn.Dense(4, activation="tanh"), nn.BatchNormalization(), nn.Dense(1)])
    return Model(network, loss="mse", optimizer=sl.optim.Adam(0.01), **how)


def test_weights_state_and_predictions_are_of_the_asked_type():
    own = model(dtype="float64")
    own.fit(X, Y, epochs=2, batch_size=7, verbose=0)
    assert {leaf.dtype.name for leaf in sl.train.model.tree.leaves(own.variables.params)} == {"float64"}
    assert own.predict(X).dtype == np.float64
    assert model().predict(X).dtype == np.float32


def test_float64_goes_on_from_the_same_weights_with_more_digits():
    wide, narrow = (model(dtype=t).fit(X, Y, epochs=5, verbose=0)["loss"] for t in ("float64", "float32"))
    np.testing.assert_allclose(wide, narrow, rtol=1e-4)
    assert wide != narrow


def test_the_type_is_kept_in_copies_and_files(tmp_path):
    own = model(dtype="float64")
    own.fit(X, Y, verbose=0)
    own.save(tmp_path / "model.saltus")
    again = sl.load(tmp_path / "model.saltus")
    assert again.dtype == own.clone().dtype == "float64"
    np.testing.assert_array_equal(again.predict(X), own.predict(X))


def test_an_unknown_type_is_refused():
    with pytest.raises((ArgumentError, DTypeError), match="float46"):
        model(dtype="float46")
