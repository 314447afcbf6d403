"""Bit for bit: the same weights over one, two and three threads, and in every run."""

import os
import subprocess
import sys

import pytest

SCRIPT = """
import hashlib
import numpy as np
import saltus as sl
from saltus import nn
from saltus.train import Model
rng = np.random.default_rng(0)
x = rng.normal(size=(600, 64)).astype("float32")
y = rng.integers(0, 10, 600)
network = nn.Sequential([nn.Dense(256, activation="relu"), nn.BatchNormalization(), nn.Dropout(0.2),
                         nn.Dense(256, activation="gelu"), nn.Dense(10)])
model = Model(network, loss="sparse_categorical_crossentropy", optimizer=sl.optim.Adam(global_clipnorm=1.0), metrics=["accuracy"])
run = model.fit(x, y, epochs=2, batch_size=128, validation=0.1, verbose=0)
state = sl.train.program.tree.leaves(model.state())
print(hashlib.sha256(b"".join(t.numpy().tobytes() for t in state)).hexdigest(), run["val_loss"], model.predict(x).sum())
"""


@pytest.mark.slow
def test_threads_and_runs_change_nothing():
    def run(threads):
        environment = {**os.environ, "SALTUS_THREADS": str(threads)}
        done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, env=environment, timeout=200)
        assert done.returncode == 0, done.stderr
        return done.stdout

    one = run(1)
    assert one.strip()
    assert [run(threads) for threads in (2, 3, 1)] == [one, one, one]
