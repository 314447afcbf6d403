"""Metrics of pictures beside pictures: signal to noise, structural similarity. In: metrics.base. Names follow TensorFlow's image
functions.
"""

from __future__ import annotations

from dataclasses import KW_ONLY

import numpy as np

from saltus.base.errors import ShapeError
from saltus.nn.checks import number, whole
from saltus.nn.config import register
from saltus.nn.losses.base import same_shape
from saltus.nn.metrics.base import Averaged
from saltus.tensor.convolution import conv
from saltus.tensor.creation import asarray
from saltus.tensor.elementwise import log, maximum, square
from saltus.tensor.manipulation import moveaxis, reshape
from saltus.tensor.reduction import mean
from saltus.tensor.tensor import Tensor
from saltus.tensor.tracing import here


@register(aliases=("peak_signal_noise_ratio",))
class PSNR(Averaged):
    """10 log10(max_val^2 / mean squared error) of each picture, in decibels; the mean over pictures.

    Args:
        max_val: the range of the values, 1 or 255.

    Returns:
        `result`: a float32 Tensor of shape (). Errors below 1e-10 of the range count as such, 200 dB, so that equal pictures
        have a number.

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> float(nn.metrics.PSNR()(sl.zeros((1, 4, 4, 1)), sl.full((1, 4, 4, 1), 0.1)))
        20.0
    """

    max_val: float = 1.0

    def __post_init__(self) -> None:
        number(self, "max_val", self.max_val, low=0, open_low=True)

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        same_shape(self.title, y_true, y_pred)
        wrong = square((y_true.astype(y_pred.dtype) - y_pred) / self.max_val)
        error = mean(wrong, axis=tuple(range(1, wrong.ndim))) if wrong.ndim > 1 else wrong
        return log(maximum(error, 1e-20)) * (-10.0 / np.log(10.0))


@register(aliases=("structural_similarity",))
class SSIM(Averaged):
    """How alike pictures are in light, contrast and structure within a window that slides over them: 1 for equal ones.

    Args:
        max_val: the range of the values, 1 or 255.
        filter_size: side of the window.
        filter_sigma: standard deviation of its bell, in pixels.
        k1, k2: keep what is divided by off 0.

    Returns:
        `result`: a float32 Tensor of shape (), the mean over pictures, channels and windows that lie within the picture.

    Source: Wang, Bovik, Sheikh and Simoncelli, "Image quality assessment: from error visibility to structural similarity", 2004.

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> picture = sl.random.uniform(sl.random.key(0), (1, 16, 16, 3))
        >>> float(nn.metrics.SSIM()(picture, picture))
        1.0
    """

    max_val: float = 1.0
    _: KW_ONLY
    filter_size: int = 11
    filter_sigma: float = 1.5
    k1: float = 0.01
    k2: float = 0.03

    def __post_init__(self) -> None:
        number(self, "max_val", self.max_val, low=0, open_low=True)
        whole(self, "filter_size", self.filter_size)
        number(self, "filter_sigma", self.filter_sigma, low=0, open_low=True)

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        same_shape(self.title, y_true, y_pred)
        if y_pred.ndim != 4 or min(y_pred.shape[1:3]) < self.filter_size:
            raise ShapeError(
                f"{self.title}: expected pictures (N, height, width, channels) of at least {self.filter_size} x {self.filter_size} pixels, "
                f"got {y_pred.shape}",
                site=here(), fix="give a smaller filter_size" if y_pred.ndim == 4 else "add the axes that are missing",
            )  # fmt: skip
        true, pred = (self._channels_apart(v.astype(y_pred.dtype)) for v in (y_true, y_pred))
        light, shade = (self.k1 * self.max_val) ** 2, (self.k2 * self.max_val) ** 2
        mean_t, mean_p = self._smooth(true), self._smooth(pred)
        both, squares = mean_t * mean_p, square(mean_t) + square(mean_p)
        together = self._smooth(true * pred) - both
        spread = self._smooth(square(true) + square(pred)) - squares
        found = (both * 2.0 + light) / (squares + light) * ((together * 2.0 + shade) / (spread + shade))
        return mean(reshape(found, (y_pred.shape[0], found.size // max(1, y_pred.shape[0]))), axis=1)

    @staticmethod
    def _channels_apart(x: Tensor) -> Tensor:
        """Each channel as a picture of its own."""
        n, height, width, channels = x.shape
        return reshape(moveaxis(x, 3, 1), (n * channels, height, width, 1))

    def _smooth(self, x: Tensor) -> Tensor:
        place = np.arange(self.filter_size) - (self.filter_size - 1) / 2
        bell = np.exp(-(place**2) / (2 * self.filter_sigma**2))
        bell = asarray(bell / bell.sum(), dtype=x.dtype)
        down = conv(x, reshape(bell, (self.filter_size, 1, 1, 1)))
        return conv(down, reshape(bell, (1, self.filter_size, 1, 1)))
