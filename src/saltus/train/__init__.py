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
from saltus.train.data_search import tune
from saltus.train.ensembles import (
    Ensemble,
    adaboost,
    bagging,
    distill,
    gradient_boosting,
    snapshot,
    stacking,
    train_ensemble,
    uncertainty,
    voting,
)
from saltus.train.estimates import Estimate, estimate
from saltus.train.fitted import probabilities
from saltus.train.images import ImageModel, ImageOptions, fit_images
from saltus.train.interrupt import Interrupted
from saltus.train.learning_curves import LearningCurve, learning_curve, size_curve
from saltus.train.loading import load
from saltus.train.model import Model
from saltus.train.plan import TrainingPlan, training_plan
from saltus.train.probing import BatchSizes, RateRange
from saltus.train.record import History
from saltus.train.records import Table
from saltus.train.series import SeriesModel, SeriesOptions, fit_series
from saltus.train.side import side_by_side
from saltus.train.splits import Split, bootstrap, hold_out, k_fold
from saltus.train.step import Goal, Seen, Task, train_step
from saltus.train.tabular import TableOptions, TabularModel, fit_table
from saltus.train.texts import TextModel, TextOptions, fit_texts
from saltus.train.tuning import Trial, Tuning
from saltus.train.validation import CrossValidation, Fold, cross_validate
from saltus.train.weights import average_weights, stochastic_weight_averaging
from saltus.train.writers import MLflow, TensorBoard

__all__ = [
    "BackupAndRestore", "BatchSizes", "CSVLogger", "Callback", "CrossValidation", "EarlyStopping", "Ensemble",
    "Estimate", "Fold", "Goal", "History", "ImageModel", "ImageOptions", "Interrupted", "LambdaCallback",
    "LearningCurve", "LearningRateScheduler", "MLflow", "Model", "ModelCheckpoint", "RateRange", "ReduceLROnPlateau", "Seen",
    "SeriesModel", "SeriesOptions", "Split", "Table", "TableOptions", "TabularModel", "Task", "TensorBoard",
    "TerminateOnNaN", "TextModel", "TextOptions", "TrainingPlan", "Trial", "Tuning", "adaboost", "average_weights", "bagging",
    "best_threshold", "bootstrap", "calibration", "confusion_matrix", "cross_validate", "distill", "estimate",
    "fit_images", "fit_series", "fit_table", "fit_texts", "gradient_boosting", "hold_out", "k_fold",
    "learning_curve", "load", "precision_recall_curve", "probabilities", "roc_curve", "side_by_side", "size_curve",
    "snapshot", "stacking", "stochastic_weight_averaging", "temperature", "train_ensemble", "train_step",
    "training_plan", "tune", "uncertainty", "voting", "with_temperature", "worst_errors",
]  # fmt: skip
