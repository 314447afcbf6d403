"""Loads a heavy third-party module at its first use, so that importing saltus stays quick."""

from __future__ import annotations

import importlib
from typing import Any


class LazyModule:
    """Stands in for a module until one of its attributes is asked for.

    Args:
        name: the module's import name, such as "polars".

    Example:
        >>> text = LazyModule("textwrap")
        >>> text.shorten("one two three", 9)
        'one [...]'
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        value = getattr(importlib.import_module(self._name), attribute)
        if not attribute.startswith("__"):
            setattr(self, attribute, value)  # the next access is an ordinary one
        return value
