"""Slips of the keyboard and of text recognition, for training on what people and scanners write. Works on strings, before tokenising."""

from __future__ import annotations

import math

import numpy as np

from saltus.base.errors import ArgumentError

_ROWS = ("1234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm")
_SHIFTS = (0.0, 0.5, 0.75, 1.25)  # of the rows of keys, in widths of a key

# What looks alike in print, both ways.
_ALIKE = (
    ("0", "O"), ("0", "o"), ("1", "l"), ("1", "I"), ("l", "I"), ("5", "S"), ("8", "B"), ("2", "Z"), ("6", "G"), ("rn", "m"), ("cl", "d"),
    ("vv", "w"), ("c", "e"), ("u", "v"), ("h", "b"), ("n", "ri"), ("i", "j"), ("f", "t"), ("g", "q"), (",", "."), ("li", "h"),
)  # fmt: skip


def _keys() -> dict[str, str]:
    """Neighbours of each key: those less than one and a half keys away."""
    rows = enumerate(zip(_ROWS, _SHIFTS, strict=True))
    places = {key: (column + shift, row) for row, (keys, shift) in rows for column, key in enumerate(keys)}
    near = {a: "".join(b for b in places if a != b and math.dist(places[a], places[b]) < 1.3) for a in places}
    return near | {key.upper(): value.upper() for key, value in near.items() if key.isalpha()}


def _looks() -> dict[str, tuple[str, ...]]:
    made: dict[str, list[str]] = {}
    for one, other in _ALIKE:
        made.setdefault(one, []).append(other)
        made.setdefault(other, []).append(one)
    return {key: tuple(value) for key, value in made.items()}


NEAR_KEYS = _keys()
LOOK_ALIKES = _looks()


def keyboard_typos(text: str, rate: float = 0.02, *, seed: int = 0) -> str:
    """A text as hurried fingers type it.

    Each letter may become a key beside it, be left out, come twice, or change places with the next one.

    Args:
        text: any text; what is not on the keys stays.
        rate: share of the letters that are hit.
        seed: the same seed and text give the same slips.

    Example:
        >>> keyboard_typos("a quick brown fox", rate=0.0)
        'a quick brown fox'
        >>> keyboard_typos("a quick brown fox", 0.3) != "a quick brown fox"
        True
    """
    rng, made, place = _drawn(text, rate, seed), [], 0
    while place < len(text):
        letter = text[place]
        if letter not in NEAR_KEYS or rng.random() >= rate:
            made.append(letter)
            place += 1
            continue
        kind, following = int(rng.integers(4)), text[place + 1 : place + 2]
        if kind == 0:
            made.append(NEAR_KEYS[letter][int(rng.integers(len(NEAR_KEYS[letter])))])
        elif kind == 1:
            made.append(letter * 2)
        elif kind == 2 and following in NEAR_KEYS and following:
            made.append(following + letter)
            place += 1
        # otherwise the letter is left out
        place += 1
    return "".join(made)


def recognition_typos(text: str, rate: float = 0.02, *, seed: int = 0) -> str:
    """A text as a scanner reads it: letters and pairs of letters become others that look alike.

    Args:
        text: any text.
        rate: share of the letters with a look-alike that are misread.
        seed: the same seed and text give the same slips.

    Example:
        >>> recognition_typos("www", 1.0)
        'vvvvvv'
    """
    rng, made, place = _drawn(text, rate, seed), [], 0
    while place < len(text):
        found = next((text[place : place + n] for n in (2, 1) if text[place : place + n] in LOOK_ALIKES), text[place])
        choices = LOOK_ALIKES.get(found)
        if choices is not None and rng.random() < rate:
            made.append(choices[int(rng.integers(len(choices)))])
        else:
            found = text[place]
            made.append(found)
        place += len(found)
    return "".join(made)


def _drawn(text: str, rate: float, seed: int) -> np.random.Generator:
    if not 0 <= rate <= 1:
        raise ArgumentError(f"rate must be a share from 0 to 1, got {rate!r}")
    return np.random.default_rng([seed, len(text), *text.encode()[:64]])
