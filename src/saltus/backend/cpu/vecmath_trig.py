"""sin, cos, tan, asin, acos, atan, atan2 as inline vector code.

x = n π/2 + r with a whole n and |r| <= π/4. Up to a bound, three fma with π/2 in three parts give r (Cody and
Waite 1980); beyond it, x is multiplied by those bits of 2/π that matter for it (Payne and Hanek 1983).
"""

from __future__ import annotations

import functools
import math

from saltus.backend.cpu.emit import Emitter, Value
from saltus.backend.cpu.vecmath_core import (
    FLOAT64,
    MathFunction,
    layout,
    masked,
    polynomial,
    shifted,
    times,
    two_product,
    two_sum,
    where_rare,
    width,
)
from saltus.base import dtypes as dt

# π/2 as a sum of three numbers of the type, each cut off and so positive, which keeps r = -0 for x = -0.
_HALF_PI = {
    32: (1.570796251296997, 7.549789415861596e-08, 5.390302953474238e-15),
    64: (1.5707963267948966, 6.123233995736765e-17, 1.082856673921914e-32),
}
# Below these, three parts are enough: n is short, and no float is within 2**-30 (2**-62) of some n π/2.
_BOUND = {32: 2.0**16, 64: 2.0**40}
# sin r = r + r (c0 r² + c1 r⁴ + ...), |r| <= 0.786: relative error 2**-27.9 (float32), 2**-57.9 (float64).
_SIN = {
    32: (-0.16666655242443085, 0.008332188241183758, -0.00019518093904480338),
    64: (-0.1666666666666663, 0.00833333333332184, -0.00019841269829358525, 2.75573135385098e-06,
         -2.5050734387691266e-08, 1.5895433129802429e-10),
}  # fmt: skip
# cos r = 1 - r²/2 + r⁴ (c0 + c1 r² + ...), |r| <= 0.786: relative error 2**-33 (float32), 2**-63.8 (float64).
_COS = {
    32: (0.04166664555668831, -0.0013887309469282627, 2.4432327336398885e-05),
    64: (0.041666666666666595, -0.0013888888888873331, 2.4801587288990492e-05,
         -2.7557314212628455e-07, 2.0875704680415588e-09, -1.1358707173122091e-11),
}  # fmt: skip
# atan t = t + t³ (c0 + c1 t² + ...), 0 <= t <= 1: relative error 2**-28.5 (float32), 2**-57.6 (float64).
_ATAN = {
    32: (-0.33333298563957214, 0.1999852955341339, -0.14264015853405, 0.10950882732868195,
         -0.08399330079555511, 0.05788232013583183, -0.031098688021302223, 0.010870160534977913,
         -0.0017833092715591192),
    64: (-0.3333333333333307, 0.1999999999995189, -0.1428571428260056, 0.11111111007787412,
         -0.09090907016580331, 0.07692279998600668, -0.06666405360624222, 0.05880535559249452,
         -0.052535529509803953, 0.04722438604421706, -0.04219482716734621, 0.036648067776832466,
         -0.02991356438129777, 0.021996705276952296, -0.013911651162464626, 0.007204302515054371,
         -0.002888904345699218, 0.0008327187423808441, -0.00015246099114822476,
         1.3254875258888093e-05),
}  # fmt: skip
# asin x = x + x³ (c0 + c1 x² + ...), 0 <= x <= 1/2: relative error 2**-27.6 (float32), 2**-55.9 (float64).
_ASIN = {
    32: (0.16666752099990845, 0.074953094124794, 0.045469146221876144, 0.0241848211735487,
         0.04215819016098976),
    64: (0.16666666666665408, 0.07500000000337141, 0.04464285682821652, 0.030381959142510805,
         0.02237175788873432, 0.01735970765075003, 0.013885202716418538, 0.012169452300009837,
         0.006526833238822595, 0.019531642922750166, -0.016229914781733013, 0.0319163781163853),
}  # fmt: skip

_STEP = 16  # exponents that share a row of the table of 2/π


