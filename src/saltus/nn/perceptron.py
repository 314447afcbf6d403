"""The single-layer perceptron: a weighted sum and a step. In: layer. It separates what one plane can
separate, and nothing else.
"""

from __future__ import annotations

from dataclasses import KW_ONLY
from typing import Any

from saltus.base.errors import ShapeError
from saltus.nn import activations
from saltus.nn.checks import whole
from saltus.nn.config import register
from saltus.nn.core import settle
from saltus.nn.layer import Layer
from saltus.nn.scope import Scope
from saltus.tensor.products import matmul
from saltus.tensor.tensor import Tensor
from saltus.tensor.tracing import here


@register
class Perceptron(Layer):
    """step(x @ kernel + bias): outputs of exactly 0 and 1.

    With the loss "perceptron" and plain SGD it learns by the perceptron rule: a wrong output moves the
    weights by learning_rate * x towards the target, a right one not at all. If a plane separates the
    classes it is found after finitely many steps; if none does, it never settles.

    Args:
        units: number of outputs, each with a plane of its own.
        use_bias: whether the planes may lie off the origin.
        kernel_initializer, bias_initializer: first values; zeros, as the rule has no symmetry to break.

    Returns:
        `call` takes (N, inputs) and returns (N, units), 0 or 1.

    Source: Rosenblatt, "The perceptron: a probabilistic model for information storage and organization in
        the brain", 1958.

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> params = {"kernel": sl.asarray([[1.0], [1.0]]), "bias": sl.asarray([-1.5])}
        >>> nn.apply(nn.Perceptron(), params, {}, sl.asarray([[1.0, 1.0], [1.0, 0.0]])).output.tolist()
        [[1.0], [0.0]]
    """

    units: int = 1
    _: KW_ONLY
    use_bias: bool = True
    kernel_initializer: Any = "zeros"
    bias_initializer: Any = "zeros"

    def __post_init__(self) -> None:
        self._set(units=whole(self, "units", self.units))
        settle(self, "kernel_initializer", "bias_initializer")

    def call(self, scope: Scope, x: Any) -> Tensor:
        x = scope.cast(x)
        if x.ndim != 2:
            raise ShapeError(
                f"the input must have the shape (N, inputs), got {x.shape}",
                site=here(),
                fix="flatten it with nn.Flatten",
            )
        made = matmul(x, scope.param("kernel", (x.shape[1], self.units), self.kernel_initializer))
        if self.use_bias:
            made = made + scope.param("bias", (self.units,), self.bias_initializer)
        return activations.step(made, "straight_through")
