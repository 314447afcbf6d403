"""`sl.scan`: a loop in the graph. Its body is captured once, whatever the number of steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from saltus.base import tree
from saltus.base.errors import ArgumentError, ShapeError
from saltus.ir.node import placeholder
from saltus.ops.arithmetic import convert
from saltus.ops.loop import close_over
from saltus.tensor.operands import as_tensor
from saltus.tensor.tensor import Tensor, of_node
from saltus.tensor.tracing import capture, format_keys, here, name_of


def scan(
    function: Callable[[Any, Any], tuple[Any, Any]],
    carry: Any,
    xs: Any = None,
    *,
    length: int | None = None,
    reverse: bool = False,
) -> tuple[Any, Any]:
    """Run a function over the slices of arrays, handing a state from step to step.

    Args:
        function: (carry, slice) -> (next carry, result), captured once; what it uses from outside stays constant.
        carry: tree of Tensors before the first step; every step must return the same form, shapes and types.
        xs: tree of Tensors; step t gets slice t of each along axis 0. None: the function gets None.
        length: number of steps, needed when xs is None.
        reverse: go from the last slice to the first.

    Returns:
        (last carry, results stacked along a new axis 0; with reverse, result t still belongs to slice t).

    Raises:
        ShapeError: lengths differ, or the carry changes its form.

    Example:
        >>> import saltus as sl
        >>> sl.scan(lambda total, x: (total + x, total), 0.0, sl.asarray([1.0, 2.0, 3.0]))
        (Tensor(6., shape=(), dtype=float32), Tensor([0., 1., 3.], shape=(3,), dtype=float32))
    """
    name = f"sl.scan of {name_of(function)}"
    start = [as_tensor(v) for v in tree.leaves(carry)]
    paths = ["carry" + format_keys(path) for path, _ in tree.paths(carry)]
    rows = [as_tensor(v) for v in tree.leaves(xs)]
    if length is None:
        if not rows:
            raise ArgumentError(f"{name}: without xs the number of steps is not known", site=here(), fix="give length=")
        length = rows[0].shape[0] if rows[0].shape else 0
    for (path, _), row in zip(tree.paths(xs), rows, strict=True):
        if not row.shape or row.shape[0] != length:
            where = "xs" + format_keys(path)
            raise ShapeError(f"{name}: {where} has shape {row.shape}, but the loop has {length} steps", site=here())
    own = [placeholder(s.shape, s.dtype) for s in start] + [placeholder(r.shape[1:], r.dtype) for r in rows]
    state = tree.rebuild(carry, iter([of_node(n) for n in own[: len(start)]]))
    piece = tree.rebuild(xs, iter([of_node(n) for n in own[len(start) :]]))
    with capture(name):
        made = function(state, piece)
        if not (isinstance(made, tuple) and len(made) == 2):
            raise ArgumentError(f"{name}: the function must return (next carry, result)", site=here())
        after, result = made
        after_paths = ["carry" + format_keys(path) for path, _ in tree.paths(after)]
        if after_paths != paths:
            raise ShapeError(
                f"{name}: the carry goes in as {_form(paths)} and comes out as {_form(after_paths)}", site=here(),
                fix="return a carry of the same form",
            )  # fmt: skip
        nodes = [_same(name, path, before, as_tensor(v)) for path, before, v in zip(paths, start, tree.leaves(after), strict=True)]
        results = [as_tensor(v).node for v in tree.leaves(result)]
    last, stacked = close_over(own, nodes, results, [s.node for s in start], [r.node for r in rows], length=length, reverse=reverse)
    return tree.rebuild(carry, iter([of_node(n) for n in last])), tree.rebuild(result, iter([of_node(n) for n in stacked]))


def _form(paths: list[str]) -> str:
    return ", ".join(paths) or "nothing"


def _same(name: str, path: str, before: Tensor, after: Tensor) -> Any:
    """The next carry, of the shape and type of the first."""
    if before.shape != after.shape:
        raise ShapeError(f"{name}: {path} has shape {before.shape} before a step and {after.shape} after it", site=here())
    if before.dtype.kind != after.dtype.kind:
        raise ShapeError(
            f"{name}: {path} is {before.dtype.name} before a step and {after.dtype.name} after it", site=here(),
            fix=f"start with {after.dtype.name}, or convert: x.astype('{before.dtype.name}')",
        )  # fmt: skip
    return convert(after.node, before.dtype)
