"""Tables for networks: fitted on training rows, reported, stored exactly; later rows fit or are refused."""

import gzip
import json

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saltus.base.errors import ArgumentError, DataError, ModelFileError, ShapeError, UnknownNameError
from saltus.data import TableEncoder, read_table, sets, split_rows

MESSY = """id;size;weight;sex;joined;score;note;constant;weight_g;smoker
1;1,71;72 kg;Male;2020-01-05;3,5;likes apples and pears;x;72000;yes
2;1,82;80 kg; male;5 Feb 2020;4,0;likes plums;x;80000;no
3;1,65;61 kg;FEMALE;2020-03-05;;dislikes apples very much;x;61000;1
4;1,90;95000 g;male;?;5,5;none of these;x;95000;0
5;1,55;50 kg;Female;2021-05-05;1,0;apples apples apples;x;50000;n
6;1,60;?;female;2021-06-05;2,0;pears and plums and apples;x;?;TRUE
"""


@pytest.fixture
def messy(tmp_path):
    path = tmp_path / "people.csv"
    path.write_text(MESSY)
    return path


def random_table(rows, seed=0):
    rng = np.random.default_rng(seed)
    return {
        "a": rng.normal(size=rows),
        "b": np.where(rng.random(rows) < 0.1, np.nan, rng.exponential(size=rows)),
        "c": rng.choice(["red", "green", "blue"], rows),
        "d": (np.datetime64("2020-01-01T00:00:00") + rng.integers(0, 10**8, rows)).astype("datetime64[us]"),
        "e": [None if x < 0.2 else f"item {x:.3f} of many things" for x in rng.random(rows)],
        "y": rng.choice(["yes", "no", "perhaps"], rows),
    }


def same(first, second):
    np.testing.assert_array_equal(first.numbers, second.numbers)
    np.testing.assert_array_equal(first.categories, second.categories)
    assert first.cardinalities == second.cardinalities
    assert (first.target is None) == (second.target is None)
    if first.target is not None:
        np.testing.assert_array_equal(first.target, second.target)


def test_a_messy_file_becomes_arrays_and_every_change_is_told(messy):
    encoder = TableEncoder()
    table = encoder.fit_transform(messy, "score")
    assert table.numbers.dtype == np.float32
    assert table.categories.dtype == np.int32
    assert len(table) == 5  # row 3 has no score
    assert table.rows.tolist() == [0, 1, 3, 4, 5]
    assert np.isfinite(table.numbers).all()
    kinds = {column["name"]: column["kind"] for column in encoder.describe().columns}
    assert kinds == {
        "id": "number",
        "size": "number",
        "weight": "number",
        "sex": "category",
        "joined": "date",
        "score": "number",
        "note": "category",
        "constant": "constant",
        "weight_g": "number",
        "smoker": "boolean",
    }
    told = str(encoder.describe())
    for sentence in (
        "fields are separated by a semicolon",
        "weight: 1 value converted to kg ('95000 g' -> 95)",
        "1 row without a target left out",
        "constant: dropped: always 'x'",
        "weight_g: dropped: 'weight' times 1000: the same values in another unit",
        "spellings of yes and no unified",
        "dates in 2 formats unified",
        "in other spellings of the same category",
    ):
        assert sentence in told
    actions = {record["action"] for record in encoder.describe().records()}
    assert {
        "units",
        "missing",
        "imputed",
        "expanded",
        "spelling",
        "booleans",
        "duplicate column",
        "dropped",
    } <= actions


def test_the_stored_encoder_gives_the_same_bits(messy):
    for source, target in (
        (messy, "score"),
        (random_table(200), "y"),
        (random_table(50), "a"),
        (random_table(60), None),
    ):
        encoder = TableEncoder().fit(source, target)
        config = json.loads(json.dumps(encoder.to_config(), allow_nan=False))
        again = TableEncoder.from_config(config)
        same(again.transform(source), encoder.transform(source))
        assert again.to_config() == encoder.to_config()
        assert str(again.describe()) == str(encoder.describe())


def test_a_stored_encoder_of_another_format_or_a_damaged_one_is_refused():
    config = TableEncoder().fit(random_table(50), "y").to_config()
    with pytest.raises(ModelFileError, match="format 99"):
        TableEncoder.from_config({**config, "format": 99})
    with pytest.raises(ModelFileError, match="damaged"):
        TableEncoder.from_config({key: value for key, value in config.items() if key != "encoders"})


