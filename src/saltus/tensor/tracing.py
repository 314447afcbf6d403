"""Which captures are under way: jit, scan, gradients; the lowest file of the tensor layer.

Outside every capture a computed Tensor forgets how it was made. Inside one it must remember, or derivatives would be lost.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from saltus.base.errors import TracingError
from saltus.base.trace import call_site, format_site
from saltus.ir.node import Node


class _Captures(threading.local):
    """The captures of one thread, outermost first."""

    def __init__(self) -> None:
        self.names: list[str] = []


captures = _Captures()


@contextmanager
def capture(name: str) -> Iterator[None]:
    """Run the block as a capture, named for messages as the user wrote it: "sl.jit of step"."""
    captures.names.append(name)
    try:
        yield
    finally:
        captures.names.pop()


def here() -> str | None:
    """The user's line, for messages."""
    return format_site(call_site())


def name_of(function: object) -> str:
    """A function's name for messages."""
    return getattr(function, "__qualname__", None) or type(function).__name__


def value_needed(node: Node) -> TracingError:
    """The error for a value that does not exist yet."""
    if not captures.names:
        return TracingError(
            f"this Tensor ({node.dtype.name}, shape {node.shape}) was made while a function was captured and has no value outside of it",
            site=format_site(node.site),
            fix="return it from the function instead of storing it in an outer variable",
        )  # fmt: skip
    return TracingError(
        f"the value of a Tensor ({node.dtype.name}, shape {node.shape}) is needed here, "
        f"but in {captures.names[-1]} only its shape and type are known",
        site=here(),
        fix="choose with sl.where(condition, a, b) instead of `if`, loop with sl.scan, "
        "make the argument static (sl.jit(..., static=...)), or do this outside the function",
    )
