"""Functions that work element by element, each made from the op record of its name; operands broadcast and promote."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from saltus.base import dtypes as dt
from saltus.base.dtypes import DType
from saltus.base.errors import DTypeError
from saltus.ir.node import Node, broadcast, full
from saltus.ir.spec import OPS
from saltus.ops.arithmetic import convert
from saltus.tensor.operands import as_tensor, common, common_shape, node_of
from saltus.tensor.tensor import Tensor, of_node
from saltus.tensor.tracing import here

_UNARY = """{text}

    Args:
        x: {takes}.

    Returns:
        A Tensor of the shape of x, {gives}.

    Raises:
        DTypeError: x has another element type.

    Example:
        >>> import saltus as sl
        >>> sl.{name}({argument}).tolist()
        {result}
    """

_BINARY = """{text}

    Args:
        x1, x2: {takes}; they broadcast to one shape and promote to one type. One may be a Python number.

    Returns:
        A Tensor of the broadcast shape, {gives}.

    Raises:
        DTypeError, ShapeError: the operands do not fit together.

    Example:
        >>> import saltus as sl
        >>> sl.{name}({argument}).tolist()
        {result}
    """

_KINDS = {"b": "bool", "i": "integers", "f": "real floats", "c": "complex numbers"}


def _takes(kinds: str) -> str:
    words = [w for k, w in _KINDS.items() if k in kinds]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def _finish(function: Callable[..., Any], template: str, name: str, text: str, example: str, kinds: str, logical: bool) -> Any:
    argument, result = example.split(" -> ")
    function.__name__ = function.__qualname__ = name
    function.__doc__ = template.format(
        text=text, name=name, takes=_takes(kinds), gives="of bools" if logical else "of the same type as the operands",
        argument=argument, result=result,
    )  # fmt: skip
    return function


def _unary(
    name: str,
    text: str,
    numbers: str,
    values: str,
    dtype: str = "float32",
    *,
    op: str | None = None,
    whole: str = "",
) -> Any:
    """A function of one operand; for kinds in `whole` it returns the operand itself (rounding of integers)."""
    record = OPS[op or name]

    def function(x: Any, /) -> Tensor:
        node = node_of(x)
        return of_node(node if node.dtype.kind in whole else record(node))

    example = f"sl.asarray([{numbers}]) -> [{values}]"
    return _finish(function, _UNARY, name, text, example, record.kinds + whole, dtype == "bool")


def _binary(name: str, text: str, numbers: str, values: str, dtype: str = "float32", *, op: str | None = None) -> Any:
    record = OPS[op or name]

    def function(x1: Any, x2: Any, /) -> Tensor:
        (a, b), weak = common(name, (x1, x2))
        made = of_node(record(a, b))
        made._weak = weak and made._dtype is not dt.bool_
        return made

    first, second = numbers.split(" | ")
    example = f"sl.asarray([{first}]), {second} -> [{values}]"
    return _finish(function, _BINARY, name, text, example, record.kinds, dtype == "bool")


# fmt: off
abs = _unary("abs", "Magnitude.", "-1.5, 2.0", "1.5, 2.0")
acos = _unary("acos", "Arc cosine, in radians.", "1.0, 0.0", "0.0, 1.5708")
acosh = _unary("acosh", "Inverse hyperbolic cosine.", "1.0, 2.0", "0.0, 1.31696")
asin = _unary("asin", "Arc sine, in radians.", "0.0, 1.0", "0.0, 1.5708")
asinh = _unary("asinh", "Inverse hyperbolic sine.", "0.0, 1.0", "0.0, 0.88137")
atan = _unary("atan", "Arc tangent, in radians.", "0.0, 1.0", "0.0, 0.7854")
atanh = _unary("atanh", "Inverse hyperbolic tangent.", "0.0, 0.5", "0.0, 0.54931")
bitwise_invert = _unary("bitwise_invert", "Every bit turned over.", "0, 5", "-1, -6", "int64")
cbrt = _unary("cbrt", "Cube root.", "8.0, 27.0", "2.0, 3.0")
ceil = _unary("ceil", "Smallest integer not below x, in the type of x.", "1.2, -1.2", "2.0, -1.0", whole="iu")
cos = _unary("cos", "Cosine of an angle in radians.", "0.0, 1.0", "1.0, 0.5403")
cosh = _unary("cosh", "Hyperbolic cosine.", "0.0, 1.0", "1.0, 1.54308")
erf = _unary("erf", "Error function, 2/sqrt(pi) times the integral of exp(-t^2) from 0 to x.", "0.0, 1.0", "0.0, 0.8427")
erfc = _unary("erfc", "1 - erf(x), exact in the tail.", "0.0, 1.0", "1.0, 0.1573")
erfinv = _unary("erfinv", "Inverse of the error function.", "0.0, 0.5", "0.0, 0.47694")
exp = _unary("exp", "e to the power x.", "0.0, 1.0", "1.0, 2.71828")
exp2 = _unary("exp2", "2 to the power x.", "0.0, 3.0", "1.0, 8.0")
expm1 = _unary("expm1", "e^x - 1, exact near 0.", "0.0, 1.0", "0.0, 1.71828")
floor = _unary("floor", "Largest integer not above x, in the type of x.", "1.2, -1.2", "1.0, -2.0", whole="iu")
isfinite = _unary("isfinite", "Whether each element is neither infinite nor NaN.", "1.0, float('inf')", "True, False", "bool")
isinf = _unary("isinf", "Whether each element is infinite.", "1.0, float('inf')", "False, True", "bool")
isnan = _unary("isnan", "Whether each element is NaN.", "1.0, float('nan')", "False, True", "bool")
log = _unary("log", "Natural logarithm.", "1.0, 10.0", "0.0, 2.30259")
log10 = _unary("log10", "Logarithm to base 10.", "1.0, 100.0", "0.0, 2.0")
log1p = _unary("log1p", "log(1 + x), exact near 0.", "0.0, 1.0", "0.0, 0.69315")
log2 = _unary("log2", "Logarithm to base 2.", "1.0, 8.0", "0.0, 3.0")
logical_not = _unary("logical_not", "Whether each element is False.", "True, False", "False, True", "bool")
negative = _unary("negative", "-x.", "1.0, -2.0", "-1.0, 2.0")
reciprocal = _unary("reciprocal", "1 / x.", "2.0, 4.0", "0.5, 0.25")
relu = _unary("relu", "max(x, 0), the rectified linear unit; its derivative at 0 is 0.", "-1.0, 2.0", "0.0, 2.0")
round = _unary("round", "Nearest integer in the type of x; halves go to the even one.", "0.5, 1.5", "0.0, 2.0", whole="iu")
rsqrt = _unary("rsqrt", "1 / sqrt(x).", "4.0, 16.0", "0.5, 0.25")
sigmoid = _unary("sigmoid", "1 / (1 + e^-x), the logistic function.", "0.0, 2.0", "0.5, 0.8808")
sign = _unary("sign", "-1, 0 or 1 after the sign of x; NaN stays NaN.", "-2.0, 0.0", "-1.0, 0.0")
signbit = _unary("signbit", "Whether the sign bit is set: negative numbers and -0.", "-1.0, 0.0", "True, False", "bool")
sin = _unary("sin", "Sine of an angle in radians.", "0.0, 1.0", "0.0, 0.84147")
sinh = _unary("sinh", "Hyperbolic sine.", "0.0, 1.0", "0.0, 1.1752")
softplus = _unary("softplus", "log(1 + e^x), a smooth form of relu.", "0.0, 2.0", "0.69315, 2.12693")
sqrt = _unary("sqrt", "Square root; NaN for negative real numbers.", "4.0, 2.0", "2.0, 1.41421")
square = _unary("square", "x * x.", "3.0, -2.0", "9.0, 4.0")
stop_gradient = _unary("stop_gradient", "x, but a constant to derivatives.", "1.0, 2.0", "1.0, 2.0")
tan = _unary("tan", "Tangent of an angle in radians.", "0.0, 1.0", "0.0, 1.55741")
tanh = _unary("tanh", "Hyperbolic tangent.", "0.0, 1.0", "0.0, 0.76159")
trunc = _unary("trunc", "x without its fraction, in the type of x.", "1.7, -1.7", "1.0, -1.0", whole="iu")

add = _binary("add", "x1 + x2.", "1.0, 2.0 | 10.0", "11.0, 12.0")
atan2 = _binary("atan2", "Angle of the point (x2, x1), in radians, from -pi to pi.", "1.0, -1.0 | 1.0", "0.7854, -0.7854")
bitwise_and = _binary("bitwise_and", "Bits set in both.", "6, 5 | 3", "2, 1", "int64")
bitwise_left_shift = _binary("bitwise_left_shift", "Bits of x1 moved up by x2.", "1, 3 | 2", "4, 12", "int64")
bitwise_or = _binary("bitwise_or", "Bits set in either.", "6, 5 | 3", "7, 7", "int64")
bitwise_right_shift = _binary("bitwise_right_shift", "Bits of x1 moved down by x2; the sign stays.", "8, -8 | 2", "2, -2", "int64")
bitwise_xor = _binary("bitwise_xor", "Bits set in one only.", "6, 5 | 3", "5, 6", "int64")
copysign = _binary("copysign", "|x1| with the sign of x2.", "1.0, -2.0 | -1.0", "-1.0, -2.0")
equal = _binary("equal", "Whether x1 == x2.", "1, 2 | 2", "False, True", "bool")
floor_divide = _binary("floor_divide", "Largest integer not above x1 / x2.", "7, -7 | 2", "3, -4", "int64")
greater = _binary("greater", "Whether x1 > x2.", "1, 3 | 2", "False, True", "bool")
greater_equal = _binary("greater_equal", "Whether x1 >= x2.", "1, 2 | 2", "False, True", "bool")
hypot = _binary("hypot", "sqrt(x1^2 + x2^2), without overflow on the way.", "3.0, 5.0 | 4.0", "5.0, 6.40312")
less = _binary("less", "Whether x1 < x2.", "1, 3 | 2", "True, False", "bool")
less_equal = _binary("less_equal", "Whether x1 <= x2.", "2, 3 | 2", "True, False", "bool")
logaddexp = _binary("logaddexp", "log(e^x1 + e^x2), without overflow.", "0.0, 1000.0 | 0.0", "0.69315, 1000.0")
logical_and = _binary("logical_and", "x1 and x2.", "True, False | True", "True, False", "bool")
logical_or = _binary("logical_or", "x1 or x2.", "True, False | False", "True, False", "bool")
logical_xor = _binary("logical_xor", "Either x1 or x2.", "True, False | True", "False, True", "bool")
maximum = _binary("maximum", "The larger of x1 and x2; NaN wins.", "1.0, 3.0 | 2.0", "2.0, 3.0")
minimum = _binary("minimum", "The smaller of x1 and x2; NaN wins.", "1.0, 3.0 | 2.0", "1.0, 2.0")
multiply = _binary("multiply", "x1 * x2.", "1.0, 2.0 | 3.0", "3.0, 6.0")
nextafter = _binary("nextafter", "The next representable number from x1 towards x2.", "1.0, 2.0 | 0.0", "1.0, 2.0")
not_equal = _binary("not_equal", "Whether x1 != x2.", "1, 2 | 2", "True, False", "bool")
remainder = _binary("remainder", "x1 - x2 * floor(x1 / x2): the remainder with the sign of x2.", "7, -7 | 3", "1, 2", "int64")
subtract = _binary("subtract", "x1 - x2.", "1.0, 2.0 | 3.0", "-2.0, -1.0")
# fmt: on


def divide(x1: Any, x2: Any, /) -> Tensor:
    """x1 / x2; integers become float32 first.

    Args:
        x1, x2: numbers of any kind; they broadcast to one shape and promote to one type. One may be a Python number.

    Returns:
        A Tensor of the broadcast shape, of real or complex floats.

    Example:
        >>> import saltus as sl
        >>> sl.divide(sl.asarray([1, 2]), 4)
        Tensor([0.25, 0.5 ], shape=(2,), dtype=float32)
    """
    (a, b), weak = common("divide", (x1, x2))
    if a.dtype.is_integer:
        wide = dt.float64 if weak else dt.float32
        a, b = convert(a, wide), convert(b, wide)
    made = of_node(OPS["divide"](a, b))
    made._weak = weak
    return made


def real(x: Any, /) -> Tensor:
    """Real part; a real number is its own.

    Args:
        x: numbers.

    Example:
        >>> import saltus as sl
        >>> sl.real(sl.asarray([1 + 2j])).tolist()
        [1.0]
    """
    node = node_of(x)
    return of_node(OPS["real"](node) if node.dtype.kind == "c" else node)


def imag(x: Any, /) -> Tensor:
    """Imaginary part; that of a real number is 0.

    Args:
        x: numbers.

    Example:
        >>> import saltus as sl
        >>> sl.imag(sl.asarray([1 + 2j])).tolist()
        [2.0]
    """
    node = node_of(x)
    return of_node(OPS["imag"](node) if node.dtype.kind == "c" else full(node.shape, 0, node.dtype))


def conj(x: Any, /) -> Tensor:
    """Complex conjugate; a real number is its own.

    Args:
        x: numbers.

    Example:
        >>> import saltus as sl
        >>> sl.conj(sl.asarray([1 + 2j])).tolist()
        [(1-2j)]
    """
    node = node_of(x)
    if node.dtype.kind == "b":
        raise DTypeError(f"conj does not take {node.dtype.name}; it takes numbers", site=here())
    return of_node(OPS["conj"](node) if node.dtype.kind == "c" else node)


def pow(x1: Any, x2: Any, /) -> Tensor:
    """x1 to the power x2; whole small powers become products.

    Args:
        x1, x2: numbers; they broadcast to one shape and promote to one type. One may be a Python number.

    Returns:
        A Tensor of the broadcast shape.

    Example:
        >>> import saltus as sl
        >>> sl.pow(sl.asarray([2.0, 3.0]), 2)
        Tensor([4., 9.], shape=(2,), dtype=float32)
    """
    if isinstance(x1, Tensor) and type(x2) in (int, float) and x2 in (0.5, 1, 2, 3, -1) and x1._dtype.is_float:
        node = x1.node
        power = {
            0.5: lambda: OPS["sqrt"](node), 1: lambda: node, 2: lambda: OPS["square"](node),
            3: lambda: OPS["square"](node) * node, -1: lambda: OPS["reciprocal"](node),
        }[x2]  # fmt: skip
        made = of_node(power())
        made._weak = x1._weak
        return made
    (a, b), weak = common("pow", (x1, x2))
    made = of_node(OPS["power"](a, b))
    made._weak = weak
    return made


def positive(x: Any, /) -> Tensor:
    """x itself.

    Args:
        x: numbers.

    Example:
        >>> import saltus as sl
        >>> sl.positive(sl.asarray([1.0, -2.0]))
        Tensor([ 1., -2.], shape=(2,), dtype=float32)
    """
    node = node_of(x)
    if node.dtype.kind == "b":
        raise DTypeError("positive does not take bool; it takes numbers", site=here())
    return of_node(node)


def where(condition: Any, x1: Any, x2: Any, /) -> Tensor:
    """x1 where the condition holds, else x2.

    Args:
        condition: bool.
        x1, x2: values; all three broadcast to one shape, and x1 and x2 promote to one type.

    Returns:
        A Tensor of the broadcast shape.

    Example:
        >>> import saltus as sl
        >>> x = sl.asarray([-1.0, 2.0])
        >>> sl.where(x > 0, x, 0.0)
        Tensor([0., 2.], shape=(2,), dtype=float32)
    """
    test = as_tensor(condition)
    if test.dtype is not dt.bool_:
        raise DTypeError(
            f"where takes a bool condition, got {test.dtype.name}",
            site=here(),
            fix="compare: sl.where(x > 0, ...)",
        )
    (a, b), weak = common("where", (x1, x2))
    chosen = _spread("where", test.node, a, b)
    made = of_node(OPS["where"](*chosen))
    made._weak = weak
    return made


def _spread(name: str, *nodes: Node) -> list[Node]:
    """Nodes of one shape, their types untouched."""
    from_shapes = common_shape(name, [n.shape for n in nodes])
    return [broadcast(n, from_shapes) for n in nodes]


def clip(x: Any, /, min: Any = None, max: Any = None) -> Tensor:
    """x moved into [min, max], in the type of x.

    Args:
        x: real numbers.
        min, max: bounds that broadcast to the shape of x, or None for no bound.

    Returns:
        A Tensor of the type of x.

    Example:
        >>> import saltus as sl
        >>> sl.clip(sl.asarray([-2.0, 0.5, 3.0]), 0.0, 1.0)
        Tensor([0. , 0.5, 1. ], shape=(3,), dtype=float32)
    """
    tensor = as_tensor(x)
    made = tensor
    if min is not None:
        made = of_node(OPS["maximum"](*_bounded(made, tensor.dtype, min)))
    if max is not None:
        made = of_node(OPS["minimum"](*_bounded(made, tensor.dtype, max)))
    return made


def _bounded(x: Tensor, dtype: DType, bound: Any) -> list[Node]:
    if isinstance(bound, (int, float)):
        return common("clip", (x, bound))[0] if not (dtype.is_integer and isinstance(bound, float)) else [x.node, _whole(x, bound)]
    return _spread("clip", x.node, convert(node_of(bound), dtype))


def _whole(x: Tensor, bound: float) -> Node:
    return convert(full(x.shape, bound, dt.float64), x.dtype)
