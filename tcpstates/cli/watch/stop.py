"""An interrupt that lets a command finish what it has begun."""

from __future__ import annotations

import os
import select
import signal
import sys
import time


class Stop:
    """Set by the first SIGINT or SIGTERM, or at a moment; a second signal interrupts.

    `end` is a moment of time.monotonic; None: only signals end it.
    """

    def __init__(self, end: float | None) -> None:
        """Take over both signals, until the first one arrives."""
        self._end = end
        self.was_asked = False  # by a signal
        self._reading, self._writing = os.pipe()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._ask)

    @property
    def is_due(self) -> bool:
        """Whether to finish now."""
        is_late = self._end is not None and time.monotonic() >= self._end
        return self.was_asked or is_late

    def sleep(self, seconds: float) -> None:
        """Sleep, but not beyond the end, nor after a signal."""
        left = seconds if self._end is None else self._end - time.monotonic()
        left = max(0.0, min(seconds, left))
        if sys.platform == "win32":  # where only sockets can be waited for
            time.sleep(left)
        elif not self.was_asked:
            select.select([self._reading], [], [], left)

    def _ask(self, number: int, frame: object) -> None:
        self.was_asked = True
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.write(self._writing, b".")
