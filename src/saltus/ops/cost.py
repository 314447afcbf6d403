"""How many operations a node takes, by its definition: exact for products and convolutions, whatever an engine makes of them."""

from __future__ import annotations

import math
from collections.abc import Iterable

from saltus.ir.node import Node, topological
from saltus.ir.spec import Kind

_PER_ELEMENT = (Kind.ELEMENTWISE, Kind.CUMULATIVE)
_PER_OPERAND = (Kind.REDUCE, Kind.SCATTER)


def flops(node: Node) -> int:
    """Operations of one node; a multiplication with its addition counts two, moving values counts none.

    Zeros that padding adds count as if they were multiplied. Host calls (sorting, FFT, linear algebra) count none.
    """
    if node.op.kind is Kind.CONTRACT:
        return node.op.flops * _products(node)
    if node.op.kind in _PER_ELEMENT:
        return node.op.flops * node.size
    if node.op.kind in _PER_OPERAND:
        return node.op.flops * node.src[-1 if node.op.kind is Kind.SCATTER else 0].size
    if node.op.kind is Kind.SCAN:
        inside = dict(node.attrs)
        return int(inside.get("length", 1)) * total(inside["body"].outputs)
    return 0


def _products(node: Node) -> int:
    """Multiply-adds of a contraction."""
    a, b = node.src
    if node.op.name == "matmul":
        return node.size * a.shape[-2 if node.attr("ta") else -1]
    if node.op.name == "conv":
        return node.size * math.prod(b.shape[:-1])
    if node.op.name == "conv_input":  # of the convolution whose adjoint it is
        return a.size * math.prod(b.shape[:-1])
    return b.size * math.prod(node.shape[:-1])  # conv_weight


def total(roots: Iterable[Node]) -> int:
    """Operations of everything the roots need."""
    return sum(flops(n) for n in topological(roots))
