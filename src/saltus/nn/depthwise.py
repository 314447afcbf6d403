"""Convolution of each channel by itself, alone or followed by a mixture of channels. In: convolution. Channels come last."""

from __future__ import annotations

import dataclasses
from dataclasses import KW_ONLY
from typing import Any, ClassVar

from saltus.nn.config import register
from saltus.nn.convolution import Windowed, require_room
from saltus.nn.scope import Scope
from saltus.tensor.convolution import conv
from saltus.tensor.manipulation import reshape
from saltus.tensor.tensor import Tensor


@dataclasses.dataclass(frozen=True, repr=False)
class _Apart(Windowed):
    """What works on each channel by itself first."""

    words: ClassVar[tuple[str, ...]] = Windowed.words

    def _each_channel(self: Any, scope: Scope, x: Tensor, name: str) -> Tensor:
        """(N, ..., C) -> (N, ..., C * depth_multiplier); results of one channel are neighbours."""
        require_room(x, self.kernel_size, self.dilation_rate, self.padding)
        channels = x.shape[-1]
        kernel = self._param(scope, name, "depthwise", (*self.kernel_size, channels, self.depth_multiplier))
        kernel = reshape(kernel, (*self.kernel_size, 1, channels * self.depth_multiplier))
        return conv(x, kernel, stride=self.strides, dilation=self.dilation_rate, padding=self.padding, groups=channels)


@dataclasses.dataclass(frozen=True, repr=False)
class _Depthwise(_Apart):
    """Depthwise convolution over `rank` axes."""

    parts: ClassVar[tuple[str, ...]] = ("depthwise", "bias")
    kernel_size: Any
    strides: Any = 1
    padding: Any = "valid"
    depth_multiplier: int = 1
    data_format: Any = None
    dilation_rate: Any = 1
    activation: Any = None
    _: KW_ONLY
    use_bias: bool = True
    depthwise_initializer: Any = "glorot_uniform"
    bias_initializer: Any = "zeros"
    depthwise_regularizer: Any = None
    bias_regularizer: Any = None
    activity_regularizer: Any = None
    depthwise_constraint: Any = None
    bias_constraint: Any = None

    def call(self, scope: Scope, x: Any) -> Tensor:
        return self._finish(scope, self._each_channel(scope, self._input(scope, x), "kernel"))


@register(aliases=("depthwise_convolution1d",))
class DepthwiseConv1D(_Depthwise):
    """activation(convolution of each channel by itself + bias) along one axis.

    Args:
        kernel_size, strides, padding, depth_multiplier, data_format, dilation_rate: as for DepthwiseConv2D, along one axis; padding may be
            "causal" too.
        activation, use_bias, depthwise_initializer, bias_initializer, depthwise_regularizer, bias_regularizer, activity_regularizer,
            depthwise_constraint, bias_constraint: as for DepthwiseConv2D.

    Returns:
        `call` takes (N, steps, channels) and returns (N, new steps, channels * depth_multiplier).

    Example:
        >>> from saltus import nn
        >>> nn.describe(nn.DepthwiseConv1D(3, depth_multiplier=2), nn.Spec((1, 10, 4))).output.shape
        (1, 8, 8)
    """

    rank: ClassVar[int] = 1
    words: ClassVar[tuple[str, ...]] = (*_Apart.words, "causal")


@register(aliases=("depthwise_convolution2d",))
class DepthwiseConv2D(_Depthwise):
    """activation(convolution of each channel by itself + bias) of images.

    Args:
        kernel_size: height and width of the kernel, or one number for both.
        strides: rows and columns from one place of the kernel to the next.
        padding: "valid", "same", or numbers of zeros, as for Conv2D.
        depth_multiplier: kernels a channel has.
        data_format: "channels_last" or None.
        dilation_rate: distance of neighbouring kernel elements in the input.
        activation: a name, a function of a Tensor, or None.
        use_bias: whether a bias is added.
        depthwise_initializer, bias_initializer: first values; "auto" chooses by the activation.
        depthwise_regularizer, bias_regularizer, activity_regularizer: penalties on kernel, bias and output.
        depthwise_constraint, bias_constraint: bounds after each update.

    Returns:
        `call` takes (N, height, width, channels) and returns (N, new height, new width, channels * depth_multiplier); the results of one
        channel are neighbours. The kernel has the shape (height, width, channels, depth_multiplier).

    Source: Howard et al., "MobileNets: efficient convolutional neural networks for mobile vision applications", 2017.

    Example:
        >>> from saltus import nn
        >>> made = nn.describe(nn.DepthwiseConv2D(3, padding="same"), nn.Spec((1, 8, 8, 16)))
        >>> made.output.shape, made.count
        ((1, 8, 8, 16), 160)
    """

    rank: ClassVar[int] = 2


