"""Pooling layers: the largest or the mean of windows, and back. In: tensor.pooling. Channels come last.

The ranks of a layer are one class body: a class variable says how many axes it pools.
"""

from __future__ import annotations

import dataclasses
from dataclasses import KW_ONLY
from typing import Any, ClassVar

from saltus.base.errors import ShapeError
from saltus.nn.checks import channels_last, lengths
from saltus.nn.config import register
from saltus.nn.convolution import require_rank, settle_padding
from saltus.nn.layer import Layer
from saltus.nn.scope import Scope
from saltus.tensor.operands import as_tensor
from saltus.tensor.pooling import average_pool, max_pool, max_unpool
from saltus.tensor.tensor import Tensor
from saltus.tensor.tracing import here


@dataclasses.dataclass(frozen=True, repr=False)
class _Pooling(Layer):
    """Pooling of windows over `rank` axes."""

    rank: ClassVar[int]
    pool_size: Any = 2
    strides: Any = None
    padding: Any = "valid"
    data_format: Any = None

    def __post_init__(self) -> None:
        channels_last(self, self.data_format)
        size = lengths(self, "pool_size", self.pool_size, self.rank)
        self._set(
            pool_size=size,
            strides=size if self.strides is None else lengths(self, "strides", self.strides, self.rank),
            padding=settle_padding(self, self.rank, ("valid", "same")),
        )

    def _input(self, scope: Scope, x: Any) -> Tensor:
        tensor = scope.cast(x)
        require_rank(tensor, self.rank)
        if 0 in tensor.shape[1:-1]:
            raise ShapeError(f"the input has the shape {tensor.shape}: there is nothing to pool", site=here(),
                             fix="pool or stride less in the layers before, or give larger inputs")  # fmt: skip
        return tensor


@dataclasses.dataclass(frozen=True, repr=False)
class _MaxPooling(_Pooling):
    """The largest of windows."""

    _: KW_ONLY
    dilation_rate: Any = 1
    return_indices: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set(dilation_rate=lengths(self, "dilation_rate", self.dilation_rate, self.rank))

    def call(self, scope: Scope, x: Any) -> Any:
        return max_pool(self._input(scope, x), self.pool_size, stride=self.strides, dilation=self.dilation_rate, padding=self.padding,
                        return_indices=self.return_indices)  # fmt: skip


@dataclasses.dataclass(frozen=True, repr=False)
class _AveragePooling(_Pooling):
    """The mean of windows."""

    def call(self, scope: Scope, x: Any) -> Tensor:
        return average_pool(self._input(scope, x), self.pool_size, stride=self.strides, padding=self.padding)


@register(aliases=("max_pool1d",))
class MaxPooling1D(_MaxPooling):
    """The largest element of each window of sequences, channel by channel.

    Args:
        pool_size: of the windows, a number.
        strides: steps from one window to the next; None: windows side by side.
        padding: "valid" (only whole windows), "same" (ceil(length / stride) windows; the border never wins), or numbers of elements before
            and after.
        data_format: "channels_last" or None.
        dilation_rate: distance of neighbouring elements of a window.
        return_indices: give a pair with the positions found (see `sl.max_pool`), for nn.MaxUnpooling1D.

    Returns:
        `call` takes (N, steps, channels) and returns (N, new steps, channels).

    Raises:
        ShapeError: the input has another rank, or a window is larger than it.

    Example:
        >>> from saltus import nn
        >>> nn.describe(nn.MaxPooling1D(2), nn.Spec((1, 8, 3))).output.shape
        (1, 4, 3)
    """

    rank: ClassVar[int] = 1


@register(aliases=("avg_pool1d",))
class AveragePooling1D(_AveragePooling):
    """The mean of each window of sequences, channel by channel.

    Args:
        pool_size, strides, data_format: as for MaxPooling1D.
        padding: as for MaxPooling1D; the border does not count.

    Returns:
        `call` takes (N, steps, channels) and returns (N, new steps, channels).

    Raises:
        ShapeError: the input has another rank, or a window is larger than it.

    Example:
        >>> from saltus import nn
        >>> nn.describe(nn.AveragePooling1D(2), nn.Spec((1, 8, 3))).output.shape
        (1, 4, 3)
    """

    rank: ClassVar[int] = 1


@register(aliases=("max_pool2d",))
class MaxPooling2D(_MaxPooling):
    """The largest element of each window of images, channel by channel.

    Args:
        pool_size: of the windows, one number or one an axis.
        strides: steps from one window to the next; None: windows side by side.
        padding: "valid" (only whole windows), "same" (ceil(length / stride) windows; the border never wins), or numbers of elements before
            and after.
        data_format: "channels_last" or None.
        dilation_rate: distance of neighbouring elements of a window.
        return_indices: give a pair with the positions found (see `sl.max_pool`), for nn.MaxUnpooling2D.

    Returns:
        `call` takes (N, height, width, channels) and returns (N, new height, new width, channels).

    Raises:
        ShapeError: the input has another rank, or a window is larger than it.

    Example:
        >>> from saltus import nn
        >>> nn.describe(nn.MaxPooling2D(2), nn.Spec((1, 8, 6, 3))).output.shape
        (1, 4, 3, 3)
    """

    rank: ClassVar[int] = 2


@register(aliases=("avg_pool2d",))
class AveragePooling2D(_AveragePooling):
    """The mean of each window of images, channel by channel.

    Args:
        pool_size, strides, data_format: as for MaxPooling2D.
        padding: as for MaxPooling2D; the border does not count.

    Returns:
        `call` takes (N, height, width, channels) and returns (N, new height, new width, channels).

    Raises:
        ShapeError: the input has another rank, or a window is larger than it.

    Example:
        >>> from saltus import nn
        >>> nn.describe(nn.AveragePooling2D(2), nn.Spec((1, 8, 6, 3))).output.shape
        (1, 4, 3, 3)
    """

    rank: ClassVar[int] = 2


