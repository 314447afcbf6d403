"""Probes find a rate that trains and a batch that fits, and leave no trace."""

from __future__ import annotations

import numpy as np
import pytest

import saltus as sl
from saltus import nn
from saltus.base import tree
from saltus.base.errors import ArgumentError, DataError
from saltus.train import kinds


def data(rows=256):
    x = np.random.default_rng(0).normal(size=(rows, 5)).astype("float32")
    return x, (x @ np.arange(5, dtype="float32")[:, None]).astype("float32")


def model(**changes):
    network = nn.Sequential([nn.Dense(16, activation="tanh"), nn.Dropout(0.2), nn.BatchNormalization(), nn.Dense(1)])
    return sl.Model(network, **{"loss": "mse", "optimizer": sl.optim.Adam(0.003, use_ema=True), "metrics": ["mae"], **changes})


def state_of(trained):
    return [(path, np.asarray(value).copy()) for path, value in tree.paths(trained.state())]


def test_probes_leave_network_optimizer_order_and_random_state_as_they_were():
    x, y = data()
    probed, plain = model(), model()
    for trained in (probed, plain):
        trained.fit(x, y, epochs=2, verbose=0)
    before = state_of(probed)
    np.random.seed(5)
    draws = np.random.get_state()[1].copy()
    probed.find_learning_rate(x, y)
    probed.find_batch_size(x, y, memory=1 << 24)
    assert (np.random.get_state()[1] == draws).all()
    for (path, old), (_, new) in zip(before, state_of(probed), strict=True):
        np.testing.assert_array_equal(old, new, err_msg=str(path))
    assert probed.optimizer == plain.optimizer and probed.history.records == probed.history.records
    for trained in (probed, plain):
        trained.fit(x, y, epochs=2, verbose=0)
    np.testing.assert_array_equal(probed.predict(x), plain.predict(x))


def test_a_model_without_weights_stays_without():
    x, y = data()
    fresh = model()
    fresh.find_learning_rate(x, y)
    with pytest.raises(ArgumentError, match="no weights yet"):
        fresh.state()


def test_the_suggested_rate_trains_and_ten_times_the_highest_does_not():
    x, y = data()
    network = nn.Sequential([nn.Dense(1)])
    found = sl.Model(network, loss="mse", optimizer="sgd").find_learning_rate(x, y)
    assert found.rates[0] < found.suggestion < found.highest

    def loss(rate):
        own = sl.Model(network, loss="mse", optimizer=sl.optim.SGD(rate))
        return own.fit(x, y, epochs=5, verbose=0)["loss"][-1]

    start = sl.Model(network, loss="mse").evaluate(x, y)["loss"]
    assert loss(found.suggestion) < 0.5 * start
    assert not loss(10 * found.highest) < start
    assert found.to_frame().height == len(found.losses) and "suggested" in str(found)


def test_a_schedule_is_probed_by_its_optimizer():
    x, y = data()
    scheduled = model(optimizer=sl.optim.SGD(sl.optim.OneCycleLR(0.1, 100)))
    found = scheduled.find_learning_rate(x, y)
    assert found.suggestion > 0 and callable(scheduled.optimizer.learning_rate)


def test_bytes_grow_with_the_batch_and_the_choice_keeps_to_them():
    x, y = data()
    small = model().find_batch_size(x, y, memory=200_000)
    sizes = {row["batch_size"]: row["bytes"] for row in small.sizes}
    assert list(sizes.values()) == sorted(sizes.values())
    assert sizes[small.batch_size] <= 200_000
    assert model().find_batch_size(x, y, memory=1 << 30).batch_size == 256
    assert model().find_batch_size(x, y, largest=64).batch_size == 64
    assert small.to_frame().columns == ["batch_size", "bytes", "fits"]
    with pytest.raises(ArgumentError, match="not even a batch of one row"):
        model().find_batch_size(x, y, memory=100)


def test_wrong_ranges_and_data_are_refused():
    x, y = data()
    with pytest.raises(ArgumentError, match="0 < low < high"):
        model().find_learning_rate(x, y, low=1.0, high=0.1)
    x[3, 2] = np.nan
    with pytest.raises(DataError, match="row 3"):
        model().find_learning_rate(x, y)


def test_a_step_and_a_prediction_can_be_looked_at_without_training():
    model = sl.Model(nn.Sequential([nn.Input((4,)), nn.Dense(8, activation="relu"), nn.Dense(1)]), loss="mse")
    x, y = np.ones((6, 4), "float32"), np.ones((6, 1), "float32")
    before = model.predict(x)
    step, use = model.explain(x, y), model.explain(x)
    assert step.startswith("training step: ") and "matmul+relu" in step and "flops" in step
    assert len(use.splitlines()) < len(step.splitlines())
    np.testing.assert_array_equal(model.predict(x), before)
    assert model.state()["step"].item() == 0


TEXTS = {"text": ["a fine film", "a fine and warm film", "a dull film", "dull and long"] * 15, "label": ["good", "good", "bad", "bad"] * 15}


def prepared(kind):
    """Encoded data of a kind, and a model for them."""
    day, y = np.arange(200), np.arange(60) % 3
    pixels = np.random.default_rng(0).integers(0, 60, (60, 8, 8)).astype("uint8") + (60 * y).astype("uint8")[:, None, None]
    given = {
        "images": ((pixels, y), None), "text": (TEXTS, "label"), "table": ({"a": day % 5, "b": day % 3, "y": day % 2}, "y"),
        "series": ({"day": np.datetime64("2023-01-01") + day, "sold": 10 + day % 7}, "sold"),
    }  # fmt: skip
    made = kinds.named(kind).prepare(*given[kind], kinds.named(kind).options(verbose=0))
    return made.build(made.options, 16, 3), made.learnt


@pytest.mark.parametrize("kind", kinds.names())
def test_every_kind_of_data_is_probed_without_a_trace(kind):
    probed, learnt = prepared(kind)
    plain, _ = prepared(kind)
    for trained in (probed, plain):
        trained.fit(learnt.inputs, learnt.target, epochs=1, batch_size=16, verbose=0)
    before = state_of(probed)
    found = probed.find_learning_rate(learnt.inputs, learnt.target, steps=30, batch_size=16)
    assert 1e-6 < found.suggestion <= found.highest < 10
    size = probed.find_batch_size(learnt.inputs, learnt.target, memory=1 << 26).batch_size
    assert 1 <= size <= len(learnt)
    for (path, old), (_, new) in zip(before, state_of(probed), strict=True):
        np.testing.assert_array_equal(old, new, err_msg=str(path))
    for trained in (probed, plain):
        trained.fit(learnt.inputs, learnt.target, epochs=1, batch_size=16, verbose=0)
    for (path, old), (_, new) in zip(state_of(plain), state_of(probed), strict=True):
        np.testing.assert_array_equal(old, new, err_msg=str(path))


def test_data_that_are_read_while_training_are_probed_too():
    x, y = data(400)
    supply = [(x[k : k + 50], y[k : k + 50]) for k in range(0, 400, 50)]
    probed = model()
    found = probed.find_learning_rate(supply, steps=20)
    assert found.suggestion > 0
    assert probed.find_batch_size(supply, memory=1 << 24).batch_size >= 128
    assert probed.fit(supply, epochs=1, verbose=0)["loss"][0] == model().fit(supply, epochs=1, verbose=0)["loss"][0]
