"""Every pass a graph goes through before an engine plans it, as one list."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from saltus.base import settings
from saltus.ir.node import Node
from saltus.ir.show import show
from saltus.ir.verify import verify
from saltus.transform.simplify import simplify
from saltus.transform.widen import widen_products

PASSES: tuple[tuple[str, Callable[[Sequence[Node]], list[Node]]], ...] = (
    ("widen", widen_products),
    ("simplify", simplify),
)


def prepare(inputs: Sequence[Node], outputs: Sequence[Node], name: str) -> list[Node]:
    """The outputs after all passes; checked between them when SALTUS_VERIFY is set, printed when SALTUS_SHOW has "graph"."""
    results = list(outputs)
    checked = settings.verify()
    if checked:
        verify(results)
    for _, change in PASSES:
        results = change(results)
        if checked:
            verify(results)
    if "graph" in settings.show():
        print(show(results, inputs, title=name), file=sys.stderr)
    return results
