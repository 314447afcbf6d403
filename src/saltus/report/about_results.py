"""The part of a page on how good the model is: figures, confusion, calibration, curves, residuals, worst errors. All
numbers come from `train.curves` and the run's files.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from saltus.report.about_data import seconds
from saltus.report.charts import MANY, Plot, extent, figure, matrix
from saltus.report.markup import Raw, bar, charts, folded, heading, number, paragraph, percent, picture, pictures, section, table, text
from saltus.report.profile import evenly, histogram
from saltus.report.run import Run
from saltus.report.words import beats, horizon, meaning, metric, noun, part
from saltus.train import calibration, confusion_matrix, precision_recall_curve, roc_curve
from saltus.train.curves import Confusion

Array = np.ndarray[Any, Any]

_CLASSES, _LISTED, _DOTS, _CELLS, _WORST, _SURE, _AHEAD, _STEPS = 25, 40, 700, 8, 12, 5, 3, 80


def about_results(run: Run) -> Raw:
    """The section on the figures."""
    return section("result", "Result", paragraph(f"Measured on {part(run)}.", "soft"), _figures(run), _folds(run), _trials(run))


def _figures(run: Run) -> Raw:
    scores, baseline, others = run.result["scores"], run.result["baseline"], run.result.get("others", {})
    rows = []
    for name, value in scores.items():
        mark = Raw('<span class="good">better</span>') if beats(run, name) else Raw('<span class="bad">not better</span>')
        beside = [number(baseline[name]), *(number(figures[name]) for figures in others.values())]
        about = f'<small class="about">{text(meaning(name))}</small>' if meaning(name) else ""
        rows.append((Raw(text(metric(name)) + about), number(value), *beside, mark))
    return table(("", "model", run.model.beside, *others, ""), rows, "lr" + "r" * (1 + len(others)) + "k")


def _folds(run: Run) -> Raw:
    if not run.folds:
        return Raw("")
    rows = [(metric(name), number(e["mean"]), f"{number(e['low'])} to {number(e['high'])}", number(e["std"]))
            for name, e in run.folds["scores"].items()]  # fmt: skip
    count = len(run.folds["folds"])
    each = run.folds["folds"]
    names = list(each[0]) if each else []
    return Raw(
        heading(f"Cross-validation in {count} folds")
        + table(("", "mean", "95 % confidence", "spread of the folds"), rows, "krrr")
        + table([metric(n) for n in names], [[number(row[n]) for n in names] for row in each], "r" * len(names))
    )


def _trials(run: Run) -> Raw:
    trials = run.trials.get("trials", [])
    if not trials:
        return Raw("")
    importance = [(name, percent(share), bar(share)) for name, share in run.trials.get("importance", {}).items()]
    names = list(dict.fromkeys(name for row in trials for name in row))
    rows = [[number(row.get(n)) for n in names] for row in trials]
    return Raw(
        heading(f"Search over {len(trials)} trainings")
        + (table(("setting", "share of the differences it explains", ""), importance, "krl") if importance else "")
        + table(names, rows, "r" * len(names))
    )


# -- errors ------------------------------------------------------------------------------------------------------------


def about_errors(run: Run) -> Raw:
    """The section on where the model is right and wrong."""
    if run.predictions is None or not len(run.predictions):
        return Raw("")
    if run.model.kind == "series":
        return section("errors", "Where it is right and wrong", _forecasts(run))
    if run.model.classes:
        return section("errors", "Where it is right and wrong", _classified(run), _worst(run))
    return section("errors", "Where it is right and wrong", _measured(run), _worst(run))


def _judged(run: Run) -> tuple[Array, Array]:
    """True class numbers and probabilities of the judged samples."""
    assert run.predictions is not None
    names = [str(label) for label in run.model.classes]
    codes = {name: code for code, name in enumerate(names)}
    true = np.array([codes[name] for name in run.predictions["true"].to_list()])
    return true, run.predictions.select([f"probability of {name}" for name in names]).to_numpy()


def _classified(run: Run) -> Raw:
    true, shares = _judged(run)
    found = confusion_matrix(true, shares, run.model.classes)
    confusion, figures = _confusion(found), [_reliability(run, true, shares)]
    if len(run.model.classes) == 2 and 0 < true.sum() < len(true):
        figures += _two_classes(run, true, shares)
    rows = [
        (row["class"], f"{row['rows']:,}", f"{row['predicted']:,}", percent(row["precision"]), percent(row["recall"]),
         number(row["f1"]) if row["rows"] else "–", bar(row["f1"]))
        for row in found.table()
    ]  # fmt: skip
    note = "Precision: how often it is right when it names this class. Recall: how many of this class it finds. F1: both in one."
    head, kinds = ("class", noun(run), "named", "precision", "recall", "F1", ""), "krrrrrl"
    rest = folded(f"{len(rows) - _LISTED:,} more classes", table(head, rows[_LISTED:], kinds)) if len(rows) > _LISTED else ""
    if len(run.model.classes) > MANY:
        shown = Raw(f'<div class="wide">{confusion}</div>' + charts(figures))
    else:
        shown = charts([confusion, *figures])
    return Raw(shown + heading("Class by class") + paragraph(note, "soft") + table(head, rows[:_LISTED], kinds) + rest)


def _confusion(found: Confusion) -> str:
    """The matrix; of many classes those that are mistaken most."""
    counts, names, note = found.counts, [str(label) for label in found.labels], "Share of a row by the depth of its colour."
    if len(names) > _CLASSES:
        wrong = counts.sum(axis=0) + counts.sum(axis=1) - 2 * np.diag(counts)
        kept = np.sort(np.argsort(-wrong, kind="stable")[:_CLASSES])
        counts, note = counts[np.ix_(kept, kept)], f"The {_CLASSES} of {len(names):,} classes that are mistaken most."
        names = [names[k] for k in kept]
    return figure("Which classes are taken for which", matrix(counts, names), note=note)


def _reliability(run: Run, true: Array, shares: Array) -> str:
    """Probabilities against how often they come true."""
    two = shares.shape[1] == 2
    found = calibration(true, shares, positive=1 if two else None)
    bins = [row for row in found.bins if row["rows"]]
    most = max(row["rows"] for row in bins)
    note = f"Off by {percent(found.ece)} on average (expected calibration error). Grey columns: how frequent a probability is."
    across = f"probability of “{run.model.classes[1]}”" if two else "probability of the named class"
    plot = Plot("Can its probabilities be believed?", (0, 1), (0, 1), across=across, up="share that came true", note=note)
    edges = [found.bins[0]["from"], *(row["to"] for row in found.bins)]
    plot.columns(edges, [0.22 * row["rows"] / most for row in found.bins], "n", titles=[f"{row['rows']:,}" for row in found.bins])
    plot.diagonal("perfect")
    for large in (False, True):  # a few rows say little: such bins are small dots beside the line
        part = [row for row in bins if (row["rows"] >= max(5, 0.01 * len(true))) is large]
        x, y = [row["confidence"] for row in part], [row["accuracy"] for row in part]
        if large:
            plot.line(x, y, "a", "model")
        titles = [f"said {percent(row['confidence'])}, came true {percent(row['accuracy'])} of {row['rows']:,}" for row in part]
        plot.dots(x, y, "a", titles=titles, large=large)
    return plot.figure()


def _two_classes(run: Run, true: Array, shares: Array) -> list[str]:
    """ROC and precision-recall curves, with the place where a probability of one half decides."""
    roc, curve, positive = roc_curve(true, shares), precision_recall_curve(true, shares), str(run.model.classes[1])
    half = int(np.searchsorted(-roc.thresholds, -0.5, side="right")) - 1
    note = f"ROC curve, area {roc.area:.3f}; guessing 0.5"
    first = Plot(f"Finding “{positive}”", (0, 1), (0, 1), across="false alarms", up="found", note=note)
    first.diagonal("guessing")
    first.line(roc.x, roc.y, "a", "model")
    titles = [f"{percent(roc.y[half])} found, {percent(roc.x[half])} false alarms"]
    first.dots([roc.x[half]], [roc.y[half]], "b", "deciding at one half", titles=titles, large=True)
    share = float(true.mean())
    note = f"Precision-recall curve, average precision {curve.area:.3f}; guessing {share:.3f}"
    second = Plot(f"Right about “{positive}”", (0, 1), (0, 1), across="recall: found", up="precision: right when named", note=note)
    second.level(share, "guessing")
    second.line(curve.x, curve.y, "a", "model")
    second.dots([curve.x[half]], [curve.y[half]], "b", "deciding at one half", large=True)
    return [first.figure(), second.figure()]


# -- numbers -----------------------------------------------------------------------------------------------------------


def _measured(run: Run) -> Raw:
    assert run.predictions is not None
    true, said = run.predictions["true"].to_numpy(), run.predictions["predicted"].to_numpy()
    return charts([_against(true, said, run.model.target), *_residuals(true, said, run.model.target)])


def _against(true: Array, said: Array, target: str) -> str:
    places = evenly(len(true), _DOTS)
    both = extent(np.quantile(true, [0.002, 0.998]), np.quantile(said, [0.002, 0.998]), pad=0.05)
    inside = places[(true[places] >= both[0]) & (true[places] <= both[1]) & (said[places] >= both[0]) & (said[places] <= both[1])]
    plot = Plot("Predicted against true", both, both, across=f"true {target}", up="predicted")
    plot.diagonal("right")
    plot.dots(true[inside], said[inside], titles=[f"true {number(float(true[k]))}, predicted {number(float(said[k]))}" for k in inside])
    return plot.figure()


def _residuals(true: Array, said: Array, target: str) -> list[str]:
    """How errors are spread, and whether they depend on what is predicted."""
    error = said - true
    found = histogram(error, 30)
    edges, counts = found["edges"], found["counts"]
    note = f"Mean {number(float(error.mean()))}, half of them within {number(float(np.median(np.abs(error))))} of the truth."
    first = Plot("Errors", (edges[0], edges[-1]), (0, max(counts) * 1.05), across="predicted - true", note=note)
    first.columns(edges, counts, titles=[f"{number(a)} to {number(b)}: {n:,}" for a, b, n in zip(edges, edges[1:], counts, strict=False)])
    first.upright(0.0, "right")
    places = evenly(len(true), _DOTS)
    reach = float(np.quantile(np.abs(error), 0.998)) or 1.0
    places = places[np.abs(error[places]) <= reach]
    second = Plot("Errors by what was predicted", extent(said[places]), (-reach * 1.05, reach * 1.05), across=f"predicted {target}",
                  up="predicted - true")  # fmt: skip
    second.level(0.0, "right")
    second.dots(said[places], error[places])
    return [first.figure(), second.figure()]


# -- forecasts ---------------------------------------------------------------------------------------------------------


def _forecasts(run: Run) -> Raw:
    """Forecasts beside what came, of the first series; then all errors."""
    frame, target = run.predictions, run.model.target
    assert frame is not None
    first = frame["series"][0]
    figures = []
    ahead = list(dict.fromkeys(frame["ahead"].to_list()))
    for label in ahead[:_AHEAD]:
        own = frame.filter((frame["series"] == first) & (frame["ahead"] == label)).sort("time").tail(_STEPS)
        at, true, said = seconds(own["time"].to_list()), own["true"].to_numpy(), own["predicted"].to_numpy()
        whose = f" of {first}" if first else ""
        plot = Plot(f"Forecasts{whose}, {horizon(label)} ahead", (at[0], at[-1]), extent(true, said), time=True, note="Their last part.")
        plot.line(at, true, "a", "true")
        plot.line(at, said, "b", "forecast")
        figures.append(plot.figure())
    true, said = frame["true"].to_numpy(), frame["predicted"].to_numpy()
    figures += [_against(true, said, target), *_residuals(true, said, target)]
    error = np.abs(said - true)
    order = np.argsort(-error, kind="stable")[:_WORST]
    several = len(set(frame["series"].to_list())) > 1
    rows = [
        (*([frame["series"][k]] if several else ()), frame["time"][k].replace("T", " ").removesuffix(" 00:00:00"), frame["ahead"][k],
         number(frame["true"][k]), number(frame["predicted"][k]), number(float(said[k] - true[k])), number(frame["naive"][k]))
        for k in order.tolist()
    ]  # fmt: skip
    head = (*(["series"] if several else ()), "time", "ahead", "true", "forecast", "error", "naive")
    return Raw(charts(figures) + heading("Worst errors") + table(head, rows, "k" * (len(head) - 4) + "rrrr"))


# -- worst errors ------------------------------------------------------------------------------------------------------


def _worst(run: Run) -> Raw:
    found = run.profile.get("worst", [])
    if not found:
        return Raw("")
    wrong = [one for one in found if one["true"] != one["predicted"]]
    worst, title = (wrong, "Worst errors") if wrong else (found[:_SURE], "Nothing is wrong; what it is least sure of")
    if run.model.kind == "images":
        made = pictures(
            picture(one["image"], f"{one['true']} → {one['predicted']}, {percent(one['probability_of_true'])}", one["file"])
            for one in worst
        )
        said = "True class → named class, and the probability of the true one."
        return Raw(heading(title) + paragraph(said, "soft") + made)
    cells = list(worst[0]["given"])[:_CELLS]
    kinds = {name: "w" if run.model.kind == "text" else "l" for name in cells}
    numbers = {one["name"] for one in run.data.get("columns", []) if one["kind"] == "number"}
    letters = "".join("r" if name in numbers else kinds[name] for name in cells)
    if run.model.classes:
        head = ("row", "true", "predicted", "for the true class", *cells)
        rows = [(f"{one['row']:,}", str(one["true"]), str(one["predicted"]), percent(one["probability_of_true"]),
                 *(one["given"][name] for name in cells)) for one in worst]  # fmt: skip
        letters = "rkkr" + letters
    else:
        head = ("row", "true", "predicted", "error", *cells)
        rows = [(f"{one['row']:,}", number(one["true"]), number(one["predicted"]), number(one["error"]),
                 *(one["given"][name] for name in cells)) for one in worst]  # fmt: skip
        letters = "rrrr" + letters
    more = len(worst[0]["given"]) - len(cells)
    blocks = any(isinstance(change, dict) and change["action"] == "read in blocks" for change in run.data.get("changes", ()))
    first = "those that were kept in memory to judge it" if blocks else "the data"
    said = f"The {noun(run)} that it judges worst; row 1 is the first one of {first}."
    said += f" {more:,} columns are not shown." if more > 0 else ""
    return Raw(heading(title) + paragraph(said, "soft") + table(head, rows, letters))


