"""Contractions: the batched matrix product."""

from __future__ import annotations

from typing import Any

from saltus.base.errors import ShapeError
from saltus.ir.node import Node
from saltus.ir.spec import Kind, Op, Sample, Shape, define
from saltus.ops._elementwise import same_dtype
from saltus.ops.arithmetic import conj


def _shape(a: Shape, b: Shape, ta: bool, tb: bool) -> Shape:
    if len(a) < 2 or len(a) != len(b) or a[:-2] != b[:-2]:
        raise ShapeError(f"matmul needs matrices with equal leading axes, got {a} and {b}")
    m, k = (a[-1], a[-2]) if ta else (a[-2], a[-1])
    k2, n = (b[-1], b[-2]) if tb else (b[-2], b[-1])
    if k != k2:
        raise ShapeError(f"matmul: the inner lengths differ, {k} of shape {a} and {k2} of shape {b}")
    return (*a[:-2], m, n)


def _eval(xp: Any, a: Any, b: Any, ta: bool, tb: bool) -> Any:
    a = xp.swapaxes(a, -1, -2) if ta else a
    b = xp.swapaxes(b, -1, -2) if tb else b
    return xp.matmul(a, b)


def _vjp(g: Node, o: Node, a: Node, b: Node, ta: bool, tb: bool) -> tuple[Node, Node]:
    a, b = conj(a), conj(b)
    ga = matmul(b, g, ta=tb, tb=True) if ta else matmul(g, b, ta=False, tb=not tb)
    gb = matmul(g, a, ta=True, tb=ta) if tb else matmul(a, g, ta=not ta, tb=False)
    return ga, gb


matmul: Op = define(
    Op(
        "matmul",
        Kind.CONTRACT,
        "matrix product of the last two axes; ta, tb: an operand is transposed",
        _eval,
        _shape,
        same_dtype,
        _vjp,
        samples=(
            Sample(((4, 5), (5, 3)), {"ta": False, "tb": False}),
            Sample(((5, 4), (5, 33)), {"ta": True, "tb": False}),
            Sample(((2, 4, 5), (2, 17, 5)), {"ta": False, "tb": True}),
            Sample(((2, 3, 5, 4), (2, 3, 6, 5)), {"ta": True, "tb": True}),
            Sample(((40, 70), (70, 50)), {"ta": False, "tb": False}, tolerance=256.0),
        ),
        kinds="iufc",
        flops=2,
    )
)
