"""What a network is and costs, before anything runs: layers with shapes, parameters, operations and memory, as text, JSON and a drawing.
In: module. The drawing is made in `diagram`.

The network is traced once without values. Each operation of the trace belongs to the innermost layer that made it; so operations and memory
are those of the graph that will run, for layers of one's own too.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from saltus.base import tree
from saltus.ir.node import Node, is_source, topological
from saltus.ir.spec import Kind
from saltus.nn.checks import whole
from saltus.nn.diagram import Box, draw
from saltus.nn.graph import InputLayer
from saltus.nn.layer import Layer, Shape, Spec
from saltus.nn.module import making
from saltus.nn.scope import LayerUse, Run
from saltus.ops.cost import flops
from saltus.tensor import random


@dataclass(frozen=True)
class Row:
    """One layer of a summary.

    Attributes:
        path: "block/dense_1".
        kind: its class.
        output: shapes of its results, with the batch of 1 that was traced.
        trained, frozen: elements of its parameters that training changes, and that it does not.
        moving: elements of its moving averages and the like.
        keeps_averages: whether it has moving averages and is frozen, so that they stay as they are too.
        flops: operations of its forward pass for one sample.
        nbytes: size of its results for one sample; 0 where they are its input in another shape.
        sources: numbers of the rows whose results it takes; -1 - n for the network's input n.
    """

    path: str
    kind: str
    output: tuple[Shape, ...]
    trained: int
    frozen: int
    moving: int
    keeps_averages: bool
    flops: int
    nbytes: int
    sources: tuple[int, ...]

    @property
    def parameters(self) -> int:
        return self.trained + self.frozen

    @property
    def note(self) -> str:
        """What freezing means for it, in words."""
        if self.keeps_averages:
            return "frozen, its averages too"
        return "frozen" if self.frozen and not self.trained else f"{self.frozen:,} frozen" if self.frozen else ""


@dataclass(frozen=True)
class Summary:
    """What `nn.summary` returns; printed, it is a table.

    Attributes:
        rows: one for each layer that computes something, in order.
        inputs: shapes of the network's inputs.
        outputs: numbers of the rows that make its results.
        batch_size: for which memory is told.
        trained, frozen: elements of all parameters.
        moving: elements of moving averages and the like.
        flops: operations of the forward pass of one sample; a multiplication with its addition counts two.
        activation_bytes: size of the inputs and all layers' results at the batch size.
        parameter_bytes: size of parameters and moving averages.
        state_bytes: size of these with the state of the optimizer, where there is one.
    """

    rows: tuple[Row, ...]
    inputs: tuple[Shape, ...]
    outputs: tuple[int, ...]
    batch_size: int
    trained: int
    frozen: int
    moving: int
    flops: int
    activation_bytes: int
    parameter_bytes: int
    state_bytes: int | None = None

    @property
    def parameters(self) -> int:
        return self.trained + self.frozen

    def replace(self, **changes: Any) -> Summary:
        """The same with other values in some fields."""
        return dataclasses.replace(self, **changes)

    def __str__(self) -> str:
        head = ("layer", "kind", "output", "parameters", "FLOPs", f"memory at {self.batch_size}", "")
        cells = [head, *(self._cells(r) for r in self.rows)]
        widths = [max(len(c[i]) for c in cells) for i in range(len(head))]
        lines = ["  ".join(c.rjust(w) if 3 <= i <= 5 else c.ljust(w) for i, (c, w) in enumerate(zip(line, widths, strict=True))).rstrip()
                 for line in cells]  # fmt: skip
        lines.insert(1, "  ".join("-" * w for w in widths if w))
        return "\n".join([*lines, "", *self.totals()])

    def _cells(self, row: Row) -> tuple[str, ...]:
        return (row.path, row.kind, ", ".join(map(_shape, row.output)), f"{row.parameters:,}", _short(row.flops),
                _bytes(row.nbytes * self.batch_size), row.note)  # fmt: skip

    def totals(self) -> list[str]:
        """The sums, a line each."""
        state = "" if self.state_bytes is None else f" ({_bytes(self.state_bytes)} with the optimizer)"
        return [
            f"parameters: {self.parameters:,} ({self.trained:,} trained, {self.frozen:,} frozen), and {self.moving:,} moving averages",
            f"forward pass: {_flops(self.flops)} a sample",
            f"memory: {_bytes(self.parameter_bytes)} of weights{state}, {_bytes(self.activation_bytes)} of inputs and results at a batch "
            f"of {self.batch_size}",
        ]

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain values."""
        rows = [
            {
                "path": r.path, "kind": r.kind, "output": [[None, *s[1:]] for s in r.output], "parameters": r.parameters,
                "trained": r.trained, "frozen": r.frozen, "moving_averages": r.moving, "flops": r.flops,
                "activation_bytes": r.nbytes * self.batch_size, "note": r.note, "sources": list(r.sources),
            }
            for r in self.rows
        ]  # fmt: skip
        return {
            "layers": rows, "inputs": [[None, *s[1:]] for s in self.inputs], "outputs": list(self.outputs), "batch_size": self.batch_size,
            "parameters": self.parameters, "trained": self.trained, "frozen": self.frozen, "moving_averages": self.moving,
            "flops": self.flops, "activation_bytes": self.activation_bytes, "parameter_bytes": self.parameter_bytes,
            "state_bytes": self.state_bytes,
        }  # fmt: skip

    def to_json(self) -> str:
        """All of it as JSON; a source below 0 is an input of the network, -1 the first."""
        return json.dumps(self.to_dict(), indent=2)

    def to_svg(self, title: str = "network") -> str:
        """A drawing of the layers and the ways between them, one self-contained SVG picture.

        Args:
            title: its name for readers that cannot see it.
        """
        boxes = [Box(f"input {i}" if len(self.inputs) > 1 else "input", "Input", _shape(s), "", ()) for i, s in enumerate(self.inputs)]
        first = len(boxes)
        for row in self.rows:
            held = row.note.startswith("frozen")
            about = [f"{row.parameters:,} parameters"] * bool(row.parameters) + ["frozen"] * held
            sources = tuple(first + s if s >= 0 else -1 - s for s in row.sources)
            boxes.append(Box(row.path, row.kind, ", ".join(map(_shape, row.output)), ", ".join(about), sources, held))
        return draw(boxes, title)


