"""Connections between two parties, as walks through the state machine.

A scenario lists which party meets which event. States and segments follow from the
table, so a scenario cannot show anything that the table does not allow.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from tcpstates.lifecycle.machine import Event, step
from tcpstates.states import TcpState

E, S = Event, TcpState
CLIENT, SERVER = "client", "server"


class Act(NamedTuple):
    """One party meets an event or, if `event` is None, does something else."""

    party: str
    event: Event | None
    text: str = ""  # an action of a program or the kernel, besides the event
    sends: str = ""  # replaces the table's segment: one that carries more, or none


class Scenario(NamedTuple):
    """A course of events in a connection."""

    title: str
    start: tuple[TcpState, TcpState]  # client, server
    acts: tuple[Act, ...]
    moral: str


class StepResult(NamedTuple):
    """The states of both parties after an act, and the segment that it sends."""

    act: Act
    client: TcpState
    server: TcpState
    segment: str | None


class Observation(NamedTuple):
    """The states that the kernel reports after a step; None: party not examined."""

    client: TcpState | None
    server: TcpState | None
    left_ms: int | None = None  # until TIME_WAIT ends, which is not awaited

    def differs(self, result: StepResult) -> bool:
        """Check whether the states differ from those that the scenario expects."""
        pairs = ((self.client, result.client), (self.server, result.server))
        return any(seen not in (None, expected) for seen, expected in pairs)


NOTHING = "-"  # no segment yet: it is sent together with the next one

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
        " in LISTEN; the server's socket shown here is the one that the listener"
        " creates.",
    ),
    "close": Scenario(
        "Four-way close: the client closes first",
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
        "The side that closes first ends in TIME_WAIT. The other side is in CLOSE_WAIT"
        " until its program closes, too: nothing else ends that state.",
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
        "The server's ACK waits for its FIN. Both are sent in one segment, so the"
        " client is never in FIN_WAIT_2.",
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
        " connects to. This is rare; some programs use it to get through address"
        " translation.",
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
        "The FINs cross in transit, so both sides are in CLOSING for a moment, and then"
        " in TIME_WAIT.",
    ),
    "half-close": Scenario(
        "Half-close: the client has sent everything and still receives",
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
        "FIN_WAIT_2 has no timer while a process holds the socket open, and CLOSE_WAIT"
        " never has one: a half-closed connection can last as long as both sides want.",
    ),
    "reset": Scenario(
        "Reset: the client aborts",
        (S.ESTABLISHED, S.ESTABLISHED),
        (Act(CLIENT, E.ABORT), Act(SERVER, E.RST)),
        "Neither side waits. Data that the client still had to send are lost, and the"
        " server gets ECONNRESET after the data that have arrived.",
    ),
    "refused": Scenario(
        "Refused: nothing listens on the port",
        (S.CLOSED, S.CLOSED),
        (
            Act(CLIENT, E.ACTIVE_OPEN),
            Act(SERVER, None, "no listener on that port", "RST,ACK"),
            Act(CLIENT, E.RST),
        ),
        "connect() fails with ECONNREFUSED at once. If there is no answer at all, see"
        " syn-timeout.",
    ),
    "syn-timeout": Scenario(
        "No answer to the SYN",
        (S.CLOSED, S.CLOSED),
        (
            Act(CLIENT, E.ACTIVE_OPEN),
            Act(CLIENT, None, "no answer: it retries, and waits twice as long", "SYN"),
            Act(CLIENT, None, "and again", "SYN"),
            Act(CLIENT, E.USER_TIMEOUT, "the last retry is not answered either"),
        ),
        "connect() fails with ETIMEDOUT, on Linux after about two minutes. A firewall"
        " drops the SYN or the answer, or the host is down.",
    ),
}


def is_simultaneous(scenario: Scenario) -> bool:
    """Check whether both parties do the same before any segment arrives."""
    first, second = scenario.acts[:2]
    return first.event is second.event and first.party != second.party


def walk(scenario: Scenario) -> Iterator[StepResult]:
    """Yield the moments of a scenario; KeyError if the table does not allow a step."""
    states = dict(zip((CLIENT, SERVER), scenario.start, strict=True))
    for act in scenario.acts:
        segment: str | None = act.sends or None
        if act.event is not None:
            edge = step(states[act.party], act.event)
            states[act.party] = edge.target
            segment = segment or edge.sends
        if segment == NOTHING:
            segment = None
        yield StepResult(act, states[CLIENT], states[SERVER], segment)
