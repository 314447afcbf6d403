"""Derivatives: right by finite differences, of derivatives, of trees, inside and outside jit; clear where there is none."""

import functools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import saltus as sl
from saltus.base.errors import ArgumentError, GradientError, ShapeError

RANDOM = np.random.default_rng(0)


def difference(function, x, h=1e-5):
    """Central differences in float64."""
    x = np.asarray(x, np.float64)
    out = np.zeros_like(x)
    for i in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[i] = h
        out[i] = (float(function(sl.asarray(x + step))) - float(function(sl.asarray(x - step)))) / (2 * h)
    return out


FUNCTIONS = {
    "polynomial": lambda x: (x**3 - 2 * x * x + x / 3).sum(),
    "network": lambda x: sl.mean(sl.tanh(x @ x.mT) ** 2),
    "softmax": lambda x: (sl.softmax(x) * sl.log_softmax(x[::-1])).sum(),
    "normalised": lambda x: (((x - x.mean(axis=0)) / sl.sqrt(x.var(axis=0) + 0.1)) ** 3).sum(),
    "extremes": lambda x: x.max(axis=0).sum() * x.min() + sl.clip(x, -0.3, 0.4).sum(),
    "choice": lambda x: sl.where(x > 0, sl.exp(x), x * x).sum(),
    "movement": lambda x: (sl.concat([x, x.mT], axis=1)[:, 1:] * sl.roll(sl.pad(x, 1), 1)[1:4, :5]).sum(),
    "gathered": lambda x: (x[[0, 2, 0]] * x[:, [1, 1, 2]]).sum() + sl.take_along_axis(x, sl.asarray([[0], [1], [2]]), axis=1).prod(),
    "running": lambda x: (sl.cumulative_sum(x, axis=0) * sl.cumulative_prod(x, axis=1)).sum(),
    "norms": lambda x: sl.linalg.vector_norm(x) + sl.linalg.matrix_norm(x @ x) + sl.logsumexp(x),
    "algebra": lambda x: sl.linalg.det(x + 3 * sl.eye(3, dtype="float64")) + sl.linalg.inv(x + 3 * sl.eye(3, dtype="float64")).sum(),
    "frequencies": lambda x: sl.sum(sl.abs(sl.real(sl.fft.fft(x))) + sl.imag(sl.fft.fft(x)) ** 2),
    "scan": lambda x: sl.scan(lambda c, row: (sl.tanh(c * row + c), c * c), x[0], x)[1].sum(),
    "special": lambda x: (sl.erf(x) + sl.gelu(x) + sl.softplus(x) + sl.sigmoid(x) * sl.atan2(x, x + 5)).sum(),
}  # fmt: skip


