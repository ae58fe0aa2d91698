"""Conditions on the processes that own a socket."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import chain
from time import monotonic
from typing import Any

from tcpstates.batch import Batch
from tcpstates.fields import ColumnName
from tcpstates.filters.conditions import (
    Answer,
    AnswerCache,
    Condition,
    Ranges,
    Undecidable,
    in_ranges,
)
from tcpstates.filters.patience import TooLongError, time_limit
from tcpstates.filters.syntax import AllOf, Expression, Term
from tcpstates.model import Owner, Reason


class ProcessCondition(Condition):
    """A condition on the processes that own a socket."""

    def __init__(self) -> None:
        self._verdicts = AnswerCache(self.judge)

    def subject(self, owner: Owner) -> Any:
        """Return the property of an owner that is tested."""
        raise NotImplementedError

    def judge(self, subject: Any) -> bool | None:
        """Test one subject; None if it cannot be determined."""
        raise NotImplementedError

    def test(self, batch: Batch) -> Answer:
        """Return True if any owner matches, None if a hidden owner might."""
        return [
            self._any(owners) if owners else None if reason in _OUT_OF_SIGHT else False
            for owners, reason in zip(
                batch.column("processes"),
                batch.column("no_process_reason"),
                strict=True,
            )
        ]

    def _any(self, owners: Sequence[Owner]) -> bool | None:
        if len(owners) == 1:
            return self._verdicts[self.subject(owners[0])]
        found = {self._verdicts[self.subject(owner)] for owner in owners}
        return True if True in found else None if None in found else False


class PlaceCondition(ProcessCondition):
    """Whether the socket is in one of these containers, pods or units."""

    def __init__(self, column: ColumnName, names: frozenset[str]) -> None:
        """Take the column, and the names as they are shown."""
        super().__init__()
        self._column = column
        self._names = names

    def test(self, batch: Batch) -> Answer:
        """Test each socket; None where an owner that is not known might match."""
        return [
            None if name is None and reason in _OUT_OF_SIGHT else name in self._names
            for name, reason in zip(
                batch.column(self._column),
                batch.column("no_process_reason"),
                strict=True,
            )
        ]


_OUT_OF_SIGHT = (
    Reason.HIDDEN,
    Reason.NOT_FOUND,
    Reason.NOT_HERE,
    Reason.UNKNOWN,
    "other pid namespace",  # in listings saved by version 0.1
)
_FEW_PIDS = 64
_PATTERN_SECONDS = 1.0
_NAME_SECONDS = 5e-5  # a simple pattern takes 1 to 2 us per name
_COMM_LENGTH = 15  # TASK_COMM_LEN without its final zero, linux/sched.h


class ProcessId(ProcessCondition):
    """Whether a process with one of these pids owns the socket."""

    def __init__(self, ranges: Ranges) -> None:
        super().__init__()
        self.ranges = ranges

    def subject(self, owner: Owner) -> int | None:
        """Return the pid; None if a saved listing does not show it."""
        return owner.pid

    def judge(self, subject: int | None) -> bool | None:
        """Test one pid."""
        return None if subject is None else in_ranges(subject, self.ranges)


class ProcessNameCondition(ProcessCondition):
    """A condition on process names."""

    def subject(self, owner: Owner) -> bytes | None:
        """Return the name; None if the process exited before its name was read."""
        return owner.name

    def judge(self, subject: bytes | None) -> bool | None:
        """Test one name."""
        return None if subject is None else self.matches(subject)

    def matches(self, name: bytes) -> bool:
        """Check whether a name matches."""
        raise NotImplementedError


class ProcessName(ProcessNameCondition):
    """Whether a process with one of these names owns the socket."""

    def __init__(self, names: Iterable[bytes]) -> None:
        """Take full names; Linux truncates names to 15 bytes, so those match too."""
        super().__init__()
        whole = frozenset(names)
        self._names = whole | {n[:_COMM_LENGTH] for n in whole if len(n) > _COMM_LENGTH}

    def matches(self, name: bytes) -> bool:
        """Check whether a name is one of them."""
        return name in self._names


class ProcessPattern(ProcessNameCondition):
    """Whether a process whose name matches the pattern owns the socket."""

    def __init__(self, pattern: re.Pattern[str]) -> None:
        super().__init__()
        self._pattern = pattern
        self._seconds = _PATTERN_SECONDS  # the time that remains

    def test(self, batch: Batch) -> Answer:
        """Test each socket; Undecidable if the pattern takes too long.

        Names in a file may be long, and crafted to make a pattern backtrack. So all
        names share one time limit; each new name adds the time that a simple pattern
        takes at most.
        """
        holders = chain.from_iterable(filter(None, batch.column("processes")))
        new = {owner.name for owner in holders} - self._verdicts.keys()
        if new:
            self._seconds += _NAME_SECONDS * len(new)
            started = monotonic()
            try:
                with time_limit(self._seconds):
                    self._verdicts.update((name, self.judge(name)) for name in new)
            except TooLongError as error:
                problem = f"the pattern takes more than {_PATTERN_SECONDS:g} s"
                raise Undecidable(f"{problem} on these process names") from error
            self._seconds -= monotonic() - started
        return super().test(batch)

    def matches(self, name: bytes) -> bool:
        """Search a name for the pattern."""
        text = name.decode("utf-8", "surrogateescape")
        return self._pattern.search(text) is not None


def required_pids(expression: Expression) -> frozenset[int] | None:
    """Return pids of which one must own each selected socket; None: any process may."""
    match expression:
        case Term(meaning):
            return required_pids(meaning)
        case AllOf(parts):
            found = (required_pids(part) for part in parts)
            return next((pids for pids in found if pids is not None), None)
        case ProcessId():
            return _few(expression.ranges)
        case _:
            return None


def _few(ranges: Ranges) -> frozenset[int] | None:
    if sum(most - least + 1 for least, most in ranges) > _FEW_PIDS:
        return None
    return frozenset(
        pid for least, most in ranges for pid in range(int(least), int(most) + 1)
    )
