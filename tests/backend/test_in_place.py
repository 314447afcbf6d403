"""Values that are written over old ones in place are those computed without."""

import numpy as np
import pytest

import saltus as sl


@pytest.mark.parametrize("shape", [(3, 3), (5, 7), (16, 16)])
def test_an_old_value_is_not_written_over_while_a_later_pass_over_the_row_computes_from_it(shape):
    """Momentum that is kept, and an update of it divided by its norm: one kernel of two passes."""
    gradient = np.random.default_rng(0).normal(size=shape).astype("float32")

    def step(velocity, _):
        after = velocity * 0.5 + gradient
        ahead = after * 0.5 + gradient
        return after, ahead / sl.sqrt(sl.sum(ahead * ahead))

    start = np.random.default_rng(1).normal(size=shape).astype("float32")
    last, found = sl.jit(lambda v: sl.scan(step, v, sl.arange(3)))(sl.asarray(start))
    for row in found.numpy():
        start = start * 0.5 + gradient
        ahead = start * 0.5 + gradient
        np.testing.assert_allclose(row, ahead / np.linalg.norm(ahead), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(last.numpy(), start, rtol=1e-5)
