"""What a Tensor is to its user: made from data, shown, handed to other libraries, copied, pickled."""

import copy
import pickle

import numpy as np
import pytest

import saltus as sl
from saltus.base.errors import ArgumentError, DTypeError, ShapeError, TracingError


class TestMaking:
    @pytest.mark.parametrize(
        ("data", "dtype"),
        [(1.5, "float32"), (3, "int64"), (True, "bool"), (1j, "complex64"), ([1, 2.5], "float32"), ([[1], [2]], "int64"), ([], "float32")],
    )
    def test_python_data_get_the_default_types(self, data, dtype):
        assert sl.asarray(data).dtype == dtype

    @pytest.mark.parametrize("dtype", ["int8", "uint16", "float16", "float64", "complex128", "bool"])
    def test_numpy_arrays_keep_their_type(self, dtype):
        array = np.ones((2, 3), dtype)
        made = sl.asarray(array)
        assert made.dtype == dtype
        np.testing.assert_array_equal(np.asarray(made), array)

    def test_values_survive_a_type_wider_than_the_default(self):
        assert sl.asarray(16777217.0, dtype="float64").item() == 16777217.0
        assert sl.asarray([0.1], dtype="float64").tolist() == [0.1]

    def test_a_list_of_typed_things_keeps_their_type(self):
        assert sl.asarray([sl.asarray(1.0), 2.0]).dtype == sl.float32
        assert sl.asarray([np.float64(1.0), np.float64(2.0)]).dtype == sl.float64

    def test_other_byte_orders_and_memory_orders_are_understood(self):
        array = np.asfortranarray(np.arange(6, dtype=">i4").reshape(2, 3))
        np.testing.assert_array_equal(np.asarray(sl.asarray(array)), array)

    def test_bfloat16_rounds_to_nearest_even(self):
        x = sl.asarray([1.0, 1.00390625, 1.01171875, float("inf")], dtype="bfloat16")
        assert x.astype("float32").tolist() == [1.0, 1.0, 1.015625, float("inf")]
        assert x.nbytes == 8

    def test_ragged_rows_are_refused(self):
        with pytest.raises(ShapeError, match="different length"):
            sl.asarray([[1.0, 2.0], [3.0]])

    @pytest.mark.parametrize("data", ["text", ["a", "b"], np.array(["a"]), {"a": 1}, object()])
    def test_what_holds_no_numbers_is_refused(self, data):
        with pytest.raises(DTypeError):
            sl.asarray(data)

    def test_numbers_that_do_not_fit_are_refused(self):
        with pytest.raises(ArgumentError, match="int8"):
            sl.asarray([300], dtype="int8")
        with pytest.raises(DTypeError, match="64 bits"):
            sl.asarray(2**70)

    def test_complex_does_not_lose_its_imaginary_part_silently(self):
        with pytest.raises(DTypeError, match="which part"):
            sl.asarray(1j).astype("float32")

    def test_an_unknown_device_is_refused(self):
        with pytest.raises(ArgumentError, match="cpu"):
            sl.zeros(2, device="gpu")


class TestMemory:
    def test_changing_the_source_afterwards_changes_nothing(self):
        source = np.ones(3, np.float32)
        x = sl.asarray(source)
        y = x + 1
        source[:] = 7
        assert x.tolist() == [1, 1, 1]
        assert y.tolist() == [2, 2, 2]

    def test_copy_false_shares_memory(self):
        source = np.ones(1000, np.float32)
        assert np.shares_memory(np.asarray(sl.asarray(source, copy=False)), source)

    def test_copy_false_fails_where_a_copy_is_needed(self):
        for data, dtype in (([1.0], None), (np.ones(3), "float32"), (np.ones((3, 3)).T[:2], None)):
            with pytest.raises(ArgumentError, match="copy=False"):
                sl.asarray(data, dtype=dtype, copy=False)

    def test_arrays_handed_out_share_memory_and_cannot_be_written(self):
        x = sl.arange(5)
        view = np.asarray(x)
        assert np.shares_memory(view, x.numpy())
        with pytest.raises(ValueError, match="read-only"):
            view[0] = 9
        with pytest.raises(ValueError, match="WRITEABLE"):
            view.flags.writeable = True

    def test_numpy_array_copies_when_asked(self):
        x = sl.arange(3)
        own = np.array(x)
        own[0] = 9
        assert x.tolist() == [0, 1, 2]
        assert not np.shares_memory(own, np.asarray(x))

    def test_dlpack_goes_both_ways_without_a_copy(self):
        source = np.arange(4.0)
        x = sl.from_dlpack(source)
        assert np.shares_memory(np.asarray(x), source)
        back = np.from_dlpack(x)
        assert np.shares_memory(back, source)
        assert x.__dlpack_device__() == (1, 0)

    def test_dlpack_keeps_results_from_being_written(self):
        back = np.from_dlpack(sl.arange(4.0) + 1)
        with pytest.raises(ValueError, match="read-only"):
            back[0] = 1

    def test_bfloat16_leaves_by_dlpack_only_after_conversion(self):
        x = sl.ones(2, dtype="bfloat16")
        with pytest.raises(BufferError, match="float32"):
            np.from_dlpack(x)
        assert np.asarray(x).dtype == np.float32
        assert np.from_dlpack(x.astype("float32")).tolist() == [1, 1]

    def test_numpy_operators_and_functions_meet_tensors(self):
        left = np.ones(3, np.float32) * sl.asarray([1.0, 2.0, 3.0])
        assert isinstance(left, sl.Tensor)
        assert left.tolist() == [1, 2, 3]
        assert isinstance(np.exp(sl.zeros(2)), np.ndarray)


