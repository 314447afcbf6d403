"""What each activation is: formula, derivative and range, as data. In: activations. Shown by
`activations.describe`; tests check each entry.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from saltus.nn.activations import functions as act
from saltus.nn.config import aliases_of
from saltus.tensor import elementwise as e
from saltus.tensor.elementwise import where
from saltus.tensor.tensor import Tensor

INFINITE = math.inf


@dataclass(frozen=True)
class Formula:
    """An activation in words.

    Attributes:
        name: its name.
        aliases: further names.
        formula: y as a function of x.
        derivative: dy/dx; for functions of a whole row, the matrix of derivatives.
        low, high: the least and the largest value it can come to or near, at its default options.
        slope: the derivative as a function of a Tensor, or None for functions of a whole row.
        kinks: places where the derivative jumps.
        options: its arguments with their defaults.
        summary: one sentence.
        source: where it comes from, or "".
    """

    name: str
    aliases: tuple[str, ...]
    formula: str
    derivative: str
    low: float
    high: float
    slope: Callable[[Tensor], Tensor] | None
    kinks: tuple[float, ...]
    options: dict[str, Any]
    summary: str
    source: str

    def __str__(self) -> str:
        also = f" (also {', '.join(self.aliases)})" if self.aliases else ""
        lines = [f"{self.name}{also}: {self.summary}", f"  y  = {self.formula}", f"  y' = {self.derivative}"]
        left, right = ("(-inf" if self.low == -INFINITE else f"[{self.low:.6g}"), ("inf)" if self.high == INFINITE else f"{self.high:.6g}]")
        lines.append(f"  range {left}, {right}")
        if self.options:
            lines.append(f"  options {', '.join(f'{k}={v!r}' for k, v in self.options.items())}")
        if self.source:
            lines.append(f"  source {self.source}")
        return "\n".join(lines)


Slope = Callable[[Tensor], Tensor]
_TABLE: dict[str, tuple[str, str, float, float, Slope | None, tuple[float, ...]]] = {}


def _entry(name: str, formula: str, derivative: str, low: float, high: float, slope: Slope | None, *kinks: float) -> None:
    _TABLE[name] = (formula, derivative, low, high, slope, kinks)


def _between(x: Tensor, low: float, high: float, inside: Any, below: Any = 0.0, above: Any = 0.0) -> Tensor:
    return where(x < low, x * 0.0 + below, where(x > high, x * 0.0 + above, x * 0.0 + inside))


def _silu_slope(x: Tensor) -> Tensor:
    y = act.silu(x)
    return y + e.sigmoid(x) * (1.0 - y)


def _mish_slope(x: Tensor) -> Tensor:
    t = e.tanh(e.softplus(x))
    return t + x * e.sigmoid(x) * (1.0 - t * t)


_DENSITY = 1 / math.sqrt(2 * math.pi)
_entry("linear", "x", "1", -INFINITE, INFINITE, lambda x: x * 0.0 + 1.0)
_entry("step", "1 if x > 0 else 0", "0 (backward='straight_through': 1; 'sigmoid': s(1-s), s = sigmoid(x))", 0, 1, lambda x: x * 0.0, 0.0)
_entry("relu", "max(x, 0)", "1 if x > 0 else 0", 0, INFINITE, lambda x: where(x > 0, x * 0.0 + 1.0, 0.0), 0.0)
_entry("leaky_relu", "x if x > 0 else negative_slope x", "1 if x > 0 else negative_slope", -INFINITE, INFINITE,
       lambda x: where(x > 0, x * 0.0 + 1.0, 0.01), 0.0)  # fmt: skip
_entry("relu6", "min(max(x, 0), 6)", "1 if 0 < x < 6 else 0", 0, 6, lambda x: _between(x, 0.0, 6.0, 1.0), 0.0, 6.0)
_entry("elu", "x if x > 0 else alpha (e^x - 1)", "1 if x > 0 else alpha e^x", -1, INFINITE, lambda x: where(x > 0, 1.0, e.exp(x)))
_entry(
    "celu", "x if x > 0 else alpha (e^(x/alpha) - 1)", "1 if x > 0 else e^(x/alpha)", -1, INFINITE, lambda x: where(x > 0, 1.0, e.exp(x))
)
_entry("selu", "1.0507 x if x > 0 else 1.7581 (e^x - 1)", "1.0507 if x > 0 else 1.7581 e^x", -1.7580993408473766, INFINITE,
       lambda x: where(x > 0, 1.0507009873554805, e.exp(x) * 1.7580993408473766), 0.0)  # fmt: skip
_entry("gelu", "x F(x), F the normal distribution function", "F(x) + x f(x), f the normal density", -0.16997120748, INFINITE,
       lambda x: (e.erf(x * math.sqrt(0.5)) + 1.0) * 0.5 + x * e.exp(x * x * -0.5) * _DENSITY)  # fmt: skip
_entry("silu", "x sigmoid(x)", "y + sigmoid(x) (1 - y)", -0.27846454277, INFINITE, _silu_slope)
_entry("mish", "x tanh(softplus(x))", "t + x sigmoid(x) (1 - t^2), t = tanh(softplus(x))", -0.30884341302, INFINITE, _mish_slope)
_entry("sigmoid", "1 / (1 + e^-x)", "y (1 - y)", 0, 1, lambda x: e.sigmoid(x) * (1.0 - e.sigmoid(x)))
_entry("log_sigmoid", "-log(1 + e^-x)", "sigmoid(-x)", -INFINITE, 0, lambda x: e.sigmoid(-x))
_entry("tanh", "(e^x - e^-x) / (e^x + e^-x)", "1 - y^2", -1, 1, lambda x: 1.0 - e.square(e.tanh(x)))
_entry("softplus", "log(1 + e^x)", "sigmoid(x)", 0, INFINITE, e.sigmoid)
_entry("softsign", "x / (1 + |x|)", "1 / (1 + |x|)^2", -1, 1, lambda x: 1.0 / e.square(1.0 + e.abs(x)))
_entry("exponential", "e^x", "e^x", 0, INFINITE, e.exp)
_entry("hard_sigmoid", "min(max(x + 3, 0), 6) / 6", "1/6 if -3 < x < 3 else 0", 0, 1, lambda x: _between(x, -3.0, 3.0, 1 / 6), -3.0, 3.0)
_entry("hard_silu", "x hard_sigmoid(x)", "0 below -3, (2x + 3) / 6 up to 3, 1 above", -0.375, INFINITE,
       lambda x: _between(x, -3.0, 3.0, (x * 2.0 + 3.0) * (1 / 6), 0.0, 1.0), -3.0, 3.0)  # fmt: skip
_entry("hard_tanh", "min(max(x, -1), 1)", "1 if -1 < x < 1 else 0", -1, 1, lambda x: _between(x, -1.0, 1.0, 1.0), -1.0, 1.0)
_entry("hard_shrink", "x if |x| > threshold else 0", "1 if |x| > threshold else 0", -INFINITE, INFINITE,
       lambda x: _between(x, -0.5, 0.5, 0.0, 1.0, 1.0), -0.5, 0.5)  # fmt: skip
_entry("soft_shrink", "sign(x) max(|x| - threshold, 0)", "1 if |x| > threshold else 0", -INFINITE, INFINITE,
       lambda x: _between(x, -0.5, 0.5, 0.0, 1.0, 1.0), -0.5, 0.5)  # fmt: skip
_entry("tanh_shrink", "x - tanh(x)", "tanh(x)^2", -INFINITE, INFINITE, lambda x: e.square(e.tanh(x)))
_entry("threshold", "x if x > threshold else default_value", "1 if x > threshold else 0", 0, INFINITE,
       lambda x: where(x > 0, x * 0.0 + 1.0, 0.0), 0.0)  # fmt: skip
_entry("squareplus", "(x + sqrt(x^2 + b)) / 2", "(1 + x / sqrt(x^2 + b)) / 2", 0, INFINITE, lambda x: (1.0 + x / e.sqrt(x * x + 4.0)) * 0.5)
_entry("sparse_plus", "0 up to -1, (x + 1)^2 / 4 up to 1, x above", "sparse_sigmoid(x)", 0, INFINITE, lambda x: act.sparse_sigmoid(x))
_entry("sparse_sigmoid", "min(max((x + 1) / 2, 0), 1)", "1/2 if -1 < x < 1 else 0", 0, 1, lambda x: _between(x, -1.0, 1.0, 0.5), -1.0, 1.0)
_entry("softmax", "e^x_i / sum_j e^x_j", "dy_i/dx_j = y_i ((i == j) - y_j)", 0, 1, None)
_entry("log_softmax", "x_i - log(sum_j e^x_j)", "dy_i/dx_j = (i == j) - e^y_j", -INFINITE, 0, None)
_entry(
    "sparsemax",
    "max(x_i - tau, 0), tau such that the sum is 1",
    "dy_i/dx_j = (i == j) - 1/k among the k that are not 0, else 0",
    0,
    1,
    None,
)
_entry(
    "glu", "a sigmoid(b), a and b the halves of x", "dy/da = sigmoid(b), dy/db = a sigmoid(b) (1 - sigmoid(b))", -INFINITE, INFINITE, None
)

# What stands in each function's documentation as its example, and is run with it: input -> output.
_EXAMPLES = {
    "celu": "[-1.0, 0.5] -> [-0.6321, 0.5]",
    "elu": "[-1.0, 0.5] -> [-0.6321, 0.5]",
    "exponential": "[-1.0, 0.5] -> [0.3679, 1.6487]",
    "gelu": "[-1.0, 0.5] -> [-0.1587, 0.3457]",
    "glu": "[2.0, 0.0] -> [1.0]",
    "hard_shrink": "[-1.0, 0.5] -> [-1.0, 0.0]",
    "hard_sigmoid": "[-1.0, 0.5] -> [0.3333, 0.5833]",
    "hard_silu": "[-1.0, 0.5] -> [-0.3333, 0.2917]",
    "hard_tanh": "[-1.0, 0.5] -> [-1.0, 0.5]",
    "leaky_relu": "[-1.0, 0.5] -> [-0.01, 0.5]",
    "linear": "[-1.0, 0.5] -> [-1.0, 0.5]",
    "log_sigmoid": "[-1.0, 0.5] -> [-1.3133, -0.4741]",
    "log_softmax": "[1.0, 1.0] -> [-0.6931, -0.6931]",
    "mish": "[-1.0, 0.5] -> [-0.3034, 0.3752]",
    "relu": "[-1.0, 0.5] -> [0.0, 0.5]",
    "relu6": "[-1.0, 0.5] -> [0.0, 0.5]",
    "selu": "[-1.0, 0.5] -> [-1.1113, 0.5254]",
    "sigmoid": "[-1.0, 0.5] -> [0.2689, 0.6225]",
    "silu": "[-1.0, 0.5] -> [-0.2689, 0.3112]",
    "soft_shrink": "[-1.0, 0.5] -> [-0.5, 0.0]",
    "softmax": "[1.0, 1.0] -> [0.5, 0.5]",
    "softplus": "[-1.0, 0.5] -> [0.3133, 0.9741]",
    "softsign": "[-1.0, 0.5] -> [-0.5, 0.3333]",
    "sparse_plus": "[-1.0, 0.5] -> [0.0, 0.5625]",
    "sparse_sigmoid": "[-1.0, 0.5] -> [0.0, 0.75]",
    "sparsemax": "[0.0, 0.5] -> [0.25, 0.75]",
    "squareplus": "[-1.0, 0.5] -> [0.618, 1.2808]",
    "step": "[-1.0, 0.5] -> [0.0, 1.0]",
    "tanh": "[-1.0, 0.5] -> [-0.7616, 0.4621]",
    "tanh_shrink": "[-1.0, 0.5] -> [-0.2384, 0.0379]",
    "threshold": "[-1.0, 0.5] -> [0.0, 0.5]",
}

for _name, _example in _EXAMPLES.items():
    _function = act.get(_name)
    _argument, _result = _example.split(" -> ")
    _function.__doc__ = f"""{(_function.__doc__ or "").rstrip()}

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> nn.activations.{_name}(sl.asarray({_argument})).tolist()
        {_result}
    """

NAMES = tuple(sorted(_TABLE))


def describe(name: str) -> Formula:
    """Formula, derivative and range of an activation; `print` shows them.

    Args:
        name: its name or an alias.

    Raises:
        UnknownNameError: no activation has this name; the nearest names are in the message.

    Example:
        >>> from saltus import nn
        >>> print(nn.activations.describe("swish"))
        silu (also swish): x sigmoid(x), also called swish; its derivative is y + sigmoid(x) (1 - y).
          y  = x sigmoid(x)
          y' = y + sigmoid(x) (1 - y)
          range [-0.278465, inf)
          source Ramachandran, Zoph and Le, "Searching for activation functions", 2017.
    """
    function = act.get(name)
    own = function.__name__
    formula, derivative, low, high, slope, kinks = _TABLE[own]
    text = inspect.cleandoc(function.__doc__ or "")
    source = text.partition("Source: ")[2].partition("\n\n")[0].replace("\n", " ")
    options = {p.name: p.default for p in list(inspect.signature(function).parameters.values())[1:]}
    summary = text.partition("\n\n")[0].replace("\n", " ")
    return Formula(own, aliases_of("functions", own), formula, derivative, low, high, slope, kinks, options, summary, source)
