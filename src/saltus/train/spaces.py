"""What a search chooses from for each kind of data, and what a choice changes; below `kinds`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from saltus import nn
from saltus.train.fitted import FitOptions
from saltus.train.space import Dimension, choice, integer, real

_NETWORKS: dict[str, Dimension] = {
    "activation": choice(["relu", "gelu", "silu", "tanh"]),
    "initializer": choice(["glorot_uniform", "he_normal"]),
}
_OPTIMIZERS: dict[str, Dimension] = {
    "optimizer": choice(["adamw", "adam", "rmsprop", "sgd"]),
    "momentum": real(0.0, 0.95),
    "weight_decay": real(1e-5, 1e-1, log=True),
}
DENSE: dict[str, Dimension] = {
    "learning_rate": real(3e-4, 3e-2, log=True),
    "batch_size": choice([32, 64, 128, 256, 512]),
    "width": integer(16, 256, log=True),
    "depth": integer(1, 4),
    "dropout": real(0.0, 0.5),
    **_NETWORKS,
    **_OPTIMIZERS,
}
TEXTS = {**DENSE, "batch_size": choice([16, 32, 64, 128]), "depth": integer(0, 2)}  # 0: the words are weighed, no more
SERIES = {**DENSE, "batch_size": choice([16, 32, 64, 128, 256])}
IMAGES = {
    **DENSE, "batch_size": choice([16, 32, 64, 128]), "width": integer(8, 48, step=8), "depth": integer(1, 3),
    "weight_decay": real(1e-3, 1e-1, log=True), "label_smoothing": real(0.0, 0.2),
}  # fmt: skip

FURTHER = ("epochs", "schedule", "augment")  # can be searched, and are when they are named
TRAINING = ("batch_size", "epochs", "augment")  # of a training, not of its network


def varied(options: FitOptions, params: Mapping[str, Any]) -> Any:
    """Options with what was chosen: "width" and "depth" are hidden layers, or of images filters and blocks.

    Args:
        options: of the kind.
        params: name -> value.

    Example:
        >>> from saltus.train.tabular import TableOptions
        >>> varied(TableOptions(), {"width": 16, "depth": 3, "momentum": 0.5}).hidden
        (16, 16, 16)
    """
    known = {field.name for field in fields(options)}
    changes = {name: value for name, value in params.items() if name in known and name not in TRAINING}
    if "hidden" in known and ("width" in params or "depth" in params):
        given = getattr(options, "hidden", None)
        given = (64, 32) if given is None else given
        width = params.get("width", given[0] if given else 64)
        changes["hidden"] = (int(width),) * int(params.get("depth", max(len(given), 1)))
    else:
        changes |= {own: params[name] for name, own in (("width", "filters"), ("depth", "blocks")) if name in params}
    return replace(options, **changes)


def initialized(network: nn.Layer, initializer: str | None) -> nn.Layer:
    """The network with another initializer wherever its kernels have the usual one."""
    if initializer is None:
        return network
    usual, wanted = nn.to_config(nn.Dense(1))["kernel_initializer"], nn.to_config(nn.Dense(1, kernel_initializer=initializer))

    def changed(config: Any) -> Any:
        if isinstance(config, dict):
            return {
                name: wanted["kernel_initializer"] if name == "kernel_initializer" and value == usual else changed(value)
                for name, value in config.items()
            }
        return [changed(value) for value in config] if isinstance(config, (list, tuple)) else config

    return nn.from_config(changed(nn.to_config(network)))  # type: ignore[no-any-return]
