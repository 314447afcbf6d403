"""Learning curves show what more rows and larger networks bring."""

from __future__ import annotations

import numpy as np
import pytest

import saltus as sl
from saltus import nn
from saltus.base.errors import ArgumentError
from saltus.train import learning_curve, size_curve


def data(rows=240):
    generator = np.random.default_rng(0)
    x = generator.normal(size=(rows, 6)).astype("float32")
    return x, (x[:, 0] * x[:, 1] > 0).astype("int32")


def model(width=16):
    network = nn.Sequential([nn.Dense(width, activation="relu"), nn.Dense(2)])
    return sl.Model(network, loss="sparse_categorical_crossentropy", metrics=["accuracy"], optimizer=sl.optim.Adam(0.02))


def test_more_rows_help_until_they_do_not():
    x, y = data()
    curve = learning_curve(model(), x, y, sizes=[20, 80, 160], folds=3, epochs=25)
    assert curve.at == (20, 80, 160)
    test, train = curve.test["accuracy"], curve.train["accuracy"]
    assert test[0].mean < test[-1].mean
    assert train[0].mean - test[0].mean > train[-1].mean - test[-1].mean  # few rows are learnt by heart
    assert all(e.count == 3 and e.low <= e.mean <= e.high for e in test)
    assert curve.to_frame().height == 3 and "rows" in str(curve)


def test_a_larger_network_helps_where_a_small_one_cannot():
    x, y = data()
    curve = size_curve({"2": model(2), "32": model(32)}, x, y, folds=2, epochs=40)
    assert curve.at == ("2", "32") and curve.parameters[0] < curve.parameters[1]
    assert curve.test["accuracy"][1].mean > curve.test["accuracy"][0].mean


def test_verdicts_go_by_the_last_step():
    from saltus.train.estimates import Estimate
    from saltus.train.learning_curves import LearningCurve

    def curve(first, last, train):
        def at(*means):
            return {"loss": tuple(Estimate(m, 0.01, m - 0.01, m + 0.01, 3) for m in means)}

        return LearningCurve("rows", (10, 20), at(train, train), at(first, last), (3, 3))

    assert curve(1.0, 0.5, 0.5).verdict() == "more rows still help; both parts are alike"
    assert curve(0.5, 0.5, 0.1).verdict() == "more rows would change little; rows not trained on are much worse: it overfits"


def test_impossible_sizes_are_refused():
    x, y = data()
    with pytest.raises(ArgumentError, match="or 1 to 160 rows"):
        learning_curve(model(), x, y, sizes=[500])
    with pytest.raises(ArgumentError, match="no models"):
        size_curve({}, x, y)
