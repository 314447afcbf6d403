"""The short way into a program: what it takes, and that everything it refuses still gives the right result."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from saltus.backend.base import compile_graph
from saltus.backend.cpu import binding
from saltus.base import dtypes as dt
from saltus.ir.node import placeholder


def doubled(shape=(2, 3)):
    x = placeholder(shape, dt.float32)
    return compile_graph([x], [x + x], backend="native")


def test_objects_lie_as_expected_here():
    assert binding.functions() is not None


class Other(np.ndarray):
    pass


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype=np.float32).reshape(2, 3),
        np.arange(6, dtype=np.float32).reshape(2, 3).view(Other),
        np.frombuffer(np.arange(6, dtype=np.float32).tobytes(), np.dtype("f4", metadata={"own": 1})).reshape(2, 3),
    ],
    ids=["plain", "subclass", "type of its own"],
)
def test_every_kind_of_array_gives_the_result(array):
    program = doubled()
    np.testing.assert_array_equal(program([array])[0], np.asarray(array) * 2)
    np.testing.assert_array_equal(program((array,))[0], np.asarray(array) * 2)


def test_results_of_calls_do_not_share_memory():
    program = doubled()
    first = program([np.ones((2, 3), np.float32)])[0]
    second = program([np.full((2, 3), 5, np.float32)])[0]
    assert first.sum() == 12 and second.sum() == 60


def test_a_program_without_inputs():
    one = compile_graph([], [placeholder((), dt.float32) * 0.0 + 1.0][:0], backend="native")
    assert one([]) == []


def test_donated_memory_is_returned():
    x, y = placeholder((8,), dt.float32), placeholder((8,), dt.float32)
    program = compile_graph([x, y], [x + y, x - y], donate=(0,), backend="native")
    a, b = np.arange(8, dtype=np.float32), np.ones(8, np.float32)
    total, difference = program([a, b])
    assert total is a
    np.testing.assert_array_equal(total, np.arange(8) + 1)
    np.testing.assert_array_equal(difference, np.arange(8) - 1)


def test_passing_an_input_through_costs_nothing():
    x, y = placeholder((), dt.float64), placeholder((8,), dt.float32)
    program = compile_graph([x, y], [x, y * 2.0], donate=(0, 1), backend="native")
    assert [k.kernel.label for k in program.plan.launches()] == ["1.multiply"]
    rate, values = program([np.float64(0.5) * np.ones(()), np.ones(8, np.float32)])
    assert rate == 0.5 and values.sum() == 16


def test_threads_of_python_may_call_one_program():
    program = doubled((64,))

    def call(number):
        return all((program([np.full(64, number, np.float32)])[0] == 2 * number).all() for _ in range(300))

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(call, range(8)))


def test_memory_that_others_see_is_refused_where_only_the_own_may_be_overwritten():
    x, y = placeholder((8,), dt.float32), placeholder((8,), dt.float32)
    program = compile_graph([x, y], [x + y], donate=(0,), backend="native")
    run = program.exclusive_way(1)

    class Holder:
        array = np.arange(8, dtype=np.float32)

    added = np.ones(8, np.float32)
    (total,) = run([Holder.array, added])
    assert total is Holder.array and total.sum() == 36
    del total
    other = Holder.array  # a second name
    assert run([Holder.array, added]) is None and other.sum() == 36
    del other
    view = Holder.array[:4]  # a view keeps a reference
    assert run([Holder.array, added]) is None
    del view
    Holder.array = np.frombuffer(bytes(32), np.float32)  # memory lent for reading
    assert run([Holder.array, added]) is None
