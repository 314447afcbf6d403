"""The settings of a fit: from options, --set key=value and an earlier run, to one checked record."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from saltus.base.errors import ArgumentError, nearest
from saltus.train import kinds
from saltus.train.fitted import FitOptions
from saltus.train.kinds import Kind


@dataclass(frozen=True)
class FitSettings:
    """Everything that decides what `saltus fit` does; saved with the run.

    Attributes:
        data: file or folder, or name of a data set that comes with saltus.
        kind: of the data; one of `kinds.names()`.
        target: what to predict, such as a column; None leaves it to the kind.
        columns: how single columns of a table are read, name -> kind, scaler or "drop"; see `TableEncoder.fit`.
        values: key -> value for the options that the kind takes from the command line.
    """

    data: str
    kind: Kind = kinds.TABLE
    target: str | None = None
    columns: dict[str, str] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        usual = self.kind.options()
        object.__setattr__(self, "values", {key: getattr(usual, key) for key in keys_of(self.kind)} | self.values)

    def to_config(self) -> dict[str, Any]:
        """The settings as plain values."""
        return {"data": self.data, "kind": self.kind.name, "target": self.target, "columns": self.columns, **self.values}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> FitSettings:
        """The settings that `to_config` wrote, also after a way through JSON."""
        kind = kinds.named(config.get("kind", kinds.TABLE.name))
        values = {key: tuple(v) if isinstance(v, list) else v for key in keys_of(kind) if (v := config.get(key, ...)) is not ...}
        return cls(config["data"], kind, config["target"], config["columns"], values)

    def options(self, **more: Any) -> FitOptions:
        """The options of the kind's `fit`; `more` are those that no run keeps."""
        columns = {"overrides": self.columns or None} if "overrides" in self.kind.own else {}
        return self.kind.options(**self.values, **columns, **more)


def keys_of(kind: Kind) -> list[str]:
    """The keys of a kind, in the order of `PARSERS`."""
    return [key for key in PARSERS if key in kind.keys]


# -- one value of each key from text -----------------------------------------------------------------------------------


def _expected(what: str) -> Callable[[str], Any]:
    def refuse(text: str) -> Any:
        raise ValueError(what)

    return refuse


def _number(low: float, high: float, what: str, kind: Callable[[str], Any]) -> Callable[[str], Any]:
    """A parser of numbers from low to below high."""

    def parse(text: str) -> Any:
        try:
            value = kind(text)
        except ValueError:
            value = math.nan
        return value if low <= value < high else _expected(what)(text)

    return parse


_count = _number(1, math.inf, "a whole number from 1 on", int)
_share = _number(0, 1, "a share from 0 to below 1", float)
_TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def _batch(text: str) -> int | str:
    return text if text == "full" else _number(1, math.inf, "a whole number from 1 on, or full", int)(text)  # type: ignore[no-any-return]


def _widths(text: str) -> tuple[int, ...]:
    """Widths from "128,64"; "0" is no hidden layer at all."""
    try:
        numbers = [int(width) for width in text.split(",")]
    except ValueError:
        numbers = [-1]
    if min(numbers) < 0 or (0 in numbers and len(numbers) > 1):
        _expected("whole numbers with commas between, such as 128,64, or 0 for none")(text)
    return tuple(n for n in numbers if n)


def _truth(text: str) -> bool:
    return _TRUTH[text.lower()] if text.lower() in _TRUTH else _expected("true or false")(text)  # type: ignore[no-any-return]


def _names(text: str) -> tuple[str, ...]:
    """Words with commas between."""
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _horizons(text: str) -> tuple[int | str, ...]:
    """Steps ahead and names of times, from "1,month"."""
    return tuple(int(word) if word.isdigit() else word for word in _names(text)) or _expected("steps or names, such as 1,month")(text)  # type: ignore[no-any-return]


def _test(text: str) -> float | str | None:
    """A share as a number, anything else is a file."""
    try:
        float(text)
    except ValueError:
        return text
    return _number(0, 1, "a share from 0 to below 1, or a file", float)(text) or None


def _size(text: str) -> tuple[int, int]:
    """Height and width from "64" or "48x64"."""
    words = text.lower().split("x")
    if len(words) > 2 or not all(word.strip().isdigit() and int(word) for word in words):
        _expected("pixels such as 64, or height x width such as 48x64")(text)
    return int(words[0]), int(words[-1])


PARSERS: dict[str, Callable[[str], Any]] = {
    "task": str, "epochs": _count, "batch_size": _batch, "learning_rate": _number(1e-12, math.inf, "a number above 0", float),
    "schedule": str, "optimizer": str, "weight_decay": _number(0, math.inf, "a number from 0 on", float), "hidden": _widths,
    "activation": str, "dropout": _share, "validation": _share, "test": _test, "patience": _count, "balanced": _truth,
    "filters": _count, "blocks": _count,
    "size": _size, "resize": str, "channels": _number(1, 4, "1 for grey or 3 for colour", int), "skip_corrupt": _truth,
    "label_smoothing": _share, "seed": _number(0, 2**63, "a whole number from 0 on", int),
    "horizon": _horizons, "window": _number(2, math.inf, "a whole number from 2 on", int), "time": str, "key": str, "frequency": str,
    "repeated": str, "known": _names,
    "reader": str, "text": str, "tokenizer": str, "tokenizer_size": _count, "grams": _count, "longest": _count, "encoding": str,
    "ensemble": str, "members": _count, "distill": _truth,
    "ema": _share, "augment": str, "memory": _number(0, math.inf, "bytes, such as 4e9", float),
}  # fmt: skip


def values_of(words: Iterable[tuple[str, str]], kind: Kind) -> dict[str, Any]:
    """Checked values from (key, text) pairs; later ones count.

    Args:
        words: what was asked.
        kind: of the data; each has settings of its own.

    Raises:
        ArgumentError: an unknown key, one of another kind, or a text that is no value of its key.
    """
    made: dict[str, Any] = {}
    known = keys_of(kind)
    for key, text in words:
        name = key.strip().replace("-", "_")
        if name not in known:
            raise _unknown_key(name, kind)
        try:
            made[name] = PARSERS[name](text.strip())
        except ValueError as error:
            usual = getattr(kind.options(), name)
            fix = "leave it out to have it chosen" if usual is None else f"leave it out for {usual}"
            raise ArgumentError(f"{name} is {text!r}, expected {error}", fix=fix) from None
    return made


def _unknown_key(name: str, kind: Kind) -> ArgumentError:
    known = keys_of(kind)
    owners = [other for other in kinds.KINDS if name in keys_of(other)]
    if owners:
        whose = " or ".join(other.fitted.title for other in owners)
        return ArgumentError(
            f"{name} is a setting of {whose}, but this is {kind.fitted.title}; it has {', '.join(known)}",
            fix="leave it out, or name the kind of data with --kind",
        )
    close = nearest(name, known, 1)
    fix = f"did you mean {close[0]}?" if close else "take one of these"
    return ArgumentError(f"there is no setting {name!r}; there are {', '.join(known)}", fix=fix)


def pairs(option: str, words: Iterable[str]) -> list[tuple[str, str]]:
    """(key, value) from words such as "key=value".

    Raises:
        ArgumentError: a word has no "=".
    """
    made = []
    for word in words:
        key, equals, text = word.rpartition("=")
        if not equals:
            raise ArgumentError(f"{option} takes name=value, got {word!r}", fix=f"for example {option} {word}=...")
        made.append((key, text))
    return made
