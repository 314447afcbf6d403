"""`call`: a part of a graph with a gradient rule of its own, for sl.checkpoint and sl.custom_vjp.

It lives between capture and compilation only: once every derivative is taken, `inline` puts the body in its place, so no engine sees it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from saltus.base.dtypes import DType
from saltus.ir.evaluate import evaluate
from saltus.ir.node import Body, Node, at, make, parts, rebuild, substitute, topological
from saltus.ir.spec import Kind, Op, Shape
from saltus.ops.loop import captured

# A rule gets (cotangents, results, operands, body) and gives one node or None an operand.
Rule = Callable[[tuple[Node, ...], tuple[Node, ...], tuple[Node, ...], Body], Sequence[Node | None]]


def _shapes(*shapes: Shape, body: Body, rule: Rule) -> tuple[Shape, ...]:
    return tuple(o.shape for o in body.outputs)


def _dtypes(*dtypes: DType, body: Body, rule: Rule) -> tuple[DType, ...]:
    return tuple(o.dtype for o in body.outputs)


def _eval(xp: Any, *arrays: Any, body: Body, rule: Rule) -> tuple[Any, ...]:
    return tuple(evaluate(body.outputs, dict(zip(body.inputs, arrays, strict=True)), xp))


def _vjp(g: Any, out: Any, *src: Node, body: Body, rule: Rule) -> Sequence[Node | None]:
    return rule(g, out, src, body)


call = Op(
    "call",
    Kind.SCAN,
    "a body run once, with a gradient rule of its own",
    _eval,
    _shapes,
    _dtypes,
    _vjp,
    outputs=0,
    kinds="biufc",
)


def call_nodes(
    own: Sequence[Node], outputs: Sequence[Node], operands: Sequence[Node], rule: Rule
) -> tuple[Node, ...]:
    """The call of a traced body; what the body uses from outside becomes further operands."""
    outer = captured(own, outputs)
    body = Body((*own, *outer.values()), substitute(outputs, outer))
    return parts(call(*operands, *outer, body=body, rule=rule))


def inline(roots: Sequence[Node], stop: Callable[[Node], bool] | None = None) -> list[Node]:
    """The same results without calls, inside loops too; nodes for which `stop` is true stay as they are."""
    order = topological(roots, stop)
    if not any(n.op.kind is Kind.SCAN for n in order):
        return list(roots)
    done: dict[Node, Node] = {}
    bodies: dict[Node, list[Node]] = {}
    for node in order:
        if stop is not None and stop(node):
            continue
        src = tuple(done.get(s, s) for s in node.src)
        if node.op is call:
            body = node.attr("body")
            bodies[node] = inline(substitute(body.outputs, dict(zip(body.inputs, src, strict=True))))
        elif node.op.kind is Kind.PART and node.src[0] in bodies:
            done[node] = bodies[node.src[0]][node.attr("index")]
        elif node.op.kind is Kind.SCAN:
            body = node.attr("body")
            outputs = inline(body.outputs)
            plain = body if tuple(outputs) == body.outputs else Body(body.inputs, outputs)
            with at(node.site):
                done[node] = (
                    rebuild(node, src) if plain is body else make(node.op, src, node.kwargs | {"body": plain})
                )
        else:
            done[node] = rebuild(node, src)
    return [done.get(r, r) for r in roots]
