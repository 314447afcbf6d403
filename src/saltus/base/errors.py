"""Every error a user can meet, as one tree; the lowest layer.

    SaltusError
    ├── ShapeError(ValueError)      shapes do not fit
    │   └── AxisError(IndexError)   an axis does not exist
    ├── DTypeError(TypeError)       element types do not fit
    ├── ArgumentError(ValueError)   an argument has a value that cannot be used
    ├── IndexingError(IndexError)   an index lies outside its axis, or is none
    ├── TracingError(TypeError)     the value of a Tensor was needed where only its shape and type are known
    ├── UnknownNameError(ValueError) a name is not known; carries the nearest ones
    ├── GradientError(ValueError)   a derivative was asked for that does not exist
    ├── DataError(ValueError)       a file, row, column or label cannot be used
    ├── ModelFileError(ValueError)  a model file or checkpoint is damaged or foreign
    ├── StorageError(OSError)       the disk is full or a file cannot be written
    └── EngineError(RuntimeError)   saltus itself failed: a bug of ours, with what is needed to report it

A message has up to four parts: what is wrong, what was expected and what came, the user's line, and the likeliest fix.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class SaltusError(Exception):
    """Base of all errors saltus raises on purpose.

    Args:
        what: one sentence with the layer, argument, file, row or column, what was expected and what came.
        site: the user's own line, "file.py:12", when it is known.
        fix: the likeliest remedy, one sentence.
    """

    def __init__(self, what: str, *, site: str | None = None, fix: str | None = None) -> None:
        self.what, self.site, self.fix = what, site, fix
        super().__init__(what)

    def __str__(self) -> str:
        parts = [self.what]
        if self.site:
            parts.append(f"  made at: {self.site}")
        if self.fix:
            parts.append(f"  fix: {self.fix}")
        return "\n".join(parts)


class ShapeError(SaltusError, ValueError):
    """Shapes do not fit together."""


class AxisError(ShapeError, IndexError):
    """An axis does not exist."""


class DTypeError(SaltusError, TypeError):
    """Element types do not fit together."""


class ArgumentError(SaltusError, ValueError):
    """An argument has a value that cannot be used."""


class IndexingError(SaltusError, IndexError):
    """An index lies outside its axis, or is not one."""


class TracingError(SaltusError, TypeError):
    """The value of a Tensor was needed while a program is being captured, when only its shape and type are known."""


class UnknownNameError(SaltusError, ValueError):
    """A name that saltus does not know; the nearest known names are in the message."""


class GradientError(SaltusError, ValueError):
    """A derivative was asked for that does not exist."""


class DataError(SaltusError, ValueError):
    """A file, row, column or label cannot be used."""


class ModelFileError(SaltusError, ValueError):
    """A model file or checkpoint is damaged, or was not written by saltus."""


class StorageError(SaltusError, OSError):
    """The disk is full, or a file cannot be read or written."""


class EngineError(SaltusError, RuntimeError):
    """A fault of saltus, not of its user."""


def nearest(name: str, known: Iterable[str], count: int = 3) -> list[str]:
    """The known names closest to `name`, best first."""
    table = {k.lower(): k for k in known}
    return [table[k] for k in difflib.get_close_matches(name.lower(), list(table), n=count, cutoff=0.4)]


def unknown_name(kind: str, name: object, known: Iterable[str]) -> UnknownNameError:
    """The error for a name that is not among `known`, e.g. unknown_name("activation", "rleu", names)."""
    known = sorted(known)
    close = nearest(str(name), known)
    fix = f"did you mean {' or '.join(repr(c) for c in close)}?" if close else f"use one of: {', '.join(known)}"
    return UnknownNameError(f"unknown {kind} {name!r}", fix=fix)
