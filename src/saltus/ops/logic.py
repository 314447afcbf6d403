"""Comparison, logic, bits, choice and conversion."""

from __future__ import annotations

from typing import Any

import numpy as np

from saltus.base import dtypes as dt
from saltus.base.dtypes import DType
from saltus.base.errors import DTypeError
from saltus.ir.node import Node, full
from saltus.ir.spec import OPS, Kind, Op, Sample, define, same_shape
from saltus.ops._elementwise import elementwise, to_bool
from saltus.ops._namespace import is_numpy

B = Any
BOOL = "the result is bool"
WHOLE = "the operands are whole numbers"

for _name, _symbol in (
    ("equal", "=="),
    ("not_equal", "!="),
    ("less", "<"),
    ("less_equal", "<="),
    ("greater", ">"),
    ("greater_equal", ">="),
):
    elementwise(
        _name,
        2,
        f"a {_symbol} b",
        lambda xp, a, b, _n=_name: getattr(xp, _n)(a, b),
        lambda b, x, y, _n=_name: getattr(b, _n)(x, y),
        None,
        dtype=to_bool,
        no_gradient=BOOL,
        kinds="biufc" if _name in ("equal", "not_equal") else "biuf",
    )
equal, not_equal, less, less_equal, greater, greater_equal = (
    OPS[n] for n in ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal")
)


def _logic(name: str, symbol: str, eval: Any, form: str, *, bits: bool, **more: Any) -> Op:
    """An op on truth values, or on the bits of whole numbers; `form` is the emitter's name for it."""
    return elementwise(
        name,
        1 if form == "not_" else 2,
        symbol,
        eval,
        lambda b, *x: getattr(b, form)(*x),
        None,
        kinds="biu" if bits else "b",
        no_gradient=WHOLE if bits else BOOL,
        **more,
    )


logical_and = _logic("logical_and", "a and b", lambda xp, a, b: a & b, "and_", bits=False)
logical_or = _logic("logical_or", "a or b", lambda xp, a, b: a | b, "or_", bits=False)
logical_xor = _logic("logical_xor", "either a or b", lambda xp, a, b: a ^ b, "xor", bits=False)
logical_not = _logic("logical_not", "not a", lambda xp, a: ~a, "not_", bits=False)
bitwise_and = _logic("bitwise_and", "a & b", lambda xp, a, b: a & b, "and_", bits=True)
bitwise_or = _logic("bitwise_or", "a | b", lambda xp, a, b: a | b, "or_", bits=True)
bitwise_xor = _logic("bitwise_xor", "a ^ b", lambda xp, a, b: a ^ b, "xor", bits=True)
bitwise_invert = _logic("bitwise_invert", "~a", lambda xp, a: ~a, "not_", bits=True)


def _shift(b: B, x: B, y: B, left: bool) -> B:
    """Shifts by the width or more give 0 (or the sign, to the right), where the instruction is undefined."""
    bits = x.dtype.bits
    outside = b.or_(b.greater_equal(y, b.like(bits, y)), b.less(y, b.like(0, y)))
    near = b.select(outside, b.like(0 if left else bits - 1, y), y)
    if left or x.dtype.kind == "u":
        moved = b.shl(x, near) if left else b.shr(x, near)
        return b.select(outside, b.like(0, x), moved)
    return b.shr(x, near)


_FAR = tuple(Sample(((5, 41), (5, 41)), {}, -3.0, 70.0, (d, d)) for d in ("int8", "int32", "int64"))
bitwise_left_shift = elementwise(
    "bitwise_left_shift",
    2,
    "a << b; 0 from the width on",
    lambda xp, a, b: xp.left_shift(a, b),
    lambda b, x, y: _shift(b, x, y, True),
    None,
    kinds="iu",
    no_gradient=WHOLE,
    low=0,
    high=6,
    samples=_FAR,
)
bitwise_right_shift = elementwise(
    "bitwise_right_shift",
    2,
    "a >> b, with the sign moving in",
    lambda xp, a, b: xp.right_shift(a, b),
    lambda b, x, y: _shift(b, x, y, False),
    None,
    kinds="iu",
    no_gradient=WHOLE,
    low=0,
    high=6,
    samples=_FAR,
)


def _where_dtype(c: DType, a: DType, b: DType) -> DType:
    if c is not dt.bool_:
        raise DTypeError(f"where takes a bool condition, got {c.name}", fix="compare: where(x > 0, ...)")
    if a is not b:
        raise DTypeError(f"where takes values of one type, got {a.name} and {b.name}")
    return a


def _where_vjp(g: Node, o: Node, c: Node, a: Node, b: Node) -> tuple[None, Node, Node]:
    zero = full(g.shape, 0, g.dtype)
    return None, where(c, g, zero), where(c, zero, g)


where: Op = define(
    Op(
        "where",
        Kind.ELEMENTWISE,
        "a where the condition holds, else b",
        lambda xp, c, a, b: xp.where(c, a, b),
        same_shape,
        _where_dtype,
        _where_vjp,
        lambda b, c, x, y: b.select(c, x, y),
        tuple(
            Sample((s,) * 3, dtypes=("bool", d.name, d.name))
            for s in ((4, 5), (), (3, 1, 37))
            for d in dt.ALL
        ),
        (lambda o, c, a, b: (o, where(logical_not(c), b, a)),),
        kinds="biufc",
    )
)


def _cast(xp: Any, a: Any, dtype: DType) -> Any:
    if a.dtype.kind == "c" and dtype.kind != "c":
        a = a != 0 if dtype.kind == "b" else xp.real(a)
    if not is_numpy(xp):
        return a.astype(dtype.name)
    if dtype.kind in "iu" and a.dtype.kind == "f":  # as the engines do: saturate, NaN gives 0
        info = np.iinfo(dtype.numpy)
        whole = np.nan_to_num(np.trunc(a.astype(np.float64)), nan=0.0)
        cast = np.clip(whole, float(info.min), float(info.max)).astype(dtype.numpy)
        cast = np.where(whole >= float(info.max), np.asarray(info.max, dtype.numpy), cast)
        return np.where(whole <= float(info.min), np.asarray(info.min, dtype.numpy), cast)
    return a.astype(np.float32 if dtype is dt.bfloat16 else dtype.numpy)


def _cast_vjp(g: Node, o: Node, a: Node, dtype: DType) -> tuple[Node | None]:
    if not (a.dtype.is_inexact and dtype.is_inexact):
        return (None,)
    if a.dtype.kind == "f" and dtype.kind == "c":  # an imaginary part of the gradient has no direction in a
        g = OPS["real"](g)
    return (OPS["cast"](g, dtype=a.dtype),)


def _cast_samples() -> tuple[Sample, ...]:
    """Every type to every other, with numbers beyond the range of the small ones; half types within theirs."""
    halves = (dt.float16, dt.bfloat16)
    return tuple(
        Sample(
            ((4, 5),),
            {"dtype": target},
            *((-3.0, 3.0) if source in halves else (-300.0, 300.0)),
            (source.name,),
        )
        for source in dt.ALL
        for target in dt.ALL
    )


cast = define(
    Op(
        "cast",
        Kind.ELEMENTWISE,
        "a as another type; float to integer truncates, saturates, and makes NaN 0; complex to real drops the imaginary part",
        _cast,
        lambda s, dtype: s,
        lambda d, dtype: dtype,
        _cast_vjp,
        lambda b, x, dtype: b.convert(x, dtype),
        _cast_samples(),
        kinds="biufc",
    )
)
