"""Layers from sound to pictures of it: how strong each frequency is at each time. In: layer. The transform is one convolution with
fixed waves, so it runs, and is differentiated, like any other.
"""

from __future__ import annotations

from dataclasses import KW_ONLY
from typing import Any

import numpy as np

from saltus.base.errors import ArgumentError, ShapeError
from saltus.nn.checks import channels_last, number, one_of, whole
from saltus.nn.config import register
from saltus.nn.layer import Layer
from saltus.nn.scope import Scope
from saltus.tensor.convolution import conv
from saltus.tensor.creation import asarray
from saltus.tensor.elementwise import atan2, log, maximum, pow, sqrt, square
from saltus.tensor.manipulation import concat, flip, moveaxis, reshape
from saltus.tensor.products import matmul
from saltus.tensor.reduction import max as max_of
from saltus.tensor.tensor import Tensor
from saltus.tensor.tracing import here

_SMALL = 1e-7
WINDOWS = {"hann": (0.5, 0.5), "hamming": (0.54, 0.46), "blackman": (0.42, 0.5, 0.08)}
SIDES = ("magnitude", "psd", "log", "angle", "stft", "real", "imag")


def window_of(owner: object, window: str | None, length: int, periodic: bool) -> np.ndarray[Any, Any]:
    """Weights with which a frame fades in and out: a sum of cosines, of ones for None."""
    if window is None:
        return np.ones(length)
    one_of(owner, "window", window, WINDOWS)
    turn = 2 * np.pi * np.arange(length) / max(1, length if periodic else length - 1)
    return np.asarray(sum((-1) ** k * a * np.cos(k * turn) for k, a in enumerate(WINDOWS[window])))


