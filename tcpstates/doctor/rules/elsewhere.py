"""Sockets that this examination does not include: elsewhere, or of another kind."""

from __future__ import annotations

from collections.abc import Iterator

from tcpstates.capabilities import Capability
from tcpstates.doctor.facts import Facts
from tcpstates.doctor.findings import NotExamined
from tcpstates.doctor.links import Links
from tcpstates.doctor.rule import Outcome, Rule
from tcpstates.text import format_name
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
        if others:
            leading = [
                f"{format_name(facts.process(pids[0]).name)}[{pids[0]}]"
                for pids in others[:_NAMED]
            ]
            more = ", ..." if others[_NAMED:] else ""
            namespaces = counted(len(others), "other network namespace")
            yield NotExamined(
                rule="namespaces",
                text=f"{namespaces} ({', '.join(leading)}{more})",
                command="tcpstates doctor --netns all",
            )
