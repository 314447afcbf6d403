"""Splits judge every row fairly, and the same seed gives the same split."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saltus.base.errors import ArgumentError, DataError
from saltus.train.splits import Split, bootstrap, given_splits, hold_out, k_fold


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 6), st.lists(st.integers(6, 30), min_size=1, max_size=4), st.integers(0, 99))
def test_stratified_folds_are_even_in_every_class_and_in_all(folds, sizes, seed):
    targets = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(sizes)), sizes))
    splits = k_fold(targets, folds, seed=seed, stratify=True)
    assert sorted(np.concatenate([s.test for s in splits])) == list(range(len(targets)))
    counts = np.array([np.bincount(targets[s.test], minlength=len(sizes)) for s in splits])
    assert np.ptp(counts, axis=0).max() <= 1
    assert np.ptp(counts.sum(axis=1)) <= 1
    for split in splits:
        assert not set(split.train) & set(split.test)
        assert len(split.train) + len(split.test) == len(targets)


def test_the_same_seed_gives_the_same_folds_and_repeats_differ():
    first, again, other = k_fold(50, 5, seed=3), k_fold(50, 5, seed=3), k_fold(50, 5, seed=4)
    assert all(np.array_equal(a.test, b.test) for a, b in zip(first, again, strict=True))
    assert not all(np.array_equal(a.test, b.test) for a, b in zip(first, other, strict=True))
    repeated = k_fold(50, 5, seed=3, repeats=2)
    assert [(s.repeat, s.fold) for s in repeated] == [(r, f) for r in range(2) for f in range(5)]
    assert not np.array_equal(repeated[0].test, repeated[5].test)


def test_rows_of_a_group_stay_together():
    groups = np.repeat(list("abcdefgh"), [9, 1, 4, 4, 7, 2, 2, 3])
    n = len(groups)
    for split in [*k_fold(n, 3, groups=groups), hold_out(n, 0.3, groups=groups), *bootstrap(n, 4, groups=groups)]:
        assert not set(groups[split.train]) & set(groups[split.test])


def test_folds_ordered_by_time_never_look_ahead():
    moments = np.random.default_rng(0).permutation(40)
    splits = k_fold(40, 4, time=moments)
    for split in splits:
        assert moments[split.train].max() < moments[split.test].min()
    assert [len(s.test) for s in splits] == [8] * 4
    assert [len(s.train) for s in splits] == [8, 16, 24, 32]


def test_bootstrap_judges_by_the_rows_never_drawn():
    split = bootstrap(200, 1, seed=1)[0]
    assert len(split.train) == 200 and len(np.unique(split.train)) < 200
    assert set(split.train) | set(split.test) == set(range(200))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: k_fold(3, 5), "3 rows cannot make 5 folds"),
        (lambda: k_fold(["a"] * 9 + ["b"] * 2, 3), "class b has 2 rows, fewer than the 3 folds"),
        (lambda: k_fold(["a"] * 9 + ["b"] * 2, 1), "folds is 1"),
        (lambda: k_fold(9, 3, groups=[0, 0, 0, 1, 1, 1, 1, 1, 1]), "2 groups cannot make 3 folds"),
        (lambda: k_fold(9, 3, groups=[0, 1]), "groups have the shape"),
        (lambda: k_fold(9, 3, time=True, repeats=2), "ordered by time"),
        (lambda: k_fold(9, 3, stratify=True), "needs the targets"),
    ],
)
def test_folds_that_cannot_be_made_say_why(call, words):
    with pytest.raises(ArgumentError, match=words):
        call()


def test_splits_of_ones_own_are_checked():
    assert given_splits([([0, 1], [2])], 3)[0].test.tolist() == [2]
    assert given_splits([(np.array([True, True, False]), np.array([False, False, True]))], 3)[0].train.tolist() == [0, 1]
    with pytest.raises(DataError, match="row 1 on both sides"):
        given_splits([([0, 1], [1, 2])], 3)
    with pytest.raises(DataError, match="outside 0 to 2"):
        given_splits([([0, 1], [3])], 3)
    with pytest.raises(DataError, match="no splits"):
        given_splits([], 3)
    assert isinstance(given_splits([hold_out(10)], 10)[0], Split)
