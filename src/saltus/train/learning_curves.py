"""Learning curves: what more data, or a larger network, would bring. Above `corpus`; trainings run side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from saltus.base.errors import ArgumentError
from saltus.data.lazy import LazyModule
from saltus.train.corpus import Corpus, fit_options
from saltus.train.estimates import Estimate, estimate
from saltus.train.model import Model
from saltus.train.record import grows
from saltus.train.records import Table
from saltus.train.side import Halt, side_by_side
from saltus.train.splits import Split, k_fold

if TYPE_CHECKING:
    import polars as pl
else:
    pl = LazyModule("polars")

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class LearningCurve:
    """Figures over the number of rows, or over networks.

    Attributes:
        over: "rows" or "network".
        at: numbers of rows, or names of networks.
        train, test: by figure, an estimate for each entry of `at`, on rows trained on and on others.
        parameters: of the networks.

    Example:
        >>> import numpy as np, saltus as sl
        >>> from saltus import nn
        >>> x = np.random.default_rng(0).normal(size=(90, 3)).astype("float32")
        >>> model = sl.Model(nn.Sequential([nn.Dense(1)]), loss="mse", optimizer=sl.optim.SGD(0.1))
        >>> curve = learning_curve(model, x, x.sum(axis=1, keepdims=True), sizes=[0.2, 1.0], folds=3, epochs=5)
        >>> curve.at, curve.test["loss"][0].mean > curve.test["loss"][1].mean
        ((12, 60), True)
    """

    over: str
    at: tuple[Any, ...]
    train: dict[str, tuple[Estimate, ...]]
    test: dict[str, tuple[Estimate, ...]]
    parameters: tuple[int, ...]

    def table(self) -> Table:
        """A row a point: figures on both parts, with the half width of the test figure's interval."""
        rows = []
        for k, at in enumerate(self.at):
            row: dict[str, Any] = {self.over: at, "parameters": self.parameters[k]}
            for name in self.test:
                found = self.test[name][k]
                row |= {f"train_{name}": self.train[name][k].mean, f"test_{name}": found.mean, f"test_{name}_±": found.high - found.mean}
            rows.append(row)
        return Table(rows)

    def to_frame(self) -> pl.DataFrame:
        """A row a point, as a Polars frame."""
        return self.table().to_frame()

    def verdict(self, monitor: str = "loss") -> str:
        """What the last step of the curve says, in words.

        Args:
            monitor: the figure to go by.
        """
        test, train = self.test[monitor], self.train[monitor]
        sign = 1.0 if grows(monitor) else -1.0
        gain = sign * (test[-1].mean - test[-2].mean) if len(test) > 1 else 0.0
        noise = max(test[-1].high - test[-1].mean, 0.0) if test[-1].count > 1 else 0.0
        gap = sign * (train[-1].mean - test[-1].mean)
        what = "more rows" if self.over == "rows" else "a larger network"
        first = f"{what} still help" if gain > noise else f"{what} would change little" if abs(gain) <= noise else f"{what} make it worse"
        if self.over == "network":
            first = first.replace("still help", "still helps").replace("make it", "makes it")
        second = "rows not trained on are much worse: it overfits" if gap > max(2 * noise, 1e-9) else "both parts are alike"
        return f"{first}; {second}"

    def __str__(self) -> str:
        return f"{self.table()}\n{self.verdict()}"


