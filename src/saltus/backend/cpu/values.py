"""Values of LLVM IR text: their spelling, element type and lanes; under the emitter."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass

from saltus.base import dtypes as dt
from saltus.base.dtypes import DType

LLVM = {
    dt.bool_: "i1", dt.int8: "i8", dt.int16: "i16", dt.int32: "i32", dt.int64: "i64", dt.uint8: "i8", dt.uint16: "i16",
    dt.uint32: "i32", dt.uint64: "i64", dt.float32: "float", dt.float64: "double", dt.float16: "half", dt.bfloat16: "bfloat",
}  # fmt: skip
SUFFIX = {"float": "f32", "double": "f64", "half": "f16", "bfloat": "bf16"}
INT_OF_BITS = {8: dt.int8, 16: dt.int16, 32: dt.int32, 64: dt.int64}
UINT_OF_BITS = {8: dt.uint8, 16: dt.uint16, 32: dt.uint32, 64: dt.uint64}


@dataclass(frozen=True, slots=True)
class Value:
    """An SSA value or constant: its LLVM spelling, element type (None for a pointer) and lanes (1 for a scalar)."""

    ref: str
    dtype: DType | None
    lanes: int = 1

    @property
    def type(self) -> str:
        if self.dtype is None:
            return "ptr"
        scalar = LLVM[self.dtype]
        return scalar if self.lanes == 1 else f"<{self.lanes} x {scalar}>"

    def __str__(self) -> str:
        return f"{self.type} {self.ref}"


def llvm_type(dtype: DType, lanes: int = 1) -> str:
    """The LLVM type of `lanes` elements in registers."""
    return Value("", dtype, lanes).type


def literal(value: float | int | bool, dtype: DType) -> str:
    if dtype.kind == "b":
        return "true" if value else "false"
    if dtype.kind in "iu":
        return str(int(value))
    number = float(value)
    if dtype is dt.float32:  # LLVM spells a float as the double of the same value
        try:
            number = struct.unpack("f", struct.pack("f", number))[0]
        except OverflowError:
            number = math.copysign(math.inf, number)
    return "0x" + struct.pack(">d", number).hex().upper()


def whole_limits(source: DType, dtype: DType) -> tuple[float, float, int]:
    """The least and the largest float that an integer type can hold, and its largest integer, which may be larger than the float."""
    last = (1 << (dtype.bits - (dtype.kind == "i"))) - 1
    beyond = max(0, last.bit_length() - {32: 24, 64: 53}[source.bits])  # digits that a float has no room for
    return float(-last - 1 if dtype.kind == "i" else 0), float(last >> beyond << beyond), last
