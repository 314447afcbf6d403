"""Augmentation in the training step: what `fit(augment=...)` was given, as one change of batches. Below `program`, above `nn`.

Every sample has a key of its own, made of the training's seed, the epoch and the sample's place in the order of the epoch. What a layer
draws for a sample follows from that key alone: it is the same for any batch size, number of threads, and after a resume. What looks at a
whole batch is the exception: the partners of MixUp and CutMix are other samples of the batch, and a function gets one key a batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from saltus import nn
from saltus.base import tree
from saltus.base.errors import ArgumentError, ShapeError
from saltus.nn.augmentation import Draws, Pipeline, pipeline_of, sample_keys
from saltus.nn.losses import SparseCategoricalCrossentropy
from saltus.tensor import random
from saltus.tensor.creation import arange, asarray, one_hot, zeros
from saltus.tensor.jit import jit
from saltus.tensor.tensor import Tensor

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Augmenter:
    """A change of batches.

    Attributes:
        layers: for the whole batch, or one of them (or None) an input.
        function: (x, y, key) -> (x, y), in their place.
    """

    layers: tuple[tuple[str, Pipeline | None], ...] = ()
    function: Callable[..., Any] | None = None

    def mixes(self) -> bool:
        """Whether targets become shares of classes."""
        return any(part is not None and part.mixing for _, part in self.layers)

    def __call__(self, batch: dict[str, Any], keys: Tensor, losses: Sequence[nn.losses.Loss], widths: Sequence[int]) -> dict[str, Any]:
        """The changed batch.

        Args:
            batch: {"x", "y"} and perhaps {"weight"}.
            keys: one a sample.
            losses: of each target.
            widths: classes of each output.
        """
        if self.function is not None:
            made = self.function(batch["x"], batch["y"], random.fold_in(keys[0], 1))
            if not isinstance(made, tuple) or len(made) != 2:
                raise ArgumentError(
                    f"augment={_name(self.function)} returned {type(made).__name__}, expected (x, y)", fix="end it with: return x, y"
                )
            after = {**batch, "x": made[0], "y": made[1]}
        else:
            if self.mixes():
                pairs = zip(tree.leaves(batch["y"]), losses, widths, strict=True)
                batch = {**batch, "y": tree.unflatten(batch["y"], [_shares(*pair) for pair in pairs])}
            after = self._layered(batch, Draws(keys))
        _need_shapes(batch["x"], after["x"])
        return after

    def _layered(self, batch: dict[str, Any], draws: Draws) -> dict[str, Any]:
        if len(self.layers) == 1 and self.layers[0][0] == "":
            return self.layers[0][1].on_batch(draws, batch)  # type: ignore[union-attr]
        parts = {tree.format_path(path): value for path, value in tree.paths(batch["x"])}
        if [name for name, _ in self.layers] != list(parts):
            raise ArgumentError(
                f"augment has the parts {', '.join(name for name, _ in self.layers)}, but the inputs are {', '.join(parts)}",
                fix="give one list of layers, or None, for each input",
            )
        for name, part in self.layers:
            parts[name] = parts[name] if part is None else part.on_batch(draws.at(name), {"x": parts[name]})["x"]
        return {**batch, "x": tree.unflatten(batch["x"], list(parts.values()))}


def _shares(target: Tensor, loss: nn.losses.Loss, width: int) -> Tensor:
    """Class numbers as shares of classes; other whole numbers as real ones."""
    if isinstance(loss, SparseCategoricalCrossentropy) and target.dtype.is_integer:
        if loss.ignore_class is not None or loss.axis != -1:
            raise ArgumentError(
                "mixing samples needs a loss without ignore_class, with the classes on the last axis", fix="leave MixUp and CutMix out"
            )
        return one_hot(target, width, dtype="float32")
    return target if target.dtype.is_float else target.astype("float32")


def _need_shapes(before: Any, after: Any) -> None:
    old, new = ([(tree.format_path(p), v.shape) for p, v in tree.paths(x)] for x in (before, after))
    if old != new:
        name, shape = next((b for a, b in zip(old, new, strict=False) if a != b), ("", ()))
        raise ShapeError(
            f"augmentation made inputs {name} of the shape {shape}; in training they must keep the shape {dict(old).get(name, old)}",
            fix="a crop that changes the size belongs into the network, or give it the images' size and padding=",
        )


def augmenter_of(given: Any) -> Augmenter | None:
    """What `fit(augment=...)` was given.

    Args:
        given: None; a layer or a list of layers; a tuple or dict of them, one an input; or a function
            (x, y, key) -> (x, y) of Tensors.

    Raises:
        ArgumentError: anything else, or MixUp for one of several inputs.
    """
    if given is None or isinstance(given, Augmenter):
        return given
    whole = pipeline_of(given)
    if whole is not None:
        return Augmenter((("", whole),))
    if isinstance(given, (tuple, dict)):
        names = [(str(k), v) for k, v in enumerate(given)] if isinstance(given, tuple) else list(given.items())
        parts = []
        for name, part in names:
            made = None if part is None else pipeline_of(part)
            if (made is None and part is not None) or (made is not None and made.mixing):
                raise ArgumentError(f"augment of the input {name} is {part!r}", fix="give layers that change inputs alone, or None")
            parts.append((str(name), made))
        return Augmenter(tuple(parts))
    if callable(given):
        return Augmenter(function=given)
    raise ArgumentError(
        f"augment is a {type(given).__name__}, expected layers or a function (x, y, key) -> (x, y)",
        fix='e.g. augment=[nn.RandomFlip("horizontal"), nn.RandomRotation(0.05)]',
    )


def described(augmenter: Augmenter) -> Any:
    """An augmentation in plain values, to tell whether a resumed training has the same."""
    if augmenter.function is not None:
        return _name(augmenter.function)
    return [[name, None if part is None else nn.to_config(part)] for name, part in augmenter.layers]


def _name(function: Any) -> str:
    return str(getattr(function, "__qualname__", type(function).__name__))


def epoch_key(seed: int, epoch: int) -> Array:
    """The key from which the samples of an epoch get theirs."""
    return random.fold_in(random.fold_in(random.key(seed), 3), epoch)._values()


def preview(given: Any, x: Any, copies: int, *, seed: int = 0) -> Array:
    """Changed copies of samples, to look at.

    Args:
        given: as for `fit(augment=...)`, but no function; MixUp and CutMix mix the samples given.
        x: samples (N, ...).
        copies: of each.
        seed: of the random numbers.

    Returns:
        (N, copies, ...), as the network would get them in so many epochs.
    """
    augmenter = augmenter_of(given)
    if augmenter is None or augmenter.function is not None:
        raise ArgumentError("a preview takes layers", fix="e.g. nn.RandAugment()")
    tensor = asarray(x)
    numbers, pipeline = arange(tensor.shape[0]), augmenter.layers[0][1]
    assert pipeline is not None

    def change(values: Tensor, key: Tensor) -> Tensor:
        return pipeline.on_batch(Draws(sample_keys(key, numbers)), {"x": values, "y": zeros((values.shape[0], 1))})["x"]  # type: ignore

    run = jit(change)
    return np.stack([np.asarray(run(tensor, asarray(epoch_key(seed, epoch)))) for epoch in range(copies)], axis=1)