@given(st.integers(0, 1000))
def test_rows_are_encoded_one_by_one_as_together(seed):
    frame = pl.DataFrame(random_table(40, seed))
    encoder = TableEncoder(drop_duplicates=False).fit(frame, "y")
    whole = encoder.transform(frame)
    order = np.random.default_rng(seed).permutation(40)
    mixed = encoder.transform(frame[order])
    np.testing.assert_array_equal(mixed.numbers, whole.numbers[order])
    np.testing.assert_array_equal(mixed.categories, whole.categories[order])
    one = encoder.transform(frame[7:8])
    np.testing.assert_array_equal(one.numbers, whole.numbers[7:8])
    np.testing.assert_array_equal(one.categories, whole.categories[7:8])


def test_a_file_of_text_and_a_typed_frame_give_the_same_arrays(tmp_path):
    frame = pl.DataFrame(random_table(300))
    frame.write_csv(tmp_path / "t.csv")
    frame.write_parquet(tmp_path / "t.parquet")
    from_text = TableEncoder().fit_transform(tmp_path / "t.csv", "y")
    typed = TableEncoder().fit_transform(tmp_path / "t.parquet", "y")
    assert from_text.number_names == typed.number_names
    np.testing.assert_allclose(from_text.numbers, typed.numbers, atol=1e-6)
    np.testing.assert_array_equal(from_text.categories, typed.categories)
    np.testing.assert_array_equal(from_text.target, typed.target)


def test_the_training_rows_alone_decide():
    frame = pl.DataFrame(random_table(400))
    first = TableEncoder().fit(frame[:300], "y")
    table = TableEncoder().fit_transform(frame[:300], "y")
    same(first.transform(frame[:300]), table)
    assert abs(table.numbers[:, 0].mean()) < 1e-6
    later = first.transform(frame[300:])
    assert abs(later.numbers[:, 0].mean()) > 1e-4  # later rows keep the scale of the training rows


def test_missing_numbers_get_the_median_and_a_mark():
    encoder = TableEncoder()
    table = encoder.fit_transform({"x": [1.0, None, 3.0, 11.0], "z": [0.5, 0.1, 0.7, 0.2]}, overrides={"x": "none"})
    assert table.number_names == ("x", "x (missing)", "z")
    assert table.numbers[:, 0].tolist() == [1, 3, 3, 11]
    assert table.numbers[:, 1].tolist() == [0, 1, 0, 0]
    later = encoder.transform({"x": [2.0], "z": [None]})
    assert later.numbers[0, 2] == pytest.approx(float(encoder.encoders[1].scaler.apply(np.array([0.35]))[0]))
    assert any(note.column == "z" and "missing" in note.text for note in later.notes)


def test_categories_are_numbered_by_frequency_with_codes_for_unseen_and_missing():
    encoder = TableEncoder()
    table = encoder.fit_transform({"c": ["b", "a", "b", None, "b", "a"]})
    assert table.cardinalities == (4,)
    assert table.categories[:, 0].tolist() == [1, 2, 1, 3, 1, 2]
    later = encoder.transform({"c": [" B ", "new", None, "?"]})
    assert later.categories[:, 0].tolist() == [1, 0, 3, 3]
    assert any(note.action == "unseen" and "'new'" in str(note) for note in later.notes)
    whole = TableEncoder().fit({"c": ["a", "b", "a", "b"]})
    assert whole.transform({"c": [None]}).categories.tolist() == [[0]]  # missing was never seen either


def test_rare_categories_share_the_code_of_unseen_ones_and_are_said():
    cells = ["common"] * 50_000 + ["usual"] * 30 + ["rare"] * 20
    encoder = TableEncoder(drop_duplicates=False).fit({"c": cells})
    assert encoder.transform({"c": ["common", "usual", "rare", "new"]}).categories[:, 0].tolist() == [
        1,
        2,
        0,
        0,
    ]
    assert encoder.encoders[0].labels == ("common", "usual")
    assert any(change.action == "rare" and change.count == 20 for change in encoder.changes)
    capped = TableEncoder(max_categories=1, drop_duplicates=False).fit({"c": cells})
    assert capped.encoders[0].labels == ("common",)


def test_many_equally_rare_categories_are_not_all_lost():
    cells = [f"city {i % 3000}" for i in range(30_000)]
    encoder = TableEncoder(drop_duplicates=False).fit({"c": cells, "x": np.arange(30_000) % 7}, overrides={"c": "category"})
    assert len(encoder.encoders[0].labels) >= 2700


