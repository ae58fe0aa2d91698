"""Share a list of pids with a forked child, if there is a second processor."""

from __future__ import annotations

import marshal
import os
from array import array
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from tcpstates.forking import may_fork

_AT_ONCE = 8192  # numbers
_PIPE = 65536  # capacity of a pipe: sixteen thousand pids of four bytes


class ForkedScan:
    """One side of the fork; both take pids from the same pipe."""

    def __init__(self, child: int, waiting: int, answers: int) -> None:
        """Take the child's pid (0 in the child itself) and this side's pipe ends."""
        self.is_child = child == 0
        self._child = child
        self._waiting = waiting
        self._answers = answers

    @classmethod
    def start(cls, pids: list[int]) -> ForkedScan | None:
        """Fork; None if that is not possible, safe or useful."""
        fork = getattr(os, "fork", None)  # Windows has none
        if fork is None or not may_fork() or len(pids) * 4 > _PIPE:
            return None
        try:
            waiting, fill = os.pipe()
            os.write(fill, b"".join(pid.to_bytes(4, "little") for pid in pids))
            os.close(fill)
            reading, writing = os.pipe()
            child = fork()
        except OSError:
            return None  # the few open descriptors are closed when the program exits
        if child == 0:
            os.close(reading)
            return cls(child, waiting, writing)
        os.close(writing)
        return cls(child, waiting, reading)

    def pids(self) -> Iterator[int]:
        """Yield the pids that the other side does not take."""
        while packed := os.read(self._waiting, 4):
            yield int.from_bytes(packed, "little")
        os.close(self._waiting)

    def answer(self, found: Any, numbers: array[int]) -> None:
        """Send the child's results: a small object, and many numbers."""
        with open(self._answers, "wb") as pipe:
            marshal.dump((found, len(numbers)), pipe)
            numbers.tofile(pipe)

    def result(self, take: Callable[[array[int]], None]) -> Any:
        """Return the small object, and pass the numbers to `take` in portions.

        None means that the child failed, and numbers may be missing.
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