def summary(network: Layer, *inputs: Any, batch_size: int = 32, dtype: Any = "float32") -> Summary:
    """What a network consists of and what it costs, by tracing it; nothing is computed.

    Args:
        network: a layer or network.
        inputs: arrays or Specs with the batch first, or shapes without the batch, such as (28, 28, 1). None, when the network begins with
            nn.Input.
        batch_size: for the memory of results.
        dtype: type of the parameters.

    Returns:
        A Summary: print it, or take `.to_json()` or `.to_svg()`.

    Raises:
        ShapeError, ArgumentError: an input does not fit a layer; the message names the layer.

    Example:
        >>> from saltus import nn
        >>> network = nn.Sequential([nn.Dense(8, activation="relu"), nn.Dense(1)])
        >>> print(nn.summary(network, (4,), batch_size=10))
        layer    kind   output  parameters  FLOPs  memory at 10
        -------  -----  ------  ----------  -----  ------------
        dense    Dense  (N, 8)          40     80         320 B
        dense_1  Dense  (N, 1)           9     17          40 B
        <BLANKLINE>
        parameters: 49 (49 trained, 0 frozen), and 0 moving averages
        forward pass: 97 FLOPs a sample
        memory: 196 B of weights, 520 B of inputs and results at a batch of 10
    """
    whole("nn.summary", "batch_size", batch_size)
    run, output = making("nn.summary", network, tuple(map(_spec, inputs)), random.key(0), dtype)
    given = [v.node for v in run.values[-1][0]]
    rows, makers = _rows(run, given)
    trained = sum(p.count for p in run.parameters.values() if p.trainable)
    weights = [*run.params.values(), *run.state.values()]
    return Summary(
        rows=tuple(rows), inputs=tuple(n.shape for n in given), outputs=_found([v.node for v in tree.leaves(output)], makers),
        batch_size=batch_size, trained=trained, frozen=sum(p.count for p in run.parameters.values()) - trained,
        moving=sum(v.node.size for v in run.state.values()), flops=sum(r.flops for r in rows),
        activation_bytes=batch_size * (sum(n.nbytes for n in given) + sum(r.nbytes for r in rows)),
        parameter_bytes=sum(v.node.nbytes for v in weights),
    )  # fmt: skip


