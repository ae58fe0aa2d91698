"""Handshakes that are not completed: SYN_RECEIVED."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from tcpstates.batch import Batch
from tcpstates.capabilities import Capability
from tcpstates.doctor.facts import Facts, FlaggedSocket, Port, RuleContext, unmap_ipv4
from tcpstates.doctor.findings import Finding, NotExamined, Peer, Severity
from tcpstates.doctor.links import Links
from tcpstates.doctor.phrases import (
    no_process_note,
    percent,
    route_commands,
    timeout_note,
)
from tcpstates.doctor.rule import Outcome, Rule
from tcpstates.states import TcpState
from tcpstates.text import command_line
from tcpstates.wording import counted

_SYN_RECEIVED = str(TcpState.SYN_RECEIVED)


class HalfOpenRule(Rule):
    """SYN_RECEIVED sockets that pile up: a flood, or answers that are lost."""

    states = frozenset({_SYN_RECEIVED, str(TcpState.LISTEN)})

    def __init__(self, context: RuleContext) -> None:
        super().__init__(context)
        self._listeners: dict[Port, list[FlaggedSocket]] = {}
        self._number: Counter[int] = Counter()
        self._unanswered: Counter[int] = Counter()
        self._sources: dict[int, Counter[str]] = {}

    def observe(self, state_label: str, batch: Batch) -> None:
        """Count sockets by port: see `Rule`."""
        if state_label == _SYN_RECEIVED:
            if not self._context.is_filtered:  # a filter by process would hide them
                self.observe_unowned(batch)
            return
        for socket in self._context.sockets(batch):
            self._listeners.setdefault(socket.local_port, []).append(socket)

    def observe_unowned(self, batch: Batch) -> None:
        """Count half-open connections, which no process owns."""
        half = batch.select(
            [
                state_label == _SYN_RECEIVED
                for state_label in batch.column("state_label")
            ]
        )
        for port, address, retries in half.rows(
            "local_port", "remote_address", "retransmits"
        ):
            if port is None:
                continue  # the listener is not known
            self._number[port] += 1
            self._sources.setdefault(port, Counter())[unmap_ipv4(address)] += 1
            self._unanswered[port] += bool(retries)

    def flagged(self) -> Iterator[FlaggedSocket]:
        """Yield the listeners of ports with half-open connections."""
        for port in self._number:
            yield from self._listeners.get(port, ())

    def find(self, facts: Facts, links: Links) -> Iterator[Outcome]:
        """Yield a finding per port with too many half-open connections."""
        if Capability.TIMERS in self._context.missing and self._number:
            yield NotExamined(
                rule="half-open",
                text="half-open sockets (retries not reported by the source)",
            )
        for port in self._number:
            if links.half_open_behind(port):
                continue  # the finding about that queue counts them
            is_ours = port in self._listeners or not self._context.is_filtered
            severity = self._severity(port, facts) if is_ours else None
            if severity is not None:
                yield self._finding(port, severity, facts, links)

    def _limit(self, port: int) -> int | None:
        """Compute how many half-open connections a port may have.

        The limit is that of the accept queue (`inet_csk_reqsk_queue_is_full`). Without
        SYN cookies it is at most three quarters of tcp_max_syn_backlog
        (`tcp_conn_request`, net/ipv4/tcp_input.c). Listeners that share a port share
        the load.
        """
        listeners = self._listeners.get(port, ())
        limits = self._context.backlog_limits(listeners)
        if not limits:
            return None
        settings = self._context.settings
        most = settings.max_syn_backlog * 3 // 4
        if not settings.syncookies:
            limits = tuple(min(limit, most) for limit in limits)
        return sum(limits)

    def _severity(self, port: int, facts: Facts) -> Severity | None:
        limits = self._context.thresholds
        unanswered, limit = self._unanswered[port], self._limit(port)
        share = percent(unanswered, limit)
        # The cookie counter covers all ports: only a full one can have caused cookies.
        is_full = limit is not None and self._number[port] >= limit
        if is_full and (unanswered or facts.grown.get("SyncookiesSent", 0)):
            return Severity.CRITICAL
        is_crowded = share is not None and share >= limits.half_open_percent
        if is_crowded or unanswered >= limits.half_open_count:
            return Severity.WARNING
        return None

    def half_open(self) -> Mapping[int, int]:
        """Return the half-open connections that were answered again: see `Rule`."""
        return {port: number for port, number in self._unanswered.items() if number}

    def _finding(
        self, port: int, severity: Severity, facts: Facts, links: Links
    ) -> Finding:
        listeners = self._listeners.get(port, [])
        owner = next(iter(facts.by_owner(listeners)), None)
        number, unanswered = self._number[port], self._unanswered[port]
        limit, by_source = self._limit(port), self._sources[port]
        settings = self._context.settings
        sources = len(by_source)
        is_flood = sources > 1 and sources * 2 >= number
        cookies = facts.counters.get("SyncookiesSent")
        evidence = [
            (
                f"from {counted(sources, 'address', 'addresses')}; the SYN,ACK was"
                f" resent on {counted(unanswered, 'connection')}"
                + timeout_note(self._context, self._context.settings.synack_seconds)
            )
        ]
        if cookies:
            grown = facts.grown.get("SyncookiesSent", 0)
            evidence.append(
                f"SyncookiesSent {cookies:,} so far, {grown:,} during this run"
            )
        kind = "a SYN flood" if is_flood else "its answers do not arrive"
        return Finding(
            rule="half-open",
            subject=f":{port}",
            severity=severity,
            size=number,
            verdict=f"port {port} has {_half_open(number, limit)}: {kind}",
            evidence=tuple(evidence),
            numbers={
                "sockets": number,
                "unanswered": unanswered,
                "sources": sources,
                "limit": limit,
                "max_syn_backlog": settings.max_syn_backlog
                if settings.is_known
                else None,
                "syncookiessent": cookies,
            },
            means=self._what_it_means(is_flood=is_flood),
            commands=(
                command_line(
                    "tcpstates -tan syn_received and sport = {} --by remote-address"
                    " --limit 10",
                    f":{port}",
                ),
                "sysctl net.ipv4.tcp_syncookies",
                *(() if is_flood else route_commands(links, next(iter(by_source)))),
            ),
            advice=("limit SYNs where they enter the network",) if is_flood else (),
            unless="a listener with TCP_DEFER_ACCEPT keeps connections half-open"
            " until data arrive; clients on lossy links need a second try",
            processes=() if owner is None else facts.processes(owner),
            no_process=None if owner is None else no_process_note(facts, owner),
            peers=tuple(Peer(*found) for found in by_source.most_common(3)),
        )

    def _what_it_means(self, *, is_flood: bool) -> str:
        if not is_flood:
            return (
                "The same addresses try and never complete the handshake: this host's"
                " answers are lost on the way back, at a firewall or on a wrong route."
            )
        after = (
            "With SYN cookies (tcp_syncookies) the port stays reachable."
            if self._context.settings.syncookies
            else "SYN cookies are off: a full queue drops SYNs."
        )
        return (
            "Many addresses have sent a SYN or two each, and none answers: they are"
            f" forged. {after}"
        )


def _half_open(number: int, limit: int | None) -> str:
    if limit is None:
        return counted(number, "half-open connection")
    return f"{counted(number, 'half-open connection')} (limit {limit:,})"
