"""Experiments train the same task with one thing changed, and say in words what their own figures show."""

import math

import numpy as np
import pytest

import saltus as sl
from saltus import nn
from saltus.base.errors import ArgumentError, DataError, SaltusError, StorageError
from saltus.train import experiments as ex
from saltus.train.experiments.initial import distinct, layer_statistics
from saltus.train.experiments.networks import width_for
from saltus.train.experiments.problem import problem_of, shapes

RNG = np.random.default_rng(0)
X = RNG.normal(size=(90, 5))
LABELS = np.array(["no", "yes"])[(X[:, 0] * X[:, 1] > 0).astype(int)]
VALUES = X[:, 0] - 2 * X[:, 1]


@pytest.fixture(scope="module")
def by_batch():
    return ex.compare_gradient_descent(X, VALUES, epochs=8)


def test_smaller_batches_make_more_updates_of_the_same_epochs(by_batch):
    assert by_batch.table["variant"].to_list() == ["full", "mini-batch", "stochastic"]
    assert by_batch.table["updates"].to_list() == [8, 8 * 3, 8 * 68]
    assert by_batch.row("stochastic")["loss"] < by_batch.row("full")["loss"]
    assert (by_batch.table["sharpness"] > 0).all()
    assert len(by_batch.histories["mini-batch"]) == 8


def test_the_result_says_in_words_what_the_table_shows(by_batch):
    said = str(by_batch)
    assert "stochastic made 544 updates, full 8" in said
    lowest = min(by_batch.rows, key=lambda row: row["loss"])
    assert f"{lowest['loss']:.4f}, was found by {lowest['variant']}" in said
    flattest = min(by_batch.rows, key=lambda row: row["sharpness"])["variant"]
    assert f"The flattest place was reached by {flattest}" in said
    assert "68 samples of 5 numbers" in said


@pytest.mark.parametrize("ending", ["png", "svg"])
def test_curves_are_drawn_into_a_file(by_batch, tmp_path, ending):
    pytest.importorskip("matplotlib")
    path = by_batch.plot(tmp_path / f"curves.{ending}")
    begin = path.read_bytes()[:400]
    assert begin.startswith(b"\x89PNG") if ending == "png" else b"<svg" in begin or b"<?xml" in begin


def test_a_plot_that_cannot_be_written_is_refused(by_batch, tmp_path):
    pytest.importorskip("matplotlib")
    with pytest.raises(ArgumentError, match="cannot be drawn"):
        by_batch.plot(tmp_path / "curves.doc")
    with pytest.raises(StorageError, match="cannot be written"):
        by_batch.plot(tmp_path / "nowhere" / "curves.png")


def test_the_same_seed_gives_the_same_figures():
    one, two, other = (ex.compare_dropout(X, LABELS, rates=[0.3], epochs=3, seed=s).row("30%")["loss"] for s in (1, 1, 2))
    assert one == two != other


def test_sharpness_is_the_largest_eigenvalue_of_the_hessian():
    x = X.astype("float32")
    model = sl.Model(nn.Sequential([nn.Dense(1, use_bias=False)]), loss="mse")
    model.build(x)
    expected = np.linalg.eigvalsh(2 * X.T @ X / len(X)).max()
    assert ex.sharpness(model, x, VALUES[:, None].astype("float32")) == pytest.approx(expected, rel=1e-2)


def test_sharpness_finds_the_largest_eigenvalue_where_a_negative_one_is_larger():
    def bent(y_true, y_pred):  # (2 w1)^2 / 2 - 3 (w2)^2 / 2, from samples (1, 0) and (0, 1)
        return y_true[:, 0] * y_pred[:, 0] ** 2

    x = np.eye(2, dtype="float32")
    model = sl.Model(nn.Sequential([nn.Dense(1, use_bias=False)]), loss=bent)
    model.build(x)
    assert ex.sharpness(model, x, np.array([[2.0], [-3.0]], "float32"), tolerance=1e-6) == pytest.approx(2.0, rel=1e-2)


def test_sharpness_needs_weights():
    with pytest.raises(ArgumentError, match="weights"):
        ex.sharpness(sl.Model(nn.Dense(1), loss="mse"), X, VALUES)


