"""Files of arrays and plain values: exact, readable by other programs, whole or not there, refused when
damaged.
"""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import saltus as sl
from saltus.base.errors import ModelFileError, StorageError
from saltus.train import storage

TYPES = ["bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float16", "bfloat16", "float32", "float64"]
VALUES = {
    "name": "x",
    "list": [1, 2.5, None, True, {"deep": "text"}],
    "weights": {"a": np.arange(6, dtype="float32").reshape(2, 3), "b": np.asarray(7, "int64"), "none": np.zeros((0, 3))},
}


@pytest.mark.parametrize("dtype", TYPES)
def test_arrays_of_every_type_come_back_exactly(tmp_path, dtype):
    array = sl.asarray([[0, 1, 1], [1, 0, 1]]).astype(dtype)
    storage.write(tmp_path / "f", "test", {"a": array})
    back = storage.read(tmp_path / "f", "test")["a"]
    assert back.dtype == array.dtype
    assert back.tolist() == array.tolist()


def lists_and_dicts(inner):
    return st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4)


plain = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text() | st.floats(allow_nan=False)


@given(st.recursive(plain, lists_and_dicts, max_leaves=12))
def test_plain_values_come_back_exactly(tmp_path_factory, value):
    path = tmp_path_factory.mktemp("plain") / "f"
    storage.write(path, "test", {"value": value})
    assert storage.read(path, "test")["value"] == value


def test_a_tree_comes_back_with_its_form(tmp_path):
    storage.write(tmp_path / "f", "test", VALUES)
    back = storage.read(tmp_path / "f", "test")
    assert back["list"] == VALUES["list"]
    assert back["weights"]["a"].tolist() == VALUES["weights"]["a"].tolist()
    assert back["weights"]["b"].shape == ()
    assert back["weights"]["none"].shape == (0, 3)


def test_other_programs_can_read_the_arrays(tmp_path):
    from safetensors.numpy import load_file

    storage.write(tmp_path / "f.safetensors", "test", VALUES)
    arrays = load_file(tmp_path / "f.safetensors")
    assert arrays["weights/a"].tolist() == VALUES["weights"]["a"].tolist()


def test_a_file_cut_short_anywhere_is_refused(tmp_path):
    path = tmp_path / "f"
    storage.write(path, "test", VALUES)
    data = path.read_bytes()
    for length in [*range(40), len(data) // 2, len(data) - 1]:
        path.write_bytes(data[:length])
        with pytest.raises(ModelFileError) as caught:
            storage.read(path, "test")
        assert str(path) in str(caught.value)


def test_a_changed_byte_among_the_numbers_is_noticed(tmp_path):
    path = tmp_path / "f"
    storage.write(path, "test", VALUES)
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)
    with pytest.raises(ModelFileError, match="check sum"):
        storage.read(path, "test")


def test_files_of_others_are_told_apart(tmp_path):
    from safetensors.numpy import save_file

    foreign, text = tmp_path / "foreign.safetensors", tmp_path / "text"
    save_file({"a": np.zeros(3, "float32")}, foreign)
    text.write_text("id,name\n1,Ann\n2,Bob\n")
    with pytest.raises(ModelFileError, match="another program"):
        storage.read(foreign, "model")
    with pytest.raises(ModelFileError, match="not written by saltus"):
        storage.read(text, "model")
    storage.write(tmp_path / "f", "weights", VALUES)
    with pytest.raises(ModelFileError, match="holds a weights, not a model"):
        storage.read(tmp_path / "f", "model")
    with pytest.raises(StorageError, match="check the name"):
        storage.read(tmp_path / "missing", "model")


def test_a_header_that_lies_about_an_array_is_refused(tmp_path):
    path = tmp_path / "f"
    storage.write(path, "test", {"a": np.zeros(4, "float32")})
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    header["a"]["data_offsets"] = [0, 4000]
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data[8 + length :])
    with pytest.raises(ModelFileError, match="damaged"):
        storage.read(path, "test")


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
import numpy as np
from saltus.base.errors import StorageError
from saltus.train import storage
path = Path(sys.argv[1])
storage.write(path, "test", {"a": np.arange(10)})
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))  # what a full disk does: writing fails in the middle
try:
    storage.write(path, "test", {"a": np.arange(10_000)})
except StorageError as error:
    print("refused:", error)
print(storage.read(path, "test")["a"].tolist(), [p.name for p in path.parent.iterdir()])
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs POSIX limits")
def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "model.saltus"
    made = subprocess.run([sys.executable, "-c", FULL_DISK, str(path)], capture_output=True, text=True, check=True)
    first, second = made.stdout.strip().splitlines()[0], made.stdout.strip().splitlines()[-1]
    assert first.startswith("refused:")
    assert "unharmed" in first
    assert second == f"{list(range(10))} ['model.saltus']"


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be written"):
        storage.write(tmp_path / "file" / "model", "test", VALUES)


def test_leftovers_of_killed_processes_are_swept_away(tmp_path):
    dead = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True, check=True)
    left = tmp_path / f".model.{dead.stdout.strip()}.partial"
    left.write_bytes(b"half")
    storage.write(tmp_path / "model", "test", VALUES)
    assert [p.name for p in tmp_path.iterdir()] == ["model"]
