"""Arithmetic: sums, products, quotients, rounding, extremes, and what asks about a number's form."""

from __future__ import annotations

import math
from typing import Any

from saltus.base import dtypes as dt
from saltus.ir.node import Node, full
from saltus.ir.spec import OPS, Op, Sample
from saltus.ops._elementwise import elementwise, real_dtype

B = Any  # the emitter's vocabulary (backend/cpu/emit.py); ops do not import it
NUMBERS = "iufc"
BOOL = "the result is bool"


def where(condition: Node, a: Node, b: Node) -> Node:
    return OPS["where"](condition, a, b)


def zeros_like(a: Node) -> Node:
    return full(a.shape, 0, a.dtype)


def conj(a: Node) -> Node:
    """The complex conjugate (no node for a real operand)."""
    return OPS["conj"](a) if a.dtype.kind == "c" else a


def real(a: Node) -> Node:
    """The real part (no node for a real operand)."""
    return OPS["real"](a) if a.dtype.kind == "c" else a


def convert(a: Node, dtype: dt.DType) -> Node:
    """Another type (no node where it is the same)."""
    return a if a.dtype is dtype else OPS["cast"](a, dtype=dtype)


def no_zeros(a: Node) -> Node:
    """`a` with 1 in place of 0, for divisors whose quotient is not used where they are 0."""
    return where(OPS["equal"](a, zeros_like(a)), full(a.shape, 1, a.dtype), a)


add = elementwise(
    "add",
    2,
    "a + b",
    lambda xp, a, b: a + b,
    lambda b, x, y: b.add(x, y),
    lambda g, o, a, b: (g, g),
    kinds=NUMBERS,
    laws=(lambda o, a, b: (o, b + a),),
)
subtract = elementwise(
    "subtract",
    2,
    "a - b",
    lambda xp, a, b: a - b,
    lambda b, x, y: b.sub(x, y),
    lambda g, o, a, b: (g, -g),
    kinds=NUMBERS,
    laws=(lambda o, a, b: (o, -(b - a)),),
)
multiply = elementwise(
    "multiply",
    2,
    "a * b",
    lambda xp, a, b: a * b,
    lambda b, x, y: b.mul(x, y),
    lambda g, o, a, b: (g * conj(b), g * conj(a)),
    kinds=NUMBERS,
    laws=(lambda o, a, b: (o, b * a),),
)
divide = elementwise(
    "divide",
    2,
    "a / b",
    lambda xp, a, b: xp.divide(a, b),
    lambda b, x, y: b.div(x, y),
    lambda g, o, a, b: (g / conj(b), -(g * conj(o / b))),
    kinds="fc",
    low=0.4,
    laws=(lambda o, a, b: (o * b, a),),
)
negative = elementwise(
    "negative",
    1,
    "-a",
    lambda xp, a: -a,
    lambda b, x: b.neg(x),
    lambda g, o, a: (-g,),
    kinds=NUMBERS,
    laws=(lambda o, a: (o + a, zeros_like(a)),),
)


def _abs_vjp(g: Node, o: Node, a: Node) -> tuple[Node]:
    return (convert(g, a.dtype) * sign(a),)  # at 0 the gradient is 0


abs = elementwise(
    "abs",
    1,
    "|a|; of a complex number, its distance from 0",
    lambda xp, a: xp.abs(a),
    lambda b, x: b.abs(x),
    _abs_vjp,
    kinds=NUMBERS,
    dtype=real_dtype,
    laws=(lambda o, a: (o * o, real(a * conj(a))),),
)


def _sign(b: B, x: B) -> B:
    if x.dtype.kind == "f":
        unit = b.select(b.is_nan(x), x, b.copysign(b.like(1.0, x), x))
        return b.select(b.equal(x, b.like(0.0, x)), b.like(0.0, x), unit)
    zero, one = b.like(0, x), b.like(1, x)
    positive = b.select(b.greater(x, zero), one, zero)
    return positive if x.dtype.kind == "u" else b.select(b.less(x, zero), b.like(-1, x), positive)


def _sign_vjp(g: Node, o: Node, a: Node) -> tuple[Node | None]:
    """A real sign is flat; the complex one, a / |a|, changes across the direction of a only."""
    if a.dtype.kind != "c":
        return (None,)
    along = o * convert(OPS["real"](conj(o) * g), a.dtype)
    size = abs(a)
    share = where(OPS["equal"](size, zeros_like(size)), size, 1.0 / no_zeros(size))
    return ((g - along) * convert(share, a.dtype),)


