"""Connections that do not come about: SYN_SENT without answer, and half-open ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from tcpstates.diagnose.case import Case, Host, Suspect
from tcpstates.diagnose.words import counted, endpoint, percent, unnamed
from tcpstates.findings import Finding, Gap, Peer, Severity
from tcpstates.model import Batch
from tcpstates.states import TcpState
from tcpstates.text import format_ms

_SYN_SENT, _SYN_RECEIVED = str(TcpState.SYN_SENT), str(TcpState.SYN_RECEIVED)


class Connecting:
    """Destinations that do not answer SYNs."""

    states = frozenset({_SYN_SENT})

    def __init__(self, host: Host) -> None:
        """Start without sockets."""
        self._host = host
        self._found: list[Suspect] = []

    def look(self, word: str, batch: Batch) -> None:
        """Take what has been tried again: see `Rule`."""
        tried = batch.column("retransmits")
        limit = self._host.thresholds.syn_retries
        again = [number is not None and number >= limit for number in tried]
        self._found += self._host.suspects(batch.keep(again))

    def suspected(self) -> Iterator[Suspect]:
        """Return every one of them."""
        return iter(self._found)

    def find(self, case: Case) -> Iterator[Finding | Gap]:
        """Yield a finding for each destination."""
        if "timers" in self._host.untold and case.counted.get(_SYN_SENT):
            yield Gap("connect", "destinations (the source tells no retries)")
        places: dict[tuple[str, int], list[Suspect]] = {}
        for suspect in self._found:
            place = suspect.remote_address, suspect.remote_port
            places.setdefault(place, []).append(suspect)
        for (address, port), suspects in places.items():
            holders = case.by_holder(suspects)
            holder = next(iter(holders))
            tries = max(suspect.retransmits or 0 for suspect in suspects)
            age = max(suspect.age[0] for suspect in suspects)
            where = endpoint(address, port)
            gives_up = format_ms(self._host.settings.syn_seconds * 1000)
            more = len(holders) - 1
            others = f" and {counted(more, 'other')}" if more else ""
            yield Finding(
                "connect",
                where,
                Severity.WARNING,
                len(suspects),
                f"{where} does not answer: {holder}{others} tries for"
                f" {format_ms(age)} or more",
                (
                    (
                        f"{counted(len(suspects), 'socket')} in SYN_SENT, the SYN sent"
                        f" again up to {tries} times; given up after {gives_up}"
                    ),
                ),
                {"sockets": len(suspects), "retries": tries, "oldest_ms": int(age)},
                "No answer at all, not even a refusal: a firewall drops the SYNs, the"
                " host is gone, or its accept queue is full.",
                (
                    f"tcpstates -tanpo syn_sent and dst {where}",
                    f"ip route get {address}",
                    f"at {address}: tcpstates -ltn sport = :{port}",
                    "in the program: a shorter timeout for connect()",
                ),
                "a host that is just starting",
                case.processes(holder),
                unnamed(holder),
                (Peer(where, len(suspects)),),
            )


class _HalfOpen(NamedTuple):
    """The half-open connections of one listening port."""

    number: int
    unanswered: int  # whose SYN,ACK was sent again
    sources: Counter[str]


class HalfOpen:
    """SYN_RECEIVED piling up: a flood, or a way back that loses everything."""

    states = frozenset({_SYN_RECEIVED, str(TcpState.LISTEN)})

    def __init__(self, host: Host) -> None:
        """Start without sockets."""
        self._host = host
        self._listeners: dict[int, Suspect] = {}
        self._number: Counter[int] = Counter()
        self._unanswered: Counter[int] = Counter()
        self._sources: dict[int, Counter[str]] = {}

    def look(self, word: str, batch: Batch) -> None:
        """Count by port: see `Rule`."""
        ports = batch.column("local_port")
        if word == _SYN_RECEIVED:
            self._number.update(ports)
            retries = batch.column("retransmits")
            columns = zip(ports, batch.column("remote_address"), retries, strict=True)
            for port, address, number in columns:
                self._sources.setdefault(port, Counter())[address] += 1
                self._unanswered[port] += bool(number)
        else:
            for suspect in self._host.suspects(batch):
                self._listeners.setdefault(suspect.local_port, suspect)

    def suspected(self) -> Iterator[Suspect]:
        """Return the listeners of ports with half-open connections."""
        for port in self._number:
            if port in self._listeners:
                yield self._listeners[port]

    def find(self, case: Case) -> Iterator[Finding | Gap]:
        """Yield a finding for each port with too many of them."""
        if "timers" in self._host.untold and self._number:
            yield Gap("half-open", "half-open sockets (the source tells no retries)")
        for port, number in self._number.items():
            half = _HalfOpen(number, self._unanswered[port], self._sources[port])
            severity = self._judge(port, half, case)
            if severity is not None:
                yield self._finding(port, half, severity, case)

    def _limit(self, port: int) -> int | None:
        """Return how many half-open connections a port may have.

        It is the accept queue's limit (`inet_csk_reqsk_queue_is_full`,
        net/inet_connection_sock.h).
        """
        listener = self._listeners.get(port)
        known = listener is not None and not self._host.untold & {
            "backlog limit",
            "queues",
        }
        return listener.send_q if listener and known else None

    def _judge(self, port: int, half: _HalfOpen, case: Case) -> Severity | None:
        limits = self._host.thresholds
        share = percent(half.number, self._limit(port))
        has_cookies = case.grown.get("SyncookiesSent", 0) > 0
        if share is not None and share >= 100 and (half.unanswered or has_cookies):
            return Severity.CRITICAL
        crowded = share is not None and share >= limits.half_open_percent
        if half.unanswered and (crowded or half.unanswered >= limits.half_open_count):
            return Severity.WARNING
        return Severity.WARNING if has_cookies else None

    def _finding(
        self, port: int, half: _HalfOpen, severity: Severity, case: Case
    ) -> Finding:
        listener = self._listeners.get(port)
        holder = None if listener is None else case.holder(listener)
        limit = self._limit(port)
        sources = len(half.sources)
        is_flood = sources * 2 > half.number and sources > 1
        cookies = case.counters.get("SyncookiesSent")
        evidence = [
            (
                f"from {counted(sources, 'address', 'addresses')}; the SYN,ACK was"
                f" sent again to {half.unanswered:,}; given up after"
                f" {format_ms(self._host.settings.synack_seconds * 1000)}"
            ),
        ]
        if cookies:
            grown = case.grown.get("SyncookiesSent", 0)
            evidence.append(
                f"SyncookiesSent {cookies:,} since boot, {grown:,} during this look"
            )
        of = "" if limit is None else f" of {limit:,}"
        kind = "a SYN flood" if is_flood else "answers that do not arrive"
        return Finding(
            "half-open",
            f":{port}",
            severity,
            half.number,
            f"port {port} has {half.number:,}{of} half-open connections: {kind}",
            tuple(evidence),
            {
                "sockets": half.number,
                "unanswered": half.unanswered,
                "sources": sources,
                "limit": limit,
                "max_syn_backlog": self._host.settings.max_syn_backlog,
                "syncookiessent": cookies,
            },
            "Many addresses with a SYN or two each, and no answer from any: they are"
            " forged. With SYN cookies the port stays reachable."
            if is_flood
            else "The same addresses try and never complete: what this host answers is"
            " lost on the way back, at a firewall or a wrong route.",
            (
                f"tcpstates -tan syn_received and sport = :{port} --by remote-address",
                "sysctl net.ipv4.tcp_syncookies    # 1: cookies when the queue is full",
                "limit SYNs where they enter the network"
                if is_flood
                else f"ip route get {next(iter(half.sources))}    # the way back",
            ),
            "a listener with TCP_DEFER_ACCEPT keeps connections half-open until data"
            " come; clients on lossy lines need a second try",
            () if holder is None else case.processes(holder),
            None if holder is None else unnamed(holder),
            tuple(Peer(*found) for found in half.sources.most_common(3)),
        )
