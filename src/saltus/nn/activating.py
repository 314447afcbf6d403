"""Activations with options as layers. In: core. For those without options use nn.Activation("name") or a
layer's `activation`.
"""

from __future__ import annotations

from dataclasses import KW_ONLY
from typing import Any

from saltus.nn import activations
from saltus.nn.checks import number, one_of
from saltus.nn.config import register
from saltus.nn.core import Activating, settle
from saltus.nn.scope import Scope
from saltus.tensor.elementwise import where
from saltus.tensor.operands import as_tensor
from saltus.tensor.tensor import Tensor


@register(aliases=("re_lu",))
class ReLU(Activating):
    """max(x, 0), with a slope below and a bound above if wanted.

    Args:
        max_value: upper bound, or None.
        negative_slope: slope below the threshold.
        threshold: values below it are taken as negative.

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> nn.apply(nn.ReLU(1.5), {}, {}, sl.asarray([[-1.0, 2.0]])).output.tolist()
        [[0.0, 1.5]]
    """

    max_value: float | None = None
    _: KW_ONLY
    negative_slope: float = 0.0
    threshold: float = 0.0

    @property
    def following(self) -> str:
        return "relu"

    def call(self, scope: Scope, x: Any) -> Tensor:
        return activations.relu(x, self.negative_slope, self.max_value, self.threshold)


@register(aliases=("leaky_re_lu",))
class LeakyReLU(Activating):
    """x above 0, negative_slope * x below.

    Args:
        negative_slope: slope below 0; 0.01, as the function leaky_relu has it (Keras' layer has 0.3).

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> nn.apply(nn.LeakyReLU(0.25), {}, {}, sl.asarray([[-1.0, 2.0]])).output.tolist()
        [[-0.25, 2.0]]
    """

    negative_slope: float = 0.01

    def __post_init__(self) -> None:
        number(self, "negative_slope", self.negative_slope, low=0)

    @property
    def following(self) -> str:
        return "leaky_relu"

    def call(self, scope: Scope, x: Any) -> Tensor:
        return activations.leaky_relu(x, self.negative_slope)


@register(aliases=("p_re_lu",))
class PReLU(Activating):
    """x above 0, alpha * x below, with an alpha that is learned for each feature.

    Args:
        alpha_initializer, alpha_regularizer, alpha_constraint: for the slopes.

    Source: He, Zhang, Ren and Sun, "Delving deep into rectifiers", 2015.

    Example:
        >>> from saltus import nn
        >>> [p.shape for p in nn.describe(nn.PReLU(), nn.Spec((1, 3))).parameters]
        [(3,)]
    """

    alpha_initializer: Any = "zeros"
    _: KW_ONLY
    alpha_regularizer: Any = None
    alpha_constraint: Any = None

    def __post_init__(self) -> None:
        settle(self, "alpha_initializer", "alpha_regularizer", "alpha_constraint")

    @property
    def following(self) -> str:
        return "relu"

    def call(self, scope: Scope, x: Any) -> Tensor:
        tensor = scope.cast(x)
        alpha = scope.param(
            "alpha",
            tensor.shape[1:],
            self.alpha_initializer,
            regularizer=self.alpha_regularizer,
            constraint=self.alpha_constraint,
        )
        return where(tensor > 0, tensor, tensor * alpha)


@register
class ELU(Activating):
    """x above 0, alpha (e^x - 1) below.

    Args:
        alpha: how far it goes below 0.

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> nn.apply(nn.ELU(), {}, {}, sl.asarray([[0.0, 2.0]])).output.tolist()
        [[0.0, 2.0]]
    """

    alpha: float = 1.0

    @property
    def following(self) -> str:
        return "elu"

    def call(self, scope: Scope, x: Any) -> Tensor:
        return activations.elu(x, self.alpha)


@register
class Softmax(Activating):
    """e^x / sum(e^x) along an axis.

    Args:
        axis: the axis.

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> nn.apply(nn.Softmax(), {}, {}, sl.asarray([[1.0, 1.0]])).output.tolist()
        [[0.5, 0.5]]
    """

    axis: int = -1

    @property
    def following(self) -> str:
        return "softmax"

    def call(self, scope: Scope, x: Any) -> Tensor:
        return activations.softmax(as_tensor(x), self.axis)


@register
class Step(Activating):
    """1 where x > 0, else 0.

    Args:
        backward: the derivative to use: "zero", "straight_through" or "sigmoid" (see `activations.step`).

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> nn.apply(nn.Step("sigmoid"), {}, {}, sl.asarray([[-1.0, 2.0]])).output.tolist()
        [[0.0, 1.0]]
    """

    backward: str = "zero"

    def __post_init__(self) -> None:
        one_of(self, "backward", self.backward, ("zero", "straight_through", "sigmoid"))

    @property
    def following(self) -> str:
        return "step"

    def call(self, scope: Scope, x: Any) -> Tensor:
        return activations.step(x, self.backward)
