"""Cross-validation of images, texts and series: each is judged by networks that had not seen it, and series never look ahead."""

from __future__ import annotations

import re

import numpy as np
import pytest
from kinds_of_data import TEXTS, pictures, sales

from saltus.base.errors import ArgumentError, UnknownNameError
from saltus.train.estimates import estimate
from saltus.train.images import fit_images
from saltus.train.series import SeriesOptions, fit_series
from saltus.train.texts import TextOptions
from saltus.train.validation import cross_validate


def test_images_are_judged_by_networks_that_had_not_seen_them():
    x, y = pictures()
    result = cross_validate((x, y), folds=3, epochs=6, keep=True, workers=2)
    assert result.predictions.shape == (60, 3) and result.targets.tolist() == y.tolist()
    assert result["accuracy"].mean > 0.8
    for fold in result.folds:
        np.testing.assert_allclose(fold.model.predict_proba(x[fold.split.test]), result.predictions[fold.split.test], atol=1e-6)
        assert np.bincount(y[fold.split.test]).tolist() in ([6, 7, 7], [7, 6, 7], [7, 7, 6])  # each class dealt evenly
    alone = fit_images((x[result.folds[0].split.train], y[result.folds[0].split.train]), test=None, epochs=6, seed=0, verbose=0)
    np.testing.assert_array_equal(alone.predict_proba(x), result.folds[0].model.predict_proba(x))


def test_images_repeated_and_by_groups():
    x, y = pictures()
    groups = np.repeat(np.arange(20), 3)
    result = cross_validate((x, y), folds=2, groups=groups, epochs=1)
    for fold in result.folds:
        assert not set(groups[fold.split.train]) & set(groups[fold.split.test])
    assert len(cross_validate((x, y), folds=2, repeats=2, epochs=1).folds) == 4
    with pytest.raises(ArgumentError, match="images have none"):
        cross_validate((x, y), folds=2, groups="patient")


def test_texts_learn_their_words_in_each_fold_anew():
    made = {"text": [f"{text} word{k // 3}" for k, text in enumerate(TEXTS["text"])], "label": TEXTS["label"]}
    result = cross_validate(made, "label", kind="text", folds=3, epochs=12, keep=True, grams=1)
    assert result["accuracy"].mean > 0.6
    for fold in result.folds:
        known = re.findall(r"word\d+", str(fold.model.encoder.to_config()))
        learnt = {f"word{row // 3}" for row in fold.split.train}
        assert known and set(known) <= learnt
    frame = result.out_of_fold()
    assert frame.columns == ["row", "true", "predicted", "probability of bad", "probability of good"]
    assert (frame["true"] == frame["predicted"]).mean() == pytest.approx(result["accuracy"].mean, abs=0.01)


def test_options_tell_the_kind():
    assert cross_validate(TEXTS, "label", folds=2, epochs=1, options=TextOptions()).folds
    with pytest.raises(UnknownNameError, match="series"):
        cross_validate(TEXTS, "label", kind="serie")


def test_folds_of_series_walk_forward():
    rows = sales()
    result = cross_validate(rows, "sold", kind="series", folds=3, horizon=(1, "week"), window=14, epochs=4, keep=True)
    assert [fold.split.test.min() for fold in result.folds] == sorted(fold.split.test.min() for fold in result.folds)
    for fold in result.folds:
        # the furthest horizon of what is trained on lies before the first time that judges
        assert fold.split.train.max() + 7 < fold.split.test.min() + 1
        assert fold.scores["mae"] > 0 and fold.model.rows["validation"] > 0
    frame = result.out_of_fold()
    assert frame.columns == ["time", "ahead", "true", "predicted"]
    assert frame.height == 2 * len(result.tested)
    by_day = dict(zip(rows["day"].astype(str), rows["sold"], strict=True))
    assert all(by_day[str(time)] == true for time, true in zip(frame["time"], frame["true"], strict=True))


def test_a_fold_of_a_series_is_what_a_fit_of_that_time_gives():
    rows, options = sales(), SeriesOptions(window=14, epochs=3)
    result = cross_validate(rows, "sold", folds=2, options=options, keep=True)
    until = result.folds[0].split.test.min() + 1  # the first time that is forecast
    end = result.folds[0].split.test.max() + 2
    share = {"test": (end - until) / end, "verbose": 0, "window": 14, "epochs": 3}
    alone = fit_series({name: values[:end] for name, values in rows.items()}, "sold", **share)
    assert alone.scores == result.folds[0].scores


def test_what_folds_of_series_cannot_be():
    with pytest.raises(ArgumentError, match="cannot be repeated"):
        cross_validate(sales(), "sold", kind="series", folds=3, repeats=2)
    with pytest.raises(ArgumentError, match="groups cannot be had"):
        cross_validate(sales(), "sold", kind="series", folds=3, groups="day")
    with pytest.raises(ArgumentError, match="spans 5 steps, less than the horizon of 7"):
        cross_validate(sales(30), "sold", kind="series", folds=5, horizon=("week",), window=4)


def test_intervals_of_shares_stay_between_0_and_1():
    x, y = pictures()
    made = cross_validate((x, y), folds=3, epochs=3)
    assert 0 <= made["accuracy"].low <= made["accuracy"].high <= 1 and made["log_loss"].low >= 0
    cut = estimate([1.0, 1.0, 0.9], bounds=(0, 1))
    assert cut.high == 1.0 and cut.low < 0.9 and str(cut).startswith("0.9667 (") and str(cut).endswith("to 1.0000)")
    assert "±" in str(estimate([0.5, 0.6, 0.7], bounds=(0, 1)))
