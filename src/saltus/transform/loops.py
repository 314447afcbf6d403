"""Passes over the loops of a graph: loops that repeat each other become one, and what nobody reads goes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from saltus.ir.node import Body, Node, at, constant_value, full, placeholder, rebuild, substitute, topological
from saltus.ir.spec import OPS

PART, SCAN, MATMUL, PERMUTE, SLICE = (OPS[n] for n in ("part", "scan", "matmul", "permute", "slice"))


@dataclass
class Loop:
    """A scan taken apart: operands with the body's parameters for them, and the body's results.

    Attributes:
        state: (operand, parameter, result after a step) of each carry.
        slices: (operand, parameter) of each array that is read step by step.
        constants: (operand, parameter) of what stays the same.
        stacked: results kept of every step.
    """

    state: list[tuple[Node, Node, Node]]
    slices: list[tuple[Node, Node]]
    constants: list[tuple[Node, Node]]
    stacked: list[Node]
    length: int
    reverse: bool

    @classmethod
    def of(cls, node: Node) -> Loop:
        """The parts of a scan node."""
        body, carry, xs = node.attr("body"), node.attr("carry"), node.attr("xs")
        pairs = list(zip(node.src, body.inputs, strict=True))
        return cls(
            [(*pair, after) for pair, after in zip(pairs[:carry], body.outputs[:carry], strict=True)],
            pairs[carry : carry + xs],
            pairs[carry + xs :],
            list(body.outputs[carry:]),
            node.attr("length"),
            node.attr("reverse"),
        )

    @property
    def results(self) -> list[Node]:
        """What the body computes: the next state, then what is stacked."""
        return [after for _, _, after in self.state] + self.stacked

    def build(self) -> Node:
        """The scan node of these parts."""
        pairs = [(operand, parameter) for operand, parameter, _ in self.state] + self.slices + self.constants
        return SCAN(
            *[operand for operand, _ in pairs],
            body=Body([parameter for _, parameter in pairs], self.results),
            length=self.length,
            carry=len(self.state),
            xs=len(self.slices),
            reverse=self.reverse,
        )

    def with_results(self, results: Sequence[Node]) -> Loop:
        """The same loop with the body's results computed in another way."""
        count = len(self.state)
        state = [(o, p, after) for (o, p, _), after in zip(self.state, results[:count], strict=True)]
        return Loop(state, self.slices, self.constants, list(results[count:]), self.length, self.reverse)


def has_loops(outputs: Sequence[Node]) -> bool:
    """Whether a graph has any loop."""
    return any(n.op is SCAN for n in topological(outputs))


# A loop that takes the place of another, and where each of the other's results is among its own.
Edit = tuple[Loop, dict[int, int]]


def merge_loops(outputs: Sequence[Node]) -> list[Node]:
    """Loops over the same operands with the same state become one that gives the results of all.

    A gradient runs the forward loop once more to keep each step's state; here the two are joined.
    """
    groups: dict[object, list[Node]] = {}
    for node in topological(outputs):
        if node.op is SCAN:
            body, carry = node.attr("body"), node.attr("carry")
            rest = tuple(pair for pair in node.attrs if pair[0] != "body")
            groups.setdefault((node.src, body.inputs, body.outputs[:carry], rest), []).append(node)
    edits: dict[Node, Edit] = {}
    for group in groups.values():
        if len(group) == 1:
            continue
        loop = Loop.of(group[0])
        loop.stacked = list(dict.fromkeys(kept for node in group for kept in Loop.of(node).stacked))
        carry = len(loop.state)
        for node in group:
            kept = Loop.of(node).stacked
            places = {carry + i: carry + loop.stacked.index(k) for i, k in enumerate(kept)}
            edits[node] = loop, {i: i for i in range(carry)} | places
    return _replace(outputs, edits)


def trim_loops(outputs: Sequence[Node]) -> list[Node]:
    """Results of loops that nobody uses, or that another one repeats, are dropped, and with them state that only they needed."""
    used: dict[Node, set[int]] = {}
    for node in topological(outputs):
        if node.op is PART and node.src[0].op is SCAN:
            used.setdefault(node.src[0], set()).add(node.attr("index"))
    edits: dict[Node, Edit] = {}
    for node, indices in used.items():
        loop = Loop.of(node)
        carry = len(loop.state)
        first: dict[Node, int] = {}
        same = [i if i < carry else first.setdefault(kept, i) for i, kept in enumerate(loop.results)]
        live = _live(loop, {same[i] for i in indices})
        if len(live) < len(loop.results):
            order = {index: place for place, index in enumerate(live)}
            places = {i: order[index] for i, index in enumerate(same) if index in order}
            loop.stacked = [kept for i, kept in enumerate(loop.stacked, carry) if i in order]
            loop.state = [state for i, state in enumerate(loop.state) if i in order]
            edits[node] = loop, places
    return _replace(outputs, edits)


def _live(loop: Loop, indices: set[int]) -> list[int]:
    """Results that are used, and the state they are computed from, step after step."""
    states = {parameter: i for i, (_, parameter, _) in enumerate(loop.state)}
    results = loop.results
    live: set[int] = set()
    fresh = set(indices)
    while fresh:
        live |= fresh
        reached = topological([results[i] for i in fresh])
        fresh = {states[n] for n in reached if n in states} - live
    return sorted(live)