def test_dates_are_expanded_into_what_varies():
    table = TableEncoder().fit_transform({"d": ["2020-01-01", "2021-07-15", "2021-12-31", None], "t": ["01:00", "13:30", "23:00", "07:45"]})
    assert table.number_names == (
        "d: elapsed",
        "d: year",
        "d: day of year sin",
        "d: day of year cos",
        "d (missing)",
        "t: hour",
        "t: hour sin",
        "t: hour cos",
    )
    assert table.category_names == ("d: month", "d: day of week")
    assert table.cardinalities == (13, 8)
    assert table.categories.tolist() == [[1, 3], [7, 4], [12, 5], [0, 0]]  # a Wednesday, a Thursday, a Friday
    timed = TableEncoder().fit_transform({"d": ["2020-01-01 06:00", "2020-01-01 18:00", "2020-01-01 12:00"]})
    assert timed.number_names == ("d: elapsed", "d: hour", "d: hour sin", "d: hour cos")


def test_texts_are_hashed_into_a_stated_width():
    cells = [f"a comment with some words and the number {i}" for i in range(80)]
    encoder = TableEncoder(text_width=16)
    table = encoder.fit_transform({"t": cells})
    assert table.numbers.shape == (80, 16)
    assert table.number_names[0] == "t (text) 0"
    assert any(change.action == "hashed" and "16 features" in change.text for change in encoder.changes)
    assert np.isfinite(encoder.transform({"t": ["something never seen", None]}).numbers).all()


def test_copies_of_rows_leave_training_only_and_are_counted():
    table = random_table(100)
    frame = pl.DataFrame(table)
    twice = pl.concat([frame, frame[:30]])
    encoder = TableEncoder()
    assert len(encoder.fit_transform(twice, "y")) == 100
    assert any(change.action == "duplicate rows" and change.count == 30 for change in encoder.changes)
    assert len(encoder.transform(twice)) == 130
    assert len(TableEncoder(drop_duplicates=False).fit_transform(twice, "y")) == 130


def test_rows_that_repeat_by_nature_are_kept_and_said():
    rng = np.random.default_rng(0)
    table = {
        "class": rng.choice(["first", "second"], 500),
        "sex": rng.choice(["m", "f"], 500),
        "survived": rng.choice(["yes", "no"], 500),
    }
    encoder = TableEncoder()
    assert len(encoder.fit_transform(table, "survived")) == 500
    assert any(change.action == "repeated rows" for change in encoder.changes)


def test_columns_that_repeat_another_in_any_form_are_dropped_and_said():
    rng = np.random.default_rng(0)
    level = rng.integers(1, 6, 300)
    names = np.array(["none", "basic", "school", "college", "university"])
    height = rng.normal(170, 10, 300)
    table = {
        "level": level, "degree": names[level - 1], "degree_code": np.array(list("NBSCU"))[level - 1],
        "cm": height, "inch": height / 2.54, "cm_again": height, "noise": rng.normal(size=300),
    }  # fmt: skip
    encoder = TableEncoder().fit(table)
    assert {encoder_.plan.name for encoder_ in encoder.encoders} == {"level", "cm", "noise"}
    why = {plan.name: plan.reason for plan in encoder.dropped}
    assert "'level'" in why["degree"]
    assert "another unit" in why["inch"]
    assert why["cm_again"] == "the same values as 'cm'"
    encoder.transform({"level": [1, 2], "cm": [170.0, 180.0], "noise": [0.0, 0.0]})  # dropped columns may lack


def test_a_column_that_tells_the_target_is_pointed_out():
    rng = np.random.default_rng(0)
    label = rng.choice(["a", "b", "c"], 200)
    encoder = TableEncoder().fit({"x": rng.normal(size=200), "copy": np.char.upper(label), "y": label}, "y")
    assert any(change.action == "leak" and change.column == "copy" for change in encoder.changes)


def test_missing_columns_are_refused_by_name_and_extra_ones_ignored_and_said():
    encoder = TableEncoder().fit(random_table(50), "y")
    rows = {key: value[:5] for key, value in random_table(50).items()}
    lacking = {("B" if key == "b" else key): value for key, value in rows.items() if key != "c"}
    with pytest.raises(DataError, match=r"2 columns of the training data are missing: 'b', 'c'; those there: 'a', 'B'") as caught:
        encoder.transform(lacking)
    assert "'B' for 'b'" in str(caught.value.fix)
    noted = encoder.transform({**rows, "more": [1] * 5})
    assert [str(note) for note in noted.notes] == ["1 column unknown from training ignored ('more')"]
    same(noted, encoder.transform({key: rows[key] for key in reversed(rows)}))  # the order of columns does not matter


