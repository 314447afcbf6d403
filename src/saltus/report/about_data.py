"""The part of a page on the data: columns, what was changed, classes, examples."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

import numpy as np

from saltus.report.charts import Plot, extent, spark
from saltus.report.markup import (
    Raw,
    bar,
    bullets,
    charts,
    folded,
    heading,
    number,
    paragraph,
    percent,
    picture,
    pictures,
    section,
    table,
    text,
)
from saltus.report.run import Run
from saltus.report.words import noun

_CHANGES, _COLUMNS, _CLASSES = 12, 40, 40


def about_data(run: Run) -> Raw:
    """The section on the data."""
    return section("data", "Data", _size(run), _columns(run), _images(run), _classes(run), _values(run), _series(run), _texts(run),
                   _changes(run))  # fmt: skip


def _size(run: Run) -> Raw:
    parts = [f"{count:,} {name}" for name, count in run.model.rows.items() if count]
    return paragraph(f"{noun(run).capitalize()} by part: {', '.join(parts)}. What is learnt from data, such as scales and categories, is "
                     "learnt from the training part only.", "soft")  # fmt: skip


# -- columns -----------------------------------------------------------------------------------------------------------


def _columns(run: Run) -> Raw:
    given = run.data.get("columns")
    if not given:
        return Raw("")
    spread = run.profile.get("columns", {})
    head = ("column", "type", "missing", "distinct", "distribution", "example", "what the network gets")
    rows = [
        (
            one["name"], one["kind"], percent(one["missing"]) if one["missing"] else "none", f"{one['distinct']:,}",
            _distribution(spread.get(one["name"])), str(one["example"])[:60], one["treatment"],
        )
        for one in given
    ]  # fmt: skip
    kinds = "klrrklw"
    if len(rows) <= _COLUMNS:
        return Raw(heading("Columns") + table(head, rows, kinds))
    rest = folded(f"{len(rows) - _COLUMNS:,} more columns", table(head, rows[_COLUMNS:], kinds))
    return Raw(heading("Columns") + table(head, rows[:_COLUMNS], kinds) + rest)


def _distribution(found: dict[str, Any] | None) -> Raw:
    """Small columns; what they are appears under the pointer."""
    if found is None:
        return Raw("")
    if "edges" in found:
        edges, unit = [_edge(v) for v in found["edges"]], f" {found['unit']}" if "unit" in found else ""
        ranges = [f"{a} to {b}{unit}" for a, b in pairwise(edges)]
        return Raw(spark(found["counts"], [f"{where}: {n:,}" for where, n in zip(ranges, found["counts"], strict=True)]))
    pairs = [(str(value), count) for value, count in found["values"]]
    if found["others"]:
        pairs.append((f"{found['others']:,} other values", found["rest"]))
    return Raw(spark([n for _, n in pairs], [f"{value}: {n:,}" for value, n in pairs], width=min(132, 22 * len(pairs))))


def _edge(value: Any) -> str:
    return str(value).replace("T", " ").removesuffix(" 00:00:00") if isinstance(value, str) else number(float(value))


# -- targets -----------------------------------------------------------------------------------------------------------


def _classes(run: Run) -> Raw:
    classes, rows = run.model.classes, run.model.rows
    if not classes:
        return Raw("")
    judged = Counter(run.predictions["true"].to_list()) if run.predictions is not None else {}
    total = max(sum(judged.values()), 1)
    part = run.model.measured_on
    order = sorted(range(len(classes)), key=lambda k: -run.model.trivial[k])
    lines = [
        (
            str(classes[k]), f"{round(run.model.trivial[k] * rows['train']):,}", percent(run.model.trivial[k]), bar(run.model.trivial[k]),
            *([f"{judged.get(str(classes[k]), 0):,}", percent(judged.get(str(classes[k]), 0) / total)] if judged else ()),
        )
        for k in order
    ]  # fmt: skip
    beside = (part, "") if judged else ()
    head, kinds = (run.model.target, "train", "", "", *beside), "krrl" + "r" * len(beside)
    made = table(head, lines[:_CLASSES], kinds)
    if len(lines) > _CLASSES:
        made = Raw(made + folded(f"{len(lines) - _CLASSES:,} more classes", table(head, lines[_CLASSES:], kinds)))
    return Raw(heading("Balance of the classes") + made)


def _values(run: Run) -> Raw:
    """The distribution of a number that is predicted."""
    found = run.profile.get("columns", {}).get(run.model.target)
    if run.model.classes or found is None or "edges" not in found:
        return Raw("")
    edges, counts = found["edges"], found["counts"]
    plot = Plot(f"Values of {run.model.target}", (edges[0], edges[-1]), (0, max(counts) * 1.05), across=run.model.target, up=noun(run)
                if run.model.kind != "series" else "values")  # fmt: skip
    plot.columns(edges, counts, titles=[f"{_edge(a)} to {_edge(b)}: {n:,}" for a, b, n in zip(edges, edges[1:], counts, strict=False)])
    return charts([plot.figure()])


# -- examples ----------------------------------------------------------------------------------------------------------


def _images(run: Run) -> Raw:
    if run.model.kind != "images":
        return Raw("")
    examples = run.profile.get("examples", [])
    form = run.data.get("images", {})
    about = ""
    if form:
        colour = {1: "grey", 3: "colour"}.get(form["channels"], f"{form['channels']} channels")
        about = paragraph(f"The network sees {form['height']} × {form['width']} pixels, {colour}.")
    grid = pictures(picture(one["image"], one["class"]) for one in examples)
    return Raw(about + (heading(f"Examples from the {run.model.measured_on} part") + grid if examples else ""))


def _texts(run: Run) -> Raw:
    if run.model.kind != "text":
        return Raw("")
    examples = run.profile.get("examples", [])
    quotes = "".join(f"<blockquote>{text(one['text'])}<br><small>{text(one['class'])}</small></blockquote>" for one in examples)
    lengths = run.profile.get("columns", {}).get(run.model.text)
    figures = []
    if lengths:
        edges, counts = lengths["edges"], lengths["counts"]
        plot = Plot("Length of the texts", (edges[0], edges[-1]), (0, max(counts) * 1.05), across="words", up="texts")
        titles = [f"{_edge(a)} to {_edge(b)} words: {n:,}" for a, b, n in zip(edges, edges[1:], counts, strict=False)]
        plot.columns(edges, counts, titles=titles)
        figures.append(plot.figure())
    return Raw((heading(f"Examples from the {run.model.measured_on} part") + quotes if quotes else "") + charts(figures))


def _series(run: Run) -> Raw:
    figures = []
    for line in run.profile.get("series", []):
        at = seconds(line["times"])
        values = np.array([np.nan if v is None else v for v in line["values"]], np.float64)
        name = f"{run.model.target}, {line['name']}" if line["name"] else run.model.target
        plot = Plot(name, (at[0], at[-1]), extent(values), time=True)
        validation, test = seconds([run.profile["validation_from"], run.profile["test_from"]])
        if run.model.rows.get("validation"):
            plot.shade(validation, test, "validation")
        if run.model.rows.get("test") and test < at[-1]:
            plot.shade(test, at[-1], "test")
        plot.line(at, values)
        figures.append(plot.figure())
    if not figures:
        return Raw("")
    more = run.profile["lines"] - len(figures)
    return Raw(heading("The series") + charts(figures) + (paragraph(f"and {more:,} more", "soft") if more else ""))


def seconds(times: list[str]) -> np.ndarray[Any, Any]:
    """Times of a profile in seconds since 1970."""
    return np.array(times, "datetime64[s]").astype(np.float64)


# -- changes -----------------------------------------------------------------------------------------------------------


def _changes(run: Run) -> Raw:
    lines = [one if isinstance(one, str) else _change(one) for one in run.data.get("changes", [])]
    lines += [f"left out: {one}" for one in run.data.get("skipped", [])]
    if not lines:
        return Raw("")
    more = folded(f"{len(lines) - _CHANGES:,} more", bullets(lines[_CHANGES:])) if len(lines) > _CHANGES else ""
    return Raw(heading("What was noticed and changed") + bullets(lines[:_CHANGES]) + more)


def _change(one: dict[str, Any]) -> str:
    where = f"{one['column']}: " if one["column"] else ""
    return where + one["text"] + (f" ({'; '.join(one['examples'])})" if one["examples"] else "")
