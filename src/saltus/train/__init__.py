"""Layer of training. In: networks, losses, optimizers and data. Out: trained models, records of how it went,
files of both.

Knows nothing of command lines or reports.
"""

from __future__ import annotations

from saltus.base.later import later as _later

__getattr__, __dir__ = _later(
    __name__,
    {
        "callbacks": "BackupAndRestore CSVLogger Callback EarlyStopping LambdaCallback LearningRateScheduler ModelCheckpoint "
        "ReduceLROnPlateau TerminateOnNaN",
        "curves": "best_threshold calibration confusion_matrix precision_recall_curve roc_curve temperature with_temperature "
        "worst_errors",
        "data_search": "tune",
        "ensembles": "Ensemble adaboost bagging distill gradient_boosting snapshot stacking train_ensemble uncertainty voting",
        "estimates": "Estimate estimate",
        "fitted": "probabilities",
        "images": "ImageModel ImageOptions fit_images",
        "interrupt": "Interrupted",
        "learning_curves": "LearningCurve learning_curve size_curve",
        "loading": "load",
        "model": "Model",
        "plan": "TrainingPlan training_plan",
        "probing": "BatchSizes RateRange",
        "record": "History",
        "records": "Table",
        "series": "SeriesModel SeriesOptions fit_series",
        "side": "side_by_side",
        "splits": "Split bootstrap hold_out k_fold",
        "step": "Goal Seen Task train_step",
        "tabular": "TableOptions TabularModel fit_table",
        "texts": "TextModel TextOptions fit_texts",
        "tuning": "Trial Tuning",
        "validation": "CrossValidation Fold cross_validate",
        "weights": "average_weights stochastic_weight_averaging",
        "writers": "MLflow TensorBoard",
    },
)  # fmt: skip

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
