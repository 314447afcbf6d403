"""A network of layers trains: small classifiers and regressions reach what they must, in a compiled step."""

import numpy as np

import saltus as sl
from saltus import nn
from saltus.base import tree


def trained(network, loss, x, y, *, steps=200, rate=0.1, seed=0):
    """Parameters after plain gradient descent on all samples, in one compiled loop; and the first and last loss."""
    loss = nn.losses.get(loss)
    params, state = nn.init(network, x, key=sl.random.key(seed))

    @sl.jit
    def run(params, state, x, y):
        def step(carry, number):
            params, state = carry

            def total(params):
                made = nn.apply(network, params, state, x, training=True, key=sl.random.fold_in(sl.random.key(1), number))
                return loss.reduce(loss(y, made.output)) + sum(made.losses, sl.asarray(0.0)), made.state

            (value, state), gradient = sl.value_and_grad(total, has_aux=True)(params)
            return (tree.map(lambda p, g: p - rate * g, params, gradient), state), value

        return sl.scan(step, (params, state), sl.arange(steps))

    (params, state), values = run(params, state, x, y)
    return params, state, values


def blobs(seed=0, n=90):
    """Three clouds of points, apart from each other."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 3
    centres = np.array([[0.0, 2.0], [2.0, -1.0], [-2.0, -1.0]])
    return (centres[y] + rng.normal(scale=0.4, size=(n, 2))).astype("float32"), y


def test_a_classifier_learns_three_clouds():
    x, y = blobs()
    network = nn.Sequential([nn.Dense(16, activation="relu"), nn.Dropout(0.2), nn.Dense(3)])
    params, state, values = trained(network, "sparse_categorical_crossentropy", x, y)
    output = nn.apply(network, params, state, x).output
    assert float(nn.metrics.get("accuracy", loss="sparse_categorical_crossentropy")(y, output)) > 0.97
    assert float(values[-1]) < 0.2 * float(values[0])


def test_a_regression_learns_a_line():
    x = np.linspace(-1, 1, 40, dtype="float32")[:, None]
    params, _, values = trained(nn.Dense(1), "mse", x, 3 * x - 1)
    np.testing.assert_allclose(params["kernel"].numpy(), [[3.0]], atol=1e-3)
    np.testing.assert_allclose(params["bias"].numpy(), [-1.0], atol=1e-3)
    assert float(values[-1]) < 1e-5
