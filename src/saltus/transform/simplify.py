"""Simplification: the same values from fewer, smaller or cheaper nodes.

PASSES is the whole story, in order; most are about loops (`loops.py`). `rewrite` walks the graph once
from its inputs and offers each node to the rules registered for its op (`rules.py`). Rules keep values, NaN,
infinities and the sign of zero included; only the order in which a sum is added up may change, and the sign of a
sum that is 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from saltus.ir.node import Node, at, rebuild, topological
from saltus.transform.loops import SCAN, Loop, has_loops, merge_loops, narrow_states, tidy, trim_loops, turn_factors
from saltus.transform.rules import rules_of
from saltus.transform.trimming import trim_products

Pass = Callable[[Sequence[Node]], list[Node]]


class _Rewriter:
    """One walk: every node settled so far, with what it became."""

    def __init__(self) -> None:
        self._done: dict[Node, Node] = {}

    def run(self, roots: Sequence[Node]) -> list[Node]:
        done = self._done
        for node in topological(roots, stop=done.__contains__):
            if node not in done:
                done[node] = self._settled(rebuild(node, tuple([done[s] for s in node.src])))
        return [done[r] for r in roots]

    def _settled(self, node: Node) -> Node:
        """What the rules make of a node whose operands are settled."""
        known = self._done.get(node)
        if known is not None:
            return known
        if node.op is SCAN:
            return self._loop(node)
        settled = node
        with at(node.site):
            for rule in rules_of(node.op):
                found = rule(node)
                if found is not None and found is not node:
                    settled = self.run([found])[0]
                    break
        self._done[node] = settled
        return settled

    def _loop(self, node: Node) -> Node:
        """A loop whose body went through the same passes."""
        with at(node.site):
            tidied = tidy(node)
            loop = Loop.of(tidied)
            results = simplify(loop.results)
            made = tidied
            if any(a is not b for a, b in zip(results, loop.results, strict=True)):
                made = tidy(loop.with_results(results).build())
        self._done[node] = self._done[made] = made
        return made


def rewrite(outputs: Sequence[Node]) -> list[Node]:
    """Every node by the rules of its op, operands first."""
    return _Rewriter().run(outputs)


PASSES: tuple[tuple[str, Pass], ...] = (
    ("merge loops", merge_loops),
    ("trim loops", trim_loops),
    ("narrow states", narrow_states),
    ("trim products", trim_products),
    ("rewrite", rewrite),
    ("turn factors", turn_factors),
)
WITHOUT_LOOPS = PASSES[3:5]


def simplify(outputs: Sequence[Node]) -> list[Node]:
    """The graph after every pass.

    Args:
        outputs: results of a graph in which every derivative has been taken: stop_gradient goes too.

    Returns:
        Nodes of the same shapes, types and values, in the same order. Rewritten nodes keep their user's line.
    """
    passes = PASSES if has_loops(outputs) else WITHOUT_LOOPS
    current = list(outputs)
    for _, run in passes:
        current = run(current)
    return current
