"""Copies that turn axes: any order of axes, any lengths, with flips, for every type."""

import random

import numpy as np
import pytest

from saltus.backend.cpu import engine
from saltus.base import dtypes as dt
from saltus.ir.node import placeholder
from saltus.ops.movement import flip, permute


def program(shape, axes, flipped, dtype):
    x = placeholder(shape, dtype)
    return engine.compile_graph((x,), (flip(permute(x, axes), flipped),), donate=(), name="turn")


@pytest.mark.parametrize("seed", range(20))
def test_turned_arrays_hold_the_same_elements(seed):
    rng = random.Random(seed)
    shape = tuple(rng.choice([1, 3, 8, 17, 33]) for _ in range(rng.randint(2, 4)))
    axes = tuple(rng.sample(range(len(shape)), len(shape)))
    flipped = tuple(k for k in range(len(shape)) if rng.random() < 0.2)
    dtype = rng.choice([dt.float32, dt.float64, dt.int32])
    x = np.arange(np.prod(shape)).reshape(shape).astype(dtype.numpy)
    (made,) = program(shape, axes, flipped, dtype)([x])
    np.testing.assert_array_equal(made, np.flip(x.transpose(axes), flipped))


def test_a_large_turn_goes_by_squares():
    run = program((3, 100, 70), (0, 2, 1), (0,), dt.float32)
    assert any("turn of" in launch.kernel.show() for launch in run.plan.launches())
    x = np.random.default_rng(0).standard_normal((3, 100, 70)).astype("f")
    np.testing.assert_array_equal(run([x])[0], x.transpose(0, 2, 1)[::-1])
