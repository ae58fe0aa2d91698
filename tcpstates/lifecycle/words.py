"""Every word that people type after `explain`, and where it leads.

The table is for spellings that are not names themselves. Words are compared without
case, and with blanks, underscores and hyphens alike.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from tcpstates.lifecycle.errors import ERRORS
from tcpstates.lifecycle.rule_topics import ALL_TOPICS
from tcpstates.lifecycle.scenarios import SCENARIOS
from tcpstates.states import find_states

# The texts of programs and libraries, of several languages.
_MESSAGES: dict[str, str] = {
    "reset": "socket-hang-up, upstream-prematurely-closed-connection,"
    " failed-to-respond, nohttpresponseexception, remotedisconnected,"
    " remote-end-closed-connection-without-response, und-err-socket,"
    " other-side-closed, server-closed-idle-connection, err-connection-reset,"
    " connection-was-reset, keepalivetimeout, keep-alive-timeout, http-keep-alive,"
    " persistent-connection, connectionreseterror, 502, bad-gateway, 54",
    "termination": "connection-closed, connection-closed-by-foreign-host,"
    " unexpected-eof, eof, eofexception",
    "broken-pipe": "client-prematurely-closed-connection, 499, clientabortexception,"
    " brokenpipeerror, asyncrequestnotusableexception",
    "connection-refused": "connectexception, connectionrefusederror, 61,"
    " no-live-upstreams",
    "busy-port": "errno-98, 98, 48, port-already-in-use, port-busy, bindexception,"
    " port-is-already-allocated, what-is-using-port, in-use, kill-port",
    "port-exhaustion": "ephemeral-port, local-port-range, 49",
    "timeout": "i-o-timeout, io-timeout, read-timed-out, readtimeout, read-timeout,"
    " esockettimedout, etimeout, deadline-exceeded, deadline,"
    " sockettimeoutexception, connect-timed-out, und-err-connect-timeout,"
    " handshake-timeout, 60",
    "waiting": "upstream-timed-out, 504, gateway-timeout",
    "idle": "idle-timeout, load-balancer",
    "too-many-files": "errno-24, 24, 23, ulimit-n",
    "leak": "file-descriptor-leak, pool-exhausted, hikaripool, connection-pool",
    "half-closed": "allowhalfopen",
    "errors": "wsaeconnaborted, 103, 105, 107, closedchannelexception,"
    " use-of-closed-network-connection, enotfound, getaddrinfo, eacces,"
    " name-resolution, permission-denied",
}
# What a word leads to: a topic, or "sequence NAME".
_LEADS_TO: dict[str, str] = {
    "socket": "sockets, port, ports-and-sockets, endpoint, end-point, tcp, udp, bind,"
    " connect, listen, active-open, passive-open, reliable, what-is-a-socket,"
    " four-tuple, 5-tuple",
    "phases": "phase, lifecycle, life-cycle, life-of-a-connection, full-duplex,"
    " connection, states-of-a-connection, three-phases",
    "handshake": "3-way-handshake, three-way-handshake, 3whs, threeway, syn, syn-ack,"
    " synack, opening, open, establish, connection-establishment, 3-way, three-way",
    "sequence-numbers": "sequence-number, seq, ack, acknowledgement, acknowledgment,"
    " isn, initial-sequence-number, ack-number",
    "mss": "msl, 2msl, 2-msl, segment-size, maximum-segment-size,"
    " maximum-segment-lifetime, mtu, segment",
    "tools": "ss, netstat, lsof, tulpen, tulips, get-nettcpconnection",
    "myths": "myth, wrong, misconceptions",
    "glossary": "words, terms, peer, kernel, process, stream, recv-q, send-q,"
    " descriptor, inode, accept",
    "termination": "fin, close, closing-a-connection, four-way-close, 4-way-handshake,"
    " four-way-handshake, shutdown, teardown, fin-ack, last-ack-segment",
    "half-closed": "half-close, halfclose, halfclosed, shut-wr, half-open-or-closed",
    "simultaneous": "simultaneous-open, simultaneous-close",
    "unread-data": "unread-close, close-with-unread-data, abort, tcpabortonclose",
    "busy-port": "address-already-in-use, address-in-use, port-in-use, eaddrinuse,"
    " 10048, wsaeaddrinuse, so-reuseaddr, so-reuseport, reuseaddr, reuseport,"
    " bind-error, only-one-usage-of-each-socket-address",
    "connection-refused": "refused, econnrefused, 10061, wsaeconnrefused, 111,"
    " actively-refused, target-machine-actively-refused-it",
    "reset": "rst, econnreset, 10054, wsaeconnreset, 104, connection-reset,"
    " connection-reset-by-peer, reset-by-peer, connection-aborted, forcibly-closed,"
    " an-existing-connection-was-forcibly-closed-by-the-remote-host",
    "broken-pipe": "epipe, sigpipe, 32, brokenpipe, write-broken-pipe",
    "timeout": "timeouts, timers, timer, etimedout, 10060, wsaetimedout, 110,"
    " connection-timed-out, timed-out, operation-timed-out, connect-timeout,"
    " semaphore-timeout, user-timeout, tcp-user-timeout, rto, retransmission,"
    " retransmissions, retransmit, tcp-retries2, tcp-syn-retries",
    "port-exhaustion": "ephemeral-ports, ephemeral-port-exhaustion, eaddrnotavail,"
    " cannot-assign-requested-address, 10049, 99, out-of-ports, port-range,"
    " ip-local-port-range, tcp-tw-reuse, time-wait-reuse, no-free-ports,"
    " no-ephemeral-ports",
    "too-many-files": "too-many-open-files, emfile, enfile, ulimit, nofile, 10024,"
    " file-descriptors, rlimit-nofile",
    "unreachable": "ehostunreach, enetunreach, no-route-to-host, 113, 101, 10065,"
    " 10051, network-is-unreachable, network-unreachable, host-unreachable,"
    " host-is-down",
    "errors": "errno, error, einprogress, ealready, eisconn, enotconn, econnaborted,"
    " eagain, ewouldblock, enobufs, eshutdown, 10035, 10036, 10037, 10053, 10055,"
    " 10056, 10057, 10058, software-caused-connection-abort, not-connected,"
    " transport-endpoint-is-not-connected, resource-temporarily-unavailable",
    "backlog": "somaxconn, listen-backlog, queue-full, syn-backlog, listen-queue,"
    " accept-queue-full, listenoverflows, tcp-max-syn-backlog",
    "keepalive": "keep-alive, so-keepalive, tcp-keepalive, tcp-keepalive-time,"
    " heartbeat, dead-peer",
    "leak": "leaks, socket-leak, fd-leak, descriptor-leak, close-wait-leak,"
    " connection-leak",
    "linger": "so-linger, lingering",
    "orphan": "orphaned, orphaned-socket, tcp-orphan-retries, tcp-max-orphans",
    "syn-flood": "synflood, syn-flooding, syn-cookies, syncookies,"
    " possible-syn-flooding, ddos, dos",
    "zero-window": "window, window-full, zerowindow, window-size, flow-control, probe,"
    " persist, persist-timer",
    "whose-fault": "who, blame, fault",
    "namespaces": "namespace, container, containers, docker, pod, kubernetes, netns",
    "time_wait": "tcp-fin-timeout-and-time-wait, tw, tcp-tw-recycle,"
    " time-wait-assassinate",
    "fin_wait_2": "tcp-fin-timeout, finwait",
    "sequence syn-timeout": "no-answer, lost-syn",
}
_BY_WORD = {
    word: target
    for table in (_LEADS_TO, _MESSAGES)
    for target, words in table.items()
    for word in words.replace(",", " ").split()
}


def plain(text: str) -> str:
    """Reduce a spelling: no case, no apostrophes, hyphens between the words."""
    words = text.lower().replace("'", "").replace("_", " ").replace("-", " ")
    return "-".join(words.strip(' .:!?"').split())


def find_word(text: str) -> str | None:
    """Return what a word leads to: a topic, a state, or "sequence NAME"."""
    word = plain(text)
    if word in ALL_TOPICS:
        return word
    if find_states(text) is not None:
        return text
    target = _BY_WORD.get(word)
    if target is not None:
        return target
    return f"sequence {word}" if word in SCENARIOS else None


_OF_ERRORS = {*ERRORS, "busy-port", "waiting"}
_WORD = re.compile("[a-z0-9]+(?:_[a-z0-9]+)*")
_TELLING = 5  # letters of a single word in a sentence; shorter ones may mean anything


def find_within(text: str) -> str | None:
    """Return what the longest known part of a message leads to; None: nothing.

    Of parts of one length, an error tells more than a call, such as connect.
    """
    words = _WORD.findall(text.lower().replace("'", ""))
    for size in range(len(words), 0, -1):
        found = []
        for start in range(len(words) - size + 1):
            part = " ".join(words[start : start + size])
            if not part[-1].isdigit() and (size > 1 or len(part) >= _TELLING):
                found.append(find_word(part))
        known = [target for target in found if target is not None]
        if known:
            return next((t for t in known if t in _OF_ERRORS), known[0])
    numbers = [find_word(word) for word in words if word in _BY_WORD]
    return numbers[0] if numbers else None


def join_words(words: Sequence[str]) -> list[str]:
    """Join words that belong together, such as `close wait`; the rest stays as it is.

    The longest group of words that leads somewhere is taken first.
    """
    found: list[str] = []
    place = 0
    while place < len(words):
        for end in range(len(words), place, -1):
            together = " ".join(words[place:end])
            if find_word(together) is not None or end == place + 1:
                found.append(together)
                place = end
                break
    return found


def known_words() -> Iterable[str]:
    """Return every word that leads somewhere besides states, for suggestions."""
    return (*ALL_TOPICS, *_BY_WORD, *SCENARIOS)
