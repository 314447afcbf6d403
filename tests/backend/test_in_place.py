"""Values that are written over old ones in place are those computed without."""

import random

import numpy as np
import pytest

import saltus as sl
from saltus.backend.base import compile_graph
from saltus.base import dtypes as dt
from saltus.ir.evaluate import evaluate
from saltus.ir.node import placeholder
from saltus.ir.spec import OPS
from saltus.ops.loop import scan_nodes


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


# --- loops ----------------------------------------------------------------------------------------------------------
def checked(function, *arrays):
    """A loop's program; its results are those of the reference."""
    inputs = [placeholder(a.shape, dt.float32) for a in arrays]
    outputs = function(*inputs)
    program = compile_graph(inputs, outputs, backend="native")
    expected = evaluate(outputs, dict(zip(inputs, arrays, strict=True)))
    for got, want in zip(program(list(arrays)), expected, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)
    return program


def array(*shape):
    return np.random.default_rng(sum(shape)).normal(size=shape).astype("float32")


def columns(x, first, last):
    return OPS["slice"](x, start=(0, first), stop=(x.shape[0], last), step=(1, 1))


def test_state_made_of_pieces_is_written_in_place():
    """Inputs beside a state, which a product reads: the next ones are written over them."""

    def function(start, xs, w):
        def step(h, x):
            z = OPS["matmul"](h, w, ta=False, tb=False)
            return (OPS["concat"](x, columns(z, 0, 32) * columns(z, 32, 64), axis=1),), ()

        (last,), _ = scan_nodes(step, (start,), (xs,))
        return [last]

    program = checked(function, array(20, 40), array(6, 20, 8), array(40, 64) * 0.1)
    assert "copy" not in program.explain(timed=False)


def test_a_piece_that_reads_the_old_state_does_not_write_over_it_too_early():
    def function(start, xs):
        def step(h, x):
            turned = OPS["concat"](columns(h, 4, 8) + x, columns(h, 0, 4) * 0.5, axis=1)
            return (turned,), (columns(h, 2, 6),)

        (last,), (kept,) = scan_nodes(step, (start,), (xs,))
        return [last, kept]

    checked(function, array(20, 8), array(5, 20, 4))


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("own", [True, False], ids=["the same point", "another point"])
def test_what_a_loop_stacks_takes_the_place_of_what_it_reads_for_the_last_time(reverse, own):
    """Gates side by side are read, their gradients are written where they were: if each is computed where it is read."""

    def function(xs, scale):
        (_,), (gates,) = scan_nodes(lambda c, x: ((c + x,), (OPS["tanh"](c + x),)), (scale,), (xs,))

        def step(c, gate):
            left, right = columns(gate, 0, 8), columns(gate, 8, 16)
            if not own:  # a reader of elements that another point writes
                left = OPS["flip"](left, axes=(1,))
            c = c + left * right
            return (c,), (OPS["concat"](c * right, left - right, axis=1),)

        (last,), (stacked,) = scan_nodes(step, (columns(scale, 0, 8),), (gates,), reverse=reverse)
        return [last, OPS["sum"](stacked, axes=(0,))]

    steps, bytes_a_step = 9, 20 * 16 * 4
    program = checked(function, array(steps, 20, 16), array(20, 16))
    assert (program.plan.arena < 1.5 * steps * bytes_a_step) == own


def test_what_a_loop_also_reads_a_step_ahead_keeps_its_place():
    def function(xs, scale):
        (_,), (gates,) = scan_nodes(lambda c, x: ((c + x,), (c * x,)), (scale,), (xs,))
        ends = [OPS["slice"](gates, start=(k, 0, 0), stop=(k + 6, 20, 16), step=(1, 1, 1)) for k in (0, 1)]
        (last,), (stacked,) = scan_nodes(lambda c, x, y: ((c + x,), (x - y,)), (scale,), (ends[1], ends[0]))
        (again,), (twice,) = scan_nodes(lambda c, x, y: ((c + y,), (OPS["concat"](x, y, axis=0),)), (scale,), (ends[0], ends[1]))
        return [last, OPS["sum"](stacked, axes=(0,)), again, OPS["max"](twice, axes=(0,))]

    checked(function, array(7, 20, 16), array(20, 16))


