"""Small tables and runs for the tests of the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from saltus.cli.main import main


class Commands:
    """`saltus ...` in this process; output and errors of the last command are kept."""

    def __init__(self, captured: pytest.CaptureFixture[str]) -> None:
        self._captured = captured
        self.out = self.err = ""

    def __call__(self, *words: Any) -> int:
        self._captured.readouterr()
        code = main([str(word) for word in words])
        self.out, self.err = self._captured.readouterr()
        return code


@pytest.fixture
def saltus(capsys, monkeypatch, tmp_path) -> Commands:
    """The command line, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return Commands(capsys)


def table_of_flowers(rows: int = 120, seed: int = 0) -> str:
    """A CSV table of two measures, a colour and a kind that follows from them."""
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, 3, rows)
    length, width = kind * 2.0 + rng.normal(0, 0.3, rows), 5.0 - kind + rng.normal(0, 0.3, rows)
    colour = np.array(["red", "white", "blue"])[np.where(rng.random(rows) < 0.8, kind, rng.integers(0, 3, rows))]
    lines = [f"{a:.3f},{b:.3f},{c},{('rose', 'lily', 'iris')[k]}" for a, b, c, k in zip(length, width, colour, kind, strict=True)]
    return "\n".join(["length,width,colour,kind", *lines]) + "\n"


@pytest.fixture
def flowers(tmp_path) -> Path:
    """flowers.csv in the folder of the test."""
    path = tmp_path / "flowers.csv"
    path.write_text(table_of_flowers())
    return path


@pytest.fixture(scope="session")
def trained(tmp_path_factory) -> Path:
    """The folder of a run on flowers, made once."""
    place = tmp_path_factory.mktemp("trained")
    data = place / "flowers.csv"
    data.write_text(table_of_flowers())
    assert main(["fit", str(data), "--target", "kind", "--out", str(place / "run"), "--quiet"]) == 0
    return place / "run"


@pytest.fixture
def kept():
    """Reads the JSON file of a run."""
    return lambda folder, name: json.loads((Path(folder) / name).read_text())
