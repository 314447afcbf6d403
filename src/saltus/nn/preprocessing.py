"""Layers that bring raw numbers into the form networks like, without learning: scaling by known statistics, bins, codes of categories.
In: layer. What they know of the data (`adapt`) is part of the record, so a model file holds it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY
from typing import Any, ClassVar

import numpy as np

from saltus.base.errors import ArgumentError, DataError, DTypeError, ShapeError
from saltus.nn.checks import channels_last, number, one_of, whole
from saltus.nn.config import register
from saltus.nn.layer import Layer
from saltus.nn.resizing import Resizing
from saltus.nn.scope import Scope
from saltus.tensor.creation import asarray, one_hot
from saltus.tensor.elementwise import bitwise_right_shift, bitwise_xor, minimum, where
from saltus.tensor.indexing import take
from saltus.tensor.manipulation import expand_dims, reshape
from saltus.tensor.operands import as_tensor
from saltus.tensor.ordering import searchsorted
from saltus.tensor.reduction import max as max_of
from saltus.tensor.reduction import sum
from saltus.tensor.tensor import Tensor
from saltus.tensor.tracing import here

_SMALL = 1e-7  # standard deviations are not taken to be smaller
MODES = ("int", "one_hot", "multi_hot", "count")


def _nested(value: Any) -> Any:
    """Numbers in nested lists as nested tuples, which records hold."""
    made = np.asarray(value, dtype=np.float64).tolist()

    def tuples(v: Any) -> Any:
        return tuple(map(tuples, v)) if isinstance(v, list) else v

    return tuples(made)


@register
class Normalization(Layer):
    """(x - mean) / standard deviation, each feature by itself, with numbers that are known before the training.

    Args:
        axis: the axes that keep numbers of their own; None for one mean and one variance of everything.
        mean, variance: numbers, in the shape of these axes; `adapt` finds them.
        invert: go the other way, x * standard deviation + mean: for what a network says.

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> layer = nn.Normalization().adapt([[0.0, 5.0], [2.0, 5.0]])
        >>> nn.apply(layer, {}, {}, sl.asarray([[3.0, 5.0]])).output.tolist()
        [[2.0, 0.0]]
    """

    keeps_steps: ClassVar = True
    axis: Any = -1
    mean: Any = None
    variance: Any = None
    _: KW_ONLY
    invert: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.axis, Sequence):
            self._set(axis=tuple(self.axis))
        if (self.mean is None) != (self.variance is None):
            raise ArgumentError("Normalization needs both mean and variance, or neither", fix="give both, or call adapt(data)")
        if self.mean is not None:
            self._set(mean=_nested(self.mean), variance=_nested(self.variance))
            if (np.asarray(self.variance) < 0).any():
                raise ArgumentError("Normalization: a variance is below 0")

    def _kept(self, rank: int) -> tuple[int, ...]:
        axes = () if self.axis is None else self.axis if isinstance(self.axis, tuple) else (self.axis,)
        kept = tuple(sorted(a % rank for a in axes if -rank <= a < rank))
        if len(kept) != len(axes) or 0 in kept:
            raise ArgumentError(f"Normalization: axis {self.axis!r} does not fit an array of {rank} axes, of which the first is the batch")
        return kept

    def adapt(self, data: Any) -> Normalization:
        """This layer with the mean and variance of some data.

        Args:
            data: (N, ...), the inputs of the training; NaN is left out.

        Raises:
            DataError: there is no data.
        """
        values = np.asarray(data, dtype=np.float64)
        if values.ndim < 1 or not values.size:
            raise DataError("Normalization.adapt: there is no data", fix="give the inputs of the training")
        over = tuple(i for i in range(values.ndim) if i not in self._kept(values.ndim))
        return self.replace(mean=np.nanmean(values, axis=over), variance=np.nanvar(values, axis=over))

    def call(self, scope: Scope, x: Any) -> Tensor:
        x = scope.cast(x)
        if self.mean is None:
            raise ArgumentError(
                "Normalization knows neither mean nor variance", site=here(),
                fix="layer = nn.Normalization().adapt(x): it returns the layer to use; or nn.BatchNormalization, which learns them",
            )  # fmt: skip
        kept = self._kept(x.ndim)
        wanted = tuple(x.shape[i] for i in kept)
        middle, spread = np.asarray(self.mean), np.maximum(np.sqrt(np.asarray(self.variance)), _SMALL)
        if middle.shape not in ((), wanted):
            raise ShapeError(
                f"Normalization: there are means of shape {middle.shape} for an input of shape {x.shape} (axis {self.axis})", site=here(),
                fix="adapt it to data of the same width",
            )  # fmt: skip
        shape = tuple(n if i in kept else 1 for i, n in enumerate(x.shape)) if middle.shape else (1,) * x.ndim
        mean, deviation = (reshape(asarray(v, dtype=x.dtype), shape) for v in (middle, spread))
        return x * deviation + mean if self.invert else (x - mean) / deviation


@register
class CenterCrop(Layer):
    """The middle of images; images that are too small are brought to the size without distortion.

    Args:
        height, width: of the result.
        data_format: "channels_last" or None.

    Returns:
        `call` takes (N, any height, any width, channels) and returns (N, height, width, channels).

    Example:
        >>> from saltus import nn
        >>> nn.describe(nn.CenterCrop(24, 32), nn.Spec((1, 50, 60, 3))).output.shape
        (1, 24, 32, 3)
    """

    height: int
    width: int
    data_format: Any = None

    def __post_init__(self) -> None:
        channels_last(self, self.data_format)
        self._set(height=whole(self, "height", self.height), width=whole(self, "width", self.width))

    def call(self, scope: Scope, x: Any) -> Tensor:
        tensor = scope.cast(x)
        if tensor.ndim != 4:
            raise ShapeError(f"the input must have the shape (N, height, width, channels), got {tensor.shape}", site=here())
        down, right = tensor.shape[1] - self.height, tensor.shape[2] - self.width
        if min(down, right) < 0:
            return Resizing(self.height, self.width, crop_to_aspect_ratio=True).call(scope, tensor)
        top, left = down // 2, right // 2
        return tensor[:, top : top + self.height, left : left + self.width]


def _whole_numbers(layer: Layer, x: Any) -> Tensor:
    tensor = as_tensor(x)
    if not tensor.dtype.is_integer:
        raise DTypeError(
            f"{type(layer).__name__} takes whole numbers, got {tensor.dtype.name}", site=here(),
            fix="convert: x.astype('int64'); texts are numbered by sl.fit_texts, or before the network",
        )  # fmt: skip
    return tensor.astype("int64")


def encoded(numbers: Tensor, mode: str, count: int, dtype: Any, weights: Tensor | None = None) -> Tensor:
    """Category numbers (N, ...) in one of MODES; a last axis of length 1 is not kept."""
    if mode == "int":
        return numbers
    flat = numbers[..., 0] if numbers.ndim > 1 and numbers.shape[-1] == 1 else numbers
    if mode == "one_hot":
        return one_hot(flat, count, dtype=dtype)
    several = numbers if numbers.ndim > 1 else expand_dims(numbers, axis=1)
    each = one_hot(several, count, dtype=dtype)
    if mode == "multi_hot":
        return max_of(each, axis=-2)
    if weights is not None:
        each = each * expand_dims(reshape(weights, several.shape).astype(dtype), axis=-1)
    return sum(each, axis=-2)


@register
class CategoryEncoding(Layer):
    """Numbers of categories as columns of 0 and 1, or as counts.

    Args:
        num_tokens: how many categories there are, numbered from 0; others give no column.
        output_mode: "multi_hot": which occur in a sample; "count": how often each does; "one_hot": a row for each number.

    Returns:
        `call` takes whole numbers (N, ...) and, for "count", weights of the same shape; it returns (N, num_tokens) for (N,) and
        (N, length); with "one_hot" (N, ..., num_tokens).

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> nn.apply(nn.CategoryEncoding(4), {}, {}, sl.asarray([[0, 3], [1, 1]])).output.tolist()
        [[1.0, 0.0, 0.0, 1.0], [0.0, 1.0, 0.0, 0.0]]
    """

    num_tokens: int
    output_mode: str = "multi_hot"

    def __post_init__(self) -> None:
        whole(self, "num_tokens", self.num_tokens)
        one_of(self, "output_mode", self.output_mode, MODES[1:])

    def call(self, scope: Scope, x: Any, *weights: Any) -> Tensor:
        if weights and self.output_mode != "count":
            raise ArgumentError(f"CategoryEncoding: weights go with output_mode='count', not {self.output_mode!r}", site=here())
        own = as_tensor(weights[0]) if weights else None
        return encoded(_whole_numbers(self, x), self.output_mode, self.num_tokens, scope.dtype, own)


@register
class Discretization(Layer):
    """Numbers as the number of the bin they fall into.

    Args:
        bin_boundaries: rising numbers; bin 0 lies below the first, a bin begins at its boundary. `adapt` finds them.
        num_bins: how many bins `adapt` makes, with about equally many values in each.
        output_mode: "int", "one_hot", "multi_hot" or "count", as for CategoryEncoding.

    Returns:
        `call` takes numbers (N, ...) and returns int64 (N, ...) or codes.

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> nn.apply(nn.Discretization((0.0, 1.0, 2.0)), {}, {}, sl.asarray([[-1.5, 1.0, 3.4]])).output.tolist()
        [[0, 2, 3]]
    """

    bin_boundaries: Any = None
    num_bins: int | None = None
    _: KW_ONLY
    output_mode: str = "int"

    def __post_init__(self) -> None:
        one_of(self, "output_mode", self.output_mode, MODES)
        if self.num_bins is not None:
            whole(self, "num_bins", self.num_bins, low=2)
        if self.bin_boundaries is not None:
            self._set(bin_boundaries=tuple(number(self, "each of bin_boundaries", float(b)) for b in self.bin_boundaries))
            if list(self.bin_boundaries) != sorted(set(self.bin_boundaries)):
                raise ArgumentError(f"Discretization: bin_boundaries {self.bin_boundaries} must rise")

    def adapt(self, data: Any) -> Discretization:
        """This layer with boundaries at the quantiles of some data; bins that would be empty are left out.

        Args:
            data: numbers; NaN is left out.

        Raises:
            ArgumentError: num_bins is not given.
        """
        if self.num_bins is None:
            raise ArgumentError("Discretization.adapt must know how many bins to make", fix="nn.Discretization(num_bins=10).adapt(x)")
        shares = np.arange(1, self.num_bins) / self.num_bins
        return self.replace(bin_boundaries=np.unique(np.nanquantile(np.asarray(data, dtype=np.float64), shares)))

    def call(self, scope: Scope, x: Any) -> Tensor:
        if self.bin_boundaries is None:
            raise ArgumentError(
                "Discretization knows no bin_boundaries", site=here(), fix="give them, or layer = nn.Discretization(num_bins=10).adapt(x)"
            )
        values = scope.cast(x)
        found = searchsorted(asarray(self.bin_boundaries, dtype=values.dtype), values, side="right").astype("int64")
        return encoded(found, self.output_mode, len(self.bin_boundaries) + 1, scope.dtype)


@register
class Hashing(Layer):
    """Whole numbers of any size as the number of a bin, the same each time: for identifiers of which there are too many to list.

    Args:
        num_bins: how many bins there are.
        mask_value: a number that gets bin 0 to itself; None for none.
        salt: another salt spreads numbers in another way.
        output_mode: "int", "one_hot", "multi_hot" or "count", as for CategoryEncoding.

    Returns:
        `call` takes whole numbers (N, ...) and returns int64 (N, ...) or codes. Bins are not those of Keras, which hashes texts.

    Source: Weinberger et al., "Feature hashing for large scale multitask learning", 2009; the mixing of bits is SplitMix64's (Steele,
        Lea and Flood, "Fast splittable pseudorandom number generators", 2014).

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> bins = nn.apply(nn.Hashing(8), {}, {}, sl.asarray([[10**12, 7, 10**12]])).output
        >>> bool(bins[0, 0] == bins[0, 2]), bins.shape
        (True, (1, 3))
    """

    num_bins: int
    mask_value: int | None = None
    salt: int = 0
    _: KW_ONLY
    output_mode: str = "int"

    def __post_init__(self) -> None:
        whole(self, "num_bins", self.num_bins)
        whole(self, "salt", self.salt, low=0)
        one_of(self, "output_mode", self.output_mode, MODES)

    def call(self, scope: Scope, x: Any) -> Tensor:
        numbers = _whole_numbers(self, x)
        mixed = numbers.astype("uint64") + asarray((self.salt * 0x9E3779B97F4A7C15 + 0x9E3779B97F4A7C15) % 2**64, dtype="uint64")
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB), (31, None)):
            mixed = bitwise_xor(mixed, bitwise_right_shift(mixed, asarray(shift, dtype="uint64")))
            mixed = mixed if factor is None else mixed * asarray(factor, dtype="uint64")
        first = 0 if self.mask_value is None or self.num_bins == 1 else 1
        found = (mixed % asarray(self.num_bins - first, dtype="uint64")).astype("int64") + first
        if self.mask_value is not None:
            found = where(numbers == self.mask_value, 0, found)
        return encoded(found, self.output_mode, self.num_bins, scope.dtype)


@register
class IntegerLookup(Layer):
    """Whole numbers such as identifiers as numbers from 0 on, by a list of those that are known.

    Args:
        vocabulary: the known ones, each once; `adapt` finds them.
        max_tokens: how many `adapt` keeps, with those that stand for others; None for all.
        num_oov_indices: numbers for those that are not known; with several, which one is the value's remainder.
        mask_token: a value that gets number 0; None for none.
        output_mode: "int", "one_hot", "multi_hot" or "count", as for CategoryEncoding.

    Returns:
        `call` takes whole numbers (N, ...) and returns int64 (N, ...) or codes: 0 for the mask token, then those of unknown values (-1
        with num_oov_indices=0), then the vocabulary in its order.

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> layer = nn.IntegerLookup().adapt([900, 17, 900])
        >>> nn.apply(layer, {}, {}, sl.asarray([[17, 900, 5]])).output.tolist()
        [[2, 1, 0]]
    """

    vocabulary: Any = None
    max_tokens: int | None = None
    num_oov_indices: int = 1
    mask_token: int | None = None
    _: KW_ONLY
    output_mode: str = "int"

    def __post_init__(self) -> None:
        whole(self, "num_oov_indices", self.num_oov_indices, low=0)
        one_of(self, "output_mode", self.output_mode, MODES)
        if self.max_tokens is not None:
            whole(self, "max_tokens", self.max_tokens, low=self._first() + 1)
        if self.vocabulary is not None:
            self._set(vocabulary=tuple(int(v) for v in np.asarray(self.vocabulary).ravel()))
            if len(set(self.vocabulary)) != len(self.vocabulary) or not self.vocabulary:
                raise ArgumentError("IntegerLookup: the vocabulary is empty or has a number twice")

    def _first(self) -> int:
        return self.num_oov_indices + (self.mask_token is not None)

    @property
    def size(self) -> int:
        """How many numbers there are: the input_dim of an Embedding behind it."""
        return self._first() + len(self.vocabulary or ())

    def adapt(self, data: Any) -> IntegerLookup:
        """This layer with the values of some data as vocabulary, the most frequent first.

        Args:
            data: whole numbers.
        """
        values, counts = np.unique(np.asarray(data).ravel(), return_counts=True)
        if not len(values) or values.dtype.kind not in "iu":
            raise DataError(f"IntegerLookup.adapt needs whole numbers, got {values.dtype}", fix="convert: x.astype('int64')")
        order = np.argsort(-counts, kind="stable")
        found = [int(v) for v in values[order] if v != self.mask_token]
        return self.replace(vocabulary=found[: None if self.max_tokens is None else self.max_tokens - self._first()])

    def call(self, scope: Scope, x: Any) -> Tensor:
        if self.vocabulary is None:
            raise ArgumentError("IntegerLookup knows no vocabulary", site=here(), fix="layer = nn.IntegerLookup().adapt(x)")
        numbers = _whole_numbers(self, x)
        order = np.argsort(self.vocabulary)
        known = asarray(np.asarray(self.vocabulary)[order], dtype="int64")
        place = minimum(searchsorted(known, numbers).astype("int64"), len(self.vocabulary) - 1)
        shift = int(self.mask_token is not None)
        other: Any = numbers % self.num_oov_indices + shift if self.num_oov_indices > 1 else shift if self.num_oov_indices else -1
        found = where(take(known, place, axis=0) == numbers, take(asarray(order + self._first(), dtype="int64"), place, axis=0), other)
        if self.mask_token is not None:
            found = where(numbers == self.mask_token, 0, found)
        return encoded(found, self.output_mode, self.size, scope.dtype)
