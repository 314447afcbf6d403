"""Small data of every kind, and a training that is interrupted: shared by the tests beside this file."""

import os
import signal

import numpy as np

import saltus as sl

TEXTS = {"text": ["a fine film", "a fine and warm film", "a dull film", "dull and long"] * 15, "label": ["good", "good", "bad", "bad"] * 15}


def pictures(count=60, seed=0):
    """Images (count, 8, 8) of three classes that differ in brightness, and their classes."""
    y = np.arange(count) % 3
    return np.random.default_rng(seed).integers(0, 60, (count, 8, 8)).astype("uint8") + (60 * y).astype("uint8")[:, None, None], y


def sales(days=240):
    """A series with weeks in it."""
    day = np.arange(days)
    return {"day": np.datetime64("2023-01-01") + day, "sold": 10 + day % 7 + day / 50}


class Stop(sl.train.Callback):
    """Ends the training as a signal would, after some batches."""

    def __init__(self, batches):
        self.batches = batches

    def on_train_batch_end(self, batch, logs):
        self.batches -= 1
        if not self.batches:
            os.kill(os.getpid(), signal.SIGINT)
