"""Vector math: errors stay under the stated bounds, special values are NumPy's, and lanes change nothing.

float64 is measured against mpmath; float32 against float64 of NumPy and SciPy, or our own in dense sweeps.
"""

from __future__ import annotations

import ctypes
import functools
import itertools
import math
import re

import mpmath
import numpy as np
import pytest
import scipy.special

from saltus.backend.cpu import compile as native
from saltus.backend.cpu.emit import Emitter, Value
from saltus.backend.cpu.vecmath import FUNCTIONS, emitter_table
from saltus.base import dtypes as dt

mp = mpmath.mp
FLOATS = (np.float32, np.float64)
ONE_ARGUMENT = [name for name, f in FUNCTIONS.items() if f.arguments == 1]
EXACT = ("fmod", "remainder", "nextafter")
INF, NAN = math.inf, math.nan
_serial = itertools.count()


# --- running a function -------------------------------------------------------------------------------------
def _emitter(name, float_type, lanes, vector_bits):
    """A kernel that applies the function to arrays, `lanes` elements at a time."""
    dtype, count = dt.as_dtype(float_type), FUNCTIONS[name].arguments
    parameters = [*((f"x{i}", "ptr") for i in range(count)), ("out", "ptr"), ("n", "i64")]
    b = Emitter(f"vecmath_test_{next(_serial)}", parameters, vector_bits, math_functions=emitter_table())
    *inputs, out, n = b.parameters
    with b.loop(0, n, lanes) as loop:
        values = [b.load(b.offset(p, loop.index, dtype), dtype, lanes) for p in inputs]
        b.store(b.math(name, *values), b.offset(out, loop.index, dtype), dtype)
    return b


def _function(b, *types):
    address = native.load(b.name, native.object_code(b.text()))
    return ctypes.CFUNCTYPE(None, *types)(address)


@functools.cache
def _kernel(name, float_type, lanes):
    pointers = [ctypes.c_void_p] * (FUNCTIONS[name].arguments + 1)
    return _function(_emitter(name, float_type, lanes, native.vector_bits()), *pointers, ctypes.c_int64)


def run(name, *arrays, lanes=8):
    """The function of arrays of one float type."""
    size = arrays[0].size
    padded = [np.concatenate([a, np.ones(-size % lanes, a.dtype)]) for a in arrays]
    out = np.empty_like(padded[0])
    _kernel(name, arrays[0].dtype.type, lanes)(*(a.ctypes.data for a in padded), out.ctypes.data, out.size)
    return out[:size]


def same_bits(x, y):
    """Elementwise: equal, zeros of the same sign, or both NaN."""
    return ((x == y) & (np.signbit(x) == np.signbit(y))) | (np.isnan(x) & np.isnan(y))


# --- what is right ------------------------------------------------------------------------------------------
def _logaddexp(x, y):
    return max(x, y) + mp.log1p(mp.exp(-abs(x - y)))


def _inverse_erf(x):
    """Newton's method on the complement, which keeps its digits near 1."""
    y = mp.mpf(float(scipy.special.erfinv(float(x))))
    if abs(x) < 0.5:
        for _ in range(2):
            y -= (mp.erf(y) - x) * mp.sqrt(mp.pi) / 2 * mp.exp(y * y)
        return y
    rest, y = 1 - abs(x), abs(y)
    for _ in range(3):
        y += (mp.erfc(y) - rest) * mp.sqrt(mp.pi) / 2 * mp.exp(y * y)
    return mp.sign(x) * y


EXACTLY = {
    "exp": mp.exp,
    "exp2": lambda x: mp.mpf(2) ** x,
    "expm1": mp.expm1,
    "sigmoid": lambda x: 1 / (1 + mp.exp(-x)),
    "sinh": mp.sinh,
    "cosh": mp.cosh,
    "tanh": mp.tanh,
    "log": mp.log,
    "log2": lambda x: mp.log(x) / mp.log(2),
    "log10": mp.log10,
    "log1p": mp.log1p,
    "softplus": lambda x: _logaddexp(x, mp.mpf(0)),
    "logaddexp": _logaddexp,
    "asinh": mp.asinh,
    "acosh": mp.acosh,
    "atanh": mp.atanh,
    "sin": mp.sin,
    "cos": mp.cos,
    "tan": mp.tan,
    "asin": mp.asin,
    "acos": mp.acos,
    "atan": mp.atan,
    "atan2": mp.atan2,
    "pow": mp.power,
    "cbrt": lambda x: mp.sign(x) * mp.cbrt(abs(x)),
    "hypot": mp.hypot,
    "erf": mp.erf,
    "erfc": mp.erfc,
    "erfinv": _inverse_erf,
    "lgamma": mp.loggamma,
    "digamma": mp.digamma,
}


