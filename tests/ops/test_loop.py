"""Loops as nodes: NumPy's loop gives the values, finite differences the gradients, also of half types and inner loops."""

import numpy as np
import pytest

from saltus.base import dtypes as dt
from saltus.base.errors import DTypeError, ShapeError
from saltus.ir.differentiate import backward
from saltus.ir.evaluate import evaluate
from saltus.ir.node import OPS, full, placeholder, topological
from saltus.ops import math as m
from saltus.ops.loop import scan_nodes

RNG = np.random.default_rng(11)


def cell(h, x, w):
    return m.tanh(OPS["matmul"](h, w, ta=False, tb=False) + x)


def recurrence(dtype, *, reverse=False, length=5):
    """h = tanh(h w + x): the results, and the inputs with arrays."""
    xs, h0, w = (placeholder(s, dtype) for s in ((length, 2, 3), (2, 3), (3, 3)))
    (last,), (steps,) = scan_nodes(lambda h, x: ((cell(h, x, w),), (h * 2.0,)), (h0,), (xs,), length=length, reverse=reverse)
    env = {n: RNG.uniform(-1, 1, n.shape).astype(dtype.numpy) for n in (xs, h0, w)}
    return [last, steps], env


@pytest.mark.parametrize("reverse", [False, True])
def test_values(engine, reverse):
    outputs, env = recurrence(dt.float64, reverse=reverse)
    xs, h, w = env.values()
    steps = np.empty_like(xs)
    for t in reversed(range(5)) if reverse else range(5):
        steps[t] = h * 2
        h = np.tanh(h @ w + xs[t])
    last, found = engine(outputs, env)
    np.testing.assert_allclose(last, h, rtol=1e-12)
    np.testing.assert_allclose(found, steps, rtol=1e-12)


@pytest.mark.parametrize("reverse", [False, True])
def test_gradient_and_gradient_of_gradient(check_gradient, reverse):
    outputs, env = recurrence(dt.float64, reverse=reverse)
    assert check_gradient(outputs, env, what=f"scan {reverse}", order=2) == 3


def test_no_steps_give_the_first_state(engine, check_gradient):
    outputs, env = recurrence(dt.float64, length=0)
    last, steps = engine(outputs, env)
    np.testing.assert_array_equal(last, list(env.values())[1])
    assert steps.shape == (0, 2, 3)
    check_gradient(outputs[:1], env, what="no steps")


@pytest.mark.parametrize("dtype", [dt.float16, dt.bfloat16], ids=lambda d: d.name)
def test_half_types_pass_through_a_loop(engine, dtype):
    """Each step rounds its state to the half type."""
    xs = placeholder((4, 3), dtype)
    (last,), (steps,) = scan_nodes(lambda h, x: ((h + x,), (h,)), (full((3,), 1, dtype),), (xs,))
    numbers = RNG.uniform(0, 1, (4, 3)).astype(np.float32)

    def rounded(a):
        return dt.from_bfloat16(dt.to_bfloat16(a)) if dtype is dt.bfloat16 else a.astype(np.float16).astype(np.float32)

    stored = dt.to_bfloat16(numbers) if dtype is dt.bfloat16 else numbers.astype(np.float16)
    found = [dt.from_bfloat16(v) if dtype is dt.bfloat16 else v for v in engine([last, steps], {xs: stored})]
    h, expected = np.ones(3, np.float32), []
    for x in rounded(numbers):
        expected.append(h)
        h = rounded(h + x)
    np.testing.assert_array_equal(found[0], h)
    np.testing.assert_array_equal(found[1], expected)


def test_a_loop_in_a_loop(engine, check_gradient):
    """Row sums of running products: the inner loop uses the outer one's state and a constant from outside both."""
    xs, scale = placeholder((3, 4), dt.float64), placeholder((), dt.float64)

    def outer(total, row):
        (inner,), _ = scan_nodes(lambda p, x: ((p * x + total * scale,), ()), (full((), 1, dt.float64),), (row,))
        return (total + inner,), (inner,)

    (total,), (each,) = scan_nodes(outer, (full((), 0, dt.float64),), (xs,))
    env = {xs: RNG.uniform(0.5, 1.5, (3, 4)), scale: np.float64(0.3)}
    expected, rows = 0.0, []
    for row in env[xs]:
        p = 1.0
        for x in row:
            p = p * x + expected * 0.3
        expected += p
        rows.append(p)
    values = engine([total, each], env)
    np.testing.assert_allclose(values[0], expected, rtol=1e-12)
    np.testing.assert_allclose(values[1], rows, rtol=1e-12)
    check_gradient([total, each], env, what="nested", order=2)


def test_whole_numbers_may_be_state_beside_numbers_that_have_gradients(engine, check_gradient):
    xs = placeholder((4,), dt.float64)

    def step(count, total, x):
        return (count + 1, total + x * m.OPS["cast"](count, dtype=dt.float64)), (count,)

    start = (full((), 1, dt.int32), full((), 0, dt.float64))
    (count, total), (counts,) = scan_nodes(step, start, (xs,))
    env = {xs: np.array([1.0, 2.0, 3.0, 4.0])}
    values = engine([count, total, counts], env)
    assert [v.tolist() for v in values] == [5, 30.0, [1, 2, 3, 4]]
    assert check_gradient([total], env, what="counted") == 1


