"""The left operand of a convolution as a matrix that is never made: its rows are the patches of an array."""

from __future__ import annotations

import math
from dataclasses import dataclass

from saltus.ir.node import Node
from saltus.ir.spec import Shape
from saltus.schedule.view import View
from saltus.transform.tiles import LEAST_GAIN, gain, tile_side


@dataclass(frozen=True, slots=True)
class PatchAxis:
    """One spatial axis.

    Attributes:
        size: elements of the array.
        out: places of the kernel.
        kernel: elements of the kernel.
        stride, dilation, low: of the convolution; low may lie before the array.
        step: distance of neighbours in memory, in elements.
    """

    size: int
    out: int
    kernel: int
    stride: int
    dilation: int
    low: int
    step: int


@dataclass(frozen=True, slots=True)
class Patches:
    """A matrix with a row for every place of the kernel (n, *out) and a column for every element of a patch (*kernel, channel).

    Outside the array elements are 0.

    Attributes:
        batch: arrays.
        batch_stride: their distance in memory, in elements.
        axes: one to three spatial axes.
        channels: contiguous in memory.
    """

    batch: int
    batch_stride: int
    axes: tuple[PatchAxis, ...]
    channels: int

    @property
    def merged(self) -> bool:
        """Whether the patch's elements along the last axis lie next to each other."""
        return self.axes[-1].dilation == 1 and self.axes[-1].step == self.channels

    @property
    def run(self) -> int:
        """Elements of a patch that lie next to each other."""
        return self.channels * (self.axes[-1].kernel if self.merged else 1)

    @property
    def by_columns(self) -> bool:
        """Whether the matrix lies in memory column by column: with one channel, neighbouring places read neighbouring elements."""
        return self.channels == 1 and self.axes[-1].stride == 1 and self.axes[-1].step == 1

    @property
    def rows(self) -> int:
        return self.batch * math.prod(a.out for a in self.axes)

    @property
    def columns(self) -> int:
        return self.channels * math.prod(a.kernel for a in self.axes)

    @property
    def side(self) -> int:
        """Side of a tile, where it is computed by tiles."""
        return tile_side(self.axes[0].kernel, tuple(a.out for a in self.axes))

    @staticmethod
    def tiled(node: Node) -> bool:
        """Whether a convolution (or the gradient of its kernel) is computed by tiles with fewer multiplications: backend/cpu/winograd.py.

        That takes kernels of 3 x 3 or 2 x 2 at every place, and enough of channels, filters and tiles to pay for the transforms.
        """
        weight = node.op.name == "conv_weight"
        kernel: Shape = node.attr("kernel") if weight else node.src[1].shape[:-2]
        if kernel not in ((3, 3), (2, 2)) or node.attr("stride") != (1, 1) or node.attr("dilation") != (1, 1):
            return False
        channels, filters = node.src[0].shape[-1], node.shape[-1]
        out = (node.src[1] if weight else node).shape[:-1]
        side = tile_side(kernel[0], out[1:])
        tiles = out[0] * -(-out[1] // side) * -(-out[2] // side)
        suits = channels % 16 == 0 and filters % 16 == 0 and gain(kernel[0], out[1:]) >= LEAST_GAIN
        most = 512 * 256 if weight else 512 * 512  # beyond, partial sums or the transformed kernel pass through memory too often
        return suits and channels * filters <= most and tiles >= 48 and tiles * (512 if weight else 2048) >= channels * filters

    @staticmethod
    def apart(node: Node) -> bool:
        """Whether it is the gradient of a kernel that sees one channel at a time, of an array that has its padding."""
        groups = node.attr("groups")
        padded = any((*node.attr("low"), *node.attr("high")))
        return node.op.name == "conv_weight" and 1 < groups == node.src[0].shape[-1] == node.src[1].shape[-1] and not padded

    @staticmethod
    def suits(view: View) -> bool:
        """Whether patches can be copied from a view: channels next to each other."""
        return view.shape[-1] == 1 or view.strides[-1] == 1

    @staticmethod
    def of(node: Node, view: View) -> Patches:
        """The patches of `conv(x, w)` or `conv_weight(x, g)` from the view of x."""
        weight = node.op.name == "conv_weight"
        kernel: Shape = node.attr("kernel") if weight else node.src[1].shape[:-2]
        out = (node.src[1] if weight else node).shape[1:-1]
        given = (view.shape[1:-1], out, kernel, node.attr("stride"), node.attr("dilation"), node.attr("low"), view.strides[1:-1])
        axes = tuple(PatchAxis(*values) for values in zip(*given, strict=True))
        return Patches(view.shape[0], view.strides[0], axes, view.shape[-1])
