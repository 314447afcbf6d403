"""Training on data that are read while it runs: any rows, files in blocks, generators; the order is a pure function of
(seed, epoch, position), so a training that was stopped goes on exactly.
"""

import os
import signal

import numpy as np
import polars as pl
import pytest

import saltus as sl
from saltus import nn
from saltus.base.errors import ArgumentError, DataError, SaltusError, UnknownNameError
from saltus.data import Batches, Blocks, Rows, TableFiles
from saltus.train import Model, sources

RNG = np.random.default_rng(0)
X = RNG.normal(size=(300, 5)).astype("float32")
Y = (X[:, 0] + 0.3 * RNG.normal(size=300) > 0).astype("int64")


def model(**how):
    network = nn.Sequential([nn.Dense(8, activation="relu"), nn.Dropout(0.2), nn.Dense(2)])
    optimizer = sl.optim.Adam(sl.optim.CosineDecay(0.02, 100), use_ema=True, ema_momentum=0.8)
    return Model(network, loss="sparse_categorical_crossentropy", optimizer=optimizer, metrics=["accuracy"], seed=1, **how)


def weights(trained):
    return [t.tolist() for t in sl.train.program.tree.leaves(trained.state())]


class Memory(Rows):
    """Rows of arrays, with a note of what was asked for."""

    def __init__(self, x=X, y=Y):
        self.x, self.y, self.asked = x, y, []

    def __len__(self):
        return len(self.x)

    def take(self, rows):
        self.asked.append(rows)
        return self.x[rows], self.y[rows]

    def labels(self):
        return self.y


class Cut(Blocks):
    """Blocks of arrays, with a note of what was read."""

    def __init__(self, rows=50):
        self.sizes = tuple(min(rows, 300 - at) for at in range(0, 300, rows))
        self.rows, self.read_blocks = rows, []

    def read(self, block):
        self.read_blocks.append(block)
        place = slice(block * self.rows, block * self.rows + self.rows)
        return X[place], Y[place]


def batches(epoch):
    rng = np.random.default_rng(epoch)
    for _ in range(9):
        rows = rng.integers(0, 300, 32)
        yield X[rows], Y[rows]


def endless():
    for epoch in range(1000):
        yield from batches(epoch)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tables")
    frame = pl.DataFrame({**{f"f{i}": X[:, i] for i in range(5)}, "y": Y})
    frame.write_parquet(folder / "all.parquet")
    frame.write_csv(folder / "all.csv")
    frame.write_csv(folder / "all.tsv", separator="\t")
    frame.write_ipc(folder / "all.arrow", compression="uncompressed")
    frame[:120].write_parquet(folder / "one.parquet")
    frame[120:].write_parquet(folder / "two.parquet")
    return folder


# -- the order ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", [{}, {"validation": 0.2}, {"class_weight": "balanced"}, {"shuffle": False}])
def test_rows_that_are_fetched_train_the_same_weights_as_rows_in_memory(how):
    there, fetched = model(), model()
    first = there.fit(X, Y, epochs=2, batch_size=32, verbose=0, **how)
    second = fetched.fit(Memory(), epochs=2, batch_size=32, verbose=0, **how)
    assert weights(there) == weights(fetched)
    assert [{k: v for k, v in r.items() if k != "seconds"} for r in first.records] == [
        {k: v for k, v in r.items() if k != "seconds"} for r in second.records
    ]


def epoch_of(source, epoch, batch=32, position=0, shuffle=True):
    plan = source.plan(batch, 10)
    pace = sl.train.plan.Pace(plan.full_batches, 1e7)
    pieces = source.pieces(plan, pace, sources.Order(3, shuffle), epoch, position)
    return [p.feed.tree["x"][rows] for p in pieces for rows in p.rows]


