"""The whole page of a run: one HTML file that needs nothing else. Above all other files of `report`."""

from __future__ import annotations

from pathlib import Path

from saltus.report.about_data import about_data
from saltus.report.about_results import about_errors, about_results
from saltus.report.about_training import about_environment, about_network, about_training
from saltus.report.command import command_of
from saltus.report.markup import Raw, number, paragraph, text, tiles
from saltus.report.run import PAGE, Run, write_text
from saltus.report.style import STYLE
from saltus.report.words import done, metric, title, verdict

_TILES = 4


def write_report(run: str | Path | None = None, path: str | Path | None = None) -> Path:
    """Write one self-contained HTML page on a run.

    Args:
        run: the folder that `saltus fit` left; None takes the newest under runs/.
        path: of the page; None writes report.html into that folder.

    Returns:
        The file that was written.

    Raises:
        DataError: it is no folder of a run, the run has not ended, or a file of it is damaged.
        StorageError: the page cannot be written.
    """
    read = Run.read(run)
    target = read.folder / PAGE if path is None else Path(path)
    write_text(target, page(read))
    return target


def page(run: Run) -> str:
    """The page of a run as HTML."""
    sections = [
        about_results(run), about_errors(run), about_training(run), about_data(run), about_network(run), about_environment(run),
    ]  # fmt: skip
    names = [("result", "Result"), ("errors", "Right and wrong"), ("training", "Training"), ("data", "Data"), ("network", "Network"),
             ("environment", "Environment")]  # fmt: skip
    links = "".join(f'<a href="#{key}">{name}</a>' for (key, name), part in zip(names, sections, strict=True) if part)
    words = text(title(run))
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<meta name="generator" content="saltus {text(run.environment.get("saltus", ""))}">'
        f'<link rel="icon" href="data:,"><title>{words}</title><style>{STYLE}</style></head>\n<body>\n'
        f"<header>{_head(run)}<nav>{links}</nav></header>\n<main>{''.join(sections)}</main>\n"
        f"<footer>Written by saltus {text(run.environment.get('saltus', ''))} from the folder {text(run.folder.name)}. This page holds all "
        f"it shows; nothing is loaded.</footer>\n</body></html>\n"
    )


def _head(run: Run) -> Raw:
    started = run.environment.get("started", "")
    scores, baseline = run.result["scores"], run.result["baseline"]
    shown = [name for name in scores if " " not in name][:_TILES]
    cells = [(metric(name), number(scores[name]), f"{run.model.beside} {number(baseline[name])}") for name in shown]
    command = run.environment.get("command", "") if run.trials else command_of(run.config, run.folds.get("dealt"))
    words = " ".join(f"<span>{text(word)}</span>" for word in command.split(" "))  # so that no line ends inside of one
    return Raw(
        f'<p class="over">saltus {text(started)}</p><h1>{text(title(run))}</h1><p class="lead">{text(verdict(run))}</p>{tiles(cells)}'
        f'{paragraph(done(run))}<p class="soft">The same again, bit for bit:</p><pre>{words}</pre>'
    )
