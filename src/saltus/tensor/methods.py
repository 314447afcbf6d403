"""Operators and methods of Tensor: each is a function of the namespace with the Tensor as its first argument."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from saltus.base.errors import ArgumentError
from saltus.tensor import elementwise as e
from saltus.tensor import indexing, neural, products
from saltus.tensor import manipulation as m
from saltus.tensor import reduction as r
from saltus.tensor.tensor import Tensor
from saltus.tensor.tracing import here

_NUMBERS = (bool, int, float, complex, np.ndarray, np.generic)


def _operator(function: Callable[[Any, Any], Tensor], reflected: bool) -> Callable[[Tensor, Any], Any]:
    def forward(self: Tensor, other: Any) -> Any:
        return function(self, other) if isinstance(other, (Tensor, *_NUMBERS)) else NotImplemented

    def backward(self: Tensor, other: Any) -> Any:
        return function(other, self) if isinstance(other, (Tensor, *_NUMBERS)) else NotImplemented

    return backward if reflected else forward


_ARITHMETIC = {
    "add": e.add, "sub": e.subtract, "mul": e.multiply, "truediv": e.divide, "floordiv": e.floor_divide, "mod": e.remainder,
    "pow": e.pow, "matmul": products.matmul, "and": e.bitwise_and, "or": e.bitwise_or, "xor": e.bitwise_xor,
    "lshift": e.bitwise_left_shift, "rshift": e.bitwise_right_shift,
}  # fmt: skip
_COMPARISON = {
    "eq": e.equal,
    "ne": e.not_equal,
    "lt": e.less,
    "le": e.less_equal,
    "gt": e.greater,
    "ge": e.greater_equal,
}
_SINGLE = {"neg": e.negative, "pos": e.positive, "abs": e.abs, "invert": e.bitwise_invert}
_METHODS = (
    e.abs, e.clip, e.exp, e.log, e.relu, e.round, e.sigmoid, e.sign, e.sqrt, e.square, e.tanh,
    m.astype, m.broadcast_to, m.expand_dims, m.flatten, m.flip, m.roll, m.split, m.squeeze, m.swapaxes, m.transpose, m.unstack,
    r.all, r.any, r.argmax, r.argmin, r.cumulative_prod, r.cumulative_sum, r.max, r.mean, r.min, r.prod, r.std, r.sum, r.var,
    neural.log_softmax, neural.softmax, indexing.take, e.stop_gradient,
)  # fmt: skip


def _in_place(symbol: str, function: Callable[[Any, Any], Tensor]) -> Callable[[Tensor, Any], Tensor]:
    """`x += y` gives a new array of x's type and shape."""

    def update(self: Tensor, other: Any) -> Any:
        if not isinstance(other, (Tensor, *_NUMBERS)):
            return NotImplemented
        made = function(self, other)
        if made.dtype is not self.dtype or made.shape != self.shape:
            raise ArgumentError(
                f"x {symbol} y would turn {self.dtype.name} of shape {self.shape} into {made.dtype.name} of shape {made.shape}",
                site=here(), fix=f"write x = x {symbol[:-1]} y",
            )  # fmt: skip
        return made

    return update


def _reshape(self: Tensor, *shape: Any) -> Tensor:
    """See saltus.reshape; the lengths may be given one by one."""
    return m.reshape(self, shape[0] if len(shape) == 1 else shape)


def _to_device(self: Tensor, device: Any, /, *, stream: Any = None) -> Tensor:
    """This Tensor on a device; only "cpu" is there."""
    if device != "cpu" or stream is not None:
        raise ArgumentError(f"only device 'cpu' is there, got {device!r}", site=here())
    return self


def _transposed(self: Tensor) -> Tensor:
    """A matrix with its axes exchanged."""
    if self.ndim != 2:
        raise ArgumentError(
            f"x.T is for matrices; this Tensor has shape {self.shape}", site=here(),
            fix="use x.mT (last two axes) or sl.permute_dims(x, axes)",
        )  # fmt: skip
    return m.matrix_transpose(self)


_SYMBOLS = {
    "add": "+=", "sub": "-=", "mul": "*=", "truediv": "/=", "floordiv": "//=", "mod": "%=", "pow": "**=", "matmul": "@=", "and": "&=",
    "or": "|=", "xor": "^=", "lshift": "<<=", "rshift": ">>=",
}  # fmt: skip


def attach(namespace: Any) -> None:
    """Give Tensor its operators and methods.

    Args:
        namespace: called without arguments, the module that `__array_namespace__` returns.
    """

    def array_namespace(self: Tensor, /, *, api_version: str | None = None) -> Any:
        if api_version not in (None, "2021.12", "2022.12", "2023.12", "2024.12"):
            raise ArgumentError(f"array API version {api_version!r} is not known here", fix="use '2024.12'")
        return namespace()

    made: dict[str, Any] = {
        "__getitem__": indexing.getitem, "__setitem__": indexing.setitem, "__array_namespace__": array_namespace, "reshape": _reshape,
        "to_device": _to_device, "T": property(_transposed), "mT": property(m.matrix_transpose),
    }  # fmt: skip
    for name, function in _ARITHMETIC.items():
        made[f"__{name}__"] = _operator(function, False)
        made[f"__r{name}__"] = _operator(function, True)
        made[f"__i{name}__"] = _in_place(_SYMBOLS[name], function)
    made |= {f"__{name}__": _operator(function, False) for name, function in _COMPARISON.items()}
    made |= {f"__{name}__": function for name, function in _SINGLE.items()}
    made |= {function.__name__: function for function in _METHODS}
    for name, value in made.items():
        setattr(Tensor, name, value)
