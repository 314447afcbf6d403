"""Layers that bring values to mean 0 and variance 1: over the batch, or over the features of each sample.
In: layer.
"""

from __future__ import annotations

from dataclasses import KW_ONLY
from typing import Any, ClassVar

from saltus.base.errors import ShapeError
from saltus.nn.checks import number
from saltus.nn.config import register
from saltus.nn.core import settle
from saltus.nn.layer import Layer
from saltus.nn.scope import Scope
from saltus.tensor.elementwise import maximum, rsqrt, square, stop_gradient
from saltus.tensor.manipulation import reshape
from saltus.tensor.operands import one_axis
from saltus.tensor.reduction import mean
from saltus.tensor.tensor import Tensor
from saltus.tensor.tracing import here


def moments(x: Tensor, axes: tuple[int, ...]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Mean and variance over axes in one pass over the data, for rows that do not stay in cache.

    They are sums of distances from one value of each row, so no digits are lost however far the values lie from 0: that value is at most
    sqrt(count) deviations away from the mean. The gradient needs one pass for its sums and one for its result.

    Returns:
        That value, x without it, the mean of that (the mean is the first plus this one), and the variance; reduced axes have length 1.
    """
    centre = stop_gradient(x[tuple(slice(1) if i in axes else slice(None) for i in range(x.ndim))])
    offset = x - centre
    shift = mean(offset, axis=axes, keepdims=True)
    return centre, offset, shift, maximum(mean(square(offset), axis=axes, keepdims=True) - square(shift), 0.0)


@register(aliases=("batch_norm",))
class BatchNormalization(Layer):
    """(x - mean) / sqrt(variance + epsilon) * gamma + beta, each feature by itself.

    In training mode mean and variance (of the whole population, without correction) are those of the batch,
    and moving averages follow them; otherwise, and always when trainable=False (here or in a layer around
    it), the moving averages are used and stay as they are.

    Args:
        axis: the axis of the features.
        momentum: share of the moving averages that stays at each step.
        epsilon: added to the variance.
        center, scale: whether beta is added and gamma multiplied.
        beta_initializer, gamma_initializer, moving_mean_initializer, moving_variance_initializer: first
            values.
        beta_regularizer, gamma_regularizer, beta_constraint, gamma_constraint: for beta and gamma.

    Source: Ioffe and Szegedy, "Batch normalization: accelerating deep network training by reducing internal
        covariate shift", 2015.

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> x = sl.asarray([[1.0], [3.0]])
        >>> params, state = nn.init(nn.BatchNormalization(), x, key=sl.random.key(0))
        >>> made = nn.apply(nn.BatchNormalization(), params, state, x, training=True)
        >>> made.state["moving_mean"]
        Tensor([0.02], shape=(1,), dtype=float32)
    """

    keeps_steps: ClassVar = True
    passes_on: ClassVar = True
    axis: int = -1
    _: KW_ONLY
    momentum: float = 0.99
    epsilon: float = 1e-3
    center: bool = True
    scale: bool = True
    beta_initializer: Any = "zeros"
    gamma_initializer: Any = "ones"
    moving_mean_initializer: Any = "zeros"
    moving_variance_initializer: Any = "ones"
    beta_regularizer: Any = None
    gamma_regularizer: Any = None
    beta_constraint: Any = None
    gamma_constraint: Any = None

    def __post_init__(self) -> None:
        number(self, "momentum", self.momentum, low=0, high=1)
        number(self, "epsilon", self.epsilon, low=0)
        settle(self, "beta_initializer", "gamma_initializer", "moving_mean_initializer", "moving_variance_initializer",
               "beta_regularizer", "gamma_regularizer", "beta_constraint", "gamma_constraint")  # fmt: skip

    def call(self, scope: Scope, x: Any) -> Tensor:
        x = scope.cast(x)
        place = one_axis("axis", self.axis, x.ndim)
        if place == 0 or x.ndim < 2:
            raise ShapeError(
                f"the input must have the shape (N, ..., features), got {x.shape} with axis {self.axis}",
                site=here(),
            )
        width = x.shape[place]
        shape = tuple(width if i == place else 1 for i in range(x.ndim))
        moving_mean = scope.state("moving_mean", (width,), self.moving_mean_initializer)
        moving_variance = scope.state("moving_variance", (width,), self.moving_variance_initializer)
        if scope.training and scope.trainable:
            centre, offset, shift, variance = moments(x, tuple(i for i in range(x.ndim) if i != place))
            for name, before, now in (
                ("moving_mean", moving_mean, centre + shift),
                ("moving_variance", moving_variance, variance),
            ):
                scope.set_state(name, before * self.momentum + stop_gradient(reshape(now, (width,))) * (1 - self.momentum))
        else:
            offset, shift, variance = x, reshape(moving_mean, shape), reshape(moving_variance, shape)
        factor = rsqrt(variance + self.epsilon)
        if self.scale:
            gamma = scope.param(
                "gamma",
                (width,),
                self.gamma_initializer,
                regularizer=self.gamma_regularizer,
                constraint=self.gamma_constraint,
            )
            factor = factor * reshape(gamma, shape)
        made = (offset - shift) * factor  # not offset * factor - shift * factor: that loses digits far from 0
        if self.center:
            beta = scope.param(
                "beta",
                (width,),
                self.beta_initializer,
                regularizer=self.beta_regularizer,
                constraint=self.beta_constraint,
            )
            made = made + reshape(beta, shape)
        return made


@register(aliases=("layer_norm",))
class LayerNormalization(Layer):
    """(x - mean) / sqrt(variance + epsilon) * gamma + beta, each sample by itself.

    Args:
        axis: the axis of the features, or several.
        epsilon: added to the variance; 1e-3 as in Keras (PyTorch has 1e-5, BERT 1e-12).
        center, scale: whether beta is added and gamma multiplied.
        beta_initializer, gamma_initializer: first values.
        beta_regularizer, gamma_regularizer, beta_constraint, gamma_constraint: for beta and gamma.

    Source: Ba, Kiros and Hinton, "Layer normalization", 2016.

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> layer = nn.LayerNormalization(epsilon=0.0, center=False, scale=False)
        >>> nn.apply(layer, {}, {}, sl.asarray([[1.0, 3.0]])).output.tolist()
        [[-1.0, 1.0]]
    """

    keeps_steps: ClassVar = True
    passes_on: ClassVar = True
    axis: Any = -1
    _: KW_ONLY
    epsilon: float = 1e-3
    center: bool = True
    scale: bool = True
    beta_initializer: Any = "zeros"
    gamma_initializer: Any = "ones"
    beta_regularizer: Any = None
    gamma_regularizer: Any = None
    beta_constraint: Any = None
    gamma_constraint: Any = None

    def __post_init__(self) -> None:
        number(self, "epsilon", self.epsilon, low=0)
        if not isinstance(self.axis, int):
            self._set(axis=tuple(self.axis))
        settle(self, "beta_initializer", "gamma_initializer", "beta_regularizer", "gamma_regularizer", "beta_constraint",
               "gamma_constraint")  # fmt: skip

    def call(self, scope: Scope, x: Any) -> Tensor:
        x = scope.cast(x)
        given = (self.axis,) if isinstance(self.axis, int) else self.axis
        axes = tuple(sorted(one_axis("axis", a, x.ndim) for a in given))
        if 0 in axes or x.ndim < 2:
            raise ShapeError(
                f"the input must have the shape (N, ..., features), got {x.shape} with axis {self.axis}",
                site=here(),
            )
        lengths = tuple(x.shape[a] for a in axes)
        shape = tuple(n if i in axes else 1 for i, n in enumerate(x.shape))
        offset = x - mean(x, axis=axes, keepdims=True)
        made = offset * rsqrt(mean(square(offset), axis=axes, keepdims=True) + self.epsilon)
        if self.scale:
            gamma = scope.param(
                "gamma",
                lengths,
                self.gamma_initializer,
                regularizer=self.gamma_regularizer,
                constraint=self.gamma_constraint,
            )
            made = made * reshape(gamma, shape)
        if self.center:
            beta = scope.param(
                "beta",
                lengths,
                self.beta_initializer,
                regularizer=self.beta_regularizer,
                constraint=self.beta_constraint,
            )
            made = made + reshape(beta, shape)
        return made
