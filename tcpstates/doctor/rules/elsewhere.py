"""Sockets that this examination does not include: elsewhere, or of another kind."""

from __future__ import annotations

from collections.abc import Iterator

from tcpstates.capabilities import Capability
from tcpstates.doctor.facts import Facts
from tcpstates.doctor.findings import NotExamined
from tcpstates.doctor.links import Links
from tcpstates.doctor.rule import Outcome, Rule
from tcpstates.text import command_line
from tcpstates.wording import counted


class ElsewhereRule(Rule):
    """Unix sockets, and network namespaces with processes, as containers have them."""

    def find(self, facts: Facts, links: Links) -> Iterator[Outcome]:
        """Yield how many there are, and what looks at them."""
        if Capability.HOST_LIMITS in self._context.missing:
            return
        if facts.unix_listeners:
            yield NotExamined(
                rule="unix",
                text=counted(facts.unix_listeners, "unix listener"),
                command="ss -xl",
            )
        others = facts.elsewhere()
        if not others:
            return
        processes = sum(map(len, others.values()))
        largest = max(others.values(), key=len)
        command = command_line("nsenter -t {} -n tcpstates doctor", largest[0])
        text = (
            f"{counted(len(others), 'other network namespace')} with"
            f" {counted(processes, 'process', 'processes')}"
        )
        yield NotExamined(rule="namespaces", text=text, command=command)
