"""What the optimizers beyond Adam's family promise: formulas of their papers, memory, averages, who moves what."""

import numpy as np
import pytest

import saltus as sl
from saltus import nn, optim
from saltus.base import tree
from saltus.base.errors import ArgumentError


def run(optimizer, gradients, start):
    """Parameters after each update, and the last state."""
    params = {"w": sl.asarray(np.asarray(start, "float64"))}
    state, path = optimizer.init(params), []
    for step, g in enumerate(gradients):
        params, state = optimizer.update({"w": sl.asarray(np.asarray(g, "float64"))}, state, params, step)
        path.append(params["w"].numpy())
    return np.array(path), state


def test_adafactor_follows_its_paper_and_keeps_a_number_a_row_and_a_column():
    rng = np.random.default_rng(0)
    start, gradients = rng.normal(size=(3, 4)), rng.normal(size=(3, 3, 4))
    w, rows, columns, path = start.copy(), np.zeros(3), np.zeros(4), []
    for t, g in enumerate(gradients, 1):
        beta = 1 - t**-0.8
        rows = beta * rows + (1 - beta) * (g**2 + 1e-30).mean(axis=1)
        columns = beta * columns + (1 - beta) * (g**2 + 1e-30).mean(axis=0)
        scaled = g / np.sqrt(np.outer(rows, columns) / rows.mean())
        calm = scaled / max(1.0, np.sqrt((scaled**2).mean()))
        w = w - min(0.01, t**-0.5) * max(1e-3, np.sqrt((w**2).mean())) * calm
        path.append(w)
    made, state = run(optim.Adafactor(0.01), gradients, start)
    np.testing.assert_allclose(made, path, rtol=1e-9)
    assert sum(leaf.size for leaf in tree.leaves(state["rule"])) == 3 + 4


def test_without_relative_step_adafactor_takes_the_rate_as_it_is():
    start, gradients = [[2.0, 1.0], [1.0, 3.0]], np.ones((9, 2, 2))
    held, free = (run(optim.Adafactor(0.5, relative_step=which), gradients, start)[0] for which in (True, False))
    np.testing.assert_allclose(held[3], free[3])  # 1 / sqrt(4) is the rate itself
    assert not np.allclose(held[8], free[8])


def test_lamb_takes_weight_decay_into_the_norm_as_its_paper_does():
    rng = np.random.default_rng(1)
    start, gradients = rng.normal(size=(2, 3)), rng.normal(size=(3, 2, 3))
    w, m, v, path = start.copy(), 0.0, 0.0, []
    for t, g in enumerate(gradients, 1):
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        u = (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-7) + 0.1 * w
        w = w - 0.05 * np.linalg.norm(w) / np.linalg.norm(u) * u
        path.append(w)
    np.testing.assert_allclose(run(optim.Lamb(0.05, weight_decay=0.1), gradients, start)[0], path, rtol=1e-9)
    left_out = run(optim.Lamb(0.05, weight_decay=0.1, exclude_from_weight_decay=("w",)), gradients, start)[0]
    np.testing.assert_allclose(left_out, run(optim.Lamb(0.05), gradients, start)[0], rtol=1e-12)


def test_updates_of_muon_move_all_directions_alike():
    gradient = np.diag([10.0, 1.0, 0.1])
    moved = -run(optim.Muon(1.0, weight_decay=None, rms_rate=None), [gradient], np.zeros((3, 3)))[0][0]
    sizes = np.linalg.svd(moved, compute_uv=False)
    assert sizes.min() > 0.6
    assert sizes.max() < 1.3
    turned = -run(optim.Muon(1.0, weight_decay=None, rms_rate=None), [gradient[:, :2]], np.zeros((3, 2)))[0][0]
    assert turned.shape == (3, 2)


def test_muon_leaves_vectors_embeddings_and_named_layers_to_adam():
    shapes = {
        "dense": {"kernel": (3, 4), "bias": (4,)}, "embedding": {"embeddings": (5, 3)}, "table_input": {"city": (5, 3)},
        "head": {"kernel": (4, 2)},
    }  # fmt: skip
    rng = np.random.default_rng(2)
    params, gradients = ({k: {n: sl.asarray(rng.normal(size=s)) for n, s in v.items()} for k, v in shapes.items()} for _ in range(2))
    muon, adam = optim.Muon(0.01, exclude_layers=("head",)), optim.AdamW(0.01)
    own, other = (o.update(gradients, o.init(params), params, 0)[0] for o in (muon, adam))
    same = {
        f"{layer}/{name}": bool(np.allclose(own[layer][name].numpy(), other[layer][name].numpy(), atol=1e-9))
        for layer in shapes for name in shapes[layer]
    }  # fmt: skip
    assert same == {"dense/kernel": False, "dense/bias": True, "embedding/embeddings": True, "table_input/city": True, "head/kernel": True}


def test_lbfgs_reaches_the_minimum_of_a_long_valley_where_gradient_descent_does_not():
    curve, target = np.diag([100.0, 1.0, 0.01]), np.array([1.0, -2.0, 3.0])

    def ends(optimizer, updates):
        params = {"w": sl.zeros((3,), dtype="float64")}
        state = optimizer.init(params)
        for step in range(updates):
            gradient = curve @ (params["w"].numpy() - target)
            params, state = optimizer.update({"w": sl.asarray(gradient)}, state, params, step)
        return np.abs(params["w"].numpy() - target).max()

    assert ends(optim.LBFGS(history_size=5), 30) < 1e-6
    assert ends(optim.SGD(0.019), 25) > 1.0


