"""What tests of ops share: the engines they run on, and derivatives by finite differences."""

import zlib

import numpy as np
import pytest

from saltus.backend.base import compile_graph
from saltus.base import dtypes as dt
from saltus.ir.differentiate import backward
from saltus.ir.evaluate import evaluate
from saltus.ir.node import placeholder

ENGINES = ["reference", "native"]


@pytest.fixture(params=ENGINES, scope="session")
def engine(request):
    """Runs a graph: engine(outputs, {input: array}) -> arrays."""

    def run(outputs, env):
        program = compile_graph(tuple(env), tuple(outputs), backend=request.param)
        return program([np.ascontiguousarray(a).reshape(n.shape) for n, a in env.items()])

    return run


def _inner(a, b) -> float:
    return float(np.real(np.vdot(a, b)))


def _like(rng, node):
    """Random numbers of a node's shape and type."""
    values = rng.uniform(-1, 1, node.shape)
    if node.dtype.kind == "c":
        values = values + 1j * rng.uniform(-1, 1, node.shape)
    return np.asarray(values).astype(node.dtype.numpy)


def _slope(outputs, weights, env, node, direction, step) -> float:
    """Derivative of sum_i <weight_i, output_i> along a direction of one input, by central differences."""
    ends = []
    for sign in (1, -1):
        moved = env | {node: env[node] + sign * step * direction}
        ends.append(sum(_inner(w, v) for w, v in zip(weights, evaluate(outputs, moved), strict=True)))
    return (ends[0] - ends[1]) / (2 * step)


def _check(engine, outputs, env, *, what, order, tolerance, step) -> int:
    rng = np.random.default_rng(zlib.crc32(what.encode()))
    inputs = [n for n in env if n.dtype.is_inexact]
    outputs = [o for o in outputs if o.dtype in (dt.float64, dt.complex128)]
    if not inputs or not outputs:
        return 0
    seeds = [placeholder(o.shape, o.dtype) for o in outputs]
    weights = [_like(rng, o) for o in outputs]
    env = dict(env) | dict(zip(seeds, weights, strict=True))
    gradients = dict(zip(inputs, backward(outputs, seeds, inputs), strict=True))
    wanted = [g for g in gradients.values() if g is not None]
    values = dict(zip(wanted, engine(wanted, env), strict=True)) if wanted else {}
    for node, gradient in gradients.items():
        value = values[gradient] if gradient is not None else np.zeros(node.shape, node.dtype.numpy)
        for turn in range(2):
            direction = _like(rng, node)
            expected = _slope(outputs, weights, env, node, direction, step)
            found = _inner(value, direction)
            size = max(1.0, abs(expected), float(np.abs(value).max(initial=0.0)))
            assert abs(found - expected) <= tolerance * size, (
                f"{what}: input {inputs.index(node)}, direction {turn}: {found} by vjp, {expected} by differences"
            )
    if order > 1:
        _check(
            engine,
            wanted,
            env,
            what=f"{what}, again",
            order=order - 1,
            tolerance=tolerance * 10,
            step=step * 10,
        )
    return len(wanted)


@pytest.fixture(scope="session")
def check_gradient(engine):
    """check_gradient(outputs, {input: array}): vjps of a random combination of the outputs, against finite differences.

    With order=2 the same is asked of the gradients, as functions of the inputs. Returns how many inputs have a gradient.
    """

    def check(outputs, env, *, what="", order=1, tolerance=1e-6, step=1e-6):
        return _check(engine, outputs, env, what=what, order=order, tolerance=tolerance, step=step)

    return check
