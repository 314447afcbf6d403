"""Which captures are under way: jit, scan, gradients; the lowest file of the tensor layer.

Outside every capture a computed Tensor forgets how it was made. Inside one it must remember, or derivatives would be lost.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from saltus.base.errors import TracingError
from saltus.base.trace import call_site, format_site
from saltus.ir.node import Node


class Capture:
    """One capture.

    Attributes:
        name: as messages name it, "sl.jit of step".
        looked: where a value that was computed inside was looked at, and so left the graph.
        derived: whether a derivative was taken inside.
    """

    __slots__ = ("derived", "looked", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self.looked: list[str | None] = []
        self.derived = False


class _Captures(threading.local):
    """The captures of one thread, outermost first."""

    def __init__(self) -> None:
        self.open: list[Capture] = []


captures = _Captures()
_tokens = itertools.count()


def token() -> int:
    """A number no other call gives, to tell copies of a node apart."""
    return next(_tokens)


@contextmanager
def capture(name: str) -> Iterator[Capture]:
    """Run the block as a capture, named for messages as the user wrote it: "sl.jit of step"."""
    captures.open.append(Capture(name))
    try:
        yield captures.open[-1]
    finally:
        captures.open.pop()


def note_derivative(outside: int = 1) -> None:
    """Tell the innermost capture, or one further outside, that a derivative is taken in it."""
    if len(captures.open) >= outside:
        captures.open[-outside].derived = True


def here() -> str | None:
    """The user's line, for messages."""
    return format_site(call_site())


def format_keys(path: Sequence[str | int]) -> str:
    """A path into a tree as Python writes it: ['layers'][0]."""
    return "".join(f"[{key!r}]" for key in path)


def name_of(function: object) -> str:
    """A function's name for messages."""
    return getattr(function, "__qualname__", None) or type(function).__name__


def value_needed(node: Node) -> TracingError:
    """The error for a value that does not exist yet."""
    if not captures.open:
        return TracingError(
            f"this Tensor ({node.dtype.name}, shape {node.shape}) was made while a function was captured and has no value outside of it",
            site=format_site(node.site),
            fix="return it from the function instead of storing it in an outer variable",
        )  # fmt: skip
    return TracingError(
        f"the value of a Tensor ({node.dtype.name}, shape {node.shape}) is needed here, "
        f"but in {captures.open[-1].name} only its shape and type are known",
        site=here(),
        fix="choose with sl.where(condition, a, b) instead of `if`, loop with sl.scan, "
        "make the argument static (sl.jit(..., static=...)), or do this outside the function",
    )
