"""What a user sees: a line an epoch, numbers that fit, a bar on a terminal, nothing when not wanted."""

import io
import sys

import numpy as np

import saltus as sl
from saltus import nn
from saltus.train import Model
from saltus.train.plan import training_plan
from saltus.train.progress import Bar, Lines, duration, figures, reporter

X = np.random.default_rng(7).normal(size=(100, 3)).astype("float32")


def fit(verbose, epochs=3):
    return Model(nn.Dense(1), loss="mse", metrics=["mae"]).fit(X, X[:, :1].copy(), epochs=epochs, validation=0.2, verbose=verbose)


def test_level_two_prints_a_line_for_every_epoch(capsys):
    run = fit(2)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines] == ["1/3", "2/3", "3/3"]
    for name in ("loss", "mae", "val_loss", "val_mae"):
        assert f"{name} {run[name][-1]:.4f}" in lines[-1]
    assert "samples/s" in lines[0]
    assert "left" in lines[0]


def test_quick_epochs_do_not_flood_and_the_last_one_is_shown(capsys):
    fit(1, epochs=60)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) < 30
    assert lines[-1].startswith("epoch 60/60")


def test_level_zero_is_silent(capsys):
    fit(0)
    assert capsys.readouterr() == ("", "")


def test_a_training_that_stops_says_why(capsys):
    Model(nn.Dense(1), loss="mse").fit(X, X[:, :1].copy(), epochs=9, verbose=2, callbacks=[sl.train.EarlyStopping("loss", min_delta=1e9)])
    assert "stopped after epoch 2: loss has not improved" in capsys.readouterr().out


def test_a_bar_shows_epoch_figures_speed_and_time_left(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "150")
    bar = reporter("auto")
    assert isinstance(bar, Bar)
    bar.begin(training_plan(1000, 10, 2), 0)
    bar.progress(0, 50, {"loss": 0.5})
    bar.epoch_end(0, {"loss": 0.25, "seconds": 0.5})
    bar.epoch_end(1, {"loss": 0.125, "seconds": 0.5})
    bar.end("stopped for a reason")
    text = screen.getvalue()
    for part in ("epoch 1/2", "50/100", "loss 0.5000", "2,000 samples/s", "left", "epoch 2/2", "loss 0.1250", "stopped for a reason"):
        assert part in text


def test_speed_and_time_left_are_those_of_the_last_epochs():
    lines = Lines(io.StringIO(), every=True)
    lines.begin(training_plan(1000, 10, 5), 0)
    rate, left = lines.pace(1, 0, 0.5)
    assert (rate, left) == (2000.0, 2.0)


def test_numbers_and_times_are_short():
    assert figures({"loss": 0.123456, "mae": 123456.0, "seconds": 3.0, "learning_rate": 0.1}) == "loss 0.1235  mae 1.235e+05"
    assert duration(3661) == "1:01:01"


def test_a_loss_that_is_no_number_is_explained(capsys):
    x, y = np.ones((8, 2), "float32"), np.arange(8, dtype="float32")[:, None]
    model = sl.Model(nn.Sequential([nn.Dense(1)]), loss="mean_squared_error", optimizer=sl.optim.SGD(1e20))
    model.fit(x, y, epochs=6, batch_size=8, verbose=2)
    said = capsys.readouterr().out
    assert "the loss is" in said and "since epoch" in said and "learning rate" in said
