"""What a user sees of a training: a bar on a terminal, plain lines elsewhere, nothing when not wanted. A low
file of `train`.

A reporter is told of the same events as callbacks are. Rich is loaded when a bar is first drawn.
"""

from __future__ import annotations

import math
import sys
import time
from typing import Any, Protocol, TextIO

from saltus.train.plan import TrainingPlan
from saltus.train.record import History

_OFTEN = 0.2  # seconds between two lines, where epochs are quicker than a reader
_SLOW = 10.0  # seconds after which an epoch under way gets a line of its own

Logs = dict[str, Any]


class Reporter(Protocol):
    """Tells a user how a training goes."""

    def begin(self, plan: TrainingPlan, done: int) -> None: ...
    def wants_progress(self) -> bool: ...
    def progress(self, epoch: int, position: int, logs: Logs) -> None: ...
    def epoch_end(self, epoch: int, logs: Logs) -> None: ...
    def end(self, words: str = "") -> None: ...


class Silent:
    """Says nothing."""

    def begin(self, plan: TrainingPlan, done: int) -> None:
        pass

    def wants_progress(self) -> bool:
        return False

    def progress(self, epoch: int, position: int, logs: Logs) -> None:
        pass

    def epoch_end(self, epoch: int, logs: Logs) -> None:
        pass

    def end(self, words: str = "") -> None:
        pass


def figures(logs: Logs) -> str:
    """Loss and metrics as text: "loss 0.1234  accuracy 0.9000"."""
    skip = ("learning_rate", "seconds", "epoch")
    return "  ".join(
        f"{name} {value:.4f}" if abs(value) < 1e4 else f"{name} {value:.4g}" for name, value in logs.items() if name not in skip
    )


