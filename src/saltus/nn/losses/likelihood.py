"""Losses of whole distributions: how likely a target is under what the network says of it. In: losses.base. Names and arguments
follow PyTorch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import KW_ONLY
from typing import Any

import numpy as np

from saltus.base.errors import ArgumentError, DataError, ShapeError
from saltus.nn.checks import number
from saltus.nn.config import register
from saltus.nn.losses.base import Loss, floats
from saltus.nn.losses.classification import CategoricalCrossentropy, SparseCategoricalCrossentropy, like, log_shares
from saltus.nn.losses.logits import predictions
from saltus.tensor.creation import asarray
from saltus.tensor.elementwise import exp, log, maximum, square, where
from saltus.tensor.manipulation import expand_dims, reshape
from saltus.tensor.tensor import Tensor
from saltus.tensor.tracing import here


def _parts(loss: Loss, y_true: Any, y_pred: Any, parts: int, words: str) -> None:
    """The last axis of the predictions must hold `parts` numbers for each of the targets'."""
    floats(loss.title, y_pred)
    true, pred = tuple(y_true.shape), tuple(y_pred.shape)
    if len(true) == 1 and pred == (*true, parts):
        return
    if len(true) < 2 or pred != (*true[:-1], true[-1] * parts):
        width = parts if len(true) < 2 else true[-1] * parts
        raise ShapeError(
            f"{loss.title}: targets of shape {true} need predictions of shape {(*true[:-1], width) if len(true) > 1 else (*true, parts)} "
            f"({words}), got {pred}",
            site=here(), fix=f"end the network with Dense({width}), without activation",
        )  # fmt: skip


@register(aliases=("gaussian_nll_loss",))
class GaussianNLL(Loss):
    """(log v + (t - m)^2 / v) / 2 for targets t, and predictions of the mean m and the variance v: the network says how sure it is.

    Args:
        log_variance: the second half of the predictions is the logarithm of the variance, so that the last layer needs no
            activation; False: the variance itself.
        epsilon: variances are not taken to be smaller.
        full: add the constant log(2 pi) / 2.

    Returns:
        For targets (N, ..., d) and predictions (N, ..., 2 d), means before variances: (N,). For targets (N,): predictions (N, 2).

    Source: Nix and Weigend, "Estimating the mean and variance of the target probability distribution", 1994.

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> nn.losses.GaussianNLL()(sl.asarray([[1.0]]), sl.asarray([[3.0, 0.0]])).tolist()
        [2.0]
    """

    log_variance: bool = True
    _: KW_ONLY
    epsilon: float = 1e-6
    full: bool = False

    def __post_init__(self) -> None:
        Loss.__post_init__(self)
        number(self, "epsilon", self.epsilon, low=0, open_low=True)

    def check(self, y_true: Any, y_pred: Any, network: Any = None) -> None:
        _parts(self, y_true, y_pred, 2, "means, then variances")

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        true = like(y_true, y_pred)
        true = expand_dims(true, axis=-1) if true.ndim == 1 else true
        width = true.shape[-1]
        middle, spread = y_pred[..., :width], y_pred[..., width:]
        logarithm = maximum(spread, math.log(self.epsilon)) if self.log_variance else log(maximum(spread, self.epsilon))
        lost = (logarithm + square(true - middle) * exp(-logarithm)) * 0.5
        return lost + 0.5 * math.log(2 * math.pi) if self.full else lost


@register(aliases=("poisson_nll_loss",))
class PoissonNLL(Loss):
    """exp(y) - t y for counts t and the logarithm y of the expected count, or y - t log(y) for the expected count itself.

    Args:
        log_input: predictions are logarithms, so that the last layer needs no activation.
        full: add Stirling's approximation of log(t!) for counts above 1.
        epsilon: added to expected counts before their logarithm is taken.

    Returns:
        For targets and predictions (N, ...): (N,).

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> nn.losses.PoissonNLL()(sl.asarray([[2.0]]), sl.asarray([[0.0]])).tolist()
        [1.0]
    """

    log_input: bool = True
    full: bool = False
    _: KW_ONLY
    epsilon: float = 1e-8

    def check_targets(self, y_true: Any, outputs: int) -> None:
        Loss.check_targets(self, y_true, outputs)
        values = np.asarray(y_true)
        if (values < 0).any():
            row = np.argwhere(values < 0)[0]
            raise DataError(f"{self.title}: counts start at 0, but the target of row {row[0]} is {values[tuple(row)]}")

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        true = like(y_true, y_pred)
        lost = exp(y_pred) - true * y_pred if self.log_input else y_pred - true * log(y_pred + self.epsilon)
        if not self.full:
            return lost
        many = true > 1
        held = where(many, true, 1.0)
        return lost + where(many, held * log(held) - held + 0.5 * log(held * (2 * math.pi)), 0.0)


