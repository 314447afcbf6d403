"""Computed arrays and the engine behind lazy Tensors: which nodes have a value, and how the others get theirs.

Any node may have a stored value; it is then a leaf of every graph above it. A graph that comes once is evaluated node by node with
NumPy. One whose work adds up is compiled, keyed by its structure, so that equal graphs on other arrays share a program.
"""

from __future__ import annotations

import weakref
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import numpy as np

from saltus.backend.base import Executable, compile_graph
from saltus.base import settings
from saltus.ir.evaluate import evaluate
from saltus.ir.node import Body, Node, constant_value, is_source, placeholder, substitute, topological
from saltus.ops.call import inline
from saltus.tensor.tracing import value_needed

Array = np.ndarray[Any, Any]


class Storage:
    """Arrays of nodes, dropped with the node. As a weak dictionary, but quicker to ask."""

    def __init__(self) -> None:
        self._kept: dict[int, tuple[weakref.ref[Node], Array]] = {}

    def get(self, node: Node) -> Array | None:
        found = self._kept.get(id(node))
        return None if found is None else found[1]

    def __contains__(self, node: Node) -> bool:
        if id(node) not in self._kept:
            return False
        # a constant that somebody once looked at is still a constant to every other graph
        inner = node.src[0] if node.op.name == "broadcast_to" else node
        return inner.op.name != "const"

    def put(self, node: Node, array: Array) -> None:
        key, kept = id(node), self._kept
        kept[key] = (weakref.ref(node, lambda _: kept.pop(key, None)), array)


storage = Storage()
named: weakref.WeakValueDictionary[Node, Any] = weakref.WeakValueDictionary()  # lazy Tensors that a variable still names


def leaf(array: Array, dtype: Any) -> Node:
    """A new input whose value is known."""
    node = placeholder(array.shape, dtype)
    storage.put(node, array)
    return node


_FREE = ("const", "iota", "broadcast_to", "reshape")  # made again where they are used, at no cost


def compute(roots: Sequence[Node]) -> list[Array]:
    """Values of nodes, stored for as long as the nodes live.

    Tensors inside these graphs that a variable still names are kept too, so that nothing is computed twice.

    Raises:
        TracingError: a graph stands on an input that has no value.
    """
    wanted = [r for r in roots if r not in storage]
    if wanted:
        order = topological(wanted, stop=storage.__contains__)
        asked = set(wanted)
        wanted += [n for n in order if n in named and n not in asked and n not in storage and n.op.name not in _FREE]
        targets = inline(wanted, storage.__contains__)
        for node, array in zip(wanted, _run(targets), strict=True):
            storage.put(node, array)
            holder = named.get(node)
            if holder is not None:
                holder._settle(node, array)
    return [storage.get(r) for r in roots]  # type: ignore[misc]


def fresh(nodes: Sequence[Node]) -> list[Array]:
    """Values of nodes in arrays that nobody else holds, and that are not kept: for values that will be overwritten.

    Zeros take no memory until they are written to.
    """
    drawn = [n for n in dict.fromkeys(nodes) if n not in storage and constant_value(n) is None]
    made = dict(zip(drawn, _run(inline(drawn, storage.__contains__)), strict=True)) if drawn else {}
    arrays: list[Array] = []
    taken: set[int] = set()
    for node in nodes:
        array = made.get(node)
        if array is None and node not in storage:
            array = np.zeros(node.shape, node.dtype.numpy)
            if any(bits := _constant_bits(node)):
                array[...] = np.frombuffer(bits, array.dtype)[0]
        elif array is None or id(array) in taken:
            array = (storage.get(node) if array is None else array).copy()  # type: ignore[union-attr]
        taken.add(id(array))
        arrays.append(array)
    return arrays


def _constant_bits(node: Node) -> bytes:
    while node.op.name == "broadcast_to":
        node = node.src[0]
    return bytes(node.attr("bits"))


# A program pays when the node-by-node runs it saves have cost as much as compiling: about that many units of one element's work.
_COMPILE_AT = 20_000_000
_NODE_COST = 2_000
_LARGEST = 4_000  # nodes; a longer graph is a loop that a user unrolled, and compiling it would stall him
_PROGRAMS = 256


