"""TensorBoard's event files, written without TensorBoard: records of protocol-buffer messages with check sums. A low
file of `train`.

A record is the length of its data (8 bytes, little-endian), a check sum of these, the data, and a check sum of the data;
check sums are CRC-32C, turned and shifted. Source: the format of TFRecord files and the messages Event, Summary and
HistogramProto of TensorFlow.
"""

from __future__ import annotations

import os
import socket
import struct
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from saltus.base.errors import StorageError

_POLYNOMIAL = 0x82F63B78  # Castagnoli's, bits in reverse


def _table() -> list[int]:
    made = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (_POLYNOMIAL if value & 1 else 0)
        made.append(value)
    return made


_TABLE = _table()


def crc32c(data: bytes) -> int:
    """The CRC-32C check sum of bytes.

    Example:
        >>> hex(crc32c(b"123456789"))
        '0xe3069283'
    """
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def record(data: bytes) -> bytes:
    """A message as a record of the file."""
    length = struct.pack("<Q", len(data))
    return length + _masked(length) + data + _masked(data)


def _masked(data: bytes) -> bytes:
    crc = crc32c(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


# -- messages: a field is its number and kind, then its value ------------------------------------------------------------


def _varint(value: int) -> bytes:
    made = bytearray()
    value &= 0xFFFFFFFFFFFFFFFF
    while value > 0x7F:
        made.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*made, value])


def _whole(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)


def _double(number: int, value: float) -> bytes:
    return _varint(number << 3 | 1) + struct.pack("<d", value)


def _float(number: int, value: float) -> bytes:
    return _varint(number << 3 | 5) + struct.pack("<f", value)


def _bytes(number: int, value: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _value(tag: str, content: bytes) -> bytes:
    return _bytes(1, _bytes(1, tag.encode()) + content)


def event(summary: bytes, step: int, when: float) -> bytes:
    """An event with a summary."""
    return _double(1, when) + _whole(2, step) + _bytes(5, summary)


def scalars(values: Mapping[str, float]) -> bytes:
    """A summary of numbers by their tags; what lies outside float32 becomes infinite."""
    with np.errstate(over="ignore"):
        return b"".join(_value(tag, _float(2, float(np.float32(value)))) for tag, value in values.items())


def histogram(tag: str, values: Any, bins: int = 30) -> bytes:
    """A summary of how values are spread; those that are not finite are left out."""
    flat = np.asarray(values, np.float64).reshape(-1)
    flat = flat[np.isfinite(flat)]
    counts, edges = np.histogram(flat, bins=bins) if flat.size else (np.zeros(1), np.zeros(2))
    low, high = (flat.min(), flat.max()) if flat.size else (0.0, 0.0)
    message = b"".join(
        _double(number, float(value))
        for number, value in enumerate((low, high, flat.size, flat.sum(), np.square(flat).sum()), 1)
    )  # fmt: skip
    message += _bytes(6, edges[1:].astype("<f8").tobytes()) + _bytes(7, counts.astype("<f8").tobytes())
    return _value(tag, _bytes(5, message))


class EventFile:
    """An event file that grows.

    Args:
        folder: made when it is not there; every file gets a name of its own in it.

    Raises:
        StorageError: it cannot be written.
    """

    _made = 0

    def __init__(self, folder: Path) -> None:
        EventFile._made += 1
        now = time.time()
        self.path = folder / f"events.out.tfevents.{now:.0f}.{socket.gethostname()}.{os.getpid()}.{EventFile._made}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _unwritten(folder, error) from error
        self._append(_double(1, now) + _bytes(3, b"brain.Event:2"))

    def write(self, summary: bytes, step: int) -> None:
        """Add a summary."""
        self._append(event(summary, step, time.time()))

    def _append(self, message: bytes) -> None:
        try:
            with self.path.open("ab") as file:
                file.write(record(message))
        except OSError as error:
            raise _unwritten(self.path, error) from error


def _unwritten(path: Path, error: OSError) -> StorageError:
    return StorageError(f"{path} cannot be written: {error.strerror or error}", fix="choose another place")
