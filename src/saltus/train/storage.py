"""Files of arrays and plain values: safetensors with JSON in its header, whole or not there at all. A low
file of `train`.

Layout (the safetensors format): 8 bytes with the length of the header; the header, JSON, with each array's
type, shape and place, and our own values as text under "__metadata__"; the arrays. Nothing in a file is ever
executed.
"""

from __future__ import annotations

import contextlib
import json
import os
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from saltus.base import dtypes as dt
from saltus.base.errors import ModelFileError, StorageError
from saltus.tensor.tensor import Tensor, of_array

Array = np.ndarray[Any, Any]

_NAMES = {
    "bool": "BOOL", "int8": "I8", "int16": "I16", "int32": "I32", "int64": "I64", "uint8": "U8", "uint16": "U16",
    "uint32": "U32", "uint64": "U64", "float16": "F16", "bfloat16": "BF16", "float32": "F32", "float64": "F64",
}  # fmt: skip
_TYPES = {v: k for k, v in _NAMES.items()}
_OWN = "saltus"  # our key in the header's metadata
_ARRAY = "$array"  # stands in the plain values where an array belongs
_LARGEST_HEADER = 100_000_000


def write(path: Path, kind: str, values: Any) -> None:
    """Write a tree of plain values, arrays and Tensors; the file at `path` is the old one until the new one
    is whole.

    Args:
        path: the file.
        kind: what it holds, such as "model"; `read` asks for it.
        values: dicts with text keys and lists of numbers, text, None, arrays and Tensors.

    Raises:
        StorageError: the disk is full, or the place cannot be written; the old file is left as it was.
    """
    pieces = _pieces(kind, values)
    partial = path.parent / f".{path.name}.{os.getpid()}.partial"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path)
        with partial.open("wb") as file:
            file.writelines(pieces)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
        _sync_folder(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise StorageError(
            f"{path} cannot be written: {error.strerror or error}; an older file of that name is unharmed",
            fix="name a file: that is a folder" if path.is_dir() else "make room on the disk, or choose another folder",
        ) from error


def packed(kind: str, values: Any) -> bytes:
    """The bytes that `write` would put into a file."""
    return b"".join(_pieces(kind, values))


def _pieces(kind: str, values: Any) -> list[bytes | memoryview]:
    """A file's bytes: length of the header, header, arrays."""
    arrays: dict[str, Tensor] = {}
    plain = _take_out(values, "", arrays)
    header: dict[str, Any] = {}
    place, check = 0, 0
    memory = {name: t._values() for name, t in arrays.items()}
    for name, array in memory.items():
        header[name] = {
            "dtype": _NAMES[arrays[name].dtype.name],
            "shape": list(array.shape),
            "data_offsets": [place, place + array.nbytes],
        }
        place += array.nbytes
        check = zlib.crc32(_bytes(array), check)
    own = {"kind": kind, "check": check, "values": plain}
    text = json.dumps({"__metadata__": {_OWN: json.dumps(own)}, **header}).encode()
    text += b" " * (-len(text) % 8)
    return [len(text).to_bytes(8, "little"), text, *(_bytes(array) for array in memory.values())]


def _bytes(array: Array) -> memoryview:
    return memoryview(array.reshape(-1).view(np.uint8)) if array.size else memoryview(b"")


def _sync_folder(folder: Path) -> None:
    """Make the new name itself safe against a power failure, where the system can."""
    if hasattr(os, "O_DIRECTORY"):
        number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(number)
        finally:
            os.close(number)


def _sweep(path: Path) -> None:
    """Remove what a killed process left half-written."""
    for old in path.parent.glob(f".{path.name}.*.partial"):
        number = old.name.split(".")[-2]
        if number.isdigit() and int(number) != os.getpid() and not _runs(int(number)):
            with contextlib.suppress(OSError):
                old.unlink()


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _take_out(value: Any, name: str, arrays: dict[str, Tensor]) -> Any:
    """The tree with arrays replaced by references to `arrays`."""
    if isinstance(value, np.ndarray):
        value = of_array(np.ascontiguousarray(value).reshape(value.shape), dt.as_dtype(value.dtype))
    if isinstance(value, Tensor):
        arrays[name] = value
        return {_ARRAY: name}
    if isinstance(value, dict):
        return {str(k): _take_out(v, f"{name}/{k}" if name else str(k), arrays) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_take_out(v, f"{name}/{k}" if name else str(k), arrays) for k, v in enumerate(value)]
    return value.item() if isinstance(value, np.generic) else value


def _put_back(value: Any, arrays: dict[str, Tensor]) -> Any:
    if isinstance(value, dict):
        if _ARRAY in value:
            return arrays[value[_ARRAY]]
        return {k: _put_back(v, arrays) for k, v in value.items()}
    return [_put_back(v, arrays) for v in value] if isinstance(value, list) else value


def read(path: Path, kind: str) -> Any:
    """What `write` was given, with Tensors in place of arrays.

    Args:
        path: the file.
        kind: what it must hold.

    Raises:
        StorageError: there is no such file, or it cannot be read.
        ModelFileError: it is damaged, holds something else, or was not written by saltus.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise StorageError(f"{path} cannot be read: {error.strerror or error}", fix="check the name of the file") from error
    return unpacked(data, kind, path)


def unpacked(data: bytes, kind: str, path: Any) -> Any:
    """What `packed` was given, with Tensors in place of arrays.

    Args:
        data: the bytes.
        kind: what they must hold.
        path: where they come from, for messages.

    Raises:
        ModelFileError: they are damaged, hold something else, or were not written by saltus.
    """
    header, body = _parted(path, data)
    own = _own(path, header)
    if own["kind"] != kind:
        raise ModelFileError(f"{path} holds a {own['kind']}, not a {kind}", fix=f"choose the file of a {kind}")
    if zlib.crc32(body) != own["check"]:
        raise _damaged(path, "its numbers do not fit their check sum")
    try:
        arrays = {name: _array(entry, body) for name, entry in header.items() if name != "__metadata__"}
        return _put_back(own["values"], arrays)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _damaged(path, f"an array cannot be read ({error})") from error


def _damaged(path: Path, why: str) -> ModelFileError:
    return ModelFileError(f"{path} is damaged: {why}", fix="take another copy, or save it again")


def _parted(path: Path, data: bytes) -> tuple[dict[str, Any], memoryview]:
    """Header and arrays of a file."""
    length = int.from_bytes(data[:8], "little")
    foreign = ModelFileError(f"{path} was not written by saltus", fix="choose a file that model.save or a checkpoint wrote")
    if len(data) < 16 or length > _LARGEST_HEADER or data[8:9] != b"{":
        raise foreign
    if len(data) < 8 + length:
        raise _damaged(path, "it ends in the middle of its header")
    try:
        header = json.loads(data[8 : 8 + length])
    except ValueError as error:
        raise _damaged(path, "its header cannot be read") from error
    if not isinstance(header, dict):
        raise foreign
    return header, memoryview(data)[8 + length :]


def _own(path: Path, header: dict[str, Any]) -> dict[str, Any]:
    """Our own values of a header."""
    try:
        own = json.loads(header["__metadata__"][_OWN])
        own["kind"], own["check"], own["values"]
    except KeyError as error:
        raise ModelFileError(
            f"{path} is a safetensors file of another program: it holds arrays, but no network",
            fix="choose a file that model.save wrote",
        ) from error
    except (TypeError, ValueError) as error:
        raise _damaged(path, "its description cannot be read") from error
    return own


def _array(entry: dict[str, Any], body: memoryview) -> Tensor:
    dtype = dt.as_dtype(_TYPES[entry["dtype"]])
    begin, end = entry["data_offsets"]
    if not 0 <= begin <= end <= len(body):
        raise ValueError(f"bytes {begin} to {end} lie outside the file")
    array = np.frombuffer(body[begin:end], dtype.numpy).reshape(entry["shape"])
    return of_array(array.copy(), dtype)
