"""Kernels of rows in several passes: what is costly stays for the next pass, channels are written between each other, indices are short."""

import re

import numpy as np
import pytest

import saltus as sl

RNG = np.random.default_rng(0)


def channels_apart(x):
    """Costly values of each channel, less their mean over the image; NumPy and Tensors alike."""
    xp = np if isinstance(x, np.ndarray) else sl
    shared = xp.sin(x[..., :1]) * xp.exp(-x[..., 1:2] * x[..., 1:2]) + xp.cos(x[..., 2:3]) * xp.exp(x[..., :1])
    planes = [shared * (k + 1.0) + x[..., k : k + 1] for k in range(x.shape[-1])]
    planes = [p - xp.mean(p, axis=(1, 2), keepdims=True) for p in planes]
    return (np.concatenate if xp is np else sl.concat)(planes, axis=-1)


@pytest.mark.parametrize("channels", [3, 4, 5])
@pytest.mark.parametrize("size", [(1, 3), (7, 5), (16, 16), (9, 33)])
def test_planes_with_costly_values_in_common_are_one_kernel(size, channels):
    x = RNG.standard_normal((9, *size, channels)).astype("float32")
    call = sl.jit(channels_apart)
    np.testing.assert_allclose(call(sl.asarray(x)).numpy(), channels_apart(x.astype("float64")), atol=2e-5)
    if size == (16, 16):
        assert re.search(r", 1 kernels", call.explain())


@pytest.mark.parametrize("index", ["int8", "int32", "int64", "uint32", "uint64"])
@pytest.mark.parametrize("values", ["float32", "float64", "uint8", "int16"])
def test_elements_are_picked_by_indices_of_any_type(index, values):
    table = RNG.integers(0, 100, 90).astype(values)
    places = RNG.integers(0, 90, (5, 37)).astype(index)
    made = sl.jit(lambda t, i: sl.take(t, i, axis=0) + sl.take(t[::-1], i, axis=0) + sl.take(t[1::2], i // 2, axis=0))
    expected = table[places] + table[::-1][places] + table[1::2][places // 2]
    assert np.array_equal(made(sl.asarray(table), sl.asarray(places)).numpy(), expected)


def test_what_repeats_an_outside_value_is_not_stored_by_a_program():
    outside, x = sl.asarray(np.arange(8, dtype="float32")), sl.asarray(np.ones((1000, 8, 50), "float32"))
    call = sl.jit(lambda x: x * outside[:, None])
    assert call(x)[0, :, 0].tolist() == list(range(8))
    stored = [int(n.replace(",", "")) for n in re.findall(r"([\d,]+) bytes", call.explain())]
    assert max(stored) < 2 * 4 * 1000 * 8 * 50 + 1000  # read once, written once


def test_costly_numbers_of_a_row_are_computed_once():
    x = RNG.standard_normal((50, 40, 64)).astype("float32")
    turn = RNG.standard_normal(50).astype("float32")

    def rotated(x, turn):
        xp = np if isinstance(x, np.ndarray) else sl
        wide = xp.reshape(xp.sin(turn) * xp.exp(xp.cos(turn)), (50, 1, 1))
        return x * wide

    call = sl.jit(rotated)
    np.testing.assert_allclose(call(sl.asarray(x), sl.asarray(turn)).numpy(), rotated(x, turn), rtol=1e-5)
    assert re.search(r", 2 kernels", call.explain())
