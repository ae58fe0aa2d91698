"""What each state means to the people who look at it: plain words, and what to do.

Words in braces are this host's own settings, by `Settings`' names. Figures and causes
are of the kernel's documentation (ip-sysctl.rst) and of what was measured.
"""

from __future__ import annotations

from typing import NamedTuple

from tcpstates.states import TcpState

S = TcpState


class Settings(NamedTuple):
    """What this host has set; the defaults are Linux's."""

    fin_timeout: int = 60  # seconds
    syn_retries: int = 6
    syn_linear_timeouts: int = 0  # retries before the times double; 0 before Linux 6.5
    synack_retries: int = 5
    keepalive_time: int = 7200  # seconds
    keepalive_intvl: int = 75  # seconds
    keepalive_probes: int = 9
    max_tw_buckets: int = 262144
    somaxconn: int = 4096
    first_port: int = 32768
    last_port: int = 60999
    reserved_ports: int = 0  # of these, which the system does not hand out
    max_syn_backlog: int = 1024
    syncookies: int = 1
    tw_reuse: int = 2  # of TIME_WAIT: 0 never, 1 by connect(), 2 on loopback only
    retries2: int = 15
    is_told: bool = False  # by the system; False: these are the defaults

    @property
    def syn_seconds(self) -> int:
        """Return after how many seconds a SYN without an answer is given up.

        The first retry comes after a second; so do some more, then times double.
        """
        return self.syn_linear_timeouts + (2 << self.syn_retries) - 1

    @property
    def synack_seconds(self) -> int:
        """Return after how many seconds a SYN,ACK without an answer is given up."""
        return (2 << self.synack_retries) - 1

    @property
    def ports(self) -> int:
        """Return how many ports the system hands out itself."""
        return self.last_port - self.first_port + 1 - self.reserved_ports

    @property
    def keepalive_seconds(self) -> int:
        """Return after how many seconds keepalive notices a peer that is gone."""
        return self.keepalive_time + self.keepalive_intvl * self.keepalive_probes


class Meaning(NamedTuple):
    """One state, for people."""

    summary: str
    text: str
    waits: str  # which side waits for what
    lasts: str
    trouble: str  # when many are a problem
    remedy: str


