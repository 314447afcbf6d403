"""Independent trainings side by side, one network a core, with every compiled program shared between them; a low
file of `train`.

Each job runs on a thread of its own; native calls leave Python's lock, so the cores are busy. The result of a
job does not depend on what runs beside it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from saltus.base import settings
from saltus.base.errors import ArgumentError
from saltus.train.callbacks import Callback
from saltus.train.program import Library, using

Result = TypeVar("Result")


class Halt(Callback):
    """Ends the trainings it is given to when somebody says so, within one native call.

    Attributes:
        why: the reason, or "" while they go on.
    """

    def __init__(self) -> None:
        self.why = ""
        self.model: Any = None

    def on_progress(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self._look()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any]) -> None:
        self._look()

    def _look(self) -> None:
        if self.why:
            self.model.stop_training = self.why

    def own(self) -> Halt:
        """A callback for one training that ends when this one says so."""
        return _Follower(self)


class _Follower(Halt):
    """Ends one training when another callback says so."""

    def __init__(self, leader: Halt) -> None:
        super().__init__()
        self.leader = leader

    def __deepcopy__(self, memo: dict[int, Any]) -> _Follower:
        return _Follower(self.leader)

    def _look(self) -> None:
        if self.leader.why:
            self.model.stop_training = self.leader.why


def workers_of(given: int | None) -> int:
    """How many trainings run at once: the given number, or one a core.

    Raises:
        ArgumentError: a number below 1.
    """
    if given is None:
        return settings.threads()
    if isinstance(given, bool) or not isinstance(given, int) or given < 1:
        raise ArgumentError(f"workers is {given!r}, expected a whole number from 1 on", fix="leave it out for one network a core")
    return given


def side_by_side(
    jobs: Iterable[Callable[[], Result]],
    *,
    workers: int | None = None,
    library: Library | None = None,
    halt: Halt | None = None,
    done: Callable[[int, Result], None] | None = None,
) -> list[Result]:
    """Run jobs on threads, and give their results in the order of the jobs.

    Args:
        jobs: functions without arguments.
        workers: how many at once; None for one a core.
        library: where compiled programs are shared; None makes one for these jobs.
        halt: told when a job fails or Ctrl-C comes, so that the others end soon.
        done: called with number and result of each job that ends, one at a time.

    Raises:
        Exception: what the first job that failed raised; jobs not begun yet are left out.
    """
    listed = list(jobs)
    library, halt = library or Library(), halt or Halt()
    results: list[Any] = [None] * len(listed)
    if settings.crowd() is not None:  # inside a job of others: the cores are taken
        with using(library):
            for number, job in enumerate(listed):
                results[number] = job()
                if done is not None:
                    done(number, results[number])
        return results
    failures: dict[int, BaseException] = {}
    crowd, lock, numbers = settings.Crowd(), threading.Lock(), iter(range(len(listed)))

    def work() -> None:
        with crowd.member(), using(library):
            while not failures and not halt.why:
                with lock:
                    number = next(numbers, None)
                if number is None:
                    return
                try:
                    results[number] = listed[number]()
                    if done is not None:
                        with lock:
                            done(number, results[number])
                except BaseException as error:  # raised again in the thread that waits
                    failures[number] = error
                    halt.why = halt.why or "another training failed"

    threads = [threading.Thread(target=work, name=f"saltus-job-{k}", daemon=True) for k in range(min(workers_of(workers), len(listed)))]
    if len(threads) == 1:
        work()
    else:
        with _waiting(threads, halt):
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
    if failures:
        raise failures[min(failures)]
    return results


@contextmanager
def _waiting(threads: list[threading.Thread], halt: Halt) -> Iterator[None]:
    """Ctrl-C while the threads work: they are told, and waited for."""
    try:
        yield
    except BaseException:
        halt.why = halt.why or "interrupted"
        for thread in threads:
            if thread.ident is not None:
                thread.join()
        raise
