"""The text of a graph: what a reader of SALTUS_SHOW=graph gets."""

import numpy as np

import saltus.ops  # noqa: F401  registers the records
from saltus.base import dtypes as dt
from saltus.ir.node import OPS, at, full, parts, placeholder
from saltus.ir.show import show
from saltus.ops.loop import scan_nodes


def test_one_line_a_node_with_constants_where_they_are_used():
    x, w = placeholder((4, 3), dt.float32), placeholder((3, 2), dt.float32)
    product = OPS["matmul"](x, w, ta=False, tb=False)
    out = OPS["tanh"](product * 0.5)
    assert show([out], [x, w], labels={w: "kernel"}).splitlines() == [
        "graph(%0: float32[4, 3], %1 'kernel': float32[3, 2])",
        "  %2 = matmul(%0, %1, ta=False, tb=False) : float32[4, 2]",
        "  %3 = multiply(%2, 0.5) : float32[4, 2]",
        "  %4 = tanh(%3) : float32[4, 2]",
        "  return %4",
    ]


def test_results_of_one_op_are_numbered():
    x = placeholder((5,), dt.float64)
    values, places = parts(OPS["top_k"](x, k=2, axis=0, largest=True))
    text = show([OPS["cast"](places, dtype=dt.float32), values])
    assert "%1 = top_k(%0, axis=0, k=2, largest=True) : (float64[2], int64[2])" in text
    assert "cast(%1.1, dtype=float32)" in text
    assert text.endswith("return %2, %1.0")


def test_a_loop_shows_its_body_below_it():
    xs = placeholder((7, 3), dt.float32)
    (last,), _ = scan_nodes(lambda h, x: ((OPS["tanh"](h + x),), ()), (full((3,), 0, dt.float32),), (xs,))
    assert show([last], [xs]).splitlines() == [
        "graph(%0: float32[7, 3])",
        "  %1 = scan(0.0, %0, carry=1, length=7, reverse=False, xs=1) : (float32[3])",
        "      body(%2: float32[3], %3: float32[3])",
        "        %4 = add(%2, %3) : float32[3]",
        "        %5 = tanh(%4) : float32[3]",
        "        return %5",
        "  return %1.0",
    ]


def test_equal_graphs_made_at_different_times_read_alike():
    def made():
        a, b = placeholder((2, 2), dt.float32), placeholder((2, 2), dt.float32)
        return show([OPS["sin"](a) + b, a - b])

    assert made() == made()


def test_lines_of_the_user_stand_behind_the_nodes_on_request():
    x = placeholder((2,), dt.float32)
    with at(("/somewhere/model.py", 12)):
        y = OPS["exp"](x)
    assert "# model.py:12" in show([y], sites=True)
    assert "#" not in show([y])
    assert "# test_show.py:" in show([OPS["log"](y)], sites=True)


def test_a_constant_result_is_shown_by_value():
    assert show([full((2, 2), np.float32(1.5), dt.float32)]).endswith("return 1.5")
