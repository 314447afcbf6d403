"""Reading a table: any common file gives the same cells, and a bad one is refused with place and fix."""

import bz2
import csv
import gzip
import io
import json
import lzma

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saltus.base.errors import ArgumentError, DataError, UnknownNameError
from saltus.data import read_table

ROWS = {"name": ["Ann", "Bob"], "size": ["1.5", "2"]}


def written(folder, content, name="table.csv"):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def cells(table):
    return table.frame.to_dict(as_series=False)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("comma.csv", b"name,size\nAnn,1.5\nBob,2\n"),
        ("no_last_newline.csv", b"name,size\nAnn,1.5\nBob,2"),
        ("semicolon.csv", b"name;size\nAnn;1.5\nBob;2\n"),
        ("bar.txt", b"name|size\nAnn|1.5\nBob|2\n"),
        ("tab.tsv", b"name\tsize\nAnn\t1.5\nBob\t2\n"),
        ("windows.csv", b"name,size\r\nAnn,1.5\r\nBob,2\r\n"),
        ("old_mac.csv", b"name,size\rAnn,1.5\rBob,2"),
        ("marked.csv", b"\xef\xbb\xbfname,size\nAnn,1.5\nBob,2\n"),
        ("quoted.csv", b'"name","size"\n"Ann","1.5"\n"Bob",2\n'),
        ("single_quotes.csv", b"name,size\n'Ann',1.5\n'Bob',2\n"),
        ("spaced_quotes.csv", b'name,size\n "Ann", 1.5\n "Bob", 2\n'),
        ("spaced_header.csv", b" name , size \nAnn,1.5\nBob,2\n"),
        ("utf16.csv", "name,size\nAnn,1.5\nBob,2\n".encode("utf-16")),
        ("utf16_without_mark.csv", "name,size\nAnn,1.5\nBob,2\n".encode("utf-16-le")),
        ("packed.csv.gz", gzip.compress(b"name,size\nAnn,1.5\nBob,2\n", mtime=0)),
        ("packed.csv.bz2", bz2.compress(b"name,size\nAnn,1.5\nBob,2\n")),
        ("packed.csv.xz", lzma.compress(b"name,size\nAnn,1.5\nBob,2\n")),
        ("blank_lines.csv", b"\nname,size\n\nAnn,1.5\n\r\nBob,2\n\n"),
    ],
)
def test_delimited_files_of_every_dialect_give_the_same_cells(tmp_path, name, content):
    assert cells(read_table(written(tmp_path, content, name))) == ROWS


def test_a_file_of_another_encoding_is_read_and_said(tmp_path):
    table = read_table(written(tmp_path, "name,size\nJosé,1\nZoë,2\n".encode("cp1252")))
    assert table.frame["name"].to_list() == ["José", "Zoë"]
    assert "read as cp1252" in [str(note) for note in table.notes]


def test_the_encoding_can_be_given(tmp_path):
    path = written(tmp_path, "name,size\nたろう,1\n".encode("shift_jis"))
    assert read_table(path, encoding="shift_jis").frame["name"].to_list() == ["たろう"]


def test_a_decimal_comma_does_not_pass_for_a_delimiter(tmp_path):
    table = read_table(written(tmp_path, "a;b\n1,5;2,5\n3,5;4,5\n"))
    assert cells(table) == {"a": ["1,5", "3,5"], "b": ["2,5", "4,5"]}


def test_delimiters_and_newlines_inside_quotes_are_text(tmp_path):
    table = read_table(written(tmp_path, 'a,b\n"x, ""y""\nz",1\n2,3\n'))
    assert cells(table) == {"a": ['x, "y"\nz', "2"], "b": ["1", "3"]}


def test_a_stray_quote_inside_a_field_is_kept(tmp_path):
    assert read_table(written(tmp_path, 'pipe,count\n5" steel,2\n7" iron,3\n')).frame["pipe"].to_list() == [
        '5" steel',
        '7" iron',
    ]


def test_a_file_without_a_header_gets_numbered_columns_and_is_said(tmp_path):
    table = read_table(written(tmp_path, "39,State-gov,77516\n50,Private,83311\n"))
    assert table.frame.columns == ["column_1", "column_2", "column_3"]
    assert table.frame.height == 2
    assert any(note.action == "header" for note in table.notes)


def test_years_as_column_names_are_a_header(tmp_path):
    assert read_table(written(tmp_path, "country,1999,2000\nA,1,2\nB,3,4\n")).frame.columns == [
        "country",
        "1999",
        "2000",
    ]