def test_cells_of_another_kind_are_refused_with_row_and_value(tmp_path):
    encoder = TableEncoder().fit(random_table(50), "y")
    rows = {key: list(value[:3]) for key, value in random_table(50).items()}
    with pytest.raises(DataError, match="column 'a', row 2: 'tall' is not a number"):
        encoder.transform({**rows, "a": [1, "tall", 2]})
    with pytest.raises(DataError, match="column 'd', row 3: 'yesterday' is not a date"):
        encoder.transform({**rows, "d": ["2020-01-01", None, "yesterday"]})
    with pytest.raises(DataError, match=r"column 'a', row 1: .* is not a number"):
        encoder.transform({**rows, "a": rows["d"]})
    path = tmp_path / "later.csv"
    path.write_text("a,b,c,e,d\n1,2,red,x,2020-01-01\n\nbig,2,red,x,2020-01-01\n")
    with pytest.raises(DataError, match=r"later\.csv, column 'a', row 2: 'big'"):
        encoder.transform(path)


def test_the_target_is_read_where_it_is_there_and_may_lack():
    frame = pl.DataFrame(random_table(50))
    encoder = TableEncoder().fit(frame, "y")
    assert encoder.transform(frame.drop("y")).target is None
    assert encoder.transform(frame, target=False).target is None
    assert encoder.transform(frame).target is not None
    with pytest.raises(DataError, match="'y'"):
        encoder.transform(frame.drop("y"), target=True)
    some = frame.with_columns(pl.when(pl.int_range(50) < 45).then("y").alias("y"))
    table = encoder.transform(some)
    assert len(table) == 45
    assert any(note.action == "rows without target" and note.count == 5 for note in table.notes)
    assert len(encoder.transform(some, target=False)) == 50


def test_scalers_and_kinds_can_be_overridden_by_name():
    table = {"a": np.arange(50.0) ** 2, "b": np.arange(50) % 3, "c": ["x", "y"] * 25}
    encoder = TableEncoder().fit(table, overrides={"a": "minmax", "b": "category", "c": "drop"})
    assert [e.plan.name for e in encoder.encoders] == ["a", "b"]
    encoded = encoder.transform(table)
    assert (encoded.numbers.min(), encoded.numbers.max()) == (0, 1)
    assert encoded.cardinalities == (4,)
    with pytest.raises(UnknownNameError, match="column in overrides 'aa'"):
        TableEncoder().fit(table, overrides={"aa": "minmax"})
    with pytest.raises(ArgumentError, match="'c' cannot be set aside"):
        TableEncoder().fit(table, "c", overrides={"c": "drop"})


@pytest.mark.parametrize(
    ("table", "target", "error", "message"),
    [
        ({"x": [1, 2]}, "z", UnknownNameError, "unknown target column 'z'"),
        ({"x": [1, 2], "y": ["a", "a"]}, "y", DataError, "target 'y' has one value, 'a', in all 2 rows"),
        ({"x": [1, 2], "y": [None, "?"]}, "y", DataError, "target 'y' has no value in any of the 2 rows"),
        (
            {"x": [1, 2, 3], "y": ["2020-01-01", "2020-01-02", "2020-01-03"]},
            "y",
            DataError,
            "not numbers or classes",
        ),
        (
            {"x": range(9), "y": list("abcdefghi")},
            "y",
            DataError,
            "9 values in 9 rows: classes have to repeat",
        ),
        (
            {"x": ["same"] * 4, "y": [1, 2, 1, 2]},
            "y",
            DataError,
            r"no column left to learn from \(x: always 'same'\)",
        ),
        ({"y": [1, 2, 1, 2]}, "y", DataError, "the target is the only column"),
        (pl.DataFrame({"x": [], "y": []}), "y", DataError, "no rows"),
    ],
)
def test_what_cannot_be_learnt_is_refused_with_a_reason(table, target, error, message):
    with pytest.raises(error, match=message):
        TableEncoder().fit(table, target)


def test_an_unknown_target_gives_the_nearest_columns():
    with pytest.raises(UnknownNameError) as caught:
        TableEncoder().fit(random_table(20) | {"income": ["a", "b"] * 10}, "incme")
    assert "'income'" in str(caught.value.fix)


