"""Scaled dot-product attention: values, both ways of computing it, masks, and refusals."""

import itertools

import numpy as np
import pytest

import saltus as sl
from saltus.base.errors import ArgumentError, DTypeError, ShapeError
from saltus.ir.node import topological


def expected(q, k, v, *, mask=None, causal=False, scale=None, position=0):
    """By the formula, in float64; a row that may attend to nothing is 0."""
    scores = q @ np.swapaxes(k, -1, -2) * (1 / np.sqrt(q.shape[-1]) if scale is None else scale)
    allowed = np.ones(scores.shape, bool) if mask is None else np.broadcast_to(mask, scores.shape)
    if causal:
        allowed = allowed & (np.arange(scores.shape[-2])[:, None] + position >= np.arange(scores.shape[-1]))
    scores = np.where(allowed, scores, -np.inf)
    shares = np.exp(scores - np.maximum(scores.max(axis=-1, keepdims=True), -1e300))
    total = shares.sum(axis=-1, keepdims=True)
    return shares / np.where(total == 0, 1, total) @ v


def arrays(rng, lead, key_lead, queries, keys, dtype="float64"):
    shapes = (*lead, queries, 4), (*key_lead, keys, 4), (*key_lead, keys, 6)
    return [rng.normal(size=s).astype(dtype) for s in shapes]


LEADS = [((2, 3), (2, 3)), ((2, 2, 3), (2, 2, 1)), ((), ()), ((3,), (1,)), ((2, 3), (3,))]
FORMS = list(itertools.product([None, "full", "keys"], [False, True], [0, 2]))


@pytest.mark.parametrize(("lead", "key_lead"), LEADS)
@pytest.mark.parametrize("block", [0, 3, 16, None])
def test_it_is_the_formula_in_blocks_and_at_once(lead, key_lead, block):
    rng = np.random.default_rng(0)
    for queries, keys in ((7, 7), (5, 9)):
        q, k, v = arrays(rng, lead, key_lead, queries, keys)
        for form, causal, position in FORMS:
            shape = (*lead, queries, keys) if form == "full" else (keys,)
            mask = None if form is None else rng.random(shape) > 0.5
            wanted = expected(q, k, v, mask=mask, causal=causal, position=position)
            got = sl.scaled_dot_product_attention(q, k, v, mask=mask, causal=causal, position=position, block_size=block)
            np.testing.assert_allclose(got.numpy(), wanted, atol=1e-12)


@pytest.mark.parametrize(("lead", "key_lead"), LEADS)
@pytest.mark.parametrize(("form", "causal", "position"), FORMS)
def test_gradients_in_blocks_equal_those_at_once(lead, key_lead, form, causal, position):
    rng = np.random.default_rng(1)
    q, k, v = arrays(rng, lead, key_lead, 5, 8)
    mask = None if form is None else rng.random((*lead, 5, 8) if form == "full" else (8,)) > 0.5
    weight = rng.normal(size=(*lead, 5, 6))

    def gradients(block):
        def loss(q, k, v):
            made = sl.scaled_dot_product_attention(q, k, v, mask=mask, causal=causal, position=position, block_size=block)
            return (made * weight).sum()

        return sl.grad(loss, (0, 1, 2))(q, k, v)

    for at_once, in_blocks in zip(gradients(0), gradients(3), strict=True):
        np.testing.assert_allclose(in_blocks.numpy(), at_once.numpy(), atol=1e-12)


@pytest.mark.parametrize("block", [0, 3])
def test_gradients_equal_differences(block):
    rng = np.random.default_rng(2)
    q, k, v = arrays(rng, (2,), (2,), 3, 5)
    mask = rng.random((2, 3, 5)) > 0.3

    def loss(q, k, v):
        return sl.scaled_dot_product_attention(q, k, v, mask=mask, causal=True, position=1, block_size=block).sum()

    found = sl.grad(loss, (0, 1, 2))(q, k, v)
    given, directions = [q, k, v], [rng.normal(size=x.shape) for x in (q, k, v)]
    ahead, behind = (float(loss(*[x + h * d for x, d in zip(given, directions, strict=True)])) for h in (1e-5, -1e-5))
    slope = sum((g.numpy() * d).sum() for g, d in zip(found, directions, strict=True))
    np.testing.assert_allclose(slope, (ahead - behind) / 2e-5, rtol=1e-8)


def test_second_derivatives_in_blocks_equal_those_at_once():
    rng = np.random.default_rng(3)
    q, k, v = arrays(rng, (), (), 2, 5)

    def hessian(block):
        def loss(q):
            return (sl.scaled_dot_product_attention(q, k, v, block_size=block) ** 2).sum()

        return sl.hessian(loss)(q).numpy()

    np.testing.assert_allclose(hessian(2), hessian(0), atol=1e-10)


def test_dropout_drops_the_same_in_blocks_and_at_once():
    rng = np.random.default_rng(4)
    q, k, v = arrays(rng, (2, 2), (2, 1), 6, 10, "float32")
    key = sl.random.key(0)

    def both(block):
        def loss(q):
            made = sl.scaled_dot_product_attention(q, k, v, dropout=0.4, key=key, block_size=block)
            return (made**2).sum(), made

        gradient, made = sl.grad(loss, has_aux=True)(q)
        return made.numpy(), gradient.numpy()

    for at_once, in_blocks in zip(both(0), both(4), strict=True):
        np.testing.assert_allclose(in_blocks, at_once, rtol=1e-4, atol=1e-5)
    plain = sl.scaled_dot_product_attention(q, k, v).numpy()
    assert np.abs(both(0)[0] - plain).max() > 0.1
    many = [sl.scaled_dot_product_attention(q, k, v, dropout=0.4, key=sl.random.key(s)).numpy() for s in range(300)]
    np.testing.assert_allclose(np.mean(many, axis=0), plain, atol=0.35)


