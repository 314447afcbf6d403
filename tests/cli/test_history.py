"""A run keeps the record of its training as lines of JSON and as Parquet."""

from __future__ import annotations

import polars as pl

from saltus.cli.main import main
from saltus.train import History


def test_a_run_holds_its_history_in_both_forms(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["fit", "penguins", "--target", "species", "--epochs", "3", "--out", "run", "-q"]) == 0
    lines = History.load(tmp_path / "run" / "history.jsonl")
    frame = pl.read_parquet(tmp_path / "run" / "history.parquet")
    assert frame["epoch"].to_list() == [1, 2, 3]
    assert frame["val_loss"].to_list() == lines["val_loss"]
