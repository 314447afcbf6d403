"""Where in a sequence something stands, as numbers: learned, as waves, as rotations. In: layer, embedding. Used by attention.

A layer with `cache_length` counts on from call to call: it keeps the number of positions it has seen in its state (see `decoding`).
"""

from __future__ import annotations

from dataclasses import KW_ONLY
from typing import Any, ClassVar

import numpy as np

from saltus.base.errors import ArgumentError, ShapeError
from saltus.nn.checks import number, whole
from saltus.nn.config import register
from saltus.nn.core import settle
from saltus.nn.embedding import Embedding, look_up
from saltus.nn.layer import Layer
from saltus.nn.scope import Scope
from saltus.tensor.creation import arange, asarray
from saltus.tensor.elementwise import cos, sin
from saltus.tensor.manipulation import broadcast_to, concat, reshape
from saltus.tensor.operands import as_tensor, one_axis
from saltus.tensor.tensor import Tensor
from saltus.tensor.tracing import here


def reached(scope: Scope, cache_length: int | None, count: int) -> Any:
    """The place of the first of `count` positions: 0, or how many earlier calls have seen, which grows by these."""
    if cache_length is None:
        return 0
    if count > cache_length:
        raise ShapeError(f"the input has {count} positions, but the cache is {cache_length} long", site=here(), fix="make it longer")
    place = scope.state("position", (), "zeros", dtype="int32")
    scope.set_state("position", place + count)
    return place


def sequence(x: Tensor, what: str = "the input") -> tuple[int, int, int]:
    """Samples, length and width of (N, length, width)."""
    if x.ndim != 3:
        raise ShapeError(
            f"{what} must have the shape (N, length, width), got {x.shape}", site=here(),
            fix="embed whole numbers with nn.Embedding first; give single vectors an axis: x[:, None, :]",
        )  # fmt: skip
    return x.shape[0], x.shape[1], x.shape[2]


@register
class PositionEmbedding(Layer):
    """A learned vector for each position, to be added to the vectors that stand there.

    Args:
        sequence_length: how many positions there are.
        initializer: first values.
        cache_length: count on from call to call, for decoding step by step; None begins at 0 in each call.

    Returns:
        `call` takes (N, length, width) and returns the vectors of the positions in that shape;
        nn.Residual(nn.PositionEmbedding(n)) adds them to the input.

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> params, state = nn.init(nn.PositionEmbedding(8), nn.Spec((1, 5, 4)), key=sl.random.key(0))
        >>> nn.apply(nn.PositionEmbedding(8), params, state, sl.zeros((2, 5, 4))).output.shape
        (2, 5, 4)
    """

    keeps_steps: ClassVar = True
    sequence_length: int
    _: KW_ONLY
    initializer: Any = "glorot_uniform"
    cache_length: int | None = None

    def __post_init__(self) -> None:
        self._set(sequence_length=whole(self, "sequence_length", self.sequence_length))
        settle(self, "initializer")

    def call(self, scope: Scope, x: Any) -> Tensor:
        x = scope.cast(x)
        _, length, width = sequence(x)
        if length > self.sequence_length:
            raise ShapeError(f"the input has {length} positions, but there are vectors for {self.sequence_length}", site=here(),
                             fix=f"give sequence_length={length} or more")  # fmt: skip
        table = scope.param("embeddings", (self.sequence_length, width), self.initializer)
        first = reached(scope, self.cache_length, length)
        rows = table[:length] if isinstance(first, int) else look_up(table, first + arange(length, dtype="int32"))
        return broadcast_to(rows, x.shape)


