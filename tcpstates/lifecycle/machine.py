"""The state machine of RFC 9293 as data: states, events, transitions, sides.

FIGURE holds the edges of the RFC's figure 5, including its notes 1 and 2. BEYOND holds
the transitions that the figure omits "for legibility" (note 3) and that the RFC's text
defines: aborts, resets, timeouts, and segments that arrive early or late. All code that
explains, draws or performs a connection reads these two tables.

Where note 3 and the text differ, the text counts: the note lets a RST lead to TIME_WAIT
after an abort, section 3.10.5 to CLOSED, as Linux does.
"""

from __future__ import annotations

from collections.abc import Sequence
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
    NO_PROCESS = "Timeout=tcp_fin_timeout"  # Linux, for sockets without a process

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


# What happens, in plain words.
EVENTS = {
    Event.PASSIVE_OPEN: "listen()",
    Event.ACTIVE_OPEN: "connect()",
    Event.SEND: "SEND, which only the RFC has",
    Event.CLOSE: "last close(), or shutdown(SHUT_WR)",
    Event.ABORT: "abort",
    Event.SYN: "a SYN arrives",
    Event.SYN_ACK: "the SYN,ACK arrives",
    Event.ACK_OF_SYN: "the ACK of its SYN arrives",
    Event.FIN: "the peer's FIN arrives",
    Event.ACK_OF_FIN: "the ACK of its FIN arrives",
    Event.FIN_AND_ACK_OF_FIN: "the peer's FIN arrives with the ACK of its own",
    Event.RST: "reset",
    Event.TWO_MSL: "2 MSL have passed",
    Event.USER_TIMEOUT: "timeout",
    Event.NO_PROCESS: "tcp_fin_timeout without a process",
}


class Transition(NamedTuple):
    """One edge: `event` leads from `source` to `target` and sends `sends`."""

    source: TcpState
    event: Event
    target: TcpState
    sends: str | None = None
    note: str = ""
    section: str | None = "3.3.2"  # of RFC 9293; None: Linux does it, not the RFC
    is_on_linux: bool = True


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

_SYNCHRONIZED = (
    S.SYN_RECEIVED,
    S.ESTABLISHED,
    S.FIN_WAIT_1,
    S.FIN_WAIT_2,
    S.CLOSE_WAIT,
)
_FINISHING = (S.CLOSING, S.LAST_ACK, S.TIME_WAIT)
BEYOND = (
    *(
        Transition(state, Event.ABORT, S.CLOSED, "RST", section="3.10.5")
        for state in _SYNCHRONIZED
    ),
    *(
        Transition(state, Event.ABORT, S.CLOSED, section="3.10.5")
        for state in (S.LISTEN, S.SYN_SENT, *_FINISHING)
    ),
    *(
        Transition(state, Event.RST, S.CLOSED, section="3.10.7.4")
        for state in (*_SYNCHRONIZED[1:], *_FINISHING)
    ),
    Transition(S.SYN_SENT, Event.RST, S.CLOSED, None, "ECONNREFUSED", "3.10.7.3"),
    Transition(
        S.SYN_RECEIVED,
        Event.RST,
        S.CLOSED,
        None,
        "after a simultaneous open",
        "3.10.7.4",
    ),
    Transition(
        S.SYN_RECEIVED,
        Event.SYN,
        S.LISTEN,
        None,
        "after a passive OPEN; Linux stays",
        "3.10.7.4",
        is_on_linux=False,
    ),
    Transition(
        S.SYN_RECEIVED,
        Event.FIN,
        S.CLOSE_WAIT,
        "ACK",
        "it completes the handshake, too",
        "3.10.7.4",
    ),
    Transition(
        S.TIME_WAIT,
        Event.SYN,
        S.SYN_RECEIVED,
        "SYN,ACK",
        "with a higher sequence number",
        "3.6.1",
    ),
    Transition(
        S.TIME_WAIT, Event.FIN, S.TIME_WAIT, "ACK", "2 MSL begin again", "3.10.7.4"
    ),
    *(
        Transition(state, Event.USER_TIMEOUT, S.CLOSED, section="3.10.8")
        for state in (S.SYN_SENT, *_SYNCHRONIZED, S.CLOSING, S.LAST_ACK)
    ),
    Transition(
        S.FIN_WAIT_2,
        Event.NO_PROCESS,
        S.CLOSED,
        None,
        "of Linux; not in the RFC",
        None,
    ),
)
TRANSITIONS = (*FIGURE, *BEYOND)


def ways_in(state: TcpState, edges: Sequence[Transition] = FIGURE) -> list[Transition]:
    """List the edges that lead to a state."""
    return [edge for edge in edges if edge.target is state]


def ways_out(state: TcpState, edges: Sequence[Transition] = FIGURE) -> list[Transition]:
    """List the edges that lead away from a state."""
    return [edge for edge in edges if edge.source is state]


def as_object(edge: Transition) -> dict[str, str | None]:
    """Convert an edge to its JSON object."""
    return {
        "from": str(edge.source),
        "event": str(edge.event),
        "sends": edge.sends,
        "to": str(edge.target),
        "note": edge.note or None,
        "section": edge.section,
    }


def step(source: TcpState, event: Event) -> Transition:
    """Find the transition for an event; KeyError if RFC 9293 has no such transition."""
    for edge in TRANSITIONS:
        if edge.source is source and edge.event is event:
            return edge
    raise KeyError(f"no transition from {source} on {event}")


_FIRST = "the side that closes first, client or server"
_SECOND = "the side that closes second, client or server"
# Which side of a connection can be in a state.
SIDES: dict[TcpState, str] = {
    S.LISTEN: "the server",
    S.SYN_SENT: "the client; both, when both open at once",
    S.SYN_RECEIVED: "the server; both, when both open at once",
    S.ESTABLISHED: "both, at the same time",
    S.FIN_WAIT_1: _FIRST,
    S.FIN_WAIT_2: _FIRST,
    S.CLOSE_WAIT: _SECOND,
    S.CLOSING: "both, when both close at once",
    S.LAST_ACK: _SECOND,
    S.TIME_WAIT: "the side that closes first; both, when both close at once",
    S.CLOSED: "both, before and after",
}
