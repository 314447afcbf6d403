"""erf, erfc, erfinv, lgamma, digamma as inline vector code."""

from __future__ import annotations

import math

from saltus.backend.cpu.emit import Emitter, Value
from saltus.backend.cpu.vecmath_core import (
    MathFunction,
    at_most,
    plus,
    polynomial,
    through_double,
    times,
    width,
)
from saltus.backend.cpu.vecmath_exp import exp2_small, exp_negative
from saltus.backend.cpu.vecmath_log import log, log_normal
from saltus.backend.cpu.vecmath_trig import sin_and_cos
from saltus.base import dtypes as dt

# erf x = x + x (c0 + c1 x² + ...), |x| <= 0.85: relative error 2**-27.1 (float32), 2**-56.0 (float64).
_ERF = {
    32: (0.12837916612625122, -0.37612590193748474, 0.11282864958047867, -0.026807287707924843,
         0.0050577037036418915, -0.0006348518654704094),
    64: (0.12837916709551256, -0.37612638903183254, 0.11283791670928266, -0.026866170639465534,
         0.005223977563962605, -0.0008548323119146021, 0.0001205517783803063,
         -1.4921672299907826e-05, 1.639611810931128e-06, -1.5677068695740787e-07,
         1.0618869876755282e-08),
}  # fmt: skip
# log2 erfc x = c0 + c1 x + ..., 0.8 <= x <= 3.93, for float32: 2**-28.5 of erf x.
_LOG2_ERFC = (-8.205306221498176e-05, -1.627751350402832, -0.9177592396736145, -0.15130458772182465,
              0.03274540975689888, -0.004565986339002848, 0.0003010915534105152)  # fmt: skip
# (1 + 2x) e**(x²) erfc x = c0 + c1 t + ..., t = (x - k)/(x + k) (Shepherd and Laframboise 1981), from 0.46 to
# 10.1 (27.3), where erfc x comes to 0: relative error 2**-28.5 (float32), 2**-57.2 (float64).
_ERFC_CENTRE = {32: 3.2265625, 64: 3.5078125}
_ERFC = {
    32: (1.248016357421875, -0.13840636610984802, -0.029198581352829933, 0.11502819508314133,
         -0.11917892843484879, 0.07919318974018097, -0.03578940033912659, 0.009447867050766945,
         0.00023403197701554745, -0.0011827691923826933),
    64: (1.2421931458446636, -0.14003217846706362, -0.010074165410992882, 0.09702924148515993,
         -0.11492398240258707, 0.08816828786805678, -0.04916409745353496, 0.019388775863538554,
         -0.004368006269702878, -0.00025769531772933346, 0.0005656625778374141,
         -0.00012837172405998957, -4.089419410217956e-05, 2.4853644846089975e-05,
         1.908640815327421e-06, -3.847132291338448e-06, 3.042953321567354e-08,
         5.993101638934245e-07, -2.022468275144374e-08, -9.213768040986574e-08,
         2.0097038926525717e-09, 1.017105121166063e-08),
}  # fmt: skip
# erfinv x = x + x P(w), w = -log(1 - x²) <= 5: relative error 2**-27.3.
_INVERSE_MIDDLE = (-0.11377307772636414, 0.2320137917995453, 0.011548750102519989,
                   -0.0023344524670392275, -0.00012734519259538502, 4.449545303941704e-05,
                   4.004762104159454e-06, -1.9804049316007877e-06, 2.2142550903936353e-07,
                   -8.807671925126215e-09)  # fmt: skip
