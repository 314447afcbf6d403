"""A fixed matrix along one axis of an array: how images are resized and uneven bins averaged."""

from __future__ import annotations

import math

import numpy as np

from saltus.base import dtypes as dt
from saltus.tensor.creation import asarray
from saltus.tensor.manipulation import reshape
from saltus.tensor.products import matmul
from saltus.tensor.tensor import Tensor


def apply_along(x: Tensor, matrix: np.ndarray, axis: int) -> Tensor:
    """out[.., i, ..] = sum_j matrix[i, j] * x[.., j, ..] along an axis.

    Args:
        x: real floats; half types are computed in float32.
        matrix: shape (new length, length).
        axis: not the last one of x.

    Returns:
        x with another length along the axis. The gradient is the transposed matrix: a product, not a scatter.
    """
    half = x.dtype in (dt.float16, dt.bfloat16)
    wide = x.astype(dt.float32) if half else x
    lead, rest = x.shape[:axis], x.shape[axis + 1 :]
    flat = reshape(wide, (math.prod(lead), x.shape[axis], math.prod(rest)))
    made = matmul(asarray(matrix.astype(wide.dtype.numpy)), flat)
    made = reshape(made, (*lead, matrix.shape[0], *rest))
    return made.astype(x.dtype) if half else made
