"""Numbers written as text: any usual notation is read, mixed units converted; what is no number stays."""

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
from saltus.data.units import FAMILIES, converter, scale_of


def values(*cells, **options):
    _, parsed = inspect(read_table({"x": list(cells)}), {}, Reading(**options))
    assert parsed["x"].plan.kind == "number", parsed["x"].plan
    return parsed["x"].values.tolist()


def kind(*cells):
    return infer_schema({"x": list(cells)})["x"].kind


def changes(*cells, **options):
    schema, _ = inspect(read_table({"x": list(cells)}), {}, Reading(**options))
    return {change.action: change for change in schema.changes}


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["1.234,5", "2,5", "3"], [1234.5, 2.5, 3]),
        (["1,234.5", "2.5", "3"], [1234.5, 2.5, 3]),
        (["$1,200", "$3.50", "$7"], [1200, 3.5, 7]),
        (["€ 12", "15 €", "EUR 7,50"], [12, 15, 7.5]),
        (["1 234,5", "2\u00a0345,5", "7"], [1234.5, 2345.5, 7]),
        (["1'234.5", "12'000", "7"], [1234.5, 12000, 7]),
        (["1e3", "2.5E-4", "7"], [1000, 0.00025, 7]),
        (["(1,234)", "-5.5", "−7"], [-1234, -5.5, -7]),
        (["5%", "10 %", "0.5%"], [5, 10, 0.5]),
        (["5%", "0.1", "0.2"], [5, 10, 20]),
        (["12 kg", "500 g", "3kg", "4 KG"], [12, 0.5, 3, 4]),
        (["180 cm", "1.8 m", "1750 mm", "178cm"], [180, 180, 175, 178]),
        (["90 min", "1.5 h", "30 min", "60 s"], [90, 90, 30, 1]),
        (["20 °C", "68 °F", "30 °C"], [20, 20, 30]),
        (["1.2k", "3M", "500"], [1200, 3e6, 500]),
        (["120 hp", "90 hp", "101 hp"], [120, 90, 101]),
        (["1,00,000", "2,50,000.5"], [100000, 250000.5]),
        ([".5", "5.", "+3"], [0.5, 5, 3]),
    ],
)
def test_numbers_are_read_in_any_notation(cells, expected):
    np.testing.assert_allclose(values(*cells), expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["007", "012", "007"], "category"),  # a code with leading zeros
        (["01067", "80331", "20095"] * 5, "category"),  # zip codes
        (["$5", "€7", "$5"], "category"),  # two currencies cannot be added
        (["5 kg", "3 cm", "5 kg"], "category"),  # nor a mass and a length
        (["<=50K", ">50K", "<=50K"], "category"),  # bounds alone are classes
        (["12A", "14B", "12A"], "category"),
        (["10-20", "20-30", "10-20"], "category"),
        (["1 2", "3 4", "1 2"], "category"),
        (["1.2.3", "1.2.4", "1.2.3"], "category"),
        (["4111111111111111", "5500005555555559"] * 3, "category"),  # more digits than a float64 holds
        (["a", "1", "b", "2"], "category"),
        (["１２", "٣", "１２"], "category"),  # digits of other scripts are left alone
    ],
)
def test_what_is_no_number_is_not_made_one(cells, expected):
    assert kind(*cells) == expected


def test_doubtful_commas_are_settled_by_the_column_then_the_table_then_the_user():
    assert values("1,200", "3.5") == [1200, 3.5]  # the point decides in the column
    assert values("1,200", "3,5") == [1.2, 3.5]  # so does the comma
    assert values("1,200", "3,400") == [1200, 3400]  # no evidence: thousands, and said
    assert "doubtful mark" in changes("1,200", "3,400")
    assert values("1,200", "3,400", decimal=",") == [1.2, 3.4]
    assert "doubtful mark" not in changes("1,200", "3,400", decimal=",")
    _, parsed = inspect(read_table({"a": ["1,5", "2,25"], "b": ["1.200", "12.000"], "c": ["1,200", "2,000"]}), {}, Reading())
    assert parsed["b"].values.tolist() == [1200, 12000]  # column a says that this table writes decimal commas
    assert parsed["c"].values.tolist() == [1.2, 2.0]


def test_both_decimal_marks_in_one_column_are_unified_and_said():
    assert values("1.5", "2,5", "1.234,75", "3.25") == [1.5, 2.5, 1234.75, 3.25]
    assert changes("1.5", "2,5", "1.234,75", "3.25")["decimal mark"].count == 2


