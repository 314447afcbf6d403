"""`saltus predict`, `evaluate` and `show`: a model file on raw rows."""

from __future__ import annotations

import io
import json
import re
import sys
from xml.etree import ElementTree

import numpy as np
import polars as pl
import pytest

READERS = {"csv": pl.read_csv, "parquet": pl.read_parquet, "jsonl": pl.read_ndjson, "arrow": pl.read_ipc}


@pytest.mark.parametrize("ending", READERS)
def test_predictions_are_written_beside_the_input_in_the_files_own_format(saltus, flowers, trained, ending):
    assert saltus("predict", trained / "model.saltus", "flowers.csv", "-o", f"made.{ending}") == 0
    made = READERS[ending](f"made.{ending}")
    assert made.columns[:4] == ["length", "width", "colour", "kind"]
    assert made.columns[4:] == ["kind (predicted)", "probability of iris", "probability of lily", "probability of rose"]
    assert (made["kind"] == made["kind (predicted)"]).mean() > 0.9
    shares = made.select(made.columns[5:]).to_numpy()
    np.testing.assert_allclose(shares.sum(axis=1), 1.0, atol=1e-5)
    best = np.array(["iris", "lily", "rose"])[shares.argmax(axis=1)]
    assert best.tolist() == made["kind (predicted)"].to_list()
    assert "120 predictions of 'kind'" in saltus.err


def test_predictions_go_to_the_terminal_and_a_run_folder_stands_for_its_model(saltus, flowers, trained):
    assert saltus("predict", trained, "flowers.csv", "--columns", "prediction") == 0
    lines = saltus.out.splitlines()
    assert lines[0] == "kind (predicted),probability of iris,probability of lily,probability of rose"
    assert len(lines) == 121


def test_the_target_may_be_missing_and_columns_may_come_in_any_order(saltus, flowers, trained):
    frame = pl.read_csv("flowers.csv")
    frame.select("colour", "width", "length").write_parquet("new.parquet")
    assert saltus("predict", trained, "new.parquet", "-o", "a.csv", "--columns", "prediction") == 0
    assert saltus("predict", trained, "flowers.csv", "-o", "b.csv", "--columns", "prediction") == 0
    assert pl.read_csv("a.csv").equals(pl.read_csv("b.csv"))


def test_regression_predicts_in_the_unit_of_the_target(saltus, flowers):
    assert saltus("fit", "flowers.csv", "-t", "length", "--epochs", 100, "-q", "--out", "run") == 0
    assert saltus("predict", "run", "flowers.csv", "-o", "made.csv") == 0
    made = pl.read_csv("made.csv")
    assert np.abs(made["length (predicted)"] - made["length"]).mean() < 0.5


def test_a_missing_column_is_refused_by_name(saltus, flowers, trained):
    pl.read_csv("flowers.csv").rename({"width": "Width"}).write_csv("new.csv")
    assert saltus("predict", trained, "new.csv") == 2
    assert "1 column of the training data is missing: 'width'" in saltus.err
    assert "fix: is it 'Width'" in saltus.err
    assert saltus.out == ""


def test_unseen_categories_are_predicted_and_said(saltus, trained, tmp_path):
    (tmp_path / "new.csv").write_text("length,width,colour,note\n0.1,5.0,green,x\n4.0,3.0,,y\n")
    assert saltus("predict", trained, "new.csv", "-o", "made.csv") == 0
    assert "colour: 1 value unseen or rare in training ('green')" in saltus.err
    assert "1 column unknown from training ignored ('note')" in saltus.err
    assert pl.read_csv("made.csv")["kind (predicted)"].to_list() == ["rose", "iris"]


def test_a_cell_of_another_kind_is_refused_with_its_place(saltus, trained, tmp_path):
    (tmp_path / "new.csv").write_text("length,width,colour\n0.1,5.0,red\n4.0,wide,red\n")
    assert saltus("predict", trained, "new.csv") == 2
    assert re.search(r"column 'width', row 2: 'wide' is not a number", saltus.err)


def test_evaluation_shows_the_model_beside_the_baseline(saltus, flowers, trained):
    assert saltus("evaluate", trained, "flowers.csv") == 0
    assert re.search(r"120 rows\n.*model +baseline", saltus.out)
    assert saltus("evaluate", trained / "model.saltus", "flowers.csv", "--json") == 0
    result = json.loads(saltus.out)
    assert result["rows"] == 120
    assert result["scores"]["accuracy"] > 0.9 > result["baseline"]["accuracy"]