# erfinv x = x + x P(s - centre), s = sqrt(w), 5 <= w <= 16 (36): relative error 2**-26.9 (float32); 2**-25.4
# (float64), where it is the start of an iteration.
_INVERSE_CENTRE = {32: 2.953125, 64: 3.5}
_INVERSE_TAIL = {
    32: (1.7860448360443115, 1.0007367134094238, 0.010599297471344471, -0.008786491118371487,
         0.006568360608071089, -0.004008803516626358, 0.0015133486595004797, 4.7192079364322126e-05,
         -0.00038395528099499643, 0.00013613289047498256),
    64: (2.3354856526439063, 1.0073690566762559, 0.003278859329749938, -0.002065696531175421,
         0.0010839826377487536, -0.0006705269318742793, 0.0004461083791270914,
         -0.00024156057070318315, 6.962162421505903e-05, 8.653386148490174e-06,
         -1.4174138483920529e-05, 4.268098458852894e-06, -4.4255404968086443e-07),
}  # fmt: skip
# log Γ(1 + t) = t (t - 1) (7/16 + P(t)/Q(t)), -1/4 <= t <= 3/2: relative error 2**-56.1; P/Q stays small.
_GAMMA = (
    (0.13971566490153287, 0.255533964357786, -0.006039528908279016, -0.29295377110058074,
     -0.23612649811714573, -0.07500864040543224, -0.009795920343287478, -0.00039733469522588256,
     -1.6406544253304222e-07),
    (1.0, 3.584317715793028, 5.136038473219672, 3.7553945249971568, 1.4819781522106699,
     0.30657169061038814, 0.02948683324375056, 0.0009498767837297101),
)  # fmt: skip
# log Γ(x) = (x - 1/2) log x - x + log(2π)/2 + (c0 + c1/x² + ...)/x, x >= 4.5: last term right to 2**-50.5.
_STIRLING = (0.08333333333333329, -0.002777777777641862, 0.0007936507326893817,
             -0.0005952277193340582, 0.0008408755783751369, -0.001876500838039404,
             0.005289288965074088, -0.011429903055517443)  # fmt: skip
# ψ(x) = log x - 1/(2x) - (c0 + c1/x² + ...)/x², x >= 4: last term right to 2**-47.9.
_DIGAMMA_SERIES = (0.08333333333333302, -0.008333333332486377, 0.003968253588670018,
                   -0.004166600771953776, 0.007569951064475125, -0.020798220248506402,
                   0.07413347095308753, -0.2586959248766229, 0.5445419832799143)  # fmt: skip
# ψ(1 + t) = (1 + t - root) P(t)/Q(t), 0 <= t <= 3, root = 1.46163...: relative error 2**-53.8.
_DIGAMMA = (
    (1.2503801375034054, 1.9899022689549435, 1.1478376114271067, 0.30336681826876283,
     0.03774476083775914, 0.002003795900433102, 3.3219528730698446e-05, 3.204111643973639e-08),
    (1.0, 2.2749846580548256, 1.8712578292545656, 0.7241041106969092, 0.14057744195552316,
     0.013271792574426696, 0.0005314852284988716, 6.193481241734735e-06),
)  # fmt: skip
_DIGAMMA_ROOT = (1.4616321449683622, 9.549995429965697e-17)


def _erf_small(b: Emitter, x: Value) -> Value:
    """erf x for |x| <= 0.85."""
    return b.fma(x, polynomial(b, b.mul(x, x), _ERF[width(x)]), x)


def _erfc_scaled(b: Emitter, a: Value) -> Value:
    """e**(a²) erfc a for a >= 0.46 (any finite a >= 0 gives a finite value)."""
    centre = _ERFC_CENTRE[width(a)]
    t = b.div(plus(b, a, -centre), plus(b, a, centre))
    return b.div(polynomial(b, t, _ERFC[width(a)]), b.fma(a, b.like(2.0, a), b.like(1.0, a)))


def _gauss(b: Emitter, a: Value) -> Value:
    """e**(-a²) with a² in two parts, as its rounding would be multiplied by a²."""
    square = b.neg(b.mul(a, a))
    return exp_negative(b, square, b.neg(b.fma(a, a, square)))


