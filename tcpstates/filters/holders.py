"""Conditions on the processes that hold a socket."""

from __future__ import annotations

import re
from collections.abc import Iterable

from tcpstates.filters.conditions import Answer, Condition, Ranges, Verdicts, in_ranges
from tcpstates.model import Batch, Owner, Reason


class OfProcess(Condition):
    """A question about the processes that hold a socket."""

    def judge(self, owner: Owner) -> bool:
        """Answer for one holder."""
        raise NotImplementedError

    def test(self, batch: Batch) -> Answer:
        """Return True where one holder is meant, None where all are hidden."""
        verdicts = Verdicts(self.judge)
        return [
            any(map(verdicts.__getitem__, owners))
            if owners
            else None
            if reason in _OUT_OF_SIGHT
            else False
            for owners, reason in zip(
                batch.column("processes"),
                batch.column("no_process_reason"),
                strict=True,
            )
        ]


_OUT_OF_SIGHT = (Reason.HIDDEN, Reason.UNKNOWN, Reason.OTHER_PID_NAMESPACE)
_COMM_LENGTH = 15  # TASK_COMM_LEN less its final zero, linux/sched.h


class ProcessId(OfProcess):
    """Whether a process with such a number holds the socket."""

    def __init__(self, ranges: Ranges) -> None:
        """Take ranges of numbers."""
        self.ranges = ranges

    def judge(self, owner: Owner) -> bool:
        """Answer for one holder."""
        return in_ranges(owner.pid, self.ranges)


class ProcessName(OfProcess):
    """Whether a process with one of these names holds the socket."""

    def __init__(self, names: Iterable[bytes]) -> None:
        """Take whole names; Linux keeps 15 bytes of one, so longer ones match those."""
        self.names = frozenset(names)
        self._cut = frozenset(
            name[:_COMM_LENGTH] for name in self.names if len(name) > _COMM_LENGTH
        )

    def judge(self, owner: Owner) -> bool:
        """Answer for one holder."""
        return owner.name in self.names or owner.name in self._cut


class ProcessPattern(OfProcess):
    """Whether a process with such a name holds the socket."""

    def __init__(self, pattern: re.Pattern[bytes]) -> None:
        """Take a regular expression, looked for anywhere in the name."""
        self.pattern = pattern

    def judge(self, owner: Owner) -> bool:
        """Answer for one holder."""
        return self.pattern.search(owner.name or b"") is not None
