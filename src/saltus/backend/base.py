"""The one way a graph becomes a callable; engines register themselves by name and load on first use."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from saltus.base import settings
from saltus.base.errors import unknown_name
from saltus.ir.node import Node

_ENGINES = {"native": "saltus.backend.cpu.engine", "reference": "saltus.backend.reference", "xla": "saltus.backend.xla"}


class Executable(Protocol):
    """A compiled graph."""

    def __call__(self, arrays: Sequence[np.ndarray[Any, Any]]) -> list[np.ndarray[Any, Any]]:
        """Run on one array an input (C order, carrier types), giving one new array an output."""
        ...

    def explain(self) -> str:
        """What runs: kernels with bytes, flops and why each was cut where it is."""
        ...


def compile_graph(
    inputs: Sequence[Node], outputs: Sequence[Node], *, donate: Sequence[int] = (), name: str = "program", backend: str | None = None
) -> Executable:
    """Turn a graph into an executable.

    Args:
        inputs: placeholder nodes, in the order arrays will be given.
        outputs: nodes to compute; they may repeat and may be inputs.
        donate: positions of inputs whose memory the program may overwrite; such an array must not be used afterwards.
        name: for reports.
        backend: "native", "reference" or "xla"; None takes SALTUS_BACKEND.

    Raises:
        UnknownNameError: no such backend.
    """
    chosen = backend or settings.backend()
    if chosen not in _ENGINES:
        raise unknown_name("backend", chosen, _ENGINES)
    engine: Any = importlib.import_module(_ENGINES[chosen])
    return engine.compile_graph(tuple(inputs), tuple(outputs), donate=tuple(donate), name=name)  # type: ignore[no-any-return]
