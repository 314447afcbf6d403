"""Rescales numbers so that a network can learn from them, each column in a way chosen from its values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Any

import numpy as np

from saltus.base.errors import unknown_name

_SAMPLE = 100_000  # values looked at to choose a scaler and to find quantiles
_QUANTILES = 513
_SKEWED = 1.0
_FAR, _TOO_FAR = 7.0, 30.0  # largest distance from the median, in spreads: of 100,000 normal values it is 4.8
_EVEN = 2.5  # the same for values that fill their range evenly (a uniform distribution has 1.8)
_BOUNDS = (1.0, 100.0, 255.0)
_EDGE = 1e-4  # quantiles are kept this far from 0 and 1, so that the ends map to +-3.7
_INVERSE = NormalDist().inv_cdf
_CDF = NormalDist().cdf


def _normal_table() -> tuple[np.ndarray, np.ndarray]:
    """Shares and the normal quantiles at them, dense enough for linear interpolation."""
    scores = np.linspace(_INVERSE(_EDGE), -_INVERSE(_EDGE), 1025)
    return np.array([_CDF(score) for score in scores.tolist()]), scores


_NORMAL = _normal_table()


@dataclass(frozen=True)
class Scaler:
    """A fitted, invertible rescaling of one column.

    Attributes:
        kind: one of `SCALERS`.
        numbers: its fitted numbers by name.
        quantiles: the reference values of the quantile scaler, else empty.
        reason: why it was chosen.
    """

    kind: str
    numbers: dict[str, float] = field(default_factory=dict)
    quantiles: tuple[float, ...] = ()
    reason: str = ""

    @classmethod
    def fit(cls, values: np.ndarray, kind: str = "auto") -> Scaler:
        """Fit to the values of one column.

        Args:
            values: float (N,); NaN and infinite values are left out.
            kind: a name of `SCALERS`, or "auto" to choose from the values.

        Returns:
            The scaler.

        Raises:
            UnknownNameError: no scaler of that name.

        Example:
            >>> import numpy as np
            >>> scaler = Scaler.fit(np.array([1.0, 2.0, 3.0]), "standard")
            >>> scaler.apply(np.array([2.0, 3.0])).round(3).tolist()
            [0.0, 1.225]
        """
        if kind != "auto" and kind not in SCALERS:
            raise unknown_name("scaler", kind, [*SCALERS, "auto"])
        known = np.asarray(values, dtype=np.float64)
        known = known[np.isfinite(known)]
        reason = "asked for"
        if kind == "auto":
            kind, reason = choose(known)
        numbers, quantiles = SCALERS[kind].fit(known) if len(known) else ({}, ())
        return cls(kind if len(known) else "none", numbers, quantiles, reason)

    def apply(self, values: np.ndarray) -> np.ndarray:
        """The rescaled values, float64 (N,); NaN stays NaN."""
        return SCALERS[self.kind].apply(np.asarray(values, dtype=np.float64), self)

    def invert(self, values: np.ndarray) -> np.ndarray:
        """The values that `apply` would turn into these, float64 (N,)."""
        return SCALERS[self.kind].invert(np.asarray(values, dtype=np.float64), self)

    def to_config(self) -> dict[str, Any]:
        """The scaler as a plain dict."""
        return {
            "kind": self.kind,
            "numbers": dict(self.numbers),
            "quantiles": list(self.quantiles),
            "reason": self.reason,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Scaler:
        """The scaler that `to_config` wrote."""
        return cls(config["kind"], dict(config["numbers"]), tuple(config["quantiles"]), config["reason"])


@dataclass(frozen=True)
class _Method:
    """One way to rescale: fit gives the numbers, apply and invert use them."""

    fit: Callable[[np.ndarray], tuple[dict[str, float], tuple[float, ...]]]
    apply: Callable[[np.ndarray, Scaler], np.ndarray]
    invert: Callable[[np.ndarray, Scaler], np.ndarray]


def _line(centre: float, scale: float) -> tuple[dict[str, float], tuple[float, ...]]:
    usable = np.isfinite(scale) and scale > 0
    return {"centre": float(centre), "scale": float(scale) if usable else 1.0}, ()


def _spread(values: np.ndarray) -> float:
    """Standard deviation that does not overflow for large values."""
    largest = float(np.max(np.abs(values))) or 1.0
    return float(np.std(values / largest)) * largest


def _fit_standard(values: np.ndarray) -> tuple[dict[str, float], tuple[float, ...]]:
    largest = float(np.max(np.abs(values))) or 1.0
    return _line(float(np.mean(values / largest)) * largest, _spread(values))


def _fit_minmax(values: np.ndarray) -> tuple[dict[str, float], tuple[float, ...]]:
    return _line(float(values.min()), float(values.max() - values.min()))


def _fit_robust(values: np.ndarray) -> tuple[dict[str, float], tuple[float, ...]]:
    low, centre, high = np.quantile(values, [0.25, 0.5, 0.75])
    return _line(float(centre), float(high - low) or _spread(values))


def _fit_log(values: np.ndarray) -> tuple[dict[str, float], tuple[float, ...]]:
    return _fit_standard(_log(values))


def _fit_quantile(values: np.ndarray) -> tuple[dict[str, float], tuple[float, ...]]:
    return {}, tuple(np.quantile(_sample(values), np.linspace(0, 1, _QUANTILES)).tolist())


def _apply_line(values: np.ndarray, scaler: Scaler) -> np.ndarray:
    return (values - scaler.numbers["centre"]) / scaler.numbers["scale"]


def _invert_line(values: np.ndarray, scaler: Scaler) -> np.ndarray:
    return values * scaler.numbers["scale"] + scaler.numbers["centre"]


def _log(values: np.ndarray) -> np.ndarray:
    """sign(x) log(1 + |x|), which keeps zero and the sign."""
    return np.sign(values) * np.log1p(np.abs(values))


def _unlog(values: np.ndarray) -> np.ndarray:
    return np.sign(values) * np.expm1(np.abs(values))


def _apply_quantile(values: np.ndarray, scaler: Scaler) -> np.ndarray:
    marks, share = np.asarray(scaler.quantiles), np.linspace(0, 1, len(scaler.quantiles))
    # equal marks (many rows of one value) are met halfway: from the left and from the right
    rank = 0.5 * (np.interp(values, marks, share) + 1.0 - np.interp(-values, -marks[::-1], share))
    return np.interp(np.where(np.isnan(values), np.nan, rank), *_NORMAL)


def _invert_quantile(values: np.ndarray, scaler: Scaler) -> np.ndarray:
    rank = np.interp(values, _NORMAL[1], _NORMAL[0])
    return np.interp(rank, np.linspace(0, 1, len(scaler.quantiles)), scaler.quantiles)


SCALERS: dict[str, _Method] = {
    "standard": _Method(_fit_standard, _apply_line, _invert_line),
    "minmax": _Method(_fit_minmax, _apply_line, _invert_line),
    "robust": _Method(_fit_robust, _apply_line, _invert_line),
    "quantile": _Method(_fit_quantile, _apply_quantile, _invert_quantile),
    "log": _Method(_fit_log, lambda v, s: _apply_line(_log(v), s), lambda v, s: _unlog(_invert_line(v, s))),
    "none": _Method(lambda v: ({}, ()), lambda v, s: v, lambda v, s: v),
}


def _sample(values: np.ndarray) -> np.ndarray:
    """At most _SAMPLE of the values, evenly spread over the column."""
    return values if len(values) <= _SAMPLE else values[np.linspace(0, len(values) - 1, _SAMPLE).astype(np.int64)]


def _skew(values: np.ndarray) -> float:
    spread = _spread(values)
    if spread == 0:
        return 0.0
    score = (values - np.mean(values)) / spread
    return float(np.mean(score * score * score))


def _inner(values: np.ndarray) -> np.ndarray:
    """The values without the lowest and the highest hundredth, at least one each; all of fewer than ten."""
    cut = max(len(values) // 100, 1) if len(values) >= 10 else 0
    return np.sort(values)[cut : len(values) - cut]


def _far_out(values: np.ndarray) -> float:
    """The largest distance from the median in deviations of the inner values; infinite if those are equal."""
    spread = _spread(_inner(values))
    return float(np.max(np.abs(values - np.median(values)))) / spread if spread > 0 else np.inf


@np.errstate(over="ignore", invalid="ignore")  # a skew beyond float64 is a long tail
def choose(values: np.ndarray) -> tuple[str, str]:
    """Choose a scaler for finite values (N,), and say why.

    Zeros and ones stay as they are. Values that fill natural bounds are mapped to 0 to 1; what is roughly
    symmetric without far outliers is standardised; far outliers beside an even middle are kept out of the
    scale by median and quartiles; a long tail goes through the logarithm where that straightens it; the rest
    goes through its quantiles.

    Example:
        >>> import numpy as np
        >>> choose(np.exp(np.linspace(0, 10, 1000)))[0]
        'log'
    """
    values = _sample(values)
    if not len(values):
        return "none", "no values"
    low, high = float(values.min()), float(values.max())
    if low == high:
        return "standard", "one value"
    if bool(np.isin(values, (0.0, 1.0)).all()):
        return "none", "zeros and ones"
    skew, far = _skew(values), _far_out(values)
    if abs(skew) <= _SKEWED and far <= _FAR:
        if low == 0.0 and high in _BOUNDS and far <= _EVEN:
            return "minmax", f"fills its bounds {low:g} to {high:g}"
        return "standard", f"skew {skew:.1f}, no far outliers"
    inner, quartiles = _inner(values), float(np.subtract(*np.quantile(values, [0.75, 0.25])))
    if far <= _TOO_FAR and abs(_skew(inner)) <= _SKEWED and _spread(inner) <= 1.5 * quartiles:
        return "robust", f"outliers {far:.0f} spreads away beside an even middle"
    straight = _log(values)
    log_skew = _skew(straight)
    if abs(log_skew) <= min(_SKEWED, 0.5 * abs(skew)) and _far_out(straight) <= _FAR:
        return "log", f"skew {skew:.1f}, {log_skew:.1f} after the logarithm"
    if not np.isfinite(far):
        return "quantile", "nearly all rows have one value"
    return "quantile", f"skew {skew:.1f}, outliers {far:.0f} spreads away"


def shortest(values: np.ndarray) -> np.ndarray:
    """Numbers that a network gave, with no more digits than it has: of all that are the same in float32 the shortest.

    Args:
        values: float64 (N,).

    Returns:
        float64 (N,); what float32 cannot hold is rounded to nine digits.

    Example:
        >>> shortest(np.array([0.1000000014901161, 12345.678901, 1e300 / 3])).tolist()
        [0.1, 12345.679, 3.33333333e+299]
    """
    with np.errstate(over="ignore", under="ignore"):
        small = values.astype(np.float32)
    fits = np.isfinite(small) & ((np.abs(small) >= np.finfo(np.float32).tiny) | (values == 0))
    made = np.array([float(f"{value:.9g}") for value in values.tolist()]) if not fits.all() else values
    return np.where(fits, small.astype("U").astype(np.float64), made)