def learning_curve(
    model: Model, x: Any, y: Any, *, sizes: Sequence[float] = (0.1, 0.25, 0.5, 0.75, 1.0), folds: int = 3, workers: int | None = None,
    **training: Any,
) -> LearningCurve:  # fmt: skip
    """Train on growing parts of the data, and judge on the same rows each time: would more data help?

    Args:
        model: what to train, as a pattern that stays as it is.
        x, y: as for `Model.fit`.
        sizes: shares of the training rows (up to 1.0), or numbers of them.
        folds: each size is measured so many times, on other rows.
        workers: trainings at once; None for one a core.
        training: arguments of `Model.fit`.

    Raises:
        ArgumentError: a size below 1 row or above all; or as `k_fold`.
    """
    corpus = Corpus(model, x, y, training.get("sample_weight"))
    splits = _splits(corpus, folds, model.seed)
    most = min(len(split.train) for split in splits)
    counts = [round(s * most) if isinstance(s, float) and s <= 1 else int(s) for s in sizes]
    if not counts or min(counts) < 1 or max(counts) > most:
        raise ArgumentError(f"sizes are {list(sizes)}, expected shares up to 1.0 or 1 to {most} rows", fix="leave them out")
    counts = sorted(set(counts))
    built = [(model, split, _first(split, count, corpus, model.seed)) for count in counts for split in splits]
    return _curve("rows", counts, built, corpus, folds, workers, training)


def size_curve(
    models: Mapping[str, Model], x: Any, y: Any, *, folds: int = 3, workers: int | None = None, **training: Any
) -> LearningCurve:
    """Train networks of several sizes on the same rows: would a larger one help?

    Args:
        models: name -> pattern, from small to large.
        x, y, folds, workers, training: as for `learning_curve`.

    Raises:
        ArgumentError: there are no models; or as `k_fold`.
    """
    if not models:
        raise ArgumentError("there are no models to compare", fix='give patterns: {"16": small, "64": large}')
    patterns = list(models.values())
    corpus = Corpus(patterns[0], x, y, training.get("sample_weight"))
    splits = _splits(corpus, folds, patterns[0].seed)
    return _curve("network", list(models), [(m, s, s.train) for m in patterns for s in splits], corpus, folds, workers, training)


def _splits(corpus: Corpus, folds: int, seed: int) -> list[Split]:
    return k_fold(corpus.rows if corpus.labels is None else corpus.labels, folds, seed=seed)


def _first(split: Split, count: int, corpus: Corpus, seed: int) -> Array:
    """So many training rows of a split, a part of any larger number, with about equal shares of the classes."""
    generator = np.random.Generator(np.random.Philox(key=[seed & 0xFFFFFFFFFFFFFFFF, split.fold]))
    rows = split.train[generator.permutation(len(split.train))]
    if corpus.labels is not None:
        labels = corpus.labels[rows]
        _, codes, sizes = np.unique(labels, return_inverse=True, return_counts=True)
        order = np.argsort(codes, kind="stable")
        rank = np.empty(len(rows))
        rank[order] = np.concatenate([(np.arange(n) + 0.5) / n for n in sizes])  # the place of a row within its class
        rows = rows[np.argsort(rank, kind="stable")]
    return np.sort(rows[:count])


def _curve(
    over: str, at: Sequence[Any], jobs: Sequence[tuple[Model, Split, Array]], corpus: Corpus, folds: int, workers: int | None,
    training: dict[str, Any],
) -> LearningCurve:  # fmt: skip
    options, halt = fit_options(training), Halt()

    def job(model: Model, split: Split, rows: Array) -> Callable[[], tuple[dict[str, float], dict[str, float], int]]:
        def run() -> tuple[dict[str, float], dict[str, float], int]:
            own = model.clone(seed=model.seed + split.fold)
            corpus.train(own, rows, options, test=split.test, halt=halt)
            return corpus.measure(own, rows), corpus.measure(own, split.test), own.count

        return run

    made = side_by_side([job(*given) for given in jobs], workers=workers, halt=halt)
    points = [made[k : k + folds] for k in range(0, len(made), folds)]

    def gathered(part: int) -> dict[str, tuple[Estimate, ...]]:
        return {name: tuple(estimate([m[part][name] for m in point]) for point in points) for name in made[0][part]}  # type: ignore[index]

    return LearningCurve(over, tuple(at), gathered(0), gathered(1), tuple(point[0][2] for point in points))
