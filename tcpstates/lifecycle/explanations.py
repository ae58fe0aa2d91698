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
    see: tuple[str, ...]  # what to read next: words for `tcpstates explain`, commands


MEANINGS: dict[TcpState, Meaning] = {
    S.LISTEN: Meaning(
        summary="a server waits for clients",
        text="A listening socket carries no data. Every connection gets its own socket,"
        " which waits in the listener's queue until the program accepts it. Recv-Q is"
        " the length of that queue, Send-Q its limit.",
        waits="The kernel waits for SYNs; complete connections wait for accept().",
        lasts="as long as the program wants",
        trouble="Recv-Q stays above 0: the program accepts too slowly. Above Send-Q,"
        " the kernel drops SYNs, and clients hang in SYN_SENT.",
        remedy="Make the program accept faster. If that is not enough, raise the"
        " backlog that it passes to listen(), and net.core.somaxconn, its upper limit"
        " ({somaxconn} here). tcpstates -ltn 'recv-q > 0' finds such listeners.",
        see=("tcpstates explain backlog", "tcpstates sequence open"),
    ),
    S.SYN_SENT: Meaning(
        summary="this side has requested a connection and has no answer yet",
        text="connect() has sent a SYN.",
        waits="The client waits for the server's SYN,ACK.",
        lasts="one round trip; an unanswered SYN is resent {syn_repeats} times, and"
        " connect() fails with ETIMEDOUT after {syn_seconds} s (macOS and the BSDs: 75"
        " s, Windows: 21 s)",
        trouble="Sockets older than a second: the peer does not answer. A firewall"
        " drops the SYN or its answer, a host beyond a router is down, or the accept"
        " queue there is full.",
        remedy="tcpstates -tan syn_sent --by remote-address shows which peers do not"
        " answer.",
        see=("tcpstates explain timeout", "tcpstates sequence syn-timeout"),
    ),
    S.SYN_RECEIVED: Meaning(
        summary="half-open: a client has sent a SYN; the handshake is not complete",
        text="The SYN,ACK has been sent; the last ACK of the handshake is missing."
        " Half-closed is something else.",
        waits="The server waits for the client's ACK.",
        lasts="one round trip; an unanswered SYN,ACK is resent {synack_retries}"
        " times, and the connection is dropped after {synack_seconds} s",
        trouble="Hundreds from many addresses: a SYN flood. From few: answers are lost"
        " on the way back, or the accept queue here is full.",
        remedy="tcpstates -tan half_open --by remote-address shows the clients; nstat"
        " -a TcpExtTCPReqQFull* shows whether SYN cookies are sent.",
        see=("tcpstates explain handshake", "tcpstates explain syn-flood"),
    ),
    S.ESTABLISHED: Meaning(
        summary="open: both sides can send",
        text="The handshake is complete. A socket with no process and inode 0 has not"
        " been accepted yet. If the program closes before it has read everything, the"
        " kernel sends a reset (RST) instead of a FIN: see tcpstates explain"
        " unread-data.",
        waits="Neither side waits; each may send at any time.",
        lasts="as long as both sides want. If the peer vanishes, this side notices only"
        " when it sends (Linux gives up after about 15 minutes), or through keepalive,"
        " if the program has enabled it (after {keepalive_seconds} s here)",
        trouble="Recv-Q stays above 0: the program does not read. Send-Q stays above"
        " 0: the peer does not read (timer probe), or the path is broken (timer"
        " retransmit).",
        remedy="tcpstates -tanpo 'established and ( recv-q > 0 or send-q > 0 )' shows"
        " them; add --by process,remote-address to count them.",
        see=("tcpstates explain keepalive", "tcpstates explain reset"),
    ),
    S.FIN_WAIT_1: Meaning(
        summary="this side has closed; the peer has not acknowledged it",
        text="This side has closed; its FIN is sent, or waits behind data that are"
        " still queued.",
        waits="This side waits for the ACK of its FIN, or for the peer's FIN.",
        lasts="one round trip; unanswered, about 2 minutes without a process"
        " (tcp_orphan_retries), about 15 minutes with one (tcp_retries2)",
        trouble="Many that stay: the peers are gone, or do not read the data before the"
        " FIN.",
        remedy="tcpstates -tano fin_wait_1 shows the retransmissions. The kernel"
        " gives up sockets without a process by itself.",
        see=("tcpstates explain orphan", "tcpstates sequence close"),
    ),
    S.FIN_WAIT_2: Meaning(
        summary="this side has closed; the peer has not",
        text="This side's FIN is acknowledged; the peer's FIN has not arrived. The"
        " peer is in CLOSE_WAIT, or gone.",
        waits="This side waits for the peer's program to close.",
        lasts="without a process, {fin_timeout} s (tcp_fin_timeout), and no TIME_WAIT"
        " follows; with one (shutdown() without close()), no limit",
        trouble="Many without a process: the peers' programs do not close their"
        " sockets. Many with a process: the program here has called shutdown(), but"
        " never close().",
        remedy="Look at the peers (tcpstates -tan fin_wait_2 --by remote-address), or"
        " give the program a timeout after shutdown().",
        see=("tcpstates explain half-closed", "tcpstates explain whose-fault"),
    ),
    S.CLOSE_WAIT: Meaning(
        summary="the peer has closed; the program on this side has not",
        text="The peer's FIN has arrived. Recv-Q 1: the program has not read the end"
        " of the stream; above 1: nor the data before it. Both queues 0: it has read"
        " all data, and not closed. Send-Q above 0: the peer does not acknowledge what"
        " it sends.",
        waits="The kernel waits for the program's close() and sets no limit. If the"
        " peer is gone, keepalive or a reset ends the state, but not the leak.",
        lasts="milliseconds; a connection pool may keep a few until it next uses them",
        trouble="They grow, or are older than a minute: the program here leaks them,"
        " or hangs; without a process: it does not accept. Only with Send-Q above 0 is"
        " it the peer's fault.",
        remedy="tcpstates doctor names program and cause. A restart clears them, for"
        " now. Only the program, or its end, frees descriptors; no tool does.",
        see=("tcpstates explain leak", "tcpstates sequence close"),
    ),
    S.CLOSING: Meaning(
        summary="both sides have closed at the same time",
        text="The FINs have crossed in transit; the ACK of this side's FIN is missing.",
        waits="Each side waits for the ACK of its FIN.",
        lasts="less than a round trip; unanswered, as long as FIN_WAIT_1",
        trouble="Rare. Sockets that stay in it have lost the ACK, or the peer.",
        remedy="tcpstates -tano closing shows the retransmissions.",
        see=("tcpstates explain simultaneous", "tcpstates sequence simultaneous-close"),
    ),
    S.LAST_ACK: Meaning(
        summary="the peer closed first, and now this side has closed, too",
        text="This side has sent its FIN, the last one; the ACK of it is missing.",
        waits="This side waits for the ACK of its FIN.",
        lasts="one round trip; unanswered, about 2 minutes without a process"
        " (tcp_orphan_retries), about 15 minutes with one (tcp_retries2)",
        trouble="Many that stay: the peers are gone, or a firewall has forgotten the"
        " connection.",
        remedy="tcpstates -tano last_ack shows the retransmissions. Such sockets are"
        " harmless unless there are thousands; the kernel gives up by itself.",
        see=("tcpstates explain orphan", "tcpstates sequence close"),
    ),
    S.TIME_WAIT: Meaning(
        summary="closed; the kernel remembers the connection for a while",
        text="This side closed first. Late segments must not reach a new connection"
        " between the same ports, and the last ACK may have to be resent. It has no"
        " process.",
        waits="Only the clock: 2 MSL, twice the maximum segment lifetime, the longest"
        " that a packet may wander about in the network; 4 minutes in the RFC.",
        lasts="60 s on Linux (whatever tcp_fin_timeout says), FreeBSD and Solaris, 30 s"
        " on macOS, 30 s to 4 minutes on Windows",
        trouble="Thousands are normal. A client can run out of ports: it has {ports}"
        " ({first_port} to {last_port}) for each server address and port. A server"
        " cannot: a SYN with a higher number ends TIME_WAIT at once.",
        remedy="tcpstates -tan time_wait --by remote shows the destinations. Reuse"
        " connections, or set tcp_tw_reuse=1 for outgoing ones (with time stamps);"
        " tcp_fin_timeout does not help. Only {max_tw_buckets} are kept.",
        see=("tcpstates explain port-exhaustion", "tcpstates explain busy-port"),
    ),
    S.CLOSED: Meaning(
        summary="no connection",
        text="Every connection begins and ends here. The RFC calls the state fictional:"
        " there is no connection, and nothing is kept of it. A SYN to a port on which"
        " nothing listens is answered with RST: connection refused. Linux shows UDP"
        " sockets without a peer in this state, as UNCONN; they wait for datagrams.",
        waits="Neither side waits.",
        lasts="a TCP socket in this state has not been connected yet, or is already"
        " gone",
        trouble="TCP: see tcpstates explain unlisted. UDP with a growing Recv-Q: the"
        " program does not read.",
        remedy="tcpstates -uan 'recv-q > 0' finds such sockets.",
        see=("tcpstates explain socket", "tcpstates sequence refused"),
    ),
}
