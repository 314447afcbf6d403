"""How often a time series is measured: found from its times, used to number them, to continue them and to name
horizons; below `series`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from saltus.base.errors import DataError, unknown_name

MICROS = {"second": 1_000_000, "minute": 60_000_000, "hour": 3_600_000_000, "day": 86_400_000_000, "week": 604_800_000_000}
_MONTHS = {"month": 1, "quarter": 3, "year": 12}
_BUSINESS = {"day": 1, "week": 5, "month": 21, "quarter": 63, "year": 252}
UNITS = (*MICROS, "business day", *_MONTHS)
NAMES = ("second", "minute", "hour", "day", "week", "month", "quarter", "year")
_YEAR = 365.25 * MICROS["day"]
_OFF = 0.05  # share of times off the grid, or of a step, that is still put down to unclean clocks
_LARGEST_GAPS = 0.5


@dataclass(frozen=True)
class Frequency:
    """A regular step of time.

    Attributes:
        unit: "second", "minute", "hour", "day", "week", "business day" (Monday to Friday) or "month".
        step: units from one time to the next.
        origin: a time on the grid: microseconds since 1970, or months since then.
        month_end: the times are the last days of their months.
    """

    unit: str
    step: int = 1
    origin: int = 0
    month_end: bool = False

    @property
    def name(self) -> str:
        """In words, such as "15 minutes" or "quarter"."""
        for name, months in reversed(_MONTHS.items()):
            if self.unit == "month" and self.step % months == 0:
                return name if self.step == months else f"{self.step // months} {name}s"
        return self.unit if self.step == 1 else f"{self.step} {self.unit}s"

    @property
    def micros(self) -> int:
        """Length of a step in microseconds, of a calendar step the mean one."""
        if self.unit == "month":
            return int(_YEAR / 12 * self.step)
        return MICROS["day" if self.unit == "business day" else self.unit] * self.step

    @property
    def season(self) -> int:
        """Steps after which things repeat: a day for hours, a week for days, a year for weeks and months; else 1."""
        if self.unit == "month":
            return 12 // self.step if 12 % self.step == 0 else 1
        if self.unit == "business day":
            return 5
        for span in (MICROS["day"], MICROS["week"]):
            if self.micros < span and span % self.micros == 0:
                return span // self.micros if span // self.micros <= 288 else max(1, MICROS["hour"] // self.micros)
        return 52 if self.unit == "week" and self.step == 1 else 1

    def number(self, times: np.ndarray, *, within: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """Steps of times (N,) from the origin, int64, and which of them lie off the grid.

        Args:
            times: datetime64[us] (N,).
            within: the step that a time lies in, in place of the nearest one.
        """
        if self.unit == "month":
            months = times.astype("datetime64[M]").astype(np.int64) - self.origin
            return months // self.step, months % self.step != 0
        if self.unit == "business day":
            days = times.astype("datetime64[D]")
            return np.busday_count(np.datetime64("1970-01-01"), days).astype(np.int64), ~np.is_busday(days)
        distance = times.astype("datetime64[us]").astype(np.int64) - self.origin
        number = distance // self.micros if within else np.round(distance / self.micros).astype(np.int64)
        return number, np.abs(distance - number * self.micros) > _OFF * self.micros

    def times(self, numbers: np.ndarray) -> np.ndarray:
        """The times of steps: the reverse of `number`, datetime64[us]."""
        if self.unit == "month":
            months = (np.asarray(numbers) * self.step + self.origin).astype("datetime64[M]")
            days = (months + 1).astype("datetime64[D]") - 1 if self.month_end else months.astype("datetime64[D]")
            return days.astype("datetime64[us]")
        if self.unit == "business day":
            return np.busday_offset(np.datetime64("1970-01-01"), numbers, roll="forward").astype("datetime64[us]")
        return (np.asarray(numbers) * self.micros + self.origin).astype("datetime64[us]")

    def steps(self, horizon: int | str) -> int:
        """A horizon in steps.

        Args:
            horizon: steps, or a name: "day", "week", "month", "quarter", "year"...

        Raises:
            UnknownNameError: no such name.
            DataError: it is less than a step, or no whole number of them.

        Example:
            >>> Frequency("business day").steps("quarter"), Frequency("hour").steps("week")
            (63, 168)
        """
        if isinstance(horizon, int) or str(horizon).isdigit():
            if int(horizon) < 1:
                raise DataError(f"the horizon {horizon} is not ahead", fix="give steps from 1 on, or a name such as month")
            return int(horizon)
        if horizon not in NAMES:
            raise unknown_name("horizon", horizon, NAMES)
        if self.unit == "business day":
            steps: float = _BUSINESS.get(horizon, 0) / self.step
        elif self.unit == "month":
            steps = _MONTHS.get(horizon, 0) / self.step
            steps = steps if steps == int(steps) else 0
        else:
            steps = round((_YEAR / 12 * _MONTHS[horizon] if horizon in _MONTHS else MICROS[horizon]) / self.micros)
        if steps < 1:
            what = f"the series has a value every {self.name}, so {horizon!r} is not a horizon of it"
            raise DataError(what, fix="give a longer horizon, or the number of steps ahead")
        return int(steps)

    def calendar(self, times: np.ndarray) -> np.ndarray:
        """Where times lie in the day, the week and the year, as points on circles, as far as steps are shorter.

        Args:
            times: datetime64[us] (...).

        Returns:
            float64 (..., 2 a circle).
        """
        micros = times.astype("datetime64[us]").astype(np.int64)
        years = times.astype("datetime64[Y]")
        turns = []
        if self.micros < MICROS["day"]:
            turns.append(micros % MICROS["day"] / MICROS["day"])
        if self.micros < MICROS["week"]:
            turns.append((micros // MICROS["day"] + 3) % 7 / 7)
        if self.micros < _YEAR * 0.9:
            turns.append((micros - years.astype("datetime64[us]").astype(np.int64)) / _YEAR)
        circles = [part(2 * np.pi * turn) for turn in turns for part in (np.sin, np.cos)]
        return np.stack(circles, axis=-1) if circles else np.zeros((*times.shape, 0))

    def to_config(self) -> dict[str, Any]:
        return {"unit": self.unit, "step": self.step, "origin": self.origin, "month_end": self.month_end}


def parse_frequency(text: str) -> Frequency:
    """A frequency from words such as "day", "15 minutes", "business day" or "quarter".

    Raises:
        UnknownNameError: no such unit.

    Example:
        >>> parse_frequency("2 quarters").name
        '2 quarters'
    """
    found = re.fullmatch(r"\s*(\d+)?\s*([a-z ]+?)s?\s*", text.lower())
    unit = found[2].strip() if found else text
    if unit not in UNITS or not found:
        raise unknown_name("frequency", text, UNITS)
    step = int(found[1] or 1)
    # Monday is the first day of a week
    origin = -3 * MICROS["day"] if unit == "week" else 0
    return Frequency("month", step * _MONTHS[unit]) if unit in _MONTHS else Frequency(unit, step, origin)


def infer_frequency(series: Sequence[np.ndarray], names: Sequence[str], where: str) -> Frequency:
    """The regular step of series.

    Args:
        series: sorted different times of each, datetime64[us].
        names: of the series, for messages.
        where: the table, for messages.

    Raises:
        DataError: there are no two times, or they are not regular.

    Example:
        >>> days = np.arange("2024-01-31", "2024-03-02", dtype="datetime64[D]").astype("datetime64[us]")
        >>> infer_frequency([days], ["a"], "the table").name
        'day'
    """
    steps = np.concatenate([np.diff(times).astype(np.int64) for times in series])
    if not len(steps):
        raise DataError(f"{where} has one time a series: there is nothing to forecast from", fix="give more rows")
    made = _candidate(series, steps)
    for times, name in zip(series, names, strict=True):
        numbers, off = made.number(times)
        at = int(np.argmax(off))
        title = f" of {name!r}" if name else ""
        if off.mean() > _OFF:
            what = f"{where}: the times{title} are not regular; every {made.name} fits best, but {times[at]!s:.19} does not lie on it"
            raise DataError(what, fix='put them on a grid: frequency="day" and repeated="mean", for instance')
        if len(times) > 1 and (numbers[-1] - numbers[0] + 1 - len(np.unique(numbers))) > _LARGEST_GAPS * (numbers[-1] - numbers[0] + 1):
            what = f"{where}: more than half of the values{title} are missing at one every {made.name}"
            raise DataError(what, fix='give a longer step, such as frequency="week" with repeated="mean"')
    return made


def _candidate(series: Sequence[np.ndarray], steps: np.ndarray) -> Frequency:
    """The step that most pairs of neighbours have."""
    usual = float(np.median(steps))
    months = [times.astype("datetime64[M]").astype(np.int64) for times in series]
    if usual >= 27 * MICROS["day"] and all((np.diff(m) > 0).all() for m in months):
        values, counts = np.unique(np.concatenate([np.diff(m) for m in months]), return_counts=True)
        days = np.concatenate([times.astype("datetime64[D]") for times in series])
        ends = bool(((days + 1).astype("datetime64[M]") > days.astype("datetime64[M]")).all())
        return Frequency("month", int(values[counts.argmax()]), int(next(m[0] for m in months if len(m))), ends)
    if usual == MICROS["day"] and len(steps) >= 5:
        days = np.concatenate([times.astype("datetime64[D]") for times in series])
        if np.is_busday(days).all():
            return Frequency("business day")
    values, counts = np.unique(steps, return_counts=True)
    length = max(int(values[counts.argmax()]), 1)
    origin = int(next(times[0] for times in series if len(times)).astype("datetime64[us]").astype(np.int64))
    for unit, micros in reversed(MICROS.items()):
        if length % micros == 0:
            return Frequency(unit, length // micros, origin)
    return Frequency("second", max(1, round(length / MICROS["second"])), origin)
