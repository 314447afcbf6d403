"""Random chains of public functions give the same values and gradients compiled as evaluated node by node."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import saltus as sl

STEPS = {
    "tanh": sl.tanh,
    "sigmoid": lambda x: sl.sigmoid(x) * 2 - x,
    "exp": lambda x: sl.exp(-sl.abs(x)),
    "relu": lambda x: sl.relu(x) + 0.1 * x,
    "where": lambda x: sl.where(x > 0.1, x * x, sl.sin(x)),
    "normalise": lambda x: (x - x.mean(axis=-1, keepdims=True)) / sl.sqrt(x.var(axis=-1, keepdims=True) + 0.5),
    "softmax": lambda x: sl.softmax(x, axis=0) + x * 0.5,
    "sum first": lambda x: x + x.sum(axis=0, keepdims=True) * 0.1,
    "sum last": lambda x: x.sum(axis=-1) * 0.3 if x.ndim > 1 else x,
    "max": lambda x: x - x.max(axis=0, keepdims=True),
    "transpose": lambda x: sl.permute_dims(x, tuple(range(x.ndim))[::-1]),
    "rotate axes": lambda x: sl.moveaxis(x, 0, -1),
    "flip": lambda x: x + sl.flip(x, axis=0),
    "every second": lambda x: x[::2] if len(x) > 1 else x,
    "backwards": lambda x: x[..., ::-1],
    "cut": lambda x: x[1:] - x[:-1] if len(x) > 2 else x,
    "pad": lambda x: sl.pad(x, 1, value=0.5),
    "twice": lambda x: sl.concat([x, x * 0.5], axis=-1),
    "stack": lambda x: sl.stack([x, -x], axis=0) if x.ndim < 3 else x,
    "flatten": lambda x: x.flatten() * 1.1,
    "new axis": lambda x: x[None] + x[:, None] if x.ndim == 1 and len(x) < 9 else x,
    "gram": lambda x: sl.matmul(x, x.mT) * 0.1 if x.ndim > 1 else x,
    "dense": lambda x: sl.relu(x @ (sl.arange(x.shape[-1] * 5, dtype=x.dtype).reshape(x.shape[-1], 5) * 0.01) + 0.1),
    "gather": lambda x: x[sl.asarray([0, -1, 0])],
    "running": lambda x: sl.cumulative_sum(x, axis=0) * 0.2,
    "roll": lambda x: sl.roll(x, 1, axis=-1) * x,
    "assign": lambda x: _assigned(x),
    "scan": lambda x: sl.scan(lambda c, r: (sl.tanh(c * 0.5 + r), c + r), x[0] * 0, x)[1],
    "clip": lambda x: sl.clip(x, -1.0, 1.5),
    "cast": lambda x: x.astype("float32").astype(x.dtype),
    "one hot": lambda x: x * sl.one_hot(sl.argmax(x, axis=-1), x.shape[-1], dtype=x.dtype) + x,
}


def _assigned(x):
    x = x * 1.0
    x[0] = x[-1] * 2 + 1
    return x


@settings(max_examples=60)
@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=3),
    st.lists(st.sampled_from(sorted(STEPS)), min_size=1, max_size=6),
    st.sampled_from(["float32", "float64"]),
)
@example([2], ["tanh", "softmax", "roll", "twice"], "float64")
@example([4, 13], ["gram", "softmax", "exp", "assign", "max", "rotate axes"], "float64")
def test_values_and_gradients_agree(shape, steps, dtype):
    x = np.random.default_rng(len(steps)).uniform(-1, 1, shape).astype(dtype)

    def chain(x):
        for name in steps:
            x = STEPS[name](x)
            if x.size > 4000:
                x = x.flatten()[:4000]
        return x

    def loss(x):
        y = chain(x)
        return (y * sl.cos(sl.arange(y.size, dtype=y.dtype)).reshape(y.shape)).sum()

    exact = dtype == "float64"
    tolerance = {"rtol": 1e-9, "atol": 1e-9} if exact else {"rtol": 2e-3, "atol": 2e-3}
    given_x = sl.asarray(x)
    np.testing.assert_allclose(np.asarray(sl.jit(chain)(given_x)), np.asarray(chain(given_x)), **tolerance)
    if exact:
        np.testing.assert_allclose(np.asarray(sl.jit(sl.grad(loss))(given_x)), np.asarray(sl.grad(loss)(given_x)), **tolerance)


@pytest.mark.parametrize("name", sorted(STEPS))
def test_each_step_alone(name):
    for shape in ((1,), (7,), (40,), (3, 5), (33, 2), (2, 3, 17)):
        x = sl.asarray(np.random.default_rng(0).uniform(-1, 1, shape))
        np.testing.assert_allclose(np.asarray(sl.jit(STEPS[name])(x)), np.asarray(STEPS[name](x)), rtol=1e-10, atol=1e-10)
