"""Hashed texts: equal words give equal features, in any order and any batch, for ever."""

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from saltus.data.text import gram_tokens, hash_words, hashed_counts, word_tokens


def counts(*texts, width=64, grams=False):
    return hashed_counts(pl.Series(list(texts), dtype=pl.String), width, grams=grams)


def test_case_order_and_punctuation_of_words_do_not_matter():
    table = counts("Good film!", "film, good", "good film")
    assert (table == table[0]).all()
    assert not (counts("good film", "bad film")[0] == counts("good film", "bad film")[1]).all()


def test_rows_have_the_length_one_and_missing_ones_are_zero():
    table = counts("one two three", None, "", "four")
    np.testing.assert_allclose(np.sqrt((table**2).sum(axis=1)), [1, 0, 0, 1], atol=1e-6)


def test_similar_codes_share_letter_groups():
    table = counts("PC 17599", "PC 17601", "A/5 21171", grams=True)
    assert table[0] @ table[1] > table[0] @ table[2] + 0.1


def test_the_hash_never_changes():
    assert hash_words(pl.Series(["cat", "naïve", ""])).tolist() == [int(h) for h in _reference(["cat", "naïve", ""])]
    rows, hashes = gram_tokens(pl.Series(["ab"]))
    assert rows.tolist() == [0, 0]
    assert hashes.tolist() == _reference(["\x02ab", "ab\x03"])


def _reference(words):
    """The hash written out with Python's own integers."""
    found, mask = [], 2**64 - 1
    for word in words:
        h = sum((byte + 1) * 0x100000001B3**place for place, byte in enumerate(word.encode())) & mask
        h = ((h ^ (h >> 30)) * 0xBF58476D1CE4E5B9) & mask
        h = ((h ^ (h >> 27)) * 0x94D049BB133111EB) & mask
        found.append(h ^ (h >> 31))
    return found


@given(st.lists(st.one_of(st.none(), st.text(max_size=20)), min_size=1, max_size=20), st.booleans())
def test_a_row_is_hashed_the_same_alone_and_among_others(texts, grams):
    table = counts(*texts, grams=grams)
    assert np.isfinite(table).all()
    for i, text in enumerate(texts):
        np.testing.assert_array_equal(counts(text, grams=grams)[0], table[i])


@given(st.lists(st.text(st.characters(categories=["L", "Nd"]), min_size=1, max_size=6), max_size=10))
def test_each_word_gives_one_token(words):
    text = " ".join(words)
    rows, _ = word_tokens(pl.Series([text, "x"]))
    assert (rows == 0).sum() == len(words)
    assert (rows == 1).sum() == 1
