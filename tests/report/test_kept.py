"""What a fit leaves for its page: predictions and a profile of the data, small and true."""

from __future__ import annotations

import base64
import io

import numpy as np
import polars as pl
import pytest
from PIL import Image

from saltus.cli.main import main
from saltus.data.column import ColumnPlan, ParsedColumn
from saltus.report import Run
from saltus.report.picture import png, thumbnail
from saltus.report.profile import bars, distribution, evenly, histogram


@pytest.mark.parametrize("kind", ["table", "two_classes", "text", "images"])
def test_predictions_of_classes_are_those_the_figures_are_from(run_of, kind):
    run = Run.read(run_of(kind))
    frame = run.predictions
    assert len(frame) == run.result["rows"]
    assert (frame["true"] == frame["predicted"]).mean() == pytest.approx(run.result["scores"]["accuracy"])
    shares = frame.select(pl.col("^probability of .*$"))
    assert shares.columns == [f"probability of {label}" for label in run.model.classes]
    np.testing.assert_allclose(shares.to_numpy().sum(axis=1), 1, rtol=1e-5)


def test_predictions_of_numbers_are_in_their_own_unit(run_of):
    run = Run.read(run_of("numbers"))
    error = run.predictions["predicted"] - run.predictions["true"]
    assert error.abs().mean() == pytest.approx(run.result["scores"]["mae"])
    data = pl.read_csv(run.config["data"])
    own = data["spent"].gather((run.predictions["row"] - 1).to_list()).to_list()
    assert own == pytest.approx(run.predictions["true"].to_list(), rel=1e-5)


def test_forecasts_stand_at_the_time_they_are_for(run_of):
    run = Run.read(run_of("series"))
    frame = run.predictions
    assert len(frame) == 2 * run.result["rows"]
    assert (frame["predicted"] - frame["true"]).abs().mean() == pytest.approx(run.result["scores"]["mae"])
    data = {(r["shop"], r["day"]): r["sold"] for r in pl.read_csv(run.config["data"]).iter_rows(named=True)}
    for row in frame.iter_rows(named=True):
        assert row["true"] == pytest.approx(data[row["series"], row["time"][:10]])


def test_a_file_of_its_own_to_judge_by_gives_its_rows(run_of, tmp_path):
    source = pl.read_csv(Run.read(run_of("two_classes")).config["data"])
    source[:400].write_csv(tmp_path / "old.csv")
    source[400:].write_csv(tmp_path / "new.csv")
    words = [str(tmp_path / "old.csv"), "-t", "bought", "--epochs", "2", "--test", str(tmp_path / "new.csv"), "-q"]
    assert main(["fit", *words, "--out", str(tmp_path / "run"), "--report"]) == 0
    run = Run.read(tmp_path / "run")
    assert run.predictions["row"].to_list() == list(range(1, 101))
    for one in run.profile["worst"]:
        assert source["bought"][400 + one["row"] - 1] == one["true"]
    assert (tmp_path / "run" / "report.html").is_file()


def test_files_of_a_run_stay_small(run_of):
    for kind in ("table", "images", "series"):
        folder = run_of(kind)
        assert (folder / "predictions.parquet").stat().st_size < 50_000
        assert (folder / "profile.json").stat().st_size < 200_000


def test_distributions_count_every_value():
    rng = np.random.default_rng(0)
    for values in (rng.normal(size=1000), rng.integers(0, 90, 1000), np.full(5, 3.0), np.array([1.0])):
        found = histogram(np.asarray(values))
        assert sum(found["counts"]) == len(values)
        assert len(found["edges"]) == len(found["counts"]) + 1
        assert found["edges"] == sorted(found["edges"])


def test_whole_numbers_do_not_make_a_comb():
    found = histogram(np.tile(np.arange(62), 30).astype(float))
    inner = found["counts"][:-1]
    assert max(inner) == min(inner)


def test_far_outliers_do_not_hide_the_others():
    values = np.append(np.random.default_rng(0).normal(size=999), 1e9)
    found = histogram(values)
    assert found["edges"][-1] < 10
    assert sum(found["counts"]) == 1000


def test_columns_of_each_kind_are_spread_in_their_own_way():
    words = pl.Series(["a b c", "a"])
    texts = ParsedColumn(ColumnPlan("t", "text"), np.array([0, 1, 1, -1], np.int32), words)
    assert distribution(texts)["unit"] == "words"
    categories = ParsedColumn(ColumnPlan("c", "category"), np.array([0, 1, 1, -1], np.int32), words)
    assert distribution(categories)["values"] == [["a", 2], ["a b c", 1]]
    flags = ParsedColumn(ColumnPlan("b", "boolean"), np.array([0.0, 1.0, 1.0, np.nan]))
    assert distribution(flags)["values"] == [["no", 1], ["yes", 2]]
    days = ParsedColumn(ColumnPlan("d", "date"), np.array(["2024-01-01", "2024-03-01", "NaT"], "datetime64[us]"))
    assert distribution(days)["edges"][0] == "2024-01-01T00:00:00"
    assert distribution(ParsedColumn(ColumnPlan("n", "number"), np.array([np.nan]))) is None


def test_rare_values_are_counted_together():
    found = bars([f"v{k}" for k in range(20)], list(range(20)))
    assert found["values"][0] == ["v19", 19]
    assert (found["others"], found["rest"]) == (12, sum(range(12)))


def test_an_even_part_keeps_both_ends():
    assert evenly(5, 10).tolist() == [0, 1, 2, 3, 4]
    assert evenly(1_000_001, 3).tolist() == [0, 500_000, 1_000_000]


@pytest.mark.parametrize("channels", [1, 3])
def test_pictures_are_read_back_by_others(channels):
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, channels)).astype(np.uint8)
    read = np.asarray(Image.open(io.BytesIO(png(pixels))))
    np.testing.assert_array_equal(read.reshape(pixels.shape), pixels)


def test_large_pictures_are_averaged_down():
    pixels = np.zeros((300, 100, 3), np.uint8)
    pixels[:150] = 200
    image = Image.open(io.BytesIO(base64.b64decode(thumbnail(pixels).partition(",")[2])))
    assert max(image.size) <= 56
    assert np.asarray(image)[0, 0].tolist() == [200, 200, 200]


@pytest.mark.parametrize("test", ["0.2", "0"])
def test_tables_that_are_read_in_blocks_have_a_page(run_of, tmp_path, test):
    data = Run.read(run_of("two_classes")).config["data"]
    words = [data, "-t", "bought", "--epochs", "2", "--test", test, "--set", "memory=1000", "--out", str(tmp_path / "run"), "-q"]
    assert main(["fit", *words, "--report"]) == 0
    run, rows = Run.read(tmp_path / "run"), pl.read_csv(data)
    assert len(run.predictions) == run.result["rows"]
    assert "kept in memory to judge it" in (tmp_path / "run" / "report.html").read_text()
    known = set(zip(rows["bought"].to_list(), rows["day"].to_list(), rows["city"].to_list(), strict=True))
    assert {(one["true"], one["given"]["day"], one["given"]["city"]) for one in run.profile["worst"]} <= known


def test_images_that_stay_in_their_files_are_shown(run_of, tmp_path):
    data = Run.read(run_of("images")).config["data"]
    assert main(["fit", data, "--epochs", "1", "--set", "memory=1000", "--out", str(tmp_path / "run"), "-q"]) == 0
    profile = Run.read(tmp_path / "run").profile
    assert profile["examples"][0]["image"].startswith("data:image/png;base64,")
    assert profile["worst"][0]["file"].endswith(".png")
