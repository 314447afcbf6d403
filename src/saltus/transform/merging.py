"""Rules that compute on the other side of a reshape where that joins kernels.

Values that repeat elements along axes which are then merged: nearest upsampling, gradients of pooling.
A merged axis has no stride of its own for what is repeated inside it, so the repeated values would be stored. Computed before the
merge, on the finer axes, they are read where they are, and the pass over them can go on with what follows.
"""

from __future__ import annotations

from saltus.ir.node import Node, constant_value, full
from saltus.ir.spec import OPS, Kind, Shape
from saltus.ops.movement import reshape

BROADCAST, RESHAPE = OPS["broadcast_to"], OPS["reshape"]
DEPTH = 16  # nodes looked at


def _runs(fine: Shape, merged: Shape) -> list[list[int]] | None:
    """For each merged axis, the axes it is made of; None where the reshape does anything else."""
    if 0 in fine:
        return None
    runs: list[list[int]] = []
    at = 0
    for n in merged:
        run, left = [], n
        while left > 1:
            if at == len(fine) or left % fine[at]:
                return None
            left //= fine[at]
            run.append(at)
            at += 1
        runs.append(run)
    return runs


def _repeats(node: Node) -> list[list[int]] | None:
    """The runs of axes of a merge that has values repeated inside a run, else None."""
    if node.op is not RESHAPE:
        return None
    (a,) = node.src
    runs = _runs(a.shape, node.shape)
    if runs is None:
        return None
    inside = {k for run in runs for k in [k for k in run if a.shape[k] != 1][1:]}
    if not inside:
        return None
    stack, looked = [a], 0
    while stack and looked < DEPTH:
        n = stack.pop()
        looked += 1
        if n.op is BROADCAST:
            x = n.src[0]
            lead = len(n.shape) - len(x.shape)
            if x.size > 1 and any(k >= lead and x.shape[k - lead] == 1 for k in inside):
                return runs
        elif n.op.kind in (Kind.ELEMENTWISE, Kind.REDUCE):
            stack += n.src
    return None


def above_merge(node: Node) -> Node | None:
    """op(merge a, b) -> merge op(a, split b)"""
    for s in node.src:
        if s.op is RESHAPE and _repeats(s) is not None:
            fine = s.src[0].shape
            return reshape(node.op(*[reshape(o, fine) for o in node.src], **node.kwargs), node.shape)
    return None


def above_split(node: Node) -> Node | None:
    """op(split a, split b) -> split op(a, b)

    The product of a dense layer on (samples, steps, features) has merged rows: what follows it can then be its epilogue.
    """
    shapes = {s.src[0].shape for s in node.src if s.op is RESHAPE}
    if len(shapes) != 1:
        return None
    (shape,) = shapes
    if len(shape) >= len(node.shape) or _runs(node.shape, shape) is None:
        return None
    src = []
    for s in node.src:
        constant = constant_value(s)
        if s.op is RESHAPE:
            src.append(s.src[0])
        elif constant is not None:
            src.append(full(shape, constant, s.dtype))
        else:
            return None
    return reshape(node.op(*src, **node.kwargs), node.shape)


def reduce_above_merge(node: Node) -> Node | None:
    """sum(merge a) -> sum(a) over the finer axes"""
    (a,) = node.src
    runs = _repeats(a)
    if runs is None:
        return None
    axes = tuple(k for axis in node.attr("axes") for k in runs[axis])
    return reshape(node.op(a.src[0], axes=axes), node.shape)
