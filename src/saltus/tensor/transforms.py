"""Derivatives of functions on trees of Tensors: grad, value_and_grad, vjp, jvp, hessian; recomputation and gradients by hand.

A function is run once on stand-ins for its arguments; the graph it leaves is differentiated by `ir.differentiate`. A Tensor the function
uses from outside is a constant, even when it was computed from the argument's value.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from saltus.base import tree
from saltus.base.errors import ArgumentError, GradientError, ShapeError
from saltus.ir.differentiate import backward, depends
from saltus.ir.node import Node, full, placeholder, substitute
from saltus.ir.spec import OPS
from saltus.ops.arithmetic import convert
from saltus.tensor.creation import eye
from saltus.tensor.loop import scan
from saltus.tensor.manipulation import reshape
from saltus.tensor.operands import as_tensor
from saltus.tensor.storage import leaf
from saltus.tensor.tensor import Tensor, of_node, realise
from saltus.tensor.tracing import Capture, capture, captures, format_keys, here, name_of, note_derivative, token


class _Arguments:
    """Stand-ins for the arguments a derivative is taken by.

    Outside every capture they are new inputs with the arguments' values, so the function may look at them. Inside one the arguments have
    no values; the stand-ins are marked copies, and `back` puts the arguments in their place.
    """

    def __init__(self, name: str, values: Sequence[Any], paths: Sequence[str]) -> None:
        tensors = [as_tensor(v) for v in values]
        for tensor, path in zip(tensors, paths, strict=True):
            if not tensor.dtype.is_inexact:
                raise GradientError(
                    f"{name}: {path} is {tensor.dtype.name}; derivatives exist by floats only", site=here(),
                    fix="convert it with .astype('float32'), or leave it out with argnums",
                )  # fmt: skip
        self.tensors: list[Tensor] = []
        if captures.open:
            originals = [t.node for t in tensors]
            self.nodes = [OPS["barrier"](n, token=token()) for n in originals]
            self._original = dict(zip(self.nodes, originals, strict=True))
        else:
            realise(tensors)
            self.nodes = [leaf(t._values(), t.dtype) for t in tensors]
            self._original = {}
        self.tensors = [of_node(n) for n in self.nodes]
        for tensor, node in zip(self.tensors, self.nodes, strict=True):
            tensor._node = node  # kept, so that what is computed from it depends on it

    def back(self, nodes: Sequence[Node]) -> list[Node]:
        """Nodes in terms of the arguments themselves."""
        return substitute(nodes, self._original) if self._original else list(nodes)


def _finish(nodes: Sequence[Node]) -> list[Tensor]:
    """Tensors of results; outside every capture they are computed together, as one program."""
    made = [of_node(n) for n in nodes]
    if not captures.open:
        realise(made)
    return made


def _named(places: Sequence[int], trees: Sequence[Any]) -> tuple[list[Any], list[str]]:
    """The leaves of arguments, and what messages call them: "argument 0['w']"."""
    pairs = [(v, f"argument {i}{format_keys(path)}") for i, t in zip(places, trees, strict=True) for path, v in tree.paths(t)]
    return [v for v, _ in pairs], [p for _, p in pairs]


def _chosen(name: str, argnums: int | Sequence[int], args: Sequence[Any]) -> tuple[int, ...]:
    chosen = (argnums,) if isinstance(argnums, int) else tuple(argnums)
    for place in chosen:
        if not -len(args) <= place < len(args):
            raise ArgumentError(
                f"{name}: argnums is {argnums}, but the function was called with {len(args)} positional arguments",
                site=here(),
            )
    return tuple(place % len(args) for place in chosen)


def _loss_of(name: str, value: Any) -> Tensor:
    if not isinstance(value, Tensor):
        what = "nothing" if value is None else f"a {type(value).__name__}"
        raise GradientError(
            f"{name}: the function must return a Tensor with one number, it returned {what}", site=here(),
            fix="compute the loss with saltus functions only (float(), .item() and NumPy leave the graph); "
            "return (loss, other results) with has_aux=True",
        )  # fmt: skip
    if value.shape != ():
        raise GradientError(
            f"{name}: the function must return one number (shape ()), it returned shape {value.shape}", site=here(),
            fix="reduce the loss with .mean() or .sum()",
        )  # fmt: skip
    if not value.dtype.is_float:
        raise GradientError(f"{name}: the function must return a real float, it returned {value.dtype.name}", site=here())
    return value


def _check_dependence(name: str, loss: Node, wrt: Sequence[Node], inside: Capture) -> None:
    """Refuse a loss that no argument can change, unless it is itself a derivative, which may be constant."""
    note_derivative(outside=2)
    if inside.derived or not wrt or loss in depends([loss], wrt):
        return
    where = f"; a value was taken out of the graph at {inside.looked[-1]}" if inside.looked else ""
    raise GradientError(
        f"{name}: the result does not depend on the arguments it is to be differentiated by{where}", site=here(),
        fix="compute it from them with saltus functions only: float(), .item() and NumPy leave the graph",
    )  # fmt: skip


def value_and_grad(function: Callable[..., Any], argnums: int | Sequence[int] = 0, *, has_aux: bool = False) -> Callable[..., Any]:
    """A function that returns the value of `function` and its gradient.

    Args:
        function: returns one number (shape ()), or (number, other results) with has_aux.
        argnums: which positional arguments to differentiate by; each may be a tree of float Tensors.
        has_aux: the function returns a pair, of which only the first part is differentiated.

    Returns:
        A function giving (value, gradient); the gradient is a tree like the argument, or a tuple of them for several argnums.
        With has_aux the value is (number, other results).

    Raises:
        GradientError: the function does not return one number, or an argument holds integers.

    Example:
        >>> import saltus as sl
        >>> value, gradient = sl.value_and_grad(lambda w: (w * w).sum())(sl.asarray([1.0, 2.0]))
        >>> gradient
        Tensor([2., 4.], shape=(2,), dtype=float32)
    """
    name = f"sl.grad of {name_of(function)}"

    @functools.wraps(function)
    def differentiated(*args: Any, **kwargs: Any) -> Any:
        chosen = _chosen(name, argnums, args)
        trees = [args[i] for i in chosen]
        stand = _Arguments(name, *_named(chosen, trees))
        given = list(args)
        rest = iter(stand.tensors)
        for i, t in zip(chosen, trees, strict=True):
            given[i] = tree.rebuild(t, rest)
        with capture(name) as inside:
            result = function(*given, **kwargs)
            if has_aux and not (isinstance(result, tuple) and len(result) == 2):
                raise GradientError(f"{name}: with has_aux the function must return (loss, other results)", site=here())
            value, aux = result if has_aux else (result, None)
            loss = _loss_of(name, value)
            _check_dependence(name, loss.node, stand.nodes, inside)
            found = backward([loss.node], [full((), 1, loss.dtype)], stand.nodes)
            gradients = [g if g is not None else full(n.shape, 0, n.dtype) for g, n in zip(found, stand.nodes, strict=True)]
            others = [v for v in tree.leaves(aux) if isinstance(v, Tensor)]
            nodes = stand.back([loss.node, *gradients, *[o.node for o in others]])
        made = _finish(nodes)
        parts = iter(made[1 : 1 + len(gradients)])
        out = tuple(tree.rebuild(t, parts) for t in trees)
        gradient = out[0] if isinstance(argnums, int) else out
        if not has_aux:
            return made[0], gradient
        fresh = iter(made[1 + len(gradients) :])
        return (made[0], tree.map(lambda v: next(fresh) if isinstance(v, Tensor) else v, aux)), gradient

    return differentiated


def grad(function: Callable[..., Any], argnums: int | Sequence[int] = 0, *, has_aux: bool = False) -> Callable[..., Any]:
    """A function that returns the gradient of `function`.

    Args:
        function: returns one number (shape ()), or (number, other results) with has_aux.
        argnums: which positional arguments to differentiate by; each may be a tree of float Tensors.
        has_aux: the function returns a pair, of which only the first part is differentiated.

    Returns:
        A function giving the gradient, or (gradient, other results) with has_aux.

    Raises:
        GradientError: the function does not return one number, or an argument holds integers.

    Example:
        >>> import saltus as sl
        >>> sl.grad(lambda x: x**3)(2.0)
        Tensor(12., shape=(), dtype=float32)
        >>> sl.grad(sl.grad(lambda x: x**3))(2.0)
        Tensor(12., shape=(), dtype=float32)
    """
    both = value_and_grad(function, argnums, has_aux=has_aux)

    @functools.wraps(function)
    def differentiated(*args: Any, **kwargs: Any) -> Any:
        value, gradient = both(*args, **kwargs)
        return (gradient, value[1]) if has_aux else gradient

    return differentiated


def vjp(function: Callable[..., Any], *primals: Any, has_aux: bool = False) -> Any:
    """The result of a function, and the function that takes a cotangent of the result back to the arguments.

    Args:
        function: from trees of Tensors to a tree of Tensors, or to (tree, other results) with has_aux.
        primals: its arguments.
        has_aux: the function returns a pair, of which only the first part is differentiated.

    Returns:
        (result, pullback), or (result, pullback, other results). `pullback(cotangent)` gives a tuple, one tree an argument.

    Example:
        >>> import saltus as sl
        >>> y, pullback = sl.vjp(lambda x: x * x, sl.asarray([1.0, 3.0]))
        >>> pullback(sl.ones(2))[0]
        Tensor([2., 6.], shape=(2,), dtype=float32)
    """
    name = f"sl.vjp of {name_of(function)}"
    stand = _Arguments(name, *_named(range(len(primals)), primals))
    rest = iter(stand.tensors)
    with capture(name):
        result = function(*[tree.rebuild(t, rest) for t in primals])
        result, aux = result if has_aux else (result, None)
        outputs = [as_tensor(v) for v in tree.leaves(result)]
        roots = [o.node for o in outputs]

    def pullback(cotangent: Any) -> tuple[Any, ...]:
        given = [as_tensor(c) for c in tree.leaves(cotangent)]
        if len(given) != len(roots):
            raise ShapeError(f"{name}: the result has {len(roots)} Tensors, the cotangent {len(given)}", site=here())
        for c, r in zip(given, roots, strict=True):
            if c.shape != r.shape:
                raise ShapeError(f"{name}: a result has shape {r.shape}, its cotangent {c.shape}", site=here())
        note_derivative()
        live = [(r, convert(c.node, r.dtype)) for r, c in zip(roots, given, strict=True) if r.dtype.is_inexact]
        found = backward([r for r, _ in live], [c for _, c in live], stand.nodes)
        nodes = [g if g is not None else full(n.shape, 0, n.dtype) for g, n in zip(found, stand.nodes, strict=True)]
        parts = iter(_finish(stand.back(nodes)))
        return tuple(tree.rebuild(t, parts) for t in primals)

    fresh = iter([of_node(n) for n in stand.back(roots)])
    out = tree.rebuild(result, fresh)
    return (out, pullback, aux) if has_aux else (out, pullback)


def jvp(function: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    """The result of a function, and its derivative in a direction.

    Computed as the derivative of the (linear) map from cotangent to gradient.

    Args:
        function: from trees of Tensors to a tree of Tensors.
        primals: its arguments.
        tangents: the direction, one tree an argument.

    Returns:
        (result, tangent of the result).

    Example:
        >>> import saltus as sl
        >>> sl.jvp(lambda x: x * x, (sl.asarray([1.0, 3.0]),), (sl.asarray([1.0, 0.5]),))[1]
        Tensor([2., 3.], shape=(2,), dtype=float32)
    """
    name = f"sl.jvp of {name_of(function)}"
    given = [as_tensor(v) for v in tree.leaves(list(tangents))]
    stand = _Arguments(name, *_named(range(len(primals)), primals))
    if [t.shape for t in given] != [n.shape for n in stand.nodes]:
        raise ShapeError(
            f"{name}: arguments of shapes {[n.shape for n in stand.nodes]} need tangents of the same shapes, "
            f"got {[t.shape for t in given]}",
            site=here(),
        )
    rest = iter(stand.tensors)
    with capture(name):
        result = function(*[tree.rebuild(t, rest) for t in primals])
        roots = [as_tensor(v).node for v in tree.leaves(result)]
        live = [r for r in roots if r.dtype.is_inexact]
        seeds = {r: placeholder(r.shape, r.dtype) for r in live}
        note_derivative(outside=2)
        found = backward(live, list(seeds.values()), stand.nodes)
        used = [(g, convert(t.node, g.dtype)) for g, t in zip(found, given, strict=True) if g is not None]
        forward = backward([g for g, _ in used], [t for _, t in used], list(seeds.values()))
        # linear in the seeds, so the derivative does not contain them; a rule that leaves one in takes 0 for it
        zero = {s: full(s.shape, 0, s.dtype) for s in seeds.values()}
        moved = dict(zip(live, forward, strict=True))
        nodes = [m if (m := moved.get(r)) is not None else full(r.shape, 0, r.dtype) for r in roots]
        nodes = stand.back([*roots, *substitute(nodes, dict(zero))])
    made = _finish(nodes)
    return tree.rebuild(result, iter(made[: len(roots)])), tree.rebuild(result, iter(made[len(roots) :]))


def hessian(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that returns the matrix of second derivatives of `function` by its first argument.

    Args:
        function: from one float Tensor (and further arguments) to one number.

    Returns:
        A function giving shape (*x.shape, *x.shape).

    Example:
        >>> import saltus as sl
        >>> sl.hessian(lambda x: x[0] ** 2 * x[1])(sl.asarray([1.0, 3.0]))
        Tensor([[6., 2.],
                [2., 0.]], shape=(2, 2), dtype=float32)
    """

    @functools.wraps(function)
    def second(x: Any, *args: Any, **kwargs: Any) -> Tensor:
        at = as_tensor(x)
        _, pullback = vjp(lambda v: grad(function)(v, *args, **kwargs), at)
        _, rows = scan(lambda carry, row: (carry, pullback(reshape(row, at.shape))[0]), (), eye(at.size, dtype=at.dtype))
        return reshape(rows, (*at.shape, *at.shape))

    return second


__all__ = ["grad", "hessian", "jvp", "value_and_grad", "vjp"]
