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
from saltus.train.curves import (
    best_threshold,
    calibration,
    confusion_matrix,
    precision_recall_curve,
    roc_curve,
    temperature,
    with_temperature,
    worst_errors,
)
from saltus.train.estimates import Estimate, estimate
from saltus.train.fitted import probabilities
from saltus.train.images import ImageModel, ImageOptions, fit_images
from saltus.train.interrupt import Interrupted
from saltus.train.model import Model, load
from saltus.train.plan import TrainingPlan, training_plan
from saltus.train.record import History
from saltus.train.records import Table
from saltus.train.side import side_by_side
from saltus.train.splits import Split, bootstrap, hold_out, k_fold
from saltus.train.step import Goal, Seen, Task, train_step
from saltus.train.tabular import TableOptions, TabularModel, fit_table
from saltus.train.texts import TextModel, TextOptions, fit_texts
from saltus.train.validation import CrossValidation, Fold, cross_validate

__all__ = [
    "BackupAndRestore", "CSVLogger", "Callback", "CrossValidation", "EarlyStopping", "Estimate", "Fold", "Goal",
    "History", "ImageModel", "ImageOptions", "Interrupted", "LambdaCallback", "LearningRateScheduler", "Model", "ModelCheckpoint",
    "ReduceLROnPlateau", "Seen", "Split", "Table", "TableOptions", "TabularModel", "Task", "TerminateOnNaN",
    "TextModel", "TextOptions", "TrainingPlan", "best_threshold", "bootstrap", "calibration", "confusion_matrix", "cross_validate", "estimate",
    "fit_images", "fit_table", "fit_texts", "hold_out", "k_fold", "load", "precision_recall_curve", "probabilities", "roc_curve",
    "side_by_side", "temperature", "train_step", "training_plan", "with_temperature", "worst_errors",
]  # fmt: skip
