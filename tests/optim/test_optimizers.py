"""What optimizers promise beside their formulas: how they relate to each other, shared arguments,
configuration, errors.
"""

import inspect
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import saltus as sl
from saltus.base import tree
from saltus.base.errors import ArgumentError, ModelFileError, UnknownNameError
from saltus.ir.node import topological
from saltus.ir.spec import Kind
from saltus.optim import Optimizer, get
from saltus.optim.record import REGISTRY

NAMES = sorted(name for name, cls in REGISTRY["optimizer"].items() if cls.__module__.startswith("saltus.optim."))
WHOLE = ("Adafactor", "LBFGS", "Lamb", "Muon")  # these look at a parameter, or all of them, as a whole
numbers = st.floats(-10, 10).filter(lambda v: abs(v) > 1e-3)
gradient_lists = st.lists(st.lists(numbers, min_size=3, max_size=3), min_size=1, max_size=5)


def run(optimizer, gradients, start=(1.0, -2.0, 0.5), dtype="float64"):
    """Parameters after each update."""
    params = {"w": sl.asarray(np.asarray(start), dtype=dtype)}
    state, path = optimizer.init(params), []
    for step, g in enumerate(gradients):
        params, state = optimizer.update({"w": sl.asarray(np.asarray(g), dtype=dtype)}, state, params, step)
        path.append(params["w"].numpy())
    return np.array(path)


@given(gradient_lists)
def test_adam_without_momentum_is_rmsprop_with_its_start_corrected(gradients):
    corrected = lambda step: 0.01 * sl.sqrt(1.0 - 0.9 ** (step.astype("float64") + 1.0))  # noqa: E731
    adam = run(sl.optim.Adam(0.01, beta_1=0.0, beta_2=0.9, epsilon=0.0), gradients)
    rms = run(sl.optim.RMSprop(corrected, rho=0.9, epsilon=0.0), gradients)
    np.testing.assert_allclose(adam, rms, rtol=1e-9)


@given(gradient_lists)
def test_adam_with_an_even_denominator_is_momentum_with_its_start_corrected(gradients):
    huge = 1e12  # so large an epsilon drowns the mean square
    adam = run(sl.optim.Adam(0.01 * huge, beta_1=0.8, beta_2=0.0, epsilon=huge), gradients)
    mean, at, path = np.zeros(3), np.array([1.0, -2.0, 0.5]), []
    for t, g in enumerate(gradients, 1):
        mean = 0.8 * mean + 0.2 * np.array(g)
        at = at - 0.01 * mean / (1 - 0.8**t)
        path.append(at)
    np.testing.assert_allclose(adam, path, rtol=1e-6)


@given(gradient_lists, st.floats(0.01, 100))
def test_steps_of_adam_do_not_depend_on_the_scale_of_the_gradients(gradients, scale):
    plain = run(sl.optim.Adam(0.01, epsilon=0.0), gradients)
    scaled = run(sl.optim.Adam(0.01, epsilon=0.0), np.array(gradients) * scale)
    np.testing.assert_allclose(plain, scaled, rtol=1e-9)


def test_nesterov_equals_momentum_one_step_ahead():
    gradients = [[1.0, -2.0, 3.0], [0.5, 0.5, -1.0], [2.0, 0.0, 0.1]]
    plain = run(sl.optim.SGD(0.1, momentum=0.9), gradients, (0.0, 0.0, 0.0))
    ahead = run(sl.optim.SGD(0.1, momentum=0.9, nesterov=True), gradients, (0.0, 0.0, 0.0))
    steps = np.diff(plain, axis=0, prepend=0.0)
    np.testing.assert_allclose(ahead, plain + 0.9 * steps, rtol=1e-12)


@given(gradient_lists)
def test_lion_moves_every_element_by_the_learning_rate(gradients):
    path = np.vstack([[1.0, -2.0, 0.5], run(sl.optim.Lion(0.01), gradients)])
    np.testing.assert_allclose(np.abs(np.diff(path, axis=0)), 0.01, rtol=1e-9)


@given(st.lists(numbers, min_size=3, max_size=3), st.floats(0.1, 20))
def test_clipping_by_norm_keeps_the_direction(g, limit):
    moved = np.zeros(3) - run(sl.optim.SGD(1.0, clipnorm=limit), [g], (0.0, 0.0, 0.0))[0]
    norm = np.linalg.norm(g)
    np.testing.assert_allclose(moved, np.array(g) * min(1.0, limit / norm), rtol=1e-9)


