"""What parameters are brought back to after each update. In: config. Used by layers through `scope.param`,
applied in the training step.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from saltus.base.errors import ArgumentError
from saltus.nn.checks import number
from saltus.nn.config import Record, lookup, register
from saltus.tensor.elementwise import clip, maximum, sqrt, square
from saltus.tensor.reduction import sum
from saltus.tensor.tensor import Tensor

_SMALL = 1e-7  # keeps 0 from being divided by 0


class Constraint(Record):
    """Base of all constraints; derive from it and put @nn.register above."""

    kind: ClassVar[str] = "constraints"

    def __call__(self, x: Tensor) -> Tensor:
        """The nearest allowed values.

        Args:
            x: the parameter.

        Returns:
            A Tensor of the shape and type of x.
        """
        raise ArgumentError(f"{type(self).__name__} has no __call__(self, x)")


def _norm(x: Tensor, axis: Any) -> Tensor:
    return sqrt(sum(square(x), axis=axis, keepdims=True))


def _axes(axis: int | Sequence[int]) -> Any:
    return axis if isinstance(axis, int) else tuple(axis)


@register
class MaxNorm(Constraint):
    """Weights of a unit with a norm above a bound are scaled down to it.

    Args:
        max_value: the largest norm.
        axis: axes of one unit's weights: 0 for a Dense kernel.

    Source: Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting", 2014.

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> nn.constraints.MaxNorm(1.0)(sl.asarray([[3.0, 0.5]])).tolist()
        [[1.0, 0.5]]
    """

    max_value: float = 2.0
    axis: Any = 0

    def __post_init__(self) -> None:
        number(self, "max_value", self.max_value, low=0, open_low=True)
        self._set(axis=_axes(self.axis))

    def __call__(self, x: Tensor) -> Tensor:
        norm = _norm(x, self.axis)
        return x * (clip(norm, 0.0, self.max_value) / (norm + _SMALL))


@register
class NonNeg(Constraint):
    """Negative weights become 0.

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> nn.constraints.NonNeg()(sl.asarray([[3.0, -0.5]])).tolist()
        [[3.0, 0.0]]
    """

    def __call__(self, x: Tensor) -> Tensor:
        return maximum(x, 0.0)


@register
class UnitNorm(Constraint):
    """The weights of each unit are scaled to norm 1.

    Args:
        axis: axes of one unit's weights: 0 for a Dense kernel.

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> nn.constraints.UnitNorm(axis=1)(sl.asarray([[3.0, 4.0]])).tolist()
        [[0.6, 0.8]]
    """

    axis: Any = 0

    def __post_init__(self) -> None:
        self._set(axis=_axes(self.axis))

    def __call__(self, x: Tensor) -> Tensor:
        return x / (_norm(x, self.axis) + _SMALL)


@register
class MinMaxNorm(Constraint):
    """The norm of each unit's weights is kept between two bounds.

    Args:
        min_value, max_value: bounds of the norm.
        rate: share of the way to the bound that is gone at each update.
        axis: axes of one unit's weights: 0 for a Dense kernel.

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> nn.constraints.MinMaxNorm(2.0, 2.5)(sl.asarray([[3.0, 0.5]])).tolist()
        [[2.5, 2.0]]
    """

    min_value: float = 0.0
    max_value: float = 1.0
    rate: float = 1.0
    axis: Any = 0

    def __post_init__(self) -> None:
        number(self, "min_value", self.min_value, low=0)
        if number(self, "max_value", self.max_value, low=0) < self.min_value:
            raise ArgumentError(f"MinMaxNorm: min_value {self.min_value} lies above max_value {self.max_value}")
        number(self, "rate", self.rate, low=0, high=1)
        self._set(axis=_axes(self.axis))

    def __call__(self, x: Tensor) -> Tensor:
        norm = _norm(x, self.axis)
        wanted = clip(norm, self.min_value, self.max_value) * self.rate + norm * (1.0 - self.rate)
        return x * (wanted / (norm + _SMALL))


def get(given: Any, where: str = "constraint") -> Constraint | None:
    """The constraint for a name, a class, a stored form or an object; None stays None.

    Raises:
        UnknownNameError: no constraint has this name.

    Example:
        >>> from saltus.nn import constraints
        >>> constraints.get("non_neg")
        NonNeg()
    """
    return None if given is None else lookup("constraints", Constraint, given, where)


__all__ = ["Constraint", "MaxNorm", "MinMaxNorm", "NonNeg", "UnitNorm", "get"]
