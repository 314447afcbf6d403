"""Runs a graph through `eval` of its records: with numpy it is the reference, with jax.numpy the XLA form.

float16 and bfloat16 are computed in float32 and rounded after each op, as the engines do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from saltus.base import dtypes as dt
from saltus.ir.node import Node, topological
from saltus.ir.spec import Kind


def _widen(node: Node, value: Any, xp: Any) -> Any:
    """The value of a node as its consumers compute with it."""
    if xp is np and node.dtype is dt.bfloat16:
        return dt.from_bfloat16(value)
    return value.astype(np.float32) if node.dtype is dt.float16 and node.op.kind is not Kind.HOST else value


def _narrow(node: Node, value: Any, xp: Any) -> Any:
    """A computed value in the memory form of the node's type."""
    if node.parts:
        return tuple(value)
    if xp is not np:
        return value.astype(node.dtype.name) if value.dtype != node.dtype.name else value
    value = np.asarray(value)
    if node.dtype is dt.bfloat16:
        return value if value.dtype == np.uint16 else dt.to_bfloat16(value)
    return value if value.dtype == node.dtype.numpy else value.astype(node.dtype.numpy)


def evaluate(roots: Sequence[Node], env: Mapping[Node, Any], xp: Any = np) -> list[Any]:
    """Values of the roots, given values of inputs.

    Args:
        roots: nodes to compute.
        env: arrays for input nodes (or any node to be taken as given).
        xp: array namespace, numpy or jax.numpy.
    """
    values: dict[Node, Any] = dict(env)
    with np.errstate(all="ignore"):
        for node in topological(roots, stop=lambda n: n in env):
            if node in values:
                continue
            operands = [_widen(s, values[s], xp) if not s.parts else values[s] for s in node.src]
            values[node] = _narrow(node, node.op.eval(xp, *operands, **node.kwargs), xp)
    return [values[r] for r in roots]
