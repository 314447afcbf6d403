"""Augmentation of images: exact values against NumPy, the same change for the same key, none at evaluation, and gradients."""

import numpy as np
import pytest

import saltus as sl
from saltus import nn
from saltus.base.errors import ArgumentError, ShapeError
from saltus.nn.augmentation import Draws, sample_keys
from saltus.nn.augmentation.color import hued
from saltus.nn.augmentation.picture import IDENTITY, Border, Picture, product

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (5, 7, 6, 3)).astype("uint8")

ALL = [
    nn.RandomFlip(), nn.RandomCrop(7, 6, padding=2), nn.RandomTranslation(0.2, 0.2), nn.RandomRotation(0.2), nn.RandomZoom(0.3),
    nn.RandomShear(0.2, 0.1), nn.RandomPerspective(), nn.RandomElasticTransform(), nn.RandomBrightness(0.3), nn.RandomContrast(0.4),
    nn.RandomSaturation(0.5), nn.RandomHue(0.3), nn.RandomGrayscale(), nn.RandomColorJitter(0.2, 0.2, 0.2, 0.2), nn.RandomPosterization(3),
    nn.Solarization(), nn.RandomGaussianBlur(), nn.RandomErasing(), nn.RandAugment(), nn.TrivialAugment(), nn.AugMix(2),
    nn.RandomNoise(9.0),
]  # fmt: skip
MOST = [layer for layer in ALL if not isinstance(layer, nn.AugMix)]


def changed(layer, x=IMAGES, seed=0):
    run = sl.jit(lambda x, key: nn.apply(layer, {}, {}, x, training=True, key=key).output)
    return np.asarray(run(sl.asarray(x), sl.random.key(seed)))


def moved(x, matrix, border, **how):
    """The images with one given change of place."""

    def run(x):
        picture = Picture(x)
        picture.move(matrix, border, **how)
        return picture.array()

    return np.asarray(sl.jit(run)(sl.asarray(x)))


@pytest.mark.parametrize("layer", ALL, ids=lambda v: type(v).__name__)
def test_changes_images_in_training_the_same_way_for_the_same_key_and_never_at_evaluation(layer):
    made = changed(layer)
    assert made.shape == IMAGES.shape
    assert made.dtype == np.float32
    assert np.isfinite(made).all()
    assert not np.array_equal(made, IMAGES)
    assert np.array_equal(made, changed(layer))
    assert isinstance(layer, nn.RandomPosterization) or not np.array_equal(made, changed(layer, seed=1))
    still = nn.apply(layer, {}, {}, sl.asarray(IMAGES)).output
    assert np.array_equal(np.asarray(still), IMAGES)


@pytest.mark.parametrize("layer", ALL, ids=lambda v: type(v).__name__)
def test_can_be_stored(layer):
    assert nn.from_config(nn.to_config(layer)) == layer


@pytest.mark.parametrize("layer", MOST, ids=lambda v: type(v).__name__)
def test_the_change_of_a_sample_does_not_depend_on_the_samples_beside_it(layer):
    def run(x, numbers):
        return layer.augment(Draws(sample_keys(sl.random.key(3), numbers)), x)

    together = np.asarray(run(sl.asarray(IMAGES), sl.arange(5)))
    for rows in ([0, 1], [4, 2, 3]):
        alone = np.asarray(run(sl.asarray(IMAGES[rows]), sl.asarray(np.array(rows))))
        assert np.allclose(alone, together[rows], atol=1e-3)


def test_a_flip_mirrors_or_leaves_each_image():
    made = changed(nn.RandomFlip("horizontal"), np.tile(IMAGES, (8, 1, 1, 1)))
    kinds = {"kept" if np.array_equal(a, b) else "mirrored" if np.array_equal(a, b[:, ::-1]) else "else"
             for a, b in zip(made, np.tile(IMAGES, (8, 1, 1, 1)), strict=True)}  # fmt: skip
    assert kinds == {"kept", "mirrored"}


