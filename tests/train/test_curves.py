"""Curves, calibration and thresholds agree with scikit-learn where it has them, and with their definitions."""

from __future__ import annotations

import numpy as np
import pytest

from saltus.base.errors import ArgumentError, DataError, ShapeError, UnknownNameError
from saltus.train.curves import (
    best_threshold,
    calibration,
    confusion_matrix,
    precision_recall_curve,
    roc_curve,
    temperature,
    with_temperature,
    worst_errors,
)
from saltus.train.estimates import estimate


def sample(rows=400, seed=0):
    """Classes drawn from known probabilities, with ties among them."""
    generator = np.random.default_rng(seed)
    shares = generator.integers(1, 40, rows) / 40
    return (generator.random(rows) < shares).astype(int), shares


def test_curves_equal_those_of_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics")
    codes, shares = sample()
    roc, curve = roc_curve(codes, shares), precision_recall_curve(codes, shares)
    x, y, thresholds = metrics.roc_curve(codes, shares, drop_intermediate=False)
    np.testing.assert_allclose(roc.x, x)
    np.testing.assert_allclose(roc.y, y)
    np.testing.assert_allclose(roc.thresholds[1:], thresholds[1:])
    assert roc.area == pytest.approx(metrics.roc_auc_score(codes, shares))
    assert curve.area == pytest.approx(metrics.average_precision_score(codes, shares))
    precision, recall, _ = metrics.precision_recall_curve(codes, shares)
    np.testing.assert_allclose(curve.y, precision[::-1])
    np.testing.assert_allclose(curve.x, recall[::-1])


def test_confusion_counts_and_names():
    found = confusion_matrix([0, 0, 1, 2, 2], [0, 1, 1, 2, 0], labels=["a", "b", "c"])
    assert found.counts.tolist() == [[1, 1, 0], [0, 1, 0], [1, 0, 1]]
    assert found.accuracy == pytest.approx(0.6)
    rows = {row["class"]: row for row in found.table()}
    assert rows["b"]["precision"] == 0.5 and rows["b"]["recall"] == 1.0 and rows["b"]["f1"] == pytest.approx(2 / 3)
    assert found.to_frame().columns == ["true", "predicted a", "predicted b", "predicted c"]
    assert "precision" in str(found)


def test_true_probabilities_are_calibrated_and_sharpened_ones_are_not():
    codes, shares = sample(20_000)
    both = np.stack([1 - shares, shares], axis=1)
    good, sure = calibration(codes, both), calibration(codes, with_temperature(both, 0.4))
    assert good.ece < 0.02 < 0.1 < sure.ece
    assert good.brier < sure.brier
    assert sum(good.bins.column("rows")) == 20_000
    assert good.to_frame().height == 10


def test_temperature_undoes_what_made_a_network_too_sure():
    codes, shares = sample(20_000)
    both = np.stack([1 - shares, shares], axis=1)
    found = temperature(codes, with_temperature(both, 0.4))
    assert found == pytest.approx(2.5, rel=0.1)
    again = with_temperature(with_temperature(both, 0.4), 2.5)
    np.testing.assert_allclose(again, both, atol=1e-6)


@pytest.mark.parametrize("by", ["f1", "youden", "cost"])
def test_no_other_threshold_serves_better(by):
    codes, shares = sample(300, seed=3)
    cost = (1.0, 4.0)
    found = best_threshold(codes, shares, by, cost=cost)

    def score(at):
        said = shares >= at
        tp, fp, fn = (said & (codes == 1)).sum(), (said & (codes == 0)).sum(), (~said & (codes == 1)).sum()
        tn = len(codes) - tp - fp - fn
        youden = tp / (tp + fn) + tn / (tn + fp) - 1
        return {"f1": 2 * tp / max(2 * tp + fp + fn, 1), "youden": youden, "cost": -(fp + 4 * fn) / len(codes)}[by]

    assert score(found.value) == pytest.approx(max(score(t) for t in [*np.unique(shares), 2.0]))
    assert abs(found.score) == pytest.approx(abs(score(found.value)))
    assert abs(found.at_half) == pytest.approx(abs(score(0.5)))


def test_a_cheap_miss_raises_the_threshold():
    codes, shares = sample(2000)
    dear = best_threshold(codes, shares, "cost", cost=(1.0, 9.0)).value
    cheap = best_threshold(codes, shares, "cost", cost=(9.0, 1.0)).value
    assert dear < 0.3 < 0.7 < cheap


def test_worst_errors_name_rows_and_labels():
    found = worst_errors([0, 1, 1], [[0.9, 0.1], [0.8, 0.2], [0.4, 0.6]], 2, labels=["no", "yes"])
    assert [(r["row"], r["true"], r["predicted"]) for r in found] == [(1, "yes", "no"), (2, "yes", "yes")]
    numbers = worst_errors([1.0, 2.0, 3.0], [1.5, 2.0, 0.0], 1)
    assert numbers[0] == {"row": 2, "true": 3.0, "predicted": 0.0, "error": -3.0}


def test_what_cannot_be_judged_is_refused():
    with pytest.raises(DataError, match="all of the 2 rows"):
        roc_curve([1, 1], [0.2, 0.3])
    with pytest.raises(DataError, match="no probabilities"):
        calibration([0, 1], [[3.0, -1.0], [0.5, 0.5]])
    with pytest.raises(DataError, match="targets run from 0 to 5"):
        roc_curve([0, 5], [[0.5, 0.5], [0.5, 0.5]])
    with pytest.raises(ShapeError, match="do not fit"):
        roc_curve([0, 1, 1], [0.5, 0.5])
    with pytest.raises(UnknownNameError, match="youdn"):
        best_threshold([0, 1], [0.2, 0.8], "youdn")
    with pytest.raises(ArgumentError, match="cost"):
        best_threshold([0, 1], [0.2, 0.8], "cost", cost=(0.0, 0.0))


def test_intervals_equal_those_of_scipy():
    stats = pytest.importorskip("scipy.stats")
    values = [0.81, 0.84, 0.79, 0.86, 0.80]
    found = estimate(values, 0.9)
    low, high = stats.t.interval(0.9, 4, np.mean(values), stats.sem(values))
    assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))
    assert np.isnan(estimate([0.5]).low) and estimate([0.5]).mean == 0.5