@pytest.mark.parametrize("name", FUNCTIONS)
def test_gradients_and_gradients_of_gradients_are_right(name):
    function = FUNCTIONS[name]
    x = RANDOM.normal(size=(3, 3)) * 0.7
    first = sl.grad(function)
    np.testing.assert_allclose(np.asarray(first(sl.asarray(x))), difference(function, x), rtol=1e-5, atol=1e-7)
    direction = sl.asarray(RANDOM.normal(size=(3, 3)))
    along = lambda v: (first(v) * direction).sum()  # noqa: E731
    np.testing.assert_allclose(np.asarray(sl.grad(along)(sl.asarray(x))), difference(along, x), rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_jit_changes_nothing(name):
    function = FUNCTIONS[name]
    x = sl.asarray(RANDOM.normal(size=(3, 3)) * 0.7)
    plain = sl.grad(function)(x)
    for captured in (sl.jit(sl.grad(function)), sl.grad(sl.jit(function)), sl.jit(sl.grad(sl.jit(function)))):
        np.testing.assert_allclose(np.asarray(captured(x)), np.asarray(plain), rtol=1e-9, atol=1e-12)
    second = sl.grad(lambda v: (sl.grad(function)(v) ** 2).sum())
    np.testing.assert_allclose(np.asarray(sl.jit(second)(x)), np.asarray(second(x)), rtol=1e-8, atol=1e-9)


@given(st.floats(0.2, 3), st.integers(1, 4))
def test_derivatives_of_any_order(x, order):
    function = lambda v: v**4  # noqa: E731
    for _ in range(order):
        function = sl.grad(function)
    expected = math.prod(range(4 - order + 1, 5)) * x ** (4 - order)
    assert float(function(sl.asarray(x, dtype="float64"))) == pytest.approx(expected)


class TestTrees:
    def test_gradients_have_the_form_of_the_argument(self):
        params = {"layers": [{"w": sl.ones((2, 3)), "b": sl.zeros(3)}, (sl.ones(3), None)]}

        def loss(p, x):
            h = x @ p["layers"][0]["w"] + p["layers"][0]["b"]
            return (h * p["layers"][1][0]).sum()

        value, gradient = sl.value_and_grad(loss)(params, sl.ones((4, 2)))
        assert float(value) == 24
        assert gradient["layers"][0]["w"].shape == (2, 3)
        assert gradient["layers"][0]["b"].tolist() == [4, 4, 4]
        assert gradient["layers"][1][1] is None

    def test_several_arguments_and_further_results(self):
        def loss(a, b, flag):
            return (a * b * b).sum(), {"a": a + 1, "flag": flag}

        (value, aux), (by_a, by_b) = sl.value_and_grad(loss, (0, 1), has_aux=True)(sl.ones(2), sl.full(2, 3.0), "text")
        assert float(value) == 18
        assert (by_a.tolist(), by_b.tolist()) == ([9, 9], [6, 6])
        assert aux["a"].tolist() == [2, 2]
        assert aux["flag"] == "text"
        gradient, aux = sl.grad(loss, has_aux=True)(sl.ones(2), sl.ones(2), "x")
        assert gradient.tolist() == [1, 1]

    def test_unused_leaves_get_zeros(self):
        gradient = sl.grad(lambda p: (p["a"] ** 2).sum())({"a": sl.ones(2), "b": sl.ones(3)})
        assert gradient["b"].tolist() == [0, 0, 0]

    def test_numbers_and_arrays_are_arguments_too(self):
        assert float(sl.grad(lambda x: x * x)(3.0)) == 6
        assert sl.grad(lambda x: (x * x).sum())(np.ones(2, np.float64)).dtype == sl.float64
        assert sl.grad(lambda a, b: a * b, argnums=-1)(2.0, 5.0).item() == 2


class TestConstants:
    def test_a_tensor_from_outside_is_a_constant_even_if_it_came_from_the_argument(self):
        x = sl.asarray([1.0, 2.0])
        y = x * 3
        assert sl.grad(lambda v: (v * y).sum())(x).tolist() == [3, 6]
        inside = sl.jit(lambda v: sl.grad(lambda w: (w * (v * 3)).sum())(v))
        assert inside(x).tolist() == [3, 6]

    def test_stop_gradient(self):
        assert float(sl.grad(lambda x: x * sl.stop_gradient(x))(3.0)) == 3

    def test_looking_at_values_loses_nothing(self):
        def loss(x):
            h = x * x
            assert h.tolist() == [1, 4]
            if float(h.sum()) > 3:
                h = h * 2
            return h.sum()

        assert sl.grad(loss)(sl.asarray([1.0, 2.0])).tolist() == [4, 8]
        assert sl.grad(lambda v: sl.grad(loss)(v).sum())(sl.asarray([1.0, 2.0])).tolist() == [4, 4]

    def test_rounding_has_derivative_zero(self):
        assert float(sl.grad(lambda x: sl.floor(x) + sl.round(x))(1.5)) == 0
        assert float(sl.grad(sl.grad(lambda x: 3 * x))(1.5)) == 0


class TestRefusals:
    def test_the_loss_must_be_one_number(self):
        with pytest.raises(GradientError, match=r"it returned shape \(3,\)(.|\n)*\.mean\(\) or \.sum\(\)") as error:
            sl.grad(lambda x: x * 2)(sl.ones(3))
        assert "test_gradients.py" in str(error.value)

    def test_the_loss_must_be_a_tensor(self):
        with pytest.raises(GradientError, match="it returned a float"):
            sl.grad(lambda x: float(x))(1.0)
        with pytest.raises(GradientError, match="it returned nothing"):
            sl.grad(lambda x: None)(1.0)
        with pytest.raises(GradientError, match=r"\(loss, other results\)"):
            sl.grad(lambda x: x, has_aux=True)(1.0)
        with pytest.raises(GradientError, match="real float, it returned int64"):
            sl.grad(lambda x: x.astype("int64"))(1.0)

    def test_integers_have_no_derivative(self):
        with pytest.raises(GradientError, match=r"argument 0\['step'\] is int64"):
            sl.grad(lambda p: p["w"].sum())({"w": sl.ones(2), "step": sl.asarray(1)})

    def test_a_result_that_does_not_depend_on_the_arguments(self):
        with pytest.raises(GradientError, match=r"taken out of the graph at .*test_gradients\.py"):
            sl.grad(lambda x: sl.asarray(x.tolist()).sum())(sl.ones(2))
        with pytest.raises(GradientError, match="does not depend"):
            sl.grad(lambda x: sl.asarray(1.0))(sl.ones(2))

    def test_argnums_out_of_reach(self):
        with pytest.raises(ArgumentError, match="1 positional arguments"):
            sl.grad(lambda x: x, argnums=1)(1.0)

    def test_ops_without_a_derivative_name_their_line(self):
        with pytest.raises(GradientError, match="not unique"):
            sl.grad(lambda x: sl.linalg.svd(x, full_matrices=True).U.sum())(sl.ones((2, 3)))


class TestPullbackAndDirection:
    def test_vjp_of_a_tree(self):
        result, pullback = sl.vjp(lambda a, b: {"s": a * b, "t": a.sum()}, sl.asarray([1.0, 2.0]), sl.asarray([3.0, 4.0]))
        assert result["s"].tolist() == [3, 8]
        by_a, by_b = pullback({"s": sl.asarray([1.0, 10.0]), "t": sl.asarray(100.0)})
        assert (by_a.tolist(), by_b.tolist()) == ([103, 140], [1, 20])
        assert pullback({"s": sl.zeros(2), "t": sl.asarray(1.0)})[0].tolist() == [1, 1]
        with pytest.raises(ShapeError, match="cotangent"):
            pullback({"s": sl.zeros(3), "t": sl.asarray(1.0)})

    @pytest.mark.parametrize("name", FUNCTIONS)
    def test_jvp_is_the_gradient_along_a_direction(self, name):
        x, v = (sl.asarray(RANDOM.normal(size=(3, 3)) * 0.7) for _ in range(2))
        value, tangent = sl.jvp(FUNCTIONS[name], (x,), (v,))
        np.testing.assert_allclose(float(value), float(FUNCTIONS[name](x)), rtol=1e-12)
        expected = float((sl.grad(FUNCTIONS[name])(x) * v).sum())
        np.testing.assert_allclose(float(tangent), expected, rtol=1e-9)
        captured = sl.jit(lambda x, v: sl.jvp(FUNCTIONS[name], (x,), (v,))[1])
        np.testing.assert_allclose(float(captured(x, v)), expected, rtol=1e-9)

    def test_jvp_of_a_function_of_trees(self):
        value, tangent = sl.jvp(
            lambda p: {"y": p["a"] * p["b"]}, ({"a": sl.ones(2), "b": sl.full(2, 3.0)},), ({"a": sl.ones(2), "b": sl.zeros(2)},)
        )
        assert value["y"].tolist() == [3, 3]
        assert tangent["y"].tolist() == [3, 3]
        with pytest.raises(ShapeError, match="tangents of the same shapes"):
            sl.jvp(lambda x: x, (sl.ones(2),), (sl.ones(3),))

    def test_hessian(self):
        a = RANDOM.normal(size=(4, 4))
        hessian = sl.hessian(lambda x: 0.5 * x @ sl.asarray(a) @ x + (x**3).sum())
        x = RANDOM.normal(size=4)
        expected = (a + a.T) / 2 + 6 * np.diag(x)
        np.testing.assert_allclose(np.asarray(hessian(sl.asarray(x))), expected, rtol=1e-6)
        np.testing.assert_allclose(np.asarray(sl.jit(hessian)(sl.asarray(x))), expected, rtol=1e-6)


class TestCheckpoint:
    def block(self, p, x):
        for _ in range(3):
            x = sl.tanh(x @ p["w"] + p["b"])
        return x

    def parameters(self):
        return {"w": sl.asarray(RANDOM.normal(size=(5, 5))), "b": sl.asarray(RANDOM.normal(size=5))}

    @pytest.mark.parametrize("wrap", [lambda f: f, sl.jit])
    def test_gradients_are_those_without_it(self, wrap):
        p, x = self.parameters(), sl.asarray(RANDOM.normal(size=(7, 5)))
        plain = sl.value_and_grad(lambda p, x: (self.block(p, self.block(p, x)) ** 2).sum(), (0, 1))(p, x)
        again = sl.checkpoint(self.block)
        found = wrap(sl.value_and_grad(lambda p, x: (again(p, again(p, x)) ** 2).sum(), (0, 1)))(p, x)
        assert float(found[0]) == pytest.approx(float(plain[0]))
        for a, b in zip(sl_leaves(found[1]), sl_leaves(plain[1]), strict=True):
            np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=1e-9)

    def test_the_backward_pass_computes_again(self):
        p, x = self.parameters(), sl.ones((7, 5), dtype="float64")

        def tanhs(block):
            text = str(sl.jit(sl.value_and_grad(lambda p: block(p, x).sum())).lower(p))
            return text.count("= tanh(")

        assert (tanhs(self.block), tanhs(sl.checkpoint(self.block))) == (3, 6)

    def test_closures_nesting_scan_and_second_derivatives(self):
        w = sl.asarray(RANDOM.normal(size=(4, 4)))

        def loss(w, wrap):
            inner = wrap(lambda x: sl.tanh(x @ w))
            outer = wrap(lambda x: inner(inner(x)) * sl.sin(w.sum()))
            state, _ = sl.scan(lambda c, _: (outer(c), None), sl.ones(4, dtype="float64"), length=3)
            return (state**2).sum()

        plain, found = (lambda w, wrap=wrap: loss(w, wrap) for wrap in (lambda f: f, sl.checkpoint))
        np.testing.assert_allclose(np.asarray(sl.grad(found)(w)), np.asarray(sl.grad(plain)(w)), rtol=1e-9)
        second = [np.asarray(sl.jit(sl.grad(lambda w, f=f: (sl.grad(f)(w) ** 2).sum()))(w)) for f in (found, plain)]
        np.testing.assert_allclose(*second, rtol=1e-8)

    def test_without_a_gradient_it_is_the_function(self):
        again = sl.checkpoint(lambda x, scale=1.0: {"y": x * scale})
        assert again(sl.ones(2), scale=3.0)["y"].tolist() == [3, 3]


