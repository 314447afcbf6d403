"""Losses. In: Tensors of targets and predictions. Out: one number a sample. Knows no layers and no
optimizers.

Predictions of a classifier may be probabilities or logits. With from_logits=None, the default, the loss
finds out which from the graph: it looks through a softmax or sigmoid at the end (which is exact and fast),
and takes the result of a last Dense layer without activation as logits.
"""

from saltus.nn.losses.base import FunctionLoss, Loss, get
from saltus.nn.losses.classification import (
    BinaryCrossentropy,
    BinaryFocalCrossentropy,
    CategoricalCrossentropy,
    CategoricalFocalCrossentropy,
    CategoricalHinge,
    Hinge,
    KLDivergence,
    Perceptron,
    SparseCategoricalCrossentropy,
    SquaredHinge,
)
from saltus.nn.losses.functions import (
    binary_crossentropy,
    binary_focal_crossentropy,
    categorical_crossentropy,
    categorical_focal_crossentropy,
    categorical_hinge,
    cosine_similarity,
    hinge,
    huber,
    kl_divergence,
    log_cosh,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    mean_squared_logarithmic_error,
    perceptron,
    poisson,
    smooth_l1,
    sparse_categorical_crossentropy,
    squared_hinge,
)
from saltus.nn.losses.logits import made_by
from saltus.nn.losses.regression import (
    CosineSimilarity,
    Huber,
    LogCosh,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
    Poisson,
    SmoothL1,
)

__all__ = [
    "BinaryCrossentropy", "BinaryFocalCrossentropy", "CategoricalCrossentropy", "CategoricalFocalCrossentropy", "CategoricalHinge",
    "CosineSimilarity", "FunctionLoss", "Hinge", "Huber", "KLDivergence", "LogCosh", "Loss", "MeanAbsoluteError", "MeanAbsolutePercentageError",
    "MeanSquaredError", "MeanSquaredLogarithmicError", "Perceptron", "Poisson", "SmoothL1", "SparseCategoricalCrossentropy", "SquaredHinge",
    "binary_crossentropy", "binary_focal_crossentropy", "categorical_crossentropy", "categorical_focal_crossentropy", "categorical_hinge",
    "cosine_similarity", "get", "hinge", "huber", "kl_divergence", "log_cosh", "made_by", "mean_absolute_error",
    "mean_absolute_percentage_error", "mean_squared_error", "mean_squared_logarithmic_error", "perceptron", "poisson", "smooth_l1",
    "sparse_categorical_crossentropy", "squared_hinge",
]  # fmt: skip
