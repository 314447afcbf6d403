"""The user's own line: which call outside saltus led here; the lowest layer."""

from __future__ import annotations

import os
import sys
from pathlib import Path

_ROOT = str(Path(__file__).resolve().parent.parent) + os.sep
_own: set[str] = set()  # file names of saltus met so far: to find one here is quicker than to compare its beginning


def call_site() -> tuple[str, int]:
    """File and line of the innermost frame outside saltus (cheap: no frame summary is built)."""
    frame = sys._getframe(1)
    last = frame
    while frame is not None:
        name = frame.f_code.co_filename
        if name not in _own:
            if not name.startswith(_ROOT):
                return name, frame.f_lineno
            _own.add(name)
        last, frame = frame, frame.f_back  # type: ignore[assignment]
    return last.f_code.co_filename, last.f_lineno


def format_site(site: tuple[str, int] | None) -> str | None:
    """ "file.py:12" for messages."""
    return f"{site[0]}:{site[1]}" if site else None
