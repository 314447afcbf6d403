"""Trees of values: nested dicts, lists, tuples and named tuples, with paths; the lowest layer.

A leaf is anything else. Dict keys are visited in sorted order, so two equal trees flatten alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from saltus.base.errors import ArgumentError

Path = tuple[str | int, ...]


def _children(tree: Any) -> list[tuple[str | int, Any]] | None:
    if isinstance(tree, dict):
        return sorted(tree.items(), key=lambda kv: str(kv[0]))
    if isinstance(tree, (list, tuple)):
        return list(enumerate(tree))
    return None


def paths(tree: Any, prefix: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every leaf with its path, in a fixed order. None is an empty tree."""
    if tree is None:
        return
    children = _children(tree)
    if children is None:
        yield prefix, tree
        return
    for key, child in children:
        yield from paths(child, (*prefix, key))


def leaves(tree: Any) -> list[Any]:
    """The leaves in a fixed order."""
    return [leaf for _, leaf in paths(tree)]


def rebuild(tree: Any, values: Iterator[Any]) -> Any:
    """A tree of the same form whose leaves are taken from `values`."""
    if tree is None:
        return None
    children = _children(tree)
    if children is None:
        return next(values)
    made = {key: rebuild(child, values) for key, child in children}
    if isinstance(tree, dict):
        return {key: made[key] for key in tree}
    items = [made[i] for i in range(len(children))]
    if hasattr(tree, "_fields"):
        return type(tree)(*items)
    return type(tree)(items)


def unflatten(tree: Any, values: list[Any]) -> Any:
    """A tree of the form of `tree` with these leaves; their number must match."""
    count = len(leaves(tree))
    if count != len(values):
        raise ArgumentError(f"the tree has {count} leaves, got {len(values)} values")
    return rebuild(tree, iter(values))


def map(function: Callable[..., Any], tree: Any, *others: Any) -> Any:
    """Apply a function to each leaf, with the leaves of other trees of the same form beside it."""
    columns = [leaves(tree), *[leaves(o) for o in others]]
    if len({len(c) for c in columns}) != 1:
        raise ArgumentError(f"trees of different form: {[len(c) for c in columns]} leaves")
    return unflatten(tree, [function(*row) for row in zip(*columns, strict=True)])


def format_path(path: Path) -> str:
    """ "layers/0/kernel"."""
    return "/".join(str(p) for p in path)
