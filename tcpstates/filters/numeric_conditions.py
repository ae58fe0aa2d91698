"""Conditions on a socket's user, queues, timers and times."""

from __future__ import annotations

from functools import partial

from tcpstates import ages
from tcpstates.batch import Batch
from tcpstates.capabilities import Capability
from tcpstates.fields import ColumnName
from tcpstates.filters.conditions import (
    Answer,
    ColumnCondition,
    Condition,
    Ranges,
    each_in_ranges,
    in_ranges,
)
from tcpstates.protocols import PROTOCOLS


class User(Condition):
    """Whether the socket belongs to one of these users."""

    needs = (Capability.UID,)

    def __init__(self, uids: frozenset[int], names: frozenset[str]) -> None:
        """Take the uids, and the user names that saved listings may have instead."""
        self.uids = uids
        self.names = names

    def test(self, batch: Batch) -> Answer:
        """Test each socket.

        The kernel reports uid 0 if it no longer knows the user: for TIME_WAIT and
        half-open sockets, and before Linux 6.17 for every socket without a file.
        """
        uids = batch.column("uid")
        has_names = batch.get("user_name") is not None
        may_be_unknown = 0 in uids and PROTOCOLS[batch.protocol].has_timers
        if not has_names and not may_be_unknown and None not in uids:
            return list(map(self.uids.__contains__, uids))
        columns = batch.rows("uid", "user_name", "inode", "timer", "state_label")
        return [self._judge(may_be_unknown, *row) for row in columns]

    def _judge(
        self,
        may_be_unknown: bool,  # noqa: FBT001  (one call for each socket)
        uid: int | None,
        name: str | None,
        inode: int | None,
        timer: str | None,
        state_label: str,
    ) -> bool | None:
        if may_be_unknown and uid == 0 and inode == 0:
            is_without = timer == "time-wait" or state_label == "SYN_RECEIVED"
            return False if is_without else None
        if name is not None:
            return name in self.names
        return None if uid is None else uid in self.uids


class Number(Condition):
    """Whether a number is in one of the ranges."""

    def __init__(self, column: ColumnName, ranges: Ranges, needs: Capability) -> None:
        self.column = column
        self.ranges = ranges
        self.needs = (needs,)  # type: ignore[misc]

    def test(self, batch: Batch) -> Answer:
        """Test each socket."""
        values = batch.column(self.column)
        if None in values:
            judge = partial(in_ranges, ranges=self.ranges)
            return [None if value is None else judge(value) for value in values]
        if len(self.ranges) == 1:
            ((low, high),) = self.ranges
            return [low <= value <= high for value in values]
        if all(low == high for low, high in self.ranges):
            return list(map({low for low, _ in self.ranges}.__contains__, values))
        return [in_ranges(value, self.ranges) for value in values]


class Retransmits(Number):
    """The number of retransmissions or probes that the peer has not answered."""

    def __init__(self, ranges: Ranges) -> None:
        super().__init__("retransmits", ranges, Capability.TIMERS)

    def test(self, batch: Batch) -> Answer:
        """Test each socket; UDP does not retransmit."""
        if not PROTOCOLS[batch.protocol].has_timers:
            return [False] * len(batch)
        return super().test(batch)


class Timer(ColumnCondition):
    """Whether one of these timers is running."""

    needs = (Capability.TIMERS,)
    column = "timer"

    def __init__(self, kinds: frozenset[str]) -> None:
        super().__init__()
        self.kinds = kinds

    def judge(self, value: str | None) -> bool:
        """Test one kind of timer; UDP has none."""
        return value in self.kinds


class Idle(Condition):
    """How long no data has been sent or received."""

    needs = (Capability.TCP_INFO,)

    def __init__(self, ranges: Ranges) -> None:
        self.ranges = ranges

    def test(self, batch: Batch) -> Answer:
        """Test each socket; one that cannot carry data is never idle."""
        return [*each_in_ranges(ages.idle_ms(batch), self.ranges)]


class RoundTrip(Condition):
    """The time until the peer acknowledges data, smoothed by the kernel."""

    needs = (Capability.TCP_INFO,)

    def __init__(self, ranges: Ranges) -> None:
        self.ranges = ranges

    def test(self, batch: Batch) -> Answer:
        """Test each socket; an RTT of 0 means that none has been measured yet."""
        times = [us / 1000 if us else None for us in batch.column("info.rtt")]
        return [*each_in_ranges(times, self.ranges)]


class Age(Condition):
    """How long the socket has been in its state, as far as that is known."""

    needs = (Capability.AGES,)

    def __init__(self, ranges: Ranges, fin_timeout_ms: int | None) -> None:
        """Take one range in milliseconds, and the system's tcp_fin_timeout."""
        ((self.low, self.high),) = ranges
        self.fin_timeout_ms = fin_timeout_ms

    def test(self, batch: Batch) -> Answer:
        """Test each socket; None if the range divides the bounds of its age."""
        answers: list[bool | None] = []
        for least, most in ages.age_bounds_ms(batch, self.fin_timeout_ms):
            if least >= self.low and most <= self.high:
                answers.append(True)
            elif most < self.low or least > self.high:
                answers.append(False)
            else:
                answers.append(None)
        return answers
