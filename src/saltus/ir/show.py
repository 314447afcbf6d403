"""Graphs as text that a reader can follow and a test can compare: one line a node, names by order of use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

from saltus.base.dtypes import DType
from saltus.ir.node import Body, Node, constant_value, topological
from saltus.ir.spec import Kind, Shape

_HIDDEN = ("bits", "slot", "body", "index")


def type_text(shape: Shape, dtype: DType) -> str:
    """For example float32[128, 10]."""
    return f"{dtype.name}{list(shape)}"


def _attribute_text(value: Any) -> str:
    if isinstance(value, DType):
        return value.name
    if isinstance(value, tuple):
        return "[" + ", ".join(map(_attribute_text, value)) + "]"
    return getattr(value, "__qualname__", None) or repr(value)


class _Writer:
    """Lines under construction, with the name of every node met so far."""

    def __init__(self, labels: Mapping[Node, str], *, sites: bool) -> None:
        self.labels, self.sites = labels, sites
        self.lines: list[str] = []
        self._names: dict[Node, str] = {}

    def name(self, node: Node) -> str:
        """How a node is referred to: constants by value, results of one op by their number."""
        if node.op.kind is Kind.PART:
            return f"{self.name(node.src[0])}.{node.attr('index')}"
        value = constant_value(node)
        if value is not None:
            return repr(value)
        return self._names.setdefault(node, f"%{len(self._names)}")

    def block(self, title: str, inputs: Sequence[Node], outputs: Sequence[Node], indent: str) -> None:
        """A titled graph: its inputs, its nodes, its results."""
        order = topological(outputs)
        free = [n for n in order if n.op.name == "input" and n not in inputs]
        given = [self._input(n) for n in (*inputs, *free)]
        self.lines.append(f"{indent}{title}({', '.join(given)})")
        for node in order:
            if node.op.name != "input" and node.op.kind is not Kind.PART and constant_value(node) is None:
                self._node(node, indent + "  ")
        self.lines.append(f"{indent}  return {', '.join(map(self.name, outputs))}")

    def _input(self, node: Node) -> str:
        label = f" {self.labels[node]!r}" if node in self.labels else ""
        return f"{self.name(node)}{label}: {type_text(node.shape, node.dtype)}"

    def _node(self, node: Node, indent: str) -> None:
        operands = [self.name(s) for s in node.src]
        attributes = [f"{k}={_attribute_text(v)}" for k, v in node.attrs if k not in _HIDDEN]
        if node.parts:
            types = "(" + ", ".join(type_text(*p) for p in node.parts) + ")"
        else:
            types = type_text(node.shape, node.dtype)
        line = f"{indent}{self.name(node)} = {node.op.name}({', '.join(operands + attributes)}) : {types}"
        if self.sites:
            line += f"  # {PurePath(node.site[0]).name}:{node.site[1]}"
        self.lines.append(line)
        for body in (v for _, v in node.attrs if isinstance(v, Body)):
            self.block("body", body.inputs, body.outputs, indent + "    ")


def show(
    outputs: Sequence[Node],
    inputs: Sequence[Node] = (),
    *,
    title: str = "graph",
    labels: Mapping[Node, str] | None = None,
    sites: bool = False,
) -> str:
    """A graph as text.

    Args:
        outputs: its results.
        inputs: its inputs in order; those it uses beyond them follow.
        title: first word of the text.
        labels: names of inputs, such as the paths of parameters.
        sites: whether each node's line of the user's program is written behind it.

    Returns:
        Lines such as `%2 = matmul(%0, %1, ta=False, tb=False) : float32[128, 10]`. Constants stand where they
        are used, `%7.1` is the second result of `%7`, and the body of a loop is indented below it.
    """
    writer = _Writer(labels or {}, sites=sites)
    writer.block(title, inputs, outputs, "")
    return "\n".join(writer.lines)