sign: Op = elementwise(
    "sign",
    1,
    "-1, 0 or 1; a / |a| of a complex number; NaN stays",
    lambda xp, a: xp.sign(a),
    _sign,
    _sign_vjp,
    kinds=NUMBERS,
    laws=(lambda o, a: (o * convert(abs(a), a.dtype), a),),
)
square = elementwise(
    "square",
    1,
    "a * a",
    lambda xp, a: a * a,
    lambda b, x: b.mul(x, x),
    lambda g, o, a: (g * conj(a + a),),
    kinds=NUMBERS,
    laws=(lambda o, a: (o, a * a),),
)
reciprocal = elementwise(
    "reciprocal",
    1,
    "1 / a",
    lambda xp, a: 1 / a,
    lambda b, x: b.div(b.like(1.0, x), x),
    lambda g, o, a: (-(g * conj(o * o)),),
    kinds="fc",
    low=0.4,
    laws=(lambda o, a: (o * a, full(a.shape, 1, a.dtype)),),
)


def _halves(g: Node, a: Node, b: Node, first: Node) -> tuple[Node, Node]:
    """The gradient of an extreme goes to the operand it came from, half to each on a tie."""
    tie = OPS["equal"](a, b)
    half, zero = g * 0.5, zeros_like(g)
    return where(tie, half, where(first, g, zero)), where(tie, half, where(first, zero, g))


maximum = elementwise(
    "maximum",
    2,
    "the larger of a and b; NaN wins",
    lambda xp, a, b: xp.maximum(a, b),
    lambda b, x, y: b.maximum(x, y),
    lambda g, o, a, b: _halves(g, a, b, OPS["greater"](a, b)),
    kinds="iuf",
    laws=(lambda o, a, b: (o + minimum(a, b), a + b),),
)
minimum: Op = elementwise(
    "minimum",
    2,
    "the smaller of a and b; NaN wins",
    lambda xp, a, b: xp.minimum(a, b),
    lambda b, x, y: b.minimum(x, y),
    lambda g, o, a, b: _halves(g, a, b, OPS["less"](a, b)),
    kinds="iuf",
    laws=(lambda o, a, b: (o, where(OPS["less"](b, a), b, a)),),
)
relu = elementwise(
    "relu",
    1,
    "max(a, 0); the derivative at 0 is 0",
    lambda xp, a: xp.maximum(a, xp.zeros((), a.dtype)),
    lambda b, x: b.maximum(x, b.like(0.0, x)),
    lambda g, o, a: (where(OPS["greater"](o, zeros_like(o)), g, zeros_like(g)),),
    kinds="f",
    laws=(lambda o, a: (o + o, a + abs(a)),),
)

for _name, _doc in (
    ("floor", "largest integer not above a"),
    ("ceil", "smallest integer not below a"),
    ("trunc", "a without its fraction"),
):
    elementwise(
        _name,
        1,
        _doc,
        lambda xp, a, _n=_name: getattr(xp, _n)(a),
        lambda b, x, _n=_name: getattr(b, _n)(x),
        lambda g, o, a: (None,),
        kinds="f",
        low=-9.0,
        high=9.0,
    )
floor, ceil, trunc = OPS["floor"], OPS["ceil"], OPS["trunc"]
round = elementwise(
    "round",
    1,
    "nearest integer, ties to even; of both parts of a complex number",
    lambda xp, a: xp.round(a),
    lambda b, x: b.round_even(x),
    lambda g, o, a: (None,),
    kinds="fc",
    low=-9.0,
    high=9.0,
)


def _safe_divisor(b: B, x: B, y: B) -> tuple[B, B, B]:
    """Divisor that cannot trap, and where it was 0 or (signed) -1."""
    zero = b.equal(y, b.like(0, y))
    minus = b.equal(y, b.like(-1, y)) if y.dtype.kind == "i" else b.const(False, dt.bool_, y.lanes)
    return b.select(b.or_(zero, minus), b.like(1, y), y), zero, minus


def _float_floor_divide(b: B, x: B, y: B) -> B:
    quotient = b.round_even(b.div(b.sub(x, b.math("remainder", x, y)), y))
    plain = b.div(x, y)
    quotient = b.select(b.equal(quotient, b.like(0.0, x)), b.copysign(b.like(0.0, x), plain), quotient)
    # of an infinite operand or a divisor of 0 the quotient is 0, infinite or NaN: its own floor
    infinite = b.or_(b.equal(b.abs(x), b.like(math.inf, x)), b.equal(b.abs(y), b.like(math.inf, y)))
    return b.select(b.or_(infinite, b.equal(y, b.like(0.0, y))), plain, quotient)


def _floor_divide_eval(xp: Any, a: Any, b: Any) -> Any:
    quotient = xp.floor_divide(a, b)
    if a.dtype.kind != "f":
        return quotient
    return xp.where(xp.isinf(a) | xp.isinf(b) | (b == 0), xp.divide(a, b), quotient)


