"""Adaptive pooling, resizing and sampling give what PyTorch gives (values/make_images.py), and have the derivatives of their formulas."""

from pathlib import Path

import numpy as np
import pytest

import saltus as sl
from saltus.base.errors import ArgumentError, ShapeError

with np.load(Path(__file__).parent / "values" / "images.npz") as stored:
    KNOWN = {k: stored[k] for k in stored.files}
IMAGE, THETA, GRID = KNOWN["image"], KNOWN["theta"], KNOWN["grid"]
APART = np.random.default_rng(1).permutation(IMAGE.size).reshape(IMAGE.shape) * 0.01  # no two elements are near each other
SIZES = [(3, 4), (7, 3), (5, 13), (1, 1)]


def close(found, name, tolerance=1e-8):
    np.testing.assert_allclose(found.numpy(), KNOWN[name], rtol=tolerance, atol=tolerance, err_msg=name)


def slope(function, x, direction, step=1e-5):
    """The derivative of a sum along a direction, by differences."""
    ahead, behind = (float(function(sl.asarray(x + s * direction)).sum()) for s in (step, -step))
    return (ahead - behind) / (2 * step)


def assert_gradient(function, x, seed=0):
    rng = np.random.default_rng(seed)
    direction = rng.normal(size=x.shape)
    found = sl.jit(sl.grad(lambda a: function(a).sum()))(sl.asarray(x)).numpy()
    np.testing.assert_allclose((found * direction).sum(), slope(function, x, direction), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("size", SIZES)
def test_adaptive_pooling(size):
    close(sl.adaptive_average_pool(IMAGE, size), f"adaptive_average {size[0]} {size[1]}")
    close(sl.adaptive_max_pool(IMAGE, size), f"adaptive_max {size[0]} {size[1]}")
    assert_gradient(lambda a: sl.sin(sl.adaptive_average_pool(a, size)), IMAGE)
    assert_gradient(lambda a: sl.sin(sl.adaptive_max_pool(a, size)), APART)


def test_none_keeps_an_axis():
    assert sl.adaptive_average_pool(IMAGE, (None, 3)).shape == (2, 7, 3, 2)
    assert sl.adaptive_max_pool(IMAGE, (2, None)).shape == (2, 2, 10, 2)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("method", ["nearest", "bilinear", "bicubic"])
def test_resize(size, method):
    for antialias in ("", "antialias ") if method != "nearest" else ("",):
        found = sl.resize(IMAGE, size, method=method, antialias=bool(antialias))
        close(found, f"resize {method} {antialias}{size[0]} {size[1]}", 1e-7)
        assert_gradient(lambda a, f=bool(antialias): sl.sin(sl.resize(a, size, method=method, antialias=f)), IMAGE)


@pytest.mark.parametrize("method", ["nearest", "bilinear", "bicubic"])
@pytest.mark.parametrize("antialias", [False, True])
def test_a_constant_stays_constant_at_every_size(method, antialias):
    for size in range(1, 12):
        made = sl.resize(sl.full((1, 5, 7, 1), 3.25, dtype="float64"), (size, size + 2), method=method, antialias=antialias)
        np.testing.assert_allclose(made.numpy(), 3.25, rtol=1e-12)


def test_a_whole_factor_repeats():
    x = np.arange(6.0).reshape(1, 2, 3, 1)
    expected = x.repeat(2, axis=1).repeat(3, axis=2)
    np.testing.assert_array_equal(sl.resize(x, (4, 9), method="nearest").numpy(), expected)


def test_sequences_and_volumes_are_resized_axis_by_axis():
    volume = np.random.default_rng(0).normal(size=(1, 3, 4, 5, 2))
    planes = sl.resize(volume[:, 0], (6, 7)).numpy()
    np.testing.assert_allclose(sl.resize(volume[:, :1], (1, 6, 7)).numpy()[:, 0], planes, rtol=1e-10)
    lines = sl.resize(volume[:, 0, 0], 9).numpy()
    np.testing.assert_allclose(sl.resize(volume[:, :1, :1], (1, 1, 9)).numpy()[:, 0, 0], lines, rtol=1e-10)


def test_affine_grid():
    close(sl.affine_grid(THETA, (5, 6)), "grid")
    assert_gradient(lambda t: sl.sin(sl.affine_grid(t, (5, 6))), THETA)


@pytest.mark.parametrize("method", ["bilinear", "nearest"])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
def test_grid_sample(method, padding):
    name = f"sample {method} {padding}"
    close(sl.grid_sample(IMAGE, GRID, method=method, padding=padding), name)

    @sl.jit
    def gradients(x, g):
        return sl.grad(lambda x, g: sl.square(sl.grid_sample(x, g, method=method, padding=padding)).sum(), argnums=(0, 1))(x, g)

    of_image, of_grid = gradients(sl.asarray(IMAGE), sl.asarray(GRID))
    close(of_image, f"{name} image")
    close(of_grid, f"{name} grid")


def test_sampling_at_the_pixels_changes_nothing():
    same = sl.affine_grid(np.array([[[1.0, 0, 0], [0, 1.0, 0]]] * 2), IMAGE.shape[1:3])
    np.testing.assert_allclose(sl.grid_sample(IMAGE, same).numpy(), IMAGE, atol=1e-12)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: sl.resize(IMAGE, 3, method="lanczos"), ArgumentError, "'nearest', 'bilinear', 'bicubic', got 'lanczos'"),
        (lambda: sl.resize(IMAGE, (3, 0)), ArgumentError, "size must be a whole number from 1 on, or 2 of them"),
        (lambda: sl.resize(IMAGE, (3, 3, 3)), ArgumentError, "or 2 of them"),
        (lambda: sl.resize(IMAGE[0, 0], 3), ShapeError, "one to three axes"),
        (lambda: sl.resize(IMAGE[:, :0], 3), ShapeError, "has no elements"),
        (lambda: sl.affine_grid(THETA[0], (2, 2)), ShapeError, r"theta of shape \(N, 2, 3\)"),
        (lambda: sl.grid_sample(IMAGE[0], GRID), ShapeError, "height, width, channels"),
        (lambda: sl.grid_sample(IMAGE, GRID[:1]), ShapeError, r"grid must have the shape \(2, height, width, 2\)"),
        (lambda: sl.grid_sample(IMAGE, GRID, padding="wrap"), ArgumentError, "padding must be one of"),
        (lambda: sl.adaptive_max_pool(IMAGE, (1, 2, 3)), ArgumentError, "output_size"),
        (lambda: sl.adaptive_average_pool(IMAGE[:, :0], 2), ShapeError, "no elements"),
    ],
)
def test_refusals(call, error, words):
    with pytest.raises(error, match=words):
        call()
