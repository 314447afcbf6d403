"""The folder of a run: the names of its files, and all of them read into one record. The lowest file of `report`; the
command line writes by these names.
"""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from saltus.base.errors import DataError, StorageError
from saltus.data.lazy import LazyModule
from saltus.train import History, kinds
from saltus.train.fitted import Fitted

if TYPE_CHECKING:
    import polars as pl
else:
    pl = LazyModule("polars")

CONFIGURATION, ENVIRONMENT, HISTORY, DATA, MODEL, RESULT = (
    "config.json", "environment.json", "history.jsonl", "data.json", "model.saltus", "result.json",
)  # fmt: skip
CHECKPOINTS = "checkpoints"
FOLDS, TRIALS, STUDY = "folds.json", "trials.json", "study.db"
OUT_OF_FOLD, CURVES = "out_of_fold.parquet", "curves.parquet"
PREDICTIONS, PROFILE, PAGE = "predictions.parquet", "profile.json", "report.html"
RUNS = "runs"  # where runs lie that were given no folder


def write_json(path: Path, value: Any) -> None:
    """Write JSON; the file is replaced whole or not at all."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write text; the file is replaced whole or not at all.

    Raises:
        StorageError: the folder does not exist or is full.
    """
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, content: bytes) -> None:
    """Write bytes; the file is replaced whole or not at all.

    Raises:
        StorageError: the folder does not exist or is full.
    """
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(content)
        os.replace(temporary, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise StorageError(f"cannot write {path}: {error.strerror}", fix="check that the folder exists and has room") from error


def read_json(path: Path) -> Any:
    """Read JSON.

    Raises:
        DataError: the file is missing or damaged.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise DataError(f"{path} is damaged: {error}") from error


def newest(root: str | Path = RUNS) -> Path:
    """The folder of the finished run that ended last.

    Args:
        root: the folder that holds the runs.

    Raises:
        DataError: there is none.
    """
    finished = [file for file in Path(root).glob(f"*/{RESULT}") if file.is_file()]
    if not finished:
        raise DataError(f"there is no finished run in {Path(root)}{os.sep}", fix="name the folder that `saltus fit` printed")
    return max(finished, key=lambda file: (file.stat().st_mtime_ns, file.parent.name)).parent


@dataclass(frozen=True)
class Run:
    """What a finished run left.

    Attributes:
        folder: where it lies.
        config: what was asked: data, kind, target and every setting.
        environment: versions, machine, threads.
        result: figures beside the baseline, epochs, seconds.
        data: what was found in the data and done to them.
        profile: distributions, examples and worst errors; empty for runs of earlier versions.
        predictions: a row a judged sample, or None for runs of earlier versions.
        history: an epoch each.
        model: the trained model.
        folds, trials: of a cross-validation or a search before; empty without.
    """

    folder: Path
    config: dict[str, Any]
    environment: dict[str, Any]
    result: dict[str, Any]
    data: dict[str, Any]
    profile: dict[str, Any]
    predictions: pl.DataFrame | None
    history: History
    model: Fitted
    folds: dict[str, Any] = field(default_factory=dict)
    trials: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: str | Path | None = None) -> Run:
        """Read the folder of a run.

        Args:
            folder: that `saltus fit` left, or a file in it; None takes the newest under runs/.

        Raises:
            DataError: it is none, has not ended, or a file of it is damaged.
            ModelFileError: its model is damaged.
        """
        place = newest() if folder is None else Path(folder)
        place = place.parent if place.is_file() else place
        if not (place / CONFIGURATION).is_file():
            what = f"{place} is not the folder of a run: it has no {CONFIGURATION}"
            raise DataError(what, fix="give the folder that `saltus fit` printed")
        if not (place / RESULT).is_file() or not (place / MODEL).is_file():
            raise DataError(f"the run in {place} has not ended: it has no result yet", fix=f"end it with saltus fit --resume {place}")

        def read(name: str) -> dict[str, Any]:
            return read_json(place / name) if (place / name).is_file() else {}

        model = kinds.load_fitted(place / MODEL)
        history = History.load(place / HISTORY) if (place / HISTORY).is_file() else model.history
        return cls(
            place, read(CONFIGURATION), read(ENVIRONMENT), read(RESULT), read(DATA), read(PROFILE), _predictions(place / PREDICTIONS),
            history, model, read(FOLDS), read(TRIALS),
        )  # fmt: skip


def _predictions(path: Path) -> pl.DataFrame | None:
    if not path.is_file():
        return None
    try:
        return pl.read_parquet(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise DataError(f"{path} is damaged: {error}", fix="remove it: the page is written without what it shows") from error
