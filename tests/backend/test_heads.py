"""Products of a batch with two axes (samples and heads): operands and results stay where they are, with any epilogue."""

import random

import numpy as np
import pytest

from saltus.backend.cpu import engine
from saltus.base import dtypes as dt
from saltus.ir.evaluate import evaluate
from saltus.ir.node import broadcast, placeholder
from saltus.ir.spec import OPS
from saltus.ops.movement import concat, permute, reshape, slice_


def compiled(inputs, outputs):
    return engine.compile_graph(tuple(inputs), tuple(outputs), donate=(), name="heads")


def equal_to_the_reference(inputs, outputs, rng):
    arrays = [rng.standard_normal(x.shape).astype(x.dtype.numpy) if x.dtype.is_float else rng.random(x.shape) < 0.5 for x in inputs]
    program = compiled(inputs, outputs)
    for made, wanted in zip(program(arrays), evaluate(outputs, dict(zip(inputs, arrays, strict=True))), strict=True):
        np.testing.assert_allclose(made, wanted, rtol=2e-4, atol=2e-4 * max(1, np.abs(wanted).max(initial=0)))
    return program


@pytest.mark.parametrize("seed", range(30))
def test_products_of_turned_heads(seed):
    pick, rng = random.Random(seed), np.random.default_rng(seed)
    samples, heads = pick.choice([1, 2, 5]), pick.choice([1, 3, 4])
    queries, keys, width = (pick.choice([1, 5, 16, 33, 50]) for _ in range(3))
    dtype = pick.choice([dt.float32, dt.float32, dt.float64])
    x = placeholder((samples, queries, heads, width), dtype)
    y = placeholder((samples, keys, heads, width), dtype)
    v = placeholder((samples, keys, heads, width), dtype)
    mask = placeholder((samples, 1, 1, keys) if pick.random() < 0.5 else (heads, 1, keys), dt.bool_)
    turned = [permute(t, (0, 2, 1, 3)) for t in (x, y, v)]
    scores = OPS["matmul"](turned[0], turned[1], ta=False, tb=True)
    shares = OPS["where"](broadcast(mask, scores.shape), scores, OPS["multiply"](scores, scores))
    mixed = OPS["matmul"](shares, turned[2], ta=False, tb=False)
    back = OPS["matmul"](shares, turned[0], ta=True, tb=False)
    flat = reshape(permute(mixed, (0, 2, 1, 3)), (samples * queries, heads * width))
    equal_to_the_reference([x, y, v, mask], [flat, permute(back, (0, 2, 1, 3)), scores], rng)


def test_heads_are_read_and_written_without_copies():
    samples, steps, heads, width = 4, 32, 4, 16
    x, w = placeholder((samples * steps, 48), dt.float32), placeholder((48, 3 * heads * width), dt.float32)
    bias = placeholder((3 * heads * width,), dt.float32)
    made = OPS["add"](OPS["matmul"](x, w, ta=False, tb=False), broadcast(bias, (samples * steps, 3 * heads * width)))
    made = reshape(made, (samples, steps, 3 * heads, width))
    ends = [(0, heads), (heads, 2 * heads), (2 * heads, 3 * heads)]
    q, k, v = (permute(slice_(made, (0, 0, a, 0), (samples, steps, b, width)), (0, 2, 1, 3)) for a, b in ends)
    scores = OPS["matmul"](q, k, ta=False, tb=True)
    mixed = OPS["matmul"](scores, v, ta=False, tb=False)
    flat = reshape(permute(mixed, (0, 2, 1, 3)), (samples * steps, heads * width))
    parts = [permute(OPS["matmul"](scores, t, ta=True, tb=False), (0, 2, 1, 3)) for t in (q, k, v)]
    program = equal_to_the_reference([x, w, bias], [flat, concat(parts, 2)], np.random.default_rng(0))
    labels = [launch.kernel.label for launch in program.plan.launches()]
    assert all("matmul" in label for label in labels), labels
    assert len([label for label in labels if "pack" not in label]) == 6


def test_bits_of_heads_do_not_depend_on_the_number_of_threads(monkeypatch):
    q, k = placeholder((3, 40, 5, 24), dt.float32), placeholder((3, 70, 5, 24), dt.float32)
    scores = OPS["matmul"](permute(q, (0, 2, 1, 3)), permute(k, (0, 2, 1, 3)), ta=False, tb=True)
    back = permute(OPS["matmul"](scores, permute(q, (0, 2, 1, 3)), ta=True, tb=False), (0, 2, 1, 3))
    arrays = [np.random.default_rng(1).standard_normal(x.shape).astype("f") for x in (q, k)]
    found = []
    for threads in ("1", "2", "3"):
        monkeypatch.setenv("SALTUS_THREADS", threads)
        found.append([a.tobytes() for a in compiled((q, k), (scores, back))(arrays)])
    assert found[0] == found[1] == found[2]
