"""Windows of series that are cut while the training runs: the same network, bit for bit, in the memory of the series."""

import numpy as np
import polars as pl
import pytest

import saltus as sl
from saltus.base.errors import ArgumentError, DataError
from saltus.data import read_table, window_rows
from saltus.data.series import SeriesEncoder
from saltus.data.window_rows import WindowRows
from saltus.train import fit_series

RNG = np.random.default_rng(2)
DAYS = np.arange("2021-01-01", "2022-06-01", dtype="datetime64[D]")
QUICK = {"epochs": 3, "batch_size": 64, "verbose": 0}


def sales(key=True):
    """Three shops (or one) with a week's rhythm, a price beside, and some days that were not measured."""
    parts, rng = [], np.random.default_rng(3)
    for number, name in enumerate(("north", "south", "west")[: 3 if key else 1]):
        sold = 50 + 10 * number + 8 * np.sin(np.arange(len(DAYS)) * 2 * np.pi / 7) + rng.normal(size=len(DAYS))
        cells = [None if k % 97 == 5 else float(v) for k, v in enumerate(sold)]
        parts.append(pl.DataFrame({"day": DAYS, "shop": [name] * len(DAYS), "price": rng.normal(5, 1, len(DAYS)), "sold": cells}))
    frame = pl.concat(parts)
    return frame if key else frame.drop("shop")


def weights(fitted):
    return [leaf.tolist() for leaf in sl.train.program.tree.leaves(fitted.model.state())]


@pytest.mark.parametrize("key", [True, False])
def test_the_network_is_that_of_windows_in_memory(key, tmp_path):
    sales(key).write_parquet(tmp_path / "sales.parquet")
    how = {"horizon": (1, "week"), **QUICK}
    there = fit_series(tmp_path / "sales.parquet", "sold", **how)
    streamed = fit_series(tmp_path / "sales.parquet", "sold", memory=1000, **how)
    assert weights(there) == weights(streamed)
    assert there.scores == streamed.scores
    assert there.rows == streamed.rows
    assert there.seen == streamed.seen
    assert any("of these samples were trained on" in note for note in streamed.evaluate(sales(key)).notes)
    np.testing.assert_array_equal(there.predict(sales(key)), streamed.predict(sales(key)))


def test_a_window_is_the_same_however_it_is_asked_for():
    encoder = SeriesEncoder("sold", horizons=(1, 3), window=10)
    lines, _ = encoder.open(read_table(sales()))
    encoder.fit(lines)
    whole, rows = encoder.windows(lines), WindowRows(encoder, lines, encoder.places(lines))
    asked = RNG.permutation(len(whole))[:200]
    (numbers, codes), target = rows.take(asked)
    np.testing.assert_array_equal(numbers, whole.numbers[asked])
    np.testing.assert_array_equal(codes, whole.codes[asked])
    np.testing.assert_array_equal(target, whole.target[asked])
    rising = np.sort(asked)
    np.testing.assert_array_equal(rows.windows(rising).line, whole.line[rising])
    np.testing.assert_array_equal(rows.windows(rising).origin, whole.origin[rising])


def test_it_is_said_and_parts_that_judge_are_bounded(monkeypatch):
    monkeypatch.setattr(window_rows, "SOME", 50)
    said = []
    model = fit_series(sales(), "sold", memory=1000, told=lambda encoder: said.append(str(encoder.describe())), **QUICK)
    assert "numbers are cut while the training runs; the series stay in memory" in said[0]
    assert model.rows["test"] == model.rows["validation"] == 50
    assert np.isfinite(model.scores["mae"])


def test_a_training_goes_on_from_the_middle(tmp_path):
    class Stop(sl.train.Callback):
        left = 9

        def on_train_batch_end(self, batch, logs):
            self.left -= 1
            if not self.left:
                raise KeyboardInterrupt

    how = {"memory": 1000, "augment": "noise", **QUICK}
    table = sales()
    whole = weights(fit_series(table, "sold", **how))
    with pytest.raises(KeyboardInterrupt):
        fit_series(table, "sold", callbacks=[Stop()], checkpoint=tmp_path, checkpoint_seconds=0.0, **how)
    assert weights(fit_series(table, "sold", checkpoint=tmp_path, resume=True, **how)) == whole


def test_what_cannot_be_done_is_refused():
    with pytest.raises(ArgumentError, match="stacking needs its data in memory"):
        fit_series(sales(), "sold", memory=1000, ensemble="stacking", **QUICK)
    with pytest.raises(DataError, match="steps to learn from"):
        fit_series(sales().head(20), "sold", memory=10, window=40, **QUICK)
