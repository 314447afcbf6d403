"""Attention layers: PyTorch's values, masks, heads that share keys, caches, configuration, refusals."""

import pathlib

import numpy as np
import pytest

import saltus as sl
from saltus import nn
from saltus.base import tree
from saltus.base.errors import ArgumentError, DTypeError, SaltusError, ShapeError

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


def made(layer, *inputs, **options):
    """Output of a freshly initialised layer."""
    params, state = nn.init(layer, *inputs, key=sl.random.key(0))
    return nn.apply(layer, params, state, *inputs, **options).output


@pytest.mark.parametrize(("name", "options"), [("plain", {}), ("causal", {"causal": True}), ("masked", {})])
@pytest.mark.parametrize("block", [0, 3])
def test_dot_product_attention_has_pytorchs_values(name, options, block):
    s = stored(name)
    y, back = sl.vjp(
        lambda q, k, v: sl.scaled_dot_product_attention(q, k, v, mask=s.get("mask"), block_size=block, **options), s["q"], s["k"], s["v"]
    )
    np.testing.assert_allclose(y.numpy(), s["y"], atol=1e-12)
    for got, wanted in zip(back(s["g"]), (s["gq"], s["gk"], s["gv"]), strict=True):
        np.testing.assert_allclose(got.numpy(), wanted, atol=1e-12)


def test_several_heads_have_pytorchs_values():
    s = stored("heads")
    layer = nn.MultiHeadAttention(2, 4, return_attention_scores=True)
    out, weights = nn.apply(layer, s["params"], {}, s["q"], s["v"], s["k"], s["attends"]).output
    np.testing.assert_allclose(out.numpy(), s["y"], atol=1e-12)
    np.testing.assert_allclose(weights.numpy(), s["weights"], atol=1e-12)
    out = nn.apply(layer.replace(return_attention_scores=False), s["params"], {}, s["q"], s["v"], s["k"], s["attends"]).output
    np.testing.assert_allclose(out.numpy(), s["y"], atol=1e-12)


def test_rms_normalisation_has_pytorchs_values():
    s = stored("rms")
    np.testing.assert_allclose(nn.apply(nn.RMSNormalization(), {"scale": s["scale"]}, {}, s["x"]).output.numpy(), s["y"], atol=1e-12)


def test_self_attention_is_attention_with_the_same_value_and_key():
    layer, x = nn.MultiHeadAttention(2, 3), sl.asarray(random(2, 5, 6))
    params, _ = nn.init(layer, x, key=sl.random.key(0))
    alone = nn.apply(layer, params, {}, x).output.numpy()
    np.testing.assert_allclose(nn.apply(layer, params, {}, x, sl.asarray(x.numpy())).output.numpy(), alone, atol=1e-6)


@pytest.mark.parametrize("shape", [(2, 5), (2, 4, 5), (1, 4, 5), (2, 2, 4, 5), (2, 1, 1, 5)])
def test_masks_of_every_rank_keep_what_is_hidden_from_the_result(shape):
    mask = np.ones(shape, bool)
    mask[..., 3:] = False
    q, v = random(2, 4, 6), random(2, 5, 6, seed=1)
    changed = v.copy()
    changed[:, 3:] += 1
    layer = nn.MultiHeadAttention(2, 3)
    params, _ = nn.init(layer, q, v, key=sl.random.key(0))
    one, other = (nn.apply(layer, params, {}, q, x, None, mask).output.numpy() for x in (v, changed))
    np.testing.assert_array_equal(one, other)
    np.testing.assert_allclose(one, nn.apply(layer, params, {}, q, v[:, :3]).output.numpy(), atol=1e-6)


def test_a_query_without_anything_to_attend_to_gets_the_bias():
    mask = np.ones((1, 4, 4), bool)
    mask[0, 2] = False
    layer = nn.MultiHeadAttention(2, 3, bias_initializer=nn.initializers.Constant(0.5))
    out = made(layer, random(1, 4, 6), None, None, mask).numpy()
    np.testing.assert_array_equal(out[0, 2], np.full(6, 0.5, "float32"))
    assert np.all(np.isfinite(out))


