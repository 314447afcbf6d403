"""The reference engine: `eval` of each record with NumPy. It is slow and it is the meaning of every program."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from saltus.ir.evaluate import evaluate
from saltus.ir.node import Node, topological

Array = np.ndarray[Any, Any]


class ReferenceProgram:
    """A graph that is walked at every call."""

    def __init__(self, inputs: tuple[Node, ...], outputs: tuple[Node, ...], name: str) -> None:
        self.inputs, self.outputs, self.name = inputs, outputs, name

    def __call__(self, arrays: Sequence[Array]) -> list[Array]:
        return [np.array(v, order="C") for v in evaluate(self.outputs, dict(zip(self.inputs, arrays, strict=True)))]

    def explain(self) -> str:
        return f"{self.name}: {len(topological(self.outputs))} nodes, evaluated one by one with NumPy"


def compile_graph(inputs: tuple[Node, ...], outputs: tuple[Node, ...], *, donate: tuple[int, ...], name: str) -> ReferenceProgram:
    """See backend.base.compile_graph; nothing is overwritten here."""
    return ReferenceProgram(inputs, outputs, name)
