"""What a search may choose from, in plain Python: `{"learning_rate": space.real(1e-4, 1e-1, log=True), "width": space.integer(16, 256)}`;
a low file of `train`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from saltus.base.errors import ArgumentError


@dataclass(frozen=True)
class Real:
    """A number between two others; see `real`."""

    low: float
    high: float
    log: bool = False

    def suggest(self, trial: Any, name: str) -> float:
        """A value that an Optuna trial chooses."""
        return float(trial.suggest_float(name, self.low, self.high, log=self.log))

    def grid(self, points: int) -> list[Any]:
        """Values at equal distances."""
        if self.log:
            first, last = math.log(self.low), math.log(self.high)
            return [math.exp(first + (last - first) * k / (points - 1)) for k in range(points)]
        return [self.low + (self.high - self.low) * k / (points - 1) for k in range(points)]


@dataclass(frozen=True)
class Integer:
    """A whole number between two others; see `integer`."""

    low: int
    high: int
    log: bool = False
    step: int = 1

    def suggest(self, trial: Any, name: str) -> int:
        """A value that an Optuna trial chooses."""
        return int(trial.suggest_int(name, self.low, self.high, log=self.log, step=self.step))

    def grid(self, points: int) -> list[Any]:
        """At most so many of the values."""
        every = list(range(self.low, self.high + 1, self.step))
        if len(every) <= points:
            return every
        near = Real(self.low, self.high, self.log).grid(points)
        return sorted({min(every, key=lambda v: abs(v - wanted)) for wanted in near})


@dataclass(frozen=True)
class Choice:
    """One of several values; see `choice`."""

    values: tuple[Any, ...]

    def suggest(self, trial: Any, name: str) -> Any:
        """The value that an Optuna trial chooses."""
        return self.values[trial.suggest_categorical(name, list(range(len(self.values))))]

    def grid(self, points: int) -> list[Any]:
        """Numbers of all the values."""
        return list(range(len(self.values)))


Dimension = Real | Integer | Choice


def real(low: float, high: float, *, log: bool = False) -> Real:
    """A number from low to high.

    Args:
        low, high: bounds, both possible.
        log: each order of magnitude is as likely as another.

    Raises:
        ArgumentError: there is nothing between the bounds, or log with a bound that is not positive.

    Example:
        >>> real(1e-4, 1e-1, log=True)
        Real(low=0.0001, high=0.1, log=True)
    """
    _check("real", low, high, log)
    return Real(float(low), float(high), log)


def integer(low: int, high: int, *, log: bool = False, step: int = 1) -> Integer:
    """A whole number from low to high.

    Args:
        low, high: bounds, both possible.
        log: each order of magnitude is as likely as another.
        step: only every so many-th number from low on.

    Raises:
        ArgumentError: there is nothing between the bounds.
    """
    _check("integer", low, high, log)
    if int(low) != low or int(high) != high or step < 1 or (log and step != 1):
        raise ArgumentError(f"integer({low!r}, {high!r}, step={step!r}): expected whole numbers, and no step together with log")
    return Integer(int(low), int(high), log, int(step))


def choice(values: Sequence[Any]) -> Choice:
    """One of several values of any kind.

    Args:
        values: what to choose from.

    Raises:
        ArgumentError: there are none.
    """
    if isinstance(values, str) or not len(values):
        raise ArgumentError(f"choice({values!r}) leaves nothing to choose", fix='give a list: choice(["relu", "tanh"])')
    return Choice(tuple(values))


def _check(name: str, low: Any, high: Any, log: bool) -> None:
    numbers = all(isinstance(v, (int, float)) and not isinstance(v, bool) and math.isfinite(v) for v in (low, high))
    if not numbers or low >= high:
        raise ArgumentError(f"{name}({low!r}, {high!r}) leaves nothing to choose", fix="give a lower and a higher number")
    if log and low <= 0:
        raise ArgumentError(f"{name}({low!r}, {high!r}, log=True): the lower bound must be above 0")


def space_of(given: Mapping[str, Any]) -> dict[str, Dimension]:
    """A space as a user wrote it: dimensions, and lists for choices.

    Raises:
        ArgumentError: there is nothing in it, or something that is no dimension.
    """
    if not given:
        raise ArgumentError("the search space has nothing in it", fix='name what to search: {"momentum": sl.space.real(0.0, 0.95)}')
    made: dict[str, Dimension] = {}
    for name, value in given.items():
        if isinstance(value, (list, tuple)):
            value = choice(value)
        if not isinstance(value, (Real, Integer, Choice)):
            raise ArgumentError(
                f"{name!r} in the search space is {value!r}",
                fix="use sl.space.real(low, high), integer(low, high), choice([...]), a list",
            )
        made[name] = value
    return made


__all__ = ["choice", "integer", "real"]
