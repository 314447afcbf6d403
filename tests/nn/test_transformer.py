"""Transformer blocks and positions: PyTorch's values, stacks that learn, decoding step by step."""

import pathlib

import numpy as np
import pytest

import saltus as sl
from saltus import nn
from saltus.base import tree

STORED = np.load(pathlib.Path(__file__).with_name("values") / "attention.npz")


def stored(prefix):
    """What PyTorch made, by name; parameters as a tree."""
    found = {}
    for name in STORED.files:
        if name.startswith(prefix + "/"):
            place = found
            *way, last = name[len(prefix) + 1 :].split("/")
            for word in way:
                place = place.setdefault(word, {})
            place[last] = STORED[name]
    return found


def random(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


@pytest.mark.parametrize("first", [False, True])
def test_the_encoder_block_has_pytorchs_values(first):
    s = stored(f"encoder_{first}")
    block = nn.TransformerEncoder(16, 2, activation="gelu", normalize_first=first)
    y, back = sl.vjp(lambda x: nn.apply(block, s["params"], {}, x, s["attends"]).output, s["x"])
    np.testing.assert_allclose(y.numpy(), s["y"], atol=1e-11)
    np.testing.assert_allclose(back(s["g"])[0].numpy(), s["gx"], atol=1e-11)


@pytest.mark.parametrize("first", [False, True])
def test_the_decoder_block_has_pytorchs_values(first):
    s = stored(f"decoder_{first}")
    block = nn.TransformerDecoder(16, 2, normalize_first=first)
    y, back = sl.vjp(lambda x, memory: nn.apply(block, s["params"], {}, x, memory).output, s["x"], s["memory"])
    np.testing.assert_allclose(y.numpy(), s["y"], atol=1e-11)
    for got, wanted in zip(back(s["g"]), (s["gx"], s["gmemory"]), strict=True):
        np.testing.assert_allclose(got.numpy(), wanted, atol=1e-11)


def test_padding_and_attention_masks_work_together():
    x = random(2, 5, 8)
    padding = np.array([[True, True, True, True, False], [True] * 5])
    pairs = np.tril(np.ones((5, 5), bool))[None]
    block = nn.TransformerEncoder(16, 2)
    params, _ = nn.init(block, x, key=sl.random.key(0))
    both = nn.apply(block, params, {}, x, padding, pairs).output.numpy()
    np.testing.assert_allclose(both, nn.apply(block, params, {}, x, None, padding[:, None] & pairs).output.numpy(), atol=1e-6)
    decoder = nn.TransformerDecoder(16, 2)
    np.testing.assert_allclose(both, nn.apply(decoder, params, {}, x, None, padding).output.numpy(), atol=1e-6)


@pytest.mark.parametrize("options", [{}, {"normalize_first": True}, {"normalization": "rms", "rotary": True, "num_key_value_heads": 1}])
def test_dropout_of_a_block_counts_while_training_only(options):
    x, block = random(2, 5, 8), nn.TransformerEncoder(16, 2, dropout=0.3, **options)
    params, _ = nn.init(block, x, key=sl.random.key(0))
    calm = nn.apply(block, params, {}, x).output.numpy()
    np.testing.assert_allclose(nn.apply(block.replace(dropout=0.0), params, {}, x).output.numpy(), calm, atol=1e-6)
    assert np.abs(nn.apply(block, params, {}, x, training=True, key=sl.random.key(1)).output.numpy() - calm).max() > 0.01


def test_sines_are_the_published_formula():
    made = nn.apply(nn.SinePositionEncoding(), {}, {}, np.zeros((2, 50, 7), "float32")).output.numpy()
    place, i = np.arange(50)[:, None], np.arange(7)
    angles = place / 10000 ** (2 * (i // 2) / 7)
    np.testing.assert_allclose(made, np.broadcast_to(np.where(i % 2, np.cos(angles), np.sin(angles)), (2, 50, 7)), atol=1e-5)


def test_rotary_products_depend_on_distances_only():
    q, k = (np.broadcast_to(random(1, 1, 8, seed=i), (1, 20, 8)) for i in range(2))
    turned = [nn.apply(nn.RotaryEmbedding(), {}, {}, x).output.numpy()[0] for x in (q, k)]
    products = turned[0] @ turned[1].T
    for distance in (-7, 0, 3):
        along = np.diagonal(products, distance)
        np.testing.assert_allclose(along, np.full_like(along, along[0]), rtol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(turned[0], axis=-1), np.linalg.norm(q[0], axis=-1), rtol=1e-5)
    stretched = nn.apply(nn.RotaryEmbedding(scaling_factor=2.0), {}, {}, q).output.numpy()[0]
    np.testing.assert_allclose(stretched[::2], turned[0][:10], atol=1e-5)


def test_rotary_axes_can_be_chosen():
    x = random(2, 6, 3, 4)
    usual = nn.apply(nn.RotaryEmbedding(), {}, {}, x).output.numpy()
    other = nn.apply(nn.RotaryEmbedding(sequence_axis=3, feature_axis=1), {}, {}, x.transpose(0, 3, 2, 1)).output.numpy()
    np.testing.assert_allclose(other.transpose(0, 3, 2, 1), usual, atol=1e-6)


def language_model(vocabulary, length, **options):
    blocks = [nn.TransformerDecoder(32, 2, normalize_first=True, **options) for _ in range(2)]
    return nn.Sequential([nn.TokenAndPositionEmbedding(vocabulary, length, 16), *blocks, nn.LayerNormalization(), nn.Dense(vocabulary)])


@pytest.mark.parametrize("options", [{}, {"rotary": True, "num_key_value_heads": 1}])
def test_a_stack_decoded_step_by_step_equals_the_whole(options):
    network = language_model(7, 9, **options)
    tokens = np.random.default_rng(0).integers(0, 7, (3, 9))
    params, state = nn.init(network, tokens, key=sl.random.key(0))
    whole = nn.apply(network, params, state, tokens).output.numpy()
    stepwise, cache = nn.decoding(network, state, nn.Spec((3, 1), "int64"), length=9)
    np.testing.assert_allclose(nn.apply(stepwise, params, cache, tokens).output.numpy(), whole, atol=1e-4)

    def step(cache, token):
        made = nn.apply(stepwise, params, cache, token[:, None])
        return made.state, made.output[:, 0]

    _, out = sl.jit(lambda cache: sl.scan(step, cache, sl.asarray(tokens.T)))(cache)
    np.testing.assert_allclose(out.numpy().transpose(1, 0, 2), whole, atol=1e-4)
    assert nn.from_config(nn.to_config(stepwise)) == stepwise


def test_decoding_keeps_the_state_a_network_has():
    network = nn.Sequential([nn.Dense(4), nn.BatchNormalization(), nn.MultiHeadAttention(1, 4, use_causal_mask=True)])
    _, state = nn.init(network, nn.Spec((1, 3, 2)), key=sl.random.key(0))
    state = tree.map(lambda v: v + 3.0, state)
    stepwise, cache = nn.decoding(network, state, nn.Spec((1, 1, 2)), length=5)
    assert cache["batch_normalization"]["moving_mean"].tolist() == [3.0] * 4
    assert cache["multi_head_attention"]["key_cache"].shape == (1, 1, 5, 4)
    assert stepwise.layers[:2] == network.layers[:2]


def test_a_decoder_learns_to_repeat_what_it_has_read():
    """Four symbols, a mark, and the same four again: only attention to the right place solves it."""
    rng = np.random.default_rng(0)
    symbols = rng.integers(1, 6, (64, 4))
    tokens = np.concatenate([symbols, np.zeros((64, 1), int), symbols], axis=1)
    network = language_model(6, 9)
    params, state = nn.init(network, tokens, key=sl.random.key(0))
    optimizer = sl.optim.Adam(1e-2)

    @sl.jit
    def train(params, slots):
        def step(carry, number):
            params, slots = carry

            def loss(params):
                shares = sl.log_softmax(nn.apply(network, params, state, tokens[:, :-1]).output[:, 4:])
                return -sl.take_along_axis(shares, sl.asarray(symbols)[..., None], axis=-1).mean()

            value, gradient = sl.value_and_grad(loss)(params)
            params, slots = optimizer.update(gradient, slots, params, number)
            return (params, slots), value

        return sl.scan(step, (params, slots), sl.arange(150))

    (params, _), losses = train(params, optimizer.init(params))
    assert losses.numpy()[-1] < 0.05 < 1 < losses.numpy()[0]

    stepwise, cache = nn.decoding(network, state, nn.Spec((64, 1), "int64"), length=9)
    made = nn.apply(stepwise, params, cache, tokens[:, :5])
    written = []
    for _ in range(4):
        token = sl.argmax(made.output[:, -1:], axis=-1)
        written.append(token.numpy())
        made = nn.apply(stepwise, params, made.state, token)
    assert np.mean(np.concatenate(written, axis=1) == symbols) > 0.98


def test_an_encoder_decoder_in_a_network_runs_on_other_lengths():
    source, target = nn.Input((None,), "int64"), nn.Input((None,), "int64")
    encoded = nn.TransformerEncoder(16, 2)(nn.TokenAndPositionEmbedding(9, 12, 8, mask_zero=True)(source))
    read = nn.TransformerDecoder(16, 2)(nn.TokenAndPositionEmbedding(9, 12, 8)(target), encoded)
    network = nn.Network([source, target], nn.Dense(9)(read))
    inputs = np.array([[1, 2, 3, 0]]), np.array([[4, 5, 6, 7, 8]])
    params, state = nn.init(network, *inputs, key=sl.random.key(0))
    out = nn.apply(network, params, state, *inputs).output.numpy()
    assert out.shape == (1, 5, 9)
    shorter = nn.apply(network, params, state, inputs[0][:, :3], inputs[1]).output.numpy()
    np.testing.assert_allclose(out, shorter, atol=1e-5)
