"""Weights that are given rather than drawn: found by their paths, checked against what a network has. Below `model`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from saltus import nn
from saltus.base import tree
from saltus.base.dtypes import DType
from saltus.base.errors import ShapeError
from saltus.tensor.tensor import Tensor, of_array
from saltus.train.step import joined

Array = np.ndarray[Any, Any]
PARTS = ("params", "frozen", "state")
_FIX = "use weights of the same network"


class Given:
    """Arrays by path, taken one after another.

    Args:
        weights: trees of arrays or Tensors by the names in PARTS.
        parted: whether frozen parameters stand apart from the others.
    """

    def __init__(self, weights: Mapping[str, Any], *, parted: bool) -> None:
        parts = {name: weights[name] for name in PARTS if name in weights}
        if not parted and "frozen" in parts:
            parts["params"] = joined(parts.get("params", {}), parts.pop("frozen"))
        self._parts = frozenset(parts)
        self._left = {tree.format_path(path): value for path, value in tree.paths(parts)}

    def take(self, path: tree.Path, shape: tuple[int, ...], dtype: DType) -> Array | None:
        """The values for a path, None where they belong to a part that was left out.

        Raises:
            ShapeError: they have another shape, or are missing in a part that is there.
        """
        if path[0] not in self._parts:
            return None
        name = tree.format_path(path)
        value = self._left.pop(name, None)
        array = None if value is None else value._values() if isinstance(value, Tensor) else np.asarray(value, dtype.numpy)
        if array is None or array.shape != shape:
            found = "is missing" if array is None else f"has the shape {array.shape}, expected {shape}"
            raise ShapeError(f"the weights {name} {found}", fix=_FIX)
        return array.astype(dtype.numpy, "C", copy=False)

    def finish(self) -> None:
        """Refuse what was not taken."""
        if self._left:
            raise ShapeError(f"the weights {', '.join(list(self._left)[:5])} do not belong to this network", fix=_FIX)


def with_given(variables: nn.Variables, weights: Mapping[str, Any]) -> nn.Variables:
    """Variables of a network, given values in the place of drawn ones.

    Args:
        variables: as they would be drawn; nothing need be computed yet.
        weights: see `Given`; a part that is left out stays.

    Raises:
        ShapeError: an array is missing, has another shape, or belongs to nothing in the network.
    """
    given, parts = Given(weights, parted=False), {"params": variables.params, "state": variables.state}
    values = []
    for path, drawn in tree.paths(parts):
        array = given.take(path, drawn.shape, drawn.dtype)
        values.append(drawn if array is None else of_array(array, drawn.dtype))
    given.finish()
    return nn.Variables(**tree.unflatten(parts, values))
