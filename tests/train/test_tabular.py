"""From a raw table to a model that takes raw rows, without a word about the columns."""

import numpy as np
import polars as pl
import pytest

import saltus as sl
from saltus import nn
from saltus.base.errors import ArgumentError, DataError, ModelFileError, UnknownNameError
from saltus.data import sets
from saltus.train import TableOptions, TabularModel, fit_table
from saltus.train.scores import area_under_roc, classification_scores, regression_scores

RNG = np.random.default_rng(8)


def table(rows=400):
    city = RNG.choice(["Rome", "Bern", "Oslo"], rows)
    size = RNG.normal(70, 20, rows)
    price = 2000 * size + 50_000 * (city == "Bern") + RNG.normal(0, 2000, rows)
    return pl.DataFrame({"city": city, "size": [f"{s:.1f} kg" for s in size], "empty": [None] * rows, "price": price})


def test_species_of_penguins_from_the_file_alone():
    model = fit_table(sets.path("penguins"), "species", verbose=0)
    assert model.task == "classification"
    assert model.scores["accuracy"] > 0.95 > model.baseline["accuracy"]
    assert sum(model.rows.values()) == len(sets.path("penguins").read_text().splitlines()) - 1
    raw = pl.read_csv(sets.path("penguins"))
    labels = model.predict(raw.head(5).drop("species"))
    assert set(labels) <= set(model.classes)
    shares = model.predict_proba(raw.head(5))
    assert shares.shape == (5, 3)
    assert shares.sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert (np.array(model.classes)[shares.argmax(axis=1)] == labels).all()


def test_prices_are_predicted_in_their_own_unit_and_kept_in_a_file(tmp_path):
    data = table()
    model = fit_table(data, "price", verbose=0, epochs=60)
    assert model.task == "regression"
    assert model.scores["r2"] > 0.9
    assert model.scores["rmse"] < 0.5 * model.baseline["rmse"]
    predicted = model.predict(data)
    assert np.corrcoef(predicted, data["price"])[0, 1] > 0.95
    assert model.evaluate(data).scores["rmse"] == pytest.approx(np.sqrt(np.mean((predicted - data["price"].to_numpy()) ** 2)), rel=1e-6)
    model.save(tmp_path / "price.saltus")
    back = TabularModel.load(tmp_path / "price.saltus")
    assert (back.predict(data) == predicted).all()
    assert back.scores == model.scores
    assert back.history["loss"] == model.history["loss"]
    with pytest.raises(ArgumentError, match="no classes"):
        back.predict_proba(data)
    with pytest.raises(DataError, match="'size'"):
        back.predict(data.drop("size"))


def test_a_rare_label_does_not_get_lost_in_the_split():
    data = {"a": RNG.normal(size=60), "y": ["often"] * 57 + ["seldom"] * 3}
    assert fit_table(data, "y", verbose=0, epochs=1).classes == ("often", "seldom")


def test_every_one_of_many_small_classes_is_in_the_training_part():
    data = {"a": RNG.normal(size=1000), "y": [f"kind {i % 200}" for i in range(1000)]}
    assert len(fit_table(data, "y", verbose=0, epochs=1).classes) == 200


def test_a_table_of_too_few_rows_for_its_parts_is_refused():
    with pytest.raises(DataError, match="has 3 rows: too few to learn from, to validate by, to test by"):
        fit_table({"a": [1.0, 2.0, 3.0], "y": [1.5, 2.5, 3.5]}, "y", verbose=0)
    made = fit_table({"a": [1.0, 2.0, 3.0], "y": [1.5, 2.5, 3.5]}, "y", validation=0.0, test=0.0, epochs=1, verbose=0)
    assert made.rows["train"] == 3


def test_a_cell_that_cannot_be_read_is_named_by_its_row_in_the_file():
    dates = [f"2020-01-{i % 28 + 1:02d}" for i in range(400)]
    dates[50] = "soon"
    rows, said = {"when": dates, "a": RNG.normal(size=400), "y": RNG.normal(size=400)}, []
    model = fit_table(rows, "y", verbose=0, epochs=1, seed=0, told=lambda encoder: said.append(str(encoder.describe())))  # a held-out row
    assert "is not a date and counts as missing (row 51: 'soon')" in said[0]
    assert model.rows["train"] + model.rows["validation"] + model.rows["test"] == 400


def test_another_table_can_be_the_judge_and_none_is_needed():
    data, other = table(), table(100)
    assert fit_table(data, "price", test=other, epochs=1, verbose=0).rows["test"] == 100
    made = fit_table(data, "price", test=None, validation=0.0, epochs=1, verbose=0)
    assert made.rows == {"train": 400, "validation": 0, "test": 0}