def erf(b: Emitter, x: Value) -> Value:
    """x + x P(x²) for |x| < 0.85, else 1 - erfc |x| with the sign of x; erfc as 2**P(|x|) in float32."""
    a = b.abs(x)
    if x.dtype is dt.float32:
        a = at_most(b, a, 3.93)
        tail = exp2_small(b, polynomial(b, a, _LOG2_ERFC))
    else:
        a = at_most(b, a, 6.0)
        tail = b.mul(exp_negative(b, b.neg(b.mul(a, a))), _erfc_scaled(b, a))
    tail = b.copysign(b.sub(b.like(1.0, x), tail), x)
    return b.select(b.less(a, b.like(0.85, x)), _erf_small(b, x), tail)


def erfc(b: Emitter, x: Value) -> Value:
    """1 - erf x for |x| < 0.46, else e**(-x²) P((|x| - k)/(|x| + k))/(1 + 2|x|), taken from 2 for x < 0."""
    a = at_most(b, b.abs(x), 10.1 if x.dtype is dt.float32 else 27.3)
    tail = b.mul(_gauss(b, a), _erfc_scaled(b, a))
    tail = b.select(b.less(x, b.like(0.0, x)), b.sub(b.like(2.0, x), tail), tail)
    middle = b.sub(b.like(1.0, x), _erf_small(b, x))
    return b.select(b.less(a, b.like(0.46, x)), middle, tail)


def erfinv(b: Emitter, x: Value) -> Value:
    """x + x P(w), w = -log((1 - x)(1 + x)), a polynomial in w and one in sqrt(w) for the tails (Giles 2010).

    float64 adds a step of Halley's method on erf y = x, or on erfc y = 1 - x, which is exact for |x| >= 1/2.
    """
    a, one = b.abs(x), b.like(1.0, x)
    w = b.neg(log_normal(b, b.mul(b.sub(one, a), b.add(one, a))))
    middle = b.less(w, b.like(5.0, x))
    z = b.select(middle, w, plus(b, b.sqrt(w), -_INVERSE_CENTRE[width(x)]))
    tail_coefficients = _INVERSE_TAIL[width(x)]
    middle_coefficients = [*_INVERSE_MIDDLE, *[0.0] * (len(tail_coefficients) - len(_INVERSE_MIDDLE))]
    p = b.like(0.0, x)
    for m, t in zip(reversed(middle_coefficients), reversed(tail_coefficients), strict=True):
        p = b.fma(p, z, b.select(middle, b.like(m, x), b.like(t, x)))
    y = b.fma(a, p, a)
    if x.dtype is dt.float64:
        gauss = _gauss(b, y)
        low = b.sub(a, _erf_small(b, y))
        high = b.fma(gauss, _erfc_scaled(b, y), b.sub(a, one))
        residual = b.select(b.less(a, b.like(0.5, x)), low, high)
        step = b.div(times(b, residual, math.sqrt(math.pi) / 2), gauss)
        y = b.add(y, b.div(step, b.fma(b.neg(step), y, one)))
    y = b.select(b.equal(a, one), b.like(math.inf, x), y)
    y = b.select(b.greater(a, one), b.like(math.nan, x), y)
    return b.copysign(y, x)


def _sin_and_cos_of_half_turns(b: Emitter, x: Value) -> tuple[Value, Value]:
    """|sin πx| and cos πx / sign(sin πx), so that their quotient is tan πx."""
    r = b.sub(x, b.round_even(x))  # exact, in [-1/2, 1/2]
    a = b.abs(r)
    near = b.less(a, b.like(0.25, x))
    sin, cos = sin_and_cos(b, times(b, b.select(near, a, b.sub(b.like(0.5, x), a)), math.pi))
    return b.select(near, sin, cos), b.copysign(b.select(near, cos, sin), r)


def _ratio(b: Emitter, x: Value, pair: tuple[tuple[float, ...], tuple[float, ...]]) -> Value:
    return b.div(polynomial(b, x, pair[0]), polynomial(b, x, pair[1]))


