"""The single-layer perceptron classifies what a plane can separate, exactly, and nothing else; a multi-layer perceptron does."""

import numpy as np
import pytest

import saltus as sl
from saltus import nn

CORNERS = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], "float32")


def decided(network, params, state, x):
    return nn.apply(network, params, state, x).output.numpy().ravel()


@pytest.mark.parametrize(
    ("name", "answers"), [("and", [0, 0, 0, 1]), ("or", [0, 1, 1, 1]), ("nand", [1, 1, 1, 0]), ("first", [0, 0, 1, 1])]
)
def test_it_learns_every_function_a_line_separates(trained, name, answers):
    y = np.array(answers, "float32")[:, None]
    params, state, _ = trained(nn.Perceptron(), "perceptron", CORNERS, y, steps=100, rate=1.0, batch=1)
    assert decided(nn.Perceptron(), params, state, CORNERS).tolist() == answers


@pytest.mark.parametrize("batch", [1, 20, None])
def test_it_separates_two_clouds_without_a_mistake_and_then_stands_still(trained, batch):
    rng = np.random.default_rng(0)
    y = (np.arange(100) % 2).astype("float32")[:, None]
    x = (rng.uniform(-1, 1, size=(100, 5)) + y * np.array([2.5, 0, 0, 0, 0])).astype("float32")
    params, state, values = trained(nn.Perceptron(), "perceptron", x, y, steps=3000, rate=1.0, batch=batch)
    assert (decided(nn.Perceptron(), params, state, x) == y.ravel()).all()
    assert (values[-100:] == 0).all()


def test_one_step_is_rosenblatts_rule():
    x, w, b = np.array([[2.0, -1.0]], "float32"), np.array([[0.5], [0.25]], "float32"), np.array([-0.25], "float32")
    loss = nn.losses.Perceptron()

    def moved(target):
        def total(params):
            return loss(sl.asarray([[target]]), nn.apply(nn.Perceptron(), params, {}, x).output).mean()

        gradient = sl.grad(total)({"kernel": w, "bias": b})
        return (-gradient["kernel"].numpy()).ravel().tolist(), (-gradient["bias"].numpy()).tolist()

    assert moved(1.0) == ([0.0, 0.0], [0.0])  # right already: nothing moves
    assert moved(0.0) == ([-2.0, 1.0], [-1.0])  # wrong: target - output = -1, times the input


def test_several_units_have_a_plane_each(trained):
    y = np.array([[0, 0], [0, 1], [0, 1], [1, 1]], "float32")  # and, or
    params, state, _ = trained(nn.Perceptron(2), "perceptron", CORNERS, y, steps=100, rate=1.0, batch=1)
    assert nn.apply(nn.Perceptron(2), params, state, CORNERS).output.tolist() == y.tolist()


def test_exclusive_or_is_beyond_one_layer_but_not_beyond_two(trained):
    y = np.array([0, 1, 1, 0], "float32")[:, None]
    for steps in (50, 200, 1001, 2002):
        params, state, _ = trained(nn.Perceptron(), "perceptron", CORNERS, y, steps=steps, rate=1.0, batch=1)
        assert (decided(nn.Perceptron(), params, state, CORNERS) == y.ravel()).sum() < 4
    network = nn.Sequential([nn.Dense(8, activation="tanh"), nn.Dense(1, activation="sigmoid")])
    params, state, _ = trained(network, "binary_crossentropy", CORNERS, y, steps=800, rate=1.0)
    assert (decided(network, params, state, CORNERS) > 0.5).tolist() == [False, True, True, False]
    # by hand: two perceptrons (or, nand) and one on top (and)
    built = nn.Sequential([nn.Perceptron(2), nn.Perceptron()])
    params = {
        "perceptron": {"kernel": sl.asarray([[1.0, -1.0], [1.0, -1.0]]), "bias": sl.asarray([-0.5, 1.5])},
        "perceptron_1": {"kernel": sl.asarray([[1.0], [1.0]]), "bias": sl.asarray([-1.5])},
    }
    assert decided(built, params, {}, CORNERS).tolist() == [0, 1, 1, 0]


def test_it_needs_no_random_start(trained):
    params, _ = nn.init(nn.Perceptron(), nn.Spec((1, 3)), key=sl.random.key(5))
    assert params["kernel"].tolist() == [[0.0]] * 3
