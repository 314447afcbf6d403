"""What the figures were measured on, and how much a system takes up on disk."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from pathlib import Path

from harness.process import CORES

# Run by each interpreter: the size of a distribution and of all it requires, from the records pip keeps.
SIZE_OF_DISTRIBUTION = r"""
import importlib.metadata as metadata, importlib.util, pathlib, re, sys
def name_of(requirement):
    return re.split(r"[\s;\[<>=!~(]", requirement, maxsplit=1)[0].lower().replace("_", "-")
def size(path):
    try: return path.stat().st_size
    except OSError: return 0
waiting, seen, total = [sys.argv[1]], set(), 0
while waiting:
    name = waiting.pop()
    if name in seen: continue
    seen.add(name)
    try: found = metadata.distribution(name)
    except metadata.PackageNotFoundError: continue
    total += sum(size(pathlib.Path(found.locate_file(file))) for file in found.files or ())
    waiting += [name_of(r) for r in found.requires or () if "extra ==" not in r.replace("'", '"')]
    editable = "editable" in (found.read_text("direct_url.json") or "")
    if editable:
        root = pathlib.Path(importlib.util.find_spec(name).origin).parent
        total += sum(size(path) for path in root.rglob("*") if path.is_file())
if len(seen) == 1 and not total: sys.exit(1)
print(total)
"""


def busy_cores(seconds: float = 2.0) -> float:
    """How many cores programs keep busy just now, this one asleep; the mean of the last minute where the system does not count them.

    The mean alone would blame what ran before, an earlier part of the same measurement for one.
    """
    statistics = Path("/proc/stat")
    if not statistics.exists():
        return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else 0.0

    def working() -> int:
        fields = [int(n) for n in statistics.read_text().splitlines()[0].split()[1:9]]
        return sum(fields) - fields[3] - fields[4]  # all but idle and waiting for disks

    before = working()
    time.sleep(seconds)
    return round((working() - before) / os.sysconf("SC_CLK_TCK") / seconds, 2)


def installed_bytes(python: str, distribution: str) -> int | None:
    """Bytes on disk of a distribution with everything it requires, or None when it is not installed there."""
    arguments = [python, "-c", SIZE_OF_DISTRIBUTION, distribution]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    return int(done.stdout) if done.returncode == 0 else None


def processor() -> str:
    """The processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def vector_extension() -> str:
    """The widest vector instructions the processor has, as far as the system tells."""
    try:
        flags = set(Path("/proc/cpuinfo").read_text().split())
    except OSError:
        return "unknown"
    widest = [name for name in ("avx512f", "avx2", "asimd") if name in flags]
    return widest[0] if widest else "unknown"


def describe() -> dict:
    """The machine as results.json keeps it."""
    return {
        "processor": processor(),
        "vectors": vector_extension(),
        "architecture": platform.machine(),
        "cores": os.cpu_count(),
        "cores_used": CORES,
        "system": platform.system(),
        "python": platform.python_version(),
    }
