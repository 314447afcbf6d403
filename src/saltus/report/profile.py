"""What a page shows of the data: distributions, examples, worst errors; small plain values, made at the end of a fit.
Above `train`; each kind of data has its own, found by its name in `PROFILES`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from saltus.base.errors import DataError
from saltus.data import Table, read_table
from saltus.data.column import ColumnPlan, ParsedColumn, RawColumn, parse
from saltus.data.lazy import LazyModule
from saltus.data.records import shorten
from saltus.data.texts import read_texts
from saltus.report.picture import thumbnail
from saltus.train import worst_errors
from saltus.train.fitted import Judgement
from saltus.train.series import cuts

if TYPE_CHECKING:
    import polars as pl
else:
    pl = LazyModule("polars")

Array = np.ndarray[Any, Any]

_ROWS = 10_000  # rows that distributions are taken from, evenly over the table
_BINS, _BARS = 24, 8
_WORST, _IMAGES, _CLASSES, _TEXTS = 12, 60, 30, 2
_SERIES, _POINTS = 4, 400


@dataclass(frozen=True)
class Ended:
    """A fit that has ended, with what it was given.

    Attributes:
        model: a `Fitted` of some kind.
        data: what it learnt from, as the kind opened it.
        options: the options of its fit.
        encoded: the samples it was judged on, as the network takes them.
        judgement: what it says of them.
    """

    model: Any
    data: Any
    options: Any
    encoded: Any
    judgement: Judgement

    @property
    def other_test(self) -> Any:
        """The other data that it was judged on, or None."""
        return None if isinstance(self.options.test, (int, float)) or self.model.measured_on != "test" else self.options.test

    @property
    def worst(self) -> list[dict[str, Any]]:
        """Places of the samples that were predicted worst, as "row", with what is true and what was said."""
        made = worst_errors(self.judgement.true, self.judgement.said, _WORST, labels=self.model.classes)
        return [dict(row) for row in made]


def profile_of(ended: Ended) -> dict[str, Any]:
    """What a page shows of the data of a fit, as plain values.

    Args:
        ended: the fit.

    Returns:
        "columns" (name -> distribution), "examples", "worst", "series": what there is of them.
    """
    return PROFILES[ended.model.kind](ended) if ended.model.kind in PROFILES else {}


def evenly(count: int, most: int) -> Array:
    """Numbers below `count`, `most` of them at most, evenly spread.

    Example:
        >>> evenly(10, 3).tolist()
        [0, 4, 9]
    """
    return np.arange(count) if count <= most else np.linspace(0, count - 1, most).round().astype(np.int64)


# -- distributions -----------------------------------------------------------------------------------------------------


def histogram(values: Array, bins: int = _BINS) -> dict[str, Any]:
    """Counts of values in bins of equal width; the outermost half percent of either side falls into the last ones.

    Args:
        values: (N,), finite numbers or times.

    Example:
        >>> histogram(np.array([0.0, 1.0, 1.0, 2.0]), 2)
        {'edges': [-0.5, 1.5, 3.5], 'counts': [3, 1]}
    """
    times = values.dtype.kind == "M"
    numbers = values.astype("datetime64[s]").astype(np.float64) if times else values.astype(np.float64)
    low, high = np.quantile(numbers, [0.005, 0.995]) if len(numbers) > 200 else (numbers.min(), numbers.max())
    if low == high:
        low, high = numbers.min(), numbers.max()
    if not times and high - low >= 2 and not (numbers % 1).any():  # every bin holds equally many whole numbers
        width = np.ceil((high - low + 1) / bins)
        edges = np.arange(np.floor(low) - 0.5, high + width, width)
    else:
        edges = np.linspace(low, high, bins + 1) if low < high else np.array([low - 0.5, low + 0.5])
    counts = np.histogram(np.clip(numbers, edges[0], edges[-1]), edges)[0]
    said = edges.astype("int64").astype("datetime64[s]").astype(str).tolist() if times else edges.tolist()
    return {"edges": said, "counts": counts.tolist()}


def bars(labels: list[str], counts: list[int]) -> dict[str, Any]:
    """The most frequent values with their counts, and how many others there are."""
    order = sorted(range(len(labels)), key=lambda k: -counts[k])
    shown, rest = order[:_BARS], order[_BARS:]
    return {
        "values": [[shorten(labels[k], 30), counts[k]] for k in shown], "others": len(rest), "rest": sum(counts[k] for k in rest),
    }  # fmt: skip


def distribution(column: ParsedColumn) -> dict[str, Any] | None:
    """How the values of a column are spread, or None where there is nothing to show."""
    values = column.values[~column.missing]
    if not len(values):
        return None
    if column.plan.kind == "text" and column.words is not None:
        lengths = column.words.str.count_matches(r"\S+").to_numpy()[values]
        return {**histogram(lengths), "unit": "words"}
    if column.words is not None:
        codes, counts = np.unique(values, return_counts=True)
        return bars(column.words.gather(codes.tolist()).to_list(), counts.tolist())
    if column.plan.kind == "boolean":
        return {"values": [["no", int((values == 0).sum())], ["yes", int((values != 0).sum())]], "others": 0, "rest": 0}
    return histogram(values)


def columns(frame: pl.DataFrame, plans: list[ColumnPlan], missing: frozenset[str]) -> dict[str, Any]:
    """The distribution of each column that can be read under its plan."""
    frame, made = frame[evenly(frame.height, _ROWS)], {}
    for plan in plans:
        try:
            found = distribution(parse(RawColumn(frame[plan.name], missing), plan))
        except (DataError, pl.exceptions.PolarsError):  # a cell of rows that were not learnt from
            continue
        if found is not None:
            made[plan.name] = found
    return made


# -- kinds -------------------------------------------------------------------------------------------------------------


def _table(ended: Ended) -> dict[str, Any]:
    return _of_rows(ended, read_table(ended.data if ended.other_test is None else ended.other_test))


def _of_rows(ended: Ended, judged: Table) -> dict[str, Any]:
    """Distributions of the columns, and the worst errors among the rows that were judged."""
    encoder, frame = ended.model.encoder, read_table(ended.data).frame
    plans = [one.plan for one in encoder.encoders] + [encoder.target.plan]
    shown = columns(frame, plans, encoder.reading.missing)
    return {"columns": shown, "rows": frame.height, "worst": _worst_rows(ended, judged)}


def _worst_rows(ended: Ended, judged: Table) -> list[dict[str, Any]]:
    """The worst errors with the cells of their rows, those that the network gets."""
    used = [one.plan.name for one in ended.model.encoder.encoders]
    made = []
    for found in ended.worst:
        row = int(ended.encoded.rows[found["row"]])
        cells = {name: shorten("" if judged.frame[name][row] is None else judged.frame[name][row], 400) for name in used}
        made.append({**found, "row": row + 1, "given": cells})
    return made


def _texts(ended: Ended) -> dict[str, Any]:
    given = ended.data if ended.other_test is None else read_texts(ended.other_test, encoding=ended.options.encoding)
    judged = ended.model.table(given)
    examples = []
    for code, label in enumerate(ended.model.classes[:_CLASSES]):
        for place in np.flatnonzero(ended.judgement.true == code)[:_TEXTS]:
            text = judged.frame[ended.model.text][int(ended.encoded.rows[place])]
            examples.append({"class": str(label), "text": shorten(text, 240)})
    return {**_of_rows(ended, judged), "examples": examples}


def _images(ended: Ended) -> dict[str, Any]:
    pixels, names, classes = ended.encoded.pixels, ended.encoded.names, ended.model.classes
    each = int(np.clip(_IMAGES // len(classes), 1, 8))
    examples = [
        {"class": str(label), "image": thumbnail(pixels[place])}
        for code, label in enumerate(classes[:_CLASSES])
        for place in np.flatnonzero(ended.judgement.true == code)[:each]
    ]
    worst = [{**found, "file": names[found["row"]], "image": thumbnail(pixels[found["row"]])} for found in ended.worst]
    return {"examples": examples, "worst": worst}


def _series(ended: Ended) -> dict[str, Any]:
    encoder = ended.model.encoder
    frequency = encoder.columns.frequency
    lines, _ = encoder.open(read_table(ended.data))
    shown = []
    for line in lines[:_SERIES]:
        at = evenly(len(line.values), _POINTS)
        shown.append({"name": line.name, "times": iso(frequency.times(line.start + at)), "values": line.values[at].tolist()})
    begin, middle = cuts(lines, ended.options)
    borders = iso(frequency.times(np.array([begin, begin if middle is None else middle])))
    values = np.concatenate([line.values[line.seen] for line in lines])
    return {
        "series": shown, "lines": len(lines), "validation_from": borders[0], "test_from": borders[1],
        "columns": {ended.model.target: histogram(values[evenly(len(values), _ROWS)])},
    }  # fmt: skip


def iso(times: Array) -> list[str]:
    """Times as text that sorts."""
    return times.astype("datetime64[s]").astype(str).tolist()  # type: ignore[no-any-return]


PROFILES: dict[str, Callable[[Ended], dict[str, Any]]] = {"table": _table, "text": _texts, "images": _images, "series": _series}
