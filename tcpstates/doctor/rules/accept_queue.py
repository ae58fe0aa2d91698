"""Accept queues that fill up because the program does not accept.

For a LISTEN socket, Recv-Q is the number of waiting connections and Send-Q the limit
(`tcp_diag_get_info`, net/ipv4/tcp_diag.c). The kernel drops SYNs once the number
exceeds the limit (`sk_acceptq_is_full`, net/sock.h). A waiting connection is a socket
without an inode. If several listeners share an endpoint (SO_REUSEPORT), the kernel does
not report in whose queue a connection waits.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from tcpstates.batch import Batch
from tcpstates.capabilities import Capability
from tcpstates.doctor.facts import Facts, FlaggedSocket, RuleContext, unmap_ipv4
from tcpstates.doctor.findings import Finding, NotExamined, Severity
from tcpstates.doctor.links import Links, Place
from tcpstates.doctor.phrases import (
    endpoint,
    no_process_note,
    percent,
    remote_peers,
    resume_commands,
)
from tcpstates.doctor.rule import Outcome, Rule
from tcpstates.model import WILDCARDS
from tcpstates.states import TcpState
from tcpstates.text import command_line, format_ms
from tcpstates.wording import counted

_LISTEN, _ESTABLISHED = str(TcpState.LISTEN), str(TcpState.ESTABLISHED)
_CLOSE_WAIT = str(TcpState.CLOSE_WAIT)
_COUNTERS = ("ListenOverflows", "ListenDrops")

# Where one of these is missing, only the length of a queue is evidence.
_EVIDENCE = {Capability.TCP_INFO, Capability.HOST_LIMITS}

_ALL = 100  # percent


class _Queue(NamedTuple):
    """The connections that wait at one endpoint, for one listener or for several."""

    listeners: list[FlaggedSocket]  # those whose queue is not empty
    waiting: list[FlaggedSocket]
    limits: tuple[int, ...] | None  # None: not reported by the source

    @property
    def backlog(self) -> int:
        """The number of waiting connections."""
        return sum(listener.recv_q or 0 for listener in self.listeners)

    @property
    def longest(self) -> float:
        """The longest wait in milliseconds, as a lower bound."""
        return max((each.age[0] for each in self.waiting), default=0.0)

    @property
    def share(self) -> int | None:
        """The fill level of the fullest queue, in percent."""
        if self.limits is None:
            return None
        shares = (
            percent(listener.recv_q or 0, max(limit, 1)) or 0
            for listener, limit in zip(self.listeners, self.limits, strict=True)
        )
        return max(shares, default=0)

    @property
    def is_at_limit(self) -> bool:
        """Whether a queue has as many connections as its limit, or one more."""
        return (self.share or 0) >= _ALL

    @property
    def is_full(self) -> bool:
        """Whether the kernel drops further connections: see above."""
        pairs = zip(self.listeners, self.limits or (), strict=False)
        return any((listener.recv_q or 0) > limit for listener, limit in pairs)


class AcceptQueueRule(Rule):
    """Accept queues, and the connections in them."""

    states = frozenset({_LISTEN, _ESTABLISHED, _CLOSE_WAIT})

    def __init__(self, context: RuleContext) -> None:
        super().__init__(context)
        self._listeners: dict[Place, list[FlaggedSocket]] = {}
        self._waiting: dict[Place, list[FlaggedSocket]] = {}

    def observe(self, state_label: str, batch: Batch) -> None:
        """Collect listeners with waiting connections, and sockets without a file."""
        if state_label == _LISTEN:
            busy = [bool(backlog) for backlog in batch.column("recv_q")]
            for socket in self._context.sockets(batch.select(busy)):
                self._listeners.setdefault(_place(socket), []).append(socket)
        elif not self._context.is_filtered:  # a filter by process would hide them
            self.observe_unowned(batch)

    def observe_unowned(self, batch: Batch) -> None:
        """Collect connections that no file refers to."""
        inodes = batch.column("inode")
        if 0 in inodes:
            waiting = batch.select([inode == 0 for inode in inodes])
            for socket in self._context.sockets(waiting):
                self._waiting.setdefault(_place(socket), []).append(socket)

    def flagged(self) -> Iterable[FlaggedSocket]:
        """Yield the listeners; waiting connections have no owner."""
        for listeners in self._listeners.values():
            yield from listeners

    def find(self, facts: Facts, links: Links) -> Iterator[Outcome]:
        """Yield a finding per endpoint, and one for drops that no queue explains."""
        if Capability.QUEUES in self._context.missing:
            yield NotExamined(
                rule="accept-queue",
                text="accept queues (not reported by the source)",
            )
            return
        if Capability.TCP_INFO in self._context.missing and self._listeners:
            text = "how long connections wait (not reported by the source)"
            yield NotExamined(rule="accept-queue", text=text)
        blamed = False
        for place, listeners in self._listeners.items():
            limits = self._context.backlog_limits(listeners)
            queue = _Queue(listeners, list(self._of(place)), limits)
            severity = self._severity(queue, facts)
            consequences = tuple(_consequences(place, links))
            if consequences:
                severity = Severity.CRITICAL
            if severity is not None:
                blamed |= queue.is_at_limit
                yield self._finding(place, queue, severity, facts, consequences)
        dropped = facts.grown.get("ListenOverflows", 0)
        if dropped and not blamed and not self._context.is_filtered:
            yield _dropped(dropped, facts)

    def _of(self, place: Place) -> Iterator[FlaggedSocket]:
        """Yield the connections that wait at an endpoint.

        A wildcard listener gets those that no other listener has.
        """
        address, port = place
        for (local, own), waiting in self._waiting.items():
            is_here = local == address or (
                address in WILDCARDS and (local, own) not in self._listeners
            )
            if own == port and is_here:
                yield from waiting

    def _severity(self, queue: _Queue, facts: Facts) -> Severity | None:
        limits, share = self._context.thresholds, queue.share
        lasts = queue.longest >= limits.accept_wait_ms
        is_dropping = facts.grown.get("ListenOverflows", 0) > 0
        if queue.is_at_limit and (lasts or is_dropping):
            return Severity.CRITICAL
        if lasts and share is not None and share >= limits.accept_queue_percent:
            return Severity.WARNING
        if queue.longest >= limits.accept_never_ms:
            return Severity.WARNING
        is_blind = not self._context.missing.isdisjoint(_EVIDENCE)
        is_long = queue.backlog >= limits.pool_count or queue.is_at_limit
        return Severity.NOTICE if is_blind and is_long else None

    def full_queues(self) -> Iterator[Place]:
        """Yield the endpoints that accept no more: see `Rule`."""
        for place, listeners in self._listeners.items():
            if _Queue(listeners, [], self._context.backlog_limits(listeners)).is_full:
                yield place

    def _finding(
        self,
        place: Place,
        queue: _Queue,
        severity: Severity,
        facts: Facts,
        consequences: tuple[str, ...],
    ) -> Finding:
        owners = list(facts.by_owner(queue.listeners))
        owner, processes = owners[0], facts.processes(owners[0])
        where = endpoint(*place)
        limit = None if queue.limits is None else sum(queue.limits)
        of = "" if limit is None else f" (limit {limit:,})"
        waits = f", the longest for {format_ms(queue.longest)}" if queue.longest else ""
        others = f" (or {counted(len(owners) - 1, 'other')})" if owners[1:] else ""
        settings = self._context.settings
        somaxconn = settings.somaxconn if settings.is_known else None
        return Finding(
            rule="accept-queue",
            subject=where,
            severity=severity,
            size=queue.backlog,
            verdict=f"{owner}{others} is slow to accept on {where}:"
            f" {counted(queue.backlog, 'connection')} waiting{of}{waits}",
            evidence=(*_evidence(queue, facts), *consequences),
            numbers={
                "waiting": queue.backlog,
                "limit": limit,
                "listeners": len(queue.listeners),
                "somaxconn": somaxconn,
                "longest_ms": int(queue.longest),
                **{name.lower(): facts.counters.get(name) for name in _COUNTERS},
            },
            means="Clients consider themselves connected, but get no answer. Once the"
            " queue is full, new clients hang in SYN_SENT.",
            commands=(
                *resume_commands(processes),
                "tcpstates -tanpi listener"
                if place[1] is None
                else command_line("tcpstates -tanpi sport = {}", f":{place[1]}"),
                *((command_line("top -H -p {}", owner.pids[0]),) if owner.pids else ()),
            ),
            advice=(
                "in the program: accept sooner; a longer queue only hides bursts",
                _longer_queue(queue.limits, somaxconn),
            ),
            unless="a burst: the queue is then empty in a second scan (--watch 5)",
            processes=tuple(
                p for each in owners[:3] for p in facts.processes(each)[:1]
            ),
            no_process=no_process_note(facts, owner),
            peers=remote_peers(queue.waiting, with_port=False),
            is_urgent_when_growing=True,
        )


def _place(socket: FlaggedSocket) -> Place:
    return unmap_ipv4(socket.local_address), socket.local_port


def _evidence(queue: _Queue, facts: Facts) -> Iterator[str]:
    if queue.is_at_limit:  # others have not caused the drops
        yield from _counter_lines(facts)
    if len(queue.listeners) > 1:
        yield (
            f"{len(queue.listeners)} listeners share the endpoint (SO_REUSEPORT): the"
            " kernel does not report in whose queue a connection waits"
        )
    closed = sum(each.state_label == _CLOSE_WAIT for each in queue.waiting)
    if closed:
        yield f"{closed:,} of the clients have given up (CLOSE_WAIT)"
    if queue.is_full:
        yield "the queue is full: the kernel drops further connections"


def _consequences(place: Place, links: Links) -> Iterator[str]:
    """Describe the sockets that hang because of a full queue."""
    if place not in links.full_queues:
        return
    waiting = links.waiting_for(place)
    if waiting:
        states = (f"{number:,} in {label}" for label, number in waiting.items())
        yield f"clients on this host get no answer because of it: {', '.join(states)}"
    half_open = links.half_open_behind(place[1])
    if half_open:
        number = counted(half_open, "half-open connection")
        yield f"{number}: a full queue drops the ACK that would complete them"


def _longer_queue(limits: tuple[int, ...] | None, somaxconn: int | None) -> str:
    """Suggest how to make a queue longer; None: the limit is not known."""
    raised = "for bursts: raise the backlog passed to listen()"
    if somaxconn is None:
        return f"{raised}, and the limit of the system (Linux: net.core.somaxconn)"
    if limits is not None and max(limits) >= somaxconn:
        return f"{raised}, and net.core.somaxconn ({somaxconn:,}, the current limit)"
    return f"{raised}; net.core.somaxconn allows {somaxconn:,}"


def _counter_lines(facts: Facts) -> Iterator[str]:
    """Yield the drop counters of this network namespace."""
    for name in _COUNTERS:
        ever, now = facts.counters.get(name, 0), facts.grown.get(name, 0)
        if ever:
            yield f"{name} {ever:,} so far, {now:,} of them during this run"


def _dropped(number: int, facts: Facts) -> Finding:
    return Finding(
        rule="accept-drops",
        subject="host",
        severity=Severity.WARNING,
        size=number,
        verdict=f"an accept queue overflows: {counted(number, 'SYN')} dropped during"
        " this run",
        evidence=tuple(_counter_lines(facts)),
        numbers={f"new_{name.lower()}": facts.grown.get(name) for name in _COUNTERS},
        means="A queue was full for a moment, and had room again when it was"
        " examined. A client resends its SYN after a second.",
        commands=("tcpstates -ltnp --sort -recv-q", "tcpstates doctor --watch 5"),
        unless="a single burst in several days may be harmless",
    )