def test_an_encoder_that_was_not_fitted_says_so():
    for call in (
        lambda e: e.transform({"a": [1]}),
        lambda e: e.to_config(),
        lambda e: e.describe(),
        lambda e: e.decode_target([0]),
    ):
        with pytest.raises(ArgumentError, match="has not seen training rows"):
            call(TableEncoder())
    with pytest.raises(ArgumentError, match="without a target"):
        TableEncoder().fit({"a": [1.0, 2.0]}).encode_target([1])
    with pytest.raises(ArgumentError, match="max_categories=0"):
        TableEncoder(max_categories=0)


@pytest.mark.parametrize(
    ("cells", "task", "labels"),
    [
        (["no", "yes", "No", "YES"], "classification", ("no", "yes")),
        ([0, 1, 1, 0], "classification", (0, 1)),
        ([True, False, True, False], "classification", (False, True)),
        ([3, 1, 2, 3, 1, 2], "classification", (1, 2, 3)),
        (["b", "a ", "b", "a"], "classification", ("a", "b")),
        (["01", "02", "01", "02"], "classification", ("01", "02")),
        ([1.5, 2.5, 1.5, 3.0], "regression", ()),
        (range(100), "regression", ()),
        (["1.234,5", "2,5", "7"], "regression", ()),
        (["10 kg", "500 g", "7 kg"], "regression", ()),
    ],
)
def test_the_task_is_found_from_the_target_and_labels_come_back(cells, task, labels):
    cells = list(cells)
    table = {"x": np.random.default_rng(0).normal(size=len(cells)), "y": cells}
    encoder = TableEncoder()
    encoded = encoder.fit_transform(table, "y")
    assert encoder.task == task
    assert encoder.classes == labels
    again = TableEncoder.from_config(json.loads(json.dumps(encoder.to_config())))
    np.testing.assert_array_equal(again.encode_target(cells), encoded.target)
    back = again.decode_target(encoded.target)
    if task == "classification":
        assert encoded.target.dtype == np.int32
        assert [str(label).strip().lower() for label in cells] == [str(label).lower() for label in back]
        scores = np.eye(len(labels))[encoded.target]
        np.testing.assert_array_equal(again.decode_target(scores), back)
    else:
        assert encoded.target.dtype == np.float32
        assert abs(encoded.target.mean()) < 1e-6
        assert abs(encoded.target.std() - 1) < 1e-5
        np.testing.assert_array_equal(again.decode_target(encoded.target[:, None]), back)


def test_the_task_can_be_given():
    table = {"x": np.random.default_rng(0).normal(size=30), "y": np.arange(30) % 3}
    assert TableEncoder().fit(table, "y", task="regression").classes == ()
    floats = {"x": table["x"], "y": table["y"] + 0.5}
    assert TableEncoder().fit(floats, "y", task="classification").classes == (0.5, 1.5, 2.5)
    with pytest.raises(UnknownNameError, match="unknown task 'clasification'"):
        TableEncoder().fit(table, "y", task="clasification")
    with pytest.raises(DataError, match="column 'y', row 1: 'a' is not a number"):
        TableEncoder().fit({"x": [1.0, 2.0], "y": ["a", "b"]}, "y", task="regression")


def test_regression_values_come_back_in_their_unit():
    values = np.array([100.0, 250.0, 975.5, 3.25])
    encoder = TableEncoder().fit({"x": [0.1, 0.2, 0.3, 0.5], "y": values}, "y")
    np.testing.assert_allclose(encoder.decode_target(encoder.encode_target(values)), values, rtol=1e-5)


def test_later_targets_outside_the_classes_are_refused_with_row_and_label():
    encoder = TableEncoder().fit({"x": [1.0, 2.0, 3.0, 4.0], "y": ["cat", "dog", "cat", "dog"]}, "y")
    with pytest.raises(DataError, match="target 'y', row 2: 'cow' is none of the 2 classes") as caught:
        encoder.encode_target(["cat", "cow"])
    assert "'cat', 'dog'" in str(caught.value.fix)
    with pytest.raises(DataError, match="row 2 has no value"):
        encoder.encode_target(["cat", None])
    with pytest.raises(DataError, match="row 2: 'cow'"):
        encoder.transform({"x": [1.0, 2.0], "y": ["cat", "cow"]})


