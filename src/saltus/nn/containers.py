"""Layers made of layers: one after the other, with a way past, side by side. In: graph. The functional form
is in `graph`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY
from typing import Any, ClassVar

from saltus.base.errors import ArgumentError, ShapeError
from saltus.nn.checks import one_of
from saltus.nn.config import register
from saltus.nn.core import Activating
from saltus.nn.graph import InputLayer
from saltus.nn.layer import Declared, Layer, Spec, Symbol
from saltus.nn.merge import MERGES
from saltus.nn.scope import Scope
from saltus.tensor.tracing import here


def layer_of(owner: str, given: Any) -> Layer:
    """A layer from what a container was given."""
    if isinstance(given, Symbol) and isinstance(given.layer, InputLayer):
        return given.layer
    if isinstance(given, Layer):
        return given
    if isinstance(given, type) and issubclass(given, Layer):
        raise ArgumentError(
            f"{owner}: {given.__name__} is a class, a layer is needed",
            site=here(),
            fix=f"write {given.__name__}(...)",
        )
    raise ArgumentError(
        f"{owner}: {given!r} ({type(given).__name__}) is not a layer", site=here(),
        fix="wrap a function with nn.Lambda, an activation with nn.Activation",
    )  # fmt: skip


@register
class Sequential(Layer, Declared):
    """Layers one after the other; a layer that returns several results hands them on as several inputs.

    Args:
        layers: layers in order; the first may be nn.Input(shape). A layer that stands in the list twice has
            parameters of its own in both places (to share them, use nn.Network).

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> network = nn.Sequential([nn.Dense(8, activation="relu"), nn.Dropout(0.2), nn.Dense(3)])
        >>> params, state = nn.init(network, nn.Spec((1, 4)), key=sl.random.key(0))
        >>> sorted(params)
        ['dense', 'dense_1']
    """

    layers: Any

    def __init__(self, layers: Any, *others: Any, name: str | None = None, trainable: bool = True) -> None:
        if others:
            raise ArgumentError(
                f"Sequential takes one list of layers, got {len(others) + 1} arguments", site=here(), fix="nn.Sequential([first, second])"
            )
        self._set(layers=layers, name=name, trainable=trainable)
        self.__post_init__()

    def __post_init__(self) -> None:
        if not isinstance(self.layers, Sequence) or isinstance(self.layers, str):
            raise ArgumentError(
                f"Sequential takes a list of layers, got {type(self.layers).__name__}",
                site=here(),
                fix="nn.Sequential([first, second])",
            )
        self._set(layers=tuple(layer_of("Sequential", v) for v in self.layers))

    def specs(self) -> tuple[Spec, ...]:
        first = self.layers[0] if self.layers else None
        if isinstance(first, InputLayer):
            found = first.specs()
            return () if found is None else (found,)
        return first.specs() if isinstance(first, Declared) else ()

    @property
    def results(self) -> int:
        return self.layers[-1].results if self.layers else 1

    def call(self, scope: Scope, *inputs: Any) -> Any:
        values: Any = inputs
        for place, layer in enumerate(self.layers):
            made = scope.run(layer, *values, following=self._follower(place, scope.following))
            values = made if isinstance(made, tuple) else (made,)
        return values[0] if len(values) == 1 else values

    def _follower(self, place: int, after: str | None) -> str | None:
        """The activation behind a layer, if only layers that leave values as they are stand between."""
        for layer in self.layers[place + 1 :]:
            if isinstance(layer, Activating):
                return layer.following
            if not layer.passes_on:
                return None
        return after


def _inside(owner: str, given: Any) -> Layer:
    """One layer from a layer or a list of them."""
    return Sequential(given) if isinstance(given, (list, tuple)) else layer_of(owner, given)


@register
class Residual(Layer):
    """The input next to what layers make of it, added up: a way past the layers, on which gradients flow
    unhindered.

    Args:
        layers: a layer, or a list of layers run one after the other.
        shortcut: a layer on the way past, e.g. Dense(n) where the width changes; None leaves the input as
            it is.
        merge: "add", "concat", "multiply", "average", "maximum", "minimum" or "subtract".

    Source: He, Zhang, Ren and Sun, "Deep residual learning for image recognition", 2016.

    Example:
        >>> from saltus import nn
        >>> block = nn.Residual([nn.LayerNormalization(), nn.Dense(8, activation="relu"), nn.Dense(4)])
        >>> nn.describe(block, nn.Spec((1, 4))).output
        Spec(shape=(1, 4), dtype='float32')
    """

    keeps_steps: ClassVar = True
    layers: Any
    _: KW_ONLY
    shortcut: Any = None
    merge: str = "add"

    def __post_init__(self) -> None:
        self._set(layers=_inside("Residual", self.layers))
        if self.shortcut is not None:
            self._set(shortcut=_inside("Residual", self.shortcut))
        one_of(self, "merge", self.merge, MERGES)

    def call(self, scope: Scope, x: Any) -> Any:
        made = scope.run(self.layers, x, name="layers")
        past = x if self.shortcut is None else scope.run(self.shortcut, x, name="shortcut")
        if self.merge != "concat" and past.shape != made.shape:
            raise ShapeError(
                f"the layers make the shape {made.shape} of {x.shape}, and the way past has {past.shape}; they must be equal",
                site=here(),
                fix=f"give shortcut=nn.Dense({made.shape[-1]}), or end the layers with Dense({past.shape[-1]})",
            )
        return MERGES[self.merge].call(scope, past, made)


@register
class Parallel(Layer):
    """Branches side by side on the same input, and their results made one.

    Args:
        branches: layers, or lists of layers run one after the other.
        merge: "concat", "add", "multiply", "average", "maximum", "minimum", "subtract", or "none" for a
            tuple of results.

    Example:
        >>> from saltus import nn
        >>> wide_and_deep = nn.Parallel([nn.Dense(1), [nn.Dense(16, activation="relu"), nn.Dense(1)]], merge="add")
        >>> nn.describe(wide_and_deep, nn.Spec((1, 4))).output
        Spec(shape=(1, 1), dtype='float32')
    """

    branches: Any
    _: KW_ONLY
    merge: str = "concat"

    def __post_init__(self) -> None:
        if not isinstance(self.branches, Sequence) or not self.branches:
            raise ArgumentError(f"Parallel takes a list of branches, got {self.branches!r}", site=here())
        self._set(branches=tuple(_inside("Parallel", b) for b in self.branches))
        one_of(self, "merge", self.merge, (*MERGES, "none"))

    @property
    def results(self) -> int:
        return len(self.branches) if self.merge == "none" else 1

    def call(self, scope: Scope, *inputs: Any) -> Any:
        made = [scope.run(branch, *inputs, name=branch.name or f"branch_{i}") for i, branch in enumerate(self.branches)]
        if self.merge == "none":
            return tuple(made)
        return MERGES[self.merge].call(scope, *made)
