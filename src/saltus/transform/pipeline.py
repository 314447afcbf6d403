"""Every pass a graph goes through before an engine plans it, as one list."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from saltus.base import settings
from saltus.ir.node import Node
from saltus.ir.show import show
from saltus.ir.verify import verify
from saltus.transform.convolution import lower_convolutions
from saltus.transform.simplify import simplify
from saltus.transform.widen import widen_products

Pass = tuple[str, Callable[[Sequence[Node]], list[Node]]]
PASSES: tuple[Pass, ...] = (
    ("widen", widen_products),
    ("simplify", simplify),
)
NATIVE_PASSES: tuple[Pass, ...] = (
    ("widen", widen_products),
    ("lower convolutions", lower_convolutions),
    ("simplify", simplify),
)


def prepare(inputs: Sequence[Node], outputs: Sequence[Node], name: str, *, native: bool = False) -> list[Node]:
    """The outputs after all passes; checked between them when SALTUS_VERIFY is set, printed when SALTUS_SHOW has "graph"."""
    results = list(outputs)
    checked = settings.verify()
    if checked:
        verify(results)
    for _, change in NATIVE_PASSES if native else PASSES:
        results = change(results)
        if checked:
            verify(results)
    if "graph" in settings.show():
        print(show(results, inputs, title=name), file=sys.stderr)
    return results
