"""Layer of training. In: networks, losses, optimizers and data. Out: trained models, records of how it went,
files of both.

Knows nothing of command lines or reports.
"""

from __future__ import annotations

from saltus.train.callbacks import (
    BackupAndRestore,
    Callback,
    CSVLogger,
    EarlyStopping,
    LambdaCallback,
    LearningRateScheduler,
    ModelCheckpoint,
    ReduceLROnPlateau,
    TerminateOnNaN,
)
from saltus.train.interrupt import Interrupted
from saltus.train.model import Model, load
from saltus.train.plan import TrainingPlan, training_plan
from saltus.train.record import History
from saltus.train.step import Goal, Seen, Task, train_step
from saltus.train.tabular import TableOptions, TabularModel, fit_table

__all__ = [
    "BackupAndRestore", "CSVLogger", "Callback", "EarlyStopping", "Goal", "History", "Interrupted",
    "LambdaCallback", "LearningRateScheduler", "Model", "ModelCheckpoint", "ReduceLROnPlateau", "Seen",
    "TableOptions", "TabularModel", "Task", "TerminateOnNaN", "TrainingPlan", "fit_table", "load",
    "train_step", "training_plan",
]  # fmt: skip
