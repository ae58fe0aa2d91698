"""Which processes accept the connections of a listener, and what keeps them from it.

A server with workers opens its listener in a master process that never accepts; the
workers inherit it. The kernel does not record who accepts, but a process that holds the
listener and also connections of its port has accepted some.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from tcpstates.doctor.facts import Facts, FlaggedSocket
from tcpstates.doctor.owner_groups import OwnerGroup
from tcpstates.processes import Process
from tcpstates.text import format_name
from tcpstates.wording import plural

_NAMED = 3


class Acceptors(NamedTuple):
    """The processes that accept from a listener, as far as the sockets show it."""

    owner: OwnerGroup  # the most suspicious ones first
    processes: tuple[Process, ...]  # all of them; empty: they are hidden
    # How many connections of the port each one holds; None: that was not examined.
    accepted: Counter[int] | None
    holders: int  # processes that hold the listener

    @property
    def exhausted(self) -> list[Process]:
        """Those that have no descriptor left for another connection."""
        return [process for process in self.processes if _is_exhausted(process)]

    def problem(self, where: str) -> str:
        """Say what is wrong with them."""
        if self.processes and len(self.exhausted) == len(self.processes):
            has = self.owner.does("has", "have")
            return f"{has} no descriptor left to accept on {where}"
        return f"{self.owner.does('is', 'are')} slow to accept on {where}"

    def lines(self) -> Iterator[str]:
        """Describe who accepts, and what keeps them from it."""
        number = len(self.processes)
        if self.holders > 1 and self.accepted is not None:
            holds = plural(number, "holds", "hold")
            yield (
                f"{number:,} of the {self.holders:,} processes that have a listener on"
                f" this port also {holds} connections of it"
                if self.accepted
                else f"{self.holders:,} processes have a listener on this port; none of"
                " them holds a connection of it"
            )
        for process in self.exhausted[:_NAMED]:
            yield (
                f"{format_name(process.name)}[{process.pid}] has all of its"
                f" {process.descriptors_limit:,} descriptors open: accept() fails"
                " (EMFILE)"
            )
        stopped = sum(process.is_stopped for process in self.processes)
        if stopped and number > 1:
            are = plural(stopped, "is", "are")
            yield f"{stopped:,} of these processes {are} stopped"


def find_acceptors(
    facts: Facts,
    listeners: Iterable[FlaggedSocket],
    connections: Sequence[FlaggedSocket] | None,
) -> Acceptors:
    """Find who accepts from listeners.

    `connections` are those of their port; None: they were not examined.
    """
    names: dict[int, bytes | None] = {}
    nobody: OwnerGroup | None = None
    for listener in listeners:
        owner = facts.owner(listener)
        names.update(zip(owner.pids, owner.names, strict=True))
        if not owner.pids:
            nobody = nobody or owner
    accepted: Counter[int] = Counter()
    for connection in connections or ():
        accepted.update(pid for pid in facts.owner(connection).pids if pid in names)
    if not names:
        return Acceptors(nobody or OwnerGroup((), ()), (), None, 0)
    processes = list(map(facts.process, names))
    working = [process for process in processes if accepted[process.pid]]
    if not working:
        parents = {process.parent for process in processes}
        working = [process for process in processes if process.pid not in parents]
    working.sort(key=lambda process: _suspicion(process, accepted[process.pid]))
    pids = tuple(process.pid for process in working)
    owner = OwnerGroup(pids, tuple(map(names.__getitem__, pids)))
    counted = None if connections is None else accepted
    return Acceptors(owner, tuple(working), counted, len(names))


def _suspicion(process: Process, accepted: int) -> tuple[bool, bool, int, int]:
    """Sort key: stopped, without descriptors, with most connections."""
    return (
        not process.is_stopped,
        not _is_exhausted(process),
        -accepted,
        process.pid,
    )


def _is_exhausted(process: Process) -> bool:
    used, limit = process.descriptors, process.descriptors_limit
    return used is not None and limit is not None and used >= limit
