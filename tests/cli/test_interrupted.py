"""A run that is stopped or killed goes on with `--resume` as if nothing had happened."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import saltus as sl
from saltus.base import tree

OPTIONS = ["--epochs", "60", "--seed", "3", "--set", "patience=60", "--hidden", "256,256", "--batch-size", "32"]


def command(*words):
    return [sys.executable, "-m", "saltus", *map(str, words)]


def start(folder, *words):
    return subprocess.Popen(command(*words), cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def weights(folder):
    return [leaf.numpy().tobytes() for leaf in tree.leaves(sl.load(Path(folder) / "model.saltus").model.params)]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a table on which training takes some seconds, and an uninterrupted run on it."""
    folder = tmp_path_factory.mktemp("runs")
    rng = np.random.default_rng(0)
    x = rng.normal(size=(4000, 6)).round(4)
    y = np.where(x[:, 0] * x[:, 1] + x[:, 2] > 0, "up", "down")
    lines = ["a,b,c,d,e,f,y", *(",".join([*map(str, row), word]) for row, word in zip(x.tolist(), y, strict=True))]
    (folder / "data.csv").write_text("\n".join(lines) + "\n")
    subprocess.run(command("fit", "data.csv", *OPTIONS, "--out", "whole"), cwd=folder, check=True, capture_output=True)
    return folder


def wait_for(process, seen, seconds=120.0):
    end = time.monotonic() + seconds
    while not seen():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_writes_a_checkpoint_and_says_how_to_go_on(place, number):
    run = f"stopped-{number.name}"
    process = start(place, "fit", "data.csv", *OPTIONS, "--out", run)
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("epoch "):
            break
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, (out, err)
    assert f"interrupted: stopped by {number.name} in epoch" in err
    assert f"go on with: saltus fit --resume {run}" in err
    assert (place / run / "checkpoints" / "last.safetensors").is_file()
    assert not (place / run / "model.saltus").exists()
    subprocess.run(command("fit", "--resume", run), cwd=place, check=True, capture_output=True)
    assert weights(place / run) == weights(place / "whole")


@pytest.mark.slow
def test_a_signal_before_training_ends_the_command_too(place):
    process = start(place, "fit", "data.csv", *OPTIONS, "--out", "early")
    wait_for(process, (place / "early" / "config.json").exists)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "go on with: saltus fit --resume early" in err


@pytest.mark.slow
def test_kill_minus_nine_at_random_moments_costs_nothing(place, monkeypatch):
    rng = np.random.default_rng(int.from_bytes(os.urandom(4), "little"))
    run, moments = place / "killed", []
    process = start(place, "fit", "data.csv", *OPTIONS, "--out", run.name)
    for _ in range(4):
        wait_for(process, lambda: (run / "config.json").exists())
        moments.append(float(rng.uniform(0.1, 6.0)))
        try:
            process.communicate(timeout=moments[-1])
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
        process = start(place, "fit", "--resume", run.name)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 0, (err, moments)
    assert weights(run) == weights(place / "whole"), moments
