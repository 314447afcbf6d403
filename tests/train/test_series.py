"""From a raw table of series to forecasts from raw rows, judged beside the naive ones."""

import numpy as np
import polars as pl
import pytest

from saltus import nn
from saltus.base.errors import ArgumentError, DataError, ModelFileError, UnknownNameError
from saltus.train import SeriesModel, SeriesOptions, fit_series, fit_table
from saltus.train.series import series_scores

COUNT = 500


def shop(seed=0, count=COUNT, level=50.0):
    rng = np.random.default_rng(seed)
    day = np.arange(count)
    return level + day / 50 + 8 * np.sin(2 * np.pi * day / 7) + rng.normal(0, 1, count)


def frame(values=None, **columns):
    values = shop() if values is None else values
    days = (np.datetime64("2023-01-01") + np.arange(len(values))).astype("datetime64[us]")
    return pl.DataFrame({"day": days, "sold": values, **columns})


@pytest.fixture(scope="module")
def weekly():
    return fit_series(frame(), "sold", horizon=(1, "month"), verbose=0)


def test_a_week_that_repeats_is_learnt_and_beats_both_naive_forecasts(weekly):
    naive, seasonal = weekly.baseline, weekly.others["seasonal naive"]
    for name in ("mae", "rmse", "mase", "mae +1", "mae month"):
        assert weekly.scores[name] < min(naive[name], seasonal[name])
    assert weekly.measured_on == "test"
    assert weekly.task == "regression"


def test_the_baselines_are_what_they_are_called(weekly):
    values = shop()
    origins = np.arange(COUNT - weekly.rows["test"] - 30, COUNT - 30)
    assert weekly.baseline["mae +1"] == pytest.approx(np.abs(values[origins + 1] - values[origins]).mean(), rel=0.05)
    assert weekly.others["seasonal naive"]["mae +1"] == pytest.approx(np.abs(values[origins + 1] - values[origins - 6]).mean(), rel=0.05)


def test_forecasts_follow_the_end_of_the_file_and_survive_saving(weekly, tmp_path):
    path = tmp_path / "sold.csv"
    frame().write_csv(path)
    made = weekly.predictions(path)
    assert made.given["day"].dt.date().cast(pl.String).to_list() == ["2024-05-15", "2024-06-13"]
    assert made.given["ahead"].to_list() == ["+1", "month"]
    ahead = shop(count=COUNT)  # the same wave goes on
    assert abs(made.frame["sold (predicted)"][0] - (ahead[-7:].mean() + 8 * np.sin(2 * np.pi * COUNT / 7))) < 3
    weekly.save(tmp_path / "m.saltus")
    back = SeriesModel.load(tmp_path / "m.saltus")
    assert (back.predict(path) == weekly.predict(path)).all()
    assert back.scores == weekly.scores and back.others == weekly.others
    assert back.evaluate(path).scores == weekly.evaluate(path).scores
    table = fit_table({"a": np.arange(40) % 7, "y": np.arange(40) % 3}, epochs=1, verbose=0)
    table.save(tmp_path / "t.saltus")
    with pytest.raises(ModelFileError, match="not trained on time series"):
        SeriesModel.load(tmp_path / "t.saltus")


def test_the_future_changes_neither_training_nor_its_choice_of_weights():
    values = shop()
    wild = np.where(np.arange(COUNT) >= 400, values * 30, values)  # the test fifth
    made = [fit_series(frame(v), "sold", horizon=(1,), test=0.2, epochs=3, verbose=0) for v in (values, wild)]
    for name in ("loss", "val_loss"):
        assert made[0].history[name] == made[1].history[name]
    assert made[0].trivial == made[1].trivial
    assert made[0].scores != made[1].scores
    assert (made[0].predict(frame(values[:350])) == made[1].predict(frame(values[:350]))).all()


