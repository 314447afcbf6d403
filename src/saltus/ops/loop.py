"""`scan`: a loop whose body is a graph; its compile time does not depend on the number of steps.

    scan(carry..., xs..., constants...) -> (last carry..., stacked ys...)

Step t gets the carry, slice t of each xs (from the end when `reverse`) and the constants, and gives the next carry and
slice t of each ys.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from saltus.base.dtypes import DType
from saltus.base.errors import DTypeError, ShapeError
from saltus.ir.differentiate import backward
from saltus.ir.evaluate import evaluate
from saltus.ir.node import Body, Node, constant_value, full, make, parts, placeholder, substitute, topological
from saltus.ir.spec import OPS, Kind, Op, Shape, define
from saltus.ops._namespace import companion, is_numpy
from saltus.ops.movement import slice_


def _shapes(*shapes: Shape, body: Body, length: int, carry: int, xs: int, reverse: bool) -> tuple[Shape, ...]:
    for i, s in enumerate(shapes[carry : carry + xs]):
        if not s or s[0] != length:
            raise ShapeError(f"scan: xs number {i} has shape {s}, but the loop has {length} steps")
    states = [o.shape for o in body.outputs[:carry]]
    for i, (before, after) in enumerate(zip(shapes[:carry], states, strict=True)):
        if before != after:
            raise ShapeError(f"scan: carry number {i} has shape {before} before a step and {after} after it")
    return (*states, *[(length, *o.shape) for o in body.outputs[carry:]])


def _dtypes(*dtypes: DType, body: Body, carry: int, **_: Any) -> tuple[DType, ...]:
    for i, (before, after) in enumerate(zip(dtypes[:carry], body.outputs[:carry], strict=True)):
        if before is not after.dtype:
            raise DTypeError(
                f"scan: carry number {i} is {before.name} before a step and {after.dtype.name} after it"
            )
    return tuple(o.dtype for o in body.outputs)


def _eval(
    xp: Any, *arrays: Any, body: Body, length: int, carry: int, xs: int, reverse: bool
) -> tuple[Any, ...]:
    state, stacked, constants = list(arrays[:carry]), arrays[carry : carry + xs], arrays[carry + xs :]
    if not is_numpy(xp):

        def step(held: Any, slices: Any) -> Any:
            made = evaluate(
                body.outputs, dict(zip(body.inputs, (*held, *slices, *constants), strict=True)), xp
            )
            return tuple(made[:carry]), tuple(made[carry:])

        last, ys = companion(xp, "lax").scan(
            step, tuple(state), tuple(stacked), length=length, reverse=reverse
        )
        return (*last, *ys)
    results = [np.empty((length, *o.shape), o.dtype.numpy) for o in body.outputs[carry:]]
    for t in reversed(range(length)) if reverse else range(length):
        made = evaluate(
            body.outputs, dict(zip(body.inputs, (*state, *[x[t] for x in stacked], *constants), strict=True))
        )
        state = made[:carry]
        for whole, piece in zip(results, made[carry:], strict=True):
            whole[t] = piece
    return (*state, *results)


def _products(gradient: Node, constant: set[Node]) -> list[Node] | None:
    """The products a^T b (or their like for convolutions) that a gradient is the sum of, where it has this form and no a or b is the
    same in all steps.
    """
    if gradient.op.name == "add":
        left, right = (_products(s, constant) for s in gradient.src)
        return None if left is None or right is None else left + right
    fits = gradient.op.name == "conv_weight" or (
        gradient.op.name == "matmul"
        and len(gradient.shape) == 2
        and gradient.attr("ta")
        and not gradient.attr("tb")
    )
    return [gradient] if fits and not any(s in constant for s in gradient.src) else None


_CHEAP = (Kind.SOURCE, Kind.ELEMENTWISE, Kind.MOVE, Kind.REDUCE)


def _worth_keeping(body: Body, moving: int, gradients: Sequence[Node]) -> list[Node]:
    """The body's values that its gradients read and that would cost a matrix product or the like to compute again.

    What is computed by cheap ops from the first `moving` parameters, the constants and other kept values is
    left to the backward loop: it is arithmetic beside memory traffic.
    """
    forward = set(topological(body.outputs))
    changing = set(body.inputs[:moving])
    costly: set[Node] = set()  # what would pass through such an op, unless something on the way is kept
    read = {g for g in gradients if g in forward}
    for node in topological(gradients):
        if node not in forward:
            read.update(s for s in node.src if s in forward)
    held: list[Node] = []
    for node in topological(body.outputs):
        if not any(s in changing for s in node.src):
            continue
        changing.add(node)
        if node.op.kind is Kind.PART or node.op.kind not in _CHEAP or any(s in costly for s in node.src):
            costly.add(node)
        if node in costly and node in read and not node.parts and node.op.name != "broadcast_to":
            held.append(node)
            costly.discard(node)
    return held


def _side_by_side(held: Sequence[Node], alone: set[Node]) -> tuple[dict[Node, Node], dict[Node, Node]]:
    """What stands in the backward loop for each value that is kept, and what is kept, each with its parameter there.

    Values of one shape are kept side by side as one (gates), but for those that are better read `alone`. The
    gradients of gates lie side by side too, in the place of the gates then.
    """
    groups: dict[Any, list[Node]] = {}
    for n in held:
        groups.setdefault(n if n in alone or not n.shape else (n.shape, n.dtype), []).append(n)
    stands: dict[Node, Node] = {}
    joined: dict[Node, Node] = {}
    for group in groups.values():
        whole = group[0] if len(group) == 1 else OPS["concat"](*group, axis=len(group[0].shape) - 1)
        joined[whole] = parameter = _unknown(whole)
        if len(group) == 1:
            stands[whole] = parameter
            continue
        *rows, width = group[0].shape
        for k, n in enumerate(group):
            start, stop = (*[0] * len(rows), k * width), (*rows, (k + 1) * width)
            stands[n] = slice_(parameter, start, stop, (1,) * len(stop))
    return stands, joined


def _unknown(node: Node) -> Node:
    return placeholder(node.shape, node.dtype)


def _vjp(
    g: Any, out: Any, *src: Node, body: Body, length: int, carry: int, xs: int, reverse: bool
) -> list[Node | None]:
    """One forward scan that keeps each step's carry, then one scan in the other direction that differentiates the body.

    Values that cost a contraction are kept too (`_worth_keeping`); the rest is computed again from what is kept.
    The gradient of a matrix that every step multiplies by is a sum of products over the steps: the factors are
    kept and multiplied once, after the loop, as one product of longer matrices.
    """
    wrt = [i for i, p in enumerate(body.inputs) if p.dtype.is_inexact]
    states = [i for i, o in enumerate(body.outputs[:carry]) if o.dtype.is_inexact]
    # a stacked result without a cotangent is left out: adding its zeros in each step would not be free
    stacked = [
        i for i in range(carry, len(body.outputs)) if g[i].dtype.is_inexact and constant_value(g[i]) != 0
    ]

    g_state, g_stacked = ([_unknown(body.outputs[i]) for i in group] for group in (states, stacked))
    roots = [body.outputs[i] for i in states + stacked]
    found = backward(roots, [*g_state, *g_stacked], [body.inputs[i] for i in wrt])
    by = {i: f for i, f in zip(wrt, found, strict=True) if f is not None}
    for i in states:
        by.setdefault(i, full(body.inputs[i].shape, 0, body.inputs[i].dtype))

    held = _worth_keeping(body, carry + xs, list(by.values()))
    factors = [product for i, f in by.items() if i >= carry + xs for product in _products(f, set(body.inputs[carry + xs :])) or ()]
    stands, joined = _side_by_side(held, {s for product in factors for s in product.src})
    by = dict(zip(by, substitute(list(by.values()), stands), strict=True))
    kept = Body(body.inputs, (*body.outputs, *body.inputs[:carry], *joined))
    made = parts(scan(*src, body=kept, length=length, carry=carry, xs=xs, reverse=reverse))

    # what the backward loop reads step by step, as (parameter, array)
    reads = list(zip((*body.inputs[:carry], *joined.values()), made[len(body.outputs) :], strict=True))
    reads += zip(body.inputs[carry : carry + xs], src[carry : carry + xs], strict=True)
    reads += zip(g_stacked, [g[i] for i in stacked], strict=True)
    slices = [i for i in by if carry <= i < carry + xs]
    constants = [i for i in by if i >= carry + xs]
    products = {i: _products(by[i], set(body.inputs[carry + xs :])) for i in constants}
    sums = [i for i in constants if products[i] is None]
    whole = dict(reads)
    multiplied = [n for found in products.values() for product in found or () for n in product.src]
    extra = [n for n in dict.fromkeys(multiplied) if n not in whole]

    g_sums = [_unknown(body.inputs[i]) for i in sums]
    back = parts(
        scan(
            *[g[i] for i in states],
            *[full(src[i].shape, 0, src[i].dtype) for i in sums],
            *[array for _, array in reads],
            *src[carry + xs :],
            body=Body(
                (*g_state, *g_sums, *[parameter for parameter, _ in reads], *body.inputs[carry + xs :]),
                (
                    *[by[i] for i in states],
                    *[s + by[i] for s, i in zip(g_sums, sums, strict=True)],
                    *[by[i] for i in slices],
                    *extra,
                ),
            ),
            length=length,
            carry=len(states) + len(sums),
            xs=len(reads),
            reverse=not reverse,
        )
    )
    result: list[Node | None] = [None] * len(src)
    for i, node in zip((*states, *sums, *slices), back, strict=False):
        result[i] = node
    whole.update(zip(extra, back[len(back) - len(extra) :], strict=True))
    for i, terms in products.items():
        if terms is not None:
            result[i] = functools.reduce(operator.add, [_over_steps(p, [whole[s] for s in p.src]) for p in terms])
    return result


def _over_steps(product: Node, stacked: Sequence[Node]) -> Node:
    """The sum of a product over the steps, which is the product of longer factors: it sums over their first axis."""
    longer = [OPS["reshape"](x, shape=(x.shape[0] * x.shape[1], *x.shape[2:])) for x in stacked]
    return make(product.op, tuple(longer), product.kwargs)


scan: Op = define(
    Op(
        "scan",
        Kind.SCAN,
        "a loop whose body is a graph",
        _eval,
        _shapes,
        _dtypes,
        _vjp,
        outputs=0,
        kinds="biufc",
    )
)


def scan_nodes(
    function: Callable[..., tuple[Sequence[Node], Sequence[Node]]],
    carry: Sequence[Node],
    xs: Sequence[Node],
    *,
    length: int | None = None,
    reverse: bool = False,
) -> tuple[tuple[Node, ...], tuple[Node, ...]]:
    """Build a scan from a function (carry..., slices...) -> (carry, ys) on nodes; what it uses from outside becomes a constant."""
    if length is None:
        if not xs:
            raise ShapeError("scan without xs needs a length")
        length = xs[0].shape[0] if xs[0].shape else 0
    for i, x in enumerate(xs):
        if not x.shape or x.shape[0] != length:
            raise ShapeError(f"scan: xs number {i} has shape {x.shape}, but the loop has {length} steps")
    own = [placeholder(c.shape, c.dtype) for c in carry] + [placeholder(x.shape[1:], x.dtype) for x in xs]
    new_carry, ys = function(*own)
    return close_over(own, list(new_carry), list(ys), carry, xs, length=length, reverse=reverse)


def close_over(
    own: Sequence[Node],
    new_carry: Sequence[Node],
    ys: Sequence[Node],
    carry: Sequence[Node],
    xs: Sequence[Node],
    *,
    length: int,
    reverse: bool,
) -> tuple[tuple[Node, ...], tuple[Node, ...]]:
    """The scan of a traced body. Whatever does not depend on the step is computed outside, once."""
    outputs = [*new_carry, *ys]
    outer = captured(own, outputs)
    body = Body((*own, *outer.values()), substitute(outputs, outer))
    made = parts(
        scan(*carry, *xs, *outer, body=body, length=length, carry=len(carry), xs=len(xs), reverse=reverse)
    )
    return made[: len(carry)], made[len(carry) :]


def captured(own: Sequence[Node], outputs: Sequence[Node]) -> dict[Node, Node]:
    """What a traced body uses from outside, each with a new parameter for it: the largest parts that do not depend on `own`."""
    inside: set[Node] = set(own)
    order = topological(outputs, stop=inside.__contains__)
    for node in order:
        if any(s in inside for s in node.src):
            inside.add(node)
    outer: dict[Node, Node] = {}
    for node in [*[s for n in order if n in inside for s in n.src], *outputs]:
        while node.op.name == "broadcast_to":  # passed in as it was before, so that its gradient is summed before it is carried along
            (node,) = node.src
        if node not in inside and node not in outer and not _cheap(node):
            outer[node] = placeholder(node.shape, node.dtype)
    return outer


def _cheap(node: Node) -> bool:
    """Constants, ramps and simple arithmetic on them are made again inside rather than passed in."""
    made_again = node.op.name in ("broadcast_to", "reshape") or (node.op.kind is Kind.ELEMENTWISE and node.op.flops <= 1)
    return node.op.name in ("const", "iota") or (made_again and all(_cheap(s) for s in node.src))
