"""pow, cbrt, hypot and the remainders of division as inline vector code, and nextafter."""

from __future__ import annotations

import math

from saltus.backend.cpu.emit import Emitter, Value
from saltus.backend.cpu.vecmath_core import (
    FLOAT64,
    MathFunction,
    at_least,
    at_most,
    fast_two_sum,
    layout,
    masked,
    plus,
    polynomial,
    shifted,
    through_double,
    times,
    two_product,
    where_rare,
)
from saltus.backend.cpu.vecmath_exp import exp2_split
from saltus.backend.cpu.vecmath_log import LOG2_E, log2_positive, reduce
from saltus.base import dtypes as dt

# 2 atanh(s) = 2 s + s³ (2/3 + c0 s² + c1 s⁴ + ...), |s| <= 0.1716: relative error 2**-73.5.
_ATANH = (0.3999999999999998, 0.2857142857144384, 0.22222222217789486, 0.18181818844064604,
          0.1538455842071456, 0.13336264911387288, 0.11675770175371306, 0.1198185819489468)  # fmt: skip
_TWO_THIRDS = (2 / 3, 3.700743415417188e-17)
# cbrt(1 + f) on [-0.2929, 0.4143]: relative error 2**-16.7.
_CBRT = (
    1.0000042458038054,
    0.33321727895766506,
    -0.11154698783868709,
    0.06578474721389016,
    -0.03778853498857605,
)


def _log2_double(b: Emitter, a: Value) -> tuple[Value, Value]:
    """log2 a of float64 a > 0 as a sum of two numbers, right to about 2**-66 of itself."""
    e, f = reduce(b, a)
    d, one = plus(b, f, 2.0), b.like(1.0, a)
    d_low = b.sub(f, plus(b, d, -2.0))
    inverse = b.div(one, d)
    s = b.mul(f, inverse)
    s_low = b.mul(b.sub(b.fma(b.neg(s), d, f), b.mul(s, d_low)), inverse)
    # s³ and the bracket, both as sums
    s2, s2_low = two_product(b, s, s)
    s2_low = b.fma(b.add(s, s), s_low, s2_low)
    s3, s3_low = two_product(b, s2, s)
    s3_low = b.add(s3_low, b.fma(s2_low, s, b.mul(s2, s_low)))
    high, low = (b.like(c, a) for c in _TWO_THIRDS)
    bracket, bracket_low = fast_two_sum(b, high, b.fma(s2, polynomial(b, s2, _ATANH), low))
    cubic, cubic_low = two_product(b, s3, bracket)
    cubic_low = b.add(cubic_low, b.fma(s3, bracket_low, b.mul(s3_low, bracket)))
    value, value_low = fast_two_sum(b, b.add(s, s), cubic)
    value_low = b.add(value_low, b.add(cubic_low, b.add(s_low, s_low)))
    # to base 2, and the exponent added
    factor, factor_low = (b.like(c, a) for c in LOG2_E[64])
    scaled, scaled_low = two_product(b, value, factor)
    scaled_low = b.add(scaled_low, b.fma(value, factor_low, b.mul(value_low, factor)))
    total, rest = fast_two_sum(b, e, scaled)
    return total, b.add(rest, scaled_low)


def _with_edges(b: Emitter, a: Value, logarithm: Value) -> Value:
    """The logarithm of a > 0; -inf, inf and NaN for zero, infinity and NaN."""
    edge = b.select(b.equal(a, b.like(0.0, a)), b.like(-math.inf, a), a)
    finite = b.and_(b.greater(a, b.like(0.0, a)), b.less(a, b.like(math.inf, a)))
    return b.select(finite, logarithm, edge)


def _power_of_positive(b: Emitter, a: Value, y: Value) -> Value:
    """a**y = 2**(y log2 a) for a >= 0, infinity included.

    float64 carries low digits of the product into the exponential; float32 takes plain float64 arithmetic.
    """
    if a.dtype is dt.float32:
        a, y = b.convert(a, dt.float64), b.convert(y, dt.float64)
        product = b.mul(y, _with_edges(b, a, log2_positive(b, a)))
        return b.convert(exp2_split(b, at_most(b, at_least(b, product, -200.0), 200.0)), dt.float32)
    high, low = _log2_double(b, a)
    high = _with_edges(b, a, high)
    product = b.mul(y, high)
    rest = b.fma(y, low, b.fma(y, high, b.neg(product)))
    inside = b.less(b.abs(product), b.like(1100.0, a))
    product = at_most(b, at_least(b, product, -1100.0), 1100.0)
    return exp2_split(b, product, b.select(inside, rest, b.like(0.0, a)))


