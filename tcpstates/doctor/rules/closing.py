"""Closed sockets that the kernel cannot finish: peers that do not acknowledge."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

from tcpstates.batch import Batch
from tcpstates.capabilities import Capability
from tcpstates.doctor.facts import Facts, FlaggedSocket, RuleContext, unmap_ipv4
from tcpstates.doctor.findings import Finding, NotExamined, Severity
from tcpstates.doctor.links import Links
from tcpstates.doctor.phrases import (
    local_peer_lines,
    no_process_note,
    remote_peers,
)
from tcpstates.doctor.probes import PeerHost, ProbedSocket, probed_sockets
from tcpstates.doctor.rule import Outcome, Rule
from tcpstates.model import Reason
from tcpstates.states import TcpState
from tcpstates.wording import counted

_STATES = (TcpState.FIN_WAIT_1, TcpState.LAST_ACK, TcpState.CLOSING)
_TRIED = 3  # retries: they take 1.4 s if the first one follows after 0.2 s


class ClosingRule(Rule):
    """FIN_WAIT_1, LAST_ACK and CLOSING sockets that do not finish."""

    states = frozenset(map(str, _STATES))

    def __init__(self, context: RuleContext) -> None:
        super().__init__(context)
        self._silent: list[FlaggedSocket] = []  # the FIN is not acknowledged
        self._probed: list[ProbedSocket] = []  # the peer accepts no data: the FIN waits

    def observe(self, state_label: str, batch: Batch) -> None:
        """Collect sockets that retransmit or cannot send: see `Rule`."""
        timers = batch.column("timer")
        tries = batch.column("retransmits")
        silent = [
            timer == "retransmit" and (number or 0) >= _TRIED
            for timer, number in zip(timers, tries, strict=True)
        ]
        self._silent += self._context.sockets(batch.select(silent))
        self._probed += probed_sockets(self._context, batch)

    def flagged(self) -> Iterator[FlaggedSocket]:
        """Yield all collected sockets."""
        yield from self._silent
        for each in self._probed:
            yield each.socket

    def unfinished(self) -> Iterator[str]:
        """Yield the addresses that do not answer: see `Rule`."""
        for socket in self._silent:
            yield unmap_ipv4(socket.remote_address)
        for each in self._probed:
            if each.peer is not PeerHost.ANSWERS:
                yield unmap_ipv4(each.socket.remote_address)

    def find(self, facts: Facts, links: Links) -> Iterator[Outcome]:
        """Yield one finding per problem: it is the peers that matter."""
        if Capability.TIMERS in self._context.missing and any(
            map(facts.counted.get, self.states)
        ):
            yield NotExamined(
                rule="closing",
                text="closing sockets (retransmissions not reported by the source)",
            )
        silent: list[FlaggedSocket] = list(self._silent)
        full: list[FlaggedSocket] = []
        for each in self._probed:
            (silent if each.peer is PeerHost.SILENT else full).append(each.socket)
        answering = {
            each.socket for each in self._probed if each.peer is PeerHost.ANSWERS
        }
        # Those of a peer that leaves connections unanswered are part of that finding.
        gone = links.silent_addresses()
        silent, full = (
            [
                socket
                for socket in sockets
                if socket in answering or unmap_ipv4(socket.remote_address) not in gone
            ]
            for sockets in (silent, full)
        )
        least = max(self._context.thresholds.closing_count, 1)
        if len(silent) >= least:
            yield self._finding(facts, "closing", silent, _SILENT)
        if len(full) >= least:
            texts = _FULL if answering.issuperset(full) else _FULL_OR_GONE
            yield self._finding(facts, "closing-full", full, texts)

    def _finding(
        self, facts: Facts, rule: str, sockets: list[FlaggedSocket], texts: _Texts
    ) -> Finding:
        number = len(sockets)
        states = Counter(socket.state_label for socket in sockets)
        owners = {h: len(s) for h, s in facts.by_owner(sockets).items()}
        owner = next((h for h in owners if h.pids), next(iter(owners)))
        orphans = sum(n for h, n in owners.items() if h.reason == Reason.ORPHAN)
        is_known = any(h.pids or h.reason == Reason.ORPHAN for h in owners)
        many = number >= self._context.thresholds.closing_many
        return Finding(
            rule=rule,
            subject="host",
            severity=Severity.WARNING if many else Severity.NOTICE,
            size=number,
            verdict=f"{counted(number, 'closing socket')} {texts.verdict}:"
            f" {', '.join(f'{count:,} in {label}' for label, count in states.items())}",
            evidence=(
                *((_held(number, orphans),) if is_known else ()),
                *local_peer_lines(facts, sockets, texts.blame),
            ),
            numbers={"sockets": number, "orphans": orphans if is_known else None},
            means=texts.means,
            commands=(
                (
                    "tcpstates -tan fin_wait_1 last_ack closing --by remote-address"
                    " --limit 10"
                ),
            ),
            advice=(texts.remedy,),
            unless=texts.unless,
            processes=facts.processes(owner),
            no_process="the kernel: no process owns them"
            if orphans == number
            else no_process_note(facts, owner),
            peers=remote_peers(sockets, with_port=False),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Texts:
    """The texts for one of the problems."""

    verdict: str
    blame: str
    means: str
    remedy: str
    unless: str


_SILENT = _Texts(
    verdict="get no answer",
    blame="yet nothing is acknowledged",
    means="The peers are gone, or a firewall has forgotten them. The kernel gives up"
    " orphans by itself (tcp_orphan_retries: about a minute or two).",
    remedy="if a firewall or NAT forgets idle connections: shorten the keepalive"
    " interval",
    unless="a server with many mobile clients always has some",
)
_FULL = _Texts(
    verdict="cannot send their remaining data",
    blame="the side that does not read is at fault",
    means="The peers accept no data (zero window), so the FIN has to wait. Their hosts"
    " answer the probes: their programs do not read, or read slowly.",
    remedy="at the peers: tcpstates doctor",
    unless="peers that read slowly on purpose",
)
_FULL_OR_GONE = replace(
    _FULL,
    means="The peers accepted no data (zero window) when they last answered, so the FIN"
    " has to wait. Their programs do not read, or their hosts are gone: unanswered"
    " probes will show it.",
)


def _held(number: int, orphans: int) -> str:
    if not orphans:
        return "none is an orphan: processes still own them"
    which = "all" if orphans == number else f"{orphans:,}"
    return f"{which} are orphans, which no process owns any more"
