"""ConvLSTM: equal to an LSTM at every place where the kernel has one, to its formula elsewhere; gradients."""

import numpy as np
import pytest

import saltus as sl
from saltus import nn
from saltus.ir.node import topological
from saltus.transform.simplify import simplify

KEY = sl.random.key(0)
RNG = np.random.default_rng(9)
T, F, U = 6, 2, 4


def made(layer, *inputs):
    return nn.init(layer, *inputs, key=KEY)


def run(layer, variables, *inputs):
    return nn.apply(layer, *variables, *inputs).output


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


@pytest.mark.parametrize(("kind", "size"), [(nn.ConvLSTM1D, (4,)), (nn.ConvLSTM2D, (3, 2)), (nn.ConvLSTM3D, (2, 1, 3))])
def test_a_kernel_of_one_place_is_an_lstm_at_every_place(kind, size):
    films = RNG.normal(size=(2, T, *size, F)).astype("float32")
    layer = kind(U, 1, return_sequences=True)
    params, _ = made(layer, films)
    assert params["kernel"].shape == (*(1,) * len(size), F, 4 * U)
    flat_params = {k: np.asarray(v).reshape(v.shape[-2:] if v.ndim > 1 else v.shape) for k, v in params.items()}
    places = np.moveaxis(films.reshape(2, T, -1, F), 2, 1).reshape(-1, T, F)
    wanted = np.asarray(run(nn.LSTM(U, return_sequences=True), (flat_params, {}), places))
    wanted = np.moveaxis(wanted.reshape(2, -1, T, U), 2, 1).reshape(2, T, *size, U)
    np.testing.assert_allclose(run(layer, (params, {}), films), wanted, rtol=1e-4, atol=1e-6)


def test_a_convolutional_lstm_follows_its_formula_with_lengths_strides_and_gates():
    films = RNG.normal(size=(2, 4, 5, 6, 1)).astype("float32")
    layer = nn.ConvLSTM2D(3, 3, strides=2, padding="same", return_sequences=True, return_state=True, return_gates=True)
    params, _ = made(layer, films)
    y, h, c, enter, *_ = run(layer, (params, {}), films, np.array([4, 2]))
    own_h, own_c = np.zeros((2, 3, 3, 3), "float32"), np.zeros((2, 3, 3, 3), "float32")
    for t in range(4):
        sums = sl.conv(films[:, t], params["kernel"], stride=2, padding="same") + sl.conv(own_h, params["recurrent_kernel"], padding="same")
        i, f, g, o = np.split(np.asarray(sums + params["bias"]), 4, axis=-1)
        np.testing.assert_allclose(enter[0, t], sigmoid(i)[0], rtol=1e-4, atol=1e-6)
        next_c = sigmoid(f) * own_c + sigmoid(i) * np.tanh(g)
        next_h = sigmoid(o) * np.tanh(next_c)
        valid = np.array([True, t < 2])[:, None, None, None]
        own_h, own_c = np.where(valid, next_h, own_h), np.where(valid, next_c, own_c)
        np.testing.assert_allclose(y[:, t], own_h, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(h, own_h, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(c, own_c, rtol=1e-4, atol=1e-6)


def test_gradients_of_a_convolutional_lstm_agree_with_finite_differences():
    """The gradient of the recurrent kernel is one product over all steps, too."""
    x = RNG.normal(size=(2, 3, 4, 1))
    layer = nn.ConvLSTM1D(2, 3, padding="same")
    params, _ = nn.init(layer, x, key=KEY, dtype="float64")
    value = sl.jit(lambda params: sl.sin(nn.apply(layer, params, {}, x).output).sum())
    program = sl.jit(sl.grad(lambda params: sl.sin(nn.apply(layer, params, {}, x).output).sum()))
    nodes = topological(simplify(program.lower(dict(params)).outputs))
    assert [n.op.name for n in nodes].count("conv_weight") == 2
    for name, gradient in program(dict(params)).items():
        place = RNG.integers(0, gradient.size)
        moved = []
        for step in (1e-5, -1e-5):
            changed = {k: np.array(v) for k, v in params.items()}
            changed[name].reshape(-1)[place] += step
            moved.append(float(value(changed)))
        assert np.asarray(gradient).reshape(-1)[place] == pytest.approx((moved[0] - moved[1]) / 2e-5, rel=1e-5, abs=1e-8)
