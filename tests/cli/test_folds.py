"""`saltus fit --folds` on every kind of data."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest

from saltus.cli.main import main


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def folds_of(folder):
    return json.loads((folder / "folds.json").read_text()), pl.read_parquet(folder / "out_of_fold.parquet")


def test_images(tmp_path, capsys):
    generator = np.random.default_rng(0)
    y = np.arange(40) % 2
    np.savez("pictures.npz", x=generator.integers(0, 60, (40, 8, 8)).astype("uint8") + (80 * y).astype("uint8")[:, None, None], y=y)
    assert main(["fit", "pictures.npz", "--folds", "2", "--repeats", "2", "--epochs", "3", "--out", "run"]) == 0
    said = capsys.readouterr().out
    assert "fold 2 of 2, repeat 2: accuracy" in said and "mean of 2 folds, 2 times" in said
    kept, frame = folds_of(tmp_path / "run")
    assert len(kept["folds"]) == 4 and frame.height == 40 and set(frame["true"]) == {"0", "1"}


def test_texts_in_folders(tmp_path):
    for label, word in (("good", "fine"), ("bad", "dull")):
        (tmp_path / "reviews" / label).mkdir(parents=True)
        for k in range(20):
            (tmp_path / "reviews" / label / f"{k}.txt").write_text(f"a {word} film of {k} minutes")
    assert main(["fit", "reviews", "--folds", "2", "--epochs", "3", "--out", "run", "-q"]) == 0
    _, frame = folds_of(tmp_path / "run")
    assert frame.height == 40 and "good/3.txt" in frame["file"].to_list()


def test_series_walk_forward(tmp_path):
    day = np.arange(200)
    dates = (np.datetime64("2023-01-01") + day).astype(str)
    (tmp_path / "sales.csv").write_text("day,sold\n" + "\n".join(f"{d},{10 + k % 7}" for d, k in zip(dates, day, strict=True)))
    assert main(["fit", "sales.csv", "--folds", "3", "--epochs", "3", "--out", "run", "-q"]) == 0
    kept, frame = folds_of(tmp_path / "run")
    assert kept["baseline"]["mae"] > 0  # of the naive forecast of the same times
    trained = [fold["train"] for fold in kept["folds"]]
    assert trained == sorted(trained) and len(set(trained)) == 3
    assert str(frame["time"].min()) > "2023-02-01"


def test_a_table_by_groups_and_by_order(tmp_path, capsys):
    lines = ["year,who,x,y"] + [f"{2000 + k // 20},p{k % 10},{k % 7},{'yes' if k % 7 > 2 else 'no'}" for k in range(200)]
    (tmp_path / "visits.csv").write_text("\n".join(lines))
    assert main(["fit", "visits.csv", "--kind", "table", "--folds", "2", "--groups", "who", "--epochs", "2", "--out", "a", "-q"]) == 0
    assert main(["fit", "visits.csv", "--kind", "table", "--folds", "3", "--order", "year", "--epochs", "2", "--out", "b", "-q"]) == 0
    _, frame = folds_of(tmp_path / "b")
    assert frame.height == 150 and frame["row"].min() == 51  # the first quarter is only learnt from
    assert main(["fit", "visits.csv", "--kind", "table", "--groups", "who"]) == 2
    assert "--groups says how folds are dealt, but there are none" in capsys.readouterr().err
    assert main(["fit", "visits.csv", "--kind", "table", "--folds", "3", "--order", "yaer"]) == 2
    assert "year" in capsys.readouterr().err
