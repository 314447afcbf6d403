"""What a user is told of data that cannot be judged by, or that are not what they seem, on every kind of data."""

from __future__ import annotations

import numpy as np
import pytest

from saltus.cli.main import main


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def refused(words, *said, capsys):
    assert main(words) == 2
    message = capsys.readouterr().err
    for part in said:
        assert part in message
    assert "fix:" in message


def pictures(count=40):
    y = np.arange(count) % 2
    return np.random.default_rng(0).integers(0, 60, (count, 8, 8)).astype("uint8") + (80 * y).astype("uint8")[:, None, None], y


def series(rows):
    days = (np.datetime64("2023-01-01") + np.arange(rows)).astype(str)
    return [f"{d},{10 + k % 7}" for k, d in enumerate(days)]


def test_images_of_the_test_part_that_are_trained_on_are_told(capsys):
    x, y = pictures()
    np.savez("pictures.npz", x_train=x, y_train=y, x_test=x[:10], y_test=y[:10])
    assert main(["fit", "pictures.npz", "--epochs", "1", "--set", "validation=0"]) == 0
    assert "10 images of the test part (100.0%) are in the training part too" in capsys.readouterr().out
    np.savez("apart.npz", x_train=x[:30], y_train=y[:30], x_test=x[30:], y_test=y[30:])
    assert main(["fit", "apart.npz", "--epochs", "1"]) == 0
    assert "training part too" not in capsys.readouterr().out


def test_an_image_class_that_only_the_test_part_has(tmp_path, capsys):
    x, y = pictures()
    np.savez("pictures.npz", x_train=x[:30], y_train=y[:30], x_test=x[30:], y_test=np.full(10, 7))
    refused(["fit", "pictures.npz", "--epochs", "1"], "class '7'", "no training image has", capsys=capsys)


def test_a_time_that_comes_twice_is_an_error_of_the_series_and_no_table(tmp_path, capsys):
    (tmp_path / "sales.csv").write_text("\n".join(["day,sold", *series(100), "2023-02-01,7"]))
    refused(["fit", "sales.csv", "--epochs", "1"], "2023-02-01", "comes twice, in the rows 32 and 101", "repeated=mean", capsys=capsys)
    assert main(["fit", "sales.csv", "--epochs", "1", "--set", "repeated=mean", "-q"]) == 0


def test_many_rows_a_day_are_a_table(tmp_path, capsys):
    lines = [f"2023-01-{1 + k // 10:02d},{k % 7},{k % 5}" for k in range(280)]
    (tmp_path / "visits.csv").write_text("\n".join(["day,a,b", *lines]))
    assert main(["fit", "visits.csv", "--epochs", "1"]) == 0
    assert "kind of data: table" in capsys.readouterr().out


def test_a_series_shorter_than_its_window(tmp_path, capsys):
    (tmp_path / "short.csv").write_text("\n".join(["day,sold", *series(14)]))
    words = ["fit", "short.csv", "--kind", "series", "--set", "window=20"]
    refused(words, "9 steps to learn from", "a window of 20", capsys=capsys)
    refused(["fit", "short.csv", "--kind", "series", "--folds", "3"], "fold 1 of the series learns from", capsys=capsys)


def test_a_missing_file_of_a_list_is_named(tmp_path, capsys):
    x, y = pictures()
    np.savez("pictures.npz", x=x, y=y)
    assert main(["fit", "pictures.npz", "--epochs", "1", "--out", "run", "-q"]) == 0
    refused(["predict", "run/model.saltus", "pictures.npz", "gone.png"], "gone.png", capsys=capsys)


def test_a_search_with_nothing_to_choose(tmp_path, capsys):
    pytest.importorskip("optuna")
    refused(["tune", "penguins", "--search", "width="], "--search width= leaves nothing to choose", capsys=capsys)
