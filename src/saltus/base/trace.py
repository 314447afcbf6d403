"""The user's own line: which call outside saltus led here; the lowest layer."""

from __future__ import annotations

import os
import sys
from pathlib import Path

_ROOT = str(Path(__file__).resolve().parent.parent) + os.sep


def call_site() -> tuple[str, int]:
    """File and line of the innermost frame outside saltus (cheap: no frame summary is built)."""
    frame = sys._getframe(1)
    last = frame
    while frame is not None:
        if not frame.f_code.co_filename.startswith(_ROOT):
            return frame.f_code.co_filename, frame.f_lineno
        last, frame = frame, frame.f_back  # type: ignore[assignment]
    return last.f_code.co_filename, last.f_lineno


def format_site(site: tuple[str, int] | None) -> str | None:
    """ "file.py:12" for messages."""
    return f"{site[0]}:{site[1]}" if site else None