def test_evaluation_needs_targets_of_known_classes(saltus, trained, tmp_path):
    (tmp_path / "none.csv").write_text("length,width,colour\n0.1,5.0,red\n")
    assert saltus("evaluate", trained, "none.csv") == 2
    assert "'kind'" in saltus.err
    (tmp_path / "blank.csv").write_text("length,width,colour,kind\n0.1,5.0,red,\n")
    assert saltus("evaluate", trained, "blank.csv") == 2
    assert "no row has a value of the target 'kind'" in saltus.err
    (tmp_path / "other.csv").write_text("length,width,colour,kind\n0.1,5.0,red,tulip\n")
    assert saltus("evaluate", trained, "other.csv") == 2
    assert "'tulip' is none of the 3 classes" in saltus.err
    assert "fix: the classes are 'iris', 'lily', 'rose'" in saltus.err


def test_show_describes_network_columns_training_and_result(saltus, trained):
    assert saltus("show", trained) == 0
    assert re.search(r"Dense|dense", saltus.out)
    assert "predicts 'kind' (classification, classes iris, lily, rose)" in saltus.out
    assert re.search(r"colour +category", saltus.out)
    assert re.search(r"accuracy +\S+ +\S+ +better", saltus.out)
    assert saltus("show", trained / "model.saltus", "--json") == 0
    facts = json.loads(saltus.out)
    assert facts["parameters"] == facts["network"]["parameters"] > 100
    assert facts["result"]["measured_on"] == "test"
    assert [c["name"] for c in facts["columns"]] == ["length", "width", "colour", "kind"]


def test_show_draws_the_network_into_a_file(saltus, trained, tmp_path):
    assert saltus("show", trained, "--svg", tmp_path / "network.svg") == 0
    assert ElementTree.parse(tmp_path / "network.svg").getroot().tag.endswith("svg")
    assert saltus("show", trained, "--svg", tmp_path / "nowhere" / "network.svg") == 2
    assert "check that the folder exists" in saltus.err


def test_bench_measures_this_machine(saltus):
    assert saltus("bench", "--seconds", 0.05, "--json") == 0
    figures = json.loads(saltus.out)
    assert figures["threads"] >= 1
    assert all(value > 0 for value in figures.values())
    assert any("GFLOP/s" in name for name in figures)


class _Stdin:
    """Standard input that holds these bytes."""

    def __init__(self, data):
        self.buffer = io.BytesIO(data)


def test_a_dash_reads_a_table_from_standard_input(saltus, flowers, trained, monkeypatch):
    monkeypatch.setattr(sys, "stdin", _Stdin(flowers.read_bytes()))
    assert saltus("predict", trained, "-", "-o", "a.csv") == 0
    assert saltus("predict", trained, "flowers.csv", "-o", "b.csv") == 0
    assert pl.read_csv("a.csv").equals(pl.read_csv("b.csv"))
    monkeypatch.setattr(sys, "stdin", _Stdin(b"length;width;colour\n0,1;5,0;red\n"))
    assert saltus("predict", trained, "-", "--columns", "prediction") == 0
    assert saltus.out.splitlines()[1].startswith("rose,")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (b"", "standard input is empty"),
        (b"length,width,colour\n", "standard input has column names but no rows"),
        (b"length,a\n1,2\n", "'width'"),
    ],
)
def test_standard_input_that_is_no_such_table_is_refused(saltus, trained, monkeypatch, given, said):
    monkeypatch.setattr(sys, "stdin", _Stdin(given))
    assert saltus("predict", trained, "-") == 2
    assert said in saltus.err
    assert "standard input" in saltus.err


def test_numbers_are_predicted_with_the_digits_of_float32_at_most(saltus, flowers):
    assert saltus("fit", "flowers.csv", "-t", "length", "--epochs", 3, "-q", "--out", "run") == 0
    assert saltus("predict", "run", "flowers.csv", "--columns", "prediction") == 0
    made = saltus.out.splitlines()[1:]
    assert max(len(re.sub(r"[^0-9]", "", word).lstrip("0")) for word in made) <= 9
    assert all(float(np.float32(word)) == pytest.approx(float(word), rel=1e-7) for word in made)
    assert len(set(made)) > 100


def test_an_evaluation_on_what_was_trained_on_says_so(saltus, flowers, trained):
    assert saltus("evaluate", trained, "flowers.csv") == 0
    assert "of these samples were trained on" in saltus.err
    share = int(re.search(r"(\d+)% of these samples", saltus.err).group(1))
    assert 60 <= share <= 80  # the rest was held out
    pl.read_csv("flowers.csv").sample(fraction=1.0, shuffle=True, seed=1).write_parquet("copy.parquet")
    assert saltus("evaluate", trained, "copy.parquet") == 0
    assert f"{share}% of these samples were trained on" in saltus.err
    pl.read_csv("flowers.csv").with_columns(pl.col("length") + 0.0005).write_csv("new.csv")
    assert saltus("evaluate", trained, "new.csv") == 0
    assert "trained on" not in saltus.err
