"""What a fit leaves in its folder for the page: every judged sample with what was said of it, and the data's profile.
Above `profile` and `run`.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from saltus.data import read_table
from saltus.data.lazy import LazyModule
from saltus.report.profile import Ended, evenly, iso, profile_of
from saltus.report.run import PREDICTIONS, PROFILE, write_bytes, write_json
from saltus.train.fitted import Judgement
from saltus.train.series import SEASONAL

if TYPE_CHECKING:
    import polars as pl
else:
    pl = LazyModule("polars")

_CELLS = 2_000_000  # numbers that the predictions hold at most; of more samples they hold an even part


class Keeper:
    """Waits for the judgement of a fit, and writes it down.

    Example:
        >>> keeper = Keeper()
        >>> from saltus.train import fit_table
        >>> from saltus.data import sets
        >>> model = fit_table(sets.path("penguins"), "species", epochs=1, verbose=0, judged=keeper.judged)
        >>> keeper.judgement.rows == model.rows["test"]
        True
    """

    def __init__(self) -> None:
        self.encoded: Any = None
        self.judgement: Judgement | None = None

    def judged(self, encoded: Any, judgement: Judgement) -> None:
        """Take what the options' `judged` gives."""
        self.encoded, self.judgement = encoded, judgement

    def write(self, folder: Path, model: Any, data: Any, options: Any) -> None:
        """Write predictions and profile into a folder.

        Args:
            folder: of the run.
            model: the trained model.
            data: what it learnt from, as its kind opened it.
            options: of its fit.

        Raises:
            StorageError: there is no room.
        """
        if self.judgement is None or self.judgement.true is None or self.judgement.said is None:
            return
        ended = Ended(model, data, options, self.encoded, self.judgement)
        write_frame(folder / PREDICTIONS, predictions(ended))
        write_json(folder / PROFILE, profile_of(ended))


def write_frame(path: Path, frame: pl.DataFrame) -> None:
    """Write a frame as Parquet; the file is replaced whole or not at all.

    Raises:
        StorageError: there is no room.
    """
    content = io.BytesIO()
    frame.write_parquet(content)
    write_bytes(path, content.getvalue())


def predictions(ended: Ended) -> pl.DataFrame:
    """A row a judged sample: which it is, what is true, what was said, and for classes the probability of each.

    Of series a row a forecast, with the naive ones beside.
    """
    true, said, classes = ended.judgement.true, ended.judgement.said, ended.model.classes
    assert true is not None
    assert said is not None
    places = evenly(len(true), max(1_000, _CELLS // max(1, said[0].size)))
    if ended.model.kind == "series":
        return _forecasts(ended, places)
    if ended.model.kind == "images":
        which: dict[str, Any] = {"file": [ended.encoded.names[place] for place in places]}
    else:
        which = {"row": ended.encoded.rows[places] + 1}
    if not classes:
        return pl.DataFrame({**which, "true": true[places].astype(np.float64), "predicted": said[places].astype(np.float64)})
    labels = np.array([str(label) for label in classes], dtype=object)
    made = {"true": labels[true[places]].tolist(), "predicted": labels[said[places].argmax(axis=1)].tolist()}
    shares = {f"probability of {label}": said[places, code].astype(np.float32) for code, label in enumerate(classes)}
    return pl.DataFrame({**which, **made, **shares})


def _forecasts(ended: Ended, places: np.ndarray) -> pl.DataFrame:
    encoder, windows = ended.model.encoder, ended.encoded
    lines, _ = encoder.open(read_table(ended.data if ended.other_test is None else ended.other_test))
    steps = np.array(encoder.steps)
    times = encoder.columns.frequency.times((windows.origin[places, None] + steps).reshape(-1))
    assert ended.judgement.said is not None
    return pl.DataFrame(
        {
            "series": [lines[line].name for line in windows.line[places] for _ in steps], "time": iso(times),
            "ahead": list(encoder.labels) * len(places), "true": windows.actual[places].reshape(-1),
            "predicted": ended.judgement.said[places].reshape(-1).astype(np.float64), "naive": windows.naive[places].reshape(-1),
            SEASONAL: windows.seasonal[places].reshape(-1),
        }
    )  # fmt: skip