class TestShowing:
    def test_repr_has_values_shape_and_type(self):
        assert repr(sl.asarray([[1, 2]])) == "Tensor([[1, 2]], shape=(1, 2), dtype=int64)"

    def test_repr_inside_a_capture_says_that_there_is_no_value(self):
        seen = []
        sl.jit(lambda x: seen.append(repr(x + 1)) or x)(sl.zeros(3))
        assert seen == ["Tensor(shape=(3,), dtype=float32, no value while captured)"]

    def test_describe_names_rank_and_range(self):
        text = sl.asarray([[1.0, float("nan")], [3.0, float("inf")]]).describe()
        assert "a matrix (rank 2) of 2 x 2 = 4 float32 elements, 16 bytes" in text
        assert "from 1 to 3" in text
        assert "1 NaN, 1 infinity" in text

    @pytest.mark.parametrize("dtype", ["bool", "int32", "complex64", "float16", "bfloat16"])
    def test_describe_takes_every_type(self, dtype):
        assert dtype in sl.ones((2, 2, 2), dtype=dtype).describe()
        assert "no values" in sl.ones((0,), dtype=dtype).describe()

    def test_format_of_a_single_number(self):
        assert f"{sl.asarray(1.23456):.2f}" == "1.23"
        assert f"{sl.arange(2)}" == "Tensor([0, 1], shape=(2,), dtype=int64)"

    def test_attributes(self):
        x = sl.zeros((2, 3, 4), dtype="float64")
        assert (x.shape, x.ndim, x.rank, x.size, x.nbytes, x.device) == ((2, 3, 4), 3, 3, 24, 192, "cpu")
        assert x.mT.shape == (2, 4, 3)
        assert x[0].T.shape == (4, 3)
        assert len(x) == 2
        with pytest.raises(ArgumentError, match="mT"):
            _ = x.T


class TestSingleNumbers:
    def test_conversions(self):
        assert float(sl.asarray(2.5)) == 2.5
        assert int(sl.asarray(3)) == 3
        assert complex(sl.asarray(1j)) == 1j
        assert bool(sl.asarray(0.0)) is False
        assert [10, 20, 30][sl.asarray(1)] == 20
        assert sl.ones((1, 1)).item() == 1.0
        assert sl.asarray(1.0, dtype="bfloat16").item() == 1.0

    def test_a_float_is_no_index(self):
        with pytest.raises(DTypeError, match="index"):
            _ = [1, 2][sl.asarray(1.0)]

    def test_a_complex_number_is_not_a_float(self):
        with pytest.raises(DTypeError, match="real"):
            float(sl.asarray(1j))

    def test_several_elements_are_no_truth_value(self):
        with pytest.raises(ShapeError, match=r"sl\.any\(x\) or sl\.all\(x\)"):
            bool(sl.ones(2))
        with pytest.raises(ShapeError, match=r"shape \(2,\)"):
            sl.ones(2).item()

    def test_a_scalar_has_no_length(self):
        with pytest.raises(ShapeError):
            len(sl.asarray(1.0))
        with pytest.raises(ShapeError):
            iter(sl.asarray(1.0))


class TestCopies:
    @pytest.mark.parametrize("dtype", ["float32", "bfloat16", "bool", "complex64"])
    def test_pickle_and_copy_keep_everything(self, dtype):
        x = sl.ones((2, 3), dtype=dtype) if dtype == "bool" else sl.ones((2, 3), dtype=dtype) * 2
        for twin in (pickle.loads(pickle.dumps(x)), copy.copy(x), copy.deepcopy(x)):
            assert twin.dtype == x.dtype
            np.testing.assert_array_equal(np.asarray(twin), np.asarray(x))

    def test_a_copy_does_not_follow_an_assignment(self):
        x = sl.zeros(3)
        y, z = copy.copy(x), sl.asarray(x, copy=True)
        x[0] = 1
        assert (x.tolist(), y.tolist(), z.tolist()) == ([1, 0, 0], [0, 0, 0], [0, 0, 0])

    def test_iteration_and_membership(self):
        assert [float(row.sum()) for row in sl.asarray([[1.0, 2.0], [3.0, 4.0]])] == [3.0, 7.0]
        assert 2 in sl.arange(3)
        assert 5 not in sl.arange(3)

    def test_tensors_are_not_hashable(self):
        with pytest.raises(TypeError, match="unhashable"):
            hash(sl.zeros(2))


def test_functions_of_numpy_take_tensors():
    x, y = sl.asarray([[1.0, 2.0], [3.0, 4.0]]), sl.asarray([[5.0, 6.0]])
    assert np.mean(x) == 2.5 and np.sum(x, axis=0).tolist() == [4.0, 6.0]
    np.testing.assert_array_equal(np.concatenate([x, y]), [[1, 2], [3, 4], [5, 6]])
    np.testing.assert_array_equal(np.where(x > 2, x, 0), [[0, 0], [3, 4]])
    assert sl.jit(lambda v: v * np.ndim(v) + np.shape(v)[0])(y).tolist() == [[11.0, 13.0]]
    with pytest.raises(TracingError, match="value"):
        sl.jit(lambda v: np.mean(v))(x)
