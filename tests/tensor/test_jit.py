"""sl.jit: captured once for each form of the arguments, then replayed; what it refuses and what it tells."""

import re
from typing import NamedTuple

import numpy as np
import pytest

import saltus as sl
from saltus.base.errors import ArgumentError, ShapeError, TracingError


class Pair(NamedTuple):
    left: object
    right: object


def test_arguments_and_results_are_trees():
    @sl.jit
    def f(p, x, scale):
        return {"sum": p["w"] + x[0], "rest": [Pair(x[1] * scale, None), ("text", 3, scale)], "same": p["w"]}

    w = sl.ones(3)
    made = f({"w": w, "unused": sl.zeros(2)}, (sl.ones(3), np.ones(2, np.float32)), 2.5)
    assert made["sum"].tolist() == [2, 2, 2]
    assert isinstance(made["rest"][0], Pair)
    assert made["rest"][0].left.tolist() == [2.5, 2.5]
    assert made["rest"][0].right is None
    text, number, scale = made["rest"][1]
    assert (text, int(number), float(scale)) == ("text", 3, 2.5)
    assert made["same"].tolist() == [1, 1, 1]
    again = f({"w": w, "unused": sl.zeros(2)}, (sl.ones(3), np.ones(2, np.float32)), 4.0)
    assert again["rest"][0].left.tolist() == [4, 4]
    assert f.traces == 1


def test_the_python_code_runs_once_a_form():
    calls = []

    @sl.jit
    def f(x):
        calls.append(x.shape)
        return x + 1

    for n in (2, 3, 2, 3, 2):
        assert f(sl.zeros(n)).shape == (n,)
    assert calls == [(2,), (3,)]
    f(sl.zeros(2, dtype="float64"))
    assert f.traces == 3
    assert "captured 3 times" in f.explain()
    assert "(2,)" in f.explain()


def test_numbers_are_inputs_and_keep_their_precision():
    f = sl.jit(lambda x, n: x * n)
    assert [float(f(sl.ones(()), n)) for n in (1.0, 2.0, 0.5)] == [1, 2, 0.5]
    assert f.traces == 1
    f(sl.ones(()), 3)  # a whole number is another form
    assert f.traces == 2
    exact = f(sl.ones((), dtype="float64"), 0.1)
    assert (exact.dtype, exact.item()) == (sl.float64, 0.1)
    assert f(sl.ones((), dtype="float16"), 0.5).dtype == sl.float16


def test_formulas_of_numbers_alone():
    bias = sl.jit(lambda x, step, beta: x / (1 - beta**step))
    for step in (1, 2, 10):
        np.testing.assert_allclose(float(bias(sl.ones(()), step, 0.9)), 1 / (1 - 0.9**step), rtol=1e-6)
    assert bias.traces == 1
    assert sl.jit(lambda n: n * 2.0)(0.25).dtype == sl.float32
    assert sl.jit(lambda n: sl.sqrt(n))(4.0).item() == 2.0


def test_bools_strings_and_static_arguments_decide():
    @sl.jit(static=("size",))
    def f(x, training, mode="sum", *, size=1):
        y = x * 2 if training else x
        y = y[:size]
        return y.sum() if mode == "sum" else y.mean()

    x = sl.ones(4)
    assert float(f(x, True, size=3)) == 6
    assert float(f(x, False, size=3)) == 3
    assert float(f(x, True, mode="mean", size=3)) == 2
    assert float(f(x, True, size=2)) == 4
    assert float(f(x, True, size=3)) == 6
    assert f.traces == 4
    by_place = sl.jit(lambda x, n: sl.tile(x, (n,)), static=1)
    assert [by_place(x, n).shape for n in (2, 3, 2)] == [(8,), (12,), (8,)]


def test_true_is_not_one():
    f = sl.jit(lambda x, flag: x + 1 if flag is True else x - 1)
    assert float(f(sl.zeros(()), True)) == 1
    assert float(f(sl.zeros(()), 1)) == -1
    assert float(f(sl.zeros(()), True)) == 1


def test_lazy_arguments_and_nested_use():
    inner = sl.jit(lambda x: x * 2)
    outer = sl.jit(lambda x: inner(x) + 1)
    assert outer(sl.ones(2) + 1).tolist() == [5, 5]
    assert inner.traces == 0
    assert inner(sl.ones(2) + 1).tolist() == [4, 4]


def test_outside_tensors_keep_the_value_they_had_at_capture():
    table = sl.arange(4) * 10
    f = sl.jit(lambda i: table[i])
    assert int(f(sl.asarray(2))) == 20
    table[2] = 99
    assert int(f(sl.asarray(2))) == 20
    assert len(f.lower(sl.asarray(2)).inputs) == 2


