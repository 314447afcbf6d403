"""The page of a run: what it says of every kind of data, and that it needs nothing but itself."""

from __future__ import annotations

import json
import os
import re
import shutil
from html.parser import HTMLParser

import numpy as np
import polars as pl
import pytest

import saltus as sl
from saltus.base.errors import DataError, ModelFileError, StorageError
from saltus.report import Run, newest, write_report
from saltus.report.markup import number, percent
from saltus.train import calibration, confusion_matrix, roc_curve

KINDS = ("table", "two_classes", "numbers", "text", "images", "series")
EMPTY = {"meta", "link", "img", "br", "path", "rect", "circle"}


class Checker(HTMLParser):
    """Whether every element is closed, and which addresses there are."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.wrong: list[str] = []
        self.ids: list[str] = []
        self.addresses: list[str] = []

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.ids += [given["id"]] if "id" in given else []
        self.addresses += [given[key] for key in ("src", "href") if key in given]
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        pass

    def handle_endtag(self, tag):
        if tag in EMPTY:
            return
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_is_whole_and_needs_nothing_else(page_of, kind):
    page = page_of(kind)
    checker = Checker()
    checker.feed(page)
    assert checker.wrong == []
    assert checker.open == []
    assert all(a.startswith(("data:", "#")) for a in checker.addresses)
    assert {a[1:] for a in checker.addresses if a.startswith("#")} <= set(checker.ids)
    assert not re.search(r"<script|@import|url\(|http-equiv", page)
    assert "prefers-color-scheme:dark" in page
    assert 'name="viewport"' in page
    assert "nan" not in re.findall(r"<td[^>]*>([^<]*)</td>", page)


@pytest.mark.parametrize("kind", KINDS)
def test_every_page_says_what_was_done_and_how_to_repeat_it(page_of, run_of, words, kind):
    said = words(page_of(kind))
    run = Run.read(run_of(kind))
    for title in ("Result", "Where it is right and wrong", "Training", "Data", "Network", "Environment"):
        assert title in said
    assert f"saltus fit {re.sub('^.*/', '', run.config['data']).split(' ')[0]}"[:10] in said
    assert f"--kind {run.config['kind']}" in said
    assert f"trained on {run.model.rows['train']:,}" in said
    assert "never trained on" in said
    for name, score in run.result["scores"].items():
        assert number(score) in said, name
        assert number(run.result["baseline"][name]) in said
    assert sl.__version__ in said
    assert str(np.__version__) in said


def test_classes_get_their_confusion_and_how_often_they_are_found(page_of, run_of, words):
    run, page = Run.read(run_of("table")), page_of("table")
    names = [str(c) for c in run.model.classes]
    codes = [names.index(t) for t in run.predictions["true"].to_list()]
    found = confusion_matrix(codes, [names.index(p) for p in run.predictions["predicted"].to_list()], names)
    for k, true in enumerate(names):
        for j, predicted in enumerate(names):
            assert f"true {true}, predicted {predicted}: {found.counts[k, j]:,} " in page
    said = words(page)
    for row in found.table():
        assert f"{row['class']} {row['rows']} {row['predicted']} {percent(row['precision'])} {percent(row['recall'])}".split() == (
            said[said.index(f"{row['class']} {row['rows']} {row['predicted']} ") :].split()[: 3 + 4]
        )


def test_two_classes_get_curves_and_calibration(page_of, run_of, words):
    run, said = Run.read(run_of("two_classes")), words(page_of("two_classes"))
    true = (run.predictions["true"] == "yes").to_numpy().astype(int)
    shares = run.predictions.select("probability of no & no", "probability of yes").to_numpy()
    assert f"ROC curve, area {roc_curve(true, shares).area:.3f}" in said
    assert f"Off by {calibration(true, shares, positive=1).ece:.1%} on average".replace("%", " %") in said
    assert "Finding “yes”" in said
    assert "probability of “yes”" in said


def test_numbers_get_residuals(page_of, words):
    said = words(page_of("numbers"))
    assert "Predicted against true" in said
    assert "Errors by what was predicted" in said
    assert "Always naming the mean is off by" in said
    assert "confusion" not in said.lower()


def test_series_show_forecasts_beside_the_naive_ones(page_of, words):
    page = page_of("series")
    said = words(page)
    assert "Forecasts of north, 1 step ahead" in said
    assert "Forecasts of north, a week ahead" in said
    assert "The naive forecast, that nothing changes, is off by" in said
    assert "seasonal naive" in said
    assert page.count('class="shade"') == 4  # validation and test of two series


def test_images_are_shown(page_of, run_of):
    page, profile = page_of("images"), Run.read(run_of("images")).profile
    assert {one["class"] for one in profile["examples"]} == {"bright", "dark"}
    assert all(one["image"] in page for one in profile["examples"])


def test_columns_are_shown_with_what_was_changed(page_of, words):
    said = words(page_of("two_classes"))
    assert "spellings of the same category" in said
    assert re.search(r"age number \d+\.\d\s% \d+", said)
    assert "yes: " in page_of("two_classes")  # the distribution under the pointer


def test_the_worst_errors_are_rows_of_the_data(page_of, run_of):
    run = Run.read(run_of("two_classes"))
    data = pl.read_csv(run.config["data"])
    for one in run.profile["worst"]:
        row = data.row(one["row"] - 1, named=True)
        assert row["bought"] == one["true"]
        assert one["given"]["city"] == row["city"]
        assert one["given"]["age"] == ("" if row["age"] is None else str(row["age"]))
    losses = [one["loss"] for one in run.profile["worst"]]
    assert losses == sorted(losses, reverse=True)


def test_texts_of_the_data_cannot_become_markup(page_of):
    assert "<b>them</b>" not in page_of("text")
    assert "&lt;b&gt;them&lt;/b&gt;" in page_of("text")
    assert "shops &lt;1&gt;.csv" in page_of("numbers")


def test_the_best_epoch_is_marked(page_of, run_of):
    best = Run.read(run_of("table")).history.best("val_loss")["epoch"]
    assert page_of("table").count(f">best epoch {best}</text>") == 2
    assert f"The weights of epoch {best} are kept" in page_of("table")


def test_a_network_that_learns_nothing_is_called_so(run_of, tmp_path, words):
    folder = shutil.copytree(run_of("numbers"), tmp_path / "run")
    result = json.loads((folder / "result.json").read_text())
    result["scores"] = dict(result["baseline"])
    (folder / "result.json").write_text(json.dumps(result))
    said = words(write_report(folder).read_text())
    assert "it has found nothing in these data that helps" in said
    assert "not better" in said


def test_runs_of_earlier_versions_have_a_page_too(run_of, tmp_path, words):
    folder = shutil.copytree(run_of("table"), tmp_path / "run")
    for name in ("predictions.parquet", "profile.json", "environment.json", "history.jsonl"):
        (folder / name).unlink()
    page = write_report(folder)
    assert page == folder / "report.html"
    said = words(page.read_text())
    assert "Result" in said
    assert "Balance of the classes" in said
    assert "Where it is right and wrong" not in said


def test_the_package_itself_writes_the_page(run_of, tmp_path):
    made = sl.report(run_of("table"), tmp_path / "page.html")
    assert made == tmp_path / "page.html"
    assert made.read_text().startswith("<!doctype html>")
    assert (tmp_path / "page.html").stat().st_size < 300_000


def test_the_newest_run_is_the_one_that_ended_last(run_of, tmp_path):
    for number_, name in enumerate(("b", "a")):
        folder = shutil.copytree(run_of("table"), tmp_path / name)
        os.utime(folder / "result.json", (number_ + 1, number_ + 1))
    assert newest(tmp_path).name == "a"


def test_what_is_no_run_is_refused_by_name(run_of, tmp_path):
    with pytest.raises(DataError, match=r"no finished run in"):
        newest(tmp_path)
    with pytest.raises(DataError, match=r"has no config\.json"):
        write_report(tmp_path)
    folder = shutil.copytree(run_of("table"), tmp_path / "run")
    (folder / "result.json").unlink()
    with pytest.raises(DataError, match=r"has not ended.*\n.*--resume"):
        write_report(folder)
    shutil.copy(run_of("table") / "result.json", folder)
    (folder / "predictions.parquet").write_bytes(b"PAR1 no more")
    with pytest.raises(DataError, match=r"predictions\.parquet is damaged"):
        write_report(folder)
    (folder / "predictions.parquet").unlink()
    (folder / "profile.json").write_text("{")
    with pytest.raises(DataError, match=r"profile\.json is damaged"):
        write_report(folder)
    (folder / "profile.json").unlink()
    with pytest.raises(StorageError, match="cannot write"):
        write_report(folder, tmp_path / "nowhere" / "page.html")
    (folder / "model.saltus").write_bytes(b"no model")
    with pytest.raises(ModelFileError):
        write_report(folder)