def test_a_crop_is_a_part_of_the_padded_image():
    made = changed(nn.RandomCrop(5, 4, padding=1, fill_value=7.0))
    assert made.shape == (5, 5, 4, 3)
    for image, part in zip(IMAGES, made, strict=True):
        wide = np.pad(image.astype("float32"), ((1, 1), (1, 1), (0, 0)), constant_values=7.0)
        assert any(np.array_equal(part, wide[i : i + 5, j : j + 4]) for i in range(5) for j in range(5))
    assert np.array_equal(np.asarray(nn.apply(nn.RandomCrop(5, 4), {}, {}, sl.asarray(IMAGES)).output), IMAGES[:, 1:6, 1:5])


def test_a_crop_larger_than_the_image_is_refused():
    with pytest.raises(ShapeError, match="8 x 6 pixels does not fit"):
        changed(nn.RandomCrop(8, 6))


@pytest.mark.parametrize("mode", ["reflect", "wrap", "constant", "nearest"])
def test_whole_shifts_fetch_what_numpy_pads(mode):
    shift = ((1.0, 0.0, -2.0), (0.0, 1.0, 3.0), (0.0, 0.0, 1.0))  # two to the right, three up
    padded = {"reflect": "symmetric", "wrap": "wrap", "constant": "constant", "nearest": "edge"}[mode]
    wide = np.pad(IMAGES.astype("float32"), ((0, 0), (0, 3), (2, 0), (0, 0)), mode=padded)
    for how in ({"exact": True}, {}):
        assert np.allclose(moved(IMAGES, shift, Border(mode), **how), wide[:, 3:, :6], atol=1e-3)


def test_a_quarter_turn_is_numpys():
    square = IMAGES[:, :6]
    quarter = nn.RandomRotation((0.25, 0.25))
    assert np.allclose(changed(quarter, square), np.rot90(square, axes=(1, 2)), atol=0.05)


def test_bilinear_sampling_is_that_of_grid_sample():
    matrix = ((0.9, 0.3, 0.4), (-0.2, 1.1, -0.7), (0.0, 0.0, 1.0))
    height, width = IMAGES.shape[1:3]
    theta = np.array([[0.9, 0.3 * height / width, 0.4 * 2 / width], [-0.2 * width / height, 1.1, -0.7 * 2 / height]], "float32")
    grid = sl.affine_grid(sl.asarray(np.tile(theta, (5, 1, 1))), (height, width))
    for mode, padding in (("constant", "zeros"), ("nearest", "border"), ("reflect", "reflection")):
        expected = np.asarray(sl.grid_sample(sl.asarray(IMAGES.astype("float32")), grid, padding=padding))
        assert np.allclose(moved(IMAGES, matrix, Border(mode)), expected, atol=0.01)