def _replace(outputs: Sequence[Node], edits: dict[Node, Edit]) -> list[Node]:
    """The graph with other loops in place of some."""
    if not edits:
        return list(outputs)
    done: dict[Node, Node] = {}

    def new(operand: Node) -> Node:
        """An operand of the new graph; an edit may bring operands that the old one did not have."""
        if operand not in done:
            done[operand] = rebuild(operand, tuple(new(s) for s in operand.src))
        return done[operand]

    for node in topological(outputs):
        if node in edits:
            with at(node.site):
                done[node] = _on(edits[node][0], new).build()
        elif node.op is PART and node.src[0] in edits:
            with at(node.site):
                done[node] = PART(done[node.src[0]], index=edits[node.src[0]][1][node.attr("index")])
        else:
            done[node] = rebuild(node, tuple(done[s] for s in node.src))
    return [done[o] for o in outputs]


def _on(loop: Loop, new: Callable[[Node], Node]) -> Loop:
    """The same loop on other operands."""
    return Loop(
        [(new(o), p, after) for o, p, after in loop.state],
        [(new(o), p) for o, p in loop.slices],
        [(new(o), p) for o, p in loop.constants],
        loop.stacked,
        loop.length,
        loop.reverse,
    )


def turn_factors(outputs: Sequence[Node]) -> list[Node]:
    """A matrix that every step multiplies by transposed, be it a part of a constant, is turned once, before the loop."""
    edits: dict[Node, Edit] = {}
    for node in topological(outputs):
        if node.op is not SCAN or node.attr("length") < 2:
            continue
        loop = Loop.of(node)
        operands = {parameter: operand for operand, parameter in loop.constants}
        turned: dict[Node, tuple[Node, Node]] = {}
        swapped: dict[Node, Node] = {}
        for product in topological(loop.results):
            if product.op is not MATMUL or not product.attr("tb"):
                continue
            matrix = product.src[1]
            below = matrix
            while below.op is SLICE:
                (below,) = below.src
            if below not in operands:
                continue
            if matrix not in turned:
                last = len(matrix.shape) - 1
                (part,) = substitute([matrix], {below: operands[below]})
                operand = PERMUTE(part, axes=(*range(last - 1), last, last - 1))
                turned[matrix] = operand, placeholder(operand.shape, operand.dtype)
            with at(product.site):
                swapped[product] = MATMUL(product.src[0], turned[matrix][1], ta=product.attr("ta"), tb=False)
        if turned:
            loop = loop.with_results(_settled(loop.results, swapped))
            reached = set(topological(loop.results))
            loop.constants = [pair for pair in (*loop.constants, *turned.values()) if pair[1] in reached]
            edits[node] = loop, {i: i for i in range(len(loop.results))}
    return _replace(outputs, edits)


def narrow_states(outputs: Sequence[Node]) -> list[Node]:
    """State of which every step reads the same part, and nobody the last value, is carried as that part."""
    used = {(n.src[0], n.attr("index")) for n in topological(outputs) if n.op is PART}
    edits: dict[Node, Edit] = {}
    for node in topological(outputs):
        if node.op is not SCAN:
            continue
        loop = Loop.of(node)
        readers: dict[Node, list[Node]] = {p: [] for i, (_, p, _) in enumerate(loop.state) if (node, i) not in used}
        for reader in topological(loop.results) if readers else ():
            for source in reader.src:
                if source in readers:
                    readers[source].append(reader)
        for result in loop.results:
            readers.pop(result, None)
        swapped: dict[Node, Node] = {}
        for i, (operand, parameter, after) in enumerate(loop.state):
            own = readers.get(parameter, [])
            if not own or any(n.op is not SLICE or n.attrs != own[0].attrs for n in own):
                continue
            part = SLICE(operand, **own[0].kwargs)
            narrow = placeholder(part.shape, part.dtype)
            swapped |= dict.fromkeys(own, narrow)
            loop.state[i] = part, narrow, SLICE(after, **own[0].kwargs)
        if swapped:
            edits[node] = loop.with_results(substitute(loop.results, swapped)), {i: i for i in range(len(loop.results))}
    return _replace(outputs, edits)


def _settled(outputs: Sequence[Node], swapped: dict[Node, Node]) -> list[Node]:
    """The graph with some nodes computed in another way, from operands that may have changed themselves."""
    done: dict[Node, Node] = {}
    for node in topological(outputs):
        made = swapped.get(node, node)
        done[node] = rebuild(made, tuple(done.get(s, s) for s in made.src))
    return [done[o] for o in outputs]


def tidy(node: Node) -> Node:
    """The loop without parameters it does not need: constants move into the body, repeats and unused ones go.

    The results stay what they are, in number and order.
    """
    loop = Loop.of(node)
    known: dict[Node, Node] = {}  # parameters that turn out to be something else
    for group in (loop.slices, loop.constants):
        first: dict[Node, Node] = {}
        for operand, parameter in group:
            value = constant_value(operand)
            if value is not None:
                known[parameter] = full(parameter.shape, value, parameter.dtype)
            elif operand in first:
                known[parameter] = first[operand]
            else:
                first[operand] = parameter
    results = substitute(loop.results, known) if known else loop.results
    reached = set(topological(results))
    slices = [pair for pair in loop.slices if pair[1] in reached]
    constants = [pair for pair in loop.constants if pair[1] in reached]
    if len(slices) == len(loop.slices) and len(constants) == len(loop.constants):
        return node
    loop = loop.with_results(results)
    loop.slices, loop.constants = slices, constants
    return loop.build()
