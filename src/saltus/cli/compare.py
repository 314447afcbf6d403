"""`saltus compare`: one of the experiments, on a data set or the small set it brings."""

from __future__ import annotations

import inspect
import json
import math
from pathlib import Path
from typing import Any

import click

from saltus.base.errors import ArgumentError, StorageError, unknown_name
from saltus.cli.options import pairs
from saltus.train import experiments


def run(what: str, data: str | None, settings: tuple[str, ...], table: str | None, plot: str | None, as_json: bool, **common: Any) -> None:
    """See the help of `saltus compare`."""
    if what not in experiments.EXPERIMENTS:
        raise unknown_name("experiment", what, experiments.EXPERIMENTS)
    function = experiments.EXPERIMENTS[what]
    known = {name: p.default for name, p in inspect.signature(function).parameters.items() if name not in ("x", "y")}
    given = {name: value for name, value in common.items() if value is not None}
    for name, text in pairs("--set", settings):
        if name not in known:
            raise unknown_name(f"setting of {what}", name, known)
        value = _value(text)
        given[name] = [value] if isinstance(known[name], tuple) and not isinstance(value, list) else value
    if table is not None and Path(table).suffix not in _WRITERS:
        raise ArgumentError(f"--table {table}: the ending is not known", fix=f"use {', '.join(_WRITERS)}")
    found = function(data, **given)
    click.echo(_json(found) if as_json else str(found))
    if table is not None:
        try:
            _WRITERS[Path(table).suffix](found.table, table)
        except OSError as error:
            raise StorageError(f"{table} cannot be written: {error.strerror or error}", fix="choose another place") from error
    if plot is not None:
        found.plot(plot)
    for file in (f for f in (table, plot) if f is not None and not as_json):
        click.echo(f"\nwritten  {file}")


_WRITERS = {
    ".csv": lambda frame, path: frame.write_csv(path),
    ".parquet": lambda frame, path: frame.write_parquet(path),
    ".jsonl": lambda frame, path: frame.write_ndjson(path),
}


def _json(found: experiments.Experiment) -> str:
    """Everything an experiment found, as JSON; numbers that are none become null."""
    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: plain(v) for k, v in value.items()}
        if isinstance(value, (list, tuple)):
            return [plain(v) for v in value]
        return None if isinstance(value, float) and not math.isfinite(value) else value

    facts = {"experiment": found.name, "notes": found.notes, "rows": found.rows, "details": found.details, "findings": found.findings}
    return json.dumps(plain(facts), indent=2)


def _value(text: str) -> Any:
    """A number, a truth, a list of them by commas, or the text."""
    if "," in text:
        return [_value(word) for word in text.split(",") if word.strip()]
    text = text.strip()
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
