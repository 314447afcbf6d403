"""Discrete Fourier transforms (array API fft extension). The three records are host calls; each is the gradient of another.

    fft    complex -> complex, along any axes, either direction
    rfft   real -> the half of its spectrum that the other half mirrors, halved along the last of the axes
    irfft  that half -> real

Lengths other than the operand's are cut or padded with zeros before the transform, as a node of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from saltus.base import dtypes as dt
from saltus.base.dtypes import DType
from saltus.base.errors import ArgumentError, DTypeError, ShapeError, unknown_name
from saltus.ir.node import Node, broadcast, full
from saltus.ir.spec import OPS, Kind, Op, Sample, Shape, define, first_dtype
from saltus.ops._elementwise import complex_dtype, real_dtype
from saltus.ops.arithmetic import conj, convert, where
from saltus.ops.movement import pad, reshape, slice_

Axes = tuple[int, ...]

# A transform and its transpose share their scale, so the transpose, run the other way, names it by the other end.
OTHER_END = {"backward": "forward", "ortho": "ortho", "forward": "backward"}


def _check(s: Shape, axes: Axes) -> None:
    if not axes or any(not 0 <= a < len(s) for a in axes) or len(set(axes)) != len(axes):
        raise ShapeError(f"axes {axes} are not axes of shape {s}, each once")
    if any(s[a] == 0 for a in axes):
        raise ShapeError(f"a Fourier transform of no elements: axes {axes} of shape {s}")


def _fft_shape(s: Shape, axes: Axes, inverse: bool, norm: str) -> Shape:
    _check(s, axes)
    return s


def _rfft_shape(s: Shape, axes: Axes, norm: str) -> Shape:
    _check(s, axes)
    return tuple(d // 2 + 1 if k == axes[-1] else d for k, d in enumerate(s))


def _irfft_shape(s: Shape, axes: Axes, n: int, norm: str) -> Shape:
    _check(s, axes)
    if n < 1 or s[axes[-1]] != n // 2 + 1:
        raise ShapeError(
            f"irfft: {n} real numbers have {n // 2 + 1} frequencies, got {s[axes[-1]]} on axis {axes[-1]} of {s}"
        )
    return tuple(n if k == axes[-1] else d for k, d in enumerate(s))


def _wide(*dtypes: DType, **_: Any) -> DType:
    found = complex_dtype(*dtypes)
    if found.kind != "c":
        raise DTypeError(
            f"Fourier transforms take float32 or float64, got {found.name}", fix="x.astype('float32')"
        )
    return found


def _fft_eval(xp: Any, a: Any, axes: Axes, inverse: bool, norm: str) -> Any:
    function = xp.fft.ifft if inverse else xp.fft.fft
    for axis in reversed(axes):  # one by one: the n-dimensional calls differ between libraries
        a = function(a, axis=axis, norm=norm)
    return a


def _rfft_eval(xp: Any, a: Any, axes: Axes, norm: str) -> Any:
    return _fft_eval(xp, xp.fft.rfft(a, axis=axes[-1], norm=norm), axes[:-1], False, norm)


def _irfft_eval(xp: Any, a: Any, axes: Axes, n: int, norm: str) -> Any:
    return xp.fft.irfft(_fft_eval(xp, a, axes[:-1], True, norm), n=n, axis=axes[-1], norm=norm)


def _mirrored(a: Node, axis: int, n: int, factor: float) -> Node:
    """Multiplies the frequencies that stand for two, all but 0 and half the sampling rate."""
    count = a.shape[axis]
    index = OPS["iota"](shape=(count,), axis=0, dtype=dt.int64)
    ends = OPS["equal"](index, full((count,), 0, dt.int64))
    if n % 2 == 0:
        ends = OPS["logical_or"](ends, OPS["equal"](index, full((count,), count - 1, dt.int64)))
    weight = where(ends, full((count,), 1, a.dtype), full((count,), factor, a.dtype))
    return a * broadcast(
        reshape(weight, tuple(count if k == axis else 1 for k in range(len(a.shape)))), a.shape
    )


def _rfft_vjp(g: Node, o: Node, a: Node, axes: Axes, norm: str) -> tuple[Node]:
    """The transpose of a sum over half the frequencies: irfft, which counts the mirrored ones twice, of halved ones."""
    n = a.shape[axes[-1]]
    return (_irfft(_mirrored(g, axes[-1], n, 0.5), axes=axes, n=n, norm=OTHER_END[norm]),)


def _irfft_vjp(g: Node, o: Node, a: Node, axes: Axes, n: int, norm: str) -> tuple[Node]:
    return (_mirrored(_rfft(g, axes=axes, norm=OTHER_END[norm]), axes[-1], n, 2.0),)


def _inverts(o: Node, a: Node, axes: Axes, inverse: bool, norm: str) -> tuple[Node, Node]:
    return _fft(o, axes=axes, inverse=not inverse, norm=norm), a


_fft: Op = define(
    Op(
        "fft",
        Kind.HOST,
        "discrete Fourier transform along axes, y_k = sum_j x_j e^(-2 pi i jk / n); inverse: e^(+...) / n",
        _fft_eval,
        _fft_shape,
        first_dtype,
        lambda g, o, a, axes, inverse, norm: (_fft(g, axes=axes, inverse=not inverse, norm=OTHER_END[norm]),),
        samples=(
            Sample(((3, 8),), {"axes": (1,), "inverse": False, "norm": "backward"}),
            Sample(((5, 3, 2),), {"axes": (0, 1), "inverse": True, "norm": "backward"}),
            Sample(((4, 5),), {"axes": (1, 0), "inverse": False, "norm": "ortho"}),
            Sample(((7,),), {"axes": (0,), "inverse": True, "norm": "forward"}),
        ),
        laws=(_inverts,),
        kinds="c",
    )
)
_rfft: Op = define(
    Op(
        "rfft",
        Kind.HOST,
        "the first half of the Fourier transform of real numbers, halved along the last axis named",
        _rfft_eval,
        _rfft_shape,
        _wide,
        _rfft_vjp,
        samples=(
            Sample(((3, 8),), {"axes": (1,), "norm": "backward"}),
            Sample(((4, 7),), {"axes": (0, 1), "norm": "ortho"}),
            Sample(((6, 2, 3),), {"axes": (2, 0), "norm": "forward"}),
            Sample(((1,),), {"axes": (0,), "norm": "backward"}),
        ),
        laws=(lambda o, a, axes, norm: (_irfft(o, axes=axes, n=a.shape[axes[-1]], norm=norm), a),),
        kinds="f",
    )
)
_irfft: Op = define(
    Op(
        "irfft",
        Kind.HOST,
        "n real numbers from the first half of their Fourier transform",
        _irfft_eval,
        _irfft_shape,
        real_dtype,
        _irfft_vjp,
        samples=(
            Sample(((3, 5),), {"axes": (1,), "n": 8, "norm": "backward"}),
            Sample(((4, 4),), {"axes": (0, 1), "n": 7, "norm": "ortho"}),
            Sample(((4, 2, 3),), {"axes": (2, 0), "n": 6, "norm": "forward"}),
        ),
        laws=(
            lambda o, a, axes, n, norm: (
                _irfft(_rfft(o, axes=axes, norm=norm), axes=axes, n=n, norm=norm),
                o,
            ),
        ),
        kinds="c",
    )
)


def _resized(a: Node, sizes: Sequence[int], axes: Axes) -> Node:
    """Cut, or padded with zeros at the end, to these lengths."""
    wanted = dict(zip(axes, sizes, strict=True))
    if any(n < 1 for n in sizes):
        raise ArgumentError(f"a Fourier transform needs lengths of at least 1, got {tuple(sizes)}")
    stop = tuple(min(d, wanted.get(k, d)) for k, d in enumerate(a.shape))
    cut = slice_(a, (0,) * len(stop), stop)
    return pad(cut, (0,) * len(stop), tuple(wanted.get(k, d) - d for k, d in enumerate(stop)))


def _arguments(
    a: Node, s: Sequence[int] | None, axes: Sequence[int] | None, norm: str
) -> tuple[tuple[int, ...] | None, Axes]:
    """Axes counted from 0, and sizes beside them."""
    if norm not in OTHER_END:
        raise unknown_name("norm", norm, OTHER_END)
    if axes is None:
        axes = range(len(a.shape) - len(s), len(a.shape)) if s is not None else range(len(a.shape))
    if any(not -len(a.shape) <= k < len(a.shape) for k in axes):
        raise ArgumentError(f"axes {tuple(axes)} do not all exist in shape {a.shape}")
    if s is not None and len(s) != len(axes):
        raise ArgumentError(f"{len(s)} sizes for {len(axes)} axes")
    return None if s is None else tuple(s), tuple(k % len(a.shape) for k in axes)


def _complex(a: Node) -> Node:
    return convert(a, _wide(a.dtype))


def fftn(
    a: Node,
    s: Sequence[int] | None = None,
    axes: Sequence[int] | None = None,
    norm: str = "backward",
    *,
    inverse: bool = False,
) -> Node:
    """Transform along several axes (all by default) to lengths `s`."""
    s, axes = _arguments(a, s, axes, norm)
    return _fft(
        _resized(_complex(a), s or [a.shape[k] for k in axes], axes), axes=axes, inverse=inverse, norm=norm
    )


def ifftn(
    a: Node, s: Sequence[int] | None = None, axes: Sequence[int] | None = None, norm: str = "backward"
) -> Node:
    """The inverse of fftn."""
    return fftn(a, s, axes, norm, inverse=True)


def rfftn(
    a: Node, s: Sequence[int] | None = None, axes: Sequence[int] | None = None, norm: str = "backward"
) -> Node:
    """Transform of real numbers along several axes; the last of them keeps n // 2 + 1 frequencies."""
    s, axes = _arguments(a, s, axes, norm)
    return _rfft(_resized(a, s or [a.shape[k] for k in axes], axes), axes=axes, norm=norm)


