"""Ops without operands: inputs, constants, index ramps; and the part of a result."""

from __future__ import annotations

from typing import Any

import numpy as np

from saltus.base import dtypes as dt
from saltus.base.dtypes import DType
from saltus.base.errors import EngineError
from saltus.ir.spec import Kind, Op, Shape, define


def _no_value(xp: Any, **_: Any) -> Any:
    raise EngineError("an input has no value of its own: it must be given when the graph runs")


input = define(
    Op(
        "input",
        Kind.SOURCE,
        "a value given when the graph runs",
        _no_value,
        lambda slot, shape, dtype: shape,
        lambda slot, shape, dtype: dtype,
        None,
        kinds="biufc",
    )
)


def _const(xp: Any, bits: bytes, dtype: DType) -> Any:
    value = np.frombuffer(bits, dtype.numpy)[0]
    return xp.asarray(dt.from_bfloat16(np.asarray(value)) if dtype is dt.bfloat16 else value)


const = define(
    Op(
        "const",
        Kind.SOURCE,
        "a scalar constant",
        _const,
        lambda bits, dtype: (),
        lambda bits, dtype: dtype,
        None,
    )
)


def _iota(xp: Any, shape: Shape, axis: int, dtype: DType) -> Any:
    ramp = xp.arange(shape[axis]).reshape([-1 if k == axis else 1 for k in range(len(shape))])
    return xp.broadcast_to(ramp, shape)


iota = define(
    Op(
        "iota",
        Kind.SOURCE,
        "the index along one axis: out[..., i, ...] = i",
        _iota,
        lambda shape, axis, dtype: shape,
        lambda shape, axis, dtype: dtype,
        None,
    )
)

part = define(
    Op(
        "part",
        Kind.PART,
        "one result of an op with several",
        lambda xp, a, index: a[index],
        lambda s, index: s,
        lambda d, index: d,
        None,
        no_gradient="belongs to the op that made the results",
        kinds="biufc",
    )
)