def waves(window: np.ndarray[Any, Any], fft_length: int) -> np.ndarray[Any, Any]:
    """Cosines, then negative sines, of all frequencies up to the highest, times a window: (frame, 2 bins)."""
    turn = 2 * np.pi * np.arange(len(window))[:, None] * np.arange(fft_length // 2 + 1)[None, :] / fft_length
    return window[:, None] * np.concatenate([np.cos(turn), -np.sin(turn)], axis=1)


@register
class STFTSpectrogram(Layer):
    """The short-time Fourier transform: frames of a signal as strengths of frequencies.

    Args:
        mode: "magnitude", "psd" (power, both halves of the spectrum), "log" (of the magnitude), "real", "imag", "angle" or "stft" (real
            and imaginary parts side by side).
        frame_length: samples a frame.
        frame_step: from one frame to the next; None for half a frame.
        fft_length: as if frames were filled up with zeros to this even length; None for none.
        window: "hann", "hamming", "blackman", or None.
        periodic: the window as one of a series.
        scaling: "density", "spectrum" or None: what the window is divided by.
        padding: "valid" or "same".
        expand_dims: put the channels into an axis of their own.
        data_format: "channels_last" or None.

    Returns:
        `call` takes (N, samples, channels) and returns (N, frames, channels * bins), or (N, frames, bins, channels) with expand_dims.

    Source: Allen and Rabiner, "A unified approach to short-time Fourier analysis and synthesis", 1977.

    Example:
        >>> from saltus import nn
        >>> nn.describe(nn.STFTSpectrogram(frame_length=400, frame_step=160), nn.Spec((1, 16000, 1))).output.shape
        (1, 98, 201)
    """

    mode: str = "log"
    frame_length: int = 256
    frame_step: int | None = None
    fft_length: int | None = None
    window: str | None = "hann"
    periodic: bool = False
    scaling: str | None = "density"
    padding: str = "valid"
    expand_dims: bool = False
    data_format: Any = None

    def __post_init__(self) -> None:
        one_of(self, "mode", self.mode, SIDES)
        channels_last(self, self.data_format)
        whole(self, "frame_length", self.frame_length, low=2)
        step = whole(self, "frame_step", self.frame_step or self.frame_length // 2)
        full = whole(self, "fft_length", self.fft_length or self.frame_length)
        if full < self.frame_length or full % 2 or step > self.frame_length:
            raise ArgumentError(
                f"STFTSpectrogram: frame_step {step} <= frame_length {self.frame_length} <= fft_length {full} must hold, the last be even",
                fix="leave fft_length out, and use an even frame_length",
            )
        if self.scaling is not None:
            one_of(self, "scaling", self.scaling, ("density", "spectrum"))
        one_of(self, "padding", self.padding, ("valid", "same"))
        window_of(self, self.window, 2, self.periodic)

    def call(self, scope: Scope, x: Any) -> Tensor:
        x = scope.cast(x)
        if x.ndim != 3 or (self.padding == "valid" and x.shape[1] < self.frame_length):
            raise ShapeError(
                f"the input must have the shape (N, samples, channels) with at least {self.frame_length} samples, got {x.shape}",
                site=here(), fix="add the axis of channels: x[..., None]" if x.ndim == 2 else "use shorter frames",
            )  # fmt: skip
        count, samples, channels = x.shape
        full, step = self.fft_length or self.frame_length, self.frame_step or self.frame_length // 2
        window = window_of(self, self.window, self.frame_length, self.periodic)
        if self.window is not None and self.scaling is not None:
            window = window / (np.sqrt((window**2).sum()) if self.scaling == "density" else np.abs(window).sum())
        kernel = asarray(waves(window, full)[:, None, :], dtype=x.dtype)
        single = reshape(moveaxis(x, 2, 1), (count * channels, samples, 1))
        found = conv(single, kernel, stride=step, padding=self.padding)
        bins = full // 2 + 1
        made = self._shown(found[..., :bins], found[..., bins:])
        frames, width = made.shape[1:]
        made = moveaxis(reshape(made, (count, channels, frames, width)), 1, 3 if self.expand_dims else 2)
        return made if self.expand_dims else reshape(made, (count, frames, channels * width))

    def _shown(self, real: Tensor, imaginary: Tensor) -> Tensor:
        if self.mode in ("real", "imag"):
            return real if self.mode == "real" else imaginary
        if self.mode == "angle":
            return atan2(imaginary, real)
        if self.mode == "stft":
            return concat([real, imaginary], axis=-1)
        power = square(real) + square(imaginary)
        if self.mode == "psd":  # all but the lowest and the highest stand for two frequencies
            return concat([power[..., :1], power[..., 1:-1] * 2.0, power[..., -1:]], axis=-1)
        size = sqrt(maximum(power, _SMALL))
        return size if self.mode == "magnitude" else log(size)


def mel_filters(bins: int, mels: int, rate: float, low: float, high: float) -> np.ndarray[Any, Any]:
    """Triangles that overlap by half, evenly spaced in pitch as the ear hears it: (bins, mels).

    Example:
        >>> mel_filters(9, 3, 16000, 0.0, 8000.0).shape
        (9, 3)
    """

    def mel(hertz: Any) -> Any:
        return 1127.0 * np.log1p(np.asarray(hertz, dtype=np.float64) / 700.0)

    edges = np.linspace(mel(low), mel(high), mels + 2)
    place = mel(np.linspace(0, rate / 2, bins))[:, None]
    rise, fall = (place - edges[:-2]) / (edges[1:-1] - edges[:-2]), (edges[2:] - place) / (edges[2:] - edges[1:-1])
    made = np.maximum(0.0, np.minimum(rise, fall))
    made[0] = 0.0  # what does not swing is not heard
    return made


@register
class MelSpectrogram(Layer):
    """How strong each pitch is at each time, in decibels: the usual picture of speech and music.

    Args:
        fft_length: samples a frame.
        sequence_stride: from one frame to the next.
        sequence_length: samples that the window leaves over; None for all of the frame.
        window: "hann", "hamming", "blackman", or None.
        sampling_rate: samples a second.
        num_mel_bins: how many pitches.
        min_freq, max_freq: the lowest and the highest, in hertz; None for half the sampling rate.
        power_to_db: whether the result is in decibels.
        top_db: how far below the loudest of the batch the result may go.
        mag_exp: power of the magnitude; 2 for energy.
        min_power: what is weaker counts as this.
        ref_power: strength of 0 decibels.

    Returns:
        `call` takes (N, samples) and returns (N, num_mel_bins, frames), frames around every sequence_stride-th sample; beyond its
        ends the signal is mirrored.

    Source: Davis and Mermelstein, "Comparison of parametric representations for monosyllabic word recognition in continuously spoken
        sentences", 1980.

    Example:
        >>> from saltus import nn
        >>> nn.describe(nn.MelSpectrogram(512, 160, num_mel_bins=40), nn.Spec((1, 16000))).output.shape
        (1, 40, 101)
    """

    fft_length: int = 2048
    sequence_stride: int = 512
    sequence_length: int | None = None
    window: str | None = "hann"
    sampling_rate: float = 16000
    num_mel_bins: int = 128
    min_freq: float = 20.0
    max_freq: float | None = None
    _: KW_ONLY
    power_to_db: bool = True
    top_db: float = 80.0
    mag_exp: float = 2.0
    min_power: float = 1e-10
    ref_power: float = 1.0

    def __post_init__(self) -> None:
        whole(self, "fft_length", self.fft_length, low=2)
        whole(self, "sequence_stride", self.sequence_stride)
        whole(self, "num_mel_bins", self.num_mel_bins)
        if whole(self, "sequence_length", self.sequence_length or self.fft_length) > self.fft_length or self.fft_length % 2:
            raise ArgumentError(f"MelSpectrogram: fft_length {self.fft_length} must be even, and sequence_length no longer than it")
        number(self, "sampling_rate", self.sampling_rate, low=0, open_low=True)
        highest = self.sampling_rate / 2 if self.max_freq is None else self.max_freq
        if not 0 <= self.min_freq < highest <= self.sampling_rate / 2:
            raise ArgumentError(
                f"MelSpectrogram: 0 <= min_freq {self.min_freq} < max_freq {highest} <= {self.sampling_rate / 2} must hold"
            )
        window_of(self, self.window, 2, True)

    def call(self, scope: Scope, x: Any) -> Tensor:
        x = scope.cast(x)
        half = self.fft_length // 2
        if x.ndim != 2 or x.shape[1] <= half:
            raise ShapeError(
                f"the input must have the shape (N, samples) with more than {half} samples, got {x.shape}", site=here(),
                fix="drop the axis of channels: x[..., 0]" if x.ndim == 3 else "use a smaller fft_length",
            )  # fmt: skip
        mirrored = concat([flip(x[:, 1 : half + 1], axis=1), x, flip(x[:, -half - 1 : -1], axis=1)], axis=1)
        length = self.sequence_length or self.fft_length
        window = np.zeros(self.fft_length)
        start = (self.fft_length - length) // 2
        window[start : start + length] = window_of(self, self.window, length, True)
        bins = half + 1
        found = conv(mirrored[..., None], asarray(waves(window, self.fft_length)[:, None, :], dtype=x.dtype), stride=self.sequence_stride)
        power = square(found[..., :bins]) + square(found[..., bins:])
        strength = power if self.mag_exp == 2 else pow(sqrt(power), self.mag_exp)
        filters = mel_filters(
            bins, self.num_mel_bins, self.sampling_rate, self.min_freq, self.sampling_rate / 2 if self.max_freq is None else self.max_freq
        )
        made = matmul(strength, asarray(filters, dtype=x.dtype))
        if self.power_to_db:
            made = log(maximum(made, self.min_power)) * (10.0 / np.log(10.0)) - 10.0 * np.log10(max(abs(self.ref_power), self.min_power))
            made = maximum(made, max_of(made) - self.top_db)
        return moveaxis(made, 2, 1)
