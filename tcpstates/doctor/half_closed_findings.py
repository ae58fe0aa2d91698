"""Findings about sockets that a process keeps in CLOSE_WAIT or FIN_WAIT_2.

In CLOSE_WAIT, Recv-Q shows the cause. The FIN counts as one byte until the program
reads the end of the stream (`tcp_recvmsg`, net/ipv4/tcp.c). 0 means that the end was
read, 1 that it was never read, and more than 1 that data before the end are unread.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tcpstates.doctor.facts import Facts, FlaggedSocket, RuleContext
from tcpstates.doctor.findings import Finding, Severity
from tcpstates.doctor.owner_groups import OwnerGroup
from tcpstates.doctor.phrases import (
    ending,
    listing,
    local_peer_lines,
    no_process_note,
    owner_filter,
    percent,
    remote_peers,
    resume_commands,
)
from tcpstates.text import command_line, format_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cause:
    """Why sockets stay in CLOSE_WAIT."""

    key: str
    verdict: tuple[str, str]  # the verb for one process, and for several
    means: str
    remedy: str


_LEAKED = _Cause(
    key="end_read",
    verdict=("leaks sockets", "leak sockets"),
    means="The program has read the end of each stream (Recv-Q is 0), but has not"
    " closed the socket.",
    remedy="in the program: close the socket when recv() returns nothing, on every code"
    " path",
)
_IGNORED = _Cause(
    key="end_not_read",
    verdict=(
        "has not noticed that peers have closed",
        "have not noticed that peers have closed",
    ),
    means="The program has not read the end of these streams (Recv-Q is 1): it does"
    " not watch them.",
    remedy="in the program: watch idle connections, too, or test them before use",
)
_STUCK = _Cause(
    key="data_not_read",
    verdict=("has stopped reading", "have stopped reading"),
    means="Data before the end of the stream are unread (Recv-Q is more than 1).",
    remedy="find out what the reader waits for: a lock, a disk, a database",
)
_POOLED = _Cause(
    key="pooled",
    verdict=(
        "keeps connections that its peers have closed",
        "keep connections that their peers have closed",
    ),
    means="The program has not used these connections since (the end of the stream, or"
    " a short farewell before it, is unread), as a pool does until it next takes one.",
    remedy="in the program: close idle connections sooner than the peer does, or test"
    " them before use",
)
_UNKNOWN = _Cause(
    key="cause_not_told",
    verdict=(
        "has not closed connections that its peers have closed",
        "have not closed connections that their peers have closed",
    ),
    means="The peers have closed; the program here has not.",
    remedy="in the program: close the socket when recv() returns nothing",
)


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


def close_wait_finding(
    facts: Facts,
    owner: OwnerGroup,
    sockets: Sequence[FlaggedSocket],
    severity: Severity,
    context: RuleContext,
    *,
    is_pool: bool,
) -> Finding:
    """Report sockets in CLOSE_WAIT; `is_pool`: most may belong to an idle pool."""
    causes = [_cause(socket) for socket in sockets]
    numbers = {cause.key: causes.count(cause) for cause in (_LEAKED, _IGNORED, _STUCK)}
    cause = max(dict.fromkeys(causes), key=causes.count)
    if is_pool and severity is Severity.NOTICE:
        cause = _POOLED
    number, times = len(sockets), _times(sockets)
    processes = facts.processes(owner)
    limit = processes[0].descriptors_limit if len(owner.pids) == 1 else None
    share = percent(number, limit)
    if share is not None and share >= context.thresholds.leaked_percent:
        severity = Severity.CRITICAL
    evidence = []
    if len(set(causes)) > 1:
        evidence.append(
            f"end of stream read but not closed: {numbers['end_read']:,}, end not read:"
            f" {numbers['end_not_read']:,}, data not read: {numbers['data_not_read']:,}"
        )
    if limit and share:
        evidence.append(
            f"these sockets use {share}% of its limit of {limit:,} descriptors"
        )
    blame = "the CLOSE_WAIT end is at fault: it has not closed"
    is_clear = severity is not Severity.NOTICE or cause is _POOLED
    verdict = cause.verdict if is_clear else _UNKNOWN.verdict
    return Finding(
        rule="close-wait",
        subject=owner.subject,
        severity=severity,
        size=number,
        verdict=f"{owner.does(*verdict)}: {number:,} in CLOSE_WAIT" + _oldest(sockets),
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
            listing("-tanpi close_wait", number=number, end=owner_filter(owner)),
            "tcpstates doctor --watch 10 close_wait",
            *_look_inside(owner, cause),
        ),
        advice=(cause.remedy,),
        unless="a connection pool keeps a few until it next uses them, or a program"
        " is still preparing its answer; the number of sockets then does not grow",
        processes=processes,
        no_process=no_process_note(facts, owner),
        peers=remote_peers(sockets, with_port=_are_clients(context, sockets)),
        ages=times,
        is_urgent_when_growing=True,
        # A leak that has stopped growing is one; what is not read may be a pool.
        is_harmless_when_staying=cause is not _LEAKED,
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


def fin_wait_2_finding(
    facts: Facts,
    owner: OwnerGroup,
    sockets: Sequence[FlaggedSocket],
    severity: Severity,
    context: RuleContext,
) -> Finding:
    """Report sockets in FIN_WAIT_2 that a process holds open."""
    number, times = len(sockets), _times(sockets)
    blame = "the CLOSE_WAIT end has not closed; this end waits for it"
    return Finding(
        rule="fin-wait-2",
        subject=owner.subject,
        severity=severity,
        size=number,
        verdict=f"{owner.does('waits', 'wait')} for peers to close: {number:,} in"
        f" FIN_WAIT_2{_oldest(sockets)}",
        evidence=tuple(local_peer_lines(facts, sockets, blame)),
        numbers={"sockets": number, "oldest_ms": int(times[-1])},
        means="It has ended its stream (shutdown) and still holds the socket open, so"
        " tcp_fin_timeout does not apply: that covers closed sockets only. The peers"
        f" have not closed. {_what_ends(sockets)}",
        commands=(
            listing("-tanpi fin_wait_2", number=number, end=owner_filter(owner)),
            "tcpstates doctor --watch 10 fin_wait_2",
        ),
        advice=(
            "in the program: close the socket, or stop waiting after some seconds",
            "at the peers: find the program that leaves sockets in CLOSE_WAIT",
        ),
        last_resort=ending("fin_wait_2", owner=owner),
        unless="a program may end its stream and keep reading for as long as it needs",
        processes=facts.processes(owner),
        no_process=no_process_note(facts, owner),
        peers=remote_peers(sockets, with_port=_are_clients(context, sockets)),
        ages=times,
        is_urgent_when_growing=True,
        is_harmless_when_staying=True,
    )