@through_double
def lgamma(b: Emitter, x: Value) -> Value:
    """log |Γ(x)|: Stirling's series from 4.5, a rational function on [0.75, 2.5], Γ(x + 1) = x Γ(x) else.

    For x < 0 it is log(π / (|x| |sin πx|)) - log Γ(-x), with an error relative to the larger of both terms.
    Source: Abramowitz and Stegun 6.1.15, 6.1.17, 6.1.40.
    """
    a = b.abs(x)
    zero, one, two = (b.like(c, x) for c in (0.0, 1.0, 2.0))
    large = b.greater_equal(a, b.like(4.5, x))
    below, above = b.less(a, b.like(0.75, x)), b.greater_equal(a, b.like(2.5, x))
    far_above = b.greater_equal(a, b.like(3.5, x))
    # a moves by -1, 0, 1 or 2 into the range of the quotient, which is in t = a - 1
    shift = b.select(below, zero, b.select(above, b.select(far_above, b.like(3.0, x), two), one))
    t = b.sub(a, shift)
    zeros = b.mul(t, b.sub(a, b.add(shift, one)))
    near = b.fma(zeros, b.like(0.4375, x), b.mul(zeros, _ratio(b, t, _GAMMA)))
    product = b.mul(b.sub(a, one), b.select(far_above, b.sub(a, two), one))
    factor = b.select(below, a, b.select(above, product, one))
    logarithm = log(b, b.select(large, a, factor))
    small = b.add(near, b.select(below, b.neg(logarithm), logarithm))
    inverse = b.div(one, a)
    constant = b.like(math.log(2 * math.pi) / 2 - 0.5, x)
    series = b.fma(inverse, polynomial(b, b.mul(inverse, inverse), _STIRLING), constant)
    stirling = b.fma(plus(b, a, -0.5), b.sub(logarithm, one), series)
    infinite = b.equal(a, b.like(math.inf, x))
    positive = b.select(large, b.select(infinite, a, stirling), small)
    sine, _ = _sin_and_cos_of_half_turns(b, a)
    reflected = b.sub(log(b, b.div(b.like(math.pi, x), b.mul(a, sine))), positive)
    reflected = b.select(b.or_(infinite, b.equal(sine, zero)), b.like(math.inf, x), reflected)
    return b.select(b.less(x, zero), reflected, positive)


@through_double
def digamma(b: Emitter, x: Value) -> Value:
    """ψ(x) = d/dx log Γ(x): a series in 1/x for x > 4, a rational function on [1, 4], ψ(x + 1) - 1/x below.

    For x < 0 it is ψ(1 - x) - π / tan πx, with an error relative to the larger of the two terms.
    Source: Abramowitz and Stegun 6.3.5, 6.3.7, 6.3.18.
    """
    zero, one = b.like(0.0, x), b.like(1.0, x)
    negative = b.less(x, zero)
    y = b.select(negative, b.sub(one, x), x)
    small, large = b.less(y, one), b.greater(y, b.like(4.0, x))
    inverse = b.div(one, y)
    series = b.mul(inverse, b.fma(inverse, polynomial(b, b.mul(inverse, inverse), _DIGAMMA_SERIES), b.like(0.5, x)))
    t = b.select(small, y, b.sub(y, one))
    high, low = _DIGAMMA_ROOT
    distance = plus(b, plus(b, t, 1.0 - high), -low)
    near = b.mul(distance, _ratio(b, t, _DIGAMMA))
    result = b.select(large, b.sub(log(b, y), series), b.sub(near, b.select(small, inverse, zero)))
    sine, cosine = _sin_and_cos_of_half_turns(b, x)
    cotangent = b.div(times(b, cosine, math.pi), sine)
    reflected = b.sub(result, b.select(b.equal(sine, zero), b.like(math.nan, x), cotangent))
    return b.select(negative, reflected, result)


FUNCTIONS = (
    MathFunction("erf", 1, erf, 1.5, 1.5),
    MathFunction("erfc", 1, erfc, 4.0, 3.5),
    MathFunction("erfinv", 1, erfinv, 2.0, 4.0),
    MathFunction("lgamma", 1, lgamma, 0.6, 3.0, above=0.0),
    MathFunction("digamma", 1, digamma, 0.6, 4.0, above=0.0),
)