def test_rprop_looks_at_signs_only():
    gradients = np.array([[1.0, -2.0], [0.5, -1.0], [-0.1, -3.0], [1.0, 0.2]])
    plain, scaled = (run(optim.Rprop(0.1), gradients * factor, [0.0, 0.0])[0] for factor in (1.0, 1e-4))
    np.testing.assert_allclose(plain, scaled)
    np.testing.assert_allclose(plain[:2], [[-0.1, 0.1], [-0.22, 0.22]])


def test_ftrl_puts_weights_that_matter_little_to_exactly_zero():
    gradients = np.array([[1.0, 0.01], [-2.0, -0.02], [1.5, 0.01]] * 4)
    path, _ = run(optim.Ftrl(0.5, l1_regularization_strength=0.3), gradients, [0.5, 0.5])
    assert (path[:, 1] == 0).all()
    assert (path[6:, 0] != 0).all()


def test_a_rate_that_falls_to_zero_leaves_ftrl_where_it_is():
    path, _ = run(optim.Ftrl(optim.PiecewiseConstantDecay([2], [0.1, 0.0])), np.ones((4, 2)), [0.5, -0.5])
    np.testing.assert_allclose(path[3], path[2])


def test_schedule_free_gradients_are_taken_between_the_fast_copy_and_its_mean():
    rng = np.random.default_rng(3)
    gradients = rng.normal(size=(5, 3))
    z = x = np.array([1.0, -1.0, 2.0])
    v, path = 0.0, []
    for t, g in enumerate(gradients, 1):
        v = 0.99 * v + 0.01 * g**2
        z = z - 0.1 * g / (np.sqrt(v / (1 - 0.99**t)) + 1e-8)
        x = x + (z - x) / t
        path.append(0.3 * z + 0.7 * x)
    optimizer = optim.ScheduleFreeAdamW(0.1, beta_1=0.7, beta_2=0.99, clipnorm=100.0)
    made, state = run(optimizer, gradients, [1.0, -1.0, 2.0])
    np.testing.assert_allclose(made, path, rtol=1e-9)
    np.testing.assert_allclose(optimizer.averaged(state)["w"].numpy(), x, rtol=1e-9)


@pytest.mark.parametrize("name", ["schedule_free_adamw", "asgd", "adafactor", "lamb", "muon", "lbfgs", "ftrl", "radam", "rprop"])
def test_fit_takes_them_by_name_and_a_loaded_model_goes_on(name, tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(64, 3)).astype("float32")
    y = (x @ [[1.0], [-2.0], [0.5]]).astype("float32")
    size = "full" if name in ("lbfgs", "rprop") else 16

    def fresh():
        return sl.Model(nn.Sequential([nn.Dense(4, activation="tanh"), nn.Dense(1)]), loss="mse", optimizer=name, seed=1)

    straight, broken = fresh(), fresh()
    straight.fit(x, y, epochs=4, batch_size=size, verbose=0)
    broken.fit(x, y, epochs=2, batch_size=size, verbose=0, checkpoint=tmp_path / "kept")
    again = fresh()
    again.fit(x, y, epochs=4, batch_size=size, verbose=0, checkpoint=tmp_path / "kept", resume=True)
    np.testing.assert_array_equal(straight.predict(x), again.predict(x))
    straight.save(tmp_path / "m.saltus")
    loaded = sl.load(tmp_path / "m.saltus")
    assert loaded.optimizer == straight.optimizer
    for model in (straight, loaded):
        model.fit(x, y, epochs=1, batch_size=size, verbose=0)
    np.testing.assert_array_equal(straight.predict(x), loaded.predict(x))


def test_the_average_takes_the_place_of_the_parameters_when_fit_ends():
    x = np.random.default_rng(0).normal(size=(32, 2)).astype("float32")
    model = sl.Model(nn.Sequential([nn.Dense(1)]), loss="mse", optimizer=optim.ScheduleFreeAdamW(0.1))
    model.fit(x, x[:, :1], epochs=2, verbose=0)
    average = model.optimizer.averaged(model.state()["optimizer"])
    np.testing.assert_array_equal(model.params["dense"]["kernel"].numpy(), average["dense"]["kernel"].numpy())


def test_scaling_the_loss_changes_neither_the_losses_nor_the_weights():
    x = np.random.default_rng(0).normal(size=(32, 2)).astype("float32")
    ended = []
    for factor in (None, 1024.0):
        model = sl.Model(nn.Sequential([nn.Dense(1)]), loss="mse", optimizer=optim.SGD(0.1, loss_scale_factor=factor), seed=3)
        run = model.fit(x, x[:, :1], epochs=2, verbose=0)
        ended.append((run["loss"][-1], model.predict(x)))
    assert ended[0][0] == ended[1][0]
    np.testing.assert_array_equal(ended[0][1], ended[1][1])  # a power of 2 changes no digit


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: optim.Rprop(etas=(1.5, 0.5)), "a factor below 1 and one above"),
        (lambda: optim.Rprop(step_sizes=3), "a smallest and a larger largest step"),
        (lambda: optim.Ftrl(learning_rate_power=0.5), "at most 0"),
        (lambda: optim.Muon(exclude_layers="head"), "write ('head',)"),
        (lambda: optim.LBFGS(history_size=0), "whole number at least 1"),
        (lambda: optim.SGD(loss_scale_factor=0), "above 0"),
    ],
)
def test_wrong_arguments_are_refused(make, words):
    with pytest.raises(ArgumentError) as caught:
        make()
    assert words in str(caught.value)
