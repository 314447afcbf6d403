"""Root-mean-square normalisation: what transformers use where the mean does not matter. In: layer."""

from __future__ import annotations

from dataclasses import KW_ONLY
from typing import Any, ClassVar

from saltus.base.errors import ShapeError
from saltus.nn.checks import number
from saltus.nn.config import register
from saltus.nn.core import settle
from saltus.nn.layer import Layer
from saltus.nn.scope import Scope
from saltus.tensor.elementwise import rsqrt, square
from saltus.tensor.manipulation import reshape
from saltus.tensor.operands import one_axis
from saltus.tensor.reduction import mean
from saltus.tensor.tensor import Tensor
from saltus.tensor.tracing import here


@register(aliases=("rms_norm",))
class RMSNormalization(Layer):
    """x / sqrt(mean(x^2) + epsilon) * scale, each sample by itself: layer normalisation without the mean.

    Args:
        axis: the axis of the features, or several.
        epsilon: added to the mean square.
        scale: whether a learned factor a feature is multiplied.
        scale_initializer, scale_regularizer, scale_constraint: for the factors.

    Returns:
        `call` takes (N, ..., features) and returns the same shape.

    Source: Zhang and Sennrich, "Root mean square layer normalization", 2019.

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> layer = nn.RMSNormalization(epsilon=0.0, scale=False)
        >>> nn.apply(layer, {}, {}, sl.asarray([[1.0, 7.0]])).output.tolist()
        [[0.2, 1.4]]
    """

    keeps_steps: ClassVar = True
    passes_on: ClassVar = True
    axis: Any = -1
    _: KW_ONLY
    epsilon: float = 1e-6
    scale: bool = True
    scale_initializer: Any = "ones"
    scale_regularizer: Any = None
    scale_constraint: Any = None

    def __post_init__(self) -> None:
        number(self, "epsilon", self.epsilon, low=0)
        if not isinstance(self.axis, int):
            self._set(axis=tuple(self.axis))
        settle(self, "scale_initializer", "scale_regularizer", "scale_constraint")

    def call(self, scope: Scope, x: Any) -> Tensor:
        x = scope.cast(x)
        given = (self.axis,) if isinstance(self.axis, int) else self.axis
        axes = tuple(sorted(one_axis("axis", a, x.ndim) for a in given))
        if 0 in axes or x.ndim < 2:
            raise ShapeError(f"the input must have the shape (N, ..., features), got {x.shape} with axis {self.axis}", site=here())
        made = x * rsqrt(mean(square(x), axis=axes, keepdims=True) + self.epsilon)
        if not self.scale:
            return made
        lengths = tuple(x.shape[a] for a in axes)
        factor = scope.param("scale", lengths, self.scale_initializer, regularizer=self.scale_regularizer, constraint=self.scale_constraint)
        return made * reshape(factor, tuple(n if i in axes else 1 for i, n in enumerate(x.shape)))
