"""`saltus report` and `saltus fit --report`: a page is written where it is looked for."""

from __future__ import annotations

import shutil
from pathlib import Path


def test_a_fit_writes_its_page_when_asked(saltus, flowers):
    assert saltus("fit", "flowers.csv", "-t", "kind", "--epochs", 2, "--out", "run", "--report") == 0
    assert "report   run/report.html" in saltus.out
    assert "predicting kind" in Path("run/report.html").read_text()
    assert saltus("fit", "flowers.csv", "-t", "kind", "--epochs", 2, "--out", "bare") == 0
    assert not Path("bare/report.html").exists()


def test_the_newest_run_is_taken_when_none_is_named(saltus, flowers):
    assert saltus("fit", "flowers.csv", "-t", "kind", "--epochs", 1, "-q") == 0
    assert saltus("report") == 0
    (folder,) = Path("runs").iterdir()
    assert (folder / "report.html").is_file()
    assert f"report   {folder / 'report.html'}" in saltus.out


def test_the_page_can_lie_elsewhere(saltus, trained, tmp_path):
    assert saltus("report", trained, "-o", "page.html") == 0
    assert Path("page.html").read_text().startswith("<!doctype html>")
    assert not (trained / "report.html").exists()
    assert saltus("report", trained / "model.saltus", "-o", "same.html") == 0


def test_a_resumed_run_gets_its_page(saltus, flowers, trained, tmp_path):
    shutil.copytree(trained, "run")
    assert saltus("fit", "--resume", "run", "--report") == 0
    assert Path("run/report.html").is_file()


def test_an_ensemble_shows_its_networks(saltus, flowers):
    words = ["-t", "kind", "--epochs", 2, "--ensemble", "bagging", "--members", 2, "--out", "run", "-q", "--report"]
    assert saltus("fit", "flowers.csv", *words) == 0
    assert "2 networks in" in Path("run/report.html").read_text()
    assert "--ensemble" in Path("run/report.html").read_text()


def test_the_command_of_a_run_is_kept_so_that_a_shell_can_read_it(saltus, flowers, kept, monkeypatch):
    monkeypatch.setattr("sys.argv", ["saltus", "fit", "my flowers.csv"])
    assert saltus("fit", "flowers.csv", "-t", "kind", "--epochs", 1, "--out", "run") == 0
    assert kept("run", "environment.json")["command"] == "saltus fit 'my flowers.csv'"


def test_what_is_no_run_is_refused(saltus, flowers):
    assert saltus("report") == 2
    assert "there is no finished run in runs" in saltus.err
    assert saltus("report", "flowers.csv") == 2
    assert "is not the folder of a run" in saltus.err