def test_what_is_read_again_after_the_loop_keeps_its_place():
    def function(xs, scale):
        (_,), (gates,) = scan_nodes(lambda c, x: ((c + x,), (c * x,)), (scale,), (xs,))
        (last,), (stacked,) = scan_nodes(lambda c, gate: ((c + gate,), (c * gate,)), (scale,), (gates,))
        return [last, OPS["sum"](stacked * gates, axes=(0,))]

    checked(function, array(7, 20, 16), array(20, 16))


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("length", [1, 6])
def test_state_that_is_kept_of_every_step_is_written_where_it_is_kept(reverse, length):
    def function(start, other, xs):
        def step(h, g, x):
            after = OPS["tanh"](h + x)
            return (after, g * after), (h, g + x)

        (last, product), (kept, beside) = scan_nodes(step, (start, other), (xs,), reverse=reverse)
        return [last * 2.0, product, kept * 0.5, beside]

    program = checked(function, array(20, 16), array(20, 16) + 1, array(length, 20, 16))
    assert "copy" not in program.explain(timed=False)


def test_state_kept_in_a_loop_inside_a_loop():
    def function(start, xs):
        def outer(h, rows):
            (last,), (kept,) = scan_nodes(lambda s, x: ((s * 0.5 + x,), (s,)), (h,), (rows,))
            return (last,), (OPS["sum"](kept, axes=(0,)), h)

        (last,), (sums, states) = scan_nodes(outer, (start,), (xs,))
        return [last, sums, states]

    checked(function, array(4, 16), array(3, 5, 4, 16))


def test_values_that_are_passed_on_are_read_before_they_are_written_over():
    """Fibonacci's step, an element beside the one before it, and what a product reads: each old value is the new one of another."""

    def fibonacci(a, b):
        states, _ = scan_nodes(lambda a, b: ((b, a + b), ()), (a, b), (), length=5)
        return list(states)

    def differences(xs, scale):
        (_,), (rows,) = scan_nodes(lambda c, x: ((c + x,), (c * x,)), (scale,), (xs,))
        (last,), (steps, same) = scan_nodes(lambda before, x: ((x,), (x - before, x)), (scale,), (rows,))
        return [last * 2.0, OPS["sum"](steps, axes=(0,)), OPS["max"](same, axes=(0,))]

    def joined(start, xs, w):
        def step(h, before, x):
            z = OPS["matmul"](h, w, ta=False, tb=False)
            return (OPS["concat"](x, columns(z, 0, 32) * columns(z, 32, 64), axis=1), h), (before,)

        states, (kept,) = scan_nodes(step, (start, start * 2.0), (xs,))
        return [*states, kept]

    checked(fibonacci, array(20, 16), array(20, 16) + 1)
    checked(differences, array(7, 20, 16), array(20, 16))
    checked(joined, array(20, 40), array(6, 20, 8), array(40, 64) * 0.1)


def test_donated_values_that_are_passed_on():
    a, b = array(20, 16), array(20, 16) + 1
    inputs = [placeholder(v.shape, dt.float32) for v in (a, b)]
    program = compile_graph(inputs, (inputs[1], inputs[0] + inputs[1]), donate=(0, 1), backend="native")
    for got, want in zip(program([a.copy(), b.copy()]), (b, a + b), strict=True):
        np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("seed", range(60))
def test_random_loops_equal_the_reference(seed):
    """States and stacked results that are computed, passed on, repeated or made of pieces, after a loop that made what they read."""
    choices = random.Random(seed)
    states, arrays, reverse = choices.randint(1, 3), choices.randint(1, 2), choices.random() < 0.4

    def value(known):
        kind, a, b = choices.random(), choices.choice(known), choices.choice(known)
        if kind < 0.35:
            return a
        if kind < 0.5:
            return OPS["concat"](columns(a, 0, 8) * columns(b, 8, 16), columns(b, 0, 8), axis=1)
        if kind < 0.6:
            return OPS["flip"](a, axes=(1,)) * 0.5
        known.append(OPS["tanh"](a + b * 0.5))
        return known[-1]

    def function(*given):
        starts, xs = given[:states], given[states:]
        if choices.random() < 0.7:
            _, xs = scan_nodes(lambda c, *x: ((c * 0.5 + x[0],), tuple(c * v for v in x)), (starts[0],), xs)

        def step(*now):
            known = list(now)
            return tuple(value(known) for _ in range(states)), tuple(value(known) for _ in range(choices.randint(1, 3)))

        last, stacked = scan_nodes(step, starts, xs, reverse=reverse)
        return [o if choices.random() < 0.4 else OPS["tanh"](o) for o in (*last, *stacked)]

    checked(function, *[array(6, 16) + k for k in range(states)], *[array(5, 6, 16) + k for k in range(arrays)])
