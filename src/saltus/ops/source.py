"""Ops without operands: inputs, constants, index ramps; and the part of a result."""

from __future__ import annotations

import numpy as np

from saltus.ir.spec import Kind, Op, define

input = define(
    Op("input", Kind.SOURCE, "A value given when the graph runs.", None, lambda slot, shape, dtype: shape,  # type: ignore[arg-type]
       lambda slot, shape, dtype: dtype, None, kinds="biufc")
)  # fmt: skip


def _const(xp, bits, dtype):  # type: ignore[no-untyped-def]
    value = np.frombuffer(bits, dtype.numpy)[0]
    return xp.asarray(value)


const = define(
    Op("const", Kind.SOURCE, "A scalar constant.", _const, lambda bits, dtype: (), lambda bits, dtype: dtype, None)
)

iota = define(
    Op("iota", Kind.SOURCE, "The index along one axis: out[..., i, ...] = i.",
       lambda xp, shape, axis, dtype: xp.broadcast_to(
           xp.arange(shape[axis], dtype=dtype.numpy).reshape([-1 if k == axis else 1 for k in range(len(shape))]), shape),
       lambda shape, axis, dtype: shape, lambda shape, axis, dtype: dtype, None)
)  # fmt: skip

part = define(
    Op("part", Kind.PART, "One result of an op with several.", lambda xp, a, index: a[index],
       lambda s, index: s, lambda d, index: d, None, no_gradient="belongs to the op that made the results", kinds="biufc")
)  # fmt: skip