def power(b: Emitter, x: Value, y: Value) -> Value:
    """x**y = ±2**(y log2 |x|); the special cases are those of C99, annex F.9.4.4.

    A negative x needs a whole y (else NaN), and an odd one gives the result its sign.
    """
    kind = layout(x)
    zero, one = b.like(0.0, x), b.like(1.0, x)
    a = b.abs(x)
    result = _power_of_positive(b, a, y)
    result = b.select(b.equal(a, one), one, result)  # 1**±inf
    whole = b.equal(y, b.floor(y))
    half = times(b, y, 0.5)
    odd = b.and_(whole, b.not_equal(half, b.floor(half)))
    bits = b.bits_of(x)
    sign = b.select(odd, masked(b, bits, kind.sign_mask), b.like(0, bits))
    result = b.bitcast(b.or_(b.bits_of(result), sign), kind.float_)
    negative = b.and_(b.less(x, zero), b.greater(x, b.like(-math.inf, x)))
    result = b.select(b.and_(negative, b.not_(whole)), b.like(math.nan, x), result)
    return b.select(b.or_(b.equal(y, zero), b.equal(x, one)), one, result)


@through_double
def cbrt(b: Emitter, x: Value) -> Value:
    """sign(x) 2**q v**(1/3), |x| = 2**(3q) v; from a start z of 17 bits, d = v/z³ - 1: z (1 + d/3 - ...)."""
    a = b.abs(x)
    e, f = reduce(b, a)
    biased = b.fma(e, b.like(1 / 3, x), b.like(FLOAT64.rounder + FLOAT64.bias, x))
    q = plus(b, biased, -(FLOAT64.rounder + FLOAT64.bias))
    k = b.fma(q, b.like(-3.0, x), e)  # -1, 0 or 1
    one = b.like(1.0, x)
    below, above = b.less(k, b.like(0.0, x)), b.greater(k, b.like(0.0, x))
    start = b.select(below, b.like(0.5 ** (1 / 3), x), b.select(above, b.like(2.0 ** (1 / 3), x), one))
    v = b.mul(b.add(f, one), b.select(below, b.like(0.5, x), b.select(above, b.like(2.0, x), one)))
    z = b.mul(polynomial(b, f, _CBRT), start)
    z = b.bitcast(masked(b, b.bits_of(z), -(1 << 36)), dt.float64)  # 17 bits: z³ is exact
    cube = b.mul(b.mul(z, z), z)
    d = b.div(b.sub(v, cube), cube)
    z = b.fma(b.mul(z, d), polynomial(b, d, (1 / 3, -1 / 9, 5 / 81)), z)
    scale = b.bitcast(shifted(b, b.bits_of(biased), FLOAT64.fraction), dt.float64)
    usual = b.and_(b.greater(a, b.like(0.0, x)), b.less(a, b.like(math.inf, x)))
    return b.select(usual, b.copysign(b.mul(z, scale), x), x)


def hypot(b: Emitter, x: Value, y: Value) -> Value:
    """sqrt(x² + y²), huge and tiny arguments scaled; float32 by way of float64, where nothing overflows."""
    inf = b.like(math.inf, x)
    ax, ay = b.abs(x), b.abs(y)
    infinite = b.or_(b.equal(ax, inf), b.equal(ay, inf))
    if x.dtype is dt.float32:
        wide_x, wide_y = b.convert(x, dt.float64), b.convert(y, dt.float64)
        length = b.convert(b.sqrt(b.fma(wide_x, wide_x, b.mul(wide_y, wide_y))), dt.float32)
    else:
        swap = b.less(ax, ay)
        large, small = b.select(swap, ay, ax), b.select(swap, ax, ay)
        up, down = b.greater(large, b.like(2.0**500, x)), b.less(large, b.like(2.0**-450, x))
        one = b.like(1.0, x)
        scale = b.select(up, b.like(2.0**-600, x), b.select(down, b.like(2.0**600, x), one))
        back = b.select(up, b.like(2.0**600, x), b.select(down, b.like(2.0**-600, x), one))
        large, small = b.mul(large, scale), b.mul(small, scale)
        length = b.mul(b.sqrt(b.fma(large, large, b.mul(small, small))), back)
    return b.select(infinite, inf, length)


def _whole_parts(b: Emitter, a: Value) -> tuple[Value, Value]:
    """m and k with a = m 2**(k - 1075), m a whole number below 2**53 and k >= 1, for float64 a >= 0."""
    bits = b.bits_of(a)
    field = shifted(b, bits, -FLOAT64.fraction)
    subnormal = b.equal(field, b.like(0, field))
    unit = (FLOAT64.bias + FLOAT64.fraction) << FLOAT64.fraction
    m = b.bitcast(b.or_(masked(b, bits, FLOAT64.fraction_mask), b.like(unit, bits)), dt.float64)
    m = b.sub(m, b.select(subnormal, b.like(2.0**FLOAT64.fraction, a), b.like(0.0, a)))
    return m, b.select(subnormal, b.like(1, field), field)


