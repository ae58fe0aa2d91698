"""Scenarios of what goes wrong, and of what people ask about."""

from __future__ import annotations

from tcpstates.lifecycle.acts import CLIENT, NOTHING, SERVER, Act, Scenario
from tcpstates.lifecycle.machine import Event
from tcpstates.states import TcpState

E, S = Event, TcpState
_OPEN = (S.ESTABLISHED, S.ESTABLISHED)

FURTHER_SCENARIOS: dict[str, Scenario] = {
    "server-closes-first": Scenario(
        "Four-way close: the server closes first",
        _OPEN,
        (
            Act(SERVER, E.CLOSE),
            Act(CLIENT, E.FIN),
            Act(SERVER, E.ACK_OF_FIN),
            Act(CLIENT, E.CLOSE),
            Act(SERVER, E.FIN),
            Act(CLIENT, E.ACK_OF_FIN),
            Act(SERVER, E.TWO_MSL),
        ),
        "Now the server has the TIME_WAIT. It does not matter who is the client: the"
        " side that closes first waits.",
    ),
    "unread-data": Scenario(
        "The server closes and has not read everything",
        _OPEN,
        (
            Act(CLIENT, None, "send()", "data"),
            Act(SERVER, E.ABORT, "close() with the data unread"),
            Act(CLIENT, E.RST, "ECONNRESET", error="ECONNRESET"),
        ),
        "The kernel sends RST instead of FIN, so that the client learns that its data"
        " were not read. See tcpstates explain unread-data.",
    ),
    "broken-pipe": Scenario(
        "Broken pipe: the client sends after the server has closed",
        _OPEN,
        (
            Act(SERVER, E.CLOSE, "close()"),
            Act(CLIENT, E.FIN),
            Act(SERVER, E.ACK_OF_FIN),
            Act(CLIENT, None, "send() still succeeds", "data"),
            Act(SERVER, E.ABORT, "no program is left to read the data"),
            Act(CLIENT, E.RST, "the next send() fails: EPIPE", error="EPIPE"),
        ),
        "A FIN only says that the server sends nothing more. That it does not read"
        " either, the client learns from the RST: sends succeed until it has arrived,"
        " and then fail.",
    ),
    "half-open": Scenario(
        "Half-open: the server has crashed, and the client does not know",
        _OPEN,
        (
            Act(SERVER, E.ABORT, "crash: its kernel forgets everything", NOTHING),
            Act(CLIENT, None, "later: send()", "data"),
            Act(SERVER, None, "it knows no such connection", "RST"),
            Act(CLIENT, E.RST, "ECONNRESET", error="ECONNRESET"),
        ),
        "Until the client sends something, its socket is ESTABLISHED, for days if need"
        " be. If the host does not come back, no RST comes either: the client then"
        " gives up after about 15 minutes.",
        live_note="In place of the crash, the kernel was told to forget the server's"
        " socket.",
    ),
    "keepalive": Scenario(
        "Keepalive: the client finds out that the server is gone",
        _OPEN,
        (
            Act(SERVER, E.ABORT, "its power fails", NOTHING),
            Act(CLIENT, None, "idle for two hours: a probe", "ACK", is_probe=True),
            Act(CLIENT, None, "no answer: 8 more, 75 s apart", "ACK", is_probe=True),
            Act(
                CLIENT,
                E.USER_TIMEOUT,
                "the next recv() fails: ETIMEDOUT",
                error="ETIMEDOUT",
            ),
        ),
        "Only if the program has set SO_KEEPALIVE. See tcpstates explain keepalive.",
        live_note="In place of the power failure, the kernel was told to forget the"
        " server's socket. The first probe came after a second, the others a second"
        " apart.",
    ),
    "lost-ack": Scenario(
        "The last ACK of the handshake is lost",
        (S.CLOSED, S.LISTEN),
        (
            Act(CLIENT, E.ACTIVE_OPEN),
            Act(SERVER, E.SYN),
            Act(CLIENT, E.SYN_ACK, "this ACK is lost"),
            Act(SERVER, None, "no ACK: a second later, it repeats", "SYN,ACK"),
            Act(CLIENT, None, "it repeats the ACK", "ACK"),
            Act(SERVER, E.ACK_OF_SYN),
        ),
        "Meanwhile the client is ESTABLISHED and the server half-open. If the client"
        " sends data, their ACK completes the handshake, too.",
    ),
    "queue-full": Scenario(
        "The accept queue of the server is full",
        (S.CLOSED, S.LISTEN),
        (
            Act(CLIENT, E.ACTIVE_OPEN),
            Act(SERVER, None, "queue full: it drops the SYN", drops=E.SYN),
            Act(CLIENT, None, "a second later", "SYN"),
            Act(SERVER, E.SYN, "accept() has made room"),
            Act(CLIENT, E.SYN_ACK),
            Act(SERVER, E.ACK_OF_SYN),
        ),
        "To the client, the server seems slow by whole seconds. See tcpstates explain"
        " backlog.",
        is_queue_full=True,
    ),
    "syn-flood": Scenario(
        "SYN flood: one of many SYNs from a made-up address",
        (S.CLOSED, S.LISTEN),
        (
            Act(CLIENT, None, "an attacker", "SYN"),
            Act(SERVER, E.SYN),
            Act(SERVER, None, "no ACK: it repeats, 5 times", "SYN,ACK"),
            Act(SERVER, E.USER_TIMEOUT, "after 63 s it gives up"),
        ),
        "Each one takes a place in the queue of half-open connections for a minute."
        " With SYN cookies, the server keeps nothing and is not harmed.",
        live_note="The attacker was a socket that did not receive the answer. The"
        " server repeated its SYN,ACK twice instead of 5 times.",
    ),
    "time-wait-reuse": Scenario(
        "A client comes again from a port that the server has in TIME_WAIT",
        (S.CLOSED, S.TIME_WAIT),
        (
            Act(CLIENT, E.ACTIVE_OPEN, "connect() from the same port"),
            Act(SERVER, E.SYN),
            Act(CLIENT, E.SYN_ACK),
            Act(SERVER, E.ACK_OF_SYN),
        ),
        "The new sequence number, or the time stamp, is higher than the old ones, so"
        " the server can tell the connections apart (RFC 6191). Another host behind"
        " the same address translation may have a lower one: it gets an ACK, answers"
        " with RST, and loses a second.",
        live_note="The server had no listener until its first step, so the SYN waited.",
    ),
    "fin-wait-2-timeout": Scenario(
        "The client has closed, and the server does so hours later",
        _OPEN,
        (
            Act(CLIENT, E.CLOSE, "close()"),
            Act(SERVER, E.FIN),
            Act(CLIENT, E.ACK_OF_FIN),
            Act(CLIENT, E.NO_PROCESS, "60 s later (tcp_fin_timeout)"),
            Act(SERVER, E.CLOSE, "hours later: close()"),
            Act(CLIENT, None, "it knows no such connection", "RST"),
            Act(SERVER, E.RST),
        ),
        "Linux ends FIN_WAIT_2 if no process holds the socket. The server's CLOSE_WAIT"
        " stays until its program closes.",
        live_note="In FIN_WAIT_2 the socket was closed, with a timeout of a second.",
    ),
}
