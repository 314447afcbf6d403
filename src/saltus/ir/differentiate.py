"""Reverse mode: one walk over a graph, from results to operands, through the `vjp` of each record."""

from __future__ import annotations

from collections.abc import Sequence

from saltus.base.errors import EngineError, GradientError
from saltus.base.trace import format_site
from saltus.ir.node import Node, at, full, parts, topological
from saltus.ir.spec import Kind


def depends(roots: Sequence[Node], wrt: Sequence[Node]) -> set[Node]:
    """The nodes under the roots that a change in `wrt` can reach."""
    reached = set(wrt)
    for node in topological(roots):
        if node not in reached and any(s in reached for s in node.src):
            reached.add(node)
    return reached


def backward(roots: Sequence[Node], seeds: Sequence[Node], wrt: Sequence[Node]) -> list[Node | None]:
    """Gradients of sum_i <seed_i, root_i> with respect to nodes.

    Args:
        roots: results of the function.
        seeds: one cotangent a root, of its shape and type.
        wrt: nodes to differentiate by.

    Returns:
        One node of the shape of each `wrt`, or None where the roots do not depend on it.

    Raises:
        GradientError: the path goes through an op that has no derivative.
    """
    live = depends(roots, wrt)
    gradients: dict[Node, Node] = {}
    partial: dict[Node, dict[int, Node]] = {}

    def accumulate(node: Node, g: Node) -> None:
        if g.shape != node.shape or g.dtype is not node.dtype:
            raise EngineError(f"gradient of {node} came out as {g}")
        gradients[node] = gradients[node] + g if node in gradients else g

    for root, seed in zip(roots, seeds, strict=True):
        if root in live:
            accumulate(root, seed)
    stop = set(wrt)
    for node in reversed(topological(roots)):
        if node not in live or not node.src:
            continue
        if node.op.kind is Kind.PART:
            if node in gradients:
                slot = partial.setdefault(node.src[0], {})
                index = node.attr("index")
                slot[index] = slot[index] + gradients[node] if index in slot else gradients[node]
            continue
        if node.parts:
            if node not in partial:
                continue
            known, results = partial[node], parts(node)
            g: object = tuple(known.get(i, full(p.shape, 0, p.dtype)) for i, p in enumerate(results))
            out: object = results
        elif node in gradients:
            g, out = gradients[node], node
        else:
            continue
        if node in stop and not any(s in live for s in node.src):
            continue
        if node.op.vjp is None:
            raise GradientError(
                f"{node.op.name} has no derivative: {node.op.no_gradient}",
                site=format_site(node.site),
                fix="keep it out of the path to the loss, or wrap its operand in sl.stop_gradient",
            )
        with at(node.site):  # a gradient belongs to the line of what it is the gradient of
            for source, part in zip(node.src, node.op.vjp(g, out, *node.src, **node.kwargs), strict=True):
                if part is not None and source in live:
                    accumulate(source, part)
    return [gradients.get(w) for w in wrt]
