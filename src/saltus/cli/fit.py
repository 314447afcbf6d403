"""`saltus fit`: from a file or folder of data to a trained model in a run folder."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import click

from saltus.base.errors import ArgumentError, DataError, UnknownNameError
from saltus.cli import runs
from saltus.cli.options import FitSettings, pairs, values_of
from saltus.cli.report import run as write_page
from saltus.cli.text import results, table
from saltus.data import sets
from saltus.data.records import counted
from saltus.report.keep import Keeper, write_frame
from saltus.train import Interrupted, kinds
from saltus.train.fitted import Encoder, Fitted
from saltus.train.kinds import Opened
from saltus.train.validation import Fold, cross_validate

PARTS = {
    "test": "rows never trained on",
    "validation": "validation rows (they chose the epoch; no others were held out)",
    "train": "training rows (no others were held out)",
}


def run(
    data: str | None, target: str | None, kind: str | None, columns: tuple[str, ...], settings: tuple[str, ...], out: str | None,
    resume: str | None, quiet: bool, report: bool, folds: int | None, repeats: int | None, groups: str | None, order: str | None,
    **given: str | bool | None,
) -> None:  # fmt: skip
    """See the help of `saltus fit`."""
    words = [(key, str(text)) for key, text in given.items() if text not in (None, False)]
    dealt = {"repeats": repeats, "groups": groups, "order": order}
    if resume is not None:
        others = {"folds": folds, **dealt, "target": target, "kind": kind, "column": columns, "set": settings, "out": out}
        _resume(resume, data, [*(k for k, _ in words), *(n for n, v in others.items() if v)], quiet=quiet, report=report)
        return
    if data is None:
        raise click.UsageError("Missing argument 'DATA'.", click.get_current_context())
    source = source_of(data)
    taken = kinds.named(kind) if kind else kinds.infer(source)
    if columns and "overrides" not in taken.own:
        raise ArgumentError(f"--column is for tables, but this is {taken.fitted.title}", fix="leave it out")
    folding = Folding.of(folds, dealt)
    chosen = FitSettings(kept_name(data), taken, target, dict(pairs("--column", columns)))
    chosen.values.update(values_of([*words, *pairs("--set", settings)], taken))
    opened = taken.open(source, target, chosen.options())
    chosen = replace(chosen, target=opened.target)
    folder = runs.new_folder(Path(data).resolve().stem.split(".")[0], out)
    Fit(chosen, folder, quiet=quiet, report=report, folding=folding).run(opened, said="" if kind else f" (kind of data: {taken.name})")


def _resume(path: str, data: str | None, asked: list[str], *, quiet: bool, report: bool) -> None:
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
    opened = chosen.kind.open(source_of(chosen.data), chosen.target, chosen.options())
    Fit(chosen, folder, quiet=quiet, report=report).run(opened, resume=True)


def source_of(data: str) -> Any:
    """A file, or the data set of that name that comes with saltus."""
    return sets.path(data) if not Path(data).exists() and data in sets.names() else data


def kept_name(data: str) -> str:
    """How a run remembers its data: a file by its full path, so that it can be resumed from any folder."""
    return str(Path(data).resolve()) if Path(data).exists() else data


@dataclass(frozen=True)
class Folding:
    """How a cross-validation deals its folds; see `k_fold`."""

    folds: int
    repeats: int = 1
    groups: str | None = None
    order: str | None = None

    @classmethod
    def of(cls, folds: int | None, dealt: dict[str, Any]) -> Folding | None:
        """What the command line asks for, or None.

        Raises:
            ArgumentError: there are no folds to deal.
        """
        asked = {name: value for name, value in dealt.items() if value is not None}
        if folds is None and asked:
            raise ArgumentError(f"--{next(iter(asked))} says how folds are dealt, but there are none", fix="add --folds 5")
        return None if folds is None else cls(folds, **asked)


@dataclass(frozen=True)
class Fit:
    """One training with its folder."""

    chosen: FitSettings
    folder: Path
    quiet: bool
    report: bool = False
    folding: Folding | None = None

    def run(self, opened: Opened, *, said: str = "", resume: bool = False) -> None:
        """Train, save, and say the result."""
        try:
            self._run(opened, said, resume=resume)
        except (ArgumentError, DataError, UnknownNameError):
            if not resume:
                runs.discard(self.folder)
            raise
        except KeyboardInterrupt as stopped:
            raise Interrupted(f"{stopped}\ngo on with: saltus fit --resume {self.folder}".strip()) from None

    def _run(self, opened: Opened, said: str, *, resume: bool) -> None:
        started = time.perf_counter()
        if not resume:
            runs.write_json(self.folder / runs.CONFIGURATION, self.chosen.to_config())
        runs.write_json(self.folder / runs.ENVIRONMENT, runs.environment())
        if not self.quiet:
            click.echo(f"{opened.said}{said}")
        keeper = Keeper()
        options = self.chosen.options(
            verbose=0 if self.quiet else "auto", checkpoint=self.folder / runs.CHECKPOINTS, resume=resume, told=self.told,
            judged=keeper.judged,
        )  # fmt: skip
        if isinstance(options.test, str):
            options = replace(options, test=source_of(options.test))
        if self.folding is not None:
            self.cross_validate(opened, options, self.folding)
        model = self.chosen.kind.fit(opened.data, self.chosen.target, options)
        model.history.save(self.folder / runs.HISTORY)
        model.history.to_parquet((self.folder / runs.HISTORY).with_suffix(".parquet"))
        model.save(self.folder / runs.MODEL)
        keeper.write(self.folder, model, opened.data, options)
        self.finish(model, time.perf_counter() - started)

    def cross_validate(self, opened: Opened, options: Any, how: Folding) -> None:
        """Judge the settings on every sample, before the model is trained that stays."""

        def told(fold: Fold) -> None:
            if not self.quiet:
                again = f", repeat {fold.split.repeat + 1}" if how.repeats > 1 else ""
                said = "  ".join(f"{name.replace('_', ' ')} {value:.4f}" for name, value in fold.scores.items())
                click.echo(f"fold {fold.split.fold + 1} of {how.folds}{again}: {said}")

        made = cross_validate(
            opened.data, self.chosen.target, folds=how.folds, repeats=how.repeats, groups=how.groups, time=how.order, options=options,
            told=told,
        )  # fmt: skip
        figures = {name: {"mean": e.mean, "std": e.std, "low": e.low, "high": e.high} for name, e in made.scores.items()}
        facts = {"scores": figures, "baseline": made.baseline, "dealt": asdict(how), "folds": made.table().rows}
        runs.write_json(self.folder / runs.FOLDS, facts)
        file = self.folder / runs.OUT_OF_FOLD
        write_frame(file, made.out_of_fold())
        many = f"{how.folds} folds" + (f", {how.repeats} times" if how.repeats > 1 else "")
        beside = self.chosen.kind.fitted.beside
        rows = [["", "", beside], *([name.replace("_", " "), str(e), f"{made.baseline[name]:.4f}"] for name, e in made.scores.items())]
        click.echo("\n".join(["", f"mean of {many}, with 95 % confidence interval:", table(rows),
                              f"what was said of each {self.chosen.kind.sample} out of fold: {file}", ""]))  # fmt: skip

    def told(self, encoder: Encoder) -> None:
        """Write and show what was done to the data."""
        report = encoder.describe()
        runs.write_json(self.folder / runs.DATA, report.facts())
        if not self.quiet:
            click.echo(f"{report}\n")

    def finish(self, model: Fitted, seconds: float) -> None:
        """Write the result and say it."""
        part, epochs = model.measured_on, len(model.history)
        rows, stopped = model.rows[part], model.history.stopped
        facts = {"measured_on": part, "rows": rows, "scores": model.scores, "baseline": model.baseline, "confused": model.confused}
        facts |= {"others": model.others} if model.others else {}
        runs.write_json(self.folder / runs.RESULT, {**facts, "epochs": epochs, "stopped": stopped, "seconds": round(seconds, 3)})
        values = self.chosen.values
        several = values.get("ensemble") not in (None, "averaging") and not values.get("distill")
        what = counted(epochs, "network" if several else "epoch")
        click.echo(f"\n{what} in {seconds:.1f} s. On {rows:,} {PARTS[part]}:")
        click.echo(results(model.scores, model.baseline, model.confused, model.others, model.beside))
        file = self.folder / runs.MODEL
        click.echo(f"\nmodel    {file}\nto use   saltus predict {file} {self.chosen.kind.example} -o predictions.csv")
        if self.report:
            write_page(self.folder)