def test_a_causal_mask_hides_what_comes_later():
    x = random(1, 6, 4)
    changed = x.copy()
    changed[:, 4:] = 0
    for layer in (
        nn.MultiHeadAttention(2, 2, use_causal_mask=True),
        nn.GroupQueryAttention(2, 4, 2, use_causal_mask=True),
        nn.Attention(use_causal_mask=True),
        nn.Attention(score_mode="concat", use_causal_mask=True),
        nn.AdditiveAttention(use_causal_mask=True),
    ):
        one, other = made(layer, x).numpy(), made(layer, changed).numpy()
        np.testing.assert_allclose(one[:, :4], other[:, :4], atol=1e-6)
        assert np.abs(one[:, 4:] - other[:, 4:]).max() > 1e-3


def test_a_mask_of_steps_travels_through_attention():
    tokens = np.array([[3, 1, 2, 0, 0], [1, 2, 3, 4, 5]])
    layers = [nn.Embedding(6, 4, mask_zero=True), nn.MultiHeadAttention(2, 2), nn.TransformerEncoder(8, 2)]
    network = nn.Sequential(layers)
    params, _ = nn.init(network, tokens, key=sl.random.key(0))
    whole = nn.apply(network, params, {}, tokens).output.numpy()
    short = nn.apply(network, params, {}, tokens[:1, :3]).output.numpy()
    np.testing.assert_allclose(whole[:1, :3], short, atol=1e-5)


@pytest.mark.parametrize("key_heads", [1, 2, 4])
def test_heads_that_share_keys_equal_heads_with_copies_of_them(key_heads):
    x, mask = random(2, 5, 8), np.random.default_rng(1).random((2, 4, 5, 5)) > 0.3
    shared = nn.GroupQueryAttention(3, 4, key_heads, return_attention_scores=True)
    params, _ = nn.init(shared, x, key=sl.random.key(0))

    def copied(name, value):
        value = value.numpy()
        if name.split("_")[0] not in ("key", "value"):
            return value
        parts = np.repeat(value.reshape(*value.shape[:-1], key_heads, 3), 4 // key_heads, axis=-2)
        return parts.reshape(*value.shape[:-1], 12)

    separate = nn.MultiHeadAttention(4, 3, return_attention_scores=True)
    one = nn.apply(shared, params, {}, x, None, None, mask).output
    other = nn.apply(separate, {n: copied(n, v) for n, v in params.items()}, {}, x, None, None, mask).output
    for a, b in zip(one, other, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), atol=1e-5)


def test_one_head_without_projections_is_the_formula():
    q, v, k = (random(2, n, 3, seed=i).astype("float64") for i, n in enumerate((4, 5, 5)))

    def shares(scores):
        e = np.exp(scores)
        return e / e.sum(axis=-1, keepdims=True)

    np.testing.assert_allclose(nn.apply(nn.Attention(), {}, {}, q, v, k).output.numpy(), shares(q @ k.mT) @ v, atol=1e-6)
    summed = np.tanh(q[:, :, None] + k[:, None])
    scale = np.array([0.5, -1.0, 2.0])
    got = nn.apply(nn.AdditiveAttention(), {"scale": scale}, {}, q, v, k).output
    np.testing.assert_allclose(got.numpy(), shares((summed * scale).sum(axis=-1)) @ v, atol=1e-6)
    got = nn.apply(nn.Attention(use_scale=True), {"scale": np.array(2.0)}, {}, q, v, k).output
    np.testing.assert_allclose(got.numpy(), shares(2 * q @ k.mT) @ v, atol=1e-6)
    concat = nn.Attention(use_scale=True, score_mode="concat")
    got = nn.apply(concat, {"scale": np.array(2.0), "concat_score_weight": np.array(3.0)}, {}, q, v, k).output
    np.testing.assert_allclose(got.numpy(), shares(3 * np.tanh(2 * (q[:, :, None] + k[:, None])).sum(axis=-1)) @ v, atol=1e-6)


@pytest.mark.parametrize("layer", [nn.MultiHeadAttention(2, 3, dropout=0.5), nn.Attention(dropout=0.5), nn.AdditiveAttention(dropout=0.5)])
def test_dropout_counts_while_training_only(layer):
    x = random(2, 5, 6)
    params, _ = nn.init(layer, x, key=sl.random.key(0))
    calm = nn.apply(layer, params, {}, x).output.numpy()
    busy = nn.apply(layer, params, {}, x, training=True, key=sl.random.key(1)).output.numpy()
    assert np.abs(calm - busy).max() > 1e-2
    np.testing.assert_array_equal(nn.apply(layer, params, {}, x, training=True, key=sl.random.key(1)).output.numpy(), busy)


