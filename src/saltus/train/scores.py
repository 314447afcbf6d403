"""Figures by which predictions are judged, and those of predicting nothing in particular; a low
file of `train`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def classification_scores(codes: Array, probabilities: Array) -> dict[str, float]:
    """Accuracy, balanced accuracy, log loss, and for two classes the area under the ROC curve.

    Args:
        codes: true class numbers (N,).
        probabilities: (N, classes).

    Example:
        >>> classification_scores(np.array([0, 1]), np.array([[0.75, 0.25], [0.25, 0.75]]))["accuracy"]
        1.0
    """
    hit = probabilities.argmax(axis=1) == codes
    present = np.unique(codes)
    picked = probabilities[np.arange(len(codes)), codes].astype(np.float64)
    made = {
        "accuracy": float(hit.mean()),
        "balanced_accuracy": float(np.mean([hit[codes == c].mean() for c in present])),
        "log_loss": float(-np.log(np.clip(picked, 1e-15, 1.0)).mean()),
    }
    if probabilities.shape[1] == 2 and len(present) == 2:
        made["auc"] = area_under_roc(codes, probabilities[:, 1])
    return made


def area_under_roc(positive: Array, scores: Array) -> float:
    """The chance that a positive sample scores higher than a negative one (ties count half).

    Args:
        positive: 0 or 1 (N,), both present.
        scores: (N,).

    Source: Mann and Whitney, "On a test of whether one of two random variables is stochastically larger than
    the other", 1947.

    Example:
        >>> area_under_roc(np.array([0, 0, 1]), np.array([0.1, 0.4, 0.4]))
        0.75
    """
    _, group, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[group]
    high = positive == 1
    n, m = int(high.sum()), int((~high).sum())
    return float((ranks[high].sum() - n * (n + 1) / 2) / (n * m))


def confusions(codes: Array, predicted: Array, most: int = 5) -> list[tuple[int, int, int]]:
    """Which classes were taken for which others.

    Args:
        codes, predicted: true and predicted class numbers (N,).
        most: so many pairs at most.

    Returns:
        (true, predicted, how many), the most frequent first.

    Example:
        >>> confusions(np.array([0, 0, 1, 2]), np.array([1, 1, 1, 0]))
        [(0, 1, 2), (2, 0, 1)]
    """
    wrong = codes != predicted
    pairs, counts = np.unique(np.stack([codes[wrong], predicted[wrong]]), axis=1, return_counts=True)
    order = np.argsort(-counts, kind="stable")[:most]
    return [(int(pairs[0, i]), int(pairs[1, i]), int(counts[i])) for i in order]


def regression_scores(true: Array, predicted: Array) -> dict[str, float]:
    """Root mean square error, mean absolute error and explained share of the variance.

    Args:
        true, predicted: (N,), in the target's own unit.

    Example:
        >>> regression_scores(np.array([1.0, 3.0]), np.array([1.0, 3.0]))
        {'rmse': 0.0, 'mae': 0.0, 'r2': 1.0}
    """
    scale = float(np.max(np.abs(true), initial=0.0)) or 1.0  # squares of what is left neither overflow nor vanish
    true = true / scale
    error = np.asarray(predicted, np.float64) / scale - true
    spread = float(np.sum((true - np.mean(true)) ** 2))
    return {
        "rmse": scale * float(np.sqrt(np.mean(error**2))),
        "mae": scale * float(np.mean(np.abs(error))),
        "r2": 1.0 - float(np.sum(error**2)) / spread if spread else float("nan"),
    }
