"""Pooling layers whose result has one size whatever the input's: everything, or so many bins. In: tensor.pooling. Channels come last."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

from saltus.base.errors import ArgumentError, ShapeError
from saltus.nn.checks import channels_last, whole
from saltus.nn.config import register
from saltus.nn.convolution import require_rank
from saltus.nn.layer import Layer
from saltus.nn.scope import Scope
from saltus.tensor.elementwise import maximum, where
from saltus.tensor.pooling import adaptive_average_pool, adaptive_max_pool
from saltus.tensor.reduction import max as max_of
from saltus.tensor.reduction import mean, sum
from saltus.tensor.tensor import Tensor
from saltus.tensor.tracing import here
from saltus.tensor.types import finfo


@dataclasses.dataclass(frozen=True, repr=False)
class _GlobalPooling(Layer):
    """One number a channel."""

    rank: ClassVar[int]
    data_format: Any = None
    keepdims: bool = False

    def __post_init__(self) -> None:
        channels_last(self, self.data_format)

    def _input(self, scope: Scope, x: Any) -> Tensor:
        tensor = scope.cast(x)
        require_rank(tensor, self.rank)
        if 0 in tensor.shape[1:-1]:
            raise ShapeError(f"the input has the shape {tensor.shape}: there is nothing to pool", site=here())
        return tensor

    @property
    def _axes(self) -> tuple[int, ...]:
        return tuple(range(1, self.rank + 1))


@dataclasses.dataclass(frozen=True, repr=False)
class _GlobalMax(_GlobalPooling):
    """The largest of each channel."""

    def call(self, scope: Scope, x: Any) -> Tensor:
        return max_of(self._input(scope, x), axis=self._axes, keepdims=self.keepdims)


@dataclasses.dataclass(frozen=True, repr=False)
class _GlobalAverage(_GlobalPooling):
    """The mean of each channel."""

    def call(self, scope: Scope, x: Any) -> Tensor:
        return mean(self._input(scope, x), axis=self._axes, keepdims=self.keepdims)


@dataclasses.dataclass(frozen=True, repr=False)
class _Adaptive(Layer):
    """As many bins as asked for."""

    rank: ClassVar[int]
    output_size: Any
    data_format: Any = None

    def __post_init__(self) -> None:
        channels_last(self, self.data_format)
        given = self.output_size if isinstance(self.output_size, (tuple, list)) else (self.output_size,) * self.rank
        if len(given) != self.rank:
            raise ArgumentError(
                f"{type(self).__name__}: output_size must be a whole number, or {self.rank} numbers or None, got {self.output_size!r}"
            )
        self._set(output_size=tuple(None if n is None else whole(self, "output_size", n) for n in given))

    def _input(self, scope: Scope, x: Any) -> Tensor:
        tensor = scope.cast(x)
        require_rank(tensor, self.rank)
        return tensor


@dataclasses.dataclass(frozen=True, repr=False)
class _AdaptiveAverage(_Adaptive):
    """The means of bins."""

    def call(self, scope: Scope, x: Any) -> Tensor:
        return adaptive_average_pool(self._input(scope, x), self.output_size)


@dataclasses.dataclass(frozen=True, repr=False)
class _AdaptiveMax(_Adaptive):
    """The largest of bins."""

    def call(self, scope: Scope, x: Any) -> Tensor:
        return adaptive_max_pool(self._input(scope, x), self.output_size)


@register
class GlobalMaxPooling1D(_GlobalMax):
    """The largest element of each channel of sequences. Steps that a mask leaves out (nn.Masking, Embedding with mask_zero) do not count.

    Args:
        data_format: "channels_last" or None.
        keepdims: keep the pooled axes with length 1.

    Returns:
        `call` takes (N, steps, channels) and returns (N, channels).

    Example:
        >>> from saltus import nn
        >>> nn.describe(nn.GlobalMaxPooling1D(), nn.Spec((1, 8, 3))).output.shape
        (1, 3)
    """

    rank: ClassVar[int] = 1

    def call(self, scope: Scope, x: Any) -> Tensor:
        mask = scope.mask_of(x)
        if mask is None:
            return super().call(scope, x)
        tensor, lowest = self._input(scope, x), finfo(scope.dtype).min
        most = max_of(tensor + where(mask, 0.0, lowest)[..., None], axis=1, keepdims=self.keepdims)
        return where(most > lowest / 2, most, 0.0)  # 0 where no step counts


@register
class GlobalAveragePooling1D(_GlobalAverage):
    """The mean of each channel of sequences. Steps that a mask leaves out (nn.Masking, an Embedding with mask_zero) do not count.

    Args:
        data_format: "channels_last" or None.
        keepdims: keep the pooled axes with length 1.

    Returns:
        `call` takes (N, steps, channels) and returns (N, channels).

    Example:
        >>> from saltus import nn
        >>> nn.describe(nn.GlobalAveragePooling1D(), nn.Spec((1, 8, 3))).output.shape
        (1, 3)
    """

    rank: ClassVar[int] = 1

    def call(self, scope: Scope, x: Any) -> Tensor:
        mask = scope.mask_of(x)
        if mask is None:
            return super().call(scope, x)
        tensor = self._input(scope, x)
        valid = mask[..., None].astype(tensor.dtype)
        total = sum(tensor * valid, axis=1, keepdims=self.keepdims)
        return total / maximum(sum(valid, axis=1, keepdims=self.keepdims), 1)


@register
class GlobalMaxPooling2D(_GlobalMax):
    """The largest element of each channel of images.

    Args:
        data_format: "channels_last" or None.
        keepdims: keep the pooled axes with length 1.

    Returns:
        `call` takes (N, height, width, channels) and returns (N, channels).

    Example:
        >>> from saltus import nn
        >>> nn.describe(nn.GlobalMaxPooling2D(), nn.Spec((1, 8, 6, 3))).output.shape
        (1, 3)
    """

    rank: ClassVar[int] = 2


@register
class GlobalAveragePooling2D(_GlobalAverage):
    """The mean of each channel of images.

    Args:
        data_format: "channels_last" or None.
        keepdims: keep the pooled axes with length 1.

    Returns:
        `call` takes (N, height, width, channels) and returns (N, channels).

    Source: Lin, Chen and Yan, "Network in network", 2013.

    Example:
        >>> from saltus import nn
        >>> nn.describe(nn.GlobalAveragePooling2D(), nn.Spec((1, 8, 6, 3))).output.shape
        (1, 3)
    """

    rank: ClassVar[int] = 2


@register
class GlobalMaxPooling3D(_GlobalMax):
    """The largest element of each channel of volumes.

    Args:
        data_format: "channels_last" or None.
        keepdims: keep the pooled axes with length 1.

    Returns:
        `call` takes (N, depth, height, width, channels) and returns (N, channels).

    Example:
        >>> from saltus import nn
        >>> nn.describe(nn.GlobalMaxPooling3D(), nn.Spec((1, 8, 6, 4, 3))).output.shape
        (1, 3)
    """

    rank: ClassVar[int] = 3


@register
class GlobalAveragePooling3D(_GlobalAverage):
    """The mean of each channel of volumes.

    Args:
        data_format: "channels_last" or None.
        keepdims: keep the pooled axes with length 1.

    Returns:
        `call` takes (N, depth, height, width, channels) and returns (N, channels).

    Example:
        >>> from saltus import nn
        >>> nn.describe(nn.GlobalAveragePooling3D(), nn.Spec((1, 8, 6, 4, 3))).output.shape
        (1, 3)
    """

    rank: ClassVar[int] = 3


@register
class AdaptiveAveragePooling1D(_AdaptiveAverage):
    """The means of bins that cover sequences, so that inputs of every size give results of one size.

    Args:
        output_size: bins, one number; None keeps an axis.
        data_format: "channels_last" or None.

    Returns:
        `call` takes (N, steps, channels) and returns (N, output_size, channels). Bin i of m covers
        elements floor(i n / m) to ceil((i + 1) n / m) of n, PyTorch's rule.

    Example:
        >>> from saltus import nn
        >>> nn.describe(nn.AdaptiveAveragePooling1D(3), nn.Spec((1, 8, 3))).output.shape
        (1, 3, 3)
    """

    rank: ClassVar[int] = 1


@register
class AdaptiveMaxPooling1D(_AdaptiveMax):
    """The largest elements of bins that cover sequences, so that inputs of every size give results of one size.

    Args:
        output_size: bins, one number; None keeps an axis.
        data_format: "channels_last" or None.

    Returns:
        `call` takes (N, steps, channels) and returns (N, output_size, channels). Bin i of m covers
        elements floor(i n / m) to ceil((i + 1) n / m) of n, PyTorch's rule.

    Example:
        >>> from saltus import nn
        >>> nn.describe(nn.AdaptiveMaxPooling1D(3), nn.Spec((1, 8, 3))).output.shape
        (1, 3, 3)
    """

    rank: ClassVar[int] = 1


@register
class AdaptiveAveragePooling2D(_AdaptiveAverage):
    """The means of bins that cover images, so that inputs of every size give results of one size.

    Args:
        output_size: bins, one number or one an axis; None keeps an axis.
        data_format: "channels_last" or None.

    Returns:
        `call` takes (N, height, width, channels) and returns (N, *output_size, channels). Bin i of m covers
        elements floor(i n / m) to ceil((i + 1) n / m) of n, PyTorch's rule.

    Example:
        >>> from saltus import nn
        >>> nn.describe(nn.AdaptiveAveragePooling2D((3, None)), nn.Spec((1, 8, 6, 3))).output.shape
        (1, 3, 6, 3)
    """

    rank: ClassVar[int] = 2


@register
class AdaptiveMaxPooling2D(_AdaptiveMax):
    """The largest elements of bins that cover images, so that inputs of every size give results of one size.

    Args:
        output_size: bins, one number or one an axis; None keeps an axis.
        data_format: "channels_last" or None.

    Returns:
        `call` takes (N, height, width, channels) and returns (N, *output_size, channels). Bin i of m covers
        elements floor(i n / m) to ceil((i + 1) n / m) of n, PyTorch's rule.

    Example:
        >>> from saltus import nn
        >>> nn.describe(nn.AdaptiveMaxPooling2D((3, None)), nn.Spec((1, 8, 6, 3))).output.shape
        (1, 3, 6, 3)
    """

    rank: ClassVar[int] = 2


@register
class AdaptiveAveragePooling3D(_AdaptiveAverage):
    """The means of bins that cover volumes, so that inputs of every size give results of one size.

    Args:
        output_size: bins, one number or one an axis; None keeps an axis.
        data_format: "channels_last" or None.

    Returns:
        `call` takes (N, depth, height, width, channels) and returns (N, *output_size, channels). Bin i of m covers
        elements floor(i n / m) to ceil((i + 1) n / m) of n, PyTorch's rule.

    Example:
        >>> from saltus import nn
        >>> nn.describe(nn.AdaptiveAveragePooling3D((3, 2, 2)), nn.Spec((1, 8, 6, 4, 3))).output.shape
        (1, 3, 2, 2, 3)
    """

    rank: ClassVar[int] = 3


@register
class AdaptiveMaxPooling3D(_AdaptiveMax):
    """The largest elements of bins that cover volumes, so that inputs of every size give results of one size.

    Args:
        output_size: bins, one number or one an axis; None keeps an axis.
        data_format: "channels_last" or None.

    Returns:
        `call` takes (N, depth, height, width, channels) and returns (N, *output_size, channels). Bin i of m covers
        elements floor(i n / m) to ceil((i + 1) n / m) of n, PyTorch's rule.

    Example:
        >>> from saltus import nn
        >>> nn.describe(nn.AdaptiveMaxPooling3D((3, 2, 2)), nn.Spec((1, 8, 6, 4, 3))).output.shape
        (1, 3, 2, 2, 3)
    """

    rank: ClassVar[int] = 3
