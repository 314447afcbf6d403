"""From what users pass as x, y and weights to arrays that programs read: no copies where none are needed. A
low file of `train`.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from saltus.base import dtypes as dt
from saltus.base import tree
from saltus.base.errors import ArgumentError, DataError, DTypeError
from saltus.tensor.tensor import Tensor

Array = np.ndarray[Any, Any]


def as_array(value: Any, name: str) -> Any:
    """One array in C order and native byte order; a Tensor stays one.

    Args:
        value: an array, Tensor, frame, or nested lists of numbers.
        name: for messages.

    Raises:
        DTypeError: it holds text or objects; the first such column is named.
        DataError: its rows are not equally long.
    """
    if isinstance(value, Tensor):
        return (value.astype("float32") if value.dtype is dt.bfloat16 else value).realise()
    if type(value) is np.ndarray and value.flags.c_contiguous and value.dtype.kind in "iuf" and value.dtype.isnative:
        return value
    frame = hasattr(value, "columns") and hasattr(value, "to_numpy")
    if isinstance(value, np.ma.MaskedArray):  # what is masked is missing, whatever number lies below
        value = value.astype(np.result_type(value.dtype, np.float32)).filled(np.nan) if np.ma.is_masked(value) else value.data
    try:
        array = value.to_numpy() if frame else np.asarray(value)
    except ValueError as error:
        raise DataError(f"{name} cannot become an array: {error}", fix="make all rows equally long") from None
    if array.dtype.kind == "b":
        array = array.view(np.uint8) if array.flags.c_contiguous else array.astype(np.uint8)
    if array.dtype.kind not in "iuf":
        raise _no_numbers(value if frame else array, name)
    if array.dtype == np.longdouble and array.dtype.itemsize > 8:
        array = array.astype(np.float64)
    return np.ascontiguousarray(array, array.dtype.newbyteorder("=")).reshape(array.shape)


def _no_numbers(value: Any, name: str) -> DTypeError:
    if hasattr(value, "columns"):
        bad = next((c for c in value.columns if np.asarray(value[c]).dtype.kind not in "biuf"), value.columns[0])
        what = f"{name}: the column {bad!r} holds {np.asarray(value[bad]).dtype}, not numbers"
    else:
        flat = value.reshape(-1)
        example = f", such as {flat[0]!r}" if flat.size else ""
        what = f"{name} holds {value.dtype.name}{example}; a network takes numbers"
    fix = (
        "number the classes: classes, y = numpy.unique(y, return_inverse=True)"
        if name.startswith("y")
        else "encode it first; sl.train.fit_table does that for whole tables"
    )
    return DTypeError(what, fix=fix)


def as_tree(value: Any, name: str) -> Any:
    """A tree of arrays: a tuple, a list of arrays or a dict stands for several, anything else is one.

    Args:
        value: what the user passed as x or y.
        name: for messages.
    """
    if isinstance(value, Mapping):
        return {str(k): as_tree(v, f"{name}[{k!r}]") for k, v in value.items()}
    several = isinstance(value, tuple) or (
        isinstance(value, list) and bool(value) and all(isinstance(v, (np.ndarray, Tensor)) and v.ndim for v in value)
    )
    if several and value:
        return tuple(as_tree(v, f"{name}[{i}]") for i, v in enumerate(value))
    return as_array(value, name)


def named(values: Any, name: str) -> list[tuple[str, Any]]:
    """The arrays of a tree with names for messages: x, x[1], x['age']."""
    return [(name + "".join(f"[{p!r}]" for p in path), leaf) for path, leaf in tree.paths(values)]


def rows_of(groups: list[tuple[str, Any]]) -> int:
    """The number of samples, equal in all arrays.

    Raises:
        DataError: there are none, or the arrays are of different length.
    """
    for name, array in groups:
        if not array.shape:
            raise DataError(
                f"{name} is a single number, expected one row a sample", fix="pass an array with the samples along the first axis"
            )
    lengths = {name: array.shape[0] for name, array in groups}
    if len(set(lengths.values())) > 1:
        said = ", ".join(f"{name} has {n:,}" for name, n in lengths.items())
        raise DataError(f"different numbers of samples: {said}", fix="every array needs one row a sample, in the same order")
    count = next(iter(lengths.values()))
    if not count:
        raise DataError(f"{groups[0][0]} has no samples", fix="pass at least one row")
    return int(count)


def need_finite(groups: list[tuple[str, Any]]) -> None:
    """Refuse NaN and infinity, naming the first place.

    Raises:
        DataError: with array, row, column and the number of such values.
    """
    for name, leaf in groups:
        array = leaf._values() if isinstance(leaf, Tensor) else leaf
        if array.dtype.kind != "f" or not array.size:
            continue
        with np.errstate(all="ignore"):
            # a finite sum is quick and proves all; one that is not may have overflowed
            if np.isfinite(np.sum(array, dtype=np.float32 if array.dtype == np.float16 else None)):
                continue
        bad = ~np.isfinite(array)
        if not bad.any():
            continue
        place = np.argwhere(bad)[0].tolist()
        column = "" if array.ndim == 1 else f", column {place[1]}" if array.ndim == 2 else f", place {place[1:]}"
        columns = np.flatnonzero(bad.any(axis=0)).tolist() if array.ndim == 2 else []
        where = f" in the columns {', '.join(map(str, columns[:8]))}{' ...' if len(columns) > 8 else ''}" if columns else ""
        raise DataError(
            f"{name} has {array[tuple(place)]} in row {place[0]}{column} ({int(bad.sum()):,} such values in all{where})",
            fix="drop these rows, or replace the values, for instance by the column's median; sl.train.fit_table does that for tables",
        )


def need_variety(y: list[tuple[str, Any]], rows: int) -> None:
    """Refuse targets that are all the same.

    Raises:
        DataError: there is one value only.
    """
    for name, leaf in y:
        array = leaf._values() if isinstance(leaf, Tensor) else leaf
        single = array.ndim == 1 or (array.ndim == 2 and array.shape[1] == 1)
        if rows > 1 and single and (array == array[:1]).all():
            raise DataError(
                f"{name} is {array.reshape(-1)[0]} in all {rows:,} rows: there is nothing to learn",
                fix="check how the targets were made; training needs at least two different ones",
            )


def sample_weights(weights: Any, rows: int) -> Array:
    """Sample weights (N,) as float32.

    Raises:
        DataError: their number or values cannot be.
    """
    array = np.asarray(as_array(weights, "sample_weight"), np.float32)
    if array.shape != (rows,):
        raise DataError(f"sample_weight has the shape {array.shape}, expected ({rows},)", fix="give one weight a sample")
    if not np.isfinite(array).all() or (array < 0).any():
        row = int(np.flatnonzero(~np.isfinite(array) | (array < 0))[0])
        raise DataError(f"sample_weight of row {row} is {array[row]}", fix="weights are finite numbers from 0 on")
    if not array.any():
        raise DataError("sample_weight is 0 everywhere", fix="give at least one sample a weight")
    return array


def class_weights(given: Any, y: Any, train: Array) -> Array:
    """Weights (N,) of samples by their class.

    Args:
        given: {class: weight}, or "balanced" to give every class the same weight in all.
        y: class numbers (N,), 0/1 targets (N,) or (N, 1), or one-hot targets (N, classes).
        train: the rows by which "balanced" counts.

    Raises:
        ArgumentError: y holds no classes, or a class that is not there has a weight.
    """
    array = y._values() if isinstance(y, Tensor) else y
    if array.ndim == 2:
        array = array.argmax(axis=1) if array.shape[1] > 1 else array[:, 0]
    if array.ndim != 1 or (array.dtype.kind == "f" and (array % 1).any()):
        raise ArgumentError("class_weight needs classes, but y holds other numbers", fix="use sample_weight to weigh samples")
    classes, codes = np.unique(array, return_inverse=True)
    known = [int(c) for c in classes]
    if isinstance(given, str):
        if given != "balanced":
            raise ArgumentError(f"class_weight is {given!r}", fix='use "balanced" or a dict {class: weight}')
        counts = np.bincount(codes[train], minlength=len(classes))
        table = len(train) / (np.maximum(counts, 1) * max(1, int((counts > 0).sum())))
    elif isinstance(given, Mapping):
        wrong = [c for c in given if c not in known]
        if wrong:
            raise ArgumentError(
                f"class_weight names the class {wrong[0]!r}, which y does not have",
                fix=f"its classes are {', '.join(map(str, known[:20]))}",
            )
        table = np.array([given.get(c, 1.0) for c in known])
        if not np.isfinite(table).all() or (table < 0).any():
            raise ArgumentError(f"class_weight holds {table.tolist()}", fix="weights are finite numbers from 0 on")
        if not table.any():
            raise ArgumentError("class_weight is 0 for every class: there is nothing to learn", fix="give at least one class a weight")
    else:
        raise ArgumentError(f"class_weight is a {type(given).__name__}", fix='use "balanced" or a dict {class: weight}')
    return np.ascontiguousarray(table[codes], np.float32)


def filled(value: Any, begin: int, rows: int, full: int) -> Array:
    """Some rows of an array, with rows of zeros behind them.

    Args:
        value: an array or Tensor.
        begin, rows: which.
        full: rows of the result.
    """
    array = value._values() if isinstance(value, Tensor) else value
    piece = array[begin : begin + rows]
    if rows == full:
        return piece
    made = np.zeros((full, *array.shape[1:]), array.dtype)
    made[:rows] = piece
    return made


def gathered(x: Any, y: Any, *, sample_weight: Any = None) -> dict[str, Any]:
    """Inputs, targets and weights as one tree of arrays with equally many rows.

    Raises:
        DataError, DTypeError: they cannot be used, or their lengths differ.
    """
    data: dict[str, Any] = {"x": as_tree(x, "x")}
    groups = named(data["x"], "x")
    if y is None:
        raise ArgumentError(
            "y is missing: there is nothing to compare predictions with", fix="pass the targets; an autoencoder takes fit(x, x)"
        )
    data["y"] = as_tree(y, "y")
    rows = rows_of(groups + named(data["y"], "y"))
    if sample_weight is not None:
        data["weight"] = [sample_weights(sample_weight, rows)] * len(tree.leaves(data["y"]))
    return data


def data_mark(values: Any, samples: int) -> dict[str, Any]:
    """What tells one data set from another: shapes, types, and a check sum over rows spread through it.

    Args:
        values: a tree of arrays, the samples along the first axis.
        samples: their number.
    """
    picked = np.linspace(0, samples - 1, min(samples, 64)).astype(np.int64)
    check, shapes = 0, []
    for path, leaf in tree.paths(values):
        array = leaf._values() if isinstance(leaf, Tensor) else leaf
        check = zlib.crc32(np.ascontiguousarray(array[picked]).tobytes(), check)
        shapes.append(f"{tree.format_path(path)}: {array.dtype.name}{list(array.shape)}")
    return {"arrays": shapes, "check": check}
