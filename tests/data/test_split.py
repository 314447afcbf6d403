"""Splitting rows: nothing lost, nothing twice, classes kept, the same seed the same rows."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saltus.base.errors import ArgumentError
from saltus.data import split_rows


@given(st.integers(2, 500), st.floats(0.01, 0.99), st.integers(0, 2**31))
def test_every_row_is_in_one_part(rows, share, seed):
    train, held_out = split_rows(rows, share, seed=seed)
    assert sorted([*train, *held_out]) == list(range(rows))
    assert len(held_out) == min(max(round(rows * share), 1), rows - 1)


@given(st.lists(st.sampled_from("abcde"), min_size=2, max_size=200), st.floats(0.05, 0.95), st.integers(0, 9))
def test_stratified_parts_are_whole_and_keep_each_class_in_training(labels, share, seed):
    train, held_out = split_rows(labels, share, seed=seed, stratify=True)
    assert sorted([*train, *held_out]) == list(range(len(labels)))
    assert len(held_out) >= 1
    array = np.array(labels)
    if len(set(labels)) < len(labels):
        assert set(array[train]) == set(labels)
        for label in set(labels):
            exact = (array == label).sum() * len(held_out) / len(labels)
            if (array == label).sum() * share > 2 and all(labels.count(other) > 5 for other in labels):
                assert abs((array[held_out] == label).sum() - exact) <= 2


def test_rare_classes_are_held_out_in_their_share():
    labels = np.array(["common"] * 900 + ["rare"] * 100)
    _, held_out = split_rows(labels, 0.2, seed=3)
    assert (labels[held_out] == "rare").sum() == 20


def test_classes_of_one_row_stay_in_training():
    labels = ["a"] * 50 + ["b"] * 49 + ["only"]
    train, held_out = split_rows(labels, 0.3, seed=0)
    assert 99 in train
    assert len(held_out) == 30
    train, held_out = split_rows(list("abcdefgh"), 0.25, stratify=True)
    assert len(held_out) == 2


def test_rows_are_shuffled_and_the_seed_decides():
    first, second = split_rows(1000, seed=1), split_rows(1000, seed=1)
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert not np.array_equal(first[1], split_rows(1000, seed=2)[1])
    assert np.any(np.diff(first[0]) < 0)
    assert first[1].min() < 100 < 900 < first[1].max()  # not the last rows


def test_numbers_with_fractions_are_not_stratified_and_series_are_taken():
    numbers = np.random.default_rng(0).normal(size=100)
    np.testing.assert_array_equal(split_rows(numbers, seed=5)[1], split_rows(100, seed=5)[1])
    series = pl.Series(["x", "y", None, "x"] * 10)
    assert sum(len(part) for part in split_rows(series)) == 40


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rows": 10, "share": 0.0}, r"share is 0\.0"),
        ({"rows": 10, "share": 1}, "share is 1"),
        ({"rows": 1}, "1 row cannot be split"),
        ({"rows": 10, "stratify": True}, "needs the targets"),
        ({"rows": np.zeros((4, 2))}, r"shape \(4, 2\)"),
    ],
)
def test_what_cannot_be_split_is_refused(arguments, message):
    with pytest.raises(ArgumentError, match=message):
        split_rows(arguments.pop("rows"), **arguments)
