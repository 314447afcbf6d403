"""The command that repeats a run, from what its folder says was asked."""

from __future__ import annotations

import shlex
from typing import Any

from saltus.train import kinds

# Settings that have an option of their own; all others are --set key=value.
OPTIONS = (
    "task", "epochs", "batch_size", "learning_rate", "time", "key", "hidden", "dropout", "validation", "test", "seed", "size", "ensemble",
    "members", "ema",
)  # fmt: skip


def command_of(config: dict[str, Any], dealt: dict[str, Any] | None = None) -> str:
    """The words that make the same model again, on the same data with the same version.

    Args:
        config: as `saltus fit` wrote it.
        dealt: how the folds of a cross-validation before were dealt.

    Example:
        >>> command_of({"kind": "table", "data": "my data.csv", "target": "y", "columns": {}, "epochs": 5, "balanced": True, "seed": 0})
        "saltus fit 'my data.csv' --kind table --target y --epochs 5 --seed 0 --set balanced=true"
    """
    kind = kinds.named(config.get("kind", kinds.TABLE.name))
    usual = kind.options()
    words, rest = ["saltus", "fit", str(config["data"]), "--kind", kind.name], []
    if config.get("target") is not None:
        words += ["--target", str(config["target"])]
    for key, value in config.items():
        if key not in kind.keys or (key != "seed" and _plain(value) == _plain(getattr(usual, key))):
            continue
        if key == "horizon":
            words += [word for step in value for word in ("--horizon", str(step))]
        elif key in ("skip_corrupt", "distill"):
            words.append(f"--{key.replace('_', '-')}")
        elif key in OPTIONS:
            words += [f"--{key.replace('_', '-')}", _text(key, value)]
        else:
            rest += ["--set", f"{key}={_text(key, value)}"]
    for name, value in (dealt or {}).items():
        words += [] if value is None or (name == "repeats" and value == 1) else [f"--{name}", str(value)]
    for name, how in config.get("columns", {}).items():
        words += ["--column", f"{name}={how}"]
    return shlex.join([*words, *rest])


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _text(key: str, value: Any) -> str:
    if value is None:
        return "0"  # of test: none
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return ("x" if key == "size" else ",").join(map(str, value)) or "0"
    return str(value)
