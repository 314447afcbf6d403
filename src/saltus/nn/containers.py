"""Layers made of layers: one after the other, with a way past, side by side. In: graph. The functional form
is in `graph`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from saltus.base.errors import ArgumentError
from saltus.nn.config import register
from saltus.nn.core import Activating
from saltus.nn.graph import InputLayer
from saltus.nn.layer import Declared, Layer, Spec, Symbol
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
