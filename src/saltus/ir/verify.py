"""The grammar of graphs, checked between passes: what `make` promises, and what a whole graph can break."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from saltus.base.dtypes import DType
from saltus.base.errors import EngineError, SaltusError
from saltus.base.trace import format_site
from saltus.ir.node import Body, Node, topological
from saltus.ir.spec import OPS, Kind


def _broken(node: Node, what: str) -> EngineError:
    return EngineError(
        f"the graph is not valid at {node}: {what}",
        site=format_site(getattr(node, "site", None)),
        fix="this is a fault of saltus: please report it with the program that led here",
    )


def _operands(node: Node) -> None:
    """Operands are nodes, of kinds the op takes; several results are used through their parts."""
    for i, s in enumerate(node.src):
        if not isinstance(s, Node):
            raise _broken(node, f"operand {i} is {type(s).__name__}, not a node")
        if s.parts and node.op.kind is not Kind.PART:
            raise _broken(node, f"operand {i}, {s}, has {len(s.parts)} results; one of them must be named")
        if s.dtype.kind not in node.op.kinds:
            raise _broken(node, f"operand {i} is {s.dtype.name}, which {node.op.name} does not take")


def _attributes(node: Node) -> None:
    """Attributes are hashable, sorted by name, each once."""
    names = [k for k, _ in node.attrs]
    if names != sorted(set(names)):
        raise _broken(node, f"attributes are not sorted by name: {names}")
    for key, value in node.attrs:
        try:
            hash(value)
        except TypeError:
            raise _broken(node, f"attribute {key} is not hashable: {value!r}") from None


def _result(node: Node) -> None:
    """Shapes and types are what the record says of the operands."""
    if node.op.kind is Kind.PART:
        index = node.attr("index")
        if not 0 <= index < len(node.src[0].parts):
            raise _broken(node, f"part {index} of the {len(node.src[0].parts)} results of {node.src[0]}")
        expected: Any = node.src[0].parts[index]
    else:
        try:
            shape = node.op.shape(*[s.shape for s in node.src], **node.kwargs)
            dtype = node.op.dtype(*[s.dtype for s in node.src], **node.kwargs)
        except (SaltusError, TypeError, IndexError, ValueError) as error:
            raise _broken(node, f"its record refuses it: {error}") from error
        expected = (shape, dtype) if node.op.outputs == 1 else tuple(zip(shape, dtype, strict=True))
    if node.op.outputs == 1:
        if (node.shape, node.dtype) != expected:
            raise _broken(
                node, f"it is {node.dtype} {node.shape}, its record says {expected[1]} {expected[0]}"
            )
    elif node.parts != expected:
        raise _broken(node, f"its results are {node.parts}, its record says {expected}")
    for shape, dtype in node.parts or ((node.shape, node.dtype),):
        if not isinstance(shape, tuple) or any(type(d) is not int or d < 0 for d in shape):
            raise _broken(node, f"{shape!r} is not a shape")
        if not isinstance(dtype, DType):
            raise _broken(node, f"{dtype!r} is not an element type")


def _body(node: Node) -> None:
    """The graph inside a loop uses its own inputs only, and they fit the operands."""
    for body in (v for _, v in node.attrs if isinstance(v, Body)):
        if len(set(body.inputs)) != len(body.inputs) or any(n.op.name != "input" for n in body.inputs):
            raise _broken(node, "the inputs of its body must be inputs, each once")
        if len(body.inputs) != len(node.src):
            raise _broken(node, f"its body has {len(body.inputs)} inputs for {len(node.src)} operands")
        for inner in topological(body.outputs):
            if inner.op.name == "input" and inner not in body.inputs:
                raise _broken(node, f"its body is not closed: it uses {inner} from outside")
        verify(body.outputs)
        if node.op.name != "scan":
            continue
        carry, xs = node.attr("carry"), node.attr("xs")
        for i, (operand, parameter) in enumerate(zip(node.src, body.inputs, strict=True)):
            shape = operand.shape[1:] if carry <= i < carry + xs else operand.shape
            if (shape, operand.dtype) != (parameter.shape, parameter.dtype):
                raise _broken(node, f"operand {i}, {operand}, does not fit the body's {parameter}")


RULES: tuple[Callable[[Node], None], ...] = (_operands, _attributes, _result, _body)


def verify(outputs: Sequence[Node], inputs: Sequence[Node] | None = None) -> None:
    """Check a whole graph.

    Args:
        outputs: its results.
        inputs: where given, the only inputs it may use.

    Raises:
        EngineError: a node breaks a rule; the message names the node, the rule and the user's line.
    """
    allowed = None if inputs is None else set(inputs)
    for node in topological(outputs, stop=lambda n: not isinstance(n, Node)):
        if not isinstance(node, Node):
            continue  # its user is next, and names it
        if OPS.get(node.op.name, node.op) is not node.op:
            raise _broken(node, f"{node.op.name} is another record than the one registered under this name")
        for rule in RULES:
            rule(node)
        if allowed is not None and node.op.name == "input" and node not in allowed:
            raise _broken(node, "it is not among the graph's inputs")
