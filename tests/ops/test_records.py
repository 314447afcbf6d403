"""Every record, on each of its samples and element types: rules, value, gradient, gradient of gradient, laws, half types,
and its form on jax.numpy. Nothing here names an op but where the outside world differs.
"""

import zlib
from dataclasses import dataclass

import numpy as np
import pytest

import saltus.ops  # noqa: F401  registers the records
from saltus.base import dtypes as dt
from saltus.base.errors import DTypeError, GradientError
from saltus.ir.differentiate import backward
from saltus.ir.evaluate import evaluate
from saltus.ir.node import Node, full, parts, placeholder
from saltus.ir.spec import OPS, Kind, Op, Sample

HALVES = (dt.float16, dt.bfloat16)
EXACT = {"nextafter", "cast", "where"}  # these depend on the type itself, so a wider one is no reference


@dataclass(frozen=True)
class Case:
    """One record with operands of given types, on each of its samples that takes them."""

    op: Op
    dtypes: tuple[dt.DType, ...]
    samples: tuple[Sample, ...]

    def __str__(self) -> str:
        names = [d.name for d in self.dtypes]
        return f"{self.op.name}-{names[0] if len(set(names)) == 1 else '-'.join(names)}"

    @property
    def wide(self) -> bool:
        """Whether its types are the ones that finite differences are exact enough on."""
        inexact = [d for d in self.dtypes if d.is_inexact]
        return bool(inexact) and all(d in (dt.float64, dt.complex128) for d in inexact)


def cases(op: Op) -> list[Case]:
    """The record with every choice of types that it and its samples allow."""
    found: dict[tuple[dt.DType, ...], list[Sample]] = {}
    for sample in op.samples:
        if sample.dtypes:
            choices = [tuple(map(dt.as_dtype, sample.dtypes))]
        else:
            choices = [(d,) * len(sample.shapes) for d in dt.ALL if d.kind in op.kinds]
        for types in choices:
            try:
                op.dtype(*types, **sample.attrs)
            except DTypeError:
                continue
            found.setdefault(types, []).append(sample)
    return [Case(op, types, tuple(samples)) for types, samples in found.items()]


RECORDS = [op for op in OPS.values() if op.kind not in (Kind.SOURCE, Kind.PART, Kind.SCAN)]
CASES = [case for op in RECORDS for case in cases(op)]


def store(values: np.ndarray, dtype: dt.DType) -> np.ndarray:
    """Numbers in the memory form of a type."""
    return dt.to_bfloat16(values) if dtype is dt.bfloat16 else values.astype(dtype.numpy)


def load(array: np.ndarray, dtype: dt.DType) -> np.ndarray:
    """The numbers an array in memory form stands for."""
    return dt.from_bfloat16(array) if dtype is dt.bfloat16 else array


def numbers(rng, shape, dtype: dt.DType, low: float, high: float) -> np.ndarray:
    """Random numbers of a type, in its memory form."""
    if dtype.kind == "b":
        return rng.random(shape) < 0.5
    if dtype.is_integer:
        info = np.iinfo(dtype.numpy)
        return rng.integers(max(int(low), info.min), min(int(high), info.max), shape, dtype.numpy, endpoint=True)
    values = rng.uniform(low, high, shape)
    if dtype.kind == "c":
        values = values + 1j * rng.uniform(low, high, shape)
    return store(np.asarray(values), dtype)


class Example:
    """A sample put to work: inputs with arrays, operands, results, and what of the results can be compared."""

    def __init__(self, case: Case, sample: Sample, dtypes: tuple[dt.DType, ...] | None = None) -> None:
        self.what = f"{case}, sample {case.op.samples.index(sample)}"
        rng = np.random.default_rng(zlib.crc32(self.what.encode()))
        drawn = zip(sample.shapes, case.dtypes, strict=True)
        arrays = [numbers(rng, s, d, sample.low, sample.high) for s, d in drawn]
        self.inputs = [placeholder(s, d) for s, d in zip(sample.shapes, dtypes or case.dtypes, strict=True)]
        self.env = {
            node: array if node.dtype is d else store(load(array, d), node.dtype)
            for node, array, d in zip(self.inputs, arrays, case.dtypes, strict=True)
        }
        self.operands = list(sample.prepare(*self.inputs)) if sample.prepare else self.inputs
        node = case.op(*self.operands, **sample.attrs)
        self.node = node
        self.results = list(parts(node)) if node.parts else [node]
        self.seen = list(sample.observe(*self.results)) if sample.observe else self.results
        self.attrs, self.tolerance = sample.attrs, sample.tolerance


def examples(case: Case):
    return [Example(case, sample) for sample in case.samples]


def assert_close(found, expected, tolerance: float, what: str) -> None:
    """Equal to a share of the largest number there, NaN and infinities at the same places."""
    finite = np.abs(expected[np.isfinite(expected)])
    scale = max(1.0, float(finite.max(initial=0.0)))
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance * scale, err_msg=what)


