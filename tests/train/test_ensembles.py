"""Ensembles answer as one model, survive a file, and are better than, or as sure as, their members allow."""

from __future__ import annotations

import numpy as np
import pytest

import saltus as sl
from saltus import nn
from saltus.base import tree
from saltus.base.errors import ArgumentError, ShapeError, UnknownNameError
from saltus.train import (
    adaboost,
    average_weights,
    bagging,
    distill,
    gradient_boosting,
    snapshot,
    stacking,
    stochastic_weight_averaging,
    train_ensemble,
    uncertainty,
    voting,
)
from saltus.train.members import members_of


def rings(rows=300, seed=0):
    """Three classes by the distance from the middle."""
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(rows, 2)).astype("float32")
    return x, np.digitize(np.hypot(x[:, 0], x[:, 1]), [0.8, 1.5]).astype("int32")


def waves(rows=300, seed=0):
    x = np.random.default_rng(seed).uniform(-2, 2, (rows, 1)).astype("float32")
    return x, np.sin(2 * x).astype("float32")


def classifier(**changes):
    network = nn.Sequential([nn.Dense(16, activation="relu"), nn.Dense(3)])
    given = {"loss": "sparse_categorical_crossentropy", "metrics": ["accuracy"], "optimizer": sl.optim.Adam(0.02), **changes}
    return sl.Model(given.pop("network", network), **given)


def regressor(**changes):
    network = nn.Sequential([nn.Dense(16, activation="tanh"), nn.Dense(1)])
    return sl.Model(network, **{"loss": "mse", "metrics": ["mae"], "optimizer": sl.optim.Adam(0.02), **changes})


def shares(model, x):
    scores = model.predict(x)
    made = np.exp(scores - scores.max(axis=1, keepdims=True))
    return made / made.sum(axis=1, keepdims=True)


METHODS = {
    "bagging": lambda x, y: bagging(classifier(), x, y, 3, epochs=15),
    "hard bagging": lambda x, y: bagging(classifier(), x, y, 3, epochs=15, vote="hard"),
    "adaboost": lambda x, y: adaboost(classifier(), x, y, 4, epochs=8),
    "gradient boosting": lambda x, y: gradient_boosting(classifier(), x, y, 8, epochs=8, learning_rate=0.5),
    "snapshot": lambda x, y: snapshot(classifier(), x, y, 3, epochs=30),
    "stacking": lambda x, y: stacking([classifier(), classifier(seed=1)], x, y, folds=3, epochs=15),
    "voting": lambda x, y: train_ensemble("voting", classifier(), x, y, 3, epochs=15),
}


@pytest.mark.parametrize("method", METHODS)
def test_an_ensemble_learns_and_is_one_model_in_a_file(method, tmp_path):
    x, y = rings()
    new, true = rings(200, seed=1)
    made = METHODS[method](x, y)
    said = made.predict(new)
    assert said.shape == (200, 3)
    np.testing.assert_allclose(said.sum(axis=1), 1, atol=1e-5)
    assert made.evaluate(new, true)["accuracy"] > 0.8
    made.save(tmp_path / "many.saltus")
    np.testing.assert_array_equal(sl.load(tmp_path / "many.saltus").predict(new), said)
    assert made.to_frame().height == len(made.members) and "member" in str(made)


def test_bagging_is_the_mean_of_trainings_on_drawn_rows():
    x, y = rings(120)
    made = bagging(classifier(seed=4), x, y, 3, epochs=3, batch_size=20)
    alone = []
    for k, draw in enumerate(sl.train.bootstrap(len(x), 3, seed=4)):
        own = classifier(seed=4 + k)
        own.fit(x[draw.train], y[draw.train], epochs=3, batch_size=20, verbose=0)
        alone.append(own)
    for own, member in zip(alone, members_of(made.model), strict=True):
        for a, b in zip(tree.leaves(own.params), tree.leaves(member.params), strict=True):
            np.testing.assert_array_equal(np.asarray(a), np.asarray(b))
    np.testing.assert_allclose(made.predict(x), np.mean([shares(m, x) for m in alone], axis=0), atol=1e-6)


def test_workers_change_nothing():
    x, y = rings(120)
    one, two = (bagging(classifier(), x, y, 4, epochs=3, workers=w) for w in (1, 2))
    np.testing.assert_array_equal(one.predict(x), two.predict(x))
    assert one.out_of_bag == two.out_of_bag


def test_out_of_bag_figures_foretell_those_on_new_rows():
    x, y = rings(400)
    new, true = rings(2000, seed=1)
    made = bagging(classifier(), x, y, 8, epochs=25)
    assert made.out_of_bag["rows"] > 350
    assert made.out_of_bag["accuracy"] == pytest.approx(made.evaluate(new, true)["accuracy"], abs=0.06)


def test_members_disagree_where_they_saw_nothing():
    x, y = waves()
    made = bagging(regressor(), x, y, 6, epochs=30)
    spread = made.uncertainty(np.array([[0.0], [1.0], [9.0]], "float32"))
    assert spread.std[2] > 2 * spread.std[:2].max()
    assert spread.entropy is None and spread.to_frame().columns == ["mean", "std"]
    x, y = rings()
    seen = uncertainty(bagging(classifier(), x, y, 6, epochs=20).model, x)
    assert (seen.disagreement <= seen.entropy + 1e-6).all() and (seen.disagreement >= 0).all()
    border = np.abs(np.hypot(x[:, 0], x[:, 1]) - 1.5) < 0.1
    assert seen.entropy[border].mean() > 1.5 * seen.entropy[~border].mean()