@pytest.mark.parametrize(
    "layer",
    [
        nn.MultiHeadAttention(2, 3, use_causal_mask=True),
        nn.MultiHeadAttention(2, 4, value_dim=3, use_causal_mask=True, rotary=True),
        nn.GroupQueryAttention(4, 4, 2, use_causal_mask=True, rotary=nn.RotaryEmbedding(100.0)),
    ],
)
def test_step_by_step_with_a_cache_gives_what_the_whole_sequence_gives(layer):
    x = random(2, 7, 6)
    params, state = nn.init(layer, x, key=sl.random.key(0))
    whole = nn.apply(layer, params, state, x).output.numpy()
    stepwise, cache = nn.decoding(layer, state, nn.Spec((2, 1, 6)), length=7)
    step = sl.jit(lambda cache, x: nn.apply(stepwise, params, cache, x)[:2])
    parts = []
    for first, last in ((0, 3), (3, 4), (4, 5), (5, 7)):
        out, cache = step(cache, sl.asarray(x[:, first:last]))
        parts.append(out.numpy())
    np.testing.assert_allclose(np.concatenate(parts, axis=1), whole, atol=1e-5)
    beyond, _ = step(cache, sl.asarray(x[:, :1]))
    assert np.all(np.isnan(beyond.numpy()))


def test_a_cache_remembers_which_positions_count():
    x, counts = random(2, 5, 6), np.array([[True, True, False, True, True], [False, True, True, True, True]])
    layer = nn.MultiHeadAttention(2, 3, use_causal_mask=True)
    params, state = nn.init(layer, x, key=sl.random.key(0))
    whole = nn.apply(layer, params, state, x, None, None, counts).output.numpy()
    stepwise, cache = nn.decoding(layer, state, nn.Spec((2, 1, 6)), None, None, nn.Spec((2, 1), "bool"), length=8)
    for t in range(5):
        out, cache, _ = nn.apply(stepwise, params, cache, x[:, t : t + 1], None, None, counts[:, t : t + 1])
        np.testing.assert_allclose(out.numpy(), whole[:, t : t + 1], atol=1e-5)


LAYERS = [
    nn.MultiHeadAttention(2, 3, value_dim=4, dropout=0.1, output_shape=5, rotary=None, use_causal_mask=True, kernel_regularizer="l2"),
    nn.MultiHeadAttention(2, 4, rotary=nn.RotaryEmbedding(500.0), cache_length=9),
    nn.GroupQueryAttention(4, 4, 2, rotary=True, use_bias=False),
    nn.Attention(use_scale=True, score_mode="concat", dropout=0.2, return_attention_scores=True),
    nn.AdditiveAttention(use_scale=False, seed=3),
    nn.RMSNormalization(epsilon=1e-3, scale=False),
    nn.PositionEmbedding(12, initializer="he_normal"),
    nn.SinePositionEncoding(100.0),
    nn.RotaryEmbedding(100.0, 2.0),
    nn.TransformerEncoder(8, 2, activation="gelu", normalize_first=True, normalization="rms", num_key_value_heads=1, rotary=True),
    nn.TransformerDecoder(8, 2, dropout=0.1, cache_length=4),
    nn.TokenAndPositionEmbedding(10, 12, 6, mask_zero=True),
]


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: type(layer).__name__)
def test_layers_survive_being_stored(layer):
    again = nn.from_config(nn.to_config(layer))
    assert again == layer
    assert type(again) is type(layer)
    assert str(again) == str(layer)


def test_inputs_may_be_given_as_a_list():
    q, v = nn.Input((None, 3)), nn.Input((None, 3))
    network = nn.Network([q, v], nn.Attention()([q, v]))
    given = random(2, 4, 3), random(2, 5, 3, seed=1)
    wanted = nn.apply(nn.Attention(), {}, {}, *given).output.numpy()
    np.testing.assert_array_equal(nn.apply(network, {}, {}, *given).output.numpy(), wanted)


def test_scores_are_a_second_result_in_networks():
    x = nn.Input((None, 6))
    out, weights = nn.MultiHeadAttention(2, 3, return_attention_scores=True)(x)
    network = nn.from_config(nn.to_config(nn.Network(x, {"out": out, "weights": weights})))
    params, state = nn.init(network, random(2, 4, 6), key=sl.random.key(0))
    found = nn.apply(network, params, state, random(2, 5, 6)).output
    assert (found["out"].shape, found["weights"].shape) == ((2, 5, 6), (2, 2, 5, 5))


