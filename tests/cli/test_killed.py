"""A run on any kind of data that is killed at random moments, in the middle of epochs too, and resumed ends with the
weights of one that was not.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

import saltus as sl
from saltus.base import tree
from saltus.train import storage

EPOCHS = 30  # long against the moments until a run is killed

# The command, with short calls and a checkpoint after each of them
PROGRAM = """
import sys
from saltus.train import checkpoint, plan
checkpoint.Checkpoints.due = lambda self: True
plan.CALL_SECONDS = 0.001
from saltus.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


def command(*words):
    return [sys.executable, "-c", PROGRAM, *map(str, words)]


def table(folder):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(900, 4)).round(4)
    columns = {f"f{i}": x[:, i] for i in range(4)}
    pl.DataFrame({**columns, "y": np.where(x[:, 0] * x[:, 1] > 0, "up", "down")}).write_csv(folder / "data.csv")
    return "data.csv", "--hidden", "16"


def blocks(folder):
    return *table(folder), "--set", "memory=0"


def texts(folder):
    rng = np.random.default_rng(0)
    for n in range(300):
        kind = ("ham", "spam")[n % 2]
        words = rng.choice(["gold", "win", "free", "now"] if kind == "spam" else ["meeting", "lunch", "report", "thanks"], 6)
        (folder / "mail" / kind).mkdir(parents=True, exist_ok=True)
        (folder / "mail" / kind / f"{n}.txt").write_text(" ".join([*words, *rng.choice(["the", "and", "we", "you"], 6)]))
    return ("mail",)


def series(folder):
    day = np.arange(500)
    days = (np.datetime64("2022-01-01") + day).astype("datetime64[D]")
    sold = 50 + 8 * np.sin(2 * np.pi * day / 7) + np.random.default_rng(0).normal(0, 1, len(day))
    pl.DataFrame({"day": days, "sold": sold.round(2)}).write_csv(folder / "sales.csv")
    return "sales.csv", "--horizon", "1"


def images(folder):
    rng = np.random.default_rng(0)
    for n in range(240):
        kind = ("dark", "light")[n % 2]
        (folder / "photos" / kind).mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 200, (8, 8, 3), np.uint8) + np.uint8(40 * (n % 2))).save(folder / "photos" / kind / f"{n}.png")
    return "photos", "--set", "filters=8"


def streamed(folder):
    return *images(folder), "--set", "memory=0"


@pytest.mark.slow
@pytest.mark.parametrize("kind", [table, blocks, texts, series, images, streamed])
def test_kill_minus_nine_costs_nothing_on_any_kind_of_data(kind, tmp_path):
    rng = np.random.default_rng(int.from_bytes(os.urandom(4), "little"))
    words = ["fit", *kind(tmp_path), "--epochs", str(EPOCHS), "--batch-size", "16", "--set", "dropout=0.3", "--seed", "4"]
    subprocess.run(command(*words, "--out", "whole", "--quiet"), cwd=tmp_path, check=True, capture_output=True)
    run, told = tmp_path / "killed", []
    file = run / "checkpoints" / "last.safetensors"
    words = [*words, "--out", run.name]
    for _ in range(3):
        before = file.stat().st_mtime_ns if file.exists() else 0
        process = subprocess.Popen(command(*words), cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        end = time.monotonic() + 120
        while process.poll() is None and time.monotonic() < end and (not file.exists() or file.stat().st_mtime_ns == before):
            time.sleep(0.002)
        time.sleep(float(rng.uniform(0, 0.1)))
        process.kill()
        process.communicate()
        stands = storage.read(file, "checkpoint")
        told.append((stands["epoch"], stands["position"]))
        words = ["fit", "--resume", run.name]
    done = subprocess.run(command(*words), cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stderr, told)
    assert weights(run) == weights(tmp_path / "whole"), told
    assert told[0] < (EPOCHS, 0), told


def weights(folder):
    return [leaf.numpy().tobytes() for leaf in tree.leaves(sl.load(Path(folder) / "model.saltus").model.params)]
