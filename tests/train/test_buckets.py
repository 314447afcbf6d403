"""Texts of unequal lengths train in batches of like length: less padding, the same rules for order, resuming and results."""


import numpy as np
import pytest
from kinds_of_data import Stop

import saltus as sl
from saltus import nn
from saltus.base.errors import ShapeError
from saltus.data import lengths
from saltus.data.lengths import lengths_of, sorted_by_length
from saltus.train import Model, fit_texts
from saltus.train.buckets import InBuckets
from saltus.train.plan import Pace
from saltus.train.sources import Order

RNG = np.random.default_rng(0)
GOOD, BAD = ("fine", "lovely", "bright", "warm"), ("dull", "cold", "grey", "poor")


def ragged(rows=400, width=64, seed=0):
    """Numbers of words, most rows short."""
    rng = np.random.default_rng(seed)
    made = rng.integers(1, 50, (rows, width)).astype("int32")
    ends = np.minimum(width, 4 + rng.exponential(10, rows).astype(int))
    ends[0] = width
    made[np.arange(width) >= ends[:, None]] = 0
    return made


X = ragged()
Y = (X[:, :4].sum(axis=1) > 100).astype("int32")


@pytest.fixture
def small(monkeypatch):
    """Buckets for few rows too."""
    monkeypatch.setattr(lengths, "ROWS", 40)


def texts(rows=240):
    rng = np.random.default_rng(1)
    made, labels = [], []
    for row in range(rows):
        good, count = row % 2 == 0, int(rng.integers(2, 40) if row % 5 == 0 else rng.integers(2, 8))
        words = [str(rng.choice(GOOD if good else BAD)), *(f"w{int(k)}" for k in rng.integers(0, 30, count))]
        made.append(" ".join(rng.permutation(words)))
        labels.append("good" if good else "bad")
    return {"text": made, "label": labels}


# -- which lengths -------------------------------------------------------------------------------------------------------


def test_lengths_are_chosen_so_that_little_is_padding(small):
    found = sorted_by_length([X])
    (own,) = found.edges
    ends = lengths_of(X)
    assert len(own) <= lengths.MOST and list(own) == sorted(set(own)) and own[-1] == 64
    assert (np.array(own)[found.of_row] >= ends).all()
    assert found.padding == pytest.approx(1 - ends.sum() / np.array(own)[found.of_row].sum(), abs=1e-4)
    assert found.before == pytest.approx((X == 0).mean())
    assert found.padding < 0.5 * found.before
    assert f"{found.padding:.0%} of it is padding" in str(found)


def test_two_texts_share_their_buckets(small):
    other = ragged(width=32, seed=5)
    found = sorted_by_length([X, other])
    for sequence, own in zip((X, other), found.edges, strict=True):
        assert (np.array(own)[found.of_row] >= lengths_of(sequence)).all()
    assert len(found.edges[0]) == len(found.edges[1])


def test_few_rows_or_equal_lengths_stay_together(small):
    assert sorted_by_length([X[:60]]) is None
    assert sorted_by_length([np.ones((400, 30), "int32")]) is None
    assert sorted_by_length([]) is None


# -- the order ---------------------------------------------------------------------------------------------------------


def source():
    return InBuckets({"x": X, "y": Y}, [0], sorted_by_length([X]))


def batches_of(made, epoch, position=0, size=32, shuffle=True):
    plan = made.plan(size, 5)
    pieces = made.pieces(plan, Pace(plan.full_batches, 1e6), Order(3, shuffle), epoch, position)
    return [np.pad(piece.feed.tree["x"][rows], ((0, 0), (0, 64)))[:, :64] for piece in pieces for rows in piece.rows]


def test_every_row_comes_once_in_as_many_batches_as_planned(small):
    made = source()
    for epoch in (0, 1):
        found = batches_of(made, epoch)
        assert [len(batch) for batch in found] == [32] * 12 + [16]
        assert sorted(np.concatenate(found).tolist()) == sorted(X.tolist())
    assert [b.tolist() for b in batches_of(made, 0)] != [b.tolist() for b in batches_of(made, 1)]
    assert [b.tolist() for b in batches_of(made, 0)] == [b.tolist() for b in batches_of(source(), 0)]


