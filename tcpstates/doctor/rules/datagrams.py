"""UDP sockets whose program does not read fast enough, so that datagrams are dropped.

The kernel drops a datagram if the socket's receive buffer is full, and counts that for
each socket (`sk_drops`, reported as the last of `SK_MEMINFO_VARS`, linux/sock_diag.h).
"""

from __future__ import annotations

from collections.abc import Iterator

from tcpstates.batch import Batch
from tcpstates.capabilities import Capability
from tcpstates.doctor.facts import Facts, FlaggedSocket, RuleContext
from tcpstates.doctor.findings import Finding, NotExamined, Severity
from tcpstates.doctor.links import Links
from tcpstates.doctor.phrases import endpoint, listing, no_process_note, percent
from tcpstates.doctor.rule import Outcome, Rule
from tcpstates.wording import counted

_BUFFER = ("receive_allocated", "receive_buffer")
_FULL_PERCENT = 50  # of the receive buffer


def select_dropped(batch: Batch) -> Batch:
    """Select the sockets that have dropped something."""
    memory = batch.column("memory")
    return batch.select([bool(used and used.get("drops")) for used in memory])


class DatagramsRule(Rule):
    """UDP sockets that have dropped datagrams."""

    def __init__(self, context: RuleContext) -> None:
        super().__init__(context)
        self._found: list[tuple[FlaggedSocket, dict[str, int]]] = []

    def observe_udp(self, batch: Batch) -> None:
        """Collect sockets that have dropped something: see `Rule`."""
        dropped = select_dropped(batch)
        self._found += zip(
            self._context.sockets(dropped), dropped.column("memory"), strict=True
        )

    def owned(self) -> Iterator[FlaggedSocket]:
        """Yield all collected sockets."""
        for socket, _ in self._found:
            yield socket

    def find(self, facts: Facts, links: Links) -> Iterator[Outcome]:
        """Yield a finding per socket whose queue is filled, or that drops meanwhile."""
        if Capability.MEMORY in self._context.missing:
            text = "dropped datagrams (not reported by the source)"
            yield NotExamined(rule="udp-drops", text=text)
        for socket, memory in self._found:
            used, size = (memory.get(name) for name in _BUFFER)
            share = None if used is None else percent(used, size)
            is_full = share is not None and share >= _FULL_PERCENT
            if is_full or self._context.is_watched:
                drops = memory["drops"]
                yield _finding(facts, socket, drops, share, is_full=is_full)


def _finding(
    facts: Facts,
    socket: FlaggedSocket,
    drops: int,
    share: int | None,
    *,
    is_full: bool,
) -> Finding:
    owner = facts.owner(socket)
    port = f":{socket.local_port}"
    where = endpoint(socket.local_address, socket.local_port)
    return Finding(
        rule="udp-drops",
        subject=f"{where} {socket.inode}",
        severity=Severity.NOTICE,
        size=drops,
        verdict=f"{owner.does('does', 'do')} not read UDP {where} fast enough:"
        f" {counted(drops, 'datagram')} dropped so far",
        evidence=(
            ()
            if share is None
            else (f"the receive buffer is {share}% full, overhead included",)
        ),
        numbers={"drops": drops, "buffer_percent": share},
        means="Datagrams arrive faster than the program reads them. Those that do not"
        " fit are lost, and UDP resends nothing.",
        commands=(
            listing("-uanpm sport = {}", port, number=None),
            "tcpstates doctor --watch 10",
        ),
        advice=(
            "in the program: read faster, or in several threads",
            "for bursts: a larger buffer (SO_RCVBUF, net.core.rmem_max)",
        ),
        unless="the drops are old: the number does not grow in a second scan",
        processes=facts.processes(owner),
        no_process=no_process_note(facts, owner),
        is_urgent_when_growing=True,
        starts_at_zero=True,
        is_provisional=not is_full,
    )
