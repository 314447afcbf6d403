"""Random numbers are pure functions of a key, with the distribution they promise."""

import numpy as np
import pytest

import saltus as sl
from saltus.base.errors import ArgumentError, DTypeError, ShapeError

N = 20_000


def test_the_same_key_gives_the_same_numbers_and_another_key_others():
    a, b = sl.random.key(1), sl.random.key(2)
    assert sl.random.normal(a, (5,)).tolist() == sl.random.normal(a, (5,)).tolist()
    assert sl.random.normal(a, (5,)).tolist() != sl.random.normal(b, (5,)).tolist()
    drawn = sl.jit(lambda k: sl.random.normal(k, (5,)))
    np.testing.assert_allclose(np.asarray(drawn(a)), np.asarray(sl.random.normal(a, (5,))), rtol=1e-5)


def test_keys_made_from_a_key_are_all_different():
    parent = sl.random.key(3)
    keys = [int(k) for k in sl.random.split(parent, 50)] + [int(sl.random.fold_in(parent, i)) for i in range(50)]
    drawn = sl.random.random_bits(parent, (100,), width=64).tolist()
    assert len({int(parent), *keys, *drawn}) == 201


def test_fold_in_takes_numbers_and_tensors_alike():
    k = sl.random.key(0)
    assert int(sl.random.fold_in(k, 7)) == int(sl.random.fold_in(k, sl.asarray(7)))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_uniform_and_normal(dtype):
    k = sl.random.key(0)
    u = np.asarray(sl.random.uniform(k, (N,), low=-1.0, high=3.0, dtype=dtype).astype("float64"))
    assert sl.random.uniform(k, (3,), dtype=dtype).dtype == dtype
    assert u.min() >= -1
    assert u.max() <= 3
    assert abs(u.mean() - 1) < 0.05
    z = np.asarray(sl.random.normal(k, (N,), mean=2.0, std=0.5, dtype=dtype).astype("float64"))
    assert abs(z.mean() - 2) < 0.02
    assert abs(z.std() - 0.5) < 0.02


def test_truncated_normal_stays_inside():
    z = np.asarray(sl.random.truncated_normal(sl.random.key(0), (N,), low=-1.0, high=2.0))
    assert z.min() >= -1
    assert z.max() <= 2
    assert abs(z.mean() - 0.229637) < 0.02  # (pdf(-1) - pdf(2)) / (cdf(2) - cdf(-1))


def test_whole_numbers_and_coins():
    k = sl.random.key(0)
    dice = np.asarray(sl.random.randint(k, (N,), low=1, high=7, dtype="int8"))
    counts = np.bincount(dice, minlength=8)
    assert counts[0] == counts[7] == 0
    assert abs(counts[1:7] / N - 1 / 6).max() < 0.02
    assert abs(float(sl.random.bernoulli(k, 0.3, (N,)).mean()) - 0.3) < 0.02
    assert sl.random.bernoulli(k, sl.asarray([0.0, 1.0])).tolist() == [False, True]


def test_permutations_and_choices():
    k = sl.random.key(0)
    assert sorted(sl.random.permutation(k, 100).tolist()) == list(range(100))
    shuffled = sl.random.permutation(k, sl.arange(20).reshape(10, 2))
    assert sorted(map(tuple, shuffled.tolist())) == [(2 * i, 2 * i + 1) for i in range(10)]
    drawn = sl.random.choice(k, sl.asarray([10.0, 20.0, 30.0]), (N,), p=sl.asarray([0.5, 0.0, 0.5]))
    assert set(drawn.tolist()) == {10.0, 30.0}
    assert abs(float((drawn == 10.0).mean()) - 0.5) < 0.02
    assert sorted(sl.random.choice(k, 10, (10,), replace=False).tolist()) == list(range(10))
    picked = sl.random.choice(k, 4, (2,), replace=False, p=sl.asarray([0.5, 0.5, 0.0, 0.0]))
    assert sorted(picked.tolist()) == [0, 1]


def test_categorical_follows_softmax():
    logits = sl.log(sl.asarray([[0.7, 0.2, 0.1]]))
    drawn = np.asarray(sl.random.categorical(sl.random.key(0), sl.broadcast_to(logits, (N, 3))))
    np.testing.assert_allclose(np.bincount(drawn, minlength=3) / N, [0.7, 0.2, 0.1], atol=0.02)


def test_refusals():
    k = sl.random.key(0)
    with pytest.raises(DTypeError, match=r"sl\.random\.key\(seed\)"):
        sl.random.uniform(0, (2,))
    with pytest.raises(DTypeError, match="of several keys"):
        sl.random.uniform(sl.random.split(k), (2,))
    with pytest.raises(DTypeError, match="floats"):
        sl.random.normal(k, (2,), dtype="int32")
    with pytest.raises(ArgumentError, match="low must be below high"):
        sl.random.randint(k, (2,), low=3, high=3)
    with pytest.raises(ArgumentError, match="without replacement"):
        sl.random.choice(k, 3, (4,), replace=False)
    with pytest.raises(ShapeError, match="p must have shape"):
        sl.random.choice(k, 3, (4,), p=sl.ones(2))