def test_the_same_seed_gives_the_same_forecasts():
    made = [fit_series(frame(), "sold", epochs=2, seed=seed, verbose=0).predict(frame()) for seed in (1, 1, 2)]
    assert (made[0] == made[1]).all()
    assert (made[0] != made[2]).all()


def test_a_random_walk_is_forecast_no_worse_than_by_its_last_value():
    walk = 100 + np.cumsum(np.random.default_rng(4).normal(size=COUNT))
    model = fit_series(frame(walk), "sold", horizon=(5, 20), verbose=0)
    assert model.scores["mae"] < 1.1 * model.baseline["mae"]
    assert (model.shares < 0.8).all()


def test_several_series_learn_one_network():
    parts = [frame(shop(i, level=level)).with_columns(shop=pl.lit(f"s{i}")) for i, level in enumerate((20.0, 200.0, 900.0))]
    parts.append(frame(shop(9))[:20].with_columns(shop=pl.lit("short")))
    table = pl.concat(parts)
    model = fit_series(table, "sold", horizon=(1, 2), window=14, verbose=0, epochs=20)
    assert model.predict(table.filter(pl.col("shop") != "short")).shape == (3, 2)
    assert model.scores["mase"] < model.others["seasonal naive"]["mase"]
    new = frame(shop(7, level=400.0)).with_columns(shop=pl.lit("new"))
    assert abs(model.predict(new)[0, 0] - 400) < 50


def test_a_column_that_tells_the_future_is_used():
    rng = np.random.default_rng(3)
    promo = (rng.random(COUNT) < 0.3).astype(float)
    values = 50 + 10 * promo + rng.normal(0, 0.5, COUNT)
    table = frame(values, promo=promo)
    blind = fit_series(table, "sold", verbose=0, epochs=30)
    seeing = fit_series(table, "sold", known=("promo",), verbose=0, epochs=30)
    assert seeing.scores["mae"] < 0.5 * blind.scores["mae"]


def test_another_table_can_be_the_judge_and_a_network_of_ones_own_the_learner():
    network = nn.Sequential([nn.Dense(1, kernel_initializer="zeros")])
    options = SeriesOptions(test=frame(shop(5, 200)), network=network, epochs=2, verbose=0)
    model = fit_series(frame(), "sold", options)
    assert model.model.network == network
    assert model.rows["test"] == 200 - model.encoder.window
    assert fit_series(frame(), test=None, validation=0.0, epochs=1, verbose=0).rows["test"] == 0


def test_what_cannot_be_learnt_is_refused():
    with pytest.raises(DataError, match=r"steps to learn from; a window of 50 and a horizon of 1 need 52"):
        fit_series(frame(shop(count=40)), "sold", window=50, verbose=0)
    with pytest.raises(DataError, match="the validation part of the time is too short for a horizon of 60"):
        fit_series(frame(shop(count=300)), "sold", horizon=(60,), verbose=0)
    with pytest.raises(UnknownNameError, match="horizon"):
        fit_series(frame(), "sold", horizons=(1,), verbose=0)
    with pytest.raises(UnknownNameError, match="month"):
        fit_series(frame(), "sold", horizon=("mont",), verbose=0)
    with pytest.raises(ArgumentError, match="no classes"):
        fit_series(frame(), "sold", epochs=1, verbose=0).predict_proba(frame())


def test_scores_of_horizons_are_in_the_targets_unit():
    actual, forecast = np.array([[1.0, 4.0], [3.0, 4.0]]), np.array([[2.0, 4.0], [3.0, 8.0]])
    scores = series_scores(actual, forecast, np.array([1.0, 2.0]), ("+1", "+2"))
    assert scores["mae"] == 1.25 and scores["mae +2"] == 2.0
    assert scores["rmse"] == pytest.approx(np.sqrt(17 / 4))
    assert scores["mase"] == pytest.approx((1 + 0 + 0 + 2) / 4)
    assert "mase" not in series_scores(actual, forecast, np.zeros(2), ("+1", "+2"))
