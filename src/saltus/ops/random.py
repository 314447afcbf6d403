"""Counter-based random bits: a pure function of (key, counter), so the stream is the same on every engine and thread count.

Threefry-2x32 with 20 rounds (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from saltus.base import dtypes as dt
from saltus.base.dtypes import DType
from saltus.ir.node import Node, broadcast, full, scalar
from saltus.ir.spec import OPS, Kind, Op, Sample, define, same_shape
from saltus.ops.arithmetic import convert

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_PARITY = 0x1BD11BDA
_DIGITS = {dt.float64: 53, dt.float32: 24, dt.float16: 11, dt.bfloat16: 8}


def threefry_words(
    add: Any, xor: Any, rotate: Any, const: Any, k0: Any, k1: Any, x0: Any, x1: Any
) -> tuple[Any, Any]:
    """The 20 rounds, on any arithmetic of 32-bit words."""
    keys = (k0, k1, xor(xor(k0, k1), const(_PARITY)))
    x0, x1 = add(x0, k0), add(x1, k1)
    for group in range(5):
        for amount in _ROTATIONS[group % 2]:
            x0 = add(x0, x1)
            x1 = xor(rotate(x1, amount), x0)
        x0 = add(x0, keys[(group + 1) % 3])
        x1 = add(add(x1, keys[(group + 2) % 3]), const(group + 1))
    return x0, x1


def _eval(xp: Any, key: Any, counter: Any, width: int) -> Any:
    u32, u64 = xp.uint32, xp.uint64
    key, counter = xp.asarray(key).astype(u64), xp.asarray(counter).astype(u64)
    mask, half = np.uint64(0xFFFFFFFF), np.uint64(32)
    words = [
        (v & mask).astype(u32) if low else (v >> half).astype(u32)
        for v in (key, counter)
        for low in (False, True)
    ]
    with np.errstate(over="ignore"):
        x0, x1 = threefry_words(
            lambda a, b: a + b,
            lambda a, b: a ^ b,
            lambda a, r: (a << np.uint32(r)) | (a >> np.uint32(32 - r)),
            np.uint32,
            *words,
        )
    return x0 if width == 32 else (x0.astype(u64) << half) | x1.astype(u64)


def _cpu(b: Any, key: Any, counter: Any, width: int) -> Any:
    def split(v: Any) -> tuple[Any, Any]:
        return b.convert(b.shr(v, b.like(32, v)), dt.uint32), b.convert(v, dt.uint32)

    def rotate(v: Any, amount: int) -> Any:
        return b.or_(b.shl(v, b.like(amount, v)), b.shr(v, b.like(32 - amount, v)))

    x0, x1 = threefry_words(
        b.add, b.xor, rotate, lambda c: b.const(c, dt.uint32, key.lanes), *split(key), *split(counter)
    )
    if width == 32:
        return x0
    return b.or_(b.shl(b.convert(x0, dt.uint64), b.const(32, dt.uint64, key.lanes)), b.convert(x1, dt.uint64))


random_bits = define(
    Op(
        "random_bits",
        Kind.ELEMENTWISE,
        "32 or 64 random bits from a 64-bit key and a 64-bit counter",
        _eval,
        same_shape,
        lambda k, c, width: dt.uint32 if width == 32 else dt.uint64,
        None,
        _cpu,
        tuple(
            Sample(((s),) * 2, {"width": w}, 0, 100, ("uint64", "uint64"))
            for s in ((4, 5), (), (3, 37))
            for w in (32, 64)
        ),
        kinds="u",
        no_gradient="random bits",
        flops=40,
    )
)


def key_node(seed: int) -> Node:
    """A key from a whole number."""
    return scalar(seed & 0xFFFFFFFFFFFFFFFF, dt.uint64)


def fold_in(key: Node, data: Node) -> Node:
    """A new key for each number: independent streams from one key. Both are uint64 scalars."""
    return random_bits(key, data, width=64)


def bits(key: Node, shape: Sequence[int], width: int = 32) -> Node:
    """Random bits; element i (row-major) takes counter i."""
    shape = tuple(shape)
    n = math.prod(shape)
    counter = OPS["iota"](shape=(n,), axis=0, dtype=dt.uint64)
    made = random_bits(broadcast(OPS["reshape"](key, shape=(1,)), (n,)), counter, width=width)
    return made if made.shape == shape else OPS["reshape"](made, shape=shape)


def uniform(key: Node, shape: Sequence[int], dtype: DType = dt.float32) -> Node:
    """Uniform numbers in [0, 1): as many random bits as the type has digits (float64 53, float32 24)."""
    digits, width = _DIGITS[dtype], 64 if dtype is dt.float64 else 32
    made = bits(key, shape, width)
    whole = OPS["bitwise_right_shift"](made, full(made.shape, width - digits, made.dtype))
    signed = OPS["cast"](
        whole, dtype=dt.int64 if width == 64 else dt.int32
    )  # converts to float in fewer instructions
    return OPS["cast"](signed, dtype=dtype) * 2.0**-digits


def normal(key: Node, shape: Sequence[int], dtype: DType = dt.float32) -> Node:
    """Standard normal numbers: sqrt(2) erfinv(2u - 1) with u in the middle of its cell, so never at the ends."""
    work = dt.float64 if dtype is dt.float64 else dt.float32
    centred = (uniform(key, shape, work) * 2.0 - 1.0) + 2.0 ** -_DIGITS[work]  # exact in this order
    return convert(OPS["erfinv"](centred) * math.sqrt(2), dtype)


def integers(key: Node, shape: Sequence[int], low: int, high: int) -> Node:
    """Whole numbers low <= n < high (int64); the bias of the remainder is below (high - low) / 2^64."""
    shape = tuple(shape)
    rest = OPS["remainder"](bits(key, shape, 64), full(shape, high - low, dt.uint64))
    return OPS["cast"](rest, dtype=dt.int64) + low


def permutation(key: Node, n: int) -> Node:
    """A random order of 0 .. n-1 (int64): the argsort of n random 64-bit numbers."""
    return OPS["argsort"](bits(key, (n,), 64), axis=0, descending=False)
