"""Texts become numbers of their words: the same for ever, from whatever tokenizer."""

import json
import sys

import numpy as np
import polars as pl
import pytest

from saltus.base.errors import ArgumentError, DataError, UnknownNameError
from saltus.data import TableEncoder
from saltus.data.tokens import TOKENIZERS, Tokenizer, Vocabulary

TEXTS = pl.Series(["A fine film, really.", "a dull film", "Fine, fine film!", None, "", "dull and too long", "too long a film"] * 3)


def made(kind="words", **options):
    return Vocabulary.fit(TEXTS, Tokenizer.of(kind, TEXTS, size=60), **options)[0]


def test_words_and_pairs_have_numbers_and_order_counts_only_in_pairs():
    single, pairs = made(grams=1), made(grams=2)
    a, b = pl.Series(["fine film"]), pl.Series(["film fine"])
    assert np.array_equal(single.encode(a), single.encode(b))
    assert not np.array_equal(pairs.encode(a), pairs.encode(b))
    assert pairs.size > single.size
    table = single.encode(TEXTS)
    assert table.dtype == np.int32 and table.max() < single.size
    assert not table[3].any() and not table[4].any()
    assert np.count_nonzero(table[2]) == 2  # a word counts once


def test_unknown_words_are_left_out_and_long_texts_cut():
    words = made(grams=1, longest=2)
    assert not words.encode(pl.Series(["zebra xylophone"])).any()
    assert np.array_equal(words.encode(pl.Series(["dull film fine"])), words.encode(pl.Series(["dull film"])))
    assert made(grams=1, most=2).size == 3


@pytest.mark.parametrize("kind", TOKENIZERS)
def test_every_tokenizer_is_kept_in_the_config(kind):
    vocabulary = made(kind)
    back = Vocabulary.from_config(json.loads(json.dumps(vocabulary.to_config())))
    new = pl.Series(["a finer film", "dull"])
    assert vocabulary.encode(new).any()
    assert np.array_equal(back.encode(new), vocabulary.encode(new))
    assert made(kind).to_config() == vocabulary.to_config()


def test_a_tokenizer_can_be_loaded(tmp_path):
    path = tmp_path / "tokenizer.json"
    path.write_text(Tokenizer.of("bpe", TEXTS, size=60).model)
    assert np.array_equal(made(str(path)).encode(TEXTS), made("bpe").encode(TEXTS))
    path.write_text("{}")
    with pytest.raises(DataError, match=r"tokenizer\.json holds no tokenizer"):
        made(str(path))
    with pytest.raises(DataError, match=r"nowhere\.json cannot be read"):
        made("nowhere.json")
    with pytest.raises(UnknownNameError, match="wordpiece"):
        made("wordpeice")


def test_without_the_library_the_command_to_install_it_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(ArgumentError, match=r"pip install 'saltus\[text\]'"):
        made("bpe")
    assert made("words").size > 1


def test_texts_without_a_common_word_are_refused():
    with pytest.raises(DataError, match="no word occurs twice"):
        Vocabulary.fit(pl.Series(["one", "two"]), Tokenizer())


def test_many_hashes_are_found_where_they_are():
    rng = np.random.default_rng(5)
    texts = pl.Series([" ".join(f"w{i}" for i in rng.integers(0, 3_000, 40)) for _ in range(400)])
    words, table = Vocabulary.fit(texts, Tokenizer(), grams=1)
    assert np.array_equal(table, words.encode(texts))
    sets_of_numbers = [set(row[row > 0].tolist()) for row in words.encode(texts)]
    by_word = {word: set(words.encode(pl.Series([word]))[0].tolist()) - {0} for word in {w for t in texts for w in t.split()}}
    assert all(len(numbers) <= 1 for numbers in by_word.values())
    assert len(set().union(*by_word.values())) == words.size - 1
    for text, numbers in zip(texts.to_list()[:50], sets_of_numbers[:50], strict=True):
        assert numbers == set().union(*(by_word[w] for w in text.split()))


def test_long_texts_of_a_table_are_read_by_words_beside_its_other_columns():
    rng = np.random.default_rng(2)
    common = ["quick", "slow", "bright", "dark", "loud", "calm", "warm", "cold", "soft", "hard"]
    texts = [" ".join(rng.choice(common, 8)) + f" n{i}" for i in range(600)]
    table = {"text": texts, "size": rng.normal(size=600), "shop": rng.choice(["a", "b"], 600), "y": rng.integers(0, 2, 600)}
    encoder = TableEncoder()
    made = encoder.fit_transform(table, "y")
    assert made.text_names == ("text",) and made.texts[0].shape[0] == 600
    assert len(made.inputs) == 3
    assert "words and pairs" in str(encoder.describe())
    back = TableEncoder.from_config(json.loads(json.dumps(encoder.to_config())))
    assert np.array_equal(back.transform(table).texts[0], made.texts[0])
    few = {name: values[:100] for name, values in table.items()}
    assert TableEncoder().fit_transform(few, "y").texts == ()  # too few to learn vectors of words from
