"""Experiments on what decides a training: each trains the same task several times with one thing changed, and says
what came of it. Reached as `sl.experiments`; on the command line `saltus compare`.

Every function takes any arrays, or none for a small set of its own, and returns an `Experiment`: a table, curves to plot,
and the findings in plain words.
"""

from saltus.train.experiments.curvature import sharpness
from saltus.train.experiments.initial import compare_initializers
from saltus.train.experiments.networks import (
    compare_activations,
    compare_dense_vs_cnn,
    compare_depth,
    compare_dropout,
)
from saltus.train.experiments.problem import Problem, problem_of
from saltus.train.experiments.record import Experiment, Panel
from saltus.train.experiments.runner import Outcome, Variant, run
from saltus.train.experiments.updates import compare_gradient_descent, compare_learning_rates, compare_optimizers

# Word on the command line -> function.
EXPERIMENTS = {
    "gradient-descent": compare_gradient_descent, "learning-rates": compare_learning_rates, "optimizers": compare_optimizers,
    "initializers": compare_initializers, "depth": compare_depth, "activations": compare_activations, "dropout": compare_dropout,
    "dense-vs-cnn": compare_dense_vs_cnn,
}  # fmt: skip

__all__ = [
    "EXPERIMENTS",
    "Experiment",
    "Outcome",
    "Panel",
    "Problem",
    "Variant",
    "compare_activations",
    "compare_dense_vs_cnn",
    "compare_depth",
    "compare_dropout",
    "compare_gradient_descent",
    "compare_initializers",
    "compare_learning_rates",
    "compare_optimizers",
    "problem_of",
    "run",
    "sharpness",
]
