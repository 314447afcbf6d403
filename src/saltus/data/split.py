"""Splits rows into a training and a held-out part; stratified for classes, a pure function of its seed."""

from __future__ import annotations

from typing import Any

import numpy as np

from saltus.base.errors import ArgumentError
from saltus.data.records import counted


def split_rows(rows: Any, share: float = 0.2, *, seed: int = 0, stratify: bool | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Draw the held-out rows at random, with the same share of every class.

    Args:
        rows: the number of rows, or the targets (N,) themselves: labels of any kind or numbers.
        share: the part to hold out, between 0 and 1.
        seed: the same seed gives the same split.
        stratify: keep the classes' shares; by default for targets that look like classes (no fractions, at
            most one distinct value in ten rows). A class of one row stays in the training part.

    Returns:
        Row numbers of the training part and of the held-out part, each int64 and in random order.

    Raises:
        ArgumentError: a share outside (0, 1), or too few rows for both parts.

    Example:
        >>> train, held_out = split_rows(["a"] * 80 + ["b"] * 20, 0.2, seed=1)
        >>> len(train), len(held_out), int((held_out >= 80).sum())
        (80, 20, 4)
    """
    if not 0.0 < share < 1.0:
        raise ArgumentError(f"share is {share!r}, expected a number between 0 and 1", fix="0.2 holds out a fifth of the rows")
    labels = None if isinstance(rows, int | np.integer) else _codes(rows, stratify=stratify)
    count = int(rows) if isinstance(rows, int | np.integer) else len(rows)
    if stratify and labels is None:
        raise ArgumentError("stratify=True needs the targets", fix="pass the targets in place of the number of rows")
    if count < 2:
        fix = "give more rows, or hold nothing out: a share of 0 where it is asked for"
        raise ArgumentError(f"{counted(count, 'row')} cannot be split into two parts", fix=fix)
    order = np.random.Generator(np.random.Philox(seed)).permutation(count)
    wanted = min(max(round(count * share), 1), count - 1)
    if labels is None:
        return order[wanted:], order[:wanted]
    shuffled = labels[order]
    sizes = np.bincount(shuffled)
    quota = _quotas(sizes, wanted)
    if not quota.any():  # classes of one row each: there is nothing to keep the shares of
        return order[wanted:], order[:wanted]
    grouped = np.argsort(shuffled, kind="stable")  # positions in `order`, class by class
    rank = np.empty(count, np.int64)
    rank[grouped] = np.arange(count) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    held = rank < quota[shuffled]
    return order[~held], order[held]


def _codes(targets: Any, *, stratify: bool | None) -> np.ndarray | None:
    """Class numbers (N,) of targets, or None where they are not to be stratified."""
    if stratify is False:
        return None
    values = np.asarray(targets.to_numpy() if hasattr(targets, "to_numpy") else targets)
    if values.ndim != 1:
        raise ArgumentError(f"targets have the shape {values.shape}, expected (N,)", fix="pass one target a row")
    if values.dtype.kind == "O":
        values = values.astype(str)
    distinct, codes = np.unique(values, return_inverse=True)
    if stratify is None:
        fractions = values.dtype.kind == "f" and bool((distinct != np.round(distinct)).any())
        if fractions or len(distinct) > max(2, len(values) // 10):
            return None
    return codes.reshape(-1)


def _quotas(sizes: np.ndarray, wanted: int) -> np.ndarray:
    """How many of each class to hold out: proportional, largest remainders first, and never a whole class."""
    exact = sizes * (wanted / sizes.sum())
    quota = np.minimum(exact.astype(np.int64), sizes - 1)
    for index in [*np.argsort(quota - exact, kind="stable"), *np.argsort(-sizes, kind="stable")]:
        spare = sizes[index] - 1 - quota[index]
        short = wanted - quota.sum()
        quota[index] += min(spare, short, 1 if quota[index] < exact[index] else short)
    return quota
