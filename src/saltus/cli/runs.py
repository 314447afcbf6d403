"""Run folders: runs/<time>-<name>/ with what was asked, what was used, and what came out."""

from __future__ import annotations

import json
import os
import platform
import re
import sys
import tempfile
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from saltus.base import settings
from saltus.base.errors import DataError, StorageError

CONFIGURATION, ENVIRONMENT, HISTORY, DATA, MODEL, RESULT = (
    "config.json", "environment.json", "history.jsonl", "data.json", "model.saltus", "result.json",
)  # fmt: skip
CHECKPOINTS = "checkpoints"
FOLDS, TRIALS, STUDY = "folds.json", "trials.json", "study.db"


def new_folder(name: str, asked: str | None) -> Path:
    """Make the folder of a run.

    Raises:
        StorageError: it exists with something in it, or cannot be made.
    """
    clean = re.sub(r"[^A-Za-z0-9_.-]+", "-", name).strip("-.") or "run"
    folder = Path(asked) if asked else Path("runs") / f"{datetime.now():%Y%m%d-%H%M%S}-{clean}"
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


def write_json(path: Path, value: Any) -> None:
    """Write JSON; the file is replaced whole or not at all."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write text; the file is replaced whole or not at all.

    Raises:
        StorageError: the folder does not exist or is full.
    """
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(temporary, path)
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror}", fix="check that the folder exists and has room") from error


def read_json(path: Path) -> Any:
    """Read JSON.

    Raises:
        DataError: the file is missing or damaged.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise DataError(f"{path} is damaged: {error}") from error


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
        "threads": settings.threads(), "command": " ".join(["saltus", *sys.argv[1:]]), "started": f"{datetime.now():%Y-%m-%d %H:%M:%S}",
    }  # fmt: skip
