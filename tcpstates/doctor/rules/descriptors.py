"""Processes that run out of file descriptors because of their sockets."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from tcpstates.batch import Batch
from tcpstates.capabilities import Capability
from tcpstates.doctor.facts import Facts, FlaggedSocket, RuleContext
from tcpstates.doctor.findings import Finding, NotExamined, Severity
from tcpstates.doctor.links import Links
from tcpstates.doctor.phrases import (
    percent,
)
from tcpstates.doctor.rule import Outcome, Rule
from tcpstates.states import TcpState
from tcpstates.text import command_line, format_name
from tcpstates.wording import counted

_NEAR_PERCENT = 95  # of a limit: the next connections fail
_MOST_SELECTED = 10_000  # sockets whose processes are looked for


class DescriptorsRule(Rule):
    """Descriptors near RLIMIT_NOFILE, most of them sockets.

    With a filter, only the processes that own the selected sockets are examined.
    """

    states = frozenset(map(str, TcpState))

    def __init__(self, context: RuleContext) -> None:
        super().__init__(context)
        self._selected: list[FlaggedSocket] = []

    def observe(self, state_label: str, batch: Batch) -> None:
        """Collect the sockets that a filter selects, to find their processes."""
        room = _MOST_SELECTED - len(self._selected)
        if self._context.is_filtered and room > 0:
            owned = [bool(inode) for inode in batch.column("inode")]
            sockets = self._context.sockets(batch.select(owned))
            self._selected += islice(sockets, room)

    def owned(self) -> Iterator[FlaggedSocket]:
        """Yield the sockets whose processes matter: see `Rule`."""
        yield from self._selected

    def find(self, facts: Facts, links: Links) -> Iterator[Outcome]:
        """Yield a finding per process that is near its limit because of sockets."""
        if Capability.HOST_LIMITS in self._context.missing:
            return  # a listing shows no descriptors; that is reported with the limits
        if not facts.descriptors:
            yield NotExamined(
                rule="descriptors",
                text="descriptors (no /proc to count them in)",
            )
        elif facts.hidden_processes:
            text = counted(facts.hidden_processes, "process", "processes")
            why = "run as root" if facts.is_unprivileged else "hidden even from root"
            yield NotExamined(
                rule="descriptors",
                text=f"descriptors of {text} ({why})",
                is_fixed=not facts.is_unprivileged,
            )
        chosen = {pid for s in self._selected for pid in facts.owner(s).pids}
        for pid, (used, sockets) in facts.descriptors.items():
            if self._context.is_filtered and pid not in chosen:
                continue
            limit = facts.descriptors_limit(pid) if sockets * 2 > used else None
            share = percent(used, limit)
            if (
                limit is not None
                and share is not None
                and share >= self._context.thresholds.descriptors_percent
                and facts.is_here(pid)
            ):
                yield _near_limit(facts, pid, (used, sockets, limit))


def _near_limit(facts: Facts, pid: int, numbers: tuple[int, int, int]) -> Finding:
    process, (used, sockets, limit) = facts.process(pid), numbers
    share = percent(used, limit) or 0
    name = f"{format_name(process.name)}[{pid}]"
    return Finding(
        rule="descriptors",
        subject=name,
        severity=Severity.CRITICAL if share >= _NEAR_PERCENT else Severity.WARNING,
        size=used,
        verdict=f"{name} is running out of descriptors: {used:,} of {limit:,} open",
        evidence=(f"{sockets:,} of these descriptors are sockets of any kind",),
        numbers={"open": used, "limit": limit, "sockets": sockets, "percent": share},
        means="At the limit, accept() and connect() fail with EMFILE, and so does"
        " opening a file.",
        commands=(
            command_line(
                "tcpstates -tan pid = {} --by state,remote-address --limit 10", pid
            ),
            command_line("prlimit --pid {} --nofile", pid),
        ),
        advice=(
            "close unneeded descriptors; a higher limit helps if the number is stable",
        ),
        unless="the number is stable and planned",
        processes=(process,),
    )
