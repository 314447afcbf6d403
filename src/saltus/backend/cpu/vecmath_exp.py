"""exp, exp2, expm1, sigmoid, sinh, cosh, tanh as inline vector code.

All rest on x = n ln 2 + r with whole n and |r| <= ln 2 / 2: so e**x = 2**n e**r, with a polynomial for e**r.
Adding 1.5 * 2**fraction to x / ln 2 rounds it to n and leaves n in the low bits; one shift makes that 2**n.
"""

from __future__ import annotations

import math

from saltus.backend.cpu.emit import Emitter, Value
from saltus.backend.cpu.vecmath_core import (
    MathFunction,
    at_least,
    at_most,
    layout,
    masked,
    plus,
    polynomial,
    shifted,
    times,
    width,
)

# ln 2 as a sum, right to 2**-53 (2**-110); fma(n, -LN2[0], x) is exact.
LN2 = {
    32: (0.6931471824645996, -1.9046542121259336e-09),
    64: (math.log(2.0), 2.319046813846299558e-17),
}

# e**r = 1 + r + r² (c0 + c1 r + ...), |r| <= 0.3468; relative error 2**-28.2 (float32), 2**-56.7 (float64).
_EXP = {
    32: (0.4999999403953552, 0.16666516661643982, 0.041668105870485306, 0.008369208313524723,
         0.0013838750310242176),
    64: (0.5000000000000007, 0.16666666666666696, 0.04166666666656087, 0.008333333333298821,
         0.0013888888936120362, 0.0001984126994617193, 2.4801500569310024e-05,
         2.755719411163854e-06, 2.762764846937268e-07, 2.5120968791794342e-08),
}  # fmt: skip
# The same with the error relative to e**r - 1: 2**-31.0 (float32), 2**-55.3 (float64).
_EXPM1 = {
    32: (0.5, 0.1666666567325592, 0.04166646674275398, 0.008333642967045307, 0.0013935047900304198,
         0.00019664509454742074),
    64: _EXP[64],
}  # fmt: skip
# 2**r = 1 + r (c0 + c1 r + ...), |r| <= 1/2; relative error 2**-27.5 (float32), 2**-55.5 (float64).
_EXP2 = {
    32: (0.6931472420692444, 0.24022655189037323, 0.05550272762775421, 0.009617062285542488,
         0.0013417747104540467, 0.00015825890295673162),
    64: (0.6931471805599457, 0.240226506959101, 0.055504108664787936, 0.009618129107606236,
         0.0013333558153940522, 0.0001540353044196262, 1.5252726940146739e-05,
         1.3215442742141192e-06, 1.0180826970216934e-07, 7.072524619348027e-09,
         4.051426834911731e-10),
}  # fmt: skip


def _split(b: Emitter, x: Value, offset: int) -> tuple[Value, Value, Value]:
    """n = round(x / ln 2), x - n ln 2, and bits that end in n + offset."""
    kind = layout(x)
    magic = kind.rounder + offset
    biased = b.fma(x, b.like(1 / math.log(2.0), x), b.like(magic, x))
    n = plus(b, biased, -magic)
    high, low = LN2[width(x)]
    r = b.fma(n, b.like(-low, x), b.fma(n, b.like(-high, x), x))
    return n, r, b.bits_of(biased)


def _scale(b: Emitter, x: Value, bits: Value) -> Value:
    """x * 2**n where `bits` ends in n + 2 bias: two factors, as the result may overflow or be subnormal."""
    kind = layout(x)
    halved = shifted(b, bits, kind.fraction - 1)
    first = masked(b, halved, kind.exponent_mask)  # (n + 2 bias) // 2 as an exponent
    second = b.sub(shifted(b, bits, kind.fraction), first)
    return b.mul(b.mul(x, b.bitcast(first, kind.float_)), b.bitcast(second, kind.float_))


def exp_clamped(b: Emitter, x: Value, low_part: Value | None = None, shift: int = 0) -> Value:
    """2**shift e**(x + low_part) for arguments whose exponent n stays within twice the exponent range."""
    _, r, bits = _split(b, x, 2 * layout(x).bias + shift)
    if low_part is not None:
        r = b.add(r, low_part)
    e = b.fma(polynomial(b, r, (1.0, *_EXP[width(x)])), r, b.like(1.0, x))
    return _scale(b, e, bits)


def exp(b: Emitter, x: Value) -> Value:
    """e**x = 2**n e**r, n = round(x / ln 2), r = x - n ln 2 in two steps (Cody and Waite 1980)."""
    low, high = (-105.0, 89.0) if width(x) == 32 else (-746.0, 710.0)
    return exp_clamped(b, at_most(b, at_least(b, x, low), high))


def exp_negative(b: Emitter, x: Value, low_part: Value | None = None) -> Value:
    """e**x for x <= 0 (or a little above)."""
    return exp_clamped(b, at_least(b, x, -105.0 if width(x) == 32 else -746.0), low_part)


