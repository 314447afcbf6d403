"""Ctrl-C and SIGTERM during a training: the running call ends, a checkpoint is written, then the training
stops. A low file of `train`.
"""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any


class Interrupted(KeyboardInterrupt):
    """A training was stopped by Ctrl-C or SIGTERM, in good order.

    Attributes:
        checkpoint: file to resume from, or None.
    """

    def __init__(self, what: str, checkpoint: Any = None) -> None:
        super().__init__(what)
        self.checkpoint = checkpoint


class Signals:
    """Notes Ctrl-C and SIGTERM while its block runs; a second Ctrl-C ends at once.

    Attributes:
        caught: name of the signal that came, or None.
    """

    def __init__(self) -> None:
        self.caught: str | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Signals:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._note)
        return self

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.caught is not None:
            self._restore()
            raise KeyboardInterrupt
        self.caught = signal.Signals(number).name

    def _restore(self) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)
        self._before = {}

    def __exit__(self, *_: object) -> None:
        self._restore()
