"""What a user sees in a public module is exactly its `__all__`."""

import importlib
import types

import pytest

PUBLIC = ["saltus", "saltus.nn", "saltus.optim", "saltus.data", "saltus.train", "saltus.report"]


@pytest.mark.parametrize("name", PUBLIC)
def test_all_is_exactly_what_is_visible(name):
    module = importlib.import_module(name)
    assert len(set(module.__all__)) == len(module.__all__), "a name stands twice in __all__"
    for public in module.__all__:
        assert hasattr(module, public)
    visible = {
        key
        for key in dir(module)
        if not key.startswith("_")
        and not isinstance(getattr(module, key), types.ModuleType)
        and type(getattr(module, key)).__name__ != "_Feature"  # `from __future__ import ...`
    }
    listed = {key for key in module.__all__ if not isinstance(getattr(module, key), types.ModuleType)}
    assert visible == {key for key in listed if not key.startswith("_")}
    assert set(module.__all__) <= set(dir(module)), "a name in __all__ that dir() does not show"


@pytest.mark.parametrize("name", ["random", "linalg", "fft"])
def test_modules_of_functions_show_what_is_theirs_only(name):
    module = getattr(importlib.import_module("saltus"), name)
    assert dir(module) == sorted(module.__all__)


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_function_and_class_is_documented(name):
    module = importlib.import_module(name)
    objects = [(key, getattr(module, key)) for key in module.__all__]
    bare = [key for key, value in objects if callable(value) and not (value.__doc__ or "").strip()]
    assert bare == []
