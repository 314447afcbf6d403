"""Exponentials, logarithms, roots, trigonometry and their kin, through `b.math` (own vector polynomials)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from saltus.ir.node import full
from saltus.ir.spec import OPS
from saltus.ops._elementwise import elementwise

B = Any


def _math(name: str) -> Any:
    return lambda b, *x: b.math(name, *x)


def _special(name: str) -> Any:
    """Reference of a function NumPy lacks: exact to double precision through the C library, element by element."""
    scalar = {"erf": math.erf, "erfc": math.erfc}[name]
    vector = np.vectorize(scalar, otypes=[np.float64])

    def evaluate(xp: Any, a: Any) -> Any:
        if xp is np:
            a = np.asarray(a)
            return (vector(a) if a.size else a).astype(a.dtype).reshape(a.shape)
        import jax.scipy.special as special

        return getattr(special, name)(a)

    return evaluate


def _conj(a: Any) -> Any:
    return OPS["conj"](a) if a.dtype.kind == "c" else a


exp = elementwise("exp", 1, "e^a", lambda xp, a: xp.exp(a), _math("exp"), lambda g, o, a: (g * _conj(o),), kinds="fc", flops=8)
expm1 = elementwise("expm1", 1, "e^a - 1, exact near 0", lambda xp, a: xp.expm1(a), _math("expm1"), lambda g, o, a: (g * (o + 1),), kinds="f", flops=10)
exp2 = elementwise("exp2", 1, "2^a", lambda xp, a: xp.exp2(a), _math("exp2"), lambda g, o, a: (g * o * math.log(2),), kinds="f", flops=8)
log = elementwise("log", 1, "natural logarithm", lambda xp, a: xp.log(a), _math("log"), lambda g, o, a: (g / _conj(a),), kinds="fc", low=0.1, flops=10)
log1p = elementwise("log1p", 1, "log(1 + a), exact near 0", lambda xp, a: xp.log1p(a), _math("log1p"), lambda g, o, a: (g / (a + 1),), kinds="f", low=-0.6, flops=10)
log2 = elementwise("log2", 1, "logarithm to base 2", lambda xp, a: xp.log2(a), _math("log2"), lambda g, o, a: (g / (a * math.log(2)),), kinds="f", low=0.1, flops=10)
log10 = elementwise("log10", 1, "logarithm to base 10", lambda xp, a: xp.log10(a), _math("log10"), lambda g, o, a: (g / (a * math.log(10)),), kinds="f", low=0.1, flops=10)
sqrt = elementwise("sqrt", 1, "square root", lambda xp, a: xp.sqrt(a), lambda b, x: b.sqrt(x), lambda g, o, a: (g * 0.5 / _conj(o),), kinds="fc", low=0.1, flops=4)
rsqrt = elementwise("rsqrt", 1, "1 / sqrt(a)", lambda xp, a: 1 / xp.sqrt(a), lambda b, x: b.div(b.like(1.0, x), b.sqrt(x)), lambda g, o, a: (g * -0.5 * o * o * o,), kinds="f", low=0.1, flops=5)
cbrt = elementwise("cbrt", 1, "cube root", lambda xp, a: xp.cbrt(a), _math("cbrt"), lambda g, o, a: (g / (o * o * 3),), kinds="f", low=0.1, flops=12)
sin = elementwise("sin", 1, "sine", lambda xp, a: xp.sin(a), _math("sin"), lambda g, o, a: (g * _conj(OPS["cos"](a)),), kinds="fc", flops=12)
cos = elementwise("cos", 1, "cosine", lambda xp, a: xp.cos(a), _math("cos"), lambda g, o, a: (-(g * _conj(OPS["sin"](a))),), kinds="fc", flops=12)
tan = elementwise("tan", 1, "tangent", lambda xp, a: xp.tan(a), _math("tan"), lambda g, o, a: (g * _conj(o * o + 1),), kinds="fc", low=-1.2, high=1.2, flops=16)
asin = elementwise("asin", 1, "arc sine", lambda xp, a: xp.arcsin(a), _math("asin"), lambda g, o, a: (g * rsqrt(1 - a * a),), kinds="f", low=-0.9, high=0.9, flops=16)
acos = elementwise("acos", 1, "arc cosine", lambda xp, a: xp.arccos(a), _math("acos"), lambda g, o, a: (-(g * rsqrt(1 - a * a)),), kinds="f", low=-0.9, high=0.9, flops=16)
atan = elementwise("atan", 1, "arc tangent", lambda xp, a: xp.arctan(a), _math("atan"), lambda g, o, a: (g / (a * a + 1),), kinds="f", flops=16)
atan2 = elementwise("atan2", 2, "angle of the point (b, a)", lambda xp, a, b: xp.arctan2(a, b), _math("atan2"), lambda g, o, a, b: (g * b / (a * a + b * b), -(g * a / (a * a + b * b))), kinds="f", low=0.2, flops=20)
sinh = elementwise("sinh", 1, "hyperbolic sine", lambda xp, a: xp.sinh(a), _math("sinh"), lambda g, o, a: (g * _conj(OPS["cosh"](a)),), kinds="fc", flops=12)
cosh = elementwise("cosh", 1, "hyperbolic cosine", lambda xp, a: xp.cosh(a), _math("cosh"), lambda g, o, a: (g * _conj(OPS["sinh"](a)),), kinds="fc", flops=12)
tanh = elementwise("tanh", 1, "hyperbolic tangent", lambda xp, a: xp.tanh(a), _math("tanh"), lambda g, o, a: (g * _conj(1 - o * o),), kinds="fc", flops=12)
asinh = elementwise("asinh", 1, "inverse hyperbolic sine", lambda xp, a: xp.arcsinh(a), _math("asinh"), lambda g, o, a: (g * rsqrt(a * a + 1),), kinds="f", flops=16)
acosh = elementwise("acosh", 1, "inverse hyperbolic cosine", lambda xp, a: xp.arccosh(a), _math("acosh"), lambda g, o, a: (g * rsqrt(a * a - 1),), kinds="f", low=1.2, high=4.0, flops=16)
atanh = elementwise("atanh", 1, "inverse hyperbolic tangent", lambda xp, a: xp.arctanh(a), _math("atanh"), lambda g, o, a: (g / (1 - a * a),), kinds="f", low=-0.9, high=0.9, flops=16)


def _sigmoid(xp: Any, a: Any) -> Any:
    e = xp.exp(-xp.abs(a))
    return xp.where(a >= 0, 1 / (1 + e), e / (1 + e)).astype(a.dtype)


sigmoid = elementwise("sigmoid", 1, "1 / (1 + e^-a)", _sigmoid, _math("sigmoid"), lambda g, o, a: (g * o * (1 - o),), kinds="f", flops=10)
softplus = elementwise("softplus", 1, "log(1 + e^a)", lambda xp, a: xp.logaddexp(a, xp.zeros((), a.dtype)), _math("softplus"), lambda g, o, a: (g * sigmoid(a),), kinds="f", flops=20)
erf = elementwise("erf", 1, "error function", _special("erf"), _math("erf"), lambda g, o, a: (g * exp(-(a * a)) * (2 / math.sqrt(math.pi)),), kinds="f", flops=14)
erfc = elementwise("erfc", 1, "1 - erf(a), exact in the tail", _special("erfc"), _math("erfc"), lambda g, o, a: (-(g * exp(-(a * a)) * (2 / math.sqrt(math.pi))),), kinds="f", flops=16)


def _power(g: Any, o: Any, a: Any, b: Any) -> Any:
    one, zero = full(a.shape, 1, a.dtype), full(a.shape, 0, a.dtype)
    where, equal = OPS["where"], OPS["equal"]
    # at b = 0 the derivative in a is 0 and at a = 0 the one in b is 0, also where the formula would give NaN
    by_a = where(equal(b, zero), zero, b * power(a, where(equal(b, zero), one, b - 1)))
    by_b = where(equal(a, zero), zero, o * log(where(equal(a, zero), one, a)))
    return g * by_a, g * by_b


power = elementwise("power", 2, "a^b", lambda xp, a, b: xp.power(a, b), _math("pow"), _power, kinds="f", low=0.2, flops=30)
hypot = elementwise("hypot", 2, "sqrt(a^2 + b^2) without overflow", lambda xp, a, b: xp.hypot(a, b), _math("hypot"), lambda g, o, a, b: (g * a / o, g * b / o), kinds="f", low=0.2, flops=10)
logaddexp = elementwise("logaddexp", 2, "log(e^a + e^b)", lambda xp, a, b: xp.logaddexp(a, b), _math("logaddexp"), lambda g, o, a, b: (g * exp(a - o), g * exp(b - o)), kinds="f", flops=24)
nextafter = elementwise("nextafter", 2, "the next representable number from a towards b", lambda xp, a, b: xp.nextafter(a, b), _math("nextafter"), lambda g, o, a, b: (g, None), kinds="f", dtypes=("float32", "float64"))
erfinv = elementwise("erfinv", 1, "inverse of the error function", lambda xp, a: _erfinv(xp, a), _math("erfinv"), lambda g, o, a: (g * exp(o * o) * (math.sqrt(math.pi) / 2),), kinds="f", low=-0.95, high=0.95, tolerance=64.0, flops=30)


def _erfinv(xp: Any, a: Any) -> Any:
    """Reference of erfinv: a start by Giles' single-precision fit of the tail, then Newton steps on erf in double precision."""
    if xp is not np:
        import jax.scipy.special as special

        return special.erfinv(a)
    a = np.asarray(a)
    y = a.astype(np.float64)
    with np.errstate(all="ignore"):
        w = -np.log1p(-y * y)
        # Winitzki's closed form is within 2e-3 of the root everywhere
        k = 2 / (math.pi * 0.147) - w / 2
        x = np.copysign(np.sqrt(np.sqrt(k * k + w / 0.147) - k), y)
        for _ in range(4):  # Halley's step on erf(x) - y, with erfc in the tail so that no digits cancel
            error = np.where(y > 0.5, (1 - y) - _erfc(x), np.where(y < -0.5, _erfc(-x) - (1 + y), _erf(x) - y))
            step = error / (2 / math.sqrt(math.pi) * np.exp(-x * x))
            x = x - step / (1 + x * step)
        x = np.where(np.abs(y) == 1, np.copysign(np.inf, y), np.where(np.abs(y) > 1, np.nan, np.where(y == 0, y, x)))
    return x.astype(a.dtype)


_erf = np.vectorize(lambda v: math.erf(v) if v == v else v, otypes=[np.float64])
_erfc = np.vectorize(lambda v: math.erfc(v) if v == v else v, otypes=[np.float64])
