"""A fixed matrix along one axis of an array: how images are resized and uneven bins averaged."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from saltus.base import dtypes as dt
from saltus.ops.gather import take
from saltus.tensor.creation import asarray
from saltus.tensor.manipulation import reshape
from saltus.tensor.products import matmul
from saltus.tensor.rules import custom_vjp
from saltus.tensor.tensor import Tensor, of_node

MOST_TAPS = 16  # numbers other than 0 in a row of a matrix up to which they are picked one by one...
SHARE = 1 / 4  # ...if they are no larger a share of the row: a product does several operations while one number is picked
SHORT = 16  # elements beside each other up to which single ones are picked, rather than runs


@dataclass(frozen=True)
class Taps:
    """A matrix by what is not 0 in its rows: out[i] = sum_t weights[t, i] * x[places[t, i]].

    Attributes:
        places, weights: shape (taps, rows); rows with fewer numbers have weights of 0.
    """

    places: np.ndarray
    weights: np.ndarray

    @staticmethod
    def of(matrix: np.ndarray) -> Taps | None:
        """The taps of a matrix, or None where a row has too many."""
        filled = matrix != 0
        count = int(filled.sum(1).max(initial=0))
        if not 0 < count <= min(MOST_TAPS, matrix.shape[1] * SHARE):
            return None
        order = np.argsort(~filled, axis=1, kind="stable")[:, :count]
        return Taps(np.ascontiguousarray(order.T), np.ascontiguousarray(np.take_along_axis(matrix, order, 1).T))

    def __call__(self, x: Tensor) -> Tensor:
        """x (before, length, beside) with another length."""
        before, length, beside = x.shape
        places, weights = self.places, self.weights.astype(x.dtype.numpy)
        if beside <= SHORT:  # the elements of a run get places of their own
            places = (places[..., None] * beside + np.arange(beside)).reshape(len(places), -1)
            weights = np.repeat(weights, beside, axis=1)
            x = reshape(x, (before, length * beside, 1))
        made = None
        for place, weight in zip(places.astype(np.int32), weights, strict=True):
            part = of_node(take(x.node, asarray(place).node, axis=1)) * asarray(weight)[:, None]
            made = part if made is None else made + part
        assert made is not None
        return reshape(made, (before, self.places.shape[1], beside))


def _picked(matrix: np.ndarray, x: Tensor) -> Tensor | None:
    """The matrix along the middle axis by its taps; its gradient picks, too, by those of the transposed matrix."""
    there, back = Taps.of(matrix), Taps.of(matrix.T)
    if there is None or back is None:
        return None

    def rule(forward: Taps, backward: Taps, value: Tensor) -> Tensor:
        def gradient(g: Tensor, out: Tensor, given: Tensor) -> tuple[Tensor]:
            return (rule(backward, forward, g),)

        return custom_vjp(forward, gradient)(value)  # type: ignore[no-any-return]

    return rule(there, back, x)


def apply_along(x: Tensor, matrix: np.ndarray, axis: int) -> Tensor:
    """out[.., i, ..] = sum_j matrix[i, j] * x[.., j, ..] along an axis.

    Args:
        x: real floats; half types are computed in float32.
        matrix: shape (new length, length).
        axis: not the last one of x.

    Returns:
        x with another length along the axis. The gradient is the transposed matrix, never a scatter; a matrix with few numbers other
        than 0 in its rows and columns is applied by these, others by a product.
    """
    half = x.dtype in (dt.float16, dt.bfloat16)
    wide = x.astype(dt.float32) if half else x
    lead, rest = x.shape[:axis], x.shape[axis + 1 :]
    flat = reshape(wide, (math.prod(lead), x.shape[axis], math.prod(rest)))
    made = _picked(matrix, flat)
    if made is None:
        made = matmul(asarray(matrix.astype(wide.dtype.numpy)), flat)
    made = reshape(made, (*lead, matrix.shape[0], *rest))
    return made.astype(x.dtype) if half else made
