"""The XLA engine: `eval` of each record with jax.numpy, compiled by `jax.jit`; for graphics cards and TPUs. An extra: saltus[xla].

Importing it switches JAX to 64-bit types, which the array API's default integers need.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from saltus.base import dtypes as dt
from saltus.base.errors import ArgumentError
from saltus.ir.evaluate import evaluate
from saltus.ir.node import Node
from saltus.transform.pipeline import prepare

try:
    import jax
    import jax.numpy as jnp
except ImportError as error:
    raise ArgumentError("the backend xla needs JAX, which is not installed", fix='pip install "saltus[xla]"') from error

jax.config.update("jax_enable_x64", True)
Array = np.ndarray[Any, Any]


class XlaProgram:
    """A graph compiled by XLA for JAX's default device."""

    def __init__(self, inputs: tuple[Node, ...], outputs: tuple[Node, ...], donate: tuple[int, ...], name: str) -> None:
        self.inputs, self.name = inputs, name
        self._halves = [o.dtype is dt.bfloat16 for o in outputs]
        roots = prepare(inputs, outputs, name)

        def run(*arrays: Any) -> list[Any]:
            return evaluate(roots, dict(zip(inputs, arrays, strict=True)), jnp)

        run.__name__ = "".join(c if c.isalnum() else "_" for c in name) or "program"
        self._run = jax.jit(run, donate_argnums=donate)

    def __call__(self, arrays: Sequence[Array]) -> list[Array]:
        given = [
            jnp.asarray(a).view(jnp.bfloat16) if n.dtype is dt.bfloat16 else jnp.asarray(a)
            for n, a in zip(self.inputs, arrays, strict=True)
        ]
        made = self._run(*given)
        return [np.asarray(m.view(jnp.uint16) if half else m) for m, half in zip(made, self._halves, strict=True)]

    def explain(self) -> str:
        """The device, and XLA's own text of the program."""
        specs = [jax.ShapeDtypeStruct(n.shape, n.dtype.name) for n in self.inputs]
        return f"{self.name} on {jax.devices()[0]}\n{self._run.lower(*specs).as_text()}"


def compile_graph(inputs: tuple[Node, ...], outputs: tuple[Node, ...], *, donate: tuple[int, ...], name: str) -> XlaProgram:
    """See backend.base.compile_graph."""
    return XlaProgram(inputs, outputs, donate, name)
