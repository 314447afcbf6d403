"""Contractions multiply right for every shape, stride, structure and register width, whatever order chunks run in."""

import ctypes
import functools
import itertools
import re
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saltus.backend.cpu import compile as machine
from saltus.backend.cpu import gemm, gemm_plan
from saltus.backend.cpu.gemm_plan import FIRST_FREE_SLOT
from saltus.base import dtypes as dt
from saltus.base.errors import EngineError

FUNCTION = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p)
WIDTHS = [bits for bits in (512, 256, 128) if bits <= machine.vector_bits()]
BOTH = list(itertools.product([False, True], repeat=2))
DTYPES = {"float32": dt.float32, "float64": dt.float64}


# --- running ----------------------------------------------------------------------------------------------------
def aligned(size):
    """Zeroed bytes at an address that is a multiple of 64."""
    memory = np.zeros(size + 64, np.uint8)
    start = -memory.ctypes.data % 64
    return memory[start : start + size]


def plain_store(dtype):
    """C[batch, row, column] = sum; words: C and its batch and row strides."""

    def epilogue(b, sums, batch, row, column, mask):
        strides = [b.argument(FIRST_FREE_SLOT + i, dt.int64) for i in (1, 2)]
        place = b.add(b.add(b.mul(batch, strides[0]), b.mul(row, strides[1])), column)
        b.store(sums, b.offset(b.argument(FIRST_FREE_SLOT), place, dtype), dtype, mask)

    return epilogue


def dense_relu(dtype):
    """C = max(sum + bias[column], 0), and D counts how often each element was handed over."""

    def epilogue(b, sums, batch, row, column, mask):
        c, d, bias = (b.argument(FIRST_FREE_SLOT + i) for i in (0, 3, 4))
        strides = [b.argument(FIRST_FREE_SLOT + i, dt.int64) for i in (1, 2)]
        place = b.add(b.add(b.mul(batch, strides[0]), b.mul(row, strides[1])), column)
        total = b.add(sums, b.load(b.offset(bias, column, dtype), dtype, sums.lanes, mask))
        b.store(b.maximum(total, b.like(0, total)), b.offset(c, place, dtype), dtype, mask)
        seen = b.load(b.offset(d, place, dtype), dtype, sums.lanes, mask)
        b.store(b.add(seen, b.like(1, seen)), b.offset(d, place, dtype), dtype, mask)

    return epilogue


@functools.cache
def kernel(structure, bits, epilogue):
    """Machine code of one structure; compiled once, since kernels are good for every shape."""
    symbol = f"t{abs(hash((structure, bits, epilogue))):x}"
    if isinstance(structure, gemm_plan.PackStructure):
        text = gemm.emit_pack(structure, symbol, bits)
    elif isinstance(structure, gemm_plan.CombineStructure):
        text = gemm.emit_combine(structure, symbol, bits, epilogue(structure.dtype))
    else:
        own = None if structure.split else epilogue(structure.dtype)
        text = gemm.emit_compute(structure, symbol, bits, own)
    return FUNCTION(machine.load(symbol, machine.object_code(text)))


