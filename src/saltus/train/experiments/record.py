"""What an experiment leaves: a table, curves, findings. The lowest file of `experiments`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from saltus.base.errors import ArgumentError, StorageError
from saltus.data.lazy import LazyModule
from saltus.train.record import History
from saltus.train.records import Table

if TYPE_CHECKING:
    import polars as pl
else:
    pl = LazyModule("polars")


@dataclass(frozen=True)
class Panel:
    """One picture of an experiment.

    Attributes:
        title, x, y: words above and beside.
        series: name -> (places, values).
        log_x, log_y: logarithmic axes.
        bars: draw the values as bars over the places, which are words then.
    """

    title: str
    x: str
    y: str
    series: Mapping[str, tuple[Sequence[Any], Sequence[float]]]
    log_x: bool = False
    log_y: bool = False
    bars: bool = False


@dataclass(frozen=True)
class Experiment:
    """The result of an experiment.

    Attributes:
        name: what was compared.
        rows: a dict a variant.
        findings: what was found, a sentence each.
        notes: about the data and the training.
        panels: pictures for `plot`.
        details: further tables by their names, such as statistics by layer.
        histories: variant -> record of its training.
    """

    name: str
    rows: Sequence[dict[str, Any]]
    findings: tuple[str, ...]
    notes: tuple[str, ...] = ()
    panels: tuple[Panel, ...] = ()
    details: dict[str, Sequence[dict[str, Any]]] = field(default_factory=dict)
    histories: dict[str, History] = field(default_factory=dict)

    @property
    def table(self) -> pl.DataFrame:
        """A row a variant, as a Polars frame."""
        return pl.DataFrame(list(self.rows), infer_schema_length=None)

    def detail(self, name: str) -> pl.DataFrame:
        """A further table as a Polars frame.

        Raises:
            ArgumentError: there is none of that name.
        """
        if name not in self.details:
            raise ArgumentError(f"there is no table {name!r}", fix=f"there are: {', '.join(self.details) or 'none'}")
        return pl.DataFrame(list(self.details[name]), infer_schema_length=None)

    def row(self, variant: str) -> dict[str, Any]:
        """The row of a variant.

        Raises:
            ArgumentError: there is none of that name.
        """
        found = next((row for row in self.rows if row["variant"] == variant), None)
        if found is None:
            raise ArgumentError(f"there is no variant {variant!r}", fix=f"there are: {', '.join(r['variant'] for r in self.rows)}")
        return found

    def plot(self, path: str | Path) -> Path:
        """Draw the curves into a file.

        Args:
            path: the file; its ending says which kind (.png, .svg, .pdf).

        Returns:
            The path.

        Raises:
            ArgumentError: matplotlib is not installed, or does not know the ending.
            StorageError: the file cannot be written.
        """
        try:
            from matplotlib.figure import Figure
        except ImportError as error:
            raise ArgumentError("plots need matplotlib, which is not installed", fix='pip install "saltus[plot]"') from error
        figure = Figure(figsize=(5.6 * len(self.panels), 4.4), layout="constrained")
        for axes, panel in zip(figure.subplots(1, len(self.panels), squeeze=False)[0], self.panels, strict=True):
            _draw(axes, panel)
        figure.suptitle(self.name)
        try:
            figure.savefig(path)
        except ValueError as error:
            raise ArgumentError(f"{path} cannot be drawn: {error}", fix="use a name that ends with .png, .svg or .pdf") from error
        except OSError as error:
            raise StorageError(f"{path} cannot be written: {error.strerror or error}", fix="choose another place") from error
        return Path(path)

    def __str__(self) -> str:
        parts = [self.name, *(f"- {note}" for note in self.notes), "", str(Table(self.rows))]
        for name, rows in self.details.items():
            parts += ["", str(Table(rows, name))]
        return "\n".join([*parts, "", *self.findings])


def _draw(axes: Any, panel: Panel) -> None:
    axes.set(title=panel.title, xlabel=panel.x, ylabel=panel.y)
    for name, (places, values) in panel.series.items():
        kept = [(p, v) for p, v in zip(places, values, strict=True) if math.isfinite(v)]
        if panel.bars:
            axes.bar([str(p) for p, _ in kept], [v for _, v in kept], label=name)
        else:
            axes.plot([p for p, _ in kept], [v for _, v in kept], marker="o" if len(kept) < 12 else None, markersize=3, label=name)
    if panel.log_x:
        axes.set_xscale("log")
    if panel.log_y:
        axes.set_yscale("log")
    if panel.bars:
        axes.tick_params(axis="x", rotation=30)
    if len(panel.series) > 1:
        axes.legend(fontsize="small")
    axes.grid(alpha=0.3)
