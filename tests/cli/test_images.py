"""`saltus fit FOLDER`, `predict`, `evaluate` and `show` on images: what is inferred, said and left behind."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from saltus.cli.main import main


def draw(folder, count=40, seed=0):
    """Dark and bright images of several sizes in folders of their names."""
    rng = np.random.default_rng(seed)
    for name, level in (("bright", 170), ("dark", 60)):
        (folder / name).mkdir(parents=True)
        for i in range(count):
            size = (12 + i % 3, 14, 3)
            Image.fromarray(np.clip(rng.normal(level, 40, size), 0, 255).astype(np.uint8)).save(folder / name / f"{i}.png")
    return folder


@pytest.fixture
def skies(tmp_path):
    return draw(tmp_path / "skies")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    place = tmp_path_factory.mktemp("trained")
    assert main(["fit", str(draw(place / "skies")), "--epochs", "5", "--out", str(place / "run"), "--quiet"]) == 0
    return place / "run"


def test_a_folder_is_seen_to_hold_images_and_trains(saltus, skies, kept):
    assert saltus("fit", "skies", "--epochs", 5, "--out", "run") == 0
    assert "skies: 80 images in 2 classes (kind of data: images)" in saltus.out
    assert "80 images of 12-14 x 14-14 pixels (height x width) become 16 x 16, colour" in saltus.out
    config = kept("run", "config.json")
    assert (config["kind"], config["size"], config["label_smoothing"]) == ("images", None, 0.05)
    assert {c["class"]: c["images"] for c in kept("run", "data.json")["classes"]} == {"bright": 40, "dark": 40}
    result = kept("run", "result.json")
    assert (result["measured_on"], result["rows"]) == ("test", 16)
    assert result["scores"]["accuracy"] > 0.9 > result["baseline"]["accuracy"]
    assert "saltus predict run/model.saltus FILES -o predictions.csv" in saltus.out


def test_files_and_folders_are_predicted_in_one_call(saltus, skies, trained):
    assert saltus("predict", trained, "skies/dark/0.png", "skies/bright", "-o", "made.csv") == 0
    made = pl.read_csv("made.csv")
    assert made.columns == ["file", "class (predicted)", "probability of bright", "probability of dark"]
    assert made["file"][0] == "skies/dark/0.png"
    assert made["class (predicted)"].to_list() == ["dark", *["bright"] * 40]
    assert "41 predictions of 'class' in made.csv" in saltus.err
    assert saltus("predict", trained, "skies/dark/0.png", "--columns", "prediction") == 0
    assert saltus.out.splitlines()[0] == "class (predicted),probability of bright,probability of dark"


def test_a_model_is_measured_and_shown(saltus, skies, trained):
    assert saltus("evaluate", trained, "skies") == 0
    assert "80 rows" in saltus.out
    assert "balanced accuracy" in saltus.out
    assert saltus("show", trained) == 0
    assert "predicts 'class' (classification, classes bright, dark) from images" in saltus.out
    assert "Conv2D" in saltus.out


def test_settings_of_images_are_taken_and_those_of_tables_refused(saltus, skies, kept):
    assert saltus("fit", "skies", "--epochs", 1, "--size", "8x10", "--set", "resize=pad", "--out", "run", "-q") == 0
    assert kept("run", "data.json")["images"] == {"height": 8, "width": 10, "channels": 3, "resize": "pad", "white": None}
    for words, message in [
        (["--hidden", "64"], "hidden is a setting of"), (["--column", "a=drop"], "--column is for tables, but this is images"),
        (["--target", "a"], "images have no columns"), (["--size", "big"], "size is 'big', expected pixels such as 64"),
        (["--set", "resize=squash"], "unknown resize 'squash'"), (["--kind", "imags"], "unknown kind of data 'imags'"),
        (["--set", "sizes=3"], "did you mean size?"),
    ]:  # fmt: skip
        assert saltus("fit", "skies", *words) == 2
        assert message in saltus.err
        assert "Traceback" not in saltus.err
    assert not Path("runs").exists()


def test_damaged_files_are_named_and_left_out_when_asked(saltus, skies):
    (skies / "dark" / "7.png").write_bytes(b"\x89PNG")
    assert saltus("fit", "skies", "--epochs", 1) == 2
    assert "1 of 80 image files cannot be read" in saltus.err
    assert "dark/7.png" in saltus.err
    assert "--skip-corrupt" in saltus.err
    assert saltus("fit", "skies", "--epochs", 1, "--skip-corrupt") == 0
    assert "1 file that cannot be read left out" in saltus.out


@pytest.mark.parametrize(
    ("names", "message"),
    [(["a/1.png"], "has one class, 'a'"), (["1.png", "2.png"], "2 images in"),
     (["a/1.png", "b/1.png", "c/"], "the class folder 'c' holds no images")],
)  # fmt: skip
def test_folders_that_say_no_classes_are_refused(saltus, tmp_path, names, message):
    for name in names:
        path = tmp_path / "photos" / name
        (path if name.endswith("/") else path.parent).mkdir(parents=True, exist_ok=True)
        if not name.endswith("/"):
            Image.new("RGB", (8, 8)).save(path)
    assert saltus("fit", "photos") == 2
    assert message in saltus.err
    assert "fix: " in saltus.err


def test_folders_with_nothing_to_learn_from_are_refused(saltus, tmp_path):
    (tmp_path / "empty").mkdir()
    assert saltus("fit", "empty") == 2
    assert "is an empty folder" in saltus.err
    assert saltus("fit", "empty", "--kind", "images") == 2
    assert "holds no class folders" in saltus.err


def test_idx_files_train_on_their_train_part_and_are_judged_by_their_test_part(saltus, tmp_path, kept):
    rng = np.random.default_rng(1)
    folder = tmp_path / "digits"
    folder.mkdir()
    for part, count in (("train", 60), ("t10k", 20)):
        y = (np.arange(count) % 2).astype(np.uint8)
        x = (rng.integers(0, 100, (count, 9, 9)) + 120 * y[:, None, None]).astype(np.uint8)
        (folder / f"{part}-images-idx3-ubyte").write_bytes(struct.pack(">HBB3I", 0, 8, 3, *x.shape) + x.tobytes())
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(struct.pack(">HBBI", 0, 8, 1, count) + y.tobytes())
    assert saltus("fit", "digits", "--epochs", 5, "--out", "run") == 0
    assert "80 images (test 20, train 60) in 2 classes" in saltus.out
    assert kept("run", "result.json")["rows"] == 20
    assert saltus("predict", "run", "digits/t10k-images-idx3-ubyte", "-o", "made.csv", "--columns", "prediction") == 0
    assert pl.read_csv("made.csv")["class (predicted)"].to_list() == [0, 1] * 10


def test_an_interrupted_run_on_images_keeps_its_kind(saltus, skies, kept):
    assert saltus("fit", "skies", "--epochs", 2, "--out", "run", "-q", "--size", "8") == 0
    assert saltus("fit", "--resume", "run") == 0
    assert kept("run", "config.json")["kind"] == "images"
    assert kept("run", "config.json")["size"] == [8, 8]


def test_several_files_are_refused_for_tables(saltus, flowers):
    assert saltus("fit", "flowers.csv", "-t", "kind", "--epochs", 1, "--out", "run", "-q") == 0
    assert saltus("predict", "run", "flowers.csv", "flowers.csv") == 2
    assert "a model of a table takes one file, got 2" in saltus.err
