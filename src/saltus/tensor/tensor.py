"""`Tensor`: an array that may not have been computed yet.

A Tensor is immutable to everyone but the variable that holds it: `x[key] = value` makes this Tensor stand for a new array, and no other
Tensor changes. Memory rule: arrays handed out by `numpy()`, `__array__` and DLPack are the Tensor's own memory, not a copy, and are
marked read-only; arrays taken in by `asarray` are copied unless `copy=False` says that they are lent.
Operators and methods are the functions of the namespace, attached by `methods.py`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from saltus.base import dtypes as dt
from saltus.base import tree
from saltus.base.dtypes import DType
from saltus.base.elsewhere import missing
from saltus.base.errors import ArgumentError, DTypeError, ShapeError, TracingError
from saltus.ir.node import Node
from saltus.ir.spec import Shape
from saltus.tensor.storage import Array, compute, leaf, named, storage
from saltus.tensor.tracing import captures, here, value_needed


class _Shared:
    """Memory handed to NumPy read-only. The array made of it keeps this object, and so the Tensor's own array, alive: whoever
    asks how many look at that array (donation does) sees it, as he would not see a view of it.
    """

    __slots__ = ("__array_interface__", "array")

    def __init__(self, array: Array) -> None:
        self.array = array
        interface = array.__array_interface__
        self.__array_interface__ = interface | {"data": (interface["data"][0], True)}


class Tensor:
    """An n-dimensional array of one element type, computed when its values are looked at.

    Args:
        data: numbers, nested lists, a NumPy array or a Tensor.
        dtype: element type; None takes that of the data (Python floats become float32, whole numbers int64).

    Example:
        >>> import saltus as sl
        >>> x = sl.Tensor([[1.0, 2.0], [3.0, 4.0]])
        >>> (x * 10).sum(axis=0)
        Tensor([40., 60.], shape=(2,), dtype=float32)
    """

    # _array: its memory, when computed. _node: its place in the graph, when it has one. At least one of the two is there,
    # except in a Tensor whose memory was donated. _weak: a Python number seen by sl.jit, which takes the type of what it
    # meets. _form: (shape, type name), one object for all Tensors alike, once sl.jit has seen this one computed.
    __slots__ = ("__weakref__", "_array", "_dtype", "_form", "_node", "_weak")
    __array_priority__ = 1000  # NumPy's operators leave mixed expressions to ours
    __hash__ = None  # type: ignore[assignment]
    _array: Array | None
    _dtype: DType
    _form: tuple[Shape, str] | None
    _node: Node | None
    _weak: bool

    def __init__(self, data: Any, dtype: Any = None) -> None:
        self._array, self._dtype = to_array(data, dtype)
        self._node, self._weak, self._form = None, False, None

    def __getattr__(self, name: str) -> Any:
        raise missing("Tensor", name)

    # -- what it is ------------------------------------------------------------------------------------------------

    @property
    def shape(self) -> Shape:
        """Length of each axis."""
        if self._array is not None:
            return self._array.shape
        return self.node.shape

    @property
    def dtype(self) -> DType:
        """Element type."""
        return self._dtype

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def rank(self) -> int:
        """Number of axes: 0 a scalar, 1 a vector, 2 a matrix."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes the elements take."""
        return self.size * self._dtype.itemsize

    @property
    def device(self) -> str:
        """Where the elements live: "cpu"."""
        return "cpu"

    @property
    def node(self) -> Node:
        """Its place in the graph (for code that builds graphs)."""
        node = self._node
        if node is None:
            if self._array is None:
                raise ArgumentError(
                    "this Tensor's memory was given away: it was passed to a function made with sl.jit(..., donate=...)",
                    site=here(),
                    fix="use what the function returned instead",
                )
            node = self._node = leaf(self._array, self._dtype)
        return node

    # -- its values ------------------------------------------------------------------------------------------------

    def realise(self) -> Tensor:
        """Compute the values now, and return this Tensor.

        Raises:
            TracingError: a function is being captured and the values do not exist.
        """
        if self._array is None:
            compute([self.node])
            if self._array is None:
                self._settle(self.node, storage.get(self.node))  # type: ignore[arg-type]
        return self

    def _settle(self, node: Node, array: Array) -> None:
        """Take the computed values, and forget the graph that gave them unless a capture needs it."""
        if self._node is node:
            self._array = array
            if not captures.open:
                self._node = None

    def _values(self) -> Array:
        """Its own memory, in the form engines use."""
        if captures.open and self._node is not None:
            captures.open[-1].looked.append(here())
        if self._array is None:
            self.realise()
        return self._array  # type: ignore[return-value]

    def numpy(self) -> Array:
        """The values as a read-only NumPy array that shares this Tensor's memory (bfloat16: a float32 copy).

        Example:
            >>> import saltus as sl
            >>> sl.arange(3).numpy()
            array([0, 1, 2])
        """
        array = self._values()
        if self._dtype is dt.bfloat16:
            return dt.from_bfloat16(array)
        return np.asarray(_Shared(array))

    def item(self) -> bool | int | float | complex:
        """The value of a Tensor with one element as a Python number.

        Raises:
            ShapeError: it has more or fewer elements.
        """
        array = self.numpy()
        if array.size != 1:
            raise ShapeError(
                f"only a Tensor with one element is a number; this one has shape {self.shape}",
                site=here(),
                fix="reduce it first (x.sum(), x.mean()), or pick one element (x[0])",
            )
        return array.item()  # type: ignore[no-any-return]

    def tolist(self) -> Any:
        """The values as nested Python lists."""
        return self.numpy().tolist()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        array = self.numpy()
        if dtype is not None and np.dtype(dtype) != array.dtype:
            if copy is False:
                raise ArgumentError(f"a {self._dtype.name} Tensor cannot become {np.dtype(dtype)} without a copy")
            return array.astype(dtype)
        if copy is False and self._dtype is dt.bfloat16:
            raise ArgumentError("NumPy has no bfloat16, so its values cannot be shared without a copy")
        return array.copy() if copy else array

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        """NumPy's functions take the array a Tensor holds, and give arrays: np.mean(x), np.concatenate([x, y])."""
        if function in (np.shape, np.ndim) and args and isinstance(args[0], Tensor):
            return getattr(args[0], function.__name__)  # known without the values
        given = tree.map(lambda v: v.numpy() if isinstance(v, Tensor) else v, (tuple(args), dict(kwargs)))
        return function(*given[0], **given[1])

    def __dlpack__(
        self,
        *,
        stream: Any = None,
        max_version: tuple[int, int] | None = None,
        dl_device: Any = None,
        copy: bool | None = None,
    ) -> Any:
        if self._dtype is dt.bfloat16:
            raise BufferError("bfloat16 cannot be handed over by DLPack; convert it: x.astype('float32')")
        if stream is not None:
            raise ArgumentError(f"a CPU Tensor has no stream, got stream={stream!r}")
        if dl_device not in (None, (1, 0)):
            raise BufferError(f"this Tensor lives on the CPU, device (1, 0); it cannot be handed to device {dl_device}")
        array = self._values()
        if copy:
            return array.copy().__dlpack__(max_version=max_version)
        if max_version is not None and max_version[0] >= 1:  # this version of the protocol can say "read-only"
            array = self.numpy()
        return array.__dlpack__(max_version=max_version)

    def __dlpack_device__(self) -> tuple[int, int]:
        return (1, 0)

    def __bool__(self) -> bool:
        return bool(self._single("a truth value"))

    def __float__(self) -> float:
        if self._dtype.kind == "c":
            raise DTypeError("a complex Tensor is not a real number", fix="take sl.real(x) or sl.abs(x)")
        return float(self._single("a float"))

    def __int__(self) -> int:
        if self._dtype.kind == "c":
            raise DTypeError("a complex Tensor is not a real number", fix="take sl.real(x) or sl.abs(x)")
        return int(self._single("an int"))

    def __complex__(self) -> complex:
        return complex(self._single("a complex number"))

    def __index__(self) -> int:
        if not self._dtype.is_integer:
            raise DTypeError(f"only an integer Tensor can be an index or a length; this one is {self._dtype.name}")
        return int(self._single("an index"))

    def _single(self, what: str) -> Any:
        if self.shape != ():
            fix = "use sl.any(x) or sl.all(x)" if what == "a truth value" else "pick or reduce to one element: x[0], x.sum()"
            raise ShapeError(f"a Tensor of shape {self.shape} is not {what}; only shape () is", site=here(), fix=fix)
        array = self._values()
        return dt.from_bfloat16(array)[()] if self._dtype is dt.bfloat16 else array[()]

    # -- Python's protocols ----------------------------------------------------------------------------------------

    def __len__(self) -> int:
        if not self.shape:
            raise ShapeError("a Tensor of shape () has no length", site=here())
        return self.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        if not self.shape:
            raise ShapeError("cannot go through a Tensor of shape ()", site=here())
        return (self[i] for i in range(self.shape[0]))  # type: ignore[index]

    def __contains__(self, value: Any) -> bool:
        return bool((self.numpy() == np.asarray(value)).any())

    def __copy__(self) -> Tensor:
        return of_array(self._array, self._dtype) if self._array is not None else of_node(self.node)

    def __deepcopy__(self, memo: Any) -> Tensor:
        return of_array(self._values(), self._dtype)  # never written to, so it may be shared

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (self._values(), self._dtype)

    def __repr__(self) -> str:
        if self._array is None and self._node is None:
            return "Tensor(memory donated)"
        tail = f"shape={self.shape}, dtype={self._dtype.name}"
        try:
            array = self.numpy()
        except TracingError:
            return f"Tensor({tail}, no value while captured)"
        return f"Tensor({np.array2string(array, separator=', ', prefix='Tensor(')}, {tail})"

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec and self.shape == () else str(self)

    def describe(self) -> str:
        """What this Tensor is, in words: rank, axes, element type, memory, and the range of its values.

        Example:
            >>> import saltus as sl
            >>> print(sl.asarray([[1.0, 2.0, 6.0]]).describe())
            a matrix (rank 2) of 1 x 3 = 3 float32 elements, 12 bytes
            values from 1 to 6, mean 3, spread 2.16, no NaN, no infinity
        """
        names = {0: "a scalar", 1: "a vector", 2: "a matrix"}
        kind = names.get(self.rank, f"a {self.rank}-dimensional array")
        lengths = " x ".join(map(str, self.shape))
        count = f"{lengths} = {self.size}" if self.rank > 1 else lengths or "1"
        words = "element" if self.size == 1 else "elements"
        first = f"{kind} (rank {self.rank}) of {count} {self._dtype.name} {words}, {self.nbytes:,} bytes"
        try:
            array = self.numpy()
        except TracingError:
            return f"{first}\nno value: it stands for one while a function is captured"
        if not array.size:
            return f"{first}\nno values"
        if self._dtype.kind == "b":
            return f"{first}\n{int(array.sum())} of {array.size} are True"
        if self._dtype.kind == "c":
            return f"{first}\nmagnitudes from {np.abs(array).min():.4g} to {np.abs(array).max():.4g}"
        if self._dtype.kind in "iu":
            return f"{first}\nvalues from {array.min()} to {array.max()}, mean {array.mean():.4g}"
        finite = array[np.isfinite(array)].astype(np.float64)
        wrong = [f"{n} {w}" if n else f"no {w}" for w, n in (("NaN", np.isnan(array).sum()), ("infinity", np.isinf(array).sum()))]
        spread = (
            f"values from {finite.min():.4g} to {finite.max():.4g}, mean {finite.mean():.4g}, spread {finite.std():.3g}"
            if finite.size
            else "no finite value"
        )
        return f"{first}\n{spread}, {', '.join(wrong)}"


