"""train_on_batch again and again: the short way it takes gives what the long one gives, whatever comes in between."""

from __future__ import annotations

import numpy as np
import pytest

import saltus as sl
from saltus.base.errors import SaltusError


def made(metrics=()):
    network = sl.nn.Sequential([sl.nn.Dense(8, activation="relu"), sl.nn.Dense(3)])
    return sl.Model(network, loss="sparse_categorical_crossentropy", optimizer=sl.optim.Adam(0.01), metrics=list(metrics), seed=3)


def batches(count, rows=16):
    rng = np.random.default_rng(0)
    return [(rng.standard_normal((rows, 4)).astype(np.float32), rng.integers(0, 3, rows)) for _ in range(count)]


def test_steps_equal_those_on_other_kinds_of_arrays():
    quick, slow = made(["accuracy"]), made(["accuracy"])
    for x, y in batches(6):
        wide = np.empty((16, 8), np.float32)
        wide[:, ::2] = x
        assert quick.train_on_batch(x, y) == slow.train_on_batch(wide[:, ::2], y)


def test_batches_of_two_sizes_in_turn():
    model, other = made(), made()
    for (x, y), (a, b) in zip(batches(3), batches(3, 5), strict=True):
        for rows, labels in ((x, y), (a, b)):
            assert model.train_on_batch(rows, labels) == other.train_on_batch(sl.asarray(rows), labels)


def test_restored_weights_are_what_the_next_step_trains():
    model, ((x, y),) = made(), batches(1)
    model.train_on_batch(x, y)
    before = model.snapshot()
    first, second = (model.train_on_batch(x, y)["loss"] for _ in range(2))
    model.restore(before)
    assert model.train_on_batch(x, y)["loss"] == first != second


def test_another_learning_rate_counts_at_once():
    model, ((x, y),) = made(), batches(1)
    for _ in range(3):
        model.train_on_batch(x, y)
    model.learning_rate = 0.0
    assert model.train_on_batch(x, y) == model.train_on_batch(x, y)


def test_fit_and_single_steps_share_the_weights():
    model, ((x, y),) = made(), batches(1)
    for _ in range(3):
        model.train_on_batch(x, y)
    model.fit(x, y, epochs=2, batch_size=16, verbose=0)
    seen = model.test_on_batch(x, y)["loss"]
    assert model.train_on_batch(x, y)["loss"] == pytest.approx(seen, rel=1e-6)


def test_results_are_numbers_of_their_step():
    model, ((x, y),) = made(), batches(1)
    losses = [model.train_on_batch(x, y) for _ in range(4)]
    assert len({seen["loss"] for seen in losses}) == 4 and all(type(seen["loss"]) is float for seen in losses)


def test_wrong_batches_are_refused_after_right_ones():
    model, ((x, y),) = made(), batches(1)
    for _ in range(3):
        model.train_on_batch(x, y)
    with pytest.raises(SaltusError):
        model.train_on_batch(x[:, :3].copy(), y)
    with pytest.raises(SaltusError):
        model.train_on_batch(x, y[:5])
