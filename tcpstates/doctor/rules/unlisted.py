"""Sockets that a program holds open although their connections have ended.

| situation | verdict |
|---|---|
| many TCP descriptors that no table lists | a leak that listings do not show |
"""

from __future__ import annotations

from collections.abc import Iterator

from tcpstates.capabilities import Capability
from tcpstates.doctor.facts import Facts
from tcpstates.doctor.findings import Finding, Severity
from tcpstates.doctor.links import Links
from tcpstates.doctor.phrases import percent
from tcpstates.doctor.rule import Outcome, Rule
from tcpstates.text import command_line, format_name


class UnlistedRule(Rule):
    """Descriptors of TCP sockets that are in no table."""

    def find(self, facts: Facts, links: Links) -> Iterator[Outcome]:
        """Yield a finding per process that holds many of them."""
        if self._context.is_filtered or Capability.HOST_LIMITS in self._context.missing:
            return
        for pid, number in facts.unlisted().items():
            if facts.is_here(pid):
                yield self._finding(facts, pid, number)

    def _finding(self, facts: Facts, pid: int, number: int) -> Finding:
        process, limit = facts.process(pid), facts.descriptors_limit(pid)
        name = f"{format_name(process.name)}[{pid}]"
        share = percent(number, limit) or 0
        limits = self._context.thresholds
        is_grave = number >= limits.many_count or share >= limits.leaked_percent
        evidence = [
            "no table lists them: their connections have ended, or were never made"
        ]
        if limit is not None:
            evidence.append(f"they take {share}% of its {limit:,} descriptors")
        return Finding(
            rule="unlisted",
            subject=name,
            severity=Severity.WARNING if is_grave else Severity.NOTICE,
            size=number,
            verdict=f"{name} holds {number:,} TCP sockets without a connection",
            evidence=tuple(evidence),
            numbers={"sockets": number, "limit": limit, "percent": share},
            means="A reset, a timeout or keepalive has ended the connections, and the"
            " program has not closed its descriptors. They count against its limit, and"
            " no listing shows them.",
            commands=(
                command_line("lsof -nP -p {}", pid),
                command_line("tcpstates explain keepalive"),
            ),
            advice=("in the program: close a socket after every error, too",),
            unless="the program has just made them and is about to connect",
            processes=(process,),
        )
