"""Random numbers: the published cipher, the promised distributions, streams that do not touch."""

import math

import numpy as np
import pytest
from scipy import stats

from saltus.base import dtypes as dt
from saltus.ir.evaluate import evaluate
from saltus.ir.node import full, placeholder, scalar
from saltus.ops import random

# Threefry-2x32 with 20 rounds, as (counter, key, result) in words: tests/kat_vectors of Random123 by D. E. Shaw Research.
KNOWN_ANSWERS = [
    ((0x00000000, 0x00000000), (0x00000000, 0x00000000), (0x6B200159, 0x99BA4EFE)),
    ((0xFFFFFFFF, 0xFFFFFFFF), (0xFFFFFFFF, 0xFFFFFFFF), (0x1CB996FC, 0xBB002BE7)),
    ((0x243F6A88, 0x85A308D3), (0x13198A2E, 0x03707344), (0xC4923A9C, 0x483DF7A0)),
]


def word(pair):
    return (pair[0] << 32) | pair[1]


@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN_ANSWERS)
def test_threefry_gives_the_published_answers(counter, key, expected, engine):
    k, c = placeholder((3,), dt.uint64), placeholder((3,), dt.uint64)
    env = {k: np.full(3, word(key), np.uint64), c: np.full(3, word(counter), np.uint64)}
    both, first = engine([random.random_bits(k, c, width=64), random.random_bits(k, c, width=32)], env)
    assert both.tolist() == [word(expected)] * 3
    assert first.tolist() == [expected[0]] * 3


def draw(engine, make, seed=7):
    """The numbers a function of a key makes."""
    key = placeholder((), dt.uint64)
    return engine([make(key)], {key: np.uint64(seed)})[0]


N = 200_000


@pytest.mark.parametrize("dtype", [dt.float32, dt.float64], ids=lambda d: d.name)
def test_uniform_numbers_are_uniform(engine, dtype):
    x = draw(engine, lambda key: random.uniform(key, (N,), dtype)).astype(np.float64)
    assert x.min() >= 0
    assert x.max() < 1
    assert abs(x.mean() - 0.5) < 4 / math.sqrt(12 * N)
    assert stats.kstest(x, "uniform").pvalue > 1e-3


@pytest.mark.parametrize("dtype", [dt.float16, dt.bfloat16], ids=lambda d: d.name)
def test_uniform_numbers_of_half_types_stay_below_one(engine, dtype):
    """They are whole multiples of the last digit below 1, and rounding never reaches 1."""
    x = draw(engine, lambda key: random.uniform(key, (N,), dtype))
    x = (dt.from_bfloat16(x) if dtype is dt.bfloat16 else x).astype(np.float64)
    digits = 8 if dtype is dt.bfloat16 else 11
    assert x.max() == 1 - 2.0**-digits
    assert x.min() == 0
    np.testing.assert_array_equal(x * 2**digits, np.round(x * 2**digits))
    assert abs(x.mean() + 2.0 ** -(digits + 1) - 0.5) < 4 / math.sqrt(12 * N)


@pytest.mark.parametrize("dtype", [dt.float32, dt.float64], ids=lambda d: d.name)
def test_normal_numbers_are_normal(engine, dtype):
    x = draw(engine, lambda key: random.normal(key, (N,), dtype)).astype(np.float64)
    assert abs(x.mean()) < 4 / math.sqrt(N)
    assert abs(x.var() - 1) < 4 * math.sqrt(2 / N)
    assert abs(stats.skew(x)) < 4 * math.sqrt(6 / N)
    assert abs(stats.kurtosis(x)) < 4 * math.sqrt(24 / N)
    assert stats.kstest(x, "norm").pvalue > 1e-3


@pytest.mark.parametrize("dtype", [dt.float32, dt.float64], ids=lambda d: d.name)
def test_no_bits_make_an_infinite_normal_number(engine, dtype, monkeypatch):
    """The extreme random words give the extreme normal numbers, finite and opposite."""
    words = placeholder((2,), dt.uint64 if dtype is dt.float64 else dt.uint32)
    monkeypatch.setattr(random, "bits", lambda key, shape, width=32: words)
    node = random.normal(scalar(0, dt.uint64), (2,), dtype)
    low, high = engine([node], {words: np.array([0, np.iinfo(words.dtype.numpy).max], words.dtype.numpy)})[0]
    assert -9 < low < -5
    assert high == -low


def test_whole_numbers_reach_every_value_equally_often(engine):
    x = draw(engine, lambda key: random.integers(key, (N,), -3, 7))
    assert x.dtype == np.int64
    counts = np.bincount(x + 3, minlength=10)
    assert len(counts) == 10
    assert stats.chisquare(counts).pvalue > 1e-3


def test_a_permutation_has_each_number_once(engine):
    x = draw(engine, lambda key: random.permutation(key, 1000))
    assert sorted(x.tolist()) == list(range(1000))
    assert abs(stats.spearmanr(x, np.arange(1000)).statistic) < 4 / math.sqrt(1000)


def test_streams_of_folded_keys_are_independent(engine):
    """Keys made of one key by neighbouring numbers: no correlation, no number in common."""
    key = placeholder((), dt.uint64)
    streams = [random.uniform(random.fold_in(key, scalar(i, dt.uint64)), (20_000,), dt.float64) for i in range(8)]
    rows = np.array(engine(streams, {key: np.uint64(0)}))
    correlation = np.corrcoef(rows) - np.eye(8)
    assert np.abs(correlation).max() < 5 / math.sqrt(20_000)
    assert len(np.unique(rows)) == rows.size
    shifted = np.corrcoef(rows[0][1:], rows[1][:-1])[0, 1]
    assert abs(shifted) < 5 / math.sqrt(20_000)


def test_numbers_follow_from_key_and_place_alone(engine):
    """A longer or otherwise shaped array starts with the same numbers, and another seed has others."""
    short = draw(engine, lambda key: random.uniform(key, (10,)))
    np.testing.assert_array_equal(draw(engine, lambda key: random.uniform(key, (30,)))[:10], short)
    np.testing.assert_array_equal(draw(engine, lambda key: random.uniform(key, (2, 5))).ravel(), short)
    assert not np.any(draw(engine, lambda key: random.uniform(key, (10,)), seed=8) == short)


def test_seeds_of_any_size_make_keys():
    keys = [evaluate([random.key_node(seed)], {})[0] for seed in (0, 1, 2**63, 2**64 - 1, -1)]
    assert [int(k) for k in keys] == [0, 1, 2**63, 2**64 - 1, 2**64 - 1]


def test_empty_shapes_make_empty_arrays(engine):
    assert draw(engine, lambda key: random.normal(key, (0, 3))).shape == (0, 3)
    assert draw(engine, lambda key: random.uniform(key, ())).shape == ()
    assert full((), 1, dt.uint64).shape == ()
