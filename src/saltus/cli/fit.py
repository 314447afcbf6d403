"""`saltus fit`: from a data file to a trained model in a run folder."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click

from saltus.base.errors import ArgumentError
from saltus.cli import runs
from saltus.cli.options import FitSettings, pairs, values_of
from saltus.cli.text import figures, table
from saltus.data import Table, TableEncoder, read_table, sets
from saltus.train import Interrupted
from saltus.train.tabular import TabularModel, chosen_target, fit_table

PARTS = {
    "test": "rows never trained on",
    "validation": "validation rows (they chose the epoch; no others were held out)",
    "train": "training rows (no others were held out)",
}


def run(
    data: str | None, target: str | None, columns: tuple[str, ...], settings: tuple[str, ...], out: str | None, resume: str | None,
    quiet: bool, **given: str | None,
) -> None:  # fmt: skip
    """See the help of `saltus fit`."""
    words = [(key, text) for key, text in given.items() if text is not None]
    if resume is not None:
        asked = [*(k for k, _ in words), *(n for n, v in {"target": target, "column": columns, "set": settings, "out": out}.items() if v)]
        _resume(resume, data, asked, quiet=quiet)
        return
    if data is None:
        raise click.UsageError("Missing argument 'DATA'.", click.get_current_context())
    chosen = FitSettings(kept_name(data), target, dict(pairs("--column", columns)))
    chosen.values.update(values_of([*words, *pairs("--set", settings)]))
    read = read_table(source_of(data))
    chosen = replace(chosen, target=chosen_target(read, target))
    folder = runs.new_folder(Path(data).stem.split(".")[0], out)
    Fit(chosen, folder, quiet=quiet).run(read, "" if target else " (the last column; choose another with --target)")


def _resume(path: str, data: str | None, asked: list[str], *, quiet: bool) -> None:
    """Go on with the run in a folder, with the settings it began with."""
    folder = runs.existing_folder(path)
    chosen = FitSettings.from_config(runs.read_json(folder / runs.CONFIGURATION))
    if data is not None and kept_name(data) != chosen.data:
        raise ArgumentError(f"the run in {folder} trains on {chosen.data}, not on {data}", fix="leave the data out to resume")
    if asked:
        raise ArgumentError(
            f"a resumed run keeps its settings, but {', '.join('--' + name.replace('_', '-') for name in asked)} was given",
            fix="leave that out, or begin a new run without --resume",
        )
    Fit(chosen, folder, quiet=quiet).run(read_table(source_of(chosen.data)), "", resume=True)


def source_of(data: str) -> Any:
    """A file, or the data set of that name that comes with saltus."""
    return sets.path(data) if not Path(data).exists() and data in sets.names() else data


def kept_name(data: str) -> str:
    """How a run remembers its data: a file by its full path, so that it can be resumed from any folder."""
    return str(Path(data).resolve()) if Path(data).exists() else data


@dataclass(frozen=True)
class Fit:
    """One training with its folder."""

    chosen: FitSettings
    folder: Path
    quiet: bool

    def run(self, read: Table, said: str, *, resume: bool = False) -> None:
        """Train, save, and say the result."""
        try:
            self._run(read, said, resume=resume)
        except KeyboardInterrupt as stopped:
            raise Interrupted(f"{stopped}\ngo on with: saltus fit --resume {self.folder}".strip()) from None

    def _run(self, read: Table, said: str, *, resume: bool) -> None:
        started = time.perf_counter()
        if not resume:
            runs.write_json(self.folder / runs.CONFIGURATION, self.chosen.to_config())
        runs.write_json(self.folder / runs.ENVIRONMENT, runs.environment())
        if not self.quiet:
            click.echo(f"{read.name}: {read.frame.height:,} rows, {read.frame.width} columns; target {self.chosen.target!r}{said}")
        options = self.chosen.options(
            verbose=0 if self.quiet else "auto", checkpoint=self.folder / runs.CHECKPOINTS, resume=resume, told=self.told
        )
        if isinstance(options.test, str):
            options = replace(options, test=source_of(options.test))
        model = fit_table(read, self.chosen.target, options)
        model.history.save(self.folder / runs.HISTORY)
        model.save(self.folder / runs.MODEL)
        self.finish(model, time.perf_counter() - started)

    def told(self, encoder: TableEncoder) -> None:
        """Write and show what was done to the table."""
        report = encoder.describe()
        runs.write_json(self.folder / runs.DATA, {"columns": list(report.columns), "changes": report.records()})
        if not self.quiet:
            click.echo(f"{report}\n")

    def finish(self, model: TabularModel, seconds: float) -> None:
        """Write the result and say it."""
        part, epochs = model.measured_on, len(model.history)
        rows, stopped = model.rows[part], model.history.stopped
        facts = {"measured_on": part, "rows": rows, "scores": model.scores, "baseline": model.baseline}
        runs.write_json(self.folder / runs.RESULT, {**facts, "epochs": epochs, "stopped": stopped, "seconds": round(seconds, 3)})
        click.echo(f"\n{epochs} epochs in {seconds:.1f} s. On {rows:,} {PARTS[part]}:")
        click.echo(table(figures(model.scores, model.baseline)))
        file = self.folder / runs.MODEL
        click.echo(f"\nmodel    {file}\nto use   saltus predict {file} NEW.csv -o predictions.csv")
