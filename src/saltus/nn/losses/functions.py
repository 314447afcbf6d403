"""Each loss as a function of (y_true, y_pred), by its Keras name, and the names other systems have for
losses.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from saltus.nn.config import alias, snake
from saltus.nn.losses import classification as c
from saltus.nn.losses import embeddings as e
from saltus.nn.losses import likelihood as k
from saltus.nn.losses import overlap as o
from saltus.nn.losses import pairs as p
from saltus.nn.losses import regression as r
from saltus.nn.losses import sequences as q
from saltus.nn.losses.base import FUNCTIONS, Loss
from saltus.tensor.tensor import Tensor


def _function(record: type[Loss]) -> Callable[..., Tensor]:
    """The function for a loss: its fields are keyword arguments."""

    def function(y_true: Any, y_pred: Any, **options: Any) -> Tensor:
        return record(**options)(y_true, y_pred)

    fields = list(inspect.signature(record).parameters.values())
    options = [f.replace(kind=inspect.Parameter.KEYWORD_ONLY) for f in fields if f.name not in ("reduction", "name")]
    given = [inspect.Parameter(n, inspect.Parameter.POSITIONAL_OR_KEYWORD) for n in ("y_true", "y_pred")]
    function.__name__ = function.__qualname__ = snake(record.__name__)
    function.__signature__ = inspect.Signature([*given, *options])  # type: ignore[attr-defined]
    function.__doc__ = (
        f"`{record.__name__}` as a function: the loss of each sample, shape (N,).\n\n{inspect.cleandoc(record.__doc__ or '')}"
    )
    FUNCTIONS[function] = record
    return function


binary_crossentropy = _function(c.BinaryCrossentropy)
binary_focal_crossentropy = _function(c.BinaryFocalCrossentropy)
categorical_crossentropy = _function(c.CategoricalCrossentropy)
categorical_focal_crossentropy = _function(c.CategoricalFocalCrossentropy)
categorical_generalized_cross_entropy = _function(k.CategoricalGeneralizedCrossEntropy)
categorical_hinge = _function(c.CategoricalHinge)
circle = _function(e.Circle)
contrastive = _function(p.Contrastive)
cosine_embedding = _function(p.CosineEmbedding)
cosine_similarity = _function(r.CosineSimilarity)
ctc = _function(q.CTC)
dice = _function(o.Dice)
gaussian_nll = _function(k.GaussianNLL)
hinge = _function(c.Hinge)
huber = _function(r.Huber)
kl_divergence = _function(c.KLDivergence)
log_cosh = _function(r.LogCosh)
margin_ranking = _function(p.MarginRanking)
mean_absolute_error = _function(r.MeanAbsoluteError)
mean_absolute_percentage_error = _function(r.MeanAbsolutePercentageError)
mean_squared_error = _function(r.MeanSquaredError)
mean_squared_logarithmic_error = _function(r.MeanSquaredLogarithmicError)
nll = _function(k.NLL)
perceptron = _function(c.Perceptron)
poisson = _function(r.Poisson)
poisson_nll = _function(k.PoissonNLL)
quantile = _function(k.Quantile)
smooth_l1 = _function(r.SmoothL1)
sparse_categorical_crossentropy = _function(c.SparseCategoricalCrossentropy)
squared_hinge = _function(c.SquaredHinge)
triplet_hard = _function(p.TripletHard)
triplet_margin = _function(p.TripletMargin)
triplet_semi_hard = _function(p.TripletSemiHard)
tversky = _function(o.Tversky)

# PyTorch's and scikit-learn's words.
alias("losses", "cross_entropy_loss", lambda: c.SparseCategoricalCrossentropy(from_logits=True))
alias("losses", "bce_loss", lambda: c.BinaryCrossentropy(from_logits=False))
alias("losses", "bce_with_logits_loss", lambda: c.BinaryCrossentropy(from_logits=True))
alias("losses", "mse_loss", r.MeanSquaredError)
alias("losses", "l1_loss", r.MeanAbsoluteError)
alias("losses", "kl_div_loss", c.KLDivergence)
alias("losses", "log_loss", c.SparseCategoricalCrossentropy)
