"""A forked child that shares a list of pids with us, where a processor is free."""

from __future__ import annotations

import marshal
import os
import threading
from array import array
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

_AT_ONCE = 8192  # numbers
_PIPE = 65536  # what a pipe holds: sixteen thousand pids of four bytes


class ForkedScan:
    """Either side of the fork; the pids not yet taken are in a pipe between them."""

    def __init__(self, child: int, waiting: int, answers: int) -> None:
        """Keep the child's pid (0: we are the child) and our ends of the pipes."""
        self.is_child = child == 0
        self._child = child
        self._waiting = waiting
        self._answers = answers

    @classmethod
    def start(cls, pids: list[int]) -> ForkedScan | None:
        """Fork; None where that is not possible, safe or useful."""
        fork = getattr(os, "fork", None)  # Windows has none
        if fork is None or (os.cpu_count() or 1) < 2:
            return None
        if threading.active_count() > 1 or len(pids) * 4 > _PIPE:
            return None
        try:
            waiting, fill = os.pipe()
            os.write(fill, b"".join(pid.to_bytes(4, "little") for pid in pids))
            os.close(fill)
            reading, writing = os.pipe()
            child = fork()
        except OSError:
            return None  # the few descriptors that may be open go with the program
        if child == 0:
            os.close(reading)
            return cls(child, waiting, writing)
        os.close(writing)
        return cls(child, waiting, reading)

    def pids(self) -> Iterator[int]:
        """Yield pids that the other side has not taken."""
        while packed := os.read(self._waiting, 4):
            yield int.from_bytes(packed, "little")
        os.close(self._waiting)

    def answer(self, found: Any, numbers: array[int]) -> None:
        """Send what the child has found: anything small, and many numbers."""
        with open(self._answers, "wb") as pipe:
            marshal.dump((found, len(numbers)), pipe)
            numbers.tofile(pipe)

    def result(self, take: Callable[[array[int]], None]) -> Any:
        """Return the small things; give the numbers to `take`, some at a time.

        None: the child came to grief, and numbers may be missing.
        """
        with (
            open(self._answers, "rb") as pipe,
            suppress(EOFError, ValueError, TypeError),
        ):
            found, missing = marshal.load(pipe)  # noqa: S302  (from our own child)
            while missing:
                numbers = array("Q")
                numbers.fromfile(pipe, min(missing, _AT_ONCE))
                missing -= len(numbers)
                take(numbers)
            with suppress(ChildProcessError):
                os.waitpid(self._child, 0)
            return found
        return None
