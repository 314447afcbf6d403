"""Products written for their extents are right for every shape, layout, epilogue and register width."""

from __future__ import annotations

import ctypes
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saltus.backend.cpu import compile as machine
from saltus.backend.cpu import kernels
from saltus.backend.cpu.gemm_small import LARGEST, SmallKernel
from saltus.base import dtypes as dt
from saltus.ir.evaluate import evaluate
from saltus.ir.node import broadcast, placeholder
from saltus.ir.spec import OPS
from saltus.schedule.plan import Phase, make_plan

WIDTHS = [bits for bits in (512, 256, 128) if bits <= machine.vector_bits()]
FUNCTION = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p)


def product(m, n, k, ta, tb, dtype):
    a = placeholder((k, m) if ta else (m, k), dtype)
    b = placeholder((n, k) if tb else (k, n), dtype)
    return a, b, OPS["matmul"](a, b, ta=ta, tb=tb)


def plain(m, n, k, ta, tb, dtype):
    a, b, c = product(m, n, k, ta, tb, dtype)
    return [a, b], [c], ()


def bias_relu(m, n, k, ta, tb, dtype):
    a, b, c = product(m, n, k, ta, tb, dtype)
    bias = placeholder((n,), dtype)
    return [a, b, bias], [OPS["relu"](c + broadcast(bias, (m, n)))], ()


def update(m, n, k, ta, tb, dtype):
    """Two values of state updated in place, with a scalar that is computed once."""
    a, b, c = product(m, n, k, ta, tb, dtype)
    w, v, rate = placeholder((m, n), dtype), placeholder((m, n), dtype), placeholder((), dtype)
    after = v + (c * c - v) * 0.25
    scale = broadcast(OPS["reshape"](rate * 0.1, shape=(1, 1)), (m, n))
    return [w, v, a, b, rate], [w - scale * c / (OPS["sqrt"](after) + 0.5), after], (0, 1)


def rows_and_places(m, n, k, ta, tb, dtype):
    """A value a row, another type beside the sums, and the position itself."""
    a, b, c = product(m, n, k, ta, tb, dtype)
    weight = placeholder((m, 1), dtype)
    at = OPS["iota"](shape=(m, n), axis=1, dtype=dt.int64)
    down = OPS["iota"](shape=(m, n), axis=0, dtype=dt.int64)
    zero = c * 0.0
    chosen = OPS["where"](OPS["less"](at, down), c * broadcast(weight, (m, n)), zero)
    return [a, b, weight], [chosen, OPS["greater"](c, zero)], ()


def aligned(size):
    memory = np.zeros(size + 64, np.uint8)
    return memory[-memory.ctypes.data % 64 :][:size]


def run(inputs, outputs, donate, arrays, bits):
    """The only kernel of a graph on these arrays; returns results and kernel."""
    plan, _ = make_plan(inputs, outputs, donate, kernels.NativeTarget(bits))
    launches = plan.launches()
    assert [type(x.kernel) for x in launches] == [SmallKernel], [x.kernel.label for x in launches]
    assert all(isinstance(s, Phase) for s in plan.steps)
    kernel = launches[0].kernel
    symbol = machine.symbol_of(f"{kernel.key()} {bits}")
    function = FUNCTION(machine.load(symbol, machine.object_code(kernels.emit(kernel, symbol, bits))))
    results = [arrays[plan.aliases[i]] if i in plan.aliases else np.empty(o.shape, o.dtype.numpy) for i, o in enumerate(outputs)]
    memory = dict(zip([*plan.inputs, *plan.outputs], [*arrays, *results], strict=True))
    words = np.array(launches[0].words, np.int64)
    for slot, place in launches[0].pointers:
        words[slot] = memory[place.root].ctypes.data + place.offset
    scratch = aligned(kernel.scratch + 64)
    scratch[:] = 0xFF  # NaN
    function(words.ctypes.data, 0, scratch.ctypes.data)
    assert (scratch[kernel.scratch :] == 0xFF).all()
    return results, kernel


