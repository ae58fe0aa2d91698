"""Connections between two parties, as walks through the state machine.

A scenario lists which party meets which event. States and segments follow from the
table, so a scenario cannot show anything that the table does not allow.
"""

from __future__ import annotations

from tcpstates.lifecycle.acts import CLIENT, NOTHING, SERVER, Act, Scenario
from tcpstates.lifecycle.further_scenarios import FURTHER_SCENARIOS
from tcpstates.lifecycle.machine import Event
from tcpstates.states import TcpState

E, S = Event, TcpState

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
        " until its program closes, too; only keepalive or a reset ends it earlier.",
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
        "FIN_WAIT_2 has no limit while a process holds the socket open, and CLOSE_WAIT"
        " none of its own: a half-closed connection can last as long as both sides"
        " want, unless keepalive finds the peer gone.",
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
            Act(CLIENT, E.RST, error="ECONNREFUSED"),
        ),
        "connect() fails with ECONNREFUSED at once. If there is no answer at all, see"
        " syn-timeout.",
    ),
    "syn-timeout": Scenario(
        "No answer to the SYN",
        (S.CLOSED, S.CLOSED),
        (
            Act(CLIENT, E.ACTIVE_OPEN),
            Act(CLIENT, None, "no answer: a second later, it retries", "SYN"),
            Act(CLIENT, None, "and again", "SYN"),
            Act(
                CLIENT,
                E.USER_TIMEOUT,
                "the last retry is not answered either",
                error="ETIMEDOUT",
            ),
        ),
        "connect() fails with ETIMEDOUT, on Linux after about two minutes: a retry each"
        " second at first (since Linux 6.5), and then after twice as long each time. A"
        " firewall drops the SYN or the answer, or the host is down.",
    ),
} | FURTHER_SCENARIOS
