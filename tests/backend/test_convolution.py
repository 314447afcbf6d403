"""Convolutions on the native engine: every form, with an epilogue, against plain NumPy, for every register width and thread count."""

from __future__ import annotations

import os
import random
import subprocess
import sys

import numpy as np
import pytest

from saltus.backend.cpu import compile as machine
from saltus.backend.cpu import engine
from saltus.base import dtypes as dt
from saltus.ir.differentiate import backward
from saltus.ir.evaluate import evaluate
from saltus.ir.node import broadcast, full, placeholder
from saltus.ir.spec import OPS
from saltus.ops import convolution as ops
from saltus.ops.movement import flip, pad, permute, slice_

WIDTHS = [bits for bits in (512, 256, 128) if bits <= machine.vector_bits()]


def any_case(rng):
    """Sizes, channels, kernel, filters and attributes of a convolution, anything that is allowed."""
    rank = rng.choice([1, 2, 2, 2, 3])
    kernel = tuple(rng.randint(1, 4 if rank < 3 else 2) for _ in range(rank))
    stride, dilation = (tuple(rng.randint(1, top) for _ in range(rank)) for top in (3, 2))
    low, high = (tuple(rng.randint(0, 3) for _ in range(rank)) for _ in range(2))
    groups = rng.choice([1, 1, 1, 2, 4])
    channels, filters = groups * rng.choice([1, 1, 3, 8, 17, 32]), groups * rng.choice([1, 3, 16, 33])
    if rng.random() < 0.2:
        groups = filters = channels
    spans = ops.reach(kernel, dilation)
    size = tuple(max(rng.randint(1, 12), r - i - j) for r, i, j in zip(spans, low, high, strict=True))
    return rng.choice([1, 2, 5]), size, channels, kernel, filters, dict(stride=stride, dilation=dilation, low=low, high=high, groups=groups)


def tiled_case(rng):
    """One that runs by Winograd's algorithm: 3 x 3 at every place."""
    size = (rng.randint(8, 19), rng.randint(8, 19))
    low, high = ((rng.randint(0, 2), rng.randint(0, 2)) for _ in range(2))
    attrs = dict(stride=(1, 1), dilation=(1, 1), low=low, high=high, groups=1)
    return rng.randint(4, 9), size, rng.choice([16, 32, 48]), (3, 3), rng.choice([16, 32, 80]), attrs


def halved_case(rng):
    """One whose kernel is 2 x 2, or twice its stride: 2 x 2 on blocks, or in each phase of a gradient; tiles have a side of 2 or 3."""
    stride = rng.choice([1, 2])
    size = tuple(stride * rng.choice([4, 4, 5, 7, 8, 10]) + rng.randint(0, 1) for _ in range(2))
    low, high = ((rng.randint(0, 1), rng.randint(0, 1)) for _ in range(2))
    attrs = dict(stride=(stride, stride), dilation=(1, 1), low=low, high=high, groups=1)
    return rng.choice([5, 12, 14]), size, rng.choice([16, 32, 48]), (2 * stride, 2 * stride), rng.choice([16, 32, 80]), attrs