def test_learning_rates_are_called_too_low_good_and_diverged():
    found = ex.compare_learning_rates(X, VALUES, rates=[1e-6, 0.05, 1e4], epochs=5)
    assert found.table["verdict"].to_list() == ["too low", "good", "diverged"]
    assert "1e-06 is too low" in str(found) and "0.05 is a good rate" in str(found) and "10000 is far too high" in str(found)


def test_equal_weights_stay_equal_and_random_ones_do_not():
    found = ex.compare_initializers(X, LABELS, depth=2, width=6, epochs=5)
    distinct_after = dict(zip(found.table["variant"], found.table["distinct_units"], strict=True))
    assert distinct_after["zeros"] == distinct_after["constant"] == 1
    assert distinct_after["he"] == distinct_after["xavier"] == 6
    assert "zeros and constant all 6 units of the first layer still say the same" in str(found)
    layers = found.detail("by layer")
    assert layers.height == 6 * 3
    zeros = layers.filter(layers["variant"] == "zeros")
    assert zeros["gradient_rms"].to_list()[:2] == [0.0, 0.0]


def test_statistics_by_layer_are_those_of_the_layers():
    kernel = np.array([[1.0, -1.0, 1.0]], "float32")
    network = nn.Sequential([nn.Dense(3, activation="relu", kernel_initializer=lambda key, shape, dtype: sl.asarray(kernel)), nn.Dense(1)])
    model = sl.Model(network, loss="mse")
    x = np.array([[1.0], [-2.0]], "float32")
    model.build(x)
    first, last = layer_statistics(model, x, np.zeros((2, 1), "float32"))
    assert first["activation_mean"] == pytest.approx((1 + 0 + 1 + 0 + 2 + 0) / 6)
    assert first["zeros"] == pytest.approx(0.5)
    assert (first["distinct_units"], first["units"], last["units"]) == (2, 3, 1)


def test_columns_that_differ_are_counted():
    assert distinct(np.array([[0.0, 1.0, 1.0], [0.0, 2.0, 2.0 + 1e-9]])) == 2
    assert distinct(np.zeros((3, 4))) == 1


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_networks_of_any_depth_get_nearly_the_same_number_of_parameters(depth):
    width = width_for(7, 3, depth, 3000)
    network = nn.Sequential([*(nn.Dense(width) for _ in range(depth)), nn.Dense(3)])
    assert abs(nn.describe(network, nn.Spec((1, 7))).count - 3000) < 3000 * 0.04


def test_a_deep_network_beats_a_shallow_one_of_the_same_size_on_spirals():
    found = ex.compare_depth(depths=[1, 4], epochs=40)
    assert found.row("4 layers of 24")["val_accuracy"] > found.row("1 layer of 333")["val_accuracy"] + 0.1
    assert "did better than 1 layer of 333" in str(found)


def test_the_gradient_vanishes_with_sigmoid_and_not_with_relu():
    found = ex.compare_activations(X, LABELS, activations=["sigmoid", "relu"], depth=5, epochs=2)
    assert found.row("sigmoid")["first_gradient"] < 0.1 < found.row("relu")["first_gradient"]
    assert "Vanishing gradients: with sigmoid" in str(found) and "It arrives with relu" in str(found)


def test_dropout_narrows_the_gap_and_takes_longer():
    found = ex.compare_dropout(rates=[0.0, 0.5], epochs=40)
    assert found.row("50%")["gap"] < found.row("none")["gap"]
    assert found.row("50%")["epochs_to_same_loss"] > found.row("none")["epochs_to_same_loss"]
    assert "less is learnt by heart with dropout" in str(found)


def test_a_convolutional_network_beats_dense_ones_on_shapes_anywhere():
    x, y, _ = shapes(0, count=300)
    found = ex.compare_dense_vs_cnn(x, y, epochs=15, learning_rate=0.005)
    cnn, dense = found.row("cnn"), found.row("dense, same size")
    assert abs(cnn["parameters"] - dense["parameters"]) < 0.05 * cnn["parameters"]
    assert cnn["val_accuracy"] > dense["val_accuracy"] + 0.1
    assert cnn["gap"] < dense["gap"]


