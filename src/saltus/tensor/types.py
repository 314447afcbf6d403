"""Functions on element types, and what the namespace says about itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from saltus.base import dtypes as dt
from saltus.base.dtypes import DType
from saltus.base.errors import ArgumentError, DTypeError
from saltus.tensor.operands import NUMBERS, as_tensor, meet, number_kind
from saltus.tensor.tensor import Tensor
from saltus.tensor.tracing import here


@dataclass(frozen=True)
class FloatLimits:
    """Limits of a floating type; all but bits and dtype are Python floats."""

    bits: int
    eps: float
    max: float
    min: float
    smallest_normal: float
    dtype: DType


@dataclass(frozen=True)
class IntegerLimits:
    """Limits of an integer type."""

    bits: int
    max: int
    min: int
    dtype: DType


def _dtype_of(value: Any) -> DType:
    if isinstance(value, Tensor):
        return value.dtype
    if isinstance(value, (np.ndarray, np.generic)):
        return dt.as_dtype(value.dtype)
    return dt.as_dtype(value)


def finfo(type: Any, /) -> FloatLimits:
    """Limits of a floating type (of its parts, when it is complex).

    Args:
        type: a floating or complex type, or a Tensor of one.

    Example:
        >>> import saltus as sl
        >>> sl.finfo(sl.float32).bits
        32
    """
    dtype = _dtype_of(type)
    if not dtype.is_inexact:
        raise DTypeError(f"finfo takes a floating type, got {dtype.name}", site=here(), fix="use iinfo for integers")
    if dtype is dt.bfloat16:
        return FloatLimits(16, 2.0**-7, 3.3895313892515355e38, -3.3895313892515355e38, 2.0**-126, dtype)
    info = np.finfo(dtype.numpy)
    real = dt.float32 if dtype is dt.complex64 else dt.float64 if dtype is dt.complex128 else dtype
    return FloatLimits(real.bits, float(info.eps), float(info.max), float(info.min), float(info.smallest_normal), real)


def iinfo(type: Any, /) -> IntegerLimits:
    """Limits of an integer type.

    Args:
        type: an integer type, or a Tensor of one.

    Example:
        >>> import saltus as sl
        >>> sl.iinfo(sl.int8).max
        127
    """
    dtype = _dtype_of(type)
    if not dtype.is_integer:
        raise DTypeError(f"iinfo takes an integer type, got {dtype.name}", site=here(), fix="use finfo for floats")
    info = np.iinfo(dtype.numpy)
    return IntegerLimits(dtype.bits, int(info.max), int(info.min), dtype)


_KINDS = {
    "bool": "b", "signed integer": "i", "unsigned integer": "u", "integral": "iu", "real floating": "f", "complex floating": "c",
    "numeric": "iufc",
}  # fmt: skip


def isdtype(dtype: Any, kind: Any) -> bool:
    """Whether an element type is of a kind.

    Args:
        dtype: an element type.
        kind: a type, a kind ("bool", "signed integer", "unsigned integer", "integral", "real floating", "complex floating", "numeric"),
            or a tuple of them.

    Example:
        >>> import saltus as sl
        >>> sl.isdtype(sl.int8, "integral")
        True
    """
    own = dt.as_dtype(dtype)
    kinds = kind if isinstance(kind, tuple) else (kind,)
    for k in kinds:
        if isinstance(k, str):
            if k not in _KINDS:
                raise ArgumentError(f"isdtype: {k!r} is not a kind", site=here(), fix=f"use one of: {', '.join(_KINDS)}")
            if own.kind in _KINDS[k]:
                return True
        elif own is dt.as_dtype(k):
            return True
    return False


def can_cast(from_: Any, to: Any, /) -> bool:
    """Whether promotion may turn one type into another.

    Args:
        from_: an element type or a Tensor.
        to: an element type.

    Example:
        >>> import saltus as sl
        >>> sl.can_cast(sl.float32, sl.float64), sl.can_cast(sl.float64, sl.float32)
        (True, False)
    """
    first, second = _dtype_of(from_), dt.as_dtype(to)
    try:
        return dt.promote(first, second) is second
    except DTypeError:
        return False


def result_type(*arrays_and_dtypes: Any) -> DType:
    """The type that an operation on these promotes to.

    Args:
        arrays_and_dtypes: Tensors, element types, and Python numbers beside at least one of those.

    Example:
        >>> import saltus as sl
        >>> sl.result_type(sl.int8, sl.int32)
        saltus.int32
    """
    numbers = [v for v in arrays_and_dtypes if isinstance(v, NUMBERS)]
    typed = [_dtype_of(v) for v in arrays_and_dtypes if not isinstance(v, NUMBERS)]
    if not typed:
        if not numbers:
            raise ArgumentError("result_type needs at least one array or type", site=here())
        return as_tensor(sum(numbers)).dtype
    result = typed[0]
    for dtype in typed[1:]:
        result = dt.promote(result, dtype)
    for value in numbers:
        result = meet(result, number_kind(value), value, "result_type")
    return result


class ArrayInfo:
    """What the namespace can do, as the standard wants to know it."""

    def capabilities(self) -> dict[str, Any]:
        """Whether results may have shapes that depend on values."""
        return {"boolean indexing": True, "data-dependent shapes": True, "max dimensions": 32}

    def default_device(self) -> str:
        """Where new arrays live."""
        return "cpu"

    def devices(self) -> list[str]:
        """Every device."""
        return ["cpu"]

    def default_dtypes(self, *, device: Any = None) -> dict[str, DType]:
        """Types taken when none is given."""
        return {
            "real floating": dt.float32,
            "complex floating": dt.complex64,
            "integral": dt.int64,
            "indexing": dt.int64,
        }

    def dtypes(self, *, device: Any = None, kind: Any = None) -> dict[str, DType]:
        """Element types of a kind, by name."""
        standard = [d for d in dt.ALL if d not in (dt.float16, dt.bfloat16)]
        return {d.name: d for d in standard if kind is None or isdtype(d, kind)}


def __array_namespace_info__() -> ArrayInfo:
    """What the namespace can do: capabilities, devices, element types.

    Example:
        >>> import saltus as sl
        >>> sl.__array_namespace_info__().default_device()
        'cpu'
    """
    return ArrayInfo()
