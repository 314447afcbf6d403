"""The rules of simplification: each takes a node and gives an equal, simpler one, or None.

Each is registered for the ops it looks at and finds their operands simple. What it returns is offered again.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from saltus.base import dtypes as dt
from saltus.base.dtypes import DType
from saltus.ir.evaluate import evaluate
from saltus.ir.node import Node, broadcast, constant_value, full
from saltus.ir.spec import OPS, Kind, Op, Shape
from saltus.ops.movement import concat, flip, permute, reshape, slice_
from saltus.transform.merging import above_merge, above_split, reduce_above_merge

Rule = Callable[[Node], Node | None]
_RULES: dict[str, list[Rule]] = {}
BROADCAST, RESHAPE, PERMUTE, SLICE = (OPS[n] for n in ("broadcast_to", "reshape", "permute", "slice"))
CONST, MATMUL, NEGATIVE, BARRIER = (OPS[n] for n in ("const", "matmul", "negative", "barrier"))


def rule(*names: str) -> Callable[[Rule], Rule]:
    """Register a rule for ops by name."""

    def register(function: Rule) -> Rule:
        for name in names:
            _RULES.setdefault(name, []).append(function)
        return function

    return register


@functools.cache
def rules_of(op: Op) -> tuple[Rule, ...]:
    """The rules for an op, the general ones of its kind first."""
    general: dict[Kind, tuple[Rule, ...]] = {
        Kind.ELEMENTWISE: (fold, below_broadcast, above_merge, above_split),
        Kind.MOVE: (moved_constant,),
        Kind.REDUCE: (few_elements, of_broadcast, of_permuted, reduce_above_merge),
    }
    return (*general.get(op.kind, ()), *_RULES.get(op.name, ()))


def _is(node: Node, value: float) -> bool:
    """Whether a node is this constant everywhere; 0 is +0 here, and -0.0 can be asked for."""
    found = constant_value(node)
    if found is None or found != value or isinstance(found, complex):
        return False
    return found != 0 or node.dtype.kind != "f" or math.copysign(1, found) == math.copysign(1, value)


Bits = tuple[bytes, DType]


# --- constants ------------------------------------------------------------------------------------
@functools.lru_cache(maxsize=4096)
def _folded(op: Op, attrs: tuple[tuple[str, Any], ...], operands: tuple[Bits, ...]) -> Bits:
    """The bits an elementwise op gives on scalar constants, by the reference."""
    node = op(*[CONST(bits=bits, dtype=dtype) for bits, dtype in operands], **dict(attrs))
    return np.asarray(evaluate([node], {})[0]).tobytes(), node.dtype


def fold(node: Node) -> Node | None:
    """op(constants) -> constant"""
    if node.shape or node.op is BARRIER or any(s.op is not CONST for s in node.src):
        return None
    bits, dtype = _folded(node.op, node.attrs, tuple((s.attr("bits"), s.dtype) for s in node.src))
    return CONST(bits=bits, dtype=dtype)


def moved_constant(node: Node) -> Node | None:
    """A constant stays what it is, wherever it is moved."""
    if node.op is BROADCAST:
        return None
    values = [constant_value(s) for s in node.src]
    if any(v is None for v in values):
        return None
    first = _scalar(node.src[0])
    if node.op.name == "pad":
        padding = full((), node.attr("value"), node.dtype)
        return broadcast(first, node.shape) if padding is first else None
    return broadcast(first, node.shape) if all(_scalar(s) is first for s in node.src) else None


def _scalar(node: Node) -> Node:
    """The scalar constant that is repeated."""
    while node.op is BROADCAST:
        node = node.src[0]
    return node


# --- broadcasting ---------------------------------------------------------------------------------
def _at_rank(node: Node, rank: int) -> Node:
    """With axes of length 1 in front."""
    return reshape(node, (1,) * (rank - len(node.shape)) + node.shape)


def below_broadcast(node: Node) -> Node | None:
    """op(broadcast a, broadcast b) -> broadcast op(a, b), where that computes fewer elements."""
    rank = 0
    for s in node.src:
        if s.op is not BROADCAST:
            return None
        rank = max(rank, len(s.src[0].shape))
    small = [s.src[0] for s in node.src]
    lengths = [1] * rank
    for s in small:
        for k, d in enumerate(s.shape, rank - len(s.shape)):
            lengths[k] = d if d != 1 else lengths[k]
    joint = tuple(lengths)
    if joint and math.prod(joint) >= node.size:
        return None
    return broadcast(node.op(*[broadcast(s, joint) for s in small], **node.kwargs), node.shape)


@rule("broadcast_to")
def broadcast_of_movement(node: Node) -> Node | None:
    """broadcast broadcast a -> broadcast a; axes of length 1 put in front of a come by themselves"""
    (a,) = node.src
    if a.shape == node.shape:
        return a
    if a.op is BROADCAST or (a.op is RESHAPE and _at_rank(a.src[0], len(a.shape)) is a):
        return broadcast(a.src[0], node.shape)
    return None


def of_broadcast(node: Node) -> Node | None:
    """max(broadcast a) -> max(a); sum(broadcast a) -> sum(a) * n, which may keep the sign of -0"""
    (a,), axes = node.src, node.attr("axes")
    if a.op is not BROADCAST or node.op.name == "prod":
        return None
    x = a.src[0]
    lead = len(a.shape) - len(x.shape)
    repeated = [k for k in axes if a.shape[k] != 1 and (k < lead or x.shape[k - lead] == 1)]
    count = math.prod(a.shape[k] for k in repeated)
    is_sum = node.op.name == "sum"
    may_not_fit = is_sum and node.dtype in (dt.float16, dt.bfloat16)
    if not repeated or not count or may_not_fit:
        return None
    rest = tuple(k for k in axes if k not in repeated)
    shape = tuple(1 if k in repeated else d for k, d in enumerate(a.shape))
    once = broadcast(_at_rank(x, len(a.shape)), shape)
    out = node.op(once, axes=rest) if rest else once
    return out * count if is_sum else out


# --- reductions -----------------------------------------------------------------------------------
def few_elements(node: Node) -> Node | None:
    """An axis of length 1 needs no reduction."""
    (a,), axes = node.src, node.attr("axes")
    long = tuple(k for k in axes if a.shape[k] != 1)
    if len(long) == len(axes):
        return None
    return node.op(a, axes=long) if long else a


def of_permuted(node: Node) -> Node | None:
    """sum(permute a) -> permute(sum a), which moves fewer elements"""
    (a,) = node.src
    if a.op is not PERMUTE:
        return None
    order = a.attr("axes")
    return permute(node.op(a.src[0], axes=tuple(sorted(order[k] for k in node.attr("axes")))), order)


@rule("sum", "prod", "max", "min", "any", "all")
def of_same_reduction(node: Node) -> Node | None:
    """sum(sum a) -> sum a over both"""
    (a,) = node.src
    if a.op is not node.op:
        return None
    return node.op(a.src[0], axes=tuple(sorted({*a.attr("axes"), *node.attr("axes")})))


@rule("sum")
def sum_of_negative(node: Node) -> Node | None:
    """sum(-a) -> -sum(a)"""
    (a,) = node.src
    return -node.op(a.src[0], axes=node.attr("axes")) if a.op is NEGATIVE else None


@rule("sum")
def sum_of_products(node: Node) -> Node | None:
    """The sum over a batch of a^T b is one product with the batch inside: a weight gradient."""
    (a,), rank = node.src, len(node.shape)
    if a.op is not MATMUL or rank == 2 or node.attr("axes") != tuple(range(rank - 2)):
        return None
    if not a.attr("ta") or a.attr("tb"):
        return None
    x, y = (reshape(s, (math.prod(s.shape[:-1]), s.shape[-1])) for s in a.src)
    return _at_rank(MATMUL(x, y, ta=True, tb=False), rank)


# --- movement -------------------------------------------------------------------------------------
def _long(shape: Shape) -> list[int]:
    return [d for d in shape if d != 1]


@rule("reshape")
def reshape_of_movement(node: Node) -> Node | None:
    """reshape reshape a -> reshape a; one that only adds or drops axes of length 1 goes below a broadcast"""
    (a,) = node.src
    if a.shape == node.shape:
        return a
    if a.op is RESHAPE:
        return reshape(a.src[0], node.shape)
    if a.op is not BROADCAST or _long(a.shape) != _long(node.shape):
        return None
    x = _at_rank(a.src[0], len(a.shape))
    lengths = iter([d for d, wide in zip(x.shape, a.shape, strict=True) if wide != 1])
    return broadcast(reshape(x, tuple(1 if wide == 1 else next(lengths) for wide in node.shape)), node.shape)


@rule("permute")
def permute_of_movement(node: Node) -> Node | None:
    """permute permute a -> permute a; below a broadcast; one that moves axes of length 1 only is a reshape"""
    (a,), order = node.src, node.attr("axes")
    if a.op is PERMUTE:
        inner = a.attr("axes")
        return permute(a.src[0], tuple(inner[k] for k in order))
    moved = [k for k in order if a.shape[k] != 1]
    if moved == sorted(moved):
        return reshape(a, node.shape)
    if a.op is BROADCAST:
        return broadcast(permute(_at_rank(a.src[0], len(a.shape)), order), node.shape)
    return None


@rule("slice")
def slice_of_movement(node: Node) -> Node | None:
    """slice slice a -> slice a; below a broadcast; inside a border; inside one of several in a row"""
    (a,) = node.src
    start, stop, step = node.attr("start"), node.attr("stop"), node.attr("step")
    if a.shape == node.shape and all(k == 1 for k in step):
        return a
    if a.op is SLICE:
        first, stride = a.attr("start"), a.attr("step")
        begin = tuple(i + s * k for i, s, k in zip(first, start, stride, strict=True))
        both = tuple(s * k for s, k in zip(step, stride, strict=True))
        return slice_(a.src[0], begin, _stops(begin, both, node.shape), both)
    if a.op is BROADCAST:
        x = a.src[0]
        lead = len(a.shape) - len(x.shape)
        bounds = [(0, 1, 1) if d == 1 else (start[k], stop[k], step[k]) for k, d in enumerate(x.shape, lead)]
        begin, end, stride = (tuple(b[i] for b in bounds) for i in range(3))
        return broadcast(slice_(x, begin, end, stride), node.shape)
    if a.op.name == "pad" and not any(a.attr("interior")) and 0 not in node.shape:
        low = a.attr("low")
        begin = tuple(i - j for i, j in zip(start, low, strict=True))
        end = _stops(begin, step, node.shape)
        if all(i >= 0 and j <= d for i, j, d in zip(begin, end, a.src[0].shape, strict=True)):
            return slice_(a.src[0], begin, end, step)
    if a.op.name == "concat" and 0 not in node.shape:
        axis, offset = a.attr("axis"), 0
        last = start[axis] + (node.shape[axis] - 1) * step[axis]
        for piece in a.src:
            if offset <= start[axis] and last < offset + piece.shape[axis]:
                begin = tuple(i - offset if k == axis else i for k, i in enumerate(start))
                return slice_(piece, begin, _stops(begin, step, node.shape), step)
            offset += piece.shape[axis]
    return None


def _stops(start: Shape, step: Shape, lengths: Shape) -> Shape:
    """The ends of slices of given lengths."""
    return tuple(i + (n - 1) * k + 1 if n else i for i, k, n in zip(start, step, lengths, strict=True))


@rule("flip")
def flip_of_movement(node: Node) -> Node | None:
    """flip flip a -> flip a; an axis of length 1, or one that repeats, has no direction"""
    (a,) = node.src
    axes = set(node.attr("axes"))
    if a.op is node.op:
        return flip(a.src[0], tuple(sorted(axes ^ set(a.attr("axes")))))
    constant = {k for k in axes if a.shape[k] == 1}
    if a.op is BROADCAST:
        x = _at_rank(a.src[0], len(a.shape))
        constant |= {k for k in axes if x.shape[k] == 1}
    return flip(a, tuple(sorted(axes - constant))) if constant else None


@rule("concat")
def concat_of_concat(node: Node) -> Node | None:
    """Pieces of pieces are pieces; empty ones go."""
    axis = node.attr("axis")
    pieces: list[Node] = []
    for s in node.src:
        pieces += s.src if s.op is node.op and s.attr("axis") == axis else [s]
    full_ones = [p for p in pieces if p.shape[axis]] or pieces[:1]
    return concat(full_ones, axis) if len(full_ones) != len(node.src) else None


@rule("pad")
def empty_border(node: Node) -> Node | None:
    """A border of no width."""
    return node.src[0] if node.shape == node.src[0].shape else None


# --- matrix products ------------------------------------------------------------------------------
@rule("matmul")
def product_of_transposed(node: Node) -> Node | None:
    """matmul(transpose a, b) -> matmul(a, b, ta=True)"""
    last = len(node.shape) - 1
    swap = (*range(last - 1), last, last - 1)
    sides = []
    for s, flag in zip(node.src, (node.attr("ta"), node.attr("tb")), strict=True):
        turned = s.op is PERMUTE and s.attr("axes") == swap
        sides.append((s.src[0], not flag) if turned else (s, flag))
    if all(s is before for (s, _), before in zip(sides, node.src, strict=True)):
        return None
    (a, ta), (b, tb) = sides
    return MATMUL(a, b, ta=ta, tb=tb)


@rule("matmul")
def product_with_one_matrix(node: Node) -> Node | None:
    """A batch times one repeated matrix is one product of more rows."""
    a, b = node.src
    if b.op is not BROADCAST or node.attr("ta") or len(b.src[0].shape) < 2:
        return None
    x = b.src[0]
    if x.shape[-2:] != b.shape[-2:] or math.prod(x.shape[:-2]) != 1 or math.prod(b.shape[:-2]) == 1:
        return None
    rows = reshape(a, (math.prod(a.shape[:-1]), a.shape[-1]))
    return reshape(MATMUL(rows, reshape(x, x.shape[-2:]), ta=False, tb=node.attr("tb")), node.shape)


# --- arithmetic -----------------------------------------------------------------------------------
@rule("add", "multiply")
def constant_last(node: Node) -> Node | None:
    """constant + a -> a + constant: one order, so that equal ones are found"""
    a, b = node.src
    return node.op(b, a) if constant_value(a) is not None and constant_value(b) is None else None


@rule("add")
def add_nothing(node: Node) -> Node | None:
    """a + -0 -> a (of integers, + 0); a + +0 is another thing: it makes +0 of -0"""
    a, b = node.src
    return a if _is(b, -0.0 if node.dtype.kind == "f" else 0) else None


@rule("add")
def add_negative(node: Node) -> Node | None:
    """a + -b -> a - b"""
    a, b = node.src
    if b.op is NEGATIVE:
        return a - b.src[0]
    return b - a.src[0] if a.op is NEGATIVE else None


@rule("add")
def side_by_side(node: Node) -> Node | None:
    """pad(a) + pad(b) + ... is concat(a, b, ...) where each fills its own part: the gradient of slices that share out an axis."""
    pieces: list[Node] = []
    open_: list[Node] = [node]
    while open_:
        part = open_.pop()
        if part.op.name == "add" and len(open_) + len(pieces) < 16:
            open_ += part.src
        elif part.op.name == "pad" and part.attr("value") == 0 and not any(part.attr("interior")):
            pieces.append(part)
        else:
            return None
    axes = [k for k in range(len(node.shape)) if any(p.attr("low")[k] or p.attr("high")[k] for p in pieces)]
    if len(axes) != 1:
        return None
    axis, at = axes[0], 0
    pieces.sort(key=lambda p: p.attr("low")[axis])
    for piece in pieces:
        if piece.attr("low")[axis] != at:
            return None
        at += piece.src[0].shape[axis]
    return concat([p.src[0] for p in pieces], axis) if at == node.shape[axis] else None


@rule("subtract")
def subtract_simple(node: Node) -> Node | None:
    """a - 0 -> a; a - -b -> a + b"""
    a, b = node.src
    if _is(b, 0):
        return a
    return a + b.src[0] if b.op is NEGATIVE else None


@rule("multiply")
def multiply_simple(node: Node) -> Node | None:
    """a * 1 -> a; a * -1 -> -a; of integers, a * 0 -> 0; -a * -b -> a * b; -a * constant -> a * -constant"""
    a, b = node.src
    if _is(b, 1):
        return a
    if _is(b, -1):
        return -a
    if node.dtype.is_integer and _is(b, 0):
        return b
    if a.op is NEGATIVE and (b.op is NEGATIVE or constant_value(b) is not None):
        return a.src[0] * (b.src[0] if b.op is NEGATIVE else -b)
    return None


@rule("divide")
def divide_by_constant(node: Node) -> Node | None:
    """a / 1 -> a; a / a power of two -> a * its reciprocal, which is exact"""
    a, b = node.src
    value = constant_value(b)
    if value is None or isinstance(value, complex):
        return None
    if abs(value) == 1:
        return a if value == 1 else -a
    if value == 0 or abs(math.frexp(value)[0]) != 0.5:
        return None
    limits = dt.finfo(node.dtype)
    exact = all(limits.smallest_normal <= abs(v) <= limits.max for v in (value, 1 / value))
    return a * (1 / value) if exact else None


@rule("power")
def power_of_constant(node: Node) -> Node | None:
    """a^0 -> 1, a^1 -> a, a^2 -> a * a, a^-1 -> 1 / a (of real numbers)"""
    a, b = node.src
    value = constant_value(b)
    if value is None or node.dtype.kind == "c":
        return None
    if value == 0:
        return full(node.shape, 1, node.dtype)
    if value == 1:
        return a
    if value == 2:
        return a * a
    return OPS["reciprocal"](a) if value == -1 and node.dtype.kind == "f" else None


@rule("negative")
def negative_of(node: Node) -> Node | None:
    """-(-a) -> a; -(a * constant) -> a * -constant"""
    (a,) = node.src
    if a.op is NEGATIVE:
        return a.src[0]
    if a.op.name == "multiply" and constant_value(a.src[1]) is not None:
        return a.src[0] * -a.src[1]
    return None


@rule("abs", "square")
def even_of_negative(node: Node) -> Node | None:
    """|-a| -> |a|; (-a)^2 -> a^2"""
    (a,) = node.src
    same = a.op is NEGATIVE and (node.dtype.kind != "u" or node.op.name == "square")
    return node.op(a.src[0]) if same else None


@rule("maximum", "minimum", "logical_and", "logical_or", "bitwise_and", "bitwise_or")
def of_itself(node: Node) -> Node | None:
    """max(a, a) -> a"""
    a, b = node.src
    return a if a is b else None


# --- logic, choice, conversion --------------------------------------------------------------------
@rule("logical_not", "bitwise_invert", "conj")
def twice(node: Node) -> Node | None:
    """not not a -> a"""
    (a,) = node.src
    return a.src[0] if a.op is node.op else None


@rule("logical_not")
def not_equal_to(node: Node) -> Node | None:
    """not (a == b) -> a != b, which NaN agrees with"""
    (a,) = node.src
    other = {"equal": "not_equal", "not_equal": "equal"}.get(a.op.name)
    return OPS[other](*a.src) if other else None


@rule("logical_and", "logical_or")
def logic_with_constant(node: Node) -> Node | None:
    """a and True -> a; a and False -> False; a or False -> a; a or True -> True"""
    for a, b in (node.src, node.src[::-1]):
        value = constant_value(b)
        if value is not None:
            return a if value == (node.op.name == "logical_and") else b
    return None


@rule("where")
def where_known(node: Node) -> Node | None:
    """A condition that is known, or that makes no difference, or that is negated."""
    condition, a, b = node.src
    value = constant_value(condition)
    if value is not None:
        return a if value else b
    if a is b:
        return a
    if condition.op.name == "logical_not":
        return node.op(condition.src[0], b, a)
    return None


_DIGITS = {
    dt.bfloat16: 8,
    dt.float16: 11,
    dt.float32: 24,
    dt.float64: 53,
    dt.complex64: 24,
    dt.complex128: 53,
}


@functools.cache
def lossless(source: DType, target: DType) -> bool:
    """Whether every value of one type is a value of another."""
    if source is target or source.kind == "b":
        return True
    if target in _DIGITS:
        if source.is_integer:
            return source.bits - (source.kind == "i") <= _DIGITS[target]
        wider = _DIGITS[source] <= _DIGITS[target] and (source.kind, target.kind) != ("c", "f")
        return wider and (source, target) != (dt.bfloat16, dt.float16)
    if not (source.is_integer and target.is_integer) or (source.kind, target.kind) == ("i", "u"):
        return False
    return source.bits < target.bits or (source.kind == target.kind and source.bits <= target.bits)


@rule("cast")
def cast_of_cast(node: Node) -> Node | None:
    """cast(cast a) -> cast a, where the first kept every value; a cast to its own type -> a"""
    (a,) = node.src
    if a.dtype is node.dtype:
        return a
    if a.op is not node.op:
        return None
    x = a.src[0]
    if not lossless(x.dtype, a.dtype):
        return None
    if (
        x.dtype.is_integer
        and a.dtype.is_inexact
        and node.dtype.is_integer
        and not lossless(x.dtype, node.dtype)
    ):
        return None  # an integer wraps where a float saturates
    return node.op(x, dtype=node.dtype)


@rule("stop_gradient")
def after_differentiation(node: Node) -> Node | None:
    """stop_gradient a -> a"""
    return node.src[0]


@rule("real", "imag")
def part_of_complex(node: Node) -> Node | None:
    """real(complex(a, b)) -> a"""
    (a,) = node.src
    return a.src[node.op.name == "imag"] if a.op.name == "complex" else None
