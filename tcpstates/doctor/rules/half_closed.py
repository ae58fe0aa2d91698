"""Half-closed sockets that a live process holds open: CLOSE_WAIT and FIN_WAIT_2.

Only the program, or keepalive, ends these states. In CLOSE_WAIT, Recv-Q shows the
cause. The FIN counts as one byte until the program reads the end of the stream
(`tcp_recvmsg`, net/ipv4/tcp.c). 0 means that the end was read, 1 that it was never
read, and more than 1 that data before the end are unread. A socket that still has data
to send is not a leak: see `unresponsive`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from tcpstates.batch import Batch
from tcpstates.capabilities import Capability
from tcpstates.doctor.facts import Facts, FlaggedSocket, OwnerGroup, RuleContext
from tcpstates.doctor.findings import Finding, NotExamined, Severity
from tcpstates.doctor.links import Links
from tcpstates.doctor.phrases import (
    local_peer_lines,
    no_process_note,
    owner_filter,
    percent,
    remote_peers,
    resume_commands,
)
from tcpstates.doctor.rule import Outcome, Rule
from tcpstates.states import TcpState
from tcpstates.text import command_line, format_ms

_CLOSE_WAIT, _FIN_WAIT_2 = str(TcpState.CLOSE_WAIT), str(TcpState.FIN_WAIT_2)
_SENDING = ("retransmit", "probe")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cause:
    """Why sockets stay in CLOSE_WAIT."""

    key: str
    verdict: str
    means: str
    remedy: str


_LEAKED = _Cause(
    key="end_read",
    verdict="leaks sockets",
    means="It has read the end of each stream (Recv-Q is 0), but has not closed the"
    " socket.",
    remedy="in the program: close the socket when recv() returns nothing, on every code"
    " path",
)
_IGNORED = _Cause(
    key="end_not_read",
    verdict="has not noticed that peers have closed",
    means="It has not read the end of these streams (Recv-Q is 1): it does not watch"
    " them.",
    remedy="in the program: watch idle connections, too, or test them before use",
)
_STUCK = _Cause(
    key="data_not_read",
    verdict="has stopped reading",
    means="Data before the end of the stream are unread (Recv-Q is more than 1).",
    remedy="find out what the reader waits for: a lock, a disk, a database",
)
_UNKNOWN = _Cause(
    key="cause_not_told",
    verdict="has not closed connections that its peers have closed",
    means="The peers have closed; the program here has not.",
    remedy="in the program: close the socket when recv() returns nothing",
)


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
        words = dict(_MAKERS)
        if Capability.INODE in self._context.missing and self._found[_FIN_WAIT_2]:
            del words[_FIN_WAIT_2]
            yield NotExamined(
                rule="fin-wait-2", text="FIN_WAIT_2 (owners not reported by the source)"
            )
        few = self._context.thresholds.pool_count
        for state_label, make in words.items():
            for owner, sockets in facts.by_owner(self._found[state_label], few).items():
                severity = self._severity(owner, sockets)
                if severity is not None:
                    yield make(facts, owner, sockets, severity, self._context)
                elif self._context.is_watched and len(sockets) >= few:
                    found = make(facts, owner, sockets, Severity.NOTICE, self._context)
                    yield replace(found, is_provisional=True)

    @property
    def _is_blind(self) -> bool:
        return Capability.TCP_INFO in self._context.missing

    def _severity(
        self, owner: OwnerGroup, sockets: Sequence[FlaggedSocket]
    ) -> Severity | None:
        """Distinguish a leak from a pool, whose sockets are few and not old."""
        limits = self._context.thresholds
        times = [socket.age[0] for socket in sockets]
        kept = sum(age >= limits.kept_ms for age in times)
        slow = sum(age >= limits.many_ms for age in times)
        if slow >= limits.many_count:
            return Severity.WARNING
        # Several processes may be hidden behind one user, each with a few.
        if not owner.is_hidden and (
            kept >= limits.pool_count or max(times) >= limits.pool_ms
        ):
            return Severity.WARNING
        # The answers to keepalive probes hide when the FIN arrived.
        probed = sum(
            socket.timer == "keepalive" and socket.age[1] >= limits.kept_ms
            for socket in sockets
        )
        many = (probed, len(times) if self._is_blind else 0)
        return Severity.NOTICE if kept or max(many) >= limits.pool_count else None


def _cause(socket: FlaggedSocket) -> _Cause:
    """Determine why a socket is in CLOSE_WAIT."""
    match socket.recv_q:
        case None:
            return _UNKNOWN
        case 0:
            return _LEAKED
        case 1:
            return _IGNORED
        case _:
            return _STUCK


def _close_wait(
    facts: Facts,
    owner: OwnerGroup,
    sockets: Sequence[FlaggedSocket],
    severity: Severity,
    context: RuleContext,
) -> Finding:
    causes = [_cause(socket) for socket in sockets]
    numbers = {cause.key: causes.count(cause) for cause in (_LEAKED, _IGNORED, _STUCK)}
    cause = max(dict.fromkeys(causes), key=causes.count)
    number, times = len(sockets), _times(sockets)
    processes = facts.processes(owner)
    limit = processes[0].descriptors_limit if len(owner.pids) == 1 else None
    share = percent(number, limit)
    if share is not None and share >= context.thresholds.leaked_percent:
        severity = Severity.CRITICAL
    evidence = []
    if causes.count(cause) < number:
        evidence.append(
            f"end of stream read but not closed: {numbers['end_read']:,}, end not read:"
            f" {numbers['end_not_read']:,}, data not read: {numbers['data_not_read']:,}"
        )
    if limit and share:
        evidence.append(
            f"these sockets use {share}% of its limit of {limit:,} descriptors"
        )
    blame = "the CLOSE_WAIT end is at fault: it has not closed"
    verdict = _UNKNOWN.verdict if severity is Severity.NOTICE else cause.verdict
    return Finding(
        rule="close-wait",
        subject=owner.subject,
        severity=severity,
        size=number,
        verdict=f"{owner} {verdict}: {number:,} in CLOSE_WAIT" + _oldest(sockets),
        evidence=(*evidence, *local_peer_lines(facts, sockets, blame)),
        numbers={
            "sockets": number,
            "oldest_ms": int(times[-1]),
            **numbers,
            "limit": limit,
        },
        means=f"{cause.means} {_what_ends(sockets)} It is not the peer's fault.",
        commands=(
            *resume_commands(processes),
            "tcpstates -tanpi close_wait" + owner_filter(owner),
            "tcpstates doctor --watch 10 close_wait",
            *_look_inside(owner, cause),
        ),
        advice=(
            cause.remedy,
            "a restart frees the sockets for now",
        ),
        unless="a connection pool keeps a few until it next uses them, or a program"
        " is still preparing its answer; the number of sockets then does not grow",
        processes=processes,
        no_process=no_process_note(facts, owner),
        peers=remote_peers(sockets, with_port=_are_clients(context, sockets)),
        ages=times,
        is_urgent_when_growing=True,
    )


def _times(sockets: Sequence[FlaggedSocket]) -> tuple[float, ...]:
    """List how long each socket has been in its state at least, shortest first."""
    return tuple(sorted(socket.age[0] for socket in sockets))


def _oldest(sockets: Sequence[FlaggedSocket]) -> str:
    """Format the age of the oldest socket, as the end of a verdict."""
    oldest = max(socket.age[0] for socket in sockets)
    return f", the oldest for {format_ms(oldest)}" if oldest else ""


def _what_ends(sockets: Sequence[FlaggedSocket]) -> str:
    """Explain what ends such sockets, depending on the timers that run."""
    if any(socket.timer == "keepalive" for socket in sockets):
        return (
            "Keepalive ends a connection whose peer is gone; the descriptor stays open"
            " until the program closes it or exits."
        )
    return "No timer runs: each stays until the program closes it or exits."


def _look_inside(owner: OwnerGroup, cause: _Cause) -> tuple[str, ...]:
    """Suggest how to see what a process that does not read waits for."""
    if cause is _STUCK and owner.pids:
        return (command_line("cat {}", f"/proc/{owner.pids[0]}/stack"),)
    return ()


def _are_clients(context: RuleContext, sockets: Sequence[FlaggedSocket]) -> bool:
    """Check whether most of the sockets are client connections of this host."""
    own = sum(socket.local_port not in context.listening for socket in sockets)
    return own * 2 > len(sockets)


def _fin_wait_2(
    facts: Facts,
    owner: OwnerGroup,
    sockets: Sequence[FlaggedSocket],
    severity: Severity,
    context: RuleContext,
) -> Finding:
    number, times = len(sockets), _times(sockets)
    blame = "the CLOSE_WAIT end has not closed; this end waits for it"
    return Finding(
        rule="fin-wait-2",
        subject=owner.subject,
        severity=severity,
        size=number,
        verdict=f"{owner} waits for peers to close: {number:,} in FIN_WAIT_2"
        + _oldest(sockets),
        evidence=tuple(local_peer_lines(facts, sockets, blame)),
        numbers={"sockets": number, "oldest_ms": int(times[-1])},
        means="It has ended its stream (shutdown) and still holds the socket open, so"
        " tcp_fin_timeout does not apply: that covers closed sockets only. The peers"
        f" have not closed. {_what_ends(sockets)}",
        commands=(
            "tcpstates -tanpi fin_wait_2" + owner_filter(owner),
            "tcpstates doctor --watch 10 fin_wait_2",
        ),
        advice=(
            "in the program: close the socket, or stop waiting after some seconds",
            "at the peers: find the program that leaves sockets in CLOSE_WAIT",
        ),
        unless="a program may end its stream and keep reading for as long as it needs",
        processes=facts.processes(owner),
        no_process=no_process_note(facts, owner),
        peers=remote_peers(sockets, with_port=_are_clients(context, sockets)),
        ages=times,
        is_urgent_when_growing=True,
    )


_MAKERS = {_CLOSE_WAIT: _close_wait, _FIN_WAIT_2: _fin_wait_2}
