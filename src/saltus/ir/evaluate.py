"""Runs a graph through `eval` of its records: with numpy it is the reference, with jax.numpy the XLA form.

float16 and bfloat16 are computed in float32 and rounded after each op, as the engines do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from saltus.base import dtypes as dt
from saltus.base.dtypes import DType
from saltus.ir.node import Node, topological
from saltus.ir.spec import Kind


def _wide(value: Any, dtype: DType, xp: Any) -> Any:
    """A stored value as an op computes with it."""
    if dtype is dt.bfloat16 and xp is np:
        return dt.from_bfloat16(value)
    return value.astype(np.float32) if dtype in (dt.float16, dt.bfloat16) else value


def _stored(value: Any, dtype: DType, xp: Any) -> Any:
    """A computed value in the memory form of a type."""
    if xp is not np:
        return value if value.dtype == dtype.name else xp.asarray(value).astype(dtype.name)
    value = np.asarray(value)
    if dtype is dt.bfloat16:
        return dt.to_bfloat16(value)
    return value if value.dtype == dtype.numpy else value.astype(dtype.numpy)


def _run(node: Node, values: Mapping[Node, Any], xp: Any) -> Any:
    """The value of one node, a tuple where it has several results."""
    operands = [values[s] for s in node.src]
    if node.op.kind is Kind.PART:
        return operands[0][node.attr("index")]
    if node.op.kind is Kind.SCAN:  # its body widens for itself
        return tuple(node.op.eval(xp, *operands, **node.kwargs))
    wide = [_wide(v, s.dtype, xp) for v, s in zip(operands, node.src, strict=True)]
    made = node.op.eval(xp, *wide, **node.kwargs)
    if node.parts:
        return tuple(_stored(v, d, xp) for v, (_, d) in zip(made, node.parts, strict=True))
    return _stored(made, node.dtype, xp)


def evaluate(roots: Sequence[Node], env: Mapping[Node, Any], xp: Any = np) -> list[Any]:
    """Values of the roots, given values of inputs.

    Args:
        roots: nodes to compute.
        env: arrays for input nodes (or any node to be taken as given), in the memory form of their types.
        xp: array namespace, numpy or jax.numpy.
    """
    values: dict[Node, Any] = dict(env)
    with np.errstate(all="ignore"):
        for node in topological(roots, stop=lambda n: n in env):
            if node not in values:
                values[node] = _run(node, values, xp)
    return [values[r] for r in roots]
