"""A cell that is no date or number is treated the same whatever part of the table its row falls into."""

import numpy as np
import polars as pl
import pytest

from saltus.base.errors import DataError
from saltus.data.seen import KEPT, share_seen, sketch
from saltus.train import fit_table


def visits(bad=(), column="day", cell="soon", rows=120):
    days = np.arange("2023-01-01", "2024-01-01", dtype="datetime64[D]")[:rows]
    frame = {
        "day": [str(day) for day in days],
        "size": [f"{k % 17 + 0.5}" for k in range(rows)],
        "y": ["up" if k % 17 > 8 else "down" for k in range(rows)],
    }
    for row in bad:
        frame[column][row] = cell
    return frame


@pytest.mark.parametrize("column", ["day", "size"])
def test_a_bad_cell_is_missing_wherever_its_row_falls(column):
    said = set()
    for row in range(0, 120, 10):  # some of these are trained on, some validate, some judge
        told = []
        model = fit_table(visits([row], column), "y", epochs=1, verbose=0, told=lambda e, told=told: told.append(str(e.describe())))
        assert model.rows["train"] + model.rows["validation"] + model.rows["test"] == 120
        line = next(line for line in told[0].splitlines() if "as missing" in line and line.startswith(f"- {column}: "))
        said.add(next((part for part in ("validation part", "test part") if part in line), "training"))
        if "part" in line:
            assert f"row {row + 1}: 'soon'" in line
    assert said == {"training", "validation part", "test part"}


def test_a_bad_target_leaves_its_row_out_wherever_it_falls():
    table = visits()
    table["y"] = [str(k * 0.37 % 5) for k in range(120)]
    for row in (5, 33, 71, 110):
        spoilt = {**table, "y": [cell if k != row else "much" for k, cell in enumerate(table["y"])]}
        model = fit_table(spoilt, "y", task="regression", epochs=1, verbose=0)
        assert model.rows["train"] + model.rows["validation"] + model.rows["test"] == 119


def test_other_files_are_refused_as_before(tmp_path):
    model = fit_table(visits(), "y", epochs=1, verbose=0)
    with pytest.raises(DataError, match="row 4: 'soon' is not a date"):
        model.predict(visits([3]))
    pl.DataFrame(visits([3])).write_csv(tmp_path / "test.csv")
    with pytest.raises(DataError, match="row 4: 'soon' is not a date"):
        fit_table(visits(), "y", test=tmp_path / "test.csv", epochs=1, verbose=0)


@pytest.mark.parametrize("rows", [100, 20 * KEPT])
def test_the_share_of_samples_that_were_trained_on_is_found(rows):
    rng = np.random.default_rng(0)
    known, new = rng.normal(size=(rows, 3)).astype("float32"), rng.normal(size=(rows, 3)).astype("float32")
    kept = sketch([[known[: rows // 2]], [known[rows // 2 :]]])
    assert len(kept) < 12_000
    assert share_seen(kept, [known[::-1]]) == 1.0
    assert share_seen(kept, [new]) == 0.0
    assert share_seen(kept, [np.concatenate([known, new])]) == pytest.approx(0.5, abs=0.05)
