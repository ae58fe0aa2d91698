"""What the exit code says; the man page has the same table."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """The only exit codes there are."""

    DONE = 0  # also when nothing matched, and when the reader closed the pipe
    FOUND = 1  # what was looked for: a threshold crossed, something stuck
    USAGE = 2  # not understood, or nothing that the source can answer
    FAILED = 3  # no usable source, no way to write, a system too broken to answer
    INTERRUPTED = 130  # Ctrl-C
