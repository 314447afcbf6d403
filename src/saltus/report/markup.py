"""Parts of a page as text: tables, tiles, sections; numbers as people read them. Everything that comes from data is escaped here."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any


class Raw(str):
    """Text that is markup already."""


def text(value: Any) -> str:
    """A value as markup: escaped, unless it is `Raw`.

    Example:
        >>> text("a < b"), text(Raw("<b>"))
        ('a &lt; b', '<b>')
    """
    return str(value) if isinstance(value, Raw) else escape(str(value))


def number(value: Any) -> str:
    """A number with four digits that count.

    Example:
        >>> number(0.123456), number(12345.6), number(3), number(1e-9), number(None)
        ('0.1235', '12,346', '3', '1e-09', '–')
        >>> number(-0.00126)
        '-0.0013'
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if isinstance(value, int) or not math.isfinite(value):
        return f"{value:,}"
    size = abs(value)
    if size and (size < 1e-4 or size >= 1e9):
        return f"{value:.3g}"
    return f"{value:,.{min(4, max(0, 3 - math.floor(math.log10(size)))) if size else 0}f}"


def percent(share: float, digits: int = 1) -> str:
    """A share of 1 as percent.

    Example:
        >>> percent(0.5), percent(float("nan"))
        ('50.0\xa0%', '–')
    """
    return "–" if math.isnan(share) else f"{share * 100:.{digits}f}\N{NO-BREAK SPACE}%"


def table(head: Sequence[str], rows: Iterable[Sequence[Any]], kinds: str = "") -> Raw:
    """A table that scrolls sideways where it does not fit.

    Args:
        head: names of the columns.
        rows: their cells.
        kinds: a letter a column: "l" words, "r" numbers (right-aligned), "w" long words, "k" words that are not broken.
    """
    letters = kinds or "l" * len(head)
    names = {"l": "", "r": ' class="r"', "w": ' class="w"', "k": ' class="k"'}
    top = "".join(f"<th{names[k] if k == 'r' else ''}>{text(name)}</th>" for name, k in zip(head, letters, strict=True))
    body = "".join(
        "<tr>" + "".join(f"<td{names[k]}>{text(cell)}</td>" for cell, k in zip(row, letters, strict=True)) + "</tr>" for row in rows
    )
    return Raw(f'<div class="wide"><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>')


def tiles(cells: Iterable[tuple[str, str, str]]) -> Raw:
    """Figures that are seen first: (name, figure, what stands beside it) each."""
    made = "".join(f'<div class="tile"><span>{text(a)}</span><b>{text(b)}</b><span>{text(c)}</span></div>' for a, b, c in cells)
    return Raw(f'<div class="tiles">{made}</div>')


def section(key: str, title: str, *parts: str) -> Raw:
    """A section with its heading; empty parts are left out."""
    return Raw(f'<section id="{key}"><h2>{text(title)}</h2>{"".join(parts)}</section>')


def charts(figures: Iterable[str]) -> Raw:
    """Figures beside each other, as many as fit."""
    made = "".join(figures)
    return Raw(f'<div class="charts">{made}</div>') if made else Raw("")


def paragraph(words: str, kind: str = "") -> Raw:
    """A paragraph."""
    return Raw(f"<p{f' class={chr(34)}{kind}{chr(34)}' if kind else ''}>{text(words)}</p>")


def heading(words: str) -> Raw:
    """A heading inside a section."""
    return Raw(f"<h3>{text(words)}</h3>")


def bullets(lines: Iterable[str]) -> Raw:
    """A list."""
    made = "".join(f"<li>{text(line)}</li>" for line in lines)
    return Raw(f"<ul>{made}</ul>") if made else Raw("")


def folded(title: str, *parts: str) -> Raw:
    """Something that is opened by a click."""
    return Raw(f"<details><summary>{text(title)}</summary>{''.join(parts)}</details>")


def bar(share: float) -> Raw:
    """A bar of a share of 1, for a cell of a table."""
    wide = 0.0 if math.isnan(share) else min(max(share, 0.0), 1.0)
    return Raw(f'<span class="bar"><i style="width:{wide * 100:.1f}%"></i></span>')


def picture(address: str, about: str, title: str = "") -> Raw:
    """A small picture with words under it."""
    return Raw(f'<figure><img src="{address}" alt="{escape(title or about)}"><figcaption>{text(about)}</figcaption></figure>')


def pictures(made: Iterable[str]) -> Raw:
    """Small pictures beside each other."""
    return Raw(f'<div class="pictures">{"".join(made)}</div>')
