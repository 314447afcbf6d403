"""The XLA engine, where JAX is installed: random graphs, a training step and a loop give what the reference gives."""

from __future__ import annotations

import random

import numpy as np
import pytest

pytest.importorskip("jax")

from graphs import Maker, random_arrays, recurrent, training_step
from test_convolution import any_case, build

from saltus.backend.base import compile_graph
from saltus.base import dtypes as dt
from saltus.ir.evaluate import evaluate

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("seed", range(30))
def test_random_graphs(seed: int) -> None:
    maker = Maker(seed)
    outputs = maker.graph(8)
    expected = evaluate(outputs, dict(zip(maker.inputs, maker.arrays, strict=True)))
    for got, want in zip(compile_graph(maker.inputs, outputs, backend="xla")(maker.arrays), expected, strict=True):
        np.testing.assert_allclose(got, want, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("seed", range(30))
def test_random_convolutions(seed: int) -> None:
    inputs, outputs, arrays = build(any_case(random.Random(seed)), dt.float32)
    expected = evaluate(outputs, dict(zip(inputs, arrays, strict=True)))
    for got, want in zip(compile_graph(inputs, outputs, backend="xla")(arrays), expected, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-4 * np.abs(want).max(initial=1))


@pytest.mark.parametrize("graph", [training_step(16), recurrent(5)], ids=["step", "loop"])
def test_training(graph: tuple) -> None:
    inputs, outputs = graph
    arrays = [a * np.float32(0.5) for a in random_arrays(inputs)]
    expected = evaluate(outputs, dict(zip(inputs, arrays, strict=True)))
    for got, want in zip(compile_graph(inputs, outputs, backend="xla")(arrays), expected, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)
