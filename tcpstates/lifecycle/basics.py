"""The basics: what a socket is, how a connection opens, what its words mean."""

from __future__ import annotations

from tcpstates.lifecycle.topics import Topic

BASICS: dict[str, Topic] = {
    "socket": Topic(
        title="what a socket is, and what a port is",
        answer="A socket is one end of a connection, or a listener that waits for"
        " connections. A program asks the kernel for it and holds a descriptor, a"
        " small number; the kernel holds the record: the addresses, the state, and"
        " data on their way in and out.\nA port is a number from 1 to 65535 that tells"
        " apart the programs of one host. A connection is named by four things: both"
        " addresses and both ports. So a server can have thousands of connections on"
        " one port, each with a socket of its own.\nA port answers only if a program"
        " has a socket on it: passive open, by bind() and listen(). If nothing listens"
        " there, the kernel refuses. The client's port is chosen by its kernel, in"
        " connect(): active open.\nTCP is reliable: it numbers every byte and resends"
        " what is not acknowledged, or reports an error. UDP sends single datagrams"
        " without that, and has no states.",
        see=("tcpstates -tulpen", "tcpstates explain handshake"),
    ),
    "phases": Topic(
        title="the three phases of a connection",
        answer="Opening: the handshake, three segments. Both sides agree on where"
        " their byte numbers begin (SYN_SENT, SYN_RECEIVED).\nTransfer: both sides can"
        " send at any time, independently of each other (full duplex). Both are in"
        " ESTABLISHED, at the same time.\nClosing: each direction is closed"
        " separately, by a FIN and its ACK. Either side may begin, client or server."
        " The program's close() frees its descriptor at once; the kernel frees its"
        " record when both directions are closed, and the side that closed first keeps"
        " a small one in TIME_WAIT for a minute.",
        see=(
            "tcpstates diagram",
            "tcpstates sequence open",
            "tcpstates sequence close",
        ),
    ),
    "handshake": Topic(
        title="the three-way handshake",
        answer="1. The client sends SYN with its initial sequence number, A, which"
        " others cannot guess: SYN seq=A. It is in SYN_SENT.\n2. The server answers"
        " with its own number, B, and acknowledges A: SYN,ACK seq=B ack=A+1. Its new"
        " socket is in SYN_RECEIVED; the listener stays in LISTEN.\n3. The client"
        " acknowledges B: ACK seq=A+1 ack=B+1. It is ESTABLISHED, and the server is,"
        " too, as soon as this ACK arrives.\nWhy three: each side has to tell its"
        " number and to learn that it has arrived. That would be four segments, but"
        " the server's answer and its own SYN share one. Steps 1 and 2 settle the"
        " direction from the client to the server, steps 2 and 3 the other one. With"
        " two, an old SYN that was late on its way would open a connection that nobody"
        " wants.",
        see=("tcpstates sequence open --live", "tcpstates explain sequence-numbers"),
    ),
    "sequence-numbers": Topic(
        title="how TCP counts bytes",
        answer="Every byte has a number of 32 bits. seq is the number of a segment's"
        " first byte, and ack the number of the next byte that the sender of the ACK"
        " expects: all before it have arrived. SYN and FIN count as one byte each, so"
        " they can be acknowledged, and resent, as data are.\nThe first number, the"
        " initial sequence number (ISN), is a clock plus a secret for each pair of"
        " addresses and ports (RFC 9293, 3.4.1): others cannot guess it, and it rises"
        " from one connection to the next.",
        see=("tcpstates sequence open", "tcpstates explain handshake"),
    ),
    "mss": Topic(
        title="MSS and MSL are two things",
        answer="MSS, the maximum segment size: how many bytes of data fit into one"
        " segment. Each side announces its own in its SYN; on Ethernet it is mostly"
        " 1460 (IPv4) or 1440 (IPv6), less 12 for time stamps.\nMSL, the maximum"
        " segment lifetime: how long a segment may wander about in the network, 2"
        " minutes in the RFC. It is a time, not a length. TIME_WAIT lasts two of them,"
        " 2 MSL.",
        see=("tcpstates -tani established", "tcpstates explain time_wait"),
    ),
    "tools": Topic(
        title="which tool lists sockets",
        answer="Linux: ss replaces netstat, whose package (net-tools) is no longer"
        " installed by default; lsof lists the descriptors of processes. Windows:"
        " netstat -ano lists everything with pids; PowerShell has"
        " Get-NetTCPConnection. macOS and the BSDs: netstat -an, lsof -i,"
        " sockstat.\nThe flags of ss and netstat work here: -t TCP, -u UDP, -l only"
        " listeners, -p processes, -e users, -n numbers. tulpen is easy to remember:"
        " Dutch for tulips, and the flags for all listeners with everything about"
        " them.",
        see=("tcpstates -tulpen", "tcpstates states"),
    ),
}

