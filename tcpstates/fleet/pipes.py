"""Lines through the pipes of a process, with a moment at which it has to be over.

A process that is ended may leave descendants that hold its pipes open. So nothing waits
longer than until that moment, whoever holds what.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Timer

_LONGEST_LINE = 8 << 20  # bytes: what it may become in memory is thirty times as much
_LARGEST_ANSWER = 1 << 30
_AT_ONCE = 1 << 16
_LOOK_AGAIN = 200  # milliseconds: whether somebody else has given up
_GRACE = 0.3  # seconds for a process to end by itself


class TooLate(Exception):
    """The moment has come."""


class TooLarge(Exception):
    """A line, or all lines of an answer together."""


class Pipes:
    """A process that is started, with its standard input and output."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        """Take a process whose both streams are pipes."""
        self.process = process
        self._end = 0.0
        self._left = 0
        self._buffer = bytearray()
        self._is_over = False
        if sys.platform != "win32":  # where only sockets can be waited for
            os.set_blocking(self._input(), False)
            os.set_blocking(self._output(), False)

    def begin(self, seconds: float) -> None:
        """Allow this much time, and a whole answer's size, from now on."""
        self._end = time.monotonic() + seconds
        self._left = _LARGEST_ANSWER

    def give_up(self) -> None:
        """End the process; whoever reads or writes gets TooLate. From any thread."""
        self._is_over = True
        end(self.process)

    def write(self, content: bytes) -> None:
        """Write everything; raise OSError or TooLate."""
        left = memoryview(content)
        while left:
            with self._allowed(self._input(), is_input=True), suppress(BlockingIOError):
                left = left[os.write(self._input(), left) :]

    def line(self) -> bytes:
        """Read a line; empty: there is no more. Raise TooLate or TooLarge."""
        searched = 0
        while (place := self._buffer.find(b"\n", searched)) < 0:
            searched = len(self._buffer)
            part = self._read()
            self._buffer += part
            self._left -= len(part)
            if len(self._buffer) > _LONGEST_LINE or self._left < 0:
                raise TooLarge
            if not part:
                place = len(self._buffer) - 1
                break
        found = bytes(self._buffer[: place + 1])
        del self._buffer[: place + 1]
        return found

    def _read(self) -> bytes:
        part: bytes | None = None
        while part is None:
            with self._allowed(self._output()), suppress(BlockingIOError):
                part = os.read(self._output(), _AT_ONCE)
        return part

    @contextmanager
    def _allowed(self, descriptor: int, *, is_input: bool = False) -> Iterator[None]:
        """Wait until a descriptor can be read, or written to; raise TooLate."""
        if sys.platform == "win32":  # it blocks; at the end of the time, it is ended
            killer = Timer(max(0.0, self._end - time.monotonic()), self.give_up)
            killer.daemon = True
            killer.start()
            try:
                yield
            except OSError:
                if not self._is_over:
                    raise
            finally:
                killer.cancel()
            if self._is_over:
                raise TooLate
        else:
            poll = select.poll()
            poll.register(descriptor, select.POLLOUT if is_input else select.POLLIN)
            is_ready = False
            while not is_ready:
                left = self._end - time.monotonic()
                is_ready = bool(poll.poll(max(0.0, min(_LOOK_AGAIN, left * 1000))))
                if self._is_over or left <= 0:
                    raise TooLate
            yield

    def _input(self) -> int:
        return -1 if self.process.stdin is None else self.process.stdin.fileno()

    def _output(self) -> int:
        return -1 if self.process.stdout is None else self.process.stdout.fileno()

    def exit_code(self) -> int | None:
        """Wait for the end; None: it has not ended in time."""
        with suppress(subprocess.TimeoutExpired):
            return self.process.wait(max(0.0, self._end - time.monotonic()))
        return None

    def close(self) -> None:
        """Close the pipes, and end the process if it does not end by itself."""
        for stream in (self.process.stdin, self.process.stdout):
            with suppress(OSError):
                if stream is not None:
                    stream.close()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(_GRACE)
        end(self.process)
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(_GRACE)  # another user's, behind sudo, cannot be ended


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process, and what it has started in its own session."""
    if process.poll() is not None:
        return
    with suppress(OSError):
        if sys.platform == "win32":
            process.kill()
        else:
            os.killpg(process.pid, 9)