def exp2_split(b: Emitter, x: Value, low_part: Value | None = None) -> Value:
    """2**(x + low_part) for |x| up to 200 (1100)."""
    kind = layout(x)
    magic = kind.rounder + 2 * kind.bias
    biased = plus(b, x, magic)
    r = b.sub(x, plus(b, biased, -magic))
    if low_part is not None:
        r = b.add(r, low_part)
    return _scale(b, polynomial(b, r, (1.0, *_EXP2[width(x)])), b.bits_of(biased))


def exp2(b: Emitter, x: Value) -> Value:
    """2**x = 2**n 2**r, n = round(x)."""
    low, high = (-151.0, 129.0) if width(x) == 32 else (-1076.0, 1025.0)
    return exp2_split(b, at_most(b, at_least(b, x, low), high))


def exp2_small(b: Emitter, x: Value) -> Value:
    """2**x where n = round(x) is an exponent of normal numbers."""
    kind = layout(x)
    magic = kind.rounder + kind.bias
    biased = plus(b, x, magic)
    r = b.sub(x, plus(b, biased, -magic))
    scale = b.bitcast(shifted(b, b.bits_of(biased), kind.fraction), kind.float_)
    return b.mul(polynomial(b, r, (1.0, *_EXP2[width(x)])), scale)


def expm1_scaled(b: Emitter, x: Value, shift: int) -> Value:
    """2**-shift (e**x - 1) = q s + (s - 2**-shift), q = e**r - 1, with a normal s = 2**(n - shift)."""
    kind = layout(x)
    _, r, bits = _split(b, at_least(b, x, -20.0 if width(x) == 32 else -40.0), kind.bias - shift)
    q = b.fma(b.mul(r, r), polynomial(b, r, _EXPM1[width(x)]), r)
    s = b.bitcast(shifted(b, bits, kind.fraction), kind.float_)
    return b.fma(q, s, plus(b, s, -(2.0**-shift)))


def _keep_tiny(b: Emitter, x: Value, result: Value, limit32: float, limit64: float) -> Value:
    """x itself where f(x) rounds to x; keeps signed zeros and subnormal numbers exact."""
    limit = b.like(limit32 if width(x) == 32 else limit64, x)
    return b.select(b.less(b.abs(x), limit), x, result)


def expm1(b: Emitter, x: Value) -> Value:
    """e**x - 1 = 2**n (e**r - 1) + (2**n - 1): no cancellation, as r is within ln 2 / 2 (after Tang 1992)."""
    clamped = at_most(b, x, 89.0 if width(x) == 32 else 710.0)
    half = expm1_scaled(b, clamped, 1)  # halved: 2**n alone would overflow before the result does
    return _keep_tiny(b, x, b.add(half, half), 2.0**-26, 2.0**-55)


def sigmoid(b: Emitter, x: Value) -> Value:
    """1 / (1 + e**-x), for x < 0 as e**x / (1 + e**x), so that small results keep their digits."""
    e = exp_negative(b, b.neg(b.abs(x)))
    bits = b.bits_of(x)
    one = b.like(1.0, x)
    return b.div(b.select(b.less(bits, b.like(0, bits)), e, one), b.add(e, one))


def sinh(b: Emitter, x: Value) -> Value:
    """(t + t / (t + 1)) / 2 with t = e**|x| - 1, computed from t / 4."""
    quarter = expm1_scaled(b, at_most(b, b.abs(x), 89.5 if width(x) == 32 else 710.5), 2)
    half = b.add(quarter, b.div(quarter, b.fma(quarter, b.like(4.0, x), b.like(1.0, x))))
    return _keep_tiny(b, x, b.copysign(b.add(half, half), x), 2.0**-13, 2.0**-28)


def cosh(b: Emitter, x: Value) -> Value:
    """(e**|x| + e**-|x|) / 2, computed from e**|x| / 4."""
    quarter = exp_clamped(b, at_most(b, b.abs(x), 90.5 if width(x) == 32 else 712.0), shift=-2)
    return b.fma(b.like(2.0, x), quarter, b.div(b.like(0.125, x), quarter))


def tanh(b: Emitter, x: Value) -> Value:
    """-t / (t + 2), t = e**(-2|x|) - 1 = q s + (s - 1), s = 2**n: one fma each above and below the line."""
    kind = layout(x)
    limit = -20.0 if width(x) == 32 else -40.0
    _, r, bits = _split(b, at_least(b, times(b, b.abs(x), -2.0), limit), kind.bias)
    q = b.fma(b.mul(r, r), polynomial(b, r, _EXPM1[width(x)]), r)
    s = b.bitcast(shifted(b, bits, kind.fraction), kind.float_)
    numerator, denominator = b.fma(q, s, plus(b, s, -1.0)), b.fma(q, s, plus(b, s, 1.0))
    return b.copysign(b.div(numerator, denominator), x)


FUNCTIONS = (
    MathFunction("exp", 1, exp, 1.0, 1.0),
    MathFunction("exp2", 1, exp2, 1.0, 1.0),
    MathFunction("expm1", 1, expm1, 1.5, 2.5),
    MathFunction("sigmoid", 1, sigmoid, 2.5, 2.5),
    MathFunction("sinh", 1, sinh, 2.5, 2.5),
    MathFunction("cosh", 1, cosh, 1.5, 1.5),
    MathFunction("tanh", 1, tanh, 2.0, 2.5),
)