def test_predictions_of_another_shape_are_refused():
    classes = TableEncoder().fit({"x": [1.0, 2.0, 3.0, 4.0], "y": ["cat", "dog", "cat", "dog"]}, "y")
    for wrong in (np.zeros((2, 3)), np.array([0.5, 0.1]), np.array([0, 2])):
        with pytest.raises(ShapeError, match="expected class numbers"):
            classes.decode_target(wrong)
    amounts = TableEncoder().fit({"x": [1.0, 2.0, 3.0, 4.0], "y": [1.0, 2.5, 3.0, 4.0]}, "y")
    with pytest.raises(ShapeError, match=r"expected \(N,\) or \(N, 1\)"):
        amounts.decode_target(np.zeros((2, 3)))


def test_a_census_file_as_it_is_found_needs_no_preparation(tmp_path):
    rng = np.random.default_rng(0)
    degrees = [" HS-grad", " Bachelors", " Masters", " 11th"]
    lines = [",age,workclass,education,education-num,capital-gain,income"]
    for row in range(400):
        level = int(rng.integers(4))
        work = rng.choice([" Private", " State-gov", " ?"], p=[0.7, 0.2, 0.1])
        gain = 0 if rng.random() < 0.9 else int(rng.integers(1000, 99999))
        income = " >50K" if rng.random() < 0.2 + 0.2 * level else " <=50K"
        lines.append(f"{row},{rng.integers(17, 90)},{work},{degrees[level]},{9 + level},{gain},{income}")
    path = tmp_path / "census.csv.gz"
    path.write_bytes(gzip.compress("\n".join(lines).encode()))
    table = read_table(path)
    train, held_out = split_rows(table.frame["income"], 0.2, seed=1)
    encoder = TableEncoder()
    encoded = encoder.fit_transform(table.frame[train], "income")
    assert encoder.classes == ("<=50K", ">50K")
    assert encoded.number_names == ("age", "education-num", "capital-gain")
    assert encoded.category_names == ("workclass",)
    assert encoded.cardinalities == (4,)  # unseen, two kinds of work, missing
    assert encoder.describe().columns[0]["treatment"] == "dropped (numbers the rows)"
    assert {c.column for c in encoder.changes if c.action == "duplicate column"} == {"education"}
    later = encoder.transform(table.frame[held_out])
    assert len(later) == 80
    assert np.abs(later.numbers).max() < 10


def test_a_class_with_a_single_row_is_learnt_and_said():
    table = {"x": np.random.default_rng(0).normal(size=20), "y": ["a"] * 10 + ["b"] * 9 + ["c"]}
    encoder = TableEncoder()
    assert encoder.fit_transform(table, "y").target.max() == 2
    assert any("1 class with a single row" in change.text for change in encoder.changes)


def test_the_shipped_penguins_are_understood():
    encoder = TableEncoder()
    table = encoder.fit_transform(sets.path("penguins"), "species")
    assert len(table) == 344
    assert encoder.classes == ("Adelie", "Chinstrap", "Gentoo")
    assert table.numbers.shape == (344, 8)  # four measures, each with a mark for the two birds not measured
    assert dict(zip(table.category_names, table.cardinalities, strict=True)) == {"island": 4, "sex": 4}
    assert read_table(sets.path("penguins")).notes == ()
    with pytest.raises(UnknownNameError, match="unknown data set 'pengins'"):
        sets.path("pengins")


def test_importing_the_data_package_does_not_load_polars():
    import subprocess
    import sys

    code = "import sys, saltus.data; print('polars' in sys.modules)"
    import saltus.data

    source = saltus.data.__path__[0].rsplit("/saltus/", 1)[0]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={"PYTHONPATH": source}, check=True)
    assert done.stdout.strip() == "False"


def test_a_count_that_was_0_and_1_in_training_may_be_larger_later():
    """Columns of counts with few rows: 0 and 1 at first, 2 in a row that comes later."""
    rows = {"children": ["0", "1", "0", "1"], "y": ["a", "b", "a", "b"]}
    for cells, later in ((["0", "1", "0", "1"], ["2", "1"]), ([0, 1, 0, 1], [2, 1])):
        encoder = TableEncoder(drop_duplicates=False).fit({**rows, "children": cells}, "y")
        assert encoder.transform({"children": later}).numbers.tolist() == [[2.0], [1.0]]
    told = TableEncoder(drop_duplicates=False).fit({**rows, "children": ["no", "yes", "no", "yes"]}, "y")
    with pytest.raises(DataError, match="'2' is not yes or no"):
        told.transform({"children": ["2", "yes"]})
