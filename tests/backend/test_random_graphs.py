"""Whatever graph is built, the native engine gives what the reference gives."""

from __future__ import annotations

import numpy as np
import pytest
from graphs import Maker

import saltus.ops  # noqa: F401  registers the ops
from saltus.backend.base import compile_graph
from saltus.ir.evaluate import evaluate


@pytest.mark.parametrize("block", range(8))
def test_native_equals_reference(block: int) -> None:
    for seed in range(block * 25, block * 25 + 25):
        maker = Maker(seed)
        outputs = maker.graph(maker.r.choice([2, 5, 12, 25]))
        expected = evaluate(outputs, dict(zip(maker.inputs, maker.arrays, strict=True)))
        program = compile_graph(maker.inputs, outputs, backend="native")
        for got, want in zip(program(maker.arrays), expected, strict=True):
            np.testing.assert_allclose(got, want, rtol=2e-5, atol=2e-5, err_msg=f"seed {seed}\n{program.explain(timed=False)}")
