"""Resident memory of this process, as the kernel counts it."""

from __future__ import annotations

import gc
from contextlib import suppress
from pathlib import Path

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def _status(field: str) -> int | None:
    try:
        text = STATUS.read_text()
    except OSError:
        return None
    line = next(line for line in text.splitlines() if line.startswith(field + ":"))
    return int(line.split()[1]) * 1024


class Growth:
    """The peak of resident memory from now on, above what is resident now; None where nobody tells."""

    def __init__(self) -> None:
        gc.collect()
        with suppress(OSError):
            CLEAR.write_text("5")  # the peak starts again from the present size
        self.start = _status("VmRSS")

    def peak(self) -> int | None:
        highest = _status("VmHWM")
        return None if highest is None or self.start is None else highest - self.start