def irfftn(
    a: Node, s: Sequence[int] | None = None, axes: Sequence[int] | None = None, norm: str = "backward"
) -> Node:
    """The inverse of rfftn; without `s` the last axis is taken to have come from an even length."""
    s, axes = _arguments(a, s, axes, norm)
    sizes = list(s) if s else [*[a.shape[k] for k in axes[:-1]], 2 * (a.shape[axes[-1]] - 1)]
    n = sizes[-1]
    half = _resized(_complex(a), [*sizes[:-1], n // 2 + 1], axes)
    return _irfft(half, axes=axes, n=n, norm=norm)


def fft(a: Node, n: int | None = None, axis: int = -1, norm: str = "backward") -> Node:
    """Transform along one axis, cut or padded to length n."""
    return fftn(a, None if n is None else (n,), (axis,), norm)


def ifft(a: Node, n: int | None = None, axis: int = -1, norm: str = "backward") -> Node:
    """The inverse of fft."""
    return fftn(a, None if n is None else (n,), (axis,), norm, inverse=True)


def rfft(a: Node, n: int | None = None, axis: int = -1, norm: str = "backward") -> Node:
    """Transform of real numbers: n // 2 + 1 frequencies."""
    return rfftn(a, None if n is None else (n,), (axis,), norm)


def irfft(a: Node, n: int | None = None, axis: int = -1, norm: str = "backward") -> Node:
    """The inverse of rfft: n real numbers."""
    return irfftn(a, None if n is None else (n,), (axis,), norm)


def hfft(a: Node, n: int | None = None, axis: int = -1, norm: str = "backward") -> Node:
    """Transform of a signal whose other half mirrors this one: n real frequencies."""
    return irfft(conj(_complex(a)), n, axis, OTHER_END.get(norm, norm))


def ihfft(a: Node, n: int | None = None, axis: int = -1, norm: str = "backward") -> Node:
    """The inverse of hfft."""
    return conj(rfft(a, n, axis, OTHER_END.get(norm, norm)))
