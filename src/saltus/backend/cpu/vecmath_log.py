"""log, log2, log10, log1p and what rests on them: softplus, logaddexp, asinh, acosh, atanh.

x = 2**e (1 + f) with sqrt(1/2) <= 1 + f < sqrt(2), found by integer arithmetic on the bits of x; then
log x = e ln 2 + log(1 + f).
"""

from __future__ import annotations

import math

from saltus.backend.cpu.emit import Emitter, Value
from saltus.backend.cpu.vecmath_core import (
    MathFunction,
    layout,
    masked,
    plus,
    polynomial,
    shifted,
    times,
    whole_to_float,
    width,
)
from saltus.backend.cpu.vecmath_exp import LN2, exp_negative

# log(1 + f) = f + f² (-1/2 + f (c0 + c1 f + ...)) on [-0.2929, 0.4143]: relative error 2**-27.3.
_LOG32 = (0.3333333134651184, -0.250008225440979, 0.20001259446144104, -0.16623342037200928,
          0.14201055467128754, -0.13159559667110443, 0.1276588886976242, -0.07641373574733734)  # fmt: skip
# log(1 + f) = 2 atanh s = 2 s + s³ (c0 + c1 s² + ...), s = f/(2 + f), |s| <= 0.1716: relative error 2**-59.5.
_LOG64 = (0.6666666666666734, 0.39999999999416697, 0.2857142874202225, 0.2222219860417035,
          0.1818356299420518, 0.15314078488852, 0.14795724680788083)  # fmt: skip
# 1 / ln 2, 1 / ln 10 and log10(2), each as a sum of two numbers of the type.
LOG2_E = {
    32: (1.4426950216293335, 1.925963033500011e-08),
    64: (1.4426950408889634, 2.0355273740931033e-17),
}
_LOG10_E = {
    32: (0.4342944920063019, -1.0103049952192578e-08),
    64: (0.4342944819032518, 1.098319650216765e-17),
}
_LOG10_2 = {
    32: (0.3010300099849701, -1.432098883924482e-08),
    64: (0.3010299956639812, -2.8037281277851704e-18),
}


def _exponent_offset(bits: int) -> int:
    """Added to the bits of x, it makes e + bias their exponent field: sqrt(1/2) moves to the start of one."""
    return 0x3F800000 - 0x3F3504F3 if bits == 32 else 0x3FF0000000000000 - 0x3FE6A09E667F3BCD


def reduce_normal(b: Emitter, x: Value) -> tuple[Value, Value]:
    """e and f with x = 2**e (1 + f), for normal finite x > 0."""
    kind = layout(x)
    offset = _exponent_offset(width(x))
    moved = plus(b, b.bits_of(x), offset)
    e = whole_to_float(b, shifted(b, moved, -kind.fraction), kind, kind.bias)
    m = plus(b, masked(b, moved, kind.fraction_mask), (kind.bias << kind.fraction) - offset)
    return e, plus(b, b.bitcast(m, kind.float_), -1.0)


def reduce(b: Emitter, x: Value) -> tuple[Value, Value]:
    """The same for all finite x > 0: subnormal numbers are lifted first."""
    kind = layout(x)
    lift = float(kind.fraction + 1)
    small = b.less(x, b.like(kind.smallest_normal, x))
    e, f = reduce_normal(b, b.select(small, times(b, x, 2.0**lift), x))
    return b.sub(e, b.select(small, b.like(lift, x), b.like(0.0, x))), f


def tail(b: Emitter, f: Value) -> Value:
    """log(1 + f) - f."""
    if width(f) == 32:
        return b.mul(b.mul(f, f), b.fma(f, polynomial(b, f, _LOG32), b.like(-0.5, f)))
    # log(1 + f) = f - h + s (h + R), h = f²/2, R = 2 atanh(s)/s - 2, as in fdlibm: what is rounded is small
    s = b.div(f, plus(b, f, 2.0))
    s2, h = b.mul(s, s), b.mul(times(b, f, 0.5), f)
    rest = b.mul(s2, polynomial(b, s2, _LOG64))
    return b.sub(b.mul(s, b.add(h, rest)), h)


def _join(b: Emitter, e: Value, f: Value) -> Value:
    """e ln 2 + log(1 + f), smallest terms first."""
    high, low = LN2[width(f)]
    small = tail(b, f)
    if width(f) == 64:  # in float32 the first term alone is right to 2**-28
        small = b.fma(e, b.like(low, f), small)
    return b.fma(e, b.like(high, f), b.add(f, small))


def _edges(b: Emitter, x: Value, result: Value, pole: float) -> Value:
    """-inf at the pole, NaN below it, inf at inf."""
    inf = b.like(math.inf, x)
    edge = b.select(b.equal(x, b.like(pole, x)), b.like(-math.inf, x), b.like(math.nan, x))
    return b.select(b.greater(x, b.like(pole, x)), b.select(b.less(x, inf), result, inf), edge)


def log_normal(b: Emitter, x: Value) -> Value:
    """log x for normal finite x > 0."""
    return _join(b, *reduce_normal(b, x))


def log(b: Emitter, x: Value) -> Value:
    """log x = e ln 2 + log(1 + f)."""
    return _edges(b, x, _join(b, *reduce(b, x)), 0.0)


def _other_base(b: Emitter, f: Value, factor: dict[int, tuple[float, float]]) -> Value:
    """log(1 + f) times a factor given as a sum."""
    high, low = (b.like(c, f) for c in factor[width(f)])
    return b.fma(f, high, b.fma(tail(b, f), high, b.mul(f, low)))


