"""Models that begin with given weights, and weights that come back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import saltus as sl
from saltus import nn
from saltus.base.errors import ShapeError
from saltus.base.tree import leaves

X = np.linspace(-1, 1, 12, dtype="float32").reshape(4, 3)


def model(**options: Any) -> sl.Model:
    layers = [nn.Dense(5, name="first"), nn.BatchNormalization(name="norm"), nn.Dense(2, name="last", trainable=False)]
    return sl.Model(nn.Sequential(layers), loss="mse", optimizer=sl.optim.Adam(0.01, use_ema=True), **options)


def values(tree: Any) -> list[np.ndarray]:
    return [np.asarray(v) for v in leaves(tree)]


def test_a_model_built_with_the_weights_of_another_is_that_model() -> None:
    one, other = model(seed=1), model(seed=2)
    one.build(X)
    one.train_on_batch(X, X[:, :2])
    other.build(X, one.snapshot())
    np.testing.assert_array_equal(other.predict(X), one.predict(X))


def test_parts_that_are_not_given_are_drawn_as_always() -> None:
    drawn, other = model(seed=1), model(seed=1)
    drawn.build(X)
    params = {k: {n: np.asarray(v) + 1 for n, v in own.items()} for k, own in drawn.params.items()}
    other.build(X, {"params": params})
    for got, expected in zip(values(other.params), values(params), strict=True):
        np.testing.assert_array_equal(got, expected)
    for got, expected in zip(values(other.state()["state"]), values(drawn.state()["state"]), strict=True):
        np.testing.assert_array_equal(got, expected)


def test_the_moving_average_begins_at_the_given_weights() -> None:
    other = model()
    other.build(X, {"params": {k: {n: np.full(v.shape, 3, "float32") for n, v in own.items()} for k, own in built().params.items()}})
    for got in values(other.state()["optimizer"]["average"]):
        np.testing.assert_array_equal(got, np.full(got.shape, 3, "float32"))


def test_no_two_parts_of_the_state_share_memory() -> None:
    arrays = built()._built.state
    assert not any(np.shares_memory(a, b) for k, a in enumerate(arrays) for b in arrays[:k])


def built() -> sl.Model:
    made = model()
    made.build(X)
    return made


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: p["first"].pop("bias"), "params/first/bias is missing"),
        (lambda p: p["first"].update(bias=np.zeros(4)), r"params/first/bias has the shape \(4,\), expected \(5,\)"),
        (lambda p: p.update(other={"bias": np.zeros(4)}), "params/other/bias do not belong"),
    ],
)
def test_weights_that_do_not_fit_are_named(change: Any, message: str) -> None:
    params = {k: dict(own) for k, own in built().params.items()}
    change(params)
    with pytest.raises(ShapeError, match=message):
        model().build(X, {"params": params})


def test_weights_that_are_refused_change_nothing() -> None:
    one = built()
    before, wrong = one.predict(X), one.snapshot()
    wrong["params"]["first"]["kernel"] = np.ones((3, 5))
    wrong["params"]["norm"]["gamma"] = np.ones(4)
    with pytest.raises(ShapeError, match="norm/gamma"):
        one.restore(wrong)
    np.testing.assert_array_equal(one.predict(X), before)


def test_training_a_model_does_not_change_what_it_was_built_with() -> None:
    start = built().snapshot()
    kept = [v.copy() for v in values(start)]
    one = model()
    one.build(X, start)
    one.train_on_batch(X, X[:, :2])
    for got, expected in zip(values(start), kept, strict=True):
        np.testing.assert_array_equal(got, expected)
