"""Cross-validation: the same training on several parts of the data, judged on the rest. Above `corpus` and
`tabular`.

Folds train side by side, one network a core, and share their compiled programs.
"""

from __future__ import annotations

import time as clock
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from saltus.base.errors import ArgumentError, DataError, unknown_name
from saltus.data import Table as DataTable
from saltus.data import TableEncoder, read_table
from saltus.data.lazy import LazyModule
from saltus.train.corpus import Corpus, fit_options
from saltus.train.estimates import Estimate, estimate
from saltus.train.fitted import probabilities
from saltus.train.model import Model
from saltus.train.record import History
from saltus.train.records import Table
from saltus.train.side import Halt, side_by_side
from saltus.train.splits import Split, given_splits, k_fold
from saltus.train.tabular import TableOptions, TabularModel, chosen_target, fit_table, with_changes

if TYPE_CHECKING:
    import polars as pl
else:
    pl = LazyModule("polars")

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Fold:
    """One training of a cross-validation.

    Attributes:
        split: its rows.
        scores: figures on the test rows.
        history: record of the training.
        seconds: it took, beside others.
        model: what was trained, if it was to be kept.
    """

    split: Split
    scores: dict[str, float]
    history: History
    seconds: float
    model: Any = None


@dataclass(frozen=True)
class CrossValidation:
    """What a cross-validation found.

    Attributes:
        folds: one entry a training.
        predictions: what was said of each row by the trainings that had not seen it, their mean where there are several:
            (N, outputs) or (N,); NaN where no split judges a row.
        targets: the true values, or class numbers (N,).
        classes: labels in the order of the columns of `predictions`; empty without classes.
        confidence: of the intervals.

    Example:
        >>> import numpy as np, saltus as sl
        >>> from saltus import nn
        >>> x = np.linspace(-1, 1, 40, dtype="float32")[:, None]
        >>> model = sl.Model(nn.Sequential([nn.Dense(1)]), loss="mse", optimizer=sl.optim.SGD(0.1))
        >>> result = cross_validate(model, x, 2 * x, folds=4, epochs=50, batch_size=8)
        >>> result["loss"].mean < 1e-3, result.predictions.shape
        (True, (40, 1))
    """

    folds: tuple[Fold, ...]
    predictions: Any
    targets: Any
    classes: tuple[Any, ...] = ()
    confidence: float = 0.95
    scores: dict[str, Estimate] = field(init=False)

    def __post_init__(self) -> None:
        names = list(dict.fromkeys(name for fold in self.folds for name in fold.scores))
        made = {name: estimate([fold.scores.get(name, np.nan) for fold in self.folds], self.confidence) for name in names}
        object.__setattr__(self, "scores", made)

    def __getitem__(self, name: str) -> Estimate:
        """The estimate of a score.

        Raises:
            UnknownNameError: nothing of that name was measured.
        """
        if name not in self.scores:
            raise unknown_name("score", name, self.scores)
        return self.scores[name]

    @property
    def tested(self) -> Array:
        """Rows (n,) that some split judges."""
        return np.unique(np.concatenate([fold.split.test for fold in self.folds]))

    @property
    def histories(self) -> list[History]:
        """The record of each training."""
        return [fold.history for fold in self.folds]

    @property
    def probabilities(self) -> Array:
        """`predictions` of a classifier as probabilities (N, classes), whether its network gives logits or not."""
        found = np.full(self.predictions.shape, np.nan, np.float32)
        found[self.tested] = probabilities(self.predictions[self.tested])
        return found

    def table(self) -> Table:
        """One row a fold, with its figures."""
        return Table(
            [
                {
                    "repeat": f.split.repeat, "fold": f.split.fold, "train": len(f.split.train), "test": len(f.split.test), **f.scores,
                    "epochs": len(f.history), "seconds": f.seconds,
                }
                for f in self.folds
            ]
        )  # fmt: skip

    def to_frame(self) -> pl.DataFrame:
        """One row a fold, as a Polars frame."""
        return self.table().to_frame()

    def __str__(self) -> str:
        said = [f"{name}  {value}" for name, value in self.scores.items()]
        share = f"{self.confidence:.0%}".replace("%", " %")
        return "\n".join([str(self.table()), "", f"mean of {len(self.folds)} folds, with its {share} confidence interval:", *said])


