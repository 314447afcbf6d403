"""What the vector math functions are made of: polynomials, exact sums and products, bits; below `vecmath`.

Functions are written with an `Emitter` for any number of lanes, and only use operations that IEEE 754 rounds
correctly. So a lane's result does not depend on the lane count, the width of the registers or the machine.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from saltus.backend.cpu.emit import Emitter, Value
from saltus.base import dtypes as dt
from saltus.base.dtypes import DType

Emit = Callable[..., Value]


@dataclass(frozen=True, slots=True)
class MathFunction:
    """A vector math function.

    Attributes:
        name: what `Emitter.math` calls it.
        arguments: how many values it takes, all of one type (float32 or float64).
        emit: `emit(b, *values)` writes code into `b` and returns the result; its docstring is the formula.
        ulp32: largest error of a float32 result, in units in its last place.
        ulp64: the same for float64.
        unit: "result", or "argument" where the last place is that of the largest of result and arguments.
        above: the bounds hold for arguments above this.
    """

    name: str
    arguments: int
    emit: Emit
    ulp32: float
    ulp64: float
    unit: str = "result"
    above: float = -math.inf

    @property
    def doc(self) -> str:
        """Formula and source."""
        return self.emit.__doc__ or ""


@dataclass(frozen=True, slots=True)
class Layout:
    """How a float type lies in memory: the integers of its width, its fraction bits and its exponent bias."""

    float_: DType
    signed: DType
    unsigned: DType
    fraction: int
    bias: int

    @property
    def smallest_normal(self) -> float:
        return math.ldexp(1.0, 1 - self.bias)

    @property
    def rounder(self) -> float:
        """1.5 * 2**fraction: adding it rounds to a whole number, which then stands in the low bits."""
        return math.ldexp(1.5, self.fraction)

    @property
    def sign_mask(self) -> int:
        return -(1 << (self.float_.bits - 1))

    @property
    def exponent_mask(self) -> int:
        return (2 * self.bias + 1) << self.fraction

    @property
    def fraction_mask(self) -> int:
        return (1 << self.fraction) - 1


FLOAT32 = Layout(dt.float32, dt.int32, dt.uint32, 23, 127)
FLOAT64 = Layout(dt.float64, dt.int64, dt.uint64, 52, 1023)


def width(x: Value) -> int:
    """Bits of an element, 32 or 64: what tables of coefficients are keyed by."""
    assert x.dtype is not None
    return x.dtype.bits


def layout(x: Value) -> Layout:
    """The layout of a float value's elements."""
    return FLOAT32 if x.dtype is dt.float32 else FLOAT64


def polynomial(b: Emitter, x: Value, coefficients: Sequence[float]) -> Value:
    """c0 + c1 x + c2 x² ... by Horner's rule: the fewest instructions, and the most accurate order."""
    result = b.like(coefficients[-1], x)
    for c in reversed(coefficients[:-1]):
        result = b.fma(result, x, b.like(c, x))
    return result


def two_sum(b: Emitter, x: Value, y: Value) -> tuple[Value, Value]:
    """x + y as an unevaluated sum: the rounded sum and its error, for any x and y (Knuth, TAOCP 2, 4.2.2)."""
    total = b.add(x, y)
    virtual = b.sub(total, x)
    return total, b.add(b.sub(x, b.sub(total, virtual)), b.sub(y, virtual))


def fast_two_sum(b: Emitter, large: Value, small: Value) -> tuple[Value, Value]:
    """`two_sum` where |large| >= |small| (Dekker 1971)."""
    total = b.add(large, small)
    return total, b.sub(small, b.sub(total, large))


def two_product(b: Emitter, x: Value, y: Value) -> tuple[Value, Value]:
    """x * y as the rounded product and its error."""
    product = b.mul(x, y)
    return product, b.fma(x, y, b.neg(product))


def at_least(b: Emitter, x: Value, limit: float) -> Value:
    """max(x, limit), NaN where x is NaN."""
    bound = b.like(limit, x)
    return b.select(b.less(x, bound), bound, x)


def at_most(b: Emitter, x: Value, limit: float) -> Value:
    """min(x, limit), NaN where x is NaN."""
    bound = b.like(limit, x)
    return b.select(b.greater(x, bound), bound, x)


def shifted(b: Emitter, bits: Value, count: int) -> Value:
    """Integer bits moved up (count > 0) or down (count < 0, zeros come in)."""
    if count >= 0:
        return b.shl(bits, b.like(count, bits))
    assert bits.dtype is not None
    unsigned = b.bitcast(bits, dt.uint32 if width(bits) == 32 else dt.uint64)
    return b.bitcast(b.shr(unsigned, b.like(-count, unsigned)), bits.dtype)


def masked(b: Emitter, bits: Value, mask: int) -> Value:
    return b.and_(bits, b.like(mask, bits))


def plus(b: Emitter, x: Value, constant: float) -> Value:
    return b.add(x, b.like(constant, x))


def times(b: Emitter, x: Value, constant: float) -> Value:
    return b.mul(x, b.like(constant, x))


def whole_to_float(b: Emitter, bits: Value, kind: Layout, offset: int = 0) -> Value:
    """bits - offset as a float, for integers 0 <= bits < 2**fraction (many CPUs cannot convert int64).

    The integer becomes the fraction of a number from 2**fraction up, where the unit in the last place is 1.
    """
    unit = 1 << kind.fraction
    exponent = (kind.bias + kind.fraction) << kind.fraction
    return plus(b, b.bitcast(b.or_(bits, b.like(exponent, bits)), kind.float_), -float(unit + offset))


def where_rare(b: Emitter, condition: Value, rare: Callable[[], Sequence[Value]], usual: Sequence[Value]) -> list[Value]:
    """The values of `rare()` in the lanes where the condition holds, the usual ones elsewhere.

    The one branch of this family: the code of `rare` is skipped when no lane needs it, with the same results.
    """

    def chosen() -> list[Value]:
        return [b.select(condition, r, u) for r, u in zip(rare(), usual, strict=True)]

    return b.either(b.any(condition), chosen, lambda: usual, rare=True)


def through_double(function: Emit) -> Emit:
    """The function for float32 by way of its float64 code, for functions too rare for code of their own."""

    def emit(b: Emitter, *values: Value) -> Value:
        if values[0].dtype is not dt.float32:
            return function(b, *values)
        return b.convert(function(b, *(b.convert(v, dt.float64) for v in values)), dt.float32)

    emit.__doc__, emit.__name__ = function.__doc__, function.__name__
    return emit
