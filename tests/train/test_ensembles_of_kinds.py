"""Ensembles, weight averaging, distillation and moving averages of images, texts and series give one model that takes raw data."""

from __future__ import annotations

import numpy as np
import pytest
from kinds_of_data import TEXTS, pictures, sales

import saltus as sl
from saltus import nn
from saltus.base.errors import ArgumentError
from saltus.train.images import fit_images
from saltus.train.series import fit_series
from saltus.train.tabular import fit_table
from saltus.train.texts import fit_texts


def fits(**how):
    yield fit_images(pictures(90), verbose=0, epochs=6, **how), pictures(90)[0]
    yield fit_texts(TEXTS, verbose=0, epochs=8, **how), TEXTS
    yield fit_series(sales(), "sold", verbose=0, epochs=8, **how), sales()


@pytest.mark.parametrize("method", ["bagging", "averaging"])
def test_many_as_one_survive_a_file(method, tmp_path):
    for model, data in fits(ensemble=method, members=2):
        assert isinstance(model.model.network, nn.Ensemble) == (method == "bagging")
        model.save(tmp_path / "model.saltus")
        again = sl.load(tmp_path / "model.saltus")
        np.testing.assert_array_equal(np.asarray(again.predict(data)), np.asarray(model.predict(data)))


def test_an_ensemble_is_distilled_into_one_network():
    for model, _ in fits(ensemble="voting", members=2, distill=True):
        assert not isinstance(model.model.network, nn.Ensemble)
        assert len(model.history) > 2 and "val_loss" in model.history.names
        if model.classes:
            assert model.scores["accuracy"] > model.baseline["accuracy"]
    with pytest.raises(ArgumentError, match="there is none"):
        fit_texts(TEXTS, distill=True, verbose=0)


def test_too_few_epochs_to_average():
    with pytest.raises(ArgumentError, match="use 20 epochs"):
        fit_texts(TEXTS, ensemble="averaging", members=10, epochs=5, verbose=0)


def test_a_moving_average_of_the_weights_is_what_is_validated_and_kept():
    for model, _ in fits(ema=0.9):
        assert model.model.optimizer.use_ema
        assert min(model.history["val_loss"]) > 0
        if model.classes:
            assert model.scores["accuracy"] > model.baseline["accuracy"]


def test_a_moving_average_does_not_reach_back_to_the_first_weights():
    model = fit_table({"x": np.arange(100.0), "y": np.arange(100.0) * 2}, "y", ema=0.9999, epochs=10, batch_size=10, verbose=0)
    assert model.model.optimizer.ema_momentum < 0.95


def test_the_calls_are_at_the_top():
    for name in ("bagging", "adaboost", "gradient_boosting", "stacking", "voting", "distill", "average_weights", "learning_curve"):
        assert getattr(sl, name) is getattr(sl.train, name)
