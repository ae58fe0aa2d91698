"""Listeners whose connections are not accepted: full queues, and nobody who looks.

Of a LISTEN socket the queues are connections that wait, and how many may
(`tcp_diag_get_info`, net/ipv4/tcp_diag.c). The kernel drops SYNs once there are more
than the limit. A connection that waits is a socket without an inode.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from tcpstates.diagnose.case import Case, Holder, Host, Suspect
from tcpstates.diagnose.words import counted, endpoint, percent, remote_peers, unnamed
from tcpstates.findings import Finding, Gap, Severity
from tcpstates.model import Batch
from tcpstates.states import TcpState
from tcpstates.text import format_ms

_LISTEN, _ESTABLISHED = str(TcpState.LISTEN), str(TcpState.ESTABLISHED)
_COUNTERS = ("ListenOverflows", "ListenDrops")


class _Waiting(NamedTuple):
    """Connections to one port that wait to be accepted."""

    sockets: list[Suspect]
    longest: float  # milliseconds, at least

    @classmethod
    def of(cls, sockets: list[Suspect]) -> _Waiting:
        # What has been closed meanwhile waits since longer ago than its FIN.
        return cls(sockets, max((s.age[0] for s in sockets), default=0.0))


class Accepting:
    """Accept queues, and what is in them."""

    states = frozenset({_LISTEN, _ESTABLISHED, str(TcpState.CLOSE_WAIT)})

    def __init__(self, host: Host) -> None:
        """Start without sockets."""
        self._host = host
        self._listeners: list[Suspect] = []
        self._waiting: dict[int, list[Suspect]] = {}

    def look(self, word: str, batch: Batch) -> None:
        """Take listeners whose queue is not empty, and what no file refers to."""
        if word == _LISTEN:
            busy = [backlog != 0 for backlog in batch.column("recv_q")]
            self._listeners += self._host.suspects(batch.keep(busy))
            return
        inodes = batch.column("inode")
        if 0 in inodes:
            waiting = batch.keep([inode == 0 for inode in inodes])
            for suspect in self._host.suspects(waiting):
                self._waiting.setdefault(suspect.local_port, []).append(suspect)

    def suspected(self) -> Iterable[Suspect]:
        """Return the listeners; who waits has no holder."""
        return self._listeners

    def find(self, case: Case) -> Iterator[Finding | Gap]:
        """Yield a finding a listener, and one for drops that no queue explains."""
        if "queues" in self._host.untold:
            yield Gap("accept-queue", "accept queues (the source does not tell them)")
            return
        if "tcp_info" in self._host.untold and any(self._waiting.values()):
            text = "for how long connections wait (the source does not tell)"
            yield Gap("accept-queue", text)
        blamed = False
        for listener in self._listeners:
            waiting = _Waiting.of(self._waiting.get(listener.local_port, []))
            severity = self._judge(listener, waiting, case)
            if severity is not None:
                blamed = True
                yield self._finding(listener, waiting, severity, case)
        dropped = case.grown.get("ListenOverflows", 0)
        if dropped and not blamed and not self._host.is_filtered:
            yield _dropped(dropped, case)

    def _limit(self, listener: Suspect) -> int | None:
        """Return how many may wait; /proc does not tell and shows 0."""
        return None if "backlog limit" in self._host.untold else listener.send_q

    def _judge(
        self, listener: Suspect, waiting: _Waiting, case: Case
    ) -> Severity | None:
        limits = self._host.thresholds
        backlog, limit = listener.recv_q or 0, self._limit(listener)
        lasts = waiting.longest >= limits.accept_wait_ms
        is_dropping = case.grown.get("ListenOverflows", 0) > 0
        if limit is not None and backlog >= max(limit, 1) and (lasts or is_dropping):
            return Severity.CRITICAL
        share = percent(backlog, limit)
        if lasts and share is not None and share >= limits.accept_queue_percent:
            return Severity.WARNING
        if waiting.longest >= limits.accept_never_ms:
            return Severity.WARNING
        is_blind = "tcp_info" in self._host.untold
        return Severity.NOTICE if is_blind and backlog else None

    def _finding(
        self, listener: Suspect, waiting: _Waiting, severity: Severity, case: Case
    ) -> Finding:
        holder = case.holder(listener)
        backlog, limit = listener.recv_q or 0, self._limit(listener)
        where = endpoint(listener.local_address, listener.local_port)
        of = "" if limit is None else f" of {limit:,}"
        waits = (
            f", the longest for {format_ms(waiting.longest)}" if waiting.longest else ""
        )
        somaxconn = self._host.settings.somaxconn
        evidence = list(_counter_lines(case))
        closed = sum(each.word != _ESTABLISHED for each in waiting.sockets)
        if closed:
            evidence.append(f"{closed:,} of the clients have given up (CLOSE_WAIT)")
        if limit is not None and backlog >= limit:
            evidence.append("the queue is full: the kernel drops further connections")
        return Finding(
            "accept-queue",
            where,
            severity,
            backlog,
            f"{holder} is slow to accept on {where}: {backlog:,}{of} wait{waits}",
            tuple(evidence),
            {
                "waiting": backlog,
                "limit": limit,
                "somaxconn": somaxconn,
                "longest_ms": int(waiting.longest),
                **{name.lower(): case.counters.get(name) for name in _COUNTERS},
            },
            "Clients believe that they are connected, and hear nothing. Once the queue"
            " is full, new ones hang in SYN_SENT.",
            (
                f"tcpstates -tanpi sport = :{listener.local_port}",
                *_what_it_does(holder),
                "in the program: accept() sooner; a longer queue only hides bursts",
                _longer_queue(limit, somaxconn),
            ),
            "a burst: then the queue is empty at a second look (--watch 5)",
            case.processes(holder),
            unnamed(holder),
            remote_peers(waiting.sockets, with_port=False),
        )


def _what_it_does(holder: Holder) -> tuple[str, ...]:
    return (f"top -H -p {holder.pids[0]}",) if holder.pids else ()


def _longer_queue(limit: int | None, somaxconn: int) -> str:
    if limit is not None and limit >= somaxconn:
        return (
            f"for bursts: raise net.core.somaxconn ({somaxconn:,}, the limit now) and"
            " the backlog given to listen()"
        )
    return (
        "for bursts: raise the backlog given to listen(); net.core.somaxconn allows"
        f" {somaxconn:,}"
    )


def _counter_lines(case: Case) -> Iterator[str]:
    """Yield what the kernel has dropped: now, or else since boot."""
    for name in _COUNTERS:
        since_boot, now = case.counters.get(name, 0), case.grown.get(name, 0)
        if since_boot:
            yield f"{name} {since_boot:,} since boot, {now:,} of them during this look"


def _dropped(number: int, case: Case) -> Finding:
    return Finding(
        "accept-drops",
        "host",
        Severity.WARNING,
        number,
        f"{counted(number, 'connection')} dropped just now: an accept queue overflows",
        tuple(_counter_lines(case)),
        {name.lower(): case.grown.get(name) for name in _COUNTERS},
        "A queue was full for a moment, and empty again when it was looked at.",
        ("tcpstates -ltnp --sort -recv-q", "tcpstates doctor --watch 5"),
        "one burst in days may be nothing to care about",
    )
