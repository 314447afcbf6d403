"""saltus: deep learning on an ordinary CPU. Numbers live in Tensors; networks, optimizers and training load when they are first used."""

import importlib as _importlib
import math as _math
from typing import Any as _Any

from saltus.base.dtypes import (
    bfloat16,
    complex64,
    complex128,
    float16,
    float32,
    float64,
    int8,
    int16,
    int32,
    int64,
    uint8,
    uint16,
    uint32,
    uint64,
)
from saltus.base.dtypes import (
    bool_ as bool,
)
from saltus.tensor import Tensor, random
from saltus.tensor.creation import (
    arange,
    asarray,
    empty,
    empty_like,
    eye,
    from_dlpack,
    full,
    full_like,
    linspace,
    meshgrid,
    one_hot,
    ones,
    ones_like,
    tril,
    triu,
    zeros,
    zeros_like,
)  # fmt: skip
from saltus.tensor.elementwise import (
    abs,
    acos,
    acosh,
    add,
    asin,
    asinh,
    atan,
    atan2,
    atanh,
    bitwise_and,
    bitwise_invert,
    bitwise_left_shift,
    bitwise_or,
    bitwise_right_shift,
    bitwise_xor,
    cbrt,
    ceil,
    clip,
    copysign,
    cos,
    cosh,
    divide,
    equal,
    erf,
    erfc,
    erfinv,
    exp,
    exp2,
    expm1,
    floor,
    floor_divide,
    greater,
    greater_equal,
    hypot,
    isfinite,
    isinf,
    isnan,
    less,
    less_equal,
    log,
    log1p,
    log2,
    log10,
    logaddexp,
    logical_and,
    logical_not,
    logical_or,
    logical_xor,
    maximum,
    minimum,
    multiply,
    negative,
    nextafter,
    not_equal,
    positive,
    pow,
    reciprocal,
    relu,
    remainder,
    round,
    rsqrt,
    sigmoid,
    sign,
    signbit,
    sin,
    sinh,
    softplus,
    sqrt,
    square,
    stop_gradient,
    subtract,
    tan,
    tanh,
    trunc,
    where,
)  # fmt: skip
from saltus.tensor.indexing import take, take_along_axis
from saltus.tensor.jit import jit
from saltus.tensor.loop import scan
from saltus.tensor.manipulation import (
    astype,
    broadcast_arrays,
    broadcast_shapes,
    broadcast_to,
    concat,
    expand_dims,
    flatten,
    flip,
    matrix_transpose,
    moveaxis,
    pad,
    permute_dims,
    reshape,
    roll,
    split,
    squeeze,
    stack,
    swapaxes,
    tile,
    transpose,
    unstack,
)  # fmt: skip
from saltus.tensor.neural import gelu, log_softmax, logsumexp, silu, softmax
from saltus.tensor.products import matmul, tensordot, vecdot
from saltus.tensor.reduction import (
    all,
    any,
    argmax,
    argmin,
    count_nonzero,
    cumulative_prod,
    cumulative_sum,
    diff,
    max,
    mean,
    min,
    prod,
    std,
    sum,
    var,
)  # fmt: skip
from saltus.tensor.transforms import checkpoint, custom_vjp, grad, hessian, jvp, value_and_grad, vjp
from saltus.tensor.types import __array_namespace_info__, can_cast, finfo, iinfo, isdtype, result_type

__version__ = "0.1.0"
__array_api_version__ = "2024.12"

e, pi, inf, nan, newaxis = _math.e, _math.pi, _math.inf, _math.nan, None

# Loaded when first asked for, so that `import saltus` stays quick.
_LATER = {
    "nn": ("saltus.nn", None), "optim": ("saltus.optim", None), "data": ("saltus.data", None), "train": ("saltus.train", None),
}  # fmt: skip

__all__ = [
    "Tensor", "__array_api_version__", "__array_namespace_info__", "__version__", "abs", "acos", "acosh", "add", "all", "any", "arange",
    "argmax", "argmin", "asarray", "asin", "asinh", "astype", "atan", "atan2", "atanh", "bfloat16", "bitwise_and", "bitwise_invert",
    "bitwise_left_shift", "bitwise_or", "bitwise_right_shift", "bitwise_xor", "bool", "broadcast_arrays", "broadcast_shapes",
    "broadcast_to", "can_cast", "cbrt", "ceil", "checkpoint", "clip", "complex64", "complex128", "concat", "copysign", "cos", "cosh",
    "count_nonzero", "cumulative_prod", "cumulative_sum", "custom_vjp", "data", "diff", "divide", "e", "empty", "empty_like", "equal",
    "erf", "erfc", "erfinv", "exp", "exp2", "expand_dims", "expm1", "eye", "finfo", "flatten", "flip", "float16", "float32", "float64",
    "floor", "floor_divide", "from_dlpack", "full", "full_like", "gelu", "grad", "greater", "greater_equal", "hessian", "hypot", "iinfo",
    "inf", "int8", "int16", "int32", "int64", "isdtype", "isfinite", "isinf", "isnan", "jit", "jvp", "less", "less_equal", "linspace",
    "log", "log1p", "log2", "log10", "log_softmax", "logaddexp", "logical_and", "logical_not", "logical_or", "logical_xor", "logsumexp",
    "matmul", "matrix_transpose", "max", "maximum", "mean", "meshgrid", "min", "minimum", "moveaxis", "multiply", "nan", "negative",
    "newaxis", "nextafter", "nn", "not_equal", "one_hot", "ones", "ones_like", "optim", "pad", "permute_dims", "pi", "positive", "pow",
    "prod", "random", "reciprocal", "relu", "remainder", "reshape", "result_type", "roll", "round", "rsqrt", "scan", "sigmoid", "sign",
    "signbit", "silu", "sin", "sinh", "softmax", "softplus", "split", "sqrt", "square", "squeeze", "stack", "std", "stop_gradient",
    "subtract", "sum", "swapaxes", "take", "take_along_axis", "tan", "tanh", "tensordot", "tile", "train", "transpose", "tril", "triu",
    "trunc", "uint8", "uint16", "uint32", "uint64", "unstack", "value_and_grad", "var", "vecdot", "vjp", "where", "zeros", "zeros_like",
]  # fmt: skip


def __getattr__(name: str) -> _Any:
    if name not in _LATER:
        raise AttributeError(f"module 'saltus' has no attribute {name!r}")
    module, attribute = _LATER[name]
    loaded = _importlib.import_module(module)
    value = loaded if attribute is None else getattr(loaded, attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
