"""`saltus fit`: from a data file to a trained model in a run folder."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np

from saltus.base.errors import ArgumentError, DataError
from saltus.cli import runs
from saltus.cli.options import FitSettings, batch, share_or_file, widths, with_settings
from saltus.cli.text import figures, table
from saltus.data import TableEncoder, read_table, sets, split_rows
from saltus.train import Interrupted
from saltus.train.tabular import TabularModel, chosen_target, fit_table


def run(
    data: str | None, settings: tuple[str, ...], out: str | None, resume: str | None, quiet: bool, held_out: str | None, hidden: str | None,
    batch_size: str | None, **given: Any,
) -> None:  # fmt: skip
    """See the help of `saltus fit`."""
    if resume:
        folder = runs.existing_folder(resume)
        chosen = FitSettings.from_config(runs.read_json(folder / runs.CONFIGURATION))
        if data is not None and data != chosen.data:
            raise ArgumentError(f"the run in {folder} trains on {chosen.data}, not on {data}", fix="leave the data out to resume")
        longer = given.get("epochs")
        chosen = replace(chosen, epochs=longer) if longer else chosen
    else:
        if data is None:
            raise click.UsageError("Missing argument 'DATA'.")
        chosen = FitSettings(data=data)
        asked = {k: v for k, v in given.items() if v is not None}
        asked |= {} if hidden is None else {"hidden": widths(hidden)}
        asked |= {} if batch_size is None else {"batch_size": batch(batch_size)}
        asked["test"] = share_or_file(held_out, chosen.test)
        chosen = with_settings(replace(chosen, **asked), settings)
        folder = None  # made once the data could be read
    _fit(chosen, folder, out, quiet=quiet)


def source_of(data: str) -> Any:
    """A file, or the data set of that name that comes with saltus."""
    if not Path(data).exists() and data in sets.names():
        return sets.path(data)
    return data


def _fit(chosen: FitSettings, folder: Path | None, out: str | None, *, quiet: bool) -> None:
    started = time.perf_counter()
    read = read_table(source_of(chosen.data))
    frame = read.frame
    target = chosen_target(frame.columns, chosen.target)
    if not quiet:
        said = "" if chosen.target else " (the last column; choose another with --target)"
        click.echo(f"{read.name}: {frame.height:,} rows, {frame.width} columns; target {target!r}{said}")
    train, held = _held_out(frame, target, chosen)
    resuming = folder is not None
    folder = folder or runs.new_folder(Path(chosen.data).stem.split(".")[0], out)
    runs.write_json(folder / runs.CONFIGURATION, replace(chosen, target=target).to_config())
    runs.write_json(folder / runs.ENVIRONMENT, runs.environment())

    def told(encoder: TableEncoder) -> None:
        report = encoder.describe()
        runs.write_json(folder / runs.DATA, {"columns": list(report.columns), "changes": report.records()})
        if not quiet:
            click.echo(str(report) + "\n")

    try:
        model = fit_table(
            train, target, task=chosen.task, epochs=chosen.epochs, batch_size=chosen.batch_size, learning_rate=chosen.learning_rate,
            optimizer=chosen.optimizer, hidden=chosen.hidden, activation=chosen.activation, dropout=chosen.dropout,
            weight_decay=chosen.weight_decay, validation=chosen.validation, patience=chosen.patience, balanced=chosen.balanced,
            seed=chosen.seed, verbose=0 if quiet else "auto", checkpoint=folder / runs.CHECKPOINTS, resume=resuming, told=told,
        )  # fmt: skip
    except Interrupted as stopped:
        raise Interrupted(f"go on with: saltus fit --resume {folder}", stopped.checkpoint) from None
    model.history.save(folder / runs.HISTORY)
    model.save(folder / runs.MODEL)
    _finish(model, chosen, folder, frame if held is None else held, measured=held is not None, seconds=time.perf_counter() - started)


def _held_out(frame: Any, target: str, chosen: FitSettings) -> tuple[Any, Any]:
    """Training rows and rows for the final figure (None: there are none)."""
    if isinstance(chosen.test, str):
        return frame, read_table(source_of(chosen.test)).frame
    known = np.flatnonzero(frame[target].is_not_null().to_numpy())
    if not chosen.test or len(known) < 20:
        return frame, None
    train, held = split_rows(frame[target][known].to_numpy(), chosen.test, seed=chosen.seed + 1)
    return frame[np.sort(known[train])], frame[np.sort(known[held])]


def _finish(model: TabularModel, chosen: FitSettings, folder: Path, rows: Any, *, measured: bool, seconds: float) -> None:
    """Measure, write the result, and say it."""
    try:
        result = model.evaluate(rows)
    except DataError as error:
        raise DataError(
            f"the model is trained and saved in {folder}, but its test rows cannot be used: {error.what}", fix=error.fix
        ) from error
    what = "rows never trained on" if measured else "the training rows: no rows were held out"
    epochs = len(model.history)
    runs.write_json(folder / runs.RESULT, {"measured_on": what, **result, "epochs": epochs, "seconds": round(seconds, 3)})
    ended = f" ({model.history.stopped})" if model.history.stopped else ""
    click.echo(f"\n{epochs} epochs in {seconds:.1f} s{ended}. On {int(result['rows']):,} {what}:")
    click.echo(table(figures(result)))
    click.echo(f"\nmodel   {folder / runs.MODEL}\npredict saltus predict {folder / runs.MODEL} NEW.csv -o predictions.csv")
