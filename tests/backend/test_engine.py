"""What the native engine promises: the same bits for any thread count, updates in place, no compiling for another batch size."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from graphs import random_arrays, recurrent, training_step

import saltus.ops  # noqa: F401  registers the ops
from saltus.backend.base import compile_graph
from saltus.backend.cpu import compile as machine
from saltus.backend.cpu import kernels as native
from saltus.base import dtypes as dt
from saltus.base.errors import SaltusError
from saltus.ir.evaluate import evaluate
from saltus.ir.node import Node, full, placeholder
from saltus.ir.spec import OPS
from saltus.ops.loop import scan_nodes
from saltus.schedule.plan import make_plan
from saltus.transform.pipeline import prepare

RNG = np.random.default_rng(0)


def test_a_training_step_equals_the_reference() -> None:
    inputs, outputs = training_step(64)
    arrays = random_arrays(inputs)
    got = compile_graph(inputs, outputs, backend="native")(arrays)
    for g, want in zip(got, evaluate(outputs, dict(zip(inputs, arrays, strict=True))), strict=True):
        np.testing.assert_allclose(g, want, rtol=1e-4, atol=1e-5)


def test_what_a_loop_reads_of_a_product_in_another_shape_is_made_by_the_product() -> None:
    x, w, b = (placeholder(s, dt.float32) for s in ((12, 8), (8, 16), (16,)))
    rows = OPS["matmul"](x, w, ta=False, tb=False) + OPS["broadcast_to"](b, shape=(12, 16))
    steps = OPS["reshape"](rows, shape=(3, 4, 16))
    (last,), _ = scan_nodes(lambda h, row: ((h * row,), ()), (OPS["broadcast_to"](b, shape=(4, 16)),), (steps,))
    program = compile_graph((x, w, b), (last,), backend="native")
    text = program.explain(timed=False)
    assert "matmul+add" in text
    assert "reshape" not in text
    arrays = random_arrays((x, w, b))
    (got,) = program(arrays)
    np.testing.assert_allclose(got, evaluate([last], dict(zip((x, w, b), arrays, strict=True)))[0], rtol=1e-4, atol=1e-5)


def test_donated_state_is_updated_in_place_without_copies() -> None:
    inputs, outputs = training_step(64)
    arrays = random_arrays(inputs)
    expected = evaluate(outputs, dict(zip(inputs, arrays, strict=True)))
    program = compile_graph(inputs, outputs, donate=range(12), backend="native")
    assert "copy" not in program.explain(timed=False)
    got = program(arrays)
    for k in range(12):
        assert got[k] is arrays[k]
        np.testing.assert_allclose(got[k], expected[k], rtol=1e-4, atol=1e-5)


def test_another_batch_size_compiles_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    compile_graph(*training_step(64), backend="native")
    monkeypatch.setattr(machine, "object_code", lambda text: pytest.fail("a kernel was compiled"))
    monkeypatch.setattr(machine, "read_stored", lambda symbol: pytest.fail("a kernel was loaded"))
    for batch in (63, 17):
        compile_graph(*training_step(batch), backend="native")


def test_values_that_change_places_do_not_overwrite_each_other() -> None:
    a, b = placeholder((5,), dt.float32), placeholder((5,), dt.float32)
    program = compile_graph([a, b], [b, a], donate=(0, 1), backend="native")
    x, y = np.arange(5, dtype="f4"), np.arange(5, 10, dtype="f4")
    first, second = program([x.copy(), y.copy()])
    np.testing.assert_array_equal(first, y)
    np.testing.assert_array_equal(second, x)
    program = compile_graph([a, b], [b * 2.0, a * 3.0], donate=(0, 1), backend="native")
    first, second = program([x.copy(), y.copy()])
    np.testing.assert_array_equal(first, 2 * y)
    np.testing.assert_array_equal(second, 3 * x)


def test_an_old_value_is_read_before_it_is_overwritten() -> None:
    a, w = placeholder((8, 8), dt.float32), placeholder((8, 8), dt.float32)
    outputs = [a - OPS["matmul"](a, w, ta=False, tb=False), OPS["sum"](OPS["permute"](a, axes=(1, 0)) * a, axes=(0, 1))]
    arrays = [RNG.normal(size=(8, 8)).astype("f4") for _ in range(2)]
    expected = evaluate(outputs, dict(zip([a, w], arrays, strict=True)))
    got = compile_graph([a, w], outputs, donate=(0,), backend="native")([x.copy() for x in arrays])
    for g, want in zip(got, expected, strict=True):
        np.testing.assert_allclose(g, want, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("length", [0, 1, 7])
def test_a_loop_and_its_gradient_equal_the_reference(length: int) -> None:
    inputs, outputs = recurrent(length)
    arrays = [a * np.float32(0.5) for a in random_arrays(inputs)]
    expected = evaluate(outputs, dict(zip(inputs, arrays, strict=True)))
    for got, want in zip(compile_graph(inputs, outputs, backend="native")(arrays), expected, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


def test_a_longer_loop_has_no_more_kernels() -> None:
    counts = [compile_graph(*recurrent(n), backend="native").explain(timed=False).count("chunks") for n in (5, 500)]
    assert counts[0] == counts[1]


def test_loops_nest() -> None:
    xs, c = placeholder((3, 4, 5), dt.float32), placeholder((5,), dt.float32)

    def outer(c: Node, rows: Node) -> tuple[tuple[Node, ...], tuple[Node, ...]]:
        (inner,), (ys,) = scan_nodes(lambda s, row: ((s * 0.5 + row,), (s,)), (c,), (rows,), reverse=True)
        return (inner,), (ys,)

    (last,), (ys,) = scan_nodes(outer, (c,), (xs,))
    arrays = random_arrays([xs, c])
    expected = evaluate([last, ys], dict(zip([xs, c], arrays, strict=True)))
    for got, want in zip(compile_graph([xs, c], [last, ys], backend="native")(arrays), expected, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)


def test_a_value_that_a_loop_shares_with_its_surroundings_has_a_place_in_each() -> None:
    half, xs = full((3, 4), 0.5, dt.float32), placeholder((5, 3, 4), dt.float32)
    state, _ = scan_nodes(lambda old, total, row: ((half, total + old * row), ()), (half, half), (xs,))
    arrays = random_arrays([xs])
    expected = evaluate(state, {xs: arrays[0]})
    for got, want in zip(compile_graph([xs], state, backend="native")(arrays), expected, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-5)


@pytest.mark.parametrize("shape", [(3, 5, 0), (3, 0, 4)])
def test_loops_over_and_with_arrays_without_elements(shape: tuple[int, ...]) -> None:
    xs, c = placeholder(shape, dt.float32), placeholder(shape[1:], dt.float32)
    (last,), (ys,) = scan_nodes(lambda s, row: ((s * 0.5 + row,), (s,)), (c,), (xs,))
    arrays = random_arrays([xs, c])
    expected = evaluate([last, ys], dict(zip([xs, c], arrays, strict=True)))
    for got, want in zip(compile_graph([xs, c], [last, ys], backend="native")(arrays), expected, strict=True):
        assert got.shape == want.shape


SAME_BITS = """
import sys, hashlib, numpy as np
sys.path.insert(0, sys.argv[1])
from graphs import training_step, recurrent, random_arrays
from saltus.backend.base import compile_graph
from saltus.base import dtypes as dt
from saltus.ir.node import placeholder
from saltus.ir.spec import OPS
digest = hashlib.sha256()
for inputs, outputs in (training_step(999), recurrent(30)):
    program = compile_graph(inputs, outputs, backend="native")
    program.alone = False
    arrays = random_arrays(inputs)
    for _ in range(20):
        for a in program(arrays):
            digest.update(a.tobytes())
