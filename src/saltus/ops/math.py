"""Exponentials, logarithms, roots, trigonometry and their kin, through `b.math` (own vector polynomials)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from saltus.base import dtypes as dt
from saltus.base.dtypes import DType
from saltus.base.errors import DTypeError
from saltus.ir.node import Node, full
from saltus.ir.spec import OPS, Op, Sample
from saltus.ops._elementwise import elementwise, same_dtype
from saltus.ops._namespace import companion, is_numpy
from saltus.ops.arithmetic import conj, no_zeros, where, zeros_like

B = Any
LN2, LN10 = math.log(2), math.log(10)


def _math(name: str) -> Any:
    return lambda b, *x: b.math(name, *x)


def _unary(name: str, numpy_name: str, doc: str, slope: Any, kinds: str = "fc", evaluate: Any = None, **more: Any) -> Op:
    """A function of one number, by its NumPy name (or its own `evaluate`) and its derivative slope(out, a)."""
    return elementwise(
        name,
        1,
        doc,
        evaluate or (lambda xp, a: getattr(xp, numpy_name)(a)),
        _math(name),
        lambda g, o, a: (g * conj(slope(o, a)),),
        kinds=kinds,
        **more,
    )


def _one(a: Node) -> Node:
    return full(a.shape, 1, a.dtype)


def _inverse_root(a: Node) -> Node:
    """1 / sqrt(a)."""
    return reciprocal(sqrt(a)) if a.dtype.kind == "c" else rsqrt(a)


reciprocal = OPS["reciprocal"]

exp: Op = _unary("exp", "exp", "e^a", lambda o, a: o, flops=8, laws=(lambda o, a: (log(o), a),))


def _expm1_eval(xp: Any, a: Any) -> Any:
    """NumPy loses the limits of complex arguments: a real one stays real, and at -infinity the angle does not matter."""
    out = xp.expm1(a)
    if a.dtype.kind != "c":
        return out
    minus, plus = xp.isneginf(a.real), xp.isposinf(a.real) & ~xp.isfinite(a.imag)
    out = xp.where(plus, xp.asarray(complex(math.inf, math.nan), a.dtype), out)
    out = xp.where(minus, xp.asarray(-1, a.dtype), out)
    return xp.where(a.imag == 0, xp.expm1(a.real) + a.imag * 1j, out).astype(a.dtype)


expm1 = _unary(
    "expm1",
    "expm1",
    "e^a - 1, exact near 0",
    lambda o, a: o + 1,
    evaluate=_expm1_eval,
    flops=10,
    laws=(lambda o, a: (o + 1, exp(a)),),
)
exp2 = _unary("exp2", "exp2", "2^a", lambda o, a: o * LN2, "f", flops=8, laws=(lambda o, a: (o, exp(a * LN2)),))
log: Op = _unary("log", "log", "natural logarithm", lambda o, a: 1 / a, low=0.1, flops=10, laws=(lambda o, a: (exp(o), a),))
log1p = _unary(
    "log1p",
    "log1p",
    "log(1 + a), exact near 0",
    lambda o, a: 1 / (a + 1),
    low=-0.6,
    flops=10,
    laws=(lambda o, a: (expm1(o), a),),
)
log2 = _unary(
    "log2",
    "log2",
    "logarithm to base 2",
    lambda o, a: 1 / (a * LN2),
    low=0.1,
    flops=10,
    laws=(lambda o, a: (exp(o * LN2), a),),
)
log10 = _unary(
    "log10",
    "log10",
    "logarithm to base 10",
    lambda o, a: 1 / (a * LN10),
    low=0.1,
    flops=10,
    laws=(lambda o, a: (exp(o * LN10), a),),
)
sqrt: Op = elementwise(
    "sqrt",
    1,
    "square root",
    lambda xp, a: xp.sqrt(a),
    lambda b, x: b.sqrt(x),
    lambda g, o, a: (g * 0.5 / conj(o),),
    kinds="fc",
    low=0.1,
    flops=4,
    laws=(lambda o, a: (o * o, a),),
)
rsqrt: Op = elementwise(
    "rsqrt",
    1,
    "1 / sqrt(a)",
    lambda xp, a: 1 / xp.sqrt(a),
    lambda b, x: b.div(b.like(1.0, x), b.sqrt(x)),
    lambda g, o, a: (g * -0.5 * o * o * o,),
    kinds="f",
    low=0.1,
    flops=5,
    laws=(lambda o, a: (o * sqrt(a), _one(a)),),
)
cbrt = _unary(
    "cbrt",
    "cbrt",
    "cube root",
    lambda o, a: 1 / (o * o * 3),
    "f",
    low=0.1,
    flops=12,
    laws=(lambda o, a: (o * o * o, a),),
)
sin: Op = _unary(
    "sin",
    "sin",
    "sine",
    lambda o, a: cos(a),
    flops=12,
    laws=(lambda o, a: (o * o + cos(a) * cos(a), _one(a)),),
)
cos: Op = _unary("cos", "cos", "cosine", lambda o, a: -sin(a), flops=12, laws=(lambda o, a: (o, sin(a + math.pi / 2)),))
tan = _unary(
    "tan",
    "tan",
    "tangent",
    lambda o, a: o * o + 1,
    low=-1.2,
    high=1.2,
    flops=16,
    laws=(lambda o, a: (o * cos(a), sin(a)),),
)
asin = _unary(
    "asin",
    "arcsin",
    "arc sine",
    lambda o, a: _inverse_root(1 - a * a),
    low=-0.9,
    high=0.9,
    flops=16,
    laws=(lambda o, a: (sin(o), a),),
)
acos = _unary(
    "acos",
    "arccos",
    "arc cosine",
    lambda o, a: -_inverse_root(1 - a * a),
    low=-0.9,
    high=0.9,
    flops=16,
    laws=(lambda o, a: (cos(o), a),),
)
atan = _unary("atan", "arctan", "arc tangent", lambda o, a: 1 / (a * a + 1), flops=16, laws=(lambda o, a: (tan(o), a),))


def _atan2_vjp(g: Node, o: Node, a: Node, b: Node) -> tuple[Node, Node]:
    scale = g / no_zeros(a * a + b * b)  # at the origin, which has no angle, the gradient is 0
    return scale * b, -(scale * a)


atan2 = elementwise(
    "atan2",
    2,
    "angle of the point (b, a)",
    lambda xp, a, b: xp.arctan2(a, b),
    _math("atan2"),
    _atan2_vjp,
    kinds="f",
    low=0.2,
    flops=20,
    laws=(lambda o, a, b: (tan(o), a / b),),
    samples=tuple(Sample(((5, 41), (5, 41)), dtypes=(d, d)) for d in ("float32", "float64")),
)
sinh: Op = _unary(
    "sinh",
    "sinh",
    "hyperbolic sine",
    lambda o, a: cosh(a),
    flops=12,
    laws=(lambda o, a: (o + o, exp(a) - exp(-a)),),
)
cosh: Op = _unary(
    "cosh",
    "cosh",
    "hyperbolic cosine",
    lambda o, a: sinh(a),
    flops=12,
    laws=(lambda o, a: (o + o, exp(a) + exp(-a)),),
)


def _tanh_eval(xp: Any, a: Any) -> Any:
    """The C library gives the 0 beside a limit of 1 the sign of sin(2 imag); the standard wants that of imag."""
    out = xp.tanh(a)
    if a.dtype.kind != "c":
        return out
    one = xp.asarray(1, a.dtype)
    limit = xp.where(a.imag < 0, xp.conj(one), one)
    far = xp.isinf(a.real) & xp.isfinite(a.imag)
    return xp.where(far, xp.where(a.real > 0, limit, -xp.conj(limit)), out)


tanh = _unary(
    "tanh",
    "tanh",
    "hyperbolic tangent",
    lambda o, a: 1 - o * o,
    evaluate=_tanh_eval,
    flops=12,
    laws=(lambda o, a: (o * cosh(a), sinh(a)),),
)
asinh = _unary(
    "asinh",
    "arcsinh",
    "inverse hyperbolic sine",
    lambda o, a: _inverse_root(a * a + 1),
    flops=16,
    laws=(lambda o, a: (sinh(o), a),),
)


def _acosh_slope(o: Node, a: Node) -> Node:
    """Two roots for a complex number: the root of the product has its cut elsewhere."""
    return _inverse_root(a - 1) * _inverse_root(a + 1) if a.dtype.kind == "c" else rsqrt(a * a - 1)


acosh = _unary(
    "acosh",
    "arccosh",
    "inverse hyperbolic cosine",
    _acosh_slope,
    low=1.2,
    high=4.0,
    flops=16,
    laws=(lambda o, a: (cosh(o), a),),
)
atanh = _unary(
    "atanh",
    "arctanh",
    "inverse hyperbolic tangent",
    lambda o, a: 1 / (1 - a * a),
    low=-0.9,
    high=0.9,
    flops=16,
    laws=(lambda o, a: (tanh(o), a),),
)


def _sigmoid(xp: Any, a: Any) -> Any:
    e = xp.exp(-xp.abs(a))
    return xp.where(a >= 0, 1 / (1 + e), e / (1 + e)).astype(a.dtype)


sigmoid: Op = elementwise(
    "sigmoid",
    1,
    "1 / (1 + e^-a)",
    _sigmoid,
    _math("sigmoid"),
    lambda g, o, a: (g * o * (1 - o),),
    kinds="f",
    flops=10,
    laws=(lambda o, a: (o + o, tanh(a * 0.5) + 1),),
)
softplus = elementwise(
    "softplus",
    1,
    "log(1 + e^a)",
    lambda xp, a: xp.logaddexp(a, xp.zeros((), a.dtype)),
    _math("softplus"),
    lambda g, o, a: (g * sigmoid(a),),
    kinds="f",
    flops=20,
    laws=(lambda o, a: (exp(o), exp(a) + 1),),
)

_vector_erf = np.vectorize(math.erf, otypes=[np.float64])
_vector_erfc = np.vectorize(math.erfc, otypes=[np.float64])


def _special(name: str, exact: Any) -> Any:
    """Reference of a function NumPy lacks, in double precision, element by element."""

    def evaluate(xp: Any, a: Any) -> Any:
        if not is_numpy(xp):
            return getattr(companion(xp, "scipy.special"), name)(a)
        a = np.asarray(a)
        return exact(a).astype(a.dtype).reshape(a.shape) if a.size else a

    return evaluate


def _newton_erfinv(a: Any) -> Any:
    """Winitzki's closed form, within 2e-3 of the root everywhere, then Halley's steps on erf(x) - a."""
    y = np.asarray(a, np.float64)
    w = -np.log1p(-y * y)
    k = 2 / (math.pi * 0.147) - w / 2
    x = np.copysign(np.sqrt(np.sqrt(k * k + w / 0.147) - k), y)
    for _ in range(4):  # with erfc in the tails, where erf would lose its digits
        tail = np.where(y > 0, (1 - y) - _vector_erfc(x), _vector_erfc(-x) - (1 + y))
        step = np.where(np.abs(y) > 0.5, tail, _vector_erf(x) - y) / (2 / math.sqrt(math.pi) * np.exp(-x * x))
        x = x - step / (1 + x * step)
    ends = np.where(np.abs(y) == 1, np.copysign(np.inf, y), np.where(np.abs(y) > 1, np.nan, x))
    return np.where(y == 0, y, ends)


SLOPE_OF_ERF = 2 / math.sqrt(math.pi)
erf: Op = elementwise(
    "erf",
    1,
    "error function",
    _special("erf", _vector_erf),
    _math("erf"),
    lambda g, o, a: (g * exp(-(a * a)) * SLOPE_OF_ERF,),
    kinds="f",
    flops=14,
    laws=(lambda o, a: (o + erfc(a), _one(a)),),
)
erfc: Op = elementwise(
    "erfc",
    1,
    "1 - erf(a), exact in the tail",
    _special("erfc", _vector_erfc),
    _math("erfc"),
    lambda g, o, a: (g * exp(-(a * a)) * -SLOPE_OF_ERF,),
    kinds="f",
    flops=16,
    laws=(lambda o, a: (o + erfc(-a), _one(a) + 1),),
)
erfinv = elementwise(
    "erfinv",
    1,
    "inverse of the error function",
    _special("erfinv", _newton_erfinv),
    _math("erfinv"),
    lambda g, o, a: (g * exp(o * o) * (1 / SLOPE_OF_ERF),),
    kinds="f",
    low=-0.95,
    high=0.95,
    tolerance=64.0,
    flops=30,
    laws=(lambda o, a: (erf(o), a),),
)


def _power_eval(xp: Any, a: Any, b: Any) -> Any:
    if a.dtype.kind != "i":
        return xp.power(a, b)
    # below 0 the exact quotient without its fraction: 0, but for a base of 1 or -1
    odd = (b & 1) != 0
    unit = xp.where(a == 1, 1, xp.where(a == -1, xp.where(odd, -1, 1), 0)).astype(a.dtype)
    return xp.where(b < 0, unit, xp.power(a, xp.where(b < 0, 0, b).astype(b.dtype)))


def _power_cpu(b: B, x: B, y: B) -> B:
    """Integers by squaring: the bits of the exponent from the lowest on."""
    if x.dtype.kind == "f":
        return b.math("pow", x, y)
    zero, one = b.like(0, x), b.like(1, x)
    result, base, rest = one, x, y
    signed = x.dtype.kind == "i"
    for _ in range(x.dtype.bits - signed):
        odd = b.not_equal(b.and_(rest, one), zero)
        result = b.select(odd, b.mul(result, base), result)
        base, rest = b.mul(base, base), b.shr(rest, one)
    if not signed:
        return result
    sign = b.select(b.not_equal(b.and_(y, one), zero), b.like(-1, x), one)
    unit = b.select(b.equal(x, one), one, b.select(b.equal(x, b.like(-1, x)), sign, zero))
    return b.select(b.less(y, zero), unit, result)


def _power_vjp(g: Node, o: Node, a: Node, b: Node) -> tuple[Node, Node]:
    """At b = 0 the derivative in a is 0 and at a = 0 the one in b is 0, also where the formula would give NaN."""
    zero, equal = zeros_like(a), OPS["equal"]
    flat = equal(b, zero)
    by_a = where(flat, zero, b * power(a, where(flat, _one(a), b - 1)))
    by_b = where(equal(a, zero), zero, o * log(no_zeros(a)))
    return g * conj(by_a), g * conj(by_b)


_WHOLE = tuple(Sample(((5, 41), (5, 41)), {}, -5.0, 9.0, (d, d)) for d in ("int8", "int32", "int64"))
power: Op = elementwise(
    "power",
    2,
    "a^b; of whole numbers without the fraction, modulo 2^bits",
    _power_eval,
    _power_cpu,
    _power_vjp,
    kinds="iufc",
    low=0.2,
    flops=30,
    samples=_WHOLE,
)


def _hypot_vjp(g: Node, o: Node, a: Node, b: Node) -> tuple[Node, Node]:
    scale = g / no_zeros(o)
    return scale * a, scale * b


hypot = elementwise(
    "hypot",
    2,
    "sqrt(a^2 + b^2) without overflow",
    lambda xp, a, b: xp.hypot(a, b),
    _math("hypot"),
    _hypot_vjp,
    kinds="f",
    low=0.2,
    flops=10,
    laws=(lambda o, a, b: (o * o, a * a + b * b),),
)
logaddexp = elementwise(
    "logaddexp",
    2,
    "log(e^a + e^b)",
    lambda xp, a, b: xp.logaddexp(a, b),
    _math("logaddexp"),
    lambda g, o, a, b: (g * exp(a - o), g * exp(b - o)),
    kinds="f",
    flops=24,
    laws=(lambda o, a, b: (exp(o), exp(a) + exp(b)),),
)


def _not_half(*dtypes: DType) -> DType:
    if dtypes[0] in (dt.float16, dt.bfloat16):
        raise DTypeError(f"nextafter takes float32 or float64, got {dtypes[0].name}", fix="x.astype('float32')")
    return same_dtype(*dtypes)


nextafter = elementwise(
    "nextafter",
    2,
    "the next representable number from a towards b",
    lambda xp, a, b: xp.nextafter(a, b),
    _math("nextafter"),
    lambda g, o, a, b: (g, None),
    kinds="f",
    dtype=_not_half,
)
