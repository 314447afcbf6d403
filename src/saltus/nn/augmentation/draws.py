"""Random numbers for the samples of a batch, each sample from a key of its own: what is drawn for a sample does not depend on the samples
beside it. Lowest file of augmentation.
"""

from __future__ import annotations

import hashlib
import math
from typing import Any

from saltus.base import dtypes as dt
from saltus.ir.spec import OPS
from saltus.tensor.creation import asarray
from saltus.tensor.elementwise import erfinv, minimum
from saltus.tensor.manipulation import broadcast_to, reshape
from saltus.tensor.tensor import Tensor, of_node

_REGION = 32  # bits of a counter that number the elements of one draw; the bits above them are the place of the draw
_DIGITS = 24  # random bits of a float32


def sample_keys(key: Any, numbers: Any) -> Tensor:
    """One key a sample.

    Args:
        key: of the epoch, or of the step.
        numbers: integers (N,) that tell the samples apart, such as their row numbers.

    Returns:
        uint64 (N,).
    """
    chosen = numbers.astype("uint64")
    return of_node(OPS["random_bits"](broadcast_to(key, chosen.shape).node, chosen.node, width=64))


def wide(value: Tensor, rank: int = 3) -> Tensor:
    """One number a sample, (N,), beside values with so many more axes: (N, 1, 1, 1)."""
    return reshape(value, (value.shape[0], *(1,) * rank))


class Draws:
    """Random numbers of one place in an augmentation.

    Args:
        keys: one a sample, uint64 (N,).
        place: words that tell this layer from the others.
    """

    def __init__(self, keys: Tensor, place: str = "") -> None:
        self.keys, self.place, self._asked = keys, place, 0

    @property
    def count(self) -> int:
        """Samples in the batch."""
        return self.keys.shape[0]

    def at(self, place: str) -> Draws:
        """The draws of a place inside this one."""
        return Draws(self.keys, f"{self.place}/{place}")

    def shared(self) -> Draws:
        """Draws that are the same for every sample of the batch; they follow from its first sample."""
        return Draws(broadcast_to(self.keys[:1], (self.count,)), f"{self.place}/shared")

    def bits(self, *shape: int) -> Tensor:
        """32 random bits an element, uint32 (N, *shape)."""
        self._asked += 1
        digest = hashlib.blake2b(f"{self.place}#{self._asked}".encode(), digest_size=8).digest()
        region = (int.from_bytes(digest, "little") >> (_REGION + 1)) << _REGION  # below 2^63
        whole = (self.count, *shape)
        counter, stride = asarray(region, dtype="uint64"), 1
        for axis in reversed(range(1, len(whole))):
            counter = counter + of_node(OPS["iota"](shape=whole, axis=axis, dtype=dt.uint64)) * stride
            stride *= whole[axis]
        keys = broadcast_to(reshape(self.keys, (self.count, *(1,) * len(shape))), whole)
        return of_node(OPS["random_bits"](keys.node, broadcast_to(counter, whole).node, width=32))

    def uniform(self, *shape: int, low: Any = 0.0, high: Any = 1.0) -> Tensor:
        """float32 (N, *shape), spread evenly over [low, high)."""
        drawn = (self.bits(*shape) >> (32 - _DIGITS)).astype("int32").astype("float32") * 2.0**-_DIGITS
        return drawn if (low, high) == (0.0, 1.0) else drawn * (high - low) + low

    def normal(self, *shape: int, std: Any = 1.0) -> Tensor:
        """float32 (N, *shape), normally distributed around 0."""
        centred = (self.uniform(*shape) * 2.0 - 1.0) + 2.0**-_DIGITS
        return erfinv(centred) * (math.sqrt(2) * std)

    def happens(self, chance: Any, *shape: int) -> Tensor:
        """bool (N, *shape), True with a probability."""
        return self.uniform(*shape) < chance

    def whole(self, *shape: int, high: Any) -> Tensor:
        """int32 (N, *shape), 0 <= n < high; high is a whole number below 2^24, or such numbers, int32 (N, ...)."""
        drawn = (self.uniform(*shape) * high).astype("int32")
        return minimum(drawn, high - 1)  # a product near the end may round up
