"""Packages whose parts are loaded when they are first asked for."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys

import pytest

PACKAGES = ["saltus.train", "saltus.data"]


@pytest.mark.parametrize("package", PACKAGES)
def test_no_public_name_is_that_of_a_module(package: str) -> None:
    module = importlib.import_module(package)
    assert not set(module.__all__) & {part.name for part in pkgutil.iter_modules(module.__path__)}


@pytest.mark.parametrize("package", PACKAGES)
def test_modules_are_found_by_name_and_what_does_not_exist_is_refused(package: str) -> None:
    module = importlib.import_module(package)
    for part in pkgutil.iter_modules(module.__path__):
        assert getattr(module, part.name).__name__ == f"{package}.{part.name}"
    with pytest.raises(AttributeError, match=f"{package} has no 'no_such_name'"):
        module.no_such_name  # noqa: B018


def test_a_model_loads_nothing_of_tables_searches_or_ensembles() -> None:
    code = "import sys, saltus; saltus.Model; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "saltus.train.model" in loaded
    assert not {f"saltus.train.{name}" for name in ("tabular", "tuning", "ensembles", "series", "texts")} & set(loaded)
    assert "saltus.data.table" not in loaded
