"""`saltus show`: what a model file or a run holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from saltus.cli import runs
from saltus.cli.fit import PARTS
from saltus.cli.text import results
from saltus.cli.use import model_file
from saltus.train import kinds
from saltus.train.model import load


def run(model: str, *, as_json: bool, svg: str | None) -> None:
    """See the help of `saltus show`."""
    path = model_file(model)
    loaded = load(path)
    fitted = kinds.of_model(loaded, str(path)) if loaded.preprocessing else None
    report = fitted.describe() if fitted else None
    summary = loaded.summary()
    if svg is not None:
        runs.write_text(Path(svg), summary.to_svg(path.stem))
    kept = path.parent / runs.RESULT
    result: dict[str, Any] | None = runs.read_json(kept) if kept.is_file() else None
    if as_json:
        own = {"columns": None} if report is None else report.facts()
        facts = {
            "file": str(path), "bytes": path.stat().st_size, "parameters": loaded.count, "network": summary.to_dict(),
            "config": loaded.to_config(),
            "history": loaded.history.records, "result": result, "kind": fitted.kind if fitted else None, **own,
        }  # fmt: skip
        click.echo(json.dumps(facts, indent=2, default=str))
        return
    click.echo(f"{path} ({path.stat().st_size:,} bytes)\n\n{summary}\n")
    if fitted is not None:
        classes = f", classes {', '.join(map(str, fitted.classes[:12]))}" if fitted.classes else ""
        click.echo(f"predicts {fitted.target!r} ({fitted.task}{classes}) from {fitted.title}\n{report}\n")
    if len(loaded.history):
        last = loaded.history.records[-1]
        click.echo(
            f"trained {len(loaded.history)} epochs; the last: " + ", ".join(f"{k} {_short(v)}" for k, v in last.items() if k != "epoch")
        )
    if result is not None:
        beside = fitted.beside if fitted else "baseline"
        shown = results(result["scores"], result["baseline"], result.get("confused", ()), result.get("others"), beside)
        click.echo(f"\non {result['rows']:,} {PARTS[result['measured_on']]}:\n{shown}")


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