def test_queries_keys_and_values_get_regularizers_and_gradients():
    layer = nn.MultiHeadAttention(2, 3, kernel_regularizer=nn.regularizers.L2(0.1))
    x = random(2, 5, 6)
    params, _ = nn.init(layer, x, key=sl.random.key(0))
    assert len(nn.apply(layer, params, {}, x).losses) == 4
    gradients = sl.grad(lambda p: (nn.apply(layer, p, {}, x).output ** 2).sum())(params)
    assert all(float(abs(g).max()) > 0 for path, g in tree.paths(gradients) if path != ("key_bias",))


@pytest.mark.parametrize(
    ("layer", "inputs", "error", "text"),
    [
        (nn.MultiHeadAttention(2, 3), (random(2, 5),), ShapeError, r"the query must have the shape \(N, length, width\), got \(2, 5\)"),
        (nn.MultiHeadAttention(2, 3), (random(2, 5, 6), random(3, 5, 6)), ShapeError, "same number of samples"),
        (nn.MultiHeadAttention(2, 3), (random(2, 5, 6), random(2, 4, 6), random(2, 3, 6)), ShapeError, "a value for each key"),
        (nn.MultiHeadAttention(2, 3), (random(2, 5, 6), None, None, np.ones((2, 4), bool)), ShapeError, r"expected \(N, S\) = \(2, 5\)"),
        (nn.MultiHeadAttention(2, 3), (random(2, 5, 6), None, None, np.ones((2, 5))), DTypeError, "True where a query may attend"),
        (nn.MultiHeadAttention(2, 3, rotary=True), (random(2, 5, 6),), ShapeError, "even number of features"),
        (nn.MultiHeadAttention(2, 3, cache_length=4), (random(2, 5, 6),), ShapeError, "the cache is 4 long"),
        (nn.MultiHeadAttention(2, 3, cache_length=9), (random(2, 5, 6), random(2, 4, 6)), ArgumentError, "leave cache_length away"),
        (nn.Attention(), (random(2, 5, 6),) * 5, ArgumentError, "the inputs are query, value, key and attention_mask, got 5"),
        (nn.Attention(), (random(2, 5, 6), random(2, 5, 4)), ShapeError, "query and key must have the same width"),
        (nn.PositionEmbedding(4), (random(2, 5, 6),), ShapeError, "has 5 positions, but there are vectors for 4"),
        (nn.RotaryEmbedding(), (random(2, 5, 3),), ShapeError, "even number of features"),
        (nn.TransformerEncoder(8, 4), (random(2, 5, 6),), ShapeError, "width 6 of the input cannot be shared by 4 heads"),
        (nn.TokenAndPositionEmbedding(5, 5, 2), (np.ones((2, 3, 1), "int64"),), ShapeError, r"whole numbers \(N, length\)"),
    ],
)
def test_inputs_that_do_not_fit_are_refused_with_the_layers_name(layer, inputs, error, text):
    with pytest.raises(error, match=text) as caught:
        nn.init(layer, *inputs, key=sl.random.key(0))
    assert type(layer).__name__ in str(caught.value)


@pytest.mark.parametrize(
    ("build", "text"),
    [
        (lambda: nn.MultiHeadAttention(0, 3), "num_heads must be a whole number from 1"),
        (lambda: nn.MultiHeadAttention(2, 3, attention_axes=(1, 2)), "attends over the sequence axis, 1, only"),
        (lambda: nn.MultiHeadAttention(2, 3, output_shape=(2, 3)), "output_shape must be one width"),
        (lambda: nn.MultiHeadAttention(2, 3, dropout=1.0), "dropout must be a number"),
        (lambda: nn.MultiHeadAttention(2, 3, rotary=3), "rotary must be True or an nn.RotaryEmbedding"),
        (lambda: nn.GroupQueryAttention(2, 4, 3), "must be a multiple of num_key_value_heads"),
        (lambda: nn.Attention(score_mode="cosine"), "unknown Attention score_mode 'cosine'"),
        (lambda: nn.TransformerEncoder(8, 4, normalization="batch"), "use one of: layer, rms"),
        (lambda: nn.TransformerDecoder(8, 4, num_key_value_heads=3), "must be a multiple of num_key_value_heads"),
        (lambda: nn.decoding(nn.Dense(3), {}, nn.Spec((1, 3)), length=4), "nothing in Dense looks back"),
    ],
)
def test_settings_that_make_no_sense_are_refused(build, text):
    with pytest.raises(SaltusError, match=text):
        build()