@register(aliases=("max_pool3d",))
class MaxPooling3D(_MaxPooling):
    """The largest element of each window of volumes, channel by channel.

    Args:
        pool_size: of the windows, one number or one an axis.
        strides: steps from one window to the next; None: windows side by side.
        padding: "valid" (only whole windows), "same" (ceil(length / stride) windows; the border never wins), or numbers of elements before
            and after.
        data_format: "channels_last" or None.
        dilation_rate: distance of neighbouring elements of a window.
        return_indices: give a pair with the positions found (see `sl.max_pool`), for nn.MaxUnpooling3D.

    Returns:
        `call` takes (N, depth, height, width, channels) and returns (N, new depth, new height, new width, channels).

    Raises:
        ShapeError: the input has another rank, or a window is larger than it.

    Example:
        >>> from saltus import nn
        >>> nn.describe(nn.MaxPooling3D(2), nn.Spec((1, 8, 6, 4, 3))).output.shape
        (1, 4, 3, 2, 3)
    """

    rank: ClassVar[int] = 3


@register(aliases=("avg_pool3d",))
class AveragePooling3D(_AveragePooling):
    """The mean of each window of volumes, channel by channel.

    Args:
        pool_size, strides, data_format: as for MaxPooling3D.
        padding: as for MaxPooling3D; the border does not count.

    Returns:
        `call` takes (N, depth, height, width, channels) and returns (N, new depth, new height, new width, channels).

    Raises:
        ShapeError: the input has another rank, or a window is larger than it.

    Example:
        >>> from saltus import nn
        >>> nn.describe(nn.AveragePooling3D(2), nn.Spec((1, 8, 6, 4, 3))).output.shape
        (1, 4, 3, 2, 3)
    """

    rank: ClassVar[int] = 3


@dataclasses.dataclass(frozen=True, repr=False)
class _Unpooling(Layer):
    """Elements put back."""

    rank: ClassVar[int]
    output_size: Any = None
    pool_size: Any = 2
    strides: Any = None
    data_format: Any = None

    def __post_init__(self) -> None:
        channels_last(self, self.data_format)
        size = lengths(self, "pool_size", self.pool_size, self.rank)
        self._set(
            output_size=None if self.output_size is None else lengths(self, "output_size", self.output_size, self.rank),
            pool_size=size,
            strides=size if self.strides is None else lengths(self, "strides", self.strides, self.rank),
        )

    def call(self, scope: Scope, x: Any, indices: Any) -> Tensor:
        tensor = scope.cast(x)
        require_rank(tensor, self.rank)
        size = self.output_size or tuple(
            (n - 1) * s + k for n, s, k in zip(tensor.shape[1:-1], self.strides, self.pool_size, strict=True)
        )
        return max_unpool(tensor, as_tensor(indices), size)


@register
class MaxUnpooling1D(_Unpooling):
    """Elements put back where MaxPooling1D found them, 0 elsewhere.

    Args:
        output_size: of the result, a number; None: the least from which the pooling has these windows.
        pool_size, strides: of the pooling.
        data_format: "channels_last" or None.

    Returns:
        `call` takes (N, steps, channels) and the positions from MaxPooling1D(..., return_indices=True).

    Source: Zeiler and Fergus, "Visualizing and understanding convolutional networks", 2013.

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> x = sl.zeros((1, 8, 3))
        >>> top, places = nn.apply(nn.MaxPooling1D(2, return_indices=True), {}, {}, x).output
        >>> nn.apply(nn.MaxUnpooling1D(), {}, {}, top, places).output.shape
        (1, 8, 3)
    """

    rank: ClassVar[int] = 1


@register
class MaxUnpooling2D(_Unpooling):
    """Elements put back where MaxPooling2D found them, 0 elsewhere.

    Args:
        output_size: of the result, one number or one an axis; None: the least from which the pooling has these windows.
        pool_size, strides: of the pooling.
        data_format: "channels_last" or None.

    Returns:
        `call` takes (N, height, width, channels) and the positions from MaxPooling2D(..., return_indices=True).

    Source: Zeiler and Fergus, "Visualizing and understanding convolutional networks", 2013.

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> x = sl.zeros((1, 8, 6, 3))
        >>> top, places = nn.apply(nn.MaxPooling2D(2, return_indices=True), {}, {}, x).output
        >>> nn.apply(nn.MaxUnpooling2D(), {}, {}, top, places).output.shape
        (1, 8, 6, 3)
    """

    rank: ClassVar[int] = 2


@register
class MaxUnpooling3D(_Unpooling):
    """Elements put back where MaxPooling3D found them, 0 elsewhere.

    Args:
        output_size: of the result, one number or one an axis; None: the least from which the pooling has these windows.
        pool_size, strides: of the pooling.
        data_format: "channels_last" or None.

    Returns:
        `call` takes (N, depth, height, width, channels) and the positions from MaxPooling3D(..., return_indices=True).

    Source: Zeiler and Fergus, "Visualizing and understanding convolutional networks", 2013.

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> x = sl.zeros((1, 8, 6, 4, 3))
        >>> top, places = nn.apply(nn.MaxPooling3D(2, return_indices=True), {}, {}, x).output
        >>> nn.apply(nn.MaxUnpooling3D(), {}, {}, top, places).output.shape
        (1, 8, 6, 4, 3)
    """

    rank: ClassVar[int] = 3
