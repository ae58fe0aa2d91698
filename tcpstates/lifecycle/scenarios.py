"""What two parties do with each other, as walks through the state machine.

A scenario is a list of who meets which event; states and segments follow from the
table, so none can show what the table does not allow.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from tcpstates.lifecycle.machine import Event, step
from tcpstates.states import TcpState

E, S = Event, TcpState
CLIENT, SERVER = "client", "server"


class Act(NamedTuple):
    """One party meets an event, or, where there is none, something else happens."""

    party: str
    event: Event | None
    text: str = ""  # what a program or the kernel does, beside the event
    sends: str = ""  # another segment than the table's: one that carries more, or none


class Scenario(NamedTuple):
    """A story of a connection."""

    title: str
    start: tuple[TcpState, TcpState]  # client, server
    acts: tuple[Act, ...]
    moral: str


class Moment(NamedTuple):
    """The states of both after an act, and what goes from one to the other by it."""

    act: Act
    client: TcpState
    server: TcpState
    segment: str | None


class Seen(NamedTuple):
    """What the kernel says after a step; None: that party was not looked at."""

    client: TcpState | None
    server: TcpState | None
    left_ms: int | None = None  # until TIME_WAIT ends, which is not waited for

    def differs(self, moment: Moment) -> bool:
        """Tell whether it is not what the scenario expects."""
        pairs = ((self.client, moment.client), (self.server, moment.server))
        return any(seen not in (None, expected) for seen, expected in pairs)


NOTHING = "-"  # instead of a segment: it waits, and goes with the next one

SCENARIOS: dict[str, Scenario] = {
    "open": Scenario(
        "Three-way handshake",
        (S.CLOSED, S.CLOSED),
        (
            Act(SERVER, E.PASSIVE_OPEN),
            Act(CLIENT, E.ACTIVE_OPEN),
            Act(SERVER, E.SYN),
            Act(CLIENT, E.SYN_ACK),
            Act(SERVER, E.ACK_OF_SYN),
        ),
        "The client is ESTABLISHED one segment before the server. The listener stays"
        " in LISTEN; the server's socket here is the one it makes.",
    ),
    "close": Scenario(
        "Four-way close, the client first",
        (S.ESTABLISHED, S.ESTABLISHED),
        (
            Act(CLIENT, E.CLOSE),
            Act(SERVER, E.FIN),
            Act(CLIENT, E.ACK_OF_FIN),
            Act(SERVER, E.CLOSE),
            Act(CLIENT, E.FIN),
            Act(SERVER, E.ACK_OF_FIN),
            Act(CLIENT, E.TWO_MSL),
        ),
        "Who closes first ends in TIME_WAIT. The other is in CLOSE_WAIT until its"
        " program closes too: nothing else ends that.",
    ),
    "close-three-way": Scenario(
        "Three-way close: the server closes at once",
        (S.ESTABLISHED, S.ESTABLISHED),
        (
            Act(CLIENT, E.CLOSE),
            Act(SERVER, E.FIN, sends=NOTHING),
            Act(SERVER, E.CLOSE, sends="FIN,ACK"),
            Act(CLIENT, E.FIN_AND_ACK_OF_FIN),
            Act(SERVER, E.ACK_OF_FIN),
            Act(CLIENT, E.TWO_MSL),
        ),
        "The server's ACK waits for its FIN and both go in one segment, so the client"
        " is never in FIN_WAIT_2.",
    ),
    "simultaneous-open": Scenario(
        "Both open at once",
        (S.CLOSED, S.CLOSED),
        (
            Act(CLIENT, E.ACTIVE_OPEN),
            Act(SERVER, E.ACTIVE_OPEN),
            Act(SERVER, E.SYN),
            Act(CLIENT, E.SYN),
            Act(CLIENT, E.ACK_OF_SYN),
            Act(SERVER, E.ACK_OF_SYN),
        ),
        "Two clients make one connection, each from the port that the other one"
        " connects to. It is rare, and how some get through address translation.",
    ),
    "simultaneous-close": Scenario(
        "Both close at once",
        (S.ESTABLISHED, S.ESTABLISHED),
        (
            Act(CLIENT, E.CLOSE),
            Act(SERVER, E.CLOSE),
            Act(SERVER, E.FIN),
            Act(CLIENT, E.FIN),
            Act(CLIENT, E.ACK_OF_FIN),
            Act(SERVER, E.ACK_OF_FIN),
            Act(CLIENT, E.TWO_MSL),
            Act(SERVER, E.TWO_MSL),
        ),
        "The FINs cross on their way, so both are in CLOSING for a moment, and both in"
        " TIME_WAIT after it.",
    ),
    "half-close": Scenario(
        "Half-close: the client has sent all, and still receives",
        (S.ESTABLISHED, S.ESTABLISHED),
        (
            Act(CLIENT, E.CLOSE, "shutdown(SHUT_WR)"),
            Act(SERVER, E.FIN),
            Act(CLIENT, E.ACK_OF_FIN),
            Act(SERVER, None, "send()", "data"),
            Act(CLIENT, None, "recv()", "ACK"),
            Act(SERVER, E.CLOSE),
            Act(CLIENT, E.FIN),
            Act(SERVER, E.ACK_OF_FIN),
            Act(CLIENT, E.TWO_MSL),
        ),
        "FIN_WAIT_2 has no timer while a process holds the socket, and CLOSE_WAIT has"
        " none ever: a half-closed connection can last as long as both want.",
    ),
    "reset": Scenario(
        "Reset: the client aborts",
        (S.ESTABLISHED, S.ESTABLISHED),
        (Act(CLIENT, E.ABORT), Act(SERVER, E.RST)),
        "Nobody waits for anything. What the client still had to send is lost, and the"
        " server gets ECONNRESET, after what has arrived.",
    ),
    "refused": Scenario(
        "Refused: nobody listens",
        (S.CLOSED, S.CLOSED),
        (
            Act(CLIENT, E.ACTIVE_OPEN),
            Act(SERVER, None, "no listener on that port", "RST,ACK"),
            Act(CLIENT, E.RST),
        ),
        "connect() fails with ECONNREFUSED at once. No answer at all is something"
        " else: see syn-timeout.",
    ),
    "syn-timeout": Scenario(
        "No answer to the SYN",
        (S.CLOSED, S.CLOSED),
        (
            Act(CLIENT, E.ACTIVE_OPEN),
            Act(CLIENT, None, "no answer: it waits, twice as long each time", "SYN"),
            Act(CLIENT, None, "and again", "SYN"),
            Act(CLIENT, E.USER_TIMEOUT, "the last retry is not answered either"),
        ),
        "connect() fails with ETIMEDOUT, on Linux after about two minutes. A firewall"
        " drops the SYN or the answer, or the host is not there.",
    ),
}


def is_simultaneous(scenario: Scenario) -> bool:
    """Tell whether both parties do the same before anything arrives."""
    first, second = scenario.acts[:2]
    return first.event is second.event and first.party != second.party


def walk(scenario: Scenario) -> Iterator[Moment]:
    """Yield the moments of a scenario; KeyError for what the table does not allow."""
    states = dict(zip((CLIENT, SERVER), scenario.start, strict=True))
    for act in scenario.acts:
        segment: str | None = act.sends or None
        if act.event is not None:
            edge = step(states[act.party], act.event)
            states[act.party] = edge.target
            segment = segment or edge.sends
        if segment == NOTHING:
            segment = None
        yield Moment(act, states[CLIENT], states[SERVER], segment)