def duration(seconds: float) -> str:
    """Seconds as a short text.

    >>> duration(0.25), duration(75), duration(7260)
    ('0.2 s', '1:15', '2:01:00')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def lost(history: History) -> str:
    """What to look at when the loss stopped being a number; empty while it is one.

    Example:
        >>> history = History()
        >>> history.append({"epoch": 1, "loss": 0.5})
        >>> history.append({"epoch": 2, "loss": float("nan")})
        >>> lost(history).splitlines()[0]
        'the loss is nan since epoch 2. Look at:'
    """
    bad = next((r for r in history.records if not math.isfinite(r.get("loss", 0.0))), None)
    if bad is None:
        return ""
    return (
        f"the loss is {bad['loss']} since epoch {bad['epoch']}. Look at:\n"
        "- the learning rate: try a tenth of it, or clip gradients (the optimizer's global_clipnorm=1.0)\n"
        "- the inputs: numbers far from 0 want scaling; an index beyond an Embedding's input_dim gives nan\n"
        "- own losses and layers: logarithms, roots and quotients near 0\n"
        "the callback sl.train.TerminateOnNaN() ends a training there"
    )


class _Clock:
    """Samples a second and the time that is left, by the epochs of late; compiling does not count."""

    def begin(self, plan: TrainingPlan, done: int) -> None:
        self.plan, self.started = plan, time.monotonic()
        self.shown = -1e9
        self._seconds = 0.0  # of an epoch
        self._since, self._from = self.started, done  # when and where the running epoch was first seen

    def pace(self, epoch: int, position: int, seconds: float | None = None) -> tuple[float, float]:
        """(samples a second, seconds left).

        Args:
            epoch, position: batches done.
            seconds: of the epoch, when it is over.
        """
        iterations, now = self.plan.iterations, time.monotonic()
        done = epoch * iterations + position
        if seconds is not None:
            self._seconds = seconds if not self._seconds else 0.7 * self._seconds + 0.3 * seconds
            self._since, self._from = now, done
        guess = (now - self._since) / max(done - self._from, 1) * iterations
        each = self._seconds or max(guess, 1e-9)
        return self.plan.samples / max(each, 1e-9), each / iterations * (self.plan.updates - done)

    def due(self, seconds: float) -> bool:
        """Whether so much time has passed since something was shown."""
        now = time.monotonic()
        if now - self.shown < seconds:
            return False
        self.shown = now
        return True


class Lines(_Clock):
    """A line an epoch.

    Args:
        stream: where to write.
        every: every epoch gets its line; otherwise quick ones only now and then.
    """

    def __init__(self, stream: TextIO, *, every: bool) -> None:
        self.stream, self.every = stream, every

    def begin(self, plan: TrainingPlan, done: int) -> None:
        super().begin(plan, done)
        self._left = ""

    def wants_progress(self) -> bool:
        return time.monotonic() - max(self.shown, self.started) >= _SLOW

    def progress(self, epoch: int, position: int, logs: Logs) -> None:
        self.due(0.0)
        rate, left = self.pace(epoch, position)
        self._say(
            f"epoch {epoch + 1}/{self.plan.epochs}  {position}/{self.plan.iterations}  {figures(logs)}  "
            f"{rate:,.0f} samples/s  {duration(left)} left"
        )

    def epoch_end(self, epoch: int, logs: Logs) -> None:
        rate, left = self.pace(epoch + 1, 0, logs["seconds"])
        more = f"  {duration(left)} left" if epoch + 1 < self.plan.epochs else ""
        line = f"epoch {epoch + 1}/{self.plan.epochs}  {figures(logs)}  {rate:,.0f} samples/s{more}"
        if self.every or self.due(_OFTEN):
            self._left = ""
            self._say(line)
        else:
            self._left = line

    def end(self, words: str = "") -> None:
        if self._left:
            self._say(self._left)
        if words:
            self._say(words)

    def _say(self, line: str) -> None:
        print(line, file=self.stream, flush=True)


class Bar(_Clock):
    """A bar with loss, metrics, samples a second and the time that is left; epochs leave their lines above
    it.
    """

    def begin(self, plan: TrainingPlan, done: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        super().begin(plan, done)
        self._left = ""
        self._drawn = 0.0
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.completed:.0f}/{task.total:.0f}"),
            TextColumn("{task.fields[figures]}", markup=False),
            TextColumn("{task.fields[rate]}"),
            console=Console(file=sys.stderr),
            auto_refresh=False,
            transient=True,
        )
        self._task = self._bar.add_task("", total=plan.iterations, figures="", rate="")
        self._bar.start()

    def wants_progress(self) -> bool:
        return time.monotonic() - self._drawn >= 0.1

    def progress(self, epoch: int, position: int, logs: Logs) -> None:
        self._drawn = time.monotonic()
        rate, left = self.pace(epoch, position)
        self._bar.update(
            self._task,
            description=f"epoch {epoch + 1}/{self.plan.epochs}",
            completed=position,
            figures=figures(logs),
            rate=f"{rate:,.0f} samples/s  {duration(left)} left",
            refresh=True,
        )

    def epoch_end(self, epoch: int, logs: Logs) -> None:
        rate, _ = self.pace(epoch + 1, 0, logs["seconds"])
        self._left = f"epoch {epoch + 1}/{self.plan.epochs}  {figures(logs)}  {rate:,.0f} samples/s  {duration(logs['seconds'])}"
        if self.due(_OFTEN):
            self._flush()
        if self.wants_progress():
            self.progress(epoch, self.plan.iterations, logs)

    def _flush(self) -> None:
        if self._left:
            self._bar.console.print(self._left, highlight=False, markup=False)
            self._left = ""

    def end(self, words: str = "") -> None:
        self._flush()
        self._bar.stop()
        if words:
            self._bar.console.print(words, highlight=False, markup=False)


def reporter(verbose: int | str) -> Reporter:
    """The reporter for a level: 0 silent, 1 a bar on a terminal and lines elsewhere, 2 a line for every
    epoch, "auto" as 1.
    """
    if verbose == 0:
        return Silent()
    if verbose == 2:
        return Lines(sys.stdout, every=True)
    return Bar() if sys.stderr.isatty() else Lines(sys.stdout, every=False)
