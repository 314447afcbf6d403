"""Cross-validation: the same training on several parts of the data, judged on the rest. Above `corpus` and
`kinds`.

Folds train side by side, one network a core, and share their compiled programs.
"""

from __future__ import annotations

import time as clock
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from saltus.base.errors import ArgumentError, unknown_name
from saltus.data.lazy import LazyModule
from saltus.train import kinds
from saltus.train.corpus import Corpus, fit_options
from saltus.train.estimates import Estimate, bounds_of, estimate
from saltus.train.fitted import Judgement, probabilities, with_changes
from saltus.train.model import Model
from saltus.train.record import History
from saltus.train.records import Table
from saltus.train.samples import Samples
from saltus.train.side import Halt, side_by_side
from saltus.train.splits import Split, given_splits, k_fold

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
        baseline: of data, the same figures of predicting nothing in particular; of series those of the naive forecast.
    """

    split: Split
    scores: dict[str, float]
    history: History
    seconds: float
    model: Any = None
    baseline: dict[str, float] = field(default_factory=dict)


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
        samples: where the data came from files: which sample is which.

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
    samples: Samples | None = field(default=None, repr=False, compare=False)
    scores: dict[str, Estimate] = field(init=False)

    def __post_init__(self) -> None:
        names = list(dict.fromkeys(name for fold in self.folds for name in fold.scores))
        found = {name: [fold.scores.get(name, np.nan) for fold in self.folds] for name in names}
        made = {name: estimate(values, self.confidence, bounds_of(name)) for name, values in found.items()}
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
    def baseline(self) -> dict[str, float]:
        """The mean of the folds' figures of predicting nothing in particular; empty for arrays."""
        names = dict.fromkeys(name for fold in self.folds for name in fold.baseline)
        return {name: float(np.mean([fold.baseline[name] for fold in self.folds if name in fold.baseline])) for name in names}

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

    def out_of_fold(self) -> pl.DataFrame:
        """What was said of each sample by the trainings that had not seen it, as a Polars frame: which sample,
        what is true, what was predicted, and for classes the probability of each.

        Raises:
            ArgumentError: it was a cross-validation of arrays, whose `predictions` are by row.
        """
        if self.samples is None:
            raise ArgumentError("a cross-validation of arrays has no names for its rows", fix="use predictions and targets, a row each")
        rows = self.tested
        return self.samples.frame(rows, self.targets[rows], self.predictions[rows], self.classes)

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
    the same weights, bit for bit, as a `fit` of its rows alone. For tables, texts, images and time series:
    `cross_validate("customers.csv", "churned")`, `cross_validate("flowers/")`; what is learnt from data (how columns are read and
    rescaled, vocabularies, the size of images) is then learnt in each fold from its own training part. Folds of time series
    walk forward: each is a span of time, judged by a network that learnt from the time before.

    Args:
        model: what to train, as a pattern that stays as it is; or data, as `saltus fit` takes them.
        x, y: as for `Model.fit`; for data x is the name of the target.
        folds, stratify, groups, time, repeats: see `k_fold`; of a table groups and time can name columns.
        splits: in place of folds: `bootstrap(...)`, `hold_out(...)`, or pairs (train, test) of row numbers.
        seed: of the splits; None takes the model's.
        confidence: of the intervals.
        workers: trainings at once; None for one a core.
        keep: keep the trained models in the result.
        told: called with each fold that ends.
        training: arguments of `Model.fit` (each fold gets copies of the callbacks); or for data options of their fit, such as those
            of `fit_table`, and kind= ("table", "text", "images", "series") where it is not to be seen from the data.

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
        if y is not None:
            raise ArgumentError("y is for arrays; of files and folders x is the name of the target", fix="leave y out")
        return _of_data(model, x, how, folds, splits, seed, confidence, workers, keep, told, training)
    if x is None or y is None:
        raise ArgumentError("x and y are missing", fix="cross_validate(model, x, y)")
    options = fit_options(training)
    corpus = Corpus(model, x, y, training.get("sample_weight"))
    labels = corpus.labels
    chosen = model.seed if seed is None else seed
    dealt = corpus.rows if labels is None else labels
    listed = _splits(splits, corpus.rows, lambda: k_fold(dealt, folds, seed=chosen, **how))
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


def _splits(splits: Iterable[Any] | None, count: int, deal: Callable[[], list[Split]]) -> list[Split]:
    if splits is None:
        return deal()
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


# -- files and folders -------------------------------------------------------------------------------------------------


def _of_data(
    source: Any, target: str | None, how: dict[str, Any], folds: int, splits: Any, seed: int | None, confidence: float, workers: int | None,
    keep: bool, told: Callable[[Fold], None] | None, changes: dict[str, Any],
) -> CrossValidation:  # fmt: skip
    given = changes.pop("options", None)
    kind = kinds.of_data(source, changes.pop("kind", None), given)
    options = with_changes(given or kind.options(), changes)
    samples = kind.divide(source, target, options)
    listed = _splits(splits, samples.count, lambda: samples.splits(folds, options.seed if seed is None else seed, how))
    options, halt = samples.options, Halt()

    def job(number: int, split: Split) -> Callable[[], tuple[Fold, Any, Judgement]]:
        def run() -> tuple[Fold, Any, Judgement]:
            begin = clock.perf_counter()
            found: list[Judgement] = []
            own = replace(
                options, seed=options.seed + number, verbose=0, told=None, checkpoint=None, resume=False,
                judged=lambda _, judgement: found.append(judgement), callbacks=(*options.callbacks, halt.own()),
            )  # fmt: skip
            prepared = samples.prepare(split, own)
            made = prepared.fit()
            judged = replace(split, test=samples.rows(split, prepared))
            fold = Fold(judged, made.scores, made.history, clock.perf_counter() - begin, made if keep else None, made.baseline)
            return fold, made.classes, found[-1]

        return run

    results = side_by_side(
        [job(k, split) for k, split in enumerate(listed)],
        workers=workers, halt=halt, done=None if told is None else lambda number, result: told(result[0]),
    )  # fmt: skip
    classes = tuple(dict.fromkeys(label for _, known, _ in results for label in known))
    width = np.asarray(results[0][2].true).shape[1:]
    targets = np.full((samples.count, *width), -1 if classes else np.nan, np.int64 if classes else np.float64)
    parts = []
    for fold, known, judgement in results:
        rows, said, true = fold.split.test, np.asarray(judgement.said), np.asarray(judgement.true)
        if classes:
            place = np.array([classes.index(label) for label in known])
            wide = np.zeros((len(rows), len(classes)), np.float32)
            wide[:, place] = said
            said, true = wide, place[true]
        targets[rows] = true
        parts.append((rows, said))
    predictions = _gathered(samples.count, parts)
    return CrossValidation(tuple(fold for fold, *_ in results), predictions, targets, classes, confidence, samples)