def test_several_changes_of_place_are_one_sampling():
    first = ((1.0, 0.0, 1.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
    back = ((1.0, 0.0, -1.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
    picture = Picture(sl.asarray(IMAGES))
    picture.move(first, Border("constant"))
    picture.move(back, Border("constant"))
    assert np.array_equal(np.asarray(picture.array()), IMAGES)  # nothing has fallen off the edge in between
    assert product(first, back) == IDENTITY


def test_brightness_contrast_and_saturation_are_their_formulas():
    x = IMAGES.astype("float32")
    assert np.allclose(changed(nn.RandomBrightness((0.1, 0.1))), np.clip(x + 25.5, 0, 255), atol=1e-3)
    middle = x.mean(axis=(1, 2), keepdims=True)
    assert np.allclose(changed(nn.RandomContrast((0.0, 0.0))), x, atol=1e-3)
    strong = changed(nn.RandomContrast(0.5))
    share = (strong - middle) / np.where(np.abs(x - middle) < 9, np.nan, x - middle)
    assert np.nanmax(share) <= 1.51
    pale = changed(nn.RandomSaturation((0.0, 0.0)))
    assert np.allclose(pale, (x @ np.array([0.299, 0.587, 0.114]))[..., None].repeat(3, -1), atol=1e-2)
    assert np.allclose(changed(nn.RandomSaturation((0.5, 0.5))), x, atol=1e-2)


def test_a_third_of_the_colour_circle_swaps_the_channels():
    planes = [sl.asarray(IMAGES[..., c].astype("float32")) for c in range(3)]
    turned = [np.asarray(p) for p in hued(planes, sl.asarray(2.0))]
    for place, before in enumerate((2, 0, 1)):
        assert np.allclose(turned[place], IMAGES[..., before], atol=1e-2)


def test_posterize_and_solarize_are_their_formulas():
    assert np.array_equal(changed(nn.RandomPosterization(3)), IMAGES & 0xE0)
    assert np.array_equal(changed(nn.Solarization((0.5, 0.5))), np.where(IMAGES > 127, 255 - IMAGES, IMAGES))


def test_blur_keeps_the_mean_of_even_areas_and_smooths_a_point():
    assert np.allclose(changed(nn.RandomGaussianBlur(1.0, 5, 2.0), np.full((2, 6, 6, 1), 90, "uint8")), 90.0, atol=1e-3)
    point = np.zeros((3, 9, 9, 1), "uint8")
    point[:, 4, 4] = 200
    made = changed(nn.RandomGaussianBlur(1.0, 3, 1.0), point)
    assert np.allclose(made.sum(axis=(1, 2, 3)), 200.0, rtol=1e-3)
    assert (made[:, 4, 4, 0] < 200).all()
    assert np.allclose(made, made[:, ::-1])


def test_erasing_covers_one_rectangle_of_the_asked_area():
    made = changed(nn.RandomErasing(1.0, (0.2, 0.3), fill_value=-5.0), np.zeros((20, 16, 16, 1), "uint8"))
    for image in made[..., 0]:
        rows, columns = np.nonzero(image)
        size = (np.ptp(rows) + 1) * (np.ptp(columns) + 1)
        assert size == len(rows)
        assert 0.12 * 256 < size < 0.38 * 256


@pytest.mark.parametrize("layer", [nn.RandomRotation(0.1), nn.RandomContrast(0.2), nn.RandomGaussianBlur(), nn.RandomElasticTransform()],
                         ids=lambda v: type(v).__name__)  # fmt: skip
def test_gradients_flow_through(layer):
    x = sl.asarray(RNG.random((2, 5, 5, 1)).astype("float32") * 100 + 60)

    def loss(x):
        made = nn.apply(layer, {}, {}, x, training=True, key=sl.random.key(2)).output
        return (made * made).sum()

    gradient, step = np.asarray(sl.grad(loss)(x)), np.zeros(x.shape, "float32")
    step[1, 2, 3, 0] = 0.5
    numeric = (float(loss(x + sl.asarray(step))) - float(loss(x - sl.asarray(step)))) / 1.0
    assert abs(gradient[1, 2, 3, 0] - numeric) < 0.02 * abs(numeric) + 2.0


def test_a_pipeline_is_its_layers_with_their_own_random_numbers():
    both = changed(nn.Pipeline([nn.RandomBrightness((0.1, 0.1)), nn.Pipeline([nn.RandomFlip("vertical")])]))
    bright = np.clip(IMAGES + 25.5, 0, 255)
    assert all(np.allclose(a, b, atol=1e-3) or np.allclose(a, b[::-1], atol=1e-3) for a, b in zip(both, bright, strict=True))


def test_what_cannot_be_is_refused_with_the_fix():
    with pytest.raises(ArgumentError, match=r"model\.fit"):
        changed(nn.MixUp())
    with pytest.raises(ShapeError, match="channels last"):
        changed(nn.RandomFlip(), IMAGES[..., 0])
    with pytest.raises(ShapeError, match="1 or 3 channels"):
        changed(nn.RandomHue(0.1), IMAGES[..., :2])
    with pytest.raises(ArgumentError, match="factor"):
        nn.RandomBrightness(3.0)
    with pytest.raises(ArgumentError, match="a number or a pair"):
        nn.RandomRotation("much")
