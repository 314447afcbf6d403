"""Layer of reports. In: the folder of a run. Out: one self-contained page on it; and, at the end of a fit, the small files
that the page needs. Knows nothing of command lines.

The package itself can be called: `saltus.report(folder)` is `write_report(folder)`.
"""

from __future__ import annotations

import sys as _sys
from pathlib import Path as _Path
from types import ModuleType as _ModuleType

from saltus.report.keep import Keeper
from saltus.report.page import write_report
from saltus.report.run import Run, newest

__all__ = ["Keeper", "Run", "newest", "write_report"]


class _Package(_ModuleType):
    """A module that can be called; see "Customizing module attribute access" in Python's data model."""

    def __call__(self, run: str | _Path | None = None, path: str | _Path | None = None) -> _Path:
        return write_report(run, path)


_sys.modules[__name__].__class__ = _Package
