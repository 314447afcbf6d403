"""Gradients that are not the derivative of what was computed: recomputation (`sl.checkpoint`) and rules by hand (`sl.custom_vjp`)."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from saltus.base import tree
from saltus.base.errors import GradientError
from saltus.ir.differentiate import backward
from saltus.ir.node import Body, Node, broadcast, full, placeholder, substitute
from saltus.ir.spec import OPS
from saltus.ops import movement as move
from saltus.ops.arithmetic import convert
from saltus.ops.call import call_nodes
from saltus.tensor.operands import as_tensor, is_number
from saltus.tensor.tensor import of_node
from saltus.tensor.tracing import capture, name_of, token


def _call(function: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any], name: str, rule: Any) -> Any:
    """Run a function as one `call` node; numbers and Tensors are its operands."""
    operands: list[Node] = []
    own: list[Node] = []

    def stand_in(value: Any) -> Any:
        if not is_number(value):
            return value
        operands.append(as_tensor(value).node)
        own.append(placeholder(operands[-1].shape, operands[-1].dtype))
        return of_node(own[-1])

    given = tree.map(stand_in, [list(args), kwargs])
    with capture(name):
        result = function(*given[0], **given[1])
        outputs = [as_tensor(v).node for v in tree.leaves(result)]
    made = call_nodes(own, outputs, operands, rule)
    return tree.rebuild(result, iter([of_node(n) for n in made]))


def checkpoint(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function whose intermediate results are not kept for the gradient but computed again there: less memory, more work.

    Args:
        function: from trees of Tensors to a tree of Tensors.

    Returns:
        A function of the same arguments and results.

    Source: Chen, Xu, Zhang and Guestrin, "Training deep nets with sublinear memory cost", 2016.

    Example:
        >>> import saltus as sl
        >>> block = sl.checkpoint(lambda x: sl.sin(sl.exp(x)))
        >>> sl.grad(lambda x: block(x).sum())(sl.zeros(1)).tolist()
        [0.5403]
    """
    name = f"sl.checkpoint of {name_of(function)}"

    @functools.wraps(function)
    def recomputed(*args: Any, **kwargs: Any) -> Any:
        return _call(function, args, kwargs, name, _recompute)

    return recomputed


def _recompute(g: Sequence[Node], out: Sequence[Node], src: Sequence[Node], body: Body) -> list[Node | None]:
    """Gradients through a second run of the body, which cannot begin before the gradient of its results is there."""
    seeds = [placeholder(o.shape, o.dtype) for o in body.outputs]
    live = [(o, s) for o, s in zip(body.outputs, seeds, strict=True) if o.dtype.is_inexact]
    wrt = [i for i, n in enumerate(body.inputs) if n.dtype.is_inexact]
    found = backward([o for o, _ in live], [s for _, s in live], [body.inputs[i] for i in wrt])
    late = _later(src, [c for c in g if c.dtype.is_inexact])
    place = dict(zip((*body.inputs, *seeds), (*late, *g), strict=True))
    made: list[Node | None] = [None] * len(src)
    reached = [(i, f) for i, f in zip(wrt, found, strict=True) if f is not None]
    for (i, _), node in zip(reached, substitute([f for _, f in reached], place), strict=True):
        made[i] = node
    return made


def _later(src: Sequence[Node], gradients: Sequence[Node]) -> list[Node]:
    """Copies that equal no other node and depend on the gradients.

    Parameters and data come from outside and are there all the time, so they need no copy, unless nothing else is there to tell the two
    runs apart. The dependence is a choice by a condition that never holds: is an element of the gradient NaN and finite at once?
    """
    mark = token()
    computed = [n for n in src if not _given(n)]
    copied = set(computed or src)
    flag = None
    for g in gradients:
        if g.size:
            first = move.reshape(move.slice_(g, (0,) * len(g.shape), (1,) * len(g.shape)), ())
            never = OPS["logical_and"](OPS["isnan"](first), OPS["isfinite"](first))
            flag = never if flag is None else OPS["logical_or"](flag, never)
    late: list[Node] = []
    for n in src:
        if n in copied:
            marked = OPS["barrier"](n, token=mark)
            late.append(marked if flag is None else OPS["where"](broadcast(flag, n.shape), full(n.shape, 0, n.dtype), marked))
        else:
            late.append(n)
    return late


def _given(node: Node) -> bool:
    """Whether a node is an input, or a stand-in for one."""
    while node.op.name == "barrier":
        node = node.src[0]
    return node.op.name == "input"


def custom_vjp(function: Callable[..., Any], backward_rule: Callable[..., Any]) -> Callable[..., Any]:
    """A function with a gradient given by hand.

    Args:
        function: from trees of Tensors to a tree of Tensors.
        backward_rule: backward_rule(cotangent, result, *arguments) -> one gradient an argument, None for none; cotangent and result are
            trees like the function's result.

    Returns:
        A function of the same arguments and results. Derivatives of the gradient come from `backward_rule`.

    Example:
        >>> import saltus as sl
        >>> step = sl.custom_vjp(lambda x: (x > 0).astype("float32"), lambda g, out, x: (g,))
        >>> sl.grad(lambda x: step(x).sum())(sl.asarray([-1.0, 2.0]))
        Tensor([1., 1.], shape=(2,), dtype=float32)
    """
    name = f"sl.custom_vjp of {name_of(function)}"

    @functools.wraps(function)
    def by_hand(*args: Any) -> Any:
        form: list[Any] = []

        def run(*given: Any) -> Any:
            result = function(*given)
            form.append(result)
            return result

        def rule(g: Sequence[Node], out: Sequence[Node], src: Sequence[Node], body: Body) -> list[Node | None]:
            operands = iter([of_node(n) for n in src])
            given = [tree.map(lambda v: next(operands) if is_number(v) else v, a) for a in args]
            cotangent = tree.rebuild(form[0], iter([of_node(n) for n in g]))
            result = tree.rebuild(form[0], iter([of_node(n) for n in out]))
            with capture(name):
                made = backward_rule(cotangent, result, *given)
            made = made if isinstance(made, tuple) else (made,)
            if len(made) != len(args):
                raise GradientError(f"{name}: the rule must return one gradient for each of {len(args)} arguments, got {len(made)}")
            gradients: list[Node | None] = []
            for place, (value, gradient) in enumerate(zip(args, made, strict=True)):
                numbers = [v for v in tree.leaves(value) if is_number(v)]
                parts = [None] * len(numbers) if gradient is None else [as_tensor(p) for p in tree.leaves(gradient)]
                if len(parts) != len(numbers):
                    raise GradientError(f"{name}: argument {place} has {len(numbers)} Tensors, its gradient {len(parts)}")
                gradients += [None if p is None else p.node for p in parts]
            for node, gradient_node in zip(src, gradients, strict=False):
                if gradient_node is not None and gradient_node.shape != node.shape:
                    raise GradientError(f"{name}: an argument has shape {node.shape}, its gradient {gradient_node.shape}")
            typed = [None if p is None else convert(p, n.dtype) for p, n in zip(gradients, src, strict=False)]
            return [*typed, *[None] * (len(src) - len(typed))]

        return _call(run, args, {}, name, rule)

    return by_hand


__all__ = ["checkpoint", "custom_vjp"]
