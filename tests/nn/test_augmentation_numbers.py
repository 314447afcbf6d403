"""Augmentation of numbers, series and tokens, and the mixing of samples."""

import numpy as np
import pytest

import saltus as sl
from saltus import nn
from saltus.base.errors import ArgumentError, DTypeError, ShapeError
from saltus.nn.augmentation import Draws, sample_keys
from saltus.nn.augmentation.mixing import beta_quantiles

RNG = np.random.default_rng(1)
SERIES = RNG.normal(size=(6, 20, 2)).astype("float32")
TOKENS = np.array([[1, 2, 3, 4, 5, 6, 7, 8], [9, 8, 7, 6, 0, 0, 0, 0], [5, 0, 0, 0, 0, 0, 0, 0]], "int32")


def draws(count, seed=0):
    return Draws(sample_keys(sl.random.key(seed), sl.arange(count)))


def changed(layer, x, seed=0):
    return np.asarray(nn.apply(layer, {}, {}, sl.asarray(x), training=True, key=sl.random.key(seed)).output)


@pytest.mark.parametrize(
    "layer",
    [
        nn.RandomNoise(), nn.RandomScaling(), nn.RandomFeatureDropout(0.5), nn.RandomMagnitudeWarp(), nn.RandomTimeWarp(),
        nn.RandomWindowSlice(),
    ],
    ids=lambda v: type(v).__name__,
)
def test_series_change_in_training_only(layer):
    made = changed(layer, SERIES)
    assert made.shape == SERIES.shape
    assert not np.array_equal(made, SERIES)
    assert np.array_equal(made, changed(layer, SERIES))
    assert np.array_equal(np.asarray(nn.apply(layer, {}, {}, sl.asarray(SERIES)).output), SERIES)
    assert nn.from_config(nn.to_config(layer)) == layer


def test_noise_has_the_asked_spread():
    made = changed(nn.RandomNoise(0.5), np.zeros((200, 50), "float32"))
    assert abs(made.std() - 0.5) < 0.02
    assert abs(made.mean()) < 0.02


def test_scaling_multiplies_each_feature_of_a_sample():
    share = changed(nn.RandomScaling(0.3), SERIES) / SERIES
    assert np.allclose(share, share[:, :1], rtol=1e-3)


def test_feature_dropout_hides_whole_features():
    made = changed(nn.RandomFeatureDropout(0.5, fill_value=-9.0), SERIES)
    hidden = made == -9.0
    assert hidden.any()
    assert not hidden.all()
    assert np.array_equal(hidden, np.broadcast_to(hidden[:, :1], hidden.shape))
    assert np.array_equal(made[~hidden], SERIES[~hidden])


def test_time_warp_keeps_ends_and_order():
    ramp = np.tile(np.arange(20, dtype="float32")[None, :, None], (6, 1, 1))
    made = changed(nn.RandomTimeWarp(0.5), ramp)[..., 0]
    assert np.allclose(made[:, [0, -1]], [0, 19], atol=1e-3)
    assert (np.diff(made, axis=1) > 0).all()


def test_window_slice_stretches_a_part():
    ramp = np.tile(np.arange(21, dtype="float32")[None, :, None], (6, 1, 1))
    made = changed(nn.RandomWindowSlice(0.5), ramp)[..., 0]
    assert np.allclose(np.diff(made, axis=1), 0.5, atol=1e-3)
    assert made.min() >= 0
    assert made.max() <= 20


def test_a_series_of_two_axes_is_refused():
    with pytest.raises(ShapeError, match="steps, features"):
        changed(nn.RandomTimeWarp(), SERIES[0])


def test_deletion_keeps_the_order_and_closes_the_gaps():
    made = changed(nn.RandomTokenDeletion(0.5), TOKENS)
    for before, after in zip(TOKENS, made, strict=True):
        kept = after[after != 0]
        assert len(kept) >= 1
        assert (after[len(kept) :] == 0).all()
        places = [list(before).index(token) for token in kept]
        assert places == sorted(places)
    assert np.array_equal(changed(nn.RandomTokenDeletion(0.0), TOKENS), TOKENS)
    assert (changed(nn.RandomTokenDeletion(1.0), TOKENS) == np.where(np.arange(8) == 0, TOKENS[:, :1], 0)).all()


