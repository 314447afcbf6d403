"""Callbacks have Keras's names, hooks and arguments, see what happens, and are checked before the
training.
"""

import csv
import math

import numpy as np
import pytest

import saltus as sl
from saltus import nn
from saltus.base.errors import ArgumentError, StorageError, UnknownNameError
from saltus.train import Model

RNG = np.random.default_rng(2)
X = RNG.normal(size=(40, 3)).astype("float32")
Y = (X.sum(axis=1, keepdims=True) + 0.1 * RNG.normal(size=(40, 1))).astype("float32")


def model(rate=0.05):
    return Model(nn.Sequential([nn.Dense(1)]), loss="mse", optimizer=sl.optim.SGD(rate), metrics=["mae"])


class Recorder(sl.train.Callback):
    def __init__(self):
        self.calls = []

    def on_train_begin(self, logs=None):
        self.calls.append("train begin")

    def on_train_end(self, logs=None):
        self.calls.append("train end")

    def on_epoch_begin(self, epoch, logs=None):
        self.calls.append(f"epoch {epoch} begin")

    def on_epoch_end(self, epoch, logs):
        self.calls.append(f"epoch {epoch} end")
        self.logs = logs

    def on_test_begin(self, logs=None):
        self.calls.append("test begin")

    def on_test_end(self, logs):
        self.calls.append("test end")


class BatchRecorder(Recorder):
    def on_train_batch_begin(self, batch, logs=None):
        self.calls.append(f"batch {batch} begin")

    def on_train_batch_end(self, batch, logs):
        self.calls.append(f"batch {batch} end")
        self.last = logs["loss"]


def test_hooks_are_called_in_kerass_order_with_kerass_logs():
    seen = Recorder()
    model().fit(X, Y, epochs=2, validation=0.25, callbacks=[seen], verbose=0)
    epoch = ["epoch {} begin", "test begin", "test end", "epoch {} end"]
    assert seen.calls == ["train begin", *[c.format(0) for c in epoch], *[c.format(1) for c in epoch], "train end"]
    assert set(seen.logs) == {"loss", "mae", "val_loss", "val_mae", "learning_rate", "seconds"}
    assert seen.params == {"epochs": 2, "steps": 1, "samples": 30, "batch_size": 30, "resumed": False}


def test_batch_hooks_see_every_batch_and_the_means_so_far():
    seen = BatchRecorder()
    run = model().fit(X, Y, batch_size=16, callbacks=[seen], verbose=0)
    batches = [f"batch {b} {w}" for b in range(3) for w in ("begin", "end")]
    assert seen.calls == ["train begin", "epoch 0 begin", *batches, "epoch 0 end", "train end"]
    assert seen.last == run["loss"][0]


def test_hooks_nobody_wrote_leave_an_epoch_in_one_call():
    calls = []

    class Progress(sl.train.Callback):
        def on_progress(self, batch, logs):
            calls.append(batch)

    model().fit(X, Y, batch_size=1, callbacks=[Progress(), sl.train.EarlyStopping("loss", patience=9)], verbose=0)
    assert calls == [39]


def test_evaluate_and_predict_tell_callbacks():
    seen, done = Recorder(), []
    trained = model()
    trained.evaluate(X, Y, callbacks=[seen])
    trained.predict(
        X, callbacks=[sl.train.LambdaCallback(on_predict_begin=lambda logs: done.append(1), on_predict_end=lambda logs: done.append(2))]
    )
    assert seen.calls == ["test begin", "test end"]
    assert done == [1, 2]


def test_early_stopping_waits_for_its_patience_and_restores_the_best_weights():
    x, y = X[:10], Y[:10]
    held = (X[10:], -Y[10:])  # the better the training part is learnt, the worse this gets
    losses, snapshots = [], []

    class Keep(sl.train.Callback):
        def on_epoch_end(self, epoch, logs):
            losses.append(logs["val_loss"])
            snapshots.append(self.model.params["dense"]["kernel"].numpy().copy())

    trained = model()
    stopping = sl.train.EarlyStopping(patience=3, restore_best_weights=True)
    run = trained.fit(x, y, epochs=50, validation=held, callbacks=[Keep(), stopping], verbose=0)
    best = int(np.argmin(losses))
    assert len(run) == best + 4
    assert "val_loss has not improved" in run.stopped
    assert stopping.best_epoch == best
    assert (trained.params["dense"]["kernel"].numpy() == snapshots[best]).all()


def test_early_stopping_goes_by_min_delta_mode_baseline_and_start():
    run = model().fit(X, Y, epochs=20, callbacks=[sl.train.EarlyStopping("loss", min_delta=1e9, patience=2)], verbose=0)
    assert len(run) == 3
    run = model().fit(X, Y, epochs=20, callbacks=[sl.train.EarlyStopping("loss", mode="max", patience=1)], verbose=0)
    assert len(run) == 2
    run = model().fit(X, Y, epochs=9, callbacks=[sl.train.EarlyStopping("loss", mode="max", patience=1, start_from_epoch=5)], verbose=0)
    assert len(run) == 7
    run = model().fit(X, Y, epochs=9, callbacks=[sl.train.EarlyStopping("loss", baseline=-1.0, patience=4)], verbose=0)
    assert len(run) == 4


