"""Series of a table: columns found, gaps and repeats told, windows that see nothing of what comes."""

import numpy as np
import polars as pl
import pytest

from saltus.base.errors import ArgumentError, DataError, ModelFileError, UnknownNameError
from saltus.data import read_table, sets
from saltus.data.lines import holds_series
from saltus.data.series import SeriesEncoder


def days(count, start="2023-01-01"):
    return (np.datetime64(start) + np.arange(count)).astype("datetime64[us]")


def sold(count=120, seed=3):
    rng = np.random.default_rng(seed)
    return 20 + 5 * np.sin(np.arange(count) * 2 * np.pi / 7) + rng.normal(0, 0.5, count)


def frame(count=120, **columns):
    return pl.DataFrame({"day": days(count), **columns, "sold": sold(count)})


def opened(table, **options):
    encoder = SeriesEncoder(**options)
    lines, notes = encoder.open(read_table(table))
    return encoder, lines, [str(note) for note in notes]


def test_windows_hold_their_past_and_point_at_what_follows():
    encoder, lines, _ = opened(frame(), horizons=(1, "week"), window=10)
    encoder.fit(lines)
    made = encoder.windows(lines)
    values = sold()
    assert encoder.steps == (1, 7)
    assert encoder.labels == ("+1", "week")
    assert len(made) == 120 - 10 - 7 + 1
    places = made.origin - lines[0].start
    assert made.actual[:, 0] == pytest.approx(values[places + 1])
    assert made.actual[:, 1] == pytest.approx(values[places + 7])
    assert made.naive[:, 1] == pytest.approx(values[places])
    assert made.seasonal[:, 0] == pytest.approx(values[places - 6])
    assert made.seasonal[:, 1] == pytest.approx(values[places])
    assert encoder.decode(made, made.target) == pytest.approx(made.actual, rel=1e-4)


def test_no_window_sees_what_comes_after_its_origin_and_nothing_is_fitted_on_it():
    price = np.linspace(1, 2, 120)
    before = frame(price=price)
    later = np.arange(120) >= 80
    after = before.with_columns(
        pl.Series("sold", np.where(later, sold() * 50 + 1000, sold())), pl.Series("price", np.where(later, -price * 100, price))
    )
    made = []
    for table in (before, after):
        encoder, lines, _ = opened(table, horizons=(1, 3), window=10)
        end = lines[0].start + 80
        encoder.fit(lines, end)
        config = encoder.to_config()
        made.append((encoder.windows(lines, end=end), encoder.windows(lines, end), {k: config[k] for k in config if k != "layout"}))
    (past, ahead, config), (other_past, other_ahead, other_config) = made
    assert config == other_config
    assert np.array_equal(past.numbers, other_past.numbers) and np.array_equal(past.target, other_past.target)
    assert past.origin.max() + 3 == lines[0].start + 79
    first = ahead.origin == lines[0].start + 79  # it has seen no changed value, only its future differs
    assert np.array_equal(ahead.numbers[first], other_ahead.numbers[first])
    assert not np.allclose(ahead.target[first], other_ahead.target[first])
    assert not np.array_equal(ahead.numbers[-1], other_ahead.numbers[-1])


def test_the_parts_do_not_share_a_forecast_step():
    encoder, lines, _ = opened(frame(), horizons=(1, 5), window=10)
    encoder.fit(lines)
    cut = lines[0].start + 60
    left, right = encoder.windows(lines, end=cut), encoder.windows(lines, begin=cut)
    assert left.origin.max() + 5 < cut <= right.origin.min() + 1
    assert right.origin.min() == cut - 1  # its window reaches into the past, which is known by then


def test_several_series_are_told_apart_by_a_column_that_is_found():
    table = pl.concat([frame(60).with_columns(shop=pl.lit(name)) for name in ("north", "south")]).sample(fraction=1, shuffle=True, seed=2)
    encoder, lines, _ = opened(table, target="sold", window=7)
    assert encoder.columns.key == "shop"
    assert [line.name for line in lines] == ["north", "south"]
    assert lines[0].values == pytest.approx(sold(60))
    encoder.fit(lines)
    made = encoder.windows(lines)
    assert sorted(set(made.codes[:, 0].tolist())) == [1, 2]
    strange, _ = encoder.open(read_table(table.with_columns(shop=pl.lit("east") + pl.col("shop"))))
    assert set(encoder.windows(strange).codes[:, 0].tolist()) == {0}


def test_repeated_times_are_refused_by_row_or_taken_together_as_asked():
    table = pl.concat([frame(30), frame(30).slice(4, 1).with_columns(sold=pl.lit(99.0))])
    with pytest.raises(DataError, match=r"2023-01-05.* comes twice, in the rows 5 and 31"):
        opened(table)
    assert opened(table, repeated="last")[1][0].values[4] == 99.0
    assert opened(table, repeated="mean")[1][0].values[4] == pytest.approx((99.0 + sold()[4]) / 2)
    assert opened(table, repeated="sum")[1][0].values[4] == pytest.approx(99.0 + sold()[4])
    with pytest.raises(UnknownNameError, match="median"):
        opened(table, repeated="median")


