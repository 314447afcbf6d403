"""`saltus evaluate` and `saltus predict`: a model file on data as they are."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from saltus.base.errors import ArgumentError, StorageError
from saltus.cli import runs
from saltus.cli.fit import source_of
from saltus.cli.text import results
from saltus.data.read import read_stream
from saltus.train import kinds

if TYPE_CHECKING:
    import polars as pl

STANDARD_INPUT = "-"
WRITERS = {".csv": "write_csv", ".parquet": "write_parquet", ".jsonl": "write_ndjson", ".ndjson": "write_ndjson", ".arrow": "write_ipc"}


def model_file(path: str) -> Path:
    """A model file, or the one in a run's folder."""
    found = Path(path)
    return found / runs.MODEL if found.is_dir() else found


def evaluate(model: str, data: str, *, as_json: bool) -> None:
    """See the help of `saltus evaluate`."""
    loaded = kinds.load_fitted(model_file(model))
    result = loaded.evaluate(_given(data))
    _say_notes(result.notes)
    if as_json:
        facts = {"rows": result.rows, "scores": result.scores, "baseline": result.baseline, "confused": result.confused}
        facts |= {"others": result.others} if result.others else {}
        click.echo(json.dumps(facts, default=str))
    else:
        click.echo(f"{result.rows:,} rows\n{results(result.scores, result.baseline, result.confused, result.others, loaded.beside)}")


def predict(model: str, data: Sequence[str], output: str | None, columns: str) -> None:
    """See the help of `saltus predict`."""
    if output is not None and Path(output).suffix.lower() not in WRITERS:
        raise ArgumentError(f"cannot write {output}: unknown kind of file", fix=f"end its name in one of {', '.join(WRITERS)}")
    loaded = kinds.load_fitted(model_file(model))
    if len(data) > 1 and not kinds.named(loaded.kind).several:
        raise ArgumentError(f"a model of {loaded.title} takes one file, got {len(data)}", fix="predict them one after the other")
    made = loaded.predictions(_given(data[0]) if len(data) == 1 else list(data))
    _say_notes(made.notes)
    frame = made.frame if columns == "prediction" else made.beside
    if output is None:
        click.echo(frame.write_csv(), nl=False)
        return
    _write(frame, Path(output))
    click.echo(f"{frame.height:,} predictions of {loaded.target!r} in {output}", err=True)


def _given(data: str) -> Any:
    """A file or data set, or for "-" the table that standard input holds."""
    if data != STANDARD_INPUT:
        return source_of(data)
    return read_stream(sys.stdin.buffer.read(), "standard input")


def _say_notes(notes: Sequence[str]) -> None:
    """What training never saw, on the error stream: predictions may go to the other one."""
    for note in notes:
        click.echo(f"- {note}", err=True)


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
