"""Texts from folders, files and tables; what cannot be read is named."""

import polars as pl
import pytest

from saltus.base.errors import DataError, UnknownNameError
from saltus.data import sets
from saltus.data.texts import holds_texts, read_texts, target_column, text_column


def folder(root, **classes):
    for name, texts in classes.items():
        (root / name).mkdir(parents=True)
        for number, text in enumerate(texts):
            (root / name / f"{number}.txt").write_bytes(text if isinstance(text, bytes) else text.encode())
    return root


def test_folders_are_classes(tmp_path):
    read = read_texts(folder(tmp_path / "mail", spam=["buy now", "\ufeffgold"], ham=["hello, Zoë"]))
    assert read.frame.rows() == [("hello, Zoë", "ham", "ham/0.txt"), ("buy now", "spam", "spam/0.txt"), ("gold", "spam", "spam/1.txt")]
    assert holds_texts(tmp_path / "mail")


def test_files_in_a_wrong_encoding_are_all_named(tmp_path):
    root = folder(tmp_path, a=["fine", "caf\xe9".encode("latin-1")], b=[b"\xff\xfe\x00", "fine"])
    with pytest.raises(DataError, match=r"2 files not text in UTF-8: .*a/1.txt \(byte 3\), .*b/0.txt \(byte 0\)"):
        read_texts(root)
    assert read_texts(root, encoding="latin-1").frame["text"][1] == "café"
    with pytest.raises(UnknownNameError, match="latin-1"):
        read_texts(root, encoding="latin1x")


def test_missing_files_of_a_list_are_all_named(tmp_path):
    root = folder(tmp_path, a=["fine"])
    assert read_texts([root / "a" / "0.txt"]).frame.columns == ["text", "file"]
    with pytest.raises(DataError, match=r"2 files cannot be read: .*x.txt .*y.txt"):
        read_texts([root / "a" / "0.txt", tmp_path / "x.txt", tmp_path / "y.txt"])


def test_folders_that_are_not_laid_out_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"holds no text files"):
        read_texts(tmp_path)
    root = folder(tmp_path / "a", good=["x"], bad=[])
    with pytest.raises(DataError, match="no text file in the class 'bad'"):
        read_texts(root)
    (root / "stray.txt").write_text("stray")
    with pytest.raises(DataError, match=r"beside the folders of its classes, such as stray.txt"):
        read_texts(root)


def test_a_text_file_has_a_text_a_line_and_a_folder_of_files_a_text_a_file(tmp_path):
    (tmp_path / "new.txt").write_text("one text\n\nanother, with a comma\n")
    assert read_texts(tmp_path / "new.txt").frame["text"].to_list() == ["one text", "another, with a comma"]
    assert read_texts(tmp_path).frame["file"].to_list() == ["new.txt"]
    (tmp_path / "new.txt").write_text("\n")
    with pytest.raises(DataError, match="holds no text"):
        read_texts(tmp_path / "new.txt")
    (tmp_path / "table.txt").write_text("text\tlabel\ngood\t1\nbad\t0\n")
    assert read_texts(tmp_path / "table.txt").frame.columns == ["text", "label"]


def test_columns_of_text_and_target_are_found():
    texts = [f"a long enough text with the number {i} in it" for i in range(30)]
    read = read_texts({"id": [f"n{i}" for i in range(30)], "review": texts, "stars": [1, 2, 3] * 10})
    assert text_column(read.frame) == "review"
    assert target_column(read, "review", None) == "stars"
    assert target_column(read, "review", "id") == "id"
    with pytest.raises(UnknownNameError, match="'stars'"):
        target_column(read, "review", "star")
    with pytest.raises(DataError, match="which column is to be predicted, 'a', 'b'"):
        target_column(read_texts({"review": texts, "a": texts, "b": texts}), "review", None)
    with pytest.raises(DataError, match="nothing to predict"):
        target_column(read_texts({"review": texts}), "review", None)


def test_tables_of_texts_are_recognised_by_a_glance(tmp_path):
    long = pl.DataFrame({"review": [f'said "{i}",\nand more of the same kind of words' * 20 for i in range(600)], "label": [0, 1] * 300})
    assert long["review"].str.len_bytes().sum() > 1 << 18
    for name, write in (("a.csv", long.write_csv), ("a.jsonl", long.write_ndjson), ("a.parquet", long.write_parquet)):
        write(tmp_path / name)
        assert holds_texts(tmp_path / name), name
    assert not holds_texts(sets.path("penguins"))
    (tmp_path / "broken.csv").write_bytes(b"\x00\xff" * 50)
    assert not holds_texts(tmp_path / "broken.csv")
