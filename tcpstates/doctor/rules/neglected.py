"""Connections that this end neglects: unread data, and peers that may be gone.

| problem | evidence |
|---|---|
| this end does not read | data in Recv-Q, and nothing has arrived for a long time |
| a lost peer is not noticed | no timer, so no keepalive; no traffic for hours |

The first also occurs in FIN_WAIT_2, where this end may still receive.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from tcpstates.ages import idle_ms
from tcpstates.batch import Batch
from tcpstates.capabilities import Capability
from tcpstates.doctor.facts import (
    Facts,
    FlaggedSocket,
    RuleContext,
    is_loopback,
    moved_by,
    unmap_ipv4,
)
from tcpstates.doctor.findings import Finding, NotExamined, Severity
from tcpstates.doctor.links import Links
from tcpstates.doctor.owner_groups import OwnerGroup
from tcpstates.doctor.phrases import (
    listing,
    local_peer_lines,
    no_process_note,
    owner_filter,
    remote_peers,
    resume_commands,
    sleep_lines,
)
from tcpstates.doctor.rule import Outcome, Rule
from tcpstates.states import TcpState
from tcpstates.text import command_line, format_bytes, format_ms
from tcpstates.wording import counted

_ESTABLISHED = str(TcpState.ESTABLISHED)


class NeglectedRule(Rule):
    """Connections whose data are not read, or whose loss nobody would notice."""

    states = frozenset({_ESTABLISHED, str(TcpState.FIN_WAIT_2)})

    def __init__(self, context: RuleContext) -> None:
        super().__init__(context)
        self._unread: list[FlaggedSocket] = []
        self._idle: list[FlaggedSocket] = []

    def observe(self, state_label: str, batch: Batch) -> None:
        """Collect suspicious sockets: see `Rule`."""
        if any(batch.column("recv_q")):
            self._take_unread(batch)
        if state_label == _ESTABLISHED:
            self._take_idle(batch)

    def _take_unread(self, batch: Batch) -> None:
        times = batch.column("info.last_received_ms")
        limit = self._context.thresholds.unread_ms
        columns = (batch.column("recv_q"), batch.column("inode"), times)
        unread = [
            bool(queue and inode) and ms is not None and ms >= limit
            for queue, inode, ms in zip(*columns, strict=True)
        ]
        chosen = batch.select(unread)
        read = [
            None if received is None else received - (queue or 0)
            for queue, received in zip(
                chosen.column("recv_q"),
                chosen.column("info.bytes_received"),
                strict=True,
            )
        ]
        found = self._since(batch, unread, times)
        self._unread += (s._replace(moved=n) for s, n in zip(found, read, strict=True))

    def _take_idle(self, batch: Batch) -> None:
        times = idle_ms(batch)
        limit = self._context.thresholds.idle_ms
        if max(filter(None, times), default=0) < limit:
            return
        idle = [
            timer == "off"
            and ms is not None
            and ms >= limit
            and inode != 0
            and not is_loopback(unmap_ipv4(address))
            for ms, (timer, address, inode) in zip(
                times, batch.rows("timer", "remote_address", "inode"), strict=True
            )
        ]
        self._idle += self._since(batch, idle, times)

    def _since(
        self, batch: Batch, chosen: Sequence[bool], times: Sequence[Any]
    ) -> Iterator[FlaggedSocket]:
        """Yield the chosen sockets with their times."""
        kept = (ms for ms, is_chosen in zip(times, chosen, strict=True) if is_chosen)
        sockets = self._context.sockets(batch.select(chosen))
        return (s._replace(since_ms=ms) for s, ms in zip(sockets, kept, strict=True))

    def flagged(self) -> Iterator[FlaggedSocket]:
        """Yield all collected sockets."""
        yield from self._unread
        yield from self._idle

    def find(self, facts: Facts, links: Links) -> Iterator[Outcome]:
        """Yield a finding per problem and process."""
        is_blind = Capability.TCP_INFO in self._context.missing
        if facts.counted.get(_ESTABLISHED) and is_blind:
            text = "how long data wait (not reported by the source)"
            yield NotExamined(rule="unread", text=text)
        for owner, sockets in facts.by_owner(self._unread, join_workers=True).items():
            yield self._not_read(facts, owner, sockets)
        # A peer on this host cannot vanish without a trace.
        idle = [s for s in self._idle if s.mirrored not in facts.partners]
        for owner, sockets in facts.by_owner(idle).items():
            yield self._forgotten(facts, owner, sockets)

    def _grade(self, facts: Facts, sockets: Sequence[FlaggedSocket]) -> Severity:
        """Distinguish a program that does not read from slow readers of one each."""
        largest = max(map(len, facts.by_owner(sockets).values()))
        is_many = largest >= self._context.thresholds.pool_count
        return Severity.WARNING if is_many else Severity.NOTICE

    def _not_read(
        self, facts: Facts, owner: OwnerGroup, sockets: Sequence[FlaggedSocket]
    ) -> Finding:
        number = len(sockets)
        longest = max(socket.since_ms for socket in sockets)
        queued = sum(socket.recv_q or 0 for socket in sockets)
        processes = facts.processes(owner)
        pid = owner.pids[0] if owner.pids else None
        return Finding(
            rule="unread",
            subject=owner.subject,
            severity=self._grade(facts, sockets),
            size=number,
            verdict=f"{owner.does('does', 'do')} not read, or not fast enough: data"
            f" wait in {counted(number, 'connection')} for at least"
            f" {format_ms(longest)}",
            evidence=(
                f"{format_bytes(queued)} in Recv-Q, and nothing has arrived meanwhile",
                *local_peer_lines(
                    facts, sockets, "the side that does not read is at fault"
                ),
                *sleep_lines(processes),
            ),
            numbers={"sockets": number, "recv_q": queued, "longest_ms": int(longest)},
            means="The data have arrived, but the program does not read all of them:"
            " it is stuck, stopped, busy elsewhere, or has forgotten the connection.",
            commands=(
                *resume_commands(processes),
                listing("-tanpi recv-q '>' 0", number=number, end=owner_filter(owner)),
                *((command_line("cat {}", f"/proc/{pid}/stack"),) if pid else ()),
            ),
            advice=("find out what the reader waits for: a lock, a disk, a database",),
            unless="a program that reads slowly on purpose, as a proxy does for a"
            " slow client; then Recv-Q shrinks",
            processes=processes,
            no_process=no_process_note(facts, owner),
            peers=remote_peers(sockets, with_port=False),
            moved=moved_by(sockets),
        )

    def _forgotten(
        self, facts: Facts, owner: OwnerGroup, sockets: Sequence[FlaggedSocket]
    ) -> Finding:
        number = len(sockets)
        longest = max(socket.since_ms for socket in sockets)
        limit = f"{self._context.thresholds.idle_ms / 1000:g}s"
        return Finding(
            rule="idle",
            subject=owner.subject,
            severity=Severity.NOTICE,
            size=number,
            verdict=f"{owner} would not notice lost peers:"
            f" {counted(number, 'connection')}"
            f" idle for up to {format_ms(longest)}, without keepalive",
            evidence=(),
            numbers={"sockets": number, "longest_ms": int(longest)},
            means="Nothing is sent and no timer runs. If a peer vanishes, or a firewall"
            " forgets the connection, the program never notices.",
            commands=(
                listing(
                    "-tanpo established timer = off idle '>=' {}",
                    limit,
                    number=number,
                    end=owner_filter(owner),
                ),
            ),
            advice=(
                "in the program: set SO_KEEPALIVE, with TCP_KEEPIDLE of some minutes",
            ),
            unless="the program itself sends a message from time to time",
            processes=facts.processes(owner),
            no_process=no_process_note(facts, owner),
            peers=remote_peers(sockets, with_port=False),
        )
