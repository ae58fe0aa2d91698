"""What people ask about connections that is not about one state alone."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """One question, and its answer."""

    title: str
    answer: str  # paragraphs, a line each
    see: tuple[str, ...]  # commands that show more


TOPICS: dict[str, Topic] = {
    "half-closed": Topic(
        title="half-open and half-closed are two things",
        answer="Half-open: the handshake is not complete. The server has sent its SYN,ACK"
        " and waits for the last ACK (SYN_RECEIVED). RFC 9293 calls half-open, too,"
        " a connection of which one side has crashed and the other knows nothing:"
        " that one looks ESTABLISHED until something is sent.\n"
        "Half-closed: the handshake is long done, and one side has ended its stream"
        " with a FIN. It is in FIN_WAIT_2 and still receives; the other is in"
        " CLOSE_WAIT and may still send. Both can last as long as both programs"
        " want, and no timer of the kernel ends it while a process holds the"
        " socket.",
        see=("tcpstates sequence half-close", "tcpstates explain syn_received"),
    ),
    "termination": Topic(
        title="a connection ends with three segments or four",
        answer="Each direction is closed on its own: a FIN, and an ACK for it. That makes"
        " four segments when the two sides close one after the other.\n"
        "When the second side closes before its ACK has left, the ACK and its own"
        " FIN go as one: three segments, and the first side goes from FIN_WAIT_1"
        " to TIME_WAIT without FIN_WAIT_2 between. Who closes first has the"
        " TIME_WAIT; who closes second passes CLOSE_WAIT and LAST_ACK.",
        see=("tcpstates sequence close", "tcpstates sequence close-three-way"),
    ),
    "simultaneous": Topic(
        title="both sides open, or close, at once",
        answer="Two connects whose SYNs cross make one connection, and both sides pass"
        " SYN_RECEIVED: there is no server. It needs both ports agreed before, and"
        " is how some programs get through address translation.\n"
        "Two closes whose FINs cross take both sides through CLOSING into"
        " TIME_WAIT. It is rare, and harmless.",
        see=(
            "tcpstates sequence simultaneous-open",
            "tcpstates sequence simultaneous-close",
        ),
    ),
    "unread-data": Topic(
        title="closing with unread data resets the connection",
        answer="close() on a socket whose receive queue is not empty sends a RST instead"
        " of a FIN, on Linux and most others (RFC 2525, 2.17, asks for it: the peer"
        " must learn that its data were not read). The socket is CLOSED at once.\n"
        "What was still to be sent is thrown away with it: of 3.9 MB that send() had"
        " accepted, a peer on loopback got 0.1. What had arrived, the peer can still"
        " read on Linux; on other systems the RST may throw that away, too. A server"
        " that answers early and closes (an error to a large upload, say) loses its"
        " own answer this way.\n"
        "Instead: shutdown(SHUT_WR), read until the end of the stream, with a"
        " deadline, and close() then. The kernel counts such closes in"
        " TcpExtTCPAbortOnClose.",
        see=("nstat -az TcpExtTCPAbortOnClose", "tcpstates sequence reset"),
    ),
    "busy-port": Topic(
        title="why a port stays busy after close",
        answer="bind() fails with EADDRINUSE while a connection of that port is in any"
        " state: mostly TIME_WAIT, for 60 s on Linux. A server sets SO_REUSEADDR"
        " before bind(), and is not disturbed by it; two listeners on one port"
        " need SO_REUSEPORT, in both.\n"
        "Other holders: a child that has inherited the listener, a process that is"
        " bound and does not listen, one that listens on the wildcard address, or"
        " a listener on IPv6's wildcard, which takes IPv4 too.",
        see=(
            "tcpstates -tanp 'sport = :8080'",
            "tcpstates -tanp bound",
            "tcpstates explain time_wait",
        ),
    ),
    "whose-fault": Topic(
        title="whose fault is it?",
        answer="CLOSE_WAIT that stays: one's own program. The peer has closed and the"
        " kernel has said so; only the program's close() is missing.\n"
        "FIN_WAIT_2 that stays: the peer's program. It sits in CLOSE_WAIT there."
        " Only when a process here still holds the socket after shutdown() it is"
        " its own: the kernel's timer runs for those without one.\n"
        "SYN_SENT that stays: the way there, or the server's full queue."
        " SYN_RECEIVED that stays: the way back, or a flood. FIN_WAIT_1, CLOSING"
        " and LAST_ACK that stay: the peer is gone, or does not read. TIME_WAIT:"
        " nobody's, it is the normal end.",
        see=("tcpstates -tanp close_wait", "tcpstates -tan --by state,remote-address"),
    ),
}