def test_an_unknown_monitor_is_refused_before_training_with_the_names_there_will_be():
    seen = Recorder()
    with pytest.raises(UnknownNameError) as caught:
        model().fit(X, Y, callbacks=[seen, sl.train.EarlyStopping("val_los")], validation=0.2, verbose=0)
    assert "'val_loss'" in str(caught.value)
    assert seen.calls == []
    with pytest.raises(UnknownNameError, match=r"validation=0\.2"):
        model().fit(X, Y, callbacks=[sl.train.EarlyStopping()], verbose=0)


def test_the_learning_rate_falls_on_a_plateau_and_never_below_its_floor():
    plateau = sl.train.ReduceLROnPlateau("loss", factor=0.1, patience=2, min_delta=1e9, cooldown=0, min_lr=1e-3)
    run = model().fit(X, Y, epochs=8, callbacks=[plateau], verbose=0)
    assert run["learning_rate"] == pytest.approx([0.05, 0.05, 0.05, 0.005, 0.005, 0.001, 0.001, 0.001])


def test_a_scheduler_sets_the_rate_of_each_epoch_without_another_program():
    trained = model()
    run = trained.fit(X, Y, epochs=3, callbacks=[sl.train.LearningRateScheduler(lambda epoch, rate: rate * 0.5)], verbose=0)
    assert run["learning_rate"] == pytest.approx([0.025, 0.0125, 0.00625])
    assert len([k for k in trained._built.programs._made if k[0] == "train"]) == 2  # 32 rows, and the rest of 8


def test_a_schedule_of_the_optimizer_cannot_be_set_from_outside():
    trained = model(sl.optim.ExponentialDecay(0.1, 10, 0.5))
    for callback in (sl.train.ReduceLROnPlateau("loss"), sl.train.LearningRateScheduler(lambda e, r: r)):
        with pytest.raises(ArgumentError, match="schedule"):
            trained.fit(X, Y, callbacks=[callback], verbose=0)
    with pytest.raises(ArgumentError, match="schedule"):
        trained.learning_rate = 0.1
    assert trained.learning_rate == pytest.approx(0.1)


def test_training_ends_when_the_loss_is_no_number():
    run = model(1e30).fit(X, Y, epochs=50, callbacks=[sl.train.TerminateOnNaN()], verbose=0)
    assert len(run) < 10
    assert "the loss is" in run.stopped
    assert not math.isfinite(run["loss"][-1])


def test_a_callback_may_stop_the_training():
    class Stop(sl.train.Callback):
        def on_epoch_end(self, epoch, logs):
            self.model.stop_training = epoch == 1

    assert len(model().fit(X, Y, epochs=9, callbacks=[Stop()], verbose=0)) == 2


def test_a_csv_file_gets_a_line_an_epoch(tmp_path):
    path = tmp_path / "log.csv"
    run = model().fit(X, Y, epochs=3, callbacks=[sl.train.CSVLogger(path)], verbose=0)
    rows = list(csv.DictReader(path.read_text().splitlines()))
    assert [int(r["epoch"]) for r in rows] == [1, 2, 3]
    assert [float(r["loss"]) for r in rows] == run["loss"]
    model().fit(X, Y, epochs=1, callbacks=[sl.train.CSVLogger(path, append=True)], verbose=0)
    assert len(path.read_text().splitlines()) == 5
    with pytest.raises(StorageError):
        model().fit(X, Y, callbacks=[sl.train.CSVLogger(tmp_path / "none" / "log.csv")], verbose=0)


def test_models_are_saved_during_training(tmp_path):
    best = tmp_path / "best.saltus"
    each = sl.train.ModelCheckpoint(tmp_path / "{epoch:02d}-{loss:.2f}.saltus")
    kept = sl.train.ModelCheckpoint(best, monitor="mae", save_best_only=True)
    weights = sl.train.ModelCheckpoint(tmp_path / "w{epoch}", save_weights_only=True, save_freq=2)
    trained = model()
    run = trained.fit(X, Y, epochs=2, callbacks=[each, kept, weights], verbose=0)
    names = sorted(p.name for p in tmp_path.iterdir())
    assert names == sorted([f"01-{run['loss'][0]:.2f}.saltus", f"02-{run['loss'][1]:.2f}.saltus", "best.saltus", "w1", "w2"])
    assert (sl.train.load(best).predict(X) == trained.predict(X)).all()
    other = model()
    other.build(X)
    other.load_weights(tmp_path / "w2")
    assert (other.predict(X) == trained.predict(X)).all()
    with pytest.raises(ArgumentError, match="val_loss"):
        model().fit(X, Y, callbacks=[sl.train.ModelCheckpoint(str(tmp_path / "{val_loss}"))], verbose=0)


def test_what_is_no_callback_is_refused():
    with pytest.raises(ArgumentError, match="LambdaCallback"):
        model().fit(X, Y, callbacks=[print], verbose=0)
    with pytest.raises(UnknownNameError, match="on_epoch_end"):
        sl.train.LambdaCallback(on_epoch_ends=print)
    with pytest.raises(ArgumentError, match="factor"):
        sl.train.ReduceLROnPlateau(factor=2)
    with pytest.raises(UnknownNameError, match="max"):
        sl.train.EarlyStopping(mode="maximal")
    with pytest.raises(ArgumentError, match="save_freq"):
        sl.train.ModelCheckpoint("x", save_freq="batch")
