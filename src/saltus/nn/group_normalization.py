"""Normalisation of groups of channels, of single channels and of whole vectors, sample by sample; and of a layer's weights by their largest
singular value. In: normalization.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import KW_ONLY
from typing import Any, ClassVar

from saltus.base.errors import ArgumentError, ShapeError
from saltus.nn.checks import number, whole
from saltus.nn.config import register
from saltus.nn.core import settle
from saltus.nn.layer import Layer
from saltus.nn.normalization import moments
from saltus.nn.scope import Scope
from saltus.tensor.elementwise import maximum, rsqrt, square, stop_gradient
from saltus.tensor.manipulation import reshape
from saltus.tensor.operands import one_axis
from saltus.tensor.products import matmul
from saltus.tensor.reduction import sum
from saltus.tensor.tensor import Tensor
from saltus.tensor.tracing import here


@dataclasses.dataclass(frozen=True, repr=False)
class _Grouped(Layer):
    """Groups of channels of each sample, brought to mean 0 and variance 1."""

    passes_on: ClassVar = True
    _: KW_ONLY
    axis: int = -1
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
        settle(self, "beta_initializer", "gamma_initializer", "beta_regularizer", "gamma_regularizer", "beta_constraint",
               "gamma_constraint")  # fmt: skip

    def count(self, channels: int) -> int:
        """Into how many groups so many channels are cut."""
        raise NotImplementedError

    def call(self, scope: Scope, x: Any) -> Tensor:
        x = scope.cast(x)
        place = one_axis("axis", self.axis, x.ndim)
        if place == 0 or x.ndim < 2:
            raise ShapeError(
                f"the input must have the shape (N, ..., channels), got {x.shape} with axis {self.axis}",
                site=here(),
            )
        channels = x.shape[place]
        groups = self.count(channels)
        shape = (*x.shape[:place], groups, channels // groups, *x.shape[place + 1 :])
        axes = tuple(i for i in range(1, x.ndim + 1) if i != place)
        _, offset, shift, variance = moments(reshape(x, shape), axes)
        made = (offset - shift) * rsqrt(variance + self.epsilon)
        weights = tuple(n if i in (place, place + 1) else 1 for i, n in enumerate(shape))
        for name, used in (("gamma", self.scale), ("beta", self.center)):
            if used:
                value = scope.param(
                    name, (channels,), getattr(self, f"{name}_initializer"), regularizer=getattr(self, f"{name}_regularizer"),
                    constraint=getattr(self, f"{name}_constraint"),
                )  # fmt: skip
                value = reshape(value, weights)
                made = made * value if name == "gamma" else made + value
        return reshape(made, x.shape)


@register(aliases=("group_norm",))
class GroupNormalization(_Grouped):
    """(x - mean) / sqrt(variance + epsilon) * gamma + beta, for each group of channels of each sample: independent of the batch.

    Args:
        groups: into how many groups the channels are cut; 1 normalises each sample as a whole, -1 each channel by itself.
        axis: the axis of the channels.
        epsilon: added to the variance; 1e-3 as in Keras (PyTorch has 1e-5).
        center, scale: whether beta is added and gamma multiplied.
        beta_initializer, gamma_initializer: first values.
        beta_regularizer, gamma_regularizer, beta_constraint, gamma_constraint: for beta and gamma.

    Returns:
        `call` takes (N, ..., channels) and returns the same shape.

    Raises:
        ShapeError: the groups do not divide the channels.

    Source: Wu and He, "Group normalization", 2018.

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> layer = nn.GroupNormalization(2, epsilon=0.0, center=False, scale=False)
        >>> nn.apply(layer, {}, {}, sl.asarray([[1.0, 3.0, 10.0, 30.0]])).output.tolist()
        [[-1.0, 1.0, -1.0, 1.0]]
    """

    groups: int = 32

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.groups != -1:
            whole(self, "groups", self.groups)

    def count(self, channels: int) -> int:
        groups = channels if self.groups == -1 else self.groups
        if channels % groups:
            fits = [g for g in range(1, channels + 1) if channels % g == 0]
            raise ShapeError(
                f"{groups} groups do not divide the {channels} channels of the input",
                site=here(),
                fix=f"use groups={max((g for g in fits if g <= groups), default=1)}, or groups=-1 for one group a channel",
            )
        return groups


@register(aliases=("instance_norm",))
class InstanceNormalization(_Grouped):
    """(x - mean) / sqrt(variance + epsilon) * gamma + beta, for each channel of each sample by itself.

    Args:
        axis: the axis of the channels.
        epsilon: added to the variance.
        center, scale: whether beta is added and gamma multiplied.
        beta_initializer, gamma_initializer: first values.
        beta_regularizer, gamma_regularizer, beta_constraint, gamma_constraint: for beta and gamma.

    Returns:
        `call` takes (N, ..., channels) and returns the same shape.

    Source: Ulyanov, Vedaldi and Lempitsky, "Instance normalization: the missing ingredient for fast stylization", 2016.

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> layer = nn.InstanceNormalization(epsilon=0.0, center=False, scale=False)
        >>> nn.apply(layer, {}, {}, sl.asarray([[[1.0, 5.0], [3.0, 9.0]]])).output.tolist()
        [[[-1.0, -1.0], [1.0, 1.0]]]
    """

    def count(self, channels: int) -> int:
        return channels


@register
class UnitNormalization(Layer):
    """x / norm(x): vectors of length 1.

    Args:
        axis: the axis of a vector, or several.

    Returns:
        `call` takes (N, ...) and returns the same shape; a vector of zeros stays.

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> nn.apply(nn.UnitNormalization(), {}, {}, sl.asarray([[3.0, 4.0]])).output.tolist()
        [[0.6, 0.8]]
    """

    passes_on: ClassVar = True
    axis: Any = -1

    def __post_init__(self) -> None:
        if not isinstance(self.axis, int):
            self._set(axis=tuple(self.axis))

    def call(self, scope: Scope, x: Any) -> Tensor:
        x = scope.cast(x)
        axes = tuple(one_axis("axis", a, x.ndim) for a in ((self.axis,) if isinstance(self.axis, int) else self.axis))
        return x * rsqrt(maximum(sum(square(x), axis=axes, keepdims=True), 1e-12))


class _Spectral(Scope):
    """The scope of a layer whose kernels are divided by their largest singular value."""

    __slots__ = ("found", "outer", "steps")

    def __init__(self, inside: Scope, outer: Scope, steps: int) -> None:
        super().__init__(inside._run, inside._path, inside.layer, trainable=outer.trainable, following=inside.following)
        self.outer, self.steps = outer, steps
        self.found: list[str] = []

    def param(self, name: str, shape: Any, initializer: Any, **options: Any) -> Tensor:
        value = super().param(name, shape, initializer, **options)
        if len(value.shape) < 2 or not (name.endswith("kernel") or name == "embeddings"):
            return value
        self.found.append(name)
        matrix = reshape(value, (math.prod(value.shape[:-1]), value.shape[-1]))
        held = f"{name}_vector"
        right = self.outer.state(held, (1, value.shape[-1]), "random_normal")
        fixed = stop_gradient(matrix)
        left = _unit(matmul(right, fixed.mT))
        if self.training and self.trainable:
            for step in range(self.steps):
                left = _unit(matmul(right, fixed.mT)) if step else left
                right = _unit(matmul(left, fixed))
            self.outer.set_state(held, right)
        else:
            right = _unit(right)
        return value / sum(matmul(stop_gradient(left), matrix) * stop_gradient(right))


def _unit(vector: Tensor) -> Tensor:
    return vector * rsqrt(maximum(sum(square(vector)), 1e-12))


@register
class SpectralNormalization(Layer):
    """A layer whose kernel is divided by its largest singular value, so that it stretches no input: steadies the discriminator of a GAN.

    The singular value is followed by power iteration, one or a few steps at each training step; the gradient sees the division.

    Args:
        layer: a layer with a kernel (Dense, a convolution) or embeddings.
        power_iterations: steps of the iteration at each training step.

    Returns:
        `call` is that of the layer.

    Raises:
        ArgumentError: the layer has no kernel of its own.

    Source: Miyato, Kataoka, Koyama and Yoshida, "Spectral normalization for generative adversarial networks", 2018.

    Example:
        >>> from saltus import nn
        >>> nn.describe(nn.SpectralNormalization(nn.Dense(3)), nn.Spec((1, 4))).state
        {'kernel_vector': Spec(shape=(1, 3), dtype='float32')}
    """

    layer: Any
    power_iterations: int = 1

    def __post_init__(self) -> None:
        if not isinstance(self.layer, Layer):
            raise ArgumentError(f"SpectralNormalization takes a layer, got {self.layer!r}", fix="e.g. SpectralNormalization(nn.Dense(8))")
        whole(self, "power_iterations", self.power_iterations)

    @property
    def results(self) -> int:
        return self.layer.results  # type: ignore[no-any-return]

    @property
    def following(self) -> str | None:
        return self.layer.following  # type: ignore[no-any-return]

    def call(self, scope: Scope, *inputs: Any) -> Any:
        child = _Spectral(scope.child(self.layer, self.layer.name or "layer", following=scope.following), scope, self.power_iterations)
        made = child.call(*inputs)
        if not child.found:
            raise ArgumentError(
                f"{type(self.layer).__name__} has no kernel of its own to normalise", site=here(),
                fix="wrap the layers inside it one by one",
            )  # fmt: skip
        return made
