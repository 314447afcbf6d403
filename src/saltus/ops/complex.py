"""Complex numbers: their parts, and numbers made of parts. Complex values run as host calls on the native engine."""

from __future__ import annotations

from typing import Any

import numpy as np

from saltus.base.dtypes import DType
from saltus.base.errors import DTypeError
from saltus.ir.node import Node
from saltus.ir.spec import Op
from saltus.ops._elementwise import complex_dtype, elementwise, real_dtype
from saltus.ops._namespace import companion, is_numpy
from saltus.ops.arithmetic import zeros_like
from saltus.ops.math import atan2


def _complex_eval(xp: Any, a: Any, b: Any) -> Any:
    if not is_numpy(xp):
        return companion(xp, "lax").complex(a, b)
    out = np.empty(a.shape, np.result_type(a.dtype, np.complex64))
    out.real, out.imag = a, b  # a + 1j * b would turn an infinite part into NaN
    return out


def _only_wide(*dtypes: DType, **_: Any) -> DType:
    """A complex number of half parts does not exist: they are widened first."""
    found = complex_dtype(*dtypes)
    if found.kind != "c":
        raise DTypeError(
            f"complex numbers are made of float32 or float64 parts, got {found.name}",
            fix="x.astype('float32')",
        )
    return found


real: Op = elementwise(
    "real",
    1,
    "the real part",
    lambda xp, a: xp.real(a),
    None,
    lambda g, o, a: (make_complex(g, zeros_like(g)),),
    kinds="c",
    dtype=real_dtype,
)
imag: Op = elementwise(
    "imag",
    1,
    "the imaginary part",
    lambda xp, a: xp.imag(a),
    None,
    lambda g, o, a: (make_complex(zeros_like(g), g),),
    kinds="c",
    dtype=real_dtype,
)
conj: Op = elementwise(
    "conj",
    1,
    "the complex conjugate",
    lambda xp, a: xp.conj(a),
    None,
    lambda g, o, a: (conj(g),),
    kinds="c",
    laws=(lambda o, a: (real(o), real(a)), lambda o, a: (imag(o), -imag(a))),
)
make_complex: Op = elementwise(
    "complex",
    2,
    "a + ib",
    _complex_eval,
    None,
    lambda g, o, a, b: (real(g), imag(g)),
    kinds="f",
    dtype=_only_wide,
    laws=(lambda o, a, b: (real(o), a), lambda o, a, b: (imag(o), b)),
)


def angle(a: Node) -> Node:
    """The angle of a complex number from the positive real axis, in (-pi, pi]; its gradient at 0 is 0."""
    return atan2(imag(a), real(a))
