"""What several measurements say together: their mean with a confidence interval; a low file of `train`."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable
from dataclasses import dataclass

from saltus.base.errors import ArgumentError


@dataclass(frozen=True)
class Estimate:
    """A mean and how far it can be trusted.

    Attributes:
        mean: of the values that are numbers.
        std: their standard deviation (n - 1).
        low, high: the confidence interval of the mean, by Student's t, as far as it is possible; NaN for a single value.
        count: how many values there are.
        confidence: of the interval.
    """

    mean: float
    std: float
    low: float
    high: float
    count: int
    confidence: float = 0.95

    def __str__(self) -> str:
        if self.count < 2:
            return f"{self.mean:.4f}"
        if abs((self.high - self.mean) - (self.mean - self.low)) > 1e-9:  # cut off at what is possible
            return f"{self.mean:.4f} ({self.low:.4f} to {self.high:.4f})"
        return f"{self.mean:.4f} ± {self.high - self.mean:.4f}"


# Figures that are shares, and errors, which are not below 0; everything else may be any number.
SHARES = ("accuracy", "auc", "precision", "recall", "f1", "sensitivity", "specificity", "iou")
_ERRORS = ("log_loss", "rmse", "mae", "mse", "mase")


def bounds_of(name: str) -> tuple[float, float]:
    """Between which numbers a figure lies, by its name.

    Example:
        >>> bounds_of("balanced_accuracy"), bounds_of("rmse month"), bounds_of("r2")
        ((0.0, 1.0), (0.0, inf), (-inf, 1.0))
    """
    word = name.partition(" ")[0].removeprefix("val_")
    if any(part in word for part in SHARES):
        return 0.0, 1.0
    return (0.0, math.inf) if word in _ERRORS else (-math.inf, 1.0 if word == "r2" else math.inf)


def estimate(values: Iterable[float], confidence: float = 0.95, bounds: tuple[float, float] = (-math.inf, math.inf)) -> Estimate:
    """Mean and confidence interval of measurements.

    Values of folds share training rows, so the interval is a guide and not a guarantee.

    Args:
        values: measurements; NaN is left out.
        confidence: between 0 and 1.
        bounds: between which the mean lies in any case; the interval is cut off there.

    Raises:
        ArgumentError: a confidence outside (0, 1).

    Source: Student, "The probable error of a mean", 1908.

    Example:
        >>> print(estimate([0.8, 0.9, 0.85]))
        0.8500 ± 0.1242
    """
    if not 0 < confidence < 1:
        raise ArgumentError(f"confidence is {confidence!r}, expected a number between 0 and 1", fix="use 0.95")
    found = [float(v) for v in values if not math.isnan(v)]
    count = len(found)
    if not count:
        return Estimate(math.nan, math.nan, math.nan, math.nan, 0, confidence)
    mean = math.fsum(found) / count
    if count == 1:
        return Estimate(mean, math.nan, math.nan, math.nan, 1, confidence)
    std = math.sqrt(math.fsum((v - mean) ** 2 for v in found) / (count - 1))
    half = t_quantile(0.5 + confidence / 2, count - 1) * std / math.sqrt(count)
    return Estimate(mean, std, max(mean - half, bounds[0]), min(mean + half, bounds[1]), count, confidence)


@functools.cache
def t_quantile(share: float, freedom: int) -> float:
    """The value below which so large a share of Student's t distribution lies.

    Args:
        share: from 0.5 up to 1.
        freedom: degrees of freedom, from 1 on.

    Example:
        >>> round(t_quantile(0.975, 4), 4)
        2.7764
    """

    def below(t: float) -> float:
        return 1.0 - 0.5 * _incomplete_beta(freedom / (freedom + t * t), freedom / 2, 0.5)

    low, high = 0.0, 1.0
    while below(high) < share:
        low, high = high, high * 2
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if below(middle) < share else (low, middle)
    return (low + high) / 2


def _incomplete_beta(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function, by its continued fraction."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):
        return 1.0 - _incomplete_beta(1 - x, b, a)
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)) / a
    tiny = 1e-300
    c, d = 1.0, 1.0 / max(1.0 - (a + b) * x / (a + 1), tiny)
    result = d
    for m in range(1, 300):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            d = 1.0 / ((1.0 + term * d) or tiny)
            c = (1.0 + term / c) or tiny
            result *= c * d
        if abs(c * d - 1.0) < 1e-15:
            break
    return front * result
