"""Connections that do not come about: SYN_SENT without answer, and half-open ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from tcpstates.capabilities import Capability
from tcpstates.diagnose.case import Case, Host, Port, Suspect, plain
from tcpstates.diagnose.words import (
    counted,
    endpoint,
    given_up,
    percent,
    unnamed,
)
from tcpstates.findings import Finding, Gap, Peer, Severity
from tcpstates.model import Batch
from tcpstates.states import TcpState
from tcpstates.text import command_line, format_ms

_SYN_SENT, _SYN_RECEIVED = str(TcpState.SYN_SENT), str(TcpState.SYN_RECEIVED)


class Connecting:
    """Destinations that do not answer SYNs."""

    states = frozenset({_SYN_SENT})

    def __init__(self, host: Host) -> None:
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
        if Capability.TIMERS in self._host.missing and case.counted.get(_SYN_SENT):
            yield Gap("connect", "destinations (the source tells no retries)")
        places: dict[tuple[str, Port], list[Suspect]] = {}
        for suspect in self._found:
            place = plain(suspect.remote_address), suspect.remote_port
            places.setdefault(place, []).append(suspect)
        for (address, port), suspects in places.items():
            holders = case.by_holder(suspects)
            holder = next(iter(holders))
            tries = max(suspect.retransmits or 0 for suspect in suspects)
            age = max(suspect.age[0] for suspect in suspects)
            where = endpoint(address, port)
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
                        f" again up to {tries} times"
                        + given_up(self._host, self._host.settings.syn_seconds)
                    ),
                ),
                {"sockets": len(suspects), "retries": tries, "oldest_ms": int(age)},
                "No answer at all, not even a refusal: a firewall drops the SYNs, the"
                " host is gone, or its accept queue is full.",
                (
                    command_line(
                        "tcpstates -tanpo syn_sent and dst {}",
                        address if port is None else where,
                    ),
                    command_line("ip route get {}", plain(address)),
                    *_look_there(address, port),
                    "in the program: a shorter timeout for connect()",
                ),
                "a host that is just starting",
                case.processes(holder),
                unnamed(case, holder),
                (Peer(where, len(suspects)),),
            )


class HalfOpen:
    """SYN_RECEIVED piling up: a flood, or a way back that loses everything."""

    states = frozenset({_SYN_RECEIVED, str(TcpState.LISTEN)})

    def __init__(self, host: Host) -> None:
        self._host = host
        self._listeners: dict[Port, list[Suspect]] = {}
        self._number: Counter[int] = Counter()
        self._unanswered: Counter[int] = Counter()
        self._sources: dict[int, Counter[str]] = {}

    def look(self, word: str, batch: Batch) -> None:
        """Count by port: see `Rule`."""
        if word == _SYN_RECEIVED:
            if not self._host.is_filtered:  # a filter by process would hide them
                self.look_unheld(batch)
            return
        for suspect in self._host.suspects(batch):
            self._listeners.setdefault(suspect.local_port, []).append(suspect)

    def look_unheld(self, batch: Batch) -> None:
        """Count half-open connections, which no process holds."""
        half = batch.keep([word == _SYN_RECEIVED for word in batch.column("word")])
        names = ("local_port", "remote_address", "retransmits")
        for port, address, retries in zip(*map(half.column, names), strict=True):
            if port is None:
                continue  # of which listener is not known
            self._number[port] += 1
            self._sources.setdefault(port, Counter())[plain(address)] += 1
            self._unanswered[port] += bool(retries)

    def suspected(self) -> Iterator[Suspect]:
        """Return the listeners of ports with half-open connections."""
        for port in self._number:
            yield from self._listeners.get(port, ())

    def find(self, case: Case) -> Iterator[Finding | Gap]:
        """Yield a finding for each port with too many of them."""
        if Capability.TIMERS in self._host.missing and self._number:
            yield Gap("half-open", "half-open sockets (the source tells no retries)")
        for port in self._number:
            is_ours = port in self._listeners or not self._host.is_filtered
            severity = self._judge(port, case) if is_ours else None
            if severity is not None:
                yield self._finding(port, severity, case)

    def _limit(self, port: int) -> int | None:
        """Return how many half-open connections a port may have.

        It is the accept queue's limit (`inet_csk_reqsk_queue_is_full`); without SYN
        cookies no more than three quarters of tcp_max_syn_backlog (`tcp_conn_request`,
        net/ipv4/tcp_input.c). Listeners that share a port share the load.
        """
        listeners = self._listeners.get(port, ())
        limits = self._host.backlog_limits(listeners)
        if not limits:
            return None
        settings = self._host.settings
        most = settings.max_syn_backlog * 3 // 4
        if not settings.syncookies:
            limits = tuple(min(limit, most) for limit in limits)
        return sum(limits)

    def _judge(self, port: int, case: Case) -> Severity | None:
        limits = self._host.thresholds
        unanswered, limit = self._unanswered[port], self._limit(port)
        share = percent(unanswered, limit)
        # Cookies are counted for all ports together: only a full one has caused them.
        is_full = limit is not None and self._number[port] >= limit
        if is_full and (unanswered or case.grown.get("SyncookiesSent", 0)):
            return Severity.CRITICAL
        is_crowded = share is not None and share >= limits.half_open_percent
        if is_crowded or unanswered >= limits.half_open_count:
            return Severity.WARNING
        return None

    def _finding(self, port: int, severity: Severity, case: Case) -> Finding:
        listeners = self._listeners.get(port, [])
        holder = next(iter(case.by_holder(listeners)), None)
        number, unanswered = self._number[port], self._unanswered[port]
        limit, by_source = self._limit(port), self._sources[port]
        settings = self._host.settings
        sources = len(by_source)
        is_flood = sources > 1 and sources * 2 >= number
        cookies = case.counters.get("SyncookiesSent")
        evidence = [
            (
                f"from {counted(sources, 'address', 'addresses')}; the SYN,ACK was"
                f" sent again to {unanswered:,}"
                + given_up(self._host, self._host.settings.synack_seconds)
            )
        ]
        if cookies:
            grown = case.grown.get("SyncookiesSent", 0)
            evidence.append(
                f"SyncookiesSent {cookies:,} so far, {grown:,} during this look"
            )
        kind = "a SYN flood" if is_flood else "answers that do not arrive"
        return Finding(
            "half-open",
            f":{port}",
            severity,
            number,
            f"port {port} has {_half_open(number, limit)}: {kind}",
            tuple(evidence),
            {
                "sockets": number,
                "unanswered": unanswered,
                "sources": sources,
                "limit": limit,
                "max_syn_backlog": settings.max_syn_backlog
                if settings.is_told
                else None,
                "syncookiessent": cookies,
            },
            self._what_it_means(is_flood=is_flood),
            (
                command_line(
                    "tcpstates -tan syn_received and sport = {} --by remote-address",
                    f":{port}",
                ),
                "sysctl net.ipv4.tcp_syncookies    # 1: cookies when the queue is full",
                "limit SYNs where they enter the network"
                if is_flood
                else command_line(
                    "ip route get {}    # the way back", next(iter(by_source))
                ),
            ),
            "a listener with TCP_DEFER_ACCEPT keeps connections half-open until data"
            " come; clients on lossy lines need a second try",
            () if holder is None else case.processes(holder),
            None if holder is None else unnamed(case, holder),
            tuple(Peer(*found) for found in by_source.most_common(3)),
        )

    def _what_it_means(self, *, is_flood: bool) -> str:
        if not is_flood:
            return (
                "The same addresses try and never complete: what this host answers is"
                " lost on the way back, at a firewall or a wrong route."
            )
        after = (
            "With SYN cookies (tcp_syncookies) the port stays reachable."
            if self._host.settings.syncookies
            else "SYN cookies are off: once the queue is full, SYNs are dropped."
        )
        return (
            "Many addresses with a SYN or two each, and no answer from any: they are"
            f" forged. {after}"
        )


def _look_there(address: str, port: Port) -> Iterator[str]:
    if port is not None:
        yield command_line("on {}: tcpstates -ltn sport = {}", address, f":{port}")


def _half_open(number: int, limit: int | None) -> str:
    if limit is None:
        return counted(number, "half-open connection")
    return f"{number:,} of {limit:,} half-open connections"