def test_the_global_norm_is_one_over_all_parameters_and_zero_gradients_stay_zero():
    optimizer = sl.optim.SGD(1.0, global_clipnorm=1.0)
    params = {"a": sl.zeros(2), "b": sl.zeros(1)}
    moved, _ = optimizer.update({"a": sl.asarray([3.0, 0.0]), "b": sl.asarray([4.0])}, optimizer.init(params), params, 0)
    assert -moved["a"].numpy() == pytest.approx([0.6, 0.0])
    assert -moved["b"].numpy() == pytest.approx([0.8])
    still, _ = optimizer.update(tree.map(sl.zeros_like, params), optimizer.init(params), params, 0)
    assert still["a"].tolist() == [0.0, 0.0]


def test_weight_decay_shrinks_all_but_the_parameters_left_out():
    optimizer = sl.optim.SGD(0.5, weight_decay=0.2, exclude_from_weight_decay=("bias",))
    params = {"dense": {"kernel": sl.ones(2), "bias": sl.ones(2)}}
    after, _ = optimizer.update(tree.map(sl.zeros_like, params), optimizer.init(params), params, 0)
    assert after["dense"]["kernel"].numpy() == pytest.approx([0.9, 0.9])
    assert after["dense"]["bias"].tolist() == [1.0, 1.0]


@pytest.mark.parametrize("name", NAMES)
def test_accumulating_batches_equals_one_update_with_their_mean(name):
    rng = np.random.default_rng(0)
    gradients = rng.normal(size=(6, 3))
    means = gradients.reshape(2, 3, 3).mean(axis=1)
    together = run(get({"class": name, "gradient_accumulation_steps": 3}), gradients)
    np.testing.assert_allclose(together[[2, 5]], run(get({"class": name}), means), rtol=1e-9)
    assert (together[0] == [1.0, -2.0, 0.5]).all()  # nothing moves before the third batch


def test_the_moving_average_starts_at_the_first_parameters():
    optimizer = sl.optim.SGD(0.1, use_ema=True, ema_momentum=0.75)
    params = {"w": sl.asarray([1.0])}
    state, average = optimizer.init(params), None
    for step in range(4):
        params, state = optimizer.update({"w": sl.asarray([1.0])}, state, params, step)
        w = params["w"].item()
        average = w if average is None else 0.75 * average + 0.25 * w
    assert state["average"]["w"].item() == pytest.approx(average)


@pytest.mark.parametrize("name", NAMES)
def test_every_optimizer_finds_a_minimum_in_float32(name):
    optimizer = get({"class": name, "learning_rate": {"Adadelta": 50.0, "Adafactor": 1.0}.get(name, 0.1)})
    target = sl.asarray([3.0, -1.0])
    step = sl.jit(lambda p, s, t: optimizer.update(sl.grad(lambda p: ((p["w"] - target) ** 2).sum())(p), s, p, t))
    params = {"w": sl.asarray([0.0, 0.0])}
    state = optimizer.init(params)
    first = float(((params["w"] - target) ** 2).sum())
    for t in range(150):
        params, state = step(params, state, sl.asarray(t))
    assert float(((params["w"] - target) ** 2).sum()) < 0.6 * first
    assert params["w"].dtype == sl.float32
    assert step.traces == 1


@pytest.mark.parametrize("name", [n for n in NAMES if n not in WHOLE])
def test_the_update_of_a_parameter_is_a_chain_of_elementwise_operations(name):
    optimizer = get({"class": name})
    params = {"w": sl.zeros((4, 5))}
    program = sl.jit(optimizer.update).lower({"w": sl.ones((4, 5))}, optimizer.init(params), params, sl.asarray(0))
    large = [n for n in topological(program.outputs) if n.shape == (4, 5)]
    others = {n.op.name for n in large if n.op.kind not in (Kind.ELEMENTWISE, Kind.SOURCE)}
    assert others <= {"broadcast_to", "input", "const"}
    small = [n for n in topological(program.outputs) if n.shape == () and n.op.name == "pow"]
    assert len(small) <= 3  # bias corrections are computed once, whatever the number of parameters


def test_the_learning_rate_can_change_without_another_program():
    optimizer = sl.optim.SGD(0.1)
    step = sl.jit(optimizer.update)
    params = {"w": sl.asarray([0.0])}
    state = optimizer.init(params)
    params, state = step({"w": sl.ones(1)}, state, params, sl.asarray(0))
    state["learning_rate"] = sl.full((), 1.0, dtype="float64")
    params, state = step({"w": sl.ones(1)}, state, params, sl.asarray(1))
    assert params["w"].item() == pytest.approx(-1.1)
    assert step.traces == 1


