"""Checkpoints: where a training stands, in one file that is always whole; above `loop` and `storage`."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from saltus.base.errors import ArgumentError, ModelFileError
from saltus.tensor.tensor import Tensor, of_array
from saltus.train import storage
from saltus.train.loop import Run
from saltus.train.record import History

KIND = "checkpoint"
NAME = "last.safetensors"
_FORMAT = 1

Array = np.ndarray[Any, Any]


@dataclass
class Checkpoints:
    """Writes and reads the checkpoint of a training.

    Args:
        folder: where it lies.
        every: seconds between two writes at least; those at an interruption and at the end come in any case.
        terms: what a training that goes on from it must have in common with this one: name -> plain value.
    """

    folder: Path
    every: float
    terms: dict[str, Any]

    def __post_init__(self) -> None:
        self.terms = json.loads(json.dumps(self.terms))  # as they will be read
        self._last = time.monotonic()

    @property
    def path(self) -> Path:
        return self.folder / NAME

    def due(self) -> bool:
        """Whether it is time to write again."""
        return time.monotonic() - self._last >= self.every

    def save(self, run: Run, state: list[Tensor], totals: list[Tensor], callbacks: list[dict[str, Any]]) -> None:
        """Write where a run stands.

        Args:
            run: the run.
            state, totals: the arrays of the run, as Tensors of their types.
            callbacks: what they want to keep.
        """
        values = {
            "format": _FORMAT,
            "terms": self.terms,
            "epoch": run.epoch,
            "position": run.position,
            "history": run.history.records,
            "stop": run.stop,
            "callbacks": callbacks,
            "state": state,
            "totals": totals,
        }
        storage.write(self.path, KIND, values)
        self._last = time.monotonic()

    def load(self, run: Run) -> list[dict[str, Any]]:
        """Set a run to where the checkpoint stands.

        Returns:
            What the callbacks kept.

        Raises:
            ModelFileError: the file is damaged, or of a later saltus.
            ArgumentError: it belongs to another training; the message says what differs.
        """
        values = storage.read(self.path, KIND)
        if values.get("format") != _FORMAT:
            raise ModelFileError(
                f"{self.path} has the format {values.get('format')!r}, this saltus reads {_FORMAT}",
                fix="use the version of saltus that wrote it, or a later one",
            )
        for name, ours in self.terms.items():
            theirs = values["terms"].get(name)
            if theirs != ours:
                raise ArgumentError(
                    f"{self.path} belongs to another training: its {name} is {_short(theirs)}, now it is {_short(ours)}",
                    fix="use the same data, network and arguments to resume, or another checkpoint folder to begin afresh",
                )
        run.state[:] = _arrays(values["state"], run.state, self.path)
        run.totals[:] = _arrays(values["totals"], run.totals, self.path)
        run.epoch, run.position, run.history = values["epoch"], values["position"], History(values["history"])
        run.stop = values["stop"]  # a training that had ended by itself does not go on
        return values["callbacks"]  # type: ignore[no-any-return]


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 120 else text[:117] + "..."


def _arrays(values: list[Tensor], expected: list[Array], path: Path) -> list[Array]:
    found = [v._values() for v in values]
    if [(a.shape, a.dtype) for a in found] != [(a.shape, a.dtype) for a in expected]:
        raise ModelFileError(f"{path} holds arrays of other shapes than this training has", fix="use another checkpoint folder")
    return found


def as_tensors(arrays: list[Array], shapes: list[Tensor]) -> list[Tensor]:
    """Arrays as Tensors of the types of `shapes`, without copying."""
    return [of_array(a, s.dtype) for a, s in zip(arrays, shapes, strict=True)]
