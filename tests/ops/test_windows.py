"""Windows, diagonals and pooling against plain loops, over generated shapes, steps, gaps and borders; and their gradients."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import saltus as sl
from saltus.base.errors import ArgumentError, DTypeError, ShapeError
from saltus.ops.windows import diagonal, fold, windows
from saltus.tensor.operands import node_of
from saltus.tensor.tensor import of_node


@dataclass
class Case:
    """One use of windows over the spatial axes of (N, *lengths, C)."""

    lengths: tuple[int, ...]
    size: tuple[int, ...]
    step: tuple[int, ...]
    dilation: tuple[int, ...]
    padding: list[tuple[int, int]]
    shape: tuple[int, ...]

    @property
    def axes(self):
        return tuple(range(1, len(self.lengths) + 1))


def case(seed, *, gaps=True):
    rng = np.random.default_rng(seed)
    rank = int(rng.integers(1, 4))
    size, step = (tuple(map(int, rng.integers(1, 5 - (rank == 3), rank))) for _ in range(2))
    dilation = tuple(map(int, rng.integers(1, 4, rank))) if gaps else (1,) * rank
    spans = [(k - 1) * d + 1 for k, d in zip(size, dilation, strict=True)]
    lengths = tuple(r + int(rng.integers(0, 5)) for r in spans)
    padding = [tuple(map(int, rng.integers(0, r, 2))) for r in spans]
    return Case(lengths, size, step, dilation, padding, (int(rng.integers(1, 3)), *lengths, int(rng.choice([1, 3, 9]))))


def places(case, lengths):
    """For each window, its index and where it lies."""
    spans = zip(lengths, case.size, case.step, case.dilation, strict=True)
    counts = [(n - (k - 1) * d - 1) // s + 1 for n, k, s, d in spans]
    for at in np.ndindex(*counts):
        box = [slice(i * s, i * s + (k - 1) * d + 1, d) for i, k, s, d in zip(at, case.size, case.step, case.dilation, strict=True)]
        yield at, (slice(None), *box)


def pooled(x, case, of, border):
    """A function of each window, over the padded image."""
    wide = np.pad(x, [(0, 0), *case.padding, (0, 0)], constant_values=border)
    found = {at: of(wide[box]) for at, box in places(case, wide.shape[1:-1])}
    counts = np.max(list(found), axis=0) + 1
    out = np.zeros((x.shape[0], *counts, x.shape[-1]))
    for at, value in found.items():
        out[(slice(None), *at)] = value
    return out


def distinct(seed, shape):
    """Numbers none of which are near each other."""
    return np.random.default_rng(seed).permutation(int(np.prod(shape))).reshape(shape) * 0.01


def compiled(function, *arrays):
    return sl.jit(function)(*map(sl.asarray, arrays)).numpy()


@pytest.mark.parametrize("seed", range(40))
def test_windows_and_their_adjoint(seed):
    c = case(seed)
    x = distinct(seed, c.shape)
    made = compiled(lambda a: of_node(windows(a.node, c.axes, c.size, c.step, c.dilation)) * 1.0, x)
    for at, box in places(c, c.lengths):
        np.testing.assert_array_equal(made[(slice(None), *at)], np.moveaxis(x[box], -1, 1))
    g = np.random.default_rng(seed).normal(size=made.shape)
    back = np.zeros(c.shape)
    for at, box in places(c, c.lengths):
        back[box] += np.moveaxis(g[(slice(None), *at)], 1, -1)
    found = compiled(lambda a: of_node(fold(a.node, c.lengths, c.axes, c.step, c.dilation)) * 1.0, g)
    np.testing.assert_allclose(found, back, rtol=1e-10, atol=1e-10)


def test_windows_that_nothing_fits_in_are_none():
    made = of_node(windows(node_of(np.ones((2, 3))), (1,), (5,), (1,), (1,)))
    assert made.shape == (2, 0, 5)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "int32", "bool"])
def test_windows_of_every_type(dtype):
    x = sl.asarray(np.arange(12) % 2).reshape(3, 4).astype(dtype)
    made = sl.jit(lambda a: of_node(windows(a.node, (1,), (2,), (1,), (1,))))(x)
    expected = np.lib.stride_tricks.sliding_window_view(np.arange(12).reshape(3, 4) % 2, 2, 1)
    np.testing.assert_array_equal(made.astype("float32").numpy(), expected)


def test_diagonal():
    x = np.random.default_rng(0).normal(size=(3, 4, 2, 4))
    made = compiled(lambda a: of_node(diagonal(a.node, 3, 1)) * 1.0, x)
    np.testing.assert_array_equal(made, np.moveaxis(np.diagonal(x, axis1=1, axis2=3), -1, 1))


@pytest.mark.parametrize("seed", range(60))
def test_max_pooling(seed):
    c = case(seed, gaps=seed % 3 == 0)
    x = distinct(seed, c.shape)
    form = {"stride": c.step, "dilation": c.dilation, "padding": c.padding}

    @sl.jit
    def run(a):
        top, index = sl.max_pool(a, c.size, return_indices=True, **form)
        return top, index, sl.grad(lambda a: sl.sin(sl.max_pool(a, c.size, **form)).sum())(a)

    top, index, gradient = (v.numpy() for v in run(sl.asarray(x)))
    np.testing.assert_array_equal(top, pooled(x, c, lambda box: box.max(axis=c.axes), -np.inf))
    flat, expected = x.reshape(c.shape[0], -1, c.shape[-1]), np.zeros((c.shape[0], int(np.prod(c.lengths)), c.shape[-1]))
    for n, k in np.ndindex(c.shape[0], c.shape[-1]):
        np.testing.assert_array_equal(flat[n, index[n, ..., k], k], top[n, ..., k])
        np.add.at(expected[n, :, k], index[n, ..., k].ravel(), np.cos(top[n, ..., k]).ravel())
    np.testing.assert_allclose(gradient, expected.reshape(c.shape), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("seed", range(60))
def test_average_pooling_counts_what_is_no_border(seed):
    c = case(seed, gaps=False)
    x = distinct(seed, c.shape)

    def run(a):
        return sl.average_pool(a, c.size, stride=c.step, padding=c.padding)

    expected = pooled(x, c, lambda box: np.nanmean(box, axis=c.axes), np.nan)
    np.testing.assert_allclose(compiled(run, x), expected, rtol=1e-10)
    # the transpose of a linear function: <g, f(v)> = <f*(g), v>
    rng = np.random.default_rng(seed)
    g, v = rng.normal(size=expected.shape), rng.normal(size=c.shape)
    back = compiled(sl.grad(lambda a: (run(a) * g).sum()), x)
    np.testing.assert_allclose((back * v).sum(), (pooled(v, c, lambda box: np.nanmean(box, axis=c.axes), np.nan) * g).sum(), rtol=1e-9)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("name", ["max_pool", "average_pool"])
def test_second_derivatives(name, seed):
    c = case(seed + 100, gaps=False)
    x = distinct(seed, c.shape) - 0.5
    pool = getattr(sl, name)

    def first(a):
        return sl.grad(lambda a: (sl.sin(pool(a, c.size, stride=c.step, padding=c.padding)) ** 2).sum())(a)

    rng = np.random.default_rng(seed)
    u, v, step = rng.normal(size=c.shape), rng.normal(size=c.shape), 1e-5
    found = (compiled(sl.grad(lambda a: (first(a) * u).sum()), x) * v).sum()
    ahead, behind = ((compiled(first, x + s * v) * u).sum() for s in (step, -step))
    np.testing.assert_allclose(found, (ahead - behind) / (2 * step), rtol=1e-4, atol=1e-5)


def test_of_equal_elements_the_first_counts_as_in_pytorch():
    with np.load(Path(__file__).parent / "values" / "images.npz") as known:  # values/make_images.py
        x, top, index, gradient = (known[k] for k in ("ties", "max", "max index", "max gradient"))
    form = {"stride": (2, 3), "padding": ((1, 1), (0, 0))}
    made, places = sl.max_pool(x, (3, 2), return_indices=True, **form)
    np.testing.assert_array_equal(made.numpy(), top)
    np.testing.assert_array_equal(places.numpy(), index)
    weights = np.moveaxis(np.arange(float(top.size)).reshape(np.moveaxis(top, -1, 1).shape), 1, -1)
    back = sl.grad(lambda a: (sl.max_pool(a, (3, 2), **form) * weights).sum())(sl.asarray(x))
    np.testing.assert_allclose(back.numpy(), gradient)


@pytest.mark.parametrize("lengths", [(5,), (6, 7), (3, 5, 4)])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_same_padding_follows_tensorflow(lengths, stride):
    x = distinct(0, (2, *lengths, 2))
    total = [max((-(-n // stride) - 1) * stride + 3 - n, 0) for n in lengths]
    pads = [(t // 2, t - t // 2) for t in total]
    for pool in (sl.max_pool, sl.average_pool):
        made = pool(x, 3, stride=stride, padding="same")
        assert made.shape == (2, *[-(-n // stride) for n in lengths], 2)
        np.testing.assert_array_equal(made.numpy(), pool(x, 3, stride=stride, padding=pads).numpy())


def test_the_border_never_wins_and_nan_does():
    x = np.full((1, 3, 3, 1), -np.inf)
    top, index = sl.max_pool(x, 2, padding="same", return_indices=True)
    assert np.all(top.numpy() == -np.inf)
    assert index.numpy().ravel().tolist() == [0, 2, 6, 8]
    x[0, 1, 1, 0] = np.nan
    assert np.isnan(sl.max_pool(x, 2).numpy()).all()


def test_half_types_are_averaged_in_float32():
    x = sl.full((1, 64, 64, 1), 2.0, dtype="float16")
    made = sl.average_pool(x * 30.0, 64)
    assert made.dtype == sl.float16
    assert float(made[0, 0, 0, 0]) == 60.0


def test_pooling_after_an_activation_is_one_kernel():
    x = np.random.default_rng(0).normal(size=(8, 12, 12, 16)).astype("float32")
    run = sl.jit(lambda a: sl.max_pool(sl.relu(a), 2))
    run(x)
    assert " 1 kernels" in str(run.explain())


@pytest.mark.parametrize("seed", range(6))
def test_unpooling_puts_back_what_pooling_found(seed):
    c = case(seed + 50, gaps=False)
    x = distinct(seed, c.shape) + 1
    top, index = sl.max_pool(x, c.size, return_indices=True)
    back = sl.max_unpool(top, index, c.lengths)
    expected = np.where(back.numpy() != 0, x, 0)
    np.testing.assert_array_equal(back.numpy(), expected)
    assert np.count_nonzero(back.numpy()) == top.size
    slope = sl.grad(lambda t: (sl.max_unpool(t, index, c.lengths) * x).sum())(top)
    np.testing.assert_array_equal(slope.numpy(), top.numpy())


X = np.ones((1, 6, 6, 2), "float32")


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: sl.max_pool(X, 7), ShapeError, "along height it spans 7, the input .* has only 6"),
        (lambda: sl.average_pool(X, (2, 8)), ShapeError, "along width it spans 8"),
        (lambda: sl.max_pool(X, 4, dilation=2), ShapeError, "spans 7"),
        (lambda: sl.max_pool(X, 2, padding=2), ShapeError, "windows of 2 that hold no element"),
        (lambda: sl.max_pool(X, 0), ArgumentError, "size must be a whole number from 1 on"),
        (lambda: sl.max_pool(X, 2, stride=0), ArgumentError, "stride must be a whole number from 1 on"),
        (lambda: sl.max_pool(X, (2, 2, 2)), ArgumentError, "or 2 of them"),
        (lambda: sl.max_pool(X, 2, padding="full"), ShapeError, "padding must be"),
        (lambda: sl.average_pool(X[0, :, 0], 2, padding="causal"), ShapeError, "one to three axes"),
        (lambda: sl.average_pool(X[0], 2, padding="causal"), ArgumentError, 'padding must be "valid", "same" or numbers'),
        (lambda: sl.max_pool(X.astype("int32"), 2), DTypeError, "takes real floats, got int32"),
        (lambda: sl.max_unpool(X, np.zeros((1, 6, 6, 1), "int64"), 12), ShapeError, "shaped like x"),
        (lambda: sl.max_unpool(X, X, 12), DTypeError, "indices must be integers"),
        (lambda: windows(node_of(X), (1, 1), (2, 2), (1, 1), (1, 1)), ShapeError, "one size, step and dilation each"),
        (lambda: windows(node_of(X), (9,), (2,), (1,), (1,)), ShapeError, "do not all exist"),
        (lambda: windows(node_of(X), (1,), (2,), (0,), (1,)), ShapeError, "must be at least 1"),
        (lambda: diagonal(node_of(X), 1, 3), ShapeError, "different lengths"),
    ],
)
def test_refusals(call, error, words):
    with pytest.raises(error, match=words):
        call()