@functools.cache
def _two_over_pi() -> tuple[float, ...]:
    """Row k: 2/π * 2**(16 k) modulo 2**54 as a sum of four float64.

    It multiplies m in [1, 2**16) with 52 bits behind the point, so what is left out are multiples of 4.
    """
    precision = 1400

    def arctan_of_inverse(n: int) -> int:  # of 1/n, times 2**precision
        total = term = (1 << precision) // n
        k, sign = 3, -1
        while term:
            term //= n * n
            total, k, sign = total + sign * (term // k), k + 2, -sign
        return total

    pi = 4 * (4 * arctan_of_inverse(5) - arctan_of_inverse(239))  # Machin 1706
    inverse = (2 << (2 * precision)) // pi
    rows = []
    for k in range(1024 // _STEP + 1):
        rest, scale = (inverse << (_STEP * k)) % (1 << (54 + precision)), precision
        for _ in range(4):
            spare = max(rest.bit_length() - 53, 0)
            part = rest >> spare << spare
            rows.append(math.ldexp(part >> spare, spare - scale))
            rest -= part
    return tuple(rows)


def _reduce_huge(b: Emitter, x: Value) -> tuple[Value, Value]:
    """r and n (modulo 4, as a float) for any finite float64 with |x| >= 1; NaN for infinities."""
    table = b.table(_two_over_pi(), dt.float64)
    bits = b.bits_of(x)
    exponent = masked(b, shifted(b, bits, -FLOAT64.fraction), 0x7FF)
    row = shifted(b, b.sub(exponent, b.like(FLOAT64.bias, exponent)), -4)
    # x * 2**(-16 row): sixteen exponents become one, and |x| lies in [1, 2**16)
    m = b.bitcast(b.sub(bits, shifted(b, row, FLOAT64.fraction + 4)), dt.float64)
    first = shifted(b, row, 2)
    t = [b.gather(b.offset(table, i, dt.float64), first, dt.float64) for i in range(4)]

    def modulo_4(v: Value) -> Value:
        return b.fma(b.round_even(times(b, v, 0.25)), b.like(-4.0, v), v)

    (p0, e0), (p1, e1), (p2, e2) = (two_product(b, m, part) for part in t[:3])
    total, error0 = two_sum(b, modulo_4(p0), modulo_4(e0))
    total, error1 = two_sum(b, total, modulo_4(p1))
    n = b.round_even(total)
    r, low = b.sub(total, n), b.like(0.0, x)
    for term in (e1, p2, error0, error1, e2, b.mul(m, t[3])):
        r, error = two_sum(b, r, term)
        low = b.add(low, error)
    high, middle = (b.like(c, x) for c in _HALF_PI[64][:2])
    product, error = two_product(b, r, high)
    r = b.add(product, b.add(error, b.fma(r, middle, b.mul(low, high))))
    return b.add(r, b.sub(x, x)), n  # x - x is NaN for infinities


def _reduce(b: Emitter, x: Value) -> tuple[Value, Value]:
    """r with x = n π/2 + r, and n modulo 4 in the low bits of an integer."""
    kind = layout(x)
    magic = b.like(kind.rounder, x)
    biased = b.fma(x, b.like(2 / math.pi, x), magic)
    n, r = b.sub(biased, magic), x
    for part in _HALF_PI[width(x)]:
        r = b.fma(n, b.like(-part, x), r)
    bound = b.like(_BOUND[width(x)], x)
    large = b.greater_equal(b.abs(x), bound)

    def huge() -> tuple[Value, Value]:
        wide = b.convert(b.select(large, x, bound), dt.float64)
        r, n = (b.convert(v, kind.float_) for v in _reduce_huge(b, wide))
        return r, b.add(n, magic)

    r, biased = where_rare(b, large, huge, (r, biased))
    return r, b.bits_of(biased)


def sin_and_cos(b: Emitter, r: Value) -> tuple[Value, Value]:
    """sin r and cos r for |r| <= π/4; sin keeps the sign of zero (the + 0.0 sees to that)."""
    r2 = b.mul(r, r)
    sin = b.fma(r, b.fma(r2, polynomial(b, r2, _SIN[width(r)]), b.like(0.0, r)), r)
    cos = b.fma(r2, b.fma(r2, polynomial(b, r2, _COS[width(r)]), b.like(-0.5, r)), b.like(1.0, r))
    return sin, cos


def _odd(b: Emitter, n: Value) -> Value:
    assert n.dtype is not None
    return b.less(shifted(b, n, width(n) - 1), b.like(0, n))


def _flip(b: Emitter, x: Value, n: Value, bit: int) -> Value:
    """-x where the given bit of n is set, else x."""
    kind = layout(x)
    sign = masked(b, shifted(b, n, width(x) - 1 - bit), kind.sign_mask)
    return b.bitcast(b.xor(b.bits_of(x), sign), kind.float_)


def _quarter_turns(b: Emitter, x: Value, turns: int) -> Value:
    """sin(x + turns π/2)."""
    r, n = _reduce(b, x)
    if turns:
        n = b.add(n, b.like(turns, n))
    sin, cos = sin_and_cos(b, r)
    return _flip(b, b.select(_odd(b, n), cos, sin), n, 1)


def sin(b: Emitter, x: Value) -> Value:
    """± sin r or ± cos r by n modulo 4, x = n π/2 + r; for every finite x."""
    return _quarter_turns(b, x, 0)


def cos(b: Emitter, x: Value) -> Value:
    """sin(x + π/2), the quarter turn added to n; for every finite x."""
    return _quarter_turns(b, x, 1)


def tan(b: Emitter, x: Value) -> Value:
    """sin r / cos r, or -cos r / sin r for odd n, x = n π/2 + r; for every finite x."""
    r, n = _reduce(b, x)
    sin, cos = sin_and_cos(b, r)
    odd = _odd(b, n)
    return _flip(b, b.div(b.select(odd, cos, sin), b.select(odd, sin, cos)), n, 0)


def _angle(b: Emitter, y: Value, x: Value) -> tuple[Value, Value]:
    """atan(min / max) of y, x >= 0, and whether y > x: t + t³ P(t²), t = min / max."""
    swap = b.greater(y, x)
    small, large = b.select(swap, x, y), b.select(swap, y, x)
    t = b.div(small, large)
    t2 = b.mul(t, t)
    return b.fma(b.mul(t, t2), polynomial(b, t2, _ATAN[width(t)]), t), swap


def _complement(b: Emitter, condition: Value, angle: Value, halves: int) -> Value:
    """halves * π/2 - angle where the condition holds."""
    high, low = (b.like(halves * c, angle) for c in _HALF_PI[width(angle)][:2])
    return b.select(condition, b.sub(high, b.sub(angle, low)), angle)


def atan(b: Emitter, x: Value) -> Value:
    """sign(x) atan |x|, with atan a = π/2 - atan(1/a) for a > 1 (infinity included: 1/a = 0)."""
    angle, swap = _angle(b, b.abs(x), b.like(1.0, x))
    return b.copysign(_complement(b, swap, angle, 1), x)


def atan2(b: Emitter, y: Value, x: Value) -> Value:
    """The angle of the point (x, y): atan(min / max) of the absolute values, unfolded into the eight octants.

    Zeros and infinities in both arguments stand for the octants of (1, 0) and (1, 1), as in C99.
    """
    ay, ax = b.abs(y), b.abs(x)
    zero, one = b.like(0.0, x), b.like(1.0, x)
    nowhere = b.and_(b.equal(ay, zero), b.equal(ax, zero))
    infinite = b.and_(b.equal(ay, ax), b.equal(ax, b.like(math.inf, x)))
    ax = b.select(b.or_(nowhere, infinite), one, ax)
    ay = b.select(infinite, one, ay)
    angle, swap = _angle(b, ay, ax)
    bits = b.bits_of(x)
    angle = _complement(b, b.less(bits, b.like(0, bits)), _complement(b, swap, angle, 1), 2)
    undefined = b.or_(b.is_nan(x), b.is_nan(y))
    return b.select(undefined, b.like(math.nan, x), b.copysign(angle, y))


def _half_angle(b: Emitter, a: Value) -> tuple[Value, Value, Value]:
    """Whether a > 1/2; v = sqrt((1 - a)/2) where it is and a elsewhere; asin v = v + v³ P(v²)."""
    large = b.greater(a, b.like(0.5, a))
    z = b.select(large, b.fma(a, b.like(-0.5, a), b.like(0.5, a)), b.mul(a, a))
    v = b.select(large, b.sqrt(z), a)
    return large, v, b.fma(b.mul(v, z), polynomial(b, z, _ASIN[width(a)]), v)


def asin(b: Emitter, x: Value) -> Value:
    """sign(x) asin |x|, with asin a = π/2 - 2 asin(sqrt((1 - a)/2)) for a > 1/2."""
    large, _, angle = _half_angle(b, b.abs(x))
    high, low = (b.like(c, x) for c in _HALF_PI[width(x)][:2])
    folded = b.add(b.fma(angle, b.like(-2.0, x), high), low)
    return b.copysign(b.select(large, folded, angle), x)


def acos(b: Emitter, x: Value) -> Value:
    """2 asin(sqrt((1 - x)/2)) for x > 1/2, π minus that of -x for x < -1/2, π/2 - asin x between."""
    large, _, angle = _half_angle(b, b.abs(x))
    high, low = (b.like(c, x) for c in _HALF_PI[width(x)][:2])
    negative = b.less(x, b.like(0.0, x))
    between = b.sub(high, b.sub(b.copysign(angle, x), low))
    outside = _complement(b, negative, b.add(angle, angle), 2)
    return b.select(large, outside, between)


FUNCTIONS = (
    MathFunction("sin", 1, sin, 1.75, 1.75),
    MathFunction("cos", 1, cos, 1.75, 1.75),
    MathFunction("tan", 1, tan, 3.5, 3.5),
    MathFunction("asin", 1, asin, 2.5, 2.5),
    MathFunction("acos", 1, acos, 1.5, 1.5),
    MathFunction("atan", 1, atan, 1.5, 1.5),
    MathFunction("atan2", 2, atan2, 1.5, 1.5),
)