def _angles(first: Any, length: int, width: int, longest: float, scope: Scope, scaling: float = 1.0) -> Tensor:
    """position / longest^(2 i / width), shape (length, width / 2, rounded up)."""
    rates = longest ** (-2 * np.arange(-(-width // 2)) / width)
    if isinstance(first, int):
        return scope.cast(asarray((first + np.arange(length))[:, None] / scaling * rates))
    places = scope.cast(first + arange(length, dtype="int32")) / scaling
    return reshape(places, (length, 1)) * scope.cast(asarray(rates))


@register
class SinePositionEncoding(Layer):
    """Sines and cosines of the position, of wavelengths from 2 pi to 2 pi * max_wavelength, to be added to vectors.

    Args:
        max_wavelength: the longest, divided by 2 pi.
        cache_length: count on from call to call, for decoding step by step; None begins at 0 in each call.

    Returns:
        `call` takes (N, length, width) and returns numbers in that shape, sin and cos in turn;
        nn.Residual(nn.SinePositionEncoding()) adds them to the input.

    Source: Vaswani et al., "Attention is all you need", 2017.

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> nn.apply(nn.SinePositionEncoding(), {}, {}, sl.zeros((1, 2, 2))).output.tolist()
        [[[0.0, 1.0], [0.84147, 0.5403]]]
    """

    keeps_steps: ClassVar = True
    max_wavelength: float = 10000.0
    _: KW_ONLY
    cache_length: int | None = None

    def __post_init__(self) -> None:
        number(self, "max_wavelength", self.max_wavelength, low=1)

    def call(self, scope: Scope, x: Any) -> Tensor:
        x = scope.cast(x)
        _, length, width = sequence(x)
        angles = _angles(reached(scope, self.cache_length, length), length, width, self.max_wavelength, scope)
        both = concat([sin(angles)[:, :, None], cos(angles)[:, :, None]], axis=-1)
        waves = reshape(both, (length, 2 * angles.shape[1]))
        return broadcast_to(waves[:, :width], x.shape)


@register
class RotaryEmbedding(Layer):
    """Turns pairs of features by angles that grow with the position, so that products of two vectors depend on their distance.

    The pairs are feature i and feature i + width / 2 (as in KerasHub and the Llama models).

    Args:
        max_wavelength: the longest wavelength, divided by 2 pi.
        scaling_factor: positions are divided by it, to stretch a network to longer sequences.
        sequence_axis, feature_axis: the axis of the positions, and that of the features.
        cache_length: count on from call to call, for decoding step by step; None begins at 0 in each call.

    Returns:
        `call` takes (N, ..., features) with an even number of features and returns the same shape.

    Source: Su et al., "RoFormer: enhanced transformer with rotary position embedding", 2021.

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> nn.apply(nn.RotaryEmbedding(), {}, {}, sl.ones((1, 2, 2))).output.tolist()
        [[[1.0, 1.0], [-0.30117, 1.38177]]]
    """

    keeps_steps: ClassVar = True
    max_wavelength: float = 10000.0
    scaling_factor: float = 1.0
    _: KW_ONLY
    sequence_axis: int = 1
    feature_axis: int = -1
    cache_length: int | None = None

    def __post_init__(self) -> None:
        number(self, "max_wavelength", self.max_wavelength, low=1)
        number(self, "scaling_factor", self.scaling_factor, low=0, open_low=True)

    def call(self, scope: Scope, x: Any) -> Tensor:
        x = scope.cast(x)
        length = x.shape[one_axis("sequence_axis", self.sequence_axis, x.ndim)]
        return self.turned(scope, x, reached(scope, self.cache_length, length))

    def turned(self, scope: Scope, x: Tensor, first: Any, sequence_axis: int | None = None) -> Tensor:
        """x turned, its first position being number `first`."""
        along = one_axis("sequence_axis", self.sequence_axis if sequence_axis is None else sequence_axis, x.ndim)
        across = one_axis("feature_axis", self.feature_axis, x.ndim)
        length, width = x.shape[along], x.shape[across]
        if along == across or width % 2:
            raise ShapeError(f"the input of shape {x.shape} must have an even number of features in axis {self.feature_axis}", site=here())
        angles = _angles(first, length, width, self.max_wavelength, scope, self.scaling_factor)
        if along > across:
            angles = angles.mT
        angles = reshape(angles, tuple(length if i == along else width // 2 if i == across else 1 for i in range(x.ndim)))
        low, high = ((slice(None),) * across + (part,) for part in (slice(0, width // 2), slice(width // 2, None)))
        a, b, c, s = x[low], x[high], cos(angles), sin(angles)
        return concat([a * c - b * s, b * c + a * s], axis=across)


def rotary_of(owner: Layer, given: Any) -> RotaryEmbedding | None:
    """The rotary embedding an attention layer was given: a layer, True for the default one, or None."""
    made = RotaryEmbedding() if given is True else None if given is None or given is False else given
    if made is not None and not isinstance(made, RotaryEmbedding):
        raise ArgumentError(f"{type(owner).__name__}: rotary must be True or an nn.RotaryEmbedding, got {given!r}")
    return made


@register
class TokenAndPositionEmbedding(Layer):
    """The sum of a learned vector for each token and one for its position.

    Args:
        vocabulary_size: how many tokens there are, numbered from 0.
        sequence_length: how many positions there are.
        embedding_dim: length of the vectors.
        embeddings_initializer: first values of both.
        mask_zero: True makes token 0 mean that there is nothing: layers behind it do not attend to it.
        cache_length: count on from call to call, for decoding step by step; None begins at 0 in each call.

    Returns:
        `call` takes whole numbers (N, length) and returns (N, length, embedding_dim).

    Example:
        >>> from saltus import nn
        >>> nn.describe(nn.TokenAndPositionEmbedding(100, 16, 8), nn.Spec((1, 16), "int64")).output
        Spec(shape=(1, 16, 8), dtype='float32')
    """

    vocabulary_size: int
    sequence_length: int
    embedding_dim: int
    _: KW_ONLY
    embeddings_initializer: Any = "random_uniform"
    mask_zero: bool = False
    cache_length: int | None = None

    def __post_init__(self) -> None:
        for name in ("vocabulary_size", "sequence_length", "embedding_dim"):
            self._set(**{name: whole(self, name, getattr(self, name))})
        settle(self, "embeddings_initializer")

    def call(self, scope: Scope, x: Any) -> Tensor:
        x = as_tensor(x)
        if x.ndim != 2:
            raise ShapeError(f"the input must be whole numbers (N, length), got the shape {x.shape}", site=here())
        token = Embedding(self.vocabulary_size, self.embedding_dim, embeddings_initializer=self.embeddings_initializer,
                          mask_zero=self.mask_zero)  # fmt: skip
        place = PositionEmbedding(self.sequence_length, initializer=self.embeddings_initializer, cache_length=self.cache_length)
        found = scope.run(token, x, name="token_embedding")
        made = found + scope.run(place, found, name="position_embedding")
        if (steps := scope.mask_of(found)) is not None:
            scope.set_mask(made, steps)
        return made