def cross_validate(
    model: Any,
    x: Any = None,
    y: Any = None,
    *,
    folds: int = 5,
    stratify: bool | None = None,
    groups: Any = None,
    time: Any = None,
    repeats: int = 1,
    splits: Iterable[Any] | None = None,
    seed: int | None = None,
    confidence: float = 0.95,
    workers: int | None = None,
    keep: bool = False,
    told: Callable[[Fold], None] | None = None,
    **training: Any,
) -> CrossValidation:
    """Train the same on several parts of the data and judge each time on the rest.

    For arrays: `cross_validate(model, x, y, epochs=10)`. Training number k begins with the seed of the model plus k, and gives
    the same weights, bit for bit, as a `fit` of its rows alone. For tables: `cross_validate("customers.csv", "churned")`; what is
    learnt from data (how columns are read and rescaled, too) is then learnt in each fold from its own training rows.

    Args:
        model: what to train, as a pattern that stays as it is; or a table, as `fit_table` takes it.
        x, y: as for `Model.fit`; for a table x is the name of the target.
        folds, stratify, groups, time, repeats: see `k_fold`; for a table groups and time can name columns.
        splits: in place of folds: `bootstrap(...)`, `hold_out(...)`, or pairs (train, test) of row numbers.
        seed: of the splits; None takes the model's.
        confidence: of the intervals.
        workers: trainings at once; None for one a core.
        keep: keep the trained models in the result.
        told: called with each fold that ends.
        training: arguments of `Model.fit` (each fold gets copies of the callbacks), or options of `fit_table`.

    Returns:
        Figures by fold, their mean with its confidence interval, predictions for rows not trained on, histories.

    Raises:
        ArgumentError: fewer rows, groups or rows of a class than folds.
        UnknownNameError: an argument, metric, monitor or column is not known.
        DataError, ShapeError: the data do not fit.

    Source: Stone, "Cross-validatory choice and assessment of statistical predictions", 1974.
    """
    how = {"stratify": stratify, "groups": groups, "time": time, "repeats": repeats}
    if not isinstance(model, Model):
        return _of_table(model, x, how, folds, splits, seed, confidence, workers, keep, told, training)
    if x is None or y is None:
        raise ArgumentError("x and y are missing", fix="cross_validate(model, x, y)")
    options = fit_options(training)
    corpus = Corpus(model, x, y, training.get("sample_weight"))
    labels = corpus.labels
    chosen = model.seed if seed is None else seed
    listed = _splits(splits, corpus.rows if labels is None else labels, corpus.rows, folds, chosen, how)
    halt = Halt()

    def job(number: int, split: Split) -> Callable[[], tuple[Fold, Any]]:
        def run() -> tuple[Fold, Any]:
            begin = clock.perf_counter()
            own = model.clone(seed=model.seed + number)
            history = corpus.train(own, split.train, options, test=split.test, halt=halt)
            scores = corpus.measure(own, split.test)
            outputs = corpus.predict(own, split.test)
            return Fold(split, scores, history, clock.perf_counter() - begin, own if keep else None), outputs

        return run

    made = side_by_side(
        [job(k, split) for k, split in enumerate(listed)],
        workers=workers, halt=halt, done=None if told is None else lambda number, result: told(result[0]),
    )  # fmt: skip
    several = isinstance(made[0][1], (tuple, dict))
    predictions = None if several else _gathered(corpus.rows, [(f.split.test, outputs) for f, outputs in made])
    return CrossValidation(tuple(f for f, _ in made), predictions, corpus.targets, (), confidence)


def _splits(splits: Iterable[Any] | None, rows: Any, count: int, folds: int, seed: int, how: dict[str, Any]) -> list[Split]:
    if splits is None:
        return k_fold(rows, folds, seed=seed, **how)
    return given_splits([splits] if isinstance(splits, Split) else splits, count)