MEANINGS: dict[TcpState, Meaning] = {
    S.LISTEN: Meaning(
        "a server waits for clients",
        "It carries no data: every connection gets a socket of its own, and waits in"
        " the listener's queue until the program accepts it. Recv-Q is the length of"
        " that queue, Send-Q its limit.",
        "The kernel waits for SYNs; what is complete waits for the program's accept().",
        "as long as the program wants",
        "Recv-Q stays above 0, or reaches Send-Q: the program accepts too slowly. The"
        " kernel then drops SYNs, and clients hang in SYN_SENT.",
        "Let the program accept faster; then raise what it gives to listen(), and"
        " net.core.somaxconn, which caps it ({somaxconn} here). tcpstates -ltn 'recv-q"
        " > 0' finds such listeners.",
    ),
    S.SYN_SENT: Meaning(
        "this side has asked for a connection, and has no answer yet",
        "connect() has sent a SYN.",
        "The client waits for the server's SYN,ACK.",
        "one round trip; without an answer the SYN is repeated {syn_retries} times or"
        " more, and connect() fails after {syn_seconds} s",
        "Sockets older than a second: nobody answers. A firewall drops the SYN or its"
        " answer, the host is down, or its accept queue is full.",
        "tcpstates -tan syn_sent --by remote-address shows who does not answer.",
    ),
    S.SYN_RECEIVED: Meaning(
        "half-open: a client has asked, and the handshake is not complete",
        "The SYN,ACK is sent; the last ACK of the handshake is missing. Half-closed is"
        " something else: tcpstates explain half-closed.",
        "The server waits for the client's ACK.",
        "one round trip; without an answer the SYN,ACK is repeated {synack_retries}"
        " times, and forgotten after {synack_seconds} s",
        "Hundreds from many addresses: a SYN flood. From few: the answers get lost on"
        " their way back (routes, a firewall).",
        "tcpstates -tan half_open --by remote-address; nstat -a TcpExtTCPReqQFull* says"
        " whether syn cookies are sent. Cookies are for floods, not for load.",
    ),
    S.ESTABLISHED: Meaning(
        "open: both sides can send",
        "The handshake is complete. Without a process it has not been accepted yet."
        " Who closes it with unread data sends a reset instead of a FIN on Linux: see"
        " tcpstates explain unread-data.",
        "Nobody waits, but for data.",
        "as long as both want. Of a peer that is gone without a word the kernel learns"
        " when it sends, or by keepalive, if the program asks for it: after"
        " {keepalive_seconds} s",
        "Recv-Q that stays: the program does not read. Send-Q that stays: the peer"
        " does not read (timer probe), or the way is broken (timer retransmit).",
        "tcpstates -tanpo 'established and ( recv-q > 0 or send-q > 0 )', and --by"
        " process,remote-address.",
    ),
    S.FIN_WAIT_1: Meaning(
        "this side has closed, and the peer has not confirmed it",
        "Our FIN is sent, behind whatever data were still to go.",
        "This side waits for the ACK of its FIN.",
        "one round trip",
        "Many that stay: peers are gone, or do not read what stands before the FIN.",
        "tcpstates -tano fin_wait_1 shows the retransmissions. Without a process the"
        " kernel gives up by itself (tcp_orphan_retries).",
    ),
    S.FIN_WAIT_2: Meaning(
        "this side has closed, and the peer has not",
        "Our FIN is confirmed, the peer's has not come. The peer is in CLOSE_WAIT.",
        "This side waits for the peer's program to close.",
        "without a process {fin_timeout} s (tcp_fin_timeout); while a process holds it,"
        " after shutdown(), without an end",
        "Many without a process: the programs of the peers do not close their sockets."
        " Many with one: this program has shut down and never closed.",
        "Look at the peers (tcpstates -tan fin_wait_2 --by remote-address), or give the"
        " program a timeout after shutdown().",
    ),
    S.CLOSE_WAIT: Meaning(
        "the peer has closed, and this side's program has not",
        "The peer's FIN has come. Recv-Q says why it stays: 1, the program has not"
        " even read the end of the stream; 0, it has, and forgot to close; more, unread"
        " data stand before it. Without a process it was never accepted.",
        "The kernel waits for close() of the program here; no timer ends that.",
        "milliseconds, until the program closes; a pool may keep some until it needs"
        " one",
        "More than a few, older than a minute, or growing: the program here leaks its"
        " descriptors. It is never the peer's fault.",
        "tcpstates doctor names the program and the cause; close the socket when"
        " recv() returns nothing. A restart frees them, and so does ss -K.",
    ),
    S.CLOSING: Meaning(
        "both have closed at once",
        "The FINs have crossed on their way; the ACK of ours is missing.",
        "Each side waits for the ACK of its FIN.",
        "less than a round trip",
        "It is rare. Some that stay have lost the ACK, or their peer.",
        "tcpstates -tano closing shows the retransmissions.",
    ),
    S.LAST_ACK: Meaning(
        "the peer had closed first, and now this side has, too",
        "Our FIN is sent as the last word; its ACK is missing.",
        "This side waits for the ACK of its FIN.",
        "one round trip",
        "Many that stay: peers are gone, or a firewall has forgotten the connection.",
        "tcpstates -tano last_ack. They are harmless but in thousands; the kernel gives"
        " up by itself (tcp_orphan_retries).",
    ),
    S.TIME_WAIT: Meaning(
        "closed; the kernel remembers it for a while",
        "This side has closed first. Late segments must not get into a new connection"
        " between the same ports, and the last ACK may have to be repeated. No process"
        " and little memory belong to it.",
        "Nobody waits but the clock: 2 MSL, 4 minutes in the RFC.",
        "60 s on Linux, whatever tcp_fin_timeout says; 30 s on macOS, up to 4 minutes"
        " on Windows",
        "Thousands are normal. A client runs out of ports when those to one address and"
        " port come near {ports} ({first_port} to {last_port}); a server, never. A port"
        " stays busy for bind() without SO_REUSEADDR.",
        "tcpstates -tan time_wait --by remote-address,remote-port. Keep connections"
        " open (pools, keep-alive), or net.ipv4.tcp_tw_reuse=1 for outgoing ones; not"
        " tcp_fin_timeout. More than {max_tw_buckets} are dropped early.",
    ),
    S.CLOSED: Meaning(
        "no connection",
        "The beginning and the end of all; in the RFC it is no state of a connection,"
        " but that there is none. Linux shows it, as UNCONN, of UDP sockets without a"
        " peer, which wait for datagrams.",
        "Nobody waits.",
        "a TCP socket in it has not been connected yet, or is already gone",
        "It is none. UDP with a Recv-Q that grows: the program does not read.",
        "tcpstates -uan 'recv-q > 0'.",
    ),
}