@pytest.mark.parametrize("position", [1, 6, 12])
def test_an_epoch_can_begin_anywhere(small, position):
    whole, rest = batches_of(source(), 2), batches_of(source(), 2, position)
    assert [b.tolist() for b in whole[position:]] == [b.tolist() for b in rest]


def test_batches_are_cut_to_few_lengths(small):
    made = source()
    plan = made.plan(32, 1)
    found = [piece.feed.tree["x"].shape[1] for piece in made.pieces(plan, Pace(12, 1e6), Order(0, True), 0, 0)]
    assert set(found) <= set(made.lengths.edges[0])
    assert sum(found) < 0.5 * 64 * len(found)


# -- results -----------------------------------------------------------------------------------------------------------


def weights(fitted):
    return [leaf.tolist() for leaf in sl.train.program.tree.leaves(fitted.model.state())]


@pytest.mark.parametrize("reader", ["bag", "convolution", "recurrent"])
def test_padding_says_nothing(small, reader):
    model = fit_texts(texts(), "label", reader=reader, epochs=2, verbose=0)
    (words,) = model.encoder.transform(texts(), target=False).texts
    ends = lengths_of(words)
    longest = int(ends[ends < words.shape[1]].max())
    short = words[ends <= longest]
    wide, narrow = model.model.predict(short), model.model.predict(np.ascontiguousarray(short[:, :longest]))
    np.testing.assert_allclose(wide, narrow, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("reader", ["bag", "convolution", "recurrent"])
def test_buckets_learn_as_well_and_predict_the_same_one_by_one(small, reader):
    model = fit_texts(texts(600), "label", reader=reader, epochs=12, batch_size=16, verbose=0)
    assert model.scores["accuracy"] > 0.9
    table = texts(60)
    together = model.predict_proba(table)
    alone = np.concatenate([model.predict_proba([text]) for text in table["text"][:6]])
    np.testing.assert_allclose(together[:6], alone, rtol=1e-4, atol=1e-5)


def test_a_report_says_the_share_of_padding(small):
    said = []
    fit_texts(texts(), "label", epochs=1, verbose=0, told=lambda encoder: said.append(str(encoder.describe())))
    assert "like lengths go together, cut to" in said[0]
    assert "in one length" in said[0]


@pytest.mark.parametrize("batches", [3, 14])
def test_the_middle_of_an_epoch_is_a_place_to_go_on_from(small, tmp_path, batches):
    def fit(**how):
        return fit_texts(
            texts(), "label", reader="convolution", epochs=3, batch_size=16, augment="deletion", balanced=True, verbose=0, **how
        )

    whole = weights(fit())
    with pytest.raises(sl.train.Interrupted):
        fit(callbacks=[Stop(batches)], checkpoint=tmp_path)
    assert weights(fit(checkpoint=tmp_path, resume=True)) == whole


def test_a_network_of_ones_own_gets_one_length(small):
    network = nn.Sequential([nn.Embedding(200, 4), nn.Flatten(), nn.Dense(2)])
    model = fit_texts(texts(), "label", grams=1, network=network, epochs=1, verbose=0)
    assert model.predict(texts(60)).shape == (60,)


def test_an_input_of_any_length_takes_any_length_and_others_do_not():
    words, fixed = nn.Input((None,), "int32"), nn.Input((3,))
    pooled = nn.EmbeddingBag(50, 4)(words)
    model = Model(nn.Network([words, fixed], nn.Dense(2)(nn.Concatenate()(pooled, fixed))), loss="mse")
    numbers = np.zeros((2, 3), "float32")
    assert model.predict((X[:2, :20], numbers)).shape == model.predict((X[:2, :7], numbers)).shape == (2, 2)
    with pytest.raises(ShapeError, match="built for"):
        model.predict((X[:2], numbers[:, :2]))
