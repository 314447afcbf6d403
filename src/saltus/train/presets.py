"""Augmentations by name, for each kind of data: what `--augment` takes. Above `augment`, below `fitted`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from saltus import nn
from saltus.base.errors import ArgumentError, unknown_name
from saltus.data.decode import Form
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
        "standard": lambda: _made("images", STANDARD),
        "light": lambda: [nn.RandomTranslation(0.08, 0.08, interpolation="nearest")],
        "shift": lambda: [nn.RandomTranslation(0.05, 0.05, fill_mode="nearest", interpolation="nearest")],
        "mirror": lambda: [nn.RandomFlip("horizontal")],
        "turn": lambda: [nn.RandomRotation(0.02), nn.RandomZoom(0.08)],
        "tone": lambda: [nn.RandomBrightness(0.1), nn.RandomContrast(0.15)],
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

STANDARD = ("shift", "mirror", "turn", "tone")  # of images; `standard` leaves out what does not suit them
_SMALL = 48  # pixels of the longer side below which turning would blur what there is to see
BEFORE = {"table": ("smote",)}  # made once from the training rows, before the training
NONE = "none"


def names(kind: str) -> list[str]:
    """What `--augment` takes for a kind of data.

    Example:
        >>> names("series")
        ['none', 'noise', 'scaling']
    """
    return [NONE, *PRESETS.get(kind, {}), *BEFORE.get(kind, ())]


def standard(form: Form, classes: Sequence[Any]) -> tuple[tuple[str, ...], str]:
    """The augmentations of images that `standard` stands for: those that leave the class what it is.

    Args:
        form: of the images.
        classes: their labels.

    Returns:
        Their names, and why others are left out.

    Example:
        >>> standard(Form(28, 28, 1), range(10))[0]
        ('shift',)
    """
    signs = all(len(str(label)) <= 2 for label in classes)
    without = {
        "mirror": "grey images may show signs, whose mirror images mean something else" * (form.channels == 1)
        or "classes named like digits or letters may be signs, whose mirror images mean something else" * (bool(classes) and signs),
        "turn": "turning blurs small images" * (max(form.height, form.width) < _SMALL),
        "tone": "grey images differ by their brightness" * (form.channels == 1),
    }
    names = tuple(name for name in STANDARD if not without.get(name))
    return names, "; ".join(f"no {name}: {why}" for name, why in without.items() if why)


def suited(given: Any, form: Form, classes: Sequence[Any] = ()) -> tuple[Any, str]:
    """What `augment` was given for images, with `standard` spelled out, and what to say of that."""
    words = [part.strip() for part in given.split(",")] if isinstance(given, str) else []
    if "standard" not in words:
        return given, ""
    chosen, why = standard(form, classes)
    spelled = [name for word in words for name in (chosen if word == "standard" else (word,))]
    said = f"augmentation standard is {', '.join(chosen)}" + (f" ({why}; add what does no harm here by its name)" if why else "")
    return ",".join(dict.fromkeys(spelled)), said


def _made(kind: str, chosen: Sequence[str]) -> list[nn.Layer]:
    return [layer for name in chosen for layer in PRESETS[kind][name]()]


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