def run_phase(function, words, chunks, scratch_bytes, threads=1, order=None):
    """Run all chunks of a kernel, dealt to `threads` threads that each have a scratch of their own full of NaN."""
    arguments = np.array(words, np.int64)
    order = list(range(chunks)) if order is None else order(chunks)

    def work(mine):
        scratch = aligned(scratch_bytes)
        scratch[:] = 0xFF
        for chunk in mine:
            function(arguments.ctypes.data, chunk, scratch.ctypes.data)

    if threads == 1:
        work(order)
        return
    workers = [threading.Thread(target=work, args=(order[i::threads],)) for i in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def strides_of(array):
    return tuple(s // array.itemsize for s in array.strides)


def multiply(a, b, bits, epilogue=plain_store, extra=(), out=None, threads=1, order=None, **choices):
    """A @ B for arrays (batch, rows, columns) of any strides the planner takes; returns the result and the plan."""
    (batch, m, k), n = a.shape, b.shape[2]
    dtype = DTYPES[a.dtype.name]
    plan = gemm_plan.plan(batch, m, n, k, dtype, strides_of(a), strides_of(b), bits, **choices)
    c = np.full((batch, m, n), np.nan, a.dtype) if out is None else out
    own = [c.ctypes.data, *strides_of(c)[:2], *(array.ctypes.data for array in extra)]
    address, partials = b.ctypes.data, 0
    if plan.pack is not None:
        packed = aligned(plan.packed_bytes)
        words = plan.pack_arguments(address, packed.ctypes.data)
        run_phase(kernel(plan.pack, bits, None), words, plan.pack_chunks, 0, threads, order)
        address = packed.ctypes.data
    if plan.combine is not None:
        sums = aligned(plan.partial_bytes)
        partials = sums.ctypes.data
    words = plan.compute_arguments(a.ctypes.data, address, partials) + own
    compute = kernel(plan.compute, bits, epilogue)
    run_phase(compute, words, plan.compute_chunks, plan.scratch_bytes, threads, order)
    if plan.combine is not None:
        words = plan.combine_arguments(partials) + own
        run_phase(kernel(plan.combine, bits, epilogue), words, plan.combine_chunks, 0, threads, order)
    return c, plan


def operand(rng, batch, rows, columns, dtype, transposed=False, pad=0, exact=True):
    """A (batch, rows, columns) view whose lines are `pad` elements apart and surrounded by NaN."""
    outer, inner = (columns, rows) if transposed else (rows, columns)
    whole = np.full((batch, outer, inner + pad), np.nan, dtype)
    values = rng.integers(-4, 5, (batch, outer, inner)) if exact else rng.standard_normal((batch, outer, inner))
    whole[:, :, :inner] = values
    view = whole[:, :, :inner]
    return view.swapaxes(1, 2) if transposed else view


# --- results ----------------------------------------------------------------------------------------------------
extent = st.one_of(st.integers(1, 40), st.integers(1, 200), st.sampled_from([1, 8, 12, 16, 31, 32, 33, 64, 128]))


@pytest.mark.parametrize("bits", WIDTHS)
@given(
    m=extent, n=extent, k=extent, batch=st.integers(1, 3), dtype=st.sampled_from(["float32", "float64"]),
    transposed=st.tuples(st.booleans(), st.booleans()), pads=st.tuples(st.sampled_from([0, 1, 7]), st.sampled_from([0, 3])),
    packed=st.sampled_from([None, True, False]), seed=st.integers(0, 99),
)  # fmt: skip
def test_products_of_small_integers_are_exact(bits, m, n, k, batch, dtype, transposed, pads, packed, seed):
    rng = np.random.default_rng(seed)
    a = operand(rng, batch, m, k, dtype, transposed[0], pads[0])
    b = operand(rng, batch, k, n, dtype, transposed[1], pads[1])
    c, _ = multiply(a, b, bits, packed=packed)
    np.testing.assert_array_equal(c, a @ b)


SPECIAL = [
    (1, 1, 1), (1, 300, 70), (2, 300, 70), (3, 70, 300), (4, 129, 65), (5, 33, 17), (7, 3, 600), (100, 37, 53),
    (300, 1, 40), (40, 40, 1), (13, 600, 9), (130, 70, 1024), (600, 40, 33), (5, 7, 9000), (70, 40, 9000),
]  # fmt: skip


@pytest.mark.parametrize("bits", WIDTHS)
@pytest.mark.parametrize("transposed", BOTH, ids=str)
@pytest.mark.parametrize("shape", SPECIAL, ids=str)
def test_special_shapes_with_bias_relu_and_a_second_output(bits, transposed, shape):
    m, n, k = shape
    rng = np.random.default_rng(k)
    a, b = operand(rng, 2, m, k, "float32", transposed[0]), operand(rng, 2, k, n, "float32", transposed[1])
    bias, seen = rng.integers(-9, 10, n).astype("float32"), np.zeros((2, m, n), "float32")
    c, _ = multiply(a, b, bits, dense_relu, (seen, bias))
    np.testing.assert_array_equal(c, np.maximum(a @ b + bias, 0))
    np.testing.assert_array_equal(seen, 1)


@pytest.mark.parametrize("bits", WIDTHS)
@pytest.mark.parametrize("shape", [(24, 96, 1024), (43, 96, 2048), (1024, 96, 70), (2048, 40, 33)], ids=str)
@pytest.mark.parametrize("transposed", [False, True])
def test_lines_a_page_apart_are_copied_and_multiply_the_same(bits, shape, transposed):
    m, n, k = shape
    rng = np.random.default_rng(0)
    a, b = operand(rng, 1, m, k, "float32", transposed), operand(rng, 1, k, n, "float32")
    c, plan = multiply(a, b, bits)
    assert plan.compute.a_copied == ((m if transposed else k) % 1024 == 0)
    np.testing.assert_array_equal(c, a @ b)


@pytest.mark.parametrize("bits", WIDTHS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("transposed", BOTH, ids=str)
def test_rounding_stays_within_the_bound_of_a_plain_sum(bits, dtype, transposed):
    rng = np.random.default_rng(1)
    m, n, k = 61, 83, 700
    a = operand(rng, 1, m, k, dtype, transposed[0], exact=False)
    b = operand(rng, 1, k, n, dtype, transposed[1], exact=False)
    c, _ = multiply(a, b, bits)
    wide = np.longdouble
    exact, magnitude = a.astype(wide) @ b.astype(wide), abs(a).astype(wide) @ abs(b).astype(wide)
    assert np.all(abs(c - exact) <= k * np.finfo(dtype).eps / 2 * magnitude)  # k roundings of half an ulp each


def test_one_operand_may_serve_every_batch_element():
    rng = np.random.default_rng(2)
    b = operand(rng, 1, 70, 90, "float32", transposed=True)
    shared = np.broadcast_to(b, (5, 70, 90))
    for m, packed in itertools.product((3, 40), (None, True)):
        a = operand(rng, 5, m, 70, "float32")
        c, plan = multiply(a, shared, WIDTHS[0], packed=packed)
        np.testing.assert_array_equal(c, a @ b)
        if packed:
            assert plan.packed_bytes < 2 * 4 * 70 * 96  # one copy for all five
    a = operand(rng, 1, 40, 70, "float32")
    c, _ = multiply(np.broadcast_to(a, (5, 40, 70)), np.ascontiguousarray(shared), WIDTHS[0])
    np.testing.assert_array_equal(c, a @ shared)


def test_the_result_may_be_a_view_with_its_own_strides():
    rng = np.random.default_rng(3)
    a, b = operand(rng, 2, 21, 30, "float32"), operand(rng, 2, 30, 45, "float32")
    whole = np.full((2, 25, 50), np.nan, "float32")
    multiply(a, b, WIDTHS[0], out=whole[:, :21, :45])
    np.testing.assert_array_equal(whole[:, :21, :45], a @ b)
    assert np.isnan(whole[:, 21:]).all()
    assert np.isnan(whole[:, :, 45:]).all()


def test_empty_depth_gives_zeros_and_empty_results_no_chunks():
    a, b = (np.zeros(shape, "float32")[:, :, : shape[2] - 1] for shape in ((1, 5, 1), (1, 1, 41)))
    b = b[:, :0]
    c, _ = multiply(a, b, WIDTHS[0])
    np.testing.assert_array_equal(c, 0)
    assert gemm_plan.plan(1, 0, 40, 3, dt.float32, (0, 3, 1), (0, 40, 1), 512).compute_chunks == 0
    assert gemm_plan.plan(0, 5, 40, 3, dt.float32, (0, 3, 1), (0, 40, 1), 512).compute_chunks == 0


def test_many_small_products_share_a_chunk():
    rng = np.random.default_rng(4)
    a, b = operand(rng, 1000, 6, 5, "float32"), operand(rng, 1000, 5, 7, "float32", transposed=True)
    c, plan = multiply(a, b, WIDTHS[0])
    np.testing.assert_array_equal(c, a @ b)
    assert plan.compute_chunks < 20


def test_a_small_result_with_long_depth_is_split_and_combined_in_order():
    rng = np.random.default_rng(5)
    a, b = operand(rng, 1, 10, 50_000, "float32", transposed=True), operand(rng, 1, 50_000, 12, "float32")
    c, plan = multiply(a, b, WIDTHS[0])
    assert plan.combine is not None
    assert plan.compute_chunks >= 4
    np.testing.assert_array_equal(c, a @ b)


def test_strides_that_no_kernel_takes_are_refused_by_name():
    with pytest.raises(EngineError, match=r"operand B has strides \(0, 20, 2\)"):
        gemm_plan.plan(1, 8, 10, 8, dt.float32, (0, 8, 1), (0, 20, 2), 256)


# --- order and threads ------------------------------------------------------------------------------------------
ORDERED = [
    (128, 256, 300, (False, False)), (128, 256, 300, (False, True)), (300, 256, 128, (True, False)),
    (520, 700, 1024, (False, False)), (300, 520, 2300, (True, True)), (10, 12, 50_000, (True, False)),
    (20, 1200, 256, (False, True)), (2, 4000, 700, (False, False)),
]  # fmt: skip


@pytest.mark.parametrize("case", ORDERED, ids=str)
def test_bits_do_not_depend_on_threads_or_on_the_order_of_chunks(case):
    m, n, k, transposed = case
    rng = np.random.default_rng(6)
    a = operand(rng, 1, m, k, "float32", transposed[0], exact=False)
    b = operand(rng, 1, k, n, "float32", transposed[1], exact=False)
    expected, plan = multiply(a, b, WIDTHS[0])
    assert plan.compute_chunks > 2
    shuffle = lambda chunks: list(rng.permutation(chunks))  # noqa: E731
    for threads, order in ((1, lambda chunks: range(chunks)[::-1]), (2, None), (3, None), (2, shuffle), (3, shuffle)):
        again, _ = multiply(a, b, WIDTHS[0], threads=threads, order=order)
        assert np.array_equal(again.view(np.int32), expected.view(np.int32))


def test_a_plan_has_work_for_several_threads_where_the_shape_allows():
    for m, n, k in ((128, 256, 784), (128, 784, 256), (784, 256, 128), (256, 256, 128)):
        plan = gemm_plan.plan(1, m, n, k, dt.float32, (0, k, 1), (0, n, 1), 512)
        assert plan.compute_chunks >= 6
        assert plan.flops / plan.compute_chunks >= 1_000_000  # ten microseconds at 100 GFLOP/s
    small = gemm_plan.plan(1, 32, 16, 32, dt.float32, (0, 32, 1), (0, 16, 1), 512)
    assert (small.compute_chunks, small.pack) == (1, None)


def test_a_structure_serves_many_shapes():
    shapes = [(128, 256, 784), (128, 256, 256), (100, 37, 53), (64, 64, 64), (32, 16, 32), (200, 512, 300)]
    structures = {gemm_plan.plan(1, m, n, k, dt.float32, (0, k, 1), (0, n, 1), 512).compute for m, n, k in shapes}
    assert len(structures) == 1


# --- instructions -----------------------------------------------------------------------------------------------
TARGETS = {
    "avx512": (512, "x86_64-unknown-linux-gnu", "skylake-avx512", "", r"vfmadd\w+\s", r"%rsp"),
    "avx2": (256, "x86_64-unknown-linux-gnu", "haswell", "", r"vfmadd\w+\s", r"%rsp"),
    "neon": (128, "aarch64-unknown-linux-gnu", "", "+neon", r"fmla\s", r"\[sp"),
}
STRUCTURES = {
    "direct": ((128, 256, 784), (784, 1), (256, 1), None),
    "packed": ((128, 256, 784), (784, 1), (256, 1), True),
    "transposed A": ((784, 256, 128), (1, 784), (256, 1), None),
    "transposed B": ((128, 784, 256), (256, 1), (1, 256), None),
    "copied A": ((128, 256, 1024), (1024, 1), (256, 1), None),
    "deep": ((128, 256, 20_000), (20_000, 1), (256, 1), None),
    "deep, transposed A": ((320, 256, 20_000), (1, 320), (256, 1), None),
    "deep, transposed B": ((320, 256, 20_000), (20_000, 1), (1, 20_000), None),
    "one row": ((1, 256, 784), (784, 1), (256, 1), None),
    "four rows": ((4, 256, 784), (784, 1), (256, 1), None),
    "dots of one row": ((1, 256, 784), (784, 1), (1, 784), None),
    "dots": ((32, 256, 784), (784, 1), (1, 784), None),
}


def innermost_loops(assembly):
    """The lines between a label and the jump back to it, where no other label stands between them."""
    lines = [line for line in assembly.splitlines() if line.strip() and not re.match(r"\s*[.#;/]p?[a-z]", line)]
    labels = {}
    for number, line in enumerate(lines):
        if found := re.match(r"(\.?L\w+):", line):
            labels[found.group(1)] = number
        elif (found := re.search(r"\s(?:j\w+|b(?:\.\w+)?|cbn?z\s+\w+,)\s+(\.?L\w+)", line)) and found.group(1) in labels:
            body = lines[labels[found.group(1)] + 1 : number]
            if not any(re.match(r"\.?L\w+:", inner) for inner in body):
                yield body


@pytest.mark.parametrize("name", STRUCTURES)
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_inner_loops_are_fused_and_stay_in_registers(target, name, dtype):
    bits, triple, cpu, features, fused, stack = TARGETS[target]
    (m, n, k), a_strides, b_strides, packed = STRUCTURES[name]
    kind = DTYPES[dtype]
    plan = gemm_plan.plan(1, m, n, k, kind, (0, *a_strides), (0, *b_strides), bits, packed=packed)
    text = gemm.emit_compute(plan.compute, "k", bits, dense_relu(kind))
    assembly = machine.assembly(text, triple, cpu, features)
    loops = [loop for loop in innermost_loops(assembly) if any(re.search(fused, line) for line in loop)]
    heights, widths = plan.compute.rows, plan.compute.vectors
    if plan.compute.dot:  # the masked rest of depth runs at most once
        loops = [min(loops, key=len)]
    assert len(loops) == len(heights) * len(widths)
    tallest = max(sum(bool(re.search(fused, line)) for line in loop) for loop in loops)
    assert tallest == heights[0] * (plan.compute.dot_columns or widths[0])
    for loop in loops:
        assert not [line for line in loop if re.search(stack, line)]
    assert not re.findall(r"\b(?:callq?|bl)\s+\w+", assembly)  # no function of a library
