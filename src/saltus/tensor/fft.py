"""`saltus.fft`: discrete Fourier transforms (array API fft extension)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from saltus.base import dtypes as dt
from saltus.base.errors import ArgumentError, DTypeError
from saltus.ops import fft as records
from saltus.ops import movement as move
from saltus.tensor.creation import check_device
from saltus.tensor.operands import axes_of, node_of
from saltus.tensor.tensor import Tensor, of_array, of_node, to_array
from saltus.tensor.tracing import here

_ONE = """{text}

    Args:
        x: {takes}.
        n: length to cut or pad the axis to{length}.
        axis: the axis.
        norm: where the factor 1/n stands: "backward" (the inverse), "forward", or "ortho" (1/sqrt(n) in both).

    Example:
        >>> import saltus as sl
        >>> sl.fft.{name}(sl.asarray({given})).tolist()
        {result}
    """
_MANY = """{text}

    Args:
        x: {takes}.
        s: lengths to cut or pad the axes to{length}.
        axes: the axes; None takes all, or the last ones when s is given.
        norm: where the factor 1/n stands: "backward" (the inverse), "forward", or "ortho" (1/sqrt(n) in both).

    Example:
        >>> import saltus as sl
        >>> sl.fft.{name}(sl.asarray({given})).tolist()
        {result}
    """
_COMPLEX, _REAL = "complex or real floats", "real floats"


def _one(name: str, text: str, takes: str, given: str, result: str, length: str = "") -> Any:
    transform: Callable[..., Any] = getattr(records, name)

    def function(x: Any, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Tensor:
        return of_node(transform(_operand(name, x, takes), n, axis, norm))

    return _named(function, _ONE.format(**{k: v for k, v in locals().items() if isinstance(v, str)}), name)


def _many(name: str, text: str, takes: str, given: str, result: str, length: str = "") -> Any:
    transform: Callable[..., Any] = getattr(records, name)

    def function(
        x: Any,
        /,
        *,
        s: Sequence[int] | None = None,
        axes: Sequence[int] | None = None,
        norm: str = "backward",
    ) -> Tensor:
        return of_node(transform(_operand(name, x, takes), s, axes, norm))

    return _named(function, _MANY.format(**{k: v for k, v in locals().items() if isinstance(v, str)}), name)


def _named(function: Any, doc: str, name: str) -> Any:
    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    return function


def _operand(name: str, x: Any, takes: str) -> Any:
    node = node_of(x)
    if node.dtype.kind not in ("f" if takes is _REAL else "fc"):
        raise DTypeError(f"{name} takes {takes}, got {node.dtype.name}", site=here(), fix="x.astype('float32')")
    return node


# fmt: off
fft = _one("fft", "Transform along an axis.", _COMPLEX, "[1.0, 1.0]", "[(2+0j), 0j]")
ifft = _one("ifft", "Inverse of fft.", _COMPLEX, "[2.0, 0.0]", "[(1+0j), (1+0j)]")
fftn = _many("fftn", "Transform along several axes.", _COMPLEX, "[[1.0, 1.0]]", "[[(2+0j), 0j]]")
ifftn = _many("ifftn", "Inverse of fftn.", _COMPLEX, "[[2.0, 0.0]]", "[[(1+0j), (1+0j)]]")
rfft = _one("rfft", "Transform of real numbers along an axis: n // 2 + 1 frequencies.", _REAL, "[1.0, 1.0]", "[(2+0j), 0j]")
irfft = _one("irfft", "Inverse of rfft: n real numbers.", _COMPLEX, "[2.0, 0.0]", "[1.0, 1.0]", ", by default even")
rfftn = _many("rfftn", "Transform of real numbers along several axes; the last keeps n // 2 + 1 frequencies.", _REAL,
              "[[1.0, 1.0]]", "[[(2+0j), 0j]]")
irfftn = _many("irfftn", "Inverse of rfftn.", _COMPLEX, "[[2.0, 0.0]]", "[[1.0, 1.0]]", ", by default even in the last")
hfft = _one("hfft", "Transform of a signal whose other half mirrors this one: n real frequencies.", _COMPLEX, "[1.0, 0.0]",
            "[1.0, 1.0]", ", by default even")
ihfft = _one("ihfft", "Inverse of hfft.", _REAL, "[1.0, 1.0]", "[(1-0j), -0j]")
# fmt: on


def _frequencies(name: str, n: int, d: float, dtype: Any, device: Any, values: Any) -> Tensor:
    check_device(device)
    if n < 1:
        raise ArgumentError(f"{name}: n must be at least 1, got {n}", site=here())
    wanted = dt.as_dtype(dtype or dt.float32)
    if not wanted.is_float:
        raise DTypeError(f"{name} gives real floats, not {wanted.name}", site=here())
    return of_array(*to_array(np.asarray(values / (n * d), np.float64), wanted))


def fftfreq(n: int, /, *, d: float = 1.0, dtype: Any = None, device: Any = None) -> Tensor:
    """The frequencies that fft returns, in cycles a unit of d.

    Args:
        n: length of the transform.
        d: distance of two samples.
        dtype: a floating type, float32 when None.
        device: "cpu" or None.

    Example:
        >>> import saltus as sl
        >>> sl.fft.fftfreq(4).tolist()
        [0.0, 0.25, -0.5, -0.25]
    """
    places = np.arange(n)
    return _frequencies("fftfreq", n, d, dtype, device, np.where(places < (n + 1) // 2, places, places - n))


def rfftfreq(n: int, /, *, d: float = 1.0, dtype: Any = None, device: Any = None) -> Tensor:
    """The frequencies that rfft returns, in cycles a unit of d.

    Args:
        n: length of the transform.
        d: distance of two samples.
        dtype: a floating type, float32 when None.
        device: "cpu" or None.

    Example:
        >>> import saltus as sl
        >>> sl.fft.rfftfreq(4).tolist()
        [0.0, 0.25, 0.5]
    """
    return _frequencies("rfftfreq", n, d, dtype, device, np.arange(n // 2 + 1))


def _shifted(name: str, x: Any, axes: int | Sequence[int] | None, forth: bool) -> Tensor:
    node = node_of(x)
    for axis in axes_of(name, axes, len(node.shape)):
        half = node.shape[axis] // 2
        node = move.roll(node, half if forth else -half, axis)
    return of_node(node)


def fftshift(x: Any, /, *, axes: int | Sequence[int] | None = None) -> Tensor:
    """Frequency 0 moved to the middle.

    Args:
        x: an array.
        axes: axis or axes; None means all.

    Example:
        >>> import saltus as sl
        >>> sl.fft.fftshift(sl.asarray([0, 1, -2, -1])).tolist()
        [-2, -1, 0, 1]
    """
    return _shifted("fftshift", x, axes, True)


def ifftshift(x: Any, /, *, axes: int | Sequence[int] | None = None) -> Tensor:
    """Inverse of fftshift.

    Args:
        x: an array.
        axes: axis or axes; None means all.

    Example:
        >>> import saltus as sl
        >>> sl.fft.ifftshift(sl.asarray([-2, -1, 0, 1])).tolist()
        [0, 1, -2, -1]
    """
    return _shifted("ifftshift", x, axes, False)


__all__ = [
    "fft", "fftfreq", "fftn", "fftshift", "hfft", "ifft", "ifftn", "ifftshift", "ihfft", "irfft", "irfftn", "rfft",
    "rfftfreq", "rfftn",
]  # fmt: skip


def __dir__() -> list[str]:
    return sorted(__all__)
