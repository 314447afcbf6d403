"""A network as a table: layers, output shapes, parameters; a low file of `train`."""

from __future__ import annotations

from typing import Any

import numpy as np

from saltus import nn
from saltus.base import tree
from saltus.data.records import aligned


def _shape(output: Any) -> str:
    texts = [f"({', '.join(['N', *map(str, s.shape[1:])])})" for s in tree.leaves(output)]
    return ", ".join(texts)


def summary_text(network: nn.Layer, description: nn.Description, state: list[np.ndarray[Any, Any]]) -> str:
    """The table and its sums.

    Args:
        network: the network.
        description: of it.
        state: arrays of the training state, for the memory they take.
    """
    frozen = {p.path.rsplit("/", 1)[0] for p in description.parameters if not p.trainable}
    rows = [
        {
            "layer": use.path or type(use.layer).__name__,
            "kind": type(use.layer).__name__,
            "output": _shape(use.output),
            "parameters": f"{use.count:,}" + (" (frozen)" if use.path in frozen else ""),
        }
        for use in description.layers
        if use.path
    ] or [
        {
            "layer": type(network).__name__,
            "kind": type(network).__name__,
            "output": _shape(description.output),
            "parameters": f"{description.count:,}",
        }
    ]
    learnt = sum(p.count for p in description.parameters if p.trainable)
    moving = sum(int(np.prod(s.shape)) for s in description.state.values())
    memory = sum(a.nbytes for a in state)
    lines = [
        aligned(rows),
        "",
        f"parameters: {description.count:,} ({learnt:,} trained, {description.count - learnt:,} frozen), and {moving:,} moving averages",
        f"memory of weights and optimizer: {memory:,} bytes",
    ]
    return "\n".join(lines)