def test_each_conversion_is_recorded_with_count_and_examples():
    found = changes("12 kg", "500 g", "500 g", "72", "3 kg", "4 kg")
    assert found["units"].count == 2
    assert found["units"].examples == ("'500 g' -> 0.5",)
    assert found["unit left out"].count == 1
    assert "kg" in found["unit left out"].text


def test_words_for_no_value_are_missing_and_a_few_stray_words_too_with_a_record():
    cells = [str(i) for i in range(100)] + ["?", "NA", "-", "", " n/a ", None, "broken"]
    read = values(*cells)
    assert read[:100] == list(range(100))
    assert np.isnan(read[100:]).all()
    found = changes(*cells)
    assert found["missing"].count == 4
    assert found["not a number"].count == 1
    assert "broken" in found["not a number"].examples[0]


def test_a_few_bounds_are_read_and_said():
    cells = [str(i) for i in range(40)] + ["90+", "<5"]
    assert values(*cells)[-2:] == [90, 5]
    assert changes(*cells)["bounds"].count == 2


def test_infinite_values_are_missing_and_said():
    schema, parsed = inspect(read_table({"x": [1.0, np.inf, -np.inf, 2.0]}), {}, Reading())
    assert np.isnan(parsed["x"].values[1:3]).all()
    assert {c.action: c.count for c in schema.changes} == {"infinite": 2}


def test_a_later_cell_that_is_no_number_is_refused_with_its_row_and_value():
    plan = infer_schema({"age": ["39", "50", "38"]})["age"]
    with pytest.raises(
        DataError,
        match=r"people, column 'age', row 2: 'abc' is not a number \(1 more cell like it: row 4: 'x'\)",
    ):
        parse(RawColumn(pl.Series("age", ["1", "abc", "?", "x"]), MISSING), plan, "people")
    later = parse(RawColumn(pl.Series("age", ["1,5", "$7", "5e2"]), MISSING), plan)
    assert later.values.tolist() == [
        1.5,
        7,
        500,
    ]  # a notation that training did not have is read where it is clear


def test_a_unit_that_training_did_not_have_is_converted_within_its_family_and_refused_outside():
    plan = infer_schema({"mass": ["12 kg", "500 g"]})["mass"]
    assert parse(RawColumn(pl.Series("mass", ["2 t", "1 kg"]), MISSING), plan).values.tolist() == [2000, 1]
    with pytest.raises(DataError, match="row 1: '3 cm' is not a number"):
        parse(RawColumn(pl.Series("mass", ["3 cm"]), MISSING), plan)


_NUMBERS = st.floats(-1e9, 1e9, allow_nan=False).map(lambda x: round(x, 2))


@given(st.lists(_NUMBERS, min_size=2, max_size=30), st.sampled_from([",.", ".,", " ,", "'.", " ."]))
def test_grouped_numbers_come_back_whatever_the_marks(numbers, marks):
    group, point = marks
    cells = [f"{x:,.2f}".replace(",", "\0").replace(".", point).replace("\0", group) for x in numbers]
    if kind(*cells) == "number":  # all equal or all 0 and 1 are kinds of their own
        np.testing.assert_allclose(values(*cells), numbers, rtol=0, atol=1e-9)


@given(st.sampled_from(sorted(FAMILIES)), st.data())
def test_units_convert_there_and_back(family, data):
    first, second = (data.draw(st.sampled_from(sorted(FAMILIES[family]))) for _ in range(2))
    x = data.draw(st.floats(-1e6, 1e6))
    factor, offset = converter(family, first, second)
    back, back_offset = converter(family, second, first)
    assert scale_of(family, first) is not None
    assert abs((x * factor + offset) * back + back_offset - x) <= 1e-9 * (abs(x) + 1000)


@pytest.mark.parametrize(
    ("family", "value", "source", "target", "expected"),
    [
        ("temperature", 0, "K", "°C", -273.15),
        ("temperature", -40, "°C", "°F", -40),
        ("length", 1, "mile", "km", 1.609344),
        ("mass", 1, "lb", "kg", 0.45359237),
        ("speed", 36, "km/h", "m/s", 10),
        ("bytes", 1, "GB", "MB", 1000),
    ],
)
def test_unit_factors_are_those_of_the_physics_books(family, value, source, target, expected):
    factor, offset = converter(family, source, target)
    assert value * factor + offset == pytest.approx(expected)
