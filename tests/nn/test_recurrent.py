"""Recurrent layers: PyTorch's numbers, masks and lengths, both directions, streaming, cells of one's own, refusals, gradients, training.

`values/recurrent.json` was made with PyTorch by `values/make_recurrent.py`.
"""

import json
from pathlib import Path

import numpy as np
import pytest

import saltus as sl
from saltus import nn
from saltus.base.errors import ArgumentError, SaltusError, ShapeError

KEY = sl.random.key(0)
VALUES = json.loads((Path(__file__).parent / "values" / "recurrent.json").read_text())
RNG = np.random.default_rng(7)
N, T, F, U = 3, 6, 2, 4
X = RNG.normal(size=(N, T, F)).astype("float32")
LAYERS = [nn.SimpleRNN, nn.GRU, nn.LSTM]


def made(layer, *inputs, key=KEY):
    return nn.init(layer, *inputs, key=key)


def run(layer, variables, *inputs, **options):
    return nn.apply(layer, *variables, *inputs, **options).output


# -- PyTorch's numbers -----------------------------------------------------------------------------------------------------------


def arrays(name):
    return {k: np.array(v) for k, v in VALUES[name].items() if k not in ("gradients", "gates", "last")}


def loaded(name):
    """The layer and its parameters with PyTorch's weights: transposed, GRU's gates r, z, n in the order z, r, n."""
    given = arrays(name)

    def ordered(a):
        blocks = np.split(a, 4 if name == "LSTM" else 3)
        return np.concatenate(blocks if name == "LSTM" else [blocks[1], blocks[0], blocks[2]])

    kernel, recurrent = ordered(given["weight_ih"]).T, ordered(given["weight_hh"]).T
    biases = ordered(given["bias_ih"]), ordered(given["bias_hh"])
    bias = biases[0] + biases[1] if name == "LSTM" else np.stack(biases)
    layer = getattr(nn, name)(U, return_sequences=True, return_state=True, return_gates=True)
    states = (given["h0"], given["c0"]) if name == "LSTM" else (given["h0"],)
    return layer, {"kernel": kernel.copy(), "recurrent_kernel": recurrent.copy(), "bias": bias}, states, ordered


@pytest.mark.parametrize("name", ["LSTM", "GRU"])
def test_outputs_states_and_gates_are_pytorchs_with_its_weights(name):
    layer, params, states, _ = loaded(name)
    y, *rest = nn.apply(layer, params, {}, np.array(VALUES[name]["x"]), *states).output
    np.testing.assert_allclose(y, VALUES[name]["y"], atol=2e-8)
    lasts, gates = rest[: len(states)], rest[len(states) :]
    for found, wanted in zip(lasts, VALUES[name]["last"], strict=True):
        np.testing.assert_allclose(found, wanted, atol=2e-8)
    wanted = VALUES[name]["gates"]
    for found, values in zip(gates, wanted if name == "LSTM" else [wanted[1], wanted[0], wanted[2]], strict=True):
        np.testing.assert_allclose(found, values, atol=2e-8)


@pytest.mark.parametrize("name", ["LSTM", "GRU"])
def test_gradients_are_pytorchs_with_its_weights(name):
    layer, params, states, ordered = loaded(name)
    coefficients = np.array(VALUES[name]["coefficients"])

    def total(params, x):
        y, *rest = nn.apply(layer, params, {}, x, *states).output
        return (y * coefficients).sum() + sum(s.sum() for s in rest[: len(states)])

    gradients, by_x = sl.jit(sl.grad(total, argnums=(0, 1)))(params, np.array(VALUES[name]["x"]))
    wanted = {k: np.array(v) for k, v in VALUES[name]["gradients"].items()}
    np.testing.assert_allclose(by_x, wanted["x"], atol=1e-7)
    np.testing.assert_allclose(gradients["kernel"], ordered(wanted["weight_ih"]).T, atol=1e-7)
    np.testing.assert_allclose(gradients["recurrent_kernel"], ordered(wanted["weight_hh"]).T, atol=1e-7)
    biases = [ordered(wanted["bias_ih"]), ordered(wanted["bias_hh"])]
    np.testing.assert_allclose(gradients["bias"], biases[0] if name == "LSTM" else np.stack(biases), atol=1e-7)


