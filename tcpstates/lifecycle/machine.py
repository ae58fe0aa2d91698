"""The state machine of RFC 9293 as data: states, events, transitions, sides.

FIGURE holds the edges of the RFC's figure 5, including its notes 1 and 2. BEYOND holds
the transitions that the figure omits "for legibility" (note 3) and that the RFC's text
defines: aborts, resets and timeouts. All code that explains, draws or performs a
connection reads these two tables.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from tcpstates.states import TcpState

S = TcpState


class Event(str, Enum):
    """An event that changes a socket's state, named as in the RFC's figure."""

    PASSIVE_OPEN = "passive OPEN"
    ACTIVE_OPEN = "active OPEN"
    SEND = "SEND"
    CLOSE = "CLOSE"
    ABORT = "ABORT"
    SYN = "rcv SYN"
    SYN_ACK = "rcv SYN,ACK"
    ACK_OF_SYN = "rcv ACK of SYN"
    FIN = "rcv FIN"
    ACK_OF_FIN = "rcv ACK of FIN"
    FIN_AND_ACK_OF_FIN = "rcv FIN and ACK of FIN"
    RST = "rcv RST"
    TWO_MSL = "Timeout=2MSL"
    USER_TIMEOUT = "USER TIMEOUT"

    def __str__(self) -> str:
        return self.value

    @property
    def is_call(self) -> bool:
        """Whether a program causes the event."""
        return self in CALLS

    @property
    def is_segment(self) -> bool:
        """Whether a segment from the peer causes the event."""
        return self.value.startswith("rcv ")


# The POSIX socket calls that correspond to the RFC's calls.
CALLS = {
    Event.PASSIVE_OPEN: "listen()",
    Event.ACTIVE_OPEN: "connect()",
    Event.SEND: "send()",
    Event.CLOSE: "close() or shutdown()",
    Event.ABORT: "close() with SO_LINGER 0, or with unread data",
}


class Transition(NamedTuple):
    """One edge: `event` leads from `source` to `target` and sends `sends`."""

    source: TcpState
    event: Event
    target: TcpState
    sends: str | None = None
    note: str = ""


FIGURE = (
    Transition(S.CLOSED, Event.PASSIVE_OPEN, S.LISTEN),
    Transition(S.CLOSED, Event.ACTIVE_OPEN, S.SYN_SENT, "SYN"),
    Transition(S.LISTEN, Event.SYN, S.SYN_RECEIVED, "SYN,ACK"),
    Transition(
        S.LISTEN, Event.SEND, S.SYN_SENT, "SYN", "no socket interface offers this"
    ),
    Transition(S.LISTEN, Event.CLOSE, S.CLOSED),
    Transition(S.SYN_SENT, Event.SYN, S.SYN_RECEIVED, "SYN,ACK", "simultaneous open"),
    Transition(S.SYN_SENT, Event.SYN_ACK, S.ESTABLISHED, "ACK"),
    Transition(S.SYN_SENT, Event.CLOSE, S.CLOSED),
    Transition(S.SYN_RECEIVED, Event.ACK_OF_SYN, S.ESTABLISHED),
    Transition(S.SYN_RECEIVED, Event.CLOSE, S.FIN_WAIT_1, "FIN"),
    Transition(
        S.SYN_RECEIVED, Event.RST, S.LISTEN, None, "after a passive OPEN: note 1"
    ),
    Transition(S.ESTABLISHED, Event.CLOSE, S.FIN_WAIT_1, "FIN"),
    Transition(S.ESTABLISHED, Event.FIN, S.CLOSE_WAIT, "ACK"),
    Transition(S.FIN_WAIT_1, Event.ACK_OF_FIN, S.FIN_WAIT_2),
    Transition(S.FIN_WAIT_1, Event.FIN, S.CLOSING, "ACK", "simultaneous close"),
    Transition(
        S.FIN_WAIT_1,
        Event.FIN_AND_ACK_OF_FIN,
        S.TIME_WAIT,
        "ACK",
        "both in one segment: note 2",
    ),
    Transition(S.FIN_WAIT_2, Event.FIN, S.TIME_WAIT, "ACK"),
    Transition(S.CLOSE_WAIT, Event.CLOSE, S.LAST_ACK, "FIN"),
    Transition(S.CLOSING, Event.ACK_OF_FIN, S.TIME_WAIT),
    Transition(S.LAST_ACK, Event.ACK_OF_FIN, S.CLOSED),
    Transition(S.TIME_WAIT, Event.TWO_MSL, S.CLOSED),
)

# RFC 9293, 3.10.5 ABORT, 3.10.7 SEGMENT ARRIVES, 3.10.8 timeouts.
_SYNCHRONIZED = (
    S.SYN_RECEIVED,
    S.ESTABLISHED,
    S.FIN_WAIT_1,
    S.FIN_WAIT_2,
    S.CLOSE_WAIT,
)
_FINISHING = (S.CLOSING, S.LAST_ACK, S.TIME_WAIT)
BEYOND = (
    *(Transition(state, Event.ABORT, S.CLOSED, "RST") for state in _SYNCHRONIZED),
    *(
        Transition(state, Event.ABORT, S.CLOSED)
        for state in (S.LISTEN, S.SYN_SENT, *_FINISHING)
    ),
    *(
        Transition(state, Event.RST, S.CLOSED)
        for state in (S.SYN_SENT, *_SYNCHRONIZED[1:], *_FINISHING)
    ),
    Transition(S.SYN_RECEIVED, Event.RST, S.CLOSED, None, "after a simultaneous open"),
    *(
        Transition(state, Event.USER_TIMEOUT, S.CLOSED)
        for state in (S.SYN_SENT, *_SYNCHRONIZED, S.CLOSING, S.LAST_ACK)
    ),
)
TRANSITIONS = (*FIGURE, *BEYOND)


def ways_in(state: TcpState) -> list[Transition]:
    """List the edges of the figure that lead to a state."""
    return [edge for edge in FIGURE if edge.target is state]


def ways_out(state: TcpState) -> list[Transition]:
    """List the edges of the figure that lead away from a state."""
    return [edge for edge in FIGURE if edge.source is state]


def as_object(edge: Transition) -> dict[str, str | None]:
    """Convert an edge to its JSON object."""
    return {
        "from": str(edge.source),
        "event": str(edge.event),
        "sends": edge.sends,
        "to": str(edge.target),
        "note": edge.note or None,
    }


def step(source: TcpState, event: Event) -> Transition:
    """Find the transition for an event; KeyError if RFC 9293 has no such transition."""
    for edge in TRANSITIONS:
        if edge.source is source and edge.event is event:
            return edge
    raise KeyError(f"no transition from {source} on {event}")


class Side(str, Enum):
    """Which side of a connection can be in a state."""

    SERVER = "the server"
    CLIENT = "the client"
    SERVER_OR_SIMULTANEOUS = "the server, or both when both open at once"
    EITHER = "either"

    def __str__(self) -> str:
        return self.value


SIDES = {
    S.LISTEN: Side.SERVER,
    S.SYN_SENT: Side.CLIENT,
    S.SYN_RECEIVED: Side.SERVER_OR_SIMULTANEOUS,
}


def side(state: TcpState) -> Side:
    """Look up which side of a connection can be in a state."""
    return SIDES.get(state, Side.EITHER)