@dataclasses.dataclass(frozen=True, repr=False)
class _Separable(_Apart):
    """Depthwise, then pointwise convolution over `rank` axes."""

    parts: ClassVar[tuple[str, ...]] = ("depthwise", "pointwise", "bias")
    filters: int
    kernel_size: Any
    strides: Any = 1
    padding: Any = "valid"
    data_format: Any = None
    dilation_rate: Any = 1
    depth_multiplier: int = 1
    activation: Any = None
    _: KW_ONLY
    use_bias: bool = True
    depthwise_initializer: Any = "glorot_uniform"
    pointwise_initializer: Any = "glorot_uniform"
    bias_initializer: Any = "zeros"
    depthwise_regularizer: Any = None
    pointwise_regularizer: Any = None
    bias_regularizer: Any = None
    activity_regularizer: Any = None
    depthwise_constraint: Any = None
    pointwise_constraint: Any = None
    bias_constraint: Any = None

    def call(self, scope: Scope, x: Any) -> Tensor:
        made = self._each_channel(scope, self._input(scope, x), "depthwise_kernel")
        kernel = self._param(scope, "pointwise_kernel", "pointwise", (*(1,) * self.rank, made.shape[-1], self.filters))
        return self._finish(scope, conv(made, kernel))


@register(aliases=("separable_convolution1d",))
class SeparableConv1D(_Separable):
    """Convolution of each channel by itself along one axis, then a mixture of channels at each step.

    Args:
        filters: channels of the result.
        kernel_size, strides, padding, data_format, dilation_rate, depth_multiplier: as for SeparableConv2D, along one axis; padding may be
            "causal" too.
        activation, use_bias, depthwise_initializer, pointwise_initializer, bias_initializer, depthwise_regularizer, pointwise_regularizer,
            bias_regularizer, activity_regularizer, depthwise_constraint, pointwise_constraint, bias_constraint: as for SeparableConv2D.

    Returns:
        `call` takes (N, steps, channels) and returns (N, new steps, filters).

    Example:
        >>> from saltus import nn
        >>> nn.describe(nn.SeparableConv1D(8, 3), nn.Spec((1, 10, 4))).count
        52
    """

    rank: ClassVar[int] = 1
    words: ClassVar[tuple[str, ...]] = (*_Apart.words, "causal")


@register(aliases=("separable_convolution2d",))
class SeparableConv2D(_Separable):
    """Convolution of each channel of images by itself, then a mixture of channels at each pixel: far fewer weights than Conv2D.

    Args:
        filters: channels of the result.
        kernel_size: height and width of the kernel, or one number for both.
        strides: rows and columns from one place of the kernel to the next.
        padding: "valid", "same", or numbers of zeros, as for Conv2D.
        data_format: "channels_last" or None.
        dilation_rate: distance of neighbouring kernel elements in the input.
        depth_multiplier: kernels a channel has in the first part.
        activation: a name, a function of a Tensor, or None; after the second part only.
        use_bias: whether a bias is added, at the end.
        depthwise_initializer, pointwise_initializer, bias_initializer: first values.
        depthwise_regularizer, pointwise_regularizer, bias_regularizer, activity_regularizer: penalties.
        depthwise_constraint, pointwise_constraint, bias_constraint: bounds after each update.

    Returns:
        `call` takes (N, height, width, channels) and returns (N, new height, new width, filters).

    Source: Chollet, "Xception: deep learning with depthwise separable convolutions", 2017.

    Example:
        >>> from saltus import nn
        >>> made = nn.describe(nn.SeparableConv2D(32, 3, padding="same"), nn.Spec((1, 8, 8, 16)))
        >>> made.output.shape, made.count
        ((1, 8, 8, 32), 688)
    """

    rank: ClassVar[int] = 2
