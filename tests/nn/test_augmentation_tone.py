"""Augmentations of tones equal NumPy's arithmetic, are the same for the same key, and do nothing at evaluation."""

import numpy as np
import pytest

import saltus as sl
from saltus import nn
from saltus.base.errors import ArgumentError

IMAGES = np.random.default_rng(0).integers(30, 200, (4, 7, 6, 3)).astype("uint8")
LAYERS = [nn.RandomInvert(0.5), nn.RandomSharpness(1.0), nn.AutoContrast(), nn.Equalization()]


def changed(layer, x=IMAGES, seed=0):
    return np.asarray(sl.jit(lambda x, key: nn.apply(layer, {}, {}, x, training=True, key=key).output)(sl.asarray(x), sl.random.key(seed)))


@pytest.mark.parametrize("layer", LAYERS, ids=lambda v: type(v).__name__)
def test_they_change_images_in_training_only_and_can_be_stored(layer):
    made = changed(layer)
    assert made.shape == IMAGES.shape
    assert not np.array_equal(made, IMAGES)
    np.testing.assert_array_equal(made, changed(layer))
    np.testing.assert_array_equal(np.asarray(nn.apply(layer, {}, {}, sl.asarray(IMAGES)).output), IMAGES)
    assert nn.from_config(nn.to_config(layer)) == layer


def test_inverting_turns_all_or_the_asked_share():
    np.testing.assert_allclose(changed(nn.RandomInvert()), 255.0 - IMAGES)
    many = np.zeros((200, 1, 1, 1), "float32")
    assert changed(nn.RandomInvert(0.3, value_range=(0, 1)), many).mean() == pytest.approx(0.3, abs=0.1)


@pytest.mark.parametrize(("factor", "share"), [(0.0, 1.0), (0.5, 0.0), (1.0, -1.0)])
def test_sharpening_adds_what_softening_takes(factor, share):
    x = IMAGES.astype("float64")
    edge = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
    box = sum(edge[:, i : i + 7, j : j + 6] for i in range(3) for j in range(3))
    expected = np.clip(x + share * ((box + 4 * x) / 13 - x), 0, 255)
    np.testing.assert_allclose(changed(nn.RandomSharpness((factor, factor))), expected, atol=1e-3)


def test_contrast_is_stretched_channel_by_channel():
    x = IMAGES.astype("float64")
    low, high = x.min(axis=(1, 2), keepdims=True), x.max(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(changed(nn.AutoContrast()), (x - low) / (high - low) * 255, atol=1e-3)
    even = np.full((1, 3, 3, 1), 77.0, "float32")
    np.testing.assert_array_equal(changed(nn.AutoContrast(), even), even)
    np.testing.assert_array_equal(changed(nn.Equalization(), even), even)


@pytest.mark.parametrize("scale", [1.0, 255.0])
def test_equalised_tones_follow_the_cumulative_histogram(scale):
    made = changed(nn.Equalization(value_range=(0, 255 / scale)), (IMAGES / scale).astype("float32"))
    for image in range(4):
        for channel in range(3):
            tones = IMAGES[image, :, :, channel]
            below = np.bincount(tones.ravel(), minlength=256).cumsum()
            first = below[below > 0][0]
            expected = np.round((below - first) * 255 / (tones.size - first))[tones] / scale
            np.testing.assert_allclose(made[image, :, :, channel], expected, atol=1e-4)


def test_what_cannot_be_is_refused():
    with pytest.raises(ArgumentError, match="factor"):
        nn.RandomSharpness((0.5, 1.5))
    with pytest.raises(ArgumentError, match="factor"):
        nn.RandomInvert(2.0)
    with pytest.raises(ArgumentError, match="bins"):
        nn.Equalization(bins=1)
