"""A search finds better settings, gives the same result twice, goes on where it ended, and keeps its time."""

from __future__ import annotations

import os
import sys
import time

import numpy as np
import pytest

import saltus as sl
from saltus import nn
from saltus.base.errors import ArgumentError, UnknownNameError
from saltus.data import sets
from saltus.train import space
from saltus.train.data_search import tune
from saltus.train.spaces import DENSE

pytest.importorskip("optuna")


def data(rows=200):
    x = np.random.default_rng(0).normal(size=(rows, 4)).astype("float32")
    return x, (x[:, 0] - x[:, 1] > 0).astype("int32")


def model(**changes):
    network = nn.Sequential([nn.Dense(8, activation="relu"), nn.Dense(2)])
    given = {"loss": "sparse_categorical_crossentropy", "metrics": ["accuracy"], "optimizer": sl.optim.SGD(0.01, momentum=0.9), **changes}
    return sl.Model(network, **given)


RATES = {"learning_rate": space.real(1e-4, 1.0, log=True), "momentum": space.real(0.0, 0.95)}


@pytest.mark.parametrize("method", ["tpe", "random", "grid", "cmaes"])
def test_every_method_searches_and_repeats_itself(method):
    if method == "cmaes":
        pytest.importorskip("cmaes")
    x, y = data()
    runs = [tune(model(), x, y, space=RATES, trials=6, method=method, epochs=3, seed=1, workers=2) for _ in range(2)]
    assert [t.params for t in runs[0].trials] == [t.params for t in runs[1].trials]
    assert [t.value for t in runs[0].trials] == [t.value for t in runs[1].trials]
    best = min(t.value for t in runs[0].trials)
    assert runs[0].value == best and runs[0].best.state == "complete"


def test_the_best_trial_is_the_model_and_equals_a_training_of_its_own():
    x, y = data()
    found = tune(model(seed=3), x, y, space={**RATES, "batch_size": [16, 64]}, trials=5, epochs=4)
    split = sl.train.hold_out(y, 0.2, seed=3)
    chosen = found.params
    alone = model(seed=3, optimizer=sl.optim.SGD(chosen["learning_rate"], momentum=chosen["momentum"]))
    stop = sl.train.EarlyStopping(patience=4, restore_best_weights=True)
    test = (x[split.test], y[split.test])
    own = {"epochs": 4, "batch_size": chosen["batch_size"], "validation": test, "callbacks": [stop], "verbose": 0}
    history = alone.fit(x[split.train], y[split.train], **own)
    assert history.best("val_loss")["val_loss"] == found.value
    np.testing.assert_array_equal(alone.predict(x), found.model.predict(x))


def test_trials_that_differ_in_numbers_share_one_compiled_step():
    x, y = data()
    held = []

    def build(params):
        made = model(optimizer=sl.optim.SGD(params["learning_rate"], momentum=params["momentum"]))
        held.append(made)
        return made

    kept = []
    original = sl.train.program.Programs._train
    sl.train.program.Programs._train = lambda self, *given: kept.append(given[0].shape) or original(self, *given)
    try:
        tune(build, x, y, space=RATES, trials=8, epochs=2, batch_size=20)
    finally:
        sl.train.program.Programs._train = original
    assert len(held) >= 8 and kept == [(8, 20)]


def test_a_function_can_build_any_network():
    x, y = data()

    def build(params):
        layers = [nn.Dense(params["width"], activation=params["activation"]) for _ in range(params["depth"])]
        return model().clone(network=nn.Sequential([*layers, nn.Dense(2)]))

    chosen = {"width": space.integer(4, 16), "depth": space.integer(1, 2), "activation": space.choice(["relu", "tanh"]), "epochs": [2, 3]}
    found = tune(build, x, y, space=chosen, trials=6)
    assert {len(t.history) for t in found.trials} <= {2, 3}
    assert found.model.network.layers[0].units == found.params["width"]
    assert found.to_frame().height == 6 and "best val_loss" in str(found)
    best = found.progress().column("best")
    assert best == sorted(best, reverse=True) and len(found.curves()) == sum(len(t.history) for t in found.trials)


def test_what_matters_is_found():
    x, y = data()
    spaces = {"learning_rate": space.real(1e-6, 1.0, log=True), "weight_decay": space.real(1e-9, 1e-8)}
    optimizer = sl.optim.SGD(0.1, weight_decay=1e-9)
    found = tune(model(optimizer=optimizer), x, y, space=spaces, trials=25, method="random", epochs=3)
    importance = found.importance()
    assert next(iter(importance)) == "learning_rate" and sum(importance.values()) == pytest.approx(1)


