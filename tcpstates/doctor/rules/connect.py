"""Destinations that do not answer: SYN_SENT."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tcpstates.batch import Batch
from tcpstates.capabilities import Capability
from tcpstates.doctor.facts import Facts, FlaggedSocket, Port, RuleContext, unmap_ipv4
from tcpstates.doctor.findings import Finding, NotExamined, Peer, Severity
from tcpstates.doctor.links import Links
from tcpstates.doctor.phrases import (
    endpoint,
    listing,
    no_process_note,
    route_commands,
    timeout_note,
)
from tcpstates.doctor.rule import Outcome, Rule
from tcpstates.states import TcpState
from tcpstates.text import command_line, format_ms
from tcpstates.wording import counted

_SYN_SENT = str(TcpState.SYN_SENT)


class UnansweredSynRule(Rule):
    """Destinations that do not answer SYNs."""

    states = frozenset({_SYN_SENT})

    def __init__(self, context: RuleContext) -> None:
        super().__init__(context)
        self._found: list[FlaggedSocket] = []

    def observe(self, state_label: str, batch: Batch) -> None:
        """Collect sockets that have resent their SYN: see `Rule`."""
        tried = batch.column("retransmits")
        limit = self._context.thresholds.syn_retries
        again = [number is not None and number >= limit for number in tried]
        self._found += self._context.sockets(batch.select(again))

    def flagged(self) -> Iterable[FlaggedSocket]:
        """Return all collected sockets."""
        return self._found

    unanswered = flagged

    def find(self, facts: Facts, links: Links) -> Iterator[Outcome]:
        """Yield a finding per destination."""
        if Capability.TIMERS in self._context.missing and facts.counted.get(_SYN_SENT):
            yield NotExamined(
                rule="connect", text="destinations (retries not reported by the source)"
            )
        places: dict[tuple[str, Port], list[FlaggedSocket]] = {}
        for socket in self._found:
            if links.full_queue(socket) is not None:
                continue  # the finding about that queue counts it
            place = unmap_ipv4(socket.remote_address), socket.remote_port
            places.setdefault(place, []).append(socket)
        for (address, port), sockets in places.items():
            owners = facts.by_owner(sockets)
            owner = next(iter(owners))
            tries = max(socket.retransmits or 0 for socket in sockets)
            age = max(socket.age[0] for socket in sockets)
            where = endpoint(address, port)
            more = len(owners) - 1
            others = f" and {counted(more, 'other')}" if more else ""
            yield Finding(
                rule="connect",
                subject=where,
                severity=self._grade(len(sockets), tries),
                size=len(sockets),
                verdict=f"{where} has not answered {owner}{others} for at least"
                f" {format_ms(age)}",
                evidence=(
                    (
                        f"{counted(len(sockets), 'socket')} in SYN_SENT, the SYN"
                        f" resent up to {tries} times"
                        + timeout_note(
                            self._context, self._context.settings.syn_seconds
                        )
                    ),
                ),
                numbers={
                    "sockets": len(sockets),
                    "retries": tries,
                    "oldest_ms": int(age),
                },
                means="There is no answer, not even a refusal: a firewall drops the"
                " SYNs, the host is gone, or its accept queue is full.",
                commands=(
                    listing(
                        "-tanpo syn_sent and dst {}",
                        address if port is None else where,
                        number=len(sockets),
                    ),
                    *route_commands(links, address),
                ),
                advice=(
                    *_look_there(links, address, port),
                    "in the program: set a shorter timeout for connect()",
                ),
                unless="the host is just starting",
                processes=facts.processes(owner),
                no_process=no_process_note(facts, owner),
                peers=(Peer(where, len(sockets)),),
            )

    def _grade(self, number: int, retries: int) -> Severity:
        """Distinguish a destination that is down from one that somebody tries out.

        A monitoring program always tries some targets that are down, with a timeout.
        """
        limits = self._context.thresholds
        lasts = self._context.settings.syn_seconds_after(retries) * 1000
        is_grave = number >= limits.pool_count or lasts >= limits.connect_ms
        return Severity.WARNING if is_grave else Severity.NOTICE


def _look_there(links: Links, address: str, port: Port) -> Iterator[str]:
    if port is not None and not links.is_here(address):
        yield command_line("on {}: tcpstates -ltn sport = {}", address, f":{port}")
