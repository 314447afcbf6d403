"""What an experiment trains on: arrays, a table or images of the user's, or a small set made here. Above `record`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from saltus.base.errors import ArgumentError, DataError
from saltus.data import TableEncoder, read_table, sets
from saltus.data.images import read_images
from saltus.data.split import split_rows
from saltus.train import kinds
from saltus.train.images import ImageOptions, encoder_of
from saltus.train.tabular import chosen_target

Array = np.ndarray[Any, Any]

IMAGES_AT_MOST = 4000  # of a file or folder; an experiment trains several networks


@dataclass(frozen=True)
class Problem:
    """A task, split and scaled.

    Attributes:
        x, y: training samples and targets: float32; class numbers int64 (N,), or standardised values (N, outputs).
        x_held, y_held: the same of samples never trained on.
        classes: their number; 0 for numbers.
        notes: where they come from, and what was done.
    """

    x: Array
    y: Array
    x_held: Array
    y_held: Array
    classes: int
    notes: tuple[str, ...]

    @property
    def outputs(self) -> int:
        """Units of the last layer."""
        return self.classes or int(self.y.shape[1])

    @property
    def loss(self) -> str:
        """The loss that fits the targets."""
        return "sparse_categorical_crossentropy" if self.classes else "mse"

    @property
    def metric(self) -> str:
        """The figure to judge by; higher is better."""
        return "accuracy" if self.classes else "r2_score"

    @property
    def held(self) -> tuple[Array, Array]:
        """The samples never trained on, as `Model.fit` takes them."""
        return self.x_held, self.y_held


def problem_of(
    x: Any = None, y: Any = None, *, default: Any = None, validation: float = 0.25, seed: int = 0, target: str | None = None
) -> Problem:
    """A problem from what users have.

    Args:
        x: an array (N, ...), the file of a table, a folder or file of images, the name of a data set of saltus, or None for the
            default.
        y: targets of an array: labels of any type or whole numbers are classes, other numbers are values.
        default: function of a seed that gives (x, y, note).
        validation: share never trained on.
        seed: of the split and of the default.
        target: the column to predict, for a table.

    Raises:
        ArgumentError: an array without targets.
        DataError: the samples are no numbers, too few, or all of one class.

    Example:
        >>> found = problem_of("penguins", target="species")
        >>> found.classes, found.x.shape[1], len(found.x) + len(found.x_held)
        (3, 16, 344)
    """
    note = ""
    if x is None:
        x, y, note = (default or penguins)(seed)
    elif isinstance(x, (str, Path)):
        x, y, note = _read(x, target)
    elif y is None:
        raise ArgumentError("the targets y are missing", fix="give both, or neither for the set of the experiment")
    x = np.asarray(x)
    if x.dtype.kind not in "biuf" or x.ndim < 2:
        raise DataError(f"x has the shape {x.shape} and the type {x.dtype}, expected numbers (N, ...)", fix="one row a sample")
    y, classes = _targets(y)
    if len(x) != len(y):
        raise DataError(f"x has {len(x):,} samples, y {len(y):,}", fix="give one target a sample")
    train, held = (np.sort(rows) for rows in split_rows(y if classes else len(y), validation, seed=seed, stratify=bool(classes)))
    x = x.astype(np.float32)
    if not np.isfinite(x).all():
        raise DataError("x holds values that are not finite", fix="drop these rows, or fill them in")
    axes = tuple(range(x.ndim - 1)) if x.ndim != 2 else (0,)
    mean, spread = x[train].mean(axis=axes), x[train].std(axis=axes)
    x = (x - mean) / np.where(spread > 0, spread, 1)
    if not classes:
        own = y[train].std(axis=0)
        y = ((y - y[train].mean(axis=0)) / np.where(own > 0, own, 1)).astype(np.float32)
    shape = " x ".join(map(str, x.shape[1:]))
    said = f"{len(train):,} samples of {shape} numbers to train on, {len(held):,} to judge by; " + (
        f"{classes} classes" if classes else f"{y.shape[1]} value{'s' * (y.shape[1] != 1)}, standardised"
    )
    return Problem(x[train], y[train], x[held], y[held], classes, (*([note] if note else []), said))


def _targets(y: Any) -> tuple[Array, int]:
    """Class numbers and their number, or values (N, outputs) and 0."""
    y = np.asarray(y)
    y = y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y
    if y.dtype.kind == "f" and (y.ndim == 2 or (y % 1).any()):
        if not np.isfinite(y).all():
            raise DataError("y holds values that are not finite", fix="drop these rows")
        return (y if y.ndim == 2 else y[:, None]).astype(np.float64), 0
    if y.ndim != 1:
        raise DataError(f"y has the shape {y.shape}", fix="give one label or number a sample")
    labels, codes = np.unique(y.astype(str) if y.dtype.kind == "O" else y, return_inverse=True)
    if y.dtype.kind in "iuf" and len(labels) > max(20, len(y) // 10):
        return y[:, None].astype(np.float64), 0
    if len(labels) < 2:
        raise DataError(f"y is {labels[0] if len(labels) else 'empty'} throughout: there is nothing to learn", fix="check the targets")
    return codes.astype(np.int64), len(labels)


def _read(source: str | Path, target: str | None) -> tuple[Array, Array, str]:
    """Arrays from a table or images."""
    if str(source) in sets.names():
        source = sets.path(str(source))
    if kinds.infer(source) is kinds.IMAGES:
        images = read_images(source)
        encoder, rows = encoder_of(ImageOptions()), np.arange(len(images))
        if len(rows) > IMAGES_AT_MOST:
            rows = np.sort(np.random.default_rng(0).permutation(rows)[:IMAGES_AT_MOST])
        encoder.fit(images, rows)
        made = encoder.encode(images, rows, target=True)
        if made.target is None:
            raise DataError(f"{source} holds images without classes", fix="put them into a folder for each class")
        return np.asarray(made.inputs), made.target, f"images from {Path(source).name}"
    table = read_table(source)
    chosen = chosen_target(table, target)
    encoder = TableEncoder()
    made = encoder.fit_transform(table, chosen)
    parts = [made.numbers]
    for codes, size in zip(made.categories.T, made.cardinalities, strict=True):
        parts.append(np.eye(size, dtype=np.float32)[codes])
    return np.concatenate(parts, axis=1), made.target, f"{Path(source).name}, predicting {chosen!r}; categories as 0 and 1"


# -- sets of the experiments -------------------------------------------------------------------------------------------


def penguins(seed: int) -> tuple[Array, Array, str]:
    """The packaged table of penguins, with their species as classes."""
    return _read("penguins", "species")


def spirals(seed: int, count: int = 600, turns: float = 1.5, arms: int = 3) -> tuple[Array, Array, str]:
    """Points on spiral arms in the plane: no straight line tells the arms apart."""
    rng = np.random.default_rng(seed)
    y = np.arange(count) % arms
    radius = np.sqrt(rng.uniform(0.02, 1, count))
    angle = 2 * np.pi * (turns * radius + y / arms) + rng.normal(0, 0.12, count)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1), y, f"{count} points on {arms} spiral arms, made here"


def noisy(seed: int, count: int = 240, width: int = 40) -> tuple[Array, Array, str]:
    """Few samples with many columns, most without meaning, and some wrong labels: easy to learn by heart."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, width))
    y = (x[:, 0] + x[:, 1] * x[:, 2] + 0.5 * x[:, 3] > 0).astype(int)
    wrong = rng.uniform(size=count) < 0.1
    note = f"{count} samples of {width} columns, 4 of which mean something, a tenth of labels wrong; made here"
    return x, np.where(wrong, 1 - y, y), note


def shapes(seed: int, count: int = 600, size: int = 16) -> tuple[Array, Array, str]:
    """Grey images of crosses, squares, triangles and bars somewhere in noise."""
    rng = np.random.default_rng(seed)
    patterns = np.zeros((4, 7, 7))
    patterns[0][range(7), range(7)] = patterns[0][range(7), range(6, -1, -1)] = 1
    patterns[1][[0, -1]] = 1
    patterns[1][:, [0, -1]] = 1
    patterns[2][6] = 1
    for row in range(7):
        patterns[2][row, [3 - row // 2, 3 + row // 2]] = 1
    patterns[3][:, 2:5] = 1
    y = np.arange(count) % 4
    x = rng.normal(0, 0.25, size=(count, size, size, 1))
    for image, label in zip(x, y, strict=True):
        top, left = rng.integers(0, size - 6, size=2)
        image[top : top + 7, left : left + 7, 0] += patterns[label]
    return x, y, f"{count} images of crosses, squares, triangles and bars anywhere in {size} x {size} noisy pixels, made here"