def test_the_header_can_be_settled_by_hand(tmp_path):
    path = written(tmp_path, "1,2\n3,4\n")
    assert read_table(path, header=True).frame.columns == ["1", "2"]
    assert read_table(path, header=False).frame.height == 2


def test_a_name_that_stands_twice_is_made_unique_and_said(tmp_path):
    table = read_table(written(tmp_path, "a,a,\n1,2,3\n"))
    assert table.frame.columns == ["a", "a_2", "unnamed_3"]
    assert any("stands twice" in str(note) for note in table.notes)


def test_blank_cells_of_a_single_column_stay_rows(tmp_path):
    assert read_table(written(tmp_path, "a\n1\n\n3\n")).frame["a"].to_list() == ["1", None, "3"]


@given(
    st.lists(
        st.tuples(*[st.text(st.characters(codec="utf-8", exclude_characters="\r\0\ufeff"), max_size=8)] * 3),
        min_size=2,
        max_size=20,
    )
)
def test_whatever_the_csv_module_writes_is_read_back(tmp_path_factory, rows):
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, quoting=csv.QUOTE_ALL)
    writer.writerows([("first", "second", "third"), *rows])
    path = written(tmp_path_factory.mktemp("csv"), buffer.getvalue())
    if not any(any(row) for row in rows):
        return  # nothing but blank rows, which is refused elsewhere
    frame = read_table(path, delimiter=",", header=True).frame
    expected = [row for row in rows if any(row)]
    assert [tuple(cell or "" for cell in row) for row in frame.rows() if any(row)] == expected


def test_parquet_arrow_and_json_keep_their_types(tmp_path):
    frame = pl.DataFrame({"n": [1, 2], "x": [0.5, None], "t": ["a", "b"], "b": [True, False]})
    frame.write_parquet(tmp_path / "t.parquet")
    frame.write_ipc(tmp_path / "t.feather")
    frame.write_ipc_stream(tmp_path / "t.arrow")
    frame.write_ndjson(tmp_path / "t.jsonl")
    (tmp_path / "t.json").write_text(json.dumps(frame.to_dicts()))
    for name in ("t.parquet", "t.feather", "t.arrow", "t.jsonl", "t.json"):
        assert read_table(tmp_path / name).frame.to_dicts() == frame.to_dicts(), name


def test_nested_json_becomes_columns_and_mixed_types_become_text(tmp_path):
    path = written(tmp_path, '{"a": {"b": 1, "c": [2, 3]}, "m": 1}\n{"a": {"b": 4, "c": []}, "m": "x"}\n', "t.jsonl")
    assert cells(read_table(path)) == {"a.b": [1, 4], "a.c": ["2 3", ""], "m": ["1", "x"]}


@pytest.mark.parametrize(
    "source",
    [
        {"a": [1, 2], "b": ["x", "y"]},
        {"a": np.array([1, 2]), "b": np.array(["x", "y"])},
        {"a": (1, 2), "b": pl.Series(["x", "y"])},
        [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}],
        pl.DataFrame({"a": [1, 2], "b": ["x", "y"]}),
        pl.LazyFrame({"a": [1, 2], "b": ["x", "y"]}),
    ],
    ids=["lists", "arrays", "mixed", "rows", "polars", "lazy polars"],
)
def test_tables_in_memory_give_the_same_frame(source):
    assert cells(read_table(source)) == {"a": [1, 2], "b": ["x", "y"]}


def test_a_pandas_frame_is_taken_with_its_missing_values_and_dates():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(
        {
            "n": [1.5, np.nan],
            "i": pandas.array([1, None], dtype="Int64"),
            "t": ["a", None],
            "c": pandas.Categorical(["u", None]),
            "d": pandas.to_datetime(["2020-01-02", None]),
            "z": pandas.to_datetime(["2020-01-02 12:00", "2020-01-03 12:00"]).tz_localize("Europe/Berlin"),
            "b": [True, False],
        }
    )
    taken = read_table(frame).frame
    assert [taken[name][0] for name in "itcb"] == [1, "a", "u", True]
    assert all(taken[name][1] is None for name in "itcd")
    assert np.isnan(taken["n"].to_numpy()[1])
    assert str(taken["d"][0]) == "2020-01-02 00:00:00"
    assert str(taken["z"][0]) == "2020-01-02 11:00:00"


