"""Networks as graphs of layers: `Input` makes symbols, layers called on symbols make further ones,
`Network` keeps the finished graph.

The finished graph holds layers and numbers only: which layer reads which values. A layer called twice
stands in it once, so its two calls share their parameters.
"""

from __future__ import annotations

from dataclasses import KW_ONLY
from typing import Any

from saltus.base import dtypes as dt
from saltus.base import tree
from saltus.base.errors import ArgumentError, DTypeError, ShapeError
from saltus.nn.checks import whole
from saltus.nn.config import register
from saltus.nn.core import Activating
from saltus.nn.layer import Declared, Layer, Spec, Symbol
from saltus.nn.scope import Scope
from saltus.tensor.operands import as_tensor
from saltus.tensor.tensor import Tensor
from saltus.tensor.tracing import here


@register
class InputLayer(Layer):
    """What an input must look like; made by `Input`.

    Args:
        shape: lengths without the batch; None for a length that may vary.
        dtype: element type. Floats of any size are taken for a float type, whole numbers for an integer type.
    """

    shape: Any
    dtype: str = "float32"

    def __post_init__(self) -> None:
        given = (self.shape,) if isinstance(self.shape, int) else self.shape
        lengths = tuple(n if n is None else whole("Input", "each length in shape", n, low=0) for n in given)
        self._set(shape=lengths, dtype=dt.as_dtype(self.dtype).name)

    def specs(self) -> Spec | None:
        """The input with a batch of 1, or None where a length may vary."""
        return None if None in self.shape else Spec((1, *self.shape), self.dtype)

    def call(self, scope: Scope, x: Any) -> Tensor:
        tensor = as_tensor(x)
        lengths = tensor.shape[1:]
        if tensor.ndim != len(self.shape) + 1 or any(w not in (None, g) for w, g in zip(self.shape, lengths, strict=True)):
            wanted = ", ".join(["N", *("any" if n is None else str(n) for n in self.shape)])
            raise ShapeError(
                f"the input has the shape {tensor.shape}, expected ({wanted})", site=here(),
                fix="give the batch first, with the lengths the network was made for",
            )  # fmt: skip
        wanted = dt.as_dtype(self.dtype)
        if wanted.is_integer and not tensor.dtype.is_integer:
            raise DTypeError(
                f"the input is {tensor.dtype.name}, expected whole numbers ({wanted.name})",
                site=here(),
                fix="convert: x.astype('int64')",
            )
        if wanted.is_float and not tensor.dtype.is_float:
            raise DTypeError(
                f"the input is {tensor.dtype.name}, expected {wanted.name}", site=here(),
                fix=f"convert it, or declare it: nn.Input({self.shape}, dtype='{tensor.dtype.name}')",
            )  # fmt: skip
        return tensor


def Input(shape: Any, dtype: str = "float32", name: str | None = None) -> Symbol:
    """A symbol for an input: layers called on it build a network.

    Args:
        shape: lengths without the batch; None for a length that may vary.
        dtype: element type.
        name: for messages.

    Returns:
        A Symbol, also taken as the first entry of nn.Sequential.

    Example:
        >>> from saltus import nn
        >>> x = nn.Input((4,))
        >>> y = nn.Dense(8, activation="relu")(x)
        >>> network = nn.Network(x, nn.Dense(1)(nn.Concatenate()([x, y])))
        >>> [p.shape for p in nn.describe(network).parameters]
        [(4, 8), (8,), (12, 1), (1,)]
    """
    return Symbol(InputLayer(shape, dtype, name=name), (), 0, object())


