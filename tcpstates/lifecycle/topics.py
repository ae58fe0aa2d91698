"""Common questions about connections that concern more than one state."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """One question, and its answer."""

    title: str
    answer: str  # paragraphs, one per line
    see: tuple[str, ...]  # commands that show more
    code: str = ""  # an example, line by line


TOPICS: dict[str, Topic] = {
    "half-closed": Topic(
        title="half-open and half-closed are different things",
        answer="Half-open: the handshake is not complete. The server has sent its"
        " SYN,ACK and waits for the last ACK (SYN_RECEIVED). So say all texts on SYN"
        " floods. RFC 9293 (3.5.1) uses the word only for a connection one side of"
        " which has crashed, while the other does not know it: that one looks"
        " ESTABLISHED until something is sent.\nHalf-closed: the handshake is long"
        " complete, and one side has ended its stream with a FIN. That side is in"
        " FIN_WAIT_2 and still receives; the other is in CLOSE_WAIT and may still"
        " send. Both states can last as long as both programs want: the kernel sets no"
        " limit while a process holds the socket open, ; only keepalive, if enabled,"
        " ends them when the peer is gone.",
        see=("tcpstates sequence half-close", "tcpstates explain syn_received"),
    ),
    "termination": Topic(
        title="a connection ends with three or four segments",
        answer="Each direction is closed separately, by a FIN and its ACK. That makes"
        " four segments when the two sides close one after the other.\nWhen the second"
        " side closes before it has sent its ACK, the ACK and its own FIN share one"
        " segment. That makes three segments, and the first side goes from FIN_WAIT_1"
        " to TIME_WAIT without passing through FIN_WAIT_2. The side that closes first"
        " ends in TIME_WAIT; the side that closes second goes through CLOSE_WAIT and"
        " LAST_ACK.",
        see=("tcpstates sequence close", "tcpstates sequence close-three-way"),
    ),
    "simultaneous": Topic(
        title="both sides open, or close, at once",
        answer="Two connects whose SYNs cross make one connection. Both sides go"
        " through SYN_RECEIVED: there is no server. Both ports have to be agreed"
        " beforehand; some programs get through address translation this way.\nTwo"
        " closes whose FINs cross take both sides through CLOSING into TIME_WAIT."
        " This is rare and harmless.",
        see=(
            "tcpstates sequence simultaneous-open",
            "tcpstates sequence simultaneous-close",
        ),
    ),
    "unread-data": Topic(
        title="closing with unread data resets the connection",
        answer="close() on a socket whose receive queue is not empty sends a RST"
        " instead of a FIN, on Linux and most other systems (RFC 9293, 3.6.1, asks for"
        " it: the peer must learn that its data were not read). Data that arrive after"
        " close() also cause a RST. The socket is CLOSED at once.\nData still to be"
        " sent are discarded: in one test, the peer got 0.1 MB of the 3.9 MB that"
        " send() had accepted. On Linux, the peer can still read data that had"
        " arrived; on other systems the RST may discard those, too. A server that"
        " answers early and closes (with an error to a large upload, say) loses its"
        " own answer this way.\nInstead, call shutdown(SHUT_WR), read until the end of"
        " the stream, with a deadline, and then call close(). The kernel counts closes"
        " with unread data in TcpExtTCPAbortOnClose.",
        see=("nstat -az TcpExtTCPAbortOnClose", "tcpstates sequence reset"),
    ),
    "busy-port": Topic(
        title="address already in use (EADDRINUSE; Windows: 10048)",
        answer="Most often another process listens on the port, such as an old copy of"
        " the server: the first command below names it. If nothing listens, bind()"
        " fails with EADDRINUSE while a connection on that port is in any state:"
        " mostly TIME_WAIT, for 60 s on Linux. That does not happen if the old server"
        " and the new one both set SO_REUSEADDR before bind(), as Node, Go and Java"
        " do; after you add it, the first restart may still fail. Two listeners can"
        " share a port on different addresses, or on one if both set SO_REUSEPORT and"
        " have the same user.\nOther processes that can keep the port: a child that"
        " has inherited the listener, a process that is bound but does not listen, a"
        " listener on the wildcard address, or a listener on IPv6's wildcard, which"
        " accepts IPv4, too.",
        see=(
            "tcpstates -tanp 'sport = :8080'",
            "tcpstates -tanp bound",
            "tcpstates explain time_wait",
        ),
    ),
    "whose-fault": Topic(
        title="whose fault is it?",
        answer="CLOSE_WAIT that stays: the program on this side. The peer has closed,"
        " and the kernel has reported it; the program does not close, hangs, or (a"
        " socket without a process) does not accept. One exception: with Send-Q above"
        " 0 the program is still sending, and the peer, which has ended only its own"
        " direction, does not read, or is gone.\nFIN_WAIT_2 that stays: the peer's"
        " program, whose socket is in CLOSE_WAIT. If a process here still holds the"
        " socket (shutdown() without close()), the fault is here; without one, the"
        " kernel ends it after 60 s.\nSYN_SENT that stays: the path to the server, or"
        " the server's full queue. SYN_RECEIVED that stays: the path back, a full"
        " accept queue here, or a flood. FIN_WAIT_1, CLOSING and LAST_ACK that stay:"
        " the peer is gone, or does not read. TIME_WAIT: nobody's fault; it is the"
        " normal end.",
        see=("tcpstates -tanp close_wait", "tcpstates -tan --by state,remote-address"),
    ),
}
