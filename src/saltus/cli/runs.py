"""Run folders: runs/<time>-<name>/ with what was asked, what was used, and what came out."""

from __future__ import annotations

import platform
import re
import shlex
import shutil
import sys
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from saltus.base import settings
from saltus.base.errors import DataError, StorageError
from saltus.report.run import (
    CHECKPOINTS,
    CONFIGURATION,
    CURVES,
    DATA,
    ENVIRONMENT,
    FOLDS,
    HISTORY,
    MODEL,
    OUT_OF_FOLD,
    PAGE,
    PREDICTIONS,
    PROFILE,
    RESULT,
    RUNS,
    STUDY,
    TRIALS,
    read_json,
    write_json,
    write_text,
)

__all__ = [
    "CHECKPOINTS", "CONFIGURATION", "CURVES", "DATA", "ENVIRONMENT", "FOLDS", "HISTORY", "MODEL", "OUT_OF_FOLD", "PAGE", "PREDICTIONS",
    "PROFILE", "RESULT", "STUDY", "TRIALS", "discard", "environment", "existing_folder", "new_folder", "read_json", "write_json",
    "write_text",
]  # fmt: skip


def new_folder(name: str, asked: str | None) -> Path:
    """Make the folder of a run.

    Raises:
        StorageError: it exists with something in it, or cannot be made.
    """
    clean = re.sub(r"[^A-Za-z0-9_.-]+", "-", name).strip("-.") or "run"
    folder = Path(asked) if asked else Path(RUNS) / f"{datetime.now():%Y%m%d-%H%M%S}-{clean}"
    if asked is None:
        stem, k = folder.name, 2
        while folder.exists():
            folder, k = folder.with_name(f"{stem}-{k}"), k + 1
    elif folder.is_dir() and any(folder.iterdir()):
        raise StorageError(f"the folder {folder} is not empty", fix="name another one, or resume it: --resume " + str(folder))
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"cannot make the folder {folder}: {error.strerror}", fix="choose another place with --out") from error
    return folder


def discard(folder: Path) -> None:
    """Take back the folder of a run that was refused before it trained anything."""
    if not any((folder / name).exists() for name in (CHECKPOINTS, MODEL)):
        shutil.rmtree(folder, ignore_errors=True)


def existing_folder(path: str) -> Path:
    """The folder of a run to go on with.

    Raises:
        DataError: there is none, or it was not written by `saltus fit`.
    """
    folder = Path(path)
    if folder.is_file():
        folder = folder.parent
    if not (folder / CONFIGURATION).is_file():
        raise DataError(f"{path} is not the folder of a run: it has no {CONFIGURATION}", fix="give the folder that `saltus fit` printed")
    return folder


def environment() -> dict[str, Any]:
    """What the run stands on: versions, machine, threads."""
    from saltus import __version__

    packages = {}
    for name in ("numpy", "llvmlite", "polars", "safetensors"):
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            packages[name] = "missing"
    return {
        "saltus": __version__, "python": platform.python_version(), "packages": packages,
        "system": f"{platform.system()} {platform.release()}", "processor": platform.processor() or platform.machine(),
        "threads": settings.threads(), "command": shlex.join(["saltus", *sys.argv[1:]]), "started": f"{datetime.now():%Y-%m-%d %H:%M:%S}",
    }  # fmt: skip
