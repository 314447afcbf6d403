"""Random numbers as pure functions of a key: the same key and arguments give the same numbers, on every engine and thread count.

key = sl.random.key(0)
first, second = sl.random.split(key)     # use a key once; split it to go on
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from saltus.base import dtypes as dt
from saltus.base.dtypes import DType
from saltus.base.elsewhere import missing
from saltus.base.errors import ArgumentError, DTypeError, ShapeError
from saltus.ir.node import Node, broadcast, full, scalar
from saltus.ir.spec import OPS
from saltus.ops import movement as move
from saltus.ops import random as bits
from saltus.ops.arithmetic import convert
from saltus.ops.composite import argmax
from saltus.tensor.creation import shape_of
from saltus.tensor.indexing import take
from saltus.tensor.operands import as_tensor, common_shape, node_of, one_axis
from saltus.tensor.tensor import Tensor, of_array, of_node
from saltus.tensor.tracing import here

# Counters of sampling start at 0. Keys made from keys take counters from regions of their own, so they never repeat drawn bits.
_FOLDED = 1 << 63
_SPLIT = 3 << 62


def key(seed: int) -> Tensor:
    """A key from a whole number.

    Args:
        seed: any whole number; its low 64 bits count.

    Returns:
        A uint64 Tensor of shape ().

    Example:
        >>> import saltus as sl
        >>> sl.random.uniform(sl.random.key(0), (2,)).shape
        (2,)
    """
    return of_array(np.asarray(int(seed) & 0xFFFFFFFFFFFFFFFF, np.uint64), dt.uint64)


def _key(value: Any) -> Node:
    node = node_of(value)
    if node.dtype is not dt.uint64 or node.shape != ():
        raise DTypeError(
            f"a key is a uint64 Tensor of shape (), got {node.dtype.name} of shape {node.shape}", site=here(),
            fix="make it with sl.random.key(seed); of several keys from sl.random.split take one",
        )  # fmt: skip
    return node


def fold_in(key: Any, data: Any) -> Tensor:
    """A new key from a key and a number: independent streams for steps, layers, workers.

    Args:
        key: a key.
        data: a whole number, or an integer Tensor of shape ().

    Example:
        >>> import saltus as sl
        >>> k = sl.random.key(0)
        >>> bool(sl.random.fold_in(k, 1) == sl.random.fold_in(k, 2))
        False
    """
    number = scalar(int(data) & (_FOLDED - 1), dt.uint64) if isinstance(data, int) else convert(node_of(data), dt.uint64)
    return of_node(bits.fold_in(_key(key), OPS["bitwise_or"](number, scalar(_FOLDED, dt.uint64))))


def split(key: Any, num: int = 2) -> Tensor:
    """Several independent keys from one.

    Args:
        key: a key, not to be used again.
        num: how many.

    Returns:
        A uint64 Tensor of shape (num,).

    Example:
        >>> import saltus as sl
        >>> a, b = sl.random.split(sl.random.key(0))
    """
    counter = OPS["iota"](shape=(num,), axis=0, dtype=dt.uint64) + full((num,), _SPLIT, dt.uint64)
    return of_node(bits.random_bits(broadcast(_key(key), (num,)), counter, width=64))


def _float(dtype: Any) -> DType:
    wanted = dt.as_dtype(dtype)
    if not wanted.is_float:
        raise DTypeError(f"random real numbers are floats, not {wanted.name}", site=here())
    return wanted


def random_bits(key: Any, shape: Any = (), *, width: int = 32) -> Tensor:
    """Random bits.

    Args:
        key: a key.
        shape: lengths.
        width: 32 or 64.

    Returns:
        A uint32 or uint64 Tensor.

    Example:
        >>> import saltus as sl
        >>> sl.random.random_bits(sl.random.key(0), (3,)).dtype
        saltus.uint32
    """
    if width not in (32, 64):
        raise ArgumentError(f"width must be 32 or 64, got {width}", site=here())
    return of_node(bits.bits(_key(key), shape_of(shape), width))


def uniform(key: Any, shape: Any = (), *, low: Any = 0.0, high: Any = 1.0, dtype: Any = "float32") -> Tensor:
    """Numbers spread evenly over [low, high).

    Args:
        key: a key.
        shape: lengths.
        low, high: ends, numbers or arrays that broadcast to the shape.
        dtype: a floating type.

    Example:
        >>> import saltus as sl
        >>> x = sl.random.uniform(sl.random.key(0), (1000,), low=2.0, high=3.0)
        >>> bool(sl.all((x >= 2.0) & (x < 3.0)))
        True
    """
    drawn = of_node(bits.uniform(_key(key), shape_of(shape), _float(dtype)))
    if isinstance(low, (int, float)) and isinstance(high, (int, float)) and (low, high) == (0, 1):
        return drawn
    return drawn * (high - low) + low


def normal(key: Any, shape: Any = (), *, mean: Any = 0.0, std: Any = 1.0, dtype: Any = "float32") -> Tensor:
    """Normally distributed numbers.

    Args:
        key: a key.
        shape: lengths.
        mean, std: centre and standard deviation, numbers or arrays that broadcast to the shape.
        dtype: a floating type.

    Example:
        >>> import saltus as sl
        >>> x = sl.random.normal(sl.random.key(0), (10000,))
        >>> bool(abs(x.mean()) < 0.05)
        True
    """
    drawn = of_node(bits.normal(_key(key), shape_of(shape), _float(dtype)))
    if isinstance(mean, (int, float)) and isinstance(std, (int, float)) and (mean, std) == (0, 1):
        return drawn
    return drawn * std + mean


def truncated_normal(
    key: Any,
    shape: Any = (),
    *,
    low: float = -2.0,
    high: float = 2.0,
    mean: Any = 0.0,
    std: Any = 1.0,
    dtype: Any = "float32",
) -> Tensor:
    """Normally distributed numbers of which only those between two bounds are kept.

    Args:
        key: a key.
        shape: lengths.
        low, high: bounds in standard deviations from the mean.
        mean, std: centre and standard deviation before cutting.
        dtype: a floating type.

    Example:
        >>> import saltus as sl
        >>> x = sl.random.truncated_normal(sl.random.key(0), (1000,))
        >>> bool(sl.all(abs(x) <= 2.0))
        True
    """
    if not low < high:
        raise ArgumentError(f"truncated_normal: low must be below high, got {low} and {high}", site=here())
    wanted = _float(dtype)
    work = dt.float64 if wanted is dt.float64 else dt.float32
    first, last = math.erf(low / math.sqrt(2)), math.erf(high / math.sqrt(2))
    share = bits.uniform(_key(key), shape_of(shape), work) * (last - first) + first
    bounded = OPS["maximum"](full(share.shape, low, work), OPS["erfinv"](share) * math.sqrt(2))
    drawn = of_node(OPS["minimum"](full(share.shape, high, work), bounded))
    return (drawn * std + mean).astype(wanted)


def randint(key: Any, shape: Any = (), *, low: int = 0, high: int, dtype: Any = "int64") -> Tensor:
    """Whole numbers low <= n < high, equally likely.

    Args:
        key: a key.
        shape: lengths.
        low, high: ends; high is not included.
        dtype: an integer type.

    Example:
        >>> import saltus as sl
        >>> x = sl.random.randint(sl.random.key(0), (100,), low=1, high=7)
        >>> int(x.min()) >= 1 and int(x.max()) <= 6
        True
    """
    if not low < high:
        raise ArgumentError(f"randint: low must be below high, got {low} and {high}", site=here())
    wanted = dt.as_dtype(dtype)
    if not wanted.is_integer:
        raise DTypeError(f"randint gives integers, not {wanted.name}", site=here())
    return of_node(convert(bits.integers(_key(key), shape_of(shape), int(low), int(high)), wanted))


def bernoulli(key: Any, p: Any = 0.5, shape: Any = None) -> Tensor:
    """True with probability p.

    Args:
        key: a key.
        p: probability, a number or an array.
        shape: lengths; None takes those of p.

    Returns:
        A bool Tensor.

    Example:
        >>> import saltus as sl
        >>> bool(sl.random.bernoulli(sl.random.key(0), 1.0))
        True
    """
    chance = node_of(p)
    lengths = chance.shape if shape is None else shape_of(shape)
    work = dt.float64 if chance.dtype is dt.float64 else dt.float32
    drawn = bits.uniform(_key(key), lengths, work)
    return of_node(OPS["less"](drawn, broadcast(convert(chance, work), lengths)))


def permutation(key: Any, x: Any, *, axis: int = 0) -> Tensor:
    """A random order.

    Args:
        key: a key.
        x: a whole number n, for an order of 0 .. n-1; or an array whose slices along the axis are shuffled.
        axis: the axis.

    Example:
        >>> import saltus as sl
        >>> sorted(sl.random.permutation(sl.random.key(0), 4).tolist())
        [0, 1, 2, 3]
    """
    if isinstance(x, int):
        return of_node(bits.permutation(_key(key), x))
    tensor = as_tensor(x)
    place = one_axis("permutation", axis, tensor.ndim)
    order = bits.permutation(_key(key), tensor.shape[place])
    return of_node(OPS["take"](tensor.node, order, axis=place))


def categorical(key: Any, logits: Any, *, axis: int = -1, shape: Any = None) -> Tensor:
    """Class numbers drawn with probability softmax(logits): the position of the largest logit after Gumbel noise is added.

    Args:
        key: a key.
        logits: real floats.
        axis: the axis of the classes.
        shape: lengths of the result, to which the logits without their class axis broadcast; None takes exactly those.

    Returns:
        An int64 Tensor.

    Example:
        >>> import saltus as sl
        >>> int(sl.random.categorical(sl.random.key(0), sl.asarray([0.0, 100.0])))
        1
    """
    node = node_of(logits)
    place = one_axis("categorical", axis, len(node.shape))
    order = (*[i for i in range(len(node.shape)) if i != place], place)
    rows = move.permute(node, order)
    lengths = rows.shape[:-1] if shape is None else shape_of(shape)
    if common_shape("categorical", [rows.shape[:-1], lengths]) != lengths:
        raise ShapeError(f"categorical: logits of shape {node.shape} do not fit the result's shape {lengths}", site=here())
    full_shape = (*lengths, rows.shape[-1])
    noise = gumbel(key, full_shape, dtype=node.dtype).node
    return of_node(move.reshape(argmax(broadcast(rows, full_shape) + noise, len(lengths)), lengths))


def gumbel(key: Any, shape: Any = (), *, dtype: Any = "float32") -> Tensor:
    """Standard Gumbel numbers, -log(-log(u)).

    Args:
        key: a key.
        shape: lengths.
        dtype: a floating type.

    Example:
        >>> import saltus as sl
        >>> sl.random.gumbel(sl.random.key(0), (2,)).shape
        (2,)
    """
    wanted = _float(dtype)
    work = dt.float64 if wanted is dt.float64 else dt.float32
    drawn = bits.uniform(_key(key), shape_of(shape), work) + (2.0**-54 if work is dt.float64 else 2.0**-25)
    return of_node(convert(-OPS["log"](-OPS["log"](drawn)), wanted))


def choice(key: Any, a: Any, shape: Any = (), *, replace: bool = True, p: Any = None, axis: int = 0) -> Tensor:
    """Elements drawn from an array.

    Args:
        key: a key.
        a: a whole number n, for drawing from 0 .. n-1, or an array.
        shape: lengths of the draw.
        replace: whether an element may come twice.
        p: probability of each, or None for equal ones.
        axis: the axis of `a` to draw along.

    Example:
        >>> import saltus as sl
        >>> sl.random.choice(sl.random.key(0), 5, (3,), replace=False).shape
        (3,)
    """
    lengths = shape_of(shape)
    count = math.prod(lengths)
    n = a if isinstance(a, int) else as_tensor(a).shape[one_axis("choice", axis, as_tensor(a).ndim)]
    if n < 1 or (not replace and count > n):
        raise ArgumentError(f"choice: cannot draw {count} of {n} elements without replacement", site=here())
    if p is not None and as_tensor(p).shape != (n,):
        raise ShapeError(f"choice: p must have shape ({n},), got {as_tensor(p).shape}", site=here())
    if p is None and replace:
        drawn = randint(key, lengths, high=n).node
    elif p is None:
        drawn = move.slice_(bits.permutation(_key(key), n), (0,), (count,))
    elif replace:
        drawn = categorical(key, of_node(OPS["log"](node_of(p))), shape=lengths).node
    else:  # the `count` largest of log p + Gumbel noise are a draw without replacement
        noisy = OPS["log"](node_of(p)) + gumbel(key, (n,), dtype=node_of(p).dtype).node
        drawn = move.slice_(OPS["argsort"](noisy, axis=0, descending=True), (0,), (count,))
    index = of_node(move.reshape(drawn, lengths))
    return index if isinstance(a, int) else take(a, index, axis=axis)


__all__ = [
    "bernoulli", "categorical", "choice", "fold_in", "gumbel", "key", "normal", "permutation", "randint", "random_bits", "split",
    "truncated_normal", "uniform",
]  # fmt: skip


def __dir__() -> list[str]:
    return sorted(__all__)


def __getattr__(name: str) -> object:
    raise missing("saltus.random", name)