def replaced(function, arguments, place, value):
    """The function with one of its arguments exchanged."""
    return function(*[value if i == place else a for i, a in enumerate(arguments)])


def sl_leaves(tree):
    return [leaf for part in tree for leaf in ([part[k] for k in sorted(part)] if isinstance(part, dict) else [part])]


class TestGradientsByHand:
    def test_the_rule_is_used(self):
        clipped = sl.custom_vjp(lambda x: x * 2, lambda g, out, x: (sl.clip(g, -1.0, 1.0),))
        assert sl.grad(lambda x: (clipped(x) * 100).sum())(sl.ones(2)).tolist() == [1, 1]
        assert sl.jit(sl.grad(lambda x: (clipped(x) * 100).sum()))(sl.ones(2)).tolist() == [1, 1]
        assert clipped(sl.ones(2)).tolist() == [2, 2]

    def test_second_derivatives_go_through_the_rule(self):
        cube = sl.custom_vjp(lambda x: x * x * x, lambda g, out, x: (g * 3 * x * x,))
        assert float(sl.grad(sl.grad(cube))(2.0)) == 12

    def test_several_arguments_and_results(self):
        both = sl.custom_vjp(lambda p, n: (p["a"] * n, p["b"] + n), lambda g, out, p, n: ({"a": g[0] * n, "b": g[1]}, None))
        gradient = sl.grad(lambda p: both(p, 3.0)[0].sum() + 2 * both(p, 3.0)[1].sum())({"a": sl.ones(2), "b": sl.ones(2)})
        assert (gradient["a"].tolist(), gradient["b"].tolist()) == ([3, 3], [2, 2])

    def test_a_rule_of_the_wrong_form_is_named(self):
        with pytest.raises(GradientError, match="one gradient for each of 1 arguments, got 2"):
            sl.grad(lambda x: sl.custom_vjp(lambda x: x, lambda g, out, x: (g, g))(x))(1.0)
        with pytest.raises(GradientError, match=r"shape \(\), its gradient \(2,\)"):
            sl.grad(lambda x: sl.custom_vjp(lambda x: x, lambda g, out, x: (sl.ones(2),))(x))(1.0)


