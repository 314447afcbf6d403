"""Aligned text for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

_LESS_IS_BETTER = ("loss", "rmse", "mae")


def table(rows: Sequence[Sequence[str]]) -> str:
    """Rows of words in aligned columns, the first row being the head."""
    widths = [max(len(r[k]) for r in rows) for k in range(len(rows[0]))]
    return "\n".join("  " + "  ".join(w.ljust(n) for w, n in zip(r, widths, strict=True)).rstrip() for r in rows)


def figures(result: dict[str, Any]) -> list[list[str]]:
    """Measured figures beside those of the trivial baseline, as rows for `table`."""
    rows = [["", "model", "baseline", ""]]
    for name, value in result.items():
        if name == "rows" or name.startswith("baseline_"):
            continue
        base = result.get(f"baseline_{name}")
        verdict = ""
        if base is not None:
            better = value < base if any(word in name for word in _LESS_IS_BETTER) else value > base
            verdict = "better" if better else "no better than guessing"
        rows.append([name, f"{value:.4g}", "" if base is None else f"{base:.4g}", verdict])
    return rows