# -- formulas --------------------------------------------------------------------------------------------------------------------


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def test_a_gru_that_resets_before_the_product_follows_the_paper():
    layer = nn.GRU(U, reset_after=False, bias_initializer="random_normal")
    params, state = made(layer, X)
    w, u, b = (np.asarray(params[k]) for k in ("kernel", "recurrent_kernel", "bias"))
    assert b.shape == (3 * U,)
    h = np.zeros((N, U), "float32")
    for t in range(T):
        a = X[:, t] @ w + b
        z, r = (sigmoid(a[:, k * U : (k + 1) * U] + h @ u[:, k * U : (k + 1) * U]) for k in range(2))
        n = np.tanh(a[:, 2 * U :] + (r * h) @ u[:, 2 * U :])
        h = z * h + (1 - z) * n
    np.testing.assert_allclose(run(layer, (params, state), X), h, rtol=1e-5, atol=1e-6)


def test_a_simple_layer_follows_its_formula_with_another_activation():
    layer = nn.SimpleRNN(U, activation="relu", return_sequences=True)
    params, state = made(layer, X)
    w, u = np.asarray(params["kernel"]), np.asarray(params["recurrent_kernel"])
    h, wanted = np.zeros((N, U), "float32"), []
    for t in range(T):
        h = np.maximum(X[:, t] @ w + h @ u, 0)
        wanted.append(h)
    np.testing.assert_allclose(run(layer, (params, state), X), np.stack(wanted, 1), rtol=1e-5, atol=1e-6)


def test_an_lstm_begins_with_a_forget_bias_of_one_and_an_orthogonal_recurrent_kernel():
    params, _ = made(nn.LSTM(U), X)
    assert params["bias"].tolist() == [0.0] * U + [1.0] * U + [0.0] * 2 * U
    u = np.asarray(params["recurrent_kernel"])
    np.testing.assert_allclose(u @ u.T, np.eye(U), atol=1e-5)
    assert made(nn.LSTM(U, unit_forget_bias=False), X).params["bias"].tolist() == [0.0] * 4 * U
    assert "bias" not in made(nn.LSTM(U, use_bias=False), X).params


@pytest.mark.parametrize("kind", LAYERS)
def test_a_layer_is_its_cell_run_over_the_steps(kind):
    layer = kind(U, return_sequences=True)
    cell = {"SimpleRNN": nn.SimpleRNNCell, "GRU": nn.GRUCell, "LSTM": nn.LSTMCell}[kind.__name__](U)
    params, _ = made(layer, X)
    np.testing.assert_allclose(
        nn.apply(nn.RNN(cell, return_sequences=True), {"cell": params}, {}, X).output, run(layer, (params, {}), X), rtol=1e-5, atol=1e-6
    )


# -- which steps count -------------------------------------------------------------------------------------------------------------

LENGTHS = np.array([6, 2, 4])
MASK = np.arange(T)[None, :] < LENGTHS[:, None]


