"""Branches, ways past, graphs of layers with shared ones, and networks as plain dicts."""

import json

import numpy as np
import pytest

import saltus as sl
from saltus import nn
from saltus.base import tree
from saltus.base.errors import ArgumentError, DTypeError, ShapeError, UnknownNameError
from saltus.nn import config

KEY = sl.random.key(0)
X = np.random.default_rng(0).normal(size=(5, 4)).astype("float32")


def run(network, *inputs):
    params, state = nn.init(network, *inputs, key=KEY)
    return nn.apply(network, params, state, *inputs).output, params


def test_a_residual_block_adds_what_it_makes_to_its_input():
    network = nn.Residual([nn.Dense(8, activation="relu"), nn.Dense(4, kernel_initializer="zeros")])
    made, _ = run(network, X)
    np.testing.assert_array_equal(made.numpy(), X)
    assert [p.path for p in nn.describe(network, X).parameters] == [
        "layers/dense/kernel", "layers/dense/bias", "layers/dense_1/kernel", "layers/dense_1/bias",
    ]  # fmt: skip


def test_a_residual_block_may_have_a_layer_on_the_way_past_and_another_merge():
    made, params = run(nn.Residual(nn.Dense(2, use_bias=False), shortcut=nn.Dense(2, use_bias=False)), X)
    np.testing.assert_allclose(
        made.numpy(), X @ (params["layers"]["kernel"].numpy() + params["shortcut"]["kernel"].numpy()), rtol=1e-4, atol=1e-5
    )
    made, _ = run(nn.Residual(nn.Dense(2), merge="concat"), X)
    assert made.shape == (5, 6)
    np.testing.assert_array_equal(made.numpy()[:, :4], X)


@pytest.mark.parametrize("merge", ["add", "multiply", "average", "maximum", "minimum", "subtract", "concat", "none"])
def test_branches_are_merged(merge):
    network = nn.Parallel([nn.Dense(2), [nn.Dense(3), nn.Dense(2)]], merge=merge)
    made, params = run(network, X)
    parts = nn.apply(network.replace(merge="none"), params, {}, X).output
    a, b = (p.numpy() for p in parts)
    expected = {
        "add": a + b, "multiply": a * b, "average": (a + b) / 2, "maximum": np.maximum(a, b), "minimum": np.minimum(a, b),
        "subtract": a - b, "concat": np.concatenate([a, b], axis=1),
    }  # fmt: skip
    if merge == "none":
        assert [p.shape for p in made] == [(5, 2), (5, 2)]
    else:
        np.testing.assert_allclose(made.numpy(), expected[merge], rtol=1e-5, atol=1e-6)


def test_results_of_several_branches_go_on_as_several_inputs():
    made, _ = run(nn.Sequential([nn.Parallel([nn.Dense(2), nn.Dense(2)], merge="none"), nn.Add(), nn.Dense(1)]), X)
    assert made.shape == (5, 1)


def test_a_graph_of_layers():
    x = nn.Input((4,))
    hidden = nn.Dense(8, activation="relu")(x)
    network = nn.Network(x, nn.Dense(3)(nn.Concatenate()([x, hidden])))
    made, params = run(network, X)
    h = np.maximum(X @ params["dense"]["kernel"].numpy(), 0)
    np.testing.assert_allclose(made.numpy(), np.concatenate([X, h], axis=1) @ params["dense_1"]["kernel"].numpy(), rtol=1e-4, atol=1e-5)
    assert nn.describe(network).count == 4 * 8 + 8 + 12 * 3 + 3


def test_a_layer_called_twice_is_one_layer_and_two_equal_layers_are_two():
    x = nn.Input((4,))
    shared = nn.Dense(4)
    assert nn.describe(nn.Network(x, shared(shared(x)))).count == 20
    assert nn.describe(nn.Network(x, nn.Dense(4)(nn.Dense(4)(x)))).count == 40
    made, params = run(nn.Network(x, shared(shared(x))), X)
    kernel = params["dense"]["kernel"].numpy()
    np.testing.assert_allclose(made.numpy(), X @ kernel @ kernel, rtol=1e-4, atol=1e-5)
    gradient = sl.grad(lambda p: nn.apply(nn.Network(x, shared(shared(x))), p, {}, X).output.sum())(params)["dense"]["kernel"].numpy()
    ones = np.ones((5, 4))
    np.testing.assert_allclose(gradient, X.T @ (ones @ kernel.T) + (X @ kernel).T @ ones, rtol=1e-4, atol=1e-5)


