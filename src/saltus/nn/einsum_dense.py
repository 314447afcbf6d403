"""A dense layer along axes of choice. In: core, `sl.einsum`."""

from __future__ import annotations

from dataclasses import KW_ONLY
from typing import Any

from saltus.base.errors import ArgumentError, ShapeError
from saltus.nn import activations
from saltus.nn.config import register
from saltus.nn.core import activation_name, penalise, settle
from saltus.nn.layer import Layer
from saltus.nn.scope import Scope
from saltus.tensor.einsum import einsum, parsed
from saltus.tensor.tensor import Tensor
from saltus.tensor.tracing import here


@register
class EinsumDense(Layer):
    """activation(einsum(equation, input, kernel) + bias): a dense layer whose axes are named.

    Args:
        equation: "abc,cd->abd" multiplies the last axis as Dense does; the kernel is the second operand. "..." stands for any axes.
        output_shape: lengths of the result without the batch; None where they follow from the input.
        activation: a name, a function of a Tensor, or None.
        bias_axes: the axes of the result that have a bias of their own, such as "d"; None for no bias.
        kernel_initializer, bias_initializer: first values.
        kernel_regularizer, bias_regularizer, activity_regularizer: penalties on kernel, bias and output.
        kernel_constraint, bias_constraint: bounds after each update.

    Returns:
        `call` takes and returns what the equation says, the batch first.

    Example:
        >>> from saltus import nn
        >>> heads = nn.EinsumDense("btd,dhk->bthk", output_shape=(None, 4, 16), bias_axes="hk")
        >>> nn.describe(heads, nn.Spec((1, 10, 64))).output.shape
        (1, 10, 4, 16)
    """

    equation: str
    output_shape: Any = None
    activation: Any = None
    bias_axes: str | None = None
    _: KW_ONLY
    kernel_initializer: Any = "glorot_uniform"
    bias_initializer: Any = "zeros"
    kernel_regularizer: Any = None
    bias_regularizer: Any = None
    activity_regularizer: Any = None
    kernel_constraint: Any = None
    bias_constraint: Any = None

    def __post_init__(self) -> None:
        terms = self.equation.replace(" ", "").partition("->")[0].split(",")
        if len(terms) != 2 or "->" not in self.equation or "." in terms[1]:
            raise ArgumentError(
                f"EinsumDense: equation {self.equation!r} must name the axes of input, kernel and result", fix='such as "abc,cd->abd"'
            )
        if self.output_shape is not None:
            given = self.output_shape if isinstance(self.output_shape, (tuple, list)) else (self.output_shape,)
            self._set(output_shape=tuple(given))
        activations.get(self.activation)
        settle(self, "kernel_initializer", "bias_initializer", "kernel_regularizer", "bias_regularizer", "activity_regularizer",
               "kernel_constraint", "bias_constraint")  # fmt: skip

    @property
    def following(self) -> str | None:
        return activation_name(self.activation)

    def call(self, scope: Scope, x: Any) -> Tensor:
        x = scope.cast(x)
        weights = self.equation.replace(" ", "").partition("->")[0].split(",")[1]
        (inputs, _), result = parsed(self.equation, [x.ndim, len(weights)])
        sizes = dict(zip(inputs, x.shape, strict=True))
        if self.output_shape is not None:
            if len(self.output_shape) != len(result) - 1:
                raise ShapeError(
                    f"EinsumDense: output_shape {self.output_shape} has other axes than {result[1:]!r} of the result", site=here(),
                    fix="give a length, or None, for each",
                )  # fmt: skip
            for c, n in zip(result[1:], self.output_shape, strict=True):
                if n is not None and sizes.setdefault(c, int(n)) != n:
                    raise ShapeError(f"EinsumDense: output_shape says {n} for axis {c!r}, the input has {sizes[c]}", site=here())
        unknown = [c for c in weights if c not in sizes]
        if unknown:
            raise ShapeError(f"EinsumDense: the length of axis {unknown[0]!r} is not known", site=here(), fix="give output_shape")
        kernel = scope.param("kernel", tuple(sizes[c] for c in weights), self.kernel_initializer, regularizer=self.kernel_regularizer,
                             constraint=self.kernel_constraint)  # fmt: skip
        made = einsum(self.equation, x, kernel)
        if self.bias_axes:
            strays = [c for c in self.bias_axes if c not in result[1:]]
            if strays:
                raise ArgumentError(
                    f"EinsumDense: bias_axes names {strays[0]!r}, which is no axis of the result but the batch", site=here()
                )
            first = min(result.index(c) for c in self.bias_axes)
            shape = tuple(made.shape[i] if result[i] in self.bias_axes else 1 for i in range(first, len(result)))
            made = made + scope.param("bias", shape, self.bias_initializer, regularizer=self.bias_regularizer,
                                      constraint=self.bias_constraint)  # fmt: skip
        made = activations.get(self.activation)(made)
        penalise(scope, self.activity_regularizer, made)
        return made
