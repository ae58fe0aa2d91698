"""Sockets that a live process keeps half closed: CLOSE_WAIT and FIN_WAIT_2.

Nothing but the program, and keepalive, ends either of them. In CLOSE_WAIT the queue
tells why: the FIN counts as one byte that is read with the end of the stream
(`tcp_recvmsg`, net/ipv4/tcp.c), so 1 is an end that was never read, 0 one that was, and
more are unread data before it. A socket that still has to send is no leak: see
`established`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tcpstates.capabilities import Capability
from tcpstates.diagnose.case import Case, Holder, Host, Suspect
from tcpstates.diagnose.words import (
    percent,
    program_word,
    remote_peers,
    resumed,
    told_other_ends,
    unnamed,
)
from tcpstates.findings import Finding, Gap, Severity
from tcpstates.model import Batch
from tcpstates.states import TcpState
from tcpstates.text import command_line, format_ms

_CLOSE_WAIT, _FIN_WAIT_2 = str(TcpState.CLOSE_WAIT), str(TcpState.FIN_WAIT_2)
_SENDING = ("retransmit", "probe")


class _Cause(NamedTuple):
    """Why sockets stay in CLOSE_WAIT."""

    key: str
    verdict: str
    means: str
    remedy: str


_LEAKED = _Cause(
    "end_read",
    "leaks sockets",
    "It has read the end of each stream (Recv-Q is 0) and has not closed the socket.",
    "in the program: close the socket once recv() has returned nothing, on every path",
)
_IGNORED = _Cause(
    "end_not_read",
    "overlooks that peers have closed",
    "It has not read the end of these streams (Recv-Q is 1): nobody looks at them.",
    "in the program: watch idle connections too, or test them before they are used",
)
_STUCK = _Cause(
    "data_not_read",
    "has stopped reading",
    "Data stand unread before the end of the stream (Recv-Q is more than 1).",
    "find out what the reader waits for: a lock, a disk, a database",
)
_UNTOLD = _Cause(
    "cause_not_told",
    "keeps what its peers have closed",
    "The peers have closed, and the program here has not.",
    "in the program: close the socket once recv() has returned nothing",
)


class Kept:
    """CLOSE_WAIT and FIN_WAIT_2 of processes that do not go on."""

    states = frozenset({_CLOSE_WAIT, _FIN_WAIT_2})

    def __init__(self, host: Host) -> None:
        self._host = host
        self._found: dict[str, list[Suspect]] = {_CLOSE_WAIT: [], _FIN_WAIT_2: []}

    def look(self, word: str, batch: Batch) -> None:
        """Take what a process can hold, and what has nothing to send: see `Rule`."""
        held = [
            inode != 0 and timer not in _SENDING and not (word == _FIN_WAIT_2 and queue)
            for inode, timer, queue in zip(
                *map(batch.column, ("inode", "timer", "recv_q")), strict=True
            )
        ]
        self._found[word] += self._host.suspects(batch.keep(held))

    def suspected(self) -> Iterator[Suspect]:
        """Return every one of them."""
        for found in self._found.values():
            yield from found

    def find(self, case: Case) -> Iterator[Finding | Gap]:
        """Yield a finding for each process that keeps too many, or too long."""
        if self._is_blind and any(self._found.values()):
            text = "for how long sockets are in CLOSE_WAIT (the source does not tell)"
            yield Gap("close-wait", text)
        words = dict(_MAKERS)
        if Capability.INODE in self._host.missing and self._found[_FIN_WAIT_2]:
            del words[_FIN_WAIT_2]
            yield Gap("fin-wait-2", "FIN_WAIT_2 (the source does not tell holders)")
        few = self._host.thresholds.pool_count
        for word, make in words.items():
            for holder, suspects in case.by_holder(self._found[word], few).items():
                severity = self._judge(holder, suspects)
                if severity is not None:
                    yield make(case, holder, suspects, severity, self._host)
                elif self._host.is_watched and len(suspects) >= few:
                    found = make(case, holder, suspects, Severity.NOTICE, self._host)
                    yield found._replace(is_provisional=True)

    @property
    def _is_blind(self) -> bool:
        return Capability.TCP_INFO in self._host.missing

    def _judge(self, holder: Holder, suspects: Sequence[Suspect]) -> Severity | None:
        """Tell a leak from a pool: few, and not old."""
        limits = self._host.thresholds
        times = [suspect.age[0] for suspect in suspects]
        kept = sum(age >= limits.kept_ms for age in times)
        slow = sum(age >= limits.many_ms for age in times)
        if slow >= limits.many_count:
            return Severity.WARNING
        # Several processes may be hidden behind one user, each with a few.
        if not holder.is_hidden and (
            kept >= limits.pool_count or max(times) >= limits.pool_ms
        ):
            return Severity.WARNING
        # The answers to keepalive's probes hide when the FIN came.
        probed = sum(
            suspect.timer == "keepalive" and suspect.age[1] >= limits.kept_ms
            for suspect in suspects
        )
        many = (probed, len(times) if self._is_blind else 0)
        return Severity.NOTICE if kept or max(many) >= limits.pool_count else None


def _cause(suspect: Suspect) -> _Cause:
    """Return why a socket is in CLOSE_WAIT."""
    match suspect.recv_q:
        case None:
            return _UNTOLD
        case 0:
            return _LEAKED
        case 1:
            return _IGNORED
        case _:
            return _STUCK


def _close_wait(
    case: Case,
    holder: Holder,
    suspects: Sequence[Suspect],
    severity: Severity,
    host: Host,
) -> Finding:
    causes = [_cause(suspect) for suspect in suspects]
    numbers = {cause.key: causes.count(cause) for cause in (_LEAKED, _IGNORED, _STUCK)}
    cause = max(dict.fromkeys(causes), key=causes.count)
    number, times = len(suspects), _times(suspects)
    processes = case.processes(holder)
    limit = processes[0].descriptors_limit if len(holder.pids) == 1 else None
    share = percent(number, limit)
    if share is not None and share >= host.thresholds.leaked_percent:
        severity = Severity.CRITICAL
    evidence = []
    if causes.count(cause) < number:
        evidence.append(
            f"end of stream read and not closed {numbers['end_read']:,}, end not read"
            f" {numbers['end_not_read']:,}, data not read {numbers['data_not_read']:,}"
        )
    if limit and share:
        evidence.append(f"they take {share} % of its limit of {limit:,} descriptors")
    blame = "CLOSE_WAIT is to blame: its end has not closed"
    verdict = _UNTOLD.verdict if severity is Severity.NOTICE else cause.verdict
    return Finding(
        "close-wait",
        holder.subject,
        severity,
        number,
        f"{holder} {verdict}: {number:,} in CLOSE_WAIT" + _oldest(suspects),
        (*evidence, *told_other_ends(case, suspects, blame)),
        {"sockets": number, "oldest_ms": int(times[-1]), **numbers, "limit": limit},
        f"{cause.means} {_what_ends(suspects)} It is not the peer's fault.",
        (
            *resumed(processes),
            "tcpstates -tanpi close_wait" + program_word(holder),
            "tcpstates doctor --watch 10 close_wait",
            *_look_inside(holder, cause),
            cause.remedy,
            "a restart frees them for now",
        ),
        "a connection pool keeps a few until it next uses them; a program may still be"
        " at work on its answer; then their number does not grow",
        processes,
        unnamed(case, holder),
        remote_peers(suspects, with_port=_are_clients(host, suspects)),
        ages=times,
        is_urgent_when_growing=True,
    )


def _times(suspects: Sequence[Suspect]) -> tuple[float, ...]:
    """Return for how long sockets are in their state at least, the least first."""
    return tuple(sorted(suspect.age[0] for suspect in suspects))


def _oldest(suspects: Sequence[Suspect]) -> str:
    """Return how old the oldest is, as the end of a verdict."""
    oldest = max(suspect.age[0] for suspect in suspects)
    return f", the oldest for {format_ms(oldest)}" if oldest else ""


def _what_ends(suspects: Sequence[Suspect]) -> str:
    """Return what ends such sockets, by the timers that run."""
    if any(suspect.timer == "keepalive" for suspect in suspects):
        return (
            "Keepalive ends a connection whose peer is gone; the descriptor stays open"
            " until the program closes it or ends."
        )
    return "No timer runs: each stays until the program closes it or ends."


def _look_inside(holder: Holder, cause: _Cause) -> tuple[str, ...]:
    """Return how to see what a process that does not read waits for."""
    if cause is _STUCK and holder.pids:
        return (command_line("cat {}", f"/proc/{holder.pids[0]}/stack"),)
    return ()


def _are_clients(host: Host, suspects: Sequence[Suspect]) -> bool:
    """Tell whether most of the sockets have connected to a server."""
    own = sum(suspect.local_port not in host.listening for suspect in suspects)
    return own * 2 > len(suspects)


def _fin_wait_2(
    case: Case,
    holder: Holder,
    suspects: Sequence[Suspect],
    severity: Severity,
    host: Host,
) -> Finding:
    number, times = len(suspects), _times(suspects)
    blame = "CLOSE_WAIT has not closed; this end waits for it"
    return Finding(
        "fin-wait-2",
        holder.subject,
        severity,
        number,
        f"{holder} waits for peers to close: {number:,} in FIN_WAIT_2"
        + _oldest(suspects),
        tuple(told_other_ends(case, suspects, blame)),
        {"sockets": number, "oldest_ms": int(times[-1])},
        "It has ended its stream (shutdown) and still holds the socket, so"
        " tcp_fin_timeout does not apply: that is for closed sockets only. The peers"
        f" have not closed. {_what_ends(suspects)}",
        (
            "tcpstates -tanpi fin_wait_2" + program_word(holder),
            "tcpstates doctor --watch 10 fin_wait_2",
            "in the program: close the socket, or give up waiting after some seconds",
            "at the peers: CLOSE_WAIT there is a program that does not close",
        ),
        "a program may end its stream and read on for as long as it likes",
        case.processes(holder),
        unnamed(case, holder),
        remote_peers(suspects, with_port=_are_clients(host, suspects)),
        ages=times,
        is_urgent_when_growing=True,
    )


_MAKERS = {_CLOSE_WAIT: _close_wait, _FIN_WAIT_2: _fin_wait_2}
