"""Dates written as text: any usual order, several at once, and the calendar is respected."""

import datetime

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saltus.base.errors import DataError
from saltus.data.column import RawColumn, parse
from saltus.data.read import read_table
from saltus.data.schema import Reading, infer_schema, inspect
from saltus.data.spelling import MISSING


def read(*cells, **options):
    schema, parsed = inspect(read_table({"x": list(cells)}), {}, Reading(**options))
    return schema, parsed["x"]


def days(*cells, **options):
    _, column = read(*cells, **options)
    assert column.plan.kind == "date", column.plan
    return [str(day)[:10] for day in column.values]


def test_several_formats_in_one_column_are_unified_and_said():
    cells = [
        "2020-01-02",
        "3 Feb 2020",
        "Mar 4, 2020",
        "05.06.2020",
        "7-Aug-2020",
        "2020/09/10 11:12",
        "20201112",
        "March 5th, 2021",
    ]
    assert days(*cells) == [
        "2020-01-02",
        "2020-02-03",
        "2020-03-04",
        "2020-06-05",
        "2020-08-07",
        "2020-09-10",
        "2020-11-12",
        "2021-03-05",
    ]
    schema, _ = read(*cells)
    assert any(change.action == "dates" and "unified" in change.text for change in schema.changes)


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("2020-02-29T23:59:59.5Z", "2020-02-29T23:59:59.500000"),
        ("2020-01-01 01:00:00+02:00", "2019-12-31T23:00:00.000000"),
        ("6/15/2009 1:45 PM", "2009-06-15T13:45:00.000000"),
        ("6/15/2009 12:05 am", "2009-06-15T00:05:00.000000"),
        ("Mon, 02 Jan 2006 15:04:05 GMT", "2006-01-02T15:04:05.000000"),
        ("2. Januar 2020", "2020-01-02T00:00:00.000000"),
        ("1 de marzo de 2020", "2020-03-01T00:00:00.000000"),
        ("1 août 2020", "2020-08-01T00:00:00.000000"),
        ("2020-Q3", "2020-07-01T00:00:00.000000"),
        ("Jan 2021", "2021-01-01T00:00:00.000000"),
        ("2021-05", "2021-05-01T00:00:00.000000"),
        ("1.2.68", "2068-02-01T00:00:00.000000"),
        ("1.2.69", "1969-02-01T00:00:00.000000"),
    ],
)
def test_a_written_time_is_read_to_the_second(cell, expected):
    _, column = read(cell, "2000-01-01")
    assert str(column.values[0]) == expected


def test_the_order_of_day_and_month_is_found_from_the_column():
    assert days("31/12/2020", "1/2/2021") == ["2020-12-31", "2021-02-01"]
    assert days("12/31/2020", "1/2/2021") == ["2020-12-31", "2021-01-02"]
    assert days("1.2.2021", "3.4.2021") == ["2021-02-01", "2021-04-03"]  # dotted dates are day first


def test_doubtful_dates_are_said_and_can_be_settled():
    schema, _ = read("1/2/2021", "3/4/2021")
    assert [change.action for change in schema.changes] == ["doubtful dates"]
    assert days("1/2/2021", "3/4/2021") == ["2021-01-02", "2021-03-04"]
    assert days("1/2/2021", "3/4/2021", day_first=True) == ["2021-02-01", "2021-04-03"]


def test_days_that_the_calendar_does_not_have_are_no_dates():
    assert infer_schema({"x": ["31.04.2020", "30.02.2020", "31.04.2020"]})["x"].kind == "category"
    plan = infer_schema({"x": ["2020-01-01", "2020-01-02"]})["x"]
    with pytest.raises(DataError, match="row 1: '2021-02-29' is not a date"):
        parse(RawColumn(pl.Series("x", ["2021-02-29"]), MISSING), plan)


def test_times_of_day_are_a_kind_of_their_own():
    _, column = read("10:30", "23:59:30", "1:05 PM", "?")
    assert column.plan.kind == "time"
    assert [str(time)[11:19] for time in column.values[:3]] == ["10:30:00", "23:59:30", "13:05:00"]
    assert column.missing.tolist() == [False, False, False, True]


def test_eight_digits_that_are_all_calendar_days_are_dates_and_others_are_numbers():
    assert infer_schema({"x": [20200131, 20200229, 20211231]})["x"].kind == "date"
    assert infer_schema({"x": [20200131, 20200230, 20211399]})["x"].kind == "number"


def test_typed_dates_are_read_as_they_are():
    frame = {
        "d": [datetime.date(2020, 1, 2), None],
        "t": [datetime.datetime(2020, 1, 2, 3, 4), None],
        "c": [datetime.time(1, 2), None],
    }
    schema, parsed = inspect(read_table(frame), {}, Reading())
    assert [plan.kind for plan in schema.columns] == ["date", "date", "time"]
    assert str(parsed["d"].values[0]) == "2020-01-02T00:00:00.000000"
    assert str(parsed["t"].values[0]) == "2020-01-02T03:04:00.000000"
    assert str(parsed["c"].values[0]) == "1970-01-01T01:02:00.000000"
    assert all(parsed[name].missing.tolist() == [False, True] for name in "dtc")


def test_a_zoned_column_is_converted_to_utc():
    series = pl.Series("x", [datetime.datetime(2020, 7, 1, 12), datetime.datetime(2020, 1, 1, 12)]).dt.replace_time_zone("Europe/Berlin")
    _, parsed = inspect(read_table({"x": series}), {}, Reading())
    assert [str(time)[:16] for time in parsed["x"].values] == ["2020-07-01T10:00", "2020-01-01T11:00"]


_FORMATS = [
    "%Y-%m-%d",
    "%Y/%m/%d",
    "%d.%m.%Y",
    "%d %B %Y",
    "%d-%b-%Y",
    "%b %d, %Y",
    "%Y-%m-%d %H:%M:%S",
    "%Y%m%d",
]


@given(
    st.lists(
        st.tuples(
            st.datetimes(datetime.datetime(1900, 1, 1), datetime.datetime(2099, 12, 31)),
            st.sampled_from(_FORMATS),
        ),
        min_size=1,
        max_size=20,
    )
)
def test_any_date_comes_back_from_any_format(pairs):
    dates = [moment.replace(microsecond=0, **({} if "%H" in form else {"hour": 0, "minute": 0, "second": 0})) for moment, form in pairs]
    _, column = read(
        "2000-01-01",
        "1999-12-31 10:00",
        *[date.strftime(form) for date, (_, form) in zip(dates, pairs, strict=True)],
    )
    np.testing.assert_array_equal(column.values[2:], np.array(dates, dtype="datetime64[us]"))
