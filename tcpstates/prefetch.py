"""Prefetch an iterator in a background thread, so that waiting and work overlap."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from queue import Queue
    from threading import Thread

T = TypeVar("T")


def read_ahead(items: Iterator[T], *, alone: int, ahead: int) -> Generator[T]:
    """Yield the same items; after the first `alone` items, prefetch them in a thread.

    At most `ahead` items are queued. An error is raised at its place among the items.
    The thread has ended when this iterator is exhausted or closed. If the system cannot
    start a thread, the items are not prefetched.
    """
    taken = 0
    for item in islice(items, alone):
        taken += 1
        yield item
    if taken == alone:
        yield from _through_thread(items, ahead)


def _through_thread(items: Iterator[T], ahead: int) -> Generator[T]:
    from queue import Queue
    from threading import Event, Thread

    waiting: Queue[tuple[bool, T | BaseException | None]] = Queue(ahead)
    stop = Event()

    def work() -> None:
        try:
            for item in items:
                waiting.put((True, item))
                if stop.is_set():
                    return
            waiting.put((False, None))
        except BaseException as error:  # noqa: BLE001 raised again for the consumer
            waiting.put((False, error))

    thread = Thread(target=work, name="read-ahead", daemon=True)
    if not _starts(thread):
        yield from items
        return
    try:
        while True:
            more, item = waiting.get()
            if isinstance(item, BaseException):
                raise item
            if not more:
                return
            yield item  # type: ignore[misc]  # None only if `more` is false
    finally:
        stop.set()
        _let_end(thread, waiting)


def _let_end(thread: Thread, waiting: Queue[Any]) -> None:
    """Drain the queue until the thread, which may be blocked on it, has ended."""
    from queue import Empty

    while thread.is_alive():
        try:
            waiting.get_nowait()
        except Empty:
            thread.join(0.01)


def _starts(thread: Thread) -> bool:
    """Start a thread; False if there are too many processes or too little memory."""
    try:
        thread.start()
    except RuntimeError:
        return False
    return True
