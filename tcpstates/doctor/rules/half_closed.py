"""Half-closed sockets that a live process holds open: CLOSE_WAIT and FIN_WAIT_2.

Only the program, or keepalive, ends these states. A socket that still has data to send
is not a leak: see `unresponsive`. What the findings say is in `half_closed_findings`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from tcpstates.batch import Batch
from tcpstates.capabilities import Capability
from tcpstates.doctor.facts import (
    Facts,
    FlaggedSocket,
    Port,
    RuleContext,
    unmap_ipv4,
)
from tcpstates.doctor.findings import NotExamined, Severity
from tcpstates.doctor.half_closed_findings import (
    close_wait_finding,
    fin_wait_2_finding,
)
from tcpstates.doctor.links import Links
from tcpstates.doctor.owner_groups import OwnerGroup
from tcpstates.doctor.rule import Outcome, Rule
from tcpstates.states import TcpState

_CLOSE_WAIT, _FIN_WAIT_2 = str(TcpState.CLOSE_WAIT), str(TcpState.FIN_WAIT_2)
_SENDING = ("retransmit", "probe")
# A peer that closes an idle connection may say so first: TLS's close_notify has some 30
# bytes, PostgreSQL's message some 150. The FIN counts as one.
_FAREWELL_BYTES = 1024
_MOST_POOLS = 4  # full ones, of one process


class HalfClosedRule(Rule):
    """CLOSE_WAIT and FIN_WAIT_2 sockets that their processes do not close."""

    states = frozenset({_CLOSE_WAIT, _FIN_WAIT_2})

    def __init__(self, context: RuleContext) -> None:
        super().__init__(context)
        self._found: dict[str, list[FlaggedSocket]] = {_CLOSE_WAIT: [], _FIN_WAIT_2: []}

    def observe(self, state_label: str, batch: Batch) -> None:
        """Collect sockets that can have an owner, with nothing to send: see `Rule`."""
        held = [
            inode != 0
            and timer not in _SENDING
            and not (state_label == _FIN_WAIT_2 and queue)
            for inode, timer, queue in batch.rows("inode", "timer", "recv_q")
        ]
        self._found[state_label] += self._context.sockets(batch.select(held))

    def flagged(self) -> Iterator[FlaggedSocket]:
        """Yield all collected sockets."""
        for found in self._found.values():
            yield from found

    def find(self, facts: Facts, links: Links) -> Iterator[Outcome]:
        """Yield a finding per process with too many such sockets, or too old ones."""
        if self._is_blind and any(self._found.values()):
            text = "how long sockets are in CLOSE_WAIT (not reported by the source)"
            yield NotExamined(rule="close-wait", text=text)
        kept = dict(self._found)
        if Capability.INODE in self._context.missing and self._found[_FIN_WAIT_2]:
            del kept[_FIN_WAIT_2]
            yield NotExamined(
                rule="fin-wait-2", text="FIN_WAIT_2 (owners not reported by the source)"
            )
        few = self._context.thresholds.pool_count
        for state_label in kept:
            for owner, sockets in facts.by_owner(self._found[state_label], few).items():
                pooled = self._pooled(sockets)
                severity = self._severity(owner, sockets, pooled)
                is_watched = self._context.is_watched and len(sockets) >= few
                if severity is None and not is_watched:
                    continue
                known = (facts, owner, sockets, severity or Severity.NOTICE)
                is_pool = sum(s in pooled for s in sockets) * 2 > len(sockets)
                found = (
                    fin_wait_2_finding(*known, self._context)
                    if state_label == _FIN_WAIT_2
                    else close_wait_finding(*known, self._context, is_pool=is_pool)
                )
                yield replace(found, is_provisional=severity is None)

    @property
    def _is_blind(self) -> bool:
        return Capability.TCP_INFO in self._context.missing

    def _pooled(self, sockets: Sequence[FlaggedSocket]) -> set[FlaggedSocket]:
        """Find sockets that may be idle connections of a pool.

        The program has opened them, and has read nothing since the peer closed: it does
        not know yet. A pool has a limited number of connections to one peer.
        """
        unaware: dict[tuple[str, Port], list[FlaggedSocket]] = {}
        for socket in sockets:
            is_client = socket.local_port not in self._context.listening
            is_farewell = 0 < (socket.recv_q or 0) <= _FAREWELL_BYTES
            if socket.state_label == _CLOSE_WAIT and is_client and is_farewell:
                peer = unmap_ipv4(socket.remote_address), socket.remote_port
                unaware.setdefault(peer, []).append(socket)
        size = self._context.thresholds.pool_size
        pooled = {s for same in unaware.values() if len(same) <= size for s in same}
        return pooled if len(pooled) <= size * _MOST_POOLS else set()

    def _severity(
        self,
        owner: OwnerGroup,
        sockets: Sequence[FlaggedSocket],
        pooled: set[FlaggedSocket],
    ) -> Severity | None:
        """Distinguish a leak from a pool, whose sockets are few and not old."""
        limits = self._context.thresholds
        times = [socket.age[0] for socket in sockets]
        kept = sum(age >= limits.kept_ms for age in times)
        # Several processes may be hidden behind one user, each with a few.
        unlike_pool = [s.age[0] for s in sockets if s not in pooled]
        slow = sum(age >= limits.many_ms for age in unlike_pool)
        if slow >= limits.many_count:
            return Severity.WARNING
        leaked = sum(age >= limits.kept_ms for age in unlike_pool)
        if not owner.is_hidden and (
            leaked >= limits.pool_count or max(unlike_pool, default=0) >= limits.pool_ms
        ):
            return Severity.WARNING
        # The answers to keepalive probes hide when the FIN arrived.
        probed = sum(
            socket.timer == "keepalive" and socket.age[1] >= limits.kept_ms
            for socket in sockets
        )
        many = (probed, len(times) if self._is_blind else 0)
        return Severity.NOTICE if kept or max(many) >= limits.pool_count else None
