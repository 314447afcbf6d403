"""Comparison, logic, bits, choice and conversion."""

from __future__ import annotations

from typing import Any

import numpy as np

from saltus.base import dtypes as dt
from saltus.base.dtypes import DType
from saltus.base.errors import DTypeError
from saltus.ir.node import full
from saltus.ir.spec import OPS, Kind, Op, Sample, define, same_shape
from saltus.ops._elementwise import elementwise, to_bool

B = Any
BOOL = "the result is bool"
WHOLE = "the operands are whole numbers"

for _name, _symbol in (("equal", "=="), ("not_equal", "!="), ("less", "<"), ("less_equal", "<="), ("greater", ">"), ("greater_equal", ">=")):
    elementwise(
        _name, 2, f"a {_symbol} b", lambda xp, a, b, _n=_name: getattr(xp, _n)(a, b), lambda b, x, y, _n=_name: getattr(b, _n)(x, y),
        None, dtype=to_bool, no_gradient=BOOL, kinds="biufc" if _name in ("equal", "not_equal") else "biuf",
    )  # fmt: skip
equal, not_equal, less, less_equal, greater, greater_equal = (
    OPS[n] for n in ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal")
)

logical_and = elementwise("logical_and", 2, "a and b", lambda xp, a, b: a & b, lambda b, x, y: b.and_(x, y), None, kinds="b", no_gradient=BOOL)
logical_or = elementwise("logical_or", 2, "a or b", lambda xp, a, b: a | b, lambda b, x, y: b.or_(x, y), None, kinds="b", no_gradient=BOOL)
logical_xor = elementwise("logical_xor", 2, "either a or b", lambda xp, a, b: a ^ b, lambda b, x, y: b.xor(x, y), None, kinds="b", no_gradient=BOOL)
logical_not = elementwise("logical_not", 1, "not a", lambda xp, a: ~a, lambda b, x: b.not_(x), None, kinds="b", no_gradient=BOOL)
bitwise_and = elementwise("bitwise_and", 2, "a & b", lambda xp, a, b: a & b, lambda b, x, y: b.and_(x, y), None, kinds="biu", no_gradient=WHOLE)
bitwise_or = elementwise("bitwise_or", 2, "a | b", lambda xp, a, b: a | b, lambda b, x, y: b.or_(x, y), None, kinds="biu", no_gradient=WHOLE)
bitwise_xor = elementwise("bitwise_xor", 2, "a ^ b", lambda xp, a, b: a ^ b, lambda b, x, y: b.xor(x, y), None, kinds="biu", no_gradient=WHOLE)
bitwise_invert = elementwise("bitwise_invert", 1, "~a", lambda xp, a: ~a, lambda b, x: b.not_(x), None, kinds="biu", no_gradient=WHOLE)


def _shift(b: B, x: B, y: B, left: bool) -> B:
    """Shifts by the width or more give 0 (or the sign, to the right), where the instruction is undefined."""
    bits = x.dtype.bits
    outside = b.or_(b.greater_equal(y, b.like(bits, y)), b.less(y, b.like(0, y)))
    near = b.select(outside, b.like(0 if left else bits - 1, y), y)
    if left or x.dtype.kind == "u":
        moved = b.shl(x, near) if left else b.shr(x, near)
        return b.select(outside, b.like(0, x), moved)
    return b.shr(x, near)


bitwise_left_shift = elementwise("bitwise_left_shift", 2, "a << b", lambda xp, a, b: xp.left_shift(a, b), lambda b, x, y: _shift(b, x, y, True), None, kinds="iu", no_gradient=WHOLE, low=0, high=6)
bitwise_right_shift = elementwise("bitwise_right_shift", 2, "a >> b", lambda xp, a, b: xp.right_shift(a, b), lambda b, x, y: _shift(b, x, y, False), None, kinds="iu", no_gradient=WHOLE, low=0, high=6)


def _where_dtype(c: DType, a: DType, b: DType) -> DType:
    if c is not dt.bool_:
        raise DTypeError(f"where takes a bool condition, got {c.name}", fix="compare: where(x > 0, ...)")
    if a is not b:
        raise DTypeError(f"where takes values of one type, got {a.name} and {b.name}")
    return a


where = define(
    Op("where", Kind.ELEMENTWISE, "a where the condition holds, else b", lambda xp, c, a, b: xp.where(c, a, b), same_shape, _where_dtype,
       lambda g, o, c, a, b: (None, where(c, g, full(g.shape, 0, g.dtype)), where(c, full(g.shape, 0, g.dtype), g)),
       lambda b, c, x, y: b.select(c, x, y),
       tuple(Sample(((s),) * 3, dtypes=("bool", d, d)) for s in ((4, 5), (), (3, 1, 37)) for d in ("float32", "float64", "int32", "bool")),
       kinds="biufc")
)  # fmt: skip


def _cast(xp: Any, a: Any, dtype: DType) -> Any:
    if xp is not np:
        return a.astype(dtype.name)
    a = np.asarray(a)
    if dtype.kind in "iu" and a.dtype.kind == "f":  # as the engines do: saturate, NaN gives 0
        info = np.iinfo(dtype.numpy)
        with np.errstate(invalid="ignore"):
            clean = np.nan_to_num(np.trunc(a.astype(np.float64)), nan=0.0)
            cast = np.clip(clean, float(info.min), float(info.max)).astype(dtype.numpy)
        cast = np.where(clean >= float(info.max), np.asarray(info.max, dtype.numpy), cast)
        return np.where(clean <= float(info.min), np.asarray(info.min, dtype.numpy), cast)
    with np.errstate(over="ignore", invalid="ignore"):
        return a.astype(dtype.numpy)


def _cast_vjp(g: Any, o: Any, a: Any, dtype: DType) -> Any:
    if a.dtype.kind == "c" and g.dtype.kind == "f":
        return (OPS["cast"](g, dtype=a.dtype),)
    if a.dtype.kind == "f" and g.dtype.kind == "c":
        return (OPS["cast"](OPS["real"](g), dtype=a.dtype),)
    return (OPS["cast"](g, dtype=a.dtype) if a.dtype.is_inexact and dtype.is_inexact else None,)


cast = define(
    Op("cast", Kind.ELEMENTWISE, "a as another type; float to integer truncates, saturates, and makes NaN 0", _cast, lambda s, dtype: s,
       lambda d, dtype: dtype, _cast_vjp, lambda b, x, dtype: b.convert(x, dtype),
       tuple(Sample(((4, 5),), {"dtype": d}, -300.0, 300.0, (s,)) for d in dt.ALL[:9] + dt.ALL[11:13]
             for s in ("float32", "float64", "int32", "int8", "uint8", "int64", "bool"))
       + tuple(Sample(((4, 5),), {"dtype": d}, -3.0, 3.0, ("float32",)) for d in (dt.float16,)),
       kinds="biufc")
)  # fmt: skip
