"""Aligned text for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_LESS_IS_BETTER = ("log_loss", "rmse", "mae")


def table(rows: Sequence[Sequence[str]]) -> str:
    """Rows of words in aligned columns, the first row being the head."""
    widths = [max(len(r[k]) for r in rows) for k in range(len(rows[0]))]
    return "\n".join("  " + "  ".join(w.ljust(n) for w, n in zip(r, widths, strict=True)).rstrip() for r in rows)


def figures(scores: Mapping[str, float], baseline: Mapping[str, float]) -> list[list[str]]:
    """Measured figures beside those of a trivial baseline, as rows for `table`."""
    rows = [["", "model", "baseline", ""]]
    for name, value in scores.items():
        base = baseline[name]
        better = value < base if name in _LESS_IS_BETTER else value > base
        rows.append([name.replace("_", " "), f"{value:.4g}", f"{base:.4g}", "better" if better else "no better than guessing"])
    return rows


def results(scores: Mapping[str, float], baseline: Mapping[str, float], confused: Sequence[Sequence[Any]]) -> str:
    """Measured figures beside the baseline's, and for more than two classes which were taken for which."""
    lines = [table(figures(scores, baseline))]
    if confused and "auc" not in scores:  # of two classes the figures say it all
        lines += ["", table([["true", "taken for", "times"], *([str(t), str(p), f"{n:,}"] for t, p, n in confused)])]
    return "\n".join(lines)