def _stable_sigmoid(x):
    e = np.exp(-np.abs(x))
    return np.where(x < 0, e, 1.0) / (1 + e)


# The same in NumPy or SciPy, for float32 (computed in float64) and for special values.
SCIPY = ("erf", "erfc", "erfinv", "lgamma", "digamma")
LIBRARY = {
    **{name: getattr(np, name) for name in FUNCTIONS if hasattr(np, name)},
    **{name: getattr(scipy.special, name) for name in ("erf", "erfc", "digamma")},
    "erfinv": lambda x: np.where(x == 0, x, scipy.special.erfinv(x)),  # SciPy drops the sign of zero
    "sigmoid": _stable_sigmoid,
    "softplus": lambda x: np.logaddexp(x, 0),
    "lgamma": scipy.special.gammaln,
}


def library(name, *arrays):
    with np.errstate(all="ignore"):
        return LIBRARY[name](*arrays)


# --- where to look ------------------------------------------------------------------------------------------
DOMAIN = {
    **dict.fromkeys(("log", "log2", "log10", "lgamma", "digamma"), (0.0, INF)),
    **dict.fromkeys(("atanh", "erfinv", "asin", "acos"), (-1.0, 1.0)),
    "log1p": (-1.0, INF),
    "acosh": (1.0, INF),
}
INTERVALS = [(-1, 1), (-20, 20), (0.3, 3), (-100, 100), (-750, 720), (-1100, 1100), (-0.01, 0.01), (0.9, 1.1)]
# Where code changes from one formula to another: ends of polynomials, reductions and number ranges.
SEAMS = [
    *(k * math.log(2) / 2 for k in (1, 3, -1, 205, -205, 2047, -2149)),
    *(2.0**k * math.sqrt(0.5) for k in (-1074, -1022, -149, -126, -1, 0, 1, 2, 127, 1023)),
    *(k * math.pi / 4 for k in (1, 2, 3, 4, 5, 1000, 1001, 12345, 83443)),
    *(2.0**k for k in (-60, -55, -28, -26, -13, 16, 40, 52, 53, 60, -450, 500)),
    *(
        0.85,
        0.46,
        0.5,
        0.75,
        1.0,
        2.0,
        2.5,
        3.5,
        3.93,
        4.0,
        4.5,
        6.0,
        10.05,
        27.2,
        20.0,
        40.0,
        1.4616321449683622,
    ),
    *(88.72, 89.41, 103.97, -87.33, -103.97, 709.78, 710.47, -708.4, -745.13, 128.0, -149.5, 1024.0, -1074.5),
]


def points(name, float_type, count, position=0):
    """Arguments all over the function's domain: uniform, of any bit pattern, and next to its seams."""
    random = np.random.default_rng([position, *name.encode()])
    integers = {np.float32: np.uint32, np.float64: np.uint64}[float_type]
    each = count // (len(INTERVALS) + 4)
    parts = [random.uniform(low, high, each) for low, high in INTERVALS]
    parts.append(np.ldexp(random.uniform(-1, 1, 2 * each), random.integers(-70, 70, 2 * each)))
    values = np.concatenate(parts).astype(float_type)
    patterns = random.integers(0, np.iinfo(integers).max, 2 * each, dtype=integers).view(float_type)
    with np.errstate(over="ignore"):
        seams = np.array([*SEAMS, *(-s for s in SEAMS)]).astype(float_type)
    near = [seams, np.nextafter(seams, float_type(INF)), np.nextafter(seams, float_type(-INF))]
    values = np.concatenate([values, patterns, *near])
    low, high = DOMAIN.get(name, (-INF, INF))
    if high == 1.0:  # the ends, where the function is steep
        close = 1 - 10.0 ** random.uniform(-16, 0, 2 * each)
        values = np.concatenate([values, close.astype(float_type), -close.astype(float_type)])
    return values[(values > low) & (values < high) & np.isfinite(values) & (values != 0)]


