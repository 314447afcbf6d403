"""A training that is stopped, interrupted or killed goes on exactly where it was: the same weights, bit for
bit.
"""

import errno
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import saltus as sl
from saltus import nn
from saltus.base.errors import ArgumentError, ModelFileError, StorageError
from saltus.train import Model

# A program that trains with everything that has state: dropout, batch normalisation, moving average, schedule, early stopping,
# a validation share, a last batch that is smaller. Arguments: folder, epochs, steps to stop after (0: none), seconds each call waits.
SCRIPT = """
import hashlib, json, sys, time
import numpy as np
import saltus as sl
from saltus import nn
from saltus.train import Model, plan

folder, epochs, stop, wait = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
rng = np.random.default_rng(0)
x = rng.normal(size=(150, 6)).astype("float32")
y = (x[:, 0] * x[:, 1] > 0).astype("int64")
network = nn.Sequential([nn.Dense(16, activation="relu"), nn.BatchNormalization(), nn.Dropout(0.3), nn.Dense(2)])
optimizer = sl.optim.Adam(sl.optim.CosineDecay(0.02, 500), use_ema=True, global_clipnorm=1.0)
model = Model(network, loss="sparse_categorical_crossentropy", optimizer=optimizer, metrics=["accuracy"], seed=5)

class Crash(sl.train.Callback):
    steps = 0
    def on_train_batch_end(self, batch, logs):
        self.steps += 1
        print("step", flush=True)
        if wait:
            time.sleep(wait)
        if self.steps == stop:
            raise RuntimeError("crash")

callbacks = [sl.train.EarlyStopping(patience=40, restore_best_weights=True)]
if stop or wait:
    callbacks.append(Crash())
run = model.fit(x, y, epochs=epochs, batch_size=16, validation=0.2, callbacks=callbacks, verbose=0,
                checkpoint=folder, checkpoint_seconds=0.0, resume=True)
state = sl.train.program.tree.leaves(model.state())
text = hashlib.sha256(b"".join(t.numpy().tobytes() for t in state)).hexdigest()
records = [{k: v for k, v in r.items() if k != "seconds"} for r in run.records]
print(json.dumps({"weights": text, "records": records}))
"""


