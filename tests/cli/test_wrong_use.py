"""Wrong use and wrong data: exit code 2, and a message with what is wrong and what to do; nothing half-made stays behind."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from saltus.base.errors import EngineError

GOOD = "a,b,y\n" + "".join(f"{i},{i % 7},{'no' if i < 20 else 'yes'}\n" for i in range(40))


@pytest.mark.parametrize(
    ("words", "message", "fix"),
    [
        (["--set", "epocs=3"], "there is no setting 'epocs'; there are task, epochs, batch_size,", "did you mean epochs?"),
        (["--set", "epochs"], "--set takes name=value, got 'epochs'", "--set epochs=..."),
        (["--set", "patience=often"], "patience is 'often', expected a whole number from 1 on", "leave it out to have it chosen"),
        (["--set", "balanced=maybe"], "balanced is 'maybe', expected true or false", "leave it out"),
        (["--epochs", "0"], "epochs is '0', expected a whole number from 1 on", "leave it out to have it chosen"),
        (["--batch-size", "many"], "batch_size is 'many', expected a whole number from 1 on, or full", "leave it out"),
        (["--learning-rate", "-1"], "learning_rate is '-1', expected a number above 0", "leave it out"),
        (["--learning-rate", "nan"], "learning_rate is 'nan', expected a number above 0", "leave it out"),
        (["--hidden", "64;32"], "hidden is '64;32', expected whole numbers with commas between", "leave it out"),
        (["--hidden", "64,0"], "hidden is '64,0', expected whole numbers", "leave it out"),
        (["--dropout", "1"], "dropout is '1', expected a share from 0 to below 1", "leave it out"),
        (["--test", "1.5"], "test is '1.5', expected a share from 0 to below 1, or a file", "leave it out for 0.2"),
        (["--seed", "x"], "seed is 'x', expected a whole number from 0 on", "leave it out for 0"),
        (["--task", "clasification"], "unknown task 'clasification'", "did you mean 'classification'"),
        (["--set", "optimizer=adma"], "unknown optimizer 'adma'", "or 'adam'"),
        (["--set", "activation=rleu"], "unknown activation 'rleu'", "did you mean"),
        (["--set", "schedule=cosinus"], "unknown schedule 'cosinus'", ""),
        (["--target", "z"], "unknown target column 'z'", "use one of: a, b, y"),
        (["--column", "c=drop"], "unknown", "a"),
        (["--column", "a=nubmer"], "'nubmer'", "number"),
        (["--ensemble", "baging"], "'baging'", "did you mean 'bagging'"),
        (["--test", "nowhere.csv"], "nowhere.csv", "fix:"),
    ],
)  # fmt: skip
def test_a_wrong_option_is_refused_with_what_is_expected(saltus, tmp_path, words, message, fix):
    (tmp_path / "good.csv").write_text(GOOD)
    assert saltus("fit", "good.csv", *words) == 2
    assert saltus.err.startswith("error: ")
    assert message in saltus.err
    assert fix in saltus.err
    assert "Traceback" not in saltus.err
    assert not list(Path().glob("runs/*"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "data.csv is empty"),
        ("a,b,y\n", "data.csv has column names but no rows"),
        ("y\n1\n2\n", "data.csv has one column, 'y': there is nothing to predict from"),
        ("a,y\n1,2\n1,2,3\n4,5\n", "row 2"),
        ("a,y\n" + "1,x\n2,x\n" * 10, "target 'y' has one value, 'x', in all"),
        ("a,y\n" + "1,\n2,\n" * 10, "target 'y' has no value in any of the"),
        ("a,y\n" + "".join(f"1,{i}.5\n" for i in range(20)), "no column left to learn from (a: "),
        ("a,y\n" + "".join(f"{i},name {i}\n" for i in range(40)), "classes have to repeat"),
    ],
)  # fmt: skip
def test_a_table_that_cannot_be_learnt_is_refused_with_the_reason(saltus, tmp_path, content, message):
    (tmp_path / "data.csv").write_text(content)
    assert saltus("fit", "data.csv") == 2
    assert message in saltus.err
    assert "fix: " in saltus.err
    assert "Traceback" not in saltus.err


def test_a_file_that_is_not_there_gives_the_nearest_names(saltus, flowers):
    assert saltus("fit", "flower.csv") == 2
    assert "flower.csv" in saltus.err
    assert "flowers.csv" in saltus.err
    assert not Path("runs").exists()


def test_words_that_are_no_command_or_option_are_refused(saltus):
    assert saltus("fti") == 2
    assert "No such command" in saltus.err
    assert saltus("fit") == 2
    assert "Missing argument 'DATA'" in saltus.err
    assert saltus("fit", "--epoch-count", 3) == 2
    assert "No such option" in saltus.err


def test_help_and_version_are_no_errors(saltus):
    assert saltus("--help") == 0
    assert [saltus.out.index(f"  {command} ") for command in ("fit", "evaluate", "predict", "show", "bench")]
    assert saltus("--version") == 0
    assert saltus.out.startswith("saltus 0.")
    for command in ("fit", "evaluate", "predict", "show", "bench"):
        assert saltus(command, "--help") == 0
        assert "Usage: saltus " + command in saltus.out


def test_a_folder_that_holds_something_is_not_written_into(saltus, flowers):
    Path("run").mkdir()
    Path("run/notes.txt").write_text("mine")
    assert saltus("fit", "flowers.csv", "--out", "run") == 2
    assert "the folder run is not empty" in saltus.err
    assert [f.name for f in Path("run").iterdir()] == ["notes.txt"]
    assert saltus("fit", "flowers.csv", "--out", "flowers.csv") == 2
    assert "flowers.csv" in saltus.err


def test_a_resumed_run_keeps_its_settings_and_its_data(saltus, trained, flowers):
    assert saltus("fit", "--resume", "nowhere") == 2
    assert "nowhere is not the folder of a run: it has no config.json" in saltus.err
    assert saltus("fit", "--resume", trained, "--epochs", 99) == 2
    assert "a resumed run keeps its settings, but --epochs was given" in saltus.err
    assert saltus("fit", "flowers.csv", "--resume", trained) == 2
    assert "trains on" in saltus.err
    assert "fix: leave the data out to resume" in saltus.err


def test_a_run_whose_data_have_changed_is_not_resumed(saltus, flowers):
    assert saltus("fit", "flowers.csv", "-t", "kind", "--epochs", 2, "--out", "run") == 0
    flowers.write_text(flowers.read_text().replace("red", "white"))
    assert saltus("fit", "--resume", "run") == 2
    assert "belongs to another training" in saltus.err


@pytest.mark.parametrize("command", ["evaluate", "predict", "show"])
def test_what_is_no_model_is_refused(saltus, flowers, trained, command):
    data = [] if command == "show" else ["flowers.csv"]
    whole = (trained / "model.saltus").read_bytes()
    Path("short.saltus").write_bytes(whole[: len(whole) // 2])
    Path("changed.saltus").write_bytes(whole[:-5] + bytes([whole[-5] ^ 1]) + whole[-4:])
    for path, message in (
        ("none.saltus", "none.saltus cannot be read"),
        ("short.saltus", "short.saltus is damaged"),
        ("changed.saltus", "changed.saltus is damaged"),
        ("flowers.csv", "flowers.csv was not written by saltus"),
        (trained / "checkpoints" / "last.safetensors", "holds a checkpoint, not a model"),
    ):
        assert saltus(command, path, *data) == 2
        assert message in saltus.err
        assert "fix: " in saltus.err


def test_a_damaged_configuration_is_named(saltus, tmp_path):
    (tmp_path / "config.json").write_text('{"data": ')
    assert saltus("fit", "--resume", tmp_path) == 2
    assert "config.json is damaged" in saltus.err


def test_predictions_need_a_kind_of_file_that_can_be_written(saltus, flowers, trained):
    assert saltus("predict", trained, "flowers.csv", "-o", "made.xlsx") == 2
    assert "cannot write made.xlsx: unknown kind of file" in saltus.err
    assert saltus("predict", trained, "flowers.csv", "-o", "nowhere/made.csv") == 2
    assert "cannot write nowhere/made.csv" in saltus.err


def test_a_full_disk_is_said_and_older_predictions_stay(saltus, flowers, trained, monkeypatch):
    Path("made.csv").write_text("older")

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("saltus.cli.use.os.replace", full)
    assert saltus("predict", trained, "flowers.csv", "-o", "made.csv") == 2
    assert "cannot write made.csv: No space left on device" in saltus.err
    assert Path("made.csv").read_text() == "older"
    assert sorted(f.name for f in Path().iterdir()) == ["flowers.csv", "made.csv"]


def test_a_full_disk_during_a_run_is_said(saltus, flowers, monkeypatch):
    def full(number: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("os.fsync", full)
    assert saltus("fit", "flowers.csv", "-t", "kind", "--epochs", 2, "--out", "run") == 2
    assert "cannot be written: No space left on device" in saltus.err
    assert "fix: make room on the disk" in saltus.err


def test_a_fault_of_saltus_has_a_code_of_its_own(saltus, flowers, monkeypatch):
    def broken(*_: object, **__: object) -> None:
        raise EngineError("a kernel is missing")

    monkeypatch.setattr("saltus.train.fitted.Fitted.learn", broken)
    assert saltus("fit", "flowers.csv") == 1
    assert "saltus failed: a kernel is missing" in saltus.err