@pytest.mark.parametrize("kind", LAYERS)
def test_steps_that_do_not_count_leave_the_last_valid_output_and_state(kind):
    layer = kind(U, return_sequences=True, return_state=True)
    variables = made(layer, X)
    y, *states = run(layer, variables, X, MASK)
    by_length, *_ = run(layer, variables, X, LENGTHS)
    np.testing.assert_array_equal(y, by_length)
    for row, length in enumerate(LENGTHS):
        alone, *last = run(layer, variables, X[row : row + 1, :length])
        np.testing.assert_allclose(y[row, :length], alone[0], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(y[row, length:], np.repeat(np.asarray(alone)[0, -1:], T - length, 0), rtol=1e-5, atol=1e-6)
        for whole, own in zip(states, last, strict=True):
            np.testing.assert_allclose(whole[row], own[0], rtol=1e-5, atol=1e-6)


def test_outputs_of_steps_that_do_not_count_may_be_zero():
    layer = nn.GRU(U, return_sequences=True, zero_output_for_mask=True)
    y = np.asarray(run(layer, made(layer, X), X, LENGTHS))
    assert not y[~MASK].any()
    assert y[MASK].all()


def test_a_gap_in_the_middle_is_passed_over():
    gap = np.ones((N, T), bool)
    gap[:, 2:4] = False
    layer = nn.LSTM(U)
    variables = made(layer, X)
    np.testing.assert_allclose(run(layer, variables, X, gap), run(layer, variables, X[:, [0, 1, 4, 5]]), rtol=1e-5, atol=1e-6)


def test_padding_gets_no_gradient():
    layer = nn.GRU(U, return_sequences=True)
    params, _ = made(layer, X)
    g = np.asarray(sl.grad(lambda x: sl.square(nn.apply(layer, params, {}, x, LENGTHS).output).sum())(sl.asarray(X)))
    assert not g[~MASK].any()
    assert g[MASK].all()


def test_a_mask_travels_through_the_layers_between():
    padded = np.where(MASK[..., None], X, np.float32(-5))
    network = nn.Sequential([nn.Masking(-5.0), nn.Dense(3, activation="tanh"), nn.LayerNormalization(), nn.GRU(U)])
    variables = made(network, padded)
    whole = run(network, variables, padded)
    for row, length in enumerate(LENGTHS):
        np.testing.assert_allclose(whole[row], run(network, variables, padded[row : row + 1, :length])[0], rtol=1e-5, atol=1e-6)


def test_number_zero_of_an_embedding_may_mean_padding():
    words = np.array([[3, 1, 4, 0, 0], [2, 2, 1, 3, 4]])
    network = nn.Sequential([nn.Embedding(5, 3, mask_zero=True), nn.LSTM(U, return_sequences=True), nn.LSTM(U)])
    variables = made(network, words)
    np.testing.assert_allclose(run(network, variables, words)[0], run(network, variables, words[:1, :3])[0], rtol=1e-5, atol=1e-6)
    unmasked = nn.Sequential([nn.Embedding(5, 3), *network.layers[1:]])
    assert np.abs(np.asarray(run(unmasked, variables, words)[0] - run(network, variables, words)[0])).max() > 1e-3


def test_a_layer_that_does_not_keep_steps_drops_the_mask():
    @nn.register
    class EverySecondStep(nn.Layer):
        """Every second step."""

        def call(self, scope, x):
            return x[:, ::2]

    network = nn.Sequential([nn.Masking(), EverySecondStep(), nn.SimpleRNN(U)])
    zeros = np.zeros((1, T, F), "float32")
    made_of_zeros = run(network, made(network, zeros), zeros)
    assert made_of_zeros.shape == (1, U)


# -- packed sequences ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("go_backwards", [False, True])
@pytest.mark.parametrize("kind", LAYERS)
def test_packed_sequences_do_not_see_each_other(kind, go_backwards):
    sequences = [RNG.normal(size=(n, F)).astype("float32") for n in (2, 5, 3, 1, 4)]
    packed = nn.pack_sequences(sequences)
    assert packed.values.shape == (3, 5, F)
    layer = kind(U, return_sequences=True, go_backwards=go_backwards)
    variables = made(layer, X)
    outputs = np.asarray(run(layer, variables, packed.values, packed.numbers))
    outputs = outputs[:, ::-1] if go_backwards else outputs
    for sequence, found in zip(sequences, packed.unpack(outputs), strict=True):
        alone = np.asarray(run(layer, variables, sequence[None]))[0]
        np.testing.assert_allclose(found, alone[::-1] if go_backwards else alone, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(packed.last(outputs), [a[-1] for a in packed.unpack(outputs)])


def test_batches_of_like_length_hold_every_sequence_once():
    lengths = RNG.integers(1, 50, 37)
    batches = nn.length_batches(lengths, 8, seed=1)
    assert sorted(np.concatenate(batches)) == list(range(37))
    padded = sum(len(b) * lengths[b].max() for b in batches)
    assert padded < 1.25 * lengths.sum() < 37 * lengths.max()
    assert [b.tolist() for b in batches] != [b.tolist() for b in nn.length_batches(lengths, 8, seed=2)]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: nn.pack_sequences([]), "no sequences"),
        (lambda: nn.pack_sequences([np.ones((2, 1)), np.ones((0, 1))]), r"sequence 1 has the shape \(0, 1\)"),
        (lambda: nn.pack_sequences([np.ones((2, 1)), np.ones((2, 3))]), r"sequence 1 has the shape \(2, 3\)"),
        (lambda: nn.pack_sequences([np.ones((9, 1))], 4), "9 steps, but a row only 4"),
        (lambda: nn.length_batches(np.ones(3), 2), "whole numbers"),
        (lambda: nn.reset_carried({"carried_0": sl.zeros((2, 3))}, np.array([True])), r"rows must be bools \(2,\)"),
        (lambda: nn.reset_carried(3), "takes the state tree"),
    ],
)
def test_wrong_sequences_are_refused(make, words):
    with pytest.raises(SaltusError, match=words):
        make()


