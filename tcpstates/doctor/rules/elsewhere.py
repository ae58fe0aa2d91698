"""Sockets that this examination does not include: elsewhere, or of another kind."""

from __future__ import annotations

from collections.abc import Iterator

from tcpstates.capabilities import Capability
from tcpstates.doctor.facts import Facts
from tcpstates.doctor.findings import NotExamined
from tcpstates.doctor.links import Links
from tcpstates.doctor.rule import Outcome, Rule
from tcpstates.text import command_line, format_name
from tcpstates.wording import counted

_NAMED = 3  # namespaces


class ElsewhereRule(Rule):
    """Unix sockets, and network namespaces with processes, as containers have them."""

    def find(self, facts: Facts, links: Links) -> Iterator[Outcome]:
        """Yield what was not examined, and the command that examines it."""
        is_saved = Capability.HOST_LIMITS in self._context.missing
        if is_saved or self._context.is_filtered:
            return
        if facts.unix_listeners:
            yield NotExamined(
                rule="unix",
                text=counted(facts.unix_listeners, "unix listener"),
                command="ss -xl",
            )
        others = sorted(facts.elsewhere().values(), key=len, reverse=True)
        for pids in others[:_NAMED]:
            name = format_name(facts.process(pids[0]).name)
            processes = counted(len(pids), "process", "processes")
            yield NotExamined(
                rule="namespaces",
                text=f"the network namespace of {name}[{pids[0]}] ({processes})",
                command=command_line("nsenter -t {} -n tcpstates doctor", pids[0]),
            )
        if others[_NAMED:]:
            yield NotExamined(
                rule="namespaces",
                text=counted(len(others[_NAMED:]), "further network namespace"),
                command="lsns -t net",
            )
