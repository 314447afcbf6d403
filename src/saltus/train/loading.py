"""`sl.load`: a model file opened as what was saved in it. Above `kinds`, the last of `train` that opens files."""

from __future__ import annotations

from pathlib import Path

from saltus.train import kinds, model
from saltus.train.fitted import Fitted
from saltus.train.model import Model


def load(path: str | Path) -> Model | Fitted:
    """What was saved: a Model, or the TabularModel, ImageModel, TextModel or SeriesModel that `saltus fit` leaves.

    Args:
        path: the file, or the folder of a run.

    Raises:
        StorageError: there is no such file.
        ModelFileError: it is damaged, of a later version, or not a model of saltus.

    Example:
        >>> import saltus as sl
        >>> sl.load("nowhere.saltus")
        Traceback (most recent call last):
            ...
        saltus.base.errors.StorageError: nowhere.saltus cannot be read: No such file or directory
          fix: check the name of the file
    """
    opened = model.load(path)
    kept = opened.preprocessing
    if isinstance(kept, dict) and "encoder" in kept and kept.get("kind") in kinds.names():
        return kinds.of_model(opened, str(path))
    return opened
