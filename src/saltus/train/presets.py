"""Augmentations by name, for each kind of data: what `--augment` takes. Above `augment`, below `fitted`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from saltus import nn
from saltus.base.errors import ArgumentError, unknown_name
from saltus.data.oversample import smote

Make = Callable[[], list[nn.Layer]]

_NUMBERS: dict[str, Make] = {
    "noise": lambda: [nn.RandomNoise(0.1)],
    "scaling": lambda: [nn.RandomScaling(0.1)],
    "features": lambda: [nn.RandomFeatureDropout(0.1)],
    "mixup": lambda: [nn.MixUp(0.2)],
}

PRESETS: dict[str, dict[str, Make]] = {
    "images": {
        "light": lambda: [nn.RandomTranslation(0.08, 0.08, interpolation="nearest")],
        "standard": lambda: [
            nn.RandomFlip("horizontal"), nn.RandomTranslation(0.08, 0.08), nn.RandomRotation(0.03), nn.RandomZoom(0.1),
            nn.RandomBrightness(0.1), nn.RandomContrast(0.2),
        ],
        "color": lambda: [nn.RandomColorJitter(0.2, 0.2, 0.2, 0.05)],
        "erasing": lambda: [nn.RandomErasing(0.5)],
        "elastic": lambda: [nn.RandomElasticTransform(0.5)],
        "randaugment": lambda: [nn.RandAugment(factor=0.3)],
        "trivial": lambda: [nn.TrivialAugment()],
        "augmix": lambda: [nn.AugMix()],
        "mixup": lambda: [nn.MixUp(0.2)],
        "cutmix": lambda: [nn.CutMix()],
    },
    "table": _NUMBERS,
    "series": {name: _NUMBERS[name] for name in ("noise", "scaling")},
    "text": {
        "deletion": lambda: [nn.RandomTokenDeletion(0.1)],
        "swap": lambda: [nn.RandomTokenSwap(0.1)],
        "insertion": lambda: [nn.RandomTokenInsertion(0.1)],
        "cutoff": lambda: [nn.RandomTokenCutoff(0.1)],
        "standard": lambda: [nn.RandomTokenDeletion(0.1), nn.RandomTokenInsertion(0.05), nn.RandomTokenSwap(0.05)],
    },
}  # fmt: skip

BEFORE = {"table": ("smote",)}  # made once from the training rows, before the training
NONE = "none"


def names(kind: str) -> list[str]:
    """What `--augment` takes for a kind of data.

    Example:
        >>> names("series")
        ['none', 'noise', 'scaling']
    """
    return [NONE, *PRESETS.get(kind, {}), *BEFORE.get(kind, ())]


def wanted(kind: str, given: Any) -> tuple[list[str], Any]:
    """What is done before the training, and what in it.

    Args:
        kind: of the data.
        given: names with commas between, such as "standard,mixup"; or what `fit(augment=...)` takes.

    Raises:
        UnknownNameError: no such augmentation for this kind of data.
    """
    if not isinstance(given, str):
        return [], given
    layers: list[nn.Layer] = []
    before = []
    for word in filter(None, (part.strip() for part in given.split(","))):
        if word not in names(kind):
            error = unknown_name(f"augmentation of the kind {kind}", word, names(kind))
            error.fix = f"{error.fix} (there are {', '.join(names(kind))})"
            raise error
        if word in BEFORE.get(kind, ()):
            before.append(word)
        elif word != NONE:
            layers += PRESETS[kind][word]()
    return before, layers or None


def prepared(kind: str, given: Any, inputs: Any, target: Any, seed: int) -> tuple[Any, Any, Any]:
    """Inputs and targets of the training part, and the augmentation of the training.

    Args:
        kind, given: as for `wanted`.
        inputs, target: encoded.
        seed: of what is made before.
    """
    before, change = wanted(kind, given)
    if "smote" in before:
        if not isinstance(inputs, np.ndarray) or inputs.ndim != 2 or inputs.dtype.kind != "f":
            raise ArgumentError(
                "smote makes rows up between rows of numbers, but this table has categories or texts",
                fix="leave these columns out, or use balanced=true, which weighs rare classes instead",
            )
        if np.asarray(target).dtype.kind not in "iu":
            raise ArgumentError("smote makes rows of rare classes, but the target is a number", fix="use noise or mixup")
        inputs, target = smote(inputs, target, seed=seed)
    return inputs, target, change
