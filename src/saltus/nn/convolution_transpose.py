"""Transposed convolution layers: every value spreads a kernel, so that images grow. In: convolution. Channels come last."""

from __future__ import annotations

import dataclasses
from dataclasses import KW_ONLY
from typing import Any, ClassVar

from saltus.base.errors import ArgumentError, ShapeError
from saltus.nn.checks import lengths
from saltus.nn.config import register
from saltus.nn.convolution import Windowed
from saltus.nn.scope import Scope
from saltus.tensor.convolution import conv_transpose
from saltus.tensor.tensor import Tensor
from saltus.tensor.tracing import here


@dataclasses.dataclass(frozen=True, repr=False)
class _Transposed(Windowed):
    """Transposed convolution over `rank` axes."""

    filters: int
    kernel_size: Any
    strides: Any = 1
    padding: Any = "valid"
    data_format: Any = None
    output_padding: Any = None
    dilation_rate: Any = 1
    activation: Any = None
    _: KW_ONLY
    use_bias: bool = True
    kernel_initializer: Any = "glorot_uniform"
    bias_initializer: Any = "zeros"
    kernel_regularizer: Any = None
    bias_regularizer: Any = None
    activity_regularizer: Any = None
    kernel_constraint: Any = None
    bias_constraint: Any = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.output_padding is None:
            return
        self._set(output_padding=lengths(self, "output_padding", self.output_padding, self.rank, low=0))
        if any(e >= s for e, s in zip(self.output_padding, self.strides, strict=True)):
            raise ArgumentError(
                f"{type(self).__name__}: output_padding {self.output_padding} must be below strides {self.strides} on each axis",
                fix="leave output_padding out, or use a larger stride",
            )

    def call(self, scope: Scope, x: Any) -> Tensor:
        x = self._input(scope, x)
        if 0 in x.shape[1:-1]:
            raise ShapeError(f"the input has the shape {x.shape}: there is nothing to spread", site=here())
        kernel = self._param(scope, "kernel", "kernel", (*self.kernel_size, self.filters, x.shape[-1]))
        made = conv_transpose(
            x, kernel, stride=self.strides, dilation=self.dilation_rate, padding=self.padding, output_padding=self.output_padding
        )  # fmt: skip
        return self._finish(scope, made)


@register(aliases=("convolution1d_transpose",))
class Conv1DTranspose(_Transposed):
    """activation(transposed convolution + bias) along one axis: each step spreads a kernel, `strides` apart.

    Args:
        filters: channels of the result.
        kernel_size, strides, padding, data_format, output_padding, dilation_rate: as for Conv2DTranspose, along one axis.
        activation, use_bias, kernel_initializer, bias_initializer, kernel_regularizer, bias_regularizer, activity_regularizer,
            kernel_constraint, bias_constraint: as for Conv2D.

    Returns:
        `call` takes (N, steps, channels) and returns (N, new steps, filters). The kernel has the shape (kernel_size, filters, channels).

    Example:
        >>> from saltus import nn
        >>> nn.describe(nn.Conv1DTranspose(8, 4, strides=2, padding="same"), nn.Spec((1, 10, 3))).output.shape
        (1, 20, 8)
    """

    rank: ClassVar[int] = 1


@register(aliases=("convolution2d_transpose",))
class Conv2DTranspose(_Transposed):
    """activation(transposed convolution + bias) of images: each pixel spreads a kernel, `strides` apart, so that images grow.

    Args:
        filters: channels of the result.
        kernel_size: height and width of the kernel, or one number for both.
        strides: how far apart neighbouring pixels are put.
        padding: of the convolution that this one transposes. "valid": size * strides + max(kernel - strides, 0) pixels; "same": size *
            strides; numbers: so many pixels are cut off at each side.
        data_format: "channels_last" or None.
        output_padding: fixes the size: (size - 1) * strides + kernel + output_padding with "valid", (size - 1) * strides + kernel % 2 +
            output_padding with "same"; below the strides. None: as said at padding.
        dilation_rate: distance of neighbouring kernel elements in the result.
        activation: a name, a function of a Tensor, or None.
        use_bias: whether a bias is added.
        kernel_initializer, bias_initializer: first values; "auto" chooses by the activation.
        kernel_regularizer, bias_regularizer, activity_regularizer: penalties on kernel, bias and output.
        kernel_constraint, bias_constraint: bounds after each update.

    Returns:
        `call` takes (N, height, width, channels) and returns (N, new height, new width, filters). The kernel has the shape (height, width,
        filters, channels).

    Source: Dumoulin and Visin, "A guide to convolution arithmetic for deep learning", 2016.

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> layer = nn.Conv2DTranspose(1, 2, strides=2, kernel_initializer="ones")
        >>> params, state = nn.init(layer, nn.Spec((1, 1, 2, 1)), key=sl.random.key(0))
        >>> nn.apply(layer, params, state, sl.asarray([[[[1.0], [2.0]]]])).output[0, :, :, 0].tolist()
        [[1.0, 1.0, 2.0, 2.0], [1.0, 1.0, 2.0, 2.0]]
    """

    rank: ClassVar[int] = 2


@register(aliases=("convolution3d_transpose",))
class Conv3DTranspose(_Transposed):
    """activation(transposed convolution + bias) of volumes: each point spreads a kernel, `strides` apart.

    Args:
        filters: channels of the result.
        kernel_size, strides, padding, data_format, output_padding, dilation_rate: as for Conv2DTranspose, along three axes.
        activation, use_bias, kernel_initializer, bias_initializer, kernel_regularizer, bias_regularizer, activity_regularizer,
            kernel_constraint, bias_constraint: as for Conv2D.

    Returns:
        `call` takes (N, depth, height, width, channels) and returns the same with other lengths and `filters` channels.

    Example:
        >>> from saltus import nn
        >>> nn.describe(nn.Conv3DTranspose(2, 3, strides=2), nn.Spec((1, 2, 3, 4, 1))).output.shape
        (1, 5, 7, 9, 2)
    """

    rank: ClassVar[int] = 3
