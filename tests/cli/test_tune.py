"""`saltus tune`, and ensembles and folds of `saltus fit`, from the command line."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest

import saltus as sl
from saltus.cli.main import main


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_a_search_leaves_the_best_model_and_all_trials(tmp_path, capsys):
    pytest.importorskip("optuna")
    words = ["--search", "learning_rate=1e-3..1e-1", "--search", "width=8..32", "--search", "optimizer=adam,sgd", "--set", "epochs=3"]
    assert main(["tune", "penguins", "--target", "species", "--trials", "3", *words, "--out", "found"]) == 0
    said = capsys.readouterr().out
    assert "trial 2:" in said and "3 trials" in said and "best val_loss" in said
    kept = json.loads((tmp_path / "found" / "trials.json").read_text())
    assert len(kept["trials"]) == 3 and set(kept["best"]) == {"learning_rate", "width", "optimizer"}
    assert sl.TabularModel.load("found/model.saltus").classes == ("Adelie", "Chinstrap", "Gentoo")
    again = ["tune", "penguins", "--target", "species", *words, "--study", "found/study.db", "--out", "more", "-q"]
    assert main([*again, "--trials", "3"]) == 2
    assert "holds a study already" in capsys.readouterr().err
    assert main([*again, "--trials", "4", "--resume", "--out", "most"]) == 0
    assert len(json.loads((tmp_path / "most" / "trials.json").read_text())["trials"]) == 4


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--search", "width=8.."], "a range has two numbers"),
        (["--search", "widht=8..16"], "width"),
        (["--search", "width="], "nothing to choose"),
        (["--search", "width=9..9"], "nothing to choose"),
        (["--method", "tpo"], "tpe"),
        (["--resume"], "needs the file of the study"),
    ],
)
def test_wrong_searches_are_refused(words, said, capsys):
    pytest.importorskip("optuna")
    assert main(["tune", "penguins", "--target", "species", *words]) == 2
    assert said in capsys.readouterr().err


def test_an_ensemble_with_folds_is_one_file(tmp_path, capsys):
    words = ["--ensemble", "bagging", "--members", "2", "--folds", "2", "--epochs", "4", "--out", "run"]
    assert main(["fit", "penguins", "--target", "species", *words]) == 0
    said = capsys.readouterr().out
    assert "fold 2 of 2" in said and "95 % confidence interval" in said and "2 networks in" in said
    assert len(json.loads((tmp_path / "run" / "folds.json").read_text())["folds"]) == 2
    assert len(sl.load("run/model.saltus").model.network.members) == 2
    assert main(["show", "run/model.saltus"]) == 0


@pytest.mark.parametrize("method", ["adaboost", "boosting", "snapshot", "voting", "stacking"])
def test_every_ensemble_by_name(method, tmp_path):
    words = ["--ensemble", method, "--members", "2", "--epochs", "4", "--out", "run", "-q"]
    assert main(["fit", "penguins", "--target", "species", *words]) == 0
    assert json.loads((tmp_path / "run" / "result.json").read_text())["scores"]["accuracy"] > 0.35


def test_an_unknown_ensemble_is_refused(capsys):
    assert main(["fit", "penguins", "--target", "species", "--ensemble", "baging", "--epochs", "1"]) == 2
    assert "bagging" in capsys.readouterr().err


def test_a_search_over_images(tmp_path, capsys):
    pytest.importorskip("optuna")
    y = np.arange(40) % 2
    x = np.random.default_rng(0).integers(0, 60, (40, 8, 8)).astype("uint8") + (80 * y).astype("uint8")[:, None, None]
    np.savez("pictures.npz", x=x, y=y)
    words = ["--search", "width=8..16", "--search", "augment=none,light", "--set", "epochs=2", "--trials", "2"]
    assert main(["tune", "pictures.npz", *words, "--out", "run", "--report"]) == 0
    assert "kind of data: images" in capsys.readouterr().out
    assert pl.read_parquet("run/history.parquet")["epoch"].to_list() == [1, 2]
    curves = pl.read_parquet("run/curves.parquet")
    assert set(curves.columns) == {"trial", "epoch", "val_loss"} and set(curves["trial"]) == {0, 1}
    assert (tmp_path / "run" / "report.html").exists()
    assert main(["predict", "run/model.saltus", "pictures.npz", "-o", "said.csv"]) == 0


def test_a_search_over_series_and_one_over_texts(tmp_path):
    pytest.importorskip("optuna")
    days = (np.datetime64("2023-01-01") + np.arange(200)).astype(str)
    (tmp_path / "sales.csv").write_text("day,sold\n" + "\n".join(f"{d},{10 + k % 7}" for k, d in enumerate(days)))
    words = ["--set", "epochs=2", "--trials", "2", "-q"]
    assert main(["tune", "sales.csv", "--set", "horizon=1,week", *words, "--out", "a"]) == 0
    assert main(["predict", "a/model.saltus", "sales.csv", "-o", "next.csv"]) == 0
    assert pl.read_csv("next.csv").height == 2
    for label, word in (("good", "fine"), ("bad", "dull")):
        (tmp_path / "reviews" / label).mkdir(parents=True)
        for k in range(20):
            (tmp_path / "reviews" / label / f"{k}.txt").write_text(f"a {word} film of {k} minutes")
    assert main(["tune", "reviews", *words, "--out", "b"]) == 0
    assert main(["predict", "b/model.saltus", "reviews/good/1.txt", "-o", "one.csv"]) == 0


def test_a_refused_search_leaves_no_folder(tmp_path):
    pytest.importorskip("optuna")
    assert main(["tune", "penguins", "--target", "species", "--monitor", "val_acuracy", "--out", "run"]) == 2
    assert not (tmp_path / "run").exists()
