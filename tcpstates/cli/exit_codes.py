"""The meaning of the exit codes; the man page has the same table."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """All exit codes."""

    DONE = 0  # also when nothing matched, and when the reader closed the pipe
    FOUND = 1  # a check or the doctor found a problem
    USAGE = 2  # invalid arguments, or a request that the source cannot answer
    FAILED = 3  # no usable source, output not writable, or a broken system
    INTERRUPTED = 130  # Ctrl-C
