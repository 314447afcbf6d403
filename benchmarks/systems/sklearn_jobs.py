"""Whole jobs by scikit-learn."""

from __future__ import annotations

import warnings

import sklearn
from joblib import parallel_config
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.neural_network import MLPClassifier
from workloads.jobs import CrossValidation

from systems import Prepared, repeated

VERSION = sklearn.__version__


def cross_validation(work: CrossValidation, mode: str, threads: int) -> Prepared:
    """`cross_val_score` of an MLPClassifier, two folds at a time, each on one core."""
    warnings.simplefilter("ignore", ConvergenceWarning)  # the number of epochs is given
    x, y = work.data()
    network = MLPClassifier(
        (work.hidden,), batch_size=work.batch, max_iter=work.epochs, learning_rate_init=work.learning_rate, tol=0, random_state=0,
    )  # fmt: skip
    folds = StratifiedKFold(work.folds, shuffle=True, random_state=0)

    def once() -> float:
        with parallel_config("threading" if mode == "threads" else "loky", inner_max_num_threads=None if mode == "threads" else 1):
            return float(cross_val_score(network, x, y, cv=folds, n_jobs=threads).mean())

    return repeated(once)
