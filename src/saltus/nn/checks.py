"""Checks of what layers and losses are told, one line each, with messages that say what came; used by every
file of nn.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from saltus.base.errors import ArgumentError, unknown_name


def whole(owner: object, name: str, value: Any, *, low: int = 1) -> int:
    """A whole number not below `low`."""
    if isinstance(value, bool) or not hasattr(value, "__index__") or value.__index__() < low:
        raise ArgumentError(f"{_name(owner)}: {name} must be a whole number from {low} on, got {value!r}")
    return int(value.__index__())


def lengths(owner: object, name: str, value: Any, rank: int, *, low: int = 1) -> tuple[int, ...]:
    """One whole number an axis, given as such or as one number for all of them."""
    given = value if isinstance(value, (tuple, list)) else (value,) * rank
    if len(given) != rank:
        raise ArgumentError(
            f"{_name(owner)}: {name} must be a whole number or {rank} of them, one an axis, got {value!r}",
            fix=f"e.g. {name}={(given or (low,))[0]!r}",
        )
    return tuple(whole(owner, name, v, low=low) for v in given)


def channels_last(owner: object, value: Any) -> None:
    """Refuse every other order of the axes than (N, ..., channels)."""
    if value not in (None, "channels_last"):
        raise ArgumentError(
            f"{_name(owner)}: data_format must be 'channels_last' (the only order there is: it is the fastest), got {value!r}",
            fix="leave data_format out, and put the channels last: x = np.moveaxis(x, 1, -1)",
        )


def number(owner: object, name: str, value: Any, *, low: float = float("-inf"), high: float = float("inf"), open_low: bool = False,
           open_high: bool = False) -> float:  # fmt: skip
    """A real number in a range."""
    fits = isinstance(value, (int, float)) and not isinstance(value, bool) and low <= value <= high
    if not fits or (open_low and value == low) or (open_high and value == high):
        left, right = "(" if open_low else "[", ")" if open_high else "]"
        span = f" in {left}{low:g}, {high:g}{right}" if (low, high) != (float("-inf"), float("inf")) else ""
        raise ArgumentError(f"{_name(owner)}: {name} must be a number{span}, got {value!r}")
    return float(value)


def one_of(owner: object, name: str, value: Any, allowed: Iterable[str]) -> str:
    """One of a few words."""
    words = list(allowed)
    if not isinstance(value, str) or value not in words:
        raise unknown_name(f"{_name(owner)} {name}", value, words)
    return value


def _name(owner: object) -> str:
    return owner if isinstance(owner, str) else type(owner).__name__
