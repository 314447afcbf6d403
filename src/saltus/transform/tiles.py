"""How a convolution is cut into tiles whose outputs need fewer products (Winograd's minimal filtering): counts for whoever plans it.

`convolution.py` brings convolutions into a form that has tiles where that pays, `schedule/patches.py` decides, `backend/cpu/winograd.py`
computes them.
"""

from __future__ import annotations

import math

from saltus.ir.spec import Shape

LEAST_GAIN = 1.5  # of products: below, the transforms take it back


def tile_side(kernel: int, out: Shape) -> int:
    """Side of the tiles of outputs that need the fewest products.

    Tiles whose patches are larger than four elements a side would need transforms with larger errors.
    """
    sides = (2,) if kernel == 3 else (3, 2)
    return min(sides, key=lambda side: _products(kernel, out, side))


def tile_products(kernel: int, out: Shape) -> int:
    """Products a channel and filter for one array by tiles: a tile takes one for every element of its patch."""
    return _products(kernel, out, tile_side(kernel, out))


def gain(kernel: int, out: Shape) -> float:
    """How many times fewer products tiles take; those that hang over the edge compute what nobody needs."""
    return kernel * kernel * math.prod(out) / max(1, tile_products(kernel, out))


def _products(kernel: int, out: Shape, side: int) -> int:
    return (side + kernel - 1) ** 2 * math.prod(-(-n // side) for n in out)


__all__ = ["LEAST_GAIN", "gain", "tile_products", "tile_side"]