def arguments(name, float_type, count):
    """Arguments for a function of one or two numbers."""
    x = points(name, float_type, count)
    if FUNCTIONS[name].arguments == 1:
        return [x]
    y = points(name, float_type, count, position=1)
    y = np.resize(y, x.size)
    np.random.default_rng(5).shuffle(y)
    if name == "pow":  # finite results: a base > 0, or whole exponents
        y = np.where(x < 0, np.trunc(np.clip(y, -1e6, 1e6)), y)
    return [x, y]


# --- errors -------------------------------------------------------------------------------------------------
def test_the_functions_are_those_kernels_ask_for():
    asked = set(EXACTLY) | set(EXACT)
    assert set(FUNCTIONS) == asked == set(LIBRARY)
    for function in FUNCTIONS.values():
        assert len(function.doc) > 20
        assert function.ulp32 <= 4
        assert function.ulp64 <= 4


@pytest.mark.parametrize("name", EXACTLY)
def test_float64_error_is_under_the_stated_bound(name):
    inputs = arguments(name, np.float64, 1200)
    got = run(name, *inputs)
    largest, where = 0.0, None
    with mp.workprec(140):
        for y, *xs in zip(got.tolist(), *(a.tolist() for a in inputs), strict=True):
            want = _exact(name, xs)
            scale = abs(want) if FUNCTIONS[name].unit == "result" else max(abs(want), *map(abs, xs))
            if abs(want) > 2 * mp.mpf(2) ** 1023:
                assert abs(y) >= np.finfo(float).max, (xs, y)
                continue
            assert math.isfinite(y) or abs(want) > np.finfo(float).max, (xs, y, want)
            exponent = max(mp.frexp(scale)[1] - 1, -1022)
            error = float(abs(y - want) / mp.ldexp(1, exponent - 52)) if math.isfinite(y) else 0.0
            largest, where = max((largest, where), (error, (xs, y)), key=lambda pair: pair[0])
    assert largest <= FUNCTIONS[name].ulp64, where


def _exact(name, xs):
    """The function at float64 arguments; those of exponentials are cut off far beyond over- and underflow."""
    if name in ("exp", "exp2", "expm1", "sigmoid", "sinh", "cosh", "tanh", "erf", "erfc"):
        limit = 30 if name in ("erf", "erfc") else 3000
        xs = [min(max(x, -limit), limit) for x in xs]
    if name == "pow" and xs[0] != 0 and abs(xs[1] * math.log2(abs(xs[0]))) > 5000:
        return mp.mpf(2) ** math.copysign(5000, xs[1] * math.log2(abs(xs[0])))
    return EXACTLY[name](*map(mp.mpf, xs))


@pytest.mark.parametrize("name", EXACTLY)
def test_float32_error_is_under_the_stated_bound(name):
    inputs = arguments(name, np.float32, 60_000)
    got = run(name, *inputs).astype(np.float64)
    wide = [a.astype(np.float64) for a in inputs]
    want = library(name, *wide)
    scale = np.abs(want)
    if FUNCTIONS[name].unit == "argument":
        scale = np.maximum(scale, np.max(np.abs(wide), axis=0))
    exponent = np.maximum(np.frexp(scale)[1] - 1, -126)
    with np.errstate(over="ignore", invalid="ignore"):
        overflow = np.isinf(want.astype(np.float32))
        error = np.where(overflow, 0.0, np.abs(got - want) / np.ldexp(1.0, exponent - 23))
    assert np.all(np.abs(got[overflow]) >= np.finfo(np.float32).max)
    assert np.array_equal(np.sign(got[overflow]), np.sign(want[overflow]))
    worst = int(np.argmax(error))
    assert np.max(error) <= FUNCTIONS[name].ulp32, [a[worst] for a in inputs]


