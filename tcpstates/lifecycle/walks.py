"""Walk through scenarios: the states, the segments and their numbers, step by step."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from tcpstates.lifecycle.acts import (
    CLIENT,
    NOTHING,
    SERVER,
    Act,
    Scenario,
    StepResult,
)
from tcpstates.lifecycle.machine import step
from tcpstates.states import TcpState

_DATA = 4  # bytes of "data"


def is_simultaneous(scenario: Scenario) -> bool:
    """Check whether both parties do the same before any segment arrives."""
    first, second = scenario.acts[:2]
    return first.event is second.event and first.party != second.party


def walk(scenario: Scenario) -> Iterator[StepResult]:
    """Yield the moments of a scenario; KeyError if the table does not allow a step."""
    states = dict(zip((CLIENT, SERVER), scenario.start, strict=True))
    numbers = _Numbers(is_new=TcpState.ESTABLISHED not in scenario.start)
    for act in scenario.acts:
        segment: str | None = act.sends or None
        if act.event is not None:
            edge = step(states[act.party], act.event)
            states[act.party] = edge.target
            segment = segment or edge.sends
        if segment == NOTHING:
            segment = None
        shown = numbers.take(act, segment)
        yield StepResult(act, states[CLIENT], states[SERVER], segment, shown)


class _Numbers:
    """Counts the bytes of both parties, from A and B in a new connection."""

    def __init__(self, *, is_new: bool) -> None:
        self._names = dict(zip((CLIENT, SERVER), "AB" if is_new else "MN", strict=True))
        self._next = {CLIENT: 0, SERVER: 0}  # the number of the next byte
        self._received = {CLIENT: 0, SERVER: 0}  # from the other party
        self._has_opened: set[str] = set()
        # What each party has sent and the other one has not received yet.
        self._under_way: dict[str, deque[int]] = {CLIENT: deque(), SERVER: deque()}

    def take(self, act: Act, segment: str | None) -> str:
        """Follow an act; return the numbers of the segment that it sends."""
        me, other = act.party, SERVER if act.party == CLIENT else CLIENT
        is_answer = act.event is None and segment in ("ACK", "RST,ACK", "RST")
        is_arrival = is_answer or (act.event is not None and act.event.is_segment)
        if is_arrival and self._under_way[other]:
            self._received[me] = self._under_way[other].popleft()
        if segment is None:
            return ""
        if segment == "RST,ACK" and act.event is None:
            # From no connection: it has no number of its own (RFC 9293, 3.10.7.1).
            return f"seq=0 ack={_plus(self._names[other], self._received[me])}"
        length = (
            _DATA if segment == "data" else int("SYN" in segment or "FIN" in segment)
        )
        first = self._next[me]
        if "SYN" in segment and me in self._has_opened:
            first -= length  # it is sent again, with its own number
        if "SYN" in segment:
            self._has_opened.add(me)
        if act.is_probe:
            first -= 1  # a byte that is acknowledged already has to be answered
        else:
            self._next[me] = first + length
        self._under_way[me].append(self._next[me])
        parts = [f"seq={_plus(self._names[me], first)}"]
        if segment == "data":
            parts.append(f"len={_DATA}")
        # Every segment after the first SYN acknowledges what has arrived.
        if "ACK" in segment or "FIN" in segment:
            parts.append(f"ack={_plus(self._names[other], self._received[me])}")
        return " ".join(parts)


def _plus(name: str, number: int) -> str:
    return f"{name}{number:+d}" if number else name
