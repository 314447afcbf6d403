"""Matrix products of which only a part is read become smaller: the gradient of several operands side by side, of which some need none."""

from __future__ import annotations

from collections.abc import Sequence

from saltus.ir.node import Node, at, rebuild, topological
from saltus.ir.spec import OPS
from saltus.ops.movement import slice_

MATMUL, SLICE = OPS["matmul"], OPS["slice"]


def trim_products(outputs: Sequence[Node]) -> list[Node]:
    """slice(a @ b) -> slice(a) @ slice(b) where nobody reads the rest of the product."""
    order = topological(outputs)
    if not any(n.op is SLICE and n.src[0].op is MATMUL for n in order):
        return list(outputs)
    readers: dict[Node, int] = {}
    for node in [*[s for n in order for s in n.src], *outputs]:
        readers[node] = readers.get(node, 0) + 1
    done: dict[Node, Node] = {}
    for node in order:
        made = rebuild(node, tuple([done[s] for s in node.src]))
        if node.op is SLICE and node.src[0].op is MATMUL and readers[node.src[0]] == 1 and made.src[0].op is MATMUL:
            with at(node.site):
                made = _trimmed(made)
        done[node] = made
    return [done[o] for o in outputs]


def _trimmed(part: Node) -> Node:
    """The product of the rows and columns that a slice of a product keeps."""
    (whole,) = part.src
    a, b = whole.src
    bounds = list(zip(part.attr("start"), part.attr("stop"), part.attr("step"), strict=True))

    def kept(matrix: Node, axis: int, bound: tuple[int, int, int]) -> Node:
        own = [(0, n, 1) if n == 1 else both for n, both in zip(matrix.shape[:-2], bounds, strict=False)]
        own += [(0, n, 1) for n in matrix.shape[-2:]]
        own[len(own) - 2 + axis] = bound
        start, stop, step = zip(*own, strict=True)
        return slice_(matrix, start, stop, step)

    ta, tb = whole.attr("ta"), whole.attr("tb")
    return MATMUL(kept(a, 1 if ta else 0, bounds[-2]), kept(b, 0 if tb else 1, bounds[-1]), ta=ta, tb=tb)
