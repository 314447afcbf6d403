"""Convolution over one, two or three axes, and its transpose; channels last."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from saltus.base.errors import ArgumentError, DTypeError, ShapeError
from saltus.ir.node import Node
from saltus.ops import convolution as ops
from saltus.tensor.manipulation import same_type
from saltus.tensor.tensor import Tensor, of_node
from saltus.tensor.tracing import here

Shape = tuple[int, ...]


def _each(name: str, value: int | Sequence[int], rank: int, least: int = 1) -> Shape:
    """One number an axis."""
    found = (value,) * rank if isinstance(value, int) else tuple(value)
    if len(found) != rank or any(not isinstance(v, int) or v < least for v in found):
        raise ArgumentError(f"{name} must be a whole number from {least} on, or {rank} of them, got {value!r}", site=here())
    return found


def _operands(name: str, x: Any, w: Any) -> tuple[Node, Node, int]:
    a, b = same_type((x, w))
    if not a.dtype.is_float:
        raise DTypeError(f"{name} takes real floats, got {a.dtype.name}", site=here(), fix="convert: x.astype('float32')")
    rank = len(a.shape) - 2
    if rank not in (1, 2, 3):
        raise ShapeError(
            f"{name} takes (N, axes, channels) with one to three axes, got {a.shape}", site=here(),
            fix="images are (N, height, width, channels), also one image and grey ones: x[None, ..., None]",
        )  # fmt: skip
    if len(b.shape) != rank + 2:
        raise ShapeError(
            f"{name}: over {rank} axes the kernel has {rank + 2}, got {b.shape}", site=here(),
            fix="kernel axes first, then channels and filters",
        )  # fmt: skip
    return a, b, rank


def conv(
    x: Any,
    w: Any,
    /,
    *,
    stride: int | Sequence[int] = 1,
    dilation: int | Sequence[int] = 1,
    padding: Any = "valid",
    groups: int = 1,
) -> Tensor:
    """Convolution (without turning the kernel) over the axes between the first and the last.

    Args:
        x: shape (N, *size, channels), one to three axes of size.
        w: shape (*kernel, channels // groups, filters).
        stride: steps of the kernel on each axis.
        dilation: distance of the kernel's elements on each axis.
        padding: "valid"; "same", where the result has ceil(size / stride) elements and an odd zero goes to the end; "causal" (one
            axis); a number of zeros, or a number or a pair (before, after) an axis.
        groups: channels and filters are cut in so many parts that do not see each other.

    Returns:
        Shape (N, *out, filters).

    Raises:
        ShapeError: shapes that do not go together, or a kernel that does not fit.

    Example:
        >>> import saltus as sl
        >>> edges = sl.conv(sl.asarray([[[1.0], [1.0], [5.0], [5.0]]]), sl.asarray([[[-1.0]], [[1.0]]]))
        >>> edges[0, :, 0].tolist()
        [0.0, 4.0, 0.0]
    """
    a, b, rank = _operands("conv", x, w)
    steps, gaps = _each("stride", stride, rank), _each("dilation", dilation, rank)
    low, high = ops.conv_padding(padding, a.shape[1:-1], b.shape[:-2], steps, gaps)
    return of_node(ops.conv(a, b, stride=steps, dilation=gaps, low=low, high=high, groups=groups))


def conv_transpose(
    x: Any,
    w: Any,
    /,
    *,
    stride: int | Sequence[int] = 1,
    dilation: int | Sequence[int] = 1,
    padding: Any = "valid",
    output_padding: int | Sequence[int] | None = None,
    groups: int = 1,
) -> Tensor:
    """Transpose of a convolution: every element of x spreads the kernel, `stride` apart (the gradient of `conv` in its input).

    Args:
        x: shape (N, *size, channels), one to three axes of size.
        w: shape (*kernel, filters // groups, channels).
        stride, dilation, groups: of the convolution it transposes.
        padding: of that convolution. "valid": all that the kernel reaches, (size - 1) * stride + span elements, at least size *
            stride; "same": size * stride elements; numbers or pairs: so many elements are cut off at the ends.
        output_padding: fixes the size, one number an axis, below the stride: (size - 1) * stride + span + output_padding elements
            less what is cut off; with "same" (size - 1) * stride + span % 2 + output_padding, as in Keras.

    Returns:
        Shape (N, *out, filters).

    Raises:
        ShapeError: shapes that do not go together.

    Example:
        >>> import saltus as sl
        >>> spread = sl.conv_transpose(sl.asarray([[[1.0], [2.0]]]), sl.ones((2, 1, 1)), stride=2)
        >>> spread[0, :, 0].tolist()
        [1.0, 1.0, 2.0, 2.0]
    """
    a, b, rank = _operands("conv_transpose", x, w)
    steps, gaps = _each("stride", stride, rank), _each("dilation", dilation, rank)
    extra = None if output_padding is None else _each("output_padding", output_padding, rank, 0)
    if extra is not None and any(e >= s for e, s in zip(extra, steps, strict=True)):
        raise ArgumentError(f"output_padding {output_padding!r} must be below the stride {steps}", site=here())
    spans = ops.reach(b.shape[:-2], gaps)
    size, kernel = a.shape[1:-1], b.shape[:-2]
    if padding in ("valid", "same") and extra is None:
        whole = [n * s + (max(r - s, 0) if padding == "valid" else 0) for n, s, r in zip(size, steps, spans, strict=True)]
        low, high = ops.conv_padding(padding, tuple(whole), kernel, steps, gaps)
    else:
        extra = extra or (0,) * rank
        if padding == "same":  # (n - 1) * stride + span % 2 + extra elements remain, where that is less than all there are
            cut = [max(r - r % 2 - e, 0) for r, e in zip(spans, extra, strict=True)]
            low, high = tuple(c // 2 for c in cut), tuple(c - c // 2 for c in cut)
            extra = tuple(max(e - r + r % 2, 0) for r, e in zip(spans, extra, strict=True))
        else:
            low, high = ops.conv_padding(padding, size, kernel, steps, gaps)
        least = [(n - 1) * s + r - i - j for n, s, r, i, j in zip(size, steps, spans, low, high, strict=True)]
        whole = [n + e for n, e in zip(least, extra, strict=True)]
    if min(whole) < 1:
        raise ShapeError(f"conv_transpose: padding {padding!r} cuts off all that {size} elements with stride {steps} give", site=here())
    return of_node(ops.conv_input(a, b, size=tuple(whole), stride=steps, dilation=gaps, low=low, high=high, groups=groups))
