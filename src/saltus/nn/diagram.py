"""Boxes and the ways between them as a drawing: one self-contained SVG picture. Knows nothing of networks; used by `summarise`.

The layout is that of Sugiyama, Tagawa and Toda (1981): each box stands one row below the last box it depends on; a way that passes rows
gets a place of its own in each of them, so that it never runs through a box; within a row, places are ordered and put by the mean of their
neighbours above and below.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from itertools import pairwise

WIDTH, HEIGHT, GAP, DROP, LANE, MARGIN = 208, 62, 28, 30, 22, 20
SWEEPS = 8
# First word of a kind that fits -> colour of the box's edge.
COLOURS = (
    ("Input", "#64748b"), ("Conv", "#2563eb"), ("Depthwise", "#2563eb"), ("Separable", "#2563eb"), ("Dense", "#7c3aed"),
    ("Embedding", "#0d9488"), ("TableInput", "#0d9488"), ("LSTM", "#db2777"), ("GRU", "#db2777"), ("SimpleRNN", "#db2777"),
    ("Bidirectional", "#db2777"), ("Attention", "#ea580c"), ("Transformer", "#ea580c"), ("Normalization", "#ca8a04"),
    ("Pool", "#16a34a"), ("UpSampling", "#16a34a"),
)  # fmt: skip
OTHER = "#94a3b8"
STYLE = """
text{font-family:system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;font-size:12px;fill:#0f172a}
.kind{font-weight:600;font-size:13px}.soft{fill:#475569}
.box{fill:#ffffff;stroke-width:2}.held{stroke-dasharray:5 4}.way{fill:none;stroke:#94a3b8;stroke-width:1.6}.page{fill:#f8fafc}
@media (prefers-color-scheme:dark){text{fill:#e2e8f0}.soft{fill:#94a3b8}.box{fill:#1e293b}.page{fill:#0f172a}.way{stroke:#64748b}}
"""


@dataclass(frozen=True)
class Box:
    """One box.

    Attributes:
        name, kind, shape, about: what stands in it.
        sources: numbers of the boxes it depends on; all come before it.
        held: whether its edge is dashed.
    """

    name: str
    kind: str
    shape: str
    about: str
    sources: tuple[int, ...]
    held: bool = False


@dataclass(eq=False)
class _Place:
    """A box, or a way that passes a row (box is None)."""

    row: int
    box: int | None
    above: list[_Place] = field(default_factory=list)
    below: list[_Place] = field(default_factory=list)
    x: float = 0.0

    @property
    def half(self) -> float:
        return WIDTH / 2 if self.box is not None else LANE / 2


def draw(boxes: Sequence[Box], title: str) -> str:
    """An SVG picture of boxes, from top to bottom in the order of what depends on what.

    Args:
        boxes: each after those it depends on.
        title: for readers that cannot see it.

    Example:
        >>> picture = draw([Box("x", "Input", "(N, 4)", "", ()), Box("dense", "Dense", "(N, 1)", "5 parameters", (0,))], "tiny")
        >>> picture.startswith("<svg"), picture.count("<rect")
        (True, 3)
    """
    rows, ways = _places(boxes)
    _arrange(rows)
    places = [p for row in rows for p in row]
    left = min((p.x - p.half for p in places), default=0.0) - MARGIN
    width = max((p.x + p.half for p in places), default=0.0) + MARGIN - left
    height = len(rows) * (HEIGHT + DROP) - DROP + 2 * MARGIN
    for place in places:
        place.x -= left
    size = f'width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">',
        f"<title>{escape(title)}</title><style>{STYLE}</style>",
        f'<rect class="page" width="{width:.0f}" height="{height:.0f}"/>',
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0L8 4L0 8z" fill="#94a3b8"/></marker></defs>',
        *(_way(way) for way in ways),
        *(_box(boxes[p.box], p) for p in places if p.box is not None),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


# -- places -----------------------------------------------------------------------------------------------------------


def _places(boxes: Sequence[Box]) -> tuple[list[list[_Place]], list[list[_Place]]]:
    """Boxes and passing ways row by row, and each way as the places it goes through."""
    rank: list[int] = []
    for box in boxes:
        rank.append(1 + max((rank[s] for s in box.sources), default=-1))
    rows: list[list[_Place]] = [[] for _ in range(max(rank, default=-1) + 1)]
    made = [_Place(r, i) for i, r in enumerate(rank)]
    for place in made:
        rows[place.row].append(place)
    ways = []
    for number, box in enumerate(boxes):
        for source in box.sources:
            way = [made[source]]
            for row in range(rank[source] + 1, rank[number]):
                rows[row].append(_Place(row, None))
                way.append(rows[row][-1])
            way.append(made[number])
            for upper, lower in pairwise(way):
                upper.below.append(lower)
                lower.above.append(upper)
            ways.append(way)
    return rows, ways


def _arrange(rows: list[list[_Place]]) -> None:
    """Order the places of each row and give them their x, close to those they are joined to."""
    for row in rows:
        _spread(row, [0.0] * len(row))
    for sweep in range(SWEEPS):
        down = sweep % 2 == 0
        for row in rows if down else reversed(rows):
            wishes = {id(p): _mean(p.above if down else p.below, p.x) for p in row}
            row.sort(key=lambda p: wishes[id(p)])
            _spread(row, [wishes[id(p)] for p in row])


def _mean(near: list[_Place], otherwise: float) -> float:
    """Where a place wants to be. A passing way counts little, so that boxes stay below each other."""
    weights = [(1.0 if p.box is not None else 0.2, p.x) for p in near]
    return sum(w * x for w, x in weights) / sum(w for w, _ in weights) if weights else otherwise


def _spread(row: list[_Place], wishes: list[float]) -> None:
    """Put places in their order as near to their wishes as their widths allow: neighbours that touch move as one block."""
    blocks: list[tuple[float, int, list[tuple[_Place, float]]]] = []  # wish of the first place's centre, how many, (place, offset)
    for place, wish in zip(row, wishes, strict=True):
        block: tuple[float, int, list[tuple[_Place, float]]] = (wish, 1, [(place, 0.0)])
        while blocks:
            at, count, held = blocks[-1]
            end, offset = held[-1]
            step = offset + end.half + GAP / 2 + block[2][0][0].half
            if block[0] >= at + step:
                break
            blocks.pop()
            merged = (at * count + (block[0] - step) * block[1]) / (count + block[1])
            block = (merged, count + block[1], [*held, *((p, o + step) for p, o in block[2])])
        blocks.append(block)
    for at, _, held in blocks:
        for place, offset in held:
            place.x = at + offset


# -- drawing ----------------------------------------------------------------------------------------------------------


def _top(place: _Place) -> float:
    return MARGIN + place.row * (HEIGHT + DROP)


def _way(way: list[_Place]) -> str:
    """A line from the bottom of one box to the top of another, straight through the rows it passes."""
    x, y = way[0].x, _top(way[0]) + HEIGHT
    path = [f"M{x:.1f} {y:.1f}"]
    for place in way[1:]:
        top = _top(place)
        middle = (y + top) / 2
        path.append(f"C{x:.1f} {middle:.1f} {place.x:.1f} {middle:.1f} {place.x:.1f} {top:.1f}")
        x, y = place.x, top
        if place.box is None:
            y = top + HEIGHT
            path.append(f"V{y:.1f}")
    return f'<path class="way" d="{"".join(path)}" marker-end="url(#tip)"/>'


def _box(box: Box, place: _Place) -> str:
    x, y = place.x - WIDTH / 2, _top(place)
    colour = next((c for word, c in COLOURS if word in box.kind), OTHER)
    held = " held" if box.held else ""
    lines = [("kind", box.kind, 18), ("", box.name if box.name != box.kind else "", 0), ("soft", box.shape, 36), ("soft", box.about, 53)]
    texts = [
        f'<text class="{kind}" x="{place.x:.1f}" y="{y + at:.1f}" text-anchor="middle">{escape(_fitting(text))}</text>'
        for kind, text, at in lines
        if text and at
    ]
    return (
        f'<g><title>{escape(f"{box.name}: {box.kind} {box.shape} {box.about}".strip())}</title>'
        f'<rect class="box{held}" x="{x:.1f}" y="{y:.1f}" width="{WIDTH}" height="{HEIGHT}" rx="8" stroke="{colour}"/>{"".join(texts)}</g>'
    )


def _fitting(text: str, most: int = 34) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