def by_name(case_list):
    return {"argvalues": case_list, "ids": [str(c) for c in case_list]}


@pytest.mark.parametrize("case", **by_name(CASES))
def test_the_rules_say_what_the_reference_gives(case):
    """Shape and type of each result are those NumPy arrives at by itself; half types compute in float32."""
    for example in examples(case):
        values = [np.asarray(v) for v in evaluate(example.operands, example.env)]
        values = [load(v, o.dtype).astype(np.float32) if o.dtype in HALVES else v for v, o in zip(values, example.operands, strict=True)]
        with np.errstate(all="ignore"):
            made = case.op.eval(np, *values, **example.attrs)
        made = made if example.node.parts else (made,)
        for node, value in zip(example.results, made, strict=True):
            value = np.asarray(value)
            assert value.shape == node.shape, example.what
            if not {*case.dtypes, node.dtype} & set(HALVES):
                assert value.dtype == node.dtype.numpy, example.what


def wider(dtype: dt.DType) -> dt.DType:
    return {dt.float32: dt.float64, dt.complex64: dt.complex128}.get(dtype, dtype)


FULL = [c for c in CASES if not set(c.dtypes) & set(HALVES)]


@pytest.mark.parametrize("case", **by_name(FULL))
def test_value(case, engine):
    """The engine's numbers are the reference's in a wider type; integers and bools are exact."""
    made = examples(case)
    same = case.op.name in EXACT
    for example, sample in zip(made, case.samples, strict=True):
        wide = example if same else Example(case, sample, tuple(wider(d) for d in case.dtypes))
        found = engine(example.seen, example.env)
        expected = evaluate(wide.seen, wide.env)
        for node, a, e in zip(example.seen, found, expected, strict=True):
            assert a.shape == node.shape and a.dtype == node.dtype.numpy, example.what
            if node.dtype.is_inexact:
                assert_close(
                    load(a, node.dtype),
                    load(e, node.dtype),
                    example.tolerance * dt.finfo(node.dtype).eps,
                    example.what,
                )
            else:
                np.testing.assert_array_equal(a, e, err_msg=example.what)


@pytest.mark.parametrize("case", **by_name([c for c in CASES if set(c.dtypes) & set(HALVES)]))
def test_half_types_compute_in_float32_and_round(case, engine):
    """On float16 and bfloat16 an op gives the float32 result of the same numbers, rounded once."""
    for example, sample in zip(examples(case), case.samples, strict=True):
        wide = Example(case, sample, tuple(dt.float32 if d in HALVES else d for d in case.dtypes))
        found = engine(example.seen, example.env)
        expected = [load(v, n.dtype) for v, n in zip(evaluate(wide.seen, wide.env), wide.seen, strict=True)]
        for node, a, e in zip(example.seen, found, expected, strict=True):
            if node.dtype in HALVES:
                eps = 2.0**-10 if node.dtype is dt.float16 else 2.0**-7
                rounded = load(store(e, node.dtype), node.dtype).astype(np.float64)
                assert_close(load(a, node.dtype).astype(np.float64), rounded, eps, example.what)
            else:
                np.testing.assert_array_equal(a, e, err_msg=example.what)


@pytest.mark.parametrize("case", **by_name([c for c in FULL if c.op.laws]))
def test_laws(case, engine):
    """Identities that hold whatever the formula: a wrong one cannot pass by being wrong everywhere."""
    for example in examples(case):
        out = tuple(example.results) if example.node.parts else example.node
        pairs = [law(out, *example.operands, **example.attrs) for law in case.op.laws]
        values = engine([side for pair in pairs for side in pair], example.env)
        for number, (left, right) in enumerate(zip(values[::2], values[1::2], strict=True)):
            what = f"{example.what}, law {number}"
            if left.dtype.kind in "fc":
                assert_close(left, right, 8 * example.tolerance * np.finfo(left.dtype).eps, what)
            else:
                np.testing.assert_array_equal(left, right, err_msg=what)


UNSIGNED_ZEROS = {"maximum", "minimum", "relu"}  # which of -0 and +0 is the larger is nobody's promise


FLOATING = [c for c in CASES if c.op.kind is Kind.ELEMENTWISE and set(c.dtypes) in ({dt.float32}, {dt.float64})]


def special_numbers(dtype: dt.DType) -> np.ndarray:
    """Zeros of both signs, infinities, NaN, the largest and the smallest numbers, and some between."""
    limits = np.finfo(dtype.numpy)
    small = [0.0, limits.smallest_subnormal, limits.smallest_normal, 1e-5, 0.5]
    sizes = [*small, 1.0, 2.0, 3.5, 90.0, 1e4, limits.max, np.inf]
    return np.array([sign * size for size in sizes for sign in (1, -1)] + [np.nan], dtype.numpy)