def test_swaps_exchange_neighbours_and_leave_padding():
    made = changed(nn.RandomTokenSwap(1.0), TOKENS)
    assert np.array_equal(np.sort(made), np.sort(TOKENS))
    assert np.array_equal(made == 0, TOKENS == 0)
    assert (np.abs(made[0] - TOKENS[0]) <= 1).all()
    assert not np.array_equal(made[0], TOKENS[0])


def test_insertions_are_tokens_of_the_text_between_the_others():
    made = changed(nn.RandomTokenInsertion(0.9), TOKENS)
    assert set(made[1][made[1] != 0]) <= {9, 8, 7, 6}
    assert (made[1] != 0).sum() > 4
    first = [list(made[1]).index(token) for token in (9,)]
    assert first == [0]


def test_cutoff_blanks_one_run():
    made = changed(nn.RandomTokenCutoff(0.5, value=99), TOKENS)
    places = np.flatnonzero(made[0] == 99)
    assert len(places) == 4
    assert np.ptp(places) == 3


def test_synonyms_come_from_the_table():
    table = nn.nearest_tokens(np.array([[0, 0], [1, 0], [0.9, 0.1], [0, 1], [0.1, 1], [-1, -1]], "float32"), 1)
    assert table == ((0,), (2,), (1,), (4,), (3,), (5,))
    made = changed(nn.RandomSynonyms(table, rate=1.0), np.array([[1, 3, 5, 0]], "int32"))
    assert made.tolist() == [[2, 4, 5, 0]]
    with pytest.raises(ArgumentError, match="below its length"):
        nn.RandomSynonyms(((0,), (7,)))
    with pytest.raises(DTypeError, match="before the embedding"):
        changed(nn.RandomTokenSwap(), SERIES[..., 0])


def test_quantiles_are_those_of_the_beta_distribution():
    special = pytest.importorskip("scipy.special")
    for alpha in (0.2, 0.5, 1.0, 3.0):
        expected = special.betaincinv(alpha, alpha, np.arange(257) / 256)
        assert np.allclose(beta_quantiles(alpha), expected, atol=2e-4)


def test_mixup_mixes_inputs_targets_and_weights_alike():
    x = np.eye(6, dtype="float32")
    made = nn.MixUp(1.0).on_batch(draws(6), {"x": sl.asarray(x), "y": sl.asarray(x), "weight": [sl.asarray(np.arange(6, dtype="float32"))]})
    mixed = np.asarray(made["x"])
    assert np.allclose(mixed, np.asarray(made["y"]))
    assert np.allclose(mixed.sum(axis=1), 1.0)
    assert (np.diag(mixed) >= 0.5 - 1e-6).all()
    assert ((mixed > 0).sum(axis=1) == 2).any()
    assert np.allclose(np.asarray(made["weight"][0]), mixed @ np.arange(6), atol=1e-5)


def test_cutmix_shares_are_the_areas():
    x = np.broadcast_to(np.arange(6, dtype="float32")[:, None, None, None], (6, 8, 8, 1)).copy()
    made = nn.CutMix().on_batch(draws(6), {"x": sl.asarray(x), "y": sl.asarray(np.eye(6, dtype="float32"))})
    pixels, shares = np.asarray(made["x"]), np.asarray(made["y"])
    for image, share in zip(pixels, shares, strict=True):
        assert np.allclose(share, [(image == k).mean() for k in range(6)], atol=1e-6)


def test_cutmix_of_rows_is_refused():
    with pytest.raises(ShapeError, match=r"nn\.MixUp"):
        nn.CutMix().on_batch(draws(2), {"x": sl.ones((2, 3)), "y": sl.ones((2, 1))})
