"""Limit the time that a regular expression may search.

`re` checks for signals while it searches (`Modules/_sre/sre_lib.h`), so a handler that
raises ends the search. This requires Unix and the main thread; elsewhere there is no
limit.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from types import FrameType


class TooLongError(Exception):
    """The time limit has been exceeded."""


_LEAST = 0.001  # seconds; 0 would disarm the timer


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise TooLongError in the block after so many seconds, where supported."""
    is_main = threading.current_thread() is threading.main_thread()
    if sys.platform != "win32" and is_main:
        started = monotonic()
        before = signal.signal(signal.SIGALRM, _give_up)
        left, interval = signal.setitimer(signal.ITIMER_REAL, max(seconds, _LEAST))
        try:
            yield
        finally:
            signal.signal(signal.SIGALRM, signal.SIG_IGN)  # one may be pending
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
            if left:  # restore the alarm that the caller had set
                rest = left - (monotonic() - started)
                signal.setitimer(signal.ITIMER_REAL, max(rest, _LEAST), interval)
    else:
        yield


def _give_up(number: int, frame: FrameType | None) -> None:
    raise TooLongError
