"""Explanations of the states: what each one means, and what to do about it.

Names in braces stand for this host's own settings: they are fields of
`settings.KernelSettings`. Numbers and causes come from the kernel's documentation
(ip-sysctl.rst) and from measurements.
"""

from __future__ import annotations

from dataclasses import dataclass

from tcpstates.states import TcpState

S = TcpState


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """The explanation of one state."""

    summary: str
    text: str
    waits: str  # which side waits for what
    lasts: str
    trouble: str  # when many are a problem
    remedy: str


MEANINGS: dict[TcpState, Meaning] = {
    S.LISTEN: Meaning(
        summary="a server waits for clients",
        text="A listening socket carries no data. Every connection gets its own socket,"
        " which waits in the listener's queue until the program accepts it. Recv-Q is"
        " the length of that queue, Send-Q its limit.",
        waits="The kernel waits for SYNs; complete connections wait for accept().",
        lasts="as long as the program wants",
        trouble="Recv-Q stays above 0, or reaches Send-Q: the program accepts too"
        " slowly. The kernel then drops SYNs, and clients hang in SYN_SENT.",
        remedy="Make the program accept faster; then raise the backlog passed to"
        " listen(), and net.core.somaxconn, which caps it ({somaxconn} here)."
        " tcpstates -ltn 'recv-q > 0' finds such listeners.",
    ),
    S.SYN_SENT: Meaning(
        summary="this side has requested a connection and has no answer yet",
        text="connect() has sent a SYN.",
        waits="The client waits for the server's SYN,ACK.",
        lasts="one round trip; an unanswered SYN is resent {syn_retries} times or"
        " more, and connect() fails after {syn_seconds} s",
        trouble="Sockets older than a second: the peer does not answer. A firewall"
        " drops the SYN or its answer, the host is down, or its accept queue is full.",
        remedy="tcpstates -tan syn_sent --by remote-address shows which peers do not"
        " answer.",
    ),
    S.SYN_RECEIVED: Meaning(
        summary="half-open: a client has sent a SYN; the handshake is not complete",
        text="The SYN,ACK has been sent; the last ACK of the handshake is missing."
        " Half-closed is something else: see tcpstates explain half-closed.",
        waits="The server waits for the client's ACK.",
        lasts="one round trip; an unanswered SYN,ACK is resent {synack_retries}"
        " times, and the connection is dropped after {synack_seconds} s",
        trouble="Hundreds from many addresses: a SYN flood. Hundreds from few"
        " addresses: the answers are lost on the way back (routes, a firewall).",
        remedy="tcpstates -tan half_open --by remote-address shows the clients; nstat"
        " -a TcpExtTCPReqQFull* shows whether SYN cookies are sent. Cookies are for"
        " floods, not for load.",
    ),
    S.ESTABLISHED: Meaning(
        summary="open: both sides can send",
        text="The handshake is complete. A socket without a process has not been"
        " accepted yet. On Linux, a side that closes with unread data sends a reset"
        " instead of a FIN: see tcpstates explain unread-data.",
        waits="Neither side waits, except for data.",
        lasts="as long as both sides want. The kernel notices that a peer has"
        " vanished when it sends, or, if the program enables keepalive, after"
        " {keepalive_seconds} s",
        trouble="Recv-Q stays above 0: the program does not read. Send-Q stays above"
        " 0: the peer does not read (timer probe), or the path is broken (timer"
        " retransmit).",
        remedy="tcpstates -tanpo 'established and ( recv-q > 0 or send-q > 0 )' shows"
        " them; add --by process,remote-address to count them.",
    ),
    S.FIN_WAIT_1: Meaning(
        summary="this side has closed; the peer has not acknowledged it",
        text="This side has sent its FIN, after any data that were still queued.",
        waits="This side waits for the ACK of its FIN.",
        lasts="one round trip",
        trouble="Many that stay: the peers are gone, or do not read the data before the"
        " FIN.",
        remedy="tcpstates -tano fin_wait_1 shows the retransmissions. The kernel"
        " gives up sockets without a process by itself (tcp_orphan_retries).",
    ),
    S.FIN_WAIT_2: Meaning(
        summary="this side has closed; the peer has not",
        text="This side's FIN is acknowledged; the peer's FIN has not arrived. The"
        " peer is in CLOSE_WAIT.",
        waits="This side waits for the peer's program to close.",
        lasts="without a process, {fin_timeout} s (tcp_fin_timeout); without limit"
        " while a process holds it open after shutdown()",
        trouble="Many without a process: the peers' programs do not close their"
        " sockets. Many with a process: the program here has called shutdown(), but"
        " never close().",
        remedy="Look at the peers (tcpstates -tan fin_wait_2 --by remote-address), or"
        " give the program a timeout after shutdown().",
    ),
    S.CLOSE_WAIT: Meaning(
        summary="the peer has closed; the program on this side has not",
        text="The peer's FIN has arrived. Recv-Q shows why the socket stays. 0: the"
        " program has read the end of the stream and not closed. 1: it has not read"
        " the end of the stream. More than 1: data before the end are unread. A"
        " socket without a process was never accepted.",
        waits="The kernel waits for the program to call close(); no timer ends that.",
        lasts="milliseconds, until the program closes; a connection pool may keep"
        " some until it needs one",
        trouble="More than a few, older than a minute, or growing: the program here"
        " leaks descriptors. It is never the peer's fault.",
        remedy="tcpstates doctor names the program and the cause. Close the socket when"
        " recv() returns nothing. A restart or ss -K frees the sockets.",
    ),
    S.CLOSING: Meaning(
        summary="both sides have closed at once",
        text="The FINs have crossed in transit; the ACK of this side's FIN is missing.",
        waits="Each side waits for the ACK of its FIN.",
        lasts="less than a round trip",
        trouble="This state is rare. Sockets that stay in it have lost the ACK, or the"
        " peer.",
        remedy="tcpstates -tano closing shows the retransmissions.",
    ),
    S.LAST_ACK: Meaning(
        summary="the peer closed first, and now this side has closed, too",
        text="This side has sent its FIN, the last one; the ACK of it is missing.",
        waits="This side waits for the ACK of its FIN.",
        lasts="one round trip",
        trouble="Many that stay: the peers are gone, or a firewall has forgotten the"
        " connection.",
        remedy="tcpstates -tano last_ack shows the retransmissions. Such sockets are"
        " harmless unless there are thousands; the kernel gives up by itself"
        " (tcp_orphan_retries).",
    ),
    S.TIME_WAIT: Meaning(
        summary="closed; the kernel remembers the connection for a while",
        text="This side closed first. Late segments must not reach a new connection"
        " between the same ports, and the last ACK may have to be resent. The socket"
        " has no process and takes little memory.",
        waits="Neither side; a timer ends the state (RFC: 2 MSL, 4 minutes).",
        lasts="60 s on Linux, regardless of tcp_fin_timeout; 30 s on macOS, up to 4"
        " minutes on Windows",
        trouble="Thousands are normal. A client runs out of ports when its sockets to"
        " one address and port approach {ports} (ports {first_port} to {last_port});"
        " a server never does. bind() without SO_REUSEADDR finds the port busy.",
        remedy="tcpstates -tan time_wait --by remote shows the destinations. Reuse"
        " connections, or set net.ipv4.tcp_tw_reuse=1 for outgoing ones;"
        " tcp_fin_timeout does not help. More than {max_tw_buckets} are dropped early.",
    ),
    S.CLOSED: Meaning(
        summary="no connection",
        text="Every connection begins and ends here. In the RFC, CLOSED stands for the"
        " absence of a connection. Linux shows UDP sockets without a peer in this"
        " state, as UNCONN; they wait for datagrams.",
        waits="Neither side waits.",
        lasts="a TCP socket in this state has not been connected yet, or is already"
        " gone",
        trouble="None for TCP. UDP with a growing Recv-Q: the program does not read.",
        remedy="tcpstates -uan 'recv-q > 0' finds such sockets.",
    ),
}