def test_the_memory_of_optimizers_is_that_of_their_moments():
    choice = {"sgd": sl.optim.SGD(0.1), "momentum": sl.optim.SGD(0.1, momentum=0.9), "adam": sl.optim.Adam(0.01)}
    found = ex.compare_optimizers(X, LABELS, optimizers=choice, epochs=2)
    weights = 4 * found.rows[0]["parameters"]
    assert found.table["state_bytes"].to_list() == [0, weights, 2 * weights]
    assert f"adam {2 * weights:,} (2.0 times the weights)" in str(found)


def test_trainings_side_by_side_give_the_same_figures():
    one, two = (ex.compare_learning_rates(X, LABELS, rates=[0.01, 0.1], epochs=2, workers=w) for w in (1, 2))
    assert one.table["val_loss"].to_list() == two.table["val_loss"].to_list()


def test_a_training_that_never_gets_anywhere_is_no_reason_to_fail():
    found = ex.compare_learning_rates(X, VALUES, rates=[1e12], epochs=3)
    assert found.rows[0]["diverged"] and found.rows[0]["epochs_to_same_loss"] is None
    assert not math.isfinite(found.rows[0]["loss"]) or found.rows[0]["loss"] > 1
    assert "None of them learnt anything" in str(found)


@pytest.mark.parametrize(
    ("y", "classes"),
    [(LABELS, 2), (np.arange(90) % 4, 4), (VALUES, 0), (np.arange(90) * 3, 0), (np.stack([VALUES, VALUES], 1), 0), (LABELS == "yes", 2)],
    ids=["names", "numbers", "values", "many whole numbers", "two values", "truths"],
)
def test_the_task_follows_from_the_targets(y, classes):
    problem = problem_of(X * 100 + 5, y)
    assert problem.classes == classes
    np.testing.assert_allclose(problem.x.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(problem.x.std(axis=0), 1, atol=1e-5)
    assert len(problem.x) + len(problem.x_held) == 90


def test_a_table_and_an_image_file_can_be_read(tmp_path):
    (tmp_path / "t.csv").write_text("a,b,kind\n" + "".join(f"{i},{i % 7},{'xy'[i % 2]}\n" for i in range(60)))
    assert problem_of(tmp_path / "t.csv").classes == 2
    x, y, _ = shapes(0, count=40)
    np.savez(tmp_path / "i.npz", x=((x - x.min()) * 40).astype("uint8"), y=y)
    assert problem_of(tmp_path / "i.npz").x.shape[1:] == (16, 16, 1)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: ex.compare_depth(X), "targets y are missing"),
        (lambda: ex.compare_depth(X, VALUES[:50]), "90 samples, y 50"),
        (lambda: ex.compare_depth(X, ["a"] * 90), "nothing to learn"),
        (lambda: ex.compare_depth(np.full((90, 2), np.nan), VALUES), "not finite"),
        (lambda: ex.compare_depth(X, VALUES, depths=[0]), "depths"),
        (lambda: ex.compare_depth(X, VALUES, epochs=0), "epochs"),
        (lambda: ex.compare_learning_rates(X, VALUES, rates=[-1]), "rates"),
        (lambda: ex.compare_learning_rates(X, VALUES, rates=[]), "rates"),
        (lambda: ex.compare_optimizers(X, VALUES, optimizers={}), "nothing to compare"),
        (lambda: ex.compare_activations(X, VALUES, activations=["rleu"]), "relu"),
        (lambda: ex.compare_dense_vs_cnn(X, LABELS), "no images"),
    ],
)
def test_what_cannot_be_is_refused(call, said):
    with pytest.raises(SaltusError, match=said):
        call()


def test_unknown_parts_of_a_result_are_refused(by_batch):
    with pytest.raises(ArgumentError, match="full, mini-batch, stochastic"):
        by_batch.row("half")
    with pytest.raises(ArgumentError, match="there is no table"):
        by_batch.detail("layers")


def test_text_without_meaning_is_no_data():
    with pytest.raises(DataError):
        problem_of(np.array([["a", "b"]] * 9), np.arange(9) % 2)
