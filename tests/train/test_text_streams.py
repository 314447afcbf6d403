"""Texts larger than memory: the network that training in memory gives, bit for bit, and memory that is bounded."""

import numpy as np
import polars as pl
import pytest

import saltus as sl
from saltus.base.errors import ArgumentError, DataError
from saltus.data import lengths
from saltus.data.spool import Ragged
from saltus.data.texts import TextFiles
from saltus.train import fit_texts, text_streams
from saltus.train.kinds import infer, named

GOOD, BAD = ("fine", "lovely", "bright", "warm"), ("dull", "cold", "grey", "poor")


def texts(rows=240, seed=1):
    rng = np.random.default_rng(seed)
    made, labels = [], []
    for row in range(rows):
        good = row % 2 == 0
        words = [str(rng.choice(GOOD if good else BAD)), *(f"w{int(k)}" for k in rng.integers(0, 30, int(rng.integers(2, 20))))]
        made.append(" ".join(rng.permutation(words)))
        labels.append("good" if good else "bad")
    return {"text": made, "stars": rng.normal(size=rows).round(3), "label": labels}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("texts")
    frame = pl.DataFrame(texts())
    frame.write_csv(folder / "all.csv")
    frame.write_parquet(folder / "all.parquet")
    frame[:100].write_csv(folder / "one.csv")
    frame[100:].write_csv(folder / "two.csv")
    for number, (text, label) in enumerate(frame.select("text", "label").iter_rows()):
        (folder / "by_class" / label).mkdir(parents=True, exist_ok=True)
        (folder / "by_class" / label / f"{number:03}.txt").write_text(text)
    return folder


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(text_streams, "BLOCK", 50)


def weights(fitted):
    return [leaf.tolist() for leaf in sl.train.program.tree.leaves(fitted.model.state())]


QUICK = {"epochs": 3, "batch_size": 16, "verbose": 0}


@pytest.mark.parametrize("rows", [40, 10_000])  # with lengths bucketed, and without
@pytest.mark.parametrize("name", ["all.csv", "all.parquet", "by_class"])
def test_the_network_is_that_of_texts_in_memory(files, name, rows, monkeypatch):
    monkeypatch.setattr(lengths, "ROWS", rows)
    target = None if name == "by_class" else "label"
    there = fit_texts(files / name, target, **QUICK)
    streamed = fit_texts(files / name, target, memory=100, **QUICK)
    assert weights(there) == weights(streamed)
    assert there.scores == streamed.scores
    assert there.rows == streamed.rows
    assert there.seen == streamed.seen  # an evaluation knows what it was trained on
    assert streamed.predict(texts(5, seed=2)).tolist() == there.predict(texts(5, seed=2)).tolist()


def test_several_files_are_one_table_of_texts(files):
    whole, parts = fit_texts(files / "all.csv", "label", **QUICK), fit_texts([files / "one.csv", files / "two.csv"], "label", **QUICK)
    assert weights(whole) == weights(parts)


def test_what_happens_is_said(files):
    said = []
    fit_texts(files / "by_class", memory=100, told=lambda encoder: said.append(str(encoder.describe())), **QUICK)
    assert "240 texts are read in blocks of 50 and kept on disk as numbers" in said[0]
    opened = named("text").open(files / "by_class", None, named("text").options(memory=100.0))
    assert "240 texts, read in blocks of 50; target 'class'" in opened.said
    assert infer(files / "by_class").name == "text"


def test_words_come_from_some_texts_where_there_are_very_many(files, monkeypatch):
    monkeypatch.setattr(text_streams, "LOOKED_AT", 60)
    said = []
    model = fit_texts(files / "all.csv", "label", memory=100, epochs=15, verbose=0, told=lambda e: said.append(str(e.describe())))
    assert "words are numbered from 60 of them" in said[0]
    assert model.scores["accuracy"] > 0.85
    assert model.rows["test"] <= 60


def test_one_block_is_in_memory_at_a_time(files, monkeypatch):
    asked = []
    read = TextFiles.frame
    monkeypatch.setattr(TextFiles, "frame", lambda self, block: asked.append(len(made := read(self, block))) or made)
    fit_texts(files / "by_class", memory=100, **QUICK)
    assert max(asked) == 50


def test_a_training_goes_on_from_the_middle(files, tmp_path):
    class Stop(sl.train.Callback):
        left = 14

        def on_train_batch_end(self, batch, logs):
            self.left -= 1
            if not self.left:
                raise KeyboardInterrupt

    whole = weights(fit_texts(files / "by_class", memory=100, **QUICK))
    with pytest.raises(KeyboardInterrupt):
        fit_texts(files / "by_class", memory=100, callbacks=[Stop()], checkpoint=tmp_path, checkpoint_seconds=0.0, **QUICK)
    assert weights(fit_texts(files / "by_class", memory=100, checkpoint=tmp_path, resume=True, **QUICK)) == whole


def test_numbers_on_disk_are_read_like_an_array():
    rng = np.random.default_rng(0)
    table = rng.integers(1, 9, (50, 12)).astype("int32")
    table[np.arange(12) >= rng.integers(0, 13, 50)[:, None]] = 0
    kept = Ragged(None, 12)
    for begin in range(0, 50, 7):
        kept.append(table[begin : begin + 7])
    rows = rng.permutation(50)[:30]
    assert kept.shape == table.shape
    np.testing.assert_array_equal(kept[rows], table[rows])
    np.testing.assert_array_equal(kept[rows, :5], table[rows, :5])
    empty = Ragged(None, 3)
    empty.append(np.zeros((2, 3), "int32"))
    assert empty[np.array([1, 0])].tolist() == [[0, 0, 0], [0, 0, 0]]


def test_what_cannot_be_done_is_refused(files, tmp_path):
    with pytest.raises(ArgumentError, match="stacking needs its data in memory"):
        fit_texts(files / "all.csv", "label", memory=100, ensemble="stacking", **QUICK)
    pl.DataFrame({"a": ["x", "y"] * 50, "b": ["u", "v"] * 50}).write_csv(tmp_path / "short.csv")
    with pytest.raises(DataError, match="no column of free text"):
        fit_texts(tmp_path / "short.csv", memory=100, **QUICK)
    (tmp_path / "bad" / "a").mkdir(parents=True)
    (tmp_path / "bad" / "b").mkdir()
    for name in ("a/1", "a/2", "b/1", "b/2"):
        (tmp_path / "bad" / f"{name}.txt").write_bytes(b"caf\xe9 " * 30)
    with pytest.raises(DataError, match=r"not text in UTF-8: .*a/1\.txt"):
        fit_texts(tmp_path / "bad", memory=10, **QUICK)
