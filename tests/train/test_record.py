"""The record of a training can be read by name, saved as lines, and asked for its best epoch."""

import math

import pytest

from saltus.base.errors import ArgumentError, DataError, StorageError, UnknownNameError
from saltus.train import History

RUN = [
    {"epoch": 1, "loss": 0.9, "accuracy": 0.5, "val_loss": 1.0},
    {"epoch": 2, "loss": 0.5, "accuracy": 0.7, "val_loss": 0.6},
    {"epoch": 3, "loss": 0.4, "accuracy": 0.6, "val_loss": math.nan},
]


def test_values_are_found_by_name_as_in_keras():
    run = History(RUN)
    assert run["loss"] == [0.9, 0.5, 0.4]
    assert run.history["accuracy"] == [0.5, 0.7, 0.6]
    assert run.epoch == [1, 2, 3]
    assert len(run) == 3
    assert "loss=0.4" in repr(run)


def test_the_best_epoch_is_the_one_with_the_best_value():
    run = History(RUN)
    assert run.best("val_loss")["epoch"] == 2
    assert run.best("accuracy")["epoch"] == 2
    assert run.best("loss", mode="max")["epoch"] == 1


def test_a_history_survives_a_file(tmp_path):
    path = tmp_path / "history.jsonl"
    History(RUN).save(path)
    assert len(path.read_text().splitlines()) == 3
    back = History.load(path)
    assert back.records[:2] == RUN[:2]
    assert math.isnan(back["val_loss"][2])


def test_wrong_names_and_files_are_refused(tmp_path):
    with pytest.raises(UnknownNameError, match="val_loss"):
        History(RUN)["val_los"]
    with pytest.raises(ArgumentError, match="fit"):
        History().best("epoch")
    with pytest.raises(StorageError):
        History.load(tmp_path / "none.jsonl")
    (tmp_path / "bad.jsonl").write_text('{"epoch": 1}\nnonsense\n')
    with pytest.raises(DataError, match="line 2"):
        History.load(tmp_path / "bad.jsonl")
    with pytest.raises(StorageError):
        History(RUN).save(tmp_path / "no folder" / "x")
