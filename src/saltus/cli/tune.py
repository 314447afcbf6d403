"""`saltus tune`: many trainings on data with different settings, and the best model in a run folder."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from saltus.base.errors import ArgumentError, DataError, UnknownNameError
from saltus.cli import runs
from saltus.cli.fit import PARTS, kept_name, source_of
from saltus.cli.options import FitSettings, pairs, values_of
from saltus.cli.report import run as write_page
from saltus.cli.text import results
from saltus.report.keep import Keeper, write_frame
from saltus.train import kinds, space
from saltus.train.data_search import tune
from saltus.train.fitted import Encoder
from saltus.train.tuning import Trial

_ENDING = 1.0  # seconds that judging, saving and describing the best model take


def run(
    data: str, target: str | None, kind: str | None, trials: int, words: tuple[str, ...], settings: tuple[str, ...], study: str | None,
    out: str | None, quiet: bool, report: bool, **how: Any,
) -> None:  # fmt: skip
    """See the help of `saltus tune`."""
    started = time.perf_counter()
    if how["resume"] and study is None:
        raise ArgumentError("--resume needs the file of the study", fix="name it: --study runs/.../study.db")
    source = source_of(data)
    taken = kinds.named(kind) if kind else kinds.infer(source)
    chosen = {name: dimension_of(name, text, taken.space) for name, text in pairs("--search", words)} or None
    wanted = FitSettings(kept_name(data), taken, target)
    wanted.values.update(values_of(pairs("--set", settings), taken))
    options: Any = wanted.options(verbose=0)
    if isinstance(options.test, str):
        options = replace(options, test=source_of(options.test))
    opened = taken.open(source, target, options)
    folder = runs.new_folder(f"{Path(data).resolve().stem.split('.')[0]}-tune", out)
    try:
        _search(opened, replace(wanted, target=opened.target), options, chosen, folder, started, study, trials, words, quiet, kind, how)
    except (ArgumentError, DataError, UnknownNameError):
        runs.discard(folder)
        raise
    if report:
        write_page(folder)


def _search(
    opened: kinds.Opened, wanted: FitSettings, options: Any, chosen: dict[str, space.Dimension] | None, folder: Path, started: float,
    study: str | None, trials: int, words: tuple[str, ...], quiet: bool, kind: str | None, how: dict[str, Any],
) -> None:  # fmt: skip
    runs.write_json(folder / runs.CONFIGURATION, {**wanted.to_config(), "trials": trials, "search": list(words), **how})
    runs.write_json(folder / runs.ENVIRONMENT, runs.environment())
    if not quiet:
        click.echo(f"{opened.said}{'' if kind else f' (kind of data: {wanted.kind.name})'}")

    def told(trial: Trial) -> None:
        if not quiet:
            said = "  ".join(f"{name} {_short(value)}" for name, value in trial.params.items())
            click.echo(f"trial {trial.number}: {how['monitor']} {trial.value:.4f} {trial.state}  {said}")

    if how["time_limit"] is not None:  # what comes after the search belongs to the time too
        how["time_limit"] = max(how["time_limit"] - (time.perf_counter() - started) - min(_ENDING, 0.1 * how["time_limit"]), 0.1)
    def described(encoder: Encoder) -> None:
        runs.write_json(folder / runs.DATA, encoder.describe().facts())

    keeper = Keeper()
    found = tune(
        opened.data, opened.target, space=chosen, trials=trials, study=study or folder / runs.STUDY, told=told,
        options=replace(options, verbose=0, judged=keeper.judged, told=described), **how,
    )  # fmt: skip
    model = found.model
    runs.write_json(folder / runs.TRIALS, {"trials": found.table().rows, "importance": found.importance(), "best": found.params})
    model.history.save(folder / runs.HISTORY)
    model.history.to_parquet((folder / runs.HISTORY).with_suffix(".parquet"))
    write_frame(folder / runs.CURVES, found.curves().to_frame())
    model.save(folder / runs.MODEL)
    keeper.write(folder, model, opened.data, options)
    part = model.measured_on
    facts = {"measured_on": part, "rows": model.rows[part], "scores": model.scores, "baseline": model.baseline}
    facts |= {"confused": model.confused, **({"others": model.others} if model.others else {}), "params": found.params}
    facts |= {"epochs": len(model.history)}
    runs.write_json(folder / runs.RESULT, {**facts, "stopped": found.stopped, "seconds": round(time.perf_counter() - started, 3)})
    click.echo(f"\n{found}\n\nOn {model.rows[part]:,} {PARTS[part]}:")
    click.echo(results(model.scores, model.baseline, model.confused, model.others, model.beside))
    file = folder / runs.MODEL
    click.echo(f"\nmodel    {file}\nto use   saltus predict {file} {wanted.kind.example} -o predictions.csv")


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def dimension_of(name: str, text: str, known: Mapping[str, space.Dimension]) -> space.Dimension:
    """A dimension from words: "16..256" is a range, "adam,sgd" a choice.

    Args:
        name, text: of --search name=text.
        known: dimensions of the kind of data: whether a range is one of whole numbers, or of orders of magnitude.

    Raises:
        ArgumentError: it is neither.
    """
    low, dots, high = text.partition("..")
    if not dots:
        found = [_value(word.strip()) for word in text.split(",") if word.strip()]
        if not found:
            raise ArgumentError(f"--search {name}={text} leaves nothing to choose", fix=f"a range or words: --search {name}=16..256")
        return space.choice(found)
    first, last = _value(low), _value(high)
    if isinstance(first, str) or isinstance(last, str):
        raise ArgumentError(f"--search {name}={text}: a range has two numbers", fix=f"for example --search {name}=1e-4..1e-1")
    usual = known.get(name)
    log = bool(getattr(usual, "log", False)) and first > 0
    if isinstance(first, int) and isinstance(last, int) and not isinstance(usual, space.Real):
        return space.integer(first, last, log=log)
    return space.real(first, last, log=log)


def _value(text: str) -> Any:
    """A whole number, a number, or the text."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