def test_a_schedule_sets_the_rate_of_each_step():
    optimizer = sl.optim.SGD(sl.optim.PiecewiseConstantDecay([1], [1.0, 0.1]))
    assert run(optimizer, [[1.0] * 3] * 4, (0.0, 0.0, 0.0))[:, 0] == pytest.approx([-1.0, -2.0, -2.1, -2.2])
    assert float(optimizer.rate(optimizer.init({"w": sl.zeros(1)}), 3)) == pytest.approx(0.1)


def test_warm_up_leads_into_any_schedule():
    rate = sl.optim.Warmup(sl.optim.ExponentialDecay(0.8, 1, 0.5), steps=4, start=0.2)
    assert [float(rate(t)) for t in range(7)] == pytest.approx([0.2, 0.35, 0.5, 0.65, 0.8, 0.4, 0.2])


def test_names_of_other_libraries_are_understood():
    assert sl.optim.Adam(lr=0.1, betas=(0.8, 0.9), eps=1e-3) == sl.optim.Adam(0.1, 0.8, 0.9, 1e-3)
    assert sl.optim.SGD(learning_rate_init=0.1, momentum=0.5, nesterovs_momentum=True).nesterov
    assert get("AdamW") == get("adamw") == sl.optim.AdamW()


@pytest.mark.parametrize("name", NAMES)
def test_the_first_argument_is_the_learning_rate_and_configuration_survives_json(name):
    cls = getattr(sl.optim, name)
    optimizer = cls(sl.optim.Warmup(0.5, 3), clipnorm=2.0, exclude_from_weight_decay=("bias",))
    assert next(iter(inspect.signature(cls).parameters)) == "learning_rate"
    assert get(json.loads(json.dumps(optimizer.to_config()))) == optimizer


def test_own_optimizers_are_saved_by_name():
    @sl.optim.register
    class Halfway(Optimizer):
        share: float = 0.5

        def rule(self):
            return sl.optim.chain(sl.optim.clip_by_value(self.share), sl.optim.scale_by_learning_rate())

    assert get(Halfway(0.1, 0.25).to_config()) == Halfway(0.1, share=0.25)
    assert get("halfway") == Halfway()
    del REGISTRY["optimizer"]["Halfway"]


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (
            lambda: sl.optim.Adam(beta_1=1.0),
            ArgumentError,
            "Adam: beta_1 is 1.0, expected a number at least 0 and below 1",
        ),
        (lambda: sl.optim.Adam(-1.0), ArgumentError, "learning_rate is -1.0"),
        (lambda: sl.optim.Adam("fast"), ArgumentError, "learning_rate is 'fast'"),
        (lambda: sl.optim.SGD(momentun=0.9), ArgumentError, "did you mean momentum"),
        (lambda: sl.optim.SGD(lr=0.1, learning_rate=0.2), ArgumentError, "learning_rate is given twice"),
        (lambda: sl.optim.SGD(clipnorm=1.0, clipvalue=1.0), ArgumentError, "only one of them"),
        (lambda: sl.optim.SGD(gradient_accumulation_steps=1.5), ArgumentError, "whole number at least 1"),
        (lambda: sl.optim.CosineDecay(0.1, 0), ArgumentError, "decay_steps is 0"),
        (lambda: sl.optim.PiecewiseConstantDecay([5, 3], [1, 2, 3]), ArgumentError, "growing boundaries"),
        (lambda: sl.optim.CyclicLR(0.1, 0.2, mode="square"), UnknownNameError, "triangular2"),
        (lambda: get("adan"), UnknownNameError, "did you mean 'adam'"),
        (lambda: get(3), ArgumentError, "expected a name or an optimizer"),
        (lambda: get({"class": "Sonia"}), ModelFileError, "Sonia"),
        (lambda: sl.optim.SGD(lambda step: 0.1).to_config(), ArgumentError, "sl.optim.register"),
        (lambda: sl.optim.register(dict), ArgumentError, "derived from Optimizer or Schedule"),
    ],
)
def test_wrong_arguments_are_refused_with_the_remedy(make, error, words):
    with pytest.raises(error) as caught:
        make()
    assert words in str(caught.value)
