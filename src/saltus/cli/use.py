"""`saltus evaluate` and `saltus predict`: a model file on raw rows."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

import click
import numpy as np

from saltus.base.errors import ArgumentError, StorageError
from saltus.cli import runs
from saltus.cli.fit import source_of
from saltus.cli.text import figures, table
from saltus.data import read_table
from saltus.train.tabular import TabularModel

WRITERS = {".csv": "write_csv", ".parquet": "write_parquet", ".jsonl": "write_ndjson", ".ndjson": "write_ndjson"}


def model_file(path: str) -> Path:
    """A model file, or the one in a run's folder."""
    found = Path(path)
    return found / runs.MODEL if found.is_dir() else found


def evaluate(model: str, data: str, *, as_json: bool) -> None:
    """See the help of `saltus evaluate`."""
    result = TabularModel.load(model_file(model)).evaluate(source_of(data))
    click.echo(json.dumps(result) if as_json else f"{int(result['rows']):,} rows\n{table(figures(result))}")


def predict(model: str, data: str, output: str | None, columns: str) -> None:
    """See the help of `saltus predict`."""
    loaded = TabularModel.load(model_file(model))
    if output is not None and Path(output).suffix.lower() not in WRITERS:
        raise ArgumentError(f"cannot write {output}: unknown kind of file", fix=f"end its name in one of {', '.join(WRITERS)}")
    read = read_table(source_of(data))
    made = predictions(loaded, read)
    frame = made if columns == "prediction" else read.frame.hstack(_fresh_names(made, read.frame.columns))
    if output is None:
        click.echo(frame.write_csv(), nl=False)
        return
    _write(frame, Path(output))
    click.echo(f"{frame.height:,} predictions of {loaded.target!r} in {output}", err=True)


def predictions(model: TabularModel, source: Any) -> Any:
    """A frame with the prediction and, for classes, the probability of each."""
    import polars as pl

    if model.task == "regression":
        return pl.DataFrame({f"{model.target} (predicted)": np.asarray(model.predict(source), np.float64)})
    probabilities = model.probabilities(source)
    labels = model.encoder.decode_target(probabilities)
    made: dict[str, Any] = {f"{model.target} (predicted)": labels.tolist()}
    for k, label in enumerate(model.encoder.classes):
        made[f"probability of {label}"] = probabilities[:, k].astype(np.float64).round(6)
    return pl.DataFrame(made)


def _fresh_names(frame: Any, taken: list[str]) -> Any:
    """Columns renamed where the input has one of that name already."""
    return frame.rename({c: f"{c} (new)" for c in frame.columns if c in taken})


def _write(frame: Any, path: Path) -> None:
    """Write a frame; the file is replaced whole or not at all."""
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent or ".", suffix=path.suffix)
        os.close(handle)
        try:
            getattr(frame, WRITERS[path.suffix.lower()])(temporary)
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror or error}", fix="check that the folder exists and has room") from error
