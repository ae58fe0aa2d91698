"""The pages of the tour: what each one tells, shows and asks."""

from __future__ import annotations

from typing import NamedTuple


class Page(NamedTuple):
    """One screen. {port} stands for the port of the tour's own listener."""

    title: str
    text: str
    act: str  # a method of `live.exhibits.Exhibits`, which makes the sockets
    commands: tuple[str, ...]  # that are run
    question: str
    choices: tuple[str, ...]
    right: int  # the index of the right choice
    why: str


_LIST = "tcpstates -tan --columns"
_LEAKED = "close_wait and sport = :{port}"  # the filter of what the tour leaks

PAGES = (
    Page(
        "A server waits",
        "This tour has just opened a socket, on a port that was free, and called"
        " listen(). A socket is one end of a connection, or, as this one, waits for"
        " connections. The listing shows it with its process.",
        "listen",
        ("tcpstates -ltn --columns state,local,remote,process 'sport = :{port}'",),
        "The server is in LISTEN. Which data does this socket carry?",
        (
            "none: each connection gets a socket of its own",
            "those of the first client",
            "those of all clients",
        ),
        0,
        "A listener only waits. For each client, the kernel makes another socket.",
    ),
    Page(
        "The handshake",
        "Now a client connects. tcpstates performs it here, on this kernel, and holds"
        " each segment back for a moment, so that every state can be seen.",
        "nothing",
        ("tcpstates sequence open{live}",),
        "Which side is ESTABLISHED first?",
        ("the server", "the client", "both at the same moment"),
        1,
        "The client has everything with the SYN,ACK; the server needs the last ACK.",
    ),
    Page(
        "Two connections, one port",
        "The tour has connected to its own server twice. Each connection has two ends,"
        " and both are on this host, so the listing shows each of them.",
        "connect",
        ("tcpstates -tan 'sport = :{port} or dport = :{port}'",),
        "How can two connections use the server's port {port}?",
        (
            "they cannot: one of them waits",
            "the addresses and ports of both ends tell them apart",
            "the server has a second port for the second one",
        ),
        1,
        "A connection is named by four things; the client's port differs here.",
    ),
    Page(
        "Half-open",
        "What if the last ACK of the handshake is lost? The client is connected, the"
        " server is not yet: it is half-open, in SYN_RECEIVED.",
        "nothing",
        ("tcpstates sequence lost-ack",),
        "Hundreds of sockets in SYN_RECEIVED from many addresses: what is it?",
        ("a leak of descriptors", "a slow program", "a flood of SYNs"),
        2,
        "From few addresses, it would be answers that get lost. See: tcpstates explain"
        " syn-flood",
    ),
    Page(
        "Closing",
        "Each direction is closed on its own: a FIN, and an ACK for it. Look at who"
        " waits for whom.",
        "nothing",
        ("tcpstates sequence close{live}",),
        "The client has closed, and the server's program has not. Where are they?",
        (
            "client TIME_WAIT, server CLOSED",
            "client FIN_WAIT_2, server CLOSE_WAIT",
            "client CLOSED, server ESTABLISHED",
        ),
        1,
        "The server's kernel has acknowledged the FIN; now its program has to close.",
    ),
    Page(
        "TIME_WAIT",
        "The tour has closed its two connections, the clients first. Their ends stay"
        " for a while, with a timer and without a process: late segments must not get"
        " into a new connection.",
        "close_one_side",
        (_LIST + " state,local,remote,timer time_wait and dport = :{port}",),
        "A thousand sockets in TIME_WAIT: what is to be done?",
        (
            "nothing: it is the normal end",
            "close them in the program",
            "shorten tcp_fin_timeout",
        ),
        0,
        "No process holds them, and tcp_fin_timeout is for another state.",
    ),
    Page(
        "A leak",
        "Six clients have connected and closed. The server has read the end of their"
        " streams and forgotten to close. The doctor is asked about them.",
        "leak",
        (
            f"{_LIST} state,local,process {_LEAKED}",
            f"tcpstates doctor --threshold kept=0s {_LEAKED}",
        ),
        "Who has to do something?",
        (
            "the clients",
            "the administrator, with a sysctl",
            "whoever wrote the server's program",
        ),
        2,
        "Only the program ends it, by close() or with its own end. No setting does.",
    ),
    Page(
        "Repaired",
        "Now the program closes its sockets, as it should have done when recv()"
        " returned nothing.",
        "repair",
        (
            f"tcpstates -tac {_LEAKED}",
            f"tcpstates doctor --threshold kept=0s {_LEAKED}",
        ),
        "Where do the server's ends go after CLOSE_WAIT?",
        ("LAST_ACK, and then CLOSED", "TIME_WAIT", "FIN_WAIT_1"),
        0,
        "They closed second, so they have no TIME_WAIT: the clients have it.",
    ),
)
