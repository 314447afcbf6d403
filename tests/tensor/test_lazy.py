"""Laziness cannot be seen in values: things are computed once, graphs are let go, repeated work is compiled."""

import gc
import weakref

import numpy as np
import pytest

import saltus as sl
from saltus.tensor import storage


@pytest.fixture
def runs(monkeypatch):
    """How many nodes each evaluation computed."""
    seen = []
    original = storage._run

    def counted(roots):
        seen.append(sum(n not in storage.storage for n in storage.topological(roots, stop=storage.storage.__contains__)))
        return original(roots)

    monkeypatch.setattr(storage, "_run", counted)
    return seen


def test_nothing_is_computed_before_it_is_looked_at(runs):
    y = sl.exp(sl.ones(3)) * 2
    assert runs == []
    assert y.shape == (3,)
    assert y.tolist() == pytest.approx([2 * np.e] * 3)
    assert len(runs) == 1


def test_what_a_variable_names_is_computed_once(runs):
    x = sl.asarray([1.0, 2.0])
    h = sl.exp(x)
    y = h + 1
    y.realise()
    h.realise()
    assert len(runs) == 1
    (h * 2).realise()
    assert runs[-1] <= 3  # the product and its constant: h is there


def test_the_value_and_the_gradients_are_one_program(runs):
    parameters = {"a": sl.ones((2, 3)).realise(), "b": sl.ones((3, 4)).realise()}
    runs.clear()
    loss, gradients = sl.value_and_grad(lambda p: (p["a"] @ p["b"]).sum())(parameters)
    assert [float(loss), gradients["a"].tolist()[0], gradients["b"].tolist()[0]] == [24, [4, 4, 4], [2, 2, 2, 2]]
    assert len(runs) == 1


def test_graphs_are_let_go_when_their_value_is_there():
    x = sl.ones(4)
    for _ in range(5):
        x = (x + 1).realise()
    node = x.node
    assert node.op.name == "input"
    gone = weakref.ref(node)
    del node, x
    gc.collect()
    assert gone() is None


def test_long_chains_compute_and_are_freed():
    x = sl.zeros(2)
    for _ in range(3000):
        x = x + 1
    assert x.tolist() == [3000, 3000]


def test_values_of_dropped_tensors_are_dropped():
    before = len(storage.storage._kept)
    for _ in range(50):
        (sl.ones(10) * 2 + 1).tolist()
    gc.collect()
    assert len(storage.storage._kept) <= before + 2


class TestCompiling:
    @pytest.fixture(autouse=True)
    def eager_compiler(self, monkeypatch):
        monkeypatch.setenv("SALTUS_BACKEND", "native")
        monkeypatch.setattr(storage, "_COMPILE_AT", 0)
        monkeypatch.setattr(storage, "_structures", type(storage._structures)())
        self.compiled = []
        original = storage._compile
        monkeypatch.setattr(storage, "_compile", lambda *a: self.compiled.append(a) or original(*a))

    def test_equal_structures_share_a_program(self):
        for i in range(5):
            x = sl.asarray(np.full((3, 4), i, np.float32))
            np.testing.assert_allclose(np.asarray(sl.tanh(x) * 2 + x), np.tanh(np.asarray(x)) * 2 + i, rtol=1e-6)
        assert len(self.compiled) == 1

    def test_constants_that_change_become_inputs(self):
        x = sl.asarray(np.ones(4, np.float32))
        for i in range(6):
            np.testing.assert_allclose(np.asarray((x * float(i) + 7.0).sum()), 4 * (i + 7))
        assert len(self.compiled) == 2

    def test_other_shapes_and_types_get_their_own(self):
        for n, dtype in ((3, "float32"), (4, "float32"), (3, "float64"), (3, "float32")):
            assert float(sl.asarray(np.ones(n, dtype)).sum()) == n
        assert len(self.compiled) == 3

    def test_loops_are_recognised_by_their_body(self):
        for i in range(3):
            last, _ = sl.scan(lambda c, x: (c * 0.5 + x, c), sl.asarray(float(i)), sl.ones(4))
            assert float(last) == pytest.approx(i / 16 + 1.875)
        assert len(self.compiled) == 1
        last, _ = sl.scan(lambda c, x: (c * 0.5 - x, c), sl.asarray(1.0), sl.ones(4))
        assert float(last) == pytest.approx(1 / 16 - 1.875)
        assert len(self.compiled) == 2

    def test_gradients_through_checkpoints_are_recognised(self):
        block = sl.checkpoint(lambda x: sl.sin(sl.exp(x)))
        for i in range(3):
            x = np.full(3, 0.1 * i)
            found = sl.grad(lambda x: block(block(x)).sum())(sl.asarray(x))
            inner = np.sin(np.exp(x))
            np.testing.assert_allclose(np.asarray(found), np.cos(np.exp(inner)) * np.exp(inner) * np.cos(np.exp(x)) * np.exp(x), rtol=1e-9)
        assert len(self.compiled) == 1
