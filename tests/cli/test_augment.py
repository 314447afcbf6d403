"""`saltus augment`: a sheet of examples; and `saltus fit --augment`."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def shades(tmp_path):
    rng = np.random.default_rng(0)
    y = np.arange(60) % 2
    x = (rng.integers(0, 100, (60, 10, 8, 3)) + 100 * y[:, None, None, None]).astype("uint8")
    np.savez(tmp_path / "shades.npz", x=x, y=y)
    return x


def test_a_sheet_shows_images_and_changed_copies(saltus, shades):
    assert saltus("augment", "shades.npz", "--preview", "out.png", "--images", 3, "--copies", 4, "--augment", "light") == 0
    assert "3 images, 4 copies of each, augmentation light" in saltus.out
    sheet = np.asarray(Image.open("out.png"))
    height, width = 10 * 7, 8 * 7  # seven pixels each, so that the longer side has 64 at least
    assert sheet.shape == (3 * (height + 2) + 2, 5 * (width + 2) + 2, 3)
    first = sheet[2 : 2 + height : 7, 2 : 2 + width : 7]
    assert any(np.array_equal(first, image) for image in shades)
    beside = sheet[2 : 2 + height, width + 4 : 2 * width + 4]
    assert not np.array_equal(beside, sheet[2 : 2 + height, 2 : 2 + width])
    assert saltus("augment", "shades.npz", "--preview", "again.png", "--images", 3, "--copies", 4, "--augment", "light") == 0
    assert np.array_equal(np.asarray(Image.open("again.png")), sheet)


def test_a_sheet_needs_no_classes(saltus, shades):
    assert saltus("augment", "shades.npz", "--preview", "out.png", "--images", 1, "--copies", 2) == 0
    assert "1 images, 2 copies" in saltus.out


def test_what_cannot_be_drawn_is_said(saltus, shades, flowers):
    assert saltus("augment", "shades.npz", "--preview", "out.png", "--augment", "lihgt") == 2
    assert "light" in saltus.err
    assert saltus("augment", "shades.npz", "--preview", "out.png", "--augment", "none") == 2
    assert "nothing would be changed" in saltus.err
    assert saltus("augment", "flowers.csv", "--preview", "out.png") == 2
    assert "a sheet of examples can be drawn of images" in saltus.err
    assert saltus("augment", "shades.npz", "--preview", "out.thing") == 2
    assert "preview.png" in saltus.err
    assert saltus("augment", "shades.npz", "--preview", "nowhere/out.png") == 2
    assert "a folder that exists" in saltus.err


def test_fit_takes_augmentations_by_name(saltus, shades, flowers, kept):
    assert saltus("fit", "shades.npz", "--epochs", 1, "--augment", "standard,mixup", "--out", "run", "--quiet") == 0
    assert kept("run", "config.json")["augment"] == "standard,mixup"
    assert saltus("fit", "flowers.csv", "--target", "kind", "--epochs", 1, "--augment", "noise", "--out", "table", "--quiet") == 0
    assert saltus("fit", "flowers.csv", "--target", "kind", "--epochs", 1, "--augment", "flips", "--out", "other", "--quiet") == 2
    assert "(there are none, noise, scaling, features, mixup, smote)" in saltus.err