@pytest.mark.parametrize("case", **by_name(FLOATING))
def test_special_numbers(case, engine):
    """In every pair the engine has the reference's answer, with the sign of a zero."""
    columns = [c.ravel() for c in np.meshgrid(*[special_numbers(d) for d in case.dtypes])]
    inputs = [placeholder(c.shape, d) for c, d in zip(columns, case.dtypes, strict=True)]
    env = dict(zip(inputs, columns, strict=True))
    for sample in {tuple(sorted(s.attrs.items())): s for s in case.samples}.values():
        node = case.op(*inputs, **sample.attrs)
        found, expected = (load(v, node.dtype) for v in (engine([node], env)[0], evaluate([node], env)[0]))
        what = f"{case} {sample.attrs}"
        if not node.dtype.is_inexact:
            np.testing.assert_array_equal(found, expected, err_msg=what)
            continue
        limits = dt.finfo(node.dtype)
        eps = float(limits.eps) if node.dtype not in HALVES else 0.0  # rounding to a half type is exact
        tiny = 4 * float(limits.smallest_subnormal) * (eps > 0)
        np.testing.assert_allclose(found, expected, rtol=sample.tolerance * eps, atol=tiny, err_msg=what)
        if node.dtype.kind == "f" and case.op.name not in UNSIGNED_ZEROS:
            zero = expected == 0
            np.testing.assert_array_equal(np.signbit(found[zero]), np.signbit(expected[zero]), err_msg=what)


DIFFERENTIABLE = [c for c in CASES if c.wide and c.op.vjp is not None and c.op.name != "stop_gradient"]


@pytest.mark.parametrize("case", **by_name(DIFFERENTIABLE))
def test_gradient_and_gradient_of_gradient(case, check_gradient):
    """By every operand, and again by every operand, as finite differences have it."""
    for example in examples(case):
        check_gradient(example.seen, example.env, what=example.what, order=2)


@pytest.mark.parametrize("op", [op for op in RECORDS if op.vjp is None], ids=lambda op: op.name)
def test_where_there_is_no_derivative_the_error_says_why(op):
    """The message names the op, the reason and the user's line."""
    example = Example(cases(op)[0], cases(op)[0].samples[0])
    seeds = [full(r.shape, 1, r.dtype) for r in example.results]
    with pytest.raises(GradientError) as caught:
        backward(example.results, seeds, example.inputs[:1])
    message = str(caught.value)
    assert op.name in message and op.no_gradient in message and "test_records.py" in message


JAX_TYPES = {dt.float64, dt.int32, dt.bool_, dt.complex128, dt.uint64, dt.int64}


@pytest.fixture(scope="module")
def jnp():
    jax = pytest.importorskip("jax")
    jax.config.update("jax_enable_x64", True)
    yield jax.numpy
    jax.config.update("jax_enable_x64", False)


def jax_differs(example: Example) -> bool:
    """Where XLA documents another answer than NumPy: division of integers by 0."""
    node = example.node
    return node.op.name in ("floor_divide", "remainder") and node.dtype.is_integer and not example.env[example.inputs[1]].all()


@pytest.mark.slow
@pytest.mark.parametrize("case", **by_name([c for c in CASES if set(c.dtypes) <= JAX_TYPES]))
def test_the_same_formula_runs_on_jax(case, jnp):
    """`eval` with jax.numpy gives the reference's numbers: that is the XLA engine."""
    for example in examples(case)[:1] if case.op.kind is Kind.ELEMENTWISE else examples(case):
        if jax_differs(example):
            continue
        env = {n: jnp.asarray(a) for n, a in example.env.items()}
        for node, a, e in zip(example.seen, evaluate(example.seen, env, jnp), evaluate(example.seen, example.env), strict=True):
            assert a.shape == e.shape and a.dtype == node.dtype.name, example.what
            if node.dtype.is_inexact:
                assert_close(np.asarray(a), e, 4 * example.tolerance * dt.finfo(node.dtype).eps, example.what)
            else:
                np.testing.assert_array_equal(np.asarray(a), e, err_msg=example.what)


def test_inputs_of_a_kind_an_op_does_not_take_are_refused_by_name():
    for op in RECORDS:
        case = cases(op)[0]
        outside = next((d for d in dt.ALL if d.kind not in op.kinds), None)
        if outside is None:
            continue
        bad = [placeholder(s, outside) for s in case.samples[0].shapes]
        with pytest.raises(DTypeError, match=op.name) as caught:
            op(*bad, **case.samples[0].attrs)
        assert outside.name in str(caught.value)


def test_every_result_is_a_node_of_the_record():
    for case in CASES[::7]:
        node = Example(case, case.samples[0]).node
        assert isinstance(node, Node) and node.op is case.op
