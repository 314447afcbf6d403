"""The command of a page makes the same run again."""

from __future__ import annotations

import json
import shlex

import pytest

from saltus.base import tree
from saltus.cli.main import main
from saltus.cli.options import FitSettings, pairs, values_of
from saltus.report import Run
from saltus.report.command import command_of
from saltus.train import kinds


def again(command: str) -> dict:
    """The configuration that the words of a command give, read as the command line reads them."""
    words = shlex.split(command)
    assert words[:2] == ["saltus", "fit"]
    data, rest = words[2], words[3:]
    given, settings, columns, horizon = [], [], [], []
    kind, target = None, None
    while rest:
        name = rest.pop(0)
        if name == "--skip-corrupt":
            given.append(("skip_corrupt", "True"))
            continue
        value = rest.pop(0)
        if name == "--kind":
            kind = kinds.named(value)
        elif name == "--target":
            target = value
        elif name == "--set":
            settings.append(value)
        elif name == "--column":
            columns.append(value)
        elif name == "--horizon":
            horizon.append(value)
        else:
            given.append((name[2:].replace("-", "_"), value))
    given += [("horizon", ",".join(horizon))] if horizon else []
    made = FitSettings(data, kind, target, dict(pairs("--column", columns)))
    made.values.update(values_of([*given, *pairs("--set", settings)], kind))
    return json.loads(json.dumps(made.to_config()))


CASES = [
    ("table", {"epochs": 7, "hidden": (), "test": None, "balanced": True, "optimizer": "sgd", "batch_size": "full"}, {"a b": "drop"}),
    ("table", {"hidden": (64, 8), "learning_rate": 0.01, "patience": 3, "validation": 0.2, "test": "other data.csv"}, {}),
    ("images", {"size": (48, 64), "skip_corrupt": True, "label_smoothing": 0.0, "seed": 9}, {}),
    ("text", {"tokenizer": "bpe", "grams": 1, "text": "the text"}, {"note": "text"}),
    ("series", {"horizon": (1, "week"), "time": "day", "known": ("holiday", "sale"), "dropout": 0.5}, {}),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "values", "columns"), CASES)
def test_the_words_give_the_same_settings(kind, values, columns):
    asked = FitSettings("my data.csv", kinds.named(kind), None if kind == "images" else "what it's", columns, values)
    config = json.loads(json.dumps(asked.to_config()))
    assert again(command_of(config)) == config


def test_a_cross_validation_is_repeated_too():
    config = FitSettings("d.csv", kinds.TABLE, "y").to_config()
    assert command_of(config, {"folds": 5, "repeats": 1, "groups": None, "order": "day"}) == (
        "saltus fit d.csv --kind table --target y --seed 0 --folds 5 --order day"
    )


def test_the_command_makes_the_same_weights(run_of, tmp_path):
    folder = run_of("two_classes")
    words = shlex.split(command_of(Run.read(folder).config))[1:]
    assert main([*words, "--out", str(tmp_path / "again"), "--quiet"]) == 0
    first, second = (tree.leaves(kinds.load_fitted(place / "model.saltus").model.params) for place in (folder, tmp_path / "again"))
    assert all(a.numpy().tobytes() == b.numpy().tobytes() for a, b in zip(first, second, strict=True))
