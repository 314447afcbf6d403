"""Cross-validation: folds equal trainings of their own, predictions are out of fold, mistakes are refused first."""

from __future__ import annotations

import numpy as np
import pytest

import saltus as sl
from saltus import nn
from saltus.base import tree
from saltus.base.errors import ArgumentError, DataError, UnknownNameError
from saltus.data import sets
from saltus.train.splits import bootstrap, k_fold
from saltus.train.validation import cross_validate


def classes(rows=120, seed=0):
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(rows, 6)).astype("float32")
    return x, (x[:, 0] + 0.5 * x[:, 1] > 0).astype("int32")


def model(**changes):
    network = nn.Sequential([nn.Dense(16, activation="relu"), nn.Dropout(0.1), nn.Dense(2)])
    given = {"loss": "sparse_categorical_crossentropy", "metrics": ["accuracy"], "optimizer": sl.optim.Adam(0.01), **changes}
    return sl.Model(network, **given)


def weights(trained):
    return [np.asarray(v) for v in tree.leaves(trained.params)]


def test_a_fold_equals_a_training_of_its_rows_alone_bit_for_bit():
    x, y = classes()
    result = cross_validate(model(seed=5), x, y, folds=3, epochs=4, batch_size=16, keep=True)
    for number, fold in enumerate(result.folds):
        alone = model(seed=5 + number)
        alone.fit(x[fold.split.train], y[fold.split.train], epochs=4, batch_size=16, verbose=0)
        for a, b in zip(weights(alone), weights(fold.model), strict=True):
            np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(result.predictions[fold.split.test], alone.predict(x[fold.split.test]))
        assert fold.scores["accuracy"] == alone.evaluate(x[fold.split.test], y[fold.split.test])["accuracy"]


def test_one_worker_or_two_change_nothing():
    x, y = classes()
    one, two = (cross_validate(model(), x, y, folds=4, epochs=3, workers=w) for w in (1, 2))
    np.testing.assert_array_equal(one.predictions, two.predictions)
    assert [f.scores for f in one.folds] == [f.scores for f in two.folds]


def test_folds_share_compiled_programs():
    x, y = classes(120)
    result = cross_validate(model(), x, y, folds=4, epochs=2, keep=True, workers=2)
    assert len({id(fold.model._built.programs) for fold in result.folds}) == 1


def test_what_a_cross_validation_says():
    x, y = classes()
    said = []
    result = cross_validate(model(), x, y, folds=3, repeats=2, epochs=8, told=said.append)
    assert len(result.folds) == len(said) == 6 and result.predictions.shape == (120, 2)
    assert result["accuracy"].low < result["accuracy"].mean < result["accuracy"].high
    assert all(len(history) == 8 and "val_accuracy" in history.names for history in result.histories)
    assert result.to_frame().height == 6 and "95 % confidence" in str(result)
    assert (result.probabilities.argmax(axis=1) == y).mean() > 0.8
    with pytest.raises(UnknownNameError, match="accuracy"):
        result["acuracy"]


def test_early_stopping_by_a_share_of_the_training_rows():
    x, y = classes()
    stop = sl.train.EarlyStopping(patience=2)
    result = cross_validate(model(), x, y, folds=3, epochs=200, validation=0.2, callbacks=[stop])
    assert all(1 < len(history) < 200 for history in result.histories)


def test_ones_own_splits():
    x, y = classes()
    result = cross_validate(model(), x, y, splits=bootstrap(len(x), 3, seed=1), epochs=2)
    assert [len(f.split.train) for f in result.folds] == [120] * 3
    held = cross_validate(model(), x, y, splits=k_fold(len(x), 4, time=True), epochs=2)
    assert np.isnan(held.predictions[0]).all() and not np.isnan(held.predictions[-1]).any()


def test_regression_with_several_inputs():
    x, _ = classes()
    network = nn.Sequential([nn.Concatenate(), nn.Dense(1)])
    result = cross_validate(sl.Model(network, loss="mse"), (x[:, :2], x[:, 2:]), x.sum(axis=1, keepdims=True), folds=3, epochs=2)
    assert result.predictions.shape == (120, 1)


def test_a_table_is_prepared_anew_in_each_fold():
    result = cross_validate(sets.path("penguins"), "species", folds=3, epochs=15, keep=True)
    assert result["accuracy"].mean > 0.9
    assert len(set(result.classes)) == 3 and result.predictions.shape[1] == 3
    means = [fold.model.encoder.to_config()["encoders"] for fold in result.folds]
    assert means[0] != means[1]
    seen = result.tested
    assert (result.predictions[seen].argmax(axis=1) == result.targets[seen]).mean() == pytest.approx(result["accuracy"].mean, abs=0.01)


def test_a_table_by_groups_named_as_a_column():
    result = cross_validate(sets.path("penguins"), "species", folds=2, groups="sex", stratify=False, epochs=2, keep=True)
    assert all("sex" not in [e.plan.name for e in fold.model.encoder.encoders] for fold in result.folds)
    with pytest.raises(UnknownNameError, match="sex"):
        cross_validate(sets.path("penguins"), "species", groups="sexx")


def test_mistakes_are_refused_before_any_training():
    x, y = classes()
    said = []
    begun = sl.train.LambdaCallback(on_train_begin=lambda logs: said.append(1))
    with pytest.raises(UnknownNameError, match="accuracy"):
        cross_validate(model(metrics=["acuracy"]), x, y, callbacks=[begun])
    with pytest.raises(UnknownNameError, match="val_loss"):
        cross_validate(model(), x, y, callbacks=[sl.train.EarlyStopping(monitor="val_los"), begun], workers=1)
    with pytest.raises(UnknownNameError, match="epochs"):
        cross_validate(model(), x, y, epoch=3, callbacks=[begun])
    with pytest.raises(ArgumentError, match="4 rows cannot make 5 folds"):
        cross_validate(model(), x[:4], np.array([0, 1, 0, 1]), folds=5, callbacks=[begun])
    with pytest.raises(ArgumentError, match="class 1 has 3 rows, fewer than the 5 folds"):
        cross_validate(model(), x, np.repeat([0, 1], [117, 3]), folds=5, callbacks=[begun])
    assert not said


def test_a_class_that_only_the_validation_has():
    x, y = classes()
    rare = y.copy()
    rare[:3] = 2
    network = nn.Sequential([nn.Dense(3)])
    with pytest.raises(DataError, match="class 2 is in 3 rows of the validation and in none of the training"):
        sl.Model(network, loss="sparse_categorical_crossentropy").fit(x[3:], rare[3:], validation=(x[:20], rare[:20]), verbose=0)


def test_a_fold_that_fails_ends_the_others():
    x, y = classes()

    def fail(epoch, logs):
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        cross_validate(model(), x, y, folds=4, epochs=50, callbacks=[sl.train.LambdaCallback(on_epoch_end=fail)])