def check(build, m, n, k, ta, tb, dtype, bits):
    inputs, outputs, donate = build(m, n, k, ta, tb, dtype)
    rng = np.random.default_rng((m, n, k))
    arrays = [np.asarray(rng.integers(1, 5, i.shape), i.dtype.numpy) for i in inputs]
    expected = evaluate(outputs, dict(zip(inputs, [x.copy() for x in arrays], strict=True)))
    # every array lies between NaN, so that a read or write beyond its end shows
    padded = []
    for x in arrays:
        whole = np.full(x.size + 64, np.nan, x.dtype)
        whole[32 : 32 + x.size] = x.ravel()
        padded.append(whole[32 : 32 + x.size].reshape(x.shape))
    results, kernel = run(inputs, outputs, donate, padded, bits)
    for got, want in zip(results, expected, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-5)
    for x in padded:
        around = x.base if x.base.ndim == 1 else x.base.base
        assert np.isnan(around[:32]).all() and np.isnan(around[32 + x.size :]).all()
    return kernel


extent = st.one_of(st.integers(1, 20), st.integers(1, 64), st.sampled_from([1, 3, 8, 16, 31, 32, 33, 64]))


@pytest.mark.parametrize("bits", WIDTHS)
@settings(max_examples=25, deadline=None)
@given(
    m=extent, n=extent, k=extent, ta=st.booleans(), tb=st.booleans(), dtype=st.sampled_from([dt.float32, dt.float64]),
    build=st.sampled_from([plain, bias_relu, update, rows_and_places]),
)  # fmt: skip
def test_any_shape_layout_and_epilogue(m, n, k, ta, tb, dtype, build, bits):
    check(build, m, n, k, ta, tb, dtype, bits)


@pytest.mark.parametrize("bits", WIDTHS)
@pytest.mark.parametrize(("ta", "tb"), list(itertools.product([False, True], repeat=2)))
@pytest.mark.parametrize("shape", [(32, 32, 16), (32, 3, 32), (16, 32, 32), (33, 19, 9), (5, 1, 7), (1, 20, 3)])
def test_shapes_of_small_networks(shape, ta, tb, bits):
    for build in (plain, bias_relu, update):
        check(build, *shape, ta, tb, dt.float32, bits)


@pytest.mark.parametrize("bits", WIDTHS)
def test_narrow_products_of_larger_networks(bits):
    check(plain, 128, 10, 256, False, False, dt.float32, bits)
    check(update, 256, 10, 128, True, False, dt.float32, bits)
    check(plain, 128, 256, 10, False, True, dt.float32, bits)


@pytest.mark.parametrize("rows", [32, 64, 9, 17, 63])
def test_another_batch_size_needs_no_other_code(rows):
    def forward(m):
        inputs, outputs, donate = bias_relu(m, 32, 16, False, False, dt.float32)
        return make_plan(inputs, outputs, donate, kernels.NativeTarget(256))[0].launches()[0].kernel.key()

    def backward(m):
        inputs, outputs, donate = update(16, 32, m, True, False, dt.float32)
        return make_plan(inputs, outputs, donate, kernels.NativeTarget(256))[0].launches()[0].kernel.key()

    assert forward(rows) == forward(40) and backward(rows) == backward(40)


def test_large_products_have_the_general_kernel():
    a, b, c = product(128, 128, 128, False, False, dt.float32)
    assert LARGEST < 128**3
    plan, _ = make_plan([a, b], [c], (), kernels.NativeTarget(256))
    assert not any(isinstance(x.kernel, SmallKernel) for x in plan.launches())


@pytest.mark.parametrize(("triple", "bits", "wanted"), [
    ("x86_64-unknown-linux-gnu", 512, "zmm"), ("x86_64-unknown-linux-gnu", 256, "vfmadd"), ("aarch64-unknown-linux-gnu", 128, "fmla"),
])  # fmt: skip
def test_instructions_of_other_machines(triple, bits, wanted):
    inputs, outputs, donate = update(32, 32, 32, True, False, dt.float32)
    kernel = make_plan(inputs, outputs, donate, kernels.NativeTarget(bits))[0].launches()[0].kernel
    cpu = {"zmm": "skylake-avx512", "vfmadd": "haswell", "fmla": "cortex-a76"}[wanted]
    assert wanted in machine.assembly(kernels.emit(kernel, "k", bits), triple, cpu)
