"""Small pictures inside a page: pixels to PNG, to an address that holds the picture itself."""

from __future__ import annotations

import base64
import struct
import zlib
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def png(pixels: Array) -> bytes:
    """A PNG file.

    Args:
        pixels: uint8 (H, W), (H, W, 1) or (H, W, 3).

    Source: Portable Network Graphics specification, third edition: 8 bits, colour types 0 and 2, filter 0.

    Example:
        >>> png(np.zeros((2, 3), "uint8"))[:4]
        b'\\x89PNG'
    """
    image = pixels[..., None] if pixels.ndim == 2 else pixels
    height, width, channels = image.shape
    lines = np.zeros((height, 1 + width * channels), np.uint8)  # each line begins with its filter, 0
    lines[:, 1:] = image.reshape(height, -1)
    head = struct.pack(">IIBBBBB", width, height, 8, 0 if channels == 1 else 2, 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(lines.tobytes(), 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content)) for name, content in parts
    )


def thumbnail(pixels: Array, most: int = 56) -> str:
    """A small copy of an image as a data address for `<img src>`.

    Args:
        pixels: uint8 (H, W, C) with one or three channels.
        most: pixels of its longer side; larger images are averaged down by a whole number.

    Example:
        >>> thumbnail(np.zeros((2, 3, 1), "uint8"))[:22]
        'data:image/png;base64,'
    """
    step = -(-max(pixels.shape[:2]) // most)
    if step > 1:
        height, width = (n // step * step for n in pixels.shape[:2])
        if height and width:
            blocks = pixels[:height, :width].reshape(height // step, step, width // step, step, -1)
            pixels = blocks.mean(axis=(1, 3)).round().astype(np.uint8)
    return address(png(pixels), "image/png")


def address(content: bytes, kind: str) -> str:
    """Content as an address that holds it."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