def _gathered(rows: int, parts: Sequence[tuple[Array, Array]]) -> Array:
    """Predictions by row, the mean where a row has several, NaN where it has none."""
    first = parts[0][1]
    total, times = np.zeros((rows, *first.shape[1:]), np.float64), np.zeros(rows)
    for where, outputs in parts:
        np.add.at(total, where, outputs)
        np.add.at(times, where, 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return (total / times.reshape(-1, *[1] * (first.ndim - 1))).astype(np.float32)


# -- tables ------------------------------------------------------------------------------------------------------------


def _of_table(
    source: Any, target: Any, how: dict[str, Any], folds: int, splits: Any, seed: int | None, confidence: float, workers: int | None,
    keep: bool, told: Callable[[Fold], None] | None, changes: dict[str, Any],
) -> CrossValidation:  # fmt: skip
    given = changes.pop("options", None)
    options: TableOptions = with_changes(given or TableOptions(), changes)
    read = read_table(source)
    name = chosen_target(read, target)
    frame = read.frame.filter(read.frame[name].is_not_null())
    groups = how["groups"]
    if isinstance(groups, str):
        options = replace(options, overrides={**(options.overrides or {}), groups: "drop"})
    how = {**how, "groups": _column(frame, groups, "groups"), "time": _ordered(frame, how["time"])}
    if how["stratify"] is None:
        how["stratify"] = groups is None and how["time"] is None and _task(frame, name, options) == "classification"
    listed = _splits(splits, frame[name].to_numpy(), frame.height, folds, options.seed if seed is None else seed, how)
    halt = Halt()

    def part(rows: Array) -> DataTable:
        return DataTable(frame[rows], read.name, read.notes)

    def job(number: int, split: Split) -> Callable[[], tuple[Fold, TabularModel, Array, Array, Any]]:
        def run() -> tuple[Fold, TabularModel, Array, Array, Any]:
            begin = clock.perf_counter()
            test = part(split.test)
            own = replace(
                options, test=test, seed=options.seed + number, verbose=0, told=None, checkpoint=None, resume=False,
                callbacks=(*options.callbacks, halt.own()),
            )  # fmt: skip
            made = fit_table(part(split.train), name, own)
            encoded = made.encoder.transform(test, target=True)
            fold = Fold(split, made.scores, made.history, clock.perf_counter() - begin, made if keep else None)
            return fold, made, split.test[encoded.rows], made.outputs(encoded), encoded.target

        return run

    results = side_by_side(
        [job(k, split) for k, split in enumerate(listed)],
        workers=workers, halt=halt, done=None if told is None else lambda number, result: told(result[0]),
    )  # fmt: skip
    classes = tuple(dict.fromkeys(label for _, made, *_ in results for label in made.classes))
    targets = np.full(frame.height, -1 if classes else np.nan, np.int64 if classes else np.float64)
    parts = []
    for _, made, rows, outputs, codes in results:
        if classes:
            place = np.array([classes.index(label) for label in made.classes])
            wide = np.zeros((len(rows), len(classes)), np.float32)
            wide[:, place] = outputs
            targets[rows] = place[codes]
            parts.append((rows, wide))
        else:
            parts.append((rows, made.encoder.decode_target(outputs)))
            targets[rows] = made.encoder.decode_target(codes)
    return CrossValidation(tuple(r[0] for r in results), _gathered(frame.height, parts), targets, classes, confidence)


def _task(frame: pl.DataFrame, target: str, options: TableOptions) -> str | None:
    """What kind of target it is, by all its values."""
    if options.task is not None:
        return options.task
    beside = frame.select(target).with_row_index("row of the table")
    return TableEncoder(drop_duplicates=False).fit(beside, target, overrides={"row of the table": "number"}).task


def _column(frame: pl.DataFrame, given: Any, what: str) -> Any:
    """A column by its name, or what else was given."""
    if not isinstance(given, str):
        return given
    if given not in frame.columns:
        raise unknown_name(f"column of {what}", given, frame.columns)
    return frame[given].to_numpy()


def _ordered(frame: pl.DataFrame, given: Any) -> Any:
    """Values to order rows by."""
    if not isinstance(given, str):
        return given
    _column(frame, given, "time")
    column = frame[given]
    if column.dtype == pl.String:
        try:
            column = column.str.to_datetime()
        except pl.exceptions.PolarsError as error:
            raise DataError(
                f"the time column {given!r} holds texts such as {column[0]!r}, which are no dates",
                fix="write dates as 2024-12-31, or use a number",
            ) from error
    if column.null_count():
        raise DataError(f"the time column {given!r} has {column.null_count()} empty cells", fix="leave out rows without a time")
    return column.to_physical().to_numpy()