def test_blocks_are_mixed_in_order_and_inside_and_no_row_is_lost(monkeypatch):
    monkeypatch.setattr(sources, "BUFFER", 2 * 50 * (5 * 4 + 8))  # two blocks
    source = sources.InBlocks(Cut())
    orders = []
    for epoch in (0, 1):
        found = np.concatenate(epoch_of(source, epoch))
        assert sorted(found.tolist()) == sorted(X.tolist())
        orders.append(found.tolist())
        blocks = [{int(np.flatnonzero((row == X).all(axis=1))[0]) // 50 for row in found[at : at + 100]} for at in (0, 100, 200)]
        assert [len(part) for part in blocks] == [2, 2, 2]  # rows of a buffer come from its blocks only
    assert orders[0] != orders[1]
    assert np.concatenate(epoch_of(source, 0)).tolist() == orders[0]
    assert np.concatenate(epoch_of(source, 0, shuffle=False)).tolist() == X.tolist()


@pytest.mark.parametrize("make", [lambda: sources.InBlocks(Cut()), lambda: sources.TakenRows(Memory()), lambda: sources.InBatches(
    Batches(batches, 9)), lambda: sources.InBatches(Batches(endless(), 9))])  # fmt: skip
@pytest.mark.parametrize("position", [1, 4, 8])
def test_an_epoch_can_begin_anywhere(make, position, monkeypatch):
    monkeypatch.setattr(sources, "BUFFER", 3000)
    whole, rest = epoch_of(make(), 2), epoch_of(make(), 2, position=position)
    assert [b.tolist() for b in whole[position:]] == [b.tolist() for b in rest]


def test_blocks_that_are_over_are_not_read_again_to_go_on(monkeypatch):
    monkeypatch.setattr(sources, "BUFFER", 1)  # one block at a time
    supply = Cut(rows=50)
    source = sources.InBlocks(supply)
    supply.read_blocks.clear()
    epoch_of(source, 0, batch=50, position=4)
    assert len(supply.read_blocks) == 2


def test_memory_is_bounded_by_pieces_of_a_stated_size(monkeypatch):
    monkeypatch.setattr(sources, "PIECE", 4 * 32 * 28)  # four batches of 32 rows of 28 bytes
    supply = Memory()
    model().fit(supply, epochs=1, batch_size=32, verbose=0)
    assert max(len(rows) for rows in supply.asked) == 4 * 32


def test_a_held_out_share_of_blocks_is_the_same_in_every_epoch():
    train, held = sources.InBlocks(Cut()).parted(0.25, 7)
    parts = [sorted(np.concatenate(epoch_of(part, epoch)).tolist()) for part in (train, held) for epoch in (0, 1)]
    assert parts[0] == parts[1] and parts[2] == parts[3]
    assert sorted(parts[0] + parts[2]) == sorted(X.tolist())
    assert 40 < len(parts[2]) < 110


# -- files -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["all.parquet", "all.arrow", "all.csv", "all.tsv"])
def test_files_of_any_form_train_the_same(files, name):
    trained = model()
    run = trained.fit(files / name, target="y", epochs=3, batch_size=32, validation=0.2, verbose=0)
    reference = model()
    again = reference.fit(str(files / "all.parquet"), target="y", epochs=3, batch_size=32, validation=0.2, verbose=0)
    assert weights(trained) == weights(reference) or name.endswith("sv")  # text has other last digits
    assert np.allclose(run["loss"], again["loss"], rtol=1e-5)
    assert run["val_accuracy"][-1] > 0.7


def test_several_files_are_one_table(files):
    read = [TableFiles([files / "one.parquet", files / "two.parquet"], "y", rows=70).read(block) for block in range(5)]
    assert np.concatenate([x for x, _ in read]).tolist() == X.tolist()
    assert np.concatenate([y for _, y in read]).tolist() == Y.tolist()


def test_text_with_quoted_line_ends_is_cut_between_rows(tmp_path):
    words = ["plain", "two\nlines", 'a "quoted" one', "comma, here", ""]
    frame = pl.DataFrame({"text": [words[i % 5] for i in range(23)], "y": list(range(23))})
    frame.write_csv(tmp_path / "t.csv")
    table = TableFiles(tmp_path / "t.csv", "y", rows=4)
    assert table.sizes == (4, 4, 4, 4, 4, 3)
    found = pl.concat(list(table.frames()))
    assert found["y"].to_list() == [str(i) for i in range(23)]
    assert found["text"].fill_null("").to_list() == frame["text"].to_list()


def test_a_frame_is_parted_by_its_target():
    frame = pl.DataFrame({**{f"f{i}": X[:, i] for i in range(5)}, "y": Y})
    first, second = model(), model()
    first.fit(frame, target="y", epochs=1, verbose=0)
    second.fit(X, Y, epochs=1, verbose=0)
    assert weights(first) == weights(second)
    assert first.evaluate(frame, target="y") == second.evaluate(X, Y)


def test_files_are_judged_too(files):
    trained = model()
    trained.fit(X, Y, epochs=2, verbose=0)
    assert trained.evaluate(files / "all.parquet", target="y")["loss"] == pytest.approx(trained.evaluate(X, Y)["loss"], rel=1e-6)


# -- generators --------------------------------------------------------------------------------------------------------


def test_batches_of_all_forms_train_the_same():
    made = [b for epoch in range(3) for b in batches(epoch)]
    given = [batches, endless(), lambda: iter(made[:9])]
    runs = [model() for _ in given]
    for trained, source in zip(runs, given, strict=True):
        trained.fit(source, steps_per_epoch=9, epochs=3, verbose=0)
    assert weights(runs[0]) == weights(runs[1])
    listed = model()
    listed.fit(made[:9], epochs=3, verbose=0)
    assert weights(listed) == weights(runs[2]) != weights(runs[0])


def test_batches_may_have_different_sizes_and_weights():
    sizes = [32, 32, 7, 32, 1, 50]
    ends = np.cumsum(sizes)
    made = [(X[e - n : e], Y[e - n : e], np.ones(n)) for n, e in zip(sizes, ends, strict=True)]
    trained, stepwise = model(), model()
    trained.fit(made, epochs=2, verbose=0)
    for _ in range(2):
        for x, y, w in made:
            stepwise.train_on_batch(x, y, sample_weight=w)
    assert trained.state()["step"].item() == 12
    ours = trained.state()["optimizer"]
    theirs = stepwise.state()["optimizer"]
    for a, b in zip(sl.train.program.tree.leaves(ours), sl.train.program.tree.leaves(theirs), strict=True):
        assert np.allclose(a.numpy(), b.numpy(), atol=1e-6)


def test_an_error_in_a_generator_reaches_the_user():
    def broken():
        yield X[:32], Y[:32]
        raise ValueError("the disk is gone")

    with pytest.raises(ValueError, match="the disk is gone"):
        model().fit(broken(), steps_per_epoch=3, verbose=0)


# -- going on ----------------------------------------------------------------------------------------------------------


class StopAt(sl.train.Callback):
    """Ends the training as a signal would, after some batches."""

    def __init__(self, steps):
        self.steps = steps

    def on_train_batch_end(self, batch, logs):
        self.steps -= 1
        if not self.steps:
            os.kill(os.getpid(), signal.SIGINT)


FORMS = {
    "rows": lambda files: ((Memory(),), {"validation": 0.2}),
    "blocks": lambda files: ((Cut(),), {"validation": 0.2}),
    "parquet": lambda files: ((files / "all.parquet",), {"target": "y", "validation": 0.2}),
    "csv": lambda files: ((files / "all.csv",), {"target": "y", "validation": 0.2}),
    "function": lambda files: ((batches,), {"steps_per_epoch": 9}),
    "generator": lambda files: ((endless(),), {"steps_per_epoch": 9}),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("steps", [3, 13])
def test_resuming_in_the_middle_of_an_epoch_is_exact(tmp_path, files, form, steps, monkeypatch):
    monkeypatch.setattr(sources, "BUFFER", 3000)

    def fit(trained, **how):
        given, more = FORMS[form](files)
        return trained.fit(*given, **more, epochs=3, batch_size=32, verbose=0, **how)

    whole, parts, again = model(), model(), model()
    run = fit(whole)
    with pytest.raises(sl.train.Interrupted):
        fit(parts, callbacks=[StopAt(steps)], checkpoint=tmp_path)
    resumed = fit(again, checkpoint=tmp_path, resume=True)
    assert weights(again) == weights(whole)
    assert resumed["loss"] == run["loss"]


def test_other_data_are_not_resumed_by_mistake(tmp_path, files):
    model().fit(files / "all.parquet", target="y", epochs=1, verbose=0, checkpoint=tmp_path)
    with pytest.raises(ArgumentError, match="another training: its data"):
        model().fit(files / "one.parquet", target="y", epochs=2, verbose=0, checkpoint=tmp_path, resume=True)


# -- bad input ---------------------------------------------------------------------------------------------------------


def csv(tmp_path, text):
    (tmp_path / "t.csv").write_text(text)
    return tmp_path / "t.csv"


WRONG = {
    "labels of the validation only": (
        lambda t: model().fit(Memory(X, Y * 0 + (X[:, 1] > 9)), validation=(X, Y), verbose=0),
        DataError,
        "of the validation and in none of the training rows",
    ),
    "files that are missing": (lambda t: model().fit([t / "a.csv", t / "b.csv"], target="y"), DataError, "2 of 2 files are not there"),
    "no target": (lambda t: model().fit(csv(t, "a,y\n1,2\n")), ArgumentError, "target="),
    "another target": (lambda t: model().fit(csv(t, "a,y\n1,2\n"), target="z"), UnknownNameError, "'z'"),
    "text in a column": (lambda t: model().fit(csv(t, "a,y\n1,0\nred,1\n"), target="y"), DataError, "'a' in row 2 is 'red'"),
    "a missing value": (lambda t: model().fit(csv(t, "a,y\n1,0\n,1\n"), target="y"), DataError, "'a' in row 2 has no value"),
    "columns only": (lambda t: model().fit(csv(t, "a,y\n"), target="y"), DataError, "no rows"),
    "a ragged file": (lambda t: model().fit(csv(t, "a,y\n1,0\n1\n1,2,3\n"), target="y"), DataError, "t.csv"),
    "not parquet": (lambda t: model().fit(csv(t, "a").rename(t / "t.parquet"), target="y"), DataError, "t.parquet"),
    "steps unknown": (lambda t: model().fit(endless()), ArgumentError, "steps_per_epoch"),
    "steps for arrays": (lambda t: model().fit(X, Y, steps_per_epoch=3), ArgumentError, "steps_per_epoch is for batches"),
    "too few batches": (lambda t: model().fit(batches, steps_per_epoch=12, verbose=0), DataError, "epoch 1 end after 9, expected 12"),
    "batches without targets": (lambda t: model().fit(iter([X[:9]] * 3), steps_per_epoch=3), DataError, r"expected \(x, y\)"),
    "a share of a generator": (lambda t: model().fit(batches, steps_per_epoch=9, validation=0.2), ArgumentError, "cannot be held out"),
    "y twice": (lambda t: model().fit(Memory(), Y), ArgumentError, "y is given"),
    "unknown labels": (lambda t: model().fit(Memory(X, Y + 5), verbose=0), SaltusError, "class"),
    "NaN": (
        lambda t: model().fit(Memory(np.where(X[200, 2] == X, np.nan, X), Y), verbose=0, shuffle=False),
        DataError,
        "of the rows .*: x has nan in row",
    ),
    "NaN in a batch": (lambda t: model().fit([(X, Y), (X * np.nan, Y)], verbose=0), DataError, "batch 2 of epoch 1: x has nan in row 0"),
    "NaN in a file": (
        lambda t: model().fit(csv(t, "a,y\n" + "1,0\n2,1\n" * 150 + "nan,1\n"), target="y", verbose=0),
        DataError,
        "t.csv, counted from row 1: x has nan in row 300",
    ),
    "balanced, but labels unknown": (lambda t: model().fit(Cut(), class_weight="balanced"), ArgumentError, "labels of all rows"),
}


@pytest.mark.parametrize("case", WRONG)
def test_bad_input_is_refused_with_its_place(case, tmp_path):
    make, kind, words = WRONG[case]
    with pytest.raises(kind, match=words):
        make(tmp_path)
