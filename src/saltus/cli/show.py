"""`saltus show`: what a model file or a run holds."""

from __future__ import annotations

import json
from typing import Any

import click

from saltus.cli import runs
from saltus.cli.fit import PARTS
from saltus.cli.text import figures, table
from saltus.cli.use import model_file
from saltus.train import load
from saltus.train.tabular import TabularModel


def run(model: str, *, as_json: bool) -> None:
    """See the help of `saltus show`."""
    path = model_file(model)
    loaded = load(path)
    tabular = TabularModel.of_model(loaded, str(path)) if loaded.preprocessing else None
    report = tabular.encoder.describe() if tabular else None
    beside = path.parent / runs.RESULT
    result: dict[str, Any] | None = runs.read_json(beside) if beside.is_file() else None
    if as_json:
        facts = {
            "file": str(path), "bytes": path.stat().st_size, "parameters": loaded.count, "config": loaded.to_config(),
            "history": loaded.history.records, "result": result, "columns": list(report.columns) if report else None,
        }  # fmt: skip
        click.echo(json.dumps(facts, indent=2, default=str))
        return
    click.echo(f"{path} ({path.stat().st_size:,} bytes)\n\n{loaded.summary()}\n")
    if tabular is not None and report is not None:
        classes = f", classes {', '.join(map(str, tabular.encoder.classes[:12]))}" if tabular.encoder.classes else ""
        click.echo(f"predicts {tabular.target!r} ({tabular.task}{classes}) from\n{report}\n")
    if len(loaded.history):
        last = loaded.history.records[-1]
        click.echo(
            f"trained {len(loaded.history)} epochs; the last: " + ", ".join(f"{k} {_short(v)}" for k, v in last.items() if k != "epoch")
        )
    if result is not None:
        click.echo(f"\non {result['rows']:,} {PARTS[result['measured_on']]}:\n{table(figures(result['scores'], result['baseline']))}")


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
