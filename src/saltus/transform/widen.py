"""Matrix products of half floats: computed in float32, which is what registers hold, and rounded once."""

from __future__ import annotations

from collections.abc import Sequence

from saltus.base import dtypes as dt
from saltus.ir.node import Node, at, rebuild, topological
from saltus.ir.spec import OPS, Kind

HALVES = (dt.float16, dt.bfloat16)


def widen_products(outputs: Sequence[Node]) -> list[Node]:
    """matmul(a, b) of a half type -> cast(matmul(cast a, cast b)); everything else as it is."""
    done: dict[Node, Node] = {}
    for node in topological(outputs):
        src = tuple([done[s] for s in node.src])
        if node.op.kind is Kind.CONTRACT and node.dtype in HALVES:
            with at(node.site):
                wide = [OPS["cast"](s, dtype=dt.float32) for s in src]
                done[node] = OPS["cast"](node.op(*wide, **node.kwargs), dtype=node.dtype)
        else:
            done[node] = rebuild(node, src)
    return [done[o] for o in outputs]
