"""The settings of a fit: from options, --set key=value and an earlier run, to one checked record."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from saltus.base.errors import ArgumentError, nearest


@dataclass(frozen=True)
class FitSettings:
    """Everything that decides what `saltus fit` does; saved with the run.

    Attributes:
        data: file, or name of a data set that comes with saltus.
        target: column to predict; None takes the last.
        task: "classification", "regression", or None to infer it.
        epochs: passes at most.
        batch_size: rows of a step, "full", or None to choose by the number of rows.
        learning_rate: of the optimizer.
        optimizer: its name.
        hidden: widths of the hidden layers; None chooses by the data.
        activation: of the hidden layers.
        dropout: share of hidden units dropped.
        weight_decay: of the weights.
        validation: share held out to stop and to choose by.
        test: share (number) or file held out for the final figure; None for neither.
        patience: epochs without a better validation loss after which training ends.
        balanced: whether rare classes count as much as frequent ones.
        seed: of everything random.
    """

    data: str = ""
    target: str | None = None
    task: str | None = None
    epochs: int = 50
    batch_size: int | str | None = None
    learning_rate: float = 1e-3
    optimizer: str = "adamw"
    hidden: tuple[int, ...] | None = None
    activation: str = "relu"
    dropout: float = 0.1
    weight_decay: float = 4e-3
    validation: float = 0.15
    test: float | str | None = 0.2
    patience: int = 8
    balanced: bool = False
    seed: int = 0

    def to_config(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> FitSettings:
        known = {f.name for f in fields(cls)}
        made = {k: v for k, v in config.items() if k in known}
        if made.get("hidden") is not None:
            made["hidden"] = tuple(made["hidden"])
        return cls(**made)


def widths(text: str | None) -> tuple[int, ...] | None:
    """Widths from "128,64"; "0" is none at all."""
    if text is None:
        return None
    try:
        numbers = tuple(int(w) for w in text.replace(" ", "").split(",") if w)
    except ValueError:
        numbers = (-1,)
    if any(n < 0 for n in numbers):
        raise ArgumentError(f"--hidden takes whole numbers with commas between, got {text!r}", fix="for example --hidden 128,64")
    return tuple(n for n in numbers if n)


def batch(text: Any) -> int | str | None:
    """A batch size from "64" or "full"."""
    if text is None or text == "full":
        return text  # type: ignore[no-any-return]
    try:
        number = int(text)
    except (TypeError, ValueError):
        number = 0
    if number < 1:
        raise ArgumentError(f"--batch-size takes a whole number from 1, or full, got {text!r}")
    return number


def share_or_file(text: str | None, default: float | str | None) -> float | str | None:
    """--test: a share as a number, a file as a path."""
    if text is None:
        return default
    try:
        share = float(text)
    except ValueError:
        return text
    if not 0 <= share < 1:
        raise ArgumentError(f"--test takes a share from 0 to 1 or a file, got {text!r}")
    return share or None


def with_settings(base: FitSettings, words: tuple[str, ...]) -> FitSettings:
    """Apply --set key=value.

    Raises:
        ArgumentError: a word without "=", an unknown key, or a value of the wrong kind.
    """
    known = {f.name: f.type for f in fields(FitSettings)}
    for word in words:
        key, equals, text = word.partition("=")
        key = key.strip().replace("-", "_")
        if not equals:
            raise ArgumentError(f"--set takes key=value, got {word!r}")
        if key not in known:
            close = nearest(key, known)
            fix = f"did you mean {close[0]}?" if close else ""
            raise ArgumentError(f"unknown setting {key!r}; there are {', '.join(known)}", fix=fix or None)
        base = replace(base, **{key: _value(key, text.strip(), getattr(FitSettings(), key))})
    return base


def _value(key: str, text: str, default: Any) -> Any:
    if key == "hidden":
        return widths(text)
    if key == "batch_size":
        return batch(text)
    if key == "test":
        return share_or_file(text, None)
    if key in ("data", "target", "task", "optimizer", "activation"):
        return text
    try:
        value = json.loads(text.lower() if text.lower() in ("true", "false", "null") else text)
    except ValueError:
        value = text
    wanted = type(default)
    if wanted is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if not isinstance(value, wanted) or (wanted is not bool and isinstance(value, bool)):
        raise ArgumentError(f"--set {key} takes a {wanted.__name__}, such as {default!r}; got {text!r}")
    return value
