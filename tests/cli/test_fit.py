"""`saltus fit`: what a run leaves, what it says, and what its options do."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import saltus as sl
from saltus.base import tree
from saltus.train import History
from saltus.train.tabular import TabularModel


def weights(folder):
    return [leaf.numpy() for leaf in tree.leaves(sl.load(Path(folder) / "model.saltus").model.params)]


def test_a_run_leaves_configuration_history_model_checkpoint_environment_and_result(saltus, flowers, kept):
    assert saltus("fit", "flowers.csv", "--target", "kind", "--epochs", 3) == 0
    (folder,) = Path("runs").iterdir()
    assert re.fullmatch(r"\d{8}-\d{6}-flowers", folder.name)
    files = {"config.json", "data.json", "environment.json", "history.jsonl", "history.parquet", "model.saltus", "result.json"}
    files |= {"predictions.parquet", "profile.json"}
    assert {f.name for f in folder.iterdir() if f.is_file()} == files
    assert (folder / "checkpoints" / "last.safetensors").is_file()
    config = kept(folder, "config.json")
    assert (config["target"], config["epochs"], config["seed"], config["test"]) == ("kind", 3, 0, 0.2)
    environment = kept(folder, "environment.json")
    assert environment["saltus"] == sl.__version__
    assert environment["packages"]["numpy"] == np.__version__
    assert environment["threads"] >= 1
    assert len(History.load(folder / "history.jsonl")) == 3
    columns = {c["name"]: c["kind"] for c in kept(folder, "data.json")["columns"]}
    assert columns == {"length": "number", "width": "number", "colour": "category", "kind": "category"}
    result = kept(folder, "result.json")
    assert (result["measured_on"], result["rows"], result["epochs"]) == ("test", 24, 3)


def test_the_end_shows_the_result_beside_a_trivial_baseline_and_how_to_predict(saltus, flowers, kept):
    assert saltus("fit", "flowers.csv", "-t", "kind", "--out", "run") == 0
    result = kept("run", "result.json")
    shown = re.search(r"accuracy +(\S+) +(\S+) +better", saltus.out)
    assert shown is not None
    assert float(shown[1]) == pytest.approx(result["scores"]["accuracy"], abs=1e-4)
    assert float(shown[2]) == pytest.approx(result["baseline"]["accuracy"], abs=1e-4)
    assert result["scores"]["accuracy"] > 0.9 > result["baseline"]["accuracy"]
    assert "24 rows never trained on" in saltus.out
    assert "saltus predict run/model.saltus NEW.csv" in saltus.out


def test_every_column_is_shown_with_what_was_done_to_it(saltus, flowers):
    assert saltus("fit", "flowers.csv", "-t", "kind", "--epochs", 1) == 0
    assert re.search(r"colour +category .* embedded, 3 categories", saltus.out)
    assert "classification of 'kind' into 3 classes" in saltus.out


def test_without_a_target_the_last_column_is_taken_and_said(saltus, flowers, kept):
    assert saltus("fit", "flowers.csv", "--epochs", 1, "--out", "run") == 0
    assert "target 'kind' (the last column; choose another with --target)" in saltus.out
    assert kept("run", "config.json")["target"] == "kind"
    assert saltus("fit", "flowers.csv", "--epochs", 1, "-t", "kind") == 0
    assert "the last column" not in saltus.out


def test_numbers_are_predicted_by_regression(saltus, flowers, kept):
    assert saltus("fit", "flowers.csv", "-t", "length", "--out", "run") == 0
    assert "regression of 'length'" in saltus.out
    result = kept("run", "result.json")
    assert set(result["scores"]) == {"rmse", "mae", "r2"}
    assert result["scores"]["rmse"] < result["baseline"]["rmse"] / 2


def test_the_data_set_that_comes_with_saltus_is_found_by_its_name(saltus, kept):
    assert saltus("fit", "penguins", "--target", "species", "--out", "run") == 0
    assert kept("run", "result.json")["scores"]["accuracy"] > 0.95


def test_options_reach_the_training(saltus, flowers, kept):
    options = ["--hidden", "8,4", "--batch-size", 16, "--epochs", 2, "--learning-rate", 0.01, "--dropout", 0, "--seed", 5]
    more = ["--set", "optimizer=sgd", "--set", "activation=tanh", "--set", "schedule=constant", "--set", "patience=7"]
    assert saltus("fit", "flowers.csv", "-t", "kind", "--out", "run", *options, *more) == 0
    config = kept("run", "config.json")
    assert (config["hidden"], config["batch_size"], config["epochs"], config["dropout"], config["seed"]) == ([8, 4], 16, 2, 0.0, 5)
    assert (config["optimizer"], config["activation"], config["schedule"], config["patience"]) == ("sgd", "tanh", "constant", 7)
    history = History.load("run/history.jsonl").records
    assert [r["learning_rate"] for r in history] == [0.01, 0.01]
    model = sl.load("run").model
    assert {(8, 4), (4, 3)} <= {array.shape for array in weights("run")}
    assert type(model.optimizer).__name__ == "SGD"
    assert model.seed == 5


def test_no_hidden_layers_and_one_step_an_epoch_are_possible(saltus, flowers):
    assert saltus("fit", "flowers.csv", "-t", "kind", "--hidden", 0, "--batch-size", "full", "--epochs", 2, "--out", "run") == 0
    model = sl.load("run").model
    assert model.state()["step"].item() == 2
    assert len(weights("run")) == 3  # the categories' vectors, and one layer's weights and biases


def test_the_same_seed_gives_the_same_bits_and_another_one_others(saltus, flowers):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        assert saltus("fit", "flowers.csv", "-t", "kind", "--epochs", 3, "--seed", seed, "--out", name, "-q") == 0
    a, b, c = weights("a"), weights("b"), weights("c")
    assert all(x.tobytes() == y.tobytes() for x, y in zip(a, b, strict=True))
    assert any(x.tobytes() != y.tobytes() for x, y in zip(a, c, strict=True))


def test_a_test_file_is_used_for_the_figures_alone(saltus, flowers, kept, tmp_path):
    lines = flowers.read_text().splitlines(keepends=True)
    (tmp_path / "new.csv").write_text("".join(lines[:31]))
    (tmp_path / "old.csv").write_text(lines[0] + "".join(lines[31:]))
    assert saltus("fit", "old.csv", "-t", "kind", "--epochs", 2, "--test", "new.csv", "--out", "run") == 0
    result = kept("run", "result.json")
    assert (result["measured_on"], result["rows"]) == ("test", 30)
    model = TabularModel.load("run/model.saltus")
    assert model.rows["train"] + model.rows["validation"] == 90
    assert model.evaluate("new.csv").scores == result["scores"]


def test_without_test_rows_the_figures_say_what_they_were_measured_on(saltus, flowers, kept):
    assert saltus("fit", "flowers.csv", "-t", "kind", "--epochs", 1, "--test", 0, "--out", "a") == 0
    assert "validation rows (they chose the epoch; no others were held out)" in saltus.out
    assert saltus("fit", "flowers.csv", "-t", "kind", "--epochs", 1, "--test", 0, "--validation", 0, "--out", "b") == 0
    assert "120 training rows (no others were held out)" in saltus.out
    assert [kept(run, "result.json")["measured_on"] for run in "ab"] == ["validation", "train"]


def test_a_column_can_be_read_otherwise_or_left_out(saltus, flowers, kept):
    words = ["--column", "length=category", "--column", "colour=drop"]
    assert saltus("fit", "flowers.csv", "-t", "kind", "--epochs", 1, "--out", "run", *words) == 0
    columns = {c["name"]: c for c in kept("run", "data.json")["columns"]}
    assert columns["length"]["kind"] == "category"
    assert columns["colour"]["treatment"].startswith("dropped")


def test_quiet_says_the_result_alone(saltus, flowers):
    assert saltus("fit", "flowers.csv", "-t", "kind", "--epochs", 1, "-q") == 0
    assert "epoch 1/1" not in saltus.out
    assert "embedded" not in saltus.out
    assert "accuracy" in saltus.out


def test_a_finished_run_can_be_resumed_and_stays_as_it_was(saltus, flowers, kept, tmp_path, monkeypatch):
    assert saltus("fit", "flowers.csv", "-t", "kind", "--set", "patience=1", "--out", "run") == 0
    before, epochs = weights("run"), kept("run", "result.json")["epochs"]
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert saltus("fit", "--resume", tmp_path / "run") == 0
    assert kept(tmp_path / "run", "result.json")["epochs"] == epochs
    assert [a.tobytes() for a in weights(tmp_path / "run")] == [a.tobytes() for a in before]


def test_a_run_that_wrote_no_checkpoint_begins_afresh(saltus, flowers, trained, tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "config.json").write_text((trained / "config.json").read_text())
    assert saltus("fit", "--resume", "run") == 0
    assert [a.tobytes() for a in weights("run")] == [a.tobytes() for a in weights(trained)]
