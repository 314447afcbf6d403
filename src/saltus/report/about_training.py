"""The parts of a page on the training, the network and what the run stands on."""

from __future__ import annotations

import math
from typing import Any

from saltus.report.charts import Plot, extent
from saltus.report.markup import Raw, charts, folded, number, paragraph, section, table, text
from saltus.report.picture import address
from saltus.report.run import Run
from saltus.report.words import metric
from saltus.train.record import grows

_PLAIN = ("learning_rate", "seconds", "epoch")


def about_training(run: Run) -> Raw:
    """The section on the epochs."""
    history, result = run.history, run.result
    if not len(history):
        return Raw("")
    if run.config.get("ensemble") and "epochs" in history.names:
        said = f"{len(history):,} networks in {seconds(result)} in all; the last epoch of each:"
        names = [name for name in history.names if name not in ("epoch", "seconds")]
        rows = [(record["epoch"], *(number(record.get(name)) for name in names)) for record in history]
        head = ("network", *(metric(name).replace("val ", "validation ") for name in names))
        return section("training", "Training", paragraph(said), table(head, rows, "r" * len(head)))
    best = history.best("val_loss")["epoch"] if "val_loss" in history.names and _known(history["val_loss"]) else None
    said = f"{len(history):,} epochs in {seconds(result)} in all."
    said += f" It ended early: {str(result['stopped']).replace('val_loss', 'the validation loss')}." if result.get("stopped") else ""
    if best and run.config.get("validation") and not run.config.get("ensemble"):
        said += f" The weights of epoch {best} are kept: its validation loss is the lowest."
    names = [name for name in history.names if not name.startswith("val_") and name not in _PLAIN and _numeric(history[name])]
    figures = [_curve(run, name, best) for name in names]
    if "learning_rate" in history.names and len(set(history["learning_rate"])) > 1:
        rates = history["learning_rate"]
        plot = Plot("Learning rate", _epochs(run), extent([0.0], rates), across="epoch", whole=True)
        plot.line(history.epoch, rates, "c")
        figures.append(plot.figure())
    return section("training", "Training", paragraph(said), charts(figures))


def seconds(result: dict[str, Any]) -> str:
    """How long it took, in words."""
    took = float(result["seconds"])
    return f"{took:.1f} seconds" if took < 120 else f"{took / 60:.1f} minutes" if took < 7200 else f"{took / 3600:.1f} hours"


def _known(values: list[Any]) -> bool:
    return any(isinstance(v, int | float) and math.isfinite(v) for v in values)


def _numeric(values: list[Any]) -> bool:
    return all(isinstance(v, int | float) for v in values) and _known(values)


def _epochs(run: Run) -> tuple[float, float]:
    epochs = run.history.epoch
    return float(epochs[0]), float(max(epochs[-1], epochs[0] + 1))


def _curve(run: Run, name: str, best: int | None) -> str:
    """One figure over the epochs, of training and validation."""
    history = run.history
    own = history[name]
    checked = history[f"val_{name}"] if f"val_{name}" in history.names else []
    low, high = extent(own, checked)
    log = not grows(name) and low > 0 and high > 30 * min(v for v in [*own, *checked] if v > 0)
    words = metric(name)
    title = words[:1].upper() + words[1:]
    note = "" if run.model.classes else "Of the target as the network sees it, rescaled."
    reach = (min(v for v in [*own, *checked] if v > 0) * 0.9, high) if log else (low, high)
    plot = Plot(title, _epochs(run), reach, across="epoch", log=log, whole=True, note=note)
    if best is not None and checked:
        plot.upright(best, f"best epoch {best}")
    plot.line(history.epoch, own, "a", "training")
    if checked:
        plot.line(history.epoch, checked, "b", "validation")
    if len(own) == 1:
        plot.dots(history.epoch, own, "a", large=True)
        plot.dots(history.epoch[: len(checked)], checked, "b", large=True)
    return plot.figure()


# -- the network -------------------------------------------------------------------------------------------------------


def about_network(run: Run) -> Raw:
    """The section on the layers, drawn and as a table."""
    summary = run.model.model.summary()
    drawn = f'<img src="{address(summary.to_svg().encode(), "image/svg+xml")}" alt="The layers of the network and the ways between them">'
    facts = summary.to_dict()
    rows = [
        (row["path"], row["kind"], ", ".join(_shape(s) for s in row["output"]), f"{row['parameters']:,}", f"{row['flops']:,}", row["note"])
        for row in facts["layers"]
    ]  # fmt: skip
    head = ("layer", "kind", "output", "parameters", "FLOPs a sample", "")
    totals = Raw("".join(paragraph(line, "soft") for line in summary.totals()))
    listed = table(head, rows, "kkkrrl")
    return section("network", "Network", Raw(f'<div class="network" tabindex="0">{drawn}</div>'), listed, totals)


def _shape(shape: list[Any]) -> str:
    return f"({', '.join('N' if n is None else str(n) for n in shape)}{',' if len(shape) == 1 else ''})"


# -- what it stands on -------------------------------------------------------------------------------------------------


def about_environment(run: Run) -> Raw:
    """The section on versions, machine, seeds, settings and files."""
    found, config = run.environment, run.config
    facts = [("saltus", found.get("saltus", "–")), ("Python", found.get("python", "–"))]
    facts += [(name, version) for name, version in found.get("packages", {}).items()]
    facts += [
        ("system", found.get("system", "–")), ("processor", found.get("processor", "–")), ("threads", found.get("threads", "–")),
        ("started", found.get("started", "–")), ("time", seconds(run.result)), ("seed", config.get("seed", "–")),
        ("data", config.get("data", "–")), ("folder of the run", str(run.folder.resolve())),
        ("command as it was given", Raw(f"<code>{text(found.get('command', '–'))}</code>")),
    ]  # fmt: skip
    settings = [(key, "chosen" if value is None else _setting(value)) for key, value in config.items()]
    files = sorted(path for path in run.folder.iterdir() if path.is_file())
    sizes = [(path.name, f"{path.stat().st_size:,}") for path in files if not path.name.startswith("report")]
    return section(
        "environment", "Environment", table(("", ""), facts, "kw"),
        folded("All settings", table(("setting", "value"), settings, "kw")),
        folded("Files of the run", table(("file", "bytes"), sizes, "kr")),
    )  # fmt: skip


def _setting(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    if isinstance(value, dict):
        return ", ".join(f"{k}={v}" for k, v in value.items()) or "none"
    return str(value)