def test_a_query_that_may_attend_to_nothing_gets_zeros_and_gives_no_gradient():
    rng = np.random.default_rng(5)
    q, k, v = arrays(rng, (), (), 3, 4)
    mask = np.ones((3, 4), bool)
    mask[1] = False
    for block in (0, 2):
        made = sl.scaled_dot_product_attention(q, k, v, mask=mask, block_size=block).numpy()
        assert np.all(made[1] == 0)
        assert np.all(np.isfinite(made))
        def loss(q, k, v, block=block):
            return sl.scaled_dot_product_attention(q, k, v, mask=mask, block_size=block).sum()

        g_q, g_k, g_v = (g.numpy() for g in sl.grad(loss, (0, 1, 2))(q, k, v))
        assert np.all(g_q[1] == 0)
        assert all(np.all(np.isfinite(g)) for g in (g_q, g_k, g_v))


def test_large_scores_do_not_overflow():
    q = np.array([[1e4, 0.0]], "float32")
    k = np.array([[1e4, 0.0], [-1e4, 0.0], [9.99e3, 0.0]], "float32")
    for block in (0, 1):
        made = sl.scaled_dot_product_attention(q, k, np.eye(3, dtype="float32"), block_size=block)
        np.testing.assert_allclose(made.numpy(), [[1, 0, 0]], atol=1e-6)


def test_long_sequences_choose_blocks_and_use_less_memory():
    rng = np.random.default_rng(6)
    length = 5000
    q, k, v = (sl.asarray(rng.normal(size=(length, 2)).astype("float32")) for _ in range(3))
    program = sl.jit(lambda q, k, v: sl.scaled_dot_product_attention(q, k, v, causal=True))
    traced = program.lower(q, k, v)
    assert max(n.size for n in topological(traced.outputs)) < length * length / 4
    some = program(q, k, v).numpy()[[0, 1, 2600, length - 1]]
    rows = np.array([0, 1, 2600, length - 1])
    mask = np.arange(length) <= rows[:, None]
    wanted = expected(q.numpy()[rows].astype("float64"), k.numpy().astype("float64"), v.numpy().astype("float64"), mask=mask)
    np.testing.assert_allclose(some, wanted, atol=1e-5)


def test_the_place_of_the_queries_may_be_known_only_later():
    rng = np.random.default_rng(7)
    q, k, v = arrays(rng, (2,), (2,), 2, 9, "float32")
    for block in (0, 4):
        program = sl.jit(lambda place, block=block: sl.scaled_dot_product_attention(q, k, v, causal=True, position=place, block_size=block))
        for place in (0, 3, 7):
            wanted = expected(q, k, v, causal=True, position=place)
            np.testing.assert_allclose(program(sl.asarray(place, dtype="int32")).numpy(), wanted, atol=1e-5)


def test_the_weights_can_be_returned():
    rng = np.random.default_rng(8)
    q, k, v = arrays(rng, (2,), (2,), 3, 5)
    made, weights = sl.scaled_dot_product_attention(q, k, v, return_weights=True)
    np.testing.assert_allclose(weights.numpy().sum(axis=-1), np.ones((2, 3)))
    np.testing.assert_allclose(weights.numpy() @ v, made.numpy(), atol=1e-12)


def test_half_types_are_computed_in_float32():
    rng = np.random.default_rng(9)
    q, k, v = arrays(rng, (), (), 3, 5, "float16")
    made = sl.scaled_dot_product_attention(q, k, v)
    assert made.dtype == sl.float16
    np.testing.assert_allclose(made.numpy().astype("float64"), expected(*(x.astype("float64") for x in (q, k, v))), atol=2e-3)


def test_no_keys_and_no_queries_give_zeros_and_nothing():
    assert sl.scaled_dot_product_attention(sl.ones((2, 3)), sl.ones((0, 3)), sl.ones((0, 4))).tolist() == [[0.0] * 4] * 2
    assert sl.scaled_dot_product_attention(sl.ones((0, 3)), sl.ones((2, 3)), sl.ones((2, 4))).shape == (0, 4)


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        ({"q": np.ones((3, 5), "float32")}, ShapeError, "queries and keys must have the same width, got 5"),
        ({"v": np.ones((4, 2), "float32")}, ShapeError, "there must be a value for each key"),
        ({"q": np.ones(4, "float32")}, ShapeError, r"q must have the shape \(\.\.\., length, width\), got \(4,\)"),
        ({"k": np.ones((6, 4), "int64")}, DTypeError, "k must be real floats, got int64"),
        ({"mask": np.ones((3, 6), "float32")}, DTypeError, "mask must be bool, True where a query may attend"),
        ({"mask": np.ones((6, 3), bool)}, ShapeError, r"the mask of shape \(6, 3\) does not fit 3 queries and 6 keys"),
        ({"dropout": 1.0}, ArgumentError, r"dropout must be in \[0, 1\)"),
        ({"dropout": 0.5}, ArgumentError, "there is no key"),
        ({"block_size": -1}, ArgumentError, "block_size must be a whole number"),
        ({"position": np.ones(2, "int64")}, ArgumentError, "position must be a whole number"),
        ({"q": np.ones((2, 3, 4), "float32"), "k": np.ones((3, 6, 4), "float32")}, ShapeError, "do not fit together"),
    ],
)
def test_what_does_not_fit_is_refused(change, error, text):
    given = {"q": np.ones((3, 4), "float32"), "k": np.ones((6, 4), "float32"), "v": np.ones((6, 2), "float32")} | change
    with pytest.raises(error, match=text):
        sl.scaled_dot_product_attention(**given)
