"""Networks are configuration, parameters are plain trees: making, running, describing, sharing, freezing, and own layers."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import saltus as sl
from saltus import nn
from saltus.base import tree
from saltus.base.errors import ArgumentError, DTypeError, ShapeError, TracingError

KEY = sl.random.key(0)


def paths(values):
    return ["/".join(p) for p, _ in tree.paths(values)]


def test_sizes_are_worked_out_from_the_first_input():
    network = nn.Sequential([nn.Dense(8, activation="relu"), nn.BatchNormalization(), nn.Dense(3)])
    params, state = nn.init(network, np.zeros((5, 4)), key=KEY)
    assert {k: v.shape for k, v in params["dense"].items()} == {"kernel": (4, 8), "bias": (8,)}
    assert params["dense_1"]["kernel"].shape == (8, 3)
    assert paths(state) == ["batch_normalization/moving_mean", "batch_normalization/moving_variance"]
    assert (
        nn.init(network, nn.Spec((1, 4)), key=KEY).params["dense"]["kernel"].numpy().tolist() == params["dense"]["kernel"].numpy().tolist()
    )


def test_a_network_that_begins_with_an_input_needs_no_data():
    network = nn.Sequential([nn.Input((4,)), nn.Dense(2)])
    assert nn.init(network, key=KEY).params["dense"]["kernel"].shape == (4, 2)
    assert nn.describe(nn.Sequential([network, nn.Dense(1)])).count == 13


def test_layers_are_named_after_their_class_and_counted():
    inner = nn.Sequential([nn.Dense(2), nn.Dense(2)], name="block")
    network = nn.Sequential([nn.Dense(2), inner, nn.Dense(2, name="last"), nn.Dense(2)])
    params, _ = nn.init(network, nn.Spec((1, 2)), key=KEY)
    assert sorted({p.rpartition("/")[0] for p in paths(params)}) == ["block/dense", "block/dense_1", "dense", "dense_1", "last"]


def test_a_layer_listed_twice_has_parameters_of_its_own_in_both_places():
    layer = nn.Dense(2)
    assert nn.describe(nn.Sequential([layer, layer]), nn.Spec((1, 2))).count == 12


def test_equal_configurations_are_equal_and_layers_hold_no_arrays():
    assert nn.Dense(3, activation="relu") == nn.Dense(3, "relu")
    assert nn.Dense(3) != nn.Dense(4)
    assert hash(nn.Dense(3)) == hash(nn.Dense(3))
    with pytest.raises(AttributeError):
        nn.Dense(3).units = 4
    assert nn.Dense(3).replace(units=4) == nn.Dense(4)


def test_a_layer_shows_the_call_that_makes_it():
    network = nn.Sequential([nn.Dense(8, activation="relu", kernel_regularizer="l2"), nn.Dropout(), nn.Dense(3, name="scores")])
    text = "Sequential([Dense(8, activation='relu', kernel_regularizer=L2()), Dropout(), Dense(3, name='scores')])"
    assert repr(network) == text


def test_the_same_network_runs_inside_jit_grad_and_scan():
    network = nn.Sequential([nn.Dense(4, activation="tanh"), nn.Dense(1)])
    x = np.random.default_rng(0).normal(size=(6, 3)).astype("float32")
    params, state = nn.init(network, x, key=KEY)
    plain = nn.apply(network, params, state, x).output.numpy()
    compiled = sl.jit(lambda p, x: nn.apply(network, p, state, x).output)(params, x)
    np.testing.assert_allclose(compiled.numpy(), plain, rtol=1e-6)
    _, rows = sl.scan(lambda carry, row: (carry, nn.apply(network, params, state, row[None]).output[0]), (), sl.asarray(x))
    np.testing.assert_allclose(rows.numpy(), plain, rtol=1e-6)
    kernel = x.T @ ((1 - np.tanh(x @ params["dense"]["kernel"].numpy()) ** 2) * params["dense_1"]["kernel"].numpy().T)
    gradient = sl.grad(lambda p: nn.apply(network, p, state, x).output.sum())(params)
    np.testing.assert_allclose(gradient["dense"]["kernel"].numpy(), kernel, rtol=1e-4, atol=1e-6)


def test_a_network_in_double_precision():
    x = np.random.default_rng(0).normal(size=(6, 3))
    params, state = nn.init(nn.Dense(2), x, key=KEY, dtype="float64")
    made = nn.apply(nn.Dense(2), params, state, x).output
    assert made.dtype == "float64"
    np.testing.assert_allclose(made.numpy(), x @ params["kernel"].numpy(), rtol=1e-14)


def test_inputs_of_another_type_take_that_of_the_parameters():
    params, state = nn.init(nn.Dense(2), nn.Spec((1, 3), "float64"), key=KEY)
    for dtype in ("float64", "float32", "int64", "uint8"):
        assert nn.apply(nn.Dense(2), params, state, np.ones((4, 3), dtype)).output.dtype == "float32"


def test_a_description_lists_parameters_and_layers():
    network = nn.Sequential([nn.Dense(8, kernel_regularizer="l2"), nn.BatchNormalization(), nn.Dense(3, trainable=False)])
    found = nn.describe(network, nn.Spec((1, 4)))
    assert [(p.path, p.shape, p.dtype, p.trainable, p.count) for p in found.parameters] == [
        ("dense/kernel", (4, 8), "float32", True, 32), ("dense/bias", (8,), "float32", True, 8),
        ("batch_normalization/gamma", (8,), "float32", True, 8), ("batch_normalization/beta", (8,), "float32", True, 8),
        ("dense_1/kernel", (8, 3), "float32", False, 24), ("dense_1/bias", (3,), "float32", False, 3),
    ]  # fmt: skip
    assert found.parameters[0].regularizer == nn.regularizers.L2()
    assert [(u.path, u.output.shape, u.count) for u in found.layers] == [
        ("dense", (1, 8), 40), ("batch_normalization", (1, 8), 16), ("dense_1", (1, 3), 27), ("", (1, 3), 0),
    ]  # fmt: skip
    assert found.count == 83
    assert found.state["batch_normalization/moving_mean"] == nn.Spec((8,))
    assert found.output == nn.Spec((1, 3))
    assert found.trainable()["dense_1"] == {"kernel": False, "bias": False}
    params, _ = nn.init(network, nn.Spec((1, 4)), key=KEY)
    assert paths(found.trainable()) == paths(params)


def test_a_description_prints_as_a_table():
    network = nn.Sequential(
        [nn.Dense(8), nn.Residual([nn.Dense(8, trainable=False)]), nn.Parallel([nn.Dense(1), nn.Dense(2)], merge="none")]
    )
    lines = str(nn.describe(network, nn.Spec((1, 4)))).splitlines()
    assert [line.split()[0] for line in lines] == [
        "layer", "dense", "residual/layers/dense", "parallel/branch_0", "parallel/branch_1", "139",
    ]  # fmt: skip
    assert lines[2].split()[1:] == ["Dense", "(N,", "8)", "72"]
    assert lines[-1] == "139 parameters, 67 trainable"


def test_importing_saltus_leaves_networks_for_later():
    code = "import sys, saltus; assert 'saltus.nn' not in sys.modules; saltus.nn.Dense(1); assert 'saltus.nn' in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONPATH": str(Path(sl.__file__).parents[1])})


def test_a_frozen_container_freezes_everything_inside():
    network = nn.Sequential([nn.Sequential([nn.Dense(2), nn.BatchNormalization()], trainable=False), nn.Dense(1)])
    found = nn.describe(network, nn.Spec((1, 2)))
    assert [p.trainable for p in found.parameters] == [False, False, False, False, True, True]


# -- own layers -------------------------------------------------------------------------------------------------------


@nn.register
class GatedDense(nn.Layer):
    """Two dense layers inside one, a count of its calls, and noise."""

    units: int
    noise: float = 0.0

    def call(self, scope, x):
        calls = scope.state("calls", (), "zeros")
        scope.set_state("calls", calls + 1.0)
        scope.add_loss(sl.sum(scope.param("scale", (), "ones")) * 0.5)
        value = scope.run(nn.Dense(self.units), x)
        gate = scope.run(nn.Dense(self.units, activation="sigmoid"), x, name="gate")
        if scope.training and self.noise:
            value = value + sl.random.normal(scope.key(), value.shape, std=self.noise)
        return value * gate


def test_own_layers_have_parameters_state_losses_keys_and_layers_inside():
    layer = GatedDense(2, noise=1.0)
    params, state = nn.init(layer, nn.Spec((1, 3)), key=KEY)
    assert paths(params) == ["dense/bias", "dense/kernel", "gate/bias", "gate/kernel", "scale"]
    x = sl.ones((4, 3))
    made = nn.apply(layer, params, state, x)
    assert float(made.state["calls"]) == 1.0
    assert float(state["calls"]) == 0.0
    assert [float(v) for v in made.losses] == [0.5]
    first, again, other = (nn.apply(layer, params, state, x, training=True, key=sl.random.key(s)).output.numpy() for s in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert nn.from_config(nn.to_config(layer)) == layer


@nn.register
class Twice(nn.Layer):
    """A layer that runs one child twice."""

    inside: nn.Layer

    def call(self, scope, x):
        child = scope.child(self.inside)
        return child.call(child.call(x))


def test_a_child_called_twice_shares_its_parameters_but_not_its_random_numbers():
    params, _ = nn.init(Twice(nn.Sequential([nn.Dense(3)])), nn.Spec((1, 3)), key=KEY)
    assert paths(params) == ["sequential/dense/bias", "sequential/dense/kernel"]
    x = sl.ones((1, 2000))
    kept = nn.apply(Twice(nn.Dropout(0.5)), {}, {}, x, training=True, key=KEY).output.numpy()
    assert 0.2 < (kept != 0).mean() < 0.3  # two masks, not one


@nn.register
class Careless(nn.Layer):
    """A layer that does what `fault` says."""

    fault: str

    def call(self, scope, x):
        if self.fault == "nothing":
            return None
        if self.fault == "array":
            return np.ones(3)
        if self.fault == "value":
            return x if x.sum() > 0 else -x
        if self.fault == "same name":
            scope.param("w", (2,), "zeros")
            return scope.param("w", (2,), "ones")
        if self.fault == "early":
            scope.set_state("s", x)
        if self.fault == "loss":
            scope.add_loss(x)
        if self.fault == "state shape":
            scope.state("s", (3,))
            scope.set_state("s", x)
        if self.fault == "no layer":
            scope.run("dense", x)
        if self.fault == "twins":
            scope.run(nn.Dense(2, name="a"), scope.run(nn.Dense(2, name="a"), x))
        if self.fault == "python":
            raise KeyError("own mistake")
        return x


@pytest.mark.parametrize(
    ("fault", "error", "words"),
    [
        ("nothing", DTypeError, "call returned None, expected a Tensor"),
        ("array", DTypeError, "call returned ndarray"),
        ("value", TracingError, "the value of a Tensor"),
        ("same name", ArgumentError, "asks twice for 'w'"),
        ("early", ArgumentError, "comes before state"),
        ("loss", ShapeError, "add_loss takes one number"),
        ("state shape", ShapeError, r"has the shape \(3,\), its next value \(1, 2\)"),
        ("no layer", ArgumentError, "a layer is needed, got 'dense'"),
        ("twins", ArgumentError, "two layers with the name 'a'"),
    ],
)
def test_faults_of_own_layers_are_named_with_their_place(fault, error, words):
    network = nn.Sequential([nn.Sequential([nn.Dense(2), Careless(fault)], name="block")])
    with pytest.raises(error, match=words) as caught:
        nn.init(network, nn.Spec((1, 2)), key=KEY)
    assert f"block/careless = Careless({fault!r})" in str(caught.value)
    assert str(caught.value).count("Careless(") == 1


def test_errors_of_python_keep_their_type_and_get_a_note():
    with pytest.raises(KeyError) as caught:
        nn.init(nn.Sequential([Careless("python")]), nn.Spec((1, 2)), key=KEY)
    assert caught.value.__notes__ == ["in the layer careless: Careless('python')"]


def test_a_layer_without_call_says_so():
    class Empty(nn.Layer):
        pass

    with pytest.raises(ArgumentError, match="Empty has no method call"):
        nn.init(Empty(), nn.Spec((1, 2)), key=KEY)


# -- wrong use --------------------------------------------------------------------------------------------------------

PARAMS, STATE = nn.init(nn.Dense(2), nn.Spec((1, 3)), key=KEY)


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: nn.init(nn.Dense(2), key=KEY), ArgumentError, "none was given"),
        (lambda: nn.init(nn.Dense, nn.Spec((1, 2)), key=KEY), ArgumentError, "nn.init takes a layer or network, got type"),
        (lambda: nn.describe([nn.Dense(2)], nn.Spec((1, 2))), ArgumentError, "nn.describe takes a layer or network, got list"),
        (lambda: nn.init(nn.Dense(2), nn.Spec((1, 2)), key=KEY, dtype="int32"), DTypeError, "real floats, not int32"),
        (lambda: nn.init(nn.Dense(2), nn.Spec((3,)), key=KEY), ShapeError, r"Dense\(2\): the input must have the shape"),
        (
            lambda: nn.apply(nn.Dense(2), PARAMS, STATE, np.ones((5, 4))),
            ShapeError,
            r"'kernel' has the shape \(3, 2\), but this input needs \(4, 2\)",
        ),
        (
            lambda: nn.apply(nn.Dense(2), {"kernel": PARAMS["kernel"]}, STATE, np.ones((5, 3))),
            ArgumentError,
            "no parameter 'bias'.*\n.*\n.*kernel",
        ),
        (lambda: nn.apply(nn.Dense(2), PARAMS["kernel"], STATE, np.ones((5, 3))), ArgumentError, "tree that nn.init made"),
        (lambda: nn.apply(nn.BatchNormalization(), {}, {}, np.ones((5, 3))), ArgumentError, "no state 'moving_mean'"),
        (lambda: nn.apply(nn.Dropout(0.5), {}, {}, np.ones((5, 3)), training=True), ArgumentError, "got no key"),
        (lambda: nn.Dense(2)(np.ones((5, 3))), ArgumentError, "a layer is configuration only and holds no parameters"),
        (lambda: nn.Dense(2)(), ArgumentError, "was called with nothing"),
        (lambda: nn.Dense(0), ArgumentError, "Dense: units must be a whole number from 1 on, got 0"),
        (lambda: nn.Dense(2.5), ArgumentError, "Dense: units must be a whole number"),
        (lambda: nn.Dense(True), ArgumentError, "Dense: units must be a whole number"),
    ],
)
def test_wrong_use_is_refused(make, error, words):
    with pytest.raises(error, match=words):
        make()