def of_node(node: Node) -> Tensor:
    """The Tensor of a node."""
    made = Tensor.__new__(Tensor)
    made._node, made._array, made._dtype = node, storage.get(node), node.dtype
    made._weak, made._form = False, None
    if not captures.open:
        if made._array is None:
            named[node] = made
        else:
            made._node = None
    return made


def of_array(array: Array, dtype: DType) -> Tensor:
    """The Tensor of an array in an engine's form: C order, carrier type, never written to again."""
    made = Tensor.__new__(Tensor)
    made._array, made._dtype, made._node, made._weak, made._form = array, dtype, None, False, None
    return made


def _restore(array: Array, dtype: DType) -> Tensor:
    return of_array(array, dtype)


def realise(tensors: list[Tensor]) -> None:
    """Compute several Tensors as one program."""
    lazy = [t for t in tensors if t._array is None]
    if lazy:
        for tensor, array in zip(lazy, compute([t.node for t in lazy]), strict=True):
            if tensor._array is None:
                tensor._settle(tensor.node, array)


def to_array(data: Any, dtype: Any = None, copy: bool | None = None) -> tuple[Array, DType]:
    """An engine's array for what a user gave, and its type.

    Args:
        data: numbers, nested sequences, arrays or Tensors.
        dtype: element type or None.
        copy: False refuses to copy; None copies arrays that their owner could still change.
    """
    wanted = None if dtype is None else dt.as_dtype(dtype)
    if isinstance(data, Tensor):
        array, given, default = data._values(), data._dtype, data._dtype
    elif isinstance(data, (np.ndarray, np.generic)) or _has_memory(data):
        array = _plain_array(data)
        given = default = dt.as_dtype(array.dtype)
    else:
        if copy is False:
            raise ArgumentError(
                f"a {type(data).__name__} has no memory to share: copy=False is impossible",
                site=here(), fix="leave copy out",
            )  # fmt: skip
        array, default = _from_python(data, wanted)
        given = dt.as_dtype(array.dtype)
        if array.dtype == (wanted or default).numpy and wanted is not dt.bfloat16:
            return np.asarray(array, order="C"), wanted or default  # nobody else holds it
    final = wanted or default
    made = convert_array(array, given, final)
    made = np.ascontiguousarray(made, dtype=final.numpy).reshape(made.shape)
    shared = made is array or np.may_share_memory(made, array) or not made.size
    if copy is False and not shared:
        raise ArgumentError(
            "copy=False, but another element type or memory order needs a copy",
            site=here(),
            fix="leave copy out",
        )
    if not shared or isinstance(data, Tensor):
        return made.copy() if copy else made, final
    if copy is not False:
        return made.copy(), final
    lent = made.view()
    lent.flags.writeable = False  # it is not ours to write into, so it is never donated
    return lent, final