@register
class Network(Layer, Declared):
    """A graph of layers from inputs to outputs.

    Args:
        inputs: a symbol from `Input`, or a list of them: the order of the arguments.
        outputs: a symbol computed from them, or a list or dict of such symbols.

    Raises:
        ArgumentError: an output needs an input that is not listed, or an input is not used.

    Example:
        >>> from saltus import nn
        >>> x = nn.Input((4,))
        >>> tied = nn.Dense(4)  # called twice: one kernel, one bias
        >>> network = nn.Network(x, tied(tied(x)))
        >>> nn.describe(network).count
        20
    """

    inputs: Any
    outputs: Any
    _: KW_ONLY
    layers: Any = ()
    steps: Any = ()

    def __post_init__(self) -> None:
        if any(isinstance(v, Symbol) for v in tree.leaves(self.inputs)) or any(isinstance(v, Symbol) for v in tree.leaves(self.outputs)):
            self._set(**_read(self.inputs, self.outputs))

    def specs(self) -> tuple[Spec, ...]:
        found = [layer.specs() for layer in self.inputs]
        return () if None in found else tuple(found)

    def call(self, scope: Scope, *inputs: Any) -> Any:
        if len(inputs) == 1 and isinstance(inputs[0], (list, tuple)) and len(self.inputs) != 1:
            inputs = tuple(inputs[0])
        if len(inputs) != len(self.inputs):
            raise ShapeError(
                f"the network has {len(self.inputs)} inputs, got {len(inputs)}",
                site=here(),
                fix="pass them in the order of nn.Network(inputs, ...)",
            )
        values = [scope.run(layer, x) for layer, x in zip(self.inputs, inputs, strict=True)]
        followers = self._followers()
        children: dict[int, Scope] = {}
        for number, (place, arguments) in enumerate(self.steps):
            if place not in children:
                children[place] = scope.child(self.layers[place], following=followers[number])
            made = children[place].call(*_fill(arguments, values))
            values += list(made) if self.layers[place].results > 1 else [made]
        return _fill(self.outputs, values)

    def _followers(self) -> list[str | None]:
        """For each step, the activation that everything it makes goes into, if there is one."""
        users: dict[int, list[int]] = {}
        first = len(self.inputs)
        made = []
        for number, (place, arguments) in enumerate(self.steps):
            made.append(first)
            first += self.layers[place].results
            for value in tree.leaves(arguments):
                users.setdefault(value, []).append(number)
        found: list[str | None] = [None] * len(self.steps)
        for number in reversed(range(len(self.steps))):
            after = users.get(made[number], [])
            if len(after) == 1:
                layer = self.layers[self.steps[after[0]][0]]
                found[number] = layer.following if isinstance(layer, Activating) else found[after[0]] if layer.passes_on else None
        return found


def _fill(arguments: Any, values: list[Any]) -> Any:
    return tree.map(lambda n: values[n], arguments)


def _read(inputs: Any, outputs: Any) -> dict[str, Any]:
    """The graph of symbols as layers and numbers."""
    sources = list(inputs) if isinstance(inputs, (list, tuple)) else [inputs]
    for source in sources:
        if not (isinstance(source, Symbol) and isinstance(source.layer, InputLayer)):
            raise ArgumentError(f"Network: inputs must come from nn.Input, got {source!r}", site=here())
    if len({id(s) for s in sources}) != len(sources):
        raise ArgumentError("Network: an input is listed twice", site=here())
    first: dict[int, int] = {}  # by id of a call (of a symbol, for inputs): number of its first value
    for place, source in enumerate(sources):
        first[id(source.call)] = place
    layers: list[Layer] = []
    slots: dict[int, int] = {}
    steps: list[tuple[int, Any]] = []
    count = len(sources)

    def place_of(symbol: Symbol) -> int:
        return first[id(symbol.call)] + symbol.part

    pending = [_symbol(s) for s in reversed(tree.leaves(outputs))]
    while pending:  # a stack of its own: networks are deeper than Python's
        symbol = pending[-1]
        missing = [s for s in map(_symbol, tree.leaves(list(symbol.inputs))) if id(s.call) not in first]
        if id(symbol.call) in first or not missing:
            pending.pop()
        if id(symbol.call) in first:
            continue
        if isinstance(symbol.layer, InputLayer):
            what = symbol.layer.name or symbol.layer.shape
            raise ArgumentError(
                f"Network: an output depends on the input {what}, which is not among the inputs",
                site=here(),
                fix="list it",
            )
        if missing:
            pending += reversed(missing)
            continue
        slot = slots.setdefault(id(symbol.layer), len(layers))
        if slot == len(layers):
            layers.append(symbol.layer)
        steps.append((slot, _tuples(tree.map(place_of, list(symbol.inputs)))))
        first[id(symbol.call)] = count
        count += symbol.layer.results
    results = tree.map(place_of, outputs)
    used = {v for _, arguments in steps for v in tree.leaves(arguments)} | set(tree.leaves(results))
    if idle := [s for i, s in enumerate(sources) if i not in used]:
        raise ArgumentError(
            f"Network: the input {idle[0].layer.name or idle[0].layer.shape} is not used by any output",
            site=here(),
            fix="leave it out",
        )
    kept = tuple(s.layer for s in sources)
    return {"inputs": kept, "outputs": _tuples(results), "layers": tuple(layers), "steps": tuple(steps)}


def _symbol(value: Any) -> Symbol:
    if not isinstance(value, Symbol):
        raise ArgumentError(f"Network: outputs must be symbols made by layers, got {type(value).__name__}", site=here())
    return value


def _tuples(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _tuples(v) for k, v in value.items()}
    return tuple(_tuples(v) for v in value) if isinstance(value, (list, tuple)) else value
