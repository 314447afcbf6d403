"""Operations of single nodes, worked out from their definition."""

import pytest

import saltus as sl
from saltus.base import dtypes as dt
from saltus.ir.node import placeholder
from saltus.ir.spec import OPS
from saltus.ops.cost import flops, total
from saltus.tensor.tensor import of_node


def given(*shape):
    return placeholder(shape, dt.float32)


CONV = {"stride": (2,), "dilation": (1,), "low": (1,), "high": (1,), "groups": 2}


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        (OPS["matmul"](given(3, 4), given(4, 5), ta=False, tb=False), 2 * 3 * 4 * 5),
        (OPS["matmul"](given(2, 4, 3), given(2, 5, 4), ta=True, tb=True), 2 * 2 * 3 * 4 * 5),
        (OPS["conv"](given(2, 8, 4), given(3, 2, 6), **CONV), 2 * (2 * 4 * 6) * (3 * 2)),
        (OPS["conv_input"](given(2, 4, 6), given(3, 2, 6), size=(8,), **CONV), 2 * (2 * 4 * 6) * (3 * 2)),
        (OPS["conv_weight"](given(2, 8, 4), given(2, 4, 6), kernel=(3,), **CONV), 2 * (2 * 4 * 6) * (3 * 2)),
        (OPS["add"](given(3, 4), given(3, 4)), 12),
        (OPS["sum"](given(3, 4), axes=(1,)), 12),
        (OPS["reshape"](given(3, 4), shape=(12,)), 0),
    ],
)
def test_operations_of_a_node(node, expected):
    assert flops(node) == expected


def test_a_loop_takes_the_operations_of_its_body_at_every_step():
    last, _ = sl.scan(lambda carry, piece: (carry @ piece, None), of_node(given(3, 3)), of_node(given(7, 3, 3)))
    assert total([last.node]) == 7 * 2 * 27
