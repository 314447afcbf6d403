"""How many passes over the image pooling takes when it is compiled, and that they give what the reference gives."""

import numpy as np
import pytest

import saltus as sl
from saltus.ir.evaluate import evaluate
from saltus.ir.node import placeholder
from saltus.ops.movement import reshape
from saltus.ops.pooling import gathered
from saltus.ops.reduce import sum as sum_over
from saltus.transform.simplify import simplify

X = np.random.default_rng(0).normal(size=(8, 12, 12, 16)).astype("float32")


def kernels(function, *arrays):
    run = sl.jit(function)
    made = run(*map(sl.asarray, arrays))
    lines = [line for line in str(run.explain()).splitlines() if " us " in line]
    return made, lines


def test_pooling_goes_with_the_activation_before_it():
    made, lines = kernels(lambda x: sl.max_pool(sl.relu(x), 2), X)
    assert len(lines) == 1
    expected = np.maximum(X, 0).reshape(8, 6, 2, 6, 2, 16).max(axis=(2, 4))
    np.testing.assert_array_equal(made.numpy(), expected)


@pytest.mark.parametrize(("size", "stride"), [(2, 2), (3, 3), (4, 2)])
@pytest.mark.parametrize("name", ["max_pool", "average_pool"])
def test_the_way_back_goes_with_the_gradient_of_the_activation(name, size, stride):
    pool = getattr(sl, name)
    padding = "valid" if size == stride else ((1, 1), (1, 1))

    def back(x, g):
        return sl.vjp(lambda x: pool(sl.relu(x), size, stride=stride, padding=padding), x)[1](g)

    g = np.random.default_rng(1).normal(size=pool(X, size, stride=stride, padding=padding).shape).astype("float32")
    (made,), lines = kernels(back, X, g)
    whole = [line for line in lines if "(pieces)" not in line]
    if size == stride:
        assert len(whole) == (2 if name == "max_pool" else 1)
    relu = sl.relu(sl.asarray(X))
    direction = sl.vjp(lambda x: pool(x, size, stride=stride, padding=padding), relu)[1](sl.asarray(g))[0].numpy()
    np.testing.assert_allclose(made.numpy(), direction * (X > 0), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("size", "step"), [((2, 2), (2, 2)), ((3, 2), (2, 2)), ((5, 3), (2, 3))])
def test_what_follows_a_merge_is_computed_before_it(size, step):
    """The merge of blocks into an axis goes down the graph, past elementwise ops and sums, and the values stay."""
    lengths = (12, 18)
    counts = tuple((n - k) // s + 1 for n, k, s in zip(lengths, size, step, strict=True))
    g, b = placeholder((2, *counts, 3), sl.float64), placeholder((2, *lengths, 3), sl.float64)
    spread = gathered(g, None, lengths, size, step)
    value = spread * b + b
    outputs = [value, sum_over(value, axes=(0, 1, 2))]
    found = simplify(outputs)
    assert all(node.op.name == "reshape" and len(node.src[0].shape) > 4 for node in found)
    rng = np.random.default_rng(0)
    env = {node: rng.normal(size=node.shape) for node in (g, b)}
    for a, e in zip(evaluate(found, env), evaluate(outputs, env), strict=True):
        np.testing.assert_allclose(a, e, rtol=1e-12)


def test_a_merge_of_what_is_computed_element_by_element_stays():
    a, b = placeholder((2, 3, 4, 5), sl.float64), placeholder((2, 12, 5), sl.float64)
    (found,) = simplify([reshape(a * a, (2, 12, 5)) * b])
    assert found.op.name == "multiply"
