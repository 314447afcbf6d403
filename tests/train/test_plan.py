"""Epochs, batches, iterations: counted right, shuffled as a pure function of seed and epoch, cut into calls
without loss.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import saltus as sl
from saltus.base.errors import ArgumentError
from saltus.train.plan import CALL_SECONDS, Pace, epoch_order


def test_ten_thousand_samples_in_batches_of_two_hundred_take_fifty_iterations_an_epoch():
    plan = sl.train.training_plan(10_000, 200, epochs=3)
    assert (plan.iterations, plan.last_batch, plan.updates) == (50, 200, 150)
    assert "50 iterations an epoch" in str(plan)


def test_the_last_batch_is_smaller_when_samples_are_left_over():
    plan = sl.train.training_plan(1000, 32)
    assert (plan.iterations, plan.full_batches, plan.last_batch) == (32, 31, 8)
    assert "last one of 8" in str(plan)


@given(st.integers(1, 5000), st.integers(1, 300), st.integers(1, 9))
def test_batches_add_up_to_all_samples(samples, size, epochs):
    plan = sl.train.training_plan(samples, size, epochs)
    assert (plan.iterations - 1) * plan.batch_size + plan.last_batch == samples
    assert plan.updates == plan.iterations * epochs


def test_full_and_one_are_batch_sizes():
    assert sl.train.training_plan(7, "full").iterations == 1
    assert sl.train.training_plan(7, 1).iterations == 7


@pytest.mark.parametrize("arguments", [(0, 2), (10, 0), (10, -3), (10, "half"), (10, 2.5), (10, True), (10, 2, -1)])
def test_impossible_numbers_are_refused(arguments):
    with pytest.raises(ArgumentError):
        sl.train.training_plan(*arguments)


@given(st.integers(1, 200), st.integers(0, 2**40), st.integers(0, 50))
def test_the_order_of_an_epoch_depends_on_seed_and_epoch_only(rows, seed, epoch):
    numbers = np.arange(rows) * 3
    order = epoch_order(numbers, seed, epoch)
    assert sorted(order.tolist()) == numbers.tolist()
    assert (order == epoch_order(numbers, seed, epoch)).all()


def test_epochs_and_seeds_differ_in_order_and_the_stream_is_fixed():
    rows = np.arange(10)
    orders = [epoch_order(rows, seed, epoch).tolist() for seed in (0, 1) for epoch in (0, 1)]
    assert len({tuple(o) for o in orders}) == 4
    assert orders[0] == [0, 7, 8, 6, 9, 5, 1, 3, 2, 4]  # changing this breaks resuming of older checkpoints
    assert epoch_order(rows, 0, 0, shuffle=False).tolist() == list(range(10))


@given(st.integers(1, 400), st.integers(1, 40), st.floats(0, 1e9), st.data())
def test_calls_cover_an_epoch_exactly_from_any_position(samples, size, work, data):
    plan = sl.train.training_plan(samples, size)
    position = data.draw(st.integers(0, plan.iterations))
    order = epoch_order(np.arange(samples), 0, 0)
    pace = Pace(plan.full_batches, work)
    pieces = list(pace.pieces(order, plan.batch_size, position))
    flat = [row for piece in pieces for row in piece.reshape(-1).tolist()]
    assert flat == order[position * plan.batch_size :].tolist()
    assert len({p.shape for p in pieces}) <= 3  # each shape is a program


def test_a_call_takes_about_a_fifth_of_a_second_once_the_pace_is_known():
    pace = Pace(10_000, 1000.0)
    assert pace.length >= 5000  # a tiny step: few calls an epoch
    pace.learn(pace.length, pace.length * 0.01)  # it takes 10 ms a step after all
    assert pace.length == pytest.approx(CALL_SECONDS / 0.01, rel=0.6)
    assert Pace(10_000, 0.0, single=True).length == 1
