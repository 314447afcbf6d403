"""What comes next, made in a thread while what came before is used; a low file of `data`."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from typing import Any, TypeVar

Made = TypeVar("Made")

DEPTH = 2  # so many are made before they are asked for, so one in use and two waiting are in memory at most


def ahead(items: Iterator[Made], depth: int = DEPTH) -> Iterator[Made]:
    """The same items in the same order, each made before it is asked for.

    Args:
        items: made in one thread of their own, one after the other; an error in it is raised where its item would
            have come.
        depth: how many wait at most.

    Example:
        >>> list(ahead(iter(range(4))))
        [0, 1, 2, 3]
    """
    made: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
    free, stop = threading.Semaphore(depth), threading.Event()

    def work() -> None:
        try:
            while True:
                free.acquire()
                if stop.is_set():
                    return
                try:
                    item = next(items)
                except StopIteration:
                    made.put(("end", None))
                    return
                made.put(("item", item))
                del item  # or the last one would live until the next is made
        except BaseException as error:  # whatever it is belongs to who asked
            made.put(("error", error))
        finally:
            close = getattr(items, "close", None)
            if close is not None:
                close()

    thread = threading.Thread(target=work, name="saltus-ahead", daemon=True)
    thread.start()
    try:
        while True:
            what, value = made.get()
            free.release()
            if what == "end":
                return
            if what == "error":
                raise value
            yield value
            del value
    finally:
        stop.set()
        free.release()
        thread.join()