# What is often taught, and what is true.
MYTHS: dict[str, str] = {
    "TIME_WAIT lasts 4 minutes.": (
        "In the RFC: 2 MSL of 2 minutes. Linux and FreeBSD take 60 s, macOS 30 s."
    ),
    "tcp_fin_timeout shortens TIME_WAIT.": (
        "No: it is for FIN_WAIT_2 without a process. On Linux, TIME_WAIT always lasts"
        " 60 s."
    ),
    "CLOSE_WAIT times out.": (
        "The kernel has no timer for it. Keepalive, if the program has enabled it,"
        " ends it when the peer is gone; the descriptor stays open."
    ),
    "A connection attempt fails after 75 s.": (
        "On BSD and macOS. Linux repeats the SYN for about two minutes, Windows for"
        " 21 s; a half-open connection is dropped after 63 s on Linux."
    ),
    "FIN_WAIT_2 lasts 10 minutes.": (
        "It did in 4.2BSD. Linux: 60 s without a process, no limit with one."
    ),
    "2 MSL is twice the maximum segment length.": ("Lifetime: it is a time."),
    "Half-open means that one side has closed.": (
        "That is half-closed. A half-open connection has not completed its handshake;"
        " the RFC uses the word for one whose other end has crashed."
    ),
    "Only clients are in SYN_SENT, only servers in SYN_RECEIVED.": (
        "Both are, when both open at once."
    ),
    "The listener becomes the connection.": (
        "It stays in LISTEN; each connection gets a socket of its own."
    ),
    "A reset loses everything that was sent.": (
        "Linux lets the peer read what had arrived."
    ),
    "CLOSING and TIME_WAIT follow by a timer.": (
        "CLOSING ends with the ACK of the FIN; only TIME_WAIT ends by a timer."
    ),
    "A developer needs LISTEN, ESTABLISHED and CLOSED only.": (
        "CLOSE_WAIT is the developer's state: it means that the program has not closed."
    ),
    "The names of states differ because TCP does not define them.": (
        "RFC 9293, 3.3.2, names all eleven; systems only spell them differently."
    ),
    "The peer's FIN follows its ACK at once.": (
        "Only when its program closes: it may take hours."
    ),
}

GLOSSARY: dict[str, str] = {
    "accept()": "the program takes a connection from the accept queue",
    "accept queue": "complete connections that wait for accept()",
    "ACK": "a segment that acknowledges bytes, or the flag that says so",
    "active open": "connect(): this side sends the first SYN",
    "backlog": "the limit of the accept queue, from listen()",
    "client": "the side that opens a connection",
    "close()": "the program gives the socket up; the last descriptor sends the FIN",
    "connection pool": "connections that are kept open for later use",
    "descriptor": "the number by which a program refers to a socket or file",
    "ephemeral port": "a port that the kernel chooses for connect()",
    "FIN": "the end of one side's data",
    "half-closed": "one side has ended its data, the other has not",
    "half-open": "the handshake is not complete; or the other end has crashed",
    "inode": "the kernel's number of a socket, by which its processes are found",
    "ISN": "initial sequence number, hard to guess, from which bytes are counted",
    "kernel": "the core of the operating system; it does the work of TCP",
    "keepalive": "probes on an idle connection, if the program asks for them",
    "listener": "a socket in LISTEN, which waits for connections and carries no data",
    "MSL": "maximum segment lifetime, how long a segment can be under way",
    "MSS": "maximum segment size, the bytes of data in one segment",
    "orphan": "a closed socket that the kernel still has to finish",
    "passive open": "listen(): this side waits for a SYN",
    "peer": "the other end of a connection",
    "port": "a number that tells apart the programs of one host",
    "Recv-Q": "received bytes that the program has not read, a FIN counts as one; of a"
    " listener: connections in its accept queue",
    "process": "a running program",
    "recv()": "the program reads; nothing means that the peer has closed",
    "retransmission": "a segment that is sent again, because no ACK has come",
    "RST": "reset: ends the connection immediately",
    "segment": "one message of TCP: flags, numbers and maybe data",
    "Send-Q": "bytes that the program has written and the peer has not acknowledged,"
    " sent or not; of a listener: its backlog",
    "server": "the side that waits for connections",
    "socket": "one end of a connection, or a listener: a descriptor of the program, a"
    " record of the kernel",
    "stream": "all bytes of one direction, in order",
    "SYN": "the first segment of each side, with its initial sequence number",
    "window": "how many more bytes a side can take at the moment",
}
BASICS["myths"] = Topic(
    title="what is often taught, and was never true or is no longer",
    answer="\n".join(f'"{claim}" {truth}' for claim, truth in MYTHS.items()),
    see=("tcpstates states", "tcpstates explain time_wait"),
)
BASICS["glossary"] = Topic(
    title="words",
    answer="\n".join(f"{word}: {meaning}." for word, meaning in GLOSSARY.items()),
    see=("tcpstates explain socket", "tcpstates explain handshake"),
)