def test_values_of_several_kinds_in_one_column_become_text_and_none_is_lost():
    assert cells(read_table({"a": [1, "x", None, 2.5, True]})) == {"a": ["1", "x", None, "2.5", "True"]}
    assert cells(read_table({"a": [1, 2.5, None]})) == {"a": [1.0, 2.5, None]}
    assert cells(read_table({"a": [2**70, 1]})) == {"a": [float(2**70), 1.0]}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.csv", b"", r"empty\.csv is empty \(0 bytes\)"),
        ("blank.csv", b" \n \n", r"blank\.csv is empty"),
        ("only_names.csv", b"a,b\n", "column names but no rows"),
        (
            "ragged.csv",
            b"a,b\n1,2\n3,4,5\n6,7\n",
            r"ragged\.csv, row 2 \(line 3\): 3 fields, expected 2 \('3,4,5'\)",
        ),
        ("short.csv", b"a,b\n1,2\n\n3\n", r"short\.csv, row 2 \(line 4\): 1 field, expected 2"),
        ("twice.csv", b"a,b\n1,2,3\n4,5,6\n", "every row has one field more than the header"),
        ("open_quote.csv", b'a,b\n1,2\n"3,4\n5,6\n', "quote mark opened"),
        ("binary.csv", b"a,b\n1,\x00\xff\x002\n", r"byte 6 \(line 2\) is 0x00"),
        ("odd.csv", b"a,b\n\x81\x8d,2\n", r"byte 4 \(line 2\) is 0x81"),
        ("bad.csv.gz", b"a,b\n1,2\n", r"bad\.csv\.gz cannot be read: Not a gzipped file"),
        ("cut.csv.gz", gzip.compress(b"a,b\n1,2\n" * 99, mtime=0)[:-9], r"cut\.csv\.gz cannot be read"),
        ("bad.parquet", b"PAR1 but not quite", r"bad\.parquet cannot be read as parquet"),
        ("bad.feather", b"ARROW1 but not quite", r"bad\.feather cannot be read as arrow"),
        ("bad.jsonl", b'{"a": 1}\n{"a": 2\n', r"bad\.jsonl, line 2, column 8"),
        ("list.jsonl", b"[1]\n[2]\n", "row 1 is a list, expected a dict"),
        ("number.json", b"3", "holds one JSON int, expected a list of rows"),
        ("table.xlsx", b"PK", r"'\.xlsx' does not tell how to read it"),
        ("table", b"a,b\n1,2\n", "without an extension does not tell"),
    ],
)
def test_a_bad_file_is_refused_with_its_name_and_place(tmp_path, name, content, message):
    with pytest.raises(DataError, match=message) as caught:
        read_table(written(tmp_path, content, name))
    assert caught.value.fix


def test_a_missing_file_names_the_nearest_ones(tmp_path):
    written(tmp_path, "a\n1\n", "customers.csv")
    with pytest.raises(DataError, match=r"costumers\.csv does not exist") as caught:
        read_table(tmp_path / "costumers.csv")
    assert "customers.csv" in str(caught.value.fix)
    with pytest.raises(DataError, match="nor does its folder"):
        read_table(tmp_path / "nowhere" / "t.csv")
    with pytest.raises(DataError, match="is a folder"):
        read_table(tmp_path)


def test_the_format_can_be_given_for_a_file_with_another_name(tmp_path):
    assert cells(read_table(written(tmp_path, "name,size\nAnn,1.5\nBob,2\n", "export"), format="csv")) == ROWS
    with pytest.raises(UnknownNameError, match="'parket'"):
        read_table(tmp_path / "export", format="parket")


@pytest.mark.parametrize(
    ("source", "error", "message"),
    [
        ({"a": [1, 2], "b": [1]}, DataError, "differ in length: 'a' has 2, 'b' has 1"),
        ({"a": np.zeros((2, 2))}, DataError, r"column 'a' has the shape \(2, 2\)"),
        ({"a": 3}, DataError, "column 'a' is 3, expected one value a row"),
        ({}, DataError, "no columns"),
        (42, ArgumentError, "int is no table"),
        ([1, 2], DataError, "row 1 is a int"),
    ],
)
def test_something_else_in_memory_is_refused(source, error, message):
    with pytest.raises(error, match=message):
        read_table(source)


def test_file_options_for_a_table_in_memory_are_refused():
    with pytest.raises(ArgumentError, match="delimiter"):
        read_table({"a": [1]}, delimiter=";")