x = placeholder((300_001,), dt.float32)
for a in compile_graph([x], [OPS["sum"](x, axes=(0,)), x * 2.0], backend="native")(random_arrays([x])):
    digest.update(a.tobytes())
print(digest.hexdigest())
"""


@pytest.mark.slow
def test_bits_do_not_depend_on_threads_or_runs() -> None:
    found = set()
    for threads in (1, 2, 3, 2):
        environment = {**os.environ, "SALTUS_THREADS": str(threads)}
        done = subprocess.run(
            [sys.executable, "-c", SAME_BITS, str(Path(__file__).parent)], env=environment, capture_output=True, text=True, check=True
        )
        found.add(done.stdout)
    assert len(found) == 1


def test_a_damaged_store_entry_is_compiled_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SALTUS_CACHE", str(tmp_path))
    machine.store_folder.cache_clear()
    try:
        machine.write_stored("k0", b"code")
        assert machine.read_stored("k0") == b"code"
        stored = tmp_path / "k0.o"
        stored.write_bytes(stored.read_bytes()[:-1] + b"x")
        assert machine.read_stored("k0") is None
        stored.write_bytes(b"")
        assert machine.read_stored("k0") is None
    finally:
        machine.store_folder.cache_clear()


def test_kernels_compiled_side_by_side_equal_those_compiled_alone() -> None:
    inputs, outputs = training_step(32)
    plan, _ = make_plan(inputs, prepare(inputs, outputs, "step", native=True), (), native.NativeTarget(machine.vector_bits()))
    kernels = {x.kernel.key(): x.kernel for x in plan.launches()}.values()
    texts = [native.emit(kernel, f"k{number}", machine.vector_bits()) for number, kernel in enumerate(kernels)]
    assert len(texts) > 3
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(machine.object_code, texts * 2)) == [machine.object_code(text) for text in texts] * 2


def test_an_error_in_a_host_call_reaches_the_caller_and_the_program_still_works() -> None:
    a = placeholder((2, 2), dt.float64)
    program = compile_graph([a], [OPS["inv"](a)], backend="native")
    with pytest.raises((SaltusError, np.linalg.LinAlgError)):
        program([np.zeros((2, 2))])
    np.testing.assert_allclose(program([np.diag([2.0, 4.0])])[0], np.diag([0.5, 0.25]))


@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0)])
def test_empty_arrays(shape: tuple[int, ...]) -> None:
    x = placeholder(shape, dt.float32)
    outputs = [x * 2.0, OPS["sum"](x, axes=tuple(range(len(shape)))), OPS["concat"](x, x, axis=0)]
    got = compile_graph([x], outputs, backend="native")([np.zeros(shape, "f4")])
    for g, want in zip(got, evaluate(outputs, {x: np.zeros(shape, "f4")}), strict=True):
        np.testing.assert_array_equal(g, want)


def test_explain_lists_kernels_with_time_size_and_reason() -> None:
    inputs, outputs = training_step(64)
    program = compile_graph(inputs, outputs, donate=range(12), backend="native")
    text = program.explain()
    rows = [line for line in text.splitlines() if "chunks" in line]
    assert rows
    assert all(word in line for line in rows for word in (" us ", "bytes", "flops"))
    assert "not with" in text
