"""Aligned text for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_LESS_IS_BETTER = ("log_loss", "rmse", "mae", "mase")


def table(rows: Sequence[Sequence[str]]) -> str:
    """Rows of words in aligned columns, the first row being the head."""
    widths = [max(len(r[k]) for r in rows) for k in range(len(rows[0]))]
    return "\n".join("  " + "  ".join(w.ljust(n) for w, n in zip(r, widths, strict=True)).rstrip() for r in rows)


def figures(
    scores: Mapping[str, float],
    baseline: Mapping[str, float],
    others: Mapping[str, Mapping[str, float]] | None = None,
    beside: str = "baseline",
) -> list[list[str]]:
    """Measured figures beside those of a trivial baseline, and of other simple methods, as rows for `table`."""
    others = others or {}
    rows = [["", "model", beside, *others, ""]]
    for name, value in scores.items():
        simple = [baseline[name], *(figures[name] for figures in others.values())]
        better = value < min(simple) if name.partition(" ")[0] in _LESS_IS_BETTER else value > max(simple)
        said = "better" if better else "no better than these" if others else "no better than guessing"
        rows.append([name.replace("_", " "), f"{value:.4g}", *(f"{figure:.4g}" for figure in simple), said])
    return rows


def results(
    scores: Mapping[str, float],
    baseline: Mapping[str, float],
    confused: Sequence[Sequence[Any]],
    others: Mapping[str, Mapping[str, float]] | None = None,
    beside: str = "baseline",
) -> str:
    """Measured figures beside those of simple methods, and for more than two classes which were taken for which."""
    lines = [table(figures(scores, baseline, others, beside))]
    if confused and "auc" not in scores:  # of two classes the figures say it all
        lines += ["", table([["true", "taken for", "times"], *([str(t), str(p), f"{n:,}"] for t, p, n in confused)])]
    return "\n".join(lines)