def test_assigning_inside_leaves_the_argument_alone():
    @sl.jit
    def f(x):
        x[0] = 7
        return x

    x = sl.zeros(2)
    assert f(x).tolist() == [7, 0]
    assert x.tolist() == [0, 0]


class TestDonation:
    def test_a_donated_tensor_cannot_be_used_again(self):
        f = sl.jit(lambda p, x: p + x, donate=("p",))
        p = sl.zeros(1000) + 1
        q = f(p, sl.ones(1000))
        assert float(q.sum()) == 2000
        with pytest.raises(ArgumentError, match="given away"):
            p + 1
        with pytest.raises(ArgumentError, match="given away"):
            f(p, sl.ones(1000))
        assert repr(p) == "Tensor(memory donated)"

    def test_what_others_see_does_not_change(self):
        f = sl.jit(lambda p: p * 3, donate=0)
        for look in (np.asarray, lambda p: p + 0, lambda p: sl.asarray(p, copy=False), lambda p: np.from_dlpack(p), lambda p: p.__copy__()):
            p = (sl.zeros(5000) + 1).realise()
            seen = look(p)
            if seen is p:
                continue
            assert float(f(p)[0]) == 3
            assert float(np.asarray(seen)[0]) == 1

    def test_lent_memory_is_not_written(self):
        source = np.ones(5000, np.float32)
        f = sl.jit(lambda p: p * 3, donate=0)
        assert float(f(sl.asarray(source, copy=False))[0]) == 3
        assert float(f(sl.from_dlpack(source[:]))[0]) == 3
        assert float(f(source)[0]) == 3
        assert source[0] == 1

    def test_the_same_tensor_twice(self):
        f = sl.jit(lambda p, q: (p * 2, q + 1), donate="p")
        p = (sl.zeros(5000) + 1).realise()
        twice, more = f(p, p)
        assert (float(twice[0]), float(more[0])) == (2, 2)

    def test_a_training_loop_reuses_its_state(self):
        step = sl.jit(lambda state: {k: v + 1 for k, v in state.items()}, donate=0)
        state = {"a": sl.zeros(3), "b": sl.zeros(())}
        for _ in range(10):
            state = step(state)
        assert state["a"].tolist() == [10, 10, 10]
        assert float(state["b"]) == 10
        assert step.traces == 1


class TestRefusals:
    @pytest.mark.parametrize(
        "function",
        [lambda x: 1 if x.sum() > 0 else 2, lambda x: float(x.sum()), lambda x: np.asarray(x), lambda x: x[x > 0], lambda x: x.sum().item(),
         lambda x: sl.zeros(int(x.sum())), lambda x: [1, 2][x.sum().astype("int64")]],
    )  # fmt: skip
    def test_values_are_not_there_while_captured(self, function):
        with pytest.raises(TracingError, match=re.escape("in sl.jit of")) as error:
            sl.jit(function)(sl.ones(3))
        assert "test_jit.py" in str(error.value)
        assert "sl.where" in str(error.value)

    def test_a_value_that_escaped_says_so(self):
        kept = []
        sl.jit(lambda x: kept.append(x * 2) or x)(sl.ones(3))
        with pytest.raises(TracingError, match="has no value outside"):
            kept[0].tolist()
        with pytest.raises(TracingError, match="while another function was captured"):
            sl.jit(lambda x: x + kept[0])(sl.ones(3))

    def test_errors_inside_carry_the_users_line(self):
        with pytest.raises(ShapeError, match=r"made at: .*test_jit\.py:\d+"):
            sl.jit(lambda x: x + sl.ones(4))(sl.ones(3))

    def test_arguments_that_cannot_be_compared(self):
        with pytest.raises(ArgumentError, match="argument 1 holds a set"):
            sl.jit(lambda x, s: x)(sl.ones(2), {1, 2})

    def test_unknown_static_names(self):
        with pytest.raises(ArgumentError, match=r"'trainin', but .* has the arguments x, training"):
            sl.jit(lambda x, training: x, static="trainin")

    def test_methods(self):
        class Layer:
            @sl.jit
            def call(self, x):
                return x

        with pytest.raises(TracingError, match="does not wrap methods"):
            Layer().call(sl.ones(2))

    def test_things_that_are_no_function(self):
        with pytest.raises(ArgumentError, match="takes a function"):
            sl.jit(3)


def test_lower_shows_the_graph_with_lines():
    text = str(sl.jit(lambda x: sl.tanh(x @ x)).lower(sl.ones((2, 2))))
    assert "matmul(" in text
    assert "tanh(" in text
    assert "test_jit.py" in text
    assert "return" in text


def test_wrapping_keeps_the_functions_name_and_doc():
    @sl.jit
    def documented(x):
        """Says what it does."""
        return x

    assert documented.__name__ == "documented"
    assert documented.__doc__ == "Says what it does."
