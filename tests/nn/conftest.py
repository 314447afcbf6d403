"""Shared by the tests of networks: plain gradient descent in one compiled loop, finite differences, small data."""

import numpy as np
import pytest

import saltus as sl
from saltus import nn
from saltus.base import tree


def _trained(network, loss, x, y, *, steps=200, rate=0.1, seed=0, batch=None):
    """Parameters, state and losses after gradient descent; `batch` samples a step, one after the other, or all."""
    loss = nn.losses.get(loss)
    params, state = nn.init(network, x, key=sl.random.key(seed))
    n = len(x)

    @sl.jit
    def run(params, state, x, y):
        def step(carry, number):
            params, state = carry
            rows = (number * batch + sl.arange(batch)) % n if batch else sl.arange(n)
            some_x, some_y = sl.take(x, rows, axis=0), sl.take(y, rows, axis=0)
            key = sl.random.fold_in(sl.random.key(1), number)

            def total(params):
                made = nn.apply(network, params, state, some_x, training=True, key=key)
                return loss.reduce(loss(some_y, made.output)) + sum(made.losses, sl.asarray(0.0)), made.state

            (value, state), gradient = sl.value_and_grad(total, has_aux=True)(params)
            return (tree.map(lambda p, g: p - rate * g, params, gradient), state), value

        return sl.scan(step, (params, state), sl.arange(steps))

    (params, state), values = run(params, state, x, y)
    return params, state, values.numpy()


@pytest.fixture
def trained():
    return _trained


@pytest.fixture
def slopes():
    """Derivatives of a function of one float64 array by central differences."""

    def by_differences(function, x, step=1e-6):
        x = np.asarray(x, "float64")
        made = np.zeros_like(x)
        for place in np.ndindex(x.shape):
            moved = np.zeros_like(x)
            moved[place] = step
            made[place] = (float(function(x + moved)) - float(function(x - moved))) / (2 * step)
        return made

    return by_differences


@pytest.fixture
def blobs():
    """Three clouds of points in the plane, apart from each other, and their numbers."""
    rng = np.random.default_rng(0)
    y = np.arange(90) % 3
    centres = np.array([[0.0, 2.0], [2.0, -1.0], [-2.0, -1.0]])
    return (centres[y] + rng.normal(scale=0.4, size=(90, 2))).astype("float32"), y
