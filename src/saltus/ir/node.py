"""Nodes: immutable, hash-consed, each with the user's line that made it first.

Two calls with the same op, operands and attributes give one node, so equal subexpressions are one.
"""

from __future__ import annotations

import itertools
import threading
import weakref
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from saltus.base import dtypes as dt
from saltus.base.dtypes import DType
from saltus.base.errors import DTypeError, EngineError, SaltusError
from saltus.base.trace import call_site, format_site
from saltus.ir.spec import MAKE, OPS, Kind, Op, Shape

_table: weakref.WeakValueDictionary[Any, Node] = weakref.WeakValueDictionary()
_slots = itertools.count()


class _Here(threading.local):
    """The site given to new nodes in place of the user's line, one a thread."""

    site: tuple[str, int] | None = None


_here = _Here()


class at:
    """`with at(node.site):` gives new nodes that site: a rewrite keeps the user's line."""

    __slots__ = ("_before", "_site")

    def __init__(self, site: tuple[str, int] | None) -> None:
        self._site = site

    def __enter__(self) -> None:
        self._before = _here.site
        _here.site = self._site

    def __exit__(self, *_: object) -> None:
        _here.site = self._before


class Node:
    """One operation of a graph.

    Attributes:
        op: its record.
        src: operand nodes.
        attrs: attributes as sorted (name, value) pairs; values are hashable.
        shape, dtype: of the result (of the first, where there are several).
        parts: (shape, dtype) of every result where there are several, else ().
        site: the user's line, (file, line).
    """

    __slots__ = ("__weakref__", "attrs", "dtype", "op", "parts", "shape", "site", "src")
    op: Op
    src: tuple[Node, ...]
    attrs: tuple[tuple[str, Any], ...]
    shape: Shape
    dtype: DType
    parts: tuple[tuple[Shape, DType], ...]
    site: tuple[str, int]

    def attr(self, name: str) -> Any:
        """The value of an attribute."""
        for key, value in self.attrs:
            if key == name:
                return value
        raise EngineError(f"{self.op.name} has no attribute {name!r}")

    @property
    def kwargs(self) -> dict[str, Any]:
        return dict(self.attrs)

    @property
    def size(self) -> int:
        n = 1
        for d in self.shape:
            n *= d
        return n

    @property
    def nbytes(self) -> int:
        return self.size * self.dtype.itemsize

    def __repr__(self) -> str:
        return f"{self.op.name}{list(self.shape)}:{self.dtype.name}"

    # Arithmetic for gradient rules: numbers become constants of the other operand's type and shape.
    def __add__(self, other: Node | float) -> Node:
        return _operator("add", self, other)

    def __radd__(self, other: Node | float) -> Node:
        return _operator("add", other, self)

    def __sub__(self, other: Node | float) -> Node:
        return _operator("subtract", self, other)

    def __rsub__(self, other: Node | float) -> Node:
        return _operator("subtract", other, self)

    def __mul__(self, other: Node | float) -> Node:
        return _operator("multiply", self, other)

    def __rmul__(self, other: Node | float) -> Node:
        return _operator("multiply", other, self)

    def __truediv__(self, other: Node | float) -> Node:
        return _operator("divide", self, other)

    def __rtruediv__(self, other: Node | float) -> Node:
        return _operator("divide", other, self)

    def __neg__(self) -> Node:
        return OPS["negative"](self)


def _operator(name: str, a: Node | float, b: Node | float) -> Node:
    if not isinstance(a, Node):
        assert isinstance(b, Node)
        a = full(b.shape, a, b.dtype)
    if not isinstance(b, Node):
        b = full(a.shape, b, a.dtype)
    return OPS[name](a, b)


def make(op: Op, src: tuple[Node, ...], attrs: dict[str, Any]) -> Node:
    """The node of `op` on `src`; checks types and shapes and remembers the user's line."""
    items = tuple(sorted(attrs.items())) if attrs else ()
    key = (op.name, src, items)
    found = _table.get(key)
    if found is not None:
        return found
    node = Node()
    node.op, node.src, node.attrs = op, src, items
    node.site = _here.site or call_site()
    try:
        for s in src:
            if s.dtype.kind not in op.kinds:
                raise DTypeError(
                    f"{op.name} does not take {s.dtype.name}; it takes {_kind_words(op.kinds)}",
                    fix="convert first: x.astype(...)",
                )
        if op.kind is Kind.PART:
            shapes, types = src[0].parts[attrs["index"]]
        else:
            shapes = op.shape(*[s.shape for s in src], **attrs)
            types = op.dtype(*[s.dtype for s in src], **attrs)
    except SaltusError as error:
        error.site = error.site or format_site(node.site)
        raise
    if op.outputs == 1:
        node.shape, node.dtype, node.parts = shapes, types, ()
    else:
        node.parts = tuple(zip(shapes, types, strict=True))
        node.shape, node.dtype = node.parts[0] if node.parts else ((), dt.bool_)
    return _table.setdefault(key, node)


