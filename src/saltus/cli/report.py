"""`saltus report`: one page on a run."""

from __future__ import annotations

from pathlib import Path

import click

from saltus.report.page import write_report


def run(folder: str | Path | None, output: str | Path | None = None) -> None:
    """See the help of `saltus report`."""
    click.echo(f"report   {write_report(folder, output)}")