@pytest.mark.parametrize("pruner", ["median", "hyperband", "patient"])
def test_hopeless_trials_end_early(pruner):
    x, y = data()
    found = tune(model(), x, y, space=RATES, trials=14, method="random", pruner=pruner, epochs=20, workers=1)
    pruned = [t for t in found.trials if t.state == "pruned"]
    assert all(len(t.history) < 20 for t in pruned)
    assert pruned or pruner == "patient"  # who waits as long as anything gets better
    assert found.best.state == "complete"


def test_a_study_in_a_file_goes_on_where_it_ended(tmp_path):
    x, y = data()
    file = tmp_path / "search.db"
    first = tune(model(), x, y, space=RATES, trials=4, epochs=3, study=file)
    with pytest.raises(ArgumentError, match="holds a study already"):
        tune(model(), x, y, space=RATES, trials=4, epochs=3, study=file)
    more = tune(model(), x, y, space=RATES, trials=7, epochs=3, study=file, resume=True)
    assert len(more.trials) == 7
    assert [t.value for t in more.trials[:4]] == [t.value for t in first.trials]
    assert len({t.params["learning_rate"] for t in more.trials}) == 7
    again = tune(model(), x, y, space=RATES, trials=7, epochs=3, study=file, resume=True)
    np.testing.assert_array_equal(again.model.predict(x), more.model.predict(x))
    with pytest.raises(ArgumentError, match="another space"):
        tune(model(), x, y, space={"learning_rate": space.real(0.1, 0.2)}, study=file, resume=True)


def test_a_study_is_open_once(tmp_path):
    x, y = data()
    file = tmp_path / "search.db"
    lock = tmp_path / "search.db.lock"
    lock.write_text(str(os.getpid()))
    with pytest.raises(ArgumentError, match="is open already, in process"):
        tune(model(), x, y, space=RATES, study=file, resume=True)
    lock.write_text("999999999")  # of a process that was killed
    assert len(tune(model(), x, y, space=RATES, study=file, resume=True, trials=2, epochs=1).trials) == 2
    assert not lock.exists()


def test_the_time_limit_ends_running_trials():
    x, y = data(2000)
    begin = time.monotonic()
    found = tune(model(), x, y, space=RATES, trials=10_000, epochs=100_000, time_limit=3.0)
    assert found.stopped == "time is up" and found.best.state == "stopped"
    assert time.monotonic() - begin < 60  # and not the hours that were asked for


def test_a_table_is_searched_as_a_whole(tmp_path):
    chosen = {name: dimension for name, dimension in DENSE.items() if name not in ("batch_size", "weight_decay")}
    found = tune(sets.path("penguins"), "species", space=chosen, trials=4, epochs=6)
    assert found.model.scores["accuracy"] > found.model.baseline["accuracy"]
    found.model.save(tmp_path / "best.saltus")
    loaded = sl.TabularModel.load(tmp_path / "best.saltus")
    np.testing.assert_array_equal(loaded.predict(sets.path("penguins")), found.model.predict(sets.path("penguins")))
    with pytest.raises(UnknownNameError, match="dropout"):
        tune(sets.path("penguins"), "species", space={"drop_out": [0.1]})


def test_mistakes_are_refused_before_any_training(monkeypatch):
    x, y = data()
    with pytest.raises(ArgumentError, match="nothing in it"):
        tune(model(), x, y, space={})
    with pytest.raises(ArgumentError, match="nothing to choose"):
        space.choice([])
    with pytest.raises(ArgumentError, match="nothing to choose"):
        space.real(1.0, 1.0)
    with pytest.raises(ArgumentError, match="above 0"):
        space.real(0.0, 1.0, log=True)
    with pytest.raises(ArgumentError, match="'momentum' in the search space is 3"):
        tune(model(), x, y, space={"momentum": 3})
    with pytest.raises(UnknownNameError, match="momentum"):
        tune(model(), x, y, space={"momentun": [0.1]})
    with pytest.raises(UnknownNameError, match="tpe"):
        tune(model(), x, y, space=RATES, method="tpo")
    with pytest.raises(UnknownNameError, match="median"):
        tune(model(), x, y, space=RATES, pruner="medium")
    with pytest.raises(UnknownNameError, match="val_accuracy"):
        tune(model(), x, y, space=RATES, monitor="val_acuracy", trials=2)
    with pytest.raises(ArgumentError, match="trials is 0"):
        tune(model(), x, y, space=RATES, trials=0)
    with pytest.raises(ArgumentError, match="resume=True needs"):
        tune(model(), x, y, space=RATES, resume=True)
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(ArgumentError, match="needs Optuna") as caught:
        tune(model(), x, y, space=RATES)
    assert "pip install 'saltus[tune]'" in str(caught.value)
