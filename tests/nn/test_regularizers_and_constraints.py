"""Penalties enter the loss, constraints bound the parameters, and both compute what they state."""

import numpy as np
import pytest

import saltus as sl
from saltus import nn
from saltus.base.errors import ArgumentError, ShapeError, UnknownNameError
from saltus.nn import constraints, regularizers

X = np.array([[1.0, -2.0], [0.5, 0.0], [3.0, 1.0]])


def test_penalties():
    x = sl.asarray(X)
    assert regularizers.L1(0.1)(x).item() == pytest.approx(0.75)
    assert regularizers.L2(0.1)(x).item() == pytest.approx(0.1 * (1 + 4 + 0.25 + 9 + 1))
    assert regularizers.L1L2(l1=0.1, l2=0.2)(x).item() == pytest.approx(0.75 + 0.2 * 15.25)
    assert regularizers.get("l1_l2") == regularizers.L1L2(l1=0.01, l2=0.01)
    assert regularizers.get(None) is None


@pytest.mark.parametrize("mode", ["rows", "columns"])
def test_the_orthogonal_penalty_is_the_mean_cosine(mode):
    rows = X if mode == "rows" else X.T
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    cosines = np.abs(unit @ unit.T)[np.triu_indices(len(rows), 1)]
    assert regularizers.OrthogonalRegularizer(0.3, mode)(sl.asarray(X)).item() == pytest.approx(0.3 * cosines.mean(), rel=1e-6)
    assert regularizers.OrthogonalRegularizer()(sl.eye(3)).item() == pytest.approx(0, abs=1e-7)


def test_penalties_of_layers_reach_the_losses_once_per_parameter():
    tied = nn.Dense(2, kernel_regularizer="l2", bias_regularizer="l1", activity_regularizer=regularizers.L2(0.5))
    x = nn.Input((2,))
    network = nn.Network(x, tied(tied(x)))
    params, state = nn.init(network, key=sl.random.key(0))
    data = np.ones((5, 2), "float32")
    made = nn.apply(network, params, state, data)
    kernel = params["dense"]["kernel"].numpy()
    first = data @ kernel
    activity = [0.5 * (v**2).sum() / 5 for v in (first, first @ kernel)]
    assert [float(v) for v in made.losses] == pytest.approx([0.01 * (kernel**2).sum(), 0.0, *activity], rel=1e-5)


def test_frozen_parameters_have_no_penalty():
    layer = nn.Dense(2, kernel_regularizer="l2", trainable=False)
    params, state = nn.init(layer, nn.Spec((1, 2)), key=sl.random.key(0))
    assert nn.apply(layer, params, state, np.ones((1, 2), "float32")).losses == ()


def test_activity_regularization_adds_per_sample():
    layer = nn.ActivityRegularization(l1=1.0, l2=0.5)
    made = nn.apply(layer, {}, {}, sl.asarray(X))
    assert made.output.numpy().tolist() == X.tolist()
    assert float(made.losses[0]) == pytest.approx((7.5 + 0.5 * 15.25) / 3)


@pytest.mark.parametrize(
    ("constraint", "expected"),
    [
        (constraints.NonNeg(), np.maximum(X, 0)),
        (constraints.UnitNorm(), X / np.linalg.norm(X, axis=0)),
        (constraints.UnitNorm(axis=1), X / np.linalg.norm(X, axis=1, keepdims=True)),
        (constraints.MaxNorm(2.5), X * np.minimum(1, 2.5 / np.linalg.norm(X, axis=0))),
        (constraints.MinMaxNorm(3.0, 3.1), X * np.clip(np.linalg.norm(X, axis=0), 3.0, 3.1) / np.linalg.norm(X, axis=0)),
        (constraints.MinMaxNorm(0.0, 1.0, rate=0.5), X * (0.5 + 0.5 * np.linalg.norm(X, axis=0)) / np.linalg.norm(X, axis=0)),
    ],
)
def test_constraints(constraint, expected):
    np.testing.assert_allclose(constraint(sl.asarray(X)).numpy(), expected, rtol=1e-6)


def test_constraints_leave_zeros_in_peace():
    for name in ("max_norm", "unit_norm", "min_max_norm"):
        assert constraints.get(name)(sl.zeros((3, 2))).numpy().tolist() == [[0, 0]] * 3


def test_a_description_constrains_the_parameters_of_its_layers():
    network = nn.Sequential(
        [nn.Dense(3, kernel_constraint="non_neg"), nn.Dense(2), nn.Dense(2, bias_constraint="non_neg", trainable=False)]
    )
    params, _ = nn.init(network, nn.Spec((1, 4)), key=sl.random.key(0))
    params["dense_2"]["bias"] = sl.asarray([-1.0, 1.0])
    made = nn.describe(network, nn.Spec((1, 4))).constrain(params)
    assert (made["dense"]["kernel"].numpy() == np.maximum(params["dense"]["kernel"].numpy(), 0)).all()
    assert (made["dense_1"]["kernel"].numpy() == params["dense_1"]["kernel"].numpy()).all()
    assert made["dense_2"]["bias"].tolist() == [-1.0, 1.0]  # frozen
    assert nn.describe(nn.Dense(2), nn.Spec((1, 2))).constrain(params) is params


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: nn.Dense(2, kernel_regularizer="l3"), UnknownNameError, "Dense: kernel_regularizer: unknown regularizer 'l3'"),
        (lambda: nn.Dense(2, kernel_constraint="maxnrm"), UnknownNameError, "Dense: kernel_constraint: unknown constraint 'maxnrm'"),
        (lambda: nn.Dense(2, kernel_regularizer=0.1), ArgumentError, "must be a name or a Regularizer, got 0.1"),
        (lambda: regularizers.L2(-0.1), ArgumentError, "L2: l2 must be a number"),
        (lambda: regularizers.OrthogonalRegularizer(mode="row"), UnknownNameError, "'rows'"),
        (lambda: regularizers.OrthogonalRegularizer()(sl.zeros(3)), ShapeError, "for matrices"),
        (lambda: constraints.MaxNorm(0.0), ArgumentError, "max_value"),
        (lambda: constraints.MinMaxNorm(2.0, 1.0), ArgumentError, "min_value 2.0 lies above max_value 1.0"),
    ],
)
def test_wrong_use_is_refused(make, error, words):
    with pytest.raises(error, match=words):
        make()