def start(folder, epochs=6, stop=0, wait=0.0):
    command = [sys.executable, "-c", SCRIPT, str(folder), str(epochs), str(stop), str(wait)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finished(process):
    out, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    return json.loads(out.splitlines()[-1])


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    return finished(start(tmp_path_factory.mktemp("whole")))


@pytest.mark.slow
def test_a_crash_at_any_step_costs_nothing(tmp_path, uninterrupted):
    for step in (3, 13):  # 13: another crash, in a later epoch than the first
        process = start(tmp_path, stop=step)
        _, errors = process.communicate(timeout=120)
        assert "crash" in errors
    assert finished(start(tmp_path)) == uninterrupted


@pytest.mark.slow
def test_kill_minus_nine_costs_nothing(tmp_path, uninterrupted):
    rng = np.random.default_rng()
    for _ in range(2):
        process = start(tmp_path, wait=0.004)
        for _ in range(int(rng.integers(2, 20))):
            process.stdout.readline()
        time.sleep(float(rng.random()) * 0.01)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert finished(start(tmp_path)) == uninterrupted
    assert [p.name for p in tmp_path.iterdir()] == ["last.safetensors"]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_write_the_checkpoint_first(tmp_path, uninterrupted, number):
    process = start(tmp_path, wait=0.02)
    for _ in range(10):
        process.stdout.readline()
    process.send_signal(number)
    _, errors = process.communicate(timeout=120)
    assert f"Interrupted: stopped by {number.name}" in errors
    assert "resume=True goes on from there" in errors
    assert finished(start(tmp_path)) == uninterrupted


RNG = np.random.default_rng(3)
X = RNG.normal(size=(50, 4)).astype("float32")
Y = RNG.normal(size=(50, 2)).astype("float32")


def model(seed=0, units=8):
    return Model(nn.Sequential([nn.Dense(units, activation="tanh"), nn.Dropout(0.2), nn.Dense(2)]), loss="mse", seed=seed)


def weights(trained):
    return [t.tolist() for t in sl.train.program.tree.leaves(trained.state())]


class StopAt(sl.train.Callback):
    """Ends the process's training as a signal would, after some batches."""

    def __init__(self, steps):
        self.steps = steps

    def on_train_batch_end(self, batch, logs):
        self.steps -= 1
        if not self.steps:
            os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize("steps", [1, 4, 5, 8])
def test_resuming_in_the_middle_of_an_epoch_is_exact(tmp_path, steps):
    whole, parts = model(), model()
    run = whole.fit(X, Y, epochs=3, batch_size=12, verbose=0)
    with pytest.raises(sl.train.Interrupted) as caught:
        parts.fit(X, Y, epochs=3, batch_size=12, verbose=0, callbacks=[StopAt(steps)], checkpoint=tmp_path)
    assert caught.value.checkpoint == tmp_path / "last.safetensors"
    fresh = model()
    again = fresh.fit(X, Y, epochs=3, batch_size=12, verbose=0, checkpoint=tmp_path, resume=True)
    assert weights(fresh) == weights(whole)
    assert again["loss"] == run["loss"]


def test_an_interruption_without_a_folder_keeps_the_weights_so_far():
    trained = model()
    with pytest.raises(KeyboardInterrupt, match="the model has the weights so far"):
        trained.fit(X, Y, epochs=3, batch_size=12, verbose=0, callbacks=[StopAt(4)])
    assert trained.state()["step"].item() == 4
    assert len(trained.history) == 0


def test_a_longer_training_goes_on_from_a_finished_one(tmp_path):
    whole, first, second = model(), model(), model()
    whole.fit(X, Y, epochs=4, verbose=0)
    first.fit(X, Y, epochs=2, verbose=0, checkpoint=tmp_path)
    run = second.fit(X, Y, epochs=4, verbose=0, checkpoint=tmp_path, resume=True)
    assert weights(second) == weights(whole)
    assert run.epoch == [1, 2, 3, 4]


def test_a_logger_and_a_plateau_go_on_too(tmp_path):
    def callbacks(name):
        return [sl.train.CSVLogger(tmp_path / name), sl.train.ReduceLROnPlateau("loss", patience=1, min_delta=1e9, factor=0.5)]

    model().fit(X, Y, epochs=4, batch_size=12, verbose=0, callbacks=callbacks("whole.csv"))
    with pytest.raises(sl.train.Interrupted):
        model().fit(X, Y, epochs=4, batch_size=12, verbose=0, checkpoint=tmp_path, callbacks=[*callbacks("parts.csv"), StopAt(12)])
    model().fit(X, Y, epochs=4, batch_size=12, verbose=0, checkpoint=tmp_path, resume=True, callbacks=callbacks("parts.csv"))
    lines = [[",".join(line.split(",")[:-1]) for line in (tmp_path / n).read_text().splitlines()] for n in ("whole.csv", "parts.csv")]
    assert lines[0] == lines[1]  # but for the seconds, which are the last column
    assert len(lines[0]) == 5


def test_backup_and_restore_is_a_checkpoint_that_goes_away(tmp_path):
    whole, parts = model(), model()
    whole.fit(X, Y, epochs=3, batch_size=12, verbose=0)
    with pytest.raises(sl.train.Interrupted):
        parts.fit(X, Y, epochs=3, batch_size=12, verbose=0, callbacks=[sl.train.BackupAndRestore(tmp_path), StopAt(7)])
    assert (tmp_path / "last.safetensors").exists()
    parts = model()
    parts.fit(X, Y, epochs=3, batch_size=12, verbose=0, callbacks=[sl.train.BackupAndRestore(tmp_path)])
    assert weights(parts) == weights(whole)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"x": X + 1}, "data"),
        ({"x": X[:40], "y": Y[:40]}, "data"),
        ({"batch_size": 5}, "batch_size"),
        ({"seed": 9}, "seed"),
        ({"model": 5}, "network"),
        ({"validation": 0.2}, "validation"),
    ],
)
def test_another_training_is_not_resumed_by_mistake(tmp_path, change, words):
    model().fit(X, Y, epochs=1, verbose=0, checkpoint=tmp_path)
    other = model(units=change.pop("model", 8))
    x, y = change.pop("x", X), change.pop("y", Y)
    with pytest.raises(ArgumentError, match=f"another training: its {words}"):
        other.fit(x, y, epochs=2, verbose=0, checkpoint=tmp_path, resume=True, **change)


