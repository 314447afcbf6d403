"""What users pass as data, told apart: arrays, frames, files, folders, generators. Above `sources`, below `fit`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from saltus.base.errors import ArgumentError, DataError, unknown_name
from saltus.data.image_rows import ImageRows
from saltus.data.supply import Batches, Blocks, Rows
from saltus.data.table_files import TableFiles
from saltus.tensor.tensor import Tensor
from saltus.train.sources import Source, source_of


def opened(x: Any, y: Any, target: str | None = None, steps_per_epoch: int | None = None) -> tuple[Any, Any, Source | None]:
    """Data as arrays x and y, or as a source.

    Args:
        x: arrays; a frame with the column `target`; paths of table files with it; a folder of images by class;
            `Rows`, `Blocks` or `Batches`; a generator, iterable or function of batches.
        y: targets of arrays, else None.
        target: column of a frame or file.
        steps_per_epoch: batches of an epoch of a generator.

    Returns:
        (x, y, None) or (None, None, source).

    Raises:
        ArgumentError: arguments that do not go together.
        DataError: files are missing.
    """
    if isinstance(x, Source):
        return None, None, x
    found: Any = None
    if isinstance(x, (Rows, Blocks, Batches)):
        found = x
    elif isinstance(x, (str, os.PathLike)) and Path(x).is_dir():
        found = ImageRows.of_folder(Path(x))
    elif isinstance(x, (str, os.PathLike)) or (_listed(x) and all(isinstance(v, (str, os.PathLike)) for v in x)):
        found = TableFiles(x, target)
        if target is None:
            raise ArgumentError(f"{found.files[0]}: which column is to be predicted?", fix=f"target={found.target!r}, for instance")
    elif y is None and target is None and _gives_batches(x):
        found = Batches(x, steps_per_epoch)
    if found is None:
        if steps_per_epoch is not None:
            raise ArgumentError(
                f"steps_per_epoch is for batches that come one by one, but x is a {type(x).__name__}", fix="leave it out, or pass y=None"
            )
        return (*_parted(x, y, target), None)
    if y is not None:
        raise ArgumentError(f"y is given, but x, a {type(found).__name__}, holds the targets too", fix="leave y out")
    if target is not None and not isinstance(found, TableFiles):
        raise ArgumentError(f"target={target!r} is for tables, but x is a {type(found).__name__}", fix="leave it out")
    return None, None, source_of(found)


def _listed(x: Any) -> bool:
    return isinstance(x, (list, tuple)) and bool(x)


def _gives_batches(x: Any) -> bool:
    """Whether x can be gone through or called for batches."""
    if isinstance(x, (np.ndarray, Tensor, dict, tuple)) or hasattr(x, "columns"):
        return False
    if isinstance(x, Sequence):
        return bool(x) and all(isinstance(batch, tuple) and len(batch) in (2, 3) for batch in x)
    return callable(x) or isinstance(x, Iterable)


def _parted(x: Any, y: Any, target: str | None) -> tuple[Any, Any]:
    """A frame without its target, and the target."""
    if target is None:
        return x, y
    if not hasattr(x, "columns") or y is not None:
        raise ArgumentError(
            f"target={target!r} names a column, but x is a {type(x).__name__}{'' if y is None else ' and y is given'}",
            fix="pass a frame or a file without y, or leave target out",
        )
    columns = [str(name) for name in x.columns]
    if target not in columns:
        raise unknown_name("target column", target, columns)
    if len(columns) < 2:
        raise DataError(f"the frame has one column, {target!r}: there is nothing to predict from", fix="add columns")
    return x[[name for name in columns if name != target]], x[target]
