"""Convolution of images, sequences and volumes, channels last, and its two adjoints.

The three are one trilinear form T(x, w, g) = sum of x * w * g, seen as a function of two of its operands; so the gradient of each
is made of the other two, to any order.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product
from typing import Any

from saltus.base.errors import ShapeError
from saltus.ir.node import Node
from saltus.ir.spec import Kind, Op, Sample, Shape, define
from saltus.ops._elementwise import same_dtype
from saltus.ops._namespace import companion, is_numpy
from saltus.ops.movement import slice_

Pair = tuple[Shape, Shape]


def reach(kernel: Sequence[int], dilation: Sequence[int]) -> Shape:
    """Elements from the first to the last that a kernel touches, on each axis."""
    return tuple((k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True))


def out_size(size: Shape, kernel: Shape, stride: Shape, dilation: Shape, low: Shape, high: Shape) -> Shape:
    """How many places a kernel has on each axis."""
    spans = zip(size, reach(kernel, dilation), stride, low, high, strict=True)
    return tuple(max(0, (n + i + j - r) // s + 1) for n, r, s, i, j in spans)


def conv_padding(padding: Any, size: Shape, kernel: Shape, stride: Shape, dilation: Shape) -> Pair:
    """Zeros before and after each spatial axis.

    Args:
        padding: "valid" (none), "same" (the result has ceil(size / stride) elements; an odd zero goes to the end, as in TensorFlow),
            "causal" (one axis: all before), a number, or a number or pair an axis.

    Raises:
        ShapeError: anything else.
    """
    rank = len(size)
    spans = reach(kernel, dilation)
    if padding == "valid":
        return (0,) * rank, (0,) * rank
    if padding == "same":
        total = [max((-(-n // s) - 1) * s + r - n, 0) for n, r, s in zip(size, spans, stride, strict=True)]
        return tuple(t // 2 for t in total), tuple(t - t // 2 for t in total)
    if padding == "causal":
        if rank != 1:
            raise ShapeError(f'padding "causal" is for one axis (time), not for {rank}; use "same", "valid" or pairs of numbers')
        return (spans[0] - 1,), (0,)
    pairs = [padding] * rank if isinstance(padding, int) else padding
    if isinstance(pairs, str) or len(pairs) != rank:
        raise ShapeError(f'padding must be "valid", "same", "causal", a number, or {rank} numbers or pairs, got {padding!r}')
    found = [(p, p) if isinstance(p, int) else tuple(p) for p in pairs]
    if any(len(p) != 2 or min(p) < 0 for p in found):
        raise ShapeError(f"padding must be numbers of zeros before and after each axis, got {padding!r}")
    return tuple(int(p[0]) for p in found), tuple(int(p[1]) for p in found)


# --- shapes -----------------------------------------------------------------------------------------------------
def _conv_shape(x: Shape, w: Shape, stride: Shape, dilation: Shape, low: Shape, high: Shape, groups: int) -> Shape:
    rank = len(stride)
    if len(x) != rank + 2 or len(w) != rank + 2:
        raise ShapeError(f"conv over {rank} axes needs (N, {rank} axes, channels) and a kernel ({rank} axes, channels, filters), got {x} and {w}")
    if x[-1] != w[-2] * groups or w[-1] % groups:
        raise ShapeError(
            f"conv: {x[-1]} channels in {groups} groups need a kernel of {x[-1] / groups:g} channels and filters divisible by {groups}, got {w}"
        )
    out = out_size(x[1:-1], w[:-2], stride, dilation, low, high)
    if 0 in out and 0 not in x:
        spans = reach(w[:-2], dilation)
        raise ShapeError(f"conv: a kernel that spans {spans} does not fit into {x[1:-1]} with {low} zeros before and {high} after")
    return (x[0], *out, w[-1])


def _input_shape(
    g: Shape, w: Shape, size: Shape, stride: Shape, dilation: Shape, low: Shape, high: Shape, groups: int
) -> Shape:
    made = (g[0], *size, w[-2] * groups)
    expected = _conv_shape(made, w, stride, dilation, low, high, groups)
    if g != expected:
        raise ShapeError(f"conv_input: a convolution of {made} with {w} gives {expected}, not {g}")
    return made


def _weight_shape(
    x: Shape, g: Shape, kernel: Shape, stride: Shape, dilation: Shape, low: Shape, high: Shape, groups: int
) -> Shape:
    made = (*kernel, x[-1] // groups, g[-1])
    expected = _conv_shape(x, made, stride, dilation, low, high, groups)
    if g != expected:
        raise ShapeError(f"conv_weight: a convolution of {x} with {made} gives {expected}, not {g}")
    return made


# --- meaning: one matrix product an element of the kernel ------------------------------------------------------------
def _boxes(kernel: Shape, out: Shape, stride: Shape, dilation: Shape) -> Any:
    """For each element of the kernel: its index, and the elements of the padded input it meets."""
    for k in product(*map(range, kernel)):
        box = tuple(slice(i * d, i * d + (o - 1) * s + 1 if o else i * d, s) for i, d, o, s in zip(k, dilation, out, stride, strict=True))
        yield k, (slice(None), *box)


def _padded(xp: Any, x: Any, low: Shape, high: Shape) -> Any:
    return xp.pad(x, [(0, 0), *zip(low, high, strict=True), (0, 0)])


def _grouped(a: Any, groups: int) -> Any:
    """Last axis cut in groups."""
    return a.reshape(*a.shape[:-1], groups, a.shape[-1] // groups)


def _conv_eval(xp: Any, x: Any, w: Any, stride: Shape, dilation: Shape, low: Shape, high: Shape, groups: int) -> Any:
    if not is_numpy(xp):
        lax = companion(xp, "lax")
        numbers = _numbers(len(stride))
        return lax.conv_general_dilated(
            x, w, stride, list(zip(low, high, strict=True)), rhs_dilation=dilation, feature_group_count=groups, dimension_numbers=numbers
        )
    shape = _conv_shape(x.shape, w.shape, stride, dilation, low, high, groups)
    padded, weights = _grouped(_padded(xp, x, low, high), groups), _grouped(w, groups)
    made = xp.zeros((*shape[:-1], groups, shape[-1] // groups), x.dtype)
    for k, box in _boxes(w.shape[:-2], shape[1:-1], stride, dilation):
        made += xp.einsum("...gc,cgf->...gf", padded[box], weights[k], optimize=True)
    return made.reshape(shape)


def _input_eval(
    xp: Any, g: Any, w: Any, size: Shape, stride: Shape, dilation: Shape, low: Shape, high: Shape, groups: int
) -> Any:
    kernel, rank = w.shape[:-2], len(stride)
    spans = reach(kernel, dilation)
    if not is_numpy(xp):
        lax = companion(xp, "lax")
        turned = xp.flip(_grouped(w, groups), tuple(range(rank)))  # (*K, C/groups, groups, F/groups)
        turned = xp.moveaxis(turned, -1, -3).swapaxes(-1, -2)  # (*K, F/groups, groups, C/groups)
        turned = turned.reshape(*kernel, w.shape[-1] // groups, groups * w.shape[-2])
        edges = [
            (r - 1 - i, n + i - ((o - 1) * s + 1)) for r, i, n, o, s in zip(spans, low, size, g.shape[1:-1], stride, strict=True)
        ]
        return lax.conv_general_dilated(
            g, turned, (1,) * rank, edges, lhs_dilation=stride, rhs_dilation=dilation, feature_group_count=groups,
            dimension_numbers=_numbers(rank),
        )  # fmt: skip
    whole = tuple(n + i + j for n, i, j in zip(size, low, high, strict=True))
    made = xp.zeros((g.shape[0], *whole, groups, w.shape[-2]), g.dtype)
    weights, parts = _grouped(w, groups), _grouped(g, groups)
    for k, box in _boxes(kernel, g.shape[1:-1], stride, dilation):
        made[box] += xp.einsum("...gf,cgf->...gc", parts, weights[k], optimize=True)
    inside = tuple(slice(i, i + n) for i, n in zip(low, size, strict=True))
    return xp.ascontiguousarray(made[(slice(None), *inside)]).reshape(g.shape[0], *size, groups * w.shape[-2])


def _weight_eval(
    xp: Any, x: Any, g: Any, kernel: Shape, stride: Shape, dilation: Shape, low: Shape, high: Shape, groups: int
) -> Any:
    rank = len(stride)
    out = g.shape[1:-1]
    if not is_numpy(xp):
        lax = companion(xp, "lax")
        reached = [(r - 1) + (o - 1) * s + 1 for r, o, s in zip(reach(kernel, dilation), out, stride, strict=True)]
        edges = [(i, n - i - m) for i, n, m in zip(low, reached, x.shape[1:-1], strict=True)]
        middle = "DHW"[-rank:]
        return lax.conv_general_dilated(
            x, g, dilation, edges, rhs_dilation=stride, batch_group_count=groups,
            dimension_numbers=(f"C{middle}N", f"I{middle}O", f"{middle}NC"),
        )  # fmt: skip
    padded, parts = _grouped(_padded(xp, x, low, high), groups), _grouped(g, groups)
    made = xp.zeros((*kernel, x.shape[-1] // groups, groups, g.shape[-1] // groups), x.dtype)
    for k, box in _boxes(kernel, out, stride, dilation):
        made[k] = xp.einsum("pgc,pgf->cgf", padded[box].reshape(-1, *padded.shape[-2:]), parts.reshape(-1, *parts.shape[-2:]), optimize=True)
    return made.reshape(*kernel, x.shape[-1] // groups, g.shape[-1])


def _numbers(rank: int) -> tuple[str, str, str]:
    middle = "DHW"[-rank:]
    return f"N{middle}C", f"{middle}IO", f"N{middle}C"


# --- gradients: the other two of the three ----------------------------------------------------------------------------
def _conv_vjp(g: Node, o: Node, x: Node, w: Node, **attrs: Any) -> tuple[Node, Node]:
    return conv_input(g, w, size=x.shape[1:-1], **attrs), conv_weight(x, g, kernel=w.shape[:-2], **attrs)


def _input_vjp(x: Node, o: Node, g: Node, w: Node, size: Shape, **attrs: Any) -> tuple[Node, Node]:
    return conv(x, w, **attrs), conv_weight(x, g, kernel=w.shape[:-2], **attrs)


def _weight_vjp(w: Node, o: Node, x: Node, g: Node, kernel: Shape, **attrs: Any) -> tuple[Node, Node]:
    return conv_input(g, w, size=x.shape[1:-1], **attrs), conv(x, w, **attrs)


def _cases() -> list[tuple[Shape, Shape, dict[str, Any]]]:
    """Inputs, kernels and attributes that together meet every branch."""

    def case(size: Shape, channels: int, kernel: Shape, filters: int, stride: Shape, dilation: Shape, low: Shape, high: Shape,
             groups: int) -> tuple[Shape, Shape, dict[str, Any]]:  # fmt: skip
        attrs = {"stride": stride, "dilation": dilation, "low": low, "high": high, "groups": groups}
        return (2, *size, channels), (*kernel, channels // groups, filters), attrs

    return [
        case((6, 7), 3, (3, 3), 5, (1, 1), (1, 1), (0, 0), (0, 0), 1),
        case((8, 7), 4, (3, 2), 6, (2, 3), (1, 2), (1, 0), (1, 2), 2),
        case((9, 5), 16, (3, 3), 24, (1, 1), (1, 1), (1, 1), (1, 1), 1),
        case((7, 6), 5, (3, 3), 10, (2, 1), (1, 1), (1, 1), (1, 1), 5),
        case((11,), 4, (4,), 3, (2,), (1,), (3,), (0,), 1),
        case((4, 5, 4), 2, (2, 2, 3), 3, (1, 2, 1), (1, 1, 1), (0, 1, 1), (1, 0, 1), 1),
    ]


def _samples(which: str) -> tuple[Sample, ...]:
    found = []
    for x, w, attrs in _cases():
        out = _conv_shape(x, w, **attrs)
        shapes = {"conv": (x, w), "conv_input": (out, w), "conv_weight": (x, out)}[which]
        extra = {"conv": {}, "conv_input": {"size": x[1:-1]}, "conv_weight": {"kernel": w[:-2]}}[which]
        depth = {"conv": math.prod(w[:-1]), "conv_input": math.prod(w[:-2]) * w[-1], "conv_weight": math.prod(out[:-1])}[which]
        found.append(Sample(shapes, {**extra, **attrs}, tolerance=16.0 + 4 * depth))
    return tuple(found)


conv: Op = define(
    Op(
        "conv",
        Kind.CONTRACT,
        "out[n, o, f] = sum over k, c of x[n, o * stride + k * dilation - low, c] * w[k, c, f], zeros outside",
        _conv_eval,
        _conv_shape,
        same_dtype,
        _conv_vjp,
        samples=_samples("conv"),
        kinds="f",
        flops=2,
    )
)
conv_input: Op = define(
    Op(
        "conv_input",
        Kind.CONTRACT,
        "the adjoint of conv in x: out[n, o * stride + k * dilation - low, c] = sum over k, f of g[n, o, f] * w[k, c, f]",
        _input_eval,
        _input_shape,
        same_dtype,
        _input_vjp,
        samples=_samples("conv_input"),
        kinds="f",
        flops=2,
    )
)
conv_weight: Op = define(
    Op(
        "conv_weight",
        Kind.CONTRACT,
        "the adjoint of conv in w: out[k, c, f] = sum over n, o of x[n, o * stride + k * dilation - low, c] * g[n, o, f]",
        _weight_eval,
        _weight_shape,
        same_dtype,
        _weight_vjp,
        samples=_samples("conv_weight"),
        kinds="f",
        flops=2,
    )
)


# --- the pieces of a strided input gradient -----------------------------------------------------------------------------
def _starts(shape: Shape, step: Shape) -> Any:
    """Where each part of an interleaving begins."""
    return product(*map(range, step))


def _interleave_shape(*parts: Shape, shape: Shape, step: Shape) -> Shape:
    for begin, part in zip(_starts(shape, step), parts, strict=True):
        if part != tuple(len(range(i, n, s)) for i, n, s in zip(begin, shape, step, strict=True)):
            raise ShapeError(f"interleave: the part from {begin} on in steps of {step} of {shape} cannot have the shape {part}")
    return shape


def _interleave_eval(xp: Any, *parts: Any, shape: Shape, step: Shape) -> Any:
    made = xp.zeros(shape, parts[0].dtype)
    for begin, part in zip(_starts(shape, step), parts, strict=True):
        box = tuple(slice(i, None, s) for i, s in zip(begin, step, strict=True))
        if is_numpy(xp):
            made[box] = part
        else:
            made = made.at[box].set(part)
    return made


def _interleave_vjp(g: Node, o: Node, *parts: Node, shape: Shape, step: Shape) -> list[Node]:
    return [slice_(g, begin, shape, step) for begin in _starts(shape, step)]


interleave: Op = define(
    Op(
        "interleave",
        Kind.MOVE,
        "out[begin + i * step] = the part of that beginning at i; parts in row-major order of their beginnings",
        _interleave_eval,
        _interleave_shape,
        same_dtype,
        _interleave_vjp,
        samples=(
            Sample(((3, 2), (3, 2)), {"shape": (3, 4), "step": (1, 2)}),
            Sample(((2, 2), (2, 1), (1, 2), (1, 1)), {"shape": (3, 3), "step": (2, 2)}),
        ),
        kinds="biufc",
    )
)
