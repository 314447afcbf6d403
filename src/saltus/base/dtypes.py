"""Element types and their promotion (array API standard 2024.12); the lowest layer.

bfloat16 and float16 are storage types: kernels read and write them, and compute in float32.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from saltus.base.errors import DTypeError


@dataclass(frozen=True, slots=True, eq=False)
class DType:
    """One element type.

    Attributes:
        name: array API name.
        kind: "b" bool, "i" signed, "u" unsigned, "f" real floating, "c" complex.
        bits: size of one element in bits (bool takes 8 in memory).
        numpy: the NumPy dtype that carries it in memory (bfloat16 is carried as uint16).
    """

    name: str
    kind: str
    bits: int
    numpy: np.dtype[Any]

    @property
    def itemsize(self) -> int:
        return self.bits // 8

    @property
    def is_float(self) -> bool:
        return self.kind == "f"

    @property
    def is_integer(self) -> bool:
        return self.kind in "iu"

    @property
    def is_inexact(self) -> bool:
        return self.kind in "fc"

    def __repr__(self) -> str:
        return f"saltus.{self.name}"

    def __eq__(self, other: object) -> bool:
        if isinstance(other, DType):
            return self is other
        if not isinstance(other, (str, type, np.dtype)):
            return False
        try:
            return as_dtype(other) is self
        except DTypeError:
            return False

    def __hash__(self) -> int:
        return hash(self.name)

    def __reduce__(self) -> tuple[Any, ...]:
        return as_dtype, (self.name,)


def _make(name: str, kind: str, bits: int, carrier: str | None = None) -> DType:
    return DType(name, kind, bits, np.dtype(carrier or name))


bool_ = _make("bool", "b", 8)
int8, int16, int32, int64 = (_make(f"int{n}", "i", n) for n in (8, 16, 32, 64))
uint8, uint16, uint32, uint64 = (_make(f"uint{n}", "u", n) for n in (8, 16, 32, 64))
float16, float32, float64 = (_make(f"float{n}", "f", n) for n in (16, 32, 64))
bfloat16 = _make("bfloat16", "f", 16, "uint16")
complex64, complex128 = _make("complex64", "c", 64), _make("complex128", "c", 128)

ALL = (
    bool_, int8, int16, int32, int64, uint8, uint16, uint32, uint64,
    float16, bfloat16, float32, float64, complex64, complex128,
)  # fmt: skip
_BY_NAME = {d.name: d for d in ALL}
_BY_NUMPY = {d.numpy: d for d in ALL if d is not bfloat16}
_PYTHON = {bool: bool_, int: int64, float: float32, complex: complex64}


def as_dtype(value: Any) -> DType:
    """The DType for a DType, its name, a NumPy dtype or scalar type, or a Python scalar type.

    Raises:
        DTypeError: nothing of that name exists here.
    """
    if isinstance(value, DType):
        return value
    if isinstance(value, str) and value in _BY_NAME:
        return _BY_NAME[value]
    if isinstance(value, type) and value in _PYTHON:
        return _PYTHON[value]
    try:
        found = None if value is None else _BY_NUMPY.get(np.dtype(value))  # NumPy takes None for float64
    except (TypeError, ValueError):
        found = None
    if found is None:
        names = ", ".join(_BY_NAME)
        raise DTypeError(f"{value!r} is not an element type saltus knows", fix=f"use one of: {names}")
    return found


_ORDER = {
    "u": (uint8, uint16, uint32, uint64),
    "i": (int8, int16, int32, int64),
    "c": (complex64, complex128),
}


def promote(a: DType, b: DType) -> DType:
    """The type of an operation on `a` and `b` (array API type promotion; mixed kinds as NumPy does, floats win).

    Raises:
        DTypeError: bool with a number, which the standard leaves undefined.
    """
    if a is b:
        return a
    ka, kb = a.kind, b.kind
    if ka == kb:
        if ka == "f":
            if {a, b} == {float16, bfloat16}:
                return float32
            return a if a.bits > b.bits else b
        return a if a.bits > b.bits else b
    if "b" in (ka, kb):
        raise DTypeError(
            f"cannot combine {a.name} with {b.name}",
            fix="convert first: x.astype(...) (bool does not mix with numbers)",
        )
    if {ka, kb} == {"i", "u"}:
        signed, unsigned = (a, b) if ka == "i" else (b, a)
        if signed.bits > unsigned.bits:
            return signed
        if unsigned.bits == 64:
            raise DTypeError(f"cannot combine {a.name} with {b.name}", fix="convert one of them: x.astype(...)")
        return _ORDER["i"][(8, 16, 32, 64).index(unsigned.bits * 2)]
    if "c" in (ka, kb):
        comp, other = (a, b) if ka == "c" else (b, a)
        return complex128 if comp is complex128 or other is float64 else complex64
    return a if ka == "f" else b


def finfo(dtype: Any) -> np.finfo[Any]:
    """NumPy's machine limits of a floating type (bfloat16 is described by float32)."""
    d = as_dtype(dtype)
    return np.finfo(np.float32 if d is bfloat16 else d.numpy)


def to_bfloat16(x: np.ndarray) -> np.ndarray:
    """float32 array -> uint16 carrier of bfloat16, rounding to nearest even."""
    bits = np.asarray(x, dtype=np.float32, order="C").view(np.uint32)  # keeps 0 dimensions
    rounded = ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)
    return np.where(np.isnan(x), np.uint16(0x7FC0), rounded)


def from_bfloat16(carrier: np.ndarray) -> np.ndarray:
    """uint16 carrier of bfloat16 -> float32 array."""
    return (carrier.astype(np.uint32) << 16).view(np.float32)