def test_several_inputs_and_outputs_in_lists_and_dicts():
    a, b = nn.Input((4,), name="a"), nn.Input((2,), name="b")
    both = nn.Concatenate()([nn.Dense(3)(a), b])
    network = nn.Network([a, b], {"sum": nn.Dense(1)(both), "class": nn.Dense(2, activation="softmax")(both)})
    made, _ = run(network, X, X[:, :2])
    assert {k: v.shape for k, v in made.items()} == {"sum": (5, 1), "class": (5, 2)}
    pair = nn.Network([a, b], [both, a])
    made, _ = run(pair, X, X[:, :2])
    assert [v.shape for v in made] == [(5, 5), (5, 4)]
    assert nn.apply(pair, *nn.init(pair, key=KEY), [X, X[:, :2]]).output[0].shape == (5, 5)


def test_a_branching_layer_gives_several_symbols():
    x = nn.Input((4,))
    left, right = nn.Parallel([nn.Dense(2), nn.Dense(2)], merge="none")(x)
    made, _ = run(nn.Network(x, nn.Multiply()([left, right])), X)
    assert made.shape == (5, 2)


def test_a_network_is_a_layer():
    x = nn.Input((4,))
    inner = nn.Network(x, nn.Dense(4, activation="relu")(x))
    network = nn.Sequential([inner, nn.Residual(inner), nn.Dense(1)])
    assert nn.describe(network, X).count == 20 + 20 + 5


def test_graphs_may_be_deeper_than_pythons_stack():
    x = y = nn.Input((2,))
    for _ in range(1500):
        y = nn.Identity()(y)
    np.testing.assert_array_equal(run(nn.Network(x, y), X[:, :2])[0].numpy(), X[:, :2])


def test_a_network_learns_a_sum_with_a_way_past(trained):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 4)).astype("float32")
    y = x[:, :1] * 2 + np.maximum(x[:, 1:2], 0)
    source = nn.Input((4,))
    network = nn.Network(source, nn.Add()([nn.Dense(1)(source), nn.Dense(1)(nn.Dense(8, activation="relu")(source))]))
    _, _, values = trained(network, "mse", x, y, steps=400, rate=0.1)
    assert values[-1] < 0.01 * values[0]


# -- plain dicts ------------------------------------------------------------------------------------------------------


def networks():
    x, z = nn.Input((4,)), nn.Input((None, 2), "int64", name="codes")
    shared = nn.Dense(4, activation=nn.activations.get("step", backward="sigmoid"))
    return [
        nn.Sequential([
            nn.Input((4,)), nn.Dense(8, activation="relu", kernel_initializer=nn.initializers.HeNormal(seed=1), kernel_regularizer="l2",
                                     kernel_constraint="max_norm", name="first"),
            nn.BatchNormalization(momentum=0.9), nn.Dropout(0.3, noise_shape=(None, 1)), nn.Dense(3, trainable=False),
        ]),
        nn.Residual([nn.LayerNormalization((-1,)), nn.Dense(4)], shortcut=nn.Dense(4), merge="average"),
        nn.Parallel([nn.Dense(2), [nn.Dense(3), nn.Activation("swish")]], merge="none"),
        nn.Network(x, {"a": shared(shared(x)), "b": [shared(x)]}),
        nn.Network([x, z], nn.Concatenate()([x, nn.Flatten()(nn.Embedding(9, 2)(z))])),
        nn.Sequential([nn.TableInput((3, 4), names=("a", "b")), nn.Rescaling((1.0, 2.0, 3.0)), nn.Reshape((-1, 1)), nn.Perceptron()]),
    ]  # fmt: skip


@pytest.mark.parametrize("network", networks(), ids=lambda n: type(n).__name__)
def test_a_network_comes_back_from_json(network):
    text = json.dumps(nn.to_config(network))
    assert nn.from_config(json.loads(text)) == network


def test_every_registered_class_with_defaults_comes_back_from_json():
    seen = 0
    for kind, classes in config._CLASSES.items():
        for name, record in classes.items():
            if kind == "functions" or record.__module__.startswith("test"):
                continue
            try:
                made = record()
            except TypeError:
                continue  # it needs arguments; tested above
            if name in ("FunctionLoss", "FunctionMetric"):
                continue
            assert nn.from_config(json.loads(json.dumps(nn.to_config(made)))) == made
            seen += 1
    assert seen > 80


@nn.register
def doubled(x):
    return x * 2


def test_registered_functions_are_stored_by_name():
    network = nn.Sequential([nn.Lambda(doubled), nn.Dense(2, activation=doubled)])
    assert nn.from_config(json.loads(json.dumps(nn.to_config(network)))) == network
    assert nn.Dense(2, activation="doubled") == nn.Dense(2, activation=doubled)


