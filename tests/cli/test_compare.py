"""`saltus compare`: experiments from the command line."""

from __future__ import annotations

import json

import polars as pl
import pytest

from saltus.cli.main import commands, main
from saltus.train.experiments import EXPERIMENTS


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_an_experiment_runs_on_its_own_set_and_leaves_table_and_plot(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    assert main(["compare", "dropout", "--epochs", "2", "--set", "rates=0,0.5", "--table", "t.csv", "--plot", "p.svg"]) == 0
    said = capsys.readouterr().out
    assert "On samples not trained on" in said and "written  t.csv" in said
    assert pl.read_csv(tmp_path / "t.csv")["variant"].to_list() == ["none", "50%"]
    assert (tmp_path / "p.svg").stat().st_size > 1000


def test_an_experiment_runs_on_a_table(capsys):
    words = ["compare", "learning-rates", "penguins", "--target", "species", "--epochs", "1", "--set", "rates=0.1", "--json"]
    assert main(words) == 0
    found = json.loads(capsys.readouterr().out)
    assert "penguins.csv, predicting 'species'" in found["notes"][0]
    assert [row["learning_rate"] for row in found["rows"]] == [0.1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["dropuot"], "dropout"),
        (["dropout", "--set", "rate=0.1"], "rates"),
        (["dropout", "--table", "t.doc"], ".parquet"),
        (["dropout", "nowhere.csv"], "nowhere.csv"),
    ],
)
def test_wrong_words_are_refused_with_the_right_ones(words, said, capsys):
    assert main(["compare", *words]) == 2
    assert said in capsys.readouterr().err


def test_the_help_names_every_experiment(capsys):
    assert main(["compare", "--help"]) == 0
    said = capsys.readouterr().out
    assert all(name in said for name in EXPERIMENTS)
    assert "compare" in commands.commands
