"""Metrics. In: batches of targets and predictions. Out: one number over all of them. Pure functions on a
state, for the compiled step.
"""

from saltus.nn.metrics.accuracy import (
    Accuracy,
    BinaryAccuracy,
    CategoricalAccuracy,
    SparseCategoricalAccuracy,
    SparseTopKCategoricalAccuracy,
    TopKCategoricalAccuracy,
)
from saltus.nn.metrics.base import FunctionMetric, Metric
from saltus.nn.metrics.names import get

__all__ = [
    "Accuracy", "BinaryAccuracy", "CategoricalAccuracy", "FunctionMetric", "Metric", "SparseCategoricalAccuracy",
    "SparseTopKCategoricalAccuracy", "TopKCategoricalAccuracy", "get",
]  # fmt: skip