@register(aliases=("nll_loss",))
class NLL(SparseCategoricalCrossentropy):
    """-prediction of the true class, for predictions that are logarithms of probabilities: behind log_softmax.

    Args:
        ignore_class: a class number that does not count, or None.
        axis: the axis of the classes.

    Returns:
        For targets (N, ...) of whole numbers and predictions (N, ..., classes): (N,).

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> nn.losses.NLL()(sl.asarray([1]), sl.log_softmax(sl.asarray([[0.0, 0.0]]))).tolist()
        [0.6931]
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.from_logits is not None or self.label_smoothing:
            raise ArgumentError(
                "NLL takes logarithms of probabilities, without smoothing", fix="use SparseCategoricalCrossentropy for logits"
            )

    def of_shares(self) -> CategoricalCrossentropy:
        return CategoricalCrossentropy(True, axis=self.axis, reduction=self.reduction, name=self.name)

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        axis = self.axis % y_pred.ndim
        return self._counted(-self._picked(self._hit(y_true, y_pred), y_pred, axis), y_true, y_pred.shape[axis])


@register(aliases=("pinball", "pinball_loss", "quantile_loss"))
class Quantile(Loss):
    """max(q e, (q - 1) e) for e = t - y: least where the share q of the targets lies below the prediction.

    Args:
        quantiles: the shares; one, or several for as many predictions a target.

    Returns:
        For targets (N, ..., d) and predictions (N, ..., d times quantiles), all quantiles of the first target first: (N,), the mean
        over targets and quantiles. For targets (N,): predictions (N, quantiles), with one quantile also (N,).

    Source: Koenker and Bassett, "Regression quantiles", 1978.

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> nn.losses.Quantile((0.1, 0.5, 0.9))(sl.asarray([[1.0]]), sl.asarray([[0.0, 1.0, 3.0]])).tolist()
        [0.1]
    """

    quantiles: Any = (0.5,)

    def __post_init__(self) -> None:
        Loss.__post_init__(self)
        given = tuple(self.quantiles) if isinstance(self.quantiles, Sequence) else (self.quantiles,)
        if not given:
            raise ArgumentError(f"{type(self).__name__}: there are no quantiles", fix="give some, such as (0.1, 0.5, 0.9)")
        for value in given:
            number(self, "quantiles", value, low=0, high=1, open_low=True, open_high=True)
        self._set(quantiles=tuple(float(v) for v in given))

    def check(self, y_true: Any, y_pred: Any, network: Any = None) -> None:
        if len(self.quantiles) == 1 and tuple(y_true.shape) == tuple(y_pred.shape):
            floats(self.title, y_pred)
        else:
            _parts(self, y_true, y_pred, len(self.quantiles), f"{len(self.quantiles)} quantiles of each target")

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        true, count = like(y_true, y_pred), len(self.quantiles)
        # (N,) targets have one group of predictions a sample
        groups = true.shape if true.ndim > 1 or y_pred.ndim == 1 else (*true.shape, 1)
        wrong = reshape(true, (*groups, 1)) - reshape(y_pred, (*groups, count))
        shares = asarray(list(self.quantiles), dtype=y_pred.dtype)
        return maximum(wrong * shares, wrong * (shares - 1.0))


@register(aliases=("generalized_cross_entropy",))
class CategoricalGeneralizedCrossEntropy(SparseCategoricalCrossentropy):
    """(1 - p^q) / q for the probability p of the true class: between cross-entropy (q near 0) and absolute error (q near 1), and
    less led astray by wrong labels.

    Args:
        from_logits: True: predictions are logits; False: probabilities; None: found out from the network (see `nn.losses`).
        q: between 0 and 1.
        ignore_class, axis: as for SparseCategoricalCrossentropy.

    Returns:
        For class numbers (N, ...) and predictions (N, ..., classes): (N,).

    Source: Zhang and Sabuncu, "Generalized cross entropy loss for training deep neural networks with noisy labels", 2018.

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> nn.losses.CategoricalGeneralizedCrossEntropy()(sl.asarray([1]), sl.asarray([[0.75, 0.25]])).tolist()
        [1.0]
    """

    _: KW_ONLY
    q: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        number(self, "q", self.q, low=0, high=1, open_low=True, open_high=True)
        if self.label_smoothing:
            raise ArgumentError(f"{type(self).__name__} takes no label_smoothing", fix="q does what smoothing is for")

    def of_shares(self) -> CategoricalCrossentropy:
        raise ArgumentError(f"{self.title} takes one class a sample, not shares of classes", fix="leave MixUp and CutMix out")

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        axis = self.axis % y_pred.ndim
        y = predictions(self.title, y_pred, self.from_logits, "softmax", axis)
        chosen = self._picked(self._hit(y_true, y_pred), log_shares(y, axis), axis)
        return self._counted((1.0 - exp(chosen * self.q)) / self.q, y_true, y_pred.shape[axis])
