"""Unknown names are refused when a model is made, averages judge what they leave, and single steps augment as a fit does."""

from __future__ import annotations

import numpy as np
import pytest

import saltus as sl
from saltus import nn
from saltus.base import tree
from saltus.base.errors import UnknownNameError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(96, 4)).astype("float32")
Y = (X[:, 0] > 0).astype("int32")


def model(**changes):
    given = {"loss": "sparse_categorical_crossentropy", "optimizer": sl.optim.SGD(0.3), "seed": 3, **changes}
    return sl.Model(nn.Sequential([nn.Dense(8, activation="relu"), nn.Dense(2)]), **given)


@pytest.mark.parametrize(
    ("wrong", "near"),
    [
        ({"loss": "sparse_categorical_crosentropy"}, "sparse_categorical_crossentropy"),
        ({"metrics": ["acuracy"]}, "accuracy"),
        ({"metrics": {"output_1": ["mea"]}}, "mae"),
        ({"weighted_metrics": "presision"}, "precision"),
        ({"loss": ["mse", "msee"]}, "mse"),
    ],
)
def test_an_unknown_name_is_refused_before_anything_is_built(wrong, near):
    with pytest.raises(UnknownNameError, match=near):
        model(**wrong)


def test_known_names_of_every_kind_pass():
    model(metrics=["accuracy", "acc", "auc", nn.metrics.MeanAbsoluteError(), lambda a, b: (a - b) ** 2])
    with pytest.raises(UnknownNameError, match="mae"):
        model().compile(metrics=["maee"])


def test_validation_measures_the_average_that_the_training_would_leave():
    smooth = model(optimizer=sl.optim.SGD(0.5, use_ema=True, ema_momentum=0.9), metrics=["accuracy"])
    run = smooth.fit(X, Y, epochs=3, batch_size=8, validation=(X, Y), verbose=0)
    assert run["val_loss"][-1] == pytest.approx(smooth.evaluate(X, Y)["loss"], rel=1e-6)


def test_the_best_epoch_is_that_of_the_average():
    stop = sl.train.EarlyStopping(patience=50, restore_best_weights=True)
    smooth = model(optimizer=sl.optim.SGD(1.5, use_ema=True, ema_momentum=0.8))
    run = smooth.fit(X[:64], Y[:64], epochs=12, batch_size=8, validation=(X[64:], Y[64:]), callbacks=[stop], verbose=0)
    assert min(run["val_loss"]) == pytest.approx(smooth.evaluate(X[64:], Y[64:])["loss"], rel=1e-6)


def test_single_steps_augment_as_a_fit_in_order():
    noise = [nn.RandomNoise(0.5)]
    whole, single, plain = model(), model(), model()
    whole.fit(X, Y, epochs=1, batch_size=32, shuffle=False, augment=noise, verbose=0)
    for begin in range(0, 96, 32):
        logs = single.train_on_batch(X[begin : begin + 32], Y[begin : begin + 32], augment=noise)
        plain.train_on_batch(X[begin : begin + 32], Y[begin : begin + 32])
    assert set(logs) == {"loss"}
    for a, b in zip(tree.leaves(whole.params), tree.leaves(single.params), strict=True):
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b))
    assert not np.array_equal(np.asarray(tree.leaves(plain.params)[0]), np.asarray(tree.leaves(single.params)[0]))
