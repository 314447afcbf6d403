"""Names of a package that are loaded when they are first asked for: a package of many parts costs what is used of it. The lowest layer."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any


def later(package: str, names: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """`__getattr__` and `__dir__` of a package.

    Args:
        package: its import name.
        names: module of the package -> what the package takes from it, words in one text. Its other modules go by their own names.
    """
    home = {name: module for module, own in names.items() for name in own.split()}

    def find(name: str) -> Any:
        whole = f"{package}.{home.get(name, name)}"
        try:
            loaded = importlib.import_module(whole)
        except ModuleNotFoundError as error:
            if error.name != whole:
                raise
            raise AttributeError(f"{package} has no {name!r}") from None
        value = getattr(loaded, name) if name in home else loaded
        setattr(sys.modules[package], name, value)
        return value

    return find, lambda: sorted({*home, *vars(sys.modules[package])})
