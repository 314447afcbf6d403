"""What a column means is found from its cells and shown; the user may settle it; doubt keeps all."""

import numpy as np
import polars as pl
import pytest

from saltus.base.errors import ArgumentError, DataError, UnknownNameError
from saltus.data import infer_schema
from saltus.data.read import read_table
from saltus.data.schema import Override, Reading, inspect


def column(cells, name="x", **overrides):
    schema, parsed = inspect(read_table({name: cells}), overrides, Reading())
    return schema, parsed[name]


def words(cells):
    _, parsed = column(cells)
    assert parsed.plan.kind == "category", parsed.plan
    return [None if code < 0 else parsed.words[int(code)] for code in parsed.values]


def kind(cells, name="x"):
    return column(cells, name)[1].plan.kind


def test_the_kinds_of_an_ordinary_table():
    rows = 200
    rng = np.random.default_rng(0)
    table = {
        "customer_id": np.arange(1000, 1000 + rows),
        "email": [f"user{i}@example.org" for i in range(rows)],
        "age": rng.integers(18, 90, rows),
        "member": rng.choice(["yes", "no"], rows),
        "city": rng.choice(["Bonn", "Ulm", "Graz"], rows),
        "joined": rng.choice(["2020-01-02", "2021-03-04", "2022-05-06"], rows),
        "comment": [f"the {rng.integers(100)} quick foxes jump over dog number {i}" for i in range(rows)],
        "country": ["AT"] * rows,
        "nothing": [None] * rows,
    }
    kinds = {plan.name: plan.kind for plan in infer_schema(table).columns}
    assert kinds == {
        "customer_id": "identifier",
        "email": "identifier",
        "age": "number",
        "member": "boolean",
        "city": "category",
        "joined": "date",
        "comment": "text",
        "country": "constant",
        "nothing": "empty",
    }


def test_the_schema_shows_name_kind_missing_distinct_example_and_treatment():
    schema = infer_schema({"size": ["1 kg", "?", "300 g", "2 kg"], "colour": ["red", "Red", "blue", "red"]})
    records = schema.records()
    assert records[0] == {
        "name": "size",
        "kind": "number",
        "missing": 0.25,
        "distinct": 3,
        "example": "1 kg",
        "treatment": "rescaled",
    }
    assert records[1]["distinct"] == 2
    shown = str(schema)
    assert "size    number    25.0%" in shown
    assert "'Red' -> 'red'" in shown


def test_spellings_of_one_category_are_one_and_said():
    assert words(["Male", " male", "MALE ", "Male", "female", "Fe male"]) == ["Male"] * 4 + [
        "female",
        "Fe male",
    ]
    schema, _ = column(["Male", " male", "MALE ", "Male", "female", "female"])
    change = next(c for c in schema.changes if c.action == "spelling")
    assert change.count == 2
    assert set(change.examples) == {"'male' -> 'Male'", "'MALE' -> 'Male'"}
    assert any(c.action == "spaces" and c.count == 2 for c in schema.changes)
    assert words(["New  York", "new york", "e\u0301te\u0301", "été"]) == ["New  York".replace("  ", " ")] * 2 + ["été"] * 2


def test_short_codes_that_differ_in_case_only_are_kept_apart_and_said():
    cells = ["a", "A"] * 20
    assert words(cells) == cells
    assert any(change.action == "case kept" for change in column(cells)[0].changes)
    assert words(["a"] * 50 + ["A", "b"]) == ["a"] * 51 + ["b"]  # one slip among fifty


@pytest.mark.parametrize("word", ["?", "NA", "n/a", "null", "-", "--", "", "  ", "NaN", "#N/A", "(missing)", None])
def test_words_for_no_value_are_missing(word):
    assert words(["red", word, "blue", "red"]) == ["red", None, "blue", "red"]


def test_words_that_look_like_no_value_and_are_one_are_kept():
    assert words(["+", "-", "+", "-"]) == ["+", "-", "+", "-"]
    assert words(["Brick", "None", "Stone", "None"]) == ["Brick", "None", "Stone", "None"]
    codes = ["DE", "FR", "IT", "ES", "PT", "NL", "BE", "AT", "CH", "PL", "CZ", "NA"]
    assert words(codes + codes) == codes + codes


def test_the_user_can_name_more_words_for_no_value():
    _, parsed = inspect(read_table({"x": ["1", "2", "not asked", "3"]}), {}, Reading(missing=frozenset({"not asked"})))
    assert parsed["x"].plan.kind == "number"
    assert np.isnan(parsed["x"].values[2])