def build(case, dtype):
    """Graphs of a convolution with bias and activation and of its gradients, and operands for them."""
    n, size, channels, kernel, filters, attrs = case
    shape = (n, *size, channels)
    weights = (*kernel, channels // attrs["groups"], filters)
    out = ops._conv_shape(shape, weights, **attrs)
    x, w, g, b = inputs = [placeholder(s, dtype) for s in (shape, weights, out, (filters,))]
    made = ops.conv(x, w, **attrs) + broadcast(b, out)
    made = OPS["maximum"](made, g * broadcast(b, out))
    outputs = [made, ops.conv_input(g, w, size=size, **attrs), ops.conv_weight(x, g, kernel=kernel, **attrs)]
    rng = np.random.default_rng(int(sum(shape)))
    return inputs, outputs, [rng.standard_normal(i.shape).astype(dtype.numpy) for i in inputs]


def seen_through(rng, shape):
    """An input, and an array of the wanted shape that is a view of it, or computed from it."""
    n, height, width, channels = shape
    kind = rng.choice(["plain", "flip", "slice", "permute", "pad", "broadcast", "relu"])
    if kind == "slice":
        x = placeholder((n, height * 2, width + 1, channels + 2), dt.float32)
        return x, slice_(x, (0, 1, 0, 1), (n, height * 2, width, channels + 1), (1, 2, 1, 1))
    if kind == "permute":
        x = placeholder((channels, n, height, width), dt.float32)
        return x, permute(x, (1, 2, 3, 0))
    if kind == "pad" and height > 2:
        x = placeholder((n, height - 2, width, channels), dt.float32)
        return x, pad(x, (0, 1, 0, 0), (0, 1, 0, 0))
    if kind == "broadcast":
        x = placeholder((1, height, 1, channels), dt.float32)
        return x, broadcast(x, shape)
    x = placeholder(shape, dt.float32)
    return x, {"flip": lambda: flip(x, (1, 2)), "relu": lambda: OPS["relu"](x * 1.5)}.get(kind, lambda: x)()


@pytest.mark.parametrize("seed", range(24))
def test_operands_may_be_views_and_results_go_on(seed):
    rng = random.Random(seed)
    channels, filters, groups = rng.choice([1, 3, 8, 16, 40]), rng.choice([1, 4, 16, 33]), 1
    if rng.random() < 0.15:
        groups = filters = channels
    kernel, stride = rng.choice([(1, 1), (3, 3), (2, 2), (4, 4), (3, 1)]), rng.choice([(1, 1), (1, 1), (2, 2), (1, 2)])
    size = (rng.randint(6, 14), rng.randint(6, 14))
    attrs = dict(stride=stride, dilation=(1, 1), low=(1, 0), high=(0, 1), groups=groups)
    x, image = seen_through(rng, (rng.choice([2, 9]), *size, channels))
    w, weights = seen_through(rng, (*kernel, channels // groups, filters))
    made = ops.conv(image, weights, **attrs)
    g, gradient = seen_through(rng, made.shape)
    r = placeholder(made.shape, dt.float32)
    outputs = (
        OPS["tanh"](made + r) * 2.0 + broadcast(OPS["sum"](r, axes=(1, 2)), made.shape),
        ops.conv_input(gradient, weights, size=size, **attrs),
        OPS["relu"](ops.conv_weight(image, gradient, kernel=kernel, **attrs)) - 0.5,
    )
    inputs = [x, w, g, r]
    arrays = [np.random.default_rng(seed).standard_normal(i.shape).astype("f") for i in inputs]
    wanted = evaluate(outputs, dict(zip(inputs, arrays, strict=True)))
    for a, b in zip(engine.compile_graph(tuple(inputs), outputs, donate=(), name="views")(arrays), wanted, strict=True):
        np.testing.assert_allclose(a, b, atol=3e-5 * (np.abs(b).max() + 1))


def differences(make, seed, count):
    """Largest relative errors of the native engine over generated cases."""
    rng = random.Random(seed)
    for _ in range(count):
        case, dtype = make(rng), rng.choice([dt.float32, dt.float64])
        inputs, outputs, arrays = build(case, dtype)
        wanted = evaluate(outputs, dict(zip(inputs, arrays, strict=True)))
        found = engine.compile_graph(tuple(inputs), tuple(outputs), donate=(), name="convolution")(arrays)
        for name, a, b in zip(("conv", "input", "weight"), found, wanted, strict=True):
            error = np.abs(np.asarray(a) - b).max(initial=0) / (np.abs(b).max(initial=0) + 1e-30)
            yield error / (1e-5 if dtype is dt.float32 else 1e-13), f"{name} of {case} in {dtype.name}: {error:.2g}"


@pytest.mark.parametrize("bits", WIDTHS)
@pytest.mark.parametrize("make", [any_case, tiled_case, halved_case])
def test_any_convolution_is_that_of_numpy(bits, make):
    environment = {**os.environ, "SALTUS_VECTOR_BITS": str(bits)}
    command = [sys.executable, __file__, make.__name__, str(bits), "40" if make is any_case else "10"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_tiles_are_used_where_they_pay_and_only_there():
    def kernels(n, side, channels, filters, stride=1):
        attrs = dict(stride=(stride, stride), dilation=(1, 1), low=(1, 1), high=(1, 1), groups=1)
        x, w = placeholder((n, side, side, channels), dt.float32), placeholder((3, 3, channels, filters), dt.float32)
        return engine.compile_graph((x, w), (ops.conv(x, w, **attrs),), donate=(), name="convolution").explain(timed=False)

    assert "(kernel)" in kernels(16, 16, 32, 32)
    x, w = placeholder((16, 4, 4, 32), dt.float32), placeholder((4, 4, 16, 32), dt.float32)
    size, attrs = (8, 8), dict(stride=(2, 2), dilation=(1, 1), low=(1, 1), high=(1, 1), groups=1)
    program = engine.compile_graph((x, w), (ops.conv_input(x, w, size=size, **attrs),), donate=(), name="convolution")
    assert program.explain(timed=False).count("(kernel)") == 4  # small maps: each phase by tiles of 2 x 2
    for few in ((16, 16, 3, 32), (16, 16, 32, 32, 2), (1, 4, 64, 64), (16, 3, 32, 32)):
        assert "(kernel)" not in kernels(*few)


def test_depthwise_training_holds_no_padded_copies():
    """What a depthwise gradient reads is computed again from what was there before it was normalised and padded."""
    depth, places = 6, (1, 1)
    attrs = dict(stride=(1, 1), dilation=(1, 1), low=places, high=places, groups=32)
    first, target = placeholder((16, 16, 16, 32), dt.float32), placeholder((16, 16, 16, 32), dt.float32)
    scale, *kernels = [placeholder((32,), dt.float32), *[placeholder((3, 3, 1, 32), dt.float32) for _ in range(depth)]]
    pointwise = placeholder((1, 1, 32, 32), dt.float32)
    plain = dict(stride=(1, 1), dilation=(1, 1), low=(0, 0), high=(0, 0), groups=1)
    made = [ops.conv(first, pointwise, **plain)]
    for kernel in kernels:
        inner = OPS["relu"](made[-1] * broadcast(scale, first.shape))
        made += [ops.conv(ops.conv(inner, kernel, **attrs), pointwise, **plain)]
    error = OPS["sum"]((made[-1] - target) * (made[-1] - target), axes=(0, 1, 2, 3))
    inputs, outputs = [first, target, scale, pointwise, *kernels], backward([error], [full((1, 1, 1, 1), 1, dt.float32)], kernels)
    rng = np.random.default_rng(0)
    arrays = [(0.3 * rng.standard_normal(i.shape)).astype("f") for i in inputs]
    program = engine.compile_graph(tuple(inputs), tuple(outputs), donate=(), name="separable")
    for a, b in zip(program(arrays), evaluate(outputs, dict(zip(inputs, arrays, strict=True))), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5 * np.abs(b).max())
    assert program.plan.arena < (depth + 6) * first.nbytes  # a map a layer, and what the gradient works on


@pytest.mark.parametrize("make", [any_case, tiled_case, halved_case])
def test_results_are_the_same_bits_for_any_number_of_threads(make):
    script = (
        "import sys, hashlib, random; sys.path.insert(0, sys.argv[1]); import test_convolution as t\n"
        "from saltus.base import dtypes as dt\n"
        "rng, digest = random.Random(5), hashlib.sha256()\n"
        "for _ in range(6):\n"
        f"    inputs, outputs, arrays = t.build(t.{make.__name__}(rng), dt.float32)\n"
        "    program = t.engine.compile_graph(tuple(inputs), tuple(outputs), donate=(), name='c')\n"
        "    for made in program(arrays): digest.update(made.tobytes())\n"
        "print(digest.hexdigest())\n"
    )
    found = set()
    for threads in (1, 2, 3):
        command = [sys.executable, "-c", script, os.path.dirname(__file__)]
        environment = {**os.environ, "SALTUS_THREADS": str(threads)}
        found.add(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)
    assert len(found) == 1


if __name__ == "__main__":
    worst = max(differences(globals()[sys.argv[1]], int(sys.argv[2]), int(sys.argv[3])))
    if worst[0] > 1:
        sys.exit(worst[1])
