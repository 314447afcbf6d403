"""What every augmentation is, and the pipeline of several. Above `draws` and `picture`; below the layers.

An augmentation is a layer that changes its input while training and returns it as it is otherwise. It works in two places: inside a
network, where it draws from the network's key, and in `Model.fit(augment=...)`, where each sample has a key made of (seed, epoch, row).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from saltus.base import dtypes as dt
from saltus.base import tree
from saltus.base.errors import ArgumentError
from saltus.ir.spec import OPS
from saltus.nn.augmentation.draws import Draws, sample_keys
from saltus.nn.augmentation.picture import Picture
from saltus.nn.config import register
from saltus.nn.containers import Sequential, layer_of
from saltus.nn.layer import Layer
from saltus.nn.module import apply
from saltus.nn.scope import Scope
from saltus.tensor.operands import as_tensor
from saltus.tensor.tensor import Tensor, of_node
from saltus.tensor.tracing import here

Batch = dict[str, Any]


class Augmentation(Layer):
    """Base of all augmentations: write `augment`."""

    keeps_steps: ClassVar = True
    mixes: ClassVar[bool] = False  # whether it also changes targets

    def augment(self, draws: Draws, x: Tensor) -> Tensor:
        """The changed input; to be written by each augmentation.

        Args:
            draws: random numbers, (N, ...).
            x: (N, ...).
        """
        raise ArgumentError(f"{type(self).__name__} has no method augment(self, draws, x)")

    def still(self, x: Tensor) -> Tensor:
        """What becomes of the input when the network is not trained."""
        return x

    def on_batch(self, draws: Draws, batch: Batch) -> Batch:
        """A batch with changed inputs; of several inputs those that suit are changed."""
        x = batch["x"]
        if isinstance(x, Tensor):
            return {**batch, "x": self.augment(draws, x)}
        leaves = tree.leaves(x)
        if not any(map(self.suits, leaves)):
            raise ArgumentError(f"{type(self).__name__} suits none of the {len(leaves)} inputs", fix="give augment= one entry an input")
        made = [self.augment(draws.at(f"input {k}"), v) if self.suits(v) else v for k, v in enumerate(leaves)]
        return {**batch, "x": tree.unflatten(x, made)}

    def suits(self, x: Tensor) -> bool:
        """Whether it changes such an input where there are several."""
        return x.dtype.is_float

    def call(self, scope: Scope, x: Any) -> Tensor:
        tensor = as_tensor(x)
        if not scope.training:
            return self.still(tensor)
        return self.augment(Draws(_keys(scope, tensor.shape[0])), tensor)


def _keys(scope: Scope, count: int) -> Tensor:
    return sample_keys(scope.key(), of_node(OPS["iota"](shape=(count,), axis=0, dtype=dt.uint64)))


class ImageAugmentation(Augmentation):
    """Base of augmentations of images: write `alter`. They take (N, height, width, channels) of any real type and return float32."""

    keeps_steps: ClassVar = False

    def alter(self, draws: Draws, picture: Picture) -> None:
        """Change a picture; to be written by each augmentation."""
        raise ArgumentError(f"{type(self).__name__} has no method alter(self, draws, picture)")

    def suits(self, x: Tensor) -> bool:
        return x.ndim == 4

    def augment(self, draws: Draws, x: Tensor) -> Tensor:
        picture = Picture(x)
        self.alter(draws, picture)
        return picture.array()

    def still(self, x: Tensor) -> Tensor:
        return x if x.dtype.is_float else x.astype("float32")


class Mixing(Augmentation):
    """Base of augmentations that make one sample of two, and so change the targets too: write `on_batch`."""

    mixes: ClassVar = True

    def call(self, scope: Scope, x: Any) -> Tensor:
        if not scope.training:
            return as_tensor(x)
        raise ArgumentError(
            f"{type(self).__name__} mixes targets as well as inputs, and a layer in a network has no targets", site=here(),
            fix=f"take it out of the network, and train with model.fit(x, y, augment=nn.{type(self).__name__}())",
        )  # fmt: skip


@register
class Pipeline(Augmentation):
    """Augmentations one after the other, compiled together: changes of place become one sampling, changes of values one pass.

    Args:
        layers: augmentations, and other layers without parameters such as nn.GaussianNoise.

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> change = nn.Pipeline([nn.RandomFlip("horizontal"), nn.RandomRotation(0.05), nn.RandomBrightness(0.2)])
        >>> nn.apply(change, {}, {}, sl.ones((2, 8, 8, 3)), training=True, key=sl.random.key(0)).output.shape
        (2, 8, 8, 3)
    """

    keeps_steps: ClassVar = False
    layers: Any

    def __post_init__(self) -> None:
        if not isinstance(self.layers, Sequence) or isinstance(self.layers, str):
            raise ArgumentError(f"Pipeline takes a list of layers, got {type(self.layers).__name__}", fix="nn.Pipeline([first, second])")
        flat: list[Layer] = []
        for given in self.layers:
            layer = layer_of("Pipeline", given)
            flat += layer.layers if isinstance(layer, (Pipeline, Sequential)) else [layer]
        self._set(layers=tuple(flat))

    @property
    def mixing(self) -> bool:
        """Whether one of the layers changes targets."""
        return any(isinstance(layer, Mixing) for layer in self.layers)

    def on_batch(self, draws: Draws, batch: Batch) -> Batch:
        picture: Picture | None = None
        for place, layer in enumerate(self.layers):
            own = draws.at(f"{place}/{type(layer).__name__}")
            if isinstance(layer, ImageAugmentation) and isinstance(batch["x"], Tensor):
                picture = picture or Picture(batch["x"])
                layer.alter(own, picture)
                continue
            if picture is not None:
                batch, picture = {**batch, "x": picture.array()}, None
            batch = layer.on_batch(own, batch) if isinstance(layer, Augmentation) else {**batch, "x": _plain(layer, own, batch["x"])}
        return batch if picture is None else {**batch, "x": picture.array()}

    def augment(self, draws: Draws, x: Tensor) -> Tensor:
        if self.mixing:
            name = next(type(layer).__name__ for layer in self.layers if isinstance(layer, Mixing))
            raise ArgumentError(f"Pipeline holds {name}, which mixes targets as well as inputs, but a network has no targets", site=here(),
                                fix="train with model.fit(x, y, augment=...)")  # fmt: skip
        return self.on_batch(draws, {"x": x})["x"]  # type: ignore[no-any-return]

    def still(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer.still(x) if isinstance(layer, Augmentation) else apply(layer, {}, {}, x).output
        return x


def _plain(layer: Layer, draws: Draws, x: Tensor) -> Tensor:
    """A layer that is no augmentation: its random numbers are those of the batch."""
    return apply(layer, {}, {}, x, training=True, key=draws.keys[0]).output  # type: ignore[no-any-return]


def pipeline_of(given: Any) -> Augmentation | None:
    """What `augment=` was given as one augmentation; None for a function or a tree of them.

    Raises:
        ArgumentError: a list that holds something else.
    """
    if isinstance(given, Pipeline):
        return given
    if isinstance(given, Layer):
        return Pipeline([given])
    return Pipeline(given) if isinstance(given, list) else None




__all__ = ["Augmentation", "Batch", "Draws", "ImageAugmentation", "Mixing", "Pipeline", "pipeline_of"]
