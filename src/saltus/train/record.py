"""The record of a training: one plain dict an epoch; a low file of `train`."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from saltus.base.errors import ArgumentError, DataError, StorageError, unknown_name
from saltus.data.lazy import LazyModule

if TYPE_CHECKING:
    import polars as pl
else:
    pl = LazyModule("polars")


class History:
    """What happened, epoch by epoch.

    Attributes:
        records: one dict an epoch: "epoch" (counted from 1), "loss", each metric, "val_loss", ...,
            "learning_rate", "seconds".
        stopped: why the training ended before its last epoch, or "".

    Example:
        >>> run = History([{"epoch": 1, "loss": 0.7, "val_loss": 0.8}, {"epoch": 2, "loss": 0.5, "val_loss": 0.6}])
        >>> run["val_loss"], run.best("val_loss")["epoch"]
        ([0.8, 0.6], 2)
    """

    def __init__(self, records: Iterable[dict[str, Any]] = (), stopped: str = "") -> None:
        self.records: list[dict[str, Any]] = [dict(r) for r in records]
        self.stopped = stopped

    def append(self, record: dict[str, Any]) -> None:
        """Add the record of an epoch."""
        self.records.append(dict(record))

    @property
    def epoch(self) -> list[int]:
        """Numbers of the epochs, from 1."""
        return [r["epoch"] for r in self.records]

    @property
    def names(self) -> list[str]:
        """What was recorded, in the order in which it first came."""
        return list(dict.fromkeys(name for r in self.records for name in r if name != "epoch"))

    @property
    def history(self) -> dict[str, list[Any]]:
        """name -> one value an epoch, as Keras has it."""
        return {name: self[name] for name in self.names}

    def __getitem__(self, name: str) -> list[Any]:
        """The values of one name, an epoch each.

        Raises:
            UnknownNameError: nothing of that name was recorded.
        """
        if name not in self.names and name != "epoch":
            raise unknown_name("record", name, self.names)
        return [r.get(name, math.nan) for r in self.records]

    def best(self, monitor: str = "val_loss", mode: str = "auto") -> dict[str, Any]:
        """The record of the best epoch.

        Args:
            monitor: the name to judge by.
            mode: "min", "max", or "auto" to go by the name.

        Raises:
            UnknownNameError: nothing of that name was recorded.
        """
        values = self[monitor]
        if not values:
            raise ArgumentError("no epoch has been recorded yet", fix="call fit first")
        sign = 1.0 if grows(monitor, mode) else -1.0
        return self.records[max(range(len(values)), key=lambda i: (-math.inf if math.isnan(values[i]) else sign * values[i], -i))]

    def __len__(self) -> int:
        return len(self.records)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.records)

    def __repr__(self) -> str:
        last = ", ".join(f"{k}={v:.4g}" for k, v in self.records[-1].items() if isinstance(v, float)) if self.records else "nothing yet"
        ended = f", stopped: {self.stopped}" if self.stopped else ""
        return f"History of {len(self)} epoch{'s' * (len(self) != 1)} ({last}{ended})"

    def save(self, path: str | Path) -> None:
        """Write one line of JSON an epoch.

        Raises:
            StorageError: the file cannot be written.
        """
        try:
            Path(path).write_text("".join(json.dumps(r) + "\n" for r in self.records), encoding="utf-8")
        except OSError as error:
            raise StorageError(f"{path} cannot be written: {error.strerror or error}", fix="choose another place") from error

    def to_frame(self) -> pl.DataFrame:
        """A row an epoch, as a Polars frame; what an epoch has not is null."""
        names = ["epoch", *self.names]
        return pl.DataFrame({name: pl.Series([r.get(name) for r in self.records], strict=False) for name in names})

    def to_parquet(self, path: str | Path) -> None:
        """Write a row an epoch.

        Args:
            path: the file.

        Raises:
            StorageError: it cannot be written.
        """
        try:
            self.to_frame().write_parquet(path)
        except OSError as error:
            raise StorageError(f"{path} cannot be written: {error.strerror or error}", fix="choose another place") from error

    @classmethod
    def load(cls, path: str | Path) -> History:
        """The history that `save` wrote.

        Raises:
            StorageError: the file cannot be read.
            DataError: a line of it is not a record.
        """
        try:
            lines = Path(path).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise StorageError(f"{path} cannot be read: {error}", fix="check the name of the file") from error
        records = []
        for number, line in enumerate(lines, 1):
            try:
                records.append(dict(json.loads(line)))
            except (ValueError, TypeError) as error:
                raise DataError(f"{path}, line {number} is not the record of an epoch: {line[:60]!r}") from error
        return cls(records)


_GROWING = (
    "acc", "auc", "precision", "recall", "f1", "fbeta", "r2", "cosine", "iou", "correlation", "positives", "negatives", "matthews", "mcc",
    "kappa", "psnr", "ssim", "peak_signal", "structural_similarity", "bleu", "rouge",
)  # fmt: skip


def grows(monitor: str, mode: str = "auto") -> bool:
    """Whether larger values of a monitored name are better.

    Args:
        monitor: such as "val_loss".
        mode: "min", "max", or "auto" to go by the name.

    Raises:
        UnknownNameError: another mode.
    """
    if mode not in ("auto", "min", "max"):
        raise unknown_name("mode", mode, ("auto", "min", "max"))
    if mode != "auto":
        return mode == "max"
    name = monitor.removeprefix("val_").lower()
    return "loss" not in name and "false" not in name and any(part in name for part in _GROWING)