class Loose(nn.Layer):
    """A layer that was not registered."""


class Other:
    """No layer at all."""


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: nn.to_config(nn.Lambda(lambda x: x)), ArgumentError, "Lambda: function: the function <lambda> cannot be stored"),
        (lambda: nn.to_config(nn.Sequential([Loose()])), ArgumentError, "@nn.register above class Loose"),
        (lambda: nn.to_config(3), ArgumentError, "got int"),
        (lambda: nn.from_config({"class": "layers.Dens"}), UnknownNameError, "'layers.Dense'"),
        (lambda: nn.from_config({"class": "layers.Dense", "unit": 3}), ArgumentError, "layers.Dense has no field unit"),
        (lambda: nn.from_config({"class": "layers.Dense"}), ArgumentError, "layers.Dense: .*units"),
        (lambda: nn.from_config({"units": 3}), ArgumentError, "not a stored record"),
        (lambda: nn.from_config([1]), ArgumentError, "not a stored record"),
        (lambda: nn.register(type("Dense", (nn.Layer,), {})), ArgumentError, "the name 'Dense' is taken by saltus.nn.core.Dense"),
        (lambda: nn.register(Other), ArgumentError, "Other is neither"),
        (lambda: nn.Sequential(nn.Dense(2)), ArgumentError, "Sequential takes a list of layers, got Dense"),
        (lambda: nn.Sequential([nn.Dense]), ArgumentError, "Dense is a class, a layer is needed"),
        (lambda: nn.Sequential(["relu"]), ArgumentError, "'relu' .str. is not a layer"),
        (lambda: nn.Sequential([lambda x: x]), ArgumentError, "wrap a function with nn.Lambda"),
        (lambda: run(nn.Sequential([nn.Dense(2, name="a"), nn.Dense(2, name="a")]), X), ArgumentError, "two layers with the name 'a'"),
        (lambda: run(nn.Residual(nn.Dense(3)), X), ShapeError, r"shortcut=nn.Dense\(3\)"),
        (lambda: nn.Residual(nn.Dense(3), merge="sum"), UnknownNameError, "Residual merge 'sum'"),
        (lambda: nn.Parallel([]), ArgumentError, "Parallel takes a list of branches"),
        (lambda: nn.Parallel([nn.Dense(2)], merge="stack"), UnknownNameError, "Parallel merge 'stack'"),
        (lambda: run(nn.Sequential([nn.Input((3,)), nn.Dense(2)]), X), ShapeError, r"shape \(5, 4\), expected \(N, 3\)"),
        (lambda: run(nn.Sequential([nn.Input((4,), "int64"), nn.Embedding(3, 2)]), X), DTypeError, "float32, expected whole numbers"),
        (lambda: run(nn.Sequential([nn.Input((4,)), nn.Dense(2)]), X.astype("int32")), DTypeError, "dtype='int32'"),
        (lambda: nn.Input((-4,)), ArgumentError, "each length in shape"),
        (lambda: nn.Network(X, nn.Dense(2)(nn.Input((4,)))), ArgumentError, "inputs must come from nn.Input"),
        (
            lambda: nn.Network(nn.Input((4,)), nn.Dense(2)(nn.Input((4,), name="other"))),
            ArgumentError,
            "the input other, which is not among",
        ),
        (
            lambda: nn.Network([a := nn.Input((4,)), nn.Input((1,), name="idle")], nn.Dense(2)(a)),
            ArgumentError,
            "the input idle is not used",
        ),
        (lambda: nn.Network([a := nn.Input((4,)), a], nn.Dense(2)(a)), ArgumentError, "listed twice"),
        (lambda: nn.Network(nn.Input((4,)), nn.Dense(2)), ArgumentError, "outputs must be symbols"),
        (lambda: run(nn.Network(a := nn.Input((4,)), nn.Dense(2)(a)), X, X), ShapeError, "has 1 inputs, got 2"),
    ],
)
def test_wrong_use_is_refused(make, error, words):
    with pytest.raises(error, match=words):
        make()


def test_the_tree_of_parameters_is_plain():
    _, params = run(nn.Sequential([nn.Residual(nn.Dense(4)), nn.Dense(1)]), X)
    assert type(params) is dict
    assert [tree.format_path(p) for p, _ in tree.paths(params)] == [
        "dense/bias",
        "dense/kernel",
        "residual/layers/bias",
        "residual/layers/kernel",
    ]