def _floor_divide(b: B, x: B, y: B) -> B:
    if x.dtype.kind == "f":
        return _float_floor_divide(b, x, y)
    safe, zero, minus = _safe_divisor(b, x, y)
    quotient = b.div(x, safe)
    if x.dtype.kind == "i":
        inexact = b.not_equal(b.mul(quotient, safe), x)
        apart = b.less(b.xor(x, safe), b.like(0, x))
        quotient = b.select(b.and_(inexact, apart), b.sub(quotient, b.like(1, x)), quotient)
        quotient = b.select(minus, b.neg(x), quotient)
    return b.select(zero, b.like(0, x), quotient)


def _remainder(b: B, x: B, y: B) -> B:
    if x.dtype.kind == "f":
        return b.math("remainder", x, y)
    safe, zero, minus = _safe_divisor(b, x, y)
    rest = b.rem(x, safe)
    if x.dtype.kind == "i":
        apart = b.less(b.xor(rest, safe), b.like(0, x))
        rest = b.select(b.and_(b.not_equal(rest, b.like(0, x)), apart), b.add(rest, safe), rest)
    return b.select(b.or_(zero, minus), b.like(0, x), rest)


def _away_from_zero(a: Node, b: Node) -> tuple[Node, Node]:
    return a, b + copysign(full(b.shape, 0.6, b.dtype), b)


_BOTH_SIGNS = tuple(
    Sample(((5, 41), (5, 41)), {}, -9.0, 9.0, (d, d), prepare=prepare)
    for d, prepare in (
        ("float32", _away_from_zero),
        ("float64", _away_from_zero),
        ("int8", None),
        ("int64", None),
    )
)  # the integers meet a divisor of 0 too, which gives 0

floor_divide = elementwise(
    "floor_divide",
    2,
    "floor(a / b)",
    _floor_divide_eval,
    _floor_divide,
    lambda g, o, a, b: (None, None),
    kinds="iuf",
    low=0.6,
    high=9.0,
    samples=_BOTH_SIGNS,
    laws=(lambda o, a, b: (where(OPS["equal"](b, zeros_like(b)), a, o * b + remainder(a, b)), a),),
)
remainder: Op = elementwise(
    "remainder",
    2,
    "a - b * floor(a / b), with the sign of b",
    lambda xp, a, b: xp.remainder(a, b),
    _remainder,
    lambda g, o, a, b: (g, -(g * floor_divide(a, b))),
    kinds="iuf",
    low=0.6,
    high=9.0,
    samples=_BOTH_SIGNS,
)


def _asks(name: str, doc: str, float_form: Any, otherwise: bool) -> Op:
    """A question whose answer is the same for all integers."""

    def cpu(b: B, x: B) -> B:
        return float_form(b, x) if x.dtype.kind == "f" else b.const(otherwise, dt.bool_, x.lanes)

    return elementwise(
        name,
        1,
        doc,
        lambda xp, a: getattr(xp, name)(a),
        cpu,
        None,
        kinds=NUMBERS,
        dtype=lambda d: dt.bool_,
        no_gradient=BOOL,
    )


is_finite = _asks(
    "isfinite", "neither infinite nor NaN", lambda b, x: b.less(b.abs(x), b.like(math.inf, x)), True
)
is_nan = _asks("isnan", "not a number", lambda b, x: b.is_nan(x), False)
is_inf = _asks(
    "isinf", "positive or negative infinity", lambda b, x: b.equal(b.abs(x), b.like(math.inf, x)), False
)
signbit = elementwise(
    "signbit",
    1,
    "whether the sign bit is set",
    lambda xp, a: xp.signbit(a),
    lambda b, x: b.less(b.bits_of(x), b.like(0, b.bits_of(x))),
    None,
    kinds="f",
    dtype=lambda d: dt.bool_,
    no_gradient=BOOL,
)


def _copysign_vjp(g: Node, o: Node, a: Node, b: Node) -> tuple[Node, None]:
    one = full(a.shape, 1, a.dtype)
    return g * copysign(one, a) * copysign(one, b), None


copysign: Op = elementwise(
    "copysign",
    2,
    "|a| with the sign of b",
    lambda xp, a, b: xp.copysign(a, b),
    lambda b, x, y: b.copysign(x, y),
    _copysign_vjp,
    kinds="f",
    laws=(lambda o, a, b: (abs(o), abs(a)), lambda o, a, b: (o * sign(b), abs(a))),
)
stop_gradient = elementwise(
    "stop_gradient",
    1,
    "a, as a constant to derivatives",
    lambda xp, a: a,
    lambda b, x: x,
    lambda g, o, a: (None,),
    kinds="biufc",
)
barrier = elementwise(
    "barrier",
    1,
    "a, never merged with an equal value: what sl.checkpoint recomputes from",
    lambda xp, a, token: a,
    lambda b, x, token: x,
    lambda g, o, a, token: (g,),
    kinds="biufc",
    attrs={"token": 0},
)