# -- directions --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", LAYERS)
def test_going_backwards_is_going_forwards_over_reversed_steps(kind):
    layer = kind(U, return_sequences=True, go_backwards=True)
    variables = made(layer, X)
    np.testing.assert_allclose(
        run(layer, variables, X), run(layer.replace(go_backwards=False), variables, X[:, ::-1].copy()), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("mode", ["concat", "sum", "mul", "ave", None])
@pytest.mark.parametrize("sequences", [False, True])
def test_both_directions_are_merged(mode, sequences):
    layer = nn.GRU(U, return_sequences=sequences)
    both = nn.Bidirectional(layer, mode)
    params, _ = made(both, X)
    assert sorted(params) == ["backward", "forward"]
    there = np.asarray(run(layer, (params["forward"], {}), X))
    back = np.asarray(run(layer, (params["backward"], {}), X[:, ::-1].copy()))
    back = back[:, ::-1] if sequences else back
    wanted = {"concat": lambda: np.concatenate([there, back], -1), "sum": lambda: there + back, "mul": lambda: there * back,
              "ave": lambda: (there + back) / 2, None: lambda: (there, back)}[mode]()  # fmt: skip
    found = run(both, (params, {}), X)
    for a, b in zip(found, wanted, strict=True) if mode is None else [(found, wanted)]:
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_both_directions_with_lengths_states_and_gates():
    layer = nn.LSTM(U, return_sequences=True, return_state=True, return_gates=True)
    both = nn.Bidirectional(layer)
    params, _ = made(both, X)
    y, *rest = run(both, (params, {}), X, LENGTHS)
    assert both.results == 1 + len(rest) == 13
    for row, length in enumerate(LENGTHS):
        alone, *parts = run(both, (params, {}), X[row : row + 1, :length])
        np.testing.assert_allclose(y[row, :length], alone[0], rtol=1e-5, atol=1e-6)
        for whole, own in zip(rest, parts, strict=True):
            np.testing.assert_allclose(whole[row, :length] if own.ndim == 3 else whole[row], own[0], rtol=1e-5, atol=1e-6)


def test_layers_above_a_pair_of_directions_see_the_mask():
    network = nn.Sequential([nn.Masking(), nn.Bidirectional(nn.LSTM(U, return_sequences=True)), nn.GRU(3)])
    padded = np.where(MASK[..., None], X, np.float32(0))
    variables = made(network, padded)
    np.testing.assert_allclose(run(network, variables, padded)[1], run(network, variables, padded[1:2, :2])[0], rtol=1e-5, atol=1e-6)


# -- streaming ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", LAYERS)
def test_a_stream_in_pieces_equals_one_long_sequence(kind):
    network = nn.Sequential([kind(U, stateful=True, return_sequences=True), kind(3, stateful=True)])
    params, state = made(network, X)
    whole = nn.apply(network, params, state, X)
    carried = state
    for piece in (X[:, :1], X[:, 1:4], X[:, 4:]):
        step = nn.apply(network, params, carried, piece)
        carried = step.state
    np.testing.assert_allclose(step.output, whole.output, rtol=1e-5, atol=1e-6)
    again = nn.apply(network, params, nn.reset_carried(carried), X)
    np.testing.assert_array_equal(again.output, whole.output)
    part = nn.apply(network, params, nn.reset_carried(carried, np.array([True, False, False])), X).output
    np.testing.assert_allclose(part[0], whole.output[0], rtol=1e-5, atol=1e-6)
    assert np.abs(np.asarray(part[1] - whole.output[1])).max() > 1e-4


def test_first_states_may_be_given():
    layer = nn.LSTM(U, return_sequences=True, return_state=True)
    variables = made(layer, X)
    whole, h, c = run(layer, variables, X)
    _, *middle = run(layer, variables, X[:, :3])
    rest, *last = run(layer, variables, X[:, 3:], *middle)
    np.testing.assert_allclose(rest, whole[:, 3:], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(last[0], h, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(last[1], c, rtol=1e-5, atol=1e-6)


def test_an_encoder_hands_its_state_to_a_decoder():
    x, z = nn.Input((T, F)), nn.Input((4, 1))
    _, h, c = nn.LSTM(U, return_state=True)(x)
    network = nn.Network([x, z], nn.LSTM(U, return_sequences=True)(z, h, c))
    assert nn.describe(network).output.shape == (1, 4, U)


# -- cells of one's own ------------------------------------------------------------------------------------------------------------


@nn.register
class CountingCell(nn.Cell):
    """Two states, and an output that is neither."""

    width: int

    @property
    def state_size(self):
        return (self.width, 1)

    @property
    def output_size(self):
        return 2

    def call(self, scope, x, a, count):
        a = sl.tanh(a + scope.run(nn.Dense(self.width), x))
        return sl.concat([a[:, :1], count], axis=1), a, count + 1


def test_a_cell_of_ones_own_with_lengths():
    layer = nn.RNN(CountingCell(U), return_state=True)
    variables = made(layer, X)
    assert variables.params["cell"]["dense"]["kernel"].shape == (F, U)
    output, _, count = run(layer, variables, X, LENGTHS)
    assert count[:, 0].tolist() == LENGTHS.tolist()
    assert output[:, 1].tolist() == (LENGTHS - 1).tolist()


def test_cells_one_above_the_other():
    stacked = nn.RNN([nn.GRUCell(5), nn.LSTMCell(U)], return_sequences=True)
    params, _ = made(stacked, X)
    lower = run(nn.GRU(5, return_sequences=True), (params["cell"]["gru_cell"], {}), X)
    wanted = run(nn.LSTM(U, return_sequences=True), (params["cell"]["lstm_cell"], {}), lower)
    np.testing.assert_allclose(run(stacked, (params, {}), X), wanted, rtol=1e-5, atol=1e-6)


def test_every_step_by_itself():
    layer = nn.TimeDistributed(nn.Dense(3, activation="relu"))
    variables = made(layer, X)
    found = run(layer, variables, X)
    kernel = np.asarray(variables.params["layer"]["kernel"])
    np.testing.assert_allclose(found, np.maximum(X @ kernel, 0), rtol=1e-5, atol=1e-6)


# -- dropout, penalties ------------------------------------------------------------------------------------------------------------


def test_dropout_drops_the_same_inputs_in_every_step_and_nothing_at_prediction():
    layer = nn.SimpleRNN(4, activation="linear", dropout=0.5, return_sequences=True, kernel_initializer="identity",
                         recurrent_initializer="zeros", seed=3)  # fmt: skip
    x = np.ones((8, 5, 4), "float32")
    variables = made(layer, x)
    y = np.asarray(run(layer, variables, x, training=True, key=KEY))
    assert set(np.unique(y)) == {0.0, 2.0}
    np.testing.assert_array_equal(y, np.repeat(y[:, :1], 5, 1))
    np.testing.assert_array_equal(run(layer, variables, x), x)


@pytest.mark.parametrize("kind", LAYERS)
def test_recurrent_dropout_changes_training_only(kind):
    layer = kind(U, recurrent_dropout=0.5)
    variables = made(layer, X)
    plain = np.asarray(run(kind(U), variables, X))
    np.testing.assert_array_equal(run(layer, variables, X), plain)
    assert np.abs(np.asarray(run(layer, variables, X, training=True, key=KEY)) - plain).max() > 1e-4


def test_penalties_are_added_to_the_loss_once():
    layer = nn.LSTM(U, kernel_regularizer="l2", recurrent_regularizer="l2", activity_regularizer="l1")
    assert len(nn.apply(layer, *made(layer, X), X).losses) == 3


# -- configuration -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "layer",
    [
        nn.LSTM(3, recurrent_activation="hard_sigmoid", return_gates=True, stateful=True, dropout=0.1),
        nn.GRU(3, reset_after=False, kernel_regularizer="l2", go_backwards=True),
        nn.SimpleRNN(3, "relu", name="memory"),
        nn.Bidirectional(nn.GRU(3), "sum", backward_layer=nn.LSTM(3, go_backwards=True)),
        nn.RNN([nn.GRUCell(2), nn.LSTMCell(3)], return_state=True),
        nn.TimeDistributed(nn.Dense(2)),
        nn.Masking(-1.0),
        nn.ConvLSTM2D(4, (3, 2), padding="same", recurrent_dropout=0.1, return_state=True),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_a_layer_survives_its_configuration(layer):
    assert nn.from_config(json.loads(json.dumps(nn.to_config(layer)))) == layer


# -- refusals ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: made(nn.LSTM(3), np.ones((2, 3), "float32")), ShapeError, r"LSTM\(3\): the input must have the shape \(N, T, inputs\)"),
        (lambda: made(nn.GRU(3), np.ones((2, 0, 3), "float32")), ShapeError, "the sequences have no steps"),
        (lambda: made(nn.GRU(3), X, np.ones((N, 4), bool)), ShapeError, r"must have the shape \(N, T\) = \(3, 6\)"),
        (lambda: made(nn.GRU(3), X, np.ones(N, bool)), ShapeError, "got .* of bool"),
        (lambda: made(nn.LSTM(3), X, np.zeros((N, 3), "float32")), ShapeError, r"first states must have the shapes \(3, 3\), \(3, 3\)"),
        (lambda: nn.LSTM(0), ArgumentError, "units must be a whole number from 1 on"),
        (lambda: nn.LSTM(3, dropout=1.0), ArgumentError, "dropout must be a number"),
        (lambda: nn.LSTM(3, recurrent_activation="sigmoit"), SaltusError, "sigmoit"),
        (lambda: nn.SimpleRNN(3, return_gates=True), ArgumentError, "no gates"),
        (lambda: nn.RNN(nn.LSTM(3)), ArgumentError, "takes a cell"),
        (lambda: nn.RNN([nn.Dense(3)]), ArgumentError, "takes a list of cells"),
        (lambda: nn.Bidirectional(nn.Dense(3)), ArgumentError, "must be a recurrent layer"),
        (lambda: nn.Bidirectional(nn.GRU(3), "mean"), SaltusError, "merge_mode"),
        (lambda: nn.Bidirectional(nn.GRU(3), backward_layer=nn.GRU(3)), ArgumentError, "the same way"),
        (lambda: made(nn.Bidirectional(nn.GRU(3), "sum", backward_layer=nn.GRU(2, go_backwards=True)), X), ShapeError, "must be equal"),
        (lambda: made(nn.Bidirectional(nn.GRU(3)), X, np.zeros((N, 3), "float32")), ShapeError, "expected 2"),
        (lambda: made(nn.TimeDistributed(nn.Dense(3)), np.ones((2, 3), "float32")), ShapeError, "three axes"),
        (lambda: made(nn.Masking(), np.ones((2, 3), "float32")), ShapeError, r"\(N, T, inputs\)"),
        (lambda: made(nn.Embedding(3, 2, mask_zero=True), np.ones(2, "int64")), ShapeError, r"\(N, T\)"),
        (lambda: made(nn.ConvLSTM2D(3, 3), X), ShapeError, r"\(N, T, height, width, channels\), got \(3, 6, 2\)"),
        (lambda: made(nn.ConvLSTM1D(3, 9), np.ones((1, 2, 4, 1), "float32")), ShapeError, "the kernel is larger than its input"),
        (lambda: made(nn.LSTMCell(3), X), ShapeError, "a cell takes one step"),
        (lambda: made(nn.RNN(CountingCell(3).replace()), X, np.zeros((N, 3), "float32")), ShapeError, "first states"),
    ],
)
def test_refusals(make, error, words):
    with pytest.raises(error, match=words):
        make()


def test_a_stream_with_another_number_of_rows_says_what_to_do():
    layer = nn.GRU(U, stateful=True)
    variables = made(layer, X)
    with pytest.raises(ShapeError, match=r"has the shape \(3, 4\)") as caught:
        run(layer, variables, X[:2])
    assert "give 3 rows" in caught.value.fix


def test_a_cell_with_a_state_of_its_own_kind_is_refused():
    @nn.register
    class NormalisingCell(nn.Cell):
        """A cell with moving averages inside."""

        state_size = 2

        def call(self, scope, x, h):
            h = h + scope.run(nn.BatchNormalization(), x)
            return h, h

    layer = nn.RNN(NormalisingCell())
    variables = made(layer, X)
    with pytest.raises(ArgumentError, match="changes a state of its own"):
        run(layer, variables, X, training=True)


# -- gradients and training --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layer", [nn.SimpleRNN(3), nn.GRU(3), nn.GRU(3, reset_after=False), nn.LSTM(3), nn.Bidirectional(nn.LSTM(2))])
def test_gradients_agree_with_finite_differences(layer):
    x = RNG.normal(size=(2, 4, 2))
    lengths = np.array([4, 2])
    params, _ = nn.init(layer, x, key=KEY, dtype="float64")

    def total(params, x):
        return sl.sin(nn.apply(layer, params, {}, x, lengths).output).sum()

    gradients = sl.jit(sl.grad(total))(params, sl.asarray(x))
    value = sl.jit(total)
    for path, gradient in flat(gradients):
        where_ = RNG.integers(0, gradient.size)
        moved = []
        for step in (1e-5, -1e-5):
            changed = {"/".join(p): np.array(v) for p, v in flat(params)}
            changed["/".join(path)].reshape(-1)[where_] += step
            moved.append(float(value(unflat(changed), x)))
        assert np.asarray(gradient).reshape(-1)[where_] == pytest.approx((moved[0] - moved[1]) / 2e-5, rel=1e-5, abs=1e-8)


def flat(values, prefix=()):
    for k, v in values.items():
        if isinstance(v, dict):
            yield from flat(v, (*prefix, k))
        else:
            yield (*prefix, k), v


def unflat(values):
    made = {}
    for path, v in values.items():
        *outer, last = path.split("/")
        place = made
        for word in outer:
            place = place.setdefault(word, {})
        place[last] = v
    return made


@pytest.mark.parametrize("kind", [nn.SimpleRNN, nn.GRU, nn.LSTM])
def test_a_network_learns_to_remember_its_first_step(kind):
    x = RNG.normal(size=(256, 8, 1)).astype("float32")
    y = (x[:, 0, 0] > 0).astype("int64")
    model = sl.Model(nn.Sequential([kind(16), nn.Dense(2)]), loss="sparse_categorical_crossentropy", optimizer=sl.optim.Adam(1e-2),
                     metrics=["accuracy"])  # fmt: skip
    model.fit(x, y, epochs=25, batch_size=32, verbose=0)
    assert model.evaluate(x, y)["accuracy"] > 0.9
