"""Simplification keeps every value and takes work away: rule by rule, on random graphs, and on loops."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import saltus.ops  # noqa: F401  registers the records
from saltus.base import dtypes as dt
from saltus.ir.differentiate import backward
from saltus.ir.evaluate import evaluate
from saltus.ir.node import OPS, at, broadcast, full, parts, placeholder, topological
from saltus.ir.show import show
from saltus.ir.verify import verify
from saltus.ops import composite
from saltus.ops.loop import scan_nodes
from saltus.transform.simplify import PASSES, simplify

SPECIAL = np.array([0.0, -0.0, 1.0, -2.5, 7.0, math.inf, -math.inf, math.nan, 3e-40, -1e30])

A, B, C = (placeholder((2, 5), dt.float32) for _ in range(3))
M, N = placeholder((2, 5), dt.int32), placeholder((2, 5), dt.uint8)
P, Q = placeholder((2, 5), dt.bool_), placeholder((2, 5), dt.bool_)
H = placeholder((2, 5), dt.float16)
Z = placeholder((2, 5), dt.complex64)
ROW, COLUMN = placeholder((5,), dt.float32), placeholder((2, 1), dt.float32)
SQUARE = placeholder((5, 5), dt.float32)


def values(node, turn=0):
    """Special numbers in the memory form of an input."""
    if node.dtype.kind == "c":
        real, imag = values(ROW, turn), values(ROW, turn + 3)
        return np.resize(real + 1j * imag, node.shape).astype(node.dtype.numpy)
    if node.dtype.kind == "f":
        with np.errstate(over="ignore"):
            return np.resize(np.roll(SPECIAL, turn), node.shape).astype(node.dtype.numpy)
    return np.resize(np.roll(np.array([0, 1, -1, 5, 100, 127, -128, 3]), turn), node.shape).astype(
        node.dtype.numpy
    )


def same_values(before, after, *, signs=True):
    """Equal bit by bit, but for the payload of a NaN and, where it may change, the sign of zero."""
    inputs = [n for n in topological(before) if n.op.name == "input"]
    env = {n: values(n, turn) for turn, n in enumerate(inputs)}
    for a, b in zip(evaluate(before, env), evaluate(after, env), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)
        if a.dtype.kind == "f" and signs:
            np.testing.assert_array_equal(np.signbit(a[~np.isnan(a)]), np.signbit(b[~np.isnan(b)]))


def op(name, *src, **attrs):
    return OPS[name](*src, **attrs)


def wide(node, *shape):
    return broadcast(node, shape)


def cast(node, dtype):
    return op("cast", node, dtype=dtype)


def cut(node, start, stop, step=None):
    return op("slice", node, start=start, stop=stop, step=step or (1,) * len(start))


def swapped(node):
    return op("permute", node, axes=(1, 0))


SAME = {
    "a * 1": (A * 1.0, A),
    "1 * a": (1.0 * A, A),
    "a * -1": (A * -1.0, -A),
    "a / 1": (A / 1.0, A),
    "a / -1": (A / -1.0, -A),
    "a / 8": (A / 8.0, A * 0.125),
    "a - 0": (A - 0.0, A),
    "a + -0": (A + -0.0, A),
    "-0 + a": (-0.0 + A, A),
    "integers: a + 0": (M + 0, M),
    "integers: a - 0": (N - 0, N),
    "integers: a * 0": (M * 0, full((2, 5), 0, dt.int32)),
    "-(-a)": (op("negative", -A), A),
    "a + -b": (A + -B, A - B),
    "-a + b": (-A + B, B - A),
    "a - -b": (A - -B, A + B),
    "-a * -b": (-A * -B, A * B),
    "-a * 3": (-A * 3.0, A * -3.0),
    "-(a * 3)": (-(A * 3.0), A * -3.0),
    "|-a|": (op("abs", -A), op("abs", A)),
    "(-a)^2": (op("square", -A), op("square", A)),
    "a^0": (op("power", A, full((2, 5), 0, dt.float32)), full((2, 5), 1, dt.float32)),
    "a^1": (op("power", A, full((2, 5), 1, dt.float32)), A),
    "a^2": (op("power", A, full((2, 5), 2, dt.float32)), A * A),
    "a^-1": (op("power", A, full((2, 5), -1, dt.float32)), op("reciprocal", A)),
    "integers: a^2": (op("power", M, full((2, 5), 2, dt.int32)), M * M),
    "max(a, a)": (op("maximum", A, A), A),
    "p and p": (op("logical_and", P, P), P),
    "p and True": (op("logical_and", P, full((2, 5), True, dt.bool_)), P),
    "p and False": (op("logical_and", P, full((2, 5), False, dt.bool_)), full((2, 5), False, dt.bool_)),
    "False or p": (op("logical_or", full((2, 5), False, dt.bool_), P), P),
    "p or True": (op("logical_or", P, full((2, 5), True, dt.bool_)), full((2, 5), True, dt.bool_)),
    "not not p": (op("logical_not", op("logical_not", P)), P),
    "not a == b": (op("logical_not", op("equal", A, B)), op("not_equal", A, B)),
    "where True": (op("where", full((2, 5), True, dt.bool_), A, B), A),
    "where False": (op("where", full((2, 5), False, dt.bool_), A, B), B),
    "where p, a, a": (op("where", P, A, A), A),
    "where not p": (op("where", op("logical_not", P), A, B), op("where", P, B, A)),
    "cast to its own type": (cast(A, dt.float32), A),
    "float32 by float64": (cast(cast(A, dt.float64), dt.float32), A),
    "float16 by float32": (cast(cast(H, dt.float32), dt.float64), cast(H, dt.float64)),
    "uint8 by int32 to float": (cast(cast(N, dt.int32), dt.float32), cast(N, dt.float32)),
    "bool by float to integer": (cast(cast(P, dt.float32), dt.int8), cast(P, dt.int8)),
    "stop_gradient": (op("stop_gradient", A), A),
    "conj conj": (op("conj", op("conj", Z)), Z),
    "real complex": (op("real", op("complex", A, B)), A),
    "imag complex": (op("imag", op("complex", A, B)), B),
    "constants": (A * (full((2, 5), 3, dt.float32) + 1.0), A * 4.0),
    "a constant of shape (1,)": (full((1,), 3, dt.float32) + 1.0, full((1,), 4, dt.float32)),
    "exp of a constant": (op("exp", full((2,), 0, dt.float32)), full((2,), 1, dt.float32)),
    "a constant, moved": (swapped(full((2, 5), 3, dt.float32)), full((5, 2), 3, dt.float32)),
    "a constant, padded by itself": (
        op("pad", full((2,), 0, dt.float32), low=(1,), high=(2,), interior=(1,), value=0),
        full((6,), 0, dt.float32),
    ),
    "below a broadcast": (op("exp", wide(ROW, 4, 5)), wide(op("exp", ROW), 4, 5)),
    "two rows": (wide(ROW, 4, 5) * wide(ROW, 4, 5) + 1.0, wide(ROW * ROW + 1.0, 4, 5)),
    "broadcast twice": (wide(wide(COLUMN, 2, 5), 3, 2, 5), wide(COLUMN, 3, 2, 5)),
    "broadcast to its own shape": (op("broadcast_to", A, shape=(2, 5)), A),
    "axes in front of a broadcast": (wide(op("reshape", ROW, shape=(1, 5)), 2, 5), wide(ROW, 2, 5)),
    "reshape twice": (
        op("reshape", op("reshape", A, shape=(10,)), shape=(5, 2)),
        op("reshape", A, shape=(5, 2)),
    ),
    "reshape and back": (op("reshape", op("reshape", A, shape=(10,)), shape=(2, 5)), A),
    "reshape of a broadcast": (op("reshape", wide(ROW, 2, 5), shape=(2, 1, 5)), wide(ROW, 2, 1, 5)),
    "permute twice": (swapped(swapped(A)), A),
    "permute of ones": (swapped(COLUMN), op("reshape", COLUMN, shape=(1, 2))),
    "permute of a broadcast": (swapped(wide(COLUMN, 2, 5)), wide(op("reshape", COLUMN, shape=(1, 2)), 5, 2)),
    "slice twice": (
        cut(cut(SQUARE, (1, 0), (5, 5), (1, 2)), (1, 0), (4, 3), (2, 2)),
        cut(SQUARE, (2, 0), (5, 5), (2, 4)),
    ),
    "slice of everything": (cut(A, (0, 0), (2, 5)), A),
    "slice of a broadcast": (cut(wide(ROW, 4, 5), (1, 2), (3, 5)), wide(cut(ROW, (2,), (5,)), 2, 3)),
    "slice inside a border": (
        cut(op("pad", A, low=(1, 2), high=(0, 1), interior=(0, 0), value=0), (1, 3), (3, 7), (1, 2)),
        cut(A, (0, 1), (2, 4), (1, 2)),
    ),
    "slice of one piece": (cut(op("concat", A, B, axis=1), (0, 6), (2, 9)), cut(B, (0, 1), (2, 4))),
    "flip twice": (op("flip", op("flip", A, axes=(0, 1)), axes=(1,)), op("flip", A, axes=(0,))),
    "flip of a repeated axis": (op("flip", wide(ROW, 2, 5), axes=(0,)), wide(ROW, 2, 5)),
    "pieces of pieces": (op("concat", op("concat", A, B, axis=0), C, axis=0), op("concat", A, B, C, axis=0)),
    "empty pieces": (op("concat", cut(A, (0, 0), (0, 5)), B, axis=0), B),
    "no border": (op("pad", A, low=(0, 0), high=(0, 0), interior=(0, 0), value=3), A),
    "max of a broadcast": (
        op("max", wide(ROW, 4, 5), axes=(0, 1)),
        op("max", op("reshape", ROW, shape=(1, 5)), axes=(1,)),
    ),
    "sum over one": (op("sum", COLUMN, axes=(1,)), COLUMN),
    "max of max": (op("max", op("max", A, axes=(0,)), axes=(1,)), op("max", A, axes=(0, 1))),
    "max of a transpose": (
        op("max", swapped(SQUARE), axes=(0,)),
        op("reshape", op("max", SQUARE, axes=(1,)), shape=(1, 5)),
    ),
    "product of a transpose": (
        op("matmul", swapped(A), B, ta=False, tb=False),
        op("matmul", A, B, ta=True, tb=False),
    ),
    "product of two transposes": (
        op("matmul", swapped(A), swapped(B), ta=True, tb=False),
        op("matmul", A, B, ta=False, tb=True),
    ),
}


@pytest.mark.parametrize("name", SAME)
def test_rule(name):
    before, expected = SAME[name]
    (after,) = simplify([before])
    assert show([after]) == show(simplify([expected])), "not the form expected"
    same_values([before], [after], signs=name != "sum over one")


KEPT = {
    "a + 0 makes +0 of -0": A + 0.0,
    "a * 0 keeps NaN": A * 0.0,
    "a - a is NaN for infinite a": A - A,
    "a / 3 rounds otherwise than a * (1 / 3)": A / 3.0,
    "a / 2^-149, whose reciprocal is infinite": A / 2.0**-149,
    "0 - a is not -a for 0": 0.0 - A,
    "int8 by float to uint8 saturates": cast(cast(placeholder((2, 5), dt.int8), dt.float32), dt.uint8),
    "int32 by float32 rounds": cast(cast(M, dt.float32), dt.float64),
    "float32 by float16 rounds": cast(cast(A, dt.float16), dt.float32),
    "not a < b is not a >= b for NaN": op("logical_not", op("less", A, B)),
    "a row and a column": wide(ROW, 2, 5) + wide(COLUMN, 2, 5),
    "a border of something else": op(
        "pad", full((2,), 1, dt.float32), low=(1,), high=(0,), interior=(0,), value=0
    ),
    "a slice that reaches into the border": cut(
        op("pad", A, low=(1, 0), high=(0, 0), interior=(0, 0), value=0), (0, 0), (2, 5)
    ),
    "a slice over two pieces": cut(op("concat", A, B, axis=1), (0, 3), (2, 7)),
    "a barrier": op("barrier", A, token=1),
}


@pytest.mark.parametrize("name", KEPT)
def test_what_would_change_a_value_is_left_alone(name):
    before = KEPT[name]
    assert simplify([before]) == [before]


def test_a_sum_of_repeated_elements_is_a_multiplication():
    before = op("sum", wide(COLUMN, 2, 5), axes=(0, 1))
    (after,) = simplify([before])
    assert [n.op.name for n in topological([after])].count("broadcast_to") <= 1
    x = np.array([[1.5], [-2.0]], np.float32)
    np.testing.assert_array_equal(evaluate([after], {COLUMN: x})[0], [[-2.5]])
    assert simplify([op("sum", wide(H, 3, 2, 5), axes=(0,))])[0].op.name == "sum", "n may not fit a half type"


def test_a_batch_times_one_matrix_is_one_product():
    x = placeholder((3, 4, 5), dt.float32)
    out = op("matmul", x, wide(SQUARE, 3, 5, 5), ta=False, tb=True)
    seed = placeholder((3, 4, 5), dt.float32)
    gradient = backward([out], [seed], [SQUARE])[0]
    after = simplify([out, gradient])
    products = [n for n in topological(after) if n.op.name == "matmul"]
    assert sorted(n.shape for n in products) == [(5, 5), (12, 5)]
    rng = np.random.default_rng(0)
    env = {n: rng.standard_normal(n.shape, np.float32) for n in (x, SQUARE, seed)}
    for a, b in zip(evaluate([out, gradient], env), evaluate(after, env), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


def test_rewritten_nodes_keep_the_line_of_what_they_replace():
    with at(("model.py", 3)):
        before = op("sinh", A - 0.0)
    with at(("model.py", 8)):
        before = before + -B
    (after,) = simplify([before])
    assert after.site == ("model.py", 8)
    assert after.src[0].site == ("model.py", 3)


def test_outputs_may_be_inputs_repeat_and_keep_their_order():
    assert simplify([A, A * 1.0, B, op("negative", -A)]) == [A, A, B, A]
    assert simplify([]) == []


# --- random graphs --------------------------------------------------------------------------------
UNARY = ("negative", "abs", "exp", "tanh", "square", "stop_gradient", "sqrt", "floor")
BINARY = ("add", "subtract", "multiply", "divide", "maximum", "power")
CONSTANTS = (0.0, -0.0, 1.0, -1.0, 2.0, 0.5, 3.0, math.inf)


@st.composite
def graphs(draw):
    """A few dozen nodes over constants, rows, columns and matrices, moved about."""
    pool = [A, B, wide(ROW, 2, 5), wide(COLUMN, 2, 5)]
    for _ in range(draw(st.integers(3, 25))):
        a, b = draw(st.sampled_from(pool)), draw(st.sampled_from(pool))
        kind = draw(st.integers(0, 7))
        if kind == 0:
            made = op(draw(st.sampled_from(UNARY)), a)
        elif kind == 1:
            made = op(
                draw(st.sampled_from(BINARY)), a, full(a.shape, draw(st.sampled_from(CONSTANTS)), a.dtype)
            )
        elif kind == 2:
            condition = op(draw(st.sampled_from(("less", "equal"))), a, b)
            made = op("where", op("logical_not", condition) if draw(st.booleans()) else condition, a, b)
        elif kind == 3:
            made = (
                swapped(swapped(a) * 1.0)
                if draw(st.booleans())
                else op("flip", a, axes=(draw(st.integers(0, 1)),))
            )
        elif kind == 4:
            made = wide(op(draw(st.sampled_from(("max", "min"))), a, axes=(draw(st.integers(0, 1)),)), 2, 5)
        elif kind == 5:
            flat = op("reshape", a, shape=(10,))
            made = op("reshape", op(draw(st.sampled_from(UNARY)), flat), shape=(2, 5))
        elif kind == 6:
            made = cut(op("concat", a, b, axis=1), (0, start := draw(st.integers(0, 5))), (2, start + 5))
        else:
            made = op(draw(st.sampled_from(BINARY)), a, b)
        pool.append(made)
    return draw(st.lists(st.sampled_from(pool), min_size=1, max_size=3))


@given(graphs())
def test_random_graphs_keep_their_values(before):
    after = simplify(before)
    verify(after)
    same_values(before, after)
    assert simplify(after) == after, "a second time changes nothing"


@given(graphs())
def test_each_pass_by_itself_is_valid_in_and_out(before):
    for _, run in PASSES:
        after = run(before)
        verify(after)
        same_values(before, after)


# --- loops ----------------------------------------------------------------------------------------
XS = placeholder((6, 2, 5), dt.float32)
W = placeholder((5, 5), dt.float32)


def cell(h, x):
    """One step of a plain recurrence, with something constant and something to simplify in it."""
    new = op("tanh", op("matmul", h, W, ta=False, tb=False) + x * 1.0)
    return (new,), (new * 0.5,)


def loops(roots):
    return [n for n in topological(roots) if n.op.name == "scan"]


def test_the_forward_loop_of_a_gradient_is_not_run_twice():
    (last,), (steps,) = scan_nodes(cell, (full((2, 5), 0, dt.float32),), (XS,))
    loss = op("sum", steps * steps, axes=(0, 1, 2))
    (gradient,) = backward([loss], [full(loss.shape, 1, dt.float32)], [W])
    before = [loss, gradient, last]
    assert len(loops(before)) == 3
    after = simplify(before)
    verify(after)
    assert len(loops(after)) == 2
    rng = np.random.default_rng(1)
    env = {n: rng.standard_normal(n.shape, np.float32) for n in (XS, W)}
    for a, b in zip(evaluate(before, env), evaluate(after, env), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)
    assert simplify(after) == after


def test_results_and_state_that_nobody_reads_go():
    zero = full((2, 5), 0, dt.float32)

    def step(h, unread, x):
        new = h + x
        return (new, unread + new), (x * 2.0, new)

    (_, _), (_, kept) = scan_nodes(step, (zero, zero), (XS,))
    (loop,) = loops(simplify([kept]))
    assert loop.attr("carry") == 1
    assert len(loop.parts) == 2
    same_values([kept], simplify([kept]))


def test_constants_and_repeats_move_into_the_body_and_unused_parameters_go():
    def step(h, x, again, ones, _unused):
        return (h + x * ones + again,), ()

    operands = (XS, XS, full(XS.shape, 1, dt.float32), placeholder((6, 3), dt.float32))
    (last,), _ = scan_nodes(step, (full((2, 5), 0, dt.float32),), operands)
    (after,) = simplify([last])
    (loop,) = loops([after])
    assert loop.attr("xs") == 1
    assert loop.src == (last.src[0].src[0], XS)
    assert [n.op.name for n in topological(loop.attr("body").outputs)] == ["input", "input", "add", "add"]
    same_values([last], [after])


def test_results_that_repeat_are_stacked_once():
    _, (a, b) = scan_nodes(lambda h, x: ((h + x,), (h, h)), (full((2, 5), 0, dt.float32),), (XS,))
    after = simplify([a, b])
    assert after[0] is after[1]
    assert len(loops(after)[0].parts) == 2
    same_values([a, b], after)


def test_a_matrix_that_every_step_multiplies_by_transposed_is_turned_before_the_loop():
    def step(h, x):
        return (op("tanh", op("matmul", h, W, ta=False, tb=True) + x),), ()

    (last,), _ = scan_nodes(step, (full((2, 5), 0, dt.float32),), (XS,))
    (after,) = simplify([last])
    verify([after])
    (loop,) = loops([after])
    assert [s.op.name for s in loop.src if s.shape == W.shape] == ["permute"]
    assert [n.attr("tb") for n in topological(loop.attr("body").outputs) if n.op.name == "matmul"] == [False]
    env = {n: np.random.default_rng(5).standard_normal(n.shape, np.float32) for n in (XS, W)}
    for a, b in zip(evaluate([last], env), evaluate([after], env), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)
    assert simplify([after]) == [after]


def test_state_of_which_every_step_reads_a_part_is_carried_as_that_part():
    def part(h, first):
        return op("slice", h, start=(0, first), stop=(2, first + 2), step=(1, 1))

    def step(first):
        def body(h, x):
            now = part(h, first) * 2.0
            return (op("concat", x, now, axis=1),), (now,)

        return body

    start = placeholder((2, 7), dt.float32)
    steps = [scan_nodes(step(5), (start,), (XS,))[1][0], scan_nodes(step(1), (start,), (XS,))[1][0]]
    after = simplify(steps)
    verify(after)
    assert [loop.src[0].shape for loop in loops(after)] == [(2, 2), (2, 2)]
    same_values(steps, after)
    (last,), (kept,) = scan_nodes(step(5), (start,), (XS,))
    assert loops(simplify([last, kept]))[0].src[0].shape == (2, 7)  # the last state is read whole

    def whole(h, x):
        return (op("concat", x, part(h, 5), axis=1),), (part(h, 5), part(h, 0))

    assert loops(simplify(list(scan_nodes(whole, (start,), (XS,))[1])))[0].src[0].shape == (2, 7)


@pytest.mark.parametrize(("ta", "tb"), [(False, False), (True, False), (False, True), (True, True)])
@pytest.mark.parametrize("batch", [(), (3,)])
def test_a_product_of_which_a_part_is_read_is_no_larger(batch, ta, tb):
    a = placeholder((*batch, *((4, 6) if ta else (6, 4))), dt.float32)
    b = placeholder((*batch, *((7, 4) if tb else (4, 7))), dt.float32)
    product = op("matmul", a, b, ta=ta, tb=tb)
    ones = (1,) * len(batch)
    part = op("slice", product, start=(*ones, 1, 0), stop=(*batch, 6, 7), step=(*ones, 2, 3))
    (after,) = simplify([part])
    verify([after])
    assert after.op.name == "matmul" and after.shape == part.shape
    env = {n: np.random.default_rng(3).standard_normal(n.shape, np.float32) for n in (a, b)}
    np.testing.assert_allclose(*[evaluate([n], env)[0] for n in (part, after)], rtol=1e-6)
    assert simplify([part, product])[0].op.name == "slice"  # the whole of it is made anyway


def test_the_gradient_of_a_constant_that_every_step_repeats_is_summed_in_the_step():
    def step(h, x):
        return (op("tanh", x + broadcast(ROW, (2, 5)) * h),), ()

    (last,), _ = scan_nodes(step, (full((2, 5), 0.5, dt.float32),), (XS,))
    (gradient,) = backward([last], [full((2, 5), 1, dt.float32)], [ROW])
    (back,) = [loop for loop in loops(simplify([gradient])) if loop.attr("reverse")]
    shapes = [s.shape for s in back.src[: back.attr("carry")]]
    assert ROW.shape in shapes and shapes.count((2, 5)) == 1


def test_state_that_goes_through_two_loops_survives():
    (h,), _ = scan_nodes(cell, (full((2, 5), 0, dt.float32),), (XS,))
    (h,), (steps,) = scan_nodes(cell, (h,), (XS,), reverse=True)
    before = [op("max", steps, axes=(0,)), h]
    after = simplify(before)
    assert len(loops(after)) == 2
    rng = np.random.default_rng(2)
    env = {n: rng.standard_normal(n.shape, np.float32) for n in (XS, W)}
    for a, b in zip(evaluate(before, env), evaluate(after, env), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_loop_in_a_loop_is_simplified_too():
    def outer(h, x):
        (inner,), _ = scan_nodes(lambda s, row: ((s + row * 1.0,), ()), (op("reshape", h, shape=(5,)),), (x,))
        return (op("reshape", inner, shape=(1, 5)),), ()

    (last,), _ = scan_nodes(outer, (full((1, 5), 0, dt.float32),), (XS,))
    (after,) = simplify([last])
    text = show([after])
    assert text.count("scan(") == 2
    assert "multiply" not in text
    same_values([last], [after])


def padded(a, low, high):
    return op("pad", a, low=(0, low), high=(0, high), interior=(0, 0), value=0)


def test_parts_padded_to_their_places_are_set_side_by_side():
    before = (padded(A, 5, 5) + padded(B, 0, 10)) + padded(C, 10, 0)
    (after,) = simplify([before])
    assert after is op("concat", B, A, C, axis=1)
    same_values([before], [after], signs=False)


@pytest.mark.parametrize("before", [padded(A, 5, 5) + padded(B, 0, 10), padded(A, 3, 2) + padded(B, 0, 5)])
def test_padded_parts_that_overlap_or_leave_a_gap_are_added(before):
    (after,) = simplify([before])
    assert after.op.name == "add"
    same_values([before], [after])


def test_a_training_step_gets_smaller_and_stays_right():
    """Softmax cross-entropy of one layer: the values agree, and broadcasts of constants are gone."""
    x, w, y = (
        placeholder((8, 4), dt.float32),
        placeholder((4, 3), dt.float32),
        placeholder((8, 3), dt.float32),
    )
    logits = op("matmul", x, w, ta=False, tb=False)
    loss = composite.mean(-op("sum", composite.log_softmax(logits, (1,)) * y, axes=(1,)), (0, 1))
    (g,) = backward([loss], [full(loss.shape, 1, dt.float32)], [w])
    before = [loss, w - g * 0.1]
    after = simplify(before)
    assert len(show(after).splitlines()) < 0.8 * len(show(before).splitlines())
    rng = np.random.default_rng(3)
    labels = np.eye(3, dtype=np.float32)[[0, 1, 2, 0, 1, 2, 0, 1]]
    env = {x: rng.standard_normal((8, 4), np.float32), w: rng.standard_normal((4, 3), np.float32), y: labels}
    for a, b in zip(evaluate(before, env), evaluate(after, env), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5)


def test_results_of_ops_with_several_are_kept_apart():
    found, places = parts(op("top_k", A * 1.0, k=2, axis=1, largest=True))
    after = simplify([places, found])
    assert after == list(reversed(parts(op("top_k", A, k=2, axis=1, largest=True))))
