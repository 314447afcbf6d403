"""`saltus evaluate` and `saltus predict`: a model file on raw rows."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from saltus.base.errors import ArgumentError, StorageError
from saltus.cli import runs
from saltus.cli.fit import source_of
from saltus.cli.text import figures, table
from saltus.data import EncodedTable, read_table
from saltus.data.lazy import LazyModule
from saltus.train.tabular import TabularModel

if TYPE_CHECKING:
    import polars as pl
else:
    pl = LazyModule("polars")

WRITERS = {".csv": "write_csv", ".parquet": "write_parquet", ".jsonl": "write_ndjson", ".ndjson": "write_ndjson", ".arrow": "write_ipc"}


def model_file(path: str) -> Path:
    """A model file, or the one in a run's folder."""
    found = Path(path)
    return found / runs.MODEL if found.is_dir() else found


def evaluate(model: str, data: str, *, as_json: bool) -> None:
    """See the help of `saltus evaluate`."""
    loaded = TabularModel.load(model_file(model))
    rows = loaded.encoder.transform(source_of(data), target=True)
    _say_notes(rows)
    result = loaded.judge(rows)
    if as_json:
        click.echo(json.dumps({"rows": result.rows, "scores": result.scores, "baseline": result.baseline}))
    else:
        click.echo(f"{result.rows:,} rows\n{table(figures(result.scores, result.baseline))}")


def predict(model: str, data: str, output: str | None, columns: str) -> None:
    """See the help of `saltus predict`."""
    if output is not None and Path(output).suffix.lower() not in WRITERS:
        raise ArgumentError(f"cannot write {output}: unknown kind of file", fix=f"end its name in one of {', '.join(WRITERS)}")
    loaded = TabularModel.load(model_file(model))
    read = read_table(source_of(data))
    rows = loaded.encoder.transform(read, target=False)
    _say_notes(rows)
    made = predictions(loaded, rows)
    frame = made if columns == "prediction" else read.frame.hstack(_fresh_names(made, read.frame.columns))
    if output is None:
        click.echo(frame.write_csv(), nl=False)
        return
    _write(frame, Path(output))
    click.echo(f"{frame.height:,} predictions of {loaded.target!r} in {output}", err=True)


def predictions(model: TabularModel, rows: EncodedTable) -> pl.DataFrame:
    """A frame with the prediction and, for classes, the probability of each."""
    outputs = model.outputs(rows)
    found = model.encoder.decode_target(outputs)
    made: dict[str, Any] = {f"{model.target} (predicted)": found.tolist()}
    for place, label in enumerate(model.classes):
        made[f"probability of {label}"] = outputs[:, place].astype(np.float64).round(6)
    return pl.DataFrame(made)


def _say_notes(rows: EncodedTable) -> None:
    """What training never saw, on the error stream: predictions may go to the other one."""
    for note in rows.notes:
        click.echo(f"- {note}", err=True)


def _fresh_names(frame: pl.DataFrame, taken: list[str]) -> pl.DataFrame:
    """Columns renamed where the input has one of that name already."""
    return frame.rename({c: f"{c} (new)" for c in frame.columns if c in taken})


def _write(frame: pl.DataFrame, path: Path) -> None:
    """Write a frame; the file is replaced whole or not at all."""
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=path.suffix)
        os.close(handle)
        try:
            getattr(frame, WRITERS[path.suffix.lower()])(temporary)
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror or error}", fix="check that the folder exists and has room") from error
