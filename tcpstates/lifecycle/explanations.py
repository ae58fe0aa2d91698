"""What each state means to the people who look at it: plain words, and what to do.

Words in braces are this host's own settings, by the names of
`KernelSettings`. Figures and causes
are of the kernel's documentation (ip-sysctl.rst) and of what was measured.
"""

from __future__ import annotations

from dataclasses import dataclass

from tcpstates.states import TcpState

S = TcpState


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """One state, for people."""

    summary: str
    text: str
    waits: str  # which side waits for what
    lasts: str
    trouble: str  # when many are a problem
    remedy: str


MEANINGS: dict[TcpState, Meaning] = {
    S.LISTEN: Meaning(
        summary="a server waits for clients",
        text="It carries no data: every connection gets a socket of its own, and waits in"
        " the listener's queue until the program accepts it. Recv-Q is the length of"
        " that queue, Send-Q its limit.",
        waits="The kernel waits for SYNs; what is complete waits for the program's accept().",
        lasts="as long as the program wants",
        trouble="Recv-Q stays above 0, or reaches Send-Q: the program accepts too slowly. The"
        " kernel then drops SYNs, and clients hang in SYN_SENT.",
        remedy="Let the program accept faster; then raise what it gives to listen(), and"
        " net.core.somaxconn, which caps it ({somaxconn} here). tcpstates -ltn 'recv-q"
        " > 0' finds such listeners.",
    ),
    S.SYN_SENT: Meaning(
        summary="this side has asked for a connection, and has no answer yet",
        text="connect() has sent a SYN.",
        waits="The client waits for the server's SYN,ACK.",
        lasts="one round trip; without an answer the SYN is repeated {syn_retries} times or"
        " more, and connect() fails after {syn_seconds} s",
        trouble="Sockets older than a second: nobody answers. A firewall drops the SYN or its"
        " answer, the host is down, or its accept queue is full.",
        remedy="tcpstates -tan syn_sent --by remote-address shows who does not answer.",
    ),
    S.SYN_RECEIVED: Meaning(
        summary="half-open: a client has asked, and the handshake is not complete",
        text="The SYN,ACK is sent; the last ACK of the handshake is missing. Half-closed is"
        " something else: tcpstates explain half-closed.",
        waits="The server waits for the client's ACK.",
        lasts="one round trip; without an answer the SYN,ACK is repeated {synack_retries}"
        " times, and forgotten after {synack_seconds} s",
        trouble="Hundreds from many addresses: a SYN flood. From few: the answers get lost on"
        " their way back (routes, a firewall).",
        remedy="tcpstates -tan half_open --by remote-address; nstat -a TcpExtTCPReqQFull* says"
        " whether syn cookies are sent. Cookies are for floods, not for load.",
    ),
    S.ESTABLISHED: Meaning(
        summary="open: both sides can send",
        text="The handshake is complete. Without a process it has not been accepted yet."
        " Who closes it with unread data sends a reset instead of a FIN on Linux: see"
        " tcpstates explain unread-data.",
        waits="Nobody waits, but for data.",
        lasts="as long as both want. Of a peer that is gone without a word the kernel learns"
        " when it sends, or by keepalive, if the program asks for it: after"
        " {keepalive_seconds} s",
        trouble="Recv-Q that stays: the program does not read. Send-Q that stays: the peer"
        " does not read (timer probe), or the way is broken (timer retransmit).",
        remedy="tcpstates -tanpo 'established and ( recv-q > 0 or send-q > 0 )', and --by"
        " process,remote-address.",
    ),
    S.FIN_WAIT_1: Meaning(
        summary="this side has closed, and the peer has not confirmed it",
        text="Our FIN is sent, behind whatever data were still to go.",
        waits="This side waits for the ACK of its FIN.",
        lasts="one round trip",
        trouble="Many that stay: peers are gone, or do not read what stands before the FIN.",
        remedy="tcpstates -tano fin_wait_1 shows the retransmissions. Without a process the"
        " kernel gives up by itself (tcp_orphan_retries).",
    ),
    S.FIN_WAIT_2: Meaning(
        summary="this side has closed, and the peer has not",
        text="Our FIN is confirmed, the peer's has not come. The peer is in CLOSE_WAIT.",
        waits="This side waits for the peer's program to close.",
        lasts="without a process {fin_timeout} s (tcp_fin_timeout); while a process holds it,"
        " after shutdown(), without an end",
        trouble="Many without a process: the programs of the peers do not close their sockets."
        " Many with one: this program has shut down and never closed.",
        remedy="Look at the peers (tcpstates -tan fin_wait_2 --by remote-address), or give the"
        " program a timeout after shutdown().",
    ),
    S.CLOSE_WAIT: Meaning(
        summary="the peer has closed, and this side's program has not",
        text="The peer's FIN has come. Recv-Q says why it stays: 1, the program has not"
        " even read the end of the stream; 0, it has, and forgot to close; more, unread"
        " data stand before it. Without a process it was never accepted.",
        waits="The kernel waits for close() of the program here; no timer ends that.",
        lasts="milliseconds, until the program closes; a pool may keep some until it needs"
        " one",
        trouble="More than a few, older than a minute, or growing: the program here leaks its"
        " descriptors. It is never the peer's fault.",
        remedy="tcpstates doctor names the program and the cause; close the socket when"
        " recv() returns nothing. A restart frees them, and so does ss -K.",
    ),
    S.CLOSING: Meaning(
        summary="both have closed at once",
        text="The FINs have crossed on their way; the ACK of ours is missing.",
        waits="Each side waits for the ACK of its FIN.",
        lasts="less than a round trip",
        trouble="It is rare. Some that stay have lost the ACK, or their peer.",
        remedy="tcpstates -tano closing shows the retransmissions.",
    ),
    S.LAST_ACK: Meaning(
        summary="the peer had closed first, and now this side has, too",
        text="Our FIN is sent as the last word; its ACK is missing.",
        waits="This side waits for the ACK of its FIN.",
        lasts="one round trip",
        trouble="Many that stay: peers are gone, or a firewall has forgotten the connection.",
        remedy="tcpstates -tano last_ack. They are harmless but in thousands; the kernel gives"
        " up by itself (tcp_orphan_retries).",
    ),
    S.TIME_WAIT: Meaning(
        summary="closed; the kernel remembers it for a while",
        text="This side has closed first. Late segments must not get into a new connection"
        " between the same ports, and the last ACK may have to be repeated. No process"
        " and little memory belong to it.",
        waits="Nobody waits but the clock: 2 MSL, 4 minutes in the RFC.",
        lasts="60 s on Linux, whatever tcp_fin_timeout says; 30 s on macOS, up to 4 minutes"
        " on Windows",
        trouble="Thousands are normal. A client runs out of ports when those to one address and"
        " port come near {ports} ({first_port} to {last_port}); a server, never. A port"
        " stays busy for bind() without SO_REUSEADDR.",
        remedy="tcpstates -tan time_wait --by remote-address,remote-port. Keep connections"
        " open (pools, keep-alive), or net.ipv4.tcp_tw_reuse=1 for outgoing ones; not"
        " tcp_fin_timeout. More than {max_tw_buckets} are dropped early.",
    ),
    S.CLOSED: Meaning(
        summary="no connection",
        text="The beginning and the end of all; in the RFC it is no state of a connection,"
        " but that there is none. Linux shows it, as UNCONN, of UDP sockets without a"
        " peer, which wait for datagrams.",
        waits="Nobody waits.",
        lasts="a TCP socket in it has not been connected yet, or is already gone",
        trouble="It is none. UDP with a Recv-Q that grows: the program does not read.",
        remedy="tcpstates -uan 'recv-q > 0'.",
    ),
}
