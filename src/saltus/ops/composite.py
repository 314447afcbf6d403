"""Named formulas over primitives: statistics, softmax and kin, activations. Their gradients come from the primitives."""

from __future__ import annotations

import builtins
import functools
import math
from collections.abc import Callable
from typing import Any

from saltus.base import dtypes as dt
from saltus.ir.node import Node, broadcast, full
from saltus.ir.spec import OPS
from saltus.ops.arithmetic import convert, relu, stop_gradient, where, zeros_like
from saltus.ops.math import erf, exp, log, sigmoid, softplus, tanh
from saltus.ops.reduce import max, min, sum

Axes = tuple[int, ...]


def count(a: Node, axes: Axes) -> int:
    return math.prod(a.shape[i] for i in axes)


def _wide(formula: Callable[..., Node]) -> Callable[..., Node]:
    """A formula that sums is computed in float32 for half types, and rounded once."""

    @functools.wraps(formula)
    def run(a: Node, *args: Any, **kwargs: Any) -> Node:
        if a.dtype in (dt.float16, dt.bfloat16):
            return convert(formula(convert(a, dt.float32), *args, **kwargs), a.dtype)
        return formula(a, *args, **kwargs)

    return run


@_wide
def mean(a: Node, axes: Axes) -> Node:
    """Sum over the axes divided by their extent (reduced axes keep length 1)."""
    n = count(a, axes)
    return sum(a, axes=axes) / float(n)


@_wide
def variance(a: Node, axes: Axes, correction: float = 0.0) -> Node:
    """Mean squared distance from the mean, in two passes."""
    d = a - broadcast(mean(a, axes), a.shape)
    n = count(a, axes) - correction
    return sum(d * d, axes=axes) / float(builtins.max(n, 0))


def argmax(a: Node, axis: int, *, smallest: bool = False) -> Node:
    """Index (int64) of the first largest element along an axis; a NaN counts as largest."""
    best = (min if smallest else max)(a, axes=(axis,))
    hit = OPS["equal"](a, broadcast(best, a.shape))
    if a.dtype.kind == "f":
        hit = OPS["logical_or"](hit, OPS["isnan"](a))
    index = OPS["iota"](shape=a.shape, axis=axis, dtype=dt.int64)
    return min(where(hit, index, full(a.shape, a.shape[axis], dt.int64)), axes=(axis,))


@_wide
def logsumexp(a: Node, axes: Axes) -> Node:
    """log(sum(e^a)), without overflow."""
    top = stop_gradient(max(a, axes=axes))
    finite = where(OPS["isfinite"](top), top, zeros_like(top))
    return log(sum(exp(a - broadcast(finite, a.shape)), axes=axes)) + finite


@_wide
def softmax(a: Node, axes: Axes) -> Node:
    """e^a / sum(e^a) along the axes."""
    e = exp(a - broadcast(stop_gradient(max(a, axes=axes)), a.shape))
    return e * broadcast(1.0 / sum(e, axes=axes), a.shape)


@_wide
def log_softmax(a: Node, axes: Axes) -> Node:
    """a - logsumexp(a)."""
    shifted = a - broadcast(stop_gradient(max(a, axes=axes)), a.shape)
    return shifted - broadcast(log(sum(exp(shifted), axes=axes)), a.shape)


def gelu(a: Node, approximate: bool = False) -> Node:
    """a times the normal distribution function of a (Hendrycks and Gimpel 2016); `approximate` uses tanh."""
    if approximate:
        inner = (a + a * a * a * 0.044715) * math.sqrt(2 / math.pi)
        return a * 0.5 * (tanh(inner) + 1)
    return a * 0.5 * (erf(a * math.sqrt(0.5)) + 1)


def silu(a: Node) -> Node:
    """a * sigmoid(a) (swish; Ramachandran et al. 2017)."""
    return a * sigmoid(a)


def clip(a: Node, low: Node | None, high: Node | None) -> Node:
    """`a` moved to the nearest of two bounds of its shape; NaN stays, and at a bound the gradient passes."""
    if low is not None:
        a = where(OPS["less"](a, low), low, a)
    return a if high is None else where(OPS["greater"](a, high), high, a)


__all__ = [
    "argmax",
    "clip",
    "convert",
    "gelu",
    "log_softmax",
    "logsumexp",
    "mean",
    "relu",
    "silu",
    "softmax",
    "softplus",
    "variance",
]