def _has_memory(data: Any) -> bool:
    return isinstance(data, (bytes, bytearray, memoryview)) or any(
        hasattr(data, name) for name in ("__array_interface__", "__array__", "__buffer__")
    )


def _plain_array(data: Any) -> Array:
    """A NumPy array of a type known here, in this machine's byte order."""
    array = np.asarray(data)
    if array.dtype.kind not in "biufc":
        raise DTypeError(
            f"an array of {array.dtype} has no numbers to compute with", site=here(),
            fix="convert or encode it first (text and objects: as class numbers)",
        )  # fmt: skip
    if array.dtype.kind in "fc" and array.dtype.itemsize > (8 if array.dtype.kind == "f" else 16):
        return array.astype(np.float64 if array.dtype.kind == "f" else np.complex128)
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def convert_array(array: Array, given: DType, wanted: DType) -> Array:
    """An array in another type's memory form."""
    if given is wanted:
        return array
    plain = dt.from_bfloat16(array) if given is dt.bfloat16 else array
    if wanted is dt.bfloat16:
        return dt.to_bfloat16(plain.astype(np.float32))
    if plain.dtype.kind == "c" and wanted.kind != "c":
        raise DTypeError(
            f"{given.name} does not become {wanted.name} by itself", site=here(),
            fix="say which part: sl.real(x), sl.imag(x) or sl.abs(x)",
        )  # fmt: skip
    with np.errstate(over="ignore", invalid="ignore"):
        return plain.astype(wanted.numpy)