def _sweep(name, stride, lanes=16):
    """The largest error of the float32 function against its float64 code over every n-th bit pattern."""
    b = Emitter(
        f"vecmath_sweep_{next(_serial)}",
        [("out", "ptr")],
        native.vector_bits(),
        math_functions=emitter_table(),
    )

    def choose(condition: Value, a: Value, c: float) -> Value:
        return b.select(condition, a, b.like(c, a))

    turns = -(-(2**32) // (stride * lanes))
    start = [b.const(0.0, dt.float64, lanes), b.const(0, dt.int32, lanes)]
    with b.loop(0, turns, 1, start) as loop:
        position = b.splat(b.convert(loop.index, dt.int32), lanes)
        position = b.add(b.mul(position, b.like(lanes, position)), b.iota(lanes, dt.int32))
        bits = b.mul(position, b.like(stride, position))
        x = b.bitcast(bits, dt.float32)
        y, want = b.convert(b.math(name, x), dt.float64), b.math(name, b.convert(x, dt.float64))
        raw = b.bits_of(want)
        power = b.bitcast(b.and_(raw, b.like(0x7FF << 52, raw)), dt.float64)
        power = choose(b.greater(power, b.like(2.0**-126, power)), power, 2.0**-126)
        error = b.div(b.abs(b.sub(y, want)), b.mul(power, b.like(2.0**-23, power)))
        error = choose(b.equal(error, error), error, INF)
        overflow = b.greater_equal(b.abs(want), b.like(2.0**128 - 2.0**103, want))
        rounded = b.convert(b.convert(want, dt.float32), dt.float64)
        fine = b.or_(b.and_(b.is_nan(y), b.is_nan(want)), b.and_(overflow, b.equal(y, rounded)))
        error = b.select(fine, b.like(0.0, error), error)
        if FUNCTIONS[name].above > -INF:
            error = choose(b.greater(x, b.like(FUNCTIONS[name].above, x)), error, 0.0)
        larger = b.greater(error, loop.carried[0])
        loop.next([b.select(larger, error, loop.carried[0]), b.select(larger, bits, loop.carried[1])])
    (out,) = b.parameters
    b.store(loop.results[0], out, dt.float64)
    b.store(loop.results[1], b.offset(out, lanes, dt.float64), dt.int32)
    memory = np.zeros(2 * lanes)
    _function(b, ctypes.c_void_p)(memory.ctypes.data)
    worst = int(np.argmax(memory[:lanes]))
    return memory[worst], memory[lanes:].view(np.float32)[worst]


@pytest.mark.parametrize("name", ONE_ARGUMENT)
def test_float32_error_over_a_dense_sample_of_all_numbers(name):
    error, where = _sweep(name, stride=1009)
    assert error <= FUNCTIONS[name].ulp32, where


@pytest.mark.slow
@pytest.mark.parametrize("name", ["exp", "expm1", "log", "log1p", "tanh", "sigmoid", "erf"])
def test_float32_error_over_all_numbers(name):
    error, where = _sweep(name, stride=1)
    assert error <= FUNCTIONS[name].ulp32, where


# --- special values -----------------------------------------------------------------------------------------
SPECIAL = [0.0, -0.0, INF, -INF, NAN, 1.0, -1.0, 2.0, -2.0, 3.0, -3.0, 4.0, 5.0, 8.0, 27.0, 0.5, -0.5]
SPECIAL += [0.25, 10.0, 100.0, 1000.0, 1.5, -1.5, 1e30, -1e30]


def _special(float_type):
    tiny, huge = np.finfo(float_type).smallest_subnormal, np.finfo(float_type).max
    return np.array([*SPECIAL, tiny, -tiny, 3 * tiny, np.finfo(float_type).tiny, huge, -huge], float_type)


@pytest.mark.parametrize("float_type", FLOATS)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_special_values_are_numpys(name, float_type):
    """Where the result is 0, infinite, NaN or whole, it has the very bits NumPy (or SciPy) gives."""
    values = _special(float_type)
    if name in SCIPY:  # it loses tiny numbers; poles have a test of their own
        values = values[np.isnan(values) | (np.abs(values) == INF) | (np.abs(values) <= 1)][:9]
        values = values[values >= 0] if name in ("lgamma", "digamma") else values
    inputs = [values] if FUNCTIONS[name].arguments == 1 else [a.ravel() for a in np.meshgrid(values, values)]
    got = run(name, *inputs)
    want = library(name, *inputs)
    if name not in EXACT:
        telling = ~np.isfinite(want) | ((want == np.trunc(want)) & (np.abs(want) < 1e6))
    else:
        telling = np.ones(want.shape, bool)
    assert telling.any()
    wrong = telling & ~same_bits(got, want)
    assert not wrong.any(), list(zip(*(a[wrong] for a in (*inputs, got, want)), strict=True))[:5]


@pytest.mark.parametrize("float_type", FLOATS)
def test_the_gamma_functions_at_their_poles(float_type):
    x = np.array([0.0, -0.0, -1.0, -2.0, -1e30, -INF, INF, NAN], float_type)
    want = np.array([INF, INF, INF, INF, INF, INF, INF, NAN], float_type)
    assert same_bits(run("lgamma", x), want).all()
    want = np.array([-INF, INF, NAN, NAN, NAN, NAN, INF, NAN], float_type)
    assert same_bits(run("digamma", x), want).all()


@pytest.mark.parametrize("float_type", FLOATS)
@pytest.mark.parametrize("name", ["lgamma", "digamma"])
def test_the_gamma_functions_below_zero(name, float_type):
    """Here they are differences: the error is small against the larger term."""
    x = np.random.default_rng(3).uniform(-30, 0, 20_000).astype(float_type)
    got, want = run(name, x), library(name, x.astype(np.float64))
    size = np.maximum(np.abs(want), np.abs(library(name, 1 - x.astype(np.float64))))
    pole = np.abs(x / (x - np.round(x))) + 1  # SciPy's sin(πx) loses digits next to the poles
    assert np.max(np.abs(got - want) / size / pole) < 30 * np.finfo(float_type).eps


@pytest.mark.parametrize("float_type", FLOATS)
def test_functions_that_keep_small_numbers(float_type):
    """f(x) = x for tiny x, subnormal numbers included."""
    tiny = np.finfo(float_type).smallest_subnormal
    x = tiny * np.array([1, 2, 3, 5, 1000, 12345], float_type)
    x = np.concatenate([x, -x])
    for name in ("expm1", "log1p", "sin", "tan", "asin", "atan", "sinh", "tanh", "asinh", "atanh"):
        assert same_bits(run(name, x), x).all(), name


@pytest.mark.parametrize("float_type", FLOATS)
def test_subnormal_results_are_not_flushed(float_type):
    smallest = {np.float32: -149, np.float64: -1074}[float_type]
    x = np.array([smallest, smallest + 1, smallest + 9, smallest + 20], float_type)
    assert same_bits(run("exp2", x), np.ldexp(float_type(1), x.astype(int))).all()
    for name in ("exp", "sigmoid", "softplus"):
        got = run(name, (x * np.log(2)).astype(float_type))
        assert np.all(np.abs(got / np.ldexp(float_type(1), x.astype(int)) - 1) < 0.02), name


# --- lanes, instructions ------------------------------------------------------------------------------------
@pytest.mark.parametrize("float_type", FLOATS)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_lanes_change_no_bit(name, float_type):
    special = np.resize(_special(float_type), 200)
    inputs = [np.concatenate([a, special]) for a in arguments(name, float_type, 3000)]
    first = run(name, *inputs, lanes=1)
    for lanes in (8, 16):
        assert same_bits(run(name, *inputs, lanes=lanes), first).all()


@pytest.mark.parametrize(
    ("triple", "cpu", "vector_bits"),
    [
        pytest.param("x86_64-unknown-linux-gnu", "x86-64-v3", 256, id="AVX2"),
        pytest.param("x86_64-unknown-linux-gnu", "x86-64-v4", 512, id="AVX-512"),
        pytest.param("aarch64-unknown-linux-gnu", "generic", 128, id="NEON"),
    ],
)
def test_no_function_calls_another_library(triple, cpu, vector_bits):
    call = re.compile(r"^\s+(?:call|callq|jmpq?\s+\w+@|bl|blr)\s+.*$", re.MULTILINE)
    for name, float_type in itertools.product(FUNCTIONS, FLOATS):
        lanes = vector_bits // np.dtype(float_type).itemsize // 8
        text = _emitter(name, float_type, lanes, vector_bits).text()
        assert call.findall(native.assembly(text, triple, cpu)) == [], name
