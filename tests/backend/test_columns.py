"""Reductions down columns: any number of columns, for several types, alone and in pairs."""

import numpy as np
import pytest

from saltus.backend.cpu import engine
from saltus.base import dtypes as dt
from saltus.ir.node import placeholder
from saltus.ir.spec import OPS


@pytest.mark.parametrize("columns", [1, 15, 16, 63, 64, 65, 100, 128, 200, 1000])
@pytest.mark.parametrize("dtype", [dt.float32, dt.float64, dt.int32])
def test_columns_are_folded(columns, dtype):
    x, y = placeholder((37, columns), dtype), placeholder((37, columns), dtype)
    outputs = (OPS["sum"](x, axes=(0,)), OPS["max"](OPS["add"](x, y), axes=(0,)), OPS["sum"](OPS["multiply"](x, y), axes=(0,)))
    run = engine.compile_graph((x, y), outputs, donate=(), name="columns")
    rng = np.random.default_rng(columns)
    a, b = ((10 * rng.standard_normal(x.shape)).astype(dtype.numpy) for _ in range(2))
    total, top, mixed = run([a, b])
    np.testing.assert_allclose(total, a.sum(0, keepdims=True, dtype=dtype.numpy), rtol=1e-5, atol=1e-4)
    np.testing.assert_array_equal(top, (a + b).max(0, keepdims=True))
    np.testing.assert_allclose(mixed, (a * b).sum(0, keepdims=True, dtype=dtype.numpy), rtol=1e-5, atol=1e-3)


def test_a_column_does_not_depend_on_how_many_there_are():
    made = []
    for columns in (64, 80, 129):
        x = placeholder((300, columns), dt.float32)
        run = engine.compile_graph((x,), (OPS["sum"](x, axes=(0,)),), donate=(), name="columns")
        values = np.random.default_rng(3).standard_normal((300, 200)).astype("f")[:, :columns].copy()
        made.append(run([values])[0][0, :64].tobytes())
    assert made[0] == made[1] == made[2]