def _long_remainder(b: Emitter, a: Value, d: Value) -> Value:
    """a mod d for finite float64 a > d > 0: m 2**k mod n with whole m, n < 2**53, by repeated squaring of 2.

    All of it is exact: a product and its error come from fma, and no multiple of n to take off exceeds 2**53.
    """
    (m, ka), (n, kd) = _whole_parts(b, a), _whole_parts(b, d)
    k = b.sub(ka, kd)
    inverse, minus_n = b.div(b.like(1.0, a), n), b.neg(n)

    def reduced(v: Value) -> Value:
        return b.fma(b.round_even(b.mul(v, inverse)), minus_n, v)

    def product(u: Value, v: Value) -> Value:
        high, low = two_product(b, u, v)
        return b.add(reduced(reduced(high)), low)

    # 2**k from the highest bits of k down; the top ones give at most 2**32
    top = plus(b, shifted(b, k, -6), FLOAT64.bias)
    power = reduced(reduced(b.bitcast(shifted(b, top, FLOAT64.fraction), dt.float64)))
    one, two = b.like(1.0, a), b.like(2.0, a)
    for bit in reversed(range(6)):
        is_set = b.less(shifted(b, k, 63 - bit), b.like(0, k))
        power = reduced(b.mul(product(power, power), b.select(is_set, two, one)))
    result = reduced(product(reduced(reduced(m)), power))
    result = b.select(b.less(result, b.like(0.0, a)), b.add(result, n), result)
    scale = b.bitcast(shifted(b, kd, FLOAT64.fraction), dt.float64)
    return b.mul(times(b, result, 2.0**-FLOAT64.fraction), scale)


@through_double
def fmod(b: Emitter, x: Value, y: Value) -> Value:
    """x - trunc(x/y) y, exact, with the sign of x (C99 fmod): one fma up to |x/y| = 2**52, else modular."""
    zero, inf = b.like(0.0, x), b.like(math.inf, x)
    a, d = b.abs(x), b.abs(y)
    quotient = b.div(a, d)
    rest = b.fma(b.trunc(quotient), b.neg(d), a)
    rest = b.select(b.less(rest, zero), b.add(rest, d), rest)  # the quotient had been rounded up to a whole number
    proper = b.and_(b.less(a, inf), b.greater(d, zero))
    long = b.and_(b.greater_equal(quotient, b.like(2.0**52, x)), proper)

    def far() -> tuple[Value]:
        one = b.like(1.0, x)
        return (_long_remainder(b, b.select(long, a, one), b.select(long, d, one)),)

    (rest,) = where_rare(b, long, far, (rest,))
    rest = b.select(b.less(a, d), a, rest)  # d may be infinite
    defined = b.and_(proper, b.not_(b.is_nan(y)))
    return b.select(defined, b.copysign(rest, x), b.like(math.nan, x))


def remainder(b: Emitter, x: Value, y: Value) -> Value:
    """x - floor(x/y) y with the sign of y, as numpy.remainder: fmod, moved by y where the signs differ."""
    rest, zero = fmod(b, x, y), b.like(0.0, x)
    differs = b.not_equal(b.less(rest, zero), b.less(y, zero))
    moved = b.select(differs, b.add(rest, y), rest)
    return b.select(b.equal(rest, zero), b.copysign(zero, y), moved)


def nextafter(b: Emitter, x: Value, y: Value) -> Value:
    """The neighbour of x towards y: one added to or taken from its bits, which order floats by size."""
    kind = layout(x)
    bits = b.bits_of(x)
    away = b.equal(b.less(x, y), b.greater(x, b.like(0.0, x)))  # whether |x| grows
    moved = b.add(bits, b.select(away, b.like(1, bits), b.like(-1, bits)))
    smallest = b.or_(b.like(1, bits), masked(b, b.bits_of(y), kind.sign_mask))
    moved = b.bitcast(b.select(b.equal(x, b.like(0.0, x)), smallest, moved), kind.float_)
    result = b.select(b.equal(x, y), y, moved)
    return b.select(b.or_(b.is_nan(x), b.is_nan(y)), b.like(math.nan, x), result)


FUNCTIONS = (
    MathFunction("pow", 2, power, 0.6, 1.25),
    MathFunction("cbrt", 1, cbrt, 0.6, 0.6),
    MathFunction("hypot", 2, hypot, 0.6, 1.25),
    MathFunction("fmod", 2, fmod, 0.0, 0.0),
    MathFunction("remainder", 2, remainder, 0.0, 0.0),
    MathFunction("nextafter", 2, nextafter, 0.0, 0.0),
)