def test_boosting_a_weak_network_makes_it_strong():
    x, y = waves()
    weak = sl.Model(nn.Sequential([nn.Dense(2, activation="relu"), nn.Dense(1)]), loss="mse", optimizer=sl.optim.Adam(0.02))
    alone = weak.clone()
    alone.fit(x, y, epochs=20, verbose=0)
    made = gradient_boosting(weak, x, y, 20, epochs=20, learning_rate=0.5)
    left = [m.scores["left"] for m in made.members]
    assert left[-1] < 0.6 * left[0]
    assert made.evaluate(x, y)["loss"] < 0.5 * alone.evaluate(x, y)["loss"]
    assert made.evaluate(x, y)["loss"] == pytest.approx(left[-1] ** 2, rel=1e-3)


def test_adaboost_puts_weight_on_what_was_wrong():
    x, y = rings()
    weak = classifier(network=nn.Sequential([nn.Dense(3)]))
    made = adaboost(weak, x, y, 5, epochs=6)
    errors = [m.scores["error"] for m in made.members]
    assert errors[0] < errors[1] < 2 / 3  # what was right before counts less
    assert all(m.weight > 0 for m in made.members)


def test_boosting_two_classes_with_one_output():
    x, y = rings()
    two = (y > 0).astype("float32")[:, None]
    network = nn.Sequential([nn.Dense(8, activation="relu"), nn.Dense(1)])
    model = sl.Model(network, loss="binary_crossentropy", metrics=["accuracy"], optimizer=sl.optim.Adam(0.02))
    made = gradient_boosting(model, x, two, 6, epochs=20, learning_rate=0.7)
    said = made.predict(x)
    assert said.shape == (300, 1) and said.min() >= 0 and said.max() <= 1
    assert made.evaluate(x, two)["accuracy"] > 0.85


def test_networks_that_end_in_a_softmax_are_not_softened_twice():
    x, y = rings()
    soft = classifier(network=nn.Sequential([nn.Dense(16, activation="relu"), nn.Dense(3, activation="softmax")]))
    made = bagging(soft, x, y, 2, epochs=5)
    np.testing.assert_allclose(made.predict(x), np.mean([m.predict(x) for m in members_of(made.model)], axis=0), atol=1e-6)
    with pytest.raises(ArgumentError, match="boosting adds up scores"):
        gradient_boosting(soft, x, y, 2, epochs=1)


def test_one_network_learns_what_many_say(tmp_path):
    x, y = rings(400)
    many = bagging(classifier(), x, y, 5, epochs=25)
    student = classifier(seed=9)
    distill(many, student, x, epochs=60, temperature=2.0)
    assert (student.predict(x).argmax(axis=1) == many.predict(x).argmax(axis=1)).mean() > 0.93
    assert student.evaluate(x, y)["accuracy"] > 0.85
    student.save(tmp_path / "one.saltus")
    np.testing.assert_array_equal(sl.load(tmp_path / "one.saltus").predict(x), student.predict(x))
    x, y = waves()
    many = bagging(regressor(), x, y, 3, epochs=40)
    learnt = distill(many, regressor(seed=5), x, y, hard_share=0.5, epochs=60)
    assert np.abs(learnt.predict(x) - many.predict(x)).mean() < 0.1
    with pytest.raises(ArgumentError, match="hard_share needs"):
        distill(many, regressor(), x, hard_share=0.5)


def test_averages_of_weights():
    x, y = waves()
    base = regressor()
    base.fit(x, y, epochs=20, verbose=0)
    models = []
    for seed in range(3):
        own = base.clone(seed=seed)
        own.build(x)
        own.restore(base.snapshot())
        own.fit(x, y, epochs=5, verbose=0)
        models.append(own)
    soup = average_weights(models)
    mean = np.mean([np.asarray(m.params["dense"]["kernel"]) for m in models], axis=0)
    np.testing.assert_allclose(np.asarray(soup.params["dense"]["kernel"]), mean, rtol=1e-6)
    greedy = average_weights(models, x, y)
    assert greedy.evaluate(x, y)["loss"] <= min(m.evaluate(x, y)["loss"] for m in models) + 1e-9
    with pytest.raises(ShapeError, match="different networks"):
        average_weights([models[0], classifier()])


def test_averaged_weights_get_new_batch_statistics():
    x, y = waves()
    network = nn.Sequential([nn.Dense(16), nn.BatchNormalization(momentum=0.8), nn.ReLU(), nn.Dense(1)])
    model = sl.Model(network, loss="mse", optimizer=sl.optim.Adam(0.02))
    made = stochastic_weight_averaging(model, x, y, epochs=12, start=0.5)
    assert made.evaluate(x, y)["loss"] < 0.3


def test_what_cannot_be_joined_is_refused():
    x, y = rings(60)
    with pytest.raises(UnknownNameError, match="bagging"):
        train_ensemble("baging", classifier(), x, y, 2)
    with pytest.raises(ArgumentError, match="members is 0"):
        bagging(classifier(), x, y, 0)
    with pytest.raises(ArgumentError, match="trained models"):
        voting([classifier()])
    with pytest.raises(ArgumentError, match="needs classes"):
        adaboost(regressor(), *waves(60))
    with pytest.raises(ArgumentError, match="cannot be voted on"):
        bagging(regressor(), *waves(60), 2, vote="hard")
    with pytest.raises(ArgumentError, match="3 epochs cannot make 5 cycles"):
        snapshot(classifier(), x, y, 5, epochs=3)
    with pytest.raises(ArgumentError, match="is no ensemble"):
        uncertainty(classifier(), x)
