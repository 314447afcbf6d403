"""Ensembles of data that do not fit into memory: the same networks as in memory, or rows drawn from blocks."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from PIL import Image

import saltus as sl
from saltus import nn
from saltus.base import tree
from saltus.train.images import fit_images
from saltus.train.members import members_of
from saltus.train.series import fit_series
from saltus.train.sources import InBlocks, TakenRows
from saltus.train.streamed_ensembles import STREAMED
from saltus.train.tabular import fit_table


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    generator = np.random.default_rng(0)
    x = generator.normal(size=(600, 3))
    file = tmp_path_factory.mktemp("rows") / "rows.csv"
    pl.DataFrame({"a": x[:, 0], "b": x[:, 1], "c": x[:, 2], "y": np.where(x[:, 0] > 0, "up", "down")}).write_csv(file)
    return file


@pytest.mark.parametrize("method", STREAMED)
def test_a_table_read_in_blocks_trains_every_such_ensemble(method, table, tmp_path):
    model = fit_table(table, "y", memory=0, ensemble=method, members=2, epochs=6, verbose=0)
    assert model.scores["accuracy"] > 0.7
    assert isinstance(model.model.network, nn.Ensemble) == (method != "averaging")
    model.save(tmp_path / "model.saltus")
    assert (sl.load(tmp_path / "model.saltus").predict(table) == model.predict(table)).all()


def test_members_of_bagging_see_other_rows(table):
    one, two = (fit_table(table, "y", memory=0, ensemble="bagging", members=2, epochs=2, seed=s, verbose=0) for s in (0, 0))
    first, second = (tree.leaves(member.params) for member in members_of(one.model))
    assert any((np.asarray(a) != np.asarray(b)).any() for a, b in zip(first, second, strict=True))
    assert (one.predict_proba(table) == two.predict_proba(table)).all()


def test_images_decoded_while_training_vote_as_those_in_memory(tmp_path):
    generator = np.random.default_rng(0)
    for label, base in (("dark", 60), ("light", 160)):
        (tmp_path / label).mkdir()
        for k in range(20):
            pixels = generator.normal(base, 30, (8, 8)).clip(0, 255).astype("uint8")
            Image.fromarray(pixels).save(tmp_path / label / f"{k:02}.png")
    how = {"ensemble": "voting", "members": 2, "epochs": 2, "verbose": 0}
    streamed, held = fit_images(tmp_path, memory=0, **how), fit_images(tmp_path, **how)
    np.testing.assert_array_equal(streamed.predict_proba(tmp_path), held.predict_proba(tmp_path))


def test_windows_cut_while_training_are_bagged():
    day = np.arange(300)
    rows = {"day": np.datetime64("2023-01-01") + day, "sold": 10 + day % 7 + day / 50}
    model = fit_series(rows, "sold", memory=100, ensemble="bagging", members=2, epochs=4, verbose=0)
    assert model.predict(rows).shape == (1, 1)


def test_a_drawing_repeats_itself_and_keeps_to_its_rows():
    class Numbers(sl.data.Blocks):
        sizes = (40, 30)

        def read(self, block):
            x = np.arange(self.sizes[block], dtype="float32")[:, None] + 100 * block
            return x, x

    source = InBlocks(Numbers(), (0.0, 0.5), 3)
    drawn = source.drawn(7)
    for block in (0, 1):
        assert set(drawn.own(block)) <= set(source.own(block)) and len(drawn.own(block)) == len(source.own(block))
        assert drawn.own(block).tolist() == source.drawn(7).own(block).tolist() != source.drawn(8).own(block).tolist()

    class Ten(sl.data.Rows):
        def __len__(self):
            return 10

        def take(self, rows):
            return rows.astype("float32")[:, None], rows.astype("float32")[:, None]

    rows = TakenRows(Ten(), np.arange(5)).drawn(1).rows
    assert len(rows) == 5 and set(rows.tolist()) < set(range(5))
