"""`saltus fit` on series and on texts: the kind is seen and said, the model works on raw files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest


@pytest.fixture
def sales(tmp_path) -> Path:
    """sales.csv: two years of days with a weekly wave."""
    day = np.arange(730)
    days = (np.datetime64("2022-01-01") + day).astype("datetime64[D]")
    sold = 50 + 8 * np.sin(2 * np.pi * day / 7) + np.random.default_rng(0).normal(0, 1, 730)
    path = tmp_path / "sales.csv"
    pl.DataFrame({"day": days, "sold": sold.round(2)}).write_csv(path)
    return path


@pytest.fixture
def mail(tmp_path) -> Path:
    """mail/<class>/<n>.txt: letters of two kinds."""
    rng = np.random.default_rng(0)
    for n in range(120):
        kind = ("ham", "spam")[n % 2]
        words = rng.choice(["gold", "win", "free", "now"] if kind == "spam" else ["meeting", "lunch", "report", "thanks"], 6)
        (tmp_path / "mail" / kind).mkdir(parents=True, exist_ok=True)
        (tmp_path / "mail" / kind / f"{n}.txt").write_text(" ".join([*words, *rng.choice(["the", "and", "we", "you"], 6)]))
    return tmp_path / "mail"


def test_series_are_seen_and_forecast_by_named_horizons(saltus, sales):
    assert saltus("fit", sales, "--horizon", 1, "--horizon", "month", "--epochs", 10, "--out", "run") == 0
    assert "kind of data: series" in saltus.out
    assert "a value every day, from 2022-01-01 to 2023-12-31" in saltus.out
    assert "+1, month ahead" in saltus.out
    head = next(line for line in saltus.out.splitlines() if "model" in line and "naive" in line)
    assert head.split() == ["model", "naive", "seasonal", "naive"]
    result = json.loads(Path("run/result.json").read_text())
    assert set(result["others"]) == {"seasonal naive"}
    assert result["scores"]["mae month"] < result["baseline"]["mae month"]
    assert saltus("predict", "run", "sales.csv") == 0
    assert [line.split(",")[:2] for line in saltus.out.splitlines()] == [
        ["day", "ahead"], ["2024-01-01", "+1"], ["2024-01-30", "month"],
    ]  # fmt: skip
    assert saltus("evaluate", "run", "sales.csv") == 0
    assert "seasonal naive" in saltus.out
    assert saltus("show", "run") == 0
    assert "predicts 'sold' (regression) from time series" in saltus.out


def test_the_kind_can_be_chosen(saltus, sales):
    assert saltus("fit", sales, "--kind", "table", "--target", "sold", "--epochs", 1, "--out", "run") == 0
    assert "kind of data" not in saltus.out
    assert saltus("show", "run") == 0
    assert "from a table" in saltus.out
    assert saltus("fit", sales, "--kind", "serie") == 2
    assert "did you mean 'series'" in saltus.err


def test_settings_of_another_kind_are_refused(saltus, sales, flowers):
    assert saltus("fit", flowers, "--horizon", 3) == 2
    assert "horizon is a setting of time series" in saltus.err
    assert saltus("fit", sales, "--set", "tokenizer=bpe") == 2
    assert "tokenizer is a setting of texts" in saltus.err
    assert saltus("fit", flowers, "--kind", "series") == 2
    assert "has no column of times" in saltus.err and "--time" in saltus.err


@pytest.mark.parametrize(
    ("words", "said"),
    [(["--horizon", "mont"], "'month'"), (["--horizon", "second"], "a value every day"), (["--horizon", ","], "horizon is ','"),
     (["--set", "window=1"], "whole number from 2"), (["--time", "dya"], "'day'"), (["--set", "window=5000"], "496 steps to learn from"),
     (["--set", "repeated=median"], "median"), (["--set", "known=holiday"], "holiday")],
)  # fmt: skip
def test_what_series_cannot_have_is_refused_before_training(saltus, sales, words, said):
    assert saltus("fit", sales, "--out", "run", *words) == 2
    assert said in saltus.err
    assert "epoch" not in saltus.out


def test_repeated_times_are_refused_by_their_rows(saltus, sales):
    lines = sales.read_text().splitlines()
    sales.write_text("\n".join([*lines, lines[1]]) + "\n")
    assert saltus("fit", sales, "--kind", "series") == 2
    assert "comes twice, in the rows 1 and 731" in saltus.err


def test_folders_of_texts_are_seen_and_new_files_predicted(saltus, mail):
    assert saltus("fit", mail, "--epochs", 20, "--out", "run") == 0
    assert "120 texts in the column 'text'; target 'class' (kind of data: text)" in saltus.out
    Path("new.txt").write_text("win gold now\nthanks for the report\n")
    assert saltus("predict", "run", "new.txt", "--columns", "prediction") == 0
    assert [line.split(",")[0] for line in saltus.out.splitlines()] == ["class (predicted)", "spam", "ham"]
    assert saltus("evaluate", "run", mail, "--json") == 0
    assert json.loads(saltus.out)["scores"]["accuracy"] > 0.9
    files = sorted((mail / "spam").iterdir())[:3]
    assert saltus("predict", "run", *files, "-o", "made.csv") == 0
    assert pl.read_csv("made.csv")["class (predicted)"].to_list() == ["spam"] * 3


def test_a_table_of_texts_is_seen_and_its_tokenizer_chosen(saltus, mail):
    files = sorted(mail.rglob("*.txt"))
    rows = [{"body": f.read_text() + " " + f.stem, "kind": f.parent.name} for f in files]
    pl.DataFrame(rows).write_ndjson("mail.jsonl")
    assert saltus("fit", "mail.jsonl", "--set", "tokenizer=bpe", "--set", "tokenizer_size=100", "--epochs", 3, "--out", "run") == 0
    assert "target 'kind' (kind of data: text)" in saltus.out
    assert "tokens (bpe)" in saltus.out
    assert saltus("fit", "mail.jsonl", "--set", "tokenizer=bp", "--out", "other") == 2
    assert "'bpe'" in saltus.err


def test_a_file_in_a_wrong_encoding_is_named(saltus, mail):
    (mail / "ham" / "bad.txt").write_bytes(b"caf\xe9")
    assert saltus("fit", mail) == 2
    assert "bad.txt (byte 3)" in saltus.err and "encoding" in saltus.err
    assert saltus("fit", mail, "--set", "encoding=latin-1", "--epochs", 1, "--out", "run") == 0


@pytest.mark.parametrize("kind", ["series", "text"])
def test_a_run_goes_on_where_it_stopped(saltus, sales, mail, kind):
    data = sales if kind == "series" else mail
    assert saltus("fit", data, "--epochs", 4, "--out", "whole", "--quiet") == 0
    assert saltus("fit", data, "--epochs", 4, "--out", "resumed", "--quiet") == 0
    assert saltus("fit", "--resume", "resumed", "--quiet") == 0
    whole, resumed = (json.loads(Path(run, "result.json").read_text()) for run in ("whole", "resumed"))
    assert whole["scores"] == resumed["scores"]