def test_options_are_checked_and_used(tmp_path):
    options = TableOptions(hidden=(5,), epochs=2, seed=3, verbose=0, optimizer="sgd", learning_rate=0.01, schedule="constant")
    model = fit_table(table(), "price", options, batch_size=50)
    assert model.model.params["dense"]["kernel"].shape[1] == 5
    assert len(model.history) == 2
    assert model.model.optimizer == sl.optim.SGD(0.01)
    network = nn.Sequential([nn.TableInput((4,)), nn.Dense(1), nn.Reshape(())])
    assert fit_table(table(), "price", network=network, epochs=1, verbose=0).model.network == network
    with pytest.raises(UnknownNameError, match="hidden"):
        fit_table(table(), "price", hiden=(5,))
    with pytest.raises(UnknownNameError, match="'price'"):
        fit_table(table(), "prize")
    with pytest.raises(UnknownNameError, match="one_cycle"):
        fit_table(table(), "price", schedule="onecycle")


def test_a_network_that_ends_with_a_softmax_gives_probabilities_too():
    network = nn.Sequential([nn.TableInput(()), nn.Dense(2, activation="softmax")])
    data = {"a": RNG.normal(size=100), "y": RNG.choice(["yes", "no"], 100)}
    model = fit_table(data, "y", network=network, epochs=1, verbose=0)
    assert model.predict_proba(data) == pytest.approx(model.model.predict(model.encoder.transform(data).numbers))


def test_a_model_of_arrays_is_no_model_of_tables(tmp_path):
    model = sl.train.Model(nn.Dense(1), loss="mse")
    model.build(nn.Spec((1, 2)))
    model.save(tmp_path / "m")
    with pytest.raises(ModelFileError, match="not trained on a table"):
        TabularModel.load(tmp_path / "m")


def test_an_interrupted_table_goes_on_exactly(tmp_path):
    import os
    import signal

    class Stop(sl.train.Callback):
        def on_epoch_end(self, epoch, logs):
            if epoch == 1:
                os.kill(os.getpid(), signal.SIGTERM)

    data = table(200)
    whole = fit_table(data, "price", epochs=4, verbose=0)
    with pytest.raises(sl.train.Interrupted):
        fit_table(data, "price", epochs=4, verbose=0, callbacks=[Stop()], checkpoint=tmp_path)
    parts = fit_table(data, "price", epochs=4, verbose=0, checkpoint=tmp_path, resume=True)
    assert (parts.predict(data) == whole.predict(data)).all()


def test_scores_equal_their_definitions():
    codes = np.array([0, 0, 1, 1, 1])
    shares = np.array([[0.9, 0.1], [0.4, 0.6], [0.4, 0.6], [0.2, 0.8], [0.7, 0.3]])
    made = classification_scores(codes, shares)
    assert made["accuracy"] == pytest.approx(3 / 5)
    assert made["balanced_accuracy"] == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert made["log_loss"] == pytest.approx(-np.log([0.9, 0.4, 0.6, 0.8, 0.3]).mean())
    pairs = [(p > n) + 0.5 * (p == n) for p in shares[codes == 1, 1] for n in shares[codes == 0, 1]]
    assert made["auc"] == pytest.approx(np.mean(pairs))
    assert area_under_roc(np.array([0, 1]), np.array([0.1, 0.9])) == 1.0
    true, found = np.array([1.0, 2.0, 4.0]), np.array([1.0, 3.0, 2.0])
    assert regression_scores(true, found) == pytest.approx({"rmse": np.sqrt(5 / 3), "mae": 1.0, "r2": 1 - 5 / (14 / 3)})
    huge = regression_scores(true * 1e200, found * 1e200)
    assert huge == pytest.approx({"rmse": np.sqrt(5 / 3) * 1e200, "mae": 1e200, "r2": 1 - 5 / (14 / 3)})


def test_rows_that_stand_in_two_parts_are_reported():
    data = table(300)
    again = data[:7] if isinstance(data, pl.DataFrame) else {name: list(values)[:7] for name, values in data.items()}
    fresh = table(330)[300:] if isinstance(data, pl.DataFrame) else {name: list(values)[300:] for name, values in table(330).items()}
    judge = pl.concat([pl.DataFrame(again), pl.DataFrame(fresh)], how="vertical_relaxed")
    found = fit_table(data, "price", epochs=1, verbose=0, validation=0, test=judge)
    told = [change for change in found.encoder.changes if change.action == "rows in two parts"]
    assert [change.count for change in told] == [7]
    assert "7 rows of the test part (18.9%) stand in the training part too" in told[0].text
    assert not any(c.action == "rows in two parts" for c in fit_table(data, "price", epochs=1, verbose=0).encoder.changes)


def test_a_label_that_only_the_judge_has_is_refused_by_name():
    data = {"a": [1.5, 2.5, 3.5, 4.5] * 10, "y": ["red", "blue"] * 20}
    judge = {"a": [1.0, 2.0], "y": ["red", "green"]}
    with pytest.raises(DataError, match="row 2: 'green' is none of the 2 classes"):
        fit_table(data, "y", epochs=1, verbose=0, test=judge)