MAKE.append(make)


def _kind_words(kinds: str) -> str:
    words = {
        "b": "bool",
        "i": "signed integers",
        "u": "unsigned integers",
        "f": "real floats",
        "c": "complex",
    }
    return ", ".join(words[k] for k in kinds)


def placeholder(shape: Sequence[int], dtype: DType) -> Node:
    """A new input of a graph; no other node equals it."""
    return OPS["input"](slot=next(_slots), shape=tuple(shape), dtype=dtype)


def scalar(value: Any, dtype: DType) -> Node:
    """A 0-dimensional constant; equal bits give one node."""
    if dtype is dt.bfloat16:
        bits = dt.to_bfloat16(np.asarray(value, np.float32)).tobytes()
    else:
        with np.errstate(over="ignore", invalid="ignore"):
            bits = np.asarray(value).astype(dtype.numpy).tobytes()
    return OPS["const"](bits=bits, dtype=dtype)


def full(shape: Sequence[int], value: Any, dtype: DType) -> Node:
    """A constant of any shape: a broadcast scalar."""
    return broadcast(scalar(value, dtype), tuple(shape))


def broadcast(node: Node, shape: Shape) -> Node:
    """`node` repeated to `shape` (none is made where the shape is right already)."""
    return node if node.shape == shape else OPS["broadcast_to"](node, shape=shape)


def parts(node: Node) -> tuple[Node, ...]:
    """The results of an op with several."""
    return tuple(OPS["part"](node, index=i) for i in range(len(node.parts)))


def constant_value(node: Node) -> Any:
    """The Python number of a scalar constant, or None for any other node."""
    while node.op.name == "broadcast_to":
        node = node.src[0]
    if node.op.name != "const":
        return None
    bits = np.frombuffer(node.attr("bits"), node.dtype.numpy)
    return float(dt.from_bfloat16(bits)[0]) if node.dtype is dt.bfloat16 else bits[0].item()


def topological(roots: Iterable[Node], stop: Callable[[Node], bool] | None = None) -> list[Node]:
    """Every node the roots need, operands first; depth-first, so neighbours in the list belong together.

    Args:
        roots: where to start.
        stop: nodes for which it is true are listed, but their operands are not visited.
    """
    order: list[Node] = []
    seen: set[Node] = set()
    stack: list[Node | None] = [*reversed(list(roots))]  # None: the operands of the node below it are listed
    while stack:
        node = stack.pop()
        if node is None:
            order.append(stack.pop())  # type: ignore[arg-type]
        elif node not in seen:
            seen.add(node)
            if (stop is None or not stop(node)) and node.src:
                stack += (node, None)
                stack += node.src[::-1]
            else:
                order.append(node)
    return order


class Body:
    """The graph inside a scan: inputs, and results in terms of them. Two of the same nodes are equal."""

    __slots__ = ("inputs", "outputs")

    def __init__(self, inputs: Sequence[Node], outputs: Sequence[Node]) -> None:
        self.inputs, self.outputs = tuple(inputs), tuple(outputs)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Body) and self.inputs == other.inputs and self.outputs == other.outputs

    def __hash__(self) -> int:
        return hash((self.inputs, self.outputs))

    def __repr__(self) -> str:
        return f"body({len(self.inputs)} -> {len(self.outputs)})"


def substitute(roots: Sequence[Node], mapping: dict[Node, Node]) -> list[Node]:
    """The roots with some nodes replaced, e.g. a body's parameters by values."""
    if not mapping:
        return list(roots)
    done = dict(mapping)
    for node in topological(roots, stop=mapping.__contains__):
        if node in done:
            continue
        src = tuple(done[s] for s in node.src)
        done[node] = rebuild(node, src)
    return [done[r] for r in roots]


def rebuild(node: Node, src: tuple[Node, ...]) -> Node:
    """The same operation on other operands, with the user's line of the original."""
    if src == node.src:  # nodes are equal where they are the same
        return node
    with at(node.site):
        return make(node.op, src, node.kwargs)


def is_source(node: Node) -> bool:
    return node.op.kind is Kind.SOURCE
