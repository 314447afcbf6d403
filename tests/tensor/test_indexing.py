"""Reading and assigning by index follow NumPy; positions outside are refused with axis, index and length."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import saltus as sl
from saltus.base.errors import DTypeError, IndexingError, ShapeError

SHAPES = hnp.array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=5)


@st.composite
def keyed(draw):
    """An array and a key that NumPy takes: whole numbers, slices, None, ... and integer arrays, mixed."""
    shape = draw(SHAPES)
    broadcast = draw(hnp.array_shapes(min_dims=0, max_dims=2, min_side=1, max_side=3))
    entries = []
    for n in shape:
        kind = draw(st.sampled_from("isa"))
        if kind == "i":
            entries.append(draw(st.integers(-n, n - 1)))
        elif kind == "s":
            bound = st.none() | st.integers(-n - 2, n + 2)
            entries.append(slice(draw(bound), draw(bound), draw(st.sampled_from([None, 1, 2, -1, -2]))))
        else:
            entries.append(draw(hnp.arrays(np.int64, broadcast, elements=st.integers(-n, n - 1))))
    if draw(st.booleans()):  # some axes left to `...`, or the last ones left out
        first = draw(st.integers(0, len(entries)))
        last = draw(st.integers(first, len(entries)))
        entries[first:last] = [Ellipsis] if draw(st.booleans()) or last < len(entries) else []
    if draw(st.booleans()):
        entries.insert(draw(st.integers(0, len(entries))), None)
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape), tuple(entries)


def as_tensors(key):
    return tuple(sl.asarray(k) if isinstance(k, np.ndarray) else k for k in key)


@given(keyed())
def test_reading_follows_numpy(case):
    array, key = case
    found = sl.asarray(array)[as_tensors(key)]
    np.testing.assert_array_equal(np.asarray(found), array[key])
    assert found.shape == array[key].shape


@given(keyed(), st.booleans())
def test_assigning_follows_numpy(case, whole):
    array, key = case
    expected = array.copy()
    value = -np.arange(1, expected[key].size + 1, dtype=np.float32).reshape(expected[key].shape) if whole else np.float32(-7)
    expected[key] = value
    x = sl.asarray(array)
    before = x + 0
    x[as_tensors(key)] = value
    np.testing.assert_array_equal(np.asarray(x), expected)
    np.testing.assert_array_equal(np.asarray(before), array)


@given(keyed())
def test_the_gradient_of_reading_counts_how_often_each_element_was_read(case):
    array, key = case
    expected = np.zeros_like(array)
    np.add.at(expected, key, 1)
    gradient = sl.grad(lambda x: x[as_tensors(key)].sum())(sl.asarray(array))
    np.testing.assert_array_equal(np.asarray(gradient), expected)


@given(hnp.arrays(np.bool_, SHAPES), st.data())
def test_masks_follow_numpy(mask, data):
    extra = data.draw(hnp.array_shapes(min_dims=0, max_dims=1, max_side=3)) if data.draw(st.booleans()) else ()
    array = np.arange(np.prod(mask.shape + extra), dtype=np.int64).reshape(mask.shape + extra)
    x = sl.asarray(array)
    np.testing.assert_array_equal(np.asarray(x[sl.asarray(mask)]), array[mask])
    expected = array.copy()
    expected[mask] = -1
    x[mask] = -1
    np.testing.assert_array_equal(np.asarray(x), expected)


def test_a_mask_beside_other_indices():
    array = np.arange(24).reshape(2, 3, 4)
    x = sl.asarray(array)
    mask = np.array([True, False, True])
    np.testing.assert_array_equal(np.asarray(x[:, mask]), array[:, mask])
    np.testing.assert_array_equal(np.asarray(x[0, mask, 1:]), array[0, mask, 1:])
    np.testing.assert_array_equal(np.asarray(x[..., [0, 0], None]), array[..., [0, 0], None])
    assert x[sl.asarray(True)].shape == (1, 2, 3, 4)
    assert x[sl.asarray(False)].shape == (0, 2, 3, 4)


def test_of_repeated_positions_the_last_value_stays():
    x = sl.zeros(3)
    x[[1, 1, 0]] = sl.asarray([1.0, 2.0, 3.0])
    assert x.tolist() == [3, 2, 0]
    place = sl.jit(lambda x, i, v: _assigned(x, i, v))
    assert place(sl.zeros(3), sl.asarray([1, 1, 0]), sl.asarray([1.0, 2.0, 3.0])).tolist() == [3, 2, 0]


def _assigned(x, i, v):
    x[i] = v
    return x


def test_assigning_is_differentiable_by_both_sides():
    def loss(x, v):
        x = x * 1.0
        x[1:] = v * 2
        return (x * sl.asarray([1.0, 10.0, 100.0])).sum()

    by_x, by_v = sl.grad(loss, argnums=(0, 1))(sl.ones(3), sl.ones(2))
    assert by_x.tolist() == [1, 0, 0]
    assert by_v.tolist() == [20, 200]


def test_a_captured_index_reads_and_clamps():
    pick = sl.jit(lambda x, i: x[i])
    x = sl.asarray([10.0, 20.0, 30.0])
    assert float(pick(x, sl.asarray(1))) == 20
    assert float(pick(x, sl.asarray(-1))) == 30
    assert float(pick(x, sl.asarray(7))) == 30


@pytest.mark.parametrize(
    ("key", "words"),
    [
        (3, "index 3 lies outside axis 0 of length 3"),
        (-4, "index -4 lies outside axis 0"),
        ((0, 4), "index 4 lies outside axis 1 of length 4"),
        ([0, 5], "index 5 lies outside axis 0"),
        ((slice(None), np.array([[0], [-9]])), "index -9 lies outside axis 1"),
        ((0, 0, 0), "3 indices for an array with 2 axes"),
        ((Ellipsis, Ellipsis), "one '...'"),
        (slice(0, 2, 0), "step 0"),
        ("a", "not an index"),
        (1.5, "not an index"),
        (np.array([True, False]), "a mask of shape"),
    ],
)
def test_what_lies_outside_is_named(key, words):
    x = sl.zeros((3, 4))
    with pytest.raises(IndexingError, match=words.replace("(", r"\(")) as error:
        x[key]
    assert "test_indexing.py" in str(error.value)
    assert isinstance(error.value, IndexError)


def test_float_arrays_are_no_index():
    with pytest.raises(DTypeError, match="whole numbers"):
        sl.zeros(3)[sl.asarray([0.0])]


def test_values_that_do_not_fit_are_refused():
    x = sl.zeros((2, 3), dtype="int32")
    with pytest.raises(DTypeError, match="real numbers would be cut"):
        x[0] = 1.5
    with pytest.raises(ShapeError, match=r"shape \(2,\)"):
        x[0] = sl.asarray([1, 2])
    assert x.tolist() == [[0, 0, 0], [0, 0, 0]]


def test_take_and_take_along_axis():
    array = np.arange(12.0, dtype=np.float32).reshape(3, 4)
    x = sl.asarray(array)
    np.testing.assert_array_equal(np.asarray(sl.take(x, sl.asarray([[2, -1]]), axis=0)), np.take(array, [[2, -1]], axis=0))
    index = np.array([[0, 3], [1, 1], [-1, 2]])
    np.testing.assert_array_equal(np.asarray(sl.take_along_axis(x, sl.asarray(index), axis=1)), np.take_along_axis(array, index, 1))
    with pytest.raises(IndexingError, match="axis 1"):
        sl.take(x, sl.asarray([4]), axis=1)
