"""Networks of layers learn in a compiled step: classifiers, regressions, tables, batch statistics."""

import numpy as np
import pytest

import saltus as sl
from saltus import nn


@pytest.mark.parametrize("last", [None, "softmax"])
@pytest.mark.parametrize("batch", [None, 16])
def test_a_classifier_learns_three_clouds(trained, blobs, last, batch):
    x, y = blobs
    network = nn.Sequential([nn.Dense(16, activation="relu"), nn.Dropout(0.2), nn.Dense(3, activation=last)])
    loss = nn.losses.SparseCategoricalCrossentropy()
    params, state, values = trained(network, loss, x, y, batch=batch)
    output = nn.apply(network, params, state, x).output
    assert float(nn.metrics.get("accuracy", loss=loss)(y, output)) > 0.97
    assert values[-10:].mean() < 0.2 * values[0]


def test_batch_normalization_learns_and_its_averages_serve_prediction(trained, blobs):
    x, y = blobs
    x = x * 50 + 300  # badly scaled on purpose
    network = nn.Sequential(
        [nn.BatchNormalization(momentum=0.9), nn.Dense(16, activation="relu"), nn.BatchNormalization(momentum=0.9), nn.Dense(3)]
    )
    params, state, _ = trained(network, "sparse_categorical_crossentropy", x, y)
    output = nn.apply(network, params, state, x).output
    assert float(nn.metrics.SparseCategoricalAccuracy()(y, output)) > 0.97


def test_a_regression_learns_a_line(trained):
    x = np.linspace(-1, 1, 40, dtype="float32")[:, None]
    params, _, values = trained(nn.Dense(1), "mse", x, 3 * x - 1)
    np.testing.assert_allclose(params["kernel"].numpy(), [[3.0]], atol=1e-3)
    np.testing.assert_allclose(params["bias"].numpy(), [-1.0], atol=1e-3)
    assert values[-1] < 1e-5


def test_embeddings_of_a_table_learn_what_each_category_means(trained):
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 6, size=(200, 2)).astype("int32")
    effect = np.array([3.0, -1.0, 0.0, 2.0, -2.0, 1.0])
    y = (effect[codes[:, :1]] * 0.5 + effect[codes[:, 1:]]).astype("float32")
    network = nn.Sequential([nn.TableInput((6, 6)), nn.Dense(1)])
    _, _, values = trained(network, "mse", codes, y, steps=400, rate=0.3)
    assert values[-1] < 0.01 * values[0]


def test_weight_decay_by_regularizer_shrinks_weights(trained, blobs):
    x, y = blobs
    norms = []
    for factor in (0.0, 0.05):
        network = nn.Dense(3, kernel_regularizer=nn.regularizers.L2(factor))
        params, _, _ = trained(network, "sparse_categorical_crossentropy", x, y, steps=300)
        norms.append(float(sl.sum(params["kernel"] ** 2)))
    assert norms[1] < 0.5 * norms[0]
