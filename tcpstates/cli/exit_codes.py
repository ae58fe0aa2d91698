"""The meaning of the exit codes; the man page has the same table."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum

from tcpstates.model import HOST_FAILED, Limitation


class ExitCode(IntEnum):
    """All exit codes."""

    DONE = 0  # also when nothing matched, and when the reader closed the pipe
    FOUND = 1  # a check or the doctor found a problem
    USAGE = 2  # invalid arguments, or a request that the source cannot answer
    FAILED = 3  # no usable source, output not writable, or a broken system
    INTERRUPTED = 130  # Ctrl-C


def with_failures(code: ExitCode, limitations: Iterable[Limitation]) -> ExitCode:
    """Return the exit code of an answer; a host that failed is a failure of it."""
    is_failed = any(limit.kind == HOST_FAILED for limit in limitations)
    return ExitCode.FAILED if is_failed else code