class _Structure:
    """What is known of graphs that differ only in constants: work done so far, constants met, programs made."""

    def __init__(self, constants: tuple[Any, ...]) -> None:
        self.work = 0
        self.constants = constants
        self.varying: set[int] = set()
        self.programs: dict[Any, Executable] = {}


_structures: OrderedDict[Any, _Structure] = OrderedDict()


def _run(roots: Sequence[Node]) -> list[Array]:
    order = topological(roots, stop=storage.__contains__)
    work = 0
    for node in order:
        if node in storage:
            continue
        if node.op.name == "input":
            raise value_needed(node)
        work += _NODE_COST + node.size * (node.src[0].shape[-1] if node.op.name == "matmul" else 1)
    if settings.backend() == "reference" or len(order) > _LARGEST:
        return _evaluate(roots, order)
    key, leaves, constants = _signature(roots, order)
    bits = tuple(n.attr("bits") for n in constants)
    known = _structures.get(key)
    if known is None:
        known = _structures[key] = _Structure(bits)
        if len(_structures) > _PROGRAMS:
            _structures.popitem(last=False)
    else:
        _structures.move_to_end(key)
        known.varying |= {i for i, (a, b) in enumerate(zip(bits, known.constants, strict=True)) if a != b}
    known.work += work
    if known.work < _COMPILE_AT:
        return _evaluate(roots, order)
    lifted = [constants[i] for i in sorted(known.varying)]
    variant = (tuple(sorted(known.varying)), tuple(b for i, b in enumerate(bits) if i not in known.varying))
    program = known.programs.get(variant)
    if program is None:
        program = known.programs[variant] = _compile(roots, leaves, lifted)
    arrays = [storage.get(n) for n in leaves]
    arrays += [np.frombuffer(n.attr("bits"), n.dtype.numpy).reshape(()) for n in lifted]
    return program(arrays)  # type: ignore[arg-type]


def _evaluate(roots: Sequence[Node], order: Sequence[Node]) -> list[Array]:
    env = {n: a for n in order if (a := storage.get(n)) is not None}
    return [np.array(v, order="C") for v in evaluate(roots, env)]


def _compile(roots: Sequence[Node], leaves: Sequence[Node], lifted: Sequence[Node]) -> Executable:
    """The program of a graph whose leaves, and the constants that changed between runs, are inputs."""
    inputs = {n: placeholder(n.shape, n.dtype) for n in [*leaves, *lifted]}
    return compile_graph(list(inputs.values()), substitute(roots, inputs), name="eager")


def _signature(roots: Sequence[Node], order: Sequence[Node]) -> tuple[Any, list[Node], list[Node]]:
    """A key equal for graphs of equal structure, the leaves in its order, and the scalar constants it leaves out."""
    number: dict[Node, int] = {}
    key: list[Any] = []
    leaves: list[Node] = []
    constants: list[Node] = []
    tokens: dict[Any, int] = {}
    for node in order:
        if node in storage:
            leaves.append(node)
            key.append((node.shape, node.dtype.name))
        elif node.op.name == "const":
            constants.append(node)
            key.append(node.dtype.name)
        else:
            key.append((node.op.name, tuple([number[s] for s in node.src]), _attributes(node, tokens)))
        number[node] = len(number)
    return (tuple(key), tuple(number[r] for r in roots)), leaves, constants


def _attributes(node: Node, tokens: dict[Any, int]) -> tuple[Any, ...]:
    if node.op.name == "barrier":  # its token tells copies apart; which number it is does not matter
        return (tokens.setdefault(node.attr("token"), len(tokens)),)
    return tuple((k, _body_key(v) if isinstance(v, Body) else v) for k, v in node.attrs)


def _body_key(body: Body) -> tuple[Any, ...]:
    number: dict[Node, int] = {}
    key: list[Any] = []
    tokens: dict[Any, int] = {}
    order = topological(body.outputs)
    for node in [*body.inputs, *order]:
        if node in number:
            continue
        number[node] = len(number)
        attributes = (node.shape, node.dtype.name) if is_source(node) and node.op.name == "input" else _attributes(node, tokens)
        key.append((node.op.name, tuple([number[s] for s in node.src]), attributes))
    return tuple(key), len(body.inputs), tuple(number[o] for o in body.outputs)
