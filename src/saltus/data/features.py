"""What the encoders of all kinds of columns have in common: their choices, their results, their form. Below `encode` and
`image_column`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from saltus.data.column import ColumnPlan, ParsedColumn
from saltus.data.records import Change
from saltus.data.tokens import MOST_FEATURES


@dataclass(frozen=True)
class EncodeOptions:
    """Choices for all columns: see `TableEncoder`."""

    max_categories: int = 10_000
    rare_share: float = 0.0005
    text_width: int = 128
    tokenizer: str = ""
    tokenizer_size: int = 8_000
    grams: int = 2
    longest: int = 400
    most_words: int = MOST_FEATURES
    ordered: bool = False
    image_size: tuple[int, int] | None = None
    skip_corrupt: bool = False


@dataclass
class Features:
    """What one column becomes.

    Attributes:
        numbers: name -> float array (N,), or (N, W) for W features of one name.
        categories: name -> int32 codes (N,) and the number of codes there are.
        texts: name -> int32 numbers of words (N, length), 0 filling up, and how many numbers there are.
        images: name -> uint8 pixels (N, height, width, channels).
        notes: what was noticed.
    """

    numbers: dict[str, np.ndarray] = field(default_factory=dict)
    categories: dict[str, tuple[np.ndarray, int]] = field(default_factory=dict)
    texts: dict[str, tuple[np.ndarray, int]] = field(default_factory=dict)
    images: dict[str, np.ndarray] = field(default_factory=dict)
    notes: tuple[Change, ...] = ()


class Encoder(Protocol):
    """A fitted encoder of one column."""

    plan: ColumnPlan

    def encode(self, column: ParsedColumn) -> Features: ...
    def treatment(self) -> str: ...
    def to_config(self) -> dict[str, Any]: ...
