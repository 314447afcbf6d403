"""A folded network gives the same predictions with fewer layers, whatever the network is built of."""

import numpy as np
import pytest

import saltus as sl
from saltus import nn
from saltus.base import tree
from saltus.base.errors import ArgumentError

RNG = np.random.default_rng(0)
BN = nn.BatchNormalization


def ready(network, shape):
    """A network with parameters and moving averages that are not those of its beginning, and an input."""
    x = RNG.normal(size=shape).astype("float32")
    made = nn.init(network, x, key=sl.random.key(0))
    return [tree.map(lambda v: sl.asarray(RNG.uniform(0.5, 1.5, size=v.shape).astype("float32")), t) for t in made], x


def norms(layer):
    """How many batch normalisations a network holds."""
    if isinstance(layer, (tuple, list)):
        return sum(map(norms, layer))
    if not isinstance(layer, nn.Layer):
        return 0
    return isinstance(layer, BN) + sum(norms(getattr(layer, n, ())) for n in ("layers", "shortcut", "branches"))


def graph():
    x = nn.Input((8, 8, 3))
    y = BN()(nn.Conv2D(4, 3, padding="same")(x))
    shared = nn.Conv2D(4, 1)
    z = BN(name="kept")(shared(y))
    z = nn.Add()([z, BN()(shared(nn.Activation("relu")(z)))])
    both = nn.Conv2D(4, 1)(z)
    z = nn.Concatenate()([both, BN()(both)])
    return nn.Network(x, {"a": nn.Flatten()(BN()(nn.Dense(5)(z))), "b": BN()(nn.Conv2DTranspose(2, 3, strides=2)(z))})


@pytest.mark.parametrize(
    ("network", "shape", "left"),
    [
        (nn.Sequential([nn.Dense(4), BN(), nn.Activation("tanh"), nn.Dense(3, use_bias=False), BN(center=False)]), (5, 6), 0),
        (nn.Sequential([nn.Conv2D(4, 3, groups=2), BN(scale=False), nn.ReLU(), nn.Conv2D(6, 3, strides=2), BN()]), (2, 9, 8, 2), 0),
        (nn.Sequential([nn.Conv1D(4, 3, padding="causal"), BN(epsilon=1e-5)]), (2, 9, 2), 0),
        (nn.Sequential([nn.Conv2DTranspose(4, 3, strides=2, use_bias=False), BN()]), (2, 4, 4, 3), 0),
        (nn.Sequential([nn.DepthwiseConv2D(3, depth_multiplier=2), BN(), nn.ReLU(), nn.SeparableConv2D(5, 3), BN()]), (2, 9, 8, 3), 0),
        (nn.Sequential([BN(), nn.Dense(4, activation="relu"), BN(), nn.Dense(4), nn.Dropout(0.5), BN()]), (5, 6), 3),
        (nn.Sequential([nn.Conv2D(4, 3), BN(1)]), (2, 8, 8, 2), 1),
        (nn.Sequential([BN(), nn.Residual([nn.Dense(6, use_bias=False), BN(), nn.ReLU(), nn.Dense(6), BN()],
                                          shortcut=[nn.Dense(6), BN()])]), (5, 6), 1),
        (nn.Parallel([[nn.Dense(3), BN()], nn.Dense(3), nn.Sequential([nn.Dense(2), BN()], name="last")]), (5, 6), 0),
        (graph(), (2, 8, 8, 3), 3),
    ],
)  # fmt: skip
def test_a_folded_network_predicts_the_same(network, shape, left):
    (params, state), x = ready(network, shape)
    folded, own, averages = nn.fold(network, params, state)
    assert norms(folded) == left
    expected, made = nn.apply(network, params, state, x).output, nn.apply(folded, own, averages, x).output
    for a, b in zip(tree.leaves(expected), tree.leaves(made), strict=True):
        np.testing.assert_allclose(b.numpy(), a.numpy(), rtol=2e-4, atol=2e-4)
    assert nn.from_config(nn.to_config(folded)) == folded
    described = nn.describe(folded, x)  # parameters stand where a fresh folded network has them
    assert {p.path: p.shape for p in described.parameters} == {tree.format_path(p): v.shape for p, v in tree.paths(own)}
    assert set(described.state) == {tree.format_path(p) for p, _ in tree.paths(averages)}


def test_folding_changes_nothing_of_what_it_was_given():
    network = nn.Sequential([nn.Dense(4), BN()])
    (params, state), _ = ready(network, (5, 6))
    before = params["dense"]["kernel"].numpy().copy()
    nn.fold(network, params, state)
    np.testing.assert_array_equal(params["dense"]["kernel"].numpy(), before)
    assert sorted(params) == ["batch_normalization", "dense"]


def test_a_network_without_batch_normalization_stays():
    network = nn.Sequential([nn.Dense(4), nn.LayerNormalization()])
    (params, state), _ = ready(network, (5, 6))
    folded = nn.fold(network, params, state)
    assert folded.network == network and sorted(folded.params) == sorted(params)


def test_parameters_of_another_network_are_refused():
    network = nn.Sequential([nn.Dense(4), BN()])
    with pytest.raises(ArgumentError, match="which the network needs"):
        nn.fold(network, {"dense": {}}, {})
