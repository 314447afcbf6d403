"""Resizing is a fixed matrix along each axis, whichever way it is computed, and so is its gradient."""

import numpy as np
import pytest

import saltus as sl
from saltus.tensor.images import resizing_matrix
from saltus.tensor.linear import Taps, apply_along

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("channels", [1, 3, 5, 40])
@pytest.mark.parametrize(("old", "new"), [((8, 9), (16, 20)), ((17, 16), (8, 5)), ((4, 32), (31, 33)), ((1, 5), (3, 5))])
@pytest.mark.parametrize(("method", "antialias"), [("bilinear", False), ("bicubic", False), ("bilinear", True)])
def test_an_image_is_resized_by_the_matrices_of_its_axes(old, new, channels, method, antialias):
    x = RNG.standard_normal((2, *old, channels)).astype("float32")
    down, across = (resizing_matrix(a, b, method, antialias) if a != b else np.eye(a) for a, b in zip(old, new, strict=True))
    expected = np.einsum("ih,jw,nhwc->nijc", down, across, x)
    made = sl.jit(lambda x: sl.resize(x, new, method=method, antialias=antialias))(sl.asarray(x))
    np.testing.assert_allclose(made.numpy(), expected, atol=2e-5)
    g = RNG.standard_normal(expected.shape).astype("float32")
    back = sl.grad(lambda x: sl.sum(sl.resize(x, new, method=method, antialias=antialias) * sl.asarray(g)))(sl.asarray(x))
    np.testing.assert_allclose(back.numpy(), np.einsum("ih,jw,nijc->nhwc", down, across, g), atol=5e-5)


def test_gradients_of_resizing_have_gradients():
    x = RNG.standard_normal((1, 6, 5, 2))

    def penalty(v):
        slope = sl.grad(lambda u: sl.sum(sl.resize(u, (12, 10)) ** 3))(v)
        return sl.sum(slope * slope)

    made, step = sl.grad(penalty)(sl.asarray(x)).numpy(), 1e-5
    for place in ((0, 0, 0, 0), (0, 3, 2, 1), (0, 5, 4, 0)):
        beside = [x.copy(), x.copy()]
        beside[0][place] -= step
        beside[1][place] += step
        low, high = (float(penalty(sl.asarray(v))) for v in beside)
        assert made[place] == pytest.approx((high - low) / (2 * step), rel=1e-4)


def test_rows_of_few_numbers_are_picked_and_others_multiplied():
    band = resizing_matrix(32, 64, "bilinear", False)
    assert Taps.of(band).places.shape == (2, 64)
    assert Taps.of(RNG.standard_normal((5, 7))) is None
    assert Taps.of(np.zeros((5, 7))) is None
    full, x = RNG.standard_normal((5, 7)), RNG.standard_normal((2, 7, 3))
    np.testing.assert_allclose(apply_along(sl.asarray(x), full, 1).numpy(), np.einsum("ij,njc->nic", full, x))


def test_half_floats_stay_half_floats():
    x = sl.asarray(RNG.random((1, 8, 8, 3)).astype("float32")).astype("float16")
    made = sl.resize(x, (16, 16))
    assert made.dtype is sl.float16
    np.testing.assert_allclose(made.numpy(), sl.resize(x.astype("float32"), (16, 16)).numpy(), atol=2e-3)