def log2_positive(b: Emitter, x: Value) -> Value:
    """log2 x for finite x > 0."""
    e, f = reduce(b, x)
    return b.add(e, _other_base(b, f, LOG2_E))


def log2(b: Emitter, x: Value) -> Value:
    """log2 x = e + log(1 + f) / ln 2; exact for powers of two."""
    return _edges(b, x, log2_positive(b, x), 0.0)


def log10(b: Emitter, x: Value) -> Value:
    """log10 x = e log10(2) + log(1 + f) / ln 10."""
    e, f = reduce(b, x)
    high, low = (b.like(c, x) for c in _LOG10_2[width(x)])
    return _edges(b, x, b.fma(e, high, b.fma(e, low, _other_base(b, f, _LOG10_E))), 0.0)


def log1p_finite(b: Emitter, x: Value, doublings: Value | None = None, *, spare: int = 2) -> Value:
    """log(1 + x) + doublings * ln 2 for finite x > -1 that are no subnormal numbers.

    With 1 + x = 2**e m, f = m - 1 = x 2**-e + (2**-e - 1) costs one rounding, while 1 + x loses digits of x.
    As e goes up to bias + 1, the factor is 2**(spare - e), a normal number; where x <= 1, spare = 0 will do.
    """
    kind = layout(x)
    moved = plus(b, b.bits_of(plus(b, x, 1.0)), _exponent_offset(width(x)))
    e = whole_to_float(b, shifted(b, moved, -kind.fraction), kind, kind.bias)
    field = masked(b, moved, kind.exponent_mask)
    scale = b.bitcast(b.sub(b.like((2 * kind.bias + spare) << kind.fraction, field), field), kind.float_)
    if spare:
        part = b.like(2.0**-spare, x)
        f = b.fma(b.mul(x, part), scale, b.fma(part, scale, b.like(-1.0, x)))
    else:
        f = b.fma(x, scale, plus(b, scale, -1.0))
    return _join(b, e if doublings is None else b.add(e, doublings), f)


def log1p(b: Emitter, x: Value) -> Value:
    """log(1 + x), without the rounding of 1 + x."""
    result = _edges(b, x, log1p_finite(b, x), -1.0)
    tiny = b.like(2.0**-26 if width(x) == 32 else 2.0**-55, x)
    return b.select(b.less(b.abs(x), tiny), x, result)


def softplus(b: Emitter, x: Value) -> Value:
    """log(1 + e**x) = max(x, 0) + log1p(e**-|x|)."""
    return logaddexp(b, x, b.like(0.0, x))


def logaddexp(b: Emitter, x: Value, y: Value) -> Value:
    """log(e**x + e**y) = max(x, y) + log1p(e**-|x - y|)."""
    difference = b.select(b.equal(x, y), b.like(0.0, x), b.sub(x, y))  # equal infinities too
    return b.add(b.maximum(x, y), log1p_finite(b, exp_negative(b, b.neg(b.abs(difference))), spare=0))


def _root_or_self(b: Emitter, a: Value, inner: Value) -> tuple[Value, Value]:
    """`inner` and no doublings; for huge a, where squares overflow, a itself and one doubling."""
    huge = b.greater(a, b.like(2.0**60, a))
    return b.select(huge, a, inner), b.select(huge, b.like(1.0, a), b.like(0.0, a))


def asinh(b: Emitter, x: Value) -> Value:
    """sign(x) log1p(a + a² / (1 + sqrt(1 + a²))), a = |x|."""
    a, one = b.abs(x), b.like(1.0, x)
    root = b.add(one, b.sqrt(b.fma(a, a, one)))
    inner, doublings = _root_or_self(b, a, b.add(a, b.div(b.mul(a, a), root)))
    result = b.select(b.less(a, b.like(math.inf, a)), log1p_finite(b, inner, doublings), a)
    tiny = b.like(2.0**-13 if width(x) == 32 else 2.0**-28, x)
    return b.select(b.less(a, tiny), x, b.copysign(result, x))


def acosh(b: Emitter, x: Value) -> Value:
    """log1p(t + sqrt(t (t + 2))), t = x - 1."""
    t = plus(b, x, -1.0)
    inner, doublings = _root_or_self(b, x, b.add(t, b.sqrt(b.mul(t, plus(b, t, 2.0)))))
    result = log1p_finite(b, inner, doublings)
    result = b.select(b.less(x, b.like(1.0, x)), b.like(math.nan, x), result)
    return b.select(b.equal(x, b.like(math.inf, x)), x, result)


def atanh(b: Emitter, x: Value) -> Value:
    """sign(x) log1p(2 a / (1 - a)) / 2, a = |x|."""
    a = b.abs(x)
    doubled = log1p(b, b.div(b.add(a, a), b.sub(b.like(1.0, a), a)))
    return b.copysign(times(b, doubled, 0.5), x)


FUNCTIONS = (
    MathFunction("log", 1, log, 1.0, 1.0),
    MathFunction("log2", 1, log2, 1.25, 1.25),
    MathFunction("log10", 1, log10, 1.0, 1.25),
    MathFunction("log1p", 1, log1p, 1.75, 1.5),
    MathFunction("softplus", 1, softplus, 2.0, 2.0),
    MathFunction("logaddexp", 2, logaddexp, 2.0, 2.0, unit="argument"),
    MathFunction("asinh", 1, asinh, 2.5, 2.5),
    MathFunction("acosh", 1, acosh, 2.5, 2.5),
    MathFunction("atanh", 1, atanh, 2.5, 2.5),
)