def test_finer_times_are_gathered_to_the_step_that_is_asked_for():
    hours = {"time": np.arange("2024-01-01", "2024-01-11", dtype="datetime64[h]"), "load": np.arange(240.0)}
    _, lines, _ = opened(hours, target="load", frequency="day", repeated="mean")
    assert lines[0].values == pytest.approx(np.arange(240.0).reshape(10, 24).mean(axis=1))


def test_gaps_are_told_filled_from_the_past_and_never_predicted():
    table = frame(80).filter(~pl.int_range(pl.len()).is_in([20, 21, 50]))
    encoder, lines, notes = opened(table, window=5)
    assert any("3 values missing inside the series" in note and "2023-01-21" in note for note in notes)
    assert (lines[0].values[20:22] == sold()[19]).all()
    encoder.fit(lines)
    ahead = encoder.windows(lines).origin - lines[0].start + 1
    assert not set(ahead.tolist()) & {20, 21, 50}


def test_a_known_column_is_seen_ahead_and_must_reach_that_far():
    holiday = (np.arange(60) % 9 == 0).astype(float)
    table = frame(60, holiday=holiday)
    encoder, lines, _ = opened(table, known=("holiday",), horizons=(2,), window=5)
    encoder.fit(lines)
    changed, _ = encoder.open(read_table(table.with_columns(pl.Series("holiday", np.where(np.arange(60) == 32, 7.0, holiday)))))
    a, b = encoder.windows(lines), encoder.windows(changed)
    origin = np.flatnonzero(a.origin - lines[0].start == 30)[0]
    assert not np.array_equal(a.numbers[origin], b.numbers[origin])
    assert np.array_equal(a.numbers[origin - 1], b.numbers[origin - 1])
    with pytest.raises(DataError, match=r"future of the known column 'holiday' is 2 steps too short"):
        encoder.transform(table)
    longer = pl.concat([table, pl.DataFrame({"day": days(62)[60:], "holiday": [0.0, 1.0], "sold": [None, None]})], how="vertical_relaxed")
    assert len(encoder.transform(longer)) == 1
    with pytest.raises(UnknownNameError, match="holiday"):
        opened(table, known=("holliday",))


def test_a_series_shorter_than_its_window_is_refused_with_the_number_it_needs():
    encoder, lines, _ = opened(frame(12), window=10, horizons=(3,))
    with pytest.raises(DataError, match=r"12 steps to learn from; a window of 10 and a horizon of 3 need 14"):
        encoder.fit(lines)
    encoder, lines, _ = opened(frame(40), window=10)
    encoder.fit(lines)
    with pytest.raises(DataError, match=r"the series has 6 values, the model looks back over 10"):
        encoder.transform(frame(6))


def test_tables_without_times_or_numbers_are_refused():
    with pytest.raises(DataError, match=r"no column of times; its columns are 'a' \(number\)"):
        opened({"a": [1.5, 2.5, 9.0], "b": [2.0, 4.5, 1.0]})
    with pytest.raises(DataError, match="no column of numbers"):
        opened({"day": days(3), "word": ["x", "y", "x"]})
    with pytest.raises(DataError, match=r"row 2 has no time"):
        opened({"day": ["2024-01-01", "", "2024-01-03", "2024-01-04"], "a": [1, 2, 4, 3]})
    with pytest.raises(UnknownNameError, match="'sold'"):
        opened(frame(), target="solt")
    encoder, _, _ = opened(frame(40))
    with pytest.raises(DataError, match=r"'sold', row 2: 'many' is not a number"):
        encoder.open(read_table({"day": days(3), "sold": ["1", "many", "3"]}))
    with pytest.raises(DataError, match=r"no column 'sold'; there are 'day'"):
        encoder.open(read_table({"day": days(3)}))
    with pytest.raises(ArgumentError, match="horizons"):
        SeriesEncoder(horizons=())


def test_years_are_times():
    encoder, lines, _ = opened({"year": np.arange(1900, 1960), "spots": np.arange(60.0) % 11})
    assert encoder.columns.frequency.name == "year"
    assert len(lines[0].values) == 60


def test_a_fitted_encoder_comes_back_from_its_config():
    encoder, lines, _ = opened(frame(price=np.arange(120.0) % 5), horizons=("week",), window=9)
    encoder.fit(lines)
    back = SeriesEncoder.from_config(encoder.to_config())
    assert np.array_equal(back.transform(frame(price=np.arange(120.0) % 5)).numbers, encoder.latest(lines).numbers)
    assert str(back.describe()) == str(encoder.describe())
    with pytest.raises(ModelFileError, match="format"):
        SeriesEncoder.from_config({**encoder.to_config(), "format": 9})
    with pytest.raises(ModelFileError, match="growth"):
        SeriesEncoder.from_config({k: v for k, v in encoder.to_config().items() if k != "growth"})


def test_series_are_recognised_and_other_tables_are_not(tmp_path):
    path = tmp_path / "sold.csv"
    frame().write_csv(path)
    assert holds_series(path)
    frame(weather=["wet", "dry"] * 60).write_csv(path)
    assert not holds_series(path)  # words that do not tell series apart: a table to classify, as likely as not
    frame().sample(fraction=1, shuffle=True, seed=1).write_csv(path)
    assert not holds_series(path)
    assert not holds_series(sets.path("penguins"))