def test_what_does_not_depend_on_the_step_is_computed_outside():
    w = placeholder((3, 3), dt.float32)
    product = OPS["matmul"](w, w, ta=False, tb=False)
    (last,), _ = scan_nodes(lambda h: ((OPS["matmul"](h, product, ta=False, tb=False),), ()), (w,), (), length=3)
    loop = last.src[0]
    assert product in loop.src
    assert [n.op.name for n in topological(loop.attr("body").outputs)].count("matmul") == 1


def test_gradients_of_steps_that_were_not_asked_for_cost_nothing():
    """The backward loop takes no cotangents for results that have none."""
    outputs, env = recurrence(dt.float32)
    last, _ = outputs
    gradient = backward([last], [full(last.shape, 1, dt.float32)], [next(iter(env))])[0]
    back = gradient.src[0]
    assert back.op.name == "scan"
    assert not any(s.op.name == "broadcast_to" and s.shape == (5, 2, 3) for s in back.src)


def test_what_a_loop_does_not_use_has_no_gradient():
    xs, unused, w = (placeholder(s, dt.float32) for s in ((4, 3), (4, 2), (3,)))
    (last,), _ = scan_nodes(lambda h, x, _: ((h + x,), (w * 2.0,)), (w,), (xs, unused))
    found = backward([last], [full((3,), 1, dt.float32)], [unused, xs])
    assert found[0] is None
    assert found[1] is not None


def test_the_gradient_of_a_weight_is_one_product_after_the_loop():
    outputs, env = recurrence(dt.float32)
    gradient = backward(outputs, [full(o.shape, 1, dt.float32) for o in outputs], [list(env)[2]])[0]
    assert gradient.op.name == "matmul"
    assert gradient.src[0].shape == (5 * 2, 3)


def test_the_gradient_computes_no_product_of_the_forward_loop_again():
    """The backward loop reads what a product led to, and has one product a step: the one that goes back through the weight."""
    outputs, env = recurrence(dt.float32)
    gradient = backward(outputs[:1], [full(outputs[0].shape, 1, dt.float32)], [next(iter(env))])[0]
    body = gradient.src[0].attr("body")
    products = [n for n in topological(body.outputs) if n.op.name == "matmul"]
    assert [p.attr("tb") for p in products] == [True]


def test_a_weight_used_twice_gets_both_shares(check_gradient):
    xs, h0, w = (placeholder(s, dt.float64) for s in ((4, 2, 3), (2, 3), (3, 3)))
    (last,), _ = scan_nodes(lambda h, x: ((cell(cell(h, x, w), x, w),), ()), (h0,), (xs,))
    env = {n: RNG.uniform(-1, 1, n.shape) for n in (xs, h0, w)}
    assert check_gradient([last], env, what="twice", order=2) == 3


def test_a_weight_that_meets_another_constant_is_summed_step_by_step(check_gradient):
    xs, w, v = (placeholder(s, dt.float64) for s in ((4, 2, 3), (3, 3), (2, 3)))
    fixed = OPS["matmul"](v, w, ta=False, tb=False)
    (last,), _ = scan_nodes(lambda h, x: ((cell(v * h, x, w) + fixed,), ()), (v,), (xs,))
    env = {n: RNG.uniform(-1, 1, n.shape) for n in (xs, w, v)}
    assert check_gradient([last], env, what="constants", order=2) == 3


@pytest.mark.parametrize(
    ("build", "error", "words"),
    [
        (lambda x, h: scan_nodes(lambda s, v: ((s,), ()), (h,), (x, h)), ShapeError, "xs number 1"),
        (lambda x, h: scan_nodes(lambda s: ((s,), ()), (h,), ()), ShapeError, "length"),
        (lambda x, h: scan_nodes(lambda s, v: ((v,), ()), (h,), (x,)), ShapeError, "carry number 0"),
        (
            lambda x, h: scan_nodes(lambda s, v: ((OPS["cast"](s, dtype=dt.float64),), ()), (h,), (x,)),
            DTypeError,
            "float32 before a step and float64 after",
        ),
    ],
)
def test_loops_that_do_not_fit_are_refused(build, error, words):
    x, h = placeholder((5, 2), dt.float32), placeholder((3,), dt.float32)
    with pytest.raises(error, match=words):
        build(x, h)


def test_a_body_is_the_same_program_under_jax():
    jax = pytest.importorskip("jax")
    outputs, env = recurrence(dt.float32)
    traced = jax.jit(lambda arrays: evaluate(outputs, dict(zip(env, arrays, strict=True)), jax.numpy))
    for a, b in zip(traced(list(env.values())), evaluate(outputs, env), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5)