@pytest.mark.parametrize(
    "cells",
    [
        ["yes", "no"],
        ["Yes", "NO", "y", "n"],
        ["true", "False", "T", "f"],
        ["1", "0"],
        ["1.00", "0.00"],
        [1, 0, 1],
        [1.0, 0.0, None],
        [True, False],
        ["on", "off"],
        ["yes", "0", "TRUE", "n", "1"],
    ],
)
def test_booleans_in_any_spelling_are_zero_and_one(cells):
    _, parsed = column(cells)
    assert parsed.plan.kind == "boolean"
    expected = [str(cell).lower()[:2] in ("ye", "y", "tr", "t", "1", "1.", "on") for cell in cells if cell is not None]
    assert parsed.values[~parsed.missing].tolist() == expected


def test_one_side_only_is_no_boolean():
    assert kind(["yes", "y", "1", "yes"]) == "category"
    assert kind(["x", "o", "x"]) == "category"


def test_numbers_that_name_the_rows_are_identifiers_and_measured_ones_are_not():
    rng = np.random.default_rng(1)
    assert kind(rng.permutation(500)[:400], "number") == "identifier"  # a share of a counter
    assert kind(list(range(50)), "id") == "identifier"
    assert kind(list(range(50)), "unnamed_1") == "identifier"
    assert kind(list(range(50)), "rank") == "number"
    assert kind(list(range(1950, 2023)), "year") == "number"
    assert kind(rng.normal(size=400), "x") == "number"
    assert kind(rng.choice(10**6, 400, replace=False), "income") == "number"


def test_texts_and_categories_are_told_apart_by_how_often_they_repeat():
    rng = np.random.default_rng(2)
    streets = [f"Street {i}" for i in range(300)]
    assert kind(list(rng.choice(streets, 3000))) == "category"
    assert kind(list(rng.choice(streets, 400))) == "text"
    assert kind([f"word{i} and {i * 7} some more words here" for i in range(60)]) == "text"


def test_polars_categories_and_integers_in_a_category_keep_their_labels():
    frame = pl.DataFrame({"c": pl.Series(["u", "v", "u"], dtype=pl.Categorical), "n": [1.0, 2.0, None]})
    schema, parsed = inspect(read_table(frame), {"n": "category"}, Reading())
    assert schema["c"].kind == "category"
    assert parsed["n"].words.to_list() == ["1", "2"]


def test_overrides_are_followed():
    cells = {
        "zip": ["01067", "80331", "20095"],
        "grade": [1, 2, 3],
        "when": ["3/4/2020", "1/2/2020", "5/6/2020"],
        "free": ["a b", "c d", "e f"],
    }
    schema = infer_schema(
        cells,
        overrides={
            "zip": "number",
            "grade": "category",
            "when": {"kind": "date", "day_first": True},
            "free": "text",
        },
    )
    assert [plan.kind for plan in schema.columns] == ["number", "category", "date", "text"]
    _, parsed = inspect(read_table(cells), {"when": {"day_first": True}, "zip": "number"}, Reading())
    assert str(parsed["when"].values[0])[:10] == "2020-04-03"
    assert parsed["zip"].values.tolist() == [1067, 80331, 20095]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"agee": "number"}, "unknown column in overrides 'agee'"),
        ({"age": "numbr"}, "unknown kind or scaler for column 'age' 'numbr'"),
        ({"age": {"scaler": "mimax"}}, "unknown scaler for column 'age' 'mimax'"),
        ({"age": {"kindd": "number"}}, "unknown key in the override of column 'age' 'kindd'"),
    ],
)
def test_an_unknown_override_gives_the_nearest_names(overrides, message):
    with pytest.raises(UnknownNameError, match=message) as caught:
        infer_schema({"age": [1, 2, 3]}, overrides=overrides)
    assert "did you mean" in str(caught.value.fix)


def test_an_override_that_does_not_fit_names_the_first_cell():
    with pytest.raises(DataError, match="column 'x', row 3: 'c' is not yes or no"):
        infer_schema({"x": ["yes", "no", "c"]}, overrides={"x": "boolean"})
    with pytest.raises(DataError, match="column 'x', row 1: 'a' is not a number"):
        infer_schema({"x": ["a", "b", "c"]}, overrides={"x": "number"})
    with pytest.raises(ArgumentError, match="expected a name or a dict"):
        Override.of("x", 3)
    with pytest.raises(ArgumentError, match="decimal is ';'"):
        Reading(decimal=";")


def test_cells_that_are_neither_text_nor_number_are_refused_by_name():
    with pytest.raises(DataError, match="column 'blob' holds Binary cells"):
        infer_schema(pl.DataFrame({"blob": [b"a", b"b"]}))


def test_durations_and_decimals_are_numbers():
    import datetime
    import decimal

    frame = pl.DataFrame(
        {
            "d": [datetime.timedelta(minutes=1), datetime.timedelta(seconds=5)],
            "m": [decimal.Decimal("1.25"), decimal.Decimal("2.50")],
        }
    )
    _, parsed = inspect(read_table(frame), {}, Reading())
    assert parsed["d"].values.tolist() == [60, 5]
    assert parsed["m"].values.tolist() == [1.25, 2.5]
