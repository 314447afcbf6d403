"""How ops reach the libraries beside an array namespace, so that no op imports an engine."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np


def companion(xp: Any, name: str) -> Any:
    """The module `name` of the package that `xp` belongs to, e.g. companion(jax.numpy, "lax") is jax.lax."""
    return importlib.import_module(f"{xp.__name__.partition('.')[0]}.{name}")


def is_numpy(xp: Any) -> bool:
    """Whether `eval` runs as the reference."""
    return xp is np
