"""The environment switches of saltus, all of them; the lowest layer.

SALTUS_THREADS      worker threads of the native engine (default: the cores this process may use)
SALTUS_CACHE        folder for machine code; "off" keeps nothing (default: the user's cache folder)
SALTUS_VECTOR_BITS  register width kernels are written for: 512, 256 or 128 (default: the CPU's)
SALTUS_SHOW         print a stage of each program compiled: graph, groups, loops, llvm, asm or plan
SALTUS_VERIFY       1 checks every graph and plan between passes
SALTUS_BACKEND      engine for programs: native, reference or xla
"""

from __future__ import annotations

import functools
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from saltus.base.errors import ArgumentError


def _whole(name: str, low: int, high: int) -> int | None:
    text = os.environ.get(name)
    if not text:
        return None
    try:
        value = int(text)
    except ValueError:
        value = low - 1
    if not low <= value <= high:
        raise ArgumentError(f"{name} must be a whole number from {low} to {high}, got {text!r}")
    return value


def _quota() -> float | None:
    """Cores granted by the control group this process runs in, if it is limited."""
    try:
        limit, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return None if limit == "max" else int(limit) / int(period)
    except (OSError, ValueError):
        pass
    try:
        folder = Path("/sys/fs/cgroup/cpu")
        limit_us = int((folder / "cpu.cfs_quota_us").read_text())
        return None if limit_us <= 0 else limit_us / int((folder / "cpu.cfs_period_us").read_text())
    except (OSError, ValueError):
        return None


@functools.cache
def available_cores() -> int:
    """Cores this process may use: affinity and control group quota respected."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _quota()
    return max(1, min(cores, int(quota + 0.5)) if quota else cores)


def threads() -> int:
    """Worker threads of the native engine."""
    return _whole("SALTUS_THREADS", 1, 256) or available_cores()


class Crowd:
    """Threads of Python that compute at the same time, each on a core of its own.

    Attributes:
        active: how many of them are at work.
    """

    def __init__(self) -> None:
        self.active = 0
        self._lock = threading.Lock()

    @contextmanager
    def member(self) -> Iterator[None]:
        """Count this thread in while the block runs."""
        before, _here.crowd = _here.crowd, self
        with self._lock:
            self.active += 1
        try:
            yield
        finally:
            with self._lock:
                self.active -= 1
            _here.crowd = before


class _Here(threading.local):
    crowd: Crowd | None = None


_here = _Here()


def crowd() -> Crowd | None:
    """The crowd this thread belongs to."""
    return _here.crowd


def crowded() -> bool:
    """Whether this thread should leave the other cores to other threads of its crowd."""
    return _here.crowd is not None and _here.crowd.active > 1


def vector_bits() -> int | None:
    """A forced register width, or None for the CPU's own."""
    value = _whole("SALTUS_VECTOR_BITS", 128, 512)
    if value not in (None, 128, 256, 512):
        raise ArgumentError(f"SALTUS_VECTOR_BITS must be 128, 256 or 512, got {value}")
    return value


def cache_folder() -> Path | None:
    """Where machine code is kept, or None when that is switched off."""
    text = os.environ.get("SALTUS_CACHE")
    if text == "off":
        return None
    if text:
        return Path(text)
    if sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    elif sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", str(Path.home())))
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "saltus" / "code"


SHOWN = ("graph", "groups", "loops", "llvm", "asm", "plan")


def show() -> frozenset[str]:
    """Stages to print for each program compiled."""
    text = os.environ.get("SALTUS_SHOW", "")
    stages = frozenset(s.strip() for s in text.split(",") if s.strip())
    if unknown := stages - set(SHOWN):
        raise ArgumentError(f"SALTUS_SHOW knows {', '.join(SHOWN)}; got {', '.join(sorted(unknown))}")
    return stages


def verify() -> bool:
    """Whether graphs and plans are checked between passes."""
    return os.environ.get("SALTUS_VERIFY", "") not in ("", "0")


def backend() -> str:
    """Engine for programs."""
    name = os.environ.get("SALTUS_BACKEND", "native")
    if name not in ("native", "reference", "xla"):
        raise ArgumentError(f"SALTUS_BACKEND must be native, reference or xla, got {name!r}")
    return name
