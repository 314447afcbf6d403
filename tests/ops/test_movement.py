"""Movement ops on any shape and any attributes: NumPy's values, and gradients that put every element back."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saltus.base import dtypes as dt
from saltus.base.errors import ShapeError
from saltus.ir.node import OPS, placeholder
from saltus.ops import gather, matrix, movement
from saltus.ops.sort import top_k

LENGTHS = st.integers(0, 5)
SHAPES = st.lists(LENGTHS, min_size=0, max_size=4).map(tuple)


def filled(shape):
    """Numbers that are all different, so that a misplaced one shows."""
    return (np.arange(math.prod(shape), dtype=np.float64) + 1).reshape(shape)


@pytest.fixture(scope="session")
def check(engine, check_gradient):
    """The value is the expected one and the gradient is the transpose."""

    def run(node, env, expected):
        found = engine([node], env)[0]
        assert node.shape == expected.shape
        np.testing.assert_array_equal(found, expected)
        if expected.size:
            check_gradient([node], env, what="movement", step=0.01)  # linear, so a wide step is exact

    return run


def given_array(shape):
    x = placeholder(shape, dt.float64)
    return x, {x: filled(shape)}


@st.composite
def slices(draw):
    """A shape with a start, stop and step for each axis."""
    shape = draw(SHAPES)
    start = tuple(draw(st.integers(0, d)) for d in shape)
    stop = tuple(draw(st.integers(0, d)) for d in shape)
    step = tuple(draw(st.integers(1, 4)) for _ in shape)
    return shape, start, stop, step


@given(slices())
def test_slice(check, case):
    shape, start, stop, step = case
    x, env = given_array(shape)
    cut = tuple(slice(*bounds) for bounds in zip(start, stop, step, strict=True))
    check(OPS["slice"](x, start=start, stop=stop, step=step), env, env[x][cut])


@st.composite
def borders(draw):
    """A shape with widths below, above and between, and what fills them."""
    shape = draw(SHAPES)
    low, high = (tuple(draw(st.integers(0, 3)) for _ in shape) for _ in range(2))
    interior = tuple(draw(st.integers(0, 2)) for _ in shape)
    return shape, low, high, interior, draw(st.sampled_from([0, 1.5, -math.inf]))


@given(borders())
def test_pad(check, case):
    shape, low, high, interior, value = case
    x, env = given_array(shape)
    spread = env[x]
    for axis, gap in enumerate(interior):
        if gap and spread.shape[axis] > 1:
            places = np.repeat(np.arange(1, spread.shape[axis]), gap)
            spread = np.insert(spread, places, value, axis=axis)
    expected = np.pad(spread, list(zip(low, high, strict=True)), constant_values=value) if shape else spread
    node = OPS["pad"](x, low=low, high=high, interior=interior, value=value)
    if math.isinf(value):
        assert node.shape == expected.shape
        return
    check(node, env, expected)


@given(slices(), st.integers(0, 3))
def test_slice_and_pad_undo_each_other(check, case, width):
    shape, *_ = case
    x, env = given_array(shape)
    widths = (width,) * len(shape)
    wide = movement.pad(x, widths, widths, (width,) * len(shape))
    back = movement.slice_(wide, widths, tuple(n - width for n in wide.shape), (width + 1,) * len(shape))
    check(back, env, env[x])


@st.composite
def pieces(draw):
    """Shapes that differ along one axis only, and the axis."""
    shape = draw(st.lists(LENGTHS, min_size=1, max_size=4))
    axis = draw(st.integers(0, len(shape) - 1))
    lengths = draw(st.lists(LENGTHS, min_size=1, max_size=4))
    return [tuple(n if k == axis else d for k, d in enumerate(shape)) for n in lengths], axis


@given(pieces())
def test_concat(check, case):
    shapes, axis = case
    inputs = [placeholder(s, dt.float64) for s in shapes]
    env = {x: filled(x.shape) + 1000 * i for i, x in enumerate(inputs)}
    check(OPS["concat"](*inputs, axis=axis), env, np.concatenate(list(env.values()), axis))


@given(SHAPES, st.data())
def test_permute(check, shape, data):
    axes = tuple(data.draw(st.permutations(range(len(shape)))))
    x, env = given_array(shape)
    check(OPS["permute"](x, axes=axes), env, env[x].transpose(axes))
    assert movement.permute(movement.permute(x, axes), movement.inverse(axes)).shape == shape


@given(SHAPES, st.data())
def test_reshape(check, shape, data):
    """Any grouping of the prime factors of the size, with ones in between."""
    size, factors, p = math.prod(shape), [], 2
    while size > 1:
        while size % p == 0:
            factors.append(p)
            size //= p
        p += 1
    new = [0] if 0 in shape else [1]
    for factor in data.draw(st.permutations(factors)):
        if data.draw(st.booleans()):
            new.append(factor)
        else:
            new[-1] *= factor
    x, env = given_array(shape)
    check(OPS["reshape"](x, shape=tuple(new)), env, env[x].reshape(new))


@given(SHAPES, st.data())
def test_flip(check, shape, data):
    axes = tuple(sorted(data.draw(st.sets(st.sampled_from(range(len(shape)))))) if shape else ())
    x, env = given_array(shape)
    check(OPS["flip"](x, axes=axes), env, np.flip(env[x], axes))


@given(SHAPES, st.data())
def test_broadcast(check, shape, data):
    """Some axes of the result repeat: they have length 1 in the operand, or are missing in front."""
    small = [1 if data.draw(st.booleans()) else d for d in shape]
    while small and small[0] == 1 and data.draw(st.booleans()):
        small.pop(0)
    x, env = given_array(tuple(small))
    check(OPS["broadcast_to"](x, shape=shape), env, np.broadcast_to(env[x], shape))


@given(st.lists(st.integers(0, 5), min_size=1, max_size=3), st.integers(-7, 7), st.data())
def test_roll(check, shape, shift, data):
    axis = data.draw(st.integers(0, len(shape) - 1))
    x, env = given_array(tuple(shape))
    check(movement.roll(x, shift, axis), env, np.roll(env[x], shift, axis))


@given(st.lists(st.integers(0, 4), min_size=2, max_size=3), st.integers(-5, 5))
def test_diagonals_and_triangles(check, shape, offset):
    x, env = given_array(tuple(shape))
    check(matrix.diagonal(x, offset), env, np.diagonal(env[x], offset, -2, -1))
    check(matrix.tril(x, offset), env, np.tril(env[x], offset))
    check(matrix.triu(x, offset), env, np.triu(env[x], offset))


@given(st.lists(st.integers(1, 4), min_size=1, max_size=3), st.data())
def test_take_and_scatter_along_an_axis(check, shape, data):
    axis = data.draw(st.integers(0, len(shape) - 1))
    count = data.draw(st.integers(0, 5))
    x, env = given_array(tuple(shape))
    picked = tuple(count if k == axis else d for k, d in enumerate(shape))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    index = placeholder(picked, dt.int64)
    env[index] = rng.integers(0, shape[axis], picked)
    expected = np.take_along_axis(env[x], env[index], axis)
    check(gather.take_along_axis(x, index, axis), env, expected)
    updates = placeholder(picked, dt.float64)
    env[updates] = filled(picked)
    total = env[x].copy()
    for place in np.ndindex(picked):
        where = tuple(env[index][place] if k == axis else i for k, i in enumerate(place))
        total[where] += env[updates][place]
    check(gather.scatter_along_axis(x, index, updates, axis), env, total)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda x: OPS["reshape"](x, shape=(7,)), ["(3, 4)", "12", "(7,)"]),
        (lambda x: OPS["permute"](x, axes=(0, 0)), ["(0, 0)", "(3, 4)"]),
        (lambda x: OPS["broadcast_to"](x, shape=(3, 5)), ["(3, 4)", "(3, 5)"]),
        (lambda x: OPS["broadcast_to"](x, shape=(4,)), ["(3, 4)", "(4,)"]),
        (lambda x: OPS["slice"](x, start=(0, 0), stop=(3, 5), step=(1, 1)), ["0:5:1", "axis 1", "(3, 4)"]),
        (lambda x: OPS["slice"](x, start=(0,), stop=(3,), step=(1,)), ["(3, 4)", "2 bounds"]),
        (lambda x: OPS["pad"](x, low=(-1, 0), high=(0, 0), interior=(0, 0), value=0), ["(-1, 0)"]),
        (lambda x: OPS["concat"](x, placeholder((3, 4, 1), dt.float32), axis=0), ["(3, 4)", "(3, 4, 1)"]),
        (lambda x: top_k(x, k=5, axis=1, largest=True), ["5", "4", "(3, 4)"]),
        (lambda x: matrix.diagonal(OPS["reshape"](x, shape=(12,))), ["diagonal", "(12,)"]),
    ],
)
def test_shapes_that_do_not_fit_are_named_with_the_line(make, words):
    with pytest.raises(ShapeError) as caught:
        make(placeholder((3, 4), dt.float32))
    for word in words:
        assert word in str(caught.value)
