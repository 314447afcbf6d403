"""Batch normalisation folded into the layer before it, for networks that are only used. In: containers, convolution, depthwise.

At prediction a batch normalisation is y * factor + shift for each channel, so a product or convolution before it can have that in its
kernel and bias. Containers are walked in the order in which their `call` names the layers inside them; parameters move to their new
paths.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from saltus.base import tree
from saltus.base.errors import ArgumentError
from saltus.nn.config import snake
from saltus.nn.containers import Parallel, Residual, Sequential
from saltus.nn.convolution import Conv1D, Conv2D, Conv3D
from saltus.nn.convolution_transpose import Conv1DTranspose, Conv2DTranspose, Conv3DTranspose
from saltus.nn.core import Dense
from saltus.nn.depthwise import DepthwiseConv1D, DepthwiseConv2D, SeparableConv1D, SeparableConv2D
from saltus.nn.graph import Network
from saltus.nn.layer import Layer
from saltus.nn.normalization import BatchNormalization
from saltus.tensor.elementwise import rsqrt
from saltus.tensor.manipulation import reshape
from saltus.tensor.operands import as_tensor
from saltus.tensor.tensor import Tensor, realise

# Layers that take a factor a channel: the kernel that takes it, and its shape for that kernel.
_LAST: Callable[[Tensor, Tensor], Tensor] = lambda factor, kernel: factor  # noqa: E731
_TARGETS: dict[type[Layer], tuple[str, Callable[[Tensor, Tensor], Tensor]]] = {
    **dict.fromkeys((Dense, Conv1D, Conv2D, Conv3D), ("kernel", _LAST)),
    **dict.fromkeys((Conv1DTranspose, Conv2DTranspose, Conv3DTranspose), ("kernel", lambda factor, kernel: factor[:, None])),
    **dict.fromkeys((DepthwiseConv1D, DepthwiseConv2D), ("kernel", lambda factor, kernel: reshape(factor, kernel.shape[-2:]))),
    **dict.fromkeys((SeparableConv1D, SeparableConv2D), ("pointwise_kernel", _LAST)),
}


class Folded(NamedTuple):
    """What `nn.fold` returns.

    Attributes:
        network: without the batch normalisations that could be folded.
        params, state: of it.
    """

    network: Layer
    params: Any
    state: Any


def fold(network: Layer, params: Any, state: Any) -> Folded:
    """Fold each batch normalisation into the convolution or Dense layer directly before it, whose result nothing else takes.

    The folded network gives the same predictions, up to rounding, with fewer operations. It is for prediction: trained further, it would no
    longer normalise. Layers of one's own are left as they are.

    Args:
        network: a layer or network; Sequential, Network, Residual and Parallel are searched, inside each other too.
        params, state: trees as `nn.init` made them.

    Returns:
        Folded(network, params, state).

    Raises:
        ArgumentError: params or state belong to another network.

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> network = nn.Sequential([nn.Conv2D(8, 3, use_bias=False), nn.BatchNormalization(), nn.Activation("relu")])
        >>> folded = nn.fold(network, *nn.init(network, nn.Spec((1, 6, 6, 1)), key=sl.random.key(0)))
        >>> folded.network
        Sequential([Conv2D(8, kernel_size=(3, 3)), Activation('relu')])
        >>> sorted(folded.params["conv2d"]), folded.state
        (['bias', 'kernel'], {})
    """
    try:
        made = Folded(*_fold(network, params, state))
    except KeyError as error:
        raise ArgumentError(
            f"nn.fold: params and state have no {error.args[0]!r}, which the network needs",
            fix="give what nn.init or training made for this network",
        ) from None
    realise([v for v in tree.leaves([made.params, made.state]) if isinstance(v, Tensor)])
    return made


def _fold(layer: Layer, params: Any, state: Any) -> tuple[Layer, Any, Any]:
    for kind, change in _CONTAINERS.items():
        if type(layer) is kind:
            return change(layer, params, state)
    return layer, params, state


# -- one pair ---------------------------------------------------------------------------------------------------------


def _fits(layer: Layer, after: Layer) -> bool:
    """Whether a batch normalisation can go into the layer before it."""
    if type(layer) not in _TARGETS or type(after) is not BatchNormalization or layer.following is not None:
        return False
    return after.axis == -1 and getattr(layer, "activation", None) is None


def _merged(layer: Any, own: dict[str, Any], norm: Any, weights: dict[str, Any], averages: dict[str, Any]) -> tuple[Layer, dict[str, Any]]:
    """The layer with the normalisation in it, and its parameters; worked out in float64."""
    name, shaped = _TARGETS[type(layer)]
    kernel = as_tensor(own[name])
    dtype = kernel.dtype

    def wide(value: Any) -> Tensor:
        return as_tensor(value).astype("float64")

    factor = rsqrt(wide(averages["moving_variance"]) + norm.epsilon)
    factor = factor * wide(weights["gamma"]) if norm.scale else factor
    bias = (wide(own["bias"]) if layer.use_bias else 0.0) - wide(averages["moving_mean"])
    bias = bias * factor + (wide(weights["beta"]) if norm.center else 0.0)
    scaled = wide(kernel) * shaped(factor, kernel)
    return layer.replace(use_bias=True), {**own, name: scaled.astype(dtype), "bias": bias.astype(dtype)}


# -- containers -------------------------------------------------------------------------------------------------------


class _Part(NamedTuple):
    """A layer inside a container with its parameters and state."""

    layer: Layer
    params: Any
    state: Any


def _names(layers: Iterable[Layer]) -> list[str]:
    """The names that a scope gives to layers asked for in this order."""
    counts: dict[str, int] = {}
    made = []
    for layer in layers:
        base = word = layer.name or snake(type(layer).__name__)
        while word in counts:
            counts[base] += 1
            word = f"{base}_{counts[base]}"
        counts[word] = 0
        made.append(word)
    return made


def _taken(layers: Sequence[Layer], names: Sequence[str], params: Any, state: Any) -> list[_Part]:
    """Each layer, itself folded, with what belongs to it."""
    return [_Part(*_fold(layer, params.get(name, {}), state.get(name, {}))) for layer, name in zip(layers, names, strict=True)]


def _put(parts: Sequence[_Part], names: Sequence[str]) -> tuple[Any, Any]:
    """Trees of parameters and state of named parts."""
    pairs = list(zip(names, parts, strict=True))
    return {n: p.params for n, p in pairs if p.params}, {n: p.state for n, p in pairs if p.state}


def _join(before: _Part, norm: _Part) -> _Part:
    layer, own = _merged(before.layer, before.params, norm.layer, norm.params, norm.state)
    return _Part(layer, own, before.state)


def _sequential(network: Sequential, params: Any, state: Any) -> tuple[Layer, Any, Any]:
    parts: list[_Part] = []
    for part in _taken(network.layers, _names(network.layers), params, state):
        if parts and _fits(parts[-1].layer, part.layer):
            parts[-1] = _join(parts[-1], part)
        else:
            parts.append(part)
    layers = tuple(p.layer for p in parts)
    return network.replace(layers=layers), *_put(parts, _names(layers))


def _residual(network: Residual, params: Any, state: Any) -> tuple[Layer, Any, Any]:
    names = ["layers"] + ["shortcut"] * (network.shortcut is not None)
    parts = _taken([getattr(network, n) for n in names], names, params, state)
    return network.replace(**{n: p.layer for n, p in zip(names, parts, strict=True)}), *_put(parts, names)


def _parallel(network: Parallel, params: Any, state: Any) -> tuple[Layer, Any, Any]:
    names = [branch.name or f"branch_{i}" for i, branch in enumerate(network.branches)]
    parts = _taken(network.branches, names, params, state)
    return network.replace(branches=tuple(p.layer for p in parts)), *_put(parts, names)


def _graph(network: Network, params: Any, state: Any) -> tuple[Layer, Any, Any]:
    order = list(dict.fromkeys(place for place, _ in network.steps))  # layers in the order of their first use, as they are named
    before = _names([*network.inputs, *(network.layers[p] for p in order)])[len(network.inputs) :]
    parts = dict(zip(order, _taken([network.layers[p] for p in order], before, params, state), strict=True))
    calls = [place for place, _ in network.steps]
    first = len(network.inputs)
    makers: dict[int, int] = {}  # number of a value -> step that makes it
    for number, place in enumerate(calls):
        makers.update({first + i: number for i in range(network.layers[place].results)})
        first += network.layers[place].results
    uses = [*tree.leaves([arguments for _, arguments in network.steps]), *tree.leaves(network.outputs)]
    moved: dict[int, int] = {}  # value of a normalisation that goes away -> value of the layer it goes into
    steps = []
    for number, (place, arguments) in enumerate(network.steps):
        taken = tree.leaves(arguments)
        source = makers.get(taken[0]) if len(taken) == 1 else None
        own = next(v for v, n in makers.items() if n == number)
        if (
            source is not None and uses.count(taken[0]) == 1 and calls.count(place) == calls.count(calls[source]) == 1
            and taken[0] not in moved and _fits(parts[calls[source]].layer, parts[place].layer)
        ):  # fmt: skip
            parts[calls[source]] = _join(parts[calls[source]], parts.pop(place))
            moved[own] = taken[0]
        else:
            steps.append((place, arguments))
    kept = [v for v in range(first) if v not in moved]
    number_of = {v: i for i, v in enumerate(kept)}
    number_of.update({v: number_of[onto] for v, onto in moved.items()})
    places = {p: i for i, p in enumerate(parts)}
    layers = tuple(p.layer for p in parts.values())

    def renumbered(values: Any) -> Any:
        return tree.map(lambda v: number_of[v], values)

    changed = network.replace(
        layers=layers, outputs=renumbered(network.outputs), steps=tuple((places[p], renumbered(a)) for p, a in steps)
    )
    after = _names([*network.inputs, *layers])[len(network.inputs) :]
    return changed, *_put(list(parts.values()), after)


_CONTAINERS: dict[type[Layer], Callable[[Any, Any, Any], tuple[Layer, Any, Any]]] = {
    Sequential: _sequential, Residual: _residual, Parallel: _parallel, Network: _graph,
}  # fmt: skip