def test_a_damaged_checkpoint_is_refused(tmp_path):
    model().fit(X, Y, epochs=1, verbose=0, checkpoint=tmp_path)
    path = tmp_path / "last.safetensors"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ModelFileError, match="damaged"):
        model().fit(X, Y, epochs=2, verbose=0, checkpoint=tmp_path, resume=True)
    with pytest.raises(ArgumentError, match="checkpoint="):
        model().fit(X, Y, resume=True, verbose=0)


def test_a_training_that_stopped_early_does_not_go_on(tmp_path):
    def fitted(epochs):
        trained = model()
        stopping = sl.train.EarlyStopping("loss", min_delta=1e9, patience=2, restore_best_weights=True)
        run = trained.fit(X, Y, epochs=epochs, verbose=0, checkpoint=tmp_path, resume=True, callbacks=[stopping])
        return trained, run

    first, run = fitted(9)
    second, again = fitted(9)
    assert len(run) == len(again) == 3
    assert weights(second)[-1] == weights(first)[-1]
    assert (second.predict(X) == first.predict(X)).all()


def test_a_disk_that_fills_during_a_run_leaves_the_last_checkpoint_and_its_history(tmp_path, monkeypatch):
    whole, parts, again = model(), model(), model()
    run = whole.fit(X, Y, epochs=5, batch_size=12, verbose=0)
    room = iter([True] * 12 + [False] * 1000)

    real = os.fsync

    def fsync(number):
        if not next(room):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(number)

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(StorageError, match=r"(?s)No space left.*make room on the disk, then resume"):
        parts.fit(X, Y, epochs=5, batch_size=12, verbose=0, callbacks=[Slow()], checkpoint=tmp_path, checkpoint_seconds=0)
    assert len(parts.history) >= 1
    assert [p.name for p in tmp_path.iterdir()] == ["last.safetensors"]
    monkeypatch.setattr(os, "fsync", real)
    resumed = again.fit(X, Y, epochs=5, batch_size=12, verbose=0, checkpoint=tmp_path, resume=True)
    assert weights(again) == weights(whole)
    assert resumed["loss"] == run["loss"]


class Slow(sl.train.Callback):
    """Makes every batch a call."""

    def on_train_batch_end(self, batch, logs):
        pass


def test_with_augmentation_dropout_moving_average_and_schedule_every_batch_is_a_place_to_go_on_from(tmp_path):
    def fitted(**how):
        network = nn.Sequential([nn.Dense(8, activation="relu"), nn.Dropout(0.3), nn.Dense(2)])
        trained = Model(network, loss="mse", optimizer=sl.optim.Adam(sl.optim.CosineDecay(0.02, 20), use_ema=True), seed=2)
        trained.fit(X, Y, epochs=2, batch_size=12, verbose=0, augment=[nn.RandomNoise(0.1)], **how)
        return weights(trained)

    whole = fitted()
    for steps in range(1, 10):
        with pytest.raises(sl.train.Interrupted):
            fitted(callbacks=[StopAt(steps)], checkpoint=tmp_path / str(steps))
        assert fitted(checkpoint=tmp_path / str(steps), resume=True) == whole
