"""The step of a series is found from its times, counts them, continues them and names horizons."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saltus.base.errors import DataError, UnknownNameError
from saltus.data.frequency import Frequency, infer_frequency, parse_frequency


def times(start, stop, unit):
    return np.arange(start, stop, dtype=f"datetime64[{unit}]").astype("datetime64[us]")


DAYS = times("2023-12-20", "2024-03-10", "D")
WORKDAYS = DAYS[np.is_busday(DAYS.astype("datetime64[D]"))]
MONTH_ENDS = (times("2020-02", "2023-02", "M").astype("datetime64[D]") - 1).astype("datetime64[us]")
CASES = {
    "minute": times("2024-01-01T00:00", "2024-01-01T03:00", "m"),
    "15 minutes": times("2024-01-01T00:00", "2024-01-02", "m")[::15],
    "hour": times("2024-03-30T05", "2024-04-02T05", "h"),
    "day": DAYS,
    "2 days": DAYS[::2],
    "business day": WORKDAYS,
    "week": DAYS[::7],
    "month": MONTH_ENDS,
    "quarter": times("2015-01", "2020-01", "M")[::3],
    "year": times("1960", "1990", "Y"),
}


@pytest.mark.parametrize("name", CASES)
def test_the_step_is_found_and_gives_the_times_back(name):
    series = CASES[name]
    found = infer_frequency([series], ["a"], "the table")
    assert found.name == name
    numbers, off = found.number(series)
    assert not off.any()
    assert (np.diff(numbers) == 1).all()
    assert (found.times(numbers) == series).all()
    assert Frequency(**found.to_config()) == found


@pytest.mark.parametrize("name", ["hour", "day", "business day", "week", "month"])
def test_a_tenth_of_the_values_may_be_missing(name):
    series = np.delete(CASES[name], slice(3, None, 10))
    found = infer_frequency([series], [""], "the table")
    assert found.name == name
    assert (found.times(found.number(series)[0]) == series).all()


def test_the_last_days_of_months_go_on_as_such():
    found = infer_frequency([MONTH_ENDS], [""], "the table")
    ahead = found.times(found.number(MONTH_ENDS)[0][-1:] + np.arange(1, 3))
    assert [str(t)[:10] for t in ahead] == ["2023-01-31", "2023-02-28"]


def test_irregular_times_and_single_ones_are_refused():
    rng = np.random.default_rng(1)
    with pytest.raises(DataError, match=r"not regular; every .* fits best, but 20"):
        infer_frequency([np.sort(times("2024-01-01", "2024-02-01", "s")[rng.integers(0, 2_000_000, 40)])], [""], "the table")
    with pytest.raises(DataError, match="one time a series"):
        infer_frequency([DAYS[:1]], [""], "the table")
    with pytest.raises(DataError, match="more than half"):
        infer_frequency([np.concatenate([DAYS[:20], DAYS[:20] + np.timedelta64(300, "D")])], [""], "the table")


@pytest.mark.parametrize(
    ("unit", "horizon", "steps"),
    [("business day", "month", 21), ("business day", "quarter", 63), ("day", "month", 30), ("hour", "day", 24), ("month", "quarter", 3),
     ("quarter", "year", 4), ("week", "year", 52), ("15 minutes", "hour", 4), ("day", 5, 5), ("day", "5", 5)],
)  # fmt: skip
def test_horizons_have_names(unit, horizon, steps):
    assert parse_frequency(unit).steps(horizon) == steps


def test_horizons_that_are_none_are_refused():
    with pytest.raises(DataError, match="every month"):
        parse_frequency("month").steps("week")
    with pytest.raises(DataError, match="not ahead"):
        parse_frequency("day").steps(0)
    with pytest.raises(UnknownNameError, match="quarter"):
        parse_frequency("day").steps("quater")
    with pytest.raises(UnknownNameError, match="month"):
        parse_frequency("mnth")


@given(st.integers(0, 4_000), st.sampled_from(["day", "business day", "month", "week", "3 hours"]))
def test_calendars_are_points_on_circles(number, unit):
    frequency = parse_frequency(unit)
    points = frequency.calendar(frequency.times(np.array([number])))
    assert points.shape[1] in (2, 4, 6)
    assert (points[:, 0::2] ** 2 + points[:, 1::2] ** 2) == pytest.approx(1.0)


def test_the_same_hour_a_week_later_differs_only_in_the_year():
    frequency = parse_frequency("hour")
    a, b = frequency.calendar(np.array(["2024-05-06T07", "2024-05-13T07"], "datetime64[us]"))
    assert a[:2] == pytest.approx(b[:2])
    assert (a[4:] != b[4:]).all()
