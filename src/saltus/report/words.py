"""What a run came to, in plain sentences."""

from __future__ import annotations

import math

from saltus.report.markup import number, percent
from saltus.report.run import Run
from saltus.train.record import grows

NOUNS = {"table": "rows", "text": "texts", "images": "images", "series": "windows"}
LABELS = {"auc": "area under the ROC curve", "rmse": "RMSE", "mae": "MAE", "mase": "MASE", "r2": "R²"}
MEANING = {
    "accuracy": "share of right predictions",
    "balanced_accuracy": "the same, every class counting alike",
    "log_loss": "how much the truth surprises it; less is better",
    "auc": "chance that a row of the second class gets a higher probability than one of the first",
    "rmse": "root of the mean squared error, in the target's unit; less is better",
    "mae": "mean distance from the truth, in the target's unit; less is better",
    "r2": "explained share of the target's variance",
    "mase": "error beside that of the seasonal naive forecast in training; less is better",
}


def noun(run: Run) -> str:
    """What its samples are called."""
    return NOUNS.get(run.model.kind, "samples")


def part(run: Run) -> str:
    """Which samples the figures are from, such as "24 rows never trained on"."""
    count, what = f"{run.result['rows']:,}", noun(run)
    return {
        "test": f"{count} {what} never trained on",
        "validation": f"{count} validation {what} (they also chose the epoch; no others were held out)",
        "train": f"{count} training {what} (no others were held out, so new {what} will fare worse)",
    }[run.result["measured_on"]]


def source(run: Run) -> str:
    """What it learnt from, by its last name."""
    return str(run.config["data"]).rstrip("/\\").replace("\\", "/").rpartition("/")[2]


def title(run: Run) -> str:
    """The title of the page."""
    return f"{source(run)}: {'forecasting' if run.model.kind == 'series' else 'predicting'} {run.model.target}"


def done(run: Run) -> str:
    """What was done, in two sentences."""
    model, rows = run.model, run.model.rows
    what = noun(run)
    if model.kind == "series":
        task = f"forecast “{model.target}” {' and '.join(horizon(label) for label in model.encoder.labels)} ahead"
    elif model.classes:
        task = f"tell {len(model.classes)} classes of {'images' if model.kind == 'images' else f'“{model.target}”'} apart"
    else:
        task = f"predict the number “{model.target}”"
    ensemble = run.config.get("ensemble")
    who = f"An ensemble of networks ({ensemble})" if ensemble else f"A network of {model.model.count:,} parameters"
    if run.config.get("distill"):
        who = f"A network of {model.model.count:,} parameters, taught by an ensemble ({ensemble}),"
    held = f", {rows['validation']:,} chose the epoch" if rows.get("validation") else ""
    judged = f" and {rows['test']:,} were kept to judge it" if rows.get("test") else ""
    return f"{who} learnt to {task}. It was trained on {rows['train']:,} {what}{held}{judged}."


def horizon(label: str) -> str:
    """How far ahead, in words.

    Example:
        >>> horizon("+1"), horizon("+7"), horizon("week")
        ('1 step', '7 steps', 'a week')
    """
    if label.startswith("+"):
        return f"{label[1:]} step{'s' * (label != '+1')}"
    return f"{'an' if label[0] in 'aeiou' or label == 'hour' else 'a'} {label}"


def verdict(run: Run) -> str:
    """The result beside the trivial baseline, in words."""
    scores, baseline = run.result["scores"], run.result["baseline"]
    if "accuracy" in scores:
        low, high = interval(scores["accuracy"], run.result["rows"])
        said = (
            f"It names the right class for {percent(scores['accuracy'])} of {part(run)} (between {percent(low)} and {percent(high)} with "
            f"95 % confidence). Always naming the most frequent class is right for {percent(baseline['accuracy'])}."
        )
        return said + _useful(run, "balanced_accuracy" if scores["accuracy"] == baseline["accuracy"] else "accuracy")
    if run.model.kind == "series":
        others = "".join(f", the {name} one by {number(figures['mae'])}" for name, figures in run.result.get("others", {}).items())
        said = (
            f"Its forecasts are off by {number(scores['mae'])} on average over {part(run)}. The naive forecast, that nothing changes, is "
            f"off by {number(baseline['mae'])}{others}."
        )
        return said + _useful(run, "mae")
    said = (
        f"Its predictions are off by {number(scores['mae'])} on average over {part(run)}. Always naming the mean is off by "
        f"{number(baseline['mae'])}."
    )
    return said + _useful(run, "mae")


def _useful(run: Run, name: str) -> str:
    if beats(run, name):
        return ""
    return " So the network is no better than that: it has found nothing in these data that helps."


def beats(run: Run, name: str) -> bool:
    """Whether a figure is better than those of all simple methods."""
    own = run.result["scores"][name]
    simple = [run.result["baseline"][name], *(figures[name] for figures in run.result.get("others", {}).values())]
    return bool(own > max(simple) if grows(name) else own < min(simple))


def metric(name: str) -> str:
    """A figure's name for people."""
    first, space, horizon = name.partition(" ")
    checked = "val " * first.startswith("val_")
    return checked + LABELS.get(first.removeprefix("val_"), first.removeprefix("val_").replace("_", " ")) + space + horizon


def meaning(name: str) -> str:
    """What a figure says."""
    return MEANING.get(name, "")


def interval(share: float, count: int) -> tuple[float, float]:
    """Where a share that was counted lies with 95 % confidence.

    Args:
        share: of 1.
        count: samples.

    Source: Wilson, "Probable inference, the law of succession, and statistical inference", 1927.

    Example:
        >>> [round(end, 3) for end in interval(0.8, 100)]
        [0.711, 0.867]
    """
    z = 1.959964
    middle, width = share + z * z / (2 * count), z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return (middle - width) / (1 + z * z / count), (middle + width) / (1 + z * z / count)
