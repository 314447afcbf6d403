"""Whether samples were trained on: a small sketch of the training part, kept in the model file. Above `text`.

Every encoded sample has a hash; the smallest ones of the training part are kept. Of other samples those with hashes below the
largest kept one are looked up: the share of them that is found is the share of all that were trained on.

Source: Broder, "On the resemblance and containment of documents", 1997.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from saltus.data.text import mix

Array = np.ndarray[Any, Any]

KEPT = 1_024  # hashes of a model
_WORDS = 128  # of eight bytes, that a hash of an array is made of
_STEP = np.uint64(0x9E3779B97F4A7C15)


def hashes(parts: Sequence[Array]) -> Array:
    """A 64-bit hash of each sample, uint64 (N,).

    Args:
        parts: arrays (N, ...): a sample's inputs and target.

    Example:
        >>> x = np.array([[1.0, 2.0], [3.0, 4.0], [1.0, 2.0]], "float32")
        >>> len(set(hashes([x, np.array([0, 1, 0])]).tolist()))
        2
    """
    made = np.zeros(len(parts[0]), np.uint64)
    for part in parts:
        flat = np.ascontiguousarray(part).reshape(len(part), -1).view(np.uint8).reshape(len(part), -1)
        words = -(-flat.shape[1] // 8)
        for place in range(0, words, max(1, -(-words // _WORDS))):
            piece = np.zeros((len(flat), 8), np.uint8)
            cut = flat[:, place * 8 : place * 8 + 8]
            piece[:, : cut.shape[1]] = cut
            with np.errstate(over="ignore"):
                made = mix(made * _STEP + piece.view("<u8")[:, 0] + np.uint64(place + 1))
    return made


def sketch(pieces: Iterable[Sequence[Array]]) -> str:
    """What a model keeps of its training part, as text; "" of none.

    Args:
        pieces: the samples, so many at a time, each as for `hashes`.
    """
    kept = np.zeros(0, np.uint64)
    for parts in pieces:
        kept = np.unique(np.concatenate([kept, hashes(parts)]))[:KEPT]
    return base64.b64encode(kept.astype("<u8").tobytes()).decode()


def share_seen(kept: str, parts: Sequence[Array]) -> float:
    """The share of samples that were trained on; an estimate, exact for few training samples.

    Args:
        kept: what `sketch` gave.
        parts: of some samples, as for `hashes`.

    Example:
        >>> x = np.arange(20.0)[:, None]
        >>> share_seen(sketch([[x[:10]]]), [x])
        0.5
    """
    known = np.frombuffer(base64.b64decode(kept), "<u8")
    found = hashes(parts)
    if len(known) >= KEPT:
        found = found[found <= known[-1]]
    return float(np.isin(found, known).mean()) if len(found) else 0.0