def _spec(given: Any) -> Any:
    """An input with a batch of 1, from a shape without the batch, a Spec or an array."""
    if isinstance(given, (tuple, list)) and all(isinstance(n, int) for n in given):
        return Spec((1, *given))
    if isinstance(given, (tuple, list, dict)):
        return tree.map(_spec, given)
    return Spec((1, *given.shape[1:]), given.dtype)


def _rows(run: Run, given: list[Node]) -> tuple[list[Row], dict[Node, int]]:
    """The rows, and for each value the number of the row it comes from."""
    around = {use.path.rpartition("/")[0] for use in run.layers if use.path}
    makers: dict[Node, int] = {node: -1 - i for i, node in enumerate(given)}
    weights = {v.node for v in (*run.params.values(), *run.state.values())}
    rows: list[Row] = []
    seen: set[str] = set()
    for use, (_, results) in zip(run.layers, run.values, strict=True):
        made = [v.node for v in results]
        own = [n for n in _reached(made, makers, weights) if n not in makers and n not in weights and not is_source(n)]
        leaf = use.path not in around
        if isinstance(use.layer, InputLayer) or not (leaf or use.count or any(n.op.kind is not Kind.MOVE for n in own)):
            continue
        number = len(rows)
        sources = _found(made, makers, weights)
        for node in own:  # what follows from weights alone is nobody's: equal weights share it
            if any(s in makers for s in node.src):
                makers[node] = number
        if leaf:
            makers.update(dict.fromkeys(made, number))
        rows.append(_row(run, use, made, own, sources, first=use.path not in seen))
        seen.add(use.path)
    return rows, makers


def _row(run: Run, use: LayerUse, made: list[Node], own: list[Node], sources: tuple[int, ...], *, first: bool) -> Row:
    inside = set(own)
    held = [p for p in run.parameters.values() if first and p.path.rpartition("/")[0] == use.path]
    averages = [v.node for path, v in run.state.items() if first and "/".join(path[:-1]) == use.path]
    trained = sum(p.count for p in held if p.trainable)
    return Row(
        path=use.path or type(use.layer).__name__, kind=type(use.layer).__name__, output=tuple(n.shape for n in made), trained=trained,
        frozen=sum(p.count for p in held) - trained, moving=sum(n.size for n in averages),
        keeps_averages=bool(averages) and not use.trainable, flops=sum(map(flops, own)),
        nbytes=sum(n.nbytes for n in dict.fromkeys(map(_unshaped, made)) if n in inside), sources=sources,
    )  # fmt: skip


def _reached(made: list[Node], makers: dict[Node, int], weights: Iterable[Node] = ()) -> list[Node]:
    """What results are computed from, back to what other rows made."""
    return topological(made, stop=lambda n: n in makers or n in weights)


def _found(made: list[Node], makers: dict[Node, int], weights: Iterable[Node] = ()) -> tuple[int, ...]:
    """The rows that results are computed from."""
    return tuple(sorted({makers[n] for n in _reached(made, makers, weights) if n in makers}))


def _unshaped(node: Node) -> Node:
    """What a value in another shape is a view of."""
    while node.op.name == "reshape":
        node = node.src[0]
    return node


def _shape(shape: Shape) -> str:
    return f"({', '.join(['N', *map(str, shape[1:])])})"


def _short(value: float) -> str:
    """A number in three to four digits: "97", "30.96 G"."""
    unit = ""
    for larger in "kMGTP":
        if value < 1000:
            break
        value, unit = value / 1000, larger
    return f"{value:.{2 if value < 100 else 1}f} {unit}" if unit else f"{value:.0f}"


def _flops(value: int) -> str:
    text = _short(value)
    return f"{text} FLOPs" if text[-1].isdigit() else f"{text}FLOPs"


def _bytes(value: int) -> str:
    text = _short(value)
    return f"{text} B" if text[-1].isdigit() else f"{text}B"
