"""Tables that are larger than memory: read in blocks while the training runs, from raw cells to labels."""


import numpy as np
import polars as pl
import pytest
from kinds_of_data import Stop

import saltus as sl
from saltus.base.errors import ArgumentError, DataError
from saltus.data import TableFiles
from saltus.train import TabularModel, fit_table, larger
from saltus.train.kinds import named

RNG = np.random.default_rng(2)


def rows(count):
    age, job = RNG.integers(18, 90, count), RNG.choice(["cook", "smith", "clerk"], count)
    pay = ["1,5 k" if p > 0.5 else None for p in RNG.random(count)]
    answer = np.where((age > 40) & (job != "cook"), "yes", "no")
    return pl.DataFrame({"age": age, "job": job, "pay": pay, "answer": answer})


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("large")
    whole = rows(4000)
    whole.write_csv(folder / "whole.csv")
    whole[:1500].write_parquet(folder / "first.parquet")
    whole[1500:].write_parquet(folder / "second.parquet")
    return folder


HOW = {"epochs": 3, "batch_size": 64, "verbose": 0}


def weights(trained):
    return [leaf.tolist() for leaf in sl.train.program.tree.leaves(trained.model.state())]


def test_a_large_file_trains_a_model_of_raw_rows(files, tmp_path):
    found = fit_table(files / "whole.csv", "answer", **{**HOW, "epochs": 10}, memory=1000)
    assert found.scores["accuracy"] > 0.9
    assert sum(found.rows.values()) == 4000
    assert 650 < found.rows["test"] < 950
    assert "read in blocks" in str(found.describe())
    found.save(tmp_path / "m.saltus")
    new = pl.DataFrame({"age": [70, 20], "job": ["smith", "smith"], "pay": [None, "1,5 k"]})
    assert TabularModel.load(tmp_path / "m.saltus").predict(new).tolist() == ["yes", "no"]


def test_a_file_that_fits_is_read_as_a_whole(files):
    assert "read in blocks" not in str(fit_table(files / "whole.csv", "answer", epochs=1, verbose=0).describe())


def test_several_files_are_one_table_and_the_order_of_reading_leaves_nothing_out(files, monkeypatch):
    seen = []
    both = TableFiles([files / "first.parquet", files / "second.parquet"], "answer", rows=300)
    real = larger.encode_with

    def noting(table, encoder):
        real(table, encoder)
        encode = table.encode
        table.encode = lambda frame, name, first: seen.append((name, first)) or encode(frame, name, first)

    monkeypatch.setattr(larger, "encode_with", noting)
    found = fit_table(both, options=sl.train.TableOptions(**HOW, test=0, validation=0))
    assert found.rows == {"train": 4000, "validation": 0, "test": 0}
    assert len(set(seen)) == len(both.sizes) == 5 + 9


def test_parts_are_of_rows_of_their_own_and_of_bounded_size(files, monkeypatch):
    monkeypatch.setattr(larger, "SOME", 100)
    table = TableFiles(files / "whole.csv", rows=500)
    assert table.target == "answer"
    spans = larger.spans_of(4000, 0.2, 0.1)
    parts = [larger.collected(table, span, 3, 100).frame for span in (spans.train, spans.validation, spans.test)]
    assert [part.height for part in parts[:1]] == [100]
    assert all(50 < part.height <= 100 for part in parts)
    numbers = [
        {(b, int(r)) for b in range(8) for r in sl.train.sources.rows_of_span(500, span, 3, b)}
        for span in (spans.train, spans.validation, spans.test)
    ]
    assert sum(map(len, numbers)) == len(set().union(*numbers)) == 4000


def test_a_class_that_few_rows_have_is_known(tmp_path, monkeypatch):
    monkeypatch.setattr(larger, "SOME", 150)
    whole = rows(3000).with_columns(answer=pl.when(pl.int_range(pl.len()) > 2990).then(pl.lit("maybe")).otherwise(pl.col("answer")))
    whole.write_csv(tmp_path / "t.csv")
    found = fit_table(TableFiles(tmp_path / "t.csv", "answer", rows=200), **HOW, test=0, validation=0)
    assert set(found.classes) == {"yes", "no", "maybe"}


def test_numbers_are_predicted_too(tmp_path):
    x = RNG.normal(size=2000)
    pl.DataFrame({"x": x, "y": 100 + 20 * x}).write_parquet(tmp_path / "t.parquet")
    found = fit_table(tmp_path / "t.parquet", "y", epochs=10, verbose=0, memory=0)
    assert found.scores["r2"] > 0.9


def test_it_goes_on_in_the_middle_of_an_epoch(files, tmp_path):
    def fit(**how):
        return fit_table(TableFiles(files / "whole.csv", "answer", rows=300), **HOW, **how)

    with pytest.raises(sl.train.Interrupted):
        fit(callbacks=[Stop(70)], checkpoint=tmp_path)
    assert weights(fit(checkpoint=tmp_path, resume=True)) == weights(fit())


def test_the_command_line_says_what_it_does(files):
    kind = named("table")
    opened = kind.open(str(files / "whole.csv"), "answer", kind.options(memory=10.0))
    assert "4,000 rows, 4 columns, read in blocks" in opened.said
    assert isinstance(opened.data, TableFiles)


def test_what_cannot_be_learnt_is_refused_with_its_place(files, tmp_path):
    rows(500).with_columns(answer=pl.when(pl.int_range(pl.len()) != 321).then(pl.col("answer"))).write_csv(tmp_path / "gone.csv")
    with pytest.raises(DataError, match="row 322 has no value of the target 'answer'"):
        fit_table(TableFiles(tmp_path / "gone.csv", "answer", rows=100), **HOW)
    with pytest.raises(DataError, match="1 of 2 files is not there"):
        fit_table([files / "first.parquet", files / "third.parquet"], "answer", **HOW)
    with pytest.raises(ArgumentError, match="stacking needs its data in memory"):
        fit_table(files / "whole.csv", "answer", memory=0, ensemble="stacking", **HOW)
