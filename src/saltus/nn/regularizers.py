"""Penalties on the size of parameters, added to the loss. In: config. Used by layers through `scope.param`."""

from __future__ import annotations

from typing import Any, ClassVar

from saltus.base.errors import ArgumentError, ShapeError
from saltus.nn.checks import number, one_of
from saltus.nn.config import Record, alias, lookup, register
from saltus.tensor import creation
from saltus.tensor.elementwise import abs, rsqrt, square
from saltus.tensor.manipulation import matrix_transpose
from saltus.tensor.products import matmul
from saltus.tensor.reduction import sum
from saltus.tensor.tensor import Tensor


class Regularizer(Record):
    """Base of all regularizers; derive from it and put @nn.register above."""

    kind: ClassVar[str] = "regularizers"

    def __call__(self, x: Tensor) -> Tensor:
        """The penalty.

        Args:
            x: the parameter.

        Returns:
            A Tensor of shape ().
        """
        raise ArgumentError(f"{type(self).__name__} has no __call__(self, x)")


@register
class L1(Regularizer):
    """l1 * sum(|x|): drives small weights to exactly 0.

    Args:
        l1: factor.

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> float(nn.regularizers.L1(0.1)(sl.asarray([1.0, -2.0])))
        0.3
    """

    l1: float = 0.01

    def __post_init__(self) -> None:
        number(self, "l1", self.l1, low=0)

    def __call__(self, x: Tensor) -> Tensor:
        return sum(abs(x)) * self.l1


@register
class L2(Regularizer):
    """l2 * sum(x^2): keeps weights small.

    Args:
        l2: factor.

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> float(nn.regularizers.L2(0.1)(sl.asarray([1.0, -2.0])))
        0.5
    """

    l2: float = 0.01

    def __post_init__(self) -> None:
        number(self, "l2", self.l2, low=0)

    def __call__(self, x: Tensor) -> Tensor:
        return sum(square(x)) * self.l2


@register
class L1L2(Regularizer):
    """l1 * sum(|x|) + l2 * sum(x^2).

    Args:
        l1, l2: factors.

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> float(nn.regularizers.L1L2(l1=1.0, l2=1.0)(sl.asarray([1.0, -2.0])))
        8.0
    """

    l1: float = 0.0
    l2: float = 0.0

    def __post_init__(self) -> None:
        number(self, "l1", self.l1, low=0)
        number(self, "l2", self.l2, low=0)

    def __call__(self, x: Tensor) -> Tensor:
        return sum(abs(x) * self.l1 + square(x) * self.l2)


@register
class OrthogonalRegularizer(Regularizer):
    """Half the mean cosine between different rows (or columns) of a matrix, in magnitude, times a factor.

    Args:
        factor: factor.
        mode: "rows" or "columns".

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> float(nn.regularizers.OrthogonalRegularizer(1.0)(sl.asarray([[1.0, 0.0], [0.0, 2.0]])))
        0.0
    """

    factor: float = 0.01
    mode: str = "rows"

    def __post_init__(self) -> None:
        number(self, "factor", self.factor, low=0)
        one_of(self, "mode", self.mode, ("rows", "columns"))

    def __call__(self, x: Tensor) -> Tensor:
        if x.ndim != 2:
            raise ShapeError(f"OrthogonalRegularizer is for matrices, got the shape {x.shape}")
        rows = x if self.mode == "rows" else matrix_transpose(x)
        unit = rows * rsqrt(sum(square(rows), axis=1, keepdims=True) + 1e-12)
        n = rows.shape[0]
        others = matmul(unit, matrix_transpose(unit)) * (1.0 - creation.eye(n, dtype=x.dtype))
        return sum(abs(others)) * (0.5 * self.factor / max(1.0, n * (n - 1) / 2))


def get(given: Any, where: str = "regularizer") -> Regularizer | None:
    """The regularizer for a name, a class, a stored form or an object; None stays None.

    Raises:
        UnknownNameError: no regularizer has this name.

    Example:
        >>> from saltus.nn import regularizers
        >>> regularizers.get("l2")
        L2()
    """
    return None if given is None else lookup("regularizers", Regularizer, given, where)


alias("regularizers", "l1_l2", lambda: L1L2(l1=0.01, l2=0.01))
__all__ = ["L1", "L1L2", "L2", "OrthogonalRegularizer", "Regularizer", "get"]