_DEFAULTS = {"f": dt.float32, "c": dt.complex64, "i": dt.int64, "u": dt.uint64, "b": dt.bool_}


def _from_python(data: Any, wanted: DType | None) -> tuple[Array, DType]:
    """Numbers and nested sequences as NumPy reads them, and the type they get when none is asked for.

    Python floats become float32 and Python ints int64, unless something in there has a type of its own.
    """
    typed: list[DType] = []

    def plain(value: Any) -> Any:
        if isinstance(value, (list, tuple, range)):
            return [plain(v) for v in value]
        if isinstance(value, Tensor):
            typed.append(value.dtype)
            try:
                return value.numpy()
            except TracingError as error:
                error.fix = "join Tensors with sl.stack([...]) or sl.concat([...])"
                raise
        if isinstance(value, (np.ndarray, np.generic)):
            typed.append(dt.as_dtype(value.dtype))
        return value

    spelled = plain(data)
    try:
        array = np.asarray(spelled)
    except ValueError as error:
        raise ShapeError(
            f"rows of different length cannot become a Tensor ({error})", site=here(),
            fix="make all rows equally long, e.g. by padding them",
        ) from None  # fmt: skip
    if array.dtype.kind not in "biufc":
        large = array.dtype.kind == "O" and isinstance(data, int)
        raise DTypeError(
            f"{data} does not fit 64 bits" if large
            else f"cannot make a Tensor from {type(data).__name__} with elements of {array.dtype}",
            site=here(), fix="give numbers, bools, or arrays of them",
        )  # fmt: skip
    default = _DEFAULTS[array.dtype.kind]
    for i, dtype in enumerate(typed):
        default = dtype if i == 0 else dt.promote(default, dtype)
    if wanted is not None and wanted.is_integer and array.dtype.kind in "iu" and array.size:
        limits = np.iinfo(wanted.numpy)
        if int(array.min()) < limits.min or int(array.max()) > limits.max:
            raise ArgumentError(f"values from {array.min()} to {array.max()} do not fit {wanted.name}", site=here())
    return array, default


__all__ = ["Tensor", "convert_array", "of_array", "of_node", "realise", "to_array", "value_needed"]