class TestScan:
    def test_running_values_in_both_directions(self):
        x = RANDOM.normal(size=(6, 2))
        for reverse in (False, True):
            last, rows = sl.scan(lambda c, r: (c + r, c), sl.zeros(2, dtype="float64"), sl.asarray(x), reverse=reverse)
            order = x[::-1] if reverse else x
            before = np.concatenate([np.zeros((1, 2)), np.cumsum(order, 0)[:-1]])
            np.testing.assert_allclose(np.asarray(last), x.sum(0), rtol=1e-12)
            np.testing.assert_allclose(np.asarray(rows), before[::-1] if reverse else before, rtol=1e-12, atol=1e-12)

    def test_trees_and_closures(self):
        w = sl.asarray([2.0, 3.0])
        last, out = sl.scan(lambda c, x: ({"h": c["h"] * w + x[0]}, (c["h"], None)), {"h": sl.ones(2)}, (sl.ones((3, 2)), None))
        assert last["h"].tolist() == [15, 40]
        assert out[0].shape == (3, 2)
        assert sl.scan(lambda c, _: (c * 2, None), 1.0, length=5)[0].item() == 32

    def test_gradients_reach_carry_slices_and_closures(self):
        def loss(c, xs, w):
            return sl.scan(lambda c, x: (sl.tanh(c * w + x), c), c, xs)[0].sum()

        c, xs, w = sl.asarray(RANDOM.normal(size=3)), sl.asarray(RANDOM.normal(size=(5, 3))), sl.asarray(0.7, dtype="float64")
        for place, value in enumerate((c, xs, w)):
            given = [c, xs, w]
            gradient = sl.grad(loss, place)(*given)
            expected = difference(functools.partial(replaced, loss, given, place), value)
            np.testing.assert_allclose(np.asarray(gradient), expected, rtol=1e-5, atol=1e-8)

    @pytest.mark.parametrize(
        ("call", "words"),
        [
            (lambda: sl.scan(lambda c, x: (c, x), 0.0), "number of steps is not known"),
            (lambda: sl.scan(lambda c, x: (c, x), 0.0, (sl.ones(3), sl.ones(4))), r"xs\[1\] has shape \(4,\), but the loop has 3 steps"),
            (lambda: sl.scan(lambda c, x: (c + x, x), 0.0, sl.ones((3, 2))), r"carry has shape \(\) before a step and \(2,\) after it"),
            (lambda: sl.scan(lambda c, x: (c + x, x), 0, sl.ones(3)), "carry is int64 before a step and float32 after it"),
            (lambda: sl.scan(lambda c, x: c, 0.0, sl.ones(3)), r"must return \(next carry, result\)"),
            (lambda: sl.scan(lambda c, x: ({"b": c["a"]}, x), {"a": 0.0}, sl.ones(3)), r"as carry\['a'\] and comes out as carry\['b'\]"),
            (lambda: sl.scan(lambda c, x: (c if c > 0 else x, x), 0.0, sl.ones(3)), "in sl.scan of"),
        ],
    )  # fmt: skip
    def test_refusals(self, call, words):
        with pytest.raises((ArgumentError, ShapeError, TypeError), match=words):
            call()
