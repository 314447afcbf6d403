"""The short form in which elementwise ops are declared."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from saltus.base import dtypes as dt
from saltus.base.dtypes import DType
from saltus.base.errors import DTypeError
from saltus.ir.spec import Kind, Op, Sample, define, same_shape


def same_dtype(*dtypes: DType, **_: Any) -> DType:
    """Type rule: all operands of one type, which is the result's."""
    if any(d is not dtypes[0] for d in dtypes):
        raise DTypeError(f"operands must have one type, got {', '.join(d.name for d in dtypes)}")
    return dtypes[0]


def to_bool(*dtypes: DType, **_: Any) -> DType:
    """Type rule: operands of one type, a bool result."""
    same_dtype(*dtypes)
    return dt.bool_


def real_dtype(*dtypes: DType, **_: Any) -> DType:
    """Type rule: as same_dtype, with a complex type giving the real type of its parts."""
    found = same_dtype(*dtypes)
    return {dt.complex64: dt.float32, dt.complex128: dt.float64}.get(found, found)


def complex_dtype(*dtypes: DType, **_: Any) -> DType:
    """Type rule: as same_dtype, with a real type giving the complex type of its parts."""
    found = same_dtype(*dtypes)
    return {dt.float32: dt.complex64, dt.float64: dt.complex128}.get(found, found)


def elementwise(
    name: str,
    operands: int,
    doc: str,
    eval: Callable[..., Any],
    cpu: Callable[..., Any] | None,
    vjp: Callable[..., Any] | None,
    *,
    kinds: str = "biuf",
    dtype: Callable[..., DType] = same_dtype,
    low: float = -2.0,
    high: float = 2.0,
    no_gradient: str = "",
    laws: tuple[Callable[..., Any], ...] = (),
    samples: tuple[Sample, ...] = (),
    tolerance: float = 16.0,
    flops: int = 1,
    attrs: dict[str, Any] | None = None,
) -> Op:
    """Declare an op that works element by element on operands of one shape; `samples` come on top of the usual three."""
    shapes = ((4, 5), (), (3, 1, 37))
    usual = tuple(Sample((s,) * operands, attrs or {}, low, high, None, tolerance) for s in shapes)
    return define(
        Op(
            name,
            Kind.ELEMENTWISE,
            doc,
            eval,
            same_shape,
            dtype,
            vjp,
            cpu,
            usual + samples,
            laws=laws,
            no_gradient=no_gradient,
            kinds=kinds,
            flops=flops,
        )
    )
