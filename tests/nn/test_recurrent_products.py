"""The products of recurrent layers: how many there are, and that inputs and state side by side give what they give apart."""

import numpy as np
import pytest

import saltus as sl
from saltus import nn
from saltus.ir.node import topological
from saltus.transform.simplify import simplify

KEY = sl.random.key(0)
RNG = np.random.default_rng(11)
T, F, U = 6, 2, 4
X = RNG.normal(size=(3, T, F)).astype("float32")
LENGTHS = RNG.integers(1, T + 1, 20)
PACKED = np.sort(RNG.integers(1, 4, (20, T)), axis=1) * (np.arange(T) < LENGTHS[:, None])


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU])
def test_one_product_a_step_forward_and_one_back_and_weights_after_the_loop(kind):
    """What a training program computes: nothing of the forward loop again, and each weight's gradient once."""
    layer = kind(U)
    params, _ = nn.init(layer, X, key=KEY)
    program = sl.jit(sl.grad(lambda p: nn.apply(layer, p, {}, X).output.sum())).lower(dict(params))
    nodes = topological(simplify(program.outputs))
    inside = [[n.op.name for n in topological(n.attr("body").outputs)].count("matmul") for n in nodes if n.op.name == "scan"]
    assert inside == [1, 1]
    assert [n.op.name for n in nodes].count("matmul") == 3  # the inputs of all steps, and the gradients of the two kernels


@pytest.mark.parametrize("kind", [nn.SimpleRNN, nn.LSTM])
@pytest.mark.parametrize("told", [None, LENGTHS, PACKED, PACKED > 0], ids=["all", "lengths", "packed", "mask"])
@pytest.mark.parametrize(
    "options",
    [{}, {"use_bias": False}, {"go_backwards": True, "return_sequences": True}, {"return_state": True, "zero_output_for_mask": True}],
)
def test_many_rows_give_what_each_row_gives_alone(kind, told, options):
    """Many rows are multiplied by both kernels at once, a few are not."""
    layer, rows = kind(5, **options), RNG.normal(size=(20, T, F))
    assert layer.joins(sl.zeros((T, 20, F))) and not layer.joins(sl.zeros((T, 5, F)))
    params, _ = nn.init(layer, rows, key=KEY, dtype="float64")

    def total(params, x, *told):
        made = nn.apply(layer, params, {}, x, *told).output
        return sum(sl.sum(sl.sin(part)) for part in (made if isinstance(made, tuple) else (made,)))

    both = sl.jit(sl.value_and_grad(total))
    given = [rows] if told is None else [rows, told]
    pieces = [both(params, *map(sl.asarray, part)) for part in zip(*[np.split(g, 4) for g in given], strict=True)]
    value, gradients = both(params, *map(sl.asarray, given))
    assert float(value) == pytest.approx(sum(float(v) for v, _ in pieces), rel=1e-12)
    for name, gradient in gradients.items():
        expected = sum(np.asarray(g[name]) for _, g in pieces)
        np.testing.assert_allclose(np.asarray(gradient), expected, rtol=1e-9, atol=1e-12)


def test_joined_kernels_take_one_product_a_step_and_one_after_the_loop():
    layer, rows = nn.LSTM(5), RNG.normal(size=(20, T, F)).astype("float32")
    params, _ = nn.init(layer, rows, key=KEY)
    program = sl.jit(sl.grad(lambda p: nn.apply(layer, p, {}, rows).output.sum())).lower(dict(params))
    nodes = topological(simplify(program.outputs))
    products = [[n for n in topological(loop.attr("body").outputs) if n.op.name == "matmul"] for loop in nodes if loop.op.name == "scan"]
    assert [n.shape for p in products for n in p] == [(20, 20), (20, 5)]  # back through the loop goes the state's part only
    assert [n.shape for n in nodes if n.op.name == "matmul"] == [(F + 5, 20)]
